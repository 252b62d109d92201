r"""Quadrature of user-defined activations against a table, and what it says where it fails.

``tests/reference/quadrature.json`` holds the six integrals of expressions that are analytic, bent,
cut, narrow or oscillating, to 25 digits and more; ``tests/reference/make_quadrature.py`` made it,
in independent variables, without this package.
"""

import importlib.util
import json
import random
from pathlib import Path

import mpmath
import pytest

from derivations import kernel_command
from derivations.cli import main
from theory.activations import Activation
from theory.errors import DescriptionError, OutOfRegime
from theory.families.kernel import DoesNotExist
from theory.mathematics import FLOATS, precise
from theory.pair import Law, Pair
from theory.quadrature import Estimate, NotConverged, integrals, one_sample, seconds
from theory.quadrature.sampling import Sampled, Span, noise

REFERENCE = Path(__file__).parent / "reference"
ROWS = json.loads((REFERENCE / "quadrature.json").read_text(encoding="utf-8"))
ANALYTIC = 1e-10  # of sqrt(E phi(u)^2 E phi(v)^2), in float64 at variances up to 100
ONES = ("mean", "second", "derivative_mean", "derivative_second")
TWOS = ("dual", "derivative_dual")
DISTANCES = {
    "-1": {"one_plus_c": "0"},
    "-1+1e-12": {"one_plus_c": "1e-12"},
    "1-1e-12": {"one_minus_c": "1e-12"},
    "1": {"one_minus_c": "0"},
}
SINGULAR = ("sqrt(abs(x))", "abs(x)**0.4")
mp = mpmath.mp.clone()
mp.dps = 60


def _name(row):
    return f"{row['expression']} at {','.join(row['law'])}"


def _pair(m, law, label):
    a, b, mean1, mean2 = (m.number(float(text) if m is FLOATS else text) for text in law)
    ((name, text),) = DISTANCES.get(label, {"c": label}).items()
    correlation = {name: m.number(float(text) if m is FLOATS else text)}
    return Pair.at(a, b, **correlation, mean1=mean1, mean2=mean2)


def _scale(row, name):
    """sqrt(E phi(u)^2 E phi(v)^2), or of phi'; None where there is no square."""
    square = "derivative_second" if name.startswith("derivative") else "second"
    both = [row[which][square] for which in "uv"]
    return None if None in both else mp.sqrt(mp.mpf(both[0]) * mp.mpf(both[1]))


def _covered(answer, text):
    """Whether the error is within the stated one; the reference has 25 digits."""
    value = mp.mpf(text)
    return abs(mp.mpf(answer.value) - value) <= answer.error + abs(value) * mp.mpf("1e-25")


def _is_refused(row, name, label):
    """An unbounded slope by parts next to c = 1, or off it at a kink that float64 rounds."""
    moved = row["law"][2] != "0"
    return (moved and label not in ("-1", "1")) or (name != "dual" and label in DISTANCES)


def test_the_table_has_every_kind_of_expression_and_correlation():
    seen = {row["expression"] for row in ROWS}
    assert len(seen) >= 15
    assert {label for row in ROWS for label in row["dual"]} >= {*DISTANCES, "0", "0.5", "-0.5"}


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_errors_over_one_sample_are_within_the_stated_ones(row):
    a, b, mean1, mean2 = map(float, row["law"])
    for which, law in (("u", Law(mean1, a)), ("v", Law(mean2, b))):
        found = one_sample(Activation.from_expression(row["expression"]), law)
        for name in ONES:
            text, answer = row[which][name], found[name]
            if text is None:
                assert isinstance(answer, DoesNotExist), name
            else:
                assert _covered(answer, text), name


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_errors_over_two_samples_are_within_the_stated_ones_and_small(row):
    activation = Activation.from_expression(row["expression"])
    for label in row["dual"]:
        found = integrals(activation, _pair(FLOATS, row["law"], label))
        for name in TWOS:
            text, answer, scale = row[name][label], found[name], _scale(row, name)
            if text is None:  # jumps and unbounded slopes, which meet unless the sign is turned
                if len(set(row["law"])) == 2 and (label == "1" or row["expression"] in SINGULAR):
                    assert isinstance(answer, DoesNotExist), (label, name)
            elif row["expression"] in SINGULAR and _is_refused(row, name, label):
                assert isinstance(answer, NotConverged), label
                assert "phi' is unbounded at a kink" in str(answer)
            else:
                assert _covered(answer, text), (label, name, answer, text)
                if scale is not None and float(row["law"][0]) <= 100:
                    assert answer.error <= ANALYTIC * scale, (label, name)


