r"""Every scheme of the numeric wing against complex steps through a second, plain forward pass.

The oracle below knows the definition of a network and nothing of ``numerics``: it runs in complex
numbers, so that a step of 1e-30 along the imaginary axis gives a derivative to the last digits.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from scipy import special

from numerics import ensemble
from numerics.ensemble import draw_block, measure
from numerics.fisher import dual_gram, group_grams, parameter_groups
from numerics.jacobian import jacobian
from numerics.layers import OPERATIONS, operation
from numerics.network import draw_inputs, draw_parameters, forward
from numerics.observables import observed
from numerics.output_kernels import output_kernels
from numerics.outputs import against_outputs, along_outputs
from theory.architecture import (
    Activation,
    BatchNorm,
    DescriptionError,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    Normalized,
    OutOfRegime,
    RMSNorm,
)

GELU = Activation("bell gate", "x*Phi(x)")
PHI = {
    "tanh": ("tanh", np.tanh),
    "erf": ("erf", special.erf),
    "gelu": (GELU, lambda x: x * special.ndtr(x)),
    "sine": (Activation("sine", "sin(x) + x/2"), lambda x: np.sin(x) + x / 2),
    "abs": (Activation("abs", "abs(x)"), lambda x: x * np.sign(x.real)),
}

# The oracle


class Amplified(Exception):
    """A division by little amplifies every rounding: no case for a sharp tolerance."""


def posed(function, *arguments):
    try:
        return function(*arguments)
    except Amplified:
        reject()


def plain_standardize(u, axis, eps, centre=True):
    c = u - np.sum(u, axis=axis, keepdims=True) / u.shape[axis] if centre else u
    deviation = np.sqrt(np.sum(c * c, axis=axis, keepdims=True) / u.shape[axis] + eps)
    if np.abs(deviation).min() < 0.05:
        raise Amplified
    return c / deviation


def plain_scheme(scheme, u, batch, scale, shift):
    """u is (N, M); statistics over consecutive batches, or over the units of each sample."""
    if scheme.kind == "none":
        return u
    if scheme.kind == "mean-subtraction":
        parts = np.split(u, len(u) // batch)
        return np.concatenate([part - part.sum(axis=0) / batch for part in parts])
    if scheme.kind == "batchnorm":
        parts = np.split(u, len(u) // batch)
        hat = np.concatenate([plain_standardize(part, 0, scheme.eps) for part in parts])
    elif scheme.kind == "groupnorm":
        parts = np.split(u, scheme.groups, axis=1)
        hat = np.concatenate([plain_standardize(part, 1, scheme.eps) for part in parts], axis=1)
    else:
        hat = plain_standardize(u, 1, scheme.eps, centre=scheme.kind == "layernorm")
    return scale * hat + shift


def plain_forward(network, phi, arrays, x):
    """The outputs (C, N) of one network; arrays: {group: list of arrays}, complex or real."""
    N, scheme_index, h = len(x), 0, x
    batch = network.batch_size or N
    for l in range(network.depth):
        V, b = arrays["weights"][l], arrays["biases"][l]
        if network.parameterization == "ntk":
            W, b = np.sqrt(network.sigma_w2 / len(V)) * V, np.sqrt(network.sigma_b2) * b
        elif network.weights == "plain":
            W = V
        elif network.weights == "weight-normalization":
            W = arrays["gains"][l] * V / np.sqrt(np.sum(V * V, axis=0))
        else:
            c = V - np.sum(V, axis=0) / len(V)
            W = np.sqrt(network.sigma_w2) * c / np.sqrt(np.sum(c * c, axis=0))
        u = h @ W + b
        if l == network.depth - 1:
            break
        scheme, scale, shift = network.layers[l], None, None
        if isinstance(scheme, Normalized):
            scale, shift = arrays["scales"][scheme_index], arrays["shifts"][scheme_index]
            scheme_index += 1
        h = phi(plain_scheme(scheme, u, batch, scale, shift))
    if network.loss == "cross-entropy":
        return u.T
    last = network.last
    scaled = isinstance(last, Normalized)
    return plain_scheme(last, u, batch, last.gamma if scaled else 1, last.beta if scaled else 0).T


def as_table(parameters, index=0):
    return {group: [array[index] for array in part] for group, part in parameters._asdict().items()}


def complex_step_jacobian(network, phi, parameters, x):
    """{group: (C N, P_group)}: one complex pass for each parameter."""
    arrays, step, found = as_table(parameters), 1e-30, {}
    for group in parameter_groups(network):
        columns, position = [], 0
        for number, array in enumerate(arrays[group]):
            if group in ("scales", "shifts"):
                normalized = [s for s in network.layers if isinstance(s, Normalized)]
                if not normalized[number].trained:
                    continue
            for index in np.ndindex(array.shape):
                moved = array.astype(complex)
                moved[index] += 1j * step
                changed = list(arrays[group])
                changed[number] = moved
                outputs = plain_forward(network, phi, arrays | {group: changed}, x)
                columns.append(outputs.imag.ravel() / step)
                position += 1
        found[group] = np.array(columns).T
    return found


def metric(network, f):
    """A with A^T A the metric of the loss at outputs f (C, N), as a (C N, C N) matrix."""
    C, N = f.shape
    if network.loss == "mse":
        return np.eye(C * N)
    Q = np.zeros((C, N, C, N))
    for t in range(N):
        g = np.exp(f[:, t]) / np.exp(f[:, t]).sum()
        Q[:, t, :, t] = np.diag(g) - np.outer(g, g)
    return Q.reshape(C * N, C * N)


# Networks


def numbers(low, high):
    return st.floats(low, high).map(lambda x: round(x, 3))


EPS = st.sampled_from([0, 0.2])


def schemes():
    at = {"gamma": numbers(0.5, 1.5), "beta": numbers(-0.7, 0.7)}
    at |= {
        "eps": EPS,
        "gamma_std": st.sampled_from([0, 0.3]),
        "beta_std": st.sampled_from([0, 0.4]),
    }
    at |= {"trained": st.booleans()}
    return st.one_of(
        st.just(NoNormalization()),
        st.just(MeanSubtraction()),
        *(st.builds(kind, **at) for kind in (BatchNorm, LayerNorm, RMSNorm)),
        st.builds(GroupNorm, groups=st.just(2), **at),
    )


LASTS = st.one_of(
    st.just(NoNormalization()),
    st.just(MeanSubtraction()),
    st.builds(
        BatchNorm, gamma=numbers(0.5, 1.5), beta=numbers(-1, 1), eps=st.sampled_from([0, 0.2])
    ),
    st.builds(LayerNorm, gamma=numbers(0.5, 1.5), beta=numbers(-1, 1)),
)


@st.composite
def networks(draw):
    """A network, its size, its inputs: everything that the vocabulary accepts."""
    depth = draw(st.integers(2, 4))
    ratios = draw(st.sampled_from([(1, 1, 1, 1), (0.5, 1.5, 1, 2), (1, 1, 1.5, 1)]))[:depth]
    layers = draw(st.lists(schemes(), min_size=depth - 1, max_size=depth - 1))
    fields = {"layers": layers, "depth": depth, "ratios": ratios}
    fields["sigma_w2"], fields["sigma_b2"] = draw(numbers(0.6, 2.5)), draw(numbers(0, 0.6))
    fields["outputs"] = draw(st.sampled_from([1, 2, 3]))
    fields["bias_gradients"] = draw(st.booleans())
    kind = draw(st.sampled_from(["plain", "ntk", "weight-normalization", "weight-standardization"]))
    if kind == "ntk":
        fields["parameterization"] = "ntk"
    elif kind != "plain":
        fields["weights"], fields["raw_variance"] = kind, draw(st.sampled_from([None, 0.7]))
        over_units = any(isinstance(s, Normalized) and s.over == "units" for s in layers)
        if kind == "weight-normalization" and not over_units:
            fields["trained_gains"] = draw(st.booleans())
    if fields["outputs"] > 1 and draw(st.booleans()):
        fields["loss"] = "cross-entropy"
    else:
        fields["last"] = draw(LASTS)
    last_units = isinstance(fields.get("last"), LayerNorm)
    assume(not last_units or fields["outputs"] == 3)
    if "loss" not in fields and not last_units:
        fields["batch_size"] = draw(st.sampled_from([None, 3]))
    name = draw(st.sampled_from(list(PHI)))
    network = Network(PHI[name][0], **fields)
    return network, PHI[name][1], 6, 4, draw(st.integers(0, 10**6))


def built(case, count=1):
    network, phi, samples, width, seed = case
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, width, count, rng)
    return network, phi, parameters, draw_inputs(network, width, samples, count, rng)


def close(found, expected, tolerance):
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max(initial=0) <= tolerance * np.abs(expected).max(initial=1e-6)


slow_data = settings(
    deadline=None, max_examples=220, suppress_health_check=[HealthCheck.filter_too_much]
)


@given(networks())
@slow_data
def test_jacobian_and_gram_equal_complex_steps(case):
    network, phi, parameters, inputs = built(case)
    x = inputs[0]
    J = posed(complex_step_jacobian, network, phi, parameters, x)
    size = max(np.abs(one).max(initial=1) for one in J.values())
    assert sum(one.shape[1] for one in J.values()) == network.parameter_count(4)
    assert {g: one.shape[1] for g, one in J.items()} == network.parameter_groups(4)
    found, grams = jacobian(network, parameters, inputs), group_grams(network, parameters, inputs)
    K = dual_gram(network, parameters, inputs)[0]
    f = plain_forward(network, phi, as_table(parameters), x)
    Q = metric(network, f)
    assert list(found) == list(grams) == list(J)
    total = sum(one @ one.T for one in J.values())
    unit = np.abs(total).max(initial=1)
    if network.loss == "mse":
        for group, one in J.items():
            assert np.abs(found[group][0] - one).max() <= 1e-11 * size
            assert np.abs(grams[group][0] - one @ one.T).max() <= 1e-11 * unit
        assert np.abs(K - total).max() <= 1e-11 * unit
    # F from the complex steps, and its dual: the same nonzero eigenvalues
    dense = np.concatenate(list(J.values()), axis=1)
    F = np.linalg.eigvalsh(dense.T @ Q @ dense)[::-1]
    dual = np.linalg.eigvalsh(K)[::-1]
    count = min(len(F), len(dual))
    assert np.abs(F[:count] - dual[:count]).max() <= 1e-10 * unit
    assert np.abs(np.concatenate([F[count:], dual[count:]])).max(initial=0) <= 1e-10 * unit
    own = np.concatenate([part[0] for part in found.values()], axis=1)
    assert np.abs(own @ own.T - K).max() <= 1e-11 * unit


@given(networks())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_outputs_equal_the_plain_forward_pass_of_every_network_of_a_block(case):
    network, phi, parameters, inputs = built(case, count=2)
    expected = [
        posed(plain_forward, network, phi, as_table(parameters, i), inputs[i]) for i in range(2)
    ]
    found = forward(network, parameters, inputs)
    for i in range(2):
        assert found[i] == pytest.approx(expected[i], rel=1e-11, abs=1e-11)
        alone = dual_gram(network, parameters.of(slice(i, i + 1)), inputs[i : i + 1])[0]
        close(dual_gram(network, parameters, inputs)[i], alone, 1e-11)


@given(networks().filter(lambda case: case[0].loss == "mse" and "abs" not in str(case[0])))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_jacobian_equals_central_differences_of_forward(case):
    network, phi, parameters, inputs = built(case)
    posed(plain_forward, network, phi, as_table(parameters), inputs[0])
    J = {group: part[0] for group, part in jacobian(network, parameters, inputs).items()}
    rng, step = np.random.default_rng(case[-1]), 1e-3
    size = max(np.abs(part).max(initial=0) for part in J.values())
    for group in J:
        arrays = getattr(parameters, group)
        if group in ("scales", "shifts"):
            normalized = [s for s in network.layers if isinstance(s, Normalized)]
            moves = [
                rng.standard_normal(a.shape) * s.trained
                for a, s in zip(arrays, normalized, strict=True)
            ]
            flat = np.concatenate(
                [m.ravel() for m, s in zip(moves, normalized, strict=True) if s.trained]
            )
        else:
            moves = [rng.standard_normal(a.shape) for a in arrays]
            flat = np.concatenate([m.ravel() for m in moves])
        at = {}
        for k in (-3, -2, -1, 1, 2, 3):
            moved = tuple(a + k * step * m for a, m in zip(arrays, moves, strict=True))
            at[k] = forward(network, parameters._replace(**{group: moved}), inputs).ravel()
        found = (45 * (at[1] - at[-1]) - 9 * (at[2] - at[-2]) + (at[3] - at[-3])) / (60 * step)
        assert np.abs(found - J[group] @ flat).max() <= 1e-6 * max(size, 1) * np.abs(flat).sum()


# Operations

EVERY = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(gamma=1.3, beta=0.5),
    "batch norm eps": BatchNorm(gamma=0.7, beta=-0.5, eps=0.3),
    "layer norm": LayerNorm(gamma=1.3, beta=0.5),
    "layer norm eps": LayerNorm(gamma=0.7, eps=0.3),
    "RMS norm": RMSNorm(gamma=1.3, beta=0.5, eps=0.1),
    "group norm": GroupNorm(gamma=1.3, beta=0.5, groups=3),
}
every = pytest.mark.parametrize("scheme", EVERY.values(), ids=EVERY)


def test_every_operation_is_among_those_tested():
    assert {scheme.kind for scheme in EVERY.values()} == set(OPERATIONS)


def as_defined(scheme, u):
    """One row of statistics, as it is or as a column for statistics over samples."""
    scale, shift = getattr(scheme, "gamma", 1), getattr(scheme, "beta", 0)
    if scheme.over == "samples":
        return plain_scheme(scheme, u[:, None], len(u), scale, shift)[:, 0]
    return plain_scheme(scheme, u[None], 1, scale, shift)[0]


@every
def test_operation_and_its_jacobian_equal_the_definition(scheme):
    u = np.random.default_rng(0).standard_normal((2, 9)) * 2 + 1
    for row in u:
        assert operation(scheme).apply(scheme, row) == pytest.approx(
            as_defined(scheme, row), rel=1e-13
        )
        J = np.array([as_defined(scheme, row + 1e-30j * e).imag / 1e-30 for e in np.eye(9)]).T
        found = operation(scheme).jvp(scheme, row, np.eye(9)).T
        assert found == pytest.approx(J, rel=1e-12, abs=1e-14)


@every
def test_vjp_is_the_transpose_of_jvp(scheme):
    u, tangent, cotangent = np.random.default_rng(1).standard_normal((3, 4, 9))
    left = (cotangent * operation(scheme).jvp(scheme, u, tangent)).sum(axis=-1)
    right = (operation(scheme).vjp(scheme, u, cotangent) * tangent).sum(axis=-1)
    assert left == pytest.approx(right, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(
    ("scheme", "u", "what"),
    [
        (BatchNorm(), np.ones((2, 4)), "same for all samples"),
        (LayerNorm(), np.ones((2, 4)), "no variance"),
        (GroupNorm(groups=4), np.arange(8.0).reshape(2, 4), "no variance"),
        (RMSNorm(), np.zeros((2, 4)), "no variance"),
    ],
    ids=str,
)
def test_division_by_a_variance_of_zero_is_refused_with_advice(scheme, u, what):
    with pytest.raises(OutOfRegime, match=f"{what}.*{scheme.kind}.*eps > 0"):
        operation(scheme).apply(scheme, u)


def test_rms_norm_of_ones_is_one_and_layer_norm_of_a_pair_is_a_sign():
    assert operation(RMSNorm()).apply(RMSNorm(), np.full(5, 3.0)) == pytest.approx(np.ones(5))
    found = operation(LayerNorm()).apply(LayerNorm(), np.array([1.0, 4.0]))
    assert found == pytest.approx([-1, 1])


# Batches


def batched(**fields):
    chosen = {"depth": 3, "sigma_w2": 1.7, "sigma_b2": 0.3, "outputs": 2} | fields
    return Network("tanh", **chosen)


def with_data(network, samples, width=8, count=1, seed=3):
    rng = np.random.default_rng(seed)
    return draw_parameters(network, width, count, rng), draw_inputs(
        network, width, samples, count, rng
    )


MIXED = ["batchnorm", {"kind": "layernorm", "trained": True}]


@pytest.mark.parametrize("last", ["none", "batchnorm", "mean-subtraction"])
def test_permuting_samples_within_batches_and_batches_permutes_the_gram_matrix(last):
    network = batched(layers=MIXED, batch_size=4, last=last)
    parameters, inputs = with_data(network, 12)
    within = np.concatenate([4 * b + np.random.default_rng(b).permutation(4) for b in range(3)])
    order = within.reshape(3, 4)[[2, 0, 1]].ravel()
    K = dual_gram(network, parameters, inputs)[0].reshape(2, 12, 2, 12)
    found = dual_gram(network, parameters, inputs[:, order])[0].reshape(2, 12, 2, 12)
    close(found, K[:, order][:, :, :, order], 1e-12)
    mixed = [4, *range(1, 4), 0, *range(5, 12)]  # swaps samples of two batches
    other = dual_gram(network, parameters, inputs[:, mixed])[0].reshape(2, 12, 2, 12)
    assert np.abs(other - K[:, mixed][:, :, :, mixed]).max() > 1e-3 * np.abs(K).max()


def test_a_batch_knows_nothing_of_another():
    network = batched(layers=MIXED, batch_size=4)
    parameters, inputs = with_data(network, 8)
    changed = inputs.copy()
    changed[:, 4:] = np.random.default_rng(0).standard_normal(changed[:, 4:].shape)
    for one, other in (
        (forward(network, parameters, inputs), forward(network, parameters, changed)),
        (
            dual_gram(network, parameters, inputs)[0].reshape(2, 8, 2, 8),
            dual_gram(network, parameters, changed)[0].reshape(2, 8, 2, 8),
        ),
    ):
        keep = (..., slice(4)) if one.ndim == 3 else (slice(None), slice(4), slice(None), slice(4))
        close(one[keep], other[keep], 1e-13)
        assert not np.allclose(one, other)


def test_batches_that_do_not_divide_the_samples_are_refused():
    network = batched(layers=MIXED, batch_size=4)
    with pytest.raises(DescriptionError, match="batch_size = 4 must divide"):
        forward(network, *with_data(network, 10))


# Observables and measurements


def blocks_of(K, network, N):
    """Means over the same sample, the same batch, different batches, of the outputs' own blocks."""
    C, B = network.outputs, network.batch_size or N
    kinds = {"same": [], "batch": [], "other": []}
    for k in range(C):
        for t in range(N):
            for s in range(N):
                kind = "same" if t == s else "batch" if t // B == s // B else "other"
                kinds[kind].append(K[k * N + t, k * N + s])
    return [float(np.mean(values)) for values in kinds.values() if values]


