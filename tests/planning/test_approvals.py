"""What may pass a tripped guard, and when policy-changed waits for a review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from syncd.ledger import record
from syncd.ledger.history import History, RecordedPlan
from syncd.model import (
    Action,
    Announcement,
    Approval,
    Decision,
    Guard,
    Limits,
    Mode,
    Policy,
    Reason,
    Status,
    Verdict,
    ZoomAccount,
)
from syncd.planning.approvals import accepts, approval_for, held_by, refused
from syncd.planning.approved import DEACTIVATION_SIZES, only_authorised, refuses
from syncd.planning.arming import armed, armed_after, widened
from syncd.planning.guards import CYCLE_GUARDS, NOT_APPROVABLE, READ_GUARDS, SUMS, Facts, good_read, holds, judge, sizes
from tests.planning.strategies import NOW, Case, cases
from tests.planning.test_guards import POLICY, facts

APPROVABLE = sorted(set(Guard) - NOT_APPROVABLE)


def approval(
    *guards: Guard,
    effects: Any,
    policy: Policy = POLICY,
    hours: float = 24,
    id_: str = "a1",
    accepted: dict[str, Any] | None = None,
    beside: tuple[str, ...] = (),
) -> Approval:
    """Somebody has looked at these effects, and at those *beside* that were on the way."""
    return Approval(
        id_,
        "digest",
        policy.digest(),
        guards,
        frozenset(effects),
        "Kim",
        "because",
        NOW,
        NOW + timedelta(hours=hours),
        frozenset(beside),
        accepts=accepted or {},
    )


def tripped(*guards: Guard) -> tuple[Verdict, ...]:
    return tuple(Verdict(guard, True, 1, 0, "", "") for guard in guards)


# ------------------------------------------------------------------------------------------------ what an approval covers


@given(cases(), st.sets(st.sampled_from(sorted(Guard))), st.sets(st.sampled_from(APPROVABLE)), st.data())
def test_an_approval_covers_exactly_what_was_reviewed_and_only_once(
    case: Case, trip: set[Guard], approved: set[Guard], data: st.DataObject
):
    """Whatever guards trip and whatever was approved: every other effect stays held, and used ones do too."""
    effects = [effect.key for effect in case.plan().effects]
    reviewed = set(data.draw(st.lists(st.sampled_from(effects)))) if effects else set()
    used = set(data.draw(st.lists(st.sampled_from(sorted(reviewed))))) if reviewed else set()
    one = approval(*sorted(approved), effects=reviewed, policy=case.policy)
    known = replace(case, history=replace(case.history, approvals={one.id: one}, used={(one.id, *key) for key in used})).facts()

    for effect in known.plan.effects:
        passes = approved - READ_GUARDS - NOT_APPROVABLE if effect.key in reviewed - used else set()
        assert {guard for guard in trip if holds(guard, effect.action)} - passes == set(held_by(effect, tripped(*trip), known))


def one_effect(history: History, policy: Policy = POLICY) -> Facts:
    return facts(gone=1, history=history, policy=policy)


@pytest.mark.parametrize(
    ("given_", "passes"),
    [
        (approval(Guard.FLAPPING, effects=[("z0", "deactivate")]), True),
        (approval(Guard.FLAPPING, effects=[("z0", "reactivate")]), False),
        (approval(Guard.FLAPPING, effects=[("z1", "deactivate")]), False),
        (approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")]), False),
        (approval(Guard.FLAPPING, effects=[("z0", "deactivate")], hours=0), False),
        (approval(Guard.FLAPPING, effects=[("z0", "deactivate")], policy=replace(POLICY, grace_reads=9)), False),
    ],
)
def test_an_approval_names_effects_guards_a_policy_and_a_time(given_: Approval, passes: bool):
    """Any of them wrong, and the effect stays held."""
    known = one_effect(History(approvals={"a1": given_}))

    assert ([] if passes else [Guard.FLAPPING]) == held_by(known.plan.effects[0], tripped(Guard.FLAPPING), known)


@pytest.mark.parametrize("guard", sorted(READ_GUARDS | NOT_APPROVABLE))
def test_a_read_guard_that_trips_holds_even_what_was_approved(guard: Guard):
    """Its approval accepts the measured value; one that still trips has measured less than was reviewed."""
    known = one_effect(History(approvals={"a1": approval(guard, effects=[("z0", "deactivate")])}))

    assert [guard] == held_by(known.plan.effects[0], tripped(guard), known)


def test_approved_effects_do_not_count_against_sizes_and_new_ones_do():
    """Forty reviewed and twenty-five new ones are within twenty-five."""
    reviewed = approval(Guard.MAX_DEACTIVATIONS, effects=[(f"z{number}", "deactivate") for number in range(40)])
    known = facts(active=2000, gone=65, history=History(approvals={"a1": reviewed}))

    assert 25 == len(known.uncovered(Guard.MAX_DEACTIVATIONS, known.plan.effects[0].action))


def test_an_effect_goes_under_the_approval_that_covers_it():
    """So that it is used up, and left out of later sums."""
    known = one_effect(History(approvals={"a1": approval(Guard.FLAPPING, effects=[("z0", "deactivate")])}))

    assert "a1" == approval_for(known.plan.effects[0], known)
    assert "" == approval_for(one_effect(History()).plan.effects[0], one_effect(History()))


def test_whoever_reviewed_it_comes_before_who_saw_it_on_its_way():
    """What was merely on its way counts in later sums, so it matters which of them it goes under."""
    saw = approval(Guard.POLICY_CHANGED, effects=[], beside=("z0",), id_="saw")
    reviewed = approval(Guard.POLICY_CHANGED, Guard.FLAPPING, effects=[("z0", "deactivate")], id_="reviewed")
    for given_ in ({"saw": saw, "reviewed": reviewed}, {"saw": saw, "flapping": replace(reviewed, guards=(Guard.FLAPPING,))}):
        known = one_effect(History(approvals={one.id: one for one in given_.values()}))
        assert "reviewed" == approval_for(known.plan.effects[0], known)
    assert "saw" == approval_for(known.plan.effects[0], one_effect(History(approvals={"saw": saw})))


# ------------------------------------------------------------------------------------------------------------ baselines


MEASURED = {
    "directory-shrunk": {"people": 80.0, "group:entitling:g": 0.0},
    "group-emptied": {"emptied:group:entitling:g": 0.0},
    "group-replaced": {"entry:entitling:G": "new-id"},
    "match-rate": {"match_percent": 40.0},
    "sentinel-missing": {"sentinel:1": 0},
}


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ((Guard.DIRECTORY_SHRUNK,), MEASURED["directory-shrunk"]),
        ((Guard.GROUP_EMPTIED, Guard.GROUP_REPLACED), MEASURED["group-emptied"] | MEASURED["group-replaced"]),
        ((Guard.MATCH_RATE,), {"match_percent": 40.0}),
        ((Guard.FLAPPING, Guard.POLICY_CHANGED), {}),
    ],
)
def test_an_approval_accepts_what_its_own_guard_measured(guards: tuple[Guard, ...], expected: dict[str, float]):
    """Those values, and nothing below."""
    assert expected == accepts(RecordedPlan("d", "p", (), NOW, MEASURED), guards)


def test_what_can_never_be_approved_is_refused_unless_the_plan_measured_otherwise():
    """Some sentinels of several may be missing; a blind read may not."""
    assert [Guard.PAUSED] == refused(RecordedPlan("d", "p", (), NOW, MEASURED), (Guard.PAUSED, Guard.SENTINEL_MISSING))
    assert [Guard.SENTINEL_MISSING] == refused(RecordedPlan("d", "p", (), NOW), (Guard.SENTINEL_MISSING, Guard.MATCH_RATE))


def fold(history: History, *drafts: Any) -> History:
    return history.foreseen(drafts, NOW)


def counted(history: History, given_: Approval) -> History:
    """After an approval, and a cycle that found that it counts."""
    return fold(history, record.approved(given_), record.approval_counts("c", given_.id))


def test_accepting_a_shrunk_directory_does_not_accept_an_emptied_group():
    """Two questions, two answers; and which object a group means is a third."""
    before = History(
        peopled={"group:entitling:g"},
        measures={"people": [(NOW - timedelta(days=1), 100.0)]},
        groups={"entry:entitling:G": "old-id"},
    )

    def after(guard: Guard) -> History:
        return counted(before, approval(guard, effects=[], accepted=MEASURED[guard.value]))

    assert (80.0, {"group:entitling:g"}) == (
        after(Guard.DIRECTORY_SHRUNK).baseline("people", NOW),
        after(Guard.DIRECTORY_SHRUNK).peopled,
    )
    assert (100.0, set()) == (after(Guard.GROUP_EMPTIED).baseline("people", NOW), after(Guard.GROUP_EMPTIED).peopled)
    assert {"entry:entitling:G": "new-id"} == after(Guard.GROUP_REPLACED).groups
    assert before.groups == after(Guard.SENTINEL_MISSING).groups


# --------------------------------------------------------------------------------------------- sums, announced leavers


@pytest.mark.parametrize("guard", sorted(SUMS))
def test_approving_a_sum_begins_it_anew(guard: Guard):
    """What was shown with it does not count again; another guard's approval begins nothing."""
    assert {guard: NOW} == counted(History(), approval(guard, effects=[])).sums_begun
    assert {} == counted(History(), approval(Guard.FLAPPING, effects=[])).sums_begun


