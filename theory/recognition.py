r"""Closed forms of a user's own activation, recognized in its expression.

Three classes: a function of the catalogue as a whole, up to an affine map a phi(x) + b; piecewise
linear functions; sums of :math:`P(x)\,e^{-px^2/2 + tx}` times sines and cosines of linear
arguments. What is recognized is exact, and where terms cancel it is done with more digits
(``theory.conditioning``); everything else is left to quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from fractions import Fraction
from functools import cache, reduce
from itertools import pairwise, product
from typing import Any, NamedTuple

from theory import piecewise
from theory.activations import ACTIVATIONS, Activation
from theory.conditioning import conditioned
from theory.expression import MAX_EXPONENT, Call, Constant, Expression, Name, fold
from theory.families.exponential import Term, exponential_kernel
from theory.families.kernel import Kernel
from theory.families.piecewise_linear import Pieces, pieces_kernel
from theory.mathematics import FLOATS, Number, of
from theory.piecewise import NotPolynomial

MOST_WAVES = 32
BINARY = ("+", "-", "*", "/")
PHASE = ("omega", "phase", "quarters")


class Affine(NamedTuple):
    """factor * inner + offset."""

    inner: Expression
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


class Wave(NamedTuple):
    r"""P(x) exp(-p x^2/2 + t x) cos(omega x + phase - quarters pi/2), all numbers rational."""

    coefficients: tuple[Fraction, ...]
    p: Fraction = Fraction(0)
    t: Fraction = Fraction(0)
    omega: Fraction = Fraction(0)
    phase: Fraction = Fraction(0)
    quarters: int = 0


class NoWave(Exception):
    """The expression is no sum of waves (of moderate size)."""


def catalogue_member(tree: Expression) -> tuple[Activation, Affine] | None:
    """The catalogue's activation of which this is an affine multiple.

    >>> from theory.expression import parse
    >>> found, affine = catalogue_member(parse("1 - 2*tanh(x)"))
    >>> found.name, str(affine.factor), str(affine.offset)
    ('tanh', '-2', '1')
    """
    affine = _peeled(Affine(tree))
    for candidate in (Affine(tree), affine):
        if (power := _hinge_power(candidate.inner)) is not None:
            return Activation.named("relu_power", n=power), candidate
    for template in ACTIVATIONS.values():
        if template.expression is None:
            continue
        names = tuple(dict(template.parameters)) + tuple(dict(template.needs))
        for candidate in (Affine(tree), affine):
            values: dict[str, Fraction] = {}
            pattern = _opened(template.example.tree, names)
            if _unify(pattern, candidate.inner, names, values):
                return Activation.named(template.name, **values), candidate
    return None


def _hinge_power(tree: Expression) -> int | None:
    """n, where the expression is that of relu_power(n)."""
    match tree:
        case Call("**", (_, Constant(value=n))) if n.denominator == 1 and 1 <= n <= MAX_EXPONENT:
            return int(n) if Activation.named("relu_power", n=int(n)).tree == tree else None
    return None


def _peeled(affine: Affine) -> Affine:
    """The same function with constant factors and offsets taken out of the inner expression."""
    inner, factor, offset = affine
    if not isinstance(inner, Call) or inner.function not in BINARY:
        return affine
    a, b = inner.arguments
    left, right = fold(a), fold(b)
    match inner.function:
        case "+" if left is not None:
            return _peeled(Affine(b, factor, offset + factor * left))
        case "+" | "-" if right is not None:
            sign = 1 if inner.function == "+" else -1
            return _peeled(Affine(a, factor, offset + sign * factor * right))
        case "-" if left is not None:
            return _peeled(Affine(b, -factor, offset + factor * left))
        case "*" if left is not None:
            return _peeled(Affine(b, factor * left, offset))
        case "*" if right is not None:
            return _peeled(Affine(a, factor * right, offset))
        case "/" if right:
            return _peeled(Affine(a, factor / right, offset))
    return affine


def _unify(
    pattern: Expression, tree: Expression, names: tuple[str, ...], values: dict[str, Fraction]
) -> bool:
    """Whether the tree is the pattern with numbers in place of its names, which are collected."""
    line = _line(pattern, names)
    if line is not None:
        try:
            offset, slope, _ = _polynomial(tree, 1)
        except NoWave:
            return False
        values |= {line[0]: slope} | ({} if line[1] is None else {line[1]: offset})
        return slope != 0 and (line[1] is not None or offset == 0)
    match pattern:
        case Name(identifier=identifier) if identifier in names:
            number = fold(tree)
            return number is not None and values.setdefault(identifier, number) == number
        case Call(function=function, arguments=arguments):
            return (
                isinstance(tree, Call)
                and tree.function == function
                and all(
                    _unify(inner, outer, names, values)
                    for inner, outer in zip(arguments, tree.arguments, strict=True)
                )
            )
    return pattern == tree


def _opened(pattern: Expression, names: tuple[str, ...]) -> Expression:
    """The pattern without an open offset and an open factor: those are the affine map's."""
    match pattern:
        case Call("+", (Name(offset), inner)) if offset in names:
            return _opened(inner, names)
        case Call("*", (Name(factor), Call() as inner)) if factor in names:
            return _opened(inner, names)
    return pattern


