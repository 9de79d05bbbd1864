#!/usr/bin/env python3
"""How well wrong labels are found, and what training without them is worth. For tests/bench/noise.

    noise_score.py flag RUN                  paths that cleanlab's best filter flags (chosen by the truth: in its favour)
    noise_score.py truth RUN                 paths whose label is wrong
    noise_score.py random RUN                as many paths as SELF's ledger drops, by lot
    noise_score.py table WORK                markdown over WORK/<noise>-x<seed>/<variant>/, variants as tests/bench/noise made them

Rows are those with a fold. Out-of-fold: from the models of the row's own fold. In-sample: mean over the models that trained on
the row (the few that are in all their validation slices: out-of-fold). p: at the chosen evaluation. z: average over
evaluations (filter/filter.h). Margin: largest other class less the given one; log odds: the logarithm of their ratio. Both
flag where they are above 0, which is where the given label is not the largest.
"""
import csv
import json
import pathlib
import re
import statistics
import sys

import cleanlab
import h5py
import numpy as np
import sklearn.metrics

NOISES = ("human", "human40", "uniform20", "uniform40", "asymmetric40")
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given", "low_normalized_margin",
           "low_self_confidence")
LEDGERS = {"self": "SELF", "probe_soft": "probe and soft targets", "confident": "confident learning",
           "disagreement": "disagreement", "no-ema": "SELF without EMA", "no-ensemble": "SELF without prediction ensemble", "reuse": "SELF with reuse"}
RECIPES = {"mixup": "Mixup", "strong": "Mixup and RandAugment", "elr": "early-learning regularisation",
           "probe": "probe", "twice": "unfiltered, twice the models", "soft": "soft targets", "relabel": "relabelled",
           "argmax": "verdict by argmax", "ratio15": "verdict at ratio 1.5", "random": "as many removed by lot"}
TRAINED = {"cleanlab": "cleanlab's best filter", "truth": "all wrong labels removed"} | LEDGERS | RECIPES
FILTERED_ROUND_0 = ("probe", "probe_soft")  # nothing of these is unfiltered
OWN_ROUND_0 = ("no-ema", "reuse", "mixup", "strong", "elr")  # the others share that of `self`


class Run:
    """Round 0 of one run: label, truth, path (n) and posteriors (n,K) of the rows with a fold."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        with h5py.File(self.folder / "shards/dataset.h5") as f:
            text, at = f["path"][:].tobytes(), f["path_at"][:]
            label, truth = f["label"][:], f["truth"][:]
        with h5py.File(self.folder / "folds/folds.h5") as f:
            fold = f["fold"][:]
        self.rows = np.flatnonzero(fold >= 0)
        self.path = [text[at[i]:at[i + 1] - 1].decode() for i in self.rows]
        self.label, self.wrong = label[self.rows], (label != truth)[self.rows]
        fold = fold[self.rows]
        slabs = {}
        for f in range(fold.max() + 1):
            cells = sorted(self.folder.glob(f"train/r0-f{f}-*/posteriors.h5"))
            with h5py.File(self.folder / f"filter/r1/overlay-f{f}.h5") as o:
                trained = o["verdict"][:][self.rows] != 2
            slabs[f] = [np.mean([h5py.File(c)[x][:][self.rows] for c in cells], axis=0, dtype=np.float64) for x in "zp"] + [trained]
        out = {f: fold == f for f in slabs}
        self.z_out = sum(out[f][:, None] * z for f, (z, _, _) in slabs.items())
        self.p_out = sum(out[f][:, None] * p for f, (_, p, _) in slabs.items())
        n_in = sum(t.astype(int) for _, _, t in slabs.values())[:, None]
        self.z_in = np.where(n_in, sum(t[:, None] * z for z, _, t in slabs.values()) / np.maximum(n_in, 1), self.z_out)
        self.z_all = np.mean([z for z, _, _ in slabs.values()], axis=0)

    def ledger(self, variant):
        """(margin, log odds, dropped) of a sibling run's own ledger."""
        with open(self.folder.parent / variant / "filter/r1/ledger.csv", newline="", encoding="utf-8") as f:
            rows = {r["path"]: r for r in csv.DictReader(f)}
        rows = [rows[p] for p in self.path]
        return (np.array([float(r["margin"]) for r in rows]), np.array([float(r["log_odds"]) for r in rows]),
                np.array([r["verdict"] in ("drop", "unlabeled", "relabel", "soft") for r in rows]))


def margin(p, label):
    other = p.copy()
    other[np.arange(len(label)), label] = -np.inf
    return other.max(axis=1) - p[np.arange(len(label)), label]


def log_odds(p, label):
    return margin(np.log(np.maximum(p, 1e-30)), label)


def normal(p):
    return p / p.sum(axis=1, keepdims=True)


def found(run, flagged):
    p, r, f, _ = sklearn.metrics.precision_recall_fscore_support(run.wrong, flagged, average="binary", zero_division=0)
    return {"precision": p, "recall": r, "F1": f}


def ranked(run, suspicion):
    return {"average precision": sklearn.metrics.average_precision_score(run.wrong, suspicion)}


def cleanlab_flags(run):
    for name, p in ("out-of-fold p", run.p_out), ("out-of-fold z", run.z_out):
        for how in FILTERS:
            yield f"cleanlab {how}, {name}", cleanlab.filter.find_label_issues(run.label, normal(p), filter_by=how, n_jobs=1)


