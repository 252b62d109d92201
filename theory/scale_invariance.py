r"""Gradient descent with weight decay on a scale-invariant loss: what holds exactly, at every step.

A loss with :math:`L(cw) = L(w)` for every c > 0 is a function of the direction
:math:`\theta = w/|w|`. A step :math:`w' = (1-\varepsilon) w - \eta \nabla L(w)`, with
:math:`\varepsilon` the product of learning rate and weight decay, moves the direction by
projected descent on the sphere with the effective learning rate
:math:`\tilde\eta = \eta/((1-\varepsilon)|w|^2)`. Throughout, G is
:math:`|\nabla L(\theta)|^2`, taken at the direction; numbers, arrays or symbols in.

Source of the setting: Lyu, Li & Arora, NeurIPS 2022.
"""

from __future__ import annotations

from math import ceil, isfinite

import numpy as np

from theory.errors import DescriptionError
from theory.mathematics import Number, of


def check_decay(decay: float) -> None:
    r"""Refuse :math:`\varepsilon` outside 0 < eps < 1, with ``DescriptionError``."""
    if not 0 < decay < 1:
        raise DescriptionError(
            f"learning rate times weight decay must lie between 0 and 1, {decay:g} given: at 1 "
            "and above a step of decay alone sends the weights to 0 or beyond; use smaller rates"
        )


def effective_learning_rate(eta: Number, decay: Number, norm2: Number) -> Number:
    r"""The step on the sphere, :math:`\tilde\eta = \eta/((1-\varepsilon)|w|^2)`.

    >>> effective_learning_rate(0.5, 0.5, 2.0)
    0.5
    """
    return eta / ((1 - decay) * norm2)


def norm2_at(eta: Number, decay: Number, rate: Number) -> Number:
    r"""The squared norm at which the effective learning rate is this: its inverse function.

    >>> norm2_at(0.5, 0.5, 0.5)
    2.0
    """
    return eta / ((1 - decay) * rate)


def next_direction(theta: np.ndarray, rate: Number, gradient: np.ndarray) -> np.ndarray:
    r"""The next direction, from the gradient at the direction; shape (..., n).

    .. math:: \theta' = \frac{\theta - \tilde\eta \nabla L(\theta)}
                             {|\theta - \tilde\eta \nabla L(\theta)|}

    >>> next_direction(np.array([1.0, 0.0]), 0.75, np.array([0.0, 1.0]))
    array([ 0.8, -0.6])
    """
    moved = theta - rate * gradient
    return moved / (moved * moved).sum(axis=-1, keepdims=True) ** 0.5


def next_norm2(norm2: Number, eta: Number, decay: Number, G: Number) -> Number:
    r"""The next squared norm, :math:`(1-\varepsilon)^2 |w|^2 + \eta^2 G/|w|^2`.

    >>> next_norm2(4.0, 2.0, 0.5, 1.0)
    2.0
    """
    return (1 - decay) ** 2 * norm2 + eta**2 * G / norm2


def next_effective_learning_rate(
    rate: Number, decay: Number, G: Number, *, next_decay: Number | None = None, growth: Number = 1
) -> Number:
    r"""The next effective learning rate, for any schedule of rates and decays.

    .. math:: \frac1{\tilde\eta'} = (1-\varepsilon)(1-\varepsilon')\, \frac{\eta}{\eta'}\,
              \frac{1 + \tilde\eta^2 G}{\tilde\eta}

    ``next_decay`` is :math:`\varepsilon'`, by default :math:`\varepsilon`; ``growth`` is
    :math:`\eta'/\eta`.

    >>> next_effective_learning_rate(1.0, 0.5, 1.0)
    2.0
    """
    next_decay = decay if next_decay is None else next_decay
    return rate * growth / ((1 - decay) * (1 - next_decay) * (1 + rate**2 * G))


