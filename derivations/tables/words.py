"""Words and formulas of the tables: networks, schemes, activations."""

from __future__ import annotations

import sympy as sp

from derivations.tables.record import Cell
from theory.architecture import Activation, Network
from theory.evaluation import evaluate

SCHEMES = {
    "none": "none",
    "mean-subtraction": "mean subtraction",
    "batchnorm": "batch norm",
    "layernorm": "layer norm",
    "rmsnorm": "RMS norm",
    "groupnorm": "group norm",
}
"""Schemes by the names that papers use."""


def activation(given: Activation) -> Cell:
    """An activation: its name, and its formula in LaTeX."""
    return Cell(str(given), f"${formula(given)}$")


def variances(network: Network) -> Cell:
    """The variances of weights and biases."""
    text = f"{float(network.sigma_w2):g}, {float(network.sigma_b2):g}"
    return Cell(text, f"${text}$")


def ratios(network: Network) -> Cell:
    """The widths over M, input first."""
    text = ", ".join(f"{float(ratio):g}" for ratio in network.ratios or ())
    return Cell(text, f"${text}$")


def formula(activation: Activation) -> str:
    r"""The activation in LaTeX, from its expression; decimals with four digits.

    >>> formula(Activation.named("erf", scale=0.7071067811865476))
    '\\operatorname{erf}{\\left(0.7071 x \\right)}'
    """
    expression = sp.sympify(evaluate(activation, sp.Symbol("x", real=True)))
    decimals = {
        number: sp.Float(number, 4) for number in expression.atoms(sp.Rational) if number.q > 100
    }
    return sp.latex(expression.xreplace(decimals))


def power_of_ten(value: float) -> str:
    r"""A small number in LaTeX.

    >>> power_of_ten(1e-3), power_of_ten(2e-4)
    ('10^{-3}', '2\\times10^{-4}')
    """
    mantissa, exponent = f"{value:.0e}".split("e")
    factor = "" if mantissa == "1" else rf"{mantissa}\times"
    return rf"{factor}10^{{{int(exponent)}}}"