@pytest.mark.parametrize("weights", ["plain", "weight-normalization", "weight-standardization"])
@pytest.mark.parametrize("layers", [["none", "none"], MIXED], ids=["uncoupled", "coupled"])
def test_observables_of_each_group_are_those_of_its_gram_matrix(weights, layers):
    gains = weights == "weight-normalization" and layers[0] == "none"
    network = batched(layers=layers, batch_size=4, weights=weights, trained_gains=gains)
    parameters, inputs = with_data(network, 8, count=2)
    if weights == "plain":  # nothing to average at the mean norm
        W = parameters.weights[-1]
        W = W / np.linalg.norm(W, axis=1)[:, None] * np.sqrt(1.7)
        parameters = parameters._replace(weights=(*parameters.weights[:-1], W))
    kernels = output_kernels(network, parameters, inputs, split=True)
    grams = group_grams(network, parameters, inputs)
    assert set(grams) == set(network.parameter_groups(8)) == set(kernels.groups)
    grams[""] = sum(grams.values())
    for group, K in grams.items():
        for i in range(2):
            K1, K2, K3 = blocks_of(K[i], network, 8)
            expected = {
                "diagonal": K1,
                "off_diagonal": K2,
                "between_batches": K3,
                "uniform": (K1 + 3 * K2 + 4 * K3) / 8,
                "batch_contrast": (K1 + 3 * K2 - 4 * K3) / 8,
                "centred_trace": (K1 - K2) * (1 - 1 / 4),
            }
            for name, value in expected.items():
                found = observed(f"{group}.{name}" if group else name, kernels, network)
                assert found[i] == pytest.approx(value, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("weights", ["weight-normalization", "weight-standardization"])
def test_normalized_output_weights_leave_nothing_to_average(weights):
    network = batched(layers=["none", "batchnorm"], weights=weights, outputs=1)
    parameters, inputs = with_data(network, 6)
    kernels, K = (
        output_kernels(network, parameters, inputs),
        dual_gram(network, parameters, inputs)[0],
    )
    A = np.eye(6) - 1 / 6
    assert observed("squared_trace", kernels, network) == pytest.approx([(K**2).sum() / 36])
    largest = np.linalg.eigvalsh(A @ K @ A / 6)[-1]
    assert observed("centred_largest", kernels, network) == pytest.approx([largest])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"parameterization": "ntk"},
        {"weights": "weight-standardization"},
        {"weights": "weight-normalization"},
    ],
    ids=str,
)
def test_output_variance_is_its_mean_over_the_output_weights(fields):
    network = batched(layers=["none", "layernorm"], batch_size=3, outputs=4000, **fields)
    parameters, inputs = with_data(network, 6, width=16)
    f = forward(network, parameters, inputs)[0].reshape(-1, 2, 3)
    variances = f.var(axis=-1).mean(axis=-1)
    one = replace(network, outputs=1)
    few = [
        tuple(a[..., :1] if i == 2 else a for i, a in enumerate(part)) for part in parameters[:2]
    ]
    gains = tuple(a[..., :1] if i == 2 else a for i, a in enumerate(parameters.gains))
    single = parameters._replace(weights=few[0], biases=few[1], gains=gains)
    found = observed("output_variance", output_kernels(one, single, inputs), one)[0]
    error = variances.std() / np.sqrt(len(variances))
    assert abs(found - variances.mean()) < 4.9 * error  # p = 1e-6
    assert error < 0.02 * found


