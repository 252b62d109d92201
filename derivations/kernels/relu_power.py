"""Powers of ReLU: a recursion over the power, and the arc-cosine kernels of every order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.piecewise_linear import relu_lemmas, step_lemmas
from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The recursion for every power, then orders 2 and 3 from ReLU, then the angular form."""
    import sympy as sp

    from derivations.kernels.entries import Ends, Entry, KernelProof
    from theory.symbols import power

    def entry(order: int, ends: Ends, *at: tuple[sp.Basic, sp.Basic]) -> Entry:
        return Entry("relu_power", ends, (("n", order),), at, exact=False)

    def of_order(n: int) -> Ends:
        return (
            f"mean of order {n}",
            f"mean slope of order {n}",
            f"order {n}",
            f"slope of order {n}",
        )

    every = ("mean of a power", "mean slope", "angular form", "slope of the angular form")
    return KernelProof(
        RELU_POWER_KERNELS,
        (
            *step_lemmas(),
            *relu_lemmas(),
            *_recursion(),
            *_order(2),
            *_order(3),
            *_angular(),
        ),
        (
            *(entry(n, of_order(n)) for n in (2, 3)),
            *(entry(n, every, (power, sp.Integer(n))) for n in (4, 7)),
        ),
    )


def closed_form(order: int) -> sp.Basic:
    r"""``E[(u_t)_+^n (u_s)_+^n]`` for n = 2 or 3, with the angle :math:`\psi = \pi - \theta`."""
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, PAIR
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

    from derivations.kernels.engine import mean
    from derivations.kernels.gaussian_pair import normal
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import power, q11, u_s, u_t

    one = (2 * q11) ** (power / 2) * sp.gamma((power + 1) / 2) / (2 * sp.sqrt(sp.pi))
    before = one.subs(power, power - 1)
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
            one,
            "Integrate.",
        ),
        Lemma(
            "mean slope",
            "The derivative is $m$ times the power before.",
            "E[(u_t)_+^m]",
            Result("mean of a power"),
            (
                Step(Substitute(((power, power - 1),)), before, "That power.", "E[(u_t)_+^{m-1}]"),
                Step(Multiply(power), power * before, "Times $m$.", r"E[\varphi'(u_t)]"),
            ),
        ),
    )


