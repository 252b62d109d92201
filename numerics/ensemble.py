"""Ensembles of random networks: reproducible streams, blocks in parallel, measurements."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from numerics.fisher import linear_grams, total
from numerics.network import Parameters, draw_inputs, draw_parameters, propagate
from numerics.observables import OBSERVABLES, observed, split_name
from numerics.output_kernels import OutputKernels, output_kernels
from numerics.outputs import through_last_layer
from numerics.spectrum import measure_gram
from numerics.threads import one_thread
from theory.architecture import (
    DescriptionError,
    Network,
    NoNormalization,
    check_key,
    warn_if_far,
)

SEED_BASE = 20191208
"""The seed of every stream. It is never changed to obtain a verdict."""

MEMORY_BUDGET = 16 * 2**30
"""Bytes that one measurement may use."""

COUPLED_ARRAYS = 8
"""Arrays of C N B M numbers that are held at once where batches of B samples couple."""

STREAMED_VECTORS = 300
"""Vectors of C N numbers that the largest eigenvalues without the matrix may hold."""
GRAM_ARRAYS, KERNEL_ARRAYS = 4, 14
"""Arrays of (C N)^2 numbers held at once beside those of the parameter groups, for the Gram matrix
of one network and for the kernels that are observed."""

LARGEST_ARRAY = 2**21
"""Numbers in one array over which the networks of a block are taken together."""

T = TypeVar("T")


def block_size(width: int) -> int:
    """Networks that share one stream: a function of the width alone.

    >>> [block_size(width) for width in (64, 1024, 8192)]
    [64, 4, 1]
    """
    return max(1, 4096 // width)


def block_stream(network: Network, width: int, samples: int, block: int) -> np.random.Generator:
    """The random numbers of one block, keyed by the network with linear outputs.

    Networks that differ in the last layer's map or the loss alone share their samples.
    """
    return np.random.Generator(np.random.SFC64(block_seed(network, width, samples, block)))


def block_seed(
    network: Network, width: int, samples: int, block: int, *purpose: int
) -> np.random.SeedSequence:
    """The seed of ``block_stream``; a ``purpose`` of positive numbers gives other streams."""
    linear = replace(network, last=NoNormalization(), loss="mse")
    key = json.dumps(linear.describe(), sort_keys=True)
    words = np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype=np.uint32)
    entropy = [SEED_BASE, *(int(word) for word in words), samples, width, block]
    return np.random.SeedSequence([*entropy, *purpose])


def draw_block(
    network: Network, width: int, samples: int, block: int
) -> tuple[Parameters, np.ndarray]:
    """The parameters and the inputs of a block's networks."""
    rng = block_stream(network, width, samples, block)
    count = block_size(width)
    parameters = draw_parameters(network, width, count, rng)
    return parameters, draw_inputs(network, width, samples, count, rng)


def over_blocks(
    task: Callable[..., T], jobs: Sequence[tuple[Any, ...]], label: str = "", progress: bool = False
) -> list[T]:
    """``[task(*job) for job in jobs]``, on every processor; the order of results is that of jobs.

    Threads suffice: random numbers and matrix products release the interpreter. Each has one BLAS
    thread, so that a result does not depend on the number of workers.
    """
    with one_thread(), ThreadPoolExecutor(workers()) as pool:
        results = pool.map(lambda job: task(*job), jobs)
        if progress:
            from tqdm import tqdm  # not before it is needed: it reads its own version

            return list(tqdm(results, total=len(jobs), desc=label, leave=False))
        return list(results)


