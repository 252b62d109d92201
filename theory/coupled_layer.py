"""The last-layer maps that couple the outputs of a sample: layer norm, and the softmax."""

from __future__ import annotations

import numpy as np

from theory import fisher
from theory.coupled_outputs import (
    CoupledMap,
    Law,
    Mean,
    Spread,
    check_layer_norm,
    given,
    layer_norm_cross,
    layer_norm_square,
    layer_norm_trace,
    mean,
    sampled,
    spread,
)
from theory.errors import NotCovered
from theory.mathematics import FLOATS, of
from theory.outliers import layer_norm_metric, softmax_metric
from theory.schemes import LayerNorm, Scheme
from theory.statistics import LargestEigenvalue, Mode, Outputs, Statistics


def layer_normalized_outputs(scheme: Scheme, o: Outputs) -> Statistics:
    """Layer norm over the C outputs of each sample: C - 1 random outliers of order M remain.

    Raises ``OutOfRegime`` for C = 2 and C = 3, ``NotCovered`` other than for one network in
    float64.
    """
    assert isinstance(scheme, LayerNorm)
    _check(o)
    C, gamma, q1 = int(o.C), float(scheme.gamma), float(o.v + o.q2)
    check_layer_norm(C)
    coupled = CoupledMap(lambda outputs: layer_norm_metric(outputs, gamma), lost=2)
    if o.given is not None:
        return _given(coupled, o, o.given)
    m = fisher.coupled_mean_eigenvalue(o.K1, gamma**2 * layer_norm_trace(q1, C), o.P)
    if C <= 5:
        reason = f"the mean of 1/sigma_t^4 over the outputs does not exist for C = {C} <= 5"
        return _random(coupled, o, Mean(m), None, reason)
    s = fisher.coupled_second_moment(
        o.K1,
        o.K2,
        o.N,
        gamma**4 * layer_norm_square(q1, C),
        gamma**4 * layer_norm_cross(q1, float(o.q2) / q1, C),
        o.P,
    )
    return _random(coupled, o, Mean(m), Mean(s))


def softmax_outputs(scheme: Scheme, o: Outputs) -> Statistics:
    """Cross-entropy of the softmax: C - 1 random outliers of order M remain.

    The moments are averages over sampled outputs, with a standard error. Raises ``NotCovered``
    other than for one network in float64.
    """
    _check(o)
    coupled = CoupledMap(softmax_metric, lost=1)
    if o.given is not None:
        return _given(coupled, o, o.given)
    drawn, _ = sampled(coupled, _law(o))
    m = mean(fisher.coupled_mean_eigenvalue(o.K1, drawn.trace, o.P))
    s = mean(fisher.coupled_second_moment(o.K1, o.K2, o.N, drawn.square, drawn.cross, o.P))
    return _random(coupled, o, m, s)


def _check(o: Outputs) -> None:
    if of(*o[:10]) is not FLOATS or any(np.ndim(number) for number in o[:10]):
        raise NotCovered("a map that couples the outputs, but for one network in float64")
    if o.v_tot is not None:
        raise NotCovered("a map that couples the outputs, in the proportional regime")


def _law(o: Outputs) -> Law:
    return Law(float(o.q2), float(o.v), int(o.N), int(o.C))


def _given(coupled: CoupledMap, o: Outputs, outputs: np.ndarray) -> Statistics:
    means, outliers, bulk = given(coupled, outputs, float(o.K2), float(o.gap))
    m = fisher.coupled_mean_eigenvalue(o.K1, means.trace, o.P)
    s = fisher.coupled_second_moment(o.K1, o.K2, o.N, means.square, means.cross, o.P)
    above = [outlier.value for outlier in outliers if outlier.value is not None]
    return Statistics(
        m,
        s,
        (
            *(Mode(value, 1, "outlier") for value in above),
            Mode(bulk.mean, o.N * (o.C - coupled.lost) - len(above), "bulk"),
            Mode(0.0, o.N * coupled.lost, "lost"),
        ),
        LargestEigenvalue(
            above[0] if above else None,
            fisher.moments_bound(m, s),
            fisher.trace_bound(s, o.P),
            "M",
            "given-outputs" if above else "bulk",
        ),
        None if above else "no root of the secular equation stands above the bulk",
        outliers,
        bulk,
    )


def _random(
    coupled: CoupledMap, o: Outputs, m: Mean, s: Mean | None, reason: str | None = None
) -> Statistics:
    laws: tuple[Spread, ...] = ()
    if not o.moments_only:
        _, B = sampled(coupled, _law(o))
        laws = spread(B, float(o.K2), float(o.gap), int(o.C) - 1)
    random = "the largest eigenvalue is random through the outputs"
    return Statistics(
        m.value,
        None if s is None else s.value,
        (
            *(Mode(law.mean, 1, "outlier") for law in laws if law.mean is not None),
            Mode(0.0 * o.K1, o.N * coupled.lost, "lost"),
        ),
        LargestEigenvalue(None, None, None, "M", "random"),
        random if reason is None else f"{random}; {reason}",
        laws,
        None,
        (m.standard_error, None if s is None else s.standard_error),
    )
