"""Sweeps on a Dask cluster of this machine: the same bits, and what is said when it is lost."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from derivations.cli import main
from derivations.sweep_plan import parse_plan
from numerics.store import Store, read
from numerics.sweep import run
from numerics.workers import Local

pytest.importorskip("distributed")

PLAN = """
widths = [64, 128]
seeds = 200
samples = 3
quantities = ["off_diagonal", "biases.uniform"]
[network]
activation = "relu"
depth = 3
sigma_w2 = 2
sigma_b2 = 0.1
"""


def drain(stream):
    with stream:
        stream.read()


def launched(module, *arguments):
    """A process of Dask, and the address that it prints first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + module, *arguments, "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    for line in process.stderr:
        if found := re.search(r"(?:Scheduler|Start worker) at:\s+(tcp://\S+)", line):
            threading.Thread(target=drain, args=(process.stderr,)).start()
            return process, found[1]
    raise AssertionError(f"{module} did not start")


@pytest.fixture(scope="module")
def cluster():
    """The address of a scheduler with two workers of one thread, and their processes."""
    scheduler, address = launched("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    workers = [
        launched("dask_worker", address, "--nthreads", "1", "--no-nanny")[0] for _ in range(2)
    ]
    yield address, scheduler, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("whole") / "results.sqlite") as store:
        return run(parse_plan(PLAN), store, Local(1))


@pytest.fixture
def command(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    return ["sweep", str(plan), "--store", str(tmp_path / "results.sqlite"), "--cluster"]


def test_a_cluster_gives_the_same_bits(cluster, undisturbed, command, capsys):
    assert main([*command, cluster[0]]) == 0
    assert "estimated time" in capsys.readouterr().err
    assert read(command[3]) == undisturbed


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_an_address_that_does_not_answer_is_refused(address, command, capsys, tmp_path):
    assert main([*command, address]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert repr(address) in error
    assert not (tmp_path / "results.sqlite").exists()


def test_a_missing_client_is_named(command, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*command, "tcp://127.0.0.1:9"]) == 2
    assert "pip install 'fisherfield[cluster]'" in capsys.readouterr().err


def test_lost_workers_and_schedulers_lose_nothing(cluster, undisturbed, command, tmp_path, capsys):
    """One worker killed: the other does its blocks. The scheduler killed: exit status 4."""
    address, scheduler, workers = cluster
    stop = threading.Event()

    def kill(process, rows):
        while not stop.is_set():
            try:
                if len(read(command[3])) >= rows:
                    process.send_signal(signal.SIGKILL)
                    return
            except ValueError:  # the store is not there yet
                pass
            stop.wait(0.002)

    killers = [
        threading.Thread(target=kill, args=(process, rows))
        for process, rows in ((workers[0], 1), (scheduler, 300))
    ]
    for killer in killers:
        killer.start()
    try:
        status = main([*command, address])
    finally:
        stop.set()
        for killer in killers:
            killer.join()
    assert status == 4
    assert f"the cluster at {address} was lost" in capsys.readouterr().err
    found = read(command[3])
    assert 300 <= len(found) < len(undisturbed)
    assert set(found) <= set(undisturbed)
    with Store(command[3]) as store:
        assert run(parse_plan(PLAN), store, Local(1)) == undisturbed
