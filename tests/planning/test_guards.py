"""Every guard, tripping and just not tripping. What they hold and how they are passed as stories: tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from syncd.ledger.history import History
from syncd.model import (
    Action,
    Approval,
    Counted,
    Deactivated,
    Decision,
    DirectoryGroup,
    DirectorySnapshot,
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
from syncd.planning.guards import READ_GUARDS, TRAITS, Facts, good_read, holds, holds_effect, holds_everything, judge
from tests import whole
from tests.planning.strategies import NOW, ROLES, Case, cases

POLICY = Policy("a", ("corp.example",), protect_accounts=("ceo@corp.example",))


def facts(
    *,
    active: int = 200,
    gone: int = 0,
    back: int = 0,
    people: int = 200,
    entitled: int | None = None,
    matched: int | None = None,
    groups: tuple[DirectoryGroup, ...] = (),
    history: History | None = None,
    policy: Policy = POLICY,
    armed: bool = False,
    offsets: tuple[float | None, float | None] = (None, None),
    decisions: tuple[Decision, ...] = (),
    **more: Any,
) -> Facts:
    """A company of *active* accounts of which *gone* are to be deactivated, and *back* inactive ones to be reactivated."""
    matched = active if matched is None else matched
    planned = [
        Decision(
            account(number),
            Action.DEACTIVATE if number < gone else Action.KEEP,
            Reason.LEFT_GROUPS if number < gone else Reason.IN_STEP,
            f"p{number}" if number < matched else None,
        )
        for number in range(active)
    ]
    planned += [
        Decision(account(active + number, Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p")
        for number in range(back)
    ]
    plan = Plan(NOW, policy.digest(), (*planned, *decisions))
    directory = whole.directory(
        "file", NOW, (Person(f"p{number}") for number in range(people)), groups, clock_offset_seconds=offsets[1]
    )
    zoom = whole.zoom("a", NOW, (one.account for one in plan.decisions), roles=ROLES, clock_offset_seconds=offsets[0])
    return Facts(
        plan, history or History(), policy, NOW, directory, zoom, armed, people if entitled is None else entitled, **more
    )


def account(number: int, status: Status = Status.ACTIVE, **more: object) -> ZoomAccount:
    return ZoomAccount(f"z{number}", f"user{number}@corp.example", status, role_id="2", role="Member", **more)  # type: ignore[arg-type]


def verdict(guard: Guard, known: Facts) -> Verdict:
    """What this guard says."""
    return next(one for one in judge(known).verdicts if one.guard is guard)


def limits(**more: object) -> Policy:
    return replace(POLICY, limits=Limits(**more))  # type: ignore[arg-type]


def measured(**values: float) -> History:
    """A ledger whose last good read, a day ago, measured this. A group: ``group_NAME``."""
    names = {name: name.replace("group_", "group:entitling:") for name in values}
    return History(
        measures={names[name]: [(NOW - timedelta(days=1), value)] for name, value in values.items()},
        peopled={names[name] for name, value in values.items() if name.startswith("group_") and value},
    )


def entitling(members: int) -> tuple[DirectoryGroup, ...]:
    return (DirectoryGroup("g", "G", GroupUse.ENTITLING, members),)


def back_to_life(count: int, when: datetime = NOW - timedelta(hours=1)) -> History:
    return History(deactivated={f"z{number}": Deactivated(when, "c", "cycle") for number in range(count)})


def written(when: datetime) -> DirectorySnapshot:
    """A file of that time."""
    return whole.directory("file", NOW, (Person(f"p{number}") for number in range(200)), as_of=when)


def emptied(use: GroupUse) -> Facts:
    """A group of this use has no members; it had some."""
    return facts(groups=(DirectoryGroup("g", "G", use, 0),), history=History(peopled={f"group:{use.value}:g"}))


def approved_for(guard: Guard, *numbers: int, before: History) -> History:
    """These deactivations are approved for one guard."""
    effects = frozenset((f"z{number}", "deactivate") for number in numbers)
    given_ = Approval("a", "d", POLICY.digest(), (guard,), effects, "Kim", "", NOW, NOW + timedelta(hours=1))
    return replace(before, approvals={"a": given_})


def elsewhere(status: Status) -> tuple[Decision, ...]:
    return (Decision(account(9000, status), Action.KEEP, Reason.OUT_OF_SCOPE),)


def on_hold(count: int) -> tuple[Decision, ...]:
    """Active accounts that a person put on hold, as an undo does."""
    return tuple(Decision(account(number), Action.KEEP, Reason.ON_HOLD) for number in range(count))


def earlier(count: int, hours: float, *, approved: bool = False, action: str = "deactivate", **anew: float) -> History:
    """Effects of earlier cycles; *anew*: when, in hours, a guard's sum was approved (by the name of its enum member)."""
    begun = {Guard[name]: NOW - timedelta(hours=back) for name, back in anew.items()}
    return History(counted=[Counted(NOW - timedelta(hours=hours), action, approved)] * count, sums_begun=begun)


