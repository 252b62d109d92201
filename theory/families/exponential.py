r"""Sums of P(x) exp(-p x^2/2 + t x) cos(omega x + phase), P a polynomial.

The class is closed under derivatives, and every integral over it is one complex Gaussian integral:
waves, exponentials, Gaussians, polynomials and their products. The catalogue's members of the class
have forms of their own, in which nothing cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, factorial
from typing import Any, NamedTuple

import numpy as np

from theory.balls import UNCLEAR
from theory.errors import DescriptionError, OutOfRegime
from theory.families.error_function import centred, quadratic, same
from theory.families.kernel import DoesNotExist, Kernel
from theory.mathematics import FLOATS, Number, of
from theory.pair import Law, Pair

LARGEST_EXPONENT = 700
PHI = ("phi", "phi'")


class Term(NamedTuple):
    r""":math:`P(x)\,e^{-px^2/2 + tx}\cos(\omega x + \text{phase})`, lowest coefficient first.

    x sin(2 x) is ``Term((0, 1), omega=2, phase=-pi/2)``; exp(-x^2) is ``Term((1,), p=2)``.
    """

    coefficients: tuple[Number, ...]
    p: Number = 0
    t: Number = 0
    omega: Number = 0
    phase: Number = 0


def exponential_kernel(terms: Sequence[Term]) -> Kernel:
    r"""The kernel of a sum of terms; its functions take a ``Law`` or a ``Pair``, no parameters.

    Raises ``DoesNotExist`` where an integral diverges (for p < 0), ``OutOfRegime`` where float64
    overflows.

    >>> kernel = exponential_kernel([Term((0, 1), p=1.0)])
    >>> kernel.second(Law(0, 1.0)), kernel.dual(Pair.at(1.0, c=0.0)) == 0
    (np.float64(0.19245008972987526), np.True_)
    """
    if not terms:
        raise DescriptionError("a sum of exponentials needs at least one term")

    def waves(m: Any, order: int) -> list[_Wave]:
        found = [_wave(m, term) for term in terms]
        for _ in range(order):
            found = [_derivative(wave) for wave in found]
        return found

    def one(order: int) -> Callable[[Law], Number]:
        def mean(law: Law) -> Number:
            m = of(*law)
            return _single(m, waves(m, order), law, f"E {PHI[order]}(u)")

        return mean

    def squared(order: int) -> Callable[[Law], Number]:
        def second(law: Law) -> Number:
            m = of(*law)
            return _double(m, waves(m, order), same(law), f"E {PHI[order]}(u)^2")

        return second

    def two(order: int) -> Callable[[Pair], Number]:
        def dual(pair: Pair) -> Number:
            m = of(*pair)
            return _double(m, waves(m, order), pair, f"E {PHI[order]}(u) {PHI[order]}(v)")

        return dual

    return Kernel(one(0), one(1), squared(0), squared(1), two(0), two(1))


# The complex Gaussian integral


class _Wave(NamedTuple):
    r"""The real part of :math:`P(x)\,e^{-px^2/2 + \tau x}`, P and tau complex."""

    coefficients: tuple[Number, ...]
    p: Number
    tau: Number

    @property
    def real(self) -> bool:
        return all(_vanishes(part.imag) for part in (*self.coefficients, self.tau))

    def conjugate(self) -> _Wave:
        return _Wave(
            tuple(value.conjugate() for value in self.coefficients), self.p, self.tau.conjugate()
        )


def _vanishes(x: Number) -> bool:
    """Whether a number is known to be 0."""
    zero = x == 0
    return zero is not UNCLEAR and bool(zero)


def _complex(m: Any, re: Number, im: Number) -> Number:
    if m.encloses:
        return m.complex(re, im)
    return complex(re, im) if m is FLOATS else m.context.mpc(re, im)


def _wave(m: Any, term: Term) -> _Wave:
    p, t, omega, phase = (m.number(value) for value in (term.p, term.t, term.omega, term.phase))
    turn = _complex(m, m.cos(phase), m.sin(phase))
    coefficients = tuple(m.number(value) * turn for value in term.coefficients)
    return _Wave(coefficients, p, _complex(m, t, omega))


def _derivative(wave: _Wave) -> _Wave:
    P, p, tau = wave
    new = [0 * P[0]] * (len(P) + 1)
    for n, value in enumerate(P):
        new[n] += tau * value
        new[n + 1] -= p * value
        if n:
            new[n - 1] += n * value
    while len(new) > 1 and _vanishes(new[-1]):
        new.pop()
    return _Wave(tuple(new), p, tau)


def _single(m: Any, waves: list[_Wave], law: Law, what: str) -> Number:
    mean, a = m.number(law.m), m.number(law.a)
    total = 0
    for P, p, tau in waves:
        grown = 1 + p * a
        _require(m, grown > 0, f"{what} diverges: 1 + p q = {grown} <= 0 with p = {p}, q = {a}")
        exponent = (tau * (mean + tau * a / 2) - p * mean**2 / 2) / grown
        total = total + (
            _exp(m, exponent) / m.sqrt(grown) * _moments(P, (mean + tau * a) / grown, a / grown)[0]
        )
    return _finite(m, _real(m, total), what)


def _double(m: Any, waves: list[_Wave], pair: Pair, what: str) -> Number:
    total = 0
    pair = Pair(*(m.number(part) for part in pair))
    for f in waves:
        for g in waves:
            value = _product(m, f, g, pair, what)
            if not (f.real or g.real):
                value = (value + _product(m, f, g.conjugate(), pair, what)) / 2
            total = total + _real(m, value)
    return _finite(m, total, what)


def _product(m: Any, f: _Wave, g: _Wave, pair: Pair, what: str) -> Number:
    r"""``E f(u) g(v)``: the Gaussian law tilted by both exponents, then two polynomials under it.

    With :math:`\Delta = (1 + pa)(1 + p'b) - pp'r^2`, the tilted covariance is
    :math:`(\Sigma^{-1} + \mathrm{diag}(p, p'))^{-1}`; nothing is divided by ab - r^2.
    """
    (P, p, tau1), (Q, q, tau2) = f, g
    a, b, r, m1, m2, D = pair.a, pair.b, pair.r, pair.m1, pair.m2, pair.determinant
    trace, delta = 2 + p * a + q * b, 1 + p * a + q * b + p * q * D
    _require(
        m,
        (delta > 0) & (trace > 0),
        f"{what} diverges: the factors grow like exp(-p x^2/2) with p = {p} and {q}, at "
        f"q11 = {a}, q22 = {b}, q12 = {r}",
    )
    nu1 = ((1 + q * b) * m1 - q * r * m2) / delta
    nu2 = ((1 + p * a) * m2 - p * r * m1) / delta
    form = p * m1**2 + q * m2**2 + p * q * quadratic(m, pair, m1, m2)
    tilt = _crossed(m, pair, tau1, tau2) + D * (q * tau1**2 + p * tau2**2)
    exponent = (tilt - form) / (2 * delta) + tau1 * nu1 + tau2 * nu2
    mean1 = nu1 + ((a + q * D) * tau1 + r * tau2) / delta
    mean2 = nu2 + ((b + p * D) * tau2 + r * tau1) / delta
    left = _moments(P, mean1, (a + q * D) / delta)
    right = _moments(Q, mean2, (b + p * D) / delta)
    return _exp(m, exponent) / m.sqrt(delta) * _series(left, right, r / delta)


def _crossed(m: Any, pair: Pair, x: Number, y: Number) -> Number:
    r""":math:`a x^2 + 2 r x y + b y^2` without cancellation as c tends to 1 or -1."""
    alpha, beta = m.sqrt(pair.a), m.sqrt(pair.b)
    root = alpha * beta
    return m.select(
        pair.r > 0,
        lambda: (alpha * x + beta * y) ** 2 - 2 * root * pair.dl * x * y,
        lambda: (alpha * x - beta * y) ** 2 + 2 * root * pair.op * x * y,
    )


def _exp(m: Any, exponent: Number) -> Number:
    if m is not FLOATS:
        return m.exp(exponent)
    largest = np.max(np.real(exponent))
    if largest > LARGEST_EXPONENT:
        raise OutOfRegime(
            f"a Gaussian moment of exp overflows float64: its size is exp({largest:.6g}). "
            "Ask for digits: mpmath numbers have no largest exponent"
        )
    return np.exp(exponent)


def _require(m: Any, condition: Any, reason: str) -> None:
    if not (np.all(condition) if m is FLOATS else condition):
        raise DoesNotExist(reason)


def _real(m: Any, value: Number) -> Number:
    return np.real(value) if m is FLOATS else m.number(value.real)


def _finite(m: Any, value: Number, what: str) -> Number:
    if m is FLOATS and not np.all(np.isfinite(value)):
        raise OutOfRegime(f"{what} overflows float64; ask for digits")
    return value


# Polynomials: sum over r^k/k! E phi^(k)(u) E phi^(k)(v)


def _moments(coefficients: Sequence[Number], mean: Number, a: Number) -> list[Number]:
    r"""``E P^(k)(u)`` for k = 0 ... degree, u ~ N(mean, a)."""
    powers = [1 + 0 * (mean + a)]
    for n in range(len(coefficients) - 1):
        powers.append(mean * powers[-1] + (n * a * powers[-2] if n else 0))
    return [
        sum(
            (comb(n, k) * factorial(k)) * coefficients[n] * powers[n - k]
            for n in range(k, len(coefficients))
        )
        for k in range(len(coefficients))
    ]


def _series(left: Sequence[Number], right: Sequence[Number], r: Number) -> Number:
    r""":math:`\sum_k \frac{r^k}{k!} x_k y_k`, by Horner's rule."""
    value = 0
    for k in range(min(len(left), len(right)) - 1, -1, -1):
        value = left[k] * right[k] + r * value / (k + 1)
    return value


