"""What all kinds of ledger entry have in common: how one is written, how it is read back, and when it happened.

The chain (``chain.py``) knows that an entry is where and what it was; this room knows what it says. The kinds stand in
``entries``. A body this program cannot understand is never passed over: what a ledger says of holds, approvals and
deactivations must not be half known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from syncd.errors import LedgerError
from syncd.model import Draft, LedgerEntry

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

_UPGRADE = "Upgrade this syncd to the version that wrote the ledger (ledger.opened and cycle.ended name versions), or newer."


@dataclass(frozen=True, slots=True)
class EntryTime:
    """When an entry was written. Rules (sizes, baselines, graces, ages, windows of 24 h) use ``measured`` alone."""

    measured: datetime  # the writer's wall clock; of entries of 0.1.0: the chain's time
    chained: datetime  # keeps the chain in order: never earlier than that of the entry before
    verified: bool = True  # False: no service's time was at hand to hold the writer's clock against


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something inside a body."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What one entry says. Fields without a default are always written; others only where they say something.

    The four fields here are no kind's own: ``chain.link`` and ``draft`` put them into the body.
    """

    kind: ClassVar[str] = ""
    newest: ClassVar[int] = 1  # version of the struct below; bodies of 0.1.0 name none and are version 1

    v: int = 1
    who: str = ""  # reference of the names and addresses beside the chain
    measured_at: datetime | None = None  # only where it is not the chain's time
    clock_unverified: bool = False

    def time(self, entry: LedgerEntry) -> EntryTime:
        """When *entry*, whose body this is, was written."""
        chained = from_rfc3339(entry.at)
        return EntryTime(self.measured_at or chained, chained, not self.clock_unverified)

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """What this entry changes in the read model. By default nothing: it is evidence."""


#: As recorded: a whole number stays one.
Number = float | int

E = TypeVar("E", bound=Entry)

#: Every kind there is; filled by ``kind``.
KINDS: dict[str, type[Entry]] = {}


def kind(name: str, newest: int = 1) -> Callable[[type[E]], type[E]]:
    """Names a kind of entry and the newest version of what it says."""

    def named(struct: type[E]) -> type[E]:
        struct.kind, struct.newest = name, newest
        if KINDS.setdefault(name, struct) is not struct:
            raise ValueError(f"two kinds of ledger entry are named {name}")
        return struct

    return named


def draft(says: Entry, *, subject: str = "", cycle: str = "", personal: Mapping[str, str] | None = None) -> Draft:
    """An entry to be written."""
    body = msgspec.to_builtins(says)
    return Draft(says.kind, {**body, "v": says.newest} if says.newest > 1 else body, subject, cycle, personal)


def read(entry: LedgerEntry) -> Entry:
    """What an entry says. Raises LedgerError: the chain may be in order, but this program does not understand the entry."""
    struct = KINDS.get(entry.kind)
    if struct is None:
        raise LedgerError(
            f"entry {entry.seq} is of the kind {entry.kind[:40]!r}, which this syncd does not know: it was "
            "written by a newer syncd",
            _UPGRADE,
        )
    return decode(struct, entry)


def decode(struct: type[E], entry: LedgerEntry) -> E:
    """As ``read``, for an entry whose kind is known to be that of *struct*. Raises LedgerError."""
    try:
        says: E = _decoder(struct).decode(entry.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        _refuse_newer(entry, struct, _version_of(entry.body))
        raise LedgerError(
            f"entry {entry.seq} does not say what an entry of the kind {entry.kind[:40]!r} says: {error}",
            "Run syncd ledger verify. If it finds the chain intact, another program wrote this entry: keep the "
            "ledger as evidence and put a copy of it back.",
        ) from None
    _refuse_newer(entry, struct, says.v)
    return says


def _refuse_newer(entry: LedgerEntry, struct: type[Entry], version: int) -> None:
    if version > struct.newest:
        raise LedgerError(
            f"entry {entry.seq} ({entry.kind}) is of version {version}, and this syncd knows {struct.newest}: it "
            "was written by a newer syncd",
            _UPGRADE,
        )


class _Envelope(msgspec.Struct):
    v: int = 1


def _version_of(body: str) -> int:
    try:
        return _decoder_of_version().decode(body).v
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return 1


@cache
def _decoder_of_version() -> msgspec.json.Decoder[_Envelope]:
    return msgspec.json.Decoder(_Envelope)


@cache
def _decoder(struct: type[E]) -> msgspec.json.Decoder[E]:
    return msgspec.json.Decoder(struct)


def rfc3339(moment: datetime) -> str:
    """``2026-11-25T19:00:00.000000Z``; fractions are left out when they are zero."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """The moment a ledger or document time names, aware UTC. Raises ValueError."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:  # before the year 1 or after 9999 in UTC
        raise ValueError(str(error)) from None
