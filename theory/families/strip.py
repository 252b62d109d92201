r"""The logistic family in balls: the trapezoid rule with a bound of everything it leaves out.

.. math:: u = m_1 + \sqrt a(\alpha x + \beta y), \quad v = m_2 + \sqrt b(\alpha x - \beta y),
          \qquad \alpha, \beta = \sqrt{(1 \pm c)/2}

with independent standard normal x and y: nothing degenerates as c tends to 1 or -1. Let phi be
analytic for :math:`|\mathrm{Im}\,z| \le w` with :math:`|\varphi(z)| \le C + S|z|` there, and

.. math:: N_i = C + S\left(w + |m_i| + \sqrt{2a_i}\right), \quad
          d_x = \frac{w}{\alpha\sqrt{\max(a, b)}}, \quad
          \varepsilon_x = \frac{2 e^{d_x^2/2}}{e^{2\pi d_x/h_x} - 1}, \quad
          \mu(X) = 2 (X + 1/X)\,p(X).

The integrand is analytic in x up to d_x, where its integral over x and y is at most
:math:`e^{d_x^2/2} N_1 N_2` by the inequalities of Cauchy-Schwarz and Minkowski; so the rule in x
is off by :math:`\varepsilon_x N_1 N_2`, and any smaller d_x will do as well. The rule in y stands
under the sum over x: with steps of at most 1 a sum of p over a lattice has mass and second
moment of at most 8/5 instead of 1, hence the factor below. Beyond the last node X of an axis the
summands fall, and the moments of what is left out are at most :math:`\mu(X)`. In all

.. math:: N_1 N_2 \left(\varepsilon_x + \tfrac85\varepsilon_y + \tfrac85\mu(X)
          + \tfrac85\mu(Y)\right).

Source: Trefethen & Weideman, SIAM Review 2014, theorem 5.1, for the error in a strip.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log, pi, sqrt
from typing import Any, NamedTuple

from theory.activations import Activation
from theory.balls import Ball, Balls, NotCertified
from theory.differentiation import with_derivative
from theory.families.normal import density
from theory.mathematics import Number, of
from theory.pair import Law, Pair

MAX_NODES, LONGEST_AXIS = 1_500_000, 20_000
WIDEST = 0.9
HALF_WIDTH = "1.2"


class Bound(NamedTuple):
    r""":math:`|\varphi(z)| \le C + S|z|` for :math:`|\mathrm{Im}\,z| \le w`."""

    C: Number
    S: Number


class Analytic(NamedTuple):
    """A function on the real line in balls, and its bound in the strip of half-width w."""

    at: Callable[[Ball], Ball]
    bound: Bound
    w: Ball

    def size(self, law: Law) -> Ball:
        """N, the norm of its bound under this law."""
        m = self.w.system
        return self.bound.C + self.bound.S * (self.w + m.absolute(law.m) + m.sqrt(2 * law.a))


def bounds(m: Balls, name: str, w: Ball) -> tuple[Bound, Bound]:
    r"""The bounds of phi and of phi'; w lies between pi/4 and pi/2 for tanh, twice that for others.

    With z = x + iy, :math:`|\cosh z|^2 = \sinh^2 x + \cos^2 y` and
    :math:`|\tanh z|^2 = (\sinh^2 x + \sin^2 y)/(\sinh^2 x + \cos^2 y)`. For
    :math:`|y| \ge \pi/2`, :math:`|1 + e^z| \ge \sin|y|`, so that the sigmoid is at most
    :math:`1/\sin w`, and so is its complement. Softplus is the principal logarithm of
    :math:`1 + e^z`, whose argument is at most |y|, and whose absolute value lies between sin w,
    here above 1/2, and :math:`2 e^{|x|}`.
    """
    if name == "tanh":
        cosine = m.cos(w)
        return Bound(m.sin(w) / cosine, 0), Bound(1 / cosine**2, 0)
    largest = 1 / m.sin(w)
    return {
        "sigmoid": (Bound(largest, 0), Bound(largest**2, 0)),
        "softplus": (Bound(m.log(m.number(2)) + w, 1), Bound(largest, 0)),
        "silu": (Bound(0, largest), Bound(largest, largest**2)),
    }[name]


def analytic(m: Balls, name: str, order: int) -> Analytic:
    """An activation of the family (order 0) or its derivative (order 1)."""
    activation = Activation.named(name)
    w = m.number(HALF_WIDTH) * (1 if name == "tanh" else 2)
    return Analytic(lambda x: with_derivative(activation, x)[order], bounds(m, name, w)[order], w)


def mean(name: str, order: int, law: Law) -> Ball:
    """``E phi(u)``, or ``E phi'(u)``, of an activation of the family.

    >>> from theory.balls import balls
    >>> m = balls(60)
    >>> with m.working():
    ...     value = mean("tanh", 1, Law(0, m.number(1)))
    >>> round(float(value), 12)
    0.605705509602
    """
    m = of(*law)
    f = analytic(m, name, order)
    one = Analytic(lambda x: m.number(1), Bound(m.number(1), 0), f.w)
    a = m.number(law.a)
    return _product(m, f, one, Pair(a, a, a, 0 * a, 2 + 0 * a, law.m, law.m))


def dual(name: str, order: int, pair: Pair) -> Ball:
    """``E phi(u) phi(v)``, or ``E phi'(u) phi'(v)``; any means and variances."""
    m = of(*pair)
    f = analytic(m, name, order)
    return _product(m, f, f, pair)


class Axis(NamedTuple):
    """One axis of the rule: half-width of its strip, step, index of the last node."""

    d: Ball
    step: Ball
    last: int

    @property
    def error(self) -> Ball:
        """Of the rule with infinitely many nodes, in units of the integrand's norm."""
        m = self.step.system
        return 2 * m.exp(self.d**2 / 2) / m.expm1(2 * m.pi * self.d / self.step)

    @property
    def tail(self) -> Ball:
        """Of leaving out the nodes beyond the last one."""
        X = self.last * self.step
        assert X >= 2
        assert self.step <= 1
        return 2 * (X + 1 / X) * density(X)

    def weights(self) -> list[Any]:
        """The step times the density at the nodes 0 ... last."""
        m = self.step.system
        return [m.arb((self.step * density(self.step * k)).x) for k in range(self.last + 1)]