G = Guard
#: Guards that judge a cycle's plan; a plan of handovers has one of its own.
OF_CYCLES = [guard for guard in Guard if guard is not Guard.HANDOVER]

CASES = [
    # guard, trips, facts
    (G.DIRECTORY_EMPTY, True, facts(people=0)),
    (G.DIRECTORY_EMPTY, False, facts(people=1)),
    (G.DIRECTORY_EMPTY, True, facts(people=99, policy=limits(min_directory_people=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=90, history=measured(people=100, entitled=100))),
    (G.DIRECTORY_SHRUNK, True, facts(people=89, history=measured(people=100))),
    (G.DIRECTORY_SHRUNK, True, facts(people=100, entitled=89, history=measured(people=100, entitled=100))),
    (G.DIRECTORY_SHRUNK, True, facts(groups=entitling(89), entitled=189, history=measured(group_g=100, entitled=200))),
    (G.DIRECTORY_SHRUNK, False, facts(groups=entitling(89), entitled=200, history=measured(group_g=100, entitled=200))),  # moved
    (G.DIRECTORY_SHRUNK, False, facts(groups=entitling(10), entitled=190, history=measured(group_g=20, entitled=200))),  # ten
    (G.DIRECTORY_SHRUNK, False, facts(groups=entitling(90), history=measured(group_g=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=4, history=measured(people=7))),  # three: the floor
    (G.DIRECTORY_SHRUNK, True, facts(people=3, history=measured(people=7))),
    (G.DIRECTORY_SHRUNK, True, facts(people=6, history=measured(people=7), policy=limits(percent_floor=0))),
    (G.DIRECTORY_SHRUNK, True, facts(people=89_996, active=1, history=measured(people=100_000))),  # 10.004 %: not rounded
    (G.DIRECTORY_SHRUNK, False, facts(people=500, history=measured(people=100))),
    (G.DIRECTORY_SHRUNK, False, facts(people=1)),  # nothing to compare with
    (G.GROUP_EMPTIED, True, facts(groups=entitling(0), history=measured(group_g=1))),
    (G.GROUP_EMPTIED, False, facts(groups=entitling(1), history=measured(group_g=3))),
    (G.GROUP_EMPTIED, False, facts(groups=entitling(0))),  # never had members
    (G.GROUP_EMPTIED, True, emptied(GroupUse.PROTECTING)),
    (G.GROUP_EMPTIED, False, emptied(GroupUse.LEAVERS)),  # everybody who left is gone from it
    (G.SENTINEL_MISSING, True, facts(policy=limits(sentinels=("canary@corp.example",)))),
    (G.SENTINEL_MISSING, False, facts()),
    (G.MATCH_RATE, False, facts(active=100, matched=50)),
    (G.MATCH_RATE, True, facts(active=100, matched=49)),
    (G.MATCH_RATE, False, facts(active=3, matched=0)),  # the floor
    (G.MATCH_RATE, True, facts(active=4, matched=0)),
    (G.MATCH_RATE, True, facts(active=1, matched=0, policy=limits(percent_floor=0))),
    (G.MATCH_RATE, False, facts(active=0)),
    (G.MATCH_RATE, False, facts(active=100, matched=30, history=History(accepted_match_percent=30.0))),
    (G.MATCH_RATE, True, facts(active=100, matched=29, history=History(accepted_match_percent=30.0))),
    (G.MATCH_RATE, False, facts(active=100, matched=60, history=History(accepted_match_percent=70.0))),  # it raises nothing
    (G.MATCH_RATE, False, facts(active=100, matched=97)),
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
    (G.MAX_DEACTIVATIONS, True, facts(gone=1, policy=limits(max_deactivations=0))),  # a number is taken as it stands
    (G.MAX_DEACTIVATIONS_PERCENT, False, facts(active=100, gone=5)),
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=100, gone=6)),
    (G.MAX_DEACTIVATIONS_PERCENT, False, facts(active=3, gone=3)),  # the floor
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=4, gone=4)),
    (G.MAX_DEACTIVATIONS_PERCENT, True, facts(active=3, gone=1, policy=limits(percent_floor=0))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=10, history=earlier(90, 23.9))),
    (G.MAX_DEACTIVATIONS_PER_DAY, True, facts(active=2_500, gone=11, history=earlier(90, 23.9))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(90, 24.1))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(90, 1, approved=True))),
    (
        G.MAX_DEACTIVATIONS_PER_DAY,
        True,
        facts(active=2_500, gone=11, history=approved_for(G.MAX_DEACTIVATIONS, *range(11), before=earlier(90, 1))),
    ),  # another's
    (
        G.MAX_DEACTIVATIONS_PER_DAY,
        False,
        facts(active=2_500, gone=11, history=approved_for(G.MAX_DEACTIVATIONS_PER_DAY, 0, before=earlier(90, 1))),
    ),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, history=earlier(900, 1))),  # nothing planned
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=10_000, gone=100, history=earlier(100, 1))),  # 2 %
    (G.MAX_DEACTIVATIONS_PER_DAY, True, facts(active=10_000, gone=100, history=earlier(101, 1))),
    (G.FLAPPING, False, facts(history=back_to_life(5))),
    (G.FLAPPING, True, facts(history=back_to_life(6))),
    (G.FLAPPING, False, facts(history=back_to_life(6, NOW - timedelta(hours=24)))),
    (G.FLAPPING, False, facts(active=0, history=back_to_life(6), decisions=on_hold(6))),  # undone by a person
    (G.FLAPPING, True, facts(active=6, history=back_to_life(7), decisions=on_hold(7)[6:])),  # the other six still count
    (G.POLICY_CHANGED, True, facts(gone=1, armed=True)),
    (G.POLICY_CHANGED, False, facts(back=1, armed=True)),
    (G.POLICY_CHANGED, False, facts(gone=1)),
    (G.MAX_REACTIVATIONS, False, facts(active=500, back=10)),
    (G.MAX_REACTIVATIONS, True, facts(active=500, back=11)),
    (G.MAX_REACTIVATIONS, False, facts(active=2_000, back=20)),  # 1 %
    (G.MAX_REACTIVATIONS, True, facts(active=2_000, back=21)),
    (G.MAX_REACTIVATIONS, True, facts(back=1, policy=limits(max_reactivations=0))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(90, 20, MAX_DEACTIVATIONS_PER_DAY=19))),
    (G.MAX_DEACTIVATIONS_PER_DAY, True, facts(active=2_500, gone=11, history=earlier(90, 18, MAX_DEACTIVATIONS_PER_DAY=19))),
    (G.MAX_DEACTIVATIONS_PER_DAY, True, facts(active=2_500, gone=11, history=earlier(90, 20, MAX_DEACTIVATIONS_PER_30_DAYS=19))),
    (G.MAX_DEACTIVATIONS_PER_DAY, False, facts(active=2_500, gone=11, history=earlier(900, 1, action="reactivate"))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=1_000, gone=5, history=earlier(95, 29 * 24))),  # 10 %
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, True, facts(active=1_000, gone=6, history=earlier(95, 29 * 24))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=1_000, gone=6, history=earlier(95, 31 * 24))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=1_000, gone=6, history=earlier(95, 29 * 24, approved=True))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=100, gone=5, history=earlier(20, 24))),  # 25
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, True, facts(active=100, gone=6, history=earlier(20, 24))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=100, history=earlier(900, 24))),  # nothing planned
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, False, facts(active=100, gone=6, history=earlier(20, 24, MAX_DEACTIVATIONS_PER_30_DAYS=2))),
    (G.MAX_DEACTIVATIONS_PER_30_DAYS, True, facts(gone=1, policy=limits(max_deactivations_per_30_days=0))),
    (G.MAX_REACTIVATIONS_PER_DAY, False, facts(back=10, history=earlier(40, 23, action="reactivate"))),
    (G.MAX_REACTIVATIONS_PER_DAY, True, facts(back=10, history=earlier(41, 23, action="reactivate"))),
    (G.MAX_REACTIVATIONS_PER_DAY, False, facts(back=10, history=earlier(41, 25, action="reactivate"))),
    (G.MAX_REACTIVATIONS_PER_DAY, False, facts(back=10, history=earlier(900, 1))),
    (G.MAX_REACTIVATIONS_PER_DAY, False, facts(active=5_000, back=10, history=earlier(90, 1, action="reactivate"))),  # 2 %
    (G.MAX_REACTIVATIONS_PER_DAY, True, facts(active=5_000, back=11, history=earlier(90, 1, action="reactivate"))),
    (G.GROUP_REPLACED, True, facts(groups=entitling(5), history=History(groups={"entry:entitling:G": "h"}))),
    (G.GROUP_REPLACED, False, facts(groups=entitling(5), history=History(groups={"entry:entitling:G": "g"}))),
    (G.GROUP_REPLACED, False, facts(groups=entitling(5), history=History(groups={"entry:leavers:G": "h"}))),
    (G.GROUP_REPLACED, False, facts(groups=entitling(5))),
    (G.NOTHING_IN_SCOPE, True, facts(active=0, decisions=elsewhere(Status.ACTIVE))),
    (G.NOTHING_IN_SCOPE, False, facts(active=0, decisions=elsewhere(Status.INACTIVE))),  # nobody could be changed anyway
    (G.NOTHING_IN_SCOPE, False, facts(active=1, decisions=elsewhere(Status.ACTIVE))),
    (G.NOTHING_IN_SCOPE, False, facts(active=0)),
    (G.CLOCK_SKEW, True, facts(history=History(tip_at=NOW + timedelta(seconds=301)))),
    (G.CLOCK_SKEW, False, facts(history=History(tip_at=NOW + timedelta(seconds=300)))),
    (G.CLOCK_SKEW, False, facts(history=History(tip_at=NOW - timedelta(days=300)))),
    (G.DIRECTORY_STALE, False, facts(look_older=3)),
    (G.DIRECTORY_STALE, True, facts(look_older=4)),
    (G.DIRECTORY_STALE, False, facts(people=900, look_older=9)),  # 1 %
    (G.DIRECTORY_STALE, True, facts(people=900, look_older=10)),
    (G.DIRECTORY_STALE, True, replace(facts(history=History(as_of=NOW)), directory=written(NOW - timedelta(minutes=1)))),
    (G.DIRECTORY_STALE, False, replace(facts(history=History(as_of=NOW)), directory=written(NOW))),
    (G.DIRECTORY_STALE, False, replace(facts(history=History()), directory=written(NOW - timedelta(days=9)))),
    (
        G.DIRECTORY_STALE,
        False,
        replace(facts(history=History(as_of=NOW, good_digest=written(NOW).digest)), directory=written(NOW - timedelta(days=9))),
    ),  # the same content, put back
    (G.LEDGER_NEW, True, facts(ledger_new="it was begun in enforce mode")),
    (G.LEDGER_NEW, False, facts()),
    (G.LEDGER_ROLLED_BACK, True, facts(missing_heads=("12 abc",))),
    (G.LEDGER_ROLLED_BACK, False, facts()),
]


