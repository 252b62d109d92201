"""Activations whose expression is made from their parameters: polynomials and broken lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from theory.errors import DescriptionError
from theory.expression import VARIABLE, Call, Constant, Expression, Name, exact
from theory.validation import Number

X = Name(VARIABLE)
LARGEST_HERMITE = 57  # the longest that the grammar reads
ZERO, MINUS_ONE = Constant(Fraction(0)), Constant(Fraction(-1))


class Shape(NamedTuple):
    """What an activation is, once its parameters are known; ``settled`` replaces some of them."""

    expression: str
    kinks: tuple[Number, ...] = ()
    jumps: tuple[Number, ...] = ()
    settled: Mapping[str, tuple[Number, ...]] = MappingProxyType({})


def relu_power(n: int) -> Shape:
    return Shape(f"max(x, 0)**{n}", kinks=(0,))


def monomial(n: int) -> Shape:
    return Shape(f"x**{n}")


def polynomial(coefficients: Iterable[Number]) -> Shape:
    """The lowest coefficient comes first.

    >>> polynomial((0, -1, 0, 0.5)).expression
    '0.5*x**3 - x'
    """
    powers = enumerate(map(exact, coefficients))
    return Shape(_sum([(c, _power(k)) for k, c in powers][::-1]))


def hermite(n: int) -> Shape:
    r"""He_n, by :math:`He_{k+1} = x\,He_k - k\,He_{k-1}`.

    >>> hermite(4).expression
    'x**4 - 6*x**2 + 3'
    """
    if n > LARGEST_HERMITE:
        raise DescriptionError(f"hermite.n must be at most {LARGEST_HERMITE}, {n} given")
    before, now = [0] * (n + 1), [1] + [0] * n
    for k in range(n):
        before, now = now, [a - k * b for a, b in zip([0, *now[:-1]], before, strict=True)]
    return polynomial(now)


def piecewise_linear(
    kinks: tuple[Number, ...],
    slopes: tuple[Number, ...],
    jumps: tuple[Number, ...],
    value: Number,
) -> Shape:
    """One slope more than kinks, a jump at each kink (or none at all), and phi(0).

    Each piece adds its slope times the part of the way from 0 to x inside it, so nothing cancels
    far from 0. At a jump the function is continuous from the right.

    >>> piecewise_linear((-1, 1), (0, 1, 0), (), 0).expression
    'min(max(x, -1), 1)'
    """
    if len(slopes) != len(kinks) + 1:
        raise DescriptionError(
            f"piecewise_linear.slopes must be {len(kinks) + 1} numbers, one more than kinks, "
            f"{len(slopes)} given"
        )
    if jumps and len(jumps) != len(kinks):
        raise DescriptionError(
            f"piecewise_linear.jumps must be {len(kinks)} numbers, one for each kink, "
            f"{len(jumps)} given"
        )
    jumps = jumps or (0,) * len(kinks)
    places, rises = [exact(t) for t in kinks], [exact(j) for j in jumps]
    if any(before >= after for before, after in pairwise(places)):
        raise DescriptionError(f"piecewise_linear.kinks must increase, {list(kinks)} given")
    ends = [None, *places, None]
    ways = [(exact(slope), _way(*ends[k : k + 2])) for k, slope in enumerate(slopes)]
    steps = [(rise, _step(place)) for place, rise in zip(places, rises, strict=True)]
    bent = zip(places, pairwise(map(exact, slopes)), rises, strict=True)
    return Shape(
        _sum([(exact(value), None), *ways, *steps]),
        kinks=tuple(place for place, (left, right), rise in bent if left != right or rise),
        jumps=tuple(place for place, rise in zip(places, rises, strict=True) if rise),
        settled={"jumps": jumps},
    )


def _power(k: int) -> Expression | None:
    return (None, X)[k] if k < 2 else Call("**", (X, Constant(Fraction(k))))


def _way(start: Fraction | None, end: Fraction | None) -> Expression:
    """How much of the way from 0 to x lies between start and end, None for no bound."""
    if start is not None and start > 0:
        return _clipped(_minus(start), Fraction(0), end and end - start)
    if end is not None and end < 0:
        return _clipped(_minus(end), start and start - end, Fraction(0))
    return _clipped(X, start, end)


def _clipped(tree: Expression, least: Fraction | None, most: Fraction | None) -> Expression:
    if least is not None:
        tree = Call("max", (tree, Constant(least)))
    return tree if most is None else Call("min", (tree, Constant(most)))


def _step(place: Fraction) -> Expression:
    """0 at 0, and 1 more right of the place than left of it."""
    if place > 0:
        return Call("step", (_minus(place),))
    return Call("min", (Call("sign", (_minus(place),)), ZERO))


def _minus(place: Fraction) -> Expression:
    if place == 0:
        return X
    return Call("-" if place > 0 else "+", (X, Constant(abs(place))))


def _sum(terms: Iterable[tuple[Fraction, Expression | None]]) -> str:
    """The sum of coefficients times functions; None stands for 1."""
    total: Expression | None = None
    for coefficient, function in terms:
        if coefficient == 0:
            continue
        size = abs(coefficient)
        term: Expression = Constant(size)
        if function is not None:
            term = function if size == 1 else Call("*", (term, function))
        if total is not None:
            total = Call("+" if coefficient > 0 else "-", (total, term))
        elif coefficient > 0:
            total = term
        elif function is None:
            total = Constant(coefficient)
        else:
            total = Call("*", (MINUS_ONE if size == 1 else Constant(coefficient), function))
    return str(total or ZERO)
