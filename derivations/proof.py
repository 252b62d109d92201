r"""Proofs: chains of checked equalities, verified and printed from the same objects.

A ``Lemma`` starts from a definition; each ``Step`` is an operation on the previous object and
states what comes out. ``Proof.verify`` performs every operation and compares the outcome with what
is stated, first in numbers and then exactly; then it compares the lemmas that end in a prediction
with the rows of the theorem. Dimensions stay symbolic: matrices over the samples are words of an
algebra whose letters do not commute, sums run to a symbolic bound.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from derivations.theorem import Theorem
from theory.meanfield import Kernel
from theory.symbols import GLOSSARY, K1, K2, N, Term, identity, r, v

DIGITS, AGREEMENT = 30, mpmath.mpf("1e-20")
POINTS = 2
LINE, BRACKETS = 60, 2


class ProofError(Exception):
    """A step that does not follow: which one, with both sides."""


@dataclass(frozen=True)
class Result:
    """The last object of an earlier lemma, by the lemma's name."""

    name: str


LINEAR_OUTPUT = Kernel(K1, K2, K1 - K2)
Path = tuple[str | int, ...]
Known: TypeAlias = sp.Basic | Result
Rules = tuple[tuple[sp.Basic, Known], ...]


class Trace(sp.Function):
    """Trace of a matrix over the samples."""

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{tr}}\left({printer._print(self.args[0])}\right)"


OPAQUE = (AppliedUndef, sp.Sum, sp.Indexed, sp.KroneckerDelta, Trace)


@dataclass(frozen=True)
class Operation:
    """A function of the previous object; what it returns may still be unevaluated."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        raise NotImplementedError

    def on(self, symbol: sp.Basic) -> sp.Basic | None:
        """How the operation is written, None where the outcome needs a symbol of its own."""
        return self(symbol)


@dataclass(frozen=True)
class Evaluate(Operation):
    """Carry out what is written (derivatives, integrals, sums, products), or rewrite it."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous


@dataclass(frozen=True)
class Substitute(Operation):
    """Put new expressions in the place of old ones, all at once."""

    pairs: tuple[tuple[sp.Basic, Known], ...]

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous.subs(dict(self.pairs), simultaneous=True)

    def on(self, symbol: sp.Basic) -> sp.Basic | None:
        return sp.Subs(symbol, *zip(*self.pairs, strict=True)) if len(self.pairs) < 3 else None


@dataclass(frozen=True)
class Multiply(Operation):
    """Multiply by a factor."""

    factor: Known

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return self.factor * previous


@dataclass(frozen=True)
class Add(Operation):
    """Add a term."""

    term: Known

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return self.term + previous


