r"""The six Gaussian integrals of any activation, by quadrature, each with a stated error.

An activation without kinks is integrated by the trapezoid rule (``trapezoid``); one with kinks, or
one that varies too fast for it, by panels (``panels``). Jumps of phi enter the derivative as point
masses. In float64 the rounding errors of phi are measured against 30 digits, and where they are too
large the whole integral is done in mpmath.

The stated error is the gap between two refinements times ``estimate.SAFETY``, plus the rounding
errors; a gap above the tolerance is never returned: the quadrature refines, and gives up with
``NotConverged``. The gap sees what the nodes see: a feature narrower than 1/1000 of the standard
deviation may be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theory.mathematics import FLOATS
from theory.pair import Law, Pair
from theory.quadrature.cost import seconds
from theory.quadrature.estimate import Answer, Estimate, NotConverged, tolerance
from theory.quadrature.line import line_integrals
from theory.quadrature.plane import plane_integrals

if TYPE_CHECKING:
    from theory.activations import Activation

__all__ = ["Estimate", "NotConverged", "integrals", "one_sample", "seconds", "tolerance"]


def integrals(activation: Activation, pair: Pair, m: Any = FLOATS) -> dict[str, Answer]:
    r"""The integrals ``mean`` ... ``derivative_second`` over u, ``dual`` and ``derivative_dual``.

    Each is an ``Estimate``, or the exception that says why there is none: ``DoesNotExist``,
    ``OutOfRegime`` for a result beyond float64, ``NotConverged`` where the quadrature does not
    reach its tolerance over the pair. Domain: variances >= 0, correlation in [-1, 1]; m is
    ``FLOATS`` or ``precise(digits)``.

    Raises ``NotConverged`` if the tolerance is not reached over u alone, ``DescriptionError`` where
    phi is undefined, or jumps elsewhere than at its kinks.

    >>> from theory.activations import Activation
    >>> found = integrals(Activation.from_expression("x**2"), Pair.at(1.0, c=0.5))
    >>> round(float(found["dual"].value), 12), float(found["dual"].error) < 1e-11
    (1.5, True)
    """
    pair = Pair(*(m.number(value) for value in pair))
    return dict(line_integrals(activation, pair.u, m).answers) | plane_integrals(
        activation, pair, m
    )


def one_sample(activation: Activation, law: Law, m: Any = FLOATS) -> dict[str, Answer]:
    """``mean``, ``second``, ``derivative_mean`` and ``derivative_second`` in the same way."""
    return dict(line_integrals(activation, Law(*(m.number(value) for value in law)), m).answers)
