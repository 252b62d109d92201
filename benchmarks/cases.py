"""The networks that are timed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numerics.network import Parameters, draw_inputs, draw_parameters
from theory.architecture import Network


class Case(NamedTuple):
    """One network with its inputs (N, M_0)."""

    network: Network
    parameters: Parameters
    inputs: np.ndarray

    def single(self) -> Case:
        """The same in float32."""
        parameters = self.parameters.astype(np.float32)
        return Case(self.network, parameters, self.inputs.astype(np.float32))


def relu(M: int, L: int, N: int, C: int, **scheme: Any) -> Case:
    """A ReLU network with all weights and biases, of equal widths, and its Gaussian inputs."""
    network = Network("relu", depth=L, sigma_w2=2, sigma_b2=0.1, outputs=C, **scheme)
    rng = np.random.default_rng(0)
    parameters = draw_parameters(network, M, 1, rng)
    return Case(network, parameters, draw_inputs(network, M, N, 1, rng)[0])
