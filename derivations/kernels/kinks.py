"""Any piecewise linear function, for any means: Taylor's formula in the covariance, exact rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.kernels.entries import Entry
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Two kinks; then a line with one kink, and the functions of one kink as cases of it."""
    from derivations.kernels.entries import KernelProof

    return KernelProof(KINK_KERNELS, (*_two_kinks(), *_means(), *_one_kink()), _entries())


def _entries() -> tuple[Entry, ...]:
    import sympy as sp

    from derivations.kernels.entries import Ends, Entry
    from theory.symbols import bend_t, coefficients, jump_t, kink_t, slope

    level, rise = coefficients[:2]
    ends: Ends = ("mean", "mean slope", "kernel", "slope of the kernel")

    def named(activation: str, *values: int | sp.Basic, **parameters: sp.Basic) -> Entry:
        line = (level, rise, bend_t, jump_t, kink_t)
        at = tuple((one, sp.sympify(value)) for one, value in zip(line, (*values, 0), strict=True))
        steps = activation in ("step", "sign")
        return Entry(
            activation,
            ends,
            tuple(parameters.items()),
            at,
            means=True,
            exact=False,
            single=not steps,
        )

    def general(jumps: tuple[sp.Basic, ...]) -> Entry:
        parameters = (
            ("kinks", (kink_t,)),
            ("slopes", (rise, rise + bend_t)),
            ("jumps", jumps),
            ("value", level),
        )
        at = () if jumps else ((jump_t, sp.S.Zero),)
        return Entry(
            "piecewise_linear", ends, parameters, at, means=True, exact=False, single=not jumps
        )

    return (
        general(()),
        general((jump_t,)),
        named("relu", 0, 0, 1, 0),
        named("leaky_relu", 0, slope, 1 - slope, 0, slope=slope),
        named("abs", 0, -1, 2, 0),
        named("step", 0, 0, 0, 1),
        named("sign", -1, 0, 0, 2),
    )


def _two_kinks() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, joint
    from derivations.proof import Evaluate, Lemma, Result, Step, Substitute
    from theory.symbols import (
        bend_s,
        bend_t,
        density,
        jump_s,
        jump_t,
        kink_s,
        kink_t,
        m1,
        m2,
        q11,
        q12,
        q22,
        tilt_s,
        tilt_t,
        u_s,
        u_t,
    )

    where = (kink_t, kink_s, m1, m2, q11, q22, q12)
    p, x, y = density(*where), tilt_t(*where), tilt_s(*where)
    given = (
        (p, Result("density at two kinks")),
        (x, (q22 * (m1 - kink_t) - q12 * (m2 - kink_s)) / DETERMINANT),
        (y, (q11 * (m2 - kink_s) - q12 * (m1 - kink_t)) / DETERMINANT),
    )
    slopes = {
        "by the first mean": (sp.Derivative(p, m1), -x * p),
        "by the second mean": (sp.Derivative(p, m2), -y * p),
        "by both means": (sp.Derivative(p, m1, m2), (x * y + q12 / DETERMINANT) * p),
    }
    first, second, both = (slope for slope, _ in slopes.values())
    return (
        Lemma(
            "density at two kinks",
            "Of the pair.",
            None,
            joint(u_t - m1, u_s - m2),
            (
                Step(
                    Substitute(((u_t, kink_t), (u_s, kink_s))),
                    joint(kink_t - m1, kink_s - m2),
                    "At the kinks.",
                    "p",
                ),
            ),
        ),
        *(
            Lemma(
                name,
                r"The density $p$ of the pair at two kinks $\tau_t$ and $\tau_s$ moves along.",
                None,
                slope,
                (Step(Evaluate(), value, "Differentiate."),),
                given=tuple(rule for rule in given if value.has(rule[0])),
            )
            for name, (slope, value) in slopes.items()
        ),
        Lemma(
            "curvature of two kinks",
            r"At a kink the slope grows by $b$ and the function by $h$: there $\varphi''$ is $b$ "
            r"times a point mass and $h$ times its derivative. The mean of a product of two point "
            "masses is $p$, and a derivative of a point mass is one by the mean. Summed over "
            "all pairs of kinks, one for each sample, it is the second derivative of the kernel "
            "in the covariance, by Price's theorem twice; a line adds nothing.",
            r"E[\varphi''(u_t)\, \varphi''(u_s)]",
            bend_t * bend_s * p
            + jump_t * bend_s * first
            + bend_t * jump_s * second
            + jump_t * jump_s * both,
            (
                Step(
                    Evaluate(),
                    (bend_t - jump_t * x) * (bend_s - jump_s * y) * p
                    + jump_t * jump_s * q12 / DETERMINANT * p,
                    "Insert.",
                ),
            ),
            given=tuple((slope, Result(name)) for name, (slope, _) in slopes.items()),
        ),
    )


