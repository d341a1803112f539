"""When changes may be made: windows that deny or allow, as the operator's calendar says. Pure: moments are passed in.

    deny wins            inside a deny window that applies to an action, nothing of it is done, but for excepted reasons
    any allow            with an allow window for an action, everything outside of its allow windows is denied
    elapsed time         a window begins when its cron expression says so in its time zone, and lasts its duration in elapsed
                         time: 62 h are 62 h over a change of the clocks too

What is denied stays due. Nothing here is asked for what people do by hand, nor for licence restores that were begun.
Source of the rules: the interface, section 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from syncd.model import Action, Reason

#: Reasons of deactivations, in the order of the decision table.
LEAVING = (Reason.IN_LEAVERS_GROUP, Reason.DISABLED_IN_DIRECTORY, Reason.EXPIRED_IN_DIRECTORY, Reason.LEFT_GROUPS,
           Reason.ABSENT_FROM_DIRECTORY)
KNOWN_LEAVERS = frozenset(LEAVING[:3])

#: How far ahead an opening is looked for: longer than any holiday, and a leap day.
AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Window:
    """One entry of ``schedule.windows``. *applies_to* and *exempt* are complete: defaults are filled in by whoever reads the
    configuration."""

    denies: bool
    cron: str
    duration: timedelta
    timezone: str
    applies_to: frozenset[Action]
    exempt: frozenset[Reason] = frozenset()

    def covers(self, action: Action, reason: Reason) -> bool:
        """Whether this window has a say in a change."""
        return action in self.applies_to and reason not in self.exempt

    def begun(self, at: datetime) -> datetime | None:
        """The last beginning at or before *at*."""
        return _beginning(self.cron, self.timezone, at.replace(second=0, microsecond=0), back=True)

    def begins(self, at: datetime) -> datetime | None:
        """The first beginning after *at*."""
        return _beginning(self.cron, self.timezone, at.replace(second=0, microsecond=0), back=False)

    def ends(self, at: datetime) -> datetime | None:
        """When the window around *at* ends, None outside of it. The latest beginning decides: it ends last."""
        begun = self.begun(at)
        return begun + self.duration if begun is not None and at < begun + self.duration else None


@lru_cache(maxsize=4096)
def _beginning(cron: str, timezone: str, minute: datetime, *, back: bool) -> datetime | None:
    """The occurrence at or before a minute, or the one after it, in UTC."""
    local = (minute + timedelta(minutes=1) if back else minute).astimezone(ZoneInfo(timezone))
    found: datetime | None = next(iter(CronSim(cron, local, reverse=back)), None)
    return None if found is None else found.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows. None at all: everything is allowed at any time."""

    windows: tuple[Window, ...] = ()

    def denied(self, action: Action, reason: Reason, at: datetime) -> bool:
        """Whether a cycle may not make this change now."""
        return self._changes_at(action, reason, at) is not None

    def for_people(self, moment: datetime) -> datetime:
        """The same moment in the time zone of the first window, in which the operator thinks."""
        return moment.astimezone(ZoneInfo(self.windows[0].timezone)) if self.windows else moment

    def next_opening(self, action: Action, reason: Reason, at: datetime) -> datetime | None:
        """The first moment from *at* on at which the change may be made; *at* itself while it may. None: not within
        ``AHEAD``."""
        moment = at
        while moment - at <= AHEAD:
            change = self._changes_at(action, reason, moment)
            if change is None:
                return moment
            if change <= moment:                 # no window begins any more
                return None
            moment = change
        return None

    def open_since(self, action: Action, reason: Reason, at: datetime, since: datetime) -> datetime:
        """From which moment on, not before *since*, the change could have been made without a break until *at*; *at* while
        it is denied. Overdue counts from there."""
        moment, opened = since, since
        while moment < at:
            change = self._changes_at(action, reason, moment)
            if change is not None:
                moment = opened = min(change, at) if change > moment else at
                continue
            closes = self._closes_after(action, reason, moment)
            if closes is None or closes >= at:
                break
            moment = closes
        return opened if not self.denied(action, reason, at) else at

    def _changes_at(self, action: Action, reason: Reason, at: datetime) -> datetime | None:
        """None while the change is allowed at *at*; else the next moment at which that may change."""
        mine = [window for window in self.windows if window.covers(action, reason)]
        ends = [end for window in mine if window.denies and (end := window.ends(at)) is not None]
        if ends:
            return max(ends)
        allowing = [window for window in self.windows if not window.denies and action in window.applies_to]
        if not allowing or any(window.ends(at) is not None or reason in window.exempt for window in allowing):
            return None
        return min((begins for window in allowing if (begins := window.begins(at)) is not None), default=at)

    def _closes_after(self, action: Action, reason: Reason, at: datetime) -> datetime | None:
        """From an open moment on: the next one at which it may be closed."""
        mine = [window for window in self.windows if window.covers(action, reason)]
        times = [begins for window in mine if window.denies and (begins := window.begins(at)) is not None]
        times += [end for window in self.windows if not window.denies and (end := window.ends(at)) is not None]
        return min((time for time in times if time > at), default=None)

    def closings(self, action: Action, reason: Reason, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Every stretch of denial that begins between two moments, as (closed, open again); the last may end after *end*."""
        moment = begin
        while moment < end:
            if self.denied(action, reason, moment):
                opening = self.next_opening(action, reason, moment)
                yield moment, opening if opening is not None else moment + AHEAD
                moment = opening if opening is not None else end
            else:
                closes = self._closes_after(action, reason, moment)
                moment = closes if closes is not None else end

    def longest_denial(self, action: Action, reason: Reason, begin: datetime, days: int = 800) -> timedelta:
        """The longest stretch of denial that begins within so many days: two years hold a leap day and every kind of week."""
        end = begin + timedelta(days=days)
        return max((until - since for since, until in self.closings(action, reason, begin, end)), default=timedelta(0))

    def as_json(self) -> list[dict[str, object]]:
        """For the record of what was in force."""
        return [{"kind": "deny" if one.denies else "allow", "cron": one.cron, "duration": one.duration.total_seconds(),
                 "timezone": one.timezone, "applies_to": sorted(one.applies_to), "except": sorted(one.exempt)}
                for one in self.windows]


#: No calendar: everything is allowed at any time.
ANY_TIME = Windows()


def opening_words(opening: datetime) -> str:
    """An opening as people read it, in the time zone it is given in: ``Mon 2026-11-30 08:00 CET``."""
    return f"{opening:%a %Y-%m-%d %H:%M %Z}"
