r"""The six Gaussian integrals of any activation, by quadrature, each with a stated error.

An activation without kinks is integrated by the trapezoid rule (``theory.trapezoid``); one with
kinks, or one that varies too fast for it, by panels (``theory.panels``). Jumps of phi enter the
derivative as point masses. In float64 the rounding errors of phi are measured against 30 digits,
and where they are too large the whole integral is done in mpmath.

The stated error is the gap between two refinements times ``SAFETY``, plus the rounding errors; a
gap above the tolerance is never returned: the quadrature refines, and gives up with
``NotConverged``. The gap sees what the nodes see: a feature narrower than 1/500 of the standard
deviation may be missed.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theory.errors import DescriptionError, OutOfRegime
from theory.families.kernel import DoesNotExist, Integral, Kernel
from theory.growth import DUALS, POWERS, growth, missing, missing_of_one
from theory.mathematics import FLOATS, Number, precise
from theory.pair import Law, Pair
from theory.panels import Feature, Plane, features, line_panels, plane_panels
from theory.sampling import Inaccurate, NotConverged, Sampled, Span, core, noise, plane_span, span
from theory.trapezoid import Rows, coarsest_step, line, plane, refined

if TYPE_CHECKING:
    from theory.activations import Activation

__all__ = ["Estimate", "NotConverged", "integrals", "one_sample", "quadrature_kernel", "seconds"]

TOLERANCE = 1e-12
SAFETY, ROUNDINGS = 4, 32
STEIN = {"stein": "derivative_mean", "stein_second": "xi_slope"}  # by parts, directly
SQUARES = ("second", "derivative_second")
UNDECLARED, UNSEEN = 1e-6, 1e-9
MULTIPLICATION = 1.5e-6  # seconds for one in mpmath


class Estimate(NamedTuple):
    """A number, and a bound of its error."""

    value: Number
    error: Number


Answer = Estimate | OutOfRegime | NotConverged


class OneSample(NamedTuple):
    """The integrals over one sample, and what the rule for two samples starts from."""

    answers: dict[str, Answer]
    slope: Estimate | None  # E phi'(u) without point masses
    sizes: dict[str, Number]
    noise: np.ndarray
    where: Span
    step: float | None
    edges: np.ndarray | None


def integrals(activation: Activation, pair: Pair, m: Any = FLOATS) -> dict[str, Answer]:
    r"""The integrals ``mean`` ... ``derivative_second`` over u, ``dual`` and ``derivative_dual``.

    Each is an ``Estimate``, or the exception that says why there is none: ``DoesNotExist``,
    ``OutOfRegime`` for a result beyond float64, ``NotConverged`` where the quadrature does not
    reach its tolerance. Domain: variances >= 0, correlation in [-1, 1]; m is ``FLOATS`` or
    ``precise(digits)``. Raises ``DescriptionError`` where phi is undefined.

    >>> from theory.activations import Activation
    >>> found = integrals(Activation.from_expression("x**2"), Pair.at(1.0, c=0.5))
    >>> round(float(found["dual"].value), 12), float(found["dual"].error) < 1e-11
    (1.5, True)
    """
    pair = Pair(*(m.number(value) for value in pair))
    return dict(_line(activation, pair.u, m).answers) | _two_samples(activation, pair, m)


def one_sample(activation: Activation, law: Law, m: Any = FLOATS) -> dict[str, Answer]:
    """``mean``, ``second``, ``derivative_mean`` and ``derivative_second`` in the same way."""
    return dict(_line(activation, Law(*(m.number(value) for value in law)), m).answers)


def quadrature_kernel(activation: Activation, digits: int | None = None) -> Kernel:
    """The kernel whose functions give an ``Estimate`` or raise ``DoesNotExist``; no gaps.

    >>> from theory.activations import Activation
    >>> kernel = quadrature_kernel(Activation.from_expression("cos(x)"), digits=20)
    >>> kernel.mean(Law(0, 2)).value - precise(20).exp(-1) < 1e-20
    True
    """
    m = FLOATS if digits is None else precise(digits)

    def of_law(name: str) -> Integral:
        return lambda law: _given(one_sample(activation, law, m)[name])

    def of_pair(name: str) -> Integral:
        def integral(pair: Pair) -> Estimate:
            numbers = Pair(*(m.number(value) for value in pair))
            return _given(_two_samples(activation, numbers, m)[name])

        return integral

    return Kernel(
        mean=of_law("mean"),
        derivative_mean=of_law("derivative_mean"),
        second=of_law("second"),
        derivative_second=of_law("derivative_second"),
        dual=of_pair("dual"),
        derivative_dual=of_pair("derivative_dual"),
    )


def _given(answer: Answer) -> Estimate:
    if not isinstance(answer, Estimate):
        raise answer
    return answer


def tolerance(m: Any) -> float:
    """The relative gap at which a refinement stops."""
    return TOLERANCE if m is FLOATS else 10.0 ** -(m.digits - 15 + 2)


# One sample


@lru_cache(maxsize=4096)
def _line(activation: Activation, law: Law, m: Any) -> OneSample:
    if law.a == 0:
        return _at_a_point(activation, law, m)
    try:
        return _line_in(activation, law, m, _plan(activation, law, m))
    except Inaccurate as problem:
        if m is not FLOATS:
            raise NotConverged(f"the quadrature has not converged: {problem}") from None
    accurate = precise(15)
    return _rounded(_line(activation, Law(*map(accurate.context.mpf, law)), accurate))


def _plan(activation: Activation, law: Law, m: Any) -> OneSample | None:
    """What float64 found, for the arithmetic of mpmath to start from."""
    if m is FLOATS:
        return None
    try:
        return _line_in(activation, Law(float(law.m), float(law.a)), FLOATS, None)
    except (Inaccurate, NotConverged):
        return None


def _line_in(activation: Activation, law: Law, m: Any, plan: OneSample | None) -> OneSample:
    sampled = Sampled(activation, m)
    gone = missing_of_one(activation, law)
    names = [name for name in POWERS if name not in gone]
    if not names:
        edge = core(sampled.arrays.digits)
        return OneSample(dict(gone), None, {}, np.zeros(2), Span(-edge, edge), None, None)
    powers = {POWERS[name][1:] for name in names}
    where = span(sampled, law, tuple(sorted(powers)))
    ratio = noise(sampled, law, where)
    if max(ratio) > TOLERANCE:
        raise Inaccurate(f"phi has rounding errors of {max(ratio):.1e}")
    names += _checks(names)
    step, edges, rows = _by_trapezoid_or_panels(sampled, law, tuple(names), where, plan)
    found = {
        name: _estimate(m, *row) for name, row in zip(names, zip(*rows, strict=True), strict=True)
    }
    sizes = dict(zip(names, rows.sizes, strict=True))
    answers, slope = _with_point_masses(sampled, law, found, sizes, ratio)
    if plan is not None:
        _compare(answers, plan.answers)
    return OneSample(answers | gone, slope, sizes, ratio, where, step, edges)


def _checks(names: list[str]) -> list[str]:
    """Integrals that tell whether phi jumps elsewhere than at its kinks."""
    if "mean" in names and "derivative_mean" in names:
        return [*STEIN, "xi_slope"]
    return []


def _by_trapezoid_or_panels(
    sampled: Sampled, law: Law, names: tuple[str, ...], where: Span, plan: OneSample | None
) -> tuple[float | None, np.ndarray | None, Rows]:
    goal = tolerance(sampled.m)
    if not sampled.breaks and (plan is None or plan.step is not None):
        try:
            if plan is not None and plan.step is not None:
                start = plan.step
            elif sampled.m is FLOATS:
                start = coarsest_step(sampled, law, names, where, goal)
            else:
                start = 0.5
            rows, step = refined(line(sampled, law, names, where), start, goal)
            return step, None, rows
        except NotConverged:
            pass
    known = None if plan is None else plan.edges
    settled = line_panels(sampled, law, names, where, goal, known)
    return None, settled.edges, settled.rows


def _estimate(m: Any, value: Number, gap: Number, size: Number) -> Estimate:
    unit = 2.0**-52 if m is FLOATS else m.context.eps
    return Estimate(value, SAFETY * gap + ROUNDINGS * unit * size)


def _with_point_masses(
    sampled: Sampled,
    law: Law,
    found: dict[str, Estimate],
    sizes: dict[str, Number],
    ratio: np.ndarray,
) -> tuple[dict[str, Answer], Estimate | None]:
    """The integrals with the rounding errors of phi, and the jumps of phi in its derivative."""
    answers: dict[str, Answer] = {}
    for name, (_, order, power) in POWERS.items():
        if name in found:
            value, error = found[name]
            answers[name] = Estimate(value, error + power * float(ratio[order]) * sizes[name])
    slope = answers.get("derivative_mean")
    if not isinstance(slope, Estimate):
        return answers, None
    density = sampled.arrays.density
    masses = [(xi, jump * density(xi)) for xi, jump in _jumps(sampled, law)]
    answers["derivative_mean"] = slope._replace(value=slope.value + sum(mass for _, mass in masses))
    if "stein" in found:
        sigma = sampled.m.sqrt(law.a)
        for (by_parts, direct), power in zip(STEIN.items(), (0, 1), strict=True):
            other = found[direct].value + sum(mass * xi**power for xi, mass in masses)
            size = sizes[by_parts] + sigma * sizes[direct]
            if abs(found[by_parts].value - sigma * other) > UNDECLARED * size:
                raise DescriptionError(
                    f"activation {sampled.activation.expression!r} jumps at a point that is not "
                    "among its kinks: give all of them"
                )
    return answers, slope


def _jumps(sampled: Sampled, law: Law) -> list[tuple[Number, Number]]:
    """The jumps of phi: where, in standard coordinates, and how large over the deviation."""
    sigma, number = sampled.m.sqrt(law.a), sampled.arrays.number
    return [
        ((number(one.at) - law.m) / sigma, number(one.jump) / sigma)
        for one in sampled.breaks
        if one.jump != 0
    ]


def _compare(answers: dict[str, Answer], plan: dict[str, Answer]) -> None:
    """Whether mpmath found what float64 did, to the accuracy of the latter."""
    for name, answer in answers.items():
        seen = plan.get(name)
        if isinstance(answer, Estimate) and isinstance(seen, Estimate):
            gap = abs(float(answer.value - seen.value))
            if gap > SAFETY * (seen.error + float(answer.error)):
                raise NotConverged(
                    f"the quadrature of {name} has not converged: in float64 and in mpmath the "
                    f"results differ by {gap:.1e}"
                )


def _at_a_point(activation: Activation, law: Law, m: Any) -> OneSample:
    """The integrals at variance 0."""
    sampled = Sampled(activation, m)
    value, slope = sampled(sampled.arrays.array([law.m]))[:, 0]
    if not m.absolute(value) < float("inf"):
        raise DescriptionError(
            f"activation {activation.expression!r} is not finite at x = {float(law.m):.6g}"
        )
    unit = ROUNDINGS * sampled.arrays.unit
    answers: dict[str, Answer] = {
        "mean": Estimate(value, unit * abs(value)),
        "second": Estimate(value**2, unit * value**2),
        "derivative_mean": Estimate(slope, unit * abs(slope)),
        "derivative_second": Estimate(slope**2, unit * slope**2),
    }
    if law.m in sampled.kinks:
        for name in ("derivative_mean", "derivative_second"):
            answers[name] = DoesNotExist(
                f"{POWERS[name][0]} does not exist at variance 0 and mean {float(law.m):.6g}, "
                "a kink of phi"
            )
    edge = core(sampled.arrays.digits)
    given = answers["derivative_mean"]
    slope_at = given if isinstance(given, Estimate) else None
    return OneSample(answers, slope_at, {}, np.zeros(2), Span(-edge, edge), None, None)


def _rounded(found: OneSample) -> OneSample:
    """A result of mpmath in float64; its noise says that float64 itself is not accurate here."""
    answers = {name: _in_float(name, answer) for name, answer in found.answers.items()}
    slope = None if found.slope is None else _in_float("derivative_mean", found.slope)
    return found._replace(
        answers=answers,
        slope=slope if isinstance(slope, Estimate) else None,
        noise=np.full(2, np.inf),
    )


def _in_float(name: str, answer: Answer) -> Answer:
    if not isinstance(answer, Estimate):
        return answer
    value, error = float(answer.value), float(answer.error)
    if not isfinite(value):
        return OutOfRegime(f"{(POWERS | DUALS)[name][0]} exceeds the largest float64: give digits")
    return Estimate(value, error + 2.0**-52 * abs(value))


# Two samples


@lru_cache(maxsize=4096)
def _two_samples(activation: Activation, pair: Pair, m: Any) -> dict[str, Answer]:
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
    exact = _two_samples(activation, Pair(*map(accurate.context.mpf, pair)), accurate)
    return {name: _in_float(name, answer) for name, answer in exact.items()}


def _alone(activation: Activation, pair: Pair, m: Any, name: str) -> Answer:
    try:
        return _two_in(activation, pair, m, (name,))[0][name]
    except NotConverged as problem:
        return problem


def _product(activation: Activation, pair: Pair, m: Any) -> dict[str, Answer]:
    """A variance is 0: the samples are independent."""
    found: dict[str, Answer] = {}
    for name, single in (("dual", "mean"), ("derivative_dual", "derivative_mean")):
        one, other = (_line(activation, law, m).answers[single] for law in (pair.u, pair.v))
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
    lines = _line(activation, pair.u, m), _line(activation, pair.v, m)
    if m is FLOATS and max(max(one.noise) for one in lines) > TOLERANCE:
        raise Inaccurate("phi is not accurate in float64")
    sampled = Sampled(activation, m)
    plan, edges = _plane_plan(activation, pair, m, names)
    checks = {} if plan else _squares(lines, names)
    floors = [_floor(m, lines, name) for name in names] + list(checks.values())
    rows, edges = _plane_rows(sampled, pair, (*names, *checks), lines, floors, edges)
    _compare_squares(rows, names, checks)
    for index, name in enumerate(names):
        value, error = _estimate(m, *(row[index] for row in rows))
        rounding = sum(float(one.noise[DUALS[name][1]]) for one in lines) * rows.sizes[index]
        answers[name] = Estimate(value, error + rounding)
    if "derivative_dual" in names:
        answers["derivative_dual"] = _with_jumps(sampled, pair, answers["derivative_dual"])
    _compare(answers, plan)
    return answers, edges


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
    goal, box = tolerance(sampled.m), _box(sampled, pair, lines)
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
        orders = {order for name, (_, order) in DUALS.items() if name in names}
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


def _box(sampled: Sampled, pair: Pair, lines: tuple[OneSample, OneSample]) -> tuple[Span, Span]:
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
        for xi, jump in _jumps(sampled, one.u):
            mass = jump * arrays.density(xi)
            slope = _slope_given(sampled, one, xi)
            value, error = value + mass * slope.value, error + abs(mass) * slope.error
    for xi, jump in _jumps(sampled, pair.u):
        for eta, other in _jumps(sampled, pair.v):
            near = pair.dl < pair.op
            rest = (eta - xi) + pair.dl * xi if near else (eta + xi) - pair.op * xi
            density = arrays.density(rest / s) / s if s else 0
            value = value + jump * arrays.density(xi) * other * density
    return Estimate(value, error + ROUNDINGS * arrays.unit * abs(value))


def _slope_given(sampled: Sampled, pair: Pair, xi: Number) -> Estimate:
    """E phi'(v) without point masses, given u at xi."""
    c = 1 - pair.dl if pair.dl < pair.op else pair.op - 1
    law = Law(pair.m2 + sampled.m.sqrt(pair.b) * c * xi, pair.b * pair.dl * pair.op)
    found = _line(sampled.activation, law, sampled.m)
    if found.slope is None:
        raise NotConverged("E phi'(v) given u at a jump is not known")
    return found.slope


