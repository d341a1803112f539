"""When to run: by schedule, at once when asked, one cycle at a time, under the ledger's writer lock; and how to stop.

The loop outlives every trouble that a later cycle may not have: an unreadable source, a ledger that cannot be written, even a
fault of our own is recorded and the next cycle comes. Only being asked to stop ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any, TypeVar

from syncd.errors import LedgerError, NotLeader, SyncdError
from syncd.events import (
    CycleEnded,
    CycleScheduled,
    CycleStarted,
    Event,
    LeadershipChanged,
    LedgerSeen,
    Noted,
    PauseSeen,
    PhaseEnded,
    Waiting,
)
from syncd.model import CycleReport, Mode, Policy, Result, Trigger
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.dependencies import Dependencies, stopped_by
from syncd.operations.follow_up import FollowUps
from syncd.operations.schedule import Schedule
from syncd.operations.watch import NeedsWholeCycle, Pace, Watch
from syncd.ports import Clock

T = TypeVar("T")

#: Seconds after SIGTERM in which the write in hand may still be answered; the rest of the promised 10 s is for closing.
FINISH_SECONDS = 6.0

#: Seconds for what is given back after that, before it is told again to end: longer than the ledger takes for a server that
#: does not answer.
GIVE_BACK_SECONDS = 3.0

#: Seconds between two looks at the ledger while nothing is to be done: a pause shows in metrics and on the page that soon,
#: and a standby notices that it is asked to stop.
LOOK_SECONDS = 2.0

#: Seconds of sleep between two looks at the wall clock.
SLEEP_SECONDS = 10.0

#: Seconds without any sign of progress after which the loop counts as stuck. Longer than the longest single step: a whole
#: read is bounded by its own deadline and tells its progress.
STUCK_SECONDS = 1200.0


class Liveness:
    """Whether the loop makes progress, for ``/healthz``. Every event is a sign of life. A sleep, and a wait that a service
    asked for, is announced: no sign is missing before its end."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._announced_until = monotonic()
        self._good_until = monotonic() + STUCK_SECONDS

    def beat(self) -> None:
        """Progress was made; the next sign is due in time after it, or after the end of what was announced."""
        self._good_until = max(self._monotonic(), self._announced_until) + STUCK_SECONDS

    def announce(self, seconds: float) -> None:
        """For so long nothing may be heard."""
        self._announced_until = max(self._announced_until, self._monotonic() + seconds)
        self.beat()

    def __call__(self, event: Event) -> None:
        """A sign of life, or of a wait that is meant: how long until the next one is due."""
        match event:
            case Waiting(seconds=seconds):
                self.announce(seconds)
            case CycleStarted() | CycleEnded():  # whatever was waited for is over
                self._announced_until = self._monotonic()
        self.beat()

    def health(self) -> tuple[bool, str]:
        """Whether it makes progress, and a word about it."""
        late = self._monotonic() - self._good_until
        return (True, "the loop makes progress") if late <= 0 else (False, f"no sign of progress for {late:.0f} s too long")


@dataclass
class DaemonSignals:
    """What others ask of the loop: to stop, or to run a cycle now."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)
    elsewhere: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # Zoom ids that somebody else changed


#: Called after each cycle, still under the writer lock, with the report and the term: files reports and the like.
AfterCycle = Callable[[CycleReport, int], Awaitable[None]]


async def run_daemon(
    deps: Dependencies,
    policy: Policy,
    mode: Mode,
    schedule: Schedule,
    signals: DaemonSignals,
    liveness: Liveness,
    after_cycle: AfterCycle,
    pace: Pace = Pace(),  # noqa: B008  -- frozen
    at_rest: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Runs cycles, and looks between them, until asked to stop; then gives the write in hand a few seconds and returns.
    *pace*: of the watch; the time between cycles in it is the schedule's. *at_rest*: done last, unless something had to be
    broken off: then the time for stopping is spent."""
    deps = stopped_by(deps, signals.stop.is_set)
    watch = Watch(deps, policy, mode, Pace(pace.poll_seconds, pace.settle, schedule.longest_gap(deps.clock.now())))
    deps = replace(deps, tell=watch.hearing(deps.tell))
    trigger, follow_ups, broken_off = Trigger.SCHEDULE, FollowUps(), False
    async with watch.running(), _heeding(watch, signals):
        while not signals.stop.is_set():
            started = deps.clock.now()
            signals.now.clear()
            report = await until_stopped(_locked(deps, policy, watch.run(trigger), liveness, after_cycle), signals.stop)
            if signals.stop.is_set():
                broken_off = report is None
                break
            watch.ended(report)
            scheduled = schedule.next_after(started, deps.clock.now(), deps.clock.random())
            due = follow_ups.due(report, scheduled, deps.clock.now())
            deps.tell(CycleScheduled(due))
            alarm = Alarm(due, deps.clock)
            liveness.announce(alarm.left)
            while (woken := await _woken(deps, signals, watch, alarm)) is Woken.LOOK:
                broken_off = await until_stopped(_looked(deps, watch, after_cycle), signals.stop) is None
            trigger = {Woken.ASKED: Trigger.REQUEST, Woken.CHANGED: Trigger.WATCH}.get(woken, Trigger.SCHEDULE)
    if at_rest is not None and not broken_off:
        await at_rest()


