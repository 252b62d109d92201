r"""Means over whole slow periods of a run at the edge of stability, beside those of theory.

Over fewer than a whole period :math:`2\pi/\sqrt{8\varepsilon}` the oscillation does not cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from derivations.dynamics import Setting, directions, start_at_edge, stride
from numerics.orders import Response, response
from numerics.weight_decay import Trajectory, descend
from theory.errors import OutOfRegime
from theory.scale_invariance import effective_learning_rate
from theory.sharpness_flow import Edge, slow_period

EDGE = 2.0

SAMPLES = 48
"""Points of a run at which the theory is evaluated."""

STRETCH = 1.1
"""The slow oscillation is read off a second run that starts with its amplitude times this."""

NUDGE = 1.001
"""As the stretch, for the growth: it is that of a small oscillation, up to the square of this."""

GROWTH_BELOW = 1.0
"""Growth rate and period of the slow oscillation are known for abs(c) sqrt(eps) up to this."""


@dataclass(frozen=True)
class Means:
    """Measured over predicted, and the predicted value, by the name of the quantity."""

    ratio: dict[str, float]
    predicted: dict[str, float]


def whole_periods(first: int, last: int, decay: float) -> slice | None:
    """The last whole slow periods of these steps, None where there is not one."""
    period = slow_period(decay)
    count = int((last - first) / period)
    return slice(last - round(count * period), last) if count else None


def rates_of_pairs(run: Trajectory, eta: float, decay: float) -> np.ndarray:
    """The effective learning rate (K,) at each pair, the geometric mean of its two steps."""
    rates = effective_learning_rate(eta, decay, run.norm2)
    return np.sqrt(rates[run.kept] * rates[run.kept + 1])


def second_run(
    setting: Setting,
    run: Trajectory,
    eta: float,
    decay: float,
    last: int,
    stretch: float = STRETCH,
) -> Response:
    """Period and growth per step of the slow oscillation, up to a step."""
    moved = start_at_edge(setting, eta, decay, stretch)
    steps = len(run.amplitude)
    other = descend(setting.loss, moved, eta, decay, steps, every=steps)
    return response(run.amplitude[:last], other.amplitude[:last])


def predicted_means(edges: Sequence[Edge], eta: float, decay: float) -> dict[str, float]:
    """What theory expects over these points of the manifold."""
    return {
        "amplitude": float(np.mean([edge.amplitude2(decay) for edge in edges])),
        "hover": float(np.mean([edge.hover(decay) for edge in edges])),
        "loss": float(np.mean([edge.loss(decay) for edge in edges])),
        "norm": float(np.mean([edge.norm2(eta) for edge in edges])),
    }


def means(setting: Setting, eta: float, decay: float, time: float) -> Means:
    r"""A prepared run over a time: its means over predicted ones.

    "amplitude" is :math:`x^2`, "hover" :math:`\tilde\eta\lambda_1 - 2`, "loss", "norm"
    :math:`|w|^2`, "period" that of the slow oscillation, in steps. Raises ``OutOfRegime`` where
    the averages do not hold, or the run is shorter than a slow period or shows no oscillation.
    """
    run = _prepared(setting, eta, decay, time)
    window = whole_periods(0, len(run.amplitude), decay)
    if window is None:
        raise OutOfRegime(
            f"means at the edge need a slow period of {slow_period(decay):.0f} steps, "
            f"{len(run.amplitude)} asked for; use a longer time"
        )
    inside = run.kept >= window.start
    on = setting.retract(directions(run.pairs[inside]))
    edges = [setting.edge(one) for one in on[_spread(len(on))]]
    for edge in edges:
        edge.check(decay)
    u = rates_of_pairs(run, eta, decay)[inside] * setting.top(on)[0][:, 0] - EDGE
    slow = second_run(setting, run, eta, decay, len(run.amplitude))
    if slow.period is None:
        raise OutOfRegime("the slow oscillation was not resolved; use a longer time")
    found = {
        "amplitude": float(np.mean(run.amplitude[window] ** 2)),
        "hover": float(np.mean(u)),
        "loss": float(np.mean(run.loss[window])),
        "norm": float(np.mean(run.norm2[window])),
        "period": slow.period,
    }
    predicted = predicted_means(edges, eta, decay) | {"period": float(slow_period(decay))}
    return Means({name: found[name] / one for name, one in predicted.items()}, predicted)


def growth(setting: Setting, eta: float, decay: float, time: float) -> Means:
    r"""Growth of the slow oscillation per unit of time over that of theory, "growth".

    Both between the first and the last extremum of the difference of two prepared runs. Raises
    ``OutOfRegime`` for :math:`|c|\sqrt\varepsilon` above 1, or where no oscillation is resolved.
    """
    run = _prepared(setting, eta, decay, time)
    slow = second_run(setting, run, eta, decay, len(run.amplitude), NUDGE)
    if slow.growth is None or slow.span is None:
        raise OutOfRegime("the slow oscillation was not resolved; use a longer time")
    between = (run.kept >= slow.span[0]) & (run.kept <= slow.span[1])
    on = setting.retract(directions(run.pairs[between]))
    chosen = _spread(len(on))
    edges = [setting.edge(one) for one in on[chosen]]
    steep = max(abs(edge.c or 0.0) for edge in edges) * decay**0.5
    if steep > GROWTH_BELOW:
        raise OutOfRegime(
            f"the growth of the slow oscillation needs |c| sqrt(eps) <= {GROWTH_BELOW:g}, but it "
            f"is {steep:.3g}; use a smaller product of learning rate and weight decay"
        )
    steps = run.kept[between][chosen]
    rates = np.array([edge.growth_rate for edge in edges], float)
    predicted = float(np.trapezoid(rates, steps) / (steps[-1] - steps[0]))
    return Means({"growth": slow.growth / decay / predicted}, {"growth": predicted})


def _prepared(setting: Setting, eta: float, decay: float, time: float) -> Trajectory:
    start, steps = start_at_edge(setting, eta, decay), int(time / decay)
    return descend(setting.loss, start, eta, decay, steps, every=stride(decay))


def _spread(count: int) -> np.ndarray:
    """Some of so many points, evenly spread."""
    return np.linspace(0, count - 1, min(SAMPLES, count)).round().astype(int)
