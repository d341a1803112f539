"""A ledger in a PostgreSQL database, for more than one replica: the same tables and triggers, errors in an operator's words.

Writers are kept apart by an advisory lock for the length of a transaction, cycles by one for the length of a session, which
the server frees when the session ends, however it ends. A session may be lost without anybody noticing at once (a server
that restarts, a network that falls silent), so the lock alone proves nothing: the fence in the database does, and every
append looks at it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from syncd.errors import ConfigError, LedgerError
from syncd.ledger.storage.database import LedgerUnreachable
from syncd.ledger.storage.schema import (
    NEWEST,
    POSTGRES_TRIGGERS,
    SCHEMA_VERSION,
    STATE,
    bring_up_to_date,
    guards_fault,
    version_of,
)
from syncd.model import Head

T = TypeVar("T")

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

#: Advisory locks are numbers; these two are this program's in its database: one write at a time, one cycle at a time.
WRITE_LOCK = 0x73796E6300000001
CYCLE_LOCK = 0x73796E6300000002

#: The key in the side table under which the holder of the cycle lock writes who it is.
HOLDER = "writer"

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
        self._url = _address(url)
        self._writable = writable
        milliseconds = int(busy_seconds * 1000)
        options = f"-c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
        # The parameters of a statement may be names and addresses: they stay out of messages.
        self._engine: Engine = create_engine(
            self._url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={**_CONNECTING, "options": options},
            **({"pool_size": 1, "max_overflow": 1, "poolclass": QueuePool} if writable else {"poolclass": NullPool}),
        )
        event.listen(self._engine, "begin", _begin)
        self._connections: WeakSet[Any] = WeakSet()
        event.listen(self._engine, "connect", lambda connection, _: self._connections.add(connection))
        self._writing = self._engine.execution_options(ledger_write=True)

    @property
    def where(self) -> str:
        """Host and database, without user or password."""
        return f"postgresql://{self._url.host or 'localhost'}/{self._url.database or ''}"

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
            with self._engine.connect() as connection:
                self._only_ours(connection)
                found = version_of(connection)
            if found < NEWEST:
                with self._writing.begin() as connection:
                    found = bring_up_to_date(connection)
        return found if found < NEWEST else None

    def read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        """See ``Database.read``."""
        with self._told(), self._engine.begin() as connection:
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
        with self._told(), self._writing.begin() as connection:
            return work(connection)

    def fault(self, connection: Connection) -> str:
        """Whether the triggers that guard the chain are there, on, and what we made, word for word; and whether nothing else
        stands between a statement and the tables: rules, rows of other tables, rows that some do not see, no log of changes."""
        beside = connection.exec_driver_sql(_BESIDE).scalars().all()
        rows = connection.exec_driver_sql(_TRIGGERS)
        ours = {name: (_trigger_type(when), True, f" BEGIN {body} END ") for name, (when, body) in POSTGRES_TRIGGERS.items()}
        guards = guards_fault(ours, {name: (type_, always, body) for name, type_, always, body in rows})
        return guards or (f"somebody changed what the tables of the ledger are: {', '.join(sorted(beside))}" if beside else "")

    def publish(self, head: Head) -> None:
        """Nothing: what lies in the same database is rolled back with it."""

    def published(self) -> tuple[Head, ...]:
        """Nothing."""
        return ()

    def now(self, connection: Connection) -> datetime | None:
        """The server's clock at this moment, whenever the transaction began."""
        found = connection.exec_driver_sql("SELECT clock_timestamp()").scalar()
        return found.astimezone(UTC) if isinstance(found, datetime) else None

    def writer_lock(self) -> SessionLock:
        """The lock of whoever writes cycles. Raises LedgerError when the ledger was opened for reading only."""
        if not self._writable:
            raise LedgerError(f"the ledger {self.where} was opened for reading only")
        return SessionLock(self)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def cut(self) -> None:
        """Shuts the sockets down, which wakes whoever waits for an answer of a server that is frozen."""
        for connection in list(self._connections):
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def session(self) -> Connection:
        """A connection of its own, outside of any transaction; the caller closes it. Raises LedgerError."""
        with self._told():
            return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def told(self) -> Any:
        """Turns what the database says into LedgerError, for the lock."""
        return self._told()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explained(error) from error

    def _explained(self, error: DBAPIError) -> LedgerError:
        code = str(getattr(error.orig, "sqlstate", None) or ("08" if error.connection_invalidated else ""))
        if not code:
            code = next((meant for words, meant in _REFUSALS if words in str(error.orig)), "")
        for beginning, what, do in _MEANINGS:
            if code and code.startswith(beginning):
                kind = LedgerUnreachable if code.startswith(_PASSING) else LedgerError
                return kind(f"the ledger {self.where}: {what} ({code})", do)
        if not code:  # no answer at all: refused, unknown host, no route, TLS
            reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
            return LedgerUnreachable(
                f"the ledger {self.where} cannot be reached: {reason}",
                "Is the database server up, and does the network let syncd through?",
            )
        return LedgerError(f"the ledger {self.where} cannot be used ({code})", "Look at the database server's log.")

    def _demand_own_sessions(self) -> None:
        """Two connections have two sessions, and keep them, or something between hands sessions around. Raises LedgerError."""
        with self.session() as one, self.session() as other:
            seen: dict[Connection, set[Any]] = {one: set(), other: set()}
            for each in (one, other, other, one, one, other):  # in turn and not: a pooler may hand out in turn, too
                seen[each].add(each.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        if len(seen[one]) > 1 or len(seen[other]) > 1 or seen[one] == seen[other]:
            raise LedgerError(
                f"the ledger {self.where} is behind a connection pooler in transaction mode: two connections were "
                "given one session, or one connection several; two daemons could hold one lock",
                _NO_POOLER,
            )

    def _only_ours(self, connection: Connection) -> None:
        tables = inspect(connection).get_table_names()
        if tables and SCHEMA_VERSION.name not in tables:
            raise LedgerError(f"{self.where} is not a ledger of syncd (it has a table {tables[0]})", "Is ledger.url right?")


class SessionLock:
    """An advisory lock held by a session of its own. Never waits: the caller decides how often to try."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._session: Connection | None = None

    def take(self, pid: int, host: str, since: str, lease: int = 0) -> bool:
        """Takes the lock if nobody has it, and writes down who does now. *lease*: the number of a leader by lease; a holder
        with a lower one is a former leader (frozen, or cut off) and its session is ended. Raises LedgerError."""
        assert self._session is None, "the lock is held by this object already"
        session = self._database.session()
        try:
            with self._database.told():
                if not self._try(session) and not (lease and self._overtake(session, lease) and self._try(session)):
                    session.close()
                    return False
                backend = session.exec_driver_sql("SELECT pg_backend_pid()").scalar()
                note = json.dumps({"pid": pid, "host": host, "since": since, "lease": lease, "backend": backend})
                if session.execute(update(STATE).where(STATE.c.key == HOLDER).values(value=note)).rowcount == 0:
                    session.execute(insert_into(STATE).values(key=HOLDER, value=note))
        except BaseException:
            session.invalidate()  # with it goes the lock, if it was taken
            session.close()
            raise
        self._session = session
        return True

    def holder(self) -> str:
        """Who holds the lock, for people: ``process 41 on node-a since 2026-…``."""
        session = self._database.session()
        try:
            with self._database.told():
                note = self._note(session)
            return f"process {note['pid']} on {note['host']} since {note['since']}"
        except (LedgerError, KeyError):
            return "another process"
        finally:
            session.close()

    def release(self) -> None:
        """Gives the lock back; nothing happens when it is not held, or its session is gone."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            with self._database.told():
                session.exec_driver_sql(f"SELECT pg_advisory_unlock({CYCLE_LOCK})")
        except LedgerError:
            session.invalidate()  # the server frees it with the session
        finally:
            session.close()

    def _try(self, session: Connection) -> bool:
        return bool(session.exec_driver_sql(f"SELECT pg_try_advisory_lock({CYCLE_LOCK})").scalar())

    def _overtake(self, session: Connection, lease: int) -> bool:
        """Ends the session of a former leader. Its process finds out at its next append, before its next write to Zoom."""
        note = self._note(session)
        if not 0 < int(note.get("lease") or 0) < lease:
            return False
        return bool(
            session.exec_driver_sql(
                "SELECT bool_or(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND ((classid::bigint << 32) | objid::bigint) = %(lock)s AND pid <> pg_backend_pid()",
                {"lock": CYCLE_LOCK},
            ).scalar()
        )

    @staticmethod
    def _note(session: Connection) -> dict[str, Any]:
        text = session.execute(select(STATE.c.value).where(STATE.c.key == HOLDER)).scalar()
        try:
            found = json.loads(text or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _begin(connection: Connection) -> None:
    """Writers queue up behind one lock, so each sees what the one before left; readers see one state."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    if connection.get_execution_options().get("ledger_write", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _address(url: str) -> URL:
    """The URL with the driver in it. Raises ConfigError (which never shows the URL: it may hold a password)."""
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        made = None
    if made is None or not made.database:
        raise ConfigError(
            "ledger.url: not a PostgreSQL address",
            do="Write postgresql://user:password@host/database, best in a file named by ledger.url_file.",
        ) from None
    return made.set(drivername="postgresql+psycopg")


def _trigger_type(when: str) -> int:
    return sum(bit for words, bit in _FIRES.items() if words in when)