def next_second_moment(v: Number, decay: Number, G: Number) -> Number:
    r"""The recursion as an adaptive method, for :math:`v = 1/\tilde\eta^2`; exact.

    .. math:: v' = \beta \left( v + 2G + G^2/v \right), \qquad \beta = (1-\varepsilon)^4

    Without its last term, of relative size :math:`(\tilde\eta^2 G)^2`, it is RMSprop: see
    ``rmsprop_rate2``.

    >>> next_second_moment(1.0, 0.5, 1.0)
    0.25
    """
    return memory(decay) * (v + 2 * G + G**2 / v)


def memory(decay: Number) -> Number:
    r"""RMSprop's :math:`\beta = (1-\varepsilon)^4`."""
    return (1 - decay) ** 4


def rmsprop_rate2(beta: Number) -> Number:
    r"""The squared learning rate of RMSprop, :math:`\eta_r^2 = (1-\beta)/(2\beta)`.

    With it :math:`v_r = \eta_r^2 v` follows :math:`v_r' = \beta v_r + (1-\beta) G`, and
    :math:`\tilde\eta = \eta_r/\sqrt{v_r}`. At small decay it is :math:`2\varepsilon`.

    >>> rmsprop_rate2(0.5)
    0.5
    """
    return (1 - beta) / (2 * beta)


def stationary_push(decay: Number) -> Number:
    r""":math:`\tilde\eta^2 G` at which the norm stays: :math:`(1-\varepsilon)^{-2} - 1`.

    >>> stationary_push(0.5)
    3.0
    """
    return (1 - decay) ** -2 - 1


def two_cycle_angle(decay: Number) -> Number:
    r"""The angle of a step that returns after two steps at constant norm, exact for any such loss.

    .. math:: \arccos(1 - \varepsilon) = 2 \arcsin \sqrt{\varepsilon/2}

    >>> round(float(two_cycle_angle(0.5) * 3 / np.pi), 14)
    1.0
    """
    m = of(decay)
    return 2 * m.arcsin(m.sqrt(decay / 2))


def time_to_edge(rate: Number, sharpness: Number) -> Number:
    r"""Time :math:`\varepsilon t` until :math:`\tilde\eta\lambda_1 = 2`, at zero gradient.

    .. math:: \tau = \tfrac12 \log \frac{2}{\tilde\eta_0 \lambda_1}

    negative above the edge. ``sharpness`` is :math:`\lambda_1` of the Hessian at the direction.

    >>> round(float(time_to_edge(0.2, 1.0)), 6)
    1.151293
    """
    m = of(rate, sharpness)
    return m.log(2 / (rate * sharpness)) / 2


def decay_to_edge(rate: Number, sharpness: Number, decay: Number) -> Number:
    r"""Steps of pure decay, as a real number, after which :math:`\tilde\eta\lambda_1 = 2`.

    .. math:: \frac{\log(\tilde\eta_0 \lambda_1/2)}{2 \log(1-\varepsilon)}

    >>> round(float(decay_to_edge(0.5, 1.0, 0.5)), 12)
    1.0
    """
    m = of(rate, sharpness, decay)
    return m.log(rate * sharpness / 2) / (2 * m.log1p(-decay))


def steps_to_edge(rate: float, sharpness: float, decay: float) -> int:
    r"""Whole steps of pure decay until :math:`\tilde\eta\lambda_1 \ge 2`, 0 where it is so already.

    ``DescriptionError`` unless 0 < eps < 1, and rate and sharpness are positive.

    >>> steps_to_edge(0.2, 1.0, 1e-3)
    1151
    """
    check_decay(decay)
    if not (rate > 0 and sharpness > 0 and isfinite(rate * sharpness)):
        raise DescriptionError(
            f"the way to the edge needs a positive effective rate and sharpness, {rate:g} and "
            f"{sharpness:g} given"
        )
    return max(0, ceil(decay_to_edge(rate, sharpness, decay)))


def edge_learning_rate(curvature: Number, weight_decay: Number) -> Number:
    r"""The learning rate with which a start is at the edge: :math:`2/(\lambda_1(H(w)) + 2\lambda)`.

    ``curvature``: the largest eigenvalue of the Hessian at the weights themselves, of any norm.

    >>> edge_learning_rate(3.0, 0.5)
    0.5
    """
    return 2 / (curvature + 2 * weight_decay)