def over_networks(
    task: Callable[[Parameters, np.ndarray], T],
    network: Network,
    width: int,
    samples: int,
    indices: Sequence[int],
    progress: bool = False,
) -> list[T]:
    """``task`` of the parameters (n = 1) and inputs (1, N, M_0) of networks, on every processor.

    ``indices`` are their places in the ensemble's stream. A worker draws a block once for all its
    networks, and leaves some to the others where there are fewer blocks than workers.
    """
    size = block_size(width)
    blocks: dict[int, list[int]] = {}
    for index in dict.fromkeys(indices):
        blocks.setdefault(index // size, []).append(index)
    share = -(-len(indices) // workers())
    jobs = [
        (block, some[first : first + share])
        for block, some in blocks.items()
        for first in range(0, len(some), share)
    ]

    def part(block: int, some: list[int]) -> dict[int, T]:
        parameters, inputs = draw_block(network, width, samples, block)
        places = {index: slice(index % size, index % size + 1) for index in some}
        with in_range(network):
            return {index: task(parameters.of(one), inputs[one]) for index, one in places.items()}

    merged: dict[int, T] = {}
    for found in over_blocks(part, jobs, "blocks", progress):
        merged |= found
    return [merged[index] for index in indices]


def workers() -> int:
    """Processors of this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Measurement:
    """A measured quantity: the value of every network, raw."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def standard_error(self) -> float | None:
        """Of the mean; None for a single network."""
        if len(self.values) < 2:
            return None
        return float(np.std(self.values, ddof=1) / np.sqrt(len(self.values)))


def measure(
    network: Network,
    width: int,
    samples: int,
    seeds: Iterable[int] | int,
    *,
    inputs: np.ndarray | None = None,
    memory_budget: int = MEMORY_BUDGET,
    progress: bool = False,
) -> dict[str, Any]:
    r"""Measure the Fisher statistics of random networks at width M on N samples.

    ``seeds``: the indices of the networks in the ensemble's stream, or how many of the first.
    ``inputs`` of shape (N, M_0) replace the Gaussian ones. Keys: ``kappa1``, ``kappa2`` and
    ``uniform_mode`` of the linear outputs, with a ``batch_size`` ``kappa3`` and ``contrast_mode``
    too (None where one batch holds all samples); ``mean_eigenvalue``, ``second_moment``,
    ``top_mean`` (of the C largest), ``largest_eigenvalue`` behind the last layer's map or the
    softmax of the loss; ``alignment`` (degrees; None behind a map). ``groups``: for each parameter
    group the means [K_1, K_2] or [K_1, K_2, K_3] of its part of the linear outputs' kernel, in
    units of K: the groups' sum is alpha M kappa_a.

    Raises ``DescriptionError`` for meaningless input, or if the memory would exceed the budget.
    Warns with ``theory.inputs.InputsWarning`` where the norms or overlaps of ``inputs`` are far
    from constant, by the rule of ``theory.inputs.spikes``.

    >>> net = Network("tanh", depth=2, sigma_w2=1)
    >>> [round(value, 6) for value in measure(net, 64, 4, seeds=2)["kappa1"].values]
    [0.969858, 0.812969]
    """
    indices = network_indices(seeds)
    check_size(network, width, samples, memory_budget, one_by_one=len(indices))
    if inputs is not None:
        inputs = _check_inputs(inputs, network, width, samples)
        warn_if_far("inputs", inputs)

    def one_network(parameters: Parameters, drawn: np.ndarray) -> dict[str, Any]:
        return _measure_one(network, width, parameters, drawn if inputs is None else inputs)

    found = over_networks(one_network, network, width, samples, indices, progress)
    measured: dict[str, Any] = _measurements(found)
    return measured


def _measurements(values: list[Any]) -> Any:
    """The same quantity of every network, as one measurement; tables and lists entry by entry."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _measurements([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [_measurements(list(entries)) for entries in zip(*values, strict=True)]
    return None if None in values else Measurement(tuple(map(float, values)))


@contextmanager
def in_range(network: Network) -> Iterator[None]:
    """Refuse a network whose numbers leave float64, rather than measure infinities."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            yield
    except FloatingPointError as problem:
        raise DescriptionError(
            f"the network {network} leaves the range of float64 ({problem}); use smaller weights "
            "or inputs"
        ) from None


def _measure_one(
    network: Network, width: int, parameters: Parameters, inputs: np.ndarray
) -> dict[str, Any]:
    run = propagate(network, parameters, inputs)
    grams = linear_grams(network, run)
    K = total(grams)
    mapped = through_last_layer(network, run.linear_outputs, K)
    groups = {group: part[0] for group, part in grams.items()}
    return measure_gram(network, K[0], groups, mapped[0], width)


def check_size(
    network: Network,
    width: int,
    samples: int,
    budget: int = MEMORY_BUDGET,
    *,
    one_by_one: int | None = None,
    matrix_free: bool = False,
) -> None:
    """Refuse sizes that are meaningless or too large, before anything is drawn.

    ``one_by_one``: how many networks are measured, one at a time by each worker; by default every
    worker observes as many of a block together as ``LARGEST_ARRAY`` allows. ``matrix_free``: for
    ``numerics.eigenvalues.largest_eigenvalues``.
    """
    check_samples(samples)
    widths = network.widths(width)
    count, C = block_size(width), network.outputs
    drawn = count * (sum(into * out for into, out in pairwise(widths)) + samples * widths[0])
    normalized = 1 if network.weights == "plain" else 3
    passes = (2 * sum(widths) + 2 * C * max(widths[1:])) * samples
    if any(scheme.over == "samples" for scheme in network.layers or ()):
        passes += 4 * (C + 1) * max(widths[1:]) * samples
    passes += COUPLED_ARRAYS * _coupled(network, width, samples)
    arrays = GRAM_ARRAYS if one_by_one else KERNEL_ARRAYS
    grams = (arrays + len(network.parameter_groups(width))) * (C * samples) ** 2
    together = 1 if one_by_one else _together(network, width, samples)
    active = 8 * min(workers(), one_by_one or workers())
    streamed = 3 * normalized * drawn // 2 + 8 * samples * sum(widths)
    streamed += (2 * network.depth * samples + STREAMED_VECTORS * C) * samples
    formed = normalized * drawn + together * (passes + grams)
    need = active * (streamed if matrix_free else formed)
    if need > budget:
        less = "use a smaller width, fewer samples or fewer outputs"
        if 2 * streamed < formed:
            less += (
                "; the largest eigenvalues alone (measure --top) need about "
                f"{Decimal(active * streamed) / 2**30:.1f} GiB"
            )
        raise DescriptionError(
            f"width {width}, {samples} samples and {C} outputs need about "
            f"{Decimal(need) / 2**30:.1f} GiB, the budget is {budget / 2**30:.1f} GiB; {less}"
        )


def check_samples(samples: int) -> None:
    """Refuse a number of samples that is not a whole number of at least 2."""
    if isinstance(samples, bool) or not hasattr(samples, "__index__") or samples < 2:
        raise DescriptionError(f"samples must be a whole number of at least 2, {samples!r} given")


def _coupled(network: Network, width: int, samples: int) -> int:
    """Numbers C N B M among one network's derivatives below a layer that couples B samples, or 0.

    Those by the first such layer from above are not formed, ``Sensitivity.inner``.
    """
    batch = network.batch(samples)
    if not any(scheme.over == "samples" for scheme in (network.layers or ())[1:]):
        return 0
    return network.outputs * samples * batch * max(network.widths(width)[1:])


def _together(network: Network, width: int, samples: int) -> int:
    """How many networks of a block are measured at a time."""
    largest = max(_coupled(network, width, samples), (network.outputs * samples) ** 2)
    return max(1, min(block_size(width), LARGEST_ARRAY // largest))


def network_indices(seeds: Iterable[int] | int) -> list[int]:
    """Places in the ensemble's stream, given as such or as how many of the first.

    Raises ``DescriptionError`` if there are none, or negative ones.
    """
    indices = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not indices or min(indices) < 0:
        raise DescriptionError(f"seeds must be a positive number of networks, {seeds!r} given")
    return indices


def _check_inputs(inputs: Any, network: Network, width: int, samples: int) -> np.ndarray:
    expected = (samples, network.widths(width)[0])
    array = np.asarray(inputs)
    if array.dtype.kind not in "iuf" or array.shape != expected:
        raise DescriptionError(
            f"inputs must be real numbers of shape (samples, M_0) = {expected}, "
            f"{array.dtype} of shape {array.shape} given"
        )
    if not np.isfinite(array).all():
        raise DescriptionError("inputs must be finite, NaN or infinity given")
    return array.astype(float)


def observe(
    network: Network, width: int, samples: int, block: int, observables: Sequence[str]
) -> dict[str, np.ndarray]:
    """The named observables of every network of a block, and ``seconds``, the time it took."""

    def in_parts() -> Iterator[OutputKernels]:
        parameters, inputs = draw_block(network, width, samples, block)
        size = _together(network, width, samples)
        for first in range(0, block_size(width), size):
            some = slice(first, first + size)
            yield output_kernels(
                network, parameters.of(some), inputs[some], split=needs_groups(observables)
            )

    return observe_all(network, observables, in_parts())


def needs_groups(observables: Iterable[str]) -> bool:
    """Whether one of them is that of a parameter group."""
    return any(split_name(name)[1] for name in observables)


def observe_all(
    network: Network, observables: Sequence[str], parts: Iterator[OutputKernels]
) -> dict[str, np.ndarray]:
    """The named observables of the networks of all parts, and ``seconds``, the time it took."""
    start = time.perf_counter()
    with in_range(network):
        found = []
        for kernels in parts:
            found.append([observed(name, kernels, network) for name in observables])
            del kernels  # before the next part is computed
    values = {
        name: np.concatenate(one)
        for name, one in zip(observables, zip(*found, strict=True), strict=True)
    }
    return values | {"seconds": np.array([time.perf_counter() - start])}


def check_observables(
    network: Network, width: int, samples: int, observables: Sequence[str]
) -> None:
    """Refuse names that are not one number of each network: all are measured on one network."""
    for name in observables:
        check_key(split_name(name)[0], OBSERVABLES, "quantities")
    rng = block_stream(network, width, samples, 0)
    split = any(split_name(name)[1] for name in observables)
    with in_range(network):
        parameters = draw_parameters(network, width, 1, rng)
        inputs = draw_inputs(network, width, samples, 1, rng)
        kernels = output_kernels(network, parameters, inputs, split=split)
        for name in observables:
            try:
                shape = observed(name, kernels, network).shape
            except DescriptionError as problem:
                raise DescriptionError(f"quantities: {name} of {network}: {problem}") from None
            if shape != (1,):
                raise DescriptionError(f"quantities: {name} is not one number of a network")
