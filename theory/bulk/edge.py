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
LONGEST, LEAST, GROWTH = 0.2, 1e-8, 1.5
ROOT, HALVINGS = 60, 20
ROUNDING = 1e-9


class Edge(NamedTuple):
    r"""The right edge :math:`\lambda(g)`, its argument g and :math:`\lambda''(g)`."""

    value: float
    g: float
    curvature: float


def right_edge(chain: Model) -> Edge:
    r"""The first minimum of :math:`\lambda(g)` as g falls from 0.

    The branch is followed from g = 0 by steps in whichever of the unknowns and g changes most,
    relatively, halved where it is lost: every determinant stays positive on it. In g itself it may
    turn back just behind the edge, where a few units of large weight hold it. The zero of
    :math:`d\lambda` is then found by Newton's method inside its bracket. Raises ``NotConverged``,
    never another branch's minimum.
    """
    return edge_of(System(chain))[0]


def edge_of(system: System) -> tuple[Edge, Point]:
    """The edge and the solution there."""
    point = first_point(system, STEP / np.sqrt(second_cumulant(system.chain)))
    state = np.append(point.unknowns, point.g)
    # outside the bulk lambda, g and the resolvents fall together, and the weights grow
    signs = np.where(np.arange(state.size) % 2, -1.0, 1.0)
    signs[-1] = -1
    direction, length = -np.append(point.tangent, 1), LONGEST
    while True:
        sizes = system.sizes(state)
        held = int(np.argmax(np.abs(direction) / sizes))
        tangent = system.along(state, held)[0]
        forward = signs[held]
        direction = tangent * forward * sizes[held]
        found = _hold(system, state + length * direction, held)
        if found is not None:
            tangent, _, slope = system.along(found, held)
            grown = tangent * forward * signs * sizes[held] / sizes
            if np.max(np.abs(found - state) / sizes) < 2 * length and np.min(grown) > -ROUNDING:
                if forward * slope > 0:
                    return _bottom(system, state, found, held)
                state, length = found, min(GROWTH * length, LONGEST)
                continue
        length /= 2
        if length < LEAST:
            raise system.failure(state[-1], length)


def _bottom(system: System, state: np.ndarray, beyond: np.ndarray, held: int) -> tuple[Edge, Point]:
    """The least lambda between two solutions, both functions of what is held."""
    inside, outside = state[held], beyond[held]
    for _ in range(ROOT):
        tangent, _, slope = system.along(state, held)
        if (outside - inside) * slope > 0:
            outside = state[held]
        else:
            inside = state[held]
        move = -slope / system.bend(state, held)
        if not min(inside, outside) < state[held] + move < max(inside, outside):
            move = (inside + outside) / 2 - state[held]
        whole = abs(move)
        while (found := _hold(system, state + move * tangent, held)) is None:
            move /= 2
            if abs(move) < LEAST * whole:
                raise system.failure(state[-1], whole)
        state = found
        if whole < 1e-9 * abs(state[held]):
            tangent, value, _ = system.along(state, held)
            curvature = system.bend(state, held) / tangent[-1] ** 2
            edge = Edge(float(value), float(state[-1]), float(curvature))
            return edge, system.at(edge.g, state[:-1])
    raise system.failure(state[-1], abs(inside - outside) / abs(inside))


def _hold(system: System, state: np.ndarray, held: int) -> np.ndarray | None:
    """The solution with one number held, on the physical branch; None where it is lost."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = system.hold(state, held)
    except NotConverged:
        return None
    return found if found[-1] < 0 else None


def first_point(system: System, step: float) -> Point:
    """The branch that comes from g = 0, where nothing fluctuates."""
    for _ in range(HALVINGS):
        try:
            return system.at(-step, system.far())
        except NotConverged:
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
    except NotConverged:
        return None
