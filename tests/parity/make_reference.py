"""What PyTorch computes, for tests/parity/parity.c: one safetensors file per net, in the folder given.

    python make_reference.py [--thin] FOLDER [NET...]        (tests/parity/run calls it)

File: the words of a tenfold checkpoint (the net, its padding, its batch norm), `model.<timm name>` weights, `image`
(B,S,S,3) and `target` (B,K) of one training step, `step.<j>.image|target` of ten, and per precision P in fp32, fp64
(rounded to fp32 at the very end) and bf16 (autocast over fp32 weights, channels-last):
P.logits, P.loss, P.grad.<name>, P.state.<name> of the training step, before it P.eval and P.step.<j>.eval, logits of
evaluation; and, not in fp64, P.adamw and P.sgd, the losses of ten optimiser steps.

--thin: a small file, for tests/gpu/proof (tests/golden/parity holds those of b0, b1 and tiny). Images and weights
are not in it, but for running moments: both sides make them by `hashed` (tests/golden/make_effnet.py). Of gradients and moments
every n-th value is there, at most THIN.
"""
import copy
import functools
import pathlib
import re
import sys

import numpy as np
import safetensors.torch
import timm
import torch
import torchvision
from torch.nn import functional as F
from torchvision.models import efficientnet

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import make_effnet  # noqa: E402

CLASSES, SMOOTHING, STEPS, THIN = 5, 0.1, 10, 32
# Low rates and running moments near those of a batch: at ten times the rates ten steps are chaotic, and evaluation with
# moments that are far off amplifies rounding from block to block. (B4 at 1e-3: a disturbance of 1e-7 in the images moves
# PyTorch's own tenth SGD loss by 2e-3.)
RATE, DECAY = {"adamw": 1e-4, "sgd": 3e-4}, {"adamw": 0.05, "sgd": 1e-3}
NETS = {  # file: library, its name, tenfold's name, TF-SAME, px, batch
    "b0": (torchvision, "efficientnet_b0", "efficientnet-b0", False, 224, 4),
    "b1": (torchvision, "efficientnet_b1", "efficientnet-b1", False, 240, 4),
    "b4": (torchvision, "efficientnet_b4", "efficientnet-b4", False, 256, 4),
    "tf_b0": (timm, "tf_efficientnet_b0", "efficientnet-b0", True, 224, 4),
    "b0_small": (torchvision, "efficientnet_b0", "efficientnet-b0", False, 96, 4),
    "tiny": (efficientnet, "efficientnet_b0", "efficientnet-b0", False, 40, 4),
}
TINY = {"width": 0.25, "depth": 0.35}  # of "tiny"


def timm_name(name, expands):
    """features.3.0.block.1.0.weight -> blocks.2.0.conv_dw.weight; timm's names stay. expands: (stage, place) -> bool"""
    if name.startswith("classifier.1."):
        return name.replace(".1.", ".", 1)
    if not name.startswith("features."):
        return name
    _, stage, rest = name.split(".", 2)
    if stage in ("0", "8"):
        kind, what = rest.split(".")
        conv, bn = ("conv_stem", "bn1") if stage == "0" else ("conv_head", "bn2")
        return f"{conv if kind == '0' else bn}.{what}"
    place, _, layer, rest = rest.split(".", 3)
    wide = expands[int(stage), int(place)]
    layers = ["conv_pw", "conv_dw", "se", "conv_pwl"] if wide else ["conv_dw", "se", "conv_pw"]
    layer = layers[int(layer)]
    prefix = f"blocks.{int(stage) - 1}.{place}."
    if layer == "se":
        return prefix + "se." + rest.replace("fc1", "conv_reduce").replace("fc2", "conv_expand")
    kind, what = rest.split(".")
    convs = [x for x in layers if x != "se"]
    return f"{prefix}{layer if kind == '0' else f'bn{convs.index(layer) + 1}'}.{what}"


def new_names(net):
    keys = [key for key in net.state_dict() if "num_batches" not in key]
    expands = {}
    for key in keys:
        if at := re.match(r"features\.([1-7])\.(\d+)\.block\.(\d)", key):
            where = int(at[1]), int(at[2])
            expands[where] = expands.get(where, False) or at[3] == "3"
    return {key: timm_name(key, expands) for key in keys}


