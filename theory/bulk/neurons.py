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


def conditional_moments(
    activation: Activation, units: Units, common: float, tau: float
) -> Conditional:
    r"""The moments of a layer's units at :math:`x_0 = \sqrt{\mathrm{common}}\,\zeta`.

    By the trapezoid rule for analytic phi, else by Gauss panels between the kinks. Raises
    ``OutOfRegime`` where phi jumps or phi' is unbounded: E phi'^2 does not exist.

    >>> from theory.schemes import NoNormalization
    >>> from theory.bulk.units import units
    >>> one = units(NoNormalization(), False, trapezoid)
    >>> float(conditional_moments(Activation.named("relu"), one, 0.0, 2.0).h2[0].round(12))
    1.0
    """
    x0 = np.sqrt(common) * units.zeta[:, None]
    gamma, beta = units.gamma[:, None], units.beta[:, None]
    if not activation.kinks:
        v, weights = trapezoid()
        found = _moments(activation, x0, np.sqrt(tau) * v, gamma, beta, weights, tau)
        coarse = _moments(activation, x0, np.sqrt(tau) * v[::2], gamma, beta, 2 * weights[::2], tau)
        size = max(np.abs(part).max() for part in found)
        gap = max(np.abs(a - b).max() for a, b in zip(found, coarse, strict=True)) / size
        if not gap < COARSE:
            raise NotConverged(
                f"the moments of {activation} over a unit of variance {tau:.3g} have not converged "
                f"with {len(v)} nodes: the last gap is {gap:.1e} of the size"
            )
        return found
    for one in breaks(activation):
        if one.jump != 0 or one.power < 0:
            raise OutOfRegime(
                f"the bulk needs E phi'^2, which {activation} does not have: phi "
                + ("jumps" if one.jump != 0 else "has no bounded derivative")
                + f" at {float(one.at):.4g}"
            )
    kinks = np.array([float(one.at) for one in breaks(activation)])
    inner = ((kinks - beta) / gamma - x0) / np.sqrt(tau)
    reach = np.full_like(x0, REACH)
    ends = np.concatenate([-reach, np.sort(np.clip(inner, -REACH, REACH), axis=1), reach], axis=1)
    step = np.diff(ends, axis=1)[:, :, None] / PANELS
    starts = ends[:, :-1, None] + step * np.arange(PANELS)
    points, mass = np.polynomial.legendre.leggauss(PANEL_NODES)
    v = starts[..., None] + step[..., None] * (points + 1) / 2
    weights = step[..., None] * mass / 2 * np.exp(-(v**2) / 2) / np.sqrt(2 * np.pi)
    rows = len(units.zeta)
    v, weights = v.reshape(rows, -1), np.broadcast_to(weights, v.shape).reshape(rows, -1)
    return _moments(activation, x0, np.sqrt(tau) * v, gamma, beta, weights, tau)


def _moments(
    activation: Activation,
    x0: np.ndarray,
    v: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    weights: np.ndarray,
    tau: float,
) -> Conditional:
    phi, slope = with_derivative(activation, gamma * (x0 + v) + beta)
    slope = gamma * slope

    def mean(values: np.ndarray) -> np.ndarray:
        return (values * weights).sum(axis=1)

    return Conditional(
        m=mean(phi),
        b=mean(slope),
        d=mean(slope * v) / tau,
        h2=mean(phi**2),
        hd=mean(phi * slope),
        dd=mean(slope**2),
    )