PRECISE = [
    ("x*tanh(softplus(x))", "0.5", 20),
    ("tanh(x + 0.7)", "-0.5", 30),
    ("sqrt(1 + x**2)", "0.9", 20),
    ("x**3*erf(x)", "1", 30),
    ("max(x, 0)**2*exp(-abs(x))", "-1", 20),
    ("sin(3*x)*tanh(x)", "1-1e-12", 20),
]


@pytest.mark.parametrize(("expression", "label", "digits"), PRECISE)
def test_many_digits_equal_the_definition(expression, label, digits):
    (row,) = (
        row for row in ROWS if (row["expression"], row["law"][1:]) == (expression, ["1", "0", "0"])
    )
    m = precise(digits)
    found = integrals(Activation.from_expression(expression), _pair(m, row["law"], label), m)
    for name in (*ONES, *TWOS):
        text, scale = row["u"].get(name) or row[name][label], _scale(row, name)
        root = scale if name in TWOS or name.endswith("second") else mp.sqrt(scale)
        assert abs(mp.mpf(found[name].value) - mp.mpf(text)) <= mp.mpf(10) ** -digits * root, name
        assert found[name].error <= mp.mpf(10) ** -digits * root, name


# Narrow features


def test_the_tail_of_a_narrow_bump_is_integrated_in_the_plane():
    """Independent samples: E phi'(u) phi'(v) is the square of E phi'(u), in closed form."""
    found = integrals(Activation.from_expression("exp(-100*(x - 0.5)**2)"), Pair.at(100.0, c=0.0))
    spread = mp.mpf(1 + 200 * 100)  # E phi(u + m) is a bump in m with this factor of its width
    slope = 100 / spread * mp.exp(-25 / spread) / mp.sqrt(spread)
    answer, scale = found["derivative_dual"], found["derivative_second"].value
    assert abs(mp.mpf(answer.value) - slope**2) <= 1e-15 * scale


@pytest.mark.parametrize("line", ["x", "abs(x)"])
def test_a_bump_a_thousandth_wide_is_seen_at_any_place(line):
    width, places = mp.mpf("0.001"), random.Random(7)
    spread = 1 + width**2
    for _ in range(12):
        at = f"{places.uniform(-3, 3):.6f}"
        bumped = Activation.from_expression(f"{line} + exp(-500000*(x - {at})**2)")
        answer = one_sample(bumped, Law(0.0, 1.0))["mean"]
        bump = width / mp.sqrt(spread) * mp.exp(-(mp.mpf(at) ** 2) / 2 / spread)
        expected = bump if line == "x" else bump + mp.sqrt(2 / mp.pi)
        assert abs(mp.mpf(answer.value) - expected) <= answer.error < 1e-12, at


@pytest.mark.slow
def test_a_bump_a_thousandth_wide_is_seen_at_any_place_of_the_plane():
    square, places, c = mp.mpf("0.001") ** 2, random.Random(8), mp.mpf("0.5")
    for _ in range(6):
        at = f"{places.uniform(-3, 3):.6f}"
        bumped = Activation.from_expression(f"x + exp(-500000*(x - {at})**2)")
        answer = integrals(bumped, Pair.at(1.0, c=0.5))["dual"]
        t, one = mp.mpf(at), 1 + square
        mixed = t * mp.sqrt(square / one**3) * mp.exp(-t * t / (2 * one))  # E u phi(u) of the bump
        both = square / mp.sqrt(one**2 - c**2) * mp.exp(-t * t / (one + c))
        assert abs(mp.mpf(answer.value) - (c + 2 * c * mixed + both)) <= answer.error < 1e-11, at


