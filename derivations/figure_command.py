"""``fisherfield figure``: a figure as PDF and PNG, and its data as CSV beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derivations.output_file import check_writable
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from derivations.figures.record import Picture, Request
    from derivations.figures.series import Series

FORMATS = (".pdf", ".png")
DATA = ".csv"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``figure`` reads."""
    sub.add_argument("name", metavar="NAME", help="width, spectrum, learning-rate, bulk, ...")
    sub.add_argument("--out", metavar="STEM", help="writes STEM.pdf, .png and .csv; default: NAME")
    sub.add_argument("--network", metavar="NET", help="network file (TOML) in place of its own")
    sub.add_argument("--widths", metavar="M,...", help="widths, with commas")
    sub.add_argument("--samples", type=int, metavar="N")
    sub.add_argument("--seeds", type=int, metavar="S", help="networks at each width")
    sub.add_argument("--problem", metavar="PROBLEM", help="of gradient descent with weight decay")
    sub.add_argument("--verdicts", metavar="FILE", help="written by check --json")
    sub.add_argument("--data", metavar="FILE", help="draw this CSV again and measure nothing")


def run(options: argparse.Namespace) -> list[Path]:
    """Write the figure and its data; the files.

    Raises ``DescriptionError`` for an unknown name, options that the figure does not read, a folder
    that cannot be written, and without matplotlib.
    """
    from derivations.figures.catalogue import FIGURES
    from derivations.figures.page import rules
    from derivations.figures.series import origin_of, read_csv
    from theory.validation import look_up

    picture = look_up(options.name, FIGURES, "figure")
    stem = Path(picture.name if options.out is None else options.out)
    for file in files(stem):
        check_writable(str(file))
    with rules():
        request = picture.defaults.filled(picture.name, _request(options))
        kept = None
        if options.data is not None:
            kept = read_csv(options.data), origin_of(options.data)
        write(picture, request, stem, kept)
    return files(stem)


def files(stem: Path) -> list[Path]:
    """What is written for a figure of this name."""
    return [stem.with_name(stem.name + suffix) for suffix in (*FORMATS, DATA)]


def write(
    picture: Picture,
    request: Request,
    stem: Path,
    kept: tuple[list[Series], list[str]] | None = None,
) -> Any:
    """Draw the figure, write it with its data, and return it; ``kept``: data and its origin."""
    from derivations.figures.page import save
    from derivations.figures.series import to_csv

    if kept is None:
        title = f"fisherfield figure {picture.name}"
        shown, origin = picture.data(request), [title, *_origin(request)]
    else:
        shown, origin = kept
    figure = picture.draw(shown)
    *pictures, table = files(stem)
    for file in pictures:
        save(figure, file)
    try:
        table.write_text(to_csv(shown, origin), encoding="utf-8")
    except OSError as problem:
        raise DescriptionError(f"cannot write {table}: {problem.strerror}") from None
    return figure


def _request(options: argparse.Namespace) -> Request:
    from derivations.figures.record import Request
    from theory.network_file import read_network
    from theory.validation import whole

    def widths(text: str) -> tuple[int, ...]:
        try:
            return tuple(int(one) for one in text.split(","))
        except ValueError:
            raise DescriptionError(
                f"--widths needs whole numbers with commas, {text!r} given"
            ) from None

    least = {"samples": 4, "seeds": 2}
    numbers = {
        name: None if value is None else whole(f"--{name}", value, least=least[name])
        for name, value in (("samples", options.samples), ("seeds", options.seeds))
    }
    return Request(
        network=None if options.network is None else read_network(options.network),
        widths=None if options.widths is None else widths(options.widths),
        problem=options.problem,
        verdicts=options.verdicts,
        **numbers,
    )


def _origin(request: Request) -> list[str]:
    from importlib.metadata import version

    from numerics.ensemble import SEED_BASE

    settings = ", ".join(
        f"{name} = {value}" for name, value in vars(request).items() if value is not None
    )
    return [
        f"version {version('fisherfield')}, seed base {SEED_BASE}, Python {sys.version.split()[0]}",
        settings,
    ]
