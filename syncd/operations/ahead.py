"""The second look before a change, begun beside the decision instead of after it.

It stays what it is: a reading of its own, begun after the one that is decided about, of everything anew, moments before the
write. But finding the groups of one person takes a directory a while (Samba 0.4 s beside a group of 45,000), and so does
deciding about a whole company, and neither needs the other. Whoever carries out a change asks as ever, and is given what was
begun if it is the very same question, asked a moment ago; each at most once. Whatever does not fit, is too old or failed is
asked anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, Person
from syncd.ports import Clock, Directory

#: What began longer ago than this when it is asked for is asked anew.
AHEAD_SECONDS_MAX = 2.0

#: So many are begun at once: behind more of them the first one would wait.
AHEAD_MAX = 4


@dataclass(frozen=True, slots=True)
class _Begun:
    """A look that goes on: since when, by both clocks."""

    monotonic: float
    at: datetime
    looking: asyncio.Task[tuple[Person, ...]]

    def age(self, clock: Clock) -> float:
        """Seconds since it began, by whichever clock says more: one may have been set back, the other stands still while a
        machine sleeps."""
        return max(clock.monotonic() - self.monotonic, (clock.now() - self.at).total_seconds())


class LooksAhead:
    """Implements ``ports.Directory`` by another one. What was begun and not asked for ends with the block."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._begun: dict[tuple[str | None, tuple[str, ...]], _Begun] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        tasks = [begun.looking for begun in self._begun.values()]
        self._begun.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def begin(self, directory_id: str, addresses: Sequence[str]) -> None:
        """Begins the look that will probably be asked for; once, also where two accounts of one person come to the same
        question (one of them under an alias of its domain)."""
        question = directory_id, tuple(addresses)
        if len(self._begun) < AHEAD_MAX and question not in self._begun:
            looking = asyncio.create_task(self._directory.recheck_person(directory_id, addresses))
            self._begun[question] = _Begun(self._clock.monotonic(), self._clock.now(), looking)

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """As the port says."""
        begun = self._begun.pop((directory_id, tuple(addresses)), None)
        if begun is not None:
            fresh = begun.age(self._clock) <= AHEAD_SECONDS_MAX
            with contextlib.suppress(SourceError):
                people = await begun.looking
                if fresh:
                    return people
        return await self._directory.recheck_person(directory_id, addresses)

    async def read(self) -> DirectorySnapshot:
        """As the port says."""
        return await self._directory.read()

    async def deleted(self, addresses: Sequence[str]) -> Sequence[tuple[str, datetime]]:
        """As the port says."""
        return await self._directory.deleted(addresses)

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """As the port says."""
        return await self._directory.check()

    async def close(self) -> None:
        """As the port says."""
        await self._directory.close()
