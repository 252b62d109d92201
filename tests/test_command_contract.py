"""What every command keeps: streams, exit status, one line for an error, and what it loads."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cases import table
from tests.command_line import LINEAR, RELU, TANH, arguments_of, refused, sized, strict

ROOT = Path(__file__).parent.parent


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
