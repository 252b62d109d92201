"""The activation itself, evaluated by theory in any of its number systems."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import special
from theory.expression import PI, VARIABLE, Call, Constant, Expression, Name
from theory.mathematics import FLOATS, Number, Precise, Symbols, of

if TYPE_CHECKING:
    from theory.activations import Activation

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def evaluate(activation: Activation, x: Number) -> Number:
    r"""The value :math:`\varphi(x)`: elementwise over real or complex arrays, mpmath or sympy.

    A complex x stands for its real part with a small step (complex-step derivatives): at kinks the
    real part decides. Values beyond the largest float are infinite.

    >>> from theory.activations import Activation
    >>> evaluate(Activation.named("erf", scale=2), 0.5).round(12)
    np.float64(0.84270079295)
    """
    return evaluate_tree(activation.tree, x, dict(activation.numbers))


def evaluate_tree(
    tree: Expression, x: Number, parameters: Mapping[str, Number] | None = None
) -> Number:
    """The same for a parsed expression, with the values of its parameters by name."""
    m, x = _system(x)
    names = {name: _constant(m, value) for name, value in (parameters or {}).items()}
    with np.errstate(over="ignore"):
        value = _evaluate(tree, names | {VARIABLE: x, PI: _constant(m, m.pi)}, m)
    if np.shape(value) != np.shape(x):
        return np.full(np.shape(x), value)
    return value


def _system(x: Number) -> tuple[Any, Number]:
    """The namespace of x, and x as a number of it."""
    if hasattr(x, "_mpc_"):
        return of(x.real), x
    m = of(x)
    if m is not FLOATS:
        return m, x
    x = np.asarray(x)
    return m, (x if x.dtype.kind in "fc" else x.astype(float))[()]


def _constant(m: Any, value: Number) -> Number:
    return np.float64(value) if m is FLOATS else m.number(value)


def _evaluate(tree: Expression, names: dict[str, Number], m: Any) -> Number:
    match tree:
        case Constant(value=value):
            return _constant(m, value)
        case Name(identifier=identifier):
            return names[identifier]
        case Call("**", (base, Constant(value=p))):
            exponent = p.numerator if p.denominator == 1 else m.number(p)
            return _evaluate(base, names, m) ** exponent
        case Call(function=function, arguments=arguments):
            values = [_evaluate(argument, names, m) for argument in arguments]
            if function in OPERATORS:
                return OPERATORS[function](*values)
            floats, precise, symbols = FUNCTIONS[function]
            match m:
                case Precise():
                    return precise(m.context, *values)
                case Symbols():
                    return symbols(m.sympy, *values)
            return floats(*values)
    raise TypeError(f"{tree!r} is not an expression")


def _absolute(a: Number) -> Number:
    return np.where(np.real(a) < 0, -a, a)[()]


def _sigmoid(a: Number) -> Number:
    tail = np.exp(-_absolute(a))
    return np.where(np.real(a) < 0, tail, 1)[()] / (1 + tail)


def _softplus(a: Number) -> Number:
    return np.where(np.real(a) < 0, 0, a)[()] + special.log1p(np.exp(-_absolute(a)))


HUGE = 400  # in mpmath, arguments beyond 2^400 count as infinite: an exponential costs their bits


def _clamp(c: Any, a: Number) -> Number:
    return c.ldexp(c.sign(c.re(a)), HUGE) if c.mag(a) > HUGE else a


def _exp(c: Any, a: Number) -> Number:
    if c.mag(a) > HUGE:
        return c.inf if c.re(a) > 0 else c.zero
    return c.exp(a)


def _wave(c: Any, function: Callable[[Number], Number], a: Number) -> Number:
    return c.nan if c.mag(a) > 10_000 else function(a)


# name: (float64 arrays, mpmath in a context c, sympy s)
FUNCTIONS: dict[str, tuple[Callable[..., Number], ...]] = {
    "max": (
        np.maximum,
        lambda c, a, b: a if c.re(a) > c.re(b) else b,
        lambda s, a, b: s.Max(a, b),
    ),
    "min": (
        np.minimum,
        lambda c, a, b: b if c.re(a) > c.re(b) else a,
        lambda s, a, b: s.Min(a, b),
    ),
    "abs": (_absolute, lambda c, a: a if c.re(a) > 0 else -a, lambda s, a: s.Abs(a)),
    "sign": (lambda a: np.sign(np.real(a)), lambda c, a: c.sign(c.re(a)), lambda s, a: s.sign(a)),
    "step": (
        lambda a: np.heaviside(np.real(a), 1.0),
        lambda c, a: c.mpf(c.re(a) >= 0),
        lambda s, a: s.Heaviside(a, 1),
    ),
    "exp": (np.exp, _exp, lambda s, a: s.exp(a)),
    "expm1": (
        np.expm1,
        lambda c, a: c.expm1(a) if c.mag(a) <= HUGE else _exp(c, a) - 1,
        lambda s, a: s.exp(a) - 1,
    ),
    "log": (np.log, lambda c, a: c.log(a), lambda s, a: s.log(a)),
    "log1p": (lambda a: special.log1p(a), lambda c, a: c.log1p(a), lambda s, a: s.log(1 + a)),
    "sqrt": (np.sqrt, lambda c, a: c.sqrt(a), lambda s, a: s.sqrt(a)),
    "sin": (np.sin, lambda c, a: _wave(c, c.sin, a), lambda s, a: s.sin(a)),
    "cos": (np.cos, lambda c, a: _wave(c, c.cos, a), lambda s, a: s.cos(a)),
    "cosh": (
        np.cosh,
        lambda c, a: c.cosh(a) if c.mag(a) <= HUGE else c.inf,
        lambda s, a: s.cosh(a),
    ),
    "tanh": (np.tanh, lambda c, a: c.tanh(_clamp(c, a)), lambda s, a: s.tanh(a)),
    "sigmoid": (_sigmoid, lambda c, a: 1 / (1 + _exp(c, -a)), lambda s, a: 1 / (1 + s.exp(-a))),
    "softplus": (
        _softplus,
        lambda c, a: (a if c.re(a) > 0 else 0) + c.log1p(_exp(c, -a if c.re(a) > 0 else a)),
        lambda s, a: s.log(1 + s.exp(a)),
    ),
    "erf": (lambda a: special.erf(a), lambda c, a: c.erf(_clamp(c, a)), lambda s, a: s.erf(a)),
    "Phi": (
        lambda a: special.ndtr(a),
        lambda c, a: c.erfc(-_clamp(c, a) / c.sqrt(2)) / 2,
        lambda s, a: (1 + s.erf(a / s.sqrt(2))) / 2,
    ),
}
