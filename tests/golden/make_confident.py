#!/usr/bin/python3
"""Confident learning by cleanlab: python3 tests/golden/make_confident.py > tests/golden/confident.h (pip install cleanlab)"""
import cleanlab
import numpy as np
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

N = 60
rng = np.random.default_rng(3)


def case(K, shares, noise, sharpness):
    truth = rng.choice(K, N, p=shares)
    label = np.where(rng.random(N) < noise, rng.integers(0, K, N), truth)
    logits = sharpness * np.eye(K)[truth] + rng.normal(size=(N, K))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return K, label, p.astype(np.float32)


few = case(4, [.5, .3, .15, .05], .3, 2.)
few[1][few[1] == 3] = 0
few[1][7] = 3  # one row of its class: it stays
cases = [case(3, [.4, .4, .2], .25, 2.), case(5, [.6, .2, .1, .05, .05], .35, 1.5), case(2, [.7, .3], .2, 1.), few]
print("/* made by make_confident.py with cleanlab", cleanlab.__version__, "*/")
print("typedef struct { int K, n; int32_t label[%d]; float p[%d]; double threshold[5]; int joint[25]; int noise_rate[%d], both[%d];"
      " double self_confidence[%d], normalized_margin[%d]; } golden_confident;" % (N, 5 * N, N, N, N, N))
print("static const golden_confident GOLDEN_CONFIDENT[] = {")
words = lambda a: "{" + ", ".join(str(int(x)) for x in np.ravel(a)) + "}"
reals = lambda a, f="%.17g": "{" + ", ".join(f % x for x in np.ravel(a)) + "}"
for K, label, p32 in cases:
    p = p32.astype(np.float64)
    issues = {by: find_label_issues(label, p, filter_by=by, n_jobs=1) for by in ("prune_by_noise_rate", "both")}
    scores = {m: get_label_quality_scores(label, p, method=m) for m in ("self_confidence", "normalized_margin")}
    print("    {%d, %d, %s,\n     %s,\n     %s, %s,\n     %s,\n     %s,\n     %s,\n     %s}," % (
        K, N, words(label), "{" + ", ".join("%.9gF" % x if "." in "%.9g" % x or "e" in "%.9g" % x else "%.9g.0F" % x for x in p32.ravel()) + "}",
        reals(get_confident_thresholds(label, p)), words(compute_confident_joint(label, p)),
        words(issues["prune_by_noise_rate"]), words(issues["both"]),
        reals(scores["self_confidence"]), reals(scores["normalized_margin"])))
print("};")
