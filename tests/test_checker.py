r"""The checker itself: it refutes planted errors on small runs, and says what it cannot judge.

A planted error is a theorem whose right-hand side is altered, or a patched line of theory or
numerics. One run over true theorems refutes one of them with probability 1e-3; the seeds are fixed,
so that each verdict here is the same in every run. Errors of 5 % are found with probability 90 %
at least; those planted here are larger, and the standard errors below 1 %.
"""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import numerics.ensemble
import numerics.fisher
import theory.meanfield
from derivations import evidence, planning
from derivations.approach import MEAN
from derivations.catalogue import THEOREMS, theorem
from derivations.evidence import Judged, check, exit_status
from derivations.networks import LINEAR, NETWORKS, RELU, TANH
from derivations.planning import PILOT
from derivations.samples import samples_at
from derivations.theorem import Case
from numerics.ensemble import SEED_BASE, block_size
from numerics.network import Parameters
from numerics.verdict import TAIL, Verdict
from theory import fisher
from theory.architecture import (
    BatchNorm,
    DescriptionError,
    MeanSubtraction,
    Network,
    NoNormalization,
    OutOfRegime,
)
from theory.meanfield import Kernel, PreActivations
from theory.prediction import predict

PRECISION = 0.05
SMALL = Network("tanh", depth=3, sigma_w2=2, sigma_b2=0.5, outputs=3, ratios=(1, 0.5, 1))
UNNORMALIZED, MEAN_SUBTRACTION, BATCH_NORM = (
    theorem(name) for name in ("unnormalized", "mean-subtraction-last", "batchnorm-last")
)


def showing(one, observable):
    """The row of a theorem that this observable measures."""
    return next(row for row in one.rows if row.observable == observable)


def claiming(one, observable, value=None, **changes):
    """The theorem with one row only, its right-hand side altered."""
    row = showing(one, observable)
    if value:
        changes["value"] = lambda t: value(t.K, t.v, t.N)
    return replace(one, rows=(replace(row, **changes),))


def verdict(one, network=SMALL, samples=10, **options):
    (row,) = check(one, network, samples=samples, **{"precision": PRECISION} | options)
    return row


def own_case(one, quantity):
    """The network on which a theorem's row is judged, if it does not hold on the usual one."""
    if one.id in ("unnormalized", "mean-subtraction-last", "batchnorm-last"):
        return SMALL, 10
    case = next(case for case in one.cases if quantity in case.quantities)
    return case.network, case.samples


TRUE = {
    f"{one.id} {row.quantity}": (one, row)
    for one in THEOREMS
    for row in one.rows
    if row.approach is MEAN
}


@pytest.mark.parametrize("case", TRUE.values(), ids=TRUE)
def test_a_true_row_agrees(case):
    one, row = case
    network, samples = own_case(*case[:1], row.quantity)
    found = verdict(replace(one, rows=(row,)), network, samples=samples)
    assert found.verdict == "AGREES"
    assert abs(found.z) < 4
    assert found.detectable < PRECISION


PLANTED = {
    "kappa_2 forgotten": (
        UNNORMALIZED,
        "uniform",
        lambda K, v, N: fisher.uniform_mode(K.K1, 0, N),
    ),
    "kappa_2 vanishes": (UNNORMALIZED, "off_diagonal", lambda K, v, N: 0 * K.K2),
    "kappa_2 with the wrong sign": (UNNORMALIZED, "off_diagonal", lambda K, v, N: -K.K2),
    "kappa_1 without the gap": (UNNORMALIZED, "diagonal", lambda K, v, N: K.K2),
    "N for N - 1": (UNNORMALIZED, "uniform", lambda K, v, N: (K.K1 + N * K.K2) / N),
    "+10 %": (UNNORMALIZED, "diagonal", lambda K, v, N: 1.1 * K.K1),
    "-10 %": (UNNORMALIZED, "diagonal", lambda K, v, N: 0.9 * K.K1),
    "+10 % of the uniform mode": (
        UNNORMALIZED,
        "uniform",
        lambda K, v, N: 1.1 * fisher.uniform_mode(K.K1, K.K2, N),
    ),
    "+10 % of kappa_2": (UNNORMALIZED, "off_diagonal", lambda K, v, N: 1.1 * K.K2),
    "factor (N-1)/N forgotten": (MEAN_SUBTRACTION, "centred_trace", lambda K, v, N: K.gap),
    "kappa_1 for kappa_1 - kappa_2": (
        MEAN_SUBTRACTION,
        "centred_trace",
        lambda K, v, N: K.K1 * (N - 1) / N,
    ),
    "rank N-1 for N-2": (BATCH_NORM, "trace_given_outputs", lambda K, v, N: (N - 1) * K.gap),
    "rank N-3 for N-2": (BATCH_NORM, "trace_given_outputs", lambda K, v, N: (N - 3) * K.gap),
    "kappa_2 left in": (BATCH_NORM, "trace_given_outputs", lambda K, v, N: (N - 2) * K.K1),
    "unbiased variance": (BATCH_NORM, "output_variance", lambda K, v, N: v),
    "deviation for variance": (
        BATCH_NORM,
        "output_variance",
        lambda K, v, N: v**0.5 * (N - 1) / N,
    ),
}


