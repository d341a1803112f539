"""The decision table in small worlds: its short way, its times, what a good read remembers. Rows as stories: tests/scenarios."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import Deactivated, Decision, Gone, Hold, Person, Plan, Policy, Refusal, Status, ZoomAccount
from syncd.planning.decide import decide, refusal_fingerprint
from syncd.planning.numbers import number_hash
from tests import whole
from tests.planning.strategies import NOW, ROLES

ANN = Person("ann", ("ann@corp.example",), entitled_by=("g",))
ON = ZoomAccount("z-ann", "ann@corp.example", Status.ACTIVE, role_id="2", role="Member", type=2)
OFF = structs.replace(ON, status=Status.INACTIVE)
HOUR = timedelta(hours=1)


def plan(
    people: list[Person],
    accounts: list[ZoomAccount],
    history: History | None = None,
    *,
    look: bool = False,
    credential: str = "app",
    **policy: Any,
) -> Plan:
    rules = Policy("a", ("corp.example",), **{"reactivate_reads": 1, "grace": timedelta(0), **policy})
    return decide(
        whole.directory("file", NOW, people, unresolved=()),
        whole.zoom("a", NOW, accounts, roles=ROLES),
        history or History(),
        rules,
        NOW,
        credential,
        look=look,
    )


def one(*args: Any, **more: Any) -> tuple[str, str]:
    """What is decided about the only account."""
    (found,) = plan(*args, **more).decisions
    return found.action.value, found.reason.value


def person(name: str, **more: Any) -> Person:
    return Person(name, (f"{name}@corp.example",), **{"entitled_by": ("g",), **more})


def account(name: str, status: Status = Status.ACTIVE, **more: Any) -> ZoomAccount:
    return ZoomAccount(f"z-{name}", f"{name}@corp.example", status, **{"role_id": "2", "role": "Member", "type": 2, **more})


# One of each kind that the short way must leave to the table, or answers itself.
CROWD = [
    person("plain"),
    person("new", number="1", department="Sales"),
    person("off"),
    person("left", enabled=False),
    person("back"),
    person("held"),
    person("vip", protected_by=("VIP",)),
    person("unread", unclear="?"),
    person("out", entitled_by=()),
    person("known", number="2"),
    person("twice", aliases=("second@corp.example",)),
    person("boss", aliases=("mailbox@corp.example",)),
    person("idle", enabled=False, number="3"),
    person("sleeper", enabled=False, number="4"),
    person("elsewhere"),
]
ACCOUNTS = [
    account("plain", department="Zoom says"),
    account("new"),
    account("off", Status.INACTIVE),
    account("left"),
    account("back", Status.INACTIVE),
    account("held"),
    account("vip"),
    account("unread"),
    account("out"),
    account("known"),
    account("twice"),
    account("second"),
    account("boss"),
    account("mailbox"),
    account("idle", Status.INACTIVE),
    account("sleeper", Status.INACTIVE),
    account("unknown"),
    structs.replace(account("elsewhere"), email="elsewhere@other.example"),
    ZoomAccount(None, "invited@corp.example", Status.PENDING),
    account("pending", Status.PENDING),
]
PAST = History(
    ledger_id="l",
    good_reads=5,
    pairs={"z-plain": "plain", "z-known": "known", "z-back": "back", "z-idle": "idle", "z-out": "plain"},
    holds={"z-held": Hold("Kim", "", NOW)},
    deactivated={"z-back": Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2")},
    numbers={"known": number_hash("2", "l")},
)


@pytest.mark.parametrize("policy", [{}, {"person_number": "employeeID"}, {"protect_accounts": ("new@*",)}], ids=str)
def test_the_short_way_gives_what_the_table_gives(policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Whole: decisions, pairs, numbers and who was entitled."""
    short = plan(CROWD, ACCOUNTS, PAST, **policy)
    monkeypatch.setattr(
        "syncd.planning.decide._Table.decisions", lambda table, accounts: (table.row(at, one) for at, one in enumerate(accounts))
    )

    assert plan(CROWD, ACCOUNTS, PAST, **policy) == short


