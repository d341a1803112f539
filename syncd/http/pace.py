"""How fast a service may be asked, and when to ask it again.

Values and counters only: the caller passes the time in and does the sleeping. Nothing here knows a service by name.

A ``Lane`` paces the calls of one label. Three rules hold at once:

    spacing   calls are spread evenly at ``AIM`` of what is allowed, since bunches are what a server refuses
    window    in no window of the allowance are there more calls than it allows, however unevenly time passes for us
    pause     after a refusal nobody goes before the time the server named

and the rate follows what the server does: x0.7 on a refusal, at most once a second (other programs share the account's
limits), and back up a little with every success. A ``DailyBudget`` counts what a day may hold, and survives a restart.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

#: Share of the allowance aimed at. Requests bunch on their way: simulated against a strict one-second window, 95 % was
#: refused now and then, 90 % never; in between keeps clear of 90 % achieved and of refusals.
AIM = 0.93

#: How far spacing may catch up after a late wake-up, in seconds. Without it every timer's lateness would be lost rate.
CATCH_UP_SECONDS = 0.05

SLOW_DOWN = 0.7
SLOW_DOWN_EVERY_SECONDS = 1.0
SPEED_UP_PER_SECOND = 0.05

#: Never slower than this share of the ceiling: a storm must not turn a read of minutes into one of days.
RATE_FLOOR = 0.1

#: A server that names a longer pause is not believed: no limit of any service here runs longer than a day. What it asks for
#: ends the work in hand all the same, but later work may ask again.
PAUSE_SECONDS_MAX = 86_400.0

BACKOFF_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one label may use: so many calls in any window of so many seconds."""

    calls: float
    window_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.calls <= 0 or self.window_seconds <= 0:
            raise ValueError("an allowance is more than nothing")

    def shared(self, share: float) -> Allowance:
        """The part of it a *share* in (0, 1] leaves. Less than one call a window becomes one call in a longer window."""
        calls = self.calls * share
        return Allowance(calls, self.window_seconds) if calls >= 1 else Allowance(1.0, self.window_seconds / calls)


class Lane:
    """Paces the calls of one label. Times are monotonic seconds. *allowance* None: paced by refusals alone."""

    def __init__(self, allowance: Allowance | None = None) -> None:
        self._allowance = allowance
        self._ceiling = AIM * allowance.calls / allowance.window_seconds if allowance else math.inf
        self._rate = self._ceiling
        self._calls_max = min(math.floor(allowance.calls), math.ceil(AIM * allowance.calls)) if allowance else 0
        self._taken: deque[float] = deque()
        self._next_at = -math.inf
        self._paused_until = -math.inf
        self._pause_cause = ""
        self._slowed_at = -math.inf

    @property
    def rate(self) -> float:
        """Calls a second aimed at now."""
        return self._rate

    @property
    def pause_cause(self) -> str:
        """Why it is, or last was, paused: ``retry_after`` (the server named a time) or ``backoff``."""
        return self._pause_cause

    def paused_for(self, now: float) -> float:
        """Seconds until the pause ends; 0 when there is none."""
        return max(0.0, self._paused_until - now)

    def take(self, now: float) -> float:
        """0.0 and the call is counted: go. Otherwise nothing is counted: seconds after which to ask again."""
        if (pause := self.paused_for(now)) > 0:
            return pause
        if self._allowance is None:
            return 0.0
        window = self._allowance.window_seconds
        while self._taken and self._taken[0] + window <= now:
            self._taken.popleft()
        wait = max(0.0, self._next_at - now)
        if len(self._taken) >= self._calls_max:
            # nextafter, so that asking again exactly then finds the window open whatever the rounding
            wait = max(wait, math.nextafter(self._taken[0] + window, math.inf) - now)
        if wait > 0:
            return wait
        self._taken.append(now)
        self._next_at = max(self._next_at, now - CATCH_UP_SECONDS) + 1 / self._rate
        return 0.0

    def succeeded(self) -> None:
        """A call was answered: a little faster, up to the ceiling."""
        if self._rate < self._ceiling:
            self._rate = min(self._ceiling, self._rate + SPEED_UP_PER_SECOND)

    def pause(self, now: float, seconds: float, cause: str) -> None:
        """Nobody goes for so many *seconds* (at most a day); a longer pause that runs already stays."""
        until = now + min(max(0.0, seconds), PAUSE_SECONDS_MAX)
        if until > self._paused_until:
            self._paused_until = until
            self._pause_cause = cause

    def refused(self, now: float, pause_seconds: float, cause: str) -> None:
        """A call was refused for its rate: nobody goes for *pause_seconds* (at most a day), then more slowly."""
        self.pause(now, pause_seconds, cause)
        if now - self._slowed_at >= SLOW_DOWN_EVERY_SECONDS and self._allowance is not None:
            self._slowed_at = now
            self._rate = max(self._ceiling * RATE_FLOOR, self._rate * SLOW_DOWN)


