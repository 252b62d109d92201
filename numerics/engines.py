"""The engines that draw random networks and observe them: explicit weights, and conditioning."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from numerics import conditional, ensemble
from numerics.observables import split_name
from numerics.plan import conditional_seconds, explicit_seconds
from numerics.probes import OF_ANY_ORDER
from theory.architecture import DescriptionError, Network, NotCovered

Seconds = Callable[[ArrayLike], np.ndarray]


@dataclass(frozen=True)
class Engine:
    """A way to draw networks of the one law, and what it costs.

    ``observe(network, width, samples, block, observables)`` gives the observables of every network
    of a block of ``numerics.ensemble.block_size``. ``check_size(network, width, samples)`` raises
    ``DescriptionError`` for what is too large, ``check_covered(network, observables)``
    ``NotCovered``. ``seconds(network, samples, observables)`` are the times of one network on one
    core, by width. Observables of different ``kind`` have to be measured apart, if no number may
    depend on what else is measured.
    """

    name: str
    observe: Callable[[Network, int, int, int, Sequence[str]], dict[str, np.ndarray]]
    check_size: Callable[[Network, int, int], None]
    check_covered: Callable[[Network, Sequence[str]], None]
    seconds: Callable[[Network, int, Sequence[str]], Seconds]
    kind: Callable[[str], Hashable]

    def refusal(self, network: Network, observables: Sequence[str] = ()) -> str | None:
        """Why this engine does not measure this of the network, or None if it does.

        >>> ENGINES["conditional"].refusal(Network("relu", depth=3, sigma_w2=2)) is None
        True
        """
        try:
            self.check_covered(network, observables)
        except NotCovered as problem:
            return str(problem)
        return None


def _explicit_seconds(network: Network, samples: int, observables: Sequence[str]) -> Seconds:
    return partial(explicit_seconds, depth=network.depth, samples=samples)


def _of_group(name: str) -> bool:
    """A group's kernel is summed in another order than that of all parameters."""
    return bool(split_name(name)[1])


def _of_group_or_probed(name: str) -> tuple[bool, bool]:
    """Probes are used where all observables allow them."""
    return _of_group(name), split_name(name)[0] in OF_ANY_ORDER


def _conditional_seconds(network: Network, samples: int, observables: Sequence[str]) -> Seconds:
    probed = conditional.uses_probes(network, samples, observables)
    Q = conditional.columns(network, samples, probed=probed)
    return partial(conditional_seconds, samples=samples, columns=Q, depth=network.depth)


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "explicit",
            ensemble.observe,
            ensemble.check_size,
            lambda network, observables: None,
            _explicit_seconds,
            _of_group,
        ),
        Engine(
            "conditional",
            conditional.observe,
            conditional.check_size,
            conditional.check_covered,
            _conditional_seconds,
            _of_group_or_probed,
        ),
    )
}


def engine(name: str) -> Engine:
    """The engine of this name.

    >>> engine("explicit").name
    'explicit'
    >>> engine("approximate")
    Traceback (most recent call last):
    theory.errors.DescriptionError: unknown engine 'approximate'; known: explicit, conditional
    """
    if name not in ENGINES:
        raise DescriptionError(f"unknown engine {name!r}; known: {', '.join(ENGINES)}")
    return ENGINES[name]
