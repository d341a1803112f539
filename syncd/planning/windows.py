"""When changes may be made: windows that deny or allow, as the operator's calendar says. Pure: moments are passed in.

    deny wins            inside a deny window that applies to an action, nothing of it is done, but for excepted reasons
    any allow            with an allow window for an action, everything outside of its allow windows is denied
    elapsed time         a window begins when its cron expression says so in its time zone, and lasts its duration in elapsed
                         time: 62 h are 62 h over a change of the clocks too

What is denied stays due. Nothing here is asked for what people do by hand, nor for licence restores that were begun.
Source of the rules: the interface, section 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from syncd.model import Action, CalendarState, Reason

#: Reasons of deactivations, in the order of the decision table.
LEAVING = (
    Reason.IN_LEAVERS_GROUP,
    Reason.DISABLED_IN_DIRECTORY,
    Reason.EXPIRED_IN_DIRECTORY,
    Reason.LEFT_GROUPS,
    Reason.ABSENT_FROM_DIRECTORY,
)
KNOWN_LEAVERS = frozenset(LEAVING[:3])

#: Reasons for which an action may be denied.
REASONS: Mapping[Action, Sequence[Reason]] = {Action.DEACTIVATE: LEAVING, Action.REACTIVATE: (Reason.ENTITLED_AGAIN,)}

#: How far ahead an opening is looked for: from one leap day to the next, and some.
AHEAD = timedelta(days=1500)

#: Changes that a search for an opening goes through.
_CHANGES_MAX = 2_000

#: Stretches of one window that are looked at: one every quarter of an hour for two years.
_STRETCHES_MAX = 100_000

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)

#: Over which time a calendar is judged: it holds a leap day and every kind of week.
LOOKED_THROUGH = timedelta(days=800)

#: A stretch of time, half open.
Stretch = tuple[datetime, datetime]


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
        """When the window around *at* ends, None outside of it. One that begins again before it ends goes on."""
        begun = self.begun(at)
        if begun is None or at >= begun + self.duration:
            return None
        return _run_end(self.cron, self.timezone, self.duration, begun)

    def stretches(self, begin: datetime, end: datetime) -> tuple[list[Stretch], datetime]:
        """When it is on between two moments, as stretches apart from each other, and until when that is known: no more than
        ``_STRETCHES_MAX`` are told."""
        return _stretches(self.cron, self.timezone, self.duration, begin, end)


@lru_cache(maxsize=4096)
def _beginning(cron: str, timezone: str, minute: datetime, *, back: bool) -> datetime | None:
    """The occurrence at or before a minute, or the one after it, in UTC."""
    local = (minute + timedelta(minutes=1) if back else minute).astimezone(ZoneInfo(timezone))
    found: datetime | None = next(iter(CronSim(cron, local, reverse=back)), None)
    return None if found is None else found.astimezone(UTC)


@lru_cache(maxsize=4096)
def _run_end(cron: str, timezone: str, lasts: timedelta, begun: datetime) -> datetime:
    """When a window that began at *begun* is over, however often it begins again meanwhile; without an end: too far to matter."""
    end, far = begun + lasts, begun + AHEAD
    for at, until in _parts(cron, ZoneInfo(timezone), lasts, begun, far):
        if at > end:
            return end
        end = max(end, until)
    return end if end < far else begun + 2 * AHEAD


def _stretches(cron: str, timezone: str, lasts: timedelta, begin: datetime, end: datetime) -> tuple[list[Stretch], datetime]:
    found: list[Stretch] = []
    for at, until in _parts(cron, ZoneInfo(timezone), lasts, begin - lasts, end):
        if found and at <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        elif until > begin:
            if len(found) == _STRETCHES_MAX:
                return found, at
            found.append((at, until))
    return found, end


@lru_cache(maxsize=64)
def _plain_day(minute: str, hour: str, lasts: timedelta) -> tuple[tuple[timedelta, timedelta], ...]:
    """The stretches that begin on a plain day, since midnight."""
    plain = datetime(2026, 1, 1, tzinfo=UTC)
    begins = takewhile(lambda at: at < plain + _DAY, CronSim(f"{minute} {hour} * * *", plain - _MINUTE))
    return tuple((since - plain, until - plain) for since, until in _joined((at, at + lasts) for at in begins))


def _parts(cron: str, zone: ZoneInfo, lasts: timedelta, begin: datetime, end: datetime) -> Iterator[Stretch]:
    """Stretches that begin between two moments, and some before them, in order; they may touch. Those of a day are worked out
    once, and anew only for days on which clocks change: two years are a matter of milliseconds."""
    minute, hour, days = cron.split(maxsplit=2)
    plain = _plain_day(minute, hour, lasts)
    before = begin.astimezone(zone).date() - 2 * _DAY
    for noon in CronSim(f"0 12 {days}", datetime.combine(before, time(), UTC)):
        day = noon.date()
        midnight, next_one = (datetime.combine(one, time(), zone) for one in (day, day + _DAY))
        if midnight.astimezone(UTC) >= end:
            return
        if midnight.utcoffset() == next_one.utcoffset():
            first = midnight.astimezone(UTC)
            parts: Iterable[Stretch] = ((first + since, first + until) for since, until in plain)
        else:
            just_before = (midnight.astimezone(UTC) - _MINUTE).astimezone(zone)
            begins = takewhile(partial(_not_after, day), CronSim(cron, just_before))
            parts = ((local.astimezone(UTC), local.astimezone(UTC) + lasts) for local in begins)
        yield from takewhile(lambda part: part[0] < end, parts)


def _not_after(day: date, local: datetime) -> bool:
    return local.date() <= day


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
        for _ in range(_CHANGES_MAX):
            if moment - at > AHEAD:
                break
            change = self._changes_at(action, reason, moment)
            if change is None:
                return moment
            if change <= moment:  # no window begins any more
                return None
            moment = change
        return None

    def overdue_since(
        self, action: Action, reason: Reason, due_at: datetime, now: datetime, interval: timedelta
    ) -> datetime | None:
        """Since when a change that is due could have been made: from the first opening on, whatever was denied after it; None
        while there was none. What was closed within an *interval* after the change became due had no cycle in it, and is no
        opening; every later one begins with a cycle."""
        opening = self.next_opening(action, reason, due_at)
        if opening == due_at:
            closes = self._closes(action, reason, due_at, now)
            if closes is not None and closes - due_at < interval:
                opening = self.next_opening(action, reason, closes)
        return opening if opening is not None and opening <= now else None

    def state(self, at: datetime) -> tuple[CalendarState, ...]:
        """What may be done now, and until when that stays so, for every action that a window is about. Reasons for which the
        same holds stand together; those that no window is about are left out."""
        found: list[CalendarState] = []
        for action, reasons in REASONS.items():
            alike: dict[tuple[bool, datetime | None], list[Reason]] = {}
            for reason in reasons:
                if any(window.covers(action, reason) for window in self.windows):
                    denied = self.denied(action, reason, at)
                    until = self.next_opening(action, reason, at) if denied else self._closes(action, reason, at, at + AHEAD)
                    alike.setdefault((denied, until), []).append(reason)
            found += [
                CalendarState(
                    action, denied, self.for_people(until) if until else None, tuple(these) if len(these) < len(reasons) else ()
                )
                for (denied, until), these in alike.items()
            ]
        return tuple(found)

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

    def _closes(self, action: Action, reason: Reason, at: datetime, until: datetime) -> datetime | None:
        """From an open moment on: when it closes, if it has by *until*."""
        mine = [window for window in self.windows if window.covers(action, reason)]
        moment = at
        for _ in range(_CHANGES_MAX):
            times = [begins for window in mine if window.denies and (begins := window.begins(moment)) is not None]
            times += [end for window in mine if not window.denies and (end := window.ends(moment)) is not None]
            moment = min(times, default=until + _MINUTE)
            if moment > until:
                return None
            if self.denied(action, reason, moment):
                return moment
        return None

    def denials(self, action: Action, reason: Reason, begin: datetime, end: datetime) -> tuple[list[Stretch], datetime]:
        """The stretches in which a change is denied between two moments, the last one to its own end, and until when that is
        known: not to the end where a window begins every minute for years."""
        allowing = [window for window in self.windows if not window.denies and action in window.applies_to]
        allowing = [] if any(reason in window.exempt for window in allowing) else allowing
        closed: list[Stretch] = []
        opened: list[Stretch] = []
        for window in self.windows:
            if (window.denies and window.covers(action, reason)) or window in allowing:
                found, end = window.stretches(begin, end)
                (closed if window.denies else opened).extend(found)
        if allowing:
            opened = _joined(opened)
            ends, begins = [begin, *(until for _, until in opened)], [*(since for since, _ in opened), end]
            closed += [(since, until) for since, until in zip(ends, begins, strict=True) if since < until]
        denied = [(max(since, begin), until) for since, until in _joined(closed) if since < end and until > begin]
        if denied and denied[-1][1] >= end:
            opening = self.next_opening(action, reason, end)
            denied[-1] = (denied[-1][0], opening if opening is not None else end + AHEAD)
        return denied, end

    def longest_denial(self, action: Action, reason: Reason, begin: datetime) -> timedelta:
        """The longest stretch of denial that begins within ``LOOKED_THROUGH``."""
        denied, _ = self.denials(action, reason, begin, begin + LOOKED_THROUGH)
        return max((until - since for since, until in denied), default=timedelta(0))

    def as_json(self) -> list[dict[str, object]]:
        """For the record of what was in force."""
        return [
            {
                "kind": "deny" if one.denies else "allow",
                "cron": one.cron,
                "duration": one.duration.total_seconds(),
                "timezone": one.timezone,
                "applies_to": sorted(one.applies_to),
                "except": sorted(one.exempt),
            }
            for one in self.windows
        ]


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time as stretches apart from each other, in order."""
    joined: list[Stretch] = []
    for since, until in sorted(stretches):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined


#: No calendar: everything is allowed at any time.
ANY_TIME = Windows()
