r"""The largest eigenvalue of the Gaussian orthogonal ensemble: its mean and spread."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from theory.errors import OutOfRegime

MOST = 32
STEP = 0.004
BEYOND = 9.0


class Law(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    deviation: float


@lru_cache
def largest_of_orthogonal(C: int) -> Law:
    r"""Of the largest eigenvalue of a symmetric C x C Gaussian matrix, off-diagonal variance 1.

    The joint density :math:`\prod_{i<j} |\lambda_i - \lambda_j| \prod_i e^{-\lambda_i^2/4}`
    integrates to a Pfaffian (de Bruijn), so that with orthonormal functions
    :math:`\varphi_j` of weight :math:`e^{-x^2/4}`

    .. math:: P(\lambda_{max} < t)^2 \propto \det a(t), \qquad
              a_{jk}(t) = \int_{-\infty}^t \left(\Phi_j \varphi_k - \Phi_k \varphi_j\right) dx,
              \quad \Phi_j(x) = \int_{-\infty}^x \varphi_j,

    bordered by :math:`\Phi_j(t)` where C is odd. Raises ``OutOfRegime`` beyond C = 32.

    >>> [round(largest_of_orthogonal(C).mean, 4) for C in (2, 3)]  # the first is sqrt(pi/2)
    [1.2533, 2.073]
    """
    if C > MOST:
        raise OutOfRegime(
            f"the largest eigenvalue of C x C outputs is known to C = {MOST}, {C} given"
        )
    reach = 2 * np.sqrt(C) + BEYOND
    x = np.arange(-reach, reach, STEP)
    phi = [np.exp(-(x**2) / 4)]
    for j in range(C - 1):  # Hermite functions in x/sqrt(2)
        before = phi[j - 1] if j else 0
        phi.append((x * phi[j] - np.sqrt(2 * j) * before) / np.sqrt(2 * (j + 1)))
    f = np.array(phi)
    whole = _integral(f)
    a = np.zeros((len(x), C + C % 2, C + C % 2))
    for j in range(C):
        for k in range(j + 1, C):
            a[:, j, k] = _integral(whole[j] * f[k] - whole[k] * f[j])
        if C % 2:
            a[:, j, C] = whole[j]
    sign, size = np.linalg.slogdet(a - np.swapaxes(a, 1, 2))
    below = np.where(sign > 0, np.exp((size - size[-1]) / 2), 0.0)
    mean = x[-1] - _integral(below)[-1]
    square = x[-1] ** 2 - _integral(2 * x * below)[-1]
    return Law(float(mean), float(np.sqrt(square - mean**2)))


def _integral(values: np.ndarray) -> np.ndarray:
    """The running integral along the last axis, by the trapezoid rule."""
    inner = STEP * (values[..., 1:] + values[..., :-1]) / 2
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(inner, axis=-1)], axis=-1)
