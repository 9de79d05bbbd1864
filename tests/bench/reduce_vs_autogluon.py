"""The work of tests/bench/reduce_vs_autogluon: TENFOLD JOB.cfg RUN WORK."""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import h5py
import numpy as np
from autogluon.core.metrics import make_scorer
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
from sklearn.metrics import confusion_matrix

WAYS = {
    "mean": ["decision=argmax"], "geometric mean": ["method=gmean", "decision=argmax"], "tau": [], "offsets": ["decision=offsets"],
    "greedy": ["method=greedy", "decision=argmax"], "greedy, tau": ["method=greedy"],
    "greedy, offsets": ["method=greedy", "decision=offsets"], "tau, prior of cat1": ["category_prior=1"],
    "greedy, tau, prior of cat1": ["method=greedy", "category_prior=1"],
}
STEPS, REPEATS = 25, 3
tenfold, job, run, work = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])


def reduce(way, extra=()):
    """metrics.json of a copy of the run, reduced anew; and the seconds it took."""
    folder = work / "reduced"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in "shards", "folds", "predict", "filter":
        if (run / part).exists():
            subprocess.run(["cp", "-al", run / part, folder], check=True)
    options = [o for s in WAYS[way] + list(extra) for o in ("--set", f"reduce.{s}")]
    begin = time.monotonic()
    subprocess.run([tenfold, "reduce", job, "--run", folder, *options], check=True, stderr=subprocess.DEVNULL)
    return json.loads((folder / "metrics.json").read_text()), time.monotonic() - begin


class Rows:
    """Out-of-fold rows of all members of all folds: label, fold (n), p of each member (n,K)."""

    def __init__(self):
        with h5py.File(run / "shards/dataset.h5") as f:
            label = f["label"][:]
        with h5py.File(run / "folds/folds.h5") as f:
            fold = f["fold"][:]
        members = {}
        for path in sorted((run / "predict").glob("r*-f*/predictions.h5")):
            round_, f, size, seed = path.parent.name.split("-")
            with h5py.File(path) as h:
                rows, p = h["row"][:], h["p"][:]
            own, self.K = fold[rows] == int(f[1:]), p.shape[1]
            all_p = members.setdefault((round_, size, seed), np.zeros((len(label), self.K)))
            all_p[rows[own]] = p[own]
        use = np.flatnonzero(fold >= 0)
        self.label, self.fold, self.p = label[use], fold[use], [p[use] for p in members.values()]


def score(K, y, p):
    """As reduce: the smoothed score, for selection (score/blend.h); the geometric mean of F1."""
    c = confusion_matrix(y, p.argmax(axis=1), labels=range(K))
    right, all_ = np.diag(c), c.sum(0) + c.sum(1)
    return float(np.mean(np.log((2 * right + 1) / (all_ + 2)))), float(np.prod(2 * right / np.maximum(all_, 1)) ** (1 / K))


def select(rows, use):
    scorer = make_scorer("gmean", lambda y, p: score(rows.K, y, p)[0], optimum=1, greater_is_better=True, needs_proba=True)
    e = EnsembleSelection(ensemble_size=STEPS, problem_type="multiclass", metric=scorer)
    e.fit([p[use] for p in rows.p], rows.label[use])
    return sum(w * p for w, p in zip(e.weights_, rows.p))


def autogluon(rows):
    begin = time.monotonic()
    in_sample = score(rows.K, rows.label, select(rows, np.ones(len(rows.label), bool)))[1]
    honest = np.zeros_like(rows.p[0])
    for f in np.unique(rows.fold):
        honest[rows.fold == f] = select(rows, rows.fold != f)[rows.fold == f]
    return score(rows.K, rows.label, sum(rows.p))[1], score(rows.K, rows.label, honest)[1], in_sample, time.monotonic() - begin


def line(name, untuned, honest, in_sample, interval=None, used=None):
    number = lambda x: "" if x is None else f"{x:.4f}"
    print(f"| {name} | {number(untuned)} | {number(honest)} | {'%.4f to %.4f' % tuple(interval) if interval else ''} | {number(in_sample)} |"
          f" {'' if used is None else 'yes' if used else 'no'} |")


print("| `reduce` | untuned | honest | 95 % of honest less untuned | in sample | used |\n| --- | ---: | ---: | ---: | ---: | --- |")
for way in WAYS:
    m, _ = reduce(way)
    if not m["tuned"]:
        d = m["decision"]
        tuned = d["by"] != "argmax"
        line(way, d["argmax"]["geometric_mean"], d["honest"]["geometric_mean"] if tuned else None, None,
             d["gain"]["geometric_mean"] if tuned else None, d["used"] if tuned else None)
        continue
    t = m["tuned"]
    line(way, *(t[k]["geometric_mean"] for k in ("untuned", "honest", "in_sample")), t["gain"]["geometric_mean"], t["used"])
rows = Rows()
pairs = [(reduce("greedy", ["bootstrap=0", "decision=argmax"])[1], autogluon(rows)) for _ in range(REPEATS)]
line("AutoGluon's ensemble selection", *pairs[0][1][:3])
ours, theirs = (statistics.median(x) for x in ([a for a, _ in pairs], [b[3] for _, b in pairs]))
print(f"\n{len(rows.label)} rows, {len(rows.p)} members of each row. Greedy selection for all folds: {ours:.2f} s, AutoGluon's "
      f"{theirs:.2f} s: {theirs / ours:.1f} times as long.")
