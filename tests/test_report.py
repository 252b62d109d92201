"""The report: what LaTeX becomes in HTML, what the page holds, what is kept for the next one."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from derivations.catalogue import ALL, theorem
from derivations.cli import main
from derivations.figures.catalogue import FIGURES
from derivations.report import command, parts
from derivations.report.kept import Kept, table_json, verdicts_json
from derivations.report.markup import mathml, to_html
from derivations.report.page import Section, page
from derivations.tables.catalogue import TABLES, Entry
from derivations.tables.record import Cell, Column, Kind, Table
from theory.errors import DescriptionError

pytest.importorskip("latex2mathml")
pytest.importorskip("matplotlib")

VOID = {"meta", "link", "img", "br"}
TABLE = Table(
    "activations",
    "A caption with $q_1$.",
    (
        Column("name", "Name"),
        Column("value", r"$\kappa_1$", Kind.PREDICTED),
        Column("verdict", "Verdict", Kind.VERDICT),
    ),
    (
        (Cell("a < b", "$a < b$"), Cell("1.5"), Cell("agrees")),
        (Cell("c"), Cell("2.5"), Cell("refuted*")),
    ),
    Cell("A note.", r"A note \& more."),
    starts=frozenset({1}),
)
ROWS = [
    {
        "id": "unnormalized",
        "network": "tanh (3, 0.64), L=3",
        "samples": 16,
        "z": 0.31,
        "quantity": "kappa_1",
        "predicted": 0.9555,
        "measured": 1.0012,
        "standard_error": 0.002,
        "alpha_row": 7e-6,
        "delta": 0.02,
        "verdict": "AGREES",
        "alpha": 1e-3,
        "power": 0.9,
        "engine": "explicit",
        "seed_base": 1,
        "reason": None,
    },
    {
        "id": "batchnorm-last",
        "network": "relu",
        "samples": 4,
        "quantity": "trace",
        "verdict": "OUT OF REGIME",
        "reason": "N <= 5 & more",
        "measured": None,
        "delta": None,
        "predicted": None,
        "standard_error": None,
    },
]


class Balance(HTMLParser):
    """Every element that opens closes, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.sources = [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(html):
    found = Balance()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


# LaTeX to HTML


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"One \& two -- 5\,\% ~ ``so''", "One &amp; two \u2013 5&thinsp;% &nbsp; “so”"),
        (r"\textbf{A} \emph{b} \texttt{c < d}", "<b>A</b> <i>b</i> <code>c &lt; d</code>"),
        (r"a < b", "a &lt; b"),
        ("one\n\ntwo", "one<br>two"),
        (
            "\\begin{itemize}\n\\item[(1.1)] A.\n\\item B.\n\\end{itemize}",
            '<ul>\n<li class="step"><b>(1.1)</b>  A.\n</li><li> B.\n</li></ul>',
        ),
    ],
)
def test_text_commands(latex, html):
    assert to_html(latex) == html


def test_every_line_of_a_formula_stands_by_itself():
    html = to_html(r"\begin{multline*} a = b \\ + \substack{c \\ d} \end{multline*}")
    assert html.count('<div class="display">') == 2
    assert html.count("<mtr>") == 2
    assert "newline" not in html


def test_formula_is_mathml_and_a_bold_one_is_bold():
    assert "<mfrac>" in mathml(r"\frac{a}{b}")
    assert "\U0001d7cf" in mathml(r"\mathbf 1")
    assert "\U0001d7cf" in mathml(r"\mathbf{1}^\top")
    assert "1" in mathml("10")


@pytest.mark.parametrize("latex", [r"\unknown", r"$\notacommand{x$", r"a \section{b}"])
def test_command_that_would_be_lost_is_refused(latex):
    with pytest.raises(DescriptionError, match=r"does not know|cannot show"):
        to_html(latex)


@pytest.mark.parametrize("id", ["unnormalized", "mean-subtraction-last", "bulk-edge"])
def test_proofs_become_balanced_html_without_latex(id):
    html = parts.proofs([theorem(id).prove()])
    parsed(html)
    assert not re.search(r"\\[a-zA-Z]+", re.sub(r"<[^>]*>", "", html))


@pytest.mark.slow
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_every_proof_becomes_balanced_html_without_latex(one):
    html = parts.proofs([one.prove()])
    parsed(html)
    assert not re.search(r"\\[a-zA-Z]+", re.sub(r"<[^>]*>", "", html))


# The parts


