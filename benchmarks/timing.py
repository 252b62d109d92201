"""Fair timing: one core, interleaved rounds, processor time beside the clock's, medians."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from numerics.threads import blas_libraries, one_thread

PACKAGES = (
    "numpy",
    "scipy",
    "jax",
    "jaxlib",
    "neural-tangents",
    "tf2jax",
    "tensorflow",
    "torch",
    "nngeometry",
    "distributed",
)
MOST, ENOUGH = 50, 1.0
"""Rounds, and seconds that they take together, beyond which no more are needed."""
PAUSE, IDLE = 0.01, 0.0005
"""Seconds of the clock after a call, and how many of the processor mean that it has ended."""
SQUARE = 1024
"""The order of the matrices whose product is the machine's own limit."""


class Seconds(NamedTuple):
    """What one call took of the processor, with all threads of the process, and of the clock."""

    cpu: float
    wall: float


def timed(task: Callable[[], object]) -> Seconds:
    """Call once.

    What threads that the call started do after it has returned, such as handing back its memory,
    is charged to it and not to the next.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    task()
    taken = time.perf_counter() - wall
    ended = time.process_time()
    for _ in range(MOST):
        time.sleep(PAUSE)
        more = time.process_time() - ended
        if more < IDLE:
            break
        ended += more
    return Seconds(ended - cpu, taken)


@dataclass(frozen=True)
class Rounds:
    """The seconds of several tasks, one call of each in every round."""

    rounds: tuple[dict[str, Seconds], ...]

    def cpu(self, name: str) -> float:
        """The median processor time of a task."""
        return median(found[name].cpu for found in self.rounds)

    def wall(self, name: str) -> float:
        """The median time of the clock."""
        return median(found[name].wall for found in self.rounds)

    def ratio(self, name: str, other: str) -> float:
        """The median over the rounds of the ratio of the two processor times in one round."""
        return median(found[name].cpu / found[other].cpu for found in self.rounds)


def interleaved(tasks: Mapping[str, Callable[[], object]], repeats: int) -> Rounds:
    """Call every task once untimed, then once in each round.

    Of these at least ``repeats``, and as many up to ``MOST`` as ``ENOUGH`` seconds hold: short
    calls vary more.
    """
    for task in tasks.values():
        task()
    start, rounds = time.perf_counter(), []
    while len(rounds) < repeats or (
        repeats > 1 and len(rounds) < MOST and time.perf_counter() - start < ENOUGH
    ):
        rounds.append({name: timed(task) for name, task in tasks.items()})
    return Rounds(tuple(rounds))


def of_process(command: Sequence[object], **options: Any) -> tuple[str, Seconds]:
    """What a process printed, and what it took from its start to its end.

    Ends the script with the command and the last line of its errors if it fails.
    """
    start, before = time.perf_counter(), _of_children()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    taken = Seconds(_of_children() - before, time.perf_counter() - start)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise SystemExit(f"{' '.join(map(str, command))}: {reason}")
    return done.stdout, taken


def _of_children() -> float:
    """The processor time of all processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_core() -> None:
    """Keep this process, with all threads that a peer may start, on one core, for good.

    Where the system cannot do this, BLAS and the peers have their own limits still.
    """
    one_thread()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def conditions() -> dict[str, Any]:
    """Versions, machine and its load, threads, and the Gflop/s of square matrix products."""
    blas = {
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in blas_libraries()
    }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": 1,
        "versions": {"python": platform.python_version(), **_versions(), "blas": sorted(blas)},
        "dgemm": square_rate(np.float64),
        "sgemm": square_rate(np.float32),
    }


def square_rate(dtype: type) -> float:
    """Gflop/s of a square matrix product: the median of three."""
    left, right = np.random.default_rng(0).standard_normal((2, SQUARE, SQUARE)).astype(dtype)
    found = interleaved({"product": lambda: left @ right}, 3)
    return 2 * SQUARE**3 / found.cpu("product") / 1e9


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {platform.machine()}" if names else platform.machine()
