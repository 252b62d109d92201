r"""Kernels of given inputs of one norm: a function of one number for each pair.

Where every input has the same norm, the covariance of two outputs and their neural tangent kernel
depend on 1 - c of the first pre-activations alone. The layers are composed once, at the nodes of
a series (``theory.depth``), which is then evaluated for all pairs at a cost that hardly depends on
the depth.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from theory.architecture import Activation, Network
from theory.closed_dual import ClosedDual
from theory.data_pairs import Pairs, affine, input_weights, normalized
from theory.depth import ComposedMap, Layer
from theory.dual_map import DualMap, dual_map
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel, mean
from theory.pair import Law
from theory.schemes import Scheme

EQUAL = 1e-14
"""Relative spread of the squared norms up to which they are equal."""
BLOCK = 32


class EqualNorms:
    r"""Both kernels of a network between inputs with :math:`|x|^2/M_0` = ``first``.

    The map takes 1 - c of the inputs, an array, to the covariances of an output and to the neural
    tangent kernels, of the same shape.
    """

    def __init__(self, network: Network, first: float, layers: list[Layer]) -> None:
        self.first, self.weights = first, input_weights(network)[0]
        self.sigma_w2, self.sigma_b2 = float(network.sigma_w2), float(network.sigma_b2)
        self.composed = ComposedMap(layers, tangent=True) if layers else None
        self.variance = layers[-1].variance if layers else self._variance

    @property
    def _variance(self) -> float:
        """That of the first pre-activations."""
        return self.sigma_w2 * self.first + self.sigma_b2

    def __call__(self, one_minus_c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = self.weights
        tangent = weight * self.first * (1 - one_minus_c) + bias
        dl = np.minimum(one_minus_c * (self.sigma_w2 * self.first / self._variance), 2)
        if self.composed is not None:
            dl, factor, offset = self.composed(dl)
            tangent = factor * tangent + offset
        return self.variance * (1 - dl), tangent


@lru_cache(maxsize=64)
def equal_norms(network: Network, first: float) -> EqualNorms | None:
    """The map of a network for inputs of this mean square, kept for the next call.

    None where a layer has no dual of its own: where phi jumps, where nothing passes, or where an
    activation without closed form is shifted.
    """
    sigma_w2, sigma_b2 = float(network.sigma_w2), float(network.sigma_b2)
    closed = closed_kernel(network.activation)
    layers: list[Layer] = []
    square = first
    for scheme, (weight, bias) in zip(
        network.layers or (), input_weights(network)[1:], strict=True
    ):
        variance, shift, slope = _one_sample(scheme, square, sigma_w2, sigma_b2)
        one = _dual(network.activation, closed, variance, shift)
        if one is None:
            return None
        removed = 0.0
        if network.weights == "weight-standardization":
            removed = float(mean(network.activation, Law(shift or 0, variance))) ** 2
        square = one.second - removed
        after = sigma_w2 * square + sigma_b2
        layers.append(Layer(one, sigma_w2, after, sigma_w2 * slope, weight, bias, removed))
    return EqualNorms(network, first, layers)


def _one_sample(
    scheme: Scheme, square: float, sigma_w2: float, sigma_b2: float
) -> tuple[float, float, float]:
    """Variance and mean of what the activation sees, and its squared derivative by u."""
    alone = Pairs(*map(np.array, ([square], [square], [[square]], [[0.0]])))
    law, scale, shift, norms = normalized(scheme, affine(alone, sigma_w2, sigma_b2))
    return scale**2 * float(law.a[0]), shift, scale**2 / float(np.max(norms))


def _dual(
    activation: Activation, closed: Kernel | None, variance: float, shift: float
) -> ClosedDual | DualMap | None:
    if activation.jumps or not variance > 0:
        return None
    if closed is not None and closed.gap is not None:
        return ClosedDual(activation, closed, variance, shift)
    return None if shift else dual_map(activation, variance)


def over_pairs(found: EqualNorms, dl: np.ndarray, same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Both kernels at 1 - c of all pairs (N_1, N_2), each unordered pair once if ``same``."""
    nngp, ntk = np.empty((2, *dl.shape))
    for start in range(0, len(dl), BLOCK):
        rows = slice(start, start + BLOCK)
        columns = slice(start if same else 0, None)
        for out, values in zip((nngp, ntk), found(dl[rows, columns]), strict=True):
            out[rows, columns] = values
            if same:
                out[columns, rows] = values.T
    return nngp, ntk
