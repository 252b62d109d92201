"""The vocabulary: what a network is. Frozen records without formulas, validated where built."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

from theory.activations import ACTIVATIONS, Activation, Template
from theory.choices import CHOICES, check_choice, check_combination
from theory.errors import DescriptionError, NotConverged, NotCovered, OutOfRegime
from theory.expression import PI, Call, Constant, Expression, Name, exact
from theory.inputs import warn_if_far
from theory.schemes import (
    SCHEMES,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    NoNormalization,
    Normalized,
    RMSNorm,
    Scheme,
    check_last,
    describe_scheme,
    read_scheme,
)
from theory.validation import (
    Number,
    at_least_zero,
    check_key,
    check_positive,
    check_real,
    listed,
    plain,
    short,
    symbolic,
    whole,
)

__all__ = [
    "ACTIVATIONS",
    "PI",
    "SCHEMES",
    "Activation",
    "BatchNorm",
    "Call",
    "Constant",
    "DescriptionError",
    "Expression",
    "GroupNorm",
    "LayerNorm",
    "MeanSubtraction",
    "Name",
    "Network",
    "NoNormalization",
    "Normalized",
    "NotConverged",
    "NotCovered",
    "OutOfRegime",
    "RMSNorm",
    "Scheme",
    "Template",
    "check_key",
    "exact",
    "warn_if_far",
]


LATER: dict[str, Any] = {
    "parameterization": "standard",
    "loss": "mse",
    "weights": "plain",
    "raw_variance": None,
    "trained_gains": False,
    "batch_size": None,
}
"""Fields that a description leaves out at their defaults."""


@dataclass(frozen=True)
class Network:
    r"""A fully connected network of depth L at random initialization.

    .. math:: u^l = W^l h^{l-1} + b^l, \qquad h^l = \varphi(\mathrm{norm}_l(u^l)), \qquad
              W^l_{ij} \sim \mathcal N(0, \sigma_w^2/M_{l-1}), \qquad
              b^l_i \sim \mathcal N(0, \sigma_b^2)

    for l = 1..L, with widths :math:`M_l = \alpha_l M` (l = 0..L-1), C linear outputs, and then the
    last layer's map. The inputs have overlaps
    :math:`\frac1{M_0} x_t\cdot x_s \to` ``input_overlaps`` (t = s, t != s).

    ``hidden`` is one scheme for all hidden layers, ``layers`` one for each; a scheme is a record
    or its name, and acts before the nonlinearity. ``bias_gradients``: whether the biases are
    parameters of the Fisher matrix. Symbolic fields are sympy expressions declared positive.

    ``parameterization``: "standard", or "ntk", where W and b are standard normal and
    :math:`u^l = \sigma_w W^l h^{l-1}/\sqrt{M_{l-1}} + \sigma_b b^l`. ``loss``: "mse", or
    "cross-entropy" of the softmax of the outputs. ``batch_size``: the B samples over which batch
    statistics run, all N by default; batches are consecutive samples.

    ``weights``, for every layer: "plain"; "weight-normalization", each unit's weights
    :math:`g_i V_i/|V_i|` with :math:`g_i = \sigma_w`, a parameter if ``trained_gains``;
    "weight-standardization", :math:`\sigma_w (V_i - \bar V_i)/|V_i - \bar V_i|`. The raw weights
    V have variance ``raw_variance``:math:`/M_{l-1}`, sigma_w2 by default.

    Raises ``DescriptionError`` for a meaningless value, ``NotCovered`` for one without a rule.

    >>> Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, ratios=[1, 2, 1]).widths(100)
    (100, 200, 100, 1)
    """

    activation: Activation
    _: KW_ONLY
    depth: int
    sigma_w2: Number
    sigma_b2: Number = 0
    ratios: tuple[Number, ...] | None = None
    outputs: int = 1
    input_overlaps: tuple[Number, Number] = (1, 0)
    bias_gradients: bool = True
    layers: tuple[Scheme, ...] | None = None
    last: Scheme = field(default_factory=NoNormalization)
    parameterization: str = "standard"
    loss: str = "mse"
    weights: str = "plain"
    raw_variance: Number | None = None
    trained_gains: bool = False
    batch_size: int | None = None
    placement: str = "before-nonlinearity"
    hidden: InitVar[Scheme | None] = None

    def __post_init__(self, hidden: Scheme | None) -> None:
        for name, value in (
            ("activation", Activation.read(self.activation)),
            ("depth", _count("depth", self.depth, least=2)),
            ("outputs", _count("outputs", self.outputs, least=1)),
            ("ratios", _ratios(self.ratios, self.depth)),
            ("input_overlaps", _overlaps(self.input_overlaps)),
            ("layers", _layers(self.layers, hidden, self.depth)),
            ("last", read_scheme(self.last)),
        ):
            object.__setattr__(self, name, value)
        check_positive("sigma_w2", self.sigma_w2)
        check_real("sigma_b2", self.sigma_b2)
        if not at_least_zero(self.sigma_b2):
            raise DescriptionError(f"sigma_b2 must be at least 0, {self.sigma_b2} given")
        if not isinstance(self.bias_gradients, bool):
            raise DescriptionError(
                f"bias_gradients is true or false, {self.bias_gradients!r} given"
            )
        for name, known in CHOICES.items():
            check_choice(name, getattr(self, name), known)
        if self.batch_size is not None:
            whole("batch_size", self.batch_size, least=2)
        check_last(self.last, self.outputs)
        check_combination(self)

    @property
    def alpha(self) -> Number:
        r"""Hidden weights over M squared, :math:`\sum_{l=1}^{L-1}\alpha_l\alpha_{l-1}`."""
        ratios = [_exactly(ratio) for ratio in self.ratios or ()]
        return sum(below * above for below, above in pairwise(ratios))

    def widths(self, width: Number) -> tuple[Number, ...]:
        r"""The layer widths :math:`(M_0, \dots, M_{L-1}, C)`: round(alpha_l M), half up."""
        if symbolic(width):
            return (*(_exactly(ratio) * width for ratio in self.ratios or ()), self.outputs)
        width = _count("width", width, least=1)
        widths = []
        for index, ratio in enumerate(self.ratios or ()):
            if symbolic(ratio):
                widths.append(ratio * width)
                continue
            widths.append(floor(exact(ratio) * width + Fraction(1, 2)))
            if widths[-1] == 0:
                raise DescriptionError(
                    f"layer {index} is empty: ratio {ratio} at width {width}; use a larger width"
                )
        for index, scheme in enumerate(self.layers or (), start=1):
            if isinstance(scheme, GroupNorm) and widths[index] % scheme.groups:
                raise DescriptionError(
                    f"{scheme.groups} groups do not divide the {widths[index]} units of layer "
                    f"{index}; use another width or another number of groups"
                )
        return (*widths, self.outputs)

    def parameter_groups(self, width: Number) -> dict[str, Number]:
        r"""The numbers of weights, biases, scales, shifts and gains that are parameters.

        :math:`\sum_l M_l M_{l-1}`; :math:`\sum_l M_l` (with bias gradients, or trained gains, l =
        1..L); :math:`\sum_l M_l` over the hidden layers with trained scale and shift. Groups
        without a parameter are absent.
        """
        widths = self.widths(width)
        units = sum(widths[1:])
        trained = sum(
            width
            for width, scheme in zip(widths[1:], self.layers or (), strict=False)
            if isinstance(scheme, Normalized) and scheme.trained
        )
        counts = {
            "weights": sum(out * into for into, out in pairwise(widths)),
            "biases": units if self.bias_gradients else 0,
            "scales": trained,
            "shifts": trained,
            "gains": units if self.trained_gains else 0,
        }
        return {group: count for group, count in counts.items() if count != 0}

    def parameter_count(self, width: Number) -> Number:
        r"""The exact number of parameters P, the sum of ``parameter_groups``.

        :math:`P = \sum_{l=1}^L M_l (M_{l-1} + 1)` for plain weights and biases.
        """
        return sum(self.parameter_groups(width).values())

    def batch(self, samples: Number) -> Number:
        """How many samples share their batch statistics: ``batch_size``, or all."""
        if self.batch_size is None:
            return samples
        if not symbolic(samples) and samples % self.batch_size:
            raise DescriptionError(
                f"batches of batch_size = {self.batch_size} must divide the samples, "
                f"{float(samples):g} given"
            )
        return self.batch_size

    def describe(self) -> dict[str, Any]:
        """The network as the keys and values of a TOML file."""
        return {
            "activation": self.activation.describe(),
            "depth": self.depth,
            "ratios": [plain(ratio) for ratio in self.ratios or ()],
            "outputs": plain(self.outputs),
            "sigma_w2": plain(self.sigma_w2),
            "sigma_b2": plain(self.sigma_b2),
            "input_overlaps": [plain(overlap) for overlap in self.input_overlaps],
            "bias_gradients": self.bias_gradients,
            "layers": [describe_scheme(scheme) for scheme in self.layers or ()],
            "last": describe_scheme(self.last),
        } | {
            name: plain(value) if name == "raw_variance" else value
            for name, default in LATER.items()
            if (value := getattr(self, name)) != default
        }

    def _repr_latex_(self) -> str:
        """The description as a notebook shows it."""
        from theory.display import network_in_latex

        return network_in_latex(self)

    def __str__(self) -> str:
        parts = [f"{self.activation} ({short(self.sigma_w2)}, {short(self.sigma_b2)})"]
        parts.append(f"L={self.depth}")
        if self.outputs != 1:
            parts.append(f"C={self.outputs}")
        if any(ratio != 1 for ratio in self.ratios or ()):
            parts.append(f"ratios {'/'.join(short(ratio) for ratio in self.ratios or ())}")
        if tuple(self.input_overlaps) != (1, 0):
            parts.append(f"overlaps {'/'.join(short(overlap) for overlap in self.input_overlaps)}")
        if not self.bias_gradients:
            parts.append("no bias gradients")
        kinds = [scheme.kind for scheme in self.layers or ()]
        if set(kinds) != {"none"}:
            parts.append(f"hidden {kinds[0] if len(set(kinds)) == 1 else '/'.join(kinds)}")
        parts += [
            str(value).replace("_", " ") if isinstance(value, str) else f"{name} {short(value)}"
            for name, default in LATER.items()
            if (value := getattr(self, name)) != default
        ]
        return ", ".join(parts)


def _layers(layers: Any, hidden: Any, depth: int) -> tuple[Scheme, ...]:
    if layers is None:
        return (read_scheme("none" if hidden is None else hidden),) * (depth - 1)
    if hidden is not None:
        raise DescriptionError(
            "both hidden and layers are given: hidden is one scheme for all hidden layers, "
            "layers one for each; give one of them"
        )
    if not listed(layers):
        raise DescriptionError(f"layers is a list of {depth - 1} schemes, {layers!r} given")
    if len(layers) != depth - 1:
        raise DescriptionError(
            f"depth {depth} has {depth - 1} hidden layers, {len(layers)} schemes given in layers"
        )
    return tuple(read_scheme(value) for value in layers)


def _ratios(ratios: Any, depth: int) -> tuple[Number, ...]:
    if ratios is None:
        return (1,) * depth
    if not listed(ratios) or len(ratios) != depth:
        raise DescriptionError(
            f"ratios are alpha_0..alpha_{depth - 1}, a list of {depth} numbers, {ratios!r} given"
        )
    for index, ratio in enumerate(ratios):
        check_positive(f"ratios[{index}]", ratio)
    return tuple(ratios)


def _overlaps(overlaps: Any) -> tuple[Number, Number]:
    if not listed(overlaps) or len(overlaps) != 2:
        raise DescriptionError(
            f"input_overlaps are two numbers, those of one sample and of two, {overlaps!r} given"
        )
    same, different = overlaps
    check_positive("input_overlaps[0]", same)
    check_real("input_overlaps[1]", different)
    if not (symbolic(same) or symbolic(different)) and abs(different) >= same:
        raise DescriptionError(
            f"input_overlaps need |overlap of two samples| < overlap of one, {overlaps!r} given"
        )
    return same, different


def _count(name: str, value: Any, least: int) -> Any:
    return value if symbolic(value) and name != "depth" else whole(name, value, least)


def _exactly(value: Any) -> Any:
    return value if symbolic(value) else exact(value)