# Time


def seconds(activation: Activation, pair: Pair, digits: int) -> float:
    """About how long ``integrals`` takes with this many digits, from what float64 needs."""
    m = precise(digits)
    sampled = Sampled(activation, m)
    points = sampled.arrays.array(np.linspace(0.1, 0.7, 5))
    start = perf_counter()
    sampled(points)
    each = (perf_counter() - start) / points.size
    floats = Pair(*map(float, pair))
    try:
        lines = [_line_in(activation, law, FLOATS, None) for law in (floats.u, floats.v)]
    except (Inaccurate, NotConverged):
        lines = []
    finer = (digits + 3) / 12
    steps = [one.step for one in lines if one.step is not None]
    if len(steps) == 2:
        box = _box(Sampled(activation, FLOATS), floats, (lines[0], lines[1]))
        scale = core(digits) / core(15)
        across = [(axis.high - axis.low) * scale * finer / min(steps) for axis in box]
        nodes = across[0] * across[1] * float(floats.op * floats.dl) ** 0.5 / 2 + 100 * sum(across)
        return 3 * nodes * MULTIPLICATION + 8 * sum(across) * each
    panels = 12 + sum(0 if one.edges is None else one.edges.size // 2 for one in lines)
    return (1 + 1.4**2) * 10 * panels * (16 * finer) ** 2 * 2 * each
