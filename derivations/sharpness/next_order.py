"""The next order at the edge of stability: hover offset, and growth of the slow oscillation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory import scale_invariance as exact
from theory import sharpness_flow as flow

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The map of two steps across the manifold, its equilibrium, and small motions around it."""
    from derivations.proof import Proof

    return Proof(NEXT_ORDER, (*_across(), *_hover(), *_growth()))


def _across() -> tuple[Lemma, ...]:
    r"""The normal form :math:`x' = -(1 + u + c x^2) x`, term by term."""
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import (
        X,
        cube,
        curvature_beside,
        curve,
        curve_beside,
        deviation,
        off,
        quadratic,
        top_curvature,
        warp,
    )

    slope = top_curvature * off + curve * off**2 / 2 + warp * off**3 / 6
    step = off - sp.atan(2 / top_curvature * slope)
    at_zero = Substitute(((off, sp.S.Zero),))
    once = -off - quadratic * off**2 - cube * off**3
    twice = -once - quadratic * once**2 - cube * once**3
    alone = flow.cubic_coefficient(top_curvature, warp, [curve], [top_curvature])
    with_another = flow.cubic_coefficient(
        top_curvature, warp, [curve, curve_beside], [top_curvature, curvature_beside]
    )
    return (
        Lemma(
            "bend of a step",
            r"On the great circle of $v_1$ the loss has the slope $\lambda_1 s + \frac12 L_3 s^2 + "
            r"\frac16 L_4 s^3$. A step turns by the arctangent of $\tilde\eta$ times it, on the "
            r"edge $\tilde\eta = 2/\lambda_1$. Its second derivative:",
            r"\frac{d^2 s'}{ds^2}",
            sp.Derivative(step, (off, 2)),
            (
                Step(at_zero, -2 * curve / top_curvature, "At 0."),
                Step(Multiply(-sp.Rational(1, 2)), curve / top_curvature, "Halved.", "a"),
            ),
        ),
        Lemma(
            "twist of a step",
            "Its third derivative.",
            r"\frac{d^3 s'}{ds^3}",
            sp.Derivative(step, (off, 3)),
            (
                Step(at_zero, 16 - 2 * warp / top_curvature, "At 0."),
                Step(
                    Multiply(-sp.Rational(1, 6)),
                    warp / (3 * top_curvature) - sp.Rational(8, 3),
                    "A sixth.",
                    "b",
                ),
            ),
        ),
        Lemma(
            "two steps along the circle",
            r"So $s' = -s - a s^2 - b s^3$, and two "
            "steps return to first order. Their third derivative:",
            r"\frac{d^3 s''}{ds^3}",
            sp.Derivative(twice, (off, 3)),
            (
                Step(at_zero, 12 * (cube - quadratic**2), "At 0."),
                Step(
                    Multiply(sp.Rational(1, 12)),
                    cube - quadratic**2,
                    r"A sixth of it is the coefficient of $s^3$; half of that belongs to a step.",
                ),
                Step(
                    Substitute(
                        (
                            (quadratic, Result("bend of a step")),
                            (cube, Result("twist of a step")),
                        )
                    ),
                    alone,
                    "With those of the loss.",
                    "c",
                ),
            ),
        ),
        Lemma(
            "centre beside the circle",
            r"Along another normal direction $v_a$ of curvature $\lambda_a$ a step adds "
            r"$-\tilde\eta (\lambda_a n + \frac12 L_{3a} X)$, with the same X at every step.",
            "n'",
            deviation - 2 / top_curvature * (curvature_beside * deviation + curve_beside * X / 2),
            (
                Step(
                    Substitute(((deviation, flow.centre(X, curve_beside, curvature_beside)),)),
                    flow.centre(X, curve_beside, curvature_beside),
                    r"It stays at $n = -L_{3a} X/(2\lambda_a)$.",
                ),
            ),
        ),
        Lemma(
            "pull of that centre",
            r"There the slope along $v_1$ has the further term $L_{3a} n s$. Times the rate:",
            r"\tilde\eta L_{3a} n",
            2 / top_curvature * curve_beside * deviation,
            (
                Step(
                    Substitute(((deviation, flow.centre(X, curve_beside, curvature_beside)),)),
                    -(curve_beside**2) * X / (top_curvature * curvature_beside),
                    "At the centre.",
                ),
                Step(Multiply(1 / X), with_another - alone, "Over X it adds to c.", r"c_a"),
            ),
        ),
        Lemma(
            "cubic coefficient",
            "Both together, for each normal direction alike.",
            r"c_a",
            Result("pull of that centre"),
            (Step(Add(Result("two steps along the circle")), with_another, "Add.", "c"),),
        ),
    )


