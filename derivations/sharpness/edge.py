"""The edge of stability: amplitude of the oscillation, drift of the minimizer, slow period."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory import scale_invariance as exact
from theory import sharpness_flow as flow

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """What a step changes, the balance of these changes, and small motions around it."""
    from derivations.proof import Proof

    return Proof(EDGE_OF_STABILITY, (*_changes(), *_balance(), *_rmsprop(), *_slow()))


def _changes() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Evaluate, Lemma, Result, Step, Substitute
    from theory.symbols import D, G, X, clock, decay, effective, flow_time, n, top_curvature

    pushed = exact.next_effective_learning_rate(effective, clock * decay, clock * G)
    return (
        Lemma(
            "way to the edge",
            r"Without a gradient the rate grows by $(1 - \varepsilon)^{-2}$ a step, so by "
            r"$e^{2\tau_w}$ over the time $\tau_w$, to leading order.",
            r"\tilde\eta \lambda_1",
            effective * top_curvature * sp.exp(2 * flow_time),
            (
                Step(
                    Substitute(((flow_time, exact.time_to_edge(effective, top_curvature)),)),
                    sp.Integer(2),
                    r"It reaches 2 at the time $\frac12 \log(2/(\tilde\eta \lambda_1))$.",
                ),
            ),
        ),
        Lemma(
            "rate without a gradient",
            "Exactly, at every step.",
            r"\tilde\eta'",
            exact.next_effective_learning_rate(effective, decay, sp.S.Zero),
            (
                Step(
                    Evaluate(),
                    effective * (1 - decay) ** -2,
                    r"After n steps: $(1-\varepsilon)^{-2n}$.",
                ),
            ),
        ),
        Lemma(
            "steps to the edge",
            "The number of steps as a real one.",
            r"\tilde\eta_n \lambda_1",
            effective * top_curvature * (1 - decay) ** (-2 * n),
            (
                Step(
                    Substitute(((n, exact.decay_to_edge(effective, top_curvature, decay)),)),
                    sp.Integer(2),
                    r"So the first whole number of steps from there on reaches the edge.",
                ),
            ),
        ),
        Lemma(
            "change of the rate",
            r"Decay and squared gradient are small of the same order $\mathsf t$.",
            r"\frac{d}{d\mathsf t} \log \frac{\tilde\eta'}{\tilde\eta}",
            sp.Derivative(sp.log(pushed / effective), clock),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    2 * decay - effective**2 * G,
                    "To leading order.",
                ),
                Step(
                    Substitute(((G, top_curvature**2 * X),)),
                    2 * decay - effective**2 * top_curvature**2 * X,
                    r"At the angle x the gradient is $\lambda_1 x$; $X = x^2$.",
                ),
                Step(
                    Substitute(((effective, 2 / top_curvature),)),
                    2 * decay - 4 * X,
                    r"At the edge, $\tilde\eta \lambda_1 = 2$.",
                ),
            ),
        ),
        Lemma(
            "change of the minimizer",
            r"The loss $\frac12 \lambda_1(\zeta) X$ pulls the minimizer along "
            r"$-\frac12 X \nabla \lambda_1 = -\frac12 X \lambda_1 g$, times the rate. The factor "
            "of $-g$:",
            None,
            effective * top_curvature * X / 2,
            (
                Step(
                    Substitute(((effective, 2 / top_curvature),)),
                    X,
                    "At the edge.",
                ),
            ),
        ),
        Lemma(
            "change of the edge",
            r"$\log \lambda_1$ changes by $g \cdot d\zeta = -X D$, $D = |g|^2$.",
            r"\log(\tilde\eta' /\tilde\eta)",
            Result("change of the rate"),
            (
                Step(
                    Add(-X * D),
                    2 * decay - (4 + D) * X,
                    "Add it.",
                    r"\log(\tilde\eta' \lambda_1'/(\tilde\eta \lambda_1))",
                ),
            ),
        ),
    )


def _balance() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import D, X, decay, top_curvature

    edge = flow.Edge(top_curvature, D, sp.S.Zero, None)
    return (
        Lemma(
            "amplitude",
            r"The angle grows where $\tilde\eta \lambda_1 > 2$ and shrinks where it is less: over "
            "a slow oscillation that returns, the mean of its change vanishes.",
            r"\log(\tilde\eta' \lambda_1'/(\tilde\eta \lambda_1))",
            Result("change of the edge"),
            (
                Step(
                    Substitute(((X, edge.amplitude2(decay)),)),
                    sp.S.Zero,
                    r"It vanishes at $X = 2\varepsilon/(4 + D)$.",
                ),
            ),
        ),
        Lemma(
            "flow",
            r"The factor of $-g$ in the change of the minimizer:",
            r"X",
            Result("change of the minimizer"),
            (
                Step(
                    Substitute(((X, edge.amplitude2(decay)),)),
                    decay * flow.flow_speed(D),
                    r"A step is the time $\varepsilon$ of the flow "
                    r"$d\zeta/d\tau = -2g/(4 + D)$.",
                ),
                Step(
                    Multiply(-D / decay),
                    flow.log_sharpness_rate(D),
                    r"Times $-D/\varepsilon$: how fast $\log\lambda_1$ falls.",
                    r"\frac{d \log\lambda_1}{d\tau}",
                ),
            ),
        ),
        Lemma(
            "loss",
            r"The mean loss $\frac12 \lambda_1 X$.",
            None,
            top_curvature * X / 2,
            (
                Step(
                    Substitute(((X, edge.amplitude2(decay)),)),
                    edge.loss(decay),
                    r"It is $\varepsilon \lambda_1/(4 + D)$.",
                ),
            ),
        ),
    )


def _rmsprop() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import D, G, X, clock, cost, effective, rate2, top_curvature

    forgotten = clock * cost * (rate2 - effective**2 * G)
    return (
        Lemma(
            "change of the rate of RMSprop",
            r"Let $v' = \beta v + (1 - \beta) G$ with $\beta = 1 - C_b \eta_r^2$ and $\tilde\eta = "
            r"\eta_r/\sqrt v$. Then $v'/v = 1 - C_b (\eta_r^2 - \tilde\eta^2 G)$, and the rate "
            r"changes by $-\frac12 \log(v'/v)$; all is small of the order $\mathsf t$.",
            r"\frac{d}{d\mathsf t} \log \frac{\tilde\eta'}{\tilde\eta}",
            -sp.Derivative(sp.log(1 - forgotten), clock) / 2,
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    cost * (rate2 - effective**2 * G) / 2,
                    "To leading order.",
                ),
                Step(
                    Substitute(((G, top_curvature**2 * X),)),
                    cost * (rate2 - effective**2 * top_curvature**2 * X) / 2,
                    r"At the angle x the gradient is $\lambda_1 x$.",
                ),
                Step(
                    Substitute(((effective, 2 / top_curvature),)),
                    cost * (rate2 - 4 * X) / 2,
                    "At the edge.",
                ),
            ),
        ),
        Lemma(
            "amplitude of RMSprop",
            "The edge changes by the drift as well, and this mean vanishes too.",
            r"\log(\tilde\eta' /\tilde\eta)",
            Result("change of the rate of RMSprop"),
            (
                Step(
                    Add(-X * D),
                    cost * rate2 / 2 - (2 * cost + D) * X,
                    "Add it.",
                    r"\log(\tilde\eta' \lambda_1'/(\tilde\eta \lambda_1))",
                ),
                Step(
                    Substitute(((X, flow.rmsprop_amplitude2(D, cost, rate2)),)),
                    sp.S.Zero,
                    r"It vanishes at $X = C_b \eta_r^2/(2 (2 C_b + D))$.",
                ),
            ),
        ),
        Lemma(
            "flow of RMSprop",
            r"The factor of $-g$ in the change of the minimizer:",
            r"X",
            Result("change of the minimizer"),
            (
                Step(
                    Substitute(((X, flow.rmsprop_amplitude2(D, cost, rate2)),)),
                    rate2 * flow.rmsprop_speed(D, cost),
                    r"A step is the time $\eta_r^2$ of its flow.",
                ),
                Step(
                    Multiply(2 / rate2),
                    2 * flow.rmsprop_speed(D, cost),
                    r"Over half of that time, which is $\varepsilon$ for weight decay:",
                    r"2 X/\eta_r^2",
                ),
                Step(
                    Substitute(((cost, sp.Integer(2)),)),
                    flow.flow_speed(D),
                    r"With $C_b = 2$ it is the flow of weight decay.",
                ),
            ),
        ),
    )


def _slow() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import D, X, decay, log_angle, top_curvature

    edge = flow.Edge(top_curvature, D, sp.S.Zero, None)
    return (
        Lemma(
            "restoring force",
            r"The angle is multiplied by $\tilde\eta\lambda_1 - 1 = 1 + u$, so its logarithm "
            r"$\ell_x$ changes by u, and u by twice the change of $\log(\tilde\eta\lambda_1)$.",
            r"\log(\tilde\eta' \lambda_1'/(\tilde\eta \lambda_1))",
            Result("change of the edge"),
            (
                Step(
                    Multiply(sp.Integer(2)),
                    4 * decay - 2 * (4 + D) * X,
                    r"Twice, as $\tilde\eta\lambda_1$ is near 2.",
                    r"\frac{d^2 \ell_x}{dt^2}",
                ),
                Step(
                    Substitute(((X, edge.amplitude2(decay) * sp.exp(2 * log_angle)),)),
                    4 * decay * (1 - sp.exp(2 * log_angle)),
                    r"At the angle $e^{\ell_x}$ times its mean.",
                ),
            ),
        ),
        Lemma(
            "slow oscillation",
            "Small motions: minus the slope of the force at 0 is the squared frequency.",
            r"\omega^2",
            -sp.Derivative(4 * decay * (1 - sp.exp(2 * log_angle)), log_angle),
            (
                Step(
                    Substitute(((log_angle, sp.S.Zero),)),
                    8 * decay,
                    "The same for every problem.",
                ),
                Step(
                    Multiply(flow.slow_period(decay) ** 2),
                    4 * sp.pi**2,
                    r"So the period is $2\pi/\sqrt{8\varepsilon}$ steps.",
                    r"\omega^2 T^2",
                ),
            ),
        ),
    )


EDGE_OF_STABILITY = kernel_theorem(
    id="sharpness-flow",
    says="At the edge of stability descent with weight decay flows down the spherical sharpness.",
    statement=r"""Let $\zeta$ be a point of the manifold of minimizers on the sphere, $\lambda_1$
