r"""What holds exactly for a scale-invariant loss, and by how much numbers miss it.

Each function returns the largest relative residual of its equalities, which theory says is 0.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from derivations.dynamics import Setting, compare, lengths, start_at_edge, stride
from numerics import minimizers
from numerics.losses import IMAGINARY, BatchNormRegression, Loss, hessian_product
from numerics.weight_decay import descend, walk
from theory import scale_invariance as exact

FACTOR = 7 / 3
POINTS = 8


def _relative(rows: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(lengths(rows - expected) / lengths(expected)))


def identities(loss: Loss, seed: int) -> float:
    r"""Degrees -1 and -2, :math:`\langle w, \nabla L\rangle = 0`, :math:`Hw = -\nabla L`.

    At random weights and along random directions.
    """
    w, v = np.random.default_rng(seed).standard_normal((2, POINTS, loss.size))
    g, bent = loss.gradient(w), hessian_product(loss, w, v)
    across = np.abs((w * g).sum(axis=-1)) / (lengths(w) * lengths(g))
    return max(
        float(across.max()),
        _relative(FACTOR * loss.gradient(FACTOR * w), g),
        _relative(FACTOR**2 * hessian_product(loss, FACTOR * w, v), bent),
        _relative(-hessian_product(loss, w, w), g),
    )


def recursion(loss: Loss, seed: int, eta: float, decay: float, steps: int) -> float:
    """Direction, norm, effective learning rate and second moment after each step of descent.

    Every step begins at the weights of descent itself.
    """
    start = np.random.default_rng(seed).standard_normal(loss.size)
    w = np.array(list(walk(loss, start, eta, decay, steps)))
    theta = minimizers.unit(w)
    slope = loss.gradient(theta[:-1])
    norm2, G = (w * w).sum(axis=-1), (slope * slope).sum(axis=-1)
    rate = exact.effective_learning_rate(eta, decay, norm2)
    turned = exact.next_direction(theta[:-1], rate[:-1, None], slope)
    expected = (
        (exact.next_norm2(norm2[:-1], eta, decay, G), norm2[1:]),
        (exact.next_effective_learning_rate(rate[:-1], decay, G), rate[1:]),
        (exact.next_second_moment(rate[:-1] ** -2, decay, G), rate[1:] ** -2),
    )
    ratios = [float(np.abs(one / other - 1).max()) for one, other in expected]
    return max(float(np.abs(turned - theta[1:]).max()), *ratios)


def cycle_angle(setting: Setting, eta: float, decay: float, steps: int) -> float:
    r"""The angle of a step against :math:`\arccos(1 - \varepsilon)`, after these steps.

    From the edge over a minimizer of least sharpness, where nothing drifts.
    """
    run = walk(setting.loss, start_at_edge(setting, eta, decay), eta, decay, steps)
    before, after = minimizers.unit(np.array(list(islice(run, steps - 1, None))))
    angle = 2 * np.arcsin(lengths(after - before) / 2)
    return float(abs(angle / exact.two_cycle_angle(decay) - 1))


def hessian_is_fisher(loss: Loss, zeta: np.ndarray) -> float:
    r""":math:`\nabla^2 L = J^\top J/N` at zero residual, in units of the largest eigenvalue."""
    J = minimizers.jacobian(loss, zeta)
    fisher = J.T @ J / loss.samples
    dense = hessian_product(loss, zeta, np.eye(loss.size))
    return float(np.abs(dense - fisher).max() / np.linalg.eigvalsh(fisher)[-1])


def hessian_parts(loss: Loss, seed: int) -> float:
    r""":math:`\nabla^2 L = J^\top J/N + \frac1N \sum_t r_t \nabla^2 f_t` at random weights."""
    w, v = np.random.default_rng(seed).standard_normal((2, loss.size))
    J, r = minimizers.jacobian(loss, w), loss.residual(w)
    bent = loss.pull_back(w + 1j * IMAGINARY * v, r).imag / IMAGINARY
    parts = (J.T @ (J @ v) + bent) / loss.samples
    return _relative(parts, hessian_product(loss, w, v))


def kernel_decay(
    loss: BatchNormRegression, start: np.ndarray, eta: float, decay: float, steps: int
) -> float:
    r"""Weights in the kernel of the inputs: :math:`(1-\varepsilon)^t` times those at the start."""
    outside = np.eye(loss.size) - np.linalg.pinv(loss.X) @ loss.X
    w = np.array(list(walk(loss, start, eta, decay, steps))) @ outside
    return _relative(w, (1 - decay) ** np.arange(steps + 1)[:, None] * w[0])


def solution(setting: Setting, time: float) -> float:
    """The largest distance of the closed solution from the flow integrated from derivatives."""
    assert setting.solution is not None
    tau, flow = np.linspace(0, time, POINTS + 1), setting.integrated(time)
    return float(lengths(flow.at(tau) - setting.solution(setting.zeta, tau)).max())


def off_the_flow(setting: Setting, eta: float, decay: float, time: float) -> float:
    """The largest distance of a prepared run, put back on the manifold, from its flow."""
    assert setting.solution is not None
    known, steps = setting.solution, int(time / decay)
    start = start_at_edge(setting, eta, decay)
    run = descend(setting.loss, start, eta, decay, steps, every=stride(decay))
    found = compare(setting, run, decay, lambda tau: known(setting.zeta, tau))
    return float(found.projected.max())