def test_how_many_networks_are_measured_together_does_not_show(monkeypatch):
    network = batched(layers=MIXED, batch_size=3)
    names = ["diagonal", "scales.off_diagonal", "batch_contrast"]
    found = []
    for largest in (10**9, 5 * 2 * 6 * 3 * 512, 1):
        monkeypatch.setattr(ensemble, "LARGEST_ARRAY", largest)
        values = ensemble.observe(network, 512, 6, 2, names)
        found.append(np.array([values[name] for name in names]))
    assert found[0].shape == (3, 8)
    close(found[1], found[0], 1e-12)
    close(found[2], found[0], 1e-12)


def test_measured_groups_and_batches_are_those_of_the_gram_matrix():
    network = batched(layers=MIXED, batch_size=4, ratios=(1, 2, 1))
    found = measure(network, 8, 8, seeds=[1])
    parameters, inputs = draw_block(network, 8, 8, 0)
    grams = group_grams(network, parameters.of(slice(1, 2)), inputs[1:2])
    for group, K in grams.items():
        values = [one.values[0] for one in found["groups"][group]]
        assert values == pytest.approx(blocks_of(K[0], network, 8), rel=1e-10, abs=1e-13)
    K1, K2, K3 = blocks_of(sum(grams.values())[0], network, 8)
    scale = (2 + 2) * 8
    for name, value in {
        "kappa1": K1 / scale,
        "kappa2": K2 / scale,
        "kappa3": K3 / scale,
        "uniform_mode": (K1 + 3 * K2 + 4 * K3) / 8,
        "contrast_mode": (K1 + 3 * K2 - 4 * K3) / 8,
    }.items():
        assert found[name].values[0] == pytest.approx(value, rel=1e-10, abs=0)
    whole = measure(replace(network, batch_size=8), 8, 8, seeds=1)
    assert whole["kappa3"] is whole["contrast_mode"] is None
    assert len(whole["groups"]["biases"]) == 2
    assert "kappa3" not in measure(replace(network, batch_size=None), 8, 8, seeds=1)


