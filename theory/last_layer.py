r"""The maps of the outputs: what each does to the spectrum of the linear outputs' kernel.

A map is no hidden rule: it acts once, on each output's kernel :math:`(K_1 - K_2) I + K_2 11^T`.
**A new last-layer map goes here**; its array operation goes to ``numerics/layers.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, log, pi, sqrt
from typing import Any

import numpy as np

from theory import fisher
from theory.architecture import BatchNorm, Network, NotCovered, OutOfRegime, Scheme
from theory.coupled_layer import layer_normalized_outputs, softmax_outputs
from theory.mathematics import Number, Symbols, of
from theory.outliers import Bulk
from theory.statistics import LargestEigenvalue, Mode, Outputs, Statistics


def linear_outputs(scheme: Scheme, o: Outputs) -> Statistics:
    """No map: C uniform modes, which stand out where K_2 > 0, above the bulk."""
    if o.K3 is not None:
        return _batched_outputs(o)
    uniform, bulk = fisher.uniform_mode(o.K1, o.K2, o.N), fisher.bulk_mode(o.gap, o.N)
    return Statistics(
        fisher.mean_eigenvalue(o.K1, o.C, o.P),
        fisher.second_moment(o.K1, o.K2, o.N, o.C, o.P),
        (Mode(uniform, o.C, "uniform"), Mode(bulk, o.C * (o.N - 1), "bulk")),
        LargestEigenvalue(_larger(uniform, bulk), None, None, "M", "fixed-samples"),
    )


def _batched_outputs(o: Outputs) -> Statistics:
    """Uniform modes, contrasts between batches, and contrasts within them."""
    uniform = fisher.batched_uniform_mode(o.K1, o.K2, o.K3, o.N, o.B)
    contrast = fisher.contrast_mode(o.K1, o.K2, o.K3, o.N, o.B)
    bulk = fisher.bulk_mode(o.gap, o.N)
    modes = (
        Mode(uniform, o.C, "uniform"),
        Mode(contrast, o.C * (o.N / o.B - 1), "contrast"),
        Mode(bulk, o.C * (o.N - o.N / o.B), "bulk"),
    )
    present = tuple(mode for mode in modes if mode.multiplicity != 0)
    largest = present[0].eigenvalue
    for mode in present[1:]:
        largest = _larger(largest, mode.eigenvalue)
    return Statistics(
        fisher.mean_eigenvalue(o.K1, o.C, o.P),
        fisher.batched_second_moment(o.K1, o.K2, o.K3, o.N, o.B, o.C, o.P),
        present,
        LargestEigenvalue(largest, None, None, "M", "fixed-samples"),
    )


def _larger(uniform: Number, bulk: Number) -> Number:
    """With symbols K_2 > 0 is assumed, where the uniform mode is the larger one."""
    m = of(uniform, bulk)
    return uniform if isinstance(m, Symbols) else m.maximum(uniform, bulk)


def centred_outputs(scheme: Scheme, o: Outputs) -> Statistics:
    """Mean subtraction: the uniform modes vanish, the bulk stays."""
    bulk = fisher.bulk_mode(o.gap, o.N)
    largest = LargestEigenvalue(
        bulk,
        fisher.lower_bound(o.gap, o.N),
        fisher.upper_bound(o.gap, o.M, o.N, o.C),
        "M",
        "fixed-samples",
    )
    return Statistics(
        fisher.centred_mean_eigenvalue(o.gap, o.batch, o.C, o.P),
        fisher.centred_second_moment(o.gap, o.batch, o.C, o.P, o.noise) * (o.batch / o.N),
        (
            Mode(bulk, o.C * (o.batch - 1) * (o.N / o.batch), "bulk"),
            Mode(0 * bulk, o.C * (o.N / o.batch), "uniform"),
        ),
        largest,
    )


def normalized_outputs(scheme: Scheme, o: Outputs) -> Statistics:
    r"""Batch norm: the variance of each output is random, so these are expectations over it.

    Raises ``OutOfRegime`` where the mean of :math:`1/\sigma^2` does not exist: N <= 3 at eps = 0.
    """
    assert isinstance(scheme, BatchNorm)
    if o.given is not None:
        return _normalized_given(scheme, o, o.given)
    check_samples(scheme, o.batch)
    m = of(*o[:9])
    gamma, eps = m.number(scheme.gamma), m.number(scheme.eps)
    contrasts, second, bulk, along = _normalized_traces(o._replace(N=o.batch), eps)
    reason = "the largest eigenvalue is random through the variance of each output"
    second_moment = None
    if second is None:
        reason += f"; the mean of 1/sigma^4 does not exist for N = {int(o.batch)} <= 5 at eps = 0"
    else:
        second_moment = fisher.normalized_second_moment(
            o.gap, second, gamma, o.batch, o.C, o.P, o.noise
        ) * (o.batch / o.N)
    scale = gamma**2 * fisher.bulk_mode(o.gap, o.N)
    return Statistics(
        fisher.normalized_mean_eigenvalue(o.gap, contrasts, gamma, o.batch, o.C, o.P),
        second_moment,
        (
            Mode(scale * bulk, o.C * (o.batch - 2) * (o.N / o.batch), "bulk"),
            Mode(scale * along, o.C * (o.N / o.batch), "output"),
            Mode(0 * scale, o.C * (o.N / o.batch), "uniform"),
        ),
        LargestEigenvalue(None, None, None, "M", "random"),
        reason,
    )


def _normalized_given(scheme: BatchNorm, o: Outputs, outputs: np.ndarray) -> Statistics:
    r"""For realised outputs: :math:`\sigma_k^2` is their variance in a batch, nothing is random."""
    gamma, eps, B = float(scheme.gamma), float(scheme.eps), int(o.batch)
    inverse = 1 / (outputs.reshape(-1, B).var(axis=1) + eps)
    rest = eps * inverse
    modes = gamma**2 * inverse * fisher.bulk_mode(o.gap, o.N)
    return Statistics(
        fisher.normalized_mean_eigenvalue(
            o.gap, (inverse * (B - 2 + rest**2)).mean(), gamma, B, o.C, o.P
        ),
        fisher.normalized_second_moment(
            o.gap, (inverse**2 * (B - 2 + rest**4)).mean(), gamma, B, o.C, o.P, o.noise
        )
        * (B / o.N),
        (
            *(Mode(float(mode), B - 2, "bulk") for mode in modes),
            *(Mode(float(mode), 1, "output") for mode in modes * rest**2),
            Mode(0.0, len(modes), "uniform"),
        ),
        LargestEigenvalue(float(modes.max()), None, None, "M", "given-outputs"),
        bulk=Bulk(float(modes.min()), float(modes.max()), float(modes.mean())),
    )


def _normalized_traces(o: Outputs, eps: Number) -> tuple[Number, Number | None, Number, Number]:
    r"""Expectations over :math:`\sigma^2` of the two traces and of the two eigenvalues' factors."""
    if eps == 0:
        bulk = fisher.inverse_variance(o.v, o.N)
        second = None
        if not _concrete(o.N) or o.N > 5:
            second = (o.N - 2) * fisher.inverse_variance(o.v, o.N, power=2)
        return (o.N - 2) * bulk, second, bulk, 0 * bulk

    reach = 4 * max(0.0, log(np.max(o.v) / eps)) if _concrete(o.v) else 0.0

    def over_variance(f: Callable[[Number, Number], Number]) -> Number:
        def of_chi_square(x: Number) -> Number:
            variance = o.v * x / o.N
            return f(1 / (variance + eps), eps / (variance + eps))

        return chi_square_mean(of_chi_square, o.N - 1, o.v, reach)

    return (
        over_variance(lambda inverse, rest: inverse * (o.N - 2 + rest**2)),
        over_variance(lambda inverse, rest: inverse**2 * (o.N - 2 + rest**4)),
        over_variance(lambda inverse, rest: inverse),
        over_variance(lambda inverse, rest: inverse * rest**2),
    )


