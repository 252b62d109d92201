"""Figures are judged by their data: what is in it, and that what is drawn is just that."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from derivations import figure_command
from derivations.cli import main
from derivations.figures.catalogue import FIGURES
from derivations.figures.page import RULES, rules
from derivations.figures.record import Request
from derivations.figures.series import HISTOGRAM, MEASURED, THEORY, panels, read_csv, to_csv
from numerics.eigenvalues import eigenvalues
from theory.architecture import Network
from theory.prediction import predict

pytest.importorskip("matplotlib")

RELU = Network("relu", depth=2, sigma_w2=2, sigma_b2=0.1)
ROW = {"id": "a", "quantity": "kappa_1", "network": "relu", "delta": 0.02, "predicted": 0.7}
VERDICTS = [
    ROW | {"verdict": "AGREES", "measured": 1.01, "standard_error": 0.002},
    ROW | {"verdict": "REFUTED", "measured": 0.9, "standard_error": 0.004},
    ROW | {"verdict": "OUT OF REGIME", "measured": None, "standard_error": None},
]
SMALL = {
    "width": Request(RELU, widths=(128, 256), seeds=2),
    "spectrum": Request(RELU, widths=(64,), samples=32, seeds=2),
    "learning-rate": Request(RELU, widths=(32, 64), samples=32, seeds=2),
    "bulk": Request(RELU, widths=(100,), samples=100, seeds=2),
    "depth": Request(RELU, widths=(64,), samples=4, seeds=3),
    "phase": Request(RELU),
    "sharpness": Request(problem="arc"),
    "verdicts": Request(verdicts="verdicts.json"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The series of every figure, small."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "verdicts.json").write_text(json.dumps(VERDICTS))
    small = SMALL | {"verdicts": Request(verdicts=str(folder / "verdicts.json"))}
    return {name: FIGURES[name].data(small[name]) for name in FIGURES}


def series_of(found, **fields):
    (one,) = [
        one for one in found if all(getattr(one, key) == value for key, value in fields.items())
    ]
    return one


def drawn(figure):
    """Every array of points in the figure's lines, from all its panels."""
    return [
        np.asarray(line.get_xydata(), float)
        for axes in figure.axes
        for line in axes.get_lines()
        if len(line.get_xydata())
    ]


def test_every_figure_is_small_tested():
    assert set(SMALL) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_data_reads_back_bit_for_bit_and_draws_the_same(name, data, tmp_path):
    file = tmp_path / "data.csv"
    file.write_text(to_csv(data[name], ["anything"]))
    again = read_csv(file)
    assert sorted(one[:3] for one in again) == sorted(one[:3] for one in data[name])
    for one in data[name]:
        back = series_of(again, panel=one.panel, name=one.name, kind=one.kind)
        for k in (3, 4, 5):
            assert np.array_equal(one[k], back[k], equal_nan=True)
    with rules():
        first, second = (drawn(FIGURES[name].draw(found)) for found in (data[name], again))
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in ("phase", "verdicts")])
def test_every_theory_line_is_drawn_where_its_data_is(name, data):
    with rules():
        lines = drawn(FIGURES[name].draw(data[name]))
    for one in data[name]:
        if one.kind == THEORY and len(one.x) > 1:
            points = np.column_stack([one.x, one.y])
            assert any(np.array_equal(points, line) for line in lines), one.name


def test_largest_eigenvalues_are_those_of_theory_and_of_the_networks(data):
    batchnorm = series_of(data["width"], name="batch norm, hidden", kind=MEASURED)
    network = replace(RELU, hidden="batchnorm", layers=None)
    tops = [one.values[-1] for one in eigenvalues(network, 256, 64, range(2))]
    assert batchnorm.y[1] == pytest.approx(np.mean(tops), rel=1e-12)
    assert batchnorm.error[1] == pytest.approx(abs(tops[0] - tops[1]) / 2, rel=1e-12)
    line = series_of(data["width"], name="mean subtraction, last", kind=THEORY)
    value = predict(replace(RELU, last="mean-subtraction"), 256, 64, regime="proportional")
    assert line.x[-1] == 256
    assert line.y[-1] == value.largest_eigenvalue.value


def test_histogram_counts_every_nonzero_eigenvalue(data):
    for panel, found in panels(data["spectrum"]).items():
        (bins,) = [one for one in found if one.kind == HISTOGRAM]
        mean_and_radius = 2 if panel == "batch norm, last" else 0
        assert bins.y.sum() == pytest.approx(32 - mean_and_radius)
    place = series_of(data["spectrum"], panel="no normalization", kind=THEORY)
    value = predict(RELU, 64, 32, regime="proportional").largest_eigenvalue.value
    assert place.x[0] == value