@pytest.mark.parametrize(("guard", "trips", "known"), CASES, ids=lambda value: getattr(value, "value", ""))
def test_a_guard_trips_beyond_its_limit_and_not_at_it(guard: Guard, trips: bool, known: Facts):
    """One fact more or less makes the difference."""
    assert trips == verdict(guard, known).tripped


def test_every_guard_but_protected_in_plan_is_shown_tripping_and_not_tripping():
    """The table above is complete; protected-in-plan has tests of its own."""
    assert {(guard, trips) for guard in OF_CYCLES for trips in (True, False)} - {(guard, trips) for guard, trips, _ in CASES} == {
        (Guard.PROTECTED_IN_PLAN, True)
    }


@pytest.mark.parametrize(
    "bad",
    [
        ZoomAccount("zx", "ceo@corp.example", Status.ACTIVE, role_id="2", role="Member"),
        ZoomAccount("zx", "x@corp.example", Status.ACTIVE, role_id="1", role="Admin"),
        ZoomAccount("zx", "x@corp.example", Status.ACTIVE),
        ZoomAccount("zx", "x@corp.example", Status.ACTIVE, role_id="2", role="Member", room=True),
    ],
)
def test_a_planned_change_of_a_protected_account_holds_everything(bad: ZoomAccount):
    """A second look, apart from the decisions: exempt, another role, no role, a room."""
    known = facts(decisions=(Decision(bad, Action.DEACTIVATE, Reason.LEFT_GROUPS, "p1"),))

    assert verdict(Guard.PROTECTED_IN_PLAN, known).tripped
    assert all(holds(Guard.PROTECTED_IN_PLAN, action) for action in (Action.DEACTIVATE, Action.REACTIVATE))


