"""When to run: by schedule, at once when asked, one cycle at a time, under the ledger's writer lock; and how to stop.

The loop outlives every trouble that a later cycle may not have: an unreadable source, a ledger that cannot be written, even a
fault of our own is recorded and the next cycle comes. Only being asked to stop ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from syncd.errors import NotLeader, SyncdError
from syncd.events import (
    CycleEnded,
    CycleScheduled,
    CycleStarted,
    Event,
    LeadershipChanged,
    Noted,
    PauseSeen,
    PhaseEnded,
)
from syncd.model import CycleReport, Mode, Policy, Result, Trigger
from syncd.operations.cycle import Run, World, run_cycle
from syncd.operations.schedule import Schedule

T = TypeVar("T")

#: Seconds after SIGTERM in which the write in hand may still be answered; the rest of the promised 10 s is for closing.
FINISH_SECONDS = 6.0

#: Seconds between two looks at the ledger while nothing is to be done: a pause shows in metrics and on the page that soon,
#: and a standby notices that it is asked to stop.
LOOK_SECONDS = 2.0

#: Seconds without any sign of progress after which the loop counts as stuck. Longer than the longest single step: a whole
#: read is bounded by its own deadline and tells its progress.
STUCK_SECONDS = 1200.0


class Pulse:
    """Whether the loop makes progress, for ``/healthz``. Every event is a sign of life; a sleep is announced."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._good_until = monotonic() + STUCK_SECONDS

    def beat(self, allowed_seconds: float = STUCK_SECONDS) -> None:
        """Progress was made; the next sign is due within so many seconds."""
        self._good_until = self._monotonic() + allowed_seconds

    def __call__(self, _: Event) -> None:
        self.beat()

    def health(self) -> tuple[bool, str]:
        """(whether it makes progress, a word about it)"""
        late = self._monotonic() - self._good_until
        return (True, "the loop makes progress") if late <= 0 else (False, f"no sign of progress for {late:.0f} s too long")


@dataclass
class Wishes:
    """What others ask of the loop: to stop, or to run a cycle now."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)


#: Called after each cycle, still under the writer lock, with the report and the term: files reports and the like.
AfterCycle = Callable[[CycleReport, int], Awaitable[None]]


async def run_daemon(
    world: World, policy: Policy, mode: Mode, schedule: Schedule, wishes: Wishes, pulse: Pulse, after_cycle: AfterCycle
) -> None:
    """Runs cycles until asked to stop; then gives the write in hand a few seconds and returns."""
    world = replace(world, stopping=wishes.stop.is_set)
    trigger = Trigger.SCHEDULE
    while not wishes.stop.is_set():
        started = world.clock.now()
        wishes.now.clear()
        await until_stopped(_locked(world, policy, Run(mode, trigger), pulse, after_cycle), wishes.stop)
        if wishes.stop.is_set():
            break
        due = schedule.next_after(started, world.clock.now(), world.clock.random())
        world.tell(CycleScheduled(due))
        seconds = max(0.0, (due - world.clock.now()).total_seconds())
        pulse.beat(seconds + STUCK_SECONDS)
        trigger = Trigger.REQUEST if await _woken(world, wishes, seconds) else Trigger.SCHEDULE


async def until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Lets *work* end by itself; once asked to stop it has FINISH_SECONDS left, then it is cancelled (None). A write that is
    not answered by then stays open in the ledger."""
    task = asyncio.create_task(work)
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=FINISH_SECONDS)
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def _locked(world: World, policy: Policy, run: Run, pulse: Pulse, after_cycle: AfterCycle) -> None:
    """One cycle under the writer lock; waits for the lock as a standby."""
    outer, begun = world.tell, [""]

    def tell(event: Event) -> None:
        if isinstance(event, CycleStarted):
            begun.append(event.cycle_id)      # for the last line of a cycle that fails
        outer(event)

    world = replace(world, tell=tell)
    try:
        async with contextlib.AsyncExitStack() as lock:
            lease = await _leading(world, pulse)
            if lease is None:
                return
            try:
                term = await lock.enter_async_context(world.ledger.writer(0.0, lease))
            except NotLeader as error:
                world.tell(LeadershipChanged(leader=False, why=error.what))
                world.tell(Noted("leadership.awaited", "info", {"why": error.what}))
                waited = await _stand_by(world, lock, pulse, lease)
                if waited is None:
                    return
                term = waited
            if world.stopping():
                return
            world.tell(LeadershipChanged(leader=True, term=term))
            report = await run_cycle(world, policy, replace(run, term=term))
            await _filed(world, report, term, after_cycle)
    except SyncdError as error:
        world.tell(Noted("cycle.failed", "error", {"why": error.what, "do": error.do, "exit_code": error.exit_code}))
        _tell_failed(world, run, begun[-1])
    except Exception as error:  # noqa: BLE001 - a fault of ours in one cycle must not end the daemon: the next one may be well
        world.tell(Noted("fault.met", "error", {"fault": type(error).__name__, "says": str(error), "where": _where(error)}))
        _tell_failed(world, run, begun[-1])


async def _filed(world: World, report: CycleReport, term: int, after_cycle: AfterCycle) -> None:
    """What comes after a cycle can no longer change how it ended."""
    started = world.clock.monotonic()
    try:
        await after_cycle(report, term)
    except SyncdError as error:
        world.tell(Noted("report.failed", "error", {"cycle_id": report.cycle_id, "why": error.what, "do": error.do}))
    finally:
        world.tell(PhaseEnded(report.cycle_id, "report", world.clock.monotonic() - started))


async def _leading(world: World, pulse: Pulse) -> int | None:
    """Waits until this process leads, with a pulse, and gives the leader's number. None: asked to stop."""
    while not world.stopping():
        pulse.beat()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                return await world.leadership.lead()
    return None


async def _stand_by(world: World, lock: contextlib.AsyncExitStack, pulse: Pulse, lease: int) -> int | None:
    """Waits for the writer lock for as long as it takes, with a pulse: a standby is healthy. None: asked to stop."""
    while not world.stopping():
        pulse.beat()
        try:
            return await lock.enter_async_context(world.ledger.writer(LOOK_SECONDS, lease))
        except NotLeader:
            continue
    return None


async def _woken(world: World, wishes: Wishes, seconds: float) -> bool:
    """Sleeps until the time is up (False), or somebody wants a cycle or the end (True)."""
    waits = [asyncio.create_task(one) for one in (world.clock.sleep(seconds), wishes.now.wait(), wishes.stop.wait())]
    looks = asyncio.create_task(_look_for_pauses(world))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*waits, looks):
            task.cancel()
        await asyncio.gather(*waits, looks, return_exceptions=True)
    return wishes.now.is_set()


async def _look_for_pauses(world: World) -> None:
    """Tells of a pause as it stands in the ledger, also between two cycles. A ledger that cannot be read is the next
    cycle's business."""
    while True:
        with contextlib.suppress(SyncdError):
            world.tell(PauseSeen((await world.ledger.history()).paused_since is not None))
        await world.clock.sleep(LOOK_SECONDS)


def _tell_failed(world: World, run: Run, cycle_id: str) -> None:
    world.tell(CycleEnded(cycle_id, run.mode.value, Result.FAILED.value, success=False, ended_at=world.clock.now(), seconds=0.0,
                          counts={}, outcomes={}, head_sequence=0, head_hash=""))


def _where(error: BaseException) -> str:
    """The innermost place in our code, without values: a traceback with locals may hold a secret."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/syncd/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
