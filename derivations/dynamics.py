r"""Gradient descent with weight decay beside the flow of sharpness reduction.

A ``Setting`` is a loss with the manifold of its minimizers and, where there is one, its closed
form. ``start_at_edge`` prepares weights at the edge of stability, ``distances`` compares a run
with the flow: the sum of two successive directions, put back on the manifold, against the flow at
time :math:`\varepsilon t`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from numerics import minimizers
from numerics.losses import Loss
from numerics.orders import Order, judge, order
from numerics.verdict import Verdict
from numerics.weight_decay import Trajectory, descend
from theory.errors import OutOfRegime
from theory.scale_invariance import check_decay, norm2_at
from theory.sharpness_flow import Edge, Flow, centre, cubic_coefficient, integrate, slow_period

Solution = Callable[[np.ndarray, Any], np.ndarray]

MARKS = 24
"""Times at which a run is compared with the flow, in each slow period at least."""

NEARBY = 0.05
"""Spread, in each weight of the unit vector, of the starts that an order is judged from."""

BEND = 1e-3
"""Step along the manifold over which the slope of D is taken, to the fourth order.

Where the gradient is shorter than that, its second-order term counts as 0."""


class ClosedForm(Protocol):
    """What theory knows of a loss, without a network."""

    def edge(self, zeta: np.ndarray) -> Edge: ...

    def solution(self, start: np.ndarray, tau: Any) -> np.ndarray: ...


@dataclass(frozen=True)
class Setting:
    """A loss, a minimizer (n,) where the flow starts, and the closed form, if there is one.

    ``rtol`` is the tolerance with which the flow is integrated.
    """

    loss: Loss
    zeta: np.ndarray
    closed: ClosedForm | None = None
    rtol: float = 1e-11

    def retract(self, z: np.ndarray) -> np.ndarray:
        return minimizers.project(self.loss, z)

    def top(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return minimizers.spectrum(self.loss, zeta)

    def grad_log(self, zeta: np.ndarray, i: int) -> np.ndarray:
        return minimizers.slope_of_log_sharpness(self.loss, zeta, i)

    def edge(self, zeta: np.ndarray) -> Edge:
        """The edge over a minimizer: in closed form where there is one, else from derivatives."""
        edge = self._measured_edge(zeta) if self.closed is None else self.closed.edge(zeta)
        if edge.c is not None:
            return edge
        jets = minimizers.jets(self.loss, zeta)
        c = cubic_coefficient(edge.sharpness, jets.fourth, jets.thirds, jets.curvatures)
        return replace(edge, c=float(c))

    def _measured_edge(self, zeta: np.ndarray) -> Edge:
        g = self.grad_log(zeta, 0)
        D = float(g @ g)
        length = D**0.5
        if length < BEND:
            return Edge(float(self.top(zeta)[0][0]), D, 0.0, None)
        ahead = [self._slope2(zeta + k * BEND / length * g) for k in (-2, -1, 1, 2)]
        Q = length * float(np.dot(ahead, [1, -8, 8, -1]) / (12 * BEND)) / 2
        return Edge(float(self.top(zeta)[0][0]), D, Q, None)

    def _slope2(self, z: np.ndarray) -> float:
        g = self.grad_log(self.retract(z), 0)
        return float(g @ g)

    def integrated(self, time: float) -> Flow:
        """The flow from the start, from the loss's own derivatives."""
        return integrate(self.retract, self.top, self.grad_log, self.zeta, time, rtol=self.rtol)

    @cached_property
    def solution(self) -> Solution | None:
        return None if self.closed is None else self.closed.solution


def start_at_edge(
    setting: Setting, eta: float, decay: float, stretch: float = 1.0, hover: bool = True
) -> np.ndarray:
    r"""Weights (n,) at the edge of stability over the setting's minimizer.

    .. math:: \theta = \cos(x)\,\zeta + \sin(x)\, v_1 + \text{centre}, \qquad x = \text{stretch}
              \sqrt{2\varepsilon/(4 + D)}, \qquad |w|^2 = \frac{\eta}{(1-\varepsilon)\tilde\eta}

    with :math:`\tilde\eta\lambda_1 = 2 + u`, u the hover offset. Without ``hover`` u and the
    centre of the oscillation are 0: its own order is then that of an unprepared start.
    """
    check_decay(decay)
    edge = setting.edge(setting.zeta)
    x = stretch * edge.amplitude2(decay) ** 0.5
    vectors = setting.top(setting.zeta)[1]
    theta = np.cos(x) * setting.zeta + np.sin(x) * vectors[0]
    rate = 2 / edge.sharpness
    if hover:
        rate = edge.rate(decay)
        jets = minimizers.jets(setting.loss, setting.zeta)
        theta = theta + centre(x**2, jets.thirds, jets.curvatures) @ vectors[: len(jets.thirds)]
    return minimizers.unit(theta) * norm2_at(eta, decay, rate) ** 0.5


