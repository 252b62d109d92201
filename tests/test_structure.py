"""The house: who imports whom, which halves belong together, and what the README promises."""

import ast
import importlib
import json
import re
import shlex
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

from derivations.cli import main
from numerics.activations import evaluate
from numerics.layers import OPERATIONS
from theory.architecture import ACTIVATIONS, SCHEMES, Activation, Network
from theory.errors import NotCovered
from theory.evaluation import evaluate as predicted_values
from theory.expression import FUNCTIONS
from theory.gaussian import moments
from theory.kernels import KERNELS
from theory.last_layer import MAPS
from theory.network_file import parse_network
from theory.normalization import RULES
from theory.pair import Pair
from theory.schemes import check_last, read_scheme

ROOT = Path(__file__).parent.parent
PACKAGES = ("theory", "numerics", "derivations")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


CONDITIONS = {"TYPE_CHECKING": "for types", "__name__ == '__main__'": "as a script"}


def imports(code):
    """Every module that a source text imports, and when."""
    found = set()

    def visit(node, when):
        if isinstance(node, ast.FunctionDef):
            when = "in a call"
        elif isinstance(node, ast.If):
            when = CONDITIONS.get(ast.unparse(node.test), when)
        elif isinstance(node, ast.Import):
            found.update((alias.name, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update((name if name in FILES else node.module, when) for name in names)
        for child in ast.iter_child_nodes(node):
            visit(child, when)

    visit(ast.parse(code), "at once")
    return found


def imports_of(module):
    return imports(FILES[module].read_text(encoding="utf-8"))


def inside(name, package):
    return name == package or name.startswith(f"{package}.")


# Who imports whom

FORBIDDEN = {
    "theory": lambda name: any(inside(name, other) for other in ("numerics", "derivations")),
    "numerics": lambda name: (
        inside(name, "derivations")
        or (inside(name, "theory") and name != "theory.architecture")
        or inside(name, "sympy")
        or inside(name, "mpmath")
    ),
    "derivations": lambda name: False,
}


def trespasses(package, name):
    return FORBIDDEN[package](name) or inside(name, "tests")


@pytest.mark.parametrize("package", PACKAGES)
def test_layer_imports_only_lower_layers(package):
    assert [
        (module, name)
        for module in FILES
        if inside(module, package)
        for name, _ in imports_of(module)
        if trespasses(package, name)
    ] == []


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("theory", "import numerics"),
        ("theory", "from numerics.fisher import dual_gram"),
        ("theory", "def f():\n    from derivations import evidence"),
        ("numerics", "import theory"),
        ("numerics", "import theory.fisher as formulas"),
        ("numerics", "from theory import fisher"),
        ("numerics", "from theory import Network"),
        ("numerics", "from theory.last_layer import check_samples"),
        ("numerics", "import sympy"),
        ("numerics", "if True:\n    from derivations.theorem import Row"),
        ("derivations", "from tests.test_structure import ROOT"),
    ],
)
def test_forbidden_import_is_seen(package, code):
    assert any(trespasses(package, name) for name, _ in imports(code))


def cycle(modules):
    """A cycle of imports among these modules, or None."""
    graph = {
        module: {name for name, when in imports_of(module) if when in ("at once", "in a call")}
        & set(modules)
        for module in modules
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return found.args[1]
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_import_each_other_without_a_cycle(package):
    assert cycle([module for module in FILES if inside(module, package) and module != package]) is (
        None
    )


def test_cycle_of_imports_in_calls_is_seen(monkeypatch, tmp_path):
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        path = tmp_path / f"{name}.py"
        path.write_text(f"def f():\n    from theory import {other}")
        monkeypatch.setitem(FILES, f"theory.{name}", path)
    assert set(cycle(["theory.a", "theory.b", "theory.c"])) == {"theory.a", "theory.b", "theory.c"}


def proves_or_prints(module):
    """Where sympy may be imported at once: in the glossary, in proofs and their tables."""
    light = (".cli", ".evidence", ".groups", ".networks", ".questions", ".terminal", ".theorem")
    return module == "theory.symbols" or (
        inside(module, "derivations")
        and module not in {"derivations", *(f"derivations{name}" for name in light)}
    )


def test_sympy_is_imported_at_once_only_where_something_is_proved_or_printed():
    at_once = {
        module
        for module in FILES
        for name, when in imports_of(module)
        if inside(name, "sympy") and when == "at once"
    }
    assert [module for module in at_once if not proves_or_prints(module)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import sympy as sp", {("sympy", "at once")}),
        ("class A:\n    import sympy", {("sympy", "at once")}),
        ("try:\n    import sympy\nfinally:\n    pass", {("sympy", "at once")}),
        ("def f():\n    import sympy", {("sympy", "in a call")}),
        ("class A:\n    def f(self):\n        import sympy", {("sympy", "in a call")}),
        ("if TYPE_CHECKING:\n    import sympy", {("sympy", "for types")}),
        ("if __name__ == '__main__':\n    import sympy", {("sympy", "as a script")}),
        ("if True:\n    import sympy", {("sympy", "at once")}),
        (
            "from theory import fisher, predict",
            {("theory.fisher", "at once"), ("theory", "at once")},
        ),
    ],
)
def test_imports_are_told_apart_by_when_they_run(code, expected):
    assert imports(code) == expected


