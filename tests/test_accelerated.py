"""The dual Gram matrix in other array libraries equals numpy's."""

import builtins

import numpy as np
import pytest

from numerics import accelerated
from numerics.fisher import dual_gram
from numerics.network import draw_inputs, draw_parameters
from theory.architecture import DescriptionError, LayerNorm, Network, NotCovered, RMSNorm

LIBRARIES = ["array_api_strict", "torch"]

NETWORKS = {
    "plain": {},
    "deep, unequal widths": {"depth": 4, "ratios": (0.5, 1.5, 1, 2)},
    "one hidden layer": {"depth": 2},
    "without biases": {"bias_gradients": False},
    "ntk": {"parameterization": "ntk"},
    "layer norm": {"hidden": LayerNorm(gamma=1.3, beta=0.2)},
    "rms norm in one layer": {"layers": (RMSNorm(), "none")},
    "batch norm last": {"last": "batchnorm"},
    "mean subtraction last": {"last": "mean-subtraction"},
    "cross-entropy": {"loss": "cross-entropy"},
}


def drawn(count=2, **fields):
    fields = {"depth": 3, "sigma_w2": 1.7, "sigma_b2": 0.3, "outputs": 3} | fields
    network = Network("tanh", **fields)
    rng = np.random.default_rng(5)
    parameters = draw_parameters(network, 12, count, rng)
    return network, parameters, draw_inputs(network, 12, 5, count, rng)


@pytest.fixture(params=LIBRARIES)
def library(request):
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("fields", NETWORKS.values(), ids=NETWORKS)
def test_the_gram_matrix_is_that_of_numpy(library, fields):
    network, parameters, inputs = drawn(**fields)
    expected = dual_gram(network, parameters, inputs)
    moved = accelerated.put(parameters, inputs, library)
    found = accelerated.dual_gram(network, *moved)
    assert type(found) is type(moved[1])
    found = np.asarray(found)
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()
    values = np.asarray(accelerated.eigenvalues(network, *moved))
    expected = np.linalg.eigvalsh(expected / 5)
    assert np.abs(values - expected).max() <= 1e-12 * np.abs(expected).max()


def test_the_precision_is_kept(library):
    network, parameters, inputs = drawn()
    single = parameters.astype(np.float32), inputs.astype(np.float32)
    found = accelerated.dual_gram(network, *accelerated.put(*single, library))
    assert "float32" in str(found.dtype)
    expected = dual_gram(network, parameters, inputs)
    error = np.linalg.norm(np.asarray(found) - expected) / np.linalg.norm(expected)
    assert 1e-12 < error < 1e-6


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"hidden": "batchnorm"}, "batchnorm in hidden layers"),
        ({"hidden": LayerNorm(trained=True)}, "trained scales"),
        ({"weights": "weight-normalization"}, "weight-normalization"),
    ],
)
def test_what_needs_numpy_is_refused(library, fields, what):
    network, parameters, inputs = drawn(**fields)
    with pytest.raises(NotCovered, match=what):
        accelerated.dual_gram(network, *accelerated.put(parameters, inputs, library))


def test_mixed_arrays_are_refused():
    strict = pytest.importorskip("array_api_strict")
    network, parameters, inputs = drawn()
    moved, X = accelerated.put(parameters, inputs, strict)
    with pytest.raises(
        DescriptionError, match=r"must share one library, .*numpy and array_api_strict given"
    ):
        accelerated.dual_gram(network, moved, inputs)
    _, single = accelerated.put(parameters, inputs.astype(np.float32), strict)
    with pytest.raises(DescriptionError, match="one precision, float32 and float64 given"):
        accelerated.dual_gram(network, moved, single)
    with pytest.raises(DescriptionError, match=r"must be float64 or float32, .*int64"):
        accelerated.dual_gram(network, moved, strict.asarray(np.ones((5, 12), dtype=int)))
    other = strict.asarray(inputs, device=strict.Device("device1"))
    with pytest.raises(DescriptionError, match="must share one device"):
        accelerated.dual_gram(network, moved, other)
    with pytest.raises(DescriptionError, match="one library are needed"):
        accelerated.dual_gram(network, moved, [[1.0]])
    assert X.device == strict.Device("CPU_DEVICE")


class SinglePrecision:
    """A library that silently rounds, as JAX does unless told otherwise."""

    __name__ = "rounding"

    def asarray(self, array, device=None):
        return np.asarray(array, dtype=np.float32)


def test_a_library_without_float64_is_refused(monkeypatch):
    _, parameters, inputs = drawn()
    rounding = SinglePrecision()
    rounding.float64, rounding.float32 = np.dtype("float64"), np.dtype("float32")
    monkeypatch.setattr(accelerated, "_compatible", lambda library: rounding)
    with pytest.raises(DescriptionError, match=r"rounding has no float64 here.*jax_enable_x64"):
        accelerated.put(parameters, inputs, rounding)


def test_a_name_is_no_library():
    _, parameters, inputs = drawn()
    with pytest.raises(DescriptionError, match="an array library is needed, 'torch' given"):
        accelerated.put(parameters, inputs, "torch")


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    _, parameters, inputs = drawn()
    imported = builtins.__import__

    def missing(name, *others, **more):
        if name.startswith("array_api_compat"):
            raise ImportError(name)
        return imported(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DescriptionError, match=r"pip install 'fisherfield\[gpu\]'"):
        accelerated.put(parameters, inputs, np)
