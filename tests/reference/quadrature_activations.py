"""The activations of ``make_quadrature.py``: phi and phi' in many digits, and where phi bends.

With gmpy2 installed the numbers are that package's, ten times faster than mpmath's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import mpmath
import numpy as np

mpmath.mp.dps = DPS = 100
try:
    import gmpy2 as numbers

    numbers.get_context().precision = mpmath.mp.prec
    number = numbers.mpfr
except ImportError:
    numbers, number = mpmath.mp, mpmath.mpf

REACH = 24
EXP, EXPM1, LOG1P, SQRT, SIN, COS, TANH, ERF, LOG = (
    np.frompyfunc(getattr(numbers, name), 1, 1)
    for name in ("exp", "expm1", "log1p", "sqrt", "sin", "cos", "tanh", "erf", "log")
)
SIGN = np.frompyfunc(lambda x: (x > 0) - (x < 0), 1, 1)
PI = number(mpmath.nstr(mpmath.pi, DPS))


def _cosh2(x):
    """1/cosh(x)^2."""
    e = EXP(-2 * abs(x))
    return 4 * e / (1 + e) ** 2


def _mish(x):
    s = LOG1P(EXP(-abs(x))) + (x + abs(x)) / 2
    t = TANH(s)
    e = EXP(-abs(x))
    sigmoid = (1 + SIGN(x) * TANH(abs(x) / 2)) / 2 + 0 * e
    return x * t, t + x * _cosh2(s) * sigmoid


def _bump(x):
    r = x * x * EXP(-x) * (x > 0)
    return r, (2 * x - x * x) * EXP(-x) * (x > 0)


def _root(x):
    y = SQRT(1 + x * x)
    return y, x / y


def _wave(x):
    s, c, t = SIN(3 * x), COS(3 * x), TANH(x)
    return s * t, 3 * c * t + s * _cosh2(x)


def _cut_cosine(x):
    return SIGN(x - THREE) * COS(x), -SIGN(x - THREE) * SIN(x)


def _mixed(x):
    above = (SIGN(x - THREE) + 1) / 2
    return above * x + abs(TANH(x)), above + SIGN(x) * _cosh2(x)


def _two_kinks(x):
    t = TANH(x)
    slope = SIGN(x - 1) - SIGN(x + 2) * t - abs(x + 2) * _cosh2(x)
    return abs(x - 1) - abs(x + 2) * t, slope


def _power(p):
    """|x|^p."""

    def both(x):
        y = EXP(p * LOG(abs(x)))
        return y, p * y / x

    return both


def _runge(x):
    y = 1 / (1 + 25 * x * x)
    return y, -50 * x * y * y


def _narrow(x):
    y = EXP(-100 * (x - HALF) ** 2)
    return y, -200 * (x - HALF) * y


def _exponential(x):
    """max(x, 0) + e^min(x, 0) - 1."""
    low = (x - abs(x)) / 2
    return (x + abs(x)) / 2 + EXPM1(low), EXP(low)


def _fast(x):
    y = EXP(x * x / 8)
    return y, x / 4 * y


def _error(x):
    e = ERF(x)
    return x**3 * e, 3 * x**2 * e + 2 * x**3 * EXP(-x * x) / SQRT(PI)


THREE, HALF, SEVEN = number("0.3"), number("0.5"), number("0.7")


class Entry(NamedTuple):
    """phi and phi', where phi bends (and how wide), its kinks and jumps, its longest panel in u."""

    both: Any
    bends: Mapping[str, str] = MappingProxyType({})
    kinks: tuple[str, ...] = ()
    jumps: Mapping[str, Any] = MappingProxyType({})
    turn: str | None = None
    squares: bool = True  # whether phi'^2 is integrable over a kink
    reach: int = REACH  # of the integrals over x, in standard deviations


ACTIVATIONS = {
    "x*tanh(softplus(x))": Entry(_mish, {"0": "1"}),
    "tanh(x + 0.7)": Entry(lambda x: (TANH(x + SEVEN), _cosh2(x + SEVEN)), {"-0.7": "1"}),
    "sqrt(1 + x**2)": Entry(_root, {"0": "1"}),
    "sin(3*x)*tanh(x)": Entry(_wave, {"0": "1"}, turn="2"),
    "x**3*erf(x)": Entry(_error, {"0": "1"}),
    "exp(x**2/8)": Entry(_fast, reach=36),
    "exp(-100*(x - 0.5)**2)": Entry(_narrow, {"0.5": "0.1"}),
    "tanh(50*x)": Entry(lambda x: (TANH(50 * x), 50 * _cosh2(50 * x)), {"0": "0.02"}),
    "1/(1 + 25*x**2)": Entry(_runge, {"0": "0.2"}),
    "max(x, 0)**2*exp(-abs(x))": Entry(_bump, {"0": "1"}, ("0",)),
    "max(x, 0) + expm1(min(x, 0))": Entry(_exponential, {"0": "1"}, ("0",)),
    "abs(x)**1.5": Entry(_power(number("1.5")), {"0": "1"}, ("0",)),
    "abs(x - 1) - abs(x + 2)*tanh(x)": Entry(
        _two_kinks, {"-2": "1", "0": "1", "1": "1"}, ("-2", "1")
    ),
    "sqrt(abs(x))": Entry(_power(HALF), {"0": "1"}, ("0",), squares=False),
    "abs(x)**0.4": Entry(_power(number("0.4")), {"0": "1"}, ("0",), squares=False),
    "sign(x - 0.3)*cos(x)": Entry(
        _cut_cosine, {"0.3": "1"}, ("0.3",), {"0.3": 2 * COS(THREE)}, turn="4"
    ),
    "step(x - 0.3)*x + sign(x)*tanh(x)": Entry(
        _mixed, {"0": "0.3", "0.3": "0.3"}, ("0", "0.3"), {"0.3": THREE}
    ),
}