def _series_gap(m: Any, values: Sequence[Number], pair: Pair) -> Number:
    r""":math:`\sum_k \frac{a^k - r^k}{k!} x_k^2`; a^k - r^k is a^k times a multiple of 1 - c."""
    c = m.select(pair.dl < pair.op, lambda: 1 - pair.dl, lambda: pair.op - 1)
    total, weight = 0 * pair.a, 1
    for k in range(1, len(values)):
        weight = weight * pair.a / k
        if k % 2:
            factor = pair.dl * sum(c**j for j in range(k))
        else:
            factor = pair.dl * pair.op * sum(c**j for j in range(0, k, 2))
        total = total + weight * factor * values[k] ** 2
    return total


Moments = Callable[..., list[Number]]


def _polynomial_kernel(moments: Moments) -> Kernel:
    """From ``moments(m, law, **parameters)``, the numbers E phi^(k)(u)."""

    def checked(what: str, value: Callable[[Any], Number], *where: Any) -> Number:
        m = of(*where)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return _finite(m, value(m), what)
        except OverflowError:
            raise OutOfRegime(f"{what} overflows float64; ask for digits") from None

    def mean(law: Law, **parameters: Any) -> Number:
        return checked("E phi(u)", lambda m: moments(m, law, **parameters)[0], *law)

    def derivative_mean(law: Law, **parameters: Any) -> Number:
        def first(m: Any) -> Number:
            return [*moments(m, law, **parameters), 0 * law.a][1]

        return checked("E phi'(u)", first, *law)

    def two(shift: int, what: str) -> Callable[..., Number]:
        def dual(pair: Pair, **parameters: Any) -> Number:
            def value(m: Any) -> Number:
                left = moments(m, pair.u, **parameters)[shift:]
                alike = pair.a is pair.b and pair.m1 is pair.m2
                right = left if alike else moments(m, pair.v, **parameters)[shift:]
                return _series(left, right, pair.r) + 0 * pair.r

            return checked(what, value, *pair)

        return dual

    def squared(integral: Callable[..., Number]) -> Callable[..., Number]:
        def second(law: Law, **parameters: Any) -> Number:
            return integral(same(law), **parameters)

        return second

    def difference(shift: int) -> Callable[..., Number]:
        def gap(pair: Pair, **parameters: Any) -> Number:
            def value(m: Any) -> Number:
                return _series_gap(m, moments(m, pair.u, **parameters)[shift:], pair)

            return checked("the gap", value, *pair)

        return gap

    dual, derivative_dual = two(0, "E phi(u) phi(v)"), two(1, "E phi'(u) phi'(v)")
    return Kernel(
        mean,
        derivative_mean,
        squared(dual),
        squared(derivative_dual),
        dual,
        derivative_dual,
        difference(0),
        difference(1),
    )


