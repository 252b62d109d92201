"""Every activation has the same values in both wings, and the derivative of its values."""

import json
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from numerics import activations as numerics
from theory import Network, evaluation
from theory.activations import ACTIVATIONS, Activation
from theory.errors import DescriptionError
from theory.expression import FUNCTIONS, OPERATORS, exact, substitute
from theory.mathematics import precise

HERMITE = {4: lambda x: x**4 - 6 * x**2 + 3, 7: lambda x: x**7 - 21 * x**5 + 105 * x**3 - 105 * x}


def selu(x):
    # Klambauer et al. 2017: the fixed point (0, 1) of the moments
    root2, e = mp.sqrt(2), mp.e
    tail = mp.erfc(1 / root2)
    alpha = -mp.sqrt(2 / mp.pi) / (tail * mp.sqrt(e) - 1)
    scale = (1 - tail * mp.sqrt(e)) * mp.sqrt(2 * mp.pi)
    scale /= mp.sqrt(
        2 * mp.erfc(root2) * e**2
        + mp.pi * tail**2 * e
        - 2 * (2 + mp.pi) * tail * mp.sqrt(e)
        + mp.pi
        + 2
    )
    return scale * (x if x > 0 else alpha * mp.expm1(x))


def broken_line(x):
    # kinks -1.5, 0, 0.5, 2; slopes 0.5, -1, 2, 0, 0.25; jumps 0, 0.25, 0, -1; phi(0) = 0.7
    if x < -1.5:
        return mpmath.mpf("0.45") + 1.5 + (x + 1.5) / 2
    if x < 0:
        return mpmath.mpf("0.45") - x
    return mpmath.mpf("0.7") + (2 * x if x < 0.5 else 1 + max(x - 2, 0) / 4)


def hyperbolic_gelu(x):
    return x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mpmath.mpf("0.044715") * x**3))) / 2


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


# (name, parameters, its definition in mpmath); the numbers are exact in binary
CATALOGUE = [
    ("linear", {}, lambda x: x),
    ("relu", {}, lambda x: x if x > 0 else 0 * x),
    ("leaky_relu", {"slope": -0.375}, lambda x: x if x > 0 else -x * 3 / 8),
    ("abs", {}, lambda x: mp.sqrt(x * x)),
    ("step", {}, lambda x: mp.mpf(x >= 0)),
    ("sign", {}, lambda x: x / abs(x) if x else mp.mpf(0)),
    ("relu_power", {"n": 1}, lambda x: max(x, mp.mpf(0))),
    ("relu_power", {"n": 3}, lambda x: x**3 if x > 0 else mp.mpf(0)),
    ("hard_tanh", {}, lambda x: x if abs(x) < 1 else mp.sign(x)),
    (
        "piecewise_linear",
        {
            "kinks": [-1.5, 0, 0.5, 2],
            "slopes": [0.5, -1, 2, 0, 0.25],
            "jumps": [0, 0.25, 0, -1],
            "value": 0.7,
        },
        lambda x: broken_line(x) - (x >= 2),
    ),
    ("piecewise_linear", {"kinks": [], "slopes": [3]}, lambda x: 3 * x),
    ("elu", {}, lambda x: x if x > 0 else mp.expm1(x)),
    ("elu", {"alpha": 2.5}, lambda x: x if x > 0 else mp.expm1(x) * 5 / 2),
    ("selu", {}, selu),
    ("erf", {}, mp.erf),
    ("erf", {"scale": 0.75}, lambda x: mp.erf(3 * x / 4)),
    ("probit", {}, normal),
    (
        "probit",
        {"c0": -1, "c1": 2, "l": 1.5, "mu": 0.25},
        lambda x: mp.erf((1.5 * x + 0.25) / mp.sqrt(2)),
    ),
    ("gelu", {}, lambda x: x * normal(x)),
    ("gelu_tanh", {}, hyperbolic_gelu),
    ("sin", {}, mp.sin),
    ("sin", {"omega": 2, "phase": 0.5}, lambda x: (mp.expj(2 * x + 0.5)).imag),
    ("cos", {"omega": 2}, lambda x: (mp.expj(2 * x)).real),
    ("exp", {}, mp.exp),
    ("exp", {"t": -0.5}, lambda x: 1 / mp.sqrt(mp.exp(x))),
    ("gaussian", {}, lambda x: mp.exp(-(x**2) / 2)),
    ("gaussian", {"p": 0.5}, lambda x: mp.exp(-(x**2) / 4)),
    ("monomial", {"n": 1}, lambda x: x),
    ("monomial", {"n": 5}, lambda x: x * x * x * x * x),
    ("hermite", {"n": 1}, lambda x: x),
    ("hermite", {"n": 4}, HERMITE[4]),
    ("hermite", {"n": 7}, HERMITE[7]),
    ("polynomial", {"coefficients": [1, -0.5, 0, 2]}, lambda x: 1 - x / 2 + 2 * x**3),
    ("polynomial", {"coefficients": [-3]}, lambda x: mp.mpf(-3)),
    ("sigmoid", {}, lambda x: 1 / (1 + mp.exp(-x))),
    ("tanh", {}, lambda x: mp.sinh(x) / mp.cosh(x)),
    ("softplus", {}, lambda x: mp.log(1 + mp.exp(x))),
    ("silu", {}, lambda x: x / (1 + mp.exp(-x))),
    ("mish", {}, lambda x: x * mp.tanh(mp.log(1 + mp.exp(x)))),
]
CASES = pytest.mark.parametrize(
    ("name", "parameters", "definition"),
    CATALOGUE,
    ids=[f"{name} {index}" for index, (name, *_) in enumerate(CATALOGUE)],
)
POINTS = np.concatenate(
    [np.arange(-8, 8.1, 0.125), [-1e6, -1e3, -40, -1e-9, 1e-9, 30, 1e3, 1e6], [1.7, -0.3, 3.3]]
)
SMOOTH = POINTS[np.abs(POINTS * 2 % 1) > 1e-6]  # away from every kink of the catalogue
CANCELLING = {"hermite", "polynomial", "probit", "piecewise_linear"}  # sums: 1 is their scale