@pytest.mark.parametrize("module", [name for name in FILES if name not in PACKAGES])
def test_no_module_imports_by_a_computed_name(module):
    code = FILES[module].read_text(encoding="utf-8")
    calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)}
    assert not calls & {"__import__", "import_module", "importlib.import_module", "eval", "exec"}


def test_imported_libraries_are_the_declared_dependencies():
    used = {name.split(".")[0] for module in FILES for name, _ in imports_of(module)}
    project = PROJECT["project"]
    declared = {re.match("[a-z0-9]+", line)[0] for line in project["dependencies"]}
    imported_as = {"python-flint": "flint"}
    extras = {
        imported_as.get(name := re.match("[a-z0-9-]+", line)[0], name.replace("-", "_"))
        for lines in project["optional-dependencies"].values()
        for line in lines
    }
    outside = used - set(sys.stdlib_module_names) - set(PACKAGES)
    assert outside - extras == declared


# Names of the packages

PUBLIC = [
    (package, name) for package in PACKAGES for name in importlib.import_module(package).__all__
]


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=map(".".join, PUBLIC))
def test_name_of_a_package_resolves_to_the_object_of_its_module(package, name):
    home = importlib.import_module(f"{package}.{importlib.import_module(package)._HOME[name]}")
    assert getattr(importlib.import_module(package), name) is getattr(home, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_its_names_to_users_to_python_and_to_type_checkers_alike(package):
    module = importlib.import_module(package)
    code = FILES[package].read_text(encoding="utf-8")
    typed = {
        alias.name: node.module
        for condition in ast.parse(code).body
        if isinstance(condition, ast.If)
        for node in condition.body
        for alias in node.names
    }
    assert typed == {name: f"{package}.{home}" for name, home in module._HOME.items()}
    assert sorted(module.__all__) == sorted(typed)


@pytest.mark.parametrize("package", PACKAGES)
def test_unknown_name_of_a_package_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"'{package}'.*'nonsense'"):
        importlib.import_module(package).nonsense  # noqa: B018


# Two halves

POINTS = np.linspace(-2.5, 2.5, 101) + 0.001


BY_QUADRATURE = dict.fromkeys(["gelu_tanh", "mish"])


def missing_halves():
    """Activations and schemes that one wing knows and the other does not."""
    missing = [f"{name}: kernel" for name in ACTIVATIONS if name not in KERNELS | BY_QUADRATURE]
    missing += [f"{name}: operation" for name in SCHEMES if name not in OPERATIONS]
    missing += [f"{name}: rule" for name in SCHEMES if name not in RULES]
    last = [name for name in SCHEMES if allowed_last(name)] + ["cross-entropy"]
    missing += [f"{name}: map" for name in last if name not in MAPS]
    known = {"kernel": ACTIVATIONS, "operation": SCHEMES, "rule": SCHEMES, "map": last}
    tables = {"kernel": KERNELS, "operation": OPERATIONS, "rule": RULES, "map": MAPS}
    for what, names in tables.items():
        missing += [f"{name}: record of a {what}" for name in names if name not in known[what]]
    return missing


def allowed_last(kind):
    """Whether the vocabulary lets a scheme stand in the last layer."""
    try:
        check_last(read_scheme({"kind": kind} | ({"groups": 1} if kind == "groupnorm" else {})), 4)
    except NotCovered:
        return False
    return True


