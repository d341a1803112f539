"""Work side by side: one failure ends all, and it is raised itself, not in a group."""

from __future__ import annotations

import asyncio

import pytest

from syncd.concurrency import both, side_by_side
from syncd.errors import LedgerError, SourceError, SyncdError


async def gives(value: object, after: int = 0) -> object:
    for _ in range(after):
        await asyncio.sleep(0)
    return value


async def fails(error: BaseException) -> None:
    raise error


async def test_results_come_in_the_order_of_the_work() -> None:
    """Whoever ends first."""
    assert ["a", "b"] == await side_by_side([gives("a", 3), gives("b")])
    assert ("a", 1) == await both(gives("a", 2), gives(1))


async def test_the_first_failure_ends_the_others_and_is_raised_itself() -> None:
    """Also under a Python whose ``except*`` would wrap it."""
    ended: list[bool] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(SourceError) as raised:
        await side_by_side([waits(), fails(SourceError("zoom", "down"))])
    assert [True] == ended
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("failures", "first"),
    [
        ([SourceError("zoom", "down"), LedgerError("locked")], LedgerError),
        ([LedgerError("locked"), SourceError("zoom", "down")], LedgerError),
        ([LedgerError("locked"), ZeroDivisionError()], ZeroDivisionError),
        ([SourceError("zoom", "down"), SourceError("directory", "down")], SourceError),
    ],
)
async def test_of_several_at_once_the_gravest_is_raised(failures: list[Exception], first: type[Exception]) -> None:
    """What nobody foresaw, then the ledger's, then a source's."""
    with pytest.raises(first):
        await side_by_side(map(fails, failures))


async def test_the_failure_comes_with_its_own_cause() -> None:
    """A fault nobody foresaw is found by what it came from; the group it was in says nothing."""
    root = KeyError("root")

    async def breaks(*, named: bool) -> None:
        try:
            raise root
        except KeyError as error:
            if named:
                raise ValueError("says") from error
            raise ValueError("says")  # noqa: B904 - as a fault of ours does

    with pytest.raises(ValueError, match="says") as raised:
        await side_by_side([breaks(named=True)])
    assert root is raised.value.__cause__
    with pytest.raises(ValueError, match="says") as raised:
        await side_by_side([breaks(named=False)])
    assert (root, False) == (raised.value.__context__, raised.value.__suppress_context__)


@pytest.mark.parametrize("first", [SourceError("zoom", "down"), LedgerError("locked")])
async def test_what_breaks_because_it_was_ended_hides_no_failure(first: SyncdError) -> None:
    """A connection that cannot be closed, say: the source is down, and that is the news."""

    async def cannot_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise AttributeError("abort")

    with pytest.raises(type(first)):
        await side_by_side([cannot_end(), fails(first)])


async def test_a_ledger_that_cannot_be_written_while_ending_is_still_the_gravest() -> None:
    """Nothing may be applied then, whichever source was down."""

    async def cannot_write() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LedgerError("locked")

    with pytest.raises(LedgerError):
        await side_by_side([cannot_write(), fails(SourceError("zoom", "down"))])


async def test_work_that_cancels_itself_is_a_fault_and_no_stop() -> None:
    """A daemon that is stopped says nothing of its cycle; this one must be told."""
    with pytest.raises(RuntimeError, match="nobody asked for that"):
        await side_by_side([gives("a"), fails(asyncio.CancelledError())])


async def test_whoever_is_cancelled_ends_as_such() -> None:
    """With all of the work."""
    ended: list[int] = []

    async def waits(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    whole = asyncio.create_task(side_by_side(map(waits, range(3))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert [0, 1, 2] == sorted(ended)
