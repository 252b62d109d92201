"""The activation on the command line: NAME with its parameters, or an expression."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.activations import Activation


def add_activation(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``read_activation`` reads."""
    sub.add_argument("name", nargs="?", metavar="NAME", help="an activation of the catalogue")
    sub.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of NAME: a number, or numbers with commas",
    )
    sub.add_argument("--expression", metavar="E", help='an activation of your own: "x*tanh(x)"')
    sub.add_argument(
        "--kinks",
        metavar="LIST",
        help="with --expression: its kinks, with commas; --kinks=-1,2 if the first is negative",
    )


def read_activation(options: argparse.Namespace) -> Activation:
    """The activation that these options describe.

    Raises ``DescriptionError`` unless exactly one of NAME and --expression is given, for --param
    without NAME and --kinks without --expression, and for what is no number.
    """
    from theory.activations import Activation
    from theory.errors import DescriptionError

    if (options.name is None) == (options.expression is None):
        raise DescriptionError(
            "an activation is given by NAME or by --expression, "
            f"{'neither' if options.name is None else 'both'} given"
        )
    if options.expression is not None:
        if options.param:
            raise DescriptionError("--param belongs to NAME, not to --expression")
        kinks = None if options.kinks is None else _numbers("--kinks", options.kinks)
        return Activation.from_expression(options.expression, kinks=kinks)
    if options.kinks is not None:
        raise DescriptionError("--kinks belongs to --expression; those of NAME are known")
    return Activation.named(options.name, **_parameters(options.name, options.param))


def _parameters(name: str, given: Sequence[str]) -> dict[str, Any]:
    from theory.activations import ACTIVATIONS
    from theory.errors import DescriptionError

    template = ACTIVATIONS.get(name)
    known = dict(template.needs + template.parameters) if template else {}
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise DescriptionError(f"--param needs KEY=VALUE, {text!r} given")
        if key in found:
            raise DescriptionError(f"--param {key} is given twice")
        several = isinstance(known.get(key), tuple) or "," in value
        found[key] = _numbers(key, value) if several else _number(key, value)
    return found


def _numbers(name: str, text: str) -> tuple[Any, ...]:
    return tuple(_number(name, part) for part in text.split(",")) if text.strip() else ()


def _number(name: str, text: str) -> Any:
    """An int, a float, or a Fraction of numerator/denominator."""
    from fractions import Fraction
    from math import isfinite

    from theory.errors import DescriptionError

    try:
        if len(text) > 100:
            raise ValueError
        number = Fraction(text) if "/" in text else float(text)
        if not isfinite(number):
            raise ValueError
    except (ValueError, ArithmeticError):
        raise DescriptionError(f"{name} must be a number, {text[:100]!r} given") from None
    return int(text) if text.strip().lstrip("+-").isdecimal() else number