class Grid(NamedTuple):
    """Both axes, None for one on which nothing depends; u on m1 + sigma (P i + Q j) unit."""

    x: Axis | None
    y: Axis | None
    unit: Ball
    P: int
    Q: int


def _grid(m: Balls, pair: Pair, w: Ball) -> Grid:
    """Steps at which the errors are below the aim, and u and v run over lattices."""
    scale = m.maximum(m.sqrt(pair.a), m.sqrt(pair.b))
    target = m.bits * log(2) + 2
    alpha, beta = m.sqrt(pair.op / 2), m.sqrt(pair.dl / 2)
    widths = [_half_width(m, w, slope * scale, target) for slope in (alpha, beta)]
    spans = [
        float(slope) * min(WIDEST, 2 * pi * float(d) / (target + float(d) ** 2 / 2))
        for slope, d in zip((alpha, beta), widths, strict=True)
    ]
    unit = min(span for span in spans if span > 0)
    P, Q = (max(1, floor(span / unit)) for span in spans)
    g = m.number(unit)

    def axis(slope: Ball, d: Ball, count: int) -> Axis | None:
        if (slope == 0) is True:
            return None
        step = count * g / slope
        return Axis(d, step, ceil((sqrt(2 * target) + 2) / float(step)))

    return Grid(axis(alpha, widths[0], P), axis(beta, widths[1], Q), g, P, Q)


def _half_width(m: Balls, w: Ball, slope: Ball, target: float) -> Ball:
    """w/slope, or less where that is more than any step needs."""
    enough = m.number(sqrt(2 * target))
    return enough if (slope * enough <= w) is True else w / slope


def _product(m: Balls, f: Analytic, g: Analytic, pair: Pair) -> Ball:
    """``E f(u) g(v)``."""
    grid = _grid(m, pair, f.w)
    nodes = [1 if axis is None else 2 * axis.last + 1 for axis in (grid.x, grid.y)]
    if nodes[0] * nodes[1] > MAX_NODES or max(nodes) > LONGEST_AXIS:
        raise NotCertified(
            f"the bounded rule needs {nodes[0]} x {nodes[1]} nodes at these variances, too many"
        )
    total = Ball(_sum(m, f, g, pair, grid), m)
    one = m.number(1)
    parts = [
        factor * axis.error + one * 8 / 5 * axis.tail
        for axis, factor in ((grid.x, one), (grid.y, one * 8 / 5))
        if axis is not None
    ]
    error = f.size(pair.u) * g.size(pair.v) * sum(parts)
    return total + m.between(-error, error)


def _sum(m: Balls, f: Analytic, g: Analytic, pair: Pair, grid: Grid) -> Any:
    """The sum over the nodes."""
    alike = f is g and pair.a is pair.b and pair.m1 is pair.m2
    u = _Table(m, f, pair.u, grid.unit)
    v = u if alike else _Table(m, g, pair.v, grid.unit)
    one = [m.arb(1)]
    across = one if grid.x is None else grid.x.weights()
    along = one if grid.y is None else grid.y.weights()
    total = m.arb(0)
    for i in range(1 - len(across), len(across)):
        row = along[0] * u[grid.P * i] * v[grid.P * i]
        for j in range(1, len(along)):
            forth, back = grid.P * i + grid.Q * j, grid.P * i - grid.Q * j
            if alike:
                row += 2 * along[j] * u[forth] * v[back]
            else:
                row += along[j] * (u[forth] * v[back] + u[back] * v[forth])
        total += across[abs(i)] * row
    return total


class _Table(dict[int, Any]):
    """Values on a lattice, each computed once."""

    def __init__(self, m: Balls, f: Analytic, law: Law, unit: Ball) -> None:
        super().__init__()
        self.m, self.f, self.mean, self.step = m, f, law.m, m.sqrt(law.a) * unit

    def __missing__(self, k: int) -> Any:
        value = self[k] = self.m.arb(self.f.at(self.mean + self.step * k).x)
        return value