def norms(net):
    return [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def batch(n, px, generator):
    """Low frequencies and noise; boxes pasted from a partner (CutMix), targets smoothed and mixed."""
    coarse = torch.randn(n, 3, 7, 7, generator=generator)
    image = F.interpolate(coarse, px, mode="bilinear") + 0.5 * torch.randn(n, 3, px, px, generator=generator)
    one_hot = F.one_hot(torch.randint(CLASSES, (n,), generator=generator), CLASSES).float()
    mixed, other = one_hot.clone(), image.flip(0)
    for b in range(n):
        side = int(px * torch.rand(1, generator=generator) * 0.7)
        share = side**2 / px**2
        image[b, :, :side, px - side:] = other[b, :, :side, px - side:]
        mixed[b] = (1 - share) * one_hot[b] + share * one_hot[n - 1 - b]
    return image, mixed


def given(n, px, seed):
    """--thin: the images and targets of parity.c's `given`, with low frequencies and noise."""
    at = np.arange(px) * 7 // px
    coarse = make_effnet.hashed(n * 7 * 7 * 3, 3000 + seed).reshape(n, 7, 7, 3)[:, at][:, :, at]
    noise = make_effnet.hashed(n * px * px * 3, 4000 + seed).reshape(n, px, px, 3)
    image = torch.from_numpy(np.float32(1.5 * coarse + 0.75 * noise)).permute(0, 3, 1, 2)
    return image, F.one_hot((torch.arange(n) + seed) % CLASSES, CLASSES).float()


def hash_weights(net):
    """All but running moments, as golden_weights of tests/golden/golden.h does."""
    there = net.state_dict()
    for i, key in enumerate(new_names(net)):
        if "running" not in key:
            there[key].copy_(torch.from_numpy(make_effnet.value_of(key, tuple(there[key].shape), i)))


def make_net(library, name, px, n, thin):
    """Nothing is trivially 0 or 1: gammas, betas and biases are drawn; running moments lie near those of a batch."""
    if library is timm:
        net = timm.create_model(name, num_classes=CLASSES, drop_rate=0.0, drop_path_rate=0.0)
    elif library is efficientnet:
        settings, last = efficientnet._efficientnet_conf(name, width_mult=TINY["width"], depth_mult=TINY["depth"])
        net = efficientnet.EfficientNet(settings, 0.0, 0.0, CLASSES, last_channel=last)
    else:
        net = getattr(torchvision.models, name)(num_classes=CLASSES, dropout=0.0, stochastic_depth_prob=0.0)
    with torch.no_grad():
        for key, p in net.named_parameters():
            if p.dim() == 1:
                p.copy_(0.2 * torch.randn(p.shape))
        last = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.weight.uniform_(-last.in_features**-0.5, last.in_features**-0.5)
        for m in norms(net):
            m.weight.copy_(0.5 + torch.rand(m.weight.shape))
        if thin:
            hash_weights(net)
        kept = [m.momentum for m in norms(net)]
        for m in norms(net):
            m.momentum = 1.0
        net.train()(given(n, px, 99)[0] if thin else batch(n, px, torch.Generator().manual_seed(99))[0])
        for m, momentum in zip(norms(net), kept):
            m.momentum = momentum
            m.running_mean += 0.05 * m.running_var.sqrt() * torch.randn(m.running_var.shape)
            m.running_var *= 0.9 + 0.2 * torch.rand(m.running_var.shape)
    return net


class Precision:
    """fp32, fp64 or bf16 (autocast): how a net is copied, and how it is called."""

    def __init__(self, name):
        self.name = name
        self.dtype = torch.float64 if name == "fp64" else torch.float32
        self.format = torch.channels_last if name == "bf16" else torch.contiguous_format

    def copy(self, net):
        return copy.deepcopy(net).to(dtype=self.dtype, memory_format=self.format)

    def logits(self, net, image):
        image = image.to(dtype=self.dtype, memory_format=self.format)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.name == "bf16"):
            return net(image).to(self.dtype)

    def loss(self, logits, mixed):
        return F.cross_entropy(logits, mixed.to(self.dtype), label_smoothing=SMOOTHING)


