"""Ledgers that version 0.1.0 wrote, one of each database: they open, verify, say what they said, and are continued.

``tests/ledger/data`` holds them as its program left them: a paused cycle, a leaver who came back with a licence, a hold, a grace
that ran out, an undo, a hold released, a held plan approved and carried out, an administrator, report files, a signed head;
and at the end a crash between a change and its outcome. ``period-of-0.1.0.json`` is what its program told of that month.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncd.evidence.periods import Asked, Period
from syncd.ledger import record
from syncd.ledger.audit import SignedHeads
from syncd.ledger.entry import read
from syncd.ledger.recorded_files import RecordedFiles
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Gone, Guard
from syncd.operations.schedule import Schedule
from tests.ledgers import HandClock, untold, url_of

DATA = Path(__file__).parents[1] / "ledger" / "data"
ENTRIES = 109


def in_sqlite(_: pytest.FixtureRequest, folder: Path) -> str:
    shutil.copy(DATA / "of-0.1.0.db", folder / "ledger.db")
    return url_of(folder / "ledger.db")


def in_postgresql(request: pytest.FixtureRequest, _: Path) -> str:
    url: str = request.getfixturevalue("postgres_server").database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((DATA / "of-0.1.0.sql").read_bytes())
    return url


DATABASES: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {"sqlite": in_sqlite, "postgresql": in_postgresql}


@pytest.fixture(params=DATABASES)
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlLedger]:
    """A ledger of 0.1.0, opened by this program an hour after its last entry."""
    clock = HandClock(datetime(2026, 11, 5, 7, tzinfo=UTC))
    opened = SqlLedger.open(DATABASES[request.param](request, tmp_path), clock, untold, create=True)
    yield opened
    await opened.close()


async def test_it_verifies_and_every_entry_is_understood(ledger: SqlLedger):
    """Each kind that 0.1.0 wrote is there, and read as version 1 at the chain's time."""
    files = RecordedFiles()
    entries = [entry async for entry in ledger.entries()]
    says = [read(entry) for entry in entries]

    assert (ENTRIES, None) == ((found := await ledger.verify(checks=[SignedHeads(), files])).entries, found.problem)
    assert (["cycle-2.json"], ["cycle-1.json"]) == (list(files.kept), list(files.removed))
    assert {
        "ledger.opened",
        "cycle.read",
        "cycle.ended",
        "memory",
        "decision",
        "plan",
        "approval",
        "intent",
        "outcome",
        "hold",
        "release",
        "pause",
        "resume",
        "undo",
        "report",
        "report.removed",
        "head.signed",
    } == {one.kind for one in says}
    assert {1} == {one.v for one in says}
    assert {True} == {
        (time := one.time(entry)).measured == time.chained and time.verified for one, entry in zip(says, entries, strict=True)
    }


async def test_what_is_read_is_written_back_the_same(ledger: SqlLedger):
    """Nothing of a body is lost or changed by its type."""
    async for entry in ledger.entries():
        again = record.draft(read(entry))
        assert (entry.kind, json.loads(entry.body)) == (
            again.kind,
            {key: value for key, value in json.loads(json.dumps(again.body)).items() if key != "v"},
        )


async def test_its_history_says_what_0_1_0_said(ledger: SqlLedger):
    """Read off what that program printed."""
    history = await ledger.history()

    assert ("", "ledger-of-0.1.0", "zoom-account", "file:people.csv") == (
        history.broken,
        history.ledger_id,
        history.zoom_account,
        history.directory,
    )
    assert (11, 11, 10.0, 16.0) == (
        history.good_reads,
        history.active_in_scope,
        history.baseline("entitled", at(5, 6)),
        history.baseline("people", at(5, 6)),
    )
    assert {"z-root": Gone(at(4, 0), 10), "z-crowd005": Gone(at(5, 6), 11)} == history.gone
    assert {"z-ann", "z-eve", "z-cid", "z-crowd001", "z-crowd002", "z-crowd003"} == set(history.deactivated)
    assert (2, at(2, 13), None) == (
        history.deactivated["z-ann"].type,
        history.deactivated["z-ann"].reactivated_at,
        history.deactivated["z-eve"].reactivated_at,
    )
    assert ({"z-bob"}, at(2, 13, month=12)) == (set(history.holds), history.holds["z-bob"].until)
    assert ["z-crowd005"] == [intent.zoom_id for intent in history.intents.values()]
    assert (1, 4) == (len(history.approvals), len(history.used))
    assert Guard.DIRECTORY_SHRUNK in next(iter(history.approvals.values())).guards
    assert (16, 1, "in_step") == (len(history.decided), len(history.plans), history.last_result)
    assert Counter(
        {"unique000006": 2, "unique000014": 2, "unique000019": 4, "unique000004": 1, "unique000010": 1, "unique000012": 1}
    ) == Counter({cycle: len(done) for cycle, done in history.done_in.items()})


async def test_its_month_is_told_as_0_1_0_told_it(ledger: SqlLedger):
    """Every word of it, names included; what was not told then stands beside it."""
    period = Period(Asked(date(2026, 11, 1), date(2026, 11, 30), timedelta(hours=24), Schedule(timedelta(hours=1))))
    async for entry in ledger.entries():
        period.take(entry)
    told = period.document(await ledger.personal(period.references))
    del told["ledger"]["head_hash"]

    before = json.loads((DATA / "period-of-0.1.0.json").read_text(encoding="utf-8").replace("shown him gone", "shown them gone"))
    assert before == like(before, json.loads(json.dumps(told)))


def like(before: Any, now: Any) -> Any:
    """What is told now, without keys that were not there before."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {key: like(before.get(key), value) for key, value in now.items() if key in before}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [like(one, other) for one, other in zip(before, now, strict=True)]
    return now


async def test_it_is_continued(ledger: SqlLedger):
    """What is appended stands on what was there, and the old approval, hold and memory still count."""
    before = await ledger.history()
    (entry,) = await ledger.append([record.released("z-bob", by="Kim", because="back")])
    after = await ledger.history()

    assert (ENTRIES + 1, before.head.hash) == (entry.seq, entry.previous_hash)
    assert ({"z-bob"}, set(), before.decided) == (set(before.holds), set(after.holds), after.decided)
    assert (ENTRIES + 1, True) == ((found := await ledger.verify()).entries, found.ok)


def at(day: int, hour: int, *, month: int = 11) -> Any:
    return datetime(2026, month, day, hour, tzinfo=UTC)
