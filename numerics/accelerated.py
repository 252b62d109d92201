r"""The dual Gram matrix and its eigenvalues in another array library, on a GPU where there is one.

The pass up and what depends on the samples alone stay with numpy, which is the reference; the
products with the weights between hidden layers and the Gram matrices, which are nearly all the
work, are done where the arrays lie. Through the array API standard (data-apis.org), so for torch,
CuPy, JAX and others; needs ``array-api-compat``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numerics.fisher import grams_of_outputs, total
from numerics.network import Forward, Parameters, propagate
from numerics.outputs import along_outputs
from theory.architecture import DescriptionError, Network, Normalized, NotCovered

Array = Any  # of the other library


class Place(NamedTuple):
    """An array library's namespace and one of its devices."""

    xp: Any
    device: Any

    def put(self, array: np.ndarray) -> Array:
        """A copy there, in the same precision."""
        return self.xp.asarray(np.array(array, order="C"), device=self.device)


def dual_gram(network: Network, parameters: Parameters, inputs: Array) -> Array:
    r"""``numerics.fisher.dual_gram`` (n, C N, C N), of the library and on the device of the arrays.

    Every array of ``parameters`` and ``inputs`` lies on one device, in float64 or float32: from
    numpy, ``put``. Hidden layers whose statistics run over the samples and normalized weights are
    ``NotCovered``, and so are trained scales and shifts.

    Raises ``DescriptionError`` for arrays of two libraries, devices or precisions, and for what is
    neither float64 nor float32.

    >>> import array_api_strict as xp
    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> dual_gram(net, *put(ones, np.eye(3)[:2], xp))
    Array([[[7., 5.],
            [5., 7.]]], dtype=array_api_strict.float64)
    """
    _check_covered(network)
    place = _place(parameters, inputs)
    xp = place.xp
    host = Parameters(*(tuple(map(_host, part)) for part in parameters))
    run = propagate(network, host, _host(inputs))
    n, C, N = run.linear_outputs.shape
    own = total(grams_of_outputs(network, run))
    diagonal = np.zeros((n, C, N, C, N), own.dtype)
    outputs = np.arange(C)
    diagonal[:, outputs, :, outputs] = np.broadcast_to(own, (n, C, N, N)).swapaxes(0, 1)
    K = place.put(diagonal)
    derivatives = [place.put(one) for one in run.derivatives]
    output_weights = place.put(run.affines[-1].W.swapaxes(1, 2))
    outer = output_weights[:, :, None, :] * derivatives[-1][:, None, :, :]
    for l in range(len(run.hidden), 0, -1):
        affine = run.affines[l - 1]
        D = _below(place, run, l, outer)
        rows = xp.reshape(D, (n, C * N, -1))
        gram = affine.gram(run.activations[l - 1])
        if network.bias_gradients:
            gram = gram + affine.bias_rate**2
        gram = place.put(np.broadcast_to(gram, (n, N, N)))
        products = xp.reshape(rows @ xp.matrix_transpose(rows), (n, C, N, C, N))
        K = K + products * gram[:, None, :, None, :]
        if l > 1:
            W = parameters.weights[l - 1]
            if affine.rates != 1:
                W = W * float(affine.rates)
            passed = rows @ xp.matrix_transpose(W)
            outer = xp.reshape(passed, (n, C, N, -1)) * derivatives[l - 2][:, None, :, :]
    K = xp.reshape(K, (n, C * N, C * N))
    return _through_last_layer(place, network, run, K)


