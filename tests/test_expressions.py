"""A user's own activation: read, printed and translated; its kinks found; refused by name."""

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import refused, table
from theory import Activation, Network, evaluation, intervals
from theory.differentiation import with_derivative
from theory.errors import DescriptionError
from theory.evaluation import evaluate
from theory.expression import FUNCTIONS, Call, Constant, Name, exact, parse, walk
from theory.intervals import decide, enclose
from theory.mathematics import precise
from theory.network_file import parse_network
from theory.piecewise import piece, pieces, real_roots, value

own = Activation.from_expression


# Printing

numbers = st.sampled_from(
    ["x", "x", "pi", "0.5", "1/3", "2", "1e-7", "1e23", "0.1e-20", "12", ".5"]
)
words = st.sampled_from(sorted(name for name, count in FUNCTIONS.items() if count == 1))


def grow(inner):
    return (
        st.builds("({}{}{})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner)
        | st.builds("{}({},{})".format, st.sampled_from(["max", "min"]), inner, inner)
        | st.builds("{}({})".format, words, inner)
        | st.builds("(-{})".format, inner)
        | st.builds("(+{})".format, inner)
        | st.builds("(({})**{})".format, inner, st.sampled_from(["2", "-1", "(1/3)", "(-2.5)"]))
    )


texts = st.recursive(numbers, grow, max_leaves=12)


@given(text=texts)
@settings(deadline=None, max_examples=300)
def test_printed_expression_is_read_as_the_same_tree(text):
    tree = parse(text)
    printed = str(tree)
    assert parse(printed) == tree
    assert str(parse(printed)) == printed


@given(text=texts)
@settings(deadline=None, max_examples=150)
def test_no_parentheses_of_a_printed_expression_are_superfluous(text):
    printed, tree = str(parse(text)), parse(text)
    for opening in re.finditer(r"(?<!\w)\(", printed):
        closing = next(
            end
            for end in range(opening.end(), len(printed))
            if printed.count("(", opening.start(), end + 1)
            == printed.count(")", opening.start(), end + 1)
        )
        start = opening.start()
        bare = printed[:start] + printed[start + 1 : closing] + printed[closing + 1 :]
        assert tree_or_nothing(bare) != tree


def tree_or_nothing(text):
    try:
        return parse(text)
    except DescriptionError:
        return None


@table(
    {
        "spaces": ("x+1 -2 *x", "x + 1 - 2*x"),
        "minus": ("-(x**2)", "-x**2"),
        "minus of a product": ("-(2*x)", "-(2*x)"),
        "power of a minus": ("(-x)**2", "(-x)**2"),
        "tower": ("(x**2)**3", "(x**2)**3"),
        "quotients": ("x/(2*x)", "x/(2*x)"),
        "fraction": ("(1/3)*x", "1/3*x"),
        "fraction behind": ("x*(1/3)", "x*(1/3)"),
        "decimal of a fraction": ("1/4", "0.25"),
        "negative number": ("x**-2 - -3", "x**-2 - -3"),
        "folded exponent": ("x**(1/2 + 3*0.5)", "x**2"),
        "thirty digits": ("1.05070098735548049341933498529", "1.05070098735548049341933498529"),
        "large": ("1e20*x", "1e20*x"),
        "small": ("1.5e-7*x", "1.5e-7*x"),
        "integer": ("1000*x", "1000*x"),
        "no leading zero": (".5", "0.5"),
    },
    "text, printed",
)
def test_expression_is_printed_so(text, printed):
    assert str(parse(text)) == printed


def test_decimal_is_exact_however_many_digits_it_has():
    digits = "0.1234567890123456789012345678901234567890"
    assert parse(digits) == Constant(Fraction(digits))


def test_text_of_thousand_characters_is_printed_as_one_that_is_read():
    def balanced(leaves):
        if leaves == 1:
            return "x*1.23456789e-100"
        return f"({balanced(leaves // 2)}+{balanced(leaves - leaves // 2)})"

    text = balanced(48)
    spaced = len(text) + 2 * text.count("+")
    assert len(text) < 1000 < spaced
    assert parse(str(parse(text))) == parse(text)


# Limits and hostile texts: what was not asked in test_grammar

HOSTILE = {
    "integer of 10^5 digits": "1" + "0" * 10**5,
    "integer of 900 digits": "9" * 900,
    "exponent of 900 digits": "1e" + "9" * 900,
    "negative exponent of 900 digits": "1e-" + "9" * 900,
    "1e999": "1e999",
    "1e-999": "1e-999",
    "quotient too small": "1e-200/1e200",
    "powers of numbers in an exponent": "x**(9**9**9)",
    "long sum in an exponent": "x**(" + "1+" * 480 + "1)",
    "deep sum of an unknown name": "x+" * 495 + "y",
    "division by zero in an exponent": "x**(1/(1-1))",
    "division by the number zero": "x*(1/0)",
    "zero to a negative power in an exponent": "x**(0**-1)",
    "a parameter in an exponent": "x**scale",
    "pi in an exponent": "x**pi",
    "a root in an exponent": "x**(2**0.5)",
    "pi called": "pi(x)",
    "function called like a number": "2(x)",
    "null byte in the middle": "ta\0nh(x)",
    "underscore in a number": "1_000*x",
    "caret": "x^2",
    "sigmoid without its argument": "sigmoid()",
    "min of three": "min(x, 0, 1)",
    "199 parentheses with nothing": "(" * 199 + ")" * 199,
    "minus signs": "-" * 900 + "x",
    "deep towers": "x**" * 320 + "2",
    "functions of functions": "tanh(" * 190 + "x" + ")" * 190,
    "Greek": "φ(x)",
    "Arabic digits": "٣*x",
    "superscript": "x²",
}


@table(HOSTILE, "text")
def test_hostile_text_is_refused_in_one_line(text):
    refused(lambda: parse(text, ("scale",)), "expression")


@given(
    st.text(max_size=80)
    | st.text(alphabet="x()+-*/., 019e\npiabsmxnsgtelodrqhPfk\0é²ｘ", max_size=200)
    | st.lists(
        st.sampled_from([*FUNCTIONS, "x", "pi", "(", ")", ",", "+", "-", "**", "2", ".5"])
    ).map("".join)
)
@settings(deadline=None, max_examples=400)
def test_any_text_is_an_activation_or_refused_in_one_line(text):
    try:
        activation = own(text)
    except DescriptionError as problem:
        lines = str(problem).splitlines()
        assert len(lines) == 1
        return
    assert own(activation.expression) == activation


@table(
    {
        "number": (3, "text", "3 given"),
        "nothing": (None, "text", "None given"),
        "bytes": (b"x", "text"),
        "list": (["x"], "text"),
        "two variables": ("x*y", "unknown name 'y'; known: x, pi"),
        "unknown function": ("gamma(x)", "unknown function 'gamma'", "tanh"),
        "another variable": ("tanh(u)", "unknown name 'u'"),
    }
)
def test_expression_without_meaning_is_refused_by_name(case):
    expression, *parts = case
    refused(lambda: own(expression), *parts)


# Kinks and jumps

ROOT2 = Fraction("1.41421356237309504880168872421")
KINKS = {
    "relu": ("max(x, 0)", [0], []),
    "analytic": ("tanh(x + 0.7)", [], []),
    "shifted": ("max(x - 1/3, 2)", [Fraction(7, 3)], []),
    "decimal": ("abs(x - 0.1)", [Fraction(1, 10)], []),
    "quadratic": ("max(x**2 - x - 2, 0)", [-1, 2], []),
    "irrational": ("abs(x**2 - 2)", [-ROOT2, ROOT2], []),
    "cubic": ("min(x**3 - 3*x, x)", [-2, 0, 2], []),
    "double root": ("max((x - 1)**2, 0)", [], []),
    "double and simple root": ("abs((x - 1)**2*(x + 3))", [-3], []),
    "triple root": ("abs((x - 1/3)**3)", [Fraction(1, 3)], []),
    "no root": ("abs(x**2 + 1)", [], []),
    "equal branches": ("max(x, x)", [], []),
    "inside": ("tanh(max(x, 0)) + exp(-abs(x - 1))", [0, 1], []),
    "nested": ("max(-1, min(x, 1))", [-1, 1], []),
    "nested absolute values": ("abs(abs(abs(x) - 2) - 1)", [-3, -2, -1, 0, 1, 2, 3], []),
    "a branch that is never active": ("max(max(x, 0) + 1, 0)", [0], []),
    "pi": ("max(x - pi, 0)", [Fraction("3.14159265358979323846264338328")], []),
    "constants": ("abs(x - sqrt(2))**3", [ROOT2], []),
    "square root of a square": ("sqrt(x**2)", [0], []),
    "root of a positive polynomial": ("sqrt(x**2 + 1)", [], []),
    "root of a positive function": ("sqrt(1 + exp(x)) + (2 + sin(x))**1.5", [], []),
    "cube of a root": ("(x**2 - 2*x + 1)**1.5", [1], []),
    "sign": ("sign(x**2 - 4)", [-2, 2], [-2, 2]),
    "step": ("step(1 - x)*exp(x)", [1], [1]),
    "no jump": ("x*step(x)", [0], []),
    "one jump of two": ("(x - 1)*step(x - 1) + step(x + 1)", [-1, 1], [-1]),
    "small jump": ("1000*x + 1e-5*step(x)", [0], [0]),
    "cancelled jump": ("sign(x) - 2*step(x)", [0], []),
    "jump at an irrational place": ("step(x**2 - 2)", [-ROOT2, ROOT2], [-ROOT2, ROOT2]),
    "absolute value of something positive": ("abs(exp(x)) + abs(2 + tanh(x))", [], []),
    "steep": ("tanh(1e6*x)*step(x)", [0], []),
}


@table(KINKS, "text, kinks, jumps")
def test_kinks_and_jumps_are_found(text, kinks, jumps):
    activation = own(text)
    assert activation.kinks == tuple(kinks)
    assert activation.jumps == tuple(jumps)


@table(
    {
        "absolute value": ("abs(sin(x))", "abs(sin(x))", "(sin(x))"),
        "monotone": ("max(tanh(x), 0.5)", "max(tanh(x), 0.5)", "tanh(x) - 0.5"),
        "sign": ("x + sign(expm1(x))", "sign(expm1(x))"),
        "step": ("step(x*exp(x))", "step(x*exp(x))"),
        "min": ("min(x, exp(x) - 1)", "min(x, exp(x) - 1)"),
        "root": ("sqrt(x*tanh(x))", "sqrt(x*tanh(x))"),
        "fractional power": ("(1 - cos(x))**0.5", "(1 - cos(x))**0.5"),
        "degree": ("abs((x**33 - x)*(x**33 + x - 1))", "abs("),
    }
)
def test_kinks_that_cannot_be_found_have_to_be_given(case):
    text, *parts = case
    refused(lambda: own(text), "must be given", "kinks = [0]", *parts)
    assert own(text, kinks=np.arange(-20, 21).tolist() + PLACES).kinks


PLACES = [k * np.pi for k in range(-6, 7) if k] + [0.5493061443340548, 0.9246420009031878]


@table(
    {
        "one": ("abs(tanh(x))", [0], (0,)),
        "more than needed": ("abs(tanh(x))", [2, 0.5, 0], (0, Fraction(1, 2), 2)),
        "found and given": ("abs(tanh(x)) + abs(x**2 - 2)", [0], (-ROOT2, 0, ROOT2)),
        "found and given, rounded": ("abs(x**2 - 2)", [2**0.5], (-ROOT2, ROOT2)),
        "exact": ("abs(tanh(x - 1/3))", [Fraction(1, 3)], (Fraction(1, 3),)),
        "symbolic number": ("abs(tanh(x**2 - 2))", [sp.sqrt(2), -sp.sqrt(2)], (-ROOT2, ROOT2)),
        "none needed": ("sqrt(1 + tanh(x))", [], ()),
    },
    "text, given, kinks",
)
def test_kinks_are_given(text, given, kinks):
    activation = own(text, kinks=given)
    assert activation.kinks == kinks
    assert Activation.read(activation.describe()).jumps == activation.jumps == ()


def test_jumps_are_found_among_the_given_kinks():
    kinks = [k * np.pi for k in range(-4, 5)]
    assert len(own("sign(sin(x))", kinks=kinks).jumps) == 9
    assert own("sin(x)*sign(sin(x))", kinks=kinks).jumps == ()


@table(
    {
        "missing": ("abs(tanh(x))", [], "tanh(x) changes sign near x = 0"),
        "another": ("max(tanh(x), 0.5)", [0], "changes sign near x = 0.5"),
        "one of many": ("abs(sin(x))", [0, 3.141592653589793], "changes sign near x = -9.4"),
        "number": ("abs(tanh(x))", 0, "list of numbers"),
        "text": ("abs(tanh(x))", ["0"], "kinks[0]", "'0' given"),
        "nan": ("abs(tanh(x))", [np.nan], "finite", "nan given"),
    }
)
def test_wrong_kinks_are_refused(case):
    text, given, *parts = case
    refused(lambda: own(text, kinks=given), *parts)


# Functions that are not finite on the whole real line

NOT_FINITE = {
    "logarithm": ("log(x)", "log(x)", 0),
    "logarithm of a square": ("log(x**2)", "log(x**2)", 0),
    "root": ("sqrt(x)", "sqrt(x)", -1),
    "root of a shift": ("sqrt(x - 1000)", "sqrt(x - 1000)", 0),
    "reciprocal": ("1/x", "1/x", 0),
    "negative power": ("x**(-1)", "x**-1", 0),
    "fractional power": ("x**0.5", "x**0.5", -1),
    "cube root": ("x**(1/3)", "x**(1/3)", -1),
    "log1p": ("log1p(x)", "log1p(x)", -1),
    "pole far away": ("x/(x - 12345678)", "x/(x - 12345678)", 12345678),
    "two poles": ("1/(x**2 - 3*x + 2)", "1/(x**2 - 3*x + 2)", 1),
    "pole at an irrational place": ("1/(x**2 - 2)", "1/(x**2 - 2)", 2**0.5),
    "double pole": ("1/(x - 0.7)**2", "1/(x - 0.7)**2", 0.7),
    "tangent": ("sin(x)/cos(x)", "sin(x)/cos(x)", np.pi / 2),
    "pole between the probes": ("1/(tanh(x) - 0.3)", "1/(tanh(x) - 0.3)", np.arctanh(0.3)),
    "double pole between the probes": ("1/(sin(x) - 1)", "1/(sin(x) - 1)", np.pi / 2),
    "removable singularity": ("sin(x)/x", "sin(x)/x", 0),
    "pole of a hinge": ("1/(max(x, 0) - 2)", "1/(max(x, 0) - 2)", 2),
    "zero on a half line": ("log(max(x, 0))", "log(max(x, 0))", 0),
    "pole at a jump": ("1/sign(x)", "1/sign(x)", 0),
    "inside": ("tanh(exp(1/(x - 1)))", "1/(x - 1)", 1),
    "logarithm of a logarithm": ("log(log(x**2 + 1))", "log(log(x**2 + 1))", 0),
    "underflow of a difference": ("log(1 + tanh(x))", "log(1 + tanh(x))", None),
    "constant": ("x + log(-1)", "log(-1)", 0),
    "zero by zero": ("x/(1 - 1)", "x/(1 - 1)", 0),
    "narrow": ("sqrt((x - 1)*(x - 1.000001))", "sqrt((x - 1)*(x - 1.000001))", 1),
    "narrow and not polynomial": ("sqrt(tanh(x)**2 - 1e-6)", "sqrt(tanh(x)**2 - 1e-6)", 0),
}


UNCERTAIN = {  # the point is known to double precision, or only double precision makes it one
    "sin(x)/cos(x)",
    "1/(tanh(x) - 0.3)",
    "1/(sin(x) - 1)",
    "log(1 + tanh(x))",
    "log(log(x**2 + 1))",
}


@table(NOT_FINITE, "text, part, point")
def test_function_that_is_not_finite_everywhere_is_refused_naming_a_point(text, part, point):
    with pytest.raises(DescriptionError, match="is not finite at x = ") as caught:
        own(text)
    said, place = str(caught.value).split(" is not finite at x = ")
    assert said == part
    place, _, doubt = place.partition(", ")
    assert doubt == ("to double precision" if part in UNCERTAIN else "")
    if point is not None:
        assert abs(float(place)) == pytest.approx(abs(point), abs=2e-5, rel=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "1/(1 + exp(-x))",
        "log(1 + exp(x))",
        "log(cosh(x))",
        "log(sigmoid(x)) + log(Phi(x))",
        "x/sqrt(1 + x**2)",
        "1/(x**2 - x + 1)",
        "x/(1 + abs(x))",
        "log1p(x**2)",
        "log(2 + sin(x))",
        "1/(3 - tanh(x))",
        "sqrt(abs(x))",
        "sqrt(x**2 - 2*x + 1)",
        "1/(2 + sign(x))",
        "log(log(x**2 + 3))",
        "1/(x**2 - tanh(x)*x + 1)",
        "(1 + x**2)**(-1/3)",
        "exp(-x**2)/(exp(-x**2) + 1e-9)",
    ],
)
def test_function_that_is_finite_everywhere_is_read(text):
    assert own(text).expression == str(parse(text))


