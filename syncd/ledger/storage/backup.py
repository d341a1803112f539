"""A copy of a ledger in one file, taken beside a running daemon, and put back.

A SQLite ledger is copied page by page by SQLite's own backup, which sees one state whatever is written meanwhile; one in
PostgreSQL is read in one transaction into a SQLite file. Putting back goes the same way into the database that is there, never by
moving files under a process that has them open. What was there is copied aside first. Cursors and budgets are not put back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from syncd.errors import LedgerError, UsageError
from syncd.ledger import chain
from syncd.ledger.storage import checkpoint, rows
from syncd.ledger.storage.copying import copy_into, copy_ledger
from syncd.ledger.storage.database import Database, open_database
from syncd.ledger.storage.sql import Connection
from syncd.ledger.storage.sqlite import SqliteDatabase
from syncd.model import Head

BUSY_SECONDS = 30.0

NOTHING = Head(0, "")


@dataclass(frozen=True, slots=True)
class PutBack:
    """*backup*: the end of what was put back. *lost*: the end of what was there and is no part of it (the same: nothing was
    lost; 0: nothing is known of it). *aside*: where the ledger that was there lies now, if there was one."""

    backup: Head
    lost: Head
    aside: Path | None


def url_of(path: Path) -> str:
    """The ledger URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def back_up(url: str, file: Path) -> Head:
    """Copies the ledger into a new file, which appears whole or not at all, and follows the copy's chain; gives its end. Raises
    ConfigError, UsageError (the file is there, no ledger), LedgerError."""
    if file.exists():
        raise UsageError(f"{file} is there already", "Name a new file: no backup is overwritten.")
    new = file.with_name(f"{file.name}.new")
    try:
        if _is_sqlite(url):
            source = open_database(url, create=False, busy_seconds=BUSY_SECONDS)
            try:
                if not source.read(lambda connection: _pages_into(connection, new), otherwise=False):
                    raise UsageError(f"{source.where} holds no ledger", "Check ledger.url.")
            finally:
                source.close()
        else:
            new.unlink(missing_ok=True)
            _made(new)
            copy_ledger(url, url_of(new))
        head = head_of_file(new)
        _settled(new)
        new.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror})") from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + ending).unlink(missing_ok=True)
    return head


def head_of_file(file: Path) -> Head:
    """The end of a backup's chain, every entry followed. Raises UsageError (no ledger), ConfigError (a name
    that no ledger can have), LedgerError (it does not verify)."""
    if not file.is_file():
        raise UsageError(f"{file} is no file", "Name a file that syncd ledger backup wrote.")
    database = open_database(url_of(file), create=False, busy_seconds=BUSY_SECONDS)
    try:
        found = database.read(lambda connection: chain.audit(rows.entries_after(connection, 0)), chain.audit(()))
    finally:
        database.close()
    if not found.ok:
        raise LedgerError(f"{file} does not verify: {found.problem}; nothing was done", "Take another copy.")
    if found.head.seq == 0:
        raise UsageError(f"{file} holds no ledger", "Name a file that syncd ledger backup wrote.")
    return found.head


def put_back(url: str, file: Path, stamp: str, demand_lock: Callable[[Database], Callable[[], None]]) -> PutBack:
    """Puts the ledger in *file*, which was verified, where *url* says. *stamp* goes into the name of what is kept aside;
    *demand_lock* takes the writer lock of a database or raises NotLeader, and gives what gives it back. Raises ConfigError,
    UsageError (*file* holds no ledger), LedgerError, NotLeader."""
    backup = head_of_file(file)
    database = open_database(url, create=True, busy_seconds=BUSY_SECONDS)
    try:
        if isinstance(database, SqliteDatabase):
            database.make_folder()  # its lock lies beside the file
        else:
            database.prepare()  # its lock lies in the database
        give_back = demand_lock(database)
        try:
            aside = _moved_aside_if_damaged(url, stamp)
            if _is_sqlite(url):
                database.prepare()
            lost = database.read(rows.head_of, NOTHING)
            term = database.read(rows.newest_term, 0)
            if lost.seq:
                beside = _path_of(url) if _is_sqlite(url) else file
                aside = beside.with_name(f"{beside.name}.before-restore-{stamp}")
                back_up(url, aside)
            elif database.published():
                lost = database.published()[0]
            if _is_sqlite(url):
                database.close()
                _pages_back(file, _path_of(url))
                database = open_database(url, create=True, busy_seconds=BUSY_SECONDS)
                database.prepare()
            else:
                database.write(lambda there: _rows_back(file, there))
            kept = database.write(lambda there: _adopted(there, term, lost))
        finally:
            give_back()
    finally:
        database.close()
    return PutBack(backup, backup if kept else lost, aside)


def _adopted(connection: Connection, term: int, lost: Head) -> bool:
    """Terms go on from the newest, cursors begin anew. Whether what was there is a part of what was put back."""
    rows.raise_fence(connection, max(term, rows.newest_term(connection)))
    connection.execute("DELETE FROM state WHERE key NOT IN (?, ?)", (checkpoint.KEY, "writer"))
    return lost.seq > 0 and rows.hashes_at(connection, [lost.seq]).get(lost.seq) == lost.hash


def _is_sqlite(url: str) -> bool:
    return url.lower().startswith("sqlite:")


def _path_of(url: str) -> Path:
    return Path(url[len("sqlite:///") :]).absolute()


def _made(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640))  # names and addresses lie in it


def _pages_into(connection: Connection, path: Path) -> bool:
    _made(path)
    raw = connection.raw
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("a SQLite ledger is read through SQLite")
    with closing(sqlite3.connect(path)) as target:
        raw.backup(target)
    return rows.head_of(connection).seq > 0


def _settled(path: Path) -> None:
    """One file without a log beside it, on the disk."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _pages_back(file: Path, path: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{file.absolute()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise LedgerError(
            f"the ledger {path} cannot be replaced: {error}; what was there is as it was", "Is another program writing into it?"
        ) from None


def _rows_back(file: Path, there: Connection) -> None:
    """In one transaction: whoever reads beside it sees the old ledger or the new one."""
    there.execute("ALTER TABLE chain DISABLE TRIGGER USER")
    there.execute("DELETE FROM chain")
    there.execute("DELETE FROM personal")
    there.execute("ALTER TABLE chain ENABLE TRIGGER USER")
    source = open_database(url_of(file), create=False, busy_seconds=BUSY_SECONDS)
    try:
        source.read(lambda here: copy_into(here, there), NOTHING)
    finally:
        source.close()


def _moved_aside_if_damaged(url: str, stamp: str) -> Path | None:
    """A file that SQLite cannot read any more is renamed: nothing can be copied out of it."""
    if not _is_sqlite(url) or not _path_of(url).exists():
        return None
    path = _path_of(url)
    database = open_database(url, create=False, busy_seconds=BUSY_SECONDS)
    try:
        database.read(rows.head_of, NOTHING)
    except LedgerError as error:
        if "damaged" not in error.what and "not a SQLite database" not in error.what:
            raise
        aside = path.with_name(f"{path.name}.before-restore-{stamp}")
        for ending in ("", "-wal", "-shm"):
            one = path.with_name(path.name + ending)
            if one.exists():
                one.rename(aside.with_name(aside.name + ending))
        return aside
    finally:
        database.close()
    return None
