"""Zoom's operation log of users: its lines as sightings. What a line says is free text, so it is read strictly and never guessed.

``GET /report/operationlogs``: HEAVY, 300 lines a page, no total, six months kept, lag undocumented; so three days are read each
time. Known samples of *operation_detail*: ``Deactivate User x@y `` (trailing blank), ``delete user - x@y``; letter case varies.
A line that is neither understood nor known to concern nobody's status is counted as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from syncd.model import Happened, OperationLog, Sighting, Unreadable, WitnessSource, address_key
from syncd.zoom.parse import text_of, time_of

#: How far back is looked each time.
LOG_DAYS = 3

PAGE_SIZE = 300

_STATUS_WORDS = {
    "activate": Happened.ACTIVATED,
    "reactivate": Happened.ACTIVATED,
    "deactivate": Happened.DEACTIVATED,
    "delete": Happened.DELETED,
    "unlink": Happened.DELETED,
    "disassociate": Happened.DELETED,
}
#: What begins an account: no change of one that is there.
_NEW = frozenset({"add", "create", "invite"})

_ADDRESS = r"[^\s@<>\"'\[\](),;:]+@[^\s@<>\"'\[\](),;:]+"
_LINE = re.compile(rf"\s*(?P<word>[A-Za-z]+)\s+users?\s*(?:[-:]\s*)?(?P<address>{_ADDRESS})\s*", re.IGNORECASE)
_ADDRESSES = re.compile(_ADDRESS)


class WireLine(msgspec.Struct, frozen=True, gc=False):
    """One line. Anything may stand in it: a line that is odd is counted, it does not spoil the others."""

    time: object = None
    operator: object = None
    category_type: object = None
    action: object = None
    operation_detail: object = None


class LogPage(msgspec.Struct, frozen=True, gc=False):
    """One page of the log."""

    operation_logs: list[WireLine]
    next_page_token: str | None = ""


def days_of(since: datetime, until: datetime) -> dict[str, str]:
    """What is asked for: whole days, as Zoom documents them."""
    return {
        "from": since.astimezone(UTC).date().isoformat(),
        "to": until.astimezone(UTC).date().isoformat(),
        "category_type": "user",
        "page_size": str(PAGE_SIZE),
    }


def operation_log_of(lines: Iterable[WireLine], since: datetime, until: datetime) -> OperationLog:
    """The log of a time. Lines of another category are counted and otherwise left alone."""
    sightings, unreadable, number = [], [], 0
    for line in lines:
        number += 1
        if text_of(line.category_type).strip().casefold() not in ("", "user"):
            continue
        read = read_line(line)
        if isinstance(read, Sighting):
            sightings.append(read)
        elif read is not None:
            unreadable.append(read)
    return OperationLog(since, until, number, tuple(sightings), tuple(unreadable))


def read_line(line: WireLine) -> Sighting | Unreadable | None:
    """A sighting, what cannot be understood, or None for a line about a new account."""
    at, detail = time_of(line.time), text_of(line.operation_detail)
    found = _LINE.fullmatch(detail)
    word = found.group("word").casefold() if found else ""
    if found is not None and at is not None and word in _STATUS_WORDS:
        return Sighting(
            WitnessSource.LOG, at, _STATUS_WORDS[word], address=found.group("address"), operator=text_of(line.operator).strip()
        )
    if word in _NEW:
        return None
    return Unreadable(at, frozenset(address_key(one.rstrip(".")) for one in _ADDRESSES.findall(detail)))
