r"""Moments of the bulk in closed form: the constants of the bounds on the largest eigenvalue."""

from __future__ import annotations

from typing import NamedTuple

from theory.architecture import Network
from theory.bulk.model import Model, model


class Constants(NamedTuple):
    r"""c_1 and c_2 of the bounds on the largest eigenvalue, C outputs centred over the samples.

    .. math:: \rho\alpha(\kappa_1 - \kappa_2) + c_1 \le \lambda_{max} \le
              \sqrt{(C\alpha^2\rho(\kappa_1 - \kappa_2)^2 + c_2) M}
    """

    c1: float
    c2: float


def second_cumulant(chain: Model) -> float:
    r"""The second free cumulant of the bulk, its variance.

    .. math:: Y_{l+1} = y_{l+1} + s_l Y_l E b_l^2, \quad
              X_{l-1} = x_{l-1} + s_l (X_l E b_l^2 + Y_l p_2^l E d_l^2),

    .. math:: \kappa_2 = \frac1\rho\left\{ \frac{X_0^2 v_0^2}{\alpha_0} + \sum_{l=1}^{L-1}
              \frac1{\alpha_l} E\left[X_l^2 V^2 + 2 X_l Y_l p_2 (hd - mb)^2
                     + Y_l^2 \left((C+2) A^2 + 2 C A B + C B^2\right)\right] \right\},

    :math:`V = h_2 - m^2, A = p_2 (dd - b^2), B = (p_1 - p_2)\, dd`, v_0 the variance of an input
    over the samples. Where layer l + 1 couples the samples, Y does not pass from l to l + 1 and
    :math:`B = (p_1 - p_2)(dd - b^2)`.
    """
    C = chain.outputs
    laws = [layer.smooth() for layer in chain.hidden]
    b2 = [float(n.b**2 @ law.weight) for law, n in laws]
    d2 = [float(n.d**2 @ law.weight) for law, n in laws]
    Y = [layer.y for layer in chain.hidden]
    for l, layer in enumerate(chain.hidden[:-1]):
        if not chain.cut(l + 1):
            Y[l + 1] += layer.s * Y[l] * b2[l]
    X = [layer.x for layer in chain.hidden]
    below = [chain.x, *X[:-1]]
    for l in range(len(X) - 1, -1, -1):
        layer = chain.hidden[l]
        passed = layer.s * (X[l] * b2[l] + Y[l] * layer.p2 * d2[l])
        below[l] += passed
        if l > 0:
            X[l - 1] = below[l]
    total = below[0] ** 2 * chain.variance**2 / chain.ratio
    for l, (layer, (law, n)) in enumerate(zip(chain.hidden, laws, strict=True)):
        V, own = n.h2 - n.m**2, n.dd - n.b**2
        A = layer.p2 * own
        B = (layer.p1 - layer.p2) * (own if l + 1 < len(X) and chain.cut(l + 1) else n.dd)
        each = (
            X[l] ** 2 * V**2
            + 2 * X[l] * Y[l] * layer.p2 * (n.hd - n.m * n.b) ** 2
            + Y[l] ** 2 * ((C + 2) * A**2 + 2 * C * A * B + C * B**2)
        )
        total += float(each @ law.weight) / layer.ratio
    return float(total) / chain.rho


def cumulants(chain: Model) -> tuple[float, float]:
    """The mean and the variance of the eigenvalues of the bulk."""
    return chain.trace, second_cumulant(chain)


def constants(network: Network, width: int | None = None) -> Constants:
    r"""c_1 and c_2 with the outputs linear or centred; at leading order, or at a finite width.

    .. math:: c_2 = C \kappa_2/\rho, \qquad c_1 = c_2\rho/(C k_1),

    with the second free cumulant and the mean k_1 of the bulk; neither depends on rho.

    >>> [round(c, 12) for c in constants(Network("linear", depth=3, sigma_w2=1, sigma_b2=0.1))]
    [4.666666666667, 14.0]
    """
    chain = model(network, 1.0, width)
    c2 = chain.outputs * second_cumulant(chain)
    return Constants(c2 / (chain.outputs * chain.trace), c2)


def noise(network: Network) -> float:
    r"""Variance of the off-diagonal kernel per :math:`(\alpha M)^2/M`.

    .. math:: v_{tot} = c_2/(C\alpha^2)

    >>> round(noise(Network("linear", depth=3, sigma_w2=1, sigma_b2=0.1)), 12)
    3.5
    """
    return constants(network).c2 / (network.outputs * float(network.alpha) ** 2)
