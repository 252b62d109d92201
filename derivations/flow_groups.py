r"""Two scale-invariant groups with rates of their own, beside the flow of their angles.

The state is :math:`(s_A, s_B, \log\rho)`: the angles of the two arcs and the logarithm of
:math:`\rho = \tilde\eta_B/\tilde\eta_A`. Time is :math:`\varepsilon_A t`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from derivations.dynamics import JudgedOrder, judged, lengths, stride
from derivations.edge_means import EDGE
from derivations.flow_events import beyond_theory, regime
from derivations.flow_record import plain
from numerics import losses, minimizers
from numerics.weight_decay import Trajectory, check_scale_invariance, descend
from theory.scale_invariance import effective_learning_rate, norm2_at
from theory.sharpness_flow import slow_period
from theory.sharpness_problems import QuadraticForms, TwoGroups

SIZES = [3, 2]


@dataclass(frozen=True)
class Rates:
    """Learning rates and their products with the weight decays, each (2,), for groups A and B."""

    eta: np.ndarray
    decay: np.ndarray


def start(problem: TwoGroups, state: np.ndarray, rates: Rates) -> np.ndarray:
    r"""Weights (5,) at the edge, with the mean amplitude in group A.

    .. math:: \tilde\eta_A\, q_A q_B = 2, \qquad \tilde\eta_B = \rho\, \tilde\eta_A
    """
    x = problem.amplitude2(state, float(rates.decay[0])) ** 0.5
    s_A, s_B, log_rho = state
    effective = EDGE / float(problem.sharpness(state)) * np.array([1.0, np.exp(log_rho)])
    lengths = np.sqrt(norm2_at(rates.eta, rates.decay, effective))
    A = np.array([np.cos(x) * np.cos(s_A), np.cos(x) * np.sin(s_A), np.sin(x)])
    B = np.array([np.cos(s_B), np.sin(s_B)])
    return np.concatenate([lengths[0] * A, lengths[1] * B])


def states(pairs: np.ndarray, rates: Rates) -> np.ndarray:
    """The states (K, ..., 3) in the middle of pairs of successive weights (K, 2, ..., 5)."""
    A, B = minimizers.unit(pairs[..., :3]).sum(axis=1), minimizers.unit(pairs[..., 3:]).sum(axis=1)
    norms = np.stack([(pairs[..., :3] ** 2).sum(axis=-1), (pairs[..., 3:] ** 2).sum(axis=-1)], -1)
    log_rates = np.log(effective_learning_rate(rates.eta, rates.decay, norms)).mean(axis=1)
    return np.stack(
        [
            np.arctan2(A[..., 1], A[..., 0]),
            np.arctan2(B[..., 1], B[..., 0]),
            log_rates[..., 1] - log_rates[..., 0],
        ],
        axis=-1,
    )


def run(
    problem: TwoGroups, starts: Sequence[np.ndarray], rates: Rates, time: float, every: int
) -> tuple[Trajectory, np.ndarray, np.ndarray]:
    """Prepared runs side by side, their states (K, starts, 3) at the pairs, those of the flow."""
    loss, decay = losses.TwoGroups(problem.a, problem.b), float(rates.decay[0])
    eta, decays = np.repeat(rates.eta, SIZES), np.repeat(rates.decay, SIZES)
    check_scale_invariance(loss)
    steps = max(2, int(time / decay))
    weights = np.array([start(problem, state, rates) for state in starts])
    path = descend(loss, weights, eta, decays, steps, every=every)
    ratio, tau = float(rates.decay[1] / rates.decay[0]), decay * (path.kept + 0.5)
    flow = np.stack([problem.solution(state, tau, ratio) for state in starts], axis=1)
    return path, states(path.pairs, rates), flow


def judge_groups(
    problem: TwoGroups, starts: Sequence[np.ndarray], rates: Sequence[Rates], time: float
) -> JudgedOrder:
    """The order with which the states of runs from several starts approach their flow.

    ``rates`` are those of the runs, each a fourth of the ones before in their products.
    """
    decays = [float(one.decay[0]) for one in rates]
    worst, path = [], 0.0
    for one in rates:
        every = stride(float(one.decay[0]))
        _, found, flow = run(problem, starts, one, time, every)
        worst.append(float(lengths(found - flow).max()))
        path = float(lengths(np.diff(flow, axis=0)).sum(axis=0).min())
    return judged(decays, worst, path, 1.0, len(starts))


def record(
    problem: TwoGroups, state: np.ndarray, rates: Rates, time: float, points: int
) -> dict[str, Any]:
    """The arrays, predictions and measurements of a prepared run; norm and rate are those of A.

    Group A alone is an arc, whose cubic coefficient says where the means hold.
    """
    loss, decay = losses.TwoGroups(problem.a, problem.b), float(rates.decay[0])
    steps = max(2, int(time / decay))
    path, *both = run(problem, [state], rates, time, max(1, steps // points))
    found, expected = (rows[:, 0] for rows in both)
    ratio = float(rates.decay[1] / rates.decay[0])
    pairs = path.pairs[:, :, 0]
    first = pairs[:, 0]
    directions = np.concatenate(
        [minimizers.unit(first[:, :3]), minimizers.unit(first[:, 3:])], axis=1
    )
    norm2 = (pairs[..., :3] ** 2).sum(axis=-1)
    rate = effective_learning_rate(float(rates.eta[0]), decay, norm2)
    l_A, l_B = problem.slopes(found[:, 0], found[:, 1])
    sharpness = problem.sharpness(found)
    x = np.arcsin(directions[:, 2])
    raw = np.sqrt(((directions - _on_manifold(expected)) ** 2).sum(axis=-1))
    empty: dict[str, Any] = dict.fromkeys(("x2", "hover", "period", "growth_rate", "time_to_edge"))
    arc = QuadraticForms(np.array([[1.0, problem.a]])).edge(np.array([1.0, 0.0, 0.0]))
    events = beyond_theory([arc], 0, decay)
    kinds = {event.kind for event in events}
    mean = period = None
    if "averages" not in kinds:
        mean = float(np.mean([problem.amplitude2(one, decay) for one in found]))
    if ratio == 1 and "growth rate" not in kinds:
        period = float(slow_period(decay))
    hover = float(np.mean(np.sqrt(rate.prod(axis=1)) * sharpness - EDGE))
    return {
        "steps": steps,
        "regime": regime(events, on_edge=True, together=False),
        "events": [event._asdict() for event in events],
        "tau": plain(decay * path.kept),
        "step": path.kept.tolist(),
        "loss": plain(path.loss[path.kept, 0]),
        "norm2": plain(norm2[:, 0]),
        "effective_learning_rate": plain(rate[:, 0]),
        "lambda1": plain(sharpness),
        "lambda2": plain(np.zeros(len(found))),
        "lambda1_iterate": plain(_iterate_sharpness(loss, directions)),
        "x": plain(x),
        "D": plain(l_A**2 + np.exp(found[:, 2]) * l_B**2),
        "coordinate": plain(np.log(sharpness)),
        "flow_coordinate": plain(np.log(problem.sharpness(expected))),
        "distance": plain(raw),
        "distance_projected": plain(np.sqrt(((found - expected) ** 2).sum(axis=-1))),
        "predicted": empty | {"x2": mean, "period": period},
        "measured": empty | {"x2": float(np.mean(x**2)), "hover": hover},
    }


def _on_manifold(rows: np.ndarray) -> np.ndarray:
    s_A, s_B = rows[:, 0], rows[:, 1]
    return np.stack([np.cos(s_A), np.sin(s_A), 0 * s_A, np.cos(s_B), np.sin(s_B)], axis=-1)


def _iterate_sharpness(loss: losses.TwoGroups, directions: np.ndarray) -> np.ndarray:
    """The top eigenvalue of the Hessian of group A within its sphere."""
    found = []
    for theta in directions:
        tangent = np.eye(3) - np.outer(theta[:3], theta[:3])
        changes = np.concatenate([tangent, np.zeros((3, 2))], axis=1)
        dense = losses.hessian_product(loss, theta, changes)[:, :3] @ tangent
        found.append(np.linalg.eigvalsh((dense + dense.T) / 2)[-1])
    return np.array(found)
