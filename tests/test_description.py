"""The vocabulary: what a description means, and how everything else is refused in one line."""

import datetime
import json
import math
import tomllib
from dataclasses import FrozenInstanceError, fields, replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import refused, table
from theory import Activation, BatchNorm, MeanSubtraction, Network, NoNormalization, predict
from theory.architecture import ACTIVATIONS, LATER, SCHEMES
from theory.errors import NotCovered
from theory.expression import Name, exact, walk
from theory.mathematics import precise, symbols
from theory.network_file import parse_network, read_network

NAN, INF = math.nan, math.inf
PLAIN = NoNormalization()


def relu(**fields):
    return Network(**({"activation": "relu", "depth": 3, "sigma_w2": 2} | fields))


def to_toml(description):
    """An independent writer of TOML, so that the reader is not its own judge."""
    return "".join(f"{json.dumps(key)} = {literal(value)}\n" for key, value in description.items())


def literal(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


# What a description means


@pytest.mark.parametrize(
    ("field", "value"),
    {
        "ratios": (1, 1, 1),
        "outputs": 1,
        "sigma_b2": 0,
        "input_overlaps": (1, 0),
        "bias_gradients": True,
        "layers": (PLAIN, PLAIN),
        "last": PLAIN,
        "parameterization": "standard",
        "loss": "mse",
        "weights": "plain",
        "batch_size": None,
    }.items(),
)
def test_field_has_its_default(field, value):
    assert getattr(relu(), field) == value


@table(
    {
        "erf scale": (Activation.named("erf").parameters, (("scale", 1),)),
        "batchnorm": (BatchNorm(), BatchNorm(gamma=1, beta=0, eps=0)),
        "relu kink": (Activation.named("relu").kinks, (0,)),
    },
    "given, expected",
)
def test_record_has_its_default(given, expected):
    assert given == expected


BATCHNORM = BatchNorm(gamma=1.3, beta=0.5)
SAME = {
    "activation by name and by record": ({"activation": Activation.named("relu")}, {}),
    "activation by name and by table": ({"activation": {"name": "relu"}}, {}),
    "erf by name and with its default scale": (
        {"activation": "erf"},
        {"activation": {"name": "erf", "scale": 1}},
    ),
    "2 and 2.0": ({"sigma_w2": 2.0}, {"sigma_w2": 2}),
    "list and tuple": ({"ratios": [1, 2, 0.5]}, {"ratios": (1, 2, 0.5)}),
    "default ratios": ({"ratios": [1, 1, 1]}, {}),
    "default overlaps": ({"input_overlaps": [1, 0]}, {}),
    "hidden and layers": ({"hidden": "batchnorm"}, {"layers": ["batchnorm", "batchnorm"]}),
    "hidden none and nothing": ({"hidden": "none"}, {}),
    "scheme by name and by record": ({"last": "mean-subtraction"}, {"last": MeanSubtraction()}),
    "scheme by table and by record": (
        {"last": {"kind": "batchnorm", "gamma": 1.3, "beta": 0.5}},
        {"last": BATCHNORM},
    ),
    "eps 0 by default": ({"last": {"kind": "batchnorm", "eps": 0}}, {"last": "batchnorm"}),
    "the present values": (
        {"parameterization": "standard", "loss": "mse", "weights": "plain", "batch_size": None},
        {},
    ),
    "numpy integers": ({"depth": np.int64(3), "outputs": np.int64(2)}, {"outputs": 2}),
}


@table(SAME, "one, other")
def test_two_ways_to_say_the_same_give_equal_records(one, other):
    assert relu(**one) == relu(**other)
    assert hash(relu(**one)) == hash(relu(**other))


DIFFERENT = {
    "activation": "tanh",
    "depth": 4,
    "sigma_w2": 2.1,
    "sigma_b2": 0.1,
    "ratios": [1, 1, 2],
    "outputs": 2,
    "input_overlaps": [1, 0.1],
    "bias_gradients": False,
    "layers": ["none", "batchnorm"],
    "hidden": "mean-subtraction",
    "last": "batchnorm",
}


@pytest.mark.parametrize(("field", "value"), DIFFERENT.items(), ids=DIFFERENT)
def test_another_value_of_one_field_gives_another_record(field, value):
    assert relu(**{field: value}) != relu()
    assert relu(**{field: value}).describe() != relu().describe()


RECORDS = {
    "network": relu(),
    "activation": Activation.named("erf"),
    "none": PLAIN,
    "mean-subtraction": MeanSubtraction(),
    "batchnorm": BATCHNORM,
}


@table(RECORDS, "record")
def test_record_is_frozen_and_a_key_of_a_dictionary(record):
    assert {record: 1}[replace(record)] == 1
    for field in fields(record):
        with pytest.raises(FrozenInstanceError):
            setattr(record, field.name, getattr(record, field.name))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_found_under_its_name_and_its_expression_parses(name):
    template = ACTIVATIONS[name]
    activation = Activation.named(name, **dict(template.needs))
    assert activation.name == name
    assert activation == template.example
    names = {node.identifier for node in walk(activation.tree) if isinstance(node, Name)}
    parameters = {parameter for parameter, _ in activation.parameters}
    assert names - {"x", "pi"} == (parameters if template.expression else set())


@pytest.mark.parametrize("kind", SCHEMES)
def test_scheme_is_found_under_its_name(kind):
    network = relu(hidden={"kind": kind} | ({"groups": 2} if kind == "groupnorm" else {}))
    assert {scheme.kind for scheme in network.layers} == {kind}


@pytest.mark.parametrize("kind", ["none", "mean-subtraction", "batchnorm", "layernorm"])
def test_scheme_is_found_in_the_last_layer(kind):
    assert relu(last=kind, outputs=4).last.kind == kind


def test_replacing_the_last_layer_keeps_the_hidden_ones():
    network = relu(layers=["none", BATCHNORM], last="mean-subtraction")
    assert replace(network, last=PLAIN) == relu(layers=["none", BATCHNORM])


@table(
    {
        "0.1": (0.1, Fraction(1, 10)),
        "0.3": (0.3, Fraction(3, 10)),
        "-2.5": (-2.5, Fraction(-5, 2)),
        "1e-7": (1e-7, Fraction(1, 10**7)),
        "1e23": (1e23, Fraction(10**23)),
        "numpy": (np.float64(0.1), Fraction(1, 10)),
        "integer": (3, Fraction(3)),
        "rational": (Fraction(1, 3), Fraction(1, 3)),
        "sympy": (sp.Rational(1, 3), Fraction(1, 3)),
    },
    "number, expected",
)
def test_float_stands_for_its_shortest_decimal_in_every_number_system(number, expected):
    assert exact(number) == expected
    assert symbols().number(number) == sp.Rational(expected.numerator, expected.denominator)
    m = precise(40)
    assert m.number(number) == m.context.mpf(expected.numerator) / expected.denominator


def test_prediction_reads_a_float_as_its_shortest_decimal():
    q1 = predict(relu(sigma_w2=0.1), 10, 4, digits=40).order_parameters.q1[0]
    assert q1.context.nstr(q1, 40, strip_zeros=False) == "0.1" + 39 * "0"


@table(
    {
        "half of one": (0.5, 1, 1),
        "half of three": (0.5, 3, 2),
        "half of five, even is not preferred": (0.5, 5, 3),
        "0.1 of 25": (0.1, 25, 3),
        "0.29 of 50, although its float is less": (0.29, 50, 15),
        "0.57 of 50, although its float is less": (0.57, 50, 29),
        "just below a half": (0.2499, 10, 2),
        "2.5 of one": (2.5, 1, 3),
        "a third": (Fraction(1, 3), 100, 33),
        "whole": (2, 7, 14),
    },
    "ratio, width, expected",
)
def test_width_is_rounded_half_up(ratio, width, expected):
    assert relu(ratios=[1, ratio, 1]).widths(width) == (width, expected, width, 1)


def test_widths_are_integers_of_python():
    widths = relu(ratios=[1, 2.5, 0.5], outputs=3).widths(np.int64(4))
    assert widths == (4, 10, 2, 3)
    assert {type(width) for width in widths} == {int}


@table(
    {
        "equal": ([1, 1, 1], 2),
        "unequal": ([1, 2, 0.5], 3),
        "outputs do not count": ([0.1, 0.2], Fraction(1, 50)),
        "deep": ([1, 2, 3, 4], 20),
    },
    "ratios, expected",
)
def test_alpha_counts_the_hidden_weights_by_nominal_ratios(ratios, expected):
    assert relu(depth=len(ratios), ratios=ratios, outputs=7).alpha == expected


@table(
    {
        "by hand": ([1, 2, 0.5], 3, 4, 8 * 4 + 2 * 8 + 3 * 2, 8 + 2 + 3),
        "two layers": ([1, 1], 1, 5, 5 * 5 + 5, 5 + 1),
        "rounded widths": ([1, 0.5], 2, 5, 3 * 5 + 2 * 3, 3 + 2),
    },
    "ratios, outputs, width, weights, biases",
)
def test_parameters_are_weights_and_biases_where_these_are_trained(
    ratios, outputs, width, weights, biases
):
    network = relu(depth=len(ratios), ratios=ratios, outputs=outputs)
    assert network.parameter_count(width) == weights + biases
    assert replace(network, bias_gradients=False).parameter_count(width) == weights


def test_counts_of_symbols_are_symbols():
    M, C, a = sp.symbols("M C a", positive=True)
    network = Network("linear", depth=2, sigma_w2=1, ratios=[1, a], outputs=C)
    assert network.widths(M) == (M, a * M, C)
    assert network.alpha == a
    assert sp.expand(network.parameter_count(M)) == sp.expand(a * M * (M + 1) + C * (a * M + 1))


# A file says the same as a record

FILES = {
    "all fields": (
        """
        activation = {name = "erf", scale = 0.7}
        depth = 3
        ratios = [1, 2.5, 0.5]
        outputs = 4
        sigma_w2 = 2
        sigma_b2 = 0.3
        input_overlaps = [1.5, -0.25]
        bias_gradients = false
        layers = ["none", {kind = "batchnorm", gamma = 1.3, beta = 0.5, eps = 0.1}]
        last = "mean-subtraction"
        parameterization = "standard"
        loss = "mse"
        weights = "plain"
        """,
        Network(
            Activation.named("erf", scale=0.7),
            depth=3,
            ratios=(1, 2.5, 0.5),
            outputs=4,
            sigma_w2=2,
            sigma_b2=0.3,
            input_overlaps=(1.5, -0.25),
            bias_gradients=False,
            layers=(PLAIN, BatchNorm(gamma=1.3, beta=0.5, eps=0.1)),
            last=MeanSubtraction(),
        ),
    ),
    "the least": ('activation = "relu"\ndepth = 3\nsigma_w2 = 2', relu()),
    "tables": (
        'depth = 3\nsigma_w2 = 2\n[activation]\nname = "relu"\n[last]\nkind = "batchnorm"\neps = 1',
        relu(last=BatchNorm(eps=1)),
    ),
    "hidden": (
        'activation = "relu"\ndepth = 3\nsigma_w2 = 2\nhidden = {kind = "batchnorm", eps = 1}',
        relu(hidden=BatchNorm(eps=1)),
    ),
    "Windows line ends": ('activation = "relu"\r\ndepth = 3\r\nsigma_w2 = 2\r\n', relu()),
}


@table(FILES, "text, expected")
def test_file_says_the_same_as_the_record(text, expected, tmp_path):
    path = tmp_path / "net.toml"
    path.write_bytes(text.encode())
    assert read_network(path) == read_network(str(path)) == expected


positive = st.floats(1e-3, 1e30) | st.integers(1, 10**30)
number = st.floats(-1e6, 1e6) | st.integers(-100, 100)
schemes = (
    st.just(PLAIN)
    | st.just(MeanSubtraction())
    | st.builds(BatchNorm, gamma=positive, beta=number, eps=st.floats(0, 10))
)


@st.composite
def networks(draw):
    depth = draw(st.integers(2, 5))
    name = draw(st.sampled_from(list(ACTIVATIONS)))
    activation = ACTIVATIONS[name].example
    same = draw(st.floats(0.1, 10))
    return Network(
        Activation.named("erf", scale=draw(positive)) if name == "erf" else activation,
        depth=depth,
        ratios=draw(st.lists(positive, min_size=depth, max_size=depth)),
        outputs=draw(st.integers(1, 10**12)),
        sigma_w2=draw(positive),
        sigma_b2=draw(st.just(0) | positive),
        input_overlaps=(same, same * draw(st.floats(-0.99, 0.99))),
        bias_gradients=draw(st.booleans()),
        layers=draw(st.lists(schemes, min_size=depth - 1, max_size=depth - 1)),
        last=draw(schemes),
    )


@given(network=networks())
@settings(deadline=None)
def test_description_of_a_network_is_read_back_as_the_same_network(network):
    description = network.describe()
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    twin = parse_network(to_toml(description))
    assert twin == network
    assert hash(twin) == hash(network)
    assert twin.describe() == description
    assert [exact(twin.sigma_w2), twin.alpha] == [exact(network.sigma_w2), network.alpha]


# Meaningless descriptions, said as a record and as a file

REFUSED = {
    "unknown activation": ({"activation": "rleu"}, "'rleu'", *ACTIVATIONS),
    "activation number": ({"activation": 3}, "activation", "3 given"),
    "activation list": ({"activation": ["relu"]}, "activation", "['relu'] given"),
    "activation without name": ({"activation": {"scale": 1}}, "activation", "name"),
    "activation name number": ({"activation": {"name": 3}}, "unknown activation 3"),
    "unknown parameter": ({"activation": {"name": "erf", "scael": 1}}, "'scael'", "'scale'"),
    "parameter of none": ({"activation": {"name": "relu", "scale": 1}}, "relu", "'scale'"),
    "parameter cls": ({"activation": {"name": "erf", "cls": 1}}, "'cls'"),
    "parameter self": ({"activation": {"name": "erf", "self": 1}}, "'self'"),
    "scale nan": ({"activation": {"name": "erf", "scale": NAN}}, "erf.scale", "finite", "nan"),
    "scale inf": ({"activation": {"name": "erf", "scale": INF}}, "erf.scale", "finite", "inf"),
    "scale string": ({"activation": {"name": "erf", "scale": "1"}}, "erf.scale", "'1'"),
    "scale bool": ({"activation": {"name": "erf", "scale": True}}, "erf.scale", "True"),
    "depth 1": ({"depth": 1}, "depth", "at least 2", "1 given"),
    "depth 0": ({"depth": 0}, "depth", "at least 2", "0 given"),
    "depth negative": ({"depth": -3}, "depth", "at least 2", "-3 given"),
    "depth float": ({"depth": 3.0}, "depth", "whole number", "3.0 given"),
    "depth bool": ({"depth": True}, "depth", "whole number", "True given"),
    "depth string": ({"depth": "3"}, "depth", "whole number", "'3' given"),
    "depth list": ({"depth": [3]}, "depth", "whole number", "[3] given"),
    "ratios too few": ({"ratios": [1, 2]}, "ratios", "3 numbers", "[1, 2] given"),
    "ratios too many": ({"ratios": [1, 2, 3, 4]}, "ratios", "3 numbers", "[1, 2, 3, 4] given"),
    "ratios empty": ({"ratios": []}, "ratios", "3 numbers", "[] given"),
    "ratios number": ({"ratios": 1}, "ratios", "3 numbers", "1 given"),
    "ratios string": ({"ratios": "111"}, "ratios", "3 numbers", "'111' given"),
    "ratio zero": ({"ratios": [1, 0, 1]}, "ratios[1]", "positive", "0 given"),
    "ratio negative": ({"ratios": [1, 1, -0.5]}, "ratios[2]", "positive", "-0.5 given"),
    "ratio nan": ({"ratios": [NAN, 1, 1]}, "ratios[0]", "finite", "nan given"),
    "ratio inf": ({"ratios": [1, INF, 1]}, "ratios[1]", "finite", "inf given"),
    "ratio bool": ({"ratios": [True, 1, 1]}, "ratios[0]", "number", "True given"),
    "ratio string": ({"ratios": ["1", 1, 1]}, "ratios[0]", "number", "'1' given"),
    "ratio list": ({"ratios": [[1], 1, 1]}, "ratios[0]", "number", "[1] given"),
    "outputs 0": ({"outputs": 0}, "outputs", "at least 1", "0 given"),
    "outputs negative": ({"outputs": -1}, "outputs", "at least 1", "-1 given"),
    "outputs float": ({"outputs": 1.0}, "outputs", "whole number", "1.0 given"),
    "outputs bool": ({"outputs": True}, "outputs", "whole number", "True given"),
    "sigma_w2 zero": ({"sigma_w2": 0}, "sigma_w2", "positive", "0 given"),
    "sigma_w2 negative": ({"sigma_w2": -0.5}, "sigma_w2", "positive", "-0.5 given"),
    "sigma_w2 nan": ({"sigma_w2": NAN}, "sigma_w2", "finite", "nan given"),
    "sigma_w2 inf": ({"sigma_w2": INF}, "sigma_w2", "finite", "inf given"),
    "sigma_w2 string": ({"sigma_w2": "2"}, "sigma_w2", "number", "'2' given"),
    "sigma_w2 bool": ({"sigma_w2": True}, "sigma_w2", "number", "True given"),
    "sigma_w2 list": ({"sigma_w2": [2]}, "sigma_w2", "number", "[2] given"),
    "sigma_w2 table": ({"sigma_w2": {"a": 1}}, "sigma_w2", "number", "{'a': 1} given"),
    "sigma_w2 date": ({"sigma_w2": datetime.date(1979, 5, 27)}, "sigma_w2", "number", "1979"),
    "sigma_w2 beyond floats": ({"sigma_w2": 10**400}, "sigma_w2", "finite"),
    "sigma_b2 negative": ({"sigma_b2": -0.1}, "sigma_b2", "at least 0", "-0.1 given"),
    "sigma_b2 nan": ({"sigma_b2": NAN}, "sigma_b2", "finite", "nan given"),
    "sigma_b2 inf": ({"sigma_b2": -INF}, "sigma_b2", "finite", "-inf given"),
    "sigma_b2 string": ({"sigma_b2": "0"}, "sigma_b2", "number", "'0' given"),
    "sigma_b2 bool": ({"sigma_b2": False}, "sigma_b2", "number", "False given"),
    "one overlap": ({"input_overlaps": [1]}, "input_overlaps", "two numbers", "[1] given"),
    "three overlaps": ({"input_overlaps": [1, 0, 0]}, "input_overlaps", "two numbers"),
    "overlaps number": ({"input_overlaps": 1}, "input_overlaps", "two numbers", "1 given"),
    "overlap of one zero": ({"input_overlaps": [0, 0]}, "input_overlaps[0]", "positive"),
    "overlaps equal": ({"input_overlaps": [1, 1]}, "input_overlaps", "[1, 1] given"),
    "overlaps opposite": ({"input_overlaps": [1, -1]}, "input_overlaps", "[1, -1] given"),
    "overlap of two larger": ({"input_overlaps": [1, 1.5]}, "input_overlaps", "[1, 1.5] given"),
    "overlap nan": ({"input_overlaps": [1, NAN]}, "input_overlaps[1]", "finite", "nan given"),
    "overlap bool": ({"input_overlaps": [1, False]}, "input_overlaps[1]", "number", "False"),
    "bias_gradients number": ({"bias_gradients": 1}, "bias_gradients", "true or false", "1 given"),
    "bias_gradients string": ({"bias_gradients": "true"}, "bias_gradients", "'true' given"),
    "hidden and layers": ({"hidden": "none", "layers": ["none", "none"]}, "hidden", "layers"),
    "hidden unknown": ({"hidden": "batchnrom"}, "'batchnrom'", *SCHEMES),
    "hidden number": ({"hidden": 3}, "scheme", "3 given"),
    "hidden list": ({"hidden": ["none", "none"]}, "scheme", "['none', 'none'] given"),
    "layers too few": ({"layers": ["none"]}, "layers", "2 hidden layers", "1"),
    "layers too many": ({"layers": 3 * ["none"]}, "layers", "2 hidden layers", "3"),
    "layers name": ({"layers": "none"}, "layers", "list of 2", "'none' given"),
    "layers table": ({"layers": {"kind": "none"}}, "layers", "list of 2", "{'kind': 'none'}"),
    "layers number": ({"layers": 2}, "layers", "list of 2", "2 given"),
    "layers unknown": ({"layers": ["none", "nune"]}, "'nune'", *SCHEMES),
    "layers nested": ({"layers": ["none", ["none"]]}, "scheme", "['none'] given"),
    "last unknown": ({"last": "layernrom"}, "'layernrom'", *SCHEMES),
    "last without kind": ({"last": {"gamma": 1}}, "scheme", "kind"),
    "last kind number": ({"last": {"kind": 1}}, "unknown scheme 1", *SCHEMES),
    "last unknown key": ({"last": {"kind": "batchnorm", "gama": 1}}, "'gama'", "'gamma'"),
    "option of none": ({"last": {"kind": "none", "eps": 0}}, "none", "'eps'"),
    "gamma zero": ({"last": {"kind": "batchnorm", "gamma": 0}}, "gamma", "0"),
    "gamma nan": ({"last": {"kind": "batchnorm", "gamma": NAN}}, "gamma", "finite", "nan given"),
    "gamma bool": ({"last": {"kind": "batchnorm", "gamma": True}}, "gamma", "number", "True"),
    "gamma vector": ({"last": {"kind": "batchnorm", "gamma": [1, 1]}}, "gamma", "[1, 1] given"),
    "beta inf": ({"last": {"kind": "batchnorm", "beta": INF}}, "beta", "finite", "inf given"),
    "beta string": ({"last": {"kind": "batchnorm", "beta": "0"}}, "beta", "number", "'0' given"),
    "eps negative": ({"last": {"kind": "batchnorm", "eps": -1}}, "eps", "at least 0", "-1 given"),
    "eps nan": ({"hidden": {"kind": "batchnorm", "eps": NAN}}, "eps", "finite", "nan given"),
    "other parameterization": (
        {"parameterization": "mup"},
        "not covered yet: ",
        "parameterization",
        "'mup'",
        "standard, ntk",
    ),
    "other loss": ({"loss": "hinge"}, "not covered yet: ", "loss", "'hinge'", "cross-entropy"),
    "other weights": (
        {"weights": "standardized"},
        "not covered yet: ",
        "weights",
        "'standardized'",
        "weight-standardization",
    ),
    "other placement": (
        {"placement": "after-nonlinearity"},
        "not covered yet: ",
        "placement",
        "before-nonlinearity",
    ),
    "batch size one": ({"batch_size": 1}, "batch_size", "at least 2", "1 given"),
    "batch size half": ({"batch_size": 2.5}, "batch_size", "whole number", "2.5 given"),
    "loss number": ({"loss": 1}, "not covered yet: ", "loss", "1", "mse"),
    "cross-entropy of one output": ({"loss": "cross-entropy"}, "cross-entropy", "outputs >= 2"),
    "cross-entropy of centred outputs": (
        {"loss": "cross-entropy", "last": "mean-subtraction", "outputs": 3},
        "cross-entropy",
        "last",
        "'mean-subtraction' given",
    ),
    "cross-entropy in batches": (
        {"loss": "cross-entropy", "outputs": 3, "batch_size": 8},
        "not covered yet: ",
        "cross-entropy",
        "batch_size",
    ),
    "layernorm of one output": ({"last": "layernorm"}, "layernorm", "outputs >= 2"),
    "layernorm of outputs in batches": (
        {"last": "layernorm", "outputs": 4, "batch_size": 8},
        "not covered yet: ",
        "layernorm",
        "batch_size",
    ),
    "layernorm of outputs with eps": (
        {"last": {"kind": "layernorm", "eps": 0.1}, "outputs": 4},
        "not covered yet: ",
        "eps > 0",
    ),
    "trained scale in the last layer": (
        {"last": {"kind": "batchnorm", "trained": True}},
        "not covered yet: ",
        "last layer",
        "trained",
    ),
    "random shift in the last layer": (
        {"last": {"kind": "batchnorm", "beta_std": 0.1}},
        "not covered yet: ",
        "last layer",
        "random",
    ),
    "rmsnorm in the last layer": ({"last": "rmsnorm"}, "not covered yet: ", "rmsnorm"),
    "groupnorm in the last layer": (
        {"last": {"kind": "groupnorm", "groups": 1}},
        "not covered yet: ",
        "groupnorm",
    ),
    "groupnorm without groups": ({"hidden": "groupnorm"}, "groupnorm", "groups = 4"),
    "no groups": ({"hidden": {"kind": "groupnorm", "groups": 0}}, "groups", "at least 1"),
    "half a group": ({"hidden": {"kind": "groupnorm", "groups": 0.5}}, "groups", "whole number"),
    "groups of layernorm": ({"hidden": {"kind": "layernorm", "groups": 2}}, "'groups'"),
    "eps of layernorm": ({"hidden": {"kind": "layernorm", "eps": -1}}, "eps", "at least 0"),
    "negative gamma_std": (
        {"hidden": {"kind": "batchnorm", "gamma_std": -0.1}},
        "gamma_std",
        "at least 0",
        "-0.1 given",
    ),
    "negative beta_std": (
        {"hidden": {"kind": "rmsnorm", "beta_std": -0.1}},
        "rmsnorm.beta_std",
        "at least 0",
    ),
    "trained number": ({"hidden": {"kind": "batchnorm", "trained": 1}}, "true or false", "1 given"),
    "ntk of normalized weights": (
        {"parameterization": "ntk", "weights": "weight-normalization"},
        "not covered yet: ",
        "ntk",
        "'weight-normalization'",
    ),
    "raw variance of plain weights": ({"raw_variance": 2}, "raw_variance", "sigma_w2"),
    "raw variance zero": (
        {"weights": "weight-normalization", "raw_variance": 0},
        "raw_variance",
        "positive",
    ),
    "trained gains of plain weights": ({"trained_gains": True}, "trained_gains", "'plain' given"),
    "trained gains number": (
        {"weights": "weight-normalization", "trained_gains": 1},
        "trained_gains",
        "true or false",
    ),
    "trained gains above layernorm": (
        {"weights": "weight-normalization", "trained_gains": True, "hidden": "layernorm"},
        "not covered yet: ",
        "trained_gains",
        "layernorm",
    ),
    "two lines in a name": ({"activation": "re\nlu"}, r"'re\nlu'"),
    "two lines in a scheme": ({"last": "no\nne"}, r"'no\nne'"),
}
SOURCES = {
    "record": lambda fields: relu(**fields),
    "file": lambda fields: parse_network(
        to_toml({"activation": "relu", "depth": 3, "sigma_w2": 2} | fields)
    ),
}


@table(SOURCES, "source")
@table(REFUSED)
def test_meaningless_description_is_refused_in_one_line(source, case):
    values, *parts = case
    refused(lambda: source(values), *parts)


@table(
    {
        "None": ({"sigma_w2": None}, "sigma_w2", "None given"),
        "complex": ({"sigma_w2": 1j}, "sigma_w2", "1j given"),
        "array": ({"sigma_w2": np.array([2.0, 1.0])}, "sigma_w2"),
        "array without dimensions": ({"sigma_w2": np.array(2.0)}, "sigma_w2"),
        "numpy bool": ({"sigma_w2": np.bool_(True)}, "sigma_w2"),
        "bytes": ({"ratios": b"abc"}, "ratios"),
        "set": ({"ratios": {1, 2, 3}}, "ratios"),
        "class of a scheme": ({"last": BatchNorm}, "BatchNorm"),
        "no scheme": ({"last": None}, "None given"),
        "key of a scheme": ({"last": {"kind": "batchnorm", 1: 1}}, "1"),
        "key of an activation": ({"activation": {"name": "erf", 1: 1}}, "1"),
        "symbol of any sign": ({"sigma_w2": sp.Symbol("s")}, "sigma_w2", "positive"),
        "symbol of any sign, bias": ({"sigma_b2": sp.Symbol("s")}, "sigma_b2", "at least 0"),
        "symbol for the depth": ({"depth": sp.Symbol("L", positive=True)}, "depth"),
    }
)
def test_object_without_meaning_is_refused_in_one_line(case):
    values, *parts = case
    refused(lambda: relu(**values), *parts)


def test_groups_that_do_not_divide_a_width_are_refused():
    network = relu(hidden={"kind": "groupnorm", "groups": 4})
    assert network.widths(8)[1] == 8
    refused(lambda: network.widths(10), "4 groups", "10 units", "layer 1")


def test_batches_that_do_not_divide_the_samples_are_refused():
    network = relu(batch_size=8)
    assert (network.batch(24), relu().batch(24)) == (8, 24)
    refused(lambda: network.batch(20), "batch_size = 8", "20 given")


def test_parameters_are_counted_by_group():
    trained = {"kind": "batchnorm", "trained": True}
    network = relu(
        layers=[trained, "none"], weights="weight-normalization", trained_gains=True, outputs=3
    )
    assert network.parameter_groups(10) == {
        "weights": 230,
        "biases": 23,
        "scales": 10,
        "shifts": 10,
        "gains": 23,
    }
    assert network.parameter_count(10) == 296
    assert relu(bias_gradients=False).parameter_groups(10) == {"weights": 210}


@pytest.mark.parametrize(
    "later",
    [
        {"parameterization": "ntk"},
        {"loss": "cross-entropy", "outputs": 2},
        {"weights": "weight-standardization", "raw_variance": 0.7},
        {"weights": "weight-normalization", "trained_gains": True},
        {"batch_size": 8},
        {"hidden": {"kind": "layernorm", "trained": True, "beta_std": 0.5}},
    ],
    ids=str,
)
def test_later_fields_are_in_a_description_where_they_differ(later):
    network = relu(**later)
    assert relu(**network.describe()) == network
    assert network.describe() != relu(outputs=network.outputs).describe()
    assert not set(LATER) & set(relu().describe())


@pytest.mark.parametrize("field", ["parameterization", "loss", "weights", "placement"])
def test_value_without_a_rule_is_of_its_own_type(field):
    with pytest.raises(NotCovered):
        relu(**{field: "another"})


@table(
    {
        "expression outside the grammar": ("steep", "open('f')"),
        "expression of no type": ("steep", 3),
        "unknown parameter": ("steep", "slope*x"),
        "parameter called x": ("steep", "x", (("x", 1),)),
        "parameter nan": ("steep", "slope*x", (("slope", NAN),)),
        "parameter string": ("steep", "slope*x", (("slope", "1"),)),
        "kink nan": ("steep", "abs(x)", (), (NAN,)),
        "kink string": ("steep", "abs(x)", (), ("0",)),
    },
    "fields",
)
def test_activation_is_validated_when_built(fields):
    refused(lambda: Activation(*fields))


def test_activation_of_another_name_is_predicted_by_its_expression():
    known, renamed = (relu(activation=Activation(name, "tanh(x)")) for name in ("tanh", "bent"))
    expected = predict(known, 10, 4).K[:2]
    assert predict(renamed, 10, 4).K[:2] == pytest.approx(expected, rel=1e-10)


@table(
    {
        "zero": (0, "at least 1"),
        "negative": (-4, "at least 1"),
        "float": (10.0, "whole number"),
        "bool": (True, "whole number"),
        "string": ("10", "whole number"),
        "layer becomes empty": (4, "layer 1", "0.1", "larger"),
    }
)
def test_width_without_meaning_is_refused_in_one_line(case):
    width, *parts = case
    refused(lambda: relu(ratios=[1, 0.1, 1]).widths(width), *parts, str(width))


@pytest.mark.parametrize("width", [5, 14])
def test_layer_of_half_a_unit_is_not_empty(width):
    assert relu(ratios=[1, 0.1, 1]).widths(width)[1] == 1


# Files that say nothing

LEAST = 'activation = "relu"\ndepth = 3\nsigma_w2 = 2\n'
BROKEN = {
    "empty": ("", "activation", "depth", "sigma_w2"),
    "only a comment": ("# nothing", "activation", "depth", "sigma_w2"),
    "one key missing": ("depth = 3\nsigma_w2 = 2", "activation"),
    "unknown key": (LEAST + "detph = 3", "'detph'", "'depth'"),
    "unknown key, plural": (LEAST + "output = 3", "'output'", "'outputs'"),
    "unknown key, far from all": (LEAST + "zzz = 3", "'zzz'", "known", "sigma_b2", "hidden"),
    "unknown key of two lines": (LEAST + '"a\\nb" = 3', r"'a\nb'"),
    "unknown table": (LEAST + "[layer]\nkind = 'none'", "'layer'", "'layers'"),
    "private key": (LEAST + "_ = 1", "'_'"),
    "doubled key": (LEAST + "depth = 3\n", "line 4", "column"),
    "doubled key at the end": (LEAST + "depth = 4", "line 4", "column"),
    "doubled key in a table": (
        LEAST + 'last = {kind = "none",\tkind = "none"}\n',
        "line 4",
        "column",
    ),
    "doubled table": (LEAST + "[last]\nkind = 'none'\n[last]\nkind = 'none'", "line 6", "column"),
    "no TOML": (LEAST + "last = = 3\n", "line 4", "column"),
    "a list of tables": (LEAST + "[[last]]\nkind = 'none'", "scheme"),
    "a null byte": (LEAST + "\0", "line 4"),
    "lists nested too deep": (LEAST + "ratios = " + "[" * 5000 + "]" * 5000, "net.toml"),
    "tables nested too deep": (LEAST + "last = " + "{a=" * 5000 + "1" + "}" * 5000, "net.toml"),
    "a number too long": (LEAST + "outputs = 1" + "0" * 5000, "net.toml"),
}


@table(BROKEN)
def test_broken_file_is_refused_in_one_line(case):
    text, *parts = case
    refused(lambda: parse_network(text, "net.toml"), *parts)


@table(
    {
        "unknown key": (LEAST + "detph = 3", "'detph'"),
        "doubled key": (LEAST + "depth = 3", "line 4"),
        "no network": ("", "missing"),
    },
    "text, part",
)
def test_broken_file_is_named(text, part, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(text)
    refused(lambda: read_network(path), str(path), part)


@table(
    {
        "missing": lambda path: None,
        "a directory": lambda path: path.mkdir(),
        "binary": lambda path: path.write_bytes(bytes(range(256))),
        "UTF-16": lambda path: path.write_text(LEAST, encoding="utf-16"),
    },
    "make",
)
def test_unreadable_file_is_refused_in_one_line(make, tmp_path):
    path = tmp_path / "net.toml"
    make(path)
    refused(lambda: read_network(path), str(path))


def test_reader_of_toml_accepts_what_the_writer_of_this_test_writes():
    values = {"a b": [1, 2.5, -1e-7, 1e30], "c": {"d": True, "e": 'quote " and\n line'}}
    assert tomllib.loads(to_toml(values)) == values
