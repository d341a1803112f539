"""What is missing from the evidence of a period, as far as the ledger itself knows. A fold beside ``periods``.

entries_lost      a backup was put back, by syncd or behind its back: what was written after it was made is gone
earlier_ledger    this ledger was begun beside the reports of another one
not_filed         a cycle ended, and its report or its line was not in the folder then
reports_removed   retention removed report files; their hashes stay
names_blanked     names and addresses that were no longer kept
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from syncd.ledger import entries
from syncd.ledger.entry import Entry, rfc3339
from syncd.model import LedgerEntry

#: Of these not even the ledger knows what was in them.
LOST = frozenset({"entries_lost", "earlier_ledger"})


@dataclass(frozen=True, slots=True)
class _Lack:
    """Something that is missing of the time from *since* (None: of any time) to *at*."""

    what: str
    since: datetime | None
    at: datetime
    says: str
    number: int
    entry: int


@dataclass
class Missing:
    """Takes the whole ledger, in order."""

    _found: list[_Lack] = field(default_factory=list)
    _before: datetime | None = None  # the time of the entry before
    _ended: list[tuple[int, datetime]] = field(default_factory=list)  # ends of cycles: their heads are published
    _restored: bool = False  # and nobody accepted it yet

    def take(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        """One more entry."""
        before, self._before = self._before, at
        match says:
            case entries.LedgerRestored() if (says.lost_sequence, says.lost_hash) not in ((says.sequence, says.hash), (0, "")):
                self._note(
                    "entries_lost",
                    before,
                    at,
                    entry,
                    (
                        f"a backup that ends at entry {says.sequence} was put back; the ledger that was there ended at entry "
                        f"{says.lost_sequence} ({says.lost_hash})"
                    ),
                )
                self._restored = True
            case entries.LedgerAccepted():
                if says.missing_heads and not self._restored:
                    self._note(
                        "entries_lost",
                        self._last_before(min(says.missing_heads)[0]),
                        at,
                        entry,
                        (
                            f"{len(says.missing_heads)} published heads, up to entry {max(says.missing_heads)[0]}, are not "
                            f"in the ledger: it was put back to before entry {min(says.missing_heads)[0]}"
                        ),
                    )
                self._restored = False
            case entries.CycleEnded():
                self._ended.append((entry.seq, at))
            case entries.LedgerOpened() if says.beside:
                self._note(
                    "earlier_ledger",
                    None,
                    at,
                    entry,
                    (f"{says.beside} reports of an earlier ledger lay in the folder when this one was begun"),
                )
            case entries.ReportUnfiled():
                self._note("not_filed", at, at, entry, f"cycle {entry.cycle}: {says.why}")
            case entries.ReportsRemoved():
                self._note("reports_removed", None, at, entry, "", len(says.files))
            case entries.PersonalBlanked():
                self._note("names_blanked", None, at, entry, "", says.rows)
            case entries.LedgerUpgraded() if says.blanked:
                self._note("names_blanked", None, at, entry, "", len(says.blanked))
            case _:
                pass

    def _last_before(self, seq: int) -> datetime | None:
        """The end of the last cycle whose head was still in the chain."""
        return next((at for ended, at in reversed(self._ended) if ended < seq), None)

    def _note(self, what: str, since: datetime | None, at: datetime, entry: LedgerEntry, says: str, number: int = 0) -> None:
        self._found.append(_Lack(what, since, at, says, number, entry.seq))

    def rows(self, start: datetime, end: datetime) -> list[dict[str, object]]:
        """What may be missing of that time, whatever was taken away later too. What is taken away bit by bit is one row."""
        reaching = [one for one in self._found if one.at >= start and (one.since is None or one.since < end)]
        rows = [_row(one, one.says) for one in reaching if one.says]
        for what, words in (
            ("reports_removed", "report files were removed when their time was over; the last"),
            ("names_blanked", "names and addresses were blanked when their time was over; the last"),
        ):
            found = [one for one in reaching if one.what == what]
            if found:
                rows.append(_row(found[0], f"{sum(one.number for one in found):,} {words} {rfc3339(found[-1].at)}"))
        return rows


def _row(one: _Lack, says: str) -> dict[str, object]:
    return {"at": rfc3339(one.at), "what": one.what, "says": says, "entry": one.entry}
