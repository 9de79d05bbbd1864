#!/usr/bin/env python3
"""The noise matrix of drawn labels, by scipy's L-BFGS in place of expectation and maximisation:
python3 tests/golden/make_true_class.py > tests/golden/true_class.h

600 rows of three classes with shares .6, .3, .1. A prediction is the truth at temperature 1 / 2: it is too unsure. Labels are drawn by PLANTED.
Maximised is the log likelihood of the labels plus the logarithm of the Dirichlet prior of src/score/true_class.h, for each temperature
of its grid; the temperature with the highest likelihood is refined by a bounded search between its neighbours."""
import numpy as np
import scipy
import scipy.optimize

N, K, ROWS = 600, 3, 10
PLANTED = np.array([[0.9, 0.08, 0.02], [0.25, 0.7, 0.05], [0.3, 0.1, 0.6]])
rng = np.random.default_rng(3)
logits = 2.5 * rng.standard_normal((N, K)) + np.log([0.6, 0.3, 0.1])


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


sharp = softmax(logits)
truth = np.array([rng.choice(K, p=p) for p in sharp])
label = np.array([rng.choice(K, p=PLANTED[t]) for t in truth])
p = softmax(logits / 2).astype(np.float32)
share = np.bincount(label, minlength=K) / N
prior = 0.9 * np.eye(K) + 0.1 * share


def at(t):
    """(likelihood, matrix) at this temperature."""
    tempered = softmax(np.log(p.astype(np.float64)) / t)

    def likelihood(m):
        return np.log((tempered * m[:, label].T).sum(axis=1)).sum()

    def loss(x):
        m = softmax(x.reshape(K, K))
        return -likelihood(m) - ROWS * (prior * np.log(m)).sum()

    best = scipy.optimize.minimize(loss, np.log(prior).ravel(), method="L-BFGS-B", options={"maxiter": 10000, "ftol": 1e-15, "gtol": 1e-10})
    m = softmax(best.x.reshape(K, K))
    return likelihood(m), m, tempered


grid = max(0.2 * 20 ** (np.arange(16) / 15), key=lambda x: at(x)[0])
step = np.log(20) / 15
t = np.exp(scipy.optimize.minimize_scalar(lambda x: -at(np.exp(x))[0], bounds=(np.log(grid) - step, np.log(grid) + step), method="bounded").x)
_, m, tempered = at(t)
q = tempered * m[:, label].T
q /= q.sum(axis=1, keepdims=True)


def array(kind, name, values, how):
    return f"static const {kind} {name}[] = {{{', '.join(format(v, how) for v in np.ravel(values))}}};"


print(f"/* true_class.h - by tests/golden/make_true_class.py, numpy {np.__version__}, scipy {scipy.__version__} */")
print("enum { N = 600, K = 3 };")
print(array("float", "P", p, ".9e").replace(",", "F,").replace("}", "F}"))
print(array("int32_t", "LABEL", label, "d"))
print(array("int32_t", "TRUTH", truth, "d"))
print(array("double", "PLANTED", PLANTED, "g"))
print(f"static const double TEMPERATURE = {t:.17g};")
print(array("double", "MATRIX", m, ".9g"))
print(array("double", "Q", q, ".6f"))
