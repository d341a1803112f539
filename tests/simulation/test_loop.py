"""Simulated time: it passes only when nobody has anything to do, and the same way every time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.simulation.loop import Deadlock, simulate


def test_a_year_passes_in_no_time():
    """And timers fire in the order of their moments."""
    fired: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        fired.append(f"{name} at {asyncio.get_running_loop().time():.0f}")

    async def main() -> None:
        await asyncio.gather(sleeper("late", 31536000.0), sleeper("early", 60.0), sleeper("middle", 86400.0))

    began = time.monotonic()
    simulate(main())

    assert ["early at 60", "middle at 86400", "late at 31536000"] == fired
    assert time.monotonic() - began < 60.0


def test_work_for_threads_runs_in_the_loop():
    """No scheduler decides what comes first."""

    async def main() -> int:
        return await asyncio.to_thread(threading.get_ident)

    assert threading.get_ident() == simulate(main())


def test_an_error_of_such_work_reaches_whoever_waits():
    """As from a thread."""

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    simulate(main())


def test_waiting_for_what_nobody_will_do_is_an_error():
    """A simulation must never hang."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        simulate(main())
