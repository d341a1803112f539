"""What others saw: sightings of changes at Zoom, by its events or in its operation log, and how ours stand beside them.

A sighting is evidence and, for the watch, a signal. Nothing it says is ever acted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WitnessSource(StrEnum):
    """Who saw it."""

    EVENT = "event"
    LOG = "log"


class Happened(StrEnum):
    """What a sighting says happened to an account."""

    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"  # or unlinked: no longer in this Zoom account
    UPDATED = "updated"


class WitnessState(StrEnum):
    """How a change stands with the witnesses."""

    CONFIRMED = "confirmed"
    WAITING = "waiting"  # nobody yet; 48 h have not passed
    MISSING = "missing"  # nobody, though Zoom's log was read whole over that time
    UNKNOWN = "unknown"  # nobody, and the log was not read whole, or holds lines nobody understands
    FOREIGN = "foreign"  # seen by others, and no change of ours
    UNWATCHED = "unwatched"  # no witness was configured


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Which witnesses are configured."""

    events: bool = False
    operation_log: bool = False

    def __bool__(self) -> bool:
        return self.events or self.operation_log


NO_WITNESSES = Witnesses()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A change as Zoom tells it. An event has an id and mostly an address, a line of the log an address only. *fields*: what an
    update touches (``email``, ``type``, ``role``, ``status``). *operator*: who did it, an address; it never enters the chain."""

    source: WitnessSource
    at: datetime
    what: Happened
    zoom_id: str = ""
    address: str = ""
    operator: str = ""
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of the log that cannot be understood: when, and whom it names, as far as that shows."""

    at: datetime | None
    addresses: frozenset[str] = frozenset()  # keys


@dataclass(frozen=True, slots=True)
class OperationLog:
    """Zoom's operation log of users from *since* to *until*, read to its end. *lines*: how many came."""

    since: datetime
    until: datetime
    lines: int
    sightings: tuple[Sighting, ...]
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True, slots=True)
class SeenEffect:
    """A change of ours, and who saw it. *done_at* None: announced, not settled yet. *doubtful*: the log has a line near it that
    nobody understands."""

    zoom_id: str
    action: str  # deactivate | reactivate | restore_licence | handover
    announced_at: datetime
    who: str = ""  # reference of its names beside the chain
    done_at: datetime | None = None
    seen_by: str = ""  # event | log
    seen_at: datetime | None = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """How one change stands, and when and by whom it was seen."""

    state: WitnessState
    by: str = ""  # event | log
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenByOthers:
    """What somebody else did to an account in scope, with names, for reports."""

    zoom_id: str
    email: str
    what: str
    at: datetime
    source: str
    operator: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """What somebody else did to an account in scope. *who*: reference of the names beside the chain."""

    zoom_id: str
    what: str
    at: datetime
    source: str
    who: str = ""
    fields: tuple[str, ...] = ()