def both_wings(activation, x):
    with np.errstate(over="ignore"):
        value, derivative = numerics.evaluate(activation, x)
    return evaluation.evaluate(activation, x), value, derivative


def value_gap(activation, definition, x=POINTS):
    """The largest error of either wing, in units of phi and of what rounding x does to it."""
    theory, measured, derivative = both_wings(activation, x)
    with mp.workdps(60):
        exact = np.array([float(definition(mp.mpf(float(point)))) for point in x])
    far = np.isinf(exact)
    assert np.array_equal(theory[far], exact[far])
    assert np.array_equal(measured[far], exact[far])
    theory, measured, exact, derivative = (y[~far] for y in (theory, measured, exact, derivative))
    scale = np.abs(exact) + np.abs(x[~far] * derivative) + (activation.name in CANCELLING) + 1e-300
    return (np.abs([theory - exact, measured - exact]) / scale).max(initial=0.0)


def derivative_gap(activation, x=SMOOTH, step=1e-30):
    """Numerics' derivative against a complex step of theory's own evaluation, relative."""
    _, value, derivative = both_wings(activation, x)
    with np.errstate(all="ignore"):
        expected = evaluation.evaluate(activation, x + 1j * step).imag / step
    known = np.isfinite(expected) & np.isfinite(derivative)
    assert known[np.isfinite(value)].all()
    scale = np.abs(expected) + np.abs(value / x) + 1e-9
    return (np.abs(derivative - expected) / scale)[known].max(initial=0.0)


ACCURATE, SLOPED = 2e-15, 2e-14

# The catalogue


def test_every_name_of_the_catalogue_is_defined_here():
    assert {name for name, _, _ in CATALOGUE} == set(ACTIVATIONS)


@CASES
def test_named_activation_is_its_definition_in_both_wings(name, parameters, definition):
    assert value_gap(Activation.named(name, **parameters), definition) < ACCURATE


@CASES
def test_derivative_of_a_named_activation_is_that_of_its_values(name, parameters, definition):
    assert derivative_gap(Activation.named(name, **parameters)) < SLOPED


@CASES
def test_kinks_and_jumps_of_a_named_activation_are_those_of_its_expression(
    name, parameters, definition
):
    activation = Activation.named(name, **parameters)
    numbers = {key: exact(value) for key, value in activation.numbers}
    twin = Activation.from_expression(str(substitute(activation.tree, numbers)))
    assert (twin.kinks, twin.jumps) == (activation.kinks, activation.jumps)


@CASES
def test_kinks_of_a_named_activation_are_where_its_derivatives_break(name, parameters, definition):
    activation = Activation.named(name, **parameters)
    n = parameters.get("n", 2) if name == "relu_power" else 2
    with mp.workdps(60):
        broken = [
            place
            for place in np.arange(-4, 4.25, 0.25)
            if breaks(definition, mp.mpf(float(place)), n)
        ]
    assert broken == [float(kink) for kink in activation.kinks]


