r"""Monomials, Hermite polynomials, any polynomial: Taylor's formula in the covariance ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.kernels.entries import Entry
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Recursions for every degree; a polynomial of degree 4, and the named ones as cases of it."""
    from derivations.kernels.entries import KernelProof

    return KernelProof(
        POLYNOMIAL_KERNELS,
        (*_taylor(), *_moments(), *_hermite(), *_degree_four()),
        tuple(_entries()),
    )


def _entries() -> tuple[Entry, ...]:
    import sympy as sp

    from derivations.kernels.entries import Entry
    from theory.symbols import coefficients, u_t

    lemmas = ("mean", "mean slope", "polynomial", "slope of the polynomial")

    def named(activation: str, degree: int, polynomial: sp.Basic) -> Entry:
        values = ((one, polynomial.coeff(u_t, k)) for k, one in enumerate(coefficients))
        return Entry(activation, lemmas, (("n", degree),), tuple(values), means=True)

    degrees = range(1, len(coefficients))
    return (
        Entry("polynomial", lemmas, (("coefficients", coefficients),), means=True),
        *(named("monomial", n, u_t**n) for n in degrees),
        *(named("hermite", n, sp.hermite_prob(n, u_t)) for n in degrees),
    )


def _taylor() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.operations import SolveFromZero
    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import power, q12, u_s, u_t

    term = q12**power / sp.factorial(power)
    return (
        Lemma(
            "Taylor's formula",
            r"By Price's theorem, $m$ times, the derivative of order $m$ in the covariance is "
            r"$E[\varphi^{(m)}(u_t)\, \varphi^{(m)}(u_s)]$. For a polynomial it vanishes above the "
            "degree: the kernel is the sum of the terms of Taylor's formula, with coefficients "
            r"$E[\varphi^{(m)}(u_t)]\, E[\varphi^{(m)}(u_s)]$. An integral over the covariance "
            "moves each term to the next.",
            r"\frac{\partial}{\partial q_{12}} \frac{q_{12}^m}{m!}",
            q12 ** (power - 1) / sp.factorial(power - 1),
            (
                Step(
                    SolveFromZero(q12, sp.S.Zero, term),
                    term,
                    "Integrate from 0.",
                    r"\frac{q_{12}^m}{m!}",
                ),
            ),
        ),
        Lemma(
            "monomials",
            r"For $\varphi(x) = x^m$.",
            r"\varphi'(u_t)\, \varphi'(u_s)",
            sp.Derivative(u_t**power, u_t) * sp.Derivative(u_s**power, u_s),
            (
                Step(
                    Evaluate(),
                    power**2 * u_t ** (power - 1) * u_s ** (power - 1),
                    "So the kernels $I_m$ obey $I_m' = m^2 I_{m-1}$.",
                ),
            ),
        ),
    )


def _moments() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import LINE, normal
    from derivations.proof import (
        DropTotalDerivatives,
        Evaluate,
        Lemma,
        Result,
        Step,
        Substitute,
    )
    from theory.symbols import density, m1, power, q11, u_t

    p, line = density(u_t), (u_t, *LINE)
    source = sp.Integral(-q11 * u_t**power * sp.Derivative(p, u_t), line)
    below = q11 * power * u_t ** (power - 1) * p
    written = r"-q_{11} \int u_t^m\, p'(u_t)\, du_t"
    return (
        Lemma(
            "density",
            "Of one sample.",
            None,
            normal(u_t, q11),
            (
                Step(
                    Substitute(((u_t, u_t - m1),)),
                    normal(u_t, q11, m1),
                    "With the mean.",
                    "p(u_t)",
                ),
            ),
        ),
        Lemma(
            "slope of the density",
            "It decays.",
            "p'(u_t)",
            sp.Derivative(p, u_t),
            (Step(Evaluate(), -(u_t - m1) / q11 * p, "Differentiate."),),
            given=((p, Result("density")),),
        ),
        Lemma(
            "moments, one side",
            r"The moments $\mu_m = E[u_t^m]$ come from one integral, read twice.",
            written,
            source,
            (
                Step(
                    Evaluate(),
                    sp.Integral((u_t - m1) * u_t**power * p, line),
                    r"It is $\mu_{m+1} - m_1 \mu_m$.",
                ),
            ),
            given=((sp.Derivative(p, u_t), Result("slope of the density")),),
        ),
        Lemma(
            "moments, other side",
            "By parts; the boundary terms vanish.",
            written,
            source,
            (
                Step(
                    Evaluate(),
                    sp.Integral(below - sp.Derivative(q11 * u_t**power * p, u_t), line),
                    "The product rule.",
                ),
                Step(
                    DropTotalDerivatives((u_t,)),
                    sp.Integral(below, line),
                    r"It is $m q_{11} \mu_{m-1}$: so $\mu_{m+1} = m_1 \mu_m + m q_{11} \mu_{m-1}$.",
                ),
            ),
        ),
    )


