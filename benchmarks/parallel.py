"""Threads against processes: the same blocks of networks on all cores, one BLAS thread each.

Threads share the interpreter, which small networks need; processes pay for starting and for what
they send. ``measure`` and ``check`` use threads, a sweep processes, which survive their workers.
Seconds are those of the clock; both have run once before.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from benchmarks.rows import Row, script
from benchmarks.timing import interleaved
from numerics.ensemble import over_blocks, workers
from numerics.store import Cell
from numerics.workers import Job, Local, measure_block
from theory.architecture import Network

SIZES = ((64, 16, 16), (256, 64, 8), (1024, 64, 8))
"""Width, samples, and blocks of about 4096 units in a layer."""
NETWORK = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)


def rows(o: Namespace) -> Iterator[Row]:
    for width, samples, blocks in SIZES[: o.sizes]:
        jobs = [
            Job(Cell(NETWORK, samples, width, "explicit"), block, ("diagonal", "off_diagonal"))
            for block in range(blocks)
        ]
        processes = Local(workers())
        tasks = {
            "threads": partial(over_blocks, measure_block, [(job,) for job in jobs]),
            "processes": lambda jobs=jobs, processes=processes: list(processes.run(jobs)),
        }
        found = interleaved(tasks, o.repeats)
        ours, other = found.wall("threads"), found.wall("processes")
        yield Row(
            f"{blocks} blocks on {workers()} cores, M = {width}, N = {samples}",
            ours,
            other=other,
            against="processes",
            ratio=ours / other,
        )


if __name__ == "__main__":
    script(__doc__, rows, pinned=False, sizes=len(SIZES), repeats=5)
