"""A reader in the writer's own process must not take the writer's locks away: SQLite's log would be removed under it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from syncd.host.clock import SystemClock
from syncd.ledger import record
from syncd.ledger.storage.store import SqlLedger

APPEND_ELSEWHERE = """
import asyncio, sys
from syncd.host.clock import SystemClock
from syncd.ledger.storage.store import SqlLedger
from syncd.ledger import record

async def main():
    ledger = SqlLedger.open(sys.argv[1], SystemClock(), lambda _: None, create=True)
    await ledger.append([record.paused(by="another process", because="to be seen")])
    await ledger.close()

asyncio.run(main())
"""


async def test_what_another_process_appended_is_seen_and_stays_after_a_reader_came_and_went_here(tmp_path: Path) -> None:
    """Open for writing here, read here through a second ledger, appended to by another process: nothing is lost."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    writer = SqlLedger.open(url, SystemClock(), lambda _: None, create=True)
    await writer.append([record.resumed(by="us", because="a first entry")])
    reader = SqlLedger.open(url, SystemClock(), lambda _: None, create=False)
    assert 1 == (await reader.head()).seq
    await reader.close()

    other = await asyncio.create_subprocess_exec(sys.executable, "-c", APPEND_ELSEWHERE, url, cwd=Path(__file__).parents[2])
    assert 0 == await asyncio.wait_for(other.wait(), 60)
    await writer.append([record.resumed(by="us", because="goes on")])

    assert 3 == (await writer.head()).seq
    assert (tmp_path / "ledger.db-wal").exists()
    await writer.close()
    again = SqlLedger.open(url, SystemClock(), lambda _: None, create=False)
    assert (3, None) == ((await again.head()).seq, (await again.verify()).problem)
    await again.close()
