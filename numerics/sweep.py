"""Sweeps: every block of a plan that the store lacks is measured, and stored when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from math import ceil, inf
from statistics import fmean
from typing import Any, NamedTuple

from tqdm import tqdm

from numerics.ensemble import Measurement, block_size
from numerics.environment import Origin
from numerics.store import Cell, Row, Store, describe
from numerics.sweep_plan import SweepPlan
from numerics.workers import Done, Job, Workers, check_origin
from theory.architecture import DescriptionError

BUDGET = 600.0
"""Seconds that a sweep may take by default."""

TRIAL = 0.05
"""Share of the budget that finding out the time may take; its blocks are stored like others."""

BAR = "{percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"


@dataclass
class _Pending:
    """What a cell lacks: ``next_job`` hands out its blocks one by one, in order."""

    plan: SweepPlan
    cell: Cell
    stored: dict[str, set[int]]

    def __post_init__(self) -> None:
        width = self.cell.width
        touched = {seed // block_size(width) for seeds in self.stored.values() for seed in seeds}
        complete = sum(not self.missing(block) for block in touched)
        self.blocks = self.plan.blocks(width) - complete
        self.jobs = self._jobs()

    def missing(self, block: int) -> tuple[str, ...]:
        """The quantities that some network of the plan in this block lacks."""
        seeds = self.plan.in_block(self.cell.width, block)
        return tuple(
            quantity
            for quantity in self.plan.quantities
            if not self.stored.get(quantity, set()).issuperset(seeds)
        )

    def _jobs(self) -> Iterator[Job]:
        for block in range(self.plan.blocks(self.cell.width)):
            if quantities := self.missing(block):
                self.blocks -= 1
                yield Job(self.cell, block, quantities)

    def fresh(self, done: Done) -> Iterator[tuple[int, str, float]]:
        """What the store lacks of the networks of a measured block."""
        seeds = self.plan.in_block(self.cell.width, done.job.block)
        for quantity, values in done.values.items():
            stored = self.stored.get(quantity, set())
            for seed, value in zip(seeds, values, strict=False):
                if seed not in stored:
                    yield seed, quantity, value


class _Times:
    """The time of a block of each cell, from those measured.

    A cell that was not measured takes the time of the widest measured one of the same network and
    samples, or the mean over all, in units of the rough guess; before any, the guess itself.
    """

    def __init__(self) -> None:
        self.seconds: dict[Cell, float] = {}

    def add(self, done: Done) -> None:
        """The fastest block counts: the first ones of a process load what they need."""
        cell = done.job.cell
        self.seconds[cell] = min(done.seconds, self.seconds.get(cell, inf))

    def block(self, cell: Cell) -> float:
        """Seconds of one block."""
        if cell in self.seconds:
            return self.seconds[cell]
        ratios = {known: seconds / _guess(known) for known, seconds in self.seconds.items()}
        same = [known for known in ratios if known._replace(width=cell.width) == cell]
        if same:
            return ratios[max(same, key=lambda known: known.width)] * _guess(cell)
        return fmean(ratios.values()) * _guess(cell) if ratios else _guess(cell)


def _guess(cell: Cell) -> float:
    """Seconds of a block, roughly: 12 ns a random number, and matrix products at 10 Gflop/s."""
    network, N, M, _ = cell
    L, C = network.depth, int(network.outputs)
    weights = (L - 1) * M**2
    operations = 2 * (1 + C) * N * weights + 2 * L * (C * N) ** 2 * M
    return block_size(M) * (12e-9 * weights + 1e-10 * operations)


def run(
    plan: SweepPlan | Sequence[SweepPlan],
    store: Store,
    workers: Workers,
    *,
    budget: float = BUDGET,
    say: Callable[[str], None] = lambda text: None,
    progress: bool = False,
) -> list[Row]:
    """Measure what the store lacks of a plan or its parts; its rows, in the order of their keys.

    The numbers depend on the keys alone, not on workers, order or interruptions. Raises
    ``DescriptionError`` if the first blocks show that the rest would exceed the budget in
    seconds, and ``numerics.store.Interrupted`` if workers are lost or the disk is full.
    """
    parts = (plan,) if isinstance(plan, SweepPlan) else plan
    pending = {
        cell: _Pending(part, cell, store.seeds(cell)) for part in parts for cell in part.cells()
    }
    times = _Times()

    def measure(jobs: Iterable[Job], bar: Any = None) -> None:
        with closing(workers.run(jobs)) as finished:  # where storing fails, the workers stop
            for done in finished:
                check_origin(done.origin, store.origin, "a worker")
                store.add(done.job.cell, pending[done.job.cell].fresh(done))
                times.add(done)
                if bar is not None:
                    bar.update(weights[done.job.cell])

    def left() -> float:
        return sum(times.block(cell) * lacks.blocks for cell, lacks in pending.items())

    lacking = sum(lacks.blocks for lacks in pending.values())
    start = time.monotonic()
    for jobs in _trial(pending, times, workers.count, TRIAL * budget):
        measure(jobs)
    spent = time.monotonic() - start
    seconds = spent + left() / workers.count
    if left() and seconds > budget:
        raise DescriptionError(
            f"the sweep takes about {_about(seconds)} with {workers.count} workers, the budget is "
            f"{_about(budget)}; give --budget {seconds * 1.2:.0f}, or fewer seeds, widths or grid "
            "points (the blocks measured to find out are stored)"
        )
    if lacking:
        say(f"{lacking} blocks of networks to measure, estimated time {_about(seconds)}")
    weights = {cell: times.block(cell) for cell in pending}
    slowest = sorted(pending, key=lambda cell: -weights[cell])
    rest = (job for cell in slowest for job in pending[cell].jobs)
    with tqdm(total=left(), disable=not progress, leave=False, bar_format=BAR) as bar:
        measure(rest, bar)
    return _asked(parts, store.rows())


def _asked(parts: Sequence[SweepPlan], rows: list[Row]) -> list[Row]:
    """The rows of a plan; a store may hold those of others as well."""
    of_cell = {(describe(cell.network), *cell[1:]): part for part in parts for cell in part.cells()}
    found = []
    for row in rows:
        part = of_cell.get((row.network, row.samples, row.width, row.engine))
        if part is not None and row.seed < part.seeds and row.quantity in part.quantities:
            found.append(row)
    return found


def _trial(
    pending: dict[Cell, _Pending], times: _Times, workers: int, seconds: float
) -> Iterator[list[Job]]:
    """First blocks of the cells, narrow ones first, while this takes less than these seconds.

    Two rounds: in the first, the processes load what they need. As many blocks at a time as there
    are workers, none that is expected to take longer than all of the trial.
    """
    start = time.monotonic()
    for _ in range(2):
        cells = iter(sorted(pending, key=lambda cell: cell.width))
        while time.monotonic() - start < seconds:
            some = list(islice(cells, workers))
            if not some:
                break
            short = (cell for cell in some if times.block(cell) < seconds)
            jobs = [job for cell in short for job in islice(pending[cell].jobs, 1)]
            if jobs:
                yield jobs


def _about(seconds: float) -> str:
    if seconds < 120:
        return f"{ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Summary(NamedTuple):
    """One quantity of the networks of one width: how many, their mean and its standard error."""

    network: str
    samples: int
    width: int
    engine: str
    quantity: str
    origin: Origin
    networks: int
    mean: float
    standard_error: float | None


def summarize(rows: Iterable[Row]) -> list[Summary]:
    """The means over networks that differ in their random numbers alone, in the order of keys."""
    values: dict[tuple[str, int, int, str, str, Origin], list[float]] = {}
    for row in rows:
        key = (row.network, row.samples, row.width, row.engine, row.quantity, row.origin)
        values.setdefault(key, []).append(row.value)
    found = []
    for key in sorted(values):
        measured = Measurement(tuple(values[key]))
        found.append(Summary(*key, len(measured.values), measured.mean, measured.standard_error))
    return found
