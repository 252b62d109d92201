r"""The logistic law as a mixture of Gaussians; sigmoid, tanh, softplus and SiLU as averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.error_function import (
    erf_lemmas,
    hinge_lemmas,
    noise_lemmas,
    quadrant_lemmas,
    sign_lemmas,
)
from derivations.kernels.gelu import gated_lemmas
from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove_mixture() -> Proof:
    """Each Gaussian term gives an exponential; the exponentials sum to the logistic density."""
    from derivations.proof import Proof

    return Proof(KOLMOGOROV_MIXTURE, (*_term(), *_sum(), *_functions()))


def prove() -> Proof:
    """The kernels at fixed noise, averaged over the noise."""
    from derivations.kernels.entries import Entry, KernelProof

    half = "mean of the distribution"
    return KernelProof(
        LOGISTIC_KERNELS,
        (
            *noise_lemmas(),
            *erf_lemmas(),
            *quadrant_lemmas(),
            *hinge_lemmas(),
            *sign_lemmas(),
            *gated_lemmas(),
            *_means(),
            *_duals(),
        ),
        (
            Entry(
                "tanh",
                ("mean of the noisy sign", "mean slope of tanh", "tanh", "derivative of tanh"),
                exact=False,
            ),
            Entry(
                "sigmoid",
                (half, "mean slope of sigmoid", "sigmoid", "derivative of sigmoid"),
                exact=False,
            ),
            Entry("softplus", ("mean of softplus", half, "softplus", "sigmoid"), exact=False),
            Entry(
                "silu",
                ("mean of SiLU", "mean slope of the gate", "SiLU", "derivative of SiLU"),
                exact=False,
            ),
        ),
    )


def _term() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import AsPrimitive, UpperLessLower
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import distance, power, precision, scale, spread_t

    w, a, b = spread_t, sp.sqrt(scale), sp.sqrt(precision)
    grows, falls = (sp.exp(sign * 2 * a * b) * sp.erf(b * w + sign * a / w) for sign in (1, -1))
    primitive = sp.sqrt(sp.pi) / (4 * b) * (grows + falls)
    limits = (
        sp.sqrt(sp.pi) / (4 * b) * (sp.exp(2 * a * b) + sign * sp.exp(-2 * a * b))
        for sign in (1, -1)
    )
    constant = 8 * power**2 / sp.sqrt(8 * sp.pi)
    factors = ((scale, distance**2 / 8), (precision, 2 * power**2))
    term = sp.sqrt(sp.pi) / (2 * sp.sqrt(2) * power) * sp.exp(-power * distance)
    return (
        Lemma(
            "half line",
            "A primitive with two error functions.",
            "W",
            primitive,
            (
                Step(
                    AsPrimitive(w),
                    sp.Tuple(sp.exp(-scale / w**2 - precision * w**2), *limits),
                    r"Its derivative and its limits: the error functions tend to $\pm 1$.",
                    r"(W', W(\infty), W(0))",
                ),
                Step(
                    UpperLessLower(),
                    sp.sqrt(sp.pi) / (2 * b) * sp.exp(-2 * a * b),
                    "The integral over the half line.",
                    r"\int_0^\infty e^{-a/w_t^2 - b w_t^2}\, dw_t",
                ),
                Step(
                    Substitute(factors),
                    term,
                    "With the constants of the term of order $m$.",
                    r"\int_0^\infty e^{-u_t^2/(8 w_t^2) - 2 m^2 w_t^2}\, dw_t",
                ),
            ),
        ),
        Lemma(
            "term of the mixture",
            "A Gaussian of variance $4 w_t^2$ times the term of order $m$ of the Kolmogorov "
            "density, without its sign.",
            r"N(u_t; 4 w_t^2)\, 8 w_t m^2 e^{-2 m^2 w_t^2}",
            normal(distance, 4 * w**2) * 8 * w * power**2 * sp.exp(-2 * power**2 * w**2),
            (
                Step(
                    Evaluate(),
                    constant * sp.exp(-(distance**2) / (8 * w**2) - 2 * power**2 * w**2),
                    "The width cancels: it is the integrand above times a constant.",
                ),
            ),
        ),
        Lemma(
            "exponential",
            "So the term integrates to an exponential.",
            r"\int_0^\infty e^{-u_t^2/(8 w_t^2) - 2 m^2 w_t^2}\, dw_t",
            Result("half line"),
            (
                Step(
                    Multiply(constant),
                    power * sp.exp(-power * distance),
                    "Times that constant.",
                    r"\int_0^\infty N(u_t; 4 w_t^2)\, 8 w_t m^2 e^{-2 m^2 w_t^2}\, dw_t",
                ),
            ),
        ),
    )


def _sum() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.operations import SolveFromZero, Telescope
    from derivations.proof import Lemma, Step, Substitute
    from theory.symbols import power, tau, u_t

    rest = (-1) ** power * ((power + 1) * tau ** (power + 1) + power * tau ** (power + 2))
    partial = (tau - rest) / (1 + tau) ** 2
    sigmoid = 1 / (1 + sp.exp(-u_t))
    return (
        Lemma(
            "partial sums",
            r"The alternating sum of $m \tau^m$ up to $m$.",
            r"s_m",
            partial,
            (
                Step(
                    Telescope(power),
                    sp.Tuple(-((-1) ** power) * power * tau**power, sp.S.Zero),
                    "It grows by its last term, from the empty sum.",
                    r"(s_m - s_{m-1},\ s_0)",
                ),
            ),
        ),
        Lemma(
            "logistic density",
            r"For $0 < \tau < 1$ the rest vanishes as $m \to \infty$.",
            r"s_\infty",
            tau / (1 + tau) ** 2,
            (
                Step(
                    Substitute(((tau, sp.exp(-u_t)),)),
                    sp.exp(-u_t) / (1 + sp.exp(-u_t)) ** 2,
                    r"At $\tau = e^{-u_t}$, an even function of $u_t$.",
                    r"\int_0^\infty N(u_t; 4 w_t^2) f_K(w_t)\, dw_t",
                ),
                Step(
                    SolveFromZero(u_t, sp.S.Half, sigmoid),
                    sigmoid,
                    "Integrate from 0, where every symmetric distribution function is one half.",
                    r"\int_0^\infty \Phi(u_t/(2 w_t)) f_K(w_t)\, dw_t",
                ),
            ),
        ),
    )


def _functions() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.operations import SolveFromZero
    from derivations.proof import Add, Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import u_t

    sigmoid = 1 / (1 + sp.exp(-u_t))
    doubled = 1 / (1 + sp.exp(-2 * u_t))
    return (
        Lemma(
            "tanh",
            r"$\tanh x$ is $2 \sigma(2 x) - 1$: noise of variance $w_t^2$.",
            r"\sigma(u_t)",
            Result("logistic density"),
            (
                Step(Substitute(((u_t, 2 * u_t),)), doubled, "Half the noise.", r"\sigma(2 u_t)"),
                Step(Multiply(sp.Integer(2)), 2 * doubled, "Twice."),
                Step(
                    Add(-sp.S.One),
                    2 * doubled - 1,
                    "Centred.",
                    r"\int_0^\infty (2 \Phi(u_t/w_t) - 1) f_K(w_t)\, dw_t",
                ),
                Step(Evaluate(), sp.tanh(u_t).rewrite(sp.exp), "It is tanh.", r"\tanh u_t"),
            ),
        ),
        Lemma(
            "softplus",
            r"The primitive that vanishes at $-\infty$, as that of $\Phi$ does.",
            r"\sigma(u_t)",
            sigmoid,
            (
                Step(
                    SolveFromZero(u_t, sp.log(2), sp.log(1 + sp.exp(u_t))),
                    sp.log(1 + sp.exp(u_t)),
                    "Integrate from 0.",
                    r"\int_0^\infty H_{4 w_t^2}(u_t) f_K(w_t)\, dw_t",
                ),
            ),
        ),
        Lemma(
            "SiLU",
            "The product with the argument, under the same average.",
            r"\sigma(u_t)",
            Result("logistic density"),
            (
                Step(
                    Multiply(u_t),
                    u_t * sigmoid,
                    "Multiply.",
                    r"\int_0^\infty u_t \Phi(u_t/(2 w_t)) f_K(w_t)\, dw_t",
                ),
            ),
        ),
    )


def _average(name: str, source: str, factor: int, integral: sp.Basic, written: str) -> Lemma:
    import sympy as sp

    from derivations.kernels.operations import AverageNoise
    from derivations.proof import Lemma, Result, Step

    operation = AverageNoise(sp.Integer(factor))
    return Lemma(
        name,
        "Given the Kolmogorov variable of each sample, the noise is Gaussian.",
        None,
        Result(source),
        (Step(operation, operation(integral), "Average over them.", written),),
    )


def _means() -> tuple[Lemma, ...]:
    import sympy as sp

    from theory.symbols import S_t, q11

    width = sp.sqrt(2 * sp.pi * (q11 + S_t))
    means = (
        ("mean slope of tanh", "mean slope of the noisy sign", 1, 2 / width, r"\tanh'(u_t)"),
        ("mean slope of sigmoid", "mean bump", 4, 1 / width, r"\sigma'(u_t)"),
        ("mean of softplus", "mean of the primitive", 4, width / (2 * sp.pi), r"\sigma_1(u_t)"),
        ("mean of SiLU", "mean of the gate", 4, q11 / width, r"u_t \sigma(u_t)"),
    )
    return tuple(
        _average(name, source, factor, value, f"E[{phi}]")
        for name, source, factor, value, phi in means
    )


def _duals() -> tuple[Lemma, ...]:
    from derivations.kernels.gaussian_pair import PAIR, tidy
    from theory.families import error_function as at
    from theory.symbols import S_s, S_t

    def two(phi: str) -> str:
        return rf"E[{phi.format('u_t')}\, {phi.format('u_s')}]"

    fixed = (PAIR, S_t, S_s)
    return (
        _average("tanh", "arc-sine kernel", 1, at.arc_sine(*fixed), two(r"\tanh({})")),
        _average(
            "derivative of tanh",
            "slopes of erf",
            1,
            tidy(at.arc_sine_derivative(*fixed)),
            two(r"\tanh'({})"),
        ),
        _average(
            "derivative of sigmoid",
            "centred bumps",
            4,
            tidy(at.arc_sine_derivative(*fixed)) / 4,
            two(r"\sigma'({})"),
        ),
        _average("sigmoid", "quadrant", 4, at.quadrant(*fixed), two(r"\sigma({})")),
        _average("softplus", "hinges", 4, tidy(at.hinges(*fixed)), two(r"\sigma_1({})")),
        _average("SiLU", "gate", 4, tidy(at.gated(*fixed)), two(r"{0} \sigma({0})")),
        _average(
            "derivative of SiLU",
            "derivative of the gate",
            4,
            tidy(at.gated_derivative(*fixed)),
            two(r"({0} \sigma({0}))'"),
        ),
    )


KOLMOGOROV_MIXTURE = kernel_theorem(
    id="kolmogorov-mixture",
    says="The logistic law is a scale mixture of Gaussians, of width twice a Kolmogorov variable.",
    statement=r"""Let $f_K(w) = 8 w \sum_{m \ge 1} (-1)^{m-1} m^2 e^{-2 m^2 w^2}$ be the density of
