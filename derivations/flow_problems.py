"""The problems of ``fisherfield flow``: losses with a minimizer from which the flow starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from derivations.dynamics import Setting
from numerics import losses, minimizers
from theory import sharpness_problems as closed
from theory.errors import DescriptionError, OutOfRegime

Parameters = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Problem:
    """A loss by name: its parameters with their defaults, and how a setting is made of them.

    ``coordinate`` reads a number for a figure off points (..., n) of the manifold; without it, it
    is the logarithm of the sharpness. ``seed`` and ``time`` are defaults. ``make`` is None where
    each of the ``groups`` of weights has rates of its own: see ``groups_of``.
    """

    make: Callable[[Parameters, int], Setting] | None
    defaults: Parameters
    coordinate: Callable[[Setting, np.ndarray], np.ndarray] | None = None
    seed: int = 0
    time: float = 2.0
    groups: int = 1

    def parameters(self, given: Parameters) -> Parameters:
        """Those given, and the defaults; ``DescriptionError`` for an unknown one."""
        for name, value in given.items():
            if name not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise DescriptionError(f"unknown parameter {name!r}; known: {known}")
            if not value or not np.isfinite(value).all():
                raise DescriptionError(f"parameter {name} must be finite numbers, {value} given")
        return {**self.defaults, **given}

    def setting(self, given: Parameters, seed: int | None) -> Setting:
        """The setting with these parameters."""
        assert self.make is not None
        return self.make(self.parameters(given), self.seed if seed is None else seed)


def _whole(p: Parameters, name: str, least: int) -> int:
    (value,) = p[name] if len(p[name]) == 1 else (np.nan,)
    if not (value == round(value) and value >= least) if np.isfinite(value) else True:
        raise DescriptionError(
            f"parameter {name} must be a whole number, {least} at least, "
            f"{', '.join(f'{one:g}' for one in p[name])} given"
        )
    return int(value)


def _number(p: Parameters, name: str) -> float:
    if len(p[name]) != 1:
        raise DescriptionError(f"parameter {name} must be one number, {len(p[name])} given")
    return float(p[name][0])


def _of_forms(forms: list[tuple[float, ...]], zeta: tuple[float, ...]) -> Setting:
    if {len(one) for one in forms} != {len(zeta)} or not any(zeta):
        raise DescriptionError(
            f"forms and zeta must have the same number of entries, zeta not all 0; "
            f"{[len(one) for one in forms]} and {len(zeta)} given"
        )
    problem = closed.QuadraticForms(np.array(forms))
    point = np.append(zeta, np.zeros(len(forms)))
    return Setting(losses.QuadraticForms(problem.forms), minimizers.unit(point), problem)


def _arc(p: Parameters, seed: int) -> Setting:
    s = _number(p, "s")
    if not 0 < s < np.pi / 2:
        raise DescriptionError(f"parameter s must lie between 0 and pi/2, {s:g} given")
    return _of_forms([(1.0, _number(p, "b"))], (float(np.cos(s)), float(np.sin(s))))


def _quadratic(p: Parameters, seed: int) -> Setting:
    return _of_forms([p["form"]], p["zeta"])


def _two_eigenvalues(p: Parameters, seed: int) -> Setting:
    return _of_forms([p["form"], p["second"]], p["zeta"])


def _regression_data(p: Parameters, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = _whole(p, "samples", 3), _whole(p, "features", 2)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    return X, y, rng.standard_normal(shape[1])


def _batchnorm_regression(p: Parameters, seed: int) -> Setting:
    X, y, away = _regression_data(p, seed)
    angle = _number(p, "angle")
    if not 0 < angle < np.pi / 2:
        raise DescriptionError(f"parameter angle must lie between 0 and pi/2, {angle:g} given")
    problem = closed.BatchNormRegression(X, y)
    e = problem.minimum
    on = problem.retract(away)
    beside = minimizers.unit(on - (on @ e) * e)
    zeta = np.cos(angle) * e + np.sin(angle) * beside
    return Setting(losses.BatchNormRegression(X, y), zeta, problem)


def _weightnorm_regression(p: Parameters, seed: int) -> Setting:
    X, y, away = _regression_data(p, seed)
    length = _number(p, "length") * float(np.linalg.norm(np.linalg.pinv(X) @ y))
    problem = closed.WeightNormRegression(X, y, length)
    loss = losses.WeightNormRegression(X, y, length)
    return Setting(loss, problem.retract(away), problem)


def _network_data(
    p: Parameters, seed: int
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...], np.random.Generator]:
    rng = np.random.default_rng(seed)
    shape = _whole(p, "samples", 4), _whole(p, "inputs", 1)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    widths = tuple(_whole({"widths": (one,)}, "widths", 1) for one in p["widths"])
    return X, y - y.mean(), widths, rng


def _batchnorm_network(p: Parameters, seed: int) -> Setting:
    X, y, widths, rng = _network_data(p, seed)
    loss = losses.Network(X, y, widths, "batchnorm", float(np.linalg.norm(y)))
    return _relaxed(loss, rng.standard_normal(loss.size), _number(p, "before"))


def _readout_network(scheme: str) -> Callable[[Parameters, int], Setting]:
    """A network with a normalized readout, as long as ``length`` times the least that fits."""

    def make(p: Parameters, seed: int) -> Setting:
        X, y, widths, rng = _network_data(p, seed)
        factor = _number(p, "length")
        if not (factor > 1 and widths[-1] > len(y)):
            raise DescriptionError(
                f"a {scheme} network fits its targets with a length above 1 and a last width "
                f"above the number of samples; {factor:g}, {widths[-1]} and {len(y)} given"
            )
        w = rng.standard_normal(losses.Network(X, y, widths, scheme, 1.0).size)
        h = losses.Network(X, y, widths, scheme, 1.0).features(w)
        least = np.linalg.pinv(h) @ y
        beside = w[-widths[-1] :] - np.linalg.pinv(h) @ (h @ w[-widths[-1] :])
        need = float(np.linalg.norm(least))
        w[-widths[-1] :] = least + (factor**2 - 1) ** 0.5 * need * minimizers.unit(beside)
        loss = losses.Network(X, y, widths, scheme, factor * need * len(y) ** 0.5)
        return _relaxed(loss, w, _number(p, "before"))

    return make


def _relaxed(loss: losses.Loss, w: np.ndarray, before: float, rtol: float = 1e-11) -> Setting:
    """The setting after the flow ran for a while from the minimizer near some weights."""
    zeta = minimizers.reach(loss, w)
    if before == 0:
        return Setting(loss, zeta, rtol=rtol)
    flow = Setting(loss, zeta, rtol=rtol).integrated(before)
    if flow.crossing is not None:
        raise OutOfRegime(
            f"the second eigenvalue reaches the first at time {flow.crossing:.4g} of the flow that "
            f"prepares the start, over a time {before:g}; use another seed or a shorter time before"
        )
    return Setting(loss, flow.at(flow.end), rtol=rtol)


def groups_of(p: Parameters) -> tuple[closed.TwoGroups, np.ndarray]:
    """Two groups with rates of their own, and the state (3,) in which they start."""
    problem = closed.TwoGroups(_number(p, "a"), _number(p, "b"))
    state = np.array([_number(p, name) for name in ("s_A", "s_B", "log_rho")])
    if not (state[:2].min() > 0 and state[:2].max() < np.pi / 2):
        raise DescriptionError(
            f"parameters s_A and s_B must lie between 0 and pi/2, {state[0]:g}, {state[1]:g} given"
        )
    return problem, state


def completion_data(p: Parameters, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A target (n, n) of low rank, the entries (N, 2) of it that are seen, and a random start."""
    rows, rank = _whole(p, "rows", 2), _whole(p, "rank", 1)
    entries, inner = _whole(p, "entries", 4), _whole(p, "inner", 1)
    if entries > rows**2:
        raise DescriptionError(f"{entries} of {rows**2} entries cannot be observed")
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, rows))
    seen = np.stack(np.divmod(rng.choice(rows**2, entries, replace=False), rows), axis=1)
    return target, seen, rng.standard_normal(2 * rows * inner)


