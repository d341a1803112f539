"""After a change of controller: whoever looks worse than in the last good read may only look older, and waits.

Copies of a directory differ for a while. When another one is read than before, somebody who was entitled and now is in none of
the groups, expired or not there at all may have been added on the other copy an hour ago. So may whoever an account was made for
since the last good read. Newly disabled people and leaver groups count at once: those changes were made where they are seen, and
waiting would leave a door open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from msgspec import structs

from syncd.ledger.history import History
from syncd.model import Action, Decision, DirectorySnapshot, Plan, Policy, Reason, Status

_MAY_LOOK_OLDER = frozenset({Reason.LEFT_GROUPS, Reason.ABSENT_FROM_DIRECTORY, Reason.EXPIRED_IN_DIRECTORY})


def wait_for_replication(
    plan: Plan, directory: DirectorySnapshot, history: History, policy: Policy, now: datetime
) -> tuple[Plan, int]:
    """The plan with those people unclear who may only look older, and how many of them looked better before. Up to
    ``max_replication_lag`` after the change; without copies that can differ nothing changes."""
    if not _catching_up(directory, history, policy, now):
        return plan, 0
    doubtful = [one for one in plan.decisions if _may_pass(one)]
    worse = {id(one) for one in doubtful if _was_entitled(one, history, policy, now)}
    waiting = worse | {id(one) for one in doubtful if _is_new(one, history)}
    if not waiting:
        return plan, 0
    decisions = tuple(_unclear(decision) if id(decision) in waiting else decision for decision in plan.decisions)
    return replace(plan, decisions=decisions), len(worse)


def _catching_up(directory: DirectorySnapshot, history: History, policy: Policy, now: datetime) -> bool:
    if not directory.view or not history.view:
        return False
    if directory.view != history.view:
        return True
    return history.view_since is not None and now - history.view_since < policy.limits.max_replication_lag


def _may_pass(decision: Decision) -> bool:
    """Somebody with an active account who is not entitled here, for a reason that another copy may know better."""
    reason = decision.reason
    if reason is Reason.WITHIN_GRACE:
        reason = next((one for one in _MAY_LOOK_OLDER if one.value in decision.notes), reason)
    return decision.account.status is Status.ACTIVE and reason in _MAY_LOOK_OLDER


def _was_entitled(decision: Decision, history: History, policy: Policy, now: datetime) -> bool:
    """In the last good read from the other copy, or in one since then."""
    zoom_id = decision.account.zoom_id or ""
    _, until = history.entitled_until.get(zoom_id, ("", None))
    return zoom_id in history.entitled_through or (
        until is not None
        and history.view_since is not None
        and until >= history.view_since
        and now - until < policy.limits.max_replication_lag
    )


def _is_new(decision: Decision, history: History) -> bool:
    """No good read showed this account in step, and none from the other copy showed that nobody entitled has it: a good read of
    copies that differ begins no grace."""
    zoom_id = decision.account.zoom_id or ""
    never_in_step = zoom_id not in history.decided or history.out_of_step.get(zoom_id) == 0
    return never_in_step and zoom_id not in history.gone


def _unclear(decision: Decision) -> Decision:
    return structs.replace(
        decision,
        action=Action.KEEP,
        reason=Reason.DIRECTORY_UNCLEAR,
        since=None,
        due_at=None,
        notes=(*decision.notes, "may_look_older"),
    )
