"""The normalization schemes of a layer: frozen records without formulas.

``over`` says what a scheme takes its statistics over: the samples of a batch, which it couples, or
the units of a layer, for each sample alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

from theory.errors import DescriptionError, NotCovered
from theory.validation import Number, at_least_zero, check_key, check_real, look_up, plain, whole


@dataclass(frozen=True)
class NoNormalization:
    """The layer passes its pre-activations on unchanged."""

    kind: ClassVar[str] = "none"
    over: ClassVar[str] = ""


@dataclass(frozen=True)
class MeanSubtraction:
    r"""Each unit is centred over the B samples of its batch: :math:`u_t - \frac1B\sum_s u_s`."""

    kind: ClassVar[str] = "mean-subtraction"
    over: ClassVar[str] = "samples"


@dataclass(frozen=True)
class Normalized:
    r"""What the normalizations by a standard deviation share.

    .. math:: \gamma_i\,\frac{u - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_i, \qquad
              \gamma_i \sim \mathcal N(\gamma, \gamma_{std}^2), \quad
              \beta_i \sim \mathcal N(\beta, \beta_{std}^2) \text{ for each unit } i

    with the biased variance, :math:`\epsilon \ge 0`. ``trained``: whether the scale
    :math:`\gamma_i` and the shift :math:`\beta_i` are parameters of the Fisher matrix.
    """

    gamma: Number = 1
    beta: Number = 0
    eps: Number = 0
    _: KW_ONLY
    gamma_std: Number = 0
    beta_std: Number = 0
    trained: bool = False
    kind: ClassVar[str]
    over: ClassVar[str] = "units"

    def __post_init__(self) -> None:
        for name in ("gamma", "beta", "eps", "gamma_std", "beta_std"):
            check_real(f"{self.kind}.{name}", getattr(self, name))
        for name, what in (
            ("eps", "it is added to a variance"),
            ("gamma_std", "it is the standard deviation of the scale over the units"),
            ("beta_std", "it is the standard deviation of the shift over the units"),
        ):
            if not at_least_zero(getattr(self, name)):
                raise DescriptionError(
                    f"{self.kind}.{name} must be at least 0 ({what}), {getattr(self, name)} given"
                )
        if self.gamma == 0 and self.gamma_std == 0:
            raise DescriptionError(f"{self.kind}.gamma must not be 0: the output would be constant")
        if not isinstance(self.trained, bool):
            raise DescriptionError(f"{self.kind}.trained is true or false, {self.trained!r} given")

    @property
    def random(self) -> bool:
        """Whether scale or shift differ from unit to unit."""
        return bool(self.gamma_std != 0 or self.beta_std != 0)


@dataclass(frozen=True)
class BatchNorm(Normalized):
    """Mean and variance of each unit over the B samples of its batch, in training mode."""

    kind: ClassVar[str] = "batchnorm"
    over: ClassVar[str] = "samples"


@dataclass(frozen=True)
class LayerNorm(Normalized):
    """Mean and variance of each sample over the units of the layer."""

    kind: ClassVar[str] = "layernorm"


@dataclass(frozen=True)
class RMSNorm(Normalized):
    """Mean square of each sample over the units of the layer; no mean is subtracted."""

    kind: ClassVar[str] = "rmsnorm"


@dataclass(frozen=True)
class GroupNorm(Normalized):
    """Mean and variance of each sample over each of ``groups`` contiguous groups of units."""

    _: KW_ONLY
    groups: int
    kind: ClassVar[str] = "groupnorm"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("groupnorm.groups", self.groups, least=1)


Scheme = NoNormalization | MeanSubtraction | BatchNorm | LayerNorm | RMSNorm | GroupNorm
SCHEMES: dict[str, type[Scheme]] = {
    scheme.kind: scheme
    for scheme in (NoNormalization, MeanSubtraction, BatchNorm, LayerNorm, RMSNorm, GroupNorm)
}
LATER = ("gamma_std", "beta_std", "trained")
"""Fields that a description leaves out at their defaults."""


def read_scheme(value: Any) -> Scheme:
    """A scheme from its record, its name, or a table of its fields.

    >>> read_scheme({"kind": "groupnorm", "groups": 4}).groups
    4
    """
    if isinstance(value, Scheme):
        return value
    if isinstance(value, str):
        value = {"kind": value}
    if isinstance(value, Mapping) and "kind" in value:
        kind = look_up(value["kind"], SCHEMES, "scheme")
        options = {key: option for key, option in value.items() if key != "kind"}
        for key in options:
            check_key(key, [f.name for f in fields(kind)], f"scheme {kind.kind}")
        if kind is GroupNorm and "groups" not in options:
            raise DescriptionError(
                'groupnorm needs a number of groups: {kind = "groupnorm", groups = 4}'
            )
        return kind(**options)
    raise DescriptionError(
        f'a scheme is a name or a table such as {{kind = "batchnorm", gamma = 2}}, {value!r} given'
    )


def describe_scheme(scheme: Scheme) -> dict[str, Any]:
    """The scheme as a table, read back by ``read_scheme``."""
    values = {f.name: getattr(scheme, f.name) for f in fields(scheme)}
    return {"kind": scheme.kind} | {
        name: value if isinstance(value, bool) else plain(value)
        for name, value in values.items()
        if not (name in LATER and value == 0)
    }


def check_last(scheme: Scheme, outputs: Number) -> None:
    """Refuse what no rule covers in the last layer."""
    if isinstance(scheme, RMSNorm | GroupNorm):
        raise NotCovered(
            f"{scheme.kind} in the last layer (covered: none, mean-subtraction, batchnorm, "
            "layernorm)"
        )
    if isinstance(scheme, Normalized) and (scheme.trained or scheme.random):
        raise NotCovered(f"{scheme.kind} in the last layer with a trained or random scale or shift")
    if isinstance(scheme, LayerNorm) and scheme.eps != 0:
        raise NotCovered("layernorm in the last layer with eps > 0")
    if isinstance(scheme, LayerNorm) and outputs == 1:
        raise DescriptionError(
            "layernorm in the last layer normalizes over the outputs: it needs outputs >= 2, 1 "
            "given"
        )
