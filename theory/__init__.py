"""Mean-field predictions of Fisher information spectra; names resolve when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.architecture import (
        Activation,
        BatchNorm,
        GroupNorm,
        LayerNorm,
        MeanSubtraction,
        Network,
        NoNormalization,
        RMSNorm,
    )
    from theory.data_kernel import kernel
    from theory.errors import DescriptionError, NotCovered, OutOfRegime
    from theory.prediction import Prediction, predict

_HOME = {
    "Activation": "architecture",
    "BatchNorm": "architecture",
    "GroupNorm": "architecture",
    "LayerNorm": "architecture",
    "RMSNorm": "architecture",
    "kernel": "data_kernel",
    "MeanSubtraction": "architecture",
    "Network": "architecture",
    "NoNormalization": "architecture",
    "DescriptionError": "errors",
    "NotCovered": "errors",
    "OutOfRegime": "errors",
    "Prediction": "prediction",
    "predict": "prediction",
}
__all__ = [
    "Activation",
    "BatchNorm",
    "DescriptionError",
    "GroupNorm",
    "LayerNorm",
    "MeanSubtraction",
    "Network",
    "NoNormalization",
    "NotCovered",
    "OutOfRegime",
    "Prediction",
    "RMSNorm",
    "kernel",
    "predict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'theory' has no attribute {name!r}")
    return getattr(import_module(f"theory.{_HOME[name]}"), name)
