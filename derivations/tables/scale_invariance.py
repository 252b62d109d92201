"""Which weights of a network can be scaled without a change of the loss, by scheme."""

from __future__ import annotations

from itertools import product

from derivations.atlas import HIDDEN
from derivations.tables import words
from derivations.tables.record import Cell, Column, Table, groups
from derivations.tables.request import Request
from theory.architecture import (
    Activation,
    BatchNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    Scheme,
)
from theory.invariant_weights import invariant_weights

DEPTH = 3
LAST: tuple[Scheme, ...] = (NoNormalization(), MeanSubtraction(), BatchNorm(), LayerNorm())
ACTIVATIONS = ("relu", "tanh")
PARTS = {"row": "unit", "matrix": "matrix", "layer": "with biases"}
"""What is scaled by one factor: the weights of any one unit, of the layer, these with biases."""

COLUMNS = (
    Column("outputs", "Outputs"),
    Column("hidden layers", "Hidden layers"),
    Column("activation", r"$\varphi$"),
    *(Column(f"weights {l + 1}", f"$W^{l + 1}$") for l in range(DEPTH)),
)


def networks() -> list[Network]:
    """Every hidden scheme with every map of the outputs, with biases."""
    return [
        Network(
            Activation.named(name),
            depth=DEPTH,
            sigma_w2=2,
            sigma_b2=0.1,
            outputs=5,
            hidden=hidden,
            last=last,
        )
        for last, hidden, name in product(LAST, HIDDEN, ACTIVATIONS)
    ]


def build(request: Request) -> Table:
    """The rule of ``theory.invariant_weights`` for the weights of each layer."""
    found = networks()
    return Table(
        "scale-invariance",
        "Weights whose length the loss does not see.",
        COLUMNS,
        tuple(_row(network) for network in found),
        Cell(
            f"Depth {DEPTH}, with biases. What can be scaled by a positive factor without a change "
            "of the loss: the weights of any one unit, all weights of the layer (matrix), or these "
            "together with its biases. With eps > 0 in a normalization it removes no scale.",
        ),
        starts=groups([network.last for network in found]),
        repeated=2,
    )


def _row(network: Network) -> tuple[Cell, ...]:
    hidden = (network.layers or HIDDEN)[0]
    return (
        Cell("linear" if network.last.kind == "none" else words.SCHEMES[network.last.kind]),
        Cell(words.SCHEMES[hidden.kind]),
        Cell(network.activation.name),
        *(Cell(_parts(one)) for one in invariant_weights(network)),
    )


def _parts(invariant: frozenset[str]) -> str:
    return ", ".join(text for name, text in PARTS.items() if name in invariant) or "--"
