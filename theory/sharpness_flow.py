r"""The edge of stability under weight decay, and the flow of sharpness reduction along it.

On the unit sphere, :math:`\Gamma` is the manifold of minimizers :math:`\zeta` of a scale-invariant
loss, :math:`\lambda_1` the simple top eigenvalue of its Hessian there with eigenvector
:math:`v_1`, :math:`g = \nabla_\Gamma \log\lambda_1` and :math:`D = |g|^2`. Time is
:math:`\tau = \varepsilon t`, :math:`\varepsilon` learning rate times weight decay. On the edge
:math:`\tilde\eta\lambda_1 = 2 + u` the iterate flips between two sides of :math:`\Gamma`, at the
angle x along :math:`v_1`, and drifts down the sharpness:

.. math:: \frac{d\zeta}{d\tau} = -\frac{2 g}{4 + D}, \qquad x^2 = \frac{2\varepsilon}{4 + D}.

``Edge`` holds this balance and its next order, ``integrate`` the flow for given callables.
Source of the flow: Lyu, Li & Arora, NeurIPS 2022; the next order and several eigenvalues are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.errors import DescriptionError, NotConverged, OutOfRegime
from theory.mathematics import Number, of
from theory.validation import check_positive

CROSSING = 1e-3
"""Relative gap of the two largest eigenvalues at which the flow of one of them stops."""

AVERAGES_BELOW = 0.2
"""The averages over the slow oscillation hold for abs(c) eps up to this."""

BRAKE = 4
r"""The norm grows by :math:`\tilde\eta^2 G = (2 x)^2` of itself a step at the edge, G the squared
gradient: it slows the rate by 4 x^2, beside the D x^2 by which the drift lowers the sharpness."""

Retract = Callable[[np.ndarray], np.ndarray]
Top = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
GradLog = Callable[[np.ndarray, int], np.ndarray]


def flow_speed(D: Number) -> Number:
    r"""The factor of -g in the flow, :math:`2/(4 + D)`.

    >>> flow_speed(0.0)
    0.5
    """
    return 2 / (BRAKE + D)


def rmsprop_amplitude2(D: Number, cost: Number, rate2: Number) -> Number:
    r"""Mean of :math:`x^2` at the edge of quasi-RMSprop: :math:`C_b \eta_r^2/(2 (2 C_b + D))`.

    .. math:: \theta' \propto \theta - \frac{\eta_r}{\sqrt v} \nabla L(\theta), \qquad
              v' = \beta v + (1 - \beta) |\nabla L(\theta)|^2, \qquad \beta = 1 - C_b \eta_r^2

    ``cost`` is :math:`C_b`, ``rate2`` :math:`\eta_r^2`. Gradient descent with weight decay has
    :math:`C_b = 2, \eta_r^2 = 2\varepsilon`, to leading order.

    >>> rmsprop_amplitude2(1.0, 2, 2 * 0.5) == Edge(1.0, 1.0, 0.0, None).amplitude2(0.5)
    True
    """
    return cost * rate2 / (2 * (2 * cost + D))


def rmsprop_speed(D: Number, cost: Number) -> Number:
    r"""The factor of -g in the flow of quasi-RMSprop: :math:`\frac{C_b}{2 (2 C_b + D)}`.

    The time is :math:`\eta_r^2` for each step; see ``rmsprop_amplitude2``.

    >>> 2 * rmsprop_speed(1.0, 2) == flow_speed(1.0)
    True
    """
    return rmsprop_amplitude2(D, cost, 1)


def log_sharpness_rate(D: Number) -> Number:
    r""":math:`d \log\lambda_1/d\tau = -2D/(4 + D)` along the flow, in (-2, 0].

    >>> log_sharpness_rate(4.0)
    -1.0
    """
    return -D * flow_speed(D)


def cubic_coefficient(
    sharpness: Number, fourth: Number, thirds: Iterable[Number], curvatures: Iterable[Number]
) -> Number:
    r"""The coefficient c of the normal form :math:`x' = -(1 + u + c x^2) x` across the manifold.

    .. math:: c = -\left( \frac83 - \frac{L_4}{3\lambda_1}
                  + \sum_a \frac{L_{3a}^2}{\lambda_1 \lambda_a} \right)

    ``fourth`` is :math:`L_4`, the fourth derivative of the loss along the great circle through
    :math:`\zeta` with direction :math:`v_1`; ``thirds`` are :math:`L_{3a}`, two derivatives along
    :math:`v_1` and one along the normal direction :math:`v_a` of curvature :math:`\lambda_a`,
    with :math:`v_1` itself among them. The 8/3 is the projection on the sphere.

    >>> cubic_coefficient(1.0, -16.0, [0.0], [1.0])
    -8.0
    """
    bends = sum(L3**2 / (sharpness * at) for L3, at in zip(thirds, curvatures, strict=True))
    return -(8 * of(sharpness).number(1) / 3 - fourth / (3 * sharpness) + bends)


def centre(x2: Number, thirds: np.ndarray, curvatures: np.ndarray) -> np.ndarray:
    r"""The point around which the iterate flips, along each :math:`v_a`; (k,).

    .. math:: n_a = -\frac{L_{3a}\, x^2}{2\lambda_a}

    >>> centre(0.5, np.array([2.0]), np.array([4.0]))
    array([-0.125])
    """
    return -thirds * x2 / (2 * curvatures)


@dataclass(frozen=True)
class Edge:
    r"""The state at the edge of stability over a point of the manifold.

    ``sharpness`` is :math:`\lambda_1`, ``Q`` is :math:`g^T \mathrm{Hess}_\Gamma(\log\lambda_1) g`,
    ``c`` the cubic coefficient, None where it is not known: then the hover offset counts as 0 and
    there is no growth rate.
    """

    sharpness: Number
    D: Number
    Q: Number
    c: Number | None

    def amplitude2(self, decay: Number) -> Number:
        r"""Mean of :math:`x^2` over the slow oscillation: :math:`2\varepsilon/(4 + D)`."""
        return decay * flow_speed(self.D)

    def hover(self, decay: Number) -> Number:
        r"""Mean of :math:`u = \tilde\eta\lambda_1 - 2`: :math:`x^2 (-c + Q/(4 + D))`."""
        if self.c is None:
            return 0 * decay
        return self.amplitude2(decay) * (-self.c + self.Q / (BRAKE + self.D))

    def rate(self, decay: Number) -> Number:
        r"""The effective learning rate :math:`(2 + u)/\lambda_1`."""
        return (2 + self.hover(decay)) / self.sharpness

    def loss(self, decay: Number) -> Number:
        r"""Mean loss to leading order, :math:`\lambda_1 x^2/2`."""
        return self.sharpness * self.amplitude2(decay) / 2

    def norm2(self, eta: Number) -> Number:
        r"""Squared norm to leading order, :math:`\eta\lambda_1/2`."""
        return eta * self.sharpness / 2

    @property
    def growth_rate(self) -> Number | None:
        r"""Growth of the slow oscillation's amplitude per unit of :math:`\tau`.

        .. math:: \frac{2c + 8 + 3D - 2Q/(4 + D)}{4 + D}
        """
        if self.c is None:
            return None
        total = BRAKE + self.D
        return (2 * self.c + 8 + 3 * self.D - 2 * self.Q / total) / total

    def check(self, decay: float) -> None:
        """``OutOfRegime`` where the averages do not hold."""
        if self.c is not None and abs(self.c) * decay > AVERAGES_BELOW:
            raise OutOfRegime(
                f"averages at the edge need |c| eps <= {AVERAGES_BELOW}, but c = {self.c:.4g} and "
                f"eps = {decay:g}; use a smaller product of learning rate and weight decay"
            )


def slow_period(decay: Number) -> Number:
    r"""Steps of one slow oscillation, :math:`2\pi/\sqrt{8\varepsilon}`, the same for every problem.

    >>> round(float(slow_period(1e-3)), 4)
    70.2481
    """
    m = of(decay)
    return 2 * m.pi / m.sqrt(8 * decay)


def multipliers(gradients: np.ndarray) -> np.ndarray:
    r""":math:`x_i^2/\varepsilon` of k eigenvalues that stay at the edge together, (k,).

    .. math:: \sum_j (4 + g_i \cdot g_j)\, X_j = 2

    for gradients (k, n) of the logarithms, with uncoupled eigenvectors. One eigenvalue:
    :math:`2/(4 + D)`. ``OutOfRegime`` where one would be negative: that eigenvalue leaves the edge.

    >>> multipliers(np.array([[2.0, 0.0]]))
    array([0.25])
    """
    weights = np.linalg.solve(BRAKE + gradients @ gradients.T, np.full(len(gradients), 2.0))
    if weights.min() < 0:
        raise OutOfRegime(
            f"eigenvalue {int(weights.argmin()) + 1} leaves the edge: its squared amplitude would "
            f"be {weights.min():.3g} eps"
        )
    return weights


@dataclass(frozen=True)
class Flow:
    """A solution of the flow: ``at(tau)`` gives (n,) or, for an array of times, (len, n).

    ``end`` is the last time; ``crossing`` that at which the second eigenvalue comes within the gap,
    or None, and ``ratio`` the second over the first there.
    """

    end: float
    crossing: float | None
    ratio: float | None
    retract: Retract
    dense: Any

    def at(self, tau: Any) -> np.ndarray:
        times = np.atleast_1d(np.asarray(tau, float))
        slack = 1e-12 * (1 + self.end)
        if times.min() < -slack or times.max() > self.end + slack:
            raise DescriptionError(
                f"the flow is known for times from 0 to {self.end:.6g}, "
                f"{times.min():.6g} to {times.max():.6g} asked for"
            )
        points = self.retract(self.dense(times).T)
        return points if np.ndim(tau) else points[0]


def integrate(
    retract: Retract,
    top: Top,
    grad_log: GradLog,
    start: np.ndarray,
    time: float,
    *,
    active: int = 1,
    gap: float | None = CROSSING,
    rtol: float = 1e-11,
) -> Flow:
    r"""The flow from a point of the manifold, over a time.

    ``retract(z)`` is the point of the manifold nearest to z, row by row, ``top(z)`` gives
    eigenvalues in descending order with their vectors, ``grad_log(z, i)`` the gradient of the
    logarithm of the i-th along the manifold. The first ``active`` eigenvalues stay at the edge.
    The flow ends where the next one comes within ``gap`` of the first; ``None`` looks at none.
    Where the callables know the eigenvalues by name instead of by size, a gap of 0 finds the
    crossing itself.

    ``DescriptionError`` for a time that is not positive, ``NotConverged`` where the integrator
    stops.
    """
    from scipy.integrate import solve_ivp

    check_positive("time", time)

    def velocity(_: float, z: np.ndarray) -> np.ndarray:
        at = retract(z)
        gradients = np.array([grad_log(at, i) for i in range(active)])
        return -multipliers(gradients) @ gradients

    def distance(_: float, z: np.ndarray) -> float:
        values, _vectors = top(retract(z))
        if len(values) <= active or gap is None:
            return 1.0
        return float((values[0] - values[active]) / values[0] - gap)

    distance.terminal = True  # type: ignore[attr-defined]
    start = retract(np.asarray(start, float))
    if distance(0.0, start) <= 0:
        raise OutOfRegime(
            f"eigenvalue {active + 1} is within {gap:g} of the first at the start already, where "
            "the flow needs a simple top eigenvalue; start elsewhere"
        )
    found = solve_ivp(
        velocity,
        (0.0, time),
        start,
        method="DOP853",
        events=distance,
        dense_output=True,
        rtol=rtol,
        atol=rtol / 100,
    )
    if found.status < 0:
        raise NotConverged(f"the flow stopped at time {found.t[-1]:.6g}: {found.message}")
    end, crossed = float(found.t[-1]), found.status == 1
    ratio = None
    if crossed:
        values, _vectors = top(retract(found.y[:, -1]))
        ratio = float(values[active] / values[0])
    return Flow(end, end if crossed else None, ratio, retract, found.sol)


def group_velocity(
    Z: np.ndarray, decay: np.ndarray, gradient: np.ndarray
) -> tuple[np.ndarray, float]:
    r"""The flow of weights in several scale-invariant groups, and their mean square oscillation X.

    .. math:: \frac{dZ}{dt} = -\varepsilon \odot Z - \tfrac12 X\, \nabla\lambda_1(Z), \qquad
              X = -\frac{2 \langle\nabla\lambda_1, \varepsilon \odot Z\rangle}{|\nabla\lambda_1|^2}

    for :math:`Z = w/\sqrt\eta`, each weight with its own eta and eps, all of shape (n,);
    ``gradient`` is that of the top eigenvalue along the manifold of zero residual, the radial
    directions among its tangents. It keeps :math:`\lambda_1(Z) = 2`. Equal decays give the flow
    of one group.

    >>> group_velocity(np.ones(1), np.full(1, 0.1), np.full(1, -4.0))
    (array([0.]), 0.05)
    """
    X = -2 * float(gradient @ (decay * Z)) / float(gradient @ gradient)
    return -decay * Z - X / 2 * gradient, X
