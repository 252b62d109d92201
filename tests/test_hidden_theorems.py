"""Theorems on statistics over samples: wrong forms are refuted, wrong proofs fail, regimes hold."""

import math
from dataclasses import replace

import pytest

from derivations.catalogue import theorem
from derivations.evidence import check
from derivations.fisher import (
    batchnorm_hidden,
    gradient_explosion,
    mean_subtraction_hidden,
    mini_batches,
)
from derivations.networks import TANH
from derivations.proof import ProofError
from numerics.verdict import Verdict
from theory import fisher, normalization
from theory.architecture import BatchNorm, MeanSubtraction, OutOfRegime
from theory.meanfield import OrderParameters
from theory.normalization import Backward, own
from theory.normalization.layer import Couple
from theory.prediction import predict

NORMALIZED = batchnorm_hidden.RELU
BATCHED = mini_batches.RELU
EXPLODING = gradient_explosion.RELU


def judged(id, quantity, network, samples, wrong):
    """The verdict on a theorem of one row, its prediction altered."""
    one = theorem(id)
    row = one.row(quantity)
    altered = replace(row, value=lambda t: wrong(t, row.value(t)))
    (found,) = check(
        replace(one, rows=(altered,)), network, samples=samples, precision=0.05, everything=True
    )
    return found.verdict


# Wrong forms are refuted


@pytest.mark.parametrize(
    ("id", "network", "naive", "right"),
    [
        ("batchnorm-hidden", NORMALIZED, 154.5, 109.6),
        ("mean-subtraction-hidden", mean_subtraction_hidden.RELU, 210.7, 155.4),
    ],
)
def test_naive_uniform_mode_is_refuted(id, network, naive, right):
    """With kappa_1/N at infinitely many samples: off-diagonals of order 1/N are forgotten."""
    prediction = predict(network, 600, 16)
    kappa = prediction.kappa_leading.over(1 / (float(network.alpha) * 600))
    found = fisher.uniform_mode(kappa.K1, kappa.K2, 16)
    assert found == pytest.approx(naive, abs=0.05)
    assert prediction.uniform_mode == pytest.approx(right, abs=0.05)
    factor = float(found / prediction.uniform_mode)
    verdict = judged(id, "uniform_mode", network, 16, lambda t, right: factor * right)
    assert verdict == Verdict.REFUTED


