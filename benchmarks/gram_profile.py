"""Where the time of a dual Gram matrix goes, beside what its products need at the rate of dgemm.

What the parts take together above their products is the distance to that limit: symmetric products
of few samples and their copies into the other triangle, products entry by entry with the Gram
matrices of the activations, sums, and memory that is touched for the first time. At the rate of
dgemm, the products alone bound what could be gained over a peer.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.cases import relu
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


def profiled(M: int, L: int, N: int, C: int, repeats: int) -> tuple[dict[str, float], float]:
    """Processor seconds of each part, and of the whole, of one call."""
    case = relu(M, L, N, C)
    dual_gram(*case)
    profile = cProfile.Profile(time.process_time)
    for _ in range(repeats):
        profile.runcall(dual_gram, *case)
    found = pstats.Stats(profile)
    seconds = dict.fromkeys(PARTS.values(), 0.0)
    for (file, _, function), (*_, cumulative, _) in found.stats.items():  # type: ignore[attr-defined]
        part = PARTS.get((Path(file).name, function))
        if part is not None:
            seconds[part] += cumulative / repeats
    return seconds, found.total_tt / repeats  # type: ignore[attr-defined]


def rows(o: Namespace) -> Iterator[Row]:
    rate = 1e9 * square_rate(np.float64)
    for M in WIDTHS[: o.widths]:
        size = M, o.depth, o.samples, o.outputs
        seconds, whole = profiled(*size, o.repeats)
        counts = operations(*size)
        seconds["all else"], counts["all else"] = whole - sum(seconds.values()), 0
        seconds["the whole"], counts["the whole"] = whole, sum(counts.values())
        for part, found in seconds.items():
            products = counts[part] / rate
            yield Row(
                f"{part}, M = {M}, L = {o.depth}, N = {o.samples}, C = {o.outputs}",
                found,
                other=products,
                against="its products at the rate of dgemm",
                ratio=found / products if products else None,
            )


if __name__ == "__main__":
    script(__doc__, rows, depth=3, samples=256, outputs=10, widths=len(WIDTHS), repeats=7)
