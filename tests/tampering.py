"""What somebody with all rights on the database does to a ledger: the guards of the chain away, the change, the guards back.

Works on SQLite and PostgreSQL alike; ``rewritten`` is the patient forger, who computes every hash anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, create_engine, insert, select, text

from syncd.ledger.chain import START, link
from syncd.ledger.storage.schema import CHAIN, POSTGRES_TRIGGERS, SQLITE_TRIGGERS
from syncd.model import Draft, LedgerEntry


@contextmanager
def unguarded(url: str) -> Iterator[Connection]:
    """A connection to the database of a ledger while nothing guards its chain. Afterwards everything looks as before."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                for name in SQLITE_TRIGGERS:
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                connection.exec_driver_sql("ALTER TABLE chain DISABLE TRIGGER USER")
            yield connection
            if connection.dialect.name == "sqlite":
                for name, trigger in SQLITE_TRIGGERS.items():
                    connection.exec_driver_sql(f"CREATE TRIGGER {name} {trigger}")
            else:
                assert POSTGRES_TRIGGERS
                connection.exec_driver_sql("ALTER TABLE chain ENABLE TRIGGER USER")
    finally:
        engine.dispose()


def tamper(url: str, *statements: str) -> None:
    """Runs SQL."""
    with unguarded(url) as connection:
        for statement in statements:
            connection.execute(text(statement))


def entries_of(url: str) -> list[LedgerEntry]:
    """The chain as it lies there."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [LedgerEntry(*row) for row in connection.execute(select(CHAIN).order_by(CHAIN.c.seq))]
    finally:
        engine.dispose()


def replaced(url: str, entries: Sequence[LedgerEntry]) -> None:
    """Puts these entries in place of the chain."""
    with unguarded(url) as connection:
        connection.exec_driver_sql("DELETE FROM chain")
        connection.execute(insert(CHAIN), [{name: getattr(entry, name) for name in CHAIN.columns.keys()} for entry in entries])  # noqa: SIM118


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
