r"""Certified enclosures of the Gaussian integrals: each number in a ball that contains it.

The formulas of ``theory.families`` are evaluated in balls (``theory.balls``), whose radius bounds
every rounding; integrals in them are enclosed by python-flint's integration, those of the logistic
family by the trapezoid rule with a bound (``theory.families.strip``). The working precision grows
until the radius is as small as asked for.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil, log, log2, log10
from typing import Any, NamedTuple

from theory.activations import Activation
from theory.balls import Balls, NotCertified, Undecided, balls
from theory.errors import OutOfRegime
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel
from theory.pair import Given, Law, Pair
from theory.quantity import MIXTURES, QUANTITIES, Quantity

WRITTEN_OUT, TINIEST = 400, 5e-324
SPARE_BITS, SPARE_FIGURES, MOST_TIMES = 8, 4, 16
NO_BOUND = "not certified: its quadrature has an estimated error, not a bound"
NO_END = "not certified: the radius does not become small enough at any precision in reach"


class Enclosure(NamedTuple):
    """The true number differs from ``mid`` by at most ``radius``; both are exact decimals."""

    mid: str
    radius: str


def certified_integrals(
    activation: Activation, given: Given, digits: int = 15
) -> dict[str, Quantity]:
    r"""The integrals of ``theory.gaussian.QUANTITIES``, each value an ``Enclosure``.

    The numbers given are taken exactly. A radius is at most :math:`10^{-\text{digits}}` times
    :math:`\sqrt{E\varphi(u)^2\,E\varphi(v)^2}`, and times the size of the integral's own kind: the
    same root for :math:`\varphi'` where it exists, for a mean :math:`\sqrt{E\varphi(u)^2}`. The
    value is None where the integral does not exist or has no enclosure; the reason says which.

    Raises ``DescriptionError`` without python-flint.

    >>> found = certified_integrals(Activation.named("relu"), Given.at(1, c="0.5"))
    >>> found["derivative_dual"].value.mid[:17]
    '0.333333333333333'
    """
    first = bits = ceil(digits * log2(10)) + SPARE_BITS
    balls(first)
    kernel = closed_kernel(activation)
    if kernel is None:
        return {name: Quantity(None, None, "quadrature", NO_BOUND) for name in QUANTITIES}
    method = "bounded trapezoid rule" if activation.name in MIXTURES else "closed form"
    while True:
        m = balls(bits)
        with m.working():
            answers = _answers(m, kernel, given.pair(m), digits)
        missing = max((x for x in answers.values() if isinstance(x, int)), default=0)
        if not missing or bits + missing > MOST_TIMES * first:
            return {name: _quantity(answer, method) for name, answer in answers.items()}
        bits += missing


Answer = Enclosure | int | Exception  # the ball, how many bits are missing, or why there is none


def _answers(m: Balls, kernel: Kernel, pair: Pair, digits: int) -> dict[str, Answer]:
    values = {
        name: _value(kernel, inner, pair if name.endswith("dual") else pair.u)
        for name, inner in QUANTITIES.items()
    }
    alike = pair.a is pair.b and pair.m1 is pair.m2
    own, slope = values["second_moment"], values["derivative_second_moment"]
    other, other_slope = (
        (own, slope)
        if alike
        else (_value(kernel, name, pair.v) for name in ("second", "derivative_second"))
    )
    both, both_slopes = _root(m, own, other), _root(m, slope, other_slope)
    sizes = {
        "mean": (both, _root(m, own, 1)),
        "second_moment": (both, own),
        "derivative_mean": (both, _root(m, slope, 1)),
        "derivative_second_moment": (both, slope),
        "dual": (both,),
        "derivative_dual": (both, both_slopes),
    }
    return {name: _enclosure(m, x, sizes[name], digits) for name, x in values.items()}


def _value(kernel: Kernel, name: str, where: Law | Pair) -> Any:
    try:
        return getattr(kernel, name)(where)
    except ZeroDivisionError:
        return NotCertified("the formula has only a limit here")
    except (Undecided, NotCertified, OutOfRegime) as problem:
        return problem


def _root(m: Balls, one: Any, other: Any) -> Any:
    """The root of a product, or the problem with a factor."""
    for factor in (one, other):
        if isinstance(factor, Exception):
            return factor
    return m.sqrt(one * other)


def _enclosure(m: Balls, value: Any, sizes: tuple[Any, ...], digits: int) -> Answer:
    """The ball as decimals if it is small enough."""
    if isinstance(value, Undecided):
        return m.bits
    if isinstance(value, Exception):
        return value
    for size in sizes:
        if isinstance(size, Undecided):
            return m.bits
        if isinstance(size, NotCertified):
            return size
    x = m.arb(value.x)
    real = [size for size in sizes if not isinstance(size, Exception)]
    known = [m.arb(size.x).lower() for size in real]
    wanted = m.arb(10) ** -digits * min(known, default=abs(x).lower())
    if not (x.is_finite() and wanted.is_finite()):
        return m.bits
    if not wanted > 0:
        if x.is_zero():
            return Enclosure("0", "0")
        return max([m.bits, *(int(-_log2(m.arb(s.x).upper())) for s in real if s.x != 0)])
    ratio = x.rad() / wanted
    if not ratio < 0.9:
        return SPARE_BITS + max(0, int(_log2(ratio)))
    return _decimal(x, SPARE_FIGURES + max(0, int(_log2(1 + abs(x) / wanted) * log10(2))))


def _log2(x: Any) -> float:
    return float(abs(x.mid()).log().mid()) / log(2)


def _decimal(x: Any, figures: int) -> Enclosure:
    """A ball as a pair of decimals that encloses it."""
    shift = int(_log2(x) * log10(2)) if x.mid() != 0 else 0
    shift = shift if abs(shift) > WRITTEN_OUT else 0
    scaled = x if shift == 0 else x * type(x)(10) ** -shift
    mid, radius, exponent = (int(part) for part in scaled.mid_rad_10exp(figures))
    exponent += shift
    while radius >= 1000:  # three figures, rounded up
        mid, radius, exponent = _tenth(mid), radius // 10 + 2, exponent + 1
    return Enclosure(_written(mid, exponent), _written(radius, exponent))


def _tenth(mid: int) -> int:
    return (abs(mid) + 5) // 10 * (1 if mid >= 0 else -1)


def _written(digits: int, exponent: int) -> str:
    """The decimal digits * 10^exponent."""
    if digits == 0:
        return "0"
    if abs(exponent) > WRITTEN_OUT:
        return f"{digits}e{exponent}"
    return str(Decimal((digits < 0, tuple(map(int, str(abs(digits)))), exponent))).lower()


def _quantity(answer: Answer, method: str) -> Quantity:
    match answer:
        case Enclosure():
            error = float(answer.radius)
            return Quantity(answer, error if error or answer.radius == "0" else TINIEST, method)
        case OutOfRegime():
            return Quantity(None, None, method, str(answer))
        case Exception():
            return Quantity(None, None, method, f"not certified: {answer}")
    return Quantity(None, None, method, NO_END)
