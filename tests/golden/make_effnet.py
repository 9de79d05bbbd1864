#!/usr/bin/python3
"""Golden tensors of small EfficientNets and of the optimisers, from PyTorch and torchvision, in double precision.

    /usr/bin/python3 tests/golden/make_effnet.py          (Debian 12: python3-torch 1.13, python3-torchvision 0.14)

writes b0.safetensors, b0_same_head.safetensors, lite0.safetensors, optim.safetensors and layers.safetensors beside itself. Weights and
inputs are not stored: both sides make them by `hashed`. Of a gradient with more than MOST values, every `step_of`-th is
stored, beside the norms of all.
"""
import json
import pathlib
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig

HERE = pathlib.Path(__file__).parent
MOST = 512
STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
          (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]
WIDTH, DEPTH, CLASSES = 0.25, 0.5, 5
torch.set_num_threads(1)


def hashed(n, index):
    """n numbers in [-1, 1) that any language can make: MurmurHash3's finaliser (fmix32) of a counter."""
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) + np.uint32(index * 0x9E3779B9 & 0xFFFFFFFF)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def value_of(name, shape, index):
    """The value of tensor number `index` in the file order: scaled to keep activations near 1."""
    u = hashed(int(np.prod(shape)), index).reshape(shape)
    is_bn_or_bias = len(shape) == 1
    if name.endswith("running_var") or (is_bn_or_bias and name.endswith("weight")):
        return np.float32(1 + 0.25 * u)
    if is_bn_or_bias:
        return np.float32(0.25 * u)
    return np.float32(u * np.float64(np.float32(np.sqrt(3 / np.prod(shape[1:])))))


