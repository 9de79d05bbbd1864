#!/usr/bin/env python3
"""Tables for tests/bench/noise. Everything is drawn from the seed and the row's place in the source table.

    noise_table.py plant SOURCE ROWS NOISE SEED OUT     first ROWS training rows and all test rows, with this noise in `label`
    noise_table.py without TABLE FLAGGED OUT            the table with the labels of the paths listed in FLAGGED emptied
    noise_table.py public CIFAR HUMAN OUT               the public files as a folder of PNG files and metadata.csv

NOISE: human (the source's own labels), human40 (these, and right ones confused as the annotator confuses classes, until 40 % are
wrong), uniform20, uniform40 (another class, each as likely), asymmetric40 (CONFUSED below).
CIFAR: the folder cifar-10-batches-py; HUMAN: CIFAR-10_human.pt of github.com/UCSC-REAL/cifar-10-100n. OUT: a new folder.
"""
import csv
import pathlib
import pickle
import random
import sys

# Patrini et al. 2017, which SELF and others follow
CONFUSED = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
COLUMNS = ["path", "label", "label_clean", "split"]


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.DictWriter(f, COLUMNS, extrasaction="ignore", lineterminator="\n")
        w.writeheader()
        w.writerows(rows)


def noisy(row, noise, classes, draw):
    true = row["label_clean"]
    if noise == "human":
        return row["label"]
    if draw.random() >= int(noise[-2:]) / 100:
        return true
    if noise.startswith("uniform"):
        return draw.choice([c for c in classes if c != true])
    return CONFUSED.get(true, true)


def confuse(rows, share, draw):
    """Right labels become wrong ones, until this share of all is wrong: rows by lot, a class as often as its rows are wrong
    already, to the class that one of those wrong rows has."""
    wrong = [r for r in rows if r["label"] != r["label_clean"]]
    right = {}
    for r in draw.sample(rows, len(rows)):
        if r["label"] == r["label_clean"]:
            right.setdefault(r["label_clean"], []).append(r)
    for _ in range(round(share * len(rows)) - len(wrong)):
        like = draw.choice(wrong)
        while not right.get(like["label_clean"]):
            like = draw.choice(wrong)
        right[like["label_clean"]].pop()["label"] = like["label"]


def plant(source, n_rows, noise, seed, out):
    if noise not in ("human", "human40", "uniform20", "uniform40", "asymmetric40"):
        sys.exit(f"error: unknown noise {noise}")
    rows = read(source)
    train = [r for r in rows if r["split"] == "train"][: int(n_rows)]
    classes = sorted({r["label_clean"] for r in train})
    draw = random.Random(f"{noise} {seed}")
    if noise == "human40":
        confuse(train, 0.4, draw)
    else:
        for r in train:
            r["label"] = noisy(r, noise, classes, draw)
    write(out, train + [r for r in rows if r["split"] == "test"])


def without(table, flagged, out):
    with open(flagged, encoding="utf-8") as f:
        paths = set(f.read().splitlines())
    rows = read(table)
    for r in rows:
        if r["path"] in paths:
            r["label"] = ""
    write(out, rows)


def public(cifar, human, out):
    import PIL.Image
    import torch

    def batch(name):
        with open(pathlib.Path(cifar, name), "rb") as f:
            return pickle.load(f, encoding="latin1")

    classes = batch("batches.meta")["label_names"]
    labels = torch.load(human, weights_only=False)
    rows = []
    for split, names in ("train", [f"data_batch_{i}" for i in range(1, 6)]), ("test", ["test_batch"]):
        folder = pathlib.Path(out, split)
        folder.mkdir(parents=True)
        for name in names:
            b = batch(name)
            for pixels, true in zip(b["data"], b["labels"]):
                i = len(rows) if split == "train" else len(rows) - n_train
                PIL.Image.fromarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)).save(folder / f"{i:05d}.png")
                if split == "train" and int(labels["clean_label"][i]) != true:
                    sys.exit(f"error: {human}: row {i} is not of this CIFAR-10: its true label is another")
                given = int(labels["random_label1"][i]) if split == "train" else true
                rows.append({"path": f"{split}/{i:05d}.png", "label": classes[given], "label_clean": classes[true], "split": split})
        n_train = len(rows)
    write(pathlib.Path(out, "metadata.csv"), rows)


{"plant": plant, "without": without, "public": public}[sys.argv[1]](*sys.argv[2:])
