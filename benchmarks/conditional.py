"""Conditioned networks against explicit ones: processor time of one network, one thread.

The ratio is that of the least times, of ``--repeats`` blocks each.
Both take the same observables, kappa_1, kappa_2 and the uniform mode.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from numerics.engines import ENGINES
from numerics.ensemble import block_size
from theory.architecture import Network

OBSERVABLES = ("diagonal", "off_diagonal", "uniform")
NETWORKS = {
    "tanh, C = 1": Network("tanh", depth=3, sigma_w2=3, sigma_b2=0.64),
    "relu, C = 1": Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1),
    "relu, C = 4": Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, outputs=4),
    "relu, layer norm": Network("relu", depth=3, sigma_w2=2, sigma_b2=0.2, hidden="layernorm"),
    "relu, batch norm": Network("relu", depth=3, sigma_w2=2, sigma_b2=0.2, hidden="batchnorm"),
    "relu, mean subtraction": Network(
        "relu", depth=3, sigma_w2=2, sigma_b2=0.2, hidden="mean-subtraction"
    ),
}


def seconds(task: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 1024), ("samples", 16), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    print(
        f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        "one thread"
    )
    print(f"M = {o.width}, N = {o.samples}, L = 3; least of {o.repeats} blocks, ms a network")
    with threadpool_limits(1):
        for label, network in NETWORKS.items():
            found = {
                name: min(
                    seconds(
                        partial(engine.observe, network, o.width, o.samples, block, OBSERVABLES)
                    )
                    for block in range(o.repeats)
                )
                / block_size(o.width)
                for name, engine in ENGINES.items()
            }
            explicit, conditional = (1e3 * found[name] for name in ("explicit", "conditional"))
            print(
                f"{label:24} explicit {explicit:7.2f}  conditional {conditional:6.2f}  "
                f"ratio {explicit / conditional:5.1f}"
            )


if __name__ == "__main__":
    main()
