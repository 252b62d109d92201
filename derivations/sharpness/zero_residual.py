"""At zero residual the Hessian of the squares is the Fisher information matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The second derivative of a square along any line of weights."""
    from derivations.proof import Proof

    return Proof(ZERO_RESIDUAL, _curvature())


def _curvature() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.symbols import clock, misfit, misfit_bend, misfit_slope

    along = misfit + clock * misfit_slope + clock**2 * misfit_bend / 2
    return (
        Lemma(
            "curvature of a square",
            r"One sample's share of the loss, along a line of weights in the direction "
            r"$\mathsf d$: its residual to second order is $r_0 + \mathsf t r_1 + \frac12 "
            r"\mathsf t^2 r_2$.",
            r"\tfrac{d^2}{d\mathsf t^2} \tfrac12 r^2",
            sp.Derivative(along**2 / 2, (clock, 2)),
            (
                Step(
                    Substitute(((clock, sp.S.Zero),)),
                    misfit_slope**2 + misfit * misfit_bend,
                    r"The mean of the first terms is $|J \mathsf d|^2/N = \mathsf d^{\top} F "
                    r"\mathsf d$, that of the others $\frac1N \sum_t r_0\, \mathsf d^{\top} "
                    r"\nabla^2 f_t\, \mathsf d$.",
                ),
            ),
        ),
        Lemma(
            "curvature at zero residual",
            "Where every residual is 0:",
            r"\tfrac{d^2}{d\mathsf t^2} \tfrac12 r^2",
            Result("curvature of a square"),
            (
                Step(
                    Substitute(((misfit, sp.S.Zero),)),
                    misfit_slope**2,
                    r"So $\mathsf d^{\top} \nabla^2 L\, \mathsf d = \mathsf d^{\top} F "
                    r"\mathsf d$ for every $\mathsf d$.",
                ),
            ),
        ),
    )


ZERO_RESIDUAL = kernel_theorem(
    id="zero-residual",
    says="At zero residual the Hessian of the squares is the Fisher information matrix.",
    statement=r"""For $L = \frac1{2N} \sum_t (f_t - y_t)^2$ and $F = \frac1N J^{\top} J$,
\[ \nabla^2 L = F + \frac1N \sum_t (f_t - y_t)\, \nabla^2 f_t, \]
so that $\nabla^2 L = F$ where every residual vanishes, and not in general elsewhere.""",
    assumptions=("The outputs have two continuous derivatives in the weights.",),
    source="the Gauss-Newton decomposition",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("zero-residual")
