"""The one view model of all reports: what is said, in which order, with which type; nothing of how it looks.

A ``View`` is made from a cycle (``cycle.py``) or a period (``period.py``) and rendered as HTML, CSV, XLSX or JSON Lines.
Rows are made while they are written, so a large report needs no large memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

#: What may stand in a cell. A tuple is a list of words (a group path, notes); None: not known, or does not apply.
Value = str | int | float | bool | datetime | tuple[str, ...] | None
Row = Sequence[Value]


class Unbalanced(ValueError):
    """Sums of a report that should be equal are not: such a report is never written, since it would be no evidence."""


class Kind(StrEnum):
    """What a value is: decides its type in a spreadsheet and its look on a page."""

    TEXT = "text"
    STRONG = "strong"  # the name of the row
    CODE = "code"  # an id, a digest
    WORD = "word"  # a word of a closed list: action, state, outcome
    MOMENT = "moment"  # UTC
    NUMBER = "number"
    HOURS = "hours"
    YESNO = "yesno"
    PATH = "path"  # groups from the configured one down
    LIST = "list"


class Tone(StrEnum):
    """How good the news is; colours follow from it, and never stand alone."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Column:
    """*key* heads the column in CSV, XLSX and JSON Lines. *title* and *cell* are for people: columns of the same *cell*
    stand together in one cell of the page, each on its line unless *lead* ties it to the one before; an empty *cell* leaves
    the column to the other formats. *label*: what stands before the value there."""

    key: str
    title: str
    kind: Kind
    says: str
    cell: str = ""
    lead: str = ""
    label: str = ""


@dataclass(frozen=True)
class Table:
    """*rows* makes them anew at each call, *count* of them. *story*: of a
    row, lines to unfold (when, what). *record*: what one row is called in JSON Lines; empty: it is not written there."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[], Iterator[Row]]
    count: int
    says: str = ""
    none: str = "None."
    record: str = ""
    story: Callable[[Row], Sequence[tuple[str, str]]] | None = None
    plain: Callable[[Row], bool] | None = None  # rows that a page may leave out when there are very many: nothing to see


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a header."""

    title: str
    value: Value
    kind: Kind = Kind.TEXT
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that belong together. *big*: numbers people look for first."""

    title: str
    facts: tuple[Fact, ...]
    says: str = ""
    big: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """A control total: the parts must add up to the whole, which was counted apart from them."""

    says: str
    parts: tuple[tuple[str, int], ...]
    whole: str
    number: int

    @property
    def sum(self) -> int:
        """What the parts add up to."""
        return sum(number for _, number in self.parts)

    @property
    def holds(self) -> bool:
        """Whether it balances."""
        return self.sum == self.number


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over labels, stacked where there are several series. *tones*: one for each series."""

    title: str
    says: str
    unit: str
    series: tuple[str, ...]
    bars: tuple[tuple[str, tuple[int, ...]], ...]
    tones: tuple[Tone, ...]


@dataclass(frozen=True)
class View:
    """A whole report. *main*: the table a CSV consists of. *head*: the header as plain JSON values."""

    title: str
    state: str
    tone: Tone
    says: tuple[str, ...]
    facts: tuple[Facts, ...]
    balances: tuple[Balance, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    main: Table
    record: str
    head: Mapping[str, Any]
    made_at: datetime  # of what it is about, never of the rendering: equal reports have equal bytes
    foot: str
    glossary: tuple[tuple[str, str], ...] = ()
    pages: bool = False  # the main table's rows have a page each: a sample that is looked at closely

    def demand_balance(self) -> None:
        """Raises Unbalanced, naming the first sum that is wrong."""
        demand_balance(self.balances)


def demand_balance(balances: Iterable[Balance]) -> None:
    """Raises Unbalanced, naming the first sum that is wrong."""
    for balance in balances:
        if not balance.holds:
            parts = " + ".join(f"{number} {word}" for word, number in balance.parts)
            raise Unbalanced(
                f"{balance.says}: {parts} = {balance.sum}, but {balance.number} {balance.whole}; the report was not written"
            )


def counted(table: Table) -> Iterator[Row]:
    """The rows of a table, which must be as many as it says. Raises Unbalanced at the end otherwise."""
    number = 0
    for row in table.rows():
        number += 1
        yield row
    if number != table.count:
        raise Unbalanced(f"{table.title}: {number} rows were written, but {table.count} were counted")
