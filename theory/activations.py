"""The vocabulary of activations: the record, the catalogue of named ones, and a user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any

from theory import shapes
from theory.errors import DescriptionError
from theory.expression import (
    FUNCTIONS,
    MAX_CHARACTERS,
    MAX_EXPONENT,
    PI,
    VARIABLE,
    Expression,
    exact,
    parse,
    substitute,
)
from theory.shapes import Shape
from theory.validation import (
    Number,
    check_key,
    check_positive,
    check_real,
    listed,
    look_up,
    plain,
    short,
    symbolic,
    whole,
)

Parameter = Any  # a number, or a tuple of numbers


@dataclass(frozen=True)
class Activation:
    r"""A nonlinearity :math:`\varphi(x)`: name, expression, parameters, kinks, jumps.

    ``expression`` is read by the grammar of ``theory.expression``. ``kinks`` are the points where
    :math:`\varphi` or one of its derivatives is not analytic, ``jumps`` those among them where
    :math:`\varphi` itself is not continuous; both are stored exactly, in increasing order. The
    catalogue ``ACTIVATIONS`` makes the named ones, ``from_expression`` finds the kinks and jumps of
    any other; this constructor believes what it is told.

    >>> erf = Activation.named("erf", scale=0.7)
    >>> erf.expression, erf.parameters
    ('erf(scale*x)', (('scale', 0.7),))
    """

    name: str
    expression: str
    parameters: tuple[tuple[str, Parameter], ...] = ()
    kinks: tuple[Number, ...] = ()
    jumps: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise DescriptionError(f"the name of an activation is a text, {self.name!r} given")
        for field, value in (
            ("parameters", tuple((key, _parameter(key, x)) for key, x in self.parameters)),
            ("kinks", _points(f"kinks of {self.name!r}", self.kinks)),
            ("jumps", _points(f"jumps of {self.name!r}", self.jumps)),
        ):
            object.__setattr__(self, field, value)
        if not set(self.jumps) <= set(self.kinks):
            raise DescriptionError(f"{self.name!r}: every jump is also a kink")
        assert self.tree

    @classmethod
    def named(cls, name: str, /, **parameters: Parameter) -> Activation:
        """The catalogue's activation of this name, with its parameters given or by default."""
        template: Template = look_up(name, ACTIVATIONS, "activation")
        return template.filled(parameters)

    @classmethod
    def from_expression(
        cls, expression: Any, *, kinks: Any = None, name: str | None = None
    ) -> Activation:
        r"""A user's own activation, from a text or from a sympy expression in one symbol.

        The kinks are found where the arguments of max, min, abs, sign and step (of sqrt and
        fractional powers) are piecewise polynomials in x; elsewhere they have to be given, all of
        them: see ``theory.regularity``. The expression itself is the name, if none is given.

        Raises ``DescriptionError`` for what the grammar does not know, for kinks that cannot be
        found, and for a function that is not finite on the whole real line, naming a point.

        >>> Activation.from_expression("max(x,0) - (1/3)*step(x - 2)").kinks
        (0, 2)
        """
        from theory.regularity import check_finite, find_jumps, find_kinks
        from theory.translation import from_sympy

        if hasattr(expression, "free_symbols"):
            expression = from_sympy(expression)
        tree = parse(expression)
        given = None if kinks is None else _points("kinks", kinks)
        check_finite(tree)
        found = find_kinks(tree, given)
        if isinstance(name, str) and name in ACTIVATIONS:
            raise DescriptionError(f"the name {name!r} is taken by the catalogue of activations")
        text = str(tree) if len(str(tree)) <= MAX_CHARACTERS else expression
        return cls(text if name is None else name, text, (), found, find_jumps(tree, found))

    @classmethod
    def read(cls, value: Any) -> Activation:
        """An activation from a record, a name, or a table as in a network file.

        >>> Activation.read({"expression": "tanh(x + 0.7)"}).name
        'tanh(x + 0.7)'
        """
        if isinstance(value, Activation):
            return value
        if isinstance(value, str):
            return cls.named(value)
        if isinstance(value, Mapping) and "expression" in value:
            for key in value:
                check_key(key, ("expression", "kinks", "name"), "activation from an expression")
            return cls.from_expression(
                value["expression"], kinks=value.get("kinks"), name=value.get("name")
            )
        if isinstance(value, Mapping) and "name" in value:
            template: Template = look_up(value["name"], ACTIVATIONS, "activation")
            return template.filled({key: x for key, x in value.items() if key != "name"})
        raise DescriptionError(
            'activation is a name, or a table such as {name = "erf", scale = 0.7} or '
            f'{{expression = "tanh(x + 0.7)"}}, {value!r} given'
        )

    def describe(self) -> dict[str, Any]:
        """The table that ``read`` reads."""
        if self.is_named:
            return {"name": self.name} | {key: plain(value) for key, value in self.parameters}
        numbers = {key: exact(x) for key, x in self.numbers if not symbolic(x)}
        text = str(substitute(self.tree, numbers))
        return (
            {"expression": text}
            | ({"name": self.name} if self.name != text else {})
            | ({"kinks": plain(self.kinks)} if self.kinks != _found_kinks(text) else {})
        )

    @property
    def is_named(self) -> bool:
        """Whether this is the catalogue's activation of its name, and not just called like it."""
        try:
            return Activation.named(self.name, **dict(self.parameters)) == self
        except DescriptionError:
            return False

    @property
    def numbers(self) -> tuple[tuple[str, Number], ...]:
        """The parameters that stand in the expression: those that are not lists."""
        return tuple((key, x) for key, x in self.parameters if not isinstance(x, tuple))

    @cached_property
    def tree(self) -> Expression:
        """The parsed expression, in ``x`` and the parameters."""
        return parse(self.expression, tuple(key for key, _ in self.numbers))

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(f'{key}={short(x)}' for key, x in self.parameters)})"


