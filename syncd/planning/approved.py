"""Which approval lets an effect pass a guard: exactly what was reviewed, once each, under the policy it was reviewed with,
by as many different people as the policy asks for, until it expires. Announced leavers count in no size guard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from syncd.ledger.history import History
from syncd.model import Action, Approval, Decision, Guard, Plan, Policy
from syncd.planning.entitlement import KNOWN_LEAVERS

#: Guards that an announced leaver does not count in.
DEACTIVATION_SIZES = frozenset({
    Guard.MAX_DEACTIVATIONS, Guard.MAX_DEACTIVATIONS_PERCENT, Guard.MAX_DEACTIVATIONS_PER_DAY,
    Guard.MAX_DEACTIVATIONS_PER_30_DAYS,
})


def running(history: History, guard: Guard, policy: Policy, now: datetime) -> Iterator[Approval]:
    """Approvals of this guard under this policy that have not expired."""
    digest = policy.digest()
    return (approval for approval in history.approvals.values()
            if guard in approval.guards and now < approval.expires_at and approval.policy_digest == digest)


def covering(history: History, effect: Decision, guard: Guard, policy: Policy, now: datetime) -> str:
    """The id of what lets this effect pass this guard, or nothing."""
    if history.approvals:
        for approval in running(history, guard, policy, now):
            if effect.key in approval.effects and (approval.id, *effect.key) not in history.used:
                return approval.id
            if guard is Guard.POLICY_CHANGED and effect.action is Action.DEACTIVATE and effect.key[0] in approval.on_the_way:
                return approval.id
    if history.announced and guard in DEACTIVATION_SIZES:
        return announced(history, effect, now)
    return ""


def unreviewed(history: History, plan: Plan, policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """Active accounts that are due, within the grace or unclear, that no approval of ``policy-changed`` showed, and that no
    earlier good read under this policy showed in step (whoever was is an ordinary leaver). People who return do not count."""
    due = (effect for effect in plan.effects if effect.action is Action.DEACTIVATE)
    approvals = tuple(running(history, Guard.POLICY_CHANGED, policy, now))
    return tuple(
        decision for decision in (*due, *plan.on_the_way)
        if not history.shown_in_step(zoom_id := decision.account.zoom_id or "", plan.policy_digest)
        and not any(zoom_id in one.on_the_way or (zoom_id, Action.DEACTIVATE.value) in one.effects for one in approvals)
    )


def announced(history: History, effect: Decision, now: datetime) -> str:
    """The announcement of this leaver that is open now, or nothing: known leavers only, each once."""
    if effect.action is not Action.DEACTIVATE or effect.reason not in KNOWN_LEAVERS:
        return ""
    for one in history.announced.values():
        if one.starts_at <= now < one.ends_at and effect.key[0] in one.zoom_ids and (one.id, *effect.key) not in history.used:
            return one.id
    return ""
