#!/usr/bin/env python3
"""The corpus of fuzz_weights: small files of weights, whole and broken (needs numpy and h5py)."""
import json
import pathlib
import struct

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent / "corpus"


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def tensors(name, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    (HERE / name).write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def keras(name, layers, root="/", **attributes):
    with h5py.File(HERE / name, "w", libver=("v110", "v110")) as f:
        g = f.require_group(root)
        g.attrs["layer_names"] = [x.encode() for x in layers]
        for layer, weights in layers.items():
            at = g.create_group(layer)
            at.attrs["weight_names"] = [x.encode() for x in weights]
            for weight, value in weights.items():
                if value is not None:
                    at[weight] = value
        for key, value in attributes.items():
            g.attrs[key] = value


HERE.mkdir(exist_ok=True)
(HERE / "empty").write_bytes(b"")
tensors("no-tensor", {})
tensors("length-max", {}, length=2**64 - 1)
tensors("length-beyond", {}, length=4096)
tensors("not-json", b"{\"conv_stem.weight\":{")
tensors("twice", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))
tensors("deep", b"[" * 3000)
tensors("timm", {"conv_stem.weight": entry("F32", [8, 3, 3, 3], 0, 864)}, bytes(864))
tensors("torchvision", {"features.0.0.weight": entry("BF16", [8, 3, 3, 3], 0, 432)}, bytes(432))
tensors("half", {"conv_stem.weight": entry("F16", [3], 0, 6), "bn1.bias": entry("F32", [1], 6, 10)}, bytes(10))
tensors("own", {"__metadata__": {"net": "efficientnet-b0", "width": "0.01", "depth": "0.01", "pad_same": "1"},
                "model.conv_stem.weight": entry("F32", [1], 0, 4)}, bytes(4))
tensors("words", {"__metadata__": {"width": "nan", "depth": "-1", "head_units": "1e99"},
                  "conv_stem.weight": entry("F32", [1], 0, 4)}, bytes(4))
tensors("product", {"conv_stem.weight": entry("F32", [2**32, 2**32 + 1], 0, 4)}, bytes(4))
tensors("overlap", {"conv_stem.weight": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}, bytes(8))
tensors("reversed", {"conv_stem.weight": entry("F32", [1], 2**63 - 1, -2**63)}, bytes(4))
tensors("counter", {"conv_stem.weight": entry("F32", [1], 0, 4), "bn1.num_batches_tracked": entry("I64", [], 4, 12)}, bytes(12))
stem = {"stem_conv": {"stem_conv/kernel:0": np.zeros((3, 3, 3, 8), "f4")}}
keras("keras.h5", stem)
keras("keras-model.h5", stem, "/model_weights")
keras("keras-missing.h5", {"stem_conv": {"stem_conv/kernel:0": None}})
keras("keras-whole-numbers.h5", {"stem_bn": {"stem_bn/gamma:0": np.zeros(8, "i4")}})
keras("keras-group.h5", {"stem_bn": {"stem_bn": None, "stem_bn/gamma": np.zeros(8, "f2")}})
keras("keras-normalization.h5", {"normalization": {"normalization/mean:0": np.zeros(3), "normalization/variance:0": -np.ones(3)}})
keras("keras-normalization-short.h5", {"normalization": {"normalization/mean:0": np.zeros(2)}})