def cleanlab_ranks(run):
    for name, p in ("out-of-fold p", run.p_out), ("out-of-fold z", run.z_out):
        for how in RANKINGS:
            for adjust in (False, True) if how != "confidence_weighted_entropy" else (False,):
                quality = cleanlab.rank.get_label_quality_scores(run.label, normal(p), method=how, adjust_pred_probs=adjust)
                yield f"cleanlab {how}{', adjusted' if adjust else ''}, {name}", -quality


def detection(folder):
    """{method: {measure: value}}"""
    run, out = Run(folder / "self"), {}
    for variant, name in LEDGERS.items():
        if (folder / variant / "filter/r1/DONE").exists():
            m, odds, flagged = run.ledger(variant)
            out[f"{name}, ledger: log odds"] = found(run, flagged) | ranked(run, odds)
            out[f"{name}, ledger: margin"] = found(run, flagged) | ranked(run, m)
    for name, p in (("in-sample z", run.z_in), ("out-of-fold z", run.z_out), ("z of all models", run.z_all),
                    ("out-of-fold p", run.p_out)):
        for how in log_odds, margin:
            suspicion = how(p, run.label)
            out[f"{how.__name__.replace('_', ' ')} of {name}"] = found(run, suspicion > 0) | ranked(run, suspicion)
    for name, suspicion in cleanlab_ranks(run):
        out[name] = ranked(run, suspicion)
    for name, flagged in cleanlab_flags(run):
        out[name] = out.get(name, {}) | found(run, flagged)
    return out | {"chance": {"precision": run.wrong.mean(), "average precision": run.wrong.mean()}}


def row_name(variant, i, n_rounds):
    """Of round i of a run; None: it is that of `self`."""
    name = TRAINED[variant]
    if variant in FILTERED_ROUND_0:
        return name if i == 0 else f"{name}, round {i}"
    if i > 0 or n_rounds == 1:
        return name
    return "unfiltered" if variant == "self" else f"{name}, unfiltered" if variant in OWN_ROUND_0 else None


def retrained(folder):
    """{row: {measure: value}}: a model's accuracy on the clean test split, mean over folds, and the ensemble's."""
    out = {}
    for variant in TRAINED:
        path = folder / variant / "metrics.json"
        rounds = json.loads(path.read_text())["rounds"] if path.exists() else []
        for i, r in enumerate(rounds):
            name = row_name(variant, i, len(rounds))
            if name:
                models = [f["test"]["accuracy"] for f in r["folds"] if f["test"]]
                out[name] = {"one model": statistics.mean(models), "ensemble": r["test"]["accuracy"]}
    base = out.get("unfiltered", {"one model": float("nan"), "ensemble": float("nan")})
    return {name: x | {f"gain of {'the ' if k == 'ensemble' else ''}{k}": x[k] - base[k] for k in base} for name, x in out.items()}


def print_table(measures, seeds, digits):
    """seeds: [{row: {measure: value}}]; mean, and the standard deviation where there are several."""
    print("| |" + "".join(f" {m} |" for m in measures) + "\n| --- |" + " ---: |" * len(measures))
    for row in dict.fromkeys(r for s in seeds for r in s):
        columns = [[s[row][m] for s in seeds if m in s.get(row, {})] for m in measures]
        print(f"| {row} |" + "".join(
            " |" if not c else f" {statistics.mean(c):.{digits}f}{f' ± {statistics.stdev(c):.{digits}f}' if len(c) > 1 else ''} |"
            for c in columns))
    print()


def print_verdict(seeds):
    gap = [s["SELF, ledger: log odds"]["average precision"]
           - max(v["average precision"] for k, v in s.items() if k.startswith("cleanlab") and "average precision" in v) for s in seeds]
    print(f"SELF's ledger less cleanlab's best ranking of the same seed, average precision: {', '.join(f'{g:+.4f}' for g in gap)}.\n")


def table(work):
    for noise in NOISES:
        folders = sorted(f for f in pathlib.Path(work).glob(f"{noise}-x*") if re.fullmatch(rf"{noise}-x\d+", f.name)
                         and (f / "self/filter/r1/DONE").exists())
        if not folders:
            continue
        print(f"## {noise}, {len(folders)} seed{'s' if len(folders) > 1 else ''}\n\nWrong labels found:\n")
        seeds = [detection(f) for f in folders]
        print_table(("precision", "recall", "F1", "average precision"), seeds, 4)
        print_verdict(seeds)
        print("Accuracy on the clean test split, each trained with as many images seen:\n")
        print_table(("one model", "gain of one model", "ensemble", "gain of the ensemble"), [retrained(f) for f in folders], 4)


def flag(folder):
    run = Run(folder)
    flags = list(cleanlab_flags(run))
    name, flagged = max(flags, key=lambda x: found(run, x[1])["F1"])
    print(f"{name}: {flagged.sum()} labels", file=sys.stderr)
    print("\n".join(np.array(run.path)[flagged]))


def truth(folder):
    run = Run(folder)
    print("\n".join(np.array(run.path)[run.wrong]))


def by_lot(folder):
    run = Run(folder)
    dropped = run.ledger("self")[2]
    print("\n".join(np.random.default_rng(1).permutation(np.array(run.path))[:dropped.sum()]))


{"table": table, "flag": flag, "truth": truth, "random": by_lot}[sys.argv[1]](sys.argv[2])