@pytest.mark.parametrize("case", PLANTED.values(), ids=PLANTED)
def test_checker_rejects_a_wrong_theorem(case):
    row = verdict(claiming(*case))
    assert row.verdict == "REFUTED"
    assert exit_status([row]) == 1


def pre_activations(alter):
    genuine = theory.meanfield._pre_activations

    def altered(first, second, gap, m, sigma_w2, sigma_b2):
        return alter(genuine(first, second, gap, m, sigma_w2, sigma_b2), gap, sigma_w2, sigma_b2)

    return "theory.meanfield._pre_activations", altered


def kernels(alter):
    genuine = theory.meanfield.OrderParameters.kernel

    def altered(self, widths, bias_gradients):
        return alter(genuine, self, widths, bias_gradients)

    return "theory.meanfield.OrderParameters.kernel", altered


IN_THEORY = {
    "sqrt(q) for q": pre_activations(
        lambda pair, gap, w, b: PreActivations(
            pair.q1**0.5, pair.q2**0.5, pair.q1**0.5 - pair.q2**0.5
        )
    ),
    "bias variance twice": pre_activations(
        lambda pair, gap, w, b: PreActivations(pair.q1 + b, pair.q2 + b, pair.gap)
    ),
    "bias variance forgotten": pre_activations(
        lambda pair, gap, w, b: PreActivations(pair.q1 - b, pair.q2 - b, pair.gap)
    ),
    "covariance of the inputs one layer up": kernels(
        lambda genuine, order, widths, bias: genuine(order, (*widths[1:-1], 1, 1), bias)
    ),
    "last layer forgotten": kernels(
        lambda genuine, order, widths, bias: genuine(order, (*widths[:-2], 0, 1), bias)
    ),
}


@pytest.mark.parametrize("case", IN_THEORY.values(), ids=IN_THEORY)
def test_checker_rejects_an_error_in_theory(case, monkeypatch):
    monkeypatch.setattr(*case)
    rows = check(UNNORMALIZED, SMALL, samples=10, precision=PRECISION)
    assert Verdict.REFUTED in {row.verdict for row in rows}


def drawing(alter):
    genuine = numerics.ensemble.draw_parameters

    def altered(network, width, count, rng):
        return alter(network, genuine(network, width, count, rng))

    return "numerics.ensemble.draw_parameters", altered


def scaled(layer, factor):
    def alter(network, parameters):
        weights = list(parameters.weights)
        weights[layer] = factor * weights[layer]
        return Parameters(tuple(weights), parameters.biases)

    return drawing(alter)


IN_NUMERICS = {
    "weights of the first layer 5 % too large": scaled(0, 1.05),
    "weights of the second layer 5 % too small": scaled(1, 0.95),
    "biases of half the variance": drawing(
        lambda network, p: Parameters(p.weights, tuple(b / math.sqrt(2) for b in p.biases))
    ),
    "weights of another law and variance": drawing(
        lambda network, p: Parameters(
            tuple(np.sign(W) * abs(W) ** 0.9 for W in p.weights), p.biases
        )
    ),
    "first layer left out of the kernel": (
        "numerics.fisher.backpropagate",
        lambda *run: (one for one in numerics.network.backpropagate(*run) if one.layer > 1),
    ),
    "inputs of variance 1.2": (
        "numerics.ensemble.draw_inputs",
        lambda *arguments: 1.2**0.5 * numerics.network.draw_inputs(*arguments),
    ),
}