def _means() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import normal
    from derivations.kernels.operations import Differentiate
    from derivations.proof import Add, Evaluate, Lemma, Multiply, Result, Step
    from theory.symbols import bend_t, coefficients, jump_t, kink_t, m1, q11, u_t

    level, rise = coefficients[:2]
    density, above = normal(u_t, q11, m1), _above(kink_t)
    beyond = (m1 - kink_t) * above + q11 * normal(kink_t, q11, m1)
    return (
        Lemma(
            "probability above a kink",
            "Of one sample.",
            r"P(u_t > \tau_t)",
            sp.Integral(density, (u_t, kink_t, sp.oo)),
            (Step(Evaluate(), above, "Integrate."),),
        ),
        Lemma(
            "mean beyond a kink",
            "The mean of the hinge.",
            r"E[(u_t - \tau_t)_+]",
            sp.Integral((u_t - kink_t) * density, (u_t, kink_t, sp.oo)),
            (Step(Evaluate(), beyond, "Integrate."),),
        ),
        Lemma(
            "mean",
            r"For $\varphi(x) = a_0 + a_1 x + b (x - \tau)_+ + h\, \Theta(x - \tau)$.",
            r"E[(u_t - \tau_t)_+]",
            Result("mean beyond a kink"),
            (
                Step(Multiply(bend_t), bend_t * beyond, "The bend."),
                Step(
                    Add(jump_t * above),
                    bend_t * beyond + jump_t * above,
                    "The jump, times the probability.",
                ),
                Step(
                    Add(level + rise * m1),
                    _mean(),
                    "And the line.",
                    r"E[\varphi(u_t)]",
                ),
            ),
        ),
        Lemma(
            "mean slope",
            "It moves with the mean.",
            r"E[\varphi(u_t)]",
            Result("mean"),
            (Step(Differentiate(m1), _mean_slope(), "Differentiate.", r"E[\varphi'(u_t)]"),),
        ),
    )


def _above(kink: sp.Basic) -> sp.Basic:
    import sympy as sp

    from theory.symbols import m1, q11

    return (1 + sp.erf((m1 - kink) / sp.sqrt(2 * q11))) / 2


def _mean() -> sp.Basic:
    from derivations.kernels.gaussian_pair import normal
    from theory.symbols import bend_t, coefficients, jump_t, kink_t, m1, q11

    hinge = (m1 - kink_t) * _above(kink_t) + q11 * normal(kink_t, q11, m1)
    level, rise = coefficients[:2]
    return level + rise * m1 + bend_t * hinge + jump_t * _above(kink_t)


def _mean_slope() -> sp.Basic:
    from derivations.kernels.gaussian_pair import normal
    from theory.symbols import bend_t, coefficients, jump_t, kink_t, m1, q11

    return coefficients[1] + bend_t * _above(kink_t) + jump_t * normal(kink_t, q11, m1)


