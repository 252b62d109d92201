"""The vocabulary: what a network is. Frozen records without formulas, validated where built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field, fields
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any, ClassVar

from theory.activations import ACTIVATIONS, Activation, Template
from theory.errors import DescriptionError, NotCovered, OutOfRegime
from theory.expression import PI, Call, Constant, Expression, Name, exact
from theory.validation import (
    Number,
    at_least_zero,
    check_key,
    check_positive,
    check_real,
    listed,
    look_up,
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
    "MeanSubtraction",
    "Name",
    "Network",
    "NoNormalization",
    "NotCovered",
    "OutOfRegime",
    "Scheme",
    "Template",
    "check_key",
    "exact",
]


@dataclass(frozen=True)
class NoNormalization:
    """The layer passes its pre-activations on unchanged."""

    kind: ClassVar[str] = "none"


@dataclass(frozen=True)
class MeanSubtraction:
    r"""Each unit is centred over the samples: :math:`u_t - \frac1N\sum_s u_s`."""

    kind: ClassVar[str] = "mean-subtraction"


@dataclass(frozen=True)
class BatchNorm:
    r"""Each unit is normalized over the samples, in training mode.

    .. math:: \gamma\,\frac{u_t - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta,\qquad
              \mu = \tfrac1N\sum_t u_t,\quad \sigma^2 = \tfrac1N\sum_t (u_t - \mu)^2,

    the biased variance; :math:`\gamma \ne 0, \beta, \epsilon \ge 0` are scalars, not trained.
    """

    gamma: Number = 1
    beta: Number = 0
    eps: Number = 0
    kind: ClassVar[str] = "batchnorm"

    def __post_init__(self) -> None:
        for name in ("gamma", "beta", "eps"):
            check_real(f"batchnorm.{name}", getattr(self, name))
        if self.gamma == 0:
            raise DescriptionError("batchnorm.gamma must not be 0: the output would be constant")
        if not at_least_zero(self.eps):
            raise DescriptionError(f"batchnorm.eps must be at least 0, {self.eps} given")


Scheme = NoNormalization | MeanSubtraction | BatchNorm
SCHEMES: dict[str, type[Scheme]] = {
    scheme.kind: scheme for scheme in (NoNormalization, MeanSubtraction, BatchNorm)
}


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
    or its name. ``bias_gradients``: whether the biases are parameters of the Fisher matrix.
    Symbolic fields are sympy expressions declared positive.

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
    batch_size: int | None = None
    hidden: InitVar[Scheme | None] = None

    def __post_init__(self, hidden: Scheme | None) -> None:
        for name, value in (
            ("activation", Activation.read(self.activation)),
            ("depth", _count("depth", self.depth, least=2)),
            ("outputs", _count("outputs", self.outputs, least=1)),
            ("ratios", _ratios(self.ratios, self.depth)),
            ("input_overlaps", _overlaps(self.input_overlaps)),
            ("layers", _layers(self.layers, hidden, self.depth)),
            ("last", _scheme(self.last)),
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
        for name, covered in (
            ("parameterization", "standard"),
            ("loss", "mse"),
            ("weights", "plain"),
            ("batch_size", None),
        ):
            if getattr(self, name) != covered:
                raise NotCovered(
                    f"{name} = {getattr(self, name)!r} (covered: {covered or 'all samples'})"
                )

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
        return (*widths, self.outputs)

    def parameter_count(self, width: Number) -> Number:
        r"""The exact number of parameters, :math:`P = \sum_{l=1}^L M_l (M_{l-1} + 1)`.

        Without bias gradients the + 1 is absent.
        """
        widths, bias = self.widths(width), int(self.bias_gradients)
        return sum(out * (into + bias) for into, out in pairwise(widths))

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
            "layers": [_table(scheme) for scheme in self.layers or ()],
            "last": _table(self.last),
        }

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
        return ", ".join(parts)


def _scheme(value: Any) -> Scheme:
    if isinstance(value, Scheme):
        return value
    if isinstance(value, str):
        return look_up(value, SCHEMES, "scheme")()
    if isinstance(value, Mapping) and "kind" in value:
        kind = look_up(value["kind"], SCHEMES, "scheme")
        options = {key: option for key, option in value.items() if key != "kind"}
        for key in options:
            check_key(key, [f.name for f in fields(kind)], f"scheme {kind.kind}")
        return kind(**options)
    raise DescriptionError(
        f'a scheme is a name or a table such as {{kind = "batchnorm", gamma = 2}}, {value!r} given'
    )


def _layers(layers: Any, hidden: Any, depth: int) -> tuple[Scheme, ...]:
    if layers is None:
        return (_scheme("none" if hidden is None else hidden),) * (depth - 1)
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
    return tuple(_scheme(value) for value in layers)


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


def _table(scheme: Scheme) -> dict[str, Any]:
    return {"kind": scheme.kind} | {f.name: plain(getattr(scheme, f.name)) for f in fields(scheme)}
