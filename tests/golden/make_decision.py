#!/usr/bin/env python3
"""Decision rule, smoothed score, temperature, calibration error, by numpy, scipy and scikit-learn (PyPI):
python3 tests/golden/make_decision.py > tests/golden/decision.h

Rows are float32 probabilities of an imbalanced, overconfident model. Logit adjustment as in Menon et al. 2020; temperature by
scipy.optimize.minimize_scalar on scikit-learn's log_loss; expected calibration error by numpy.digitize."""
import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import confusion_matrix, log_loss

K, N, TAUS = 4, 240, (0, .1, .25, .5)
rng = np.random.default_rng(7)
number = lambda x: "%.17g" % x
words = lambda a, f=number: "{" + ", ".join(f(x) for x in np.ravel(a)) + "}"

prior = np.array([.62, .25, .1, .03])
label = rng.choice(K, N, p=prior)
logit = np.log(prior) + 1.1 * np.eye(K)[label] + .8 * rng.normal(size=(N, K))
p = softmax(2.2 * logit, 1).astype(np.float32)
weight = np.where(label == 0, 3.0, 1.0)
use = (np.arange(N) % 7 != 0)
share = np.bincount(label, minlength=K) / N


def smoothed(y, said, w):
    c = confusion_matrix(y, said, labels=range(K), sample_weight=w)
    tp = np.diag(c)
    return np.mean(np.log((2 * tp + 1) / (c.sum(0) + c.sum(1) + 2)))


log_p = np.log(p.astype(float))
score = [smoothed(label[use], (log_p - t * np.log(share)).argmax(1)[use], weight[use]) for t in TAUS]
loss = lambda b: log_loss(label[use], softmax(b * log_p[use], 1), sample_weight=weight[use], labels=range(K))
best = minimize_scalar(loss, bounds=(.05, 20), method="bounded", options={"xatol": 1e-12})
tempered = softmax(log_p * best.x, 1)


def error(q):
    top, right = q.max(1), q.argmax(1) == label
    m = np.digitize(top, np.linspace(0, 1, 16), right=True) - 1
    return sum(abs(right[m == i].sum() - top[m == i].sum()) for i in range(15)) / N


print(f"/* made by make_decision.py with numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__} */")
print(f"enum {{ DECISION_K = {K}, DECISION_N = {N} }};")
print(f"static const float DECISION_P[] = {words(p, lambda x: '%.9gF' % x if '.' in '%.9g' % x or 'e' in '%.9g' % x else '%.1fF' % x)};")
print(f"static const int32_t DECISION_LABEL[] = {words(label, str)};")
print(f"static const double DECISION_WEIGHT[] = {words(weight)};")
print(f"static const uint8_t DECISION_USE[] = {words(use.astype(int), str)};")
print(f"static const double DECISION_SCORE[] = {words(score)}; /* by tau */")
print(f"static const int32_t DECISION_SAID[] = {words((log_p - .25 * np.log(share)).argmax(1), str)}; /* tau .25 */")
print(f"static const double DECISION_TAU = {number(TAUS[int(np.argmax(score))])}, DECISION_TEMPERATURE = {number(1 / best.x)};")
print(f"static const double DECISION_ERROR[] = {words([error(p.astype(float)), error(tempered)])}; /* before, after */")
print(f"static const double DECISION_NLL[] = {words([log_loss(label, p.astype(float) / p.sum(1, keepdims=True)), log_loss(label, tempered)])};")
