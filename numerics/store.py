r"""A store of measurements: one SQLite file, one writer, and nothing finished is lost.

A row is one quantity of one network, under the key (network, N, width, seed index, engine,
quantity) and the origin of its bits (package version, seed, environment). Rows are only added. The
file is in WAL mode: a transaction that was committed survives the death of the process. A lock on
the file ``PATH.lock`` belongs to the one writer and dies with it; readers need none.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numerics.environment import Origin, digest, origin
from theory.architecture import DescriptionError, Network

APPLICATION = 0x66736865
"""The application_id of a store, "fshe": tells it from other SQLite files."""

FORMAT = 1
"""The user_version of a store. It grows when older versions cannot read what is written."""

TABLES = (
    "CREATE TABLE networks (id TEXT PRIMARY KEY, description TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE origins (id TEXT PRIMARY KEY, version TEXT NOT NULL, seed_base INTEGER NOT NULL, "
    "environment TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE measurements (network TEXT NOT NULL REFERENCES networks, "
    "samples INTEGER NOT NULL, width INTEGER NOT NULL, seed INTEGER NOT NULL, "
    "engine TEXT NOT NULL, quantity TEXT NOT NULL, origin TEXT NOT NULL REFERENCES origins, "
    "value REAL NOT NULL, checksum INTEGER NOT NULL, "
    "PRIMARY KEY (network, samples, width, seed, engine, quantity, origin)) WITHOUT ROWID",
)


class Interrupted(RuntimeError):
    """A sweep cannot go on; what it finished is stored, and the same command goes on from there."""


class Cell(NamedTuple):
    """Networks that differ in nothing but their random numbers, measured by one engine."""

    network: Network
    samples: int
    width: int
    engine: str


class Row(NamedTuple):
    """One stored number; ``network`` is the text that ``describe`` gives, JSON."""

    network: str
    samples: int
    width: int
    seed: int
    engine: str
    quantity: str
    value: float
    origin: Origin


def describe(network: Network) -> str:
    """The canonical text of a network, the JSON of its fields: equal for equal networks."""
    return json.dumps(network.describe(), sort_keys=True)


def read(path: str | Path) -> list[Row]:
    """All rows of a store in the order of their keys, while others may write to it.

    Raises ``DescriptionError`` if there is no store, or it is damaged or of a newer version.

    >>> read("no_such_directory/results.sqlite")
    Traceback (most recent call last):
        ...
    theory.errors.DescriptionError: cannot read no_such_directory/results.sqlite: no such file
    """
    if not Path(path).is_file():
        raise DescriptionError(f"cannot read {path}: no such file")
    with _damage(path), closing(_connect(path, "ro")) as connection:
        if not _formatted(connection, path):
            return []
        return list(_rows(connection))


class Store:
    """The one writer of a store; a context manager.

    The file is made if it does not exist. Raises ``DescriptionError`` if another process writes to
    it, it cannot be written, is damaged, of a newer version, or no store.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.origin = origin()
        self._lock = _locked(self.path)
        try:
            with _damage(self.path):
                self._connection = _connect(self.path, "rwc")
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        new = not _formatted(self._connection, self.path)
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        if not new:
            found = run("PRAGMA integrity_check").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found.partition("\n")[0])
            for _ in _rows(self._connection):
                pass
        with self._transaction():
            if new:
                for table in TABLES:
                    run(table)
                run(f"PRAGMA application_id = {APPLICATION}")
                run(f"PRAGMA user_version = {FORMAT}")
            run(
                "INSERT INTO origins VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (self.origin.digest, *self.origin),
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let the next writer in."""
        if hasattr(self, "_connection"):
            self._connection.close()
        os.close(self._lock)

    def seeds(self, cell: Cell) -> dict[str, set[int]]:
        """The indices of the networks measured with the present origin, by quantity."""
        found: dict[str, set[int]] = {}
        for quantity, seed in self._connection.execute(
            "SELECT quantity, seed FROM measurements "
            "WHERE network = ? AND samples = ? AND width = ? AND engine = ? AND origin = ?",
            (
                digest(describe(cell.network)),
                cell.samples,
                cell.width,
                cell.engine,
                self.origin.digest,
            ),
        ):
            found.setdefault(quantity, set()).add(seed)
        return found

    def add(self, cell: Cell, values: Iterable[tuple[int, str, float]]) -> None:
        """Store (seed index, quantity, value) of one cell: all of them, or none.

        Raises ``Interrupted`` if the disk is full or fails, ``DescriptionError`` for a value that
        is not finite, and ``sqlite3.IntegrityError`` for a row that is there already.
        """
        description = describe(cell.network)
        place = (digest(description), cell.samples, cell.width)
        rows = []
        for seed, quantity, value in values:
            if not math.isfinite(value):
                raise DescriptionError(
                    f"{quantity} of network {seed} at width {cell.width} is {value}, of "
                    f"{cell.network}; leave it out of the quantities"
                )
            key = (*place, seed, cell.engine, quantity, self.origin.digest)
            rows.append((*key, value, _checksum(*key, value)))
        try:
            with self._transaction():
                self._connection.execute(
                    "INSERT INTO networks VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (place[0], description),
                )
                self._connection.executemany(
                    "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
        except sqlite3.OperationalError as problem:
            raise Interrupted(
                f"cannot write {self.path}: {problem}; make room on its disk, then run the same "
                "command again: what was finished is stored"
            ) from None

    def rows(self) -> list[Row]:
        """The rows with the present origin, in the order of their keys."""
        return [row for row in _rows(self._connection) if row.origin == self.origin]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _locked(path: Path) -> int:
    """The descriptor of a lock on this path, held until it is closed or the process dies."""
    lock = -1
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DescriptionError(
            f"{path} is being written by another process; wait for it, or use another store"
        ) from None
    except OSError as problem:
        raise DescriptionError(
            f"cannot write {path}: {problem.strerror}; a store needs a directory and files that "
            "you may write"
        ) from None
    return lock


def _connect(path: str | Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=60
    )


def _formatted(connection: sqlite3.Connection, path: str | Path) -> bool:
    """Whether the file is a store that this version reads; False if it is still empty."""
    application, written, tables = (
        connection.execute(question).fetchone()[0]
        for question in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_schema",
        )
    )
    if application == 0 and tables == 0:
        return False
    if application != APPLICATION:
        raise DescriptionError(f"{path} is an SQLite file of another program; use another store")
    if written > FORMAT:
        raise DescriptionError(
            f"{path} was written by a newer fisherfield (format {written}, this one knows "
            f"{FORMAT}); upgrade fisherfield, or use another store"
        )
    return True


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every row in the order of its key; ``sqlite3.DatabaseError`` where one was altered."""
    descriptions = dict(connection.execute("SELECT id, description FROM networks"))
    origins = {id: Origin(*fields) for id, *fields in connection.execute("SELECT * FROM origins")}
    if not all(digest(description) == id for id, description in descriptions.items()):
        raise sqlite3.DatabaseError("the description of a network differs")
    if not all(origin.digest == id for id, origin in origins.items()):
        raise sqlite3.DatabaseError("the description of an environment differs")
    for *fields, checksum in connection.execute(
        "SELECT network, samples, width, seed, engine, quantity, origin, value, checksum "
        "FROM measurements LEFT JOIN networks ON network = networks.id "
        "ORDER BY description, samples, width, seed, engine, quantity, origin"
    ):
        network, samples, width, seed, engine, quantity, source, value = fields
        if _checksum(*fields) != checksum or network not in descriptions or source not in origins:
            raise sqlite3.DatabaseError(f"the {quantity} of network {seed}, M = {width}, differs")
        described, where = descriptions[network], origins[source]
        yield Row(described, samples, width, seed, engine, quantity, value, where)


def _checksum(*fields: Any) -> int:
    return zlib.crc32(repr(fields).encode())


@contextmanager
def _damage(path: str | Path) -> Iterator[None]:
    """Say what to do about a file that SQLite cannot use."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        raise DescriptionError(f"cannot open {path}: {problem}") from None
    except sqlite3.DatabaseError as problem:
        raise DescriptionError(
            f"{path} is damaged ({problem}); put back a copy of it, or move it away with its -wal "
            "and -shm files and measure again"
        ) from None
