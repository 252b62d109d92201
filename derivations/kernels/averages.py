"""Averages over Kolmogorov variables, in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from theory.families.logistic import kolmogorov_density
from theory.symbols import kolmogorov

NODES, LOWEST, HIGHEST = 72, 0.1, 6.0


def averaged(integral: sp.Basic, point: Mapping[sp.Symbol, sp.Rational]) -> float:
    """The trapezoid rule in the logarithms of the variables: exponentially convergent."""
    t, step = np.linspace(np.log(LOWEST), np.log(HIGHEST), NODES, retstep=True)
    nodes = np.exp(t)
    weights = step * nodes * kolmogorov_density(nodes)
    variables = [limit[0] for limit in integral.limits]
    grid = np.meshgrid(*(nodes for _ in variables), indexing="ij")
    function = integral.function.replace(kolmogorov, lambda w: sp.S.One).xreplace(dict(point))
    values = np.broadcast_to(sp.lambdify(variables, function, "numpy")(*grid), grid[0].shape)
    for _ in variables:
        values = values @ weights
    return float(values)
