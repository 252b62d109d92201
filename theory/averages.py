r"""Averages over what differs from unit to unit: a scale, a shift, the variance of a batch.

By the trapezoid rule on a line, which converges exponentially for analytic integrands; the step is
halved until two results agree to 1e-10 of their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, expm1, log, sqrt
from typing import Any, TypeVar

import numpy as np

from theory.errors import NotConverged
from theory.mathematics import Number

TOLERANCE = 1e-10
ROUNDING = 1e-4  # of the largest number: what is smaller than its rounding errors counts as 0
FIRST, HALVINGS = 8, 9
DECADES = 39.0  # the logarithm of what is negligible
WIDEST = 9.0

Record = TypeVar("Record")


def over_normal(f: Callable[[float], Record], mean: float, deviation: float) -> Record:
    """``E f(x)``, x normal; f gives nested tuples of numbers, of arrays, of None.

    >>> [round(part, 12) for part in over_normal(lambda x: (x, x**2), 1.0, 2.0)]
    [1.0, 5.0]
    """
    if deviation == 0:
        return f(mean)
    return _mean(lambda xi: f(mean + deviation * xi), lambda xi: -(xi**2) / 2, -WIDEST, WIDEST)


def over_variance(f: Callable[[float], Record], n: int) -> Record:
    r"""``E f(x/n)``, x of the chi-square law with n degrees of freedom.

    On the line of u = log(x/n), with the weight :math:`e^{n(u + 1 - e^u)/2}`.

    >>> round(over_variance(lambda x: (x**2,), 3)[0], 12)
    1.666666666667
    """
    spread = 2 * DECADES / n + 2.2 * sqrt(DECADES / n)

    def weight(u: float) -> float:
        return n / 2 * (u - expm1(u))

    return _mean(lambda u: f(exp(u)), weight, -spread, log(1 + spread))


def _mean(
    f: Callable[[float], Any], weight: Callable[[float], float], low: float, high: float
) -> Any:
    count = FIRST
    template: Any = None
    total: Any = 0.0
    sizes: Any = 0.0
    mass = 0.0
    before: Any = None
    for halving in range(HALVINGS):
        steps = range(count + 1) if halving == 0 else range(1, count, 2)
        for k in steps:
            at = low + (high - low) * k / count
            template = f(at)
            numbers = np.stack(np.broadcast_arrays(*flat(template))).astype(float)
            factor = exp(weight(at))
            total, sizes = total + factor * numbers, sizes + factor * abs(numbers)
            mass += factor
        values = total / mass
        if before is not None:
            floor = ROUNDING * np.max(sizes) + np.finfo(float).tiny
            gap = np.max(mass * np.abs(values - before) / (sizes + floor))
            if gap <= TOLERANCE:
                return like(template, iter(values))
        before, count = values, 2 * count
    raise NotConverged(
        f"the average over the units has not converged with {count // 2} nodes: the last gap is "
        f"{gap:.1e} of the size"
    )


def elementwise(f: Callable[..., Any], *arguments: Number) -> Any:
    """f of floats, which gives nested tuples, over arrays of floats."""
    if not any(np.ndim(argument) for argument in arguments):
        return f(*map(float, arguments))
    parts = np.broadcast_arrays(*arguments)
    each = [f(*map(float, point)) for point in zip(*(part.ravel() for part in parts), strict=True)]
    columns = zip(*map(flat, each), strict=True)
    return like(each[0], iter([np.reshape(column, parts[0].shape) for column in columns]))


def flat(record: Any) -> list[Number]:
    """The numbers of nested tuples in order, None left out."""
    if record is None:
        return []
    if isinstance(record, tuple):
        return [number for part in record for number in flat(part)]
    return [record]


def like(record: Any, numbers: Iterator[Number]) -> Any:
    """The record with these numbers in place of its own."""
    if record is None:
        return None
    if isinstance(record, tuple):
        parts = [like(part, numbers) for part in record]
        return type(record)(*parts) if hasattr(record, "_fields") else tuple(parts)
    value = next(numbers)
    return value if np.ndim(value) else float(value)
