r"""Laws of what differs from unit to unit, as nodes and weights.

A hidden unit carries :math:`\zeta \sim N(0, 1)`, the part of its pre-activation common to all
samples, its scale and shift, and :math:`\omega \sim N(0, I_C)`, its common backpropagated part.
Averages that are moments are taken by the trapezoid rule; those inside the fixed point by octaves
of probability, since a rare unit in the tail is worth one of M_l units and not less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from theory import special
from theory.errors import OutOfRegime
from theory.schemes import Normalized, Scheme

Rule = tuple[np.ndarray, np.ndarray]

REACH = 9.8
TAIL = 8
LEAST_WIDTH = 32
GAUSS = 3


class Units(NamedTuple):
    """Nodes of zeta, scale and shift over the units of one layer, with their weights."""

    zeta: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    weight: np.ndarray


def units(scheme: Scheme, common: bool, rule: Callable[[], Rule]) -> Units:
    """The units of a layer; ``rule`` gives a standard normal law, ``common``: zeta matters."""
    single = np.zeros(1), np.ones(1)
    gamma, beta = (1.0, 0.0), (0.0, 0.0)
    if isinstance(scheme, Normalized):
        gamma = float(scheme.gamma), float(scheme.gamma_std)
        beta = float(scheme.beta), float(scheme.beta_std)
    axes = [rule() if varies else single for varies in (common, gamma[1] > 0, beta[1] > 0)]
    nodes = np.meshgrid(*(nodes for nodes, _ in axes), indexing="ij")
    weights = np.meshgrid(*(weights for _, weights in axes), indexing="ij")
    zeta, first, second = (node.ravel() for node in nodes)
    return Units(
        zeta,
        gamma[0] + gamma[1] * first,
        beta[0] + beta[1] * second,
        np.prod(weights, axis=0).ravel(),
    )


@lru_cache
def trapezoid(count: int = 321) -> Rule:
    r"""The standard normal law by the trapezoid rule on [-9.8, 9.8].

    >>> nodes, weights = trapezoid()
    >>> round(float(nodes**4 @ weights), 12)
    3.0
    """
    nodes = np.linspace(-REACH, REACH, count)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


@lru_cache
def normal_octaves(width: int) -> Rule:
    r"""The standard normal law as that of ``octaves`` for its square, half on each sign.

    >>> nodes, weights = normal_octaves(400)
    >>> round(float(nodes**2 @ weights), 12)
    1.0
    """
    squares, weights = octaves(1, width)
    nodes = np.sqrt(squares)
    return np.concatenate([-nodes, nodes]), np.concatenate([weights, weights]) / 2


@lru_cache
def octaves(freedom: int, width: int) -> Rule:
    r"""The chi-square law with C degrees of freedom, as ``width`` units have it.

    Survival is cut into octaves :math:`[1/2, 1], [1/4, 1/2], \dots` down to 8/M_l, the last one
    shorter; each has the three-point Gauss rule of the law restricted to it. Survivals of
    :math:`(8,4), (4,2), (2,1), (1,0)/M_l` have one node at their conditional mean. The support
    stays bounded: the mean of the largest of M_l units. Raises ``OutOfRegime`` for M_l < 32.

    >>> nodes, weights = octaves(3, 500)
    >>> round(float(nodes @ weights), 12), round(float(weights.sum()), 12)
    (3.0, 1.0)
    """
    if width < LEAST_WIDTH:
        raise OutOfRegime(
            f"the bulk needs layers of at least {LEAST_WIDTH} units, {width} given: it was "
            "checked from 100 units on; use a larger width"
        )
    cuts = [1.0]
    while cuts[-1] / 2 > TAIL / width:
        cuts.append(cuts[-1] / 2)
    cuts.append(TAIL / width)
    parts = [_gauss(freedom, high, low) for high, low in pairwise(cuts)]
    tail = [TAIL / width, TAIL / 2 / width, TAIL / 4 / width, TAIL / 8 / width, 0.0]
    for high, low in pairwise(tail):
        mass = high - low
        mean = freedom * (_above(freedom + 2, freedom, high) - _above(freedom + 2, freedom, low))
        parts.append((np.array([mean / mass]), np.array([mass])))
    nodes, weights = zip(*parts, strict=True)
    return np.concatenate(nodes), np.concatenate(weights)


def _quantile(freedom: int, survival: float) -> float:
    return float(2 * special.gammainccinv(freedom / 2, survival))


def _above(freedom: int, law: int, survival: float) -> float:
    """Survival of one chi-square law at the quantile of another; 0 at survival 0."""
    if survival == 0:
        return 0.0
    return float(special.gammaincc(freedom / 2, _quantile(law, survival) / 2))


def _gauss(freedom: int, high: float, low: float) -> Rule:
    """The three-point Gauss rule of the law between two survivals."""
    # in t = sqrt(x) the density is smooth at 0 for every C
    ends = np.sqrt([_quantile(freedom, high), _quantile(freedom, low)])
    points, mass = np.polynomial.legendre.leggauss(48)
    t = ends.mean() + np.diff(ends) / 2 * points
    mass = mass * t ** (freedom - 1) * np.exp(-(t**2) / 2)
    x, mass = t**2, mass / mass.sum()
    before, now = np.zeros_like(x), np.ones_like(x)
    diagonal, beside, norm = [], [], 1.0
    for _ in range(GAUSS):
        diagonal.append((x * now) @ (now * mass))
        after = (x - diagonal[-1]) * now - norm * before
        norm = np.sqrt((after**2) @ mass)
        beside.append(norm)
        before, now = now, after / norm
    jacobi = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return nodes, (high - low) * vectors[0] ** 2
