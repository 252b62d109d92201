"""The bulk of the spectrum: processor time of an edge and of a density of 400 points.

Claimed for four layers: the edge in less than 2 s, the density in less than 10 s.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from theory.architecture import Network
from theory.bulk import density, right_edge
from theory.bulk.model import model

SETTINGS = {"linear": (1, 0.1), "relu": (2, 0.1), "tanh": (3, 0.64)}


def rows(o: Namespace) -> Iterator[Row]:
    for name, (sigma_w2, sigma_b2) in SETTINGS.items():
        network = Network(
            name, depth=o.depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2, outputs=o.outputs
        )
        chain = model(network, 1.0, o.width)
        grid = np.linspace(0.01, 1.05, o.points) * right_edge(chain).value
        tasks = {
            "right edge": lambda n=network: right_edge(model(n, 1.0, o.width)),
            f"density of {o.points} points": lambda c=chain, x=grid: density(c, x),
        }
        found = interleaved(tasks, o.repeats)
        for task, limit in zip(tasks, (2, 10), strict=True):
            yield Row(
                f"{task}, {name}, L = {o.depth}, M = N = {o.width}, C = {o.outputs}",
                found.cpu(task),
                needed=Need(limit),
            )


if __name__ == "__main__":
    script(__doc__, rows, depth=4, width=800, outputs=1, points=400, repeats=3)