def test_kappa_of_the_ntk_parameterization_is_the_kernel_itself():
    network = batched(parameterization="ntk", outputs=1)
    found = measure(network, 16, 6, seeds=1)
    total = sum(one[0].values[0] for one in found["groups"].values())
    assert found["kappa1"].values[0] == pytest.approx(total, rel=1e-12)
    plain = replace(network, parameterization="standard")
    parameters, inputs = with_data(network, 6)
    scaled = parameters._replace(
        weights=tuple(W * np.sqrt(1.7 / W.shape[1]) for W in parameters.weights),
        biases=tuple(b * np.sqrt(0.3) for b in parameters.biases),
    )
    close(forward(network, parameters, inputs), forward(plain, scaled, inputs), 1e-13)


@pytest.mark.parametrize("outputs", [2, 5])
def test_cross_entropy_weighs_the_gradients_with_the_covariance_of_the_softmax(outputs):
    network = batched(layers=["layernorm", "batchnorm"], outputs=outputs)
    parameters, inputs = with_data(network, 6)
    softened = replace(network, loss="cross-entropy")
    J = np.concatenate(list(jacobian(network, parameters, inputs).values()), axis=-1)[0]
    Q = metric(softened, forward(network, parameters, inputs)[0])
    N = 6
    F = np.linalg.eigvalsh(J.T @ Q @ J / N)[::-1]
    dual = np.linalg.eigvalsh(dual_gram(softened, parameters, inputs)[0] / N)[::-1]
    rank = (outputs - 1) * N
    assert dual[:rank] == pytest.approx(F[:rank], rel=1e-9, abs=1e-12 * F[0])
    assert np.abs(dual[rank:]).max() < 1e-12 * F[0]
    found = measure(softened, 8, 6, seeds=1)
    assert found["alignment"] is None
    assert found["kappa1"] == measure(network, 8, 6, seeds=1)["kappa1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "cross-entropy"},
        {"last": "layernorm"},
        {"last": "batchnorm", "batch_size": 3},
        {"last": "mean-subtraction"},
        {"last": "none"},
    ],
    ids=str,
)
def test_map_of_the_outputs_has_its_transpose(fields):
    network = batched(outputs=4, **fields)
    rng = np.random.default_rng(2)
    outputs = rng.standard_normal((2, 4, 6))
    tangents, cotangents = rng.standard_normal((2, 2, 5, 4, 6))
    left = (cotangents * along_outputs(network, outputs, tangents)).sum(axis=(-1, -2))
    right = (against_outputs(network, outputs, cotangents) * tangents).sum(axis=(-1, -2))
    assert left == pytest.approx(right, rel=1e-11, abs=1e-13)