def announcement(**more: Any) -> Announcement:
    return replace(Announcement("n1", frozenset({"z0"}), NOW, NOW + timedelta(days=45), "Kim", "term ends", NOW), **more)


@pytest.mark.parametrize(
    ("reason", "known", "counts"),
    [
        (Reason.DISABLED_IN_DIRECTORY, announcement(), 0),
        (Reason.EXPIRED_IN_DIRECTORY, announcement(), 0),
        (Reason.IN_LEAVERS_GROUP, announcement(), 0),
        (Reason.ABSENT_FROM_DIRECTORY, announcement(), 1),  # a blind read looks like that, too
        (Reason.LEFT_GROUPS, announcement(), 1),
        (Reason.DISABLED_IN_DIRECTORY, announcement(starts_at=NOW + timedelta(seconds=1)), 1),
        (Reason.DISABLED_IN_DIRECTORY, announcement(ends_at=NOW), 1),
        (Reason.DISABLED_IN_DIRECTORY, announcement(zoom_ids=frozenset({"z1"})), 1),
    ],
)
def test_announced_leavers_count_in_no_size_guard(reason: Reason, known: Announcement, counts: int):
    """Known leavers only, in their time, by name; every other guard still sees them."""
    plain = one_effect(History(announced={known.id: known}))
    leaving = replace(
        plain,
        plan=replace(
            plain.plan,
            decisions=tuple(
                structs.replace(one, reason=reason) if one.action is Action.DEACTIVATE else one for one in plain.plan.decisions
            ),
        ),
    )

    for guard in sorted(DEACTIVATION_SIZES):
        assert counts == len(leaving.uncovered(guard, Action.DEACTIVATE))
    assert 1 == len(leaving.uncovered(Guard.POLICY_CHANGED, Action.DEACTIVATE))
    assert 1 == len(leaving.uncovered(Guard.FLAPPING, Action.DEACTIVATE))
    assert ("" if counts else "n1") == approval_for(leaving.plan.effects[0], leaving)


