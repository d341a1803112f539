"""What looks may conclude from signals: settling, doubt between servers, storms, and the age of a base."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from syncd.model import DirectoryGroup, DirectorySnapshot, GroupUse, Hint, Person, Policy, Reason
from syncd.planning.watching import BASE_AGE_MIN, SIGNALS_MAX, Noticed, Watching, base_serves, concerned, differing
from tests import whole

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ANN, BOB = Hint(people=frozenset({"ann"})), Hint(people=frozenset({"bob"}))


def watching(settle: int = 30, lag: int = 15) -> Watching:
    return Watching(timedelta(seconds=settle), timedelta(minutes=lag))


def test_a_signal_is_due_at_once_and_taken_once() -> None:
    """Signals of one place are looked at together, since the first of them."""
    state = watching()
    assert state.due(NOON) is None
    state.notice(0, ANN, NOON)
    state.notice(0, Hint(groups=frozenset({"g"})), NOON + SECOND)
    state.notice(1, Hint(anybody=True), NOON + SECOND)

    assert NOON + SECOND == state.due(NOON + SECOND)
    assert {
        0: Noticed(Hint(frozenset({"ann"}), frozenset({"g"})), NOON, NOON + SECOND),
        1: Noticed(Hint(anybody=True), NOON + SECOND),
    } == state.take(NOON + SECOND)
    assert (None, {}) == (state.due(NOON), state.take(NOON))


def test_what_could_not_be_looked_at_is_not_lost() -> None:
    """Nor does it become younger."""
    state = watching()
    state.notice(0, ANN, NOON)
    taken = state.take(NOON)
    state.notice(0, Hint(anybody=True), NOON + MINUTE)
    state.put_back(taken)

    assert {0: Noticed(Hint(frozenset({"ann"}), anybody=True), NOON, NOON + MINUTE)} == state.take(NOON + MINUTE)


@pytest.mark.parametrize(
    "stands", [Reason.DISABLED_IN_DIRECTORY, Reason.EXPIRED_IN_DIRECTORY, Reason.ABSENT_FROM_DIRECTORY, Reason.LEFT_GROUPS]
)
def test_a_leaving_counts_when_it_has_lasted(stands: Reason) -> None:
    """And is looked at again then, where it was seen."""
    state = watching(settle=30)
    state.show(2, "ann", stands, NOON)

    assert not state.may_act("ann", NOON + 29 * SECOND)
    assert NOON + 30 * SECOND == state.due(NOON)
    assert {} == state.take(NOON + 29 * SECOND)
    assert {2: Noticed(ANN, NOON)} == state.take(NOON + 30 * SECOND)
    state.show(2, "ann", stands, NOON + 30 * SECOND)
    assert state.may_act("ann", NOON + 30 * SECOND)
    state.acted(["ann"])
    assert state.due(NOON + MINUTE) is None


def test_a_leavers_group_counts_at_once() -> None:
    """Also for somebody whose disabling is still waited for."""
    state = watching(settle=30)
    state.show(0, "ann", Reason.DISABLED_IN_DIRECTORY, NOON)
    assert not state.may_act("ann", NOON)
    state.show(0, "ann", Reason.IN_LEAVERS_GROUP, NOON)
    assert state.may_act("ann", NOON)
    assert state.may_act("bob", NOON)  # nobody ever saw them leave


def test_a_disabling_taken_back_starts_from_nothing_and_is_doubtful() -> None:
    """A second one within the lag waits until it is over: who knows which of them is the last word."""
    state = watching(settle=30, lag=15)
    state.show(0, "ann", Reason.DISABLED_IN_DIRECTORY, NOON)
    state.show(0, "ann", Reason.IN_STEP, NOON + 10 * SECOND)
    assert state.due(NOON + MINUTE) is None
    state.show(0, "ann", Reason.DISABLED_IN_DIRECTORY, NOON + 20 * SECOND)

    over = NOON + 10 * SECOND + 15 * MINUTE
    assert not state.may_act("ann", over - SECOND)
    assert over == state.due(NOON + MINUTE)
    assert state.may_act("ann", over)


@pytest.mark.parametrize(("shown_at", "acts"), [(NOON - 14 * MINUTE, False), (NOON - 16 * MINUTE, True)])
def test_the_opposite_shown_by_another_server_makes_it_doubtful(shown_at: datetime, acts: bool) -> None:
    """Within the lag; shown by the same server it is simply older."""
    state = watching(settle=0, lag=15)
    state.show(1, "ann", Reason.IN_STEP, shown_at)
    state.show(0, "ann", Reason.IN_LEAVERS_GROUP, NOON)
    assert acts is state.may_act("ann", NOON)

    same = watching(settle=0, lag=15)
    same.show(0, "ann", Reason.IN_STEP, shown_at)
    same.show(0, "ann", Reason.IN_LEAVERS_GROUP, NOON)
    assert same.may_act("ann", NOON)


def test_somebody_unclear_is_neither_leaving_nor_entitled() -> None:
    """A broken object stops the waiting and makes nothing doubtful."""
    state = watching(settle=30)
    state.show(0, "ann", Reason.DISABLED_IN_DIRECTORY, NOON)
    state.show(0, "ann", Reason.DIRECTORY_UNCLEAR, NOON + SECOND)
    assert state.due(NOON + MINUTE) is None
    state.show(0, "ann", Reason.DISABLED_IN_DIRECTORY, NOON + MINUTE)
    assert state.may_act("ann", NOON + MINUTE + 30 * SECOND)


def test_signals_without_end_are_dropped() -> None:
    """Exactly so many within a minute are followed, one more is not; later they are again."""
    state = watching()
    many = frozenset(f"p{number}" for number in range(SIGNALS_MAX))
    assert state.notice(0, Hint(many), NOON)
    assert not state.notice(0, ANN, NOON + SECOND)
    assert {} == state.take(NOON + SECOND)
    assert state.notice(0, ANN, NOON + 2 * MINUTE)


def test_a_whole_cycle_knows_what_was_noticed_before_it_read() -> None:
    """What came later stays, and nobody is waited for any more; doubt stays until its time is over."""
    state = watching(settle=30)
    state.notice(0, ANN, NOON)
    state.notice(1, ANN, NOON + 2 * SECOND)
    state.show(0, "bob", Reason.DISABLED_IN_DIRECTORY, NOON)
    state.show(0, "eve", Reason.DISABLED_IN_DIRECTORY, NOON)
    state.show(0, "eve", Reason.IN_STEP, NOON)
    state.start_over(NOON + MINUTE, NOON + SECOND, NOON)

    assert {1: Noticed(ANN, NOON + 2 * SECOND)} == state.take(NOON + MINUTE)
    assert state.due(NOON + MINUTE) is None
    state.show(0, "eve", Reason.IN_LEAVERS_GROUP, NOON + MINUTE)
    assert not state.may_act("eve", NOON + MINUTE)


def test_a_signal_after_the_read_is_not_lost_with_one_before_it() -> None:
    """Both of the same place: the cycle that ended knows the first one only, and the second one is waiting since its read."""
    state = watching()
    state.notice(0, ANN, NOON)
    state.notice(0, BOB, NOON + 2 * SECOND)
    state.start_over(NOON + MINUTE, NOON + SECOND, NOON)

    (left,) = state.take(NOON + MINUTE).values()
    assert BOB.people <= left.hint.people
    assert NOON + SECOND == left.since


def test_a_clock_that_was_ahead_leaves_nothing_to_wait_for() -> None:
    """Thirty hours ahead for a while: signals, doubt and moments of then count no longer than from the next whole cycle on."""
    ahead, state = NOON + timedelta(hours=30), watching(settle=30)
    many = frozenset(f"p{number}" for number in range(SIGNALS_MAX))
    state.notice(0, Hint(many), ahead)
    state.show(0, "eve", Reason.DISABLED_IN_DIRECTORY, ahead)
    state.show(0, "eve", Reason.IN_STEP, ahead)
    state.start_over(NOON, NOON - SECOND, NOON - SECOND)

    assert state.notice(1, ANN, NOON + SECOND)
    assert {NOON, NOON + SECOND} == {one.since for one in state.take(NOON + SECOND).values()}
    state.show(0, "eve", Reason.IN_LEAVERS_GROUP, NOON + SECOND)
    assert not state.may_act("eve", NOON + SECOND)
    assert state.may_act("eve", NOON + 15 * MINUTE + SECOND)


def test_an_account_signalled_since_the_cycle_began_is_looked_at_after_it() -> None:
    """Zoom's lists may have shown it from before the change."""
    state = watching()
    for name, at in (("z-old", NOON - SECOND), ("z-both", NOON - SECOND), ("z-new", NOON), ("z-both", NOON)):
        assert state.notice_account(name, at)
    assert NOON == state.due(NOON)
    state.start_over(NOON + MINUTE, NOON + SECOND, NOON)

    assert {"z-new": NOON, "z-both": NOON - SECOND} == state.take_accounts()
    assert state.due(NOON + MINUTE) is None
    state.put_accounts_back({"z-new": NOON})
    assert {"z-new": NOON} == state.take_accounts()


