"""Where proofs on kernels end: in the integrals that ``theory.kernels`` computes.

Theory evaluates the formula of an entry in symbols, and the lemma has to state the same expression;
where it evaluates an integral by a rule of nodes, the numbers have to agree at points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from derivations.kernels.averages import averaged
from derivations.kernels.gaussian_pair import DETERMINANT, ROOT
from derivations.proof import Proof, ProofError, objection
from derivations.proof.equality import DIGITS, number, rational_points
from derivations.proof.lemma import resolved
from theory.families.kernel import DoesNotExist
from theory.kernels import KERNELS
from theory.mathematics import FLOATS, precise
from theory.pair import Law, Pair
from theory.symbols import kolmogorov, m1, m2, q11, q12, q22

AGREEMENT, ROUNDING = mpmath.mpf("1e-15"), 1e-12
BELOW, ABOVE = sp.symbols("below above", positive=True)  # 1 - c and 1 + c
SIGNED = (sp.Symbol("q12_plus", positive=True), sp.Symbol("q12_minus", negative=True))
CORRELATIONS = (
    *((covariance, BELOW, ABOVE) for covariance in SIGNED),
    (ROOT, sp.S.Zero, sp.Integer(2)),
    (-ROOT, sp.Integer(2), sp.S.Zero),
)
SAME = {q22: q11, q12: q11, m2: m1}
Ends = tuple[str, str, str, str]
Conclusions = Mapping[str, sp.Basic]


@dataclass(frozen=True)
class Entry:
    """An activation of ``theory.kernels`` and the lemmas that end in its integrals.

    ``ends`` names those of E phi(u), E phi'(u), E phi(u) phi(v) and E phi'(u) phi'(v).
    ``parameters`` of the activation are symbols of the glossary or numbers, ``at`` what these
    parameters are in the lemmas; ``means`` says whether the lemmas hold for m_1 and m_2 that are
    not 0. A second moment is the dual of a sample with itself, by continuity; ``single``: whether
    it is compared. ``exact``: whether theory writes its formula in symbols.
    """

    activation: str
    ends: Ends
    parameters: tuple[tuple[str, Any], ...] = ()
    at: tuple[tuple[sp.Basic, sp.Basic], ...] = ()
    means: bool = False
    exact: bool = True
    single: bool = True

    @property
    def lemmas(self) -> dict[str, str]:
        """The lemma that ends in each integral of the entry."""
        mean, derivative_mean, dual, derivative_dual = self.ends
        found = {"mean": mean, "derivative_mean": derivative_mean}
        if self.single:
            found |= {"second": dual, "derivative_second": derivative_dual}
        return found | {"dual": dual, "derivative_dual": derivative_dual}

    def objections(self, ends: Conclusions) -> Iterator[str]:
        """What theory computes otherwise than the lemmas state."""
        for quantity in self.lemmas:
            failure = self.objection(quantity, ends)
            if failure:
                yield failure

    def objection(self, quantity: str, ends: Conclusions) -> str | None:
        """How one integral of theory differs from the end of its lemma, None where it does not."""
        lemma = self.lemmas[quantity]
        end = ends[lemma].subs(dict(self.at), simultaneous=True)
        if quantity.endswith("second"):
            end = end.subs(SAME)
        failure = (self._in_symbols if self.exact else self._in_numbers)(quantity, end)
        if failure is None:
            return None
        return f"lemma {lemma!r} does not end in {quantity} of {self.activation}: {failure}"

    def _in_symbols(self, quantity: str, end: sp.Basic) -> str | None:
        for r, below, above in CORRELATIONS if quantity.endswith("dual") else CORRELATIONS[:1]:
            where = self._where(quantity, q11, q22, r, below, above, m1, m2)
            stated = end if r in SIGNED else end.subs(q12, r)
            try:
                value = sp.sympify(self._integral(quantity)(where, **dict(self.parameters)))
            except DoesNotExist:
                value = sp.zoo
            if sp.zoo in (stated, value):
                failure = None if stated == value else f"{stated} is stated to be {value}"
            else:
                value = _of_covariance(value.xreplace(dict.fromkeys(SIGNED, q12)))
                failure = objection(stated, value, ())
            if failure:
                return failure
        return None

    def _in_numbers(self, quantity: str, end: sp.Basic) -> str | None:
        average = end.has(kolmogorov)
        m, agreement = (FLOATS, ROUNDING) if average else (precise(DIGITS), AGREEMENT)
        flat = sp.flatten([value for _, value in self.parameters])
        for point in rational_points(sp.Tuple(end, q11, q22, q12, m1, m2, *flat)):

            def at(value: Any, point: Mapping[sp.Symbol, sp.Rational] = point) -> Any:
                if isinstance(value, tuple):
                    return tuple(at(one) for one in value)
                return value if isinstance(value, int) else m.number(_number(value, point))

            stated = averaged(end, point) if average else _number(end, point)
            a, b, r = at(q11), at(q22), at(q12)
            root = m.sqrt(a * b)
            distances = (root - r) / root, (root + r) / root
            where = self._where(quantity, a, b, r, *distances, at(m1), at(m2))
            parameters = {name: at(value) for name, value in self.parameters}
            try:
                value = self._integral(quantity)(where, **parameters)
            except DoesNotExist as reason:
                if not mpmath.isfinite(stated):
                    continue
                return f"{mpmath.nstr(stated, 12)}, but {reason}"
            if not abs(stated - value) <= agreement * (1 + abs(value)):
                both = (mpmath.nstr(mpmath.mpf(x), 18) for x in (stated, value))
                return f"it is {', but '.join(both)} in theory, at {point}"
        return None

    def _integral(self, quantity: str) -> Callable[..., Any]:
        return getattr(KERNELS[self.activation], quantity)

    def _where(self, quantity: str, *coordinates: Any) -> Law | Pair:
        pair = Pair(*coordinates) if self.means else Pair(*coordinates[:5])
        return pair if quantity.endswith("dual") else pair.u


def _number(value: sp.Basic, point: Mapping[sp.Symbol, sp.Rational]) -> Any:
    return number(value, {s: x for s, x in point.items() if s in value.free_symbols})


def _of_covariance(value: sp.Basic) -> sp.Basic:
    """In the coordinates of the lemmas: 1 - c and 1 + c, alone and as a determinant."""
    value = value.subs(sp.sqrt(BELOW) * sp.sqrt(ABOVE), sp.sqrt(DETERMINANT) / ROOT)
    value = value.subs({BELOW: (ROOT - q12) / ROOT, ABOVE: (ROOT + q12) / ROOT})
    return value.replace(sp.exp, lambda exponent: sp.exp(_cancelled(exponent)))


def _cancelled(exponent: sp.Basic) -> sp.Basic:
    """In lowest terms as a function of the standard deviations."""
    sigma, tau = sp.symbols("sigma tau", positive=True)
    value = sp.expand(sp.cancel(exponent.subs({q11: sigma**2, q22: tau**2})))
    return value.subs({sigma: sp.sqrt(q11), tau: sp.sqrt(q22)})


@dataclass(frozen=True)
class KernelProof(Proof):
    """A proof whose lemmas end in the integrals of these entries."""

    entries: tuple[Entry, ...] = ()

    def verify(self) -> None:
        super().verify()
        ends = self.ends()
        for entry in self.entries:
            for failure in entry.objections(ends):
                raise ProofError(f"{self.theorem.id}: {failure}")

    def ends(self) -> Conclusions:
        """What the lemmas end in, with the named functions written out."""
        ends, named = self.conclusions(), dict[Any, tuple[tuple[sp.Basic, ...], sp.Basic]]()

        def written_out(expression: sp.Basic) -> sp.Basic:
            for function, (symbols, value) in named.items():
                expression = expression.replace(function, _called(symbols, value))
            return expression

        for lemma in self.lemmas:
            for old, new in resolved(lemma, ends).given:
                if isinstance(old, AppliedUndef) and old.func not in named:
                    assert isinstance(new, sp.Basic)
                    named[old.func] = old.args, written_out(new)
        return {name: written_out(end) for name, end in ends.items()}

    def to_text(self) -> str:
        places = self._where_to_find("  - {}")
        return "\n".join((super().to_text(), "", "Integrals of theory", *places))

    def to_latex(self) -> str:
        closing = r"\par\medskip\noindent\textbf{Integrals of theory.}"
        items = "\n".join(self._where_to_find(r"\item {}"))
        lines = (closing, r"\begin{itemize}", items, r"\end{itemize}", "")
        return super().to_latex() + ("\n".join(lines) if self.entries else "")

    def _where_to_find(self, form: str) -> Iterator[str]:
        numbers = {lemma.name: number for number, lemma in enumerate(self.lemmas, start=1)}
        for entry in self.entries:
            mean, slope, dual, derivative = (numbers[end] for end in entry.ends)
            name = entry.activation.replace("_", " ")
            yield form.format(
                f"{name}: the means in lemmas {mean} and {slope}, the kernels in lemmas {dual} and "
                f"{derivative}."
            )


def _called(symbols: tuple[sp.Basic, ...], value: sp.Basic) -> Callable[..., sp.Basic]:
    """The function of these symbols that has this value."""
    return lambda *at: value.subs(dict(zip(symbols, at, strict=True)), simultaneous=True)
