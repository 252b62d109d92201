r"""Predictions over many :math:`(\sigma_w^2, \sigma_b^2)` at once against one by one, one thread.

Each prediction is whole: order parameters of every layer, both kernels, the spectrum's moments and
largest eigenvalue. Some of the points are predicted one by one, and their time extrapolated to
all. The difference is that of :math:`\kappa_1 - \kappa_2`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.rows import Need, Row, script
from benchmarks.timing import interleaved
from theory.architecture import Network
from theory.prediction import Prediction, predict

NAMES = ("relu", "erf", "gelu")
ONE = "one by one"


def rows(o: Namespace) -> Iterator[Row]:
    many = grid(o.points)
    count = many[0].size
    chosen = np.random.default_rng(0).choice(count, o.single, replace=False)
    few = many[0][chosen], many[1][chosen]
    for name in NAMES:
        tasks: dict[str, Callable[[], object]] = {
            "ours": partial(at_once, name, o.depth, *many),
            ONE: partial(one_by_one, name, o.depth, *few),
        }
        found = interleaved(tasks, o.repeats)
        gaps = at_once(name, o.depth, *many).kappa_leading.gap[chosen]
        single = [float(p.kappa_leading.gap) for p in one_by_one(name, o.depth, *few)]
        apart = float(np.max(abs(gaps / np.array(single) - 1)))
        claim = f"predictions of {count} points, {name}, L = {o.depth}"
        yield Row(claim, found.cpu("ours"), needed=Need(5.0), note=f"differences {apart:.0e}")
        yield Row(
            claim,
            found.cpu("ours"),
            other=found.cpu(ONE) * count / o.single,
            against=ONE,
            ratio=found.ratio("ours", ONE) * o.single / count,
        )


def grid(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias variances over the plane of phases, about as many as asked for."""
    side = round(points**0.5)
    sigma_w2, sigma_b2 = np.meshgrid(np.linspace(0.1, 2.5, side), np.linspace(0, 1, side))
    return sigma_w2.ravel(), sigma_b2.ravel()


def at_once(name: str, depth: int, sigma_w2: np.ndarray, sigma_b2: np.ndarray) -> Prediction:
    """The predictions of all points, width 1000 and 100 samples."""
    net = Network(name, depth=depth, sigma_w2=1)
    return predict(net, 1000, 100, sigma_w2=sigma_w2, sigma_b2=sigma_b2)


def one_by_one(
    name: str, depth: int, sigma_w2: np.ndarray, sigma_b2: np.ndarray
) -> list[Prediction]:
    """The same, each point a network of its own."""
    return [
        predict(Network(name, depth=depth, sigma_w2=float(w), sigma_b2=float(b)), 1000, 100)
        for w, b in zip(sigma_w2, sigma_b2, strict=True)
    ]


if __name__ == "__main__":
    script(__doc__, rows, points=100_000, depth=50, single=50, repeats=3)
