"""Claims of users: judged like theorems, and when a file is wrong, the user sees why."""

import textwrap

import pytest

from derivations import claim
from derivations.approach import EDGE, MEAN
from derivations.claims import read_claims
from derivations.cli import main
from derivations.evidence import check
from theory import Network
from theory.errors import DescriptionError, NotCovered

GOOD = """
from derivations import THEOREMS, claim
from derivations.catalogue import theorem
from theory import Network

UNNORMALIZED = theorem("unnormalized")
net = Network("tanh", depth=2, sigma_w2=2, sigma_b2=0.5)
right = claim("right", net, "diagonal", lambda t: t.K.K1, samples=4)
wrong = claim("wrong", net, "diagonal", lambda t: 1.1 * t.K.K1, samples=4)
elsewhere = claim(
    "elsewhere", net, "diagonal", lambda t: t.K.K1, samples=4, regime=lambda net, N: N > 4
)
more = [claim(f"mean-{N}", net, "off_diagonal", lambda t: t.K.K2, samples=N,
              unit=lambda t: t.K.K1) for N in (4, 6)]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    return write


def test_claims_of_a_file_are_its_own_theorems_in_order(file):
    path = file(GOOD)
    names = ["right", "wrong", "elsewhere", "mean-4", "mean-6"]
    assert [one.id for one in read_claims(path)] == names
    assert [one.id for one in read_claims(path, ["wrong", "right"])] == ["wrong", "right"]


def test_claims_get_the_verdicts_of_theorems(file, capsys):
    path = file(GOOD)
    ones = read_claims(path, ["right", "wrong", "elsewhere", "mean-6"])
    rows = check(ones, precision=0.05)
    assert [str(row.verdict) for row in rows] == ["AGREES", "REFUTED", "OUT OF REGIME", "AGREES"]
    assert rows[1].measured == pytest.approx(1 / 1.1, abs=5 * rows[1].standard_error)
    assert "elsewhere is not claimed" in rows[2].reason
    assert rows[3].unit > rows[3].predicted
    for id, status in (("right", 0), ("wrong", 1), ("elsewhere", 3)):
        assert main(["check", "--from", path, id, "--precision", "0.05"]) == status


def test_a_claim_tends_to_its_limit_like_the_rows_of_the_catalogue():
    net = Network("tanh", depth=2, sigma_w2=2)
    one, edge, own = (
        claim("x", net, "uniform", lambda t: t.K.K1).rows[0],
        claim("x", net, "centred_largest", lambda t: t.K.K1).rows[0],
        claim("x", net, "linear_outputs", lambda t: t.K.K1, approach=MEAN).rows[0],
    )
    assert (one.approach, edge.approach, own.approach) == (MEAN, EDGE, MEAN)
    with pytest.raises(DescriptionError, match=r"no theorem judges 'linear_outputs'.*approach"):
        claim("x", net, "linear_outputs", lambda t: t.K.K1)


def test_a_claim_has_no_proof():
    one = claim("x", Network("tanh", depth=2, sigma_w2=2), "uniform", lambda t: t.K.K1)
    with pytest.raises(NotCovered, match="proof of a claim; x is measured alone"):
        one.prove()


HEAD = """
from derivations import claim
from theory import Network
net = Network("tanh", depth=2, sigma_w2=2, sigma_b2=0.5)
"""
THEOREM = """
from dataclasses import replace
from derivations.catalogue import theorem
one = replace(theorem("unnormalized"), id="mine", {})
"""
WRONG = {
    "empty": ("", "defines no claims", "claim(id, network, observable, prediction)"),
    "an imported theorem only": (
        "from derivations.catalogue import theorem\nu = theorem('unnormalized')",
        "defines no claims",
    ),
    "unknown observable": (
        HEAD + "a = claim('a', net, 'uniformity', lambda t: 1)",
        "unknown observable 'uniformity'",
        "off_diagonal",
    ),
    "two of one name": (
        HEAD + "a, b = (claim('a', net, 'uniform', lambda t: 1) for _ in range(2))",
        "two claims are called 'a'",
    ),
    "no rows": (THEOREM.format("rows=()"), "'mine' lacks rows"),
    "no cases": (THEOREM.format("cases=()"), "'mine' lacks cases"),
    "no id": (THEOREM.replace("mine", "").format(""), "lacks id"),
    "case without a row": (
        THEOREM.format("rows=theorem('unnormalized').rows[:1]"),
        "'mine' has a case for 'kappa_2' but no row",
        "kappa_1",
    ),
    "regime no function": (THEOREM.format("requires=None"), "requires must be a function"),
    "prediction no function": (HEAD + "a = claim('a', net, 'uniform', 3.0)", "value must be"),
    "network no network": (
        HEAD + "a = claim('a', 'net', 'uniform', lambda t: 1)",
        "needs a Network, 'net' given",
    ),
    "prediction 0": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: 0 * t.K.K1)",
        "prediction of a, uniform, must be a finite number other than 0",
        "unit",
    ),
    "prediction infinite": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: float('inf'))",
        "must be a finite number, inf found",
    ),
    "prediction no number": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: 'K1')",
        "must be a finite number, 'K1' found",
    ),
    "unit 0": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: t.K.K1, unit=lambda t: 0)",
        "unit of a, uniform, must be a finite number other than 0",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_a_file_lacks_is_said_before_anything_is_measured(file, monkeypatch, capsys, case):
    monkeypatch.setattr("derivations.groups.Group.measure", lambda *_: pytest.fail("measured"))
    text, *parts = case
    path = file(text)
    assert main(["check", "--from", path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for part in parts:
        assert part in err


RAISES = {
    "at once": ("def f():\n    return 1 / 0\n\nf()", "f()", "ZeroDivisionError: division by zero"),
    "by our refusal": (
        "from theory import Network\nnet = Network('relu', depth=-1, sigma_w2=2)",
        "net = Network('relu', depth=-1, sigma_w2=2)",
        "DescriptionError: depth",
    ),
    "an argument missing": (
        HEAD + "a = claim('a', net)",
        "a = claim('a', net)",
        "TypeError: claim() missing 2 required positional arguments: 'observable' and 'prediction'",
    ),
    "a syntax error": ("def f(:\n    pass", "def f(:", "SyntaxError"),
    "an exit": ("import sys\nsys.exit(0)", "sys.exit(0)", "SystemExit: 0"),
    "in a prediction": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: t.K.K7)",
        "lambda t: t.K.K7",
        "AttributeError: 'Kernel' object has no attribute 'K7'",
    ),
    "in a regime": (
        HEAD + "a = claim('a', net, 'uniform', lambda t: 1, regime=lambda n, N: n.dept > 2)",
        "n.dept > 2",
        "AttributeError: 'Network' object has no attribute 'dept'",
    ),
    "a chain": (
        "try:\n    {}['q']\nexcept KeyError:\n    raise ValueError('no q')",
        "raise ValueError('no q')",
        "ValueError: no q",
    ),
}


@pytest.mark.parametrize("case", RAISES.values(), ids=RAISES)
def test_a_file_that_raises_shows_its_own_traceback(file, capsys, case):
    text, line, problem = case
    path = file(text)
    assert main(["check", "--from", path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fisherfield: {path} raises\n")
    assert f'File "{path}", line ' in err
    assert line in err
    assert problem in err.splitlines()[-1]
    for ours in ("derivations/", "theory/", "numerics/", "runpy"):
        assert ours not in err


def test_a_missing_file_and_an_unknown_claim_are_refused(file, capsys):
    assert main(["check", "--from", "nowhere.py"]) == 2
    assert "cannot read nowhere.py" in capsys.readouterr().err
    assert main(["check", "--from", file(GOOD), "rigth"]) == 2
    assert "no claim 'rigth'; it has right, wrong, elsewhere" in capsys.readouterr().err
