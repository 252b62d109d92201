"""Several scale-invariant groups at the edge: the decay, projected on constant sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory.sharpness_flow import Edge

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The amplitude that keeps the sharpness, and its value for equal decays."""
    from derivations.proof import Proof

    return Proof(SHARPNESS_GROUPS, _amplitude())


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


SHARPNESS_GROUPS = kernel_theorem(
    id="sharpness-groups",
    says="Groups with rates of their own follow the decay, projected on constant sharpness.",
    statement=r"""Let each group of weights be scale-invariant, with rates of its own, and $Z$ the
weights over the root of their learning rates. To leading order, on the edge $\lambda_1(Z) = 2$,
\[ \frac{dZ}{dt} = -\varepsilon \odot Z - \tfrac12 X\, \nabla\lambda_1(Z), \qquad
   X = -\frac{2 \langle \nabla\lambda_1, \varepsilon \odot Z\rangle}{|\nabla\lambda_1|^2}, \]
with the gradient along the manifold of zero residual. For equal decays it is the flow of one
group.""",
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