def one_step(net, names, image, mixed, steps, how):
    net, out = how.copy(net), {}
    with torch.no_grad():
        out["eval"] = how.logits(net.eval(), image)
        out |= {f"step.{j}.eval": how.logits(net, step[0]) for j, step in enumerate(steps)}
    logits = how.logits(net.train(), image)
    loss = how.loss(logits, mixed)
    loss.backward()
    out |= {"logits": logits, "loss": loss.reshape(1)}
    out |= {"grad." + names[key]: p.grad for key, p in net.named_parameters()}
    out |= {"state." + names[key]: x for key, x in net.named_buffers() if key in names}
    return out


def ten_steps(net, steps, how, kind):
    net = how.copy(net).train()
    groups = [{"params": [p for p in net.parameters() if (p.dim() > 1) == decays],
               "weight_decay": DECAY[kind] if decays else 0.0} for decays in (True, False)]
    if kind == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=RATE[kind])
    else:
        optimizer = torch.optim.SGD(groups, lr=RATE[kind], momentum=0.9, nesterov=True)
    losses = []
    for image, mixed in steps:
        optimizer.zero_grad(set_to_none=True)
        loss = how.loss(how.logits(net, image), mixed)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def stored(image, mixed):
    smooth = (1 - SMOOTHING) * mixed + SMOOTHING / CLASSES
    return {"image": image.permute(0, 2, 3, 1), "target": smooth}


def thinned(key, x):
    """What of a tensor is in the file of --thin."""
    if key.endswith("image") or key.startswith("model.") and "running" not in key:
        return None
    if key.startswith("model.") or key.endswith("target"):
        return x
    return x.reshape(-1)[::make_effnet.step_of(x.numel(), THIN)]


def make(file, folder, thin=False):
    library, name, ours, same, px, n = NETS[file]
    torch.manual_seed(0)
    net = make_net(library, name, px, n, thin)
    names = new_names(net)
    draw = functools.partial(batch, generator=torch.Generator().manual_seed(1))
    image, mixed = given(n, px, 0) if thin else draw(n, px)
    steps = [given(n, px, j + 1) if thin else draw(n, px) for j in range(STEPS)]
    out = {"model." + names[key]: x for key, x in net.state_dict().items() if key in names}
    out |= stored(image, mixed)
    for j, step in enumerate(steps):
        out |= {f"step.{j}.{key}": x for key, x in stored(*step).items()}
    for how in map(Precision, ("fp32", "fp64", "bf16")):
        out |= {f"{how.name}.{key}": x for key, x in one_step(net, names, image, mixed, steps, how).items()}
        if how.name != "fp64":
            out |= {f"{how.name}.{kind}": ten_steps(net, steps, how, kind) for kind in ("adamw", "sgd")}
        print(f"{file}: {how.name} done", flush=True)
    norm = norms(net)[0]
    scale = TINY if library is efficientnet else {"width": 0, "depth": 0}
    words = {"net": ours, **scale, "stem_stride": 2, "classes": CLASSES, "extra_units": 0,
             "head_units": 0, "dropout": 0, "drop_connect": 0, "pad_same": int(same), "bn_eps": norm.eps,
             "bn_momentum": norm.momentum, "size_px": px, "input_mean": "0 0 0", "input_std": "1 1 1", "batch": n,
             "source": f"{library.__name__} {(timm if library is timm else torchvision).__version__} {name}, "
                       f"PyTorch {torch.__version__}"}
    if thin:
        words["thin"] = THIN
        out = {key: y for key, x in out.items() if (y := thinned(key, x)) is not None}
    for kind in ("adamw", "sgd"):
        words |= {f"{kind}_rate": RATE[kind], f"{kind}_decay": DECAY[kind]}
    out = {key: x.detach().to(torch.float32).contiguous().clone() for key, x in out.items()}
    safetensors.torch.save_file(out, folder / f"{file}.safetensors", {key: str(x) for key, x in words.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)  # two would wait for each other on a busy machine
    wants_thin = sys.argv[1] == "--thin"
    folder, *nets = sys.argv[1 + wants_thin:]
    for wanted in nets or NETS:
        make(wanted, pathlib.Path(folder), wants_thin)