def test_last_layer_norm_of_two_outputs_has_no_gradient_and_of_three_a_rank_of_one():
    for outputs in (2, 3):
        network = batched(last="layernorm", outputs=outputs)
        parameters, inputs = with_data(network, 5)
        eigenvalues = np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0])
        assert (eigenvalues > 1e-9).sum() == 5 * (outputs - 2)


# The draw


def test_plain_networks_keep_their_stream_and_schemes_draw_after_it():
    plain = batched()
    random = batched(layers=[{"kind": "layernorm", "gamma_std": 0.3, "beta_std": 0.2}] * 2)
    one, other = (with_data(network, 4, count=3)[0] for network in (plain, random))
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        assert np.array_equal(a, b)
    assert one.scales == one.shifts == one.gains == ()
    ntk = with_data(replace(plain, parameterization="ntk"), 4, count=3)[0]
    raw = with_data(replace(plain, weights="weight-normalization", raw_variance=0.4), 4, count=3)[0]
    for l, W in enumerate(one.weights):
        into = W.shape[1]
        assert ntk.weights[l] == pytest.approx(W * np.sqrt(into / 1.7), rel=1e-14)
        assert raw.weights[l] == pytest.approx(W * np.sqrt(0.4 / 1.7), rel=1e-14)
        assert raw.gains[l] == pytest.approx(np.full((3, W.shape[2]), np.sqrt(1.7)))