class Same(nn.Conv2d):
    """TensorFlow's SAME padding."""

    def forward(self, x):
        pads = []
        for size in (x.shape[3], x.shape[2]):
            s, k = self.stride[0], self.kernel_size[0]
            total = max((-(-size // s) - 1) * s + k - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, None, self.stride, 0, 1, self.groups)


class NoSE(nn.Identity):
    def __init__(self, *args, **kwargs):
        super().__init__()


class Head(nn.Module):
    """Pooled features beside the extra units -> dense -> swish -> dense."""

    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.hidden = nn.Linear(n_in, n_hidden)
        self.classifier = nn.Linear(n_hidden, CLASSES)

    def forward(self, x, extra):
        return self.classifier(F.silu(self.hidden(torch.cat([x, extra], 1))))


def small_net(lite):
    settings = []
    for i, (expand, kernel, stride, n_in, n_out, repeats) in enumerate(STAGES):
        fixed = lite and i in (0, len(STAGES) - 1)
        c = MBConvConfig(expand, kernel, stride, n_in, n_out, repeats, WIDTH, 1.0 if fixed else DEPTH)
        if lite:
            c.block = lambda *args: MBConv(*args, se_layer=NoSE)
        settings.append(c)
    if lite:
        settings[0].input_channels = 32
    eps = 1e-3 if lite else 1e-5
    net = EfficientNet(settings, 0.0, 0.0, CLASSES, norm_layer=lambda n: nn.BatchNorm2d(n, eps=eps),
                       last_channel=1280 if lite else None)
    if lite:
        for module in net.modules():
            for key, child in list(module.named_children()):
                if isinstance(child, nn.SiLU):
                    setattr(module, key, nn.ReLU6())
    return net


def conv_names(conv, bn):
    return [(conv + ".weight", "0.weight"), (bn + ".weight", "1.weight"), (bn + ".bias", "1.bias"),
            (bn + ".running_mean", "1.running_mean"), (bn + ".running_var", "1.running_var")]


def names(net):
    """[(timm name, torchvision name)] in timm's order."""
    out = [(a, "features.0." + b) for a, b in conv_names("conv_stem", "bn1")]
    for s in range(len(STAGES)):
        for b, block in enumerate(net.features[s + 1]):
            layers = len(block.block)
            convs = ["conv_pw", "conv_dw", None, "conv_pwl"] if layers == 4 else ["conv_dw", None, "conv_pw"]
            n_bn = 0
            for j, conv in enumerate(convs):
                prefix, there = f"blocks.{s}.{b}.", f"features.{s + 1}.{b}.block.{j}."
                if conv:
                    n_bn += 1
                    out += [(prefix + x, there + y) for x, y in conv_names(conv, f"bn{n_bn}")]
                elif not isinstance(block.block[j], NoSE):
                    out += [(f"{prefix}se.conv_{x}.{y}", f"{there}{z}.{y}") for x, z in (("reduce", "fc1"), ("expand", "fc2"))
                            for y in ("weight", "bias")]
    out += [(a, f"features.{len(STAGES) + 1}.{b}") for a, b in conv_names("conv_head", "bn2")]
    if isinstance(net.classifier, Head):
        out += [(f"{x}.{y}", f"classifier.{z}.{y}") for x, z in (("head_dense", "hidden"), ("classifier", "classifier"))
                for y in ("weight", "bias")]
    else:
        out += [("classifier.weight", "classifier.1.weight"), ("classifier.bias", "classifier.1.bias")]
    return out


def step_of(n, most=MOST):
    """The least step that leaves `most` or fewer and shares no factor with 3 x 3, 5 x 5 and powers of two: it sees every
    tap of a kernel."""
    step = -(-n // most)
    while step > 1 and (step % 2 == 0 or step % 3 == 0 or step % 5 == 0):
        step += 1
    return step


def thinned(x):
    x = x.detach().numpy().reshape(-1)
    return x[::step_of(len(x))]


def write(path, tensors):
    header, data = {}, b""
    for key, x in tensors.items():
        raw = np.ascontiguousarray(x, dtype="<f4").tobytes()
        header[key] = {"dtype": "F32", "shape": list(np.shape(x)), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def golden(name, size_px, lite=False, same=False, stem_stride=2, extra_units=0, head_units=0, batch=4):
    net = small_net(lite)
    net.features[0][0].stride = (stem_stride, stem_stride)
    if same:
        for module in net.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1:
                module.__class__ = Same
    if head_units:
        net.classifier = Head(net.classifier[1].in_features + extra_units, head_units)
    net.double()
    there, where = net.state_dict(), names(net)
    assert len(where) == sum("num_batches" not in key for key in there)
    with torch.no_grad():
        for i, (ours, theirs) in enumerate(where):
            there[theirs].copy_(torch.from_numpy(np.array(value_of(ours, there[theirs].shape, i))))

    def given(n, index):
        return torch.from_numpy(np.float64(np.float32(hashed(n, index))))

    image = given(batch * size_px**2 * 3, 1001).reshape(batch, size_px, size_px, 3).permute(0, 3, 1, 2) * 2
    extra = given(batch * extra_units, 1002).reshape(batch, extra_units)
    target = torch.full((batch, CLASSES), 0.02, dtype=torch.float64)
    for i in range(batch):
        target[i, i % CLASSES] = 0.92

    def logits():
        features = torch.flatten(net.avgpool(net.features(image)), 1)
        return net.classifier(features, extra) if head_units else net.classifier(features)

    out = {}
    net.eval()
    out["eval.logits"] = logits().detach().numpy()
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the running moments become those of the batch
    loss = -(target * torch.log_softmax(logits(), 1)).sum(1).mean()
    loss.backward()
    out["loss"] = np.array([loss.item()])
    there, grads = net.state_dict(), {key: p.grad for key, p in net.named_parameters()}
    for ours, theirs in where:
        if "running" in ours:
            out["moment." + ours] = there[theirs].numpy()
        else:
            out["grad." + ours] = thinned(grads[theirs])
            out["norm." + ours] = np.array([grads[theirs].norm().item()])
    write(HERE / f"{name}.safetensors", out)


def golden_optim():
    """Ten steps on the tensors of the first net; the gradient of step j is hashed(n, 2000 + 100 j + index) / 10."""
    net = small_net(False).double()
    there, where = net.state_dict(), [pair for pair in names(net) if "running" not in pair[0]]
    out = {}
    for kind in ("adamw", "sgd"):
        params, groups = [], []
        order = [pair[0] for pair in names(net)]
        for ours, theirs in where:
            shape = tuple(there[theirs].shape)
            p = nn.Parameter(torch.from_numpy(np.float64(value_of(ours, shape, order.index(ours)))))
            params.append(p)
            groups.append({"params": [p], "weight_decay": 0.05 if len(shape) > 1 else 0.0})
        if kind == "adamw":
            optim = torch.optim.AdamW(groups, lr=0.01)
        else:
            optim = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
        for step in range(10):
            for (ours, _), p in zip(where, params):
                g = hashed(p.numel(), 2000 + 1000 * step + order.index(ours)) / 10
                p.grad = torch.from_numpy(np.float64(np.float32(g))).reshape(p.shape)
            if kind == "sgd":
                nn.utils.clip_grad_norm_(params, 2.0)
            optim.step()
        for (ours, _), p in zip(where, params):
            out[f"{kind}.{ours}"] = thinned(p)[:8]
    write(HERE / "optim.safetensors", out)


def golden_layers():
    """The same with a learning rate for each stage, 0.7 times that of the stage behind it, four times as much for the
    head, and the first three stages frozen for four steps: their parameters have no gradient."""
    net = small_net(False).double()
    there, order = net.state_dict(), [pair[0] for pair in names(net)]
    out = {}
    for kind in ("adamw", "sgd"):
        groups, stages, parts = [], [], []
        for ours, theirs in names(net):
            if "running" in ours:
                continue
            stage = {"conv_stem": 0, "bn1": 0, "conv_head": 8, "bn2": 8, "classifier": 9}.get(ours.split(".")[0])
            stage = 1 + int(ours.split(".")[1]) if stage is None else stage
            shape = tuple(there[theirs].shape)
            p = nn.Parameter(torch.from_numpy(np.float64(value_of(ours, shape, order.index(ours)))))
            parts.append((ours, p))
            stages.append(stage)
            groups.append({"params": [p], "weight_decay": 0.05 if len(shape) > 1 else 0.0,
                           "lr": 0.04 if stage == 9 else 0.01 * 0.7 ** (9 - stage)})
        optim = (torch.optim.AdamW(groups) if kind == "adamw" else
                 torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True))
        for step in range(10):
            for (ours, p), stage in zip(parts, stages):
                g = hashed(p.numel(), 2000 + 1000 * step + order.index(ours)) / 10
                p.grad = torch.from_numpy(np.float64(np.float32(g))).reshape(p.shape)
                if stage < 3 and step < 4:
                    p.grad = None
            optim.step()
        for ours, p in parts:
            out[f"{kind}.{ours}"] = thinned(p)[:4]
    write(HERE / "layers.safetensors", out)


if __name__ == "__main__":
    golden("b0", 40)
    golden("b0_same_head", 20, same=True, stem_stride=1, extra_units=3, head_units=16)
    golden("lite0", 40, lite=True)
    golden_optim()
    golden_layers()
