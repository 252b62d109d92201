r"""Every scheme of the numeric wing against complex steps through a second, plain forward pass.

The oracle below knows the definition of a network and nothing of ``numerics``: it runs in complex
numbers, so that a step of 1e-30 along the imaginary axis gives a derivative to the last digits.
"""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import special

from numerics.fisher import dual_gram, group_grams, parameter_groups
from numerics.jacobian import jacobian
from numerics.network import draw_inputs, draw_parameters
from theory.architecture import (
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    Normalized,
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


def plain_standardize(u, axis, eps, centre=True):
    c = u - np.sum(u, axis=axis, keepdims=True) / u.shape[axis] if centre else u
    deviation = np.sqrt(np.sum(c * c, axis=axis, keepdims=True) / u.shape[axis] + eps)
    assume(np.abs(deviation).min() > 0.05)  # a division by little amplifies every rounding
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
    J = complex_step_jacobian(network, phi, parameters, x)
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
