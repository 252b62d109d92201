"""Eigenvalues of the dual Fisher matrix of random networks: all, or the largest without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import scipy

from numerics.ensemble import MEMORY_BUDGET, check_size, network_indices, over_networks
from numerics.fisher import dual_gram
from numerics.lanczos import Eigenvalue
from numerics.largest_eigenvalue import top_eigenvalues
from numerics.network import Parameters
from theory.architecture import Network


class Eigenvalues(NamedTuple):
    r"""One network: its C N eigenvalues, ascending, and the scale of its output weights.

    ``scale`` is the mean over the outputs of :math:`|W_k^L|^2/\sigma_w^2`; 1 where the weights are
    normalized.
    """

    values: np.ndarray
    scale: float


def eigenvalues(
    network: Network,
    width: int,
    samples: int,
    seeds: Iterable[int] | int,
    *,
    memory_budget: int = MEMORY_BUDGET,
    progress: bool = False,
) -> list[Eigenvalues]:
    r"""The eigenvalues of :math:`F^* = J J^T/N`, the last layer's map applied, of every network.

    The networks are those that ``measure`` draws. Raises ``DescriptionError`` for meaningless
    input, or if the memory would exceed the budget.

    >>> (one,) = eigenvalues(Network("linear", depth=2, sigma_w2=1), 8, 4, [0])
    >>> one.values.shape, bool(one.values.min() > 0)
    ((4,), True)
    """
    indices = network_indices(seeds)
    check_size(network, width, samples, memory_budget, one_by_one=len(indices))

    def one_network(parameters: Parameters, inputs: np.ndarray) -> Eigenvalues:
        K = dual_gram(network, parameters, inputs)[0]
        scale = 1.0
        if network.weights == "plain":
            unit = 1.0 if network.parameterization == "ntk" else float(network.sigma_w2)
            W = parameters.weights[-1]
            scale = float((W**2).sum() / (unit * network.outputs))
        return Eigenvalues(scipy.linalg.eigvalsh(K / samples), scale)

    return over_networks(one_network, network, width, samples, indices, progress)


def largest_eigenvalues(
    network: Network,
    width: int,
    samples: int,
    seeds: Iterable[int] | int,
    count: int,
    *,
    residual: float = 1e-6,
    memory_budget: int = MEMORY_BUDGET,
    progress: bool = False,
) -> list[list[Eigenvalue]]:
    r"""The ``count`` largest eigenvalues of F* of every network, descending, matrix-free.

    Of the networks that ``measure`` draws, by ``numerics.largest_eigenvalue.top_eigenvalues``: for
    C N in the ten thousands. Raises ``DescriptionError`` for meaningless input, or if the memory
    would exceed the budget, ``NotConverged`` where a residual is not reached.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> (top, _), = largest_eigenvalues(net, 8, 4, [0], 2)
    >>> bool(abs(top.value / eigenvalues(net, 8, 4, [0])[0].values[-1] - 1) < 1e-10)
    True
    """
    indices = network_indices(seeds)
    check_size(network, width, samples, memory_budget, one_by_one=len(indices), matrix_free=True)

    def one_network(parameters: Parameters, inputs: np.ndarray) -> list[Eigenvalue]:
        return top_eigenvalues(network, parameters, inputs, count, residual=residual)

    return over_networks(one_network, network, width, samples, indices, progress)
