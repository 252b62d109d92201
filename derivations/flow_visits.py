"""The manifold of minimizers along a run: where the run is over it, and what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from derivations.dynamics import Setting, directions
from numerics import minimizers
from numerics.weight_decay import Trajectory
from theory.errors import DescriptionError


@dataclass(frozen=True)
class Visited:
    """Projections (K, n) of a run on the manifold and what is there, NaN where there is none.

    ``sharpness`` and ``second`` are the two largest eigenvalues, ``x`` the signed angle along the
    first eigenvector, ``D`` the squared slope of the logarithm of the sharpness.
    """

    zeta: np.ndarray
    sharpness: np.ndarray
    second: np.ndarray
    x: np.ndarray
    D: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return np.isfinite(self.sharpness)


def visit(setting: Setting, path: Trajectory) -> Visited:
    """The manifold under the middle of each pair of a run."""
    middle = directions(path.pairs)
    zeta = _projected(setting, middle)
    known = np.isfinite(zeta).all(axis=-1)
    sharpness, second, x, D = (np.full(len(middle), np.nan) for _ in range(4))
    v = None
    for at in np.flatnonzero(known):
        values, vectors = setting.top(zeta[at])
        v = vectors[0] if v is None or vectors[0] @ v >= 0 else -vectors[0]
        sharpness[at] = values[0]
        second[at] = values[1] if len(values) > 1 else 0.0
        theta = minimizers.unit(path.pairs[at, 0])
        x[at] = np.arctan2(theta @ v, theta @ zeta[at])
        g = setting.grad_log(zeta[at], 0)
        D[at] = g @ g
    return Visited(zeta, sharpness, second, x, D)


def _projected(setting: Setting, rows: np.ndarray) -> np.ndarray:
    """Points of the manifold, NaN where Gauss-Newton finds none."""
    try:
        return setting.retract(rows)
    except DescriptionError:
        pass
    found = np.full(rows.shape, np.nan)
    for at, row in enumerate(rows):
        try:
            found[at] = setting.retract(row)
        except DescriptionError:
            continue
    return found


def read(
    coordinate: Callable[[Setting, np.ndarray], np.ndarray] | None,
    setting: Setting,
    zeta: np.ndarray,
) -> np.ndarray:
    """A coordinate of points (K, n), NaN where there is none; the log sharpness by default."""
    found = np.full(len(zeta), np.nan)
    known = np.isfinite(zeta).all(axis=-1)
    if known.any():
        found[known] = (coordinate or _log_sharpness)(setting, zeta[known])
    return found


def _log_sharpness(setting: Setting, zeta: np.ndarray) -> np.ndarray:
    return np.log(setting.top(zeta)[0][:, 0])
