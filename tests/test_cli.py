"""The command line: what it prints, where, and with which exit status."""

import io
import json
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from derivations.catalogue import theorem
from derivations.cli import main
from derivations.evidence import Judged
from numerics.ensemble import SEED_BASE, measure
from numerics.verdict import Verdict
from theory.network_file import read_network

ROOT = Path(__file__).parent.parent
PREDICTED = {
    "network",
    "width",
    "samples",
    "parameters",
    "K",
    "kappa",
    "kappa_leading",
    "uniform_mode",
    "bulk_mode",
    "order_parameters",
    "mean_eigenvalue",
    "second_moment",
    "spectrum",
    "largest_eigenvalue",
    "learning_rate_threshold",
}
MEASURED = (
    "kappa1",
    "kappa2",
    "uniform_mode",
    "mean_eigenvalue",
    "second_moment",
    "top_mean",
    "largest_eigenvalue",
    "alignment",
)
JUDGED = {
    "id": str,
    "network": str,
    "quantity": str,
    "samples": int,
    "verdict": str,
    "z": float,
    "p": float,
    "alpha": float,
    "power": float,
    "look": int,
    "alpha_row": float,
    "chi2_dof": float,
    "measured": float,
    "standard_error": float,
    "tau": float,
    "nu": float,
    "predicted": float,
    "detectable": float,
    "delta": float,
    "powers": list,
    "widths": list,
    "seeds": list,
    "seed_base": int,
}
RELU = {"activation": "relu", "depth": 3, "sigma_w2": 2, "sigma_b2": 0.1}
TANH = {"activation": "tanh", "depth": 3, "sigma_w2": 3, "sigma_b2": 0.64}
LINEAR = {"activation": "linear", "depth": 3, "sigma_w2": 1}
LASTS = ("none", "mean-subtraction", "batchnorm")


def table(cases, names="case"):
    return pytest.mark.parametrize(names, cases.values(), ids=cases)


@pytest.fixture
def net(tmp_path):
    """Writes a network file; names and lists look the same in TOML and JSON."""

    def write(base=RELU, **fields):
        path = tmp_path / "net.toml"
        lines = [f"{key} = {_toml(value)}" for key, value in (base | fields).items()]
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return repr(value) if isinstance(value, float) else json.dumps(value)


