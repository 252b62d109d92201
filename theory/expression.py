"""The grammar of activations: a string becomes a small immutable tree, never evaluated code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

from theory.errors import DescriptionError

VARIABLE = "x"
PI = "pi"
FUNCTIONS = {"max": 2, "min": 2} | dict.fromkeys(
    (
        *("abs", "sign", "step", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "cosh"),
        *("tanh", "sigmoid", "softplus", "erf", "Phi"),
    ),
    1,
)
SUM, PRODUCT, MINUS, POWER, ATOM = range(1, 6)  # how tightly a form binds
OPERATORS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "**": POWER}
MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_EXPONENT = 1000, 200, 50, 64
MAX_PARENTHESES, MAX_DECADES, MAX_BITS = 200, 300, 10_000

_TOKEN = re.compile(
    r"\s*(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|\s*(?P<name>[A-Za-z_]\w*)|\s*(?P<sign>\*\*|[-+*/(),])|\s*(?P<end>\Z)",
    re.ASCII,
)


@dataclass(frozen=True)
class Constant:
    """An exact rational number; a decimal literal is its shortest decimal."""

    value: Fraction

    def __str__(self) -> str:
        return _print(self)[0]


@dataclass(frozen=True)
class Name:
    """The variable ``x``, a parameter, or the number ``pi``."""

    identifier: str

    def __str__(self) -> str:
        return self.identifier


@dataclass(frozen=True)
class Call:
    """An operator ``+ - * / **`` or a function of the grammar, applied to its arguments."""

    function: str
    arguments: tuple[Expression, ...]

    def __str__(self) -> str:
        text = _print(self)[0]
        return text if len(text) <= MAX_CHARACTERS else text.replace(" ", "")


Expression = Constant | Name | Call


def exact(number: Any) -> Fraction:
    """The rational number that a number stands for: a float is its shortest decimal.

    >>> exact(0.1), exact(3)
    (Fraction(1, 10), Fraction(3, 1))
    """
    if isinstance(number, Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    return Fraction(repr(float(number)))


def parse(text: str, parameters: tuple[str, ...] = ()) -> Expression:
    r"""Read a function of ``x`` and named parameters.

    The grammar: decimal numbers, ``pi``, ``x``, the parameters, ``+ - * / **`` with Python's
    precedence, and the functions of ``FUNCTIONS``; at most 1000 characters, 200 nodes, depth 50.
    Numbers are exact, and 0 or of size :math:`10^{-300}` to :math:`10^{300}`; a quotient of two
    numbers is one number. An exponent is a rational number, :math:`|p| \le 64`: a number or
    arithmetic with numbers, but neither a parameter nor ``pi``. Nothing is evaluated and the work
    is linear in the length, so a string from anywhere is safe to read.

    ``str`` of a tree is a text without superfluous parentheses that is read as the same tree.

    Raises ``DescriptionError`` for anything else, naming the part that is not understood.

    >>> parse("max(x, 0)")
    Call(function='max', arguments=(Name(identifier='x'), Constant(value=Fraction(0, 1))))
    >>> str(parse("-(x)**(1/2)+(2*(x/3))"))
    '-x**0.5 + 2*(x/3)'
    >>> parse("open('f')")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    theory.errors.DescriptionError: expression "open('f')": unknown function 'open'; known: max, ...
    """
    if not isinstance(text, str):
        raise DescriptionError(f"an expression is a text such as 'max(x, 0)', {text!r} given")
    if len(text) > MAX_CHARACTERS:
        raise DescriptionError(
            f"expression of {len(text)} characters: at most {MAX_CHARACTERS} are read"
        )
    try:
        tree = _Reader(text, (VARIABLE, *parameters, PI)).whole()
        check_size(tree)
    except UnknownPart as problem:
        raise DescriptionError(f"expression {text!r}: {problem}") from None
    except RecursionError:
        raise DescriptionError(f"expression {text!r} is nested too deep to be read here") from None
    return tree


def walk(tree: Expression) -> Iterator[Expression]:
    """Every node of the tree, the root first."""
    waiting = [tree]
    while waiting:
        yield (node := waiting.pop())
        if isinstance(node, Call):
            waiting.extend(reversed(node.arguments))


def depends_on_x(tree: Expression) -> bool:
    return any(node == Name(VARIABLE) for node in walk(tree))


def substitute(tree: Expression, values: Mapping[str, Fraction]) -> Expression:
    """The tree with numbers in place of names."""
    match tree:
        case Name(identifier=identifier) if identifier in values:
            return Constant(values[identifier])
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(substitute(argument, values) for argument in arguments))
    return tree


def check_size(tree: Expression) -> None:
    """Refuse a tree of more nodes, or nested deeper, than the grammar allows."""
    count, level = 0, [tree]
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        level = [below for node in level if isinstance(node, Call) for below in node.arguments]
    if level:
        raise UnknownPart(f"nested deeper than {MAX_DEPTH}")
    if count > MAX_NODES:
        raise UnknownPart(f"{count} nodes, at most {MAX_NODES} are read")


class UnknownPart(Exception):
    """A part of the expression lies outside the grammar."""


def rational(value: Fraction) -> Constant:
    """The number as a node, unless its size is beyond that of a float."""
    too_large = abs(value) > 10**MAX_DECADES
    if too_large or 0 < abs(value) < Fraction(1, 10**MAX_DECADES):
        raise UnknownPart(
            f"a number is too {'large' if too_large else 'small'}: "
            f"sizes from 1e-{MAX_DECADES} to 1e{MAX_DECADES} are read"
        )
    return Constant(value)


class _Reader:
    """Precedence climbing over the tokens of a text."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text, self.names, self.end, self.nesting = text, names, 0, 0
        self.advance()

    def advance(self) -> None:
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            raise UnknownPart(f"{self.text[self.end :].strip()[:20]!r} is not part of the grammar")
        self.kind, self.end = str(found.lastgroup), found.end()
        self.token = found[self.kind]

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.unexpected(f"{token!r} expected")
        self.advance()

    def unexpected(self, instead: str) -> UnknownPart:
        met = repr(self.token) if self.token else "the end"
        return UnknownPart(f"{instead}, {met} met")

    def whole(self) -> Expression:
        tree = self.expression(SUM)
        if self.kind != "end":
            raise self.unexpected("an operator expected")
        return tree

    def expression(self, weakest: int) -> Expression:
        """What follows, up to an operator that binds less tightly than the weakest."""
        self.nesting += 1
        if self.nesting > MAX_PARENTHESES:
            raise UnknownPart(f"more than {MAX_PARENTHESES} parentheses or signs in each other")
        left = self.operand()
        while (strength := OPERATORS.get(self.token, 0)) >= weakest:
            operator = self.token
            self.advance()
            right = self.expression(MINUS if operator == "**" else strength + 1)
            left = _combine(operator, left, right)
        self.nesting -= 1
        return left

    def operand(self) -> Expression:
        kind, token = self.kind, self.token
        if kind == "end" or token in ("*", "/", "**", ")", ","):
            raise self.unexpected(f"a formula in {VARIABLE} expected, for example max(x, 0)")
        self.advance()
        if kind == "number":
            return _number(token)
        if kind == "name":
            return self.call(token) if self.token == "(" else self.name(token)
        if token != "(":
            return _negative(self.expression(MINUS), token)
        inner = self.expression(SUM)
        self.expect(")")
        return inner

    def name(self, identifier: str) -> Name:
        if identifier not in self.names:
            raise UnknownPart(f"unknown name {identifier!r}; known: {', '.join(self.names)}")
        return Name(identifier)

    def call(self, function: str) -> Call:
        if function not in FUNCTIONS:
            raise UnknownPart(f"unknown function {function!r}; known: {', '.join(FUNCTIONS)}")
        arguments: list[Expression] = []
        while self.token in ("(", ","):
            self.advance()
            arguments.append(self.expression(SUM))
        self.expect(")")
        if len(arguments) != FUNCTIONS[function]:
            raise UnknownPart(
                f"{function} takes {FUNCTIONS[function]} argument(s), {len(arguments)} given"
            )
        return Call(function, tuple(arguments))