def _matrix_completion(p: Parameters, seed: int) -> Setting:
    target, seen, w = completion_data(p, seed)
    y = target[seen[:, 0], seen[:, 1]]
    loss = losses.MatrixCompletion(seen, y, target.shape, _whole(p, "inner", 1))
    return _relaxed(loss, w, _number(p, "before"), rtol=1e-6)


def _angle_on_arc(setting: Setting, zeta: np.ndarray) -> np.ndarray:
    return np.arctan2(zeta[..., 1], zeta[..., 0])


def _angle_from_minimum(setting: Setting, zeta: np.ndarray) -> np.ndarray:
    assert isinstance(setting.closed, closed.BatchNormRegression)
    along = zeta @ setting.closed.minimum
    return np.arctan2(np.sqrt(np.maximum(1 - along**2, 0.0)), along)


NETWORK: Parameters = {"samples": (6.0,), "inputs": (3.0,), "before": (0.5,)}
READOUT: Parameters = {**NETWORK, "widths": (12.0,), "length": (1.5,)}

PROBLEMS: Mapping[str, Problem] = {
    "arc": Problem(_arc, {"b": (4.0,), "s": (1.2,)}, _angle_on_arc),
    "quadratic": Problem(_quadratic, {"form": (1.0, 2.0, 4.0), "zeta": (0.3, 0.5, 0.8)}),
    "two-eigenvalues": Problem(
        _two_eigenvalues,
        {"form": (1.0, 2.0, 4.0), "second": (3.0, 1.5, 1.0), "zeta": (0.35, 0.45, 0.8)},
    ),
    "two-groups": Problem(
        None,
        {"a": (3.0,), "b": (2.0,), "s_A": (1.2,), "s_B": (1.1,), "log_rho": (0.0,)},
        time=1.0,
        groups=2,
    ),
    "batchnorm-regression": Problem(
        _batchnorm_regression,
        {"samples": (6.0,), "features": (9.0,), "angle": (0.5,)},
        _angle_from_minimum,
        seed=1,
    ),
    "weightnorm-regression": Problem(
        _weightnorm_regression,
        {"samples": (4.0,), "features": (7.0,), "length": (1.5,)},
        seed=11,
    ),
    "batchnorm-mlp": Problem(_batchnorm_network, {**NETWORK, "widths": (4.0,)}, seed=8, time=0.5),
    "layernorm-mlp": Problem(_readout_network("layernorm"), READOUT, time=0.5),
    "weightnorm-mlp": Problem(_readout_network("weightnorm"), READOUT, time=0.5),
    "matrix-completion": Problem(
        _matrix_completion,
        {"rows": (20.0,), "rank": (2.0,), "entries": (120.0,), "inner": (20.0,), "before": (0.0,)},
        time=1.0,
    ),
}
