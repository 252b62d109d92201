"""exp, sin, cos, Gaussian and monomials: Gaussian integrals of two samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """exp with means; waves and Gaussians for centred pairs; a recursion for monomials."""
    from derivations.proof import Proof

    return Proof(EXPONENTIAL_KERNELS, (*_exp(), *_waves(), *_gaussian(), *_monomials()))


def _exp() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import Differentiate, IntegrateGaussian, TimesOther, normal
    from derivations.proof import Lemma, Multiply, Result, Step
    from theory.symbols import m1, m2, q11, q12, q22, rate, u_t

    one = sp.exp(rate * m1 + rate**2 * q11 / 2)
    start = one * one.subs({m1: m2, q11: q22})
    dual = start * sp.exp(rate**2 * q12)
    return (
        Lemma(
            "mean of exp",
            r"For $\varphi(x) = e^{\nu x}$.",
            r"\varphi(u_t)",
            sp.exp(rate * u_t),
            (
                Step(
                    Multiply(normal(u_t, q11, m1)),
                    sp.exp(rate * u_t) * normal(u_t, q11, m1),
                    "The integrand.",
                    r"\varphi(u_t)\, p(u_t)",
                ),
                Step(
                    IntegrateGaussian(u_t),
                    one,
                    "Complete the square.",
                    r"E[\varphi(u_t)]",
                ),
                Step(
                    TimesOther(),
                    start,
                    "The samples are independent at $q_{12} = 0$.",
                    r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "exp",
            r"Here $\varphi' = \nu \varphi$, so that Price's theorem is the equation $I' = \nu^2 "
            "I$, solved by the start times an exponential.",
            r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
            Result("mean of exp"),
            (
                Step(
                    Multiply(sp.exp(rate**2 * q12)),
                    dual,
                    "Times the exponential.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
                Step(
                    Differentiate(q12),
                    rate**2 * dual,
                    "It solves the equation.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
    )


def _waves() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import DetermineByTwo, Differentiate, TimesOther, normal
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step
    from theory.symbols import m1, m2, omega, phase, q11, q12, q22, u_s, u_t

    def sine(u: sp.Basic) -> sp.Basic:
        return sp.sin(omega * u + phase)

    decay = sp.exp(-(omega**2) * (q11 + q22) / 2)
    one = sp.exp(-(omega**2) * q11 / 2) * sp.sin(omega * m1 + phase)
    growing, falling = sp.exp(omega**2 * q12), sp.exp(-(omega**2) * q12)
    apart, together = sp.cos(omega * (m1 - m2)), sp.cos(omega * (m1 + m2) + 2 * phase)
    dual = decay * (growing * apart - falling * together) / 2
    slope = omega**2 * decay * (growing * apart + falling * together) / 2
    return (
        Lemma(
            "mean of a wave",
            "The mean over a centred Gaussian; the odd part integrates to 0.",
            None,
            sp.Integral(sp.cos(omega * u_t) * normal(u_t, q11), (u_t, -sp.oo, sp.oo)),
            (
                Step(Evaluate(), sp.exp(-(omega**2) * q11 / 2), "Integrate."),
                Step(
                    Multiply(sp.sin(omega * m1 + phase)),
                    one,
                    r"For $\varphi(x) = \sin(\omega x + \vartheta)$ and the mean $m_1$, by the "
                    "theorem of addition.",
                    r"E[\varphi(u_t)]",
                ),
            ),
        ),
        Lemma(
            "start of sin",
            "The samples are independent at $q_{12} = 0$.",
            r"E[\varphi(u_t)]",
            Result("mean of a wave"),
            (
                Step(
                    TimesOther(),
                    one * one.subs({q11: q22, m1: m2}),
                    "The value there.",
                    r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "start of the slope of sin",
            r"The slope is $\omega \cos(\omega x + \vartheta)$, the mean changes with $m_1$ and "
            "$m_2$.",
            r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
            Result("start of sin"),
            (
                Step(
                    Differentiate(m1),
                    omega * decay * sp.cos(omega * m1 + phase) * sp.sin(omega * m2 + phase),
                    "By the first mean.",
                    r"E[\varphi'(u_t)]\, E[\varphi(u_s)]",
                ),
                Step(
                    Differentiate(m2),
                    omega**2 * decay * sp.cos(omega * m1 + phase) * sp.cos(omega * m2 + phase),
                    "By the second.",
                    r"E[\varphi'(u_t)]\, E[\varphi'(u_s)]",
                ),
            ),
        ),
        Lemma(
            "fourth derivative of waves",
            r"Price's theorem twice: the second derivatives bring back the functions.",
            r"\varphi''(u_t)\, \varphi''(u_s)",
            sp.Derivative(sine(u_t), (u_t, 2)) * sp.Derivative(sine(u_s), (u_s, 2)),
            (
                Step(
                    Evaluate(),
                    omega**4 * sine(u_t) * sine(u_s),
                    r"So $I'' = \omega^4 I$ for the kernel $I$.",
                ),
            ),
        ),
        Lemma(
            "sin",
            r"The solution of $I'' = \omega^4 I$ with these two values at zero covariance; the "
            r"cosine is the case $\vartheta = \pi/2$.",
            r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
            Result("start of sin"),
            (
                Step(
                    DetermineByTwo(q12, Result("start of the slope of sin"), omega**4, dual),
                    dual,
                    "Two derivatives and two values.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
                Step(
                    Differentiate(q12),
                    slope,
                    "Its derivative.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
    )


def _gaussian() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import (
        DETERMINANT,
        Differentiate,
        IntegrateGaussian,
        bump,
        joint,
    )
    from derivations.proof import Lemma, Multiply, Result, Step
    from theory.symbols import m1, m2, precision, q11, q12, q22, u_s, u_t

    pair, bumps = joint(u_t - m1, u_s - m2), sp.exp(-precision * (u_t**2 + u_s**2) / 2)
    total = sp.expand((1 + precision * q11) * (1 + precision * q22) - precision**2 * q12**2)
    form = (
        (1 + precision * q22) * m1**2
        - 2 * precision * q12 * m1 * m2
        + (1 + precision * q11) * m2**2
    )
    dual = sp.exp(-precision * form / (2 * total)) / sp.sqrt(total)
    x = ((1 + precision * q22) * m1 - precision * q12 * m2) / total
    y = ((1 + precision * q11) * m2 - precision * q12 * m1) / total
    spread = DETERMINANT * precision + q22
    shifted = precision * (q22 * m1 + q12 * (u_s - m2)) ** 2 / (2 * q22 * spread)
    middle = -((u_s - m2) ** 2) / (2 * q22) - precision * u_s**2 / 2
    return (
        Lemma(
            "Gaussian",
            r"For $\varphi(x) = e^{-b x^2/2}$ the integral itself is Gaussian.",
            "p",
            pair,
            (
                Step(
                    Multiply(bumps),
                    bumps * pair,
                    "The integrand.",
                    r"\varphi(u_t)\, \varphi(u_s)\, p",
                ),
                Step(
                    IntegrateGaussian(u_t),
                    bump(1 / (2 * sp.pi * spread), middle - shifted),
                    "Integrate over $u_t$.",
                    r"E[\varphi(u_t) \mid u_s]\, \varphi(u_s)\, p(u_s)",
                ),
                Step(
                    IntegrateGaussian(u_s),
                    dual,
                    "Integrate over $u_s$.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "derivative of the Gaussian",
            "Price's theorem, read from right to left.",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("Gaussian"),
            (
                Step(
                    Differentiate(q12),
                    precision**2 * (x * y + q12 / total) * dual,
                    "Differentiate.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
    )


def _monomials() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean, normal
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step
    from theory.symbols import power, q11, u_s, u_t

    first = Lemma(
        "recursion of monomials",
        r"For $\varphi(x) = x^m$: with Price's theorem the kernels obey $I_m' = m^2 I_{m-1}$.",
        r"\varphi'(u_t)\, \varphi'(u_s)",
        sp.Derivative(u_t**power, u_t) * sp.Derivative(u_s**power, u_s),
        (
            Step(
                Evaluate(),
                power**2 * u_t ** (power - 1) * u_s ** (power - 1),
                "Differentiate.",
            ),
        ),
    )
    lemmas: list[Lemma] = [first]
    for degree in range(1, 5):
        dual = _monomial(degree)
        source = sp.S.One if degree == 1 else Result(f"monomial of degree {degree - 1}")
        slope = degree**2 * (sp.S.One if degree == 1 else _monomial(degree - 1))
        moment = q11 ** (degree // 2) * sp.factorial2(degree - 1) * (1 - degree % 2)
        lemmas += [
            *mean(
                f"moment of degree {degree}",
                "A moment of a Gaussian.",
                f"E[u_t^{degree}]",
                sp.Integral(u_t**degree * normal(u_t, q11), (u_t, -sp.oo, sp.oo)),
                sp.sympify(moment),
                "Integrate.",
            ),
            Lemma(
                f"slope of degree {degree}",
                "The recursion.",
                f"I_{degree - 1}",
                source,
                (
                    Step(
                        Multiply(sp.Integer(degree**2)),
                        sp.expand(slope),
                        f"Times ${degree}^2$.",
                        rf"\frac{{\partial I_{degree}}}{{\partial q_{{12}}}}",
                    ),
                ),
            ),
            by_price(
                f"monomial of degree {degree}",
                f"Degree {degree}.",
                Result(f"slope of degree {degree}"),
                Result(f"moment of degree {degree}, squared"),
                dual,
                f"{{}}^{degree}",
            ),
        ]
    return tuple(lemmas)


def _monomial(degree: int) -> sp.Basic:
    import sympy as sp

    from derivations.kernels.engine import PAIR
    from theory.kernels import KERNELS

    return sp.expand(KERNELS["monomial"].dual(PAIR, n=degree))


EXPONENTIAL_KERNELS = kernel_theorem(
    id="kernel-exponential",
    says="Gaussian integrals of exp, sin, cos, the Gaussian and monomials.",
    statement=r"""Let $(u_t, u_s)$ be a Gaussian pair of means $m_1$, $m_2$, variances $q_{11}$,
$q_{22}$ and covariance $q_{12}$. Then
\begin{gather*}
  E[e^{\nu u_t} e^{\nu u_s}] = e^{\nu (m_1 + m_2) + \nu^2 (q_{11} + 2 q_{12} + q_{22})/2}, \\
  E[\sin(\omega u_t) \sin(\omega u_s)] = e^{-\omega^2 (q_{11} + q_{22})/2} \sinh(\omega^2 q_{12})
  \quad (m_1 = m_2 = 0), \\
  E[e^{-b u_t^2/2} e^{-b u_s^2/2}] = \left((1 + b q_{11})(1 + b q_{22}) - b^2 q_{12}^2\right)^{-1/2}
  \quad (m_1 = m_2 = 0),
\end{gather*}
with means and a phase as in the proof; the kernels of $x^m$ obey $I_m' = m^2 I_{m-1}$.""",
    assumptions=(PRICE, UNIQUE),
    source="Price, IRE Trans. Inf. Theory 1958; Williams, NeurIPS 1996",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-exponential")
