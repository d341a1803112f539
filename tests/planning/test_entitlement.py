"""Whether one person is entitled, and why not."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from syncd.model import Person, Policy, Reason
from syncd.planning.entitlement import KNOWN_LEAVERS, entitled_people, grace_of, standing
from tests import whole
from tests.planning.strategies import NOW

POLICY = Policy("a", ("corp.example",))
PAST, COMING = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (Person("p", entitled_by=("g",)), Reason.IN_STEP),
        (Person("p", entitled_by=("g",), expires_at=COMING), Reason.IN_STEP),
        (Person("p", entitled_by=("g",), protected_by=("v",)), Reason.IN_STEP),
        (Person("p"), Reason.LEFT_GROUPS),
        (Person("p", entitled_by=("g",), expires_at=PAST), Reason.EXPIRED_IN_DIRECTORY),
        (Person("p", entitled_by=("g",), enabled=False, expires_at=PAST), Reason.DISABLED_IN_DIRECTORY),
        (Person("p", entitled_by=("g",), leaver_by=("l",), enabled=False), Reason.IN_LEAVERS_GROUP),
        (Person("p", entitled_by=("g",), leaver_by=("l",), unclear="?"), Reason.DIRECTORY_UNCLEAR),
        (Person("p", unclear="?", membership_unknown=True), Reason.DIRECTORY_UNCLEAR),
        (Person("p", unclear="?", protected_by=("v",)), Reason.DIRECTORY_UNCLEAR),
        (Person("p", unclear="?", enabled=False), Reason.LEFT_GROUPS),  # in no group that matters: entitles nobody
        (Person("p", unclear="?", leaver_by=("l",)), Reason.IN_LEAVERS_GROUP),
        (Person("p", entitled_by=("g",), unclean=("a@b; c@d",)), Reason.DIRECTORY_UNCLEAR),
    ],
)
def test_the_first_reason_of_the_table_counts(person: Person, expected: Reason):
    """Doubt first, then leaver groups, disabled, expired, groups."""
    assert expected is standing(person, POLICY, NOW)


@pytest.mark.parametrize(("guest", "guests"), list(product([True, False], repeat=2)))
def test_a_guest_is_entitled_only_where_guests_are(guest: bool, guests: bool):
    """Found, but not entitled: left_groups."""
    expected = Reason.LEFT_GROUPS if guest and not guests else Reason.IN_STEP

    assert expected is standing(Person("p", entitled_by=("g",), guest=guest), Policy("a", ("c",), guests=guests), NOW)


def test_disabled_and_expired_count_only_when_asked_for():
    """when_disabled and when_expired."""
    person = Person("p", entitled_by=("g",), enabled=False, expires_at=PAST)

    assert Reason.EXPIRED_IN_DIRECTORY is standing(person, Policy("a", ("c",), when_disabled=False), NOW)
    assert Reason.IN_STEP is standing(person, Policy("a", ("c",), when_disabled=False, when_expired=False), NOW)


def test_entitled_people_are_counted_as_they_are_decided():
    """What the shrink guard compares."""
    people = [Person("p", entitled_by=("g",)), Person("q", entitled_by=("g",), enabled=False), Person("r")]

    assert 1 == entitled_people(whole.directory("file", NOW, people), POLICY, NOW)


@pytest.mark.parametrize("reason", sorted(KNOWN_LEAVERS))
def test_one_read_is_enough_for_known_leavers(reason: Reason):
    """With a grace of their own."""
    policy = Policy("a", ("c",), grace_for_known_leavers=timedelta(hours=1), grace_reads=9)

    assert (timedelta(hours=1), 1) == grace_of(reason, policy)


@pytest.mark.parametrize(("grace", "expected"), [(timedelta(hours=4), 3), (timedelta(0), 1)])
def test_no_grace_needs_one_read(grace: timedelta, expected: int):
    """grace: 0s means at once, whatever grace_reads says."""
    assert (grace, expected) == grace_of(Reason.LEFT_GROUPS, Policy("a", ("c",), grace=grace, grace_reads=3))
