"""Every guard, tripping and just not tripping. What they hold and how they are passed as stories: tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from syncd.ledger.history import History
from syncd.model import (
    Action,
    Deactivated,
    Decision,
    DirectoryGroup,
    GroupUse,
    Guard,
    Hold,
    Limits,
    Person,
    Plan,
    Policy,
    Reason,
    Status,
    Verdict,
    ZoomAccount,
)
from syncd.planning.guards import HOLDS_ONLY, READ_GUARDS, Facts, good_read, holds, judge
from tests import whole
from tests.planning.strategies import NOW, ROLES, Case, cases

POLICY = Policy("a", ("corp.example",), protect_accounts=("ceo@corp.example",))


def facts(
    *, active: int = 200, gone: int = 0, back: int = 0, people: int = 200, entitled: int | None = None,
    matched: int | None = None, groups: tuple[DirectoryGroup, ...] = (), history: History | None = None, policy: Policy = POLICY,
    armed: bool = False, offsets: tuple[float | None, float | None] = (None, None), decisions: tuple[Decision, ...] = (),
) -> Facts:
    """A company of *active* accounts of which *gone* are to be deactivated, and *back* inactive ones to be reactivated."""
    matched = active if matched is None else matched
    planned = [
        Decision(account(number), Action.DEACTIVATE if number < gone else Action.KEEP,
                 Reason.LEFT_GROUPS if number < gone else Reason.IN_STEP, f"p{number}" if number < matched else None)
        for number in range(active)
    ]
    planned += [Decision(account(active + number, Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p")
                for number in range(back)]
    plan = Plan(NOW, policy.digest(), (*planned, *decisions))
    directory = whole.directory("file", NOW, (Person(f"p{number}") for number in range(people)), groups,
                                        clock_offset_seconds=offsets[1])
    zoom = whole.zoom("a", NOW, (one.account for one in plan.decisions), roles=ROLES, clock_offset_seconds=offsets[0])
    return Facts(plan, directory, zoom, history or History(), policy, NOW, armed, people if entitled is None else entitled)


def account(number: int, status: Status = Status.ACTIVE, **more: object) -> ZoomAccount:
    return ZoomAccount(f"z{number}", f"user{number}@corp.example", status, role_id="2", role="Member", **more)  # type: ignore[arg-type]


def verdict(guard: Guard, known: Facts) -> Verdict:
    """What this guard says."""
    return next(one for one in judge(known) if one.guard is guard)


def limits(**more: object) -> Policy:
    return replace(POLICY, limits=Limits(**more))  # type: ignore[arg-type]


def measured(**values: float) -> History:
    """A ledger whose last good read, a day ago, measured this. A group: ``group_NAME``."""
    names = {name: name.replace("group_", "group:entitling:") for name in values}
    return History(measures={names[name]: [(NOW - timedelta(days=1), value)] for name, value in values.items()},
                   peopled={names[name] for name, value in values.items() if name.startswith("group_") and value})


def entitling(members: int) -> tuple[DirectoryGroup, ...]:
    return (DirectoryGroup("g", "G", GroupUse.ENTITLING, members),)


def back_to_life(count: int, when: datetime = NOW - timedelta(hours=1)) -> History:
    return History(deactivated={f"z{number}": Deactivated(when, "c", "cycle") for number in range(count)})


def on_hold(count: int) -> tuple[Decision, ...]:
    """Active accounts that a person put on hold, as an undo does."""
    return tuple(Decision(account(number), Action.KEEP, Reason.ON_HOLD) for number in range(count))


def earlier(count: int, hours: float, *, approved: bool = False) -> History:
    return History(deactivations=[(NOW - timedelta(hours=hours), approved)] * count)


G = Guard
CASES = [
    # guard, trips, facts
    (G.DIRECTORY_EMPTY, True, facts(people=0)),
    (G.DIRECTORY_EMPTY, False, facts(people=1)),
    (G.DIRECTORY_EMPTY, True, facts(people=99, policy=limits(min_directory_people=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=90, history=measured(people=100, entitled=100))),
    (G.DIRECTORY_SHRUNK, True, facts(people=89, history=measured(people=100))),
    (G.DIRECTORY_SHRUNK, True, facts(people=100, entitled=89, history=measured(people=100, entitled=100))),
    (G.DIRECTORY_SHRUNK, True, facts(groups=entitling(89), history=measured(group_g=100))),
    (G.DIRECTORY_SHRUNK, False, facts(groups=entitling(90), history=measured(group_g=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=4, history=measured(people=7))),          # three: the floor
    (G.DIRECTORY_SHRUNK, True, facts(people=3, history=measured(people=7))),
    (G.DIRECTORY_SHRUNK, True, facts(people=6, history=measured(people=7), policy=limits(percent_floor=0))),
    (G.DIRECTORY_SHRUNK, True, facts(people=89_996, active=1, history=measured(people=100_000))),   # 10.004 %: not rounded
    (G.DIRECTORY_SHRUNK, False, facts(people=500, history=measured(people=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=1)),                                      # nothing to compare with
    (G.GROUP_EMPTIED, True, facts(groups=entitling(0), history=measured(group_g=1))),
    (G.GROUP_EMPTIED, False, facts(groups=entitling(1), history=measured(group_g=3))),
    (G.GROUP_EMPTIED, False, facts(groups=entitling(0))),                              # never had members
    (G.SENTINEL_MISSING, True, facts(policy=limits(sentinels=("canary@corp.example",)))),
    (G.SENTINEL_MISSING, False, facts()),
    (G.MATCH_RATE, False, facts(active=100, matched=50)),
    (G.MATCH_RATE, True, facts(active=100, matched=49)),
    (G.MATCH_RATE, False, facts(active=3, matched=0)),                                 # the floor
    (G.MATCH_RATE, True, facts(active=4, matched=0)),
    (G.MATCH_RATE, True, facts(active=1, matched=0, policy=limits(percent_floor=0))),
    (G.MATCH_RATE, False, facts(active=0)),
    (G.MATCH_RATE, False, facts(active=100, matched=30, history=History(accepted_match_percent=30.0))),
    (G.MATCH_RATE, True, facts(active=100, matched=29, history=History(accepted_match_percent=30.0))),
    (G.ZOOM_EMPTY, True, facts(active=0)),
    (G.ZOOM_EMPTY, False, facts(active=1)),
    (G.CLOCK_SKEW, False, facts(offsets=(300.0, -300.0))),
    (G.CLOCK_SKEW, True, facts(offsets=(300.1, None))),
    (G.CLOCK_SKEW, True, facts(offsets=(None, -300.1))),
    (G.PROTECTED_IN_PLAN, False, facts(gone=3)),
    (G.LEDGER_BROKEN, True, facts(history=History(broken="entry 7 was edited"))),
    (G.LEDGER_BROKEN, False, facts()),
    (G.PAUSED, True, facts(history=History(paused_since=NOW, paused_by="Kim"))),
    (G.PAUSED, False, facts()),
    (G.MAX_DEACTIVATIONS, False, facts(active=2_500, gone=25)),
    (G.MAX_DEACTIVATIONS, True, facts(active=2_500, gone=26)),
    (G.MAX_DEACTIVATIONS, False, facts(active=3_000, gone=30)),
    (G.MAX_DEACTIVATIONS, True, facts(active=3_000, gone=31)),
    (G.MAX_DEACTIVATIONS, True, facts(gone=1, policy=limits(max_deactivations=0))),    # a number is taken as it stands
    (G.MAX_DEACTIVATIONS_PERCENT, False, facts(active=100, gone=5)),
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=100, gone=6)),
    (G.MAX_DEACTIVATIONS_PERCENT, False, facts(active=3, gone=3)),                     # the floor
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=4, gone=4)),
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=3, gone=1, policy=limits(percent_floor=0))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=10, history=earlier(90, 23.9))),
    (G.MAX_DEACTIVATIONS_PER_DAY, True, facts(active=2_500, gone=11, history=earlier(90, 23.9))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(90, 24.1))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(90, 1, approved=True))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, history=earlier(900, 1))),    # nothing planned
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=10_000, gone=100, history=earlier(100, 1))),     # 2 %
    (G.FLAPPING, False, facts(history=back_to_life(5))),
    (G.FLAPPING, True, facts(history=back_to_life(6))),
    (G.FLAPPING, False, facts(history=back_to_life(6, NOW - timedelta(hours=24)))),
    (G.FLAPPING, False, facts(active=0, history=back_to_life(6), decisions=on_hold(6))),       # undone by a person
    (G.FLAPPING, True, facts(active=6, history=back_to_life(7), decisions=on_hold(7)[6:])),    # the other six still count
    (G.POLICY_CHANGED, True, facts(gone=1, armed=True)),
    (G.POLICY_CHANGED, False, facts(back=1, armed=True)),
    (G.POLICY_CHANGED, False, facts(gone=1)),
    (G.MAX_REACTIVATIONS, False, facts(active=500, back=10)),
    (G.MAX_REACTIVATIONS, True, facts(active=500, back=11)),
    (G.MAX_REACTIVATIONS, False, facts(active=2_000, back=20)),                        # 1 %
    (G.MAX_REACTIVATIONS, True, facts(active=2_000, back=21)),
    (G.MAX_REACTIVATIONS, True, facts(back=1, policy=limits(max_reactivations=0))),
]


@pytest.mark.parametrize(("guard", "trips", "known"), CASES, ids=lambda value: getattr(value, "value", ""))
def test_a_guard_trips_beyond_its_limit_and_not_at_it(guard: Guard, trips: bool, known: Facts):
    """One fact more or less makes the difference."""
    assert trips == verdict(guard, known).tripped


def test_every_guard_but_protected_in_plan_is_shown_tripping_and_not_tripping():
    """The table above is complete; protected-in-plan has tests of its own."""
    assert {(guard, trips) for guard in Guard for trips in (True, False)} - {(guard, trips) for guard, trips, _ in CASES} \
        == {(Guard.PROTECTED_IN_PLAN, True)}


@pytest.mark.parametrize("bad", [
    ZoomAccount("zx", "ceo@corp.example", Status.ACTIVE, role_id="2", role="Member"),
    ZoomAccount("zx", "x@corp.example", Status.ACTIVE, role_id="1", role="Admin"),
    ZoomAccount("zx", "x@corp.example", Status.ACTIVE),
    ZoomAccount("zx", "x@corp.example", Status.ACTIVE, role_id="2", role="Member", room=True),
])
def test_a_planned_change_of_a_protected_account_holds_everything(bad: ZoomAccount):
    """A second look, apart from the decisions: exempt, another role, no role, a room."""
    known = facts(decisions=(Decision(bad, Action.DEACTIVATE, Reason.LEFT_GROUPS, "p1"),))

    assert verdict(Guard.PROTECTED_IN_PLAN, known).tripped
    assert all(holds(Guard.PROTECTED_IN_PLAN, action) for action in (Action.DEACTIVATE, Action.REACTIVATE))


def test_a_shrunk_leavers_group_holds_too():
    """Leavers who vanish from their group would look entitled again and come back."""
    group = DirectoryGroup("l", "Leavers", GroupUse.LEAVERS, 10)
    history = History(measures={"group:leavers:l": [(NOW, 100.0)]})

    assert verdict(Guard.DIRECTORY_SHRUNK, facts(groups=(group,), history=history)).tripped


@pytest.mark.parametrize(("person", "trips"), [
    (Person("p0", ("canary@corp.example",), entitled_by=("g",)), False),
    (Person("p0", ("canary@old.example",), entitled_by=("g",)), False),
    (Person("p0", ("canary@corp.example",), entitled_by=("g",), enabled=False), True),
    (Person("p0", ("canary@corp.example",), entitled_by=("g",), unclear="?"), True),
    (Person("p0", ("canary@corp.example",)), True),
])
def test_a_sentinel_must_be_seen_entitled(person: Person, trips: bool):
    """Found is not enough."""
    policy = replace(limits(sentinels=("Canary@corp.example",)), domain_aliases=(("old.example", "corp.example"),))
    known = replace(facts(policy=policy), directory=whole.directory("file", NOW, [person]))

    assert trips == verdict(Guard.SENTINEL_MISSING, known).tripped


@given(cases())
def test_every_guard_is_judged_and_none_of_ours_plans_protected_accounts(case: Case):
    """One verdict each, in a fixed order, and the second look never finds what decide should have kept."""
    verdicts = case.verdicts()

    assert list(Guard) == sorted((one.guard for one in verdicts), key=list(Guard).index)
    assert not verdict_of(verdicts, Guard.PROTECTED_IN_PLAN).tripped


def verdict_of(verdicts: tuple[Verdict, ...], guard: Guard) -> Verdict:
    return next(one for one in verdicts if one.guard is guard)


def test_held_accounts_count_in_what_shares_are_taken_of():
    """Active and in scope is what counts, not whether anything may happen to the account."""
    known = facts(active=60, gone=3, history=History(holds={"z9": Hold("Kim", "", NOW)}), policy=limits(percent_floor=0))

    assert 5.0 == verdict(Guard.MAX_DEACTIVATIONS_PERCENT, known).measured


def test_read_guards_make_a_bad_read_and_the_others_do_not():
    """Only good reads count for grace, memory and baselines."""
    for guard in Guard:
        assert good_read((Verdict(guard, True, 1, 0, "", ""),)) == (guard not in READ_GUARDS)


@pytest.mark.parametrize("guard", sorted(Guard))
def test_a_guard_holds_what_the_interface_says(guard: Guard):
    """Deactivations only, reactivations only, or everything."""
    only = {"max-deactivations", "max-deactivations-percent", "max-deactivations-per-day", "flapping", "policy-changed"}
    expected = (guard != "max-reactivations", guard not in only)

    assert expected == (holds(guard, Action.DEACTIVATE), holds(guard, Action.REACTIVATE))
    assert (guard in HOLDS_ONLY) == (expected != (True, True))


@pytest.mark.parametrize("known", [known for _, trips, known in CASES if trips])
def test_a_tripped_guard_says_what_to_do(known: Facts):
    """What happened, with numbers, and the way out."""
    for one in judge(known):
        if one.tripped:
            assert one.says
            assert one.do
            assert one.measured is not None
            assert one.limit is not None
