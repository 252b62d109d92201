"""How time and memory grow with M, N, L and C: exponents beside those of the operation count.

Each is the slope of a least-squares line through log time, or log memory, over four sizes, each
twice the one before, the others held. The count's slope is that of the same line through its logs
at the same sizes, so that terms of lower order enter both. Memory is the height of what was
allocated during the call.
"""

from __future__ import annotations

import tracemalloc
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from benchmarks.cases import relu
from benchmarks.gram import operations
from benchmarks.rows import Row, script
from benchmarks.timing import interleaved
from numerics.fisher import dual_gram
from numerics.largest_eigenvalue import largest_eigenvalue
from theory import predict
from theory.architecture import Network

STEPS = 4
RESIDUAL = 1e-5
VECTORS = 32


class Size(NamedTuple):
    M: int
    L: int
    N: int
    C: int

    def grown(self, letter: str) -> list[Size]:
        """This size and those with one number doubled, again and again."""
        return [self._replace(**{letter: getattr(self, letter) * 2**step}) for step in range(STEPS)]


class Work(NamedTuple):
    """A task at a size, and what it should cost: operations, and numbers held at once."""

    task: Callable[[], object]
    operations: float
    numbers: float


def gram(size: Size) -> Work:
    M, L, N, C = size
    case = relu(*size)
    return Work(
        lambda: dual_gram(*case),
        operations(*size),
        (C * N) ** 2 + 2 * C * N * M + L * N * M,
    )


def eigenvalue(size: Size) -> Work:
    """Matrix-free: the Gram matrices of the activations, and two passes in each product.

    All in float32 first, beside the float64 of the parameters, and with a copy of the weights.
    """
    M, L, N, C = size
    case = relu(*size)

    def task() -> int:
        return largest_eigenvalue(*case, residual=RESIDUAL).products

    forward = 2 * N * M**2 * (L - 1) + L * N**2 * M
    passes = 4 * N * M**2 * (L - 2) + 2 * N**2 * M * (L - 1) + 4 * N * M * C
    arrays = 4 * (L - 1) * N * M + L * N**2 + 2 * VECTORS * C * N
    numbers = 1.5 * arrays + (L - 1) * M**2 / 2
    return Work(task, 1.5 * forward + task() * passes, numbers)


def prediction(size: Size) -> Work:
    """One recursion over the layers, whatever the width, the samples and the outputs."""
    M, L, N, C = size
    biases = count(1)

    def task() -> None:  # a network that was not predicted before
        network = Network(
            "relu", depth=L, sigma_w2=2, sigma_b2=0.1 + 1e-6 * next(biases), outputs=C
        )
        predict(network, width=M, samples=N)

    return Work(task, L, L)


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of log cost over log size, to three digits."""
    return round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 3) + 0.0


def allocated(task: Callable[[], object]) -> int:
    """Bytes held at once, above those before."""
    tracemalloc.start()
    try:
        task()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def rows(o: Namespace) -> Iterator[Row]:
    base = Size(o.width, o.depth, o.samples, o.outputs)
    for name, work, smallest in (
        ("dual Gram matrix", gram, base),
        ("largest eigenvalue, matrix-free", eigenvalue, base),
        ("prediction", prediction, base._replace(L=o.layers)),
    ):
        for letter in Size._fields:
            sizes = smallest.grown(letter)
            grown = [getattr(size, letter) for size in sizes]
            works = [work(size) for size in sizes]
            found = interleaved({str(n): one.task for n, one in zip(grown, works, strict=True)}, 3)
            memory = [allocated(one.task) for one in works]
            for what, costs, counted in (
                ("time", [found.cpu(str(n)) for n in grown], [one.operations for one in works]),
                ("memory", memory, [one.numbers for one in works]),
            ):
                yield Row(
                    f"exponent of the {what} of {name} in {letter} = {grown[0]} to {grown[-1]}",
                    exponent(grown, costs),
                    "",
                    exponent(grown, counted),
                    "count",
                )


if __name__ == "__main__":
    script(__doc__, rows, width=256, depth=3, samples=64, outputs=2, layers=25)
