"""One connection to a database as the ledger uses it: statements of SQL that both databases understand, with ``?`` for a value.

No library between: the statements are few, and one that writes them for many databases would be a sixth of an idle daemon.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import count
from typing import Any, Literal

#: Rows handled at once: bounds the memory of long reads and large appends, and is long enough to be quick.
AT_ONCE = 2000

_NUMBERS = count()


class Connection:
    """A connection of sqlite3 or psycopg, whose errors it raises. Not for two threads at once."""

    def __init__(self, raw: Any, dialect: Literal["sqlite", "postgresql"]) -> None:
        self.raw = raw
        self.dialect = dialect

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Runs one statement and gives its cursor: rows to go through, ``rowcount``."""
        return self.raw.execute(self._said(statement, values), values) if values else self.raw.execute(statement)

    def row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        found: tuple[Any, ...] | None = self.execute(statement, values).fetchone()
        return found

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first value of the first row, or None."""
        found = self.row(statement, values)
        return found[0] if found else None

    def column(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """The first value of every row."""
        return [row[0] for row in self.execute(statement, values)]

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Runs one statement for each of these rows of values."""
        with closing(self.raw.cursor()) as cursor:
            cursor.executemany(self._said(statement, "?"), rows)

    def stream(self, statement: str, values: Sequence[object] = ()) -> Generator[tuple[Any, ...]]:
        """Every row, in bounded memory; whoever stops half-way closes it (``contextlib.closing``)."""
        with closing(self._cursor()) as cursor:
            cursor.execute(self._said(statement, values), values)
            yield from cursor

    def _cursor(self) -> Any:
        if self.dialect == "sqlite":
            return self.raw.cursor()
        cursor = self.raw.cursor(name=f"syncd_{next(_NUMBERS)}")  # of the server: otherwise all rows come at once
        cursor.itersize = AT_ONCE
        return cursor

    def _said(self, statement: str, values: Sequence[object]) -> str:
        return statement.replace("?", "%s") if values and self.dialect == "postgresql" else statement


def marks(values: Sequence[object]) -> str:
    """``(?, ?, ?)`` for these values, as after IN."""
    return f"({', '.join('?' * len(values))})"