@pytest.fixture
def run(capsys):
    """Runs a command line: its exit status, and what it wrote."""

    def command(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def result(run):
    """The JSON of a command that ends well and says nothing else."""

    def command(*arguments):
        status, out, err = run(*arguments, "--json")
        assert (status, err) == (0, "")
        return strict(out)

    return command


def strict(text):
    """JSON without NaN and infinity, in which no key is written twice."""

    def unique(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=pytest.fail, object_pairs_hook=unique)


def sized(command, path, width=100, samples=10):
    return (command, path, "--width", width, "--samples", samples)


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def refused(outcome, *parts):
    """Exit status 2, nothing on stdout, one line on stderr that contains all parts."""
    status, out, err = outcome
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("fisherfield")
    for part in parts:
        assert part in err


# predict


IN_PROPORTION = ("standard_deviation", "c1", "c2", "lower_leading", "upper_leading")


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
@pytest.mark.parametrize("last", LASTS)
def test_prediction_has_its_documented_keys_with_numbers_as_numbers(result, net, last, regime):
    path = net(outputs=3, ratios=[1, 2, 0.5], last=last)
    said = result(*sized("predict", path, 100, 40), "--regime", regime)
    assert said.keys() >= PREDICTED
    assert said["network"] == read_network(path).describe()
    assert (said["width"], said["samples"], said["parameters"]) == (100, 40, 30403)
    assert {len(said[name]) for name in ("K", "kappa", "kappa_leading")} == {2}
    order = said["order_parameters"]
    assert list(order) == ["q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2"]
    assert {len(values) for values in order.values()} == {3}
    assert {tuple(mode) for mode in said["spectrum"]} == {
        ("eigenvalue", "multiplicity", "direction")
    }
    assert sum(mode["multiplicity"] for mode in said["spectrum"]) == 3 * 40
    largest = said["largest_eigenvalue"]
    assert list(largest) == ["value", "lower", "upper", "order", "regime", *IN_PROPORTION]
    numbers = [said[name] for name in PREDICTED - {"network", "spectrum", "largest_eigenvalue"}]
    numbers += [mode["eigenvalue"] for mode in said["spectrum"]]
    numbers += [largest[name] for name in ("value", "lower", "upper", *IN_PROPORTION)]
    assert {type(leaf) for leaf in leaves(numbers)} <= {int, float, type(None)}


@pytest.mark.parametrize("last", LASTS)
def test_kernel_is_that_of_the_linear_outputs(result, net, last):
    linear, mapped = (result(*sized("predict", net(last=which))) for which in ("none", last))
    for name in ("K", "kappa", "kappa_leading", "uniform_mode", "bulk_mode", "order_parameters"):
        assert mapped[name] == linear[name]


def test_modes_and_scales_follow_from_the_kernel(result, net):
    said = result(*sized("predict", net(ratios=[1, 2, 0.5])))
    (K1, K2), N, alpha = said["K"], 10, 3
    assert said["kappa"] == pytest.approx([K1 / (alpha * 100), K2 / (alpha * 100)])
    assert said["uniform_mode"] == pytest.approx((K1 + (N - 1) * K2) / N)
    assert said["bulk_mode"] == pytest.approx((K1 - K2) / N)
    assert said["largest_eigenvalue"]["value"] == said["uniform_mode"]
    assert said["learning_rate_threshold"] == pytest.approx(2 / said["uniform_mode"])


@pytest.mark.parametrize("last", LASTS)
def test_moments_are_those_of_the_spectrum(result, net, last):
    said = result(*sized("predict", net(outputs=2, last=last)))
    eigenvalues = [mode["eigenvalue"] for mode in said["spectrum"]]
    counts = [mode["multiplicity"] for mode in said["spectrum"]]
    P = said["parameters"]
    assert said["mean_eigenvalue"] == pytest.approx(np.dot(counts, eigenvalues) / P)
    if last != "batchnorm":
        assert said["second_moment"] == pytest.approx(np.dot(counts, np.square(eigenvalues)) / P)


@table(
    {
        "relu": (RELU, "1.575", "0.40149422"),
        "tanh": (TANH, "0.95552190", "0.11861537"),
        "erf": (
            {
                "activation": {"name": "erf", "scale": 0.7071067811865476},
                "depth": 3,
                "sigma_w2": 2,
                "sigma_b2": 0.3,
            },
            "0.53688006",
            "0.07478749",
        ),
    },
    "network, kappa1, kappa2",
)
def test_leading_kernel_has_its_known_value_to_all_digits(result, net, network, kappa1, kappa2):
    arguments = sized("predict", net(network))
    for values in (
        result(*arguments)["kappa_leading"],
        result(*arguments, "--digits", 10)["kappa_leading"],
    ):
        for value, known in zip(values, (kappa1, kappa2), strict=True):
            assert round(Decimal(value), -Decimal(known).as_tuple().exponent) == Decimal(known)


@table(
    {
        "relu": (RELU, 30, 45),
        "relu behind mean subtraction": (RELU | {"last": "mean-subtraction"}, 30, 45),
        "relu behind batch norm": (RELU | {"last": "batchnorm"}, 30, 45),
        "relu behind regularized batch norm": (
            RELU | {"last": {"kind": "batchnorm", "eps": 0.3}},
            20,
            25,
        ),
        "linear": (LINEAR, 100, 110),
        "tanh": (TANH, 10, 13),
    },
    "network, digits, more",
)
def test_numbers_with_digits_are_strings_with_that_many_digits(result, net, network, digits, more):
    arguments = sized("predict", net(network))
    floats, short, long = (
        result(*arguments, *options) for options in ((), ("--digits", digits), ("--digits", more))
    )
    for name in PREDICTED - {"network", "width", "samples", "parameters"}:
        said = zip(leaves(floats[name]), leaves(short[name]), leaves(long[name]), strict=True)
        for number, rounded, longer in said:
            if not isinstance(number, float):
                assert number == rounded == longer
                continue
            assert (type(rounded), type(longer)) == (str, str)
            assert float(rounded) == pytest.approx(number, rel=1e-9, abs=1e-12)
            error = abs(Decimal(rounded) - Decimal(longer))
            assert error <= abs(Decimal(longer)) * Decimal(10) ** (1 - digits)
            assert number == 0 or len(Decimal(rounded).as_tuple().digits) == digits


@table(
    {
        "the uniform mode": (RELU, "none", 10, "fixed-samples", "M", "uniform"),
        "the bulk of opposite samples": (
            LINEAR | {"input_overlaps": [1, -0.4], "bias_gradients": False},
            "none",
            3,
            "fixed-samples",
            "M",
            "bulk",
        ),
        "the bulk of centred outputs": (RELU, "mean-subtraction", 10, "fixed-samples", "M", "bulk"),
    },
    "base, last, samples, regime, order, mode",
)
def test_largest_eigenvalue_is_a_mode(result, net, base, last, samples, regime, order, mode):
    path = net(base, last=last)
    said = result(*sized("predict", path, 1000, samples), "--regime", regime)
    largest = said["largest_eigenvalue"]
    assert (largest["order"], largest["regime"]) == (order, regime)
    assert largest["value"] == said[f"{mode}_mode"]
    assert said["learning_rate_threshold"] == pytest.approx(2 / largest["value"])


@table(
    {
        "the uniform mode": (RELU, "none", "M", "proportional", False),
        "the uniform mode in the bulk": (
            LINEAR | {"sigma_b2": 0},
            "none",
            "1",
            "proportional",
            True,
        ),
        "the edge of centred outputs": (RELU, "mean-subtraction", "1", "proportional", True),
        "normalized outputs": (RELU, "batchnorm", "1", "random", False),
    },
    "base, last, order, regime, spread",
)
def test_largest_eigenvalue_in_proportion(result, net, base, last, order, regime, spread):
    arguments = sized("predict", net(base, last=last), 1000, 500)
    said = result(*arguments, "--regime", "proportional")
    largest = said["largest_eigenvalue"]
    assert (largest["order"], largest["regime"]) == (order, regime)
    assert said["learning_rate_threshold"] == pytest.approx(2 / largest["value"])
    assert (largest["standard_deviation"] is not None) == spread
    if not spread:
        assert "not derived" in said["reason"]


def test_unknown_largest_eigenvalue_is_null_with_its_reason(result, net):
    said = result(*sized("predict", net(RELU, last="batchnorm"), 1000, 500))
    assert said["largest_eigenvalue"]["value"] is None
    assert said["largest_eigenvalue"]["regime"] == "random"
    assert said["learning_rate_threshold"] is None
    assert len(said["reason"]) > 20


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
def test_bounds_of_centred_outputs_are_those_of_the_paper(result, net, regime):
    path = net(outputs=4, last="mean-subtraction", ratios=[1, 2, 0.5])
    said = result(*sized("predict", path, 1000, 250), "--regime", regime)
    rho, alpha, gap = 4, 3, said["kappa"][0] - said["kappa"][1]
    largest, suffix = said["largest_eigenvalue"], "" if regime == "fixed-samples" else "_leading"
    assert largest["lower" + suffix] == pytest.approx(rho * alpha * gap)
    upper = math.sqrt(4 * alpha**2 * rho * gap**2 * 1000)
    assert largest["upper" + suffix] == pytest.approx(upper)
    if suffix:
        assert largest["lower_leading"] < largest["lower"] < largest["value"] < largest["upper"]


@pytest.mark.parametrize("samples", [4, 5, 6])
def test_second_moment_behind_batch_norm_is_null_with_a_reason_up_to_five_samples(
    result, net, samples
):
    said = result(*sized("predict", net(last="batchnorm"), 1000, samples))
    assert said["mean_eigenvalue"] > 0
    if samples <= 5:
        assert said["second_moment"] is None
        assert "1/sigma^4" in said["reason"]
        assert f"N = {samples} " in said["reason"]
    else:
        assert said["second_moment"] > 0
        assert "1/sigma^4" not in said["reason"]


def test_few_samples_behind_regularized_batch_norm_have_every_moment(result, net):
    path = net(last={"kind": "batchnorm", "eps": 0.3})
    said = result(*sized("predict", path, 1000, 2))
    assert said["mean_eigenvalue"] > 0
    assert said["second_moment"] > 0


@pytest.mark.parametrize("command", ["predict", "measure"])
@pytest.mark.parametrize("samples", [2, 3])
def test_batch_norm_of_few_samples_is_out_of_regime(run, net, command, samples):
    arguments = [*sized(command, net(last="batchnorm"), samples=samples)]
    arguments += ["--seeds", 2] if command == "measure" else []
    status, out, err = run(*arguments, "--json")
    reason = strict(out)["reason"]
    assert status == 3
    assert len(err.splitlines()) == 1
    assert reason in err
    for part in ("batch norm", "1/sigma^2", f"N = {samples} "):
        assert part in reason
    assert run(*arguments) == (3, "", err)


@pytest.mark.parametrize("command", ["predict", "measure"])
def test_terminal_shows_every_quantity_of_the_json(run, result, net, command):
    arguments = [*sized(command, net(last="mean-subtraction"))]
    arguments += ["--seeds", 2] if command == "measure" else []
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    shown = {line.split()[0].split(".")[0] for line in out.splitlines()}
    assert shown == result(*arguments).keys()


# measure


@pytest.mark.parametrize("last", LASTS)
def test_measurement_has_mean_error_and_raw_values_of_every_network(result, net, last):
    path = net(outputs=2, last=last)
    said = result(*sized("measure", path, 20, 6), "--seeds", 5)
    assert said["network"] == read_network(path).describe()
    assert (said["width"], said["samples"], said["seeds"]) == (20, 6, 5)
    for name in MEASURED:
        if name == "alignment" and last != "none":
            assert said[name] is None
            continue
        assert said[name].keys() == {"mean", "standard_error", "values"}
        values = said[name]["values"]
        assert {type(value) for value in values} == {float}
        assert len(set(values)) == 5
        assert said[name]["mean"] == pytest.approx(np.mean(values))
        assert said[name]["standard_error"] == pytest.approx(np.std(values, ddof=1) / 5**0.5)


def test_measured_quantities_of_linear_outputs_agree_with_each_other(result, net):
    said = result(*sized("measure", net(ratios=[1, 2, 0.5], outputs=2), 20, 6), "--seeds", 3)
    kappa1, kappa2, uniform, m, largest, top, angle = (
        np.array(said[name]["values"])
        for name in (
            "kappa1",
            "kappa2",
            "uniform_mode",
            "mean_eigenvalue",
            "largest_eigenvalue",
            "top_mean",
            "alignment",
        )
    )
    parameters = read_network(net(ratios=[1, 2, 0.5], outputs=2)).parameter_count(20)
    assert uniform == pytest.approx(3 * 20 * (kappa1 + 5 * kappa2) / 6)
    assert m == pytest.approx(2 * 3 * 20 * kappa1 / parameters)
    assert (largest >= top).all()
    assert (largest >= uniform).all()
    assert ((angle >= 0) & (angle <= 90)).all()


def test_one_network_has_no_standard_error(result, net):
    said = result(*sized("measure", net(), 20, 6), "--seeds", 1)
    assert said["kappa1"]["standard_error"] is None
    assert said["kappa1"]["values"] == [said["kappa1"]["mean"]]


def test_more_networks_begin_with_the_same_ones(result, net):
    few, more = (result(*sized("measure", net(), 20, 6), "--seeds", count) for count in (3, 70))
    assert more["second_moment"]["values"][:3] == few["second_moment"]["values"]


@table(
    {
        "float64": np.float64,
        "float32": np.float32,
        "integers": np.int64,
    },
    "dtype",
)
def test_networks_are_measured_on_given_inputs(result, net, tmp_path, dtype):
    inputs = np.array([[1, 2, 3, 4], [0, -1, 2, 1], [3, 0, 0, 1]], dtype=dtype)
    np.save(tmp_path / "inputs.npy", inputs)
    path = net()
    given = ("--seeds", 2, "--inputs", tmp_path / "inputs.npy")
    said = result(*sized("measure", path, 4, 3), *given)
    expected = measure(read_network(path), 4, 3, seeds=2, inputs=inputs.astype(float))
    for name in MEASURED:
        assert said[name]["values"] == list(expected[name].values)
    assert said["kappa1"] != result(*sized("measure", path, 4, 3), "--seeds", 2)["kappa1"]


def test_largest_eigenvalues_are_measured_without_the_matrix(result, net):
    path = net(outputs=2)
    whole = result(*sized("measure", path, 20, 6), "--seeds", 3)
    said = result(*sized("measure", path, 20, 6), "--seeds", 3, "--top", 2)
    first, second = said["largest_eigenvalues"]
    top = (np.array(first["values"]) + second["values"]) / 2
    assert first["values"] == pytest.approx(whole["largest_eigenvalue"]["values"], rel=1e-9)
    assert top == pytest.approx(whole["top_mean"]["values"], rel=1e-9)
    assert 0 < said["residual"] <= 1e-6
    assert said["products"] >= 2


def test_a_matrix_beyond_the_budget_is_refused_with_what_its_top_needs(run, net):
    sizes = ("--width", 64, "--samples", 4000, "--seeds", 1)
    status, _, err = run("measure", net(outputs=10), *sizes)
    assert status == 2
    needed = float(err.split("(measure --top) need about ")[1].split(" GiB")[0])
    assert needed < 2
    refused(run("measure", net(outputs=10), *sizes, "--top", 1, "--memory", 0.01), "0.0 GiB")


def header(text):
    """A file of NumPy's format with this header and no data."""
    words = text.encode()
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@table(
    {
        "transposed": (saved(np.ones((4, 3))), "(3, 4)", "(4, 3)"),
        "too few dimensions": (saved(np.ones(12)), "(3, 4)", "(12,)"),
        "nan": (saved(np.full((3, 4), np.nan)), "finite"),
        "infinite": (saved(np.full((3, 4), np.inf)), "finite"),
        "complex": (saved(np.ones((3, 4), complex)), "real", "complex128"),
        "booleans": (saved(np.ones((3, 4), bool)), "real", "bool"),
        "strings": (saved(np.full((3, 4), "1")), "real"),
        "dates": (saved(np.full((3, 4), np.datetime64("2020-01-01"))), "real"),
        "objects": (saved(np.full((3, 4), None)), "inputs.npy"),
        "text": (b"1 2 3 4", "inputs.npy"),
        "empty": (b"", "inputs.npy"),
        "cut short": (saved(np.ones((3, 4)))[:-1], "inputs.npy"),
        "header cut short": (saved(np.ones((3, 4)))[:20], "inputs.npy"),
        "header without end": (header("{'descr': '<f8', 'shape': (3, 4"), "inputs.npy"),
        "header too long": (header("{" + " " * 60000 + "}"), "inputs.npy"),
        "more than the memory": (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000, 4), }"),
            "inputs.npy",
        ),
    }
)
def test_unusable_inputs_are_refused_in_one_line(run, net, tmp_path, case):
    content, *parts = case
    path = tmp_path / "inputs.npy"
    path.write_bytes(content)
    arguments = (*sized("measure", net(), 4, 3), "--seeds", 2, "--inputs", path, "--json")
    refused(run(*arguments), *parts)


