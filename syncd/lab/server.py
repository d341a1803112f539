"""Serves a simulated service on a loopback port: inside the caller's event loop, or in a thread of its own.

Signals are the caller's business, and stopping does not wait for clients. It also gives the application what ASGI does
not: the power to break the connection it is answering (``scope["extensions"]["syncd.cut"]``).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

CUT = "syncd.cut"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Serving:
    """Where the service listens."""

    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """For example ``http://127.0.0.1:40123``."""
        return f"{self.scheme}://{self.host}:{self.port}"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, its polling and its patience; the application writes its own Date header."""

    def __init__(self, app: ASGIApp, on_started: Callable[[], object], certfile: str | None, keyfile: str | None) -> None:
        super().__init__(
            uvicorn.Config(
                self._with_cut,
                interface="asgi3",
                lifespan="off",
                http="h11",
                ws="websockets-sansio",
                loop="asyncio",
                access_log=False,
                log_config=None,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                ssl_certfile=certfile,
                ssl_keyfile=keyfile,
            )
        )
        self._app = app
        self._on_started = on_started
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """To be called in the server's loop."""
        self._stop.set()

    async def _with_cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[CUT] = partial(self._cut, scope.get("client"))
        await self._app(scope, receive, send)

    def _cut(self, client: tuple[str, int] | None, *, politely: bool = False) -> None:
        """Breaks the client's connection: reset, or (*politely*) closed after what was written so far."""
        for connection in self.server_state.connections:
            if getattr(connection, "client", None) == client:
                transport = connection.transport
                if politely:
                    transport.close()
                    return
                plain = transport.get_extra_info("socket")
                if plain is not None:  # lingering for 0 s makes closing a reset
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
                return

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self.server_state.connections):
            with suppress(AttributeError):  # Python 3.11.2: a TLS transport that is closed already has nothing to abort
                connection.transport.abort()
        for listener in self.servers:
            await listener.wait_closed()


def _listen(host: str, port: int, certfile: str | None) -> tuple[socket.socket, Serving]:
    listener = socket.create_server((host, port), backlog=2048)
    # As every service does: else the second half of an answer waits 40 ms for the first one's receipt. Inherited by connections.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener, Serving(host, listener.getsockname()[1], "https" if certfile else "http")


@asynccontextmanager
async def serve(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, certfile: str | None = None, keyfile: str | None = None
) -> AsyncIterator[Serving]:
    """Serves *app* in this loop while the block runs. Port 0: any free one, to be read from the result."""
    listener, serving = _listen(host, port, certfile)
    started = asyncio.Event()
    server = _Server(app, started.set, certfile, keyfile)
    task = asyncio.create_task(server.serve([listener]))
    waiting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield serving
    finally:
        waiting.cancel()
        server.stop()
        await task
        listener.close()


@contextmanager
def serve_in_thread(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, certfile: str | None = None, keyfile: str | None = None
) -> Iterator[Serving]:
    """Serves *app* in a thread with a loop of its own while the block runs, for callers that block. Raises RuntimeError when it
    does not start."""
    listener, serving = _listen(host, port, certfile)
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, _Server]] = []
    failures: list[BaseException | None] = []

    async def run() -> None:
        server = _Server(app, started.set, certfile, keyfile)
        running.append((asyncio.get_running_loop(), server))
        await server.serve([listener])

    def body() -> None:
        try:
            asyncio.run(run())
        except BaseException as failure:  # noqa: BLE001 (handed to the caller's thread)
            failures.append(failure)
            started.set()

    thread = threading.Thread(target=body, name="lab-server", daemon=True)
    thread.start()
    try:
        if not started.wait(_START_SECONDS) or failures:
            raise RuntimeError(f"the simulated service did not start on {serving.url}") from next(iter(failures), None)
        yield serving
    finally:
        if running and thread.is_alive():
            loop, server = running[0]
            loop.call_soon_threadsafe(server.stop)
        thread.join(_START_SECONDS)
        listener.close()
