"""The mutants of ``theory/``: how they are made, shown to the tests, and judged."""

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.mutants import run
from tests.mutants.__main__ import _record
from tests.mutants.battery import differences, networks
from tests.mutants.generate import KINDS, ROOT, all_mutants, mutants_of, sample
from tests.mutants.hand import HAND, hand_mutants
from tests.mutants.reach import noted
from theory.architecture import SCHEMES

EVERY = all_mutants()


def source_of(mutant):
    return (ROOT / mutant.path).read_text(encoding="utf-8")


def made_of(source):
    """What a source becomes, by kind."""
    return {
        (one.kind, ast.unparse(ast.parse(one.applied(source)))) for one in mutants_of("f", source)
    }


def test_every_mutant_parses_and_differs():
    for mutant in sample(EVERY, 300, seed=0):
        before, after = source_of(mutant), mutant.applied(source_of(mutant))
        assert ast.dump(ast.parse(before)) != ast.dump(ast.parse(after)), mutant


def test_sample_is_reproducible_and_holds_every_kind_alike():
    chosen = sample(EVERY, 150, seed=0)
    assert chosen == sample(EVERY, 150, seed=0)
    assert chosen != sample(EVERY, 150, seed=1)
    assert chosen[:60] == sample(EVERY, 60, seed=0)
    assert [one.kind for one in chosen] == [*KINDS] * 25
    assert len({(one.path, one.start, one.end, one.after) for one in chosen}) == 150


