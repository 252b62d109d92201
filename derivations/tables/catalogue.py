"""The tables by name, one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from derivations.tables import (
    activations,
    atlas,
    finite_width,
    learning_rates,
    normalization,
    order_parameters,
    scale_invariance,
    sharpness,
)
from derivations.tables.record import Table
from derivations.tables.request import Request


@dataclass(frozen=True)
class Entry:
    """How a table is made. ``measured``: there are measurements in it; ``stored``: of networks,
    which a store can hold; ``network``: it is about the network of a file."""

    build: Callable[[Request], Table]
    measured: bool = True
    stored: bool = True
    network: bool = False


TABLES = {
    "normalization": Entry(normalization.build),
    "order-parameters": Entry(order_parameters.build, measured=False, stored=False, network=True),
    "atlas": Entry(atlas.build),
    "activations": Entry(activations.build, measured=False, stored=False),
    "finite-width": Entry(finite_width.build),
    "learning-rates": Entry(learning_rates.build),
    "sharpness": Entry(sharpness.build, stored=False),
    "scale-invariance": Entry(scale_invariance.build, measured=False, stored=False),
}
