r"""Full-batch gradient descent on random networks, and its growth near a point of zero residual.

The loss is :math:`\frac1{2N}\sum_t |f(t) - y(t)|^2`, with the last layer's map in f. Where the
residual r is small, a step of rate :math:`\eta` takes it to :math:`(I - \eta F^*) r`: the top mode
multiplies the loss by :math:`(1 - \eta\lambda_{\max})^2`, so :math:`2/\lambda_{\max}` is the
threshold. Far above it the loss may rise by orders of magnitude and then land in a flatter place:
the final loss says nothing about the threshold, local growth does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerics.fisher import dual_gram
from numerics.lanczos import DualProduct
from numerics.network import Parameters, draw_inputs, draw_parameters, forward
from numerics.outputs import against_outputs
from theory.architecture import DescriptionError, Network, Normalized, NotCovered


def gradient(
    network: Network, parameters: Parameters, inputs: np.ndarray, residual: np.ndarray
) -> Parameters:
    r""":math:`\frac1N J^T r` of one network (n = 1) for a residual (1, C, N).

    Raises ``NotCovered`` for normalized or standardized weights and the cross-entropy.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> ones = Parameters((np.ones((1, 3, 2)), np.ones((1, 2, 1))), (np.zeros((1, 2)),) * 2)
    >>> gradient(net, ones, np.eye(3)[:1], np.ones((1, 1, 1))).weights[1].ravel()
    array([1., 1.])
    """
    if network.weights != "plain" or network.loss != "mse":
        raise NotCovered("gradient descent with normalized weights or cross-entropy")
    product = DualProduct.at(network, parameters, inputs)
    run, N = product.run, residual.shape[-1]
    mapped = against_outputs(network, run.linear_outputs, residual[:, None])[:, 0] / N
    inner, outer = product.cotangents(mapped.swapaxes(1, 2))
    bias_sums = tuple(one.sum(axis=1) for one in inner)
    scales, shifts = [], []
    for layer, scheme, one in zip(run.hidden, network.layers or (), outer, strict=True):
        if isinstance(scheme, Normalized):
            still = np.zeros((1, layer.u.shape[-1]))
            scales.append(still if one is None else (layer.normalized() * one).sum(axis=1))
            shifts.append(still if one is None else one.sum(axis=1))
    return Parameters(
        tuple(
            affine.rates * (h.swapaxes(-1, -2) @ one)
            for affine, h, one in zip(run.affines, run.activations, inner, strict=True)
        ),
        tuple(
            network.bias_gradients * affine.bias_rate * one
            for affine, one in zip(run.affines, bias_sums, strict=True)
        ),
        tuple(scales),
        tuple(shifts),
    )


def losses(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    targets: np.ndarray,
    rate: float,
    steps: int,
) -> np.ndarray:
    """The loss of one network (n = 1) before each step and after the last, (steps + 1,).

    ``targets``: (1, C, N). From the step on at which float64 overflows it is infinite.
    """
    found = np.full(steps + 1, np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps + 1):
            residual = forward(network, parameters, inputs) - targets
            loss = float((residual**2).sum()) / (2 * residual.shape[-1])
            if not np.isfinite(loss):
                break
            found[step] = loss
            if step < steps:
                slope = gradient(network, parameters, inputs, residual)
                parameters = _moved(parameters, slope, rate)
    return found


def _moved(parameters: Parameters, slope: Parameters, rate: float) -> Parameters:
    parts = zip(parameters, slope, strict=True)
    return Parameters(
        *(tuple(a - rate * b for a, b in zip(one, other, strict=True)) for one, other in parts)
    )


def descend(
    network: Network, width: int, samples: int, eta: float, steps: int, seeds: Sequence[int]
) -> np.ndarray:
    """Losses (seeds, steps + 1) of random networks towards standard normal targets.

    Raises ``DescriptionError`` unless eta > 0, steps >= 0 and there is a seed.
    """
    if not (0 < eta < np.inf and steps >= 0 and len(seeds)):
        raise DescriptionError(
            f"descend needs 0 < eta < infinity, steps >= 0 and a seed, given eta = {eta}, "
            f"steps = {steps}, {len(seeds)} seeds"
        )
    found = []
    for seed in seeds:
        parameters, inputs, rng = _drawn(network, width, samples, seed)
        targets = rng.standard_normal((1, int(network.outputs), samples))
        found.append(losses(network, parameters, inputs, targets, eta, steps))
    return np.array(found)


def final_losses(
    network: Network,
    widths: Sequence[int],
    samples: int,
    rates: Sequence[float],
    steps: int,
    seeds: Sequence[int],
) -> np.ndarray:
    """The map (widths, rates) of final losses, means over the seeds; infinite beyond float64."""
    return np.array(
        [
            [descend(network, width, samples, eta, steps, seeds)[:, -1].mean() for eta in rates]
            for width in widths
        ]
    )


def growth(
    network: Network,
    width: int,
    samples: int,
    factor: float,
    seed: int,
    *,
    perturbation: float = 1e-7,
) -> float:
    r"""What one step at :math:`\eta = 2\,\text{factor}/\lambda_{\max}` multiplies the loss by.

    The targets are the network's outputs less ``perturbation`` times the top eigenvector of its
    dual Fisher matrix: :math:`(1 - 2\,\text{factor})^2`, up to the perturbation's own order.
    """
    parameters, inputs, _ = _drawn(network, width, samples, seed)
    values, vectors = np.linalg.eigh(dual_gram(network, parameters, inputs)[0] / samples)
    outputs = forward(network, parameters, inputs)
    targets = outputs - perturbation * vectors[:, -1].reshape(outputs.shape)
    before, after = losses(network, parameters, inputs, targets, 2 * factor / values[-1], 1)
    return float(after / before)


def _drawn(
    network: Network, width: int, samples: int, seed: int
) -> tuple[Parameters, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, width, 1, rng)
    return parameters, draw_inputs(network, width, samples, 1, rng), rng
