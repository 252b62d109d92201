r"""The right edge of the bulk, by the physical branch of :math:`\lambda(g)`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.bulk.model import Model
from theory.bulk.moments import second_cumulant
from theory.bulk.system import Point, System
from theory.errors import NotConverged

STEP = 0.04
SHORTEST = 1e-6
ROOT, HALVINGS = 60, 20


class Edge(NamedTuple):
    r"""The right edge :math:`\lambda(g)`, its argument g and :math:`\lambda''(g)`."""

    value: float
    g: float
    curvature: float


def right_edge(chain: Model) -> Edge:
    r"""The first minimum of :math:`\lambda(g)` as g falls from 0.

    The branch is followed from g = 0 in steps of :math:`0.04/\sqrt{\kappa_2}`, halved where it is
    lost: every determinant stays positive on it. The zero of :math:`\lambda'` is then found by
    Newton's method inside its bracket. Raises ``NotConverged``, never another branch's minimum.
    """
    return edge_of(System(chain))[0]


def edge_of(system: System) -> tuple[Edge, Point]:
    """The edge and the solution there."""
    full = step = STEP / np.sqrt(second_cumulant(system.chain))
    inside, beyond = _start(system, step), None
    while beyond is None:
        found = _move(system, inside, inside.g - step)
        if found is None:
            step /= 2
            if step < SHORTEST * full:
                raise system.failure(inside.g - step, inside.slope * inside.g**2)
        elif found.slope > 0:
            inside = found
        else:
            beyond = found
    point, low, high = inside, float(beyond.g), float(inside.g)
    for _ in range(ROOT):
        curvature = system.curvature(point)
        g = point.g - point.slope / curvature
        if not low < g < high:
            g = (low + high) / 2
        found = follow(system, point, g)
        if abs(found.g - point.g) < 1e-9 * abs(g):
            return Edge(float(found.value), float(g), system.curvature(found)), found
        point = found
        low, high = (low, g) if found.slope > 0 else (g, high)
    raise system.failure(point.g, abs(point.slope) * point.g**2)


def _start(system: System, step: float) -> Point:
    """The branch that comes from g = 0, where nothing fluctuates."""
    for _ in range(HALVINGS):
        try:
            return system.at(-step, system.far())
        except (NotConverged, np.linalg.LinAlgError):
            step /= 2
    return system.at(-step, system.far())


def follow(system: System, start: Point, g: float) -> Point:
    """The physical branch at g, where it exists, in as many steps as it takes."""
    point, step = start, g - start.g
    while True:
        goal = g if abs(g - point.g) <= abs(step) else point.g + step
        found = _move(system, point, goal)
        if found is not None and goal == g:
            return found
        if found is not None:
            point = found
        elif abs(step) > SHORTEST * abs(g):
            step /= 2
        else:
            raise system.failure(goal, np.inf)


def _move(system: System, start: Point, g: float) -> Point | None:
    """The physical branch at g, from a solution near it; None where it is lost."""
    try:
        return system.at(g, start.unknowns + (g - start.g) * start.tangent)
    except (NotConverged, np.linalg.LinAlgError):
        return None
