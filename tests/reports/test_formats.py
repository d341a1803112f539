"""CSV, XLSX and JSON Lines of a cycle: whole, typed, safe to open, the same each time, and never out of balance."""

from __future__ import annotations

import csv
import errno
import gc
import io
import json
import math
import os
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import Any

import openpyxl
import pytest

from syncd.model import CycleReport
from syncd.reports import workbook
from syncd.reports.cycle import Circumstances, cycle_view
from syncd.reports.document import cycle_document
from syncd.reports.folder import file_cycle
from syncd.reports.render import VIEW_FORMATS, render
from syncd.reports.safe import no_formula, visible
from syncd.reports.view import Unbalanced
from syncd.reports.workbook import WRAPPED_MAX
from tests.reports.a_cycle import FORMULA, HEBREW, NOW, SCRIPT, TURNED, a_cycle, with_a_lost_account

#: Workbooks know no zones: UTC.
ACTED = (NOW + timedelta(seconds=3)).replace(tzinfo=None)


def made(format_: str, report: CycleReport | None = None, omit: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    render(cycle_view(report or a_cycle(), omit), format_, out)
    return out.getvalue()


def csv_rows(omit: tuple[str, ...] = ()) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made("csv", omit=omit).decode(), newline="")))


def row_of(name: str) -> dict[str, str]:
    return next(row for row in csv_rows() if row["email"] == f"{name}@corp.example")


def json_records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in made("jsonl").decode().splitlines()]


def test_what_document_and_view_both_tell_is_the_same():
    """The view's values are told apart by their place alone: one in the wrong place is another column's."""
    told = {row["zoom_id"]: row for row in cycle_document(a_cycle())["decisions"]}
    records = [one for one in json_records() if one["record"] == "account"]
    both = sorted(set(records[0]) & set(told[None]))

    assert len(told) == len(records)
    for one in records:
        assert {key: told[one["zoom_id"]][key] or None for key in both} == {key: one[key] or None for key in both}


def test_a_csv_holds_every_account_once():
    """Kept and pending ones too."""
    names = ["ann", "bob", "carol", "dan", "eve", "frank", "new"]

    assert names == sorted(row["email"].partition("@")[0] for row in csv_rows())


def test_a_row_tells_the_whole_decision():
    """Rule and path, before and after, from when to when."""
    row = row_of("ann")

    assert ("deactivate", "disabled_in_directory", "Zoom Users; Sales") == (row["action"], row["reason"], row["group_path"])
    assert ("active", "inactive", "licensed", "basic") == tuple(
        row[key] for key in ("status", "status_after", "licence", "licence_after")
    )
    assert ("2026-10-07T09:30:03Z", "2026-10-07T09:30:04Z") == (row["done_at"], row["verified_at"])
    assert row["rule"]


def test_time_of_a_disabled_person_counts_from_their_change_in_the_directory():
    """They were disabled two hours before a read saw it."""
    row = row_of("ann")

    assert ("directory_change", "3.0011", "yes") == (row["measured_from"], row["delay_hours"], row["promise_met"])


