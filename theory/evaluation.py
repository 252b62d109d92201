"""The activation itself, evaluated by theory in any of its number systems."""

from __future__ import annotations

import operator
from typing import Any

from theory.architecture import Activation, Call, Constant, Expression, Name
from theory.mathematics import Number, of

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
FUNCTIONS = {"max": "maximum", "abs": "absolute"}


def evaluate(activation: Activation, x: Number) -> Number:
    r"""The value :math:`\varphi(x)`, elementwise; x may be complex where the formula is analytic.

    >>> evaluate(Activation.named("erf", scale=2), 0.5).round(12)
    np.float64(0.84270079295)
    """
    m = of(x)
    names = {name: m.number(value) for name, value in activation.parameters}
    return _evaluate(activation.tree, names | {"x": x}, m)


def _evaluate(tree: Expression, names: dict[str, Number], m: Any) -> Number:
    match tree:
        case Constant(value=value):
            return m.number(value)
        case Name(identifier=identifier):
            return names[identifier]
        case Call(function=function, arguments=arguments):
            values = [_evaluate(argument, names, m) for argument in arguments]
            if function in OPERATORS:
                return OPERATORS[function](*values)
            return getattr(m, FUNCTIONS.get(function, function))(*values)
