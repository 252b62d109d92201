"""The command ``fisherfield kernel``: the Gaussian integrals of one activation."""

from __future__ import annotations

import argparse
from fractions import Fraction
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from derivations.activation_arguments import add_activation, read_activation
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from theory.gaussian import Quantity
    from theory.pair import Pair

CORRELATIONS = ("c", "one_minus_c", "one_plus_c", "theta", "q12")
ROUNDING = Fraction(1, 10**12)
MOST_DIGITS = 1000


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of the command; every number is read exactly, as a decimal."""
    add_activation(sub)
    sub.add_argument("--q11", required=True, metavar="A", help="variance of u")
    sub.add_argument("--q22", metavar="B", help="variance of v; that of u by default")
    for name, text in zip(
        CORRELATIONS,
        ("correlation c", "1 - c", "1 + c", "angle, c = cos(theta)", "covariance of u and v"),
        strict=True,
    ):
        sub.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=text)
    sub.add_argument("--mean1", default="0", metavar="m", help="mean of u: 0")
    sub.add_argument("--mean2", default="0", metavar="m", help="mean of v: 0")
    sub.add_argument("--digits", type=int, metavar="n", help="digits, by arbitrary precision")
    sub.add_argument("--json", action="store_true")


def kernel(options: argparse.Namespace) -> dict[str, Any]:
    """The integrals under documented keys: numbers, or strings where ``digits`` are given.

    ``mean``, ``second_moment``, ``derivative_mean``, ``derivative_second_moment`` are those of u,
    ``dual`` and ``derivative_dual`` those of (u, v); ``method`` and ``error`` are given for each,
    and ``reason`` for each that does not exist.
    """
    from theory.gaussian import gaussian_integrals
    from theory.mathematics import precise

    activation, digits = read_activation(options), options.digits
    if digits is not None and not 1 <= digits <= MOST_DIGITS:
        raise DescriptionError(f"digits must be from 1 to {MOST_DIGITS}, {digits} given")
    found = gaussian_integrals(activation, _pair(options, digits), digits)

    def plain(quantity: Quantity) -> Any:
        if quantity.value is None:
            return None
        if digits is None:
            return float(quantity.value)
        return precise(digits).context.nstr(quantity.value, digits, strip_zeros=False)

    return (
        {"activation": activation.describe()}
        | {name: plain(quantity) for name, quantity in found.items()}
        | {
            "method": {name: quantity.method for name, quantity in found.items()},
            "error": {
                name: None if quantity.error is None else float(quantity.error)
                for name, quantity in found.items()
            },
            "reason": {
                name: quantity.reason
                for name, quantity in found.items()
                if quantity.reason is not None
            },
        }
    )


def _pair(options: argparse.Namespace, digits: int | None) -> Pair:
    from theory.mathematics import FLOATS, precise
    from theory.pair import Pair

    a = _number("q11", options.q11)
    b = a if options.q22 is None else _number("q22", options.q22)
    for name, variance in (("q11", a), ("q22", b)):
        if variance < 0:
            raise DescriptionError(f"{name} is a variance, at least 0, {float(variance):g} given")
    given = {name: getattr(options, name) for name in CORRELATIONS}
    correlation = {name: _number(name, text) for name, text in given.items() if text is not None}
    if len(correlation) == 1:
        ((name, value),) = correlation.items()
        correlation = _within_range(name, value, a, b)
    m = FLOATS if digits is None else precise(digits)
    means = {name: _number(name, getattr(options, name)) for name in ("mean1", "mean2")}
    centred = not any(means.values())
    return Pair.at(
        m.number(a),
        m.number(b),
        **{name: m.number(value) for name, value in correlation.items()},
        **({} if centred else {name: m.number(value) for name, value in means.items()}),
    )


def _within_range(name: str, value: Fraction, a: Fraction, b: Fraction) -> dict[str, Fraction]:
    """Refuse what no pair has; a rounding error beyond the end is the end."""
    if a * b == 0 and name == "q12" and value == 0:
        return {"c": value}
    root = Fraction(sqrt(a * b))
    low, high = {
        "c": (Fraction(-1), Fraction(1)),
        "one_minus_c": (Fraction(0), Fraction(2)),
        "one_plus_c": (Fraction(0), Fraction(2)),
        "theta": (Fraction(0), Fraction(pi)),
        "q12": (-root, root),
    }[name]
    slack = ROUNDING * max(Fraction(1), high)
    if not low - slack <= value <= high + slack:
        raise DescriptionError(
            f"{name.replace('_', '-')} must lie between {float(low):.15g} and {float(high):.15g} "
            f"for a covariance matrix, {float(value):.15g} given"
        )
    return {name: min(max(value, low), high)}


def _number(name: str, text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise DescriptionError(f"{name} must be a number, {text!r} given") from None
