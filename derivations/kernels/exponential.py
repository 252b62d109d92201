"""exp, sin, cos and the Gaussian: Gaussian integrals of two samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Equations of order one and two for exp and waves; Gaussians are integrated at once."""

    from derivations.kernels.entries import Entry, KernelProof
    from theory.symbols import omega, phase, precision, rate

    def entry(activation: str, name: str, **parameters: sp.Basic) -> Entry:
        ends = (f"mean of {name}", f"mean slope of {name}", name, f"derivative of {name}")
        return Entry(activation, ends, tuple(parameters.items()), means=True)

    return KernelProof(
        EXPONENTIAL_KERNELS,
        (*_exp(), *_waves(), *_cosine(), *_gaussian()),
        (
            entry("exp", "exp", t=rate),
            entry("sin", "sin", omega=omega, phase=phase),
            entry("cos", "cos", omega=omega),
            entry("gaussian", "the Gaussian", p=precision),
        ),
    )


def _exp() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import Differentiate, IntegrateGaussian, TimesOther
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
            ),
        ),
        Lemma(
            "mean slope of exp",
            r"The slope is $\nu \varphi$.",
            r"E[\varphi(u_t)]",
            Result("mean of exp"),
            (Step(Multiply(rate), rate * one, "Times the rate.", r"E[\varphi'(u_t)]"),),
        ),
        Lemma(
            "start of exp",
            "The samples are independent at $q_{12} = 0$.",
            r"E[\varphi(u_t)]",
            Result("mean of exp"),
            (
                Step(
                    TimesOther(),
                    start,
                    "Times that of the other sample.",
                    r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "exp",
            r"Here $\varphi' = \nu \varphi$, so that Price's theorem is the equation $I' = \nu^2 "
            "I$, solved by the start times an exponential.",
            r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
            Result("start of exp"),
            (
                Step(
                    Multiply(sp.exp(rate**2 * q12)),
                    dual,
                    "Times the exponential.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "derivative of exp",
            "Its derivative.",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("exp"),
            (
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

    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import DetermineByTwo, Differentiate, TimesOther
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
            "mean of sin",
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
            "mean slope of sin",
            "The mean changes with $m_1$ as the function does.",
            r"E[\varphi(u_t)]",
            Result("mean of sin"),
            (Step(Differentiate(m1), sp.diff(one, m1), "Differentiate.", r"E[\varphi'(u_t)]"),),
        ),
        Lemma(
            "start of sin",
            "The samples are independent at $q_{12} = 0$.",
            r"E[\varphi(u_t)]",
            Result("mean of sin"),
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
            r"The solution of $I'' = \omega^4 I$ with these two values at zero covariance.",
            r"E[\varphi(u_t)]\, E[\varphi(u_s)]",
            Result("start of sin"),
            (
                Step(
                    DetermineByTwo(q12, Result("start of the slope of sin"), omega**4, dual),
                    dual,
                    "Two derivatives and two values.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "derivative of sin",
            "Price's theorem, read from right to left.",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("sin"),
            (
                Step(
                    Differentiate(q12),
                    slope,
                    "Its derivative.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
    )


def _cosine() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.symbols import m1, m2, omega, phase, q11, q12, q22

    decay, single = sp.exp(-(omega**2) * (q11 + q22) / 2), sp.exp(-(omega**2) * q11 / 2)
    growing, falling = sp.exp(omega**2 * q12), sp.exp(-(omega**2) * q12)
    apart, together = sp.cos(omega * (m1 - m2)), sp.cos(omega * (m1 + m2))

    def turned(name: str, integral: str, states: sp.Basic) -> Lemma:
        return Lemma(
            name.format("cos"),
            r"The cosine is the sine of the phase $\vartheta = \pi/2$.",
            integral,
            Result(name.format("sin")),
            (
                Step(
                    Substitute(((phase, sp.pi / 2),)),
                    states,
                    "A quarter of a turn.",
                    rf"{integral}_{{\vartheta = \pi/2}}",
                ),
            ),
        )

    return (
        turned("mean of {}", r"E[\varphi(u_t)]", single * sp.cos(omega * m1)),
        turned("mean slope of {}", r"E[\varphi'(u_t)]", -omega * single * sp.sin(omega * m1)),
        turned(
            "{}",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            decay * (growing * apart + falling * together) / 2,
        ),
        turned(
            "derivative of {}",
            r"E[\varphi'(u_t)\, \varphi'(u_s)]",
            omega**2 * decay * (growing * apart - falling * together) / 2,
        ),
    )


def _gaussian() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, joint, normal
    from derivations.kernels.operations import Differentiate, IntegrateGaussian, bump
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
    alone = 1 + precision * q11
    one = sp.exp(-precision * m1**2 / (2 * alone)) / sp.sqrt(alone)
    return (
        Lemma(
            "mean of the Gaussian",
            r"For $\varphi(x) = e^{-b x^2/2}$ the integrals themselves are Gaussian.",
            "p(u_t)",
            normal(u_t, q11, m1),
            (
                Step(
                    Multiply(sp.exp(-precision * u_t**2 / 2)),
                    sp.exp(-precision * u_t**2 / 2) * normal(u_t, q11, m1),
                    "The integrand.",
                    r"\varphi(u_t)\, p(u_t)",
                ),
                Step(IntegrateGaussian(u_t), one, "Integrate.", r"E[\varphi(u_t)]"),
            ),
        ),
        Lemma(
            "mean slope of the Gaussian",
            "It moves with the mean.",
            r"E[\varphi(u_t)]",
            Result("mean of the Gaussian"),
            (
                Step(
                    Differentiate(m1),
                    -precision * m1 / alone * one,
                    "Differentiate.",
                    r"E[\varphi'(u_t)]",
                ),
            ),
        ),
        Lemma(
            "the Gaussian",
            "The same for a pair.",
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
            Result("the Gaussian"),
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


EXPONENTIAL_KERNELS = kernel_theorem(
    id="kernel-exponential",
    says="Gaussian integrals of exp, sin, cos and the Gaussian.",
    statement=r"""Let $(u_t, u_s)$ be a Gaussian pair of means $m_1$, $m_2$, variances $q_{11}$,
$q_{22}$ and covariance $q_{12}$. Then
\begin{gather*}
  E[e^{\nu u_t} e^{\nu u_s}] = e^{\nu (m_1 + m_2) + \nu^2 (q_{11} + 2 q_{12} + q_{22})/2}, \\
  E[\sin(\omega u_t) \sin(\omega u_s)] = e^{-\omega^2 (q_{11} + q_{22})/2} \sinh(\omega^2 q_{12})
  \quad (m_1 = m_2 = 0), \\
  E[e^{-b u_t^2/2} e^{-b u_s^2/2}] = \left((1 + b q_{11})(1 + b q_{22}) - b^2 q_{12}^2\right)^{-1/2}
  \quad (m_1 = m_2 = 0),
\end{gather*}
with means and a phase as in the proof.""",
    assumptions=(PRICE, UNIQUE),
    source="Price, IRE Trans. Inf. Theory 1958; Williams, NeurIPS 1996",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-exponential")
