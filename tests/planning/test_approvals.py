"""What may pass a tripped guard, and when policy-changed waits for a review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ledger import record
from syncd.ledger.history import History, RecordedPlan
from syncd.model import Approval, Guard, Limits, Mode, Policy, Verdict
from syncd.planning.approvals import NOT_APPROVABLE, accepts, approval_for, armed, armed_after, held_by, widened
from syncd.planning.guards import READ_GUARDS, Facts, good_read, holds
from tests.planning.strategies import NOW, Case, cases
from tests.planning.test_guards import POLICY, facts

APPROVABLE = sorted(set(Guard) - NOT_APPROVABLE)


def approval(*guards: Guard, effects: Any, policy: Policy = POLICY, hours: float = 24, id_: str = "a1") -> Approval:
    """Somebody has looked at these effects."""
    return Approval(id_, "digest", policy.digest(), guards, frozenset(effects), "Kim", "because", NOW,
                    NOW + timedelta(hours=hours))


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


@pytest.mark.parametrize(("given_", "passes"), [
    (approval(Guard.FLAPPING, effects=[("z0", "deactivate")]), True),
    (approval(Guard.FLAPPING, effects=[("z0", "reactivate")]), False),
    (approval(Guard.FLAPPING, effects=[("z1", "deactivate")]), False),
    (approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")]), False),
    (approval(Guard.FLAPPING, effects=[("z0", "deactivate")], hours=0), False),
    (approval(Guard.FLAPPING, effects=[("z0", "deactivate")], policy=replace(POLICY, grace_reads=9)), False),
])
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


# ------------------------------------------------------------------------------------------------------------ baselines


MEASURES = {"people": 80.0, "entitled": 70.0, "match_percent": 40.0, "group:entitling:g": 0.0, "group:entitling:h": 5.0}


@pytest.mark.parametrize(("guards", "expected"), [
    ((Guard.DIRECTORY_SHRUNK,), {"people": 80.0, "entitled": 70.0, "group:entitling:g": 0.0, "group:entitling:h": 5.0}),
    ((Guard.GROUP_EMPTIED,), {"emptied:group:entitling:g": 0.0}),
    ((Guard.MATCH_RATE,), {"match_percent": 40.0}),
    ((Guard.FLAPPING, Guard.POLICY_CHANGED), {}),
])
def test_an_approval_accepts_what_its_own_guard_measured(guards: tuple[Guard, ...], expected: dict[str, float]):
    """Those values, and nothing below."""
    assert expected == accepts(RecordedPlan("d", "p", (), NOW, MEASURES), guards)


def fold(history: History, *drafts: Any) -> History:
    return history.foreseen(drafts, NOW)


def test_accepting_a_shrunk_directory_does_not_accept_an_emptied_group():
    """Two questions, two answers."""
    plan = RecordedPlan("d", "p", (), NOW, MEASURES)
    before = History(peopled={"group:entitling:g"}, measures={"people": [(NOW - timedelta(days=1), 100.0)]})
    shrunk = fold(before, record.approved(approval(Guard.DIRECTORY_SHRUNK, effects=[]),
                                          accepts(plan, (Guard.DIRECTORY_SHRUNK,))))
    emptied = fold(before, record.approved(approval(Guard.GROUP_EMPTIED, effects=[]), accepts(plan, (Guard.GROUP_EMPTIED,))))

    assert (80.0, {"group:entitling:g"}) == (shrunk.baseline("people", NOW), shrunk.peopled)
    assert (100.0, set()) == (emptied.baseline("people", NOW), emptied.peopled)


# ------------------------------------------------------------------------------------------------------- policy-changed


@pytest.mark.parametrize(("history", "mode", "expected"), [
    (History(), Mode.ENFORCE, True),                                             # first enforcing use
    (History(), Mode.REPORT, False),
    (History(policy_digest=POLICY.digest()), Mode.ENFORCE, True),                # whatever report mode recorded
    (History(policy_in_use=POLICY.as_json()), Mode.ENFORCE, False),
    (History(policy_in_use=POLICY.as_json(), armed=True), Mode.ENFORCE, True),
    (History(policy_in_use=replace(POLICY, grace=timedelta(days=1)).as_json()), Mode.ENFORCE, True),
    (History(policy_in_use=replace(POLICY, grace=timedelta(0)).as_json()), Mode.ENFORCE, False),
    (History(approvals={"a": approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")])}), Mode.ENFORCE, False),
    (History(approvals={"a": approval(Guard.POLICY_CHANGED, effects=[("z0", "reactivate")])}), Mode.ENFORCE, True),
    (History(approvals={"a": approval(Guard.FLAPPING, effects=[("z0", "deactivate")])}), Mode.ENFORCE, True),
    (History(approvals={"a": approval(Guard.POLICY_CHANGED, effects=[("z0", "deactivate")], hours=0)}), Mode.ENFORCE, True),
])
def test_policy_changed_is_armed_until_a_plan_that_deactivates_was_approved(history: History, mode: Mode, expected: bool):
    """By the first enforcing use and by anything that can widen a plan."""
    assert expected == armed(history, POLICY, mode, NOW)


@pytest.mark.parametrize(("known", "verdicts", "expected"), [
    (facts(armed=True), (), False),
    (facts(armed=True, gone=1), (), True),
    (facts(armed=True), tripped(Guard.CLOCK_SKEW), True),
    (facts(), tripped(Guard.CLOCK_SKEW), False),
])
def test_a_quiet_good_read_disarms(known: Facts, verdicts: tuple[Verdict, ...], expected: bool):
    """Nobody due; a bad read changes nothing."""
    assert good_read(()) is True
    assert expected == armed_after(known, verdicts)


BASE = Policy(
    "a", ("corp.example",), pilot=("ann@corp.example", "bob@corp.example"), ordinary_roles=("member",),
    protect_accounts=("ceo@corp.example",), protect_groups=("Rooms",), protect_directory_groups=("VIP",),
    grace=timedelta(hours=4), grace_for_known_leavers=timedelta(hours=1), grace_for_expired=timedelta(hours=6),
    ignore_people=("broken",), when_disabled=False, when_expired=False,
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
}

SHRINKING: list[dict[str, Any]] = [
    {"domains": ()}, {"pilot": ("ann@corp.example",)}, {"protect_accounts": ("ceo@corp.example", "cfo@corp.example")},
    {"protect_groups": ("Rooms", "Kiosks")}, {"protect_directory_groups": ("VIP", "Legal")}, {"grace": timedelta(hours=5)},
    {"grace_reads": 3}, {"grace_for_known_leavers": timedelta(hours=2)}, {"reactivate": "never"}, {"ordinary_roles": ()},
    {"restore_licence": False}, {"grace_for_expired": timedelta(hours=9)}, {"ignore_people": ("broken", "other")},
    {"reactivate_reads": 3},
]


@pytest.mark.parametrize(("name", "change"), WIDENING.items())
def test_a_change_that_can_widen_a_plan_is_named(name: str, change: dict[str, Any]):
    """So that the operator sees what woke the guard."""
    assert [name] == widened(BASE.as_json(), replace(BASE, **change))


def test_no_pilot_means_everybody():
    """Taking the pilot away widens; introducing one does not."""
    everybody = replace(BASE, pilot=())

    assert ["pilot"] == widened(BASE.as_json(), everybody)
    assert [] == widened(everybody.as_json(), BASE)


@pytest.mark.parametrize("change", SHRINKING)
def test_a_change_that_can_only_shrink_a_plan_wakes_nobody(change: dict[str, Any]):
    """More protection, longer grace, smaller pilot."""
    assert [] == widened(BASE.as_json(), replace(BASE, **change))


@pytest.mark.parametrize(("name", "looser", "stricter"), [
    ("max_deactivations", 11, 9), ("max_deactivations", None, 0), ("max_deactivations_percent", 6.0, 4.0),
    ("percent_floor", 4, 0), ("max_reactivations", 11, 10), ("max_reactivations_per_day", 51, 50),
    ("max_deactivations_per_30_days", 26, 25), ("max_replication_lag", timedelta(hours=2), timedelta(hours=4)),
    ("sentinels", (), ("canary@corp.example", "other@corp.example")),
    ("min_directory_people", 4, 6), ("max_directory_shrink_percent", 11.0, 9.0), ("max_flapping", 6, 4),
    ("max_clock_skew", timedelta(minutes=6), timedelta(minutes=4)), ("max_failing_writes_percent", 21.0, 19.0),
    ("min_match_percent", 49.0, 51.0), ("max_deactivations_per_day", 101, 100),
])
def test_a_loosened_guard_wakes_and_a_stricter_one_does_not(name: str, looser: Any, stricter: Any):
    """null is the documented default, which grows with the account and never falls below 25 or 100."""
    loosened = replace(BASE, limits=replace(BASE.limits, **{name: looser}))
    tightened = replace(BASE, limits=replace(BASE.limits, **{name: stricter}))

    assert [f"guards.{name}"] == widened(BASE.as_json(), loosened)
    assert [] == widened(BASE.as_json(), tightened)


def test_every_setting_of_the_policy_and_every_limit_is_considered():
    """A new key must be put into one of the two tables; restore_licence changes no plan."""
    assert set(Policy.__dataclass_fields__) == set(WIDENING) | {"limits", "restore_licence"}
    from syncd.planning import approvals

    assert set(Limits.__dataclass_fields__) == set(approvals._LOOSER)
