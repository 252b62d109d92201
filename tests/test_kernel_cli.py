"""``fisherfield kernel`` and ``fisherfield phase``: keys, values, and what they refuse."""

import math
import re

import pytest

QUANTITIES = (
    "mean",
    "second_moment",
    "derivative_mean",
    "derivative_second_moment",
    "dual",
    "derivative_dual",
)


@pytest.fixture
def run(run):
    """Runs a command line that is one text."""
    return lambda text, *more: run(*text.split(), *more)


def test_kernel_says_each_quantity_with_method_and_error(result):
    found = result("kernel relu --q11 2 --c 0")
    assert set(found) == {"activation", *QUANTITIES, "method", "error", "reason"}
    assert found["activation"] == {"name": "relu"}
    expected = (1 / math.sqrt(math.pi), 1.0, 0.5, 0.5, 1 / math.pi, 0.25)
    for name, value in zip(QUANTITIES, expected, strict=True):
        assert found[name] == pytest.approx(value, rel=1e-14), name
        assert found["method"][name] == "closed form"
        assert 0 < found["error"][name] < 1e-12
    assert found["reason"] == {}


# relu at q11 = q22 = 2, c = 1/2: (sin t + (pi - t) cos t)/pi at t = pi/3
HALF = (math.sqrt(3) / 2 + math.pi / 3) / math.pi


@pytest.mark.parametrize(
    "given",
    [
        "--c 0.5",
        "--c 1/2",
        "--one-minus-c 0.5",
        "--one-plus-c 1.5",
        f"--theta {math.pi / 3!r}",
        "--q12 1",
        "--q22 2 --c 5e-1",
    ],
)
def test_each_way_to_give_the_correlation(result, given):
    assert result(f"kernel relu --q11 2 {given}")["dual"] == pytest.approx(HALF, rel=1e-14)


def test_next_to_one_the_way_matters(result):
    """relu' has dual (pi - theta)/(2 pi): the rounded c is 1, 1 - c is not."""
    near = result("kernel relu --q11 1 --one-minus-c 1e-18 --digits 25")["derivative_dual"]
    assert float(near) == pytest.approx(0.5, abs=1e-8)
    assert 0.5 - float(near) == pytest.approx(math.sqrt(2e-18) / (2 * math.pi), rel=1e-6)
    opposite = result("kernel relu --q11 1 --one-plus-c 1e-18")["derivative_dual"]
    assert opposite == pytest.approx(math.sqrt(2e-18) / (2 * math.pi), rel=1e-13)


def test_variances_and_means_of_both_samples(result):
    found = result("kernel linear --q11 2 --q22 3 --q12 1.5 --mean1 0.5 --mean2=-4")
    assert found["mean"] == pytest.approx(0.5, rel=1e-15)
    assert found["second_moment"] == pytest.approx(2.25, rel=1e-15)
    assert found["dual"] == pytest.approx(1.5 - 2.0, rel=1e-13)


@pytest.mark.parametrize(
    ("text", "dual"),
    [
        ("leaky_relu --param slope=-1", 2 / math.pi),  # |x|
        ("polynomial --param coefficients=1,0,2", 9.0),
        ("piecewise_linear --param kinks=0 --param slopes=0,1", 1 / (2 * math.pi)),
        ("relu_power --param n=2", 0.25),
        ("exp --param t=-2", math.exp(4)),
    ],
)
def test_parameters_by_name(result, text, dual):
    """Independent samples of variance 1: the square of the mean."""
    assert result(f"kernel {text} --q11 1 --c 0")["dual"] == pytest.approx(dual, rel=1e-13)


def test_expression_is_recognized_or_integrated(result):
    known = result("kernel --q11 1.3 --c 0.4 --expression", "2*tanh(x) + 1")
    tanh = result("kernel tanh --q11 1.3 --c 0.4")
    assert known["method"]["dual"] == "closed form"
    assert known["dual"] == pytest.approx(4 * tanh["dual"] + 1, rel=1e-13)
    other = result("kernel --q11 1 --c 1 --expression", "tanh(x)*tanh(x)")
    assert set(other["method"].values()) == {"quadrature"}
    assert other["mean"] == pytest.approx(
        result("kernel tanh --q11 1 --c 1")["second_moment"], rel=1e-11
    )


def test_digits_are_strings_with_all_their_digits(result):
    found = result("kernel relu --q11 1 --c 0 --digits 30")
    # 1/(2 pi) and 1/sqrt(2 pi)
    assert found["dual"] == "0.159154943091895335768883763373"
    assert found["mean"] == "0.398942280401432677939946059934"
    assert found["second_moment"] == "0.500000000000000000000000000000"
    assert all(isinstance(found[name], str) for name in QUANTITIES)
    assert all(error <= 1e-30 for error in found["error"].values())


