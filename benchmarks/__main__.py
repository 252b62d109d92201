"""Measure everything, or the scripts named, and write the page of all that was measured last.

``make bench`` runs this after it has installed the peers. What is measured is kept in
``.bench/results``, so that the page stays whole when one script runs again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import SCRIPTS, Script
from benchmarks.environments import PEERS, ROOT, interpreter, variables
from benchmarks.page import Outcome, page
from benchmarks.rows import Result

BROKEN = "not measured: "
"""How the text begins where a script broke off."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 if a script could not measure; that a need is missed is no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scripts; all by default")
    parser.add_argument("--smoke", action="store_true", help="short: tiny sizes, no peers")
    parser.add_argument("--out", type=Path, help="the page; docs/benchmarks.md by default")
    o = parser.parse_args(arguments)
    known = {script.name: script for script in SCRIPTS}
    for name in o.names:
        if name not in known:
            parser.error(f"unknown script {name!r}; known: {', '.join(known)}")
    if o.smoke:
        if o.out is None:
            parser.error(
                "--smoke needs --out FILE, so that it does not overwrite what was measured"
            )
        with tempfile.TemporaryDirectory() as folder:
            short = [script for script in SCRIPTS if script.smoke is not None]
            return measured(short, Path(folder), o.out, smoke=True)
    results = PEERS / "results"
    results.mkdir(parents=True, exist_ok=True)
    scripts = [known[name] for name in o.names] or SCRIPTS
    return measured(scripts, results, o.out or ROOT / "docs" / "benchmarks.md", smoke=False)


def measured(scripts: Sequence[Script], results: Path, out: Path, *, smoke: bool) -> int:
    """Run the scripts and write the page."""
    for script in scripts:
        print(f"{script.name}:", flush=True)
        print(measure(script, results, smoke=smoke), flush=True)
    known = [one for script in SCRIPTS if (one := outcome(script, results)) is not None]
    out.write_text(page(known), encoding="utf-8")
    print(f"written to {out}")
    return int(any(one.script in scripts and one.text.startswith(BROKEN) for one in known))


def measure(script: Script, results: Path, *, smoke: bool) -> str:
    """Run one script in its environment; what it said, or why it could not measure."""
    rows, said = results / f"{script.name}.rows", results / f"{script.name}.txt"
    rows.unlink(missing_ok=True)
    try:
        python = str(interpreter(script.environment))
    except SystemExit as missing:
        said.write_text(BROKEN + str(missing), encoding="utf-8")
        return said.read_text(encoding="utf-8")
    options = (script.smoke or "").split() if smoke else []
    command = [python, "-m", f"benchmarks.{script.name}", *options, "--rows", str(rows)]
    done = subprocess.run(
        command, cwd=ROOT, env=variables(os.environ), capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        said.write_text(BROKEN + reason, encoding="utf-8")
        return done.stdout + done.stderr
    said.write_text("", encoding="utf-8")
    return done.stdout


def outcome(script: Script, results: Path) -> Outcome | None:
    """What is known of a script; None if it never ran."""
    rows, said = (results / f"{script.name}.{ending}" for ending in ("rows", "txt"))
    if not said.exists():
        return None
    result = Result.read(rows) if rows.exists() else None
    return Outcome(script, result, said.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
