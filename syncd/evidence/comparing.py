"""A list of leavers of another system (personnel's, say) beside those told here: what stands in one only."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from syncd.errors import UsageError
from syncd.model.address import address_key

#: (address, left at) of each line.
OtherLeavers = Sequence[tuple[str, str]]

#: In the order in which they are told: what needs a look first.
WORDS = ("only_there", "only_here", "both")


class Known(NamedTuple):
    """What the ledger says at the period's end of an account that is not treated as leaving in it. *first_seen_at*: of a leaving
    at another time."""

    reason: str
    status: str
    first_seen_at: str | None


def other_leavers(path: Path) -> list[tuple[str, str]]:
    """(address, left at) of each line. Raises UsageError when it is no CSV with the columns ``address`` and ``left_at``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = {"address", "left_at"} - {name.strip().lower() for name in reader.fieldnames or ()}
            if missing:
                raise UsageError(
                    f"--compare: {path} has no column {', '.join(sorted(missing))}",
                    "The first line names the columns: address,left_at",
                )
            rows = [
                {(name or "").strip().lower(): value for name, value in row.items() if isinstance(value, str)} for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--compare: {path} cannot be read ({why})", "It must be a CSV in UTF-8.") from None
    found = [(row.get("address", "").strip(), row.get("left_at", "").strip()) for row in rows]
    for number, (address, left_at) in enumerate(found, start=2):
        try:
            date.fromisoformat(left_at[:10])
        except ValueError:
            raise UsageError(f"--compare: line {number} of {path}: {left_at!r} is no date", "Write 2026-10-31.") from None
        if "@" not in address:
            raise UsageError(f"--compare: line {number} of {path}: {address!r} is no address")
    return found


def compared(
    leavers: Sequence[Mapping[str, Any]], others: OtherLeavers, first: date, last: date, known: Mapping[str, Known]
) -> list[dict[str, object]]:
    """A row for each address of either list. Lines of the other list that left outside of the period are passed over. *known*:
    accounts by address; a leaver of the other list only is either not seen as one, or has no account at all."""
    there = {address_key(address): (address, left_at) for address, left_at in others if first <= _day(left_at) <= last}
    here = {address_key(row["email"] or ""): row for row in leavers}
    accounts = {address_key(address): one for address, one in known.items()}
    rows = []
    for key in sorted({*there, *here} - {""}):
        address, left_at = there.get(key, (None, None))
        row = here.get(key, {})
        account = accounts.get(key) if key not in here else None
        rows.append(
            {
                "address": row.get("email") or address,
                "stands_in": "both" if key in there and key in here else "only_there" if key in there else "only_here",
                "left_at": left_at,
                "first_seen_at": row.get("first_seen_at") if account is None else account.first_seen_at,
                "state": row.get("state"),
                "account": None if key in here else f"{account.status}, {account.reason}" if account else "none known",
            }
        )
    nameless = [
        {
            "address": row["zoom_id"],
            "stands_in": "only_here",
            "left_at": None,
            "first_seen_at": row["first_seen_at"],
            "state": row["state"],
            "account": None,
        }
        for row in leavers
        if not row["email"]
    ]
    return sorted([*rows, *nameless], key=lambda row: WORDS.index(row["stands_in"]))


def _day(left_at: str) -> date:
    return date.fromisoformat(left_at[:10])
