r"""Where a formula is finite, where it bends and where it jumps.

A bend (kink) is a point where the function or one of its derivatives is not analytic. Arguments
that are piecewise polynomials in x are treated exactly; about others, what interval arithmetic
shows is certain, and the rest is probed (``theory.intervals``).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from theory.errors import DescriptionError
from theory.evaluation import evaluate_tree
from theory.expression import Call, Constant, Expression, depends_on_x, walk
from theory.intervals import decide, enclose
from theory.mathematics import precise
from theory.piecewise import NotPolynomial, at, constant, piece, pieces, real_roots, value

ONE = Constant(Fraction(1))
KINKED = ("max", "min", "abs", "sign", "step")
NICE = tuple(map(Fraction, (0, -1, 1, -2, 2, -10, 10, -100, 100)))


class Signs(NamedTuple):
    """The signs of a piecewise polynomial: at its special points, and between and beyond them."""

    points: list[Fraction]
    at_points: list[int]
    samples: list[Fraction]
    at_samples: list[int]

    def crossings(self) -> set[Fraction]:
        """Where the sign changes, or stops being 0."""
        pairs = zip(self.points, pairwise(self.at_samples), strict=True)
        return {point for point, (before, after) in pairs if before != after}

    def zeros(self) -> set[Fraction]:
        return {point for point, sign in zip(self.points, self.at_points, strict=True) if not sign}


def check_finite(tree: Expression) -> None:
    """Refuse a function that is not finite on the whole real line, naming a point.

    Exact where the argument of log, log1p, sqrt, the denominator, or the base of a negative or
    fractional power is a piecewise polynomial. For any other, a refusal is right up to double
    precision, and acceptance means: shown by interval arithmetic, or no failure found by probes.

    >>> from theory.expression import parse
    >>> check_finite(parse("log(1 + exp(x))/cosh(x)"))
    >>> check_finite(parse("1/(x**2 - 3*x + 2)"))
    Traceback (most recent call last):
    theory.errors.DescriptionError: 1/(x**2 - 3*x + 2) is not finite at x = 1
    """
    for node in reversed(list(walk(tree))):
        for argument, condition in _conditions(node):
            point, certain = _failure(argument, condition)
            if point is not None:
                raise DescriptionError(
                    f"{_shown(node)} is not finite at x = {float(point):.6g}"
                    f"{'' if certain else ', to double precision'}"
                )
    with np.errstate(all="ignore"):
        if not np.isfinite(evaluate_tree(tree, np.linspace(-1, 1, 21))).any():
            raise DescriptionError(f"{_shown(tree)} has no finite value for x in [-1, 1]")


def find_kinks(tree: Expression, given: tuple[Fraction, ...] | None) -> tuple[Fraction, ...]:
    """Where the function or a derivative is not analytic, in increasing order.

    The points where the arguments of max (their difference), min, abs, sign, step change sign, and
    where those of sqrt and of fractional powers vanish, if they are piecewise polynomials; exact
    if rational, else to 30 digits. Other arguments that may change sign or vanish need the kinks
    to be given; a change of sign in [-10, 10] away from them is refused.

    >>> from theory.expression import parse
    >>> [str(kink) for kink in find_kinks(parse("max(x**2 - 1/4, 0) + abs(x)"), None)]
    ['-1/2', '0', '1/2']
    """
    exact: set[Fraction] = set()
    for node in walk(tree):
        argument = _bending_argument(node)
        if argument is None or not depends_on_x(argument):
            continue
        try:
            exact |= _special_points(node, argument)
        except NotPolynomial:
            _check_given(node, argument, given)
    return _distinct(exact, given or ())


def find_jumps(tree: Expression, kinks: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The kinks at which the function itself jumps.

    >>> from theory.expression import parse
    >>> [len(find_jumps(parse(text), (Fraction(0),))) for text in ("step(x)", "x*step(x)")]
    [1, 0]
    """
    if not any(isinstance(node, Call) and node.function in ("sign", "step") for node in walk(tree)):
        return ()
    return tuple(kink for kink in kinks if _jumps(tree, kink))


def _jumps(tree: Expression, kink: Fraction) -> bool:
    """Whether the step across the kink neither shrinks with the distance nor is only roundoff."""
    m, distances = precise(60), (Fraction(1, 10**9), Fraction(1, 10**12))
    (left, right), (near_left, near_right) = (
        [evaluate_tree(tree, m.number(kink + side * d * (1 + abs(kink)))) for side in (-1, 1)]
        for d in distances
    )
    step, slope = abs(near_right - near_left), abs(near_left - left) + abs(right - near_right)
    return bool(2 * step > abs(right - left) and 1000 * step > slope)


