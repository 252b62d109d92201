r"""Closed Gaussian integrals of activations over two samples.

Each kernel gives, for a centred Gaussian pair (u, v) of equal variances, the dual
:math:`E[\varphi(u)\varphi(v)]`, the dual of the derivative, and how far each lies below its value
at v = u. These gaps are formed without subtraction, so they keep their relative accuracy as the
correlation tends to 1. **A new closed form goes here.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from theory.mathematics import Number, of
from theory.mixture import kolmogorov_average


class Pair(NamedTuple):
    """A centred Gaussian pair: variance q1, covariance q2, and gap = q1 - q2, carried along."""

    q1: Number
    q2: Number
    gap: Number

    @property
    def determinant(self) -> Number:
        return self.gap * (self.q1 + self.q2)

    @property
    def same(self) -> Pair:
        """The pair (u, u)."""
        return Pair(self.q1, self.q1, 0 * self.gap)


def linear(pair: Pair) -> Number:
    """Dual of the identity, ``E[u v]``.

    >>> linear(Pair(2, 1, 1))
    1
    """
    return pair.q2


def linear_gap(pair: Pair) -> Number:
    return pair.gap


def linear_derivative(pair: Pair) -> Number:
    return 1 + 0 * pair.q2


def linear_derivative_gap(pair: Pair) -> Number:
    return 0 * pair.gap


def arc_cosine(pair: Pair) -> Number:
    r"""Dual of ReLU, ``E[max(0, u) max(0, v)]``.

    .. math:: \frac{q_1}{2\pi}\left(\sin\theta + (\pi - \theta)\cos\theta\right),
              \qquad \cos\theta = q_2/q_1

    for q_1 > 0, |q_2| <= q_1. At q_2 = q_1 value and first derivative are finite, the second
    derivative is not.

    Source: Cho & Saul, NeurIPS 2009, order 1; their kernel is twice ours.

    >>> import sympy as sp
    >>> [arc_cosine(Pair(sp.S(1), sp.S(c), sp.S(1 - c))) for c in (-1, 0, 1)]
    [0, 1/(2*pi), 1/2]
    """
    m = of(pair.q1, pair.q2)
    sine = m.sqrt(pair.determinant)
    return (sine + pair.q2 * m.angle(sine, -pair.q2, pair.q1)) / (2 * m.pi)


def arc_cosine_gap(pair: Pair) -> Number:
    r"""``E[max(0, u)^2] - E[max(0, u) max(0, v)]``, without cancellation.

    .. math:: \frac{1}{2\pi}\left((\pi - \theta)(q_1 - q_2) + q_1(\theta - \sin\theta)\right)
    """
    m = of(pair.q1, pair.q2)
    sine = m.sqrt(pair.determinant)
    theta = m.angle(sine, pair.q2, pair.q1)
    psi = m.angle(sine, -pair.q2, pair.q1)
    return (psi * pair.gap + pair.q1 * m.angle_minus_sine(theta)) / (2 * m.pi)


def arc_cosine_derivative(pair: Pair) -> Number:
    r"""Dual of the step function, ``P(u > 0, v > 0)``.

    .. math:: \frac{\pi - \theta}{2\pi}, \qquad \cos\theta = q_2/q_1

    Source: Cho & Saul, NeurIPS 2009, order 0; their kernel is twice ours.

    >>> import sympy as sp
    >>> arc_cosine_derivative(Pair(sp.S(1), sp.S(0), sp.S(1)))
    1/4
    """
    m = of(pair.q1, pair.q2)
    return m.angle(m.sqrt(pair.determinant), -pair.q2, pair.q1) / (2 * m.pi)


def arc_cosine_derivative_gap(pair: Pair) -> Number:
    m = of(pair.q1, pair.q2)
    return m.angle(m.sqrt(pair.determinant), pair.q2, pair.q1) / (2 * m.pi)


def arc_sine(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of ``2 Phi(u/sqrt(S)) - 1`` and ``2 Phi(v/sqrt(T)) - 1``, Phi the normal distribution.

    .. math:: \frac2\pi \arcsin\frac{q_2}{\sqrt{(q_1 + S)(q_1 + T)}}

    ``erf(s x)`` is the case :math:`S = T = 1/(2 s^2)`.

    Source: Williams, NeurIPS 1996.

    >>> import sympy as sp
    >>> arc_sine(Pair(sp.S(1), sp.S(1), sp.S(0)), sp.S(1), sp.S(1))
    1/3
    """
    m = of(pair.q1, pair.q2, S)
    excess = S * T + pair.q1 * (S + T) + pair.determinant
    return 2 / m.pi * m.arcsine(pair.q2, m.sqrt(excess), _radius(pair, S, T))