def test_text_without_json_names_every_quantity(run):
    status, out, err = run("kernel tanh --q11 1 --c 0.5")
    assert (status, err) == (0, "")
    assert all(any(line.startswith(name) for line in out.splitlines()) for name in QUANTITIES)


NOT_THERE = {
    "slope of a jump": ("step --q11 1 --c 0.5", {"derivative_second_moment": "jump"}),
    "jump at c = 1": (
        "step --q11 1 --c 1",
        {"derivative_second_moment": "jump", "derivative_dual": "c = 1|-1|jump"},
    ),
    "jump at c = -1": (
        "sign --q11 2 --one-plus-c 0",
        {"derivative_second_moment": "jump", "derivative_dual": "c = 1|-1|jump"},
    ),
    "overflow": (
        "relu_power --param n=64 --q11 1e4 --c 0.5",
        dict.fromkeys(
            ("second_moment", "derivative_second_moment", "dual", "derivative_dual"), "overflows"
        ),
    ),
    "second moment diverges": (
        "--expression exp(x**2) --q11 0.3 --c 0.5",
        dict.fromkeys(("second_moment", "derivative_second_moment"), "diverges|does not exist"),
    ),
    "mean diverges": (
        "--expression exp(x**2) --q11 0.6 --c 0",
        dict.fromkeys(QUANTITIES, "diverges|does not exist"),
    ),
    "second moment diverges, without closed form": (
        "--expression exp(x**2)*tanh(x) --q11 0.3 --c 0.5",
        dict.fromkeys(("second_moment", "derivative_second_moment"), "diverges|does not exist"),
    ),
}


@pytest.mark.parametrize("case", NOT_THERE)
def test_what_does_not_exist_is_null_with_a_reason(result, case):
    text, reasons = NOT_THERE[case]
    found = result(f"kernel {text}")
    assert set(found["reason"]) == set(reasons)
    for name in QUANTITIES:
        if name in reasons:
            assert found[name] is None
            assert found["error"][name] is None
            assert re.search(reasons[name], found["reason"][name]), found["reason"][name]
        else:
            assert math.isfinite(found[name])


