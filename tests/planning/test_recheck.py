"""The second look, right before a change."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from syncd.model import EFFECTS, Action, Decision, Person, Policy, Reason, SecondLook, Status, ZoomAccount
from syncd.planning.match import Addresses
from syncd.planning.recheck import account_as_planned, person_as_planned
from tests.planning.strategies import NOW, Case, cases

POLICY = Policy("a", ("corp.example",))
ANN = ZoomAccount("z", "Ann@corp.example", Status.ACTIVE, role_id="2", role="Member", type=2)
LEFT = Person("p", ("ann@corp.example",))
ENTITLED = replace(LEFT, entitled_by=("g",))
DISABLED = replace(ENTITLED, enabled=False)
UNCLEAR = replace(ENTITLED, unclear="?")
OTHER = replace(ENTITLED, id="q")


BY_ALIAS = replace(ENTITLED, id="boss", mains=("boss@corp.example",), aliases=("ann@corp.example",))


def off(reason: Reason, **look: Any) -> Decision:
    return Decision(ANN, Action.DEACTIVATE, reason, "p", second_look=SecondLook(("p",), remembered=("p",), **look))


def later(named: str) -> Decision:
    return Decision(
        ANN, Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, named, second_look=SecondLook(("p",), ("boss",), remembered=("p",))
    )


ON = Decision(
    replace(ANN, status=Status.INACTIVE),
    Action.REACTIVATE,
    Reason.ENTITLED_AGAIN,
    "p",
    second_look=SecondLook(("p",), remembered=("old", "p")),
)


ELSEWHERE = replace(ENTITLED, mains=("ann.lee@corp.example",))


def back(same: tuple[str, ...]) -> Decision:
    """Never remembered for anybody."""
    return replace(ON, second_look=SecondLook(("p",), same=same))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"email": "ann@CORP.example"}, True),
        ({"type": 1}, True),
        ({"display_name": "Ann Lee"}, True),
        ({"role_id": None}, True),
        ({"status": Status.INACTIVE}, False),
        ({"status": Status.PENDING}, False),
        ({"email": "ann.new@corp.example"}, False),
        ({"role_id": "1"}, False),
        ({"room": True}, False),
    ],
)
def test_the_account_must_be_as_planned(change: dict[str, Any], expected: bool):
    """State, address and role; a single read may leave the role out."""
    assert expected == account_as_planned(off(Reason.LEFT_GROUPS), replace(ANN, **change))


def test_an_account_that_is_gone_is_not_as_planned():
    """Nothing to do any more."""
    assert not account_as_planned(off(Reason.LEFT_GROUPS), None)


@pytest.mark.parametrize(
    ("decision", "people", "expected"),
    [
        (off(Reason.LEFT_GROUPS), [LEFT], True),
        (off(Reason.LEFT_GROUPS), [ENTITLED], False),
        (off(Reason.LEFT_GROUPS), [LEFT, OTHER], False),
        (off(Reason.LEFT_GROUPS), [LEFT, UNCLEAR], False),
        (off(Reason.LEFT_GROUPS), [replace(LEFT, protected_by=("VIP",))], False),
        (off(Reason.LEFT_GROUPS), [DISABLED], False),  # another reason, maybe another grace
        (off(Reason.LEFT_GROUPS), [], False),
        (off(Reason.DISABLED_IN_DIRECTORY), [DISABLED], True),
        (off(Reason.DISABLED_IN_DIRECTORY), [DISABLED, replace(LEFT, id="q")], True),
        (off(Reason.LEFT_GROUPS), [LEFT, BY_ALIAS], False),  # nobody knew of them at the plan
        (off(Reason.LEFT_GROUPS, elsewhere=("boss",)), [LEFT, BY_ALIAS], True),
        (off(Reason.LEFT_GROUPS, elsewhere=("boss",)), [LEFT, replace(BY_ALIAS, unclear="?")], True),
        (off(Reason.LEFT_GROUPS, elsewhere=("boss",)), [LEFT, replace(BY_ALIAS, protected_by=("VIP",))], True),
        (off(Reason.LEFT_GROUPS, elsewhere=("boss",)), [LEFT, replace(BY_ALIAS, mains=("ann@corp.example",), aliases=())], False),
        (off(Reason.LEFT_GROUPS, elsewhere=("boss",)), [LEFT, BY_ALIAS, replace(BY_ALIAS, id="q")], False),
        (off(Reason.ABSENT_FROM_DIRECTORY, elsewhere=("boss",)), [BY_ALIAS, replace(BY_ALIAS, id="q", entitled_by=())], True),
        (off(Reason.ABSENT_FROM_DIRECTORY, elsewhere=("boss",)), [BY_ALIAS, LEFT], False),
        (off(Reason.LEFT_GROUPS), [replace(LEFT, mains=("ann.new@corp.example",))], True),  # by memory
        (off(Reason.LEFT_GROUPS), [replace(ENTITLED, mains=("ann.new@corp.example",))], False),
        (off(Reason.ABSENT_FROM_DIRECTORY), [], True),
        (off(Reason.ABSENT_FROM_DIRECTORY), [LEFT], False),
        (later("boss"), [LEFT, replace(BY_ALIAS, enabled=False)], True),  # whom the plan names has it by alias, and went later
        (later("boss"), [LEFT, replace(BY_ALIAS, leaver_by=("L",))], False),
        (later("nobody"), [LEFT, replace(BY_ALIAS, enabled=False)], False),
        (ON, [ENTITLED], True),
        (ON, [ENTITLED, replace(DISABLED, id="q")], False),  # a known leaver has the same main address
        (ON, [ENTITLED, replace(LEFT, id="q")], True),
        (ON, [ENTITLED, BY_ALIAS], True),
        (ON, [ENTITLED, replace(UNCLEAR, id="old")], False),
        (ON, [ENTITLED, replace(DISABLED, id="old")], True),  # the same person, under an earlier id
        (back(same=("left", "p")), [ENTITLED, replace(DISABLED, id="left")], True),  # the same person, by their number
        (back(same=("left", "p")), [ENTITLED, replace(ENTITLED, id="left")], False),  # two living entries are two people
        (back(same=("left", "p")), [ENTITLED, replace(UNCLEAR, id="left")], False),
        (back(same=("left", "p")), [ENTITLED, replace(DISABLED, id="left"), replace(DISABLED, id="q")], False),
        (back(same=("left", "p")), [ELSEWHERE, replace(DISABLED, id="left")], True),  # only the old entry has the address
        (back(same=()), [ELSEWHERE, replace(DISABLED, id="left")], False),
        (ON, [replace(ENTITLED, protected_by=("VIP",))], False),
        (ON, [ENTITLED, OTHER], False),
        (ON, [OTHER], False),
        (ON, [DISABLED], False),
        (ON, [], False),
        (ON, [ENTITLED, replace(UNCLEAR, id="q")], False),
    ],
)
def test_the_person_must_be_as_planned(decision: Decision, people: list[Person], expected: bool):
    """Nobody entitled, unclear or protected for a deactivation; exactly the planned one for a reactivation."""
    assert expected == person_as_planned(decision, people, POLICY, NOW)


@settings(max_examples=200)
@given(cases())
def test_a_directory_that_did_not_change_shows_the_person_as_planned(case: Case):
    """Else the change is planned for ever, and skipped for ever."""
    case = dataclasses.replace(
        case, policy=dataclasses.replace(case.policy, person_number="employeeID", pilot=(), reactivate="any")
    )
    for decision in case.plan().decisions:
        if decision.action in EFFECTS and decision.second_look is not None:
            forms = set(Addresses(case.policy).forms(decision.account.email))
            ids = set(decision.second_look.people)
            people = [one for one in case.directory.people if one.id in ids or not forms.isdisjoint(one.addresses)]
            assert person_as_planned(decision, people, case.policy, NOW), (decision, people)