def test_a_crowd_is_decided_one_by_one():
    """Each by its own row; pairs and numbers are those that a good read adds."""
    made = plan(CROWD, ACCOUNTS, PAST, person_number="employeeID")

    assert {
        "z-plain": "keep in_step",
        "z-new": "keep in_step",
        "z-off": "keep deactivated_by_others",
        "z-left": "deactivate disabled_in_directory",
        "z-back": "reactivate entitled_again",
        "z-held": "keep on_hold",
        "z-vip": "keep exempt",
        "z-unread": "keep directory_unclear",
        "z-out": "keep in_step",
        "z-known": "keep in_step",
        "z-twice": "keep in_step",
        "z-second": "keep in_step",
        "z-boss": "keep in_step",
        "z-mailbox": "keep in_step",
        "z-idle": "keep in_step",
        "z-sleeper": "keep in_step",
        "z-unknown": "deactivate absent_from_directory",
        "z-elsewhere": "keep out_of_scope",
        "z-pending": "keep invitation_pending",
        "": "keep invitation_pending",
    } == {d.account.zoom_id or "": f"{d.action.value} {d.reason.value}" for d in made.decisions}
    assert {"new": number_hash("1", "l"), "idle": number_hash("3", "l")} == made.numbers  # sleeper's has no pair
    assert {"z-new": "new", "z-held": "held", "z-vip": "vip", "z-twice": "twice", "z-boss": "boss", "z-off": "off"} == made.pairs
    by_id = {d.account.zoom_id: d for d in made.decisions}
    assert ("Zoom says", "Sales") == (by_id["z-plain"].department, by_id["z-new"].department)
    assert (("g",), ()) == (by_id["z-plain"].group_path, by_id["z-idle"].group_path)


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_of_garbage_is_as_it_was(was_on: bool):
    """It rests while a plan is made."""
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        plan([ANN], [ON])
        assert was_on == gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


LEFT = structs.replace(ANN, entitled_by=())


@pytest.mark.parametrize(
    ("gone", "good_reads", "policy", "look", "due"),
    [
        (None, 5, {}, False, True),
        (None, 5, {"grace": HOUR}, False, False),
        (Gone(NOW - HOUR, 5), 5, {"grace": HOUR, "grace_reads": 2}, False, True),
        (Gone(NOW - HOUR + timedelta(seconds=1), 1), 5, {"grace": HOUR, "grace_reads": 2}, False, False),
        (Gone(NOW - HOUR, 5), 5, {"grace": HOUR, "grace_reads": 3}, False, False),
        (Gone(NOW - HOUR, 4), 5, {"grace": HOUR, "grace_reads": 3}, False, True),
        (Gone(NOW - HOUR, 4), 5, {"grace": HOUR, "grace_reads": 3}, True, False),  # a look is no good read
        (Gone(NOW - HOUR, 3), 5, {"grace": HOUR, "grace_reads": 3}, True, True),
        (Gone(NOW - HOUR, 5), 5, {"grace": HOUR, "grace_reads": 1}, True, True),  # where one is enough it is one
    ],
)
def test_when_somebody_is_due(gone: Gone | None, good_reads: int, policy: dict[str, Any], look: bool, due: bool):
    """The grace is over, and enough good reads in a row, this one included, showed them gone."""
    history = History(gone={"z-ann": gone} if gone else {}, good_reads=good_reads, pairs={"z-ann": "ann"})

    assert (("deactivate", "left_groups") if due else ("keep", "within_grace")) == one([LEFT], [ON], history, look=look, **policy)