@pytest.mark.parametrize("name", ["missing.npy", "."])
def test_file_of_inputs_that_cannot_be_read_is_refused_in_one_line(run, net, tmp_path, name):
    arguments = (*sized("measure", net(), 4, 3), "--seeds", 2, "--inputs", tmp_path / name)
    refused(run(*arguments), str(tmp_path / name))


# Meaningless input

BOTH = {
    "missing file": ({}, {"NET": "nowhere.toml"}, "nowhere.toml"),
    "file that is no TOML": ({"last = ": 1}, {}, "line 5"),
    "unknown key": ({"detph": 3}, {}, "'detph'", "'depth'"),
    "unknown activation": ({"activation": "rleu"}, {}, "'rleu'", "relu"),
    "unknown scheme": ({"last": "layernrom"}, {}, "'layernrom'", "batchnorm"),
    "depth 1": ({"depth": 1}, {}, "depth", "at least 2"),
    "no outputs": ({"outputs": 0}, {}, "outputs", "at least 1"),
    "wrong number of ratios": ({"ratios": [1, 1]}, {}, "ratios", "3"),
    "sigma_w2 zero": ({"sigma_w2": 0}, {}, "sigma_w2", "positive"),
    "sigma_w2 infinite": ({"sigma_w2": math.inf}, {}, "sigma_w2", "finite"),
    "loss without a rule": ({"loss": "hinge"}, {}, "not covered yet", "'hinge'"),
    "rms norm in the last layer": ({"last": "rmsnorm"}, {}, "not covered yet", "rmsnorm"),
    "groups that do not divide": (
        {"hidden": {"kind": "groupnorm", "groups": 7}},
        {"--width": 64},
        "7 groups",
        "64 units",
    ),
    "batches that do not divide": (
        {"batch_size": 5, "hidden": "batchnorm"},
        {"--samples": 12},
        "batch_size = 5",
        "12 given",
    ),
    "width 0": ({}, {"--width": 0}, "width", "at least 1"),
    "width negative": ({}, {"--width": -5}, "width", "at least 1"),
    "width float": ({}, {"--width": "10.5"}, "--width", "10.5"),
    "width word": ({}, {"--width": "wide"}, "--width", "wide"),
    "width nan": ({}, {"--width": "nan"}, "--width", "nan"),
    "width that empties a layer": ({"ratios": [1, 0.1, 1]}, {"--width": 4}, "layer 1", "larger"),
    "no samples": ({}, {"--samples": 0}, "samples", "at least 2"),
    "one sample": ({}, {"--samples": 1}, "samples", "at least 2"),
    "samples negative": ({}, {"--samples": -3}, "samples", "at least 2"),
    "samples float": ({}, {"--samples": "3.0"}, "--samples", "3.0"),
    "overlaps impossible for so many samples": (
        {"input_overlaps": [1, -0.5]},
        {"--samples": 4},
        "input_overlaps",
        "4 samples",
    ),
}
ONE = {
    "unknown regime": ("predict", {}, {"--regime": "rich"}, "'rich'", "proportional"),
    "no digits": ("predict", {}, {"--digits": 0}, "digits", "0"),
    "digits negative": ("predict", {}, {"--digits": -3}, "digits", "-3"),
    "too many digits": ("predict", {}, {"--digits": 10**6}, "digits", "1000"),
    "digits float": ("predict", {}, {"--digits": "1.5"}, "--digits", "1.5"),
    "digits in the proportional regime": (
        "predict",
        {},
        {"--digits": 20, "--regime": "proportional"},
        "proportional",
        "float64",
    ),
    "no networks": ("measure", {}, {"--seeds": 0}, "seeds", "0"),
    "negative networks": ("measure", {}, {"--seeds": -2}, "seeds", "-2"),
    "networks float": ("measure", {}, {"--seeds": "1.5"}, "--seeds", "1.5"),
    "budget too small": ("measure", {}, {"--memory": 1e-6}, "GiB", "budget", "0.0 GiB"),
    "no eigenvalue": ("measure", {}, {"--top": 0}, "from 1 to 4", "0 given"),
    "too many eigenvalues": ("measure", {}, {"--top": 5}, "from 1 to 4", "5 given"),
    "top of no networks": ("measure", {}, {"--top": 1, "--seeds": 0}, "seeds", "0"),
    "top of given inputs": ("measure", {}, {"--top": 1, "--inputs": "x.npy"}, "--inputs"),
    "budget nan": ("measure", {}, {"--memory": "nan"}, "memory"),
    "budget word": ("measure", {}, {"--memory": "much"}, "--memory", "much"),
    "too wide": ("measure", {}, {"--width": 10**6}, "1000000", "GiB", "16.0 GiB"),
    "too many samples": ("measure", {}, {"--samples": 10**6}, "1000000", "GiB", "16.0 GiB"),
    "too many outputs": ("measure", {"outputs": 10**6}, {}, "1000000", "GiB", "16.0 GiB"),
}


