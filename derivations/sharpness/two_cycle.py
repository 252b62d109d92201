"""The exact cycle of two steps: antipodal turns at constant norm, and an arc that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory import scale_invariance as exact

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The rate that turns an angle over, and the angle at which the norm stays."""
    from derivations.proof import Proof

    return Proof(TWO_CYCLE, (*_turn(), *_balance()))


def _turn() -> tuple[Lemma, ...]:
    """The loss on the great circle through a minimizer that does not drift."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step
    from theory.symbols import off

    return (
        Lemma(
            "slope on the circle",
            r"For $L = (w_1^2 + b_2 w_2^2) w_3^2/(2 |w|^4)$ and $w_2 = 0$, at the angle s from "
            r"$w_3 = 0$:",
            r"\frac{dL}{ds}",
            sp.Derivative((sp.cos(off) * sp.sin(off)) ** 2 / 2, off),
            (Step(Evaluate(), sp.sin(4 * off) / 4, "Differentiate."),),
        ),
        Lemma(
            "turn",
            r"A step turns by the angle whose tangent is $\tilde\eta$ times the slope. It goes "
            r"from s to $-s$ where that is $\tan 2s$.",
            r"\frac{dL}{ds}",
            Result("slope on the circle"),
            (
                Step(
                    Multiply(2 / sp.cos(2 * off) ** 2),
                    sp.tan(2 * off),
                    r"It is for $\tilde\eta = 2/\cos^2 2s$, and then back, by symmetry.",
                    r"\tan 2s",
                ),
            ),
        ),
    )


def _balance() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Result, Square, Step, Substitute
    from theory.symbols import decay, learning_rate, off

    half = exact.two_cycle_angle(decay) / 2
    at_rest = Substitute(((off, half),))
    rate = 2 / sp.cos(2 * off) ** 2
    return (
        Lemma(
            "balance of the norm",
            r"The norm stays where $\tilde\eta^2 G = (1-\varepsilon)^{-2} - 1$ (theorem "
            r"weight-decay-recursion), $\tilde\eta^2 G = \tan^2 2s$.",
            r"\tan 2s",
            Result("turn"),
            (
                Step(Square(), sp.tan(2 * off) ** 2, "Squared."),
                Step(
                    at_rest,
                    exact.stationary_push(decay),
                    r"It does where $2s = \arccos(1-\varepsilon)$.",
                ),
            ),
        ),
        Lemma(
            "rate of the cycle",
            "The rate there.",
            r"\tilde\eta",
            rate,
            (Step(at_rest, 2 / (1 - decay) ** 2, "It is above that of the edge."),),
        ),
        Lemma(
            "norm of the cycle",
            "And the squared norm at that rate.",
            r"|w|^2",
            exact.norm2_at(learning_rate, decay, rate),
            (Step(at_rest, learning_rate * (1 - decay) / 2, "With the rate of the cycle."),),
        ),
        Lemma(
            "loss of the cycle",
            "The loss at the angle.",
            "L",
            (sp.cos(off) * sp.sin(off)) ** 2 / 2,
            (
                Step(Evaluate(), sp.sin(2 * off) ** 2 / 8, "By the double angle."),
                Step(at_rest, decay * (2 - decay) / 8, "There."),
                Step(
                    Multiply(8 / decay),
                    2 - decay,
                    r"To leading order it is $\frac14 \varepsilon\lambda_1$, as on the edge where "
                    "nothing drifts.",
                ),
            ),
        ),
    )


TWO_CYCLE = kernel_theorem(
    id="two-cycle",
    says="An exact cycle of two steps turns by arccos(1 - eps), and an arc has one.",
    statement=r"""A cycle of two antipodal steps at constant norm turns by $\arccos(1-\varepsilon)$
each, on every scale-invariant loss. The loss $(w_1^2 + b_2 w_2^2) w_3^2/(2|w|^4)$ has such a cycle
at $w_2 = 0$, exactly, with the angles $\pm s$, $2s = \arccos(1 - \varepsilon)$, from $w_3 = 0$ and
\[ \tilde\eta = \frac{2}{(1-\varepsilon)^2}, \qquad |w|^2 = \frac{\eta_w (1-\varepsilon)}2, \qquad
   L = \frac{\varepsilon (2 - \varepsilon)}8. \]""",
    assumptions=(r"$0 < \varepsilon < 1$, constant rates, no noise.",),
    source="the angle: Wan et al., NeurIPS 2021; the cycle on an arc: ours",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("two-cycle")