def test_every_size_of_deactivations_leaves_announced_leavers_out():
    """Each of ``guards/sizes.py``: one that is forgotten would hold a closed site in spite of its list."""
    of_sizes = {Guard[guard.__name__.upper()] for guard in CYCLE_GUARDS if guard.__module__ == sizes.__name__}

    assert {guard for guard in of_sizes if holds(guard, Action.DEACTIVATE)} == DEACTIVATION_SIZES


def test_an_announced_leaver_is_used_up():
    """Once each: somebody who comes back and goes again is an ordinary leaver."""
    known = one_effect(History(announced={"n1": announcement()}, used={("n1", "z0", "deactivate")}))

    assert 1 == len(known.uncovered(Guard.MAX_DEACTIVATIONS, Action.DEACTIVATE))


# --------------------------------------------------------------------------------------------------------- who approves


TWO = replace(POLICY, approvals_required=2)


def by(name: str, *guards: Guard, policy: Policy = TWO, **more: Any) -> Approval:
    given_ = approval(*(guards or (Guard.FLAPPING,)), effects=[("z0", "deactivate")], policy=policy, id_=name, **more)
    return replace(given_, by=name)


@pytest.mark.parametrize(
    ("given_", "passes"),
    [
        ((by("Kim"),), False),
        ((by("Kim"), by("Lee")), True),
        ((by("Kim"), replace(by(" kim "), id="again")), False),  # one person, spelt twice
        ((by("Kim"), replace(by("Ki\u200bm"), id="again")), False),  # with what cannot be seen
        ((by("Kim"), replace(by("\uff2bim"), id="again")), False),  # in wide letters
        ((by("Kim"), by("Lee", Guard.POLICY_CHANGED)), False),  # another guard
        ((by("Kim"), by("Lee", hours=0)), False),  # run out
    ],
)
def test_two_different_people_must_approve_where_two_are_asked_for(given_: tuple[Approval, ...], passes: bool):
    """The same plan, for the same guard."""
    known = one_effect(History(approvals={one.id: one for one in given_}), TWO)

    assert ([] if passes else [Guard.FLAPPING]) == held_by(known.plan.effects[0], tripped(Guard.FLAPPING), known)