def arguments_of(command, path, options):
    options = {"--width": 8, "--samples": 4} | options
    if command == "measure":
        options = {"--seeds": 2} | options
    words = [word for key, value in options.items() if key != "NET" for word in (key, value)]
    return [command, options.get("NET", path), *words, "--json"]


@pytest.mark.parametrize("command", ["predict", "measure"])
@table(BOTH)
def test_meaningless_input_is_refused_in_one_line(run, net, command, case):
    fields, options, *parts = case
    refused(run(*arguments_of(command, net(**fields), options)), *parts)


@table(ONE)
def test_meaningless_option_is_refused_in_one_line(run, net, case):
    command, fields, options, *parts = case
    refused(run(*arguments_of(command, net(**fields), options)), *parts)


def test_memory_that_is_said_holds_the_weights(run, net):
    _, _, err = run(*arguments_of("measure", net(), {"--width": 40000}))
    needed = float(err.split("about ")[1].split(" GiB")[0])
    assert needed >= 2 * 40000**2 * 8 / 2**30


@table(
    {
        "no command": ([], "COMMAND"),
        "unknown command": (["frobnicate"], "'frobnicate'", "predict"),
        "unknown option": (["list", "--frobnicate"], "--frobnicate"),
        "no network": (["predict"], "NET", "--width", "--samples"),
        "no width": (["predict", "net.toml", "--samples", 3], "--width"),
        "no seeds": (["measure", "net.toml", "--width", 3, "--samples", 3], "--seeds"),
        "no theorem to derive": (["derive"], "ID"),
        "unknown theorem to derive": (["derive", "nonsense"], "'nonsense'", "batchnorm-last"),
        "unknown theorem to check": (["check", "nonsense"], "'nonsense'", "batchnorm-last"),
        "unknown table": (["table", "nonsense"], "'nonsense'", "normalization"),
        "no table": (["table"], "NAME"),
        "table into a missing directory": (["table", "normalization", "--out", "no/a"], "no/a"),
        "table into a directory": (["table", "normalization", "--out", str(ROOT)], str(ROOT)),
        "precision 0": (["check", "--precision", 0], "precision", "0"),
        "precision 1": (["check", "--precision", 1], "precision", "1"),
        "precision negative": (["check", "--precision", -0.1], "precision", "-0.1"),
        "precision nan": (["check", "--precision", "nan"], "precision", "nan"),
        "precision word": (["check", "--precision", "high"], "--precision", "high"),
        "alpha 0": (["check", "--alpha", 0], "alpha", "between 0 and 1", "0"),
        "alpha nan": (["check", "--alpha", "nan"], "alpha", "nan"),
        "power 1": (["check", "--power", 1], "power", "between 0 and 1", "1"),
        "power below alpha": (["check", "--power", 0.01, "--alpha", 0.05], "power", "0.01", "0.05"),
        "unknown engine": (["check", "--engine", "exact"], "engine", "exact", "conditional"),
        "network to check missing": (["check", "--network", "nowhere.toml"], "nowhere.toml"),
        "samples without a network": (["check", "--samples", 5], "--samples", "--network"),
    }
)
def test_meaningless_command_is_refused_in_one_line_before_anything_is_measured(
    run, monkeypatch, case
):
    def observe(*arguments):
        pytest.fail("a network was measured")

    monkeypatch.setattr("derivations.groups.Group.measure", observe)
    arguments, *parts = case
    refused(run(*arguments), *parts)


