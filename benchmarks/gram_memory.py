"""The memory of one dual Gram matrix beside neural-tangents, each in a process of its own.

Counted is the growth of the resident memory at its height, above the process that has its modules,
inputs, weights and compiled code, and has done a small network before.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.cases import Case, relu
from benchmarks.memory import growth
from benchmarks.rows import Need, Row, script
from numerics.fisher import dual_gram

L = 3
SMALL = (8, L, 4)


def ours(M: int, N: int, C: int) -> Callable[[], Any]:
    dual_gram(*relu(*SMALL, C))
    case = relu(M, L, N, C)
    return lambda: dual_gram(*case)


def theirs(M: int, N: int, C: int) -> Callable[[], Any]:
    def task(case: Case) -> Callable[[], Any]:
        return peers.structured(peers.of(case.parameters), case.inputs).run

    task(relu(*SMALL, C))()
    return task(relu(M, L, N, C))


def rows(o: Namespace) -> Iterator[Row]:
    size = (o.width, o.samples, o.outputs)
    found = [[growth(one, *size).megabytes for one in (ours, theirs)] for _ in range(o.repeats)]
    first, second = (median(one) for one in zip(*found, strict=True))
    yield Row(
        "memory of a dual Gram matrix above the loaded process, "
        f"M = {o.width}, L = {L}, N = {o.samples}, C = {o.outputs}",
        first,
        "MB",
        second,
        "neural-tangents",
        first / second,
        Need(0.36),
    )


if __name__ == "__main__":
    script(__doc__, rows, shim=peers.SHIM, width=2048, samples=256, outputs=10, repeats=3)