def _conditions(node: Expression) -> Iterator[tuple[Expression, str]]:
    match node:
        case Call("log", (a,)):
            yield a, "> 0"
        case Call("log1p", (a,)):
            yield Call("+", (ONE, a)), "> 0"
        case Call("sqrt", (a,)):
            yield a, ">= 0"
        case Call("/", (_, b)):
            yield b, "!= 0"
        case Call("**", (a, Constant(value=p))) if p.denominator != 1:
            yield a, ">= 0" if p > 0 else "> 0"
        case Call("**", (a, Constant(value=p))) if p < 0:
            yield a, "!= 0"


def _failure(argument: Expression, condition: str) -> tuple[Fraction | float | None, bool]:
    """A point where the condition on the argument fails, if one is found; and if it is certain."""
    allowed = {"> 0": (1,), ">= 0": (0, 1), "!= 0": (-1, 1)}[condition]
    try:
        if not depends_on_x(argument):
            return (None if _sign(constant(argument)) in allowed else Fraction(0)), True
        signs = _signs(argument)
    except NotPolynomial:
        return decide(argument, condition)[1:]
    points = zip(signs.points + signs.samples, signs.at_points + signs.at_samples, strict=True)
    failing = [point for point, sign in points if sign not in allowed]
    if not failing:
        return None, True
    nice = [point for point in NICE if _sign(value(argument, point)) not in allowed]
    return (nice[0] if nice else min(failing, key=abs)), True


@lru_cache(maxsize=256)
def _signs(argument: Expression) -> Signs:
    """Raises NotPolynomial unless the argument is a piecewise polynomial."""
    exact = {root: at(p, root) == 0 for p in pieces(argument) for root in real_roots(p)}
    for node in walk(argument):
        inner = _bending_argument(node)
        if inner is not None and depends_on_x(inner):
            exact |= dict.fromkeys(_special_points(node, inner) - set(exact), False)
    points, samples = sorted(exact), [Fraction(0)]
    if points:
        middles = [(a + b) / 2 for a, b in pairwise(points)]
        samples = [points[0] - 1, *middles, points[-1] + 1]
    at_points = []
    for k, point in enumerate(points):
        rounded = not exact[point] and any(
            point in real_roots(piece(argument, beside)) for beside in samples[k : k + 2]
        )
        at_points.append(0 if rounded else _sign(value(argument, point)))
    return Signs(points, at_points, samples, [_sign(value(argument, x)) for x in samples])


def _special_points(node: Expression, argument: Expression) -> set[Fraction]:
    signs = _signs(argument)
    assert isinstance(node, Call)
    return signs.crossings() if node.function in KINKED else signs.zeros() | signs.crossings()


def _bending_argument(node: Expression) -> Expression | None:
    """What changes sign, or vanishes, where the node bends."""
    match node:
        case Call("max" | "min", arguments):
            return Call("-", arguments)
        case Call("abs" | "sign" | "step" | "sqrt", (a,)):
            return a
        case Call("**", (a, Constant(value=p))) if p.denominator != 1:
            return a
    return None


def _check_given(
    node: Expression, argument: Expression, given: tuple[Fraction, ...] | None
) -> None:
    """Refuse an argument that may bend the function where no kink is given."""
    assert isinstance(node, Call)
    if decide(argument, "!= 0" if node.function in KINKED else "> 0").holds:
        return
    if given is None:
        raise DescriptionError(
            f"the kinks of {_shown(node)} must be given, for example kinks = [0], or [] if there "
            f"are none: they are found where the argument ({_shown(argument)}) is a polynomial in x"
        )
    kinks = np.array([float(kink) for kink in given])
    places = np.sort(np.concatenate([np.linspace(-10, 10, 2001), kinks]))
    bounds = enclose(argument, places, places)
    signs = bounds.positive.astype(int) - bounds.negative
    places, signs = places[signs != 0], signs[signs != 0]
    for k in np.flatnonzero(signs[1:] != signs[:-1]):
        lo, hi = places[k], places[k + 1]
        if not ((lo <= kinks) & (kinks <= hi)).any():
            raise DescriptionError(
                f"{_shown(argument)} changes sign near x = {(lo + hi) / 2:.4g}, which is not among "
                f"the kinks given for {_shown(node)}"
            )


def _distinct(exact: set[Fraction], given: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """Both, in increasing order, without those given that are rounded forms of an exact one."""
    kinks: list[Fraction] = []
    for kink in sorted(exact | set(given)):
        if kinks and _close(kinks[-1], kink, 28 if {kinks[-1], kink} <= exact else 12):
            if kink not in exact:
                continue
            kinks.pop()
        kinks.append(kink)
    return tuple(kinks)


def _close(a: Fraction, b: Fraction, digits: int) -> bool:
    return abs(a - b) * 10**digits <= max(1, abs(a))


def _shown(tree: Expression) -> str:
    text = str(tree)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _sign(number: Fraction) -> int:
    return (number > 0) - (number < 0)
