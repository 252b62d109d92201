"""Many (sigma_w2, sigma_b2) at once, in place of those of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.architecture import Network
from theory.errors import DescriptionError
from theory.mathematics import FLOATS, Number
from theory.validation import at_least_zero, check_positive, check_real


def variances(network: Network, m: Any, sigma_w2: Any, sigma_b2: Any) -> tuple[Number, Number]:
    """The variances of a prediction, the network's own where None is given.

    Numbers in the number system m, or arrays of float64 that can be broadcast against each other.
    Raises ``DescriptionError`` for others: no numbers, no points, sigma_w2 <= 0, sigma_b2 < 0.

    >>> net = Network("relu", depth=2, sigma_w2=2)
    >>> variances(net, FLOATS, np.array([1, 2]), None)
    (array([1., 2.]), 0.0)
    """
    given = {"sigma_w2": sigma_w2, "sigma_b2": sigma_b2}
    found = {
        name: m.number(getattr(network, name)) if value is None else _checked(name, value, m)
        for name, value in given.items()
    }
    try:
        np.broadcast_shapes(*(np.shape(value) for value in found.values()))
    except ValueError:
        shapes = " and ".join(str(np.shape(value)) for value in found.values())
        raise DescriptionError(
            f"sigma_w2 and sigma_b2 must have shapes that fit, {shapes} given"
        ) from None
    return found["sigma_w2"], found["sigma_b2"]


def _checked(name: str, value: Any, m: Any) -> Number:
    if not isinstance(value, np.ndarray):
        check_real(name, value)
        if name == "sigma_w2":
            check_positive(name, value)
        elif not at_least_zero(value):
            raise DescriptionError(f"{name} must be at least 0, {value!r} given")
        return m.number(value)
    if m is not FLOATS:
        raise DescriptionError(f"an array of {name} is for float64: give numbers one by one")
    if value.dtype.kind not in "iuf" or not value.size:
        raise DescriptionError(
            f"{name} must be a number or an array of numbers, {value.dtype} of shape {value.shape} "
            "given"
        )
    array = value.astype(float)
    good = np.isfinite(array) & (array > 0 if name == "sigma_w2" else array >= 0)
    if not good.all():
        least = "positive" if name == "sigma_w2" else "at least 0"
        at = int(np.flatnonzero(~good.ravel())[0])
        raise DescriptionError(
            f"{name} must be finite and {least}, {array.ravel()[at]} given at place {at}"
        )
    return array
