"""Powers of ReLU: a recursion over the power, and the arc-cosine kernels of order 2 and 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.piecewise_linear import relu_lemmas, step_lemmas
from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The recursion for every power, then orders 2 and 3 from ReLU, then the angular form."""
    from derivations.proof import Proof

    return Proof(
        RELU_POWER_KERNELS,
        (
            *step_lemmas(),
            *relu_lemmas(),
            *_recursion(),
            *_order(2),
            *_order(3),
            _angular(),
        ),
    )


def closed_form(order: int) -> sp.Basic:
    r"""``E[(u_t)_+^n (u_s)_+^n]`` for n = 2 or 3, with the angle :math:`\psi = \pi - \theta`."""
    import sympy as sp

    from derivations.kernels.engine import DETERMINANT, PAIR
    from theory.families.piecewise_linear import opposite_angle
    from theory.symbols import q11, q12, q22

    product, psi, root = q11 * q22, opposite_angle(PAIR), sp.sqrt(DETERMINANT)
    if order == 2:
        return ((product + 2 * q12**2) * psi + 3 * q12 * root) / (2 * sp.pi)
    return (q12 * (9 * product + 6 * q12**2) * psi + (4 * product + 11 * q12**2) * root) / (
        2 * sp.pi
    )


def _recursion() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import mean, normal
    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import power, q11, u_s, u_t

    half = (power + 1) / 2
    return (
        Lemma(
            "recursion",
            r"For $\varphi(x) = x_+^m$, where both are positive: with Price's theorem the kernels "
            "$I_m$ obey $I_m' = m^2 I_{m-1}$.",
            r"\varphi'(u_t)\, \varphi'(u_s)",
            sp.Derivative(u_t**power, u_t) * sp.Derivative(u_s**power, u_s),
            (
                Step(
                    Evaluate(),
                    power**2 * u_t ** (power - 1) * u_s ** (power - 1),
                    "Differentiate.",
                ),
            ),
        ),
        *mean(
            "mean of a power",
            "The value at zero covariance.",
            "E[(u_t)_+^m]",
            sp.Integral(u_t**power * normal(u_t, q11), (u_t, 0, sp.oo)),
            (2 * q11) ** (power / 2) * sp.gamma(half) / (2 * sp.sqrt(sp.pi)),
            "Integrate.",
        ),
    )


def _order(order: int) -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, tidy
    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import power, q11, q22

    below = "ReLU" if order == 2 else f"order {order - 1}"
    previous = _relu_dual() if order == 2 else closed_form(order - 1)
    start = {2: q11 * q22 / 4, 3: 2 * sp.sqrt(q11 * q22) ** 3 / sp.pi}[order]
    return (
        Lemma(
            f"slope of order {order}",
            "The recursion.",
            f"I_{order - 1}",
            Result(below),
            (
                Step(
                    Multiply(sp.Integer(order**2)),
                    tidy(order**2 * previous),
                    f"Times ${order}^2$.",
                    rf"\frac{{\partial I_{order}}}{{\partial q_{{12}}}}",
                ),
            ),
        ),
        Lemma(
            f"start of order {order}",
            "The product of the two means.",
            r"E[(u_t)_+^m]\, E[(u_s)_+^m]",
            Result("mean of a power, squared"),
            (Step(Substitute(((power, sp.Integer(order)),)), start, f"At $m = {order}$."),),
        ),
        by_price(
            f"order {order}",
            f"The arc-cosine kernel of order {order}.",
            Result(f"slope of order {order}"),
            Result(f"start of order {order}"),
            closed_form(order),
            f"({{}})_+^{order}",
        ),
    )


def _relu_dual() -> sp.Basic:
    from derivations.kernels.engine import PAIR, tidy
    from theory.kernels import KERNELS

    return tidy(KERNELS["relu"].dual(PAIR))


def _angular() -> Lemma:
    import sympy as sp

    from derivations.kernels.engine import PAIR
    from derivations.proof import Evaluate, Lemma, Multiply, Step, Substitute
    from theory.families.piecewise_linear import opposite_angle
    from theory.symbols import angle, q11, q22, turn

    sine, cosine = sp.sin(angle), sp.cos(angle)
    value = (angle * (2 * cosine**2 + 1) - 3 * sine * cosine) / 8
    factor = 4 * q11 * q22 / sp.pi
    return Lemma(
        "angular form of order 2",
        r"In polar coordinates of the plane in which $u_t$ and $u_s$ are projections of a standard "
        r"Gaussian vector, both are positive in a sector of angle $\psi_{ts} = "
        r"\arccos(-q_{12}/\sqrt{q_{11} q_{22}})$; the radius integrates to $2^2\, 2!$.",
        None,
        sp.Integral((sp.sin(turn) * sp.sin(angle - turn)) ** 2, (turn, 0, angle)),
        (
            Step(Evaluate(), value, "Integrate."),
            Step(Multiply(factor), factor * value, "The radius and the scales."),
            Step(
                Substitute(((angle, opposite_angle(PAIR)),)),
                closed_form(2),
                "The same kernel.",
            ),
        ),
    )


RELU_POWER_KERNELS = kernel_theorem(
    id="kernel-relu-power",
    says="Gaussian integrals of powers of ReLU: a recursion, and the orders 2 and 3.",
    statement=r"""For a centred Gaussian pair let $I_m = E[(u_t)_+^m (u_s)_+^m]$. Then
\[
  \frac{\partial I_m}{\partial q_{12}} = m^2 I_{m-1}, \qquad
  I_m \big|_{q_{12} = 0} = \frac{2^{m-2}\, \Gamma(\frac{m+1}2)^2}{\pi} (q_{11} q_{22})^{m/2},
\]
which determines every $I_m$ from the arc-cosine kernel $I_1$; those of order 2 and 3 are those of
the proof.""",
    assumptions=(PRICE, UNIQUE),
    source="Cho & Saul, NeurIPS 2009",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-relu-power")