@contextlib.asynccontextmanager
async def _heeding(watch: Watch, signals: DaemonSignals) -> AsyncIterator[None]:
    """The watch is told of what happens at Zoom while the body runs."""

    async def heed() -> None:
        while True:
            watch.elsewhere(await signals.elsewhere.get())

    task = asyncio.create_task(heed())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Lets *work* end by itself; once asked to stop it has FINISH_SECONDS left, then it is cancelled (None), and has
    GIVE_BACK_SECONDS for each thing it gives back. A write that is not answered by then stays open in the ledger."""
    task = asyncio.create_task(work)
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=FINISH_SECONDS)
        while not task.done():  # again, should it wait for something else as it ends
            task.cancel()
            await asyncio.wait({task}, timeout=GIVE_BACK_SECONDS)
        try:
            return await task
        except asyncio.CancelledError:
            return None
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def _locked(
    deps: Dependencies, policy: Policy, run: Run, liveness: Liveness, after_cycle: AfterCycle
) -> CycleReport | None:
    """One cycle under the writer lock; waits for the lock as a standby. None: there was none, or it failed."""
    outer, begun = deps.tell, [""]

    def tell(event: Event) -> None:
        if isinstance(event, CycleStarted):
            begun.append(event.cycle_id)  # for the last line of a cycle that fails
        outer(event)

    deps = replace(deps, tell=tell)
    try:
        async with contextlib.AsyncExitStack() as lock:
            lease = await _leading(deps, liveness)
            if lease is None:
                return None
            try:
                term = await lock.enter_async_context(deps.ledger.writer(0.0, lease))
            except NotLeader as error:
                deps.tell(LeadershipChanged(leader=False, why=error.what))
                deps.tell(Noted("leadership.awaited", "info", {"why": error.what}))
                waited = await _stand_by(deps, lock, liveness, lease)
                if waited is None:
                    return None
                term = waited
            if deps.stopping():
                return None
            deps.tell(LeadershipChanged(leader=True, term=term))
            report = await run_cycle(deps, policy, replace(run, term=term))
            await _filed(deps, report, term, after_cycle)
            return report
    except SyncdError as error:
        if isinstance(error, LedgerError):
            deps.tell(LedgerSeen(fine=False, why=error.what))
        deps.tell(Noted("cycle.failed", "error", {"why": error.what, "do": error.do, "exit_code": error.exit_code}))
        _tell_failed(deps, run, begun[-1], error.what, error.do)
    except Exception as error:  # noqa: BLE001 - a fault of ours in one cycle must not end the daemon: the next one may be well
        deps.tell(Noted("fault.met", "error", {"fault": type(error).__name__, "says": str(error), "where": _where(error)}))
        _tell_failed(
            deps,
            run,
            begun[-1],
            f"a fault of syncd itself ({type(error).__name__}); nothing is concluded from it",
            "The next cycle tries again; please report it with the line fault.met of this log.",
        )
    return None


async def _filed(deps: Dependencies, report: CycleReport, term: int, after_cycle: AfterCycle) -> None:
    """What comes after a cycle can no longer change how it ended."""
    started = deps.clock.monotonic()
    try:
        await after_cycle(report, term)
    except SyncdError as error:
        deps.tell(Noted("report.failed", "error", {"cycle_id": report.cycle_id, "why": error.what, "do": error.do}))
    finally:
        deps.tell(PhaseEnded(report.cycle_id, "report", deps.clock.monotonic() - started))


async def _leading(deps: Dependencies, liveness: Liveness) -> int | None:
    """Waits until this process leads, alive, and gives the leader's number. None: asked to stop."""
    while not deps.stopping():
        liveness.beat()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                return await deps.leadership.lead()
    return None


