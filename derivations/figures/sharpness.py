"""Gradient descent with weight decay beside the flow that lowers its spherical sharpness."""

from __future__ import annotations

import argparse

from derivations import flow_command
from derivations.figures.descent import draw, of_found
from derivations.figures.record import Picture, Request
from derivations.figures.series import Series


def data(asked: Request) -> list[Series]:
    """One run from a prepared start, with the problem's own rates and time."""
    parser = argparse.ArgumentParser()
    flow_command.add_arguments(parser)
    options = parser.parse_args([str(asked.problem)])
    found, _ = flow_command.flow(options)
    return of_found(found)


SHARPNESS_REDUCTION = Picture(
    "sharpness",
    "Gradient descent with weight decay at the edge of stability. Its place on the manifold of "
    r"minimizers follows the flow; the spherical sharpness $\lambda_1$ falls with $2/\tilde\eta$, "
    "set by the effective learning rate; across the manifold it oscillates, and so does the loss.",
    Request(problem="arc"),
    data,
    draw,
)
