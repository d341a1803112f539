"""When the next cycle is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.operations.schedule import Schedule, cron_problem

MONDAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_an_interval_counts_from_the_start_of_the_last_cycle():
    """A cycle that takes five minutes does not push the next one back."""
    schedule = Schedule(interval=minutes(15), jitter=timedelta(0))

    assert MONDAY + minutes(15) == schedule.next_after(MONDAY, MONDAY + minutes(5), 0.0)


def test_missed_times_run_once_at_once():
    """After an hour asleep one cycle is due, not four."""
    now = MONDAY + minutes(62)

    assert now == Schedule(interval=minutes(15), jitter=timedelta(0)).next_after(MONDAY, now, 0.0)
    assert now == Schedule(cron="*/15 * * * *", jitter=timedelta(0)).next_after(MONDAY, now, 0.0)


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_only_ever_delays(spread: float):
    """By less than the jitter."""
    due = Schedule(interval=minutes(15), jitter=timedelta(seconds=30)).next_after(MONDAY, MONDAY, spread)

    assert MONDAY + minutes(15) <= due <= MONDAY + minutes(15.5)


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        (MONDAY, MONDAY + minutes(15)),
        (datetime(2026, 11, 6, 19, 50, tzinfo=UTC), datetime(2026, 11, 9, 5, 0, tzinfo=UTC)),  # Friday evening -> Monday 6:00
    ],
)
def test_a_cron_expression_holds_in_its_time_zone(started: datetime, expected: datetime):
    """Every quarter of an hour from 6 to 20 on working days in Berlin."""
    schedule = Schedule(interval=None, cron="*/15 6-20 * * 1-5", timezone="Europe/Berlin", jitter=timedelta(0))

    assert expected == schedule.next_after(started, started, 0.0)


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        (datetime(2026, 3, 28, 12, 0, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),  # 2:30 does not exist: at 3:00
        (datetime(2026, 10, 24, 12, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # 2:30 comes twice: once
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_nightly_cycle_runs_once_on_the_days_clocks_change(started: datetime, expected: datetime):
    """Neither left out in spring nor doubled in autumn."""
    schedule = Schedule(interval=None, cron="30 2 * * *", timezone="Europe/Berlin", jitter=timedelta(0))

    assert expected == schedule.next_after(started, started, 0.0)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(interval=minutes(15)), minutes(15)),
        (Schedule(interval=None, cron="*/15 * * * *"), minutes(15)),
        (Schedule(interval=None, cron="0 6,20 * * *"), timedelta(hours=14)),
    ],
)
def test_the_period_is_the_longest_usual_time_between_two_cycles(schedule: Schedule, expected: timedelta):
    """What a promise is checked against."""
    assert expected == schedule.period(MONDAY)


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("*/15 6-20 * * 1-5", True),
        ("@daily", False),
        ("61 * * * *", False),
        ("* * *", False),
        ("0 0 30 2 *", False),
        ("", False),
    ],
)
def test_a_bad_cron_expression_is_told(expression: str, fine: bool):
    """Also one that names no date that exists."""
    assert fine == (cron_problem(expression) == "")


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(interval=minutes(15), jitter=timedelta(0)),
        Schedule(interval=None, cron="*/15 * * * *", jitter=timedelta(0)),
        Schedule(interval=None, cron="0 3 * * *", timezone="Europe/Berlin", jitter=timedelta(0)),
    ],
)
@pytest.mark.parametrize("back", [timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=400)])
def test_a_clock_set_back_during_a_cycle_delays_nothing(schedule: Schedule, back: timedelta):
    """Counted from where the clock stands now: never further away than one period."""
    due = schedule.next_after(MONDAY, MONDAY - back, 0.0)

    assert timedelta(0) <= due - (MONDAY - back) <= schedule.longest_gap(MONDAY - back)


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        (Schedule(interval=minutes(15)), minutes(15)),
        (Schedule(interval=None, cron="*/15 6-20 * * 1-5"), timedelta(days=2, hours=9, minutes=15)),  # over the weekend
        (Schedule(interval=None, cron="0 3 * * *", timezone="UTC"), timedelta(days=1)),
        (Schedule(interval=None, cron="0 0 1 * *"), timedelta(days=31)),
    ],
)
def test_the_longest_gap_of_the_next_fortnight(schedule: Schedule, longest: timedelta):
    """Not of the next few times alone: a weekend counts."""
    assert longest == schedule.longest_gap(MONDAY)


@pytest.mark.parametrize(
    ("day", "hour", "longest"), [(7, 3, 24), (7, 4, 24), (8, 12, 24), (16, 12, 24), (28, 12, 25), (1, 2, 25)]
)
def test_the_longest_gap_is_at_least_the_one_that_now_lies_in(day: int, hour: int, longest: int):
    """The first seven nights of each month: from 7 June on nothing is planned for 24 days, and nothing is late meanwhile."""
    schedule = Schedule(interval=None, cron="0 3 1-7 * *")

    assert timedelta(days=longest) == schedule.longest_gap(datetime(2026, 6, day, hour, tzinfo=UTC))


def test_the_longest_gap_knows_that_clocks_change():
    """In Berlin the night of 25 October 2026 has an hour more."""
    schedule = Schedule(interval=None, cron="0 1 * * *", timezone="Europe/Berlin")

    assert timedelta(hours=25) == schedule.longest_gap(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    assert timedelta(hours=24) == schedule.longest_gap(datetime(2026, 11, 2, 12, 0, tzinfo=UTC))