WRONG_ROWS = {
    "statistics over all samples": (
        "kappa_1",
        lambda t, right: (
            predict(replace(BATCHED, batch_size=None), 1000, 24).kappa_leading.K1
            / predict(BATCHED, 1000, 24).kappa_leading.K1
            * right
        ),
    ),
    "two batches like two samples of one": ("kappa_3", lambda t, right: t.K.K2),
    "N for N - B": ("uniform_mode", lambda t, right: right + t.B * t.K.K3 / t.N),
    "third pair type forgotten in the contrast": (
        "contrast_mode",
        lambda t, right: fisher.uniform_mode(t.K.K1, t.K.K2, t.B) * t.B / t.N,
    ),
    "one direction removed in place of one a batch": (
        "centred_mean_eigenvalue",
        lambda t, right: fisher.centred_mean_eigenvalue(t.K.gap, t.N, C=1, P=1),
    ),
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_checker_rejects_a_wrong_form_of_mini_batches(name):
    quantity, wrong = WRONG_ROWS[name]
    assert judged("mini-batches", quantity, BATCHED, 24, wrong) == Verdict.REFUTED


@pytest.mark.parametrize(
    ("N", "printed"), [(6, 2.003779), (10, 1.69601), (20, 1.560919), (1000, 1.468539)]
)
def test_ratio_of_gradients_has_the_printed_digits(N, printed):
    for wider in ({}, {"sigma_w2": 0.7, "sigma_b2": 1.3, "hidden": BatchNorm(gamma=2)}):
        network = replace(EXPLODING, layers=None, **({"hidden": BatchNorm()} | wider))
        T1 = predict(network, 100, N).order_parameters.T1
        assert T1[1] / T1[2] == pytest.approx(printed, abs=5e-7)


def test_proof_of_the_ratio_ends_in_its_limit():
    conclusions = theorem("gradient-explosion").prove().conclusions()
    limit = float(conclusions["infinitely many samples"])
    assert limit == pytest.approx(1.466942, abs=5e-7)


WRONG_RATIOS = {
    "infinitely many samples": lambda t, right: math.pi / (math.pi - 1),
    "the layer above instead": lambda t, right: t.order.T1[2] / t.order.T1[3],
    "N - 2 for N - 3": lambda t, right: right * (t.N - 3) / (t.N - 2),
}


@pytest.mark.parametrize("name", WRONG_RATIOS)
def test_checker_rejects_a_wrong_ratio(name):
    verdict = judged("gradient-explosion", "gradient_ratio", EXPLODING, 10, WRONG_RATIOS[name])
    assert verdict == Verdict.REFUTED


# Wrong proofs fail


def _pulled(position_sign=1, share=1, S=0):
    def pull_back(layer, sigma_w2, above):
        f1, f2, f_gap = layer[3:6]
        off = own(Couple(f1, f2, f_gap), sigma_w2, above)
        along = own(Couple(*layer[6:9]), sigma_w2, above)
        T = sigma_w2 * f1 * above.T - share * layer.share * (off + position_sign * along)
        return Backward(T, S * above.S)

    return pull_back


WRONG_STEPS = {
    "normalized values forgotten": (("batchnorm-hidden",), "batchnorm", _pulled(position_sign=0)),
    "normalized values added": (("batchnorm-hidden",), "batchnorm", _pulled(position_sign=-1)),
    "mean forgotten": (("batchnorm-hidden", "gradient-explosion"), "batchnorm", _pulled(share=0)),
    "sum not removed": (
        ("batchnorm-hidden", "mini-batches", "gradient-explosion"),
        "batchnorm",
        _pulled(S=1),
    ),
    "mean not taken off": (("mean-subtraction-hidden",), "mean-subtraction", _pulled(share=0)),
    "mean taken off twice": (("mean-subtraction-hidden",), "mean-subtraction", _pulled(share=2)),
    "sum left behind": (
        ("mean-subtraction-hidden", "mini-batches"),
        "mean-subtraction",
        _pulled(S=1),
    ),
}


@pytest.mark.parametrize(
    ("id", "name"), [(id, name) for name, (ids, _, _) in WRONG_STEPS.items() for id in ids]
)
def test_proof_refuses_a_wrong_step(id, name, monkeypatch):
    _, kind, wrong = WRONG_STEPS[name]
    rule = normalization.RULES[kind]
    theorem(id).prove().verify()
    monkeypatch.setitem(normalization.RULES, kind, replace(rule, pull_back=wrong))
    with pytest.raises(ProofError):
        theorem(id).prove().verify()


def test_proof_refuses_the_law_of_infinitely_many_samples(monkeypatch):
    rule = normalization.RULES["mean-subtraction"]

    def infinite(*arguments):
        return rule.law(*arguments[:-1], arguments[-1]._replace(batch=None))

    monkeypatch.setitem(normalization.RULES, "mean-subtraction", replace(rule, law=infinite))
    with pytest.raises(ProofError, match="ReLU behind mean subtraction"):
        theorem("mean-subtraction-hidden").prove().verify()


WRONG_FORMULAS = {
    "N - 2 for N - 3 in the mean of 1/sigma^2": (
        "batchnorm-hidden",
        fisher,
        "inverse_variance",
        lambda v, N, power=1: N / (v * (N - 2)),
    ),
    "biases of one layer forgotten": (
        "batchnorm-hidden",
        OrderParameters,
        "_biases",
        lambda self, factor: self._kernel(self.S_gap[-1], self.S2[-1], 0),
    ),
    "gap forgotten in a unit's own parameter": (
        "batchnorm-hidden",
        normalization,
        "own",
        lambda couple, sigma_w2, above: sigma_w2 * couple.second * above.S,
    ),
    "B for B - 1 in the uniform mode": (
        "mini-batches",
        fisher,
        "batched_uniform_mode",
        lambda K1, K2, K3, N, B: (K1 + B * K2 + (N - B) * K3) / N,
    ),
    "third pair type forgotten in s": (
        "mini-batches",
        fisher,
        "batched_second_moment",
        lambda K1, K2, K3, N, B, C, P: C / (P * N) * (K1**2 + (N - 1) * K2**2),
    ),
    "third pair type added in the contrast": (
        "mini-batches",
        fisher,
        "contrast_mode",
        lambda K1, K2, K3, N, B: (K1 + (B - 1) * K2 + B * K3) / N,
    ),
    "kernel of two batches without its biases": (
        "mini-batches",
        OrderParameters,
        "_biases",
        lambda self, factor: self._kernel(sum(self.S_gap), sum(self.S2), 0),
    ),
}


@pytest.mark.parametrize("name", WRONG_FORMULAS)
def test_proof_refuses_a_wrong_formula(name, monkeypatch):
    id, where, attribute, wrong = WRONG_FORMULAS[name]
    theorem(id).prove().verify()
    monkeypatch.setattr(where, attribute, wrong)
    with pytest.raises(ProofError):
        theorem(id).prove().verify()


# Regimes


REGIMES = {
    "other hidden layers": ("batchnorm-hidden", TANH, 16, "needs batchnorm in a hidden layer"),
    "five samples": ("batchnorm-hidden", NORMALIZED, 5, r"N > 5 .*mean of 1/sigma\^4"),
    "a regularizer": (
        "batchnorm-hidden",
        replace(NORMALIZED, layers=None, hidden=BatchNorm(eps=0.01)),
        16,
        "needs eps = 0, but eps = 0.01",
    ),
    "mapped outputs": (
        "batchnorm-hidden",
        replace(NORMALIZED, last=MeanSubtraction()),
        16,
        "needs linear outputs",
    ),
    "no mean subtraction": ("mean-subtraction-hidden", TANH, 16, "needs mean-subtraction in a hid"),
    "one sample": ("mean-subtraction-hidden", mean_subtraction_hidden.RELU, 1, "N >= 2"),
    "no relu": (
        "gradient-explosion",
        replace(batchnorm_hidden.TRAINED, depth=4, ratios=None, layers=None, hidden=BatchNorm()),
        10,
        "the activation is tanh",
    ),
    "a shift": (
        "gradient-explosion",
        replace(EXPLODING, layers=None, hidden=BatchNorm(beta=0.1)),
        10,
        "beta = 0",
    ),
    "three layers": ("gradient-explosion", NORMALIZED, 10, "needs depth 4"),
    "five samples again": ("gradient-explosion", EXPLODING, 5, r"mean of 1/sigma\^4"),
    "batches": ("batchnorm-hidden", BATCHED, 24, "batch_size = 8(?s:.*)mini-batches"),
    "one batch": ("mini-batches", BATCHED, 8, "needs several batches"),
    "no batches": ("mini-batches", NORMALIZED, 24, "needs several batches"),
    "five in a batch": (
        "mini-batches",
        replace(BATCHED, batch_size=5),
        20,
        r"B > 5 .*mean of 1/sigma\^4",
    ),
    "normalized outputs": (
        "mini-batches",
        replace(BATCHED, last=BatchNorm()),
        24,
        "linear or centred",
    ),
}


@pytest.mark.parametrize("name", REGIMES)
def test_assumption_is_named_where_it_fails(name):
    id, network, samples, message = REGIMES[name]
    with pytest.raises(OutOfRegime, match=message):
        theorem(id).requires(network, samples)


def test_six_samples_are_enough():
    theorem("batchnorm-hidden").requires(NORMALIZED, 6)
    theorem("mini-batches").requires(replace(BATCHED, batch_size=6), 12)
