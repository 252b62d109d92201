"""The Gaussian integrals of an activation over two samples, by quadrature."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.families.kernel import DoesNotExist
from theory.mathematics import FLOATS, Number, precise
from theory.pair import Law, Pair
from theory.quadrature.estimate import (
    ROUNDINGS,
    TOLERANCE,
    Answer,
    Estimate,
    NotConverged,
    compare,
    estimated,
    in_float,
    tolerance,
)
from theory.quadrature.growth import DUALS, POWERS, growth, missing
from theory.quadrature.line import OneSample, jumps, line_integrals
from theory.quadrature.panels import BY_PARTS, Feature, Plane, features, line_panels, plane_panels
from theory.quadrature.sampling import Inaccurate, Sampled, Span, core, plane_span
from theory.quadrature.trapezoid import Rows, plane, refined

if TYPE_CHECKING:
    from theory.activations import Activation

SQUARES = ("second", "derivative_second")
UNSEEN, CANCELLED = 1e-9, 1e-6
ORDERS = {"dual": 0, "derivative_dual": 1, BY_PARTS: 0}  # of the derivatives


@lru_cache(maxsize=4096)
def plane_integrals(activation: Activation, pair: Pair, m: Any) -> dict[str, Answer]:
    if pair.a == 0 or pair.b == 0:
        return _product(activation, pair, m)
    gone = missing(activation, pair)
    found: dict[str, Answer] = {name: gone[name] for name in DUALS if name in gone}
    names = tuple(name for name in DUALS if name not in gone)
    try:
        return found | (_two_in(activation, pair, m, names)[0] if names else {})
    except Inaccurate as problem:
        if m is not FLOATS:
            return found | dict.fromkeys(names, NotConverged(str(problem)))
    except NotConverged:
        return found | {name: _alone(activation, pair, m, name) for name in names}
    accurate = precise(15)
    exact = plane_integrals(activation, Pair(*map(accurate.context.mpf, pair)), accurate)
    return {name: in_float(DUALS[name][0], answer) for name, answer in exact.items()}


def _alone(activation: Activation, pair: Pair, m: Any, name: str) -> Answer:
    try:
        return _two_in(activation, pair, m, (name,))[0][name]
    except NotConverged as problem:
        return problem


def _product(activation: Activation, pair: Pair, m: Any) -> dict[str, Answer]:
    """A variance is 0: the samples are independent."""
    found: dict[str, Answer] = {}
    for name, single in (("dual", "mean"), ("derivative_dual", "derivative_mean")):
        one, other = (
            line_integrals(activation, law, m).answers[single] for law in (pair.u, pair.v)
        )
        if isinstance(one, Estimate) and isinstance(other, Estimate):
            error = abs(one.value) * other.error + abs(other.value) * one.error
            found[name] = Estimate(one.value * other.value, error)
        else:
            found[name] = other if isinstance(one, Estimate) else one
    return found


def _two_in(
    activation: Activation, pair: Pair, m: Any, names: tuple[str, ...]
) -> tuple[dict[str, Answer], np.ndarray | None]:
    """The integrals by name, and the outer panels that resolve them."""
    answers: dict[str, Answer] = {}
    lines = line_integrals(activation, pair.u, m), line_integrals(activation, pair.v, m)
    if m is FLOATS and max(max(one.noise) for one in lines) > TOLERANCE:
        raise Inaccurate("phi is not accurate in float64")
    sampled = Sampled(activation, m)
    if m is not FLOATS and sampled.steep and pair.dl * pair.op != 0:
        raise NotConverged(
            "phi' is unbounded at a kink: beyond float64 two dimensions take too many nodes"
        )
    plan, edges = _plane_plan(activation, pair, m, names)
    rules = _rules(sampled, lines, names)
    if BY_PARTS in rules and pair.dl * pair.op == 0:
        raise NotConverged(
            "E phi'(u) phi'(v) is not known at correlation -1 or 1: phi' is unbounded at a kink"
        )
    checks = {} if plan else _squares(lines, names)
    floors = [_floor(m, lines, name) for name in names] + list(checks.values())
    rows, edges = _plane_rows(sampled, pair, (*rules, *checks), lines, floors, edges)
    _compare_squares(rows, names, checks)
    for index, (name, rule) in enumerate(zip(names, rules, strict=True)):
        value, error = estimated(m, *(row[index] for row in rows))
        rounding = sum(float(one.noise[ORDERS[rule]]) for one in lines) * rows.sizes[index]
        answers[name] = Estimate(value, error + rounding)
    if BY_PARTS in rules:
        answers["derivative_dual"] = _by_parts(m, pair, lines, answers["derivative_dual"])
    elif "derivative_dual" in names:
        answers["derivative_dual"] = _with_jumps(sampled, pair, answers["derivative_dual"])
    compare(answers, plan)
    return answers, edges


def _rules(
    sampled: Sampled, lines: tuple[OneSample, OneSample], names: tuple[str, ...]
) -> tuple[str, ...]:
    """What is integrated: phi' itself does not do where it is unbounded and has no square."""
    squares = [one.answers["derivative_second"] for one in lines]
    if not sampled.steep or all(isinstance(one, Estimate) for one in squares):
        return names
    return tuple(BY_PARTS if name == "derivative_dual" else name for name in names)


