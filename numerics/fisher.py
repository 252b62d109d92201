r"""The Fisher matrix through its dual, from layerwise products: never P x P.

With :math:`J = \partial f_k(t)/\partial\theta`, rows (k, t), the Gram matrix :math:`K = J J^T` is,
for plain weights and layers that do not couple samples,

.. math:: K_{(k,t),(k',s)} = \sum_{l=1}^L D_k^l(t)\cdot D_{k'}^l(s)
          \left( h^{l-1}(t)\cdot h^{l-1}(s) + 1 \right),

the 1 for the gradients of the biases, and :math:`F^* = K/N`. Where samples couple, D_k^l(t) has an
index t' more, over which both sides are summed. Normalized weights lose, for each unit, what lies
along their own direction; biases, scales, shifts and gains are numbers per unit, with Gram matrix
Z Z^T.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from numerics.hidden import collect
from numerics.network import Forward, Parameters, Sensitivity, backpropagate, propagate
from numerics.outputs import through_last_layer
from numerics.products import Sum
from theory.architecture import Network, Normalized


def parameter_groups(network: Network) -> tuple[str, ...]:
    """The groups that have parameters, in the order of ``Network.parameter_groups``.

    >>> parameter_groups(Network("relu", depth=3, sigma_w2=2))
    ('weights', 'biases')
    """
    trained = any(isinstance(one, Normalized) and one.trained for one in network.layers or ())
    present = {
        "weights": True,
        "biases": network.bias_gradients,
        "scales": trained,
        "shifts": trained,
        "gains": network.trained_gains,
    }
    return tuple(group for group, there in present.items() if there)


def dual_gram(network: Network, parameters: Parameters, inputs: np.ndarray) -> np.ndarray:
    r"""The Gram matrix K of every network, shape (n, C N, C N), the last layer's map applied.

    Divide by N for the dual Fisher matrix. ``inputs``: (n, N, M_0), or (N, M_0) for all networks.
    All is computed in the precision of parameters and inputs: in float32 at half the time, with
    an error of 1e-7 to 3e-7 of the norm of K, and up to 1e-6 behind a normalized last layer.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> dual_gram(net, ones, np.eye(3)[:2])  # W2.W2 (x.x + 1) + h.h + 1
    array([[[7., 5.],
            [5., 7.]]])
    """
    run = propagate(network, parameters, inputs)
    return through_last_layer(network, run.linear_outputs, linear_gram(network, run))


def group_grams(
    network: Network, parameters: Parameters, inputs: np.ndarray
) -> dict[str, np.ndarray]:
    """The part of every parameter group in ``dual_gram``, of its shape; their sum is K."""
    run = propagate(network, parameters, inputs)
    return {
        group: through_last_layer(network, run.linear_outputs, K)
        for group, K in linear_grams(network, run).items()
    }


def linear_gram(network: Network, run: Forward) -> np.ndarray:
    """The Gram matrix of the linear outputs, shape (n, C N, C N)."""
    return _joined(
        grams_below(network, run, split=False)["weights"], total(grams_of_outputs(network, run))
    )


def linear_grams(network: Network, run: Forward) -> dict[str, np.ndarray]:
    """The part of every parameter group in ``linear_gram``, of its shape."""
    below, last = grams_below(network, run, split=True), grams_of_outputs(network, run)
    return {group: _joined(K, last.get(group)) for group, K in below.items()}


def total(parts: dict[str, np.ndarray]) -> np.ndarray:
    """The sum of the parts of all parameter groups."""
    return reduce(np.add, parts.values())


def _joined(below: np.ndarray, last: np.ndarray | None) -> np.ndarray:
    n, C, N = below.shape[:3]
    if last is not None:
        for k in range(C):
            below[:, k, :, k, :] += last[:, k if last.shape[1] > 1 else 0]
    return below.reshape(n, C * N, C * N)


def grams_below(
    network: Network, run: Forward, *, split: bool, combinations: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Gram matrices (n, C, N, C, N) of the layers below the output layer, by parameter group.

    Not ``split``, all groups share one array, which holds their sum. N counts the combinations of
    the outputs of all batches, if such are given, as in ``backpropagate``.
    """
    n, C, N = run.linear_outputs.shape
    if combinations is not None:
        N = combinations.shape[1] * combinations.shape[2]
    groups, shape = parameter_groups(network), (n, C, N, C, N)
    dtype = run.linear_outputs.dtype
    if split:
        sums = {group: Sum(shape, dtype) for group in groups}
    else:
        sums = dict.fromkeys(groups, Sum(shape, dtype))
    for sensitivity in backpropagate(run, combinations):
        l = sensitivity.layer
        affine, h = run.affines[l - 1], run.activations[l - 1]
        gram, rates = affine.gram(h), None
        merged = network.bias_gradients and not split and affine.directions is None
        if merged:  # one product serves weights and biases
            gram = gram + affine.bias_rate**2
        if affine.directions is not None:
            rates = np.asarray(affine.rates)[:, None]
            along = sensitivity.collected(h @ affine.directions)
            sums["weights"].add_units(rates[:, :, None] * along, -1)
        _add_weights(sums["weights"], sensitivity, gram, rates)
        for group, Z in unit_gradients(network, run, sensitivity, biases=not merged):
            sums[group].add_units(Z)
    if split:
        return {group: one.mirrored() for group, one in sums.items()}
    return dict.fromkeys(groups, sums["weights"].mirrored())


