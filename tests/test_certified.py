"""Certified enclosures: they contain the true numbers, and are as narrow as promised."""

import builtins
import json
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derivations.cli import main
from theory.activations import Activation
from theory.balls import UNCLEAR, Ball, Undecided, balls, flint
from theory.errors import DescriptionError
from theory.families import strip
from theory.gaussian import closed_kernel
from theory.integrals import gaussian_integrals
from theory.mathematics import precise
from theory.pair import Given
from theory.quantity import QUANTITIES

REFERENCE = Path(__file__).parent / "reference"
EXACT_DISTANCES = {
    "-1": {"c": "-1"},
    "-1+1e-12": {"one_plus_c": "1e-12"},
    "1-1e-6": {"one_minus_c": "1e-6"},
    "1-1e-12": {"one_minus_c": "1e-12"},
    "1": {"c": "1"},
}
LOGISTIC = ("tanh", "sigmoid", "softplus", "silu")
TOO_WIDE = 1e4
"""The variance from which the rule of the logistic family may need too many nodes, and says so."""


def _rows():
    """The reference tables as one: quadratures of the definitions, to 30 digits."""
    for row in json.loads((REFERENCE / "piecewise.json").read_text()):
        ones = [dict(zip(("mean", "derivative_mean", "second_moment", "derivative_second_moment"),
                         row[sample], strict=True)) for sample in "uv"]  # fmt: skip
        yield row["name"], row["parameters"], row["law"], ones[0], ones[1], row
    for row in json.loads((REFERENCE / "smooth.json").read_text()):
        one = {name: row[inner] for name, inner in QUANTITIES.items() if "dual" not in name}
        alike = row["law"][0] == row["law"][1] and row["law"][2] == row["law"][3]
        yield row["activation"], row["parameters"], row["law"], one, one if alike else None, row


ROWS = list(_rows())


def _activation(name, parameters):
    def number(text):
        return tuple(map(Fraction, text)) if isinstance(text, list) else Fraction(text)

    values = {key: int(x) if key == "n" else number(x) for key, x in parameters.items()}
    return Activation.named(name, **values)


def _given(law, correlation, **exact):
    a, b, m1, m2 = law
    distance = EXACT_DISTANCES.get(correlation, {"c": correlation})
    return Given.at(a, b, **distance, mean1=m1, mean2=m2)


PRINTED_AS_ZERO = "1e-999999"
"""Numbers below it stand as 0.0 in the references."""


def _contains(enclosure, text, figures, size=0):
    """Whether a ball contains a number that was rounded to so many figures, of its size or this."""
    with mpmath.workdps(100):  # decimal knows no exponents of twenty digits
        true, size = mpmath.mpf(text), mpmath.mpf(str(size))
        rounded = max(abs(true), size, mpmath.mpf(PRINTED_AS_ZERO)) * mpmath.mpf(10) ** (
            1 - figures
        )
        distance = abs(true - mpmath.mpf(enclosure.mid))
        return bool(distance <= mpmath.mpf(enclosure.radius) + rounded)


def _check_row(row, correlation):
    name, parameters, law, one, other, table = row
    found = gaussian_integrals(
        _activation(name, parameters), _given(law, correlation), certified=True
    )
    true = one | {key: table[key][correlation] for key in ("dual", "derivative_dual")}
    for quantity, text in true.items():
        enclosure = found[quantity].value
        if text is None:
            if quantity == "derivative_second_moment":
                assert enclosure is None
                assert "diverges" in found[quantity].reason
            continue
        if enclosure is None and name in LOGISTIC and float(law[0]) >= TOO_WIDE:
            assert "the bounded rule needs" in found[quantity].reason
            continue
        assert enclosure is not None, (quantity, found[quantity].reason)
        slope = "derivative_second_moment"
        size = one[slope] or 0 if quantity.startswith("derivative") else one["second_moment"]
        size = Decimal(size) if quantity.endswith("moment") else Decimal(size).sqrt()
        assert _contains(enclosure, text, 28, size), (quantity, text, enclosure)
        if other is not None:
            squares = Decimal(one["second_moment"]) * Decimal(other["second_moment"])
            assert Decimal(enclosure.radius) <= Decimal("1.0000001e-15") * squares.sqrt(), quantity


