"""The figure of ``fisherfield flow``: its series are what the record holds."""

import json

import numpy as np
import pytest

from derivations.cli import main
from derivations.figures.descent import LOSS, OSCILLATION, SHARPNESS, TRAJECTORY, of_found
from derivations.figures.series import MEASURED, THEORY


@pytest.fixture
def found(capsys):
    """The series of a command line by panel, name and kind, its record and its exit status."""

    def command(text):
        status = main(["flow", *text.split(), "--json"])
        record = json.loads(capsys.readouterr().out)
        series = {(one.panel, one.name, one.kind): one for one in of_found(record)}
        return status, record, series

    return command


def test_run_lies_on_its_flow_and_its_edge(found):
    status, record, series = found("arc --time 1 --points 40")
    assert status == 0
    run, flow = (series[TRAJECTORY, *key] for key in (("descent", MEASURED), ("flow", THEORY)))
    assert run.y.tolist() == record["coordinate"]
    assert run.y == pytest.approx(flow.y, abs=1e-3)
    sharpness = series[SHARPNESS, r"$\lambda_1$", MEASURED]
    rate = series[SHARPNESS, r"$2/\tilde\eta$", MEASURED]
    assert sharpness.y == pytest.approx(rate.y, rel=5e-3)
    assert (SHARPNESS, r"$\lambda_2$", MEASURED) not in series
    angle, predicted = (series[OSCILLATION, "$|x|$", kind] for kind in (MEASURED, THEORY))
    assert angle.y == pytest.approx(predicted.y, rel=0.05)
    loss, mean = (series[LOSS, r"$\mathcal{L}$", kind] for kind in (MEASURED, THEORY))
    assert loss.y == pytest.approx(sharpness.y * angle.y**2 / 2, rel=0.01)
    assert loss.y == pytest.approx(mean.y, rel=0.1)


def test_theory_is_not_drawn_where_it_does_not_hold(found):
    status, _, series = found("layernorm-mlp --points 40 --time 0.3")
    assert status == 3
    flow = series[TRAJECTORY, "flow", THEORY]
    assert 0.15 < flow.x.max() < 0.17
    assert series[OSCILLATION, "$|x|$", THEORY].x.max() < 0.17
    assert np.isfinite(series[SHARPNESS, r"$\lambda_2$", MEASURED].y).all()
    status, _, series = found("arc --start stable --time 1 --points 20")
    assert status == 3
    assert (OSCILLATION, "$|x|$", THEORY) not in series


@pytest.mark.parametrize("problem", ["two-groups", "arc"])
def test_figure_is_written(tmp_path, capsys, problem):
    path = tmp_path / "run.png"
    assert main(["flow", problem, "--time", "0.3", "--points", "10", "--figure", str(path)]) == 0
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("--judge --figure run.png", "a figure shows one run"),
        ("--figure /nonexistent/run.png", "cannot write /nonexistent/run.png"),
        ("--figure run.unknown --time 0.1 --points 10", "cannot write a figure"),
    ],
)
def test_figure_without_a_meaning_is_refused(capsys, text, match):
    assert main(["flow", "arc", *text.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert match in err