# Exactness of what this rests on: roots, pieces, intervals

fractions = st.fractions(-20, 20, max_denominator=50)


@given(roots=st.lists(st.tuples(fractions, st.integers(1, 3)), max_size=5))
@settings(deadline=None)
def test_rational_roots_are_found_exactly(roots):
    x = sp.Symbol("x")
    factors = [(x - sp.Rational(r.numerator, r.denominator)) ** n for r, n in roots]
    polynomial = sp.Poly(sp.prod(factors) * (x**2 + 1) * (x**2 - 2), x)
    coefficients = tuple(Fraction(int(c.p), int(c.q)) for c in polynomial.all_coeffs()[::-1])
    found = real_roots(coefficients)
    assert set(found) == {root for root, _ in roots} | {-ROOT2, ROOT2}
    assert list(found) == sorted(found)


@given(
    text=st.recursive(
        st.sampled_from(["x", "1", "-2", "0.5"]),
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
            | st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner)
            | st.builds("{}({})".format, st.sampled_from(["abs", "sign", "step"]), inner)
        ),
        max_leaves=6,
    ),
    x=fractions,
)
@settings(deadline=None)
def test_active_piece_has_the_value_of_the_expression(text, x):
    tree = parse(text)
    active = piece(tree, x)
    assert active in pieces(tree)
    exactly = sum(c * x**k for k, c in enumerate(active))
    assert exactly == value(tree, x)
    assert float(exactly) == pytest.approx(evaluation.evaluate_tree(tree, float(x)))


