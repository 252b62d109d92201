r"""The activation and its derivative on arrays, from the parsed expression.

Every operation of the grammar is one line: its value and its derivative along the tangents of its
arguments. At a kink the derivative is the one from the right for ``max(x, 0)``'s second branch, 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from theory.architecture import Activation, Call, Constant, Expression, Name

Array = Any  # a float array, or a float for a constant

# name: (value of the arguments, derivative given arguments, value and tangents)
RULES: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "+": (lambda a, b: a + b, lambda a, b, y, da, db: da + db),
    "-": (lambda a, b: a - b, lambda a, b, y, da, db: da - db),
    "*": (lambda a, b: a * b, lambda a, b, y, da, db: da * b + a * db),
    "/": (lambda a, b: a / b, lambda a, b, y, da, db: (da - y * db) / b),
    "**": (lambda a, p: a**p, lambda a, p, y, da, dp: p * a ** (p - 1) * da if p else 0.0),
    "max": (np.maximum, lambda a, b, y, da, db: np.where(a > b, da, db)),
    "abs": (np.abs, lambda a, y, da: np.sign(a) * da),
    "exp": (np.exp, lambda a, y, da: y * da),
    "log": (np.log, lambda a, y, da: da / a),
    "sqrt": (np.sqrt, lambda a, y, da: da / (2 * y)),
    "tanh": (np.tanh, lambda a, y, da: (1 - y * y) * da),
    "cosh": (np.cosh, lambda a, y, da: np.sinh(a) * da),
    "erf": (special.erf, lambda a, y, da: 2 / np.sqrt(np.pi) * np.exp(-a * a) * da),
}


def evaluate(activation: Activation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""The arrays :math:`\varphi(x)` and :math:`\varphi'(x)`, elementwise.

    >>> evaluate(Activation.named("relu"), np.array([-1.0, 2.0]))
    (array([0., 2.]), array([0., 1.]))
    """
    names = {name: (float(value), 0.0) for name, value in activation.parameters}
    value, derivative = _evaluate(activation.tree, names | {"x": (x, 1.0)})
    return np.broadcast_to(value, x.shape), np.broadcast_to(derivative, x.shape)


def _evaluate(tree: Expression, names: dict[str, tuple[Array, Array]]) -> tuple[Array, Array]:
    match tree:
        case Constant(value=value):
            return float(value), 0.0
        case Name(identifier=identifier):
            return names[identifier]
        case Call(function=function, arguments=arguments):
            pairs = [_evaluate(argument, names) for argument in arguments]
            values, tangents = zip(*pairs, strict=True)
            rule, derivative = RULES[function]
            result = rule(*values)
            return result, derivative(*values, result, *tangents)
