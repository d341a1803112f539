"""Moves a ledger from one database to another, entry by entry as it stands, and proves that the copy is whole."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

from syncd.errors import LedgerError, UsageError
from syncd.ledger import chain
from syncd.ledger.storage.database import open_database
from syncd.ledger.storage.rows import entries_after, head_of, insert_entries, newest_term, raise_fence
from syncd.ledger.storage.schema import PERSON, insert_rows
from syncd.ledger.storage.sql import AT_ONCE, Connection
from syncd.model import Head


def copy_ledger(source_url: str, target_url: str) -> Head:
    """Copies the chain, what lies beside it and the newest term into an empty database; cursors and budgets are built anew.

    Nothing is copied from a chain that does not verify, and the target's chain is verified before it is committed. The
    source is only read: stop whatever writes to it first. Raises ConfigError (an address), UsageError (the target is not
    empty), LedgerError. Gives the head of both.
    """
    source = open_database(source_url, create=False, busy_seconds=30.0)
    target = open_database(target_url, create=True, busy_seconds=30.0)
    try:
        target.prepare()

        def into(there: Connection) -> Head:
            if head_of(there).seq:
                raise UsageError(f"{target.where} holds a ledger already", "Name an empty database: nothing is overwritten.")
            copied = source.read(lambda here: copy_into(here, there), Head(0, ""))
            if copied.seq == 0:
                raise UsageError(f"{source.where} holds no ledger", "Check the first address.")
            found = chain.audit(entries_after(there, 0), head=copied.hash)
            if not found.ok or found.head != copied:
                raise LedgerError(f"the copy does not verify: {found.problem}; nothing was kept", "Try again.")
            return copied

        return target.write(into)
    finally:
        source.close()
        target.close()


def copy_into(here: Connection, there: Connection) -> Head:
    """Copies a chain that verifies, what lies beside it and the newest term; gives its end. Raises LedgerError."""
    found = chain.audit(entries_after(here, 0))
    if not found.ok:
        raise LedgerError(f"the ledger does not verify: {found.problem}; nothing was copied", "Run syncd ledger verify.")
    batch = []
    for entry in entries_after(here, 0):
        batch.append(entry)
        if len(batch) == AT_ONCE:
            insert_entries(there, batch)
            batch = []
    if batch:
        insert_entries(there, batch)
    _copy_people(here, there)
    raise_fence(there, max(newest_term(here), newest_term(there)))
    return head_of(here)


def _copy_people(here: Connection, there: Connection) -> None:
    with closing(here.stream(f"SELECT {PERSON} FROM personal")) as found:  # noqa: S608 (our own names)
        while some := list(islice(found, AT_ONCE)):
            insert_rows(there, "personal", PERSON, some)
    counted = [connection.value("SELECT count(*) FROM personal") for connection in (here, there)]
    if counted[0] != counted[1]:
        raise LedgerError(f"{counted[1]} of {counted[0]} rows of personal were copied; nothing was kept", "Try again.")