class DailyBudget:
    """Counts the calls of one UTC day. Calls are drawn in leases, so that a store is written once per lease; what a crash
    leaves of a lease counts as used. *calls_max*: calls a day."""

    def __init__(self, calls_max: int) -> None:
        self.calls_max = calls_max
        self._lease_size = max(1, min(200, calls_max // 20))
        self._day = ""
        self._used = 0
        self._leased = 0

    def restore(self, kept: Any) -> None:
        """Takes over what ``kept`` gave before a restart; anything else counts as nothing kept."""
        if not isinstance(kept, Mapping):
            return
        day, used = kept.get("day"), kept.get("used")
        if isinstance(day, str) and isinstance(used, int) and used >= 0:
            self._day, self._used, self._leased = day, used, 0

    def kept(self) -> dict[str, Any]:
        """What must survive a restart, as plain JSON: what is used plus what is leased."""
        return {"day": self._day, "used": self._used + self._leased}

    def open_day(self, day: str) -> None:
        """Starts counting afresh when *day* (ISO date, UTC) is a later one. A clock set back by a day changes nothing; what is
        counted for a day further ahead was counted by a clock that was wrong, and would not end before that day."""
        if day > self._day or _days_ahead(self._day, day) > 1:
            self._day, self._used, self._leased = day, 0, 0

    @property
    def spent(self) -> bool:
        """Nothing is left today."""
        return self._leased == 0 and self._used >= self.calls_max

    def exhaust(self) -> None:
        """The server says that this day is used up, whoever used it: nothing is left of it."""
        self._used, self._leased = max(self._used, self.calls_max), 0

    @property
    def left(self) -> int:
        """Calls left today."""
        return max(0, self.calls_max - self._used)

    def lease(self) -> bool:
        """True when a new lease had to be drawn: ``kept`` must be written before ``use``."""
        if self._leased > 0:
            return False
        self._leased = min(self._lease_size, self.left)
        return True

    def use(self) -> None:
        """One call of the lease is made. Raises ValueError without a lease."""
        if self._leased <= 0:
            raise ValueError("no lease")
        self._leased -= 1
        self._used += 1

    def give_back(self) -> None:
        """The rest of the lease is not needed."""
        self._leased = 0


def _days_ahead(day: str, today: str) -> float:
    """How many days *day* lies after *today*; infinite for what is no day."""
    try:
        return (date.fromisoformat(day) - date.fromisoformat(today)).days
    except ValueError:
        return math.inf


def seconds_until_next_day(now: datetime) -> float:
    """Seconds until the next midnight UTC, when daily limits are counted afresh."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1) - now).total_seconds()


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds a ``Retry-After`` header asks to wait, 0.0 for a time gone by, None when absent or not understood.

    Understands seconds with or without a fraction, seconds since 1970 (any number above a thousand million), an HTTP date
    (RFC 9110 section 10.2.3) and an ISO 8601 time, which some services send instead; without an offset it is UTC.
    """
    text = (text or "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        at = _time_of(text)
        return None if at is None else max(0.0, (at - now).total_seconds())
    if not math.isfinite(number):
        return None
    if number > 1e9:
        number -= now.timestamp()
    return max(0.0, number)


def _time_of(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = parse(text)
        except (ValueError, OverflowError):
            continue
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def backoff(attempt: int, hint: float | None, jitter: float) -> float:
    """Seconds to wait before try number *attempt* + 1 (attempts count from 1).

    *hint* is the server's Retry-After in seconds and wins over our own curve; the wait is never shorter than it, and up to
    a tenth (a second at most) longer, so that not everybody comes back at once. *jitter* is in [0, 1) and is passed in, so
    the same call always gives the same wait. A hint of 0 means "at once", which is not believed.
    """
    if hint:
        return hint + jitter * min(1.0, hint / 10)
    ceiling = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2.0 ** min(attempt, 10))
    return ceiling * (0.5 + jitter / 2)