@pytest.mark.parametrize("case", IN_NUMERICS.values(), ids=IN_NUMERICS)
def test_checker_rejects_an_error_in_the_measurement(case, monkeypatch):
    monkeypatch.setattr(*case)
    rows = check([UNNORMALIZED, BATCH_NORM], SMALL, samples=10, precision=PRECISION)
    assert Verdict.REFUTED in {row.verdict for row in rows}


def test_weights_of_another_law_with_the_same_variance_agree(monkeypatch):
    # universality: only means and variances of the weights enter the limit
    signs = drawing(
        lambda network, p: Parameters(
            tuple(np.sign(W) * math.sqrt(2 / W.shape[1]) for W in p.weights), p.biases
        )
    )
    monkeypatch.setattr(*signs)
    rows = check(UNNORMALIZED, SMALL, samples=10, precision=PRECISION)
    assert {row.verdict for row in rows} == {Verdict.AGREES}


def test_the_size_of_the_output_weights_is_averaged_out_and_not_judged(monkeypatch):
    # the law of the weights drawn is judged by tests/test_ensemble.py
    monkeypatch.setattr(*scaled(-1, 1.5))
    of_several_outputs = replace(
        BATCH_NORM, rows=tuple(row for row in BATCH_NORM.rows if not row.approach.one_output)
    )
    rows = check([UNNORMALIZED, of_several_outputs], SMALL, samples=10, precision=PRECISION)
    assert {row.verdict for row in rows} == {Verdict.AGREES}


def test_forgotten_bias_gradients_do_not_matter_in_the_limit(monkeypatch):
    # they are a correction of order 1/M, here 6 % of kappa_2 at M = 64: the claim y -> 1 stays
    # true, and the fit absorbs them in its free power
    def without(network, *arguments, **options):
        return predict(replace(network, bias_gradients=False), *arguments, **options)

    one, other = (p(SMALL, 64, 10).K.K2 for p in (without, predict))
    assert 0.02 < other / one - 1 < 0.2
    monkeypatch.setattr("derivations.questions.predict", without)
    rows = check(UNNORMALIZED, SMALL, samples=10, precision=PRECISION)
    assert {row.verdict for row in rows} == {Verdict.AGREES}


def test_an_error_at_one_width_only_spoils_the_fit():
    def bent(question, width, values, outputs):
        return genuine(question, width, values, outputs) + 0.2 * (width == 128)

    genuine = evidence.Question.ratio
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence.Question, "ratio", bent)
        row = verdict(claiming(UNNORMALIZED, "diagonal"))
    assert row.chi2_dof > 10
    assert row.verdict == "UNDECIDED"
    assert exit_status([row]) == 1


# Rows


def test_a_row_carries_everything_that_its_verdict_rests_on():
    rows = check(UNNORMALIZED, SMALL, samples=10, precision=PRECISION)
    p = predict(SMALL, 64, 10)
    limits = {
        "kappa_1": p.kappa_leading.K1,
        "kappa_2": p.kappa_leading.K2,
        "uniform_mode": (p.kappa_leading.K1 + 9 * p.kappa_leading.K2) / 10,
        "second_moment": (p.kappa_leading.K1**2 + 9 * p.kappa_leading.K2**2) / 10,
    }
    units = limits | {"kappa_2": limits["kappa_2"] + limits["kappa_1"] / 10}
    assert [row.quantity for row in rows] == list(limits)
    for row in rows:
        assert (row.id, str(row.network), row.samples) == ("unnormalized", str(SMALL), 10)
        assert row.predicted == pytest.approx(limits[row.quantity], rel=1e-12, abs=0)
        assert row.unit == pytest.approx(units[row.quantity], rel=1e-12, abs=0)
        assert row.z == pytest.approx((row.measured - 1) / row.standard_error, rel=1e-12, abs=0)
        assert row.standard_error > row.tau > 0
        assert row.alpha_row == pytest.approx(TAIL * 1e-3 / 4 / 4)  # a quarter, four rows
        assert (row.alpha, row.power, row.look) == (1e-3, 0.9, 1)
        assert row.widths == (64, 128, 256, 512)
        assert all(count >= 32 for count in row.seeds)
        assert (row.seed_base, row.delta, row.powers) == (SEED_BASE, PRECISION, (1, 2, 3))
        assert row.detectable < PRECISION
        assert row.p > row.alpha_row
    keys = """id network quantity samples verdict z p alpha_row chi2_dof measured standard_error tau
        nu predicted detectable delta powers widths seeds seed_base alpha power look
        excess_kurtosis note"""
    for row in rows:
        table = json.loads(json.dumps(row.to_json()))
        assert set(keys.split()) <= set(table)
        assert table["verdict"] == "AGREES"


