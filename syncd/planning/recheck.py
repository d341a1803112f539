"""Whether a planned change is still right, judged by a second, independent look at the account and at the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from syncd.model import Action, Decision, Person, Policy, Reason, SecondLook, ZoomAccount, address_key, ignored_ids
from syncd.planning.entitlement import KNOWN_LEAVERS, standing
from syncd.planning.match import Addresses


def account_as_planned(decision: Decision, seen: ZoomAccount | None) -> bool:
    """The account is still there, in the same state and role, under the same address."""
    planned = decision.account
    return (
        seen is not None
        and seen.status is planned.status
        and address_key(seen.email) == address_key(planned.email)
        and (seen.role_id == planned.role_id or planned.role_id is None or seen.role_id is None)
        and not seen.room
    )


def person_as_planned(decision: Decision, people: Sequence[Person], policy: Policy, now: datetime) -> bool:
    """For a deactivation: none of its owners found now is entitled, unclear or under protection, nobody else who claims it is
    entitled but those who have an account elsewhere, and the planned reason still holds. For a reactivation: the planned
    person is entitled, and nobody else who owns it by main address is entitled, a known leaver, unclear or under protection.

    *people*: whoever the directory shows now under the ids of ``Decision.second_look`` or under the address.
    """
    look = decision.second_look or SecondLook(remembered=(decision.directory_id,) if decision.directory_id else ())
    ignored = ignored_ids(people, policy.ignore_people)
    people = [person for person in people if person.id not in ignored]
    mains = _by_main(decision.account.email, people, Addresses(policy))
    owners = [person for person in people if person.id in look.remembered or person in mains]
    if not {person.id for person in owners}.isdisjoint(look.same):  # what another entry of theirs claims, they claim
        owners += [person for person in people if person.id == decision.directory_id and person not in owners]
    others = [person for person in people if person not in owners]
    reasons = {person.id: standing(person, policy, now) for person in people}
    if any(person.protected_by for person in owners or others):
        return False
    if any(reasons[person.id] is Reason.DIRECTORY_UNCLEAR for person in owners):
        return False
    if decision.action is Action.REACTIVATE:
        return _is_theirs_alone(decision, look, owners, reasons)
    if any(reasons[person.id] is Reason.IN_STEP for person in owners):
        return False
    helpers = {person.id for person in others if reasons[person.id] in (Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR)}
    if helpers - set(look.elsewhere):
        return False
    # Whom the plan names may have the address as an alias only, and go later than its owner.
    named = [person for person in others if person.id == decision.directory_id and person.id in (*look.owners, *look.others)]
    gone = owners if look.elsewhere else [*owners, *named] or others
    return decision.reason in ({reasons[person.id] for person in gone} or {Reason.ABSENT_FROM_DIRECTORY})


def _by_main(email: str, people: Sequence[Person], addresses: Addresses) -> list[Person]:
    """Main claimants, as in ``claims.py``: an exact address outranks one of an aliased domain."""
    exact, form = address_key(email), addresses.key(email)
    return [person for person in people if exact in person.mains] or [
        person for person in people if form in map(addresses.canonical, person.mains)
    ]


def _is_theirs_alone(decision: Decision, look: SecondLook, owners: Sequence[Person], reasons: Mapping[str, Reason]) -> bool:
    left = {id_ for id_ in look.same if reasons.get(id_) in KNOWN_LEAVERS}  # of their entries only one may live
    same = {decision.directory_id, *look.remembered, *left}
    in_the_way = {reasons[person.id] for person in owners if person.id not in same}
    return (
        decision.directory_id in {person.id for person in owners}
        and reasons[decision.directory_id or ""] is Reason.IN_STEP
        and Reason.IN_STEP not in in_the_way
        and in_the_way.isdisjoint(KNOWN_LEAVERS)
    )
