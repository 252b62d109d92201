"""The figure of ``fisherfield flow``: what is drawn is what the record holds."""

import numpy as np
import pytest

from derivations import flow_figure
from derivations.cli import main


@pytest.fixture
def drawn(monkeypatch):
    """The figure of a command line, unsaved, and its exit status."""

    def command(text):
        kept = []
        monkeypatch.setattr(flow_figure, "save", lambda figure, path: kept.append(figure))
        status = main(["flow", *text.split(), "--figure", "run.png", "--json"])
        return status, kept[0]

    return command


def lines(axes):
    return {line.get_label(): line.get_data() for line in axes.get_lines()}


def test_run_lies_on_its_flow_and_its_edge(drawn, capsys):
    status, figure = drawn("arc --time 1 --points 40")
    assert status == 0
    trajectory, edge, oscillation, fall = (lines(axes) for axes in figure.axes)
    assert trajectory["run"][1] == pytest.approx(trajectory["flow"][1], abs=1e-3)
    assert edge[r"$\lambda_1$"][1] == pytest.approx(edge[r"$2/\tilde\eta$"][1], rel=5e-3)
    assert r"$\lambda_2$" not in edge
    predicted = oscillation[r"$\sqrt{2\varepsilon/(4+D)}$"][1]
    assert oscillation["run"][1] == pytest.approx(predicted, rel=0.05)
    assert fall["loss"][1] == pytest.approx(
        fall[r"$\lambda_1$"][1] * oscillation["run"][1] ** 2 / 2, rel=0.01
    )
    assert figure.axes[2].get_xlabel() == r"time $\tau$"


def test_theory_is_not_drawn_where_it_does_not_hold(drawn, capsys):
    status, figure = drawn("layernorm-mlp --points 40 --time 0.3")
    assert status == 3
    trajectory, edge, oscillation, _ = (lines(axes) for axes in figure.axes)
    tau, flow = trajectory["flow"]
    assert np.isfinite(flow[tau < 0.16]).all()
    assert np.isnan(flow[tau > 0.17]).all()
    assert np.isnan(oscillation[r"$\sqrt{2\varepsilon/(4+D)}$"][1][tau > 0.17]).all()
    assert np.isfinite(edge[r"$\lambda_2$"][1]).all()
    status, figure = drawn("arc --start stable --time 1 --points 20")
    assert status == 3
    assert r"$\sqrt{2\varepsilon/(4+D)}$" not in lines(figure.axes[2])


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
