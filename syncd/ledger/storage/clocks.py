"""Whose clock may write into the ledger, and which of what is written rules may take at its word for the time."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from syncd.errors import ClockOff
from syncd.ledger.chain import time_text
from syncd.model import ClockStanding, LedgerEntry

#: Kinds of entries that no clock keeps out: they stop changes, end the trouble, or sign what stands there.
ALWAYS = frozenset({"pause", "hold", "ledger.accepted", "ledger.restored", "head.signed"})

_DO = "Set this machine's clock right (NTP) and try again. pause and account hold work all the same."


def demand_clock(
    now: datetime,
    *,
    kinds: Collection[str],
    term: int,
    standing: ClockStanding,
    database: datetime | None,
    newest: Callable[[], LedgerEntry | None],
    max_skew_seconds: float,
) -> bool:
    """Whether the clock that says *now* is verified, or at least was not to be. *term* 0: a person writes. *database*: the time
    of the ledger's own server, asked now. *newest*: finds the ledger's last entry whose time was measured (``newest_measured``).
    Raises ClockOff when *kinds* may not be written."""
    off = abs((now - database).total_seconds()) if database is not None else 0.0
    verified = standing is ClockStanding.VERIFIED or (database is not None and off <= max_skew_seconds)
    if set(kinds) <= ALWAYS or (term > 0 and standing is ClockStanding.VERIFIED):
        return standing not in (ClockStanding.UNKNOWN, ClockStanding.REFUTED) or verified
    if standing is ClockStanding.REFUTED:
        raise ClockOff("this machine's clock differs from Zoom's by more than guards.max_clock_skew; nothing was written", _DO)
    if off > max_skew_seconds:
        raise ClockOff(
            f"this machine's clock differs from the database's by {off:.0f} s, more than guards.max_clock_skew "
            f"({max_skew_seconds:.0f} s); nothing was written",
            _DO,
        )
    behind = (measured - now).total_seconds() if (measured := measured_at(newest())) is not None else 0.0
    if behind > max_skew_seconds:
        raise ClockOff(
            f"the ledger's last entry was written at {time_text(measured) if measured else ''}, {behind:.0f} s after what this "
            f"machine's clock says; nothing was written",
            "One of the two clocks is wrong. If it is this one, set it right (NTP). If the ledger ends in the future: "
            "syncd ledger accept --by NAME --because TEXT. pause and account hold work all the same.",
        )
    return standing is not ClockStanding.UNKNOWN or verified


def standing_now(
    standing: ClockStanding, now: tuple[datetime, float], said: tuple[datetime, float], max_skew_seconds: float
) -> ClockStanding:
    """What is known of the clock *now*, after it was *said* (each the wall's time and monotonic seconds): a clock that was
    verified, and set meanwhile, is not known any more."""
    moved = (now[0] - said[0]).total_seconds() - (now[1] - said[1])
    set_meanwhile = standing is ClockStanding.VERIFIED and abs(moved) > max_skew_seconds
    return ClockStanding.UNKNOWN if set_meanwhile else standing


def newest_measured(last_ones: Iterable[LedgerEntry]) -> LedgerEntry | None:
    """Of the ledger's entries, the last one first, the first that says the time: a pause by a machine whose clock nobody checked
    does not hide the tip. Where a person accepted the ledger as it is, none before that does."""
    for entry in last_ones:
        if measured_at(entry) is not None:
            return entry
        if entry.kind == "ledger.accepted":
            return None
    return None


def measured_at(entry: LedgerEntry | None) -> datetime | None:
    """When an entry was written by its writer's clock; None for none, and for one of a clock that nobody checked."""
    if entry is None:
        return None
    try:
        body = json.loads(entry.body)
        if body.get("clock_unverified"):
            return None
        return datetime.fromisoformat(body.get("measured_at") or entry.at)
    except (ValueError, TypeError, AttributeError):
        return None