def _line(pattern: Expression, names: tuple[str, ...]) -> tuple[str, str | None] | None:
    """The names of slope and offset, where the pattern is a line with open coefficients."""
    match pattern:
        case Call("*", (Name(slope), Name("x"))) if slope in names:
            return slope, None
        case Call("+", (Call("*", (Name(slope), Name("x"))), Name(offset))) if slope in names:
            return slope, offset
    return None


def affine_kernel(kernel: Kernel, factor: Fraction, offset: Fraction) -> Kernel:
    r"""The kernel of :math:`a\varphi(x) + b` from that of :math:`\varphi`."""
    if (factor, offset) == (1, 0):
        return kernel

    def numbers(law: Any) -> tuple[Number, Number]:
        m = of(*law)
        return m.number(factor), m.number(offset)

    def mean(law: Any) -> Number:
        a, b = numbers(law)
        return a * kernel.mean(law) + b

    def second(law: Any) -> Number:
        a, b = numbers(law)
        return a**2 * kernel.second(law) + 2 * a * b * kernel.mean(law) + b**2

    def dual(pair: Any) -> Number:
        a, b = numbers(pair)
        means = kernel.mean(pair.u) + kernel.mean(pair.v)
        return a**2 * kernel.dual(pair) + a * b * means + b**2

    def scaled(integral: Callable[..., Number] | None, power: int) -> Any:
        if integral is None:
            return None
        return lambda law: numbers(law)[0] ** power * integral(law)

    def size(law: Any) -> Number:
        a, b = numbers(law)
        return 2 * (a**2 * kernel.second(law) + b**2)

    whole = Kernel(
        mean,
        scaled(kernel.derivative_mean, 1),
        second,
        scaled(kernel.derivative_second, 2),
        dual,
        scaled(kernel.derivative_dual, 2),
        scaled(kernel.gap, 2),
        scaled(kernel.derivative_gap, 2),
    )
    return conditioned(whole, size, None) if offset else whole


def linear_pieces(activation: Activation) -> Pieces | None:
    """Kinks, slopes, jumps and the value at 0, where every piece is linear.

    >>> linear_pieces(Activation.from_expression("max(x, 0) - max(x - 2, 0)")).slopes
    (Fraction(0, 1), Fraction(1, 1), Fraction(0, 1))
    """
    tree = activation.tree
    try:
        if any(len(polynomial) > 2 for polynomial in piecewise.pieces(tree)):
            return None
        kinks = [Fraction(kink) for kink in activation.kinks]
        inner = [(low + high) / 2 for low, high in pairwise(kinks)]
        points = [kinks[0] - 1, *inner, kinks[-1] + 1] if kinks else [Fraction(0)]
        lines = [(*piecewise.piece(tree, point), Fraction(0), Fraction(0))[:2] for point in points]
        value = piecewise.value(tree, Fraction(0))
    except NotPolynomial:
        return None
    jumps = tuple(
        (after[0] - before[0]) + (after[1] - before[1]) * kink
        for kink, before, after in zip(kinks, lines, lines[1:], strict=False)
    )
    if 0 in kinks and jumps[kinks.index(Fraction(0))]:
        value = lines[kinks.index(Fraction(0)) + 1][0]
    return Pieces(tuple(kinks), tuple(line[1] for line in lines), jumps, value)


