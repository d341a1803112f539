"""A session of a PostgreSQL server that belongs to one holder, and the lock of whoever writes cycles, which it holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import psycopg

from syncd.errors import LedgerError
from syncd.ledger.storage.sql import Connection

if TYPE_CHECKING:
    from syncd.ledger.storage.postgres import PostgresDatabase

#: A connection of the driver.
Raw = psycopg.Connection[Any]

#: The advisory lock for one cycle at a time (``postgres.WRITE_LOCK``: one write at a time).
CYCLE_LOCK = 0x73796E6300000002

#: The key in the side table under which its holder writes who it is.
HOLDER = "writer"


class Session(Connection):
    """A connection outside of transactions, as whoever holds a lock keeps it."""

    def __init__(self, raw: Raw, database: PostgresDatabase) -> None:
        super().__init__(raw, "postgresql")
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invalidate(self) -> None:
        """Ends the session: with it goes every lock that it holds."""
        self.raw.close()

    def close(self) -> None:
        """Gives the connection back."""
        self._database.given_back(self.raw)


class SessionLock:
    """An advisory lock held by a session of its own. Never waits: the caller decides how often to try."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._session: Session | None = None

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
                backend = session.value("SELECT pg_backend_pid()")
                note = json.dumps({"pid": pid, "host": host, "since": since, "lease": lease, "backend": backend})
                if session.execute("UPDATE state SET value = ? WHERE key = ?", (note, HOLDER)).rowcount == 0:
                    session.execute("INSERT INTO state (key, value) VALUES (?, ?)", (HOLDER, note))
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
                session.execute(f"SELECT pg_advisory_unlock({CYCLE_LOCK})")
        except LedgerError:
            session.invalidate()  # the server frees it with the session
        finally:
            session.close()

    def _try(self, session: Connection) -> bool:
        return bool(session.value(f"SELECT pg_try_advisory_lock({CYCLE_LOCK})"))

    def _overtake(self, session: Connection, lease: int) -> bool:
        """Ends the session of a former leader. Its process finds out at its next append, before its next write to Zoom."""
        note = self._note(session)
        if not 0 < int(note.get("lease") or 0) < lease:
            return False
        return bool(
            session.value(
                "SELECT bool_or(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND ((classid::bigint << 32) | objid::bigint) = ? AND pid <> pg_backend_pid()",
                (CYCLE_LOCK,),
            )
        )

    @staticmethod
    def _note(session: Connection) -> dict[str, Any]:
        text = session.value("SELECT value FROM state WHERE key = ?", (HOLDER,))
        try:
            found = json.loads(text or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
