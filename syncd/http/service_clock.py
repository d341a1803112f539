"""A service's clock, from the ``Date`` headers of its answers. Only values: nothing here asks the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from statistics import median

from syncd.http.answers import http_date

#: An answer that took longer tells too little about the service's clock (its ``Date`` may be from any time in between).
ROUND_TRIP_SECONDS_MAX = 5.0

#: Answers looked at; more would only make an old difference last longer.
ANSWERS_MAX = 61


class ServiceClock:
    """How far a service's clock is ahead of ours, in seconds: the median of the answers since ``restart``, so that one odd
    answer, or one from a cache on the way, says nothing."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=ANSWERS_MAX)
        self._before: float | None = None

    @property
    def offset_seconds(self) -> float | None:
        """None while nothing is known; before the first answer after a restart what was known before it."""
        return round(median(self._seen), 3) if self._seen else self._before

    def restart(self) -> None:
        """From here on other answers count: those of one read."""
        self._before = self.offset_seconds
        self._seen.clear()

    def note(self, headers: Mapping[str, str], asked_at: datetime, took_seconds: float) -> None:
        """One answer with its *headers* (lower case names), *asked_at* by our clock. One out of a cache (``Age``) carries the
        date it was put there with, so it does not count; nor does one that took long."""
        date, age = headers.get("date"), headers.get("age", "0").strip()
        if date is None or age.lstrip("0") or took_seconds > ROUND_TRIP_SECONDS_MAX:
            return
        with suppress(ValueError, TypeError):
            # The header counts whole seconds, so it is half a second late on average; it was written half way through.
            self._seen.append((http_date(date) - asked_at).total_seconds() + 0.5 - took_seconds / 2)
