"""The named choices of a network, and which of them go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theory.errors import DescriptionError, NotCovered
from theory.schemes import LayerNorm, Normalized
from theory.validation import check_positive

if TYPE_CHECKING:
    from theory.architecture import Network

CHOICES = {
    "parameterization": ("standard", "ntk"),
    "loss": ("mse", "cross-entropy"),
    "weights": ("plain", "weight-normalization", "weight-standardization"),
    "placement": ("before-nonlinearity",),
}


def check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise NotCovered(f"{name} = {value!r} (covered: {', '.join(known)})")


def check_combination(network: Network) -> None:
    """Refuse choices that exclude each other, or that no rule covers together."""
    mapped = isinstance(network.last, LayerNorm)
    if network.loss == "cross-entropy":
        if network.last.kind != "none":
            raise DescriptionError(
                "cross-entropy is covered for linear outputs, last = 'none', which enter the "
                f"softmax; last = {network.last.kind!r} given"
            )
        if network.outputs == 1:
            raise DescriptionError(
                "cross-entropy needs outputs >= 2: the softmax of one output is constant"
            )
        mapped = True
    if mapped and network.batch_size is not None:
        what = "cross-entropy" if network.loss != "mse" else "layernorm in the last layer"
        raise NotCovered(f"{what} with batch_size")
    if network.parameterization == "ntk" and network.weights != "plain":
        raise NotCovered(f"parameterization = 'ntk' with weights = {network.weights!r}")
    if network.weights == "plain" and network.raw_variance is not None:
        raise DescriptionError(
            "raw_variance is that of the weights before they are normalized; weights = 'plain' "
            "have sigma_w2"
        )
    if network.raw_variance is not None:
        check_positive("raw_variance", network.raw_variance)
    if not isinstance(network.trained_gains, bool):
        raise DescriptionError(f"trained_gains is true or false, {network.trained_gains!r} given")
    if network.trained_gains and network.weights != "weight-normalization":
        raise DescriptionError(
            "trained_gains are those of weights = 'weight-normalization', "
            f"weights = {network.weights!r} given"
        )
    over_units = [scheme for scheme in network.layers or () if is_over_units(scheme)]
    if network.trained_gains and over_units:
        raise NotCovered(f"trained_gains with {over_units[0].kind} in a hidden layer")


def is_over_units(scheme: Any) -> bool:
    return isinstance(scheme, Normalized) and scheme.over == "units"
