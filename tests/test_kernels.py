r"""Gaussian kernels against quadrature of their definitions, written here with their own phi.

In the plane of two independent standard normals, (r, t) in polar coordinates, u is
sqrt(q) r cos t and v is sqrt(q) r cos(t - theta): exact for every correlation cos theta, and the
kinks of phi lie on the rays u = 0 and v = 0, where the panels end.
"""

from functools import cache
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from theory.architecture import Activation, NotCovered
from theory.gaussian import moments
from theory.kernels import KERNELS, Pair, arc_sine, arc_sine_derivative, arc_sine_gap
from theory.mathematics import FLOATS, of, precise
from theory.mixture import kolmogorov_average, kolmogorov_density

SCALE = 0.7
VARIANCES = (0.1, 1, 3.64, 25)
NEAR = 1e-9
# 1 - c, which is exact where c is not
CORRELATIONS = {
    "-1+1e-9": 2 - NEAR,
    "-0.7": 1.7,
    "0": 1.0,
    "0.5": 0.5,
    "1-1e-9": NEAR,
    "1": 0.0,
}
over_activations = pytest.mark.parametrize("name", ["linear", "relu", "erf", "tanh"])
over_variances = pytest.mark.parametrize("q", VARIANCES)
over_correlations = pytest.mark.parametrize("below_one", CORRELATIONS.values(), ids=CORRELATIONS)

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
def _plane(q, below_one):
    """u, v, u - v and weights of a Gauss rule for the pair, panels ending at the kink rays."""
    theta = 2 * np.arctan2(np.sqrt(below_one), np.sqrt(2 - below_one))
    rest = 2 * np.arctan2(np.sqrt(2 - below_one), np.sqrt(below_one))  # pi - theta
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


def _expect(function, q, below_one):
    u, v, d, weight = _plane(q, below_one)
    return float((function(u, v, d) * weight).sum())


def _pair(q, below_one, m=FLOATS):
    q, below_one = m.number(q), m.number(below_one)
    return Pair(q, q * (1 - below_one), q * below_one)


def _activation(name):
    return Activation.named("erf", scale=SCALE) if name == "erf" else Activation.named(name)


def _kernel(name, pair):
    kernel, m = KERNELS[name], of(*pair)
    parameters = {"scale": m.number(SCALE)} if name == "erf" else {}
    return [
        integral(pair, **parameters)
        for integral in (kernel.dual, kernel.gap, kernel.derivative, kernel.derivative_gap)
    ]


# Against the definition


def test_the_quadrature_of_this_file_knows_gaussian_moments():
    for q in VARIANCES:
        for below_one in CORRELATIONS.values():
            c = 1 - below_one
            for function, exact in (
                (lambda u, v, d: 1 + 0 * u * v, 1),
                (lambda u, v, d: u * v, q * c),
                (lambda u, v, d: (u * v) ** 2, q**2 * (1 + 2 * c * c)),
                (lambda u, v, d: d * d, 2 * q * below_one),
            ):
                value = _expect(function, q, below_one)
                assert value == pytest.approx(exact, rel=1e-12, abs=1e-13 * q)


@over_correlations
@over_variances
@over_activations
def test_dual_equals_gaussian_integral(name, q, below_one):
    phi, slope = PHI[name], SLOPE[name]
    dual, _, derivative, _ = _kernel(name, _pair(q, below_one))
    size, steepness = (_expect(lambda u, v, d, f=f: f(u) ** 2, q, 0.0) for f in (phi, slope))
    expected = _expect(lambda u, v, d: phi(u) * phi(v), q, below_one)
    assert dual == pytest.approx(expected, rel=2e-13, abs=2e-14 * size)
    expected = _expect(lambda u, v, d: slope(u) * slope(v), q, below_one)
    assert derivative == pytest.approx(expected, rel=2e-13, abs=2e-14 * steepness)


