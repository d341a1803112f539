"""The chain's table read as entries and written from entries; every function works inside the caller's transaction.

What an entry must be is ``ledger.chain``'s business: rows are given as they lie there, edited ones included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update

from syncd.errors import LedgerError
from syncd.ledger.chain import Exported, export_line, who_of
from syncd.ledger.storage import personal
from syncd.ledger.storage.schema import CHAIN, FENCE, insert_rows
from syncd.model import Head, LedgerEntry

#: Entries handled at once: bounds the memory of long reads and large appends, and is long enough to be quick.
AT_ONCE = 2000

# What is asked at every look, built once: building a query takes three times as long as asking it.
_AT = select(CHAIN).where(CHAIN.c.seq == bindparam("seq"))
_LAST = select(CHAIN).order_by(CHAIN.c.seq.desc()).limit(1)
_HEAD = select(CHAIN.c.seq, CHAIN.c.hash).order_by(CHAIN.c.seq.desc()).limit(1)
_AFTER = select(CHAIN).where(CHAIN.c.seq > bindparam("after")).order_by(CHAIN.c.seq).execution_options(yield_per=AT_ONCE)
_EVERY = select(CHAIN).order_by(CHAIN.c.seq).execution_options(yield_per=AT_ONCE)
_FENCE = select(FENCE.c.term)
_NEWEST_TERM = select(func.max(CHAIN.c.term))


def entry_at(connection: Connection, seq: int) -> LedgerEntry | None:
    """The entry of this number, or None."""
    row = connection.execute(_AT, {"seq": seq}).one_or_none()
    return LedgerEntry(*row) if row else None


def last_entry(connection: Connection) -> LedgerEntry | None:
    """The entry at the end of the chain, or None when there is none."""
    row = connection.execute(_LAST).one_or_none()
    return LedgerEntry(*row) if row else None


def last_entries(connection: Connection) -> Iterator[LedgerEntry]:
    """The entries from the end of the chain on, as many as are asked for."""
    seq = None
    while (
        row := connection.execute(
            (select(CHAIN) if seq is None else select(CHAIN).where(CHAIN.c.seq < seq)).order_by(CHAIN.c.seq.desc()).limit(1)
        ).one_or_none()
    ) is not None:
        yield (entry := LedgerEntry(*row))
        seq = entry.seq


def head_of(connection: Connection) -> Head:
    """The end of the chain; (0, "") for an empty one."""
    row = connection.execute(_HEAD).one_or_none()
    return Head(*row) if row else Head(0, "")


def every_entry(connection: Connection) -> Iterator[LedgerEntry]:
    """Every row in its order, in bounded memory, also those with numbers that no entry has."""
    return _entries(connection, _EVERY)


def entries_after(connection: Connection, seq: int) -> Iterator[LedgerEntry]:
    """All later entries in their order, in bounded memory."""
    return _entries(connection, _AFTER, after=seq)


def _entries(connection: Connection, query: Select[Any], **values: int) -> Iterator[LedgerEntry]:
    with connection.execute(query, values) as found:  # a reader may stop half-way: then the cursor is closed at once
        for row in found:
            yield LedgerEntry(*row)


def some_entries(connection: Connection, query: Select[Any]) -> list[LedgerEntry]:
    """The entries of a query over the whole table."""
    return [LedgerEntry(*row) for row in connection.execute(query)]


def hashes_at(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """Number -> hash, of those of these entries that are there."""
    found: dict[int, str] = {}
    for start in range(0, len(numbers), 500):  # older SQLite versions take 999 parameters
        some = select(CHAIN.c.seq, CHAIN.c.hash).where(CHAIN.c.seq.in_(numbers[start : start + 500]))
        found.update((row.seq, row.hash) for row in connection.execute(some))
    return found


def accepted_as_lost(connection: Connection, head: Head) -> bool:
    """Whether somebody said that this head, which is not in the chain, is meant to be missing."""
    bodies = connection.execute(select(CHAIN.c.body).where(CHAIN.c.kind == "ledger.accepted")).scalars()
    return any([head.seq, head.hash] in json.loads(body).get("missing_heads", ()) for body in bodies)


def listed_as_blank(connection: Connection) -> set[str]:
    """References of names and addresses of which an entry says that they were blanked."""
    bodies = connection.execute(select(CHAIN.c.body).where(CHAIN.c.kind == "personal.blanked")).scalars()
    return {ref for body in bodies for ref in json.loads(body).get("refs", ())}


def insert_entries(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    """Writes entries that continue the chain."""
    insert_rows(
        connection,
        CHAIN,
        [
            {
                "seq": entry.seq,
                "at": entry.at,
                "cycle": entry.cycle,
                "term": entry.term,
                "kind": entry.kind,
                "subject": entry.subject,
                "body": entry.body,
                "previous_hash": entry.previous_hash,
                "hash": entry.hash,
            }
            for entry in entries
        ],
    )


def export_lines(connection: Connection, after: int) -> tuple[list[str], int]:
    """The next lines of an export, at most ``AT_ONCE``, with the number of the last entry among them. Raises LedgerError."""
    entries = some_entries(connection, select(CHAIN).where(CHAIN.c.seq > after).order_by(CHAIN.c.seq).limit(AT_ONCE))
    try:
        who = [who_of(entry) for entry in entries]
        beside = personal.resolve(connection, [ref for ref in who if ref])
        lines = [export_line(Exported(entry, *beside.get(ref, ()))) for entry, ref in zip(entries, who, strict=True)]
    except TypeError as error:
        raise LedgerError(
            "the ledger holds rows that are no entries: it was edited, and cannot be exported",
            "Run syncd ledger verify: it names the first bad entry.",
        ) from error
    return lines, entries[-1].seq if entries else after


def newest_term(connection: Connection) -> int:
    """The newest term that was given out or has written. The chain counts too: a fence that was set back is no way in."""
    fence = connection.execute(_FENCE).scalar() or 0
    written = connection.execute(_NEWEST_TERM).scalar() or 0
    return max(int(fence), int(written))


def raise_fence(connection: Connection, term: int) -> int:
    """From now on entries of terms older than *term* are refused."""
    connection.execute(update(FENCE).values(term=term))
    return term
