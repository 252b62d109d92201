"""The first line of a table's file: the command, and what its numbers can be traced by."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from derivations.tables.formats import FORMATS

PATTERN = re.compile(
    r"fisherfield table (?P<command>.*) \| version (?P<version>\S+) \| seed base (?P<seed>\d+) "
    r"\| store (?P<key>\S+) \| sha256 (?P<digest>[0-9a-f]{64})$"
)


class Header(NamedTuple):
    """Words after ``table``, package version, seed base, store key, SHA-256 of the body."""

    command: str
    version: str
    seed_base: int
    key: str
    digest: str

    def line(self, form: str) -> str:
        """The comment of this format, without the end of the line."""
        before, after = FORMATS[form].comment
        return (
            f"{before}fisherfield table {self.command} | version {self.version} | "
            f"seed base {self.seed_base} | store {self.key} | sha256 {self.digest}{after}"
        )


def digest(body: str) -> str:
    """SHA-256 of the body in hexadecimal digits."""
    return hashlib.sha256(body.encode()).hexdigest()


def read(line: str) -> tuple[str, Header] | None:
    """The format and the header that a first line holds, or None.

    >>> line = Header("atlas", "0.1.0", 7, "none", digest("")).line("markdown")
    >>> read(line)[0], read(line)[1].command, read("An atlas.")
    ('markdown', 'atlas', None)
    """
    for name, form in FORMATS.items():
        before, after = form.comment
        if line.startswith(before) and line.endswith(after):
            inside = line.removeprefix(before).removesuffix(after)
            if found := PATTERN.match(inside):
                return name, Header(
                    found["command"],
                    found["version"],
                    int(found["seed"]),
                    found["key"],
                    found["digest"],
                )
    return None