def _order(n: Number) -> int:
    if n != int(n) or n < 0:
        raise DescriptionError(f"the order of a polynomial is an integer n >= 0; {n} given")
    return int(n)


def polynomial_moments(m: Any, law: Law, coefficients: Sequence[Number]) -> list[Number]:
    r"""``E phi^(k)(u)`` of a polynomial, lowest coefficient first, k = 0 ... degree.

    >>> polynomial_moments(FLOATS, Law(0.0, 2.0), (0, 0, 1))
    [2.0, 0.0, 2.0]
    """
    if not coefficients:
        raise DescriptionError("a polynomial needs at least one coefficient")
    return _moments([m.number(value) for value in coefficients], law.m, law.a)


def monomial_moments(m: Any, law: Law, n: Number) -> list[Number]:
    """``E phi^(k)(u)`` of x^n."""
    return _moments([*([0] * _order(n)), 1], law.m, law.a)


def hermite_moments(m: Any, law: Law, n: Number) -> list[Number]:
    r"""``E phi^(k)(u)`` of the probabilists' Hermite polynomial He_n.

    .. math:: \frac{n!}{(n-k)!}\,h_{n-k}, \qquad h_{j+1} = m\,h_j + j(a - 1)\,h_{j-1}

    >>> hermite_moments(FLOATS, Law(0.0, 1.0), 2)
    [0.0, 0.0, 2.0]
    """
    n = _order(n)
    h = [1 + 0 * law.a, law.m + 0 * law.a]
    for j in range(1, n):
        h.append(law.m * h[j] + j * (law.a - 1) * h[j - 1])
    return [comb(n, k) * factorial(k) * h[n - k] for k in range(n + 1)]


