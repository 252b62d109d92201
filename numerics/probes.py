r"""The kernel averaged over the order of the samples, from a few combinations of the outputs.

Where layers couple the B samples of a batch, every output has derivatives by all of them. Averaged
over all orders of the samples of each batch, the kernel of two batches b, c is

.. math:: \frac{1_b^T K 1_c}{B^2} 1 1^T + \delta_{bc}\, \beta_b \Big(I - \frac{1 1^T}{B}\Big),
          \qquad \beta_b = \frac{\mathrm{tr} K_{bb} - 1_b^T K 1_b/B}{B - 1}

and :math:`\beta_b` is the mean of :math:`p^T K p` over unit vectors p orthogonal to 1, each of a
uniform direction. Sums over batches are exact, the trace has the right mean.
"""

from __future__ import annotations

import numpy as np

PROBES = 2
"""Random vectors orthogonal to 1, for each batch."""

OF_ANY_ORDER = frozenset(
    {
        "diagonal",
        "off_diagonal",
        "hidden_diagonal",
        "hidden_off_diagonal",
        "between_batches",
        "uniform",
        "batch_contrast",
        "centred_trace",
        "output_variance",
        "linear_outputs",
    }
)
"""Observables that are linear in the kernel and do not see the order of a batch's samples."""


def draw_probes(count: int, batches: int, batch: int, rng: np.random.Generator) -> np.ndarray:
    """The vector 1 and ``PROBES`` unit vectors orthogonal to it, (count, batches, 1 + PROBES, B).

    >>> one, p, q = draw_probes(1, 1, 5, np.random.default_rng(0))[0, 0]
    >>> one.tolist(), [round(float(x), 12) + 0.0 for x in (p @ p, q @ q, one @ p, one @ q)]
    ([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0])
    """
    vectors = rng.standard_normal((count, batches, 1 + PROBES, batch))
    vectors -= vectors.mean(axis=-1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors[:, :, 0] = 1
    return vectors


def averaged_over_orders(gram: np.ndarray, probes: np.ndarray) -> np.ndarray:
    """The averaged kernel (n, C, N, C, N), from its products (n, C, T, C, T) with all probes.

    ``probes`` (n, N/B, 1 + PROBES, B) are those of ``draw_probes``.
    """
    n, C = gram.shape[:2]
    blocks, T, B = probes.shape[1:]
    gram = gram.reshape(n, C, blocks, T, C, blocks, T)
    sums = gram[:, :, :, 0, :, :, 0] / B**2
    beta = np.einsum("ncbtdbt->ncbd", gram[:, :, :, 1:, :, :, 1:]) / (T - 1)
    K = np.broadcast_to(sums[:, :, :, None, :, :, None], (n, C, blocks, B, C, blocks, B)).copy()
    b = np.arange(blocks)
    centring = np.eye(B) - 1 / B
    K[:, :, b, :, :, b, :] += np.einsum("ncbd,ts->bnctds", beta, centring)
    return K.reshape(n, C, blocks * B, C, blocks * B)
