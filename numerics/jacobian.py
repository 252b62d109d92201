"""The explicit Jacobian of small networks: the dense twin of the Gram matrix."""

from __future__ import annotations

import numpy as np

from numerics.fisher import parameter_groups, unit_gradients
from numerics.hidden import collect
from numerics.network import Forward, Parameters, Sensitivity, backpropagate, propagate
from numerics.outputs import along_outputs
from theory.architecture import Network


def jacobian(network: Network, parameters: Parameters, inputs: np.ndarray) -> dict[str, np.ndarray]:
    r"""The derivatives of the mapped outputs by every parameter, by parameter group.

    Each array is (n, C N, P_group), rows (k, t), columns layer by layer from below and within one
    as the layer's array of ``Parameters`` lies in memory. The rows of all groups side by side are
    J, with :math:`J J^T` the ``dual_gram``; for cross-entropy they are those of
    :math:`A_t J(t)`.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> jacobian(net, ones, np.eye(3)[:1])["weights"]  # x_j W2_i, and then h_i
    array([[[1., 1., 0., 0., 0., 0., 1., 1.]]])
    """
    run = propagate(network, parameters, inputs)
    n, C, N = run.linear_outputs.shape
    columns: dict[str, list[np.ndarray]] = {group: [] for group in parameter_groups(network)}
    output = np.broadcast_to(np.eye(C)[:, None, None, None], (n, C, N, 1, 1, C))
    top = Sensitivity(network.depth, output)
    for sensitivity in [*reversed(list(backpropagate(run))), top]:
        columns["weights"].append(_by_weights(run, sensitivity))
        for group, gradients in unit_gradients(network, run, sensitivity):
            columns[group].append(gradients)
    return {group: _mapped(network, run, parts) for group, parts in columns.items()}


def _by_weights(run: Forward, sensitivity: Sensitivity) -> np.ndarray:
    """(n, C, N, M_{l-1}, M_l)."""
    l, D = sensitivity.layer, sensitivity.inner
    affine = run.affines[l - 1]
    n, C, blocks, R, _, M = D.shape
    h = affine.features(np.broadcast_to(run.activations[l - 1], (n, blocks * R, affine.W.shape[1])))
    rates = np.broadcast_to(affine.rates, (n, M))[:, None, None, None, :]
    samples = h.reshape(n, blocks, R, -1)
    gradients = np.einsum("ncbtsi,nbsj->ncbtji", D, samples).reshape(n, C, blocks * R, -1, M)
    if affine.directions is not None:
        y = collect(D, h @ affine.directions)
        gradients = gradients - y[..., None, :] * affine.directions[:, None, None]
    return rates * gradients


def _mapped(network: Network, run: Forward, parts: list[np.ndarray]) -> np.ndarray:
    n, C, N = run.linear_outputs.shape
    rows = np.concatenate([part.reshape(n, C, N, -1) for part in parts], axis=-1)
    mapped = along_outputs(network, run.linear_outputs, np.moveaxis(rows, -1, 1))
    return np.moveaxis(mapped, 1, -1).reshape(n, C * N, -1)
