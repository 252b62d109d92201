"""Scale invariance: a gradient of degree -1, a Hessian of degree -2, orthogonal to the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Differentiate F(w/|w|) once and twice along any change of the weights."""
    from derivations.proof import Proof

    return Proof(SCALE_INVARIANCE, (*_gradient(), *_hessian()))


def _gradient() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Apply, Evaluate, Lemma, Multiply, Step, Substitute
    from theory.symbols import (
        along,
        clock,
        grad_row,
        identity,
        length,
        span,
        stretch_w,
        theta,
        theta_row,
        way,
    )

    norm2 = length**2 + 2 * clock * length * along + clock**2 * span
    moved = length * theta + clock * way
    unit = (theta_row * theta, sp.S.One)
    tangent = identity - theta * theta_row
    return (
        Lemma(
            "direction",
            r"Weights $w = \ell_w \theta$ move along $\mathsf d$.",
            r"\frac{d}{d\mathsf t} \frac{w + \mathsf t\, \mathsf d}{|w + \mathsf t\, \mathsf d|}",
            sp.Derivative(moved / sp.sqrt(norm2), clock),
            (
                Step(
                    Evaluate(),
                    way / sp.sqrt(norm2)
                    - moved * (length * along + clock * span) * norm2 ** sp.Rational(-3, 2),
                    r"With $|w + \mathsf t\, \mathsf d|^2 = \ell_w^2 + 2 \mathsf t\, \ell_w\, "
                    r"\theta^{\top} \mathsf d + \mathsf t^2 |\mathsf d|^2$.",
                ),
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    (way - theta * along) / length,
                    r"At $\mathsf t = 0$: the tangent part, over the length.",
                ),
            ),
        ),
        Lemma(
            "gradient",
            r"$L(w) = F(w/|w|)$ changes by the gradient of $F$ times the change of the direction, "
            r"for every $\mathsf d$.",
            r"\nabla L(w)^{\top}",
            grad_row * tangent / length,
            (
                Step(
                    Apply(way),
                    (grad_row * way - grad_row * theta * along) / length,
                    "It is the product with the lemma on the direction.",
                ),
            ),
            given=((theta_row * way, along),),
        ),
        Lemma(
            "gradient across the weights",
            r"A change of the weights along themselves adds nothing to that along $\mathsf d$.",
            r"\nabla L(w)^{\top}",
            grad_row * tangent / length,
            (
                Step(
                    Apply(theta + way),
                    (grad_row * way - grad_row * theta * along) / length,
                    "The gradient is orthogonal to the weights.",
                ),
            ),
            given=(unit, (theta_row * way, along)),
        ),
        Lemma(
            "degree of the gradient",
            r"Weights $c_w w$ have the same direction and $c_w$ times the length.",
            r"\nabla L(w)^{\top}",
            grad_row * tangent / length,
            (
                Step(
                    Substitute(((length, stretch_w * length),)),
                    grad_row * tangent / (stretch_w * length),
                    r"So $\nabla L(c_w w) = \nabla L(w)/c_w$.",
                    r"\nabla L(c_w w)^{\top}",
                ),
                Step(
                    Multiply(stretch_w),
                    grad_row * tangent / length,
                    "Times the factor, it is that at $w$.",
                ),
            ),
        ),
    )


