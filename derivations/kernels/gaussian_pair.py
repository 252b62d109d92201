"""A Gaussian pair in symbols: variances q_11 and q_22, covariance q_12."""

from __future__ import annotations

import sympy as sp

from theory.pair import Pair
from theory.symbols import S_s, S_t, m1, m2, q11, q12, q22

ROOT = sp.sqrt(q11 * q22)
DETERMINANT = q11 * q22 - q12**2
PAIR = Pair(q11, q22, q12, (ROOT - q12) / ROOT, (ROOT + q12) / ROOT)
OTHER = {q11: q22, m1: m2, S_t: S_s}
LINE = (-sp.oo, sp.oo)


def normal(u: sp.Basic, variance: sp.Basic, mean: sp.Basic = sp.S.Zero) -> sp.Basic:
    """The density of N(mean, variance) at u."""
    return sp.exp(-((u - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def joint(
    x: sp.Basic, y: sp.Basic, a: sp.Basic = q11, b: sp.Basic = q22, covariance: sp.Basic = q12
) -> sp.Basic:
    """The density of a centred pair at (x, y)."""
    determinant = a * b - covariance**2
    form = b * x**2 - 2 * covariance * x * y + a * y**2
    return sp.exp(-form / (2 * determinant)) / (2 * sp.pi * sp.sqrt(determinant))


def tidy(expression: sp.Basic) -> sp.Basic:
    """The determinant of the pair written as q_11 q_22 - q_12^2."""
    a, b = sp.sqrt(q11), sp.sqrt(q22)
    return expression.subs((a * b - q12) * (a * b + q12), DETERMINANT)
