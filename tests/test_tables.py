"""Tables: every printed number is a prediction or a measurement, and an altered one is found."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from uncertainties import ufloat_fromstr

from derivations import atlas, evidence
from derivations.catalogue import theorem
from derivations.cli import main
from derivations.groups import Group
from derivations.networks import RELU
from derivations.questions import Judged
from derivations.sweep_plan import parse_parts, read_plan
from derivations.tables import command as commands
from derivations.tables import header, learning_rates, scale_invariance, sharpness
from derivations.tables.catalogue import TABLES
from derivations.tables.formats import FORMATS
from derivations.tables.record import Cell, Column, Kind, Table, measured, predicted, verdict
from derivations.tables.request import Request
from derivations.tables.stored import Stored
from derivations.tables.verification import within_a_digit
from numerics import environment, store
from numerics.engines import engine
from numerics.ensemble import block_size
from numerics.exponents import exponent
from numerics.store import Store
from numerics.verdict import Verdict
from theory.activations import ACTIVATIONS, Activation
from theory.architecture import BatchNorm, Network
from theory.gaussian import moments
from theory.invariant_weights import invariant_weights
from theory.pair import Pair
from theory.phase import phase
from theory.prediction import predict
from theory.sharpness_problems import WeightNormRegression

ROOT = Path(__file__).parent.parent


def rows_of(text):
    """The rows of a table in CSV, by column."""
    return list(csv.DictReader(io.StringIO(text.partition("\n")[2])))


def value(text):
    return ufloat_fromstr(text).nominal_value if "(" in text else float(text)


def printed(number):
    """Six digits of a number, written by other means than the table's."""
    rounded = np.format_float_scientific(float(number), precision=5, trim="k")
    return float(rounded)


# Predictions alone


