"""Infinite-width kernels: interpolation in the angle against direct evaluation, one thread.

Three tasks: the covariances of many samples of equal norm through many tanh layers, the same for
given inputs of unequal norms through one layer against equal norms, and a table of GELU's dual over
many variances and correlations, in closed form.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from theory.architecture import Activation, Network
from theory.data_kernel import kernel
from theory.depth import compose
from theory.dual_map import dual_map
from theory.gaussian import closed_kernel
from theory.pair import Law, Pair


def seconds(task: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def distances(samples: int) -> np.ndarray:
    """1 - c of random unit vectors."""
    x = np.random.default_rng(0).standard_normal((samples, 64))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([((x - row) ** 2).sum(axis=1) / 2 for row in x])


def directly(
    activation: Activation, dl: np.ndarray, q: float, sigma_w2: float, sigma_b2: float, depth: int
) -> np.ndarray:
    """The gaps of the last layer, every pair of every layer by the kernel of the activation."""
    kernel = closed_kernel(activation)
    assert kernel is not None
    assert kernel.gap is not None
    gap = q * dl
    for _ in range(depth):
        variances = np.full_like(dl, q)
        gap = sigma_w2 * kernel.gap(Pair(variances, variances, q * (1 - dl), dl, 2 - dl))
        q = sigma_w2 * float(kernel.second(Law(0, q))) + sigma_b2
        dl = gap / q
    return gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = {"samples": 512, "depth": 10, "inputs": 300, "points": 1000, "repeats": 7}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    tanh, gelu = Activation.named("tanh"), closed_kernel(Activation.named("gelu"))
    assert gelu is not None
    dl = distances(o.samples)
    q, sigma_w2, sigma_b2 = 2.0, 3.0, 0.64

    def interpolated() -> np.ndarray:
        dual_map.cache_clear()
        found = compose(tanh, dl, q=q, sigma_w2=sigma_w2, sigma_b2=sigma_b2, depth=o.depth)
        return found.gap

    variances, correlations = np.meshgrid(
        np.logspace(-8, 4, o.points), np.linspace(-1, 1, o.points), indexing="ij"
    )
    table = Pair.at(variances, c=correlations)
    rng = np.random.default_rng(1)
    unequal = rng.standard_normal((o.inputs, 64)) * rng.uniform(0.5, 1.6, o.inputs)[:, None]
    norms = np.linalg.norm(unequal, axis=1, keepdims=True)
    inputs = (unequal, unequal * (8 / norms))
    net = Network(tanh, depth=2, sigma_w2=sigma_w2, sigma_b2=sigma_b2)
    first = directly(tanh, dl[:2], q, sigma_w2, sigma_b2, o.depth)
    with threadpool_limits(1):
        start = seconds(interpolated)
        fast = [seconds(interpolated) for _ in range(o.repeats)]
        slow = seconds(lambda: directly(tanh, dl, q, sigma_w2, sigma_b2, o.depth))
        given = [[seconds(partial(kernel, net, X)) for _ in range(3)] for X in inputs]
        dual = [seconds(lambda: gelu.dual(table)) for _ in range(o.repeats)]
    away = dl[:2] > 0
    error = np.max(abs(interpolated()[:2] / np.where(away, first, 1) - 1)[away])
    print(
        f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        "one thread"
    )
    print(
        f"tanh, {o.samples} x {o.samples}, {o.depth} layers: {median(fast):.4f} s interpolated "
        f"({start:.4f} s at first), {slow:.2f} s directly, {slow / median(fast):.0f} times; "
        f"gaps differ by {error:.0e} of themselves"
    )
    uneven, even = map(median, given)
    print(
        f"tanh, {o.inputs} x {o.inputs} given inputs, one layer: {uneven:.2f} s for unequal norms, "
        f"{even:.4f} s for equal ones, {uneven / even:.0f} times"
    )
    print(f"GELU, {variances.size} duals in closed form: {median(dual):.4f} s")


if __name__ == "__main__":
    main()
