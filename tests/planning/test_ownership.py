"""Rows of the ownership table that no story tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import Deactivated, Decision, Gone, Person, Plan, Policy, SecondLook, Status, ZoomAccount
from syncd.planning.decide import decide
from tests import whole
from tests.planning.strategies import NOW, ROLES

ANN = Person("ann", ("ann@corp.example",), entitled_by=("g",))
OURS = {"z": Deactivated(NOW, "c", "cycle", role_id="2")}
OFF = ZoomAccount("z", "ann@corp.example", Status.INACTIVE, role_id="2", role="Member", type=2)
ON = structs.replace(OFF, status=Status.ACTIVE)
NEW = structs.replace(ON, zoom_id="new", email="ann.new@corp.example")


def plan(people: list[Person], accounts: list[ZoomAccount], pairs: dict[str, str]) -> Plan:
    return decide(
        whole.directory("file", NOW, people),
        whole.zoom("a", NOW, accounts, roles=ROLES),
        History(pairs=pairs, deactivated=OURS),
        Policy("a", ("corp.example",), reactivate_reads=1),
        NOW,
    )


def brief(decision: Decision) -> tuple[str, str]:
    return decision.action.value, decision.reason.value


def old(people: list[Person], accounts: list[ZoomAccount], pairs: dict[str, str]) -> tuple[str, str]:
    """What is decided about the account z."""
    return brief(next(one for one in plan(people, accounts, pairs).decisions if one.account.zoom_id == "z"))


def test_another_main_claimant_who_left_or_is_entitled_is_a_question_for_a_person():
    """Beside the remembered person; one who is in no group changes nothing."""
    other = structs.replace(ANN, id="other")

    assert ("reactivate", "entitled_again") == old([ANN, structs.replace(other, entitled_by=())], [OFF], {"z": "ann"})
    assert ("manual", "ambiguous_match") == old([ANN, other], [OFF], {"z": "ann"})
    assert ("manual", "ambiguous_match") == old([ANN, structs.replace(other, enabled=False)], [OFF], {"z": "ann"})


def test_somebody_with_another_active_account_does_not_get_the_old_one_back():
    """Two inactive ones that we switched off both come back."""
    both = structs.replace(ANN, mains=("ann@corp.example", "ann.new@corp.example"))

    assert ("manual", "ambiguous_match") == old([both], [OFF, NEW], {"z": "ann"})
    assert ("reactivate", "entitled_again") == old([both], [OFF, structs.replace(NEW, status=Status.INACTIVE)], {"z": "ann"})


@pytest.mark.parametrize(
    ("back_after", "decided"),
    [
        (timedelta(hours=1), ("reactivate", "entitled_again")),  # off together: a crash or a refusal lay between
        (timedelta(days=-1), ("manual", "ambiguous_match")),  # was back before this one went
        (None, ("manual", "ambiguous_match")),  # somebody else switched it on
    ],
)
def test_of_two_that_were_off_together_the_second_comes_back_after_the_first(back_after, decided):
    """Whatever lay between the two."""
    both = structs.replace(ANN, mains=("ann@corp.example", "ann.new@corp.example"))
    gone = OURS["z"]
    first = replace(gone, reactivated_at=gone.at + back_after) if back_after else replace(gone, seen_active=True)
    made = decide(
        whole.directory("file", NOW, [both]),
        whole.zoom("a", NOW, [OFF, NEW], roles=ROLES),
        History(pairs={"z": "ann"}, deactivated={"z": gone, "new": first}),
        Policy("a", ("corp.example",), reactivate_reads=1),
        NOW,
    )

    assert decided == brief(next(one for one in made.decisions if one.account.zoom_id == "z"))


def test_an_inactive_account_never_takes_a_renamed_person_away_from_their_active_one():
    """Remembered for it, with another account by main address: none of theirs any more."""
    renamed = structs.replace(ANN, mains=("ann.new@corp.example",))

    assert ("keep", "in_step") == old([renamed], [OFF, NEW], {"z": "ann", "new": "ann"})
    assert ("reactivate", "entitled_again") == old([renamed], [OFF], {"z": "ann"})


def test_a_pair_by_alias_is_for_somebody_without_an_account_by_main_address():
    """Once the alias stands alone on an account, it is theirs; beside an account of their own it is not."""
    holder = structs.replace(ANN, mains=("ann.new@corp.example",), aliases=("ann@corp.example",))

    assert {"z": "ann"} == plan([holder], [ON], {}).pairs
    assert {"new": "ann"} == plan([holder], [ON, NEW], {}).pairs
    assert {} == plan([structs.replace(holder, mains=()), structs.replace(holder, id="b", mains=())], [ON], {}).pairs


def test_an_exact_address_outranks_one_of_an_aliased_domain():
    """The main address of the other domain is an alias beside it, and keeps nothing open when its owner has left."""
    moved = Person("moved", ("ann@old.example",), entitled_by=("g",))
    policy = Policy("a", ("corp.example",), domain_aliases=(("old.example", "corp.example"),))
    made = decide(
        whole.directory("file", NOW, [structs.replace(ANN, enabled=False), moved]),
        whole.zoom("a", NOW, [ON], roles=ROLES),
        History(pairs={"z": "ann"}),
        policy,
        NOW,
    )

    assert [("manual", "ambiguous_match")] == [brief(one) for one in made.decisions]
    assert "kept_by_alias" in made.decisions[0].notes


@pytest.mark.parametrize(
    ("went_for", "decided"),
    [("ann", ("reactivate", "entitled_again")), ("", ("reactivate", "entitled_again")), ("bob", ("manual", "ambiguous_match"))],
)
def test_what_went_for_somebody_never_seen_entitled_is_not_given_to_who_has_their_address_now(went_for, decided):
    """Hired and gone before a good read showed them entitled; then the address is somebody else's."""
    made = decide(
        whole.directory("file", NOW, [ANN]),
        whole.zoom("a", NOW, [OFF], roles=ROLES),
        History(deactivated={"z": replace(OURS["z"], person=went_for)}),
        Policy("a", ("corp.example",), reactivate_reads=1),
        NOW,
    )

    assert decided == brief(made.decisions[0])
    assert ({} if went_for == "bob" else {"z": "ann"}) == dict(made.pairs)


