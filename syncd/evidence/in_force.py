"""By what evidence is judged: the promise, the schedule and the windows that were in force at each moment, as the ledger recorded
them (``policy.in_force``). Whoever makes a report chooses none of it; *asked* fills in for times before the first record only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from syncd.ledger.entries import PolicyInForce
from syncd.ledger.entry import rfc3339
from syncd.model import Action, Reason
from syncd.operations.schedule import Schedule
from syncd.planning.windows import ANY_TIME, Window, Windows


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded state. *entry*: where it stands in the ledger."""

    since: datetime
    entry: int
    values: Mapping[str, Any]

    @property
    def promise(self) -> timedelta:
        """From leaving to locked out."""
        return timedelta(seconds=self.values["reports.promise"])

    @property
    def schedule(self) -> Schedule:
        """When cycles ran."""
        get = self.values.get
        interval = get("schedule.interval")
        return Schedule(
            timedelta(seconds=interval) if interval is not None else None,
            get("schedule.cron"),
            get("schedule.timezone") or "UTC",
            timedelta(seconds=get("schedule.jitter") or 0),
        )

    @property
    def windows(self) -> Windows:
        """When changes could be made."""
        return Windows(
            tuple(
                Window(
                    one["kind"] == "deny",
                    one["cron"],
                    timedelta(seconds=one["duration"]),
                    one["timezone"],
                    frozenset(map(Action, one["applies_to"])),
                    frozenset(map(Reason, one["except"])),
                )
                for one in self.values.get("schedule.windows") or ()
            )
        )


@dataclass
class InForce:
    """All recorded states, in their order. *promise*, *schedule*: of times before the first."""

    promise: timedelta
    schedule: Schedule
    records: list[Record] = field(default_factory=list)

    def take(self, entry: int, says: PolicyInForce) -> None:
        """One more state, and where it stands in the ledger."""
        self.records.append(Record(says.since, entry, says.values))

    def at(self, moment: datetime) -> Record | None:
        """The state then; None: nothing was recorded yet."""
        return next((one for one in reversed(self.records) if one.since <= moment), None)

    def promise_at(self, moment: datetime) -> timedelta:
        """What was promised to whoever left then."""
        found = self.at(moment)
        return found.promise if found is not None else self.promise

    def schedule_at(self, moment: datetime) -> Schedule:
        """When cycles were to run then."""
        found = self.at(moment)
        return found.schedule if found is not None else self.schedule

    def denied_between(self, reason: str, since: datetime, until: datetime) -> timedelta:
        """For how long of that time windows denied a deactivation for this reason."""
        if reason not in list(Reason):
            return timedelta(0)
        total = timedelta(0)
        marks = [since, *(one.since for one in self.records if since < one.since < until), until]
        for begin, end in pairwise(marks):
            found = self.at(begin)
            windows = found.windows if found is not None else ANY_TIME
            if windows.windows:
                denied, _ = windows.denials(Action.DEACTIVATE, Reason(reason), begin, end)
                total += sum((min(opened, end) - closed for closed, opened in denied), timedelta(0))
        return total

    def told(self, start: datetime, end: datetime) -> list[dict[str, object]]:
        """Every state that was in force in a time, oldest first."""
        reaching = [
            one
            for number, one in enumerate(self.records)
            if one.since < end and (number + 1 == len(self.records) or self.records[number + 1].since > start)
        ]
        return [{"since": rfc3339(one.since), "entry": one.entry, "values": dict(one.values)} for one in reaching]
