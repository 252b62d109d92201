"""Conditioned networks against explicit ones: processor time of one network.

Both take the same observables, kappa_1, kappa_2 and the uniform mode. Nothing is claimed here.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from itertools import count

from benchmarks.rows import Row, script
from benchmarks.timing import interleaved
from numerics.engines import ENGINES, Engine
from numerics.ensemble import block_size
from theory.architecture import Network

NAMES = ("conditional", "explicit")
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


def rows(o: Namespace) -> Iterator[Row]:
    networks = block_size(o.width)
    for label, network in NETWORKS.items():
        tasks = {
            name: partial(fresh_block, engine, network, o.width, o.samples, count())
            for name, engine in ENGINES.items()
        }
        found = interleaved(tasks, o.repeats)
        conditional, explicit = (1e3 * found.cpu(name) / networks for name in NAMES)
        yield Row(
            f"one network by conditioning, {label}, M = {o.width}, L = 3, N = {o.samples}",
            conditional,
            "ms",
            explicit,
            "explicit weights",
            found.ratio(*NAMES),
        )


def fresh_block(engine: Engine, network: Network, M: int, N: int, blocks: count[int]) -> None:
    engine.observe(network, M, N, next(blocks), OBSERVABLES)


if __name__ == "__main__":
    script(__doc__, rows, width=1024, samples=16, repeats=15)
