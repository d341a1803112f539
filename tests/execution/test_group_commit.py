"""Entries of several workers in one write: durable before anybody goes on, all or nothing, refused to everybody alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from syncd.errors import LedgerError, SyncdError
from syncd.execution.group_commit import GroupCommit
from syncd.model import Draft


class SlowLedger:
    """Writes when it is let; keeps what each write held."""

    def __init__(self) -> None:
        self.goes = asyncio.Event()
        self.writes: list[list[str]] = []
        self.refuses: SyncdError | None = None

    async def append(self, drafts: Sequence[Draft], *, term: int) -> None:
        await self.goes.wait()
        if self.refuses is not None:
            raise self.refuses
        self.writes.append([draft.kind for draft in drafts])


async def appending(commit: GroupCommit, ledger: Any, *kinds: str) -> list[asyncio.Task[None]]:
    """One worker for each, all of them waiting."""
    tasks = [asyncio.create_task(commit.append(ledger, [Draft(kind, {})], 1)) for kind in kinds]
    await asyncio.sleep(0)
    return tasks


async def test_who_waits_for_a_write_shares_the_next_one() -> None:
    """The first goes at once; the others, in order, together after it; nobody goes on before their own is written."""
    commit, ledger = GroupCommit(), SlowLedger()
    tasks = await appending(commit, ledger, "a", "b", "c", "d")
    assert [False] * 4 == [task.done() for task in tasks]

    ledger.goes.set()
    await asyncio.gather(*tasks)

    assert ["a", "b", "c", "d"] == [kind for write in ledger.writes for kind in write]
    assert len(ledger.writes) <= 2


async def test_a_write_that_is_refused_is_refused_to_all_who_shared_it() -> None:
    """And the next one is tried afresh."""
    commit, ledger = GroupCommit(), SlowLedger()
    ledger.refuses = LedgerError("disk full")
    tasks = await appending(commit, ledger, "a", "b", "c")
    ledger.goes.set()
    assert ["disk full"] * 3 == [str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)]

    ledger.refuses = None
    await commit.append(ledger, [Draft("d", {})], 1)  # type: ignore[arg-type]
    assert [["d"]] == ledger.writes


async def test_being_stopped_in_the_middle_leaves_nobody_waiting() -> None:
    """All workers are cancelled together; what was not written was not written."""
    commit, ledger = GroupCommit(), SlowLedger()
    tasks = await appending(commit, ledger, "a", "b")
    for task in tasks:
        task.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True))

    ledger.goes.set()
    await commit.append(ledger, [Draft("c", {})], 1)  # type: ignore[arg-type]
    assert [["c"]] == ledger.writes
