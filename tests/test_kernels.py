r"""The kernels of the mean field against quadrature of their definitions, with phi written here.

In the plane of two independent standard normals, (r, t) in polar coordinates, u is
sqrt(q) r cos t and v is sqrt(q) r cos(t - theta): exact for every correlation cos theta, and the
kinks of phi lie on the rays u = 0 and v = 0, where the panels end. The other activations have
tests of their own (tests/test_families_*.py).
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from theory.architecture import Activation
from theory.families.error_function import arc_sine, arc_sine_derivative, arc_sine_gap
from theory.gaussian import closed_kernel, moments
from theory.mathematics import FLOATS, precise
from theory.pair import Pair

SCALE = 0.7
VARIANCES = (0.1, 1, 3.64, 25)


class Correlation(NamedTuple):
    """1 - c and 1 + c: one of them is exact where c is not."""

    below_one: float
    above: float


CORRELATIONS = {
    "-1+1e-9": Correlation(2 - 1e-9, 1e-9),
    "-0.7": Correlation(1.7, 0.3),
    "0": Correlation(1.0, 1.0),
    "0.5": Correlation(0.5, 1.5),
    "1-1e-9": Correlation(1e-9, 2 - 1e-9),
    "1": Correlation(0.0, 2.0),
}
SAME = CORRELATIONS["1"]
over_activations = pytest.mark.parametrize("name", ["linear", "relu", "erf", "tanh"])
over_variances = pytest.mark.parametrize("q", VARIANCES)
over_correlations = pytest.mark.parametrize("c", CORRELATIONS.values(), ids=CORRELATIONS)

# phi, phi' and the differences at two points that lie d = u - v apart
PHI = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "erf": lambda x: special.erf(SCALE * x),
    "tanh": np.tanh,
}
SLOPE = {
    "linear": lambda x: 1 + 0 * x,
    "relu": lambda x: 1.0 * (x > 0),
    "erf": lambda x: 2 * SCALE / np.sqrt(np.pi) * np.exp(-((SCALE * x) ** 2)),
    "tanh": lambda x: np.cosh(x) ** -2.0,
}


def _secant(name, u, v, d):
    """phi(u) - phi(v) without cancellation where u is close to v."""
    if name == "tanh":
        return np.sinh(d) / (np.cosh(u) * np.cosh(v))
    if name == "erf":
        middle, step = SCALE * (u + v) / 2, SCALE * d
        series = SLOPE["erf"]((u + v) / 2) * d * (1 + step**2 / 12 * (2 * middle**2 - 1))
        return np.where(np.abs(d) < 1e-3, series, PHI["erf"](u) - PHI["erf"](v))
    return np.where((u > 0) == (v > 0), d * (SLOPE[name](u) > 0), PHI[name](u) - PHI[name](v))


def _secant_of_slope(name, u, v, d):
    """phi'(u) - phi'(v) in the same way."""
    if name == "tanh":
        return -np.sinh(d) * np.sinh(u + v) / (np.cosh(u) * np.cosh(v)) ** 2
    if name == "erf":
        a = SCALE**2 * d * (u + v)
        return np.where(a > 0, SLOPE["erf"](v), -SLOPE["erf"](u)) * np.expm1(-np.abs(a))
    return SLOPE[name](u) - SLOPE[name](v)


@cache
def _plane(q, c):
    """u, v, u - v and weights of a Gauss rule for the pair, panels ending at the kink rays."""
    theta = 2 * np.arctan2(np.sqrt(c.below_one), np.sqrt(c.above))
    rest = 2 * np.arctan2(np.sqrt(c.above), np.sqrt(c.below_one))  # pi - theta
    x, w = np.polynomial.legendre.leggauss(72)
    radius, radial = (x + 1) * 4.75, w * 4.75
    radial = radial * radius * np.exp(-(radius**2) / 2)
    pieces = []
    for sign_u, sign_v, angle in ((1, 1, rest), (-1, -1, rest), (1, -1, theta), (-1, 1, theta)):
        for low, high in pairwise(angle * np.array([0, 0.03, 0.3, 0.7, 0.97, 1])):
            y, wy = low + (high - low) * (x + 1) / 2, w * (high - low) / 2
            u, v = sign_u * np.sin(y), sign_v * np.sin(angle - y)
            middle = np.sin(y - angle / 2) if sign_u == sign_v else np.cos(y - angle / 2)
            pieces.append((u, v, 2 * sign_u * np.sin(theta / 2) * middle, wy))
    u, v, d, wy = (np.concatenate(parts)[:, None] for parts in zip(*pieces, strict=True))
    reach = np.sqrt(q) * radius
    return u * reach, v * reach, d * reach, wy * radial / (2 * np.pi)


def _expect(function, q, c):
    u, v, d, weight = _plane(q, c)
    return float((function(u, v, d) * weight).sum())


def _pair(q, c, m=FLOATS):
    near = "one_minus_c" if c.below_one <= 1 else "one_plus_c"
    distance = c.below_one if c.below_one <= 1 else c.above
    return Pair.at(m.number(q), **{near: m.number(distance)})


def _activation(name):
    return Activation.named("erf", scale=SCALE) if name == "erf" else Activation.named(name)


def _kernel(name, pair, scale=SCALE):
    """Dual, gap, dual of the derivative and its gap."""
    activation = Activation.named("erf", scale=scale) if name == "erf" else _activation(name)
    kernel = closed_kernel(activation)
    integrals = (kernel.dual, kernel.gap, kernel.derivative_dual, kernel.derivative_gap)
    return [integral(pair) for integral in integrals]


# Against the definition


def test_the_quadrature_of_this_file_knows_gaussian_moments():
    for q in VARIANCES:
        for c in CORRELATIONS.values():
            r = (c.above - c.below_one) / 2
            for function, exact in (
                (lambda u, v, d: 1 + 0 * u * v, 1),
                (lambda u, v, d: u * v, q * r),
                (lambda u, v, d: (u * v) ** 2, q**2 * (1 + 2 * r * r)),
                (lambda u, v, d: d * d, 2 * q * c.below_one),
            ):
                value = _expect(function, q, c)
                assert value == pytest.approx(exact, rel=1e-12, abs=1e-13 * q)


@over_correlations
@over_variances
@over_activations
def test_dual_equals_gaussian_integral(name, q, c):
    phi, slope = PHI[name], SLOPE[name]
    dual, _, derivative, _ = _kernel(name, _pair(q, c))
    size, steepness = (_expect(lambda u, v, d, f=f: f(u) ** 2, q, SAME) for f in (phi, slope))
    expected = _expect(lambda u, v, d: phi(u) * phi(v), q, c)
    assert dual == pytest.approx(expected, rel=2e-13, abs=2e-14 * size)
    expected = _expect(lambda u, v, d: slope(u) * slope(v), q, c)
    assert derivative == pytest.approx(expected, rel=2e-13, abs=2e-14 * steepness)


@over_correlations
@over_variances
@over_activations
def test_gap_equals_gaussian_integral_of_half_the_squared_difference(name, q, c):
    # E phi(u)^2 - E phi(u) phi(v) = E (phi(u) - phi(v))^2 / 2 for equal variances
    _, gap, derivative, derivative_gap = _kernel(name, _pair(q, c))
    expected = _expect(lambda u, v, d: _secant(name, u, v, d) ** 2 / 2, q, c)
    assert gap == pytest.approx(expected, rel=2e-13, abs=0)
    # an even phi' has a small gap near c = -1 too, where this file forms u + v by subtraction
    slack = 1e-15 * float(derivative) if c.above < 0.1 else 0
    expected = _expect(lambda u, v, d: _secant_of_slope(name, u, v, d) ** 2 / 2, q, c)
    assert derivative_gap == pytest.approx(expected, rel=2e-13, abs=slack)


def test_tanh_dual_equals_a_certified_enclosure():
    # FLINT, 387^2 nodes of the trapezoid rule with a rigorous error bound: +-5.2e-29
    certified = "0.1863244132034480861067828900"
    value = _kernel("tanh", _pair(1, CORRELATIONS["0.5"], precise(30)))[0]
    assert abs(value - value.context.mpf(certified)) < value.context.mpf("6e-29")


@over_variances
@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_dual_equals_a_nested_trapezoid_rule(name, q):
    # for q2 >= 0 the two samples are independent given their common part; another rule, another
    # set of points than the polar one
    z = np.linspace(-9.8, 9.8, 1201)
    w = np.exp(-(z**2) / 2)
    w /= w.sum()
    q2 = 0.3 * q
    for f, index in ((PHI[name], 0), (SLOPE[name], 2)):
        inner = f(np.sqrt(q2) * z[:, None] + np.sqrt(q - q2) * z) @ w
        found = _kernel(name, Pair.of_samples(q, q2, q - q2))[index]
        assert found == pytest.approx(inner**2 @ w, rel=2e-12, abs=0)


def test_relu_dual_and_its_derivative_equal_an_integral_over_the_quadrant():
    # the definition in Cartesian coordinates, with an adaptive rule, at one generic point
    q1, q2 = 1.7, 0.6
    det = q1**2 - q2**2

    def density(v, u):
        return np.exp(-(q1 * (u * u + v * v) - 2 * q2 * u * v) / (2 * det)) / (
            2 * np.pi * np.sqrt(det)
        )

    infinity = 12 * np.sqrt(q1)
    for function, index in ((lambda v, u: u * v, 0), (lambda v, u: 1, 2)):
        expected, _ = integrate.dblquad(
            lambda v, u, f=function: f(v, u) * density(v, u),
            *(0, infinity, 0, infinity),
            epsabs=1e-11,
        )
        found = _kernel("relu", Pair.of_samples(q1, q2, q1 - q2))[index]
        assert found == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize("q", [0.3, 5])
@pytest.mark.parametrize("below_one", [1.7, 1.0, 0.5, 0.01])
@over_activations
def test_dual_of_the_derivative_is_the_derivative_of_the_dual(name, q, below_one):
    # Price: d/dq2 E phi(u) phi(v) = E phi'(u) phi'(v), by a five-point difference of mpmath numbers
    m = precise(5)
    q, q2 = m.number(q), m.number(q) * (1 - m.number(below_one))
    h = m.number(1e-3) * q * min(m.number(below_one), 1)
    kernel = closed_kernel(_activation(name))

    def dual(steps):
        covariance = q2 + steps * h
        return kernel.dual(Pair.of_samples(q, covariance, q - covariance))

    slope = (8 * (dual(1) - dual(-1)) - dual(2) + dual(-2)) / (12 * h)
    expected = kernel.derivative_dual(Pair.of_samples(q, q2, q - q2))
    assert float(abs(slope / expected - 1)) < 1e-11


def test_two_scales_of_the_error_function_equal_their_definition():
    # 2 Phi(u/sqrt(S)) - 1 against 2 Phi(v/sqrt(T)) - 1, the pieces of the tanh mixture
    S, T, q, c = 0.4, 2.5, 3.64, Correlation(0.3, 1.7)
    pair = _pair(q, c)

    def one(x, s):
        return special.erf(x / np.sqrt(2 * s))

    def slope(x, s):
        return np.sqrt(2 / (np.pi * s)) * np.exp(-(x**2) / (2 * s))

    for function, f in ((arc_sine, one), (arc_sine_derivative, slope)):
        expected = _expect(lambda u, v, d, f=f: f(u, S) * f(v, T), q, c)
        assert function(pair, S, T) == pytest.approx(expected, rel=1e-12, abs=0)
        assert function(pair, T, S) == pytest.approx(expected, rel=1e-12, abs=0)
    same = _expect(lambda u, v, d: one(u, S) * one(u, T), q, SAME)
    different = _expect(lambda u, v, d: one(u, S) * one(v, T), q, c)
    assert arc_sine_gap(pair, S, T) == pytest.approx(same - different, rel=1e-11, abs=0)


# Number systems


def _textbook(name, q, c, context):
    """The duals in the variable c, as the papers print them, in many digits."""
    if name == "relu":
        theta = context.acos(c)
        dual = q / (2 * context.pi) * (context.sin(theta) + (context.pi - theta) * c)
        return dual, (context.pi - theta) / (2 * context.pi)
    s2 = context.mpf(7) ** 2 / 100
    ratio = 2 * s2 * q / (1 + 2 * s2 * q)
    slope = 4 * s2 / context.pi / context.sqrt((1 + 2 * s2 * q) ** 2 - (2 * s2 * q * c) ** 2)
    return 2 / context.pi * context.asin(ratio * c), slope


@pytest.mark.parametrize("below_one", ["1e-3", "1e-9", "1e-15", "1e-30"])
@over_variances
@pytest.mark.parametrize("name", ["relu", "erf"])
def test_gap_keeps_its_relative_accuracy_as_the_correlation_tends_to_one(name, q, below_one):
    context = mp.MPContext()
    context.dps = 120
    variance, delta = context.mpf(str(q)), context.mpf(below_one)
    one, other = (_textbook(name, variance, c, context) for c in (context.mpf(1), 1 - delta))
    _, gap, _, derivative_gap = _kernel(name, _pair(q, Correlation(float(below_one), 2.0)))
    assert gap == pytest.approx(float(one[0] - other[0]), rel=1e-14, abs=0)
    assert derivative_gap == pytest.approx(float(one[1] - other[1]), rel=1e-14, abs=0)


def test_gap_of_tanh_keeps_its_relative_accuracy_as_the_correlation_tends_to_one():
    m = precise(15)
    for q, below_one in ((1, 1e-6), (3.64, 1e-13)):
        c = Correlation(below_one, 2.0)
        dual, gap, derivative, derivative_gap = _kernel("tanh", _pair(q, c))
        top, at = (_kernel("tanh", _pair(q, near, m)) for near in (SAME, c))
        assert gap == pytest.approx(float(top[0] - at[0]), rel=5e-14, abs=0)
        assert derivative_gap == pytest.approx(float(top[2] - at[2]), rel=5e-14, abs=0)
        assert gap == pytest.approx(float(at[1]), rel=5e-14, abs=0)
        assert derivative_gap == pytest.approx(float(at[3]), rel=5e-14, abs=0)
        assert dual == pytest.approx(float(at[0]), rel=1e-14, abs=0)
        assert derivative == pytest.approx(float(at[2]), rel=1e-14, abs=0)


@over_correlations
@over_variances
@pytest.mark.parametrize("name", ["linear", "relu", "erf"])
def test_floats_equal_thirty_digits(name, q, c):
    pair = _pair(q, c)
    sizes = _kernel(name, pair.same_u)
    # c itself is rounded where it passes through 0
    slack = (1e-16 * float(sizes[0]), 0, 0, 0)
    digits = _kernel(name, _pair(q, c, precise(30)))
    for value, exact, near in zip(_kernel(name, pair), digits, slack, strict=True):
        assert value == pytest.approx(float(exact), rel=2e-14, abs=near)


@pytest.mark.parametrize("above", ["1e-3", "1e-9"])
def test_relu_keeps_its_relative_accuracy_at_opposite_samples(above):
    context = mp.MPContext()
    context.dps = 60
    expected = _textbook("relu", context.mpf("3.64"), context.mpf(above) - 1, context)
    for m, error in ((FLOATS, 1e-14), (precise(30), 1e-30)):
        dual, _, derivative, _ = _kernel(
            "relu", Pair.at(m.number(3.64), one_plus_c=m.number(float(above)))
        )
        assert float(abs(dual / expected[0] - 1)) < error
        assert float(abs(derivative / expected[1] - 1)) < error


@over_activations
def test_arrays_equal_scalars(name):
    points = [(float(q), c) for q in VARIANCES for c in CORRELATIONS.values()]
    scalars = [_kernel(name, _pair(q, c)) for q, c in points]
    columns = zip(*(_pair(q, c) for q, c in points), strict=True)
    shape = (len(VARIANCES), len(CORRELATIONS))
    parts = [np.reshape(column, shape) for column in list(columns)[:5]]
    for array, one_by_one in zip(
        _kernel(name, Pair(*parts)), zip(*scalars, strict=True), strict=True
    ):
        assert np.shape(one_by_one[0]) == ()
        found = np.broadcast_to(array, shape).ravel()
        assert found == pytest.approx(np.array(one_by_one, float), rel=1e-14, abs=0)


@pytest.mark.parametrize("c", [sp.Rational(-7, 10), 0, sp.Rational(1, 2), 1, -1])
@pytest.mark.parametrize("name", ["linear", "relu", "erf"])
def test_symbols_equal_numbers_after_substitution(name, c):
    q1, q2 = sp.symbols("q1 q2", positive=True)
    variance = sp.Rational(364, 100)
    activation, m = _activation(name), precise(20)
    numbers = moments(activation, Pair.at(m.number(3.64), c=m.number(float(c))))
    found = moments(activation, Pair.of_samples(q1, q2, q1 - q2))
    for symbol, number in zip(found, numbers, strict=True):
        value = sp.N(sp.sympify(symbol).subs({q1: variance, q2: variance * c}), 25)
        assert float(abs(value - sp.Float(str(number), 35))) < 1e-18


def test_symbolic_integrals_of_tanh_keep_their_names():
    q1, q2 = sp.symbols("q1 q2", positive=True)
    found = moments(Activation.named("tanh"), Pair.of_samples(q1, q2, q1 - q2))
    dual, slope = sp.Function("I_tanh"), sp.Function("I_dtanh")
    assert found[:3] == (dual(q1, q1), dual(q1, q2), dual(q1, q1) - dual(q1, q2))
    assert found[3:] == (slope(q1, q1), slope(q1, q2), slope(q1, q1) - slope(q1, q2))


# The mixture


@pytest.mark.parametrize(
    ("q", "c"), [(0.1, "0.5"), (3.64, "-0.7"), (25, "1-1e-9")], ids=["0.1", "3.64", "25"]
)
def test_tanh_in_floats_equals_thirty_digits(q, c):
    floats = _kernel("tanh", _pair(q, CORRELATIONS[c]))
    digits = _kernel("tanh", _pair(q, CORRELATIONS[c], precise(30)))
    assert floats == pytest.approx([float(value) for value in digits], rel=5e-14, abs=0)


@pytest.mark.parametrize("digits", [12, 20])
def test_twice_as_many_digits_confirm_those_promised(digits):
    # the node counts of the mixture grow with the digits
    c = Correlation(0.6, 1.4)
    few, many = (_kernel("tanh", _pair(3.64, c, precise(d))) for d in (digits, 2 * digits))
    for one, other in zip(few, many, strict=True):
        assert float(abs(one / other - 1)) < 10.0**-digits


# Symmetries and bounds

variances = st.floats(1e-3, 1e3)
distances = st.one_of(
    st.floats(0, 1).map(lambda d: Correlation(d, 2 - d)),
    st.floats(0, 1).map(lambda d: Correlation(2 - d, d)),
    st.floats(-16, -3).map(lambda k: Correlation(10**k, 2 - 10**k)),
    st.floats(-16, -3).map(lambda k: Correlation(2 - 10**k, 10**k)),
)


@over_activations
@given(q=variances, c=distances)
@settings(deadline=None)
def test_two_samples_never_have_more_than_one(name, q, c):
    # Cauchy-Schwarz, and both gaps are half a mean square
    pair = _pair(q, c)
    dual, gap, derivative, derivative_gap = _kernel(name, pair)
    top, _, steepest, _ = _kernel(name, pair.same_u)
    assert abs(dual) <= top * (1 + 1e-14)
    assert abs(derivative) <= steepest * (1 + 1e-14)
    assert gap >= 0
    assert derivative_gap >= 0
    assert dual + gap == pytest.approx(top, rel=1e-13, abs=0)
    assert derivative + derivative_gap == pytest.approx(steepest, rel=1e-13, abs=0)


@pytest.mark.parametrize("name", ["linear", "erf", "tanh"])
@given(q=variances, c=distances)
@settings(deadline=None)
def test_an_odd_activation_has_an_odd_dual_and_an_even_derivative(name, q, c):
    pair, opposite = _pair(q, c), _pair(q, Correlation(c.above, c.below_one))
    (dual, _, derivative, _), (reflected, _, even, _) = (_kernel(name, p) for p in (pair, opposite))
    assert reflected == pytest.approx(-dual, rel=1e-12, abs=1e-16 * q)
    assert even == pytest.approx(derivative, rel=1e-12, abs=0)


@given(q=variances, c=distances, factor=st.floats(1e-2, 1e2))
@settings(deadline=None)
def test_relu_is_homogeneous_and_its_odd_part_is_half_of_the_identity(q, c, factor):
    pair = _pair(q, c)
    dual, gap, derivative, _ = _kernel("relu", pair)
    scaled = _kernel("relu", _pair(factor * q, c))
    assert scaled[0] == pytest.approx(factor * dual, rel=1e-11, abs=1e-300)
    assert scaled[1] == pytest.approx(factor * gap, rel=1e-11, abs=1e-300)
    assert scaled[2] == pytest.approx(derivative, rel=1e-11, abs=0)
    # relu(x) - relu(-x) = x
    reflected = _kernel("relu", _pair(q, Correlation(c.above, c.below_one)))[0]
    assert dual - reflected == pytest.approx(pair.r / 2, rel=0, abs=1e-14 * q)


@given(q=variances, c=distances, scale=st.floats(0.05, 20))
@settings(deadline=None)
def test_the_scale_of_erf_is_a_scale_of_its_variance(q, c, scale):
    found = _kernel("erf", _pair(q, c), scale=scale)
    dual, gap, derivative, derivative_gap = _kernel("erf", _pair(q * scale**2, c), scale=1)
    assert found[0] == pytest.approx(dual, rel=1e-11, abs=0)
    assert found[1] == pytest.approx(gap, rel=1e-11, abs=0)
    assert found[2] == pytest.approx(scale**2 * derivative, rel=1e-11, abs=0)
    assert found[3] == pytest.approx(scale**2 * derivative_gap, rel=1e-11, abs=0)


# The join


@over_activations
def test_moments_are_the_kernel_at_one_sample_and_at_two(name):
    c = Correlation(0.7, 1.3)
    found = moments(_activation(name), Pair.of_samples(3.64, 3.64 * 0.3, 3.64 * 0.7))
    for f, (first, second, gap) in ((PHI[name], found[:3]), (SLOPE[name], found[3:])):
        expected = _expect(lambda u, v, d, f=f: f(u) ** 2, 3.64, SAME)
        assert first == pytest.approx(expected, rel=2e-13, abs=0)
        expected = _expect(lambda u, v, d, f=f: f(u) * f(v), 3.64, c)
        assert second == pytest.approx(expected, rel=2e-13, abs=0)
        assert gap == pytest.approx(first - second, rel=1e-12, abs=1e-14 * float(first))


def test_the_gap_between_two_samples_is_carried_not_formed():
    # q1 - q2 = 1e-20 q1: gone from q2, kept by the pair of the mean field
    for name in ("linear", "relu", "erf", "tanh"):
        found = moments(_activation(name), Pair.of_samples(2.0, 2.0, 2e-20))
        assert found.gap / 2e-20 == pytest.approx(float(found.derivative_first), rel=1e-9, abs=0)


def test_an_activation_that_only_shares_a_name_has_no_closed_form():
    assert closed_kernel(Activation("tanh", "tanh(2*x)")) is None
    assert closed_kernel(Activation.named("tanh")) is not None
