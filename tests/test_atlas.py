"""The atlas, and rows that are conditional on the outputs of each network.

False alarms: each judged row has the level of ``check``, 1e-3 over its rows; seeds are fixed.
"""

from dataclasses import replace

import numpy as np
import pytest

from derivations import atlas
from derivations.catalogue import theorem
from derivations.evidence import check, exit_status
from derivations.theorem import Case
from numerics.coupled_observables import COUPLED_OBSERVABLES
from numerics.ensemble import draw_block
from numerics.fisher import dual_gram
from numerics.output_kernels import output_kernels
from numerics.outputs import softmax
from theory.architecture import BatchNorm, LayerNorm, Network

SOFTMAX = Network("tanh", depth=3, sigma_w2=3, sigma_b2=0.64, outputs=5, loss="cross-entropy")
NORMALIZED = replace(SOFTMAX, loss="mse", last=LayerNorm())
COUPLED = {"cross-entropy": SOFTMAX, "layernorm-last": NORMALIZED}


def claiming(id, quantity, **changes):
    one = theorem(id)
    return replace(one, rows=(replace(one.row(quantity), **changes),))


# The cells


def test_atlas_has_sixty_cells_with_the_same_columns():
    cells = [(e.label, network) for e in atlas.ENDINGS for _, network in atlas.networks(e)]
    assert len(cells) == len(set(cells)) >= 60
    assert {tuple(ending.quantities) for ending in atlas.ENDINGS} == {atlas.COLUMNS}
    assert {network.outputs for label, network in cells if label in COUPLED} <= {10}


def test_a_row_of_the_atlas_keeps_its_approach_and_takes_the_resolution_of_its_column():
    for ending in atlas.ENDINGS:
        one = atlas._restricted(ending)
        for column, (quantity, _) in ending.quantities.items():
            own, row = theorem(ending.theorem).row(quantity), one.row(quantity)
            assert row.approach.corrections == own.approach.corrections
            delta = row.approach.attainable(atlas.RESOLUTION["m"])
            assert delta <= atlas.RESOLUTION[column]
            assert delta >= atlas.RESOLUTION["m"]


def test_atlas_judges_its_cells_and_counts_the_verdicts(monkeypatch):
    linear, centred, *_ = atlas.ENDINGS
    monkeypatch.setattr(atlas, "ENDINGS", (linear, centred))
    monkeypatch.setattr(atlas, "HIDDEN", (BatchNorm(),))
    monkeypatch.setattr(atlas, "ACTIVATIONS", ("tanh",))
    monkeypatch.setattr(atlas, "RESOLUTION", {"m": 0.1, "s": 0.2, "largest": 0.2})
    cells = atlas.atlas()
    assert [(cell.hidden, cell.ending) for cell in cells] == [
        ("batchnorm", "linear"),
        ("batchnorm", "mean-subtraction"),
    ]
    assert {str(row.verdict) for cell in cells for row in cell.rows.values()} == {"AGREES"}
    assert "2 cells: 6 AGREES" in atlas.to_text(cells)
    assert set(cells[0].to_json()) == {"hidden", "activation", "ending", *atlas.COLUMNS}


# Given the outputs


@pytest.mark.parametrize("id", COUPLED)
def test_statistics_given_the_outputs_agree(id):
    one = theorem(id)
    rows = check(one, COUPLED[id], samples=6, precision=0.08)
    assert [row.quantity for row in rows] == [row.quantity for row in one.rows]
    assert {row.verdict for row in rows} == {"AGREES"}


WRONG = {
    "+15 % of K_1": ("mean_given_outputs", {"value": lambda t: 1.15 * t.K.K1}),
    "K_1 K_2 for the square of K_1": (
        "square_given_outputs",
        {"value": lambda t: t.K.K1 * t.K.K2},
    ),
    "K_1 K_2 for the square of K_2": (
        "cross_given_outputs",
        {"value": lambda t: t.K.K1 * t.K.K2},
    ),
    "second moment without the pairs": (
        "second_moment_given_outputs",
        {"given_outputs": lambda t, f: 0.3 * t.K.K1**2 / t.N},
    ),
    "outlier without the bulk": (
        "largest_given_outputs",
        {"given_outputs": lambda t, f: 0.5 * t.K.K2},
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_checker_rejects_a_wrong_claim_given_the_outputs(case):
    quantity, changes = case
    wrong = claiming("cross-entropy", quantity, **changes)
    (row,) = check(wrong, SOFTMAX, samples=6, precision=0.08)
    assert row.verdict == "REFUTED"


def test_networks_without_an_outlier_are_out_of_regime():
    odd = replace(SOFTMAX, sigma_b2=0, bias_gradients=False)
    (row,) = check(claiming("cross-entropy", "largest_given_outputs"), odd, samples=6)
    assert row.verdict == "OUT OF REGIME"
    assert "bulk for their outputs" in row.reason
    assert exit_status([row]) == 3


def test_a_question_that_is_out_of_regime_leaves_the_others_their_answers():
    odd = replace(SOFTMAX, sigma_b2=0, bias_gradients=False)
    one = theorem("cross-entropy")
    one = replace(one, cases=(Case(odd, 6, ("largest_given_outputs", "mean_given_outputs")),))
    largest, mean = check(one, precision=0.08)
    assert (largest.verdict, mean.verdict) == ("OUT OF REGIME", "AGREES")


@pytest.mark.parametrize("name", ["softmax", "layer_norm"])
def test_observables_given_the_outputs_are_those_of_the_mapped_gram_matrix(name):
    network = SOFTMAX if name == "softmax" else NORMALIZED
    linear = replace(network, last=SOFTMAX.last, loss="mse")
    parameters, inputs = draw_block(linear, 64, 6, 0)
    kernels = output_kernels(linear, parameters, inputs)
    F = dual_gram(network, parameters, inputs) / 6
    observed = {
        quantity: COUPLED_OBSERVABLES[f"{name}_{quantity}"](kernels, linear)
        for quantity in ("trace", "second", "largest")
    }
    assert observed["second"] == pytest.approx((F**2).sum(axis=(1, 2)), rel=1e-9)
    assert observed["largest"] == pytest.approx(np.linalg.eigvalsh(F)[:, -1], rel=1e-9)
    if name == "softmax":
        g = softmax(kernels.outputs)
        metric = (1 - (g**2).sum(axis=1)).sum(axis=-1)
        expected = 6 * np.trace(F, axis1=1, axis2=2) / metric
        assert observed["trace"] == pytest.approx(expected, rel=1e-9)