@given(text=texts, x=st.floats(-30, 30), width=st.floats(0, 3), part=st.floats(0, 1))
@settings(deadline=None, max_examples=150)
def test_interval_encloses_the_values_inside(text, x, width, part):
    assert not escapes(text, x, width, part)


def escapes(text, x, width, part):
    tree = parse(text)
    bounds = enclose(tree, np.array([x]), np.array([x + width]))
    inside = precise(30).number(Fraction(min(x + part * width, x + width)))
    try:
        parts = [evaluation.evaluate_tree(node, inside) for node in walk(tree)]
    except (ZeroDivisionError, ValueError):
        return False
    context = precise(30).context
    if not all(context.isfinite(y) and context.im(y) == 0 for y in parts):
        return False  # outside the domain of one of its functions
    exactly = parts[0]
    if bounds.nonzero[0] and exactly == 0:
        return re.search("exp|cosh|sigmoid|softplus|Phi", text) is None  # else it may be too small
    return not bounds.lo[0] <= exactly <= bounds.hi[0]


@pytest.mark.parametrize("function", sorted(intervals.FUNCTIONS))
def test_interval_that_is_too_narrow_is_seen(function, monkeypatch):
    right = intervals.FUNCTIONS[function]

    def narrow(*arguments):
        y = right(*arguments)
        return y._replace(hi=y.lo + 0.9 * (y.hi - y.lo))

    monkeypatch.setitem(intervals.FUNCTIONS, function, narrow)
    if function in "+-*/":
        text = f"x {function} (3 - x)" if function == "-" else f"x {function} (x + 3)"
    else:
        text = f"{function}({', '.join(['x', 'x - 1'][: FUNCTIONS[function]])})"
    cases = [(x, width, part) for x in (0.3, -1.2, -0.1) for width in (0.5, 2) for part in (0, 1)]
    assert any(escapes(text, *case) for case in cases)


