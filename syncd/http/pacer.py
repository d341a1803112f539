"""Lets requests go one by one: lanes and daily budgets of ``pace``, with the sleeping, and what must survive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

from syncd.errors import LimitReached, SourceError, SyncdError
from syncd.events import Noted, Waited, Waiting
from syncd.http.pace import PAUSE_SECONDS_MAX, DailyBudget, Lane, seconds_until_next_day
from syncd.ports import Clock, Tell

#: How long nobody asks after a service named a time that no limit can have (years): long enough to end the work in hand,
#: short enough that a slip of the service does not cost a day.
UNBELIEVABLE_PAUSE_SECONDS = 300.0

#: A longer wait is told when it begins, so that it counts as a sign of life and not as the lack of one.
LONG_WAIT_SECONDS = 30.0

#: A shorter pause is over before a new process asks.
KEPT_PAUSE_SECONDS_MIN = 1.0

#: How long a store may take for what is given back at the end, for each budget.
GIVE_BACK_SECONDS = 1.0


class BudgetStore(Protocol):
    """Keeps daily counts over a restart; a ledger's side table is one."""

    async def get_state(self, key: str) -> Any:
        """The value kept under *key*, or None."""

    async def set_state(self, key: str, value: Any) -> None:
        """Keeps a JSON value."""


