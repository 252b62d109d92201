"""The dual of an activation at one variance, in closed form: ``theory.dual_map`` without nodes."""

from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from theory.activations import Activation
from theory.errors import OutOfRegime
from theory.families.kernel import Kernel
from theory.pair import Law, Pair

EVEN = 1e-13
"""Gap at c = -1, over the second moment, below which phi is even."""


class ClosedDual:
    r"""What ``theory.dual_map.DualMap`` gives, each value from the closed integrals.

    ``second``, ``gap``, ``derivative_dual`` and ``even`` are as there, for pairs of variance q and
    mean ``shift``. A few hundred points cost less than the nodes of a ``DualMap``.

    Raises ``OutOfRegime`` where the second moment is not a positive number.

    >>> from theory.gaussian import closed_kernel
    >>> relu = Activation.named("relu")
    >>> one = ClosedDual(relu, closed_kernel(relu), 2.0)
    >>> [round(float(x), 12) for x in one.second - one.gap(np.array([0.0, 1.0, 2.0]))]
    [1.0, 0.318309886184, 0.0]
    """

    power = 2

    def __init__(
        self, activation: Activation, kernel: Kernel, q: float, shift: float = 0.0
    ) -> None:
        self.kernel, self.q, self.shift = kernel, q, shift
        self.second = float(kernel.second(Law(shift or 0, q)))
        if not (isfinite(self.second) and self.second > 0):
            raise OutOfRegime(
                f"E phi(u)^2 of {activation} at variance {q:g} is {self.second:g}: "
                "the kernel needs a positive number"
            )

    @cached_property
    def even(self) -> bool:
        """Whether phi is even, that is, whether the gap at c = -1 is 0 but for rounding."""
        opposite = float(self.gap(np.array([2.0]))[0])
        return not self.shift and abs(opposite) <= EVEN * self.second

    def gap(self, one_minus_c: np.ndarray, one_plus_c: np.ndarray | None = None) -> np.ndarray:
        r""":math:`E\varphi(u)^2 - E\varphi(u)\varphi(v)`."""
        assert self.kernel.gap is not None
        return self.kernel.gap(self._pair(one_minus_c, one_plus_c))

    def derivative_dual(
        self, one_minus_c: np.ndarray, one_plus_c: np.ndarray | None = None
    ) -> np.ndarray:
        r""":math:`E\varphi'(u)\varphi'(v)`."""
        return self.kernel.derivative_dual(self._pair(one_minus_c, one_plus_c))

    def _pair(self, dl: np.ndarray, op: np.ndarray | None) -> Pair:
        q = np.full(dl.shape, self.q)
        means: Any = (np.full(dl.shape, self.shift),) * 2 if self.shift else ()
        return Pair(q, q, q * (1 - dl), dl, 2 - dl if op is None else op, *means)