def _hermite() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import joint, normal
    from derivations.kernels.operations import Differentiate, IntegrateGaussian, SolveFromZero
    from derivations.proof import Lemma, Multiply, Result, Step
    from theory.symbols import m1, omega, q11, q12, rate, u_s, u_t

    def generating(u: sp.Basic, s: sp.Basic) -> sp.Basic:
        return sp.exp(s * u - s**2 / 2)

    of_t, of_s = generating(u_t, rate), generating(u_s, omega)
    one = sp.exp(rate * m1 + rate**2 * (q11 - 1) / 2)
    unit = joint(u_t, u_s, sp.S.One, sp.S.One)
    inner = rate * q12 * u_s - u_s**2 / 2 - rate**2 * q12**2 / 2
    half = sp.exp(inner) / sp.sqrt(2 * sp.pi)
    return (
        Lemma(
            "Hermite polynomials",
            r"$\mathrm{He}_n(x)$ is $n!$ times the coefficient of $\nu^n$ in $g_\nu(x) = "
            r"e^{\nu x - \nu^2/2}$.",
            r"\nu g_\nu(u_t)",
            rate * of_t,
            (
                Step(
                    SolveFromZero(u_t, generating(sp.S.Zero, rate), of_t),
                    of_t,
                    r"It is the derivative of $g_\nu$: so $\mathrm{He}_n' = n\, "
                    r"\mathrm{He}_{n-1}$.",
                    r"g_\nu(u_t)",
                ),
            ),
        ),
        Lemma(
            "means of Hermite polynomials",
            r"The means $h_n = E[\mathrm{He}_n(u_t)]$, from that of $g_\nu$.",
            r"p(u_t)",
            normal(u_t, q11, m1),
            (
                Step(
                    Multiply(of_t),
                    of_t * normal(u_t, q11, m1),
                    "The integrand.",
                    r"g_\nu(u_t)\, p(u_t)",
                ),
                Step(IntegrateGaussian(u_t), one, "Integrate.", r"E[g_\nu(u_t)]"),
                Step(
                    Differentiate(rate),
                    (m1 + rate * (q11 - 1)) * one,
                    r"Compare coefficients of $\nu^n$: $h_{n+1} = m_1 h_n + n (q_{11} - 1) "
                    "h_{n-1}$.",
                    r"\frac{\partial}{\partial \nu} E[g_\nu(u_t)]",
                ),
            ),
        ),
        Lemma(
            "two standard samples",
            "For a centred pair of variances 1.",
            "p",
            unit,
            (
                Step(Multiply(of_t), of_t * unit, "The first.", r"g_\nu(u_t)\, p"),
                Step(
                    IntegrateGaussian(u_t),
                    half,
                    "Integrate.",
                    r"E[g_\nu(u_t) \mid u_s]\, p(u_s)",
                ),
            ),
        ),
        Lemma(
            "Mehler's formula",
            "And the second.",
            r"E[g_\nu(u_t) \mid u_s]\, p(u_s)",
            Result("two standard samples"),
            (
                Step(
                    Multiply(of_s),
                    of_s * half,
                    "The integrand.",
                    r"E[g_\nu(u_t) \mid u_s]\, g_\omega(u_s)\, p(u_s)",
                ),
                Step(
                    IntegrateGaussian(u_s),
                    sp.exp(rate * omega * q12),
                    r"Compare coefficients of $\nu^n \omega^m$: $E[\mathrm{He}_n(u_t)\, "
                    r"\mathrm{He}_m(u_s)]$ is $n!\, q_{12}^n$ for $m = n$, and 0 for all others.",
                    r"E[g_\nu(u_t)\, g_\omega(u_s)]",
                ),
            ),
        ),
    )


