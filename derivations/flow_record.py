r"""One run of gradient descent with weight decay beside its flow, as a record for JSON.

What is measured comes from the run, what is predicted from theory at the points that the run
visited. Where the run leaves the regime of the theory, an event says when, and the run is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derivations.dynamics import Setting, directions, start_at_edge
from numerics import minimizers
from numerics.orders import response
from numerics.weight_decay import Trajectory, descend
from theory.errors import DescriptionError, OutOfRegime
from theory.scale_invariance import effective_learning_rate, time_to_edge
from theory.sharpness_flow import AVERAGES_BELOW, CROSSING, Edge, Flow, integrate, slow_period

STRETCH = 1.1
"""The slow oscillation is read off a second run that starts with its amplitude times this."""

SAMPLES = 12
"""Points of the run at which the next-order theory is evaluated."""

EDGE = 2.0


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
class Visited:
    """The manifold along the run: projections (K, n) and what is there, NaN where there is none."""

    zeta: np.ndarray
    sharpness: np.ndarray
    second: np.ndarray
    x: np.ndarray
    D: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return np.isfinite(self.sharpness)


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
    visited = _visit(setting, path)
    rates = effective_learning_rate(run.eta, run.decay, path.norm2)
    rate = np.sqrt(rates[path.kept] * rates[path.kept + 1])
    events: list[dict[str, Any]] = []
    edge = _edge_reached(path, visited, rates, run, events)
    first = None if edge is None else int(np.searchsorted(path.kept, edge, side="right")) - 1
    _look_for_trouble(path, visited, run, events)
    flow = _flow(setting, visited, first, edge, run)
    tau = run.decay * (path.kept + 0.5)
    expected, events_of_flow = flow(tau)
    events += events_of_flow
    crossed = min((e["tau"] for e in events if "crossing" in e["kind"]), default=np.inf)
    edges = _edges(setting, visited, first, tau < crossed)
    if edges and max(abs(edge.c or 0) for edge in edges) * run.decay > AVERAGES_BELOW:
        worst = max(abs(edge.c or 0) for edge in edges) * run.decay
        events.append(_event("averages", float(tau[first or 0]), run, worst))
    raw = minimizers.unit(path.pairs[:, 0])
    predicted, measured = _compare(setting, path, visited, rate, edges, edge, run, crossed)
    lengths = np.sqrt(((visited.zeta - expected) ** 2).sum(axis=-1))
    read = coordinate or _log_sharpness
    return {
        "steps": run.steps,
        "regime": _regime(events, first),
        "events": sorted(events, key=lambda event: event["tau"]),
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
        "coordinate": plain(_read(read, setting, visited.zeta)),
        "flow_coordinate": plain(_read(read, setting, expected)),
        "distance": plain(np.sqrt(((raw - expected) ** 2).sum(axis=-1))),
        "distance_projected": plain(lengths),
        "predicted": predicted,
        "measured": measured,
    }


def _event(kind: str, tau: float, run: Run, value: float) -> dict[str, Any]:
    return {"kind": kind, "tau": tau, "step": round(tau / run.decay), "value": float(value)}


def _visit(setting: Setting, path: Trajectory) -> Visited:
    middle = directions(path.pairs)
    zeta = _projected(setting, middle)
    known = np.isfinite(zeta).all(axis=-1)
    sharpness, second, x, D = (np.full(len(middle), np.nan) for _ in range(4))
    v = None
    for at in np.flatnonzero(known):
        values, vectors = setting.top(zeta[at])
        v = vectors[0] if v is None or vectors[0] @ v >= 0 else -vectors[0]
        sharpness[at] = values[0]
        second[at] = values[1] if len(values) > 1 else 0.0
        theta = minimizers.unit(path.pairs[at, 0])
        x[at] = np.arctan2(theta @ v, theta @ zeta[at])
        g = setting.grad_log(zeta[at], 0)
        D[at] = g @ g
    return Visited(zeta, sharpness, second, x, D)


def _projected(setting: Setting, rows: np.ndarray) -> np.ndarray:
    """Points of the manifold, NaN where Gauss-Newton finds none."""
    try:
        return setting.retract(rows)
    except DescriptionError:
        pass
    found = np.full(rows.shape, np.nan)
    for at, row in enumerate(rows):
        try:
            found[at] = setting.retract(row)
        except DescriptionError:
            continue
    return found


def _edge_reached(
    path: Trajectory,
    visited: Visited,
    rates: np.ndarray,
    run: Run,
    events: list[dict[str, Any]],
) -> int | None:
    """The step at which the edge is reached: 0, where the start was prepared there.

    The sharpness of each step is that of the last projection: before the edge it stays.
    """
    if run.prepared:
        return 0
    steps = np.arange(run.steps)
    sharpness = visited.sharpness[np.searchsorted(path.kept, steps, side="right") - 1]
    with np.errstate(invalid="ignore"):
        above = np.flatnonzero(rates[:-1] * sharpness >= EDGE)
    if not len(above):
        return None
    at = int(above[0])
    events.append(_event("edge", run.decay * at, run, rates[at] * sharpness[at]))
    return at


def _look_for_trouble(
    path: Trajectory, visited: Visited, run: Run, events: list[dict[str, Any]]
) -> None:
    lost = np.flatnonzero(path.loss == 0)
    if len(lost):
        events.append(_event("underflow", run.decay * float(lost[0]), run, 0.0))
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(visited.second >= (1 - CROSSING) * visited.sharpness)
    if len(near):
        at = near[0]
        ratio = visited.second[at] / visited.sharpness[at]
        events.append(_event("crossing", run.decay * float(path.kept[at]), run, ratio))


def _flow(
    setting: Setting, visited: Visited, first: int | None, edge: int | None, run: Run
) -> Callable[[np.ndarray], tuple[np.ndarray, list[dict[str, Any]]]]:
    """The flow at given times, NaN where there is none, with the event that ends it."""

    def nothing(tau: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
        return np.full((len(tau), setting.loss.size), np.nan), []

    if first is None or edge is None:
        return nothing
    begin = run.decay * edge
    start = setting.zeta if run.prepared else visited.zeta[first]

    def known(tau: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
        expected, _ = nothing(tau)
        length = float(tau[-1]) - begin
        if length <= 0:
            return expected, []
        try:
            pieces = _pieces(setting, start, length)
        except OutOfRegime:
            return expected, [_event("crossing", begin, run, 1.0)]
        offset, events = begin, []
        for piece in pieces:
            inside = (tau >= offset - 1e-15) & (tau <= offset + piece.end + 1e-15)
            if inside.any():
                expected[inside] = piece.at(np.clip(tau[inside] - offset, 0.0, piece.end))
            offset += piece.end
            if piece.crossing is not None and piece.ratio is not None:
                events.append(_event("crossing of the flow", offset, run, piece.ratio))
        return expected, events

    return known


def _pieces(setting: Setting, start: np.ndarray, length: float) -> list[Flow]:
    """The flow up to a crossing, and beyond where the eigenvectors are known and uncoupled."""
    from theory.sharpness_problems import QuadraticForms

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


def _edges(setting: Setting, visited: Visited, first: int | None, before: np.ndarray) -> list[Edge]:
    """The next-order theory at some points of the run, from the edge on, before a crossing."""
    if first is None:
        return []
    at = np.flatnonzero(visited.known & before)
    at = at[at >= first]
    if not len(at):
        return []
    chosen = at[np.linspace(0, len(at) - 1, min(SAMPLES, len(at))).round().astype(int)]
    return [setting.edge(visited.zeta[one]) for one in chosen]


def _compare(
    setting: Setting,
    path: Trajectory,
    visited: Visited,
    rate: np.ndarray,
    edges: list[Edge],
    edge: int | None,
    run: Run,
    crossed: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = ("x2", "hover", "period", "growth_rate", "time_to_edge")
    predicted: dict[str, Any] = dict.fromkeys(names)
    measured: dict[str, Any] = dict.fromkeys(names)
    if not run.prepared and visited.known[0]:
        predicted["time_to_edge"] = float(time_to_edge(rate[0], visited.sharpness[0]))
        if edge is not None:
            measured["time_to_edge"] = run.decay * edge
    if edge is None or not edges:
        return predicted, measured
    window = _whole_periods(edge, int(min(run.steps, crossed / run.decay)), run)
    predicted["period"] = float(slow_period(run.decay))
    if window is None:
        return predicted, measured
    inside = visited.known & (path.kept >= window.start) & (path.kept < window.stop)
    if inside.any():
        D = visited.D[inside]
        predicted["x2"] = float(np.mean([Edge(1.0, d, 0.0, None).amplitude2(run.decay) for d in D]))
        measured["x2"] = float(np.mean(path.amplitude[window] ** 2))
        measured["hover"] = float(np.mean(rate[inside] * visited.sharpness[inside] - EDGE))
        predicted["hover"] = float(np.mean([edge.hover(run.decay) for edge in edges]))
    if max(abs(edge.c or 0) for edge in edges) * run.decay**0.5 <= 1:
        predicted["growth_rate"] = float(np.mean([edge.growth_rate for edge in edges]))
    if run.prepared and not run.noise:
        moved = start_at_edge(setting, run.eta, run.decay, STRETCH)
        other = descend(setting.loss, moved, run.eta, run.decay, run.steps, every=run.steps)
        last = int(min(run.steps, crossed / run.decay))
        found = response(path.amplitude[:last], other.amplitude[:last])
        measured["period"] = found.period
        if found.growth is not None:
            measured["growth_rate"] = found.growth / run.decay
    return predicted, measured


def _whole_periods(first: int, last: int, run: Run) -> slice | None:
    """The last whole slow periods of the steps from the edge on."""
    period = slow_period(run.decay)
    count = int((last - first) / period)
    return slice(last - round(count * period), last) if count else None


def _iterate_sharpness(setting: Setting, raw: np.ndarray) -> np.ndarray:
    return np.array([minimizers.iterate_sharpness(setting.loss, one)[0] for one in raw])


def _log_sharpness(setting: Setting, zeta: np.ndarray) -> np.ndarray:
    return np.log(np.array([setting.top(one)[0][0] for one in zeta]))


def _read(
    read: Callable[[Setting, np.ndarray], np.ndarray], setting: Setting, zeta: np.ndarray
) -> np.ndarray:
    found = np.full(len(zeta), np.nan)
    known = np.isfinite(zeta).all(axis=-1)
    if known.any():
        found[known] = read(setting, zeta[known])
    return found


def _regime(events: list[dict[str, Any]], first: int | None) -> str:
    kinds = {event["kind"] for event in events}
    for kind, text in (
        ("underflow", "underflow"),
        ("crossing", "crossing"),
        ("crossing of the flow", "crossing"),
        ("averages", "averages"),
    ):
        if kind in kinds:
            return text
    return "stable" if first is None else "edge of stability"


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers for JSON: None where there is none."""
    return [float(one) if np.isfinite(one) else None for one in values]
