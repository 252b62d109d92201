"""Linear, step, sign, ReLU, leaky ReLU, absolute value, hard tanh: Gaussian integrals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Each derivative is a kernel proved before it; those of kinks are densities."""
    from derivations.kernels.entries import Entry, KernelProof
    from theory.symbols import slope

    linear = ("probability of the linear piece", "hard tanh", "derivative of hard tanh")
    return KernelProof(
        PIECEWISE_LINEAR_KERNELS,
        (
            *_linear(),
            *step_lemmas(),
            *_sign(),
            *relu_lemmas(),
            *_leaky(),
            *_absolute(),
            *_hard_tanh(),
        ),
        (
            Entry("linear", ("mean", "slope", "linear", "slope"), means=True),
            Entry("step", ("mean of the step", "density at 0", "step", "slope of the step")),
            Entry(
                "sign", ("mean of the sign", "mean slope of the sign", "sign", "slope of the sign")
            ),
            Entry("relu", ("mean of ReLU", "mean of the step", "ReLU", "step")),
            Entry(
                "leaky_relu",
                (
                    "mean of leaky ReLU",
                    "mean slope of leaky ReLU",
                    "leaky ReLU",
                    "slope of leaky ReLU",
                ),
                parameters=(("slope", slope),),
            ),
            Entry(
                "abs",
                ("mean of the absolute value", "mean of the sign", "absolute value", "sign"),
            ),
            Entry("hard_tanh", ("mean of hard tanh", *linear), exact=False),
        ),
    )


def _linear() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import LINE, PAIR, normal
    from derivations.proof import Evaluate, Lemma, Result, Step
    from theory.kernels import KERNELS
    from theory.symbols import m1, m2, q11, u_t

    return (
        *mean(
            "mean",
            "Of the linear function.",
            "E[u_t]",
            sp.Integral(u_t * normal(u_t, q11, m1), (u_t, *LINE)),
            m1,
            "Integrate.",
        ),
        Lemma(
            "slope",
            "The product of the derivatives is 1, and so is that of one.",
            None,
            sp.Derivative(u_t, u_t),
            (Step(Evaluate(), sp.S.One, "Differentiate.", r"E[\varphi'(u_t)\, \varphi'(u_s)]"),),
        ),
        by_price(
            "linear",
            "The second moment of the pair.",
            Result("slope"),
            Result("mean, squared"),
            KERNELS["linear"].dual(PAIR._replace(m1=m1, m2=m2)),
            "{}",
        ),
    )


def step_lemmas() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import PAIR, joint, normal, tidy
    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.kernels import KERNELS
    from theory.symbols import q11, u_s, u_t

    step = KERNELS["step"]
    return (
        *mean(
            "mean of the step",
            "The probability that a pre-activation is positive.",
            "P(u_t > 0)",
            sp.Integral(normal(u_t, q11), (u_t, 0, sp.oo)),
            step.mean(PAIR.u),
            "Integrate.",
        ),
        Lemma(
            "density at 0",
            r"The derivative of $\Theta$ is a point mass at 0.",
            "p(u_t)",
            normal(u_t, q11),
            (
                Step(
                    Substitute(((u_t, sp.S.Zero),)),
                    step.derivative_mean(PAIR.u),
                    "The density there.",
                    r"E[\Theta'(u_t)]",
                ),
            ),
        ),
        Lemma(
            "slope of the step",
            "The mean of the product of two point masses is the density of the pair.",
            "p",
            joint(u_t, u_s),
            (
                Step(
                    Substitute(((u_t, sp.S.Zero), (u_s, sp.S.Zero))),
                    tidy(step.derivative_dual(PAIR)),
                    "The density at 0.",
                    r"E[\Theta'(u_t)\, \Theta'(u_s)]",
                ),
            ),
        ),
        by_price(
            "step",
            "The arc-cosine kernel of order 0.",
            Result("slope of the step"),
            Result("mean of the step, squared"),
            step.dual(PAIR),
            r"\Theta({})",
        ),
    )


