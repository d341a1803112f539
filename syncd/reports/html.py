"""A report as one HTML file: nothing is loaded from elsewhere, nothing runs but our own script, allowed by its hash.

It reads without scripts; with them tables sort and filter. Everything shown is escaped by the template engine; what is made
here by hand (rows and charts, for speed) is escaped piece by piece. Light, dark, phone and paper.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from syncd.reports.charts import svg
from syncd.reports.safe import plain, visible
from syncd.reports.view import Column, Kind, Row, Table, Tone, Value, View, counted
from syncd.reports.words import TONES

#: Tables that are told even when they are empty: their absence would be no answer.
ALWAYS = frozenset(
    {
        "exceptions",
        "guards",
        "approvals",
        "late",
        "open",
        "kept",
        "gaps",
        "changes",
        "overrides",
        "in_force",
        "reviews",
        "missing",
        "kept_sample",
        "compared",
    }
)

#: Between a group and one below it.
_BELOW = " \u203a "

#: A longer text of a header takes two places.
LONG = 28

#: Rows up to which a page shows all of a table that has rows with nothing to see.
ROWS_SHOWN = 5_000

#: Rows of a table a page holds at the most, whatever is to be seen in them: a browser lays out no more in a few seconds, and
#: the page must open above all on the day on which a plan would change everybody.
ROWS_MAX = 5_000

#: Characters of the foot on each printed page.
FOOT_MAX = 200

#: Characters gathered before they are handed on.
PIECE = 1 << 16


def html_pieces(view: View) -> Iterator[str]:
    """The document, piece by piece. Raises Unbalanced."""
    view.demand_balance()
    template = _environment().from_string(_asset("report.html.j2"))
    style, script = _asset("report.css") + _on_paper(view.foot), _asset("report.js")
    stream = template.generate(
        view=view,
        style=Markup(style),  # noqa: S704 (our own files)
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
        listed=[*(table for table in view.tables if table.count or table.key in ALWAYS), view.main],
        charts=[(chart, Markup(svg(chart))) for chart in view.charts if chart.bars],  # noqa: S704 (escaped there)
        value=_value,
        long=LONG,
        rest=_rest,
        meanings=_meanings,
        rows=_rows,
        pages=_pages,
        cells=_cells,
    )
    gathered: list[str] = []
    size = 0
    for piece in stream:
        gathered.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(gathered)
            gathered, size = [], 0
    yield "".join(gathered) + "\n"


def _on_paper(foot: str) -> str:
    """Each printed page says which report it is, of which ledger, and how many pages there are."""
    words = "".join(char for char in foot if char.isalnum() or char in " ·.:-_")[:FOOT_MAX]
    return (
        f'@page{{@bottom-left{{content:"{words}";font:7pt sans-serif}}'
        '@bottom-right{content:"Page " counter(page) " of " counter(pages);font:7pt sans-serif}}'
    )


def _shortened(table: Table) -> bool:
    """Whether the page leaves out the rows that have nothing to see: a browser has to carry it."""
    return table.plain is not None and table.count > ROWS_SHOWN


def _rest(table: Table) -> tuple[int, str]:
    """(how many rows the page shows, how they were chosen); the words are empty if it shows all of them."""
    seen = sum(not table.plain(row) for row in table.rows()) if _shortened(table) and table.plain is not None else table.count
    chosen = "those that are not plainly kept (in step or out of scope, without a note)" if _shortened(table) else ""
    if seen > ROWS_MAX:
        chosen = f"the first {ROWS_MAX:,}" + (f" of {seen:,} that are not plainly kept" if chosen else "")
    return min(seen, ROWS_MAX), chosen


def _meanings(table: Table) -> list[tuple[str, str]]:
    """What each column on the page means, for whoever cannot hover."""
    return [(column.title, column.says) for column in table.columns if column.cell]


def _policy(style: str, script: str) -> str:
    def hashed(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-{hashed(style)}'; "
        f"script-src 'sha256-{hashed(script)}'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=False)
    environment.filters["shown"] = visible
    environment.filters["minute"] = _minute
    return environment


@cache
def _asset(name: str) -> str:
    return files("syncd.reports").joinpath("page", name).read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------------------------- rows


def _cells(table: Table) -> list[str]:
    """The headings of a table on the page."""
    return list(dict.fromkeys(column.cell for column in table.columns if column.cell))


def _rows(table: Table) -> Iterator[Markup]:
    groups = [[(place, column) for place, column in enumerate(table.columns) if column.cell == cell] for cell in _cells(table)]
    shortened, shown = _shortened(table), 0
    for row in counted(table):
        if shown == ROWS_MAX or (shortened and table.plain is not None and table.plain(row)):
            continue
        shown += 1
        cells = [_cell([(column, row[place]) for place, column in group]) for group in groups]
        if table.story is not None:
            cells[0] = cells[0].removesuffix("</td>") + _story(table, row) + "</td>"
        yield Markup("<tr>" + "".join(cells) + "</tr>")  # noqa: S704 (every value below is escaped)


def _pages(table: Table) -> Iterator[Markup]:
    """A page of evidence for each row: every column by its title, and the whole story."""
    for number, row in enumerate(counted(table), 1):
        facts = "".join(
            f"<div{_long(value)}><dt>{escape(column.title)}</dt><dd>{_shown(value, column.kind)}</dd></div>"
            for column, value in zip(table.columns, row, strict=True)
            if value is not None
        )
        lines = table.story(row) if table.story is not None else ()
        yield Markup(  # noqa: S704 (every value is escaped)
            f'<section class="page"><h2>Evidence {number} of {table.count}</h2><dl class="facts">{facts}</dl>'
            f"<h3>The whole story</h3><ol>{_items(lines)}</ol></section>"
        )


def _long(value: Value) -> str:
    return ' class="long"' if len(plain(value)) > LONG else ""


def _cell(values: list[tuple[Column, Value]]) -> str:
    """The values that stand together, each on its line or tied to the one before; what sorts is the first one."""
    shown = [(column, value) for column, value in values if value is not None and value not in ("", ())]
    if not shown:
        return "<td></td>"
    text = ""
    for column, value in shown:
        text += escape(column.lead) or "<br>" if text else ""
        text += (f"<i>{escape(column.label)}</i>" if column.label else "") + _shown(value, column.kind)
        text += "\u00a0h" if column.kind is Kind.HOURS and len(values) > 1 else ""  # no heading says it
    first, value = shown[0]
    number = ' class="n"' if len(values) == 1 and first.kind in (Kind.NUMBER, Kind.HOURS) else ""
    sort = f' data-s="{escape(plain(value))}"' if first.kind in (Kind.MOMENT, Kind.NUMBER, Kind.HOURS) else ""
    return f"<td{number}{sort}>{text}</td>"


def _story(table: Table, row: Row) -> str:
    lines = table.story(row) if table.story is not None else ()
    if not lines:
        return ""
    return f"<details><summary>The whole story ({len(lines)})</summary><ol>{_items(lines)}</ol></details>"


def _items(lines: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<li><time>{escape(visible(at))}</time> {escape(visible(says))}</li>" for at, says in lines)


# ------------------------------------------------------------------------------------------------------------- values


def _value(value: Value, kind: Kind) -> Markup:
    """A value of the header."""
    return Markup(_shown(value, kind))  # noqa: S704 (escaped there)


def _shown(value: Value, kind: Kind) -> str:
    match value:
        case None:
            return ""
        case datetime():
            at = value.astimezone(UTC)
            return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M}</time>'
        case bool():
            return '<span class="w good">yes</span>' if value else '<span class="w bad">no</span>'
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}" if kind is Kind.HOURS else f"{value:,.10g}"
        case tuple():
            words = [f"<bdi>{escape(visible(word))}</bdi>" for word in value]
            return f"<small>{(_BELOW if kind is Kind.PATH else ', ').join(words)}</small>"
        case _:
            return _text(value, kind)


def _text(text: str, kind: Kind) -> str:
    safe = escape(visible(text))
    match kind:
        case Kind.STRONG:
            return f"<b><bdi>{safe}</bdi></b>"
        case Kind.CODE:
            return f"<code>{safe}</code>"
        case Kind.WORD:
            tone = TONES.get(text, Tone.PLAIN)
            return f'<span class="w {tone.value}">{safe}</span>' if tone is not Tone.PLAIN else f"<span>{safe}</span>"
        case _:
            return f"<bdi>{safe}</bdi>" if not text.isascii() else safe


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
