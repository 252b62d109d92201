r"""Moments of one hidden unit over the samples, given what all samples share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.activations import Activation
from theory.bulk.units import REACH, Units, trapezoid
from theory.differentiation import breaks, with_derivative
from theory.errors import NotConverged, OutOfRegime

PANELS, PANEL_NODES = 10, 16
COARSE = 1e-5  # the finer of two trapezoid rules has about the square of their difference


class Conditional(NamedTuple):
    r"""Moments of a unit over the samples, given its common part :math:`x_0`.

    m = E phi, b = E phi', d = E phi'', h2 = E phi^2, hd = E phi phi', dd = E phi'^2, of
    :math:`\varphi(\gamma z + \beta)` and its derivatives by z, at
    :math:`z = x_0 + v, v \sim N(0, \tau)`; arrays over the units.
    """

    m: np.ndarray
    b: np.ndarray
    d: np.ndarray
    h2: np.ndarray
    hd: np.ndarray
    dd: np.ndarray


class Sampled(NamedTuple):
    r"""v, phi and phi' (by z) at the nodes of a quadrature over v, and its weights; by unit."""

    v: np.ndarray
    phi: np.ndarray
    slope: np.ndarray
    weights: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((values * self.weights).sum(axis=1))


def conditional_moments(
    activation: Activation, units: Units, common: float, tau: float
) -> Conditional:
    r"""The moments of a layer's units at :math:`x_0 = \sqrt{\mathrm{common}}\,\zeta`.

    Raises what ``sampled`` raises, and ``NotConverged`` where its nodes are too few.

    >>> from theory.schemes import NoNormalization
    >>> from theory.bulk.units import units
    >>> one = units(NoNormalization(), False, trapezoid)
    >>> float(conditional_moments(Activation.named("relu"), one, 0.0, 2.0).h2[0].round(12))
    1.0
    """
    nodes = sampled(activation, units, common, tau)
    found = _moments(nodes, tau)
    if activation.kinks:
        return found
    half = Sampled(*(np.atleast_2d(part)[:, ::2] for part in nodes))
    coarse = _moments(half._replace(weights=2 * half.weights), tau)
    size = max(np.abs(part).max() for part in found)
    gap = max(np.abs(a - b).max() for a, b in zip(found, coarse, strict=True)) / size
    if not gap < COARSE:
        raise NotConverged(
            f"the moments of {activation} over a unit of variance {tau:.3g} have not converged "
            f"with {nodes.phi.shape[1]} nodes: the last gap is {gap:.1e} of the size"
        )
    return found


def _moments(nodes: Sampled, tau: float) -> Conditional:
    v, phi, slope, _ = nodes
    return Conditional(
        m=nodes.mean(phi),
        b=nodes.mean(slope),
        d=nodes.mean(slope * v) / tau,
        h2=nodes.mean(phi**2),
        hd=nodes.mean(phi * slope),
        dd=nodes.mean(slope**2),
    )


def sampled(activation: Activation, units: Units, common: float, tau: float) -> Sampled:
    """phi over v: by the trapezoid rule if it is analytic, else by Gauss panels between its kinks.

    Raises ``OutOfRegime`` where phi jumps or phi' is unbounded: E phi'^2 does not exist.
    """
    x0 = np.sqrt(common) * units.zeta[:, None]
    gamma, beta = units.gamma[:, None], units.beta[:, None]
    if activation.kinks:
        v, weights = _panels((_kinks(activation) - beta) / gamma - x0, np.sqrt(tau))
    else:
        v, weights = (np.atleast_2d(part) for part in trapezoid())
    v = np.sqrt(tau) * v
    phi, slope = with_derivative(activation, gamma * (x0 + v) + beta)
    return Sampled(v, phi, gamma * slope, weights)


def _kinks(activation: Activation) -> np.ndarray:
    found = breaks(activation)
    for one in found:
        if one.jump != 0 or one.power < 0:
            raise OutOfRegime(
                f"the bulk needs E phi'^2, which {activation} does not have: phi "
                + ("jumps" if one.jump != 0 else "has no bounded derivative")
                + f" at {float(one.at):.4g}"
            )
    return np.array([float(one.at) for one in found])


def _panels(kinks: np.ndarray, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of a standard normal law, panels between the kinks of each row."""
    inner = np.sort(np.clip(kinks / deviation, -REACH, REACH), axis=1)
    reach = np.full((len(kinks), 1), REACH)
    ends = np.concatenate([-reach, inner, reach], axis=1)
    step = np.diff(ends, axis=1)[:, :, None] / PANELS
    starts = ends[:, :-1, None] + step * np.arange(PANELS)
    points, mass = np.polynomial.legendre.leggauss(PANEL_NODES)
    v = starts[..., None] + step[..., None] * (points + 1) / 2
    weights = step[..., None] * mass / 2 * np.exp(-(v**2) / 2) / np.sqrt(2 * np.pi)
    return v.reshape(len(kinks), -1), weights.reshape(len(kinks), -1)
