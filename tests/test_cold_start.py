"""What a process that only wants one prediction does not import."""

import subprocess
import sys

import pytest

NETWORK = """activation = "{}"
depth = 3
sigma_w2 = 2.0
sigma_b2 = 0.1
"""
HEAVY = ("sympy", "joblib", "uncertainties", "matplotlib", "scipy.optimize", "scipy.linalg")
COMMAND = """import sys
from derivations.cli import main
main(["predict", sys.argv[1], "--width", "1000", "--samples", "100"])
"""
DIRECT = """import sys
from theory import predict
from theory.network_file import read_network
predict(read_network(sys.argv[1]), 1000, 100).largest_eigenvalue
"""
LISTED = "print([name for name in {!r} if name in sys.modules], file=sys.stderr)"


def imported(code, path, names):
    """Those of the names that a fresh process has imported after the code."""
    done = subprocess.run(
        [sys.executable, "-c", code + LISTED.format(names), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.strip()


@pytest.mark.parametrize("code", [COMMAND, DIRECT], ids=["command", "direct"])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("relu", ("mpmath", "scipy", "theory.quadrature", "theory.bulk")),
        ("gelu", ("mpmath", "theory.quadrature", "theory.bulk")),
        ("tanh", ("theory.quadrature", "theory.bulk")),
    ],
)
def test_a_prediction_imports_what_it_needs(name, more, code, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(NETWORK.format(name), encoding="utf-8")
    assert imported(code, path, HEAVY + more) == "[]"


def test_what_is_imported_is_seen(tmp_path):
    assert imported("import sys, mpmath; ", tmp_path, (*HEAVY, "mpmath")) == "['mpmath']"
