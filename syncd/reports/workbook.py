"""An Excel workbook from the one view model: typed cells, a sheet per table, frozen headers and filters, in bounded memory.

Text never becomes a formula or a link: xlsxwriter is told so, and what looks like one stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from syncd.reports.safe import plain, visible
from syncd.reports.view import Column, Kind, Table, Value, View, counted

#: What one Excel cell holds at most, and one sheet.
CELL_MAX = 32_767
ROWS_MAX = 1_048_576

#: Of one line of text, and what Excel takes for a row; points.
LINE_HEIGHT = 15
ROW_HEIGHT_MAX = 409

#: Paper, as Excel numbers it; and how long a footer may be beside its marks (255 characters in all).
A4, A3 = 9, 8
FOOT_MAX = 220

#: Characters side by side that A4 can show on one page. No program shrinks below a tenth, and nobody reads that.
ON_A4 = 260

#: Rows up to which a wide sheet is made narrow for paper: a program lays out each wrapped row when it opens the sheet.
WRAPPED_MAX = 5_000

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


#: The same where a sheet is wide: text goes on below, a moment cannot.
_NARROW = {
    **_WIDTHS,
    Kind.STRONG: 18,
    Kind.TEXT: 11,
    Kind.CODE: 11,
    Kind.WORD: 11,
    Kind.NUMBER: 8,
    Kind.HOURS: 8,
    Kind.YESNO: 8,
    Kind.PATH: 11,
    Kind.LIST: 11,
}

#: Of the summary's four columns.
_SUMMARY = (34, 70, 24, 24)


def write_xlsx(view: View, out: BinaryIO) -> None:
    """A workbook: summary, a sheet per table, and what each column means. Raises OSError, Unbalanced; then nothing of it is left
    behind where temporary files lie (1.5 KiB for each row while it is written)."""
    view.demand_balance()
    with TemporaryDirectory(prefix="syncd-") as folder:
        try:
            _write(view, out, folder)
        except FileCreateError as error:  # what the library makes of an OSError as it puts the file together
            raise error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error)) from None


def _write(view: View, out: BinaryIO, folder: str) -> None:
    book = xlsxwriter.Workbook(
        out,
        {
            "tmpdir": folder,
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
            sheet = book.add_worksheet(_sheet_name(table.title, number))
            _sheet(_printed(sheet, view, A3 if _is_wide(table) else A4), table, part, looks)
    _columns(_printed(book.add_worksheet("Columns"), view), view, looks)
    book.close()


def _is_wide(table: Table) -> bool:
    return sum(_WIDTHS[column.kind] for column in table.columns) > ON_A4


def _printed(sheet: Worksheet, view: View, paper: int = A4) -> Worksheet:
    """On paper: one page wide, headings on every page, and at its foot which report it is, of which ledger, and the page."""
    sheet.set_landscape()
    sheet.set_paper(paper)
    sheet.fit_to_pages(1, 0)
    if sheet.get_name() != "Summary":
        sheet.repeat_rows(0)
    foot = visible(view.foot).replace("&", "&&")
    sheet.set_footer(f"&L&7{foot[:FOOT_MAX]}&R&8Page &P of &N")
    return sheet


class _Looks:
    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.head: Format = book.add_format(
            {"bold": True, "bottom": 1, "bg_color": "#E8ECF1", "valign": "top", "text_wrap": True}
        )
        self.title: Format = book.add_format({"bold": True, "font_size": 14})
        self.section: Format = book.add_format({"bold": True, "font_color": "#3A4A5F"})
        self.moment: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left", "valign": "top"})
        self.hours: Format = book.add_format({"num_format": "#,##0.00", "valign": "top"})
        self.number: Format = book.add_format({"num_format": "#,##0.##", "valign": "top"})
        self.count: Format = book.add_format({"num_format": "#,##0", "valign": "top"})
        self.wrap: Format = book.add_format({"text_wrap": True, "valign": "top"})


def _summary(sheet: Worksheet, view: View, looks: _Looks) -> None:
    for place, width in enumerate(_SUMMARY):
        sheet.set_column(place, place, width)
    sheet.write_string(0, 0, visible(view.title), looks.title)
    sheet.write_string(1, 0, visible(view.state), looks.section)
    at = 2
    for line in view.says:
        _line(sheet, at, visible(line), looks)
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
    _line(sheet, at, visible(view.foot), looks)


def _line(sheet: Worksheet, at: int, text: str, looks: _Looks) -> None:
    """A line across the summary, as high as it needs: a merged cell does not grow by itself."""
    sheet.set_row(at, LINE_HEIGHT * (1 + len(text) * 11 // (10 * sum(_SUMMARY))))
    sheet.merge_range(at, 0, at, len(_SUMMARY) - 1, "", looks.wrap)
    sheet.write_string(at, 0, text, looks.wrap)


def _sheet(sheet: Worksheet, table: Table, rows: Iterator[Any], looks: _Looks) -> None:
    narrow = _is_wide(table) and table.count <= WRAPPED_MAX
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, (_NARROW if narrow else _WIDTHS)[column.kind])
    sheet.freeze_panes(1, 1)
    if narrow:
        _grow(sheet, 0, [column.title for column in table.columns], table)
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.title, looks.head)
    last = 0
    for last, row in enumerate(rows, 1):
        if narrow:
            _grow(sheet, last, row, table)
        for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            _cell(sheet, last, place, value, column.kind, looks, looks.wrap if narrow else None)
    sheet.autofilter(0, 0, max(last, 1), len(table.columns) - 1)


def _grow(sheet: Worksheet, at: int, row: Iterable[Value], table: Table) -> None:
    """A row as high as its longest text needs in narrow columns: not every program does that by itself."""
    lines = max(
        -(-len(plain(value)) * 11 // (10 * _NARROW[column.kind])) if isinstance(value, str | tuple) else 1
        for value, column in zip(row, table.columns, strict=True)
    )
    sheet.set_row(at, min(LINE_HEIGHT * max(lines, 1), ROW_HEIGHT_MAX))


def _cell(
    sheet: Worksheet, row: int, place: int, value: Value, kind: Kind, looks: _Looks, text_look: Format | None = None
) -> None:
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
            sheet.write_string(row, place, text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…", text_look)


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
