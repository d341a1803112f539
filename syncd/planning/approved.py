"""Which approvals let an effect pass a guard: exactly what was reviewed, once each, under the policy it was reviewed with, by as
many different people as the policy asks for, until they expire. Announced leavers count in no size guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.ledger.history import History
from syncd.model import Action, Announcement, Approval, Decision, Guard, Plan, Policy, Reason, name_key
from syncd.planning.entitlement import KNOWN_LEAVERS

#: (signature, message, name, signers) -> whether it was made with a key that the signers list for that name.
Fits = Callable[[str, bytes, str, Sequence[str]], bool]

#: Guards that an announced leaver does not count in.
DEACTIVATION_SIZES = frozenset(
    {
        Guard.MAX_DEACTIVATIONS,
        Guard.MAX_DEACTIVATIONS_PERCENT,
        Guard.MAX_DEACTIVATIONS_PER_DAY,
        Guard.MAX_DEACTIVATIONS_PER_30_DAYS,
    }
)


# ------------------------------------------------------------------------------------------------------- who may approve


def refuses(given: Approval | Announcement, rules: Mapping[str, Any], ledger_id: str, fits: Fits) -> str:
    """Why this approval does not count under *rules* (``Policy.as_json``), or nothing: given by somebody who may not, not
    signed, or signed with another key than theirs."""
    approvers, signers = rules.get("approvers") or (), rules.get("signers") or ()
    if approvers and name_key(given.by) not in map(name_key, approvers):
        return f"{given.by} is not among approvals.approvers"
    if signers and not given.signature:
        return "it is not signed, and approvals.signers_file asks for that"
    if signers and not fits(given.signature, given.message(ledger_id), given.by, signers):
        return f"its signature was not made with a key that approvals.signers_file lists for {given.by}"
    return ""


def only_authorised(history: History, policy: Policy, fits: Fits, now: datetime) -> History:
    """The history without approvals that do not count, and with what the others accept. An approval that the rules in use before
    would not have taken (asking less of approvals wakes ``policy-changed``) lets its effects pass every guard but that one; but
    what it accepts lasts longer than it does, and is not taken."""
    if not history.approvals and not history.announced:
        return history
    rules, before = policy.as_json(), history.approval_rules()
    approvals, lasting = {}, []
    for id_, one in history.approvals.items():
        if not refuses(one, rules, history.ledger_id, fits):
            stricter = bool(refuses(one, before, history.ledger_id, fits))
            approvals[id_] = replace(one, guards=_without_policy_changed(one)) if stricter else one
            lasting += [] if stricter else [one]
    announced_ = {id_: one for id_, one in history.announced.items() if not refuses(one, rules, history.ledger_id, fits)}
    known = replace(history, approvals=approvals, announced=announced_)
    needed = max(policy.approvals_required, before["approvals_required"])
    return known.heeding([one.id for one in _complete(lasting, needed, now) if one.id not in history.heeded], now)


def _complete(given: Sequence[Approval], needed: int, now: datetime) -> list[Approval]:
    """Those whose plan as many people approved as must, for each guard that they open."""
    standing = [one for one in given if now < one.expires_at]

    def people(plan: str, guard: Guard) -> int:
        return len(people_of(one for one in standing if one.plan_digest == plan and guard in one.guards))

    return [
        one
        for one in standing
        if all(people(one.plan_digest, guard) >= needed for guard in (one.guards if one.complete is None else one.complete))
    ]


def required(guard: Guard, policy: Policy, history: History) -> int:
    """How many different people must approve for this guard: for ``policy-changed`` as many as the stricter of the rules in use
    and those before."""
    before: int = history.approval_rules()["approvals_required"] if guard is Guard.POLICY_CHANGED else 1
    return max(policy.approvals_required, before)


def people_of(given: Iterable[Approval | Announcement]) -> set[str]:
    """Who gave these, each once however their name is spelt."""
    return {name_key(one.by) for one in given}


def _without_policy_changed(approval: Approval) -> tuple[Guard, ...]:
    return tuple(guard for guard in approval.guards if guard is not Guard.POLICY_CHANGED)


# ------------------------------------------------------------------------------------------------------- what they cover


def running(history: History, guard: Guard, policy: Policy, now: datetime) -> Iterator[Approval]:
    """Approvals of this guard under this policy that have not expired."""
    digest = policy.digest()
    return (
        approval
        for approval in history.approvals.values()
        if guard in approval.guards and now < approval.expires_at and approval.policy_digest == digest
    )


def agreed(history: History, guard: Guard, policy: Policy, now: datetime) -> list[Approval]:
    """Those of the running approvals whose plan enough people approved for this guard."""
    found = list(running(history, guard, policy, now))
    needed = required(guard, policy, history)
    return [one for one in found if len(people_of(other for other in found if other.plan_digest == one.plan_digest)) >= needed]


def covering(history: History, effect: Decision, guard: Guard, policy: Policy, now: datetime) -> str:
    """The id of what lets this effect pass this guard, or nothing."""
    if history.approvals:
        found = [one for one in running(history, guard, policy, now) if _covers(one, effect, guard, history)]
        if found and len(people_of(found)) >= required(guard, policy, history):
            return min(found, key=lambda one: effect.key not in one.effects).id  # the first that reviewed it, if one did
    if history.announced and guard in DEACTIVATION_SIZES:
        return announced(history, effect, policy, now)
    return ""


def _covers(approval: Approval, effect: Decision, guard: Guard, history: History) -> bool:
    if effect.key in approval.effects:
        return (approval.id, *effect.key) not in history.used
    return guard is Guard.POLICY_CHANGED and effect.action is Action.DEACTIVATE and effect.key[0] in approval.on_the_way


def unreviewed(history: History, plan: Plan, policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """Active accounts that are due, within the grace or unclear, that no approval of ``policy-changed`` showed, and that no
    earlier good read under this policy showed in step (whoever was is an ordinary leaver). Whom others brought back counts: the
    day for which that keeps them is no review. People who return do not count."""
    due = (effect for effect in plan.effects if effect.action is Action.DEACTIVATE)
    brought_back = (one for one in plan.decisions if one.reason is Reason.REACTIVATED_BY_OTHERS)
    approvals = tuple(running(history, Guard.POLICY_CHANGED, policy, now))
    needed = required(Guard.POLICY_CHANGED, policy, history)

    def reviewed(zoom_id: str) -> bool:
        showed = (one for one in approvals if zoom_id in one.on_the_way or (zoom_id, Action.DEACTIVATE.value) in one.effects)
        return len(people_of(showed)) >= needed

    return tuple(
        decision
        for decision in (*due, *plan.on_the_way, *brought_back)
        if not history.shown_in_step(zoom_id := decision.account.zoom_id or "", plan.policy_digest) and not reviewed(zoom_id)
    )


def announced(history: History, effect: Decision, policy: Policy, now: datetime) -> str:
    """The announcement of this leaver that is open now, or nothing: known leavers only, each once."""
    if effect.action is not Action.DEACTIVATE or effect.reason not in KNOWN_LEAVERS:
        return ""
    found = [
        one
        for one in history.announced.values()
        if one.starts_at <= now < one.ends_at and effect.key[0] in one.zoom_ids and (one.id, *effect.key) not in history.used
    ]
    return found[0].id if found and len(people_of(found)) >= policy.approvals_required else ""
