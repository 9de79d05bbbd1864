#!/usr/bin/python3
"""Golden values of antialiased bilinear resizing, from PyTorch: golden/resize.h

    /usr/bin/python3 tests/golden/make_resize.py > tests/golden/resize.h   (Debian 12: python3-torch 1.13)

The picture is made by a formula on both sides: pixel (y,x,c) = (x*x*7 + y*13 + x*y*3 + c*50) % 256.
"""
import torch
from torch.nn import functional as F


def picture(h, w):
    y, x, c = torch.meshgrid(torch.arange(h), torch.arange(w), torch.arange(3), indexing="ij")
    return ((x * x * 7 + y * 13 + x * y * 3 + c * 50) % 256).double().permute(2, 0, 1)[None]


print("/* made by make_resize.py with PyTorch", torch.__version__, "*/")
print("typedef struct { int w, h, S; double value[3][6]; } golden_resize;")
print("/* value[c]: outputs (0,0), (0,S-1), (S-1,0), (S-1,S-1), (S/2,S/3) and the mean of channel c, on 0..255 */")
print("static const golden_resize GOLDEN_RESIZE[] = {")
for w, h, s in [(40, 30, 16), (17, 23, 8), (9, 9, 9), (10, 14, 32), (100, 64, 7)]:
    out = F.interpolate(picture(h, w), size=(s, s), mode="bilinear", antialias=True, align_corners=False)[0]
    rows = []
    for c in range(3):
        o = out[c]
        v = [o[0, 0], o[0, -1], o[-1, 0], o[-1, -1], o[s // 2, s // 3], o.mean()]
        rows.append("{" + ", ".join("%.9f" % float(x) for x in v) + "}")
    print("    {%d, %d, %d, {%s}}," % (w, h, s, ", ".join(rows)))
print("};")
