r"""The six Gaussian integrals of any activation, by quadrature, each with a stated error.

An activation without kinks is integrated by the trapezoid rule (``trapezoid``); one with kinks, or
one that varies too fast for it, by panels (``panels``). Jumps of phi enter the derivative as point
masses. In float64 the rounding errors of phi are measured against 30 digits, and where they are too
large the whole integral is done in mpmath.

The stated error is the gap between two refinements times ``estimate.SAFETY``, plus the rounding
errors; a gap above the tolerance is never returned: the quadrature refines, and gives up with
``NotConverged``. The gap sees what the nodes see. Of Gaussian bumps added to a line, at random
places within three standard deviations, those whose own deviation is 1/1000 of that of u are all
seen; of those three times as narrow a quarter is missed, and nearly all that are ten times as
narrow, without a sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theory.families.kernel import Integral, Kernel
from theory.mathematics import FLOATS, precise
from theory.pair import Law, Pair
from theory.quadrature.cost import seconds
from theory.quadrature.estimate import Answer, Estimate, NotConverged, given, tolerance
from theory.quadrature.line import line_integrals
from theory.quadrature.plane import plane_integrals

if TYPE_CHECKING:
    from theory.activations import Activation

__all__ = [
    "Estimate",
    "NotConverged",
    "integrals",
    "one_sample",
    "quadrature_kernel",
    "seconds",
    "tolerance",
]


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


def quadrature_kernel(activation: Activation, digits: int | None = None) -> Kernel:
    """The kernel whose functions give an ``Estimate`` or raise ``DoesNotExist``; no gaps.

    >>> from theory.activations import Activation
    >>> kernel = quadrature_kernel(Activation.from_expression("cos(x)"), digits=20)
    >>> kernel.mean(Law(0, 2)).value - precise(20).exp(-1) < 1e-20
    True
    """
    m = FLOATS if digits is None else precise(digits)

    def of_law(name: str) -> Integral:
        return lambda law: given(one_sample(activation, law, m)[name])

    def of_pair(name: str) -> Integral:
        def integral(pair: Pair) -> Estimate:
            numbers = Pair(*(m.number(value) for value in pair))
            return given(plane_integrals(activation, numbers, m)[name])

        return integral

    return Kernel(
        mean=of_law("mean"),
        derivative_mean=of_law("derivative_mean"),
        second=of_law("second"),
        derivative_second=of_law("derivative_second"),
        dual=of_pair("dual"),
        derivative_dual=of_pair("derivative_dual"),
    )
