"""Hermite coefficients against direct quadrature, Mehler's series, and exact values."""

from math import erf, factorial, gamma, pi, sqrt

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from theory.activations import ACTIVATIONS, Activation
from theory.errors import DescriptionError, OutOfRegime
from theory.gaussian import closed_kernel, moments
from theory.hermite import CLOSED, hermite_coefficients
from theory.pair import Law, Pair

NAMED = Activation.named
SELU = (1.0507009873554805, 1.6732632423543772)
PIECES = {
    "kinks": (-1, 0, 2),
    "slopes": (0, 1, 0.5, -2),
    "jumps": (0.3, -0.7, 0.2),
    "value": 0.4,
}


def pieces(x):
    inside = np.where(x < 0, x + 1.1, 0.5 * x + 0.4)
    return np.where(x < -1, -0.2, np.where(x < 2, inside, 1.6 - 2 * (x - 2)))


def hat(x):
    return np.clip(x, -1, 1)


# The activation, the same function by hand, its kinks
CASES = {
    "linear": (NAMED("linear"), lambda x: x, ()),
    "relu": (NAMED("relu"), lambda x: np.maximum(x, 0), (0,)),
    "leaky_relu": (
        NAMED("leaky_relu", slope=-0.3),
        lambda x: np.where(x > 0, x, -0.3 * x),
        (0,),
    ),
    "abs": (NAMED("abs"), np.abs, (0,)),
    "step": (NAMED("step"), lambda x: np.where(x > 0, 1.0, 0.0), (0,)),
    "sign": (NAMED("sign"), np.sign, (0,)),
    "relu_power": (NAMED("relu_power", n=3), lambda x: np.maximum(x, 0) ** 3, (0,)),
    "hard_tanh": (NAMED("hard_tanh"), hat, (-1, 1)),
    "piecewise_linear": (NAMED("piecewise_linear", **PIECES), pieces, (-1, 0, 2)),
    "elu": (
        NAMED("elu", alpha=0.7),
        lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0))),
        (0,),
    ),
    "selu": (
        NAMED("selu"),
        lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
        (0,),
    ),
    "erf": (NAMED("erf", scale=0.8), lambda x: special.erf(0.8 * x), ()),
    "probit": (
        NAMED("probit", c0=0.3, c1=-2, l=-1.5, mu=0.4),
        lambda x: 0.3 - 2 * special.ndtr(0.4 - 1.5 * x),
        (),
    ),
    "gelu": (NAMED("gelu"), lambda x: x * special.ndtr(x), ()),
    "sin": (NAMED("sin", omega=1.3, phase=0.4), lambda x: np.sin(1.3 * x + 0.4), ()),
    "cos": (NAMED("cos", omega=1.3), lambda x: np.cos(1.3 * x), ()),
    "exp": (NAMED("exp", t=-0.6), lambda x: np.exp(-0.6 * x), ()),
    "gaussian": (NAMED("gaussian", p=1.4), lambda x: np.exp(-0.7 * x * x), ()),
    "monomial": (NAMED("monomial", n=4), lambda x: x**4, ()),
    "hermite": (NAMED("hermite", n=4), lambda x: x**4 - 6 * x**2 + 3, ()),
    "polynomial": (
        NAMED("polynomial", coefficients=(1, -0.5, 2, 0.1)),
        lambda x: 1 - 0.5 * x + 2 * x**2 + 0.1 * x**3,
        (),
    ),
    "tanh": (NAMED("tanh"), np.tanh, ()),
    "sigmoid": (NAMED("sigmoid"), special.expit, ()),
    "silu": (NAMED("silu"), lambda x: x * special.expit(x), ()),
    "softplus": (NAMED("softplus"), lambda x: np.logaddexp(x, 0), ()),
    "mish": (NAMED("mish"), lambda x: x * np.tanh(np.logaddexp(x, 0)), ()),
}
ORDERS = 16


def direct(phi, q, kinks, count=ORDERS):
    """The normalized coefficients by their definition, panel by panel between the kinks."""
    edges = np.unique([*np.linspace(-14, 14, 57), *(kink / sqrt(q) for kink in kinks)])
    nodes, weights = np.polynomial.legendre.leggauss(40)
    width = np.diff(edges)[:, None]
    z = (edges[:-1, None] + width * (nodes + 1) / 2).ravel()
    mass = (width * weights / 2).ravel() * np.exp(-(z**2) / 2) / sqrt(2 * pi)
    one = np.eye(count)
    return np.array(
        [
            np.sum(mass * phi(sqrt(q) * z) * np.polynomial.hermite_e.hermeval(z, one[n]))
            / sqrt(factorial(n))
            for n in range(count)
        ]
    )