def test_a_promise_is_broken_while_nothing_happens():
    """First seen gone 30 hours ago, still active: no. An hour ago: not known yet."""
    assert ("first_seen", "", "no") == tuple(row_of("bob")[key] for key in ("measured_from", "delay_hours", "promise_met"))
    assert "" == row_of("dan")["promise_met"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\uff1d1+1", FORMULA])
def test_text_in_a_csv_is_never_a_formula(text: str):
    """Blanks before it and full-width signs included."""
    assert "'" + text == no_formula(text)


def test_a_semicolon_begins_no_formula_either():
    """Where cells are separated by semicolons, quotes around the whole text do not hold it together."""
    assert "Doe;'=1+1; '+2; x" == no_formula("Doe;=1+1; +2; x")
    assert "Doe; Ann-Marie" == no_formula("Doe; Ann-Marie")


def test_every_csv_cell_is_quoted_and_a_formula_is_text():
    """The name that begins with an equals sign keeps all its characters behind the mark."""
    lines = made("csv").decode().split("\r\n")

    assert all(line.startswith('"') and line.endswith('"') for line in lines if line)
    assert "'" + FORMULA == row_of("bob")["display_name"]
    assert SCRIPT == row_of("carol")["display_name"]


def test_invisible_characters_are_written_as_numbers():
    """Direction marks would make a name read as another one; Hebrew letters stay what they are."""
    assert "Ann \\u202eeeL" == visible(TURNED) == row_of("dan")["display_name"]
    assert HEBREW == row_of("frank")["display_name"]
    assert "a\\u0000\\u001b[31m" == visible("a\x00\x1b[31m")


def test_json_lines_keep_values_as_they_are():
    """The exact form: header first, then every account."""
    head, *accounts = json_records()

    assert ("cycle", "syncd.cycle/1", 7) == (head["record"], head["format"], head["zoom"]["accounts"])
    assert 7 == len(accounts)
    assert {FORMULA, SCRIPT, TURNED, HEBREW} <= {row["display_name"] for row in accounts}
    assert ["Zoom Users", "Sales"] == next(row["group_path"] for row in accounts if row["email"] == "ann@corp.example")


def test_omitted_columns_are_in_no_format(tmp_path: Path):
    """Neither the name nor the department, nor their values."""
    for format_ in ("csv", "jsonl", "html"):
        text = made(format_, omit=("display_name", "department")).decode()
        assert "Ann Doe" not in text
        assert "Field Service" not in text
        assert "display_name" not in text
    book = tmp_path / "report.xlsx"
    book.write_bytes(made("xlsx", omit=("display_name", "department")))
    cells = {cell.value for sheet in openpyxl.load_workbook(book) for line in sheet.iter_rows() for cell in line}
    assert not cells & {"Ann Doe", "Field Service", "display_name", "department", "Name", "Department"}


@pytest.mark.parametrize("format_", VIEW_FORMATS)
def test_the_same_report_gives_the_same_bytes(format_: str):
    """Nothing of the moment of writing is in it."""
    assert made(format_) == made(format_)


@pytest.mark.parametrize("format_", VIEW_FORMATS)
def test_a_report_that_does_not_balance_is_not_written(format_: str):
    """An account without a decision is found by the control totals."""
    with pytest.raises(Unbalanced, match="6, but 7 accounts read"):
        made(format_, with_a_lost_account(a_cycle()))


def test_nothing_out_of_balance_reaches_the_folder(tmp_path: Path):
    """Not even the document."""
    with pytest.raises(Unbalanced):
        file_cycle(tmp_path / "reports", with_a_lost_account(a_cycle()), formats=("json", "html"))

    assert not (tmp_path / "reports").exists()


def test_a_report_is_filed_in_every_format_once(tmp_path: Path):
    """A later cycle with the same plan and result adds a line to the list and no file."""
    first = file_cycle(tmp_path, a_cycle(), formats=("html", "csv", "json", "xlsx", "jsonl"))
    again = file_cycle(tmp_path, a_cycle(), formats=("html", "csv", "json", "xlsx", "jsonl"))

    assert (5, 0) == (len(first.written), len(again.written))
    assert {"html", "csv", "json", "xlsx", "jsonl"} == {one.path.suffix[1:] for one in first.written}
    assert 6 == len(list(tmp_path.iterdir()))
    assert 2 == len((tmp_path / "cycles.jsonl").read_text().splitlines())


# -------------------------------------------------------------------------------------------------------------- XLSX


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "report.xlsx"
    path.write_bytes(made("xlsx"))
    return path


def test_a_workbook_has_typed_cells_a_frozen_header_and_filters(book: Path):
    """Times are times, numbers numbers, yes and no booleans."""
    sheet = openpyxl.load_workbook(book)["Accounts"]
    head = [cell.value for cell in sheet[1]]
    ann = dict(
        zip(
            head,
            [cell.value for cell in next(line for line in sheet.iter_rows(min_row=2) if line[0].value == "ann@corp.example")],
            strict=True,
        )
    )

    assert ACTED == ann["Acted"]
    assert (True, 3.0011, 1) == (ann["Promise met"], ann["Hours to lock-out"], ann["Attempts"])
    assert "B2" == sheet.freeze_panes
    assert f"A1:{openpyxl.utils.get_column_letter(len(head))}8" == sheet.auto_filter.ref


def test_a_workbook_prints_one_page_wide_with_titles_and_the_reports_name(book: Path):
    """Each page says which report it is, of which ledger, and how many pages there are."""
    for sheet in openpyxl.load_workbook(book):
        setup = sheet.page_setup
        assert (1, 0, True) == (setup.fitToWidth or 1, setup.fitToHeight, sheet.sheet_properties.pageSetUpPr.fitToPage)
        assert ("$1:$1" if sheet.title != "Summary" else None) == sheet.print_title_rows
        assert "ledger entry" in sheet.oddFooter.left.text
        assert "Page &P of &N" in sheet.oddFooter.right.text.replace("&[Page]", "&P").replace("&[Pages]", "&N")


def test_a_workbook_can_be_read_on_paper(book: Path):
    """Programs shrink a wide sheet to no less than a tenth and then split it, and nobody reads a fifth: columns are narrow, text
    goes on below in rows that are high enough, and the paper is large. Long lines of the summary stay within its columns."""
    millimetres = {8: 420 - 36, 9: 297 - 36}
    for sheet in openpyxl.load_workbook(book):
        widths = [one.width * (one.max - one.min + 1) for one in sheet.column_dimensions.values()]
        assert millimetres[int(sheet.page_setup.paperSize)] / (2.0 * sum(widths)) > 0.3, sheet.title
    sheet = openpyxl.load_workbook(book)["Accounts"]
    assert all(cell.alignment.wrap_text for cell in sheet["A"] if cell.value)
    assert max(sheet.row_dimensions[row].height or 0 for row in range(2, 9)) >= 30
    summary = openpyxl.load_workbook(book)["Summary"]
    assert {4} == {merged.max_col for merged in summary.merged_cells.ranges}
    foot = max(merged.min_row for merged in summary.merged_cells.ranges)
    assert "ledger entry" in summary.cell(foot, 1).value


def test_a_workbook_of_many_rows_is_laid_out_at_once(tmp_path: Path):
    """Nobody prints it, and a program that opens it need not find the height of each row."""
    path = tmp_path / "many.xlsx"
    with path.open("wb") as out:
        render(cycle_view(a_cycle(WRAPPED_MAX)), "xlsx", out)
    opened = openpyxl.load_workbook(path, read_only=True)
    first = next(opened["Accounts"].iter_rows(min_row=2, max_row=2))
    assert not any(cell.value is not None and cell.alignment.wrap_text for cell in first)
    opened.close()


class Measuring(io.BytesIO):
    """Notes how much lies in a folder while the file is put together; may be full."""

    def __init__(self, folder: Path, room: float = math.inf) -> None:
        super().__init__()
        self.folder, self.room, self.most = folder, room, 0

    def write(self, data: Any) -> int:
        self.most = max(self.most, sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()))
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_workbook_needs_as_much_temporary_space_as_the_manifests_say(temporary: Path):
    """1.5 KiB an account, and nothing afterwards."""
    out = Measuring(temporary)
    render(cycle_view(a_cycle(3000)), "xlsx", out)

    assert 0.2 * 1024 <= out.most / 3000 <= 1.5 * 1024
    assert [] == list(temporary.iterdir())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library's own handles, closed by Python
