r"""The largest eigenvalue against the width, for the places of a normalization.

The number of samples grows with the width. Theory: ``theory.predict`` in the proportional regime;
measured: exact eigenvalues of sampled networks, mean and standard error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from derivations.figures.lines import draw_series, one_entry_a_name
from derivations.figures.page import blank
from derivations.figures.record import Picture, Request
from derivations.figures.series import MEASURED, THEORY, Series, series
from theory.architecture import (
    Activation,
    BatchNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    Scheme,
)
from theory.errors import DescriptionError, OutOfRegime
from theory.prediction import predict

SAMPLES_OF_WIDTH = 0.25

BETWEEN = 4
"""Points of a theory line for each octave of widths."""

PLAIN = NoNormalization()
PLACES: dict[str, tuple[Scheme, Scheme]] = {
    "none": (PLAIN, PLAIN),
    "layer norm, hidden": (LayerNorm(), PLAIN),
    "batch norm, hidden": (BatchNorm(), PLAIN),
    "mean subtraction, last": (PLAIN, MeanSubtraction()),
    "batch norm, last": (PLAIN, BatchNorm()),
}
"""Names of the curves: the scheme of all hidden layers, and that of the last."""


def samples_at(width: int) -> int:
    """Samples beside a network of this width: a quarter of it."""
    return round(SAMPLES_OF_WIDTH * width)


def predicted_top(network: Network, width: int, samples: int) -> tuple[float, str]:
    """The largest eigenvalue for N proportional to M, and its order in M.

    Raises ``OutOfRegime`` where theory has no value.
    """
    found = predict(network, width, samples, regime="proportional")
    value = found.largest_eigenvalue.value
    if value is None:
        raise OutOfRegime(f"no prediction of the largest eigenvalue of {network}: {found.reason}")
    return float(value), found.largest_eigenvalue.order


def data(asked: Request) -> list[Series]:
    """A theory line and measured points for each place of a normalization."""
    from numerics.eigenvalues import eigenvalues

    assert asked.network is not None
    assert asked.widths is not None
    assert asked.seeds is not None
    if min(asked.widths) < 128 or len(asked.widths) < 2:
        raise DescriptionError(f"--widths needs two or more from 128 on, {asked.widths} given")
    widths = np.array(sorted(asked.widths))
    octaves = np.log2(widths[-1] / widths[0])
    line = np.unique(np.geomspace(widths[0], widths[-1], round(octaves * BETWEEN) + 1).round())
    found = []
    for name, (hidden, last) in PLACES.items():
        network = replace(asked.network, layers=None, hidden=hidden, last=last)
        predicted = [predicted_top(network, int(M), samples_at(int(M)))[0] for M in line]
        found.append(series("", name, THEORY, line, predicted))
        tops = np.array(
            [
                [
                    one.values[-1]
                    for one in eigenvalues(network, M, samples_at(M), range(asked.seeds))
                ]
                for M in widths.tolist()
            ]
        )
        error = tops.std(axis=1, ddof=1) / asked.seeds**0.5 if asked.seeds > 1 else np.nan
        found.append(series("", name, MEASURED, widths, tops.mean(axis=1), error))
    return found


def draw(shown: list[Series]) -> Any:
    """Both axes logarithmic: order M has slope 1, order 1 has slope 0."""
    figure = blank(height=3.0)
    axes = figure.add_subplot()
    draw_series(axes, shown)
    widths = sorted({float(x) for one in shown if one.kind == MEASURED for x in one.x})
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"width $M$",
        ylabel=r"largest eigenvalue $\lambda_{\max}$",
    )
    axes.set_xticks(widths, [f"{x:g}" for x in widths])
    axes.set_xticks([], minor=True)
    one_entry_a_name(axes, outside=True, ncols=2)
    return figure


WIDTH = Picture(
    "width",
    r"Largest eigenvalue of the Fisher matrix against the width $M$, $N = M/4$ samples. Lines: "
    "theory. Points: means over random networks with their standard errors. Batch norm or mean "
    "subtraction in the last layer removes the growth; in the hidden layers, like layer norm, it "
    "does not.",
    Request(
        Network(Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.1),
        widths=(128, 256, 512, 1024),
        seeds=12,
    ),
    data,
    draw,
)