@table(
    {
        "positive": ("2 + sin(x)", "> 0", True),
        "tiny": ("exp(-x**2)*sigmoid(x)", "> 0", True),
        "at least zero": ("1 + tanh(x)", ">= 0", True),
        "huge": ("exp(exp(exp(x)))", "> 0", True),
        "zero": ("tanh(x)", "!= 0", False),
        "negative far away": ("1e7 - softplus(x)", "> 0", False),
    },
    "text, condition, holds",
)
def test_condition_is_shown_or_refuted(text, condition, holds):
    verdict = decide(parse(text), condition)
    assert verdict.holds == holds
    assert (verdict.fails_at is not None) != holds


# From sympy

u = sp.Symbol("u", real=True)
TRANSLATED = {
    "polynomial": u**3 / 3 - 2 * u + sp.Rational(1, 7),
    "Max and Min": sp.Max(0, sp.Min(u, 6), -u / 10),
    "Abs and sign": sp.Abs(u - 1) * sp.sign(u + 2),
    "Heaviside": u * sp.Heaviside(u) + sp.Heaviside(u - 1, 0),
    "exponential": sp.exp(-(u**2) / 2) * sp.sin(3 * u) + sp.cos(u),
    "logistic": u / (1 + sp.exp(-u)),
    "hyperbolic": sp.sinh(u) / sp.cosh(u) ** 2 + sp.tanh(2 * u),
    "error functions": sp.erf(u / sp.sqrt(2)) - sp.erfc(u) / 3,
    "logarithm": sp.log(1 + sp.exp(u)) / sp.log(2),
    "roots": sp.sqrt(1 + u**2) + (1 + u**2) ** sp.Rational(-2, 3),
    "numbers": sp.pi * u + sp.E * u**2 + sp.sqrt(3),
    "floats": 0.1 * u + 2.5,
    "power of a number": 2**u,
    "constant": sp.Integer(3),
    "negative": -u * (u + 1) / (u**2 + 2),
}


