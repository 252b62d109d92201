"""``fisherfield phase``: fixed points, depth scales and phase of a random network."""

from __future__ import annotations

import argparse
from typing import Any

from derivations.activation_arguments import add_activation, read_activation


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``phase`` reads."""
    add_activation(sub)
    sub.add_argument(
        "--sigma-w2", type=float, required=True, metavar="A", help="variance of the weights"
    )
    sub.add_argument(
        "--sigma-b2", type=float, required=True, metavar="B", help="variance of the biases"
    )
    sub.add_argument("--json", action="store_true")
    sub.add_argument("--figure", metavar="FILE", help="also draw the phase diagram: png, pdf, svg")


def phase(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``theory.phase.Phase`` by name, after those that were given.

    Writes the figure, if one is asked for. Raises ``DescriptionError`` for what has no meaning.
    """
    from theory.phase import phase

    activation = read_activation(options)
    found = phase(activation, options.sigma_w2, options.sigma_b2)
    if options.figure is not None:
        from derivations.figures.phase import phase_diagram

        phase_diagram(activation, options.figure, point=(options.sigma_w2, options.sigma_b2))
    given = {
        "activation": activation.describe(),
        "sigma_w2": options.sigma_w2,
        "sigma_b2": options.sigma_b2,
    }
    return given | found.to_json()
