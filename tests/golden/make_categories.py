#!/usr/bin/env python3
"""Pictures and categories joined, p^a q^b, by scipy: python3 tests/golden/make_categories.py >tests/golden/categories.h"""
import numpy as np
import scipy
from scipy.optimize import minimize

N, K = 60, 4
rng = np.random.default_rng(3)
label = rng.choice(K, N, p=[0.5, 0.25, 0.15, 0.1])


def guess(strength):
    z = rng.normal(0, 1, (N, K))
    z[np.arange(N), label] += strength
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return p.astype(np.float32)


def joined(w, p, q):
    z = w[0] * np.log(p.astype(float)) + w[1] * np.log(q.astype(float))
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


p, q = guess(1.5), guess(0.8)
best = minimize(lambda w: -np.log(joined(w, p, q)[np.arange(N), label]).sum(), [1, 1], method="BFGS", options={"gtol": 1e-9}).x


def put(name, values):
    print(f"static const {name} = {{{', '.join(values)}}};")


def floats(x):
    return [f"{v:.9g}F" for v in x.ravel()]


print(f"/* made by make_categories.py with scipy {scipy.__version__} */")
print(f"enum {{ CATEGORIES_N = {N}, CATEGORIES_K = {K} }};")
print(f"static const double CATEGORIES_A = {best[0]:.10g}, CATEGORIES_B = {best[1]:.10g};")
put("int CATEGORIES_LABEL[]", [str(k) for k in label])
put("float CATEGORIES_P[]", floats(p))
put("float CATEGORIES_Q[]", floats(q))
put("float CATEGORIES_JOINED[]", floats(joined(best, p, q)))
