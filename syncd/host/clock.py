"""The real clock: the only place where time, sleep and randomness are called."""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """Implements ``ports.Clock`` with this machine's clock."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleeps that long, not at all when it is zero or less."""
        if seconds > 0:
            await asyncio.sleep(seconds)

    def random(self) -> float:
        """Uniform in [0, 1), for jitter; no secret may be made from it."""
        return random.random()  # noqa: S311

    def unique(self) -> str:
        """16 characters of a-z and 2-7: 80 random bits."""
        return base64.b32encode(secrets.token_bytes(10)).decode().lower()
