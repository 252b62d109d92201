r"""The logistic family as a Gaussian scale mixture.

.. math:: \tanh(x) = E_K\left[2\Phi(x/K) - 1\right],

K with Kolmogorov's distribution. So a Gaussian integral of tanh is, exactly, the average of the
error function's over the fixed law of :math:`S = K^2`.

Source: Andrews & Mallows, J. R. Stat. Soc. B 1974 (the logistic law as a scale mixture).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, log, pi, sqrt
from typing import Any

import numpy as np

from theory.mathematics import FLOATS, Number, Symbols, of

CHUNK = 2048


def kolmogorov_density(x: Number) -> Number:
    r"""Density of Kolmogorov's distribution.

    .. math:: f(x) = 8x \sum_{k\ge1} (-1)^{k-1} k^2 e^{-2k^2x^2}
                   = \frac{\sqrt{2\pi}}{x^2} \sum_{k\ge1} (2e_k - 1)e^{-e_k},
              \quad e_k = \frac{(2k-1)^2\pi^2}{8x^2}

    The first series is used for x >= 1, the second below.

    >>> round(float(kolmogorov_density(1.0)), 12)
    1.071948558357
    """
    m = of(x)
    terms = range(1, 4 + ceil(sqrt(m.digits)))

    def by_images() -> Number:
        return 8 * x * sum((-1) ** (k - 1) * k**2 * m.exp(-2 * k**2 * x**2) for k in terms)

    def by_modes() -> Number:
        exponents = [((2 * k - 1) * m.pi / x) ** 2 / 8 for k in terms]
        return m.sqrt(2 * m.pi) / x**2 * sum((2 * e - 1) * m.exp(-e) for e in exponents)

    return m.select(x >= 1, by_images, by_modes)


def kolmogorov_average(integral: Callable[..., Number], pair: Any, name: str) -> Number:
    r"""The average of ``integral(pair, S, T)`` over independent :math:`S = K^2, T = K'^2`.

    The trapezoid rule in log K converges exponentially, uniformly in the pair. In float64 it has
    32 nodes; with more digits two node counts are compared, and ``ArithmeticError`` is raised if
    they differ. In sympy the integral keeps its name.
    """
    m = of(*pair)
    if isinstance(m, Symbols):
        return m.integral(name, pair.q1, pair.q2)
    if m is FLOATS:
        return _over_arrays(integral, pair)
    coarse, fine = (_summed(integral, pair, _nodes(m, factor)) for factor in (1.0, 1.2))
    tolerance = abs(fine) * m.context.mpf(10) ** (8 - m.digits)
    if abs(fine - coarse) > tolerance:
        raise ArithmeticError(
            f"the mixture of {name} has not converged: two node counts differ by {fine - coarse}"
        )
    return fine


@cache
def _nodes(m: Any, factor: float) -> tuple[list[Number], list[Number]]:
    decades = m.digits * log(10)
    low, high = pi / sqrt(8 * decades) * 0.98, sqrt(decades / 2) * 1.05
    count = ceil(factor * log(high / low) * decades / 4.4)
    step = m.log(m.number(high) / m.number(low)) / (count - 1)
    nodes = [m.number(low) * m.exp(step * index) for index in range(count)]
    return [x**2 for x in nodes], [step * x * kolmogorov_density(x) for x in nodes]


def _summed(integral: Callable[..., Number], pair: Any, nodes: Any) -> Number:
    points, weights = nodes
    total = 0
    for i, (S, p) in enumerate(zip(points, weights, strict=True)):
        row = p * integral(pair, S, S) / 2
        row += sum(q * integral(pair, S, T) for T, q in zip(points[:i], weights[:i], strict=True))
        total += 2 * p * row
    return total


@cache
def _float_nodes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = np.linspace(log(0.165), log(4.7), 32)
    weight = (t[1] - t[0]) * np.exp(t) * kolmogorov_density(np.exp(t))
    i, j = np.tril_indices(t.size)
    S = np.exp(2 * t)
    return S[i], S[j], weight[i] * weight[j] * np.where(i == j, 1, 2)


def _over_arrays(integral: Callable[..., Number], pair: Any) -> Number:
    S, T, weights = _float_nodes()
    parts = np.broadcast_arrays(*(np.asarray(part, dtype=float) for part in pair))
    flat = [part.reshape(-1, 1) for part in parts]
    out = np.empty(parts[0].size)
    for start in range(0, out.size, CHUNK):
        chunk = type(pair)(*(part[start : start + CHUNK] for part in flat))
        out[start : start + CHUNK] = integral(chunk, S, T) @ weights
    return out.reshape(parts[0].shape)[()]
