"""An Excel workbook from the one view model: typed cells, a sheet per table, frozen headers and filters, in bounded memory.

Text never becomes a formula or a link: xlsxwriter is told so, and what looks like one stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from syncd.reports.safe import plain, visible
from syncd.reports.view import Column, Kind, Table, Value, View, counted

#: What one Excel cell holds at most, and one sheet.
CELL_MAX = 32_767
ROWS_MAX = 1_048_576

#: Paper, as Excel numbers it; and how long a footer may be beside its marks (255 characters in all).
A4 = 9
FOOT_MAX = 220

_WIDTHS = {
    Kind.STRONG: 32,
    Kind.TEXT: 28,
    Kind.CODE: 26,
    Kind.WORD: 20,
    Kind.MOMENT: 19,
    Kind.NUMBER: 10,
    Kind.HOURS: 10,
    Kind.YESNO: 10,
    Kind.PATH: 30,
    Kind.LIST: 24,
}


def write_xlsx(view: View, out: BinaryIO) -> None:
    """A workbook: summary, a sheet per table, and what each column means. Raises OSError, Unbalanced."""
    view.demand_balance()
    book = xlsxwriter.Workbook(
        out,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "remove_timezone": True,
            "default_date_format": "yyyy-mm-dd hh:mm:ss",
        },
    )
    book.set_properties(
        {
            "title": visible(view.title),
            "comments": visible(view.foot),
            "created": view.made_at.astimezone(UTC).replace(tzinfo=None),
        }
    )
    looks = _Looks(book)
    _summary(_printed(book.add_worksheet("Summary"), view), view, looks)
    for table in (*(one for one in view.tables if one.count), view.main):
        for number, part in enumerate(_parts(table)):
            _sheet(_printed(book.add_worksheet(_sheet_name(table.title, number)), view), table, part, looks)
    _columns(_printed(book.add_worksheet("Columns"), view), view, looks)
    book.close()


def _printed(sheet: Worksheet, view: View) -> Worksheet:
    """On paper: one page wide, headings on every page, and at its foot which report it is, of which ledger, and the page."""
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)
    if sheet.get_name() != "Summary":
        sheet.repeat_rows(0)
    foot = visible(view.foot).replace("&", "&&")
    sheet.set_footer(f"&L&7{foot[:FOOT_MAX]}&R&8Page &P of &N")
    return sheet


class _Looks:
    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.head: Format = book.add_format({"bold": True, "bottom": 1, "bg_color": "#E8ECF1", "valign": "top"})
        self.title: Format = book.add_format({"bold": True, "font_size": 14})
        self.section: Format = book.add_format({"bold": True, "font_color": "#3A4A5F"})
        self.moment: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"})
        self.hours: Format = book.add_format({"num_format": "#,##0.00"})
        self.number: Format = book.add_format({"num_format": "#,##0.##"})
        self.count: Format = book.add_format({"num_format": "#,##0"})
        self.wrap: Format = book.add_format({"text_wrap": True, "valign": "top"})


def _summary(sheet: Worksheet, view: View, looks: _Looks) -> None:
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 70)
    sheet.set_column(2, 3, 24)
    sheet.write_string(0, 0, visible(view.title), looks.title)
    sheet.write_string(1, 0, visible(view.state), looks.section)
    at = 2
    for line in view.says:
        sheet.write_string(at, 0, visible(line))
        at += 1
    for facts in view.facts:
        at += 1
        sheet.write_string(at, 0, visible(facts.title), looks.section)
        at += 1
        for fact in facts.facts:
            sheet.write_string(at, 0, visible(fact.title))
            _cell(sheet, at, 1, fact.value, fact.kind, looks)
            at += 1
    at += 1
    sheet.write_string(at, 0, "Control totals", looks.section)
    for balance in view.balances:
        at += 1
        sheet.write_string(at, 0, visible(balance.says))
        sheet.write_string(at, 1, " + ".join(f"{number:,} {visible(word)}" for word, number in balance.parts) or "0")
        sheet.write_number(at, 2, balance.number, looks.count)
        sheet.write_string(at, 3, f"{visible(balance.whole)}: balances")
    at += 2
    sheet.write_string(at, 0, visible(view.foot))


def _sheet(sheet: Worksheet, table: Table, rows: Iterator[Any], looks: _Looks) -> None:
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, _WIDTHS[column.kind])
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.title, looks.head)
    last = 0
    for last, row in enumerate(rows, 1):
        for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            _cell(sheet, last, place, value, column.kind, looks)
    sheet.autofilter(0, 0, max(last, 1), len(table.columns) - 1)


def _cell(sheet: Worksheet, row: int, place: int, value: Value, kind: Kind, looks: _Looks) -> None:
    match value:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, place, value)
        case int() | float():
            sheet.write_number(
                row,
                place,
                value,
                looks.hours if kind is Kind.HOURS else looks.number if isinstance(value, float) else looks.count,
            )
        case datetime():
            sheet.write_datetime(row, place, value.astimezone(UTC).replace(tzinfo=None, microsecond=0), looks.moment)
        case _:
            text = plain(value)
            sheet.write_string(row, place, text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…")


def _columns(sheet: Worksheet, view: View, looks: _Looks) -> None:
    sheet.set_column(0, 2, 24)
    sheet.set_column(3, 3, 100)
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(("Sheet", "Column", "Key", "Meaning")):
        sheet.write_string(0, place, name, looks.head)
    lines = [(table.title, column) for table in (*view.tables, view.main) if table.count for column in table.columns]
    at = 0
    for at, (title, column) in enumerate(lines, 1):
        sheet.write_string(at, 0, visible(title))
        sheet.write_string(at, 1, column.title)
        sheet.write_string(at, 2, column.key)
        sheet.write_string(at, 3, _meaning(column), looks.wrap)
    for word, says in view.glossary:
        at += 1
        sheet.write_string(at, 0, "(word)")
        sheet.write_string(at, 2, word)
        sheet.write_string(at, 3, says, looks.wrap)


def _meaning(column: Column) -> str:
    return column.says + (" (UTC)" if column.kind is Kind.MOMENT else "")


def _parts(table: Table) -> Iterator[Iterator[Any]]:
    """The rows in as many parts as sheets are needed."""
    rows = counted(table)
    for start in range(0, max(table.count, 1), ROWS_MAX - 1):
        size = min(ROWS_MAX - 1, table.count - start)
        last = start + ROWS_MAX - 1 >= table.count
        yield rows if last else (next(rows) for _ in range(size))


def _sheet_name(title: str, number: int) -> str:
    r"""A name Excel takes: at most 31 characters, none of ``[]:*?/\``."""
    name = "".join(" " if char in "[]:*?/\\" else char for char in title)[:28]
    return name if number == 0 else f"{name} {number + 1}"
