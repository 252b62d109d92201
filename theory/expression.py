"""The grammar of activations: a string becomes a small immutable tree, never evaluated code."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real

from theory.errors import DescriptionError

VARIABLE = "x"
FUNCTIONS = {"max": 2, "abs": 1, "exp": 1, "log": 1, "tanh": 1, "erf": 1, "sqrt": 1, "cosh": 1}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}
MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_EXPONENT = 1000, 200, 50, 64


@dataclass(frozen=True)
class Constant:
    """An exact rational number; a decimal literal is its shortest decimal."""

    value: Fraction


@dataclass(frozen=True)
class Name:
    """The variable ``x`` or a parameter."""

    identifier: str


@dataclass(frozen=True)
class Call:
    """An operator ``+ - * / **`` or a function of the grammar, applied to its arguments."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Constant | Name | Call


def exact(number: Real) -> Fraction:
    """The rational number that a number stands for: a float is its shortest decimal.

    >>> exact(0.1), exact(3)
    (Fraction(1, 10), Fraction(3, 1))
    """
    if isinstance(number, Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    return Fraction(repr(float(number)))


def parse(text: str, parameters: tuple[str, ...] = ()) -> Expression:
    r"""Read a function of ``x`` and named parameters.

    The grammar: numbers, ``x``, the parameters, ``+ - * / **`` (constant exponents,
    :math:`|p| \le 64`), and the functions of ``FUNCTIONS``; at most 1000 characters, 200 nodes,
    depth 50. Nothing is evaluated, so a string from anywhere is safe to read.

    Raises ``DescriptionError`` for anything else, naming the part that is not understood.

    >>> parse("max(x, 0)")
    Call(function='max', arguments=(Name(identifier='x'), Constant(value=Fraction(0, 1))))
    >>> parse("open('f')")
    Traceback (most recent call last):
    theory.errors.DescriptionError: expression "open('f')": unknown function 'open'; known: \
abs, cosh, erf, exp, log, max, sqrt, tanh
    """
    if len(text) > MAX_CHARACTERS:
        raise DescriptionError(
            f"expression of {len(text)} characters: at most {MAX_CHARACTERS} are read"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise DescriptionError(
            f"expression {text!r} is not a formula in {VARIABLE}, for example max(x, 0)"
        ) from None
    names = (VARIABLE, *parameters)
    try:
        tree = _translate(body, names, depth=0)
    except _Unknown as problem:
        raise DescriptionError(f'expression "{text}": {problem}') from None
    count = sum(1 for _ in walk(tree))
    if count > MAX_NODES:
        raise DescriptionError(f"expression of {count} nodes: at most {MAX_NODES} are read")
    return tree


def walk(tree: Expression) -> Iterator[Expression]:
    """Every node of the tree, the root first."""
    yield tree
    if isinstance(tree, Call):
        for argument in tree.arguments:
            yield from walk(argument)


class _Unknown(Exception):
    """A part of the expression lies outside the grammar."""


def _translate(node: ast.expr, names: tuple[str, ...], depth: int) -> Expression:
    if depth > MAX_DEPTH:
        raise _Unknown(f"nested deeper than {MAX_DEPTH}")

    def deeper(child: ast.expr) -> Expression:
        return _translate(child, names, depth + 1)

    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if value in (float("inf"), float("-inf")):
                raise _Unknown("a number is too large")
            return Constant(Fraction(repr(value)))
        case ast.Name(id=identifier):
            if identifier not in names:
                raise _Unknown(f"unknown name {identifier!r}; known: {', '.join(names)}")
            return Name(identifier)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return deeper(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = deeper(operand)
            if isinstance(inner, Constant):
                return Constant(-inner.value)
            return Call("*", (Constant(Fraction(-1)), inner))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            operator, arguments = OPERATORS[type(op)], (deeper(left), deeper(right))
            if operator == "**":
                _check_exponent(arguments[1])
            return Call(operator, arguments)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise _Unknown(f"unknown function {name!r}; known: {', '.join(sorted(FUNCTIONS))}")
            if len(arguments) != FUNCTIONS[name]:
                raise _Unknown(
                    f"{name} takes {FUNCTIONS[name]} argument(s), {len(arguments)} given"
                )
            return Call(name, tuple(deeper(argument) for argument in arguments))
    raise _Unknown(f"{ast.unparse(node)!r} is not part of the grammar")


def _check_exponent(exponent: Expression) -> None:
    if not isinstance(exponent, Constant) or abs(exponent.value) > MAX_EXPONENT:
        raise _Unknown(f"an exponent is a number of size at most {MAX_EXPONENT}")