@over_correlations
@over_variances
@over_activations
def test_gap_equals_gaussian_integral_of_half_the_squared_difference(name, q, below_one):
    # E phi(u)^2 - E phi(u) phi(v) = E (phi(u) - phi(v))^2 / 2 for equal variances
    _, gap, derivative, derivative_gap = _kernel(name, _pair(q, below_one))
    expected = _expect(lambda u, v, d: _secant(name, u, v, d) ** 2 / 2, q, below_one)
    assert gap == pytest.approx(expected, rel=2e-13, abs=1e-300)
    # an even phi' has a small gap near c = -1 too, where the pair knows 1 + c to 1e-7 only
    slack = 1e-15 * float(derivative) if below_one > 1.9 else 1e-300
    expected = _expect(lambda u, v, d: _secant_of_slope(name, u, v, d) ** 2 / 2, q, below_one)
    assert derivative_gap == pytest.approx(expected, rel=2e-13, abs=slack)


def test_tanh_dual_equals_a_certified_enclosure():
    # FLINT, 387^2 nodes of the trapezoid rule with a rigorous error bound: +-5.2e-29
    certified = "0.1863244132034480861067828900"
    value = KERNELS["tanh"].dual(_pair(1, 0.5, precise(30)))
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
        assert _kernel(name, _pair(q, 0.7))[index] == pytest.approx(inner**2 @ w, rel=2e-12, abs=0)


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
        assert _kernel("relu", Pair(q1, q2, q1 - q2))[index] == pytest.approx(
            expected, rel=1e-9, abs=0
        )


@pytest.mark.parametrize("q", [0.3, 5])
@pytest.mark.parametrize("below_one", [1.7, 1.0, 0.5, 0.01])
@over_activations
def test_dual_of_the_derivative_is_the_derivative_of_the_dual(name, q, below_one):
    # Price: d/dq2 E phi(u) phi(v) = E phi'(u) phi'(v), by a five-point difference of mpmath numbers
    m = precise(5)
    q, q2 = m.number(q), m.number(q) * (1 - m.number(below_one))
    h = m.number(1e-3) * q * min(m.number(below_one), 1)
    derivative = KERNELS[name].derivative
    parameters = {"scale": m.number(SCALE)} if name == "erf" else {}

    def dual(steps):
        covariance = q2 + steps * h
        return KERNELS[name].dual(Pair(q, covariance, q - covariance), **parameters)

    slope = (8 * (dual(1) - dual(-1)) - dual(2) + dual(-2)) / (12 * h)
    expected = derivative(Pair(q, q2, q - q2), **parameters)
    assert float(abs(slope / expected - 1)) < 1e-11


def test_two_scales_of_the_error_function_equal_their_definition():
    # 2 Phi(u/sqrt(S)) - 1 against 2 Phi(v/sqrt(T)) - 1, the pieces of the tanh mixture
    S, T, q, below_one = 0.4, 2.5, 3.64, 0.3
    pair = _pair(q, below_one)

    def one(x, s):
        return special.erf(x / np.sqrt(2 * s))

    def slope(x, s):
        return np.sqrt(2 / (np.pi * s)) * np.exp(-(x**2) / (2 * s))

    for function, f in ((arc_sine, one), (arc_sine_derivative, slope)):
        expected = _expect(lambda u, v, d, f=f: f(u, S) * f(v, T), q, below_one)
        assert function(pair, S, T) == pytest.approx(expected, rel=1e-12, abs=0)
        assert function(pair, T, S) == pytest.approx(expected, rel=1e-12, abs=0)
    same = _expect(lambda u, v, d: one(u, S) * one(u, T), q, 0.0)
    different = _expect(lambda u, v, d: one(u, S) * one(v, T), q, below_one)
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
    _, gap, _, derivative_gap = _kernel(name, _pair(q, float(below_one)))
    assert gap == pytest.approx(float(one[0] - other[0]), rel=1e-14, abs=0)
    assert derivative_gap == pytest.approx(float(one[1] - other[1]), rel=1e-14, abs=0)


