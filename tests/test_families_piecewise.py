r"""Piecewise linear activations, powers of ReLU, ELU and SELU against quadrature.

``reference/piecewise.json`` holds 30 digits, made by ``reference/make_piecewise.py`` from the
definitions alone. The properties further below hold for every law.
"""

import json
from functools import cache
from math import erfc, sqrt
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.errors import DescriptionError
from theory.families import normal, piecewise_linear, relu_power
from theory.families.elu import (
    ELU,
    SELU,
    elu_derivative_dual,
    elu_derivative_mean,
    elu_dual,
    elu_mean,
)
from theory.families.kernel import DoesNotExist, Kernel
from theory.families.piecewise_linear import (
    ABSOLUTE,
    HARD_TANH,
    LEAKY_RELU,
    LINEAR,
    PIECEWISE_LINEAR,
    RELU,
    SIGN,
    STEP,
)
from theory.families.relu_power import RELU_POWER
from theory.mathematics import FLOATS, precise
from theory.pair import Law, Pair

KERNELS = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "abs": ABSOLUTE,
    "step": STEP,
    "sign": SIGN,
    "relu_power": RELU_POWER,
    "hard_tanh": HARD_TANH,
    "piecewise_linear": PIECEWISE_LINEAR,
    "elu": ELU,
    "selu": SELU,
}
ONE = ("mean", "derivative_mean", "second", "derivative_second")
TWO = ("dual", "derivative_dual")
GAPS = ("gap", "derivative_gap")
POSITIVE = ("relu_power", "abs")  # the centred dual has no interior zero: relatively accurate
TABLE = Path(__file__).parent / "reference" / "piecewise.json"


EXACT_DISTANCES = {
    "-1": {"one_plus_c": "0"},
    "-1+1e-12": {"one_plus_c": "1e-12"},
    "1-1e-6": {"one_minus_c": "1e-6"},
    "1-1e-12": {"one_minus_c": "1e-12"},
    "1": {"one_minus_c": "0"},
}


@cache
def _rows():
    rows = {}
    for row in json.loads(TABLE.read_text()):
        rows.setdefault(_label(row), []).append(row)
    return rows


def _label(row):
    parameters = row["parameters"].values()
    return "-".join([row["name"], *(x if isinstance(x, str) else str(len(x)) for x in parameters)])


def _number(m, text):
    if isinstance(text, list):
        return tuple(_number(m, x) for x in text)
    return float(text) if m is FLOATS else m.context.mpf(text)


def _parameters(m, row):
    if row["name"] == "relu_power":
        return {"n": int(row["parameters"]["n"])}
    return {key: _number(m, text) for key, text in row["parameters"].items()}


def _pair(m, row, correlation):
    a, b, *means = row["law"]
    m1, m2 = (0 if mean == "0" else _number(m, mean) for mean in means)
    distance = EXACT_DISTANCES.get(correlation, {"c": correlation})
    distance = {key: _number(m, text) for key, text in distance.items()}
    return Pair.at(_number(m, a), _number(m, b), **distance, mean1=m1, mean2=m2)


def _centred(row):
    return row["law"][2:] == ["0", "0"]


def _compare(m, row, kernel, correlations=None):
    """(integral, correlation, error in units of its scale, relative error), of every integral.

    The scale of an integral of two samples is the geometric mean of the two second moments; where
    these do not exist, the integral itself or the product of the means.
    """
    parameters = _parameters(m, row)
    u, v = ([x and _number(m, x) for x in row[key]] for key in "uv")
    size = [m.sqrt(x[2]) for x in (u, v)]
    steep = [m.sqrt(x[3]) if x[3] is not None else abs(x[1]) for x in (u, v)]
    for sample, values, s, t in zip("uv", (u, v), size, steep, strict=True):
        law = getattr(_pair(m, row, "0"), sample)
        for name, exact, scale in zip(ONE, values, (s, t, s * s, t * t), strict=True):
            if exact is not None:
                value = getattr(kernel, name)(law, **parameters)
                yield name, sample, *_errors(value, exact, scale)
    for name, scale in zip(TWO, (size[0] * size[1], steep[0] * steep[1]), strict=True):
        for correlation in correlations or row[name]:
            if row[name][correlation] is not None:
                exact = _number(m, row[name][correlation])
                value = getattr(kernel, name)(_pair(m, row, correlation), **parameters)
                if name == "derivative_dual" and u[3] is None:
                    scale = max(scale, abs(exact))
                yield name, correlation, *_errors(value, exact, scale)


def _errors(value, exact, scale):
    error = abs(value - exact)
    return float(error / scale if scale else error), float(error / abs(exact) if exact else error)


LABELS = list(_rows())
over_entries = pytest.mark.parametrize("label", LABELS)


# Against the definition


