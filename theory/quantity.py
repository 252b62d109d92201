"""A Gaussian integral as it is reported."""

from __future__ import annotations

from typing import NamedTuple

from theory.mathematics import Number

QUANTITIES = {
    "mean": "mean",
    "second_moment": "second",
    "derivative_mean": "derivative_mean",
    "derivative_second_moment": "derivative_second",
    "dual": "dual",
    "derivative_dual": "derivative_dual",
}
MIXTURES = ("sigmoid", "tanh", "softplus", "silu")


class Quantity(NamedTuple):
    """A Gaussian integral: its value, a bound or estimate of its error, and how it was found.

    ``value`` is None where the integral does not exist, for the given ``reason``.
    """

    value: Number | None
    error: Number | None
    method: str
    reason: str | None = None
