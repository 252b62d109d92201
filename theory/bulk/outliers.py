r"""Eigenvalues of order 1 above the bulk, and what the bulk adds to one of order M.

The norms of the samples fluctuate: :math:`\nu_l(t) = \frac1{M_l}\sum_j (h_{jt} - m)^2 - V_l`, with
:math:`|x_t|^2/M_0` below all. Each shifts the mean activations of the next layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from theory.architecture import NotCovered
from theory.bulk.edge import edge_of, follow
from theory.bulk.model import Hidden, Model
from theory.bulk.neurons import sampled
from theory.bulk.system import Point, System
from theory.bulk.units import trapezoid, units
from theory.schemes import Normalized

GRID = 40
NORM = 2.0  # E x^4 - 1 of a Gaussian input


class Norms(NamedTuple):
    r"""How a layer that couples the samples answers to norms, h = phi - m, e = h^2 - V.

    ``shift`` is :math:`\kappa = s\,E\varphi''/2`, ``growth`` :math:`\mu = s\,dV/d\tau`, ``b`` and
    ``be`` the means of phi' and e', ``he`` and ``ee`` those of h e and e^2.
    """

    variance: float
    shift: float
    growth: float
    b: float
    be: float
    he: float
    ee: float


def norms(layer: Hidden) -> Norms:
    """The moments of one coupled layer, of one scale and shift for all its units."""
    law = units(layer.scheme, False, trapezoid)
    nodes = sampled(layer.activation, law, 0.0, layer.tau)

    def mean(values: np.ndarray) -> float:
        return float(nodes.mean(values)[0])

    h = nodes.phi - mean(nodes.phi)
    V = mean(h**2)
    e = h**2 - V
    return Norms(
        variance=V,
        shift=layer.s * mean(nodes.slope * nodes.v) / layer.tau / 2,
        growth=layer.s * mean(h * nodes.slope * nodes.v) / layer.tau,
        b=mean(nodes.slope),
        be=2 * mean(h * nodes.slope),
        he=mean(h * e),
        ee=mean(e**2),
    )


def norm_outliers(chain: Model) -> tuple[float, ...]:
    r"""The eigenvalues above the edge that norms bring about, the largest first.

    At :math:`\lambda(g)`, :math:`g_{edge} < g < 0`, where for L = 2

    .. math:: 1 + \frac{2 g}{\rho\alpha_0} E\left[\left(\tfrac{s_1 v_0 E\varphi''}2\right)^2
              \frac{x_1}{1 + x_1 P_1}\right] = 0,

    and, for any L with all hidden layers coupled over the samples, where the determinant of a
    symmetric matrix vanishes: the Hessian, in Q_l and f_l, of

    .. math:: \sum_{l=0}^{L-2} \left[f_l Q_l + \tfrac12 P^{ee}_l f_l^2\right]
              - \sum_{l=1}^{L-2} \left[\mu_l f_l Q_{l-1}
              + \tfrac12 K_l (\kappa_l Q_{l-1} - P^{he}_l f_l)^2\right]
              - \tfrac12 K_{L-1} \kappa_{L-1}^2 Q_{L-2}^2.

    Raises ``NotCovered`` elsewhere, and for random scales and shifts.
    """
    system = System(chain)
    edge, at_edge = edge_of(system)
    secular = secular_equation(chain)
    found = []
    point = at_edge
    before = secular(point)
    for goal in np.linspace(edge.g, 0, GRID, endpoint=False)[1:]:
        start, point = point, follow(system, point, goal)
        now = secular(point)
        if before * now < 0:

            def along(g: float, near: Point = start) -> float:
                return secular(follow(system, near, g))

            g = brentq(along, start.g, goal, xtol=1e-13 * abs(edge.g))
            found.append(float(follow(system, start, g).value))
        before = now
    return tuple(sorted(found, reverse=True))


def secular_equation(chain: Model) -> Callable[[Point], float]:
    """What vanishes at an outlier, as a function of the fixed point at its g."""
    return _of_coupled(chain) if _coupled(chain) else _of_one_layer(chain)


def uniform_shift(chain: Model) -> float:
    r"""What the bulk adds to the uniform mode of a network with linear outputs.

    .. math:: V_{L-1} + \alpha_{L-1} \kappa_{L-1}^2 e_{L-2}, \qquad
              e_0 = \frac{2 v_0^2}{\alpha_0}, \quad
              e_l = \frac{\mathrm{Var}(\varphi - m)^2}{\alpha_l} + \mu_l^2 e_{l-1}

    for hidden layers that all couple the samples, and a mean activation that is not 0.
    """
    if not _coupled(chain):
        raise NotCovered("the shift of the uniform mode with hidden layers that couple no samples")
    e = NORM * chain.variance**2 / chain.ratio
    for layer in chain.hidden[:-1]:
        n = norms(layer)
        e = n.ee / layer.ratio + n.growth**2 * e
    last = norms(chain.hidden[-1])
    return last.variance + chain.hidden[-1].ratio * last.shift**2 * e


def _coupled(chain: Model) -> bool:
    return all(layer.coupled for layer in chain.hidden)


def _random(layer: Hidden) -> bool:
    return isinstance(layer.scheme, Normalized) and layer.scheme.random


def _of_one_layer(chain: Model) -> Callable[[Point], float]:
    layer = chain.hidden[0]
    if chain.depth > 2 or _random(layer):
        raise NotCovered(
            "outliers of order 1 of plain hidden layers beyond L = 2, or random shifts"
        )
    if isinstance(layer.scheme, Normalized) and layer.scheme.over == "units":
        if layer.scheme.eps != 0:
            raise NotCovered("outliers of order 1 where eps > 0 leaves a part of each norm")
        # the norm of a sample is divided out
        return lambda point: 1.0
    law, n = layer.octaves()
    hh = n.h2 - n.m**2 - n.b**2 * layer.tau
    shift = (layer.s * chain.variance * n.d / 2) ** 2

    def secular(point: Point) -> float:
        pS = layer.s * chain.ratio / layer.ratio * point.unknowns[1]
        P = n.b**2 * pS + hh * point.g / (chain.rho * layer.ratio)
        weight = float((shift * layer.x / (1 + layer.x * P)) @ law.weight)
        return 1 + NORM * float(point.g) / (chain.rho * chain.ratio) * weight

    return secular


def _of_coupled(chain: Model) -> Callable[[Point], float]:
    if any(_random(layer) for layer in chain.hidden):
        raise NotCovered("outliers of order 1 with random scales or shifts")
    L = chain.depth
    answers = [norms(layer) for layer in chain.hidden]

    def secular(point: Point) -> float:
        X, E = [*point.unknowns[::2], chain.hidden[-1].x], point.unknowns[1::2]
        g = float(point.g)
        H = np.zeros((2 * (L - 1), 2 * (L - 1)))
        Q, f = H[: L - 1], H[L - 1 :]
        for l in range(L - 1):
            Q[l, L - 1 + l] = f[l, l] = 1
        f[0, L - 1] = NORM * chain.variance**2 * g / (chain.rho * chain.ratio)
        below = chain.ratio
        for l, (layer, n) in enumerate(zip(chain.hidden, answers, strict=True), start=1):
            pS, pI = layer.s * below / layer.ratio * E[l - 1], g / (chain.rho * layer.ratio)
            below = layer.ratio
            P = n.b**2 * pS + (n.variance - n.b**2 * layer.tau) * pI
            K = X[l] / (1 + P * X[l])
            Q[l - 1, l - 1] -= K * n.shift**2
            if l == L - 1:
                break
            he = n.b * n.be * pS + (n.he - n.b * n.be * layer.tau) * pI
            ee = n.be**2 * pS + (n.ee - n.be**2 * layer.tau) * pI
            cross = K * n.shift * he - n.growth
            Q[l - 1, L - 1 + l] += cross
            f[l, l - 1] += cross
            f[l, L - 1 + l] += ee - K * he**2
        return float(np.linalg.det(H))

    return secular
