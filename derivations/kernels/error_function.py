r"""erf(s x), probit, and their primitives: signs of pre-activations seen through noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The slopes are Gaussian densities; two integrations over the covariance follow."""
    import sympy as sp

    from derivations.kernels.entries import Entry, KernelProof
    from theory.symbols import S_s, S_t, height, m1, m2, mu, offset, scale

    shift = mu * sp.sqrt(S_t)
    return KernelProof(
        ERROR_FUNCTION_KERNELS,
        (
            *noise_lemmas(),
            *erf_lemmas(),
            *quadrant_lemmas(),
            *hinge_lemmas(),
            *sign_lemmas(),
            *_erf_means(),
            *_mean(),
            *_probit(),
        ),
        (
            Entry(
                "erf",
                ("mean of the noisy sign", "mean slope of erf", "erf", "derivative of erf"),
                parameters=(("scale", scale),),
            ),
            Entry(
                "probit",
                ("mean of probit", "mean slope of probit", "probit", "derivative of probit"),
                parameters=(("c0", offset), ("c1", height), ("l", 1 / sp.sqrt(S_t)), ("mu", mu)),
                at=((S_s, S_t), (m1, m1 + shift), (m2, m2 + shift)),
                means=True,
                exact=False,
            ),
        ),
    )


def noise_lemmas() -> tuple[Lemma, ...]:
    """The integral of two Gaussian bumps against the density of a pair, for any means."""
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, LINE, joint, normal
    from derivations.kernels.operations import IntegrateGaussian, bump
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import S_s, S_t, m1, m2, precision, q11, q12, q22, rate, u_s, u_t

    pair = joint(u_t - m1, u_s - m2)
    width = DETERMINANT + q22 * S_t
    inner = bump(
        1 / (4 * sp.pi**2 * width),
        -((u_s - m2) ** 2) / (2 * q22) - (q22 * m1 + q12 * (u_s - m2)) ** 2 / (2 * q22 * width),
    )
    total = (q11 + S_t) * (q22 + S_s) - q12**2
    form = (q22 + S_s) * m1**2 - 2 * q12 * m1 * m2 + (q11 + S_t) * m2**2
    noisy = bump(1 / (4 * sp.pi**2 * total), -form / (2 * total))
    return (
        Lemma(
            "Gaussian integral",
            "How a Gaussian is integrated: by completing the square.",
            None,
            sp.Integral(sp.exp(-precision * u_t**2 / 2 + rate * u_t), (u_t, *LINE)),
            (
                Step(
                    Evaluate(),
                    sp.sqrt(2 * sp.pi / precision) * sp.exp(rate**2 / (2 * precision)),
                    "Integrate.",
                ),
            ),
        ),
        Lemma(
            "two bumps",
            r"Gaussians of variances $\varsigma_t$ and $\varsigma_s$ against the density of a "
            "pair.",
            "p",
            pair,
            (
                Step(
                    Multiply(normal(u_t, S_t)),
                    normal(u_t, S_t) * pair,
                    "The first.",
                    r"N(u_t; \varsigma_t)\, p",
                ),
                Step(
                    IntegrateGaussian(u_t),
                    inner,
                    "Integrate over $u_t$.",
                    r"E[N(u_t; \varsigma_t) \mid u_s]\, p(u_s)",
                ),
                Step(
                    Multiply(normal(u_s, S_s)),
                    inner * normal(u_s, S_s),
                    "The second.",
                    r"E[N(u_t; \varsigma_t) \mid u_s]\, N(u_s; \varsigma_s)\, p(u_s)",
                ),
                Step(
                    IntegrateGaussian(u_s),
                    noisy,
                    "Integrate over $u_s$: the density at 0 of the pair seen through noise, of "
                    r"variances $q_{11} + \varsigma_t$ and $q_{22} + \varsigma_s$.",
                    r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
                ),
            ),
        ),
        Lemma(
            "centred bumps",
            "Without means.",
            r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
            Result("two bumps"),
            (
                Step(
                    Substitute(((m1, sp.S.Zero), (m2, sp.S.Zero))),
                    1 / (2 * sp.pi * sp.sqrt(sp.expand(total))),
                    "A determinant remains.",
                    r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
                ),
            ),
        ),
    )