def test_density_of_the_bulk_has_mass_1(data):
    for one in data["bulk"]:
        if one.name == "density":
            mass = np.sum(np.diff(one.x) * (one.y[1:] + one.y[:-1]) / 2)
            assert mass == pytest.approx(1, abs=0.05)
        if one.kind == HISTOGRAM:
            assert np.sum(np.diff(one.x) * one.y[:-1]) == pytest.approx(1)


def test_moments_over_depth_lie_by_theory(data):
    """Three networks of width 64: an error of the layer's index would be 20 standard errors."""
    for a in (1, 2):
        name = rf"$\hat q_{a}^l$"
        theory = series_of(data["depth"], name=name, kind=THEORY)
        measured = series_of(data["depth"], name=name, kind=MEASURED)
        assert np.all(np.abs(theory.y - measured.y) < 0.35)
    kernel = series_of(data["depth"], name="$K_1^l$", kind=THEORY)
    found = predict(RELU, 64, 4)
    assert kernel.y.tolist() == [float(part.K.K1) for part in found.blocks]


def test_run_stays_on_the_flow(data):
    place = panels(data["sharpness"])["place on the manifold"]
    descent, flow = place
    assert np.max(np.abs(descent.y - flow.y)) < 0.01
    sharpness, rate = panels(data["sharpness"])["spherical sharpness"]
    assert np.max(np.abs(rate.y / sharpness.y - 1)) < 0.05


def test_verdicts_are_in_units_of_the_resolution(data):
    rows = [one for one in data["verdicts"] if one.kind == MEASURED]
    assert [one.name for one in rows] == ["AGREES", "REFUTED"]
    assert [float(one.y[0]) for one in rows] == pytest.approx([0.5, -5])
    assert [float(one.error[0]) for one in rows] == pytest.approx([0.1, 0.2])


def test_regions_are_rebuilt_from_where_they_begin(data):
    from derivations.figures import phase

    table = phase._table(RELU.activation)
    named = {one.name: one for one in data["phase"]}
    right, top = named["corner"].x[0], named["corner"].y[0]
    w, b = np.linspace(0, right, phase.COLUMNS), np.linspace(0, top, phase.ROWS)
    rebuilt = phase._filled([named.get(name) for name in phase.REGIONS], right, top)
    assert np.array_equal(rebuilt, phase._regions(table, w, b))


# The command


def test_command_writes_vectors_pixels_and_data(tmp_path, capsys):
    assert main(["figure", "phase", "--out", str(tmp_path / "plane")]) == 0
    said = capsys.readouterr().out.split()
    assert [Path(one).name for one in said] == ["plane.pdf", "plane.png", "plane.csv"]
    assert (tmp_path / "plane.pdf").read_bytes().startswith(b"%PDF")
    text = (tmp_path / "plane.csv").read_text()
    assert text.startswith("# fisherfield figure phase\n# version ")
    arguments = ["figure", "phase", "--data", str(tmp_path / "plane.csv")]
    assert main([*arguments, "--out", str(tmp_path / "again")]) == 0
    for suffix in (".pdf", ".csv"):
        assert (tmp_path / f"again{suffix}").read_bytes() == (
            tmp_path / f"plane{suffix}"
        ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["volcano"], "unknown figure 'volcano'; known: width, spectrum, learning-rate, bulk"),
        (["phase", "--seeds", "3"], "the figure phase does not read --seeds; it reads --network"),
        (["width", "--seeds", "1"], "--seeds must be at least 2, 1 given"),
        (["depth", "--widths", "64,128"], "the figure depth shows one width, --widths names 2"),
        (["width", "--widths", "a,b"], "--widths needs whole numbers with commas"),
        (["width", "--widths", "16,64"], "--widths needs two or more from 128 on"),
        (["phase", "--out", "/nowhere/at/all"], "it needs a file in a directory"),
        (["phase", "--data", "README.md"], "is not the data of a figure"),
        (["verdicts", "--verdicts", "README.md"], "cannot read verdicts from README.md"),
    ],
)
def test_meaningless_input_is_refused(arguments, says, capsys):
    assert main(["figure", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["figure", "phase", "--out", str(tmp_path / "a")]) == 2
    assert "pip install fisherfield[figures]" in capsys.readouterr().err


def test_type_is_that_of_a_column():
    assert RULES["font.size"] == 8
    assert figure_command.FORMATS == (".pdf", ".png")
