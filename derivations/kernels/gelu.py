r"""GELU, x Phi(x), and with any noise, x Phi(x/sqrt(S)): two integrations over the covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.error_function import noise_lemmas
from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """From the second derivatives, Gaussians and their changes with the variance, upwards."""
    from derivations.kernels.entries import Entry, KernelProof

    entry = Entry("gelu", ("mean of GELU", "mean slope of the gate", "GELU", "derivative of GELU"))
    return KernelProof(GELU_KERNELS, (*noise_lemmas(), *gated_lemmas(), *_unit_noise()), (entry,))


def gated_lemmas() -> tuple[Lemma, ...]:
    """The kernel of x Phi(x/sqrt(S)) and of its derivative, for a centred pair."""
    return (*_curvature(), *_slope(), *_dual())


def _curvature() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import ScaleVariance
    from derivations.proof import Evaluate, Lemma, Result, Step
    from theory.symbols import S_s, S_t, q11, q12, q22, u_t

    A, B = q11 + S_t, q22 + S_s
    total = sp.expand(A * B - q12**2)
    first = (total + S_t * B) / (2 * sp.pi * sp.sqrt(total) ** 3)
    numerator = total**2 + total * (S_s * A + S_t * B - 2 * S_t * S_s) + 3 * S_t * S_s * A * B
    distribution = (1 + sp.erf(u_t / sp.sqrt(2 * S_t))) / 2
    bump = normal(u_t, S_t)
    return (
        Lemma(
            "curvature of the gate",
            r"For $\varphi(x) = x\, \Phi(x/\sqrt{\varsigma})$.",
            r"\varphi''(u_t)",
            sp.Derivative(u_t * distribution, (u_t, 2)),
            (
                Step(Evaluate(), (2 - u_t**2 / S_t) * bump, "Differentiate twice."),
                Step(
                    Evaluate(),
                    bump - 2 * S_t * sp.Derivative(bump, S_t),
                    "It is a Gaussian, less its change with the variance of the noise.",
                ),
            ),
        ),
        Lemma(
            "curvatures of two gates",
            "So the mean of the product follows from that of two Gaussians.",
            r"E[N(u_t; \varsigma_t)\, N(u_s; \varsigma_s)]",
            Result("centred bumps"),
            (
                Step(
                    ScaleVariance(S_t),
                    first,
                    "For one sample.",
                    r"E[\varphi''(u_t)\, N(u_s; \varsigma_s)]",
                ),
                Step(
                    ScaleVariance(S_s),
                    numerator / (2 * sp.pi * sp.sqrt(total) ** 5),
                    "For the other.",
                    r"E[\varphi''(u_t)\, \varphi''(u_s)]",
                ),
            ),
        ),
    )


def _slope() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import LINE, PAIR, normal, tidy
    from derivations.proof import Result
    from theory.families.error_function import gated_derivative
    from theory.symbols import S_s, S_t, q11, u_t

    slope = (1 + sp.erf(u_t / sp.sqrt(2 * S_t))) / 2 + u_t * normal(u_t, S_t)
    return (
        *mean(
            "mean slope of the gate",
            "The derivative is one half and an odd function.",
            r"E[\varphi'(u_t)]",
            sp.Integral(sp.expand(slope * normal(u_t, q11)), (u_t, *LINE)),
            sp.S.Half,
            "Integrate.",
        ),
        by_price(
            "derivative of the gate",
            "Price's theorem for the derivative.",
            Result("curvatures of two gates"),
            Result("mean slope of the gate, squared"),
            tidy(gated_derivative(PAIR, S_t, S_s)),
            r"\varphi'({})",
        ),
    )


def _dual() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import LINE, PAIR, normal, tidy
    from derivations.proof import Result
    from theory.families.error_function import gated
    from theory.symbols import S_s, S_t, q11, u_t

    gate = u_t * (1 + sp.erf(u_t / sp.sqrt(2 * S_t))) / 2
    return (
        *mean(
            "mean of the gate",
            "The mean of the function.",
            r"E[\varphi(u_t)]",
            sp.Integral(sp.expand(gate * normal(u_t, q11)), (u_t, *LINE)),
            q11 / sp.sqrt(2 * sp.pi * (q11 + S_t)),
            "Integrate.",
        ),
        by_price(
            "gate",
            "And once more.",
            Result("derivative of the gate"),
            Result("mean of the gate, squared"),
            tidy(gated(PAIR, S_t, S_s)),
            r"\varphi({})",
        ),
    )


def _unit_noise() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import PAIR, tidy
    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.kernels import KERNELS
    from theory.symbols import S_s, S_t

    gelu = KERNELS["gelu"]

    def unit(
        name: str, gate: str, written: str, value: sp.Basic, noises: tuple[sp.Symbol, ...]
    ) -> Lemma:
        return Lemma(
            name,
            r"GELU is the case $\varsigma = 1$.",
            written,
            Result(gate),
            (
                Step(
                    Substitute(tuple((noise, sp.S.One) for noise in noises)),
                    tidy(sp.sympify(value)),
                    "Unit noise.",
                    rf"{written}_{{\varsigma = 1}}",
                ),
            ),
        )

    def two(phi: str) -> str:
        return rf"E[{phi}(u_t)\, {phi}(u_s)]"

    slope = r"\varphi'"
    return (
        unit("mean of GELU", "mean of the gate", r"E[\varphi(u_t)]", gelu.mean(PAIR.u), (S_t,)),
        unit("GELU", "gate", two(r"\varphi"), gelu.dual(PAIR), (S_t, S_s)),
        unit(
            "derivative of GELU",
            "derivative of the gate",
            two(slope),
            gelu.derivative_dual(PAIR),
            (S_t, S_s),
        ),
    )


GELU_KERNELS = kernel_theorem(
    id="kernel-gelu",
    says="Gaussian integrals of GELU, and of x Phi(x/sqrt(S)) with two scales.",
    statement=r"""Let $(u_t, u_s)$ be a centred Gaussian pair of variances $q_{11}$, $q_{22}$ and
covariance $q_{12}$, and let $A = q_{11} + \varsigma_t$, $B = q_{22} + \varsigma_s$, $D = AB -
q_{12}^2$, $k = \varsigma_t/A + \varsigma_s/B$. Then
\[
  E[u_t \Phi(u_t/\sqrt{\varsigma_t})\, u_s \Phi(u_s/\sqrt{\varsigma_s})] = \frac1{2\pi} \left(
  q_{12} \arccos\frac{-q_{12}}{\sqrt{AB}} + \frac{q_{11} q_{22} - q_{12}^2 + k q_{12}^2}{\sqrt D}
  \right).
\]""",
    assumptions=(PRICE, UNIQUE),
    source="Price, IRE Trans. Inf. Theory 1958; activation: Hendrycks & Gimpel, 2016",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-gelu")
