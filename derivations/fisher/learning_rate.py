"""The largest stable learning rate: two over the largest eigenvalue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.unnormalized import UNNORMALIZED, spectrum
from derivations.networks import TANH
from derivations.theorem import Case, Theorem
from theory import fisher
from theory.architecture import Network, NoNormalization
from theory.errors import OutOfRegime
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """Linear outputs, whose uniform mode is the largest."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime("learning-rate-threshold is judged for linear outputs and squares.")
    if not predict(network, 1000, samples).K.K2 > 0:
        raise OutOfRegime(
            "learning-rate-threshold needs K_2 > 0, so that the uniform mode is the largest."
        )


def prove() -> Proof:
    """The spectrum, a step of gradient descent on a mode, where the factor reaches 1."""
    from derivations.proof import Proof

    return Proof(LEARNING_RATE, (*spectrum(), *_descent()))


def _descent() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Apply, Coefficient, Evaluate, Lemma, Square, Step, Substitute
    from theory.symbols import N, dual, eta, identity, jacobian, jacobian_t, lambda_out, top

    step = identity - eta * jacobian * jacobian_t / N
    factor = 1 - eta * lambda_out
    return (
        Lemma(
            "step on a mode",
            r"Near a point of zero residual a step $-\frac{\eta}{N} J^{\top} r$ moves the outputs "
            r"by $J$ times it: the residual $r$ is multiplied by $I - \eta F^*$. Apply this to the "
            r"eigenvector $e$ of the largest eigenvalue $\lambda$.",
            None,
            step,
            (
                Step(Evaluate(), identity - eta * dual, r"With $F^* = J J^{\top}/N$."),
                Step(Apply(top), factor * top, "The mode keeps its direction."),
                Step(Coefficient(top), factor, "Its factor.", r"\rho"),
                Step(Square(), factor**2, "That of the loss.", r"\rho^2"),
                Step(
                    Substitute(((eta, fisher.learning_rate_threshold(lambda_out)),)),
                    sp.S.One,
                    r"It is 1 at $\eta = 2/\lambda$, and above 1 for every larger rate.",
                ),
            ),
            given=((jacobian * jacobian_t, N * dual), (dual * top, lambda_out * top)),
        ),
    )


LEARNING_RATE: Theorem = Theorem(
    id="learning-rate-threshold",
    says="Near a minimum of zero residual descent is stable up to 2 over the largest eigenvalue.",
    statement=r"""Let gradient descent of rate $\eta$ on $\frac1{2N} \sum_t |f(t) - y(t)|^2$ start
near a point of zero residual. The mode of an eigenvalue $\lambda$ of $F$ multiplies the loss by
$(1 - \eta \lambda)^2$ in each step, so the largest stable rate is $2/\lambda_{\max}$, with
$\lambda_{\max} \to \frac1N (K_1 + (N-1) K_2)$ for linear outputs with $K_2 > 0$. Above it the loss
grows locally; it may rise by orders of magnitude and then land in a flatter place.""",
    assumptions=(
        "The residual is small: the change of the Jacobian in a step is of the next order in it.",
        r"Mean field: the kernel of a linear output is $(K_1 - K_2) I + K_2 \mathbf 1 "
        r"\mathbf 1^{\top}$ (theorem placements).",
    ),
    limit="M -> oo, N fixed",
    source="threshold: LeCun, Kanter & Solla, Phys. Rev. Lett. 1991; its value: Karakida, Akaho & "
    "Amari, NeurIPS 2019",
    rows=(UNNORMALIZED.row("uniform_mode"),),
    cases=(Case(replace(TANH, outputs=1), 16, ("uniform_mode",), default=False),),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("learning-rate-threshold")
