"""``fisherfield calibrate``: the checker's own error rates, and the priors that they rest on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from derivations.output_file import check_writable
from theory.errors import DescriptionError


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``calibrate`` reads."""
    sub.add_argument("--sweeps", type=int, metavar="S", help="simulated sweeps of each row: 20000")
    sub.add_argument(
        "--priors",
        action="store_true",
        help="instead: a long sweep of every kind of network, beside the declared priors",
    )
    sub.add_argument("--seconds", type=float, metavar="T", help="of one core for each kind: 30")
    sub.add_argument("--record", metavar="FILE", help="also write the rows of the long sweep")
    sub.add_argument("--json", action="store_true")


def run(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Print every promise; 1 if one is broken or a wrong checker is not caught."""
    if options.priors:
        return _priors(options, say)
    if options.seconds is not None or options.record is not None:
        raise DescriptionError("--seconds and --record belong to --priors")
    from derivations import calibrate

    given = {} if options.sweeps is None else {"sweeps": options.sweeps}
    found = calibrate.calibrate(**given, say=say)
    as_json = options.json
    print(json.dumps(found.to_json(), indent=2) if as_json else calibrate.to_text(found))
    return 0 if found.kept else 1


def _priors(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from derivations import priors

    if options.sweeps is not None:
        raise DescriptionError("--sweeps are simulated; --priors measures networks for --seconds")
    if options.record is not None:
        check_writable(options.record)
    seconds = priors.SECONDS if options.seconds is None else options.seconds
    found = priors.recheck(seconds, say)
    if options.record is not None:
        Path(options.record).write_text(priors.to_record(found.rows), encoding="utf-8")
    print(json.dumps(found.to_json(), indent=2) if options.json else priors.to_text(found))
    return 0 if found.kept else 1
