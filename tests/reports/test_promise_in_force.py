"""A cycle's report judges each leaver by the promise that was in force when they left, as a period's does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syncd.app import circumstances_of
from syncd.config import load
from syncd.ledger import record
from syncd.ledger.storage.store import SqlLedger
from syncd.reports.cycle import Circumstances, cycle_view
from tests.ledgers import HandClock, untold, url_of
from tests.reports.a_cycle import HOUR, NOW, a_cycle

CONFIGURATION = """
mode: report
directory: {file: {path: people.csv}}
zoom: {account_id: acc, client_id: client, client_secret_file: secret}
scope: {domains: [corp.example]}
reports: {promise: 9h}
"""


async def test_the_promise_of_then_is_found_in_the_ledger(tmp_path: Path):
    """Whoever shortens or lengthens it changes nothing for those who left before. The configuration
    judges what the ledger does not record."""
    (tmp_path / "people.csv").write_text("id\n")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "syncd.yaml").write_text(CONFIGURATION)
    config = load(tmp_path / "syncd.yaml", {})
    ledger = SqlLedger.open(url_of(tmp_path / "ledger.db"), HandClock(), untold, create=True)
    try:
        hours = {2: 48, 4: 5}
        drafts = [record.in_force("c", {"reports.promise": hours[day] * 3600.0}, NOW + timedelta(days=day)) for day in hours]
        async with ledger.writer(None) as term:
            await ledger.append(drafts, term=term)
        found = await circumstances_of(config, a_cycle(), ledger)
    finally:
        await ledger.close()

    assert timedelta(hours=9) == found.promise
    assert [9, 9, 48, 48, 5, 5] == [found.promised(NOW + timedelta(days=day)) // HOUR for day in range(6)]


def test_each_leaver_of_a_cycle_is_judged_by_the_promise_of_then():
    """First seen gone 30 hours ago and still active: late by the promise of a day, in time by that of two."""
    left_at = NOW - 30 * HOUR

    def met(circumstances: Circumstances) -> object:
        view = cycle_view(a_cycle(), circumstances=circumstances)
        keys = [column.key for column in view.main.columns]
        rows = [dict(zip(keys, row, strict=True)) for row in view.main.rows()]
        return next(row["promise_met"] for row in rows if row["zoom_id"] == "z-bob")

    day, two = timedelta(days=1), timedelta(days=2)
    assert met(Circumstances(day)) is False
    assert met(Circumstances(day, promise_at=lambda then: two if then <= left_at else day)) is None
    assert met(Circumstances(two, promise_at=lambda then: day if then <= left_at else two)) is False
