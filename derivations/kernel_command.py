"""The command ``fisherfield kernel``: the Gaussian integrals of one activation."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from derivations.activation_arguments import add_activation, read_activation
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from theory.activations import Activation
    from theory.pair import Given, Pair
    from theory.quantity import Quantity

CORRELATIONS = {
    "c": "correlation c",
    "one_minus_c": "1 - c",
    "one_plus_c": "1 + c",
    "theta": "angle, c = cos(theta)",
    "q12": "covariance of u and v",
}
MOST_DIGITS = 1000
PATIENCE = 3.0  # seconds without a word


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of the command; every number is read exactly, as a decimal."""
    add_activation(sub)
    sub.add_argument("--q11", required=True, metavar="A", help="variance of u")
    sub.add_argument("--q22", metavar="B", help="variance of v; that of u by default")
    for name, text in CORRELATIONS.items():
        sub.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=text)
    sub.add_argument("--mean1", default="0", metavar="m", help="mean of u: 0")
    sub.add_argument("--mean2", default="0", metavar="m", help="mean of v: 0")
    sub.add_argument("--digits", type=int, metavar="n", help="digits, by arbitrary precision")
    sub.add_argument(
        "--certified",
        action="store_true",
        help="each number as a midpoint and a rigorous radius, to 15 or --digits digits",
    )
    sub.add_argument("--json", action="store_true")


def kernel(options: argparse.Namespace) -> dict[str, Any]:
    """The integrals under documented keys: numbers, or strings where ``digits`` are given.

    With ``--certified`` each is {mid, radius}, two strings; one without an enclosure is None, and
    its ``reason`` begins with "not certified".

    ``mean``, ``second_moment``, ``derivative_mean``, ``derivative_second_moment`` are those of u,
    ``dual`` and ``derivative_dual`` those of (u, v); ``method`` and ``error`` are given for each,
    and ``reason`` for each that does not exist. A quadrature that takes more than a few seconds
    says so on stderr before it starts.
    """
    from theory.gaussian import closed_kernel
    from theory.integrals import gaussian_integrals
    from theory.mathematics import precise

    activation, digits = read_activation(options), options.digits
    if digits is not None and not 1 <= digits <= MOST_DIGITS:
        raise DescriptionError(f"digits must be from 1 to {MOST_DIGITS}, {digits} given")
    certified, given = options.certified, _given(options)
    if digits is not None and not certified and closed_kernel(activation) is None:
        _announce(activation, given.pair(precise(digits)), digits)
    found = gaussian_integrals(activation, given, digits, certified=certified)

    def plain(quantity: Quantity) -> Any:
        if quantity.value is None:
            return None
        if certified:
            return quantity.value._asdict()
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


def _announce(activation: Activation, pair: Pair, digits: int) -> None:
    """Say on stderr how long a quadrature takes, before it starts, unless it is short."""
    from theory.quadrature import seconds

    estimate = seconds(activation, pair, digits)
    if estimate > PATIENCE:
        print(
            f"fisherfield: {activation} has no closed form; {digits} digits by quadrature in two "
            f"dimensions take about {estimate:.0f} s",
            file=sys.stderr,
        )


def _given(options: argparse.Namespace) -> Given:
    from theory.pair import Given

    correlation = {name: getattr(options, name) for name in CORRELATIONS}
    return Given.at(
        options.q11, options.q22, mean1=options.mean1, mean2=options.mean2, **correlation
    )
