"""Whether one person is entitled to a Zoom account, and if not, why not. The order of the checks is the decision table's."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.model import DirectorySnapshot, Person, Policy, Reason

#: Standings of somebody who is known to have left: one read is enough, and a grace of their own applies.
KNOWN_LEAVERS = frozenset({Reason.IN_LEAVERS_GROUP, Reason.DISABLED_IN_DIRECTORY, Reason.EXPIRED_IN_DIRECTORY})

#: Standings under which an active account goes once its grace has passed.
GONE = KNOWN_LEAVERS | {Reason.LEFT_GROUPS, Reason.ABSENT_FROM_DIRECTORY}


def standing(person: Person, policy: Policy, now: datetime) -> Reason:
    """``in_step`` when entitled, ``directory_unclear`` when they could not be read, else the reason of the table. Somebody
    unclear who is known to be in no entitling or protecting group entitles nobody."""
    if person.unclear or person.unclean:
        return (
            Reason.DIRECTORY_UNCLEAR
            if person.matters_unclear
            else (Reason.IN_LEAVERS_GROUP if person.leaver_by else Reason.LEFT_GROUPS)
        )
    if person.leaver_by:
        return Reason.IN_LEAVERS_GROUP
    if policy.when_disabled and not person.enabled:
        return Reason.DISABLED_IN_DIRECTORY
    if policy.when_expired and person.expires_at is not None and person.expires_at <= now:
        return Reason.EXPIRED_IN_DIRECTORY
    if not person.entitled_by or (person.guest and not policy.guests):
        return Reason.LEFT_GROUPS
    return Reason.IN_STEP


def entitled_people(directory: DirectorySnapshot, policy: Policy, now: datetime) -> int:
    """How many people of the directory are entitled to a Zoom account."""
    return sum(1 for person in directory.people if standing(person, policy, now) is Reason.IN_STEP)


def grace_of(reason: Reason, policy: Policy) -> tuple[timedelta, int]:
    """How long somebody with this standing stays (and in how many good reads in a row they must be gone)."""
    if reason is Reason.EXPIRED_IN_DIRECTORY and policy.grace_for_expired is not None:
        return policy.grace_for_expired, 1
    if reason in KNOWN_LEAVERS:
        return policy.grace_for_known_leavers, 1
    return policy.grace, policy.grace_reads if policy.grace else 1
