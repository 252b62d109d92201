"""The warning of inputs whose norms or overlaps are far from constant: both sides of its rule."""

import warnings

import numpy as np
import pytest

from derivations.cli import main
from numerics.ensemble import measure
from theory.architecture import Network
from theory.data_kernel import kernel
from theory.inputs import InputsWarning, spikes

NET = Network("relu", depth=2, sigma_w2=2)
N, WIDTH = 40, 160


def gaussian(seed=0, samples=N, width=WIDTH):
    return np.random.default_rng(seed).standard_normal((samples, width))


def unequal_norms(spread):
    return gaussian() * (1 + spread * np.linspace(-1, 1, N))[:, None]


def two_classes(distance):
    return gaussian() + distance * np.repeat([1.0, -1.0], N // 2)[:, None]


NEAR = {
    "Gaussian": gaussian(),
    "a common mean": gaussian() + 3,
    "a large scale": 1e160 * gaussian(),
    "fewer numbers than samples": gaussian(width=10),
    "orthogonal": np.eye(N, WIDTH),
    "all the same": np.ones((N, WIDTH)),
    "norms a little unequal": unequal_norms(0.05),
    "classes a little apart": two_classes(0.1),
}
FAR = {
    "unequal norms": (unequal_norms(0.6), "norms"),
    "two classes": (two_classes(0.5), "overlaps"),
    "one long sample": (np.eye(N, WIDTH) * np.r_[20.0, np.ones(WIDTH - 1)], "norms"),
}


def definition(X):
    """The same two numbers from the matrix of overlaps itself."""
    G = X @ X.T / X.shape[1]
    n = len(G)
    first = np.trace(G) / n
    second = (G.sum() - np.trace(G)) / (n * (n - 1))
    A = np.eye(n) - 1 / n
    top = np.linalg.eigvalsh(A @ G @ A)[-1]
    return n * np.diag(G).var() / first**2, top / (first - second)


@pytest.mark.parametrize(
    "X", [gaussian(), gaussian(width=10), unequal_norms(0.6), two_classes(0.5)]
)
def test_spikes_are_those_of_the_matrix_of_overlaps(X):
    found = spikes(X)
    assert found[:2] == pytest.approx(definition(X), rel=1e-10)
    ratio = X.shape[0] / X.shape[1]
    assert found[2:] == pytest.approx((1 + 4 * ratio, 2 * (1 + ratio + 2 * ratio**0.5)))


@pytest.mark.parametrize("name", NEAR)
def test_no_word_about_inputs_that_are_near(name):
    assert not spikes(NEAR[name]).far


@pytest.mark.parametrize("name", FAR)
def test_far_inputs_are_warned_of_everywhere(name):
    X, what = FAR[name]
    assert spikes(X).far
    with pytest.warns(InputsWarning, match=rf"{what} \(.*of X1 are far"):
        kernel(NET, X)
    with pytest.warns(InputsWarning, match=rf"{what} \(.*of X2 are far"):
        kernel(NET, gaussian(1), X)
    with pytest.warns(InputsWarning, match=rf"{what} \(.*of inputs are far"):
        measure(NET, WIDTH, N, seeds=1, inputs=X)


def test_near_inputs_are_taken_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(NET, gaussian(), gaussian(1))
        measure(NET, WIDTH, N, seeds=1, inputs=gaussian())


def test_gaussian_inputs_are_hardly_ever_warned_of():
    for samples, width in ((3, 10), (16, 64), (50, 20), (100, 400)):
        false = sum(spikes(gaussian(seed, samples, width)).far for seed in range(100))
        assert false <= 3


@pytest.mark.parametrize(("name", "lines"), [("two classes", 1), (None, 0)])
def test_the_command_line_warns_in_one_line(name, lines, tmp_path, capsys):
    (tmp_path / "net.toml").write_text('activation = "relu"\ndepth = 2\nsigma_w2 = 2\n')
    np.save(tmp_path / "X.npy", gaussian() if name is None else FAR[name][0])
    sizes = ["--width", str(WIDTH), "--samples", str(N), "--seeds", "1"]
    inputs = ["--inputs", str(tmp_path / "X.npy"), "--json"]
    assert main(["measure", str(tmp_path / "net.toml"), *sizes, *inputs]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert all(line.startswith("fisherfield: warning: the overlaps (") for line in said)
