"""Rows of the ownership table that no story tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.ledger.history import History
from syncd.model import Deactivated, Decision, Person, Plan, Policy, Status, ZoomAccount
from syncd.planning.decide import decide
from tests import whole
from tests.planning.strategies import NOW, ROLES

ANN = Person("ann", ("ann@corp.example",), entitled_by=("g",))
OURS = {"z": Deactivated(NOW, "c", "cycle", role_id="2")}
OFF = ZoomAccount("z", "ann@corp.example", Status.INACTIVE, role_id="2", role="Member", type=2)
ON = replace(OFF, status=Status.ACTIVE)
NEW = replace(ON, zoom_id="new", email="ann.new@corp.example")


def plan(people: list[Person], accounts: list[ZoomAccount], pairs: dict[str, str]) -> Plan:
    return decide(whole.directory("file", NOW, people), whole.zoom("a", NOW, accounts, roles=ROLES),
                  History(pairs=pairs, deactivated=OURS), Policy("a", ("corp.example",), reactivate_reads=1), NOW)


def brief(decision: Decision) -> tuple[str, str]:
    return decision.action.value, decision.reason.value


def old(people: list[Person], accounts: list[ZoomAccount], pairs: dict[str, str]) -> tuple[str, str]:
    """What is decided about the account z."""
    return brief(next(one for one in plan(people, accounts, pairs).decisions if one.account.zoom_id == "z"))


def test_another_main_claimant_who_left_or_is_entitled_is_a_question_for_a_person():
    """Beside the remembered person; one who is in no group changes nothing."""
    other = replace(ANN, id="other")

    assert ("reactivate", "entitled_again") == old([ANN, replace(other, entitled_by=())], [OFF], {"z": "ann"})
    assert ("manual", "ambiguous_match") == old([ANN, other], [OFF], {"z": "ann"})
    assert ("manual", "ambiguous_match") == old([ANN, replace(other, enabled=False)], [OFF], {"z": "ann"})


def test_somebody_with_another_active_account_does_not_get_the_old_one_back():
    """Two inactive ones that we switched off both come back."""
    both = replace(ANN, mains=("ann@corp.example", "ann.new@corp.example"))

    assert ("manual", "ambiguous_match") == old([both], [OFF, NEW], {"z": "ann"})
    assert ("reactivate", "entitled_again") == old([both], [OFF, replace(NEW, status=Status.INACTIVE)], {"z": "ann"})


@pytest.mark.parametrize(("back_after", "decided"), [
    (timedelta(hours=1), ("reactivate", "entitled_again")),        # off together: a crash or a refusal lay between
    (timedelta(days=-1), ("manual", "ambiguous_match")),           # was back before this one went
    (None, ("manual", "ambiguous_match")),                         # somebody else switched it on
])
def test_of_two_that_were_off_together_the_second_comes_back_after_the_first(back_after, decided):
    """Whatever lay between the two."""
    both = replace(ANN, mains=("ann@corp.example", "ann.new@corp.example"))
    gone = OURS["z"]
    first = replace(gone, reactivated_at=gone.at + back_after) if back_after else replace(gone, seen_active=True)
    made = decide(whole.directory("file", NOW, [both]), whole.zoom("a", NOW, [OFF, NEW], roles=ROLES),
                  History(pairs={"z": "ann"}, deactivated={"z": gone, "new": first}),
                  Policy("a", ("corp.example",), reactivate_reads=1), NOW)

    assert decided == brief(next(one for one in made.decisions if one.account.zoom_id == "z"))


def test_an_inactive_account_never_takes_a_renamed_person_away_from_their_active_one():
    """Remembered for it, with another account by main address: none of theirs any more."""
    renamed = replace(ANN, mains=("ann.new@corp.example",))

    assert ("keep", "in_step") == old([renamed], [OFF, NEW], {"z": "ann", "new": "ann"})
    assert ("reactivate", "entitled_again") == old([renamed], [OFF], {"z": "ann"})


def test_a_pair_by_alias_is_for_somebody_without_an_account_by_main_address():
    """Once the alias stands alone on an account, it is theirs; beside an account of their own it is not."""
    holder = replace(ANN, mains=("ann.new@corp.example",), aliases=("ann@corp.example",))

    assert {"z": "ann"} == plan([holder], [ON], {}).pairs
    assert {"new": "ann"} == plan([holder], [ON, NEW], {}).pairs
    assert {} == plan([replace(holder, mains=()), replace(holder, id="b", mains=())], [ON], {}).pairs


def test_an_exact_address_outranks_one_of_an_aliased_domain():
    """The main address of the other domain is an alias beside it, and keeps nothing open when its owner has left."""
    moved = Person("moved", ("ann@old.example",), entitled_by=("g",))
    policy = Policy("a", ("corp.example",), domain_aliases=(("old.example", "corp.example"),))
    made = decide(whole.directory("file", NOW, [replace(ANN, enabled=False), moved]), whole.zoom("a", NOW, [ON], roles=ROLES),
                  History(pairs={"z": "ann"}), policy, NOW)

    assert [("manual", "ambiguous_match")] == [brief(one) for one in made.decisions]
    assert "kept_by_alias" in made.decisions[0].notes


@pytest.mark.parametrize(("went_for", "decided"), [
    ("ann", ("reactivate", "entitled_again")), ("", ("reactivate", "entitled_again")), ("bob", ("manual", "ambiguous_match"))])
def test_what_went_for_somebody_never_seen_entitled_is_not_given_to_who_has_their_address_now(went_for, decided):
    """Hired and gone before a good read showed them entitled; then the address is somebody else's."""
    made = decide(whole.directory("file", NOW, [ANN]), whole.zoom("a", NOW, [OFF], roles=ROLES),
                  History(deactivated={"z": replace(OURS["z"], person=went_for)}),
                  Policy("a", ("corp.example",), reactivate_reads=1), NOW)

    assert decided == brief(made.decisions[0])
