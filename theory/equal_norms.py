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
from theory.data_pairs import Inputs, Pairs, input_weights, normalized
from theory.depth import ComposedMap, Layer
from theory.dual_map import DualMap, dual_map
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel, mean
from theory.pair import Law
from theory.schemes import Normalized, Scheme

EQUAL = 1e-14
"""Relative spread of the squared norms up to which they are equal."""
PAIRS, ROWS = 1 << 14, 16
"""Pairs that fit in the cache, and the fewest rows of a block of them."""


class EqualNorms:
    r"""Both kernels of a network between inputs with :math:`|x|^2/M_0` = ``first``.

    The map takes 1 - c of the inputs, an array, to the covariances of an output and to the neural
    tangent kernels, of the same shape.
    """

    def __init__(
        self, network: Network, first: float, weights: tuple[float, float], layers: list[Layer]
    ) -> None:
        sigma_w2, sigma_b2 = float(network.sigma_w2), float(network.sigma_b2)
        self.first, (self.weight, self.bias) = first, weights
        self.share = sigma_w2 * first / (sigma_w2 * first + sigma_b2)
        self.composed = ComposedMap(layers, True, self._first_tangent)
        self.variance = layers[-1].variance

    def _first_tangent(self, dl: np.ndarray) -> np.ndarray:
        """The tangent kernel of the first pre-activations, at their 1 - c."""
        return self.weight * self.first * (1 - dl / self.share) + self.bias

    def __call__(self, one_minus_c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dl, tangent = self.composed(np.minimum(one_minus_c * self.share, 2))
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
    before = sigma_w2 * first + sigma_b2
    weights, *others = input_weights(network)
    one, known = None, None
    for scheme, (weight, bias) in zip(network.layers or (), others, strict=True):
        variance, shift, slope = _one_sample(scheme, before)
        if (variance, shift) != known:
            one, known = _dual(network.activation, closed, variance, shift), (variance, shift)
        if one is None:
            return None
        removed = 0.0
        if network.weights == "weight-standardization":
            removed = float(mean(network.activation, Law(shift or 0, variance))) ** 2
        before = sigma_w2 * (one.second - removed) + sigma_b2
        layers.append(Layer(one, sigma_w2, before, sigma_w2 * slope, weight, bias, removed))
    return EqualNorms(network, first, weights, layers)


def _one_sample(scheme: Scheme, variance: float) -> tuple[float, float, float]:
    """Variance and mean of what the activation sees, and its squared derivative by u."""
    if not isinstance(scheme, Normalized):
        return variance, 0.0, 1.0
    alone = Pairs(*map(np.array, ([variance], [variance], [[variance]], [[0.0]])))
    law, scale, shift, norms = normalized(scheme, alone)
    return scale**2 * float(law.a[0]), shift, scale**2 / float(np.max(norms))


def _dual(
    activation: Activation, closed: Kernel | None, variance: float, shift: float
) -> ClosedDual | DualMap | None:
    if activation.jumps or not variance > 0:
        return None
    if closed is not None and closed.gap is not None:
        return ClosedDual(activation, closed, variance, shift)
    return None if shift else dual_map(activation, variance)


def over_pairs(found: EqualNorms, hat: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Both kernels of all pairs (N_1, N_2), each unordered pair once if both sides are the same."""
    nngp, ntk = np.empty((2, len(hat.a), len(hat.b)))
    start = 0
    while start < len(hat.a):
        columns = slice(start if hat.same else 0, None)
        rows = slice(start, start + max(ROWS, PAIRS // len(hat.b[columns])))
        start = rows.stop
        for out, values in zip((nngp, ntk), found(hat.one_minus_c(rows, columns)), strict=True):
            out[rows, columns] = values
            if hat.same:
                out[columns, rows] = values.T
    return nngp, ntk
