"""Infinite-width kernels of given inputs of one norm: neural-tangents, compiled, and ours.

Ours is made afresh, without the interpolated map through the layers that an earlier call has left;
the peer is compiled before. ReLU has a closed form in both. tanh goes through Gauss-Hermite
quadrature in the peer, so that the difference of the two is the peer's error: the tests hold ours
against quadrature of arbitrary precision.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks import peers
from benchmarks.kernel import afresh
from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from theory.architecture import Network
from theory.data_kernel import kernel

PEER = "neural-tangents"
SETTINGS = {
    "relu": (2.0, 0.1, 10, Need(1 / 8)),
    "tanh": (3.0, 0.64, 3, Need(1 / 150)),
}
"""sigma_w^2, sigma_b^2, depth, what is needed."""


def rows(o: Namespace) -> Iterator[Row]:
    X = np.random.default_rng(0).standard_normal((o.inputs, 64))
    X *= 8 / np.linalg.norm(X, axis=1, keepdims=True)
    for name, (sigma_w2, sigma_b2, depth, needed) in SETTINGS.items():
        network = Network(
            name, depth=depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2, parameterization="ntk"
        )
        theirs = peers.data_kernel(name, sigma_w2, sigma_b2, depth, X)
        mine, other = kernel(network, X), theirs()
        apart = [float(abs(np.asarray(a) / b - 1).max()) for a, b in zip(other, mine, strict=True)]
        if name == "relu" and not max(apart) <= 1e-6:
            raise SystemExit(f"the kernels of ReLU differ by {max(apart):.1e}")
        tasks: dict[str, Callable[[], object]] = {
            "afresh": partial(afresh, network, X),
            "kept": partial(kernel, network, X),
            PEER: theirs,
        }
        found = interleaved(tasks, o.repeats)
        claim = f"kernels of {o.inputs} x {o.inputs} inputs, {name}, L = {depth}"
        yield Row.of(
            claim,
            found,
            "afresh",
            PEER,
            needed=needed,
            note=f"NNGP kernels differ by {apart[0]:.0e}, tangent kernels by {apart[1]:.0e}",
        )
        yield Row.of(f"{claim}, map through the layers kept", found, "kept", PEER)


if __name__ == "__main__":
    script(__doc__, rows, shim=peers.SHIM, inputs=512, repeats=5)