def breaks(phi, place, n):
    """Whether a derivative up to the n-th has different limits from either side."""
    h = mp.mpf(10) ** -15

    def side(direction):
        values = [phi(place + direction * (k + 1) * h) for k in range(n + 1)]
        for _ in range(n):
            yield values[0]
            values = [direction * (b - a) / h for a, b in pairwise(values)]
        yield values[0]

    scale = 1 + abs(phi(place))
    return any(abs(a - b) > scale / 10**6 for a, b in zip(side(1), side(-1), strict=True))


GROWTH = {  # the largest power of |x| in those that do not grow faster than a power
    **dict.fromkeys(["relu", "leaky_relu", "abs", "hard_tanh", "piecewise_linear", "elu"], 1),
    **dict.fromkeys(["linear", "selu", "gelu", "gelu_tanh", "softplus", "silu", "mish"], 1),
    **dict.fromkeys(["step", "sign", "erf", "probit", "sin", "cos", "gaussian", "sigmoid"], 0),
    "tanh": 0,
}


@pytest.mark.parametrize("name", GROWTH)
@pytest.mark.parametrize("x", [1e3, 1e6, -1e3, -1e6, 1e100, -1e100])
def test_activation_of_moderate_growth_is_finite_for_large_arguments(name, x):
    theory, value, derivative = both_wings(ACTIVATIONS[name].example, np.array([x]))
    bound = 3 * abs(x) ** GROWTH[name]
    assert abs(theory[0]) <= bound
    assert abs(value[0]) <= bound
    assert abs(derivative[0]) <= 3


# The grammar

GRAMMAR = {
    "+": "tanh(x) + x**2",
    "-": "tanh(x) - x**2",
    "*": "x*tanh(x)",
    "/": "tanh(x)/(2 + x**2)",
    "**": "(1 + x**2)**(1/3)",
    "max": "max(x**2, x + 0.77)",
    "min": "min(x**2, x + 0.77)",
    "abs": "abs(x**2 - 0.77)",
    "sign": "sign(x - 0.07)*x**2",
    "step": "step(0.07 - x)*x**2",
    "exp": "exp(-(x - 0.3)**2)",
    "expm1": "expm1(x/3)",
    "log": "log(2 + x**2)",
    "log1p": "log1p(x**2)",
    "sqrt": "sqrt(2 + x**2)",
    "sin": "sin(2*x + 1)",
    "cos": "cos(2*x + 1)",
    "cosh": "cosh(x/3)",
    "tanh": "tanh(2*x + 1)",
    "sigmoid": "sigmoid(2*x + 1)",
    "softplus": "softplus(2*x + 1)",
    "erf": "erf(2*x + 1)",
    "Phi": "Phi(2*x + 1)",
}
NEAR = SMOOTH[np.abs(SMOOTH) < 50]
WORDS = pytest.mark.parametrize("word", GRAMMAR)


def word(name):
    return Activation.from_expression(GRAMMAR[name])


def in_mpmath(activation):
    return lambda x: evaluation.evaluate(activation, x)


def test_every_word_of_the_grammar_is_here_and_in_both_wings():
    assert set(GRAMMAR) == set(FUNCTIONS) | set(OPERATORS) == set(numerics.RULES)
    assert set(evaluation.FUNCTIONS) == set(FUNCTIONS)


@WORDS
def test_word_has_the_same_value_in_both_wings_and_in_mpmath(word):
    assert word_gap(word) < ACCURATE


def word_gap(name):
    return value_gap(word(name), in_mpmath(word(name)), NEAR)


@WORDS
def test_word_has_the_derivative_of_its_values(word):
    assert slope_gap(word) < SLOPED
    x, h = NEAR[np.abs(NEAR) < 4], 1e-5
    activation = Activation.from_expression(GRAMMAR[word])
    (ahead, _), (behind, _) = (numerics.evaluate(activation, x + side * h) for side in (1, -1))
    derivative = numerics.evaluate(activation, x)[1]
    assert derivative == pytest.approx((ahead - behind) / (2 * h), rel=1e-7, abs=1e-7)


def slope_gap(name):
    return derivative_gap(word(name), NEAR)


