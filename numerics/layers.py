r"""Array operations of the normalizations, differentiated through their statistics.

The statistics run over the last axis: the samples of a batch, or the units of a layer, as
``scheme.over`` says. ``along`` brings an array of shape (..., samples of a batch, units) there.
**A new normalization's array operation goes here.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from theory.architecture import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    NoNormalization,
    Normalized,
    OutOfRegime,
    RMSNorm,
    Scheme,
)


@dataclass(frozen=True)
class Operation:
    r"""``apply(scheme, u)``, and its exact derivative at u along a tangent or a cotangent.

    ``jvp(scheme, u, tangent)`` is :math:`J\,\dot u`, ``vjp(scheme, u, cotangent)`` is
    :math:`J^T \bar y`; u broadcasts against both. Scale and shift are those of the record, the
    same for all units.
    """

    apply: Callable[[Scheme, np.ndarray], np.ndarray]
    jvp: Callable[[Scheme, np.ndarray, np.ndarray], np.ndarray]
    vjp: Callable[[Scheme, np.ndarray, np.ndarray], np.ndarray]


def _centre(u: np.ndarray) -> np.ndarray:
    return u - u.mean(axis=-1, keepdims=True)


def _split(scheme: Normalized, u: np.ndarray) -> np.ndarray:
    """The units of each group on an axis of their own."""
    return u.reshape(*u.shape[:-1], scheme.groups, -1) if isinstance(scheme, GroupNorm) else u


def _join(scheme: Normalized, u: np.ndarray) -> np.ndarray:
    return u.reshape(*u.shape[:-2], -1) if isinstance(scheme, GroupNorm) else u


def _centred(scheme: Normalized, u: np.ndarray) -> np.ndarray:
    return u if isinstance(scheme, RMSNorm) else _centre(u)


def _hat(scheme: Normalized, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r""":math:`(u - \mu)/\sqrt{\sigma^2 + \epsilon}` and its denominator, groups split."""
    centred = _centred(scheme, _split(scheme, u))
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + float(scheme.eps))
    if not deviation.all():
        what = (
            "an output or a unit is the same for all samples of its batch"
            if scheme.over == "samples"
            else "the units of a layer have no variance for one of the samples"
        )
        raise OutOfRegime(
            f"{what}, so {scheme.kind} at eps = 0 divides by 0; use other inputs, wider networks "
            "or eps > 0"
        )
    return centred / deviation, deviation


def _normalize(scheme: Scheme, u: np.ndarray) -> np.ndarray:
    assert isinstance(scheme, Normalized)
    return float(scheme.gamma) * _join(scheme, _hat(scheme, u)[0]) + float(scheme.beta)


def _normalize_derivative(scheme: Scheme, u: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    r""":math:`\frac{\gamma}{\sqrt{\sigma^2+\epsilon}}\left(I - \frac{11^T}n
    - \frac{\hat u\hat u^T}n\right)\dot u`: symmetric, so it is its own transpose.

    n is the number of samples or units on the last axis; the mean square of RMSNorm has no
    :math:`11^T`.
    """
    assert isinstance(scheme, Normalized)
    hat, deviation = _hat(scheme, u)
    centred = _centred(scheme, _split(scheme, tangent))
    derivative = hat * (hat * centred).mean(axis=-1, keepdims=True)
    np.subtract(centred, derivative, out=derivative)
    derivative *= float(scheme.gamma) / deviation
    return _join(scheme, derivative)


_NORMALIZE = Operation(_normalize, _normalize_derivative, _normalize_derivative)

OPERATIONS: dict[str, Operation] = {
    NoNormalization.kind: Operation(
        lambda scheme, u: u, lambda scheme, u, t: t, lambda scheme, u, t: t
    ),
    MeanSubtraction.kind: Operation(
        lambda scheme, u: _centre(u),
        lambda scheme, u, t: _centre(t),
        lambda scheme, u, t: _centre(t),
    ),
} | {scheme.kind: _NORMALIZE for scheme in (BatchNorm, LayerNorm, RMSNorm, GroupNorm)}


def operation(scheme: Scheme) -> Operation:
    """The scheme's array operation."""
    return OPERATIONS[scheme.kind]


def along(scheme: Scheme, array: np.ndarray) -> np.ndarray:
    """A view of (..., samples of a batch, units) with the axis of the statistics last, and back.

    >>> along(BatchNorm(), np.zeros((2, 3, 5))).shape, along(LayerNorm(), np.zeros((3, 5))).shape
    ((2, 5, 3), (3, 5))
    """
    return array.swapaxes(-1, -2) if scheme.over == "samples" else array


def bare(scheme: Scheme) -> Scheme:
    """The scheme with scale 1 and shift 0: those of a hidden layer belong to its units.

    >>> bare(BatchNorm(gamma=2, beta=1, eps=0.5))
    BatchNorm(gamma=1, beta=0, eps=0.5, gamma_std=0, beta_std=0, trained=False)
    """
    if not isinstance(scheme, Normalized):
        return scheme
    return replace(scheme, gamma=1, beta=0, gamma_std=0, beta_std=0, trained=False)
