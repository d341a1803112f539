"""The ledger from outside: verify, show, export, and what happens when it is not what it was (section 10)."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from itertools import pairwise

import pytest

from syncd.lab.zoom.oauth import OAuth
from tests.acceptance.company import WHO, Company
from tests.acceptance.test_daemon import tamper


@pytest.fixture
def crew(company: Company) -> Company:
    """Twenty people, one of them deactivated by a cycle, an enforcing ledger."""
    company.staff(20)
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    return company


def test_a_whole_ledger_verifies_and_holds_every_published_head(crew: Company) -> None:
    """Also an early one; a hash that was never its head is a cut tail or another ledger: 6."""
    lines = (crew.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        ran = crew.syncd("ledger", "verify", "--head", json.loads(line)["head_hash"])
        assert 0 == ran.code, ran.out
    assert 6 == crew.syncd("ledger", "verify", "--head", "f" * 64).code


def test_a_cut_tail_shows_against_what_was_published(crew: Company) -> None:
    """A chain alone cannot show it: the heads in the list of cycles do, the one beside the ledger, and one given with --head."""
    head = json.loads((crew.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()[-1])["head_hash"]
    with contextlib.closing(sqlite3.connect(crew.ledger)) as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        database.execute("DELETE FROM chain WHERE seq >= (SELECT seq FROM chain WHERE hash = ?)", (head,))
        for _, text in triggers:
            database.execute(text)
        database.commit()

    shown = crew.syncd("ledger", "verify")
    assert 6 == shown.code
    assert head in shown.out
    shutil.rmtree(crew.reports)
    beside = crew.ledger.with_name(crew.ledger.name + ".head")
    assert f"beside the ledger, {beside.read_text(encoding='ascii').strip()}" in crew.syncd("ledger", "verify").out
    beside.unlink()
    without = crew.syncd("ledger", "verify").out
    assert head not in without  # the chain alone does not show it: only the reports are missed
    faults = [line for line in without.splitlines() if line.startswith("NOT INTACT")]
    assert ["cycles that ended are not listed in", "recorded reports are not in"] == sorted(
        next(word for word in ("recorded reports are not in", "cycles that ended are not listed in") if word in line)
        for line in faults
    )
    assert head in crew.syncd("ledger", "verify", "--head", head).out


def test_a_ledger_tampered_with_stops_everything_with_six(crew: Company) -> None:
    """Every verb that acts or judges says 6, nothing is written to Zoom, and nothing is appended."""
    tamper(crew)
    crew.leaves("p001")
    writes, entries = len(crew.zoom.writes), len(crew.entries())

    verify = crew.syncd("ledger", "verify")
    assert 6 == verify.code
    assert "NOT INTACT" in verify.out
    plan = crew.syncd("plan", "--format", "json")
    assert (6, True) == (plan.code, "ledger-broken" in plan.tripped())
    digest = plan.document["plan_digest"]
    for words in (
        ("apply",),
        ("approve", "--plan", digest, "--guard", "max-deactivations", *WHO),
        ("pause", *WHO),
        ("account", "deactivate", "p001@corp.example", *WHO),
        ("account", "hold", "p001@corp.example", *WHO),
    ):
        ran = crew.syncd(*words)
        assert 6 == ran.code, (words, ran.said)
    assert (writes, entries) == (len(crew.zoom.writes), len(crew.entries()))


@pytest.mark.parametrize("content", [b"", b"this is no database " * 500, b"SQLite format 3\x00" + b"\x07" * 4096])
def test_a_file_that_is_no_ledger_is_never_written_over(crew: Company, content: bytes) -> None:
    """Garbage: 6 everywhere, and it stays as it is. An empty file is an empty ledger."""
    for path in crew.ledger.parent.glob("ledger.db*"):
        path.unlink()
    crew.ledger.write_bytes(content)
    shutil.rmtree(crew.reports)  # their heads would show that the ledger is another one

    codes = {crew.syncd(*words).code for words in (("plan",), ("apply",), ("ledger", "verify"))}

    if content:
        assert {6} == codes
        assert content == crew.ledger.read_bytes()
    else:
        assert 6 not in codes


def test_a_foreign_database_is_refused(crew: Company) -> None:
    """Somebody else's SQLite file is not taken over."""
    crew.ledger.unlink()
    with contextlib.closing(sqlite3.connect(crew.ledger)) as database:
        database.execute("CREATE TABLE customers (id INTEGER)")
        database.commit()

    for words in (("apply",), ("plan",), ("pause", *WHO)):
        assert 6 == crew.syncd(*words).code, words


