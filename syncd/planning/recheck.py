"""Whether a planned change is still right, judged by a second, independent look at the account and at the person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from syncd.model import Action, Decision, Person, Policy, Reason, ZoomAccount, address_key
from syncd.planning.entitlement import standing


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
    """For a deactivation: nobody found now is entitled, unclear or under protection, and the planned reason still holds.
    For a reactivation: exactly one entitled person claims the account, the planned one, and nobody is unclear."""
    reasons = {person.id: standing(person, policy, now) for person in people}
    found = set(reasons.values()) or {Reason.ABSENT_FROM_DIRECTORY}
    if Reason.DIRECTORY_UNCLEAR in found or any(person.protected_by for person in people):
        return False
    entitled = [id_ for id_, reason in reasons.items() if reason is Reason.IN_STEP]
    if decision.action is Action.REACTIVATE:
        return entitled == [decision.directory_id]
    return not entitled and decision.reason in found