POLYNOMIAL = _polynomial_kernel(polynomial_moments)
MONOMIAL = _polynomial_kernel(monomial_moments)
HERMITE = _polynomial_kernel(hermite_moments)


# Waves


class _Phase(NamedTuple):
    """sin and cos of the phase at the mean of a law."""

    sin: Number
    cos: Number


def _sine_phase(m: Any, law: Law, omega: Number, phase: Number = 0) -> _Phase:
    if isinstance(phase, int) and phase == 0:
        if centred(law):
            return _Phase(0, 1)
        angle = omega * law.m
    else:
        angle = (0 if centred(law) else omega * law.m) + m.number(phase)
    return _Phase(m.sin(angle), m.cos(angle))


def _cosine_phase(m: Any, law: Law, omega: Number) -> _Phase:
    at = _sine_phase(m, law, omega)
    return _Phase(at.cos, -at.sin)


def _damped(m: Any, pair: Pair, omega: Number) -> tuple[Number, Number]:
    r""":math:`e^{-\omega^2(a + b)/2}` times cosh and sinh of :math:`\omega^2 r`."""
    alpha, beta = m.sqrt(pair.a), m.sqrt(pair.b)
    root, square = alpha * beta, omega * omega
    near = m.select(pair.r > 0, lambda: pair.dl, lambda: pair.op)
    front = m.exp(-square * (_spread(m, pair) / 2 + root * near))
    drop = m.expm1(-2 * square * m.absolute(pair.r))
    sinh = m.select(pair.r > 0, lambda: -drop / 2, lambda: drop / 2)
    return front * (1 + drop / 2), front * sinh


