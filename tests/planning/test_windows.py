"""Windows: when a change may be made, when it may again, and since when it could have been; over clock changes and leap days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.model import Action, Reason
from syncd.planning.windows import KNOWN_LEAVERS, Window, Windows, opening_words

OFF, BACK = Action.DEACTIVATE, Action.REACTIVATE
GONE, LEAVER = Reason.ABSENT_FROM_DIRECTORY, Reason.DISABLED_IN_DIRECTORY
BERLIN = ZoneInfo("Europe/Berlin")


def deny(cron: str, hours: float, zone: str = "Europe/Berlin", *, only: frozenset[Action] = frozenset({OFF}),
         exempt: frozenset[Reason] = KNOWN_LEAVERS) -> Window:
    return Window(True, cron, timedelta(hours=hours), zone, only, exempt)


def allow(cron: str, hours: float, zone: str = "UTC", *, only: frozenset[Action] = frozenset({OFF, BACK})) -> Window:
    return Window(False, cron, timedelta(hours=hours), zone, only)


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc, arg-type]


WEEKEND = Windows((deny("0 18 * * 5", 62),))     # Friday 18:00 to Monday 08:00


@pytest.mark.parametrize(("at", "denied"), [
    (berlin(2026, 11, 27, 17, 59), False), (berlin(2026, 11, 27, 18, 0), True), (berlin(2026, 11, 29, 3, 0), True),
    (berlin(2026, 11, 30, 7, 59), True), (berlin(2026, 11, 30, 8, 0), False),
])
def test_a_weekend_is_denied_from_its_first_minute_to_its_last(at: datetime, denied: bool):
    """Half open: the minute at which it ends is open."""
    assert denied == WEEKEND.denied(OFF, GONE, at)


def test_a_denial_leaves_other_actions_and_excepted_reasons_alone():
    """Known leavers go, and people come back, on any weekend."""
    at = berlin(2026, 11, 28, 12, 0)

    assert [True, False, False] == [
        WEEKEND.denied(OFF, GONE, at), WEEKEND.denied(OFF, LEAVER, at), WEEKEND.denied(BACK, Reason.ENTITLED_AGAIN, at)]


def test_the_next_opening_is_told_in_the_operators_time():
    """Monday morning, by their clock."""
    opening = WEEKEND.next_opening(OFF, GONE, berlin(2026, 11, 28, 12, 0))
    assert opening is not None

    assert berlin(2026, 11, 30, 8, 0) == opening
    assert "Mon 2026-11-30 08:00 CET" == opening_words(WEEKEND.for_people(opening))


def test_a_duration_is_elapsed_time_over_a_change_of_the_clocks():
    """The night of 25 October 2026 has an hour more, that of 29 March an hour less."""
    autumn = WEEKEND.next_opening(OFF, GONE, berlin(2026, 10, 24, 12, 0))
    spring = WEEKEND.next_opening(OFF, GONE, berlin(2026, 3, 28, 12, 0))

    assert (berlin(2026, 10, 26, 7, 0), berlin(2026, 3, 30, 9, 0)) == (autumn, spring)


def test_with_an_allow_window_everything_outside_of_it_is_denied():
    """Office hours; deny still wins inside."""
    hours = Windows((allow("0 8 * * 1-5", 9), deny("0 12 * * *", 1, "UTC", exempt=frozenset())))
    monday = datetime(2026, 11, 30, tzinfo=UTC)

    assert [True, False, True, False, True] == [
        hours.denied(OFF, GONE, monday + timedelta(hours=hour)) for hour in (7, 9, 12, 13, 17)]
    assert monday + timedelta(days=1, hours=8) == hours.next_opening(OFF, GONE, monday + timedelta(hours=18))
    assert monday + timedelta(hours=13) == hours.next_opening(OFF, GONE, monday + timedelta(hours=12, minutes=5))
    assert not hours.denied(BACK, Reason.ENTITLED_AGAIN, monday + timedelta(hours=12))


def test_windows_that_touch_are_one_denial():
    """A holiday between two weekends opens when the last of them ends."""
    holidays = Windows((deny("0 18 * * 5", 62), deny("0 8 30 11 *", 24), deny("0 8 1 12 *", 10)))

    assert berlin(2026, 12, 1, 18, 0) == holidays.next_opening(OFF, GONE, berlin(2026, 11, 28, 12, 0))


def test_a_window_on_a_leap_day_comes_every_four_years():
    """And is found from years away."""
    leap = Windows((deny("0 0 29 2 *", 24, "UTC", exempt=frozenset()),))

    assert leap.denied(OFF, GONE, datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert not leap.denied(OFF, GONE, datetime(2027, 3, 1, tzinfo=UTC))
    assert not leap.denied(OFF, GONE, datetime(2028, 3, 1, tzinfo=UTC))


def test_what_never_opens_says_so():
    """The configuration refuses it; nobody waits for ever all the same."""
    never = Windows((deny("* * * * *", 1, "UTC", exempt=frozenset()),))

    assert never.next_opening(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_overdue_counts_from_the_last_opening():
    """Due on Saturday, open since Monday; due on Thursday, the weekend in between counts anew."""
    tuesday = berlin(2026, 12, 1, 12, 0)

    assert berlin(2026, 11, 30, 8, 0) == WEEKEND.open_since(OFF, GONE, tuesday, berlin(2026, 11, 28, 12, 0))
    assert berlin(2026, 11, 30, 8, 0) == WEEKEND.open_since(OFF, GONE, tuesday, berlin(2026, 11, 26, 12, 0))
    assert berlin(2026, 11, 30, 9, 0) == WEEKEND.open_since(OFF, GONE, tuesday, berlin(2026, 11, 30, 9, 0))
    assert berlin(2026, 11, 26, 12, 0) == WEEKEND.open_since(OFF, LEAVER, tuesday, berlin(2026, 11, 26, 12, 0))


def test_the_longest_denial_is_known_beforehand():
    """For the promise: the long weekend, not the usual one."""
    windows = Windows((deny("0 18 * * 5", 62), deny("0 18 24 12 *", 24 * 9)))

    assert timedelta(hours=62) == WEEKEND.longest_denial(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC))
    assert windows.longest_denial(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC)) >= timedelta(days=9)
    assert timedelta(0) == WEEKEND.longest_denial(OFF, LEAVER, datetime(2026, 1, 1, tzinfo=UTC))


CRONS = st.sampled_from(["0 18 * * 5", "30 2 * * *", "0 0 1 * *", "*/20 6-20 * * 1-5", "0 0 29 2 *", "15 3 24 12 *",
                         "0 1 * 3,10 0"])
WINDOWS = st.builds(
    lambda parts: Windows(tuple(Window(denies, cron, timedelta(minutes=minutes), zone, frozenset({OFF}))
                                for denies, cron, minutes, zone in parts)),
    st.lists(st.tuples(st.booleans(), CRONS, st.integers(5, 9000),
                       st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])), max_size=3))
MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@settings(max_examples=150, deadline=None)
@given(WINDOWS, MOMENTS)
def test_the_next_opening_is_open_and_the_minute_before_it_is_not(windows: Windows, at: datetime):
    """And while it is open, the next opening is now."""
    opening = windows.next_opening(OFF, GONE, at)
    if opening is None:
        assert windows.denied(OFF, GONE, at)
        return
    assert not windows.denied(OFF, GONE, opening)
    assert (opening == at) == (not windows.denied(OFF, GONE, at))
    if opening > at:
        assert windows.denied(OFF, GONE, max(at, opening - timedelta(seconds=1)))


@settings(max_examples=100, deadline=None)
@given(WINDOWS, MOMENTS, st.integers(1, 20_000))
def test_it_was_open_all_the_time_since_it_is_said_to_be(windows: Windows, at: datetime, minutes: int):
    """Looked at in ten places; and not a second earlier, unless it was asked for no earlier moment."""
    asked = at - timedelta(minutes=minutes)
    since = windows.open_since(OFF, GONE, at, asked)

    assert asked <= since <= at
    if windows.denied(OFF, GONE, at):
        assert since == at
        return
    assert not any(windows.denied(OFF, GONE, since + (at - since) * part / 10) for part in range(11))
    if since > asked:
        assert windows.denied(OFF, GONE, since - timedelta(seconds=1))
