"""``syncd report`` and the formats of plan, apply and the reports folder, as an auditor and an operator meet them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest

from tests.acceptance.company import WHO, Company


def days() -> tuple[str, str, str, str]:
    """Yesterday and today, whenever it is asked."""
    today = datetime.now(UTC)
    return ("--from", f"{today - timedelta(days=1):%Y-%m-%d}", "--to", f"{today:%Y-%m-%d}")


@pytest.fixture
def left(company: Company) -> Company:
    """Ten people; two of them left and were deactivated, one more is held and approved."""
    company.staff(10)
    company.configure({"reports.formats": ["html", "csv", "json", "xlsx", "jsonl"]})
    company.enforcing()
    company.leaves("p000", "p001")
    assert 0 == company.syncd("apply").code
    company.configure({"guards.max_deactivations": 1})
    company.leaves("p002", "p003")
    assert 3 == company.syncd("apply").code
    company.approve_what_is_held()
    assert 0 == company.syncd("apply").code
    return company


def test_the_report_answers_an_auditors_questions(left: Company):
    """Who left, when did they lose access, who approved the exceptions, is this complete?"""
    document = left.syncd("report", *days(), "--format", "json").document

    rows = {row["email"]: row for row in document["leavers"]}
    assert {f"p00{number}@corp.example" for number in range(4)} == set(rows)
    assert {"deactivated"} == {row["state"] for row in rows.values()}
    assert all(row["verified_at"] and row["promise_met"] for row in rows.values())
    assert (WHO[1], WHO[3]) == tuple(rows["p002@corp.example"][key] for key in ("approved_by", "approved_because"))
    assert (4, 4) == (document["totals"]["leavers"], document["totals"]["deactivated"])
    assert {"not_covered"} == {gap["kind"] for gap in document["gaps"]}
    assert "guards.max_deactivations" in {change["key"] for change in document["changes"]}


def test_a_copied_ledger_is_enough_and_gives_the_same_bytes(left: Company):
    """No credential, no Zoom, no directory; CSV and JSON lines to the byte."""
    first = [left.syncd("report", *days(), "--format", format_).out for format_ in ("csv", "jsonl")]
    copied = left.folder / "copy.db"
    shutil.copy(left.ledger, copied)
    (left.folder / "zoom-secret").unlink()
    left.people.unlink()
    left.configure({"ledger.url": f"sqlite:///{copied}"})
    asked = len(left.zoom.requests)

    again = [left.syncd("report", *days(), "--format", format_).out for format_ in ("csv", "jsonl")]

    assert first == again
    assert 4 == len(list(csv.DictReader(io.StringIO(first[0]))))
    assert asked == len(left.zoom.requests)


def test_the_ending_of_out_names_the_format_and_a_folder_takes_a_name_of_its_own(left: Company):
    """html, xlsx and a folder."""
    assert 0 == left.syncd("report", *days(), "--out", "october.html").code
    assert 0 == left.syncd("report", *days(), "--out", "october.xlsx").code
    assert 0 == left.syncd("report", *days(), "--format", "csv", "--out", ".").code

    assert (left.folder / "october.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "Leavers" in openpyxl.load_workbook(left.folder / "october.xlsx").sheetnames
    assert (left.folder / f"syncd_{days()[1]}_{days()[3]}.csv").exists()


def test_a_sample_is_one_page_each(left: Company):
    """The same ones for the same seed."""
    ran = left.syncd("report", *days(), "--sample", "2", "--seed", "7")

    assert 2 == ran.out.count("--- Evidence ")
    assert ran.out == left.syncd("report", *days(), "--sample", "2", "--seed", "7").out


def test_an_edited_ledger_gives_no_report(left: Company):
    """6, and the first bad entry."""
    data = left.ledger.read_bytes()
    left.ledger.write_bytes(data.replace(b"ticket 4711", b"ticket 4712"))

    ran = left.syncd("report", *days())

    assert (6, "") == (ran.code, ran.out)
    assert "not intact" in ran.err


def test_wrong_dates_and_no_ledger_are_usage_errors(company: Company):
    """2, and nothing on standard output."""
    _, yesterday, _, today = days()
    for arguments in (("--from", today, "--to", yesterday), ("--from", "last week", "--to", today), days()):
        ran = company.syncd("report", *arguments)
        assert (2, "") == (ran.code, ran.out)


def test_reports_lie_in_the_folder_in_every_configured_format_and_verify(left: Company):
    """Each with its hash in the ledger."""
    names = {path.suffix for path in left.reports.iterdir() if path.name != "MANIFEST"}

    assert {".html", ".csv", ".json", ".xlsx", ".jsonl"} == names
    assert 0 == left.syncd("ledger", "verify").code
    next(left.reports.glob("*.csv")).write_text("nothing")
    assert 6 == left.syncd("ledger", "verify").code


@pytest.mark.parametrize("format_", ["html", "csv", "xlsx", "jsonl"])
def test_plan_prints_every_format_and_writes_nothing_else(left: Company, format_: str):
    """To a file and to standard output."""
    before = left.everything_on_disk()
    to_a_pipe = left.syncd("plan", "--format", format_) if format_ != "xlsx" else None
    assert before == left.everything_on_disk()

    assert 0 == left.syncd("plan", "--format", format_, "--out", f"plan.{format_}").code

    written = (left.folder / f"plan.{format_}").read_bytes()
    assert b"p005@corp.example" in written or format_ == "xlsx"
    if to_a_pipe is not None:
        assert "p005@corp.example" in to_a_pipe.out
    if format_ == "jsonl":
        assert 11 == len([json.loads(line) for line in written.decode().splitlines()])
