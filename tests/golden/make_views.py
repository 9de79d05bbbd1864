#!/usr/bin/env python3
"""Golden pixels of views of a whole image, from Pillow: golden/views.h

    python3 -m venv V && V/bin/pip install Pillow==13.0.0
    V/bin/python tests/golden/make_views.py | clang-format >tests/golden/views.h

squish is Image.resize, pad is ImageOps.pad, identity is ImageOps.fit of the centre square, all with the filter BILINEAR; a flip is ImageOps.mirror of
the result. An odd rest beside the image lies elsewhere in Pillow, which rounds to even, so that no case has one. Pillow rounds to bytes between its two passes, so that a byte may be off by one. The picture is made by a formula on both
sides: pixel (y,x,c) = (x*x*7 + y*13 + x*y*3 + c*50) % 256 / 2 + 64, rounded down.
"""
import PIL
from PIL import Image, ImageOps

AROUND = (250, 3, 17)
CASES = [("squish", 20, 14, 8), ("squish", 9, 31, 12), ("squish_flip", 20, 14, 8), ("pad", 12, 20, 10), ("pad", 20, 13, 12),
         ("pad", 30, 10, 9), ("pad_flip", 11, 20, 10), ("pad", 9, 7, 18), ("identity", 21, 15, 24), ("horizontal_flip", 15, 21, 7)]


def picture(w, h):
    image = Image.new("RGB", (w, h))
    image.putdata([tuple((x * x * 7 + y * 13 + x * y * 3 + c * 50) % 256 // 2 + 64 for c in range(3)) for y in range(h) for x in range(w)])
    return image


def seen(view, image, S):
    if view.startswith("squish"):
        out = image.resize((S, S), Image.Resampling.BILINEAR)
    elif view.startswith("pad"):
        out = ImageOps.pad(image, (S, S), Image.Resampling.BILINEAR, AROUND)
    else:
        side = min(image.size)
        x, y = (image.width - side) // 2, (image.height - side) // 2
        out = image.crop((x, y, x + side, y + side)).resize((S, S), Image.Resampling.BILINEAR)
    return ImageOps.mirror(out) if view.endswith("flip") else out


print("/* made by make_views.py with Pillow", PIL.__version__, "*/")
print("static const unsigned char GOLDEN_AROUND[] = {%d, %d, %d};" % AROUND)
for i, (view, w, h, S) in enumerate(CASES):
    print("static const unsigned char GOLDEN_VIEW_%d[] = {%s};" % (i, ", ".join(str(v) for v in seen(view, picture(w, h), S).tobytes())))
print("typedef struct { const char *view; int w, h, S; const unsigned char *pixels; } golden_view;")
print("static const golden_view GOLDEN_VIEWS[] = {%s};" % ", ".join('{"%s", %d, %d, %d, GOLDEN_VIEW_%d}' % (*c, i) for i, c in enumerate(CASES)))
