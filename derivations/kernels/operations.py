"""What the steps of proofs on kernels do: solve equations in q_12, integrate Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from derivations.kernels.gaussian_pair import OTHER
from derivations.proof import Known, Operation, objection
from derivations.proof.latex import Letter
from theory.symbols import S_s, S_t, kolmogorov, r, spread_s, spread_t

ENDS = ((sp.oo, "-"), (sp.S.Zero, "+"))


def _require(*equalities: tuple[str, sp.Basic, Known]) -> None:
    """Refuse a claim of which one of these, named, is not what it should be."""
    for what, found, wanted in equalities:
        failure = objection(found, wanted, ())
        if failure:
            raise ValueError(f"the {what} of the claim is another: {failure}")


@dataclass(frozen=True)
class SolveFromZero(Operation):
    """The function with this derivative and a known value at 0, claimed and then differentiated.

    ``written`` (LaTeX) names the value at 0 where its formula is too long to be repeated.
    """

    variable: sp.Symbol
    initial: Known
    claim: sp.Basic
    written: str | None = None

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        start = _without_empty_integrals(self.claim.subs(self.variable, 0))
        _require(
            ("derivative", sp.diff(self.claim, self.variable), previous),
            ("value at 0", start, self.initial),
        )
        return self.claim

    def on(self, symbol: sp.Basic) -> sp.Basic:
        start = self.initial if self.written is None else Letter(self.written)
        return start + sp.Integral(symbol, (r, 0, self.variable))


@dataclass(frozen=True)
class SolveGrowth(Operation):
    """The solution of I' = I + what came before with a known value at 0, claimed and checked."""

    variable: sp.Symbol
    initial: Known
    claim: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        slope = sp.diff(self.claim, self.variable) - self.claim
        start = _without_empty_integrals(self.claim.subs(self.variable, 0))
        _require(
            ("derivative", sp.expand(slope), sp.expand(previous)),
            ("value at 0", start, self.initial),
        )
        return self.claim

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class DetermineByTwo(Operation):
    """The solution of I'' = factor I with a known value and slope at 0, claimed and checked."""

    variable: sp.Symbol
    slope: Known
    factor: sp.Basic
    claim: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        first = sp.diff(self.claim, self.variable)
        _require(
            ("second derivative", sp.diff(first, self.variable), self.factor * self.claim),
            ("slope at 0", first.subs(self.variable, 0), self.slope),
            ("value at 0", self.claim.subs(self.variable, 0), previous),
        )
        return self.claim

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class SolveByMeans(Operation):
    """The solution of dI/dq_12 = d^2 I/(dm_1 dm_2) that is what came before at 0, claimed."""

    variable: sp.Symbol
    means: tuple[sp.Symbol, sp.Symbol]
    claim: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        _require(
            ("derivative", sp.diff(self.claim, self.variable), sp.diff(self.claim, *self.means)),
            ("value at 0", self.claim.subs(self.variable, 0), previous),
        )
        return self.claim

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class Differentiate(Operation):
    """Differentiate by a variable."""

    variable: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return sp.diff(previous, self.variable)

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class IntegrateGaussian(Operation):
    """Integrate exp(-A x^2/2 + B x), A > 0, times a positive constant over the line."""

    variable: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        x, factors = self.variable, sp.Mul.make_args(previous)
        exponent = sp.Add(*(f.args[0] for f in factors if isinstance(f, sp.exp)))
        constant = sp.Mul(*(f for f in factors if not isinstance(f, sp.exp)))
        precision = sp.cancel(-sp.diff(exponent, x, 2))
        if precision == 0 or precision.has(x) or constant.has(x):
            raise ValueError(f"{previous} is not a Gaussian in {x}")
        rate = sp.diff(exponent, x).subs(x, 0)
        return bump(
            2 * sp.pi * constant**2 / precision,
            exponent.subs(x, 0) + rate**2 / (2 * precision),
        )

    def on(self, symbol: sp.Basic) -> sp.Basic:
        return sp.Integral(symbol, (self.variable, -sp.oo, sp.oo))


@dataclass(frozen=True)
class ScaleVariance(Operation):
    """The function of a variance S, less 2 S times its derivative."""

    variance: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous - 2 * self.variance * sp.diff(previous, self.variance)

    def on(self, symbol: sp.Basic) -> sp.Basic:
        return symbol - 2 * self.variance * sp.Derivative(symbol, self.variance, evaluate=False)


@dataclass(frozen=True)
class Telescope(Operation):
    """How a sum over an index to a bound grows with the bound, and the empty sum."""

    index: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        before, empty = (previous.subs(self.index, at) for at in (self.index - 1, 0))
        return sp.Tuple(previous - before, empty)

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class AsPrimitive(Operation):
    """The derivative of a primitive, with its limits at infinity and at 0."""

    variable: sp.Symbol

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        ends = (sp.limit(previous, self.variable, end, side) for end, side in ENDS)
        return sp.Tuple(sp.diff(previous, self.variable), *ends)

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class UpperLessLower(Operation):
    """The integral of what has these limits of a primitive."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        if len(previous.args) != 3:
            raise ValueError(f"{previous} is no derivative with two limits")
        return previous.args[1] - previous.args[2]

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class AverageNoise(Operation):
    """Average over independent Kolmogorov variables w, the noise having variances factor w^2."""

    factor: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        noise = {one: w for one, w in ((S_t, spread_t), (S_s, spread_s)) if previous.has(one)}
        average = previous.subs({one: self.factor * w**2 for one, w in noise.items()})
        weight = sp.Mul(*(kolmogorov(w) for w in noise.values()))
        return sp.Integral(weight * average, *((w, 0, sp.oo) for w in noise.values()))

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class TimesOther(Operation):
    """Multiply a function of u_t's law by the same function of u_s's law."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous * previous.xreplace(OTHER)

    def on(self, symbol: sp.Basic) -> None:
        return None


def bump(square: sp.Basic, exponent: sp.Basic) -> sp.Basic:
    """The root of a rational function times the exponential of another, in lowest terms."""
    above, below = sp.factor(square).as_numer_denom()
    return sp.sqrt(above) / sp.sqrt(below) * sp.exp(sp.factor(exponent))


def _without_empty_integrals(expression: sp.Basic) -> sp.Basic:
    def is_empty(e: sp.Basic) -> bool:
        return isinstance(e, sp.Integral) and any(
            len(limit) == 3 and limit[1] == limit[2] for limit in e.limits
        )

    return expression.replace(is_empty, lambda e: sp.S.Zero)
