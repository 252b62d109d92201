r"""Gaussian integrals of an activation, for the two samples of a layer."""

from __future__ import annotations

from typing import NamedTuple

from theory.architecture import ACTIVATIONS, Activation, NotCovered
from theory.kernels import KERNELS, Pair
from theory.mathematics import Number, Symbols, of


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


def moments(activation: Activation, pair: Pair) -> Moments:
    r"""The Gaussian moments of :math:`\varphi` and :math:`\varphi'` over a pair of samples.

    Raises ``NotCovered`` for an activation without a closed form.

    >>> moments(ACTIVATIONS["relu"], Pair(2.0, 0.0, 2.0)).first
    np.float64(1.0)
    """
    known = ACTIVATIONS.get(activation.name)
    if known is None or known.expression != activation.expression or known.name not in KERNELS:
        raise NotCovered(f"activation {activation.expression!r} (covered: {', '.join(KERNELS)})")
    kernel, m = KERNELS[activation.name], of(*pair)
    parameters = {name: m.number(value) for name, value in activation.parameters}
    values = []
    for dual, gap in (
        (kernel.dual, kernel.gap),
        (kernel.derivative, kernel.derivative_gap),
    ):
        same, different = dual(pair.same, **parameters), dual(pair, **parameters)
        difference = same - different if isinstance(m, Symbols) else gap(pair, **parameters)
        values += [same, different, difference]
    return Moments(*values)
