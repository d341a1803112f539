"""A ledger in a PostgreSQL database, for more than one replica: the same tables and triggers, errors in an operator's words.

Writers are kept apart by an advisory lock for the length of a transaction, cycles by one for the length of a session, which
the server frees when the session ends, however it ends. A session may be lost without anybody noticing at once (a server
that restarts, a network that falls silent), so the lock alone proves nothing: the fence in the database does, and every
append looks at it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg

from syncd.errors import LedgerError
from syncd.ledger.storage.address import address_of
from syncd.ledger.storage.database import LedgerUnreachable
from syncd.ledger.storage.schema import (
    NEWEST,
    POSTGRES_TRIGGERS,
    bring_up_to_date,
    demand_ours,
    guards_fault,
    version_of,
)
from syncd.ledger.storage.session import Raw, Session, SessionLock
from syncd.ledger.storage.sql import Connection
from syncd.model import Head

T = TypeVar("T")

#: Connections kept open by a writer: one for entries, one that may hold the lock of whoever writes cycles.
IDLE_MAX = 2

_READING = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"

#: The tables that a ledger lives from.
_TABLES = "SELECT to_regclass(name) FROM unnest(ARRAY['chain', 'personal', 'fence', 'state']) AS name"

_TRIGGERS = f"""
SELECT tgname, tgtype, tgqual IS NULL AND tgattr = '' AND tgenabled IN ('O', 'A'), prosrc
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid IN ({_TABLES})
"""  # noqa: S608 (constants of this page)

#: What changes what a statement does to a table, or what is read from it, without a trigger. Nothing of it is ever ours.
_BESIDE = f"""
SELECT 'rule ' || rulename || ' of ' || ev_class::regclass FROM pg_rewrite WHERE ev_class IN ({_TABLES})
UNION ALL SELECT inhrelid::regclass || ' as a part of ' || inhparent::regclass FROM pg_inherits WHERE inhparent IN ({_TABLES})
UNION ALL SELECT 'row security of ' || oid::regclass FROM pg_class WHERE relrowsecurity AND oid IN ({_TABLES})
UNION ALL SELECT oid::regclass || ' is not logged' FROM pg_class WHERE relpersistence <> 'p' AND oid IN ({_TABLES})
"""  # noqa: S608 (constants of this page)

#: What the server keeps of when a trigger fires (``pg_trigger.tgtype``).
_FIRES = {"FOR EACH ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}

#: Advisory locks are numbers; this one is this program's in its database for one write at a time (``session``: one cycle).
WRITE_LOCK = 0x73796E6300000001

#: Ends connections to a server that fell silent: seconds for connecting, milliseconds for unanswered data.
_CONNECTING = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "syncd",
}

#: Locks, prepared statements and settings belong to a session. A pooler that hands sessions around with every transaction lets
#: two daemons hold one lock.
_NO_POOLER = (
    "Point ledger.url at the database itself (its own port, often 5432 and not 6432), or set the pooler to session "
    "mode for this database (PgBouncer: pool_mode=session, ignore_startup_parameters=options)."
)

#: What PostgreSQL's SQLSTATE codes mean for an operator, by their beginnings; the first that fits.
_MEANINGS = (
    ("53100", "the disk of the database is full", "Free some space; nothing was lost, and syncd goes on by itself."),
    ("53300", "the database has no connection left", "Raise max_connections, or look who holds so many."),
    ("53", "the database is short of something", "Look at the database server: memory, disk, connections."),
    ("28", "the database refused the user or password", "Check ledger.url_file; syncd reads it again at its next start."),
    ("3D000", "there is no such database", "Create it, empty, owned by syncd's user; the tables are made by syncd."),
    ("42501", "this user may not do that", "Make syncd's user the owner of the database or of its schema."),
    ("42P05", "a connection pooler in transaction mode answers in its place", _NO_POOLER),
    ("26000", "a connection pooler in transaction mode answers in its place", _NO_POOLER),
    ("pooler", "a connection pooler answers in its place and refuses what syncd asks for", _NO_POOLER),
    ("55P03", "another process kept it locked for too long", "Look for a long transaction: a backup, an open psql."),
    ("57014", "the database took too long", "Look for a long transaction, or a slow disk."),
    ("57P", "the database server is stopping or starting", "Nothing to do: syncd goes on when it is back."),
    ("25006", "the database is read-only (a standby after a failover?)", "Point ledger.url at the primary."),
    ("08", "the connection to the database broke", "Nothing to do: syncd goes on when it is back."),
    ("P0001", "it refuses whatever does not continue the chain", "Is something else writing into it?"),
)


#: Beginnings of the codes that pass by themselves: no connection left, stopping or starting, broken connection.
_PASSING = ("53300", "57P", "08")

#: While connecting the driver gives no code, only the server's words.
_REFUSALS = (
    ("does not exist", "3D000"),
    ("authentication failed", "28"),
    ("no pg_hba.conf entry", "28"),
    ("too many", "53300"),
    ("starting up", "57P"),
    ("shutting down", "57P"),
    ("unsupported startup parameter", "pooler"),
)


class PostgresDatabase:
    """See ``database.Database``. *busy_seconds*: how long to wait for another process that is writing."""

    def __init__(self, url: str, *, writable: bool, busy_seconds: float) -> None:
        self._address: dict[str, Any] = address_of(url)
        self._writable = writable
        milliseconds = int(busy_seconds * 1000)
        self._options = f"-c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
        self._idle: list[Raw] = []  # open ones that nobody uses, of a writer: one for entries, one that may hold the lock
        self._connections: WeakSet[Raw] = WeakSet()

    @property
    def where(self) -> str:
        """Host and database, without user or password."""
        return f"postgresql://{self._address.get('host') or 'localhost'}/{self._address['dbname']}"

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writable

    def prepare(self) -> int | None:
        """Makes the tables as far as they are missing; of two replicas that start together one does. Raises LedgerError."""
        if not self._writable:
            return None
        with self._told():
            self._demand_own_sessions()
            with self._transaction() as connection:
                self._only_ours(connection)
                found = version_of(connection)
            if found < NEWEST:
                with self._transaction(writes=True) as connection:
                    found = bring_up_to_date(connection)
        return found if found < NEWEST else None

    def read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        """See ``Database.read``."""
        with self._told(), self._transaction() as connection:
            if self._writable:
                return work(connection)
            self._only_ours(connection)
            version = version_of(connection)
            if 0 < version < NEWEST:
                raise LedgerError(
                    f"the ledger {self.where} has the older schema {version}; reading it changes nothing",
                    "Run a verb that writes (syncd pause, syncd resume, …) once to bring it up to date.",
                )
            return work(connection) if version else otherwise

    def write(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.write``."""
        if not self._writable:
            raise LedgerError(f"the ledger {self.where} was opened for reading only")
        with self._told(), self._transaction(writes=True) as connection:
            return work(connection)

    def fault(self, connection: Connection) -> str:
        """Whether the triggers that guard the chain are there, on, and what we made, word for word; and whether nothing else
        stands between a statement and the tables: rules, rows of other tables, rows that some do not see, no log of changes."""
        beside = connection.column(_BESIDE)
        rows = connection.execute(_TRIGGERS)
        ours = {name: (_trigger_type(when), True, f" BEGIN {body} END ") for name, (when, body) in POSTGRES_TRIGGERS.items()}
        guards = guards_fault(ours, {name: (type_, always, body) for name, type_, always, body in rows})
        return guards or (f"somebody changed what the tables of the ledger are: {', '.join(sorted(beside))}" if beside else "")

    def publish(self, head: Head) -> None:
        """Nothing: what lies in the same database is rolled back with it."""

    def published(self) -> tuple[Head, ...]:
        """Nothing."""
        return ()

    @property
    def keeps_head(self) -> bool:
        """Not beside the database."""
        return False

    def now(self, connection: Connection) -> datetime | None:
        """The server's clock at this moment, whenever the transaction began."""
        found = connection.value("SELECT clock_timestamp()")
        return found.astimezone(UTC) if isinstance(found, datetime) else None

    def writer_lock(self) -> SessionLock:
        """The lock of whoever writes cycles. Raises LedgerError when the ledger was opened for reading only."""
        if not self._writable:
            raise LedgerError(f"the ledger {self.where} was opened for reading only")
        return SessionLock(self)

    def close(self) -> None:
        """Closes all connections."""
        while self._idle:
            self._idle.pop().close()

    def cut(self) -> None:
        """Shuts the sockets down, which wakes whoever waits for an answer of a server that is frozen."""
        for connection in list(self._connections):
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        """Kept at its end, or undone by an error. Writers queue up behind one lock, so each sees what the one before left;
        readers see one state."""
        raw = self.taken()
        try:
            begin = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})" if writes else _READING
            raw.execute(begin)
            yield Connection(raw, "postgresql")
            raw.commit()
        finally:
            self.given_back(raw)

    def taken(self) -> Raw:
        """A connection that answers, for one user at a time. Raises LedgerError."""
        while self._idle:
            raw = self._idle.pop()
            try:
                raw.execute("SELECT 1")
                raw.rollback()
            except psycopg.Error:
                raw.close()
            else:
                return raw
        try:
            raw = psycopg.connect(**self._address | _CONNECTING | {"options": self._options})
        except psycopg.Error as error:
            raise self._explained(error, connected=False) from error
        self._connections.add(raw)
        return raw

    def given_back(self, raw: Raw) -> None:
        """What was not kept is undone; a connection that broke is closed."""
        try:
            raw.rollback()
            raw.autocommit = False
        except psycopg.Error:
            raw.close()
        if self._writable and not raw.closed and len(self._idle) < IDLE_MAX:
            self._idle.append(raw)
        else:
            raw.close()

    def session(self) -> Session:
        """A connection of its own, outside of any transaction; the caller closes it. Raises LedgerError."""
        raw = self.taken()
        raw.autocommit = True
        return Session(raw, self)

    def told(self) -> Any:
        """Turns what the database says into LedgerError, for the lock."""
        return self._told()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: psycopg.Error, *, connected: bool = True) -> LedgerError:
        lost = connected and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        code = error.sqlstate or ("08" if lost else "")
        if not code:
            code = next((meant for words, meant in _REFUSALS if words in str(error)), "")
        for beginning, what, do in _MEANINGS:
            if code and code.startswith(beginning):
                kind = LedgerUnreachable if code.startswith(_PASSING) else LedgerError
                return kind(f"the ledger {self.where}: {what} ({code})", do)
        if not code:  # no answer at all: refused, unknown host, no route, TLS
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return LedgerUnreachable(
                f"the ledger {self.where} cannot be reached: {reason}",
                "Is the database server up, and does the network let syncd through?",
            )
        return LedgerError(f"the ledger {self.where} cannot be used ({code})", "Look at the database server's log.")

    def _demand_own_sessions(self) -> None:
        """Two connections have two sessions, and keep them, or something between hands sessions around. Raises LedgerError."""
        with self.session() as one, self.session() as other:
            seen: dict[Session, set[Any]] = {one: set(), other: set()}
            for each in (one, other, other, one, one, other):  # in turn and not: a pooler may hand out in turn, too
                seen[each].add(each.value("SELECT pg_backend_pid()"))
        if len(seen[one]) > 1 or len(seen[other]) > 1 or seen[one] == seen[other]:
            raise LedgerError(
                f"the ledger {self.where} is behind a connection pooler in transaction mode: two connections were "
                "given one session, or one connection several; two daemons could hold one lock",
                _NO_POOLER,
            )

    def _only_ours(self, connection: Connection) -> None:
        demand_ours(connection, self.where, "not a ledger of syncd")


def _trigger_type(when: str) -> int:
    return sum(bit for words, bit in _FIRES.items() if words in when)
