r"""ELU and SELU: the identity above 0, :math:`\alpha(e^x - 1)` below.

Closed forms exist (bivariate normal functions times :math:`e^{(a + 2r + b)/2}`), but in float64
they lose every digit for variances above a few units, and others cancel for small ones. What keeps
all digits for every law is one integral over u, with v integrated in closed form given u:

.. math:: E\varphi(u)\varphi(v) = \int p(x)\,\varphi(m_1 + \sqrt a\,x)\,H(x)\,dx, \qquad
          H(x) = E\varphi\big(m_2 + \sqrt b\,(cx + sw)\big), \quad s = \sqrt{1 - c^2}.

Gauss-Legendre panels end at the kink of each factor, are equal over the width s/c over which H
smooths its own, and double over the range of the exponentials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from theory import special
from theory.activations import SELU_ALPHA, SELU_SCALE
from theory.families.kernel import Integral, Kernel
from theory.families.normal import (
    cdf,
    density,
    digits,
    divided,
    legendre,
    panel_nodes,
    panel_sum,
)
from theory.mathematics import FLOATS, Number, of
from theory.pair import Law, Pair

CHUNK, FARTHEST = 256, 1e8


class Given(NamedTuple):
    """The second sample given the first: N(middle, width^2), and its mean in units of width."""

    middle: Number
    width: Number
    z: Number


def response(m: Any, v: Given, alpha: Number) -> Number:
    r"""``E phi(v)``, for ELU and v ~ N(mu, tau^2), tau >= 0, z = mu/tau.

    .. math:: \mu\Phi(z) + \tau p(z)
              + \alpha\left(e^{\mu + \tau^2/2}\,\Phi(-z - \tau) - \Phi(-z)\right)
    """
    if m.encloses and v.width == 0:
        return _elu(m, v.middle, alpha)
    return v.middle * cdf(v.z) + v.width * density(v.z) + alpha * _deficit(m, v)


def slope_response(m: Any, v: Given, alpha: Number) -> Number:
    r"""``E phi'(v)``: :math:`\Phi(z) + \alpha\,e^{\mu + \tau^2/2}\,\Phi(-z - \tau)`."""
    if m.encloses and v.width == 0:
        return _slope(m, v.middle, alpha)
    return cdf(v.z) + alpha * _tilted(m, v)


def _tilted(m: Any, v: Given) -> Number:
    r""":math:`E e^v 1_{v < 0}`, a power of e times a tail, neither of which overflows."""
    end = v.z + v.width
    if m is not FLOATS:
        return m.exp(v.middle + v.width**2 / 2) * cdf(-end)
    mills = special.erfcx(np.maximum(end, 0.0) / np.sqrt(2)) * np.sqrt(np.pi / 2)
    inside = np.exp(np.minimum(v.middle + v.width**2 / 2, 0.0)) * cdf(-end)
    return np.where(end > 0, density(v.z) * mills, inside)


def _deficit(m: Any, v: Given) -> Number:
    r""":math:`E(e^v - 1)1_{v < 0}`, relatively accurate also for small tau.

    .. math:: \left(e^{\mu + \tau^2/2} - 1\right)\Phi(-z - \tau) - \int_z^{z + \tau} p
    """
    if m.encloses:
        return _tilted(m, v) - cdf(-v.z)
    if m is not FLOATS:
        return _precise(m, v, lambda v: _tilted(m, v) - cdf(-v.z))
    small = _growth(m, v.middle + v.width**2 / 2) * cdf(-v.z - v.width) - _strip(v)
    return np.where(v.width < 0.5, small, _tilted(m, v) - cdf(-v.z))


def _surplus(m: Any, v: Given) -> Number:
    r""":math:`e^{\mu + \tau^2/2}\,\Phi(z + \tau) - \Phi(z)` for tau < 1/2, without cancellation."""
    if m is not FLOATS:
        return _precise(
            m, v, lambda v: m.exp(v.middle + v.width**2 / 2) * cdf(v.z + v.width) - cdf(v.z)
        )
    return _growth(m, v.middle + v.width**2 / 2) * cdf(v.z + v.width) + _strip(v)


def _growth(m: Any, x: Number) -> Number:
    """e^x - 1, bounded where it is not used."""
    return np.expm1(np.minimum(x, 50.0)) if m is FLOATS else m.expm1(x)