@table(
    {
        "no samples": ({}, 0, "samples", "at least 2"),
        "one sample": ({}, 1, "samples", "at least 2"),
        "too many samples": ({}, 10**7, "GiB", "budget"),
        "too many outputs": ({"outputs": 10**7}, 4, "GiB", "budget"),
        "rms norm in the last layer": ({"last": "rmsnorm"}, 4, "not covered yet"),
    }
)
def test_meaningless_check_is_refused_in_one_line_before_anything_is_measured(
    run, net, monkeypatch, case
):
    def observe(*arguments):
        pytest.fail("a network was measured")

    monkeypatch.setattr("derivations.groups.Group.measure", observe)
    fields, samples, *parts = case
    path = net(**fields)
    refused(run("check", "unnormalized", "--network", path, "--samples", samples), *parts)


EXTREME = {
    "weights beyond floats": ("predict", LINEAR | {"sigma_w2": 1e300}, {}),
    "square of the kernel beyond floats": ("predict", LINEAR | {"sigma_w2": 1e150}, {}),
    "relu beyond floats": ("predict", RELU | {"sigma_w2": 1e300}, {}),
    "tanh beyond floats": ("predict", TANH | {"sigma_w2": 1e300}, {}),
    "least weights": ("predict", TANH | {"sigma_w2": 5e-324, "sigma_b2": 0}, {}),
    "erf of nothing": (
        "predict",
        RELU | {"activation": {"name": "erf", "scale": 0}},
        {},
    ),
    "gamma beyond floats": (
        "predict",
        RELU | {"last": {"kind": "batchnorm", "gamma": 1e200}},
        {"--samples": 10},
    ),
    "width beyond floats": ("predict", RELU, {"--width": 10**400}),
    "samples beyond floats": ("predict", RELU, {"--samples": 10**400}),
    "outputs beyond floats": ("predict", RELU | {"outputs": 10**400}, {}),
    "networks beyond floats": ("measure", LINEAR | {"sigma_w2": 1e300}, {}),
    "memory beyond floats": ("measure", RELU, {"--width": 10**400}),
    "dead units behind batch norm": ("measure", RELU | {"last": "batchnorm"}, {"--width": 1}),
    "dead units without biases": (
        "measure",
        RELU | {"bias_gradients": False, "sigma_b2": 0},
        {"--width": 1, "--seeds": 20},
    ),
}


