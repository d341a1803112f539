"""Guards on sizes: how many accounts one cycle, a day or a month may change. Limits that are not configured follow the size
of the account; the defaults are wide enough for an ordinary year and narrow enough for a slow drip."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from syncd.ledger.history import DAY, MONTH, History
from syncd.model import Action, Counted, Guard, Policy, Verdict
from syncd.planning.guards.facts import Situation


def deactivation_limit(policy: Policy, active: int) -> int:
    """Deactivations allowed at once: the configured number, or the larger of 25 and 1 % of active accounts in scope."""
    return _number(policy.limits.max_deactivations, 25, 1, active)


def too_large_a_share(planned: int, active: int, policy: Policy) -> bool:
    """Whether so many of so many are more than the allowed percentage; up to ``percent_floor`` accounts never are."""
    return planned > policy.limits.percent_floor and planned * 100 > policy.limits.max_deactivations_percent * max(active, 1)


def max_deactivations(facts: Situation) -> Verdict:
    """One cycle would deactivate more accounts than the operator allowed."""
    limit = deactivation_limit(facts.policy, facts.active)
    if facts.needs_approval:  # no number said passes it
        planned, limit = len(facts.uncovered(Guard.MAX_DEACTIVATIONS, Action.DEACTIVATE)), facts.policy.limits.percent_floor
        return Verdict(
            Guard.MAX_DEACTIVATIONS,
            planned > limit,
            planned,
            limit,
            "accounts",
            f"{planned} deactivations {facts.asked} that nobody else approved, limit {limit}",
            facts.advice,
        )
    return _at_once(facts, Guard.MAX_DEACTIVATIONS, Action.DEACTIVATE, limit)


def max_reactivations(facts: Situation) -> Verdict:
    """One cycle would reactivate more accounts than the operator allowed: the larger of 10 and 1 %."""
    return _at_once(
        facts, Guard.MAX_REACTIVATIONS, Action.REACTIVATE, _number(facts.policy.limits.max_reactivations, 10, 1, facts.active)
    )


def max_deactivations_percent(facts: Situation) -> Verdict:
    """One cycle would deactivate a larger share of the active accounts than the operator allowed."""
    guard, active = Guard.MAX_DEACTIVATIONS_PERCENT, facts.active
    planned = len(facts.uncovered(guard, Action.DEACTIVATE))
    limit = facts.policy.limits.max_deactivations_percent
    share = round(100 * planned / active, 2) if active else 0.0
    tripped = active > 0 and too_large_a_share(planned, active, facts.policy) and not facts.confirmed
    return Verdict(
        guard,
        tripped,
        share,
        limit,
        "percent",
        f"{planned} of {active} active accounts in scope would be deactivated ({share:g} %, limit {limit:g} %)",
        facts.advice,
    )


def max_deactivations_per_day(facts: Situation) -> Verdict:
    """The cycle in hand and those of the last 24 h together: the larger of 100 and 2 %."""
    return _over(
        facts,
        Guard.MAX_DEACTIVATIONS_PER_DAY,
        "24 h",
        _number(facts.policy.limits.max_deactivations_per_day, 100, 2, facts.active),
    )


def max_deactivations_per_30_days(facts: Situation) -> Verdict:
    """The slow drip, this cycle and those of the last 30 days together: the larger of 25 and 10 %."""
    return _over(
        facts,
        Guard.MAX_DEACTIVATIONS_PER_30_DAYS,
        "30 days",
        _number(facts.policy.limits.max_deactivations_per_30_days, 25, 10, facts.active),
    )


def max_reactivations_per_day(facts: Situation) -> Verdict:
    """The cycle in hand and those of the last 24 h together: the larger of 50 and 2 %."""
    return _over(
        facts,
        Guard.MAX_REACTIVATIONS_PER_DAY,
        "24 h",
        _number(facts.policy.limits.max_reactivations_per_day, 50, 2, facts.active),
    )


#: Guards on sums: what they add up, and over which time.
SUMS: Mapping[Guard, tuple[Action, timedelta]] = {
    Guard.MAX_DEACTIVATIONS_PER_DAY: (Action.DEACTIVATE, DAY),
    Guard.MAX_DEACTIVATIONS_PER_30_DAYS: (Action.DEACTIVATE, MONTH),
    Guard.MAX_REACTIVATIONS_PER_DAY: (Action.REACTIVATE, DAY),
}


def sum_before(history: History, guard: Guard, now: datetime) -> list[Counted]:
    """What cycles did over the guard's time, less what was approved, and not before the last approval of this guard: that
    began the sum anew."""
    action, span = SUMS[guard]
    begun = max(now - span, history.sums_begun.get(guard, now - span))
    return [one for one in history.counted if one.action == action.value and one.at >= begun and not one.approved]


def _number(configured: int | None, least: int, percent: int, active: int) -> int:
    return configured if configured is not None else max(least, active * percent // 100)


def _at_once(facts: Situation, guard: Guard, action: Action, limit: int) -> Verdict:
    planned = len(facts.uncovered(guard, action))
    return Verdict(
        guard,
        planned > limit and not facts.confirmed,
        planned,
        limit,
        "accounts",
        f"{planned} {action.value[:-1]}ions {facts.asked}, limit {limit}",
        facts.advice,
    )


def _over(facts: Situation, guard: Guard, words: str, limit: int) -> Verdict:
    action, _ = SUMS[guard]
    planned, before = len(facts.uncovered(guard, action)), len(sum_before(facts.history, guard, facts.now))
    tripped = planned > 0 and before + planned > limit and not facts.confirmed
    return Verdict(
        guard,
        tripped,
        before + planned,
        limit,
        "accounts",
        f"{before} {action.value}d in the last {words} and {planned} {facts.asked}, limit {limit}",
        facts.advice,
    )
