r"""Hermite (Mehler) coefficients of an activation, to any order.

.. math:: \alpha_n(q) = E\,\varphi(\sqrt q z)\,He_n(z) = q^{n/2} E\,\varphi^{(n)}(\sqrt q z),
          \qquad E\varphi(u)\varphi(v) = \sum_{n \ge 0} \frac{\alpha_n^2}{n!}\,c^n

at variance q and correlation c (unequal variances: :math:`\alpha_n(a)\alpha_n(b)`). All work is
done with the normalized coefficients :math:`\alpha_n/\sqrt{n!}`, whose squares sum up to
:math:`E\varphi^2`: they neither overflow nor vanish early.

Source of the closed forms: Stein's lemma, :math:`E f(z)He_n(z) = E f'(z)He_{n-1}(z)`, applied until
what is left is a point mass, a Gaussian integral or nothing; see each function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import ceil, factorial, inf, log, log2, perm, sqrt
from typing import Any, NamedTuple

import mpmath
import numpy as np

from theory.activations import SELU_ALPHA, SELU_SCALE, Activation
from theory.errors import DescriptionError, OutOfRegime
from theory.families.exponential import hermite_moments, monomial_moments, polynomial_moments
from theory.families.normal import cdf, density, legendre
from theory.gaussian import closed_kernel
from theory.mathematics import FLOATS, Number, precise
from theory.pair import Law
from theory.quadrature import NotConverged, tolerance
from theory.quadrature.growth import missing_of_one
from theory.quadrature.sampling import FARTHEST, Inaccurate, Sampled, Span, noise
from theory.validation import check_positive, listed, whole

CLOSED_ERROR = 1e-13
SAFETY, ROUNDINGS = 4, 32
NOISY = 1e-12
HALVINGS = 5
MOST_DIGITS = 3000  # of which the closed form of ELU takes q/4.6 as a reserve
LARGEST_ORDER = 100_000

Coefficients = list[Number]


class Expansion(NamedTuple):
    """Hermite coefficients, bounds or estimates of their errors, and how they were found.

    ``value`` and ``error`` are arrays over the orders, lists of mpmath numbers with ``digits``.
    """

    value: Any
    error: Any
    method: str


def hermite_coefficients(
    activation: Activation,
    n: int | Sequence[int],
    q: Number,
    *,
    digits: int | None = None,
    normalized: bool = False,
) -> Expansion:
    r""":math:`\alpha_n(q)`, or :math:`\alpha_n(q)/\sqrt{n!}` if ``normalized``, for one or many n.

    Closed where known: piecewise linear functions, powers of ReLU, ELU and SELU, erf, probit, GELU,
    sin, cos, exp, Gaussian, polynomials; with an error of at most 1e-13 (``digits``: 10^-digits) of
    :math:`\sqrt{E\varphi^2}` for normalized coefficients. Every other activation by Gauss-Legendre
    panels that are graded towards 0 and the kinks and halved until two results agree: the stated
    error is four times their gap, plus the rounding errors.

    Domain: whole n >= 0, q > 0. Raises ``DescriptionError`` outside, ``OutOfRegime`` where phi
    grows too fast or a coefficient exceeds the largest float64, ``NotConverged`` with the last gap.

    >>> found = hermite_coefficients(Activation.named("relu"), [0, 1, 2, 3], 1.0)
    >>> [round(float(value), 12) for value in found.value]
    [0.398942280401, 0.5, 0.398942280401, 0.0]
    """
    many = listed(n) or isinstance(n, np.ndarray)
    asked: Any = n if many else [n]
    orders = [whole("n", order, least=0) for order in asked]
    if orders and max(orders) > LARGEST_ORDER:
        raise DescriptionError(f"n must be at most {LARGEST_ORDER}, {max(orders)} given")
    if digits is not None:
        whole("digits", digits, least=1)
    m = FLOATS if digits is None else precise(digits)
    if not isinstance(q, mpmath.ctx_mp_python._mpf):
        check_positive("q", q)
    q = m.number(q)
    if not q > 0:
        raise DescriptionError(f"q must be positive, {q} given")
    order = max(orders, default=0)
    closed = _closed(activation, m, q, order)
    if closed is None:
        value, error = _by_quadrature(activation, m, q, order)
        method = "quadrature"
    else:
        value, method = closed, "closed form"
        unit = CLOSED_ERROR if digits is None else m.number(10) ** -digits
        error = [unit * _scale(activation, m, q, closed)] * (order + 1)
    if not normalized:
        value, error = _times_root_factorial(m, value), _times_root_factorial(m, error)
    values, errors = _chosen(m, value, orders), _chosen(m, error, orders)
    return Expansion(values, errors, method) if many else Expansion(values[0], errors[0], method)


def _chosen(m: Any, values: Coefficients, orders: Sequence[int]) -> Any:
    if m is not FLOATS:
        return [values[k] for k in orders]
    found = np.array([values[k] for k in orders], dtype=float)
    if not np.all(np.isfinite(found)):
        raise OutOfRegime("a coefficient exceeds the largest float64: ask for normalized or digits")
    return found


def _scale(activation: Activation, m: Any, q: Number, values: Coefficients) -> Number:
    """The size to which errors are relative: the root of E phi^2, at least that of the values."""
    kernel = closed_kernel(activation)
    largest = max(abs(value) for value in values)
    try:
        return max(largest, m.sqrt(kernel.second(Law(0, q)))) if kernel else largest
    except OutOfRegime:
        return largest


def _times_root_factorial(m: Any, values: Sequence[Number]) -> Coefficients:
    found, root = [], m.number(1)
    with np.errstate(over="ignore"):
        for k, value in enumerate(values):
            if k:
                root = root * m.sqrt(m.number(k))
            found.append(value * root if value != 0 else value)
    return found


# Closed forms: normalized coefficients 0 ... order


def _closed(activation: Activation, m: Any, q: Number, order: int) -> Coefficients | None:
    form = CLOSED.get(activation.name)
    if form is None or not activation.is_named:
        return None
    values = {
        name: tuple(map(m.number, value)) if isinstance(value, tuple) else m.number(value)
        for name, value in activation.parameters
    }
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = form(m, q, order, **values)
    if found is None:
        return None
    return [*found[: order + 1], *[m.number(0)] * (order + 1 - len(found))]


def _functions(m: Any, h: Number, order: int) -> Coefficients:
    r""":math:`He_k(h) p(h)/\sqrt{k!}` with the normal density p, for k = 0 ... order."""
    values = [m.number(0), density(m.number(h))]
    for k in range(order):
        upper, lower = m.sqrt(m.number(k + 1)), m.sqrt(m.number(k))
        values.append((h * values[-1] - lower * values[-2]) / upper)
    return values[1:]


def _step(m: Any, h: Number, order: int) -> Coefficients:
    r"""Of a step at h: :math:`P(z > h)`, then :math:`He_{n-1}(h) p(h)/\sqrt{n!}`."""
    functions = _functions(m, h, order)
    tail = cdf(-m.number(h))
    return [tail, *(functions[n - 1] / m.sqrt(m.number(n)) for n in range(1, order + 1))]


def _hinge(m: Any, h: Number, order: int) -> Coefficients:
    r"""Of max(0, z - h): :math:`p - h P(z > h)`, P(z > h), :math:`He_{n-2}(h)p(h)/\sqrt{n!}`."""
    step = _step(m, h, order)
    first = density(m.number(h)) - h * step[0]
    return [first, *(step[n - 1] / m.sqrt(m.number(n)) for n in range(1, order + 1))]


def _pieces(
    m: Any, q: Number, order: int, start: Sequence[Number], bends: Sequence[tuple]
) -> Coefficients:
    """Of a piecewise linear function: (value, slope) right of 0, (kink, slope gained, jump) each.

    A hinge opens away from 0, one at 0 to the left.
    """
    sigma = m.sqrt(q)
    total = [m.number(start[0]), sigma * start[1], *[m.number(0)] * order][: order + 1]
    for kink, weight, jump in bends:
        side = 1 if kink > 0 else -1
        h = m.absolute(kink / sigma)
        hinge, step = _hinge(m, h, order), _step(m, h, order)
        for k in range(order + 1):
            total[k] = total[k] + side**k * (weight * sigma * hinge[k] + side * jump * step[k])
    return total


def _linear(m: Any, q: Number, order: int) -> Coefficients:
    return _pieces(m, q, order, (0, 1), ())


def _leaky_relu(m: Any, q: Number, order: int, slope: Number) -> Coefficients:
    return _pieces(m, q, order, (0, 1), [(m.number(0), 1 - slope, 0)])


def _hard_tanh(m: Any, q: Number, order: int) -> Coefficients:
    return _pieces(m, q, order, (0, 1), [(m.number(-1), 1, 0), (m.number(1), -1, 0)])


def _piecewise_linear(
    m: Any,
    q: Number,
    order: int,
    kinks: Sequence[Number],
    slopes: Sequence[Number],
    jumps: Sequence[Number],
    value: Number,
) -> Coefficients:
    gained = [after - before for before, after in pairwise(slopes)]
    bends = list(zip(kinks, gained, jumps, strict=True))
    return _pieces(m, q, order, (value, slopes[sum(kink <= 0 for kink in kinks)]), bends)


def _relu_power(m: Any, q: Number, order: int, n: Number) -> Coefficients:
    r"""With st the coefficients of a step: :math:`k!\,q^{k/2} st_{n-k}` from n = k on.

    Below, :math:`q^{k/2} \frac{k!}{(k-n)!} E z_+^{k-n}`.
    """
    power, step = int(n), _step(m, m.number(0), order)
    scale = m.sqrt(q) ** power
    half = [m.number(1) / 2, 1 / m.sqrt(2 * m.pi)]  # E z_+^j
    for j in range(2, power + 1):
        half.append((j - 1) * half[j - 2])
    found = [
        scale * perm(power, k) * half[power - k] / m.sqrt(m.number(factorial(k)))
        for k in range(min(power, order + 1))
    ]
    for k in range(power, order + 1):
        ratio = m.number(1)
        for j in range(k - power + 1, k + 1):
            ratio = ratio / j
        found.append(scale * factorial(power) * step[k - power] * m.sqrt(ratio))
    return found


def _probit(
    m: Any, q: Number, order: int, c0: Number, c1: Number, l: Number, mu: Number
) -> Coefficients:
    r"""Of c0 + c1 Phi(l x + mu): :math:`c_1 \rho^n He_{n-1}(-h)p(h)`, from 1 on, with
    :math:`\rho = l\sqrt{q/A}, h = \mu/\sqrt A, A = 1 + l^2 q`."""
    root = m.sqrt(1 + l**2 * q)
    step, rho = _step(m, -mu / root, order), l * m.sqrt(q) / root
    return [c0 + c1 * step[0], *(c1 * rho**k * step[k] for k in range(1, order + 1))]


def _erf(m: Any, q: Number, order: int, scale: Number) -> Coefficients:
    found = _probit(m, q, order, m.number(-1), m.number(2), scale * m.sqrt(m.number(2)), 0)
    return [m.number(0), *found[1:]]


def _gelu(m: Any, q: Number, order: int) -> Coefficients:
    r"""Even n from 2 on: :math:`q^{n/2}(e_{n-2} - e_n)`, two terms of the same sign, with
    :math:`e_k = (-1)^{k/2} (k-1)!!\,(2\pi)^{-1/2} (1+q)^{-(k+1)/2}`."""
    root, step = m.sqrt(1 + q), _step(m, m.number(0), order + 1)
    rho = m.sqrt(q) / root
    found = [q / (root * m.sqrt(2 * m.pi)), m.sqrt(q) / 2]
    for n in range(2, order + 1):
        lower, upper = m.sqrt(m.number(n)), m.sqrt(m.number(n + 1))
        found.append(
            rho**n * (step[n - 1] * root / lower - step[n + 1] * upper / root)
            if n % 2 == 0
            else m.number(0)
        )
    return found


def _powers(m: Any, x: Number, start: Number, order: int) -> Iterator[Number]:
    r""":math:`x^n/\sqrt{n!}` times the start."""
    for n in range(order + 1):
        if n:
            start = start * x / m.sqrt(m.number(n))
        yield start


def _wave(
    m: Any, q: Number, order: int, omega: Number, derivatives: Sequence[Number]
) -> Coefficients:
    powers = _powers(m, omega * m.sqrt(q), m.exp(-(omega**2) * q / 2), order)
    return [power * derivatives[n % 4] for n, power in enumerate(powers)]


def _sin(m: Any, q: Number, order: int, omega: Number, phase: Number) -> Coefficients:
    sine, cosine = m.sin(phase), m.cos(phase)
    return _wave(m, q, order, omega, (sine, cosine, -sine, -cosine))


def _cos(m: Any, q: Number, order: int, omega: Number) -> Coefficients:
    return _wave(m, q, order, omega, (1, 0, -1, 0))


def _exp(m: Any, q: Number, order: int, t: Number) -> Coefficients:
    return list(_powers(m, t * m.sqrt(q), m.exp(t**2 * q / 2), order))


def _gaussian(m: Any, q: Number, order: int, p: Number) -> Coefficients:
    r"""Even n: :math:`(-1)^{n/2} (n-1)!!\,(pq)^{n/2} (1+pq)^{-(n+1)/2}`."""
    ratio = p * q / (1 + p * q)
    found = [1 / m.sqrt(1 + p * q), m.number(0)]
    for n in range(2, order + 1):
        found.append(-found[n - 2] * ratio * m.sqrt(m.number(n - 1) / n))
    return found


def _of_moments(moments: Callable[..., Coefficients]) -> Callable[..., Coefficients]:
    def form(m: Any, q: Number, order: int, **values: Any) -> Coefficients:
        means = moments(m, Law(m.number(0), q), **values)
        powers = _powers(m, m.sqrt(q), m.number(1), len(means) - 1)
        return [mean * power for mean, power in zip(means, powers, strict=True)]

    return form


def _elu(m: Any, q: Number, order: int, alpha: Number) -> Coefficients | None:
    r"""From :math:`\alpha_n = \sqrt q E\varphi'(\sqrt q z)He_{n-1}(z)`, with the recurrence

    .. math:: g_n = \sqrt q\,g_{n-1} - He_{n-1}(0)p(0), \qquad
              g_n = E\,e^{\sqrt q z} 1_{z<0} He_n(z)

    in as many digits more as it loses, which is :math:`q/(2\ln 10)`; None if these are too many.
    """
    reserve = ceil(float(q) / (2 * log(10)))
    if reserve > MOST_DIGITS:
        return None
    exact = precise((15 if m is FLOATS else m.digits) + reserve)
    if m is FLOATS:
        q, alpha = (exact.context.mpf(float(x)) for x in (q, alpha))
    else:
        q, alpha = exact.number(q), exact.number(alpha)
    sigma = exact.sqrt(q)
    step = _step(exact, exact.number(0), order)
    g = [exact.exp(q / 2) * cdf(-sigma)]
    functions = _functions(exact, exact.number(0), order)
    for n in range(1, order + 1):
        g.append((sigma * g[n - 1] - functions[n - 1]) / exact.sqrt(exact.number(n)))
    found = [sigma / exact.sqrt(2 * exact.pi) + alpha * (g[0] - exact.number(1) / 2)]
    for n in range(1, order + 1):
        slope = step[n - 1] + alpha * g[n - 1]
        found.append(sigma * slope / exact.sqrt(exact.number(n)))
    return [float(x) if m is FLOATS else m.context.mpf(x) for x in found]


def _selu(m: Any, q: Number, order: int) -> Coefficients | None:
    found = _elu(m, q, order, m.number(SELU_ALPHA))
    return None if found is None else [m.number(SELU_SCALE) * x for x in found]


CLOSED: dict[str, Callable[..., Coefficients | None]] = {
    "linear": _linear,
    "relu": lambda m, q, order: _leaky_relu(m, q, order, m.number(0)),
    "leaky_relu": _leaky_relu,
    "abs": lambda m, q, order: _leaky_relu(m, q, order, m.number(-1)),
    "step": lambda m, q, order: _step(m, m.number(0), order),
    "sign": lambda m, q, order: [m.number(0), *(2 * x for x in _step(m, m.number(0), order)[1:])],
    "relu_power": _relu_power,
    "hard_tanh": _hard_tanh,
    "piecewise_linear": _piecewise_linear,
    "elu": _elu,
    "selu": _selu,
    "erf": _erf,
    "probit": _probit,
    "gelu": _gelu,
    "sin": _sin,
    "cos": _cos,
    "exp": _exp,
    "gaussian": _gaussian,
    "monomial": _of_moments(monomial_moments),
    "hermite": _of_moments(hermite_moments),
    "polynomial": _of_moments(polynomial_moments),
}


# Quadrature


def _by_quadrature(
    activation: Activation, m: Any, q: Number, order: int
) -> tuple[Coefficients, Coefficients]:
    gone = missing_of_one(activation, Law(0, q))
    if "second" in gone:
        raise gone["second"]
    sampled = Sampled(activation, m)
    try:
        return _by_panels(sampled, q, order)
    except Inaccurate as problem:
        if m is not FLOATS:
            raise NotConverged(f"the quadrature has not converged: {problem}") from None
    exact = precise(15)
    value, error = _by_panels(Sampled(activation, exact), exact.context.mpf(float(q)), order)
    return [float(x) for x in value], [float(x) + 2.0**-52 * abs(float(x)) for x in error]


def _by_panels(sampled: Sampled, q: Number, order: int) -> tuple[Coefficients, Coefficients]:
    m = sampled.m
    sigma, edge = m.sqrt(q), _edge(sampled, q)
    if m is FLOATS:
        ratio = noise(sampled, Law(0.0, q), Span(-edge, edge))[0]
        if ratio > NOISY:
            raise Inaccurate(f"phi has rounding errors of {ratio:.1e}")
    unit = sampled.arrays.unit
    edges = _edges(sampled, sigma, edge, order)
    before, _, _ = _over_panels(sampled, sigma, edges, order)
    for _ in range(HALVINGS):
        edges = np.sort(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
        value, size, norm = _over_panels(sampled, sigma, edges, order)
        gaps = [m.absolute(one - other) for one, other in zip(value, before, strict=True)]
        if max(gaps) <= tolerance(m) * norm:
            rounding = [ROUNDINGS * unit * one for one in size]
            return value, [SAFETY * gap + one for gap, one in zip(gaps, rounding, strict=True)]
        before = value
    raise NotConverged(
        f"the quadrature of the Hermite coefficients has not converged: last gap "
        f"{float(max(gaps)):.1e}"
    )


def _edge(sampled: Sampled, q: Number) -> float:
    r"""Beyond this, :math:`\varphi e^{-z^2/4}` is negligible, which bounds every integrand."""
    arrays = sampled.arrays
    drop = log(10) * (arrays.digits + 4)
    edge = sqrt(4 * drop)
    sigma = sampled.m.sqrt(q)
    while edge < FARTHEST:
        grid = np.linspace(-edge, edge, 64)
        sizes = arrays.logarithm(sampled(sigma * arrays.array(grid))[0])
        if not np.all(sizes < inf):
            raise Inaccurate("phi exceeds the numbers at hand where it counts")
        heights = sizes - grid**2 / 4
        if max(heights[0], heights[-1]) < max(0.0, heights.max()) - drop:
            return edge
        edge *= 1.25
    raise Inaccurate("phi grows too fast")


def _edges(sampled: Sampled, sigma: Number, edge: float, order: int) -> np.ndarray:
    """Panels that resolve He_n, graded towards 0 and, down to rounding errors, to the kinks."""
    m, number = sampled.m, sampled.arrays.number
    count = ceil(2 * edge / min(1.0, 12 / sqrt(order + 1)))
    points = {number(float(x)) for x in np.linspace(-edge, edge, count + 1)}
    feature = max(1, ceil(log2(16 * edge * max(1.0, float(sigma)))))
    finest = max(feature, ceil(3.4 * sampled.arrays.digits))
    kinks = sampled.standard(Law(number(0), sigma**2), sampled.kinks)
    for centre, depth in [(number(0), feature), *((kink, finest) for kink in kinks)]:
        points.add(centre)
        for j in range(depth):
            step = number(edge) / 2**j
            points |= {centre - step, centre + step}
    inside = sorted(x for x in points if m.absolute(x) <= edge)
    return sampled.arrays.array(inside)


def _over_panels(
    sampled: Sampled, sigma: Number, edges: np.ndarray, order: int
) -> tuple[Coefficients, Coefficients, Number]:
    """The normalized coefficients, the integrals of the absolute values, and the norm of phi."""
    m = sampled.m
    nodes, weights = (np.array(part) for part in legendre(m, 24 + (sampled.arrays.digits - 15)))
    width = (edges[1:] - edges[:-1])[:, None]
    z = (edges[:-1, None] + width * nodes).ravel()
    phi = sampled(sigma * z)[0]
    now = (width * weights).ravel() * sampled.arrays.density(z) * phi
    norm, before = m.sqrt((now * phi).sum()), 0 * now
    value, size = [], []
    for k in range(order + 1):
        value.append(now.sum())
        size.append(np.abs(now).sum())
        upper, lower = m.sqrt(m.number(k + 1)), m.sqrt(m.number(k))
        before, now = now, (z * now - lower * before) / upper
    return value, size, norm