@pytest.mark.parametrize(
    ("expression", "variance", "least", "most"),
    [
        ("(x + 1000000) - 1000000", 1.0, 2.5e-11, 4.5e-11),  # an ulp there over sqrt(12): 3.4e-11
        ("exp(-100*(x - 0.5)**2)", 100.0, 2e-17, 1e-15),
        ("exp(-1000000*(x - 0.5)**2)", 1.0, 1e-14, 2e-13),  # 6e-17 aside, slopes of 1e3
    ],
)
def test_rounding_errors_are_those_where_the_activation_counts(expression, variance, least, most):
    sampled = Sampled(Activation.from_expression(expression), FLOATS)
    assert least < noise(sampled, Law(0.0, variance), Span(-9.4, 9.4))[0] < most


# Where there is no number


def test_a_divergent_integral_names_its_growth():
    found = integrals(Activation.from_expression("exp(x**2/8)"), Pair.at(3.0, c=0.1))
    assert isinstance(found["mean"], Estimate)
    assert isinstance(found["second"], DoesNotExist)
    assert "exists for variances below 2" in str(found["second"])
    assert isinstance(found["dual"], Estimate)  # E phi(u)^2 diverges, the mixed one does not


def test_a_number_beyond_float64_asks_for_digits():
    activation = Activation.from_expression("exp(40*x)*cosh(x)")
    found = one_sample(activation, Law(0.0, 1.0))
    assert type(found["second"]) is OutOfRegime
    assert "ask for digits" in str(found["second"])
    m = precise(15)
    exact = one_sample(activation, Law(m.number(0), m.number(1)), m)["second"]
    # E e^(80 u) cosh(u)^2 = (e^(82^2/2) + 2 e^(80^2/2) + e^(78^2/2))/4
    expected = (mp.exp(82**2 / 2) + 2 * mp.exp(80**2 / 2) + mp.exp(78**2 / 2)) / 4
    assert abs(mp.mpf(exact.value) / expected - 1) < mp.mpf("1e-14")


def test_an_undeclared_jump_is_refused_near_its_point():
    activation = Activation.from_expression("step(exp(x) - 1000000)", kinks=[])  # x = 13.8
    with pytest.raises(DescriptionError, match=r"jumps .* near x = 13\.8155: give all of them"):
        one_sample(activation, Law(0.0, 100.0))


def test_a_steep_slope_between_the_nodes_is_no_jump():
    activation = Activation.from_expression("tanh(x + 0.7)")
    with pytest.raises(NotConverged, match=r"near x = -0\.7\d* .* changes faster than the nodes"):
        one_sample(activation, Law(0.0, 1e12))


def test_a_wave_that_is_too_fast_is_not_a_number():
    activation = Activation.from_expression("sin(3*x)*tanh(x)")
    with pytest.raises(NotConverged, match="the last gap is"):
        one_sample(activation, Law(0.0, 1e6))


def test_an_infinite_value_is_refused_with_its_point():
    with pytest.raises(DescriptionError, match="is not finite at x = 0"):
        one_sample(Activation.from_expression("1/(x*tanh(x))", kinks=[]), Law(0.0, 1.0))


# Kinks with an unbounded slope


@pytest.mark.parametrize("c", [-0.99, -0.3, 0.2, 0.7, 0.999])
def test_derivative_dual_of_the_root_of_the_modulus_is_a_difference_quotient_of_the_dual(c):
    """Price: E phi'(u) phi'(v) is the slope of E phi(u) phi(v) in the covariance."""
    activation, step = Activation.from_expression("sqrt(abs(x))"), 1e-3 * (1 - abs(c))

    def dual(t):
        return integrals(activation, Pair.at(1.0, c=t))["dual"].value

    near, far = ((dual(c + k * step) - dual(c - k * step)) / (2 * k * step) for k in (1, 2))
    found = integrals(activation, Pair.at(1.0, c=c))["derivative_dual"]
    assert found.value == pytest.approx((4 * near - far) / 3, rel=2e-6)


