r"""The dual of an activation at one variance, as a map of the correlation, fast over large arrays.

At a variance q the dual depends on the angle alone, :math:`c = \cos\theta`. By Price's theorem all
of it follows from the derivative's dual :math:`D(\theta) = E\varphi'(u)\varphi'(v)`,

.. math:: E\varphi(u)^2 - E\varphi(u)\varphi(v) = q \int_0^\theta D(t) \sin t\,dt,

and D is analytic in theta also where it is singular in c. On :math:`[0, \pi/2]` it is interpolated
in :math:`\sqrt\theta`, which resolves the layer of width :math:`1/\sqrt q` next to c = 1, on the
other half in :math:`\sqrt{\pi - \theta}`. The integral over [0, theta] is an average of D with
positive weights, so that nothing cancels as c tends to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, isfinite, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from theory.architecture import Activation
from theory.chebyshev import Series, fitted, interpolated, nodes
from theory.errors import DescriptionError, OutOfRegime
from theory.gaussian import closed_kernel
from theory.pair import Law, Pair
from theory.quadrature import NotConverged, quadrature_kernel
from theory.validation import check_positive

TOLERANCE = 1e-10
END = sqrt(pi / 2)


class Half(NamedTuple):
    r"""Half a map, a function of :math:`s = \sqrt\omega`, omega the angle from c = 1 or c = -1.

    ``slope`` is :math:`D \sin(\omega)/\omega^{k-1}`, and ``drop``, its average, is
    :math:`k\,\omega^{-k} \int_0^\omega D \sin`, with k = 2, or 1 where phi jumps.
    """

    slope: Series
    drop: Series


class DualMap:
    r"""The dual of an activation for centred pairs of variance q, at arrays of 1 - c.

    ``second`` is :math:`E\varphi(u)^2`; the methods give, elementwise for 0 <= 1 - c <= 2 and any
    shape, the dual, ``gap`` = second - dual, and the derivative's dual. ``error`` bounds the error
    of a gap, relative to the gap itself for c >= 0 and to ``second`` for c < 0. It is measured
    against direct evaluations of D between the nodes, and of the dual at c = -1. ``even`` says
    whether phi is even, that is, whether the gap at c = -1 is 0 to that accuracy.

    Raises ``NotConverged`` if the error exceeds the tolerance, ``OutOfRegime`` where an integral
    does not exist or exceeds float64, ``DescriptionError`` for a variance that is not positive.

    >>> relu = DualMap(Activation.named("relu"), 2.0)
    >>> [round(float(x), 12) for x in relu.dual([0.0, 1.0, 2.0])]  # 1, 1/pi, 0
    [1.0, 0.318309886184, 0.0]
    >>> round(float(relu.gap(1e-20)) * 1e20, 9)  # q E phi'(u)^2, nearly
    1.0
    """

    def __init__(self, activation: Activation, q: float, tolerance: float = TOLERANCE) -> None:
        check_positive("q", q)
        self.q, self.power = float(q), 1 if activation.jumps else 2
        direct = _Direct(activation, self.q)
        self.second = direct.second()
        self._halves = tuple(_half(direct, self.power, far) for far in (False, True))
        near, far = self._halves
        scale = self.q * (pi / 2) ** self.power / self.power
        whole = scale * sum(float(half.drop(np.array(END))[0]) for half in self._halves)
        near_error = float(near.slope.gaps[0] / abs(near.drop(nodes(END, 64))).min())
        far_error = scale * float(near.slope.gaps[0] + far.slope.gaps[0]) / self.second
        gap = abs(whole - (self.second - direct.opposite())) / self.second
        self.error = max(near_error, far_error, gap)
        if not self.error <= tolerance:
            raise NotConverged(
                f"the dual of {activation} at variance {self.q:g}, interpolated in the angle, is "
                f"known to {self.error:.1e} only, {tolerance:.1e} asked for"
            )
        self.even = abs(whole) <= self.error * self.second
        self._whole = 0.0 if self.even else whole

    def gap(self, one_minus_c: Any, one_plus_c: Any = None) -> np.ndarray:
        r""":math:`E\varphi(u)^2 - E\varphi(u)\varphi(v)`.

        1 + c is for callers that know it better than as the difference to 2.
        """

        def drop(half: Half, s: np.ndarray) -> np.ndarray:
            return self.q / self.power * s ** (2 * self.power) * half.drop(s)[0]

        return self._joined(one_minus_c, one_plus_c, drop, lambda rest: self._whole - rest)

    def dual(self, one_minus_c: Any) -> np.ndarray:
        r""":math:`E\varphi(u)\varphi(v)`, in the scale of ``second``."""
        return self.second - self.gap(one_minus_c)

    def derivative_dual(self, one_minus_c: Any, one_plus_c: Any = None) -> np.ndarray:
        r""":math:`E\varphi'(u)\varphi'(v)`, in the scale of its largest value.

        Raises ``OutOfRegime`` at c = 1 and -1 if phi jumps, where it is infinite.
        """
        if self.power == 1 and np.any(np.isin(one_minus_c, (0, 2))):
            raise OutOfRegime("E phi'(u)phi'(v) does not exist at c = 1 or -1: phi jumps")

        def slope(half: Half, s: np.ndarray) -> np.ndarray:
            angle = s * s
            ratio = np.sinc(angle / pi) if self.power == 2 else np.sin(angle)
            return half.slope(s)[0] / ratio

        return self._joined(one_minus_c, one_plus_c, slope, lambda far: far)

    def _joined(
        self,
        one_minus_c: Any,
        one_plus_c: Any,
        of_half: Callable[[Half, np.ndarray], np.ndarray],
        finish: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """A function of each half at its points, that of the far half finished."""
        dl = np.asarray(one_minus_c, dtype=float)
        s, is_far = roots_of_angles(dl, one_plus_c)
        if not is_far.any():
            return of_half(self._halves[0], s)
        out = np.empty(dl.shape)
        out[~is_far] = of_half(self._halves[0], s[~is_far])
        out[is_far] = finish(of_half(self._halves[1], s[is_far]))
        return out


def roots_of_angles(
    one_minus_c: np.ndarray, one_plus_c: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r""":math:`\sqrt\theta`, or :math:`\sqrt{\pi - \theta}` where c < 0; and where that is."""
    if not np.all((one_minus_c >= 0) & (one_minus_c <= 2)):
        raise DescriptionError("1 - c must lie between 0 and 2, for a correlation c")
    is_far = one_minus_c > 1
    near = np.where(is_far, 2 - one_minus_c if one_plus_c is None else one_plus_c, one_minus_c)
    half_chord = np.sqrt(np.divide(near, 2, out=near), out=near)
    angle = np.multiply(2, np.arcsin(half_chord, out=near), out=near)
    return np.sqrt(angle, out=near), is_far


@lru_cache(maxsize=256)
def dual_map(activation: Activation, q: float) -> DualMap:
    """The map with the default tolerance, kept for the next call."""
    return DualMap(activation, q)


class _Direct:
    """The integrals without interpolation, in closed form or by quadrature."""

    def __init__(self, activation: Activation, q: float) -> None:
        self.q, self.activation = q, activation
        self.closed = closed_kernel(activation)
        self.kernel = self.closed or quadrature_kernel(activation)

    def second(self) -> float:
        """The second moment; refused if it is not a positive number."""
        value = self._plain(self.kernel.second(Law(0, self.q)))
        if not (isfinite(value) and value > 0):
            raise OutOfRegime(
                f"E phi(u)^2 of {self.activation} at variance {self.q:g} is {value:g}: "
                "the dual needs a positive number"
            )
        return value

    def opposite(self) -> float:
        """The dual at c = -1."""
        return self._plain(self.kernel.dual(Pair.at(self.q, one_plus_c=0.0)))

    def slopes(self, angle: np.ndarray, far: bool) -> np.ndarray:
        """The derivative's dual at angles from c = 1, or from c = -1."""
        small, large = 2 * np.sin(angle / 2) ** 2, 2 * np.cos(angle / 2) ** 2
        dl, op = (large, small) if far else (small, large)
        q = np.full_like(angle, self.q)
        r = q * np.cos(angle) * (-1 if far else 1)
        if self.closed:
            return np.asarray(self.kernel.derivative_dual(Pair(q, q, r, dl, op)), dtype=float)
        pairs = zip(q.tolist(), r.tolist(), dl.tolist(), op.tolist(), strict=True)
        return np.array(
            [
                self._plain(self.kernel.derivative_dual(Pair(q, q, r, dl, op)))
                for q, r, dl, op in pairs
            ]
        )

    def _plain(self, value: Any) -> float:
        return float(value if self.closed else value.value)


def _half(direct: _Direct, power: int, far: bool) -> Half:
    def slope(s: np.ndarray) -> np.ndarray:
        angle = s * s
        ratio = np.sinc(angle / pi) if power == 2 else np.sin(angle)
        return (direct.slopes(angle, far) * ratio)[None]

    series = fitted(slope, END)
    return Half(series, _average(series, power))


def _average(series: Series, power: int) -> Series:
    r""":math:`2k \int_0^1 f(sx)\,x^{2k-1} dx`, exactly for the polynomial f = series."""
    count = series.coefficients.shape[1]
    x, weights = np.polynomial.legendre.leggauss(ceil(count / 2) + power)
    x, weights = (x + 1) / 2, weights * power
    values = series(np.outer(nodes(END, count), x))[0]
    return interpolated(END, (values @ (weights * x ** (2 * power - 1)))[None], series.gaps)
