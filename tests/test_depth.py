"""Interpolated duals, of one layer and of many, equal their direct evaluation."""

from itertools import pairwise

import numpy as np
import pytest

from theory import Activation, DescriptionError, OutOfRegime, dual_map
from theory.depth import ComposedMap, Layer, compose
from theory.dual_map import DualMap
from theory.gaussian import closed_kernel
from theory.pair import Law, Pair
from theory.quadrature import NotConverged, integrals

NEAR = np.concatenate([[1e-30, 1e-12], 10.0 ** np.arange(-15, 0, 0.7), np.linspace(0.05, 1, 20)])
FAR = 2 - NEAR[NEAR >= 1e-15]
ACTIVATIONS = {
    name: Activation.named(name, **parameters)
    for name, parameters in {
        "relu": {},
        "abs": {},
        "step": {},
        "sign": {},
        "relu_power": {"n": 3},
        "hard_tanh": {},
        "elu": {},
        "erf": {"scale": 0.7},
        "gelu": {},
        "sin": {"omega": 0.5},
        "cos": {},
        "exp": {"t": -0.1},
        "gaussian": {"p": 0.3},
        "hermite": {"n": 4},
        "tanh": {},
        "softplus": {},
        "silu": {},
    }.items()
}
CONTINUOUS = [name for name in ACTIVATIONS if not ACTIVATIONS[name].jumps]


def pairs(q, dl):
    q = np.full_like(dl, q)
    return Pair(q, q, q * (1 - dl), dl, 2 - dl)