def test_the_same_run_twice_gives_identical_rows():
    first, second = (
        check([UNNORMALIZED, BATCH_NORM], SMALL, samples=10, precision=PRECISION) for _ in range(2)
    )
    assert first == second
    assert len(first) == len(UNNORMALIZED.rows) + len(BATCH_NORM.rows)


def test_a_row_does_not_depend_on_rows_of_other_networks():
    alone = check(claiming(UNNORMALIZED, "diagonal"), SMALL, samples=10, precision=PRECISION)
    cases = (
        Case(replace(SMALL, sigma_b2=0.3), 10, ("kappa_1",)),
        Case(SMALL, 10, ("kappa_1",)),
    )
    both = check(
        replace(claiming(UNNORMALIZED, "diagonal"), cases=cases), precision=PRECISION, alpha=2e-3
    )
    assert replace(both[1], alpha=1e-3) == alone[0]


def test_theorems_on_the_same_linear_network_share_its_samples(monkeypatch):
    jobs = []
    genuine = evidence.Group.measure

    def counted(group, width, block):
        jobs.append((group.network, group.samples, width, block))
        genuine(group, width, block)

    monkeypatch.setattr(evidence.Group, "measure", counted)
    ones = [claiming(MEAN_SUBTRACTION, "centred_trace"), claiming(BATCH_NORM, "output_variance")]
    rows = check([UNNORMALIZED, *ones], SMALL, samples=10, precision=PRECISION)
    assert len(rows) == 6
    assert len({row.seeds for row in rows}) == 1
    assert len(jobs) == len(set(jobs))
    assert {network.last for network, *_ in jobs} == {NoNormalization()}


def test_more_precision_takes_more_networks():
    coarse, fine = (
        verdict(claiming(UNNORMALIZED, "off_diagonal"), precision=delta) for delta in (0.1, 0.025)
    )
    assert sum(fine.seeds) > 3 * sum(coarse.seeds)
    assert fine.standard_error < coarse.standard_error
    assert fine.detectable < 0.025


