"""What keeping measurements costs: 10 000 of them written, one transaction a block, and read back.

The time of the disk counts, so it is that of the clock.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.rows import Row, script
from numerics.store import Cell, Store, read
from theory.architecture import Network


def rows(o: Namespace) -> Iterator[Row]:
    cell = Cell(Network("relu", depth=3, sigma_w2=2), samples=4, width=64, engine="explicit")
    values = np.random.default_rng(0).standard_normal(o.measurements).tolist()
    kept = [(seed, "diagonal", value) for seed, value in enumerate(values)]
    written, back = [], []
    for _ in range(o.repeats):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "results.sqlite"
            start = time.perf_counter()
            with Store(path) as store:
                for first in range(0, len(kept), o.block):
                    store.add(cell, kept[first : first + o.block])
            middle = time.perf_counter()
            found = read(path)
            back.append(time.perf_counter() - middle)
            written.append(middle - start)
        if [row.value for row in found] != values:
            raise SystemExit("what was read is not what was written")
    for what, times in (("written", written), ("read back", back)):
        yield Row(
            f"{o.measurements} measurements {what}, transactions of {o.block}",
            median(times),
            note=f"SQLite {sqlite3.sqlite_version}, by the clock",
        )


if __name__ == "__main__":
    script(__doc__, rows, measurements=10_000, block=1, repeats=3)
