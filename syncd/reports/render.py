"""A view into a file or a stream, in one of the formats. The only place that knows them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from syncd.reports.view import View

#: Formats made from a view. ``json`` is the document itself (see ``document.py`` and the period's document).
VIEW_FORMATS = ("html", "csv", "xlsx", "jsonl")


def render(view: View, format_: str, out: BinaryIO) -> None:
    """Writes the report in one of VIEW_FORMATS (ValueError for another). Raises OSError, Unbalanced: then whatever was written is
    no report, so write into a new file."""
    # Imported when needed: a daemon that writes none of them need not hold their libraries (several MiB).
    match format_:
        case "html":
            from syncd.reports.html import html_pieces

            _write(html_pieces(view), out)
        case "csv":
            from syncd.reports.table_files import csv_lines

            _write(csv_lines(view), out)
        case "jsonl":
            from syncd.reports.table_files import json_lines

            _write(json_lines(view), out)
        case "xlsx":
            from syncd.reports.workbook import write_xlsx

            write_xlsx(view, out)
        case _:
            raise ValueError(f"unknown format {format_}")


def _write(pieces: Iterable[str], out: BinaryIO) -> None:
    # Half a surrogate pair from an odd name is no UTF-8; such a name must not stop a report.
    out.writelines(piece.encode("utf-8", "backslashreplace") for piece in pieces)