@dataclass(frozen=True)
class Template:
    """A named activation with its parameters open.

    ``shape`` is an expression in the parameters, or makes one from their values. ``parameters`` are
    those with a default, ``needs`` those without, with an example of a value.
    """

    name: str
    shape: Shape | Callable[..., Shape]
    parameters: tuple[tuple[str, Parameter], ...] = ()
    needs: tuple[tuple[str, Parameter], ...] = ()

    @property
    def expression(self) -> str | None:
        """The expression, if it is the same for all values of the parameters."""
        return self.shape.expression if isinstance(self.shape, Shape) else None

    @property
    def example(self) -> Activation:
        """The activation with its defaults, and an example of what has none."""
        return self.filled(dict(self.needs))

    def filled(self, given: Mapping[str, Parameter]) -> Activation:
        values = dict(self.needs) | dict(self.parameters)
        for key in given:
            check_key(key, values, f"activation {self.name}")
        if missing := [key for key, _ in self.needs if given.get(key) is None]:
            example = ", ".join(f"{key} = {plain(values[key])}" for key in missing)
            raise DescriptionError(
                f"activation {self.name} needs {' and '.join(missing)}, for example {example}"
            )
        values |= given
        for key, value in values.items():
            values[key] = CHECKS.get(key, _number)(f"{self.name}.{key}", value)
        shape = self.shape if isinstance(self.shape, Shape) else self.shape(**values)
        parameters = tuple((values | dict(shape.settled)).items())
        return Activation(self.name, shape.expression, parameters, shape.kinks, shape.jumps)


def _number(name: str, value: Any) -> Number:
    check_real(name, value)
    return value


def _positive_number(name: str, value: Any) -> Number:
    check_positive(name, value)
    return value


def _power(name: str, value: Any) -> int:
    n = whole(name, value, least=1)
    if n > MAX_EXPONENT:
        raise DescriptionError(f"{name} must be at most {MAX_EXPONENT}, {n} given")
    return n


def _numbers(name: str, value: Any) -> tuple[Number, ...]:
    if not listed(value):
        raise DescriptionError(f"{name} must be a list of numbers, {value!r} given")
    for index, number in enumerate(value):
        check_real(f"{name}[{index}]", number)
        if symbolic(number):
            raise DescriptionError(f"{name}[{index}] must be a number, {number!r} given")
    return tuple(value)