def test_reference_table_covers_every_variance_correlation_and_entry():
    for rows in _rows().values():
        laws = {tuple(row["law"]) for row in rows}
        assert len(laws) == len(rows) == 12
        assert {"1e-8", "1e-3", "1", "25", "1e4"} <= {a for a, b, *_ in laws if a == b}
        assert all(len(row["dual"]) == len(row["derivative_dual"]) == 8 for row in rows)
    assert {rows[0]["name"] for rows in _rows().values()} == set(KERNELS) - {"linear"}


@over_entries
def test_floats_equal_gaussian_integrals(label):
    for row in _rows()[label]:
        for name, where, error, relative in _compare(FLOATS, row, KERNELS[row["name"]]):
            assert error < 2e-14, (name, where, row["law"])
            if name == "dual" and row["name"] in POSITIVE and _centred(row) and where != "-1":
                assert relative < 2e-14, (where, row["law"])


@over_entries
def test_thirty_digits_equal_gaussian_integrals(label):
    slow = label.startswith(("elu", "selu", "piecewise", "hard"))
    m = precise(30)
    for index, row in enumerate(_rows()[label]):
        if index % 6 != 2 if slow else index % 3 != 1:
            continue
        correlations = [list(row["dual"])[(3 * index) % 8]] if slow else list(row["dual"])[::2]
        for name, where, error, _ in _compare(m, row, KERNELS[row["name"]], correlations):
            assert error < 1e-29, (name, where, row["law"])


@pytest.mark.slow
@over_entries
def test_a_sample_of_the_reference_table_is_what_its_script_computes(label):
    from tests.reference.make_piecewise import recompute

    row = _rows()[label][2]
    for correlation in ("-0.7", "1-1e-6"):
        expected = [row["dual"][correlation], row["derivative_dual"][correlation]]
        with mpmath.workdps(40):
            assert recompute(row, correlation) == expected


def test_relu_dual_keeps_its_relative_accuracy_at_opposite_samples():
    for n in (0, 1, 2, 5):
        for distance in (1e-3, 1e-9, 1e-15, 1e-30):
            pair = Pair.at(3.64, one_plus_c=distance)
            m = precise(30)
            exact = Pair.at(m.number(3.64), one_plus_c=m.number(distance))
            value = float(relu_power.arc_cosine_power(exact, n))
            assert relu_power.arc_cosine_power(pair, n) == pytest.approx(value, rel=1e-14, abs=0)
            if n == 1:
                assert piecewise_linear.arc_cosine(pair) == pytest.approx(value, rel=1e-14, abs=0)


# Properties of every law

