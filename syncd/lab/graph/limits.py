"""Throttling by resource units, as Microsoft publishes it for identity and access: so many per app and tenant in 10 seconds.

No clock here: callers say when it is. A throttled request counts too, as documented.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=10)
SMALL, MEDIUM, LARGE = 3_500, 5_000, 8_000


class OverLimit(Exception):
    """Too many units: wait so many whole seconds."""

    def __init__(self, seconds: int, resume_at: datetime) -> None:
        super().__init__(f"throttled for {seconds} s")
        self.seconds = seconds
        self.resume_at = resume_at


def units_for(users: int) -> int:
    """The published limit for a tenant with so many users."""
    return SMALL if users < 50 else MEDIUM if users <= 500 else LARGE


@dataclass
class GraphLimits:
    """What one app used of its units in one tenant. *units* None: no limit."""

    units: int | None = LARGE
    _used: deque[tuple[datetime, int]] = field(default_factory=deque)

    def take(self, cost: int, now: datetime) -> float:
        """Counts *cost* and gives the share of the limit now in use. Raises OverLimit."""
        if self.units is None:
            return 0.0
        while self._used and self._used[0][0] <= now - WINDOW:
            self._used.popleft()
        before = sum(cost for _, cost in self._used)
        self._used.append((now, cost))
        if before + cost <= self.units:
            return (before + cost) / self.units
        left = before + cost  # this request counts as well when its turn comes
        for at, spent in self._used:
            left -= spent
            if left + cost <= self.units:
                seconds = max(1, math.ceil((at + WINDOW - now).total_seconds()))
                raise OverLimit(seconds, now + timedelta(seconds=seconds))
        raise OverLimit(math.ceil(WINDOW.total_seconds()), now + WINDOW)