def _spread(m: Any, pair: Pair) -> Number:
    r""":math:`(\sqrt a - \sqrt b)^2`."""
    if pair.b is pair.a:
        return 0
    total = m.sqrt(pair.a) + m.sqrt(pair.b)
    return m.select(total > 0, lambda: (pair.a - pair.b) / total, lambda: 0 * total) ** 2


def _wave_kernel(phase_of: Callable[..., _Phase]) -> Kernel:
    """sin(omega x + phase): ``phase_of(m, law, omega, ...)`` says where a law stands on it."""

    def mean(law: Law, omega: Number, **phase: Number) -> Number:
        m = of(*law)
        omega = m.number(omega)
        return m.exp(-(omega**2) * law.a / 2) * phase_of(m, law, omega, **phase).sin

    def derivative_mean(law: Law, omega: Number, **phase: Number) -> Number:
        m = of(*law)
        omega = m.number(omega)
        return omega * m.exp(-(omega**2) * law.a / 2) * phase_of(m, law, omega, **phase).cos

    def one(law: Law, omega: Number, part: str, phase: dict[str, Number]) -> Number:
        m = of(*law)
        drop = m.expm1(-2 * omega**2 * law.a)
        at = getattr(phase_of(m, law, omega, **phase), part)
        return -drop / 2 + (1 + drop) * at**2

    def second(law: Law, omega: Number, **phase: Number) -> Number:
        return one(law, of(*law).number(omega), "sin", phase)

    def derivative_second(law: Law, omega: Number, **phase: Number) -> Number:
        omega = of(*law).number(omega)
        return omega**2 * one(law, omega, "cos", phase)

    def both(pair: Pair, omega: Number, phase: dict[str, Number]) -> tuple[Number, Number]:
        m = of(*pair)
        x, y = (phase_of(m, law, omega, **phase) for law in (pair.u, pair.v))
        cosh, sinh = _damped(m, pair, omega)
        sines, cosines = x.sin * y.sin, x.cos * y.cos
        return sines * cosh + cosines * sinh, cosines * cosh + sines * sinh

    def dual(pair: Pair, omega: Number, **phase: Number) -> Number:
        return both(pair, of(*pair).number(omega), phase)[0]

    def derivative_dual(pair: Pair, omega: Number, **phase: Number) -> Number:
        omega = of(*pair).number(omega)
        return omega**2 * both(pair, omega, phase)[1]

    def rise(pair: Pair, omega: Number, part: str, phase: dict[str, Number]) -> Number:
        m = of(*pair)
        at = getattr(phase_of(m, pair.u, omega, **phase), part)
        square = omega * omega * pair.a
        drop = m.expm1(-square * pair.op)
        return -m.expm1(-square * pair.dl) * ((1 + drop) * at**2 - drop / 2)

    def gap(pair: Pair, omega: Number, **phase: Number) -> Number:
        return rise(pair, of(*pair).number(omega), "cos", phase)

    def derivative_gap(pair: Pair, omega: Number, **phase: Number) -> Number:
        omega = of(*pair).number(omega)
        return omega**2 * rise(pair, omega, "sin", phase)

    return Kernel(
        mean, derivative_mean, second, derivative_second, dual, derivative_dual, gap, derivative_gap
    )