@dataclass(frozen=True)
class Square(Operation):
    """The product with itself, of numbers or of matrices."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous * previous


@dataclass(frozen=True)
class Integrate(Operation):
    """Integrate over a variable."""

    variable: sp.Symbol
    lower: sp.Basic
    upper: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return sp.Integral(previous, (self.variable, self.lower, self.upper))


@dataclass(frozen=True)
class IntegrateFromZero(Operation):
    """The function of a variable that has this derivative and a known value at 0."""

    variable: sp.Symbol
    initial: Known

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        integrand = previous.subs(self.variable, r)
        return self.initial + sp.Integral(integrand, (r, 0, self.variable))

    def on(self, symbol: sp.Basic) -> sp.Basic:
        primed = Letter(f"{_latex(self.variable)}'")
        return self.initial + sp.Integral(symbol, (primed, 0, self.variable))


@dataclass(frozen=True)
class ChangeVariables(Operation):
    """Old variables of integration as functions of new ones, times the Jacobian determinant."""

    pairs: tuple[tuple[sp.Symbol, sp.Basic], ...]
    variables: tuple[sp.Symbol, ...]

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        jacobian = sp.Matrix([new for _, new in self.pairs]).jacobian(self.variables)
        return previous.subs(dict(self.pairs), simultaneous=True) * sp.Abs(jacobian.det())

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class DropTotalDerivatives(Operation):
    """Under an integral over the plane, derivatives in these variables integrate to zero."""

    variables: tuple[sp.Symbol, ...]

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        terms = [t for t in sp.Add.make_args(previous.function) if not self._is_total(t)]
        return sp.Integral(sp.Add(*terms), *previous.limits)

    def _is_total(self, term: sp.Basic) -> bool:
        derivative = term.as_coeff_Mul()[1]
        return isinstance(derivative, sp.Derivative) and derivative.variables[0] in self.variables

    def on(self, symbol: sp.Basic) -> sp.Symbol:
        return symbol


@dataclass(frozen=True)
class SumOver(Operation):
    """Sum over an index from 1 to a symbolic size."""

    index: sp.Symbol
    size: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return sp.Sum(previous, (self.index, 1, self.size))


@dataclass(frozen=True)
class Apply(Operation):
    """Apply a matrix to a vector."""

    vector: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous * self.vector


@dataclass(frozen=True)
class Conjugate(Operation):
    """Put a matrix between a symmetric matrix and itself."""

    matrix: Known
    symbol: str

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return self.matrix * previous * self.matrix

    def on(self, symbol: sp.Basic) -> sp.Basic:
        matrix = sp.Symbol(self.symbol, commutative=False)
        return matrix * symbol * matrix


@dataclass(frozen=True)
class TakeTrace(Operation):
    """Trace of a matrix."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return Trace(previous)


@dataclass(frozen=True)
class Coefficient(Operation):
    """The factor of a vector: the eigenvalue, where the vector is an eigenvector."""

    vector: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return sp.expand(previous).coeff(self.vector)

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class Step:
    """An operation on the previous object, what it is stated to give, and why.

    ``symbol`` (LaTeX) names the outcome; without it the outcome is written by its operation.
    """

    operation: Operation
    states: sp.Basic
    reason: str
    symbol: str | None = None


@dataclass(frozen=True)
class Lemma:
    """A chain of steps from a definition.

    ``given`` are the rules of the objects in it, as left and right sides: a function's formula, a
    sum's value, the product of two letters. ``row``: the row of the theorem in whose prediction,
    evaluated at ``kernel``, the chain ends.
    """

    name: str
    opening: str
    symbol: str | None
    definition: Known
    steps: tuple[Step, ...]
    given: Rules = ()
    row: str | None = None
    kernel: Kernel = LINEAR_OUTPUT


