"""Takes what others saw, holds it against the ledger and writes it down. Evidence only: none of it stops or slows a cycle.

Events come one by one while this process leads (``Listening`` is handed them by whoever has the connection); the operation
log is read once a day, after a cycle, under its term.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, runtime_checkable

from syncd.errors import SyncdError
from syncd.events import Event, LeadershipChanged, Noted, WitnessesCounted
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import (
    CycleReport,
    Draft,
    OperationLog,
    Policy,
    Sighting,
    Trigger,
    WitnessState,
    ZoomSnapshot,
    address_key,
)
from syncd.operations.dependencies import Dependencies
from syncd.planning.match import Addresses
from syncd.planning.witness import (
    Comparison,
    Finding,
    count_states,
    digest_of,
    is_signal,
)

#: The log is read so often, and tried again so soon when it could not be.
LOG_EVERY = timedelta(hours=24)
LOG_AGAIN = timedelta(hours=1)

#: How long reading it may keep the next cycle waiting.
LOG_SECONDS = 120.0

#: Cycles after which the log is read: those that read both sides and look after themselves.
_AFTER = frozenset({Trigger.SCHEDULE, Trigger.REQUEST, Trigger.APPLY})

#: Events that may wait to be written down; more, and the connection is not read on until there is room.
WAITING_MAX = 2000

#: Between two tries to write down what was seen.
AGAIN_SECONDS = 5.0

#: Told of a change of an account that was not our doing, so that the watch can look. Never raises, never blocks.
Signal = Callable[[Sighting], None]


def no_signal(_: Sighting) -> None:
    """Nobody watches."""


@runtime_checkable
class KeepsLog(Protocol):
    """A Zoom whose operation log can be read."""

    async def read_operation_log(self) -> OperationLog:
        """The last three days, to its end. Raises SourceError."""


class EventSource(Protocol):
    """Where events come from."""

    async def run(self, put: Callable[[Sighting], Awaitable[None]], wanted: Callable[[], bool]) -> None:
        """Hands on events for as long as they are *wanted*, again and again, until cancelled. Raises nothing."""


class LeaderSeen:
    """Whether this process was the one that may change things when that was told last."""

    def __init__(self) -> None:
        self.leader = False

    def __call__(self, event: Event) -> None:
        """Whether this process leads: only a leader writes down what was seen."""
        if isinstance(event, LeadershipChanged):
            self.leader = event.leader


@dataclass
class WitnessDesk:
    """Where sightings arrive. One for a process."""

    deps: Dependencies
    policy: Policy
    signal: Signal = no_signal
    zoom: ZoomSnapshot | None = None  # as the last whole read showed it
    _log_tried: float | None = None  # monotonic seconds

    def remember(self, report: CycleReport) -> None:
        """Keeps whose accounts the last whole read showed."""
        if report.zoom is not None:
            self.zoom = report.zoom

    async def take(self, sightings: Sequence[Sighting]) -> None:
        """Takes events as they come. Raises LedgerError; then they may be taken again."""
        history = await self.deps.ledger.history()
        known = [replace(one, address=one.address or self._address_of(one.zoom_id)) for one in sightings]
        drafts, signals = self._judged(known, Comparison(history))
        for sighting in signals:  # before the ledger, which may be busy: whoever watches looks for themselves
            self.signal(sighting)
        if drafts:
            await self.deps.ledger.append(drafts)
            await self.tell_counts()

    async def listen(self, source: EventSource, leads: Callable[[], bool]) -> None:
        """Takes the events of *source* while this process *leads*, until cancelled. What cannot be written down waits."""
        queue: asyncio.Queue[Sighting] = asyncio.Queue(WAITING_MAX)
        tasks = [asyncio.create_task(one) for one in (source.run(queue.put, leads), self._write_down(queue))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_down(self, queue: asyncio.Queue[Sighting]) -> None:
        said = ""
        while True:
            some = [await queue.get()]
            while not queue.empty():
                some.append(queue.get_nowait())
            while some:
                try:
                    await self.take(some)
                    some, said = [], ""
                except SyncdError as error:
                    facts = {"why": error.what, "do": error.do, "events": len(some)}
                    self.deps.tell(Noted("witness.failed", "debug" if error.what == said else "warning", facts))
                    said = error.what
                    await self.deps.clock.sleep(AGAIN_SECONDS)

    async def after_cycle(self, report: CycleReport, term: int) -> None:
        """What comes after a cycle: the log, when a day has passed since it was read, and the counts for observers."""
        self.remember(report)
        if report.off_the_record:
            return
        try:
            history = await self.deps.ledger.history()
            if self._log_due(report, history):
                await self._compare_log(history, term)
            await self.tell_counts()
        except SyncdError as error:
            self.deps.tell(Noted("witness.failed", "warning", {"why": error.what, "do": error.do}))

    async def tell_counts(self) -> None:
        """Tells observers how the changes of the last 30 days stand."""
        counts = count_states(await self.deps.ledger.history(), self.deps.clock.now())
        self.deps.tell(WitnessesCounted({state.value: number for state, number in counts.items()}))

    # ------------------------------------------------------------------------------------------------------- the log

    def _log_due(self, report: CycleReport, history: History) -> bool:
        if not self.deps.witnesses.operation_log or report.zoom is None or report.trigger not in _AFTER or history.broken:
            return False
        if self._log_tried is not None and self.deps.clock.monotonic() - self._log_tried < LOG_AGAIN.total_seconds():
            return False
        last = max((until for _, until in history.logs_read), default=None)
        return last is None or self.deps.clock.now() - last >= LOG_EVERY

    async def _compare_log(self, history: History, term: int) -> None:
        zoom = self.deps.zoom
        if not isinstance(zoom, KeepsLog):
            return
        self._log_tried = self.deps.clock.monotonic()
        try:
            async with asyncio.timeout(LOG_SECONDS):
                log = await zoom.read_operation_log()
        except TimeoutError:
            self.deps.tell(
                Noted(
                    "witness.log_unreadable",
                    "warning",
                    {
                        "why": f"the operation log was not read within {LOG_SECONDS:.0f} s",
                        "do": "It is tried again in an hour; give syncd more of the account's limits (zoom.share) "
                        "if that goes on.",
                    },
                )
            )
            return
        except SyncdError as error:
            self.deps.tell(Noted("witness.log_unreadable", "warning", {"why": error.what, "do": error.do}))
            return
        by_address = await self._accounts_by_address(history)
        found = [replace(one, zoom_id=by_address.get(address_key(one.address), "")) for one in log.sightings]
        compared = Comparison(history)
        drafts, _ = self._judged(found, compared)
        of_account: dict[str, set[str]] = {}
        for key, zoom_id in by_address.items():
            of_account.setdefault(zoom_id, set()).add(key)
        doubtful = compared.doubtful(log.unreadable, {zoom_id: frozenset(keys) for zoom_id, keys in of_account.items()})
        drafts += [record.doubted(intent, effect) for intent, effect in doubtful.items()]
        drafts.append(record.log_compared(log))
        await self.deps.ledger.append(drafts, term=term)
        self.deps.tell(
            Noted(
                "witness.log_compared", "info", {"lines": log.lines, "unknown": len(log.unreadable), "written": len(drafts) - 1}
            )
        )

    async def _accounts_by_address(self, history: History) -> Mapping[str, str]:
        """Address key -> Zoom id: as of the last read, as accounts were called when they were changed, and those known gone."""
        refs = {one.who: one.zoom_id for one in history.effects.values() if one.who}
        refs |= {one.who: one.zoom_id for one in history.foreign if one.who and one.zoom_id}
        named = await self.deps.ledger.personal(list(refs))
        found: dict[str, str] = {address_key(words["email"]): refs[ref] for ref, words in named.items() if words.get("email")}
        listed = self.zoom.accounts if self.zoom is not None else ()
        return found | {address_key(one.email): one.zoom_id for one in listed if one.zoom_id is not None}

    def _address_of(self, zoom_id: str) -> str:
        """As the last whole read showed it; empty: it did not."""
        account = self.zoom.find(zoom_id) if self.zoom is not None else None
        return account.email if account is not None else ""

    # ------------------------------------------------------------------------------------------------------ what it is

    def _judged(self, sightings: Iterable[Sighting], compared: Comparison) -> tuple[list[Draft], list[Sighting]]:
        """What is to be written down, and what the watch should look at."""
        scope = Addresses(self.policy)
        drafts: list[Draft] = []
        signals: list[Sighting] = []
        for sighting in sightings:
            mine = bool(sighting.address) and scope.in_scope(sighting.address)
            finding = compared.judge(sighting, in_scope=mine)
            if finding.state is not None:
                drafts.append(record.seen(sighting, finding.state, digest_of(sighting), finding.intent, finding.seconds))
                self._tell(sighting, finding)
            if mine and not finding.ours and is_signal(sighting):
                signals.append(sighting)
        return drafts, signals

    def _tell(self, sighting: Sighting, finding: Finding) -> None:
        foreign = finding.state is WitnessState.FOREIGN
        facts: dict[str, object] = {
            "source": sighting.source.value,
            "what": sighting.what.value,
            "zoom_id": sighting.zoom_id,
            "address": sighting.address,
        }
        facts |= {} if foreign else {"seconds": finding.seconds}
        self.deps.tell(Noted("change.foreign" if foreign else "change.confirmed", "warning" if foreign else "info", facts))