def _by_parts(m: Any, pair: Pair, lines: tuple[OneSample, OneSample], product: Answer) -> Estimate:
    """E phi'(u) phi'(v), point masses included, from the same with weighted phi(u) phi(v)."""
    assert isinstance(product, Estimate)
    deviations = m.sqrt(pair.a) * m.sqrt(pair.b)
    if product.error > CANCELLED * _floor(m, lines, "dual"):
        raise NotConverged(
            "E phi'(u) phi'(v) is not known so close to correlation -1 or 1: phi' is unbounded at "
            f"a kink, and by parts the error is {float(product.error / deviations):.1e}"
        )
    return Estimate(product.value / deviations, product.error / deviations)


def _squares(lines: tuple[OneSample, OneSample], names: tuple[str, ...]) -> dict[str, Number]:
    """Integrals over one sample that the rule for two must reproduce."""
    found = {}
    for name, square in (("dual", "second"), ("derivative_dual", "derivative_second")):
        for which, one in zip("uv", lines, strict=True):
            answer = one.answers[square]
            if name in names and isinstance(answer, Estimate):
                found[f"{square} of {which}"] = answer.value
    return found


def _compare_squares(rows: Rows, names: tuple[str, ...], checks: dict[str, Number]) -> None:
    for value, (name, right) in zip(rows.values[len(names) :], checks.items(), strict=True):
        if abs(value - right) > UNSEEN * right:
            gap = float(abs(value / right - 1))
            raise NotConverged(
                f"the quadrature has not converged: in two dimensions {name} is off by {gap:.1e}"
            )


def _plane_plan(
    activation: Activation, pair: Pair, m: Any, names: tuple[str, ...]
) -> tuple[dict[str, Answer], np.ndarray | None]:
    if m is FLOATS:
        return {}, None
    try:
        return _two_in(activation, Pair(*map(float, pair)), FLOATS, names)
    except (Inaccurate, NotConverged):
        return {}, None


def _plane_rows(
    sampled: Sampled,
    pair: Pair,
    names: tuple[str, ...],
    lines: tuple[OneSample, OneSample],
    floors: list[Number],
    edges: np.ndarray | None,
) -> tuple[Rows, np.ndarray | None]:
    goal, box = tolerance(sampled.m), plane_box(sampled, pair, lines)
    steps = [one.step for one in lines if one.step is not None]
    if len(steps) == 2 and edges is None:
        try:
            rule = plane(sampled, pair, names, box, floors, min(steps))
            return refined(rule, min(steps), goal)[0], None
        except NotConverged:
            pass
    one, other = (
        _features(sampled, law, line, names)
        for law, line in zip((pair.u, pair.v), lines, strict=True)
    )
    whole = Plane(sampled, pair, names, box, (one, other))
    settled = plane_panels(whole, floors, goal, edges)
    return settled.rows, settled.edges


