"""The cycle that comes early: only another good read is missing for somebody to get their account back, or a window opens.
Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.model import CycleReport, Mode
from syncd.planning.guards import good_read

#: How long after such a cycle the next whole one starts, and how far such early ones are apart at least.
AFTER = timedelta(seconds=60)
APART = timedelta(minutes=5)


class FollowUps:
    """When early cycles may start; remembers the last one."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def due(self, report: CycleReport | None, scheduled: datetime, now: datetime) -> datetime:
        """When the next cycle starts: as scheduled, or earlier, where a good read would bring somebody back, or changes that a
        window denies may be made: no opening is so short that no cycle falls into it."""
        if report is not None and report.mode is Mode.ENFORCE:
            scheduled = min([scheduled, *(opening for opening in report.next_openings.values() if opening > now)])
        if report is None or report.plan is None or not report.plan.next_read_helps or not good_read(report.verdicts):
            return scheduled
        early = now + AFTER if self._last is None else max(now + AFTER, self._last + APART)
        if early >= scheduled:
            return scheduled
        self._last = early
        return early