def test_a_claim_that_the_pilot_refutes_asks_for_no_more_networks():
    wrong = claiming(UNNORMALIZED, "diagonal", lambda K, v, N: K.K1 / 30)
    row = verdict(wrong)
    pilot = tuple(-(-PILOT // block_size(width)) * block_size(width) for width in row.widths)
    assert row.verdict == "REFUTED"
    assert row.seeds == pilot


def test_a_run_says_its_networks_and_its_time_before_it_measures():
    said = []
    verdict(claiming(UNNORMALIZED, "diagonal"), say=said.append)
    guess, planned = said
    assert guess.startswith("a run like this takes about")
    assert "networks planned, estimated time" in planned


def test_the_time_is_guessed_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr(evidence, "over_blocks", refuse)
    said = []
    with pytest.raises(AssertionError, match="measured"):
        check(UNNORMALIZED, everything=True, engine="explicit", say=said.append)
    (guess,) = said
    assert 5 < int(re.search(r"about (\d+) s", guess)[1]) < 600


def refuse(*arguments, **options):
    raise AssertionError("measured")


# The edge of a bulk


def test_the_largest_centred_eigenvalue_is_judged_in_powers_of_the_root():
    row = verdict(
        claiming(MEAN_SUBTRACTION, "centred_largest"), replace(TANH, outputs=1), samples=4
    )
    assert row.verdict == "AGREES"
    assert (row.powers, row.delta) == ((0.5, 1, 1.5), 0.1)
    assert row.detectable < 0.1


def test_checker_rejects_a_largest_eigenvalue_at_one_of_the_bounds():
    # the paper's upper bound is sqrt(N) times the bulk mode; one width alone would accept much
    wrong = claiming(
        MEAN_SUBTRACTION, "centred_largest", lambda K, v, N: fisher.upper_bound(K.gap, 1, N, 1)
    )
    assert verdict(wrong, replace(TANH, outputs=1), samples=4).verdict == "REFUTED"


# The mean square


@pytest.mark.parametrize("outputs", [1, 4])
def test_the_second_moment_is_judged_with_larger_corrections(outputs):
    network = replace(RELU, outputs=outputs)
    row = verdict(claiming(UNNORMALIZED, "squared_trace"), network, samples=8)
    assert row.verdict == "AGREES"
    assert row.powers == (1, 2, 3)
    assert row.detectable < row.delta == PRECISION


@pytest.mark.parametrize(
    "wrong",
    [
        lambda K, v, N: (K.K1**2 + N * K.K2**2) / N,
        lambda K, v, N: K.K1**2 / N,
        lambda K, v, N: (K.K1**2 + (N - 1) * K.K1 * K.K2) / N,
        lambda K, v, N: 1.1 * fisher.second_moment(K.K1, K.K2, N, 1, 1),
    ],
    ids=["N for N - 1", "kappa_2 forgotten", "kappa_1 kappa_2 for its square", "+10 %"],
)
def test_checker_rejects_a_wrong_second_moment(wrong):
    one = claiming(UNNORMALIZED, "squared_trace", wrong)
    row = verdict(one, replace(TANH, sigma_w2=1, sigma_b2=1), samples=4)
    assert row.verdict == "REFUTED"


# Out of regime

FLAT = Network("relu", depth=12, sigma_w2=0.001, sigma_b2=0.5)


def test_equal_kappas_are_out_of_the_regime_of_mean_subtraction():
    kappa = predict(FLAT, 1000, 16).kappa_leading
    assert kappa.K1 == kappa.K2
    row = verdict(claiming(MEAN_SUBTRACTION, "centred_trace"), FLAT)
    assert row.verdict == "OUT OF REGIME"
    assert "kappa_1 > kappa_2" in row.reason
    assert row.measured is None
    assert exit_status([row]) == 3
    steep = replace(FLAT, sigma_w2=1.5, last=MeanSubtraction())
    MEAN_SUBTRACTION.requires(steep, 16)


def test_three_samples_are_out_of_the_regime_of_batch_norm_and_four_inside():
    row = verdict(claiming(BATCH_NORM, "output_variance"), SMALL, samples=3)
    assert row.verdict == "OUT OF REGIME"
    assert "N" in row.reason
    assert verdict(claiming(BATCH_NORM, "output_variance"), SMALL, samples=4).verdict == "AGREES"


def test_the_edge_of_several_outputs_is_out_of_regime():
    edge = claiming(MEAN_SUBTRACTION, "centred_largest")
    row = verdict(edge, replace(SMALL, outputs=2), samples=4)
    assert row.verdict == "OUT OF REGIME"
    assert "C = 1" in row.reason


@pytest.mark.parametrize(
    ("one", "right", "wrong"),
    [
        (UNNORMALIZED, NoNormalization(), MeanSubtraction()),
        (MEAN_SUBTRACTION, MeanSubtraction(), BatchNorm()),
        (BATCH_NORM, BatchNorm(), NoNormalization()),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_a_theorem_requires_its_last_layer(one, right, wrong):
    one.requires(replace(SMALL, last=right), 10)
    with pytest.raises(OutOfRegime, match=one.id):
        one.requires(replace(SMALL, last=wrong), 10)


@pytest.mark.parametrize("one", THEOREMS, ids=lambda one: one.id)
def test_every_case_of_the_catalogue_is_in_regime(one):
    for case in one.cases:
        one.requires(case.network, samples_at(case.samples, 64))
        for quantity in case.quantities:
            assert one.row(quantity).quantity == quantity


def test_rows_out_of_regime_do_not_stop_the_others():
    cases = (
        Case(replace(FLAT, last=MeanSubtraction()), 10, ("m",)),
        Case(replace(SMALL, last=MeanSubtraction()), 10, ("m",)),
    )
    one = claiming(MEAN_SUBTRACTION, "centred_trace", quantity="m")
    rows = check(replace(one, cases=cases), precision=PRECISION)
    assert [row.verdict for row in rows] == [Verdict.OUT_OF_REGIME, Verdict.AGREES]
    assert exit_status(rows) == 3


# Undecided, and what is refused


def test_an_error_bar_wider_than_delta_never_agrees(monkeypatch):
    genuine = planning.plan

    def careless(c, *, delta, **options):
        return genuine(c, delta=8 * delta, **options)

    monkeypatch.setattr(planning, "plan", careless)
    row = verdict(claiming(UNNORMALIZED, "off_diagonal"), precision=0.01, engine="explicit")
    assert abs(row.z) < 4
    assert row.detectable > row.delta == 0.01
    assert row.verdict == "UNDECIDED"
    assert exit_status([row]) == 1


def test_a_precision_out_of_reach_is_refused_with_a_remedy():
    with pytest.raises(DescriptionError, match=r"kappa_1.*cannot be promised.*Use wider networks"):
        verdict(claiming(UNNORMALIZED, "diagonal"), precision=1e-5)


@pytest.mark.parametrize("precision", [0, -0.1, 1, 2, float("nan")])
def test_a_meaningless_precision_is_refused(precision):
    with pytest.raises(DescriptionError, match="precision must lie between 0 and 1"):
        check(UNNORMALIZED, SMALL, precision=precision)


def test_an_unknown_theorem_is_refused_with_the_known_ones():
    with pytest.raises(DescriptionError, match="unknown theorem 'mean-field'; known: unnormalized"):
        check("mean-field")


def judged(*verdicts):
    return [Judged("id", "network", "quantity", 16, Verdict(word)) for word in verdicts]


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (("AGREES", "AGREES"), 0),
        (("AGREES", "REFUTED"), 1),
        (("AGREES", "UNDECIDED"), 1),
        (("AGREES", "OUT OF REGIME"), 3),
        (("OUT OF REGIME",), 3),
        (("OUT OF REGIME", "REFUTED"), 1),
        (("UNDECIDED", "OUT OF REGIME", "AGREES"), 1),
    ],
    ids=lambda value: str(value),
)
def test_exit_status_is_the_worst_verdict(verdicts, status):
    assert exit_status(judged(*verdicts)) == status
    assert exit_status(reversed(judged(*verdicts))) == status


# The main job


def test_the_main_job_judges_the_rows_of_the_contract():
    cases = [(one, case) for one in THEOREMS for case in one.cases if case.default]
    rows = {
        (one.id, case.network, one.row(quantity).observable, case.samples)
        for one, case in cases
        for quantity in case.quantities
    }
    for network in NETWORKS:
        for observable in ("diagonal", "off_diagonal", "uniform"):
            assert ("unnormalized", network, observable, 16) in rows
        centred = replace(network, last=MeanSubtraction())
        assert ("mean-subtraction-last", centred, "centred_trace", 16) in rows
        normalized = [
            (id, net, observable, samples)
            for id, net, observable, samples in rows
            if id == "batchnorm-last" and replace(net, last=NoNormalization()) == network
        ]
        assert {row[2:] for row in normalized} == {
            ("trace_given_outputs", 10),
            ("output_variance", 10),
        }
    edges = [row for row in rows if row[2] == "centred_largest"]
    assert edges == [
        ("mean-subtraction-last", replace(TANH, outputs=1, last=MeanSubtraction()), edges[0][2], 4)
    ]
    assert {network.activation.name for network in NETWORKS} == {"tanh", "relu", "linear", "erf"}
    assert any(set(network.ratios) != {1} for network in NETWORKS)
    assert {network.outputs for network in NETWORKS} == {4}
    assert (RELU.sigma_w2, RELU.sigma_b2, LINEAR.sigma_w2) == (2, 0.1, 1)


@pytest.mark.slow
def test_the_main_job_agrees_at_one_percent_without_the_edge():
    ones = [
        replace(
            one,
            cases=tuple(
                replace(
                    case,
                    quantities=tuple(q for q in case.quantities if one.row(q).approach is MEAN),
                )
                for case in one.cases
                if case.default
            ),
        )
        for one in THEOREMS
    ]
    rows = check(ones, precision=0.01)
    assert {row.verdict for row in rows} == {Verdict.AGREES}


def test_a_kernel_in_units_of_the_width_is_its_own_limit():
    assert Kernel(3.0, 1.0, 2.0).over(2) == (1.5, 0.5, 1.0, None)
    assert Kernel(3.0, 1.0, 2.0, 0.5).over(2) == (1.5, 0.5, 1.0, 0.25)
