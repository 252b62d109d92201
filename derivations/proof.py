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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter

from derivations.theorem import Theorem
from theory.meanfield import Kernel
from theory.symbols import GLOSSARY, K1, K2, N, Term, identity, r, v

DIGITS = 30
POINTS = 2
LINE = 62


class ProofError(Exception):
    """A step that does not follow: which one, with both sides."""


@dataclass(frozen=True)
class Result:
    """The last object of an earlier lemma, by the lemma's name."""

    name: str


Known = sp.Basic | Result
Rules = tuple[tuple[sp.Basic, Known], ...]


class Trace(sp.Function):
    """Trace of a matrix over the samples."""

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{tr}}\left({printer._print(self.args[0])}\right)"


@dataclass(frozen=True)
class Operation:
    """A function of the previous object; what it returns may still be unevaluated."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        raise NotImplementedError

    def on(self, symbol: sp.Symbol) -> sp.Basic | None:
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

    def on(self, symbol: sp.Symbol) -> sp.Basic:
        return sp.Subs(symbol, *zip(*self.pairs, strict=True))


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


@dataclass(frozen=True)
class ChangeVariables(Operation):
    """Old variables of integration as functions of new ones, times the Jacobian determinant."""

    pairs: tuple[tuple[sp.Symbol, sp.Basic], ...]
    variables: tuple[sp.Symbol, ...]

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        jacobian = sp.Matrix([new for _, new in self.pairs]).jacobian(self.variables)
        return previous.subs(dict(self.pairs), simultaneous=True) * sp.Abs(jacobian.det())

    def on(self, symbol: sp.Symbol) -> None:
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

    def on(self, symbol: sp.Symbol) -> sp.Symbol:
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

    def on(self, symbol: sp.Symbol) -> sp.Basic:
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

    def on(self, symbol: sp.Symbol) -> None:
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
    symbol: str
    definition: Known
    steps: tuple[Step, ...]
    given: Rules = ()
    row: str | None = None
    kernel: Kernel = Kernel(K1, K2, K1 - K2)


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
        results = self._results()
        for row in self.theorem.rows:
            lemma = next((lemma for lemma in self.lemmas if lemma.row == row.quantity), None)
            if lemma is None:
                raise ProofError(f"{self.theorem.id}: no lemma ends in {row.quantity}")
            prediction = row.value(lemma.kernel, v, N)
            objection = _objection(results[lemma.name], prediction, ())
            if objection:
                raise ProofError(
                    f"{self.theorem.id}: lemma {lemma.name!r} does not end in the prediction of "
                    f"{row.quantity}: {objection}"
                )

    def _results(self) -> dict[str, sp.Basic]:
        results: dict[str, sp.Basic] = {}
        for lemma in self.lemmas:
            if lemma.name in results:
                raise ProofError(f"{self.theorem.id}: two lemmas are named {lemma.name!r}")
            results[lemma.name] = self._verify(lemma, results)
        return results

    def _verify(self, lemma: Lemma, results: Mapping[str, sp.Basic]) -> sp.Basic:
        lemma = resolved(lemma, results)
        plain = {old: new for old, new in lemma.given if _is_plain(old)}
        current = lemma.definition
        for number, step in enumerate(lemma.steps, start=1):
            try:
                outcome = step.operation(current.xreplace(plain))
            except (ValueError, TypeError, AttributeError) as error:
                objection: str | None = f"the operation is meaningless: {error}"
            else:
                objection = _objection(outcome, step.states, lemma.given)
            if objection:
                raise ProofError(
                    f"{self.theorem.id}, lemma {lemma.name!r}, step {number} ({step.reason}): "
                    f"{objection}"
                )
            current = step.states
        return current

    def places(self) -> Iterator[tuple[tuple[str | int, ...], Known]]:
        """Every definition, rule, operand and stated side, with the path that leads to it."""
        yield from _leaves(self.lemmas, ())

    def altered(self, path: tuple[str | int, ...], value: Known) -> Proof:
        """The proof with another expression at this place."""
        return replace(self, lemmas=_with_leaf(self.lemmas, path, value))
