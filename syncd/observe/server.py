"""The daemon's own HTTP server, in the daemon's own loop: metrics, health, a page for people, and one way to say "now".

    GET  /metrics    what Prometheus scrapes
    GET  /healthz    200 while the loop makes progress, else 503
    GET  /readyz     200 when configuration and ledger are in order, else 503
    GET  /           how things stand, read-only, without addresses
    POST /sync       202 and a cycle starts (or the running one counts); needs the trigger token; 404 when there is none.
                     Wrong tokens are answered one by one, a second each; when too many wait, 429

Any other method is 405. Everything shown is handed in by the daemon as callables: this module knows no cycle and changes
nothing. It catches no signal (the daemon does), and names no software or version in its headers.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from syncd.errors import ConfigError
from syncd.events import Noted
from syncd.observe.door import BACKLOG, door
from syncd.observe.page import CONTENT_SECURITY_POLICY, StatusView, page
from syncd.ports import ReadSecret, Tell

__all__ = ["Endpoint", "Health", "StatusView", "serve"]

#: Whether all is well, and a sentence for whoever asks.
Health = Callable[[], tuple[bool, str]]

#: Requests still running when the daemon stops get this long.
GRACE_SECONDS = 2

#: What a wrong trigger token costs: the answer comes that late, and nobody else's token is looked at before.
WRONG_TOKEN_SECONDS = 1.0

#: Requests for a cycle that wait for their turn; more are told to come back.
TRIGGERS_WAITING_MAX = 8

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server really listens (port 0 in the configuration means: any free one)."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """With a host in brackets when it is an IPv6 address, without a trailing slash."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


@asynccontextmanager
async def serve(
    listen: str,
    *,
    metrics: Callable[[], bytes],
    healthy: Health,
    ready: Health,
    status: Callable[[], StatusView],
    tell: Tell,
    pause: Callable[[float], Awaitable[None]],
    trigger: Callable[[], None] | None = None,
    trigger_token: ReadSecret | None = None,
) -> AsyncIterator[Endpoint]:
    """Serves while the body runs. *listen* is ``host:port``, ``[v6]:port`` or ``:port`` (all interfaces); ``[::]:port`` serves
    both families, and IPv4 alone on a machine without the other. *pause* sleeps so many seconds.

    *trigger* asks for a cycle and returns at once; asked twice while one runs, one more follows. Without *trigger_token*
    there is no ``/sync``. Raises ConfigError when it cannot listen there.
    """
    sockets = _bound(listen)
    offers = _Offers(metrics, healthy, ready, status, tell, pause, trigger, trigger_token)
    server = _Server(
        uvicorn.Config(
            offers.application(),
            http=door(),
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            backlog=BACKLOG,
        )
    )
    host, port = sockets[0].getsockname()[:2]
    serving = asyncio.create_task(server.serve(sockets), name="http")
    try:
        await server.listening.wait()
        if not server.started:
            await serving  # it failed; this raises what happened
        yield Endpoint(host, port)
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the daemon and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.listening.set()


