"""The grammar of activations: nothing is evaluated, everything else is refused."""

import ast
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import refused, table
from theory.errors import DescriptionError
from theory.expression import Call, Constant, Name, parse


def balanced(leaves):
    """A sum of so many x as a balanced tree, of 2 leaves - 1 nodes."""
    if leaves == 1:
        return "x"
    return f"({balanced(leaves // 2)}+{balanced(leaves - leaves // 2)})"


def nested(depth, function="tanh"):
    return f"{function}(" * depth + "x" + ")" * depth


HOSTILE = {
    "nothing": "",
    "blank": "  ",
    "comment": "# x",
    "attribute": "x.__class__",
    "attribute of a number": "1 .real",
    "dunder": "__import__('os')",
    "unknown name": "y",
    "unknown function": "open(x)",
    "function as a value": "tanh",
    "called twice": "max(x, 0)(x)",
    "variable called": "x(x)",
    "lambda": "lambda: x",
    "walrus": "(x := 1)",
    "assignment": "x = 1",
    "comprehension": "[x for x in x]",
    "generator": "max(x for x in x)",
    "conditional": "x if x else 0",
    "comparison": "x < 1",
    "boolean": "x and x",
    "negation": "not x",
    "bits": "~x",
    "floor division": "x // 2",
    "remainder": "x % 2",
    "matrix product": "x @ x",
    "subscript": "x[0]",
    "tuple": "(x, x)",
    "trailing comma": "x,",
    "list": "[x]",
    "set": "{x}",
    "dictionary": "{x: x}",
    "await": "await x",
    "yield": "(yield x)",
    "star": "max(*x)",
    "double star": "max(**x)",
    "keyword": "max(x, 0, key=x)",
    "keyword as argument": "tanh(x=x)",
    "too few arguments": "max(x)",
    "too many arguments": "tanh(x, x)",
    "string": "'x'",
    "bytes": "b'x'",
    "f-string": "f'{x}'",
    "nested f-strings": "f'" * 100 + "{x}",
    "None": "None",
    "True": "True",
    "True as exponent": "x**True",
    "ellipsis": "...",
    "complex": "1j",
    "infinite literal": "1e999",
    "negative infinite literal": "-1e999*x",
    "infinite exponent": "x**1e999",
    "integer beyond floats": "1" * 400 + "*x",
    "hexadecimal beyond floats": "0x" + "f" * 400,
    "tower": "9**9**9",
    "tower on x": "x**9**9**9",
    "exponent 65": "x**65",
    "exponent -65": "x**-65",
    "exponent 64.001": "x**64.001",
    "variable exponent": "x**x",
    "exponent with x in it": "x**(0*x)",
    "two statements": "x; x",
    "two lines": "x\nx",
    "two lines and an unknown name": "(x\n+ y)",
    "continued line and an unknown name": "x + \\\n y",
    "null byte": "x\0",
    "byte order mark": "\ufeffx",
    "surrogate": "\ud800",
    "Cyrillic x": "\u0445",
    "full-width x": "\uff58",
    "mathematical x": "\U0001d431",
    "full-width function": "\uff54anh(x)",
    "unicode line end": "x\u2028+ y",
    "unclosed": "(x",
    "unclosed string": "'x",
    "only a backslash": "\\",
    "parentheses beyond the C parser": "(" * 400 + "x" + ")" * 400,
    "brackets beyond the C parser": "[" * 900,
    "signs beyond the recursion limit": "-" * 990 + "x",
    "powers beyond the recursion limit": "x**" * 300 + "2",
    "negations beyond the recursion limit": "not " * 240 + "x",
    "lambdas beyond the recursion limit": "lambda:" * 140 + "x",
    "51 functions": nested(51),
    "a sum of 100 terms": "+".join(100 * "x"),
    "201 nodes": nested(2, "abs").replace("x", balanced(100)),
    "1001 characters": "x" + " " * 1000,
    "10^5 characters": "x+" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_string_outside_the_grammar_is_refused_in_one_line(text):
    refused(lambda: parse(text), "expression")


@table(
    {
        "unknown name": ("y*x", "'y'", "x, scale"),
        "unknown function": ("nonsense(x)", "'nonsense'", "tanh"),
        "arguments": ("max(x)", "max", "2", "1"),
        "exponent": ("x**65", "64"),
        "depth": (nested(51), "50"),
        "nodes": (nested(2, "abs").replace("x", balanced(100)), "201", "200"),
        "characters": ("x" * 1001, "1001", "1000"),
        "attribute": ("x.real", "x.real"),
    }
)
def test_refused_expression_says_what_is_known_or_allowed(case):
    text, *parts = case
    refused(lambda: parse(text, ("scale",)), *parts)


@table(
    {
        "50 functions": nested(50),
        "200 nodes": nested(1, "abs").replace("x", balanced(100)),
        "1000 characters": "x*1." + "0" * 996,
        "exponent 64": "x**64",
        "exponent -64": "x**-64",
        "nested parentheses": "(" * 100 + "x" + ")" * 100,
    },
    "text",
)
def test_expression_at_the_limit_is_read(text):
    assert parse(text)


X = Name("x")


@table(
    {
        "variable": ("x", X),
        "spaces": ("  x ", X),
        "decimal": ("0.1", Constant(Fraction(1, 10))),
        "exponent notation": ("1e-3", Constant(Fraction(1, 1000))),
        "negative constant": ("-2", Constant(Fraction(-2))),
        "signs": ("+-x", Call("*", (Constant(Fraction(-1)), X))),
        "function": ("max(x, 0)", Call("max", (X, Constant(Fraction(0))))),
        "parameter": ("scale*x", Call("*", (Name("scale"), X))),
    },
    "text, tree",
)
def test_expression_becomes_this_tree(text, tree):
    assert parse(text, ("scale",)) == tree
    assert {tree: 1}[parse(text, ("scale",))] == 1


def refusal(text):
    """What ``parse`` says against a text; nothing if it is read."""
    try:
        parse(text)
    except DescriptionError as problem:
        return str(problem)
    return ""


@given(st.text() | st.text(alphabet="x()+-*/.,019e_ \n\t[]{}'\"\\:=<>!@#maxtnh\0é²ｘ", max_size=60))
@settings(deadline=None, max_examples=500)
def test_any_text_is_read_or_refused_in_one_line(text):
    assert len(refusal(text).splitlines()) <= 1


@given(
    st.recursive(
        st.sampled_from(["x", "0", "2", "0.5", "-1"]),
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
            | st.builds("-{}".format, inner)
            | st.builds("({})**2".format, inner)
            | st.builds("max({}, {})".format, inner, inner)
            | st.builds("abs({})".format, inner)
        ),
        max_leaves=8,
    )
)
def test_tree_is_that_of_python(text):
    operators = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "**": ast.Pow}

    def to_python(tree):
        match tree:
            case Constant(value=value):
                return ast.Constant(float(value))
            case Name(identifier=identifier):
                return ast.Name(identifier, ast.Load())
            case Call(function=function, arguments=arguments) if function in operators:
                left, right = map(to_python, arguments)
                return ast.BinOp(left, operators[function](), right)
            case Call(function=function, arguments=arguments):
                return ast.Call(ast.Name(function, ast.Load()), [*map(to_python, arguments)], [])

    code = ast.fix_missing_locations(ast.Expression(to_python(parse(text))))
    names = {"x": 0.75, "max": max, "abs": abs}
    assert eval(compile(code, "tree", "eval"), names) == eval(text, names)
