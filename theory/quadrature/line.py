"""The Gaussian integrals of an activation over one sample, by quadrature."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theory.errors import DescriptionError
from theory.families.kernel import DoesNotExist
from theory.mathematics import FLOATS, Number, precise
from theory.pair import Law
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
from theory.quadrature.growth import POWERS, missing_of_one
from theory.quadrature.panels import line_panels
from theory.quadrature.sampling import Inaccurate, Sampled, Span, core, noise, span
from theory.quadrature.trapezoid import Rows, coarsest_step, line, refined

if TYPE_CHECKING:
    from theory.activations import Activation

STEIN = {"stein": "derivative_mean", "stein_second": "xi_slope"}  # by parts, directly
UNDECLARED = 1e-6
CELLS, CLOSEST = 4096, 1e-12


class OneSample(NamedTuple):
    """The integrals over one sample, and what the rule for two samples starts from."""

    answers: dict[str, Answer]
    slope: Estimate | None  # E phi'(u) without point masses
    sizes: dict[str, Number]
    noise: np.ndarray
    where: Span
    step: float | None
    edges: np.ndarray | None


@lru_cache(maxsize=4096)
def line_integrals(activation: Activation, law: Law, m: Any) -> OneSample:
    if law.a == 0:
        return _at_a_point(activation, law, m)
    try:
        return line_in(activation, law, m, _plan(activation, law, m))
    except Inaccurate as problem:
        if m is not FLOATS:
            raise NotConverged(f"the quadrature has not converged: {problem}") from None
    accurate = precise(15)
    return _rounded(line_integrals(activation, Law(*map(accurate.context.mpf, law)), accurate))


def _plan(activation: Activation, law: Law, m: Any) -> OneSample | None:
    """What float64 found, for the arithmetic of mpmath to start from."""
    if m is FLOATS:
        return None
    try:
        return line_in(activation, Law(float(law.m), float(law.a)), FLOATS, None)
    except (Inaccurate, NotConverged):
        return None


def line_in(activation: Activation, law: Law, m: Any, plan: OneSample | None) -> OneSample:
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
    by_parts = sampled.steep and {"mean", "derivative_mean"} <= set(names)
    if by_parts:
        names = [*(name for name in names if name != "derivative_mean"), "stein"]
    names += _checks(names)
    step, edges, rows = _by_trapezoid_or_panels(sampled, law, tuple(names), where, plan)
    found = {
        name: estimated(m, *row) for name, row in zip(names, zip(*rows, strict=True), strict=True)
    }
    sizes = dict(zip(names, rows.sizes, strict=True))
    answers, slope = _with_point_masses(sampled, law, found, sizes, ratio)
    if by_parts:
        value, error = found["stein"]
        error, sigma = error + float(ratio[0]) * sizes["stein"], m.sqrt(law.a)
        answers["derivative_mean"] = Estimate(value / sigma, error / sigma)
    if plan is not None:
        compare(answers, plan.answers)
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
    masses = [(xi, jump * density(xi)) for xi, jump in jumps(sampled, law)]
    rounding = ROUNDINGS * sampled.arrays.unit * sum(abs(mass) for _, mass in masses)
    value = slope.value + sum(mass for _, mass in masses)
    answers["derivative_mean"] = Estimate(value, slope.error + rounding)
    if "stein" in found:
        sigma = sampled.m.sqrt(law.a)
        for (by_parts, direct), power in zip(STEIN.items(), (0, 1), strict=True):
            other = found[direct].value + sum(mass * xi**power for xi, mass in masses)
            size = sizes[by_parts] + sigma * sizes[direct]
            if abs(found[by_parts].value - sigma * other) > UNDECLARED * size:
                raise _unseen(sampled, law)
    return answers, slope


def _unseen(sampled: Sampled, law: Law) -> DescriptionError | NotConverged:
    """Why E xi phi(u) is not sigma E phi'(u): a jump that is no kink, or a slope between nodes.

    Halves the cell of a grid on which phi changes most against its slope, down to rounding errors.
    """
    edge = core(sampled.arrays.digits)
    xi = sampled.arrays.array(np.linspace(-edge, edge, CELLS + 1) + edge / CELLS / 3)
    points = law.m + sampled.m.sqrt(law.a) * xi
    value, slope = sampled(points)
    change = np.diff(value) - (slope[1:] + slope[:-1]) / 2 * np.diff(points)
    at = int(np.argmax(abs(change * sampled.arrays.density(xi[1:])).astype(float)))
    low, high = points[at], points[at + 1]
    left, right = value[at], value[at + 1]
    whole = abs(right - left)
    while high - low > CLOSEST * max(1, abs(low), abs(high)):
        middle = (low + high) / 2
        between = sampled(sampled.arrays.array([middle]))[0, 0]
        if abs(between - left) > abs(right - between):
            high, right = middle, between
        else:
            low, left = middle, between
    name = sampled.activation.expression
    if abs(right - left) > whole / 4:
        return DescriptionError(
            f"activation {name!r} jumps at a point that is not among its kinks, near "
            f"x = {float(low):.6g}: give all of them"
        )
    return NotConverged(
        f"the quadrature has not converged: near x = {float(low):.6g} {name!r} changes faster "
        f"than the nodes see at variance {float(law.a):.6g}"
    )


def jumps(sampled: Sampled, law: Law) -> list[tuple[Number, Number]]:
    """The jumps of phi: where, in standard coordinates, and how large over the deviation."""
    sigma, number = sampled.m.sqrt(law.a), sampled.arrays.number
    return [
        ((number(one.at) - law.m) / sigma, number(one.jump) / sigma)
        for one in sampled.breaks
        if one.jump != 0
    ]


def _at_a_point(activation: Activation, law: Law, m: Any) -> OneSample:
    """The integrals at variance 0."""
    sampled = Sampled(activation, m)
    value, slope = sampled(sampled.arrays.array([law.m]))[:, 0].tolist()
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
    answers = {name: in_float(POWERS[name][0], answer) for name, answer in found.answers.items()}
    slope = None if found.slope is None else in_float(POWERS["derivative_mean"][0], found.slope)
    return found._replace(
        answers=answers,
        slope=slope if isinstance(slope, Estimate) else None,
        noise=np.full(2, np.inf),
    )
