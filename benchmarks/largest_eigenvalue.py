"""The largest eigenvalue of a batch-normalized network, matrix-free, one thread.

The peer, where JAX is installed (pip install jax), takes the same Lanczos iteration to the same
residual with products J J^T v through jax.vjp and jax.jvp in float64, compiled before the clock
starts: once from a random vector, once from our own first vector, which saves products. The first
compares the two ways to the eigenvalue, the second the products alone.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from numerics.dual_product import DualProduct
from numerics.lanczos import Eigenvalue, lanczos
from numerics.largest_eigenvalue import largest_eigenvalue
from numerics.network import Parameters, draw_inputs, draw_parameters
from theory.architecture import Network


def seconds(task: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def megabytes() -> float:
    """The most memory that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peer(parameters: Parameters, inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """The product with F* through JAX, for ReLU and batch norm in the hidden layers."""
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    x = jnp.asarray(inputs[0])
    pairs = [
        (jnp.asarray(W[0]), jnp.asarray(b[0]))
        for W, b in zip(parameters.weights, parameters.biases, strict=True)
    ]

    def outputs(pairs: Any, h: Any) -> Any:
        for W, b in pairs[:-1]:
            u = h @ W + b
            u = u - u.mean(axis=0)
            h = jnp.maximum(u / jnp.sqrt((u * u).mean(axis=0)), 0)
        W, b = pairs[-1]
        return (h @ W + b).T.ravel()

    @jax.jit
    def product(pairs: Any, x: Any, v: Any) -> Any:
        def of(parameters: Any) -> Any:
            return outputs(parameters, x)

        (gradient,) = jax.vjp(of, pairs)[1](v)
        return jax.jvp(of, (pairs,), (gradient,))[1] / len(x)

    return lambda v: np.asarray(product(pairs, x, v))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 1024), ("depth", 3), ("samples", 256), ("outputs", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--residual", type=float, default=1e-3)
    parser.add_argument("--repeats", type=int, default=7)
    o = parser.parse_args()
    network = Network(
        "relu", depth=o.depth, sigma_w2=2, sigma_b2=0.1, outputs=o.outputs, hidden="batchnorm"
    )
    rng = np.random.default_rng(0)
    parameters = draw_parameters(network, o.width, 1, rng)
    inputs = draw_inputs(network, o.width, o.samples, 1, rng)

    def ours() -> Eigenvalue:
        return largest_eigenvalue(network, parameters, inputs, residual=o.residual)

    with threadpool_limits(1):
        found = ours()
        memory = megabytes()
        tasks: dict[str, Callable[[], Eigenvalue]] = {"numerics.lanczos": ours}
        by_peer = peer(parameters, inputs)
        if by_peer is not None:
            own = DualProduct.at(network, parameters, inputs)
            at_random = np.random.default_rng(0).standard_normal(own.size)
            difference = np.abs(by_peer(at_random) - own(at_random)).max()
            if difference > 1e-9 * np.abs(at_random).max() * found.value:
                raise SystemExit(f"the products differ by {difference}")
            for name, start in (("a random vector", at_random), ("our start", own.start())):
                tasks[f"JAX from {name}"] = partial(
                    lanczos, by_peer, start, residual=o.residual, most=200
                )
        runs = [{name: seconds(task) for name, task in tasks.items()} for _ in range(o.repeats)]
    print(f"M = {o.width}, L = {o.depth}, N = {o.samples}, C = {o.outputs}, batch norm, one thread")
    print(
        f"{found.value:.6g}, relative residual {found.residual:.1e}, {found.products} products, "
        f"{memory:.0f} MB at most"
    )
    first, *peers = tasks
    print(f"{first:24} {median(run[first] for run in runs):8.4f} s")
    for name in peers:
        ratio = median(run[name] / run[first] for run in runs)
        taken = median(run[name] for run in runs)
        print(f"{name:24} {taken:8.4f} s, {tasks[name]().products} products, {ratio:.1f} times")
    if not peers:
        print("no JAX here: pip install jax to compare with it")


if __name__ == "__main__":
    main()