def test_derivative_mean_of_the_root_of_the_modulus_is_the_integral_of_its_slope():
    found = one_sample(Activation.from_expression("sqrt(abs(x))"), Law(0.5, 1.3))
    law = mp.mpf("0.5"), mp.sqrt(mp.mpf("1.3"))
    expected = mp.quad(
        lambda x: (mp.npdf(x, *law) - mp.npdf(-x, *law)) / (2 * mp.sqrt(x)), [0, 1, 3, 9, 18]
    )
    answer = found["derivative_mean"]
    assert abs(answer.value - expected) <= answer.error < 1e-11


def test_derivative_dual_by_parts_has_the_point_masses_of_jumps():
    """sqrt|x| + step(x - 1) against its parts: two kernels and the mixed terms at u = 1."""
    both = Activation.from_expression("sqrt(abs(x)) + step(x - 1)")
    root = Activation.from_expression("sqrt(abs(x))")
    pair = Pair.at(1.0, c=0.6)
    density, s2 = mp.npdf(1), mp.mpf("0.64")
    masses = density * mp.npdf((1 - mp.mpf("0.6")) / mp.sqrt(s2)) / mp.sqrt(s2)
    given = one_sample(root, Law(0.6, 0.64))["derivative_mean"].value
    expected = (
        integrals(root, pair)["derivative_dual"].value + 2 * float(density) * given + float(masses)
    )
    assert integrals(both, pair)["derivative_dual"].value == pytest.approx(expected, abs=1e-10)


def test_many_digits_with_an_unbounded_slope_are_refused_off_the_diagonal():
    activation, m = Activation.from_expression("sqrt(abs(x))"), precise(20)
    apart = integrals(activation, Pair.at(m.number(1), c=m.number("0.5")), m)
    for name in TWOS:
        assert isinstance(apart[name], NotConverged)
        assert "two dimensions take too many nodes" in str(apart[name])
    same = integrals(activation, Pair.at(m.number(1), one_minus_c=m.number(0)), m)["dual"]
    assert abs(mp.mpf(same.value) - mp.sqrt(2 / mp.pi)) <= same.error < mp.mpf("1e-20")


# What it costs


@pytest.mark.parametrize(("patience", "lines"), [(0.0, 1), (1e9, 0)])
def test_kernel_says_first_that_a_quadrature_takes_long(monkeypatch, capsys, patience, lines):
    monkeypatch.setattr(kernel_command, "PATIENCE", patience)
    arguments = ["kernel", "--expression", "sqrt(1 + x**2)", "--q11", "1", "--c", "0.5"]
    assert main([*arguments, "--digits", "16", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["dual"].startswith("1.8")
    assert len(said.err.splitlines()) == lines
    assert not lines or "16 digits by quadrature in two dimensions take about" in said.err


def test_closed_forms_take_no_time(monkeypatch, capsys):
    monkeypatch.setattr(kernel_command, "PATIENCE", 0.0)
    assert main(["kernel", "gelu", "--q11", "1", "--c", "0.5", "--digits", "30"]) == 0
    assert capsys.readouterr().err == ""


def test_seconds_grow_with_the_digits():
    m, activation = precise(30), Activation.from_expression("x*tanh(softplus(x))")
    pair = Pair.at(m.number(1), c=m.number("0.5"))
    few, many = (seconds(activation, pair, digits) for digits in (16, 60))
    assert 0 < 4 * few < many


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row["law"][0] != "1"][::5], ids=_name)
def test_the_table_is_what_its_script_makes(row, monkeypatch):
    monkeypatch.syspath_prepend(REFERENCE)
    spec = importlib.util.spec_from_file_location(
        "make_quadrature", REFERENCE / "make_quadrature.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    with mpmath.workdps(100):
        spec.loader.exec_module(script)  # its constants have the digits that are set
        assert script.difference(row, script.row(row["expression"], tuple(row["law"]))) < 1e-24
