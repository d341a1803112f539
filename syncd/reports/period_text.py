"""A period's report on a terminal, and as plain lines in a pipe: the same words as the page, without its look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from syncd.reports.safe import plain, visible
from syncd.reports.view import Row, Table, View, counted

#: Columns of a leaver on one line; the other formats have them all.
SHORT = ("email", "zoom_id", "state", "reason", "first_seen_at", "acted_at", "delay_hours", "promise_met", "approved_by")

#: Widest title of a fact, for the column of values.
INDENT = 48


def print_period(view: View, out: TextIO) -> None:
    """Totals, exceptions, gaps, what people decided, then the leavers: a line each, or of a sample a page each."""
    out.writelines(line.rstrip() + "\n" for line in _lines(view))


def _lines(view: View) -> Iterator[str]:
    yield visible(view.title)
    yield visible(view.state)
    yield from map(visible, view.says)
    for facts in view.facts:
        yield ""
        yield facts.title
        yield from (f"  {fact.title:<{INDENT}}{plain(fact.value)}" for fact in facts.facts if fact.value is not None)
    yield ""
    yield "Control totals"
    for balance in view.balances:
        parts = " + ".join(f"{number} {word}" for word, number in balance.parts) or "0"
        yield f"  {balance.says}: {parts} = {balance.number} {balance.whole}"
    for table in (*view.tables, view.main):
        yield ""
        yield f"{table.title} ({table.count})"
        if not table.count:
            yield f"  {table.none}"
        elif table is view.main and view.pages:
            yield from _pages(table)
        else:
            yield from _short(table)
    yield ""
    yield visible(view.foot)


def _short(table: Table) -> Iterator[str]:
    places = [place for place, column in enumerate(table.columns) if column.key in SHORT]
    if len(places) < len(SHORT):
        places = list(range(len(table.columns)))
    yield "  " + "\t".join(table.columns[place].key for place in places)
    for row in counted(table):
        yield "  " + "\t".join(plain(row[place]) for place in places)


def _pages(table: Table) -> Iterator[str]:
    for number, row in enumerate(counted(table), 1):
        yield ""
        yield f"--- Evidence {number} of {table.count} " + "-" * 60
        yield from _page(table, row)


def _page(table: Table, row: Row) -> Iterator[str]:
    for column, value in zip(table.columns, row, strict=True):
        if value is not None:
            yield f"  {column.title:<{INDENT}}{plain(value)}"
    for at, says in table.story(row) if table.story is not None else ():
        yield f"    {at}  {visible(says)}"
