"""ELU: exponentials below 0, each the solution of a linear equation in the covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.piecewise_linear import relu_lemmas, step_lemmas
from derivations.kernels.record import PRICE, UNIQUE, kernel_theorem

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """Half lines, edges, blocks; then the derivative and the function as sums of blocks."""
    import sympy as sp

    from derivations.kernels.entries import Entry, KernelProof
    from theory.activations import SELU_ALPHA, SELU_SCALE
    from theory.symbols import floor, stretch

    elu = ("mean of ELU", "mean slope of ELU", "ELU", "derivative of ELU")
    selu = ("mean of SELU", "mean slope of SELU", "SELU", "derivative of SELU")
    constants = (floor, sp.Rational(SELU_ALPHA)), (stretch, sp.Rational(SELU_SCALE))
    return KernelProof(
        ELU_KERNELS,
        (
            *step_lemmas(),
            *relu_lemmas(),
            *_half_lines(),
            *_blocks(),
            *_derivative(),
            *_dual(),
            *_stretched(),
        ),
        (
            Entry("elu", elu, parameters=(("alpha", floor),), exact=False),
            Entry("selu", selu, at=constants, exact=False),
        ),
    )


def half_line(variance: sp.Basic) -> sp.Basic:
    """``E[exp(u) below 0]``."""
    import sympy as sp

    return sp.exp(variance / 2) * (1 - sp.erf(sp.sqrt(variance / 2))) / 2


def edge(variance: sp.Basic) -> sp.Basic:
    """The same of one sample where the other, of this variance, is 0; times its density."""
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT

    return half_line(DETERMINANT / variance) / sp.sqrt(2 * sp.pi * variance)


def both_below() -> sp.Basic:
    """``E[exp(u_t) exp(u_s)]`` where both are below 0."""
    import sympy as sp

    from theory.symbols import edge_s, edge_t, origin, q11, q12, q22, r

    source = sp.exp(-r) * (origin(r) - edge_t(r) - edge_s(r))
    return sp.exp(q12) * (half_line(q11) * half_line(q22) + sp.Integral(source, (r, 0, q12)))


def one_below(letter: str) -> sp.Basic:
    """The exponential of the sample t or s where both are below 0."""
    import sympy as sp

    from theory.symbols import edge_s, edge_t, origin, q11, q12, q22, r

    variance, at = (q11, edge_s) if letter == "t" else (q22, edge_t)
    return half_line(variance) / 2 + sp.Integral(origin(r) - at(r), (r, 0, q12))


def _half_lines() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.gaussian_pair import DETERMINANT, joint, normal
    from derivations.kernels.operations import TimesOther
    from derivations.proof import Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import S_t, q11, q22, u_t

    def edge_lemma(name: str, variance: sp.Basic) -> Lemma:
        written = r"E[e^u;\ u < 0]_{\varsigma_t}"
        return Lemma(
            name,
            "Given the other sample at 0, the variance of a sample is the determinant over that of "
            "the other.",
            written,
            Result("half line"),
            (
                Step(
                    Substitute(((S_t, DETERMINANT / variance),)),
                    half_line(DETERMINANT / variance),
                    "At that variance.",
                    r"E[e^u;\ u < 0 \mid 0]",
                ),
                Step(
                    Multiply(1 / sp.sqrt(2 * sp.pi * variance)),
                    edge(variance),
                    "Times the density of the other at 0.",
                    r"E[e^u \delta;\ u < 0]",
                ),
            ),
        )

    return (
        Lemma(
            "half line",
            "An exponential below 0.",
            None,
            sp.Integral(sp.exp(u_t) * normal(u_t, S_t), (u_t, -sp.oo, 0)),
            (Step(Evaluate(), half_line(S_t), "Integrate.", r"E[e^u;\ u < 0]_{\varsigma_t}"),),
        ),
        Lemma(
            "two half lines",
            "Independent samples.",
            r"E[e^u;\ u < 0]_{\varsigma_t}",
            Result("half line"),
            (
                Step(
                    Substitute(((S_t, q11),)),
                    half_line(q11),
                    "For the sample $t$.",
                    r"E[e^{u_t};\ u_t < 0]",
                ),
                Step(
                    TimesOther(),
                    half_line(q11) * half_line(q22),
                    "And for $s$.",
                    r"E[e^{u_t};\ u_t < 0]\, E[e^{u_s};\ u_s < 0]",
                ),
            ),
        ),
        Lemma(
            "given the other",
            "The density of a pair on an edge of the quadrant.",
            "p(u_t, 0)",
            joint(u_t, sp.S.Zero),
            (
                Step(
                    Evaluate(),
                    normal(u_t, DETERMINANT / q22) / sp.sqrt(2 * sp.pi * q22),
                    "A density of $u_t$ times the density of $u_s$ at 0.",
                ),
            ),
        ),
        edge_lemma("edge of s", q22),
        edge_lemma("edge of t", q11),
    )


def _blocks() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.operations import SolveFromZero, SolveGrowth
    from derivations.proof import Add, Lemma, Multiply, Result, Step
    from theory.symbols import edge_s, edge_t, origin, q11, q12, q22

    def block(letter: str, variance: sp.Basic, at: sp.Basic) -> Lemma:
        claim = one_below(letter)
        return Lemma(
            f"block of {letter}",
            rf"$e^{{u_{letter}}}$ where both are below 0. The derivative of the exponential is "
            "itself less a point mass, that of the indicator minus a point mass.",
            rf"\frac{{\partial}}{{\partial q_{{12}}}} E[e^{{u_{letter}}};\ u_t, u_s < 0]",
            origin(q12) - at(q12),
            (
                Step(
                    SolveFromZero(q12, half_line(variance) / 2, claim),
                    claim,
                    "Integrate over the covariance.",
                    rf"E[e^{{u_{letter}}};\ u_t, u_s < 0]",
                ),
            ),
        )

    return (
        Lemma(
            "source of the block",
            "Three of the four products of the derivatives: that of the point masses, less those "
            "of a point mass and an exponential.",
            "p(0, 0)",
            Result("slope of the step"),
            (
                Step(Multiply(-sp.S.One), -origin(q12), "Its negative.", "-p(0, 0)"),
                Step(
                    Add(Result("edge of t")),
                    edge_t(q12) - origin(q12),
                    "And one edge.",
                    "e_t(q_{12}) - p(0, 0)",
                ),
                Step(
                    Add(Result("edge of s")),
                    edge_t(q12) + edge_s(q12) - origin(q12),
                    "And the other.",
                    "-g(q_{12})",
                ),
                Step(
                    Multiply(-sp.S.One),
                    origin(q12) - edge_t(q12) - edge_s(q12),
                    "With its sign.",
                    "g(q_{12})",
                ),
            ),
            given=(
                (origin(q12), Result("slope of the step")),
                (edge_t(q12), Result("edge of t")),
                (edge_s(q12), Result("edge of s")),
            ),
        ),
        Lemma(
            "block",
            "The fourth product is the block itself.",
            "g(q_{12})",
            Result("source of the block"),
            (
                Step(
                    SolveGrowth(q12, Result("two half lines"), both_below()),
                    both_below(),
                    "The linear equation $X' = X + g$, from independent samples.",
                    r"E[e^{u_t + u_s};\ u_t, u_s < 0]",
                ),
            ),
        ),
        block("t", q11, edge_s),
        block("s", q22, edge_t),
    )


def _derivative() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import S_t, floor, q11, q22

    step = _step_dual()
    mixed = half_line(q11) + half_line(q22) - one_below("t") - one_below("s")
    whole = r"E[\varphi'(u_t)\, \varphi'(u_s)]"
    line = half_line(q11)
    return (
        Lemma(
            "mean slope of ELU",
            r"For $\varphi(x) = x$ above 0 and $\lambda (e^x - 1)$ below, of slope $\lambda e^x$ "
            "there.",
            r"E[e^u;\ u < 0]_{\varsigma_t}",
            Result("half line"),
            (
                Step(
                    Substitute(((S_t, q11),)), line, "For the sample $t$.", r"E[e^{u_t};\ u_t < 0]"
                ),
                Step(Multiply(floor), floor * line, "Below.", r"E[\varphi'(u_t);\ u_t < 0]"),
                Step(Add(sp.S.Half), sp.S.Half + floor * line, "And above.", r"E[\varphi'(u_t)]"),
            ),
        ),
        Lemma(
            "derivative of ELU",
            "The same of two samples.",
            r"E[e^{u_t + u_s};\ u_t, u_s < 0]",
            Result("block"),
            (
                Step(
                    Multiply(floor**2),
                    floor**2 * both_below(),
                    "Both below.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s);\ u_t, u_s < 0]",
                ),
                Step(
                    Add(Result("step")),
                    step + floor**2 * both_below(),
                    "And both above.",
                    r"E[\varphi'(u_t)\, \varphi'(u_s);\ u_t u_s > 0]",
                ),
                Step(
                    Add(floor * mixed),
                    step + floor * mixed + floor**2 * both_below(),
                    "And one above, one below: the half line less the block of that sample.",
                    whole,
                ),
            ),
        ),
    )


def _step_dual() -> sp.Basic:
    from derivations.kernels.gaussian_pair import PAIR
    from theory.kernels import KERNELS

    return KERNELS["step"].dual(PAIR)


def _dual() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.kernels.engine import by_price, mean
    from derivations.kernels.gaussian_pair import PAIR, normal, tidy
    from derivations.proof import Result
    from theory.kernels import KERNELS
    from theory.symbols import edge_s, edge_t, floor, origin, q11, q12, q22, r, u_t

    density = normal(u_t, q11)
    one = sp.sqrt(q11 / (2 * sp.pi)) + floor * (half_line(q11) - sp.S.Half)
    start = one * one.subs(q11, q22)
    hinges = tidy(KERNELS["relu"].dual(PAIR)) - sp.sqrt(q11 * q22) / (2 * sp.pi)
    both = sp.Integral(origin(r) - edge_t(r) - edge_s(r), (r, 0, q12))
    mixed = sp.Integral((q12 - r) * (2 * origin(r) - edge_t(r) - edge_s(r)), (r, 0, q12))
    linear = q12 * (half_line(q11) + half_line(q22)) / 2
    exponentials = both_below() - half_line(q11) * half_line(q22) - both
    return (
        *mean(
            "mean of ELU",
            "Both half lines.",
            r"E[\varphi(u_t)]",
            sp.Integral(u_t * density, (u_t, 0, sp.oo))
            + sp.Integral(floor * sp.exp(u_t) * density, (u_t, -sp.oo, 0))
            - sp.Integral(floor * density, (u_t, -sp.oo, 0)),
            one,
            "Integrate.",
        ),
        by_price(
            "ELU",
            "Price's theorem once more; the block is its own derivative, less its source.",
            Result("derivative of ELU"),
            Result("mean of ELU, squared"),
            start + hinges + floor * (linear - mixed) + floor**2 * exponentials,
            r"\varphi({})",
        ),
    )


def _stretched() -> tuple[Lemma, ...]:
    from derivations.proof import Lemma, Multiply, Result, Step
    from theory.symbols import stretch

    written = {
        "mean of ELU": r"E[\varphi(u_t)]",
        "mean slope of ELU": r"E[\varphi'(u_t)]",
        "ELU": r"E[\varphi(u_t)\, \varphi(u_s)]",
        "derivative of ELU": r"E[\varphi'(u_t)\, \varphi'(u_s)]",
    }

    def multiple(lemma: Lemma) -> Lemma:
        order = 1 if "mean" in lemma.name else 2
        value, symbol = stretch**order * lemma.steps[-1].states, written[lemma.name]
        times = rf"\Lambda {symbol}" if order == 1 else rf"\Lambda^2 {symbol}"
        return Lemma(
            lemma.name.replace("ELU", "SELU"),
            r"SELU is $\Lambda \varphi$, with constants $\lambda$ and $\Lambda$.",
            symbol,
            Result(lemma.name),
            (Step(Multiply(stretch**order), value, "Once for each sample.", times),),
        )

    return tuple(multiple(one) for one in (*_derivative(), *_dual()) if one.name in written)


ELU_KERNELS = kernel_theorem(
    id="kernel-elu",
    says="Gaussian integrals of ELU and SELU, up to one integral over the covariance.",
    statement=r"""Let $(u_t, u_s)$ be a centred Gaussian pair and $\varphi(x) = x$ above 0, $\lambda
(e^x - 1)$ below. The block $X = E[e^{u_t + u_s};\ u_t, u_s < 0]$ solves $X' = X + g$ in the
covariance $q_{12}$, with $g$ the density of the pair at 0 less two edges; the kernels of
$\varphi'$ and $\varphi$ are the sums of blocks of the proof, those of SELU, $\Lambda \varphi$, are
multiples.""",
    assumptions=(
        PRICE,
        UNIQUE,
        "Symmetry: both samples of a centred pair are below 0 as often as both are above.",
    ),
    source="Price, IRE Trans. Inf. Theory 1958; activation: Clevert, Unterthiner & Hochreiter, "
    "ICLR 2016; Klambauer et al., NeurIPS 2017",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.kernels.catalogue import show

    show("kernel-elu")
