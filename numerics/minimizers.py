r"""The manifold of minimizers of a loss: points on it, its sharpness, and how that changes.

For a sum of squares the manifold is that of zero residual, where the Hessian is
:math:`J^T J/N`, exactly. Points are unit vectors (..., n).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numerics.losses import IMAGINARY, Loss, hessian_product
from theory.architecture import DescriptionError, NotConverged

RANK = 1e-9
"""Singular values below this part of the largest count as zero."""

ROUNDING = 1e-14
"""Residual in units of the Jacobian that counts as zero."""

STEPS, DAMPED_STEPS = 60, 2000

DENSE = 2000
"""Parameters up to which a Hessian is formed."""

CIRCLE, RADII = 16, 0.02 * 0.5 ** np.arange(16)
"""Points on a circle around 0 in the complex plane, and the radii that are tried."""

TAIL = 1e-6
"""Part of the largest Fourier coefficient on a circle that its upper half may have.

There lies the Taylor term of order 8. That of order 19 is counted as the third: far less."""


class Spectrum(NamedTuple):
    """Eigenvalues (..., k) in descending order, and unit eigenvectors (..., k, n)."""

    values: np.ndarray
    vectors: np.ndarray


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths."""
    return rows / np.sqrt((rows * rows).sum(axis=-1, keepdims=True))


def jacobian(loss: Loss, w: np.ndarray) -> np.ndarray:
    """The Jacobian (..., k, n) of the residuals at weights (..., n), row by row."""
    k = loss.residual(w).shape[-1]
    return loss.pull_back(w[..., None, :], np.eye(k))


def project(loss: Loss, w: np.ndarray, *, damped: bool = False) -> np.ndarray:
    """Points of zero residual near the directions of w, by minimum-norm Gauss-Newton steps.

    The residual falls below 1e-14 in units of the largest row of the Jacobian, or to its rounding.
    ``damped``: a step that does not lower the residual is halved instead; from far away.
    ``DescriptionError`` where no such point is found: the start is too far, or no weights fit.
    """
    at = unit(np.asarray(w, float))
    r = loss.residual(at)
    length = np.ones((*at.shape[:-1], 1))
    best = np.full(at.shape[:-1], np.inf)
    for _ in range(DAMPED_STEPS if damped else STEPS):
        J = jacobian(loss, at)
        size = np.abs(r).max(axis=-1) / np.sqrt((J**2).sum(axis=-1).max(axis=-1))
        stalled = (size >= best / 2) & (size < 100 * ROUNDING)
        if np.all((size < ROUNDING) | stalled):
            return at
        best = np.minimum(best, size)
        step = (np.linalg.pinv(J, rcond=RANK) @ r[..., None])[..., 0]
        ahead = unit(at - length * step)
        there = loss.residual(ahead)
        if damped:
            lower = ((there**2).sum(axis=-1) < (r**2).sum(axis=-1))[..., None]
            length = np.where(lower, np.minimum(2 * length, 1.0), length / 2)
            at, r = np.where(lower, ahead, at), np.where(lower, there, r)
        else:
            at, r = ahead, there
    raise DescriptionError(
        f"no minimizer of zero residual was found by Gauss-Newton steps: the residual is still "
        f"{float(np.max(size)):.3g} in units of the Jacobian; start nearer to one, or with more "
        "weights than samples"
    )


def reach(loss: Loss, w: np.ndarray) -> np.ndarray:
    """A point of zero residual from weights (n,) that may be far from any.

    Full steps first; where they circle for ever, damped ones.
    """
    try:
        return project(loss, w)
    except DescriptionError:
        return project(loss, w, damped=True)


def spectrum(loss: Loss, zeta: np.ndarray) -> Spectrum:
    """Nonzero part of the Hessian at minimizers (..., n), from the dual side."""
    J = jacobian(loss, zeta)
    values, duals = np.linalg.eigh(J @ J.swapaxes(-1, -2) / loss.samples)
    values, duals = values[..., ::-1], duals.swapaxes(-1, -2)[..., ::-1, :]
    vectors = duals @ J
    lengths = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    floor = RANK * lengths[..., :1, :]
    return Spectrum(values, np.where(lengths > floor, vectors / np.maximum(lengths, floor), 0))


