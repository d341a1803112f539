"""The one HTTP policy: pace, token, retry, deadline, events. Zoom, Graph, webhooks and the Kubernetes Lease go through it.

What it promises, whatever the service:

    answer                          read                          write
    2xx                             returned, once it is JSON     returned, body or not
    401, or a body that says so     one fresh token, one retry, then CredentialsRefused
    a body that misses a scope      one fresh token, one retry, then returned; the token is not used again
    429                             the lane pauses for everybody, then again; a wait beyond max_wait is LimitReached
    5xx, lost connection, timeout   again, then SourceError       AnswerLost: it may have happened; look
    could not connect               again, then SourceError       the same: nothing was sent
    3xx                             SourceError: never followed, a token would go with it
    any other 4xx                   returned: only the caller knows what it means

It refuses to know what a body means: a service hands in ``read_error``. Nothing raised or told here holds a token, a URL
with its query, or a request body. The only module that imports httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from syncd import __version__
from syncd.errors import AnswerLost, ConfigError, CredentialsRefused, LimitReached, NoUsableAnswer, SourceError
from syncd.events import Answered, ClockOffset, Noted, RetryScheduled, Waited
from syncd.http.pace import PAUSE_SECONDS_MAX, DailyBudget, Lane, backoff, parse_retry_after, seconds_until_next_day
from syncd.ports import Clock, Tell

for _chatty in ("httpx", "httpcore"):        # httpx logs every URL at INFO
    logging.getLogger(_chatty).setLevel(logging.WARNING)

#: Requests in flight; above it httpx's pool would queue, and it scans every connection for every queued request.
IN_FLIGHT_MAX = 32
POOL_CONNECTIONS = 40

#: How often a request is tried again, by reason. Throttling is the service's normal life, a second 401 is not.
RETRIES: Mapping[str, int] = {"throttled": 8, "server_error": 4, "network_error": 4, "unauthorized": 1}

#: How long nobody asks after a service named a time that no limit can have (years): long enough to end the work in hand,
#: short enough that a slip of the service does not cost a day.
UNBELIEVABLE_PAUSE_SECONDS = 300.0

#: An answer that took longer tells too little about the service's clock (its ``Date`` may be from any time in between).
CLOCK_ROUND_TRIP_SECONDS_MAX = 5.0


#: What ``_once`` finds, in the words of metrics where they differ.
_ANSWERS = {"lost": "network_error", "not_sent": "network_error", "scope_missing": "refused", "busy": "throttled"}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a service's error body says, whatever the status beside it. *token_refused*: this token is not good (any more).
    *scope_missing*: it is good, but may not do this; a newer one may. *throttled*: refused for its rate. *day_used_up*: the
    limit refused by counts days. *busy*: refused since another change of the same thing goes on; nobody else has to wait.
    *outranks*: the code is about what was asked, so a 401 or a 429 beside it does not mean the token or the rate."""

    code: int | str | None = None
    message: str = ""
    token_refused: bool = False
    scope_missing: bool = False
    throttled: bool = False
    day_used_up: bool = False
    busy: bool = False
    outranks: bool = False


#: Reads an error answer: status, body, headers (lower case names).
ReadError = Callable[[int, bytes, Mapping[str, str]], ErrorBody]


def plain_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:  # noqa: ARG001 (one shape for all)
    """For services whose bodies need not be understood."""
    return ErrorBody(message=f"HTTP {status}", token_refused=status == 401)


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer. *error* is set unless the status is 2xx; *renewed*: a token was refused on the way and replaced."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: ErrorBody | None = None
    renewed: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300


class Tokens(Protocol):
    """Where bearer tokens come from."""

    async def get(self) -> str:
        """A token that is believed to be good. Raises SourceError."""

    def refused(self, token: str) -> None:
        """The service refused this token: ``get`` must not give it again."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and how long it is good for. Never printed."""

    value: str = field(repr=False)
    lifetime_seconds: float


