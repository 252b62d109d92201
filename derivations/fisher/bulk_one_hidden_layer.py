"""The bulk of one hidden layer in closed form, and the edge of the linear network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.theorem import Theorem
from theory.architecture import Network

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof

ID = "bulk-one-hidden-layer"


def requires(network: Network, samples: int) -> None:
    """Nothing: what is claimed are identities of the fixed point."""


def prove() -> Proof:
    """The stationary point, the value there, and the linear network."""
    from derivations.proof import Proof

    return Proof(BULK_ONE_HIDDEN_LAYER, (*_stationary(), *_linear()))


def _stationary() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Evaluate, Lemma, Multiply, Step
    from theory.symbols import (
        above_below,
        gain_b2,
        noise_of,
        ratio,
        ratio_below,
        resolved,
        rho,
        spectral,
        weight_below,
        weight_of,
    )

    seen = spectral / (rho * ratio_below)
    layer = gain_b2 * ratio_below / ratio * resolved + noise_of * spectral / (rho * ratio)
    action = (
        ratio_below * sp.log(1 + above_below * seen)
        + ratio * sp.log(1 + layer * weight_of)
        - ratio_below * (above_below - weight_below) * resolved
    )
    inputs = above_below / (1 + above_below * seen)
    units = noise_of * weight_of / (1 + layer * weight_of)
    passed = gain_b2 * weight_of / (1 + layer * weight_of)
    return (
        Lemma(
            "resolvent that the layer sees",
            r"With one unit to the inputs and one to each node of the layer, $\Phi$ is the sum of "
            r"two logarithms and a coupling. It is stationary in $X_{l-1}$ where this vanishes:",
            r"\partial_{X} \Phi",
            sp.Derivative(action, above_below),
            (
                Step(
                    Evaluate(),
                    ratio_below * (seen / (1 + above_below * seen) - resolved),
                    r"So $E_{l-1}$ is the resolvent of the inputs under the weight $X_{l-1}$.",
                ),
            ),
        ),
        Lemma(
            "weight that the layer passes on",
            r"And in $E_{l-1}$ where this vanishes:",
            r"\partial_{E} \Phi",
            sp.Derivative(action, resolved),
            (
                Step(
                    Evaluate(),
                    ratio_below * (passed - above_below + weight_below),
                    r"So $X_{l-1} = x_{l-1} + s_l b_l^2 X_l/(1 + P_l X_l)$: the recursion of Fan "
                    "and Wang for conjugate kernels, of which centred networks are a chain.",
                ),
            ),
        ),
        Lemma(
            "value at the stationary point",
            r"There only the explicit $g$ counts.",
            r"\partial_g \Phi",
            sp.Derivative(action, spectral),
            (
                Step(Evaluate(), (inputs + units) / rho, "Both logarithms."),
                Step(Multiply(rho), inputs + units, "In the unit of the eigenvalues."),
                Step(
                    Add(-1 / spectral),
                    inputs + units - 1 / spectral,
                    r"This is $\lambda(g) - r$. With the two equations it is algebraic in $g$: the "
                    r"density is $\frac1\pi$ times the imaginary part of a root.",
                    r"\lambda(g) - r",
                ),
            ),
        ),
    )


def _linear() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import above_below, lambda_out, resolved, spectral

    E, X, g = resolved, above_below, spectral
    value = -((1 - E - E**2) ** 2) / (E * (1 + E) ** 2)
    cubic = E**3 + 2 * E**2 + 4 * E + 1
    return (
        Lemma(
            "linear network of two layers",
            r"Let $\sigma_w^2 = 1$, all widths be equal and $\rho = 1$: $s b^2 = X_l = x_{l-1} = "
            r"1$ and $R_l = r = 0$.",
            r"\lambda(g)",
            X / (1 + X * g) - 1 / g,
            (
                Step(
                    Substitute(((g, E / (1 - X * E)),)),
                    -((1 - X * E) ** 2) / E,
                    r"The first equation, $E = g/(1 + X g)$.",
                    r"\lambda",
                ),
                Step(
                    Substitute(((X, 1 + 1 / (1 + E)),)),
                    value,
                    r"The second, $X = 1 + 1/(1 + E)$: a cubic for $E$ at each $\lambda$.",
                ),
            ),
        ),
        Lemma(
            "its edge",
            "The edge is a minimum along the branch.",
            None,
            sp.Derivative(value, E),
            (
                Step(
                    Evaluate(),
                    (1 - E - E**2) * cubic / (E**2 * (1 + E) ** 3),
                    r"It vanishes at the one real root of $E^3 + 2 E^2 + 4 E + 1$, $-0.2836$.",
                ),
            ),
        ),
        Lemma(
            "polynomial of the edge",
            "At that root this polynomial of the value vanishes:",
            None,
            _edge_polynomial(lambda_out),
            (
                Step(
                    Substitute(((lambda_out, Result("linear network of two layers")),)),
                    _edge_polynomial(value),
                    "The value as a function of $E$.",
                ),
                Step(
                    Multiply((E * (1 + E) ** 2) ** 3),
                    -(cubic**2)
                    * (4 * E**6 + 55 * E**5 + 162 * E**4 + 169 * E**3 + 46 * E**2 - 9 * E + 4),
                    r"The cubic divides it: $\lambda_e = 9.9457$, where moments leave "
                    r"$\lambda_{\max}$ between 4.5 and $3 \sqrt M$.",
                ),
            ),
        ),
    )


def _edge_polynomial(value: sp.Expr) -> sp.Expr:
    return 4 * value**3 - 47 * value**2 + 112 * value - 400


BULK_ONE_HIDDEN_LAYER: Theorem = Theorem(
    id=ID,
    says="The bulk of one hidden layer is algebraic; the edge of the linear one is a root of a "
    "cubic.",
    statement=r"""In the setting of the theorem bulk-edge let $L = 2$, and let the network be
centred ($E \varphi = 0$ and no biases) or linear, or its hidden layer coupled over the samples.
Then $g$, the resolvent $E_0$ and the weight $X_0$ solve
\begin{gather*}
  E_0 = \frac{\psi}{1 + X_0 \psi}, \quad \psi = \frac{g}{\rho \alpha_0}, \qquad
  X_0 = x_0 + \frac{s b^2 X_1}{1 + P_1 X_1}, \\
  \lambda = r + \frac{X_0}{1 + X_0 \psi} + \frac{R_1 X_1}{1 + P_1 X_1} - \frac1g, \qquad
  P_1 = s b^2 \frac{\alpha_0}{\alpha_1} E_0 + \frac{R_1 g}{\rho \alpha_1}.
\end{gather*}
The edge of the linear network with $\sigma_w^2 = 1$, equal widths and $N = M$ is the real root of
$4 \lambda^3 - 47 \lambda^2 + 112 \lambda - 400 = 0$.""",
    assumptions=(
        "Derived, not proved: the function of which this is a stationary point is that of the "
        "linear-equivalent model (theorem bulk-edge). What is checked are its derivatives.",
    ),
    limit="M -> oo, N = M/rho",
    source="conjugate kernels: Fan & Wang, NeurIPS 2020; the rest: this project",
    rows=(),
    cases=(),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run(ID)