def erf_lemmas() -> tuple[Lemma, ...]:
    """The kernel of 2 Phi(x/sqrt(S)) - 1, of mean 0, and of erf(a x)."""
    import sympy as sp

    from derivations.kernels.engine import GIVEN_COVARIANCE, by_price
    from derivations.kernels.gaussian_pair import PAIR, tidy
    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.families.error_function import arc_sine, arc_sine_derivative
    from theory.kernels import KERNELS
    from theory.symbols import S_s, S_t, scale

    erf = KERNELS["erf"]
    at_scale = ((S_t, 1 / (2 * scale**2)), (S_s, 1 / (2 * scale**2)))
    return (
        Lemma(
            "slopes of erf",
            r"For $\varphi_{\varsigma}(x) = 2 \Phi(x/\sqrt{\varsigma}) - 1$, of slope $2 N(x; "
            r"\varsigma)$ and mean 0.",
            r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
            Result("centred bumps"),
            (
                Step(
                    Multiply(sp.Integer(4)),
                    tidy(arc_sine_derivative(PAIR, S_t, S_s)),
                    "Four times.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
        by_price(
            "arc-sine kernel",
            "Price's theorem.",
            Result("slopes of erf"),
            sp.S.Zero,
            arc_sine(PAIR, S_t, S_s),
            r"\varphi({})",
        ),
        Lemma(
            "erf",
            r"$\mathrm{erf}(a x)$ is the case $\varsigma = 1/(2 a^2)$ for both.",
            r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("arc-sine kernel"),
            (
                Step(
                    Substitute(at_scale),
                    erf.dual(PAIR, scale=scale),
                    "The arc-sine kernel.",
                    r"E[\mathrm{erf}(a u_t)\, \mathrm{erf}(a u_s)]",
                ),
            ),
        ),
        Lemma(
            "derivative of erf",
            "And that of its derivative.",
            GIVEN_COVARIANCE + r"E[\varphi(u_t)\, \varphi(u_s)]",
            Result("slopes of erf"),
            (
                Step(
                    Substitute(at_scale),
                    tidy(erf.derivative_dual(PAIR, scale=scale)),
                    r"$\varsigma = 1/(2 a^2)$.",
                    GIVEN_COVARIANCE + r"E[\mathrm{erf}(a u_t)\, \mathrm{erf}(a u_s)]",
                ),
            ),
        ),
    )


def quadrant_lemmas() -> tuple[Lemma, ...]:
    """The kernel of the normal distribution function, for a centred pair."""
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import LINE, PAIR, normal
    from derivations.proof import Result
    from theory.families.error_function import quadrant
    from theory.symbols import S_s, S_t, q11, u_t

    return (
        *mean(
            "mean of the distribution",
            r"$\Phi(u/\sqrt{\varsigma})$ is $\frac12$ and an odd function.",
            r"E[\Phi(u_t/\sqrt{\varsigma_t})]",
            sp.Integral((1 + sp.erf(u_t / sp.sqrt(2 * S_t))) / 2 * normal(u_t, q11), (u_t, *LINE)),
            sp.S.Half,
            "Integrate.",
        ),
        by_price(
            "quadrant",
            r"The kernel of $\Phi(u/\sqrt{\varsigma})$, of slope $N(u; \varsigma)$: the "
            "probability that the noisy pair is positive.",
            Result("centred bumps"),
            Result("mean of the distribution, squared"),
            quadrant(PAIR, S_t, S_s),
            r"\Phi({}/\sqrt{{\varsigma}})",
        ),
    )


def hinge_lemmas() -> tuple[Lemma, ...]:
    """The kernel of the primitive of the normal distribution function."""
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import LINE, PAIR, normal, tidy
    from derivations.proof import Evaluate, Lemma, Result, Step
    from theory.families.error_function import hinges
    from theory.symbols import S_s, S_t, q11, u_t

    distribution = (1 + sp.erf(u_t / sp.sqrt(2 * S_t))) / 2
    primitive = u_t * distribution + S_t * normal(u_t, S_t)
    return (
        Lemma(
            "primitive of the distribution",
            r"The mean of $\max(0, u + \sqrt{\varsigma}\, z)$ over the noise is $H_{\varsigma}(u) "
            r"= u\, \Phi(u/\sqrt{\varsigma}) + \varsigma N(u; \varsigma)$.",
            r"H_{\varsigma}'(u_t)",
            sp.Derivative(primitive, u_t),
            (Step(Evaluate(), distribution, "Differentiate."),),
        ),
        *mean(
            "mean of the primitive",
            "That of a hinge of the noisy sample.",
            r"E[H_{\varsigma}(u_t)]",
            sp.Integral(sp.expand(primitive * normal(u_t, q11)), (u_t, *LINE)),
            sp.sqrt((q11 + S_t) / (2 * sp.pi)),
            "Integrate.",
        ),
        by_price(
            "hinges",
            r"The derivative of $H_{\varsigma}$ is $\Phi(u/\sqrt{\varsigma})$: the ReLU kernel at "
            "the variances of the noisy pair.",
            Result("quadrant"),
            Result("mean of the primitive, squared"),
            tidy(hinges(PAIR, S_t, S_s)),
            r"H_{{\varsigma}}({})",
        ),
    )


def sign_lemmas() -> tuple[Lemma, ...]:
    """Means of 2 Phi(x/sqrt(S)) - 1 and of its slope, twice a bump."""
    import sympy as sp

    from derivations.kernels.gaussian_pair import LINE, normal
    from derivations.proof import Add, Integrate, Lemma, Multiply, Result, Step
    from theory.symbols import S_t, q11, u_t

    bump = 1 / sp.sqrt(2 * sp.pi * (q11 + S_t))
    return (
        Lemma(
            "mean of the noisy sign",
            r"The mean of $2 \Phi(x/\sqrt{\varsigma}) - 1$.",
            r"E[\Phi(u_t/\sqrt{\varsigma_t})]",
            Result("mean of the distribution"),
            (
                Step(Multiply(sp.Integer(2)), sp.S.One, "Twice."),
                Step(Add(-sp.S.One), sp.S.Zero, "An odd function.", r"E[\varphi(u_t)]"),
            ),
        ),
        Lemma(
            "mean bump",
            r"The mean slope of $\Phi(x/\sqrt{\varsigma})$.",
            r"N(u_t; \varsigma_t)\, p(u_t)",
            normal(u_t, S_t) * normal(u_t, q11),
            (
                Step(
                    Integrate(u_t, *LINE),
                    bump,
                    "Variances add.",
                    r"E[N(u_t; \varsigma_t)]",
                ),
            ),
        ),
        Lemma(
            "mean slope of the noisy sign",
            "Its slope is twice as large.",
            r"E[N(u_t; \varsigma_t)]",
            Result("mean bump"),
            (Step(Multiply(sp.Integer(2)), 2 * bump, "Twice.", r"E[\varphi'(u_t)]"),),
        ),
    )


def _erf_means() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import PAIR
    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.kernels import KERNELS
    from theory.symbols import S_t, scale

    erf = KERNELS["erf"]

    def scaled(name: str, source: str, written: str, value: sp.Basic) -> Lemma:
        at_scale = Substitute(((S_t, 1 / (2 * scale**2)),))
        opening = r"At $\varsigma = 1/(2 a^2)$."
        step = Step(at_scale, value, "The scale.", rf"{written}_{{\varsigma = 1/(2 a^2)}}")
        return Lemma(name, opening, written, Result(source), (step,))

    return (
        scaled(
            "mean slope of erf",
            "mean slope of the noisy sign",
            r"E[\varphi'(u_t)]",
            erf.derivative_mean(PAIR.u, scale=scale),
        ),
    )


def _mean() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import LINE, normal
    from derivations.kernels.operations import SolveFromZero, TimesOther
    from derivations.proof import Integrate, Lemma, Result, Step
    from theory.symbols import S_s, S_t, m1, m2, q11, q22, u_t

    value = (1 + sp.erf(m1 / sp.sqrt(2 * (q11 + S_t)))) / 2
    other = (1 + sp.erf(m2 / sp.sqrt(2 * (q22 + S_s)))) / 2
    return (
        Lemma(
            "probit of one sample",
            "The mean shifts the density: differentiate by it, and integrate by parts.",
            r"N(u_t; \varsigma_t)\, p(u_t)",
            normal(u_t, S_t) * normal(u_t, q11, m1),
            (
                Step(
                    Integrate(u_t, *LINE),
                    normal(m1, q11 + S_t),
                    "Integrate: variances add.",
                    r"\frac{\partial}{\partial m_1} E[\Phi(u_t/\sqrt{\varsigma_t})]",
                ),
                Step(
                    SolveFromZero(m1, Result("mean of the distribution"), value),
                    value,
                    "Integrate over the mean, from a centred sample.",
                    r"E[\Phi(u_t/\sqrt{\varsigma_t})]",
                ),
            ),
        ),
        Lemma(
            "probit at zero covariance",
            "Where the samples are independent.",
            r"E[\Phi(u_t/\sqrt{\varsigma_t})]",
            Result("probit of one sample"),
            (
                Step(
                    TimesOther(),
                    value * other,
                    "Times that of the other sample.",
                    r"E[\Phi(u_t/\sqrt{\varsigma_t})]\, E[\Phi(u_s/\sqrt{\varsigma_s})]",
                ),
            ),
        ),
    )


def _probit() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price
    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import Differentiate
    from derivations.proof import Add, Evaluate, Lemma, Multiply, Result, Step
    from theory.symbols import S_s, S_t, height, m1, m2, noisy_density, offset, q11, q12, q22, r

    one = (1 + sp.erf(m1 / sp.sqrt(2 * (q11 + S_t)))) / 2
    other = (1 + sp.erf(m2 / sp.sqrt(2 * (q22 + S_s)))) / 2
    bumps = noise_lemmas()[1].steps[-1].states
    both = one * other + sp.Integral(noisy_density(r), (r, 0, q12))
    return (
        Lemma(
            "mean of probit",
            r"For $\varphi(x) = c_0 + c_1 \Phi(x/\sqrt{\varsigma})$, and so for every $c_0 + c_1 "
            r"\Phi(\lambda x + \mu)$: there $\varsigma = 1/\lambda^2$, and the means are those of "
            r"$u + \mu/\lambda$.",
            r"E[\Phi(u_t/\sqrt{\varsigma_t})]",
            Result("probit of one sample"),
            (
                Step(Multiply(height), height * one, "The varying term."),
                Step(Add(offset), offset + height * one, "And the other.", r"E[\varphi(u_t)]"),
            ),
        ),
        Lemma(
            "mean slope of probit",
            "Its change with the mean.",
            r"E[\varphi(u_t)]",
            Result("mean of probit"),
            (
                Step(
                    Differentiate(m1),
                    height * normal(m1, q11 + S_t),
                    "Differentiate.",
                    r"E[\varphi'(u_t)]",
                ),
            ),
        ),
        Lemma(
            "derivative of probit",
            "Two slopes.",
            r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
            Result("two bumps"),
            (
                Step(
                    Multiply(height**2),
                    height**2 * bumps,
                    "Times the squared height.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
        Lemma(
            "slopes of probit",
            r"The slope of $\Phi(x/\sqrt{\varsigma})$ is $N(x; \varsigma)$; as a function of the "
            "covariance the integral of two is called:",
            r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
            Result("two bumps"),
            (Step(Evaluate(), noisy_density(q12), "A name.", r"p_{\varsigma}(q_{12})"),),
            given=((noisy_density(q12), Result("two bumps")),),
        ),
        by_price(
            "distribution of a pair",
            r"The distribution function $\Phi_2$ of the noisy pair, in Plackett's form.",
            Result("slopes of probit"),
            Result("probit at zero covariance"),
            both,
            r"\Phi({}/\sqrt{{\varsigma}})",
        ),
        Lemma(
            "probit",
            r"For $\varphi(x) = c_0 + c_1 \Phi(x/\sqrt{\varsigma})$.",
            r"\Phi_2",
            Result("distribution of a pair"),
            (
                Step(
                    Multiply(height**2),
                    sp.expand(height**2 * both),
                    "The product of the two varying terms.",
                    r"c_1^2 \Phi_2",
                ),
                Step(
                    Add(offset**2 + offset * height * (one + other)),
                    (offset + height * one) * (offset + height * other)
                    + height**2 * sp.Integral(noisy_density(r), (r, 0, q12)),
                    "And the other products: those of the means, and a covariance.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
    )


ERROR_FUNCTION_KERNELS = kernel_theorem(
    id="kernel-error-function",
    says="Gaussian integrals of erf, of the normal distribution function and of its primitive.",
    statement=r"""Let $(u_t, u_s)$ be a Gaussian pair of variances $q_{11}$, $q_{22}$ and covariance
$q_{12}$, and let $A = q_{11} + \varsigma_t$, $B = q_{22} + \varsigma_s$. If it is centred,
\[
  E[\Phi(u_t/\sqrt{\varsigma_t})\, \Phi(u_s/\sqrt{\varsigma_s})]
  = \frac1{2\pi} \arccos\frac{-q_{12}}{\sqrt{AB}}, \qquad
  E[\mathrm{erf}(a u_t)\, \mathrm{erf}(a u_s)]
  = \frac2\pi \arcsin\frac{q_{12}}{\sqrt{AB}} \Big|_{\varsigma = 1/(2 a^2)};
\]
with means $m_1$ and $m_2$ the first is the distribution function $\Phi_2$ of a pair of variances
$A$ and $B$ and covariance $q_{12}$, and the mean of one is $\Phi(m_1/\sqrt A)$.""",
    assumptions=(PRICE, UNIQUE),
    source="Price, IRE Trans. Inf. Theory 1958; Plackett, Biometrika 1954; Williams, NeurIPS 1996",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-error-function")