def _hessian() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import (
        across,
        along,
        bend,
        clock,
        grad,
        identity,
        length,
        radial,
        stretch_w,
        theta,
        theta_row,
        way,
        way_row,
    )

    turned = (way - theta * along) / length
    turned_row = (way_row - theta_row * along) / length
    ahead, ahead_row = theta + clock * turned, theta_row + clock * turned_row
    slope = grad + clock * bend * turned
    product = (
        (identity - theta * theta_row) * (bend * way - bend * theta * along)
        - radial * way
        - (across - 3 * along * radial) * theta
        - along * grad
    ) / length**2
    slopes = ((theta_row * grad, radial), (way_row * grad, across))
    scalars = ((along, length), (across, length * radial), (way, length * theta))
    return (
        Lemma(
            "Hessian",
            r"The gradient $(I - \theta\theta^{\top}) \nabla F/\ell_w$ moves with the direction "
            r"along $\mathsf d$, its length at the rate $\theta^{\top} \mathsf d$.",
            r"\nabla^2 L(w)\, \mathsf d",
            sp.Derivative((identity - ahead * ahead_row) * slope / (length + clock * along), clock),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    product,
                    r"Differentiate at $\mathsf t = 0$: the second derivatives between tangents, "
                    "and three terms of the gradient.",
                ),
            ),
            given=slopes,
        ),
        Lemma(
            "Hessian along the weights",
            r"For $\mathsf d = w = \ell_w \theta$:",
            r"\nabla^2 L(w)\, \mathsf d",
            Result("Hessian"),
            (
                Step(
                    Substitute(scalars),
                    -(grad - radial * theta) / length,
                    r"This is $-\nabla L(w)$.",
                    r"\nabla^2 L(w)\, w",
                ),
            ),
        ),
        Lemma(
            "Hessian between the weights",
            r"Its product with $w + \ell_w \mathsf d$.",
            r"\nabla^2 L(w)\, w",
            Result("Hessian along the weights"),
            (
                Step(
                    Multiply(length * (theta_row + way_row)),
                    radial * along - across,
                    "The product with the weights adds nothing: no curvature along them.",
                    r"(w + \ell_w \mathsf d)^{\top} \nabla^2 L(w)\, w",
                ),
            ),
            given=(*slopes, (theta_row * theta, sp.S.One), (way_row * theta, along)),
        ),
        Lemma(
            "degree of the Hessian",
            r"Weights $c_w w$, and the same change $\mathsf d$.",
            r"\nabla^2 L(w)\, \mathsf d",
            Result("Hessian"),
            (
                Step(
                    Substitute(((length, stretch_w * length),)),
                    product / stretch_w**2,
                    r"So $\nabla^2 L(c_w w) = \nabla^2 L(w)/c_w^2$.",
                    r"\nabla^2 L(c_w w)\, \mathsf d",
                ),
                Step(Multiply(stretch_w**2), product, "Times the squared factor, that at $w$."),
            ),
        ),
        Lemma(
            "Hessian at a minimizer of norm 1",
            r"There $\nabla F$ is radial: $\nabla F = (\theta^{\top} \nabla F)\, \theta$. For a "
            r"tangent $\mathsf d$, $\theta^{\top} \mathsf d = 0$:",
            r"\nabla^2 L(w)\, \mathsf d",
            Result("Hessian"),
            (
                Step(
                    Substitute(((along, sp.S.Zero), (across, sp.S.Zero), (length, sp.S.One))),
                    (identity - theta * theta_row) * bend * way - radial * way,
                    "The second derivative along the great circle: the Hessian of the sphere is "
                    "the Hessian between tangents, without a term of its own.",
                    r"\nabla^2 L(\theta)\, \mathsf d",
                ),
            ),
        ),
    )


SCALE_INVARIANCE = kernel_theorem(
    id="scale-invariance",
    says="The gradient is orthogonal to the weights, of degree -1; the Hessian is of degree -2.",
    statement=r"""Let $L(w) = F(w/|w|)$ for a function $F$ with two derivatives, in any dimension.
Then
\begin{gather*}
  \langle w, \nabla L(w) \rangle = 0, \qquad \nabla L(cw) = \nabla L(w)/c, \qquad
  \nabla^2 L(cw) = \nabla^2 L(w)/c^2, \\
  \nabla^2 L(w)\, w = -\nabla L(w), \qquad w^{\top} \nabla^2 L(w)\, w = 0
\end{gather*}
for $c > 0$ and $w \ne 0$.""",
    assumptions=(
        r"$F$ has two continuous derivatives near the unit sphere; its second derivatives are "
        "symmetric.",
    ),
    source="Arora, Li & Lyu, ICLR 2019; Lyu, Li & Arora, NeurIPS 2022",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("scale-invariance")