the Kolmogorov distribution and $\sigma(x) = 1/(1 + e^{-x})$. Then
\[
  \sigma(x) = \int_0^\infty \Phi\left(\frac x{2 w}\right) f_K(w)\, dw, \qquad
  \sigma'(x) = \int_0^\infty N(x; 4 w^2) f_K(w)\, dw.
\]""",
    assumptions=(
        "Sum and integral are interchanged. For $w$ bounded below the sum converges absolutely; "
        "near 0 its Abel means are bounded by the theta function of the other series of $f_K$.",
        r"At $u_t = 0$ the density is the limit $u_t \to 0$ of continuous functions.",
        r"A function is determined by its continuous derivative and its value at 0; softplus and "
        r"the average of its Gaussian counterparts both vanish at $-\infty$.",
    ),
    source="Andrews & Mallows, J. R. Stat. Soc. B 1974; Stefanski, Stat. Probab. Lett. 1991",
    prove=prove_mixture,
)

LOGISTIC_KERNELS = kernel_theorem(
    id="kernel-logistic",
    says="Gaussian integrals of sigmoid, tanh, softplus and SiLU, as averages over two widths.",
    statement=r"""Let $w_t$ and $w_s$ be independent Kolmogorov variables. The kernels of sigmoid,
softplus and SiLU are the means over them of those of $\Phi(x/\sqrt\varsigma)$, of its primitive
$H_\varsigma$ and of $x\, \Phi(x/\sqrt\varsigma)$ at $\varsigma_t = 4 w_t^2$ and $\varsigma_s =
4 w_s^2$; that of tanh is the mean of the arc-sine kernel at $\varsigma_t = w_t^2$, $\varsigma_s =
w_s^2$. The same holds for their derivatives.""",
    assumptions=(
        PRICE,
        UNIQUE,
        r"The theorem kolmogorov-mixture: with $\varphi = E_w \varphi_w$ and independent $w_t$, "
        r"$w_s$, $E[\varphi(u_t) \varphi(u_s)] = E_{w_t w_s} E[\varphi_{w_t}(u_t) "
        r"\varphi_{w_s}(u_s)]$; the integrals converge absolutely and are interchanged.",
    ),
    source="Stefanski, Stat. Probab. Lett. 1991; Williams, NeurIPS 1996",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kolmogorov-mixture")
    show("kernel-logistic")
