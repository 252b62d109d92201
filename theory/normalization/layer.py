"""What the rules of the hidden layers are asked and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from theory.activations import Activation
from theory.gaussian import Moments
from theory.mathematics import Number
from theory.two_samples import Couple


class PreActivations(NamedTuple):
    """Variance and covariance of two samples at one neuron, and gap = q1 - q2, carried along."""

    q1: Number
    q2: Number
    gap: Number


class Backward(NamedTuple):
    """Trace and sum of the backward matrix of one pair type (or of a difference of two)."""

    T: Number
    S: Number


class Coupled(NamedTuple):
    r"""``Moments`` of a layer whose statistics run over B samples; ``share`` is 1/B.

    ``position_*`` are :math:`E\,x_t x_s \psi_t \psi_s` of the normalized values x, with the weights
    of the derivatives. They are 0 where no variance is divided by.
    """

    first: Number
    second: Number
    gap: Number
    derivative_first: Number
    derivative_second: Number
    derivative_gap: Number
    position_first: Number
    position_second: Number
    position_gap: Number
    share: Number


class Setting(NamedTuple):
    """What a rule is told beside the pre-activations, in the number system m.

    ``batch`` is the number B of samples that share their batch statistics, None for infinitely
    many; ``centred`` whether the mean activation is asked for; ``gains`` whether the gains of the
    weights are parameters.
    """

    m: Any
    batch: Number | None
    sigma_w2: Number
    sigma_b2: Number
    centred: bool = False
    gains: bool = False

    @property
    def share(self) -> Number:
        """1/B."""
        return 0 if self.batch is None else 1 / self.batch


class Layer(NamedTuple):
    r"""A layer's moments; ``pull_back`` reads those of one batch and those across two.

    ``across`` has in place of two samples of a batch two of different batches; None if there are
    none. ``mean`` is :math:`E\varphi`. ``shift``, ``scale`` and ``gain`` are, for parameters that
    are trained, the products over two samples of the derivative of a unit's output by its own:
    :math:`\psi`, :math:`x\psi`, and :math:`(u - b)\psi/\sigma_w`.
    """

    moments: Moments | Coupled
    across: Moments | Coupled | None = None
    mean: Number | None = None
    shift: Couple | None = None
    scale: Couple | None = None
    gain: Couple | None = None


Law = Callable[[Activation, Any, PreActivations, "PreActivations | None", Setting], Layer]


@dataclass(frozen=True)
class Rule:
    """``law(activation, scheme, pair, pair across batches, setting)`` and ``pull_back``."""

    law: Law
    pull_back: Callable[[Any, Number, Backward], Backward]


def own(couple: Couple, sigma_w2: Number, above: Backward) -> Number:
    r"""What a parameter of each unit adds to the kernel, by (T, S) of the layer above.

    .. math:: \sigma_w^2\left(g_2 S + (g_1 - g_2) T\right)

    for the couple :math:`g_1, g_2` of the derivative of a unit's output by its parameter.
    """
    return sigma_w2 * (couple.second * above.S + couple.gap * above.T)
