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


def second_run(setting: Setting, run: Trajectory, eta: float, decay: float, last: int) -> Response:
    """Period and growth per step of the slow oscillation, up to a step."""
    moved = start_at_edge(setting, eta, decay, STRETCH)
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
    run = descend(
        setting.loss,
        start_at_edge(setting, eta, decay),
        eta,
        decay,
        int(time / decay),
        every=stride(decay),
    )
    window = whole_periods(0, len(run.amplitude), decay)
    if window is None:
        raise OutOfRegime(
            f"means at the edge need a slow period of {slow_period(decay):.0f} steps, "
            f"{len(run.amplitude)} asked for; use a longer time"
        )
    inside = run.kept >= window.start
    on = setting.retract(directions(run.pairs[inside]))
    chosen = np.linspace(0, len(on) - 1, min(SAMPLES, len(on))).round().astype(int)
    edges = [setting.edge(one) for one in on[chosen]]
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