@pytest.mark.parametrize(
    ("role_id", "expected"),
    [
        ("2", ("reactivate", "entitled_again")),
        ("1", ("manual", "protected")),
        ("9", ("manual", "protected")),
        (None, ("manual", "protected")),
    ],
)
def test_the_role_at_our_deactivation_stands_in_for_one_that_zoom_does_not_show(role_id: str | None, expected: tuple[str, str]):
    """Of an inactive account it may not be shown."""
    hidden = structs.replace(OFF, role_id=None, role=None)
    made = decide(
        whole.directory("file", NOW, [ANN]),
        whole.zoom("a", NOW, [hidden], roles=ROLES),
        History(pairs={"z": "ann"}, deactivated={"z": replace(OURS["z"], role_id=role_id)}),
        Policy("a", ("corp.example",), reactivate_reads=1),
        NOW,
    )

    assert [expected] == [brief(one) for one in made.decisions]


def test_the_group_that_decides_is_shown():
    """The leaver group of a known leaver; the entitling one of whoever is in step; none of somebody disabled."""

    def path(person: Person) -> tuple[str, ...]:
        return plan([person], [ON], {"z": "ann"}).decisions[0].group_path

    assert ("g",) == path(ANN)
    assert ("Leavers", "Leavers Bonn") == path(structs.replace(ANN, leaver_by=("Leavers", "Leavers Bonn")))
    assert () == path(structs.replace(ANN, enabled=False))


def decided(
    people: list[Person], pairs: dict[str, str], account: ZoomAccount = ON, history: History | None = None, **policy: object
) -> Decision:
    """What is decided about one account, the grace being over."""
    known = replace(history or History(), pairs=pairs)
    known = replace(known, gone={"z": Gone(NOW - timedelta(days=9), 0)}, good_reads=9) if not known.gone else known
    rules = Policy("a", ("corp.example",), reactivate_reads=1, **policy)  # type: ignore[arg-type]
    zoom = whole.zoom("a", NOW, [account], roles=ROLES)
    return decide(whole.directory("file", NOW, people), zoom, known, rules, NOW).decisions[0]


def test_somebody_left_out_keeps_their_account():
    """Whether by memory or by address; and so does a stranger with their address."""
    for people, pairs in (([ANN], {}), ([ANN], {"z": "ann"}), ([structs.replace(ANN, enabled=False)], {"z": "ann"})):
        found = decided(people, pairs, ignore_people=("ann",))
        assert ("keep", "exempt", ("ignored_person",)) == (*brief(found), found.notes)
    assert "deactivate" == decided([structs.replace(ANN, enabled=False)], {"z": "ann"}, ignore_people=("bob",)).action.value


