"""A small connection pooler in front of a PostgreSQL server on loopback, as far as tests need one: session or transaction mode.

Speaks the wire protocol only so far: it starts sessions, passes messages on, and sees where a transaction ends (the status in
``ReadyForQuery``). In transaction mode a session goes back to the pool there; ``latest`` takes the session that was given back
last, as PgBouncer does, else the one that rested longest.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pooler:
    """Listens on a free port; *database* names the one all sessions are of."""

    def __init__(self, port: int, database: str, *, mode: str, latest: bool = True, options: bool = True) -> None:
        self.port = 0
        self._server_port, self._database, self._mode, self._latest, self._options = port, database, mode, latest, options
        self._resting: deque[Streams] = deque()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            startup = await self._started(reader, writer)
            if startup is None:
                return
            if b"\0options\0" in startup and not self._options:
                says = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                writer.write(b"E" + struct.pack("!I", len(says) + 4) + says)
                await writer.drain()
                return
            session = await self._session()
            greeting = struct.pack("!cII", b"R", 8, 0) + struct.pack("!cIII", b"K", 12, 4711, 42)
            for name, value in (("server_version", "16.0"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
                pair = f"{name}\0{value}\0".encode()
                greeting += b"S" + struct.pack("!I", len(pair) + 4) + pair
            writer.write(greeting + struct.pack("!cIc", b"Z", 5, b"I"))
            self._resting.append(session)
            held: Streams | None = None
            while True:
                kind, body = await self._message(reader)
                if kind == b"X":
                    break
                if held is None:
                    held = (
                        self._resting.pop()
                        if self._latest and self._resting
                        else (self._resting.popleft() if self._resting else await self._session())
                    )
                held[1].write(kind + struct.pack("!I", len(body) + 4) + body)
                if kind in (b"Q", b"S") and await self._until_ready(held[0], writer) == b"I" and self._mode == "transaction":
                    self._resting.append(held)
                    held = None
        writer.close()

    async def stop(self, listening: asyncio.Server) -> None:
        listening.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _started(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        while True:
            length, code = struct.unpack("!II", await reader.readexactly(8))
            body = await reader.readexactly(length - 8)
            if code in (80877103, 80877104):  # TLS, GSS: not here
                writer.write(b"N")
            else:
                return body if code == 196608 else None

    async def _session(self) -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers.append(writer)
        says = f"user\0postgres\0database\0{self._database}\0\0".encode()
        writer.write(struct.pack("!II", len(says) + 8, 196608) + says)
        while (await self._message(reader))[0] != b"Z":
            pass
        return reader, writer

    @staticmethod
    async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!cI", await reader.readexactly(5))
        return kind, await reader.readexactly(length - 4)

    async def _until_ready(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> bytes:
        while True:
            kind, body = await self._message(server)
            client.write(kind + struct.pack("!I", len(body) + 4) + body)
            if kind == b"Z":
                await client.drain()
                return body


@contextmanager
def pooling(port: int, database: str, **how: object) -> Iterator[Pooler]:
    """A pooler while the block runs, in a thread of its own: those who connect to it may block."""
    pooler = Pooler(port, database, **how)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(pooler.serve, "127.0.0.1", 0), loop).result(10)
    pooler.port = server.sockets[0].getsockname()[1]
    try:
        yield pooler
    finally:
        asyncio.run_coroutine_threadsafe(pooler.stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