@dataclass(frozen=True, slots=True)
class _Offers:
    """One method per path."""

    metrics: Callable[[], bytes]
    healthy: Health
    ready: Health
    status: Callable[[], StatusView]
    tell: Tell
    pause: Callable[[float], Awaitable[None]]
    trigger: Callable[[], None] | None
    trigger_token: ReadSecret | None
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    waiting: set[object] = field(default_factory=set)

    def application(self) -> Starlette:
        routes = [
            Route("/", self.show_status, methods=["GET"]),
            Route("/metrics", self.show_metrics, methods=["GET"]),
            Route("/healthz", self.show_health, methods=["GET"]),
            Route("/readyz", self.show_readiness, methods=["GET"]),
        ]
        if self.trigger is not None and self.trigger_token is not None:
            routes.append(Route("/sync", self.sync, methods=["POST"]))
        for route in routes:
            (route.methods or set()).discard("HEAD")  # which starlette adds to GET by itself
        application = Starlette(routes=routes)
        application.router.redirect_slashes = False
        return application

    async def show_metrics(self, _request: Request) -> Response:
        return Response(self.metrics(), headers={**_HEADERS, "Content-Type": _METRICS_TYPE})

    async def show_health(self, _request: Request) -> Response:
        return _verdict(self.healthy)

    async def show_readiness(self, _request: Request) -> Response:
        return _verdict(self.ready)

    async def show_status(self, request: Request) -> Response:
        said = page(self.status(), fresh=request.url.query == "fresh")
        return HTMLResponse(said, headers={**_HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY})

    async def sync(self, request: Request) -> Response:
        if len(self.waiting) >= TRIGGERS_WAITING_MAX:  # somebody guesses
            return _said(429, {"accepted": False, "why": "too many requests for a cycle are waiting"}, {"Retry-After": "10"})
        self.waiting.add(request)
        try:
            async with self.turn:
                return await self._sync(request)
        finally:
            self.waiting.discard(request)

    async def _sync(self, request: Request) -> Response:
        assert self.trigger is not None
        assert self.trigger_token is not None
        try:
            wanted = self.trigger_token()  # anew each time: a rotated token works without a restart
        except ConfigError as error:
            self.tell(Noted("trigger.unreadable", "error", {"why": error.what, "do": error.do}))
            return _said(503, {"accepted": False, "why": "the trigger token cannot be read on this side; see the log"})
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), wanted.strip().encode()):
            self.tell(Noted("trigger.refused", "warning", {"client": _client_of(request)}))
            await self.pause(WRONG_TOKEN_SECONDS)
            return _said(
                401,
                {"accepted": False, "why": "send the trigger token as Authorization: Bearer …"},
                {"WWW-Authenticate": 'Bearer realm="syncd"'},
            )
        self.tell(Noted("trigger.accepted", "info", {"client": _client_of(request)}))
        self.trigger()
        return _said(202, {"accepted": True})


def _client_of(request: Request) -> str:
    return request.client.host.removeprefix("::ffff:") if request.client else ""  # IPv4 through a socket of both


def _verdict(health: Health) -> Response:
    well, says = health()
    return PlainTextResponse(f"{says}\n", status_code=200 if well else 503, headers=_HEADERS)


def _said(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body, status_code=status, headers={**_HEADERS, **(headers or {})})


# --------------------------------------------------------------------------------------------------------- listening


def _bound(listen: str) -> list[socket.socket]:
    """Sockets bound to every address that *listen* means. Raises ConfigError, with nothing left open."""
    host, port = _host_and_port(listen)
    if host == "::":
        try:
            return [_bound_to(socket.AF_INET6, (host, port), both=True)]
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise _cannot(listen, error) from None
            host = "0.0.0.0"  # noqa: S104 (all of them was asked for; this machine has no IPv6)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(_bound_to(family, address))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error  # this machine has no IPv6, or no IPv4; the other one may do
            if port == 0 and sockets:
                break  # any free port: the next address would get another one
        if not sockets:
            raise missing or OSError("the name stands for no address")
    except OSError as error:
        for each in sockets:
            each.close()
        raise _cannot(listen, error) from None
    return sockets


def _cannot(listen: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"http.listen: cannot listen on {listen}: {error.strerror or error}.",
        do="Is another syncd running here? Set http.listen to an address of this machine and a free port above 1023, "
        "for example 127.0.0.1:9464.",
    )


_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def _bound_to(family: int, address: tuple[str | int, ...] | tuple[int, bytes], *, both: bool = False) -> socket.socket:
    """*both*: an IPv6 socket that takes IPv4 connections too."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)  # else one for IPv4 stands beside it
        made.bind(address)
        made.listen(BACKLOG)  # here, so that a second process is refused now and not later
        made.setblocking(False)  # noqa: FBT003 (it takes no name)
    except OSError:
        made.close()
        raise
    return made


def _host_and_port(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or (":" in host and not bracketed):
        raise ConfigError(f"http.listen: {listen} is not host:port.", do="Write 127.0.0.1:9464, [::1]:9464 or :9464.")
    return (host[1:-1] if bracketed else host), int(port)
