"""Whether ``policy-changed`` waits for a review: from the first enforcing use of a ledger on, and after any change that can
widen a plan, until nobody who was in its way is left unreviewed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from syncd.ledger.history import History
from syncd.model import Mode, Policy, Verdict
from syncd.planning.guards import Facts, good_read


def armed(history: History, policy: Policy, mode: Mode) -> bool:
    """Whether ``policy-changed`` waits for a review: from the first enforcing use of a ledger, and after any change that can
    widen the plan, until a good read finds nobody unreviewed."""
    if history.policy_in_use is None:
        return mode is Mode.ENFORCE
    return history.armed or bool(widened(history.policy_in_use, policy))


def armed_after(facts: Facts, verdicts: tuple[Verdict, ...]) -> bool:
    """What a cycle records: disarmed when a good read finds nobody unreviewed."""
    return facts.armed and not (good_read(verdicts) and not facts.unreviewed)


def widened(before: Mapping[str, Any], policy: Policy) -> list[str]:
    """The settings whose change can lead to more or other deactivations or reactivations than *before* (a recorded
    ``Policy.as_json``). Changes that can only shrink a plan (more protection, longer grace, smaller pilot, stricter guard)
    are not among them."""
    now = policy.as_json()
    changed = [name for name, wider in _WIDER.items() if name in before and wider(before[name], now[name])]
    if before.get("rules", 1) != now["rules"]:
        changed.append("rules")
    limits_before, limits_now = before.get("limits", {}), now["limits"]
    changed += [
        f"guards.{name}"
        for name, looser in _LOOSER.items()
        if name in limits_before and looser(limits_before[name], limits_now[name])
    ]
    return changed


def _differs(before: object, now: object) -> bool:
    return bool(before != now)


def _has_more(before: Sequence[object], now: Sequence[object]) -> bool:
    return not {str(item) for item in now} <= {str(item) for item in before}


def _has_fewer(before: Sequence[object], now: Sequence[object]) -> bool:
    return _has_more(now, before)


def _bound_wider(before: list[str], now: list[str]) -> bool:
    return bool(before) and (not now or _has_more(before, now))  # an empty list means everybody


def _smaller(before: float, now: float) -> bool:
    return now < before


def _larger(before: float, now: float) -> bool:
    return now > before


def _expired_sooner(before: float | None, now: float | None) -> bool:
    return before is not None and (now is None or now < before)  # None: as all known leavers, which have no absence to wait


def _switched_on(before: object, now: object) -> bool:
    return bool(now) and not before


def _number_looser(smallest_default: int, before: int | None, now: int | None) -> bool:
    """None stands for a default that grows with the account and is never below *smallest_default*."""
    if now is None:
        return before is not None
    return now > (before if before is not None else smallest_default)


_REACTIVATE_ORDER = ("never", "ours", "any")

_WIDER: dict[str, Callable[[Any, Any], bool]] = {
    "directory": _differs,
    "zoom_account_id": _differs,
    "domains": _has_more,
    "domain_aliases": _differs,
    "pilot": _bound_wider,
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
    "approvals_required": _smaller,
    "approvers": _bound_wider,
    "signers": _bound_wider,
    "guests": lambda before, now: before and not now,  # guests stop being entitled
}

_LOOSER: dict[str, Callable[[Any, Any], bool]] = {
    "max_deactivations": partial(_number_looser, 25),
    "max_deactivations_percent": _larger,
    "percent_floor": _larger,
    "max_deactivations_per_day": partial(_number_looser, 100),
    "max_deactivations_per_30_days": partial(_number_looser, 25),
    "max_reactivations": partial(_number_looser, 10),
    "max_reactivations_per_day": partial(_number_looser, 50),
    "max_replication_lag": _smaller,
    "sentinels": _has_fewer,
    "min_directory_people": _smaller,
    "max_directory_shrink_percent": _larger,
    "max_flapping": _larger,
    "max_clock_skew": _larger,
    "max_failing_writes_percent": _larger,
    "min_match_percent": _smaller,
}
