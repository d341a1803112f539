"""At which stage the handover of every leaver's content is, and to whom it would go. Pure; the table stands in
docs/explanation/handover.md.

Whatever speaks against it comes first, and in doubt an account stays: nothing here can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from syncd.ledger.history import History
from syncd.model import (
    HANDOVER,
    Approval,
    Decision,
    Guard,
    HandoverDone,
    HandoverItem,
    HandoverRules,
    Inventory,
    Kept,
    Person,
    Policy,
    Reason,
    Stage,
    Standing,
    Status,
    ZoomAccount,
)
from syncd.planning.approved import people_of, required, running
from syncd.planning.entitlement import standing
from syncd.planning.managers import MANAGERS_MAX
from syncd.planning.match import Addresses
from syncd.planning.protection import Patterns

#: More handovers to one receiver are named before anybody approves.
MANY_TO_ONE = 5

#: How long an unanswered request may still be carried out; only then a handover that did not happen may be planned anew.
IN_FLIGHT = timedelta(minutes=10)

#: Zoom's number for a paid user; only such a one takes recordings and webinars.
LICENSED = 2
_NEED_A_LICENCE = frozenset({"recordings", "webinars"})

#: Decisions about an inactive account that are about something else than its person being entitled to it.
_NOT_ABOUT_RETURNING = frozenset({Reason.IN_STEP, Reason.ON_HOLD, Reason.EXEMPT, Reason.DIRECTORY_UNCLEAR})

#: Decisions under which an active account is nobody's who leaves.
_STAYS = frozenset({Reason.IN_STEP, Reason.EXEMPT, Reason.ON_HOLD})


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who would get the content, and by which rule: ``manager``, ``above`` (a manager's manager) or ``else``."""

    account: ZoomAccount
    rule: str


@dataclass(frozen=True, slots=True)
class Case:
    """One account and how far its handover is. *account* None: it is no longer in Zoom. *reason*: of ``kept``. *why_none*: why
    nobody would receive it."""

    zoom_id: str
    stage: Stage
    account: ZoomAccount | None = None
    reason: Kept | None = None
    deactivated_at: datetime | None = None
    due_at: datetime | None = None
    lost_at: datetime | None = None  # when Zoom itself may delete it, as far as its setting was told
    receiver: Receiver | None = None
    why_none: str = ""
    notes: tuple[str, ...] = ()
    approved_by: tuple[Approval, ...] = ()
    done: HandoverDone | None = None

    def item(self, rules: HandoverRules, *, reopen: bool = False) -> HandoverItem | None:
        """What a plan would bind; None without a receiver. *reopen*: a plan of the way over an active account."""
        if self.receiver is None:
            return None
        return HandoverItem(
            self.zoom_id, self.receiver.account.zoom_id or "", rules.end, rules.content, "hold_unchecked" in self.notes, reopen
        )


@dataclass(frozen=True)
class HandoverFacts:
    """What the stages are computed from: the decisions of one whole good read, its people, the ledger (with approvals that
    count alone), the rules. *managers*: zoom id -> directory ids or addresses, the leaver's manager first, as of the last read
    in which the leaver was entitled."""

    decisions: Sequence[Decision]
    people: Mapping[str, Person]
    history: History
    policy: Policy
    rules: HandoverRules
    managers: Mapping[str, Sequence[str]]
    now: datetime
    inventories: Mapping[str, tuple[datetime, Inventory]] = field(default_factory=dict)  # zoom id -> what it held, when
    addresses: Addresses = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", Addresses(self.policy))

    @cached_property
    def by_address(self) -> Mapping[str, tuple[Person, ...]]:
        """Main claimants by address key."""
        found: dict[str, tuple[Person, ...]] = {}
        for person in self.people.values():
            for key in map(self.addresses.canonical, person.mains):
                found[key] = (*found.get(key, ()), person)
        return found

    @cached_property
    def accounts_of(self) -> Mapping[str, tuple[Decision, ...]]:
        """Decisions about active accounts by their person."""
        found: dict[str, tuple[Decision, ...]] = {}
        for one in self.decisions:
            if one.account.status is Status.ACTIVE and one.directory_id:
                found[one.directory_id] = (*found.get(one.directory_id, ()), one)
        return found

    @cached_property
    def by_email(self) -> Mapping[str, Decision]:
        """Decisions by the address of their account."""
        return {self.addresses.key(one.account.email): one for one in self.decisions if one.account.zoom_id is not None}

    @cached_property
    def holds(self) -> Patterns:
        """Addresses under legal hold."""
        return Patterns(self.rules.hold_accounts, self.addresses)

    @cached_property
    def never_to_manager(self) -> Patterns:
        """Leavers whose manager gets nothing."""
        return Patterns(self.rules.never_to_manager, self.addresses)

    def owners(self, decision: Decision) -> tuple[Person, ...]:
        """Whose account it is: the person decided about, the remembered one, and main claimants of its address."""
        ids = (decision.directory_id, self.history.pairs.get(decision.account.zoom_id or ""))
        known = [self.people[id_] for id_ in ids if id_ is not None and id_ in self.people]
        main = self.by_address.get(self.addresses.key(decision.account.email), ())
        return tuple({person.id: person for person in (*known, *main)}.values())


