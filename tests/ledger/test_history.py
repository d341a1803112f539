"""The read model of the ledger: what record writes is what history reads back."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from syncd.errors import LedgerError
from syncd.ledger import record
from syncd.ledger.chain import START, Tip, link, time_text
from syncd.ledger.entries import (
    CycleEnded,
    LedgerAccepted,
    LedgerRestored,
    LedgerUpgraded,
    PeopleAnnounced,
    ReadFacts,
    RowAcknowledged,
)
from syncd.ledger.entry import KINDS, from_rfc3339
from syncd.ledger.entry import draft as write
from syncd.ledger.history import Growing, History
from syncd.ledger.history import fold as folded
from syncd.model import (
    Action,
    Announcement,
    Approval,
    Deactivated,
    Decision,
    Draft,
    EffectOutcome,
    Gone,
    Guard,
    Head,
    Hold,
    Intent,
    LedgerEntry,
    MemoryChange,
    OutcomeKind,
    Plan,
    Reason,
    Refusal,
    Status,
    ZoomAccount,
    canonical_json,
)
from tests.planning.strategies import NOW

ANN = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, "Ann", "2", "Member", 2, "64")
BEFORE = record.before_of(ANN)
PLAN = Plan(NOW, "policy-1", (Decision(ANN, Action.DEACTIVATE, Reason.LEFT_GROUPS),))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def fold(*drafts: Draft, history: History | None = None, step: timedelta = timedelta(0), start: datetime = NOW) -> History:
    """A history after these entries, the first of them written now."""
    history = history or History()
    for number, draft in enumerate(drafts):
        body = canonical_json({**draft.body, "who": "0" * 64})
        history = folded(
            history,
            LedgerEntry(
                history.head.seq + 1,
                record.rfc3339(start + number * step),
                draft.cycle,
                1,
                draft.kind,
                draft.subject,
                body,
                "",
                "hash",
            ),
        )
    return history


def intent(action: str = "deactivate", *, by: str = "cycle", approval: str = "", id_: str = "i1", **more: Any) -> Intent:
    return Intent(id_, "c1", NOW, "z", action, by, "left_groups", BEFORE, approval, **more)


def done(of: Intent, **more: Any) -> Draft:
    return record.settled(of, EffectOutcome(OutcomeKind.DONE, status_after="inactive", done_at=NOW + minutes(1), **more))


def read(good: bool = True, **more: Any) -> ReadFacts:
    facts = {
        "mode": "enforce",
        "good": good,
        "source": "file",
        "directory_digest": "d",
        "zoom_digest": "z",
        "accounts": 0,
        "statuses": {},
        "active_in_scope": 7,
        "measures": {"people": 10, "match_percent": 90.0},
        "min_match_percent": 50.0,
        "plan": "digest",
        "policy": "policy-1",
        "counts": {},
        "reasons": {},
        "tripped": (),
    }
    return ReadFacts(**{**facts, **more})


def ended(result: str = "applied", success: bool = True) -> CycleEnded:
    return CycleEnded("enforce", "schedule", result, success, NOW, NOW, "0.1.0", "policy-1", {})


# -------------------------------------------------------------------------------------------------------- round trips


def test_the_first_entry_binds_the_ledger():
    """To one Zoom account and one directory."""
    history = fold(record.opened("ledger-1", "zoom-1", "ad:corp"))

    assert ("ledger-1", "zoom-1", "ad:corp") == (history.ledger_id, history.zoom_account, history.directory)
    assert (Head(1, "hash"), 1) == (history.head, history.term)


def test_an_intent_is_open_until_its_outcome():
    """Every field comes back as it was written."""
    one = intent("reactivate", approval="a1", restore={"type": 2, "plan": "64"})

    assert {"i1": one} == fold(record.intended(one, ANN)).intents
    assert {} == fold(record.intended(one, ANN), done(one)).intents


@pytest.mark.parametrize("by", ["cycle", "hand", "undo"])
def test_a_deactivation_done_is_remembered_with_what_the_account_had(by: str):
    """Zoom strips licences and does not give them back. Only those of cycles add up over a day."""
    one = intent(by=by)
    history = fold(record.intended(one, ANN), done(one))

    assert {"z": Deactivated(NOW + minutes(1), "c1", by, 2, "64", "2", "left_groups")} == history.deactivated
    assert (1 if by == "cycle" else 0) == len(history.counted)
    assert {"c1": [(one, "")]} == history.done_in


@pytest.mark.parametrize("outcome", [kind for kind in OutcomeKind if kind is not OutcomeKind.DONE])
def test_what_was_not_done_is_not_remembered_as_ours(outcome: OutcomeKind):
    """Skipped, failed, not tried: the intent is settled, and that is all."""
    one = intent(approval="a1")
    history = fold(record.intended(one, ANN), record.settled(one, EffectOutcome(outcome, "changed_since_plan")))

    assert ({}, {}, set(), []) == (history.intents, history.deactivated, history.used, list(history.counted))


def test_a_reactivation_of_ours_ends_the_deactivation():
    """So that a later deactivation by somebody else is not taken for ours."""
    off, on = intent(), intent("reactivate", id_="i2")
    history = fold(record.intended(off, ANN), done(off), record.intended(on, ANN), done(on))

    assert NOW + minutes(1) == history.deactivated["z"].reactivated_at


def test_a_refusal_for_good_is_remembered_until_the_change_succeeds():
    """With its fingerprint, for this one change."""
    one, two = intent(), intent(id_="i2")
    refusal = {"code": 200, "says": "is an admin", "fingerprint": "f"}
    refused = [record.intended(one, ANN), record.settled(one, EffectOutcome(OutcomeKind.FAILED, "refused_by_zoom"), refusal)]

    assert {("z", "deactivate"): Refusal(NOW, 200, "is an admin", "f")} == fold(*refused).refusals
    assert {} == fold(*refused, record.intended(two, ANN), done(two)).refusals


APPROVAL = Approval(
    "a1",
    "digest",
    "policy-1",
    (Guard.FLAPPING, Guard.POLICY_CHANGED),
    frozenset({("z", "deactivate")}),
    "Kim",
    "reviewed",
    NOW,
    NOW + minutes(60),
    frozenset({"y"}),
    "SSHSIG",
    "kim",
    "ops-1",
)


def test_an_approval_comes_back_as_it_was_given():
    """Who, why, what and how long."""
    assert {"a1": APPROVAL} == fold(record.approved(APPROVAL)).approvals


def test_an_effect_reviewed_twice_is_used_up_in_both_reviews():
    """Two approvals of one plan, one per guard, let its effects pass once, not twice."""
    other = replace(APPROVAL, id="a2", guards=(Guard.MAX_DEACTIVATIONS,))
    one = intent(approval="a1")
    history = fold(record.approved(APPROVAL), record.approved(other), record.intended(one, ANN), done(one))

    assert {("a1", "z", "deactivate"), ("a2", "z", "deactivate")} == history.used


def test_an_open_intent_has_not_used_up_its_approval():
    """A crash half way loses nothing."""
    history = fold(record.approved(APPROVAL), record.intended(intent(approval="a1"), ANN))

    assert set() == history.used


def test_approved_deactivations_are_left_out_of_the_daily_sum():
    """New ones are not, and neither is what a person did. After 30 days an effect is forgotten."""
    one, two, hand = intent(approval="a1"), intent("reactivate", id_="i2"), intent(by="hand", id_="i3")
    history = fold(*(draft for each in (one, two, hand) for draft in (record.intended(each, ANN), done(each))))

    assert [("deactivate", True, "left_groups", "z"), ("reactivate", False, "left_groups", "z")] == [
        (each.action, each.approved, each.reason, each.zoom_id) for each in history.counted
    ]
    later = intent(id_="i4")
    after = fold(
        record.intended(later, ANN),
        record.settled(later, EffectOutcome(OutcomeKind.DONE)),
        history=history,
        start=NOW + timedelta(days=31),
    )
    assert [NOW + timedelta(days=31)] == [each.at for each in after.counted]


def test_what_an_approval_showed_on_its_way_counts_in_sums():
    """It was covered for ``policy-changed`` alone: nobody reviewed that it would be deactivated."""
    showed = replace(APPROVAL, effects=frozenset(), on_the_way=frozenset({"z"}))
    one = intent(approval="a1")
    history = fold(record.approved(showed), record.intended(one, ANN), done(one))

    assert [False] == [each.approved for each in history.counted]


def test_an_approval_by_a_clock_that_nobody_checked_begins_no_sum_in_the_future():
    """One that is a month ahead would count nobody for a month, and end every approval that runs."""
    ahead = NOW + timedelta(days=30)
    sums = replace(APPROVAL, id="a2", guards=(Guard.MAX_DEACTIVATIONS_PER_DAY,), at=ahead, expires_at=ahead + timedelta(days=1))
    checked = record.approved(sums)
    unchecked = replace(checked, body={**checked.body, "clock_unverified": True})
    before = fold(record.approved(APPROVAL))
    for draft, runs in ((unchecked, {"a1", "a2"}), (checked, {"a2"})):
        given = fold(draft, history=before, start=ahead)
        assert ({}, runs) == (given.sums_begun, set(given.approvals))
        counts = fold(record.approval_counts("c", "a2"), history=given, start=NOW + minutes(5))
        assert {sums.guards[0]: NOW + minutes(5)} == counts.sums_begun


def test_an_announcement_is_used_up_by_the_effect_it_covered():
    """Once each; it comes back as it was made, and ends with its time."""
    made = Announcement("n1", frozenset({"z", "y"}), NOW, NOW + timedelta(days=1), "Kim", "term ends", NOW)
    one = intent(approval="n1")
    history = fold(record.announced(made, {}), record.intended(one, ANN), done(one))

    assert ({"n1": made}, {("n1", "z", "deactivate")}) == (history.announced, history.used)
    other = replace(made, id="n2", starts_at=NOW + timedelta(days=2), ends_at=NOW + timedelta(days=3))
    assert {"n2"} == set(fold(record.announced(other, {}), history=history, start=NOW + timedelta(days=2)).announced)


def in_step(active: bool = True) -> Draft:
    return record.decided(
        "c", Decision(structs.replace(ANN, status=Status.ACTIVE if active else Status.INACTIVE), Action.KEEP, Reason.IN_STEP, "p")
    )


LEAVING = record.decided("c", Decision(ANN, Action.KEEP, Reason.WITHIN_GRACE, "p"))


@pytest.mark.parametrize(
    ("drafts", "expected"),
    [
        ([], False),
        ([("policy-1", in_step())], True),
        ([("policy-1", in_step(active=False))], False),  # switched off is not in step with a person here
        ([("policy-1", LEAVING)], False),  # the first read under it shows them leaving
        ([("policy-0", in_step()), ("policy-1", LEAVING)], False),  # in step under another policy only
        ([("policy-1", in_step()), ("policy-1", LEAVING)], True),
        ([("policy-1", in_step()), ("policy-1", LEAVING), ("policy-1", None)], True),
        ([("policy-0", in_step()), ("policy-1", None), ("policy-1", LEAVING)], True),
        ([("policy-1", LEAVING), ("policy-1", in_step()), ("policy-1", LEAVING)], True),
        ([("report policy-1", in_step()), ("policy-1", LEAVING)], False),  # report mode lets leavers pile up
        ([("policy-1", in_step()), ("report policy-1", LEAVING)], True),
        ([("policy-1", in_step()), ("report policy-2", None)], False),
        ([("policy-1", in_step()), ("policy-2", None)], False),  # asked about policy-1, but another is in use
    ],
)
def test_who_was_shown_in_step_under_a_policy(drafts: list[tuple[str, Draft | None]], expected: bool):
    """By an earlier good read: then whoever leaves is an ordinary leaver."""
    history = History()
    for policy, decided in drafts:
        mode: dict[str, Any] = {"armed": None} if policy.startswith("report") else {"armed": True}
        history = fold(
            record.cycle_read("c", read(policy=policy.removeprefix("report "), **mode)),
            *([decided] if decided is not None else []),
            history=history,
        )

    assert expected == history.shown_in_step("z", "policy-1")


@pytest.mark.parametrize(
    ("until", "at", "expected"),
    [(None, NOW + timedelta(days=999), True), (NOW + minutes(1), NOW, True), (NOW + minutes(1), NOW + minutes(1), False)],
)
def test_a_hold_stands_until_its_time_or_until_released(until: Any, at: Any, expected: bool):
    """To the moment."""
    held = record.held("z", by="Kim", because="leave", until=until, personal=None)

    assert {"z": Hold("Kim", "leave", NOW, until)} == fold(held).holds
    assert expected == fold(held).on_hold("z", at)
    assert not fold(held, record.released("z", by="Kim", because="back")).on_hold("z", at)


def test_pauses_do_not_stack():
    """The first one counts from when it began; the last one says why; one resume ends it."""
    pauses = [record.paused(by="Kim", because="first"), record.paused(by="Lee", because="second")]
    paused = fold(*pauses, step=minutes(1))

    assert (NOW, "Lee", "second") == (paused.paused_since, paused.paused_by, paused.paused_because)
    assert fold(*pauses, record.resumed(by="Kim", because="over")).paused_since is None


def test_memory_comes_back_as_it_was_written():
    """Pairs, who is gone since which good read, and what ends it."""
    change = MemoryChange(NOW, {"z": "p"}, gone=frozenset({"z", "y"}))
    history = fold(record.cycle_read("c1", read()), *record.memory("c1", change))

    assert ({"z": "p"}, {"z": Gone(NOW, 1), "y": Gone(NOW, 1)}) == (history.pairs, history.gone)
    later = fold(*record.memory("c2", MemoryChange(NOW, back=frozenset({"y"}), unclear=frozenset({"z"}))), history=history)
    assert {"z": Gone(NOW, 2)} == later.gone


def test_an_unclear_read_does_not_count_for_them():
    """Two good reads passed, one of them without seeing them: one counts."""
    history = fold(
        record.cycle_read("c1", read()),
        *record.memory("c1", MemoryChange(NOW, gone=frozenset({"z"}))),
        record.cycle_read("c2", read()),
        *record.memory("c2", MemoryChange(NOW, unclear=frozenset({"z"}))),
    )

    assert 1 == history.good_reads - history.gone["z"].read + 1


def test_a_decision_is_known_by_its_digest():
    """Unchanged ones are not written again, whatever lies beside the chain."""
    decision = Decision(ANN, Action.KEEP, Reason.IN_STEP, "p", "address", ("Zoom Users",))

    assert {"z": record.decision_made(decision).fingerprint} == fold(record.decided("c1", decision)).decided


def test_a_plan_stays_approvable_with_what_it_measured_and_who_was_on_the_way():
    """Written once; a cycle that makes it again only renews its time."""
    waiting = Decision(structs.replace(ANN, zoom_id="y"), Action.KEEP, Reason.WITHIN_GRACE, due_at=NOW + minutes(5))
    plan = Plan(
        NOW,
        "policy-1",
        (Decision(ANN, Action.DEACTIVATE, Reason.LEFT_GROUPS), waiting),
        accepts={"match-rate": {"match_percent": 9.0}},
    )
    history = fold(
        record.plan_made("c1", plan),
        record.cycle_read("c1", read(plan=plan.digest)),
        record.cycle_read("c2", read(plan=plan.digest)),
        step=minutes(1),
    )

    recorded = history.plans[plan.digest]
    assert (plan.digest, "policy-1", (("z", "deactivate", "left_groups"),)) == (
        recorded.digest,
        recorded.policy_digest,
        recorded.effects,
    )
    assert (NOW + minutes(2), {"match-rate": {"match_percent": 9.0}}) == (recorded.at, recorded.accepts)
    assert ("y",) == recorded.on_the_way


def test_the_end_of_a_cycle_is_remembered():
    """For the daemon's next start: last_success is read from the ledger."""
    history = fold(
        record.cycle_ended("c1", ended()), record.cycle_ended("c2", ended("unreadable", success=False)), step=minutes(1)
    )

    assert ("c2", NOW + minutes(1), "unreadable", NOW) == (
        history.last_cycle,
        history.last_cycle_at,
        history.last_result,
        history.last_success_at,
    )