def directions(pairs: np.ndarray) -> np.ndarray:
    """Sums of successive directions (K, n), of length 1."""
    units = minimizers.unit(pairs)
    return minimizers.unit(units[:, 0] + units[:, 1])


class Comparison(NamedTuple):
    """Distances (K,) from the flow at its times: of the projected iterate, and of the raw one."""

    tau: np.ndarray
    projected: np.ndarray
    raw: np.ndarray
    path: float


def compare(
    setting: Setting, run: Trajectory, decay: float, flow: Callable[[np.ndarray], np.ndarray]
) -> Comparison:
    """A run against ``flow(tau)`` at the steps of its pairs; the pair's middle is at t + 1/2."""
    tau = decay * (run.kept + 0.5)
    expected = flow(tau)
    on = setting.retract(directions(run.pairs))
    raw = minimizers.unit(run.pairs[:, 0]) - expected
    path = float(np.sqrt((np.diff(expected, axis=0) ** 2).sum(axis=-1)).sum())
    return Comparison(tau, _lengths(on - expected), _lengths(raw), path)


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.sqrt((rows**2).sum(axis=-1))


def stride(decay: float) -> int:
    """Steps between two comparisons, so that the slow oscillation is resolved."""
    return max(1, int(slow_period(decay) / MARKS))


class JudgedOrder(NamedTuple):
    """The verdict on an order, with the worst distance of all starts at each product of rates."""

    verdict: Verdict
    found: Order
    predicted: float
    decays: tuple[float, ...]
    distances: tuple[float, ...]
    path: float
    starts: int

    def to_json(self, id: str, problem: str) -> dict[str, Any]:
        """A row with the keys of the other verdicts; those that have no meaning here are null."""
        from derivations.evidence import Judged

        row: dict[str, Any] = dict.fromkeys(Judged.__dataclass_fields__)
        return row | {
            "id": id,
            "network": problem,
            "quantity": "order",
            "verdict": str(self.verdict),
            "measured": self.found.p,
            "standard_error": self.found.error,
            "predicted": self.predicted,
            "widths": list(self.decays),
            "seeds": self.starts,
        }


def judge_order(
    settings: Sequence[Setting],
    decays: Sequence[float],
    time: float,
    *,
    predicted: float = 1.0,
    stretch: float = 1.0,
    eta: float = 0.5,
    flow: Solution | None = None,
) -> JudgedOrder:
    """The order with which runs from several starts of one problem approach the flow over a time.

    ``predicted`` is 1 for the prepared start and 1/2 for another ``stretch``; ``flow(start, tau)``
    replaces the setting's own solution.
    """
    solutions = [_solution(setting, time, flow) for setting in settings]
    worst, paths = [], []
    for decay in decays:
        found = []
        for setting, solution in zip(settings, solutions, strict=True):
            start = start_at_edge(setting, eta, decay, stretch, hover=stretch == 1)
            steps = int(time / decay)
            run = descend(setting.loss, start, eta, decay, steps, every=stride(decay))
            found.append(compare(setting, run, decay, solution))
        worst.append(max(float(one.projected.max()) for one in found))
        paths.append(min(one.path for one in found))
    fitted = order(decays, worst)
    return JudgedOrder(
        judge(fitted, predicted, worst, paths[-1]),
        fitted,
        predicted,
        tuple(decays),
        tuple(worst),
        paths[-1],
        len(settings),
    )


def starts_near(setting: Setting, count: int, seed: int) -> list[Setting]:
    """The setting and others whose minimizers are near, at random."""
    rng = np.random.default_rng(seed)
    moved = setting.zeta + NEARBY * rng.standard_normal((count - 1, setting.loss.size))
    return [setting, *(replace(setting, zeta=one) for one in setting.retract(moved))]


def _solution(
    setting: Setting, time: float, flow: Solution | None
) -> Callable[[np.ndarray], np.ndarray]:
    flow = setting.solution if flow is None else flow
    if flow is None:
        found = setting.integrated(time)
        if found.crossing is not None:
            raise OutOfRegime(
                f"the second eigenvalue reaches the first at time {found.crossing:.6g}, before the "
                f"end {time:g} of the runs; judge over a shorter time"
            )
        return found.at
    known = flow
    return lambda tau: known(setting.zeta, tau)