def unit_gradients(
    network: Network, run: Forward, sensitivity: Sensitivity, *, biases: bool = True
) -> Iterator[tuple[str, np.ndarray]]:
    """Gradients (n, C, N, M_l) by the parameters of which a unit has one each.

    Not ``biases``, theirs are left out.
    """
    l = sensitivity.layer
    affine = run.affines[l - 1]
    scheme = (*(network.layers or ()), network.last)[l - 1]
    if network.bias_gradients and biases:
        yield "biases", affine.bias_rate * sensitivity.collected()
    if isinstance(scheme, Normalized) and scheme.trained:
        yield "scales", collect(sensitivity.outer, run.hidden[l - 1].normalized())
        yield "shifts", collect(sensitivity.outer)
    if network.trained_gains and affine.directions is not None:
        yield "gains", sensitivity.collected(run.activations[l - 1] @ affine.directions)


def grams_of_outputs(network: Network, run: Forward) -> dict[str, np.ndarray]:
    """Gram matrices (n, 1 or C, N, N) of the output layer: an output sees its own unit alone.

    One matrix where it is the same for all outputs.
    """
    affine, h, N = run.affines[-1], run.activations[-1], run.linear_outputs.shape[-1]
    parts = {"weights": affine.gram(h)[:, None]}
    if affine.directions is not None:
        y = (h @ affine.directions).swapaxes(1, 2)
        outer = y[..., :, None] * y[..., None, :]
        rates = np.asarray(affine.rates)[:, :, None, None]
        parts["weights"] = rates**2 * (parts["weights"] - outer)
        if network.trained_gains:
            parts["gains"] = outer
    if network.bias_gradients:
        parts["biases"] = np.full((1, 1, N, N), affine.bias_rate**2, h.dtype)
    return parts


def _add_weights(
    into: Sum, sensitivity: Sensitivity, gram: np.ndarray, rates: np.ndarray | None
) -> None:
    r"""The Gram matrix of a layer's weights from the derivatives by its units.

    ``gram`` is (n, N, N), or (N, N) for all networks; ``rates`` (n, 1, M) multiply derivatives.
    """
    if sensitivity.factors is not None:
        a, P = sensitivity.factors
        into.add_outer(a if rates is None else a * rates, P, gram)
        return
    layer, first = sensitivity.normalization, sensitivity.couples_first
    D = sensitivity.outer if first else sensitivity.inner
    if rates is not None:
        D = D * rates[:, :, None, None, None]
    if layer is not None and first:
        into.add(layer.weight_products(D, gram))
    elif D.shape[4] == 1:
        n, C, N, *_, M = D.shape
        into.add_units(D.reshape(n, C, N, M), 1, gram)
    else:
        into.add_coupled(D, gram)
