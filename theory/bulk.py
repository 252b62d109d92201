r"""The bulk of the spectrum when the number of samples grows in proportion to the width.

So far its variance: the fluctuation of the off-diagonal kernel that, at N proportional to M, has
the same order as the bulk mode itself and decides whether the uniform mode stands out of the bulk.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from theory.architecture import Activation, Network, NotCovered, OutOfRegime
from theory.evaluation import evaluate
from theory.mathematics import FLOATS
from theory.meanfield import order_parameters

NODES = np.linspace(-9.8, 9.8, 321)
WEIGHTS = np.exp(-(NODES**2) / 2)
WEIGHTS /= WEIGHTS.sum()


class Conditional(NamedTuple):
    r"""Moments of a neuron over the samples, given its common part :math:`x_0`.

    m = E phi, b = E phi', d = E phi'', h2 = E phi^2, hd = E phi phi', dd = E phi'^2, at
    :math:`x_0 + v, v \sim N(0, \tau)`; arrays over the nodes of :math:`x_0`.
    """

    m: np.ndarray
    b: np.ndarray
    d: np.ndarray
    h2: np.ndarray
    hd: np.ndarray
    dd: np.ndarray


def conditional_moments(activation: Activation, x0: np.ndarray, tau: float) -> Conditional:
    """The moments of one layer: closed for ReLU, else by the trapezoid rule for analytic phi."""
    if activation.name == "relu":
        return _relu(x0, tau)
    if activation.kinks:
        raise NotCovered(f"the bulk of a network with the kinked activation {activation}")
    v = np.sqrt(tau) * NODES
    step = 1e-30
    complex_value = evaluate(activation, x0[:, None] + v + 1j * step)
    phi, derivative = complex_value.real, complex_value.imag / step
    return Conditional(
        m=phi @ WEIGHTS,
        b=derivative @ WEIGHTS,
        d=(derivative * v) @ WEIGHTS / tau,
        h2=phi**2 @ WEIGHTS,
        hd=(phi * derivative) @ WEIGHTS,
        dd=derivative**2 @ WEIGHTS,
    )


def _relu(x0: np.ndarray, tau: float) -> Conditional:
    a = x0 / np.sqrt(tau)
    below, density = special.ndtr(a), np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi)
    mean = x0 * below + np.sqrt(tau) * density
    return Conditional(
        m=mean,
        b=below,
        d=density / np.sqrt(tau),
        h2=(x0**2 + tau) * below + x0 * np.sqrt(tau) * density,
        hd=mean,
        dd=below,
    )


def noise(network: Network) -> float:
    r"""Variance :math:`v_{tot}` of the off-diagonal kernel per :math:`(\alpha M)^2/M`.

    With :math:`x_l = \alpha_l \tilde q_2^{l+1}`, :math:`y_l = \alpha_{l-1} \hat q_2^{l-1}`,
    :math:`p_a^l = \sigma_w^2 \tilde q_a^{l+1}`, and the conditional moments of ``Conditional``,

    .. math:: Y_{l+1} = y_{l+1} + \sigma_w^2 Y_l E b_l^2, \quad
              X_{l-1} = x_{l-1} + \sigma_w^2 (X_l E b_l^2 + Y_l p_2^l E d_l^2),

    .. math:: \alpha^2 v_{tot} = \frac{X_0^2}{\alpha_0} + \sum_{l=1}^{L-1} \frac1{\alpha_l}
              E\left[X_l^2 V^2 + 2 X_l Y_l p_2 (hd - mb)^2
                     + Y_l^2 \left((C+2) A^2 + 2 C A B + C B^2\right)\right],

    :math:`V = h_2 - m^2, A = p_2 (dd - b^2), B = (p_1 - p_2)\, dd`; leading order, unnormalized
    hidden layers.

    >>> round(noise(Network("linear", depth=3, sigma_w2=1, sigma_b2=0.1)), 12)
    3.5
    """
    sigma_w2, C = float(network.sigma_w2), int(network.outputs)
    alpha = [float(ratio) for ratio in network.ratios or ()]
    order = order_parameters(network, FLOATS, None, sigma_w2, float(network.sigma_b2))
    if min(order.q2) < 0:
        raise OutOfRegime(
            f"the bulk needs samples with non-negative covariance, q_2 = {min(order.q2):.4g}"
        )
    L = network.depth
    neurons = {
        l: conditional_moments(
            network.activation, np.sqrt(order.q2[l - 1]) * NODES, float(order.q_gap[l - 1])
        )
        for l in range(1, L)
    }
    p1, p2 = ([sigma_w2 * t for t in (0, *S[1:])] for S in (order.S1, order.S2))
    x = [alpha[l] * order.S2[l] for l in range(L)]
    b2 = {l: neurons[l].b ** 2 @ WEIGHTS for l in neurons}
    Y = {1: alpha[0] * order.qh2[0]}
    for l in range(1, L - 1):
        Y[l + 1] = alpha[l] * order.qh2[l] + sigma_w2 * Y[l] * b2[l]
    X = {L - 1: x[L - 1]}
    for l in range(L - 1, 0, -1):
        X[l - 1] = x[l - 1] + sigma_w2 * (
            X[l] * b2[l] + Y[l] * p2[l] * (neurons[l].d ** 2 @ WEIGHTS)
        )
    total = X[0] ** 2 / alpha[0]
    for l, n in neurons.items():
        V, A, B = n.h2 - n.m**2, p2[l] * (n.dd - n.b**2), (p1[l] - p2[l]) * n.dd
        total += (
            (
                X[l] ** 2 * V**2
                + 2 * X[l] * Y[l] * p2[l] * (n.hd - n.m * n.b) ** 2
                + Y[l] ** 2 * ((C + 2) * A**2 + 2 * C * A * B + C * B**2)
            )
            @ WEIGHTS
            / alpha[l]
        )
    return float(total) / float(network.alpha) ** 2