REFUSED = {
    "negative variance": ("kernel tanh --q11 -1 --c 0.5", "q11 is a variance, at least 0, -1"),
    "negative variance of v": ("kernel tanh --q11 1 --q22 -2 --c 0.5", "q22 is a variance"),
    "c above 1": ("kernel tanh --q11 1 --c 1.5", "c must lie between -1 and 1"),
    "c below -1": ("kernel tanh --q11 1 --c -1.001", "c must lie between -1 and 1"),
    "1 - c below 0": ("kernel tanh --q11 1 --one-minus-c=-1e-6", "one-minus-c must lie between 0"),
    "1 + c above 2": ("kernel tanh --q11 1 --one-plus-c 2.1", "one-plus-c must lie between 0"),
    "angle above pi": ("kernel tanh --q11 1 --theta 3.2", "theta must lie between 0 and 3.14"),
    "no covariance matrix": ("kernel tanh --q11 1 --q22 2 --q12 1.5", "between -1.41.*1.41"),
    "no correlation": ("kernel tanh --q11 1", "given in one way: .* none given"),
    "two correlations": ("kernel tanh --q11 1 --c 0 --q12 0", "given in one way: .* c, q12 given"),
    "not a number": ("kernel tanh --q11 one --c 0", "q11 must be a number, 'one' given"),
    "nan": ("kernel tanh --q11 1 --c nan", "c must be a number, 'nan' given"),
    "infinite": ("kernel tanh --q11 inf --c 0", "q11 must be a number, 'inf' given"),
    "no variance": ("kernel tanh --c 0", "--q11"),
    "no digits": ("kernel tanh --q11 1 --c 0 --digits 0", "digits must be from 1 to"),
    "too many digits": ("kernel tanh --q11 1 --c 0 --digits 100000", "digits must be from 1 to"),
    "unknown activation": ("kernel tahn --q11 1 --c 0", "unknown activation 'tahn'; known: "),
    "unknown parameter": ("kernel erf --param skale=2 --q11 1 --c 0", "did you mean 'scale'"),
    "missing parameter": ("kernel relu_power --q11 1 --c 0", "needs n, for example"),
    "name and expression": ("kernel tanh --expression x --q11 1 --c 0", "both given"),
    "no activation": ("kernel --q11 1 --c 0", "neither given"),
    "logarithm": ("kernel --expression log(x) --q11 1 --c 0", "not finite at x = 0"),
    "square root": ("kernel --expression sqrt(x) --q11 1 --c 0", "not finite at x = -"),
    "pole": ("kernel --expression 1/x --q11 1 --c 0", "not finite at x = 0"),
    "unknown function": ("kernel --expression foo(x) --q11 1 --c 0", "unknown function 'foo'"),
    "two variables": ("kernel --expression x*y --q11 1 --c 0", "unknown name 'y'"),
    "code": ("kernel --expression __import__('os') --q11 1 --c 0", "unknown|grammar"),
    "phase without weights": ("phase tanh --sigma-b2 0.1", "--sigma-w2"),
    "phase with negative weights": ("phase tanh --sigma-w2 -1 --sigma-b2 0.1", "sigma_w2"),
    "phase with negative bias": ("phase tanh --sigma-w2 1 --sigma-b2 -0.1", "sigma_b2"),
    "phase with nan": ("phase tanh --sigma-w2 nan --sigma-b2 0", "sigma_w2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_meaningless_input_gets_one_line(run, case):
    text, message = REFUSED[case]
    status, out, err = run(text)
    assert status == 2
    assert out == ""
    line = err.strip().splitlines()[-1]
    assert re.search(message, line), line
    assert "Traceback" not in err
    assert err.startswith("usage:") or err.count("\n") == 1


NEGATIVE = {
    "exponent": ("kernel relu --q11 1 --c -1e-3", "kernel relu --q11 1 --c -0.001"),
    "large exponent": ("kernel relu --q11 1 --c -.01E+1", "kernel relu --q11 1 --c -0.1"),
    "fraction": ("kernel relu --q11 1 --c -1/4", "kernel relu --q11 1 --c -0.25"),
    "mean": ("kernel relu --q11 1 --c 0 --mean1 -5e-1", "kernel relu --q11 1 --c 0 --mean1 -0.5"),
}


@pytest.mark.parametrize("case", NEGATIVE.values(), ids=NEGATIVE)
def test_a_negative_number_is_a_value_however_it_is_written(case, result):
    unusual, plain = map(result, case)
    assert unusual == plain


def test_every_command_reads_negative_exponents_as_values(run):
    for text, part in (
        ("kernel tanh --q11 1 --one-minus-c -1e-6", "one-minus-c must lie between 0"),
        ("phase tanh --sigma-w2 1 --sigma-b2 -1e-3", "sigma_b2"),
        ("check --precision -1e-1", "precision"),
    ):
        status, _, err = run(text)
        assert (status, err.count("\n")) == (2, 1)
        assert part in err
        assert "expected one argument" not in err


def test_rounding_beyond_the_end_is_the_end(result):
    at_one = result("kernel tanh --q11 1 --c 1.0000000000000002")
    assert at_one["dual"] == pytest.approx(at_one["second_moment"], rel=1e-14)
    third = result("kernel relu --q11 3 --q22 3 --q12 3.0000000000000004")
    assert third["dual"] == pytest.approx(1.5, rel=1e-14)


PHASE = {"q_fixed_points", "c_fixed_points", "chi_1", "xi_q", "xi_c", "phase", "reason"}


def test_phase_says_all_its_keys(result):
    found = result("phase tanh --sigma-w2 3 --sigma-b2 0.64")
    assert set(found) == {"activation", "sigma_w2", "sigma_b2", *PHASE}
    (q,) = found["q_fixed_points"]
    assert set(q) == {"value", "slope", "stable"}
    assert q["value"] == pytest.approx(2.265534617754048, rel=1e-12)
    assert found["chi_1"] == pytest.approx(0.9930251125840703, rel=1e-12)
    assert found["xi_q"] == pytest.approx(0.68071314, rel=1e-7)
    assert found["xi_c"] == pytest.approx(142.870906522, rel=1e-9)
    assert found["phase"] == "ordered"
    assert [(c["value"], c["stable"]) for c in found["c_fixed_points"]] == [(1.0, True)]
    assert found["c_fixed_points"][0]["slope"] == pytest.approx(found["chi_1"], rel=1e-12)


def test_chaotic_phase_has_two_correlations(result):
    found = result("phase erf --sigma-w2 3 --sigma-b2 0.64")
    below, one = sorted(found["c_fixed_points"], key=lambda item: item["value"])
    assert found["phase"] == "chaotic"
    assert (below["stable"], one["stable"], one["value"]) == (True, False, 1.0)
    assert below["value"] == pytest.approx(0.8469103580181199, rel=1e-10)
    assert found["xi_c"] == pytest.approx(8.77545391072, rel=1e-9)


def test_unbounded_phase_is_null_with_a_reason(result):
    found = result("phase relu --sigma-w2 2 --sigma-b2 0.1")
    assert found["phase"] == "unbounded"
    assert found["q_fixed_points"] == []
    for name in ("c_fixed_points", "chi_1", "xi_q", "xi_c"):
        assert found[name] is None
    assert found["reason"]


def test_phase_of_an_expression_is_that_of_the_same_function(result):
    named = result("phase erf --param scale=0.7 --sigma-w2 2 --sigma-b2 0.1")
    own = result("phase --sigma-w2 2 --sigma-b2 0.1 --expression", "erf(0.7*x)")
    for name in ("chi_1", "xi_q", "xi_c"):
        assert own[name] == pytest.approx(named[name], rel=1e-9)
    assert own["activation"] == {"expression": "erf(0.7*x)"}
