"""Work that is done side by side, and ends together when one part of it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from syncd.errors import LedgerError, SyncdError

T = TypeVar("T")
U = TypeVar("U")


async def side_by_side(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. The first failure ends all of them and is raised itself, with the cause it has; of several at once,
    one that nobody foresaw comes first, and a ledger's before a source's. What broke only because it was ended comes last.
    Raises RuntimeError when a part was cancelled and nobody asked for that."""
    tasks: list[asyncio.Task[T]] = []
    failed: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(one) for one in work)
    except BaseExceptionGroup as failures:  # not except*: before Python 3.11.4 what is raised there comes out in a group again
        ended = [task.exception() for task in tasks if not task.cancelled() and task.cancelling()]
        failed = min(failures.exceptions, key=lambda one: _rank(one, ended=any(one is other for other in ended)))
    if failed is not None:
        raise failed  # out here: neither "from None" nor the group takes the place of what it came from
    if any(task.cancelled() for task in tasks):  # by itself, for nobody ended them; whoever waits would take it for being stopped
        raise RuntimeError("a part of the work was cancelled, and nobody asked for that")
    return [task.result() for task in tasks]


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """``side_by_side`` for two that give different things."""
    work: list[Coroutine[Any, Any, Any]] = [one, other]
    first, second = await side_by_side(work)
    return first, second


def _rank(failure: BaseException, *, ended: bool) -> int:
    if isinstance(failure, SyncdError):
        return 1 if isinstance(failure, LedgerError) else 2
    return 3 if ended else 0
