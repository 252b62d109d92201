"""The command line.

Exit: 0 well, 1 a verdict fails, 2 meaningless input, 3 out of regime, 4 a sweep broke off.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from derivations import (
    bridge_command,
    calibrate_command,
    derive_command,
    descent_command,
    figure_command,
    flow_command,
    kernel_command,
    phase_command,
    spectrum_command,
    sweep_command,
)
from derivations.report import command as report
from derivations.tables import command as tables

if TYPE_CHECKING:
    from derivations.theorem import Theorem
    from theory.architecture import Network

NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+|/\d+)?$", re.IGNORECASE)
"""A value that begins with a minus: a decimal, with exponent, or a fraction."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and that knows every negative number."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._negative_number_matcher = NEGATIVE  # argparse's own knows no exponent

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    return _guarded(options.command, options)


def _guarded(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    from theory.errors import DescriptionError, NotConverged, OutOfRegime

    try:
        status = command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DescriptionError as problem:
        print(f"fisherfield: {problem}", file=sys.stderr)
        return 2
    except OutOfRegime as problem:
        return _without_result("out of regime", problem, options)
    except NotConverged as problem:
        return _without_result("not converged", problem, options)


def _without_result(why: str, problem: ArithmeticError, options: argparse.Namespace) -> int:
    print(f"fisherfield: {why}: {problem}", file=sys.stderr)
    if getattr(options, "json", False):
        _print_json({"regime": why, "reason": str(problem)})
    return 3


def _parser() -> Parser:
    parser = Parser(
        prog="fisherfield",
        description="Fisher information spectra of wide networks: predicted, measured, judged.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], int], name: str, text: str) -> Parser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=run)
        return sub

    sub = command(check, "check", "judge theorems against random networks")
    sub.add_argument("ids", nargs="*", metavar="ID", help="theorems; all by default")
    sub.add_argument("--all", action="store_true", help="also the cases outside the main job")
    sub.add_argument(
        "--precision", type=float, metavar="DELTA", help="relative error a verdict excludes: 0.02"
    )
    sub.add_argument(
        "--alpha", type=float, metavar="P", help="probability that a run refutes a truth: 0.001"
    )
    sub.add_argument(
        "--power", type=float, metavar="P", help="probability that an error of DELTA is found: 0.9"
    )
    sub.add_argument(
        "--from", dest="claims", metavar="FILE.py", help="judge the claims of this file"
    )
    sub.add_argument("--network", metavar="FILE", help="judge on this network (TOML)")
    sub.add_argument("--samples", type=int, metavar="N", help="with --network: samples")
    sub.add_argument(
        "--engine",
        metavar="ENGINE",
        help="explicit; conditional: networks of the same law at cost M; or the fastest for each "
        "row, as with --all or a precision below 0.02",
    )
    sub.add_argument("--json", action="store_true")

    sub = command(predict, "predict", "predict the Fisher statistics of a network")
    _sized(sub)
    sub.add_argument("--digits", type=int, metavar="n", help="digits, by arbitrary precision")
    sub.add_argument(
        "--regime",
        default="fixed-samples",
        metavar="REGIME",
        help="fixed-samples (default) or proportional",
    )
    sub.add_argument(
        "--outputs", metavar="FILE.npy", help="predict given these outputs, shape (C, N)"
    )
    sub.add_argument(
        "--outputs-seed", type=int, metavar="S", help="predict given outputs drawn from their law"
    )

    sub = command(measure, "measure", "measure the Fisher statistics of random networks")
    _sized(sub)
    sub.add_argument("--seeds", type=int, required=True, metavar="S", help="number of networks")
    sub.add_argument("--inputs", metavar="FILE.npy", help="inputs of shape (N, M_0)")
    sub.add_argument("--memory", type=float, default=16, metavar="GIB", help="memory budget: 16")
    sub.add_argument(
        "--top", type=int, metavar="K", help="the K largest eigenvalues alone, without the matrix"
    )

    sub = command(sweep_command.sweep, "sweep", "measure many networks and keep every number")
    sweep_command.add_arguments(sub)

    sub = command(kernel, "kernel", "Gaussian integrals of an activation over two samples")
    kernel_command.add_arguments(sub)

    sub = command(phase, "phase", "fixed points, depth scales and phase of a network")
    phase_command.add_arguments(sub)

    sub = command(
        descent, "descent", "gradient descent over widths and rates, beside the predicted threshold"
    )
    descent_command.add_arguments(sub)

    sub = command(flow, "flow", "gradient descent with weight decay beside its flow")
    flow_command.add_arguments(sub)

    sub = command(
        bridge, "bridge", "the spherical sharpness from the kernels beside random networks"
    )
    bridge_command.add_arguments(sub)

    sub = command(
        spectrum, "spectrum", "the density of the bulk beside eigenvalues of random networks"
    )
    spectrum_command.add_arguments(sub)

    sub = command(figure, "figure", "draw a figure for a paper, its data beside it")
    figure_command.add_arguments(sub)

    sub = command(report.run, "report", "verdicts, tables, figures and proofs on one page")
    report.add_arguments(sub)

    sub = command(list_theorems, "list", "list the theorems")
    sub.add_argument("--json", action="store_true")

    sub = command(derive_command.derive, "derive", "verify and print the proof of a theorem")
    derive_command.add_arguments(sub)

    sub = command(calibrate, "calibrate", "count the checker's own errors on simulated sweeps")
    calibrate_command.add_arguments(sub)

    sub = command(atlas, "atlas", "judge m, s and the largest eigenvalue of every scheme")
    sub.add_argument(
        "--engine",
        default="fastest",
        metavar="ENGINE",
        help="fastest of the two for each row (default), explicit or conditional",
    )
    sub.add_argument("--json", action="store_true")

    sub = command(tables.table, "table", "a table of predictions, measurements and verdicts")
    tables.add_table_arguments(sub)

    sub = command(tables.verify, "verify-table", "compare a table's file with its numbers")
    tables.add_verify_arguments(sub)
    return parser


def _sized(sub: Parser) -> None:
    sub.add_argument("network", metavar="NET", help="network file (TOML)")
    sub.add_argument("--width", type=int, required=True, metavar="M")
    sub.add_argument("--samples", type=int, required=True, metavar="N")
    sub.add_argument("--json", action="store_true")


def check(options: argparse.Namespace) -> int:
    from derivations import evidence
    from derivations.terminal import verdicts
    from theory.network_file import read_network

    names = ("precision", "alpha", "power", "samples", "engine")
    given = {name: getattr(options, name) for name in names}
    asked: Sequence[str | Theorem] | None = options.ids or None
    if options.claims is not None:
        from derivations.claims import read_claims

        asked = read_claims(options.claims, options.ids)
    rows = evidence.check(
        asked,
        read_network(options.network) if options.network else None,
        everything=options.all,
        **{name: value for name, value in given.items() if value is not None},
        say=_say,
    )
    if options.json:
        _print_json([row.to_json() for row in rows])
    else:
        print(verdicts(rows))
    for row in rows:
        for text in (row.reason, row.note):
            if text is not None:
                _say(f"{row.id}, {row.network}, {row.quantity}: {text}")
    return evidence.exit_status(rows)


def calibrate(options: argparse.Namespace) -> int:
    return calibrate_command.run(options, _say)


def atlas(options: argparse.Namespace) -> int:
    from derivations import atlas, evidence

    cells = atlas.atlas(options.engine, say=_say)
    if options.json:
        _print_json([cell.to_json() for cell in cells])
    else:
        print(atlas.to_text(cells))
    return evidence.exit_status(row for cell in cells for row in cell.rows.values())


def predict(options: argparse.Namespace) -> int:
    from theory.network_file import read_network
    from theory.prediction import predict, to_json

    prediction = predict(
        read_network(options.network),
        options.width,
        options.samples,
        digits=options.digits,
        regime=options.regime,
        outputs=None if options.outputs is None else _load(options.outputs),
        outputs_seed=options.outputs_seed,
    )
    return _show(to_json(prediction, options.digits), options.json)


def measure(options: argparse.Namespace) -> int:
    from numerics.ensemble import measure
    from theory.errors import DescriptionError
    from theory.last_layer import check_samples
    from theory.network_file import read_network

    network = read_network(options.network)
    if not 0 < options.memory < float("inf"):
        raise DescriptionError(f"memory must be a positive number of GiB, {options.memory} given")
    check_samples(network.last, options.samples)
    if options.top is not None:
        return _measure_top(network, options)
    inputs = None if options.inputs is None else _load(options.inputs)
    with _warnings_in_one_line():
        measured = measure(
            network,
            options.width,
            options.samples,
            options.seeds,
            inputs=inputs,
            memory_budget=int(options.memory * 2**30),
            progress=sys.stderr.isatty(),
        )
    sizes = {"width": options.width, "samples": options.samples, "seeds": options.seeds}
    return _show({"network": network.describe()} | sizes | _plain(measured), options.json)


def _measure_top(network: Network, options: argparse.Namespace) -> int:
    from numerics.eigenvalues import largest_eigenvalues
    from numerics.ensemble import Measurement
    from theory.errors import DescriptionError

    if options.inputs is not None:
        raise DescriptionError("--top draws its inputs; leave out --inputs")
    if options.seeds < 1:
        raise DescriptionError(
            f"seeds must be a positive number of networks, {options.seeds} given"
        )
    found = largest_eigenvalues(
        network,
        options.width,
        options.samples,
        range(options.seeds),
        options.top,
        memory_budget=int(options.memory * 2**30),
        progress=sys.stderr.isatty(),
    )
    sizes = {"width": options.width, "samples": options.samples, "seeds": options.seeds}
    ranks = zip(*found, strict=True)
    measured = {
        "largest_eigenvalues": [
            _plain(Measurement(tuple(one.value for one in rank))) for rank in ranks
        ],
        "residual": max(one.residual for network in found for one in network),
        "products": max(network[0].products for network in found),
    }
    return _show({"network": network.describe()} | sizes | measured, options.json)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """What the inputs are warned of is one line on stderr; other warnings stay as they are."""
    from theory.inputs import InputsWarning

    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, InputsWarning):
            _say(f"fisherfield: warning: {message}")
        else:
            shown(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputsWarning)
        warnings.showwarning = show
        yield


def _plain(measured: Any) -> Any:
    """Measurements as tables of numbers, in tables and lists of them."""
    match measured:
        case dict():
            return {name: _plain(one) for name, one in measured.items()}
        case list():
            return [_plain(one) for one in measured]
        case None:
            return None
    return {
        "mean": measured.mean,
        "standard_error": measured.standard_error,
        "values": list(measured.values),
    }


def _load(path: str) -> Any:
    """An array from a .npy file that nobody vouches for: nothing in it is executed."""
    from tokenize import TokenError

    import numpy as np

    from theory.errors import DescriptionError

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TokenError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot read an array from {path}: {reason}") from None


def kernel(options: argparse.Namespace) -> int:
    return _show(kernel_command.kernel(options), options.json)


def phase(options: argparse.Namespace) -> int:
    return _show(phase_command.phase(options), options.json)


def descent(options: argparse.Namespace) -> int:
    found = descent_command.descent(options)
    if options.json:
        _print_json(found)
    else:
        print(descent_command.to_text(found))
    return 0


def flow(options: argparse.Namespace) -> int:
    found, reason = flow_command.flow(options)
    if options.out is not None:
        flow_command.write(found, options.out)
    if options.json:
        _print_json(found)
    elif options.out is None:
        _show(flow_command.summary(found), as_json=False)
    if reason is not None:
        _say(f"fisherfield: out of regime: {reason}")
        return 3
    return 0 if found.get("verdict", "AGREES") == "AGREES" else 1


def bridge(options: argparse.Namespace) -> int:
    found = bridge_command.bridge(options)
    if options.json:
        _print_json(found)
    else:
        print(bridge_command.to_text(found))
    return 0


def spectrum(options: argparse.Namespace) -> int:
    found = spectrum_command.spectrum(options)
    if options.json:
        _print_json(found)
    else:
        print(spectrum_command.to_text(found))
    return 0


def list_theorems(options: argparse.Namespace) -> int:
    from derivations.catalogue import ALL

    if options.json:
        _print_json([{"id": theorem.id, "says": theorem.says} for theorem in ALL])
    else:
        width = max(len(theorem.id) for theorem in ALL)
        print("\n".join(f"{theorem.id:{width}}  {theorem.says}" for theorem in ALL))
    return 0


def figure(options: argparse.Namespace) -> int:
    for file in figure_command.run(options):
        print(file)
    return 0


def _show(statistics: dict[str, Any], as_json: bool) -> int:
    if as_json:
        _print_json(statistics)
        return 0
    from derivations.terminal import statistics as as_text

    print(as_text(statistics))
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
