"""Messages to webhooks, for those without Prometheus: told like any observer, sent by a task of its own.

Promises: telling never blocks and never raises, whatever the receiver does; a message holds no address, no secret and no
id of an account; one message per news, not one per cycle: the same trouble is told again after a day only, and at once when
it changes or comes back. Refuses to know who receives: the body is plain JSON with a ``text`` that chat systems show.

    word         sent when
    held         a cycle ended with its plan held by a guard
    unreadable   the directory or Zoom could not be read whole
    partial      some changes of a cycle failed
    manual       accounts wait for a person that did not wait before
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import singledispatchmethod
from typing import Any
from urllib.parse import urlsplit

from syncd import events
from syncd.errors import AnswerLost, ConfigError, SourceError, SyncdError
from syncd.http.client import Api, ApiSettings
from syncd.http.pace import backoff
from syncd.model import Action, Verdict
from syncd.observe.redact import Redaction, rfc3339
from syncd.ports import Clock, ReadSecret, Tell

FORMAT = "syncd.notification/1"

#: The same trouble is told again after this long.
AGAIN_AFTER = timedelta(hours=24)

#: Messages waiting for one webhook; beyond it the oldest is dropped, for the newest says how things stand.
WAITING_MAX = 50

#: Tries for a message whose fate is not known or whose receiver is in trouble. A message may arrive twice, never a change.
TRIES_MAX = 5

#: Seconds for messages under way when the daemon ends.
FINISH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send, and what is worth a message. *url* is read for each message, since it may hold a token and rotate."""

    url: ReadSecret
    on: tuple[str, ...]
    proxy: str | None = None


@dataclass
class _Told:
    """What was said last under one word."""

    about: object = None
    at: datetime | None = None