SIN = _wave_kernel(_sine_phase)
COS = _wave_kernel(_cosine_phase)


# exp(t x)


def _growth(m: Any, exponent: Number, t: Number, largest: Number) -> Number:
    if m is FLOATS and np.any(exponent > LARGEST_EXPONENT):
        raise OutOfRegime(
            f"E exp(t u) exp(t v) overflows float64 at t^2 q = {np.max(t * t * largest):.6g}; "
            "ask for digits"
        )
    return m.exp(exponent)


def exp_mean(law: Law, t: Number) -> Number:
    r"""``E exp(t u)``, :math:`e^{tm + t^2a/2}`.

    >>> float(exp_mean(Law(1.0, 0.0), 1.0)) == np.e
    True
    """
    m = of(*law)
    t = m.number(t)
    return _growth(m, t * law.m + t * t * law.a / 2, t, law.a)


def exp_dual(pair: Pair, t: Number) -> Number:
    r"""``E exp(t u) exp(t v)``, :math:`\exp(t(m_1 + m_2) + t^2(a + b + 2r)/2)`.

    a + b + 2 r is formed as :math:`(\sqrt a - \sqrt b)^2 + 2\sqrt{ab}\,(1 + c)`.

    >>> float(exp_dual(Pair.at(300.0, one_plus_c=0.0), 1.0))
    1.0
    """
    m = of(*pair)
    t = m.number(t)
    root = pair.a if pair.b is pair.a else m.sqrt(pair.a) * m.sqrt(pair.b)
    exponent = t * (pair.m1 + pair.m2) + t * t * (_spread(m, pair) / 2 + root * pair.op)
    return _growth(m, exponent, t, m.maximum(pair.a, pair.b))


def exp_gap(pair: Pair, t: Number) -> Number:
    m = of(*pair)
    return -exp_dual(pair.same_u, t) * m.expm1(-(m.number(t) ** 2) * pair.a * pair.dl)


def _times(factor: Callable[[Number], Number], integral: Callable[..., Number]) -> Any:
    def derivative(where: Law | Pair, t: Number) -> Number:
        return factor(of(*where).number(t)) * integral(where, t)

    return derivative


def _exp_second(law: Law, t: Number) -> Number:
    return exp_dual(same(law), t)


EXP = Kernel(
    exp_mean,
    _times(lambda t: t, exp_mean),
    _exp_second,
    _times(lambda t: t * t, _exp_second),
    exp_dual,
    _times(lambda t: t * t, exp_dual),
    exp_gap,
    _times(lambda t: t * t, exp_gap),
)


# exp(-p x^2/2)


def gaussian_mean(law: Law, p: Number) -> Number:
    r"""``E exp(-p u^2/2)``, :math:`(1 + pa)^{-1/2}\exp(-pm^2/(2(1 + pa)))`; exists for 1 + p a > 0.

    >>> float(gaussian_mean(Law(0, 3.0), 1.0))
    0.5
    """
    m = of(*law)
    p = m.number(p)
    grown = 1 + p * law.a
    _require(m, grown > 0, f"E phi(u) diverges: 1 + p q = {grown} <= 0")
    flat = 1 / m.sqrt(grown)
    return flat if centred(law) else flat * m.exp(-p * law.m**2 / (2 * grown))


def gaussian_derivative_mean(law: Law, p: Number) -> Number:
    m = of(*law)
    p = m.number(p)
    return -p * law.m / (1 + p * law.a) * gaussian_mean(law, p)


def _gaussian_delta(m: Any, pair: Pair, p: Number) -> Number:
    trace = p * (pair.a + pair.b)
    delta = 1 + trace + p * p * pair.determinant
    _require(
        m,
        (delta > 0) & (2 + trace > 0),
        f"E phi(u) phi(v) diverges: phi grows like exp(-p x^2/2) with p = {p}, at "
        f"q11 = {pair.a}, q22 = {pair.b}, q12 = {pair.r}",
    )
    return delta


