r"""The parameters of random networks: their draw, and the weights that they make.

A leading axis runs over n independent networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from numerics.products import square
from theory.architecture import DescriptionError, Network, Normalized, OutOfRegime


class Parameters(NamedTuple):
    """What a network is made of, and differentiated by.

    ``weights`` of shape (n, M_{l-1}, M_l) and ``biases`` (n, M_l), for l = 1..L: the raw V where
    weights are normalized, standard normal numbers in the NTK parameterization. ``scales`` and
    ``shifts`` (n, M_l): one for each normalized hidden layer, from below. ``gains`` (n, M_l), for
    l = 1..L: of weight normalization alone.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    scales: tuple[np.ndarray, ...] = ()
    shifts: tuple[np.ndarray, ...] = ()
    gains: tuple[np.ndarray, ...] = ()

    def of(self, networks: slice) -> Parameters:
        """Those of some of the networks."""
        return Parameters(*(tuple(array[networks] for array in part) for part in self))

    def astype(self, dtype: Any) -> Parameters:
        """Rounded to another precision: all that is computed from them is of that precision."""
        return Parameters(*(tuple(array.astype(dtype) for array in part) for part in self))


def draw_parameters(
    network: Network, width: int, count: int, rng: np.random.Generator
) -> Parameters:
    r"""Weights of variance :math:`\sigma_w^2/M_{l-1}`, biases of variance :math:`\sigma_b^2`.

    Raw weights have variance ``raw_variance``:math:`/M_{l-1}`; in the NTK parameterization all are
    standard normal. Then scales and shifts where they are random, layer by layer.
    """
    widths = network.widths(width)
    ntk = network.parameterization == "ntk"
    variance = network.sigma_w2 if network.raw_variance is None else network.raw_variance
    sigma_w, sigma_b = np.sqrt(float(variance)), np.sqrt(float(network.sigma_b2))
    weights, biases = [], []
    for into, out in pairwise(widths):
        W = rng.standard_normal((count, into, out))
        b = rng.standard_normal((count, out))
        if not ntk:
            W *= sigma_w / np.sqrt(into)
            b *= sigma_b
        weights.append(W)
        biases.append(b)
    scales, shifts = draw_scales(network, widths, count, rng)
    gains = []
    if network.weights == "weight-normalization":
        gains = [np.full((count, out), np.sqrt(float(network.sigma_w2))) for out in widths[1:]]
    return Parameters(*map(tuple, (weights, biases, scales, shifts, gains)))


def draw_scales(
    network: Network, widths: Sequence[int], count: int, rng: np.random.Generator
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Scales and shifts (count, M_l) of the normalized hidden layers, random where they are."""
    scales: list[np.ndarray] = []
    shifts: list[np.ndarray] = []
    for out, scheme in zip(widths[1:], network.layers or (), strict=False):
        if isinstance(scheme, Normalized):
            for numbers, mean, std in (
                (scales, scheme.gamma, scheme.gamma_std),
                (shifts, scheme.beta, scheme.beta_std),
            ):
                numbers.append(np.full((count, out), float(mean)))
                if std != 0:
                    numbers[-1] += float(std) * rng.standard_normal((count, out))
    return tuple(scales), tuple(shifts)


def draw_inputs(
    network: Network, width: int, samples: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian inputs of shape (count, N, M_0) with the network's overlaps between samples."""
    inputs = rng.standard_normal((count, samples, network.widths(width)[0]))
    return with_overlaps(network, inputs)


def with_overlaps(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Independent inputs (count, N, M_0), mixed so that they have the network's overlaps."""
    same, different = (float(overlap) for overlap in network.input_overlaps)
    if (same, different) == (1, 0):
        return inputs
    samples = inputs.shape[-2]
    covariance = (same - different) * np.eye(samples) + different
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise DescriptionError(
            f"input_overlaps {list(network.input_overlaps)} are impossible for {samples} samples"
        ) from None
    return factor @ inputs


@dataclass(frozen=True)
class Affine:
    r"""One layer's map :math:`u = h W + b` and how W and b follow from the parameters.

    .. math:: dW_i = r_i (I - v_i v_i^T)(I - \tfrac{11^T}{M_{l-1}})\, dV_i, \qquad db = r_b\, d\beta

    for the weights of unit i, with ``directions`` v (n, M_{l-1}, M_l), or None without that
    projection, as for the centring unless ``centred``. ``rates`` r: (n, M_l), or one number.
    ``W``: an array, or what multiplies like one (``numerics.deferred``).
    """

    W: Any
    b: np.ndarray
    rates: np.ndarray | float = 1.0
    bias_rate: float = 1.0
    directions: np.ndarray | None = None
    centred: bool = False

    def __call__(self, h: np.ndarray) -> np.ndarray:
        u: np.ndarray = h @ self.W
        u += self.b[:, None, :]
        return u

    def features(self, h: np.ndarray) -> np.ndarray:
        """What the weights of every unit see of h."""
        return h - h.mean(axis=-1, keepdims=True) if self.centred else h

    def gram(self, h: np.ndarray) -> np.ndarray:
        """Products of the features of two samples, times the square of a common rate."""
        gram = square(self.features(h))
        return gram if self.directions is not None or self.rates == 1 else gram * self.rates**2


def affine_layers(network: Network, parameters: Parameters) -> tuple[Affine, ...]:
    """The maps of all layers l = 1..L."""
    pairs = zip(parameters.weights, parameters.biases, strict=True)
    if network.parameterization == "ntk":
        sigma_w, sigma_b = sqrt(float(network.sigma_w2)), sqrt(float(network.sigma_b2))
        rates = [sigma_w / sqrt(W.shape[1]) for W in parameters.weights]
        return tuple(
            Affine(rate * W, sigma_b * b, rate, sigma_b)
            for (W, b), rate in zip(pairs, rates, strict=True)
        )
    if network.weights == "plain":
        return tuple(Affine(W, b) for W, b in pairs)
    centred = network.weights == "weight-standardization"
    gains = parameters.gains
    if centred:
        gain = sqrt(float(network.sigma_w2))
        gains = tuple(np.full_like(b, gain) for b in parameters.biases)
    return tuple(
        _normalized(V, b, gain, centred) for (V, b), gain in zip(pairs, gains, strict=True)
    )


def _normalized(V: np.ndarray, b: np.ndarray, gains: np.ndarray, centred: bool) -> Affine:
    if centred:
        V = V - V.mean(axis=1, keepdims=True)
    norms = np.sqrt((V**2).sum(axis=1))
    if not norms.all():
        raise OutOfRegime(
            "the weights of a unit have norm 0"
            + (" after centring" if centred else "")
            + ", so they cannot be normalized; use wider layers"
        )
    directions = V / norms[:, None, :]
    rates = gains / norms
    W = directions * gains[:, None, :]
    return Affine(W, b, rates, 1.0, directions, centred)
