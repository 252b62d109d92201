"""The largest eigenvalue of centred outputs where samples grow with the width: its value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.approach import BULK, BULK_DISTANCE
from derivations.networks import LINEAR, RELU, TANH
from derivations.samples import Proportional
from derivations.theorem import Case, Row, Terms, Theorem
from numerics.plan import BULK_TOP
from theory import fisher
from theory.architecture import BatchNorm, LayerNorm, MeanSubtraction, Network
from theory.bulk import norm_outliers, right_edge
from theory.bulk.finite import TRACY_WIDOM_MEAN, Top, mean_top
from theory.bulk.model import model
from theory.errors import NotCovered, OutOfRegime
from theory.mathematics import Number
from theory.schemes import Scheme

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

ID = "bulk-edge"
TOP, DISTANCE = "largest_over_mean", "distance_from_the_edge"
WIDTHS = (256, 1024)
DRIFT = 0.003
"""Relative change of the edge over these widths from which on it is that of few units."""


def requires(network: Network, samples: int) -> None:
    """Centred outputs whose bulk is derived, no outlier above it, an edge that stays."""
    require_bulk(ID, network)
    rho = BULK_TOP.widths[0] / samples
    narrow, wide = (right_edge(model(network, rho, width)).value for width in WIDTHS)
    if abs(wide / narrow - 1) > DRIFT:
        raise OutOfRegime(
            f"{ID} needs an edge that stays as the width grows, but it moves from {narrow:.4g} at "
            f"M = {WIDTHS[0]} to {wide:.4g} at {WIDTHS[1]}: few units of large weight decide it, "
            "and networks were seen to stay up to 5 % below."
        )
    try:
        outliers = norm_outliers(model(network, rho, WIDTHS[0]))
    except NotCovered:
        return
    if outliers:
        raise OutOfRegime(
            f"{ID} needs the bulk on top, but norms of samples lift an eigenvalue of "
            f"{outliers[0]:.4g} out of it (edge {narrow:.4g})."
        )


def require_bulk(id: str, network: Network) -> None:
    """Mean subtraction over all samples in the last layer, and a bulk that is derived."""
    if network.last.kind != "mean-subtraction" or network.loss != "mse":
        raise OutOfRegime(f"{id} needs mean subtraction in the last layer, and squares.")
    try:
        model(network, 1.0, WIDTHS[0])
    except NotCovered as problem:
        raise OutOfRegime(f"{id} is not derived here: {problem}") from None


def largest_over_mean(t: Terms) -> Number:
    """The mean top of the bulk at this width over the mean of the bulk."""
    return _top(t).value / fisher.bulk_mode(t.K.gap, t.N)


def distance_over_mean(t: Terms) -> Number:
    """The mean distance of the top from the edge, over the mean of the bulk."""
    found = _top(t)
    return (found.edge - found.value) / fisher.bulk_mode(t.K.gap, t.N)


def _top(t: Terms) -> Top:
    assert t.top is not None
    return t.top()


def prove() -> Proof:
    """A square root at the edge, the scale on which eigenvalues are counted, the top."""
    from derivations.proof import Proof

    return Proof(BULK_EDGE, (*_edge(), *_tops()))


def _edge() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Integrate, Lemma, Step, Substitute
    from theory.symbols import M, N, below_edge, bulk_edge, edge_bend, g_step, in_units, r, rho

    density = sp.sqrt(2 * below_edge / edge_bend) / sp.pi
    airy = sp.Rational(2, 3) / sp.pi * in_units ** sp.Rational(3, 2)
    roots = N * sp.sqrt(2 / edge_bend)
    counted = sp.Rational(2, 3) / sp.pi * roots * below_edge ** sp.Rational(3, 2)
    return (
        Lemma(
            "square root at the edge",
            r"The resolvent $g$ solves $\lambda(g) = \lambda$. At the edge $\lambda'(g) = 0$, and "
            r"$\lambda(g) = \lambda_e + \frac12 \ddot\lambda h_e^2$ to second order in "
            r"$h_e = g - g_e$.",
            r"\lambda(g_e + h_e)",
            bulk_edge + edge_bend * g_step**2 / 2,
            (
                Step(
                    Substitute(((g_step, sp.I * sp.pi * density),)),
                    bulk_edge - below_edge,
                    r"An imaginary $h_e$, $\pi$ times the density, reaches the values below "
                    "the edge: the density vanishes like a square root.",
                ),
            ),
        ),
        Lemma(
            "scale of the edge",
            r"Above $\lambda_e - x_e$ there are $N$ times the integral of that density.",
            None,
            N * sp.sqrt(2 * r / edge_bend) / sp.pi,
            (
                Step(
                    Integrate(r, sp.S.Zero, below_edge),
                    counted,
                    "The number of eigenvalues so close to the edge.",
                ),
                Step(
                    Substitute(((below_edge, roots ** sp.Rational(-2, 3) * in_units),)),
                    airy,
                    r"With $x_e = s_e y_e$ and $s_e = (N \sqrt{2/\ddot\lambda"
                    r"})^{-2/3}$: the number of eigenvalues above $-y_e$ at the edge of the "
                    "Gaussian orthogonal ensemble in the units of Tracy and Widom.",
                ),
            ),
        ),
        Lemma(
            "order of the scale",
            "That scale, where samples grow with the width.",
            "s_e",
            roots ** sp.Rational(-2, 3),
            (
                Step(
                    Substitute(((N, M / rho),)),
                    (rho / M) ** sp.Rational(2, 3) * (edge_bend / 2) ** sp.Rational(1, 3),
                    r"It is of order $M^{-2/3}$: the top tends to the edge, of order 1.",
                ),
            ),
        ),
    )


def _tops() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import LINEAR_OUTPUT, Add, Lemma, Multiply, Step
    from theory.symbols import K1, K2, N, bulk_edge, fluctuation

    mean = mean_top(bulk_edge, fluctuation)
    of_bulk = Top(mean, sp.S.Zero, bulk_edge, fluctuation, sp.S.One, sp.S.Zero)
    terms = LINEAR_OUTPUT._replace(top=lambda: of_bulk)
    shift = TRACY_WIDOM_MEAN * fluctuation
    return (
        Lemma(
            "mean of the top",
            r"Edges of sample covariance matrices are universal: $(\lambda_{\max} - \lambda_e)/s_e$"
            " has the law of Tracy and Widom for real matrices, with this mean.",
            r"\mu_1",
            sp.Float(TRACY_WIDOM_MEAN),
            (
                Step(
                    Multiply(fluctuation),
                    shift,
                    "In units of the eigenvalues.",
                    r"E(\lambda_{\max} - \lambda_e)",
                ),
                Step(Add(bulk_edge), mean, "The mean of the top.", r"E \lambda_{\max}"),
                Step(
                    Multiply(N / (K1 - K2)),
                    mean * N / (K1 - K2),
                    "Over the mean eigenvalue that is left by centring.",
                ),
            ),
            row=TOP,
            terms=terms,
        ),
        Lemma(
            "distance of the top from the edge",
            "The same, from the edge over that mean.",
            r"\lambda_e/\bar\lambda",
            bulk_edge * N / (K1 - K2),
            (
                Step(
                    Add(shift * N / (K1 - K2)),
                    mean * N / (K1 - K2),
                    r"The distance that is added is of order $N^{-2/3}$, larger than the "
                    "corrections to come: an error of the top is also judged in units of it.",
                ),
            ),
            row=DISTANCE,
            terms=terms,
        ),
    )


def centred(like: Network, depth: int, hidden: Scheme | None = None) -> Network:
    """One centred output, this depth and equal widths."""
    return replace(
        like,
        depth=depth,
        outputs=1,
        last=MeanSubtraction(),
        ratios=None,
        layers=None,
        hidden=hidden,
    )


SQUARE: Proportional = Proportional(1)
HALF: Proportional = Proportional(2)
"""As many samples as units, and half as many."""

BULK_EDGE: Theorem = Theorem(
    id=ID,
    says="With samples in proportion to the width, centred outputs have a top eigenvalue of order "
    "1: an edge that a fixed point of 4L numbers gives.",
    statement=r"""Let the outputs be centred over $N = M/\rho$ samples, as in the theorem