@pytest.mark.parametrize(
    ("source", "expected"),
    {
        "n = 3": {("constant", "n = 4"), ("constant", "n = 2")},
        "x = 0.5": {("constant", "x = 1.0"), ("constant", "x = 0.25")},
        "y = x[k + i]": {
            ("index", "y = x[k + i + 1]"),
            ("index", "y = x[k + i - 1]"),
            ("sign", "y = x[k - i]"),
        },
        "y = -x": {("sign", "y = x")},
        "y = a * x": {("factor", "y = a / x"), ("factor", "y = a"), ("factor", "y = x")},
        "y = (a + c) * x": {
            ("sign", "y = (a - c) * x"),
            ("factor", "y = (a + c) / x"),
            ("factor", "y = a + c"),
            ("factor", "y = x"),
        },
        "y = m.sqrt(x)": {("root", "y = x")},
        "y = f(m, x, z)": {("name", "y = f(m, z, x)")},
        "def f(q1, q2, x):\n    return g(q1)": {
            ("name", "def f(q1, q2, x):\n    return g(q2)"),
        },
        "y = K.K1\nz = K.K2": {
            ("name", "y = K.K2\nz = K.K2"),
            ("name", "y = K.K1\nz = K.K1"),
        },
        "def f(x, z):\n    return x - z": {
            ("sign", "def f(x, z):\n    return x + z"),
            ("factor", "def f(x, z):\n    return 2 * (x - z)"),
        },
    }.items(),
)
def test_mutants_of_a_line(source, expected):
    assert made_of(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""1 + 1"""',
        'def f(x: "tuple[int, 2]") -> "1 + 1":\n    """2 + 2"""',
        "x: tuple[Number, 3]",
        'raise ValueError(f"{n + 1} given, {x[0]} asked for")',
        'y = f"{n + 1}"',
        '__all__ = ["a"] * 2',
        "MAX_NODES, MAX_PANELS = 3, 2 * 5",
        "CHUNK = 1 << 18",
        "@lru_cache(maxsize=4)\ndef f():\n    pass",
        "if TYPE_CHECKING:\n    x = 1",
        "match x:\n    case -1:\n        pass",
        "Pair = tuple[Law, Law]",
    ],
)
def test_what_is_no_formula_is_left_alone(source):
    assert made_of(source) == set()


def test_mutant_of_another_source_is_refused():
    mutant = EVERY[0]
    with pytest.raises(ValueError, match="another source"):
        mutant.applied("# " + source_of(mutant))


@pytest.mark.parametrize("at", range(len(HAND)), ids=lambda at: f"{HAND[at][0]} {HAND[at][3]}")
def test_mutant_by_hand_applies_to_the_present_source(at):
    mutant = hand_mutants()[at]
    after = mutant.applied(source_of(mutant))
    assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(source_of(mutant)))


# Which tests, in which order


def test_noted_source_does_the_same_and_notes_the_places_of_its_mutants():
    lines = ("from __future__ import annotations", "def f(x):", '    """x"""')
    source = "\n".join((*lines, "    return (lambda y: 2 * y)(x)"))
    names = {}
    exec(noted("f.py", source), names)
    names["__reached__"].clear()
    assert names["f"](4) == 8
    assert names["f"].__doc__ == "x"
    assert names["__reached__"] == {"f.py:2:0", "f.py:4:12"}
    assert {one.within for one in mutants_of("f.py", source)} == {"f.py:4:12"}


def entry(seconds, *places):
    return {"seconds": seconds, "places": list(places)}


def test_doctests_come_first_then_the_quickest_tests_that_enter_the_function():
    mutant = replace(EVERY[0], path="theory/a.py", within="theory/a.py:3:0")
    reach = run.Reach(
        {
            "tests/test_b.py::slow": entry(9.0, "theory/a.py:3:0"),
            "tests/test_b.py::quick": entry(0.1, "theory/a.py:3:0", "theory/a.py:8:0"),
            "tests/test_b.py::elsewhere": entry(0.0, "theory/a.py:8:0"),
            "theory/a.py::theory.a.f": entry(1.0, "theory/a.py:3:0"),
        }
    )
    soon, later = reach.stages(mutant)
    assert soon + later == [
        "theory/a.py::theory.a.f",
        "tests/test_b.py::quick",
        "tests/test_b.py::slow",
    ]
    soon, later = reach.stages(replace(mutant, within=None))
    assert {*soon, *later} == set(reach.seconds)


FORMULA = '''"""A formula."""


def area(a, b):
    """
    >>> area(1, 2)
    2
    """
    return a * b


def halvings(n):
    count = 0
    while n > 1:
        n, count = n - n // 2, count + 1
    return count


def unused(a):
    return 3 * a
'''
TESTS = """from theory.formula import area, halvings

def test_area():
    assert area(3, 4) == 12

def test_halvings():
    assert halvings(8) == 3
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A tree with one formula, and the copy in which its mutants run."""
    root = tmp_path / "root"
    (root / "theory").mkdir(parents=True)
    (root / "theory" / "formula.py").write_text(FORMULA)
    (root / "theory" / "__init__.py").touch()
    (root / "tests" / "mutants").mkdir(parents=True)
    for name in ("__init__.py", "order.py", "reach.py"):
        shutil.copy(ROOT / "tests" / "mutants" / name, root / "tests" / "mutants")
    (root / "tests" / "test_formula.py").write_text(TESTS)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--doctest-modules"')
    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setattr(run, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(run, "LIMIT", 1.0)
    monkeypatch.setattr(run, "battery_of", lambda copy: {"area": ("2", 0.0)})
    return run.Copy(tmp_path / "copy")


REACH = run.Reach(
    {
        "theory/formula.py::theory.formula.area": entry(0.0, "theory/formula.py:4:0"),
        "tests/test_formula.py::test_area": entry(0.0, "theory/formula.py:4:0"),
        "tests/test_formula.py::test_halvings": entry(0.0, "theory/formula.py:12:0"),
    }
)


def test_run_of_the_suite_says_which_test_enters_what(small, tmp_path):
    assert run.reach_table(tmp_path).places == {
        name: {"theory/formula.py:12:0"} if "halvings" in name else {"theory/formula.py:4:0"}
        for name in REACH.places
    }
    (tmp_path / "reach" / "pyproject.toml").write_text("")
    assert run.reach_table(tmp_path).seconds.keys() == REACH.seconds.keys()  # kept


def outcome(copy, after, reach=REACH, truth="2"):
    (mutant,) = (
        one for one in mutants_of("theory/formula.py", FORMULA) if after in one.applied(FORMULA)
    )
    found = run.judged(mutant, copy, reach, lambda: {"area": (truth, 0.0)}, whole=True)
    assert (copy.at / "theory" / "formula.py").read_text() == FORMULA
    return found


def test_mutant_is_killed_by_the_first_test_that_enters_it(small):
    found = outcome(small, "((a) / (b))")
    assert (found.verdict, found.by) == ("killed", "theory/formula.py::theory.formula.area")
    assert found.stage == 1


def test_mutant_that_no_known_test_enters_meets_the_rest_of_the_suite(small):
    known = run.Reach({"tests/test_formula.py::test_area": entry(0.0)})
    found = outcome(small, "((a) / (b))", known, truth="4")
    assert (found.verdict, found.stage) == ("killed", 3)


def test_mutant_that_hangs_is_a_timeout(small):
    found = outcome(small, "while n > (0)")
    assert (found.verdict, found.by) == ("timeout", "")


def test_survivor_is_equivalent_only_if_no_answer_differs(small):
    assert outcome(small, "return 2 * (3 * a)").verdict == "equivalent"
    found = outcome(small, "return 2 * (3 * a)", truth="4")
    assert (found.verdict, found.differences[0].relative) == ("survived", 0.5)


def test_pytest_that_does_not_run_is_no_kill(small):
    (small.at / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--unknown"')
    with pytest.raises(run.Broken):
        outcome(small, "((a) / (b))")


# The battery


@pytest.mark.parametrize(
    ("after", "relative"),
    {
        "2.0000001": None,
        "2.000001": 5e-7,
        "nan": float("inf"),
        "None": float("inf"),
        "-2": 2.0,
    }.items(),
)
def test_answer_differs_beyond_twice_its_accuracy(after, relative):
    found = differences({"x": ("2", 1e-7)}, {"x": (after, 1.0)})
    assert [one.relative for one in found] == (
        [] if relative is None else [pytest.approx(relative)]
    )


def test_missing_answer_differs():
    assert differences({"x": ("2", 1.0)}, {})[0].after == "no answer"


def test_battery_has_fifty_networks_over_all_schemes():
    every = list(networks())
    schemes = {scheme.kind for network in every for scheme in network.layers}
    assert len(set(every)) == 50
    assert schemes == set(SCHEMES)
    assert {network.last.kind for network in every} == set(SCHEMES) - {"rmsnorm", "groupnorm"}
    assert {network.weights for network in every} == {
        "plain",
        "weight-normalization",
        "weight-standardization",
    }


def test_records_are_json_without_infinities():
    found = differences({"x": ("a", 0.0)}, {"x": ("b", 0.0)})
    record = _record(run.Outcome(EVERY[0], "survived", "", 2, 1.0, found))
    assert json.loads(json.dumps(record, allow_nan=False))["differences"][0]["relative"] is None


def test_command_says_its_options():
    shown = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--seed" in shown.stdout


def test_generation_is_reproducible():
    path = "theory/fisher.py"
    assert all_mutants(only=path) == [one for one in EVERY if one.path == path]