def test_gap_of_tanh_keeps_its_relative_accuracy_as_the_correlation_tends_to_one():
    m = precise(15)
    for q, below_one in ((1, 1e-6), (3.64, 1e-13)):
        dual, gap, derivative, derivative_gap = _kernel("tanh", _pair(q, below_one))
        top, at = (_kernel("tanh", _pair(q, d, m)) for d in (0, below_one))
        assert gap == pytest.approx(float(top[0] - at[0]), rel=5e-14, abs=0)
        assert derivative_gap == pytest.approx(float(top[2] - at[2]), rel=5e-14, abs=0)
        assert gap == pytest.approx(float(at[1]), rel=5e-14, abs=0)
        assert derivative_gap == pytest.approx(float(at[3]), rel=5e-14, abs=0)
        assert dual == pytest.approx(float(at[0]), rel=1e-14, abs=0)
        assert derivative == pytest.approx(float(at[2]), rel=1e-14, abs=0)


@over_correlations
@over_variances
@pytest.mark.parametrize("name", ["linear", "relu", "erf"])
def test_floats_equal_thirty_digits(name, q, below_one):
    pair, context = _pair(q, below_one), precise(30).context
    digits = _kernel(name, Pair(*(context.mpf(part) for part in pair)))
    sizes = _kernel(name, pair.same)
    # at c = -1 the dual of ReLU vanishes: its error is relative to its value at c = 1
    slack = (1e-15 * float(sizes[0]), 0, 1e-15 * float(sizes[2]), 0)
    for value, exact, near in zip(_kernel(name, pair), digits, slack, strict=True):
        assert value == pytest.approx(float(exact), rel=2e-14, abs=near)


@pytest.mark.parametrize("below_one", [2 - 1e-3, 2 - NEAR])
def test_relu_keeps_its_relative_accuracy_at_opposite_samples_in_many_digits(below_one):
    context = mp.MPContext()
    context.dps = 60
    c = context.mpf(-1) + (context.mpf("1e-3") if below_one < 1.9995 else context.mpf("1e-9"))
    dual, _, derivative, _ = _kernel("relu", _pair(3.64, below_one, precise(30)))
    expected = _textbook("relu", context.mpf("3.64"), c, context)
    assert float(abs(dual / expected[0] - 1)) < 1e-20
    assert float(abs(derivative / expected[1] - 1)) < 1e-20


@over_activations
def test_arrays_equal_scalars(name):
    q, below_one = np.meshgrid(VARIANCES, list(CORRELATIONS.values()))
    arrays = _kernel(name, Pair(q, q * (1 - below_one), q * below_one))
    for index in np.ndindex(q.shape):
        scalars = _kernel(name, _pair(float(q[index]), float(below_one[index])))
        for array, scalar in zip(arrays, scalars, strict=True):
            assert np.shape(array) == q.shape
            assert np.shape(scalar) == ()
            assert array[index] == pytest.approx(float(scalar), rel=1e-15, abs=0)


@pytest.mark.parametrize("below_one", [sp.Rational(17, 10), 1, sp.Rational(1, 2), 0, 2])
@pytest.mark.parametrize("name", ["linear", "relu", "erf"])
def test_symbols_equal_numbers_after_substitution(name, below_one):
    q1, q2 = sp.symbols("q1 q2", positive=True)
    variance = sp.Rational(364, 100)
    point = {q1: variance, q2: variance * (1 - below_one)}
    activation = _activation(name)
    numbers = moments(activation, _pair(3.64, float(below_one), precise(20)))
    for symbol, number in zip(moments(activation, Pair(q1, q2, q1 - q2)), numbers, strict=True):
        value = sp.N(sp.sympify(symbol).subs(point), 25)
        assert float(abs(value - sp.Float(str(number), 35))) < 1e-18


