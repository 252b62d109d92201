"""The peers: how each is imported, limited to one thread, and what it makes of a network of ours.

They are installed by ``make bench`` into environments of their own. A network is its ``Layers``:
(W, b) from below, W stored (in, out), the peers' faster way; ``of`` takes them from ours.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numerics.network import Parameters

Layers = list[tuple[np.ndarray, np.ndarray]]
Kernel = Callable[[], Any]

NODES = 25
"""Of the peer's Gauss-Hermite quadrature: the number that its documentation suggests."""

XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
SHIM = (
    "jax.interpreters.ad.source_info_util = jax._src.source_info_util and "
    "jax.interpreters.ad.config = jax.config, before neural_tangents is imported"
)


class Gram(NamedTuple):
    """What computes a Gram matrix, and what makes (C N, C N) of its result, outside of the time."""

    run: Callable[[], Any]
    matrix: Callable[[Any], np.ndarray]


def of(parameters: Parameters) -> Layers:
    """The layers of one network, n = 1."""
    return [(W[0], b[0]) for W, b in zip(parameters.weights, parameters.biases, strict=True)]


def imported(name: str) -> Any:
    """The module of a peer; ends the script in one line where it is not installed."""
    try:
        return import_module(name)
    except ImportError as problem:
        raise SystemExit(
            f"this benchmark needs {name}, which cannot be imported here ({problem}): "
            "`make bench` makes the environment that has it, and runs the benchmark there"
        ) from None


def jax() -> Any:
    """JAX on one thread of the processor, with float64 allowed."""
    os.environ["XLA_FLAGS"] = XLA_FLAGS
    os.environ["JAX_PLATFORMS"] = "cpu"
    module = imported("jax")
    module.config.update("jax_enable_x64", True)
    return module


def neural_tangents() -> Any:
    """neural-tangents, which needs ``SHIM`` and tells much about TensorFlow."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    module = jax()
    module.interpreters.ad.source_info_util = imported("jax._src.source_info_util")
    module.interpreters.ad.config = module.config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return imported("neural_tangents")


def torch() -> Any:
    """torch on one thread."""
    module = imported("torch")
    module.set_num_threads(1)
    return module


def structured(layers: Layers, x: np.ndarray) -> Gram:
    """The Gram matrix by the structured derivatives of neural-tangents, compiled.

    Sample by sample (``vmap_axes=0``): its other way holds Jacobians of the whole batch, and is a
    hundred times slower.
    """
    nt = neural_tangents()
    implementation = nt.NtkImplementation.STRUCTURED_DERIVATIVES
    gram = jax().jit(
        nt.empirical_ntk_fn(
            _outputs(_relu),
            trace_axes=(),
            diagonal_axes=(),
            vmap_axes=0,
            implementation=implementation,
        )
    )
    given, samples = _arrays(jax().numpy.asarray, layers), jax().numpy.asarray(x)
    compiled = gram.lower(samples, None, given).compile()
    return Gram(
        lambda: compiled(samples, None, given).block_until_ready(),
        lambda found: _square(np.asarray(found).transpose(2, 0, 3, 1)),
    )


def jax_jacobian(layers: Layers, x: np.ndarray) -> Gram:
    """The Gram matrix of ``jax.jacrev``, contracted layer by layer, compiled."""
    module = jax()
    outputs = _outputs(_relu)

    @module.jit
    def gram(given: Any, samples: Any) -> Any:
        def flat(given: Any) -> Any:
            return outputs(given, samples).T.ravel()

        parts = module.tree_util.tree_leaves(module.jacrev(flat)(given))
        rows = [part.reshape(len(part), -1) for part in parts]
        return sum(J @ J.T for J in rows)

    given, samples = _arrays(module.numpy.asarray, layers), module.numpy.asarray(x)
    compiled = gram.lower(given, samples).compile()
    return Gram(lambda: compiled(given, samples).block_until_ready(), np.asarray)


def torch_jacobian(layers: Layers, x: np.ndarray) -> Gram:
    """The Gram matrix of ``torch.func``: jacrev of one sample, vmap over samples, contracted."""
    module = torch()
    func = imported("torch.func")
    outputs = _outputs(module.relu)
    given, samples = _arrays(module.from_numpy, layers), module.from_numpy(x)

    def gram() -> Any:
        jacobians = func.vmap(func.jacrev(outputs), (None, 0))(given, samples)
        rows = [J.transpose(0, 1).flatten(0, 1).flatten(1) for pair in jacobians for J in pair]
        return sum(J @ J.T for J in rows)

    return Gram(gram, np.asarray)


def nngeometry_gram(layers: Layers, x: np.ndarray) -> Gram:
    """The Gram matrix of nngeometry, for a torch module, which stores weights (out, in)."""
    module = torch()
    build = imported("nngeometry").gram.GramMatrix
    parts: list[Any] = []
    for W, b in layers:
        linear = module.nn.Linear(*W.shape, dtype=module.from_numpy(W).dtype)
        with module.no_grad():
            linear.weight.copy_(module.from_numpy(W.T.copy()))
            linear.bias.copy_(module.from_numpy(b))
        parts += [linear, module.nn.ReLU()]
    network = module.nn.Sequential(*parts[:-1])
    samples = module.utils.data.TensorDataset(module.from_numpy(x))

    def gram() -> Any:
        loader = module.utils.data.DataLoader(samples, batch_size=len(x))
        return build(network, loader).to_torch().detach()

    return Gram(gram, lambda found: _square(found.numpy()))


GRAMS = {
    "neural-tangents": structured,
    "jax.jacrev": jax_jacobian,
    "torch.func": torch_jacobian,
    "nngeometry": nngeometry_gram,
}
"""Each takes layers and samples (N, M_0)."""


def _relu(u: Any) -> Any:
    return jax().numpy.maximum(u, 0)


def _outputs(relu: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The outputs (N, C) of samples (N, M_0), or (C,) of one."""

    def outputs(layers: Any, x: Any) -> Any:
        for W, b in layers[:-1]:
            x = relu(x @ W + b)
        W, b = layers[-1]
        return x @ W + b

    return outputs


