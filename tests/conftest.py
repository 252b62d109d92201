"""Hypothesis profiles, the same examples in every run by default; and how a command is run."""

import os
from collections.abc import Iterator

import mpmath
import pytest
from hypothesis import settings

from derivations.cli import main
from numerics.threads import one_thread

pytest.register_assert_rewrite("tests.cases", "tests.command_line", "tests.small_networks")

from tests.command_line import RELU, strict, toml  # noqa: E402

one_thread()  # processes and threads share the processors already

collect_ignore = ["reference"]  # scripts: importing them sets mpmath's digits for all

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def usual_digits() -> Iterator[None]:
    """mpmath's default digits, whatever another test or the import of a script left."""
    with mpmath.workdps(15):
        yield


@pytest.fixture
def net(tmp_path):
    """Writes a network file; names and lists look the same in TOML and JSON."""

    def write(base=RELU, **fields):
        path = tmp_path / "net.toml"
        lines = [f"{key} = {toml(value)}" for key, value in (base | fields).items()]
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def run(capsys):
    """Runs a command line: its exit status, and what it wrote."""

    def command(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def result(run):
    """The JSON of a command that ends well and says nothing else."""

    def command(*arguments):
        status, out, err = run(*arguments, "--json")
        assert (status, err) == (0, "")
        return strict(out)

    return command
