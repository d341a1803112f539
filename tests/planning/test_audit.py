"""The second opinion on a plan: each rule, broken once. What the table plans never breaks one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import (
    Action,
    Deactivated,
    Decision,
    Gone,
    Hold,
    Person,
    Plan,
    Policy,
    Reason,
    Status,
    ZoomAccount,
)
from syncd.planning.audit import INVARIANTS, plan_audit
from syncd.planning.guards import Facts
from tests import whole
from tests.planning.shares import exercises, met, of_plan
from tests.planning.strategies import NOW, ROLES, Case, cases

POLICY = Policy("a", ("corp.example",), grace=timedelta(hours=4), grace_reads=2)
LONG_AGO = NOW - timedelta(hours=5)


def account(name: str, status: Status = Status.ACTIVE, **more: Any) -> ZoomAccount:
    return ZoomAccount(f"z-{name}", f"{name}@corp.example", status, **({"role_id": "2", "role": "Member"} | more))


def person(name: str, **more: Any) -> Person:
    return Person(f"p-{name}", (f"{name}@corp.example",), **more)


# Ann was disabled, Bob left the groups, Cid is gone altogether, Dan is back; Eve works here.
LEAVES, LEFT, GONE_, BACK, HERE = (
    Decision(account("ann"), Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, "p-ann", since=NOW, due_at=NOW),
    Decision(account("bob"), Action.DEACTIVATE, Reason.LEFT_GROUPS, "p-bob", since=LONG_AGO, due_at=NOW),
    Decision(account("cid"), Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY, None, since=LONG_AGO, due_at=NOW),
    Decision(account("dan", Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p-dan"),
    Decision(account("eve"), Action.KEEP, Reason.IN_STEP, "p-eve"),
)
PEOPLE = (
    person("ann", enabled=False, entitled_by=("G",)),
    person("bob"),
    person("dan", entitled_by=("G",)),
    person("eve", entitled_by=("G",)),
)


def sound() -> Facts:
    """A plan that may be carried out."""
    history = History(
        good_reads=5,
        pairs={"z-cid": "p-cid"},
        gone={"z-bob": Gone(LONG_AGO, 4), "z-cid": Gone(LONG_AGO, 5)},
        deactivated={"z-dan": Deactivated(NOW - timedelta(days=3), "c", "cycle", role_id="2")},
    )
    plan = Plan(NOW, POLICY.digest(), (LEAVES, LEFT, GONE_, BACK, HERE))
    zoom = whole.zoom("a", NOW, (one.account for one in plan.decisions), roles=ROLES, groups={"g": "Rooms"})
    return Facts(plan, history, POLICY, NOW, whole.directory("file", NOW, PEOPLE), zoom, False, 2)


def with_decision(facts: Facts, before: Decision, now: Decision) -> Facts:
    decisions = tuple(now if one is before else one for one in facts.plan.decisions)
    return replace(
        facts,
        plan=replace(facts.plan, decisions=decisions),
        zoom=whole.zoom("a", NOW, (one.account for one in decisions), roles=ROLES, groups={"g": "Rooms"}),
    )


def changed(before: Decision, **more: Any) -> Callable[[Facts], Facts]:
    return lambda facts: with_decision(facts, before, structs.replace(before, **more))


def other_account(before: Decision, **more: Any) -> Callable[[Facts], Facts]:
    return lambda facts: with_decision(facts, before, structs.replace(before, account=structs.replace(before.account, **more)))


def other_policy(**more: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, policy=replace(facts.policy, **more))


def other_person(name: str, **more: Any) -> Callable[[Facts], Facts]:
    def change(facts: Facts) -> Facts:
        people = [structs.replace(one, **more) if one.id == f"p-{name}" else one for one in facts.directory.people]
        return replace(facts, directory=whole.directory("file", NOW, people))

    return change


def new_person(one: Person) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, directory=whole.directory("file", NOW, (*facts.directory.people, one)))


def other_history(**more: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, history=replace(facts.history, **more))


def with_an_alias_of_a_protected_leaver(facts: Facts) -> Facts:
    """Who has Bob's address as an alias, has left too, and later: they are named, and protect nothing but their own."""
    facts = new_person(Person("p-x", ("x@corp.example",), aliases=("bob@corp.example",), protected_by=("VIP",)))(facts)
    return with_decision(facts, LEFT, structs.replace(LEFT, directory_id="p-x"))


