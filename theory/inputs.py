r"""Whether inputs are like those of the theory: one norm, one overlap, noise like Gaussians."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


ROUNDING = 1e-12
"""Gap between norm and overlap, over the norm, below which all inputs are one."""


class InputsWarning(UserWarning):
    """The norms or the overlaps of the inputs are far from constant."""


class Spikes(NamedTuple):
    r"""How far N inputs of M_0 numbers are from constant, with :math:`\hat q_{ts} = x_t x_s/M_0`.

    ``norms``: :math:`N\,\mathrm{var}_t(\hat q_{tt})/\hat q_1^2`, the size of the spike that unequal
    norms add, in units of the bulk. ``overlaps``: the largest eigenvalue of the centred
    :math:`\hat q` in units of the bulk :math:`\hat q_1 - \hat q_2`; 1 for constant overlaps.
    ``norms_far`` and ``overlaps_far`` are what either may be.
    """

    norms: float
    overlaps: float
    norms_far: float
    overlaps_far: float

    @property
    def far(self) -> bool:
        """Whether one of the two exceeds what it may be."""
        return self.norms > self.norms_far or self.overlaps > self.overlaps_far


def spikes(X: np.ndarray) -> Spikes:
    r"""Measure the inputs X (N, M_0) against the constant norms and overlaps of the theory.

    For a kernel :math:`(K_1 - K_2) I + K_2 11^T` the inputs need one norm :math:`\hat q_1` and one
    overlap :math:`\hat q_2`; what deviates adds eigenvalues to the bulk. Gaussian inputs deviate by
    their noise, with :math:`g = N/M_0`: norms by :math:`2 g`, overlaps up to the edge
    :math:`(1 + \sqrt g)^2` of their Gram matrix. Far from constant is a spike of order 1 beyond
    twice that: norms above :math:`1 + 4 g`, overlaps above :math:`2 (1 + \sqrt g)^2`.

    The scale of the inputs does not matter.

    >>> import numpy as np
    >>> spikes(np.eye(4)).overlaps, spikes(np.eye(4)).far
    (1.0, False)
    >>> spikes(np.eye(4, 8) * [1, 1, 1, 9, 0, 0, 0, 0]).far
    True
    """
    import numpy as np

    found = _gram(X)
    top = float(np.linalg.eigvalsh(found.gram)[-1])
    ratio = X.shape[0] / X.shape[1]
    return Spikes(
        norms=found.norms,
        overlaps=top / found.gap if found.gap > 0 else 0.0,
        norms_far=_norms_far(ratio),
        overlaps_far=_overlaps_far(ratio),
    )


class _Gram(NamedTuple):
    """The spike of the norms; norm less overlap, 0 if all inputs are one; the smaller Gram matrix
    of the centred inputs."""

    norms: float
    gap: float
    gram: np.ndarray


def _gram(X: np.ndarray) -> _Gram:
    N, width = X.shape
    largest = float(abs(X).max())
    X = X / largest if largest > 0 else X
    squares = (X**2).sum(axis=1)
    first = squares.mean()
    second = (((X.sum(axis=0)) ** 2).sum() - squares.sum()) / max(1, N * (N - 1))
    centred = X - X.mean(axis=0)
    gap = float(first - second)
    return _Gram(
        norms=float(N * squares.var() / first**2) if first > 0 else 0.0,
        gap=gap if gap > ROUNDING * first else 0.0,
        gram=centred @ centred.T if width >= N else centred.T @ centred,
    )


def _norms_far(ratio: float) -> float:
    return 1 + 4 * ratio


def _overlaps_far(ratio: float) -> float:
    return 2 * (1 + ratio**0.5) ** 2


def _is_below(gram: np.ndarray, limit: float) -> bool:
    """Whether all eigenvalues are below a limit, at a tenth of the cost of the largest one."""
    import numpy as np

    try:
        np.linalg.cholesky(limit * np.eye(len(gram)) - gram)
    except np.linalg.LinAlgError:
        return False
    return True


def warn_if_far(name: str, X: np.ndarray) -> None:
    """Warn with ``InputsWarning`` where ``spikes`` says that inputs are far from constant."""
    ratio = X.shape[0] / X.shape[1]
    parts = _gram(X)
    if parts.norms <= _norms_far(ratio) and _is_below(parts.gram, parts.gap * _overlaps_far(ratio)):
        return
    found = spikes(X)
    kinds = [
        f"{what} ({value:.3g}, at most {limit:.3g} expected)"
        for what, value, limit in (
            ("norms", found.norms, found.norms_far),
            ("overlaps", found.overlaps, found.overlaps_far),
        )
        if value > limit
    ]
    if kinds:
        warnings.warn(
            f"the {' and the '.join(kinds)} of {name} are far from constant: they add spikes of "
            "order 1 to the spectrum, which predictions for equal norms and overlaps do not have; "
            "normalize and centre the data for a comparison",
            InputsWarning,
            stacklevel=3,
        )
