"""A period's report on a terminal, by its width, and as plain lines in a pipe: the same words as the page, without its look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TextIO

from syncd.reports.safe import plain, visible
from syncd.reports.screen import GAP, Column, Screen, fitted
from syncd.reports.view import Row, Table, Tone, Value, View, counted

#: Columns of a leaver on one line; the other formats have them all.
SHORT = ("email", "zoom_id", "state", "reason", "first_seen_at", "acted_at", "delay_hours", "promise_met", "approved_by")

#: Widest title of a fact, for the column of values.
INDENT = 48


#: Whom a row is about, what became of it and why: in every table, however narrow. The others come in by their place.
ALWAYS = ("email", "state", "reason", "why", "because")

#: Columns for machines come in last.
LAST = ("zoom_id", "directory_id", "receiver_id", "plan", "id", "entry", "hold_entry", "outcome_entry", "cycle")

_STYLES: Mapping[Tone, str] = {Tone.PLAIN: "", Tone.GOOD: "good", Tone.WARN: "warn", Tone.BAD: "bad"}


def print_period(view: View, out: TextIO, *, width: int | None = None) -> None:
    """Totals, exceptions, gaps, what people decided, then the leavers: a line each, or of a sample a page each."""
    screen = Screen(out, width)
    if screen.terminal:
        _on_screen(view, screen)
    else:
        out.writelines(line.rstrip() + "\n" for line in _lines(view))


def _on_screen(view: View, screen: Screen) -> None:
    screen.line((visible(view.title), "bold"))
    screen.prose(visible(view.state), _STYLES[view.tone], indent=0)
    for text in view.says:
        screen.prose(visible(text), indent=0)
    for facts in view.facts:
        shown = [fact for fact in facts.facts if fact.value is not None]
        head = max((len(fact.title) for fact in shown), default=0) + GAP
        screen.line()
        screen.line((facts.title, "bold"))
        for fact in shown:
            screen.prose(_cell(fact.value), _STYLES[fact.tone], first=f"{fact.title:<{head}}")
    screen.line()
    screen.line(("Control totals", "bold"))
    for balance in view.balances:
        parts = " + ".join(f"{number} {word}" for word, number in balance.parts) or "0"
        screen.prose(f"{balance.says}: {parts} = {balance.number} {balance.whole}")
    for table in (*view.tables, view.main):
        screen.line()
        screen.line((f"{table.title} ({table.count})", "bold"))
        if not table.count:
            screen.prose(table.none)
        elif table is view.main and view.pages:
            for line in _pages(table):
                screen.line(line)
        else:
            _print_table(table, screen)
    screen.line()
    screen.prose(visible(view.foot), indent=0)


def _print_table(table: Table, screen: Screen) -> None:
    """The columns there is room for, and the names of the others that would have something to say."""
    places = _places(table)
    cells = [[_cell(row[place]) for place in places] for row in counted(table)]
    keys = [table.columns[place].key for place in places]
    columns = [
        Column(
            table.columns[place].title,
            0 if not number or key in ALWAYS else 1 + number + len(keys) * (key in LAST),
            least=18 if key == "email" else 8,
            most=44,
        )
        for number, (key, place) in enumerate(zip(keys, places, strict=True))
    ]
    screen.table(columns, cells)
    widths = fitted(columns, cells, screen.width - 2)
    left = [one.name for at, one in enumerate(columns) if not widths[at] and any(row[at] for row in cells)]
    if left:
        screen.prose(f"no room for: {', '.join(left)}; --format html, csv or xlsx has them all")


def _cell(value: Value) -> str:
    """As ``plain``, times to the minute."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}" if isinstance(value, datetime) else plain(value)


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


def _places(table: Table) -> list[int]:
    places = [place for place, column in enumerate(table.columns) if column.key in SHORT]
    return places if len(places) == len(SHORT) else list(range(len(table.columns)))


def _short(table: Table) -> Iterator[str]:
    places = _places(table)
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