def test_rows_of_results_and_the_last_good_cycle_are_remembered():
    """A read that made a plan counts, whatever became of it and wherever it is written down; an unreadable cycle has none."""
    bad = [record.cycle_ended(cycle, ended("unreadable", success=False)) for cycle in ("c3", "c4")]
    history = fold(
        record.cycle_read("c1", read()),
        record.cycle_ended("c1", ended("held", success=False)),
        record.cycle_ended("c2", msgspec.structs.replace(ended(), read=read())),
        *bad,
        step=minutes(1),
    )

    assert ("unreadable", 2, NOW + minutes(2)) == (history.last_result, history.same_results, history.last_good_cycle_at)
    assert NOW == fold(record.cycle_read("c1", read())).last_good_cycle_at
    assert (None, 1) == (fold(bad[0]).last_good_cycle_at, fold(bad[0]).same_results)
    assert NOW == fold(record.opened("id", "acc", "file:/x")).opened_at


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        (Draft("later.kind", {"a": 1}), "entry 1 is of the kind 'later.kind', which this syncd does not know"),
        (Draft("pause", {"by": "Kim", "because": "x", "v": 2, "later": 1}), "version 2, and this syncd knows 1"),
        (Draft("pause", {"by": "Kim", "because": "x", "v": 2}), "version 2, and this syncd knows 1"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_in_words(draft: Draft, says: str):
    """Half of what a ledger says is worse than nothing: a hold might be in the other half."""
    with pytest.raises(LedgerError, match="newer syncd") as refused:
        fold(draft)

    assert says in refused.value.what
    assert "Upgrade" in refused.value.do


@pytest.mark.parametrize("body", [{"by": "Kim"}, {"by": "Kim", "because": "x", "misspelt": True}, {"by": 7, "because": "x"}])
def test_a_body_that_does_not_say_what_its_kind_says_is_an_error(body: dict[str, Any]):
    """A key missing, a key too much, a value of another type: nothing is guessed, and nothing of it taken."""
    growing = Growing(History())
    with pytest.raises(LedgerError, match="entry 7 does not say what an entry of the kind 'pause' says"):
        growing.take(LedgerEntry(7, record.rfc3339(NOW), "c", 1, "pause", "", json.dumps(body), "", "h"))

    assert History() == growing.grown()


def test_a_history_can_grow_in_each_of_its_fields():
    """The two classes name the same ones."""
    assert {one.name for one in fields(History)} == set(Growing.__annotations__)


def test_accepting_a_restored_ledger_voids_approvals_and_pauses():
    """What was lost may have used them up. Holds stay, and so does what we did."""
    one = intent()
    restored = [
        record.approved(APPROVAL),
        record.held("z", by="Kim", because="x", until=None, personal=None),
        record.intended(one, ANN),
        done(one),
        write(LedgerRestored(4, "h4", 9, "h9")),
    ]
    before = fold(*restored)
    after = fold(write(LedgerAccepted("Kim", "meant", ((9, "h9"),))), history=before)

    assert (Head(9, "h9"), {"a1"}, None) == (before.rolled_back_from, set(before.approvals), before.paused_since)
    assert (None, {}, {(9, "h9")}, True, "Kim") == (
        after.rolled_back_from,
        after.approvals,
        after.accepted_heads,
        after.armed,
        after.paused_by,
    )
    assert ({"z"}, {"z"}) == (set(after.holds), set(after.deactivated))


def test_accepting_a_new_ledger_changes_nothing_else():
    """Nothing was lost: no pause, and what was approved stays."""
    after = fold(record.approved(APPROVAL), write(LedgerAccepted("Kim", "first use")))

    assert (True, {"a1"}, False, None) == (after.accepted, set(after.approvals), after.armed, after.paused_since)


def test_accepting_another_directory_makes_pairs_anew():
    """Its ids mean nothing there; approvals name accounts and stay."""
    history = fold(record.opened("l", "a", "ad:one"), *record.memory("c", MemoryChange(NOW, {"z": "p"})))
    after = fold(write(LedgerAccepted("Kim", "moved", directory="entra:two")), history=history)

    assert ("entra:two", {}, True, NOW) == (after.directory, after.pairs, after.armed, after.paused_since)


def test_only_another_rule_arms():
    """An upgrade that decides as before asks nobody."""
    assert [False, True] == [fold(write(LedgerUpgraded("0.1.0", "0.2.0", changed))).armed for changed in (False, True)]


def test_people_are_announced_for_a_time_and_rows_acknowledged():
    """The announcement goes when another comes after its end."""
    early, late = (PeopleAnnounced((f"z{n}",), NOW, NOW + timedelta(days=n), "Kim", "x") for n in (1, 3))
    drafts = [write(early, subject="n1"), write(late, subject="n2")]

    assert {"n1", "n2"} == set(fold(*drafts).announced)
    assert {"n2"} == set(fold(*drafts, step=timedelta(days=2)).announced)
    known = fold(write(RowAcknowledged("Kim", "x", NOW, "f"), subject="z")).acknowledged["z"]
    assert ("Kim", NOW, "f") == (known.by, known.until, known.fingerprint)


def test_rules_use_the_measured_time():
    """A tip that lies in the future drags the chain's time along; graces, sums and baselines do not follow."""
    one, later = intent(), record.rfc3339(NOW + timedelta(days=900))
    drafts = [
        record.cycle_read("c", read()),
        *record.memory("c", MemoryChange(NOW, {"z": "p"}, gone=frozenset("y"))),
        record.intended(one, ANN),
        record.settled(one, EffectOutcome(OutcomeKind.DONE, status_after="inactive")),
        record.plan_made("c", PLAN),
        record.held("z", by="Kim", because="x", until=None, personal=None),
        record.paused(by="Kim", because="x"),
        record.cycle_ended("c", ended()),
    ]
    tip = Tip(1, "h", time_text(NOW + timedelta(days=900)))
    history = History()
    for draft in drafts:
        entry = link(draft, at=time_text(NOW), term=1, previous=tip)
        assert from_rfc3339(later) == from_rfc3339(entry.at)
        history, tip = folded(history, entry), tip.after(entry)

    assert (10.0, [NOW], NOW, NOW, NOW, NOW, NOW) == (
        history.baseline("people", NOW),
        [each.at for each in history.counted],
        history.plans[PLAN.digest].at,
        history.holds["z"].at,
        history.paused_since,
        history.last_success_at,
        history.deactivated["z"].at,
    )
    assert NOW == folded(History(), link(record.intended(one, ANN), at=time_text(NOW), term=1, previous=tip)).intents["i1"].at


def test_no_rule_uses_a_time_that_nobody_vouches_for():
    """A good read of a process that could not check its clock begins no grace and makes no baseline."""
    change = MemoryChange(NOW, {"z": "p"}, gone=frozenset({"y"}))
    drafts = [replace(one, clock_verified=False) for one in (record.cycle_read("c", read()), *record.memory("c", change))]
    entries = [link(one, at=time_text(NOW), term=1, previous=START) for one in drafts]
    history = History()
    for entry in entries:
        history = folded(history, entry)

    assert (None, 0, {}, {"z": "p"}) == (history.baseline("people", NOW), history.good_reads, history.gone, history.pairs)


def test_every_kind_that_changes_the_read_model_says_so_itself():
    """Those that are evidence only, by name: a new kind must be put here or fold something."""
    silent = {name for name, struct in KINDS.items() if "fold" not in vars(struct) and not name.startswith("noted")}

    assert {
        "checkpoint",
        "head.signed",
        "personal.blanked",
        "policy.in_force",
        "report",
        "report.filed",
        "report.removed",
        "report.unfiled",
        "review",
        "undo",
    } == silent


# ---------------------------------------------------------------------------------------------------------- baselines


def test_the_baseline_is_the_highest_good_read_of_a_week():
    """Later lower reads do not lower it; bad reads do not count; after a week the next highest does."""
    reads = [(True, 100), (True, 90), (False, 300), (True, 95), (True, 80)]
    history = fold(
        *(record.cycle_read("c", read(good, measures={"people": people})) for good, people in reads), step=timedelta(days=1)
    )

    assert 100 == history.baseline("people", NOW + timedelta(days=7))
    assert 95 == history.baseline("people", NOW + timedelta(days=7, seconds=1))
    assert 80 == history.baseline("people", NOW + timedelta(days=99))
    assert history.baseline("entitled", NOW) is None


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 50)), min_size=1, max_size=30))
def test_the_short_list_behind_the_baseline_forgets_nothing_that_counts(reads: list[tuple[int, int]]):
    """The same answer as looking through every read of the week."""
    history, at, kept = History(), NOW, []
    for gap, people in reads:
        at += minutes(gap)
        history = fold(record.cycle_read("c", read(measures={"people": people})), history=history, start=at)
        kept.append((at, people))
        week = [value for moment, value in kept if moment >= at - timedelta(days=7)]
        assert max(week) == history.baseline("people", at)