@WORDS
@pytest.mark.parametrize("x", ["-1.3", "0.7", "2.9"])
def test_word_has_the_same_value_in_sympy_and_in_mpmath(word, x):
    activation = Activation.from_expression(GRAMMAR[word])
    symbolic = evaluation.evaluate(activation, sp.Symbol("x", real=True))
    expected = evaluation.evaluate(activation, precise(30).number(float(x)))
    value = symbolic.subs(sp.Symbol("x", real=True), sp.Rational(x)).evalf(30)
    assert abs(mpmath.mpf(value) - expected) <= 1e-15 * (1 + abs(expected))


TAILS = {
    "sigmoid": ("sigmoid(x)", -700.0, lambda x: mp.exp(x)),
    "softplus": ("softplus(x)", -700.0, lambda x: mp.exp(x)),
    "Phi": ("Phi(x)", -37.0, normal),
    "expm1": ("expm1(x)", 1e-17, lambda x: x),
    "log1p": ("log1p(x**2)", 1e-9, lambda x: x**2),
    "logarithm of a sigmoid": ("-softplus(-x)", 800.0, lambda x: -mp.exp(-x)),
    "product of small factors": ("x*sigmoid(x)", -700.0, lambda x: x * mp.exp(x)),
}


@pytest.mark.parametrize(("text", "x", "expected"), TAILS.values(), ids=TAILS)
def test_small_value_is_relatively_accurate_in_every_system(text, x, expected):
    activation = Activation.from_expression(text)
    with mp.workdps(30):
        expected = expected(mp.mpf(x))
    theory, value, _ = both_wings(activation, np.array([x]))
    assert value[0] == pytest.approx(float(expected), rel=1e-13)
    assert theory[0] == pytest.approx(float(expected), rel=1e-13)
    assert evaluation.evaluate(activation, x + 1e-30j).real == pytest.approx(value[0], rel=1e-13)
    precisely = evaluation.evaluate(activation, precise(15).number(x))
    assert abs(precisely / expected - 1) < 1e-13


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "exp(exp(exp(x)))": (mp.e, mp.inf),
        "tanh(exp(exp(exp(exp(x)))))": (mp.tanh(mp.exp(mp.e)), 1),
        "Phi(-exp(exp(exp(exp(x)))))": (normal(-mp.exp(mp.e)), 0),
        "softplus(-exp(exp(exp(exp(x)))))": (mp.log1p(mp.exp(-mp.exp(mp.e))), 0),
        "expm1(-cosh(exp(exp(x))))": (mp.expm1(-mp.cosh(1)), -1),
    }.items(),
)
def test_tower_of_exponentials_ends_in_mpmath(text, expected):
    activation, m = Activation.from_expression(text), precise(15)
    values = [evaluation.evaluate(activation, m.number(x)) for x in (-1e6, 1e6)]
    for value, limit in zip(values, expected, strict=True):
        assert value == limit or abs(value - limit) < 1e-14


# Expressions at random

leaves = st.sampled_from(["x", "x", "x", "pi", "0.5", "1/3", "2", "-1.25", "0"])
words = st.sampled_from(sorted(name for name, count in FUNCTIONS.items() if count == 1))


def grow(inner):
    return (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner)
        | st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner)
        | st.builds("{}({})".format, words, inner)
        | st.builds("({}/(1 + ({})**2))".format, inner, inner)
        | st.builds("(-{})".format, inner)
        | st.builds("({})**{}".format, inner, st.sampled_from(["2", "3", "0.5", "-1"]))
    )


expressions = st.recursive(leaves, grow, max_leaves=6)


@given(text=expressions)
@settings(deadline=None, max_examples=200)
def test_random_expression_has_one_value_and_one_derivative(text):
    activation, x = Activation("random", text), np.linspace(-2.11, 2.13, 15)
    with np.errstate(all="ignore"):
        value, derivative = numerics.evaluate(activation, x)
        expected = evaluation.evaluate(activation, x)
        slope = evaluation.evaluate(activation, x + 1e-30j).imag / 1e-30
        ahead, behind = (numerics.evaluate(activation, x + side)[1] for side in (1e-7, -1e-7))
    smooth = np.abs(ahead - behind) < 1e-4 * (1 + np.abs(derivative))
    known = (np.abs(expected) < 1e6) & (np.abs(derivative) < 1e6) & ~np.isnan(slope)
    assert value[known] == pytest.approx(expected[known], rel=1e-9, abs=1e-9)
    assert derivative[known & smooth] == pytest.approx(slope[known & smooth], rel=1e-6, abs=1e-6)


