"""A network from a TOML file: the same fields as ``Network``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from theory.architecture import DescriptionError, Network, check_key

FIELDS = (*(field.name for field in fields(Network)), "hidden")
REQUIRED = ("activation", "depth", "sigma_w2")


def read_network(path: str | Path) -> Network:
    """Read a network description.

    Raises ``DescriptionError`` for a file that cannot be read, is not TOML (with line and
    column), has an unknown key (with the nearest known one) or a meaningless value.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as problem:
        raise DescriptionError(f"cannot read {path}: {problem}") from None
    return parse_network(text, str(path))


def parse_network(text: str, source: str = "network") -> Network:
    """The network that a TOML text describes; ``source`` names it in messages.

    >>> str(parse_network('activation = "tanh"\\ndepth = 3\\nsigma_w2 = 3\\nsigma_b2 = 0.64'))
    'tanh (3, 0.64), L=3'
    """
    table = read_table(text, source, FIELDS, REQUIRED)
    return Network(table.pop("activation"), **table)


def read_table(
    text: str, source: str, known: Collection[str], required: Collection[str]
) -> dict[str, Any]:
    """The table of a TOML text, with known keys alone and all that are required.

    Raises ``DescriptionError``, which names the source and the key.

    >>> read_table("a = 1", "numbers", ("a", "b"), ("a",))
    {'a': 1}
    """
    try:
        table = tomllib.loads(f"{text}\n")  # so that an error on the last line has a line number
    except tomllib.TOMLDecodeError as problem:
        raise DescriptionError(f"{source}: {problem}") from None
    except (RecursionError, ValueError):
        raise DescriptionError(f"{source}: nested too deep, or a number too long") from None
    for key in table:
        check_key(key, known, source)
    missing = [key for key in required if key not in table]
    if missing:
        raise DescriptionError(f"{source}: missing {', '.join(missing)}")
    return table
