"""The simulated Zoom's WebSocket: strict where Zoom says how it is, and with a switch where it does not.

One connection a subscription, a newer one closes the older; a heartbeat within a minute or the connection is closed; nothing is
kept for whoever is not connected. *refuses_by*: how a wrong subscription or token is refused (``status``, ``message`` or
``close``); *wrapped*: whether events come inside a message; *grants*: which grants' tokens are taken.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from syncd.lab.zoom.oauth import OAuth

HEARTBEAT_WITHIN_SECONDS = 60.0
SUPERSEDED = 4001


@dataclass
class EventSocket:
    """All connections of one subscription."""

    oauth: OAuth
    now: Callable[[], datetime]
    subscription_id: str = "lab-subscription"
    grants: frozenset[str] = frozenset({"client_credentials", "account_credentials"})
    refuses_by: str = "status"
    wrapped: bool = True
    open: bool = True  # False: whoever comes is refused with 503
    connections: int = 0  # so far
    refused: int = 0
    heartbeats: int = 0
    _outbox: asyncio.Queue[str | None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    #: Kept for assertions: the grant behind each token that was taken.
    taken: list[str] = field(default_factory=list)

    def send(self, event: dict[str, Any]) -> None:
        """Hands an event to whoever is connected; from any thread."""
        text = json.dumps(event)
        self.send_raw(json.dumps({"module": "message", "content": text}) if self.wrapped else text)

    def send_raw(self, text: str | None) -> None:
        """Any text at all; None: the connection is closed."""
        outbox, loop = self._outbox, self._loop
        if outbox is not None and loop is not None:
            with suppress(RuntimeError):  # the loop ended with its connection
                loop.call_soon_threadsafe(outbox.put_nowait, text)

    @property
    def connected(self) -> bool:
        """Whether somebody is."""
        return self._outbox is not None

    async def endpoint(self, websocket: WebSocket) -> None:
        """One connection."""
        grant = self.oauth.grant_of(websocket.query_params.get("access_token", ""), self.now())
        wrong = websocket.query_params.get("subscriptionId") != self.subscription_id
        if not self.open or wrong or grant not in self.grants:
            self.refused += 1
            await self._refuse(websocket)
            return
        await websocket.accept()
        self.connections += 1
        self.taken.append(grant or "")
        if self._outbox is not None:
            self._outbox.put_nowait(None)
        mine: asyncio.Queue[str | None] = asyncio.Queue()
        self._outbox, self._loop = mine, asyncio.get_running_loop()
        try:
            with suppress(asyncio.CancelledError):  # the server stops, and needs no traceback for it
                await websocket.send_json({"module": "build_connection", "success": True})
                await self._serve(websocket, mine)
        finally:
            if self._outbox is mine:
                self._outbox = None

    async def _serve(self, websocket: WebSocket, outbox: asyncio.Queue[str | None]) -> None:
        sending = asyncio.create_task(self._send_all(websocket, outbox))
        hearing = asyncio.create_task(self._hear(websocket))
        try:
            await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)

    async def _send_all(self, websocket: WebSocket, outbox: asyncio.Queue[str | None]) -> None:
        while (text := await outbox.get()) is not None:
            await websocket.send_text(text)
        await websocket.close(SUPERSEDED, "a newer connection")

    async def _hear(self, websocket: WebSocket) -> None:
        with suppress(WebSocketDisconnect, TimeoutError, ValueError):
            while True:
                async with asyncio.timeout(HEARTBEAT_WITHIN_SECONDS):
                    said = await websocket.receive_json()
                if said.get("module") == "heartbeat":
                    self.heartbeats += 1
                    await websocket.send_json({"module": "heartbeat", "success": True})

    async def _refuse(self, websocket: WebSocket) -> None:
        if self.refuses_by == "status" or not self.open:
            await websocket.close()  # before it was accepted: HTTP 403
            return
        await websocket.accept()
        if self.refuses_by == "message":
            await websocket.send_json({"module": "build_connection", "success": False, "content": "Invalid Token"})
        await websocket.close(1008, "not authorized")
