"""Chebyshev series that refine themselves until fresh points of the function confirm them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import pi

import numpy as np

FEWEST, MOST = 16, 1024
SETTLED, NEGLIGIBLE = 1e-14, 1e-15
CHUNK = 1 << 13
BABY = 8
SAFETY = 0.1


@dataclass(frozen=True)
class Series:
    r"""Functions :math:`f_i(s) = \sum_k a_{ik} T_k(2s/e - 1)` on [0, e], one row for each.

    ``gaps`` are the largest differences from values of the functions at points that are not nodes.
    """

    end: float
    coefficients: np.ndarray
    gaps: np.ndarray

    def __call__(self, s: np.ndarray) -> np.ndarray:
        r"""The functions at the points s of any shape, shape (rows, \\*s.shape).

        With m = ``BABY`` and :math:`T_{mg}(x) = T_g(T_m(x))` the sum is a matrix product with
        :math:`T_0, ..., T_{m-1}`, shared by the rows, and a short Clenshaw sum in :math:`T_m`.
        """
        flat = np.ravel(s)
        giants = self._giants
        count, rows = giants.shape[:2]
        out = np.empty((rows, flat.size))
        for start in range(0, flat.size, CHUNK):
            part = slice(start, start + CHUNK)
            twice = (4 / self.end) * flat[part] - 2
            if count == 1:
                out[:, part] = giants[0] @ _polynomials(twice, giants.shape[2])
                continue
            powers = _polynomials(twice, BABY + 1)
            sums = (giants.reshape(count * rows, BABY) @ powers[:BABY]).reshape(count, rows, -1)
            _clenshaw(sums, powers[BABY], out[:, part])
        return out.reshape(rows, *np.shape(s))

    @cached_property
    def _giants(self) -> np.ndarray:
        r"""Coefficients (g, rows, i) of :math:`T_{mg} T_i`, from :math:`T_{mg+i} = 2 T_{mg} T_i
        - T_{mg-i}`."""
        rows, count = self.coefficients.shape
        if count <= BABY:
            return self.coefficients[None]
        found = np.zeros((rows, -(-count // BABY) * BABY))
        found[:, :count] = self.coefficients
        for k in range(count - 1, BABY, -1):
            if k % BABY:
                found[:, k - 2 * (k % BABY)] -= found[:, k]
                found[:, k] *= 2
        return np.ascontiguousarray(found.reshape(rows, -1, BABY).swapaxes(0, 1))


def nodes(end: float, count: int) -> np.ndarray:
    """The Chebyshev points of the first kind on [0, end]; the ends are not among them."""
    return end * np.cos((2 * np.arange(count) + 1) * pi / (4 * count)) ** 2


def interpolated(end: float, values: np.ndarray, gaps: np.ndarray) -> Series:
    """The series through values at ``nodes``, shape (rows, count); rounding alone is left out."""
    count = values.shape[1]
    turns = np.outer(2 * np.arange(count) + 1, np.arange(count)) % (4 * count)  # 4 n for 2 pi
    coefficients = 2 / count * values @ np.cos(turns * pi / (2 * count))
    coefficients[:, 0] /= 2
    sizes = abs(coefficients).max(axis=1, keepdims=True)
    kept = np.flatnonzero((abs(coefficients) > NEGLIGIBLE * sizes).any(axis=0))
    return Series(end, coefficients[:, : (kept[-1] if kept.size else 0) + 1], gaps)


def fitted(
    functions: Callable[[np.ndarray], np.ndarray], end: float, fewest: int = FEWEST
) -> Series:
    """The series of functions on [0, end], with twice the nodes until the gaps stop to fall.

    ``functions`` maps points (n,) to values (rows, n), and is first called with ``fewest`` nodes
    and twice as many at once. The gaps are those of the finer series at the nodes of the coarser.
    They settle at the functions' own rounding errors, or the ``MOST`` nodes do not suffice: whether
    they are small enough is for the caller to say.

    >>> series = fitted(lambda s: np.exp(s)[None], 1.0)
    >>> bool(series.gaps[0] < 1e-14), bool(abs(series(np.array([0.3]))[0, 0] - np.exp(0.3)) < 1e-14)
    (True, True)
    """
    points = nodes(end, fewest)
    finer = nodes(end, 2 * fewest)
    values, fresh = np.split(functions(np.concatenate([points, finer])), [fewest], axis=1)
    best = None
    while True:
        series = interpolated(end, fresh, np.zeros(len(fresh)))
        gaps = abs(series(points) - values).max(axis=1)
        if best is not None and not np.any(gaps < best.gaps / 8):
            return best
        best = Series(end, series.coefficients, gaps)
        if np.all(gaps <= SETTLED * abs(fresh).max(axis=1)) or finer.size >= MOST:
            return best
        points, values = finer, fresh
        finer = nodes(end, 2 * finer.size)
        fresh = functions(finer)


def trimmed(series: Series) -> Series:
    """The series without its last terms that lie below ``SAFETY`` of its own gaps."""
    above = abs(series.coefficients) > SAFETY * series.gaps[:, None]
    kept = int(np.flatnonzero(above.any(axis=0))[-1]) + 1
    return Series(series.end, series.coefficients[:, :kept], series.gaps)


def _polynomials(twice: np.ndarray, count: int) -> np.ndarray:
    """T_0, ..., T_{count-1} at x, twice = 2 x; shape (count, n)."""
    found = np.empty((max(count, 2), twice.size))
    found[0] = 1
    np.multiply(twice, 0.5, out=found[1])
    for k in range(2, count):
        np.multiply(twice, found[k - 1], out=found[k])
        found[k] -= found[k - 2]
    return found[:count]


def _clenshaw(terms: np.ndarray, first: np.ndarray, out: np.ndarray) -> None:
    """The sum of terms (count, rows, n), at least two, times T_g at x = first.

    The terms are overwritten.
    """
    twice, product = 2 * first, np.empty(terms.shape[1:])
    value, above = terms[-1], None
    for fresh in terms[-2:0:-1]:
        fresh += np.multiply(twice, value, out=product)
        if above is not None:
            fresh -= above
        value, above = fresh, value
    np.multiply(first, value, out=out)
    out += terms[0]
    if above is not None:
        out -= above