def gaussian_dual(pair: Pair, p: Number) -> Number:
    r"""Dual of ``exp(-p x^2/2)``.

    .. math:: \Delta^{-1/2}\exp\left(-p\,\frac{m_1^2 + m_2^2 + p(bm_1^2 - 2rm_1m_2 + am_2^2)}
              {2\Delta}\right), \qquad \Delta = 1 + p(a + b) + p^2(ab - r^2)

    >>> float(gaussian_dual(Pair.at(1.0, c=0.0), 3.0))
    0.25
    """
    m = of(*pair)
    p = m.number(p)
    delta = _gaussian_delta(m, pair, p)
    flat = 1 / m.sqrt(delta)
    if pair.centred:
        return flat
    form = pair.m1**2 + pair.m2**2 + p * quadratic(m, pair, pair.m1, pair.m2)
    return flat * m.exp(-p * form / (2 * delta))


def gaussian_derivative_dual(pair: Pair, p: Number) -> Number:
    m = of(*pair)
    p = m.number(p)
    delta = _gaussian_delta(m, pair, p)
    factor = pair.r / delta
    if not pair.centred:
        x = ((1 + p * pair.b) * pair.m1 - p * pair.r * pair.m2) / delta
        y = ((1 + p * pair.a) * pair.m2 - p * pair.r * pair.m1) / delta
        factor = factor + x * y
    return p * p * factor * gaussian_dual(pair, p)


def gaussian_gap(pair: Pair, p: Number) -> Number:
    m = of(*pair)
    p = m.number(p)
    top, delta = _gaussian_delta(m, pair.same_u, p), _gaussian_delta(m, pair, p)
    less = pair.a * pair.dl
    ratio = -m.log1p(p * p * pair.determinant / top) / 2
    if not pair.centred:
        ratio = ratio - (p * pair.m1) ** 2 * less * (1 + p * less) / (top * delta)
    return -gaussian_dual(pair.same_u, p) * m.expm1(ratio)


def gaussian_derivative_gap(pair: Pair, p: Number) -> Number:
    m = of(*pair)
    p = m.number(p)
    top, delta = _gaussian_delta(m, pair.same_u, p), _gaussian_delta(m, pair, p)
    less, determinant = pair.a * pair.dl, pair.determinant
    factor = pair.a / top
    rise = (less * top + pair.a * p * p * determinant) / (top * delta)
    if not pair.centred:
        x, step = pair.m1 / top, p * pair.m1 * less * (1 + p * less) / (top * delta)
        factor, rise = factor + x * x, rise - step * (2 * x + step)
    return p * p * (factor * gaussian_gap(pair, p) + rise * gaussian_dual(pair, p))


def gaussian_second(law: Law, p: Number) -> Number:
    r"""``E exp(-p u^2)``; exists for 1 + 2 p a > 0.

    >>> gaussian_second(Law(0, 1.0), -0.5)
    Traceback (most recent call last):
    theory.families.kernel.DoesNotExist: E phi(u)^2 diverges: 1 + 2 p q = 0.0 <= 0
    """
    return gaussian_dual(_squarable(law, p, "phi"), p)


def gaussian_derivative_second(law: Law, p: Number) -> Number:
    return gaussian_derivative_dual(_squarable(law, p, "phi'"), p)


def _squarable(law: Law, p: Number, phi: str) -> Pair:
    m = of(*law)
    grown = 1 + 2 * m.number(p) * law.a
    _require(m, grown > 0, f"E {phi}(u)^2 diverges: 1 + 2 p q = {grown} <= 0")
    return same(law)


GAUSSIAN = Kernel(
    gaussian_mean,
    gaussian_derivative_mean,
    gaussian_second,
    gaussian_derivative_second,
    gaussian_dual,
    gaussian_derivative_dual,
    gaussian_gap,
    gaussian_derivative_gap,
)
