#!/usr/bin/env python3
"""The story's table, from the runs that jobs/story/run made. Needs nothing but Python.

    story_table.py STORY         STORY: results/story; prints markdown

One model: the mean over the models of the last round, class by argmax. Submitted: the ensemble, by the decision that out-of-fold rows chose.
fashion is scored on its test split, reviews out-of-fold, as its test labels were withheld. +-: standard deviation over the seeds.
Interval: 95 %, by resampling rows (groups); the mean of its ends over the seeds.
"""
import json
import pathlib
import re
import statistics
import sys

MEASURES = (("geometric_mean", "geometric mean"), ("macro_f1", "macro F1"), ("accuracy", "accuracy"))


def spread(x, digits=3):
    return f"{statistics.mean(x):.{digits}f}" + (f" ± {statistics.stdev(x):.{digits}f}" if len(x) > 1 else "")


def scores(path, part):
    """{measure: (one model, submitted)} of a run, and the interval of the submitted geometric mean. The last step's model is its student."""
    m = json.loads(path.read_text())
    last = m["rounds"][-1]
    models = [f[part] for f in last["folds"] if f[part]]
    file = path.parent / "distil/metrics.json"
    student = json.loads(file.read_text())["score"] if part == "test" and file.exists() else None
    out = {k: (student[k] if student else statistics.mean(x[k] for x in models), m["submitted"][part][k]) for k, _ in MEASURES}
    return out, m["submitted"][part]["interval_95"]["geometric_mean"]


def read(story, data, part):
    steps = {}
    for path in sorted(story.glob(f"{data}-x*/*/metrics.json")):
        seed = int(re.fullmatch(rf"{data}-x(\d+)", path.parent.parent.name)[1])
        steps.setdefault(path.parent.name, {})[seed] = scores(path, part)
    return dict(sorted(steps.items()))


def print_table(data, steps):
    seeds = sorted({s for x in steps.values() for s in x})
    print(f"## {data}, seeds {', '.join(map(str, seeds))}\n")
    print("| step | one model: geometric mean | macro F1 | accuracy | submitted: geometric mean | 95 % | macro F1 | accuracy | change of the geometric mean, by seed |")
    print("| --- |" + " ---: |" * 7 + " --- |")
    before = None
    for step, runs in steps.items():
        one, sub = ([spread([r[0][k][i] for r in runs.values()]) for k, _ in MEASURES] for i in (0, 1))
        low, high = (statistics.mean(r[1][i] for r in runs.values()) for i in (0, 1))
        change = ", ".join(f"{r[0]['geometric_mean'][1] - before[s][0]['geometric_mean'][1]:+.3f}"
                           for s, r in runs.items() if s in before) if before else ""
        print(f"| {step} | {' | '.join(one)} | {sub[0]} | {low:.3f} to {high:.3f} | {sub[1]} | {sub[2]} | {change} |")
        before = runs
    print()


def main(story):
    for data, part in ("fashion", "test"), ("reviews", "out_of_fold"):
        steps = read(pathlib.Path(story), data, part)
        if steps:
            print_table(data, steps)


main(*sys.argv[1:])