def kept_contract(outcome):
    """Strict JSON and silence, or one line on stderr and no result."""
    status, out, err = outcome
    assert status in (0, 2, 3)
    assert len(err.splitlines()) == (status != 0)
    if status == 2:
        assert out == ""
    else:
        strict(out)


@table(EXTREME, "command, network, options")
def test_extreme_network_ends_by_the_contract(run, net, command, network, options):
    kept_contract(run(*arguments_of(command, net(network), options)))


@table(
    {
        "zero": (RELU, 0.0),
        "zero without biases": (RELU | {"bias_gradients": False, "sigma_b2": 0}, 0.0),
        "equal": (RELU, 1.0),
        "equal behind mean subtraction": (RELU | {"last": "mean-subtraction"}, 1.0),
        "equal behind batch norm": (RELU | {"last": "batchnorm"}, 1.0),
        "beyond floats": (LINEAR, 1e200),
    },
    "network, value",
)
def test_degenerate_inputs_end_by_the_contract(run, net, tmp_path, network, value):
    np.save(tmp_path / "inputs.npy", np.full((4, 8), value))
    options = {"--inputs": tmp_path / "inputs.npy"}
    kept_contract(run(*arguments_of("measure", net(network), options)))


# check, list, derive, table


def judged(verdict, **fields):
    known = theorem("unnormalized")
    return Judged(known.id, known.cases[0].network, known.rows[0].quantity, 16, verdict, **fields)


