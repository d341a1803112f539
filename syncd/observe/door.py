"""How many connections the daemon's server keeps, and which one has to go: whoever only holds a connection keeps nobody out."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Connections at a time. Prometheus, probes and some people need a few; far fewer than files a process may open.
CONNECTIONS_MAX = 256

#: Connections taken in one go, so that their number stays below what a process may open.
BACKLOG = 128


def door(most: int = CONNECTIONS_MAX) -> type[asyncio.Protocol]:
    """A protocol for one server that keeps at most so many connections. One more ends the oldest on which nothing is being
    answered: a probe asks as soon as it is connected and has its answer long before it is the oldest, however many others
    hold connections on which they send half a request, or nothing."""
    inside: dict[H11Protocol, None] = {}  # in the order of arrival

    class Door(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            inside[self] = None
            if len(inside) > most:
                leaving = next((one for one in inside if _answers_nothing(one)), next(iter(inside)))
                inside.pop(leaving)
                leaving.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            inside.pop(self, None)
            super().connection_lost(exc)

    return Door


def _answers_nothing(connection: H11Protocol) -> bool:
    answering: Any = connection.cycle  # None before the first whole request
    return answering is None or bool(answering.response_complete)
