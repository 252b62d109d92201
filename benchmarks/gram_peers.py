"""The dual Gram matrix of neural-tangents by structured derivatives, its fastest way, and ours.

A ReLU network with all weights and biases, three layers. The peer is compiled, and its weights are
stored (in, out). The two matrices must agree before the clock starts. Gflop/s are by the operation
count of ``benchmarks.gram``, for both.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import numpy as np

from benchmarks import peers
from benchmarks.cases import Case, relu
from benchmarks.gram import operations
from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from numerics.fisher import dual_gram

L = 3
CLOSE = {"float64": 1e-10, "float32": 1e-4}
SHARE = {"float64": 1.0, "float32": 0.95}
"""Of the entries that must be as close: a unit at the kink of ReLU, to within the rounding of
float32, takes the one slope here and the other there, which moves the entries of its sample."""

NEEDS = {
    ("float64", 10): Need(1 / 7),
    ("float32", 10): Need(1 / 4),
    ("float32", 1): Need(1 / 1.6),
}


def rows(o: Namespace) -> Iterator[Row]:
    for precision in ("float64", "float32"):
        for C in (10, 1):
            for M in (o.width // 2, o.width):
                case = relu(M, L, o.samples, C)
                yield against(
                    "neural-tangents",
                    case.single() if precision == "float32" else case,
                    o.repeats,
                    NEEDS.get((precision, C)),
                )


def against(name: str, case: Case, repeats: int, needed: Need | None) -> Row:
    """The row of one peer; ends the script where its matrix is not ours."""
    peer = peers.GRAMS[name](peers.of(case.parameters), case.inputs)
    ours, theirs = dual_gram(*case)[0], peer.matrix(peer.run())
    precision = str(case.inputs.dtype)
    apart = float(np.quantile(abs(ours - theirs), SHARE[precision]) / abs(ours).max())
    if not ours.dtype == theirs.dtype == precision or not apart <= CLOSE[precision]:
        raise SystemExit(
            f"ours in {ours.dtype} and {name} in {theirs.dtype} differ by {apart:.1e}; "
            f"{CLOSE[precision]} was to be kept in {precision}"
        )
    found = interleaved({"ours": lambda: dual_gram(*case), name: peer.run}, repeats)
    M, N, C = len(case.parameters.weights[1][0]), len(case.inputs), case.network.outputs
    size = (M, case.network.depth, N, C)
    rates = [operations(*size) / found.cpu(task) / 1e9 for task in ("ours", name)]
    return Row.of(
        f"dual Gram matrix, M = {M}, L = {case.network.depth}, N = {N}, C = {C}",
        found,
        "ours",
        name,
        needed=needed,
        precision=precision,
        note=f"{rates[0]:.1f} and {rates[1]:.1f} Gflop/s; equal to {apart:.0e}",
    )


if __name__ == "__main__":
    script(__doc__, rows, shim=peers.SHIM, width=1024, samples=256, repeats=7)