@given(text=expressions)
@settings(deadline=None, max_examples=200)
def test_random_expression_is_finite_or_refused_in_one_line(text):
    try:
        activation = Activation.from_expression(text, kinks=[0])
    except DescriptionError as problem:
        lines = str(problem).splitlines()
        assert len(lines) == 1
        return
    x = np.linspace(-3.01, 3.02, 31)
    with np.errstate(all="ignore"):
        value = numerics.evaluate(activation, x)[0]
    for point in x[~np.isfinite(value)]:  # too large for a float, but not undefined
        precisely = evaluation.evaluate(activation, precise(15).number(point))
        assert abs(precisely) > 1e300


# What an activation with a jump has not


@pytest.mark.parametrize(
    ("activation", "place"),
    [
        (Activation.named("step"), "x = 0:"),
        (Activation.named("sign"), "x = 0:"),
        (Activation.from_expression("x + step(x**2 - 2)"), "x = -1.41421, 1.41421:"),
        (Activation.named("piecewise_linear", kinks=[1], slopes=[0, 0], jumps=[2]), "x = 1:"),
    ],
    ids=str,
)
def test_network_of_an_activation_with_a_jump_has_no_gradient(activation, place):
    with pytest.raises(DescriptionError, match="no gradient") as caught:
        numerics.check_gradient(activation)
    assert place in str(caught.value)


@pytest.mark.parametrize("text", ["x*step(x)", "abs(x)", "x**2*sign(x)", "tanh(x)"])
def test_network_of_a_continuous_activation_has_a_gradient(text):
    numerics.check_gradient(Activation.from_expression(text))


# Records


@CASES
def test_named_activation_is_read_back_from_its_table(name, parameters, definition):
    activation = Activation.named(name, **parameters)
    table = json.loads(json.dumps(activation.describe()))
    assert table == {"name": name} | table
    twin = Activation.read(table)
    assert twin == activation
    assert hash(twin) == hash(activation)
    assert activation.is_named


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_network_of_a_named_activation_is_described_in_one_line(name):
    activation = ACTIVATIONS[name].example
    line = str(Network(activation, depth=2, sigma_w2=1))
    assert line.startswith(f"{name}(" if activation.parameters else f"{name} (")
    assert len(line.splitlines()) == 1


def test_whole_floats_are_whole_numbers():
    given = {"kinks": [-1.0, 2], "slopes": [0, 1.0, 0.5], "jumps": [0.0, 0], "value": 3.0}
    twin = {"kinks": [-1, 2.0], "slopes": [0.0, 1, 0.5], "value": 3}
    one, other = (Activation.named("piecewise_linear", **x) for x in (given, twin))
    assert one == other
    assert hash(one) == hash(other)
    assert Activation.named("erf", scale=1.0) == Activation.named("erf")