def _number(token: str) -> Constant:
    if len(token.lower().partition("e")[2]) > 5:
        raise UnknownPart(f"the power of ten in {token[:20]!r} is too long")
    return rational(Fraction(token))


def _negative(inner: Expression, sign: str) -> Expression:
    if sign == "+":
        return inner
    if isinstance(inner, Constant):
        return Constant(-inner.value)
    return Call("*", (Constant(Fraction(-1)), inner))


def _combine(operator: str, left: Expression, right: Expression) -> Expression:
    if operator == "**":
        exponent = fold(right)
        if exponent is None or abs(exponent) > MAX_EXPONENT:
            raise UnknownPart(
                f"the exponent {right} is not a rational number of size at most {MAX_EXPONENT}"
            )
        right = Constant(exponent)
    tree = Call(operator, (left, right))
    if operator == "/" and isinstance(left, Constant) and isinstance(right, Constant):
        return rational(fold(tree) or Fraction(0))
    return tree


def fold(tree: Expression) -> Fraction | None:
    """The rational number that arithmetic with numbers comes to; None for anything else."""
    if isinstance(tree, Constant):
        return tree.value
    if isinstance(tree, Name) or tree.function not in OPERATORS:
        return None
    a, b = map(fold, tree.arguments)
    if a is None or b is None:
        return None
    match tree.function:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            if b == 0:
                raise UnknownPart("division by zero")
            return a / b
    if a == 0 and b < 0:
        raise UnknownPart("division by zero")
    size = a.numerator.bit_length() + a.denominator.bit_length()
    return Fraction(a**b.numerator) if b.denominator == 1 and size * abs(b) < MAX_BITS else None