def test_accounts_without_end_are_dropped_for_a_whole_cycle() -> None:
    """They count with the signals of the places."""
    state = watching()
    assert all(state.notice_account(f"z-{number}", NOON) for number in range(SIGNALS_MAX))
    assert not state.notice_account("z-ann", NOON)
    assert {} == state.take_accounts()


def test_who_has_to_do_with_an_account() -> None:
    """By any address it had or has, in any form of its domain, and whom it is remembered for."""
    policy = replace(POLICY, domain_aliases=(("old.example", "corp.example"),))
    people = [
        Person("ann", ("ann@corp.example",)),
        Person("alias", ("alias@corp.example",), aliases=("ann@old.example",)),
        Person("pair", ("pair@corp.example",)),
        Person("other", ("other@corp.example",)),
    ]
    found = concerned(
        whole.directory("file", NOON, people, []),
        {"z": ("Ann@corp.example", "gone@corp.example"), "y": ()},
        {"z": "pair", "x": "other"},
        policy,
    )
    assert {"z": frozenset({"ann", "alias", "pair"}), "y": frozenset()} == found


@given(st.timedeltas(timedelta(0), timedelta(days=2)), st.timedeltas(timedelta(0), timedelta(days=2)))
def test_a_base_serves_for_the_larger_of_the_interval_and_half_an_hour(interval: timedelta, age: timedelta) -> None:
    """Both bounds included."""
    assert base_serves(NOON - age, interval, NOON) is (age <= interval or age <= BASE_AGE_MIN)
    assert not base_serves(NOON + timedelta(microseconds=1) + age, interval, NOON)