@table(TRANSLATED, "expression")
def test_sympy_expression_keeps_its_values(expression):
    activation, m = own(expression), precise(20)
    for x in ("-2.3", "0.4", "1.9"):
        expected = expression.subs(u, sp.Rational(x)).evalf(30)
        found = evaluation.evaluate(activation, m.number(exact(float(x))))
        assert m.context.almosteq(found, m.context.mpf(str(expected)), 1e-14, 1e-14)


def test_function_of_sympy_by_a_name_of_the_grammar_is_that_one():
    expression = sp.sympify("x*tanh(softplus(x)) + Phi(x) - expm1(x)*log1p(x**2) + step(x)")
    assert parse(own(expression).expression) == parse(own(expression).expression)
    names = {node.function for node in walk(own(expression).tree) if isinstance(node, Call)}
    assert {"tanh", "softplus", "Phi", "expm1", "log1p", "step"} <= names


@table(
    {
        "two variables": (u * sp.Symbol("w"), "more than one variable: u, w"),
        "gamma": (sp.gamma(u), "gamma has no equivalent", "tanh"),
        "Piecewise": (sp.Piecewise((u, u > 0), (0, True)), "Piecewise", "max"),
        "unknown function": (sp.Function("bump")(u), "bump has no equivalent"),
        "imaginary": (sp.I * u, "ImaginaryUnit has no equivalent"),
        "infinite": (sp.Add(u, sp.oo, evaluate=False), "Infinity has no equivalent"),
        "undefined": (sp.nan, "NaN has no equivalent"),
        "matrix": (sp.Matrix([u]), "Matrix"),
        "relation": (u < 1, "StrictLessThan"),
        "derivative": (sp.Derivative(sp.Function("f")(u), u), "no equivalent"),
        "exponent": (u ** sp.sqrt(2), "exponent"),
        "power of the variable": ((u**2) ** u, "positive base"),
        "large exponent": (u**100, "exponent 100"),
        "large number": (u * sp.Integer(10) ** 5000, "too large"),
        "Euler's gamma": (u + sp.EulerGamma, "EulerGamma has no equivalent"),
        "not finite": (1 / u, "1/x is not finite at x = 0"),
        "too many terms": (sp.Add(*(sp.cos(k * u) for k in range(100))), "nested deeper"),
    }
)
def test_sympy_expression_without_equivalent_is_refused_by_name(case):
    expression, *parts = case
    refused(lambda: own(expression), *parts)


