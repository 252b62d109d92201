"""The top eigenvectors against the mean gradients: the observable, the verdict, several outputs."""

from dataclasses import replace

import numpy as np
import pytest

from derivations.catalogue import theorem
from derivations.evidence import check
from derivations.networks import RELU, TANH
from numerics.ensemble import draw_block, measure
from numerics.jacobian import jacobian
from numerics.observables import observed
from numerics.output_kernels import output_kernels
from numerics.verdict import Verdict
from theory.architecture import MeanSubtraction, Network, OutOfRegime

ONE = theorem("mean-gradients")
ODD = Network("tanh", depth=3, sigma_w2=2, bias_gradients=False)


@pytest.mark.parametrize("outputs", [1, 3])
def test_cosine_is_that_of_the_spaces_of_parameters(outputs):
    network = replace(TANH, outputs=outputs)
    parameters, inputs = draw_block(network, 10, 6, 0)
    one = slice(0, 1)
    parameters, inputs = parameters.of(one), inputs[one]
    found = observed("top_eigenspace_cosine", output_kernels(network, parameters, inputs), network)
    J = np.concatenate([part[0] for part in jacobian(network, parameters, inputs).values()], axis=1)
    top = np.linalg.svd(J)[2][:outputs].T
    gradients = np.linalg.qr(J.reshape(outputs, 6, -1).mean(axis=1).T)[0]
    cosines = np.linalg.svd(top.T @ gradients, compute_uv=False)
    assert found == pytest.approx([cosines.min() ** 2], rel=1e-9)


@pytest.mark.parametrize("network", [RELU, TANH], ids=["relu", "tanh"])
def test_row_agrees(network):
    (row,) = check(ONE, replace(network, outputs=1), samples=10, precision=0.05)
    assert row.verdict == Verdict.AGREES
    assert row.detectable < 0.05


@pytest.mark.parametrize("network", [RELU, TANH], ids=["relu", "tanh"])
def test_of_several_outputs_the_angle_falls_like_the_root_of_the_width(network):
    """1 - cos^2 at four times the width: nearer to a quarter than to a half or to an eighth.

    From M = 512: networks of a hundred units, where an outlier may touch the bulk, fall faster.
    """
    narrow, wide = (
        np.radians(measure(network, width, 16, seeds)["alignment"].values)
        for width, seeds in ((512, 16), (2048, 8))
    )
    ratio = np.mean(np.sin(narrow) ** 2) / np.mean(np.sin(wide) ** 2)
    assert 8**0.5 < ratio < 32**0.5


def test_claim_is_refuted_where_no_mode_stands_out():
    """An odd activation without bias: K_2 = 0, so that the mean gradient is no eigenvector."""
    everywhere = replace(ONE, requires=lambda network, samples: None)
    (row,) = check(everywhere, ODD, samples=10, precision=0.05)
    assert row.verdict == Verdict.REFUTED


WRONG = {
    "95 % of it": lambda t: 0.95,
    "the share of the uniform mode in the trace": lambda t: (
        (t.K.K1 + (t.N - 1) * t.K.K2) / (t.N * t.K.K1)
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_checker_rejects_a_wrong_cosine(name):
    wrong = replace(ONE, rows=(replace(ONE.rows[0], value=WRONG[name]),))
    (row,) = check(wrong, replace(TANH, outputs=1), samples=10, precision=0.02)
    assert row.verdict == Verdict.REFUTED


def test_regime():
    for network, reason in (
        (ODD, "kappa_2 > 0, but kappa_2 = "),
        (replace(TANH, last=MeanSubtraction()), "linear outputs"),
        (replace(TANH, batch_size=5), "batch_size"),
    ):
        with pytest.raises(OutOfRegime, match=f"mean-gradients needs .*{reason}"):
            ONE.requires(network, 10)
