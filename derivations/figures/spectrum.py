"""All eigenvalues of random networks, with the places that theory gives to the outliers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from derivations.figures.page import DARK, LIGHT, row_of_panels
from derivations.figures.record import Picture, Request
from derivations.figures.series import HISTOGRAM, THEORY, Series, panels, series
from derivations.figures.width import predicted_top
from theory.architecture import Activation, BatchNorm, LayerNorm, Network, NoNormalization, Scheme

ZERO = 1e-10
"""Part of the largest eigenvalue below which one counts as an exact zero."""

BINS = 50
PLAIN = NoNormalization()
PLACES: dict[str, tuple[Scheme, Scheme]] = {
    "no normalization": (PLAIN, PLAIN),
    "layer norm, hidden": (LayerNorm(), PLAIN),
    "batch norm, last": (PLAIN, BatchNorm()),
}


def data(asked: Request) -> list[Series]:
    """For each panel the density over log10 of the eigenvalues, and the predicted places."""
    from numerics.eigenvalues import eigenvalues

    assert asked.network is not None
    assert asked.widths is not None
    assert asked.samples is not None
    assert asked.seeds is not None
    M, N = asked.widths[0], asked.samples
    found = []
    for name, (hidden, last) in PLACES.items():
        network = replace(asked.network, layers=None, hidden=hidden, last=last)
        spectra = [one.values for one in eigenvalues(network, M, N, range(asked.seeds))]
        kept = np.concatenate([one[one > ZERO * one[-1]] for one in spectra])
        heights, edges = np.histogram(np.log10(kept), bins=BINS)
        counts = np.append(heights / asked.seeds, 0.0)
        found.append(series(name, "eigenvalues", HISTOGRAM, 10**edges, counts))
        value, order = predicted_top(network, M, N)
        label = "outlier" if order == "M" else "edge"
        found.append(series(name, label, THEORY, [value], [0.0]))
    return found


def draw(shown: list[Series]) -> Any:
    """A panel for each place, the same axis of eigenvalues under all."""
    grouped = panels(shown)
    figure, all_axes = row_of_panels(len(grouped), 2.0, sharex=True, sharey=True)
    for axes, (name, found) in zip(all_axes, grouped.items(), strict=True):
        for one in found:
            if one.kind == HISTOGRAM:
                axes.stairs(one.y[:-1], one.x, fill=True, color=LIGHT, edgecolor=DARK)
            else:
                axes.axvline(one.x[0], color="black", linestyle="--", linewidth=0.8)
                axes.annotate(
                    f"{one.name}, theory",
                    (one.x[0], 0.96),
                    (3 if one.name == "edge" else -3, 0),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    rotation=90,
                    ha="left" if one.name == "edge" else "right",
                    va="top",
                    fontsize=7,
                )
        axes.set(xscale="log", yscale="symlog", title=name, xlabel=r"eigenvalue $\lambda$")
        axes.set_ylim(0, None)
    all_axes[0].set_ylabel("eigenvalues in a bin, per network")
    return figure


SPECTRUM = Picture(
    "spectrum",
    "Nonzero eigenvalues of the dual Fisher matrix of random networks, and the predicted place of "
    "the outliers (one for each output) or of the edge of the bulk where there are none.",
    Request(
        Network(Activation.named("tanh"), depth=3, sigma_w2=3, sigma_b2=0.64, outputs=4),
        widths=(500,),
        samples=100,
        seeds=8,
    ),
    data,
    draw,
)
