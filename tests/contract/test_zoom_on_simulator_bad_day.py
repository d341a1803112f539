"""A day on which everything that Zoom and clocks can do goes wrong: it ends in step, and nobody restarts the daemon meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from syncd.events import CycleEnded, CycleStarted, Event, PauseSeen
from syncd.lab import faults
from syncd.model import CycleReport, Mode
from syncd.operations.daemon import SLEEP_SECONDS, DaemonSignals, Liveness, run_daemon
from syncd.operations.schedule import Schedule
from tests.contract.simulated_world import Clock, SimulatedWorld, a_world

HOUR = 3600.0

FAULTS = (
    lambda: faults.throttled("seconds", 2000),
    lambda: faults.throttled("iso", 1500),
    lambda: faults.throttled(),
    lambda: faults.server_error(503),
    lambda: faults.html_page(502),
    lambda: faults.truncated_answer(),
    lambda: faults.connection_reset(),
    lambda: faults.lost_answer(),
    lambda: faults.token_expired(),
)
OPERATIONS = ("list_users", "get_user", "set_status", "list_roles", "token")


class Watched(list[Event]):
    """What was told; a moment at which a probe would have found the daemon stuck is kept."""

    def __init__(self, liveness: Liveness) -> None:
        super().__init__()
        self.liveness, self.stuck = liveness, 0

    def append(self, event: Event) -> None:
        self.stuck += not self.liveness.health()[0]
        self.liveness(event)
        super().append(event)


class ADay(Watched):
    """What is told by a daemon that lives through the day. *live* is called with the number of cycles as each of them ends, and
    may say that it was the last one; *asleep* with the same in the sleep that follows."""

    def __init__(self, clock: Clock, live: Callable[[int], bool], asleep: Callable[[int], None]) -> None:
        super().__init__(Liveness(clock.monotonic))
        self.clock, self.live, self.asleep, self.signals = clock, live, asleep, DaemonSignals()
        self.results: list[str] = []
        self.slept: list[float] = []  # from the end of a cycle to the beginning of the next one
        self._ended = clock.monotonic()
        self._awake = True

    def append(self, event: Event) -> None:
        super().append(event)
        match event:
            case CycleStarted():
                self.slept.append(self.clock.monotonic() - self._ended)
            case CycleEnded(result=result):
                self.results.append(result)
                self._ended, self._awake = self.clock.monotonic(), True
                if not self.live(len(self.results)):
                    self.signals.stop.set()
            case PauseSeen() if self._awake:
                self._awake = False
                self.asleep(len(self.results))


def set_clock(world: SimulatedWorld, by: timedelta) -> None:
    """Ours alone: Zoom's clock goes on as before."""
    world.clock.started_at += by
    world.zoom.clock_skew -= by


@pytest.mark.parametrize("seed", range(3))
async def test_a_bad_day_ends_in_step(seed: int) -> None:
    """Waits of half an hour, errors, cut answers, expired tokens, a clock that is set back and corrected: whoever left is
    out when the day is over, whoever stayed is in, and health was good all the time."""
    chance = Random(seed)
    async with a_world(crowd=300, max_wait_seconds=2400.0) as world:
        told = world.told = Watched(Liveness(world.clock.monotonic))
        await world.restart()
        names = [f"leaver{number:02}" for number in range(12)]
        world.employ(*names)
        await world.in_enforcing_use()
        for hour in range(26):
            if hour < len(names):
                world.leaves(names[hour])
            if hour in (6, 15):
                set_clock(world, timedelta(hours=-1 if hour == 6 else 1))
            for _ in range(3 if hour < 24 else 0):  # then two quiet hours
                world.zoom.faults.add(
                    chance.choice(FAULTS)(), chance.choice(OPERATIONS), times=chance.choice((1, 2, 6)), skip=chance.randrange(3)
                )
            report = await world.cycle()
            world.zoom.faults.clear()
            told.liveness.announce(HOUR)
            world.clock.passed += HOUR

        assert ("in_step", 0) == (report.result.value, report.exit_code)
        assert {"inactive"} == {world.user(name).status for name in names}
        assert 300 == sum(user.status == "active" for user in world.zoom.tenant.users)
        assert 0 == told.stuck


@pytest.mark.parametrize("seed", range(2))
async def test_the_daemon_lives_through_such_a_day_by_itself(seed: int) -> None:
    """Its own schedule, sleeps and health: nothing outlasts a period, whatever the clock does, and nobody restarts it."""
    chance = Random(seed)
    async with a_world(crowd=300, max_wait_seconds=2400.0) as world:
        names = [f"leaver{number:02}" for number in range(12)]

        def live(ended: int) -> bool:
            world.zoom.faults.clear()
            if ended <= len(names):
                world.leaves(names[ended - 1])
            for _ in range(3 if ended < 24 else 0):
                world.zoom.faults.add(
                    chance.choice(FAULTS)(), chance.choice(OPERATIONS), times=chance.choice((1, 2, 6)), skip=chance.randrange(3)
                )
            return ended < 27

        def asleep(ended: int) -> None:
            if ended in (6, 15):
                set_clock(world, timedelta(hours=-30 if ended == 6 else 30))

        world.told = day = ADay(world.clock, live, asleep)
        await world.restart()
        world.employ(*names)
        await run_daemon(
            world.deps,
            world.policy,
            Mode.ENFORCE,
            Schedule(timedelta(seconds=HOUR), jitter=timedelta(0)),
            day.signals,
            day.liveness,
            filed,
        )

        assert ["in_step"] * 2 == day.results[-2:]
        assert {"inactive"} == {world.user(name).status for name in names}
        assert 300 == sum(user.status == "active" for user in world.zoom.tenant.users)
        assert "unreadable" in day.results
        assert 0 == day.stuck
        assert max(day.slept) <= HOUR + SLEEP_SECONDS


async def filed(_: CycleReport, __: int) -> None:
    """Nothing is filed."""
