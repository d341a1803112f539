"""What each guard says, word for word: the number it measured, its limit, the unit and the sentence of the report, and what an
approval would accept. For each guard the first case of its table that trips and the first that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import Action, Decision, DirectoryGroup, GroupUse, Guard, Person, Reason, SecondLook, Status
from syncd.planning.guards import values_of
from tests import whole
from tests.planning.strategies import NOW
from tests.planning.test_guards import CASES, account, facts, limits, measured, shrunk_group, switched_off, verdict, written

#: guard, trips, measured, limit, unit, says, accepts
SAYS = [
    ("directory-empty", True, 0, 1, "people", "the directory shows 0 people, at least 1 are expected", {}),
    ("directory-empty", False, 1, 1, "people", "the directory shows 1 people, at least 1 are expected", {}),
    ("directory-shrunk", False, 10.0, 10.0, "percent", "people fell from 100 to 90 (10 %, limit 10 %)", {}),
    ("directory-shrunk", True, 11.0, 10.0, "percent", "people fell from 100 to 89 (11 %, limit 10 %)", {"people": 89}),
    ("group-emptied", True, 1, 0, "groups", "groups that lost all their members: G", {"emptied:group:entitling:g": 0}),
    ("group-emptied", False, 0, 0, "groups", "groups that lost all their members: none", {}),
    ("sentinel-missing", True, 1, 0, "sentinels", "1 of 1 sentinels are not seen entitled", {"sentinel:0": 0}),
    ("sentinel-missing", False, 0, 0, "sentinels", "0 of 0 sentinels are not seen entitled", {}),
    (
        "match-rate",
        False,
        50.0,
        50.0,
        "percent",
        "50 of 100 active accounts in scope match somebody in the directory",
        {"match_percent": 50.0},
    ),
    (
        "match-rate",
        True,
        49.0,
        50.0,
        "percent",
        "49 of 100 active accounts in scope match somebody in the directory",
        {"match_percent": 49.0},
    ),
    ("zoom-empty", True, 0, 1, "accounts", "Zoom shows 0 accounts", {}),
    ("zoom-empty", False, 1, 1, "accounts", "Zoom shows 1 accounts", {}),
    ("clock-skew", False, 300.0, 300.0, "seconds", "the clock of Zoom differs from this machine's by 300 s", {}),
    ("clock-skew", True, 300.1, 300.0, "seconds", "the clock of Zoom differs from this machine's by 300 s", {}),
    ("protected-in-plan", False, 0, 0, "accounts", "0 changes planned touch protected accounts", {}),
    ("ledger-broken", True, 1, 0, "ledgers", "the ledger does not verify: entry 7 was edited", {}),
    ("ledger-broken", False, 0, 0, "ledgers", "the ledger verifies", {}),
    ("paused", True, 1, 0, "pauses", "paused by Kim since 2026-11-02 09:00 UTC: ", {}),
    ("paused", False, 0, 0, "pauses", "not paused", {}),
    ("max-deactivations", False, 25, 25, "accounts", "25 deactivations planned, limit 25", {}),
    ("max-deactivations", True, 26, 25, "accounts", "26 deactivations planned, limit 25", {}),
    (
        "max-deactivations-percent",
        False,
        5.0,
        5.0,
        "percent",
        "5 of 100 active accounts in scope would be deactivated (5 %, limit 5 %)",
        {},
    ),
    (
        "max-deactivations-percent",
        True,
        6.0,
        5.0,
        "percent",
        "6 of 100 active accounts in scope would be deactivated (6 %, limit 5 %)",
        {},
    ),
    ("max-deactivations-per-day", False, 100, 100, "accounts", "90 deactivated in the last 24 h and 10 planned, limit 100", {}),
    ("max-deactivations-per-day", True, 101, 100, "accounts", "90 deactivated in the last 24 h and 11 planned, limit 100", {}),
    ("flapping", False, 5, 5, "accounts", "5 accounts came back to life within 24 h of our deactivation", {}),
    ("flapping", True, 6, 5, "accounts", "6 accounts came back to life within 24 h of our deactivation", {}),
    ("policy-changed", True, 1, 0, "accounts", "1 deactivations are due under a policy nobody has reviewed yet", {}),
    ("policy-changed", False, 0, 0, "accounts", "the policy was reviewed", {}),
    ("max-reactivations", False, 10, 10, "accounts", "10 reactivations planned, limit 10", {}),
    ("max-reactivations", True, 11, 10, "accounts", "11 reactivations planned, limit 10", {}),
    (
        "max-deactivations-per-30-days",
        False,
        100,
        100,
        "accounts",
        "95 deactivated in the last 30 days and 5 planned, limit 100",
        {},
    ),
    (
        "max-deactivations-per-30-days",
        True,
        101,
        100,
        "accounts",
        "95 deactivated in the last 30 days and 6 planned, limit 100",
        {},
    ),
    ("max-reactivations-per-day", False, 50, 50, "accounts", "40 reactivated in the last 24 h and 10 planned, limit 50", {}),
    ("max-reactivations-per-day", True, 51, 50, "accounts", "41 reactivated in the last 24 h and 10 planned, limit 50", {}),
    (
        "group-replaced",
        True,
        1,
        0,
        "groups",
        "groups of the configuration that mean another object than before: G was h and is g now",
        {"entry:entitling:G": "g"},
    ),
    ("group-replaced", False, 0, 0, "groups", "groups of the configuration that mean another object than before: none", {}),
    ("nothing-in-scope", True, 0, 1, "accounts", "0 of 1 Zoom accounts are in scope, 1 of all are active", {"in_scope": 0}),
    ("nothing-in-scope", False, 0, 1, "accounts", "0 of 1 Zoom accounts are in scope, 0 of all are active", {"in_scope": 0}),
    (
        "directory-stale",
        False,
        3,
        3,
        "people",
        "3 people look worse than in the last good read, which was from another copy of the directory",
        {"view": ""},
    ),
    (
        "directory-stale",
        True,
        4,
        3,
        "people",
        "4 people look worse than in the last good read, which was from another copy of the directory",
        {"view": ""},
    ),
    ("ledger-new", True, 1, 0, "ledgers", "it was begun in enforce mode", {}),
    ("ledger-new", False, 0, 0, "ledgers", "the ledger is known", {}),
    ("ledger-rolled-back", True, 1, 0, "heads", "1 published heads of the ledger are not in its chain: 12 abc", {}),
    ("ledger-rolled-back", False, 0, 0, "heads", "every published head is in the chain", {}),
]


@pytest.mark.parametrize(("name", "trips", "measured", "limit", "unit", "says", "accepts"), SAYS)
def test_a_guard_says_what_it_measured(
    name: str,
    trips: bool,
    measured: float,
    limit: float,
    unit: str,
    says: str,
    accepts: dict[str, float | str],
):
    """Whether it trips or not: reports show them all."""
    guard = Guard(name)
    found = verdict(guard, next(known for one, tripping, known in CASES if (one, tripping) == (guard, trips)))

    assert (trips, measured, limit, unit, says) == (found.tripped, found.measured, found.limit, found.unit, found.says)
    assert accepts == found.accepts
    assert guard is found.guard


def test_every_guard_of_a_cycle_says_something_here():
    """Both ways; protected-in-plan trips in tests of its own."""
    wanted = {(guard.value, trips) for guard, trips, _ in CASES}

    assert wanted == {(name, trips) for name, trips, *_ in SAYS}


def test_an_older_file_says_how_much_older():
    """In seconds; what an approval accepts is its time."""
    known = replace(facts(history=History(as_of=NOW)), directory=written(NOW - timedelta(minutes=90, milliseconds=250)))
    found = verdict(Guard.DIRECTORY_STALE, known)

    assert (True, 5400.2, 0, "seconds", {"as_of": (NOW - timedelta(minutes=90, milliseconds=250)).isoformat()}) == (
        found.tripped,
        found.measured,
        found.limit,
        found.unit,
        found.accepts,
    )
    assert "the file was written at 2026-11-02 07:29 UTC, the one read before at 2026-11-02 09:00 UTC" == found.says
    assert found.do.startswith("Was an old export put back?")


def test_a_ledger_from_the_future_says_so():
    """And what to do is another thing than for a clock of a service."""
    found = verdict(Guard.CLOCK_SKEW, facts(offsets=(5.0, -7.0), history=History(tip_at=NOW + timedelta(hours=2))))

    assert (True, 7200.0, 300.0, "seconds") == (found.tripped, found.measured, found.limit, found.unit)
    assert "the ledger's last entry lies 7200 s in the future" == found.says
    assert "syncd ledger accept" in found.do
    other = verdict(Guard.CLOCK_SKEW, facts(offsets=(5.0, -700.0)))
    assert (700.0, "the clock of the directory differs from this machine's by 700 s") == (other.measured, other.says)
    assert "syncd ledger accept" not in other.do
    assert "no service told its time" == verdict(Guard.CLOCK_SKEW, facts()).says


def test_several_sentinels_are_counted_and_named_by_their_place():
    """An approval says which of them may be away; with all of them away none is offered."""
    policy = limits(sentinels=("a@corp.example", "b@corp.example", "c@corp.example"))
    read = whole.directory("file", NOW, [Person("p", ("b@corp.example",), entitled_by=("g",))])
    found = verdict(Guard.SENTINEL_MISSING, replace(facts(policy=policy), directory=read))

    assert (2, 0, "2 of 3 sentinels are not seen entitled", {"sentinel:0": 0, "sentinel:2": 0}, True) == (
        found.measured,
        found.limit,
        found.says,
        found.accepts,
        found.approvable,
    )
    assert "All of them missing cannot be approved." not in found.do
    none = verdict(Guard.SENTINEL_MISSING, facts(policy=policy))
    assert (3, False, True) == (none.measured, none.approvable, "All of them missing cannot be approved." in none.do)


def test_the_worst_measure_is_the_one_told_and_all_that_are_too_small_are_accepted():
    """Those within the limit are not."""
    found = verdict(Guard.DIRECTORY_SHRUNK, facts(people=80, entitled=70, history=measured(people=100, entitled=100)))

    assert (30.0, "entitled people fell from 100 to 70 (30 %, limit 10 %)", {"people": 80, "entitled": 70}, None) == (
        found.measured,
        found.says,
        found.accepts,
        found.only,
    )
    part = verdict(Guard.DIRECTORY_SHRUNK, facts(people=95, entitled=70, history=measured(people=100, entitled=100)))
    assert {"entitled": 70} == part.accepts


def test_the_second_look_asks_about_everybody_who_owns_the_account():
    """Not only about the person the decision is about."""
    known = facts(
        decisions=(
            Decision(
                account(9000), Action.DEACTIVATE, Reason.LEFT_GROUPS, "px", second_look=SecondLook(("px", "py"), (), (), ())
            ),
        )
    )
    for hold, trips in (("py", True), ("pz", False)):
        read = whole.directory("file", NOW, [Person("px"), Person(hold, protected_by=("Legal Hold",))])
        assert trips == verdict(Guard.PROTECTED_IN_PLAN, replace(known, directory=read)).tripped


def test_a_protected_account_in_a_cycles_plan_is_a_bug():
    """And names nobody."""
    known = facts(
        decisions=(Decision(structs.replace(account(9000), role="Admin"), Action.DEACTIVATE, Reason.LEFT_GROUPS, "px"),)
    )
    found = verdict(Guard.PROTECTED_IN_PLAN, known)

    assert (1, 0, "accounts", "1 changes planned touch protected accounts") == (
        found.measured,
        found.limit,
        found.unit,
        found.says,
    )
    assert found.do.startswith("This should never happen: please report it")
    assert "When the reason is gone: syncd resume" in verdict(Guard.PAUSED, facts(history=History(paused_since=NOW))).do


def test_six_missing_heads_are_counted_and_five_named():
    """All of them stand in the document."""
    found = verdict(Guard.LEDGER_ROLLED_BACK, facts(missing_heads=tuple(f"{number} h{number}" for number in range(6))))

    assert (6, True, False) == (found.measured, "4 h4" in found.says, "5 h5" in found.says)


def test_a_shrunk_group_says_of_what_use_it_was():
    """How many of its members are concerned; the share is of the members it had."""
    leavers = shrunk_group(GroupUse.LEAVERS, facts(gone=3, back=1, history=switched_off(Reason.IN_LEAVERS_GROUP)))
    assert (
        "members of Group fell from 100 to 10; 1 due changes are of people who were in it, as far as is known (90 %, limit 10 %)",
        90.0,
        {"group:leavers:l": 10.0, "size:leavers:Group": 10.0},
    ) == (leavers.says, leavers.measured, leavers.accepts)
    protecting = shrunk_group(GroupUse.PROTECTING, facts(gone=3, history=History(protected_through={"z0": "GROUP"})))
    assert (
        "members of Group fell from 100 to 10; 1 due changes are of people who were in it, as far as is known (90 %, limit 10 %)",
        frozenset({("z0", "deactivate")}),
    ) == (protecting.says, protecting.only)
    history = History(entitled_through={f"z{number}": "GROUP" for number in range(12)})
    entitling_ = shrunk_group(GroupUse.ENTITLING, facts(gone=20, history=history))
    says = "members of Group fell from 100 to 10, and 12 of them are entitled by no group any more (12 %, limit 10 %)"
    assert (says, 12.0) == (entitling_.says, entitling_.measured)
    assert not shrunk_group(GroupUse.HOLDING, facts(gone=20, history=history)).tripped


@pytest.mark.parametrize(("members", "trips"), [(4, False), (3, True)])
def test_a_group_that_lost_as_few_as_the_floor_is_not_looked_at(members: int, trips: bool):
    """Three: the floor."""
    history = History(protected_through={"z0": "Group"}, measures={"group:protecting:l": ((NOW, 7.0),)})
    group = DirectoryGroup("l", "Group", GroupUse.PROTECTING, members)
    found = verdict(Guard.DIRECTORY_SHRUNK, facts(gone=3, groups=(group,), history=history))

    assert trips == found.tripped


def test_of_an_entitling_group_no_more_count_than_it_lost():
    """Whoever left it for another group, or left altogether before."""
    history = History(
        entitled_through={f"z{number}": "Group" for number in range(60)},
        measures={"group:entitling:l": ((NOW, 100.0),), "entitled": ((NOW, 300.0),)},
    )
    group = DirectoryGroup("l", "Group", GroupUse.ENTITLING, 80)
    found = verdict(Guard.DIRECTORY_SHRUNK, facts(gone=60, groups=(group,), entitled=290, history=history))

    assert (True, 20.0) == (found.tripped, found.measured)
    fewer = replace(history, entitled_through={})
    found = verdict(Guard.DIRECTORY_SHRUNK, facts(gone=60, groups=(group,), entitled=288, history=fewer))
    assert (True, 12.0) == (found.tripped, found.measured)  # whom no account shows


@pytest.mark.parametrize(
    ("reason", "status", "kept"),
    [
        (Reason.IN_STEP, Status.ACTIVE, True),
        (Reason.EXEMPT, Status.ACTIVE, True),
        (Reason.ON_HOLD, Status.ACTIVE, True),
        (Reason.DIRECTORY_UNCLEAR, Status.ACTIVE, True),
        (Reason.OUT_OF_SCOPE, Status.ACTIVE, True),
        (Reason.WITHIN_GRACE, Status.ACTIVE, False),
        (Reason.PROTECTED, Status.ACTIVE, False),
        (Reason.IN_STEP, Status.INACTIVE, False),
    ],
)
def test_members_whose_account_stays_do_not_count(reason: Reason, status: Status, kept: bool):
    """Whoever is in step by another group, exempt, held, unclear, or elsewhere."""
    decisions = tuple(
        Decision(structs.replace(account(9000 + number), status=status), Action.KEEP, reason) for number in range(11)
    )
    history = History(entitled_through={f"z{9000 + number}": "Group" for number in range(11)})

    assert kept is not shrunk_group(GroupUse.ENTITLING, facts(decisions=decisions, history=history)).tripped


def test_accepted_values_are_told_in_order_and_as_people_write_numbers():
    """Names sorted; a time, which is text, as it is."""
    values = {"people": 40.0, "as_of": "2026-11-02T09:00:00Z", "entitled": 34, "percent": 0.5}

    assert "as_of 2026-11-02T09:00:00Z, entitled 34, people 40, percent 0.5" == values_of(values)
    assert "" == values_of({})
