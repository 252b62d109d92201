r"""Random networks: draw, forward, backward. A leading axis runs over n independent networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from numerics.activations import check_gradient, evaluate
from numerics.layers import operation
from theory.architecture import DescriptionError, Network, NoNormalization, NotCovered


class Parameters(NamedTuple):
    """Weights of shape (n, M_{l-1}, M_l) and biases of shape (n, M_l), for l = 1..L."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Forward:
    r"""One pass: activations h^0..h^{L-1} and derivatives phi'(u^1)..phi'(u^{L-1}), (n, N, M_l).

    ``linear_outputs`` has shape (n, C, N).
    """

    activations: tuple[np.ndarray, ...]
    derivatives: tuple[np.ndarray, ...]
    linear_outputs: np.ndarray


def draw_parameters(
    network: Network, width: int, count: int, rng: np.random.Generator
) -> Parameters:
    r"""Weights of variance :math:`\sigma_w^2/M_{l-1}`, biases of variance :math:`\sigma_b^2`."""
    widths = network.widths(width)
    sigma_w, sigma_b = np.sqrt(float(network.sigma_w2)), np.sqrt(float(network.sigma_b2))
    weights, biases = [], []
    for into, out in pairwise(widths):
        W = rng.standard_normal((count, into, out))
        W *= sigma_w / np.sqrt(into)
        weights.append(W)
        biases.append(sigma_b * rng.standard_normal((count, out)))
    return Parameters(tuple(weights), tuple(biases))


def draw_inputs(
    network: Network, width: int, samples: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian inputs of shape (count, N, M_0) with the network's overlaps between samples."""
    inputs = rng.standard_normal((count, samples, network.widths(width)[0]))
    same, different = (float(overlap) for overlap in network.input_overlaps)
    if (same, different) == (1, 0):
        return inputs
    covariance = (same - different) * np.eye(samples) + different
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise DescriptionError(
            f"input_overlaps {list(network.input_overlaps)} are impossible for {samples} samples"
        ) from None
    return factor @ inputs


def propagate(network: Network, parameters: Parameters, inputs: np.ndarray) -> Forward:
    """Run the networks on inputs of shape (n, N, M_0) or (N, M_0), up to the linear outputs."""
    network.refuse_later("a measurement")
    check_gradient(network.activation)
    for scheme in network.layers or ():
        if not isinstance(scheme, NoNormalization):
            raise NotCovered(f"{scheme.kind} in a hidden layer (covered: none)")
    activations, derivatives = [inputs], []
    *hidden, (W, b) = zip(parameters.weights, parameters.biases, strict=True)
    for weight, bias in hidden:
        h, derivative = evaluate(network.activation, activations[-1] @ weight + bias[:, None, :])
        activations.append(h)
        derivatives.append(derivative)
    outputs = activations[-1] @ W + b[:, None, :]
    return Forward(tuple(activations), tuple(derivatives), outputs.swapaxes(1, 2))


def forward(network: Network, parameters: Parameters, inputs: np.ndarray) -> np.ndarray:
    """The outputs (n, C, N), the last layer's map applied."""
    outputs = propagate(network, parameters, inputs).linear_outputs
    return operation(network.last).apply(network.last, outputs)


def backpropagate(parameters: Parameters, run: Forward) -> Iterator[tuple[int, np.ndarray]]:
    r"""For l = L-1..1 the pair (l, D), D of shape (n, C, N, M_l).

    .. math:: D_k^l(t) = \frac{\partial f_k(t)}{\partial u^l(t)}, \qquad
              D_k^{L-1} = W_k^L \circ \varphi'(u^{L-1}), \qquad
              D_k^l = (D_k^{l+1} W^{l+1}) \circ \varphi'(u^l)

    One product serves all C outputs.
    """
    last = len(parameters.weights) - 1
    if last == 0:
        return
    output_weights = parameters.weights[last].swapaxes(1, 2)
    D = output_weights[:, :, None, :] * run.derivatives[last - 1][:, None]
    yield last, D
    for l in range(last - 1, 0, -1):
        n, C, N, M = D.shape
        D = (D.reshape(n, C * N, M) @ parameters.weights[l].swapaxes(1, 2)).reshape(n, C, N, -1)
        D *= run.derivatives[l - 1][:, None]
        yield l, D
