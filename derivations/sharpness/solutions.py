"""The flow of sharpness reduction in closed form: forms in any dimension, an arc, a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory.sharpness_flow import flow_speed
from theory.sharpness_problems import arc_clock, arc_height, arc_slope

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Each solution is differentiated and compared with the velocity of the flow."""
    from derivations.proof import Proof

    return Proof(SHARPNESS_SOLUTIONS, (*_forms(), *_arc(), *_regression()))


def _forms() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import clock, form, height_q, square_r

    D = 4 * (square_r / height_q**2 - 1)
    return (
        Lemma(
            "slope of a form",
            r"$\lambda_1 = \mathsf q = \zeta^{\top} A \zeta$ has $g = 2 (A - \mathsf q) "
            r"\zeta/\mathsf q$; with $\mathsf r = |A\zeta|^2$ its square is:",
            "D",
            4 * (square_r - 2 * height_q * height_q + height_q**2) / height_q**2,
            (Step(Evaluate(), D, r"As $\zeta^{\top} \zeta = 1$."),),
        ),
        Lemma(
            "velocity of a form",
            r"The component along an axis whose entry of A is $b_2$, over that of $\zeta$:",
            None,
            -flow_speed(D) * 2 * (form - height_q) / height_q,
            (
                Step(
                    Evaluate(),
                    -height_q / square_r * (form - height_q),
                    r"So $d\zeta/d\tau = -(\mathsf q/\mathsf r)(A - \mathsf q) \zeta$.",
                ),
            ),
        ),
        Lemma(
            "solution of a form",
            r"$\zeta(\sigma) = e^{-A\sigma} k/|e^{-A\sigma} k|$ moves with velocity "
            r"$-(A - \mathsf q)\zeta$ in $\sigma$. From $e^{-2\tau} = \sum a_i k_i^2 "
            r"e^{-2 a_i \sigma}/\sum a_i k_i^2$ follows $d\tau/d\sigma = \mathsf r/\mathsf q$, as "
            "minus half the logarithmic derivative of the sum.",
            r"d\zeta/d\tau",
            Result("velocity of a form"),
            (
                Step(
                    Multiply(square_r / height_q),
                    height_q - form,
                    r"Times $d\tau/d\sigma$ it is the velocity in $\sigma$.",
                    r"d\zeta/d\sigma",
                ),
            ),
        ),
        Lemma(
            "clock of a form",
            r"For two entries, 1 and $b_2$, of weights $k_i^2$ equal to $\mathsf q$ and "
            r"$\mathsf r$; each further one adds a term to both sums.",
            r"\frac{d\tau}{d\sigma}",
            -sp.Derivative(
                sp.log(height_q * sp.exp(-2 * clock) + form * square_r * sp.exp(-2 * form * clock)),
                clock,
            )
            / 2,
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    (height_q + form**2 * square_r) / (height_q + form * square_r),
                    r"It is $|A\zeta|^2/\zeta^{\top} A \zeta$, at any $\sigma$ that is called 0.",
                ),
            ),
        ),
    )


def _arc() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Step
    from theory.symbols import arc, form

    slope = arc_slope(arc, form)
    return (
        Lemma(
            "slope on an arc",
            r"$\lambda_1 = \cos^2 \mathsf s + b_2 \sin^2 \mathsf s$.",
            r"l = \frac{d \log\lambda_1}{d\mathsf s}",
            sp.Derivative(sp.log(arc_height(arc, form)), arc),
            (Step(Evaluate(), slope, "Differentiate."),),
        ),
        Lemma(
            "clock of an arc",
            "The clock of the closed solution.",
            r"\frac{dF}{d\mathsf s}",
            sp.Derivative(arc_clock(arc, form), arc),
            (
                Step(Evaluate(), 2 / slope + slope / 2, "Differentiate."),
                Step(
                    Multiply(-flow_speed(slope**2) * slope),
                    -sp.S.One,
                    r"Times the velocity $-2l/(4 + l^2)$: it runs backwards at the speed of time.",
                    r"\frac{dF}{d\tau}",
                ),
            ),
        ),
    )


def _regression() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step, Substitute
    from theory.symbols import flow_time, tilt

    angle = sp.atan(sp.exp(-flow_time) * sp.tan(tilt))
    return (
        Lemma(
            "sharpness of the regression",
            r"$\lambda_1$ is $1/\cos^2 \alpha_0$ times that at the minimum-norm solution, "
            r"$\alpha_0$ the angle from it.",
            r"\frac{d \log\lambda_1}{d\alpha_0}",
            sp.Derivative(-2 * sp.log(sp.cos(tilt)), tilt),
            (Step(Evaluate(), 2 * sp.tan(tilt), "The length of g."),),
        ),
        Lemma(
            "velocity of the regression",
            r"The flow turns towards the minimum norm, with $D = 4 \tan^2 \alpha_0$.",
            r"\frac{d\alpha}{d\tau}",
            -flow_speed(4 * sp.tan(tilt) ** 2) * 2 * sp.tan(tilt),
            (Step(Evaluate(), -sp.sin(tilt) * sp.cos(tilt), "Evaluate."),),
        ),
        Lemma(
            "solution of the regression",
            r"$\tan\alpha = e^{-\tau_w} \tan\alpha_0$.",
            r"\frac{d\alpha}{d\tau}",
            sp.Derivative(angle, flow_time),
            (
                Step(
                    Evaluate(),
                    -sp.sin(angle) * sp.cos(angle),
                    "It has the velocity of the flow, and ends at the minimum-norm solution.",
                ),
                Step(
                    Substitute(((flow_time, sp.S.Zero),)),
                    -sp.sin(tilt) * sp.cos(tilt),
                    "At the start.",
                ),
            ),
        ),
    )


SHARPNESS_SOLUTIONS = kernel_theorem(
    id="sharpness-solutions",
    says="Solutions of the flow: quadratic forms, an arc, and batch-normalized regression.",
    statement=r"""The flow $d\zeta/d\tau = -2g/(4 + D)$ is solved

(a) for $\lambda_1 = \zeta^{\top} A \zeta$, A diagonal, by $\zeta = e^{-A\sigma} k/|e^{-A\sigma} k|$
with $e^{-2\tau} = \sum_i a_i k_i^2 e^{-2 a_i \sigma}/\sum_i a_i k_i^2$;

(b) on the arc $\lambda_1 = \cos^2 \mathsf s + b_2 \sin^2 \mathsf s$ by $F(\mathsf s(\tau)) =
F(\mathsf s_0) - \tau$, $F = (\log\sin\mathsf s - b_2 \log\cos\mathsf s)/(b_2 - 1) + \frac12
\log\lambda_1$;

(c) for batch-normalized linear regression by $\tan\alpha = e^{-\tau} \tan\alpha_0$ in the plane of
the start and the minimum-norm solution, where it ends.""",
    assumptions=(
        r"(a), (b): the losses $z^{\top} A z\, y^2/(2|w|^4)$, whose minimizers are $y = 0$.",
        "(c): the weights can reach the targets; zero residual.",
    ),
    source="the solutions are ours; the flow: Lyu, Li & Arora, NeurIPS 2022",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("sharpness-solutions")