@pytest.mark.parametrize(
    ("back", "needed", "look", "expected"),
    [
        (None, 1, False, "reactivate"),
        (None, 2, False, "keep"),
        (Gone(NOW, 5), 2, False, "reactivate"),
        (Gone(NOW, 5), 3, False, "keep"),
        (Gone(NOW, 4), 3, False, "reactivate"),
        (None, 1, True, "reactivate"),
        (Gone(NOW, 5), 2, True, "keep"),
        (Gone(NOW, 4), 2, True, "reactivate"),
    ],
)
def test_when_somebody_comes_back(back: Gone | None, needed: int, look: bool, expected: str):
    """In enough good reads in a row; whether the next one helps is known only for what would be done then."""
    history = replace(
        PAST,
        returning={"z-ann": back} if back else {},
        pairs={"z-ann": "ann"},
        deactivated={"z-ann": Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2")},
    )
    made = plan([ANN], [OFF], history, look=look, reactivate_reads=needed)

    assert (expected, expected == "keep") == (made.decisions[0].action.value, made.next_read_helps)
    others = plan([ANN], [OFF], replace(history, deactivated={}), look=look, reactivate_reads=needed)
    assert not others.next_read_helps
    assert (
        expected
        == plan([ANN], [OFF], replace(history, deactivated={}), look=look, reactivate_reads=needed, reactivate="any")
        .decisions[0]
        .action.value
    )


@pytest.mark.parametrize(
    ("last", "reactivate", "expected"),
    [
        (Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2"), "ours", ("reactivate", "entitled_again")),
        (Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2"), "never", ("keep", "reactivation_off")),
        (Deactivated(NOW - 30 * HOUR, "c", "hand", role_id="2"), "ours", ("keep", "deactivated_by_hand")),
        (Deactivated(NOW - 30 * HOUR, "c", "hand", role_id="2"), "any", ("keep", "deactivated_by_hand")),
        (Deactivated(NOW - 30 * HOUR, "c", "undo", role_id="2"), "ours", ("keep", "deactivated_by_others")),
        (Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2", seen_active=True), "ours", ("keep", "deactivated_by_others")),
        (Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2", reactivated_at=NOW), "ours", ("keep", "deactivated_by_others")),
        (Deactivated(NOW - 30 * HOUR, "c", "hand", role_id="2", reactivated_at=NOW), "any", ("reactivate", "entitled_again")),
        (None, "ours", ("keep", "deactivated_by_others")),
        (None, "any", ("reactivate", "entitled_again")),
    ],
)
def test_whose_deactivation_is_taken_back(last: Deactivated | None, reactivate: str, expected: tuple[str, str]):
    """Ours; any, where the policy says so; a person's never."""
    history = History(deactivated={"z-ann": last} if last else {}, pairs={"z-ann": "ann"})

    assert expected == one([ANN], [OFF], history, reactivate=reactivate)


@pytest.mark.parametrize(
    ("ago", "reactivated", "expected"),
    [
        (23 * HOUR, None, ("manual", "reactivated_by_others")),
        (24 * HOUR, None, ("deactivate", "left_groups")),
        (23 * HOUR, NOW, ("deactivate", "left_groups")),
    ],
)
def test_somebody_brought_back_by_others_is_a_dispute_for_a_day(ago: timedelta, reactivated: Any, expected: tuple[str, str]):
    """What we took back ourselves is none."""
    last = Deactivated(NOW - ago, "c", "cycle", reactivated_at=reactivated)
    history = History(deactivated={"z-ann": last}, pairs={"z-ann": "ann"})

    assert expected == one([LEFT], [ON], history)


@pytest.mark.parametrize(
    ("refusal", "note"),
    [
        ({"code": 200}, "zoom_code_200"),
        ({"code": 0}, "zoom_code_0"),
        ({"code": None}, "account_unreadable"),
        ({"at": NOW - timedelta(days=7)}, ""),
        ({"at": NOW - timedelta(days=7) + timedelta(seconds=1)}, "zoom_code_200"),
        ({"fingerprint": "other"}, ""),
    ],
)
def test_a_refusal_is_believed_for_a_week_while_nothing_changed(refusal: dict[str, Any], note: str):
    """For this change of this account."""
    policy = Policy("a", ("corp.example",), reactivate_reads=1, grace=timedelta(0))
    believed = replace(Refusal(NOW - HOUR, 200, "no", refusal_fingerprint(ON, policy.digest(), "app")), **refusal)
    for key, expected in ((("z-ann", "deactivate"), note), (("z-ann", "reactivate"), ""), (("z-bob", "deactivate"), "")):
        (found,) = plan([LEFT], [ON], History(pairs={"z-ann": "ann"}, refusals={key: believed})).decisions
        assert (("manual", "refused_by_zoom", ("left_groups", expected)) if expected else ("deactivate", "left_groups", ())) == (
            found.action.value,
            found.reason.value,
            found.notes,
        )
    for changed in ({"role_id": "3"}, {"type": 1}, {"status": Status.INACTIVE}):
        assert refusal_fingerprint(structs.replace(ON, **changed), "p", "app") != refusal_fingerprint(ON, "p", "app")
    assert len({refusal_fingerprint(ON, *both) for both in (("p", "a"), ("q", "a"), ("p", "b"))}) == 3


def test_several_who_left_go_with_the_last_of_them():
    """The remembered one counts alone; else whoever is due last, and of equals an owner."""

    def about(people: list[Person], pairs: dict[str, str], **policy: Any) -> Decision:
        history = History(gone={"z-ann": Gone(NOW - 2 * HOUR, 1)}, good_reads=5, pairs=pairs)
        return plan(people, [ON], history, **{"grace": 9 * HOUR, **policy}).decisions[0]

    disabled = structs.replace(ANN, id="b", enabled=False)
    assert ("keep", ("several_claimants", "left_groups")) == (
        (found := about([LEFT, disabled], {})).action.value,
        found.notes[:2],
    )
    assert found.due_at == NOW + 7 * HOUR
    assert ("deactivate", "b") == ((found := about([LEFT, disabled], {"z-ann": "b"})).action.value, found.directory_id)
    both = [structs.replace(ANN, id="a", enabled=False), structs.replace(ANN, id="c", enabled=False)]
    assert "c" == about(both, {}).directory_id
    owner = [
        structs.replace(ANN, id="a", enabled=False),
        Person("z", ("x@corp.example",), aliases=("ann@corp.example",), enabled=False),
    ]
    assert "a" == about(owner, {}).directory_id


def test_who_was_entitled_is_remembered_for_those_without_a_pair():
    """So that a leaver who never was can be told apart."""
    helper = person("helper", aliases=("ann@corp.example",))
    made = plan([ANN, helper], [ON], History(pairs={"z-ann": "ann"}))
    assert {"helper"} == made.entitled
    assert frozenset() == plan([ANN, helper], [ON], History(pairs={"z-ann": "ann"}, entitled={"helper"})).entitled
    assert frozenset() == plan([ANN], [ON]).entitled  # gets a pair
    assert {"z-ann": "ann"} == plan([ANN], [ON]).pairs

    left = structs.replace(ANN, enabled=False)
    for history, notes in (
        (History(), ("never_entitled",)),
        (History(entitled={"ann"}), ()),
        (History(pairs={"z-ann": "ann"}), ()),
        (History(pairs={"z-other": "ann"}), ()),
    ):
        assert notes == plan([left], [ON], history).decisions[0].notes
    assert () == plan([LEFT], [ON]).decisions[0].notes  # known leavers only


def test_a_pair_moves_to_the_new_owner_and_says_so():
    """While nobody's membership is in doubt."""
    left, new = structs.replace(ANN, id="old", enabled=False), structs.replace(ANN, id="new")
    made = plan([left, new], [ON], History(pairs={"z-ann": "old"}))
    assert {} == made.pairs  # two have the address
    made = plan([structs.replace(left, mains=("x@corp.example",)), new], [ON], History(pairs={"z-ann": "old"}))
    assert ({"z-ann": "new"}, True) == (made.pairs, "owner_changed" in made.decisions[0].notes)
    same = plan([ANN], [ON], History(pairs={"z-ann": "ann"}))
    assert ({}, ()) == (same.pairs, same.decisions[0].notes)


@pytest.mark.parametrize(
    ("back_at", "expected"),
    [
        (NOW - 9 * HOUR, "reactivate"),
        (NOW - 9 * HOUR - timedelta(seconds=1), "manual"),
        (NOW - HOUR, "reactivate"),
        (None, "manual"),
    ],
)
def test_the_second_of_two_that_were_off_together_comes_back_after_the_first(back_at: Any, expected: str):
    """One that was back before this one went is another account of theirs."""
    both = structs.replace(ANN, mains=("ann@corp.example", "ann.2@corp.example"))
    other = structs.replace(ON, zoom_id="z-2", email="ann.2@corp.example")
    history = History(
        pairs={"z-ann": "ann", "z-2": "ann"},
        deactivated={
            "z-ann": Deactivated(NOW - 9 * HOUR, "c", "cycle", role_id="2"),
            "z-2": Deactivated(NOW - 30 * HOUR, "c", "cycle", role_id="2", reactivated_at=back_at),
        },
    )
    made = plan([both], [OFF, other], history)

    assert expected == next(d.action.value for d in made.decisions if d.account.zoom_id == "z-ann")