def _strip(v: Given) -> Number:
    """The normal probability between z and z + tau, for tau < 1/2."""
    nodes, weights = legendre(FLOATS, 10)
    width = np.minimum(v.width, 0.5)
    return width * sum(w * density(v.z + width * x) for x, w in zip(nodes, weights, strict=True))


def _precise(m: Any, v: Given, function: Callable[[Given], Number]) -> Number:
    """A difference that cancels as much as tau is small, with so many digits more."""
    if v.width == 0:
        return function(v)
    lost = max(0, -2 * int(m.context.log10(v.width)))
    with m.context.extradps(lost):
        return function(Given(v.middle, v.width, v.middle / v.width))


# The integral over the first sample


class _Frame(NamedTuple):
    """A pair in the coordinates of the integral: u = m1 + alpha x, v = m2 + beta (c x + s w)."""

    m1: Number
    alpha: Number
    m2: Number
    beta: Number
    c: Number
    s: Number
    dl: Number

    @classmethod
    def of(cls, m: Any, pair: Pair) -> _Frame:
        a, b, dl, op, m1, m2 = (
            np.asarray(x, dtype=float)[()] if m is FLOATS else m.number(x)
            for x in (pair.a, pair.b, pair.dl, pair.op, pair.m1, pair.m2)
        )
        return cls(m1, m.sqrt(a), m2, m.sqrt(b), (op - dl) / 2, m.sqrt(dl * op), dl)

    def given(self, m: Any, x: Number) -> Given:
        """The law of v where the first coordinate is x."""
        middle, width = self.m2 + self.beta * self.c * x, self.beta * self.s + 0 * x
        return _given(m, middle, width)


def _given(m: Any, middle: Number, width: Number) -> Given:
    return Given(middle, width, _bounded(m, middle, width))


def _bounded(m: Any, x: Number, y: Number) -> Number:
    """x/y for y >= 0, at most FARTHEST; 0/0 = 0."""
    if m is FLOATS:
        return np.clip(divided(m, x, y), -FARTHEST, FARTHEST)
    if m.encloses:
        return x / y if y != 0 else x
    return max(-FARTHEST, min(FARTHEST, x / y)) if y != 0 else m.context.sign(x) * FARTHEST


def _elu(m: Any, x: Number, alpha: Number) -> Number:
    return m.maximum(x, 0 * x) + alpha * m.expm1(-m.maximum(-x, 0 * x))


def _slope(m: Any, x: Number, alpha: Number) -> Number:
    return m.select(x > 0, lambda: 1 + 0 * x, lambda: alpha * m.exp(-m.maximum(-x, 0 * x)))


def _edges(m: Any, frame: _Frame) -> list[Number]:
    """Panel ends in x, unsorted, some of them far outside."""
    reach = _reach(m)
    count = 5 if m is FLOATS else 4
    base = [m.number(reach * k) / count + 0 * frame.dl for k in range(-count, count + 1)]
    width = _bounded(m, frame.s, m.absolute(frame.c))
    at_u = _bounded(m, -frame.m1, frame.alpha)
    at_v = _bounded(m, -frame.m2 * m.select(frame.c < 0, lambda: -1, lambda: 1), frame.beta)
    at_v = _bounded(m, at_v, m.absolute(frame.c))
    layer = [k * reach * width / count for k in range(1, count + 1)]
    rate = frame.beta * m.absolute(frame.c)
    return [
        *base,
        *_around(at_u, _doubling(m, _bounded(m, 1 + 0 * rate, frame.alpha))),
        *_around(at_v, [*layer, *_doubling(m, m.maximum(reach * width, _bounded(m, 1, rate)))]),
    ]


def _reach(m: Any) -> int:
    """Beyond this many standard deviations nothing is left."""
    return 10 if m is FLOATS else 2 + int((4.7 * m.context.dps) ** 0.5)


def _around(point: Number, offsets: list[Number]) -> list[Number]:
    return [point, *(point - x for x in offsets), *(point + x for x in offsets)]


def _doubling(m: Any, first: Number) -> list[Number]:
    return [first * 2**k for k in range(1 + (3 * digits(m)).bit_length())]


