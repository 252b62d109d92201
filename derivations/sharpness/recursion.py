"""A step of gradient descent with weight decay: direction, norm and effective learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory import scale_invariance as exact

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Take the norm of a step, then rewrite it as a rate, as RMSprop, and where it stays."""
    from derivations.proof import Proof

    return Proof(WEIGHT_DECAY_RECURSION, (*_step(), *_rate(), *_stationary()))


def _step() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import (
        G,
        decay,
        effective,
        learning_rate,
        length,
        push,
        push_row,
        theta,
        theta_row,
    )

    step, step_row = theta - effective * push, theta_row - effective * push_row
    rate = exact.effective_learning_rate(learning_rate, decay, length**2)
    return (
        Lemma(
            "step",
            r"The gradient at $w = \ell_w \theta$ is $\nabla L(\theta)/\ell_w$ (theorem "
            "scale-invariance).",
            "w'",
            (1 - decay) * length * theta - learning_rate * push / length,
            (
                Step(
                    Evaluate(),
                    (1 - decay) * length * (theta - rate * push),
                    r"A step on the sphere of length $\tilde\eta = \eta_w/((1 - \varepsilon) "
                    r"\ell_w^2)$, and a factor that its direction does not see.",
                ),
            ),
        ),
        Lemma(
            "length of the step",
            "Gradient and direction are orthogonal.",
            r"|\theta - \tilde\eta \nabla L|^2",
            step_row * step,
            (Step(Evaluate(), 1 + effective**2 * G, "Multiply."),),
            given=(
                (theta_row * theta, sp.S.One),
                (theta_row * push, sp.S.Zero),
                (push_row * theta, sp.S.Zero),
                (push_row * push, G),
            ),
        ),
        Lemma(
            "norm",
            "The squared norm of the step.",
            r"|\theta - \tilde\eta \nabla L|^2",
            Result("length of the step"),
            (
                Step(
                    Multiply((1 - decay) ** 2 * length**2),
                    (1 - decay) ** 2 * length**2 * (1 + effective**2 * G),
                    "With the factor of the step.",
                    "|w'|^2",
                ),
                Step(
                    Substitute(((effective, rate),)),
                    exact.next_norm2(length**2, learning_rate, decay, G),
                    r"Put in $\tilde\eta$.",
                ),
            ),
        ),
    )


def _rate() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import G, decay, effective, learning_rate, length, second

    after = exact.next_effective_learning_rate(effective, decay, G)
    norm2 = exact.norm2_at(learning_rate, decay, effective)
    beta = exact.memory(decay)
    rms = exact.rmsprop_rate2(beta)
    return (
        Lemma(
            "effective learning rate",
            r"That of the new norm, $\tilde\eta' = \eta_w/((1 - \varepsilon) |w'|^2)$.",
            r"\tilde\eta'",
            exact.effective_learning_rate(
                learning_rate, decay, exact.next_norm2(length**2, learning_rate, decay, G)
            ),
            (
                Step(
                    Substitute(((length, sp.sqrt(norm2)),)),
                    after,
                    r"With $\ell_w^2 = \eta_w/((1 - \varepsilon) \tilde\eta)$.",
                ),
            ),
        ),
        Lemma(
            "adaptive form",
            r"For the inverse square of the rate, $\nu_2 = 1/\tilde\eta^2$.",
            r"\nu_2'",
            after**-2,
            (
                Step(
                    Substitute(((effective, 1 / sp.sqrt(second)),)),
                    exact.next_second_moment(second, decay, G),
                    "Square and invert.",
                ),
            ),
        ),
        Lemma(
            "RMSprop",
            r"With $\beta = (1-\varepsilon)^4$ and $\eta_r^2 = (1-\beta)/(2\beta)$, the moment "
            r"$v_r = \eta_r^2 \nu_2$:",
            r"\nu_2'",
            Result("adaptive form"),
            (
                Step(
                    Multiply(rms),
                    beta * rms * second + (1 - beta) * G + beta * rms * G**2 / second,
                    r"The average of RMSprop, and a term of relative size $(\tilde\eta^2 G)^2$.",
                    "v_r'",
                ),
                Step(
                    Add(-beta * rms * G**2 / second),
                    beta * rms * second + (1 - beta) * G,
                    "Without it: RMSprop.",
                ),
                Step(Evaluate(), beta * (rms * second - G) + G, "As a weighted mean."),
            ),
        ),
    )


def _stationary() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Result, Step, Substitute
    from theory.symbols import G, decay, effective, learning_rate, length

    balanced = exact.stationary_push(decay)
    return (
        Lemma(
            "stationary norm",
            r"The squared norm stays where $\tilde\eta^2 G = (1-\varepsilon)^{-2} - 1$.",
            "|w'|^2",
            Result("norm"),
            (
                Step(
                    Substitute(((G, balanced * ((1 - decay) * length**2 / learning_rate) ** 2),)),
                    length**2,
                    "Put it in.",
                ),
            ),
        ),
        Lemma(
            "angle of a step",
            r"The cosine between $\theta$ and its successor is $1/|\theta - \tilde\eta \nabla L|$.",
            r"\cos^2 \angle(\theta, \theta')",
            1 / (1 + effective**2 * G),
            (
                Step(
                    Substitute(((G, balanced / effective**2),)),
                    (1 - decay) ** 2,
                    "At a stationary norm, whatever the loss.",
                ),
                Step(
                    Evaluate(),
                    (1 - 2 * sp.sin(exact.two_cycle_angle(decay) / 2) ** 2) ** 2,
                    r"So the angle of an antipodal cycle is $\arccos(1 - \varepsilon)$.",
                ),
            ),
        ),
    )


WEIGHT_DECAY_RECURSION = kernel_theorem(
    id="weight-decay-recursion",
    says="Weight decay and scale invariance make an adaptive learning rate, exactly.",
    statement=r"""Let $w' = (1-\varepsilon) w - \eta_w \nabla L(w)$ for a scale-invariant $L$,
$\tilde\eta = \eta_w/((1-\varepsilon)|w|^2)$ and $G = |\nabla L(\theta)|^2$. Then
\begin{gather*}
  \theta' = \frac{\theta - \tilde\eta \nabla L(\theta)}{|\theta - \tilde\eta \nabla L(\theta)|},
  \qquad |w'|^2 = (1-\varepsilon)^2 |w|^2 + \eta_w^2 G/|w|^2, \\
  \frac1{\tilde\eta'} = (1-\varepsilon)^2\, \frac{1 + \tilde\eta^2 G}{\tilde\eta}, \qquad
  \nu_2' = (1-\varepsilon)^4 (\nu_2 + 2G + G^2/\nu_2) \quad (\nu_2 = 1/\tilde\eta^2).
\end{gather*}
At a stationary norm each step turns by $\arccos(1-\varepsilon)$.""",
    assumptions=(
        r"The loss is scale-invariant and $w \ne 0$.",
        r"$0 < \varepsilon < 1$. Constant rates here; a schedule changes the factors only.",
    ),
    source="Lyu, Li & Arora, NeurIPS 2022; the angle: Wan et al., NeurIPS 2021",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("weight-decay-recursion")