def slope_of_log_sharpness(loss: Loss, zeta: np.ndarray, i: int) -> np.ndarray:
    r"""The gradient of :math:`\log\lambda_i` along the manifold, at one minimizer (n,).

    .. math:: \nabla\lambda = \frac2N P \sum_t s_t \nabla^2 f_t\, v, \qquad s = J v

    with v the eigenvector and P the projection on the tangents: the kernel of J within the
    sphere. The sum is a complex step of the pulled-back s along v.
    """
    J = jacobian(loss, zeta)
    values, vectors = spectrum(loss, zeta)
    v = vectors[i]
    bent = loss.pull_back(zeta + 1j * IMAGINARY * v, J @ v).imag / IMAGINARY
    g = 2 / (loss.samples * values[i]) * bent
    g = g - (g @ zeta) * zeta
    return g - np.linalg.pinv(J, rcond=RANK) @ (J @ g)


def iterate_sharpness(loss: Loss, theta: np.ndarray, k: int = 1) -> np.ndarray:
    """The k largest eigenvalues of the Hessian within the sphere, at one direction (n,).

    Dense below 2000 parameters, from exact Hessian-vector products beyond.
    """
    n = loss.size

    def along(v: np.ndarray) -> np.ndarray:
        v = v - (v @ theta)[..., None] * theta
        product = hessian_product(loss, theta, v)
        return product - (product @ theta)[..., None] * theta

    if n < DENSE:
        dense = along(np.eye(n))
        return np.linalg.eigvalsh((dense + dense.T) / 2)[::-1][:k]
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=lambda v: along(np.ravel(v)), dtype=float)
    return np.sort(eigsh(operator, k=k, which="LA", return_eigenvectors=False))[::-1]


class Jets(NamedTuple):
    """Derivatives across the manifold along its top eigenvector v, and the curvatures.

    ``fourth``: of the loss along the great circle of v; ``thirds`` (k,): two along v and one along
    each eigenvector, ``curvatures`` (k,) their eigenvalues, the top one first.
    """

    fourth: float
    thirds: np.ndarray
    curvatures: np.ndarray


def jets(loss: Loss, zeta: np.ndarray) -> Jets:
    r"""The jets at one minimizer (n,), by Cauchy's formula on a circle in the complex angle.

    The gradient along :math:`\cos(s)\zeta + \sin(s) v` is analytic in s near 0: its Taylor
    coefficients are Fourier coefficients on a circle. The circle shrinks until the upper half of
    them is small, as it is well inside the nearest singularity.

    ``NotConverged`` where no circle is small enough: the loss is not analytic there.
    """
    values, vectors = spectrum(loss, zeta)
    kept = values > RANK * values[0]
    values, vectors = values[kept], vectors[kept]
    turns = np.exp(2j * np.pi * np.arange(CIRCLE) / CIRCLE)
    for radius in RADII:
        s = radius * turns
        way = np.cos(s)[:, None] * zeta + np.sin(s)[:, None] * vectors[0]
        ahead = np.cos(s)[:, None] * vectors[0] - np.sin(s)[:, None] * zeta
        slopes = loss.gradient(way)
        along = (slopes * ahead).sum(axis=-1)[:, None]
        terms = np.fft.fft(np.concatenate([along, slopes @ vectors.T], axis=1), axis=0) / CIRCLE
        if np.abs(terms[CIRCLE // 2 :]).max() <= TAIL * np.abs(terms).max():
            break
    else:
        raise NotConverged(
            f"the loss has no Taylor series along its steepest direction on a circle of radius "
            f"{RADII[-1]:.1g}; start from another minimizer"
        )
    thirds = 2 * terms[2, 1:].real / radius**2
    thirds[0] = 2 * terms[2, 0].real / radius**2
    return Jets(float(6 * terms[3, 0].real / radius**3), thirds, values)