@dataclass(frozen=True)
class Proof:
    """The lemmas of a theorem, in order.

    >>> from derivations.catalogue import theorem
    >>> theorem("mean-subtraction-last").prove().verify()
    """

    theorem: Theorem
    lemmas: tuple[Lemma, ...]

    def verify(self) -> None:
        """Check every step and every prediction; raise ``ProofError`` at the first that fails."""
        results: dict[str, sp.Basic] = {}
        for lemma in self.lemmas:
            if lemma.name in results:
                raise ProofError(f"{self.theorem.id}: two lemmas are named {lemma.name!r}")
            results[lemma.name], objection = _outcome(_resolved(lemma, results))
            if objection:
                raise ProofError(f"{self.theorem.id}, lemma {lemma.name!r}, {objection}")
        for row in self.theorem.rows:
            lemma = self._ending_in(row.quantity)
            prediction = row.value(lemma.kernel, v, N)
            objection = _objection(results[lemma.name], prediction, ())
            if objection:
                raise ProofError(
                    f"{self.theorem.id}: lemma {lemma.name!r} does not end in the prediction of "
                    f"{row.quantity}: {objection}"
                )

    def _ending_in(self, quantity: str) -> Lemma:
        for lemma in self.lemmas:
            if lemma.row == quantity:
                return lemma
        raise ProofError(f"{self.theorem.id}: no lemma ends in the prediction of {quantity}")

    def places(self) -> Iterator[tuple[Path, Known]]:
        """Every definition, rule, operand and stated side, with the path that leads to it."""
        yield from _leaves(self.lemmas, ())

    def altered(self, path: Path, value: Known) -> Proof:
        """The proof with another expression at this place."""
        return replace(self, lemmas=_with_leaf(self.lemmas, path, value))

    def to_text(self) -> str:
        """The proof for the terminal."""
        lines = [f"{self.theorem.id}: {self.theorem.says}", "", "Assumptions"]
        lines += [f"  - {_plain_text(assumption)}" for assumption in self.theorem.assumptions]
        for number, lemma in enumerate(self.lemmas, start=1):
            lines += ["", f"Lemma {number}. {lemma.name}", f"  {_plain_text(lemma.opening)}"]
            lines.append(f"    {self._definition_in_text(lemma)}")
            for place, step in enumerate(lemma.steps, start=1):
                operation = type(step.operation).__name__
                lines.append(f"  {number}.{place} {operation}: {_plain_text(step.reason)}")
                lines.append(f"    {_Text().doprint(step.states)}")
            if lemma.row:
                lines.append(f"  This is the prediction of {lemma.row}.")
        return "\n".join(lines)

    def _definition_in_text(self, lemma: Lemma) -> str:
        if isinstance(lemma.definition, Result):
            return f"lemma {self._number(lemma.definition)}"
        return _Text().doprint(lemma.definition)

    def _number(self, result: Result) -> int:
        return [lemma.name for lemma in self.lemmas].index(result.name) + 1

    def to_latex(self) -> str:
        """A fragment for a document with amsmath: statement, assumptions, numbered steps."""
        theorem = self.theorem
        results = {lemma.name: lemma.steps[-1].states for lemma in self.lemmas}
        parts = [
            rf"\noindent\textbf{{Theorem ({theorem.id}).}} {theorem.statement}",
            r"\par\medskip\noindent\textbf{Assumptions.}",
            _list(f" {assumption}" for assumption in theorem.assumptions),
            rf"\noindent\textbf{{Source.}} {theorem.source.replace('&', chr(92) + '&')}.",
            r"\par\medskip\noindent\textbf{Proof.}",
        ]
        for number, lemma in enumerate(self.lemmas, start=1):
            parts.append(self._lemma_in_latex(number, lemma, results))
        return "\n".join((*parts, r"\hfill\rule{1ex}{1ex}", ""))

    def _lemma_in_latex(self, number: int, lemma: Lemma, results: Mapping[str, sp.Basic]) -> str:
        parts = [rf"\par\medskip\noindent\textbf{{Lemma {number} ({lemma.name}).}} {lemma.opening}"]
        if isinstance(lemma.definition, Result):
            parts.append(f"By lemma {self._number(lemma.definition)}:")
        rules = ", ".join(self._rule_in_latex(*rule) for rule in lemma.given)
        lemma = _resolved(lemma, results)
        written, steps = lemma.definition, []
        if lemma.symbol is not None:
            written = _letter(lemma.symbol, lemma.definition)
            parts.append(_display([written], lemma.definition))
        if rules:
            given = "With" if lemma.symbol is None else "with"
            parts.append(rf"{{\raggedright {given} {rules}.\par}}")
        for step in lemma.steps:
            outcome = step.operation.on(written)
            sides = [] if step.symbol is None else [_letter(step.symbol, step.states)]
            if outcome is not None and outcome not in sides:
                sides.append(outcome)
            written = sides[0]
            steps.append(f"{step.reason}\n{_display(sides, step.states)}")
        parts.append(_list([f"[({number}.{at})] {step}" for at, step in enumerate(steps, start=1)]))
        if lemma.row:
            parts.append("This is what the theorem predicts.")
        return "\n".join(parts)

    def _rule_in_latex(self, old: sp.Basic, new: Known) -> str:
        if isinstance(new, Result):
            return f"${_latex(old)}$ of lemma {self._number(new)}"
        return f"${_latex(old)} = {_latex(new)}$"


