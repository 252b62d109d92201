"""How long a quadrature takes, told before it starts."""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

import numpy as np

from theory.mathematics import FLOATS, precise
from theory.pair import Pair
from theory.quadrature.estimate import NotConverged
from theory.quadrature.line import line_in
from theory.quadrature.plane import plane_box
from theory.quadrature.sampling import Inaccurate, Sampled, core

if TYPE_CHECKING:
    from theory.activations import Activation

MULTIPLICATION = 1.5e-6  # seconds for one in mpmath


def seconds(activation: Activation, pair: Pair, digits: int) -> float:
    """About how long ``integrals`` takes with this many digits, from what float64 needs."""
    m = precise(digits)
    sampled = Sampled(activation, m)
    points = sampled.arrays.array(np.linspace(0.1, 0.7, 5))
    sampled(points)
    each = min(timeit.repeat(lambda: sampled(points), number=1, repeat=5)) / points.size
    floats = Pair(*map(float, pair))
    try:
        lines = [line_in(activation, law, FLOATS, None) for law in (floats.u, floats.v)]
    except (Inaccurate, NotConverged):
        lines = []
    finer = (digits + 3) / 12
    steps = [one.step for one in lines if one.step is not None]
    if len(steps) == 2:
        box = plane_box(Sampled(activation, FLOATS), floats, (lines[0], lines[1]))
        scale = core(digits) / core(15)
        across = [(axis.high - axis.low) * scale * finer / min(steps) for axis in box]
        nodes = across[0] * across[1] * float(floats.op * floats.dl) ** 0.5 / 2 + 100 * sum(across)
        return 3 * nodes * MULTIPLICATION + 8 * sum(across) * each
    panels = 12 + sum(0 if one.edges is None else one.edges.size // 2 for one in lines)
    return (1 + 1.4**2) * 10 * panels * (16 * finer) ** 2 * 2 * each
