"""Zoom's events over one outbound WebSocket. The only module that imports ``websockets``.

What is documented: the address takes the subscription and an app's token as parameters, a heartbeat goes every 30 s, a newer
connection of a subscription closes the older one, and what happens while nobody is connected is never delivered. What is not:
which grant the token needs (an app's own first, the account's as fall-back), how a refusal looks (a status, a first message, a
close), and whether events come wrapped. All are taken. Events are evidence and signals: nothing is lost by losing them.

Nothing told or raised here holds the address with its parameters, since the token is one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
)

from syncd import __version__
from syncd.errors import ConfigError, CredentialsRefused, SourceError, SyncdError
from syncd.events import Answered, Noted
from syncd.http.pace import backoff
from syncd.http.tokens import TokenKeeper
from syncd.http.trust import (
    TRUST_ADVICE,
    proxy_from_environment,
    refuse_tokens_in_the_clear,
    ssl_context,
    why_untrusted,
)
from syncd.model import Sighting
from syncd.ports import Clock, Tell
from syncd.zoom.messages import HEARTBEAT, OddMessage, Turned, sightings_in
from syncd.zoom.refusals import without_addresses

#: Documented: every 30 s.
HEARTBEAT_SECONDS: Final = 30.0

#: How soon a lost leadership closes the connection, and a won one opens it.
LOOK_SECONDS: Final = 1.0

#: A connection that lasted so long was well: the next one is tried at once again. Others wait longer each time, so that two
#: programs with one subscription do not throw each other out all day.
WELL_SECONDS: Final = 300.0
APART_SECONDS_MAX: Final = 300.0

#: How long a handshake may take, and a refusal that comes as a message after it.
CONNECT_SECONDS: Final = 15.0
REFUSAL_SECONDS: Final = 3.0

#: An event is under two kilobytes.
MESSAGE_BYTES_MAX: Final = 262_144

#: Odd messages are told of so often at most.
ODD_SECONDS: Final = 60.0

_SUBSCRIPTION_ADVICE = (
    "Check zoom.events.subscription_id: it stands on the app's page under Feature, Event Subscriptions, "
    "where the method must be WebSocket and the app active."
)

#: Takes an event; waits while there are too many.
Put = Callable[[Sighting], Awaitable[None]]

_silent = logging.getLogger("syncd.websockets")
_silent.setLevel(logging.CRITICAL)  # its lines hold the address, and so the token


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Where events come from. *url* without the subscription; *proxy* as in ``http.client.ApiSettings``."""

    url: str
    subscription_id: str
    ca_file: str | None = None
    proxy: str | None = None


class EventsRefused(CredentialsRefused):
    """Zoom does not want this token or subscription."""


