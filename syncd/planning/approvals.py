"""What may pass a tripped guard: exactly the reviewed effects, once each, while the approval runs.

Also whether ``policy-changed`` is armed: the first deactivations after a change that can widen the plan wait for a review.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncd.ledger.history import History
from syncd.model import Action, Decision, Guard, Mode, Policy, Reason, RecordedPlan, Verdict
from syncd.planning.guards import READ_GUARDS, Facts, good_read, holds

#: Guards no approval can pass: what they see is wrong, not merely large.
NOT_APPROVABLE = frozenset({
    Guard.DIRECTORY_EMPTY, Guard.ZOOM_EMPTY, Guard.SENTINEL_MISSING, Guard.CLOCK_SKEW, Guard.PROTECTED_IN_PLAN,
    Guard.LEDGER_BROKEN, Guard.PAUSED,
})

#: Digits of a plan digest that must be given at least: 12 hexadecimal digits are 48 bits.
DIGEST_PREFIX_MIN = 8


def held_by(effect: Decision, verdicts: tuple[Verdict, ...], facts: Facts) -> list[Guard]:
    """The tripped guards that hold this effect and that no approval lets it pass.

    A tripped read guard holds every effect, reviewed or not: its approval accepts the value that was measured then, so one
    that trips all the same has measured less.
    """
    return [
        verdict.guard for verdict in verdicts
        if verdict.tripped and holds(verdict.guard, effect.action)
        and (verdict.guard in READ_GUARDS | NOT_APPROVABLE
             or not facts.history.covering(*effect.key, verdict.guard, facts.plan.policy_digest, facts.now))
    ]


def approval_for(effect: Decision, facts: Facts) -> str:
    """The approval an effect goes under, if any: it is used up with it and does not count in later sums."""
    for guard in Guard:
        if guard not in NOT_APPROVABLE:
            found = facts.history.covering(*effect.key, guard, facts.plan.policy_digest, facts.now)
            if found:
                return found
    return ""


def accepts(plan: RecordedPlan, guards: tuple[Guard, ...]) -> dict[str, float]:
    """The measured values that become baselines when a plan is approved for these guards: those, and nothing below.

    ``emptied:`` before a group's name: the group may stay without members. That is another question than its size.
    """
    accepted: dict[str, float] = {}
    for name, value in plan.measures.items():
        if Guard.MATCH_RATE in guards and name == "match_percent":
            accepted[name] = value
        if Guard.DIRECTORY_SHRUNK in guards and name != "match_percent":
            accepted[name] = value
        if Guard.GROUP_EMPTIED in guards and name.startswith("group:") and value == 0:
            accepted[f"emptied:{name}"] = value
    return accepted


# ------------------------------------------------------------------------------------------------- policy-changed


def armed(history: History, policy: Policy, mode: Mode, now: Any) -> bool:
    """Whether ``policy-changed`` waits for a review: from the first enforcing use of a ledger, and after any change that
    can widen the plan, until a plan under this policy was approved (or a good read had nobody to deactivate)."""
    if history.approved_policy(policy.digest(), now):
        return False
    if history.policy_in_use is None:
        return mode is Mode.ENFORCE
    return history.armed or bool(widened(history.policy_in_use, policy))


def armed_after(facts: Facts, verdicts: tuple[Verdict, ...]) -> bool:
    """What a cycle records: disarmed also when a good read found nobody due and nobody within the grace."""
    if facts.armed and good_read(verdicts):
        return facts.plan.counts[Action.DEACTIVATE] > 0 or Reason.WITHIN_GRACE in facts.plan.reasons
    return facts.armed


def widened(before: Mapping[str, Any], policy: Policy) -> list[str]:
    """The settings whose change can lead to more or other deactivations or reactivations than *before* (a recorded
    ``Policy.as_json``). Changes that can only shrink a plan (more protection, longer grace, smaller pilot, stricter guard)
    are not among them."""
    now = policy.as_json()
    changed = [name for name, wider in _WIDER.items() if name in before and wider(before[name], now[name])]
    limits_before, limits_now = before.get("limits", {}), now["limits"]
    changed += [
        f"guards.{name}" for name, looser in _LOOSER.items()
        if name in limits_before and looser(limits_before[name], limits_now[name])
    ]
    return changed


def _differs(before: Any, now: Any) -> bool:
    return bool(before != now)


def _has_more(before: list[Any], now: list[Any]) -> bool:
    return not {str(item) for item in now} <= {str(item) for item in before}


def _has_fewer(before: list[Any], now: list[Any]) -> bool:
    return _has_more(now, before)


def _pilot_wider(before: list[str], now: list[str]) -> bool:
    return bool(before) and (not now or _has_more(before, now))   # an empty pilot means everybody


def _smaller(before: float, now: float) -> bool:
    return now < before


def _larger(before: float, now: float) -> bool:
    return now > before


def _expired_sooner(before: float | None, now: float | None) -> bool:
    return before is not None and (now is None or now < before)        # None: as all known leavers, which have no absence to wait


def _switched_on(before: bool, now: bool) -> bool:
    return now and not before


def _number_looser(smallest_default: int) -> Callable[[int | None, int | None], bool]:
    """None stands for a default that grows with the account and is never below *smallest_default*."""
    def looser(before: int | None, now: int | None) -> bool:
        if now is None:
            return before is not None
        return now > (before if before is not None else smallest_default)
    return looser


_REACTIVATE_ORDER = ("never", "ours", "any")

_WIDER: dict[str, Callable[[Any, Any], bool]] = {
    "directory": _differs,
    "zoom_account_id": _differs,
    "domains": _has_more,
    "domain_aliases": _differs,
    "pilot": _pilot_wider,
    "ordinary_roles": _has_more,
    "protect_accounts": _has_fewer,
    "protect_groups": _has_fewer,
    "protect_directory_groups": _has_fewer,
    "grace": _smaller,
    "grace_reads": _smaller,
    "when_disabled": _switched_on,
    "when_expired": _switched_on,
    "grace_for_known_leavers": _smaller,
    "grace_for_expired": _expired_sooner,
    "person_number": _differs,
    "ignore_people": _has_fewer,
    "reactivate_reads": _smaller,
    "revoke_sessions": _switched_on,
    "reactivate": lambda before, now: _REACTIVATE_ORDER.index(now) > _REACTIVATE_ORDER.index(before),
    "guests": lambda before, now: before and not now,      # guests stop being entitled
}

_LOOSER: dict[str, Callable[[Any, Any], bool]] = {
    "max_deactivations": _number_looser(25),
    "max_deactivations_percent": _larger,
    "percent_floor": _larger,
    "max_deactivations_per_day": _number_looser(100),
    "max_deactivations_per_30_days": _number_looser(25),
    "max_reactivations": _number_looser(10),
    "max_reactivations_per_day": _number_looser(50),
    "max_replication_lag": _smaller,
    "sentinels": _has_fewer,
    "min_directory_people": _smaller,
    "max_directory_shrink_percent": _larger,
    "max_flapping": _larger,
    "max_clock_skew": _larger,
    "max_failing_writes_percent": _larger,
    "min_match_percent": _smaller,
}
