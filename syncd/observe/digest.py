"""What a day or a week was like, counted from the ledger: a restart, a standby that took over and a crash lose nothing.

The first cycle of a day (of a week) tells of the one in which the cycle before it ran. What the ledger does not hold, because it
could not be written or the clock was wrong, comes from what this process saw itself. Where the ledger cannot be read now, that
is all there is, and the digest says from when on it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from syncd.errors import SyncdError

#: Word of a digest -> what it is about.
SPANS: Mapping[str, str] = {"digest_daily": "day", "digest_weekly": "week"}

#: How much further back than a span begins its cycles are looked for: clocks may have been set in between.
_MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ended:
    """A cycle, or a look of the watch, that ended. *looks*: those before it that left no entry, by result."""

    at: datetime
    cycle_id: str
    result: str
    outcomes: Mapping[str, int] = field(default_factory=dict)
    look: bool = False
    looks: Mapping[str, int] = field(default_factory=dict)


#: Gives what the ledger holds, the newest first. Raises SyncdError while it cannot be read.
Recorded = Callable[[], AsyncIterator[Ended]]


@dataclass(frozen=True)
class Tally:
    """Counts of one span, [*since*, *until*) in whole days. *counted_since*: when that is not all of it."""

    since: date
    until: date
    cycles: Mapping[str, int]
    looks: Mapping[str, int]
    outcomes: Mapping[str, int]
    counted_since: datetime | None = None

    @property
    def made(self) -> int:
        """Changes that were made."""
        return sum(count for name, count in self.outcomes.items() if name.endswith(".done"))


def span_of(word: str, day: date) -> date:
    """The day on which the span of a digest around *day* begins."""
    return day if word == "digest_daily" else day - timedelta(days=day.weekday())


async def tally(
    word: str, now: Ended, zone: ZoneInfo, recorded: Recorded | None, seen: Sequence[Ended], seen_since: datetime
) -> Tally | None:
    """What the span before the one of *now* was like; None when *now* is not the first cycle of its span, or of all. *seen*: what
    this process saw since *seen_since*."""
    until = span_of(word, now.at.astimezone(zone).date())
    known, counted_since = await _known(word, _midnight(until, zone), zone, recorded, seen)
    cycles = [one for one in known if not one.look]
    before = [one.at for one in cycles if one.at < _midnight(until, zone)]
    if not before or any(_midnight(until, zone) <= one.at < now.at for one in cycles):
        return None
    since = span_of(word, max(before).astimezone(zone).date())
    begins, ends = _midnight(since, zone), _midnight(until, zone)
    within = [one for one in known if begins <= one.at < ends]
    return Tally(
        since,
        until,
        Counter(one.result for one in within if not one.look),
        _added([*(one.looks for one in known if begins <= one.at < ends), Counter(one.result for one in within if one.look)]),
        _added(one.outcomes for one in within),
        seen_since if counted_since and seen_since > begins else None,
    )


async def _known(
    word: str, until: datetime, zone: ZoneInfo, recorded: Recorded | None, seen: Sequence[Ended]
) -> tuple[list[Ended], bool]:
    """Everything about the span before *until* and what came after it, and whether only *seen* could be asked."""
    held: list[Ended] = []
    try:
        if recorded is None:
            return list(seen), True
        begins: datetime | None = None
        async for one in recorded():
            if begins is not None and one.at < begins - _MARGIN:
                break
            held.append(one)
            if begins is None and one.at < until and not one.look:
                begins = _midnight(span_of(word, one.at.astimezone(zone).date()), zone)
    except SyncdError:
        return list(seen), True
    ids = {one.cycle_id for one in held}
    # Looks that left no entry stand in the cycle after them; those of this process would count twice.
    return held + [one for one in seen if one.cycle_id not in ids and not (one.look and not one.cycle_id)], False


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total
