"""Whether two objects are equal: first in numbers, then exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from derivations.proof.operations import Trace
from derivations.proof.words import reduced
from theory.symbols import GLOSSARY, Term

DIGITS, AGREEMENT = 30, mpmath.mpf("1e-20")
POINTS = 2
OPAQUE = (AppliedUndef, sp.Sum, sp.Indexed, sp.KroneckerDelta, Trace)
Rules = tuple[tuple[sp.Basic, sp.Basic], ...]


@lru_cache(maxsize=4096)
def objection(outcome: sp.Basic, stated: sp.Basic, rules: Rules) -> str | None:
    """Why two objects are not equal, or None where they are: numbers first, then exactly."""
    if isinstance(outcome, sp.Tuple) != isinstance(stated, sp.Tuple):
        return f"{outcome} is stated to be {stated}: a pair is no number"
    if isinstance(outcome, sp.Tuple):
        if len(outcome) != len(stated):
            return f"{len(outcome)} components, {len(stated)} stated"
        parts = (objection(a, b, rules) for a, b in zip(outcome, stated, strict=True))
        return next((part for part in parts if part), None)
    if outcome == stated and not stated.has(sp.zoo, sp.nan):
        return None
    plain = {old: new for old, new in rules if is_plain(old)}
    outcome, stated = outcome.xreplace(plain), stated.xreplace(plain)
    failure = _objection_in_numbers(outcome, stated)
    if failure:
        return failure
    rest = _simplified(_evaluated(outcome, rules) - _evaluated(stated, rules))
    if rest == 0:
        return None
    return f"{outcome} is stated to be {stated}; could not simplify the difference to 0: {rest}"


def is_plain(pattern: sp.Basic) -> bool:
    """Whether a rule for this left side is a replacement, and no product of letters and no sum."""
    return pattern.is_commutative and not pattern.has(sp.Sum, Trace)


def _objection_in_numbers(outcome: sp.Basic, stated: sp.Basic) -> str | None:
    """Evaluate both sides at rational points of the domain, where they are numbers."""
    if any(not side.is_commutative or side.has(*OPAQUE) for side in (outcome, stated)):
        return None
    sides = [side.doit(integrals=False) for side in (outcome, stated)]
    for point in rational_points(sp.Tuple(*sides)):
        left, right = (number(side, point) for side in sides)
        if not abs(left - right) <= AGREEMENT * (1 + abs(right)):
            where = ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
            return (
                f"{outcome} is stated to be {stated}, but at {where or 'every point'} they are "
                f"{mpmath.nstr(left, 12)} and {mpmath.nstr(right, 12)}"
            )
    return None


def rational_points(expression: sp.Basic) -> Iterator[dict[sp.Symbol, sp.Rational]]:
    """Points of the domains in the glossary, for all free symbols."""
    symbols = sorted(expression.free_symbols, key=str)
    for seed in range(POINTS):
        numbers, point = random.Random(seed), {}
        for symbol in symbols:
            low, high = GLOSSARY.get(symbol, Term("", "", "")).between
            inside = low + sp.Rational(numbers.randint(1, 96), 97) * (high - low)
            point[symbol] = sp.floor(inside) if symbol.is_integer else inside
        yield point


def number(side: sp.Basic, point: Mapping[sp.Symbol, sp.Rational]) -> Any:
    """The value of an expression there, not a number where mpmath has none."""
    if side.has(sp.zoo, sp.nan):
        return mpmath.nan
    with mpmath.workdps(DIGITS + 5):
        values = [mpmath.mpf(int(value.p)) / int(value.q) for value in point.values()]
        try:
            return mpmath.mpmathify(sp.lambdify(list(point), side, "mpmath")(*values))
        except (ZeroDivisionError, NameError):
            return mpmath.nan


def _evaluated(expression: sp.Basic, rules: Rules) -> sp.Basic:
    """Derivatives, integrals, sums and products of letters carried out under the rules.

    An integral over undefined functions stays, and is then compared under the integral sign.
    """
    if expression.has(sp.Sum):
        sums = {old: new for old, new in rules if old.has(sp.Sum)}
        expression = expression.replace(_is_sum, summed).xreplace(sums)
    if expression.has(sp.Derivative, sp.Subs, sp.Integral):
        expression = expression.doit(integrals=not expression.has(AppliedUndef))
    if not expression.is_commutative or expression.has(Trace):
        products = {old: new for old, new in rules if not is_plain(old)}
        expression = reduced(expression, products)
    return expression.replace(_is_integral, _under_the_sign)


def _is_sum(expression: sp.Basic) -> bool:
    return isinstance(expression, sp.Sum)


def _is_integral(expression: sp.Basic) -> bool:
    return isinstance(expression, sp.Integral)


def _under_the_sign(integral: sp.Integral) -> sp.Basic:
    return integral.function.doit() * sp.Symbol(f"integral over {integral.limits}")


def summed(total: sp.Sum) -> sp.Basic:
    """A sum term by term: what does not depend on the index stands outside."""
    value = total.function
    for limit in total.limits:
        terms = []
        for term in sp.Add.make_args(sp.expand(value)):
            constant, dependent = term.as_independent(limit[0], as_Add=False)
            part = sp.Sum(dependent, limit)
            deltas = dependent.atoms(sp.KroneckerDelta)
            if any(delta.delta_range != limit[1:] for delta in deltas):
                raise ValueError(f"{dependent} is summed over {limit}, not over the range of delta")
            known = deltas or dependent == 1 or limit[2].is_Integer
            terms.append(constant * (part.doit() if known else part))
        value = sp.Add(*terms)
    return value


def _simplified(difference: sp.Basic) -> sp.Basic:
    """0 if the difference is seen to vanish in some form, else what is left of it."""
    rest = _as_function_of_symbols(difference)
    if any(not abs(number(rest, point)) <= AGREEMENT for point in rational_points(rest)):
        return rest
    for form in FORMS:
        if form(rest) == 0:
            return sp.S.Zero
    return rest


def _as_function_of_symbols(expression: sp.Basic) -> sp.Basic:
    """Every word and every sum, array and undefined function under a symbol of its own."""
    if not expression.is_commutative:
        parts = (term.args_cnc() for term in sp.Add.make_args(sp.expand(expression)))
        expression = sp.Add(
            *(sp.Mul(*factors) * sp.Symbol(f"<{sp.Mul(*word)}>") for factors, word in parts)
        )
    return expression.xreplace(
        {e: sp.Symbol(f"<{e}>", real=True) for e in expression.atoms(sp.Derivative, *OPAQUE)}
    )


def _split_roots(expression: sp.Basic) -> sp.Basic:
    """Roots of products of positive factors as products of roots."""

    def is_root(e: sp.Basic) -> bool:
        return isinstance(e, sp.Pow) and e.exp.is_Rational and not e.exp.is_Integer

    return sp.expand(expression.replace(is_root, lambda e: sp.factor(e.base) ** e.exp))


FORMS = (
    sp.expand,
    lambda e: sp.expand(e.rewrite(sp.asin)),
    _split_roots,
    lambda e: sp.expand(sp.together(e).as_numer_denom()[0]),
    lambda e: sp.expand(sp.expand(e).rewrite(sp.exp)),
    lambda e: sp.simplify(sp.gammasimp(e)),
    lambda e: sp.simplify(e.rewrite(sp.asin)),
)
