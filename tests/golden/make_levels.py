#!/usr/bin/env python3
"""Labels predicted from category values alone, by pandas and scikit-learn: python3 tests/golden/make_levels.py >tests/golden/levels.h

Two tables of 90 rows. `mixed`: cat1 and cat2 tell something, cat2 stands below cat1 but for a value that several have, cat3 is drawn
without regard to the label; some fields are empty (value 0). `flat`: cat1 has a single value. Formula: src/score/backoff.h."""
import numpy as np
import pandas as pd
import sklearn
from sklearn.metrics import accuracy_score, f1_score, log_loss

N, K, F, COUNT = 90, 3, 3, 4.0
rng = np.random.default_rng(7)


def table(flat):
    label = rng.choice(K, N, p=[0.55, 0.3, 0.15])
    cat1 = np.ones(N, int) if flat else np.where(rng.random(N) < 0.7, 1 + label % 2, rng.integers(0, 3, N))
    cat2 = np.where(rng.random(N) < 0.7, 1 + label + K * cat1, 12)
    cat2[rng.random(N) < 0.05] = 0
    component = np.sort(rng.integers(0, N, N))
    component = pd.Series(np.arange(N)).groupby(component).transform("min").to_numpy()  # the lowest row of each
    fold = (component * 7 % 11) % F
    return pd.DataFrame({"label": label, "fold": fold, "component": component, "cat1": cat1, "cat2": cat2,
                         "cat3": rng.integers(0, 14, N)})


def predict(rows, seen, m):
    """Class shares (len(rows), K) for the rows, from the rows `seen`, by m levels; and which combinations were not seen."""
    if m == 0:
        share = (seen.label.value_counts().reindex(range(K), fill_value=0) + 1) / (len(seen) + K)
        return np.tile(share.to_numpy(), (len(rows), 1)), np.zeros(len(rows), bool)
    coarser, _ = predict(rows, seen, m - 1)
    keys = [f"cat{i}" for i in range(1, m + 1)]
    counts = seen.groupby(keys + ["label"]).size().unstack(fill_value=0).reindex(columns=range(K), fill_value=0)
    if m == 1:
        counts.index = pd.MultiIndex.from_arrays([counts.index], names=keys)
    n_mk = counts.reindex(pd.MultiIndex.from_frame(rows[keys]), fill_value=0).to_numpy()
    n_m = n_mk.sum(axis=1)
    coarser_keys = keys[:-1]
    n_coarser = np.array([len(seen) if not coarser_keys else (seen[coarser_keys] == r[coarser_keys]).all(axis=1).sum()
                          for _, r in rows.iterrows()])
    q = (n_mk + COUNT * coarser) / (n_m + COUNT)[:, None]
    same = (n_m == 0) | (n_m == n_coarser)
    q[same] = coarser[same]
    return q, n_m == 0


def score(t, M):
    lines, losses = [], []
    for m in range(M + 1):
        q, unseen = np.zeros((N, K)), np.zeros(N, bool)
        for f in range(F):
            held = (t.fold == f).to_numpy()
            q[held], unseen[held] = predict(t[held], t[~held], m)
        choice = q.argmax(axis=1)
        f1 = f1_score(t.label, choice, average=None, labels=range(K), zero_division=0)
        losses.append(-np.log(q[np.arange(N), t.label]))
        assert abs(log_loss(t.label, q, labels=range(K)) - losses[-1].mean()) < 1e-12
        n_combinations = 1 if m == 0 else len(t.groupby([f"cat{i}" for i in range(1, m + 1)]))
        lines.append([n_combinations, int(unseen.sum()), losses[-1].mean(), accuracy_score(t.label, choice), f1.mean(),
                      f1.prod() ** (1 / K)])
    best = int(np.argmin([line[2] for line in lines]))
    fewest = None
    for m, line in enumerate(lines):
        d = pd.Series(losses[m] - losses[best])
        se = np.sqrt(((d - d.mean()).groupby(t.component).sum() ** 2).sum()) / N
        line[3:3] = [d.mean(), se]
        if fewest is None and d.mean() <= se:
            fewest = m
    return lines, best, fewest


def put(name, t, M):
    lines, best, fewest = score(t, M)
    print(f"static const golden_levels GOLDEN_{name} = {{")
    print(f"    .M = {M}, .best = {best}, .fewest = {fewest},")
    for column in ["label", "fold", "component", "cat1", "cat2", "cat3"]:
        print(f"    .{column} = {{{', '.join(map(str, t[column]))}}},")
    print("    .level = {")
    for line in lines:
        print("        {" + ", ".join(f"{x:.17g}" for x in line) + "},")
    print("    },\n};")


print(f"/* made by make_levels.py with pandas {pd.__version__} and scikit-learn {sklearn.__version__} */")
print(f"enum {{ GOLDEN_N = {N}, GOLDEN_K = {K}, GOLDEN_F = {F}, GOLDEN_COUNT = {COUNT:g} }};")
print("""typedef struct {
    int M, best, fewest;
    int label[GOLDEN_N], fold[GOLDEN_N], component[GOLDEN_N], cat1[GOLDEN_N], cat2[GOLDEN_N], cat3[GOLDEN_N];
    struct {
        int n_combinations, n_unseen;
        double log_loss, above, above_se, accuracy, macro, gmean;
    } level[4];
} golden_levels;""")
put("MIXED", table(False), 3)
put("FLAT", table(True), 2)
