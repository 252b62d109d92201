r"""``fisherfield descent``: gradient descent over widths and rates, beside the predicted threshold.

Local growth tells on which side of :math:`2/\lambda_{\max}` a rate is. The final loss does not:
above the threshold the loss may rise by orders of magnitude and land in a flatter place.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from derivations.output_file import check_writable
from theory.errors import DescriptionError, NotCovered, OutOfRegime

if TYPE_CHECKING:
    from numerics.descent import Descent, Growth
    from theory.architecture import Network

WIDTH_COLUMNS = (
    "last",
    "width",
    "predicted_largest_eigenvalue",
    "predicted_threshold",
    "measured_largest_eigenvalue",
    "measured_threshold",
)
RATE_COLUMNS = (
    "rate",
    "above",
    "grows",
    "growth",
    "expected_growth",
    "initial_loss",
    "peak_loss",
    "final_loss",
    "diverged",
    "landing_largest_eigenvalue",
)

HEADERS = (
    "rate",
    "above",
    "grows",
    "growth",
    "(1 - eta lambda)^2",
    "first loss",
    "peak loss",
    "final loss",
    "lambda at the end",
)


class Run(NamedTuple):
    """What one network of a seed shows."""

    growth: Growth
    descent: Descent


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``descent`` reads."""
    sub.add_argument("network", metavar="NET", help="network file (TOML)")
    sub.add_argument("--widths", required=True, metavar="M,...", help="widths, with commas")
    sub.add_argument("--samples", type=int, required=True, metavar="N")
    rates = sub.add_mutually_exclusive_group(required=True)
    rates.add_argument("--rates", metavar="ETA,...", help="learning rates, with commas")
    rates.add_argument(
        "--rates-from",
        nargs=3,
        metavar=("LOW", "HIGH", "COUNT"),
        help="learning rates in equal ratios from LOW to HIGH",
    )
    sub.add_argument("--steps", type=int, required=True, metavar="T", help="steps of descent")
    sub.add_argument("--seeds", type=int, required=True, metavar="K", help="networks of each width")
    sub.add_argument(
        "--last",
        metavar="KIND,...",
        help="maps of the last layer to compare, with commas; the network's own by default",
    )
    sub.add_argument(
        "--regime",
        default="fixed-samples",
        metavar="REGIME",
        help="of the prediction: fixed-samples (default) or proportional",
    )
    sub.add_argument("--out", metavar="FILE.csv", help="also write a row for each cell of the map")
    sub.add_argument("--json", action="store_true")


def descent(options: argparse.Namespace) -> dict[str, Any]:
    """The map over last-layer maps, widths and rates, under documented keys.

    ``widths``: for each a predicted and a measured largest eigenvalue and threshold, with a
    ``reason`` where there is no prediction, and ``rates``. There, means over the networks:
    ``growth`` of the loss in one step near zero residual and ``expected_growth``, the
    (1 - eta lambda_max)^2 of the same networks; ``initial_loss``, ``peak_loss``, ``final_loss``,
    None if one of them diverged; ``landing_largest_eigenvalue`` at the end, over those that did
    not. Numbers of networks: ``above`` their own threshold, ``grows`` near zero residual,
    ``diverged``.

    Raises ``DescriptionError`` for meaningless input.
    """
    from theory.network_file import read_network
    from theory.validation import whole

    given = read_network(options.network)
    if options.out is not None:
        check_writable(options.out)
    found = learning_map(
        given,
        [given.last] if options.last is None else options.last.split(","),
        [_whole("--widths", text) for text in options.widths.split(",")],
        options.samples,
        _rates(options),
        steps=whole("--steps", options.steps, least=1),
        seeds=whole("--seeds", options.seeds, least=1),
        regime=options.regime,
    )
    if options.out is not None:
        _write(options.out, found)
    return found


def learning_map(
    given: Network,
    lasts: Sequence[Any],
    widths: list[int],
    samples: int,
    rates: list[float],
    *,
    steps: int,
    seeds: int,
    regime: str,
) -> dict[str, Any]:
    """What ``descent`` says of the network with each of these last layers."""
    from numerics.descent import descend, growth
    from numerics.ensemble import check_size, over_blocks
    from theory.last_layer import check_samples

    networks = [replace(given, last=last) for last in lasts]
    for network in networks:
        if network.weights != "plain" or network.loss != "mse":
            raise NotCovered("gradient descent with normalized weights or cross-entropy")
        check_samples(network.last, samples)
        for width in widths:
            check_size(network, width, samples)
    points = [(network, width) for network in networks for width in widths]
    predictions = [_predicted(network, width, samples, regime) for network, width in points]

    def one(network: Network, width: int, seed: int) -> Run:
        near = growth(network, width, samples, rates, (seed,))
        return Run(near, descend(network, width, samples, rates, steps, (seed,)))

    jobs = [(*point, seed) for point in points for seed in range(seeds)]
    runs = over_blocks(one, jobs, "networks", progress=sys.stderr.isatty())
    of_points = [runs[first : first + seeds] for first in range(0, len(runs), seeds)]
    return {
        "network": given.describe(),
        "samples": samples,
        "steps": steps,
        "seeds": seeds,
        "regime": regime,
        "widths": [
            {"last": network.last.kind, "width": width} | predicted | _measured(of_point, rates)
            for (network, width), predicted, of_point in zip(
                points, predictions, of_points, strict=True
            )
        ],
    }