class _Direct(connect):
    """A connection that follows nobody elsewhere: the token would go with it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class ZoomEvents:
    """One subscription. *tokens*: by grant, in the order in which they are tried."""

    def __init__(self, settings: EventSettings, tokens: Sequence[TokenKeeper], clock: Clock, tell: Tell) -> None:
        """Raises ConfigError when the address would send the token in the clear."""
        self._site = _site(settings.url)
        refuse_tokens_in_the_clear("zoom.events.url", self._site)
        self._settings, self._tokens, self._clock, self._tell = settings, tokens, clock, tell
        self._good = 0  # which token was taken last
        self._greeted = False  # anything came over the connection at hand
        self._odd, self._odd_told = 0, -ODD_SECONDS

    async def run(self, put: Put, wanted: Callable[[], bool]) -> None:
        """Keeps one connection while it is *wanted*, again and again, until cancelled. Raises nothing."""
        attempt = 0
        while True:
            if not wanted():
                attempt = 0
                await self._clock.sleep(LOOK_SECONDS)
                continue
            began = self._clock.monotonic()
            try:
                await self._listen(put, wanted)
            except SyncdError as error:
                self._tell(Noted("events.lost", "warning", {"why": error.what, "do": error.do}))
            except Exception as error:  # noqa: BLE001 - a fault of ours here must not end the daemon
                self._tell(Noted("events.lost", "error", {"why": f"a fault of syncd itself ({type(error).__name__})"}))
            else:
                self._tell(Noted("events.closed", "info", {"why": "this process does not lead"}))
            attempt = 1 if self._clock.monotonic() - began >= WELL_SECONDS else attempt + 1
            ends_at = self._clock.monotonic() + min(backoff(attempt, None, self._clock.random()) * attempt, APART_SECONDS_MAX)
            while wanted() and (left := ends_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(min(left, LOOK_SECONDS))

    async def check(self) -> str:
        """Connects once, and says so. Raises SourceError, ConfigError (``ca_file``). Zoom closes the connection of a
        running daemon for it, which connects again by itself."""
        connection = await self._connected()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFUSAL_SECONDS):
                    while not self._sightings(await self._message(connection)):
                        pass
        finally:
            await connection.close()
        return "connected; Zoom closes a running daemon's connection for this one, which it opens again by itself"

    # -------------------------------------------------------------------------------------------------- one connection

    async def _listen(self, put: Put, wanted: Callable[[], bool]) -> None:
        """One connection, from its beginning to its end. Returns when it is no longer wanted. Raises SourceError."""
        connection = await self._connected()
        self._tell(Noted("events.connected", "info", {"host": urlsplit(self._site).hostname or ""}))
        tasks = [
            asyncio.create_task(one) for one in (self._take(connection, put), self._beat(connection), self._while_wanted(wanted))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFUSAL_SECONDS):
                    await connection.close()

    async def _take(self, connection: ClientConnection, put: Put) -> None:
        while True:
            for sighting in self._sightings(await self._message(connection)):
                await put(sighting)

    async def _beat(self, connection: ClientConnection) -> None:
        while True:
            try:
                await connection.send(HEARTBEAT)
            except ConnectionClosed as closed:
                raise _closed(closed, refused=not self._greeted) from None
            await self._clock.sleep(HEARTBEAT_SECONDS)

    async def _while_wanted(self, wanted: Callable[[], bool]) -> None:
        while wanted():
            await self._clock.sleep(LOOK_SECONDS)

    async def _message(self, connection: ClientConnection) -> str | bytes:
        try:
            message = await connection.recv()
        except ConnectionClosed as closed:
            if not self._greeted:  # as good as refused: perhaps the other grant's token is wanted
                self._turn()
            raise _closed(closed, refused=not self._greeted) from None
        self._greeted = True
        return message

    def _sightings(self, message: str | bytes) -> tuple[Sighting, ...]:
        try:
            return sightings_in(message)
        except Turned as refusal:
            self._turn()
            raise EventsRefused(
                "zoom", f"zoom events: refused after connecting: {_harmless(str(refusal))}.", _SUBSCRIPTION_ADVICE
            ) from None
        except OddMessage as odd:
            self._odd += 1
            if self._clock.monotonic() - self._odd_told >= ODD_SECONDS:
                self._odd_told = self._clock.monotonic()
                self._tell(Noted("events.odd", "warning", {"messages": self._odd, "last": str(odd)}))
                self._odd = 0
            return ()

    def _turn(self) -> None:
        """The next try begins with another grant's token."""
        self._tokens[self._good].drop()
        self._good = (self._good + 1) % len(self._tokens)

    async def _connected(self) -> ClientConnection:
        """Tries each grant's token, the one that was taken last first. Raises SourceError."""
        refused: SourceError | None = None
        for turn in range(len(self._tokens)):
            number = (self._good + turn) % len(self._tokens)
            try:
                token = await self._tokens[number].get()
                connection = await self._timed(token)
            except CredentialsRefused as error:
                self._tokens[number].drop()
                refused = refused or error
                continue
            self._good, self._greeted = number, False
            return connection
        assert refused is not None, "there is at least one grant"
        raise refused

    async def _timed(self, token: str) -> ClientConnection:
        began, answer = self._clock.monotonic(), "network_error"
        try:
            connection = await self._handshake(token)
            answer = "ok"
        except EventsRefused:
            answer = "unauthorized"
            raise
        finally:
            self._tell(Answered("zoom", "events", answer, self._clock.monotonic() - began))
        return connection

    async def _handshake(self, token: str) -> ClientConnection:
        settings = self._settings
        secure = urlsplit(settings.url).scheme == "wss"
        try:
            return await _Direct(
                _with(settings.url, subscriptionId=settings.subscription_id, access_token=token),
                ssl=ssl_context(settings.ca_file) if secure else None,
                proxy=settings.proxy or proxy_from_environment(self._site) if secure else None,
                user_agent_header=f"syncd/{__version__}",
                compression=None,
                logger=_silent,
                max_size=MESSAGE_BYTES_MAX,
                open_timeout=CONNECT_SECONDS,
                ping_interval=HEARTBEAT_SECONDS,
                ping_timeout=2 * HEARTBEAT_SECONDS,
                close_timeout=REFUSAL_SECONDS,
            )
        except InvalidStatus as error:
            raise _status(error.response.status_code) from None
        except (ProxyError, InvalidProxyStatus) as error:
            raise SourceError(
                "zoom",
                f"zoom events: the proxy did not connect ({type(error).__name__}).",
                "Check proxy, HTTPS_PROXY and NO_PROXY; the proxy must let WebSockets through.",
            ) from None
        except (InvalidHandshake, InvalidMessage) as error:
            raise SourceError(
                "zoom",
                f"zoom events: no WebSocket answers there ({type(error).__name__}).",
                "Check zoom.events.url, and that the proxy lets WebSockets through.",
            ) from None
        except (OSError, TimeoutError) as error:
            untrusted = why_untrusted(error)
            raise SourceError(
                "zoom",
                f"zoom events: {untrusted or 'cannot be reached'} ({type(error).__name__}).",
                TRUST_ADVICE if untrusted else "Check zoom.events.url, the network and the proxy; it is tried again.",
            ) from None