def _features(sampled: Sampled, law: Law, one: OneSample, names: tuple[str, ...]) -> list[Feature]:
    """Where phi, and phi' if its integral is among the names, vary fast or have kinks."""
    edges = one.edges
    if edges is None or "derivative_dual" not in names:
        orders = {ORDERS[name] for name in names if name in ORDERS}
        rows = tuple(
            name
            for name, (_, order, _) in POWERS.items()
            if order in orders and isinstance(one.answers[name], Estimate)
        )
        edges = line_panels(sampled, law, rows, one.where, tolerance(sampled.m)).edges
    return features(edges, sampled.standard(law, sampled.kinks))


def _floor(m: Any, lines: tuple[OneSample, OneSample], name: str) -> Number:
    """The scale of Cauchy and Schwarz, if it exists."""
    squares = [one.answers["second" if name == "dual" else "derivative_second"] for one in lines]
    values = [one.value for one in squares if isinstance(one, Estimate)]
    return m.sqrt(values[0]) * m.sqrt(values[1]) if len(values) == 2 else m.number(0)


def plane_box(
    sampled: Sampled, pair: Pair, lines: tuple[OneSample, OneSample]
) -> tuple[Span, Span]:
    """Where the integrand counts in x and y.

    It does where phi(u)^2 and phi(v)^2 do: on balls around points of the lines of u and of v. If
    those have no integral, the integrand itself is looked at.
    """
    if any(isinstance(one.answers[name], DoesNotExist) for one in lines for name in SQUARES):
        orders = [order for _, (_, order) in DUALS.items()]
        if any(rate.fastest > 0 for rate in growth(sampled.activation)):
            return plane_span(sampled, pair, orders)
    radius = core(sampled.arrays.digits)
    whole = [Span(-radius, radius), Span(-radius, radius)]
    slopes = (float(pair.op) / 2) ** 0.5, (float(pair.dl) / 2) ** 0.5
    for sign, one in zip((1, -1), lines, strict=True):
        for axis, slope in enumerate((slopes[0], sign * slopes[1])):
            ends = slope * (one.where.low + radius), slope * (one.where.high - radius)
            whole[axis] = whole[axis].joined(Span(min(ends) - radius, max(ends) + radius))
    return whole[0], whole[1]


def _with_jumps(sampled: Sampled, pair: Pair, smooth: Answer) -> Answer:
    r"""E phi'(u) phi'(v) with the point masses of phi' at the jumps J_i of phi at t_i.

    .. math:: \ldots + \sum_i J_i N(t_i)\,E[\varphi'(v) | u = t_i] + \text{the same for } v
              + \sum_{ij} J_i J_j N_2(t_i, t_j)
    """
    assert isinstance(smooth, Estimate)
    value, error = smooth
    arrays, s = sampled.arrays, sampled.m.sqrt(pair.dl * pair.op)
    turned = pair._replace(a=pair.b, b=pair.a, m1=pair.m2, m2=pair.m1)
    for one in (pair, turned):
        for xi, jump in jumps(sampled, one.u):
            mass = jump * arrays.density(xi)
            slope = _slope_given(sampled, one, xi)
            value, error = value + mass * slope.value, error + abs(mass) * slope.error
    for xi, jump in jumps(sampled, pair.u):
        for eta, other in jumps(sampled, pair.v):
            near = pair.dl < pair.op
            rest = (eta - xi) + pair.dl * xi if near else (eta + xi) - pair.op * xi
            density = arrays.density(rest / s) / s if s else 0
            value = value + jump * arrays.density(xi) * other * density
    return Estimate(value, error + ROUNDINGS * arrays.unit * abs(value))


def _slope_given(sampled: Sampled, pair: Pair, xi: Number) -> Estimate:
    """E phi'(v) without point masses, given u at xi."""
    c = 1 - pair.dl if pair.dl < pair.op else pair.op - 1
    law = Law(pair.m2 + sampled.m.sqrt(pair.b) * c * xi, pair.b * pair.dl * pair.op)
    found = line_integrals(sampled.activation, law, sampled.m)
    if found.slope is None:
        raise NotConverged("E phi'(v) given u at a jump is not known")
    return found.slope
