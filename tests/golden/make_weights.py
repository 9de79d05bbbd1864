#!/usr/bin/env python3
"""Small files of weights as timm, torchvision and Keras write them, with the logits that these programs compute.

    pip install torch torchvision timm safetensors h5py keras
    python tests/golden/make_weights.py

writes tests/golden/weights/. The nets are EfficientNets of width and depth 0.01: seven blocks of 8 channels. The image is
`hashed` of make_effnet.py as bytes; tests/unit/test_weights.c makes the same.
"""
import os
import pathlib

os.environ["KERAS_BACKEND"] = "torch"
import h5py
import keras
import numpy as np
import timm
import torch
from PIL import Image
from keras.src.applications import efficientnet as keras_effnet
from keras.src.legacy.saving import legacy_h5_format
from safetensors.torch import save_file
from timm.models import efficientnet as timm_effnet
from torchvision.models.efficientnet import EfficientNet, _efficientnet_conf

HERE = pathlib.Path(__file__).parent / "weights"
SIZE, CLASSES, SCALE = 37, 5, 0.01
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
HALF = np.full(3, 0.5)
torch.manual_seed(3)
torch.set_num_threads(1)


def hashed(n, index):
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) + np.uint32(index * 0x9E3779B9 & 0xFFFFFFFF)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


PIXELS = np.floor((hashed(SIZE * SIZE * 3, 77) + 1) * 128).reshape(1, SIZE, SIZE, 3)


def value_for(shape, around_one, rng):
    """Values that keep activations near 1."""
    if len(shape) == 1:
        return float(around_one) + 0.25 * rng.uniform(-1, 1, shape)
    return rng.uniform(-1, 1, shape) * np.sqrt(3 / max(1, np.prod(shape) / max(shape)))


def shake(net, seed):
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, x in net.state_dict().items():
            if x.dtype == torch.float32:
                one = name.endswith("running_var") or (x.ndim == 1 and name.endswith("weight"))
                x.copy_(torch.from_numpy(value_for(tuple(x.shape), one, rng)))
    return net.eval()


def torch_logits(net, mean, std):
    x = torch.from_numpy((PIXELS / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        return net.double()(x)[0].float()


def timm_net(name, **more):
    make = timm_effnet._gen_efficientnet_lite if "lite" in name else timm_effnet._gen_efficientnet
    return make(name, channel_multiplier=SCALE, depth_multiplier=SCALE, num_classes=CLASSES, **more)


def torchvision_net():
    settings, _ = _efficientnet_conf("efficientnet_b0", width_mult=SCALE, depth_mult=SCALE)
    return EfficientNet(settings, 0.2, num_classes=CLASSES, last_channel=16)  # as width 0.01 would have it


def keras_net(weights):
    """A net of keras.applications; weights "imagenet" gives the graph of the ImageNet weights, with a second Rescaling."""
    body = keras_effnet.EfficientNet(SCALE, SCALE, SIZE, name="efficientnetb0", include_top=False, weights=weights,
                                     weights_name="b0", input_shape=(SIZE, SIZE, 3), pooling="avg")
    return keras.Model(body.inputs, keras.layers.Dense(CLASSES, name="predictions")(body.outputs[0]))


def shake_keras(net, seed, mean, variance):
    rng = np.random.default_rng(seed)
    for v in net.variables:
        kind = v.path.split("/")[-1]
        if "normalization" in v.path:
            v.assign({"mean": mean, "variance": variance, "count": 0}[kind])
        elif v.dtype == "float32":
            shape = tuple(v.shape)
            v.assign(value_for(shape, kind in ("gamma", "moving_variance"), rng))
    for layer in net.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return net


def keras_2_file(net, path):
    """As Keras 2 saved weights: names of fixed length with ":0", and, as it does with long lists, a list in pieces; the
    second Rescaling layer, which is younger than the ImageNet files, is not listed."""
    layers = [x for x in net.layers if x.name != "rescaling_1"]
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        names = np.array([x.name.encode() for x in layers])
        for i, piece in enumerate(np.array_split(names, 3)):
            f.attrs[f"layer_names{i}"] = piece
        for x in layers:
            g = f.create_group(x.name)
            if not x.weights:
                g.attrs["weight_names"] = np.array([])
                continue
            its = [(f"{x.name}/{v.path.split('/')[-1]}:0", v) for v in x.weights]
            its = [(n.replace("/kernel", "/depthwise_kernel") if "dwconv" in n else n, v) for n, v in its]
            g.attrs["weight_names"] = np.array([n.encode() for n, _ in its])
            for n, v in its:
                g.create_dataset(n, data=np.array(keras.ops.convert_to_numpy(v)))


def keras_logits(net):
    return torch.from_numpy(np.array(keras.ops.convert_to_numpy(net(PIXELS.astype("float32")))))[0].float()


def make_keras(expect):
    plain = shake_keras(keras_net(None), 4, [0.3, 0.4, 0.5], [0.05, 0.06, 0.07])
    with h5py.File(HERE / "keras3.h5", "w", libver=("v110", "v110")) as f:  # net.save, in fewer bytes
        legacy_h5_format.save_model_to_hdf5(plain, f, include_optimizer=False)
    expect["keras3.h5"] = keras_logits(plain)

    stored = keras_effnet.EfficientNet(SCALE, SCALE, SIZE, include_top=False, weights=None, input_shape=(SIZE, SIZE, 3),
                                       pooling="avg")
    shake_keras(stored, 5, MEAN, STD)  # standard deviations where variances belong, as the ImageNet files have them
    stored.save("stored.h5")
    keras_effnet.file_utils.get_file = lambda *args, **kwargs: "stored.h5"
    imagenet = keras_net("imagenet")
    os.remove("stored.h5")
    shake_keras(imagenet, 6, MEAN, STD)
    expect["keras2.h5"] = keras_logits(imagenet)
    keras_2_file(imagenet, HERE / "keras2.h5")


def make_torch(expect):
    def save(name, net, mean, std, change=lambda k, x: x, words=()):
        changed = {k: change(k, x).contiguous() for k, x in net.state_dict().items()}
        net.load_state_dict(changed)
        save_file(changed, HERE / name, metadata={"format": "pt", **dict(words)})
        expect[name] = torch_logits(net, mean, std)

    def narrow(key, x):
        if x.dtype != torch.float32:
            return x
        return x.to(torch.float16 if "bn" in key or "classifier" in key else torch.bfloat16)

    save("timm.safetensors", shake(timm_net("efficientnet_b0"), 1), MEAN, STD)
    save("timm_lite_16bit.safetensors",
         shake(timm_net("efficientnet_lite0", pad_type="same", norm_layer=None, bn_eps=1e-3), 2), HALF, HALF, narrow,
         {"width": str(SCALE), "depth": str(SCALE), "size_px": str(SIZE)})
    save_file({"logits": expect["timm_lite_16bit.safetensors"][None]}, HERE / "logits.safetensors")
    save("torchvision.safetensors", shake(torchvision_net(), 3), MEAN, STD)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    Image.fromarray(PIXELS[0].astype(np.uint8)).save(HERE / "image.png")
    logits = {}
    make_torch(logits)
    make_keras(logits)
    save_file(logits, HERE / "expect.safetensors")
    for name, x in logits.items():
        print(name, x.numpy())