def test_an_accepted_match_rate_counts_until_a_good_read_needs_it_no_more():
    """Then the configured limit is back."""
    accepted = (record.approved(replace(APPROVAL, accepts={"match_percent": 40.0})), record.approval_counts("c", APPROVAL.id))
    low, high = (record.cycle_read("c", read(measures={"match_percent": share})) for share in (45.0, 60.0))

    assert 40.0 == fold(*accepted, low).accepted_match_percent
    assert fold(*accepted, low, high).accepted_match_percent is None


# ------------------------------------------------------------------------------------------------------------ replaying


moments = st.integers(0, 60 * 72)

drafts = st.one_of(
    st.builds(
        lambda action, by, number, approval: record.intended(
            replace(intent(action, by=by, id_=f"i{number}", approval=approval), cycle=f"c{number % 2}"), ANN
        ),
        st.sampled_from(["deactivate", "reactivate", "restore_licence"]),
        st.sampled_from(["cycle", "hand"]),
        st.integers(0, 3),
        st.sampled_from(["", "a1"]),
    ),
    st.builds(
        lambda number, kind: record.settled(intent(id_=f"i{number}"), EffectOutcome(kind)),
        st.integers(0, 3),
        st.sampled_from(list(OutcomeKind)),
    ),
    st.just(record.approved(replace(APPROVAL, accepts={"people": 5.0, "emptied:group:entitling:g": 0.0}))),
    st.builds(
        lambda good, people, members: record.cycle_read(
            "c",
            read(
                good,
                armed=True,
                plan=PLAN.digest,
                policy_values={"grace": people},
                measures={"people": people, "group:entitling:g": members},
            ),
        ),
        st.booleans(),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
    st.builds(
        lambda gone, back: Draft("memory", {"pairs": {"z": "p"}, "gone": gone, "back": back, "at": record.rfc3339(NOW)}),
        st.sampled_from([[], ["z"]]),
        st.sampled_from([[], ["z"]]),
    ),
    st.just(record.paused(by="Kim", because="x")),
    st.just(record.resumed(by="Kim", because="x")),
    st.just(record.held("z", by="Kim", because="x", until=None, personal=None)),
    st.just(record.released("z", by="Kim", because="x")),
    st.just(record.plan_made("c1", PLAN)),
    st.just(record.cycle_ended("c", ended())),
)


def entries(listed: list[tuple[Draft, int]]) -> list[LedgerEntry]:
    at, result = NOW, []
    for number, (draft, gap) in enumerate(listed):
        at += minutes(gap)
        result.append(
            LedgerEntry(
                number + 1,
                record.rfc3339(at),
                draft.cycle,
                1,
                draft.kind,
                draft.subject,
                json.dumps(dict(draft.body)),
                "",
                f"h{number}",
            )
        )
    return result


@given(st.lists(st.tuples(drafts, moments), max_size=25), st.integers(0, 25))
def test_a_history_that_grew_equals_one_replayed_from_the_start(listed: list[tuple[Draft, int]], known: int):
    """Wherever it began to grow."""
    growing, replayed = Growing(History()), History()
    for entry in entries(listed)[:known]:
        growing.take(entry)
    between = growing.grown()
    before = copy.deepcopy(between)
    for entry in entries(listed)[known:]:
        growing.take(entry)
    for entry in entries(listed):
        replayed = folded(replayed, entry)

    assert replayed == growing.grown()
    assert before == between  # what was given out stays as it was


@given(st.lists(st.tuples(drafts, moments), max_size=15), st.lists(drafts, max_size=8))
def test_foreseeing_leaves_the_history_as_it_was(listed: list[tuple[Draft, int]], more: list[Draft]):
    """A dry run may look ahead and must not change what the daemon remembers."""
    history = History()
    for entry in entries(listed):
        history = folded(history, entry)
    before = copy.deepcopy(history)

    history.foreseen(more, NOW + timedelta(days=1))

    assert before == history


def test_the_group_that_entitled_or_protected_somebody_is_known_for_a_week():
    """So that who left it can be told from who moved."""
    here = record.decided("c", Decision(ANN, Action.KEEP, Reason.IN_STEP, "p", "address", ("Staff", "Sales")))
    vip = record.decided("c", Decision(ANN, Action.KEEP, Reason.EXEMPT, "p", "address", ("VIP",), ("exempt_directory_group",)))
    history = fold(record.cycle_read("c", read()), here)
    assert ({"z": "Staff"}, {}) == (history.entitled_through, history.entitled_until)
    history = fold(vip, history=history)
    assert ({}, {"z": ("Staff", NOW)}, {"z": "VIP"}) == (
        history.entitled_through,
        history.entitled_until,
        history.protected_through,
    )
    history = fold(LEAVING, history=history)
    assert ({}, {"z": ("VIP", NOW)}) == (history.protected_through, history.protected_until)
    later = fold(record.cycle_read("c", read()), history=history, start=NOW + timedelta(days=8))
    assert ({}, {}) == (later.entitled_until, later.protected_until)
    assert {"z": "Staff"} == fold(here, history=history).entitled_through


def test_which_copy_of_the_directory_was_read_and_how_old_it_was():
    """A change of the copy begins a time of waiting; an approval ends it."""
    history = fold(record.cycle_read("c", read(view="dc1", as_of=NOW)))
    assert ("dc1", None, NOW, "d") == (history.view, history.view_since, history.as_of, history.good_digest)
    history = fold(record.cycle_read("c", read(view="dc2")), history=history, start=NOW + minutes(5))
    assert ("dc2", NOW + minutes(5), NOW) == (history.view, history.view_since, history.as_of)
    same = fold(record.cycle_read("c", read(view="dc2")), history=history, start=NOW + minutes(9))
    assert NOW + minutes(5) == same.view_since
    bad = fold(record.cycle_read("c", read(good=False, view="dc3")), history=history)
    assert "dc2" == bad.view
    passed = fold(
        record.approved(replace(APPROVAL, accepts={"view": "dc3", "as_of": record.rfc3339(NOW - minutes(5))})),
        record.approval_counts("c", APPROVAL.id),
        history=history,
    )
    assert ("dc3", None, NOW - minutes(5)) == (passed.view, passed.view_since, passed.as_of)
