"""The dual Gram matrix against the machine's matrix product, one thread, interleaved.

Operations counted: forward, backward, and the symmetric products at half of a full product, so that
symmetry earns no credit:
2 N M^2 (L-1) + 2 C N M^2 (L-2) + L N^2 M + (L-1) (C N)^2 M + 2 N M C.

The shape-matched limit is the time of these products alone, each with its own shape: L-1 products
N x M x M forward and one N x M x C, L-2 products CN x M x M backward, L symmetric products
N x M x N (syrk, as numpy takes for A @ A.T) of the activations and L-1 such CN x M x CN of the
derivatives. Everything else, phi and phi', their products with the derivatives, the products of two
Gram matrices entry by entry and their sum, is what keeps the dual from its limit.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.cases import relu
from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from numerics.fisher import dual_gram

REACHED = Need(0.9, least=True)


def operations(M: int, L: int, N: int, C: int) -> int:
    """Floating-point operations of one dual Gram matrix with equal widths.

    They are those of ``products``.
    """
    passes = 2 * N * M**2 * (L - 1) + 2 * C * N * M**2 * (L - 2) + 2 * N * M * C
    return passes + L * N**2 * M + (L - 1) * (C * N) ** 2 * M


def products(M: int, L: int, N: int, C: int) -> Callable[[], None]:
    """The same products of the same shapes, and nothing else."""
    rng = np.random.default_rng(1)
    W, last = rng.standard_normal((M, M)), rng.standard_normal((M, C))
    h, D = rng.standard_normal((N, M)), rng.standard_normal((C * N, M))

    def run() -> None:
        for _ in range(L - 1):
            h @ W
        h @ last
        for _ in range(L - 2):
            D @ W.T
        for _ in range(L):
            h @ h.T
        for _ in range(L - 1):
            D @ D.T

    return run


def rows(o: Namespace) -> Iterator[Row]:
    size = (o.width, o.depth, o.samples, o.outputs)
    case = relu(*size)
    tasks = {
        "dual Gram matrix": lambda: dual_gram(*case),
        "products of its shapes": products(*size),
    }
    found = interleaved(tasks, o.repeats)
    ours, limit = (operations(*size) / found.cpu(name) / 1e9 for name in tasks)
    yield Row(
        "dual Gram matrix against its own matrix products, "
        f"M = {o.width}, L = {o.depth}, N = {o.samples}, C = {o.outputs}",
        ours,
        "Gflop/s",
        limit,
        "dgemm and dsyrk of its shapes",
        found.ratio("products of its shapes", "dual Gram matrix"),
        REACHED,
    )


if __name__ == "__main__":
    script(__doc__, rows, width=2048, depth=3, samples=256, outputs=1, repeats=9)