DECIDED = {
    "z": -0.5,
    "p": 0.6,
    "alpha": 1e-3,
    "power": 0.9,
    "look": 1,
    "alpha_row": 1e-4,
    "chi2_dof": 0.9,
    "measured": 1.001,
    "standard_error": 0.002,
    "tau": 0.001,
    "nu": 90.0,
    "predicted": 1.575,
    "unit": 1.575,
    "detectable": 0.015,
    "delta": 0.02,
    "powers": (1, 2, 3),
    "widths": (64, 128),
    "seeds": (640, 320),
}
AGREES, REFUTED, UNDECIDED, OUT = (
    judged(Verdict.AGREES, **DECIDED),
    judged(Verdict.REFUTED, **DECIDED),
    judged(Verdict.UNDECIDED, **DECIDED),
    judged(Verdict.OUT_OF_REGIME, alpha=1e-3, power=0.9, reason="kappa_1 = kappa_2"),
)


@table(
    {
        "all agree": ([AGREES, AGREES], 0),
        "one refuted": ([AGREES, REFUTED], 1),
        "one undecided": ([UNDECIDED, AGREES], 1),
        "one out of regime": ([AGREES, OUT], 3),
        "refuted and out of regime": ([OUT, REFUTED], 1),
        "undecided and out of regime": ([UNDECIDED, OUT], 1),
    },
    "rows, expected",
)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["terminal", "json"])
def test_exit_status_of_check_follows_its_verdicts(run, monkeypatch, rows, expected, more):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: rows)
    status, out, err = run("check", *more)
    assert status == expected
    assert ("kappa_1 = kappa_2" in err) == (OUT in rows)
    for verdict in {row.verdict for row in rows}:
        assert str(verdict) in out
    if more:
        assert [said["verdict"] for said in strict(out)] == [str(row.verdict) for row in rows]


def test_row_without_a_verdict_has_nulls_and_a_reason(run, monkeypatch):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: [OUT])
    [said] = strict(run("check", "--json")[1])
    assert said.keys() >= JUDGED.keys()
    assert said["reason"] == "kappa_1 = kappa_2"
    assert said["measured"] is None


def test_terminal_shows_measured_values_with_their_error(run, monkeypatch):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: [AGREES])
    out = run("check")[1]
    assert "1.0010(20)" in out
    for text in ("level", "1.0e-04", "detectable", "0.0150", "delta", "0.02", "look"):
        assert text in out
    assert "alpha = 0.001 for the whole run, power = 0.9 at delta" in out


def test_options_of_check_arrive(run, net, monkeypatch):
    asked = []

    def check(ids, network, **options):
        asked.append((ids, network, options))
        return [AGREES]

    monkeypatch.setattr("derivations.evidence.check", check)
    path = net()
    run("check")
    run("check", "unnormalized", "--all", "--precision", 0.01)
    run("check", "--alpha", 1e-4, "--power", 0.95)
    run("check", "batchnorm-last", "--network", path, "--samples", 8)
    run("check", "--engine", "conditional")
    for _, _, options in asked:
        options.pop("say")
    usual = {"everything": False}
    assert asked == [
        (None, None, usual),
        (["unnormalized"], None, usual | {"everything": True, "precision": 0.01}),
        (None, None, usual | {"alpha": 1e-4, "power": 0.95}),
        (["batchnorm-last"], read_network(path), usual | {"samples": 8}),
        (None, None, usual | {"engine": "conditional"}),
    ]