def _status(status: int) -> SourceError:
    what = f"zoom events: refused with HTTP {status}."
    if status in (400, 401, 403):
        return EventsRefused("zoom", what, _SUBSCRIPTION_ADVICE)
    if 300 <= status < 400 or status == 404:
        return SourceError("zoom", what, "This is no address of Zoom's events: check zoom.events.url and the proxy.")
    return SourceError("zoom", what, "Zoom or a proxy in its place has trouble; it is tried again.")


def _closed(closed: ConnectionClosed, *, refused: bool) -> SourceError:
    end = closed.rcvd or closed.sent
    said = f" ({end.code}{', ' + _harmless(end.reason) if end.reason else ''})" if end is not None else ""
    if refused:
        return EventsRefused("zoom", f"zoom events: the connection was closed at once{said}.", _SUBSCRIPTION_ADVICE)
    return SourceError(
        "zoom",
        f"zoom events: the connection was closed{said}.",
        "It is opened again. If it goes on, another program uses the same subscription: each needs its own.",
    )


def _harmless(text: str) -> str:
    """Zoom's words without addresses, tokens and control characters."""
    words = [word if len(word) < 60 else "(left out)" for word in without_addresses(text).split()]
    return "".join(one for one in " ".join(words) if one.isprintable())[:200]


def _site(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc}"


def _with(url: str, **parameters: str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()]
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(query), ""))


def event_settings(
    cloud_url: str, subscription_id: str, url: str | None, ca_file: str | None, proxy: str | None
) -> EventSettings:
    """Raises ConfigError where no address is known."""
    if not (url or cloud_url):
        raise ConfigError(
            "zoom.events.url: no address of this cloud's events is known",
            do="Set it to the address on the page of the app's event subscription.",
        )
    return EventSettings(url or cloud_url, subscription_id, ca_file, proxy)