def _one_kink() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import GIVEN_COVARIANCE
    from derivations.kernels.gaussian_pair import OTHER
    from derivations.kernels.operations import SolveFromZero, TimesOther
    from derivations.proof import Evaluate, Lemma, Result, Step, Substitute
    from theory.symbols import bend_s, bend_t, bending, jump_s, jump_t, kink_s, kink_t, q12, r

    pairs = ((kink_s, kink_t), (bend_s, bend_t), (jump_s, jump_t))
    one = _two_kinks()[-1].steps[-1].states.subs(dict(pairs))
    start, flat = (value * value.xreplace(OTHER) for value in (_mean(), _mean_slope()))
    slope = flat + sp.Integral(bending(r), (r, 0, q12))
    dual = start + q12 * flat + sp.Integral((q12 - r) * bending(r), (r, 0, q12))
    whole, slopes = r"E[\varphi(u_t)\, \varphi(u_s)]", r"E[\varphi'(u_t)\, \varphi'(u_s)]"

    one_written, one_slope = r"E[\varphi(u_t)]", r"E[\varphi'(u_t)]"
    start_written, flat_written = (
        rf"{of_t}\, {of_t.replace('u_t', 'u_s')}" for of_t in (one_written, one_slope)
    )

    def squared(name: str, of_t: str, both: str, value: sp.Basic) -> Lemma:
        step = Step(TimesOther(), value, "Times that of the other.", both)
        opening = "The samples are independent at $q_{12} = 0$."
        return Lemma(f"{name}, squared", opening, of_t, Result(name), (step,))

    return (
        squared("mean", one_written, start_written, start),
        squared("mean slope", one_slope, flat_written, flat),
        Lemma(
            "curvature of one kink",
            "The same kink for both samples.",
            r"E[\varphi''(u_t)\, \varphi''(u_s)]",
            Result("curvature of two kinks"),
            (
                Step(Substitute(pairs), one, "One kink.", r"E[\varphi''(u_t)\, \varphi''(u_s)]"),
                Step(Evaluate(), bending(q12), "A name."),
            ),
            given=((bending(q12), one),),
        ),
        Lemma(
            "slope of the kernel",
            "Price's theorem for the derivative.",
            GIVEN_COVARIANCE + slopes,
            Result("curvature of one kink"),
            (
                Step(
                    SolveFromZero(q12, Result("mean slope, squared"), slope, flat_written),
                    slope,
                    "Integrate over the covariance, from independent samples.",
                    slopes,
                ),
            ),
        ),
        Lemma(
            "kernel",
            "And for the function: a Taylor polynomial with its exact rest.",
            GIVEN_COVARIANCE + whole,
            Result("slope of the kernel"),
            (
                Step(
                    SolveFromZero(q12, Result("mean, squared"), dual, start_written),
                    dual,
                    "Integrate once more.",
                    whole,
                ),
            ),
        ),
    )


KINK_KERNELS = kernel_theorem(
    id="kernel-kinks",
    says="Gaussian integrals of any piecewise linear function, with jumps, for any means.",
    statement=r"""Let the slope of a piecewise linear $\varphi$ grow by $b_i$, and $\varphi$ itself
by $h_i$, at the kinks $\tau_i$, and let $(u_t, u_s)$ be a Gaussian pair. Then
\[
  E[\varphi(u_t)\, \varphi(u_s)] = E\varphi(u_t)\, E\varphi(u_s) + q_{12}\, E\varphi'(u_t)\,
  E\varphi'(u_s) + \sum_{i, j} \int_0^{q_{12}} (q_{12} - r)\, \kappa_{ij}(r)\, dr,
\]
where $\kappa_{ij}$ is the curvature of the proof for the kinks $\tau_i$ and $\tau_j$: for a
continuous $\varphi$, $b_i b_j$ times the density of the pair there.""",
    assumptions=(
        PRICE,
        UNIQUE,
        "Both sides are bilinear in the function of one sample and that of the other, so that a "
        "line and one kink for each are enough; of two lines the kernel is a polynomial.",
    ),
    source="Price, IRE Trans. Inf. Theory 1958; Plackett, Biometrika 1954",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-kinks")
