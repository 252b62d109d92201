r"""What the proofs of kernels share: a Gaussian pair, and Price's theorem as an equation.

For a pair of variances q_11 and q_22, as a function of the covariance q_12,

.. math:: \frac{\partial}{\partial q_{12}} E\varphi(u_t)\varphi(u_s) = E\varphi'(u_t)\varphi'(u_s),
          \qquad E\varphi(u_t)\varphi(u_s)\big|_{q_{12} = 0} = E\varphi(u_t)\,E\varphi(u_s)

so that a claimed integral is proved by one derivative and one value.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from derivations.proof import Evaluate, Known, Lemma, Operation, Result, Step, objection
from theory.pair import Pair
from theory.symbols import (
    S_s,
    S_t,
    kolmogorov,
    m1,
    m2,
    q11,
    q12,
    q22,
    r,
    spread_s,
    spread_t,
)

ROOT = sp.sqrt(q11 * q22)
DETERMINANT = q11 * q22 - q12**2
PAIR = Pair(q11, q22, q12, (ROOT - q12) / ROOT, (ROOT + q12) / ROOT)
OTHER = {q11: q22, m1: m2, S_t: S_s}
ENDS = ((sp.oo, "-"), (sp.S.Zero, "+"))
LINE = (-sp.oo, sp.oo)
GIVEN_COVARIANCE = r"\frac{\partial}{\partial q_{12}} "


@dataclass(frozen=True)
class SolveFromZero(Operation):
    """The function with this derivative and a known value at 0, claimed and then differentiated."""

    variable: sp.Symbol
    initial: Known
    claim: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        start = _without_empty_integrals(self.claim.subs(self.variable, 0))
        for what, is_, wanted in (
            ("derivative", sp.diff(self.claim, self.variable), previous),
            ("value at 0", start, self.initial),
        ):
            failure = objection(is_, wanted, ())
            if failure:
                raise ValueError(f"the {what} of the claim is another: {failure}")
        return self.claim

    def on(self, symbol: sp.Basic) -> sp.Basic:
        return self.initial + sp.Integral(symbol, (r, 0, self.variable))


@dataclass(frozen=True)
class SolveGrowth(Operation):
    """The solution of I' = I + what came before with a known value at 0, claimed and checked."""

    variable: sp.Symbol
    initial: Known
    claim: sp.Basic

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        slope = sp.diff(self.claim, self.variable) - self.claim
        start = _without_empty_integrals(self.claim.subs(self.variable, 0))
        for what, is_, wanted in (
            ("derivative", sp.expand(slope), sp.expand(previous)),
            ("value at 0", start, self.initial),
        ):
            failure = objection(is_, wanted, ())
            if failure:
                raise ValueError(f"the {what} of the claim is another: {failure}")
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
        for what, is_, wanted in (
            ("second derivative", sp.diff(first, self.variable), self.factor * self.claim),
            ("slope at 0", first.subs(self.variable, 0), self.slope),
            ("value at 0", self.claim.subs(self.variable, 0), previous),
        ):
            failure = objection(is_, wanted, ())
            if failure:
                raise ValueError(f"the {what} of the claim is another: {failure}")
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


def normal(u: sp.Basic, variance: sp.Basic, mean: sp.Basic = sp.S.Zero) -> sp.Basic:
    """The density of N(mean, variance) at u."""
    return sp.exp(-((u - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def joint(
    x: sp.Basic, y: sp.Basic, a: sp.Basic = q11, b: sp.Basic = q22, covariance: sp.Basic = q12
) -> sp.Basic:
    """The density of a centred pair at (x, y)."""
    determinant = a * b - covariance**2
    form = b * x**2 - 2 * covariance * x * y + a * y**2
    return sp.exp(-form / (2 * determinant)) / (2 * sp.pi * sp.sqrt(determinant))


def tidy(expression: sp.Basic) -> sp.Basic:
    """The determinant of the pair written as q_11 q_22 - q_12^2."""
    a, b = sp.sqrt(q11), sp.sqrt(q22)
    return expression.subs((a * b - q12) * (a * b + q12), DETERMINANT)


def mean(
    name: str, opening: str, symbol: str, integral: sp.Basic, value: sp.Basic, reason: str
) -> tuple[Lemma, Lemma]:
    """A mean over u_t, and the product with that over u_s: the value at zero covariance."""
    product = value * value.xreplace(OTHER)
    other = symbol.replace("u_t", "u_s")
    return (
        Lemma(name, opening, symbol, integral, (Step(Evaluate(), value, reason),)),
        Lemma(
            f"{name}, squared",
            "The samples are independent at $q_{12} = 0$: the value of the integral there.",
            symbol,
            Result(name),
            (
                Step(
                    TimesOther(),
                    product,
                    "Times that of the other sample.",
                    f"{symbol} \\, {other}",
                ),
            ),
        ),
    )


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
        noise = {S_t: self.factor * spread_t**2, S_s: self.factor * spread_s**2}
        weight = kolmogorov(spread_t) * kolmogorov(spread_s)
        half_lines = ((spread, 0, sp.oo) for spread in (spread_t, spread_s))
        return sp.Integral(weight * previous.subs(noise), *half_lines)

    def on(self, symbol: sp.Basic) -> None:
        return None


@dataclass(frozen=True)
class TimesOther(Operation):
    """Multiply a function of u_t's law by the same function of u_s's law."""

    def __call__(self, previous: sp.Basic) -> sp.Basic:
        return previous * previous.xreplace(OTHER)

    def on(self, symbol: sp.Basic) -> None:
        return None


def by_price(
    name: str, opening: str, slope: Known, initial: Known, claim: sp.Basic, phi: str
) -> Lemma:
    """A closed integral as the solution of Price's equation; ``phi`` is the activation in LaTeX."""
    whole = rf"E[{phi.format('u_t')}\, {phi.format('u_s')}]"
    return Lemma(
        name,
        opening,
        GIVEN_COVARIANCE + whole,
        slope,
        (
            Step(
                SolveFromZero(q12, initial, claim),
                claim,
                "Integrate over the covariance, from independent samples: the derivative and the "
                "value at 0 determine the function.",
                whole,
            ),
        ),
    )
