r"""Predictions over many :math:`(\sigma_w^2, \sigma_b^2)` at once against one by one, one thread.

Each prediction is whole: order parameters of every layer, both kernels, the spectrum's moments and
largest eigenvalue. The difference is that of :math:`\kappa_1 - \kappa_2`.
"""

from __future__ import annotations

import argparse
import platform
from functools import partial
from statistics import median

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from benchmarks.timing import timed
from theory.architecture import Network
from theory.prediction import Prediction, predict

NAMES = ("relu", "erf", "gelu")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"points": 100_000, "depth": 50, "single": 50, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    many = grid(o.points)
    chosen = np.random.default_rng(0).choice(many[0].size, o.single, replace=False)
    few = many[0][chosen], many[1][chosen]
    with threadpool_limits(1):
        runs = [
            {
                name: (
                    timed(partial(at_once, name, o.depth, *many)).cpu,
                    timed(partial(one_by_one, name, o.depth, *few)).cpu,
                )
                for name in NAMES
            }
            for _ in range(o.repeats)
        ]
        whole = {name: at_once(name, o.depth, *many).kappa_leading.gap[chosen] for name in NAMES}
        single = {
            name: np.array([float(p.kappa_leading.gap) for p in one_by_one(name, o.depth, *few)])
            for name in NAMES
        }
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{platform.machine()}, one thread, CPU seconds, medians of {o.repeats} interleaved runs"
    )
    for name in NAMES:
        together, alone = (median(run[name][k] for run in runs) for k in (0, 1))
        each = alone / o.single
        print(
            f"{name:5} depth {o.depth}, {many[0].size} points: {together:.2f} s; one by one "
            f"{each * 1e3:.2f} ms each, {each * many[0].size / together:.0f} times as long; "
            f"differences {np.max(abs(whole[name] / single[name] - 1)):.0e}"
        )


if __name__ == "__main__":
    main()
