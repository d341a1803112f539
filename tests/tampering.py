"""What somebody with all rights on the database does to a ledger: the guards of the chain away, the change, the guards back.

Works on SQLite and PostgreSQL alike; ``rewritten`` is the patient forger, who computes every hash anew.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace

import psycopg

from syncd.ledger.chain import START, link
from syncd.ledger.storage.schema import ENTRY, POSTGRES_TRIGGERS, SQLITE_TRIGGERS, insert_rows
from syncd.ledger.storage.sql import Connection
from syncd.model import Draft, LedgerEntry


@contextmanager
def changing(url: str) -> Iterator[Connection]:
    """A connection to the database of a ledger, past syncd; what was done is kept at the end."""
    file = url.partition("sqlite:///")[2]
    raw = sqlite3.connect(file) if file else psycopg.connect(url)
    try:
        yield Connection(raw, "sqlite" if file else "postgresql")
        raw.commit()
    finally:
        raw.close()


@contextmanager
def unguarded(url: str) -> Iterator[Connection]:
    """The same while nothing guards its chain. Afterwards everything looks as before."""
    with changing(url) as connection:
        if connection.dialect == "sqlite":
            for name in SQLITE_TRIGGERS:
                connection.execute(f"DROP TRIGGER {name}")
        else:
            connection.execute("ALTER TABLE chain DISABLE TRIGGER USER")
        yield connection
        if connection.dialect == "sqlite":
            for name, trigger in SQLITE_TRIGGERS.items():
                connection.execute(f"CREATE TRIGGER {name} {trigger}")
        else:
            assert POSTGRES_TRIGGERS
            connection.execute("ALTER TABLE chain ENABLE TRIGGER USER")


def tamper(url: str, *statements: str) -> None:
    """Runs SQL."""
    with unguarded(url) as connection:
        for statement in statements:
            connection.execute(statement)


def entries_of(url: str) -> list[LedgerEntry]:
    """The chain as it lies there."""
    with changing(url) as connection:
        return [LedgerEntry(*row) for row in connection.execute(f"SELECT {ENTRY} FROM chain ORDER BY seq")]


def replaced(url: str, entries: Sequence[LedgerEntry]) -> None:
    """Puts these entries in place of the chain."""
    with unguarded(url) as connection:
        connection.execute("DELETE FROM chain")
        insert_rows(connection, "chain", ENTRY, [astuple(entry) for entry in entries])


def rewritten(entries: Sequence[LedgerEntry], *, places: bool = False) -> list[LedgerEntry]:
    """The same entries with every number and hash computed anew, so that the chain is in order again. *places*: signed
    heads name the new head before them, with the signature they had."""
    made: list[LedgerEntry] = []
    tip = START
    for entry in entries:
        body = json.loads(entry.body)
        if places and entry.kind == "head.signed":
            body |= {"sequence": tip.seq, "hash": tip.hash}
        made.append(link(Draft(entry.kind, body, entry.subject, entry.cycle), at=entry.at, term=entry.term, previous=tip))
        tip = tip.after(made[-1])
    return made


def edited(entries: Sequence[LedgerEntry], seq: int, was: str, now: str) -> list[LedgerEntry]:
    """The entry of this number with other words in its body; hashes stay as they were."""
    at = seq - 1
    assert was in entries[at].body
    return [*entries[:at], replace(entries[at], body=entries[at].body.replace(was, now)), *entries[at + 1 :]]
