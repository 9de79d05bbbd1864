#!/usr/bin/python3
"""Cross entropy with class weights and with logits that are adjusted by the class shares, and their gradients, by PyTorch:
python3 tests/golden/make_class_loss.py >tests/golden/class_loss.h

Soft targets, as label smoothing and CutMix make them, one with negative entries, and a row without a label. As every row has the same logits, the gradient is
that of one vector. PyTorch's mean over rows is over all of them, as with class probabilities as targets."""
import torch
import torch.nn.functional as F

B, K = 4, 5
shares = torch.tensor([.6, .2, .1, .07, .03], dtype=torch.float64)
logits = torch.tensor([.3, -1.2, .8, 2.1, -.4]).float().double()
target = torch.eye(K).double()[[0, 4, 3, 1]] * .9 + .02
target[1] = torch.eye(K)[4] * 2.5 - 1.5 / K  # negative entries
target[2] = .7 * target[2] + .3 * target[0]
target[3] = 0
print("/* made by make_class_loss.py with PyTorch", torch.__version__.split("+")[0], "*/")
print("enum { CLASS_B = %d, CLASS_K = %d };" % (B, K))


def numbers(x):
    return "{" + ", ".join("%.9g" % (y + 0.) for y in x.flatten().tolist()) + "}"


print("static const double CLASS_LOGIT[] = %s, CLASS_TARGET[] = %s;" % (numbers(logits), numbers(target)))
print("/* power: weights are shares to the power of -power, scaled so that their mean over the images is 1; tau: of the logits */")
print("typedef struct { double power, tau, weight[%d], shift[%d], loss[%d], gradient[%d]; } golden_class_loss;" % (K, K, B, K))
print("static const golden_class_loss GOLDEN_CLASS_LOSS[] = {")
for power, tau in ((0, 0), (1, 0), (.5, 0), (0, 1), (.5, .25)):
    weight = shares ** -power
    weight /= (shares * weight).sum()
    shift = tau * shares.log()
    z = logits.clone().requires_grad_()
    rows = (z + shift).expand(B, K)
    log_p = torch.log_softmax(rows, 1)
    loss = F.cross_entropy(rows, target, weight=weight, reduction="none")
    assert torch.allclose(F.cross_entropy(rows, target, weight=weight), loss.mean())
    if power == 0:
        assert torch.allclose(loss[1], 2.5 * -log_p[1, 4] + 1.5 / K * log_p[1].sum())
    loss.mean().backward()
    print("    {%g, %g, %s,\n     %s,\n     %s,\n     %s}," % (
        power, tau, numbers(weight), numbers(shift), numbers(loss.detach()), numbers(z.grad)))
print("};")
