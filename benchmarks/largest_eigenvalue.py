"""The largest eigenvalue, without the matrix, against forming the dual Gram matrix, one thread.

ReLU, all weights and biases. The residual asked for is loose, for the error of the eigenvalue is of
the order of its square; what is claimed, an eigenvalue good to 1e-9, is compared with that of the
formed matrix. The top C eigenvalues are nearly one, so many products may be needed to tell them
apart, and none to find their value.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from scipy import linalg

from benchmarks.cases import relu
from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from numerics.fisher import dual_gram
from numerics.largest_eigenvalue import largest_eigenvalue

CLOSE = 1e-9
RESIDUALS = tuple(10.0**-k for k in range(4, 10))


def rows(o: Namespace) -> Iterator[Row]:
    case = relu(o.width, o.depth, o.samples, o.outputs)
    formed = dual_gram(*case)[0] / o.samples
    order = len(formed)
    exact = linalg.eigvalsh(formed, subset_by_index=[order - 1, order - 1])[0]
    for residual in RESIDUALS:
        found = largest_eigenvalue(*case, residual=residual)
        error = abs(found.value / exact - 1)
        if error <= CLOSE:
            break
    else:
        raise SystemExit(f"the largest eigenvalue is {error:.1e} off with residual {residual:.0e}")
    tasks = {
        "ours": partial(largest_eigenvalue, *case, residual=residual),
        "forming the dual": partial(dual_gram, *case),
    }
    yield Row.of(
        f"largest eigenvalue to {CLOSE:.0e} against forming the dual, "
        f"M = {o.width}, L = {o.depth}, N = {o.samples}, C = {o.outputs}",
        interleaved(tasks, o.repeats),
        "ours",
        "forming the dual",
        needed=Need(0.6),
        note=f"{found.products} products, residual {found.residual:.1e}, {error:.0e} off",
    )


if __name__ == "__main__":
    script(__doc__, rows, width=1024, depth=3, samples=256, outputs=10, repeats=7)
