"""From when on the time of a leaver counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syncd.model import ANEW, UNSHOWN, Reason, Shown, Status, left, promise_met, shown_after, shown_in_step


def at(hour: int) -> datetime:
    return datetime(2026, 11, 2, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "reason", "expected"),
    [
        (UNSHOWN, "left_groups", (9, "first_seen")),
        (Shown(at(8)), "left_groups", (8, "last_seen_entitled")),
        (Shown(at(6), at(8)), "disabled_in_directory", (8, "directory_change")),
        (Shown(at(6), at(8)), "left_groups", (6, "last_seen_entitled")),
        (Shown(at(6), at(8)), "within_grace", (6, "last_seen_entitled")),
        (Shown(at(6), at(9)), "disabled_in_directory", (9, "directory_change")),
        (Shown(at(6), at(6)), "disabled_in_directory", (6, "last_seen_entitled")),
        (Shown(at(6), at(5)), "disabled_in_directory", (6, "last_seen_entitled")),
        (Shown(at(6), at(10)), "disabled_in_directory", (6, "last_seen_entitled")),
        (Shown(None, at(5)), "disabled_in_directory", (5, "directory_change")),
        (ANEW, "disabled_in_directory", (9, "first_seen")),
        (Shown(again_at=at(11)), "disabled_in_directory", (11, "first_seen")),
    ],
)
def test_time_counts_from_the_latest_moment_at_which_they_were_surely_entitled(
    shown: Shown, reason: str, expected: tuple[int, str]
):
    """First seen gone at nine. Only a disabled account's own change says more, between that and the read before."""
    assert (at(expected[0]), expected[1]) == left(at(9), shown, reason)


def test_nobody_saw_it_and_nothing_counts():
    """A person asked for it, say."""
    assert (None, None) == left(None, UNSHOWN, "")


@pytest.mark.parametrize("reason", ["left_groups", "disabled_in_directory", "within_grace", "directory_unclear", "protected"])
def test_what_was_shown_stays_while_they_are_leaving(reason: str):
    """A read that cannot tell changes nothing."""
    assert Shown(at(6)) == shown_after(Shown(at(6)), reason, Status.ACTIVE)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("exempt", "active"), ("on_hold", "active"), ("in_step", "active"), ("out_of_scope", "active"), ("in_step", "inactive")],
)
def test_whoever_keeps_access_rightly_begins_anew(reason: str, status: str):
    """And an account that is off has none to lose."""
    assert shown_after(Shown(at(6)), reason, status) is None


def test_the_first_change_that_was_told_counts():
    """An entry that is moved later, say, was not disabled then. One after the read that showed it is another change."""

    def after(before: Shown, changed: datetime, reason: Reason = Reason.DISABLED_IN_DIRECTORY) -> Shown | None:
        return shown_after(before, reason, "active", at(9), changed)

    assert Shown(at(6), at(8)) == after(Shown(at(6)), at(8))
    assert Shown(at(6), at(8)) == after(Shown(at(6), at(8)), at(9))
    assert Shown(at(6)) == after(Shown(at(6)), at(10))
    assert Shown(at(6)) == after(Shown(at(6)), at(8), Reason.LEFT_GROUPS)
    assert after(ANEW, at(8)) == ANEW


def test_in_step_until_the_newest_read_that_showed_it():
    """An account that was off since is theirs from when it was active again."""
    assert Shown(at(8)) == shown_in_step(None, at(8)) == shown_in_step(Shown(again_at=at(7)), at(8)) == shown_in_step(ANEW, at(8))
    assert Shown(again_at=at(9)) == shown_in_step(Shown(again_at=at(9)), at(8)) == shown_in_step(Shown(again_at=at(9)), None)


@pytest.mark.parametrize(
    ("ended", "now", "promised", "met"),
    [(9, 20, True, True), (10, 20, True, False), (None, 9, True, None), (None, 10, True, False), (9, 20, False, None)],
)
def test_a_promise_of_an_hour(ended: int | None, now: int, promised: bool, met: bool | None):
    """To the moment itself."""
    end = at(ended) if ended is not None else None
    assert promise_met(at(8), end, at(now), timedelta(hours=1), promised=promised) is met
    assert promise_met(None, end, at(now), timedelta(hours=1), promised=promised) is None