def another_account(facts: Facts) -> Facts:
    return replace(facts, zoom=whole.zoom("a", NOW, (*facts.zoom.accounts, account("zoe")), roles=ROLES))


def twice(facts: Facts) -> Facts:
    return replace(facts, plan=replace(facts.plan, decisions=(*facts.plan.decisions, LEAVES)))


UNBALANCED, DOUBLED, NO_CHANGE, PROTECTED, UNCLEAR, ON_HOLD, NO_LEAVER, NO_RETURNER, EARLY, SCOPE, PILOT = (
    says for says, _ in INVARIANTS
)

#: Zoom does not show the role of an inactive account: the one at our deactivation stands in.
NO_ROLE = other_account(BACK, role_id=None, role=None)
THEN_ADMIN = Deactivated(LONG_AGO, "c", "cycle", role_id="1")

BROKEN: list[tuple[str, Callable[[Facts], Facts]]] = [
    (UNBALANCED, another_account),
    (DOUBLED, twice),
    (NO_CHANGE, other_account(LEAVES, status=Status.INACTIVE)),
    (NO_CHANGE, other_account(BACK, status=Status.ACTIVE)),
    (PROTECTED, other_account(LEAVES, role_id="1", role="Admin")),
    (PROTECTED, other_account(LEAVES, role_id=None, role=None)),
    (PROTECTED, other_account(LEAVES, room=True)),
    (PROTECTED, other_policy(protect_accounts=("bob@*",))),
    (PROTECTED, other_account(BACK, role_id="1", role="Admin")),
    (PROTECTED, lambda facts: other_account(LEFT, group_ids=("g",))(other_policy(protect_groups=("Rooms",))(facts))),
    (PROTECTED, lambda facts: other_history(deactivated={"z-dan": THEN_ADMIN})(NO_ROLE(facts))),  # what they were then
    (PROTECTED, lambda facts: other_history(deactivated={"z-dan": replace(THEN_ADMIN, role_id=None)})(NO_ROLE(facts))),
    (PROTECTED, other_person("ann", protected_by=("VIP",))),
    (PROTECTED, other_person("bob", mains=("robert@corp.example",), protected_by=("VIP",))),  # whatever they claim
    (PROTECTED, lambda facts: other_history(pairs={"z-bob": "p-x"})(new_person(person("x", protected_by=("VIP",)))(facts))),
    (UNCLEAR, other_person("ann", unclear="?")),
    (UNCLEAR, other_person("bob", unclear="?", membership_unknown=True)),
    (UNCLEAR, other_person("bob", mains=("robert@corp.example",), unclear="?", membership_unknown=True)),  # whatever they claim
    (UNCLEAR, new_person(Person("p-x", ("bob@corp.example",), unclear="?", entitled_by=("G",)))),
    (ON_HOLD, other_history(holds={"z-bob": Hold("Kim", "", NOW)})),
    (NO_LEAVER, changed(LEAVES, reason=Reason.ENTITLED_AGAIN)),
    (NO_LEAVER, changed(LEAVES, reason=Reason.LEFT_GROUPS)),  # is disabled: another reason
    (NO_LEAVER, other_person("ann", enabled=True)),  # is entitled
    (NO_LEAVER, changed(LEFT, directory_id="p-nobody")),
    (NO_LEAVER, new_person(Person("p-x", ("bob@corp.example",), entitled_by=("G",)))),  # somebody's main address
    (NO_LEAVER, new_person(Person("p-x", ("cid@corp.example",)))),  # not absent after all
    (NO_LEAVER, new_person(Person("p-cid", ("cid@old.example",)))),  # whom the ledger remembers
    (NO_LEAVER, lambda facts: replace(facts, directory=replace(facts.directory, unresolved=("CN=ghost",)))),
    (NO_RETURNER, other_person("dan", entitled_by=())),
    (NO_RETURNER, changed(BACK, directory_id=None)),
    (NO_RETURNER, other_history(deactivated={})),
    (NO_RETURNER, other_history(deactivated={"z-dan": Deactivated(NOW, "c", "hand")})),
    (NO_RETURNER, other_history(deactivated={"z-dan": Deactivated(LONG_AGO, "c", "cycle", seen_active=True)})),
    (NO_RETURNER, other_history(deactivated={"z-dan": Deactivated(LONG_AGO, "c", "cycle", reactivated_at=NOW)})),
    (NO_RETURNER, other_policy(reactivate="never")),
    (EARLY, changed(LEFT, since=NOW - timedelta(hours=3))),
    (EARLY, changed(LEFT, since=None)),
    (EARLY, changed(LEAVES, since=NOW + timedelta(seconds=1))),
    (EARLY, other_policy(grace_reads=3)),  # Cid was missing in two reads only
    (EARLY, other_history(gone={})),
    (SCOPE, other_policy(domains=("other.example",))),
    (PILOT, other_policy(pilot=("ann@corp.example",))),
]