def test_every_closed_form_is_among_the_cases():
    assert set(CLOSED) <= set(CASES)
    assert set(CLOSED) <= set(ACTIVATIONS)


@pytest.mark.parametrize("q", [0.09, 1.7])
@pytest.mark.parametrize("name", CASES)
def test_coefficients_equal_their_definition(name, q):
    activation, phi, kinks = CASES[name]
    found = hermite_coefficients(activation, range(ORDERS), q, normalized=True)
    size = sqrt(float(moments_of(activation, q)))
    np.testing.assert_allclose(found.value, direct(phi, q, kinks), rtol=0, atol=2e-13 * size)
    assert found.method == ("closed form" if name in CLOSED else "quadrature")
    assert np.all(found.error < 2e-13 * size)
    with_factorials = hermite_coefficients(activation, range(ORDERS), q)
    roots = np.array([sqrt(factorial(n)) for n in range(ORDERS)])
    np.testing.assert_allclose(with_factorials.value, found.value * roots, rtol=1e-13)


def moments_of(activation, q):
    kernel = closed_kernel(activation)
    if kernel is not None:
        return kernel.second(Law(0, q))
    return moments(activation, Pair.at(q, c=0.5)).first


@pytest.mark.parametrize("q", [1e-6, 25.0])
@pytest.mark.parametrize("name", CLOSED)
def test_closed_coefficients_equal_quadrature(name, q, monkeypatch):
    activation = CASES[name][0]
    closed = hermite_coefficients(activation, range(40), q, normalized=True)
    monkeypatch.delitem(CLOSED, name)
    found = hermite_coefficients(activation, range(40), q, normalized=True)
    assert (closed.method, found.method) == ("closed form", "quadrature")
    assert np.all(np.abs(found.value - closed.value) <= found.error + closed.error)


@given(
    st.sampled_from(["erf", "gelu", "sin", "cos", "gaussian", "probit", "polynomial", "tanh"]),
    st.floats(0.01, 3),
    st.floats(0.01, 3),
    st.floats(-0.9, 0.9),
)
def test_mehler_sum_equals_the_dual(name, a, b, c):
    activation = CASES[name][0]
    one, other = (
        hermite_coefficients(activation, range(200), q, normalized=True).value for q in (a, b)
    )
    kernel = closed_kernel(activation)
    size = sqrt(float(kernel.second(Law(0, a)) * kernel.second(Law(0, b))))
    series = np.sum(one * other * c ** np.arange(200))
    assert series == pytest.approx(float(kernel.dual(Pair.at(a, b, c=c))), abs=1e-12 * size)
    n = np.arange(1, 200)
    slopes = np.sum(n * one[1:] * other[1:] * c ** (n - 1)) / sqrt(a * b)
    size = sqrt(float(kernel.derivative_second(Law(0, a)) * kernel.derivative_second(Law(0, b))))
    assert slopes == pytest.approx(
        float(kernel.derivative_dual(Pair.at(a, b, c=c))), abs=2e-11 * size
    )


@pytest.mark.parametrize("name", ["relu", "hard_tanh", "elu", "piecewise_linear", "step"])
def test_mehler_sum_equals_the_dual_at_kinks(name):
    activation, kernel = CASES[name][0], closed_kernel(CASES[name][0])
    a = hermite_coefficients(activation, range(600), 1.3, normalized=True).value
    for c in (-0.9, 0.5, 0.95):
        series = np.sum(a**2 * c ** np.arange(600))
        assert series == pytest.approx(float(kernel.dual(Pair.at(1.3, c=c))), rel=1e-12)


def test_high_orders_neither_overflow_nor_lose_parseval():
    a = hermite_coefficients(NAMED("tanh"), range(1001), 100.0, normalized=True).value
    second = float(closed_kernel(NAMED("tanh")).second(Law(0, 100.0)))
    assert np.sum(a**2) == pytest.approx(second, rel=2e-4)
    assert np.all(np.abs(a[::2]) < 1e-14)
    tail = hermite_coefficients(NAMED("relu"), [2000], 1.0, normalized=True).value[0]
    assert abs(tail) == pytest.approx((2 * pi) ** -0.75 * 2000**-1.25 * sqrt(2), rel=1e-2)
    with pytest.raises(OutOfRegime, match="normalized or digits"):
        hermite_coefficients(NAMED("exp"), 400, 1.0)


