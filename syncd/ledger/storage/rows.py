"""The chain's table read as entries and written from entries; every function works inside the caller's transaction.

What an entry must be is ``ledger.chain``'s business: rows are given as they lie there, edited ones included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing

from syncd.errors import LedgerError
from syncd.ledger.chain import Exported, export_line, who_of
from syncd.ledger.storage import personal
from syncd.ledger.storage.schema import ENTRY, insert_rows, is_term
from syncd.ledger.storage.sql import AT_ONCE, Connection, marks
from syncd.model import Head, LedgerEntry

_ENTRIES = f"SELECT {ENTRY} FROM chain"  # noqa: S608 (our own names)


def entry_at(connection: Connection, seq: int) -> LedgerEntry | None:
    """The entry of this number, or None."""
    row = connection.row(f"{_ENTRIES} WHERE seq = ?", (seq,))
    return LedgerEntry(*row) if row else None


def last_entry(connection: Connection) -> LedgerEntry | None:
    """The entry at the end of the chain, or None when there is none."""
    row = connection.row(f"{_ENTRIES} ORDER BY seq DESC LIMIT 1")
    return LedgerEntry(*row) if row else None


def last_entries(connection: Connection) -> Iterator[LedgerEntry]:
    """The entries from the end of the chain on, as many as are asked for."""
    entry = last_entry(connection)
    while entry is not None:
        yield entry
        row = connection.row(f"{_ENTRIES} WHERE seq < ? ORDER BY seq DESC LIMIT 1", (entry.seq,))
        entry = LedgerEntry(*row) if row else None


def head_of(connection: Connection) -> Head:
    """The end of the chain; (0, "") for an empty one."""
    row = connection.row("SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1")
    return Head(*row) if row else Head(0, "")


def every_entry(connection: Connection) -> Iterator[LedgerEntry]:
    """Every row in its order, in bounded memory, also those with numbers that no entry has."""
    return _streamed(connection, f"{_ENTRIES} ORDER BY seq")


def entries_after(connection: Connection, seq: int) -> Iterator[LedgerEntry]:
    """All later entries in their order, in bounded memory."""
    return _streamed(connection, f"{_ENTRIES} WHERE seq > ? ORDER BY seq", seq)


def _streamed(connection: Connection, query: str, *values: object) -> Iterator[LedgerEntry]:
    with closing(connection.stream(query, values)) as found:  # a reader may stop half-way: then the cursor is closed at once
        for row in found:
            yield LedgerEntry(*row)


def some_entries(connection: Connection, which: str, values: Sequence[object]) -> list[LedgerEntry]:
    """The entries of a query, written from its WHERE on."""
    return [LedgerEntry(*row) for row in connection.execute(f"{_ENTRIES} WHERE {which}", values)]


def is_there(connection: Connection, kind: str) -> bool:
    """Whether there is an entry of this kind."""
    return connection.row("SELECT seq FROM chain WHERE kind = ? LIMIT 1", (kind,)) is not None


def hashes_at(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """Number -> hash, of those of these entries that are there."""
    found: dict[int, str] = {}
    for start in range(0, len(numbers), 500):  # older SQLite versions take 999 parameters
        some = numbers[start : start + 500]
        found.update(connection.execute(f"SELECT seq, hash FROM chain WHERE seq IN {marks(some)}", some))  # noqa: S608 (marks)
    return found


def accepted_as_lost(connection: Connection, head: Head) -> bool:
    """Whether somebody said that this head, which is not in the chain, is meant to be missing."""
    bodies = connection.column("SELECT body FROM chain WHERE kind = ?", ("ledger.accepted",))
    return any([head.seq, head.hash] in json.loads(body).get("missing_heads", ()) for body in bodies)


def listed_as_blank(connection: Connection) -> set[str]:
    """References of names and addresses of which an entry says that they were blanked."""
    bodies = connection.column("SELECT body FROM chain WHERE kind = ?", ("personal.blanked",))
    return {ref for body in bodies for ref in json.loads(body).get("refs", ())}


def insert_entries(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    """Writes entries that continue the chain."""
    columns = ENTRY.split(", ")
    insert_rows(connection, "chain", ENTRY, [tuple(getattr(entry, column) for column in columns) for entry in entries])


def export_lines(connection: Connection, after: int) -> tuple[list[str], int]:
    """The next lines of an export, at most ``AT_ONCE``, with the number of the last entry among them. Raises LedgerError."""
    entries = some_entries(connection, "seq > ? ORDER BY seq LIMIT ?", (after, AT_ONCE))
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
    """The newest term that was given out or has written. The chain counts too: a fence that was set back is no way in. Raises
    LedgerError when somebody put something else there."""
    fence = connection.value("SELECT term FROM fence") or 0
    written = connection.value("SELECT max(term) FROM chain") or 0
    if not is_term(fence) or not is_term(written):
        raise LedgerError(
            "the ledger's newest leadership term is none: it was edited",
            "Run syncd ledger verify, and put a copy of the ledger back.",
        )
    return max(int(fence), int(written))


def raise_fence(connection: Connection, term: int) -> int:
    """From now on entries of terms older than *term* are refused."""
    connection.execute("UPDATE fence SET term = ?", (term,))
    return term