@pytest.mark.parametrize("index", range(0, len(ROWS), 12))
def test_enclosures_contain_the_integrals_of_the_definition(index):
    correlations = list(ROWS[index][5]["dual"])
    _check_row(ROWS[index], correlations[index // 3 % len(correlations)])


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(ROWS)))
def test_enclosures_contain_the_integrals_at_every_correlation(index):
    for correlation in ROWS[index][5]["dual"]:
        _check_row(ROWS[index], correlation)


# Fifty digits

FAMILIES = (
    ("relu", {}),
    ("leaky_relu", {"slope": -0.3}),
    ("step", {}),
    ("relu_power", {"n": 2}),
    ("erf", {"scale": 0.7}),
    ("probit", {"c0": 0.1, "mu": 0.4}),
    ("gelu", {}),
    ("sin", {"phase": 0.4}),
    ("exp", {"t": 0.1}),
    ("gaussian", {"p": 0.5}),
    ("hermite", {"n": 4}),
    ("polynomial", {"coefficients": (1, -0.5, 2)}),
)
VARIANCES = st.builds(
    lambda x, n: str(Decimal(x).scaleb(n)), st.integers(1, 999), st.integers(-10, 2)
)
CORRELATIONS = st.one_of(
    st.decimals("-1", "1", places=4).map(lambda x: {"c": str(x)}),
    st.integers(1, 40).map(lambda n: {"one_minus_c": f"1e-{n}"}),
    st.integers(1, 40).map(lambda n: {"one_plus_c": f"1e-{n}"}),
)
MEANS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"mean1": st.just("0.1"), "mean2": st.sampled_from(["0.1", "0.2"])}),
)


def _fifty(activation, pair, quantity):
    m = precise(50)
    where = pair.pair(m)
    value = getattr(closed_kernel(activation), QUANTITIES[quantity])(
        where if quantity.endswith("dual") else where.u
    )
    return m.context.nstr(value, 60)


@pytest.mark.parametrize("name", [name for name, _ in FAMILIES])
@settings(max_examples=8)
@given(a=VARIANCES, same=st.booleans(), b=VARIANCES, correlation=CORRELATIONS, means=MEANS)
def test_enclosures_contain_the_fifty_digit_value(name, a, same, b, correlation, means):
    if name == "exp" and Decimal(max(a, b, key=Decimal)) > 1000:
        b = a = "7"
    activation = Activation.named(name, **dict(FAMILIES)[name])
    pair = Given.at(a, a if same else b, **correlation, **means)
    found = gaussian_integrals(activation, pair, certified=True)
    for quantity, answer in found.items():
        if answer.value is None:
            assert answer.reason.startswith(("E phi'", "not certified: the radius"))
            continue
        assert _contains(answer.value, _fifty(activation, pair, quantity), 40), quantity