def test_symbolic_integrals_of_tanh_keep_their_names():
    q1, q2 = sp.symbols("q1 q2", positive=True)
    found = moments(Activation.named("tanh"), Pair(q1, q2, q1 - q2))
    dual, slope = sp.Function("I_tanh"), sp.Function("I_dtanh")
    assert found[:3] == (dual(q1, q1), dual(q1, q2), dual(q1, q1) - dual(q1, q2))
    assert found[3:] == (slope(q1, q1), slope(q1, q2), slope(q1, q1) - slope(q1, q2))


# The mixture


def test_mixing_density_is_the_derivative_of_kolmogorovs_distribution():
    x = np.linspace(0.2, 5, 97)
    assert kolmogorov_density(x) == pytest.approx(
        stats.kstwobign.pdf(x), rel=1e-7, abs=0
    )  # scipy's best
    context = mp.MPContext()
    context.dps = 60

    def distribution(x):
        return 1 - 2 * sum((-1) ** (k - 1) * context.exp(-2 * (k * x) ** 2) for k in range(1, 60))

    for at in ("0.3", "0.99", "1", "1.01", "2.5"):
        point = precise(30).context.mpf(at)
        expected = context.diff(distribution, context.mpf(at))
        assert float(abs(kolmogorov_density(point) / expected - 1)) < 1e-30


def test_the_two_series_of_the_mixing_density_meet():
    context = precise(40).context
    below, above = (
        kolmogorov_density(context.mpf(1) + sign * context.mpf("1e-45")) for sign in (-1, 1)
    )
    assert abs(below / above - 1) < context.mpf("1e-40")


@pytest.mark.parametrize(("q", "below_one"), [(0.1, 0.5), (3.64, 1.7), (25, 1e-9)])
def test_tanh_in_floats_equals_thirty_digits(q, below_one):
    floats = _kernel("tanh", _pair(q, below_one))
    digits = _kernel("tanh", _pair(q, below_one, precise(30)))
    assert floats == pytest.approx([float(value) for value in digits], rel=5e-14, abs=0)


def test_twice_as_many_digits_confirm_those_promised():
    few, many = (KERNELS["tanh"].dual(_pair(3.64, 0.6, precise(digits))) for digits in (12, 36))
    assert abs(many - many.context.mpf(few)) < many.context.mpf("1e-14") * abs(many)


def test_a_mixture_whose_node_counts_differ_raises_with_their_difference():
    def jump(pair, S, T):  # no quadrature rule converges fast on a step
        return pair.q1 * (1 if S + T < 2 else 0)

    with pytest.raises(ArithmeticError, match=r"has not converged: two node counts differ by -?0"):
        kolmogorov_average(jump, _pair(1, 0.5, precise(10)), "step")


def test_a_float_mixture_covers_more_pairs_than_one_chunk():
    q = np.linspace(0.1, 9, 2 * 2048 + 5)
    values = KERNELS["tanh"].dual(Pair(q, 0.3 * q, 0.7 * q))
    for index in (0, 2047, 2048, 4096, 4100):
        assert values[index] == pytest.approx(
            KERNELS["tanh"].dual(_pair(q[index], 0.7)), rel=1e-14, abs=0
        )


# Symmetries and bounds

variances = st.floats(1e-3, 1e3)
gaps = st.one_of(
    st.floats(0, 2), st.floats(1e-16, 1e-3), st.floats(1e-16, 1e-3).map(lambda d: 2 - d)
)


@over_activations
@given(q=variances, below_one=gaps)
@settings(deadline=None)
def test_two_samples_never_have_more_than_one(name, q, below_one):
    # Cauchy-Schwarz, and both gaps are half a mean square
    pair = _pair(q, below_one)
    dual, gap, derivative, derivative_gap = _kernel(name, pair)
    top, _, steepest, _ = _kernel(name, pair.same)
    assert abs(dual) <= top * (1 + 1e-14)
    assert abs(derivative) <= steepest * (1 + 1e-14)
    assert gap >= 0
    assert derivative_gap >= 0
    assert dual + gap == pytest.approx(top, rel=1e-13, abs=0)
    assert derivative + derivative_gap == pytest.approx(steepest, rel=1e-13, abs=0)


