"""What theory knows of one activation: six Gaussian integrals, and gaps without cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from theory.errors import OutOfRegime
from theory.mathematics import Number

Integral = Callable[..., Number]


class DoesNotExist(OutOfRegime):
    """The integral diverges, or is no function, at these values."""


@dataclass(frozen=True)
class Kernel:
    r"""The Gaussian integrals of :math:`\varphi`; parameters of the activation come by name.

    With u of a ``Law`` and (u, v) of a ``Pair``: ``mean`` is :math:`E\varphi(u)`, ``second``
    :math:`E\varphi(u)^2`, ``dual`` :math:`E\varphi(u)\varphi(v)`, and ``derivative_*`` the same for
    the distributional derivative. ``gap`` is second - dual for a pair of equal laws.
    """

    mean: Integral
    derivative_mean: Integral
    second: Integral
    derivative_second: Integral
    dual: Integral
    derivative_dual: Integral
    gap: Integral | None = None
    derivative_gap: Integral | None = None