REFUSED = {
    "unknown name": ("leaky", {}, "unknown activation 'leaky'", "leaky_relu"),
    "missing parameter": ("leaky_relu", {}, "needs slope", "slope = 0.1"),
    "missing list": ("piecewise_linear", {"kinks": [0]}, "needs slopes, for example slopes = [0,"),
    "unknown parameter": ("elu", {"alhpa": 1}, "'alhpa'", "'alpha'"),
    "power 0": ("monomial", {"n": 0}, "monomial.n", "at least 1", "0 given"),
    "power 2.0": ("relu_power", {"n": 2.0}, "relu_power.n", "whole number", "2.0 given"),
    "power 65": ("monomial", {"n": 65}, "monomial.n", "at most 64", "65 given"),
    "Hermite 58": ("hermite", {"n": 58}, "hermite.n", "at most 57", "58 given"),
    "p = 0": ("gaussian", {"p": 0}, "gaussian.p", "positive", "0 given"),
    "kinks decrease": ("piecewise_linear", {"kinks": [1, 0], "slopes": [0, 1, 2]}, "increase"),
    "kinks equal": ("piecewise_linear", {"kinks": [0, 0.0], "slopes": [0, 1, 2]}, "increase"),
    "too few slopes": ("piecewise_linear", {"kinks": [0], "slopes": [1]}, "2 numbers", "1 given"),
    "too many jumps": (
        "piecewise_linear",
        {"kinks": [0], "slopes": [1, 2], "jumps": [1, 2]},
        "jumps must be 1 numbers",
        "2 given",
    ),
    "kinks number": ("piecewise_linear", {"kinks": 0, "slopes": [1, 2]}, "list of numbers", "0"),
    "slope text": ("piecewise_linear", {"kinks": [0], "slopes": [1, "2"]}, "slopes[1]", "'2'"),
    "slope nan": ("piecewise_linear", {"kinks": [], "slopes": [np.nan]}, "slopes[0]", "finite"),
    "too long": (
        "piecewise_linear",
        {"kinks": list(range(60)), "slopes": list(range(61))},
        "at most",
    ),
    "no coefficients": ("polynomial", {"coefficients": []}, "coefficients", "empty"),
    "coefficients text": ("polynomial", {"coefficients": "12"}, "list of numbers", "'12' given"),
    "symbol in a list": ("polynomial", {"coefficients": [sp.Symbol("a")]}, "must be a number"),
    "list for a number": ("erf", {"scale": [1]}, "erf.scale", "number", "[1] given"),
    "truth value": ("elu", {"alpha": np.bool_(True)}, "elu.alpha", "number"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_meaningless_parameters_are_refused_in_one_line(case):
    name, parameters, *parts = case
    with pytest.raises(DescriptionError) as caught:
        Activation.named(name, **parameters)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for part in parts:
        assert part in message


# Planted errors

WRONG_RECORDS = {
    "leaky_relu 2": Activation("leaky_relu", "min(x, 0) - 0.375*max(x, 0)"),
    "relu_power 7": Activation("relu_power", "max(x, 0)**2*abs(x - 1e-9)"),
    "elu 12": Activation("elu", "max(x, 0) + expm1(2.5*min(x, 0))"),
    "selu 13": Activation("selu", "1.0507*(max(x, 0) + 1.67326*expm1(min(x, 0)))"),
    "probit 17": Activation("probit", "-1 + 2*Phi(0.25*x + 1.5)"),
    "gelu 18": Activation("gelu", "x*sigmoid(1.702*x)"),
    "gelu_tanh 19": Activation("gelu_tanh", "x*sigmoid(sqrt(8/pi)*(x + 0.044714*x**3))"),
    "sin 21": Activation("sin", "sin(2*(x + 0.5))"),
    "gaussian 26": Activation("gaussian", "exp(-0.5*x**2)"),
    "hermite 30": Activation("hermite", "x**4 - 6*x**2 - 3"),
    "polynomial 32": Activation("polynomial", "1 - 0.5*x + 2*x**2"),
    "silu 37": Activation("silu", "x*sigmoid(-x)"),
    "mish 38": Activation("mish", "tanh(x)*softplus(x)"),
}


@pytest.mark.parametrize("key", WRONG_RECORDS)
def test_wrong_record_is_seen(key):
    name, index = key.split()
    assert CATALOGUE[int(index)][0] == name
    assert value_gap(WRONG_RECORDS[key], CATALOGUE[int(index)][2]) > 1e3 * ACCURATE


@WORDS
def test_wrong_value_in_numerics_is_seen(word, monkeypatch):
    value, slope = numerics.RULES[word]
    monkeypatch.setitem(numerics.RULES, word, (lambda *a: value(*a) * (1 + 1e-9), slope))
    assert word_gap(word) > 1e3 * ACCURATE


@pytest.mark.parametrize("word", FUNCTIONS)
@pytest.mark.parametrize("system", [0, 1], ids=["floats", "mpmath"])
def test_wrong_value_in_theory_is_seen(word, system, monkeypatch):
    rules = list(evaluation.FUNCTIONS[word])
    right = rules[system]
    rules[system] = lambda *a: right(*a) * (1 + 1e-9)
    monkeypatch.setitem(evaluation.FUNCTIONS, word, tuple(rules))
    assert word_gap(word) > 1e3 * ACCURATE


@WORDS
@pytest.mark.parametrize("error", ["a factor", "forgotten", "of the first argument only"])
def test_wrong_derivative_in_numerics_is_seen(word, error, monkeypatch):
    value, slope = numerics.RULES[word]
    n = FUNCTIONS.get(word, 2)

    def wrong(*arguments):
        if error == "a factor":
            return slope(*arguments) * (1 + 1e-9)
        if error == "forgotten":
            return 0.0
        return slope(*arguments[:-1], 0.0) if n == 2 else arguments[-1]

    unharmed = {("sign", "a factor"), ("sign", "forgotten"), ("step", "a factor")}
    unharmed |= {("step", "forgotten"), ("**", "of the first argument only")}
    monkeypatch.setitem(numerics.RULES, word, (value, wrong))
    assert (slope_gap(word) > 1e3 * SLOPED) != ((word, error) in unharmed)