# ------------------------------------------------------------------------------------------------------------ the stages


def cases(facts: HandoverFacts) -> tuple[Case, ...]:
    """Every account in scope that is deactivated, and every one that was handed over."""
    found = [
        _case(facts, one)
        for one in facts.decisions
        if one.account.zoom_id is not None
        and one.reason is not Reason.OUT_OF_SCOPE
        and (one.account.status is Status.INACTIVE or _open(facts, one.account.zoom_id))
    ]
    there = {one.account.zoom_id for one in facts.decisions}
    ended = (gone(zoom_id, done) for zoom_id, done in facts.history.handovers.items() if zoom_id not in there)
    found += [one for one in ended if one is not None]
    return tuple(sorted(found, key=lambda one: one.zoom_id))


def _open(facts: HandoverFacts, zoom_id: str) -> bool:
    done = facts.history.handovers.get(zoom_id)
    return done is not None and done.state == Stage.HANDING_OVER


def gone(zoom_id: str, done: HandoverDone) -> Case | None:
    """An account Zoom no longer shows: a lost answer is told by that. None: it was not by us."""
    if done.state == "refused":
        return None  # somebody else deleted it
    if done.state == Stage.HANDING_OVER:
        return Case(zoom_id, Stage.HANDING_OVER, done=done)
    notes = ("seen_gone",) if done.state == Stage.UNCONFIRMED else ()
    return Case(zoom_id, Stage.HANDED_OVER, notes=notes, done=done)


def _case(facts: HandoverFacts, decision: Decision) -> Case:
    account, history = decision.account, facts.history
    zoom_id = account.zoom_id or ""
    done = history.handovers.get(zoom_id)
    if done is not None and done.state == Stage.HANDING_OVER:
        return Case(zoom_id, Stage.HANDING_OVER, account, done=done)
    receiver, why_none = receiver_of(facts, decision)
    last = history.deactivated.get(zoom_id)
    owners = facts.owners(decision)
    notes: list[str] = []
    if not owners and facts.rules.holds_by_group:
        notes.append("hold_unchecked")
    case = Case(
        zoom_id,
        Stage.KEPT,
        account,
        deactivated_at=last.at if last is not None else None,
        lost_at=_lost_at(facts, zoom_id),
        receiver=receiver,
        why_none=why_none,
        done=done,
    )
    if done is not None and done.state in (Stage.UNCONFIRMED, Stage.HANDED_OVER):
        # Zoom said nothing we could believe, or that it is gone, and it is still there.
        due_at = _due_at(facts, decision, owners)  # it may have been switched off anew since
        again = (
            facts.now - (done.settled_at or done.at) >= IN_FLIGHT
            and due_at is not None
            and facts.now >= due_at
            and _against(facts, decision, owners) is None
            and receiver is not None
        )
        return replace(case, stage=Stage.UNCONFIRMED, notes=(*notes, *(("may_be_planned_anew",) if again else ())))
    against = _against(facts, decision, owners)
    due_at = _due_at(facts, decision, owners)
    if against is not None:
        return replace(case, reason=against, due_at=due_at, notes=tuple(notes))
    if receiver is None:
        return replace(case, reason=Kept.NO_RECEIVER, due_at=due_at, notes=tuple(notes))
    if due_at is None or facts.now < due_at:
        return replace(case, stage=Stage.WAITING, due_at=due_at, notes=tuple(notes))
    case = replace(case, stage=Stage.DUE, due_at=due_at, notes=tuple(notes))
    approvals = approvals_of(facts, case)
    return replace(case, stage=Stage.APPROVED, approved_by=approvals) if approvals else case


