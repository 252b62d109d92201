r"""The Hessian of one network's squared error, exact and matrix-free, and a fit of its targets.

The loss is :math:`\frac1{2N}\sum_t |f(t) - y(t)|^2`, with the last layer's map in f. A product with
the Hessian is a complex step through the analytic gradient: no difference is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from numerics.descent import gradient
from numerics.fisher import group_grams
from numerics.losses import IMAGINARY
from numerics.network import Parameters, forward
from theory.architecture import (
    Activation,
    Call,
    DescriptionError,
    Expression,
    Network,
    NotConverged,
    NotCovered,
)

ANALYTIC = ("+", "-", "*", "/", "**", "exp", "sin", "cos", "cosh", "tanh", "erf", "max", "min")
"""Functions that numpy takes off the real axis as analytic ones; at a kink, on the real side."""

RANK = 1e-10
"""Eigenvalues of the dual matrix below this part of the largest count as zero."""

ZERO = 1e-12
"""Residual in units of the targets that counts as zero."""

STEPS, LOOKS = 60, 12
TOLERANCE = 1e-7


def hessian_product(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    targets: np.ndarray,
    direction: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, ...]:
    """The Hessian in the weights times a direction, both as a tuple of the weights' shapes; n = 1.

    Raises ``NotCovered`` for an activation that numpy does not continue analytically.
    """
    _check_analytic(network.activation)
    moved = tuple(
        W + 1j * IMAGINARY * v for W, v in zip(parameters.weights, direction, strict=True)
    )
    there = parameters._replace(weights=moved)
    residual = forward(network, there, inputs) - targets
    slope = gradient(network, there, inputs, residual)
    return tuple(W.imag / IMAGINARY for W in slope.weights)


def largest_curvature(
    network: Network, parameters: Parameters, inputs: np.ndarray, targets: np.ndarray
) -> float:
    """The largest eigenvalue of the Hessian in the weights, at the weights themselves.

    Raises ``NotConverged`` where Lanczos iterations do not settle.
    """
    shapes = [W.shape for W in parameters.weights]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])

    def product(flat: np.ndarray) -> np.ndarray:
        direction = tuple(
            np.ravel(flat)[a:b].reshape(shape)
            for a, b, shape in zip(ends, ends[1:], shapes, strict=False)
        )
        found = hessian_product(network, parameters, inputs, targets, direction)
        return np.concatenate([one.ravel() for one in found])

    size = int(ends[-1])
    start = np.random.default_rng(0).standard_normal(size)
    operator = LinearOperator((size, size), matvec=product, dtype=float)
    try:
        values = eigsh(
            operator, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False
        )
    except ArpackNoConvergence as problem:
        raise NotConverged(
            f"the largest eigenvalue of the Hessian of {network}: {problem}; use other targets"
        ) from None
    return float(values[0])


def fitted(
    network: Network, parameters: Parameters, inputs: np.ndarray, targets: np.ndarray
) -> Parameters:
    """Weights that reach the targets (1, C, N), by Gauss-Newton steps of minimum norm; n = 1.

    Raises ``DescriptionError`` where the residual does not vanish.
    """
    size = float(np.abs(targets).max())
    at = parameters
    for at, residual in _gauss_newton(network, parameters, inputs, targets):
        left = float(np.abs(residual).max())
        if left < ZERO * size:
            return at
    raise DescriptionError(
        f"Gauss-Newton steps left a residual of {left / size:.3g} of the targets; use a wider "
        "network, or targets that its last layer can reach"
    )


def steps_to_edge(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    targets: np.ndarray,
    rate: float,
    decay: float,
    most: int,
) -> float | None:
    r"""Steps of gradient descent with weight decay to the edge of stability.

    .. math:: \eta\lambda_1 \ge 2 (1 - \varepsilon)

    :math:`\lambda_1` is the largest eigenvalue of the Hessian at the weights, ``decay`` is
    :math:`\varepsilon`. It is looked at ``LOOKS`` times within ``most`` steps, and its logarithm
    interpolated between two looks; None if it stays below. n = 1.
    """
    every = max(1, most // LOOKS)
    at, before = parameters, -np.inf
    for step in range(0, most + 1, every):
        curvature = largest_curvature(network, at, inputs, targets)
        above = float(np.log(rate * curvature / (2 * (1 - decay))))
        if above >= 0:
            return step - every * above / (above - before) if step else 0.0
        before = above
        for _ in range(every):
            residual = forward(network, at, inputs) - targets
            slope = gradient(network, at, inputs, residual).weights
            pairs = zip(at.weights, slope, strict=True)
            at = at._replace(weights=tuple((1 - decay) * W - rate * v for W, v in pairs))
    return None


def _gauss_newton(
    network: Network, parameters: Parameters, inputs: np.ndarray, targets: np.ndarray
) -> Iterator[tuple[Parameters, np.ndarray]]:
    at = parameters
    for _ in range(STEPS):
        residual = forward(network, at, inputs) - targets
        yield at, residual
        K = group_grams(network, at, inputs)["weights"][0]
        dual = np.linalg.pinv(K, rcond=RANK, hermitian=True) @ residual.ravel()
        step = gradient(network, at, inputs, dual.reshape(residual.shape)).weights
        N = residual.shape[-1]
        at = at._replace(weights=tuple(W - N * v for W, v in zip(at.weights, step, strict=True)))


def _check_analytic(activation: Activation) -> None:
    unknown = sorted(_functions(activation.tree) - set(ANALYTIC))
    if unknown:
        raise NotCovered(f"the Hessian with the activation {activation}, for its {unknown[0]}")


def _functions(tree: Expression) -> set[str]:
    if not isinstance(tree, Call):
        return set()
    return {tree.function}.union(*(_functions(one) for one in tree.arguments))
