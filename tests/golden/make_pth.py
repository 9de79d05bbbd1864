#!/usr/bin/env python3
"""State dictionaries as torch.save writes them: whole ones beside the files of make_weights.py, with the same values, and small
odd or hostile ones for tests/unit/test_pth.c and tests/fuzz.

    pip install torch safetensors
    python tests/golden/make_pth.py

writes tests/golden/weights/*.pth and tests/fuzz/corpus-pth, and checks that torch reads the whole ones back with the values of
the safetensors files.
"""
import collections
import io
import pathlib
import pickle
import zipfile

import torch
from safetensors.torch import load_file

TESTS = pathlib.Path(__file__).parent.parent
WEIGHTS, CORPUS = TESTS / "golden" / "weights", TESTS / "fuzz" / "corpus-pth"
PLAIN = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
EXPANDING = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
             "conv_pwl": "_project_conv", "bn3": "_bn2"}
TOP = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def counters(state):
    return {k.replace("running_var", "num_batches_tracked"): torch.tensor(7) for k in state if "running_var" in k}


def flat(state):
    """All tensors as views of one storage, convolutions channels last, and what is two-dimensional transposed."""
    def turned(x):
        return x.permute(0, 2, 3, 1) if x.ndim == 4 else x.t() if x.ndim == 2 else x
    one = torch.cat([torch.zeros(3)] + [turned(x).reshape(-1) for x in state.values()])
    out, at = collections.OrderedDict(), 3
    for k, x in state.items():
        y = one[at:at + x.numel()].view(turned(x).shape)
        out[k] = y.permute(0, 3, 1, 2) if x.ndim == 4 else y.t() if x.ndim == 2 else y
        at += x.numel()
    return out


def lukemelas_name(name):
    layer, variable = name.rsplit(".", 1)
    if not layer.startswith("blocks."):
        return f"{TOP[layer]}.{variable}"  # each stage has one block
    _, stage, _, layer = layer.split(".", 3)
    return f"_blocks.{stage}.{(EXPANDING if int(stage) else PLAIN)[layer]}.{variable}"


def read_back(name, want, *keys):
    there = torch.load(WEIGHTS / name, weights_only=False)  # our own file; weights_only knows protocol 2 alone
    for k in keys:
        there = there[k]
    have = [x for k, x in there.items() if "num_batches" not in k and k != "n_averaged"]
    assert len(have) == len(want) and all(torch.equal(a, b.to(a.dtype)) for a, b in zip(have, want)), name


def load(name):
    return {k: x for k, x in load_file(WEIGHTS / name).items() if "num_batches" not in k}


def whole_files():
    timm = load("timm.safetensors")
    ema = flat(timm)
    ema["bn1.bias"] = ema["bn1.bias"].double()
    ema["conv_head.weight"] = torch.nn.Parameter(ema["conv_head.weight"])
    ema.update(counters(ema))
    ema._metadata = collections.OrderedDict({"": {"version": 1}, "bn1": {"version": 2}})
    trained = collections.OrderedDict(ema)
    trained["classifier.bias"] = trained["classifier.bias"] + 1
    torch.save({"epoch": 3, "arch": "efficientnet_b0", "metric": 0.75, "best": None, "last": [True, (1, -2, 2**40)],
                "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
                "state_dict": trained, "state_dict_ema": ema}, WEIGHTS / "timm.pth")
    read_back("timm.pth", list(timm.values()), "state_dict_ema")

    lite = load("timm_lite_16bit.safetensors")
    swa = collections.OrderedDict({"n_averaged": torch.tensor(4)}, **{f"module.{k}": x for k, x in lite.items()})
    torch.save({"model_ema": swa, "model": None}, WEIGHTS / "timm_lite_16bit.pth", pickle_protocol=4)
    read_back("timm_lite_16bit.pth", list(lite.values()), "model_ema")

    old = collections.OrderedDict((lukemelas_name(k), x) for k, x in lite.items())
    old.update(counters(old))
    torch.save(old, WEIGHTS / "lukemelas_lite.pth", _use_new_zipfile_serialization=False)
    read_back("lukemelas_lite.pth", list(lite.values()))


# --- small files --------------------------------------------------------------------------------------------------------


