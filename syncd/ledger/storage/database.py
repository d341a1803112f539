"""What the ledger needs of a database, and which one a URL names. Nothing here knows what a chain is.

SQLite holds the ledger of one process, PostgreSQL that of several replicas; both have the same tables.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from syncd.errors import ConfigError, LedgerError
from syncd.ledger.storage.sql import Connection
from syncd.ledger.storage.sqlite import SqliteDatabase
from syncd.model import Head

T = TypeVar("T")


class LedgerUnreachable(LedgerError):
    """The database's server cannot be reached now, and may be later: it is starting, stopping, or the network is down."""


class WriterLock(Protocol):
    """Who may write cycles, over processes."""

    def take(self, pid: int, host: str, since: str, lease: int = 0) -> bool:
        """Takes it if nobody has it; never waits. *lease*: the number of a leader by lease (0: none), which may end the
        hold of a former leader. Raises LedgerError."""

    def holder(self) -> str:
        """Who has it, for people."""

    def release(self) -> None:
        """Gives it back."""


class Database(Protocol):
    """A database that holds one ledger. Used by one thread at a time; every method may raise LedgerError."""

    @property
    def where(self) -> str:
        """Names it for people, without a password."""

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""

    def prepare(self) -> int | None:
        """Makes what is missing, up to the newest schema. Gives the older version found, None when there was none older."""

    def read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        """Gives what *work* finds in one consistent state; *otherwise* when there is no ledger yet. *work* may be called
        again from its beginning. Raises LedgerError, and what *work* raises."""

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs *work* with all other writers kept out; all of it is durable afterwards, or none. Raises LedgerError, and
        what *work* raises."""

    def fault(self, connection: Connection) -> str:
        """What the database finds wrong with itself, or ``""``."""

    def publish(self, head: Head) -> None:
        """Keeps the end of the chain outside of it, where the database has such a place. Never raises."""

    def published(self) -> tuple[Head, ...]:
        """The end of the chain as it was kept outside of it."""

    @property
    def keeps_head(self) -> bool:
        """Whether there is a place outside of it for the end of the chain."""

    def now(self, connection: Connection) -> datetime | None:
        """The time of the database's own machine; None when it has none but ours."""

    def writer_lock(self) -> WriterLock:
        """The lock of whoever writes cycles."""

    def close(self) -> None:
        """Gives it back; nothing may follow."""

    def cut(self) -> None:
        """Ends whatever waits for a server, with an error there. The one method for another thread; may do nothing."""


def demand_reachable(url: str) -> None:
    """Asks the ledger's server once, changing nothing; a file has none. Blocks for seconds. Raises LedgerUnreachable; what
    else may be wrong is found when the ledger is opened. Raises ConfigError (the URL)."""
    if not url.lower().startswith("postgres"):
        return
    database = open_database(url, create=False, busy_seconds=5.0)
    try:
        database.read(lambda _: None, None)
    except LedgerUnreachable:
        raise
    except LedgerError:
        return
    finally:
        database.close()


def open_database(url: str, *, create: bool, busy_seconds: float) -> Database:
    """The database of a ledger URL. *create* False: it is only read, nothing is made or changed. Raises ConfigError (the
    message never shows the URL: it may hold a password)."""
    scheme = urlsplit(url).scheme.lower()
    if scheme.split("+")[0] in ("postgresql", "postgres"):
        from syncd.ledger.storage.postgres import PostgresDatabase

        return PostgresDatabase(url, writable=create, busy_seconds=busy_seconds)
    prefix = "sqlite:///"
    path = url[len(prefix) :]
    if not url.lower().startswith(prefix) or not path or path == ":memory:" or "?" in path or "\0" in path:
        raise ConfigError(
            "ledger.url: not a ledger address",
            do="Write sqlite:////absolute/path/ledger.db (four slashes), sqlite:///relative/path (three) or "
            "postgresql://user@host/database.",
        )
    return SqliteDatabase(Path(path).absolute(), writable=create, busy_seconds=busy_seconds)
