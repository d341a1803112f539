"""What the tests of the Active Directory adapter share: settings for a scripted controller, a clock, recorded events."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.directories.active_directory.reader import ActiveDirectory, ActiveDirectorySettings, GroupMemory, SimpleBind
from syncd.errors import SourceError
from syncd.events import Answered, Event
from syncd.host.clock import SystemClock
from tests.adlab.windows import guid

PASSWORD = "S3cret.of.the.service"


class MovedClock(SystemClock):
    """The real clock, moved ahead by hand: deadlines stay real, an hour passes in no time."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


class Directory(ActiveDirectory):
    """The adapter, with its events and its clock at hand."""

    def __init__(self, *urls: str, password: Any = None, store: Any = None, **more: Any) -> None:
        self.events: list[Event] = []
        self.moved = MovedClock()
        settings: dict[str, Any] = {
            "servers": urls,
            "bind": SimpleBind("svc@corp.example", password or (lambda: PASSWORD)),
            "base_dns": ("DC=corp,DC=example",),
            "groups": ("zoom",),
            "allow_plaintext": True,
            "connect_timeout_seconds": 5.0,
            "read_timeout_seconds": 20.0,
            **more,
        }
        super().__init__(ActiveDirectorySettings(**settings), self.moved, self.events.append, memory=GroupMemory(store))

    def answers(self, operation: str) -> list[str]:
        """The answers that were told for an operation, in order."""
        return [event.answer for event in self.events if isinstance(event, Answered) and event.operation == operation]


def id_of(number: int) -> str:
    """The Person.id of the made-up person or group with this number."""
    return str(uuid.UUID(bytes_le=guid(number)))


def entitled(snapshot: Any) -> set[str]:
    """The ids of everybody whom a group entitles."""
    return {person.id for person in snapshot.people if person.entitled_by}


async def unreadable(directory: ActiveDirectory) -> SourceError:
    """The error that a read of this directory ends with; fails when it ends well."""
    with pytest.raises(SourceError) as caught:
        await directory.read()
    return caught.value
