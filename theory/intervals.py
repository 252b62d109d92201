"""Interval arithmetic over expressions: where on the real line a condition holds, for certain.

Every bound is rounded outwards, so what is shown here holds for the function in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy import special

from theory.evaluation import evaluate_tree
from theory.expression import PI, Call, Constant, Expression, Name

Array = np.ndarray
LARGEST, TINIEST = np.finfo(float).max, 5e-324
SLACK = 4096 * np.finfo(float).eps  # above the relative error of every function of the table

NEAR = np.arange(0, 20, 0.25)
FAR = np.array([20, 30, 40, 60, 100, 200, 400, 700, 800, 1e3, 1e4, 1e5, 1e6, 1e8, 1e16, 1e100])
EDGES = np.concatenate([[-np.inf], -FAR[::-1], -NEAR[:0:-1], NEAR, FAR, [np.inf]])
POINTS = np.array([0, -1, 1, -0.5, 0.5, -2, 2, -3, 3, -5, 5, -10, 10, -100, 100, -1e6, 1e6])
FARTHEST, FINEST = 1e8, 1e-12
ROUNDS, BATCH = 100, 512
_OUTER = np.geomspace(20, 1e6, 400)
PROBES = np.concatenate([-_OUTER[:0:-1], np.linspace(-20, 20, 4001), _OUTER[1:]])
_OUTER = np.geomspace(20, 1e6, 400)
PROBES = np.concatenate([-_OUTER[:0:-1], np.linspace(-20, 20, 4001), _OUTER[1:]])


class Intervals(NamedTuple):
    """Values between lo and hi, elementwise; ``nonzero``: known to be different from 0."""

    lo: Array
    hi: Array
    nonzero: Array

    @property
    def positive(self) -> Array:
        return (self.lo > 0) | ((self.lo >= 0) & self.nonzero)

    @property
    def negative(self) -> Array:
        return (self.hi < 0) | ((self.hi <= 0) & self.nonzero)


class Verdict(NamedTuple):
    """Whether a condition was shown to hold everywhere, else a point where it fails, if found.

    ``certain``: it fails there exactly, not only in double precision.
    """

    holds: bool
    fails_at: float | None = None
    certain: bool = False


# condition on y: (holds on the whole interval, fails on the whole interval)
CONDITIONS: dict[str, tuple[Callable[[Intervals], Array], Callable[[Intervals], Array]]] = {
    "> 0": (lambda y: y.positive, lambda y: y.hi <= 0),
    ">= 0": (lambda y: y.lo >= 0, lambda y: y.hi < 0),
    "!= 0": (lambda y: y.nonzero, lambda y: (y.lo == 0) & (y.hi == 0)),
}


def decide(tree: Expression, condition: str) -> Verdict:
    r"""Whether the values of the expression are > 0, >= 0 or != 0 on the whole real line.

    Intervals of x on which that is open are halved, down to a width of :math:`10^{-12}`; one that
    is still open then counts as a failure of > 0 and != 0, since in double precision it is one.
    So do lowest values (of the size, for != 0), looked for on a grid of step 0.01 in [-20, 20] and
    coarser up to :math:`10^6`, that cannot be told from 0. Beyond :math:`|x| = 10^8`, and for a
    condition that takes too long, nothing is shown: ``holds`` is False, ``fails_at`` None.

    >>> from theory.expression import parse
    >>> decide(parse("2 + sin(x)"), "> 0").holds
    True
    >>> decide(parse("tanh(x)"), "!= 0")
    Verdict(holds=False, fails_at=0.0, certain=True)
    """
    good, bad = CONDITIONS[condition]
    lowest = _lowest(tree, np.abs if condition == "!= 0" else np.positive)
    probes = np.concatenate([POINTS, lowest[np.argsort(abs(lowest))]])
    margin = FINEST * (1 + abs(probes)) if condition != ">= 0" else 0.0
    y = enclose(tree, probes - margin, probes + margin)
    failing = probes[bad(y) if condition == ">= 0" else ~good(y)]
    if failing.size:
        place = failing[:1]
        return Verdict(False, float(place[0]), bool(bad(enclose(tree, place, place))[0]))
    waiting, shown = np.stack([EDGES[:-1], EDGES[1:]]), True
    for _ in range(ROUNDS):
        waiting = waiting[:, np.argsort(abs(waiting).min(axis=0), kind="stable")]
        pieces, waiting = waiting[:, :BATCH], waiting[:, BATCH:]
        y = enclose(tree, *pieces)
        failing = pieces[:, bad(y)]
        if failing.size:
            return Verdict(False, _inside(*failing[:, 0]), certain=True)
        lo, hi = pieces = pieces[:, ~good(y)]
        far, narrow = abs(pieces).max(axis=0) > FARTHEST, hi - lo < FINEST * (1 + abs(lo))
        if narrow.any() and condition != ">= 0":
            return Verdict(False, _inside(*pieces[:, narrow][:, 0]))
        shown = shown and not (far | narrow).any()
        lo, hi = pieces[:, ~far & ~narrow]
        middle = (lo + hi) / 2
        halves = np.concatenate([np.stack([lo, middle]), np.stack([middle, hi])], axis=1)
        waiting = np.concatenate([halves, waiting], axis=1)
        if not waiting.size:
            return Verdict(shown)
    return Verdict(False)


def _lowest(tree: Expression, size: Callable[[Array], Array]) -> Array:
    """Where the size of the value has a local minimum, as far as the probes show."""

    def values(x: Array) -> Array:
        with np.errstate(all="ignore"):
            y = size(evaluate_tree(tree, x) + 0 * x)
        return np.where(np.isnan(y), np.inf, y)

    y = values(PROBES)
    inner = np.flatnonzero((y[1:-1] <= y[:-2]) & (y[1:-1] <= y[2:]) & (y[1:-1] < np.inf)) + 1
    lo, hi = PROBES[inner - 1], PROBES[inner + 1]
    for _ in range(60):
        third = (hi - lo) / 3
        left = values(lo + third) < values(hi - third)
        lo, hi = np.where(left, lo, lo + third), np.where(left, hi - third, hi)
    return (lo + hi) / 2


def _inside(lo: float, hi: float) -> float:
    if lo <= 0 <= hi:
        return 0.0
    return float(np.clip((lo + hi) / 2, -LARGEST, LARGEST))


def enclose(tree: Expression, lo: Array, hi: Array) -> Intervals:
    """The values of the expression for x between lo and hi.

    >>> y = enclose(Call("exp", (Name("x"),)), np.array([0.0]), np.array([1.0]))
    >>> bool(y.lo[0] < 1 and y.hi[0] > np.e)
    True
    """
    with np.errstate(all="ignore"):
        return _enclose(tree, Intervals(lo, hi, (lo > 0) | (hi < 0)))


def _enclose(tree: Expression, x: Intervals) -> Intervals:
    match tree:
        case Constant(value=value):
            return _constant(x, float(value), Fraction(float(value)) == value)
        case Name(identifier=identifier):
            return _constant(x, np.pi, False) if identifier == PI else x
        case Call("**", (base, Constant(value=p))):
            return _power(_enclose(base, x), p)
    return FUNCTIONS[tree.function](*(_enclose(argument, x) for argument in tree.arguments))


def _constant(x: Intervals, value: float, exact: bool) -> Intervals:
    values = np.full(x.lo.shape, value)
    return _exactly(values, values) if exact else _outward(values, values)


def _exactly(lo: Array, hi: Array, nonzero: Array | bool = False) -> Intervals:
    return Intervals(lo, hi, nonzero | (lo > 0) | (hi < 0))


def _outward(
    lo: Array,
    hi: Array,
    nonzero: Array | bool = False,
    least: float = -np.inf,
    most: float = np.inf,
) -> Intervals:
    """Bounds with room for rounding; a bound of exactly 0 is exact."""
    lo, hi = np.minimum(lo, LARGEST), np.maximum(hi, -LARGEST)
    lo, hi = np.minimum(lo, LARGEST), np.maximum(hi, -LARGEST)
    lo = np.where(lo == 0, lo, np.nextafter(lo - SLACK * abs(lo), -np.inf))
    hi = np.where(hi == 0, hi, np.nextafter(hi + SLACK * abs(hi), np.inf))
    lo = np.where(np.isnan(lo), least, np.clip(lo, least, most))
    hi = np.where(np.isnan(hi), most, np.clip(hi, least, most))
    return _exactly(lo, hi, nonzero)


def _sum(a: Intervals, b: Intervals) -> Intervals:
    some = a.nonzero | b.nonzero
    same_sign = ((a.lo >= 0) & (b.lo >= 0)) | ((a.hi <= 0) & (b.hi <= 0))
    return _outward(a.lo + b.lo, a.hi + b.hi, some & same_sign)


def _negative(a: Intervals) -> Intervals:
    return Intervals(-a.hi, -a.lo, a.nonzero)


def _product(a: Intervals, b: Intervals) -> Intervals:
    lows, highs = [], []
    for p in (a.lo, a.hi):
        for q in (b.lo, b.hi):
            value = np.where((p == 0) | (q == 0), 0.0, p * q)
            vanished, sign = (value == 0) & (p != 0) & (q != 0), np.sign(p) * np.sign(q)
            lows.append(np.where(vanished & (sign < 0), -TINIEST, value))
            highs.append(np.where(vanished & (sign > 0), TINIEST, value))
    return _outward(np.min(lows, axis=0), np.max(highs, axis=0), a.nonzero & b.nonzero)


def _reciprocal(a: Intervals) -> Intervals:
    crossing = (a.lo < 0) & (a.hi > 0)
    lo = np.where(crossing | (a.hi == 0), -np.inf, 1 / a.hi)
    hi = np.where(crossing | (a.lo == 0), np.inf, 1 / a.lo)
    return _outward(lo, hi, True)


def _power(a: Intervals, p: Fraction) -> Intervals:
    if p == 0:
        return _constant(a, 1.0, True)
    if p < 0:
        return _reciprocal(_power(a, -p))
    if p.denominator != 1:
        a = Intervals(np.maximum(a.lo, 0), np.maximum(a.hi, 0), a.nonzero)
    elif p.numerator % 2 == 0:
        a = _absolute(a)
    lo, hi = a.lo ** float(p), a.hi ** float(p)
    lo = np.where((lo == 0) & (a.lo < 0), -TINIEST, lo)
    hi = np.where((hi == 0) & (a.hi > 0), TINIEST, hi)
    return _outward(lo, hi, a.nonzero, least=-np.inf if p.numerator % 2 else 0.0)


def _absolute(a: Intervals) -> Intervals:
    crossing = (a.lo < 0) & (a.hi > 0)
    lo = np.where(crossing, 0.0, np.minimum(abs(a.lo), abs(a.hi)))
    return _exactly(lo, np.maximum(abs(a.lo), abs(a.hi)), a.nonzero)


def _larger(a: Intervals, b: Intervals) -> Intervals:
    nonzero = a.positive | b.positive | (a.negative & b.negative)
    return _exactly(np.maximum(a.lo, b.lo), np.maximum(a.hi, b.hi), nonzero)


def _wave(function: Callable[[Array], Array]) -> Callable[[Intervals], Intervals]:
    def enclosed(a: Intervals) -> Intervals:
        middle, radius = (a.lo + a.hi) / 2, (a.hi - a.lo) / 2
        value = function(middle)
        reach = radius + SLACK * abs(middle)
        return _outward(value - reach, value + reach, least=-1.0, most=1.0)

    return enclosed


def _rising(
    function: Callable[[Array], Array], least: float = -np.inf, most: float = np.inf
) -> Callable[[Intervals], Intervals]:
    """An increasing function that is 0 where its argument is."""
    return lambda a: _outward(function(a.lo), function(a.hi), a.nonzero, least, most)


def _rising_positive(
    function: Callable[[Array], Array], most: float = np.inf
) -> Callable[[Intervals], Intervals]:
    """An increasing function with positive values, which may be too small for a float."""
    return lambda a: _outward(function(a.lo), np.maximum(function(a.hi), TINIEST), True, 0.0, most)


FUNCTIONS: dict[str, Callable[..., Intervals]] = {
    "+": _sum,
    "-": lambda a, b: _sum(a, _negative(b)),
    "*": _product,
    "/": lambda a, b: _product(a, _reciprocal(b)),
    "max": _larger,
    "min": lambda a, b: _negative(_larger(_negative(a), _negative(b))),
    "abs": _absolute,
    "sign": lambda a: _exactly(np.sign(a.lo), np.sign(a.hi), a.nonzero),
    "step": lambda a: _exactly(np.heaviside(a.lo, 1.0), np.heaviside(a.hi, 1.0)),
    "exp": _rising_positive(np.exp),
    "expm1": _rising(np.expm1, least=-1.0),
    "log": lambda a: _outward(np.log(np.maximum(a.lo, 0)), np.log(np.maximum(a.hi, 0))),
    "log1p": _rising(lambda a: np.log1p(np.maximum(a, -1))),
    "sqrt": _rising(lambda a: np.sqrt(np.maximum(a, 0)), least=0.0),
    "sin": _wave(np.sin),
    "cos": _wave(np.cos),
    "cosh": lambda a: _rising_positive(np.cosh)(_absolute(a)),
    "tanh": _rising(np.tanh, -1.0, 1.0),
    "sigmoid": _rising_positive(special.expit, most=1.0),
    "softplus": _rising_positive(lambda a: np.logaddexp(0, a)),
    "erf": _rising(special.erf, -1.0, 1.0),
    "Phi": _rising_positive(special.ndtr, most=1.0),
}