@pytest.mark.parametrize("q", [1e-8, 0.3, 4.0, 100.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_map_equals_the_closed_form_within_its_error(name, q):
    kernel, found = closed_kernel(ACTIVATIONS[name]), DualMap(ACTIVATIONS[name], q)
    second = float(kernel.second(Law(0, q)))
    assert found.second == second
    gap = kernel.gap(pairs(q, NEAR)) if kernel.gap else second - kernel.dual(pairs(q, NEAR))
    cancels = (NEAR < 1e-3) & (kernel.gap is None)
    np.testing.assert_allclose(found.gap(NEAR)[~cancels], gap[~cancels], rtol=found.error + 1e-12)
    both = np.concatenate([NEAR, FAR])
    np.testing.assert_allclose(
        found.dual(both), kernel.dual(pairs(q, both)), atol=(found.error + 1e-13) * second, rtol=0
    )


@pytest.mark.parametrize("q", [1e-8, 0.3, 100.0])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_map_of_the_derivative_equals_the_closed_form(name, q):
    kernel, dl = closed_kernel(ACTIVATIONS[name]), np.concatenate([[0.0], NEAR, FAR])
    direct = kernel.derivative_dual(pairs(q, dl))
    found = DualMap(ACTIVATIONS[name], q).derivative_dual(dl)
    np.testing.assert_allclose(found, direct, rtol=0, atol=1e-12 * abs(direct).max())


@pytest.mark.parametrize("text", ["x*tanh(softplus(x))", "tanh(x + 0.7)", "step(x - 1)*x"])
def test_map_equals_the_quadrature(text):
    activation = Activation.from_expression(text)
    found = DualMap(activation, 1.3)
    for dl in (0.2, 1.0, 1.7, 2.0):
        direct = integrals(activation, Pair.at(1.3, one_minus_c=dl))["dual"]
        assert float(found.dual(dl)) == pytest.approx(float(direct.value), rel=1e-11)
    if not activation.jumps:  # where the difference of two quadratures has no digits left
        slope = integrals(activation, Pair.at(1.3, c=1.0))["derivative_second"]
        assert float(found.gap(1e-18)) == pytest.approx(1.3e-18 * float(slope.value), rel=1e-8)


@pytest.mark.parametrize("name", ["abs", "cos", "hermite"])
def test_even_function_has_no_gap_at_opposite_samples(name):
    found = DualMap(ACTIVATIONS[name], 1.0)
    assert found.even
    assert float(found.gap(2.0)) == 0
    tiny = np.array([1e-13])
    np.testing.assert_allclose(found.gap(2 - tiny), found.gap(2 - (2 - tiny)), rtol=1e-9)


def by_layers(activation, dl, q, sigma_w2, sigma_b2, depth):
    """Variance, gaps and tangent kernel by the closed forms, layer after layer."""
    kernel = closed_kernel(activation)
    tangent = q * (1 - dl)
    for _ in range(depth):
        pair = pairs(q, dl)
        slope = 0 if activation.jumps else kernel.derivative_dual(pair)
        q, gap = sigma_w2 * float(kernel.second(Law(0, q))) + sigma_b2, sigma_w2 * kernel.gap(pair)
        dl = np.minimum(gap / q, 2)
        tangent = gap * 0 + q - gap + sigma_w2 * slope * tangent
    return q, gap, tangent


SETTINGS = {
    "ordered": ("tanh", 1.0, 0.3),
    "near the edge": ("tanh", 3.0, 0.64),
    "chaotic": ("erf", 5.0, 0.1),
    "relu": ("relu", 2.0, 0.0),
    "kinks off zero": ("hard_tanh", 2.0, 0.1),
    "even": ("cos", 3.0, 0.2),
    "jump": ("sign", 2.0, 0.1),
}


@pytest.mark.parametrize("depth", [1, 2, 10, 30, 77, 100])
@pytest.mark.parametrize("setting", SETTINGS)
def test_composition_equals_layer_after_layer(setting, depth):
    name, sigma_w2, sigma_b2 = SETTINGS[setting]
    activation = ACTIVATIONS[name] if name != "erf" else Activation.named("erf")
    dl = np.concatenate([NEAR, FAR]).reshape(-1, 1)
    variance, gap, tangent = by_layers(activation, dl, 1.7, sigma_w2, sigma_b2, depth)
    found = compose(
        activation,
        dl,
        q=1.7,
        sigma_w2=sigma_w2,
        sigma_b2=sigma_b2,
        depth=depth,
        tangent=not activation.jumps,
    )
    assert found.variance == variance
    near = dl <= 1
    rounding = 1e-13 * depth
    np.testing.assert_allclose(found.gap[near], gap[near], rtol=found.error + rounding)
    np.testing.assert_allclose(found.covariance, variance - gap, rtol=0, atol=1e-10 * variance)
    if not activation.jumps:
        np.testing.assert_allclose(found.tangent, tangent, rtol=0, atol=1e-10 * abs(tangent).max())


def test_one_sample_stays_itself_and_symmetry_is_kept():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((6, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    dl = ((x[:, None] - x) ** 2).sum(axis=2) / 2
    found = compose(ACTIVATIONS["tanh"], dl, q=1.0, sigma_w2=2.0, sigma_b2=0.1, depth=8)
    assert not found.gap.diagonal().any()
    np.testing.assert_array_equal(found.gap, found.gap.T)
    assert np.linalg.eigvalsh(found.covariance)[0] > 0
    np.testing.assert_allclose(found.one_minus_c * found.variance, found.gap, rtol=1e-15)


@pytest.mark.parametrize(("depth", "most"), [(100, 5), (1000, 5)])
def test_equal_layers_are_composed_by_squaring(depth, most, monkeypatch):
    """ReLU of sigma_w^2 = 2 keeps its variance: all layers are equal."""
    calls = []

    def counted(self, rows, one_plus_c=None, whole=Layer.after):
        calls.append(rows.shape)
        return whole(self, rows, one_plus_c)

    dl = np.concatenate([NEAR, FAR])
    _, gap, tangent = by_layers(ACTIVATIONS["relu"], dl, 1.7, 2.0, 0.0, depth)
    monkeypatch.setattr(Layer, "after", counted)
    options = {"q": 1.7, "sigma_w2": 2.0, "sigma_b2": 0.0, "depth": depth}
    found = compose(ACTIVATIONS["relu"], dl, **options, tangent=True)
    assert len(calls) <= most
    near = dl <= 1
    np.testing.assert_allclose(found.gap[near], gap[near], rtol=1e-13 * depth)
    np.testing.assert_allclose(found.tangent, tangent, rtol=1e-11)


def layers_of(step):
    return sum(map(layers_of, step.steps)) if isinstance(step, ComposedMap) else 1


@pytest.mark.parametrize("sigma_w2", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("depth", [31, 64, 77, 100])
def test_steps_stand_for_every_layer(sigma_w2, depth):
    """Also where a square of equal layers is no single series, as in chaos."""
    dl = np.array([1e-30, 1e-20, 1e-10, 1.0, 1.9])
    activation = Activation.named("erf")
    second, variances = closed_kernel(activation).second, [1.0]
    while len(variances) <= depth:
        variances.append(sigma_w2 * float(second(Law(0, variances[-1]))))
    maps = {q: DualMap(activation, q) for q in variances[:-1]}
    layers = [
        Layer(maps[before], sigma_w2, after, sigma_w2, sigma_w2, 0.0)
        for before, after in pairwise(variances)
    ]
    found = ComposedMap(layers, False)
    assert sum(map(layers_of, found.steps)) == depth
    _, gap, _ = by_layers(activation, dl, 1.0, sigma_w2, 0.0, depth)
    np.testing.assert_allclose(variances[-1] * found(dl)[0], gap, rtol=1e-9)


def test_deep_chaos_is_followed_in_parts():
    """At depth 60 the map rises from 0 within an angle of 1e-15: no single series follows it."""
    dl = np.array([1e-30, 1e-20, 1e-10, 1.0, 1.9])
    activation = Activation.named("erf")
    _, gap, _ = by_layers(activation, dl, 1.0, 20.0, 0.0, 60)
    found = compose(activation, dl, q=1.0, sigma_w2=20.0, sigma_b2=0.0, depth=60)
    np.testing.assert_allclose(found.gap, gap, rtol=1e-9)


REFUSED = {
    "1 - c below 0": (DescriptionError, {"one_minus_c": [-1e-3]}, "between 0 and 2"),
    "1 - c above 2": (DescriptionError, {"one_minus_c": [2.5]}, "between 0 and 2"),
    "not a number": (DescriptionError, {"one_minus_c": [np.nan]}, "between 0 and 2"),
    "variance 0": (DescriptionError, {"q": 0.0}, "positive"),
    "no weights": (DescriptionError, {"sigma_w2": 0}, "positive"),
    "negative bias": (DescriptionError, {"sigma_b2": -1.0}, "at least 0"),
    "no layer": (DescriptionError, {"depth": 0}, "depth"),
    "tangent of a jump": (OutOfRegime, {"name": "sign", "tangent": True}, "do not exist"),
    "variance overflows": (
        OutOfRegime,
        {"name": "relu_power", "depth": 40, "sigma_w2": 100.0},
        "float64|exceed",
    ),
    "tolerance not met": (NotConverged, {"name": "cos", "q": 1e6, "depth": 1}, "above|only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    error, change, text = REFUSED[case]
    change = dict(change)
    activation = ACTIVATIONS[change.pop("name", "tanh")]
    given = {"one_minus_c": [0.5], "q": 1.0, "sigma_w2": 1.0, "sigma_b2": 0.0, "depth": 2} | change
    with pytest.raises(error, match=text):
        compose(activation, given.pop("one_minus_c"), **given)


def test_tolerance_is_measured():
    strict = {"tolerance": 1e-16}
    with pytest.raises(NotConverged, match=r"known to .* only, 1.0e-16 asked for"):
        DualMap(ACTIVATIONS["tanh"], 1.0, **strict)


def test_second_moment_is_checked_against_the_slopes(monkeypatch):
    """Price's integral over all angles is the dual's whole range: a wrong end does not pass."""
    exact = dual_map._Direct.opposite
    monkeypatch.setattr(dual_map._Direct, "opposite", lambda self: exact(self) + 1e-8)
    with pytest.raises(NotConverged):
        DualMap(ACTIVATIONS["tanh"], 1.0)
