r"""The kernels of given inputs: any norms, any overlaps, every scheme that acts on each sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theory.activations import Activation
from theory.architecture import Network
from theory.data_pairs import Pairs, affine, centred, input_weights, inputs, normalized, one_minus_c
from theory.dual_map import dual_map
from theory.equal_norms import EQUAL, equal_norms, over_pairs
from theory.errors import NotCovered
from theory.families.kernel import Kernel
from theory.gaussian import closed_kernel
from theory.inputs import warn_if_far
from theory.pair import Law, Pair
from theory.quadrature import quadrature_kernel
from theory.schemes import Normalized
from theory.validation import symbolic


class DataKernel(NamedTuple):
    """The covariance of an output over the inputs, and the neural tangent kernel, (N_1, N_2)."""

    nngp: np.ndarray
    ntk: np.ndarray


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

    Inputs of one norm go through all layers at once, as one interpolated map of 1 - c
    (``theory.equal_norms``): it is accurate to about 1e-13 of the largest entry, kept for the next
    inputs of that norm, and its cost for the pairs hardly depends on the depth. Other pairs go
    through every layer, by the closed form one by one, of tanh in 10 microseconds where there are
    no means. An activation without closed form is then integrated pair by pair, which is slow.
    Close to c = 1 a difference of unequal norms costs digits: E phi'phi' of ReLU is then good to
    about 1e-8.

    Raises ``DescriptionError`` for inputs that are not two arrays of finite numbers with equally
    many columns and no zero row, or whose squares leave float64, ``NotCovered`` for batch
    statistics, random scale or shift, symbols, or a last layer other than linear outputs. Warns
    with ``theory.inputs.InputsWarning`` where the norms or overlaps of X1 or X2 are far from
    constant, by the rule of ``theory.inputs.spikes``: the kernel holds for any, but ``predict``
    knows nothing of the spikes that they add.

    >>> net = Network("relu", depth=2, sigma_w2=2.0)
    >>> nngp, ntk = kernel(net, [[1.0, 1.0], [1.0, -1.0]])
    >>> nngp.round(12)
    array([[2.        , 0.63661977],
           [0.63661977, 2.        ]])
    """
    _check_network(network)
    hat = inputs(X1, X2)
    for name, X in (("X1", X1),) if hat.same else (("X1", X1), ("X2", X2)):
        warn_if_far(name, np.asarray(X, dtype=float))
    if network.weights == "weight-standardization":
        hat = inputs(*(None if X is None else centred(X) for X in (X1, X2)))
    found = equal_norms(network, float(hat.a[0])) if _equal(hat.a, hat.b) else None
    if found is None:
        return DataKernel(*_by_layers(network, hat.pairs, hat.same))
    return DataKernel(*over_pairs(found, hat))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.ptp(np.concatenate([a, b])) <= EQUAL * a[0])


def _by_layers(network: Network, hat: Pairs, same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Both kernels, every pair through every layer."""
    sw2, sb2 = float(network.sigma_w2), float(network.sigma_b2)
    tangent = np.zeros_like(hat.r)
    weights = input_weights(network)
    for l, (weight, bias) in enumerate(weights):
        tangent = tangent + weight * hat.r + bias
        before = affine(hat, sw2, sb2)
        if l == len(weights) - 1:
            return before.r, tangent
        law, scale, shift, norms = normalized((network.layers or ())[l], before)
        found = _integrals(network.activation, law, scale, shift, same)
        tangent = tangent * sw2 * scale**2 * found.derivative / norms
        hat = _next(found, network.weights == "weight-standardization")
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
    if symbolic(network.sigma_w2) or symbolic(network.sigma_b2):
        raise NotCovered("the kernel of given inputs with symbols: give numbers")
    if network.last.kind != "none" or network.loss != "mse":
        raise NotCovered("the kernel of given inputs behind a last-layer map or a softmax")


def _integrals(
    activation: Activation, law: Pairs, scale: float, shift: float, same: bool
) -> _Integrals:
    q = scale**2 * law.a[0]
    closed = closed_kernel(activation)
    one = closed or quadrature_kernel(activation)
    mean1, mean2 = (_of_law(one.mean, v * scale**2, shift) for v in (law.a, law.b))
    if _equal(law.a, law.b) and shift == 0 and q > 0:
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
    one: Kernel, vectorized: bool, law: Pairs, scale: float, shift: float, same: bool
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


def _next(found: _Integrals, centre: bool) -> Pairs:
    """The overlaps of the activations; weight standardization sees them less their means."""
    first, second, dual, gap = found.first, found.second, found.dual, found.gap
    if centre:
        first, second = first - found.mean1**2, second - found.mean2**2
        dual = dual - found.mean1[:, None] * found.mean2
        gap = gap - (found.mean1[:, None] - found.mean2) ** 2 / 2
    return Pairs(first, second, dual, one_minus_c(first, second, gap))