def _expectation(pair: Pair, integrand: Callable[..., Number], alpha: Number) -> Number:
    """The integral of ``integrand(m, frame, x, alpha)`` over standard normal x."""
    m = of(*pair)
    frame, alpha = _Frame.of(m, pair), m.number(alpha)
    if m.encloses:
        return _enclosed(m, frame, integrand, alpha)
    if m is not FLOATS:
        reach = _reach(m)
        edges = sorted(max(-reach, min(reach, x)) for x in _edges(m, frame))
        return panel_sum(m, lambda x: density(x) * integrand(m, frame, x, alpha), edges)
    parts = np.broadcast_arrays(*frame)
    flat = [np.ravel(part)[:, None] for part in parts]
    out = np.empty(parts[0].size)
    for start in range(0, out.size, CHUNK):
        chunk = _Frame(*(part[start : start + CHUNK] for part in flat))
        x, weight = _nodes(chunk)
        values = weight * density(x) * integrand(m, chunk, x, alpha)
        out[start : start + CHUNK] = values.sum(axis=-1)
    return out.reshape(parts[0].shape)[()]


def _enclosed(m: Any, frame: _Frame, integrand: Callable[..., Number], alpha: Number) -> Number:
    r"""The integral in balls: up to R, and beyond a bound from :math:`|\varphi(x)| \le A + |x|`.

    With A = 1 + |alpha|, also for the derivative, both tails together are at most
    :math:`2 (R + 1/R)\,p(R)\,(A + |m_1| + \alpha_u)(A + |m_2| + 2\beta)`, alpha_u and beta the
    standard deviations.
    """
    R = 2 + isqrt(2 * m.bits)
    inner = m.integral(lambda x: density(x) * integrand(m, frame, x, alpha), -R, 2 * R)
    A = 1 + m.absolute(alpha)
    left = A + m.absolute(frame.m1) + frame.alpha
    right = A + m.absolute(frame.m2) + 2 * frame.beta
    tail = 2 * (R + m.number(1) / R) * density(m.number(R)) * left * right
    return inner + m.between(-tail, tail)


def _nodes(frame: _Frame) -> tuple[np.ndarray, np.ndarray]:
    reach = _reach(FLOATS)
    edges = np.concatenate(np.broadcast_arrays(*_edges(FLOATS, frame)), axis=-1)
    edges = np.sort(np.clip(edges, -reach, reach), axis=-1)
    if len(edges) == 1:
        edges = np.unique(edges)[None]
    return panel_nodes(edges, 16)


def _product(m: Any, frame: _Frame, x: Number, alpha: Number) -> Number:
    return _elu(m, frame.m1 + frame.alpha * x, alpha) * response(m, frame.given(m, x), alpha)


def _slope_product(m: Any, frame: _Frame, x: Number, alpha: Number) -> Number:
    u = frame.m1 + frame.alpha * x
    return _slope(m, u, alpha) * slope_response(m, frame.given(m, x), alpha)


def _fall(m: Any, frame: _Frame, x: Number, alpha: Number) -> Number:
    r"""phi(u) times what ``E[phi(v) | u]`` lacks to phi(u), for equal laws."""
    u, v, step = frame.m1 + frame.alpha * x, frame.given(m, x), frame.dl * frame.alpha * x
    positive = step - v.width * _hinge(v.z) - alpha * _deficit(m, v)

    def negative() -> Number:
        near = alpha * _lag(m, u, v, step) - v.width * _hinge(-v.z)
        return m.select(
            v.width < 0.5, lambda: near, lambda: _elu(m, u, alpha) - response(m, v, alpha)
        )

    return _elu(m, u, alpha) * m.select(u > 0, lambda: positive, negative)


def _slope_fall(m: Any, frame: _Frame, x: Number, alpha: Number) -> Number:
    """phi'(u) times what ``E[phi'(v) | u]`` lacks to phi'(u), for equal laws."""
    u, v, step = frame.m1 + frame.alpha * x, frame.given(m, x), frame.dl * frame.alpha * x
    positive = (1 - alpha) * cdf(-v.z) - alpha * _deficit(m, v)

    def negative() -> Number:
        near = alpha * _lag(m, u, v, step) - (1 - alpha) * cdf(v.z)
        far = _slope(m, u, alpha) - slope_response(m, v, alpha)
        return m.select(v.width < 0.5, lambda: near, lambda: far)

    return _slope(m, u, alpha) * m.select(u > 0, lambda: positive, negative)