def test_table_has_every_cell_and_its_note():
    html = parts.table(TABLE)
    parsed(html)
    assert '<td class="number">2.5</td>' in html
    assert '<td class="refuted">refuted*</td>' in html
    assert '<tr class="begins">' in html
    assert "A note &amp; more." in html
    assert "<caption>A caption with <math>" in html


def test_verdicts_are_counted_and_reasons_given():
    html = parts.verdicts(ROWS)
    parsed(html)
    assert "2 rows: 1 AGREES, 1 OUT OF REGIME." in html
    assert '<td class="number">1.0012(20)</td>' in html
    assert "N &lt;= 5 &amp; more" in html


def test_page_links_to_its_sections():
    html = page("A & B", "<p>x</p>", [Section("one", "One", "<p>1</p>"), Section("two", "Two", "")])
    found = parsed(html)
    assert found.links == ["data:,", "#one", "#two"]
    assert found.ids == ["one", "two"]
    assert "<title>A &amp; B</title>" in html


def test_kept_tables_and_verdicts_read_back(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "activations.json").write_text(table_json(TABLE))
    (tmp_path / "data" / "verdicts.json").write_text(verdicts_json(ROWS))
    kept = Kept(tmp_path)
    assert kept.table("activations") == TABLE
    assert kept.verdicts() == ROWS
    assert kept.table("atlas") is None
    assert kept.figure("phase") is None
    (tmp_path / "data" / "atlas.json").write_text('{"name": "atlas"}')
    with pytest.raises(DescriptionError, match=r"atlas\.json holds no table"):
        kept.table("atlas")
    with pytest.raises(DescriptionError, match="not a folder"):
        Kept(tmp_path / "nothing")


# The command


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A report of one table, one figure, two proofs and given verdicts."""
    earlier = tmp_path / "earlier"
    (earlier / "data").mkdir(parents=True)
    (earlier / "data" / "verdicts.json").write_text(verdicts_json(ROWS))
    few = (theorem("mean-subtraction-last"), theorem("scale-invariance"))
    monkeypatch.setattr("derivations.catalogue.ALL", few)
    for name in list(TABLES):
        monkeypatch.delitem(TABLES, name)
    monkeypatch.setitem(TABLES, "activations", Entry(lambda asked: TABLE, False, False))
    for name in list(FIGURES):
        if name not in ("phase", "verdicts"):
            monkeypatch.delitem(FIGURES, name)
    monkeypatch.setattr("derivations.paper.pdf.has_latex", lambda: False)
    return earlier


def test_report_is_one_page_without_a_network(small, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["report", "--out", str(out), "--from", str(small)]) == 0
    html = (out / command.PAGE).read_text()
    found = parsed(html)
    assert len(set(found.ids)) == len(found.ids)
    assert {"verdicts", "tables", "figures", "proofs", "settings"} <= set(found.ids)
    assert all(one.startswith(("#", "data:")) for one in found.links + found.sources)
    assert len(found.sources) == 2
    assert "<script" not in html
    for name in ("report.tex", "figures/phase.pdf", "figures/phase.csv", "tables/activations.tex"):
        assert (out / name).stat().st_size > 100
    assert "no pdflatex here" in capsys.readouterr().err
    before = (out / "figures" / "phase.csv").read_bytes()
    assert main(["report", "--out", str(tmp_path / "again"), "--from", str(out)]) == 0
    assert (tmp_path / "again" / "figures" / "phase.csv").read_bytes() == before
    table = (out / "tables" / "activations.tex").read_text()
    assert table.startswith("% fisherfield table activations")
    assert (tmp_path / "again" / "tables" / "activations.tex").read_text() == table
    kept = json.loads((tmp_path / "again" / "data" / "verdicts.json").read_text())
    assert kept == ROWS


def test_failed_verdict_is_the_exit_status(small, tmp_path):
    rows = [ROWS[0] | {"verdict": "REFUTED"}]
    (small / "data" / "verdicts.json").write_text(verdicts_json(rows))
    assert main(["report", "--out", str(tmp_path / "out"), "--from", str(small)]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "/proc/nowhere"], "cannot write to /proc/nowhere"),
        (["--out", "OUT", "--from", "/nowhere"], "/nowhere is not a folder with an earlier report"),
    ],
)
def test_folders_that_cannot_be_used(arguments, says, tmp_path, capsys):
    given = [str(tmp_path / "out") if one == "OUT" else one for one in arguments]
    assert main(["report", *given]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_browser_opens_the_page_without_a_word(small, tmp_path):
    out = tmp_path / "report"
    assert main(["report", "--out", str(out), "--from", str(small)]) == 0
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
            (out / command.PAGE).as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert "<math>" in done.stdout
