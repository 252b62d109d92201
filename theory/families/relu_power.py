r"""Powers of ReLU, :math:`\max(0, x)^n` for an integer n >= 1: arc-cosine kernels of any order.

Differentiated n + 1 times the function is a point mass, n! at 0. Price's theorem, n + 1 times,
therefore gives the dual for any means as a Taylor polynomial in the covariance with an exact rest,

.. math:: E u_+^n v_+^n = \sum_{k=0}^n \frac{r^k}{k!} \Big(\frac{n!}{(n-k)!}\Big)^2
          E u_+^{n-k}\,E v_+^{n-k} + n!\,(ab)^{n/2} \int_0^c (c - t)^n\,n_2(h, k; t)\,dt

with h and k the means in units of the standard deviations. What exceeds float64 is refused with
``OutOfRegime``.
"""

from __future__ import annotations

from math import factorial, perm
from typing import Any

import numpy as np

from theory.errors import OutOfRegime
from theory.families.kernel import Integral, Kernel
from theory.families.normal import cdf_moments, divided, legendre, plackett
from theory.families.piecewise_linear import FARTHEST, either, opposite_angle, pair_angle
from theory.mathematics import FLOATS, Number, of
from theory.pair import Law, Pair


def power_dual(pair: Pair, n: int) -> Number:
    r"""``E[max(0, u)^n max(0, v)^n]`` for any means, the formula of this module; n >= 0.

    >>> round(float(power_dual(Pair.at(1.0, c=1.0, mean1=0.0, mean2=0.0), 2)), 12)
    1.5
    """
    m = of(*pair)
    left, right = (cdf_moments(n, *law) for law in (pair.u, pair.v))
    taylor = sum(
        perm(n, k) ** 2 * (pair.r**k / m.number(factorial(k))) * left[n - k] * right[n - k]
        for k in range(n + 1)
    )
    h, k = (_standard(m, law) for law in (pair.u, pair.v))
    scale = m.sqrt(m.number(pair.a)) ** n * m.sqrt(m.number(pair.b)) ** n
    return taylor + factorial(n) * scale * plackett(n, h, k, pair.dl, pair.op)


def arc_cosine_power(pair: Pair, n: int) -> Number:
    r"""``E[max(0, u)^n max(0, v)^n]`` for a centred pair, relatively accurate for every c.

    .. math:: (ab)^{n/2}\,\frac{2^n n!}{2\pi} \int_0^\psi \sin^n y\,\sin^n(\psi - y)\,dy,
              \qquad \psi = \pi - \theta, \quad \cos\theta = c

    by one Gauss-Legendre rule: the integrand is positive and a trigonometric polynomial.

    Source: Cho & Saul, NeurIPS 2009, order n; their kernel is twice ours.

    >>> [round(float(arc_cosine_power(Pair.at(1.0, c=0.0), n)), 12) for n in (0, 1, 2)]
    [0.25, 0.159154943092, 0.25]
    """
    m = of(*pair)
    psi = opposite_angle(pair)
    scale = m.sqrt(m.number(pair.a)) ** n * m.sqrt(m.number(pair.b)) ** n
    scale = scale * (2**n * factorial(n)) / (2 * m.pi)
    if m.encloses:
        return scale * psi * m.integral(lambda x: (m.sin(psi * x) * m.sin(psi * (1 - x))) ** n)
    nodes, weights = legendre(m, 24 + n if m is FLOATS else 10 + n + m.context.dps)
    if m is FLOATS:
        wide = np.asarray(psi)[..., None]
        integral = psi * ((np.sin(wide * nodes) * np.sin(wide * (1 - nodes))) ** n @ weights)
    else:
        products = (m.sin(psi * x) * m.sin(psi * (1 - x)) for x in nodes)
        integral = psi * sum(w * p**n for w, p in zip(weights, products, strict=True))
    return scale * integral


