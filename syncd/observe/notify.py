"""Messages to webhooks, for those without Prometheus: told like any observer, sent by a task of its own.

Promises: telling never blocks and never raises, whatever the receiver does; a message holds no address, no secret and no
id of an account; one message per news, not one per cycle: silence until something changed, or came back after it was well.
What was told is kept (``told``) once it was sent, so that a restart, or another leader, does not tell it again.
How a message looks to its receiver is said in ``messages``.

    word           sent when
    held           a cycle ended with its plan held by a guard
    unreadable     the directory or Zoom could not be read whole
    partial        some changes of a cycle, or of a look of the watch, failed
    manual         accounts need manual action that did not before
    overdue        a deactivation could have been made for more than two hours and two intervals, and is not
    digest_daily   the first cycle of a day ended: what the day before was like (``digest``), and what waits now
    digest_weekly  the same on Mondays, for a week

More than 400 lines: the table above is one state, and each of its rows compares with what was told last.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import singledispatchmethod
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from syncd import events
from syncd.errors import AnswerLost, ConfigError, SourceError, SyncdError
from syncd.http.client import Api, ApiSettings
from syncd.http.pace import backoff
from syncd.model import EFFECTS, Action, OutcomeKind, Plan, Verdict
from syncd.observe.digest import SPANS, Ended, Recorded, span_of, tally
from syncd.observe.messages import SHAPES, Notice
from syncd.observe.redact import Redaction, rfc3339
from syncd.observe.told import Memory, Store, Told
from syncd.ports import Clock, ReadSecret, Tell

FORMAT = "syncd.notification/1"

#: What could have been done for this long is overdue (and for two intervals, where they are longer).
OVERDUE_AFTER = timedelta(hours=2)

#: Departments named in a message: those most of a plan is about.
DEPARTMENTS_NAMED = 5

#: Messages waiting for one webhook; beyond it the oldest is dropped, for the newest says how things stand.
WAITING_MAX = 50

#: Tries for a message whose fate is not known or whose receiver is in trouble. A message may arrive twice, never a change.
TRIES_MAX = 5

#: Seconds until what was told is kept, where the ledger did not take it.
KEEP_AGAIN_SECONDS = 60.0

#: Seconds for messages under way when the daemon ends.
FINISH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send, and what is worth a message. *url* is read for each message, since it may hold a token and rotate."""

    url: ReadSecret
    on: tuple[str, ...]
    proxy: str | None = None
    format: str = "json"  # json | slack | teams


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message to be made and sent; None: there is nothing to say after all."""

    word: str
    make: Callable[[], Awaitable[Notice | None]]


#: What messages are made of, in the order in which it happened.
_NEWS = (
    events.CycleStarted,
    events.DirectoryRead,
    events.SourceUnreadable,
    events.PlanMade,
    events.EffectSettled,
    events.LookEnded,
    events.CycleEnded,
)

#: What tells one cause from another although it is a number; any other number counts something or names one of many servers.
_CODE = re.compile(r"[45]\d\d|AADSTS\d+|52[0-9a-f]|53[0-3]|701|773|775")


@dataclass
class Notifier:
    """Tell: turns what happened into messages. Nothing is sent unless ``running`` runs."""

    webhooks: tuple[Webhook, ...]
    clock: Clock
    tell: Tell  # for what becomes of a message: a log line
    version: str
    command: Callable[[Plan, Sequence[Verdict]], str] = lambda _plan, _verdicts: ""  # that lets a held plan pass
    zone: str = "UTC"  # whose days digests are about
    interval: timedelta = timedelta(0)  # the longest between two planned cycles
    recorded: Recorded | None = None  # what the ledger holds of cycles, for digests
    store: Store | None = None  # where what was told outlives the process
    _mode: str = ""
    _plan: Plan | None = None
    _verdicts: tuple[Verdict, ...] = ()
    _source: events.SourceUnreadable | None = None
    _unclear: int = 0
    _manual: Mapping[str, int] = field(default_factory=dict)
    _told: Told = field(default_factory=dict)  # what was said last
    _failing: set[tuple[str, str, str]] = field(default_factory=set)  # account, change, why: of the cycle or look under way
    _seen: list[Ended] = field(default_factory=list)  # cycles and looks of this week
    _queues: list[asyncio.Queue[_Waiting]] = field(default_factory=list)
    _recall: asyncio.Event = field(default_factory=asyncio.Event)  # what was told has to be looked up first
    _meanwhile: list[events.Event] = field(default_factory=list)  # what happened until it was
    _changed: asyncio.Event = field(default_factory=asyncio.Event)  # what was told is other than what is kept

    def __post_init__(self) -> None:
        self._began = self.clock.now()
        self._queues = [asyncio.Queue() for _ in self.webhooks]
        self._redaction = Redaction(addresses=False)

    def __call__(self, event: events.Event) -> None:
        """Puts a message in the queue, where the event is one that people are told. Never waits."""
        if isinstance(event, events.LeadershipChanged) and event.leader and self._memory and not self._changed.is_set():
            self._recall.set()  # another process may have told of things since this one led
        if not isinstance(event, _NEWS):
            return
        if self._recall.is_set():
            self._meanwhile.append(event)
        else:
            self._take(event)

    def _take(self, event: events.Event) -> None:
        before = dict(self._told)
        self._observe(event)
        if self._told != before:
            self._changed.set()

    @property
    def _memory(self) -> Memory | None:
        if self.store is None or not self.webhooks:
            return None
        return Memory(self.store, tuple((one.format, *sorted(one.on)) for one in self.webhooks))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends while the body runs; then messages under way have a moment."""
        tasks = [
            asyncio.create_task(self._send_all(hook, queue), name="notify")
            for hook, queue in zip(self.webhooks, self._queues, strict=True)
        ]
        if (memory := self._memory) is not None:
            tasks += [
                asyncio.create_task(self._recall_all(memory), name="recall what was told"),
                asyncio.create_task(self._keep_all(memory), name="keep what was told"),
            ]
        try:
            yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    if memory is not None and self._recall.is_set():
                        await self._recall_once(memory)
                    for queue in self._queues:
                        await queue.join()
                    if memory is not None and self._changed.is_set() and await memory.keep(self._told):
                        self._changed.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------- what was told before

    async def _recall_all(self, memory: Memory) -> None:
        while True:
            await self._recall.wait()
            await self._recall_once(memory)

    async def _recall_once(self, memory: Memory) -> None:
        try:
            told = await memory.recall()
        except Exception:  # noqa: BLE001 - what cannot be recalled is told again; later news must not wait for it
            told = None
        if not self._recall.is_set():  # looked up twice at once, where the end comes right after the beginning
            return
        if told is not None:
            self._told = told
        self._recall.clear()
        meanwhile, self._meanwhile = self._meanwhile, []
        for event in meanwhile:
            self._take(event)

    async def _keep_all(self, memory: Memory) -> None:
        """Only what was sent, or given up with a word in the log, counts as told: a crash repeats a message, and loses none."""
        while True:
            await self._changed.wait()
            told = dict(self._told)
            for queue in self._queues:
                await queue.join()
            if not await memory.keep(told):
                await self.clock.sleep(KEEP_AGAIN_SECONDS)
            elif told == self._told:
                self._changed.clear()

    # -------------------------------------------------------------------------------------------------- what is news

    @singledispatchmethod
    def _observe(self, event: events.Event) -> None:
        """Whatever is not named below is no news."""

    @_observe.register
    def _(self, event: events.CycleStarted) -> None:
        self._mode, self._plan, self._verdicts, self._source, self._failing = event.mode, None, (), None, set()

    @_observe.register
    def _(self, event: events.DirectoryRead) -> None:
        self._unclear = len(event.unclear)

    @_observe.register
    def _(self, event: events.SourceUnreadable) -> None:
        self._source = event

    @_observe.register
    def _(self, event: events.PlanMade) -> None:
        self._plan = event.plan
        self._verdicts = tuple(verdict for verdict in event.verdicts if verdict.tripped)
        waiting = frozenset(
            (one.account.zoom_id or "", one.reason.value)
            for one in event.plan.decisions
            if one.action is Action.MANUAL and one.account.zoom_id not in event.acknowledged
        )
        self._manual = dict(
            sorted(Counter(one.reason.value for one in event.plan.decisions if one.action is Action.MANUAL).items())
        )
        if not waiting:
            self._over("manual")
            return
        news = waiting - self._told.get("manual", frozenset())
        self._told["manual"] = waiting
        if news:
            need = "account needs" if len(waiting) == 1 else "accounts need"
            self._send_to_all(
                "manual",
                event.cycle_id,
                f"{len(waiting)} {need} manual action",
                {"manual": self._manual, "new": len(news)},
                do="syncd cannot or may not change them by itself; they keep their access until somebody acts.",
                command="syncd plan",
                shown=tuple((reason, str(count)) for reason, count in self._manual.items()),
            )

    @_observe.register
    def _(self, event: events.EffectSettled) -> None:
        if event.outcome == OutcomeKind.FAILED and event.action in EFFECTS:
            self._failing.add((event.zoom_id, event.action, event.reason))

    @_observe.register
    def _(self, event: events.LookEnded) -> None:
        if event.result == "partial":
            self._partial(event)
        self._failing = set()
        self._seen.append(Ended(self.clock.now(), event.cycle_id, event.result, event.outcomes, look=True))

    @_observe.register
    def _(self, event: events.CycleEnded) -> None:
        said = {"held": self._held, "unreadable": self._unreadable, "partial": self._partial}.get(event.result)
        for word in ("held", "unreadable", "partial"):
            # An unreadable cycle says nothing about what is held, and a pause in between nothing about either.
            if event.result not in (word, "unreadable", "interrupted", "failed"):
                self._over(word)
        if said is not None:
            said(event)
        self._overdue(event)
        self._digests(event)
        self._failing = set()  # a look after it is about its own

    def _held(self, event: events.CycleEnded) -> None:
        guards = [
            {
                "guard": one.guard.value,
                "measured": one.measured,
                "limit": one.limit,
                "unit": one.unit,
                "says": one.says,
                "do": one.do,
            }
            for one in self._verdicts
        ]
        says = "; ".join(f"{one.guard.value}: {one.says}" for one in self._verdicts) or "a guard tripped"
        effects = self._plan.effects if self._plan is not None else ()
        reasons = Counter(one.reason.value for one in effects)
        departments = Counter(one.department for one in effects if one.department)
        command = self.command(self._plan, self._verdicts) if self._plan is not None else ""
        self._say(
            # The digest stands for what is held and for the command: whoever joins meanwhile changes neither.
            "held",
            event.cycle_id,
            frozenset(
                [("plan", self._plan.digest if self._plan else ""), *(("guard", one.guard.value) for one in self._verdicts)]
            ),
            f"held by {says}",
            {
                "guards": guards,
                "counts": dict(event.counts),
                "reasons": dict(reasons),
                "departments": dict(departments),
                "command": command,
            },
            do="Unsure? Do nothing: nothing is changed while it is held. Look at the directory first, then at the plan.",
            command=command,
            shown=(
                *((name, str(count)) for name, count in reasons.most_common()),
                *(("in " + name, str(count)) for name, count in departments.most_common(DEPARTMENTS_NAMED)),
            ),
        )

    def _unreadable(self, event: events.CycleEnded) -> None:
        source = self._source
        about = "a source" if source is None else source.source
        facts = {"source": about} if source is None else {"source": about, "why": source.why, "do": source.do}
        # Causes may take turns: each is told once until the source can be read again.
        causes = self._told.get("unreadable", frozenset()) | {(about, _cause(source.why) if source else "")}
        self._say(
            "unreadable",
            event.cycle_id,
            causes,
            f"{about} could not be read whole, nothing was changed" + (f": {source.why}" if source else ""),
            facts,
            do=source.do if source else "",
            command="syncd check",
        )

    def _partial(self, event: events.CycleEnded | events.LookEnded) -> None:
        """Told of accounts, and causes, that did not fail so before. A look is about a few: all others fail as before."""
        outcomes = dict(event.outcomes)
        told = self._told.get("partial", frozenset())
        failing = frozenset(self._failing or {("", "", _cause(event.why))})
        self._told["partial"] = failing | told if isinstance(event, events.LookEnded) else failing
        if failing <= told:
            return
        counts = {"counts": dict(event.counts)} if isinstance(event, events.CycleEnded) else {"look": True}
        causes = Counter(cause for _, _, cause in sorted(self._failing))
        self._send_to_all(
            "partial",
            event.cycle_id,
            f"applied in part: {_ended(outcomes, OutcomeKind.FAILED)} changes failed, "
            f"{_ended(outcomes, OutcomeKind.DONE)} were made",
            {"outcomes": outcomes, **counts, "causes": dict(causes), "why": self._why(event), "do": event.do},
            do=event.do,
            command="syncd plan",  # with everybody whose change is still due, and what became of it
            shown=(
                *((name, str(count)) for name, count in outcomes.items()),
                *((f"failed: {cause}", str(count)) for cause, count in causes.most_common()),
            ),
        )

    def _why(self, event: events.CycleEnded | events.LookEnded) -> str:
        """A cycle's own words name accounts that failed, by id; a message does not."""
        found = [
            named.start()
            for zoom_id, _, _ in self._failing
            if zoom_id and zoom_id in event.why
            for named in [re.search(rf"(?<![\w-]){re.escape(zoom_id)}(?![\w-])", event.why)]
            if named is not None
        ]
        return event.why[: min(found)].rstrip(": ") if found else event.why

    def _overdue(self, event: events.CycleEnded) -> None:
        since = event.oldest_overdue
        if since is None or event.mode != "enforce":
            if event.result not in ("unreadable", "interrupted", "failed"):
                self._over("overdue")
            return
        if event.ended_at - since > max(OVERDUE_AFTER, 2 * self.interval):
            self._say(
                "overdue",
                event.cycle_id,
                frozenset([(rfc3339(since),)]),
                f"a leaver is overdue since {since:%Y-%m-%d %H:%M} UTC and not locked out",
                {"since": rfc3339(since), "why": self._why(event), "do": event.do},
                do=event.do,
                command="syncd plan",
            )

    def _digests(self, event: events.CycleEnded) -> None:
        now, zone = Ended(event.ended_at, event.cycle_id, event.result, event.outcomes), ZoneInfo(self.zone)
        today = event.ended_at.astimezone(zone).date()
        for word in SPANS:
            first = not any(
                span_of(word, one.at.astimezone(zone).date()) == span_of(word, today) for one in self._seen if not one.look
            )
            if first:  # by what this process saw; the ledger may know better
                self._queue(word, self._digest(word, now, event.oldest_overdue))
        week = span_of("digest_weekly", today)
        self._seen = [one for one in self._seen if one.at.astimezone(zone).date() >= week]
        self._seen.append(now)

    def _digest(self, word: str, now: Ended, overdue: datetime | None) -> Callable[[], Awaitable[Notice | None]]:
        """As things stand now; what the span was like is counted when it is sent."""
        held, manual, unclear = [one.guard.value for one in self._verdicts], dict(self._manual), self._unclear
        seen = tuple(self._seen)
        waits, mode = f"held by {', '.join(held)}" if held else "nothing held", self._mode

        async def made() -> Notice | None:
            counted = await tally(word, now, ZoneInfo(self.zone), self.recorded, seen, self._began)
            if counted is None:
                return None
            cycles, outcomes = sorted(counted.cycles.items()), sorted(counted.outcomes.items())
            looks, since = sum(counted.looks.values()), counted.counted_since
            facts: dict[str, object] = {
                "since": str(counted.since),
                "until": str(counted.until),
                "cycles": dict(cycles),
                "looks": dict(sorted(counted.looks.items())),
                "outcomes": dict(outcomes),
                "held_now": held,
                "manual_now": manual,
                "unclear_now": unclear,
                "overdue_since": rfc3339(overdue) if overdue else None,
                "counted_since": rfc3339(since) if since else None,
            }
            shown = (
                *((f"cycles {name}", str(count)) for name, count in cycles),
                *([("looks", str(looks))] if looks else []),
                *((name.replace(".", " "), str(count)) for name, count in outcomes),
                ("held now", ", ".join(held) or "nothing"),
                ("need manual action", str(sum(manual.values()))),
                ("unclear people", str(unclear)),
            )
            only = f" (counted since {since:%Y-%m-%d %H:%M} UTC only: the ledger cannot be read)" if since else ""
            return self._notice(
                word,
                now.cycle_id,
                f"the {SPANS[word]} from {counted.since}: {sum(counted.cycles.values())} cycles, "
                f"{counted.made} changes made, {waits}{only}",
                facts,
                mode=mode,
                shown=shown,
            )

        return made

    def _over(self, word: str) -> None:
        self._told.pop(word, None)

    def _say(
        self, word: str, cycle_id: str, about: frozenset[tuple[str, ...]], text: str, facts: Mapping[str, object], **more: Any
    ) -> None:
        """Once for the same news: silence until it changed, or came back."""
        if self._told.get(word) != about:
            self._told[word] = about
            self._send_to_all(word, cycle_id, text, facts, **more)

    def _send_to_all(self, word: str, cycle_id: str, text: str, facts: Mapping[str, object], **more: Any) -> None:
        notice = self._notice(word, cycle_id, text, facts, mode=self._mode, **more)

        async def made() -> Notice:
            return notice

        self._queue(word, made)

    def _notice(
        self,
        word: str,
        cycle_id: str,
        text: str,
        facts: Mapping[str, object],
        *,
        mode: str,
        do: str = "",
        command: str = "",
        shown: tuple[tuple[str, str], ...] = (),
    ) -> Notice:
        redacted = self._redaction.text
        # Numbers by name as they are, whatever the name: a department of Token Sales is no secret.
        counts = {
            name: {redacted(key): number for key, number in value.items()}
            for name, value in facts.items()
            if isinstance(value, Mapping) and all(isinstance(number, int) for number in value.values())
        }
        body = (
            self._redaction.facts(
                {
                    "format": FORMAT,
                    "event": word,
                    "text": f"syncd: {text}",
                    "at": rfc3339(self.clock.now()),
                    "cycle_id": cycle_id,
                    "mode": mode,
                    "version": self.version,
                    **facts,
                }
            )
            | counts
        )
        return Notice(
            word,
            str(body["text"]),
            do=redacted(do),
            command=redacted(command),
            facts=tuple((redacted(name), redacted(value)) for name, value in shown),
            body=body,
        )

    def _queue(self, word: str, make: Callable[[], Awaitable[Notice | None]]) -> None:
        for hook, queue in zip(self.webhooks, self._queues, strict=True):
            if word not in hook.on:
                continue
            if queue.qsize() >= WAITING_MAX:
                queue.get_nowait()
                queue.task_done()
            queue.put_nowait(_Waiting(word, make))

    # ----------------------------------------------------------------------------------------------------- sending

    async def _send_all(self, hook: Webhook, queue: asyncio.Queue[_Waiting]) -> None:
        while True:
            message = await queue.get()
            try:
                if (notice := await message.make()) is not None:
                    await self._send(hook, notice)
                    self.tell(events.Noted("notification.sent", "info", {"about": message.word}))
            except SyncdError as error:
                self.tell(
                    events.Noted("notification.failed", "warning", {"about": message.word, "why": error.what, "do": error.do})
                )
            except Exception as error:  # noqa: BLE001 - a message that cannot be sent must not end all later ones
                self.tell(
                    events.Noted("notification.failed", "warning", {"about": message.word, "why": type(error).__name__, "do": ""})
                )
            finally:
                queue.task_done()

    async def _send(self, hook: Webhook, notice: Notice) -> None:
        """Returns once it was taken. Raises ConfigError (the address, or the receiver does not know it), AnswerLost,
        SourceError."""
        parts = urlsplit(hook.url().strip())
        api = Api(
            ApiSettings(
                "webhook", "webhook", f"{parts.scheme}://{parts.netloc}", proxy=hook.proxy, concurrency=1, request_seconds=30.0
            ),
            self.clock,
            self.tell,
        )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            shaped = SHAPES[hook.format](notice)
            status = await self._repeated(lambda: api.request("notify", "notify", "POST", target, json=shaped, write=True))
        finally:
            await api.close()
        if not 200 <= status < 300:
            raise ConfigError(f"the webhook answered {status}", do="See whether its address is still valid.")

    async def _repeated(self, once: Callable[[], Any]) -> int:
        """Again after a lost answer, which a write is not by itself; what could not be sent at all was tried enough."""
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return int((await once()).status)
            except (AnswerLost, SourceError):
                if attempt == TRIES_MAX:
                    raise
                await self.clock.sleep(backoff(attempt, None, self.clock.random()))
        raise AssertionError("the loop returns or raises")


def _ended(outcomes: Mapping[str, int], how: str) -> int:
    """Outcomes by how they ended, whatever the action: ``deactivate.failed`` and ``failed``."""
    return sum(count for name, count in outcomes.items() if name.rpartition(".")[2] == how)


def _cause(why: str) -> str:
    """What went wrong without what differs from time to time: counts, names of servers, ids of requests."""
    return re.sub(r"\S*\d\S*", lambda word: word[0] if _CODE.fullmatch(word[0].strip("()[],;:.'\"")) else "#", why)
