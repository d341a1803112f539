"""Who is never changed: patterns, people and roles. What follows from it, as stories: tests/scenarios/06."""

from __future__ import annotations

import pytest

from syncd.model import Person, Policy, Status, ZoomAccount
from syncd.planning.match import Addresses
from syncd.planning.protection import Patterns, Protection

POLICY = Policy("a", ("corp.example",), domain_aliases=(("old.example", "corp.example"),))
ADDRESSES = Addresses(POLICY)
ACCOUNT = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, role_id="2", role="Member")
ANN, BOB = Person("ann", ("ann@corp.example",)), Person("bob", ("bob@corp.example",))


def protection(groups: dict[str, str] | None = None, **policy: object) -> Protection:
    """What a policy protects."""
    made = Policy("a", ("corp.example",), domain_aliases=POLICY.domain_aliases, **policy)  # type: ignore[arg-type]
    return Protection(made, groups or {}, ADDRESSES)


@pytest.mark.parametrize(
    ("pattern", "key", "covered"),
    [
        ("svc[ab]*@corp.example", "svc[ab]-1@corp.example", True),
        ("svc[ab]*@corp.example", "svca@corp.example", False),  # no class of characters
        ("svc-?@corp.example", "svc-1@corp.example", True),
        ("svc-?@corp.example", "svc-12@corp.example", False),
        ("svc-*@corp.example", "svc-@corp.example", True),
        ("svc-*@corp.example", "xsvc-1@corp.example", False),
        ("*@sub.corp.example", "ann@sub.corp.example", True),
        ("*@sub.corp.example", "ann@sub.corp.example.net", False),
        ("svc.a@corp.example", "svcxa@corp.example", False),  # no pattern at all
        (" Ann@Corp.Example ", "ann@corp.example", True),
        ("ann@old.example", "ann@corp.example", True),  # an alias counts as its target
        ("*n@old.example", "ann@corp.example", True),
        ("ann@corp.example", "ann@old.example", True),
        ("*n@corp.example", "ann@old.example", True),
        ("b*@corp.example", "ann@old.example", False),
        ("*", "ann@corp.example", True),
        ("*@stra\u00dfe.example", "ann@xn--strae-oqa.example", True),
        ("ann@stra\u00dfe.example", "ann@xn--strae-oqa.example", True),
        ("*@strasse.example", "ann@xn--strae-oqa.example", False),
        ("*@xn--strae-oqa.example", "ann@xn--strae-oqa.example", True),
        ("bob@corp.example", "ann@corp.example", False),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, key: str, covered: bool):
    """Stars and question marks, and nothing else."""
    patterns = Patterns((pattern,), ADDRESSES)

    assert covered == patterns.match(key)
    assert covered == patterns.any(("zoe@corp.example", key))


def test_no_patterns_cover_nobody():
    """And say so."""
    assert (False, True, True) == (
        bool(Patterns((), ADDRESSES)),
        bool(Patterns(("a@b",), ADDRESSES)),
        bool(Patterns(("*@b",), ADDRESSES)),
    )
    assert not Patterns((), ADDRESSES).match("ann@corp.example")
    assert not protection().outside_pilot("ann@corp.example")
    assert [True, False] == [protection(pilot=("bob@*",)).outside_pilot(f"{name}@corp.example") for name in ("ann", "bob")]


@pytest.mark.parametrize("claimants", [[ANN, Person("vip", protected_by=("VIP",))], [Person("vip", protected_by=("VIP",)), ANN]])
def test_each_of_several_claimants_may_bring_the_protection_of_their_group(claimants: list[Person]):
    """In whatever order they are found."""
    assert "directory_group" == protection().exempt(ACCOUNT, "ann@corp.example", claimants)
    assert "" == protection().exempt(ACCOUNT, "ann@corp.example", [ANN, BOB])


def test_a_protected_address_covers_every_account_of_whoever_has_it():
    """Any of several claimants, by any of their addresses."""
    known = protection(protect_accounts=("boss@corp.example",))
    boss = Person("boss", ("other@corp.example",), aliases=("boss@corp.example",))

    assert "account" == known.exempt(ACCOUNT, "boss@corp.example", [])
    assert "account" == known.exempt(ACCOUNT, "ann@corp.example", [ANN, boss])
    assert "" == known.exempt(ACCOUNT, "ann@corp.example", [ANN, BOB])
    assert [True, False] == [known.may_exempt(ACCOUNT, person) for person in (boss, ANN)]


def test_a_group_of_zoom_protects_its_members_whatever_its_case():
    """By name; the account shows ids."""
    known = protection({"g1": "Meeting ROOMS", "g2": "Staff"}, protect_groups=("meeting rooms",))
    inside = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, group_ids=("g2", "g1"))
    beside = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, group_ids=("g2",))

    assert ["zoom_group", "", ""] == [known.exempt(one, "ann@corp.example", [ANN]) for one in (inside, beside, ACCOUNT)]
    assert [True, False] == [known.may_exempt(one, ANN) for one in (inside, ACCOUNT)]


@pytest.mark.parametrize(
    ("role", "remembered", "room", "protected"),
    [
        ("Member", None, False, False),
        ("MEMBER", "Admin", False, False),
        (None, "Member", False, False),
        ("Admin", None, False, True),
        ("Admin", "Member", False, True),
        (None, "Admin", False, True),
        (None, None, False, True),
        ("Member", "Member", True, True),
    ],
)
def test_any_role_not_known_to_be_ordinary_protects(role: str | None, remembered: str | None, room: bool, protected: bool):
    """A remembered one stands in for one that Zoom does not show."""
    account = ZoomAccount("z", "ann@corp.example", Status.INACTIVE, role=role, room=room)

    assert protected == protection(ordinary_roles=("member",)).protected(account, remembered)


@pytest.mark.parametrize(
    ("pattern", "person", "may"),
    [
        ("svc-*", Person("p", ("svc-1@corp.example",)), True),
        ("svc-*", Person("p", ("x@corp.example",)), False),
        ("svc-*", Person("p", ("x@corp.example",), aliases=("svc-1@corp.example",)), True),
        ("*@vip.example", Person("p", ("x@corp.example", "x@vip.example")), True),
        ("*@vip.example", ANN, False),
        ("?nn@corp.example", ANN, True),
        ("ann@corp.example", ANN, True),
        ("bob@corp.example", ANN, False),
        ("*", ANN, True),
        ("ann@*", Person("p", ("ann@old.example",)), True),
        ("x@y.example", Person("p", protected_by=("VIP",)), True),
    ],
)
def test_whoever_may_be_exempt_is_asked_about(pattern: str, person: Person, may: bool):
    """Quickly; whoever may not is never covered."""
    known = protection(protect_accounts=(pattern,))

    assert may == known.may_exempt(ACCOUNT, person)
    assert may or not known.exempt(ACCOUNT, "other@corp.example", [person])
    assert not protection().may_exempt(ACCOUNT, ANN)
