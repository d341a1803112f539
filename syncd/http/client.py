"""The one HTTP policy: pace, token, retry, deadline, events. Zoom, Graph, webhooks and the Kubernetes Lease go through it.

What it promises, whatever the service:

    answer                          read                          write
    2xx                             returned, once it is JSON     returned, body or not
    401, or a body that says so     one fresh token, one retry, then CredentialsRefused
    a body that misses a scope      one fresh token, one retry, then returned; the token is not used again
    429                             the lane pauses for everybody, then again; a wait beyond max_wait is LimitReached
    429 "another change goes on"    waits alone, then again       returned: the caller looks first
    5xx, lost connection, timeout   again, then SourceError       AnswerLost: it may have happened; look
    could not connect               again, then SourceError       the same: nothing was sent
    3xx                             SourceError: never followed   AnswerLost: whoever sent us on may have done it
    any other 4xx                   returned: only the caller knows what it means

It refuses to know what a body means: a service hands in ``read_error``. Nothing raised or told here holds a token, a URL
with its query, or a request body. The only module that imports httpx.

More than 400 lines: the table above is one state machine, and each of its rows is a few lines that read the same attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from syncd import __version__
from syncd.errors import (
    AnswerLost,
    AskedTooFast,
    ConfigError,
    CredentialsRefused,
    NoUsableAnswer,
    SourceError,
    SyncdError,
    Withheld,
)
from syncd.events import Answered, ClockOffset, Noted, RetryScheduled, Waited, Waiting
from syncd.http.answers import Body, OddBody, ReadError, Reply, http_date, judge, lenient_text, plain_error, without_token
from syncd.http.pace import PAUSE_SECONDS_MAX, backoff, parse_retry_after, seconds_until_next_day
from syncd.http.pacer import LONG_WAIT_SECONDS, UNBELIEVABLE_PAUSE_SECONDS, Pacer
from syncd.http.service_clock import ServiceClock
from syncd.http.tokens import Tokens
from syncd.http.trust import (
    NO_ADDRESS_ADVICE,
    TRUST_ADVICE,
    proxy_from_environment,
    refuse_tokens_in_the_clear,
    ssl_context,
    version_of,
    why_untrusted,
)
from syncd.ports import Clock, Tell

for _chatty in ("httpx", "httpcore"):  # httpx logs every URL at INFO
    logging.getLogger(_chatty).setLevel(logging.WARNING)

#: Requests in flight; above it httpx's pool would queue, and it scans every connection for every queued request.
IN_FLIGHT_MAX = 32
POOL_CONNECTIONS = 40

#: How often a request is tried again, by reason. Throttling is the service's normal life, a second 401 is not.
RETRIES: Mapping[str, int] = {"throttled": 8, "server_error": 4, "network_error": 4, "unauthorized": 1}

#: A change whose turn came later than this after the look before it is looked at again. With the slowest pace and all changes
#: that may be in flight at once the last one's turn comes sooner; after a pause that the service asked for it may not.
LOOK_FRESH_SECONDS = 300.0

#: The longest page of any list here (2,000 users with everything) is a few megabytes.
ANSWER_BYTES_MAX = 32_000_000

#: What ``_once`` finds, in the words of metrics where they differ.
_ANSWERS = {"lost": "network_error", "not_sent": "network_error", "scope_missing": "refused", "busy": "throttled"}


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """One service at one address. *source* is the word errors carry: ``zoom`` or ``directory``.

    *proxy* goes for every request; without it HTTPS_PROXY and NO_PROXY count, for https addresses, unless
    *proxy_from_environment* is off. *request_seconds* bounds one try from connecting to the last byte, *answer_bytes_max* what
    an answer unpacks to. *lenient_text*: what is no text becomes the replacement character instead of making an answer
    unusable, for a service whose names may hold half an emoji; whoever reads it looks for that character where it matters.
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
    answer_bytes_max: int = ANSWER_BYTES_MAX
    lenient_text: bool = False
    retries: Mapping[str, int] = field(default_factory=lambda: RETRIES)