def _order(order: int) -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price
    from derivations.kernels.gaussian_pair import tidy
    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import power, q11, q22

    below = "ReLU" if order == 2 else f"order {order - 1}"
    previous = _relu_dual() if order == 2 else closed_form(order - 1)
    start = {2: q11 * q22 / 4, 3: 2 * sp.sqrt(q11 * q22) ** 3 / sp.pi}[order]
    one = {2: q11 / 2, 3: sp.sqrt(2 / sp.pi) * sp.sqrt(q11) ** 3}[order]
    slope = {2: sp.sqrt(2 * q11 / sp.pi), 3: sp.Rational(3, 2) * q11}[order]

    def special(name: str, source: str, symbol: str, states: sp.Basic) -> Lemma:
        step = Step(Substitute(((power, sp.Integer(order)),)), states, f"At $m = {order}$.")
        return Lemma(name, "A case of every order.", symbol, Result(source), (step,))

    return (
        special(f"mean of order {order}", "mean of a power", "E[(u_t)_+^m]", one),
        special(f"mean slope of order {order}", "mean slope", r"E[\varphi'(u_t)]", slope),
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
    from derivations.kernels.gaussian_pair import PAIR, tidy
    from theory.kernels import KERNELS

    return tidy(KERNELS["relu"].dual(PAIR))


def _angular() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import PAIR
    from derivations.proof import Evaluate, Integrate, Lemma, Multiply, Result, Step, Substitute
    from theory.families.piecewise_linear import opposite_angle
    from theory.symbols import angle, power, q11, q22, radius, turn

    sector = (sp.sin(turn) * sp.sin(angle - turn)) ** power
    factor = 2**power * sp.factorial(power) * sp.sqrt(q11 * q22) ** power / (2 * sp.pi)
    psi = opposite_angle(PAIR)

    def integral(end: sp.Basic) -> sp.Basic:
        return sp.Integral((factor * sector).subs(angle, end), (turn, 0, end))

    dual = integral(psi)
    two = (angle * (2 * sp.cos(angle) ** 2 + 1) - 3 * sp.sin(angle) * sp.cos(angle)) / 8
    return (
        Lemma(
            "radius",
            "In polar coordinates of the plane in which $u_t$ and $u_s$ are projections of a "
            r"standard Gaussian vector of length $\varrho$, $u_t = \sqrt{q_{11}}\, \varrho "
            r"\sin \chi$ and $u_s = \sqrt{q_{22}}\, \varrho \sin(\psi_{ts} - \chi)$ with "
            r"$\psi_{ts} = \arccos(-q_{12}/\sqrt{q_{11} q_{22}})$. Both are positive for "
            r"$0 < \chi < \psi_{ts}$.",
            None,
            sp.Integral(radius ** (2 * power + 1) * sp.exp(-(radius**2) / 2), (radius, 0, sp.oo)),
            (Step(Evaluate(), 2**power * sp.factorial(power), "The radius integrates to this."),),
        ),
        Lemma(
            "angular form",
            "The rest is an integral over the sector, for every order $m$.",
            r"\sin^m \chi\, \sin^m(\psi_{ts} - \chi)",
            sector,
            (
                Step(
                    Multiply(factor),
                    factor * sector,
                    r"The radius, the scales, and $1/(2\pi)$.",
                    r"\frac{\partial}{\partial \chi} E[(u_t)_+^m (u_s)_+^m;\ \chi]",
                ),
                Step(
                    Integrate(turn, sp.S.Zero, angle),
                    integral(angle),
                    "Over the sector.",
                    r"E[(u_t)_+^m (u_s)_+^m]",
                ),
                Step(
                    Substitute(((angle, psi),)),
                    dual,
                    "Of this angle.",
                    r"E[(u_t)_+^m (u_s)_+^m]",
                ),
            ),
        ),
        Lemma(
            "slope of the angular form",
            "The recursion.",
            r"E[(u_t)_+^m (u_s)_+^m]",
            Result("angular form"),
            (
                Step(
                    Substitute(((power, power - 1),)),
                    dual.subs(power, power - 1),
                    "The power before.",
                    r"E[(u_t)_+^{m-1} (u_s)_+^{m-1}]",
                ),
                Step(
                    Multiply(power**2),
                    power**2 * dual.subs(power, power - 1),
                    "Times $m^2$.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s)]",
                ),
            ),
        ),
        Lemma(
            "angular form of order 2",
            "The two forms are one: the sector of order 2, integrated.",
            None,
            sp.Integral(sector.subs(power, 2), (turn, 0, angle)),
            (
                Step(Evaluate(), two, "Integrate."),
                Step(
                    Multiply(factor.subs(power, 2)),
                    factor.subs(power, 2) * two,
                    "The radius and the scales.",
                ),
                Step(Substitute(((angle, psi),)), closed_form(2), "The same kernel."),
            ),
        ),
    )


RELU_POWER_KERNELS = kernel_theorem(
    id="kernel-relu-power",
    says="Gaussian integrals of powers of ReLU: a recursion, and one angular integral.",
    statement=r"""For a centred Gaussian pair let $I_m = E[(u_t)_+^m (u_s)_+^m]$. Then
\[
  \frac{\partial I_m}{\partial q_{12}} = m^2 I_{m-1}, \qquad
  I_m \big|_{q_{12} = 0} = \frac{2^{m-2}\, \Gamma(\frac{m+1}2)^2}{\pi} (q_{11} q_{22})^{m/2},
\]
which determines every $I_m$ from the arc-cosine kernel $I_1$; and for every order
\[
  I_m = \frac{2^m\, m!}{2\pi} (q_{11} q_{22})^{m/2} \int_0^\psi \sin^m \chi\, \sin^m(\psi - \chi)\,
  d\chi, \qquad \psi = \arccos\frac{-q_{12}}{\sqrt{q_{11} q_{22}}}.
\]""",
    assumptions=(PRICE, UNIQUE),
    source="Cho & Saul, NeurIPS 2009",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-relu-power")
