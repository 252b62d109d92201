"""A figure: a record that the command line, the report and the tests read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from derivations.figures.series import Series
from theory.architecture import Network
from theory.errors import DescriptionError


@dataclass(frozen=True)
class Request:
    """What a figure shows; None where the figure does not read it.

    ``seeds``: how many networks at each width. ``problem`` names one of gradient descent with
    weight decay, ``verdicts`` a file that ``fisherfield check --json`` wrote.
    """

    network: Network | None = None
    widths: tuple[int, ...] | None = None
    samples: int | None = None
    seeds: int | None = None
    problem: str | None = None
    verdicts: str | None = None

    def filled(self, name: str, given: Request) -> Request:
        """These defaults, and what is given instead; ``DescriptionError`` for what is not read."""
        asked = {one.name: getattr(given, one.name) for one in fields(given)}
        asked = {option: value for option, value in asked.items() if value is not None}
        known = [one.name for one in fields(self) if getattr(self, one.name) is not None]
        for option in asked:
            if option not in known:
                raise DescriptionError(
                    f"the figure {name} does not read --{option}; it reads "
                    f"{', '.join(f'--{one}' for one in known) or 'no option'}"
                )
        found = replace(self, **asked)
        if self.widths is not None and len(self.widths) == 1 and len(found.widths or ()) != 1:
            raise DescriptionError(
                f"the figure {name} shows one width, --widths names {len(found.widths or ())}"
            )
        return found


@dataclass(frozen=True)
class Picture:
    """``data(request)`` computes the series, ``draw(series)`` makes a matplotlib figure of them.

    ``says`` is the caption. ``draw`` runs under the rules of ``derivations.figures.page``.
    """

    name: str
    says: str
    defaults: Request
    data: Callable[[Request], list[Series]]
    draw: Callable[[list[Series]], Any]
