"""``syncd run``: the daemon with its HTTP server, observers and signals."""

from __future__ import annotations

from syncd import __version__
from syncd.adapters.clock import SystemClock
from syncd.app import Watch, policy_of, report_filer, schedule_of, secret, world_of
from syncd.cli.common import signals
from syncd.config import Config
from syncd.daemon import Pulse, Wishes, run_daemon


async def serve_daemon(config: Config) -> None:
    """Runs until SIGTERM or SIGINT. Raises ConfigError when it cannot listen, LedgerError when there is no ledger."""
    clock = SystemClock()
    wishes, pulse = Wishes(), Pulse(clock.monotonic)
    watch = Watch(config, clock, __version__, pulse)
    token = config.http.trigger_token
    async with world_of(config, watch.tell, write_ledger=True, clock=clock, by_lease=True) as world:
        watch.remember(await world.ledger.history())
        async with watch.serve(
            config.http.listen, healthy=pulse.health, trigger=wishes.now.set,
            trigger_token=secret(token, "http.trigger_token") if token is not None else None,
        ), watch.notifying():
            with signals(wishes.stop):
                await run_daemon(world, policy_of(config), config.mode, schedule_of(config), wishes, pulse,
                                 report_filer(world, config))
