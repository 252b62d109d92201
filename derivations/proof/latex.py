"""Expressions and sentences as LaTeX and as text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from theory.symbols import GLOSSARY, q12

MANY = 24
ORDER = {symbol: place for place, symbol in enumerate(GLOSSARY)}


def to_latex(expression: sp.Basic) -> str:
    """In the letters of the glossary."""
    return _Latex().doprint(collected(_exact(expression)))


def to_text(expression: sp.Basic) -> str:
    """On one line, for the terminal."""
    return _Text().doprint(_exact(expression))


def _exact(expression: sp.Basic) -> sp.Basic:
    """With fractions in place of decimals that are halves, quarters or whole."""
    decimals = (one for one in expression.atoms(sp.Float) if float(4 * one).is_integer())
    whole = {one: sp.Rational(int(4 * one), 4) for one in decimals}
    return expression.xreplace(whole) if whole else expression


@lru_cache(maxsize=64)
def collected(total: sp.Basic) -> sp.Basic:
    """A sum of very many terms by the powers of the covariance, with factored coefficients."""
    if not (isinstance(total, sp.Add) and len(total.args) > MANY and total.is_polynomial(q12)):
        return total
    powers = sp.Poly(total, q12).all_terms()
    return sp.Add(*(sp.factor(part) * q12**power for (power,), part in reversed(powers)))


def plain_text(latex: str) -> str:
    """A sentence without the marks of LaTeX."""
    latex = re.sub(r"\\(mathbf|mathrm|operatorname|tfrac|left|right)\b ?|\\[,;!]", "", latex)
    latex = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", latex)
    for mark, text in (("\\to", "->"), ("\\infty", "oo"), ("\\top", "T"), ("\\ne", "!=")):
        latex = re.sub(re.escape(mark) + r"\b", text, latex)
    return re.sub(r"[$\\{}]", "", latex)


class Letter(sp.Symbol):
    """A name in LaTeX, printed as it is."""

    def _latex(self, printer: Any) -> str:
        return self.name


def letter_for(latex: str, stands_for: sp.Basic) -> Letter:
    """A name for an expression, of the same kind: of a number or of a matrix."""
    return Letter(latex, commutative=stands_for.is_commutative is not False)


class _Latex(LatexPrinter):
    """The letters of the glossary; primes; a layer as a superscript where there is a subscript."""

    def __init__(self) -> None:
        letters = {symbol: term.latex for symbol, term in GLOSSARY.items()}
        super().__init__({"symbol_names": letters, "inv_trig_style": "full", "order": "none"})

    def doprint(self, expr: sp.Basic) -> str:
        latex = super().doprint(expr).replace(r"\limits", "")
        latex = re.sub(r"^- - ?", "", latex).replace(" - - ", " + ")
        return re.sub(r"\{\\left\(((?:(?!\\left)\S)*) \\right\)\}", r"(\1)", latex)

    def _print_Function(self, expr: sp.Function, exp: str | None = None) -> str:
        if not isinstance(expr, AppliedUndef):
            return super()._print_Function(expr, exp)
        letter = GLOSSARY[expr.func].latex
        written = letter if len(expr.args) > 1 else f"{letter}({self._print(expr.args[0])})"
        return written if exp is None else f"{written}^{{{exp}}}"

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        inner = self._print(expr.expr)
        if isinstance(expr.expr, AppliedUndef) and len(expr.expr.args) == 1:
            return inner.replace("(", "'(", 1)
        order = len(expr.variables)
        below = "".join(rf"\partial {self._print(variable)}" for variable in expr.variables)
        above = r"\partial" if order == 1 else rf"\partial^{order}"
        if isinstance(expr.expr, AppliedUndef | sp.Symbol):
            return rf"\frac{{{above} {inner}}}{{{below}}}"
        return rf"\frac{{{above}}}{{{below}}} \left[{inner}\right]"

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        base, index = self._print(expr.base.label), " ".join(map(self._print, expr.indices))
        return f"{base}^{{{index}}}" if "_" in base else f"{base}_{{{index}}}"

    def _print_ExpBase(self, expr: sp.exp, exp: str | None = None) -> str:
        power = self._print(expr.args[0])
        if exp is None and r"\frac" in power:
            return rf"\exp\left({power}\right)"
        return super()._print_ExpBase(expr, exp)

    def _print_Mul(self, expr: sp.Mul) -> str:
        return super()._print_Mul(_arranged(expr))

    def _as_ordered_terms(self, expr: sp.Add, order: str | None = None) -> list[sp.Basic]:
        return sorted(expr.as_ordered_terms(), key=lambda term: term.could_extract_minus_sign())

    def _print_Sum(self, expr: sp.Sum) -> str:
        signs = (
            rf"\sum_{{{self._print(index)}=1}}^{{{_on_the_line(self._print(size))}}}"
            for index, _, size in reversed(expr.limits)
        )
        inner = self._print(expr.function)
        return f"{' '.join(signs)} " + (
            rf"\left({inner}\right)" if isinstance(expr.function, sp.Add) else inner
        )


def _on_the_line(latex: str) -> str:
    """A plain fraction with a stroke."""
    return re.sub(r"^\\frac\{(\w+)\}\{(\w+)\}$", r"\1/\2", latex)


class _Text(StrPrinter):
    """As sympy writes it, and shorter."""

    def _print_KroneckerDelta(self, expr: sp.KroneckerDelta) -> str:
        return f"delta({', '.join(map(self._print, expr.args[:2]))})"


class Root(sp.Function):
    """A square root that is printed as one."""

    def _latex(self, printer: Any) -> str:
        return rf"\sqrt{{{printer._print(self.args[0])}}}"


def _arranged(product: sp.Mul) -> sp.Mul:
    """Factors in the order of the glossary, with one root above and one below the line."""
    number, factors = product.as_coeff_mul()
    letters = [factor for factor in factors if not factor.is_commutative]
    roots = dict.fromkeys((1, -1), sp.S.One)
    others = []
    for factor in factors:
        base, power = factor.as_base_exp()
        if abs(power) == sp.S.Half:
            roots[sp.sign(power)] *= base
        elif base == sp.pi and power.is_Rational and power.q == 2:
            sign = sp.sign(power)
            roots[sign] *= base
            others.append(base ** (power - sign * sp.S.Half))
        elif factor.is_commutative:
            others.append(factor)
    if number.is_Rational and (roots[1].as_coeff_Mul()[0] / number.q).is_Integer:
        roots = {1: roots[1] / number.q, -1: roots[-1] * number.q}
        number = sp.Integer(number.p)
    above = roots[1].as_coeff_Mul()[0]
    if number.is_Rational and above > 1 and (number.q / above).is_Integer:
        number, roots = number * above, {1: roots[1] / above, -1: roots[-1] * above}
    others += [Root(base) ** sign for sign, base in roots.items() if base != 1]
    numbers = [] if number == 1 else [number]
    return sp.Mul(*numbers, *sorted(others, key=_place), *letters, evaluate=False)


def _place(factor: sp.Basic) -> tuple[int, int]:
    """Symbols before brackets before functions, each in the order of the glossary."""
    base = factor.as_base_exp()[0]
    if base.is_number and not isinstance(factor, sp.exp):
        return -1, 0
    plain, bracketed = isinstance(base, sp.Symbol | sp.Indexed), isinstance(base, sp.Add | Root)
    kind = 0 if plain else 1 if bracketed else 2
    ranged = factor.atoms(sp.Sum, sp.KroneckerDelta)
    symbols = factor.xreplace(dict.fromkeys(ranged, sp.S.One)).free_symbols
    return kind, min((ORDER[symbol] for symbol in symbols if symbol in ORDER), default=len(ORDER))