def test_deep_sympy_expression_is_refused():
    expression = u
    for _ in range(60):
        expression = sp.tanh(expression)
    refused(lambda: own(expression), "nested deeper than 50")


# Records and files

OWN = {
    "analytic": ({"expression": "tanh(x + 0.7)"}, own("tanh(x + 0.7)")),
    "kinked": ({"expression": "max(x,0) + abs(x - 0.1)"}, own("max(x, 0) + abs(x - 1/10)")),
    "given kinks": (
        {"expression": "abs(tanh(x))", "kinks": [0.0]},
        own("abs(tanh(x))", kinks=[0]),
    ),
    "named": ({"expression": "x**3", "name": "cube"}, own("x**3", name="cube")),
}


@table(OWN, "said, activation")
def test_own_activation_in_a_file_is_that_of_the_record(said, activation):
    values = ", ".join(f"{key} = {value!r}" for key, value in said.items())
    network = parse_network(f"activation = {{{values}}}\ndepth = 2\nsigma_w2 = 1")
    assert network == Network(activation, depth=2, sigma_w2=1)
    assert network.activation == activation
    assert Activation.read(network.describe()["activation"]) == activation


@given(text=texts)
@settings(deadline=None, max_examples=100)
def test_own_activation_is_read_back_from_its_table(text):
    try:
        activation = own(text)
    except DescriptionError:
        return
    twin = Activation.read(activation.describe())
    assert (twin, hash(twin), twin.describe()) == (
        activation,
        hash(activation),
        activation.describe(),
    )
    assert str(activation) == activation.expression == str(activation.tree)


