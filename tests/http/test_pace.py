"""How fast a service may be asked: values in, waits out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.http.pace import (
    AIM,
    Allowance,
    DailyBudget,
    Lane,
    backoff,
    parse_retry_after,
    seconds_until_next_day,
)

NOW = datetime(2026, 11, 23, 22, 30, 0, tzinfo=UTC)


def drive(lane: Lane, seconds: float, *, lateness: float = 0.0, start: float = 100.0) -> list[float]:
    """Times at which calls went, by somebody who always has one more and wakes *lateness* seconds late."""
    now, went = start, []
    while now < start + seconds:
        wait = lane.take(now)
        if wait:
            now += wait + lateness
        else:
            went.append(now)
    return went


def most_in_a_window(times: list[float], window: float) -> int:
    """A plain sliding-window counter, as a strict server would keep it."""
    return max((sum(1 for other in times if at - window < other <= at) for at in times), default=0)


# ------------------------------------------------------------------------------------------------------------- lanes


@pytest.mark.parametrize("calls", [1, 2, 15, 40, 80])
def test_calls_are_spread_at_a_little_less_than_allowed(calls: int) -> None:
    """Ten seconds of constant demand: at least nine tenths of what is allowed, and no window with more."""
    went = drive(Lane(Allowance(calls)), 10)

    assert len(went) >= 0.9 * calls * 10
    assert most_in_a_window(went, 1.0) <= calls


def test_late_timers_do_not_cost_the_rate() -> None:
    """Every wake-up comes 3 ms late, a tenth of the spacing: the spacing catches up."""
    went = drive(Lane(Allowance(40)), 10, lateness=0.003)

    assert len(went) >= 0.9 * 400
    assert most_in_a_window(went, 1.0) <= 40


def test_the_first_second_is_no_burst() -> None:
    """An idle lane saves nothing up: calls are evenly spread from the start."""
    went = drive(Lane(Allowance(80)), 1)

    assert most_in_a_window(went, 0.1) <= 80 * 0.1 + 5


@given(
    calls=st.floats(min_value=0.2, max_value=30),
    window=st.sampled_from([1.0, 60.0]),
    gaps=st.lists(st.floats(min_value=0, max_value=1.5), min_size=1, max_size=120),
)
def test_no_window_holds_more_than_allowed_however_time_passes(calls: float, window: float, gaps: list[float]) -> None:
    """Whenever somebody asks, the calls granted in any window stay within the allowance."""
    allowance = Allowance(calls, window).shared(0.5)
    lane, now, went = Lane(allowance), 50.0, []
    for gap in gaps:
        now += gap
        if lane.take(now) == 0:
            went.append(now)

    assert most_in_a_window(went, allowance.window_seconds * (1 - 1e-9)) <= allowance.calls


@given(asked_at=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=60))
def test_waiting_as_told_is_enough(asked_at: list[float]) -> None:
    """Who waits as long as they are told needs to ask only a few times, never for ever."""
    lane, now = Lane(Allowance(5)), 10.0
    for gap in asked_at:
        now += gap
        for _ in range(3):
            wait = lane.take(now)
            now += wait
            if not wait:
                break
        else:
            pytest.fail("told to wait three times in a row")


def test_half_a_call_a_second_is_one_in_two_seconds() -> None:
    """A share of a small limit still lets calls through, in a longer window."""
    assert Allowance(1.0, 2.0) == Allowance(1).shared(0.5)
    assert Allowance(30.0) == Allowance(60).shared(0.5)


def test_an_allowance_of_nothing_is_refused() -> None:
    """A lane that never lets anybody through would hang a cycle."""
    with pytest.raises(ValueError, match="more than nothing"):
        Allowance(0)


def test_nobody_goes_during_a_pause_and_everybody_after_it() -> None:
    """A refusal pauses the lane for all, exactly as long as the server said."""
    lane = Lane(Allowance(10))
    lane.refused(100.0, 7.0, "retry_after")

    assert [pytest.approx(7.0), pytest.approx(0.5)] == [lane.take(100.0), lane.take(106.5)]
    assert lane.take(107.0) == 0.0
    assert lane.pause_cause == "retry_after"


def test_a_shorter_pause_never_ends_a_longer_one() -> None:
    """Answers come back in any order."""
    lane = Lane(Allowance(10))
    lane.refused(100.0, 30.0, "retry_after")
    lane.refused(100.1, 1.0, "backoff")

    assert lane.paused_for(101.0) == pytest.approx(29.0)
    assert lane.pause_cause == "retry_after"


def test_an_absurd_pause_is_cut_to_a_day() -> None:
    """No limit runs longer than a day, so a date in 9999 is a fault of the server."""
    lane = Lane(Allowance(10))
    lane.refused(0.0, 1e12, "retry_after")

    assert lane.paused_for(0.0) == 86_400


def test_a_lane_without_an_allowance_only_pauses() -> None:
    """For services that publish no limit."""
    lane = Lane()

    assert [0.0] * 1000 == [lane.take(1.0) for _ in range(1000)]
    lane.refused(1.0, 5.0, "retry_after")
    assert lane.take(2.0) == pytest.approx(4.0)


def test_the_rate_falls_on_refusals_once_a_second_and_climbs_back() -> None:
    """Somebody else uses the account: 0.7 of the rate, once for a bunch of refusals; successes bring it back, no further."""
    lane = Lane(Allowance(40))
    full = lane.rate
    for _ in range(5):
        lane.refused(10.0, 0.5, "backoff")

    assert full == pytest.approx(AIM * 40)
    assert lane.rate == pytest.approx(full * 0.7)
    for _ in range(100):
        lane.succeeded()
    assert lane.rate == pytest.approx(full * 0.7 + 5)
    for _ in range(1000):
        lane.succeeded()
    assert lane.rate == full


def test_a_storm_never_stops_a_lane_for_good() -> None:
    """The rate keeps a tenth of its ceiling."""
    lane = Lane(Allowance(40))
    for second in range(100):
        lane.refused(float(second), 0.0, "backoff")

    assert lane.rate == pytest.approx(AIM * 40 / 10)


# ----------------------------------------------------------------------------------------------------- daily budgets


def use(budget: DailyBudget, times: int) -> int:
    """Uses the budget up to *times*; gives how often a lease was drawn."""
    drawn = 0
    for _ in range(times):
        if budget.spent:
            break
        drawn += budget.lease()
        budget.use()
    return drawn


def test_a_budget_is_spent_exactly() -> None:
    """Not one call more than the day holds, and few enough leases that a store is written rarely."""
    budget = DailyBudget(1000)
    budget.open_day("2026-11-23")

    assert use(budget, 5000) == 20
    assert budget.spent
    assert {"day": "2026-11-23", "used": 1000} == budget.kept()


def test_a_restart_counts_the_lease_as_used() -> None:
    """What was kept covers what may have been sent before a crash; a clean stop gives the rest back."""
    budget = DailyBudget(1000)
    budget.open_day("2026-11-23")
    use(budget, 3)
    after_a_crash, kept = DailyBudget(1000), budget.kept()
    after_a_crash.restore(kept)

    assert {"day": "2026-11-23", "used": 50} == kept
    assert after_a_crash.left == 950
    budget.give_back()
    assert budget.kept() == {"day": "2026-11-23", "used": 3}


def test_a_new_day_starts_afresh_and_a_clock_set_back_does_not() -> None:
    """Only a later day resets the count."""
    budget = DailyBudget(10)
    budget.open_day("2026-11-23")
    use(budget, 10)
    budget.open_day("2026-11-22")
    assert budget.spent

    budget.open_day("2026-11-24")
    assert (10, 0) == (budget.left, budget.kept()["used"])


@pytest.mark.parametrize("day", ["2026-12-23", "2026-11-25", "d", ""])
def test_a_day_of_a_clock_that_was_ahead_is_over_once_it_is_right(day: str) -> None:
    """It would otherwise be counted on until then, and nothing be asked for weeks."""
    budget = DailyBudget(10)
    budget.restore({"day": day, "used": 10})
    budget.open_day("2026-11-23")

    assert (10, "2026-11-23") == (budget.left, budget.kept()["day"])


@pytest.mark.parametrize("kept", [None, "x", {}, {"day": "2026-11-23"}, {"day": 1, "used": 2}, {"day": "d", "used": -1}])
def test_what_was_not_kept_by_us_counts_as_nothing(kept: object) -> None:
    """A store may hold anything."""
    budget = DailyBudget(10)
    budget.restore(kept)

    assert budget.left == 10


def test_a_call_without_a_lease_is_a_bug() -> None:
    """The store must have been written first."""
    with pytest.raises(ValueError, match="no lease"):
        DailyBudget(10).use()


def test_a_smaller_share_after_a_restart_leaves_nothing_rather_than_less_than_nothing() -> None:
    """The configuration may have changed in between."""
    budget = DailyBudget(10)
    budget.restore({"day": "2026-11-23", "used": 400})

    assert (0, True) == (budget.left, budget.spent)


def test_the_next_day_begins_at_midnight_utc() -> None:
    """Zoom states 00:00 UTC for its daily limits."""
    assert seconds_until_next_day(NOW) == 5400


# -------------------------------------------------------------------------------------------------- when to come back


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("Mon, 23 Nov 2026 22:30:30 GMT", 30.0),
        ("Monday, 23-Nov-26 22:30:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 22:00:00 GMT", 0.0),
        ("2026-11-24T00:00:00Z", 5400.0),
        ("2026-11-23T22:30:10.250Z", 10.25),
        ("2026-11-23T23:30:10+01:00", 10.0),
        ("2026-11-23 22:31:00", 60.0),
        (str(int(NOW.timestamp()) + 45), 45.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("2026-13-99T00:00:00Z", None),
    ],
)
def test_retry_after_is_understood_in_every_form(text: str | None, seconds: float | None) -> None:
    """Seconds, fractions, HTTP dates, ISO times, seconds since 1970; anything else is as if absent."""
    assert seconds == parse_retry_after(text, NOW)


@given(st.text(max_size=40))
def test_no_header_makes_the_parser_fail(text: str) -> None:
    """Whatever a server sends: None or a number that is not negative."""
    seconds = parse_retry_after(text, NOW)

    assert seconds is None or seconds >= 0


@given(attempt=st.integers(1, 50), hint=st.floats(0.001, 1e6), jitter=st.floats(0, 0.999))
def test_a_hint_is_never_undercut(attempt: int, hint: float, jitter: float) -> None:
    """Nobody comes back before the time the server named, and at most a second after it."""
    assert hint <= backoff(attempt, hint, jitter) <= hint + 1


def test_our_own_waits_double_up_to_half_a_minute() -> None:
    """Without a hint: 0.5 to 1 s, then twice that, never more than 30 s."""
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0] == [backoff(attempt, None, 0.0) for attempt in range(1, 8)]
    assert backoff(100, None, 0.999) < 30


def test_a_hint_of_nothing_is_not_believed() -> None:
    """A time gone by, or zero, would mean to come back at once, for ever."""
    assert backoff(1, None, 0.5) == backoff(1, 0.0, 0.5)
