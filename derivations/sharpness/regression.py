"""Batch-normalized linear regression under weight decay ends at the minimum-norm solution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory.sharpness_flow import Edge

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The part of the weights that the inputs do not see, and the part that they do."""
    from derivations.proof import Proof

    return Proof(REGRESSION, (*_unseen(), *_seen(), *_end()))


def _unseen() -> tuple[Lemma, ...]:
    """Exact, at every step and for every rate."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Step, Substitute
    from theory.symbols import (
        along,
        clock,
        decay,
        design_t,
        learning_rate,
        length,
        pull,
        t,
        theta,
        way_row,
    )

    return (
        Lemma(
            "unseen part of a step",
            r"The loss sees the weights through $X w$ alone, X the centred inputs, so its gradient "
            r"is $X^{\top} p$ for some p. Let $X \mathsf d = 0$.",
            "w'",
            (1 - decay) * length * theta - learning_rate * design_t * pull,
            (
                Step(
                    Multiply(way_row),
                    (1 - decay) * length * along,
                    "The gradient has no such part: decay alone changes it.",
                    r"\mathsf d^{\top} w'",
                ),
            ),
            given=((way_row * design_t, sp.S.Zero), (way_row * theta, along)),
        ),
        Lemma(
            "unseen part after t steps",
            r"If it is $(1 - \varepsilon)^t\, \mathsf d^{\top} w_0$ after t steps:",
            r"\mathsf d^{\top} w_{t+1}",
            (1 - decay) * ((1 - decay) ** t * along),
            (
                Step(
                    Evaluate(),
                    (1 - decay) ** (t + 1) * along,
                    "And so after every number of them.",
                ),
            ),
        ),
        Lemma(
            "unseen part in time",
            r"The logarithm of a factor, at small $\varepsilon$ (here $\mathsf t$):",
            r"\frac{d}{d\mathsf t} \log (1 - \mathsf t)",
            sp.Derivative(sp.log(1 - clock), clock),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    -sp.S.One,
                    r"It falls like $e^{-\tau}$ over the time $\tau = \varepsilon t$.",
                ),
            ),
        ),
    )


def _seen() -> tuple[Lemma, ...]:
    r"""On the edge the part along the minimum-norm solution e keeps its length."""
    import sympy as sp

    from derivations.proof import Apply, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import D, design, learning_rate, sigma2, theta, tilt, top_curvature, v, way

    cosine = sp.cos(tilt)
    edge = Edge(top_curvature / cosine**2, D, sp.S.Zero, None)
    return (
        Lemma(
            "outputs of a minimizer",
            r"A minimizer is $\cos\alpha_0\, \theta + \sin\alpha_0\, \mathsf d$, $\theta$ the "
            r"direction of the minimum-norm solution and $X \mathsf d = 0$.",
            "X",
            design,
            (
                Step(
                    Apply(cosine * theta + sp.sin(tilt) * way),
                    cosine * design * theta,
                    r"The outputs' deviation is $\cos\alpha_0$ times that at $\theta$.",
                ),
            ),
            given=((design * way, sp.S.Zero),),
        ),
        Lemma(
            "sharpness of a minimizer",
            r"The Hessian $\frac{\gamma^2}{N v} X^{\top} \Pi X$ has one and the same $\Pi$ on all "
            r"minimizers; where the variance v is $\sigma^2$, at $\theta$, its top is $\lambda_1$.",
            None,
            top_curvature * sigma2 / v,
            (
                Step(
                    Substitute(((v, sigma2 * cosine**2),)),
                    top_curvature / cosine**2,
                    "With the variance of these outputs.",
                    r"\lambda_1(\alpha_0)",
                ),
            ),
        ),
        Lemma(
            "length of the seen part",
            r"On the edge the squared length is $\frac12 \eta_w \lambda_1(\alpha_0)$.",
            r"\lambda_1(\alpha_0)",
            Result("sharpness of a minimizer"),
            (
                Step(Multiply(learning_rate / 2), edge.norm2(learning_rate), "Of all.", "|w|^2"),
                Step(
                    Multiply(cosine**2),
                    learning_rate * top_curvature / 2,
                    r"Of the part along $\theta$: it does not depend on the angle.",
                    r"|w|^2 \cos^2\alpha_0",
                ),
            ),
        ),
    )


def _end() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Step, Substitute
    from theory.symbols import excess, flow_time, tilt

    return (
        Lemma(
            "end",
            r"The unseen part over the seen one is the tangent of the angle, $e^{-\tau_w} "
            r"\tan\alpha_0$ after the time $\tau_w$, as the flow has it (theorem "
            "sharpness-solutions).",
            r"\tan\alpha",
            sp.exp(-flow_time) * sp.tan(tilt),
            (
                Step(
                    Substitute(((flow_time, sp.log(sp.tan(tilt) / excess)),)),
                    excess,
                    r"It is down to any $d > 0$ at the time $\log(\tan\alpha_0/d)$: the end is the "
                    "minimum-norm solution.",
                ),
            ),
        ),
    )


REGRESSION = kernel_theorem(
    id="regression-minimum-norm",
    says="Batch-normalized regression with weight decay ends at the minimum-norm solution.",
    statement=r"""Let a linear regression on centred inputs X, of more dimensions than samples,
be batch-normalized,
\[ f = \gamma X w/\sigma, \qquad \sigma^2 = |X w|^2/N, \qquad w'= (1-\varepsilon) w - \eta_w
   \nabla L(w). \]
For every $\mathsf d$ with $X \mathsf d = 0$, at every step and every rate
\[ \mathsf d^{\top} w_t = (1 - \varepsilon)^t\, \mathsf d^{\top} w_0. \]
On the edge of stability the part of w along the minimum-norm solution keeps its length, to leading
order in $\varepsilon$, so that $\tan\alpha = e^{-\tau} \tan\alpha_0$ for the angle from it: the run
ends there. Proved are the first, and the second given the edge, $|w|^2 = \frac12 \eta_w \lambda_1$;
that a run stays on the edge is derived, not proved (theorem sharpness-flow).""",
    assumptions=(
        "The weights can reach the targets, and the residual is 0 on the manifold.",
        r"$0 < \varepsilon < 1$; constant rates.",
    ),
    source="ours; the flow: Lyu, Li & Arora, NeurIPS 2022",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("regression-minimum-norm")
