r"""The derivative of an activation: its regular part from the expression, its breaks at the kinks.

The distributional derivative is :math:`\varphi'(x) + \sum_k J_k\,\delta(x - t_k)`: the ordinary
derivative between the kinks t_k, and a point mass for each jump :math:`J_k` of phi itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theory.evaluation import FUNCTIONS, OPERATORS, evaluate
from theory.expression import PI, VARIABLE, Call, Constant, Expression, Name
from theory.mathematics import FLOATS, Number, of, precise

if TYPE_CHECKING:
    from theory.activations import Activation

Slope = Callable[[Any, Callable[..., Number], Number, Number], Number]

# function: (namespace, functions of the grammar by name, its value, its argument) to its derivative
SLOPES: dict[str, Slope] = {
    "abs": lambda m, f, y, a: f("sign", a),
    "sign": lambda m, f, y, a: 0 * a,
    "step": lambda m, f, y, a: 0 * a,
    "exp": lambda m, f, y, a: y,
    "expm1": lambda m, f, y, a: f("exp", a),
    "log": lambda m, f, y, a: 1 / a,
    "log1p": lambda m, f, y, a: 1 / (1 + a),
    "sqrt": lambda m, f, y, a: 1 / (2 * y),
    "sin": lambda m, f, y, a: f("cos", a),
    "cos": lambda m, f, y, a: -f("sin", a),
    "cosh": lambda m, f, y, a: f("tanh", a) * y,
    "tanh": lambda m, f, y, a: 1 / f("cosh", a) ** 2,
    "sigmoid": lambda m, f, y, a: y * f("sigmoid", -a),
    "softplus": lambda m, f, y, a: f("sigmoid", a),
    "erf": lambda m, f, y, a: 2 * f("exp", -(a**2)) / m.sqrt(m.pi),
    "Phi": lambda m, f, y, a: f("exp", -(a**2) / 2) / m.sqrt(2 * m.pi),
}
REACH = 1e-12
NEGLIGIBLE = 1e-13


def with_derivative(activation: Activation, x: Number) -> tuple[Number, Number]:
    r"""phi(x) and its derivative between the kinks, elementwise; x in float64 arrays or mpmath.

    The chain rule is applied to values, node by node: nothing is differenced, no expression grows.

    >>> from theory.activations import Activation
    >>> [y.round(12) for y in with_derivative(Activation.named("tanh"), 0.5)]
    [np.float64(0.46211715726), np.float64(0.786447732966)]
    """
    m = of(x)
    names = {name: m.number(value) for name, value in activation.numbers}
    with np.errstate(all="ignore"):
        value, slope = _Walk(m, names, x).both(activation.tree)
        return value + 0 * x, 0 * x if slope is None else slope + 0 * x


class _Walk:
    """One pass over the tree; the slope is None where nothing depends on x."""

    def __init__(self, m: Any, names: dict[str, Number], x: Number) -> None:
        self.m = m
        self.leaves: dict[str, tuple[Number, Number | None]] = {
            name: (value, None) for name, value in (names | {PI: m.pi}).items()
        }
        self.leaves[VARIABLE] = (x, m.number(1))

    def apply(self, function: str, *values: Number) -> Number:
        if self.m.encloses:
            return self.m.functions[function](*values)
        floats, precisely = FUNCTIONS[function][:2]
        return floats(*values) if self.m is FLOATS else precisely(self.m.context, *values)

    def both(self, tree: Expression) -> tuple[Number, Number | None]:
        match tree:
            case Constant(value=value):
                return self.m.number(value), None
            case Name(identifier=identifier):
                return self.leaves[identifier]
            case Call("**", (base, Constant(value=p))):
                return self._power(*self.both(base), p)
            case Call(function, (argument,)):
                a, slope = self.both(argument)
                y = self.apply(function, a)
                if slope is None:
                    return y, None
                return y, SLOPES[function](self.m, self.apply, y, a) * slope
            case Call(function, (left, right)):
                return self._binary(function, self.both(left), self.both(right))
        raise TypeError(f"{tree!r} is not an expression")

    def _power(self, a: Number, slope: Number | None, p: Any) -> tuple[Number, Number | None]:
        exponent, below = (
            q.numerator if q.denominator == 1 else self.m.number(q) for q in (p, p - 1)
        )
        if slope is None or p == 0:
            return a**exponent, None
        return a**exponent, self.m.number(p) * a**below * slope

    def _binary(
        self, function: str, left: tuple[Number, Any], right: tuple[Number, Any]
    ) -> tuple[Number, Number | None]:
        (a, da), (b, db) = left, right
        y = OPERATORS[function](a, b) if function in OPERATORS else self.apply(function, a, b)
        if da is None and db is None:
            return y, None
        zero = self.m.number(0)
        match function:
            case "+":
                return y, _sum(da, db)
            case "-":
                return y, _sum(da, None if db is None else -db)
            case "*":
                return y, _sum(None if da is None else da * b, None if db is None else a * db)
            case "/":
                return y, _sum(None if da is None else da / b, None if db is None else -y / b * db)
        first = a > b if function == "max" else a < b
        da, db = (zero if slope is None else slope for slope in (da, db))
        return y, self.m.select(first, lambda: da, lambda: db)


def _sum(one: Number | None, other: Number | None) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


class Break(NamedTuple):
    r"""What happens at a kink t: phi jumps by ``jump``; next to it phi' is of order |x - t|^power.

    ``power`` is 0 for a derivative that stays finite, negative where it grows without bound.
    """

    at: Number
    jump: Number
    power: float


@cache
def breaks(activation: Activation, digits: int = 15) -> tuple[Break, ...]:
    r"""The breaks of phi at its kinks, in order.

    The jump is the difference of the limits from either side, each extrapolated from three points
    at a distance of 1e-12 and more; a kink known to fewer digits than that is the caller's.

    >>> from theory.activations import Activation
    >>> [(float(b.at), float(b.jump), b.power) for b in breaks(Activation.named("relu"))]
    [(0.0, 0.0, 0.0)]
    """
    m = precise(digits + 50)
    found = [_break(activation, m, m.number(kink)) for kink in activation.kinks]
    return tuple(sorted(found, key=lambda one: one.at))


def _break(activation: Activation, m: Any, at: Number) -> Break:
    step = m.number(REACH) * max(1, abs(at))
    sides = []
    for sign in (1, -1):
        one, two, three = (evaluate(activation, at + sign * k * step) for k in (1, 2, 3))
        sides.append(3 * one - 3 * two + three)
    jump = sides[0] - sides[1]
    size = max(abs(side) for side in sides)
    slopes = [abs(with_derivative(activation, at + sign * step)[1]) for sign in (1, -1)]
    power = min(_power(activation, m, at, sign * step) for sign in (1, -1))
    smooth = NEGLIGIBLE * (size + max(slopes) * max(1, abs(at)))
    if power < 0:  # the limits are approached slowly
        smooth = smooth + max(slopes) * step * 10
    return Break(at, jump if abs(jump) > smooth else m.number(0), power)


def _power(activation: Activation, m: Any, at: Number, step: Number) -> float:
    """Order of growth of phi' towards a kink, from two decades of distance."""
    near, far = (abs(with_derivative(activation, at + step * k)[1]) for k in (1, 10**4))
    if near <= 2 * far:
        return 0.0
    if far == 0:
        return 0.0
    return min(0.0, round(float(m.log(near / far) / m.log(m.number(10) ** -4)), 3))
