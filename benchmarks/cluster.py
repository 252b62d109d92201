"""A sweep on a local Dask cluster: two workers against one, each with one BLAS thread.

The efficiency is the time of the clock with one worker over twice that with two, both clusters
running, in turn; one sweep before warms each. The process that starts the sweep hands out the
blocks, runs the scheduler, and writes every result to the store: its processor time for each block
bounds the whole. **Extrapolated, not measured**: with w workers, b seconds of a worker for a block
and p seconds of the parent for it, n blocks take n max(b/w, p); beyond w = b/p workers no more is
gained, unless the blocks are longer (wider networks, more quantities) or the plan is split into
several sweeps with stores of their own. The disk is not in p: `benchmarks.store` has it.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import peers
from benchmarks.rows import Row, script
from numerics.ensemble import block_size
from numerics.store import Store
from numerics.sweep import run
from numerics.sweep_plan import SweepPlan
from numerics.workers import Cluster
from theory.architecture import Network

CORES = 1000
NETWORKS = 10**6
SMALL = 64
"""The width of blocks that take their worker no time."""


class Sweep(NamedTuple):
    """Seconds of the clock, of the parent's processor, and of the workers, in one sweep."""

    wall: float
    parent: float
    workers: float


class Timed(Cluster):
    """A cluster that adds up what its workers took."""

    spent = 0.0

    def run(self, jobs: Any) -> Any:
        for done in super().run(jobs):
            self.spent += done.seconds
            yield done


def plan_of(width: int, samples: int, blocks: int) -> SweepPlan:
    """So many blocks of one network at one width."""
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)
    seeds = blocks * block_size(width)
    return SweepPlan(
        (network,), (samples,), (width,), seeds, "explicit", ("diagonal", "off_diagonal")
    )


def sweep(plan: SweepPlan, address: str) -> Sweep:
    """Measure a plan into a new store."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "results.sqlite") as store,
        (workers := Timed(address)),
    ):
        wall, parent = time.perf_counter(), time.process_time()
        run(plan, store, workers, budget=float("inf"))
        return Sweep(time.perf_counter() - wall, time.process_time() - parent, workers.spent)


def rows(o: Namespace) -> Iterator[Row]:
    dask = peers.imported("distributed")
    plan = plan_of(o.width, o.samples, o.blocks)
    small = plan_of(SMALL, 2, o.results)
    options = {"threads_per_worker": 1, "dashboard_address": None}
    with (
        dask.LocalCluster(n_workers=1, **options) as one,
        dask.LocalCluster(n_workers=2, **options) as two,
    ):
        addresses = [one.scheduler_address, two.scheduler_address]
        for address in addresses:
            sweep(plan, address)
        found = [[sweep(plan, address) for address in addresses] for _ in range(o.repeats)]
        parent = median(sweep(small, addresses[0]).parent for _ in range(o.repeats)) / o.results
    alone, together = (median(pair[n].wall for pair in found) for n in range(2))
    block = median(pair[0].workers for pair in found) / o.blocks
    size = f"M = {o.width}, N = {o.samples}, {block_size(o.width)} networks a block"
    yield Row(
        f"efficiency of two workers, {o.blocks} blocks, {size}",
        alone / (2 * together),
        "",
        note=f"{alone:.2f} s with one worker, {together:.2f} s with two, by the clock",
    )
    yield Row(f"a worker's time for a block, {size}", block, note="by the worker's clock")
    yield Row("the parent's processor time for a block", parent)
    yield from extrapolated(block, parent, block_size(o.width))


def extrapolated(block: float, parent: float, networks: int) -> Iterator[Row]:
    """What these seconds of a worker and of the parent, for a block of so many networks, entail."""
    yield Row("extrapolated: workers that one parent keeps busy", block / parent, "workers")
    yield Row(f"extrapolated: a block that keeps {CORES} workers busy", CORES * parent)
    blocks = NETWORKS / networks
    yield Row(
        f"extrapolated: {NETWORKS} networks on {CORES} cores",
        blocks * max(block / CORES, parent) / 3600,
        "h",
        note=f"{blocks * block / 3600:.3g} core hours of work; bound by the "
        + ("parent" if parent > block / CORES else "workers"),
    )


if __name__ == "__main__":
    defaults = {"width": 1024, "samples": 32, "blocks": 24, "results": 200, "repeats": 3}
    script(__doc__, rows, pinned=False, **defaults)
