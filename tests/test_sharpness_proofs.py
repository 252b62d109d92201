"""The proofs on scale-invariant losses as a document, and the regression that one is about."""

import shutil
import subprocess

import numpy as np
import pytest

from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from numerics import losses
from numerics.weight_decay import walk
from theory.sharpness_problems import BatchNormRegression


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_of_all_proofs_compiles(tmp_path):
    body = "\n".join(one.prove().to_latex() for one in SHARPNESS_THEOREMS)
    document = (
        f"\\documentclass{{article}}\n\\usepackage{{amsmath}}\n\\begin{{document}}\n{body}"
        "\\end{document}\n"
    )
    (tmp_path / "proofs.tex").write_text(document, encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "proofs.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]


@pytest.mark.parametrize("eta", [0.5, 20.0])
def test_what_the_inputs_do_not_see_decays_at_every_rate(eta):
    """And the rest of the weights does not: it ends with the length of the edge."""
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    loss, problem = losses.BatchNormRegression(X, y), BatchNormRegression(X, y)
    unseen = np.eye(9) - np.linalg.pinv(problem.Xc) @ problem.Xc
    start, steps, decay = rng.standard_normal(9), 6000, 1e-3
    rows = np.array(list(walk(loss, start, eta, decay, steps)))
    expected = (1 - decay) ** np.arange(steps + 1)[:, None] * (unseen @ start)
    assert rows @ unseen == pytest.approx(expected, abs=1e-12)
    end = rows[-1] / np.linalg.norm(rows[-1])
    assert end @ problem.minimum > 0.999
    seen = (rows[-2000:] @ problem.minimum) ** 2
    bottom = problem.edge(problem.minimum).sharpness
    assert seen.mean() == pytest.approx(eta * bottom / 2, rel=0.05)
