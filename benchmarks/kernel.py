"""Infinite-width kernels of given inputs against direct evaluation, one thread, interleaved.

NNGP and neural tangent kernel of many samples of equal norm, at two depths: for the first time, and
again for inputs of the same norm, when the map through the layers is there already. Besides: given
inputs of unequal norms through one layer, and a table of GELU's dual in closed form. The error is
that against every layer's closed form for every pair.
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from benchmarks.timing import timed
from theory.architecture import Activation, Network
from theory.data_kernel import DataKernel, kernel
from theory.dual_map import dual_map
from theory.equal_norms import equal_norms
from theory.gaussian import closed_kernel
from theory.inputs import InputsWarning
from theory.pair import Law, Pair

VARIANCES = {"relu": (2.0, 0.1), "gelu": (2.0, 0.1), "erf": (2.0, 0.3), "tanh": (3.0, 0.64)}
DEPTHS = (10, 100)


def inputs(samples: int, columns: int) -> np.ndarray:
    """Random vectors, all of mean square 1."""
    X = np.random.default_rng(0).standard_normal((samples, columns))
    return X / np.linalg.norm(X, axis=1, keepdims=True) * np.sqrt(columns)


def network(name: str, depth: int) -> Network:
    sigma_w2, sigma_b2 = VARIANCES[name]
    return Network(name, depth=depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2)


def first_time(net: Network, X: np.ndarray) -> float:
    """Seconds of both kernels, with the map through the layers still to be made."""
    equal_norms.cache_clear()
    dual_map.cache_clear()
    return again(net, X)


def again(net: Network, X: np.ndarray) -> float:
    """Seconds of both kernels for inputs of a norm that was there before."""
    return timed(partial(kernel, net, X)).cpu


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


def unequal_norms(samples: int) -> float:
    """Seconds of both kernels of inputs of unequal norms through one tanh layer."""
    factors = np.random.default_rng(1).uniform(0.5, 1.6, samples)[:, None]
    return timed(partial(kernel, network("tanh", 2), inputs(samples, 64) * factors)).cpu


def table_of_duals(points: int) -> float:
    """Seconds of GELU's dual over variances and correlations, points of each."""
    gelu = closed_kernel(Activation.named("gelu"))
    assert gelu is not None
    variances, correlations = np.meshgrid(
        np.logspace(-8, 4, points), np.linspace(-1, 1, points), indexing="ij"
    )
    return timed(partial(gelu.dual, Pair.at(variances, c=correlations))).cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = {"samples": 512, "columns": 64, "unequal": 300, "points": 1000, "repeats": 7}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    X = inputs(o.samples, o.columns)
    nets = {(name, depth): network(name, depth) for name in VARIANCES for depth in DEPTHS}
    tasks: dict[object, Callable[[], float]] = {}
    for key, net in nets.items():
        tasks[key, "first"] = partial(first_time, net, X)
        tasks[key, "again"] = partial(again, net, X)
    tasks["unequal"] = partial(unequal_norms, o.unequal)
    tasks["table"] = partial(table_of_duals, o.points)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", InputsWarning)  # of unequal norms
        runs = [{key: task() for key, task in tasks.items()} for _ in range(o.repeats)]
        taken = {key: median(run[key] for run in runs) for key in tasks}
        direct = {
            name: timed(partial(directly, nets[name, DEPTHS[0]], X[: o.samples // 4])).cpu
            for name in VARIANCES
        }
        errors = {key: error(net, X[:64]) for key, net in nets.items()}
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{platform.machine()}, one thread, CPU seconds, medians of {o.repeats} interleaved runs"
    )
    print(f"NNGP and NTK of {o.samples} x {o.samples} inputs of one norm, {o.columns} numbers each")
    low, high = DEPTHS
    for name in VARIANCES:
        for depth in DEPTHS:
            print(
                f"{name:5} depth {depth:3}: {taken[(name, depth), 'again']:.4f} s, "
                f"{taken[(name, depth), 'first']:.4f} s for the first time, "
                f"error {errors[name, depth]:.0e}"
            )
        ratio = taken[(name, high), "again"] / taken[(name, low), "again"]
        factor = 16 * direct[name] / taken[(name, low), "again"]
        print(
            f"{name:5} depth {high} takes {ratio:.2f} times depth {low}; every pair through "
            f"{low} layers {factor:.0f} times (from a quarter of the samples)"
        )
    print(f"tanh, {o.unequal} inputs of unequal norms, one layer: {taken['unequal']:.3f} s")
    print(f"GELU, {o.points**2} duals in closed form: {taken['table']:.4f} s")


if __name__ == "__main__":
    main()
