"""Gradient descent with weight decay beside the flow that lowers its spherical sharpness."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from derivations.figures.lines import draw_series, one_entry_a_name
from derivations.figures.page import PAGE, blank
from derivations.figures.record import Picture, Request
from derivations.figures.series import MEASURED, THEORY, Series, panels, series
from theory.sharpness_flow import Edge

TRAJECTORY = "place on the manifold"
SHARPNESS = "spherical sharpness"
OSCILLATION = "oscillation"
LOSS = "loss"
DECAY = "0.005"


def data(asked: Request) -> list[Series]:
    """One run from a prepared start."""
    from derivations import flow_command

    parser = argparse.ArgumentParser()
    flow_command.add_arguments(parser)
    options = parser.parse_args([str(asked.problem), "--weight-decay", DECAY])
    found, _ = flow_command.flow(options)
    return of_found(found)


def of_found(found: dict[str, Any]) -> list[Series]:
    """The series of what ``fisherfield flow`` found; points that it does not know are left out."""

    def amplitude2(D: float) -> float:
        return Edge(1.0, D, 0.0, None).amplitude2(found["eps"])

    def one(panel: str, name: str, kind: str, key: str, change: Any = None) -> Series:
        y = np.array([np.nan if value is None else value for value in found[key]], float)
        tau = np.array(found["tau"], float)
        known = np.isfinite(y)
        return series(panel, name, kind, tau[known], (change or (lambda v: v))(y[known]))

    known = [k for k, D in enumerate(found["D"]) if D is not None]
    tau = [found["tau"][k] for k in known]
    X = np.array([amplitude2(found["D"][k]) for k in known])
    sharpness = np.array([found["lambda1"][k] for k in known])
    return [
        one(TRAJECTORY, "descent", MEASURED, "coordinate"),
        one(TRAJECTORY, "flow", THEORY, "flow_coordinate"),
        one(SHARPNESS, r"$\lambda_1$", MEASURED, "lambda1"),
        one(SHARPNESS, r"$2/\tilde\eta$", MEASURED, "effective_learning_rate", lambda v: 2 / v),
        one(OSCILLATION, "$|x|$", MEASURED, "x", np.abs),
        series(OSCILLATION, "$|x|$", THEORY, tau, X**0.5),
        one(LOSS, r"$\mathcal{L}$", MEASURED, "loss"),
        series(LOSS, r"$\mathcal{L}$", THEORY, tau, sharpness * X / 2),
    ]


def draw(shown: list[Series]) -> Any:
    """Four panels over the time of the flow."""
    figure = blank(PAGE, 3.8)
    grid = figure.subplots(2, 2, sharex=True)
    for axes, (title, found) in zip(grid.flat, panels(shown).items(), strict=True):
        draw_series(axes, [_thinned(one) for one in found])
        one_entry_a_name(axes)
        axes.set(title=title, yscale="log" if title == LOSS else "linear")
    for axes in grid[1]:
        axes.set_xlabel(r"time $\tau = \eta\lambda t$")
    return figure


def _thinned(one: Series) -> Series:
    """Every eighth point of a run, so that what lies below stays to be seen."""
    step = 8 if one.kind == MEASURED else 1
    return one._replace(x=one.x[::step], y=one.y[::step], error=one.error[::step])


SHARPNESS_REDUCTION = Picture(
    "sharpness",
    "Gradient descent with weight decay at the edge of stability. Its place on the manifold of "
    r"minimizers follows the flow; the spherical sharpness $\lambda_1$ falls with $2/\tilde\eta$, "
    "set by the effective learning rate; across the manifold it oscillates, and so does the loss.",
    Request(problem="arc"),
    data,
    draw,
)
