"""The density of the bulk beside the eigenvalues of random networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from derivations.figures.density import draw_bulk, of_found
from derivations.figures.page import row_of_panels
from derivations.figures.record import Picture, Request
from derivations.figures.series import Series, panels
from derivations.spectrum_command import compare
from theory.architecture import Activation, MeanSubtraction, Network


def data(asked: Request) -> list[Series]:
    """A panel for one network after mean subtraction in the last layer: as given, and linear."""
    assert asked.network is not None
    assert asked.widths is not None
    assert asked.samples is not None
    assert asked.seeds is not None
    last = MeanSubtraction()
    linear = Network(Activation.named("linear"), depth=2, sigma_w2=1, last=last)
    networks = [linear, replace(asked.network, last=last)]
    return [
        one
        for network in networks
        for one in of_found(
            f"{network.activation}, $L = {network.depth}$",
            compare(network, asked.widths[0], asked.samples, asked.seeds),
        )
    ]


def draw(shown: list[Series]) -> Any:
    """A panel for each network: the law over the histogram, edge and outliers."""
    grouped = panels(shown)
    figure, all_axes = row_of_panels(len(grouped), 2.2)
    for axes, (title, found) in zip(all_axes, grouped.items(), strict=True):
        draw_bulk(axes, found)
        axes.set(title=title, xlabel=r"eigenvalue $\lambda$")
    all_axes[0].set_ylabel("density")
    all_axes[-1].legend()
    return figure


BULK = Picture(
    "bulk",
    "Density of the nonzero eigenvalues of the centred dual Fisher matrix, one per network and "
    "scale of the output weights, in the proportional regime. Line: theory. Areas: random "
    "networks, the means of their eigenvalues matched.",
    Request(
        Network(Activation.named("tanh"), depth=3, sigma_w2=3, sigma_b2=0.64),
        widths=(400,),
        samples=400,
        seeds=6,
    ),
    data,
    draw,
)
