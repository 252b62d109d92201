r"""Deep in the ordered phase :math:`\kappa_1 - \kappa_2` keeps its digits, one network or many.

The expectation subtracts two predictions with so many digits that the difference keeps enough;
what is tested carries the difference through the layers.
"""

import numpy as np
import pytest

from theory import DescriptionError, Network, predict

DEPTH = 50
POINTS = {
    "relu": [(0.1, 0), (0.5, 1e-6), (1.3, 0.01), (1.9, 0.3), (1.99, 5), (1.7, 40)],
    "erf": [(0.1, 0), (0.5, 1e-6), (0.78, 0), (1.1, 0.2), (2.9, 3), (0.2, 40)],
    "gelu": [(0.1, 0), (0.5, 1e-6), (1.3, 0.01), (1.9, 0.3), (1.9, 5), (0.2, 40)],
}
NETWORKS = {
    f"{name} {point}": Network(name, depth=DEPTH, sigma_w2=point[0], sigma_b2=point[1])
    for name, points in POINTS.items()
    for point in points
} | {
    "layernorm": Network("erf", depth=DEPTH, sigma_w2=1.2, sigma_b2=0.5, hidden="layernorm"),
    "ratios": Network(
        "gelu", depth=4, sigma_w2=0.3, sigma_b2=1e-3, ratios=(1, 3, 0.5, 2), input_overlaps=(1, 0.3)
    ),
    "ntk": Network("relu", depth=DEPTH, sigma_w2=1.5, sigma_b2=0.1, parameterization="ntk"),
}


def truth(net, digits):
    """K_1 - K_2, finite and leading, subtracted with many digits, and the two K_2."""
    p = predict(net, 1000, 100, digits=digits)
    kernels = p.K, p.kappa_leading
    return [K.K1 - K.K2 for K in kernels] + [K.K2 for K in kernels]


def relative_errors(net, digits):
    p = predict(net, 1000, 100)
    found = [p.K.gap, p.kappa_leading.gap, p.K.K2, p.kappa_leading.K2]
    return [
        abs(float((one - true) / (true or 1)))
        for one, true in zip(found, truth(net, digits), strict=True)
    ]


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_kernels_and_their_difference_keep_their_digits(net):
    assert max(relative_errors(net, 150)) < 1e-13


@pytest.mark.parametrize(
    ("point", "digits"),
    [
        ((0.9, 1e-6), 15),
        pytest.param((0.3, 0.1), 40, marks=pytest.mark.slow),
        pytest.param((1.6, 0.5), 15, marks=pytest.mark.slow),
    ],
)
def test_tanh_kernels_and_their_difference_keep_their_digits(point, digits):
    net = Network("tanh", depth=DEPTH, sigma_w2=point[0], sigma_b2=point[1])
    assert max(relative_errors(net, digits)) < 1e-13


def test_where_no_float_has_more_digits_the_last_place_of_sigma_w2_says_so():
    """The variance of GELU has a repelling fixed point at which 50 layers lose three digits."""
    sigma_w2 = 2.1495
    net = Network("gelu", depth=DEPTH, sigma_w2=sigma_w2)
    moved = Network("gelu", depth=DEPTH, sigma_w2=np.nextafter(sigma_w2, 3))
    by_one_place = [
        abs(float((one - other) / (other or 1)))
        for one, other in zip(truth(net, 60), truth(moved, 60), strict=True)
    ]
    assert max(relative_errors(net, 60)) < 3 * max(by_one_place)


@pytest.mark.parametrize("name", POINTS)
def test_many_points_at_once_are_the_points_one_by_one(name):
    rng = np.random.default_rng(11)
    sigma_w2, sigma_b2 = rng.uniform(0.1, 3, 40), 10 ** rng.uniform(-6, 1, 40)
    net = Network(name, depth=DEPTH, sigma_w2=1)
    many = predict(net, 1000, 100, sigma_w2=sigma_w2, sigma_b2=sigma_b2)
    for k in range(40):
        one = predict(
            Network(name, depth=DEPTH, sigma_w2=sigma_w2[k], sigma_b2=sigma_b2[k]), 1000, 100
        )
        for part in ("K1", "K2", "gap"):
            for kernel in ("K", "kappa_leading"):
                expected = getattr(getattr(one, kernel), part)
                assert getattr(getattr(many, kernel), part)[k] == pytest.approx(
                    expected, rel=1e-12, abs=0
                )
        for field in ("q1", "q2", "q_gap", "S1", "S2", "S_gap", "T1"):
            expected = getattr(one.order_parameters, field)
            found = [np.broadcast_to(v, 40)[k] for v in getattr(many.order_parameters, field)]
            np.testing.assert_allclose(found, expected, rtol=1e-12)


REFUSED = {
    "negative": (
        {"sigma_w2": np.array([1.0, -1.0])},
        "sigma_w2 .* positive, -1.0 given at place 1",
    ),
    "zero": ({"sigma_w2": np.array([[0, 1]])}, "sigma_w2 .* positive, 0.0 given at place 0"),
    "nan": ({"sigma_b2": np.array([np.nan])}, "sigma_b2 .* at least 0, nan given"),
    "negative bias": ({"sigma_b2": np.array([-1e-3, 0])}, "sigma_b2 .* at least 0, -0.001 given"),
    "one negative": ({"sigma_w2": -2.0}, "sigma_w2 must be positive, -2.0 given"),
    "one negative bias": ({"sigma_b2": -2.0}, "sigma_b2 must be at least 0, -2.0 given"),
    "text": ({"sigma_w2": "a"}, "sigma_w2 must be a finite number, 'a' given"),
    "list": ({"sigma_w2": [1.0, 2.0]}, "sigma_w2 must be a finite number"),
    "texts": ({"sigma_w2": np.array(["a"])}, "array of numbers, <U1 of shape"),
    "no points": ({"sigma_w2": np.array([])}, r"float64 of shape \(0,\)"),
    "shapes": ({"sigma_w2": np.ones(2), "sigma_b2": np.ones(3)}, r"\(2,\) and \(3,\) given"),
    "digits": ({"sigma_w2": np.ones(2), "digits": 20}, "one by one"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_meaningless_points_are_refused(case):
    given, message = case
    with pytest.raises(DescriptionError, match=message) as problem:
        predict(Network("relu", depth=3, sigma_w2=1), 100, 10, **given)
    assert "\n" not in str(problem.value)
