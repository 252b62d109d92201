r"""Array operations of the normalizations, differentiated through their batch statistics.

The samples lie on the last axis. **A new normalization's array operation goes here.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.architecture import (
    BatchNorm,
    MeanSubtraction,
    NoNormalization,
    NotCovered,
    OutOfRegime,
    Scheme,
)


@dataclass(frozen=True)
class Operation:
    r"""``apply(scheme, u)``, and its exact derivative at u along a tangent or a cotangent.

    ``jvp(scheme, u, tangent)`` is :math:`J\,\dot u`, ``vjp(scheme, u, cotangent)`` is
    :math:`J^T \bar y`; u broadcasts against both.
    """

    apply: Callable[[Scheme, np.ndarray], np.ndarray]
    jvp: Callable[[Scheme, np.ndarray, np.ndarray], np.ndarray]
    vjp: Callable[[Scheme, np.ndarray, np.ndarray], np.ndarray]


def _centre(u: np.ndarray) -> np.ndarray:
    return u - u.mean(axis=-1, keepdims=True)


def _normalized(scheme: BatchNorm, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = _centre(u)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + float(scheme.eps))
    if not deviation.all():
        raise OutOfRegime(
            "an output is the same for all samples, so batch norm at eps = 0 divides by 0; "
            "use other inputs, wider networks or eps > 0"
        )
    return centred / deviation, deviation


def _batch_norm(scheme: Scheme, u: np.ndarray) -> np.ndarray:
    assert isinstance(scheme, BatchNorm)
    return float(scheme.gamma) * _normalized(scheme, u)[0] + float(scheme.beta)


def _batch_norm_derivative(scheme: Scheme, u: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    r""":math:`\frac{\gamma}{\sqrt{\sigma^2+\epsilon}}\left(I - \frac{11^T}N
    - \frac{\hat u\hat u^T}N\right)\dot u`: symmetric, so it is its own transpose."""
    assert isinstance(scheme, BatchNorm)
    hat, deviation = _normalized(scheme, u)
    centred = _centre(tangent)
    along = (hat * centred).mean(axis=-1, keepdims=True)
    return float(scheme.gamma) / deviation * (centred - hat * along)


OPERATIONS: dict[str, Operation] = {
    NoNormalization.kind: Operation(
        lambda scheme, u: u, lambda scheme, u, t: t, lambda scheme, u, t: t
    ),
    MeanSubtraction.kind: Operation(
        lambda scheme, u: _centre(u),
        lambda scheme, u, t: _centre(t),
        lambda scheme, u, t: _centre(t),
    ),
    BatchNorm.kind: Operation(_batch_norm, _batch_norm_derivative, _batch_norm_derivative),
}


def operation(scheme: Scheme) -> Operation:
    """The scheme's array operation; ``NotCovered`` where there is none."""
    if scheme.kind not in OPERATIONS:
        raise NotCovered(f"the array operation of {scheme.kind}")
    return OPERATIONS[scheme.kind]