@pytest.mark.parametrize("full", ["the file", "the temporary folder"])
def test_a_workbook_that_finds_no_room_leaves_nothing_behind(full: str, temporary: Path, monkeypatch: pytest.MonkeyPatch):
    """Names of people least of all, and not a little more with every cycle. What it raises is the system's own error."""

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if full != "the file":
        monkeypatch.setattr(workbook, "_columns", no_room)
    with pytest.raises(OSError, match="No space left"):
        render(cycle_view(a_cycle(50)), "xlsx", Measuring(temporary, 2000 if full == "the file" else math.inf))
    gc.collect()

    assert [] == list(temporary.iterdir())


def test_no_cell_of_a_workbook_is_a_formula_or_a_link(book: Path):
    """Text stays text."""
    cells = [cell for sheet in openpyxl.load_workbook(book) for line in sheet.iter_rows() for cell in line]

    assert FORMULA in {cell.value for cell in cells}
    assert [] == [cell.coordinate for cell in cells if cell.data_type == "f" or cell.hyperlink]


def test_a_workbook_explains_its_columns_and_opens_with_the_totals(book: Path):
    """Exceptions come before the population."""
    opened = openpyxl.load_workbook(book)

    assert ["Summary", "Exceptions"] == opened.sheetnames[:2]
    assert ["Accounts", "Columns"] == opened.sheetnames[-2:]
    meanings = {line[2].value: line[3].value for line in opened["Columns"].iter_rows(min_row=2)}
    assert {"email", "promise_met", "within_grace"} <= set(meanings)
    assert all(meanings.values())