def _sign() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price
    from derivations.kernels.gaussian_pair import PAIR, tidy
    from derivations.proof import Add, Lemma, Multiply, Result, Step
    from theory.kernels import KERNELS

    sign = KERNELS["sign"]
    return (
        Lemma(
            "mean of the sign",
            r"The sign is $2 \Theta(x) - 1$.",
            "P(u_t > 0)",
            Result("mean of the step"),
            (
                Step(Multiply(sp.Integer(2)), sp.S.One, "Twice.", "2 P(u_t > 0)"),
                Step(
                    Add(-sp.S.One),
                    sp.sympify(sign.mean(PAIR.u)),
                    "Less 1.",
                    r"E[\operatorname{sign}(u_t)]",
                ),
            ),
        ),
        Lemma(
            "mean slope of the sign",
            "Its point mass is twice as large.",
            r"E[\Theta'(u_t)]",
            Result("density at 0"),
            (
                Step(
                    Multiply(sp.Integer(2)),
                    sign.derivative_mean(PAIR.u),
                    "Twice.",
                    r"E[\operatorname{sign}'(u_t)]",
                ),
            ),
        ),
        Lemma(
            "slope of the sign",
            "So is that of the other sample.",
            r"E[\Theta'(u_t)\, \Theta'(u_s)]",
            Result("slope of the step"),
            (
                Step(
                    Multiply(sp.Integer(4)),
                    tidy(sign.derivative_dual(PAIR)),
                    "Four times.",
                    r"E[\operatorname{sign}'(u_t)\, \operatorname{sign}'(u_s)]",
                ),
            ),
        ),
        by_price(
            "sign",
            "The arc-sine law.",
            Result("slope of the sign"),
            sp.S.Zero,
            sign.dual(PAIR),
            r"\operatorname{{sign}}({})",
        ),
    )


def relu_lemmas() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import PAIR, normal, tidy
    from derivations.proof import Result
    from theory.kernels import KERNELS
    from theory.symbols import q11, u_t

    relu = KERNELS["relu"]
    return (
        *mean(
            "mean of ReLU",
            "The mean of the positive part.",
            "E[(u_t)_+]",
            sp.Integral(u_t * normal(u_t, q11), (u_t, 0, sp.oo)),
            relu.mean(PAIR.u),
            "Integrate.",
        ),
        by_price(
            "ReLU",
            "The derivative of ReLU is the step: the arc-cosine kernel of order 1.",
            Result("step"),
            Result("mean of ReLU, squared"),
            tidy(relu.dual(PAIR)),
            "({})_+",
        ),
    )