@pytest.mark.parametrize("name", LOGISTIC)
@pytest.mark.parametrize("q", ["1e-8", "1", "4"])
@pytest.mark.parametrize(
    "correlation",
    [
        {"c": "-0.9"},
        pytest.param({"one_minus_c": "1e-12"}, marks=pytest.mark.slow),
        pytest.param({"c": "1"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_logistic_enclosures_contain_the_fifty_digit_value(name, q, correlation):
    activation, pair = Activation.named(name), Given.at(q, **correlation)
    found = gaussian_integrals(activation, pair, certified=True)
    for quantity, answer in found.items():
        assert _contains(answer.value, _fifty(activation, pair, quantity), 45), quantity


@pytest.mark.parametrize("name", LOGISTIC)
def test_thirty_certified_digits_agree_with_the_mixture_for_unequal_laws(name):
    activation = Activation.named(name)
    pair = Given.at("1.3", "0.6", c="-0.4", mean1="0.3", mean2="-0.2")
    found = gaussian_integrals(activation, pair, 30, certified=True)
    for quantity, answer in found.items():
        assert Decimal(answer.value.radius) < Decimal("2e-30")
        assert _contains(answer.value, _fifty(activation, pair, quantity), 45), quantity


@pytest.mark.parametrize("name", LOGISTIC)
@pytest.mark.parametrize("order", [0, 1])
def test_the_bound_in_the_strip_holds_and_is_no_larger_than_needed(name, order):
    m = balls(60)
    with m.working():
        f = strip.analytic(m, name, order)
        ratios = []
        for k in range(-200, 201):
            z = m.complex(m.number(k) / 10, f.w)
            size, bound = abs(f.at(z).x), f.bound.C + f.bound.S * Ball(m.arb(abs(z.x)), m)
            ratios.append(float(size / m.arb(bound.x)))
    assert max(ratios) <= 1 + 1e-12
    assert max(ratios) > 0.3


@pytest.mark.parametrize("c", ["1", "0.5"])
def test_the_error_bound_covers_a_coarse_rule(c):
    """With few bits the rule is visibly off, and still inside its own bound."""
    for bits in (4, 8, 12, 16, 20):
        m, fine = balls(bits), balls(100)
        values = []
        for system in (m, fine):
            with fine.working():
                pair = Given.at("2", c=c).pair(system)
                values.append(strip.dual("tanh", 0, pair).x)
        assert values[0].contains(values[1].mid())
        assert float(values[0].rad()) < 40 * 2.0**-bits


# Exact numbers


def test_numbers_enter_exactly():
    m = balls(60)
    assert m.number(0.1).exact == Fraction(1, 10)
    assert m.number("0.1").exact == Fraction(1, 10)
    assert (m.number(0.1) + 0.2 == m.number("0.3")) is True
    assert Given.at(0.7, q12=0.7) [2:4] == ("c", 1)  # fmt: skip
    left, right = (
        gaussian_integrals(Activation.named("relu"), Given.at(q, c=c), 30, certified=True)
        for q, c in ((0.1, 0.7), ("1/10", "7/10"))
    )
    assert left == right


def test_overlapping_balls_are_not_compared():
    m = balls(60)
    with m.working():
        third = m.exp(m.number("0.5"))
        same = m.exp(m.number("0.25")) ** 2
        assert (third == same) is UNCLEAR
        assert (third < same) is UNCLEAR
        with pytest.raises(Undecided):
            bool(third >= same)
        both = m.select(third < same, lambda: m.number(1), lambda: m.number(3))
        assert both.x.contains(1)
        assert both.x.contains(3)
        assert (m.number(2) < third) is False


def test_an_integral_over_a_kink_or_a_jump_is_enclosed():
    m = balls(60)
    with m.working():
        hinge = m.integral(lambda x: m.maximum(x - m.number("0.3"), 0))
        jump = m.integral(lambda x: m.select(x > m.number("0.3"), lambda: 1, lambda: 0))
        for value, true in ((hinge, Fraction(49, 200)), (jump, Fraction(7, 10))):
            assert value.x.contains(m.raw(true))
            assert float(value.x.rad()) < 1e-15


# What has no enclosure, and the command line


def _run(capsys, *arguments):
    status = main(["kernel", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_command_prints_balls(capsys):
    status, out, _ = _run(
        capsys, "relu", "--q11", "1", "--c", "0.5", "--digits", "30", "--certified", "--json"
    )
    found = json.loads(out)
    assert status == 0
    assert set(found["dual"]) == {"mid", "radius"}
    assert all(isinstance(text, str) for text in found["dual"].values())
    with localcontext() as context:
        context.prec = 60
        assert abs(Decimal(found["derivative_dual"]["mid"]) - Decimal(1) / 3) <= Decimal(
            found["derivative_dual"]["radius"]
        )
    assert 0 < float(found["derivative_dual"]["radius"]) < 1e-30
    assert found["error"]["derivative_dual"] == float(found["derivative_dual"]["radius"])


def test_what_does_not_exist_is_null_with_its_reason(capsys):
    status, out, _ = _run(capsys, "step", "--q11", "2", "--c", "-1", "--certified", "--json")
    found = json.loads(out)
    assert status == 0
    for name in ("derivative_second_moment", "derivative_dual"):
        assert found[name] is None
        assert "diverges" in found["reason"][name]
    assert Decimal(found["dual"]["mid"]) == 0


def test_a_step_off_zero_has_no_derivative_dual_at_correlation_one(capsys):
    options = ("--q11", "2", "--c", "1", "--mean1", "0.3", "--mean2", "0.3", "--certified")
    found = json.loads(_run(capsys, "step", *options, "--json")[1])
    assert found["derivative_dual"] is None
    assert "diverges" in found["reason"]["derivative_dual"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("mish", "--q11", "1", "--c", "0.3"), "not certified: its quadrature"),
        (("gelu_tanh", "--q11", "1", "--c", "0.3"), "not certified: its quadrature"),
        (("tanh", "--q11", "1e6", "--c", "0.3"), "not certified: the bounded rule needs"),
    ],
)
def test_without_an_enclosure_the_answer_is_not_certified(capsys, arguments, reason):
    status, out, _ = _run(capsys, *arguments, "--certified", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["dual"] is None
    assert found["reason"]["dual"].startswith(reason)


def test_without_python_flint_one_line_says_how_to_get_it(capsys, monkeypatch):
    original = builtins.__import__

    def missing(name, *arguments, **options):
        if name == "flint":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    flint.cache_clear()
    balls.cache_clear()
    try:
        status, out, err = _run(capsys, "relu", "--q11", "1", "--c", "0.5", "--certified")
    finally:
        flint.cache_clear()
        balls.cache_clear()
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "certified enclosures need python-flint: pip install 'fisherfield[certified]'" in err


def test_rounded_coordinates_are_refused():
    with pytest.raises(DescriptionError, match="exact numbers"):
        gaussian_integrals(Activation.named("relu"), Given.at(1, c=0).pair(precise(15)),
                           certified=True)  # fmt: skip


# What is left out is bounded: seen where it is large


def test_the_tail_of_an_axis_bounds_what_it_leaves_out():
    m = balls(60)
    with m.working():
        axis = strip.Axis(m.number(1), m.number("0.5"), 5)
        nodes = [m.number("0.5") * k for k in range(6, 60)]
        left_out = sum(2 * m.number("0.5") * x**2 * strip.density(x) for x in nodes)
        assert (left_out < axis.tail) is True
        assert (axis.tail < 5 * left_out) is True


def test_the_tails_of_elu_are_bounded(monkeypatch):
    activation = Activation.named("elu")
    m = balls(60)
    with m.working():
        pair = Given.at(2, c="0.5").pair(m)
        true = closed_kernel(activation).dual(pair)
        monkeypatch.setattr("theory.families.elu.isqrt", lambda n: 0)
        short = closed_kernel(activation).dual(pair)
    assert short.x.contains(true.x)
    assert 1e-3 < float(short.x.rad()) < 10


@pytest.mark.parametrize("name", ["hard_tanh", "piecewise_linear"])
def test_the_start_of_the_angular_integral_is_enclosed(name, monkeypatch):
    example = {"kinks": (-1, 0.3), "slopes": (1, 0, 2), "jumps": (0.5, -1)}
    activation = Activation.named(name, **(example if name == "piecewise_linear" else {}))
    m = balls(60)
    with m.working():
        pair = Given.at(2, c=1).pair(m)
        true = closed_kernel(activation).dual(pair)
        monkeypatch.setattr("theory.balls.Balls.sliver", m.number("0.125"))
        coarse = closed_kernel(activation).dual(pair)
    assert coarse.x.contains(true.x)
    assert 1e-5 < float(coarse.x.rad()) < 1
