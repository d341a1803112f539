"""The published rate limits of a Zoom account, enforced to the letter.

Limits are per account, so every app of it shares them; ``others`` is what the other apps use up. Within a window of one
second (or a minute) never more than the limit is let through, wherever the window starts. No clock here: callers say
when it is. Source: Zoom's rate-limit page, restated in the project's fact sheet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from syncd.lab.zoom.operations import Label

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """A daily cap which these labels share."""

    labels: frozenset[Label]
    requests: int


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What one plan allows: requests per window and label, and per UTC day."""

    rates: Mapping[Label, tuple[int, timedelta]]
    budgets: tuple[Budget, ...]


def _plan(light: int, medium: int, heavy: int, intensive: int, *budgets: Budget) -> PlanLimits:
    return PlanLimits(
        {
            Label.LIGHT: (light, _SECOND),
            Label.MEDIUM: (medium, _SECOND),
            Label.HEAVY: (heavy, _SECOND),
            Label.RESOURCE_INTENSIVE: (intensive, _MINUTE),
        },
        budgets,
    )


_COSTLY = frozenset({Label.HEAVY, Label.RESOURCE_INTENSIVE})

PLANS: Mapping[str, PlanLimits] = {
    "free": _plan(
        4,
        2,
        1,
        10,
        Budget(frozenset({Label.LIGHT}), 6_000),
        Budget(frozenset({Label.MEDIUM}), 2_000),
        Budget(frozenset({Label.HEAVY}), 1_000),
        Budget(frozenset({Label.RESOURCE_INTENSIVE}), 30_000),
    ),
    "pro": _plan(30, 20, 10, 10, Budget(_COSTLY, 30_000)),
    "business": _plan(80, 60, 40, 20, Budget(_COSTLY, 60_000)),
}

PER_SECOND = "You have reached the maximum per-second rate limit for this API. Try again later."
PER_DAY = (
    "You have reached the maximum daily rate limit for this API. Refer to the response header for details on when "
    "you can make another request."
)


class Throttled(Exception):
    """A limit is reached: answer 429 with this message and these headers. *resume_at* is known for daily limits only."""

    def __init__(self, message: str, headers: Mapping[str, str], resume_at: datetime | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers)
        self.resume_at = resume_at


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Zoom writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_midnight(now: datetime) -> datetime:
    """When daily limits start anew: 00:00 UTC."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


@dataclass
class AccountLimits:
    """The limits of one account and what was used of them. *plan* None: no limits at all.

    ``others[label]`` requests of every window are taken by other apps; ``used_today[i]`` counts against ``budgets[i]`` of
    the plan and may be set, to start a test late in the day.
    """

    plan: str | None = "business"
    others: dict[Label, int] = field(default_factory=dict)
    used_today: dict[int, int] = field(default_factory=dict)
    _day: datetime | None = None
    _seen: dict[Label, deque[datetime]] = field(default_factory=dict)

    def take(self, label: Label, now: datetime) -> dict[str, str]:
        """Counts one request and gives the headers of its answer. Raises Throttled, and then counts nothing."""
        if self.plan is None:
            return {}
        limits = PLANS[self.plan]
        self._take_from_day(label, limits, now)
        allowed, window = limits.rates[label]
        allowed = max(0, allowed - self.others.get(label, 0))
        seen = self._seen.setdefault(label, deque())
        while seen and seen[0] <= now - window:
            seen.popleft()
        headers = {"X-RateLimit-Category": label.value, "X-RateLimit-Type": "QPS", "X-RateLimit-Limit": str(allowed)}
        if len(seen) >= allowed:
            raise Throttled(PER_SECOND, {**headers, "X-RateLimit-Remaining": "0"})
        seen.append(now)
        for index in self._budgets_of(label, limits):
            self.used_today[index] = self.used_today.get(index, 0) + 1
        return {**headers, "X-RateLimit-Remaining": str(allowed - len(seen))}

    def _take_from_day(self, label: Label, limits: PlanLimits, now: datetime) -> None:
        midnight = next_midnight(now)
        if self._day is not None and midnight > self._day:
            self.used_today.clear()
        self._day = midnight
        for index in self._budgets_of(label, limits):
            budget = limits.budgets[index]
            if self.used_today.get(index, 0) >= budget.requests:
                raise Throttled(
                    PER_DAY,
                    {
                        "X-RateLimit-Category": label.value,
                        "X-RateLimit-Type": "Daily-limit",
                        "X-RateLimit-Limit": str(budget.requests),
                        "X-RateLimit-Remaining": "0",
                        "Retry-After": iso(midnight),
                    },
                    midnight,
                )

    @staticmethod
    def _budgets_of(label: Label, limits: PlanLimits) -> list[int]:
        return [index for index, budget in enumerate(limits.budgets) if label in budget.labels]