def test_asking_less_of_approvals_counts_only_under_the_stricter_rules_for_the_guard_it_wakes():
    """One person alone must not switch off that two are asked for."""
    before = TWO.as_json()
    alone = by("Kim", Guard.POLICY_CHANGED, Guard.FLAPPING, policy=POLICY)
    both = {"Kim": alone, "Lee": by("Lee", Guard.POLICY_CHANGED, policy=POLICY)}

    known = one_effect(History(approvals={"Kim": alone}, policy_in_use=before))
    assert [Guard.POLICY_CHANGED] == held_by(known.plan.effects[0], tripped(Guard.POLICY_CHANGED, Guard.FLAPPING), known)
    known = one_effect(History(approvals=both, policy_in_use=before))
    assert [] == held_by(known.plan.effects[0], tripped(Guard.POLICY_CHANGED, Guard.FLAPPING), known)


def signed(signature: str, _message: bytes, name: str, signers: Any) -> bool:
    return f"{name} {signature}" in signers


@pytest.mark.parametrize(
    ("rules", "given_", "counts"),
    [
        ({}, by("Kim"), True),
        ({"approvers": ("Kim",)}, by("Kim"), True),
        ({"approvers": ("kim",)}, by("KIM"), True),
        ({"approvers": ("Kim",)}, by("Lee"), False),
        ({"signers": ("Kim key",)}, by("Kim"), False),
        ({"signers": ("Kim key",)}, replace(by("Kim"), signature="key"), True),
        ({"signers": ("Kim key",)}, replace(by("Lee"), signature="key"), False),
    ],
)
def test_an_approval_counts_only_when_it_was_given_by_whoever_may_and_is_signed(
    rules: dict[str, Any], given_: Approval, counts: bool
):
    """Also one that stands in the ledger already."""
    policy = replace(POLICY, **rules)
    history = History(approvals={"a": given_}, announced={"n1": announcement(by=given_.by, signature=given_.signature)})
    kept = only_authorised(history, policy, signed, NOW)

    assert (counts, counts) == ("a" in kept.approvals, "n1" in kept.announced)
    assert ("" == refuses(given_, policy.as_json(), "l", signed)) == counts


def test_a_signature_is_of_this_approval_in_this_ledger():
    """What is checked: the signature, what was signed, whose it is, and who may sign. The refusal says who it is about."""
    given_ = replace(by("Kim"), signature="key")
    asked: list[Any] = []

    def fits(*all_of_it: Any) -> bool:
        asked.append(all_of_it)
        return False

    rules = replace(POLICY, signers=("Kim key",)).as_json()
    assert "its signature was not made with a key that approvals.signers_file lists for Kim" == refuses(given_, rules, "l", fits)
    assert [("key", given_.message("l"), "Kim", ["Kim key"])] == asked
    assert "it is not signed, and approvals.signers_file asks for that" == refuses(by("Kim"), rules, "l", fits)
    assert "Lee is not among approvals.approvers" == refuses(by("Lee"), {"approvers": ["Kim"]}, "l", fits)