THREE = {"kinks": (-1.5, -0.2, 0.8), "slopes": (0.3, -1, 0.5, 0.2), "jumps": (0.4, 0, -0.7)}
ENTRIES = {
    "linear": (LINEAR, {}, lambda x: x, []),
    "relu": (RELU, {}, lambda x: np.maximum(x, 0), [0]),
    "leaky": (LEAKY_RELU, {"slope": -0.3}, lambda x: np.where(x > 0, x, -0.3 * x), [0]),
    "abs": (ABSOLUTE, {}, np.abs, [0]),
    "step": (STEP, {}, lambda x: np.heaviside(x, 0.5), [0]),
    "sign": (SIGN, {}, np.sign, [0]),
    "relu_power": (RELU_POWER, {"n": 3}, lambda x: np.maximum(x, 0) ** 3, [0]),
    "hard_tanh": (HARD_TANH, {}, lambda x: np.clip(x, -1, 1), [-1, 1]),
    "piecewise": (
        PIECEWISE_LINEAR,
        {**THREE, "value": -0.2},
        lambda x: (
            0.5 * np.clip(x, -0.2, 0.8)
            - np.clip(x + 0.2, -1.3, 0)
            + 0.3 * np.minimum(x + 1.5, 0)
            + 0.2 * np.maximum(x - 0.8, 0)
            - 0.2
            - 0.4 * np.heaviside(-1.5 - x, 0.5)
            - 0.7 * np.heaviside(x - 0.8, 0.5)
        ),
        [-1.5, -0.2, 0.8],
    ),
    "elu": (ELU, {"alpha": 1.7}, lambda x: np.where(x > 0, x, 1.7 * np.expm1(-np.abs(x))), [0]),
    "selu": (
        SELU,
        {},
        lambda x: (
            1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
        ),
        [0],
    ),
}
few = settings(max_examples=max(5, settings.default.max_examples // 6))
over_all = pytest.mark.parametrize("entry", ENTRIES)
variances = st.floats(-8, 4).map(lambda x: 10.0**x)
means = st.one_of(st.just(0), st.floats(-3, 3))
distances = st.one_of(
    st.floats(0, 2), st.floats(-16, -1).map(lambda x: 10.0**x), st.sampled_from([0.0, 1.0])
)


@st.composite
def pairs(draw, equal=False, opposite=True):
    a = draw(variances)
    b = a if equal else draw(variances)
    x = draw(means)
    y = x if equal else draw(means)
    near = draw(distances)
    side = "one_plus_c" if opposite and draw(st.booleans()) else "one_minus_c"
    m1, m2 = (mean * sqrt(q) if mean else mean for mean, q in ((x, a), (y, b)))
    return Pair.at(a, b, **{side: near}, mean1=m1, mean2=m2)


def _scale(kernel, parameters, pair, name, value):
    """The geometric mean of the second moments; without them the size of value and of its parts."""
    second = "derivative_second" if name.startswith("derivative") else "second"
    squares = [_value(kernel, second, law, parameters) for law in (pair.u, pair.v)]
    if None not in squares:
        return sqrt(float(squares[0])) * sqrt(float(squares[1]))
    return max(abs(value), (1 + 1 / sqrt(pair.a)) * (1 + 1 / sqrt(pair.b)))


def _value(kernel, name, law, parameters):
    try:
        return getattr(kernel, name)(law, **parameters)
    except DoesNotExist:
        return None


@over_all
@given(pair=pairs())
@few
def test_dual_is_symmetric_and_bounded(entry, pair):
    kernel, parameters, *_ = ENTRIES[entry]
    swapped = pair._replace(a=pair.b, b=pair.a, m1=pair.m2, m2=pair.m1)
    for name in TWO:
        value = _value(kernel, name, pair, parameters)
        if value is None:
            continue
        scale = _scale(kernel, parameters, pair, name, value)
        assert abs(value) <= scale * (1 + 1e-13) + 1e-300
        other = getattr(kernel, name)(swapped, **parameters)
        assert other == pytest.approx(value, rel=0, abs=1e-13 * scale + 1e-300)


@over_all
@given(pair=pairs())
@few
def test_dual_of_independent_samples_is_the_product_of_means(entry, pair):
    kernel, parameters, *_ = ENTRIES[entry]
    pair = Pair.at(pair.a, pair.b, c=0.0, mean1=pair.m1, mean2=pair.m2)
    for name, mean in zip(TWO, ONE, strict=False):
        left, right = (getattr(kernel, mean)(law, **parameters) for law in (pair.u, pair.v))
        value = getattr(kernel, name)(pair, **parameters)
        scale = _scale(kernel, parameters, pair, name, value)
        assert value == pytest.approx(left * right, rel=0, abs=1e-14 * scale + 1e-300)


def _line(function, breaks):
    """E function(x) for standard normal x, Gauss-Legendre between the breaks, graded at them."""
    steps = [s * 2.0**k for k in range(-12, 5) for s in (-1, 1)]
    edges = np.unique(np.clip([-12, 12, *np.add.outer(breaks, [0, *steps]).ravel()], -12, 12))
    edges = np.unique(np.concatenate([edges, np.linspace(-12, 12, 17)]))
    x, w = np.polynomial.legendre.leggauss(20)
    width = np.diff(edges)[:, None] / 2
    points = edges[:-1, None] + width * (x + 1)
    return np.sum(width * w * np.exp(-(points**2) / 2) * function(points)) / np.sqrt(2 * np.pi)


@over_all
@given(pair=pairs(), sign=st.sampled_from([-1, 1]))
@few
def test_dual_at_correlation_one_and_minus_one_is_an_integral_of_one_sample(entry, pair, sign):
    kernel, parameters, phi, kinks = ENTRIES[entry]
    assume(1e-6 < pair.a < 1e4 and 1e-6 < pair.b < 1e4)
    a, b, m1, m2 = sqrt(pair.a), sqrt(pair.b), pair.m1, pair.m2
    side = {"one_minus_c" if sign > 0 else "one_plus_c": 0.0}
    pair = Pair.at(pair.a, pair.b, **side, mean1=m1, mean2=m2)
    breaks = [(t - m1) / a for t in kinks] + [sign * (t - m2) / b for t in kinks] + [0.0]
    expected = _line(lambda x: phi(m1 + a * x) * phi(m2 + sign * b * x), breaks)
    value = kernel.dual(pair, **parameters)
    scale = _scale(kernel, parameters, pair, "dual", value)
    assert value == pytest.approx(expected, rel=0, abs=1e-12 * scale + 1e-25)


@pytest.mark.parametrize("law", [5, 8, 9])
@over_entries
def test_slope_of_the_dual_is_the_quadrature_of_phi_prime(label, law):
    # Price: dI/dr at fixed variances, by a five-point difference, against the reference table
    row = _rows()[label][law]
    kernel, parameters = KERNELS[row["name"]], _parameters(FLOATS, row)
    for correlation in ("-0.7", "0", "0.3"):
        pair = _pair(FLOATS, row, correlation)
        h = 4e-3

        def dual(steps, pair=pair, c=float(correlation), h=h):
            moved = Pair.at(pair.a, pair.b, c=c + steps * h, mean1=pair.m1, mean2=pair.m2)
            return kernel.dual(moved, **parameters)

        slope = (8 * (dual(1) - dual(-1)) - dual(2) + dual(-2)) / (12 * h * sqrt(pair.a * pair.b))
        expected = float(row["derivative_dual"][correlation])
        scale = max(_scale(kernel, parameters, pair, name, 0) for name in TWO)
        assert slope == pytest.approx(expected, rel=1e-7, abs=3e-8 * scale)


@over_all
@given(pair=pairs(equal=True))
@few
def test_gap_is_what_the_dual_lacks_and_never_negative(entry, pair):
    kernel, parameters, *_ = ENTRIES[entry]
    for name, dual, second in zip(GAPS, TWO, ONE[2:], strict=True):
        top = _value(kernel, second, pair.u, parameters)
        if top is None:
            with pytest.raises(DoesNotExist):
                getattr(kernel, name)(pair, **parameters)
            continue
        gap = getattr(kernel, name)(pair, **parameters)
        assert gap >= -1e-14 * top
        value = getattr(kernel, dual)(pair, **parameters)
        assert value + gap == pytest.approx(top, rel=1e-13)


@pytest.mark.parametrize("entry", ["leaky", "abs", "sign", "relu_power", "hard_tanh", "elu"])
@pytest.mark.parametrize("mean", [0, 0.4])
def test_gap_keeps_its_relative_accuracy_as_the_correlation_tends_to_one(entry, mean):
    kernel, parameters, *_ = ENTRIES[entry]
    m = precise(30)
    exact_parameters = {k: v if k == "n" else m.number(v) for k, v in parameters.items()}
    for q, near in ((0.3, 1e-12), (100.0, 1e-7)):
        exact = Pair.at(
            m.number(q),
            one_minus_c=m.context.mpf(near),
            mean1=mean and m.number(mean),
            mean2=mean and m.number(mean),
        )
        pair = Pair.at(q, one_minus_c=near, mean1=mean, mean2=mean)
        for name, dual, second in zip(GAPS, TWO, ONE[2:], strict=True):
            top = _value(kernel, second, exact.u, exact_parameters)
            if top is not None:
                difference = top - getattr(kernel, dual)(exact, **exact_parameters)
                gap = getattr(kernel, name)(pair, **parameters)
                assert gap == pytest.approx(float(difference), rel=3e-13)


@over_all
def test_kernel_matrix_is_positive_semidefinite(entry):
    kernel, parameters, *_ = ENTRIES[entry]
    points = np.random.default_rng(3).normal(size=(14, 3)) * np.logspace(-2, 1, 14)[:, None]
    points[1] = points[0] * (1 + 1e-9)
    points[2] = -points[3]
    gram = points @ points.T
    root = np.sqrt(np.diag(gram))
    unit = points / root[:, None]
    dl = np.sum((unit[:, None] - unit) ** 2, axis=-1) / 2
    op = np.sum((unit[:, None] + unit) ** 2, axis=-1) / 2
    variance = np.diag(gram)
    a, b = np.broadcast_arrays(variance[:, None], variance)
    for mean in (0, 0.7):
        size = np.sqrt(kernel.second(Law(mean, variance), **parameters))
        matrix = kernel.dual(Pair(a, b, gram, dl, op, mean, mean), **parameters)
        matrix = matrix / size[:, None] / size
        assert matrix == pytest.approx(matrix.T, abs=1e-13)
        assert np.linalg.eigvalsh(matrix).min() > -1e-13
        assert np.diag(matrix) == pytest.approx(np.ones(14), rel=1e-13)


@pytest.mark.parametrize("q", [1e-8, 1e-20, 1e-30])
def test_elu_keeps_its_digits_for_small_variances(q):
    # E phi(u) and E phi(u) phi(v) grow like q while phi itself is of size sqrt(q)
    few, many = precise(20), precise(80)
    pairs = [Pair.at(m.context.mpf(q), c=m.context.mpf(0.25)) for m in (few, many)]
    for integral in (elu_mean, elu_derivative_mean):
        value, exact = (integral(pair.u, 1) for pair in pairs)
        assert float(abs(many.context.mpf(value) / exact - 1)) < 1e-20
    for integral in (elu_dual, elu_derivative_dual):
        value, exact = (integral(pair, 1) for pair in pairs)
        assert float(abs(many.context.mpf(value) / exact - 1)) < 1e-20


@pytest.mark.parametrize("mean", [0, -4.0])
def test_high_powers_of_relu_equal_many_digits(mean):
    m = precise(15)
    for c in (-0.7, 0.999):
        pair = Pair.at(1.3, 2.7, c=c, mean1=mean, mean2=mean)
        exact = Pair.at(
            *(m.number(x) for x in (1.3, 2.7)),
            c=m.number(c),
            mean1=mean and m.number(mean),
            mean2=mean and m.number(mean),
        )
        for name in TWO:
            value = getattr(RELU_POWER, name)(pair, n=64)
            size = _scale(RELU_POWER, {"n": 64}, exact, name, 0)
            reference = getattr(RELU_POWER, name)(exact, n=64)
            assert value == pytest.approx(float(reference), rel=0, abs=5e-14 * size)


# Relations between entries


def _same_kernel(left, right, pair, factors=(1, 1)):
    """Two (kernel, parameters) agree; the second is multiplied by factors for phi and phi'."""
    for names, (law, power) in {ONE: (pair.u, 1), TWO: (pair, 2)}.items():
        for name in names:
            first, second = (_value(kernel, name, law, p) for kernel, p in (left, right))
            if first is None or second is None:
                assert first is second
                continue
            factor = factors[name.startswith("derivative")] ** (2 if "second" in name else power)
            size = abs(second) if power == 1 else _scale(*right, pair, name, second)
            scale = factor * size
            assert first == pytest.approx(factor * second, rel=1e-12, abs=1e-13 * scale + 1e-300)


@pytest.mark.parametrize(
    ("entry", "degree"),
    [("relu", 1), ("leaky", 1), ("abs", 1), ("step", 0), ("sign", 0), ("relu_power", 3)],
)
@given(pair=pairs(), factor=st.floats(0.01, 100))
@few
def test_homogeneous_activations_scale(entry, degree, pair, factor):
    kernel, parameters, *_ = ENTRIES[entry]
    moved = Pair(
        pair.a * factor**2,
        pair.b * factor**2,
        pair.r * factor**2,
        pair.dl,
        pair.op,
        pair.m1 and pair.m1 * factor,
        pair.m2 and pair.m2 * factor,
    )
    for name in TWO:
        value, other = (_value(kernel, name, p, parameters) for p in (pair, moved))
        if value is None:
            assert other is None
            continue
        power = factor ** (2 * (degree - (name == "derivative_dual")))
        scale = _scale(kernel, parameters, pair, name, value)
        # h = m/sqrt(a) is rounded in both, and a density at h = 3 amplifies that
        assert other == pytest.approx(power * value, rel=1e-9, abs=1e-12 * power * scale + 1e-300)


@given(pair=pairs())
@few
def test_one_function_under_several_names_has_one_kernel(pair):
    def pieces(kinks, slopes, jumps=(), value=0):
        parameters = {"kinks": kinks, "slopes": slopes, "jumps": jumps, "value": value}
        return PIECEWISE_LINEAR, parameters

    relu = (RELU, {})
    for same in (
        pieces((0,), (0, 1)),
        pieces((-1, 0, 2), (0, 0, 1, 1)),
        (LEAKY_RELU, {"slope": 0}),
        (RELU_POWER, {"n": 1}),
        (ELU, {"alpha": 0}),
    ):
        _same_kernel(same, relu, pair)
    _same_kernel(pieces((0,), (-1, 1)), (ABSOLUTE, {}), pair)
    _same_kernel((LEAKY_RELU, {"slope": -1}), (ABSOLUTE, {}), pair)
    _same_kernel((LEAKY_RELU, {"slope": 1}), (LINEAR, {}), pair)
    _same_kernel(pieces((), (1,)), (LINEAR, {}), pair)
    _same_kernel(pieces((0,), (0, 0), (1,), 1), (STEP, {}), pair)
    _same_kernel(pieces((0,), (0, 0), (2,), 1), (SIGN, {}), pair)
    _same_kernel(pieces((-1, 1), (0, 1, 0)), (HARD_TANH, {}), pair)
    _same_kernel((SELU, {}), (ELU, {"alpha": 1.6732632423543772}), pair, (1.0507009873554805,) * 2)


@given(pair=pairs(), factor=st.floats(0.01, 100))
@few
def test_a_stretched_hard_tanh_is_piecewise_linear(pair, factor):
    moved = Pair(
        pair.a / factor**2,
        pair.b / factor**2,
        pair.r / factor**2,
        pair.dl,
        pair.op,
        pair.m1 and pair.m1 / factor,
        pair.m2 and pair.m2 / factor,
    )
    stretched = {"kinks": (-1 / factor, 1 / factor), "slopes": (0, factor, 0)}
    value = PIECEWISE_LINEAR.dual(moved, **stretched, jumps=(), value=0)
    scale = _scale(HARD_TANH, {}, pair, "dual", 0)
    assert value == pytest.approx(HARD_TANH.dual(pair), rel=1e-10, abs=1e-13 * scale)


@given(pair=pairs())
@few
def test_a_reflected_function_of_reflected_samples_is_the_same(pair):
    reflected = {
        "kinks": (-0.8, 0.2, 1.5),
        "slopes": (-0.2, -0.5, 1, -0.3),
        "jumps": (0.7, 0, -0.4),
        "value": -0.2,
    }
    turned = pair._replace(m1=-pair.m1, m2=-pair.m2)
    parameters = {**THREE, "value": -0.2}
    for name in TWO:
        first, second = (
            _value(PIECEWISE_LINEAR, name, p, values)
            for p, values in ((pair, parameters), (turned, reflected))
        )
        if first is None:
            assert second is None
        else:
            scale = _scale(PIECEWISE_LINEAR, parameters, pair, name, first)
            assert second == pytest.approx(first, rel=1e-9, abs=1e-13 * scale)


@pytest.mark.parametrize("jumps", [(1.0, 0.4), (0.4, 1.0), (1.0, -1.0)])
def test_a_function_and_its_negative_have_one_dual(jumps):
    """Jumps of any size and sign: the products of jumps and slopes may not depend on them."""
    pair = Pair.at(1.1, 0.7, c=-0.35, mean1=0.3, mean2=-0.2)
    slopes = (-0.3, 0.7, 1.7)  # kinks of weight 1, of the negative -1

    def dual(sign):
        turned, leaps = (tuple(sign * x for x in values) for values in (slopes, jumps))
        fields = {"kinks": (-0.5, 0.9), "slopes": turned, "jumps": leaps, "value": sign * 0.25}
        return float(PIECEWISE_LINEAR.dual(pair, **fields))

    assert dual(-1) == pytest.approx(dual(1), rel=1e-13)


def test_the_value_at_a_jump_at_zero_is_the_limit_from_the_right():
    jump = {"kinks": (0,), "slopes": (0, 0), "jumps": (3,), "value": 5}
    assert PIECEWISE_LINEAR.mean(Law(-1.0, 1e-8), **jump) == pytest.approx(2)
    assert PIECEWISE_LINEAR.mean(Law(1.0, 1e-8), **jump) == pytest.approx(5)


# Edges


@over_all
def test_a_sure_sample_factors_out(entry):
    kernel, parameters, phi, _ = ENTRIES[entry]
    pair = Pair.at(0.0, 2.7, c=0.3, mean1=0.4, mean2=-0.3)
    left = float(phi(np.array(0.4)))
    assert kernel.mean(pair.u, **parameters) == pytest.approx(left)
    assert kernel.second(pair.u, **parameters) == pytest.approx(left**2)
    expected = left * kernel.mean(pair.v, **parameters)
    assert kernel.dual(pair, **parameters) == pytest.approx(expected, rel=1e-14)


def test_what_diverges_is_refused_with_its_reason():
    for kernel in (STEP, SIGN):
        for mean in (0, 0.3):
            with pytest.raises(DoesNotExist, match="phi jumps"):
                kernel.derivative_second(Law(mean, 1.0))
            with pytest.raises(DoesNotExist, match="correlation -1 or 1"):
                kernel.derivative_dual(Pair.at(1.0, one_minus_c=0.0, mean1=mean, mean2=mean))
    three = {**THREE, "value": 0}
    with pytest.raises(DoesNotExist, match="correlation -1 or 1"):
        PIECEWISE_LINEAR.derivative_dual(Pair.at(1e-8, one_minus_c=0.0), **three)
    # reflected, no jump falls on another
    assert np.isfinite(PIECEWISE_LINEAR.derivative_dual(Pair.at(1.0, one_plus_c=0.0), **three))


def test_pieces_that_do_not_fit_are_refused():
    for kinks, slopes, jumps in (
        ((1,), (0,), (0,)),
        ((1,), (0, 1), (0, 0)),
        ((1, 1), (0, 1, 2), ()),
    ):
        with pytest.raises(DescriptionError, match="kinks"):
            PIECEWISE_LINEAR.mean(Law(0, 1.0), kinks=kinks, slopes=slopes, jumps=jumps, value=0)


@over_all
def test_arrays_equal_scalars(entry):
    kernel, parameters, *_ = ENTRIES[entry]
    a, dl = np.meshgrid([1e-8, 0.5, 1e4], [0.0, 1e-12, 0.7, 1.3, 2 - 1e-6, 2.0])
    op = np.where(dl == 2 - 1e-6, 1e-6, 2 - dl)
    for mean in (0, 0.2):
        b = a[::-1, ::-1]
        pair = Pair(a, b, (1 - dl) * np.sqrt(a * b), dl, op, mean, mean)
        inner = dl * op > 0
        for name in (*TWO, *GAPS):
            law = pair if name in TWO else Pair(a, a, (1 - dl) * a, dl, op, mean, mean)
            if entry in ("step", "sign", "piecewise") and name.startswith("derivative"):
                continue
            arrays = getattr(kernel, name)(law, **parameters)
            assert np.shape(arrays) in (a.shape, ())
            for index in np.ndindex(a.shape):
                one = Pair(*(part[index] if np.ndim(part) else part for part in law))
                scalar = getattr(kernel, name)(one, **parameters)
                assert np.shape(scalar) == ()
                value = np.broadcast_to(arrays, a.shape)[index]
                size = 1e-13 * abs(kernel.second(one.u, **parameters))
                assert value == pytest.approx(float(scalar), rel=1e-13, abs=size)
        assert inner.any()


@pytest.mark.parametrize("below_one", [sp.Rational(17, 10), 1, sp.Rational(1, 2), 0, 2])
@pytest.mark.parametrize("entry", ["linear", "relu", "leaky", "abs", "step", "sign"])
def test_symbols_equal_numbers_after_substitution(entry, below_one):
    kernel, parameters, *_ = ENTRIES[entry]
    q1, q2 = sp.symbols("q1 q2", positive=True)
    variance = sp.Rational(364, 100)
    point = {q1: variance, q2: variance * (1 - below_one)}
    m = precise(20)
    numbers = Pair.at(m.number(3.64), one_minus_c=m.number(below_one))
    symbols = Pair.of_samples(q1, q2, q1 - q2)
    for name in (*ONE, *TWO, *GAPS):
        laws = [pair if name in (*TWO, *GAPS) else pair.u for pair in (numbers, symbols)]
        number = _value(kernel, name, laws[0], {k: m.number(v) for k, v in parameters.items()})
        if number is not None:
            found = sp.sympify(getattr(kernel, name)(laws[1], **parameters)).subs(point)
            assert float(abs(sp.N(found, 25) - sp.Float(str(number), 35))) < 1e-18


def test_relu_and_linear_print_as_in_the_papers():
    q1, q2 = sp.symbols("q1 q2", positive=True)
    pair = Pair.of_samples(q1, q2, q1 - q2)
    theta = sp.acos(q2 / q1)
    dual = (sp.sqrt(q1**2 - q2**2) + q2 * (sp.pi - theta)) / (2 * sp.pi)
    difference = (RELU.dual(pair) - dual).subs({q1: sp.Rational(7, 3), q2: sp.Rational(3, 5)})
    assert abs(sp.N(difference, 40)) < 1e-35
    assert LINEAR.dual(pair) == q2


# The normal primitives


def test_orthant_equals_its_limits_at_correlation_one_and_minus_one():
    h, k = np.meshgrid([-3.0, -0.2, 0.0, 0.7, 4.0], [-3.0, -0.7, 0.0, 0.2, 4.0])
    assert normal.orthant(h, k, 0.0, 2.0) == pytest.approx(normal.cdf(np.minimum(h, k)), abs=2e-16)
    opposite = np.maximum(normal.cdf(h) - normal.cdf(-k), 0)
    assert normal.orthant(h, k, 2.0, 0.0) == pytest.approx(opposite, abs=2e-16)


@given(
    h=st.floats(-6, 6),
    k=st.floats(-6, 6),
    near=distances.filter(lambda d: d <= 1),
    op=st.booleans(),
)
@few
def test_two_forms_of_the_orthant_agree(h, k, near, op):
    dl, op = (2 - near, near) if op else (near, 2 - near)
    m = precise(10)
    near = m.context.mpf(near)
    exact = (2 - near, near) if dl > op else (near, 2 - near)
    value = normal.orthant(m.context.mpf(h), m.context.mpf(k), *exact)
    assert normal.orthant(h, k, dl, op) == pytest.approx(float(value), rel=0, abs=5e-16)
    total = normal.cdf(h) * normal.cdf(k) + normal.plackett(0, h, k, dl, op)
    assert total == pytest.approx(float(value), rel=0, abs=5e-16)


def test_the_orthant_near_the_origin_knows_on_which_side_it_is():
    for h, k in ((1e-300, -1e-300), (-1e-200, 0.0), (0.0, 3e-310)):
        assert normal.orthant(h, k, 0.5, 1.5) == pytest.approx(1 / 3, abs=1e-15)
        assert normal.orthant(h, k, 0.0, 2.0) == pytest.approx(0.5, abs=1e-15)


def test_derivatives_of_the_orthant_are_its_slopes():
    A, B, r, step = 1.3, 0.6, -0.5, 1e-3

    def at(m1, m2, r=r):
        return normal.orthant_derivatives(m1, m2, A, B, r, A * B - r * r)

    def slope(name, where):
        moves = [getattr(at(*where(s * step)), name) for s in (1, -1, 2, -2)]
        return (8 * (moves[0] - moves[1]) - moves[2] + moves[3]) / (12 * step)

    here = at(0.4, -0.7)
    for name, first, second in (
        ("F", "F1", "F2"),
        ("F1", "F11", "F12"),
        ("F2", "F12", "F22"),
        ("F12", "G1", "G2"),
        ("G1", "G11", "G12"),
        ("G2", "G12", "G22"),
    ):
        assert slope(name, lambda s: (0.4 + s, -0.7)) == pytest.approx(
            getattr(here, first), abs=1e-10
        )
        assert slope(name, lambda s: (0.4, -0.7 + s)) == pytest.approx(
            getattr(here, second), abs=1e-10
        )
    assert slope("F", lambda s: (0.4, -0.7, r + s)) == pytest.approx(here.F12, abs=1e-10)


def test_derivatives_of_the_orthant_halve_the_undetermined_at_correlation_one():
    for m1, m2, expected in ((0.7, 0.7, 0.5), (0.7, 0.9, 1.0), (0.9, 0.7, 0.0)):
        found = normal.orthant_derivatives(m1, m2, 1.0, 1.0, 1.0, 0.0)
        assert float(found.F1) == pytest.approx(expected * normal.density(m1))
        assert float(found.F2) == pytest.approx((1 - expected) * normal.density(m2))


@pytest.mark.parametrize("h", [-20.0, -6.0, -0.5, 0.0, 0.3, 4.0])
def test_hinge_moments_are_their_integrals_relatively(h):
    width = (14 - h) if h < 0 else 14
    x, w = np.polynomial.legendre.leggauss(200)
    start = max(0.0, h - 14)
    rho = start + (x + 1) / 2 * (width + h - start if h > 0 else 40 / (3 - h))
    length = width + h - start if h > 0 else 40 / (3 - h)
    density = np.exp(-((rho - h) ** 2) / 2) / np.sqrt(2 * np.pi) * w * length / 2
    m, many = precise(15), precise(90)
    digits, reserve = (normal.hinge_moments(9, one.context.mpf(h)) for one in (m, many))
    for n, value in enumerate(normal.hinge_moments(9, h)):
        assert value == pytest.approx(np.sum(density * rho**n), rel=1e-11)
        assert float(abs(digits[n] / many.context.mpf(reserve[n]) - 1)) < 1e-26
    assert normal.cdf(h) == pytest.approx(erfc(-h / sqrt(2)) / 2, rel=1e-14)


# The tests notice


def _worst(label, kernel):
    return max(error for row in _rows()[label] for *_, error, _ in _compare(FLOATS, row, kernel))


def _replaced(kernel, **integrals):
    return Kernel(**{**vars(kernel), **integrals})


def _rounded(pair):
    """The correlation through c alone, as a careless caller gives it."""
    c = pair.r / np.sqrt(pair.a * pair.b)
    return pair._replace(dl=1 - c, op=1 + c)


PLANTED = {
    "relu: 1 - c from a rounded c": (
        "relu",
        _replaced(RELU, derivative_dual=lambda pair: RELU.derivative_dual(_rounded(pair))),
    ),
    "relu: means ignored": (
        "relu",
        _replaced(RELU, dual=lambda pair: RELU.dual(pair._replace(m1=0, m2=0))),
    ),
    "leaky_relu: slope of the other sign": (
        "leaky_relu--0.3",
        _replaced(LEAKY_RELU, dual=lambda pair, slope: LEAKY_RELU.dual(pair, slope=-slope)),
    ),
    "step: no point mass": (
        "step",
        _replaced(STEP, derivative_dual=lambda pair: 0 * pair.r),
    ),
    "sign: jump of 1": ("sign", _replaced(SIGN, derivative_mean=STEP.derivative_mean)),
    "relu_power: next order": (
        "relu_power-3",
        _replaced(RELU_POWER, derivative_second=lambda law, n: RELU_POWER.second(law, n=n - 1)),
    ),
    "hard_tanh: variances swapped": (
        "hard_tanh",
        _replaced(HARD_TANH, dual=lambda p: HARD_TANH.dual(p._replace(a=p.b, b=p.a))),
    ),
    "elu: Phi2 minus a constant": ("elu-1", _replaced(ELU, mean=lambda law, alpha: _naive(law))),
    "selu: four digits of alpha": (
        "selu",
        _replaced(SELU, dual=lambda pair: 1.0507009873554805**2 * ELU.dual(pair, alpha=1.6733)),
    ),
}


def _naive(law):
    s = sqrt(law.a)
    h = law.m / s
    tail = np.exp(law.m + law.a / 2) * normal.cdf(-h - s) if law.a < 100 else 0.0
    return law.m * normal.cdf(h) + s * normal.density(h) + tail - normal.cdf(-h)


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_error_is_noticed(what):
    label, kernel = PLANTED[what]
    assert _worst(label, kernel) > 1e-13
