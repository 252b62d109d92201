"""fisherfield spectrum: the predicted law beside measured eigenvalues."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from derivations.cli import main
from derivations.spectrum_command import Law, kolmogorov
from numerics import ensemble
from numerics.eigenvalues import eigenvalues
from numerics.ensemble import measure
from theory.architecture import DescriptionError, Network

KEYS = [
    "network",
    "width",
    "samples",
    "seeds",
    "edge",
    "value",
    "standard_deviation",
    "outliers",
    "density",
    "eigenvalues",
    "histogram",
    "kolmogorov",
    "zero_modes",
]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def one(text: str, *options: str) -> tuple[int, str, str]:
        path = tmp_path / "net.toml"
        path.write_text(text, encoding="utf-8")
        status = main(["spectrum", str(path), *options])
        return (status, *capsys.readouterr())

    return one


CENTRED = 'activation = "tanh"\ndepth = 2\nsigma_w2 = 3\nsigma_b2 = 0.64\nlast = "mean-subtraction"'
ABS = 'activation = "abs"\ndepth = 2\nsigma_w2 = 1\nratios = [0.25, 1]\nlast = "mean-subtraction"'
PLAIN = 'activation = "relu"\ndepth = 2\nsigma_w2 = 2\noutputs = 2'
SIZE = ("--width", "200", "--samples", "200", "--seeds", "2")


def test_spectrum_has_its_documented_keys_and_agrees(run, tmp_path: Path) -> None:
    figure = tmp_path / "law.png"
    status, out, err = run(CENTRED, *SIZE, "--json", "--figure", str(figure))
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert list(found) == KEYS
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert found["zero_modes"] == 1
    assert found["outliers"] == []
    assert found["value"] < found["edge"] == pytest.approx(4.974, abs=0.02)
    distance = found["kolmogorov"]
    assert distance["mean"] == pytest.approx(np.mean(distance["raw"]))
    assert len(distance["raw"]) == 2
    assert distance["mean"] < 0.08
    law, counts = found["density"], found["histogram"]
    assert np.trapezoid(law["value"], law["lambda"]) == pytest.approx(1, abs=0.01)
    assert np.diff(counts["edges"]) @ counts["density"] == pytest.approx(1)
    net = Network("tanh", depth=2, sigma_w2=3, sigma_b2=0.64, last="mean-subtraction")
    tops = measure(net, 200, 200, seeds=2)["largest_eigenvalue"]
    assert found["eigenvalues"]["mean_top"] == pytest.approx(tops.mean, rel=1e-9)
    assert found["eigenvalues"]["standard_error"] == pytest.approx(tops.standard_error, rel=1e-6)


def test_outliers_of_both_kinds(run) -> None:
    found = json.loads(run(ABS, *SIZE, "--json")[1])
    assert found["outliers"] == [pytest.approx(2.355, abs=0.01)]
    found = json.loads(run(PLAIN, *SIZE, "--json")[1])
    assert len(found["outliers"]) == 2
    assert found["zero_modes"] == 0
    assert found["eigenvalues"]["mean_top"] > 3 * found["edge"]
    assert found["histogram"]["edges"][-1] < 2 * found["edge"]


def test_text_names_the_numbers(run) -> None:
    status, out, _ = run(CENTRED, *SIZE)
    assert status == 0
    for name in ("edge", "value", "measured", "kolmogorov"):
        assert any(line.startswith(name) for line in out.splitlines())


@pytest.mark.parametrize(
    ("text", "options", "status", "message"),
    [
        (CENTRED, ("--width", "200", "--samples", "20"), 3, "32 samples"),
        (CENTRED, ("--width", "20", "--samples", "200"), 3, "32 units"),
        (CENTRED.replace("mean-subtraction", "batchnorm"), SIZE, 2, "last layer"),
        (CENTRED, ("--width", "200", "--samples", "200", "--seeds", "0"), 2, "--seeds"),
        (CENTRED, (*SIZE, "--figure", "/nowhere/law.png"), 2, "cannot write"),
    ],
)
def test_bad_questions_are_refused_in_one_line(run, text, options, status, message) -> None:
    found, out, err = run(text, *options)
    assert (found, out) == (status, "")
    assert message in err
    assert err.count("\n") == 1


def test_kolmogorov_distance_of_known_steps() -> None:
    grid = np.linspace(0, 1, 11)
    law = Law(grid, np.ones(11), grid, 0.5)
    assert kolmogorov(np.array([0.5]), law) == pytest.approx(0.5)
    assert kolmogorov(np.array([0.1, 0.3, 0.5, 0.7]), law) == pytest.approx(0.3)


def test_eigenvalues_are_those_of_the_measured_networks() -> None:
    net = Network("relu", depth=3, sigma_w2=2, outputs=2)
    one, two = eigenvalues(net, 40, 10, [0, 3])
    found = measure(net, 40, 10, seeds=[0, 3])
    P = net.parameter_count(40)
    for spectrum, m, largest in zip(
        (one, two),
        found["mean_eigenvalue"].values,
        found["largest_eigenvalue"].values,
        strict=True,
    ):
        assert spectrum.values.sum() / P == pytest.approx(m, rel=1e-10)
        assert spectrum.values[-1] == pytest.approx(largest, rel=1e-10)
        assert spectrum.scale == pytest.approx(1, abs=5 * np.sqrt(2 / 80))
    assert one.scale != two.scale


@pytest.mark.parametrize(
    ("network", "width", "samples"),
    [
        (Network("tanh", depth=3, sigma_w2=2), 192, 192),
        (Network("tanh", depth=2, sigma_w2=2), 64, 384),
        (Network("tanh", depth=2, sigma_w2=2, outputs=3, hidden="batchnorm"), 96, 96),
        (Network("tanh", depth=2, sigma_w2=2, hidden="mean-subtraction", batch_size=8), 128, 64),
        (Network("tanh", depth=3, sigma_w2=2, hidden="batchnorm"), 64, 64),
    ],
    ids=["square", "many samples", "coupled first layer", "batches", "coupled second layer"],
)
def test_memory_is_what_the_estimate_says(network, width, samples, monkeypatch) -> None:
    """Within a factor 2 for one network; kernels of a block are below it. One task, one worker."""
    monkeypatch.setattr(ensemble, "workers", lambda: 4)

    def estimate(**tasks: int) -> float:
        with pytest.raises(DescriptionError, match="need about") as refused:
            ensemble.check_size(network, 2**7 * width, 2**7 * samples, budget=1, **tasks)
        return float(re.search(r"about ([\d.]+) GiB", str(refused.value))[1])

    assert estimate(one_by_one=2) == pytest.approx(2 * estimate(one_by_one=1), rel=1e-3)
    assert estimate(one_by_one=9) == pytest.approx(4 * estimate(one_by_one=1), rel=1e-3)

    def peak(run: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            run()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    used = peak(lambda: eigenvalues(network, width, samples, [0]))
    eigenvalues(network, width, samples, [0], memory_budget=2 * used)
    with pytest.raises(DescriptionError, match="need about"):
        eigenvalues(network, width, samples, [0], memory_budget=used)
    monkeypatch.setattr(ensemble, "workers", lambda: 1)
    used = peak(lambda: ensemble.observe(network, width, samples, 0, ["diagonal"]))
    ensemble.check_size(network, width, samples, budget=4 * used)
    with pytest.raises(DescriptionError, match="need about"):
        ensemble.check_size(network, width, samples, budget=used)
