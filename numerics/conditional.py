r"""The second engine: random networks at a cost linear in the width, exact in law.

What the N samples see of a Gaussian weight matrix is drawn, given what was drawn of it before
(``numerics.deferred``), and the matrix is never formed. Independent inputs enter by their Gram
matrix, a Wishart matrix by Bartlett's factor: rotated, they lie in N dimensions. Matrices of N
rows or fewer are drawn as they are, and so are the output weights.

These are networks, not formulas: no order parameter and no kernel enters. It needs Gaussian
weights, so not normalized ones; every normalization of the layers is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from numerics.deferred import Deferred
from numerics.ensemble import (
    COUPLED_ARRAYS,
    LARGEST_ARRAY,
    MEMORY_BUDGET,
    block_seed,
    block_size,
    check_samples,
    needs_groups,
    observe_all,
    workers,
)
from numerics.network import Forward, run_layers
from numerics.observables import split_name
from numerics.output_kernels import OutputKernels, kernels_of
from numerics.parameters import Affine, draw_scales, with_overlaps
from numerics.probes import OF_ANY_ORDER, PROBES, draw_probes
from theory.architecture import DescriptionError, Network, NotCovered

PURPOSE = 2
"""The word that keeps these streams apart from those of explicit weights."""


def check_covered(network: Network, observables: Sequence[str] = ()) -> None:
    """Refuse a network whose weights are not Gaussian, and what one layer alone contributes.

    >>> check_covered(Network("relu", depth=3, sigma_w2=2, weights="weight-normalization"))
    Traceback (most recent call last):
    theory.errors.NotCovered: not covered yet: conditioning needs Gaussian weights, \
