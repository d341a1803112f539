"""``syncd run``: the daemon with its HTTP server, observers and signals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from syncd import __version__
from syncd.app import Watch, ledger_reached, open_dependencies, pace_of, policy_of, report_filer, schedule_of, secret
from syncd.cli.common import signals
from syncd.events import SignalSeen
from syncd.host.clock import SystemClock
from syncd.model import Sighting
from syncd.operations.daemon import DaemonSignals, Liveness, run_daemon
from syncd.operations.dependencies import Dependencies
from syncd.operations.witness import LeaderSeen, WitnessDesk, no_signal

if TYPE_CHECKING:
    from syncd.config import Config


async def serve_daemon(config: Config) -> None:
    """Runs until SIGTERM or SIGINT. Raises ConfigError when it cannot listen, LedgerError when there is no ledger
    and waiting would make none."""
    clock = SystemClock()
    daemon_signals, liveness = DaemonSignals(), Liveness(clock.monotonic)
    seen = LeaderSeen()
    watch = Watch(config, clock, __version__, liveness, seen)
    token = config.http.trigger_token
    async with AsyncExitStack() as opened:
        opened.enter_context(signals(daemon_signals.stop))  # first: whoever asks us to stop while we begin is heard too
        # Alive before it is ready: a database server that is not there yet is waited for, not met by one restart after another.
        await opened.enter_async_context(
            watch.serve(
                config.http.listen,
                healthy=liveness.health,
                trigger=daemon_signals.now.set,
                trigger_token=secret(token, "http.trigger_token") if token is not None else None,
            )
        )
        if not await ledger_reached(config, clock, watch.tell, lambda: not daemon_signals.stop.is_set()):
            return
        async with open_dependencies(config, watch.tell, write_ledger=True, clock=clock, by_lease=True) as deps:
            watch.remember(await deps.ledger.history(), deps.ledger)

            def signal(sighting: Sighting) -> None:
                watch.aside(SignalSeen("zoom_events", "zoom", 1))
                daemon_signals.elsewhere.put_nowait(sighting.zoom_id)

            desk = WitnessDesk(replace(deps, tell=watch.aside), policy_of(config), signal if config.schedule.watch else no_signal)
            await desk.tell_counts()
            async with (
                watch.notifying(),
                listening(deps, desk, lambda: seen.leader and deps.leadership.leads() and not daemon_signals.stop.is_set()),
            ):
                file = report_filer(deps, config, desk)
                await run_daemon(
                    deps,
                    policy_of(config),
                    config.mode,
                    schedule_of(config),
                    daemon_signals,
                    liveness,
                    file,
                    pace_of(config),
                    file.close,
                )


@asynccontextmanager
async def listening(deps: Dependencies, desk: WitnessDesk, leads: Callable[[], bool]) -> AsyncIterator[None]:
    """Zoom's events are taken while the body runs, if there are any."""
    source = getattr(deps.zoom, "events", None)
    task = asyncio.create_task(desk.listen(source, leads)) if source is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
