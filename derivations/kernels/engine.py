r"""What the proofs of kernels share: a Gaussian pair, and Price's theorem as an equation.

For a pair of variances q_11 and q_22, as a function of the covariance q_12,

.. math:: \frac{\partial}{\partial q_{12}} E\varphi(u_t)\varphi(u_s) = E\varphi'(u_t)\varphi'(u_s),
          \qquad E\varphi(u_t)\varphi(u_s)\big|_{q_{12} = 0} = E\varphi(u_t)\,E\varphi(u_s)

so that a claimed integral is proved by one derivative and one value.
"""

from __future__ import annotations

import sympy as sp

from derivations.kernels.gaussian_pair import OTHER
from derivations.kernels.operations import SolveFromZero, TimesOther
from derivations.proof import Evaluate, Known, Lemma, Result, Step
from theory.symbols import q12

GIVEN_COVARIANCE = r"\frac{\partial}{\partial q_{12}} "


def mean(
    name: str, opening: str, symbol: str, integral: sp.Basic, value: sp.Basic, reason: str
) -> tuple[Lemma, Lemma]:
    """A mean over u_t, and the product with that over u_s: the value at zero covariance."""
    product = value * value.xreplace(OTHER)
    other = symbol.replace("u_t", "u_s")
    return (
        Lemma(name, opening, symbol, integral, (Step(Evaluate(), value, reason),)),
        Lemma(
            f"{name}, squared",
            "The samples are independent at $q_{12} = 0$: the value of the integral there.",
            symbol,
            Result(name),
            (
                Step(
                    TimesOther(),
                    product,
                    "Times that of the other sample.",
                    f"{symbol} \\, {other}",
                ),
            ),
        ),
    )


def by_price(
    name: str, opening: str, slope: Known, initial: Known, claim: sp.Basic, phi: str
) -> Lemma:
    """A closed integral as the solution of Price's equation; ``phi`` is the activation in LaTeX."""
    of_t, of_s = phi.format("u_t"), phi.format("u_s")
    whole, start = rf"E[{of_t}\, {of_s}]", rf"E[{of_t}]\, E[{of_s}]"
    return Lemma(
        name,
        opening,
        GIVEN_COVARIANCE + whole,
        slope,
        (
            Step(
                SolveFromZero(q12, initial, claim, start if isinstance(initial, Result) else None),
                claim,
                "Integrate over the covariance, from independent samples: the derivative and the "
                "value at 0 determine the function.",
                whole,
            ),
        ),
    )
