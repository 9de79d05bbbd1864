#!/usr/bin/python3
"""F1 scores by scikit-learn: /usr/bin/python3 tests/golden/make_metric.py > tests/golden/metric.h (python3-sklearn)"""
import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, f1_score

N = 40
rng = np.random.default_rng(1)
cases = []
for K, label, predicted in [
        (5, rng.integers(0, 5, N), rng.integers(0, 5, N)),
        (5, rng.choice(5, N, p=[.6, .2, .1, .05, .05]), rng.choice(5, N, p=[.5, .3, .1, .1, 0])),
        (3, np.repeat([0, 1, 2], [20, 15, 5]), np.repeat([0, 1, 2], [18, 17, 5])),
        (4, np.zeros(N, int), np.zeros(N, int)),          # three classes that nobody has or names
        (4, np.repeat([0, 1], 20), np.repeat([2, 3], 20)),  # nothing right
        (2, np.arange(N) % 2, np.arange(N) % 2)]:
    f1 = f1_score(label, predicted, labels=range(K), average=None, zero_division=0)
    cases.append((K, label, predicted, f1, f1.mean(), accuracy_score(label, predicted), np.prod(f1) ** (1 / K)))

print("/* made by make_metric.py with scikit-learn", sklearn.__version__, "*/")
print("typedef struct { int K, n; int label[%d], predicted[%d]; double f1[5], macro, accuracy, gmean; } golden_metric;" % (N, N))
print("static const golden_metric GOLDEN_METRIC[] = {")
for K, label, predicted, f1, macro, accuracy, gmean in cases:
    words = lambda a: "{" + ", ".join(str(int(x)) for x in a) + "}"
    print("    {%d, %d, %s,\n     %s,\n     {%s}, %.17g, %.17g, %.17g}," % (
        K, N, words(label), words(predicted), ", ".join("%.17g" % x for x in f1), macro, accuracy, gmean))
print("};")
