"""The last look before a handover's request: at the leaver, the receiver, both people, and what was said meanwhile. Whatever
speaks against it is found here; until the request is sent nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from syncd.errors import AccountUnreadable
from syncd.model import HANDOVER, Decision, Person, Policy, Reason, Standing, Status, ZoomAccount
from syncd.operations.dependencies import Dependencies
from syncd.operations.manual import protected_among
from syncd.planning.entitlement import standing
from syncd.planning.handover import Case, HandoverFacts, cannot_receive, held, stands


async def preflight(deps: Dependencies, policy: Policy, facts: HandoverFacts, case: Case) -> tuple[ZoomAccount, ZoomAccount, str]:
    """The leaver and the receiver as Zoom shows them right now, and why it must not be. Raises SourceError."""
    assert case.account is not None
    assert case.receiver is not None
    account, taker = case.account, case.receiver.account
    try:
        leaver, receiver = await deps.zoom.get_account(case.zoom_id), await deps.zoom.get_account(taker.zoom_id or "")
    except AccountUnreadable as error:
        return account, taker, error.what
    if leaver is None or leaver.status is not Status.INACTIVE:
        return account, taker, "the leaver's account is no longer deactivated"
    if receiver is None:
        return leaver, taker, "the receiver has no account in Zoom any more"
    decision = next(one for one in facts.decisions if one.account.zoom_id == case.zoom_id)
    receiving = next(one for one in facts.decisions if one.account.zoom_id == taker.zoom_id)
    if trouble := cannot_receive(_as_now(receiving, receiver), facts.rules, case.zoom_id):
        return leaver, receiver, f"the receiver {trouble}"
    if not facts.addresses.in_scope(receiver.email):
        return leaver, receiver, "the receiver is out of scope"
    people = await deps.directory.recheck_person(
        facts.history.pairs.get(case.zoom_id) or decision.directory_id, facts.addresses.forms(leaver.email)
    )
    found = await deps.directory.recheck_person(receiving.directory_id, facts.addresses.forms(receiver.email))
    leaving = _as_now(decision, leaver)
    protected = await protected_among(deps, policy, facts.history, (leaving,))
    # The ledger last: what people said while all that was asked counts, too.
    history, now = await deps.ledger.history(), deps.clock.now()
    fresh = replace(facts, people={person.id: person for person in people}, history=history, now=now)
    vanished = bool(facts.owners(decision)) and not fresh.owners(leaving)
    if against := "it is protected" if protected else _against_now(fresh, leaving, vanished=vanished):
        return leaver, receiver, against
    if not _may_receive(
        case.receiver.rule, receiving, [one for one in found if _is_theirs(one, receiving, receiver, facts)], policy, now
    ):
        return leaver, receiver, "the receiver is not entitled any more"
    if history.paused_since is not None:
        return leaver, receiver, "syncd was paused"
    used = {(one.id, case.zoom_id, HANDOVER) for one in case.approved_by} & set(history.used)
    return leaver, receiver, "its approval is used up" if used else ""


def _is_theirs(person: Person, receiving: Decision, receiver: ZoomAccount, facts: HandoverFacts) -> bool:
    """Whether this is who the receiving account belongs to: an alias of somebody else's says nothing of it."""
    return person.id == receiving.directory_id or facts.addresses.key(receiver.email) in map(
        facts.addresses.canonical, person.mains
    )


def _may_receive(rule: str, receiving: Decision, found: Sequence[Person], policy: Policy, now: datetime) -> bool:
    """A manager must be entitled. The last resort need not be in the directory, but whoever is there must not have left,
    unless the account is exempt."""
    entitled = [one.id for one in found if standing(one, policy, now) is Reason.IN_STEP]
    if rule != "else":
        return receiving.directory_id in entitled
    return receiving.reason is Reason.EXEMPT or bool(entitled) or not (found or receiving.directory_id)


def _against_now(facts: HandoverFacts, decision: Decision, *, vanished: bool) -> str:
    owners = facts.owners(decision)
    if facts.history.on_hold(decision.account.zoom_id or "", facts.now):
        return "it is on hold"
    if held(facts, decision, owners):
        return "a legal hold stands"
    if any(person.cause for person in owners):
        return "the person could not be read"
    if any(person.protected_by for person in owners):
        return "the person is protected"
    said = stands(facts, decision, owners)
    if vanished and (facts.rules.holds_by_group or said is Standing.ABSENT):
        # Not for the whole of the retention, and no plan said that a legal hold cannot be checked.
        return "the person is no longer in the directory now"
    return f"the person is {said.value} now" if said in ("entitled", "may_return") else ""


def _as_now(decision: Decision, account: ZoomAccount) -> Decision:
    """The decision, about the account as it shows now."""
    return Decision(account, decision.action, decision.reason, decision.directory_id)
