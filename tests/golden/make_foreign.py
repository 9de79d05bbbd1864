#!/usr/bin/env python3
"""Posteriors of models trained elsewhere, as h5py writes them: python3 tests/golden/make_foreign.py tests/golden/foreign.h5
(h5py and numpy, PyPI). The numbers are those of GOOD in tests/unit/test_ledger.c."""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as f:
    f.attrs["index_digest"] = "0123abc"
    f.attrs["classes"] = ["x", "y", "z"]
    f["row"] = [5, 0, 1, 2, 3]
    f["p"] = np.array([[0, .25, .75], [1, 0, 0], [.5, .5, 0], [0, 0, 1], [.25, .25, .5]])