def test_every_activation_and_scheme_has_both_halves():
    assert missing_halves() == []


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [
        *((KERNELS, name, f"{name}: kernel") for name in KERNELS),
        *((OPERATIONS, name, f"{name}: operation") for name in SCHEMES),
        *((RULES, name, f"{name}: rule") for name in SCHEMES),
        *((MAPS, name, f"{name}: map") for name in MAPS),
        (ACTIVATIONS, "tanh", "tanh: record of a kernel"),
        (SCHEMES, "batchnorm", "batchnorm: record of a operation"),
    ],
)
def test_missing_half_is_seen(table, name, expected, monkeypatch):
    monkeypatch.delitem(table, name)
    assert expected in missing_halves()


@pytest.mark.parametrize("name", BY_QUADRATURE)
def test_activation_without_a_closed_form_is_integrated_all_the_same(name):
    found = moments(Activation.named(name), Pair.of_samples(1.0, 0.5, 0.5))
    assert 0 < found.second < found.first


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_of_the_grammar_has_the_same_values_in_both_wings(function):
    arguments = ", ".join(["x", "1"][: FUNCTIONS[function]])
    activation, points = Activation("test", f"{function}({arguments})"), np.linspace(0.1, 3, 30)
    expected = predicted_values(activation, points)
    assert evaluate(activation, points)[0] == pytest.approx(expected, rel=1e-14)


NEEDED = {"groupnorm": {"kind": "groupnorm", "groups": 2}}


@pytest.mark.parametrize("kind", SCHEMES)
def test_operation_of_a_scheme_acts_on_the_last_axis(kind):
    scheme, operation = read_scheme(NEEDED.get(kind, kind)), OPERATIONS[kind]
    u, tangent = np.random.default_rng(0).standard_normal((2, 3, 6))
    results = (
        operation.apply(scheme, u),
        operation.jvp(scheme, u, tangent),
        operation.vjp(scheme, u, tangent),
    )
    assert {result.shape for result in results} == {(3, 6)}
    assert np.isfinite(results).all()
    for row in range(3):  # each row has statistics of its own
        assert np.array_equal(operation.apply(scheme, u[row]), results[0][row])


# What the README promises

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README + REFERENCE, re.MULTILINE | re.DOTALL)
LINES = [
    line.split("#")[0].strip() for name, block in BLOCKS if not name for line in block.splitlines()
]
PYTHON = [block for name, block in BLOCKS if name == "python"]
COMMANDS = [line for line in LINES if line.startswith("fisherfield ")]


def test_readme_names_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", " ".join(LINES))) | set(
        re.findall(r"`make ([a-z]+)`", README)
    )
    assert {"check", "test"} <= named <= targets


@pytest.mark.parametrize("line", COMMANDS)
def test_readme_names_options_of_the_command(line, capsys):
    _, command, *words = shlex.split(line.replace("[", "").replace("]", ""))
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert {word for word in words if word.startswith("--")} <= set(
        re.findall(r"--[\w-]+", capsys.readouterr().out)
    )


def test_readme_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    offered = set(re.findall(r"^    ([\w-]+)(?:  |$)", capsys.readouterr().out, flags=re.MULTILINE))
    assert {line.split()[1] for line in COMMANDS} == offered


@pytest.mark.parametrize("text", [block for name, block in BLOCKS if name == "toml"])
def test_network_of_the_readme_is_read(text):
    assert parse_network(text)


@pytest.mark.parametrize("code", [PYTHON[0]])
def test_python_of_the_readme_runs(code, monkeypatch):
    judged = []
    monkeypatch.setattr("derivations.evidence.check", lambda *arguments: judged.append(arguments))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert isinstance(names["net"], Network)
    assert judged == [("mean-subtraction-last", names["net"])]


def test_claim_of_the_readme_is_refuted_as_it_says(tmp_path, capsys):
    _, code = PYTHON
    path = tmp_path / re.search(r"^# (\w+\.py)", code)[1]
    path.write_text(code, encoding="utf-8")
    command = re.search(r"`fisherfield (check --from [^`]*)`", README)[1].split()
    status = main([str(path) if word == path.name else word for word in command] + ["--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert (status, row["verdict"]) == (1, "REFUTED")
    assert f"measured/predicted = {row['measured']:.2f}, and says REFUTED" in README


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+/[\w.]*)`", README + REFERENCE))))
def test_path_named_in_the_readme_exists(path):
    assert (ROOT / path).exists()
