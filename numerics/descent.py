r"""Full-batch gradient descent on random networks, and its growth near a point of zero residual.

The loss is :math:`\frac1{2N}\sum_t |f(t) - y(t)|^2`, with the last layer's map in f. Where the
residual r is small, a step of rate :math:`\eta` takes it to :math:`(I - \eta F^*) r`: the top mode
multiplies the loss by :math:`(1 - \eta\lambda_{\max})^2`, so :math:`2/\lambda_{\max}` is the
threshold. Far above it the loss may rise by orders of magnitude and then land in a flatter place:
the final loss says nothing about the threshold, local growth does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from numerics.dual_product import cotangents, work
from numerics.ensemble import in_range
from numerics.lanczos import Eigenvalue
from numerics.largest_eigenvalue import largest_eigenvalue
from numerics.network import Forward, Parameters, draw_inputs, draw_parameters, forward, propagate
from numerics.outputs import against_outputs, map_outputs
from theory.architecture import DescriptionError, Network, Normalized, NotCovered, OutOfRegime

TOGETHER = 2**22
"""Weights, and numbers in the layers, of the networks that descend together."""

RESIDUAL = 1e-6
"""Relative residual of the largest eigenvalues."""

MOST = 500
"""Products with F* that one of them may take."""


class Descent(NamedTuple):
    r"""Runs of K networks at R rates.

    ``losses`` (R, K, steps + 1), before each step and after the last, infinite from the step on
    at which float64 overflows or a normalization would divide by 0. ``landing`` (R, K): the
    largest eigenvalue of F at the last parameters, infinite where the loss is or where it is
    beyond float64 itself.
    """

    losses: np.ndarray
    landing: np.ndarray


class Growth(NamedTuple):
    r"""K networks as points of zero residual, and a small step away from them at R rates.

    ``largest`` (K,): :math:`\lambda_{\max}`; ``factor`` (R, K): what one step multiplies the loss
    of a residual along its eigenvector by, in theory :math:`(1 - \eta\lambda_{\max})^2`.
    """

    largest: np.ndarray
    factor: np.ndarray


def gradient(
    network: Network, parameters: Parameters, inputs: np.ndarray, residual: np.ndarray
) -> Parameters:
    r""":math:`\frac1N J^T r` of n networks, each for its residual (n, C, N).

    Raises ``NotCovered`` for normalized or standardized weights and the cross-entropy.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> ones = Parameters(
    ...     (np.ones((1, 3, 2)), np.ones((1, 2, 1))), (np.zeros((1, 2)), np.zeros((1, 1)))
    ... )
    >>> gradient(net, ones, np.eye(3)[:1], np.ones((1, 1, 1))).weights[1].ravel()
    array([1., 1.])
    """
    return _gradient(network, propagate(network, parameters, inputs), residual)


def _gradient(network: Network, run: Forward, residual: np.ndarray) -> Parameters:
    if network.weights != "plain" or network.loss != "mse":
        raise NotCovered("gradient descent with normalized weights or cross-entropy")
    mapped = against_outputs(network, run.linear_outputs, residual[:, None])[:, 0]
    inner, outer = cotangents(network, run, mapped.swapaxes(1, 2) / residual.shape[-1], work(run))
    scales, shifts = [], []
    for layer, scheme, one in zip(run.hidden, network.layers or (), outer, strict=True):
        if isinstance(scheme, Normalized):
            still = np.zeros_like(layer.u[:, 0])
            scales.append(still if one is None else (layer.normalized() * one).sum(axis=1))
            shifts.append(still if one is None else one.sum(axis=1))
    return Parameters(
        tuple(
            affine.rates * (h.swapaxes(-1, -2) @ one)
            for affine, h, one in zip(run.affines, run.activations, inner, strict=True)
        ),
        tuple(
            network.bias_gradients * affine.bias_rate * one.sum(axis=1)
            for affine, one in zip(run.affines, inner, strict=True)
        ),
        tuple(scales),
        tuple(shifts),
    )


def descend(
    network: Network,
    width: int,
    samples: int,
    rates: Sequence[float],
    steps: int,
    seeds: Sequence[int],
) -> Descent:
    """Random networks, one for each seed, towards standard normal targets.

    Raises ``DescriptionError`` unless all rates are positive, steps >= 0 and there is a seed.
    """
    _check(rates, seeds, steps)
    losses = np.empty((len(rates), len(seeds), steps + 1))
    landing = np.full((len(rates), len(seeds)), np.inf)
    for k, seed in enumerate(seeds):
        parameters, inputs, rng = _drawn(network, width, samples, seed)
        targets = rng.standard_normal((1, int(network.outputs), samples))
        for some in _chunks(parameters, inputs, len(rates)):
            eta = np.asarray(rates, dtype=float)[some]
            found, survivors, moved = _run(network, parameters, inputs, targets, eta, steps)
            losses[some, k] = found
            for position, r in enumerate(np.arange(len(rates))[some][survivors]):
                last = _selected(moved, slice(position, position + 1))
                with suppress(OverflowError), np.errstate(over="ignore", invalid="ignore"):
                    landing[r, k] = _top(network, last, inputs).value
    return Descent(losses, landing)


def _run(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    targets: np.ndarray,
    rates: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, np.ndarray, Parameters]:
    """One network at every rate: its losses, which of them stay finite, and their parameters."""
    losses = np.full((len(rates), steps + 1), np.inf)
    alive = np.arange(len(rates))
    parameters = _selected(parameters, np.zeros(len(rates), dtype=int))
    step = 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while step <= steps and len(alive):
            try:
                run = propagate(network, parameters, inputs)
                residual = map_outputs(network, run.linear_outputs) - targets
                loss = (residual**2).sum(axis=(1, 2)) / (2 * residual.shape[-1])
                finite = np.isfinite(loss)
            except OutOfRegime:  # one of them has a unit or an output without variance
                if step == 0:
                    raise
                finite = np.array(
                    [_defined(network, parameters, inputs, n) for n in range(len(alive))]
                )
            if not finite.all():
                alive, parameters = alive[finite], _selected(parameters, finite)
                continue
            losses[alive, step] = loss
            if step < steps:
                slope = _gradient(network, run, residual)
                parameters = _moved(parameters, slope, rates[alive])
            step += 1
    return losses, alive, parameters


def growth(
    network: Network,
    width: int,
    samples: int,
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    perturbation: float = 1e-8,
) -> Growth:
    r"""One step of each rate from a small residual along the top eigenvector.

    The targets are the outputs of a random network less a residual of ``perturbation`` times their
    norm, so that the network is near a point of zero residual. :math:`(1 - \eta\lambda_{\max})^2`
    is met up to the perturbation's own order.

    Raises ``DescriptionError`` unless all rates are positive and there is a seed, and where the
    network itself leaves float64.
    """
    _check(rates, seeds)
    largest, factors = np.empty(len(seeds)), np.empty((len(rates), len(seeds)))
    for k, seed in enumerate(seeds):
        with in_range(network):
            parameters, inputs, _ = _drawn(network, width, samples, seed)
            outputs = forward(network, parameters, inputs)
            top = _top(network, parameters, inputs)
        size = perturbation * (float(np.linalg.norm(outputs)) or 1.0)
        targets = outputs - size * top.vector.reshape(outputs.shape)
        largest[k] = top.value
        for some in _chunks(parameters, inputs, len(rates)):
            eta = np.asarray(rates, dtype=float)[some]
            losses = _run(network, parameters, inputs, targets, eta, 1)[0]
            factors[some, k] = losses[:, 1] / losses[:, 0]
    return Growth(largest, factors)


def _top(network: Network, parameters: Parameters, inputs: np.ndarray) -> Eigenvalue:
    return largest_eigenvalue(network, parameters, inputs, residual=RESIDUAL, most=MOST)


def _check(rates: Sequence[float], seeds: Sequence[int], steps: int = 0) -> None:
    if not (len(rates) and all(0 < eta < np.inf for eta in rates) and steps >= 0 and len(seeds)):
        raise DescriptionError(
            "descent needs rates 0 < eta < infinity, steps >= 0 and a seed, given "
            f"rates {list(rates)}, steps = {steps}, {len(seeds)} seeds"
        )


def _drawn(
    network: Network, width: int, samples: int, seed: int
) -> tuple[Parameters, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, width, 1, rng)
    return parameters, draw_inputs(network, width, samples, 1, rng), rng


def _chunks(parameters: Parameters, inputs: np.ndarray, rates: int) -> list[slice]:
    samples = inputs.shape[-2]
    size = max(1, TOGETHER // sum(W.size + samples * W.shape[-1] for W in parameters.weights))
    return [slice(first, first + size) for first in range(0, rates, size)]


def _selected(parameters: Parameters, networks: slice | np.ndarray) -> Parameters:
    return Parameters(*(tuple(array[networks] for array in part) for part in parameters))


def _moved(parameters: Parameters, slope: Parameters, rates: np.ndarray) -> Parameters:
    def step(start: np.ndarray, along: np.ndarray) -> np.ndarray:
        return start - np.expand_dims(rates, tuple(range(1, start.ndim))) * along

    return Parameters(*(tuple(map(step, *parts)) for parts in zip(parameters, slope, strict=True)))


def _defined(network: Network, parameters: Parameters, inputs: np.ndarray, n: int) -> bool:
    """Whether every normalization of the n-th network has a variance to divide by."""
    try:
        forward(network, _selected(parameters, slice(n, n + 1)), inputs)
    except OutOfRegime:
        return False
    return True
