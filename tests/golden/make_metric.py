#!/usr/bin/env python3
"""Every score that tenfold publishes, by scikit-learn (PyPI): python3 tests/golden/make_metric.py > tests/golden/metric.h

All by zero_division=0 and labels=range(K), so that a class without rows counts (metric.h). Counts beyond 2^31 are sample
weights of one row per cell. The geometric mean, which scikit-learn does not have, is of its F1 values, to 50 digits."""
from decimal import Decimal, getcontext

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

getcontext().prec = 50
rng = np.random.default_rng(1)
number = lambda x: "%.17g" % x
words = lambda a, f=str: "{" + ", ".join(f(x) for x in a) + "}"


def scores(K, label, predicted, weight=None):
    labels = list(range(K))
    f1 = f1_score(label, predicted, labels=labels, average=None, zero_division=0, sample_weight=weight)
    gmean = 0 if min(f1) == 0 else (sum(Decimal(float(f)).ln() for f in f1) / K).exp()
    macro = f1_score(label, predicted, labels=labels, average="macro", zero_division=0, sample_weight=weight)
    return f1, macro, accuracy_score(label, predicted, sample_weight=weight), float(gmean)


def cells_of(K, label, predicted):
    n = confusion_matrix(label, predicted, labels=range(K))
    return [(k, j, int(n[k, j])) for k in range(K) for j in range(K) if n[k, j]]


def noisy(K, n, right, classes=None, never=()):
    """n labels of `classes`, a share `right` of them predicted; what would be one of `never` is predicted as class 0."""
    label = rng.choice(classes if classes is not None else K, n)
    predicted = np.where(rng.random(n) < right, label, rng.integers(0, K, n))
    return K, label, np.where(np.isin(predicted, never), 0, predicted)


# --- confusion matrices
rows = {
    "five classes": noisy(5, 400, .6),
    "no row of a class, which is predicted": noisy(5, 200, .5, classes=[0, 1, 3, 4]),
    "a class that is never predicted": noisy(5, 200, .5, never=[2]),
    "a class in the list alone": noisy(5, 200, .5, classes=[0, 1, 3, 4], never=[2]),
    "one class in the labels": (4, np.zeros(40, int), rng.integers(0, 4, 40)),
    "one class alone": (4, np.full(40, 1), np.full(40, 1)),
    "one row, right": (3, [2], [2]),
    "one row, wrong": (3, [0], [2]),
    "nothing right": (4, np.repeat([0, 1], 20), np.repeat([2, 3], 20)),
    "all right": (2, np.arange(40) % 2, np.arange(40) % 2),
    "a rare class": noisy(5, 4000, .8, classes=np.repeat(range(5), [590, 190, 143, 69, 8])),
    "sixty-four classes": noisy(64, 3000, .6),
    "sixty-four classes, thinly": noisy(64, 60, .4),
}
cases = [(what, K, cells_of(K, label, predicted)) + scores(K, label, predicted) for what, (K, label, predicted) in rows.items()]
for what, cells in {
        "beyond 2^31": [(0, 0, 3000000000), (0, 1, 5), (1, 1, 7000000001), (1, 2, 4294967297), (2, 2, 2147483648), (2, 0, 1)],
        "10^12 rows, a class of three": [(0, 0, 999999999990), (0, 2, 1), (1, 1, 7), (2, 0, 1), (2, 2, 2)]}.items():
    label, predicted, count = (np.array(x) for x in zip(*cells))
    cases.append((what, 3, cells) + scores(3, label, predicted, count))

print("/* made by make_metric.py with scikit-learn", sklearn.__version__, "*/")
print("/* cells of a confusion matrix: label, predicted, count */")
for i, (what, K, cells, f1, macro, accuracy, gmean) in enumerate(cases):
    print("static const int64_t CELLS_%d[][3] = {%s};" % (i, ", ".join(words(c) for c in cells)))
    print("static const double F1_%d[] = %s;" % (i, words(f1, number)))