def test_signatures_in_the_ledger_are_looked_at_again():
    """Of approvals and of announcements, as they were signed for this ledger."""
    given_, named = replace(by("Kim"), signature="key"), announcement(signature="key")
    asked: list[Any] = []

    def fits(signature: str, message: bytes, name: str, signers: Any) -> bool:
        asked.append((message, name))
        return True

    known = History(ledger_id="l", approvals={"a": given_}, announced={"n1": named})
    kept = only_authorised(known, replace(POLICY, signers=("Kim key",)), fits, NOW)
    assert [(given_.message("l"), "Kim"), (named.message("l"), "Kim")] == asked
    assert ({"a": given_}, {"n1": named}) == (kept.approvals, kept.announced)
    assert only_authorised(History(), POLICY, fits, NOW) == History()
    alone = only_authorised(replace(known, approvals={}), replace(POLICY, approvers=("Lee",)), fits, NOW)
    assert {} == alone.announced


def test_rules_in_use_before_take_policy_changed_from_an_approval():
    """Every other guard of it counts."""
    history = History(
        approvals={"Lee": by("Lee", Guard.POLICY_CHANGED, Guard.FLAPPING)},
        policy_in_use=replace(POLICY, approvers=("Kim",)).as_json(),
    )

    assert (Guard.FLAPPING,) == only_authorised(history, POLICY, signed, NOW).approvals["Lee"].guards


#: Two things that an approval changes for longer than it lasts.
PEOPLE = {"people": 4.0}
LASTING = replace(by("Kim", Guard.DIRECTORY_SHRUNK, Guard.MAX_DEACTIVATIONS_PER_DAY), accepts=PEOPLE)


def lasts(history: History, policy: Policy = POLICY, after: timedelta = timedelta()) -> tuple[bool, bool]:
    """Whether the value is the measure, and the sum began anew, as a cycle finds it."""
    known = only_authorised(history, policy, signed, NOW + after)
    return "people" in known.measures, Guard.MAX_DEACTIVATIONS_PER_DAY in known.sums_begun


@pytest.mark.parametrize(
    ("rules", "before", "given_", "counts"),
    [
        ({}, {}, LASTING, True),
        ({"approvers": ("Kim",)}, {}, LASTING, True),
        ({"approvers": ("Lee",)}, {}, LASTING, False),
        ({"signers": ("Kim key",)}, {}, LASTING, False),
        ({"signers": ("Kim key",)}, {}, replace(LASTING, signature="forged"), False),
        ({"signers": ("Kim key",)}, {}, replace(LASTING, signature="key"), True),
        ({"approvals_required": 2}, {}, LASTING, False),
        ({}, {"approvers": ("Lee",)}, LASTING, False),  # asks for less than before: nobody looked at that yet
        ({}, {"signers": ("Kim key",)}, LASTING, False),
        ({}, {"approvals_required": 2}, LASTING, False),
        ({}, {}, replace(LASTING, expires_at=NOW), False),
        ({}, {}, replace(LASTING, complete=()), False),
    ],
)
def test_an_approval_that_does_not_count_changes_no_measure_and_no_sum(
    rules: dict[str, Any], before: dict[str, Any], given_: Approval, counts: bool
):
    """Whoever gave it may have had a configuration of their own, in which one person is enough and nobody signs."""
    history = History(approvals={"Kim": given_}, policy_in_use=replace(POLICY, **before).as_json())

    measured, begun = lasts(history, replace(POLICY, **rules))
    assert (counts, counts) == (measured and given_.complete is None, begun)


def test_what_counts_once_is_not_taken_again():
    """A later good read has measured anew."""
    history = fold(History(), record.approved(LASTING))
    counted = fold(history, record.approval_counts("c", "Kim"))
    later = replace(counted, measures={}, sums_begun={})

    assert (True, True) == lasts(history) == lasts(counted)
    assert (False, False) == lasts(later)
    assert (True, True) == lasts(counted, after=timedelta(days=2))  # and it outlives the approval
    assert (False, False) == lasts(history, after=timedelta(days=2))


