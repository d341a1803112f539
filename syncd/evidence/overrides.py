"""Where a person decided instead of the rules, in a period. A fold beside ``periods``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.ledger import entries
from syncd.ledger.entry import Entry, rfc3339
from syncd.model import LedgerEntry, OutcomeKind


@dataclass(frozen=True, slots=True)
class _Override:
    """One of them. *who*: the reference of the account's name. *cycle*: of a change by hand, which says who asked for it."""

    at: datetime
    entry: LedgerEntry
    what: str
    details: str
    zoom_id: str
    who: str
    by: str = ""
    because: str = ""
    intent: str = ""


def said_by_person(says: Entry) -> tuple[str, str] | None:
    """(what, details) of a person's word that is an entry of its own; None: it is no such word."""
    match says:
        case entries.HoldPlaced():
            return "hold", f"until {rfc3339(says.until)}" if says.until is not None else "until released"
        case entries.HoldReleased():
            return "release", ""
        case entries.ChangesPaused():
            return "pause", "all changes stop"
        case entries.ChangesResumed():
            return "resume", "changes go on"
        case entries.CycleUndone():
            return "undo", f"of cycle {says.of}"
        case entries.RowAcknowledged():
            return "acknowledge", f"nobody is alerted of this account until {rfc3339(says.until)}"
        case entries.PeopleAnnounced():
            return "announce", (
                f"{len(says.accounts)} leavers named beforehand, {rfc3339(says.starts_at)} to {rfc3339(says.ends_at)}"
            )
        case entries.LegalHoldReleased():
            return "release_legal_hold", "of the account's content; over once two people say so within a week"
        case entries.LedgerAccepted():
            return "accept", _accepted(says)
        case _:
            return None


def _accepted(says: entries.LedgerAccepted) -> str:
    if says.directory:
        return f"the ledger, now read against {says.directory}"
    if says.missing_heads:
        return f"the ledger, without {len(says.missing_heads)} published heads that it no longer holds"
    return "the ledger, as it is"


@dataclass
class Overrides:
    """Takes the whole ledger, in order."""

    _found: list[_Override] = field(default_factory=list)
    _settled: dict[str, str] = field(default_factory=dict)  # intent by hand -> how it ended
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)  # cycle by hand -> by, because

    def take(self, entry: LedgerEntry, says: Entry, at: datetime, who: str) -> None:
        """One more entry. *who*: whom its subject was decided about last."""
        match says:
            case entries.IntentAnnounced(by="hand", action="deactivate" | "reactivate"):
                self._found.append(_Override(at, entry, says.action, "", entry.subject, says.who or who, intent=says.id))
                self._settled[says.id] = "not known yet how it ended"
            case entries.OutcomeSettled() if says.intent in self._settled:
                self._settled[says.intent] = "" if says.outcome == OutcomeKind.DONE else says.outcome
            case entries.CycleEnded(because=str() as because):
                self._asked[entry.cycle] = says.by or "", because
            case _:
                self._take_word(entry, says, at, who)

    def _take_word(self, entry: LedgerEntry, says: Entry, at: datetime, who: str) -> None:
        told = said_by_person(says)
        if told is None:
            return
        account = "" if isinstance(says, entries.PeopleAnnounced) else entry.subject
        by, because = getattr(says, "by", ""), getattr(says, "because", "")
        self._found.append(_Override(at, entry, *told, account, says.who or who, by, because))

    def _of(self, start: datetime, end: datetime) -> Iterator[_Override]:
        return (one for one in self._found if start <= one.at < end)

    def references(self, start: datetime, end: datetime) -> Iterator[str]:
        """Which personal data the rows need."""
        return (one.who for one in self._of(start, end))

    def rows(self, start: datetime, end: datetime, personal: Mapping[str, Mapping[str, str]]) -> list[dict[str, object]]:
        """One each, in their order. A change by hand is asked for by its cycle, which ends after it."""
        return [self._row(one, personal) for one in self._of(start, end)]

    def _row(self, one: _Override, personal: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
        by, because = self._asked.get(one.entry.cycle, ("", "")) if one.intent else (one.by, one.because)
        details = one.details
        if one.intent:
            details = "by hand" + (f": {ended}" if (ended := self._settled[one.intent]) else "")
        return {
            "at": rfc3339(one.at),
            "what": one.what,
            "details": details or None,
            "zoom_id": one.zoom_id or None,
            "email": personal.get(one.who, {}).get("email"),
            "by": by or None,
            "because": because or None,
            "entry": one.entry.seq,
        }