def eigenvalues(network: Network, parameters: Parameters, inputs: Array) -> Array:
    """The eigenvalues (n, C N) of the dual Fisher matrices, ascending, where the arrays lie."""
    K = dual_gram(network, parameters, inputs)
    xp = _namespace(K)
    return xp.linalg.eigvalsh(K / (K.shape[-1] // network.outputs))


def put(
    parameters: Parameters, inputs: np.ndarray, library: Any, device: Any = None
) -> tuple[Parameters, Array]:
    """Copies of numpy's arrays in a library, such as the module torch, on one of its devices.

    Raises ``DescriptionError`` where the library does not keep their precision.
    """
    place = Place(_compatible(library), device)

    def moved(array: np.ndarray) -> Array:
        found = place.put(array)
        if _precision(place.xp, found) != array.dtype.name:
            raise DescriptionError(
                f"{library.__name__} has no {array.dtype.name} here, it gives {found.dtype}; "
                "enable it (jax: jax_enable_x64), choose another device, or give float32"
            )
        return found

    return Parameters(*(tuple(map(moved, part)) for part in parameters)), moved(inputs)


def _below(place: Place, run: Forward, l: int, outer: Array) -> Array:
    """Through the normalization of layer l; where there is one, by numpy."""
    hidden = run.hidden[l - 1]
    if hidden.scheme.over == "":
        return outer
    n, C, N, M = outer.shape
    derivatives = _host(outer).reshape(n, C, N, 1, 1, M)
    return place.put(hidden.derivatives_below(derivatives).reshape(n, C, N, M))


def _through_last_layer(place: Place, network: Network, run: Forward, K: Array) -> Array:
    if network.loss == "mse" and network.last.over == "":
        return K
    n, C, N = run.linear_outputs.shape
    each = np.broadcast_to(np.eye(C * N, dtype=run.linear_outputs.dtype), (n, C * N, C * N))
    A = along_outputs(network, run.linear_outputs, each.reshape(n, C * N, C, N))
    transposed = place.put(A.reshape(n, C * N, C * N))
    return place.xp.matrix_transpose(transposed) @ K @ transposed


def _check_covered(network: Network) -> None:
    for scheme in network.layers or ():
        if scheme.over == "samples":
            raise NotCovered(f"{scheme.kind} in hidden layers outside of numpy")
        if isinstance(scheme, Normalized) and scheme.trained:
            raise NotCovered("trained scales and shifts outside of numpy")
    if network.weights != "plain":
        raise NotCovered(f"{network.weights} outside of numpy")


def _place(parameters: Parameters, inputs: Array) -> Place:
    """The one library, device and precision of all arrays."""
    arrays = [inputs, *(array for part in parameters for array in part)]
    spaces = [_namespace(array) for array in arrays]
    for what, found in (
        ("library", {space.__name__ for space in spaces}),
        ("device", {str(array.device) for array in arrays}),
        ("precision", {_precision(xp, one) for xp, one in zip(spaces, arrays, strict=True)}),
    ):
        if len(found) > 1:
            raise DescriptionError(
                f"parameters and inputs must share one {what}, {' and '.join(sorted(found))} "
                "given; move them with numerics.accelerated.put"
            )
    return Place(spaces[0], inputs.device)


def _precision(xp: Any, array: Array) -> str:
    for name in ("float64", "float32"):
        if array.dtype == getattr(xp, name):
            return name
    raise DescriptionError(f"arrays must be float64 or float32, {array.dtype} given")


def _compatible(library: Any) -> Any:
    """The library's namespace by the standard."""
    try:
        return _namespace(library.asarray(0.0))
    except AttributeError:
        raise DescriptionError(f"an array library is needed, {library!r} given") from None


def _namespace(array: Array) -> Any:
    try:
        from array_api_compat import array_namespace
    except ImportError:
        raise DescriptionError(
            "other array libraries need array-api-compat: pip install 'fisherfield[gpu]'"
        ) from None
    try:
        return array_namespace(array)
    except TypeError as problem:
        raise DescriptionError(f"arrays of one library are needed: {problem}") from None


def _host(array: Array) -> np.ndarray:
    from array_api_compat import to_device

    try:
        return np.asarray(array)
    except TypeError:  # torch and CuPy copy from a GPU on request alone
        return np.asarray(to_device(array, "cpu"))