def _degree_four() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import LINE, PAIR, normal
    from derivations.kernels.operations import Differentiate, SolveByMeans, TimesOther
    from derivations.proof import Evaluate, Lemma, Result, Step
    from theory.kernels import KERNELS
    from theory.symbols import coefficients, m1, m2, q11, q12, u_t

    of_theory, pair = KERNELS["polynomial"], PAIR._replace(m1=m1, m2=m2)
    one, dual = (
        sp.expand(integral(where, coefficients=coefficients))
        for integral, where in ((of_theory.mean, pair.u), (of_theory.dual, pair))
    )
    other = one.xreplace({q11: PAIR.b, m1: m2})
    polynomial = sum(a * u_t**k for k, a in enumerate(coefficients))
    return (
        Lemma(
            "mean",
            r"For $\varphi(x) = a_0 + a_1 x + \ldots + a_4 x^4$.",
            r"E[\varphi(u_t)]",
            sp.Integral(polynomial * normal(u_t, q11, m1), (u_t, *LINE)),
            (Step(Evaluate(), one, "Integrate."),),
        ),
        Lemma(
            "mean slope",
            "It moves with the mean.",
            r"E[\varphi(u_t)]",
            Result("mean"),
            (Step(Differentiate(m1), sp.diff(one, m1), "Differentiate.", r"E[\varphi'(u_t)]"),),
        ),
        Lemma(
            "polynomial",
            "A derivative by a mean differentiates the function, so that Price's theorem is an "
            r"equation for the kernel: $\partial I/\partial q_{12} = \partial^2 I/\partial m_1 "
            r"\partial m_2$.",
            r"E[\varphi(u_t)]",
            Result("mean"),
            (
                Step(
                    TimesOther(),
                    one * other,
                    "The samples are independent at $q_{12} = 0$.",
                    r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
                ),
                Step(
                    SolveByMeans(q12, (m1, m2), dual),
                    dual,
                    "The polynomial in $q_{12}$ that solves it.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "slope of the polynomial",
            "Price's theorem, read from right to left.",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("polynomial"),
            (
                Step(
                    Differentiate(q12),
                    sp.expand(of_theory.derivative_dual(pair, coefficients=coefficients)),
                    "Differentiate.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
    )


POLYNOMIAL_KERNELS = kernel_theorem(
    id="kernel-polynomial",
    says="Gaussian integrals of polynomials, monomials and Hermite polynomials.",
    statement=r"""Let $\varphi$ be a polynomial and $(u_t, u_s)$ a Gaussian pair of any means. Then
\[
  E[\varphi(u_t)\, \varphi(u_s)] = \sum_{k \ge 0} \frac{q_{12}^k}{k!}\, E[\varphi^{(k)}(u_t)]\,
  E[\varphi^{(k)}(u_s)].
\]
The moments $\mu_n = E[u_t^n]$ and the means $h_n = E[\mathrm{He}_n(u_t)]$ obey $\mu_{n+1} = m_1
\mu_n + n q_{11} \mu_{n-1}$ and $h_{n+1} = m_1 h_n + n (q_{11} - 1) h_{n-1}$, and for a centred pair
of variances 1 is $E[\mathrm{He}_n(u_t)\, \mathrm{He}_m(u_s)] = n!\, q_{12}^n\, \delta_{nm}$.""",
    assumptions=(
        PRICE,
        "A polynomial in $q_{12}$ is determined by its derivatives at 0.",
    ),
    source="Price, IRE Trans. Inf. Theory 1958; Mehler, J. reine angew. Math. 1866",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-polynomial")
