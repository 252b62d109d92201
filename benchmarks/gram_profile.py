"""Where the time of a dual Gram matrix goes, beside what its products need at the rate of gemm.

What the parts take together above their products is the distance to that limit: symmetric products
of few samples and their copies into the other triangle, products entry by entry with the Gram
matrices of the activations, sums, and memory that is touched for the first time. At the rate of
gemm, the products alone bound what could be gained over a peer. Seconds are means under a profiler.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.cases import relu
from benchmarks.profiles import WHOLE, profiled
from benchmarks.rows import Row, script
from benchmarks.timing import square_rate
from numerics.fisher import dual_gram

WIDTHS = (512, 1024)
PARTS = {
    ("parameters.py", "__call__"): "forward",
    ("parameters.py", "gram"): "Gram matrices of the activations",
    ("network.py", "_passed"): "backward",
    ("products.py", "add_outer"): "symmetric blocks of the last hidden layer",
    ("products.py", "add_units"): "products of the layers below",
    ("products.py", "mirrored"): "the other triangle",
}


def operations(M: int, L: int, N: int, C: int) -> dict[str, int]:
    """The floating-point operations that each part really takes."""
    counts = (
        2 * N * M**2 * (L - 1) + 2 * N * M * C,
        L * N**2 * M,
        2 * C * N * M**2 * (L - 2),
        C * (C + 1) // 2 * N**2 * M,
        (L - 2) * (C * N) ** 2 * M,
        0,
    )
    return dict(zip(PARTS.values(), counts, strict=True))


def rows(o: Namespace) -> Iterator[Row]:
    for precision in ("float64", "float32"):
        rate = 1e9 * square_rate(np.dtype(precision).type)
        for M in WIDTHS[: o.widths]:
            size = M, o.depth, o.samples, o.outputs
            case = relu(*size)
            task = partial(dual_gram, *(case.single() if precision == "float32" else case))
            counts = operations(*size)
            counts[WHOLE] = sum(counts.values())
            for part, seconds in profiled(task, PARTS, o.repeats).items():
                products = counts.get(part, 0) / rate
                yield Row(
                    f"{part}, M = {M}, L = {o.depth}, N = {o.samples}, C = {o.outputs}",
                    seconds,
                    other=products,
                    against="its products at the rate of gemm",
                    ratio=seconds / products if products else None,
                    precision=precision,
                )


if __name__ == "__main__":
    script(__doc__, rows, depth=3, samples=256, outputs=10, widths=len(WIDTHS), repeats=7)
