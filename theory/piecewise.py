"""Piecewise polynomials inside an expression, exactly: their pieces and their real roots."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product, zip_longest
from math import gcd, lcm

from theory.evaluation import evaluate_tree
from theory.expression import (
    VARIABLE,
    Call,
    Constant,
    Expression,
    Name,
    depends_on_x,
    fold,
)
from theory.mathematics import precise

Polynomial = tuple[Fraction, ...]  # the lowest coefficient first, the last not 0; () is zero

MAX_DEGREE, MAX_PIECES, MAX_BITS = 64, 64, 10_000
DIGITS = 30
LEVELS = {"sign": (-1, 0, 1), "step": (0, 1)}
VALUES: dict[str, Callable[..., Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "max": max,
    "min": min,
    "abs": abs,
    "sign": lambda y: Fraction((y > 0) - (y < 0)),
    "step": lambda y: Fraction(int(y >= 0)),
}


class NotPolynomial(Exception):
    """The expression is no piecewise polynomial in x (of moderate size)."""


def pieces(tree: Expression) -> set[Polynomial]:
    """Polynomials of which the function is one or another at every x; some may never be active.

    >>> from theory.expression import parse
    >>> sorted(pieces(parse("max(x, 1)")))
    [(Fraction(0, 1), Fraction(1, 1)), (Fraction(1, 1),)]
    """
    return _pieces(tree, None)


def piece(tree: Expression, x: Fraction) -> Polynomial:
    """The one polynomial that is active at x, where two are active one of them."""
    return next(iter(_pieces(tree, x)))


def value(tree: Expression, x: Fraction) -> Fraction:
    """The value of a piecewise polynomial at x, exactly."""
    match tree:
        case Constant(value=number):
            return number
        case Name(identifier=identifier) if identifier == VARIABLE:
            return x
        case Call("**", (base, Constant(value=p))) if p.denominator == 1:
            return value(base, x) ** p.numerator
        case Call(function, arguments) if function in VALUES:
            return VALUES[function](*(value(argument, x) for argument in arguments))
    return constant(tree)


def at(p: Polynomial, x: Fraction) -> Fraction:
    total = Fraction(0)
    for coefficient in reversed(p):
        total = total * x + coefficient
    return total


def _pieces(tree: Expression, x: Fraction | None) -> set[Polynomial]:
    match tree:
        case Constant(value=number):
            return {_polynomial([number])}
        case Name(identifier=identifier) if identifier == VARIABLE:
            return {(Fraction(0), Fraction(1))}
        case Call("**", (base, Constant(value=p))) if p.denominator == 1 and p >= 0:
            return {_power(piece, p.numerator) for piece in _pieces(base, x)}
        case Call(function, arguments) if function in VALUES:
            return _combined(function, [_pieces(argument, x) for argument in arguments], x)
    if depends_on_x(tree):
        raise NotPolynomial
    return {_polynomial([constant(tree)])}


def _combined(function: str, parts: list[set[Polynomial]], x: Fraction | None) -> set[Polynomial]:
    match function:
        case "+" | "-":
            sign = 1 if function == "+" else -1
            found = {_sum(a, b, sign) for a, b in product(*parts)}
        case "*":
            found = {_product(a, b) for a, b in product(*parts)}
        case "/" if all(len(b) == 1 for b in parts[1]):
            found = {_product(a, (1 / b[0],)) for a, b in product(*parts)}
        case "max" | "min" | "abs":
            negative = [{_product(p, (-1,)) for p in parts[0]}] if function == "abs" else []
            found = set.union(*parts, *negative)
            if x is not None:
                found = {(min if function == "min" else max)(found, key=lambda p: at(p, x))}
        case "sign" | "step":
            found = {_polynomial([Fraction(level)]) for level in LEVELS[function]}
            if x is not None:
                found = {_polynomial([VALUES[function](at(next(iter(parts[0])), x))])}
        case _:
            raise NotPolynomial
    if len(found) > MAX_PIECES:
        raise NotPolynomial
    return found


def _power(base: Polynomial, n: int) -> Polynomial:
    power: Polynomial = (Fraction(1),)
    for _ in range(n):
        power = _product(power, base)
    return power


def _sum(a: Polynomial, b: Polynomial, sign: int) -> Polynomial:
    return _polynomial([p + sign * q for p, q in zip_longest(a, b, fillvalue=Fraction(0))])


def _product(a: Polynomial, b: Iterable[Fraction | int]) -> Polynomial:
    b = tuple(b)
    if len(a) + len(b) > MAX_DEGREE + 2:
        raise NotPolynomial
    result = [Fraction(0)] * max(len(a) + len(b) - 1, 0)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            result[i + j] += p * q
    return _polynomial(result)


def _polynomial(coefficients: list[Fraction]) -> Polynomial:
    while coefficients and coefficients[-1] == 0:
        coefficients.pop()
    if any(c.numerator.bit_length() + c.denominator.bit_length() > MAX_BITS for c in coefficients):
        raise NotPolynomial
    return tuple(coefficients)


@lru_cache(maxsize=1024)
def constant(tree: Expression) -> Fraction:
    """The value of an expression without x: exact if it is rational arithmetic, else 60 digits."""
    folded = fold(tree)
    if folded is not None:
        return folded
    m = precise(60)
    number = evaluate_tree(tree, m.number(0))
    if not m.context.isfinite(number) or m.context.im(number) != 0:
        raise NotPolynomial
    if number != 0 and abs(m.context.mag(number)) > 1000:
        raise NotPolynomial
    sign, mantissa, power, _ = number._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** power


@lru_cache(maxsize=1024)
def real_roots(p: Polynomial) -> tuple[Fraction, ...]:
    r"""The distinct real roots, in increasing order: exact if rational, else to 30 digits.

    By Sturm's theorem and bisection on the part without multiple roots, in whole numbers; none for
    the zero polynomial.

    >>> real_roots((Fraction(-2), Fraction(0), Fraction(1)))[1] ** 2 - 2 < Fraction(1, 10**29)
    True
    """
    if len(p) < 2:
        return ()
    low = next(k for k, c in enumerate(p) if c)
    f = _whole(p[low:])
    f = _quotient(f, _common_divisor(f, _derivative(f)))
    match f:
        case [_]:
            found = []
        case [b, a]:
            found = [Fraction(-b, a) if abs(a) < 10**40 else _rounded(Fraction(-b, a))]
        case _:
            found = [_refine(f, *interval) for interval in _isolate(f)]
    return tuple(sorted(found + [Fraction(0)] * (low > 0)))


def _whole(p: Iterable[Fraction]) -> list[int]:
    """The coefficients times a positive number: whole, without a common divisor."""
    p = list(p)
    scale = lcm(*(c.denominator for c in p))
    whole = [int(c * scale) for c in p]
    return [c // gcd(*whole) for c in whole]


def _derivative(f: list[int]) -> list[int]:
    return [k * c for k, c in enumerate(f)][1:]


def _remainder(f: list[int], g: list[int]) -> list[int]:
    """A positive multiple of the remainder of f by g; [] if g divides f."""
    f, sign = list(f), 1 if g[-1] > 0 else -1
    while len(f) >= len(g):
        top, shift = f.pop(), len(f) + 1 - len(g)
        f = [sign * g[-1] * c for c in f]
        for k, c in enumerate(g[:-1]):
            f[shift + k] -= sign * top * c
        while f and f[-1] == 0:
            f.pop()
    divisor = gcd(*f) or 1
    return [c // divisor for c in f]


def _common_divisor(f: list[int], g: list[int]) -> list[int]:
    while g:
        f, g = g, _remainder(f, g)
    return f


def _quotient(f: list[int], g: list[int]) -> list[int]:
    rest, result = [Fraction(c) for c in f], [Fraction(0)] * (len(f) - len(g) + 1)
    for shift in reversed(range(len(result))):
        result[shift] = rest.pop() / g[-1]
        for k, c in enumerate(g[:-1]):
            rest[shift + k] -= result[shift] * c
    return _whole(result)


def _sign(f: list[int], x: Fraction) -> int:
    total, scale = 0, 1
    for c in reversed(f):
        total, scale = total * x.numerator + c * scale, scale * x.denominator
    return (total > 0) - (total < 0)


def _isolate(f: list[int]) -> list[tuple[Fraction, Fraction]]:
    """Intervals (lo, hi], each with one root of f, which has neither multiple roots nor 0."""
    chain = [f, _derivative(f)]
    while rest := _remainder(chain[-2], chain[-1]):
        chain.append([-c for c in rest])

    def changes(x: Fraction) -> int:
        signs = [s for s in (_sign(g, x) for g in chain) if s]
        return sum(a != b for a, b in pairwise(signs))

    excess = (c.bit_length() + 1 - f[-1].bit_length() for c in f[-2::-1])
    bound = Fraction(2) ** (2 + max(bits // k for k, bits in enumerate(excess, start=1)))
    points = (-bound, Fraction(0), bound)
    waiting = [(a, b, changes(a), changes(b)) for a, b in pairwise(points)]
    found = []
    while waiting:
        lo, hi, before, after = waiting.pop()
        if before - after == 1:
            found.append((lo, hi))
        elif before > after:
            middle = (lo + hi) / 2
            between = changes(middle)
            waiting += [(lo, middle, before, between), (middle, hi, between, after)]
    return found


def _refine(f: list[int], lo: Fraction, hi: Fraction) -> Fraction:
    """The one root in (lo, hi]: a whole number over f's first coefficient if it is rational."""
    lead = abs(f[-1])
    fine = Fraction(1, 10 ** (DIGITS + 5))
    end = _sign(f, hi)
    if end == 0:
        return hi
    while (hi - lo) > fine * abs(hi) or ((hi - lo) * lead > Fraction(1, 2) and lead < 2**400):
        middle = (lo + hi) / 2
        if (sign := _sign(f, middle)) == 0:
            return middle
        lo, hi = (lo, middle) if sign == end else (middle, hi)
    candidate = Fraction(round(hi * lead), lead)
    return candidate if lo < candidate <= hi and _sign(f, candidate) == 0 else _rounded(hi)


def _rounded(x: Fraction) -> Fraction:
    return Fraction(Context(prec=DIGITS).divide(Decimal(x.numerator), Decimal(x.denominator)))
