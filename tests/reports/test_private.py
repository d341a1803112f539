"""Files of the reports folder are for few: they hold everybody's names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.cli.common import binary_output, output
from syncd.reports.folder import LISTING, file_cycle
from syncd.reports.private import for_few, make_folder_for_few
from tests.reports.a_cycle import a_cycle


@pytest.fixture(params=[0o022, 0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_reports_are_read_by_owner_and_group_only(tmp_path: Path, umask: int) -> None:
    """Each file, the list of cycles, the folder; a stricter umask stays stricter."""
    folder = tmp_path / "evidence" / "reports"
    file_cycle(folder, a_cycle(), formats=["json", "csv"])

    assert {0o640 & ~umask} == {mode(path) for path in folder.iterdir()}
    assert 0o750 & ~umask == mode(folder)


def test_what_was_open_to_all_is_closed_with_its_next_line(tmp_path: Path) -> None:
    """A list that an earlier version made; a folder that was there stays as its owner wants it."""
    listing = tmp_path / LISTING
    listing.touch(0o644)
    listing.chmod(0o644)
    tmp_path.chmod(0o755)
    make_folder_for_few(tmp_path)
    with open(listing, "a", encoding="utf-8", opener=for_few) as again:
        again.write("{}")

    assert (0o640, 0o755) == (mode(listing), mode(tmp_path))


def test_files_that_somebody_asks_for_are_for_few_too(tmp_path: Path, umask: int) -> None:
    """``--out`` of a report, of an export: they name people wherever they lie, also where an open file lay before."""
    report, export = tmp_path / "october.html", tmp_path / "ledger.jsonl"
    for path in (report, export):
        path.touch()
        path.chmod(0o666)
    with binary_output(report, "html") as binary:
        binary.write(b"<!doctype html>")
    with output(export) as text:
        text.write("{}\n")

    assert (b"<!doctype html>", "{}\n") == (report.read_bytes(), export.read_text(encoding="utf-8"))
    assert {0o640 & ~umask} == {mode(report), mode(export)}