def archive(name, records, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(CORPUS / name, "w", method) as z:
        for record, data in records:
            z.writestr(zipfile.ZipInfo(record), data, method)


def pickled(name, text, *more):
    archive(name, [("x/data.pkl", text), *more])


def saved(name, what, **more):
    buffer = io.BytesIO()
    torch.save(what, buffer, **more)
    (CORPUS / name).write_bytes(buffer.getvalue())
    return buffer.getvalue()


class Call:
    def __init__(self, f, *args):
        self.what = f, args

    def __reduce__(self):
        return self.what


def tensor(size=b"K\x03", stride=b"K\x01", offset=b"K\x00", n=b"K\x03", kind=b"FloatStorage", call=b"_rebuild_tensor_v2"):
    """The pickle of {"conv_stem.weight": a tensor of one dimension}."""
    storage = b"(X\x07\0\0\0storagectorch\n" + kind + b"\nX\x01\0\0\x000X\x03\0\0\0cpu" + n + b"tQ"
    made = b"ctorch._utils\n" + call + b"\n(" + storage + offset + size + b"\x85" + stride + b"\x85\x89NtR"
    return b"\x80\x02}X\x10\0\0\0conv_stem.weight" + made + b"s."


def small_files():
    w = collections.OrderedDict({"conv_stem.weight": torch.arange(216.0).view(8, 3, 3, 3)})
    good = saved("good", w)
    stream = saved("stream", {"state_dict": w}, _use_new_zipfile_serialization=False)
    (CORPUS / "stream-cut").write_bytes(stream[:-5])
    (CORPUS / "stream-more").write_bytes(stream + b"0")
    (CORPUS / "cut").write_bytes(good[:len(good) * 2 // 3])
    at = good.index(w["conv_stem.weight"].numpy().tobytes())
    (CORPUS / "checksum").write_bytes(good[:at + 4] + b"\xff" + good[at + 5:])
    saved("protocol-4", {"model": w}, pickle_protocol=4)
    saved("empty", {})
    saved("empty-nested", {"epoch": 1, "state_dict": collections.OrderedDict()})
    saved("no-tensors", {"epoch": 1, "weights": {"w": 1}})
    saved("list", [torch.zeros(1)])
    saved("not-a-tensor", {**w, "epoch": 3})
    saved("whole-numbers", {"conv_stem.weight": torch.zeros(8, 3, 3, 3, dtype=torch.int64)})
    saved("module", torch.nn.Linear(1, 1))
    saved("bytes", {"state_dict": w, "key": b"x"})
    import os
    for name, what in {"system": Call(os.system, "true"), "eval": Call(eval, "1+1"), "dict": Call(collections.defaultdict, list)}.items():
        pickled(f"code-{name}", pickle.dumps({"state_dict": what}, 2))
    pickled("code-4", pickle.dumps({"state_dict": Call(os.system, "true")}, 4))
    pickled("code-inst", b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.")
    pickled("code-newobj", b"\x80\x02cos\nsystem\n)\x81.")
    pickled("opcode-ext", b"\x80\x02\x82\x01.")
    pickled("opcode-newobj", b"\x80\x02)\x81.")
    pickled("opcode-unknown", b"\x80\x02\xff.")
    pickled("calls-storage", b"\x80\x02ctorch\nFloatStorage\n)R.")
    pickled("ends", b"\x80\x02}X\xff\0\0\0conv")
    pickled("behind", b"\x80\x02}.}")
    pickled("itself", b"\x80\x02}q\0X\x05\0\0\0modelq\1h\0s.")
    pickled("list-itself", b"\x80\x02]q\0h\0a.")
    pickled("memo", b"\x80\x02}r\xff\xff\xff\xff.")
    pickled("memo-beyond", b"\x80\x02}r\x08\0\0\0.")  # 8 bytes are read when 8 is put
    pickled("memo-within", b"\x80\x02}r\x07\0\0\0.")
    pickled("marks", b"\x80\x02(((u.")
    pickled("deep", b"\x80\x02" + b"]" * 500 + b"a" * 499 + b".")
    three = ("x/data/0", b"\0" * 12)
    for name, text in {"view": tensor(), "size-beyond": tensor(size=b"K\x04"), "size-below": tensor(size=b"J\xff\xff\xff\xff"),
                       "offset-beyond": tensor(offset=b"K\x01"), "stride-below": tensor(stride=b"J\xff\xff\xff\xff"),
                       "overflow": tensor(size=b"\x8a\x08" + b"\xff" * 7 + b"\x7f", stride=b"\x8a\x08" + b"\xff" * 7 + b"\x7f"),
                       "expanded": tensor(size=b"\x8a\x06" + b"\xff" * 5 + b"\x7f", stride=b"K\x00"),
                       "storage-size": tensor(n=b"K\x09"), "storage-below": tensor(n=b"J\xff\xff\xff\xff"),
                       "storage-type": tensor(kind=b"ComplexFloatStorage"), "call": tensor(call=b"_rebuild_sparse_tensor")}.items():
        pickled(f"tensor-{name}", text, three)
    weights = tensor()[2:-1]
    settings, module = b"}(X\x05\0\0\0decayK\x01", b"X\x06\0\0\0module"
    for name, ema in {"settings": settings + b"u", "module": settings + module + weights + b"u"}.items():
        pickled(f"ema-{name}", b"\x80\x02}(X\x03\0\0\0ema" + ema + b"X\x0a\0\0\0state_dict" + weights + b"u.", three)
    pickled("ema-itself", b"\x80\x02}q\0(" + (b"h\0h\0" * 999) + b"X\x03\0\0\0emah\0u.")
    pickled("no-storage", tensor())
    pickled("big-endian", tensor(), three, ("x/byteorder", b"big"))
    pickled("twice", tensor(), ("y/data.pkl", tensor()))
    archive("compressed", [("x/data.pkl", tensor() + b"\0" * 2000)], zipfile.ZIP_DEFLATED)
    archive("torchscript", [("x/data.pkl", tensor()), ("x/constants.pkl", b"\x80\x02).")])
    archive("keras", [("config.json", b"{}"), ("model.weights.h5", b"")])
    archive("other-zip", [("readme.txt", b"hello")])
    archive("no-records", [])


if __name__ == "__main__":
    whole_files()
    small_files()
