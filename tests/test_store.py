"""The store: rows under their keys, one writer, and every kind of damage said clearly."""

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from numerics import store
from numerics.environment import origin
from numerics.store import Cell, Interrupted, Store, describe, read
from theory.architecture import Network
from theory.errors import DescriptionError

NETWORK = Network("tanh", depth=3, sigma_w2=1)
CELL = Cell(NETWORK, samples=4, width=64, engine="explicit")
VALUES = [(seed, name, 0.1 * seed + len(name)) for seed in range(5) for name in ("a", "bc")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def filled(path):
    with Store(path) as opened:
        opened.add(CELL, VALUES)
    return path


def test_rows_come_back_in_the_order_of_their_keys_bit_by_bit(path):
    other = CELL._replace(width=32)
    with Store(path) as opened:
        opened.add(CELL, reversed(VALUES))
        opened.add(other, [(0, "a", 2**-1074)])
        kept = opened.rows()
    assert read(path) == kept
    assert [row[1:] for row in kept] == [
        (4, 32, 0, "explicit", "a", 2**-1074, origin()),
        *((4, 64, seed, "explicit", name, value, origin()) for seed, name, value in VALUES),
    ]
    assert {row.network for row in kept} == {describe(NETWORK)}


def test_what_is_stored_is_known_by_quantity(path):
    with Store(filled(path)) as opened:
        assert opened.seeds(CELL) == {"a": set(range(5)), "bc": set(range(5))}
        assert opened.seeds(CELL._replace(samples=5)) == {}


def test_a_measurement_is_stored_whole_or_not_at_all(path):
    with Store(filled(path)) as opened:
        with pytest.raises(sqlite3.IntegrityError):
            opened.add(CELL, [(9, "a", 1.0), VALUES[0]])
        with pytest.raises(DescriptionError, match="a of network 9 at width 64 is nan"):
            opened.add(CELL, [(8, "a", 1.0), (9, "a", float("nan"))])
        assert len(opened.rows()) == len(VALUES)


def test_rows_of_another_package_version_are_kept_apart(path, monkeypatch):
    filled(path)
    newer = origin()._replace(version="9.9.9")
    monkeypatch.setattr(store, "origin", lambda: newer)
    with Store(path) as opened:
        assert opened.seeds(CELL) == {}
        opened.add(CELL, [(0, "a", 5.0)])
        assert [row.value for row in opened.rows()] == [5.0]
    assert [row.origin.version for row in read(path)].count("9.9.9") == 1
    assert len(read(path)) == len(VALUES) + 1


def test_a_second_writer_is_refused_and_readers_are_not(path):
    with Store(filled(path)):
        with pytest.raises(DescriptionError, match="being written by another process"):
            Store(path)
        assert len(read(path)) == len(VALUES)
    Store(path).close()


def test_a_store_is_locked_under_every_name(path):
    link = path.with_name("link.sqlite")
    link.symlink_to(filled(path))
    with Store(path), pytest.raises(DescriptionError, match="another process"):
        Store(link)


def test_the_lock_dies_with_its_process(path):
    text = (
        "import sys, os, signal; from numerics.store import Store; "
        f"Store({str(path)!r}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == -9
    filled(path)


def test_a_full_disk_loses_nothing_that_was_stored(path):
    with Store(filled(path)) as opened:
        pages = opened._connection.execute("PRAGMA page_count").fetchone()[0]
        opened._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Interrupted, match="disk is full; make room on its disk"):
            opened.add(CELL, [(seed, "d", 1.0) for seed in range(10_000)])
        assert len(opened.rows()) == len(VALUES)
    assert len(read(path)) == len(VALUES)


def altered(path, old, new):
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def test_damage_is_said_with_what_to_do(path):
    filled(path)
    for damage in (
        lambda: path.write_bytes(b"not a database, but long enough for a header" * 100),
        lambda: path.write_bytes(path.read_bytes()[:5000]),
        lambda: altered(path, b'"depth": 3', b'"depth": 4'),
        lambda: altered(path, f'"python": "{sys.version_info[0]}.'.encode(), b'"python": "2.'),
    ):
        whole = path.read_bytes()
        damage()
        for use in (Store, read):
            with pytest.raises(DescriptionError, match=r"is damaged \(.*put back a copy"):
                use(path)
        path.write_bytes(whole)
    Store(path).close()


def test_one_altered_bit_of_a_value_is_found(path):
    with Store(path) as opened:
        opened.add(CELL, [(0, "a", 1.2345678901234567)])
    value = struct.pack(">d", 1.2345678901234567)
    altered(path, value, value[:-1] + bytes([value[-1] ^ 1]))
    for use in (Store, read):
        with pytest.raises(DescriptionError, match="the a of network 0, M = 64, differs"):
            use(path)


def test_other_files_and_newer_stores_are_refused(path):
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {store.FORMAT + 1}")
    connection.close()
    other = path.with_name("other.sqlite")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    for use in (Store, read):
        with pytest.raises(DescriptionError, match=r"newer fisherfield.*upgrade"):
            use(path)
        with pytest.raises(DescriptionError, match="of another program"):
            use(other)


def test_a_store_killed_while_it_was_made_is_made_again(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert read(path) == []
    assert len(read(filled(path))) == len(VALUES)


@pytest.mark.parametrize("where", ["", "missing/results.sqlite"], ids=["directory", "missing"])
def test_a_path_that_is_no_file_is_refused(tmp_path, where):
    with pytest.raises(DescriptionError, match=r"cannot write .* a store needs a directory"):
        Store(tmp_path / where)
    with pytest.raises(DescriptionError, match="no such file"):
        read(tmp_path / where)


@pytest.fixture
def unprivileged():
    """A directory of its own for a user who is not root; permissions do not bind root."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield home
    if root:
        os.seteuid(0)
    home.chmod(0o755)
    shutil.rmtree(home)


def test_no_permission_to_write_is_said(unprivileged):
    if os.geteuid() != 65534:
        unprivileged.chmod(0o555)
    with pytest.raises(DescriptionError, match="Permission denied; a store needs a directory"):
        Store(unprivileged / "results.sqlite")
