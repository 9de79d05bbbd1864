#!/usr/bin/python3
"""Cross entropy, consistency and their gradient by PyTorch, as the published code of mean teacher has them (sums over the
batch divided by its size; mse by K as well), and early-learning regularisation, which is compared with its published code: python3 tests/golden/make_consistency.py > tests/golden/consistency.h"""
import torch
import torch.nn.functional as F

torch.manual_seed(1)
B, K = 6, 4
logits = (2 * torch.randn(B, K)).double().requires_grad_()
teacher = torch.softmax(2 * torch.randn(B, K).double(), 1).float().double()
teacher[2] = torch.tensor([0., 0., 1., 0.])  # a teacher that is sure
target = torch.eye(K).double()[[0, 3, 1, 1, 2, 0]] * 0.9 + 0.025
target[[1, 4]] = 0  # rows without a label
print("/* made by make_consistency.py with PyTorch", torch.__version__.split("+")[0], "*/")
print("enum { GOLDEN_B = %d, GOLDEN_K = %d };" % (B, K))
print("typedef struct { tn_consistency_kind kind; double weight; float logits[%d], teacher[%d], target[%d]; double loss[%d],"
      " gradient[%d]; } golden_consistency;" % (B * K, B * K, B * K, B, B * K))
print("static const golden_consistency GOLDEN_CONSISTENCY[] = {")


def elr(p, q):
    smooth = torch.log(1 - (1 - 1e-4) * (p * q).sum(1))
    clamped = torch.clamp(p, 1e-4, 1 - 1e-4)  # elr_loss of the published code, for one teacher
    assert ((1 - (q * clamped).sum(1)).log() - smooth).abs().max() < 5e-3
    return smooth


single = logits.detach().float().double().requires_grad_()
for kind, weight in (("MSE", 3.), ("KL", .5), ("ELR", 7.)):
    single.grad = None
    log_p = torch.log_softmax(single, 1)
    d = (F.mse_loss(log_p.exp(), teacher, reduction="none").sum(1) / K if kind == "MSE" else
         F.kl_div(log_p, teacher, reduction="none").sum(1) if kind == "KL" else elr(log_p.exp(), teacher))
    loss = -(target * log_p).sum(1) + weight * d
    (loss.sum() / B).backward()
    reals = lambda a, f: "{" + ", ".join((f % x) for x in a.flatten().tolist()) + "}"
    single32 = lambda a: "{" + ", ".join(repr(float(x)) + "F" for x in a.flatten().float().tolist()) + "}"
    print("    {TN_CONSISTENCY_%s, %g,\n     %s,\n     %s,\n     %s,\n     %s,\n     %s}," % (
        kind, weight, single32(single.detach()), single32(teacher), single32(target), reals(loss.detach(), "%.17g"),
        reals(single.grad, "%.17g")))
print("};")