def _arrays(to: Callable[[np.ndarray], Any], layers: Layers) -> Any:
    return [(to(W), to(b)) for W, b in layers]


def _square(gram: np.ndarray) -> np.ndarray:
    """(C, N, C, N) to (C N, C N)."""
    return gram.reshape(gram.shape[0] * gram.shape[1], -1)


def batchnorm_product(layers: Layers, x: np.ndarray, v: np.ndarray) -> Callable[[], Any]:
    """J J^T v / N of ReLU with batch norm in the hidden layers, by jitted JAX, compiled."""
    module = jax()
    jnp = module.numpy

    def outputs(layers: Any, h: Any) -> Any:
        for W, b in layers[:-1]:
            u = h @ W + b
            u = u - u.mean(axis=0)
            h = _relu(u / jnp.sqrt((u * u).mean(axis=0)))
        W, b = layers[-1]
        return (h @ W + b).T.ravel()

    @module.jit
    def product(layers: Any, x: Any, v: Any) -> Any:
        def of(layers: Any) -> Any:
            return outputs(layers, x)

        (gradient,) = module.vjp(of, layers)[1](v)
        return module.jvp(of, (layers,), (gradient,))[1] / len(x)

    given = _arrays(jnp.asarray, layers), jnp.asarray(x), jnp.asarray(v)
    compiled = product.lower(*given).compile()
    return lambda: compiled(*given).block_until_ready()


def data_kernel(name: str, sigma_w2: float, sigma_b2: float, depth: int, x: np.ndarray) -> Kernel:
    """The kernels of infinite width by neural-tangents, compiled when it is first called."""
    stax, module = neural_tangents().stax, jax()
    standard = {"W_std": sigma_w2**0.5, "b_std": sigma_b2**0.5}
    activations = {
        "relu": stax.Relu,
        "tanh": lambda: stax.ElementwiseNumerical(module.numpy.tanh, deg=NODES),
    }
    layers: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that quadrature has an error is what is measured
        for _ in range(depth - 1):
            layers += [stax.Dense(1, **standard), activations[name]()]
    kernel = module.jit(
        stax.serial(*layers, stax.Dense(1, **standard))[2], static_argnames=("get",)
    )
    return lambda: module.block_until_ready(kernel(x, None, get=("nngp", "ntk")))
