r"""The kernels of given inputs: any norms, any overlaps, every scheme that acts on each sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theory.activations import Activation
from theory.architecture import Network
from theory.dual_map import dual_map
from theory.errors import DescriptionError, NotCovered
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel
from theory.inputs import warn_if_far
from theory.pair import Law, Pair
from theory.quadrature import quadrature_kernel
from theory.schemes import Normalized, Scheme

CLOSE = 1e-3
"""1 - c below which it is computed from the difference of the directions."""


class DataKernel(NamedTuple):
    """The covariance of an output over the inputs, and the neural tangent kernel, (N_1, N_2)."""

    nngp: np.ndarray
    ntk: np.ndarray


class _Pairs(NamedTuple):
    """Variances a (N_1,) and b (N_2,), covariance r and 1 - c, of all pairs."""

    a: np.ndarray
    b: np.ndarray
    r: np.ndarray
    dl: np.ndarray


class _Integrals(NamedTuple):
    """E phi(u)^2 and E phi(u) of both sides, E phi phi, the gap (a+b)/2 - r, E phi'phi'."""

    first: np.ndarray
    second: np.ndarray
    mean1: np.ndarray
    mean2: np.ndarray
    dual: np.ndarray
    gap: np.ndarray
    derivative: np.ndarray


def kernel(network: Network, X1: Any, X2: Any = None) -> DataKernel:
    r"""The NNGP and the neural tangent kernel of a network between given inputs.

    ``X1`` (N_1, M_0) and ``X2`` (N_2, M_0), by default X1. With
    :math:`\hat q^0_{ts} = x_t\cdot x_s/M_0` and for every pair of samples on its own,

    .. math:: q^{l} = \sigma_w^2 \hat q^{l-1} + \sigma_b^2, \qquad
              \Theta^{l} = \frac{\alpha_{l-1}}\alpha \hat q^{l-1}
              + \sigma_w^2\, E[\varphi'\varphi']^{l-1}\, \Theta^{l-1},

    ``nngp`` is :math:`q^L`, ``ntk`` is :math:`\Theta^L = \lim_{M\to\infty} K/(\alpha M)`; in the
    NTK parameterization the coefficient of :math:`\hat q` is :math:`\sigma_w^2` and
    :math:`\sigma_b^2` is added, so that ``ntk`` is the limit of K itself. A hidden layer norm, RMS
    or group norm makes every variance 1 (less eps) and divides :math:`\Theta` by both deviations.

    Pairs of equal norm without means go through one interpolated map a layer
    (``theory.dual_map``), others through the closed form one by one, of tanh in 10 microseconds
    where there are no means. An activation without closed form is integrated pair by pair, which
    is slow. Close to c = 1 a difference of unequal norms costs digits: E phi'phi' of ReLU is then
    good to about 1e-8.

    Raises ``DescriptionError`` for inputs that are not two arrays of finite numbers with equally
    many columns and no zero row, ``NotCovered`` for batch statistics, random scale or shift, or a
    last layer other than linear outputs. Warns with ``theory.inputs.InputsWarning`` where the norms
    or overlaps of X1 or X2 are far from constant, by the rule of ``theory.inputs.spikes``: the
    kernel holds for any, but ``predict`` knows nothing of the spikes that they add.

    >>> net = Network("relu", depth=2, sigma_w2=2.0)
    >>> nngp, ntk = kernel(net, [[1.0, 1.0], [1.0, -1.0]])
    >>> nngp.round(12)
    array([[2.        , 0.63661977],
           [0.63661977, 2.        ]])
    """
    _check_network(network)
    pairs = _inputs(X1, X2)
    same = X2 is None
    for name, X in (("X1", X1),) if same else (("X1", X1), ("X2", X2)):
        warn_if_far(name, np.asarray(X, dtype=float))
    hat = _Pairs(*pairs)
    centre = network.weights == "weight-standardization"
    if centre:
        hat = _inputs(*(None if X is None else _centred(X) for X in (X1, X2)))
    sw2, sb2 = float(network.sigma_w2), float(network.sigma_b2)
    raw = sw2 if network.raw_variance is None else float(network.raw_variance)
    ratios = [float(ratio) for ratio in network.ratios or ()]
    ntk_weight = network.parameterization == "ntk"
    tangent = np.zeros_like(hat.r)
    for l, ratio in enumerate(ratios):
        weight = sw2 if ntk_weight else ratio / float(network.alpha)
        if network.weights != "plain":
            weight *= sw2 / raw
        tangent = tangent + weight * hat.r + (sb2 if ntk_weight else 0)
        before = _affine(hat, sw2, sb2)
        if l == len(ratios) - 1:
            return DataKernel(before.r, tangent)
        law, scale, shift, norms = _normalized((network.layers or ())[l], before)
        found = _integrals(network.activation, law, scale, shift, same)
        tangent = tangent * sw2 * scale**2 * found.derivative / norms
        hat = _next(found, centre)
    raise AssertionError("a network has at least one layer")


def _check_network(network: Network) -> None:
    for scheme in network.layers or ():
        if scheme.over == "samples":
            raise NotCovered(
                f"the kernel of given inputs with {scheme.kind}, whose statistics run over the "
                "samples"
            )
        if isinstance(scheme, Normalized) and scheme.random:
            raise NotCovered("the kernel of given inputs with a random scale or shift")
    if network.last.kind != "none" or network.loss != "mse":
        raise NotCovered("the kernel of given inputs behind a last-layer map or a softmax")


def _inputs(X1: Any, X2: Any) -> _Pairs:
    first = _checked("X1", X1)
    second = first if X2 is None else _checked("X2", X2)
    if first.shape[1] != second.shape[1]:
        raise DescriptionError(
            f"X1 and X2 need equally many columns, {first.shape[1]} and {second.shape[1]} given"
        )
    width = first.shape[1]
    a, b = ((X**2).sum(axis=1) / width for X in (first, second))
    r = first @ second.T / width
    directions = [X / np.sqrt(width * v)[:, None] for X, v in ((first, a), (second, b))]
    dl = np.maximum(1 - directions[0] @ directions[1].T, 0)
    for t, s in np.argwhere(dl < CLOSE):
        difference = directions[0][t] - directions[1][s]
        dl[t, s] = difference @ difference / 2
    return _Pairs(a, b, r, dl)


def _checked(name: str, X: Any) -> np.ndarray:
    array = np.asarray(X)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or not array.size:
        raise DescriptionError(
            f"{name} must be an array of numbers of shape (samples, M_0), {array.dtype} of shape "
            f"{array.shape} given"
        )
    array = array.astype(float)
    if not np.isfinite(array).all():
        raise DescriptionError(f"{name} must be finite, NaN or infinity given")
    if not array.any(axis=1).all():
        row = int(np.flatnonzero(~array.any(axis=1))[0])
        raise DescriptionError(f"row {row} of {name} is zero: it has no direction; leave it out")
    return array


def _centred(X: Any) -> np.ndarray:
    array = np.asarray(X, dtype=float)
    return array - array.mean(axis=1, keepdims=True)


def _affine(hat: _Pairs, sigma_w2: float, sigma_b2: float) -> _Pairs:
    """The pre-activations: a bias moves the samples towards each other."""
    a, b = sigma_w2 * hat.a + sigma_b2, sigma_w2 * hat.b + sigma_b2
    roots = np.sqrt(hat.a)[:, None], np.sqrt(hat.b)
    spread = sigma_w2 * ((roots[0] - roots[1]) ** 2 / 2 + roots[0] * roots[1] * hat.dl)
    return _Pairs(a, b, sigma_w2 * hat.r + sigma_b2, _one_minus_c(a, b, spread))


def _one_minus_c(a: np.ndarray, b: np.ndarray, gap: np.ndarray) -> np.ndarray:
    r"""From gap = (a + b)/2 - r: :math:`1 - c = (gap - (\sqrt a - \sqrt b)^2/2)/\sqrt{ab}`."""
    roots = np.sqrt(a)[:, None], np.sqrt(b)
    return np.clip((gap - (roots[0] - roots[1]) ** 2 / 2) / (roots[0] * roots[1]), 0, 2)


def _normalized(scheme: Scheme, u: _Pairs) -> tuple[_Pairs, float, float, np.ndarray | float]:
    """The law of the normalized pre-activations, scale and shift, product of the deviations."""
    if not isinstance(scheme, Normalized):
        return u, 1.0, 0.0, 1.0
    eps = float(scheme.eps)
    a, b = u.a + eps, u.b + eps
    norms = np.sqrt(a[:, None] * b)
    law = _Pairs(u.a / a, u.b / b, u.r / norms, u.dl)
    return law, float(scheme.gamma), float(scheme.beta), norms


def _integrals(
    activation: Activation, law: _Pairs, scale: float, shift: float, same: bool
) -> _Integrals:
    q = scale**2 * law.a[0]
    equal = np.ptp(np.concatenate([law.a, law.b])) <= 1e-14 * law.a[0]
    closed = closed_kernel(activation)
    one = closed or quadrature_kernel(activation)
    mean1, mean2 = (_of_law(one.mean, v * scale**2, shift) for v in (law.a, law.b))
    if equal and shift == 0 and q > 0:
        fast = dual_map(activation, float(q))
        gap = fast.gap(law.dl)
        first, second = np.full(len(law.a), fast.second), np.full(len(law.b), fast.second)
        return _Integrals(
            first, second, mean1, mean2, fast.second - gap, gap, fast.derivative_dual(law.dl)
        )
    first, second = (_of_law(one.second, v * scale**2, shift) for v in (law.a, law.b))
    dual, derivative = _of_pairs(one, closed is not None, law, scale, shift, same)
    gap = np.maximum((first[:, None] + second) / 2 - dual, 0)
    identical = (law.dl == 0) & (law.a[:, None] == law.b)
    return _Integrals(first, second, mean1, mean2, dual, np.where(identical, 0, gap), derivative)


def _of_law(integral: Any, variances: np.ndarray, shift: float) -> np.ndarray:
    values = [integral(Law(shift, float(v))) for v in variances]
    return np.array([float(getattr(value, "value", value)) for value in values])


def _of_pairs(
    one: Kernel, vectorized: bool, law: _Pairs, scale: float, shift: float, same: bool
) -> tuple[np.ndarray, np.ndarray]:
    """E phi phi and E phi'phi' of all pairs; each unordered pair once if both sides are the same.

    Without means the exact mixtures need far fewer nodes, so a shift of 0 is left out.
    """
    shape = law.r.shape
    t, s = np.tril_indices(len(law.a)) if same else (i.ravel() for i in np.indices(shape))
    a, b, r, dl = scale**2 * law.a[t], scale**2 * law.b[s], scale**2 * law.r[t, s], law.dl[t, s]
    out = np.empty((2, *shape))
    if vectorized:
        means = (np.full(a.shape, shift),) * 2 if shift else ()
        pair = Pair(a, b, r, dl, 2 - dl, *means)
        found = [one.dual(pair), one.derivative_dual(pair)]
    else:
        columns = zip(*(part.tolist() for part in (a, b, r, dl)), strict=True)
        pairs = [Pair(a, b, r, dl, 2 - dl, shift, shift) for a, b, r, dl in columns]
        found = [
            [float(integral(pair).value) for pair in pairs]
            for integral in (one.dual, one.derivative_dual)
        ]
    for matrix, values in zip(out, found, strict=True):
        matrix[t, s] = values
        if same:
            matrix[s, t] = values
    return out[0], out[1]


def _next(found: _Integrals, centre: bool) -> _Pairs:
    """The overlaps of the activations; weight standardization sees them less their means."""
    first, second, dual, gap = found.first, found.second, found.dual, found.gap
    if centre:
        first, second = first - found.mean1**2, second - found.mean2**2
        dual = dual - found.mean1[:, None] * found.mean2
        gap = gap - (found.mean1[:, None] - found.mean2) ** 2 / 2
    return _Pairs(first, second, dual, _one_minus_c(first, second, gap))