def _hover() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Result, Step, Substitute
    from theory.symbols import D, Q, X, clock, cubic, decay, top_curvature

    edge = flow.Edge(top_curvature, D, Q, cubic)
    moved = flow.Edge(top_curvature, D - 2 * clock * X * Q, Q, cubic)
    return (
        Lemma(
            "drift of the amplitude",
            r"The step $-X g$ of the minimizer changes $D = |g|^2$ by $-2 X Q$, $Q = g^{\top} "
            r"\nabla^2(\log\lambda_1)\, g$, and the mean amplitude with it. Half of the change of "
            "its logarithm:",
            r"\tfrac12 \tfrac{d}{d\mathsf t} \log \overline{x^2}",
            sp.Derivative(sp.log(moved.amplitude2(decay)), clock) / 2,
            (Step(Substitute(((clock, sp.S.Zero),)), X * Q / (4 + D), "A step."),),
        ),
        Lemma(
            "hover offset",
            r"The angle follows its mean: $u + c X$ is that change.",
            r"u + c X",
            Result("drift of the amplitude"),
            (
                Step(Add(-cubic * X), X * (Q / (4 + D) - cubic), "Solve for u.", "u"),
                Step(
                    Substitute(((X, edge.amplitude2(decay)),)),
                    edge.hover(decay),
                    "At the mean amplitude.",
                ),
            ),
        ),
    )


