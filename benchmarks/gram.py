"""The dual Gram matrix against the machine's matrix product, one thread, interleaved.

Operations counted: forward, backward, and the symmetric products at half of a full product, so that
symmetry earns no credit:
2 N M^2 (L-1) + 2 C N M^2 (L-2) + L N^2 M + (L-1) (C N)^2 M + 2 N M C.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from numerics.fisher import dual_gram
from numerics.network import draw_inputs, draw_parameters
from theory.architecture import Activation, Network


def operations(M: int, L: int, N: int, C: int) -> int:
    """Floating-point operations of one dual Gram matrix with equal widths."""
    passes = 2 * N * M**2 * (L - 1) + 2 * C * N * M**2 * (L - 2) + 2 * N * M * C
    return passes + L * N**2 * M + (L - 1) * (C * N) ** 2 * M


def seconds(task: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 1024), ("depth", 3), ("samples", 256), ("outputs", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=7)
    o = parser.parse_args()
    M, L, N, C = o.width, o.depth, o.samples, o.outputs
    network = Network(Activation.named("relu"), depth=L, sigma_w2=2, sigma_b2=0.1, outputs=C)
    rng = np.random.default_rng(0)
    parameters = draw_parameters(network, M, 1, rng)
    inputs = draw_inputs(network, M, N, 1, rng)
    square = rng.standard_normal((2, 2048, 2048))
    shaped = rng.standard_normal((C * N, M)), rng.standard_normal((M, M))
    tasks = {
        "dual Gram matrix": (
            lambda: dual_gram(network, parameters, inputs),
            operations(M, L, N, C),
        ),
        "dgemm, 2048 square": (lambda: square[0] @ square[1], 2 * 2048**3),
        "dgemm, CN x M x M": (lambda: shaped[0] @ shaped[1], 2 * C * N * M**2),
    }
    with threadpool_limits(1):
        runs = [
            {name: seconds(task) for name, (task, _) in tasks.items()} for _ in range(o.repeats)
        ]
    print(
        f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        "one thread"
    )
    print(f"M = {M}, L = {L}, N = {N}, C = {C}, medians of {o.repeats} interleaved runs")
    rates = {
        name: median(count / run[name] for run in runs) / 1e9 for name, (_, count) in tasks.items()
    }
    for name, rate in rates.items():
        print(f"{name:20} {median(run[name] for run in runs):8.4f} s  {rate:7.1f} Gflop/s")
    for name in list(tasks)[1:]:
        ratio = median(
            tasks["dual Gram matrix"][1] / run["dual Gram matrix"] / (tasks[name][1] / run[name])
            for run in runs
        )
        print(f"dual Gram matrix / {name}: {100 * ratio:.0f} %")


if __name__ == "__main__":
    main()
