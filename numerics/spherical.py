r"""The Fisher matrix on the unit sphere of scale-invariant weights: batch norm in the last layer.

At the direction of the weights it is :math:`|w|^2 F(w)`. The outputs' variances are the realised
ones, and the derivatives pass through the batch statistics. Raw: nothing is averaged over the norm
of the output weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.output_kernels import OutputKernels
from numerics.outputs import through_last_layer
from theory.architecture import BatchNorm, Network


def spherical_mean(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of the N - 2 eigenvalues of an output on the sphere, in units of its own realisation.

    .. math:: \frac{\mathrm{tr}(|w|^2 F)}{N - 2} \Big/ \left( |w|^2 \sum_k
              \frac{\gamma^2}{\sigma_k^2} \right), \qquad F = \frac1N J^T J

    J is the Jacobian of the normalized outputs at :math:`\epsilon = 0` in these weights, and
    :math:`\sigma_k^2` the biased variance of the linear outputs over the samples. The norm of the
    weights is realised as well, and cancels; so does gamma, here 1.
    """
    N = kernels.outputs.shape[-1]
    normalized = replace(network, last=BatchNorm(), loss="mse")
    mapped = through_last_layer(normalized, kernels.outputs, kernels.gram)
    trace = np.einsum("naa->n", mapped) / N
    return trace / ((N - 2) * (1 / kernels.outputs.var(axis=-1)).sum(axis=1))
