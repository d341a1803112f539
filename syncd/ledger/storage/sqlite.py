"""A ledger in a SQLite file: write-ahead log, every commit flushed, errors in an operator's words.

Reading only leaves nothing behind. SQLite would put a ``-wal`` and a ``-shm`` file beside a file it opens, even to read.
So a file at rest (no ``-wal``: nobody has it open) is read as immutable, and whether it really stayed the same is looked
at afterwards; if not, the read counts for nothing and is done again. A file in use is read through the log of its
writer, newest entries included.

Closing any descriptor of a file gives back every POSIX lock that its process holds on that file, also SQLite's. Whoever came
next would then take the log for abandoned and remove it, and what was committed since would be lost. So a file that this
process has open for writing is touched through SQLite alone (``_OPEN_HERE``).
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from syncd.errors import LedgerError
from syncd.ledger.storage.lock import FileLock
from syncd.ledger.storage.schema import (
    NEWEST,
    SQLITE_TRIGGERS,
    bring_up_to_date,
    demand_ours,
    guards_fault,
    tables_fault,
    version_of,
)
from syncd.ledger.storage.sql import Connection
from syncd.model import Head

T = TypeVar("T")

#: How often a read is begun again because the file at rest changed meanwhile. Each needs a writer that comes and goes
#: within one read, so this many in a row do not happen by themselves.
READS_MAX = 10

#: Files (device, inode) that this process has open for writing, and how many times.
_OPEN_HERE: Counter[tuple[int, int]] = Counter()

#: What SQLite's result codes mean for an operator, by the beginning of their names; the first that fits.
_MEANINGS = (
    ("SQLITE_FULL", "the disk is full", "Free some space; nothing was lost, and syncd goes on by itself."),
    ("SQLITE_READONLY_DBMOVED", "the file was moved or removed while it was in use", "Put it back and restart syncd."),
    ("SQLITE_READONLY", "it cannot be written", "Give this user the right to write the file and its directory."),
    ("SQLITE_BUSY", "another process kept it locked for too long", "Look for a backup or a shell that holds it open."),
    ("SQLITE_LOCKED", "another process kept it locked for too long", "Look for a backup or a shell that holds it open."),
    ("SQLITE_NOTADB", "the file is not a SQLite database", "Is ledger.url right? Otherwise put a copy of the ledger back."),
    ("SQLITE_CORRUPT", "the file is damaged", "Keep it as evidence and put a copy of the ledger back."),
    ("SQLITE_CANTOPEN", "the file cannot be opened", "Does the directory exist, and may this user read and write in it?"),
    ("SQLITE_IOERR", "the disk does not read or write", "Look at the volume: is it full, gone, or over its quota?"),
    ("SQLITE_CONSTRAINT_TRIGGER", "it refuses whatever does not continue the chain", "Is something else writing into it?"),
)


class SqliteDatabase:
    """See ``database.Database``. *busy_seconds*: how long to wait for another process that is writing."""

    def __init__(self, path: Path, *, writable: bool, busy_seconds: float) -> None:
        self._path = path
        self._writable = writable
        self._busy_seconds = busy_seconds
        self._immutable = False  # how the next connection is to be opened (reading only)
        self._inode: tuple[int, int] | None = None
        self._idle: list[sqlite3.Connection] = []  # open ones that nobody uses: of a writer, who keeps the file open

    @property
    def where(self) -> str:
        """The path of the file."""
        return str(self._path)

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writable

    def prepare(self) -> int | None:
        """Makes the directory, the file and the tables as far as they are missing. Raises LedgerError."""
        if not self._writable:
            return None
        self.make_folder()
        try:
            # Names and addresses lie in it: not readable for everybody, whatever the umask says.
            if self._identity() is None:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640))
            self._inode = self._identity()
        except OSError as error:
            raise self._cannot_be_made(error) from error
        if self._inode is not None:
            _OPEN_HERE[self._inode] += 1
        with self._told():
            with self._transaction() as connection:
                self._only_ours(connection)
                found = version_of(connection)
            if found < NEWEST:
                with self._transaction(writes=True) as connection:
                    found = bring_up_to_date(connection)
        return found if found < NEWEST else None

    def make_folder(self) -> None:
        """Makes the directory alone, for the lock that is taken before a damaged file is touched. Raises LedgerError."""
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_be_made(error) from error

    def _cannot_be_made(self, error: OSError) -> LedgerError:
        return LedgerError(
            f"the ledger {self._path} cannot be made or written: {error.strerror}",
            f"Make {self._path.parent} a directory that this user may write in, or change ledger.url.",
        )

    def read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        """See ``Database.read``."""
        if self._writable:
            self._still_there()
            with self._told(), self._transaction() as connection:
                return work(connection)
        if (found := self._identity()) is not None and _OPEN_HERE[found]:
            self._immutable = False
            with self._told(), self._transaction() as connection:
                self._only_ours(connection)
                return work(connection) if self._current(connection) else otherwise
        for _ in range(READS_MAX):
            before = self._stamp()
            if before is None:
                return otherwise
            self._immutable = self._at_rest()
            try:
                with self._told(), self._transaction() as connection:
                    self._only_ours(connection)
                    result = work(connection) if self._current(connection) else otherwise
            except LedgerError:
                if self._unmoved(before):
                    raise
                continue
            if self._unmoved(before):
                return result
        raise LedgerError(f"the ledger {self._path} changed {READS_MAX} times while it was being read", "Try again.")

    def write(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.write``."""
        if not self._writable:
            raise LedgerError(f"the ledger {self._path} was opened for reading only")
        self._still_there()
        with self._told(), self._transaction(writes=True) as connection:
            return work(connection)

    def fault(self, connection: Connection) -> str:
        """SQLite's own look at pages and indexes, and whether what guards the chain is what we made, word for word."""
        found = str(connection.value("PRAGMA integrity_check(1)"))
        if found != "ok":
            return f"SQLite finds the file damaged: {found}"
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        if rebuilt := tables_fault({str(name): str(text) for name, text in made}):
            return rebuilt
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        ours = {name: f"CREATE TRIGGER {name} {trigger}" for name, trigger in SQLITE_TRIGGERS.items()}
        return guards_fault(ours, {str(name): str(text) for name, text in rows})

    def publish(self, head: Head) -> None:
        """Writes the end of the chain into a file beside the ledger, so that an older copy put back, or a lost ``-wal``, shows.
        It is a witness and no condition: one that cannot be written is left as it was."""
        new = self._head_file.with_name(f"{self._head_file.name}.{os.getpid()}")
        with suppress(OSError):
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w", encoding="ascii") as file:
                file.write(f"{head.seq} {head.hash}\n")
            new.replace(self._head_file)

    def published(self) -> tuple[Head, ...]:
        """What ``publish`` wrote last, if anything."""
        try:
            head = Head.of_line(self._head_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return ()
        return (head,) if head is not None else ()

    @property
    def keeps_head(self) -> bool:
        """In a file beside the ledger."""
        return True

    @property
    def _head_file(self) -> Path:
        return self._path.with_name(self._path.name + ".head")

    def now(self, connection: Connection) -> datetime | None:  # noqa: ARG002 (see Database.now)
        """None: a file has the clock of this machine."""
        return None

    def writer_lock(self) -> FileLock:
        """The lock file beside the ledger. Raises LedgerError when the ledger was opened for reading only."""
        if not self._writable:
            raise LedgerError(f"the ledger {self._path} was opened for reading only")
        return FileLock(self._path.with_name(self._path.name + ".lock"))

    def cut(self) -> None:
        """Nothing: there is no server to wait for."""

    def close(self) -> None:
        """Closes the file; whoever closes it last takes the log into it."""
        while self._idle:
            self._idle.pop().close()
        if self._inode is not None and self._writable and _OPEN_HERE[self._inode]:
            _OPEN_HERE[self._inode] -= 1
            self._inode = None

    # ------------------------------------------------------------------------------------------------ connections

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        """Kept at its end, or undone by an error. IMMEDIATE keeps other writers out from the first statement on; a reader only
        needs one state to look at."""
        raw = self._idle.pop() if self._idle else self._connect()
        try:
            raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield Connection(raw, "sqlite")
            raw.execute("COMMIT")
        finally:
            with suppress(sqlite3.Error):
                raw.rollback()  # what was not kept
            if self._writable and not raw.in_transaction:
                self._idle.append(raw)
            else:
                raw.close()

    def _connect(self) -> sqlite3.Connection:
        mode = "mode=rw" if self._writable else "mode=ro&immutable=1" if self._immutable else "mode=ro"
        # Transactions begin where _transaction says, never behind our back (isolation_level).
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?{mode}",
            uri=True,
            timeout=self._busy_seconds,
            check_same_thread=False,
            isolation_level=None,
        )
        try:
            # An edited byte that is no UTF-8 must be found by its hash, not stop the read, and not pass as U+FFFD either.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            if self._writable:
                self._write_ahead(connection)
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA cache_size=-16384")  # KiB; indexes of a large append fit, so it stays quick
                connection.execute("PRAGMA secure_delete=ON")  # what is blanked must not stay in free pages
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Switches a new file to the write-ahead log. SQLite does not wait while another process does the same, so wait for
        that one by taking the write lock, and look again."""
        for attempt in range(READS_MAX):
            try:
                mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or attempt == READS_MAX - 1:
                    raise
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            else:
                if mode == "wal":
                    return
                raise LedgerError(
                    f"the ledger {self._path} cannot keep a write-ahead log on this file system",
                    "Keep it on a local or block volume: network file systems are not safe for it.",
                )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the database says into a LedgerError that an operator understands."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except UnicodeDecodeError as error:  # SQLite's own words about a damaged file quote bytes of it
            raise LedgerError(
                f"the ledger {self._path}: the file is damaged ({error.reason})",
                "Keep it as evidence and put a copy of the ledger back.",
            ) from error

    def _explained(self, error: Any) -> LedgerError:
        name = str(getattr(error, "sqlite_errorname", None) or "")
        for beginning, what, do in _MEANINGS:
            if name.startswith(beginning):
                return LedgerError(f"the ledger {self._path}: {what} ({name})", do)
        return LedgerError(
            f"the ledger {self._path} cannot be used: {error} ({name or type(error).__name__})",
            "Is ledger.url right? Otherwise put a copy of the ledger back.",
        )

    # --------------------------------------------------------------------------------------------------- the file

    def _only_ours(self, connection: Connection) -> None:
        demand_ours(connection, str(self._path), "a SQLite database, but not a ledger of syncd")

    def _current(self, connection: Connection) -> bool:
        """Whether there is a ledger that can be read as it is; False: an empty file."""
        version = version_of(connection)
        if 0 < version < NEWEST:
            raise LedgerError(
                f"the ledger {self._path} has the older schema {version}; reading it changes nothing",
                "Run a verb that writes (syncd pause, syncd resume, …) once to bring it up to date.",
            )
        return version == NEWEST

    def _still_there(self) -> None:
        # SQLite would go on writing into a file that has no name any more, and everything would be lost with the process.
        if self._identity() != self._inode:
            raise LedgerError(
                f"the ledger {self._path} was moved, removed or replaced while it was in use", "Put it back and restart syncd."
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _stamp(self) -> tuple[object, ...] | None:
        """Changes whenever the file does: what the file system says of it, and SQLite's own change counters in its header.
        None: there is no file. Raises LedgerError when it cannot be read."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, file.read(100)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LedgerError(
                f"the ledger {self._path} cannot be read: {error.strerror}", "Is it a file, and may this user read it?"
            ) from error

    def _at_rest(self) -> bool:
        """Whether nobody has the file open, and nobody who had it open died in between."""
        return not any(self._path.with_name(self._path.name + ending).exists() for ending in ("-wal", "-journal"))

    def _unmoved(self, before: tuple[object, ...]) -> bool:
        return not self._immutable or (self._at_rest() and self._stamp() == before)
