r"""Gaussian integrals of any activation over one sample and over two.

An activation of the catalogue with a line in ``theory.kernels`` has its closed form (or exact
mixture); every other one is integrated by quadrature, with a stated error.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from theory.architecture import Activation, NotCovered
from theory.averages import elementwise
from theory.families.kernel import Kernel
from theory.kernels import KERNELS, SYMBOLIC
from theory.mathematics import FLOATS, Number, Symbols, of
from theory.pair import Law, Pair

SERIES_ANGLE = 1.0
GAUSS_NODES = 24


class Moments(NamedTuple):
    r"""What a layer needs to know of :math:`\varphi` under the law of two samples.

    ``first`` is :math:`E\varphi(u)^2`, ``second`` :math:`E\varphi(u)\varphi(v)`, ``gap`` their
    difference, carried; the same for :math:`\varphi'` under ``derivative_*``.
    """

    first: Number
    second: Number
    gap: Number
    derivative_first: Number
    derivative_second: Number
    derivative_gap: Number


def closed_kernel(activation: Activation) -> Kernel | None:
    """The activation's closed integrals with its parameters filled in, None if it has none.

    An expression of one's own has them where ``theory.recognition`` recognizes it.
    """
    if activation.is_named:
        return _filled(activation) if activation.name in KERNELS else None
    from theory.recognition import recognized

    return recognized(activation, closed_kernel)


@cache
def _filled(activation: Activation) -> Kernel:
    kernel = KERNELS[activation.name]
    if not activation.parameters:
        return kernel

    def fill(integral: Any) -> Any:
        return None if integral is None else partial(_with_parameters, integral, activation)

    return Kernel(**{name: fill(getattr(kernel, name)) for name in kernel.__dataclass_fields__})


def _with_parameters(integral: Any, activation: Activation, law: Any) -> Number:
    m = of(*law)
    return integral(law, **{name: _number(m, name, value) for name, value in activation.parameters})


def _number(m: Any, name: str, value: Any) -> Any:
    """A parameter in the number system m; n is a whole number in each."""
    if name == "n":
        return value
    return tuple(map(m.number, value)) if isinstance(value, tuple) else m.number(value)


def moments(activation: Activation, pair: Pair) -> Moments:
    r"""The moments of :math:`\varphi` and :math:`\varphi'` over two samples of equal law.

    Raises ``OutOfRegime`` where one does not exist (a step has no :math:`E\varphi'^2`).

    >>> moments(Activation.named("relu"), Pair.of_samples(2.0, 0.0, 2.0)).first
    1.0
    """
    kernel = closed_kernel(activation)
    if kernel is None:
        return _moments_by_quadrature(activation, pair)
    symbolic = isinstance(of(*pair), Symbols)
    _check_symbolic(activation, of(*pair))
    first, second = kernel.second(pair.u), kernel.dual(pair)
    slope, slopes = kernel.derivative_second(pair.u), kernel.derivative_dual(pair)
    gap, slope_gap = first - second, slope - slopes
    if not symbolic:
        gap = _gap_by_price(kernel, pair, gap) if kernel.gap is None else kernel.gap(pair)
        slope_gap = slope_gap if kernel.derivative_gap is None else kernel.derivative_gap(pair)
    return Moments(first, second, gap, slope, slopes, slope_gap)


def mean(activation: Activation, law: Law) -> Number:
    r""":math:`E\varphi(u)` over one sample, in every number system that ``moments`` has.

    >>> mean(Activation.named("linear"), Law(0.5, 2.0))
    0.5
    """
    kernel = closed_kernel(activation)
    m = of(*law)
    if kernel is not None:
        _check_symbolic(activation, m)
        return kernel.mean(law)
    if isinstance(m, Symbols):
        raise NotCovered(f"a symbolic prediction for {activation}, which has no closed form")
    from theory.quadrature import one_sample

    if m is not FLOATS:
        return _given(one_sample(activation, law, m)["mean"])
    return elementwise(
        lambda shift, a: float(_given(one_sample(activation, Law(shift, a))["mean"])), *law
    )


def _check_symbolic(activation: Activation, m: Any) -> None:
    if isinstance(m, Symbols) and activation.name not in SYMBOLIC:
        raise NotCovered(f"a symbolic prediction for {activation} (covered: {', '.join(SYMBOLIC)})")


def _moments_by_quadrature(activation: Activation, pair: Pair) -> Moments:
    m = of(*pair)
    if isinstance(m, Symbols):
        raise NotCovered(f"a symbolic prediction for {activation}, which has no closed form")
    from theory.quadrature import integrals

    parts = np.broadcast_arrays(*pair) if m is FLOATS else pair
    if m is FLOATS and parts[0].ndim:
        each = [
            _moments_by_quadrature(activation, Pair(*map(float, point)))
            for point in zip(*(part.ravel() for part in parts), strict=True)
        ]
        return Moments(*(np.reshape(column, parts[0].shape) for column in zip(*each, strict=True)))
    found = integrals(activation, pair, m)
    first, second, slope, slopes = (
        _given(found[name]) for name in ("second", "dual", "derivative_second", "derivative_dual")
    )
    return Moments(first, second, first - second, slope, slopes, slope - slopes)


def _given(answer: Any) -> Number:
    if isinstance(answer, Exception):
        raise answer
    return answer.value


def _gap_by_price(kernel: Kernel, pair: Pair, difference: Number) -> Number:
    r"""``second - dual`` without cancellation at small angles, by Price's theorem.

    .. math:: E\varphi(u)^2 - E\varphi(u)\varphi(v)
              = q \int_0^\theta E[\varphi'\varphi'](q, q\cos t)\, \sin t\,dt
    """
    if of(*pair) is not FLOATS:
        return difference
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS_NODES)
    theta = np.minimum(pair.theta, SERIES_ANGLE)
    total = 0.0
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        t = theta * node
        total = total + weight * theta * np.sin(t) * kernel.derivative_dual(
            Pair.at(pair.a, theta=t, mean1=pair.m1, mean2=pair.m2)
        )
    return np.where(pair.theta <= SERIES_ANGLE, pair.a * total, difference)[()]
