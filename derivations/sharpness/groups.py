"""Several scale-invariant groups at the edge: the decay, projected on constant sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory.sharpness_flow import Edge

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The amplitude that keeps the sharpness, for equal decays, and group by group."""
    from derivations.proof import Proof

    return Proof(SHARPNESS_GROUPS, (*_amplitude(), *_directions()))


def _amplitude() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import D, X, decay, decay_pull, radius2, slope2

    balanced = -2 * decay_pull / slope2
    edge = Edge(sp.Integer(2), D, sp.S.Zero, None)
    return (
        Lemma(
            "change of the sharpness",
            r"Along the decay the sharpness changes by $-p_{\varepsilon}$, $p_{\varepsilon} = "
            r"\langle \nabla\lambda_1, \varepsilon \odot Z \rangle$.",
            r"\dot\lambda_1",
            -decay_pull,
            (
                Step(
                    Add(-X * slope2 / 2),
                    -decay_pull - X * slope2 / 2,
                    r"And by the slope of the loss $\frac12 \lambda_1 X$ along the manifold.",
                ),
            ),
        ),
        Lemma(
            "amplitude of groups",
            r"At the edge $\lambda_1(Z) = 2$ stays.",
            r"\dot\lambda_1",
            Result("change of the sharpness"),
            (
                Step(
                    Substitute(((X, balanced),)),
                    sp.S.Zero,
                    r"It does where $X = -2 p_{\varepsilon}/|\nabla\lambda_1|^2$.",
                ),
            ),
        ),
        Lemma(
            "equal decays",
            r"Then $p_{\varepsilon} = \varepsilon \langle \nabla\lambda_1, Z \rangle = -2 "
            r"\varepsilon \lambda_1 = -4\varepsilon$, as $\lambda_1(Z)$ is of degree $-2$, and "
            r"$|\nabla\lambda_1|^2 = \lambda_1^2 (D + 4)/|Z|^2$: the slope along the sphere, and "
            "the radial one.",
            "X",
            balanced,
            (
                Step(
                    Substitute(((decay_pull, -4 * decay), (slope2, 4 * (D + 4) / radius2))),
                    2 * decay * radius2 / (D + 4),
                    "Put them in.",
                ),
                Step(
                    Multiply(1 / radius2),
                    edge.amplitude2(decay),
                    "In units of the weights' length it is the squared angle of one group.",
                    r"X/|Z|^2",
                ),
            ),
        ),
    )


def _directions() -> tuple[Lemma, ...]:
    """The same in directions and rates of the groups: what each one's norm does."""
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.scale_invariance import next_effective_learning_rate
    from theory.symbols import (
        X,
        clock,
        decay,
        decay_pull,
        effective,
        pull_sum,
        push_sum,
        share_k,
        slope2,
        slope2_t,
    )

    push = 4 * X * share_k / effective
    changed = next_effective_learning_rate(effective, clock * decay, clock * push)
    return (
        Lemma(
            "rate of a group",
            r"The gradient at the angle x is $2 x v$ in Z. Of group k, with $p_k = |v_k|^2$ and "
            r"$|Z_k|^2 = 1/\tilde\eta_k$, its square at the unit vector is $4 X p_k/\tilde\eta_k$. "
            r"To first order in $\mathsf t$, which counts $\varepsilon_k$ and X:",
            r"\frac{d}{d\mathsf t} \log \frac{\tilde\eta_k'}{\tilde\eta_k}",
            sp.Derivative(sp.log(changed / effective), clock),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    2 * decay - 4 * X * effective * share_k,
                    "Each rate takes its part of the push.",
                ),
            ),
        ),
        Lemma(
            "radial slope of a group",
            r"The Hessian has a factor $1/|Z_k|$ on the left and one on the right. With $Z_k$ "
            r"times $1 + \mathsf t$ each side divides the part $v_k^{\top} (\nabla^2 L\, v)_k = "
            r"2 p_k$ of the eigenvalue, to first order:",
            r"\langle \nabla_k \lambda_1, Z_k \rangle",
            sp.Derivative(2 * share_k * (1 + clock) ** -2, clock),
            (
                Step(Substitute(((clock, sp.S.Zero),)), -4 * share_k, "Of one group."),
                Step(
                    Multiply(sp.sqrt(effective)),
                    -4 * share_k * sp.sqrt(effective),
                    r"Along the unit vector: over $|Z_k| = \tilde\eta_k^{-1/2}$.",
                ),
            ),
        ),
        Lemma(
            "amplitude by groups",
            r"So $p_{\varepsilon} = -4 \sum_k p_k \varepsilon_k$ and $|\nabla\lambda_1|^2 = 16 "
            r"\sum_k \tilde\eta_k p_k^2 + |\nabla_z S|^2$, the last along the unit vectors.",
            r"\dot\lambda_1",
            Result("change of the sharpness"),
            (
                Step(
                    Substitute(((decay_pull, -4 * pull_sum), (slope2, 16 * push_sum + slope2_t))),
                    4 * pull_sum - X * (16 * push_sum + slope2_t) / 2,
                    "Put them in.",
                ),
                Step(
                    Substitute(((X, 2 * pull_sum / (4 * push_sum + slope2_t / 4)),)),
                    sp.S.Zero,
                    r"It stays where $X = 2\sum_k p_k \varepsilon_k/(4 \sum_k \tilde\eta_k p_k^2 + "
                    r"\frac14 |\nabla_z S|^2)$.",
                ),
            ),
        ),
    )


SHARPNESS_GROUPS = kernel_theorem(
    id="sharpness-groups",
    says="Groups with rates of their own follow the decay, projected on constant sharpness.",
    statement=r"""Let each group of weights be scale-invariant, with rates of its own, and $Z$ the
weights over the root of their learning rates. To leading order, on the edge $\lambda_1(Z) = 2$,
\[ \frac{dZ}{dt} = -\varepsilon \odot Z - \tfrac12 X\, \nabla\lambda_1(Z), \qquad
   X = -\frac{2 \langle \nabla\lambda_1, \varepsilon \odot Z\rangle}{|\nabla\lambda_1|^2}, \]
with the gradient along the manifold of zero residual. For equal decays it is the flow of one
group. With the shares $p_k = |v_k|^2$ of the top eigenvector and the sharpness $S = 2$ as a
function of the unit vectors z and the rates,
\[ \frac{d\log\tilde\eta_k}{dt} = 2\varepsilon_k - 4 X \tilde\eta_k p_k, \qquad
   X = \frac{2 \sum_k p_k \varepsilon_k}{4 \sum_k \tilde\eta_k p_k^2
   + \frac14 |\nabla_z S|^2}. \]""",
    assumptions=(
        r"Those of the theorem sharpness-flow, for the loss $L(\sqrt\eta \odot Z)$, whose learning "
        "rate is 1.",
        r"$\langle \nabla\lambda_1, \varepsilon \odot Z\rangle < 0$: decay raises the sharpness.",
    ),
    source="ours; the flow of one group: Lyu, Li & Arora, NeurIPS 2022",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("sharpness-groups")