@pytest.mark.parametrize(
    ("person", "trips"),
    [
        (Person("px", protected_by=("Legal Hold",)), True),
        (Person("px", ("user9000@corp.example",), aliases=("ceo@corp.example",)), True),
        (Person("px", ("user9000@corp.example",)), False),
        (Person("p2", protected_by=("Legal Hold",)), False),  # somebody else
    ],
)
def test_the_second_look_sees_the_person_of_the_account_too(person: Person, trips: bool):
    """By group, and by any of their addresses."""
    known = facts(decisions=(Decision(account(9000), Action.DEACTIVATE, Reason.LEFT_GROUPS, "px"),))

    assert trips == verdict(Guard.PROTECTED_IN_PLAN, replace(known, directory=whole.directory("file", NOW, [person]))).tripped


@pytest.mark.parametrize(("role_id", "trips"), [("2", False), ("1", True), ("9", True), (None, True)])
def test_the_second_look_knows_the_role_at_our_deactivation(role_id: str | None, trips: bool):
    """Zoom may not show the role of an inactive account."""
    hidden = ZoomAccount("zx", "x@corp.example", Status.INACTIVE)
    known = facts(
        decisions=(Decision(hidden, Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p1"),),
        history=History(deactivated={"zx": Deactivated(NOW - timedelta(days=3), "c", "cycle", role_id=role_id)}),
    )

    assert trips == verdict(Guard.PROTECTED_IN_PLAN, known).tripped


def shrunk_group(use: GroupUse, known: Facts) -> Verdict:
    """A group of a hundred has ten members left."""
    group = DirectoryGroup("l", "Group", use, 10)
    history = replace(known.history, measures={f"group:{use.value}:l": ((NOW, 100.0),)})
    directory = whole.directory("file", NOW, known.directory.people, (group,))
    return verdict(Guard.DIRECTORY_SHRUNK, replace(known, history=history, directory=directory))


def switched_off(*reasons: Reason) -> History:
    """By a cycle, for these reasons: z200, z201 and so on."""
    return History(
        deactivated={
            f"z{200 + n}": Deactivated(NOW - timedelta(days=9), "c", "cycle", reason=one.value) for n, one in enumerate(reasons)
        }
    )


def test_a_shrunk_leavers_group_holds_the_returns_of_those_who_were_in_it():
    """Leavers who vanish from their group look entitled again; so may somebody whom an administrator of Zoom switched off, who
    knows why (``reactivate: any``). Whoever else returns, and every leaver, goes on."""
    known = facts(gone=3, back=3, history=switched_off(Reason.IN_LEAVERS_GROUP, Reason.LEFT_GROUPS))
    found = shrunk_group(GroupUse.LEAVERS, known)

    held = {("z200", "reactivate"), ("z202", "reactivate")}
    assert (True, held) == (found.tripped, found.only)
    assert held == {effect.key for effect in known.plan.effects if holds_effect(found, effect)}
    assert not holds_everything(found)


@pytest.mark.parametrize(("back", "history"), [(0, History()), (2, switched_off(Reason.LEFT_GROUPS, Reason.LEFT_GROUPS))])
def test_tidying_a_leavers_group_up_holds_nothing(back: int, history: History):
    """Nobody who was in it returns."""
    assert not shrunk_group(GroupUse.LEAVERS, facts(gone=3, back=back, history=history)).tripped


@pytest.mark.parametrize(
    ("history", "trips"),
    [
        (History(protected_through={"z0": "Group"}), True),
        (History(protected_until={"z0": ("group", NOW - timedelta(days=6))}), True),
        (History(protected_through={"z0": "Another"}), False),
        (History(protected_through={"z9": "Group"}), False),  # still here
        (History(), False),
    ],
)
def test_a_shrunk_protecting_group_holds_the_deactivations_of_those_it_protected(history: History, trips: bool):
    """And nobody else's."""
    found = shrunk_group(GroupUse.PROTECTING, facts(gone=3, back=2, history=history))

    assert (trips, frozenset({("z0", "deactivate")}) if trips else None) == (found.tripped, found.only)


@pytest.mark.parametrize(
    ("history", "trips"),
    [
        (History(entitled_through={f"z{n}": "Group" for n in range(11)}), True),
        (History(entitled_until={f"z{n}": ("Group", NOW - timedelta(days=1)) for n in range(11)}), True),
        (History(entitled_through={f"z{n}": "Group" for n in range(10)}), False),  # up to ten never
        (History(entitled_through={f"z{n}": "Group" for n in range(100, 150)}), False),  # entitled by another group now
        (History(entitled_through={f"z{n}": "Another" for n in range(11)}), False),
    ],
)
def test_members_who_are_entitled_by_no_group_any_more_count(history: History, trips: bool):
    """Joiners elsewhere do not hide them."""
    found = shrunk_group(GroupUse.ENTITLING, facts(gone=20, history=history))

    assert (trips, None) == (found.tripped, found.only)


def test_the_size_of_a_group_is_remembered_by_its_entry_too():
    """A new object of the same name begins with nobody."""
    group = DirectoryGroup("new", "Group", GroupUse.ENTITLING, 10, entry="CN=Group")
    history = History(
        measures={"size:entitling:CN=Group": ((NOW, 100.0),)}, entitled_through={f"z{n}": "Group" for n in range(20)}
    )
    found = verdict(Guard.DIRECTORY_SHRUNK, facts(gone=20, groups=(group,), history=history))

    assert (True, {"group:entitling:new": 10.0, "size:entitling:CN=Group": 10.0}) == (found.tripped, found.accepts)


@pytest.mark.parametrize(
    ("person", "trips"),
    [
        (Person("p0", ("canary@corp.example",), entitled_by=("g",)), False),
        (Person("p0", ("canary@old.example",), entitled_by=("g",)), False),
        (Person("p0", ("other@corp.example", "canary@corp.example"), entitled_by=("g",)), False),
        (Person("p0", ("canary@corp.example",), entitled_by=("g",), enabled=False), True),
        (Person("p0", ("canary@corp.example",), entitled_by=("g",), unclear="?"), True),
        (Person("p0", ("canary@corp.example",), entitled_by=("g",), expires_at=NOW), True),
        (Person("p0", ("canary@corp.example",), entitled_by=("g",), expires_at=NOW + timedelta(seconds=1)), False),
        (Person("p0", ("canary@corp.example",)), True),
    ],
)
def test_a_sentinel_must_be_seen_entitled(person: Person, trips: bool):
    """Found is not enough."""
    policy = replace(limits(sentinels=("Canary@corp.example",)), domain_aliases=(("old.example", "corp.example"),))
    known = replace(facts(policy=policy), directory=whole.directory("file", NOW, [person]))

    assert trips == verdict(Guard.SENTINEL_MISSING, known).tripped


def test_a_sentinel_of_an_aliased_domain_is_found():
    """It is compared as accounts are."""
    policy = replace(limits(sentinels=("canary@old.example",)), domain_aliases=(("old.example", "corp.example"),))
    read = whole.directory("file", NOW, [Person("p0", ("canary@corp.example",), entitled_by=("g",))])

    assert not verdict(Guard.SENTINEL_MISSING, replace(facts(policy=policy), directory=read)).tripped


@pytest.mark.parametrize(
    ("seen", "tripped", "approvable"),
    [
        ((True, True), False, True),
        ((True, False), True, True),
        ((False, False), True, False),
    ],
)
def test_some_sentinels_missing_can_be_approved_and_all_of_them_not(seen: tuple[bool, ...], tripped: bool, approvable: bool):
    """One of several may have left; all of several, or the only one, means a blind read."""
    policy = limits(sentinels=("a@corp.example", "b@corp.example"))
    people = [Person(f"p{n}", (f"{'ab'[n]}@corp.example",), entitled_by=("g",) if there else ()) for n, there in enumerate(seen)]
    found = verdict(Guard.SENTINEL_MISSING, replace(facts(policy=policy), directory=whole.directory("file", NOW, people)))

    assert (tripped, approvable) == (found.tripped, found.approvable)


def test_an_approved_sentinel_may_stay_away_and_no_other():
    """The approval names which of them."""
    policy = limits(sentinels=("a@corp.example", "b@corp.example", "c@corp.example"))
    given_ = Approval(
        "a",
        "d",
        policy.digest(),
        (Guard.SENTINEL_MISSING,),
        frozenset(),
        "Kim",
        "",
        NOW,
        NOW + timedelta(hours=1),
        accepts={"sentinel:1": 0},
    )
    known = facts(policy=policy, history=History(approvals={"a": given_}))

    for there, tripped in (("ac", False), ("ab", True), ("a", True)):
        people = [Person(f"p{name}", (f"{name}@corp.example",), entitled_by=("g",)) for name in there]
        read = replace(known, directory=whole.directory("file", NOW, people))
        assert tripped == verdict(Guard.SENTINEL_MISSING, read).tripped


def test_nothing_in_scope_passes_while_somebody_says_that_it_is_meant():
    """It accepts no measure: it is meant for a time."""
    given_ = Approval("a", "d", POLICY.digest(), (Guard.NOTHING_IN_SCOPE,), frozenset(), "Kim", "", NOW, NOW + timedelta(hours=1))
    known = facts(active=0, decisions=elsewhere(Status.ACTIVE), history=History(approvals={"a": given_}))

    assert not verdict(Guard.NOTHING_IN_SCOPE, known).tripped
    assert verdict(Guard.NOTHING_IN_SCOPE, replace(known, now=NOW + timedelta(hours=1))).tripped


def test_a_tripped_plan_ends_with_the_one_command_that_passes_it():
    """It names every guard that can be approved; with one that cannot, there is no command at all."""
    known = facts(gone=60, armed=True)
    found = judge(known)
    commands = {one.do.partition("syncd approve ")[2] for one in found.verdicts if one.tripped}
    guards = " ".join(one.guard.value for one in found.verdicts if one.tripped)

    assert "max-deactivations max-deactivations-percent" in guards
    assert {f"--plan {found.plan.digest[:12]} --guard {guards} --by NAME --because TEXT"} == commands
    paused = replace(known, history=History(paused_since=NOW, paused_by="Kim"))
    assert not any("syncd approve" in one.do for one in judge(paused).verdicts)


def test_the_digest_covers_what_an_approval_would_accept():
    """34 of 40 reviewed is not 4 of 40 (field trouble C 6); a larger share elsewhere changes nothing."""

    def read(people: int) -> str:
        return judge(facts(people=people, active=10, history=measured(people=40))).plan.digest

    assert read(34) != read(4)
    assert read(40) == read(39) == facts(people=39, active=10).plan.digest


@given(cases())
def test_every_guard_is_judged_and_none_of_ours_plans_protected_accounts(case: Case):
    """One verdict each, in a fixed order, and the second look never finds what decide should have kept."""
    verdicts = case.verdicts()

    assert OF_CYCLES == sorted((one.guard for one in verdicts), key=OF_CYCLES.index)
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


@pytest.mark.parametrize("guard", sorted(OF_CYCLES))
def test_a_guard_holds_what_the_interface_says(guard: Guard):
    """Deactivations only, reactivations only, or everything."""
    only = {
        "max-deactivations",
        "max-deactivations-percent",
        "max-deactivations-per-day",
        "max-deactivations-per-30-days",
        "flapping",
        "policy-changed",
    }
    expected = (guard not in {"max-reactivations", "max-reactivations-per-day"}, guard not in only)

    assert expected == (holds(guard, Action.DEACTIVATE), holds(guard, Action.REACTIVATE))


def test_the_table_names_every_guard():
    """Read guards and those that cannot be approved are those of the interface."""
    assert set(Guard) == set(TRAITS)
    assert {
        "directory-empty",
        "directory-shrunk",
        "group-emptied",
        "group-replaced",
        "directory-stale",
        "sentinel-missing",
        "match-rate",
        "nothing-in-scope",
        "zoom-empty",
        "clock-skew",
    } == {guard.value for guard, one in TRAITS.items() if one.read}
    assert {
        "directory-empty",
        "zoom-empty",
        "sentinel-missing",
        "clock-skew",
        "protected-in-plan",
        "ledger-broken",
        "paused",
        "ledger-new",
        "ledger-rolled-back",
    } == {guard.value for guard, one in TRAITS.items() if not one.approvable}


@pytest.mark.parametrize("known", [known for _, trips, known in CASES if trips])
def test_a_tripped_guard_says_what_to_do(known: Facts):
    """What happened, with numbers, and the way out."""
    for one in judge(known).verdicts:
        if one.tripped:
            assert one.says
            assert one.do[:1].isalpha()  # and not only the command behind it
            assert one.measured is not None
            assert one.limit is not None