@pytest.mark.parametrize(
    ("second", "counts"),
    [
        ({"id": "Lee", "by": "Lee"}, (True, True)),
        ({"id": "b"}, (False, False)),
        ({"id": "b", "by": "KIM "}, (False, False)),
        ({"id": "Lee", "by": "Lee", "plan_digest": "another"}, (False, False)),
        ({"id": "Lee", "by": "Lee", "guards": (Guard.DIRECTORY_SHRUNK,)}, (True, False)),
        ({"id": "Lee", "by": "Lee", "expires_at": NOW}, (False, False)),
    ],
)
def test_of_two_the_second_says_what_is_accepted(second: dict[str, Any], counts: tuple[bool, bool]):
    """When it is somebody else's, of the same plan and for the same guards, and both stand; the first accepts nothing."""
    two = replace(POLICY, approvals_required=2)
    first = fold(History(policy_in_use=two.as_json()), record.approved(replace(LASTING, accepts={}), []))
    history = fold(first, record.approved(replace(LASTING, **second)))

    assert (False, False) == lasts(first, two)
    assert counts == lasts(history, two)


# ------------------------------------------------------------------------------------------------------- policy-changed


@pytest.mark.parametrize(
    ("history", "mode", "expected"),
    [
        (History(), Mode.ENFORCE, True),  # first enforcing use
        (History(), Mode.REPORT, False),
        (History(policy_digest=POLICY.digest()), Mode.ENFORCE, True),  # whatever report mode recorded
        (History(policy_in_use=POLICY.as_json()), Mode.ENFORCE, False),
        (History(policy_in_use=POLICY.as_json(), armed=True), Mode.ENFORCE, True),
        (History(policy_in_use=replace(POLICY, grace=timedelta(days=1)).as_json()), Mode.ENFORCE, True),
        (History(policy_in_use=replace(POLICY, grace=timedelta(0)).as_json()), Mode.ENFORCE, False),
        (History(policy_in_use={name: one for name, one in POLICY.as_json().items() if name != "rules"}), Mode.ENFORCE, True),
    ],
)
def test_policy_changed_is_armed(history: History, mode: Mode, expected: bool):
    """By the first enforcing use, by anything that can widen a plan, and by a version that decides by other rules."""
    assert expected == armed(history, POLICY, mode)