def _some_numbers(name: str, value: Any) -> tuple[Number, ...]:
    if not (numbers := _numbers(name, value)):
        raise DescriptionError(f"{name} must not be empty")
    return numbers


# How a parameter is checked, if it is not any real number
CHECKS: dict[str, Callable[[str, Any], Parameter]] = {
    "n": _power,
    "p": _positive_number,
    "kinks": _numbers,
    "slopes": _some_numbers,
    "jumps": _numbers,
    "coefficients": _some_numbers,
}


def _parameter(name: str, value: Any) -> Parameter:
    if name in (VARIABLE, PI, *FUNCTIONS) or not str(name).isidentifier():
        raise DescriptionError(f"{name!r} cannot be the name of a parameter")
    return _numbers(name, value) if listed(value) else _number(name, value)


def _found_kinks(text: str) -> tuple[Number, ...] | None:
    try:
        return Activation.from_expression(text).kinks
    except DescriptionError:
        return None


def _points(name: str, values: Any) -> tuple[Number, ...]:
    """Points in increasing order, exactly: whole numbers, fractions, or 30 digits."""
    points = set()
    for number in _numbers(name, values):
        if not isinstance(number, Rational) and hasattr(number, "evalf"):
            number = Fraction(str(number.evalf(30)))
        point = exact(number)
        points.add(point.numerator if point.denominator == 1 else point)
    return tuple(sorted(points))


SELU_SCALE, SELU_ALPHA = "1.05070098735548049341933498529", "1.67326324235437728481704299167"

ACTIVATIONS: dict[str, Template] = {
    template.name: template
    for template in (
        Template("linear", Shape("x")),
        Template("relu", Shape("max(x, 0)", kinks=(0,))),
        Template(
            "leaky_relu",
            Shape("max(x, 0) + slope*min(x, 0)", kinks=(0,)),
            needs=(("slope", 0.1),),
        ),
        Template("abs", Shape("abs(x)", kinks=(0,))),
        Template("step", Shape("step(x)", kinks=(0,), jumps=(0,))),
        Template("sign", Shape("sign(x)", kinks=(0,), jumps=(0,))),
        Template("relu_power", shapes.relu_power, needs=(("n", 3),)),
        Template("hard_tanh", Shape("max(-1, min(x, 1))", kinks=(-1, 1))),
        Template(
            "piecewise_linear",
            shapes.piecewise_linear,
            (("jumps", ()), ("value", 0)),
            needs=(("kinks", (-1, 2)), ("slopes", (0, 1, 0.5))),
        ),
        Template("elu", Shape("max(x, 0) + alpha*expm1(min(x, 0))", kinks=(0,)), (("alpha", 1),)),
        Template(
            "selu",
            Shape(f"{SELU_SCALE}*(max(x, 0) + {SELU_ALPHA}*expm1(min(x, 0)))", kinks=(0,)),
        ),
        Template("erf", Shape("erf(scale*x)"), (("scale", 1),)),
        Template(
            "probit", Shape("c0 + c1*Phi(l*x + mu)"), (("c0", 0), ("c1", 1), ("l", 1), ("mu", 0))
        ),
        Template("gelu", Shape("x*Phi(x)")),
        Template("gelu_tanh", Shape("x*sigmoid(sqrt(8/pi)*(x + 0.044715*x**3))")),
        Template("sin", Shape("sin(omega*x + phase)"), (("omega", 1), ("phase", 0))),
        Template("cos", Shape("cos(omega*x)"), (("omega", 1),)),
        Template("exp", Shape("exp(t*x)"), (("t", 1),)),
        Template("gaussian", Shape("exp(-p*x**2/2)"), (("p", 1),)),
        Template("monomial", shapes.monomial, needs=(("n", 3),)),
        Template("hermite", shapes.hermite, needs=(("n", 3),)),
        Template("polynomial", shapes.polynomial, needs=(("coefficients", (1, -0.5, 2)),)),
        Template("sigmoid", Shape("sigmoid(x)")),
        Template("tanh", Shape("tanh(x)")),
        Template("softplus", Shape("softplus(x)")),
        Template("silu", Shape("x*sigmoid(x)")),
        Template("mish", Shape("x*tanh(softplus(x))")),
    )
}
