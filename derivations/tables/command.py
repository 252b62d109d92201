"""``fisherfield table`` and ``fisherfield verify-table``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from derivations.output_file import check_writable
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from derivations.tables.record import Table
    from derivations.tables.stored import Stored

NAMES = (
    "normalization",
    "order-parameters",
    "atlas",
    "activations",
    "finite-width",
    "learning-rates",
    "sharpness",
    "scale-invariance",
)
RECORDED = ("format", "store", "network", "caption", "label")
"""Options that the first line of a table repeats."""


class _Recorded(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise DescriptionError(f"the command in the first line cannot be read: {message}")


def add_table_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``table`` reads."""
    sub.add_argument("name", metavar="NAME", help=", ".join(NAMES))
    sub.add_argument("--out", metavar="FILE")
    sub.add_argument("--format", default="latex", metavar="FORMAT", help="latex, markdown or csv")
    sub.add_argument("--store", metavar="FILE", help="measurements of a sweep of plans/NAME.toml")
    sub.add_argument("--network", metavar="FILE", help="of order-parameters (TOML)")
    sub.add_argument("--caption", metavar="TEXT", help="in place of the table's own")
    sub.add_argument("--label", metavar="TEXT", help="of LaTeX: tab:NAME")


def add_verify_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``verify-table`` reads."""
    sub.add_argument("file", metavar="FILE", help="a table with its first line")
    sub.add_argument("--store", metavar="FILE", help="where its measurements are")
    sub.add_argument("--remeasure", action="store_true", help="measure again, to the last digit")


def table(options: argparse.Namespace) -> int:
    """Print or write a table; the exit status follows its verdicts.

    Raises ``DescriptionError`` for what has no meaning, and where measurements are missing.
    """
    from derivations.tables import header
    from derivations.tables.formats import FORMATS
    from numerics.environment import origin

    _check(options)
    if options.out is not None:
        check_writable(options.out)
    made = _made(options, options.store)
    body = FORMATS[options.format].render(made, options.label)
    here = origin()
    first = header.Header(
        _command(options), here.version, here.seed_base, made.key, header.digest(body)
    )
    text = f"{first.line(options.format)}\n{body}"
    if options.out is None:
        print(text, end="")
        return made.status
    try:
        Path(options.out).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise DescriptionError(f"cannot write {options.out}: {problem.strerror}") from None
    return made.status


def verify(options: argparse.Namespace) -> int:
    """Compare a table's file with its numbers made anew: 0 equal, 1 different, named on stderr.

    Raises ``DescriptionError`` for a file without the first line of a table.
    """
    from derivations.tables import header
    from derivations.tables.catalogue import TABLES
    from derivations.tables.formats import FORMATS
    from derivations.tables.verification import differences

    try:
        first, _, body = Path(options.file).read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError) as problem:
        raise DescriptionError(f"cannot read {options.file}: {problem}") from None
    read = header.read(first)
    if read is None:
        raise DescriptionError(
            f"{options.file} has no first line of fisherfield table, with the command, version, "
            "seed base, store key and SHA-256; make it again with --out"
        )
    form, found = read
    parser = _Recorded(add_help=False)
    add_table_arguments(parser)
    asked = parser.parse_args(_words(found.command))
    _check(asked)
    if asked.format != form:
        raise DescriptionError(
            f"the first line of {options.file} is a comment of {form}, its command says "
            f"{asked.format}"
        )
    if options.store is not None and options.remeasure:
        raise DescriptionError("--store and --remeasure are both given; choose one")
    if options.remeasure and asked.store is not None:
        raise DescriptionError(
            f"the measurements of {options.file} are those of a store, {asked.store}, and other "
            "networks than fresh ones; give --store FILE where it is elsewhere"
        )
    store = options.store or asked.store
    if TABLES[asked.name].measured and store is None and not options.remeasure:
        raise DescriptionError(
            f"the measurements of {options.file} were made afresh: give --remeasure to measure "
            "again" + (", or --store FILE" if TABLES[asked.name].stored else "")
        )
    made = _made(asked, store)
    said = differences(body, found, FORMATS[form], made, asked.label, options.remeasure)
    for one in said:
        _say(f"{options.file} differs: {one}")
    return 1 if said else 0


def _check(options: argparse.Namespace) -> None:
    from derivations.tables.catalogue import TABLES
    from derivations.tables.formats import FORMATS

    for what, value, known in (
        ("table", options.name, TABLES),
        ("format", options.format, FORMATS),
    ):
        if value not in known:
            raise DescriptionError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    entry = TABLES[options.name]
    if options.network is not None and not entry.network:
        raise DescriptionError(f"the table {options.name} has its own networks; no --network")
    if options.label is not None and options.format != "latex":
        raise DescriptionError("--label belongs to --format latex")
    if options.caption is not None and options.format == "csv":
        raise DescriptionError("--caption has no place in --format csv")
    for name in RECORDED:
        value = getattr(options, name)
        if value is not None and not value.isprintable():
            raise DescriptionError(f"--{name} must be one line of text, {value!r} given")
    _check_store(options.name, options.store)


def _check_store(name: str, store: str | None) -> None:
    from derivations.tables.catalogue import TABLES

    if store is not None and not TABLES[name].stored:
        raise DescriptionError(
            f"the table {name} has no measurements that a store holds; leave out --store"
        )


def _made(options: argparse.Namespace, store: str | None) -> Table:
    from derivations.tables.catalogue import TABLES
    from derivations.tables.record import titled
    from derivations.tables.request import Request
    from theory.network_file import read_network

    _check_store(options.name, store)
    network = None if options.network is None else read_network(options.network)
    request = Request(_stored(options.name, store), network, _say)
    return titled(TABLES[options.name].build(request), options.caption)


def _stored(name: str, store: str | None) -> Stored | None:
    from derivations.tables.stored import Stored

    return None if store is None else Stored(store, f"plans/{name}.toml")


def _command(options: argparse.Namespace) -> str:
    """The words after ``fisherfield table`` that make this table again."""
    given: list[Any] = [options.name]
    for name in RECORDED:
        value = getattr(options, name)
        if value is not None and (name, value) != ("format", "latex"):
            given += [f"--{name}", value]
    return shlex.join(given)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as problem:
        raise DescriptionError(f"the command in the first line cannot be read: {problem}") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr)
