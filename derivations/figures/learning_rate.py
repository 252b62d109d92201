r"""The loss after training over width and learning rate, with the line :math:`2/\lambda_{\max}`."""

from __future__ import annotations

from typing import Any

import numpy as np

from derivations.figures.page import row_of_panels
from derivations.figures.record import Picture, Request
from derivations.figures.series import MEASURED, THEORY, Series, panels, series
from theory.architecture import Activation, Network

LASTS = {"none": "no normalization", "batchnorm": "batch norm, last"}
LOW, HIGH, RATES = 1e-3, 3.0, 15
STEPS = 100
THRESHOLD = r"$2/\lambda_{\max}$"
OF_WIDTH = "M = "
DIVERGED = 1e12
"""A loss that stands for one beyond float64, in the data."""


def data(asked: Request) -> list[Series]:
    """Final losses for every width and rate, and both thresholds over the width."""
    from derivations.descent_command import learning_map

    assert asked.network is not None
    assert asked.widths is not None
    assert asked.samples is not None
    assert asked.seeds is not None
    rates = np.geomspace(LOW, HIGH, RATES).tolist()
    found = learning_map(
        asked.network,
        list(LASTS),
        list(asked.widths),
        asked.samples,
        rates,
        steps=STEPS,
        seeds=asked.seeds,
        regime="proportional",
    )
    shown = []
    for last, title in LASTS.items():
        of_last = [one for one in found["widths"] if one["last"] == last]
        for one in of_last:
            losses = [
                DIVERGED if rate["final_loss"] is None else rate["final_loss"]
                for rate in one["rates"]
            ]
            name = f"{OF_WIDTH}{one['width']}"
            shown.append(series(title, name, MEASURED, rates, losses))
        widths = [one["width"] for one in of_last]
        for kind, key in ((THEORY, "predicted_threshold"), (MEASURED, "measured_threshold")):
            shown.append(series(title, THRESHOLD, kind, widths, [one[key] for one in of_last]))
    return shown


def draw(shown: list[Series]) -> Any:
    """A map of losses for each last layer, dark where training fails."""
    from matplotlib.colors import LogNorm

    grouped = panels(shown)
    figure, all_axes = row_of_panels(len(grouped), 2.4, sharey=True)
    losses = np.concatenate([one.y for one in shown if one.name.startswith(OF_WIDTH)])
    settled = losses[losses < DIVERGED]
    norm = LogNorm(settled.min(), np.quantile(settled, 0.9))
    for axes, (title, found) in zip(all_axes, grouped.items(), strict=True):
        cells = [one for one in found if one.name.startswith(OF_WIDTH)]
        widths = np.array([float(one.name.removeprefix(OF_WIDTH)) for one in cells])
        values = np.array([one.y for one in cells]).T
        image = axes.pcolormesh(
            _bounds(widths), _bounds(cells[0].x), values, norm=norm, cmap="Greys", rasterized=True
        )
        for one in found:
            if one.name == THRESHOLD and one.kind == THEORY:
                axes.plot(
                    one.x, one.y, color="#d55e00", linewidth=1.5, label=f"{THRESHOLD}, theory"
                )
            elif one.name == THRESHOLD:
                style = {"markerfacecolor": "white", "markeredgecolor": "black"}
                axes.plot(one.x, one.y, "o", label=f"{THRESHOLD}, measured", **style)
        axes.set(xscale="log", yscale="log", title=title, xlabel=r"width $M$")
        axes.set_xticks(widths, [f"{x:g}" for x in widths])
        axes.set_xticks([], minor=True)
    all_axes[0].set_ylabel(r"learning rate $\eta$")
    handles, labels = all_axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    figure.colorbar(image, ax=all_axes, label="loss after training", extend="max")
    return figure


def _bounds(centres: np.ndarray) -> np.ndarray:
    """Bounds of cells about points in nearly equal ratios."""
    logs = np.log(centres)
    middle = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - middle[0]], middle, [2 * logs[-1] - middle[-1]]]))


LEARNING_RATE = Picture(
    "learning-rate",
    rf"Loss after {STEPS} steps of gradient descent over width and learning rate (dark: large or "
    r"diverged). Line: the predicted threshold $2/\lambda_{\max}$; points: that of the networks' "
    "own largest eigenvalue.",
    Request(
        Network(Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.1),
        widths=(64, 128, 256, 512),
        samples=64,
        seeds=2,
    ),
    data,
    draw,
)