def _leaky() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import PAIR, normal, tidy
    from derivations.proof import Add, Lemma, Multiply, Result, Step
    from theory.kernels import KERNELS
    from theory.symbols import q11, slope, u_t

    leaky = KERNELS["leaky_relu"]
    of_step = (1 - slope) ** 2 * KERNELS["step"].dual(PAIR)
    return (
        Lemma(
            "slope of leaky ReLU",
            r"For $\varphi(x) = \ell x + (1 - \ell) x_+$ the derivative is $\ell + (1 - \ell) "
            r"\Theta(x)$, and $E[\Theta(u)] = \frac12$.",
            r"E[\Theta(u_t)\, \Theta(u_s)]",
            Result("step"),
            (
                Step(
                    Multiply((1 - slope) ** 2),
                    of_step,
                    "The product of the two jumping terms.",
                    r"(1 - \ell)^2 E[\Theta(u_t)\, \Theta(u_s)]",
                ),
                Step(
                    Add(slope**2 + 2 * slope * (1 - slope) / 2),
                    leaky.derivative_dual(PAIR, slope=slope),
                    "And the other products.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
        Lemma(
            "mean slope of leaky ReLU",
            "The same derivative of one sample.",
            "P(u_t > 0)",
            Result("mean of the step"),
            (
                Step(Multiply(1 - slope), (1 - slope) / 2, "The jumping term."),
                Step(
                    Add(slope),
                    sp.expand(leaky.derivative_mean(PAIR.u, slope=slope)),
                    "And the other.",
                    r"E[\varphi'(u_t)]",
                ),
            ),
        ),
        *mean(
            "mean of leaky ReLU",
            "The two half lines.",
            r"E[\varphi(u_t)]",
            sp.Integral(u_t * normal(u_t, q11), (u_t, 0, sp.oo))
            + sp.Integral(slope * u_t * normal(u_t, q11), (u_t, -sp.oo, 0)),
            leaky.mean(PAIR.u, slope=slope),
            "Integrate.",
        ),
        by_price(
            "leaky ReLU",
            "Linear and ReLU together.",
            Result("slope of leaky ReLU"),
            Result("mean of leaky ReLU, squared"),
            tidy(leaky.dual(PAIR, slope=slope)),
            r"\varphi({})",
        ),
    )


def _absolute() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import PAIR, normal, tidy
    from derivations.proof import Result
    from theory.kernels import KERNELS
    from theory.symbols import q11, u_t

    absolute = KERNELS["abs"]
    return (
        *mean(
            "mean of the absolute value",
            "Twice the half line.",
            r"E[\,|u_t|\,]",
            2 * sp.Integral(u_t * normal(u_t, q11), (u_t, 0, sp.oo)),
            absolute.mean(PAIR.u),
            "Integrate.",
        ),
        by_price(
            "absolute value",
            "The derivative of the absolute value is the sign.",
            Result("sign"),
            Result("mean of the absolute value, squared"),
            tidy(absolute.dual(PAIR)),
            "|{}|",
        ),
    )


def _hard_tanh() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import mean
    from derivations.kernels.gaussian_pair import joint, normal
    from derivations.kernels.operations import SolveFromZero
    from derivations.proof import Evaluate, Lemma, Result, Step
    from theory.symbols import corner, far_corner, q11, q12, q22, r, u_t

    one = sp.S.One
    curvature = 2 * corner(q12) - 2 * far_corner(q12)
    before = curvature.subs(q12, r)
    linear = sp.erf(1 / sp.sqrt(2 * q11))
    flat = linear * linear.subs(q11, q22)
    probability = flat + sp.Integral(before, (r, 0, q12))
    dual = q12 * flat + sp.Integral((q12 - r) * before, (r, 0, q12))
    return (
        Lemma(
            "curvature of hard tanh",
            r"The second derivative of $\varphi(x) = \max(-1, \min(1, x))$ is a point mass 1 at "
            r"$-1$ and $-1$ at 1: the mean of the product of two is a sum of four densities.",
            r"E[\varphi''(u_t)\, \varphi''(u_s)]",
            joint(-one, -one) + joint(one, one) - joint(one, -one) - joint(-one, one),
            (Step(Evaluate(), curvature, "The density is even."),),
            given=(
                (corner(q12), joint(one, one)),
                (far_corner(q12), joint(one, -one)),
            ),
        ),
        Lemma(
            "mean of hard tanh",
            "The three pieces of an odd function.",
            r"E[\varphi(u_t)]",
            sp.Integral(normal(u_t, q11), (u_t, 1, sp.oo))
            + sp.Integral(u_t * normal(u_t, q11), (u_t, -1, 1))
            - sp.Integral(normal(u_t, q11), (u_t, -sp.oo, -1)),
            (Step(Evaluate(), sp.S.Zero, "They cancel."),),
        ),
        *mean(
            "probability of the linear piece",
            "The mean of the derivative.",
            "P(|u_t| < 1)",
            sp.Integral(normal(u_t, q11), (u_t, -1, 1)),
            linear,
            "Integrate.",
        ),
        Lemma(
            "derivative of hard tanh",
            "Price's theorem for the derivative, an indicator.",
            r"\frac{\partial}{\partial q_{12}} P(|u_t| < 1, |u_s| < 1)",
            Result("curvature of hard tanh"),
            (
                Step(
                    SolveFromZero(
                        q12, Result("probability of the linear piece, squared"), probability
                    ),
                    probability,
                    "Integrate over the covariance, from independent samples.",
                    "P(|u_t| < 1, |u_s| < 1)",
                ),
            ),
        ),
        Lemma(
            "hard tanh",
            r"And for $\varphi$ itself, of mean 0: a Taylor polynomial with its exact rest.",
            r"\frac{\partial}{\partial q_{12}} E[\varphi(u_t)\, \varphi(u_s)]",
            Result("derivative of hard tanh"),
            (
                Step(
                    SolveFromZero(q12, sp.S.Zero, dual),
                    dual,
                    "Integrate once more.",
                    r"E[\varphi(u_t)\, \varphi(u_s)]",
                ),
            ),
        ),
    )


PIECEWISE_LINEAR_KERNELS = kernel_theorem(
    id="kernel-piecewise-linear",
    says="Gaussian integrals of linear, abs, ReLU, leaky ReLU, step, sign and hard tanh.",
    statement=r"""Let $(u_t, u_s)$ be a centred Gaussian pair of variances $q_{11}$, $q_{22}$ and
covariance $q_{12}$, $D = q_{11} q_{22} - q_{12}^2$, and $\psi = \arccos(-q_{12}/\sqrt{q_{11}
q_{22}})$. Then
\begin{gather*}
  E[\Theta(u_t)\, \Theta(u_s)] = \frac{\psi}{2\pi}, \qquad
  E[(u_t)_+ (u_s)_+] = \frac{\sqrt D + q_{12} \psi}{2\pi}, \\
  E|u_t|\,|u_s| = \frac 2\pi \left(\sqrt D + q_{12} \arcsin\frac{q_{12}}{\sqrt{q_{11} q_{22}}}
  \right),
\end{gather*}
and the kernels of leaky ReLU and of hard tanh are those of the proof.""",
    assumptions=(PRICE, UNIQUE),
    source="Price, IRE Trans. Inf. Theory 1958; Sheppard, Phil. Trans. R. Soc. 1899; "
    "Cho & Saul, NeurIPS 2009",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-piecewise-linear")
