"""The front of the PDF: tables and figures before the proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FITTED = r"""\newcommand{\fitted}[1]{\sbox0{\includegraphics{#1}}%
\ifdim\wd0>\textwidth
\includegraphics[width=\textwidth,height=0.88\textheight,keepaspectratio]{#1}%
\else\usebox0\fi}"""
"""A figure in its own size, or in that of the page where it is larger."""


def front(tables: Iterable[str], captions: Mapping[str, str]) -> str:
    r"""LaTeX that reads ``tables/NAME.tex`` and ``figures/NAME.pdf``.

    >>> front(["a"], {"b": "C."}).count(r"\input{tables/a}")
    1
    """
    parts = [FITTED, r"\part{Tables}\clearpage", *(rf"\input{{tables/{name}}}" for name in tables)]
    parts += [r"\clearpage", r"\part{Figures}\clearpage"]
    parts += [
        "\n".join(
            (
                r"\begin{figure}[htbp]\centering",
                rf"\fitted{{figures/{name}}}",
                rf"\caption{{{caption}}}\label{{figure:{name}}}",
                r"\end{figure}",
            )
        )
        for name, caption in captions.items()
    ]
    return "\n".join((*parts, r"\clearpage", ""))
