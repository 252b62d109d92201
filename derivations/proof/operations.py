"""What a step of a proof can do: operations on the object of the step before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import sympy as sp

from derivations.proof.latex import Letter, to_latex
from theory.symbols import r


@dataclass(frozen=True)
class Result:
    """The last object of an earlier lemma, by the lemma's name."""

    name: str


Known: TypeAlias = sp.Basic | Result


class Trace(sp.Function):
    """Trace of a matrix over the samples."""

    def _latex(self, printer: Any) -> str:
        inner = printer._print(self.args[0])
        if not re.fullmatch(r"\([^()]*\)", inner):
            inner = rf"\left({inner}\right)"
        return rf"\operatorname{{tr}}{inner}"


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
        primed = Letter(f"{to_latex(self.variable)}'")
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