def test_drawn_scales_and_shifts_have_the_stated_laws():
    scheme = {"kind": "batchnorm", "gamma": 1.2, "gamma_std": 0.3, "beta": -0.5, "beta_std": 0.7}
    network = batched(layers=["mean-subtraction", scheme])
    parameters = draw_parameters(network, 50, 2000, np.random.default_rng(5))
    (scale,), (shift,) = parameters.scales, parameters.shifts
    for z in ((scale - 1.2) / 0.3, (shift + 0.5) / 0.7):
        assert z.shape == (2000, 50)
        assert abs(z.mean()) * np.sqrt(z.size) < 5.1  # p = 4e-7
        assert abs((z**2).mean() - 1) * np.sqrt(z.size / 2) < 5.1
    assert abs((scale - 1.2).ravel() @ (shift + 0.5).ravel()) / 0.21 / np.sqrt(scale.size) < 5.1


def test_weights_of_norm_zero_are_refused():
    network = batched(weights="weight-standardization", ratios=(1, 1, 1))
    parameters, inputs = with_data(network, 4, width=1)
    with pytest.raises(OutOfRegime, match="norm 0 after centring"):
        forward(network, parameters, inputs)


def test_an_observable_of_a_group_that_the_network_has_not_is_refused():
    network = batched()
    kernels = output_kernels(network, *with_data(network, 4), split=True)
    with pytest.raises(DescriptionError, match="no parameters 'scales', it has weights, biases"):
        observed("scales.diagonal", kernels, network)
    with pytest.raises(DescriptionError, match="several batches"):
        observed("between_batches", kernels, network)


@pytest.mark.parametrize(
    ("fields", "width", "samples"),
    [
        ({"layers": ["batchnorm", "batchnorm"], "outputs": 2}, 128, 36),
        ({"layers": MIXED, "outputs": 2, "batch_size": 24}, 128, 72),
        (
            {
                "layers": ["batchnorm", "mean-subtraction"],
                "outputs": 2,
                "weights": "weight-normalization",
                "trained_gains": True,
            },
            128,
            36,
        ),
    ],
    ids=["batch norm", "batches", "gains"],
)
def test_memory_of_coupled_networks_stays_below_what_check_size_says(
    fields, width, samples, monkeypatch
):
    network = batched(**fields)
    monkeypatch.setattr(ensemble, "workers", lambda: 1)
    with pytest.raises(DescriptionError, match="need about"):
        ensemble.check_size(network, width, samples, budget=1)
    for run in (
        lambda: measure(network, width, samples, seeds=1),
        lambda: ensemble.observe(network, width, samples, 0, ["biases.diagonal"]),
    ):
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        ensemble.check_size(network, width, samples, budget=2 * 10**9)
        with pytest.raises(DescriptionError, match="need about"):
            ensemble.check_size(network, width, samples, budget=peak)
