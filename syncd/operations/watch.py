"""Between two cycles: ask every place for changes, look again at those concerned, and act while the guards allow it.

The places are asked all the time, each at its own pace; looks and whole cycles take turns. A place that cannot tell changes makes
the watch degraded, which is said once with its reason; it is asked again until it can. Whole cycles go on whatever happens here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from syncd.errors import AccountUnreadable, SourceError, SyncdError
from syncd.events import Event, LeadershipChanged, LookEnded, SignalSeen, WatchDegraded
from syncd.execution.lifecycle import SUBJECTS, Subject
from syncd.model import CycleReport, Hint, Mode, Policy, Reason, Result, Status, Trigger
from syncd.operations.dependencies import Dependencies, Run
from syncd.operations.look import About, Base, Looked, run_look
from syncd.planning.entitlement import GONE, standing
from syncd.planning.guards import good_read
from syncd.planning.guards.sizes import deactivation_limit
from syncd.planning.watching import ACCOUNTS_MAX, WHOLE_APART, Noticed, Watching, base_serves, concerned, differing
from syncd.ports import Tell, Watcher

#: A place that cannot tell is asked again after its pace, twice that, and so on, up to this.
RETRY_SECONDS_MAX = 60.0

_STORM_DO = "A whole cycle looks at everybody instead, at most every 5 minutes. If it goes on, see what changes so many objects."


@dataclass(frozen=True, slots=True)
class Pace:
    """How often places are asked, how long a leaving must last, and the usual time between whole cycles."""

    poll_seconds: float = 1.0
    settle: timedelta = timedelta(seconds=30)
    interval: timedelta = timedelta(minutes=15)


class NeedsWholeCycle(Exception):
    """A look will not do here; the text says why."""


@dataclass(frozen=True)
class Found:
    """What a place showed when it was asked again, before anything is decided."""

    place: int
    about: About


class Watch:
    """The watch of one daemon. Without watchers nothing is ever due."""

    def __init__(self, deps: Dependencies, policy: Policy, mode: Mode, pace: Pace) -> None:
        self._deps, self._policy, self._mode, self._pace = deps, policy, mode, pace
        self._watchers = deps.watchers
        self._state = Watching(pace.settle, policy.limits.max_replication_lag)
        self._base: Base | None = None
        self._looks: Counter[str] = Counter()
        self._leads = asyncio.Event()
        self._first: dict[int, datetime] = {}  # place -> when its changes were followed for the first time
        self._changed = asyncio.Event()
        self._whole_wanted = ""
        self._whole_at: datetime | None = None
        self._not_before: datetime | None = None
        self._troubles: dict[int, SourceError] = {}  # place -> why it cannot tell changes
        self._unread: dict[int, SourceError] = {}  # place -> why what was signalled there could not be read
        self._storm = ""
        self._said = ""

    # ----------------------------------------------------------------------------------------------------- asking

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The places are asked while the body runs."""
        tasks = [asyncio.create_task(self._ask(place, watcher)) for place, watcher in enumerate(self._watchers)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(watcher.close() for watcher in self._watchers), return_exceptions=True)

    def hearing(self, tell: Tell) -> Tell:
        """The same, and the watch hears it too: only who leads asks."""

        def both(event: Event) -> None:
            if isinstance(event, LeadershipChanged):
                self._leads.set() if event.leader else self._leads.clear()
            tell(event)

        return both

    async def _ask(self, place: int, watcher: Watcher) -> None:
        failed = 0
        while True:
            await self._leads.wait()
            began = self._deps.clock.monotonic()
            if self._deps.leadership.leads():
                failed = failed + 1 if not await self._asked(place, watcher) else 0
            await self._deps.clock.sleep(self._rest(self._deps.clock.monotonic() - began, failed))

    def _rest(self, took: float, failed: int) -> float:
        """Seconds until a place is asked again that took so long to answer, after so many failures in a row: its pace is from
        question to question, and one that needs most of that to answer is left alone for half of it. One that fails is never
        asked sooner than at its pace."""
        pace = self._pace.poll_seconds
        return max(pace, min(RETRY_SECONDS_MAX, pace * 2.0 ** min(failed, 10))) if failed else max(pace - took, pace / 2)

    async def _asked(self, place: int, watcher: Watcher) -> bool:
        """Asks one place once; whether it could tell."""
        try:
            hint = await watcher.changes()
        except SyncdError as error:
            self._cannot_tell(place, error)
            return False
        except Exception as error:  # noqa: BLE001 - a fault of ours in one place must not end the watch of the others
            self._cannot_tell(
                place,
                SourceError(
                    "directory",
                    f"a fault of syncd itself ({type(error).__name__}: {error})",
                    "Please report it; whole cycles go on.",
                ),
            )
            return False
        self._first.setdefault(place, self._deps.clock.now())
        self._troubles.pop(place, None)
        self._say()
        if hint:
            self._deps.tell(SignalSeen(watcher.source, watcher.name, len(hint.people)))
            if not self._state.notice(place, hint, self._deps.clock.now()):
                self._fall_back("signals without end: more than a look can follow", storm=True)
            self._changed.set()
        return True

    def _cannot_tell(self, place: int, error: SyncdError) -> None:
        self._troubles[place] = error if isinstance(error, SourceError) else SourceError("directory", error.what, error.do)
        self._say()

    def _say(self) -> None:
        """Says whether the watch is degraded, each time that changes."""
        troubles = self._unread | self._troubles
        trouble = next((f"{self._watchers[place].name}: {error.what}" for place, error in sorted(troubles.items())), "")
        why = self._storm or trouble
        if bool(why) != bool(self._said):
            do = _STORM_DO if self._storm else next((error.do for _, error in sorted(troubles.items())), "")
            self._deps.tell(WatchDegraded(why, do if why else ""))
            self._said = why

    def elsewhere(self, zoom_id: str) -> None:
        """Zoom says that somebody else changed this account. Never raises."""
        if not self._watchers:
            return
        if not zoom_id:
            self._fall_back("Zoom tells that somebody else changed an account, and not which one")
        elif not self._state.notice_account(zoom_id, self._deps.clock.now()):
            self._fall_back("signals without end: more than a look can follow", storm=True)
        self._changed.set()

    def _fall_back(self, why: str, *, storm: bool = False) -> None:
        """A whole cycle must look."""
        self._whole_wanted = self._whole_wanted or why
        if storm:
            self._storm = why
            self._say()
        self._changed.set()

    # ---------------------------------------------------------------------------------------------------- taking turns

    def ended(self, report: CycleReport | None) -> None:
        """A whole cycle ended; what it read is the base of the looks to come, if it was whole and good."""
        if not self._watchers:
            return
        self._base, self._looks, self._whole_wanted, self._not_before = None, Counter(), "", None
        good = report is not None and report.plan is not None and good_read(report.verdicts)
        if report is None or not good:
            return
        self._base = Base.after(report, self._policy)
        self._storm = ""
        self._unread.clear()  # it read everybody
        self._say()
        assert report.directory is not None, "a plan is made of a directory"
        now = self._deps.clock.now()
        self._state.start_over(now, report.directory.read_at, report.started_at)
        for place, first in self._first.items():
            if first > report.directory.read_at:  # followed since a moment after that read: what came between?
                self._state.notice(place, Hint(anybody=True), now)

    def run(self, trigger: Trigger) -> Run:
        """The whole cycle to come."""
        return Run(self._mode, trigger, looks=dict(self._looks))

    async def wanted(self) -> bool:
        """Waits until something is to be done here: a look (True), or a whole cycle at once (False)."""
        while True:
            self._changed.clear()
            now = self._deps.clock.now()
            look = not self._whole_wanted
            due = self._look_due(now) if look else self._whole_due(now)
            if due is not None and due <= now:
                if not look:
                    self._whole_at = now
                return look
            await self._until(due, now)

    async def _until(self, due: datetime | None, now: datetime) -> None:
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
        if due is not None:
            waits.append(asyncio.create_task(self._deps.clock.sleep((due - now).total_seconds())))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _whole_due(self, now: datetime) -> datetime:
        if self._whole_at is None or self._whole_at > now:  # by a clock that was ahead: nobody waits for that moment
            return now
        return max(now, self._whole_at + WHOLE_APART)

    def _look_due(self, now: datetime) -> datetime | None:
        due = self._state.due(now)
        return due if due is None or self._not_before is None else max(due, self._not_before)

    # --------------------------------------------------------------------------------------------------------- looking

    async def find(self) -> list[Found]:
        """Whom to look at, as the places that signalled show them now. A place that cannot be read is asked again later.
        Raises NeedsWholeCycle."""
        now, found = self._deps.clock.now(), []
        self._not_before = None
        taken = self._state.take(now)
        for place, noticed in taken.items():
            base = self._base_that_serves(now)
            try:
                about = await self._about(place, noticed, base)
            except SourceError as error:
                self._look_later(place, error)
                self._state.put_back({place: noticed})
                continue
            if about is not None:
                found.append(Found(place, about))
        if accounts := self._state.take_accounts():
            found += await self._find_accounts(accounts, now)
        return found

    async def _find_accounts(self, accounts: Mapping[str, datetime], now: datetime) -> list[Found]:
        """Accounts that others changed at Zoom, with whoever has to do with them as the directory shows them now. Raises
        SourceError, LedgerError, NeedsWholeCycle."""
        base = self._base_that_serves(now)
        if len(accounts) > ACCOUNTS_MAX:
            raise self._whole(f"{len(accounts)} accounts were changed at Zoom by others", storm=True)
        place = next((one for one in range(len(self._watchers)) if one not in self._unread | self._troubles), 0)
        pairs, seen = (await self._deps.ledger.history()).pairs, min(accounts.values())
        keys = await self._addresses_of(accounts, base)
        people = frozenset().union(*concerned(base.directory, keys, pairs, self._policy).values())
        about = None
        try:
            if people:  # whom nobody claims is a matter of the account alone
                about = await self._about(place, Noticed(Hint(people), seen), base)
        except SourceError as error:
            self._look_later(place, error)
            self._state.put_accounts_back(accounts)
            return []
        whose = concerned(self._base_that_serves(now).directory, keys, pairs, self._policy)
        about = about or About({}, frozenset(), seen)
        settled = frozenset(id_ for id_ in people.union(*whose.values()) if self._state.may_act(id_, self._deps.clock.now()))
        return [Found(place, replace(about, ready=about.ready | settled, seen=min(about.seen, seen), accounts=whose))]

    def _look_later(self, place: int, error: SourceError) -> None:
        """The place cannot be read now; what was signalled there waits. That it can be asked for changes does not mend this."""
        self._unread[place] = error
        self._say()
        self._not_before = self._deps.clock.now() + timedelta(seconds=max(self._pace.poll_seconds, 5.0))

    async def _addresses_of(self, accounts: Iterable[str], base: Base) -> dict[str, frozenset[str]]:
        """The address each account had and has. Raises SourceError."""
        found: dict[str, frozenset[str]] = {}
        for zoom_id in accounts:
            try:
                shown = await self._deps.zoom.get_account(zoom_id)
            except AccountUnreadable:  # this one waits for a whole cycle, which says so
                continue
            found[zoom_id] = frozenset(one.email for one in (base.zoom.find(zoom_id), shown) if one is not None)
        return found

    def _base_that_serves(self, now: datetime) -> Base:
        if self._base is None:
            raise self._whole("the last cycle did not read both sides whole")
        if not base_serves(self._base.whole.read_at, self._pace.interval, now):
            raise self._whole("the last whole read is too old to build on, or was made before the clock was set back")
        return self._base

    def _whole(self, why: str, *, storm: bool = False) -> NeedsWholeCycle:
        self._fall_back(why, storm=storm)
        return NeedsWholeCycle(why)

    async def _about(self, place: int, noticed: Noticed, base: Base) -> About | None:
        """Who differs from the last whole read; None when nobody does. Raises SourceError, NeedsWholeCycle."""
        reread = await self._watchers[place].read_again(noticed.hint, base.directory)
        self._unread.pop(place, None)
        self._say()
        now = self._deps.clock.now()
        if reread.read_at < base.whole.read_at:
            self._state.acted(noticed.hint.people)  # a view older than the base
            return None
        self._base = base = base.with_people(reread)
        people = {id_: one for id_ in reread.asked if (one := base.directory.find(id_)) is not None}
        differs = differing(base.whole, base.directory, reread.asked, self._policy, now)
        for id_ in reread.asked:
            stands = differs[id_] if id_ in differs else standing(people[id_], self._policy, now) if id_ in people else None
            if id_ in differs or stands is Reason.IN_STEP:
                self._state.show(place, id_, stands or Reason.ABSENT_FROM_DIRECTORY, now)
            else:
                self._state.acted([id_])
        leaving = {id_ for id_, stands in differs.items() if stands in GONE and base.whole.find(id_) is not None}
        if len(leaving) > deactivation_limit(self._policy, base.zoom.count(Status.ACTIVE)):
            raise self._whole(f"{len(leaving)} people leave at once, more than guards.max_deactivations", storm=True)
        ready = frozenset(id_ for id_ in differs if self._state.may_act(id_, now))
        if not ready:
            return None
        changed = dict(reread.changed)
        changed.update(
            (id_, at)
            for id_ in differs
            if id_ not in changed
            and id_ in people
            and (at := people[id_].changed_at) is not None
            and differs[id_] is Reason.DISABLED_IN_DIRECTORY
        )
        seen = min([noticed.since, *(since for id_ in ready if (since := self._state.since(id_)) is not None)])
        if made := [at for id_, at in changed.items() if id_ in ready]:
            seen = max(seen, min(now, *made))  # signals wait together, and nothing is seen before it was made
        return About(differs, ready, seen, changed, reread.view, reread.as_of)

    async def look(self, found: Found, term: int) -> Looked:
        """Decides about those who were found, and carries out what no guard holds, under the writer's *term*. Raises
        SourceError, LedgerError, NotLeader, NeedsWholeCycle."""
        history = await self._deps.ledger.history()
        # A licence owed stays open for as long as no seat is free; nobody else has to wait for that.
        if history.broken or any(SUBJECTS[intent.action] is not Subject.LICENCE for intent in history.intents.values()):
            raise self._whole("the ledger has something that a whole cycle must settle")
        base = self._base_that_serves(self._deps.clock.now())
        deps = replace(self._deps, directory=self._watchers[found.place].directory)
        began = self._deps.clock.monotonic()
        looked = await run_look(deps, self._policy, Run(self._mode, Trigger.WATCH, term), base, found.about, history)
        self._base = looked.base
        # Done or not, looking at once again would show the same: what is left is a whole cycle's, or a new signal's.
        self._state.acted(found.about.ready)
        if looked.report is None:  # one with a report told of itself
            self._looks[looked.result.value] += 1
            self._deps.tell(LookEnded("", looked.result.value, len(found.about.people), self._deps.clock.monotonic() - began, {}))
        return looked

    def give_up(self, why: str) -> None:
        """A look failed; a whole cycle looks instead. What it read is no base any more."""
        self._base = None
        self._looks[Result.FAILED.value] += 1
        self._deps.tell(LookEnded("", Result.FAILED.value, 0, 0.0, {}, why=why))
        self._fall_back(why)

    def count_empty(self, found: list[Found]) -> None:
        """A signal after which nobody differed is a look, too, and so is one that could not be read."""
        if not found:
            result = (Result.IN_STEP if self._not_before is None else Result.UNREADABLE).value
            self._looks[result] += 1
            self._deps.tell(LookEnded("", result, 0, 0.0, {}))

    @property
    def looks(self) -> Mapping[str, int]:
        """Looks since the last whole cycle that left no entry, by result."""
        return self._looks
