"""``measure``: every network's numbers, given inputs, and the largest eigenvalues alone."""

import io

import numpy as np
import pytest

from numerics.ensemble import measure
from tests.cases import table
from tests.command_line import LASTS, refused, sized
from theory.network_file import read_network

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