def test_an_exempt_leaver_is_named():
    """The one it is about, not the first who claims the account; whoever was never entitled is told apart."""
    gone = structs.replace(ANN, id="zed", enabled=False)
    found = decided([structs.replace(ANN, enabled=False), gone], {"z": "zed"}, protect_accounts=("ann@corp.example",))
    assert ("keep", "exempt", "zed", ("several_claimants", "exempt_account", "exempt_leaver")) == (
        *brief(found),
        found.directory_id,
        found.notes,
    )
    first = decided([gone], {}, protect_accounts=("ann@corp.example",))
    assert ("exempt_account", "exempt_leaver", "never_entitled") == first.notes
    assert ("exempt_account",) == decided([ANN], {"z": "ann"}, protect_accounts=("ann@corp.example",)).notes
    off = decided([gone], {"z": "zed"}, OFF, protect_accounts=("ann@corp.example",))
    assert ("exempt_account",) == off.notes
    absent = decided([], {"z": "zed"}, protect_accounts=("ann@corp.example",))
    assert ("exempt_account",) == absent.notes
    group = decided([structs.replace(ANN, protected_by=("VIP", "VIP Bonn"))], {"z": "ann"})
    assert (("VIP", "VIP Bonn"), ("exempt_directory_group",)) == (group.group_path, group.notes)
    other = decided([structs.replace(ANN, protected_by=("VIP",))], {"z": "ann"}, protect_accounts=("ann@corp.example",))
    assert (("g",), ("exempt_account",)) == (other.group_path, other.notes)


def test_a_decision_shows_whom_it_is_about_and_since_when():
    """The person leaving with their times; the entitled one of several; the account's department where theirs is not known."""
    left = structs.replace(ANN, enabled=False, department="Sales")
    due = decided([left], {"z": "ann"}, structs.replace(ON, department="Zoom says"))
    ago = NOW - timedelta(days=9)
    assert ("deactivate", "disabled_in_directory", "ann", "address", "Sales", ago, ago) == (
        *brief(due),
        due.directory_id,
        due.matched_by,
        due.department,
        due.since,
        due.due_at,
    )
    kept = decided([ANN], {"z": "ann"}, structs.replace(ON, department="Zoom says"))
    assert ("Zoom says", None, None, None) == (kept.department, kept.since, kept.due_at, kept.second_look)
    two = decided([structs.replace(ANN, id="a", entitled_by=()), ANN], {"z": "a"})
    assert ("keep", "in_step", "ann", ("g",)) == (*brief(two), two.directory_id, two.group_path)
    absent = decided([], {"z": "ann"}, structs.replace(ON, department="Zoom says"))
    assert ("deactivate", "absent_from_directory", None, None, "Zoom says", ()) == (
        *brief(absent),
        absent.directory_id,
        absent.matched_by,
        absent.department,
        absent.group_path,
    )


def test_a_change_carries_what_a_second_look_needs():
    """Who owns the account, who has the address beside them, whom the ledger remembers, and who has it elsewhere."""
    left = structs.replace(ANN, enabled=False)
    due = decided([left], {"z": "ann"})
    assert SecondLook(("ann",), (), ("ann",), ()) == due.second_look
    unknown = decided([left], {})
    assert SecondLook(("ann",), (), (), ()) == unknown.second_look
    beside = decided([left, Person("bob", ("bob@corp.example",), aliases=("ann@corp.example",))], {"z": "ann"})
    assert SecondLook(("ann",), ("bob",), ("ann",), ()) == beside.second_look
    absent = decided([], {"z": "ann"})
    assert SecondLook((), (), ("ann",), ()) == absent.second_look


def test_an_inactive_account_that_only_aliases_claim_shows_who_is_entitled():
    """Not the first who has the alias."""
    first = Person("a", ("a@corp.example",), aliases=("ann@corp.example",))
    found = decided(
        [first, structs.replace(first, id="b", mains=("b@corp.example",), entitled_by=("g",))], {}, OFF, grace=timedelta(0)
    )

    assert ("keep", "in_step", "b", ("several_claimants", "claimed_by_alias")) == (*brief(found), found.directory_id, found.notes)