def _leaves(node: Any, path: Path) -> Iterator[tuple[Path, Known]]:
    if isinstance(node, sp.Basic | Result):
        yield path, node
    elif isinstance(node, Kernel):
        return
    elif isinstance(node, tuple):
        for index, child in enumerate(node):
            yield from _leaves(child, (*path, index))
    elif is_dataclass(node):
        for field in fields(node):
            yield from _leaves(getattr(node, field.name), (*path, field.name))


def _with_leaf(node: Any, path: Path, value: Known) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, str):
        return replace(node, **{head: _with_leaf(getattr(node, head), rest, value)})
    return (*node[:head], _with_leaf(node[head], rest, value), *node[head + 1 :])


def _resolved(lemma: Lemma, results: Mapping[str, sp.Basic]) -> Lemma:
    """The lemma with the results of the earlier ones put in."""
    for path, leaf in list(_leaves(lemma, ())):
        if isinstance(leaf, Result):
            if leaf.name not in results:
                raise ProofError(f"lemma {lemma.name!r} uses {leaf.name!r}, not proved before it")
            lemma = _with_leaf(lemma, path, results[leaf.name])
    return lemma


@lru_cache(maxsize=1024)
def _outcome(lemma: Lemma) -> tuple[sp.Basic, str | None]:
    """The last object of a lemma, and what is wrong with its first step that fails."""
    plain = {old: new for old, new in lemma.given if _is_plain(old)}
    current: sp.Basic = lemma.definition
    for number, step in enumerate(lemma.steps, start=1):
        try:
            outcome = step.operation(current.xreplace(plain))
            objection = _objection(outcome, step.states, lemma.given)
        except ValueError as error:
            objection = f"the operation has no meaning: {error}"
        if objection:
            return step.states, f"step {number} ({step.reason}): {objection}"
        current = step.states
    return current, None


@lru_cache(maxsize=4096)
def _objection(outcome: sp.Basic, stated: sp.Basic, rules: Rules) -> str | None:
    """Why two objects are not equal, or None where they are: numbers first, then exactly."""
    if isinstance(outcome, sp.Tuple) != isinstance(stated, sp.Tuple):
        return f"{outcome} is stated to be {stated}: a pair is no number"
    if isinstance(outcome, sp.Tuple):
        if len(outcome) != len(stated):
            return f"{len(outcome)} components, {len(stated)} stated"
        parts = (_objection(a, b, rules) for a, b in zip(outcome, stated, strict=True))
        return next((part for part in parts if part), None)
    plain = {old: new for old, new in rules if _is_plain(old)}
    outcome, stated = outcome.xreplace(plain), stated.xreplace(plain)
    objection = _objection_in_numbers(outcome, stated)
    if objection:
        return objection
    rest = _simplified(_evaluated(outcome, rules) - _evaluated(stated, rules))
    if rest == 0:
        return None
    return f"{outcome} is stated to be {stated}; could not simplify the difference to 0: {rest}"


def _is_plain(pattern: sp.Basic) -> bool:
    return pattern.is_commutative and not pattern.has(sp.Sum, Trace)


def _objection_in_numbers(outcome: sp.Basic, stated: sp.Basic) -> str | None:
    """Evaluate both sides at rational points of the domain, where they are numbers."""
    if any(not side.is_commutative or side.has(*OPAQUE) for side in (outcome, stated)):
        return None
    sides = [side.doit(integrals=False) for side in (outcome, stated)]
    for point in _rational_points(sp.Tuple(*sides)):
        left, right = (_number(side, point) for side in sides)
        if not abs(left - right) <= AGREEMENT * (1 + abs(right)):
            where = ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
            return (
                f"{outcome} is stated to be {stated}, but at {where or 'every point'} they are "
                f"{mpmath.nstr(left, 12)} and {mpmath.nstr(right, 12)}"
            )
    return None