def test_order_parameters_are_those_of_the_network_file(run, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text('activation = "tanh"\ndepth = 3\nsigma_w2 = 3\nsigma_b2 = 0.64\n')
    status, out, _ = run("table", "order-parameters", "--network", path, "--format", "csv")
    rows = rows_of(out)
    assert status == 0
    assert [row["l"] for row in rows] == ["1", "2", "3", "all"]
    first, second, q1, q2 = 1.0, 0.0, 3 + 0.64, 0.64
    sums = [0.0, 0.0]
    net = Network("tanh", depth=3, sigma_w2=3, sigma_b2=0.64)
    backward = predict(net, 1000, 16).order_parameters
    for l, row in enumerate(rows[:3]):
        assert float(row["q_1"]) == printed(q1)
        assert float(row["q_2"]) == printed(q2)
        h = [float(row["qh_1"]), float(row["qh_2"])]
        assert h == [printed(first), printed(second)]
        assert float(row["S_2"]) == printed(backward.S2[l])
        # alpha = 2, one width a layer; without normalization T_1 = S_1 and T_2 = 0
        kappa = [h[0] * float(row["S_1"]) / 2, h[1] * float(row["S_2"]) / 2]
        for k in (0, 1):
            assert float(row[f"kappa_{k + 1}"]) == pytest.approx(kappa[k], rel=2e-5)
            sums[k] += kappa[k]
        found = moments(net.activation, Pair.of_samples(q1, q2, q1 - q2))
        first, second = float(found.first), float(found.second)
        q1, q2 = 3 * first + 0.64, 3 * second + 0.64
    assert float(rows[3]["kappa_1"]) == pytest.approx(sums[0], rel=2e-5)
    assert float(rows[3]["kappa_2"]) == pytest.approx(sums[1], rel=2e-5)


def test_order_parameters_of_hidden_batch_norm_have_its_projected_gradients(run, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text('activation = "relu"\ndepth = 2\nsigma_w2 = 2\nhidden = "batchnorm"\n')
    rows = rows_of(run("table", "order-parameters", "--network", path, "--format", "csv")[1])
    # behind batch norm the gradients of a batch add up to 0: no unit feels a common shift
    assert float(rows[0]["S_1"]) + 15 * float(rows[0]["S_2"]) == pytest.approx(0, abs=1e-12)
    K = predict(Network("relu", depth=2, sigma_w2=2, hidden=BatchNorm()), 1000, 16).groups
    assert float(rows[-1]["kappa_1"]) == printed(K["weights"].K1 / 1000)


def gaussian_mean(f):
    """E f(z) of a standard Gaussian, by the trapezoid rule."""
    z = np.linspace(-12, 12, 48001)
    return float(np.sum(f(z) * np.exp(-(z**2) / 2)) * (z[1] - z[0]) / sqrt(2 * np.pi))


SMOOTH = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: 0.25 / np.cosh(z / 2) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: z > 0),
    "sin": (np.sin, np.cos),
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "activations.csv"
    assert main(["table", "activations", "--format", "csv", "--out", str(path)]) == 0
    return {row["activation"]: row for row in rows_of(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", SMOOTH)
def test_moments_and_edge_of_an_activation_are_their_integrals(catalogue, name):
    f, slope = SMOOTH[name]
    V, W = gaussian_mean(lambda z: f(z) ** 2), gaussian_mean(lambda z: slope(z) ** 2)
    row = catalogue[name]
    tolerance = {"rel": 1e-3 if name == "relu" else 1e-5, "abs": 1e-3 if name == "relu" else 1e-6}
    assert float(row["V(1)"]) == pytest.approx(V, **tolerance)
    assert float(row["W(1)"]) == pytest.approx(W, **tolerance)
    assert float(row["edge sigma_w2"]) == pytest.approx(1 / W, **tolerance)
    assert float(row["edge sigma_b2"]) == pytest.approx(1 - V / W, **tolerance)


def test_every_activation_is_in_the_catalogue_with_its_phase(catalogue):
    assert list(catalogue) == list(ACTIVATIONS)
    assert {name for name, row in catalogue.items() if row["integrals"] != "closed"} == {
        "gelu_tanh",
        "mish",
    }
    for name in ("tanh", "erf", "softplus"):
        found = phase(Activation.named(name), 1.5, 0.05)
        row = catalogue[name]
        assert row["phase"] == found.phase
        assert [float(row[key]) for key in ("q*", "chi_1", "xi_c")] == [
            printed(number) for number in (found.q_star, found.chi_1, found.xi_c)
        ]
    assert catalogue["sign"]["W(1)"] == catalogue["sign"]["chi_1"] == "--"


def test_scale_invariance_says_what_the_rule_says(run):
    rows = rows_of(run("table", "scale-invariance", "--format", "csv")[1])
    networks = scale_invariance.networks()
    assert len(rows) == len(networks) == 48
    for row, network in zip(rows, networks, strict=True):
        for l, known in enumerate(invariant_weights(network), start=1):
            said = row[f"weights {l}"]
            assert ("unit" in said) == ("row" in known)
            assert ("matrix" in said) == ("matrix" in known)
            assert ("with biases" in said) == ("layer" in known)


# Judged rows, from a tiny store


def fill(path, groups, seeds, version=None, monkeypatch=None):
    """Measure the networks of these groups, block by block, into a store."""
    if version is not None:
        other = environment.origin()._replace(version=version)
        monkeypatch.setattr(store, "origin", lambda: other)
    with Store(path) as kept:
        for group in groups:
            for width in group.design.widths:
                cell = store.Cell(group.network, group.samples, width, group.engine)
                for block in range(-(-seeds // block_size(width))):
                    found = engine(group.engine).observe(
                        group.network, width, group.samples, block, group.observables
                    )
                    first = block * block_size(width)
                    kept.add(
                        cell,
                        [
                            (first + k, name, float(one))
                            for name in group.observables
                            for k, one in enumerate(found[name])
                        ],
                    )
    monkeypatch and monkeypatch.undo()


def asked(build):
    """The groups that a table takes from a store."""

    class Asked(Exception):
        pass

    found = []

    def stored(groups):
        found.extend(groups)
        raise Asked

    with pytest.raises(Asked):
        build(Request(stored=stored))
    return found


@pytest.fixture
def small(monkeypatch):
    """Tables of one network of depth 2, in place of their own."""
    tiny = Network("tanh", depth=2, sigma_w2=2, sigma_b2=0.3)
    known = evidence.check_networks
    one = theorem("unnormalized")
    case = replace(one.cases[0], network=tiny, samples=4)

    def check(theorems=None, *arguments, **options):
        own = [replace(one, cases=(case,))]
        return known(own, *arguments, **options | {"engine": "conditional"})

    monkeypatch.setattr("derivations.evidence.check_networks", check)
    return tiny


@pytest.fixture
def kept(tmp_path, small):
    """A store with what the small table asks."""
    path = tmp_path / "r.sqlite"
    fill(path, asked(TABLES["normalization"].build), 64)
    return path


def test_table_from_a_store_is_judged_as_check_judges_the_same_networks(run, kept, small):
    status, out, _ = run("table", "normalization", "--store", kept, "--format", "csv")
    rows = rows_of(out)
    stored = Stored(kept, "plans/normalization.toml")
    judged = evidence.check_networks(stored=stored)
    assert status == evidence.exit_status(judged)
    assert [row["quantity"] for row in rows] == ["kappa_1", "kappa_2", "uniform_mode"]
    for row, one in zip(rows, judged, strict=True):
        leading = predict(small, 64, 4).kappa_leading
        limits = {
            "kappa_1": leading.K1,
            "kappa_2": leading.K2,
            "uniform_mode": (leading.K1 + 3 * leading.K2) / 4,
        }
        assert float(row["predicted"]) == printed(limits[one.quantity])
        assert row["verdict"] == one.verdict.lower()
        number = ufloat_fromstr(row["measured"])
        shift = (one.measured - 1) * one.unit
        assert number.nominal_value == pytest.approx(one.predicted + shift, abs=number.std_dev / 10)
        assert number.std_dev == pytest.approx(one.standard_error * one.unit, rel=0.06)


def test_stored_means_of_a_row_are_those_of_its_networks(kept, small):
    (row, *_) = evidence.check_networks(stored=Stored(kept, "plan"))
    rows = [one for one in store.read(kept) if one.quantity == "diagonal" and one.width == 256]
    values = np.array([one.value for one in rows]) / float(predict(small, 256, 4).K.K1)
    at = row.widths.index(256)
    assert row.seeds[at] == len(values)
    assert row.means[at] == pytest.approx(values.mean(), rel=1e-12)
    assert row.errors[at] == pytest.approx(values.std(ddof=1) / sqrt(len(values)), rel=1e-12)


def test_fluctuations_are_fixed_by_the_first_networks_of_a_store(kept, monkeypatch):
    counts = []
    settle = Group.settle

    def seen(group):
        counts.append(group.counts)
        return settle(group)

    monkeypatch.setattr(Group, "settle", seen)
    (row, *_) = evidence.check_networks(stored=Stored(kept, "plan"))
    assert row.widths == (64, 256, 1024, 4096)
    assert counts == [(64, 32, 32, 32)]
    assert row.seeds == (64, 64, 64, 64)


def test_fresh_measurements_and_those_of_a_store_are_the_same_networks(tmp_path, small):
    (group,) = asked(TABLES["normalization"].build)
    fresh = evidence.check_networks()
    path = tmp_path / "r.sqlite"
    fill(path, [group], 32)
    stored = evidence.check_networks(stored=Stored(path, "plan"))
    first = [row.value for row in store.read(path) if row.quantity == "uniform"][:5]
    group.measure(64, 0)
    assert first == list(group.values[64, 0]["uniform"][:5])
    assert [row.predicted for row in fresh] == [row.predicted for row in stored]


@pytest.fixture
def table_file(run, kept, tmp_path):
    """A table in every format, with its path by format."""
    paths = {}
    for form in FORMATS:
        paths[form] = tmp_path / f"table.{form}"
        run("table", "normalization", "--store", kept, "--format", form, "--out", paths[form])
    return paths


@pytest.mark.parametrize("form", FORMATS)
def test_table_as_written_is_verified(run, table_file, form):
    assert run("verify-table", table_file[form])[:2] == (0, "")


def altered(text, form, cell, step=1):
    """The text with the last digit of a printed cell changed, and the SHA-256 of the new body."""
    first, _, body = text.partition("\n")
    digits = [at for at, letter in enumerate(cell.partition("(")[0]) if letter.isdigit()]
    at = digits[-1]
    changed = (
        cell[:at]
        + str(int(cell[at]) + (step if int(cell[at]) + step < 10 else -step))
        + cell[at + 1 :]
    )
    assert cell in body
    body = body.replace(cell, changed, 1)
    _, found = header.read(first)
    return f"{found._replace(digest=header.digest(body)).line(form)}\n{body}"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("column", ["predicted", "measured"])
@pytest.mark.parametrize("rehashed", [True, False], ids=["new hash", "old hash"])
def test_edited_digit_is_found_and_its_cell_named(run, table_file, form, column, rehashed):
    path = table_file[form]
    text = path.read_text(encoding="utf-8")
    names = ("predicted", "measured", "verdict")
    for number, row in enumerate(FORMATS[form].cells(text.partition("\n")[2]), start=1):
        cell = row[len(row) - 3 + names.index(column)]
        edited = altered(text, form, cell)
        if not rehashed:
            edited = text.partition("\n")[0] + "\n" + edited.partition("\n")[2]
        path.write_text(edited, encoding="utf-8")
        status, _, err = run("verify-table", path)
        assert status == 1
        assert f"row {number}, {column}: " in err
        assert ("SHA-256" in err) == (not rehashed)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("agrees", "refuted", "verdict"),
        (r"\kappa_1", r"\kappa_3", "quantity"),
        (r"M \to \infty", r"N \to \infty", "the text around the rows"),
        ("seed base 20191208", "seed base 20191209", "seed base"),
        ("store ", "store 0", "store key"),
    ],
)
def test_edited_words_are_found(run, kept, table_file, old, new, said):
    path = table_file["latex"]
    text = path.read_text(encoding="utf-8")
    if old == "agrees" and "agrees" not in text:
        old, new = "undecided", "agrees"
    first, newline, body = text.replace(old, new, 1).partition("\n")
    if old == "store ":
        first = re.sub(r"\| store (\w)", r"| store x\1", text.partition("\n")[0])
        body = text.partition("\n")[2]
    _, found = header.read(first)
    first = found._replace(digest=header.digest(body)).line("latex")
    path.write_text(first + newline + body, encoding="utf-8")
    status, _, err = run("verify-table", path)
    assert (status, said in err) == (1, True)


def test_remeasured_table_has_the_same_verdicts_to_the_last_digit(run, small, tmp_path):
    path = tmp_path / "table.csv"
    run("table", "normalization", "--format", "csv", "--out", path)
    assert run("verify-table", path, "--remeasure")[0] == 0
    text = path.read_text(encoding="utf-8")
    cell = rows_of(text)[0]["measured"]
    path.write_text(altered(text, "csv", cell, 4), encoding="utf-8")
    status, _, err = run("verify-table", path, "--remeasure")
    assert (status, "row 1, measured: " in err) == (1, True)


def test_table_measured_afresh_is_not_verified_without_measurements(run, small, tmp_path):
    path = tmp_path / "table.csv"
    run("table", "normalization", "--format", "csv", "--out", path)
    status, _, err = run("verify-table", path)
    assert (status, "--remeasure" in err) == (2, True)


def test_table_of_a_store_is_not_compared_with_other_networks(run, table_file):
    status, _, err = run("verify-table", table_file["csv"], "--remeasure")
    assert (status, "those of a store" in err) == (2, True)
    status, _, err = run("verify-table", table_file["csv"], "--remeasure", "--store", "x.sqlite")
    assert (status, "choose one" in err) == (2, True)


def test_moved_store_is_named_anew(run, kept, table_file, tmp_path):
    moved = tmp_path / "elsewhere.sqlite"
    shutil.copy(kept, moved)
    kept.unlink()
    assert run("verify-table", table_file["csv"])[0] == 2
    assert run("verify-table", table_file["csv"], "--store", moved)[0] == 0


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        ("1.234(12)", "1.235(12)", True),
        ("1.234(12)", "1.234(13)", True),
        ("1.234(12)", "1.236(12)", False),
        ("1.234(12)", "1.234(14)", False),
        ("0.99(10)", "0.987(97)", True),
        ("2.0e-05", "2.1e-05", True),
        ("2.0e-05", "2.2e-05", False),
        ("1.234(12)", "1.234", False),
        ("--", "1.234(12)", False),
        ("--", "--", True),
        ("1.2x4(12)", "1.234(12)", False),
    ],
)
def test_measurements_may_differ_by_one_unit_of_the_last_digit(one, other, close):
    assert within_a_digit(one, other) is close
    assert within_a_digit(other, one) is close


# A store that lacks something, or is old


def test_table_says_which_sweep_makes_missing_measurements(run, tmp_path):
    path = tmp_path / "empty.sqlite"
    Store(path).close()
    for name, entry in TABLES.items():
        status, out, err = run("table", name, "--store", path)
        assert (status, out) == (2, "")
        if entry.stored:
            assert f"fisherfield sweep plans/{name}.toml --store {path}" in err
            assert "N = 16" in err
        else:
            assert "leave out --store" in err
    assert run("table", "normalization", "--store", tmp_path / "no.sqlite")[0] == 2


def test_rows_given_the_outputs_are_measured_beside_a_store(monkeypatch):
    taken, fresh = [], []

    def stored(groups):
        taken.extend(groups)
        return {}

    def measure(groups, *_):
        fresh.extend(groups)
        raise StopIteration

    monkeypatch.setattr(evidence, "_measure", measure)
    with pytest.raises(StopIteration):
        TABLES["learning-rates"].build(Request(stored=stored))
    assert [group.given_outputs for group in taken] == [False] * 12
    assert [group.given_outputs for group in fresh] == [True] * len(fresh)
    assert sum(len(group.questions) for group in taken + fresh) == 30


def test_few_networks_are_missing_networks(run, small, tmp_path):
    path = tmp_path / "r.sqlite"
    (group,) = asked(TABLES["normalization"].build)
    fill(path, [replace(group, design=replace_widths(group, slice(0, 3)))], 64)
    assert run("table", "normalization", "--store", path)[0] == 2


def replace_widths(group, kept):
    return type(group.design)(group.design.widths[kept], group.design.shares[kept])


def test_stale_measurements_are_marked(run, small, tmp_path, monkeypatch):
    path = tmp_path / "r.sqlite"
    groups = asked(TABLES["normalization"].build)
    with pytest.MonkeyPatch.context() as patch:
        fill(path, groups, 32, "0.0.9", patch)
    for form in FORMATS:
        out = run("table", "normalization", "--store", path, "--format", form)[1]
        verdicts = [row[-1] for row in FORMATS[form].cells(out.partition("\n")[2])]
        assert all(one.endswith(("*", r"\textsuperscript{*}")) for one in verdicts)
        if form != "csv":
            assert "measured by fisherfield 0.0.9" in out
    fill(path, groups, 32)
    out = run("table", "normalization", "--store", path)[1]
    assert "0.0.9" not in out
    assert r"\textsuperscript" not in out


def test_measurements_of_two_versions_are_not_mixed(run, small, tmp_path):
    path = tmp_path / "r.sqlite"
    (group,) = asked(TABLES["normalization"].build)
    with pytest.MonkeyPatch.context() as patch:
        fill(path, [replace(group, design=replace_widths(group, slice(0, 2)))], 32, "0.0.9", patch)
    fill(path, [replace(group, design=replace_widths(group, slice(2, 4)))], 32)
    status, _, err = run("table", "normalization", "--store", path)
    assert (status, "lacks measurements" in err) == (2, True)


# Plans


@pytest.mark.parametrize("name", [name for name, entry in TABLES.items() if entry.stored])
def test_shipped_plan_has_every_network_of_its_table(name):
    parts = read_plan(ROOT / "plans" / f"{name}.toml")
    planned = {cell: part for part in parts for cell in part.cells()}
    groups = asked(TABLES[name].build)
    assert len(groups) > 3
    for group in groups:
        for width in group.design.widths:
            part = planned[store.Cell(group.network, group.samples, width, group.engine)]
            assert set(group.observables) <= set(part.quantities)
            assert part.seeds >= 64


def test_cell_of_several_parts_is_measured_once():
    parts = parse_parts(
        'samples = 4\nnetwork = {activation = "tanh", depth = 3, sigma_w2 = 1}\n'
        '[[part]]\nwidths = [64, 128]\nseeds = 20\nquantities = ["diagonal"]\n'
        '[[part]]\nwidths = [128]\nseeds = 10\nquantities = ["uniform"]\n'
    )
    assert [(part.widths, part.seeds, part.quantities) for part in parts] == [
        ((64,), 20, ("diagonal",)),
        ((128,), 20, ("diagonal", "uniform")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("part = 3", "[[part]]"),
        ("part = []", "[[part]]"),
        ("[[part]]\nwidth = [64]", "did you mean 'widths'"),
        ("[[part]]\nwidths = [64]\n[[part]]\nseeds = 1", "part 1: missing"),
    ],
)
def test_meaningless_parts_are_refused(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_parts(text)


# Thresholds, the atlas, sharpness: made measurements


def of_atlas(number):
    """A judged row with made numbers: each has its own."""
    return Judged(
        "placements",
        RELU,
        "uniform_mode",
        16,
        Verdict.AGREES,
        measured=1 + number / 100,
        standard_error=0.002 + number / 1e5,
        predicted=0.5 + number / 7,
        unit=0.5 + number / 7,
    )


@pytest.fixture
def made(monkeypatch):
    """The cells of an atlas with made rows, as the tables ask for them."""

    def cells(engine="fastest", say=None, *, endings=atlas.ENDINGS, activations=("relu",), **_):
        numbers = iter(range(1000))
        return [
            atlas.Cell(
                hidden,
                network.activation.name,
                ending.label,
                {column: of_atlas(next(numbers)) for column in ending.quantities},
            )
            for ending in endings
            for hidden, network in atlas.networks(ending, activations)
        ]

    monkeypatch.setattr("derivations.atlas.atlas", cells)
    return cells


def test_atlas_has_every_number_of_its_cells(run, made):
    rows = rows_of(run("table", "atlas", "--format", "csv")[1])
    cells = made()
    assert len(rows) == len(cells) == 30
    for row, cell in zip(rows, cells, strict=True):
        for column, one in cell.rows.items():
            assert float(row[f"{column} predicted"]) == printed(one.predicted)
            number = ufloat_fromstr(row[f"{column} measured"])
            assert number.nominal_value == pytest.approx(
                one.predicted * one.measured, abs=number.std_dev / 10
            )
            assert number.std_dev == pytest.approx(one.predicted * one.standard_error, rel=0.06)
            assert row[f"{column} verdict"] == "agrees"


def test_threshold_is_two_over_the_largest_eigenvalue(run, made):
    rows = rows_of(run("table", "learning-rates", "--format", "csv")[1])
    endings = [
        replace(ending, quantities={"largest": ending.quantities["largest"]})
        for ending in atlas.ENDINGS
    ]
    cells = made(endings=endings, activations=(learning_rates.ACTIVATION,))
    assert len(rows) == len(cells) == 30
    for row, cell in zip(rows, cells, strict=True):
        one = cell.rows["largest"]
        assert float(row["predicted"]) == printed(2 / one.predicted)
        number = ufloat_fromstr(row["measured"])
        true = 2 / (one.predicted * one.measured)
        assert number.nominal_value == pytest.approx(true, abs=number.std_dev / 10)
        spread = [2 / (one.predicted * (one.measured + k * one.standard_error)) for k in (-1, 1)]
        assert number.std_dev == pytest.approx((spread[0] - spread[1]) / 2, rel=0.06)


@pytest.fixture
def short(monkeypatch):
    """An arc, the control and the groups, over a short time."""
    monkeypatch.setattr(sharpness, "PROBLEMS", (sharpness.PROBLEMS[0], *sharpness.PROBLEMS[3:5]))
    monkeypatch.setattr(sharpness, "OPTIONS", ("--time", "0.5"))
    monkeypatch.setattr(sharpness, "_flow", cache(sharpness._flow))


def test_sharpness_has_the_numbers_of_its_runs(run, short):
    rows = rows_of(run("table", "sharpness", "--format", "csv")[1])
    assert [row["problem"] for row in rows] == ["T1", "T4", "T5"]
    arc, control, groups = rows
    eps = 5e-4
    assert float(arc["eps"]) == eps
    assert float(arc["order predicted"]) == 1
    assert value(arc["order measured"]) == pytest.approx(1, abs=0.02)
    assert arc["verdict"] == "agrees"
    assert float(arc["period predicted"]) == printed(2 * np.pi / sqrt(8 * eps))
    for name in ("x2/eps", "hover/eps", "period"):
        assert float(arc[f"{name} measured"]) == pytest.approx(
            float(arc[f"{name} predicted"]), rel=0.02
        )
    # x^2 = 2 eps/(4 + D) with D = (q'/q)^2 of q = cos^2 s + 4 sin^2 s, which is at most 9/4
    assert 2 / (4 + 9 / 4) < float(arc["x2/eps predicted"]) < 2 / 4
    # D = 0: x^2 = eps/2
    assert (float(control["x2/eps predicted"]), control["verdict"]) == (0.5, "agrees")
    assert control["order predicted"] == control["order measured"] == "--"
    assert value(groups["order measured"]) == pytest.approx(1, abs=0.05)
    assert (groups["verdict"], groups["hover/eps measured"]) == ("agrees", "--")


def test_sharpness_has_no_period_of_an_oscillation_that_dies(short):
    """c is -170 there, and eps 5e-4."""
    found = sharpness.run("batchnorm-regression")
    assert [cell.plain for cell in sharpness._pair(found, "period", 1.0)] == ["--", "--"]
    theory, shown = (float(cell.plain) for cell in sharpness._pair(found, "hover", found["eps"]))
    assert shown == pytest.approx(theory, rel=0.02)


def test_control_that_drifts_is_refuted_in_the_sharpness_table(run, short, monkeypatch):
    monkeypatch.setattr(sharpness, "PROBLEMS", sharpness.PROBLEMS[1:2])
    still = WeightNormRegression.solution
    monkeypatch.setattr(
        WeightNormRegression,
        "solution",
        lambda self, start, tau: (1 + 1e-9 * np.max(tau)) * still(self, start, tau),
    )
    status, out, _ = run("table", "sharpness", "--format", "csv")
    assert (status, rows_of(out)[0]["verdict"]) == (1, "refuted")


def test_edited_run_of_the_sharpness_table_is_found(run, short, monkeypatch, tmp_path):
    monkeypatch.setattr(sharpness, "PROBLEMS", sharpness.PROBLEMS[:1])
    path = tmp_path / "table.csv"
    run("table", "sharpness", "--format", "csv", "--out", path)
    text = path.read_text(encoding="utf-8")
    for column in ("order measured", "x2/eps predicted", "x2/eps measured", "period measured"):
        path.write_text(altered(text, "csv", rows_of(text)[0][column], 4), encoding="utf-8")
        status, _, err = run("verify-table", path, "--remeasure")
        assert (status, f"row 1, {column}: " in err) == (1, True)


# Exponents


def test_exponent_is_that_of_made_means():
    rng = np.random.default_rng(4)
    widths, errors = np.array([64, 256, 1024, 4096]), np.full(4, 1e-3)
    found = [
        exponent(widths, 1 - 2 / widths**0.5 + errors * rng.standard_normal(4), errors)
        for _ in range(200)
    ]
    pulls = [(one.p - 0.5) / one.error for one in found]
    assert abs(np.mean(pulls)) < 0.25
    assert 0.85 < np.std(pulls) < 1.15


@pytest.mark.parametrize(
    "means",
    [[1.1, 1.0001, 1.0001], [1.1, 0.9, 1.0], [1.0001, 0.9999, 1.0]],
    ids=["one width", "two signs", "none"],
)
def test_unresolved_distances_have_no_exponent(means):
    assert exponent([64, 128, 256], means, [1e-3] * 3) is None


# Formats, first line, options


SHOWN = Table(
    "activations",
    "A caption",
    (
        Column("a & b", "$a$"),
        Column("p", "$p$", Kind.PREDICTED),
        Column("m", "$m$", Kind.MEASURED),
        Column("v", "Verdict", Kind.VERDICT),
    ),
    (
        (Cell("x | y_1"), predicted(2.0), measured(1.98, 0.021), verdict(Verdict.AGREES)),
        (Cell("z, 3 %"), predicted(None), measured(None), verdict(Verdict.UNDECIDED, stale=True)),
        (Cell("w"), predicted(-2e-7), measured(234.2, 41.0), verdict(Verdict.REFUTED)),
    ),
    Cell("A note with 5 %."),
)


def test_formats_hold_the_same_cells():
    read = {name: form.cells(form.render(SHOWN, None)) for name, form in FORMATS.items()}
    assert read["csv"] == [[cell.plain for cell in row] for row in SHOWN.rows]
    assert [row[1:] for row in read["markdown"]] == [row[1:] for row in read["csv"]]
    assert read["latex"][1] == [r"z, 3 \%", "{--}", "{--}", r"undecided\textsuperscript{*}"]
    assert read["latex"][2][1:] == ["-2.00000e-07", "234(41)", "refuted"]


def test_latex_reserves_the_digits_of_its_numbers():
    text = FORMATS["latex"].render(SHOWN, "tab:mine")
    assert "S[table-format=-1.5e-1]" in text
    assert "S[table-format=3.3(2)]" in text
    assert r"\label{tab:mine}" in text


@pytest.mark.parametrize("form", FORMATS)
def test_first_line_is_a_comment_that_makes_the_table_again(run, tmp_path, form):
    path = tmp_path / "table"
    words = ["table", "scale-invariance", "--format", form]
    more = {"latex": ["--caption", "It's | 5 \\%", "--label", "tab:x"], "markdown": [], "csv": []}
    status, out, _ = run(*words, *more[form])
    assert status == 0
    first, _, body = out.partition("\n")
    name, found = header.read(first)
    assert (name, found.key, found.digest) == (form, "none", header.digest(body))
    assert (found.version, found.seed_base) == environment.origin()[:2]
    assert all(word in found.command for word in ("scale-invariance",))
    path.write_text(out, encoding="utf-8")
    assert run("verify-table", path) == (0, "", "")
    if form == "latex":
        assert r"\caption{It's | 5 \%}" in body


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table", "nonsense"], "known: normalization, order-parameters, atlas"),
        (["table", "atlas", "--format", "html"], "known: latex, markdown, csv"),
        (["table", "atlas", "--network", "net.toml"], "no --network"),
        (["table", "activations", "--format", "csv", "--caption", "x"], "--caption"),
        (["table", "activations", "--format", "csv", "--label", "x"], "--label"),
        (["table", "activations", "--caption", "a\nb"], "one line"),
        (["table", "order-parameters", "--network", "no.toml"], "no.toml"),
        (["verify-table", "no/such/file"], "no/such/file"),
        (["verify-table", str(ROOT / "README.md")], "first line"),
    ],
)
def test_meaningless_words_are_refused_in_one_line(run, words, said):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_folder_that_is_not_writable_is_refused_before_anything_is_measured(
    run, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise AssertionError("measured")

    monkeypatch.setattr("derivations.evidence.check", refuse)
    status, _, err = run("table", "normalization", "--out", tmp_path / "no" / "table.tex")
    assert (status, "cannot write" in err) == (2, True)

    def fails(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", fails)
    status, _, err = run("table", "scale-invariance", "--out", tmp_path / "table.tex")
    assert (status, "Permission denied" in err) == (2, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [("atlas --format", "cannot be read"), ("'atlas", "cannot be read"), ("nonsense", "unknown")],
)
def test_first_line_with_a_meaningless_command_is_refused(run, tmp_path, command, said):
    path = tmp_path / "table"
    line = header.Header(command, "0.1.0", 1, "none", header.digest("")).line("latex")
    path.write_text(f"{line}\n", encoding="utf-8")
    status, _, err = run("verify-table", path)
    assert (status, said in err) == (2, True)


def test_names_of_the_help_are_the_tables():
    assert tuple(TABLES) == commands.NAMES
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    assert set(re.search(r"^TABLES := (.*)$", makefile, re.MULTILINE)[1].split()) == set(TABLES)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("name", ["order-parameters", "activations", "scale-invariance", "atlas"])
def test_table_fits_on_a_page(run, made, tmp_path, name):
    run("table", name, "--out", tmp_path / "table.tex")
    page = ROOT / "derivations" / "page.tex"
    for _ in range(2):
        subprocess.run(
            ["pdflatex", "-halt-on-error", rf"\def\contents{{table}}\input{{{page}}}"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    log = (tmp_path / "page.log").read_text(encoding="latin-1")
    assert not re.findall(r"^(?:LaTeX|Package .*) Warning.*|^(?:Over|Under)full.*", log, re.M)