def chi_square_mean(
    f: Callable[[Number], Number], n: Number, like: Number, reach: float = 0
) -> Number:
    r"""``E f(x)``, x of the chi-square law with n degrees of freedom.

    .. math:: \int_{-\infty}^{\infty} f(n e^u)\, w(u)\,du \Big/ \int_{-\infty}^{\infty} w(u)\,du,
              \qquad w(u) = e^{n (u + 1 - e^u)/2},

    by the trapezoid rule, which converges exponentially for f analytic near the positive axis.
    ``like`` (a number or an array) sets the number system. f may grow towards 0 by a factor of
    :math:`e^{\text{reach}}` beyond its size at n.

    >>> round(float(chi_square_mean(lambda x: x**2, 3.0, 1.0)), 12)
    15.0
    """
    m = of(n, like)
    if isinstance(m, Symbols):
        x = m.sympy.Symbol("x", positive=True)
        density = x ** (n / 2 - 1) * m.exp(-x / 2) / (2 ** (n / 2) * m.sympy.gamma(n / 2))
        return m.sympy.Integral(f(x) * density, (x, 0, m.sympy.oo))
    decades = (m.digits + 2) * log(10)
    step = min(3.7 / decades, sqrt(2 / float(n)) * pi * sqrt(2 / decades) * 0.9)
    drop = decades + reach
    spread = 2 * drop / float(n) + 2.2 * sqrt(drop / float(n))
    total: Any = 0
    mass: Any = 0
    for index in range(-ceil(spread / step), ceil(log(1 + spread) / step) + 1):
        u = index * m.number(step)
        weight = m.exp(n / 2 * (u - m.expm1(u)))
        total, mass = total + f(n * m.exp(u)) * weight, mass + weight
    return total / mass


def check_samples(scheme: Scheme, N: Number) -> None:
    r"""Raise ``OutOfRegime`` where batch norm's outputs have no mean of :math:`1/\sigma^2`."""
    if isinstance(scheme, BatchNorm) and scheme.eps == 0 and _concrete(N) and N <= 3:
        raise OutOfRegime(
            f"batch norm in the last layer needs N >= 4 samples at eps = 0, N = {int(N)} given: "
            "the mean of 1/sigma^2 does not exist. Use more samples or eps > 0."
        )


def _concrete(N: Number) -> bool:
    return not isinstance(of(N), Symbols) or N.is_number


MAPS: dict[str, Callable[[Scheme, Outputs], Statistics]] = {
    "none": linear_outputs,
    "mean-subtraction": centred_outputs,
    "batchnorm": normalized_outputs,
    "layernorm": layer_normalized_outputs,
    "cross-entropy": softmax_outputs,
}


def last_layer(network: Network) -> Callable[[Outputs], Statistics]:
    """The rule of the network's map or loss; ``NotCovered`` where there is none."""
    kind = network.last.kind if network.loss == "mse" else network.loss
    if kind not in MAPS:
        raise NotCovered(f"{kind} in the last layer (covered: {', '.join(MAPS)})")
    return partial(MAPS[kind], network.last)
