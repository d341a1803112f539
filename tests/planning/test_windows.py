"""Windows: when a change may be made, when it may again, and since when it could have been; over clock changes and leap days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.model import Action, Reason
from syncd.planning.windows import KNOWN_LEAVERS, Window, Windows

OFF, BACK = Action.DEACTIVATE, Action.REACTIVATE
GONE, LEAVER = Reason.ABSENT_FROM_DIRECTORY, Reason.DISABLED_IN_DIRECTORY
BERLIN = ZoneInfo("Europe/Berlin")


def deny(
    cron: str,
    hours: float,
    zone: str = "Europe/Berlin",
    *,
    only: frozenset[Action] = frozenset({OFF}),
    exempt: frozenset[Reason] = KNOWN_LEAVERS,
) -> Window:
    return Window(True, cron, timedelta(hours=hours), zone, only, exempt)


def allow(cron: str, hours: float, zone: str = "UTC", *, only: frozenset[Action] = frozenset({OFF, BACK})) -> Window:
    return Window(False, cron, timedelta(hours=hours), zone, only)


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc, arg-type]


QUARTER = timedelta(minutes=15)
WEEKEND = Windows((deny("0 18 * * 5", 62),))  # Friday 18:00 to Monday 08:00


@pytest.mark.parametrize(
    ("at", "denied"),
    [
        (berlin(2026, 11, 27, 17, 59), False),
        (berlin(2026, 11, 27, 18, 0), True),
        (berlin(2026, 11, 29, 3, 0), True),
        (berlin(2026, 11, 30, 7, 59), True),
        (berlin(2026, 11, 30, 8, 0), False),
    ],
)
def test_a_weekend_is_denied_from_its_first_minute_to_its_last(at: datetime, denied: bool):
    """Half open: the minute at which it ends is open."""
    assert denied == WEEKEND.denied(OFF, GONE, at)


def test_a_denial_leaves_other_actions_and_excepted_reasons_alone():
    """Known leavers go, and people come back, on any weekend."""
    at = berlin(2026, 11, 28, 12, 0)

    assert [True, False, False] == [
        WEEKEND.denied(OFF, GONE, at),
        WEEKEND.denied(OFF, LEAVER, at),
        WEEKEND.denied(BACK, Reason.ENTITLED_AGAIN, at),
    ]


def test_the_next_opening_is_told_in_the_operators_time():
    """Monday morning, by their clock."""
    opening = WEEKEND.next_opening(OFF, GONE, berlin(2026, 11, 28, 12, 0))
    assert opening is not None

    assert berlin(2026, 11, 30, 8, 0) == opening
    assert "Mon 2026-11-30 08:00 CET" == f"{WEEKEND.for_people(opening):%a %Y-%m-%d %H:%M %Z}"


def test_the_calendar_is_told_for_every_action_and_reason_it_is_about():
    """What holds now, and until when, also while nothing waits for it."""
    office = Windows((*WEEKEND.windows, allow("0 8 * * *", 10, "Europe/Berlin", only=frozenset({BACK}))))

    assert [
        "deactivate for left_groups, absent_from_directory: denied until Mon 2026-11-30 08:00 CET",
        "reactivate: allowed until Sat 2026-11-28 18:00 CET",
    ] == [str(one) for one in office.state(berlin(2026, 11, 28, 12, 0))]
    assert [
        "deactivate for left_groups, absent_from_directory: allowed until Fri 2026-12-04 18:00 CET",
        "reactivate: denied until Tue 2026-12-01 08:00 CET",
    ] == [str(one) for one in office.state(berlin(2026, 11, 30, 20, 0))]
    assert () == Windows().state(berlin(2026, 11, 30, 20, 0))


def test_a_duration_is_elapsed_time_over_a_change_of_the_clocks():
    """The night of 25 October 2026 has an hour more, that of 29 March an hour less."""
    autumn = WEEKEND.next_opening(OFF, GONE, berlin(2026, 10, 24, 12, 0))
    spring = WEEKEND.next_opening(OFF, GONE, berlin(2026, 3, 28, 12, 0))

    assert (berlin(2026, 10, 26, 7, 0), berlin(2026, 3, 30, 9, 0)) == (autumn, spring)


@pytest.mark.parametrize("cron", ["0 2 * * *", "30 2 * * *"])
def test_a_beginning_in_the_hour_that_is_left_out_or_comes_twice(cron: str):
    """Left out: it begins when the clocks have moved. Twice: the first time only, and lasts its hour."""
    night = Windows((deny(cron, 1),))
    first = berlin(2026, 10, 25, 2, int(cron[:2]))

    assert ([(berlin(2026, 3, 29, 3), berlin(2026, 3, 29, 4))], [(first, first + timedelta(hours=1))]) == (
        night.denials(OFF, GONE, berlin(2026, 3, 28, 23), berlin(2026, 3, 29, 9))[0],
        night.denials(OFF, GONE, berlin(2026, 10, 24, 23), berlin(2026, 10, 25, 9))[0],
    )


def test_with_an_allow_window_everything_outside_of_it_is_denied():
    """Office hours; deny still wins inside."""
    hours = Windows((allow("0 8 * * 1-5", 9), deny("0 12 * * *", 1, "UTC", exempt=frozenset())))
    monday = datetime(2026, 11, 30, tzinfo=UTC)

    assert [True, False, True, False, True] == [
        hours.denied(OFF, GONE, monday + timedelta(hours=hour)) for hour in (7, 9, 12, 13, 17)
    ]
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


def test_an_allowance_on_leap_days_opens_on_the_next_one():
    """Four years may lie between."""
    leap = Windows((allow("0 0 29 2 *", 24),))

    assert datetime(2028, 2, 29, tzinfo=UTC) == leap.next_opening(OFF, GONE, datetime(2024, 3, 1, tzinfo=UTC))
    assert timedelta(days=4 * 365) == leap.longest_denial(OFF, GONE, datetime(2027, 6, 1, tzinfo=UTC))


def test_what_begins_every_minute_of_a_month_is_one_denial():
    """Told as such, and looked through at once."""
    december = Windows((deny("* * * 12 *", 1 / 60, "UTC"),))

    assert datetime(2027, 1, 1, tzinfo=UTC) == december.next_opening(OFF, GONE, datetime(2026, 12, 1, tzinfo=UTC))
    assert timedelta(days=31) == december.longest_denial(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC))


def test_what_never_opens_says_so():
    """The configuration refuses it; nobody waits for ever all the same."""
    never = Windows((deny("* * * * *", 1, "UTC", exempt=frozenset()),))

    assert never.next_opening(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("due", "now", "since"),
    [
        (berlin(2026, 11, 28, 12), berlin(2026, 11, 29, 12), None),  # denied ever since
        (berlin(2026, 11, 28, 12), berlin(2026, 12, 1, 12), berlin(2026, 11, 30, 8)),  # due on Saturday, open since Monday
        (berlin(2026, 11, 26, 12), berlin(2026, 12, 1, 12), berlin(2026, 11, 26, 12)),  # could have been done on Thursday
        (berlin(2026, 11, 26, 12), berlin(2026, 11, 29, 12), berlin(2026, 11, 26, 12)),  # and still could have at the weekend
        (berlin(2026, 11, 30, 9), berlin(2026, 12, 1, 12), berlin(2026, 11, 30, 9)),
        (berlin(2026, 11, 27, 17, 55), berlin(2026, 11, 27, 17, 59), berlin(2026, 11, 27, 17, 55)),
        (berlin(2026, 11, 27, 17, 55), berlin(2026, 11, 28, 12), None),  # no cycle came before it was denied
        (berlin(2026, 11, 27, 17, 55), berlin(2026, 11, 30, 9), berlin(2026, 11, 30, 8)),
    ],
)
def test_overdue_counts_from_the_first_opening(due: datetime, now: datetime, since: datetime | None):
    """However often it was denied after it."""
    assert since == WEEKEND.overdue_since(OFF, GONE, due, now, QUARTER)


def test_an_hour_a_day_is_an_opening_too():
    """What fails in it day after day is overdue since the first of them, in the hours between as well."""
    hour = Windows((allow("0 3 * * *", 1),))
    monday = datetime(2026, 11, 30, tzinfo=UTC)

    assert [None, *[monday + timedelta(hours=3)] * 4] == [
        hour.overdue_since(OFF, GONE, monday, monday + timedelta(hours=after), QUARTER) for after in (2, 3, 6, 27, 80)
    ]
    assert datetime(2026, 11, 30, 12, tzinfo=UTC) == Windows().overdue_since(
        OFF, GONE, monday.replace(hour=12), monday.replace(hour=13), QUARTER
    )


def test_the_longest_denial_is_known_beforehand():
    """For the promise: the long weekend, not the usual one."""
    windows = Windows((deny("0 18 * * 5", 62), deny("0 18 24 12 *", 24 * 9)))

    assert timedelta(hours=62) == WEEKEND.longest_denial(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC))
    assert windows.longest_denial(OFF, GONE, datetime(2026, 1, 1, tzinfo=UTC)) >= timedelta(days=9)
    assert timedelta(0) == WEEKEND.longest_denial(OFF, LEAVER, datetime(2026, 1, 1, tzinfo=UTC))


CRONS = st.sampled_from(
    ["0 18 * * 5", "30 2 * * *", "0 0 1 * *", "*/20 6-20 * * 1-5", "0 0 29 2 *", "15 3 24 12 *", "0 1 * 3,10 0"]
)
WINDOWS = st.builds(
    lambda parts: Windows(
        tuple(Window(denies, cron, timedelta(minutes=minutes), zone, frozenset({OFF})) for denies, cron, minutes, zone in parts)
    ),
    st.lists(
        st.tuples(
            st.booleans(),
            CRONS,
            st.integers(5, 9000),
            st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        ),
        max_size=3,
    ),
)
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


@settings(max_examples=150, deadline=None)
@given(WINDOWS, MOMENTS, st.integers(1, 20_000))
def test_overdue_begins_at_an_opening_that_somebody_could_have_used(windows: Windows, due: datetime, minutes: int):
    """Never earlier than due; before it there was at most a moment in which no cycle came."""
    now = due + timedelta(minutes=minutes)
    since = windows.overdue_since(OFF, GONE, due, now, QUARTER)

    opened = due if since is None else since
    for part in range(20):
        moment = due + (min(opened, now) - due) * part / 20
        if due + QUARTER <= moment < opened:
            assert windows.denied(OFF, GONE, moment)
    if since is None:
        assert windows.denied(OFF, GONE, now) or now - due < QUARTER or windows.next_opening(OFF, GONE, due + QUARTER) is None
        return
    assert due <= since <= now
    assert not windows.denied(OFF, GONE, since)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata"])


def begins_on(year: int, month: int, day: int, hour: int, zone: str) -> datetime:
    """When a window of that day begins, by the clock on the wall alone. An hour that every zone has once on that day."""
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@settings(max_examples=100, deadline=None)
@given(st.integers(2026, 2040), st.integers(4, 23), st.integers(1, 45 * 24), ZONES, st.floats(0, 0.999))
def test_a_holiday_lasts_its_hours_over_new_year_and_changes_of_the_clocks(
    year: int, hour: int, hours: int, zone: str, part: float
):
    """From any moment within it the opening is its beginning and so many elapsed hours; known leavers go all the time."""
    for month, day in ((12, 20), (3, 20), (10, 20)):
        holiday = Windows((deny(f"0 {hour} {day} {month} *", hours, zone),))
        begun = begins_on(year, month, day, hour, zone)
        opening = begun + timedelta(hours=hours)
        moment = begun + (opening - begun) * part

        assert opening == holiday.next_opening(OFF, GONE, moment)
        assert moment == holiday.next_opening(OFF, LEAVER, moment)
        assert not holiday.denied(OFF, GONE, begun - timedelta(seconds=1))
        assert not holiday.denied(OFF, GONE, opening)
        assert opening == holiday.overdue_since(OFF, GONE, moment, opening + timedelta(days=1), QUARTER)
        assert timedelta(hours=hours) == holiday.longest_denial(OFF, GONE, begun - timedelta(days=400))


@settings(max_examples=100, deadline=None)
@given(st.integers(2025, 2100), st.integers(4, 23), st.integers(1, 72), ZONES)
def test_a_leap_day_is_a_window_in_leap_years_only(year: int, hour: int, hours: int, zone: str):
    """2100 is none."""
    leap = Windows((deny(f"0 {hour} 29 2 *", hours, zone),))
    if year % 4 == 0 and year % 100 != 0:
        begun = begins_on(year, 2, 29, hour, zone)
        assert begun + timedelta(hours=hours) == leap.next_opening(OFF, GONE, begun)
        assert not leap.denied(OFF, GONE, begun - timedelta(seconds=1))
        return
    for after in (begins_on(year, 2, 28, hour, zone), begins_on(year, 3, 1, hour, zone)):
        assert not leap.denied(OFF, GONE, after)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 900), st.integers(4, 23), st.integers(1, 12), ZONES)
def test_an_hour_of_the_day_is_that_of_the_wall_whatever_the_clocks_did(days: int, hour: int, hours: int, zone: str):
    """An allowance every day: it begins when the wall says so, and lasts its elapsed hours."""
    day = datetime(2026, 1, 1) + timedelta(days=days)  # noqa: DTZ001 - a date
    begun = begins_on(day.year, day.month, day.day, hour, zone)
    office = Windows((allow(f"0 {hour} * * *", hours, zone),))

    assert begun == office.next_opening(OFF, GONE, begun - timedelta(minutes=1))
    assert not office.denied(OFF, GONE, begun + timedelta(hours=hours, seconds=-1))
    assert office.denied(OFF, GONE, begun + timedelta(hours=hours))


@settings(max_examples=40, deadline=None)
@given(WINDOWS, MOMENTS, st.integers(1, 60))
def test_the_stretches_of_denial_are_those_in_which_it_is_denied(windows: Windows, begin: datetime, days: int):
    """To the second, over changes of the clocks too; the last one to its end."""
    end = begin + timedelta(days=days)
    denied, known = windows.denials(OFF, GONE, begin, end)

    assert known == end
    for (_, until), (since, _) in pairwise(denied):
        assert until < since
    second = timedelta(seconds=1)
    for since, until in denied:
        assert windows.denied(OFF, GONE, since)
        assert since == begin or not windows.denied(OFF, GONE, since - second)
        assert windows.denied(OFF, GONE, min(until, end) - second)
        assert until > end + timedelta(days=1000) or not windows.denied(OFF, GONE, until)
    for part in range(40):
        moment = begin + (end - begin) * part / 40
        assert windows.denied(OFF, GONE, moment) == any(since <= moment < until for since, until in denied)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"])
@pytest.mark.parametrize("cron", ["0 18 * * 5", "30 2 * * *", "*/20 0-6 * * 1-5", "0 0 29 2 *", "0 1 1-7 * 0", "*/30 * L 3,10 *"])
def test_a_day_worked_out_once_is_the_same_as_asking_for_each_time(cron: str, zone: str):
    """Over changes of the clocks as well."""
    begin, end = datetime(2017, 9, 1, tzinfo=UTC), datetime(2019, 4, 1, tzinfo=UTC)
    window = deny(cron, 1 / 60, zone)
    asked, moment = [], begin - timedelta(minutes=1)
    while (moment := window.begins(moment) or end) < end:
        asked.append(moment)

    assert asked == [since for since, _ in window.stretches(begin, end)[0] if since >= begin]
