"""A run of gradient descent with weight decay beside its flow, its edge and its oscillation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from derivations.figures.lines import draw_series, one_entry_a_name
from derivations.figures.page import PAGE, blank
from derivations.figures.series import MEASURED, THEORY, Series, panels, series
from theory.sharpness_flow import Edge

TRAJECTORY = "place on the manifold"
SHARPNESS = "spherical sharpness"
OSCILLATION = "oscillation"
LOSS = "loss"
EVENTS = "events"
ANGLE = "$|x|$"
SHOWN = 25
"""Points of a run that are drawn, so that what lies below stays to be seen."""


def of_found(found: Mapping[str, Any]) -> list[Series]:
    r"""The series of what ``fisherfield flow`` found; what it does not know is left out.

    Theory: the flow; the angle :math:`\sqrt{2\varepsilon/(4 + D)}` and the loss
    :math:`\lambda_1 x^2/2` from the edge on, before a crossing.
    """
    tau, lambda1 = _numbers(found, "tau"), _numbers(found, "lambda1")
    square = _amplitude2(found, tau)
    lambda2 = _numbers(found, "lambda2")
    loss = _numbers(found, "loss")
    shown = [
        _known(TRAJECTORY, "descent", MEASURED, tau, _numbers(found, "coordinate")),
        _known(TRAJECTORY, "flow", THEORY, tau, _numbers(found, "flow_coordinate")),
        _known(SHARPNESS, r"$\lambda_1$", MEASURED, tau, lambda1),
        _known(SHARPNESS, r"$2/\tilde\eta$", MEASURED, tau, 2 / _rate(found)),
        _known(SHARPNESS, r"$\lambda_2$", MEASURED, tau, np.where(lambda2 > 0, lambda2, np.nan)),
        _known(OSCILLATION, ANGLE, MEASURED, tau, np.abs(_numbers(found, "x"))),
        _known(OSCILLATION, ANGLE, THEORY, tau, square**0.5),
        _known(LOSS, r"$\mathcal{L}$", MEASURED, tau, np.where(loss > 0, loss, np.nan)),
        _known(LOSS, r"$\mathcal{L}$", THEORY, tau, lambda1 * square / 2),
    ]
    shown += [
        series(EVENTS, event["kind"], MEASURED, [event["tau"]], [0.0]) for event in found["events"]
    ]
    return [one for one in shown if len(one.x)]


def _numbers(found: Mapping[str, Any], name: str) -> np.ndarray:
    return np.array([np.nan if one is None else one for one in found[name]], dtype=float)


def _rate(found: Mapping[str, Any]) -> np.ndarray:
    """The effective learning rate; with groups, that of the first."""
    rates = _numbers(found, "effective_learning_rate")
    return rates if rates.ndim == 1 else rates[:, 0]


def _known(panel: str, name: str, kind: str, x: np.ndarray, y: np.ndarray) -> Series:
    finite = np.isfinite(y)
    return series(panel, name, kind, x[finite], y[finite])


def _amplitude2(found: Mapping[str, Any], tau: np.ndarray) -> np.ndarray:
    """The mean square of the angle where the theory of one eigenvalue holds, else NaN."""
    if {event["kind"] for event in found["events"]} & {"averages", "underflow"}:
        return np.full(len(tau), np.nan)
    eps = found["eps"] if isinstance(found["eps"], float) else found["eps"][0]
    crossings = (event["tau"] for event in found["events"] if "crossing" in event["kind"])
    edges = (event["tau"] for event in found["events"] if event["kind"] == "edge")
    inside = (tau >= max(edges, default=0.0)) & (tau <= min(crossings, default=np.inf))
    D = np.where(inside, _numbers(found, "D"), np.nan)
    return np.asarray(Edge(1.0, D, 0.0, None).amplitude2(eps))


def draw(shown: list[Series]) -> Any:
    """Four panels over the time of the flow; grey lines are events."""
    figure = blank(PAGE, 3.8)
    grouped = panels(shown)
    events = grouped.pop(EVENTS, [])
    grid = figure.subplots(2, 2, sharex=True)
    for axes, title in zip(grid.flat, (TRAJECTORY, SHARPNESS, OSCILLATION, LOSS), strict=True):
        found = grouped.get(title, [])
        draw_series(axes, [_thinned(one) for one in found])
        for event in events:
            axes.axvline(event.x[0], color="grey", linewidth=0.6, linestyle=":")
        axes.set(title=title, yscale="log" if title == LOSS and found else "linear")
        if found:
            one_entry_a_name(axes)
    for axes in grid[1]:
        axes.set_xlabel(r"time $\tau = \eta\lambda t$")
    return figure


def _thinned(one: Series) -> Series:
    step = max(1, len(one.x) // SHOWN) if one.kind == MEASURED else 1
    return one._replace(x=one.x[::step], y=one.y[::step], error=one.error[::step])
