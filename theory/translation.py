"""A sympy expression in one symbol, said in the grammar of activations."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from typing import Any

from theory.errors import DescriptionError
from theory.expression import (
    FUNCTIONS,
    MAX_DEPTH,
    PI,
    VARIABLE,
    Call,
    Constant,
    Expression,
    Name,
    UnknownPart,
    exact,
    rational,
)

ONE, TWO = Constant(Fraction(1)), Constant(Fraction(2))
SAME = {"Max": "max", "Min": "min", "Abs": "abs", "Heaviside": "step"}


def from_sympy(expression: Any) -> str:
    """The text of the expression; its symbol, whatever it is called, becomes x.

    A function of the name and arity of one of the grammar is taken for it, such as
    ``Function("softplus")``.

    >>> import sympy as sp
    >>> u = sp.Symbol("u")
    >>> from_sympy(u*sp.Function("softplus")(u) - sp.erfc(u)/3)
    'x*softplus(x) - 2*Phi(-sqrt(2)*x)/3'
    """
    try:
        symbols = sorted(map(str, expression.free_symbols))
        if len(symbols) > 1:
            raise UnknownPart(f"more than one variable: {', '.join(symbols)}")
        return str(_translate(expression, 0))
    except UnknownPart as problem:
        raise DescriptionError(f"sympy expression: {problem}") from None
    except RecursionError:
        raise DescriptionError("sympy expression: nested too deep to be read here") from None


def _translate(node: Any, depth: int) -> Expression:
    if depth > MAX_DEPTH:
        raise UnknownPart(f"nested deeper than {MAX_DEPTH}")
    if getattr(node, "is_Symbol", False):
        return Name(VARIABLE)
    if getattr(node, "is_Rational", False):
        return rational(Fraction(int(node.p), int(node.q)))
    if getattr(node, "is_Float", False):
        return rational(exact(float(node)) if node._prec <= 53 else Fraction(str(node)))
    kind = type(node).__name__
    if kind == "Piecewise":
        raise UnknownPart("Piecewise has no equivalent; write it with max, min, abs or step")
    if kind == "Pi":
        return Name(PI)
    if kind == "Exp1":
        return Call("exp", (ONE,))
    if kind == "Add":
        return reduce(_add, [_signed(term, depth) for term in node.as_ordered_terms()])[1]
    if kind == "Mul":
        return _product(node, depth)
    if kind == "Pow":
        return _power(node.base, node.exp, depth)
    return _call(node, [_translate(argument, depth + 1) for argument in getattr(node, "args", ())])


def _signed(term: Any, depth: int) -> tuple[str, Expression]:
    """A term as + or - something."""
    if term.could_extract_minus_sign() and not term.is_Add:
        return "-", _translate(-term, depth + 1)
    return "+", _translate(term, depth + 1)


def _add(a: tuple[str, Expression], b: tuple[str, Expression]) -> tuple[str, Expression]:
    left = a[1] if a[0] == "+" else _negative(a[1])
    return "+", Call(b[0], (left, b[1]))


def _negative(tree: Expression) -> Expression:
    match tree:
        case Constant(value=value):
            return Constant(-value)
        case Call("*" | "/" as operator, (left, right)):
            return Call(operator, (_negative(left), right))
    return Call("*", (Constant(Fraction(-1)), tree))


def _product(node: Any, depth: int) -> Expression:
    coefficient, factors = node.as_coeff_mul()
    if getattr(coefficient, "is_infinite", False) or not getattr(coefficient, "is_real", False):
        raise UnknownPart(f"{type(coefficient).__name__} has no equivalent")
    number = _translate(coefficient, depth + 1)
    assert isinstance(number, Constant)
    above = [f for f in factors if not _is_divisor(f)]
    below = [1 / f for f in factors if _is_divisor(f)]
    size = abs(number.value)
    parts = [_translate(factor, depth + 1) for factor in above]
    if size.numerator != 1 or not parts:
        parts.insert(0, Constant(size if size.numerator != 1 else Fraction(1)))
    tree = reduce(lambda a, b: Call("*", (a, b)), parts)
    divisors = [_translate(factor, depth + 1) for factor in below]
    if size.numerator == 1 and size.denominator != 1:
        divisors.insert(0, Constant(Fraction(size.denominator)))
    for divisor in divisors:
        tree = Call("/", (tree, divisor))
    return _negative(tree) if number.value < 0 else tree


def _is_divisor(factor: Any) -> bool:
    return type(factor).__name__ == "Pow" and bool(factor.exp.is_negative and factor.exp.is_Number)


def _power(base: Any, exponent: Any, depth: int) -> Expression:
    if exponent.free_symbols:
        if not base.is_positive:
            raise UnknownPart("a power with the variable in its exponent needs a positive base")
        product = Call("*", (_translate(exponent, depth + 1), _translate(base, depth + 1)))
        return Call("exp", (Call("*", (product.arguments[0], Call("log", product.arguments[1:]))),))
    if type(base).__name__ == "Exp1":
        return Call("exp", (_translate(exponent, depth + 1),))
    number = _translate(exponent, depth + 1)
    inner = _translate(base, depth + 1)
    if not isinstance(number, Constant):
        raise UnknownPart(f"the exponent {number} is not a rational number")
    if number.value < 0:
        return Call("/", (ONE, _root_or_power(inner, -number.value)))
    return _root_or_power(inner, number.value)


def _root_or_power(base: Expression, p: Fraction) -> Expression:
    if p == 1:
        return base
    return Call("sqrt", (base,)) if p == Fraction(1, 2) else Call("**", (base, Constant(p)))


def _call(node: Any, arguments: list[Expression]) -> Expression:
    kind = type(node).__name__
    function = SAME.get(kind, kind)
    match function, arguments:
        case (("max" | "min"), [_, _, *_]):
            return reduce(lambda a, b: Call(function, (a, b)), arguments)
        case "step", [a, *_]:  # the second argument is the value at 0
            return Call("step", (a,))
        case "erfc", [a]:
            return Call("*", (TWO, Call("Phi", (_scaled(a),))))
        case "sinh", [a]:
            rise, fall = Call("expm1", (a,)), Call("expm1", (_negative(a),))
            return Call("/", (Call("-", (rise, fall)), TWO))
        case _ if function in FUNCTIONS and FUNCTIONS[function] == len(arguments):
            return Call(function, tuple(arguments))
    raise UnknownPart(f"{kind} has no equivalent; known: {', '.join(FUNCTIONS)}")


def _scaled(a: Expression) -> Expression:
    """-sqrt(2) a, as in erfc(a) = 2 Phi(-sqrt(2) a)."""
    return Call("*", (Call("*", (Constant(Fraction(-1)), Call("sqrt", (TWO,)))), a))