def waves(tree: Expression) -> tuple[Wave, ...]:
    """The terms of a sum of waves; raises ``NoWave`` for any other function.

    >>> from theory.expression import parse
    >>> [str(wave.p) for wave in waves(parse("x*exp(-x**2)*cos(3*x)"))]
    ['2']
    """
    number = fold(tree)
    if number is not None:
        return (Wave((number,)),) if number else ()
    match tree:
        case Constant(value=value):
            return (Wave((value,)),)
        case Name():
            return (Wave((Fraction(0), Fraction(1))),)
        case Call(function="+" | "-" as sign, arguments=(a, b)):
            right = waves(b) if sign == "+" else _scaled(waves(b), Fraction(-1))
            return _limited((*waves(a), *right))
        case Call(function="*", arguments=(a, b)):
            return _product(waves(a), waves(b))
        case Call(function="/", arguments=(a, b)) if divisor := fold(b):
            return _scaled(waves(a), 1 / divisor)
        case Call(function="**", arguments=(a, b)):
            power = fold(b)
            if power is None or power.denominator != 1 or power < 0:
                raise NoWave
            return reduce(_product, [waves(a)] * int(power), (Wave((Fraction(1),)),))
        case Call(function="exp", arguments=(a,)):
            constant, t, half = _polynomial(a, 2)
            if constant:
                raise NoWave
            return (Wave((Fraction(1),), p=-2 * half, t=t),)
        case Call(function="sin" | "cos" as wave, arguments=(a,)):
            phase, omega, _ = _polynomial(a, 1)
            return (Wave((Fraction(1),), omega=omega, phase=phase, quarters=int(wave == "sin")),)
    raise NoWave


def _polynomial(tree: Expression, degree: int) -> tuple[Fraction, Fraction, Fraction]:
    try:
        found = piecewise.pieces(tree)
    except NotPolynomial:
        raise NoWave from None
    if len(found) != 1 or len(only := next(iter(found))) > degree + 1:
        raise NoWave
    constant, linear, square, *_ = (*only, *[Fraction(0)] * 3)
    return constant, linear, square


def _limited(terms: Iterable[Wave]) -> tuple[Wave, ...]:
    found = tuple(terms)
    if len(found) > MOST_WAVES or any(len(wave.coefficients) > 65 for wave in found):
        raise NoWave
    return found


def _scaled(terms: Iterable[Wave], factor: Fraction) -> tuple[Wave, ...]:
    return tuple(
        wave._replace(coefficients=tuple(factor * c for c in wave.coefficients)) for wave in terms
    )


def _product(left: tuple[Wave, ...], right: tuple[Wave, ...]) -> tuple[Wave, ...]:
    return _limited(wave for a, b in product(left, right) for wave in _multiplied(a, b))


def _multiplied(a: Wave, b: Wave) -> tuple[Wave, ...]:
    """cos(A) cos(B) = (cos(A + B) + cos(A - B))/2."""
    coefficients = [Fraction(0)] * (len(a.coefficients) + len(b.coefficients) - 1)
    for i, p in enumerate(a.coefficients):
        for j, q in enumerate(b.coefficients):
            coefficients[i + j] += p * q
    joint = Wave(tuple(coefficients), a.p + b.p, a.t + b.t)
    flat = Wave(())[3:]
    if flat in (a[3:], b[3:]):
        return (joint._replace(**{name: getattr(a, name) + getattr(b, name) for name in PHASE}),)
    halved = _scaled((joint,), Fraction(1, 2))[0]
    return tuple(
        halved._replace(**{name: getattr(a, name) + s * getattr(b, name) for name in PHASE})
        for s in (1, -1)
    )


