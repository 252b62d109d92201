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
from numerics.orders import RATIO, Order, judge, order
from numerics.verdict import Verdict
from numerics.weight_decay import Trajectory, descend
from theory.errors import OutOfRegime
from theory.scale_invariance import check_decay, norm2_at
from theory.sharpness_flow import Edge, Flow, centre, cubic_coefficient, integrate, slow_period

Solution = Callable[[np.ndarray, Any], np.ndarray]

BLOCK = 2**22
"""Numbers in the Jacobians that are held at once."""

MARKS = 24
"""Times at which a run is compared with the flow, in each slow period at least."""

NEARBY = 0.05
"""Spread, in each weight of the unit vector, of the starts that an order is judged from."""

USUAL, SMALL = 5e-4, 0.1
"""Product of rates of a run where nothing else is said, and the abs(c) eps that it stays below."""

STILL = 1e-9
"""Length below which a flow stands still: a hundred times its tolerance where it is integrated."""

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
        """The nearest minimizers, as many rows at once as their Jacobians fit into a block."""
        rows = z.reshape(-1, self.loss.size)
        blocks = np.array_split(rows, -(-rows.size * self.loss.samples // BLOCK))
        found = [minimizers.project(self.loss, one) for one in blocks]
        return np.concatenate(found).reshape(z.shape)

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
    """Sums of successive directions (K, ..., n), of length 1."""
    units = minimizers.unit(pairs)
    return minimizers.unit(units[:, 0] + units[:, 1])


class Comparison(NamedTuple):
    """Distances (K, ...) from the flow at its times (K,): of the projected iterate, the raw one.

    ``path`` (...) is the length of the flow.
    """

    tau: np.ndarray
    projected: np.ndarray
    raw: np.ndarray
    path: np.ndarray


def compare(
    setting: Setting, run: Trajectory, decay: float, flow: Callable[[np.ndarray], np.ndarray]
) -> Comparison:
    """A run against ``flow(tau)`` at the steps of its pairs; the pair's middle is at t + 1/2."""
    tau = decay * (run.kept + 0.5)
    expected = flow(tau)
    on = setting.retract(directions(run.pairs))
    raw = minimizers.unit(run.pairs[:, 0]) - expected
    return Comparison(tau, lengths(on - expected), lengths(raw), _path(expected))


def _path(points: np.ndarray) -> np.ndarray:
    """Lengths (...) of ways through points (K, ..., n)."""
    return lengths(np.diff(points, axis=0)).sum(axis=0)


def lengths(rows: np.ndarray) -> np.ndarray:
    """Lengths (...) of rows (..., n)."""
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
    """The order with which runs from several starts on one loss approach the flow over a time.

    ``predicted`` is 1 for the prepared start and 1/2 for another ``stretch``; ``flow(start, tau)``
    replaces the setting's own solution. ``OutOfRegime`` for a flow that stands still, or crosses.
    """
    loss = settings[0].loss
    solutions = [_solution(setting, time, flow) for setting in settings]

    def together(tau: np.ndarray) -> np.ndarray:
        return np.stack([solution(tau) for solution in solutions], axis=1)

    shortest = float(_path(together(np.linspace(0, time, MARKS + 1))).min())
    if shortest < STILL:
        raise OutOfRegime(
            f"the flow stands still, its length over a time {time:g} is {shortest:.2g}: there is "
            "no order; fisherfield check sharpness-solutions judges that runs do not drift"
        )
    worst = []
    for decay in decays:
        starts = [start_at_edge(one, eta, decay, stretch, hover=stretch == 1) for one in settings]
        run = descend(loss, np.array(starts), eta, decay, int(time / decay), every=stride(decay))
        found = compare(settings[0], run, decay, together)
        worst.append(float(found.projected.max()))
    return judged(decays, worst, float(found.path.min()), predicted, len(settings))


def judged(
    decays: Sequence[float], worst: Sequence[float], path: float, predicted: float, starts: int
) -> JudgedOrder:
    """The verdict on the worst distances of several starts from a flow of this length."""
    found = order(decays, worst)
    verdict = judge(found, predicted, worst, path)
    return JudgedOrder(verdict, found, predicted, tuple(decays), tuple(worst), path, starts)


def usual_decay(setting: Setting) -> float:
    r"""The largest of 5e-4, its fourth, ... at which :math:`|c|\,\varepsilon` is 0.1 at most."""
    bend, decay = abs(setting.edge(setting.zeta).c or 0.0), USUAL
    while bend * decay > SMALL:
        decay /= RATIO
    return decay


def ladder(decay: float) -> list[float]:
    """The products of rates from which an order is judged: four times this one, down to a 64th."""
    return [decay * RATIO ** (1.0 - k) for k in range(5)]


def starts_near(setting: Setting, count: int, seed: int) -> list[Setting]:
    """The setting and others whose minimizers are near, at random."""
    rng = np.random.default_rng(seed)
    moved = setting.zeta + NEARBY * rng.standard_normal((count - 1, setting.loss.size))
    return [setting, *(replace(setting, zeta=minimizers.reach(setting.loss, w)) for w in moved)]


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