def test_a_ledger_that_cannot_be_made_means_no_effect(company: Company) -> None:
    """A file where its folder should be, and a folder where it should be: 6 and zero writes."""
    company.staff(3)
    company.configure({"mode": "enforce"})
    company.leaves("p000")
    (company.folder / "file").write_text("", encoding="utf-8")

    for url in (f"sqlite:///{company.folder}/file/ledger.db", f"sqlite:///{company.folder}"):
        company.configure({"ledger.url": url})
        ran = company.syncd("apply")
        assert 6 == ran.code, ran.said
    assert [] == company.zoom.writes


def test_a_ledger_belongs_to_its_account_and_directory(crew: Company) -> None:
    """Another Zoom account in the configuration: 2 for every verb, nothing asked of Zoom. A file that was moved is no other
    directory."""
    asked = len(crew.zoom.requests)
    other = crew.folder / "other.csv"
    shutil.copy(crew.people, other)

    for key, value, right in (("zoom.account_id", "another-account", OAuth().account_id),):
        crew.configure({key: value})
        for words in (("plan",), ("apply",), ("pause", *WHO), ("account", "deactivate", "p001@corp.example", *WHO), ("run",)):
            ran = crew.syncd(*words)
            assert 2 == ran.code, (words, ran.said)
            assert "ledger belongs to" in ran.err
        crew.configure({key: right})
    assert asked == len(crew.zoom.requests)
    crew.configure({"directory.file.path": str(other)})
    assert 0 == crew.syncd("apply").code


def test_show_and_export_are_complete_and_agree(crew: Company) -> None:
    """Export: one JSON object a line, in order, the chain in it; show: the newest first, by kind and cycle."""
    lines = [json.loads(line) for line in crew.syncd("ledger", "export").out.splitlines()]
    entries = crew.entries()
    assert [entry["seq"] for entry in entries] == [line["seq"] for line in lines]
    assert all(before["hash"] == after["previous_hash"] for before, after in pairwise(lines))
    intent = next(line for line in lines if line["kind"] == "intent")
    outcome = next(line for line in lines if line["kind"] == "outcome")
    assert intent["seq"] < outcome["seq"]

    shown = json.loads(crew.syncd("ledger", "show", "--format", "json", "--limit", "3").out)
    assert [entry["seq"] for entry in entries][-1:-4:-1] == [row["seq"] for row in shown]
    only = json.loads(crew.syncd("ledger", "show", "--format", "json", "--kind", "intent").out)
    assert {"intent"} == {row["kind"] for row in only}


def test_a_quiet_cycle_adds_little(crew: Company) -> None:
    """A decision is stored only when it changes: repeats in step add totals, no decisions."""
    crew.syncd("apply")  # this one still has to tell that p000 is inactive now
    before = len(crew.entries())
    for _ in range(3):
        crew.syncd("apply")

    added = crew.entries()[before:]
    assert 6 >= len(added)
    assert not {"decision", "memory", "intent"} & {entry["kind"] for entry in added}


def test_names_and_addresses_lie_beside_the_chain(crew: Company) -> None:
    """No body holds an address; the export shows them beside the hashed part."""
    assert "p000@corp.example" in crew.syncd("ledger", "export").out
    for entry in crew.entries():
        assert "@corp.example" not in json.dumps(entry["body"]), entry


def test_a_ledger_that_cannot_be_written_any_more_stops_the_cycle(crew: Company) -> None:
    """Its folder is gone: no ledger, no effect."""
    crew.leaves("p001")
    writes = len(crew.zoom.writes)
    shutil.rmtree(crew.ledger.parent)
    crew.ledger.parent.write_text("no folder any more", encoding="utf-8")

    ran = crew.syncd("apply")

    assert 6 == ran.code
    assert writes == len(crew.zoom.writes)
