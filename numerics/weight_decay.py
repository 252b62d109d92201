r"""Gradient descent with weight decay, :math:`w' = (1 - \varepsilon) w - \eta \nabla L(w)`.

:math:`\varepsilon` is learning rate times weight decay; both may differ by weight. The product is
the same for a penalty and for decoupled decay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.losses import Loss, value
from theory.architecture import DescriptionError

CHUNK = 2**22
"""Numbers that are held at once while the steps of a run are looked at."""


@dataclass(frozen=True)
class Trajectory:
    """A run of T steps: scalars of every step, and pairs of successive weights now and then.

    ``loss`` and ``norm2``, the squared norm (T + 1, ...), belong to the weights before each step
    and after the last; ``amplitude`` (T, ...) is half the angle between successive directions.
    ``pairs`` (K, 2, ..., n) are the weights at ``kept`` (K,) and one step later.
    """

    loss: np.ndarray
    norm2: np.ndarray
    amplitude: np.ndarray
    kept: np.ndarray
    pairs: np.ndarray


def walk(
    loss: Loss,
    start: np.ndarray,
    eta: Any,
    decay: Any,
    steps: int,
    noise: float = 0.0,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """The weights (..., n) before each step and after the last, one by one.

    ``noise``: after each step a Gaussian vector of this length relative to the weights is added.
    """
    w, keep = start, 1 - decay
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        yield w
        w = keep * w - eta * loss.gradient(w)
        if noise:
            draw = rng.standard_normal(w.shape)
            w = w + noise * _lengths(w) / _lengths(draw) * draw
    yield w


def descend(
    loss: Loss,
    start: np.ndarray,
    eta: Any,
    decay: Any,
    steps: int,
    *,
    every: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> Trajectory:
    r"""A run of gradient descent; eta and :math:`\varepsilon` are numbers or (n,).

    Rows of starts (..., n) run side by side. A pair of weights is kept at every ``every``-th step.

    ``DescriptionError`` for weights that are zero or not finite, rates that are not positive,
    :math:`\varepsilon` outside [0, 1), no step, or a run that overflows.
    """
    start = np.asarray(start, float)
    check(loss, start, eta, decay, steps)
    if every < 1:
        raise DescriptionError(f"a pair is kept at every 1 step at least, {every} given")
    kept = np.arange(0, steps, every)
    pairs = np.empty((len(kept), 2, *start.shape))
    scalars: list[np.ndarray] = []
    amplitudes: list[np.ndarray] = []
    rows = max(2, CHUNK // start.size)
    chunk = np.empty((rows, *start.shape))
    filled, first = 0, 0
    for at, w in enumerate(walk(loss, start, eta, decay, steps, noise, seed)):
        chunk[filled] = w
        filled += 1
        if filled < rows and at < steps:
            continue
        here = chunk[:filled]
        if not np.isfinite(here).all():
            raise DescriptionError(
                f"gradient descent overflowed before step {at}; use a smaller learning rate"
            )
        inside = kept[(kept >= first) & (kept < at)]
        pairs[inside // every, 0], pairs[inside // every, 1] = (
            here[inside - first],
            here[inside - first + 1],
        )
        whole = here if at == steps else here[:-1]
        norm2 = (whole**2).sum(axis=-1)
        scalars.append(np.array([value(loss, whole), norm2]))
        amplitudes.append(_turns(here) / 2)
        chunk[0], filled, first = w, 1, at
    loss_values, norm2 = np.concatenate(scalars, axis=1)
    return Trajectory(loss_values, norm2, np.concatenate(amplitudes), kept, pairs)


def _turns(rows: np.ndarray) -> np.ndarray:
    """Angles between successive directions, accurate for small ones."""
    units = rows / _lengths(rows)
    chord = _lengths(units[1:] - units[:-1])[..., 0]
    return 2 * np.arcsin(np.minimum(chord / 2, 1.0))


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.sqrt((rows * rows).sum(axis=-1, keepdims=True))


def check(loss: Loss, start: np.ndarray, eta: Any, decay: Any, steps: int) -> None:
    """Refuse what gradient descent cannot start from."""
    if start.shape[-1:] != (loss.size,) or not np.isfinite(start).all():
        broken = np.count_nonzero(~np.isfinite(start))
        raise DescriptionError(
            f"the start must be {loss.size} finite weights, shape {start.shape} with {broken} "
            "infinite or NaN given"
        )
    if any(not np.any(start[..., group], axis=-1).all() for group in loss.groups):
        raise DescriptionError(
            "the weights of a scale-invariant group are all zero: they have no direction"
        )
    eta, decay = np.asarray(eta, float), np.asarray(decay, float)
    if not (np.isfinite(eta).all() and (eta > 0).all()):
        raise DescriptionError(f"the learning rate must be positive, {eta} given")
    if not (np.isfinite(decay).all() and (decay >= 0).all() and (decay < 1).all()):
        raise DescriptionError(
            f"learning rate times weight decay must be at least 0 and below 1, {decay} given"
        )
    if steps < 1:
        raise DescriptionError(f"gradient descent needs 1 step at least, {steps} given")


def scale_defect(loss: Loss, seed: int, points: int = 4) -> float:
    """The largest relative change of the loss when one group is multiplied by 1.7.

    At random weights; below 1e-12 the loss is scale-invariant in each of its groups.
    """
    w = np.random.default_rng(seed).standard_normal((points, loss.size))
    before, worst = value(loss, w), 0.0
    for group in loss.groups:
        scaled = w.copy()
        scaled[:, group] *= 1.7
        worst = max(worst, float(np.max(np.abs(value(loss, scaled) / before - 1))))
    return worst


def check_scale_invariance(loss: Loss, seed: int = 0) -> None:
    """``DescriptionError`` for a loss that a factor on a group of weights changes: by how much."""
    defect = scale_defect(loss, seed)
    if not defect < 1e-12:
        raise DescriptionError(
            f"the loss is not scale-invariant: weights times 1.7 change it by a factor "
            f"1 +- {defect:.3g}; normalize every group of weights, without a regularizer"
        )