def test_check_judges_a_given_network_row_by_row(run, net):
    path = net(LINEAR, depth=2)
    status, out, err = run("check", "unnormalized", "--network", path, "--samples", 4, "--json")
    rows = strict(out)
    assert status == 0
    assert "estimated time" in err
    assert len(rows) >= 3
    for said in rows:
        assert said["id"] == "unnormalized"
        assert said["samples"] == 4
        assert said["verdict"] == "AGREES"
        assert said["seed_base"] == SEED_BASE
        assert {name: type(said[name]) for name in JUDGED} == JUDGED
        assert len(said["widths"]) == len(said["seeds"]) > 2
        assert {type(count) for count in said["widths"] + said["seeds"]} == {int}
        assert abs(said["measured"] - 1) < said["delta"] == 0.02
    assert len({said["quantity"] for said in rows}) == len(rows)


@table(
    {
        "too few samples": ("batchnorm", 3, "1/sigma^2"),
        "regularized batch norm": ({"kind": "batchnorm", "eps": 0.3}, 10, "eps"),
    },
    "last, samples, part",
)
def test_check_outside_the_assumptions_of_a_theorem_is_out_of_regime(run, net, last, samples, part):
    path = net(LINEAR, depth=2, last=last)
    given = ("--network", path, "--samples", samples, "--json")
    status, out, err = run("check", "batchnorm-last", *given)
    rows = strict(out)
    assert {said["verdict"] for said in rows} == {"OUT OF REGIME"}
    assert status == 3
    for said in rows:
        assert part in said["reason"]
        assert said["reason"] in err


def test_theorems_are_listed_with_what_they_say(run, result):
    theorems = result("list")
    assert [set(said) >= {"id", "says"} for said in theorems] == [True] * len(theorems)
    ids = [said["id"] for said in theorems]
    assert {"unnormalized", "mean-subtraction-last", "batchnorm-last"} <= set(ids)
    assert len(set(ids)) == len(ids)
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        [said["id"], said["says"]] for said in theorems
    ]


@pytest.mark.parametrize(("rows", "expected"), [([AGREES], 0), ([AGREES, REFUTED], 1)])
def test_table_is_printed_or_written_whatever_the_verdict(
    run, monkeypatch, tmp_path, rows, expected
):
    monkeypatch.setattr("derivations.evidence.check_networks", lambda *_, **__: rows)
    status, out, err = run("table", "normalization")
    assert (status, err) == (expected, "")
    assert r"\begin{tabular}" in out
    path = tmp_path / "table.tex"
    assert run("table", "normalization", "--out", path) == (expected, "", "")
    assert path.read_text(encoding="utf-8") == out


# Whole processes


def process(*words):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@table(
    {
        "a result": (["--width", 100, "--samples", 10], 0),
        "meaningless": (["--width", 0, "--samples", 10], 2),
        "out of regime": (["--width", 100, "--samples", 3], 3),
    },
    "options, status",
)
def test_process_ends_with_the_status_and_the_output_of_its_command(run, net, options, status):
    arguments = ["predict", net(last="batchnorm"), *options, "--json"]
    ended = process("-m", "derivations.cli", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == run(*arguments)
    assert ended.returncode == status


@table(
    {
        "import theory": ("import theory", ("sympy",)),
        "import numerics": ("import numerics.ensemble", ("sympy", "mpmath")),
        "import derivations": ("import derivations", ("sympy", "numpy")),
        "import derivations.cli": ("import derivations.cli", ("sympy", "numpy", "scipy", "mpmath")),
        "help": ("main(['--help'])", ("sympy", "numpy", "scipy", "mpmath")),
        "help of a command": ("main(['check', '--help'])", ("sympy", "numpy")),
        "list": ("main(['list'])", ("sympy",)),
        "predict": ("main(['predict', *SIZED, '--json'])", ("sympy",)),
        "predict for the terminal": ("main(['predict', *SIZED])", ("sympy",)),
        "predict with digits": ("main(['predict', *SIZED, '--digits', '20'])", ("sympy",)),
        "measure": ("main(['measure', *SIZED, '--seeds', '1', '--json'])", ("sympy",)),
        "names of theory": ("from theory import Network, predict", ("sympy",)),
    },
    "code, absent",
)
def test_light_work_loads_no_heavy_library(net, code, absent):
    lines = [
        "import atexit, sys",
        f"SIZED = [{net()!r}, '--width', '8', '--samples', '4']",
        f"atexit.register(lambda: print(*sorted({set(absent)!r} & set(sys.modules)), 'loaded'))",
        "from derivations.cli import main" if "main" in code else "",
        code,
    ]
    ended = process("-c", "\n".join(lines))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "loaded"
