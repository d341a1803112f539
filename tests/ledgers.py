"""A clock for ledgers that stands still until told, and child processes that use a real ledger.

As a program: ``python -m tests.ledgers VERB URL [NUMBER]``; each verb says on standard output when it has begun.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from syncd.errors import SyncdError
from syncd.events import Event
from syncd.ledger.entry import Entry, kind
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft


class HandClock:
    """Time that passes only by sleeping, or by ``pass_time``."""

    def __init__(self, now: datetime = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)) -> None:
        self.time = now
        self.seconds = 1000.0
        self._numbers = itertools.count(1)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.pass_time(max(seconds, 0.0))
        await asyncio.sleep(0.001)  # so that a child process gets a turn

    def random(self) -> float:
        return 0.5

    def unique(self) -> str:
        return f"unique{next(self._numbers):06}"


def untold(_: Event) -> None:
    """Nobody listens."""


def url_of(path: Path) -> str:
    """The ledger URL of an absolute path."""
    return f"sqlite:///{path}"


class Noted(Entry, frozen=True, forbid_unknown_fields=False):
    """Kinds of the tests' own, which change nothing and may hold anything."""


for name in ("noted", "noted.read", "noted.intent", "noted.outcome", "noted.paused"):
    kind(name)(msgspec.defstruct("Noted", [], bases=(Noted,), frozen=True))


def draft(number: int = 0, kind: str = "noted", **more: object) -> Draft:
    """An entry like any other."""
    return Draft(kind, {"number": number, **more}, subject=f"z{number}", cycle="c1")


def said(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _append(url: str, number: int) -> None:
    """Appends *number* entries, one by one."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    said("begun")
    for each in range(number):
        await ledger.append([draft(each)])
    await ledger.close()


async def _append_for_ever(url: str, number: int) -> None:
    """Appends *number* entries at a time and says which one was given back as written, until it is killed."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    while True:
        entries = await ledger.append([draft(each) for each in range(number)])
        said(f"{entries[-1].seq} {entries[-1].hash}")


async def _append_until_full(url: str, number: int) -> None:
    """Appends, *number* bytes of file at most, until the ledger refuses; says how many were given back and why it refused."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    count = 0
    try:
        while True:
            await ledger.append([draft(count, text="x" * 2000)])
            count += 1
    except SyncdError as error:
        said(f"{count} {type(error).__name__} {error.what}")


async def _hold(url: str, number: int) -> None:
    """Holds the writer lock until it is killed, having appended *number* entries."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    async with ledger.writer(0) as term:
        for each in range(number):
            await ledger.append([draft(each)], term=term)
        said(f"term {term}")
        await asyncio.Event().wait()


VERBS = {"append": _append, "append-for-ever": _append_for_ever, "append-until-full": _append_until_full, "hold": _hold}

if __name__ == "__main__":
    asyncio.run(VERBS[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