@pytest.mark.parametrize("q", [100.0, 1000.0])
def test_elu_is_accurate_where_its_recurrence_cancels(q):
    activation, phi, _ = CASES["elu"]
    found = hermite_coefficients(activation, range(40), q, normalized=True)
    fine = (0, *(-(2.0**k) for k in range(-3, 7)))
    expected = direct(phi, q, fine, count=40)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-13 * sqrt(q))


def exact(activation, n):
    """A coefficient at variance 1.7 to 30 digits, by another quadrature."""
    with mpmath.workdps(50):
        phi = {
            "relu": lambda x: max(x, mpmath.mpf(0)),
            "erf": mpmath.erf,
            "tanh": mpmath.tanh,
            "gelu": lambda x: x * mpmath.ncdf(x),
            "hard_tanh": lambda x: min(max(x, mpmath.mpf(-1)), mpmath.mpf(1)),
            "elu": lambda x: x if x > 0 else mpmath.expm1(x),
        }[activation.name]
        root = mpmath.sqrt(mpmath.mpf(17) / 10)

        def integrand(z):
            polynomial = mpmath.mpf(1), z
            for k in range(1, n):
                polynomial = polynomial[1], z * polynomial[1] - k * polynomial[0]
            return phi(root * z) * polynomial[1 if n else 0] * mpmath.npdf(z)

        t = 1 / root
        edges = [-16, -10, -6, -3, -t, 0, t, 3, 6, 10, 16]
        return mpmath.quad(integrand, edges)


@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "hard_tanh", "elu", "tanh"])
def test_thirty_digits_are_thirty_digits(name):
    found = hermite_coefficients(NAMED(name), [1, 3, 4], 1.7, digits=30)
    for n, value in zip([1, 3, 4], found.value, strict=True):
        assert abs(value - exact(NAMED(name), n)) < 1e-30


def test_exact_values():
    relu = hermite_coefficients(NAMED("relu"), range(7), 4.0).value
    p = 1 / sqrt(2 * pi)
    np.testing.assert_allclose(relu, 2 * np.array([p, 0.5, p, 0, -p, 0, 3 * p]), atol=1e-15)
    n = 5
    power = hermite_coefficients(NAMED("relu_power", n=n), 0, 1.0).value
    assert power == pytest.approx(2 ** (n / 2 - 1) * gamma((n + 1) / 2) / sqrt(pi), rel=1e-14)
    slope = hermite_coefficients(NAMED("hard_tanh"), 1, 0.25).value
    assert slope == pytest.approx(0.5 * erf(2 / sqrt(2)), rel=1e-14)
    cubic = hermite_coefficients(NAMED("hermite", n=3), range(6), 1.0).value
    np.testing.assert_array_equal(cubic, [0, 0, 0, 6, 0, 0])


def test_own_activation_is_integrated_with_its_kinks_and_in_the_digits_it_needs():
    own = Activation.from_expression("exp(x) - 1 - x")
    found = hermite_coefficients(own, [0, 1, 2], 1e-8)
    half = np.expm1(0.5e-8)
    expected = [half, 1e-4 * half, 1e-8 * np.exp(0.5e-8)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    root = hermite_coefficients(Activation.from_expression("sqrt(abs(x))"), [0, 1, 2], 2.0).value
    mean = 2**0.25 * gamma(0.75) / sqrt(pi) * 2**0.25
    np.testing.assert_allclose(root, [mean, 0, mean / 2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("n", "q", "options", "message"),
    [
        (-1, 1.0, {}, "n must be at least 0"),
        (1.5, 1.0, {}, "n must be a whole number"),
        ([0, True], 1.0, {}, "n must be a whole number"),
        (10**6, 1.0, {}, "n must be at most"),
        (1, 0.0, {}, "q must be positive"),
        (1, -2, {}, "q must be positive"),
        (1, float("nan"), {}, "q must be a finite number"),
        (1, 1.0, {"digits": 0}, "digits must be at least 1"),
    ],
)
def test_meaningless_request_is_refused(n, q, options, message):
    with pytest.raises(DescriptionError, match=message):
        hermite_coefficients(NAMED("relu"), n, q, **options)


def test_too_fast_growth_is_refused():
    with pytest.raises(OutOfRegime, match="diverges"):
        hermite_coefficients(Activation.from_expression("exp(x**2/3)"), 2, 1.0)