def _rational_points(expression: sp.Basic) -> Iterator[dict[sp.Symbol, sp.Rational]]:
    """Points of the domains in the glossary, for all free symbols."""
    symbols = sorted(expression.free_symbols, key=str)
    for seed in range(POINTS):
        numbers, point = random.Random(seed), {}
        for symbol in symbols:
            low, high = GLOSSARY.get(symbol, Term("", "", "")).between
            inside = low + sp.Rational(numbers.randint(1, 96), 97) * (high - low)
            point[symbol] = sp.floor(inside) if symbol.is_integer else inside
        yield point


def _number(side: sp.Basic, point: Mapping[sp.Symbol, sp.Rational]) -> Any:
    """The value of an expression there, not a number where it has none."""
    if side.has(sp.zoo, sp.nan):
        return mpmath.nan
    with mpmath.workdps(DIGITS + 5):
        values = [mpmath.mpf(int(value.p)) / int(value.q) for value in point.values()]
        try:
            return mpmath.mpmathify(sp.lambdify(list(point), side, "mpmath")(*values))
        except ZeroDivisionError:
            return mpmath.nan


def _evaluated(expression: sp.Basic, rules: Rules) -> sp.Basic:
    """Derivatives, integrals, sums and products of letters carried out under the rules.

    An integral over undefined functions stays, and is then compared under the integral sign.
    """
    if expression.has(sp.Sum):
        sums = {old: new for old, new in rules if old.has(sp.Sum)}
        expression = expression.replace(_is_sum, _summed).xreplace(sums)
    if expression.has(sp.Derivative, sp.Subs, sp.Integral):
        expression = expression.doit(integrals=not expression.has(AppliedUndef))
    if not expression.is_commutative or expression.has(Trace):
        products = {old: new for old, new in rules if not _is_plain(old)}
        expression = _reduced(expression, products)
    return expression.replace(_is_integral, _under_the_sign)


def _is_sum(expression: sp.Basic) -> bool:
    return isinstance(expression, sp.Sum)


def _is_integral(expression: sp.Basic) -> bool:
    return isinstance(expression, sp.Integral)


def _under_the_sign(integral: sp.Integral) -> sp.Basic:
    return integral.function.doit() * sp.Symbol(f"integral over {integral.limits}")


def _summed(total: sp.Sum) -> sp.Basic:
    """A sum term by term: what does not depend on the index stands outside."""
    value = total.function
    for limit in total.limits:
        terms = []
        for term in sp.Add.make_args(sp.expand(value)):
            constant, dependent = term.as_independent(limit[0], as_Add=False)
            part = sp.Sum(dependent, limit)
            deltas = dependent.atoms(sp.KroneckerDelta)
            if any(delta.delta_range != limit[1:] for delta in deltas):
                raise ValueError(f"{dependent} is summed over {limit}, not over the range of delta")
            known = deltas or dependent == 1 or limit[2].is_Integer
            terms.append(constant * (part.doit() if known else part))
        value = sp.Add(*terms)
    return value


def _reduced(word: sp.Basic, rules: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    """A sum of words of letters that do not commute, with neighbours contracted by the rules.

    The identity drops out beside another letter; the trace is that of a column times a row.
    """
    if isinstance(word, Trace):
        return _sum_of_words(_reduced(word.args[0], rules), rules, _traced)
    if word.has(Trace):
        word = word.replace(lambda e: isinstance(e, Trace), lambda e: _reduced(e, rules))
    return _sum_of_words(word, rules, _contracted)


def _sum_of_words(
    word: sp.Basic,
    rules: Mapping[sp.Basic, sp.Basic],
    value: Callable[[list[sp.Basic], Mapping[sp.Basic, sp.Basic]], sp.Basic],
) -> sp.Basic:
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(word)):
        factors, powers = term.args_cnc()
        bases = (power.as_base_exp() for power in powers)
        letters = [base for base, exponent in bases for _ in range(int(exponent))]
        total += sp.Mul(*factors) * value(letters, rules)
    return sp.expand(total)


