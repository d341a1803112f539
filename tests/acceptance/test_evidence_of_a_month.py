"""A month as an auditor gets it: a report that is recorded, made again from an export, held beside another list, looked at."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from tests.acceptance.company import Company

BECAUSE = ("--by", "Ann Lee", "--because", "ticket 4711")


@pytest.fixture
def month(company: Company) -> Company:
    """Somebody left today."""
    company.staff(6)
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    return company


def days() -> tuple[str, ...]:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return ("--from", today, "--to", today)


def test_a_month_is_made_recorded_checked_and_made_again(month: Company) -> None:
    """Recorded with its hash; made again the same from the ledger and from the export; edited, it is found by name."""
    reports, export, again = month.reports, month.folder / "ledger.jsonl", month.folder / "again.html"
    assert 0 == (ran := month.syncd("review", days()[1][:7], "--by", "Ann Lee", "--note", "all fine")).code, ran.said
    assert 0 == (ran := month.syncd("report", *days(), "--format", "html", "--out", str(reports))).code, ran.said
    made = reports / f"syncd_{days()[1]}_{days()[1]}.html"
    said = month.entries()[-1]
    assert ("report", made.name, "syncd report") == (said["kind"], said["body"]["file"], said["body"]["making"]["command"])
    assert said["body"]["making"]["report_id"] in made.read_text(encoding="utf-8")
    assert "Ann Lee" in made.read_text(encoding="utf-8")
    assert "nothing vouches" not in (ran := month.syncd("ledger", "verify")).out
    assert ran.code == 0
    (reports / "october-corrected.html").write_text("made up")
    assert "nothing vouches for files" in (ran := month.syncd("ledger", "verify")).out
    assert ran.code == 0
    assert "october-corrected.html" in ran.out
    assert 0 == month.syncd("report", *days(), "--format", "html", "--out", str(again)).code
    assert made.read_bytes() == again.read_bytes()

    assert 0 == month.syncd("ledger", "export", "--out", str(export)).code
    one, two = (month.syncd("report", "--export", str(export), *days(), "--format", "jsonl", config=False) for _ in range(2))
    assert (0, 0, one.out) == (one.code, two.code, two.out), one.said
    assert "p000@corp.example" in one.out

    made.write_text(made.read_text(encoding="utf-8").replace("Ann Lee", "Bob Lee"), encoding="utf-8")
    (reports / "syncd_2020-01-01_2020-01-31.html").write_text("made up")
    ran = month.syncd("ledger", "verify")
    assert 6 == ran.code
    assert f"NOT INTACT: {made.name}: was changed since the ledger recorded it" in ran.out
    assert "NOT INTACT: syncd_2020-01-01_2020-01-31.html: looks like a report of a period" in ran.out


def test_another_list_and_what_nobody_can_look_at(month: Company) -> None:
    """What stands in one list only; a cycle that never was cannot be reviewed."""
    other = month.folder / "personnel.csv"
    other.write_text(f"address,left_at\np000@corp.example,{days()[1]}\np003@corp.example,{days()[1]}\n", encoding="utf-8")

    ran = month.syncd("report", *days(), "--compare", str(other), "--format", "jsonl")

    assert 0 == ran.code, ran.said
    rows = [line for line in ran.out.splitlines() if '"compared"' in line and "stands_in" in line]
    assert 2 == len(rows)
    only_there = json.loads(next(row for row in rows if "only_there" in row))
    assert ("p003@corp.example", "active, in_step") == (only_there["address"], only_there["account"])
    assert 2 == month.syncd("review", "no-such-cycle", "--by", "Ann").code
    other.write_text("name\nann\n", encoding="utf-8")
    assert 2 == month.syncd("report", *days(), "--compare", str(other)).code


def digest_of(text: str) -> str:
    """What whoever makes the report again has to get."""
    return re.search(r"again gets the digest ([0-9a-f]{32})", text)[1]  # type: ignore[index]


def test_an_outsider_gets_the_same_digest_and_hears_what_was_not_looked_at(month: Company) -> None:
    """From the export alone; until something happens."""
    export = month.folder / "ledger.jsonl"
    assert 0 == month.syncd("ledger", "export", "--out", str(export)).code
    inside = month.syncd("report", *days())
    outside = month.syncd("report", "--export", str(export), *days(), config=False)
    assert (0, 0, digest_of(inside.out)) == (inside.code, outside.code, digest_of(outside.out)), inside.said + outside.said

    ran = month.syncd("ledger", "verify", "--export", str(export), config=False)
    assert (0, True) == (ran.code, "note: not checked: " in ran.out), ran.said
    assert all(option in ran.out for option in ("--head", "--public-key", "--reports"))
    head = re.search(r"head \d+ ([0-9a-f]{64})", ran.out)[1]  # type: ignore[index]
    assert "--head" not in month.syncd("ledger", "verify", "--export", str(export), "--head", head, config=False).out

    month.leaves("p001")
    assert 0 == month.syncd("apply").code
    assert digest_of(inside.out) != digest_of(month.syncd("report", *days()).out)


def test_what_was_lost_and_who_overruled_the_rules_stand_in_the_report(month: Company) -> None:
    """A backup put back after somebody else had left; access given back by hand; the word that accepted it."""
    backup = month.folder / "backup.db"
    assert 0 == (ran := month.syncd("ledger", "backup", str(backup))).code, ran.said
    assert 0 == (ran := month.syncd("account", "reactivate", "p000@corp.example", "--yes", *BECAUSE)).code, ran.said
    before = month.syncd("report", *days())
    assert "reactivate\tby hand\tp000@corp.example" in before.out, before.said
    assert "Missing (0)" in before.out

    assert 0 == (ran := month.syncd("ledger", "restore", str(backup))).code, ran.said
    assert 0 == (ran := month.syncd("ledger", "accept", *BECAUSE)).code, ran.said
    after = month.syncd("report", *days())
    assert "entries_lost" in after.out, after.said
    assert "entries were lost" in after.out.splitlines()[1]
    assert "accept\tthe ledger" in after.out


def test_a_month_that_has_not_begun_cannot_have_been_looked_at(month: Company) -> None:
    """A mistyped year would stand in no report."""
    ran = month.syncd("review", "2999-01", "--by", "Ann Lee")
    assert (2, True) == (ran.code, "2999-01 has not begun" in ran.err), ran.said
    assert 0 == month.syncd("review", days()[1][:7], "--by", "Ann Lee").code


def test_whoever_was_handed_an_export_is_told_how_to_use_it(month: Company) -> None:
    """Without a configuration both verbs of auditors name the option; others name the demo."""
    for verb in (("ledger", "verify"), ("report", *days())):
        ran = month.syncd(*verb, config=False)
        assert (2, True) == (ran.code, "--export FILE" in ran.err), ran.said
    assert "--export" not in month.syncd("plan", config=False).err
