r"""How fast an activation grows, and which of its Gaussian integrals therefore exist.

.. math:: \gamma_\pm = \lim_{x \to \pm\infty} \log|\varphi(x)|/x^2

decides: for a Gaussian variable of variance a, :math:`E|\varphi(u)|^k` is finite if
:math:`k\gamma_\pm < 1/(2a)`, and for a pair :math:`E\varphi(u)\varphi(v)` is, if in each quadrant
the quadratic form of the exponent of the density exceeds :math:`\gamma_\pm u^2 + \gamma_\pm v^2`.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import inf, isfinite, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import mpmath

from theory.differentiation import with_derivative
from theory.families.kernel import DoesNotExist
from theory.mathematics import Number, precise
from theory.pair import Law, Pair
from theory.quadrature.sampling import UNDEFINED, Sampled

if TYPE_CHECKING:
    from theory.activations import Activation

START, DOUBLINGS = 4, 16
CLOSE, ROUGHLY = 1e-6, 0.05
POWERS = {
    "mean": ("E phi(u)", 0, 1),
    "derivative_mean": ("E phi'(u)", 1, 1),
    "second": ("E phi(u)^2", 0, 2),
    "derivative_second": ("E phi'(u)^2", 1, 2),
}
DUALS = {"dual": ("E phi(u) phi(v)", 0), "derivative_dual": ("E phi'(u) phi'(v)", 1)}
NAMES = ("phi", "phi'")


class Growth(NamedTuple):
    """The coefficients of x^2 in log |phi| or log |phi'| to the left and to the right."""

    left: float
    right: float

    @property
    def fastest(self) -> float:
        return max(self.left, self.right)

    def __str__(self) -> str:
        if self.fastest == inf:
            return "faster than exp(g x^2) for every g"
        return f"like exp({self.fastest:.6g} x^2)"


@cache
def growth(activation: Activation) -> tuple[Growth, Growth]:
    """The growth of phi and of phi'; infinite if faster than any exp(g x^2).

    >>> from theory.activations import Activation
    >>> growth(Activation.from_expression("exp(x**2/4) + x"))[0].fastest
    0.25
    """
    left, right = (_one_side(activation, sign) for sign in (-1, 1))
    return Growth(left[0], right[0]), Growth(left[1], right[1])


def _one_side(activation: Activation, sign: int) -> list[float]:
    """Of phi and of phi': fitted at points that double, as long as everything is a number."""
    fits: list[list[float]] = [[], []]
    for doubling in range(DOUBLINGS):
        step = START * 2**doubling // 4
        sizes = [_sizes(activation, sign * step * k) for k in (1, 2, 3, 4)]
        for order in (0, 1):
            if all(one is not None for one in sizes):
                fits[order].append(_coefficient([one[order] for one in sizes if one], step))
        if None in sizes or any(fit[-1] == inf for fit in fits):
            break
    return [_limit(fit) for fit in fits]


def _sizes(activation: Activation, x: int) -> tuple[float, ...] | None:
    """log |phi| and log |phi'|; None where one of them is unknown."""
    m = precise(30)
    try:
        values = with_derivative(activation, m.number(x))
    except UNDEFINED:
        return None
    if any(not isinstance(y, mpmath.ctx_mp_python._mpf) or m.context.isnan(y) for y in values):
        return None
    return tuple(float(m.log(abs(y))) if y else -inf for y in values)


def _coefficient(sizes: list[float], step: float) -> float:
    """The coefficient g of g x^2 + b x + k log x + d, through its values at four multiples of step.

    Second differences annihilate b and d, their combination also k.
    """
    if inf in sizes or -inf in sizes:
        return inf if inf in sizes else -inf
    one, other = (sizes[i] - 2 * sizes[i + 1] + sizes[i + 2] for i in (0, 1))
    bend, less = log(3) - 2 * log(2), log(4) - 2 * log(3) + log(2)
    return (one * less - other * bend) / (2 * step**2 * (less - bend))


def _limit(fits: list[float]) -> float:
    """The limit of fits at doubling distances."""
    known = [fit for fit in fits if isfinite(fit)]
    if len(known) < 2:
        return fits[-1] if fits else 0.0
    before, last = known[-2:]
    if abs(last) < CLOSE:
        return 0.0
    if abs(last - before) <= ROUGHLY * abs(last):
        return round(last, 9)
    return inf if last > before > 0 else 0.0