def test_a_sound_plan_passes():
    """So does one without any change."""
    facts = sound()

    assert [] == plan_audit(facts, facts.plan.effects)
    assert [] == plan_audit(facts, [])


@pytest.mark.parametrize(("says", "breaks"), BROKEN)
def test_each_rule_finds_what_breaks_it(says: str, breaks: Callable[[Facts], Facts]):
    """One thing is wrong, and the rule about it says so."""
    facts = breaks(sound())

    found = plan_audit(facts, facts.plan.effects)
    assert says in [fault.rpartition(" (")[0] for fault in found]
    assert found == plan_audit(facts, facts.plan.effects[::-1])  # in whatever order they come


def test_every_rule_is_broken_above():
    """The list is complete."""
    assert {says for says, _ in BROKEN} == {says for says, _ in INVARIANTS}


def test_what_a_guard_holds_is_not_judged():
    """Only what would be carried out."""
    facts = other_history(holds={"z-bob": Hold("Kim", "", NOW)})(sound())

    assert [] == plan_audit(facts, [effect for effect in facts.plan.effects if effect is not LEFT])


@pytest.mark.parametrize(
    "passes",
    [
        other_policy(reactivate="any"),
        other_policy(grace=timedelta(0), grace_reads=9),  # with no grace, the read in hand is enough
        other_policy(pilot=("*@corp.example",)),
        other_history(holds={"z-bob": Hold("Kim", "", LONG_AGO, NOW)}),  # a hold that has ended
        other_person("bob", unclear="?"),  # in no group: counts for nothing
        NO_ROLE,  # a member when they were switched off
        with_an_alias_of_a_protected_leaver,
        new_person(Person("p-x", ("eve@corp.example",), unclear="?")),  # nobody's whose account changes
    ],
)
def test_what_is_right_breaks_no_rule(passes: Callable[[Facts], Facts]):
    """A second opinion that cries wolf would stop everybody."""
    facts = passes(sound())

    assert [] == plan_audit(facts, facts.plan.effects)


@exercises({"deactivate": 0.05, "reactivate": 0.02, "several_claimants": 0.02})
@given(cases())
def test_what_the_table_plans_never_breaks_a_rule(case: Case):
    """Over small worlds of every kind."""
    met(of_plan(case.plan()))
    facts = case.facts()

    assert [] == plan_audit(facts, facts.plan.effects)