weight-normalization given; use explicit networks
    """
    if network.weights != "plain":
        raise NotCovered(
            f"conditioning needs Gaussian weights, {network.weights} given; use explicit networks"
        )
    for name in observables:
        if "." in split_name(name)[1]:
            raise NotCovered(f"{name} of one layer by conditioning; use explicit networks")


def observe(
    network: Network, width: int, samples: int, block: int, observables: Sequence[str]
) -> dict[str, np.ndarray]:
    """``numerics.ensemble.observe`` by conditioning: other networks of the same law.

    Where hidden layers couple samples and all observables are in ``numerics.probes.OF_ANY_ORDER``,
    the kernel is estimated from probes: the same expectation from fewer derivatives. The networks
    are the same for all such sets of observables, and for all others.
    """
    check_covered(network, observables)
    probed = uses_probes(network, samples, observables)

    def in_parts() -> Iterator[OutputKernels]:
        count, together = block_size(width), _together(network, width, samples, probed=probed)
        firsts = range(0, count, together)
        seeds = block_seed(network, width, samples, block, PURPOSE + probed).spawn(len(firsts))
        batch = network.batch(samples)
        for first, seed in zip(firsts, seeds, strict=True):
            size = min(together, count - first)
            own, probing = seed.spawn(2)
            probes = None
            if probed:
                rng = np.random.Generator(np.random.SFC64(probing))
                probes = draw_probes(size, samples // batch, batch, rng)
            run = draw_runs(network, width, samples, size, own)
            yield kernels_of(network, run, split=needs_groups(observables), probes=probes)

    return observe_all(network, observables, in_parts())


def uses_probes(network: Network, samples: int, observables: Sequence[str]) -> bool:
    """Whether the kernel is estimated from probes: exact derivatives would be more, and the
    observables allow it.

    >>> network = Network("relu", depth=3, sigma_w2=2, hidden="batchnorm")
    >>> [uses_probes(network, N, ["diagonal", "uniform"]) for N in (3, 16)]
    [False, True]
    >>> uses_probes(network, 16, ["diagonal", "squared_trace"])
    False
    """
    cheaper = _couples(network) and network.batch(samples) > 1 + PROBES
    return cheaper and all(split_name(name)[0] in OF_ANY_ORDER for name in observables)


def columns(network: Network, samples: int, *, probed: bool = False) -> int:
    """Derivatives by each unit: C N, or where samples of a batch are coupled C N B, or
    C N (1 + ``PROBES``)."""
    samplewise = network.outputs * samples
    if not _couples(network):
        return samplewise
    return samplewise * (1 + PROBES if probed else network.batch(samples))


def check_size(network: Network, width: int, samples: int, budget: int = MEMORY_BUDGET) -> None:
    """Refuse what is not covered, meaningless or too large, before anything is drawn."""
    check_covered(network)
    check_samples(samples)
    N, Q, widest = samples, columns(network, samples), max(network.widths(width)[1:])
    passes = (6 * N * network.depth + COUPLED_ARRAYS * Q) * widest
    grams = (4 + len(network.parameter_groups(width))) * (network.outputs * N) ** 2 + 3 * Q**2
    need = 8 * workers() * _together(network, width, samples, probed=False) * (passes + grams)
    if need > budget:
        raise DescriptionError(
            f"width {width}, {samples} samples and {network.outputs} outputs need about "
            f"{Decimal(need) / 2**30:.1f} GiB, the budget is {budget / 2**30:.1f} GiB; "
            "use a smaller width, fewer samples or fewer outputs"
        )


def _couples(network: Network) -> bool:
    return any(scheme.over == "samples" for scheme in network.layers or ())


def _together(network: Network, width: int, samples: int, *, probed: bool) -> int:
    """How many networks of a block are measured at a time."""
    Q = columns(network, samples, probed=probed)
    largest = max(Q * max(network.widths(width)[1:]), Q**2, (network.outputs * samples) ** 2)
    return max(1, min(block_size(width), LARGEST_ARRAY // largest))


def draw_runs(
    network: Network, width: int, samples: int, count: int, seed: np.random.SeedSequence
) -> Forward:
    """One pass of each of ``count`` networks on ``samples`` random inputs, weights deferred.

    ``backpropagate`` and the kernels take it as a pass of explicit networks. Its inputs are
    rotated, so that they span as many dimensions as there are samples.
    """
    check_covered(network)
    widths = network.widths(width)
    own, *streams = seed.spawn(network.depth + 1)
    rng = np.random.Generator(np.random.SFC64(own))
    inputs = rotated_inputs(network, widths[0], samples, count, rng)
    ntk = network.parameterization == "ntk"
    sigma_w, sigma_b = np.sqrt(float(network.sigma_w2)), np.sqrt(float(network.sigma_b2))
    affines = []
    for l, (into, out) in enumerate(pairwise(widths), start=1):
        deviation = sigma_w / np.sqrt(into)
        seen = inputs.shape[-1] if l == 1 else into
        W: np.ndarray | Deferred
        if l == network.depth or seen <= samples:
            W = rng.standard_normal((count, seen, out))
            W *= deviation
        else:
            W = Deferred((count, seen, out), deviation, streams[l - 1])
        b = sigma_b * rng.standard_normal((count, out))
        affines.append(Affine(W, b, deviation, sigma_b) if ntk else Affine(W, b))
    scales, shifts = draw_scales(network, widths, count, rng)
    return run_layers(network, tuple(affines), scales, shifts, inputs)


def rotated_inputs(
    network: Network, dimension: int, samples: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    r"""Inputs (count, N, min(N, M_0)) with the law of the Gram matrix of ``draw_inputs``.

    Where :math:`M_0 \ge N`, M_0 the ``dimension``, a rotation makes independent inputs triangular:
    row t, counted from 0, has :math:`\chi_{M_0 - t}` on the diagonal and standard normal numbers
    before it.

    Source: Bartlett, Proc. R. Soc. Edinburgh 1933.
    """
    if dimension < samples:
        return with_overlaps(network, rng.standard_normal((count, samples, dimension)))
    inputs = np.tril(rng.standard_normal((count, samples, samples)), -1)
    t = np.arange(samples)
    inputs[:, t, t] = np.sqrt(rng.chisquare(dimension - t, (count, samples)))
    return with_overlaps(network, inputs)