async def _stand_by(deps: Dependencies, lock: contextlib.AsyncExitStack, liveness: Liveness, lease: int) -> int | None:
    """Waits for the writer lock for as long as it takes, alive: a standby is healthy. None: asked to stop."""
    while not deps.stopping():
        liveness.beat()
        try:
            return await lock.enter_async_context(deps.ledger.writer(LOOK_SECONDS, lease))
        except NotLeader:
            continue
    return None


class Alarm:
    """When a sleep ends: *at* that time by the wall clock, and never later than it was away when the alarm was set. A clock that
    is set ahead, or a machine that slept meanwhile, ends it; one that is set back does not stretch it, however often the sleep is
    interrupted."""

    def __init__(self, at: datetime, clock: Clock) -> None:
        self._at, self._clock = at, clock
        self._latest = clock.monotonic() + (at - clock.now()).total_seconds()

    @property
    def left(self) -> float:
        """Seconds until then; none are left afterwards."""
        return max(0.0, min(self._latest - self._clock.monotonic(), (self._at - self._clock.now()).total_seconds()))

    async def rings(self) -> None:
        """Sleeps until then."""
        while left := self.left:
            await self._clock.sleep(min(left, SLEEP_SECONDS))


class Woken(Enum):
    """What ended the sleep."""

    DUE = auto()  # the time is up, or somebody wants the end
    ASKED = auto()  # somebody wants a cycle
    LOOK = auto()  # a signal is to be looked at
    CHANGED = auto()  # the watch wants a whole cycle


async def _woken(deps: Dependencies, signals: DaemonSignals, watch: Watch, alarm: Alarm) -> Woken:
    """Sleeps until the time is up, or somebody wants something."""
    wanted = asyncio.create_task(watch.wanted())
    waits = [
        wanted,
        *(asyncio.create_task(one) for one in (alarm.rings(), signals.now.wait(), signals.stop.wait())),
    ]
    looks = asyncio.create_task(_look_for_pauses(deps))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*waits, looks):
            task.cancel()
        await asyncio.gather(*waits, looks, return_exceptions=True)
    if signals.now.is_set() or signals.stop.is_set():
        return Woken.ASKED
    if wanted.cancelled() or not alarm.left:  # a whole cycle that is due looks at everybody
        return Woken.DUE
    return Woken.LOOK if wanted.result() else Woken.CHANGED


async def _looked(deps: Dependencies, watch: Watch, after_cycle: AfterCycle) -> bool:
    """Looks at whoever was signalled, each place in turn, under the writer lock where there is something to decide. What goes
    wrong here is left to a whole cycle. True: it came to its end."""
    try:
        found = await watch.find()
        watch.count_empty(found)
        for one in found:
            lease = await deps.leadership.lead()
            async with deps.ledger.writer(LOOK_SECONDS, lease) as term:
                looked = await watch.look(one, term)
                if looked.report is not None:
                    await _filed(deps, looked.report, term, after_cycle)
    except NeedsWholeCycle as why:
        deps.tell(Noted("watch.whole_cycle", "info", {"why": str(why)}))
    except SyncdError as error:
        watch.give_up(error.what)
        deps.tell(Noted("look.failed", "error", {"why": error.what, "do": error.do, "exit_code": error.exit_code}))
    except Exception as error:  # noqa: BLE001 - as for a cycle: a fault of ours must not end the daemon
        watch.give_up(f"a fault of syncd itself ({type(error).__name__})")
        deps.tell(Noted("fault.met", "error", {"fault": type(error).__name__, "says": str(error), "where": _where(error)}))
    return True


async def _look_for_pauses(deps: Dependencies) -> None:
    """Tells of a pause as it stands in the ledger, also between two cycles, and whether the ledger is there at all."""
    while True:
        try:
            history = await deps.ledger.history()
        except SyncdError as error:
            deps.tell(LedgerSeen(fine=False, why=error.what))
        else:
            deps.tell(LedgerSeen(fine=True))
            deps.tell(PauseSeen(history.paused_since is not None))
        await deps.clock.sleep(LOOK_SECONDS)


def _tell_failed(deps: Dependencies, run: Run, cycle_id: str, why: str, do: str) -> None:
    deps.tell(
        CycleEnded(
            cycle_id,
            run.mode.value,
            Result.FAILED.value,
            success=False,
            ended_at=deps.clock.now(),
            seconds=0.0,
            counts={},
            outcomes={},
            head_sequence=0,
            head_hash="",
            why=why,
            do=do,
        )
    )


def _where(error: BaseException) -> str:
    """The innermost place in our code, without values: a traceback with locals may hold a secret."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/syncd/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