def _contracted(letters: list[sp.Basic], rules: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    for at, (left, right) in enumerate(pairwise(letters)):
        if identity in (left, right):
            neighbours = right if left == identity else left
        elif left * right in rules:
            neighbours = rules[left * right]
        else:
            continue
        return _reduced(sp.Mul(*letters[:at], neighbours, *letters[at + 2 :]), rules)
    return sp.Mul(*letters)


def _traced(letters: list[sp.Basic], rules: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    turned = Trace(identity) if letters == [identity] else sp.Mul(*letters[1:], *letters[:1])
    return rules.get(turned, Trace(sp.Mul(*letters)))


def _simplified(difference: sp.Basic) -> sp.Basic:
    """0 if the difference is seen to vanish in some form, else what is left of it."""
    rest = _as_function_of_symbols(difference)
    if any(not abs(_number(rest, point)) <= AGREEMENT for point in _rational_points(rest)):
        return rest
    for form in FORMS:
        if form(rest) == 0:
            return sp.S.Zero
    return rest


def _as_function_of_symbols(expression: sp.Basic) -> sp.Basic:
    """Every word and every sum, array and undefined function under a symbol of its own."""
    if not expression.is_commutative:
        parts = (term.args_cnc() for term in sp.Add.make_args(sp.expand(expression)))
        expression = sp.Add(
            *(sp.Mul(*factors) * sp.Symbol(f"<{sp.Mul(*word)}>") for factors, word in parts)
        )
    return expression.xreplace(
        {e: sp.Symbol(f"<{e}>", real=True) for e in expression.atoms(sp.Derivative, *OPAQUE)}
    )


def _split_roots(expression: sp.Basic) -> sp.Basic:
    """Roots of products of positive factors as products of roots."""

    def is_root(e: sp.Basic) -> bool:
        return isinstance(e, sp.Pow) and e.exp.is_Rational and not e.exp.is_Integer

    return sp.expand(expression.replace(is_root, lambda e: sp.factor(e.base) ** e.exp))


ORDER = {symbol: place for place, symbol in enumerate(GLOSSARY)}
FORMS = (
    sp.expand,
    lambda e: sp.expand(e.rewrite(sp.asin)),
    _split_roots,
    lambda e: sp.simplify(sp.gammasimp(e)),
    lambda e: sp.simplify(e.rewrite(sp.asin)),
)


class _Latex(LatexPrinter):
    """The letters of the glossary; primes; a layer as a superscript where there is a subscript."""

    def __init__(self) -> None:
        letters = {symbol: term.latex for symbol, term in GLOSSARY.items()}
        super().__init__({"symbol_names": letters, "inv_trig_style": "full", "order": "none"})

    def doprint(self, expr: sp.Basic) -> str:
        latex = super().doprint(expr).replace(r"\limits", "")
        return re.sub(r"\{\\left\((\S*) \\right\)\}", r"(\1)", latex)

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
            rf"\sum_{{{self._print(index)}=1}}^{{{self._print(size)}}}"
            for index, _, size in reversed(expr.limits)
        )
        inner = self._print(expr.function)
        return f"{' '.join(signs)} " + (
            rf"\left({inner}\right)" if isinstance(expr.function, sp.Add) else inner
        )


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
        elif factor.is_commutative:
            others.append(factor)
    if number.is_Rational and (roots[1].as_coeff_Mul()[0] / number.q).is_Integer:
        roots = {1: roots[1] / number.q, -1: roots[-1] * number.q}
        number = sp.Integer(number.p)
    others += [Root(base) ** sign for sign, base in roots.items() if base != 1]
    numbers = [] if number == 1 else [number]
    return sp.Mul(*numbers, *sorted(others, key=_place), *letters, evaluate=False)


def _place(factor: sp.Basic) -> tuple[int, int]:
    """Symbols before brackets before functions, each in the order of the glossary."""
    base = factor.as_base_exp()[0]
    if base.is_number:
        return -1, 0
    plain, bracketed = isinstance(base, sp.Symbol | sp.Indexed), isinstance(base, sp.Add | Root)
    kind = 0 if plain else 1 if bracketed else 2
    ranged = factor.atoms(sp.Sum, sp.KroneckerDelta)
    symbols = factor.xreplace(dict.fromkeys(ranged, sp.S.One)).free_symbols
    return kind, min((ORDER[symbol] for symbol in symbols if symbol in ORDER), default=len(ORDER))


def _latex(expression: sp.Basic) -> str:
    return _Latex().doprint(expression)


def _plain_text(latex: str) -> str:
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


def _letter(latex: str, stands_for: sp.Basic) -> Letter:
    return Letter(latex, commutative=stands_for.is_commutative is not False)


def _list(items: Iterable[str]) -> str:
    lines = "\n".join(rf"\item{item}" for item in items)
    return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"


def _display(sides: list[sp.Basic], stated: sp.Basic) -> str:
    """The sides and what they equal, on as many lines as it takes."""
    left, right = " = ".join(_latex(side) for side in sides), _latex(stated)
    if _width(f"{left} = {right}") <= LINE:
        return f"\\[\n  {left} = {right}\n\\]"
    lines = [left, *_broken(f"= {right}")]
    if _width(lines[0]) + _width(lines[1]) <= LINE:
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    body = " \\\\\n  ".join(lines)
    return f"\\begin{{multline*}}\n  {body}\n\\end{{multline*}}"


def _broken(latex: str) -> list[str]:
    """A formula on as many lines as it takes, cut before signs, outside brackets if possible."""
    for level in range(BRACKETS + 1):
        pieces = _cut(latex, level)
        if all(_width(piece) <= LINE for piece in pieces):
            break
    lines = pieces[:1]
    for piece in pieces[1:]:
        if _width(lines[-1] + piece) <= LINE:
            lines[-1] += piece
        else:
            lines.append("{}" + piece)
    return lines


def _cut(latex: str, level: int) -> list[str]:
    """The pieces between the signs within so many brackets; those brackets keep one size."""
    braces = brackets = 0
    pieces = [""]
    for token in re.split(r"(\\left|\\right|[{}]| [+-] |, \\ )", latex):
        braces += {"{": 1, "}": -1}.get(token, 0)
        brackets += token == r"\left"
        here = braces == 0 and brackets <= level
        if here and token in (" + ", " - "):
            pieces.append("")
        fixed = brackets <= level and token in (r"\left", r"\right")
        pieces[-1] += {r"\left": r"\Bigl", r"\right": r"\Bigr"}[token] if fixed else token
        if here and token == r", \ ":
            pieces.append("")
        brackets -= token == r"\right"
    return pieces


def _width(latex: str) -> float:
    """About how wide a formula is, in letters."""
    latex = re.sub(r"\\(left|right|limits|operatorname|mathbf|mathrm|,|;|!)", "", latex)
    latex = re.sub(r"\\(?!frac|sqrt|tfrac)[a-zA-Z]+", "x", latex)
    while True:
        shorter = re.sub(r"[_^]\s*\{([^{}]*)\}", lambda m: "." * (len(m[1]) // 2), latex)
        shorter = re.sub(
            r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: max(m[1], m[2], key=len), shorter
        )
        shorter = re.sub(r"\\sqrt\{([^{}]*)\}", r"x\1", shorter)
        if shorter == latex:
            return len(re.sub(r"[{}\s]", "", latex))
        latex = shorter