its simple top eigenvalue, $g = \nabla \log \lambda_1$ along the manifold and $D = |g|^2$. To
leading order in $\varepsilon$, on the edge $\tilde\eta \lambda_1 = 2$
\begin{gather*}
  \frac{d\zeta}{d\tau} = -\frac{2g}{4 + D}, \qquad \frac{d\log\lambda_1}{d\tau} = -\frac{2D}{4 + D},
  \qquad \overline{x^2} = \frac{2\varepsilon}{4 + D},
\end{gather*}
and the squared angle oscillates around its mean with the period $2\pi/\sqrt{8\varepsilon}$.
Quasi-RMSprop, with $\beta = 1 - C_b \eta_r^2$, flows in the time $\eta_r^2$ a step along
$-\frac12 C_b\, g/(2 C_b + D)$; $C_b = 2$ is the flow above.""",
    assumptions=(
        "The loss has four derivatives near the manifold, where it vanishes to second order, and "
        "the rank of its Hessian is constant there.",
        r"$\lambda_1$ is simple, with a gap along the whole flow.",
        r"The start is near the manifold and near $\tilde\eta \lambda_1 = 2$, with x not 0; "
        r"$\varepsilon$ is small. Each change below is to leading order in it; the orders 1 and "
        "1/2 of the distance to the flow are judged on runs.",
    ),
    source="Lyu, Li & Arora, NeurIPS 2022; the slow oscillation is ours",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("sharpness-flow")