def to_text(found: dict[str, Any]) -> str:
    """A table for each width."""
    from tabulate import tabulate

    blocks = []
    for one in found["widths"]:
        blocks.append(
            f"M = {one['width']}, last layer {one['last']}: 2/lambda_max is "
            f"{_text(one['predicted_threshold'])} predicted, "
            f"{_text(one['measured_threshold'])} measured"
        )
        if one["reason"] is not None:
            blocks.append(f"no prediction: {one['reason']}")
        K = found["seeds"]
        rows = [
            (
                _text(rate["rate"]),
                f"{rate['above']}/{K}",
                f"{rate['grows']}/{K}",
                _text(rate["growth"]),
                _text(rate["expected_growth"]),
                *(_text(rate[name], "diverged") for name in RATE_COLUMNS[5:8]),
                _text(rate["landing_largest_eigenvalue"]),
            )
            for rate in one["rates"]
        ]
        blocks.append(tabulate(rows, headers=HEADERS, disable_numparse=True, stralign="right"))
    return "\n".join(blocks)


def _text(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.4g}"


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DescriptionError(f"{name} needs whole numbers with commas, {text!r} given") from None


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise DescriptionError(f"{name} needs finite numbers above 0, {text!r} given")
    return value


def _rates(options: argparse.Namespace) -> list[float]:
    if options.rates is not None:
        return [_number("--rates", text) for text in options.rates.split(",")]
    import numpy as np

    low, high = (_number("--rates-from", text) for text in options.rates_from[:2])
    count = _whole("--rates-from", options.rates_from[2])
    if not (low < high and count >= 2):
        raise DescriptionError(
            f"--rates-from needs LOW < HIGH and COUNT >= 2, {low:g}, {high:g}, {count} given"
        )
    return [float(rate) for rate in np.geomspace(low, high, count)]


def _predicted(network: Network, width: int, samples: int, regime: str) -> dict[str, Any]:
    from theory.prediction import predict

    largest, threshold, reason = None, None, None
    try:
        found = predict(network, width, samples, regime=regime)
        largest, threshold = found.largest_eigenvalue.value, found.learning_rate_threshold
        if largest is None:
            reason = found.reason or "theory has bounds of the largest eigenvalue alone"
    except (NotCovered, OutOfRegime) as problem:
        reason = str(problem)
    return {
        "predicted_largest_eigenvalue": None if largest is None else float(largest),
        "predicted_threshold": None if threshold is None else float(threshold),
        "reason": reason,
    }


def _measured(runs: list[Run], rates: list[float]) -> dict[str, Any]:
    import numpy as np

    from theory.fisher import learning_rate_threshold

    largest = np.concatenate([run.growth.largest for run in runs])
    factors = np.concatenate([run.growth.factor for run in runs], axis=1)
    losses = np.concatenate([run.descent.losses for run in runs], axis=1)
    landing = np.concatenate([run.descent.landing for run in runs], axis=1)
    with np.errstate(over="ignore"):
        expected = (1 - np.outer(rates, largest)) ** 2
    cells = []
    for rate, factor, one, loss, end in zip(rates, factors, expected, losses, landing, strict=True):
        landed = end[np.isfinite(end)]
        cells.append(
            {
                "rate": rate,
                "above": int((rate * largest > 2).sum()),
                "grows": int((factor > 1).sum()),
                "growth": _mean(factor),
                "expected_growth": _mean(one),
                "initial_loss": _mean(loss[:, 0]),
                "peak_loss": _mean(loss.max(axis=1)),
                "final_loss": _mean(loss[:, -1]),
                "diverged": int(np.isinf(loss[:, -1]).sum()),
                "landing_largest_eigenvalue": _mean(landed) if len(landed) else None,
            }
        )
    mean = _mean(largest)
    return {
        "measured_largest_eigenvalue": mean,
        "measured_threshold": learning_rate_threshold(mean) if mean else None,
        "largest_eigenvalues": largest.tolist(),
        "rates": cells,
    }


def _mean(values: Any) -> float | None:
    """None where it is beyond float64."""
    import numpy as np

    with np.errstate(over="ignore"):
        mean = float(np.mean(values))
    return mean if np.isfinite(mean) else None


def _write(path: str, found: dict[str, Any]) -> None:
    """A row for each last layer, width and rate; a number that is None is left empty."""
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow((*WIDTH_COLUMNS, *RATE_COLUMNS))
            for one in found["widths"]:
                for rate in one["rates"]:
                    rows.writerow(
                        (
                            *(one[name] for name in WIDTH_COLUMNS),
                            *(rate[name] for name in RATE_COLUMNS),
                        )
                    )
    except OSError as problem:
        raise DescriptionError(f"cannot write {path}: {problem.strerror}") from None