def arc_sine_gap(pair: Pair, S: Number, T: Number) -> Number:
    r"""``arc_sine`` at q_2 = q_1 less its value, from the sine of the difference of the angles."""
    m = of(pair.q1, pair.q2, S)
    same, determinant = S * T + pair.q1 * (S + T), pair.determinant
    A, B = pair.q1 * m.sqrt(same + determinant), pair.q2 * m.sqrt(same)
    radius_squared = (pair.q1 + S) * (pair.q1 + T)
    sine = m.select(
        pair.q2 > 0,
        lambda: determinant / (A + B) * radius_squared,
        lambda: A - B,
    )
    cosine = m.sqrt(same) * m.sqrt(same + determinant) + pair.q1 * pair.q2
    return 2 / m.pi * m.angle(sine, cosine, radius_squared)


def arc_sine_derivative(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of the derivatives of the two functions of ``arc_sine``.

    .. math:: \frac2\pi \left((q_1 + S)(q_1 + T) - q_2^2\right)^{-1/2}
    """
    m = of(pair.q1, pair.q2, S)
    return 2 / m.pi / m.sqrt(S * T + pair.q1 * (S + T) + pair.determinant)


def arc_sine_derivative_gap(pair: Pair, S: Number, T: Number) -> Number:
    m = of(pair.q1, pair.q2, S)
    same, determinant = S * T + pair.q1 * (S + T), pair.determinant
    a, b = m.sqrt(same), m.sqrt(same + determinant)
    return 2 / m.pi * determinant / (a * b * (a + b))


def _radius(pair: Pair, S: Number, T: Number) -> Number:
    if S is T:
        return pair.q1 + S
    return of(pair.q1, S).sqrt((pair.q1 + S) * (pair.q1 + T))


@dataclass(frozen=True)
class Kernel:
    """The four integrals of one activation; each takes a ``Pair`` and the parameters by name."""

    dual: Callable[..., Number]
    gap: Callable[..., Number]
    derivative: Callable[..., Number]
    derivative_gap: Callable[..., Number]


def _error_function(integral: Callable[..., Number]) -> Callable[..., Number]:
    def at_scale(pair: Pair, scale: Number) -> Number:
        S = 1 / (2 * scale**2)
        return integral(pair, S, S)

    return at_scale


def _hyperbolic_tangent(integral: Callable[..., Number], name: str) -> Callable[..., Number]:
    def mixed(pair: Pair) -> Number:
        return kolmogorov_average(integral, pair, name)

    return mixed


KERNELS = {
    "linear": Kernel(linear, linear_gap, linear_derivative, linear_derivative_gap),
    "relu": Kernel(arc_cosine, arc_cosine_gap, arc_cosine_derivative, arc_cosine_derivative_gap),
    "erf": Kernel(
        _error_function(arc_sine),
        _error_function(arc_sine_gap),
        _error_function(arc_sine_derivative),
        _error_function(arc_sine_derivative_gap),
    ),
    "tanh": Kernel(
        _hyperbolic_tangent(arc_sine, "I_tanh"),
        _hyperbolic_tangent(arc_sine_gap, "D_tanh"),
        _hyperbolic_tangent(arc_sine_derivative, "I_dtanh"),
        _hyperbolic_tangent(arc_sine_derivative_gap, "D_dtanh"),
    ),
}
