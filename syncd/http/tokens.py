"""Where bearer tokens come from, and the keeper that fetches one for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from syncd.ports import Clock


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

    def drop(self) -> None:
        """Forgets the token, good or not."""
        self._token = None

    def refused(self, token: str) -> None:
        """Forgets the token, unless it has been replaced already: many refusals of one token cost one fetch."""
        if self._token is not None and self._token.value == token:
            self._token = None
