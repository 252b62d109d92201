"""What keeping measurements costs: 10 000 of them written, one transaction a block, and read back.

The time of the disk counts, so it is that of the clock; the best of some repeats is shown.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np

from numerics.store import Cell, Store, read
from theory.architecture import Network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", type=int, default=10_000)
    parser.add_argument("--block", type=int, default=1, help="measurements in a transaction")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--directory", help="on the disk to be timed; a temporary one by default")
    o = parser.parse_args()
    cell = Cell(Network("relu", depth=3, sigma_w2=2), samples=4, width=64, engine="explicit")
    values = np.random.default_rng(0).standard_normal(o.measurements).tolist()
    rows = [(seed, "diagonal", value) for seed, value in enumerate(values)]
    times = []
    for _ in range(o.repeats):
        with tempfile.TemporaryDirectory(dir=o.directory) as directory:
            path = Path(directory) / "results.sqlite"
            start = time.perf_counter()
            with Store(path) as store:
                for first in range(0, len(rows), o.block):
                    store.add(cell, rows[first : first + o.block])
            written = time.perf_counter()
            found = read(path)
            times.append((written - start, time.perf_counter() - written))
            assert [row.value for row in found] == values
    write, back = min(times, key=sum)
    print(
        f"SQLite {sqlite3.sqlite_version}: {o.measurements} measurements in transactions of "
        f"{o.block}: {write:.2f} s written, {back:.2f} s read back, {write + back:.2f} s"
    )


if __name__ == "__main__":
    main()
