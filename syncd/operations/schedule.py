"""When the next cycle is due: an interval, or a cron expression in a time zone. Pure; ``daemon`` does the waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either *interval* or *cron* (five fields, evaluated in *timezone*) is set. *jitter* spreads several instances."""

    interval: timedelta | None = timedelta(minutes=15)
    cron: str | None = None
    timezone: str = "UTC"
    jitter: timedelta = timedelta(seconds=30)

    def next_after(self, started: datetime, now: datetime, spread: float) -> datetime:
        """When the next cycle should start: counted from when the last one *started*, never in the past (a missed time
        runs once, at once). *spread* in [0, 1) picks a place in the jitter and is passed in.

        A clock that was set back meanwhile makes *started* lie ahead: then it counts from *now*, so that no sleep outlasts
        one period.
        """
        started = min(started, now)
        if self.cron is not None:
            zone = ZoneInfo(self.timezone)
            due: datetime = next(CronSim(self.cron, started.astimezone(zone))).astimezone(UTC)
        else:
            due = started + (self.interval or timedelta(0))
        # Jitter spreads instances; it must not stretch a short interval beyond half as much again.
        jitter = self.jitter if self.interval is None else min(self.jitter, self.interval / 2)
        return max(due, now) + jitter * spread

    def longest_gap(self, now: datetime, ahead: timedelta = timedelta(days=14)) -> timedelta:
        """The longest time between two planned cycles, of the gap that *now* lies in and those that begin within so much time:
        after the last of some nights in a row it is long until the next, and nothing is late meanwhile."""
        if self.cron is None:
            return self.interval or timedelta(0)
        here = now.astimezone(ZoneInfo(self.timezone))
        times = CronSim(self.cron, here)
        back = CronSim(self.cron, here + timedelta(minutes=1), reverse=True)  # from before a moment, never that itself
        before = next(moment for moment in back if moment <= here).astimezone(UTC)
        after = next(times).astimezone(UTC)
        longest = after - before
        while True:  # the first planned gap always, however far ahead it begins
            before, after = after, next(times).astimezone(UTC)
            longest = max(longest, after - before)
            if after > now + ahead:
                return longest

    def period(self, now: datetime) -> timedelta:
        """The longest usual time between two cycles: the interval, or the largest of the next eight gaps of a cron."""
        if self.cron is None:
            return self.interval or timedelta(0)
        times = CronSim(self.cron, now.astimezone(ZoneInfo(self.timezone)))
        moments = [next(times).astimezone(UTC) for _ in range(9)]
        return max(after - before for before, after in pairwise(moments))


def cron_problem(expression: str, timezone: str = "UTC") -> str:
    """What is wrong with a cron expression, or nothing."""
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=ZoneInfo(timezone))))
    except CronSimError as error:
        return str(error)
    except StopIteration:
        return "names no date that exists"
    return ""
