"""The theorems, one line each."""

from __future__ import annotations

from derivations.fisher.batchnorm_hidden import BATCHNORM_HIDDEN
from derivations.fisher.batchnorm_last import BATCHNORM_LAST
from derivations.fisher.blocks import BLOCKS
from derivations.fisher.bulk_edge import BULK_EDGE
from derivations.fisher.bulk_one_hidden_layer import BULK_ONE_HIDDEN_LAYER
from derivations.fisher.bulk_variance import BULK_VARIANCE_THEOREM
from derivations.fisher.coupled_outputs import CROSS_ENTROPY, LAYERNORM_LAST
from derivations.fisher.feature_metric import FEATURE_METRIC
from derivations.fisher.gradient_explosion import GRADIENT_EXPLOSION
from derivations.fisher.layernorm_hidden import LAYERNORM_HIDDEN
from derivations.fisher.learning_rate import LEARNING_RATE
from derivations.fisher.mean_gradients import MEAN_GRADIENTS
from derivations.fisher.mean_subtraction_hidden import MEAN_SUBTRACTION_HIDDEN
from derivations.fisher.mean_subtraction_last import MEAN_SUBTRACTION_LAST
from derivations.fisher.mini_batches import MINI_BATCHES
from derivations.fisher.normalized_weights import WEIGHT_NORMALIZATION, WEIGHT_STANDARDIZATION
from derivations.fisher.ntk_parameterization import NTK_PARAMETERIZATION
from derivations.fisher.placements import PLACEMENTS
from derivations.fisher.unnormalized import UNNORMALIZED
from derivations.kernels.catalogue import KERNEL_THEOREMS
from derivations.sharpness.bridge import BRIDGE
from derivations.sharpness.bridge_last_layer import BRIDGE_LAST_LAYER
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from derivations.theorem import Theorem
from theory.errors import DescriptionError

THEOREMS: tuple[Theorem, ...] = (
    UNNORMALIZED,
    MEAN_SUBTRACTION_LAST,
    BATCHNORM_LAST,
    PLACEMENTS,
    LAYERNORM_HIDDEN,
    WEIGHT_NORMALIZATION,
    WEIGHT_STANDARDIZATION,
    NTK_PARAMETERIZATION,
    LEARNING_RATE,
    LAYERNORM_LAST,
    CROSS_ENTROPY,
    BATCHNORM_HIDDEN,
    MEAN_SUBTRACTION_HIDDEN,
    MINI_BATCHES,
    GRADIENT_EXPLOSION,
    BLOCKS,
    FEATURE_METRIC,
    MEAN_GRADIENTS,
    BRIDGE,
    BRIDGE_LAST_LAYER,
    BULK_EDGE,
    BULK_VARIANCE_THEOREM,
)
"""The theorems that networks can refute."""

ALL = (*THEOREMS, BULK_ONE_HIDDEN_LAYER, *KERNEL_THEOREMS, *SHARPNESS_THEOREMS)
"""With those on a fixed point and on integrals, which are proved and not measured, and those on
gradient descent, which are judged on runs."""


def theorem(id: str) -> Theorem:
    """The theorem of this name; ``DescriptionError`` where there is none.

    >>> theorem("batchnorm-last").limit
    'M -> oo, N fixed'
    """
    for known in ALL:
        if known.id == id:
            return known
    raise DescriptionError(f"unknown theorem {id!r}; known: {', '.join(known.id for known in ALL)}")
