"""Networks at the edge of a machine, one wide, one with a dual that would not fit: time and memory.

The wide one gives all eigenvalues of its dual Gram matrix, from drawing its weights on. The other
has so many samples and outputs that its dual alone would hold (C N)^2 numbers; its largest
eigenvalues come from products with the dual, block Lanczos, and it is never formed. Memory is that
of a process of its own at its height, above the loaded modules.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.memory import Taken, growth
from benchmarks.rows import Need, Row, script
from numerics.eigenvalues import eigenvalues, largest_eigenvalues
from theory.architecture import Network

BUDGET = 24
"""GiB of memory for the wide network."""
L, C = 3, 10


def network(outputs: int) -> Network:
    return Network("relu", depth=L, sigma_w2=2, sigma_b2=0.1, outputs=outputs)


def wide(M: int, N: int) -> Callable[[], Any]:
    return lambda: eigenvalues(network(1), M, N, [0])


def unformed(M: int, N: int, count: int) -> Callable[[], Any]:
    return lambda: largest_eigenvalues(network(C), M, N, [0], count, residual=1e-3)


def rows(o: Namespace) -> Iterator[Row]:
    claim = f"all eigenvalues of F*, M = {o.width}, L = {L}, N = {o.samples}, C = 1"
    yield from both(claim, growth(wide, o.width, o.samples), needed=Need(BUDGET))
    claim = (
        f"{o.count} largest eigenvalues of F* without the dual, C N = {C * o.many}, "
        f"M = {o.narrow}, L = {L}"
    )
    dual = 8 * (C * o.many) ** 2 / 2**30
    taken = growth(unformed, o.narrow, o.many, o.count)
    ratio = taken.megabytes / 1024 / dual
    yield from both(claim, taken, other=dual, against="the dual", ratio=ratio, needed=Need(1))


def both(claim: str, taken: Taken, **more: Any) -> Iterator[Row]:
    """The rows of the memory and of the time."""
    yield Row(f"memory of {claim}", taken.megabytes / 1024, "GiB", **more)
    cpu, wall = taken.seconds
    yield Row(claim, cpu, note=f"{wall:.3g} s by the clock")


if __name__ == "__main__":
    sizes = {"width": 16384, "samples": 512, "narrow": 512, "many": 2000, "count": 10}
    script(__doc__, rows, **sizes)
