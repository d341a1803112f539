"""An event loop in which time passes only when nobody has anything to do: years in minutes, and the same order every time.

Timers fire in the order of their simulated moments. Work for threads (SQLite, the decision) runs at once, in the loop, so that
no scheduler of an operating system decides what comes first.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Everybody waits for something that nobody will do."""


class _PassesTime(selectors.SelectSelector):
    """Looks at no file: what would be a wait moves the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("everybody waits for something that nobody will do")
        self.time += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """See the module. ``time`` begins at 0, in seconds."""

    def __init__(self) -> None:
        self._passes = _PassesTime()
        super().__init__(self._passes)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._passes.time

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, as a thread would
            future.set_exception(error)
        return future


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """Runs *work* to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)