@pytest.mark.parametrize(
    ("given_", "trips"),
    [
        (approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")]), False),
        (approval(Guard.POLICY_CHANGED, effects=[], beside=("z0",)), False),  # shown on the way, due by now
        (approval(Guard.FLAPPING, effects=[("z0", "deactivate")], beside=("z0",)), True),
        (approval(Guard.POLICY_CHANGED, effects=[("z0", "reactivate")]), True),
        (approval(Guard.POLICY_CHANGED, effects=[("z1", "deactivate")], beside=("z1",)), True),
        (approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")], beside=("z0",), hours=0), True),
    ],
)
def test_policy_changed_trips_on_whoever_no_approval_showed(given_: Approval, trips: bool):
    """An approval covers what was shown with it, and nobody else."""
    known = facts(gone=1, armed=True, history=History(approvals={"a1": given_}))
    verdict = next(one for one in judge(known).verdicts if one.guard is Guard.POLICY_CHANGED)

    assert trips == verdict.tripped
    assert ([Guard.POLICY_CHANGED] if trips else []) == held_by(known.plan.effects[0], (verdict,), known)


def waiting(reason: Reason, status: Status = Status.ACTIVE) -> tuple[Decision, ...]:
    return (Decision(ZoomAccount("zw", "w@corp.example", status, role_id="2", role="Member"), Action.KEEP, reason, "p"),)


SHOWN = History(decided={"zw": "x", "z0": "x"}, good_reads=3, good_policy=POLICY.digest(), good_policy_since=2)


@pytest.mark.parametrize(
    ("known", "verdicts", "expected"),
    [
        (facts(armed=True), (), False),
        (facts(armed=True, back=3), (), False),  # people who return do not count
        (facts(armed=True, gone=1), (), True),
        (facts(armed=True, decisions=waiting(Reason.WITHIN_GRACE)), (), True),
        (facts(armed=True, decisions=waiting(Reason.DIRECTORY_UNCLEAR)), (), True),
        (facts(armed=True, decisions=waiting(Reason.DIRECTORY_UNCLEAR, Status.INACTIVE)), (), False),
        (facts(armed=True, decisions=waiting(Reason.IN_STEP)), (), False),
        (facts(armed=True, decisions=waiting(Reason.REACTIVATED_BY_OTHERS)), (), True),  # due a day later, reviewed by nobody
        (facts(armed=True), tripped(Guard.CLOCK_SKEW), True),
        (facts(), tripped(Guard.CLOCK_SKEW), False),
        (facts(armed=True, gone=1, history=SHOWN), (), False),  # was in step under this policy: left since
        (facts(armed=True, decisions=waiting(Reason.WITHIN_GRACE), history=replace(SHOWN, out_of_step={"zw": 2})), (), False),
        (facts(armed=True, decisions=waiting(Reason.WITHIN_GRACE), history=replace(SHOWN, out_of_step={"zw": 1})), (), True),
        (facts(armed=True, gone=1, history=replace(SHOWN, good_policy="another")), (), True),
        (facts(armed=True, gone=1, history=replace(SHOWN, decided={})), (), True),  # nobody ever saw this account
    ],
)
def test_a_good_read_disarms_once_nobody_is_unreviewed(known: Facts, verdicts: tuple[Verdict, ...], expected: bool):
    """Due, within the grace or unclear; a bad read changes nothing."""
    assert good_read(()) is True
    assert expected == armed_after(known, verdicts)


def test_an_ordinary_leaver_is_not_held_unless_somebody_else_is_unreviewed():
    """Shown in step under this policy: left since. Beside somebody nobody reviewed, the plan waits as a whole."""
    alone = judge(facts(armed=True, gone=1, history=SHOWN)).verdicts
    beside = judge(
        facts(armed=True, gone=1, decisions=waiting(Reason.WITHIN_GRACE), history=replace(SHOWN, out_of_step={"zw": 1}))
    ).verdicts

    assert (False, True) == tuple(
        one.tripped for verdicts in (alone, beside) for one in verdicts if one.guard is Guard.POLICY_CHANGED
    )


def test_an_approval_disarms_once_it_showed_everybody():
    """Those on the way too (field trouble C 5)."""
    decisions = waiting(Reason.WITHIN_GRACE)
    due = [("z0", "deactivate")]

    def left(beside: tuple[str, ...]) -> int:
        given_ = approval(Guard.POLICY_CHANGED, effects=due, beside=beside)
        return len(facts(armed=True, gone=1, decisions=decisions, history=History(approvals={"a": given_})).unreviewed)

    assert (1, 0) == (left(()), left(("zw",)))


BASE = Policy(
    "a",
    ("corp.example",),
    pilot=("ann@corp.example", "bob@corp.example"),
    ordinary_roles=("member",),
    protect_accounts=("ceo@corp.example",),
    protect_groups=("Rooms",),
    protect_directory_groups=("VIP",),
    grace=timedelta(hours=4),
    grace_for_known_leavers=timedelta(hours=1),
    grace_for_expired=timedelta(hours=6),
    ignore_people=("broken",),
    approvals_required=2,
    approvers=("Kim", "Lee"),
    signers=("Kim ssh-ed25519 AAAA",),
    when_disabled=False,
    when_expired=False,
    limits=Limits(sentinels=("canary@corp.example",), min_directory_people=5, max_deactivations=10),
)

WIDENING: dict[str, dict[str, Any]] = {
    "directory": {"directory": '{"file": {"path": "other.csv"}}'},
    "zoom_account_id": {"zoom_account_id": "b"},
    "domains": {"domains": ("corp.example", "more.example")},
    "domain_aliases": {"domain_aliases": (("old.example", "corp.example"),)},
    "pilot": {"pilot": ("ann@corp.example", "cid@corp.example")},
    "ordinary_roles": {"ordinary_roles": ("member", "manager")},
    "protect_accounts": {"protect_accounts": ()},
    "protect_groups": {"protect_groups": ()},
    "protect_directory_groups": {"protect_directory_groups": ("Legal",)},
    "grace": {"grace": timedelta(hours=3)},
    "grace_reads": {"grace_reads": 1},
    "when_disabled": {"when_disabled": True},
    "when_expired": {"when_expired": True},
    "grace_for_known_leavers": {"grace_for_known_leavers": timedelta(0)},
    "grace_for_expired": {"grace_for_expired": timedelta(hours=5)},
    "person_number": {"person_number": "employeeID"},
    "ignore_people": {"ignore_people": ()},
    "reactivate_reads": {"reactivate_reads": 1},
    "revoke_sessions": {"revoke_sessions": True},
    "reactivate": {"reactivate": "any"},
    "guests": {"guests": False},
    "approvals_required": {"approvals_required": 1},
    "approvers": {"approvers": ("Kim", "Lee", "Max")},
    "signers": {"signers": ()},
}

SHRINKING: list[dict[str, Any]] = [
    {"domains": ()},
    {"pilot": ("ann@corp.example",)},
    {"protect_accounts": ("ceo@corp.example", "cfo@corp.example")},
    {"protect_groups": ("Rooms", "Kiosks")},
    {"protect_directory_groups": ("VIP", "Legal")},
    {"grace": timedelta(hours=5)},
    {"grace_reads": 3},
    {"grace_for_known_leavers": timedelta(hours=2)},
    {"reactivate": "never"},
    {"ordinary_roles": ()},
    {"restore_licence": False},
    {"grace_for_expired": timedelta(hours=9)},
    {"ignore_people": ("broken", "other")},
    {"reactivate_reads": 3},
]


@pytest.mark.parametrize(("name", "change"), WIDENING.items())
def test_a_change_that_can_widen_a_plan_is_named(name: str, change: dict[str, Any]):
    """So that the operator sees what woke the guard."""
    assert [name] == widened(BASE.as_json(), replace(BASE, **change))


def test_other_rules_are_named_too():
    """A version that decides by other ones; 0.1.0 recorded none, which were the first."""
    recorded = BASE.as_json()

    assert ["rules"] == widened({**recorded, "rules": 1}, BASE)
    assert ["rules"] == widened({name: value for name, value in recorded.items() if name != "rules"}, BASE)
    assert [] == widened({name: value for name, value in recorded.items() if name != "rules"}, replace(BASE, rules=1))
    assert [] == widened({name: value for name, value in recorded.items() if name != "limits"}, BASE)


def test_no_pilot_means_everybody():
    """Taking the pilot away widens; introducing one does not."""
    everybody = replace(BASE, pilot=())

    assert ["pilot"] == widened(BASE.as_json(), everybody)
    assert [] == widened(everybody.as_json(), BASE)


@pytest.mark.parametrize("change", SHRINKING)
def test_a_change_that_can_only_shrink_a_plan_wakes_nobody(change: dict[str, Any]):
    """More protection, longer grace, smaller pilot."""
    assert [] == widened(BASE.as_json(), replace(BASE, **change))


#: A looser and a stricter value of each limit.
LIMITS: list[tuple[str, Any, Any]] = [
    ("max_deactivations", 11, 9),
    ("max_deactivations", None, 0),
    ("max_deactivations_percent", 6.0, 4.0),
    ("percent_floor", 4, 0),
    ("max_reactivations", 11, 10),
    ("max_reactivations_per_day", 51, 50),
    ("max_deactivations_per_30_days", 26, 25),
    ("max_replication_lag", timedelta(hours=2), timedelta(hours=4)),
    ("sentinels", (), ("canary@corp.example", "other@corp.example")),
    ("min_directory_people", 4, 6),
    ("max_directory_shrink_percent", 11.0, 9.0),
    ("max_flapping", 6, 4),
    ("max_clock_skew", timedelta(minutes=6), timedelta(minutes=4)),
    ("max_failing_writes_percent", 21.0, 19.0),
    ("min_match_percent", 49.0, 51.0),
    ("max_deactivations_per_day", 101, 100),
]


@pytest.mark.parametrize(("name", "looser", "stricter"), LIMITS)
def test_a_loosened_guard_wakes_and_a_stricter_one_does_not(name: str, looser: Any, stricter: Any):
    """null is the documented default, which grows with the account and never falls below 25 or 100."""
    loosened = replace(BASE, limits=replace(BASE.limits, **{name: looser}))
    tightened = replace(BASE, limits=replace(BASE.limits, **{name: stricter}))

    assert [f"guards.{name}"] == widened(BASE.as_json(), loosened)
    assert [] == widened(BASE.as_json(), tightened)


def test_every_setting_of_the_policy_and_every_limit_is_considered():
    """A new key must be put into one of the two tables; restore_licence changes no plan."""
    assert set(Policy.__dataclass_fields__) == set(WIDENING) | {"limits", "restore_licence", "rules"}
    from syncd.planning import arming

    assert set(Limits.__dataclass_fields__) == set(arming._LOOSER) == {name for name, *_ in LIMITS}