POLICY = Policy("zoom-account", ("corp.example",))


def showing(person: Person | None) -> DirectorySnapshot:
    """A directory with this one, or with nobody."""
    return whole.directory("file", NOON, [person] if person is not None else [])


SEEN = Person("ann", ("ann@corp.example",), entitled_by=("Zoom",), department="Sales")


@pytest.mark.parametrize(
    ("after", "stands"),
    [
        (structs.replace(SEEN, department="Finance", display_name="Ann", changed_at=NOON, entitled_by=("Zoom", "Team")), None),
        (structs.replace(SEEN, enabled=False), Reason.DISABLED_IN_DIRECTORY),
        (structs.replace(SEEN, expires_at=NOON), Reason.EXPIRED_IN_DIRECTORY),
        (structs.replace(SEEN, leaver_by=("Left",)), Reason.IN_LEAVERS_GROUP),
        (structs.replace(SEEN, entitled_by=()), Reason.LEFT_GROUPS),
        (structs.replace(SEEN, unclear="broken"), Reason.DIRECTORY_UNCLEAR),
        (structs.replace(SEEN, mains=("ann.doe@corp.example",)), Reason.IN_STEP),
        (structs.replace(SEEN, protected_by=("VIP",)), Reason.IN_STEP),
        (None, Reason.ABSENT_FROM_DIRECTORY),
    ],
)
def test_only_what_decides_about_an_account_is_a_difference(after: Person | None, stands: Reason | None) -> None:
    """Names and departments are not; a password or a logon does not even come so far."""
    expected = {} if stands is None else {"ann": stands}
    assert expected == differing(showing(SEEN), showing(after), ["ann", "nobody"], POLICY, NOON)


def test_time_alone_makes_no_difference() -> None:
    """Somebody whose last day is over goes with a whole cycle."""
    soon = structs.replace(SEEN, expires_at=NOON)
    assert {} == differing(showing(soon), showing(structs.replace(soon, enabled=True)), ["ann"], POLICY, NOON + SECOND)


@pytest.mark.parametrize(
    ("use", "path"),
    [
        (GroupUse.ENTITLING, "entitled_by"),
        (GroupUse.LEAVERS, "leaver_by"),
        (GroupUse.PROTECTING, "protected_by"),
        (GroupUse.HOLDING, "held_by"),
    ],
)
def test_a_group_of_any_use_follows_the_people_of_a_look(use: GroupUse, path: str):
    """Whoever is in it now, and was not in the whole read; a legal hold, too."""
    before = whole.directory("file", NOON, [Person("p", ("p@corp.example",))], [DirectoryGroup("g", "G", use, 0)])
    now = structs.replace(before.people[0], **{path: ("G",)})  # type: ignore[arg-type]
    after = before.with_people({"p"}, whole.complete([now]))

    assert [1] == [group.members for group in after.groups]
