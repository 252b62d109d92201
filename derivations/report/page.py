"""The HTML page: one file, no network, readable without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 "STIX Two Text", "Times New Roman", serif; margin: 0; color: #1a1a1a; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
nav { background: #f2f0eb; padding: 0.6rem 1.5rem; position: sticky; top: 0; z-index: 1; }
nav a { margin-right: 1.2rem; color: #31526b; text-decoration: none; }
h1, h2, h3 { font-weight: 600; line-height: 1.2; scroll-margin-top: 3.5rem; }
h2 { border-bottom: 1px solid #bbb; margin-top: 3rem; }
table { border-collapse: collapse; font-size: 0.8rem; margin: 1rem 0; }
.wide { overflow-x: auto; }
thead th { border-bottom: 1px solid #333; border-top: 2px solid #333; text-align: left; }
tbody tr:last-child td { border-bottom: 2px solid #333; }
th, td { padding: 0.15rem 0.6rem; vertical-align: baseline; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
tr.begins td { border-top: 1px solid #bbb; }
td.AGREES, td.agrees { color: #1b6e3c; }
td.REFUTED, td.refuted { color: #a3231f; font-weight: 600; }
figure { margin: 2rem 0; }
figure img { max-width: 100%; }
figcaption, caption { font-size: 0.9rem; text-align: left; color: #333; }
caption { padding-bottom: 0.4rem; }
.display { overflow-x: auto; margin: 0.5rem 0; }
details { border-left: 3px solid #d8d4c8; padding: 0 1rem; margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
li.step { list-style: none; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.5rem; }
dd { margin: 0; overflow-wrap: anywhere; }
@media print { nav { display: none; } details { border: 0; padding: 0; } }
"""


@dataclass(frozen=True)
class Section:
    """A part of the page with an anchor of its own."""

    anchor: str
    heading: str
    html: str


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole document.

    >>> text = page("A", "<p>B</p>", [Section("c", "C", "<p>D</p>")])
    >>> text.startswith("<!DOCTYPE html>"), '<h2 id="c">C</h2>' in text
    (True, True)
    """
    links = "".join(f'<a href="#{one.anchor}">{escape(one.heading)}</a>' for one in sections)
    body = "\n".join(
        f'<section><h2 id="{one.anchor}">{escape(one.heading)}</h2>\n{one.html}\n</section>'
        for one in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<nav>{links}</nav>\n<main>\n<h1>{escape(title)}</h1>\n{lead}\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )
