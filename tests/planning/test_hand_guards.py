"""The guards of a person's own changes: what the number said passes, and what nothing said passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.ledger.history import History
from syncd.model import Action, Approval, Decision, Guard, Limits, Plan, Policy, Reason, Status, Verdict
from syncd.planning.guards import HandFacts, judge_by_hand
from tests.planning.strategies import NOW
from tests.planning.test_guards import POLICY, account, earlier

TWO = replace(POLICY, approvals_required=2)


def facts(
    off: int = 0, on: int = 0, *, policy: Policy = POLICY, history: History | None = None, active: int = 1000, **more: Any
) -> HandFacts:
    """Somebody asks for so many deactivations and reactivations."""
    decisions = [Decision(account(number), Action.DEACTIVATE, Reason.LEFT_GROUPS) for number in range(off)]
    decisions += [
        Decision(account(100 + number, Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN) for number in range(on)
    ]
    return HandFacts(Plan(NOW, policy.digest(), tuple(decisions)), history or History(), policy, NOW, active, **more)


def tripped(known: HandFacts) -> list[str]:
    return [one.guard.value for one in judge_by_hand(known) if one.tripped]


def of(guard: Guard, known: HandFacts) -> Verdict:
    return next(one for one in judge_by_hand(known) if one.guard is guard)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(25), []),
        (facts(26), ["max-deactivations"]),
        (facts(26, confirm_count=26), []),
        (facts(26, confirm_count=25), ["max-deactivations"]),
        (facts(20, on=6, confirm_count=26), []),
        (facts(6, active=100), ["max-deactivations-percent"]),
        (facts(5, active=100), []),
        (facts(6, active=100, confirm_count=6), []),
        (facts(6, active=0), []),  # not known how many there are
        (facts(on=10), []),
        (facts(on=11), ["max-reactivations"]),
        (facts(on=11, confirm_count=11), []),
        (facts(11, history=earlier(90, 1)), ["max-deactivations-per-day", "max-deactivations-per-30-days"]),
        (facts(11, history=earlier(90, 1), confirm_count=11), []),
        (facts(on=10, history=earlier(41, 1, action="reactivate")), ["max-reactivations-per-day"]),
        (facts(1, history=History(paused_since=NOW)), ["paused"]),
        (facts(1, history=History(paused_since=NOW), even_paused=True), []),
        (facts(1, history=History(broken="x"), confirm_count=1, even_paused=True), ["ledger-broken"]),
        (facts(1, found_protected=facts(1).plan.effects), ["protected-in-plan"]),
        (facts(1, found_protected=facts(1).plan.effects, confirm_count=1), ["protected-in-plan"]),
        (facts(3, policy=TWO), []),
        (facts(4, policy=TWO), ["max-deactivations"]),
        (facts(4, policy=TWO, confirm_count=4), ["max-deactivations"]),  # a number is not a second person
        (facts(on=9, policy=TWO), []),
        (facts(3, on=9, policy=TWO), []),
        (facts(on=11, policy=TWO, confirm_count=11), []),
        (facts(3, policy=replace(POLICY, limits=Limits(max_deactivations=2))), ["max-deactivations"]),
    ],
)
def test_what_holds_a_persons_own_changes(known: HandFacts, expected: list[str]):
    """The number said passes sizes and nothing else; where two are asked for, two must approve."""
    assert expected == tripped(known)


def given(known: HandFacts, *names: str, guard: Guard = Guard.MAX_DEACTIVATIONS) -> HandFacts:
    """These people approve all of it."""
    effects = frozenset(effect.key for effect in known.plan.effects)
    approvals = {
        name: Approval(name, "d", known.policy.digest(), (guard,), effects, name, "", NOW, NOW + timedelta(hours=1))
        for name in names
    }
    return replace(known, history=replace(known.history, approvals=approvals))


def test_where_two_are_asked_for_two_approve():
    """For that guard. Where one is enough, an approval passes nothing: the number is said."""
    asked = facts(4, policy=TWO, confirm_count=4)

    assert ["max-deactivations"] == tripped(given(asked, "Kim"))
    assert [] == tripped(given(asked, "Kim", "Lee"))
    assert ["max-deactivations"] == tripped(given(asked, "Kim", "Lee", guard=Guard.MAX_DEACTIVATIONS_PERCENT))
    assert ["max-deactivations"] == tripped(given(facts(26), "Kim", "Lee"))
    assert ["max-deactivations-percent"] == tripped(
        given(facts(6, active=100, policy=TWO), "Kim", "Lee", guard=Guard.MAX_DEACTIVATIONS_PERCENT)
    )[1:]


def test_what_is_asked_for_is_called_so():
    """With its numbers, and the way past."""
    many = of(Guard.MAX_DEACTIVATIONS, facts(26))
    assert ("26 deactivations asked for, limit 25", "Check the list; if all of them are meant: add --confirm-count 26") == (
        many.says,
        many.do,
    )
    assert (
        "90 deactivated in the last 24 h and 11 asked for, limit 100"
        == of(Guard.MAX_DEACTIVATIONS_PER_DAY, facts(11, history=earlier(90, 1))).says
    )
    two = facts(4, policy=TWO)
    asked = of(Guard.MAX_DEACTIVATIONS, two)
    assert (4, 3, "accounts", "4 deactivations asked for that nobody else approved, limit 3") == (
        asked.measured,
        asked.limit,
        asked.unit,
        asked.says,
    )
    assert (
        "approvals.required asks for 2 people: each says  syncd approve --plan "
        f"{two.plan.digest[:12]} --guard max-deactivations --by NAME --because TEXT ; then say this again with "
        "--confirm-count 4"
    ) == asked.do
    paused = of(Guard.PAUSED, facts(1, history=History(paused_since=NOW, paused_by="Kim", paused_because="wait")))
    assert ("paused by Kim since 2026-11-02 09:00 UTC: wait", "If it must be now: add --while-paused") == (paused.says, paused.do)
    even = of(Guard.PAUSED, facts(1, history=History(paused_since=NOW, paused_by="Kim"), even_paused=True))
    assert (0, False) == (even.measured, even.tripped)


def test_protected_accounts_are_named_to_whoever_asks_for_them():
    """Five of them; a cycle's are in its document, and a bug."""
    some = facts(6)
    found = of(Guard.PROTECTED_IN_PLAN, replace(some, found_protected=some.plan.effects))

    names = ", ".join(f"user{number}@corp.example" for number in range(5))
    assert f"6 changes asked for touch protected accounts: {names}" == found.says
    assert found.do.startswith("Take them out of the list")
