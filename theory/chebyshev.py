"""Chebyshev series that refine themselves until fresh points of the function confirm them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np

FEWEST, MOST = 16, 1024
SETTLED, NEGLIGIBLE = 1e-14, 1e-15
CHUNK = 1 << 13


@dataclass(frozen=True)
class Series:
    r"""Functions :math:`f_i(s) = \sum_k a_{ik} T_k(2s/e - 1)` on [0, e], one row for each.

    ``gaps`` are the largest differences from values of the functions at points that are not nodes.
    """

    end: float
    coefficients: np.ndarray
    gaps: np.ndarray

    def __call__(self, s: np.ndarray) -> np.ndarray:
        """The functions at the points s of any shape, shape (rows, \\*s.shape); by Clenshaw."""
        flat = np.ravel(s)
        out = np.empty((len(self.coefficients), flat.size))
        for start in range(0, flat.size, CHUNK):
            part = slice(start, start + CHUNK)
            twice = (4 / self.end) * flat[part] - 2
            for row, coefficients in zip(out, self.coefficients, strict=True):
                row[part] = _clenshaw(coefficients, twice)
        return out.reshape(len(out), *np.shape(s))


def nodes(end: float, count: int) -> np.ndarray:
    """The Chebyshev points of the first kind on [0, end]; the ends are not among them."""
    return end * np.cos((2 * np.arange(count) + 1) * pi / (4 * count)) ** 2


def interpolated(end: float, values: np.ndarray, gaps: np.ndarray) -> Series:
    """The series through values at ``nodes``, shape (rows, count); rounding alone is left out."""
    count = values.shape[1]
    angles = (2 * np.arange(count) + 1) * pi / (2 * count)
    coefficients = 2 / count * values @ np.cos(np.outer(angles, np.arange(count)))
    coefficients[:, 0] /= 2
    sizes = abs(coefficients).max(axis=1, keepdims=True)
    kept = np.flatnonzero((abs(coefficients) > NEGLIGIBLE * sizes).any(axis=0))
    return Series(end, coefficients[:, : (kept[-1] if kept.size else 0) + 1], gaps)


def fitted(functions: Callable[[np.ndarray], np.ndarray], end: float) -> Series:
    """The series of functions on [0, end], with twice the nodes until the gaps stop to fall.

    ``functions`` maps points (n,) to values (rows, n). The gaps are those of the finer series at
    the nodes of the coarser. They settle at the functions' own rounding errors, or the ``MOST``
    nodes do not suffice: whether they are small enough is for the caller to say.

    >>> series = fitted(lambda s: np.exp(s)[None], 1.0)
    >>> bool(series.gaps[0] < 1e-14), bool(abs(series(np.array([0.3]))[0, 0] - np.exp(0.3)) < 1e-14)
    (True, True)
    """
    points = nodes(end, FEWEST)
    values = functions(points)
    best = None
    count = FEWEST
    while count < MOST:
        count *= 2
        finer = nodes(end, count)
        fresh = functions(finer)
        series = interpolated(end, fresh, np.zeros(len(fresh)))
        gaps = abs(series(points) - values).max(axis=1)
        sizes = abs(fresh).max(axis=1)
        if best is not None and not np.any(gaps < best.gaps / 8):
            return best
        best = Series(end, series.coefficients, gaps)
        if np.all(gaps <= SETTLED * sizes):
            return best
        points, values = finer, fresh
    assert best is not None
    return best


def _clenshaw(coefficients: np.ndarray, twice: np.ndarray) -> np.ndarray:
    """The series at x, twice = 2 x."""
    above, value = np.zeros_like(twice), np.full_like(twice, coefficients[-1])
    if coefficients.size == 1:
        return value
    term = np.empty_like(twice)
    for coefficient in coefficients[-2:0:-1]:
        np.multiply(twice, value, out=term)
        np.subtract(term, above, out=above)
        above += coefficient
        above, value = value, above
    return coefficients[0] + twice * value / 2 - above
