"""Infinite-width kernels of given inputs: at two depths, and against pairs through every layer.

NNGP and neural tangent kernel of many inputs of one norm, again for inputs of a norm that was there
before, when the map through the layers is kept, and for the first time. The error is that against
every layer's closed form for every pair, whose time is extrapolated from a quarter of the inputs.
Besides: inputs of unequal norms through one layer, and a table of GELU's dual in closed form.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from theory.architecture import Activation, Network
from theory.data_kernel import DataKernel, kernel
from theory.dual_map import dual_map
from theory.equal_norms import equal_norms
from theory.gaussian import closed_kernel
from theory.inputs import InputsWarning
from theory.pair import Law, Pair

VARIANCES = {"relu": (2.0, 0.1), "gelu": (2.0, 0.1), "erf": (2.0, 0.3), "tanh": (3.0, 0.64)}
LOW, HIGH = 10, 100
LEAST = 4
"""What part of the inputs goes through every layer pair by pair: one in so many."""


def rows(o: Namespace) -> Iterator[Row]:
    X = inputs(o.samples, o.columns)
    for name in VARIANCES:
        low, high = network(name, LOW), network(name, HIGH)
        tasks: dict[str, Callable[[], object]] = {  # what is kept is that of the task before
            f"L = {LOW}, first": partial(afresh, low, X),
            f"L = {LOW}": partial(kernel, low, X),
            f"L = {HIGH}, first": partial(afresh, high, X),
            f"L = {HIGH}": partial(kernel, high, X),
            "every pair": partial(directly, low, X[: o.samples // LEAST]),
        }
        found = interleaved(tasks, o.repeats)
        claim = f"kernels of {o.samples} x {o.samples} inputs, {name}, L = {HIGH}"
        yield Row.of(
            claim,
            found,
            f"L = {HIGH}",
            f"L = {LOW}",
            needed=Need(1.3),
            note=f"error {error(low, X[:64]):.0e} at L = {LOW}, {error(high, X[:64]):.0e} here",
        )
        yield Row.of(f"{claim}, first time", found, f"L = {HIGH}, first", f"L = {LOW}, first")
        yield Row(
            f"kernels of {o.samples} x {o.samples} inputs, {name}, L = {LOW}",
            found.cpu(f"L = {LOW}"),
            other=LEAST**2 * found.cpu("every pair"),
            against="every pair through every layer",
            ratio=found.ratio(f"L = {LOW}", "every pair") / LEAST**2,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputsWarning)  # of unequal norms
        others: dict[str, Callable[[], object]] = {
            f"kernels of {o.unequal} inputs of unequal norms, tanh, L = 2": partial(
                unequal_norms, o.unequal
            ),
            f"{o.points**2} duals of GELU in closed form": partial(table_of_duals, o.points),
        }
        taken = interleaved(others, o.repeats)
    for name in others:
        yield Row(name, taken.cpu(name))


def inputs(samples: int, columns: int) -> np.ndarray:
    """Random vectors, all of mean square 1."""
    X = np.random.default_rng(0).standard_normal((samples, columns))
    return X / np.linalg.norm(X, axis=1, keepdims=True) * np.sqrt(columns)


def network(name: str, depth: int) -> Network:
    sigma_w2, sigma_b2 = VARIANCES[name]
    return Network(name, depth=depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2)


def afresh(net: Network, X: np.ndarray) -> None:
    """The kernels without the interpolated maps that an earlier call has left."""
    dual_map.cache_clear()
    equal_norms.cache_clear()
    kernel(net, X)


def directly(net: Network, X: np.ndarray) -> DataKernel:
    """Both kernels, every pair through every layer by the closed form of the activation."""
    one = closed_kernel(net.activation)
    assert one is not None
    assert one.gap is not None
    sigma_w2, sigma_b2 = float(net.sigma_w2), float(net.sigma_b2)
    c = X @ X.T / X.shape[1]
    np.fill_diagonal(c, 1)
    q = sigma_w2 + sigma_b2
    dl, weight = sigma_w2 * (1 - c) / q, 1 / float(net.alpha)
    tangent = weight * c
    for _ in range(net.depth - 1):
        variances = np.full_like(dl, q)
        pair = Pair(variances, variances, q * (1 - dl), dl, 2 - dl)
        second, gap = float(one.second(Law(0, q))), one.gap(pair)
        tangent = sigma_w2 * one.derivative_dual(pair) * tangent + weight * (second - gap)
        q = sigma_w2 * second + sigma_b2
        dl = sigma_w2 * gap / q
    return DataKernel(q * (1 - dl), tangent)


def error(net: Network, X: np.ndarray) -> float:
    """The largest relative error of either kernel."""
    pairs = zip(kernel(net, X), directly(net, X), strict=True)
    return max(float(abs(found - exact).max() / abs(exact).max()) for found, exact in pairs)


def unequal_norms(samples: int) -> None:
    """Both kernels of inputs of unequal norms through one tanh layer."""
    factors = np.random.default_rng(1).uniform(0.5, 1.6, samples)[:, None]
    kernel(network("tanh", 2), inputs(samples, 64) * factors)


def table_of_duals(points: int) -> None:
    """GELU's dual over variances and correlations, points of each."""
    gelu = closed_kernel(Activation.named("gelu"))
    assert gelu is not None
    variances, correlations = np.meshgrid(
        np.logspace(-8, 4, points), np.linspace(-1, 1, points), indexing="ij"
    )
    gelu.dual(Pair.at(variances, c=correlations))


if __name__ == "__main__":
    defaults = {"samples": 512, "columns": 64, "unequal": 300, "points": 1000}
    script(__doc__, rows, **defaults, repeats=5)
