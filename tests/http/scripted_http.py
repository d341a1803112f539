"""A loopback HTTP server that gives canned answers, and a clock whose sleeps take no time.

The server knows nothing about any service. It records every request; an answer may stall, cut the connection before or in
the middle of the body, or be worked out from the request.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """What arrived. *target* is the path and query exactly as they were on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """A canned answer. *body*: bytes as they are, anything else as JSON, None for no body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: bool = False  # never answers
    reset: bool = False  # cuts the connection instead of answering
    cut: bool = False  # cuts it half way through the body

    def encoded(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[Request], Answer]


class ScriptedServer:
    """Serves on a loopback port. *script* answers what ``answers`` (first in, first out) does not."""

    def __init__(self, script: Script | None = None) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self.script = script or (lambda request: Answer(500, {"message": f"nothing scripted for {request.target}"}))
        self.url = ""
        self.in_flight = 0
        self.in_flight_most = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, body)
        self.requests.append(request)
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight_most, self.in_flight)
        try:
            await asyncio.sleep(0)
            answer = self.answers.pop(0) if self.answers else self.script(request)
            return await self._give(answer, writer)
        finally:
            self.in_flight -= 1

    async def _give(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        if answer.stall:
            await asyncio.Event().wait()
        if answer.reset:
            self._reset(writer)
            return False
        encoded = answer.encoded()
        sent = {"content-type": "application/json", "content-length": str(len(encoded)), **answer.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        body = encoded[: len(encoded) // 2] if answer.cut else encoded
        writer.write(f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode() + body)
        await writer.drain()
        return not answer.cut

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def stop(self) -> None:
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def serving(script: Script | None = None, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """A server until the end of the block, then it and its connections are gone."""
    server = ScriptedServer(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{port}"
    try:
        yield server
    finally:
        listening.close()
        await server.stop()
        await listening.wait_closed()


class JumpingClock:
    """A ``Clock`` on which a sleep takes no time: it moves the clock to its end, and is written down."""

    def __init__(self, at: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) -> None:
        self.started_at = at
        self.passed = 0.0
        self.slept: list[float] = []
        self._made = 0

    def now(self) -> datetime:
        return self.started_at + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            until = self.passed + seconds
            await asyncio.sleep(0)
            self.passed = max(self.passed, until)

    def random(self) -> float:
        return 0.0

    def unique(self) -> str:
        self._made += 1
        return f"unique{self._made:06}"
