"""A day on which everything that Zoom and clocks can do goes wrong: it ends in step, and nobody restarts the daemon meanwhile."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from syncd.events import Event
from syncd.lab import faults
from syncd.operations.daemon import Liveness
from tests.contract.simulated_world import SimulatedWorld, a_world

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
