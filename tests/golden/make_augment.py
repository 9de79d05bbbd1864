#!/usr/bin/env python3
"""Golden values of single augmentations, from SciPy, Python's colorsys and albumentations: golden/augment.h

    python3 -m venv V && V/bin/pip install numpy==2.4.6 scipy albumentations==2.0.8
    V/bin/python tests/golden/make_augment.py > tests/golden/augment.h

Values are exact where a library computes in real numbers (SciPy, colorsys). albumentations rounds in between (8-bit hue, 5-bit positions, shifts of whole pixels),
so that it is asked here whether it agrees with them to a few steps: this fixes the meaning of names, units and signs. The picture is
made by a formula on both sides: pixel (y,x,c) = 128 + 127 sin(x (c + 2) / 5 + y / (3 - c)), rounded down.
"""
import colorsys
import warnings

warnings.simplefilter("ignore")
import albumentations as A
import cv2
import numpy as np
import scipy
from scipy import ndimage, stats

S = 10
y, x, c = np.meshgrid(np.arange(S), np.arange(S), np.arange(3), indexing="ij")
PICTURE = np.floor(128 + 127 * np.sin(x * (c + 2) / 5 + y / (3 - c))).astype(np.uint8)


def agrees(name, exact, transform, mean, most):
    """Is albumentations' picture the exact one, but for its rounding?"""
    A_picture = A.Compose([transform], seed=1)(image=PICTURE)["image"].astype(float)
    off = np.abs(A_picture - exact)
    assert off.mean() < mean and off.max() < most, (name, off.mean(), off.max())


def warp(across, down, scale, degrees):
    m = cv2.getRotationMatrix2D(((S - 1) / 2, (S - 1) / 2), degrees, scale)
    m[:, 2] += [across * S, down * S]
    back = np.linalg.inv(np.vstack([m, [0, 0, 1]]))
    at = back @ np.stack([x[..., 0].ravel(), y[..., 0].ravel(), np.ones(S * S)])
    out = [ndimage.map_coordinates(PICTURE[..., k].astype(float), [at[1], at[0]], order=1, mode="mirror") for k in range(3)]
    out = np.stack(out, -1).reshape(S, S, 3)
    by_cv2 = cv2.warpAffine(PICTURE, m, (S, S), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    assert np.abs(by_cv2 - out).max() < 6
    t = A.ShiftScaleRotate(shift_limit_x=(across, across), shift_limit_y=(down, down), scale_limit=(scale - 1, scale - 1),
                           rotate_limit=(degrees, degrees), border_mode=cv2.BORDER_REFLECT_101, p=1)
    agrees("warp", out, t, 2.5, 30)
    return out


def brightness_contrast(b, contrast):
    out = np.clip(PICTURE * contrast + b * 255, 0, 255)
    agrees("brightness", out, A.RandomBrightnessContrast((b, b), (contrast - 1, contrast - 1), p=1), 1.001, 1.001)
    return out


def hsv(hue, saturation, value):
    out = np.empty((S, S, 3))
    for i in np.ndindex(S, S):
        h, s, v = colorsys.rgb_to_hsv(*(PICTURE[i] / 255))
        s = min(max(s + saturation / 255, 0), 1) if s > 0 else 0
        out[i] = np.multiply(colorsys.hsv_to_rgb((h + hue / 180) % 1, s, min(max(v + value / 255, 0), 1)), 255)
    t = A.HueSaturationValue((hue, hue), (saturation, saturation), (value, value), p=1)
    agrees("hsv", out, t, 1.5, 8)
    return out


def blur(sigma):
    radius = int(np.ceil(3 * sigma))
    out = ndimage.gaussian_filter(PICTURE.astype(float), (sigma, sigma, 0), mode="mirror", truncate=radius / sigma)
    t = A.GaussianBlur(blur_limit=(2 * radius + 1, 2 * radius + 1), sigma_limit=(sigma, sigma), p=1)
    agrees("blur", out, t, 1, 3)
    return out


CASES = [
    ("WARP", (0, 0, 1, 30), warp), ("WARP", (0.1, -0.2, 1, 0), warp), ("WARP", (0.1, 0.2, 1.3, -75), warp),
    ("WARP", (0, 0.3, 0.6, 160), warp), ("BRIGHTNESS_CONTRAST", (0.15, 1, 0, 0), brightness_contrast),
    ("BRIGHTNESS_CONTRAST", (-0.1, 1.4, 0, 0), brightness_contrast), ("HSV", (25, 0, 0, 0), hsv), ("HSV", (-80, 40, -30, 0), hsv),
    ("HSV", (0, -60, 50, 0), hsv), ("BLUR", (0.5, 0, 0, 0), blur), ("BLUR", (2.7, 0, 0, 0), blur),
]
print("/* made by make_augment.py with albumentations %s, SciPy %s, NumPy %s */" % (A.__version__, scipy.__version__, np.__version__))
print("enum { GOLDEN_AUGMENT_PX = %d };" % S)
print("typedef enum { GOLDEN_WARP, GOLDEN_BRIGHTNESS_CONTRAST, GOLDEN_HSV, GOLDEN_BLUR } golden_augment_kind;")
print("typedef struct {\n    golden_augment_kind kind;\n    double amount[4];\n    double value[%d]; /* (S,S,3) on 0..255 */\n} golden_augment;" % (S * S * 3))
print("static const golden_augment GOLDEN_AUGMENT[] = {")
for name, amount, make in CASES:
    values = make(*amount[: make.__code__.co_argcount]).ravel()
    words = ["%.4g" % v for v in values]
    print("    {GOLDEN_%s, {%s}," % (name, ", ".join("%g" % a for a in amount)))
    lines = [",".join(words[i:i + 24]) for i in range(0, len(words), 24)]
    print("     {" + ",\n      ".join(lines) + "}},")
print("};")
print("/* the distribution of Mixup's lambda: P(lambda < at) for alpha 0.2, 1 and 2 */")
print("static const struct {\n    double alpha, at, p;\n} GOLDEN_BETA[] = {")
for alpha in (0.2, 1, 2):
    for at in (0.05, 0.25, 0.5, 0.9):
        print("    {%g, %g, %.6f}," % (alpha, at, stats.beta(alpha, alpha).cdf(at)))
print("};")