def missing(activation: Activation, pair: Pair) -> dict[str, DoesNotExist]:
    """The integrals over u and over the pair that do not exist, and why."""
    found = missing_of_one(activation, pair.u)
    for name, (integral, order) in DUALS.items():
        rate = growth(activation)[order]
        if not _dual_exists(rate, pair):
            found[name] = DoesNotExist(
                f"{integral} diverges at variances {float(pair.a):.6g} and {float(pair.b):.6g}: "
                f"{NAMES[order]} grows {rate}{_dual_limit(rate, pair)}"
            )
    return found | _missing_at_breaks(Sampled(activation, precise(15)), pair)


def missing_of_one(activation: Activation, law: Law) -> dict[str, DoesNotExist]:
    """The integrals over one sample that do not exist."""
    found = {}
    for name, (integral, order, power) in POWERS.items():
        rate = growth(activation)[order]
        largest = 1 / (2 * power * rate.fastest) if rate.fastest > 0 else inf
        if float(law.a) >= largest * (1 - 1e-9):
            exists = f"; it exists for variances below {largest:.6g}" if largest else ""
            found[name] = DoesNotExist(
                f"{integral} diverges at variance {float(law.a):.6g}: "
                f"{NAMES[order]} grows {rate}{exists}"
            )
    sampled = Sampled(activation, precise(15))
    if any(one.jump for one in sampled.breaks):
        at = next(one.at for one in sampled.breaks if one.jump)
        found["derivative_second"] = DoesNotExist(
            f"E phi'(u)^2 diverges: phi jumps at x = {float(at):.6g}, phi' is a point mass there"
        )
    for one in sampled.breaks:
        for name, power in (("derivative_mean", 1), ("derivative_second", 2)):
            if power * one.power <= -1:
                found.setdefault(name, DoesNotExist(_steep(POWERS[name][0], one.at, one.power)))
    return found


def _steep(integral: str, at: Number, power: float) -> str:
    return f"{integral} diverges: phi' is of order |x - {float(at):.6g}|^{power:.3g} there"


def _dual_exists(rate: Growth, pair: Pair) -> bool:
    if rate.fastest <= 0:
        return True
    if rate.fastest == inf:
        return False
    a, b, dl, op = (float(x) for x in (pair.a, pair.b, pair.dl, pair.op))
    spread = dl * op
    c = 1 - dl if dl < op else op - 1
    for (one, s), (other, t) in product(((rate.left, -1), (rate.right, 1)), repeat=2):
        if -inf in (one, other):
            continue
        # times 2(1 - c^2), in units of the standard deviations
        x, y = 1 - 2 * spread * one * a, 1 - 2 * spread * other * b
        cross = s * t * c
        margin = 1e-9
        if x <= margin * spread or y <= margin * spread:
            return False
        if cross > 0 and not _positive(one * a, other * b, dl, op, cross):
            return False
    return True


def _positive(one: float, other: float, dl: float, op: float, cross: float) -> bool:
    r"""Whether :math:`(x^2 - 2|c|xy + y^2)/(2(1 - c^2)) - g x^2 - h y^2` is positive definite.

    Its determinant over 1/(4(1 - c^2)) is :math:`1 - 2g - 2h + 4gh(1 - c^2)`.
    """
    return 1 - 2 * one - 2 * other + 4 * one * other * dl * op > 1e-9


def _dual_limit(rate: Growth, pair: Pair) -> str:
    if rate.fastest == inf or rate.left != rate.right or pair.a != pair.b:
        return ""
    largest = 1 / (2 * rate.fastest * max(float(pair.dl), float(pair.op)))
    return f"; at this correlation it exists for variances below {largest:.6g}"


def _missing_at_breaks(sampled: Sampled, pair: Pair) -> dict[str, DoesNotExist]:
    """E phi'(u) phi'(v) at correlation -1 or 1, where breaks of u and v coincide."""
    if pair.dl * pair.op != 0:
        return {}
    sign = 1 if pair.dl == 0 else -1
    sigma, tau = sqrt(float(pair.a)), sqrt(float(pair.b))
    for one in sampled.breaks:
        for other in sampled.breaks:
            x = (float(one.at) - float(pair.m1)) / sigma
            y = (float(other.at) - float(pair.m2)) / tau
            if abs(x - sign * y) > 1e-12 * (1 + abs(x)):
                continue
            if one.jump or other.jump:
                at = one.at if one.jump else other.at
                return {
                    "derivative_dual": DoesNotExist(
                        "E phi'(u) phi'(v) does not exist at correlation -1 or 1: phi jumps at "
                        f"x = {float(at):.6g}, and a point mass meets another or a kink"
                    )
                }
            if one.power + other.power <= -1:
                at = _steep("E phi'(u) phi'(v)", one.at, one.power)
                return {"derivative_dual": DoesNotExist(f"{at}, at correlation -1 or 1")}
    return {}