class Pacer:
    """Lets requests go one by one, first come first served, each label by its lane and its daily budget.

    *budgets* names the budget of a label (labels may share one). *store* None: counted in memory only. *pause_key*: under
    which key of the store (followed by the label) a pause is kept, so that nobody asks early after a
    restart either; empty: none is.
    """

    def __init__(
        self,
        clock: Clock,
        tell: Tell,
        *,
        service: str,
        source: str,
        lanes: Mapping[str, Lane] | None = None,
        budgets: Mapping[str, tuple[str, DailyBudget]] | None = None,
        store: BudgetStore | None = None,
        pause_key: str = "",
        max_wait_seconds: float = 60.0,
    ) -> None:
        self._clock, self._tell, self._service, self._source = clock, tell, service, source
        self._pause_key = pause_key
        self._lanes = dict(lanes or {})
        self._budgets = dict(budgets or {})
        self._store = store
        self._max_wait_seconds = max_wait_seconds
        self._queues: dict[str, asyncio.Lock] = {}
        self._counting = asyncio.Lock()
        self._restored: set[str] = set()
        self._kept_until: dict[str, datetime] = {}
        self._told_until = ""

    def lane(self, label: str) -> Lane:
        """The lane of a label; a label without an allowance has one that only pauses."""
        return self._lanes.setdefault(label, Lane())

    async def turn(self, label: str, ends_at: float | None = None) -> None:
        """Returns when the next request of *label* may go. Raises LimitReached when the day's budget is spent or the lane
        is paused for longer than allowed, SourceError when the turn would come after *ends_at* (monotonic seconds)."""
        lane = self.lane(label)
        await self._recall_pause(label)
        self._check_pause(lane.paused_for(self._clock.monotonic()), label)
        await self._count(label)
        waited: dict[str, float] = {}
        try:
            async with self._queues.setdefault(label, asyncio.Lock()):
                while wait := lane.take(now := self._clock.monotonic()):
                    pause = lane.paused_for(now)
                    self._check_pause(pause, label)
                    if ends_at is not None and now + wait > ends_at:
                        raise SourceError(
                            self._source,
                            f"{self._service}: the time allowed for this ended while {label} requests waited.",
                            "The next cycle tries again; if this repeats, raise the share or lengthen the interval.",
                        )
                    cause = lane.pause_cause if pause else "pace"
                    if wait > LONG_WAIT_SECONDS:
                        self._tell(Waiting(self._service, cause, wait))
                    await self._clock.sleep(wait)
                    waited[cause] = waited.get(cause, 0.0) + self._clock.monotonic() - now
        finally:
            for cause, seconds in waited.items():
                self._tell(Waited(self._service, cause, seconds))

    def check_wait(self, seconds: float, what: str, *, jitter_seconds: float = 0.0) -> None:
        """Raises LimitReached when *seconds* is longer than a wait may be, up to *jitter_seconds* aside."""
        if seconds > PAUSE_SECONDS_MAX:
            resume_at = self._tell_until(UNBELIEVABLE_PAUSE_SECONDS, what)
            raise LimitReached(
                self._source,
                f"{self._service}: {what} for {seconds:.0f} s, longer than any limit runs; it is not believed.",
                "This ends the work in hand; a later cycle asks again. If this repeats, see what answers in its place.",
                resume_at=resume_at,
            )
        if seconds > self._max_wait_seconds + jitter_seconds:
            resume_at = self._tell_until(seconds, what)
            raise LimitReached(
                self._source,
                f"{self._service}: {what} for {seconds:.0f} s, until {resume_at}; the longest wait allowed is "
                f"{self._max_wait_seconds:.0f} s.",
                "Nothing is asked before then; a later cycle goes on. If this repeats, see who else uses the limits.",
                resume_at=resume_at,
            )

    async def day_is_used_up(self, label: str) -> None:
        """The service refused a call of *label* because its day is used up: its budget, if it has one, is spent until
        midnight UTC, over a restart too, so that nobody asks in vain."""
        if label not in self._budgets:
            return
        key, budget = self._budgets[label]
        async with self._counting:
            budget.open_day(self._clock.now().date().isoformat())
            budget.exhaust()
            await self._keep(key, budget)

    async def keep_pause(self, label: str) -> None:
        """Keeps the pause of *label* over a restart, however long: whoever comes after us must not ask early either."""
        key, seconds = f"{self._pause_key}/{label}", self.lane(label).paused_for(self._clock.monotonic())
        until = self._clock.now() + timedelta(seconds=seconds)
        kept = self._kept_until.get(key)
        if self._store is None or not self._pause_key or seconds < KEPT_PAUSE_SECONDS_MIN:
            return
        if kept is None or until - kept > timedelta(seconds=KEPT_PAUSE_SECONDS_MIN):  # not once more for each refusal
            self._kept_until[key] = until
            with suppress(SyncdError):  # a ledger that cannot be written shows itself elsewhere
                await self._store.set_state(key, {"until": until.isoformat(), "seconds": seconds})

    async def _recall_pause(self, label: str) -> None:
        """Takes over what ``keep_pause`` kept before a restart; anything else counts as no pause. Whatever was done to the clock
        meanwhile, it is never longer than it was then."""
        key = f"{self._pause_key}/{label}"
        if self._store is None or not self._pause_key or key in self._restored:
            return
        kept = await self._store.get_state(key)
        self._restored.add(key)
        with suppress(KeyError, TypeError, ValueError):
            left = (datetime.fromisoformat(kept["until"]) - self._clock.now()).total_seconds()
            self.lane(label).pause(self._clock.monotonic(), min(left, kept.get("seconds", left)), "retry_after")

    def _tell_until(self, seconds: float, what: str) -> str:
        """Tells observers once per moment that nothing is asked for so long; that moment, RFC 3339."""
        at = self._clock.now() + timedelta(seconds=seconds)
        resume_at = rfc3339(at)
        if resume_at[:16] != self._told_until:
            self._told_until = resume_at[:16]
            self._tell(
                Noted(
                    "http.paused",
                    "warning",
                    {
                        "service": self._service,
                        "what": what,
                        "seconds": round(seconds, 1),
                        "resume_at": resume_at,
                        "resume_timestamp": round(at.timestamp()),
                    },
                )
            )
        return resume_at

    def _check_pause(self, seconds: float, label: str) -> None:
        self.check_wait(seconds, f"{label} requests are paused", jitter_seconds=1.0)  # the second ``backoff`` may add

    async def _count(self, label: str) -> None:
        if label not in self._budgets:
            return
        key, budget = self._budgets[label]
        async with self._counting:
            if key not in self._restored:
                if self._store is not None:
                    budget.restore(await self._store.get_state(key))
                self._restored.add(key)
            now = self._clock.now()
            budget.open_day(now.date().isoformat())
            if budget.spent:
                resume_at = self._tell_until(seconds_until_next_day(now), f"{label} requests are paused")
                raise LimitReached(
                    self._source,
                    f"{self._service}: today's budget of {budget.calls_max} {label} requests is used up, until {resume_at}.",
                    "A later cycle goes on. Raise the share of the limits if other programs leave room.",
                    resume_at=resume_at,
                )
            if budget.lease():
                try:
                    await self._keep(key, budget)
                except BaseException:
                    budget.give_back()
                    raise
            budget.use()

    async def _keep(self, key: str, budget: DailyBudget) -> None:
        if self._store is not None:
            await self._store.set_state(key, budget.kept())

    async def close(self) -> None:
        """Gives unused leases back to the store. Where that cannot be written soon they count as used: a store that does not
        answer keeps nobody from ending, and less may be sent that day."""
        for key, budget in {key: budget for key, budget in self._budgets.values() if key in self._restored}.items():
            budget.give_back()
            with suppress(SyncdError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await self._keep(key, budget)


def rfc3339(at: datetime) -> str:
    """To the second, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
