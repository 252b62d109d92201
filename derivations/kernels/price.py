r"""Price's theorem for any two variances and means: what every other proof on kernels uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The density solves heat equations; integrations by parts move its derivatives."""
    from derivations.proof import Proof

    return Proof(PRICE_THEOREM, (*_density(), *_by_parts()))


def _density() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, joint, normal
    from derivations.proof import Evaluate, Lemma, Result, Step, Substitute
    from theory.symbols import density, m1, m2, q11, q12, q22, u_s, u_t

    pair = joint(u_t - m1, u_s - m2)
    p = density(u_t, u_s, q11, q22, q12, m1, m2)

    def heat(name: str, opening: str, by: sp.Symbol, is_: sp.Basic, reason: str) -> Lemma:
        return Lemma(
            name,
            opening,
            None,
            sp.Derivative(p, by),
            (Step(Evaluate(), is_, reason),),
            given=((p, Result("Gaussian pair")),),
        )

    return (
        Lemma(
            "Gaussian pair",
            "Centred, the density is that of $u_t$, times that of $u_s$ given $u_t$, of mean "
            r"$q_{12} u_t/q_{11}$ and variance $(q_{11} q_{22} - q_{12}^2)/q_{11}$.",
            None,
            normal(u_t, q11) * normal(u_s, DETERMINANT / q11, q12 * u_t / q11),
            (
                Step(Evaluate(), joint(u_t, u_s), "Multiply."),
                Step(
                    Substitute(((u_t, u_t - m1), (u_s, u_s - m2))),
                    pair,
                    "With the means.",
                    "p",
                ),
            ),
        ),
        heat(
            "covariance",
            "How the density changes with the covariance.",
            q12,
            sp.Derivative(p, u_t, u_s),
            "It is the mixed derivative.",
        ),
        heat(
            "variance",
            "How it changes with a variance.",
            q11,
            sp.Derivative(p, (u_t, 2)) / 2,
            "It is half the second derivative.",
        ),
        heat(
            "mean",
            "How it changes with a mean.",
            m1,
            -sp.Derivative(p, u_t),
            "It moves along.",
        ),
    )


def _by_parts() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import DropTotalDerivatives, Evaluate, Lemma, Result, Step
    from theory.symbols import density, m1, m2, q11, q12, q22, u_s, u_t, varphi

    p = density(u_t, u_s, q11, q22, q12, m1, m2)
    phi_t, phi_s = varphi(u_t), varphi(u_s)
    slope_t, slope_s = sp.Derivative(phi_t, u_t), sp.Derivative(phi_s, u_s)
    plane = ((u_t, -sp.oo, sp.oo), (u_s, -sp.oo, sp.oo))

    def moved(
        name: str, by: sp.Symbol, source: str, is_: sp.Basic, parts: sp.Basic, left: sp.Basic
    ) -> Lemma:
        return Lemma(
            name,
            "Differentiate under the integral and integrate by parts.",
            rf"\frac{{\partial}}{{\partial {by}}} E[\varphi(u_t)\, \varphi(u_s)]".replace(
                str(by), {q12: "q_{12}", q11: "q_{11}", m1: "m_1"}[by]
            ),
            sp.Integral(phi_t * phi_s * sp.Derivative(p, by), *plane),
            (
                Step(
                    Evaluate(),
                    sp.Integral(phi_t * phi_s * is_, *plane),
                    "The density obeys the heat equation.",
                ),
                Step(Evaluate(), sp.Integral(parts, *plane), "The product rule."),
                Step(
                    DropTotalDerivatives((u_t, u_s) if by == q12 else (u_t,)),
                    sp.Integral(left * p, *plane),
                    "The boundary terms vanish.",
                ),
            ),
            given=((sp.Derivative(p, by), Result(source)),),
        )

    return (
        moved(
            "Price's theorem",
            q12,
            "covariance",
            sp.Derivative(p, u_t, u_s),
            sp.Derivative(phi_t * phi_s * sp.Derivative(p, u_s), u_t)
            - sp.Derivative(slope_t * phi_s * p, u_s)
            + slope_t * slope_s * p,
            slope_t * slope_s,
        ),
        moved(
            "by the variance",
            q11,
            "variance",
            sp.Derivative(p, (u_t, 2)) / 2,
            sp.Derivative(phi_t * phi_s * sp.Derivative(p, u_t), u_t) / 2
            - sp.Derivative(slope_t * phi_s * p, u_t) / 2
            + sp.Derivative(phi_t, (u_t, 2)) * phi_s * p / 2,
            sp.Derivative(phi_t, (u_t, 2)) * phi_s / 2,
        ),
        moved(
            "by the mean",
            m1,
            "mean",
            -sp.Derivative(p, u_t),
            -sp.Derivative(phi_t * phi_s * p, u_t) + slope_t * phi_s * p,
            slope_t * phi_s,
        ),
    )


PRICE_THEOREM = kernel_theorem(
    id="price",
    says="A Gaussian integral changes with the covariance by that of the derivatives.",
    statement=r"""Let $(u_t, u_s)$ be a Gaussian pair of means $m_1$, $m_2$, variances $q_{11}$,
$q_{22}$ and covariance $q_{12}$. Then
\begin{gather*}
  \frac{\partial}{\partial q_{12}} E[\varphi(u_t)\, \varphi(u_s)]
  = E[\varphi'(u_t)\, \varphi'(u_s)], \\
  \frac{\partial}{\partial q_{11}} E[\varphi(u_t)\, \varphi(u_s)]
  = \tfrac12 E[\varphi''(u_t)\, \varphi(u_s)], \qquad
  \frac{\partial}{\partial m_1} E[\varphi(u_t)\, \varphi(u_s)]
  = E[\varphi'(u_t)\, \varphi(u_s)].
\end{gather*}""",
    assumptions=(
        r"Growth: $\varphi$ and the derivatives in it grow slower than any Gaussian decays: "
        "integral and derivative are interchanged, and the boundary terms vanish.",
        r"Kinks and jumps: the derivatives of $\varphi$ are those of a distribution; smooth "
        r"functions that tend to $\varphi$ have integrals that tend to these.",
        r"The density exists: $q_{12}^2 < q_{11} q_{22}$.",
    ),
    source="Price, IRE Trans. Inf. Theory 1958; Plackett, Biometrika 1954",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("price")
