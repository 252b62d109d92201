"""The six Gaussian integrals of an activation over a pair, each with its error and its method."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.architecture import Activation, OutOfRegime
from theory.errors import DescriptionError
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel
from theory.mathematics import FLOATS, Number, of, precise
from theory.pair import Given, Pair
from theory.quadrature import integrals
from theory.quantity import MIXTURES, QUANTITIES, Quantity

CLOSED_ERROR = 1e-13
"""Error of a closed form in float64, relative to the geometric mean of the second moments."""

SMALLEST_ERROR = float(np.finfo(float).tiny)
"""Below it float64 has no digits left: what underflows to 0 is not known to be 0."""


def gaussian_integrals(
    activation: Activation,
    pair: Pair | Given,
    digits: int | None = None,
    *,
    certified: bool = False,
) -> dict[str, Quantity]:
    r"""The six integrals of ``QUANTITIES`` over a pair, those of one variable over u.

    ``digits``: by mpmath; the numbers of a ``Pair`` are those of
    ``theory.mathematics.precise(digits)``. ``certified``: each value is a rigorous
    ``theory.certified.Enclosure`` to 15 or so many digits, for a ``Given`` pair.
    """
    if certified:
        from theory.certified import certified_integrals

        if not isinstance(pair, Given):
            raise DescriptionError("certified integrals need exact numbers: theory.pair.Given.at")
        return certified_integrals(activation, pair, digits or 15)
    if isinstance(pair, Given):
        pair = pair.pair(FLOATS if digits is None else precise(digits))
    kernel = closed_kernel(activation)
    if kernel is None:
        m = FLOATS if digits is None else precise(digits)
        found = integrals(activation, pair, m)
        return {name: _answer(found[inner]) for name, inner in QUANTITIES.items()}
    method = "exact mixture" if activation.name in MIXTURES else "closed form"
    relative = CLOSED_ERROR if digits is None else 10.0**-digits
    values = {name: _evaluated(kernel, inner, pair) for name, inner in QUANTITIES.items()}
    scales = {
        "": _evaluated(kernel, "second", pair.same_v),
        "derivative_": _evaluated(kernel, "derivative_second", pair.same_v),
    }
    out = {}
    for name, value in values.items():
        prefix = "derivative_" if name.startswith("derivative") else ""
        own, other = values[f"{prefix}second_moment"], scales[prefix]
        if isinstance(value, OutOfRegime):
            out[name] = Quantity(None, None, method, str(value))
        else:
            error = _scale(name, value, own, other) * relative
            out[name] = Quantity(
                value, error if digits else np.maximum(error, SMALLEST_ERROR), method
            )
    return out


def _evaluated(kernel: Kernel, name: str, pair: Pair) -> Any:
    integral = getattr(kernel, name)
    try:
        return integral(pair if name in ("dual", "derivative_dual") else pair.u)
    except OutOfRegime as problem:
        return problem


def _scale(name: str, value: Number, own: Any, other: Any) -> Number:
    """The size to which an error is relative: that of the function, where it has one."""
    if isinstance(own, OutOfRegime) or isinstance(other, OutOfRegime):
        return abs(value)
    if name.endswith("dual"):
        return of(own).sqrt(own * other)
    return own if name.endswith("second_moment") else of(own).sqrt(own)


def _answer(answer: Any) -> Quantity:
    if isinstance(answer, Exception):
        return Quantity(None, None, "quadrature", str(answer))
    return Quantity(answer.value, answer.error, "quadrature")
