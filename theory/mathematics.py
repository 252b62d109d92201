"""Number systems behind one small namespace: float64 arrays, mpmath, sympy, balls.

A formula is written once, as ``m = of(q1, q2)`` followed by ``m.sqrt(...)``; the type of its
arguments says in which system it is evaluated. The balls, enclosures of the true numbers, have a
file of their own, ``theory.balls``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import factorial
from typing import Any

import numpy as np

from theory import special
from theory.expression import exact

Number = Any
ANGLE_MINUS_SINE = tuple((-1) ** (k + 1) / factorial(2 * k + 1) for k in range(7, 0, -1))
"""The Taylor series of x - sin x, divided by x^3, in x^2: to 1e-18 of its value for x < 1/2."""
MPF = "_mpf_"
"""What every number of mpmath has, so that mpmath is imported where one is made."""


class Floats:
    """float64, elementwise over arrays."""

    digits, encloses = 15, False
    pi = np.pi
    sqrt, exp, log, sin, cos, tanh, cosh = np.sqrt, np.exp, np.log, np.sin, np.cos, np.tanh, np.cosh
    arcsin, expm1, log1p = np.arcsin, np.expm1, np.log1p
    maximum, absolute = np.maximum, np.abs

    @staticmethod
    def number(value: Number) -> Number:
        return value if isinstance(value, np.ndarray) else float(value)

    @staticmethod
    def erf(x: Number) -> Number:
        return special.erf(x)

    @staticmethod
    def rising(a: Number, b: Number) -> Number:
        """Gamma(a + b)/Gamma(a)."""
        return special.poch(a, b)

    @staticmethod
    def select(condition: Any, then: Callable[[], Number], otherwise: Callable[[], Number]) -> Any:
        """Elementwise choice; both branches are evaluated."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(condition, then(), otherwise()))[()]

    @staticmethod
    def angle(sine: Number, cosine: Number, radius: Number) -> Number:
        """The angle in [0, pi] of the point (cosine, sine) on a circle of this radius."""
        return np.arctan2(sine, cosine)

    @staticmethod
    def arcsine(sine: Number, cosine: Number, radius: Number) -> Number:
        """The angle in [-pi/2, pi/2] of such a point with cosine >= 0."""
        return np.arctan2(sine, cosine)

    @staticmethod
    def angle_minus_sine(angle: Number) -> Number:
        """x - sin x for 0 <= x <= pi, accurate for small x."""
        x = np.asarray(angle, dtype=float)
        square = np.minimum(x * x, 0.25)
        series = ANGLE_MINUS_SINE[0]
        for coefficient in ANGLE_MINUS_SINE[1:]:
            series = series * square + coefficient
        return np.where(x < 0.5, x * (square * series), x - np.sin(x)) + 0.0


class Precise:
    """mpmath numbers of one context."""

    encloses = False

    def __init__(self, context: Any) -> None:
        self.context, self.digits = context, context.dps
        self.pi = +context.pi
        self.sqrt, self.exp, self.log = context.sqrt, context.exp, context.log
        self.sin, self.cos, self.tanh, self.cosh = (
            context.sin,
            context.cos,
            context.tanh,
            context.cosh,
        )
        self.erf, self.erfc, self.absolute = context.erf, context.erfc, context.fabs
        self.arcsin, self.expm1, self.log1p = context.asin, context.expm1, context.log1p
        self.maximum, self.rising = max, context.rf

    def number(self, value: Number) -> Number:
        if hasattr(value, MPF):
            return self.context.mpf(value)
        rational = exact(value)
        return self.context.mpf(rational.numerator) / rational.denominator

    @staticmethod
    def select(condition: Any, then: Callable[[], Number], otherwise: Callable[[], Number]) -> Any:
        return then() if condition else otherwise()

    def far(self, side: Number) -> Number:
        """So many standard deviations away that nothing is left, on this side."""
        return self.context.sign(side) * 1e8

    def infinite(self, side: Number) -> Number:
        return self.context.sign(side) * self.context.inf

    def angle(self, sine: Number, cosine: Number, radius: Number) -> Number:
        return self.context.atan2(sine, cosine)

    arcsine = angle

    def angle_minus_sine(self, angle: Number) -> Number:
        with self.context.extradps(self.digits):
            return angle - self.context.sin(angle)


class Symbols:
    """sympy: a closed expression."""

    digits, encloses = 0, False

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.pi = sympy.pi
        self.sqrt, self.exp, self.log, self.erf = sympy.sqrt, sympy.exp, sympy.log, sympy.erf
        self.sin, self.cos, self.tanh, self.cosh = sympy.sin, sympy.cos, sympy.tanh, sympy.cosh
        self.maximum, self.absolute = sympy.Max, sympy.Abs
        self.arcsin, self.rising = sympy.asin, sympy.rf
        self.expm1, self.log1p = lambda x: sympy.exp(x) - 1, lambda x: sympy.log(1 + x)

    @staticmethod
    def select(condition: Any, then: Callable[[], Number], otherwise: Callable[[], Number]) -> Any:
        """A choice that the signs of the symbols decide."""
        return then() if condition else otherwise()

    def number(self, value: Number) -> Number:
        if isinstance(value, self.sympy.Basic):
            return value
        rational = exact(value)
        return self.sympy.Rational(rational.numerator, rational.denominator)

    def angle(self, sine: Number, cosine: Number, radius: Number) -> Number:
        return self.sympy.acos(self._ratio(cosine, radius))

    def arcsine(self, sine: Number, cosine: Number, radius: Number) -> Number:
        return self.sympy.asin(self._ratio(sine, radius))

    def _ratio(self, part: Number, whole: Number) -> Number:
        for sign in (1, -1):
            if self.sympy.expand(part - sign * whole) == 0:
                return self.sympy.Integer(sign)
        return part / whole

    def angle_minus_sine(self, angle: Number) -> Number:
        return angle - self.sympy.sin(angle)

    def integral(self, name: str, *arguments: Number) -> Number:
        """A Gaussian integral without closed form, under a name of its own."""
        return self.sympy.Function(name)(*arguments)


FLOATS = Floats()
PLAIN = frozenset({int, float, np.float64, np.ndarray})


@cache
def precise(digits: int) -> Precise:
    """The namespace of mpmath numbers with this many digits (15 at least), and a reserve of 15."""
    import mpmath

    context = mpmath.MPContext()
    context.dps = max(digits, 15) + 15
    return _home(context)


@cache
def symbols() -> Symbols:
    """The namespace of sympy expressions; sympy is imported here."""
    return Symbols()


@cache
def _home(context: Any) -> Precise:
    return Precise(context)


def of(*values: Number) -> Any:
    """The namespace in which these values live: sympy, balls, mpmath, floats.

    >>> of(1, 2.0) is FLOATS
    True
    """
    if PLAIN.issuperset(map(type, values)):
        return FLOATS
    for value in values:
        if hasattr(value, "free_symbols"):
            return symbols()
    for value in values:
        if hasattr(value, "system"):
            return value.system
        if hasattr(value, MPF):
            return _home(value.context)
    return FLOATS
