r"""``fisherfield spectrum``: the density of the bulk beside the eigenvalues of random networks.

The law is compared network by network: the scale of its output weights and its trace, which
fluctuate by more than the shape, are those of the same network, and its exact zeros are left out.

What stays at a finite width is mostly the scatter of the samples' norms, which smears the steep
lower edge of the law from L = 3 on. At M = N = 600, L = 3 the Kolmogorov distance of six networks
of ReLU and tanh was 0.046 to 0.074 (0.037 for tanh at M = 1200); with the realised norms divided
out of rows and columns, 0.014 to 0.047, their mean 0.025. A law smoothed ten times as much,
:math:`\eta = 3 \cdot 10^{-3}` of the edge, hides the smear: 0.020 to 0.051 for four of them.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from derivations.output_file import check_writable
from theory.errors import NotCovered

if TYPE_CHECKING:
    import numpy as np

    from theory.architecture import Network

POINTS, BINS = 400, 60
BEYOND, LOWEST = 1.1, 1e-5
ZERO = 1e-10
DEFAULT_SEEDS = 3


class Law(NamedTuple):
    """A density over a grid, its distribution function there, and its mean."""

    grid: np.ndarray
    density: np.ndarray
    cumulative: np.ndarray
    mean: float


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``spectrum`` reads."""
    sub.add_argument("network", metavar="NET", help="network file (TOML)")
    sub.add_argument("--width", type=int, required=True, metavar="M")
    sub.add_argument("--samples", type=int, required=True, metavar="N")
    sub.add_argument(
        "--seeds", type=int, default=DEFAULT_SEEDS, metavar="S", help="number of networks: 3"
    )
    sub.add_argument("--figure", metavar="FILE", help="also draw both: png, pdf, svg")
    sub.add_argument("--json", action="store_true")


def spectrum(options: argparse.Namespace) -> dict[str, Any]:
    """Predicted and measured spectrum, under documented keys.

    ``edge``, ``value`` and ``standard_deviation`` of the bulk's top, ``outliers`` above it (of
    order 1, or the uniform modes), ``density`` {lambda, value} at the mean scale of the weights,
    per non-zero eigenvalue; ``eigenvalues`` {mean_top, standard_error} of the networks, their
    ``histogram`` {edges, density} and ``zero_modes``, the exact zeros of each; ``kolmogorov``
    {mean, standard_error, raw}: the distances of the networks, raw one by one.

    Raises ``DescriptionError`` for meaningless input, ``NotCovered`` for a last layer other than
    none and mean subtraction.
    """
    from theory.network_file import read_network
    from theory.validation import whole

    network = read_network(options.network)
    seeds = whole("--seeds", options.seeds, least=1)
    if options.figure is not None:
        check_writable(options.figure)
    result = compare(network, options.width, options.samples, seeds)
    if options.figure is not None:
        from derivations.figures.density import alone
        from derivations.figures.page import rules, save

        with rules():
            save(alone(result, str(network)), options.figure)
    return result


def compare(network: Network, width: int, samples: int, seeds: int) -> dict[str, Any]:
    """What ``spectrum`` says of this many random networks."""
    import numpy as np

    from numerics.eigenvalues import eigenvalues
    from theory.bulk import top
    from theory.prediction import predict

    if network.last.kind not in ("none", "mean-subtraction") or network.loss != "mse":
        raise NotCovered("the spectrum behind this last layer (covered: none, mean-subtraction)")
    M, N, C = width, samples, int(network.outputs)
    largest = predict(network, M, N, regime="proportional").largest_eigenvalue
    bulk = top(network, M, N)
    uniform = C if largest.order == "M" else 0
    networks = eigenvalues(network, M, N, range(seeds), progress=sys.stderr.isatty())
    tops = np.array([one.values[-1] for one in networks])
    found, distances, zeros = [], [], []
    for one in networks:
        kept = one.values[one.values > ZERO * one.values[-1]]
        zeros.append(len(one.values) - len(kept))
        kept = kept[: len(kept) - uniform]
        law = _law(network, M, N, one.scale)
        distances.append(kolmogorov(kept * law.mean / kept.mean(), law))
        found.append(kept)
    law = _law(network, M, N, 1.0)
    counts, edges = np.histogram(np.concatenate(found), bins=BINS, density=True)
    outliers = [largest.value] * uniform
    if not uniform and largest.value is not None and largest.value > bulk.edge:
        outliers = [largest.value]
    return {
        "network": network.describe(),
        "width": M,
        "samples": N,
        "seeds": seeds,
        "edge": bulk.edge,
        "value": bulk.value,
        "standard_deviation": bulk.standard_deviation,
        "outliers": outliers,
        "density": {"lambda": law.grid.tolist(), "value": law.density.tolist()},
        "eigenvalues": _mean("mean_top", tops),
        "histogram": {"edges": edges.tolist(), "density": counts.tolist()},
        "kolmogorov": _mean("mean", np.array(distances)) | {"raw": distances},
        "zero_modes": zeros[0],
    }


def kolmogorov(values: np.ndarray, law: Law) -> float:
    """The largest distance between the distribution of the values and the law's."""
    import numpy as np

    expected = np.interp(np.sort(values), law.grid, law.cumulative)
    steps = np.arange(len(values) + 1) / len(values)
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


def to_text(found: dict[str, Any]) -> str:
    """The numbers of ``spectrum`` for the terminal."""
    from derivations.terminal import statistics

    tables = ("network", "density", "histogram", "kolmogorov", "eigenvalues")
    shown = {name: value for name, value in found.items() if name not in tables}
    measured, distance = found["eigenvalues"], found["kolmogorov"]
    return statistics(
        shown
        | {"measured": measured | {"mean": measured["mean_top"]}}
        | {"kolmogorov": {name: distance[name] for name in ("mean", "standard_error")}}
    )


def _law(network: Network, width: int, samples: int, scale: float) -> Law:
    import numpy as np

    from theory.bulk import density, right_edge
    from theory.bulk.model import model

    chain = model(network, width / samples, width, scale=scale)
    edge = right_edge(chain).value
    low = np.geomspace(LOWEST, 0.02, POINTS // 10) * edge
    grid = np.concatenate(
        [
            -low[::-1],
            low[:-1],
            np.linspace(0.02, 0.4, POINTS // 2) * edge,
            np.linspace(0.4, BEYOND, POINTS // 4)[1:] * edge,
        ]
    )
    law = density(chain, grid)
    steps = np.diff(grid) * (law[1:] + law[:-1]) / 2
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    return Law(grid, law, cumulative / cumulative[-1], chain.trace)


def _mean(name: str, values: np.ndarray) -> dict[str, float | None]:
    error = None
    if len(values) > 1:
        error = float(values.std(ddof=1) / len(values) ** 0.5)
    return {name: float(values.mean()), "standard_error": error}