mean-subtraction-last. As $M \to \infty$ the nonzero eigenvalues of $F$ have a law with density
$\frac1\pi \mathrm{Im}\, g$, $g$ the solution of $\lambda(g) = \lambda + i0$, where
\[
  \lambda(g) = r + \rho\, \partial_g \Phi - \frac1g
\]
at a stationary point of the function $\Phi$ of $X_l$, $Y_l$ and their resolvents (documented in
\texttt{theory.bulk.system}). Its edge $\lambda_e$ is the first minimum of $\lambda(g)$ as $g$
falls from 0, and
\[
  \lambda_{\max} = \lambda_e - 1.2065 s_e + O(M^{-1}), \qquad
  s_e = \left(N \sqrt{2/\ddot\lambda}\right)^{-2/3},
\]
in the mean: of order 1, where bounds from the moments leave it between 1 and $\sqrt M$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N = M/\rho$; $C$, $L$ and the ratios of the widths fixed.",
        "Derived, not proved: the law is that of a linear-equivalent model, by a mean-field "
        "calculation; the law of its top is universality of edges.",
        r"At $L \ge 3$, not centred and nonlinear, rare units of large weight put the edge up "
        "with the logarithm of the width: it is that of $M$ units.",
        "Regime: the edge moves by less than 0.3 % from width 256 to 1024, and norms of samples "
        "lift no outlier of order 1 out of the bulk.",
    ),
    limit="M -> oo, N = M/rho",
    source="fixed point: this project; edges: Tracy & Widom, Commun. Math. Phys. 1996",
    rows=(
        Row(
            TOP,
            r"\lambda_{\max}/\bar\lambda",
            "largest_over_mean",
            largest_over_mean,
            approach=BULK,
        ),
        Row(
            DISTANCE,
            r"(\lambda_e - \lambda_{\max})/\bar\lambda",
            "largest_over_mean",
            largest_over_mean,
            distance_over_mean,
            approach=BULK_DISTANCE,
        ),
    ),
    cases=(
        Case(centred(TANH, 2), SQUARE, (TOP,)),
        Case(centred(LINEAR, 2), SQUARE, (DISTANCE,), default=False),
        Case(centred(TANH, 3), SQUARE, (TOP,), default=False),
        Case(centred(LINEAR, 3), SQUARE, (TOP,), default=False),
        Case(centred(RELU, 2), HALF, (TOP,), default=False),
        Case(centred(RELU, 3), HALF, (TOP,), default=False),
        Case(centred(RELU, 2, LayerNorm()), SQUARE, (TOP,), default=False),
        Case(centred(RELU, 2, BatchNorm()), SQUARE, (TOP,), default=False),
        Case(centred(TANH, 2, BatchNorm()), SQUARE, (TOP,), default=False),
        Case(centred(RELU, 2, MeanSubtraction()), SQUARE, (TOP,), default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run(ID)