def _print(tree: Expression) -> tuple[str, int]:
    """A text, and how tightly its outermost operator binds."""
    match tree:
        case Constant(value=value):
            return _print_number(value)
        case Name(identifier=identifier):
            return identifier, ATOM
        case Call("*", (Constant(value=-1), other)) if not isinstance(other, Constant):
            return f"-{_operand(other, MINUS)}", MINUS
        case Call("**", (base, exponent)):
            return f"{_operand(base, ATOM)}**{_operand(exponent, MINUS)}", POWER
        case Call(function, (left, right)) if function in OPERATORS:
            strength = OPERATORS[function]
            sign = f" {function} " if strength == SUM else function
            return f"{_operand(left, strength)}{sign}{_operand(right, strength + 1)}", strength
    arguments = ", ".join(_print(argument)[0] for argument in tree.arguments)
    return f"{tree.function}({arguments})", ATOM


def _operand(tree: Expression, weakest: int) -> str:
    text, strength = _print(tree)
    return text if strength >= weakest else f"({text})"


def _print_number(value: Fraction) -> tuple[str, int]:
    decimal = _decimal(value)
    ratio = f"{_decimal(Fraction(value.numerator))}/{_decimal(Fraction(value.denominator))}"
    if decimal is None or len(decimal) > max(len(ratio), 40):
        return ratio, PRODUCT
    return decimal, MINUS if value < 0 else ATOM


def _decimal(value: Fraction) -> str | None:
    """A finite decimal, in the notation with powers of ten where that is much shorter."""
    twos = (value.denominator & -value.denominator).bit_length() - 1
    odd, fives = value.denominator >> twos, 0
    while odd % 5 == 0:
        odd, fives = odd // 5, fives + 1
    if odd != 1:
        return None
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator)
    padded = digits.rjust(places + 1, "0")
    plain = f"{padded[: len(padded) - places]}.{padded[len(padded) - places :]}".rstrip(".")
    figures = digits.rstrip("0") or "0"
    power = len(digits) - 1 - places
    scientific = f"{figures[0]}.{figures[1:]}".rstrip(".") + f"e{power}"
    text = scientific if len(scientific) + 2 < len(plain) else plain
    return f"-{text}" if value < 0 else text