@dataclass
class Notifier:
    """Tell: turns what happened into messages. Nothing is sent unless ``running`` runs."""

    webhooks: tuple[Webhook, ...]
    clock: Clock
    tell: Tell                                    # for what becomes of a message: a log line
    version: str
    _mode: str = ""
    _verdicts: tuple[Verdict, ...] = ()
    _source: events.SourceUnreadable | None = None
    _told: dict[str, _Told] = field(default_factory=dict)
    _queues: list[asyncio.Queue[dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queues = [asyncio.Queue() for _ in self.webhooks]
        self._redaction = Redaction(addresses=False)

    def __call__(self, event: events.Event) -> None:
        self._observe(event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends while the body runs; then messages under way have a moment."""
        tasks = [asyncio.create_task(self._send_all(hook, queue), name="notify")
                 for hook, queue in zip(self.webhooks, self._queues, strict=True)]
        try:
            yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    for queue in self._queues:
                        await queue.join()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -------------------------------------------------------------------------------------------------- what is news

    @singledispatchmethod
    def _observe(self, event: events.Event) -> None:
        """Whatever is not named below is no news."""

    @_observe.register
    def _(self, event: events.CycleStarted) -> None:
        self._mode, self._verdicts, self._source = event.mode, (), None

    @_observe.register
    def _(self, event: events.SourceUnreadable) -> None:
        self._source = event

    @_observe.register
    def _(self, event: events.PlanMade) -> None:
        self._verdicts = tuple(verdict for verdict in event.verdicts if verdict.tripped)
        waiting = {(one.account.zoom_id or "", one.reason) for one in event.plan.decisions if one.action is Action.MANUAL}
        if not waiting:
            self._over("manual")
            return
        before = self._told.setdefault("manual", _Told()).about
        news = waiting - before if isinstance(before, set) else waiting
        reasons: dict[str, int] = {}
        for _, reason in waiting:
            reasons[reason.value] = reasons.get(reason.value, 0) + 1
        wait = "account waits" if len(waiting) == 1 else "accounts wait"
        self._say("manual", event.cycle_id, waiting, f"{len(waiting)} {wait} for a person",
                  {"manual": dict(sorted(reasons.items())), "new": len(news)}, changed=bool(news))

    @_observe.register
    def _(self, event: events.CycleEnded) -> None:
        said = {"held": self._held, "unreadable": self._unreadable, "partial": self._partial}.get(event.result)
        for word in ("held", "unreadable", "partial"):
            # An unreadable cycle says nothing about what is held, and a pause in between nothing about either.
            if event.result not in (word, "unreadable", "interrupted", "failed"):
                self._over(word)
        if said is not None:
            said(event)

    def _held(self, event: events.CycleEnded) -> None:
        guards = [{"guard": one.guard.value, "measured": one.measured, "limit": one.limit, "unit": one.unit, "says": one.says,
                   "do": one.do} for one in self._verdicts]
        says = "; ".join(f"{one.guard.value}: {one.says}" for one in self._verdicts) or "a guard tripped"
        self._say("held", event.cycle_id, (frozenset(one.guard for one in self._verdicts), tuple(sorted(event.counts.items()))),
                  f"held by {says}", {"guards": guards, "counts": dict(event.counts)})

    def _unreadable(self, event: events.CycleEnded) -> None:
        source = self._source
        about = "a source" if source is None else source.source
        facts = {"source": about} if source is None else {"source": about, "why": source.why, "do": source.do}
        self._say("unreadable", event.cycle_id, about,
                  f"{about} could not be read whole, nothing was changed" + (f": {source.why}" if source else ""), facts)

    def _partial(self, event: events.CycleEnded) -> None:
        outcomes = dict(event.outcomes)
        self._say("partial", event.cycle_id, tuple(sorted(outcomes.items())),
                  f"applied in part: {outcomes.get('failed', 0)} changes failed, {outcomes.get('done', 0)} were made",
                  {"outcomes": outcomes, "counts": dict(event.counts)})

    def _over(self, word: str) -> None:
        self._told.pop(word, None)

    def _say(self, word: str, cycle_id: str, about: object, text: str, facts: Mapping[str, object],
             changed: bool | None = None) -> None:
        now = self.clock.now()
        told = self._told.setdefault(word, _Told())
        changed = told.about != about if changed is None else changed
        told.about = about
        if not changed and told.at is not None and now - told.at < AGAIN_AFTER:
            return
        told.at = now
        message = self._redaction.facts({
            "format": FORMAT, "event": word, "text": f"syncd: {text}", "at": rfc3339(now), "cycle_id": cycle_id,
            "mode": self._mode, "version": self.version, **facts})
        for hook, queue in zip(self.webhooks, self._queues, strict=True):
            if word not in hook.on:
                continue
            if queue.qsize() >= WAITING_MAX:
                queue.get_nowait()
                queue.task_done()
            queue.put_nowait(message)

    # ----------------------------------------------------------------------------------------------------- sending

    async def _send_all(self, hook: Webhook, queue: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            message = await queue.get()
            try:
                await self._send(hook, message)
                self.tell(events.Noted("notification.sent", "info", {"about": message["event"]}))
            except SyncdError as error:
                self.tell(events.Noted("notification.failed", "warning",
                                       {"about": message["event"], "why": error.what, "do": error.do}))
            except Exception as error:  # noqa: BLE001 - a message that cannot be sent must not end all later ones
                self.tell(events.Noted("notification.failed", "warning",
                                       {"about": message["event"], "why": type(error).__name__, "do": ""}))
            finally:
                queue.task_done()

    async def _send(self, hook: Webhook, message: Mapping[str, Any]) -> None:
        """Returns once it was taken. Raises ConfigError (the address, or the receiver does not know it), AnswerLost,
        SourceError."""
        parts = urlsplit(hook.url().strip())
        api = Api(ApiSettings("webhook", "webhook", f"{parts.scheme}://{parts.netloc}", proxy=hook.proxy, concurrency=1,
                              request_seconds=30.0), self.clock, self.tell)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            status = await self._repeated(lambda: api.request("notify", "notify", "POST", target, json=message, write=True))
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