def _standard(m: Any, law: Law) -> Number:
    sigma = m.sqrt(m.number(law.a))
    if m is FLOATS:
        return np.clip(divided(m, law.m, sigma), -FARTHEST, FARTHEST)
    return law.m / sigma if sigma != 0 else m.far(law.m)


def power_gap(pair: Pair, n: int, dual: Any = power_dual) -> Number:
    r"""``E max(0, u)^{2n} - E[max(0, u)^n max(0, v)^n]`` for equal laws; for c > 0 by Price,

    .. math:: a\,n^2 \int_0^\theta \sin\varphi\,E\big[u_+^{n-1} v_+^{n-1}\big]_{c = \cos\varphi}
              \,d\varphi, \qquad n = 0: \quad
              \frac1{2\pi} \int_0^\theta e^{-m_1^2/(a (1 + \cos\varphi))}\,d\varphi,

    without cancellation as c tends to 1.

    >>> round(float(power_gap(Pair.at(1.0, one_minus_c=1e-20), 2)) * 1e20, 12)  # E phi'(u)^2
    2.0
    """
    return of(*pair).select(
        pair.dl < pair.op,
        lambda: _over_angles(pair, n, dual),
        lambda: dual(pair.same_u, n) - dual(pair, n),
    )


def _over_angles(pair: Pair, n: int, dual: Any) -> Number:
    m = of(*pair)
    theta = pair_angle(pair)
    nodes, weights = legendre(m, 32 + n if m is FLOATS else 10 + n + m.context.dps)
    if m is FLOATS:
        wide = Pair(*(np.asarray(x, dtype=float)[..., None] for x in pair))
        return theta * (_slope_at(wide, np.asarray(theta)[..., None] * nodes, n, dual) @ weights)
    terms = zip(nodes, weights, strict=True)
    return theta * sum(w * _slope_at(pair, theta * x, n, dual) for x, w in terms)


def _slope_at(pair: Pair, phi: Number, n: int, dual: Any) -> Number:
    """Minus the derivative of the dual with respect to the angle, at this angle."""
    m = of(*pair)
    if n == 0:
        h = _standard(m, pair.u)
        return m.exp(-(h**2) / (1 + m.cos(phi))) / (2 * m.pi)
    dl, op = 2 * m.sin(phi / 2) ** 2, 2 * m.cos(phi / 2) ** 2
    mean = pair.m1 + 0 * phi
    turned = Pair(pair.a + 0 * phi, pair.a + 0 * phi, pair.a * m.cos(phi), dl, op, mean, mean)
    return n**2 * pair.a * m.sin(phi) * dual(turned, n - 1)


def _mean(law: Law, n: int) -> Number:
    return cdf_moments(n, *law)[n]


def _finite(name: str, integral: Integral) -> Integral:
    """The integral, refused where it overflows."""

    def checked(law: Any, n: int) -> Number:
        with np.errstate(over="ignore", invalid="ignore"):
            value = integral(law, n)
        if of(*law) is FLOATS and not np.all(np.isfinite(value)):
            raise OutOfRegime(f"{name} of relu_power(n={n}) overflows float64; ask for digits")
        return value

    return checked


def _kernel(dual: Any) -> Kernel:
    integrals: dict[str, Integral] = {
        "mean": _mean,
        "derivative_mean": lambda law, n: n * _mean(law, n - 1),
        "second": lambda law, n: _mean(law, 2 * n),
        "derivative_second": lambda law, n: n**2 * _mean(law, 2 * n - 2),
        "dual": dual,
        "derivative_dual": lambda pair, n: n**2 * dual(pair, n - 1),
        "gap": lambda pair, n: power_gap(pair, n, dual),
        "derivative_gap": lambda pair, n: n**2 * power_gap(pair, n - 1, dual),
    }
    names = {name: name.replace("_", " ") for name in integrals} | {"second": "second moment"}
    return Kernel(**{key: _finite(names[key], value) for key, value in integrals.items()})


RELU_POWER = either(_kernel(arc_cosine_power), _kernel(power_dual))