def _against(facts: HandoverFacts, decision: Decision, owners: Sequence[Person]) -> Kept | None:
    """What keeps an inactive account as it is, however long ago it was switched off; the first that fits."""
    zoom_id = decision.account.zoom_id or ""
    last = facts.history.deactivated.get(zoom_id)
    if last is None or not last.stands:
        return Kept.NOT_OURS
    if held(facts, decision, owners):
        return Kept.LEGAL_HOLD
    standings = {standing(person, facts.policy, facts.now) for person in owners}
    if decision.reason not in _NOT_ABOUT_RETURNING or Reason.IN_STEP in standings:
        return Kept.ENTITLED_AGAIN
    if decision.reason is Reason.ON_HOLD:
        return Kept.ON_HOLD
    if decision.reason is Reason.EXEMPT:
        return Kept.EXEMPT
    if decision.reason is Reason.DIRECTORY_UNCLEAR or any(person.cause for person in owners):
        return Kept.DIRECTORY_UNCLEAR
    return Kept.MAY_RETURN if stands(facts, decision, owners) is Standing.MAY_RETURN else None


def held(facts: HandoverFacts, decision: Decision, owners: Sequence[Person]) -> bool:
    """Whether a legal hold stands: by address, by a group read now, or by one seen since the last read in which the person was
    entitled."""
    keys = [facts.addresses.key(decision.account.email), *(key for person in owners for key in person.addresses)]
    memory = facts.history.leavers.get(decision.account.zoom_id or "")
    return facts.holds.any(keys) or any(person.held_by for person in owners) or (memory is not None and memory.held)


def stands(facts: HandoverFacts, decision: Decision, owners: Sequence[Person]) -> Standing:
    """What the directory says of the person behind an account; of several the one who may return counts."""
    if any(standing(person, facts.policy, facts.now) is Reason.IN_STEP for person in owners):
        return Standing.ENTITLED
    keys = {facts.addresses.key(decision.account.email), *(key for person in owners for key in person.mains)}
    if keys & facts.rules.leavers:
        return Standing.LEAVER
    if not owners:
        return Standing.ABSENT
    return Standing.LEAVER if all(person.leaver_by for person in owners) else Standing.MAY_RETURN


def _lost_at(facts: HandoverFacts, zoom_id: str) -> datetime | None:
    """When Zoom's own setting deletes the account with all it holds, whatever is decided here."""
    last, deletes = facts.history.deactivated.get(zoom_id), facts.rules.zoom_deletes_after
    return last.at + deletes if last is not None and deletes is not None else None


def _due_at(facts: HandoverFacts, decision: Decision, owners: Sequence[Person]) -> datetime | None:
    """When the retention ends. Somebody absent must have been so for the whole of it; nobody knows yet: None."""
    zoom_id = decision.account.zoom_id or ""
    last = facts.history.deactivated.get(zoom_id)
    if last is None:
        return None
    if stands(facts, decision, owners) is not Standing.ABSENT:
        return last.at + facts.rules.after
    memory = facts.history.leavers.get(zoom_id)
    if memory is None or memory.standing != Standing.ABSENT:
        return None
    return max(last.at, memory.since) + facts.rules.after