@table(
    {
        "key": ({"expression": "x", "kink": [0]}, "'kink'", "'kinks'"),
        "parameter": ({"expression": "scale*x", "scale": 2}, "'scale'"),
        "number": ({"expression": 3}, "text", "3 given"),
        "taken name": ({"expression": "x", "name": "tanh"}, "'tanh' is taken"),
        "name of no text": ({"expression": "x", "name": 3}, "3 given"),
        "kinks of no list": ({"expression": "x", "kinks": 3}, "list of numbers", "3 given"),
        "refused expression": ({"expression": "1/x"}, "x = 0"),
        "neither": ({"kinks": [0]}, "expression", "name"),
    }
)
def test_table_without_meaning_is_refused_in_one_line(case):
    said, *parts = case
    refused(lambda: Network(said, depth=2, sigma_w2=1), *parts)


@table(
    {
        "jump that is no kink": (("odd", "step(x)", (), (), (0,)), "jump"),
        "parameter called pi": (("odd", "pi*x", (("pi", 3),)), "'pi'"),
        "parameter called like a function": (("odd", "sin*x", (("sin", 3),)), "'sin'"),
        "list as a number": (("odd", "a*x", (("a", (1, 2)),)), "unknown name 'a'"),
        "no name": (("", "x"), "name"),
        "kinks of no list": (("odd", "abs(x)", (), "0"), "list of numbers"),
    }
)
def test_record_without_meaning_is_refused(case):
    fields, *parts = case
    refused(lambda: Activation(*fields), *parts)


def test_kinks_are_sorted_and_exact():
    activation = Activation("bent", "abs(x) + abs(x - 0.1)", kinks=(0.1, 0.0, 0))
    assert activation.kinks == (0, Fraction(1, 10))
    assert all(a < b for a, b in pairwise(activation.kinks))


def test_raw_record_is_described_with_its_numbers():
    raw = Activation("steep", "slope*abs(x)", (("slope", 2.5),), (0,))
    assert raw.describe() == {"expression": "2.5*abs(x)", "name": "steep"}
    assert Activation.read(raw.describe()).tree == Call(
        "*", (Constant(Fraction(5, 2)), Call("abs", (Name("x"),)))
    )
    assert not raw.is_named
    assert not Activation("tanh", "tanh(2*x)").is_named


@pytest.mark.parametrize("text", ["pi**2*x", "sin(x)/pi**3", "pi**2 - x**3", "(x - 1/pi**2)**2"])
def test_derivative_beside_powers_of_constants_equals_the_complex_step(text):
    phi, at, step = Activation.from_expression(text), np.array([-1.3, 0.4, 2.1]), 1e-30
    value, slope = with_derivative(phi, at)
    moved = evaluate(phi, at + 1j * step)
    assert value == pytest.approx(moved.real, rel=1e-15)
    assert slope == pytest.approx(moved.imag / step, rel=1e-15)
