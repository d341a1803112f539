"""People who could not be read: who of them matters, who may own anything, and how many are too many."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from syncd.errors import SourceError
from syncd.model import Person, Policy, Reason
from syncd.planning.clarity import demand_clear, nameless, unclear_people
from syncd.planning.entitlement import entitled_people, grace_of, standing
from tests import whole
from tests.planning.strategies import NOW

UNREAD = Person("p", (), unclear="no right", entitled_by=("g",))
POLICY = Policy("a", ("corp.example",))


@pytest.mark.parametrize(
    ("people", "remembered", "expected"),
    [
        ([], [], False),
        ([UNREAD], [], True),
        ([UNREAD], ["p"], False),
        ([UNREAD], ["q"], True),
        ([structs.replace(UNREAD, mains=("a@corp.example",))], [], False),
        ([structs.replace(UNREAD, aliases=("a@corp.example",))], [], False),
        ([structs.replace(UNREAD, entitled_by=())], [], False),
        ([structs.replace(UNREAD, entitled_by=(), membership_unknown=True)], [], True),
        ([structs.replace(UNREAD, entitled_by=(), protected_by=("h",))], [], False),
        ([UNREAD, structs.replace(UNREAD, id="q")], ["p"], True),
        ([UNREAD, structs.replace(UNREAD, id="q")], ["p", "q"], False),
    ],
)
def test_who_may_own_any_account_at_all(people: list[Person], remembered: list[str], expected: bool):
    """No address, no memory, and entitled or perhaps so. Each for themselves."""
    assert expected == nameless(people, remembered)


@pytest.mark.parametrize(
    ("person", "matters"),
    [
        (UNREAD, True),
        (structs.replace(UNREAD, unclear=""), False),
        (structs.replace(UNREAD, unclear="", unclean=("a@b; c@d",)), True),
        (structs.replace(UNREAD, entitled_by=()), False),
        (structs.replace(UNREAD, entitled_by=(), protected_by=("h",)), True),
        (structs.replace(UNREAD, id="out"), False),
    ],
)
def test_whoever_matters_is_unclear(person: Person, matters: bool):
    """Others entitle nobody, whoever they are."""
    policy = replace(POLICY, ignore_people=("out",))

    assert ([person] if matters else []) == list(unclear_people(whole.directory("file", NOW, [person]), policy))


@pytest.mark.parametrize(
    ("count", "entitled", "too_many"),
    [
        (3, 0, False),
        (4, 0, True),
        (4, 399, True),
        (4, 400, False),
        (5, 400, True),
        (0, 0, False),
    ],
)
def test_more_than_single_broken_objects_are_refused(count: int, entitled: int, too_many: bool):
    """The larger of three and 1 %."""
    people = [structs.replace(UNREAD, id=f"p{number}") for number in range(count)]
    if not too_many:
        demand_clear(people, entitled)
        return
    most = max(3, entitled // 100)
    with pytest.raises(SourceError, match=f"^{count} people of the directory could not be read, at most {most} may be") as raised:
        demand_clear(people, entitled)
    assert "directory" == raised.value.source
    assert "match.ignore_people leaves out those that nobody can mend" in raised.value.do


@pytest.mark.parametrize(("count", "more"), [(5, False), (6, True)])
def test_five_of_them_are_named(count: int, more: bool):
    """And an ellipsis says that there are others."""
    with pytest.raises(SourceError) as raised:
        demand_clear([structs.replace(UNREAD, id=f"p{number}") for number in range(count)], 0)

    assert ("p4: " in str(raised.value), "p5: " in str(raised.value), "…" in str(raised.value)) == (True, False, more)


@pytest.mark.parametrize(
    ("changes", "policy", "expected"),
    [
        ({}, {}, Reason.IN_STEP),
        ({"leaver_by": ("L",)}, {}, Reason.IN_LEAVERS_GROUP),
        ({"leaver_by": ("L",), "enabled": False}, {}, Reason.IN_LEAVERS_GROUP),
        ({"enabled": False}, {}, Reason.DISABLED_IN_DIRECTORY),
        ({"enabled": False}, {"when_disabled": False}, Reason.IN_STEP),
        ({"expires_at": NOW}, {}, Reason.EXPIRED_IN_DIRECTORY),
        ({"expires_at": NOW}, {"when_expired": False}, Reason.IN_STEP),
        ({"expires_at": NOW + timedelta(seconds=1)}, {}, Reason.IN_STEP),
        ({"enabled": False, "expires_at": NOW}, {}, Reason.DISABLED_IN_DIRECTORY),
        ({"entitled_by": ()}, {}, Reason.LEFT_GROUPS),
        ({"entitled_by": (), "expires_at": NOW}, {}, Reason.EXPIRED_IN_DIRECTORY),
        ({"guest": True}, {"guests": False}, Reason.LEFT_GROUPS),
        ({"guest": True}, {"guests": True}, Reason.IN_STEP),
        ({}, {"guests": False}, Reason.IN_STEP),
        ({"unclear": "?"}, {}, Reason.DIRECTORY_UNCLEAR),
        ({"unclean": ("x",)}, {}, Reason.DIRECTORY_UNCLEAR),
        ({"unclear": "?", "leaver_by": ("L",)}, {}, Reason.DIRECTORY_UNCLEAR),
        ({"unclear": "?", "entitled_by": ()}, {}, Reason.LEFT_GROUPS),
        ({"unclear": "?", "entitled_by": (), "leaver_by": ("L",)}, {}, Reason.IN_LEAVERS_GROUP),
        ({"unclear": "?", "entitled_by": (), "membership_unknown": True}, {}, Reason.DIRECTORY_UNCLEAR),
    ],
)
def test_how_somebody_stands(changes: dict[str, object], policy: dict[str, object], expected: Reason):
    """The first check of the table that fits."""
    person = structs.replace(Person("p", ("ann@corp.example",), entitled_by=("g",)), **changes)  # type: ignore[arg-type]
    rules = replace(POLICY, **policy)  # type: ignore[arg-type]

    assert expected is standing(person, rules, NOW)
    assert (expected is Reason.IN_STEP) == entitled_people(whole.directory("file", NOW, [person]), rules, NOW)


@pytest.mark.parametrize(
    ("reason", "policy", "expected"),
    [
        (Reason.ABSENT_FROM_DIRECTORY, {}, (timedelta(hours=4), 3)),
        (Reason.LEFT_GROUPS, {}, (timedelta(hours=4), 3)),
        (Reason.LEFT_GROUPS, {"grace": timedelta(0)}, (timedelta(0), 1)),
        (Reason.DISABLED_IN_DIRECTORY, {}, (timedelta(hours=1), 1)),
        (Reason.IN_LEAVERS_GROUP, {}, (timedelta(hours=1), 1)),
        (Reason.EXPIRED_IN_DIRECTORY, {}, (timedelta(hours=1), 1)),
        (Reason.EXPIRED_IN_DIRECTORY, {"grace_for_expired": timedelta(hours=9)}, (timedelta(hours=9), 1)),
        (Reason.EXPIRED_IN_DIRECTORY, {"grace_for_expired": timedelta(0)}, (timedelta(0), 1)),
        (Reason.DISABLED_IN_DIRECTORY, {"grace_for_expired": timedelta(hours=9)}, (timedelta(hours=1), 1)),
    ],
)
def test_how_long_somebody_stays(reason: Reason, policy: dict[str, object], expected: tuple[timedelta, int]):
    """And in how many good reads in a row they must be gone."""
    rules = replace(
        POLICY,
        **{
            "grace": timedelta(hours=4),
            "grace_reads": 3,
            "grace_for_known_leavers": timedelta(hours=1),
            "grace_for_expired": None,
            **policy,
        },
    )  # type: ignore[arg-type]

    assert expected == grace_of(reason, rules)
