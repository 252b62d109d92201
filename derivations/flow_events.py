r"""What happens to a run on its way: it reaches the edge, or it leaves the regime of the theory.

Kinds of events: "edge", with :math:`\tilde\eta\lambda_1`; "crossing", of the run, and "crossing of
the flow", with the second eigenvalue over the first; "underflow" of an oscillation to exactly 0;
"averages", with :math:`|c|\,\varepsilon` above 0.2; "growth rate", with :math:`|c|\sqrt\varepsilon`
above 1: then neither it nor the period is predicted, as the slow oscillation is no longer slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from derivations.edge_means import EDGE, GROWTH_BELOW
from derivations.flow_visits import Visited
from numerics.losses import Loss
from numerics.weight_decay import Trajectory
from theory.sharpness_flow import AVERAGES_BELOW, CROSSING, Edge

TWO = "two eigenvalues at the edge"

REASONS = {
    "underflow": "an oscillation underflowed to exactly 0 on its way to the edge, so nothing can "
    "grow there; use --start prepared or --noise 1e-8",
    "crossing": "the second eigenvalue reached the first; the flow of one eigenvalue ends there",
    "averages": "|c| eps is above 0.2, so the averages at the edge do not hold; use smaller rates",
}
"""Regimes outside the theory, the gravest first, and what to do."""


def reason(found: Mapping[str, Any]) -> str | None:
    """Why a record is outside the theory, since when, and what to do; None where it is not."""
    name = found["regime"]
    if name not in REASONS:
        return None
    since = min(event["tau"] for event in found["events"] if name in event["kind"])
    return f"from time {since:.4g} on: {REASONS[name]}"


class Event(NamedTuple):
    """What happened, when, in time and steps, and the number that says so."""

    kind: str
    tau: float
    step: int
    value: float


def edge_reached(
    path: Trajectory, visited: Visited, rates: np.ndarray, decay: float
) -> Event | None:
    """The first step at which the rate times the sharpness is 2, or None.

    The sharpness of each step is that of the last projection: before the edge it stays.
    """
    steps = np.arange(len(rates) - 1)
    sharpness = visited.sharpness[np.searchsorted(path.kept, steps, side="right") - 1]
    with np.errstate(invalid="ignore"):
        above = np.flatnonzero(rates[:-1] * sharpness >= EDGE)
    if not len(above):
        return None
    at = int(above[0])
    return Event("edge", decay * at, at, float(rates[at] * sharpness[at]))


def trouble(loss: Loss, path: Trajectory, visited: Visited, decay: float) -> list[Event]:
    """Where the run lost its oscillation, and where its second eigenvalue reached the first.

    Lost is an oscillation whose residuals are exactly 0; their squares underflow earlier.
    """
    events = []
    lost = path.kept[~loss.residual(path.pairs[:, 0]).any(axis=-1)]
    if len(lost):
        events.append(Event("underflow", decay * float(lost[0]), int(lost[0]), 0.0))
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(visited.second >= (1 - CROSSING) * visited.sharpness)
    if len(near):
        step = int(path.kept[near[0]])
        ratio = visited.second[near[0]] / visited.sharpness[near[0]]
        events.append(Event("crossing", decay * step, step, float(ratio)))
    return events


def silent_second(path: Trajectory, second: np.ndarray, since: float, decay: float) -> list[Event]:
    """Where, after a crossing, the weights (K,) along the second eigenvector are exactly 0."""
    at = np.flatnonzero((decay * path.kept >= since) & (second == 0))
    if not len(at):
        return []
    step = int(path.kept[at[0]])
    return [Event("underflow", decay * step, step, 0.0)]


def beyond_theory(edges: Sequence[Edge], step: int, decay: float) -> list[Event]:
    """Why averages, or growth and period, are not predicted over these points."""
    bend = max((abs(edge.c or 0.0) for edge in edges), default=0.0)
    events = []
    if bend * decay > AVERAGES_BELOW:
        events.append(Event("averages", decay * step, step, float(bend * decay)))
    if bend * decay**0.5 > GROWTH_BELOW:
        events.append(Event("growth rate", decay * step, step, float(bend * decay**0.5)))
    return events


def regime(events: Sequence[Event], on_edge: bool, together: bool) -> str:
    """The gravest of what happened; ``together``: the flow goes on with two eigenvalues."""
    kinds = {event.kind for event in events}
    crossed = kinds & {"crossing", "crossing of the flow"}
    if "underflow" in kinds:
        return "underflow"
    if crossed and not together:
        return "crossing"
    if "averages" in kinds:
        return "averages"
    if crossed:
        return TWO
    return "edge of stability" if on_edge else "stable"