@pytest.mark.skipif(which("soffice") is None and os.environ.get("CI") != "true", reason="LibreOffice is not installed")
def test_libreoffice_opens_the_workbook_with_types_kept(book: Path, tmp_path: Path):
    """Written again by another program, times are still times and nothing was calculated."""
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{tmp_path}/profile",
            "--headless",
            "--convert-to",
            "xlsx:Calc MS Excel 2007 XML",
            "--outdir",
            str(tmp_path / "again"),
            str(book),
        ],
        check=True,
        capture_output=True,
        timeout=240,
    )
    sheet = openpyxl.load_workbook(tmp_path / "again" / "report.xlsx")["Accounts"]
    head = [cell.value for cell in sheet[1]]
    cells = {line[0].value: dict(zip(head, line, strict=True)) for line in sheet.iter_rows(min_row=2)}

    assert ACTED == cells["ann@corp.example"]["Acted"].value
    assert "=TRUE()" == cells["ann@corp.example"]["Promise met"].value  # how that program writes a boolean
    name = cells["bob@corp.example"]["Name"]
    assert ("s", FORMULA) == (name.data_type, name.value)
    assert "n" == cells["ann@corp.example"]["Hours to lock-out"].data_type


# ---------------------------------------------------------------------------------------------------------- the view


def exceptions() -> dict[str, str]:
    table = cycle_view(a_cycle()).tables[0]
    return {str(row[1]).partition("@")[0]: str(row[0]) for row in table.rows()}


def test_exceptions_come_first_and_say_why():
    """Whoever is fine is not among them."""
    assert {"bob": "failed", "carol": "manual", "eve": "held"} == exceptions()


def test_the_header_says_what_changed_in_the_configuration():
    """Known and nothing, known and something, not known."""

    def words(changed: tuple[tuple[str, str, str], ...] | None) -> str:
        view = cycle_view(a_cycle(), (), Circumstances(timedelta(hours=24), changed))
        return next(str(fact.value) for facts in view.facts for fact in facts.facts if fact.title == "Changed in it")

    assert "nothing since the last recorded cycle" == words(())
    assert "1 key, see Configuration changes" == words((("deactivate.grace", "4h", "8h"),))
    assert "nothing recorded to compare with" == words(None)


def test_an_unreadable_cycle_has_a_report_too():
    """It has no accounts and no totals, and says why."""
    report = CycleReport(
        "c",
        a_cycle().mode,
        a_cycle().trigger,
        a_cycle().result,
        NOW,
        NOW,
        "0.1.0",
        "a" * 64,
        why="the directory answered with a part",
        do="Look at the server.",
    )

    assert "the directory answered with a part" in made("html", report).decode()
    assert 1 == len(made("csv", report).decode().splitlines())