class Api:
    """Asks one service. ``base_url`` may be moved (some services name a nearer host); ``ends_at`` (monotonic seconds) ends
    all waiting, None for never; ``clock`` is the service's, from ``Date`` headers; ``may_send`` is asked before each write."""

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
        refuse_tokens_in_the_clear(settings.service, settings.base_url)
        self.base_url = settings.base_url.rstrip("/")
        self.ends_at: float | None = None
        self.may_send: Callable[[], bool] = lambda: True  # asked before each write, when its turn has come
        self.clock = ServiceClock()
        self._settings, self._clock, self._tell = settings, clock, tell
        self._tokens, self._read_error = tokens, read_error
        self._pacer = pacer or Pacer(
            clock, tell, service=settings.service, source=settings.source, max_wait_seconds=settings.max_wait_seconds
        )
        self._in_flight = asyncio.Semaphore(max(1, min(settings.concurrency, IN_FLIGHT_MAX)))
        self._told_offset: float | None = None
        self._ca_version = version_of(settings.ca_file)
        self._proxy = _proxy_of(settings)
        self._client = self._new_client()
        self._retired: list[httpx.AsyncClient] = []  # trusted the CA file as it was; requests may still run

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
        *repeat_throttled* false: a 429 comes back too, with its lane paused already, for a caller who must look first
        (and before a turn that came late, too: Withheld);
        *throttled_before*: how often it did, so that waits grow.

        Raises SourceError, CredentialsRefused, LimitReached; AnswerLost and Withheld for writes only. Other 4xx come back
        as Reply.
        """
        tried: dict[str, int] = {"throttled": throttled_before} if throttled_before else {}
        sending = {"params": params, "json": json, "data": form, "content": content}
        while True:
            token = await self._tokens.get() if self._tokens is not None else None
            sent_headers = {**(headers or {}), **({"authorization": f"Bearer {token}"} if token else {})}
            url = self._url(path)
            async with self._in_flight:
                await self._turn(operation, label, write=write, looked=not repeat_throttled)
                reply, reason, says = await self._once(operation, method, url, sent_headers, sending, read=not write)
            if token is not None and token in says:
                says, reply = without_token(token, says, reply)
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
                return reply  # nothing to renew: the caller knows what it means
            if write and reason in ("server_error", "lost"):
                raise AnswerLost(
                    f"{self._name(operation)}: sent, but {says}; it may or may not have happened.",
                    "The account is checked again before anything is repeated.",
                )
            connected, busy = reason != "not_sent", reason == "busy"
            reason = {"lost": "network_error", "not_sent": "network_error", "busy": "throttled"}.get(reason, reason)
            tried[reason] = tried.get(reason, 0) + 1
            if reason == "unauthorized" and self._tokens is not None and token is not None:
                self._tokens.refused(token)
            if tried[reason] > self._settings.retries.get("server_error" if busy else reason, 0):
                raise self._given_up(operation, reason, says, tried[reason], reply, connected=connected, busy=busy)
            await self._before_the_next_try(operation, label, reason, reply, tried[reason], busy=busy)
            if reply is not None and reason == "throttled" and not repeat_throttled:
                return reply

    async def _turn(self, operation: str, label: str, *, write: bool, looked: bool) -> None:
        """Waits for the turn, which may come late. *looked*: the caller looked before it asked. Raises LimitReached, Withheld."""
        asked = self._clock.monotonic()
        await self._pacer.turn(label, self.ends_at)
        waited = self._clock.monotonic() - asked
        if write and not self.may_send():
            raise Withheld(self._settings.source, f"{self._name(operation)}: not sent, for nothing is begun any more.")
        if write and looked and waited > LOOK_FRESH_SECONDS:
            raise Withheld(self._settings.source, f"{self._name(operation)}: not sent, its turn came only after {waited:.0f} s.")

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

    @property
    def clock_offset_seconds(self) -> float | None:
        """The service's clock minus ours; None while it is not known."""
        return self.clock.offset_seconds

    async def close(self) -> None:
        """Gives connections and unused budget back."""
        for client in (self._client, *self._retired):
            await client.aclose()
        await self._pacer.close()

    # ------------------------------------------------------------------------------------------------- one try

    def _new_client(self) -> httpx.AsyncClient:
        settings = self._settings
        return httpx.AsyncClient(
            verify=ssl_context(settings.ca_file, _bundled_trust),
            proxy=self._proxy,
            trust_env=False,  # netrc, ALL_PROXY and the like are none of ours
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=POOL_CONNECTIONS, max_keepalive_connections=POOL_CONNECTIONS, keepalive_expiry=30
            ),
            timeout=httpx.Timeout(connect=settings.connect_seconds, read=settings.read_seconds, write=10.0, pool=5.0),
            headers={"user-agent": f"syncd/{__version__}", "accept": "application/json", "accept-encoding": "gzip"},
        )

    def _trusting(self) -> httpx.AsyncClient:
        """The client that trusts the CA file as it is now: a rotated one counts without a restart. One that cannot be used
        (half written, say) is told, and the one before counts until it can."""
        version = version_of(self._settings.ca_file)
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
                reply = await self._sent(method, url, headers, sending, read=read)
        except TimeoutError:
            reason, says = "lost", f"no whole answer came within {self._settings.request_seconds:.0f} s"
        except OddBody as odd:
            if odd.answer != "cut":  # it would only come again
                raise NoUsableAnswer(
                    self._settings.source,
                    f"{self._name(operation)}: {self._host()} {odd}; it was not read.",
                    "Nothing is concluded from it: see what answers in the service's place.",
                    answer=odd.answer,
                    connected=True,
                ) from None
            reason, says = "lost", str(odd)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            httpx.LocalProtocolError,
        ) as error:
            self._refuse_untrusted(operation, error)
            reason, says = "not_sent", _not_reached(self._host(), self._proxy, error)
        except httpx.RequestError as error:
            reason, says = "lost", f"the connection{_through(self._proxy)} broke ({_words(error)})"
        except httpx.InvalidURL:
            raise self._no_address(operation) from None
        else:
            reply, reason, says = judge(reply, self._read_error, read=read, through=_through(self._proxy))
            self._note_clock(reply.headers, began, began_at)
        answer = _ANSWERS.get(reason, reason)
        self._tell(Answered(self._settings.service, operation, answer, self._clock.monotonic() - began))
        if reply is not None and 300 <= reply.status < 400:
            raise self._redirected(operation, reply, read=read)
        return reply, reason, says

    async def _sent(self, method: str, url: str, headers: Mapping[str, str], sending: Mapping[str, Any], *, read: bool) -> Reply:
        """The answer, its body read as far as it may be. Raises OddBody, httpx's errors."""
        async with self._trusting().stream(method, url, headers=dict(headers), **sending) as response:
            got = {name.lower(): value for name, value in response.headers.items()}
            try:
                body = Body(got.get("content-encoding", ""), self._settings.answer_bytes_max)
                async for piece in response.aiter_raw():
                    body.add(piece)
                whole = body.whole()
            except OddBody as odd:
                if read or (odd.answer == "cut" and not response.is_success):
                    raise
                whole = b""  # a change was answered: the status says how
        if self._settings.lenient_text:
            whole = lenient_text(whole)
        return Reply(response.status_code, got, whole)

    def _redirected(self, operation: str, reply: Reply, *, read: bool) -> SyncdError:
        """What to raise for a redirect. The token would go with whoever followed it."""
        what = (
            f"{self._name(operation)}: {self._host()} answered {reply.status}, a redirect to "
            f"{_host_in(reply.headers.get('location', ''))}; it was not followed"
        )
        if not read:
            return AnswerLost(
                f"{what}, and it may or may not have happened.",
                "It is checked again before anything is repeated. Correct the address, or the proxy.",
            )
        return NoUsableAnswer(
            self._settings.source,
            f"{what}.",
            "Redirects are never followed, since the token would go with them: correct the address, or the proxy.",
            answer=f"HTTP {reply.status}",
            connected=True,
        )

    def _note_clock(self, headers: Mapping[str, str], began: float, began_at: datetime) -> None:
        self.clock.note(headers, began_at, self._clock.monotonic() - began)
        offset = self.clock.offset_seconds
        if offset is not None and (self._told_offset is None or abs(offset - self._told_offset) > 1):
            self._told_offset = offset
            self._tell(ClockOffset(self._settings.service, offset))

    def _refuse_untrusted(self, operation: str, error: BaseException) -> None:
        why = why_untrusted(error)
        if why:
            raise SourceError(
                self._settings.source,
                f"{self._name(operation)}: the certificate of {self._host()} is not trusted ({why}).",
                TRUST_ADVICE,
            ) from None

    # ------------------------------------------------------------------------------------- between two tries

    async def _before_the_next_try(
        self, operation: str, label: str, reason: str, reply: Reply | None, attempt: int, *, busy: bool
    ) -> None:
        if reason == "unauthorized":
            self._tell(RetryScheduled(self._settings.service, operation, reason, attempt, 0.0))
            return
        hint = None if reply is None else self._asked_to_wait(reply)
        if reply is not None and reply.error is not None and reply.error.day_used_up:
            until_midnight = seconds_until_next_day(self._clock.now())
            hint = hint or until_midnight  # a time gone by says nothing about a day that is not over
            if hint >= until_midnight - 60:
                await self._pacer.day_is_used_up(label)
        wait = backoff(attempt, hint, self._clock.random())
        cause = "retry_after" if hint else "backoff"
        if reason == "throttled" and not busy:
            # The whole lane waits, not this request alone; ``turn`` does the waiting.
            pause = wait if wait <= PAUSE_SECONDS_MAX else UNBELIEVABLE_PAUSE_SECONDS
            self._pacer.lane(label).refused(self._clock.monotonic(), pause, cause)
            await self._pacer.keep_pause(label)
        self._pacer.check_wait(hint or 0.0, f"{operation} is asked to wait")
        self._tell(RetryScheduled(self._settings.service, operation, reason, attempt, wait))
        if reason == "throttled" and not busy:
            return
        now = self._clock.monotonic()
        if self.ends_at is not None and now + wait > self.ends_at:
            raise SourceError(
                self._settings.source,
                f"{self._name(operation)}: the time allowed for this ended before try {attempt + 1} ({reason}).",
                "The next cycle tries again.",
            )
        if wait > LONG_WAIT_SECONDS:
            self._tell(Waiting(self._settings.service, cause, wait))
        await self._clock.sleep(wait)
        self._tell(Waited(self._settings.service, cause, self._clock.monotonic() - now))

    def _asked_to_wait(self, reply: Reply) -> float | None:
        """Seconds the service asks to wait. A point in time is one of its own clock, which may differ from ours: the longer
        wait of the two readings counts, so that nobody comes early."""
        text = reply.headers.get("retry-after")
        readings = [parse_retry_after(text, self._clock.now())]
        with suppress(ValueError, TypeError):
            readings.append(parse_retry_after(text, http_date(reply.headers.get("date", ""))))
        return max((seconds for seconds in readings if seconds is not None), default=None)

    def _given_up(
        self, operation: str, reason: str, says: str, times: int, reply: Reply | None, *, connected: bool, busy: bool
    ) -> SourceError:
        source, name = self._settings.source, self._name(operation)
        if reason == "unauthorized":
            return CredentialsRefused(
                source,
                f"{name}: a fresh token was refused too ({says}).",
                "Check that the app is still active and was not revoked.",
            )
        if reason == "throttled" and not busy:
            return AskedTooFast(
                source,
                f"{name}: refused {times} times in a row for asking too fast ({says}).",
                "Another program uses the limits: lower the share, or look who else asks.",
            )
        answer = "cut" if reply is None else "not JSON" if reply.ok else f"HTTP {reply.status}"
        return NoUsableAnswer(
            source,
            f"{name}: gave up after {times} tries; the last time {says}.",
            f"See whether {self._host()} is up and can be reached from here{_through(self._proxy)}.",
            answer=answer,
            connected=connected,
        )

    # ---------------------------------------------------------------------------------------------- addresses

    def _url(self, path: str) -> str:
        if path.startswith("/"):
            return self.base_url + path
        try:
            origin = _origin(path)
        except ValueError:  # a port or an IPv6 address that cannot be one
            raise self._no_address("a list") from None
        if origin != _origin(self.base_url):
            raise SourceError(
                self._settings.source,
                f"{self._settings.service}: was sent to another host, "
                f"{urlsplit(path).hostname}, in the middle of a list; it was not followed.",
                "The token belongs to one host only: see whether something answers in its place.",
            )
        return path

    def _no_address(self, what: str) -> SourceError:
        return SourceError(
            self._settings.source, f"{self._name(what)}: was sent on to something that is no address.", NO_ADDRESS_ADVICE
        )

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
        self._ca_version = version_of(settings.ca_file)
        self._proxy = _proxy_of(settings)
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        settings = self._settings
        return httpx.Client(
            verify=ssl_context(settings.ca_file, _bundled_trust),
            proxy=self._proxy,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(connect=settings.connect_seconds, read=settings.read_seconds, write=10.0, pool=5.0),
            headers={"user-agent": f"syncd/{__version__}", "accept": "application/json", "accept-encoding": "gzip"},
        )

    def _trusting(self) -> httpx.Client:
        """The client that trusts the CA file as it is now. It is asked by one caller at a time."""
        version = version_of(self._settings.ca_file)
        if version != self._ca_version:
            self._ca_version = version
            with contextlib.suppress(ConfigError):  # half written, say: the one before counts until it is whole
                renewed = self._new_client()
                self._client.close()
                self._client = renewed
        return self._client

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PlainAnswer:
        """One try. Raises NoAnswer."""
        began = self._clock.monotonic()
        host = _netloc(url)
        try:
            with self._trusting().stream(method, url, params=params, data=form, headers=dict(headers or {})) as answer:
                body = Body(answer.headers.get("content-encoding", ""), self.ANSWER_BYTES_MAX)
                for piece in answer.iter_raw():
                    body.add(piece)
                    if self._clock.monotonic() - began > self._settings.request_seconds:
                        raise NoAnswer(f"no whole answer of {host} came within {self._settings.request_seconds:.0f} s")
                whole = body.whole()
        except OddBody as odd:
            raise NoAnswer(f"{host} {odd}") from None
        except httpx.HTTPError as error:
            untrusted = why_untrusted(error)
            if untrusted:
                raise NoAnswer(f"the certificate of {host} is not trusted ({untrusted})", TRUST_ADVICE) from None
            raise NoAnswer(_not_reached(host, self._proxy, error)) from None
        except httpx.InvalidURL:
            raise NoAnswer("it was sent on to something that is no address", NO_ADDRESS_ADVICE) from None
        return PlainAnswer(
            answer.status_code, whole.decode("utf-8", "replace"), {name.lower(): value for name, value in answer.headers.items()}
        )

    def close(self) -> None:
        """Gives connections back."""
        self._client.close()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise NoAnswer("it was sent on to something that is no address", NO_ADDRESS_ADVICE) from None


def _host_in(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).hostname or "nowhere"
    return "nowhere"


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _bundled_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _proxy_of(settings: ApiSettings) -> str | None:
    if settings.proxy:
        return settings.proxy
    return proxy_from_environment(settings.base_url) if settings.proxy_from_environment else None


def _through(proxy: str | None) -> str:
    """Words that name a proxy, without user and password."""
    if not proxy:
        return ""
    with suppress(ValueError):
        return f" through the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}"
    return " through the proxy"


def _not_reached(host: str, proxy: str | None, error: Exception) -> str:
    """Who was not reached, and whose fault it looks like."""
    if isinstance(error, httpx.ProxyError):
        return f"{host} could not be reached:{_through(proxy).removeprefix(' through')} refused ({_words(error)})"
    return f"{host} could not be reached{_through(proxy)} ({_words(error)})"