print("typedef struct { const char *what; int K, n_cells; const int64_t (*cell)[3]; const double *f1, macro, accuracy, gmean; } golden_metric;")
print("static const golden_metric GOLDEN_METRIC[] = {")
for i, (what, K, cells, f1, macro, accuracy, gmean) in enumerate(cases):
    print('    {"%s", %d, %d, CELLS_%d, F1_%d, %s, %s, %s},' % (what, K, len(cells), i, i, *map(number, (macro, accuracy, gmean))))
print("};")

# --- probabilities with ties, and rows that do not count, to a confusion matrix
K, N = 4, 48
p = rng.integers(0, 3, (N, K)) / 4
label, use = rng.integers(-1, K, N), rng.integers(0, 2, N)
counts = lambda rows: confusion_matrix(label[rows], np.argmax(p[rows], axis=1), labels=range(K))
print("enum { GOLDEN_ROWS = %d, GOLDEN_ROWS_K = %d };" % (N, K))
print("static const float GOLDEN_P[] = %s;" % words(p.ravel(), lambda x: "%gF" % x if "." in "%g" % x else "%g" % x))
print("static const int32_t GOLDEN_LABEL[] = %s;" % words(label))
print("static const uint8_t GOLDEN_USE[] = %s;" % words(use))
print("static const int64_t GOLDEN_COUNT_ALL[] = %s;" % words(counts(label >= 0).ravel()))
print("static const int64_t GOLDEN_COUNT_USED[] = %s;" % words(counts((label >= 0) & (use > 0)).ravel()))

# --- rows that count as often as a resample takes them
K, N, RESAMPLES = 5, 60, 20
label, predicted = rng.choice(4, N), rng.choice(5, N)  # no row of class 4
predicted = np.where(rng.random(N) < .5, label, predicted)
weight = rng.poisson(1, (N, RESAMPLES))
each = np.array([scores(K, label, predicted, weight[:, j])[1:] for j in range(RESAMPLES)])  # macro, accuracy, gmean
print("enum { GOLDEN_WEIGHTED = %d, GOLDEN_WEIGHTED_K = %d, GOLDEN_RESAMPLES = %d };" % (N, K, RESAMPLES))
print("static const int GOLDEN_W_LABEL[] = %s, GOLDEN_W_PREDICTED[] = %s;" % (words(label), words(predicted)))
print("static const uint8_t GOLDEN_WEIGHT[] = %s;" % words(weight.ravel()))
print("static const double GOLDEN_MACRO[] = %s;" % words(each[:, 0], number))
print("static const double GOLDEN_ACCURACY[] = %s;" % words(each[:, 1], number))
print("/* percentiles 2.5 and 97.5 of macro F1, accuracy; by numpy */")
print("static const double GOLDEN_INTERVAL[2][2] = {%s, %s};" % tuple(words(np.percentile(each[:, m], [2.5, 97.5]), number) for m in (0, 1)))
# a resample that has rows of all classes has a geometric mean
label, predicted = np.arange(N) % 3, np.where(rng.random(N) < .7, np.arange(N) % 3, rng.integers(0, 3, N))
each = np.array([scores(3, label, predicted, weight[:, j])[3] for j in range(RESAMPLES)])
assert min(each) > 0
print("static const int GOLDEN_G_LABEL[] = %s, GOLDEN_G_PREDICTED[] = %s;" % (words(label), words(predicted)))
print("static const double GOLDEN_GMEAN[] = %s;" % words(each, number))

# --- which labels are wrong, which were found suspicious
print("typedef struct { int n; uint8_t wrong[12], suspicious[12]; double precision, recall; } golden_filter;")
print("static const golden_filter GOLDEN_FILTER[] = {")
for wrong, suspicious in [([1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1]), ([1, 0, 1], [0, 0, 0]),
                          ([0, 0, 0], [1, 0, 1]), ([0, 0, 0], [0, 0, 0]), ([1], [1])]:
    print("    {%d, %s, %s, %s, %s}," % (len(wrong), words(wrong), words(suspicious),
                                        number(precision_score(wrong, suspicious, zero_division=0)),
                                        number(recall_score(wrong, suspicious, zero_division=0))))
print("};")
