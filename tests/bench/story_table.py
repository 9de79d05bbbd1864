#!/usr/bin/env python3
"""The story's table, from the runs that jobs/story/run made. Needs nothing but Python.

    story_table.py STORY                 STORY: results/story; prints markdown
    story_table.py STORY DATA SVG        draws what was submitted in each step on DATA, fashion or reviews

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


def line(points, colour, name, y):
    """A mark for each (x, score) and a line through the means, from x to x; named at its end."""
    at = sorted({x for x, _ in points})
    mean = [(x, statistics.mean(v for u, v in points if u == x)) for x in at]
    marks = "".join(f'<circle cx="{x}" cy="{y(v):.1f}" r="3" fill="{colour}" fill-opacity=".5"/>\n' for x, v in points)
    path = " ".join(f"{x},{y(v):.1f}" for x, v in mean)
    return (f'{marks}<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
            f'<text x="{mean[-1][0] + 10}" y="{y(mean[-1][1]) + 4:.1f}" fill="{colour}">{name}</text>\n')


def draw(data, steps, path):
    """The submitted scores of each step, a mark for each seed; bars: mean 95 % intervals of the geometric mean."""
    width, height, left, top, step_px = 860, 320, 60, 20, 120
    every = [v for runs in steps.values() for r in runs.values() for v in (r[0]["geometric_mean"][1], r[0]["accuracy"][1], r[1][0])]
    low, high = min(every) // 0.05 * 0.05, -(-max(every) // 0.05) * 0.05

    def y(v):
        return top + (height - 60 - top) * (high - v) / (high - low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
           f'<title>{data}: submitted scores by step</title>\n<rect width="{width}" height="{height}" fill="white"/>\n']
    for tick in range(round(low * 20), round(high * 20) + 1):
        out.append(f'<line x1="{left}" x2="{width - 140}" y1="{y(tick / 20):.1f}" y2="{y(tick / 20):.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y(tick / 20) + 4:.1f}" text-anchor="end">{tick / 20:.2f}</text>\n')
    at = {step: left + 50 + step_px * i for i, step in enumerate(steps)}
    for step, runs in steps.items():
        a, b = (y(statistics.mean(r[1][i] for r in runs.values())) for i in (0, 1))
        out.append(f'<line x1="{at[step]}" x2="{at[step]}" y1="{a:.1f}" y2="{b:.1f}" stroke="#1a6fb0" stroke-opacity=".3" stroke-width="6"/>'
                   f'<text x="{at[step]}" y="{height - 30}" text-anchor="middle">{step}</text>\n')
    for key, colour, name in ("geometric_mean", "#1a6fb0", "geometric mean of F1"), ("accuracy", "#b0531a", "accuracy"):
        out.append(line([(at[s], r[0][key][1]) for s, runs in steps.items() for r in runs.values()], colour, name, y))
    pathlib.Path(path).write_text("".join(out) + "</svg>\n")


PARTS = ("fashion", "test"), ("reviews", "out_of_fold")


def main(story, *picture):
    if picture:
        draw(picture[0], read(pathlib.Path(story), picture[0], dict(PARTS)[picture[0]]), picture[1])
        return
    for data, part in PARTS:
        steps = read(pathlib.Path(story), data, part)
        if steps:
            print_table(data, steps)


main(*sys.argv[1:])
