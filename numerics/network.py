r"""Random networks: forward and backward. A leading axis runs over n independent networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from numerics.activations import check_gradient, evaluate
from numerics.hidden import Hidden, collect, spread
from numerics.outputs import map_outputs
from numerics.parameters import (
    Affine,
    Parameters,
    affine_layers,
    draw_inputs,
    draw_parameters,
)
from theory.architecture import Network, Normalized

ROWS = 1024
"""Rows of a matrix product from which more of them do not make it quicker."""

__all__ = [
    "Forward",
    "Parameters",
    "Sensitivity",
    "backpropagate",
    "draw_inputs",
    "draw_parameters",
    "forward",
    "propagate",
    "run_layers",
]


@dataclass(frozen=True)
class Forward:
    r"""One pass: activations h^0..h^{L-1} and derivatives phi' of the layers 1..L-1, (n, N, M_l).

    ``affines``: the maps of the layers 1..L; ``hidden``: the normalizations of 1..L-1, each at its
    pre-activations. ``linear_outputs`` has shape (n, C, N).
    """

    affines: tuple[Affine, ...]
    hidden: tuple[Hidden, ...]
    activations: tuple[np.ndarray, ...]
    derivatives: tuple[np.ndarray, ...]
    linear_outputs: np.ndarray


@dataclass(frozen=True)
class Sensitivity:
    r"""The outputs' derivatives by one layer l, of the shape that ``numerics.hidden`` explains.

    ``inner`` is :math:`\partial f_k(t)/\partial u^l(t')`, ``outer`` that by
    :math:`\bar u^l(t')`, the argument of the activation. ``normalization`` is what lies between
    the two, None where nothing does. ``factors`` are a (n, C, M_l) and P (n, N, M_l) where
    ``inner`` is :math:`a_{ki} P_i(t)` for t' = t and 0 elsewhere: known for the layer below the
    outputs, unless it is normalized, and then not ``formed`` before it is asked for.
    """

    layer: int
    formed: np.ndarray | None
    normalization: Hidden | None = None
    factors: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def outer(self) -> np.ndarray:
        if self.formed is not None:
            return self.formed
        assert self.factors is not None
        a, P = self.factors
        return (a[:, :, None] * P[:, None]).reshape(*a.shape[:2], -1, 1, 1, a.shape[2])

    @cached_property
    def inner(self) -> np.ndarray:
        if self.normalization is None:
            return self.outer
        return self.normalization.derivatives_below(self.outer)

    @property
    def couples_first(self) -> bool:
        """Whether ``outer`` is sample-wise where ``inner`` is not: it then is best not formed."""
        return self.normalization is not None and self.normalization.couples_first(self.outer)

    def collected(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The sum (n, C, N, M_l) of ``inner`` over the samples of layer l, weights (n, N, M_l)."""
        if self.normalization is None or not self.couples_first:
            return collect(self.inner, weights)
        if weights is None:
            weights = np.ones_like(self.normalization.u)
        return collect(self.outer, self.normalization.tangent(weights))


def propagate(network: Network, parameters: Parameters, inputs: np.ndarray) -> Forward:
    """Run the networks on inputs of shape (n, N, M_0) or (N, M_0), up to the linear outputs."""
    return run_layers(
        network, affine_layers(network, parameters), parameters.scales, parameters.shifts, inputs
    )


def run_layers(
    network: Network,
    affines: tuple[Affine, ...],
    scales: tuple[np.ndarray, ...],
    shifts: tuple[np.ndarray, ...],
    inputs: np.ndarray,
) -> Forward:
    """``propagate`` through these affine maps, with the scales and shifts of ``Parameters``."""
    check_gradient(network.activation)
    batch = network.batch(inputs.shape[-2])
    pairs = zip(scales, shifts, strict=True)
    activations, derivatives, hidden = [inputs], [], []
    for scheme, affine in zip(network.layers or (), affines, strict=False):
        numbers = next(pairs) if isinstance(scheme, Normalized) else (None, None)
        layer = Hidden.at(scheme, affine(activations[-1]), batch, *numbers)
        h, derivative = evaluate(network.activation, layer.output())
        hidden.append(layer)
        activations.append(h)
        derivatives.append(derivative)
    outputs = affines[-1](activations[-1]).swapaxes(1, 2)
    return Forward(affines, tuple(hidden), tuple(activations), tuple(derivatives), outputs)


def forward(network: Network, parameters: Parameters, inputs: np.ndarray) -> np.ndarray:
    """The outputs (n, C, N), the last layer's map applied."""
    return map_outputs(network, propagate(network, parameters, inputs).linear_outputs)


def backpropagate(run: Forward, combinations: np.ndarray | None = None) -> Iterator[Sensitivity]:
    r"""The derivatives by the layers l = L-1..1.

    .. math:: \frac{\partial f_k(t)}{\partial \bar u^{l}(t')} = \varphi'(\bar u^l(t')) \circ
              \frac{\partial f_k(t)}{\partial u^{l+1}(t')} W^{l+1}, \qquad
              \frac{\partial f_k(t)}{\partial u^{L}(t')} = \delta_{tt'} e_k

    One product serves all outputs and samples. ``combinations`` (n, N/B, T, B): the derivatives of
    these T sums of each batch's outputs, in place of those of the outputs.
    """
    n, C, _ = run.linear_outputs.shape
    output_weights = np.ascontiguousarray(run.affines[-1].W.swapaxes(1, 2))
    factors = output_weights, run.derivatives[-1]
    sensitivity = Sensitivity(len(run.hidden), None, run.hidden[-1], factors)
    if combinations is not None:
        blocks, _, B = combinations.shape[1:]
        outer = sensitivity.outer.reshape(n, C, blocks, 1, B, -1)
        sensitivity = Sensitivity(
            len(run.hidden), outer * combinations[:, None, ..., None], run.hidden[-1]
        )
    elif run.hidden[-1].scheme.over != "":
        sensitivity = Sensitivity(len(run.hidden), sensitivity.outer, run.hidden[-1])
    yield sensitivity
    for l in range(len(run.hidden) - 1, 0, -1):
        outer = _passed(sensitivity, run.affines[l].W)
        del sensitivity  # before memory is needed for what is done with the next
        outer *= spread(run.derivatives[l - 1], outer)
        sensitivity = Sensitivity(l, outer, run.hidden[l - 1])
        del outer
        yield sensitivity


def _passed(sensitivity: Sensitivity, W: Any) -> np.ndarray:
    """The derivatives by the features that W multiplies; factors a few outputs at a time."""
    if sensitivity.factors is None or not isinstance(W, np.ndarray):
        inner = sensitivity.inner
        rows = inner.reshape(inner.shape[0], -1, inner.shape[-1])
        passed: np.ndarray = (rows @ W.swapaxes(1, 2)).reshape(*inner.shape[:-1], -1)
        return passed
    a, P = sensitivity.factors
    (n, C, M), N = a.shape, P.shape[1]
    passed = np.empty((n, C, N, 1, 1, W.shape[1]), P.dtype)
    together = min(-(-ROWS // N), C)
    memory = np.empty((n, together, N, M), P.dtype)
    for first in range(0, C, together):
        some = a[:, first : first + together, None]
        rows = np.multiply(some, P[:, None], out=memory[:, : some.shape[1]]).reshape(n, -1, M)
        out = passed[:, first : first + together].reshape(n, rows.shape[1], -1)
        np.matmul(rows, W.swapaxes(1, 2), out=out)
    return passed
