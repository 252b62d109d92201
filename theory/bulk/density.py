r"""The density of the bulk: the fixed point just above the real line."""

from __future__ import annotations

import numpy as np

from theory.bulk.edge import first_point, right_edge
from theory.bulk.model import Model
from theory.bulk.system import Point, System
from theory.errors import DescriptionError, NotConverged

SMOOTHING = 3e-4
LEAVES = 1.3
FIRST, SHORTEST = 0.02, 1e-9
GROWTH, FAR = 1.6, 0.5
ROUNDING = 1e-13


def density(chain: Model, values: np.ndarray, smoothing: float = SMOOTHING) -> np.ndarray:
    r"""Density of the eigenvalues at ``values``, per eigenvalue of :math:`F^*`.

    .. math:: \frac1\pi\,\mathrm{Im}\,g(\lambda + i\eta), \qquad
              \eta = \mathrm{smoothing} \cdot \mathrm{edge},

    which blurs the law by a Cauchy kernel of width eta. The solution is continued from beyond the
    right edge, where it is real, down to each value, by steps that shorten where they change it
    much. On the physical branch g and the resolvents E_l, F_l are in the upper half plane, the
    weights X_l, Y_l in the lower. Raises ``NotConverged`` where it is lost.

    >>> from theory.architecture import Network
    >>> from theory.bulk.model import model
    >>> linear = model(Network("linear", depth=2, sigma_w2=1), 1.0, 400)
    >>> density(linear, np.array([1.0, 5.0, 12.0])).round(3)
    array([0.214, 0.049, 0.   ])
    """
    values = np.asarray(values, dtype=float)
    if not (0 < smoothing < 1) or not np.isfinite(values).all():
        raise DescriptionError(
            f"a density needs finite values and 0 < smoothing < 1, smoothing = {smoothing} given"
        )
    system = System(chain)
    edge = right_edge(chain)
    eta = smoothing * edge.value
    start = LEAVES * max(edge.value, float(values.max(initial=0)))
    # lambda(-1/start) is larger than start
    point = first_point(system, 1 / start)
    point = system.near(complex(point.value, eta), point.unknowns, point.g)
    found = np.empty(values.shape)
    order = np.argsort(values.ravel())[::-1]
    step = FIRST * edge.value
    for at in order:
        goal = complex(values.flat[at], eta)
        point, step = _walk(system, point, goal, step)
        found.flat[at] = point.g.imag / np.pi
    return found


def _walk(system: System, point: Point, goal: complex, step: float) -> tuple[Point, float]:
    """The solution at the goal, and the length of the last step towards it."""
    while point.value.real != goal.real:
        left = goal.real - point.value.real
        length = left if abs(left) <= step else np.copysign(step, left)
        target = goal if length == left else complex(point.value.real + length, goal.imag)
        # tangent in lambda: g moves by d lambda/lambda'
        move = (target - point.value) / point.slope
        change = abs(move) / abs(point.g)
        found = None
        if change < FAR:
            unknowns = point.unknowns + move * point.tangent
            try:
                found = system.near(target, unknowns, point.g + move)
            except NotConverged:
                found = None
        if found is not None and _physical(found) and abs(found.g - point.g) < FAR * abs(point.g):
            point = found._replace(value=target)
            step *= GROWTH
            continue
        step = abs(length) / 2
        if step < SHORTEST * abs(goal):
            raise system.failure(point.g, change)
    return point, step


def _physical(point: Point) -> bool:
    rounding = ROUNDING * np.abs(point.unknowns)
    signs = np.where(np.arange(rounding.size) % 2, 1, -1)
    return bool(point.g.imag > 0 and np.all(signs * point.unknowns.imag >= -rounding))
