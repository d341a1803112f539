"""Accounts behind the addresses or ids somebody named: each as Zoom shows it now. One odd account never hides the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from syncd.errors import AccountUnreadable, SourceError
from syncd.events import Noted, ReadProgress
from syncd.execution.lifecycle import IN_PART
from syncd.execution.set_up import Parts, SameAnswers
from syncd.model import Status, ZoomAccount
from syncd.operations.dependencies import Dependencies

#: Accounts looked up side by side; Zoom's limits hold whatever this is.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An account that Zoom answers oddly about: as it was named (an address or an id), why, and what to do."""

    name: str
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class Found:
    """*accounts*: each once, however often it is named; *unknown*: names behind which there is no account."""

    accounts: tuple[ZoomAccount, ...]
    unknown: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def exit_code_of(unreadable: Sequence[Unreadable], *, others: bool) -> int:
    """4 when nothing that was asked for could be read, 5 when *others* could, 0 when all could."""
    return (IN_PART if others else SourceError.exit_code) if unreadable else 0


async def find_accounts(deps: Dependencies, names: Sequence[str]) -> Found:
    """What is behind these addresses or ids. An invitation that nobody accepted is no account yet. Raises as ``look_up``."""
    accounts: dict[str, ZoomAccount] = {}
    unknown, unreadable = [], []
    for name, seen in await look_up(deps, names):
        if isinstance(seen, AccountUnreadable):
            unreadable.append(Unreadable(name, seen.what, seen.do))
        elif seen is None or seen.zoom_id is None or seen.status is Status.PENDING:
            unknown.append(name)
        else:
            accounts[seen.zoom_id] = seen
    return Found(tuple(accounts.values()), tuple(unknown), tuple(unreadable))


async def look_up(deps: Dependencies, names: Sequence[str]) -> list[tuple[str, ZoomAccount | AccountUnreadable | None]]:
    """What Zoom shows for each name, in their order; several side by side, with progress. Raises SourceError when Zoom cannot
    be asked, or when several accounts running meet the same odd answer, some of them from elsewhere in the list."""
    order = list(dict.fromkeys(names))
    queue, same = Parts(order), SameAnswers()
    shown: dict[str, ZoomAccount | AccountUnreadable | None] = {}

    async def work() -> None:
        while queue:
            elsewhere = same.doubted
            name = queue.take_elsewhere() if elsewhere else queue.take()
            odd: AccountUnreadable | None = None
            try:
                shown[name] = await deps.zoom.get_account(name)
            except AccountUnreadable as error:
                shown[name] = odd = error
                deps.tell(Noted("account.unreadable", "warning", {"address" if "@" in name else "zoom_id": name,
                                                                  "why": error.what, "do": error.do}))
            if same.met(odd.answer if odd is not None else "", elsewhere=elsewhere) and odd is not None:
                raise odd
            if len(order) > 1:
                deps.tell(ReadProgress("zoom", len(shown), len(order)))

    try:
        async with asyncio.TaskGroup() as looks:
            for _ in range(min(AT_ONCE, len(order))):
                looks.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [(name, shown[name]) for name in order]