@pytest.mark.parametrize("name", ["linear", "erf", "tanh"])
@given(q=variances, below_one=gaps)
@settings(deadline=None)
def test_an_odd_activation_has_an_odd_dual_and_an_even_derivative(name, q, below_one):
    pair = _pair(q, below_one)
    opposite = Pair(pair.q1, -pair.q2, pair.q1 + pair.q2)
    (dual, _, derivative, _), (reflected, _, even, _) = (_kernel(name, p) for p in (pair, opposite))
    assert reflected == pytest.approx(-dual, rel=1e-12, abs=0)
    # 1 + c is formed from q1 + q2 here, rounded
    assert even == pytest.approx(derivative, rel=1e-12, abs=0)


@given(q=variances, below_one=gaps, factor=st.floats(1e-2, 1e2))
@settings(deadline=None)
def test_relu_is_homogeneous_and_its_even_part_is_half_of_the_absolute_value(q, below_one, factor):
    pair = _pair(q, below_one)
    dual, gap, derivative, _ = _kernel("relu", pair)
    scaled = _kernel("relu", Pair(*(factor * part for part in pair)))
    size = factor * q
    assert scaled[0] == pytest.approx(factor * dual, rel=1e-9, abs=1e-14 * size)
    assert scaled[1] == pytest.approx(factor * gap, rel=1e-9, abs=0)
    # the angle at c = -1 is the root of a rounded 1 + c
    assert scaled[2] == pytest.approx(derivative, rel=1e-9, abs=1e-8)
    # relu(x) - relu(-x) = x
    reflected = _kernel("relu", Pair(pair.q1, -pair.q2, pair.q1 + pair.q2))[0]
    assert dual - reflected == pytest.approx(pair.q2 / 2, abs=1e-14 * q)


@given(q=variances, below_one=gaps, scale=st.floats(0.05, 20))
@settings(deadline=None)
def test_the_scale_of_erf_is_a_scale_of_its_variance(q, below_one, scale):
    pair, stretched = _pair(q, below_one), _pair(q * scale**2, below_one)
    kernel = KERNELS["erf"]
    assert kernel.dual(pair, scale) == pytest.approx(kernel.dual(stretched, 1.0), rel=1e-11, abs=0)
    assert kernel.gap(pair, scale) == pytest.approx(kernel.gap(stretched, 1.0), rel=1e-11, abs=0)
    slope = scale**2 * kernel.derivative(stretched, 1.0)
    assert kernel.derivative(pair, scale) == pytest.approx(slope, rel=1e-11, abs=0)


# The join


@over_activations
def test_moments_are_the_kernel_at_one_sample_and_at_two(name):
    pair = _pair(3.64, 0.7)
    found = moments(_activation(name), pair)
    phi, slope = PHI[name], SLOPE[name]
    for f, first, second, gap in ((phi, *found[:3]), (slope, *found[3:])):
        assert first == pytest.approx(
            _expect(lambda u, v, d, f=f: f(u) ** 2, 3.64, 0.0), rel=2e-12, abs=0
        )
        expected = _expect(lambda u, v, d, f=f: f(u) * f(v), 3.64, 0.7)
        assert second == pytest.approx(expected, rel=2e-12, abs=0)
        assert gap == pytest.approx(first - second, rel=1e-11, abs=1e-14)


def test_an_activation_that_only_shares_a_name_has_no_closed_form():
    other = Activation("tanh", "tanh(2*x)")
    with pytest.raises(NotCovered, match="covered: linear, relu, erf, tanh"):
        moments(other, _pair(1, 0.5))
