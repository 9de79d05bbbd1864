#!/usr/bin/env python3
"""The gradient noise scale of drawn gradients, by numpy: python3 tests/golden/make_noise.py > tests/golden/noise.h

Gradients of images are drawn around G with |G|^2 = 1 and a covariance whose trace is 30: the noise scale is 30. Lanes of 8 images,
steps of 4 lanes. Formula: McCandlish et al. 2018, arXiv 1812.06162, equations A.1 and A.2."""
import numpy as np

rng = np.random.default_rng(1)
mean, sigma = np.full(4, 0.5), np.array([1.0, 2.0, 3.0, 4.0])
b, lanes, steps = 8, 4, 100000
image = mean + sigma * rng.standard_normal((steps, lanes, b, 4))
lane = image.mean(axis=2)
step = lane.mean(axis=1)
small, big = (lane**2).sum(axis=2).mean(), (step**2).sum(axis=1).mean()
B = b * lanes
gradient = (B * big - b * small) / (B - b)
variance = (small - big) / (1 / b - 1 / B)
print(f"/* noise.h - by tests/golden/make_noise.py, numpy {np.__version__} */")
print(f"#define NUMPY_SMALL_SQ    {small:.17g}")
print(f"#define NUMPY_BIG_SQ      {big:.17g}")
print(f"#define NUMPY_NOISE_SCALE {variance / gradient:.17g}")
