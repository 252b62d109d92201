"""All theorems as one document: statements, proofs, verdicts, glossary, references."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from derivations.catalogue import ALL
from derivations.kernels.catalogue import KERNEL_THEOREMS
from derivations.paper.evidence_table import Row, table
from derivations.paper.glossary import glossary
from derivations.paper.plain import escaped, in_latex
from derivations.paper.references import bibliography, cited
from derivations.proof.printing import lemmas_in_latex
from derivations.proof.statement import statement_in_latex
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from derivations.theorem import Theorem

PREAMBLE = r"""\documentclass[a4paper,10pt]{article}
\usepackage[margin=2.2cm]{geometry}
\usepackage{amsmath,amssymb,booktabs,graphicx,longtable,siunitx}
\usepackage[hidelinks]{hyperref}
\allowdisplaybreaks
\emergencystretch=4em
\setlength{\parindent}{0pt}
\makeatletter
\renewcommand{\@pnumwidth}{2em}
\renewcommand{\@tocrmarg}{4em plus 1fil}
\renewcommand{\l@section}{\@dottedtocline{1}{0em}{2.2em}}
\makeatother
"""
PARTS = {
    "Fisher information of wide networks": tuple(
        one for one in ALL if one not in (*KERNEL_THEOREMS, *SHARPNESS_THEOREMS)
    ),
    "Gaussian kernels": KERNEL_THEOREMS,
    "Descent with weight decay on scale-invariant losses": SHARPNESS_THEOREMS,
}
TOLD = r"""The proofs are chains of equalities. Each step is an operation on what the step before
ended in; what it is stated to give was compared with what it gives, first in numbers at points of
the domain of the symbols and then exactly, before this page was printed. What is a limit or an
assumption of mean field theory is listed as one. A verdict compares the prediction with random
networks, at an error rate declared for the whole run."""


def document(
    theorems: Sequence[Theorem],
    rows: Sequence[Row] | None = None,
    say: Callable[[Theorem], None] = lambda theorem: None,
    front: str = "",
    title: str | None = None,
) -> str:
    """The LaTeX of a document with these theorems; ``rows`` are the verdicts of a run.

    ``front`` stands before the theorems, ``title`` in place of "Derivations".

    Every proof is verified; ``say`` hears of each theorem before. Raises ``ProofError`` at a step
    that does not follow.
    """
    sections = {}
    for one in theorems:
        say(one)
        sections[one.id] = _section(one, rows)
    body = "".join(_parts(sections)) if len(sections) > 1 else "".join(sections.values())
    contents = "{\\small\\tableofcontents}\n\\clearpage\n" if len(sections) > 1 else ""
    title = title or ("Derivations" if len(sections) > 1 else "A derivation")
    return "\n".join(
        (
            rf"{PREAMBLE}\title{{{title}}}",
            rf"\author{{fisherfield {escaped(version('fisherfield'))}}}",
            "\\date{}\n\\begin{document}\n\\maketitle",
            f"{TOLD}\n\n{contents}{front}{body}",
            r"\section*{Symbols}\addcontentsline{toc}{section}{Symbols}",
            glossary(body),
            bibliography(one.source for one in theorems) + r"\end{document}",
            "",
        )
    )


def _parts(sections: Mapping[str, str]) -> list[str]:
    """The sections under the names of their parts."""
    text = []
    for name, members in PARTS.items():
        own = [sections[one.id] for one in members if one.id in sections]
        text += [f"\\part{{{name}}}\n", *own] if own else []
    return text


def _section(one: Theorem, rows: Sequence[Row] | None) -> str:
    proof = one.prove()
    proof.verify()
    says = one.says.rstrip(".")
    title = rf"\texorpdfstring{{{in_latex(says)}}}{{{escaped(says)}}}"
    return _linked(
        f"\\section{{{title}}}\\label{{theorem:{one.id}}}\n"
        f"{statement_in_latex(one, cited(one.source))}"
        f"\\par\\medskip\\noindent\\textbf{{Verdict.}} {table(one, rows)}"
        f"{lemmas_in_latex(proof.lemmas)}\n"
    )


def _linked(latex: str) -> str:
    """References to other theorems with the numbers of their sections."""
    names = "|".join(sorted((re.escape(one.id) for one in ALL), key=len, reverse=True))
    return re.sub(
        rf"\btheorem ({names})\b(?!-)",
        lambda found: rf"theorem \hyperref[theorem:{found[1]}]{{{found[1]}}}",
        latex,
    )
