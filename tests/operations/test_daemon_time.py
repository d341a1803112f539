"""The daemon and time: no sleep outlasts a period whatever the clock does, and what was announced is no lack of life."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from syncd.events import CycleStarted, Noted, Waiting
from syncd.operations.daemon import SLEEP_SECONDS, STUCK_SECONDS, Alarm, Liveness

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class OddClock:
    """A monotonic clock, and a wall clock beside it that jumps by so many seconds once so much time has passed. *lost*: how
    much of each sleep a suspended machine adds to the wall clock alone."""

    def __init__(self, jumps: dict[float, float] | None = None, lost: float = 0.0) -> None:
        self.passed, self.jumps, self.lost, self.slept = 0.0, jumps or {}, lost, 0

    def now(self) -> datetime:
        jumped = sum(by for after, by in self.jumps.items() if self.passed >= after)
        return NOON + timedelta(seconds=self.passed + jumped + self.slept * self.lost)

    def monotonic(self) -> float:
        return 500.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.passed += max(0.0, seconds)
        self.slept += 1

    def random(self) -> float:
        return 0.0

    def unique(self) -> str:
        return "unique"


@pytest.mark.parametrize(
    ("clock", "slept"),
    [
        (OddClock(), 900.0),
        (OddClock({100.0: -86_400.0}), 900.0),  # set back by a day: not a day longer
        (OddClock({100.0: -3_600.0, 200.0: 3_600.0}), 900.0),
        (OddClock({100.0: 86_400.0}), 100.0),  # set ahead: at once, a missed time runs once
        (OddClock(lost=90.0), 90.0),  # nine of ten seconds on a suspended machine
    ],
)
async def test_no_sleep_outlasts_what_was_meant(clock: OddClock, slept: float) -> None:
    """Whatever the wall clock does meanwhile."""
    await Alarm(NOON + timedelta(seconds=900), clock).rings()

    assert slept <= clock.passed <= slept + SLEEP_SECONDS


async def test_a_time_gone_by_is_not_slept_for() -> None:
    """It is due."""
    clock = OddClock()
    await Alarm(NOON - timedelta(seconds=1), clock).rings()

    assert 0 == clock.slept


async def test_an_interrupted_sleep_is_not_stretched_either() -> None:
    """A look of the watch ends the sleep, the clock is set right by 30 hours, and the sleep goes on."""
    clock = OddClock({100.0: -108_000.0})
    alarm = Alarm(NOON + timedelta(seconds=900), clock)
    await clock.sleep(200.0)

    await alarm.rings()
    assert 900.0 <= clock.passed <= 900.0 + SLEEP_SECONDS
    assert 0 == alarm.left


class Alive:
    """A liveness on a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 100.0
        self.liveness = Liveness(lambda: self.at)

    def well_after(self, seconds: float) -> bool:
        self.at += seconds
        return self.liveness.health()[0]


def test_silence_is_a_lack_of_life() -> None:
    """Past the longest step, and no sooner."""
    alive = Alive()
    assert alive.well_after(STUCK_SECONDS)
    assert not alive.well_after(1.0)
    alive.liveness(Noted("anything", "info", {}))
    assert alive.well_after(STUCK_SECONDS)


def test_an_announced_wait_is_life_whatever_is_told_meanwhile() -> None:
    """A service asked for 2,000 s and the operator allows 40 min: nothing is missing before its end, but after it."""
    alive = Alive()
    alive.liveness(Waiting("zoom", "retry_after", 2000.0))
    assert alive.well_after(100.0)
    alive.liveness(Noted("another.task", "info", {}))
    assert alive.well_after(1900.0 + STUCK_SECONDS)
    assert not alive.well_after(1.0)


def test_what_was_announced_ends_with_its_cycle() -> None:
    """A sleep that was cut short by a request leaves no licence to hang."""
    alive = Alive()
    alive.liveness.announce(86_400.0)
    alive.liveness(CycleStarted("c1", "enforce", "request"))
    assert alive.well_after(STUCK_SECONDS)
    assert not alive.well_after(1.0)
