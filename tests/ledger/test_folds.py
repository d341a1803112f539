"""What each entry changes in the history, and that it changes nothing else: whole values are compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.ledger.entries import cycles, effects, itself, people, stricter
from syncd.ledger.entry import Entry
from syncd.ledger.entry import draft as write
from syncd.ledger.history import History
from syncd.model import (
    ANEW,
    UNSHOWN,
    Acknowledgement,
    Announcement,
    Approval,
    Counted,
    Deactivated,
    Gone,
    Guard,
    Head,
    Hold,
    Intent,
    RecordedPlan,
    Refusal,
    Shown,
)
from tests.ledger.test_history import fold, read
from tests.planning.strategies import NOW

LATER = NOW + timedelta(hours=5)
BEFORE = {"status": "active", "type": 2, "plan": "64", "role_id": "2"}


def changed(says: Entry, history: History | None = None, subject: str = "z", at: datetime = NOW, **apart: Any) -> dict[str, Any]:
    """The fields that are otherwise after this entry."""
    history = history or History()
    after = fold(write(says, subject=subject, cycle="c"), history=history, start=at)
    beside = {"head", "term", "tip_at", *apart}
    return {
        name: getattr(after, name)
        for name in History.__dataclass_fields__
        if name not in beside and getattr(after, name) != getattr(history, name)
    }


def approved(**more: Any) -> people.ApprovalGiven:
    given: dict[str, Any] = {
        "plan": "d",
        "policy": "p",
        "guards": (Guard.FLAPPING,),
        "effects": (("z", "deactivate"),),
        "by": "Kim",
        "because": "so",
        "expires_at": LATER,
        "accepts": {},
        "on_the_way": ("y",),
        "signature": "sig",
        "os_user": "root",
        "host": "h1",
    }
    return people.ApprovalGiven(**{**given, **more})


APPROVAL = Approval(
    "z",
    "d",
    "p",
    (Guard.FLAPPING,),
    frozenset({("z", "deactivate")}),
    "Kim",
    "so",
    NOW,
    LATER,
    frozenset({"y"}),
    "sig",
    "root",
    "h1",
)


def intended(**more: Any) -> effects.IntentAnnounced:
    return effects.IntentAnnounced(
        **{
            "id": "i",
            "action": "deactivate",
            "by": "cycle",
            "reason": "left_groups",
            "before": BEFORE,
            "approval": "",
            "restore": None,
            **more,
        }
    )


def settled(**more: Any) -> effects.OutcomeSettled:
    return effects.OutcomeSettled(
        **{
            "intent": "i",
            "action": "deactivate",
            "outcome": "done",
            "reason": "",
            "status_after": "inactive",
            "licence_after": "none",
            "done_at": NOW,
            "verified_at": NOW,
            "attempts": 1,
            **more,
        }
    )


def announced(**more: Any) -> Intent:
    """An open intent."""
    return replace(Intent("i", "c0", NOW, "z", "deactivate", "cycle", "left_groups", BEFORE), **more)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (
            people.RowAcknowledged("Kim", "known", LATER, "f"),
            {"acknowledged": {"z": Acknowledgement("Kim", "known", NOW, LATER, "f")}},
        ),
        (people.HoldPlaced("Kim", "leave", LATER), {"holds": {"z": Hold("Kim", "leave", NOW, LATER)}}),
        (people.HoldPlaced("Kim", "leave", None), {"holds": {"z": Hold("Kim", "leave", NOW)}}),
        (
            people.PeopleAnnounced(("a", "b"), NOW, LATER, "Kim", "term ends", "sig"),
            {"announced": {"z": Announcement("z", frozenset({"a", "b"}), NOW, LATER, "Kim", "term ends", NOW, "sig")}},
        ),
        (people.ChangesPaused("Kim", "wait"), {"paused_since": NOW, "paused_by": "Kim", "paused_because": "wait"}),
        (approved(), {"approvals": {"z": APPROVAL}}),
        (
            approved(good_read=True, guards=(Guard.MAX_DEACTIVATIONS_PER_DAY,), accepts={"people": 4}, complete=()),
            {
                "approvals": {
                    "z": replace(
                        APPROVAL, good_read=True, guards=(Guard.MAX_DEACTIVATIONS_PER_DAY,), accepts={"people": 4}, complete=()
                    )
                }
            },
        ),
        (people.ApprovalCounts(), {}),
        (
            cycles.PlanMade(
                "d",
                "p",
                (("z", "deactivate", "left_groups"),),
                on_the_way=("y",),
                accepts={"match-rate": {"m": 4.0}},
                held_by=("flapping",),
            ),
            {
                "plans": {
                    "d": RecordedPlan(
                        "d", "p", (("z", "deactivate", "left_groups"),), NOW, {"match-rate": {"m": 4.0}}, ("y",), ("flapping",)
                    )
                }
            },
        ),
        (effects.TroubleMet("deactivate", "failed", 300, "no", "f"), {"troubles": {("z", "deactivate"): NOW}}),
        (
            itself.LedgerOpened("f", "l", "za", "ad:x", "enforce", 3),
            {
                "opened_at": NOW,
                "ledger_id": "l",
                "zoom_account": "za",
                "directory": "ad:x",
                "begun_in": "enforce",
                "begun_beside": 3,
            },
        ),
        (itself.LedgerAccepted("Kim", "new"), {"accepted": True}),
        (
            itself.LedgerAccepted("Kim", "moved", directory="ad:y"),
            {
                "accepted": True,
                "directory": "ad:y",
                "armed": True,
                "paused_since": NOW,
                "paused_by": "Kim",
                "paused_because": "moved",
            },
        ),
        (
            itself.LedgerAccepted("Kim", "old", ((9, "h9"),)),
            {
                "accepted": True,
                "accepted_heads": {(9, "h9")},
                "armed": True,
                "paused_since": NOW,
                "paused_by": "Kim",
                "paused_because": "old",
            },
        ),
        (itself.LedgerRestored(4, "h4", 9, "h9"), {"rolled_back_from": Head(9, "h9")}),
        (itself.LedgerRestored(4, "h4", 4, "h4"), {}),
        (itself.LedgerRestored(4, "h4", 4, "h5"), {"rolled_back_from": Head(4, "h5")}),
        (itself.LedgerUpgraded("a", "b", True), {"armed": True}),
        (itself.LedgerUpgraded("a", "b", False), {}),
        (cycles.Memory(pairs={"z": "p"}), {"pairs": {"z": "p"}}),
        (cycles.Memory(numbers={"p": "h"}), {"numbers": {"p": "h"}}),
        (cycles.Memory(entitled=("p",)), {"entitled": {"p"}}),
        (cycles.Memory(gone=("z",), at=NOW - timedelta(minutes=3)), {"gone": {"z": Gone(NOW - timedelta(minutes=3), 0)}}),
        (cycles.Memory(returning=("z",)), {"returning": {"z": Gone(NOW, 0)}}),
        (cycles.Memory(back=("z",), not_returning=("z",), unclear=("z",), seen_active=("z",), vanished=("z",)), {}),
    ],
    ids=lambda value: value.kind if isinstance(value, Entry) else "",
)
def test_an_entry_on_an_empty_history(says: Entry, expected: dict[str, Any]):
    """Every value lands where it belongs."""
    assert expected == changed(says)


FULL = History(
    approvals={
        "z": APPROVAL,
        "old": replace(APPROVAL, id="old", expires_at=NOW - timedelta(seconds=1)),
        "ends": replace(APPROVAL, id="ends", expires_at=NOW),
    },
    announced={"n": Announcement("n", frozenset({"z"}), NOW, LATER, "Kim", "", NOW)},
    used={("old", "z", "deactivate"), ("z", "z", "deactivate"), ("n", "z", "deactivate")},
    gone={"z": Gone(NOW, 3), "y": Gone(NOW, 3)},
    returning={"z": Gone(NOW, 3), "y": Gone(NOW, 3)},
    deactivated={"z": Deactivated(NOW, "c", "cycle"), "y": Deactivated(NOW, "c", "cycle")},
    decided={"z": "x", "y": "x"},
    out_of_step={"z": 1, "y": 1},
    manual={"z", "y"},
    pairs={"z": "p", "y": "q"},
    holds={"z": Hold("Kim", "", NOW), "y": Hold("Kim", "", NOW)},
    good_reads=5,
    good_policy="p",
    good_policy_since=2,
    plans={
        "old": RecordedPlan("old", "p", (), NOW - timedelta(hours=25)),
        "e": RecordedPlan("e", "p", (), NOW - timedelta(hours=24)),
    },
    measures={"people": ((NOW, 10.0),)},
    peopled={"group:entitling:g", "group:entitling:h"},
    groups={"entry:entitling:G": "g"},
    view="dc1",
    view_since=NOW,
    as_of=NOW,
    accepted_match_percent=40.0,
    paused_since=NOW - timedelta(hours=1),
    paused_by="Lee",
    paused_because="first",
)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (people.HoldReleased("Kim", "over"), {"holds": {"y": FULL.holds["y"]}}),
        (people.ChangesPaused("Kim", "again"), {"paused_by": "Kim", "paused_because": "again"}),
        (people.ChangesResumed("Kim", "go"), {"paused_since": None, "paused_by": "", "paused_because": ""}),
        (cycles.Memory(back=("z",)), {"gone": {"y": Gone(NOW, 3)}}),
        (cycles.Memory(not_returning=("z",)), {"returning": {"y": Gone(NOW, 3)}}),
        (cycles.Memory(unclear=("z",)), {"gone": {"z": Gone(NOW, 4), "y": Gone(NOW, 3)}}),
        (cycles.Memory(gone=("x",)), {"gone": {**FULL.gone, "x": Gone(NOW, 5)}}),
        (cycles.Memory(returning=("x",)), {"returning": {**FULL.returning, "x": Gone(NOW, 5)}}),
        (
            cycles.Memory(seen_active=("z",)),
            {
                "deactivated": {"z": replace(FULL.deactivated["z"], seen_active=True), "y": FULL.deactivated["y"]},
                "shown": {"z": Shown(again_at=NOW)},
            },
        ),
        (
            cycles.Memory(vanished=("z",)),
            {
                "gone": {"y": Gone(NOW, 3)},
                "returning": {"y": Gone(NOW, 3)},
                "decided": {"y": "x"},
                "out_of_step": {"y": 1},
                "manual": {"y"},
            },
        ),
        (cycles.PlanMade("d", "p", ()), {"plans": {"e": FULL.plans["e"], "d": RecordedPlan("d", "p", (), NOW)}}),
        (
            itself.LedgerAccepted("Kim", "old", ((9, "h"),)),
            {
                "accepted": True,
                "accepted_heads": {(9, "h")},
                "approvals": {},
                "announced": {},
                "armed": True,
                "decided": {},
                "out_of_step": {},
                "paused_by": "Kim",
                "paused_because": "old",
            },
        ),
        (
            itself.LedgerAccepted("Kim", "moved", directory="ad:y"),
            {
                "accepted": True,
                "directory": "ad:y",
                "pairs": {},
                "armed": True,
                "decided": {},
                "out_of_step": {},
                "paused_by": "Kim",
                "paused_because": "moved",
            },
        ),
        (itself.LedgerAccepted("Kim", "new"), {"accepted": True}),
        (
            people.PeopleAnnounced((), NOW, NOW, "Kim", ""),
            {"announced": {**FULL.announced, "z": Announcement("z", frozenset(), NOW, NOW, "Kim", "", NOW)}},
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Entry) else "",
)
def test_an_entry_on_a_history_that_knows_something(says: Entry, expected: dict[str, Any]):
    """And what is about others stays."""
    assert expected == changed(says, FULL)


def test_an_approval_sweeps_away_what_ran_out():
    """With the uses of it; those of what still runs, and of announcements, stay."""
    known = replace(FULL, heeded=frozenset({"z", "old"}))
    after = changed(approved(), known, subject="new")

    assert {"z", "ends", "new"} == set(after["approvals"])
    assert {("z", "z", "deactivate"), ("n", "z", "deactivate")} == after["used"]
    assert {"z"} == after["heeded"]
    assert {"approvals", "used", "heeded"} == set(after)


def counting(given: Approval, at: datetime = NOW) -> dict[str, Any]:
    """What changes when this approval counts, beside that it does."""
    after = changed(people.ApprovalCounts(), replace(FULL, approvals={"z": given}), at=at)
    assert {"z"} == after.pop("heeded")
    return after


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, {}),
        ({"guards": (Guard.FLAPPING, Guard.MAX_DEACTIVATIONS_PER_DAY)}, {Guard.MAX_DEACTIVATIONS_PER_DAY: NOW}),
        ({"complete": (Guard.MAX_REACTIVATIONS_PER_DAY,)}, {Guard.MAX_REACTIVATIONS_PER_DAY: NOW}),
        ({"guards": (Guard.MAX_DEACTIVATIONS_PER_DAY,), "complete": ()}, {}),
    ],
)
def test_sums_begin_anew_when_an_approval_that_counts_was_given(given_: dict[str, Any], expected: dict[Guard, datetime]):
    """Those of its guards that enough people approved, and not when the cycle came by that found it. A clock that runs ahead
    begins none in the future."""
    one = replace(APPROVAL, **given_)
    after = counting(one, at=LATER)

    assert ({**FULL.sums_begun, **expected} if expected else None) == after.get("sums_begun")
    assert after == counting(replace(one, at=LATER + timedelta(days=9)), at=NOW)


def test_a_good_read_made_for_an_approval_is_the_first_under_its_policy():
    """Unless there was one."""
    assert {} == counting(replace(APPROVAL, good_read=True))
    assert {"good_policy": "q", "good_policy_since": 5} == counting(replace(APPROVAL, policy_digest="q", good_read=True))


def test_what_the_first_versions_approved_counts_as_it_was_written():
    """No cycle of theirs says that it does."""
    says = write(approved(guards=(Guard.MAX_DEACTIVATIONS_PER_DAY,), accepts={"match_percent": 30}), subject="z")
    for version in (1, 2):
        after = fold(replace(says, body={**says.body, "v": version}), history=FULL, start=NOW)
        assert (30.0, NOW) == (after.accepted_match_percent, after.sums_begun[Guard.MAX_DEACTIVATIONS_PER_DAY])
        assert "z" in after.heeded
    after = fold(says, history=FULL, start=NOW)
    assert (FULL.accepted_match_percent, FULL.sums_begun) == (after.accepted_match_percent, after.sums_begun)
    assert "z" not in after.heeded


def test_what_no_cycle_can_say_changes_nothing():
    """One whose clock nobody vouches for, or of an approval that ran out before the entry was written."""
    assert {} == changed(people.ApprovalCounts(clock_unverified=True), FULL)
    assert {} == changed(people.ApprovalCounts(), FULL, subject="gone")


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        ({"match_percent": 30}, {"accepted_match_percent": 30.0}),
        ({"emptied:group:entitling:g": 0}, {"peopled": {"group:entitling:h"}}),
        ({"as_of": "2026-11-01T08:00:00Z"}, {"as_of": NOW - timedelta(hours=25)}),
        ({"view": "dc2"}, {"view": "dc2", "view_since": None}),
        ({"entry:entitling:G": "new"}, {"groups": {"entry:entitling:G": "new"}}),
        ({"people": 4, "entitled": 3}, {"measures": {"people": ((NOW, 4.0),), "entitled": ((NOW, 3.0),)}}),
        (
            {"group:entitling:g": 2, "size:entitling:G": 2},
            {"measures": {**FULL.measures, "group:entitling:g": ((NOW, 2.0),), "size:entitling:G": ((NOW, 2.0),)}},
        ),
        ({"sentinel:1": 0, "in_scope": 0}, {}),
    ],
)
def test_what_an_approval_accepts(accepts: dict[str, Any], expected: dict[str, Any]):
    """Each kind of value is remembered where its guard looks."""
    assert expected == counting(replace(APPROVAL, accepts=accepts))


def test_an_intent_is_open_with_all_it_says():
    """Under its own id."""
    after = changed(intended(approval="a", restore={"type": 2}, person="p"), effects=None)

    expected = Intent("i", "c", NOW, "z", "deactivate", "cycle", "left_groups", BEFORE, "a", {"type": 2}, "p")
    assert {"intents": {"i": expected}} == after


def open_intent(**more: Any) -> History:
    return History(
        intents={"i": announced(**more)},
        troubles={("z", "deactivate"): NOW, ("y", "deactivate"): NOW},
        refusals={("z", "deactivate"): Refusal(NOW, 1, "", "f"), ("y", "deactivate"): Refusal(NOW, 1, "", "f")},
        approvals={
            "a": replace(APPROVAL, id="a"),
            "b": replace(APPROVAL, id="b"),
            "o": replace(APPROVAL, id="o", effects=frozenset({("y", "deactivate")})),
        },
        announced={"n": Announcement("n", frozenset({"z"}), NOW, LATER, "Kim", "", NOW)},
        deactivated={"z": Deactivated(NOW - timedelta(days=9), "c9", "cycle")},
        pairs={"z": "p", "y": "q"},
    )


def test_a_deactivation_that_is_done_is_ours():
    """Counted, with what the account had before; its refusals are forgotten."""
    then = NOW - timedelta(minutes=2)
    after = changed(settled(done_at=then), open_intent(person="p"), effects=None)

    assert {
        "intents": {},
        "refusals": {("y", "deactivate"): Refusal(NOW, 1, "", "f")},
        "troubles": {("y", "deactivate"): NOW},
        "counted": (Counted(then, "deactivate", False, "left_groups", "z"),),
        "done": {"i": (announced(person="p"), "none")},
        "deactivated": {"z": Deactivated(then, "c0", "cycle", 2, "64", "2", "left_groups", person="p")},
    } == after


@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({"approval": "a"}, {("a", "z", "deactivate"), ("b", "z", "deactivate")}),
        ({"approval": "n"}, {("a", "z", "deactivate"), ("b", "z", "deactivate"), ("n", "z", "deactivate")}),
        ({}, set()),
    ],
)
def test_what_was_approved_is_used_up(more: dict[str, Any], used: set[tuple[str, str, str]]):
    """In each approval that showed it, and does not count."""
    after = fold(write(settled(), subject="z"), history=open_intent(**more))

    assert used == set(after.used)
    assert [bool(more)] == [one.approved for one in after.counted]


@pytest.mark.parametrize(
    ("more", "counted", "pairs", "deactivated"),
    [
        ({"action": "reactivate"}, 1, {"z": "p", "y": "q"}, ("c9", NOW)),
        ({"action": "reactivate", "by": "hand"}, 0, {"y": "q"}, ("c9", NOW)),
        ({"action": "reactivate", "by": "undo"}, 0, {"z": "p", "y": "q"}, ("c9", NOW)),
        ({"by": "hand"}, 0, {"z": "p", "y": "q"}, ("c0", None)),
        ({"action": "restore_licence"}, 0, {"z": "p", "y": "q"}, ("c9", None)),
        ({"action": "revoke_sessions"}, 0, {"z": "p", "y": "q"}, ("c9", None)),
    ],
)
def test_what_is_done_by_whom(
    more: dict[str, Any],
    counted: int,
    pairs: dict[str, str],
    deactivated: tuple[str, datetime | None],
):
    """Sums count cycles only; a person who gives access back says whose it is."""
    after = fold(write(settled(action=more.get("action", "deactivate")), subject="z"), history=open_intent(**more))

    last = after.deactivated["z"]
    assert (counted, pairs, deactivated) == (len(after.counted), after.pairs, (last.cycle, last.reactivated_at))


def test_what_failed_changes_nothing_but_that_it_is_over():
    """A refusal for good is remembered."""
    failed = changed(settled(outcome="failed", done_at=None), open_intent(), effects=None)
    refused = changed(
        settled(outcome="refused", done_at=None, refusal=effects.RefusalSaid(5, "no", "g")), open_intent(), effects=None
    )

    assert {"intents": {}} == failed
    assert {"intents", "refusals"} == set(refused)
    assert Refusal(NOW, 5, "no", "g") == refused["refusals"]["z", "deactivate"]
    assert {} == changed(settled(intent="unknown"), open_intent(), effects=None)


def test_a_licence_still_owed_outlives_leaving_again():
    """What was to be restored, over what is there."""
    after = fold(write(settled(), subject="z"), history=open_intent(restore={"type": 3, "plan": "65"}))

    assert (3, "65", "2") == (after.deactivated["z"].type, after.deactivated["z"].plan, after.deactivated["z"].role_id)


def test_sums_forget_what_is_older_than_thirty_days():
    """And not what is just that old."""
    ages = (timedelta(days=31), timedelta(days=30, seconds=1), timedelta(days=30), timedelta(days=1))
    known = replace(open_intent(), counted=tuple(Counted(NOW - age, "deactivate", False) for age in ages))
    after = fold(write(settled(), subject="z"), history=known)

    assert [NOW - timedelta(days=30), NOW - timedelta(days=1), NOW] == [one.at for one in after.counted]


@pytest.mark.parametrize(("ago", "believed"), [(timedelta(days=6, hours=23), True), (timedelta(days=7), False)])
def test_the_second_trouble_in_a_row_is_believed_within_a_week(ago: timedelta, believed: bool):
    """Then it counts anew."""
    known = History(troubles={("z", "deactivate"): NOW - ago})
    after = changed(effects.TroubleMet("deactivate", "failed", 300, "no", "f"), known)

    assert (
        {"troubles": {}, "refusals": {("z", "deactivate"): Refusal(NOW, 300, "no", "f")}}
        if believed
        else {"troubles": {("z", "deactivate"): NOW}}
    ) == after


def test_the_stricter_of_two_rules_for_approvals():
    """Each kind of rule by itself; a list that is there before one that is not."""
    mine = {"approvals_required": 2, "approvers": ["Kim"], "signers": ["Kim key"]}
    other = {"approvals_required": 3, "approvers": ["Lee"], "signers": ["Lee key"]}

    assert {"approvals_required": 3, "approvers": ["Kim"], "signers": ["Kim key"]} == stricter(mine, other)
    assert other == stricter({}, other) == stricter({"approvals_required": 3, "approvers": [], "signers": []}, other)
    assert mine == stricter(mine, {})
    assert {"approvals_required": 1, "approvers": [], "signers": []} == stricter({}, {})


@pytest.mark.parametrize(("percent", "accepted"), [(49.9, 30.0), (50.0, None), (80.0, None)])
def test_a_good_match_rate_ends_an_accepted_one(percent: float, accepted: float | None):
    """From the limit on."""
    says = cycles.CycleRead(read(measures={"match_percent": percent, "people": 10}))

    assert accepted == fold(write(says), history=History(accepted_match_percent=30.0)).accepted_match_percent


def test_a_read_is_remembered_with_what_it_measured():
    """And a look, or a bad one, or one that no clock vouches for, is not."""
    says = read(
        armed=True,
        policy_values={"approvals_required": 2},
        groups={"entry:entitling:G": "g"},
        view="dc1",
        as_of=NOW - timedelta(hours=1),
        measures={"people": 10, "group:entitling:g": 3, "group:entitling:h": 0},
    )
    after = changed(cycles.CycleRead(says), History(good_reads=4))

    assert {
        "policy_digest": "policy-1",
        "last_good_cycle_at": NOW,
        "armed": True,
        "policy_in_use": {"approvals_required": 2},
        "approvals_before": {"approvals_required": 1, "approvers": [], "signers": []},
        "good_reads": 5,
        "good_read": "c",
        "good_read_at": NOW,
        "good_policy": "policy-1",
        "good_policy_since": 5,
        "groups": {"entry:entitling:G": "g"},
        "view": "dc1",
        "as_of": NOW - timedelta(hours=1),
        "good_digest": "d",
        "active_in_scope": 7,
        "peopled": {"group:entitling:g"},
        "measures": {"people": ((NOW, 10.0),), "group:entitling:g": ((NOW, 3.0),), "group:entitling:h": ((NOW, 0.0),)},
    } == after
    assert {} == changed(cycles.CycleRead(replace_struct(says, look=True)))
    bad = changed(cycles.CycleRead(replace_struct(says, good=False)))
    assert {"policy_digest", "last_good_cycle_at", "armed", "policy_in_use", "approvals_before"} == set(bad)


def test_a_read_under_a_reviewed_policy_forgets_the_rules_before():
    """While it waits for a review the strictest are kept."""
    known = History(approvals_before={"approvals_required": 3}, policy_in_use={"approvals_required": 2})

    def after(armed: bool | None) -> tuple[int, bool]:
        found = fold(write(cycles.CycleRead(read(armed=armed, policy_values={"approvals_required": 1}))), history=known)
        return found.approvals_before.get("approvals_required", 0), found.armed

    assert [(3, True), (0, False), (3, False)] == [after(armed) for armed in (True, False, None)]
    report = fold(write(cycles.CycleRead(read(armed=None))), history=known)
    assert ("", 1) == (report.good_policy, report.good_policy_since)


def test_who_was_in_a_group_is_forgotten_after_a_week():
    """And not before."""
    past = {"old": ("G", NOW - timedelta(days=7, seconds=1)), "week": ("G", NOW - timedelta(days=7)), "new": ("G", NOW)}
    after = fold(write(cycles.CycleRead(read())), history=History(entitled_until=past, protected_until=past))

    assert [{"week", "new"}] * 2 == [set(after.entitled_until), set(after.protected_until)]


def replace_struct(says: Any, **more: Any) -> Any:
    return type(says)(**{**{name: getattr(says, name) for name in says.__struct_fields__}, **more})


def test_another_copy_of_the_directory_is_one_since_now():
    """The first one is not another."""

    def after(view: str, history: History) -> tuple[str, datetime | None]:
        found = fold(write(cycles.CycleRead(read(view=view))), history=history, start=LATER)
        return found.view, found.view_since

    assert ("dc1", None) == after("dc1", History())
    assert ("dc2", LATER) == after("dc2", History(view="dc1"))
    assert ("dc1", NOW) == after("dc1", History(view="dc1", view_since=NOW))


def test_a_cycle_that_ended_is_the_last_one():
    """Equal results are counted; only success is a success; a look is no cycle."""

    def ended(result: str, success: bool, **more: Any) -> cycles.CycleEnded:
        return cycles.CycleEnded("enforce", "schedule", result, success, NOW, NOW, "0.2.0", "p", {}, **more)

    assert {
        "last_cycle": "c",
        "last_cycle_at": NOW,
        "last_result": "applied",
        "same_results": 1,
        "last_success_at": NOW,
    } == changed(ended("applied", True))
    again = History(last_result="held", same_results=3, last_success_at=NOW - timedelta(days=1))
    assert {"last_cycle": "c", "last_cycle_at": NOW, "same_results": 4} == changed(ended("held", False), again)
    assert {} == changed(ended("applied", True, look=True))
    assert 1 == fold(write(ended("noop", True, read=read()))).good_reads


def test_what_is_foreseen_is_no_entry():
    """The chain ends where it ended; the time is the one given."""
    before = History(head=Head(7, "h"), term=4)
    after = before.foreseen([write(people.HoldPlaced("Kim", "x", None), subject="z", cycle="c")], LATER)

    assert (Head(7, "h"), 4, {"z": Hold("Kim", "x", LATER)}) == (after.head, after.term, after.holds)
    assert {} == before.holds


def test_what_reads_showed_of_who_is_leaving_is_remembered():
    """The read before the one that showed it; a look comes after the newest."""

    def step(history: History, at: datetime, cycle: str, *entries: Entry) -> History:
        for says in (cycles.CycleRead(read()), *entries):
            history = fold(write(says, subject="z", cycle=cycle), history=history, start=at)
        return history

    def decision(reason: str, status: str = "active", **more: Any) -> cycles.DecisionMade:
        return cycles.DecisionMade("keep", reason, status, **more)

    gone = decision("left_groups", since=LATER)
    first = step(History(), NOW, "a", decision("in_step"))
    assert (Shown(NOW), {}) == (first.last_shown("z", LATER), first.shown)
    assert UNSHOWN == first.last_shown("nobody", LATER)

    assert {"z": Shown(NOW)} == step(first, LATER, "b", gone).shown
    looked = fold(write(gone, subject="z", cycle="look"), history=step(first, LATER, "b"), start=LATER)
    assert {"z": Shown(LATER)} == looked.shown
    assert Shown(LATER) == step(looked, LATER + timedelta(hours=1), "c").last_shown("z", NOW)
    held = step(first, LATER, "b", decision("on_hold"))
    assert ({}, ANEW) == (held.shown, held.last_shown("z", LATER))

    off = Deactivated(NOW, "c", "cycle")
    assert Shown(again_at=LATER) == replace(first, deactivated={"z": off}).last_shown("z", LATER)
    assert Shown(NOW) == replace(first, deactivated={"z": replace(off, seen_active=True)}).last_shown("z", LATER)
    again = replace(first, shown={"z": Shown(again_at=LATER)})
    assert {"z": Shown(again_at=LATER)} == step(again, LATER, "b", gone).shown


@pytest.mark.parametrize(("action", "outcome", "forgotten"), [("deactivate", "done", True), ("deactivate", "failed", False)])
def test_a_deactivation_that_was_done_ends_what_was_shown(action: str, outcome: str, forgotten: bool):
    """Whoever is active again begins anew."""
    intent = Intent("i", "c", NOW, "z", action, "cycle", "left_groups", BEFORE)
    known = History(intents={"i": intent}, shown={"z": Shown(NOW)})
    says = effects.OutcomeSettled("i", action, outcome, "", "inactive", None, NOW, NOW, 1)

    assert ({} if forgotten else {"z": Shown(NOW)}) == fold(write(says, subject="z"), history=known).shown


def test_the_beginning_of_a_read_is_known_when_its_cycle_ends():
    """Whether it is one entry or two."""
    began = NOW - timedelta(minutes=4)

    def ended(known: History, facts: cycles.ReadFacts | None = None, **more: Any) -> datetime | None:
        says = cycles.CycleEnded("enforce", "schedule", "in_step", True, began, NOW, "1", "p", read=facts, **more)
        return fold(write(says, cycle="a"), history=known).good_read_at

    two = fold(write(cycles.CycleRead(read()), cycle="a"))
    assert (NOW, began) == (two.good_read_at, ended(two))
    assert began == ended(History(), read())
    assert ended(two, look=True) == NOW == ended(replace(two, good_read="z"))