def _lag(m: Any, u: Number, v: Given, step: Number) -> Number:
    r""":math:`e^u - E e^v 1_{v < 0} - P(v > 0)` for u <= 0 and tau < 1/2; step = u - mu."""
    return _surplus(m, v) - m.exp(-m.maximum(-u, 0 * u)) * _growth(m, v.width**2 / 2 - step)


def _hinge(z: Number) -> Number:
    """``E max(0, x - z)``, absolutely accurate."""
    return density(z) - z * cdf(-z)


# The entries


def elu_mean(law: Law, alpha: Number) -> Number:
    """``E phi(u)``.

    >>> round(float(elu_mean(Law(0, 1.0), 1)), 12)
    0.160520572267
    """
    m = of(*law)
    return response(m, _of_law(m, law), m.number(alpha))


def elu_derivative_mean(law: Law, alpha: Number) -> Number:
    """``E phi'(u)``.

    >>> round(float(elu_derivative_mean(Law(0, 1.0), 1)), 12)
    0.761578291865
    """
    m = of(*law)
    return slope_response(m, _of_law(m, law), m.number(alpha))


def _of_law(m: Any, law: Law) -> Given:
    mean, variance = (
        np.asarray(x, dtype=float)[()] if m is FLOATS else m.number(x) for x in (law.m, law.a)
    )
    return _given(m, mean, m.sqrt(variance))


def elu_dual(pair: Pair, alpha: Number) -> Number:
    """``E phi(u) phi(v)``, the integral of this module; any means and variances >= 0.

    >>> round(float(elu_dual(Pair.at(1.0, c=0.0), 1) - elu_mean(Law(0, 1.0), 1) ** 2), 14)
    0.0
    """
    return _expectation(pair, _product, alpha)


def elu_derivative_dual(pair: Pair, alpha: Number) -> Number:
    """``E phi'(u) phi'(v)``, the same integral of the derivatives.

    >>> round(float(elu_derivative_dual(Pair.at(1.0, c=1.0), 1)), 12)
    0.668102001223
    """
    return _expectation(pair, _slope_product, alpha)


def elu_gap(pair: Pair, alpha: Number) -> Number:
    """``E phi(u)^2 - E phi(u) phi(v)`` for equal laws, without cancellation as c tends to 1.

    >>> round(float(elu_gap(Pair.at(1.0, one_minus_c=1e-20), 1)) * 1e20, 9)  # E phi'(u)^2
    0.668102001
    """
    return _gap(pair, alpha, _fall, elu_dual)


def elu_derivative_gap(pair: Pair, alpha: Number) -> Number:
    """``E phi'(u)^2 - E phi'(u) phi'(v)`` in the same way."""
    return _gap(pair, alpha, _slope_fall, elu_derivative_dual)


def _gap(pair: Pair, alpha: Number, fall: Callable[..., Number], dual: Integral) -> Number:
    return of(*pair).select(
        pair.dl < pair.op,
        lambda: _expectation(pair, fall, alpha),
        lambda: dual(pair.same_u, alpha) - dual(pair, alpha),
    )


def _same(law: Law) -> Pair:
    return Pair(law.a, law.a, law.a, 0 * law.a, 2 + 0 * law.a, law.m, law.m)


ELU = Kernel(
    mean=elu_mean,
    derivative_mean=elu_derivative_mean,
    second=lambda law, alpha: elu_dual(_same(law), alpha),
    derivative_second=lambda law, alpha: elu_derivative_dual(_same(law), alpha),
    dual=elu_dual,
    derivative_dual=elu_derivative_dual,
    gap=elu_gap,
    derivative_gap=elu_derivative_gap,
)


def _scaled(integral: Integral, power: int) -> Integral:
    def of_selu(law: Any) -> Number:
        number = _constant(of(*law))
        return number(SELU_SCALE) ** power * integral(law, number(SELU_ALPHA))

    return of_selu


def _constant(m: Any) -> Callable[[str], Number]:
    if m.encloses:
        return m.number
    return float if m is FLOATS else m.context.mpf


SELU = Kernel(
    **{
        field.name: _scaled(getattr(ELU, field.name), 1 if field.name.endswith("mean") else 2)
        for field in fields(Kernel)
    }
)
