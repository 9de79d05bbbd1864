#!/usr/bin/env python3
"""Writes discriminant.h: probabilities by scikit-learn's linear discriminant analysis, for tests/unit/test_discriminant.c.

    make_discriminant.py >discriminant.h        needs numpy and scikit-learn
"""
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

N, D, K, SHRINKAGE = 60, 19, 4, 0.3
draw = np.random.default_rng(7)
label = draw.integers(0, K, N)
label[label == 3] = np.where(draw.random((label == 3).sum()) < 0.7, 0, 3)  # class 3 is rare
x = draw.normal(0, 1, (N, D)) * draw.choice([0.1, 1, 5], D) + draw.choice([0, 1, 30], D)
x += label[:, None] * draw.normal(0, 0.7, D)
x[:, 6] = 0.25  # a feature that says nothing
x = x.astype(np.float32)
label[50:] = -1  # rows without label: they do not count, and are predicted
used = label >= 0
scaler = StandardScaler().fit(x[used].astype(np.float64))
scaler.scale_[6] = 1
model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE).fit(scaler.transform(x[used].astype(np.float64)), label[used])
p = model.predict_proba(scaler.transform(x.astype(np.float64)))


def table(kind, name, values, digits):
    words = [format(v, digits) + ("F" if kind == "float" else "") for v in np.ravel(values)]
    lines = [", ".join(words[i:i + 10]) for i in range(0, len(words), 10)]
    print(f"static const {kind} {name}[] = {{\n    " + ",\n    ".join(lines) + "};")


print("/* discriminant.h - by make_discriminant.py: scikit-learn's LinearDiscriminantAnalysis, solver lsqr, of standardised features. */")
print(f"enum {{ LDA_N = {N}, LDA_D = {D}, LDA_K = {K} }};\nstatic const double LDA_SHRINKAGE = {SHRINKAGE};")
table("int32_t", "LDA_LABEL", label, "d")
table("float", "LDA_X", x, ".8e")
table("double", "LDA_P", p, ".12g")