class TokenKeeper:
    """One token for everybody: fetched once however many ask, renewed some minutes before it ends."""

    #: At most; a short-lived token is renewed after nine tenths of its life.
    RENEW_BEFORE_SECONDS = 300.0

    def __init__(self, fetch: Callable[[], Awaitable[Token]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._renew_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def get(self) -> str:
        """The token at hand, or a new one. Raises whatever the fetch raises; the next caller tries again."""
        async with self._one_at_a_time:
            if self._token is None or self._clock.monotonic() >= self._renew_at:
                asked_at = self._clock.monotonic()
                token = await self._fetch()
                early = min(self.RENEW_BEFORE_SECONDS, token.lifetime_seconds / 10)
                self._token, self._renew_at = token, asked_at + token.lifetime_seconds - early
            return self._token.value

    def refused(self, token: str) -> None:
        """Forgets the token, unless it has been replaced already: many refusals of one token cost one fetch."""
        if self._token is not None and self._token.value == token:
            self._token = None


class BudgetStore(Protocol):
    """Keeps daily counts over a restart; a ledger's side table is one."""

    async def get_state(self, key: str) -> Any:
        """The value kept under *key*, or None."""

    async def set_state(self, key: str, value: Any) -> None:
        """Keeps a JSON value."""


class Pacer:
    """Lets requests go one by one, first come first served, each label by its lane and its daily budget.

    *budgets* names the budget of a label (labels may share one). *store* None: counted in memory only. *pause_key*: under
    which key of the store (followed by the label) a pause too long to wait for is kept, so that nobody asks early after a
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
        self._told_until = ""

    def lane(self, label: str) -> Lane:
        """The lane of a label; a label without an allowance has one that only pauses."""
        return self._lanes.setdefault(label, Lane())

    async def turn(self, label: str, ends_at: float | None = None) -> None:
        """Returns when the next request of *label* may go. Raises LimitReached when the day's budget is spent, or the lane
        is paused for longer than allowed or than *ends_at* (monotonic)."""
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
        """Keeps the pause of *label* over a restart, if it is longer than anybody here waits."""
        seconds = self.lane(label).paused_for(self._clock.monotonic())
        if self._store is None or not self._pause_key or seconds <= self._max_wait_seconds:
            return
        until = self._clock.now() + timedelta(seconds=seconds)
        await self._store.set_state(f"{self._pause_key}/{label}", {"until": until.isoformat()})

    async def _recall_pause(self, label: str) -> None:
        """Takes over what ``keep_pause`` kept before a restart; anything else counts as no pause."""
        key = f"{self._pause_key}/{label}"
        if self._store is None or not self._pause_key or key in self._restored:
            return
        kept = await self._store.get_state(key)
        self._restored.add(key)
        with suppress(KeyError, TypeError, ValueError):
            left = (datetime.fromisoformat(kept["until"]) - self._clock.now()).total_seconds()
            self.lane(label).pause(self._clock.monotonic(), left, "retry_after")

    def _tell_until(self, seconds: float, what: str) -> str:
        """Tells observers once per moment that nothing is asked for so long; that moment, RFC 3339."""
        at = self._clock.now() + timedelta(seconds=seconds)
        resume_at = _rfc3339(at)
        if resume_at[:16] != self._told_until:
            self._told_until = resume_at[:16]
            self._tell(Noted("http.paused", "warning", {"service": self._service, "what": what, "seconds": round(seconds, 1),
                                                        "resume_at": resume_at, "resume_timestamp": round(at.timestamp())}))
        return resume_at

    def _check_pause(self, seconds: float, label: str) -> None:
        self.check_wait(seconds, f"{label} requests are paused", jitter_seconds=1.0)    # the second ``backoff`` may add

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
                    f"{self._service}: today's budget of {budget.calls_max} {label} requests is used up, "
                    f"until {resume_at}.",
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
        """Gives unused leases back to the store."""
        for key, budget in {key: budget for key, budget in self._budgets.values() if key in self._restored}.items():
            budget.give_back()
            await self._keep(key, budget)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """One service at one address. *source* is the word errors carry: ``zoom`` or ``directory``.

    *proxy* goes for every request; without it HTTPS_PROXY and NO_PROXY count, for https addresses, unless
    *proxy_from_environment* is off. *request_seconds* bounds one try from connecting to the last byte.
    """

    service: str
    source: str
    base_url: str
    ca_file: str | None = None
    proxy: str | None = None
    proxy_from_environment: bool = True
    concurrency: int = 16
    max_wait_seconds: float = 60.0
    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    request_seconds: float = 60.0
    retries: Mapping[str, int] = field(default_factory=lambda: RETRIES)


class Api:
    """Asks one service. ``base_url`` may be moved (some services name a nearer host); ``ends_at`` (monotonic seconds) ends
    all waiting, None for never; ``clock_offset_seconds`` is the service's clock minus ours, from ``Date`` headers."""

    def __init__(
        self,
        settings: ApiSettings,
        clock: Clock,
        tell: Tell,
        *,
        tokens: Tokens | None = None,
        pacer: Pacer | None = None,
        read_error: ReadError = plain_error,
    ) -> None:
        _refuse_tokens_in_the_clear(settings)
        self.base_url = settings.base_url.rstrip("/")
        self.ends_at: float | None = None
        self.clock_offset_seconds: float | None = None
        self._settings, self._clock, self._tell = settings, clock, tell
        self._tokens, self._read_error = tokens, read_error
        self._pacer = pacer or Pacer(clock, tell, service=settings.service, source=settings.source,
                                     max_wait_seconds=settings.max_wait_seconds)
        self._in_flight = asyncio.Semaphore(max(1, min(settings.concurrency, IN_FLIGHT_MAX)))
        self._told_offset: float | None = None
        self._ca_version = _version_of(settings.ca_file)
        self._client = self._new_client()
        self._retired: list[httpx.AsyncClient] = []            # trusted the CA file as it was; requests may still run

    async def request(
        self,
        operation: str,
        label: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        write: bool = False,
        repeat_throttled: bool = True,
        throttled_before: int = 0,
    ) -> Reply:
        """Asks until there is a final answer (see the table above). *operation* is the fixed word of metrics, *label* the
        lane; *path* is percent-encoded and begins with a slash, or is a whole URL on the same host (a "next" link).
        *repeat_throttled* false: a 429 comes back too, with its lane paused already, for a caller who must look first;
        *throttled_before*: how often it did, so that waits grow.

        Raises SourceError, CredentialsRefused, LimitReached; AnswerLost for writes only. Other 4xx come back as Reply.
        """
        tried: dict[str, int] = {"throttled": throttled_before} if throttled_before else {}
        sending = {"params": params, "json": json, "data": form, "content": content}
        while True:
            token = await self._tokens.get() if self._tokens is not None else None
            sent_headers = {**(headers or {}), **({"authorization": f"Bearer {token}"} if token else {})}
            url = self._url(path)
            async with self._in_flight:
                await self._pacer.turn(label, self.ends_at)
                reply, reason, says = await self._once(operation, method, url, sent_headers, sending, read=not write)
            if token is not None and token in says:
                says, reply = _without_token(token, says, reply)
            if reason == "ok":
                self._pacer.lane(label).succeeded()
            if reason == "scope_missing":
                if self._worth_a_newer_token(token, tried, operation):
                    continue
                reason = "refused"
            if reply is not None and (reason in ("ok", "refused") or (write and reason == "busy")):
                return replace(reply, renewed=not tried.keys().isdisjoint(("unauthorized", "scope_missing")))
            if reason == "unauthorized" and (token is None or self._tokens is None):
                assert reply is not None
                return reply                                   # nothing to renew: the caller knows what it means
            if write and reason in ("server_error", "lost"):
                raise AnswerLost(
                    f"{self._name(operation)}: sent, but {says}; it may or may not have happened.",
                    "The account is looked at again before anything is repeated.",
                )
            connected = reason != "not_sent"
            reason = {"lost": "network_error", "not_sent": "network_error", "busy": "throttled"}.get(reason, reason)
            tried[reason] = tried.get(reason, 0) + 1
            if reason == "unauthorized" and self._tokens is not None and token is not None:
                self._tokens.refused(token)
            if tried[reason] > self._settings.retries.get(reason, 0):
                raise self._given_up(operation, reason, says, tried[reason], reply, connected=connected)
            await self._before_the_next_try(operation, label, reason, reply, tried[reason])
            if reply is not None and reason == "throttled" and not repeat_throttled:
                return reply

    def _worth_a_newer_token(self, token: str | None, tried: dict[str, int], operation: str) -> bool:
        """Drops a token that lacks a scope: tokens never gain any, only a newer one can. Whether to try with that now."""
        if token is None or self._tokens is None:
            return False
        self._tokens.refused(token)
        if "scope_missing" in tried:
            return False
        tried["scope_missing"] = 1
        self._tell(RetryScheduled(self._settings.service, operation, "unauthorized", 1, 0.0))
        return True

    async def close(self) -> None:
        """Gives connections and unused budget back."""
        for client in (self._client, *self._retired):
            await client.aclose()
        await self._pacer.close()

    # ------------------------------------------------------------------------------------------------- one try

    def _new_client(self) -> httpx.AsyncClient:
        settings = self._settings
        return httpx.AsyncClient(
            verify=ssl_context(settings.ca_file),
            proxy=settings.proxy or (proxy_from_environment(settings.base_url) if settings.proxy_from_environment else None),
            trust_env=False,                                   # netrc, ALL_PROXY and the like are none of ours
            follow_redirects=False,
            limits=httpx.Limits(max_connections=POOL_CONNECTIONS, max_keepalive_connections=POOL_CONNECTIONS,
                                keepalive_expiry=30),
            timeout=httpx.Timeout(connect=settings.connect_seconds, read=settings.read_seconds, write=10.0, pool=5.0),
            headers={"user-agent": f"syncd/{__version__}", "accept": "application/json"},
        )

    def _trusting(self) -> httpx.AsyncClient:
        """The client that trusts the CA file as it is now: a rotated one counts without a restart. One that cannot be used
        (half written, say) is told, and the one before counts until it can."""
        version = _version_of(self._settings.ca_file)
        if version != self._ca_version:
            self._ca_version = version
            try:
                renewed = self._new_client()
            except ConfigError as error:
                self._tell(Noted("ca_file.unusable", "warning", {"service": self._settings.service, "why": error.what}))
            else:
                self._retired.append(self._client)
                self._client = renewed
                self._tell(Noted("ca_file.renewed", "info", {"service": self._settings.service}))
        return self._client

    async def _once(
        self, operation: str, method: str, url: str, headers: Mapping[str, str], sending: Mapping[str, Any], *, read: bool
    ) -> tuple[Reply | None, str, str]:
        """One try: the answer if there was one, what it amounts to, and words for a message.

        Amounts to: ok, refused, unauthorized, scope_missing, throttled, busy, server_error, lost (sent, no answer) or
        not_sent.
        """
        began, began_at = self._clock.monotonic(), self._clock.now()
        reply: Reply | None = None
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                response = await self._trusting().request(method, url, headers=dict(headers), **sending)
        except TimeoutError:
            reason, says = "lost", f"no whole answer came within {self._settings.request_seconds:.0f} s"
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError,
                httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            self._refuse_untrusted(operation, error)
            reason, says = "not_sent", f"{self._host()} could not be reached ({_words(error)})"
        except httpx.RequestError as error:
            reason, says = "lost", f"the connection broke ({_words(error)})"
        except httpx.InvalidURL:
            raise self._no_address(operation) from None
        else:
            reply, reason, says = self._judge(response, read=read)
            self._note_clock(response.headers.get("date"), began, began_at)
        answer = _ANSWERS.get(reason, reason)
        self._tell(Answered(self._settings.service, operation, answer, self._clock.monotonic() - began))
        if reply is not None and 300 <= reply.status < 400:
            raise SourceError(
                self._settings.source,
                f"{self._name(operation)}: {self._host()} answered {reply.status}, a redirect to "
                f"{urlsplit(reply.headers.get('location', '')).hostname or 'nowhere'}; it was not followed.",
                "Redirects are never followed, since the token would go with them: correct the address, or the proxy.",
            )
        return reply, reason, says

    def _judge(self, response: httpx.Response, *, read: bool) -> tuple[Reply, str, str]:
        headers = {name.lower(): value for name, value in response.headers.items()}
        status, body = response.status_code, response.content
        if 200 <= status < 300:
            reply = Reply(status, headers, body)
            if read and not _is_json(body):
                kind = headers.get("content-type", "no content type")
                return reply, "server_error", f"answered {status} with {len(body)} bytes that are not JSON ({kind})"
            return reply, "ok", ""
        try:
            error = self._read_error(status, body, headers)
        except (UnicodeDecodeError, RecursionError):               # whoever wrote it, it says nothing
            error = plain_error(status, body, headers)
        says = f"answered {status}" + (f": {error.message}" if error.message else "")
        reply = Reply(status, headers, body, error)
        if error.scope_missing:
            return reply, "scope_missing", says
        if error.token_refused or (status == 401 and not error.outranks):
            return reply, "unauthorized", says
        if error.busy:
            return reply, "busy", says
        if error.throttled or (status == 429 and not error.outranks):
            return reply, "throttled", says
        return reply, "server_error" if status >= 500 else "refused", says

    def _note_clock(self, date: str | None, began: float, began_at: datetime) -> None:
        took = self._clock.monotonic() - began
        if date is None or took > CLOCK_ROUND_TRIP_SECONDS_MAX:
            return
        with suppress(ValueError):
            from_now = _http_date(date) - began_at
            # The header counts whole seconds, so it is half a second late on average; it was written half way through.
            self.clock_offset_seconds = round(from_now.total_seconds() + 0.5 - took / 2, 3)
            if self._told_offset is None or abs(self.clock_offset_seconds - self._told_offset) > 1:
                self._told_offset = self.clock_offset_seconds
                self._tell(ClockOffset(self._settings.service, self.clock_offset_seconds))

    def _refuse_untrusted(self, operation: str, error: BaseException) -> None:
        why = _why_untrusted(error)
        if why:
            raise SourceError(self._settings.source,
                              f"{self._name(operation)}: the certificate of {self._host()} is not trusted ({why}).",
                              TRUST_ADVICE) from None

    # ------------------------------------------------------------------------------------- between two tries

    async def _before_the_next_try(self, operation: str, label: str, reason: str, reply: Reply | None, attempt: int) -> None:
        if reason == "unauthorized":
            self._tell(RetryScheduled(self._settings.service, operation, reason, attempt, 0.0))
            return
        hint = None if reply is None else self._asked_to_wait(reply)
        if reply is not None and reply.error is not None and reply.error.day_used_up:
            until_midnight = seconds_until_next_day(self._clock.now())
            hint = hint or until_midnight              # a time gone by says nothing about a day that is not over
            if hint >= until_midnight - 60:
                await self._pacer.day_is_used_up(label)
        wait = backoff(attempt, hint, self._clock.random())
        cause = "retry_after" if hint else "backoff"
        if reason == "throttled":
            # The whole lane waits, not this request alone; ``turn`` does the waiting.
            pause = wait if wait <= PAUSE_SECONDS_MAX else UNBELIEVABLE_PAUSE_SECONDS
            self._pacer.lane(label).refused(self._clock.monotonic(), pause, cause)
            await self._pacer.keep_pause(label)
        self._pacer.check_wait(hint or 0.0, f"{operation} is asked to wait")
        self._tell(RetryScheduled(self._settings.service, operation, reason, attempt, wait))
        if reason == "throttled":
            return
        now = self._clock.monotonic()
        if self.ends_at is not None and now + wait > self.ends_at:
            raise SourceError(self._settings.source, f"{self._name(operation)}: the time allowed for this ended before try "
                              f"{attempt + 1} ({reason}).", "The next cycle tries again.")
        await self._clock.sleep(wait)
        self._tell(Waited(self._settings.service, cause, self._clock.monotonic() - now))

    def _asked_to_wait(self, reply: Reply) -> float | None:
        """Seconds the service asks to wait. A point in time is one of its own clock, which may differ from ours: the longer
        wait of the two readings counts, so that nobody comes early."""
        text = reply.headers.get("retry-after")
        readings = [parse_retry_after(text, self._clock.now())]
        with suppress(ValueError, TypeError):
            readings.append(parse_retry_after(text, _http_date(reply.headers.get("date", ""))))
        return max((seconds for seconds in readings if seconds is not None), default=None)

    def _given_up(
        self, operation: str, reason: str, says: str, times: int, reply: Reply | None, *, connected: bool
    ) -> SourceError:
        source, name = self._settings.source, self._name(operation)
        if reason == "unauthorized":
            return CredentialsRefused(source, f"{name}: a fresh token was refused too ({says}).",
                                      "Check that the app is still active and was not revoked.")
        if reason == "throttled":
            return LimitReached(source, f"{name}: refused {times} times in a row for asking too fast ({says}).",
                                "Another program uses the limits: lower the share, or look who else asks.")
        answer = "cut" if reply is None else "not JSON" if reply.ok else f"HTTP {reply.status}"
        return NoUsableAnswer(source, f"{name}: gave up after {times} tries; the last time {says}.",
                              f"See whether {self._host()} is up and can be reached from here.",
                              answer=answer, connected=connected)

    # ---------------------------------------------------------------------------------------------- addresses

    def _url(self, path: str) -> str:
        if path.startswith("/"):
            return self.base_url + path
        try:
            origin = _origin(path)
        except ValueError:                                         # a port or an IPv6 address that cannot be one
            raise self._no_address("a list") from None
        if origin != _origin(self.base_url):
            raise SourceError(self._settings.source, f"{self._settings.service}: was sent to another host, "
                              f"{urlsplit(path).hostname}, in the middle of a list; it was not followed.",
                              "The token belongs to one host only: see whether something answers in its place.")
        return path

    def _no_address(self, what: str) -> SourceError:
        return SourceError(self._settings.source, f"{self._name(what)}: was sent on to something that is no address.",
                           NO_ADDRESS_ADVICE)

    def _name(self, operation: str) -> str:
        # "token: …" would look like a secret to the log, which blanks what stands after such a word.
        return f"{self._settings.service} {'sign-in' if operation == 'token' else operation}"

    def _host(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """An answer as it came, whatever its status. Named as libraries that bring their own protocol expect it."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str]


class NoAnswer(Exception):
    """No whole answer came. *do* is set when trying again cannot help."""

    def __init__(self, why: str, do: str = "") -> None:
        super().__init__(why)
        self.do = do


class BlockingClient:
    """The same trust, proxy and time limits for a library that speaks its own protocol and blocks (msal): one try per
    request, no redirect followed, to be used from a thread. What an answer means and whether to ask again is the caller's."""

    #: Token and discovery answers are a few kilobytes.
    ANSWER_BYTES_MAX = 1_000_000

    def __init__(self, settings: ApiSettings, clock: Clock) -> None:
        self._clock, self._settings = clock, settings
        self._ca_version = _version_of(settings.ca_file)
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        settings = self._settings
        return httpx.Client(
            verify=ssl_context(settings.ca_file),
            proxy=settings.proxy or (proxy_from_environment(settings.base_url) if settings.proxy_from_environment else None),
            trust_env=False, follow_redirects=False,
            timeout=httpx.Timeout(connect=settings.connect_seconds, read=settings.read_seconds, write=10.0, pool=5.0),
            headers={"user-agent": f"syncd/{__version__}", "accept": "application/json"},
        )

    def _trusting(self) -> httpx.Client:
        """The client that trusts the CA file as it is now. It is asked by one caller at a time."""
        version = _version_of(self._settings.ca_file)
        if version != self._ca_version:
            self._ca_version = version
            with contextlib.suppress(ConfigError):             # half written, say: the one before counts until it is whole
                renewed = self._new_client()
                self._client.close()
                self._client = renewed
        return self._client

    def request(
        self, method: str, url: str, *, params: Mapping[str, Any] | None = None, form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PlainAnswer:
        """One try. Raises NoAnswer."""
        began = self._clock.monotonic()
        body = bytearray()
        host = _netloc(url)
        try:
            with self._trusting().stream(method, url, params=params, data=form, headers=dict(headers or {})) as answer:
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > self.ANSWER_BYTES_MAX or self._clock.monotonic() - began > self._settings.request_seconds:
                        raise NoAnswer(f"no whole answer of {host} came within {self._settings.request_seconds:.0f} s "
                                       f"({len(body)} bytes so far)")
        except httpx.HTTPError as error:
            untrusted = _why_untrusted(error)
            if untrusted:
                raise NoAnswer(f"the certificate of {host} is not trusted ({untrusted})", TRUST_ADVICE) from None
            raise NoAnswer(f"{host} could not be reached ({_words(error)})") from None
        except httpx.InvalidURL:
            raise NoAnswer("it was sent on to something that is no address", NO_ADDRESS_ADVICE) from None
        return PlainAnswer(answer.status_code, body.decode("utf-8", "replace"),
                           {name.lower(): value for name, value in answer.headers.items()})

    def close(self) -> None:
        """Gives connections back."""
        self._client.close()


NO_ADDRESS_ADVICE = "Nothing was asked there: see whether something answers in the service's place."
TRUST_ADVICE = "Name the authority that signed it in ca_file, or correct the address."


def _why_untrusted(error: BaseException) -> str:
    """Why a certificate was not trusted, if that is what *error* comes from; else empty."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return ""


def ssl_context(ca_file: str | None) -> ssl.SSLContext:
    """One context per CA file, as it is now, for the whole process (each costs tens of milliseconds and most of a
    megabyte). None: the system's trust, or the bundled one where the system has none. Raises ConfigError."""
    return _context_of(ca_file, _version_of(ca_file))


def _version_of(ca_file: str | None) -> tuple[int, ...]:
    """Changes when the file is replaced or rewritten; empty when there is none."""
    try:
        found = Path(ca_file).stat() if ca_file is not None else None
    except OSError:
        return ()
    return () if found is None else (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=8)
def _context_of(ca_file: str | None, _: tuple[int, ...]) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context() if _system_trusts_somebody() else httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file: {ca_file} cannot be used ({error})", do="It must hold PEM certificates.") from None


def proxy_from_environment(url: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The proxy HTTPS_PROXY names for an https *url*, unless NO_PROXY lists its host; None for a direct connection.

    NO_PROXY: names (and all below them), addresses, networks (10.0.0.0/8), each with or without a port; ``*`` for all.
    """
    environment = os.environ if environment is None else environment
    proxy, except_for = (environment.get(name) or environment.get(name.upper(), "") for name in ("https_proxy", "no_proxy"))
    parts = urlsplit(url)
    if parts.scheme != "https" or not proxy or not parts.hostname:
        return None
    if any(_covers(entry.strip().lower(), parts.hostname, parts.port or 443) for entry in except_for.split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _system_trusts_somebody() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one NO_PROXY *entry* (lower case) means *host*."""
    if entry == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, colon, of_port = entry.rpartition(":")
    if colon and of_port.isdigit():
        return int(of_port) == port and _covers(name, host, port)
    entry = entry.removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith("." + entry))


def _refuse_tokens_in_the_clear(settings: ApiSettings) -> None:
    parts = urlsplit(settings.base_url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return
    address = f"{parts.scheme}://{parts.hostname}"
    raise ConfigError(f"{settings.service}: the address {address} would send credentials unencrypted",
                      do="Use https://; http:// is for loopback only.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise NoAnswer("it was sent on to something that is no address", NO_ADDRESS_ADVICE) from None


def _without_token(token: str, says: str, reply: Reply | None) -> tuple[str, Reply | None]:
    """A service may quote the token in its refusal; nobody else gets to see it."""
    if reply is not None and reply.error is not None:
        reply = replace(reply, error=replace(reply.error, message=reply.error.message.replace(token, "(token)")))
    return says.replace(token, "(token)"), reply


def _is_json(body: bytes) -> bool:
    try:
        body.decode()                              # ``Raw`` does not look into texts
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _http_date(text: str) -> datetime:
    at = parsedate_to_datetime(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
