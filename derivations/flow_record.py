r"""One run of gradient descent with weight decay beside its flow, as a record for JSON.

What is measured comes from the run, what is predicted from theory at the points that the run
visited. Where the run leaves the regime of the theory, an event says when, and the run is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derivations.dynamics import Setting, lengths
from derivations.edge_means import (
    EDGE,
    SAMPLES,
    predicted_means,
    rates_of_pairs,
    second_run,
    whole_periods,
)
from derivations.flow_events import (
    Event,
    beyond_theory,
    edge_reached,
    regime,
    silent_second,
    trouble,
)
from derivations.flow_visits import Visited, read, visit
from numerics import minimizers
from numerics.weight_decay import Trajectory, descend
from theory.errors import OutOfRegime
from theory.scale_invariance import effective_learning_rate, time_to_edge
from theory.sharpness_flow import Edge, Flow, integrate, slow_period
from theory.sharpness_problems import QuadraticForms

NAMES = ("x2", "hover", "period", "growth_rate", "time_to_edge")


@dataclass(frozen=True)
class Run:
    """What was asked for: learning rate, product of rates, length in time, points, noise, seed."""

    eta: float
    decay: float
    time: float
    points: int
    noise: float
    seed: int
    prepared: bool

    @property
    def steps(self) -> int:
        return max(2, int(self.time / self.decay))

    @property
    def every(self) -> int:
        return max(1, self.steps // self.points)


@dataclass(frozen=True)
class AtEdge:
    """The step at which a run is at the edge, None if never, and the first pair kept from there."""

    step: int | None
    first: int


def record(
    setting: Setting,
    start: np.ndarray,
    run: Run,
    coordinate: Callable[[Setting, np.ndarray], np.ndarray] | None,
) -> dict[str, Any]:
    """The arrays, events, predictions and measurements of a run from these weights."""
    path = descend(
        setting.loss,
        start,
        run.eta,
        run.decay,
        run.steps,
        every=run.every,
        noise=run.noise,
        seed=run.seed,
    )
    visited = visit(setting, path)
    rates = effective_learning_rate(run.eta, run.decay, path.norm2)
    events = trouble(setting.loss, path, visited, run.decay)
    edge = _at_edge(path, visited, rates, run, events)
    pieces = _flow(setting, visited, edge, run, events)
    tau = run.decay * (path.kept + 0.5)
    expected = _along(pieces, tau, run.decay * (edge.step or 0), setting.loss.size)
    together = len(pieces) > 1
    if together and pieces[0].crossing is not None:
        y = path.pairs[:, 0] @ setting.top(pieces[1].at(0.0))[1][:2].T
        events += silent_second(path, np.abs(y).min(axis=1), pieces[0].crossing, run.decay)
    crossed = min((e.tau for e in events if "crossing" in e.kind), default=np.inf)
    edges = _edges(setting, visited, edge, tau < crossed)
    events += beyond_theory(list(edges.values()), edge.step or 0, run.decay)
    predicted, measured = _compare(setting, path, visited, edges, edge, run, crossed, events)
    raw = minimizers.unit(path.pairs[:, 0])
    return {
        "steps": run.steps,
        "regime": regime(events, edge.step is not None, together),
        "events": [event._asdict() for event in sorted(events, key=lambda event: event.tau)],
        "tau": plain(run.decay * path.kept),
        "step": path.kept.tolist(),
        "loss": plain(path.loss[path.kept]),
        "norm2": plain(path.norm2[path.kept]),
        "effective_learning_rate": plain(rates[path.kept]),
        "lambda1": plain(visited.sharpness),
        "lambda2": plain(visited.second),
        "lambda1_iterate": plain(_iterate_sharpness(setting, raw)),
        "x": plain(visited.x),
        "D": plain(visited.D),
        "coordinate": plain(read(coordinate, setting, visited.zeta)),
        "flow_coordinate": plain(read(coordinate, setting, expected)),
        "distance": plain(lengths(raw - expected)),
        "distance_projected": plain(lengths(visited.zeta - expected)),
        "predicted": predicted,
        "measured": measured,
    }


def _at_edge(
    path: Trajectory, visited: Visited, rates: np.ndarray, run: Run, events: list[Event]
) -> AtEdge:
    """From the first step, where the start was prepared there; an event elsewhere."""
    if run.prepared:
        return AtEdge(0, 0)
    event = edge_reached(path, visited, rates, run.decay)
    if event is None:
        return AtEdge(None, 0)
    events.append(event)
    return AtEdge(event.step, int(np.searchsorted(path.kept, event.step, side="right")) - 1)


def _flow(
    setting: Setting, visited: Visited, edge: AtEdge, run: Run, events: list[Event]
) -> list[Flow]:
    """The pieces of the flow from the edge on, none where there is none; an event ends each."""
    length = run.decay * (run.steps - (edge.step or 0))
    if edge.step is None or length <= 0:
        return []
    start, offset = setting.zeta if run.prepared else visited.zeta[edge.first], edge.step
    try:
        pieces = _pieces(setting, start, length)
    except OutOfRegime:
        events.append(Event("crossing", run.decay * offset, offset, 1.0))
        return []
    end = run.decay * offset
    for piece in pieces:
        end += piece.end
        if piece.crossing is not None and piece.ratio is not None:
            step = round(end / run.decay)
            events.append(Event("crossing of the flow", end, step, piece.ratio))
    return pieces


def _pieces(setting: Setting, start: np.ndarray, length: float) -> list[Flow]:
    """The flow up to a crossing, and beyond where the eigenvectors are known and uncoupled."""
    forms = setting.closed
    if not isinstance(forms, QuadraticForms) or len(forms.forms) == 1:
        return [replace(setting, zeta=start).integrated(length)]
    alone = integrate(forms.retract, forms.top, forms.grad_log, start, length, gap=0.0)
    if alone.crossing is None or alone.end >= length:
        return [alone]
    together = integrate(
        forms.retract,
        forms.top,
        forms.grad_log,
        alone.at(alone.end),
        length - alone.end,
        active=2,
    )
    return [alone, together]


def _along(pieces: list[Flow], tau: np.ndarray, begin: float, size: int) -> np.ndarray:
    """The flow at these times, (K, n), NaN where there is none."""
    expected, slack = np.full((len(tau), size), np.nan), 1e-15
    for piece in pieces:
        inside = (tau >= begin - slack) & (tau <= begin + piece.end + slack)
        if inside.any():
            expected[inside] = piece.at(np.clip(tau[inside] - begin, 0.0, piece.end))
        begin += piece.end
    return expected


def _edges(setting: Setting, visited: Visited, edge: AtEdge, before: np.ndarray) -> dict[int, Edge]:
    """The next-order theory at some points kept, from the edge on, before a crossing."""
    if edge.step is None:
        return {}
    at = np.flatnonzero(visited.known & before)
    at = at[at >= edge.first]
    if not len(at):
        return {}
    chosen = at[np.linspace(0, len(at) - 1, min(SAMPLES, len(at))).round().astype(int)]
    return {int(one): setting.edge(visited.zeta[one]) for one in chosen}


def _compare(
    setting: Setting,
    path: Trajectory,
    visited: Visited,
    edges: dict[int, Edge],
    edge: AtEdge,
    run: Run,
    crossed: float,
    events: list[Event],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What theory predicts, null where it does not hold, and what the run shows."""
    predicted: dict[str, Any] = dict.fromkeys(NAMES)
    measured: dict[str, Any] = dict.fromkeys(NAMES)
    kinds = {event.kind for event in events}
    rate = rates_of_pairs(path, run.eta, run.decay)
    if not run.prepared and visited.known[0]:
        predicted["time_to_edge"] = float(time_to_edge(rate[0], visited.sharpness[0]))
        if edge.step is not None:
            measured["time_to_edge"] = run.decay * edge.step
    if edge.step is None or not edges:
        return predicted, measured
    last = int(min(run.steps, crossed / run.decay))
    window = whole_periods(edge.step, last, run.decay)
    if "growth rate" not in kinds:
        predicted["period"] = float(slow_period(run.decay))
    if window is None:
        return predicted, measured
    inside = visited.known & (path.kept >= window.start) & (path.kept < window.stop)
    within = [one for at, one in edges.items() if inside[at]]
    if within and "averages" not in kinds:
        means = predicted_means(within, run.eta, run.decay)
        predicted |= {"x2": means["amplitude"], "hover": means["hover"]}
    measured["x2"] = float(np.mean(path.amplitude[window] ** 2))
    if inside.any():
        measured["hover"] = float(np.mean(rate[inside] * visited.sharpness[inside] - EDGE))
    if "growth rate" not in kinds:
        predicted["growth_rate"] = float(np.mean([one.growth_rate for one in edges.values()]))
    if run.prepared and not run.noise:
        found = second_run(setting, path, run.eta, run.decay, last)
        measured["period"] = found.period
        if found.growth is not None:
            measured["growth_rate"] = found.growth / run.decay
    return predicted, measured


def _iterate_sharpness(setting: Setting, raw: np.ndarray) -> np.ndarray:
    return np.array([minimizers.iterate_sharpness(setting.loss, one)[0] for one in raw])


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers for JSON: None where there is none."""
    return [float(one) if np.isfinite(one) else None for one in values]