def _growth() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import (
        D,
        Q,
        X,
        clock,
        cubic,
        decay,
        log_angle,
        offset_u,
        slip,
        top_curvature,
    )

    edge = flow.Edge(top_curvature, D, Q, cubic)
    product = 2 + offset_u
    mean = edge.amplitude2(decay)

    def pushed(square: sp.Basic) -> sp.Basic:
        """The next product of rate and sharpness, less 2, to first order in the clock."""
        rate = exact.next_effective_learning_rate(product, clock * decay, clock * square)
        return rate * sp.exp(-clock * product * square * D / 2) - 2

    at_edge = Substitute(((clock, sp.S.Zero), (offset_u, sp.S.Zero)))
    damping = -(8 + D) * X
    bending = -2 * X * Q / (4 + D)
    return (
        Lemma(
            "restoring slope",
            r"The product $2 + u$ of rate and sharpness takes a step at the angle "
            r"$e^{\ell_x}$ times its mean: the norm grows by $\tilde\eta^2 G = (2 + u)^2 X$, and "
            r"$\log\lambda_1$ falls by $\frac12 (2 + u) X D$. Its slope in $\ell_x$, to first "
            r"order in $\mathsf t$, which counts $\varepsilon$ and X:",
            r"\partial_{\ell_x} \frac{du'}{d\mathsf t}",
            sp.Derivative(pushed(mean * sp.exp(2 * log_angle)), clock, log_angle),
            (
                Step(
                    Substitute(
                        (
                            (clock, sp.S.Zero),
                            (offset_u, sp.S.Zero),
                            (log_angle, sp.S.Zero),
                        )
                    ),
                    -8 * decay,
                    "At the mean.",
                    r"\partial_{\ell_x} u'",
                ),
            ),
        ),
        Lemma(
            "damping",
            "Its slope in u.",
            r"\partial_u \frac{du'}{d\mathsf t}",
            sp.Derivative(pushed(X), clock, offset_u),
            (
                Step(at_edge, 2 * decay - (4 + D) * X + damping, "At u = 0."),
                Step(
                    Substitute(((decay, (4 + D) * X / 2),)),
                    damping,
                    r"At the mean amplitude, $2\varepsilon = (4 + D) X$.",
                    r"\partial_u u' - 1",
                ),
            ),
        ),
        Lemma(
            "slip along the manifold",
            r"A larger angle drives the minimizer ahead, by $\mathsf z$ in units of $-g$: $\dot"
            r"{\mathsf z} = 2 X \ell_x$, while $\dot u = -8\varepsilon \ell_x$. So $\mathsf z$ is "
            r"$-X/(4\varepsilon)$ times u, and lowers D by $2 Q \mathsf z$, which u sees as $-2X$ "
            "times the change of D:",
            r"\delta \dot u",
            4 * X * Q * slip,
            (
                Step(
                    Substitute(((slip, -X / (4 * decay) * offset_u),)),
                    -(X**2) * Q * offset_u / decay,
                    "In terms of u.",
                ),
                Step(
                    Substitute(((decay, (4 + D) * X / 2),)),
                    bending * offset_u,
                    "At the mean amplitude.",
                ),
                Step(Multiply(1 / offset_u), bending, "Its slope.", r"\partial_u \delta \dot u"),
            ),
        ),
        Lemma(
            "slow oscillation of the map",
            r"A step takes small deviations $(\ell_x, u)$ to $((1 + 2 c X) \ell_x + u,\ "
            r"-8\varepsilon \ell_x + (1 + k) u)$, k the sum of the last two slopes. The "
            "determinant of this map to first order:",
            r"\frac{d}{d\mathsf t} \det",
            sp.Derivative(
                (1 + 2 * clock * cubic * X) * (1 + clock * (damping + bending)) + 8 * clock * decay,
                clock,
            ),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    2 * cubic * X + damping + bending + 8 * decay,
                    r"Its eigenvalues are a pair $e^{r\varepsilon \pm i\omega}$, $\omega^2 = "
                    r"8\varepsilon$ to leading order: this is $2 r \varepsilon$.",
                    r"2 r \varepsilon",
                ),
                Step(
                    Multiply(1 / (2 * decay)),
                    (2 * cubic * X + damping + bending) / (2 * decay) + 4,
                    "The 4 is that of steps of finite length.",
                    "r",
                ),
                Step(
                    Substitute(((X, mean),)),
                    edge.growth_rate,
                    "At the mean amplitude: the growth per unit of time.",
                ),
            ),
        ),
        Lemma(
            "frequency of the map",
            r"The sum of the eigenvalues is $2 \cos\omega = 2 - \omega^2$ to this order, "
            r"their product 1: $\omega^2$ is minus the product of the slopes off the diagonal.",
            r"\partial_{\ell_x} u'",
            Result("restoring slope"),
            (
                Step(
                    Multiply(-(flow.slow_period(decay) ** 2)),
                    4 * sp.pi**2,
                    r"So the period is $2\pi/\sqrt{8\varepsilon}$.",
                    r"\omega^2 T^2",
                ),
            ),
        ),
    )


NEXT_ORDER = kernel_theorem(
    id="edge-next-order",
    says="At the edge the sharpness hovers off 2 by an offset, and the slow mode grows or decays.",
    statement=r"""At the edge of stability, $\tilde\eta \lambda_1 = 2 + u$ at the projection on the
manifold, the angle x along $v_1$ has the two-step averaged normal form $x' = -(1 + u + c x^2)\, x$
with
\[ c = -\Bigl( \frac83 - \frac{L_4}{3\lambda_1} + \sum_a \frac{L_{3a}^2}{\lambda_1 \lambda_a}
   \Bigr), \]
the sum over the normal directions, $v_1$ among them. With $X = 2\varepsilon/(4 + D)$ the averaged
map has the equilibrium and, around it, the frequency and the growth per unit of $\tau$
\[ u = X \Bigl( -c + \frac{Q}{4 + D} \Bigr), \qquad \omega^2 = 8\varepsilon, \qquad
   r = \frac{2c + 8 + 3D - 2Q/(4 + D)}{4 + D}. \]
Proved are these coefficients of the averaged map. That runs follow the averaged map is derived, not
proved: it is measured on runs.""",
    assumptions=(
        "Those of the theorem sharpness-flow.",
        r"Derived, not proved: over two steps the alternating terms average out, deviations beside "
        r"$v_1$ have settled at their centre, and terms beyond the first order in $\varepsilon$ "
        r"are dropped. It needs $|c|\varepsilon \ll 1$ for the offset, "
        r"$|c|\sqrt\varepsilon \ll 1$ for the growth.",
        "Tangential directions are not among the normal ones: they are the drift.",
    ),
    source="ours",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("edge-next-order")
