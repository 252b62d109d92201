"""The bulk of the spectrum: seconds of one core for an edge and for a density of 400 points.

Claim: for four layers the edge takes less than 2 s and the density less than 10 s.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from theory.architecture import Network
from theory.bulk import density, right_edge
from theory.bulk.model import model

SETTINGS = {"linear": (1, 0.1), "relu": (2, 0.1), "tanh": (3, 0.64)}
POINTS = 400


def seconds(task: Callable[[], object], repeats: int) -> float:
    """The least processor time of several calls."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        task()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("depth", 4), ("width", 800), ("outputs", 1), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    print(
        f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"one thread; L = {o.depth}, M = N = {o.width}, C = {o.outputs}"
    )
    with threadpool_limits(1):
        for name, (sigma_w2, sigma_b2) in SETTINGS.items():
            network = Network(
                name, depth=o.depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2, outputs=o.outputs
            )
            chain = model(network, 1.0, o.width)
            grid = np.linspace(0.01, 1.05, POINTS) * right_edge(chain).value
            edge = seconds(lambda n=network: right_edge(model(n, 1.0, o.width)), o.repeats)
            law = seconds(lambda c=chain, x=grid: density(c, x), o.repeats)
            print(f"{name:8} edge {edge:7.3f} s   density of {POINTS} points {law:7.3f} s")


if __name__ == "__main__":
    main()
