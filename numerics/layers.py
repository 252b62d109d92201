r"""Array operations of the normalizations, differentiated through their statistics.

The statistics run over the last axis: the samples of a batch, or the units of a layer, as
``scheme.over`` says. ``along`` brings an array of shape (..., samples of a batch, units) there.
**A new normalization's array operation goes here.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

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


class Along(Protocol):
    """A linear map of arrays; ``overwrite`` allows it to use the argument's memory."""

    def __call__(self, vector: np.ndarray, /, overwrite: bool = False) -> np.ndarray: ...


class At(NamedTuple):
    r"""An operation at one u: its value, and its derivative as two maps.

    ``jvp`` is :math:`J`, ``vjp`` is :math:`J^T`; u broadcasts against their arguments, and must
    not exceed one that is overwritten. Where the statistics run over n samples

    .. math:: J = \text{rate} \left(I - \frac{11^T}n - \frac{\hat u\hat u^T}n\right)

    with a ``rate`` for each unit, None for 1, and ``hat`` its :math:`\hat u`, None where there is
    no such part.
    """

    value: np.ndarray
    jvp: Along
    vjp: Along
    rate: np.ndarray | None = None
    hat: np.ndarray | None = None


@dataclass(frozen=True)
class Operation:
    """``at(scheme, u)`` does all that depends on u alone, for as many derivatives as follow.

    Scale and shift are those of the record, the same for all units.
    """

    at: Callable[[Scheme, np.ndarray], At]

    def apply(self, scheme: Scheme, u: np.ndarray) -> np.ndarray:
        return self.at(scheme, u).value

    def jvp(self, scheme: Scheme, u: np.ndarray, tangent: np.ndarray) -> np.ndarray:
        return self.at(scheme, u).jvp(tangent)

    def vjp(self, scheme: Scheme, u: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        return self.at(scheme, u).vjp(cotangent)


def _same(u: np.ndarray, overwrite: bool = False) -> np.ndarray:
    return u


def _centre(u: np.ndarray, overwrite: bool = False) -> np.ndarray:
    return np.subtract(u, u.mean(axis=-1, keepdims=True), out=u if overwrite else None)


def _split(scheme: Normalized, u: np.ndarray) -> np.ndarray:
    """The units of each group on an axis of their own."""
    return u.reshape(*u.shape[:-1], scheme.groups, -1) if isinstance(scheme, GroupNorm) else u


def _join(scheme: Normalized, u: np.ndarray) -> np.ndarray:
    return u.reshape(*u.shape[:-2], -1) if isinstance(scheme, GroupNorm) else u


def _centred(scheme: Normalized, u: np.ndarray, overwrite: bool = False) -> np.ndarray:
    return u if isinstance(scheme, RMSNorm) else _centre(u, overwrite)


def _hat(scheme: Normalized, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r""":math:`(u - \mu)/\sqrt{\sigma^2 + \epsilon}` and its denominator, groups split."""
    hat = _centred(scheme, _split(scheme, u))
    deviation = np.sqrt((hat**2).mean(axis=-1, keepdims=True) + float(scheme.eps))
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
    return np.divide(hat, deviation, out=None if isinstance(scheme, RMSNorm) else hat), deviation


def _normalize(scheme: Scheme, u: np.ndarray) -> At:
    r"""The derivative is :math:`\frac{\gamma}{\sqrt{\sigma^2+\epsilon}}\left(I - \frac{11^T}n
    - \frac{\hat u\hat u^T}n\right)`: symmetric, so it is its own transpose.

    n is the number of samples or units on the last axis; the mean square of RMSNorm has no
    :math:`11^T`.
    """
    assert isinstance(scheme, Normalized)
    hat, deviation = _hat(scheme, u)
    gamma, beta = float(scheme.gamma), float(scheme.beta)
    rate = gamma / deviation

    def derivative(vector: np.ndarray, overwrite: bool = False) -> np.ndarray:
        centred = _centred(scheme, _split(scheme, vector), overwrite)
        found = hat * (hat * centred).mean(axis=-1, keepdims=True)
        found = np.subtract(centred, found, out=centred if overwrite else found)
        found *= rate
        return _join(scheme, found)

    value = hat if (gamma, beta) == (1, 0) else gamma * hat + beta
    return At(_join(scheme, value), derivative, derivative, rate, hat)


OPERATIONS: dict[str, Operation] = {
    NoNormalization.kind: Operation(lambda scheme, u: At(u, _same, _same)),
    MeanSubtraction.kind: Operation(lambda scheme, u: At(_centre(u), _centre, _centre)),
} | {scheme.kind: Operation(_normalize) for scheme in (BatchNorm, LayerNorm, RMSNorm, GroupNorm)}


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