def approvals_of(facts: HandoverFacts, case: Case, plan_digest: str = "") -> tuple[Approval, ...]:
    """The running approvals that let exactly this handover pass, when enough people gave them for one plan (for the one named,
    where one is); else none."""
    item = case.item(facts.rules)
    fitting = [
        one
        for one in running(facts.history, Guard.HANDOVER, facts.policy, facts.now)
        if plan_digest in ("", one.plan_digest)
        and (case.zoom_id, HANDOVER) in one.effects
        and (one.id, case.zoom_id, HANDOVER) not in facts.history.used
        and (plan := facts.history.handover_plans.get(one.plan_digest)) is not None
        and any(replace(one, reopen=False) == item for one in plan.items)
    ]
    needed = required(Guard.HANDOVER, facts.policy, facts.history)
    for digest in dict.fromkeys(one.plan_digest for one in fitting):
        of_plan = tuple(one for one in fitting if one.plan_digest == digest)
        if len(people_of(of_plan)) >= needed:
            return of_plan
    return ()


# ---------------------------------------------------------------------------------------------------------- the receiver


def receiver_of(facts: HandoverFacts, decision: Decision) -> tuple[Receiver | None, str]:
    """Who gets the content of this account, or nobody and why: the remembered manager, the first of up to three above who can,
    else ``receiver.else``."""
    why = []
    leaver = decision.account.zoom_id or ""
    if facts.rules.to_manager:
        keys = [facts.addresses.key(decision.account.email), *(key for one in facts.owners(decision) for key in one.addresses)]
        if facts.never_to_manager.any(keys):
            why.append("never to the manager")
        else:
            chain = facts.managers.get(leaver, ())[:MANAGERS_MAX]
            why += [] if chain else ["no manager is remembered"]
            for at, name in enumerate(chain):
                found, trouble = _manager(facts, name, leaver)
                if found is not None:
                    return Receiver(found, "above" if at else "manager"), ""
                why.append(f"{'the manager' if not at else f'manager {at} above'} {trouble}")
    if facts.rules.otherwise:
        one = facts.by_email.get(facts.addresses.key(facts.rules.otherwise))
        trouble = "has no account in Zoom" if one is None else cannot_receive(one, facts.rules, leaver)
        if one is not None and not trouble:
            return Receiver(one.account, "else"), ""
        why.append(f"receiver.else {trouble}")
    return None, "; ".join(why)


def _manager(facts: HandoverFacts, name: str, leaver: str) -> tuple[ZoomAccount | None, str]:
    person = facts.people.get(name)
    if person is None and "@" in name:
        claimants = facts.by_address.get(facts.addresses.key(name), ())
        person = claimants[0] if len(claimants) == 1 else None
    if person is None:
        return None, "is not in the directory"
    if standing(person, facts.policy, facts.now) is not Reason.IN_STEP:
        return None, "is not entitled"
    trouble = "has no active account in Zoom"
    for one in facts.accounts_of.get(person.id, ()):
        trouble = cannot_receive(one, facts.rules, leaver)
        if not trouble:
            return one.account, ""
    return None, trouble


def cannot_receive(decision: Decision, rules: HandoverRules, leaver: str) -> str:
    """Why this account takes no content, or nothing."""
    account = decision.account
    if account.zoom_id == leaver:
        return "is the leaver"
    if account.status is not Status.ACTIVE:
        return "is not active"
    if decision.reason is Reason.OUT_OF_SCOPE:
        return "is out of scope"
    if decision.reason not in _STAYS:
        return "is a leaver"
    if account.type != LICENSED and not account.plan and _NEED_A_LICENCE & set(rules.content):
        return "has no licence, which recordings and webinars need"
    return ""


def many_to_one(found: Sequence[Case]) -> dict[str, int]:
    """Receivers of more than five of these: zoom id -> how many."""
    counts: dict[str, int] = {}
    for one in found:
        if one.receiver is not None:
            id_ = one.receiver.account.zoom_id or ""
            counts[id_] = counts.get(id_, 0) + 1
    return {id_: count for id_, count in counts.items() if count > MANY_TO_ONE}


def sent_today(history: History, now: datetime) -> int:
    """Handovers announced within 24 hours, whatever became of them."""
    return sum(1 for one in history.handovers.values() if now - one.at < timedelta(days=1))