def _waves_in(m: Any, terms: tuple[Wave, ...]) -> Kernel:
    return exponential_kernel(
        [
            Term(
                tuple(m.number(c) for c in wave.coefficients),
                m.number(wave.p),
                m.number(wave.t),
                m.number(wave.omega),
                m.number(wave.phase) - wave.quarters * m.pi / 2,
            )
            for wave in terms
        ]
    )


def waves_kernel(terms: tuple[Wave, ...]) -> Kernel:
    """The kernel of a sum of waves, accurate where they cancel."""
    kernel = by_system(lambda m: _waves_in(m, terms))
    slopes = tuple(_steepest(wave) for wave in terms)
    return conditioned(kernel, _size(terms), _size(slopes))


def _size(terms: tuple[Wave, ...]) -> Callable[[Any], Number]:
    r"""A bound of :math:`(\sum_i \sqrt{E t_i(u)^2})^2` over the monomials of all waves.

    Those of even order and those of odd order are each of one sign, and their squares are taken
    from :math:`E P(x)^2 + E P(-x)^2`, the coefficients of P made positive.
    """
    several = max(len(wave.coefficients) for wave in terms) * len(terms)

    @cache
    def kernels(m: Any) -> list[Kernel]:
        return [
            exponential_kernel(
                [Term(tuple(s**i * m.number(c) for i, c in enumerate(sizes)), *map(m.number, rest))]
            )
            for wave in terms
            for sizes, rest in [([abs(c) for c in wave.coefficients], (wave.p, wave.t))]
            for s in (1, -1)
        ]

    return lambda law: several * sum(kernel.second(law) for kernel in kernels(of(*law)))


def _steepest(wave: Wave) -> Wave:
    """A wave whose coefficients bound those of the derivative."""
    sizes = [Fraction(0), *(abs(c) for c in wave.coefficients), Fraction(0), Fraction(0)]
    rate = abs(wave.t) + abs(wave.omega)
    slopes = [
        k * sizes[k + 1] + rate * sizes[k] + abs(wave.p) * sizes[k - 1]
        for k in range(1, len(sizes) - 1)
    ]
    return wave._replace(coefficients=tuple(slopes))


def _pieces_in(m: Any, pieces: Pieces) -> Kernel:
    kinks, slopes, jumps = (tuple(map(m.number, part)) for part in pieces[:3])
    numbers = Pieces(kinks, slopes, jumps, m.number(pieces.value))
    return pieces_kernel(lambda: numbers)


def by_system(make: Callable[[Any], Kernel]) -> Kernel:
    """A kernel whose numbers depend on the number system in which it is asked."""
    in_system = cache(make)

    def integral(name: str) -> Callable[..., Number]:
        return lambda law: getattr(in_system(of(*law)), name)(law)

    known = in_system(FLOATS)
    names = [field.name for field in fields(Kernel) if getattr(known, field.name) is not None]
    return Kernel(**{name: integral(name) for name in names})


@cache
def recognized(
    activation: Activation, catalogue: Callable[[Activation], Kernel | None]
) -> Kernel | None:
    """The closed kernel of an activation outside the catalogue, None where there is none.

    ``catalogue`` gives the kernel of a catalogue member.
    """
    if activation.parameters:
        return None
    member = catalogue_member(activation.tree)
    if member is not None:
        kernel = catalogue(member[0])
        return None if kernel is None else affine_kernel(kernel, *member[1][1:])
    pieces = linear_pieces(activation)
    if pieces is not None:
        return by_system(lambda m: _pieces_in(m, pieces))
    try:
        terms = waves(activation.tree)
    except NoWave:
        return None
    return waves_kernel(terms) if terms else None
