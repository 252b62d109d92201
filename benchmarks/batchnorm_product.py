"""A product with the dual Fisher matrix, hidden batch norm, against jitted JAX, one thread.

The peer takes J J^T v through jax.vjp and jax.jvp, compiled before the clock starts. The two
products must agree. ``benchmarks.first_answer`` has the time from the start of the process.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks import peers
from benchmarks.cases import relu
from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from numerics.dual_product import DualProduct

PEER = "jitted JAX"
CLOSE = {"float64": 1e-9, "float32": 1e-3}
NEEDS = {"float64": Need(1 / 3), "float32": Need(1 / 2)}


def rows(o: Namespace) -> Iterator[Row]:
    double = relu(o.width, o.depth, o.samples, o.outputs, hidden="batchnorm")
    for precision, needed in NEEDS.items():
        case = double.single() if precision == "float32" else double
        own = DualProduct.at(*case)
        v = np.random.default_rng(0).standard_normal(own.size).astype(precision)
        theirs = peers.batchnorm_product(peers.of(case.parameters), case.inputs, v)
        mine, other = own(v), np.asarray(theirs())
        apart = float(abs(mine - other).max() / abs(other).max())
        if not mine.dtype == other.dtype == precision or not apart <= CLOSE[precision]:
            raise SystemExit(f"{mine.dtype} and {PEER} in {other.dtype} differ by {apart:.1e}")
        tasks: dict[str, Callable[[], object]] = {"ours": lambda own=own, v=v: own(v), PEER: theirs}
        yield Row.of(
            "product with the dual of hidden batch norm, "
            f"M = {o.width}, L = {o.depth}, N = {o.samples}, C = {o.outputs}",
            interleaved(tasks, o.repeats),
            "ours",
            PEER,
            needed=needed,
            precision=precision,
            note=f"equal to {apart:.0e}",
        )


if __name__ == "__main__":
    script(__doc__, rows, width=1024, depth=3, samples=256, outputs=10, repeats=15)
