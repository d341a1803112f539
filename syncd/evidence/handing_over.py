"""What became of leavers' content in a period: who asked for which handover, who approved it, what was counted, what Zoom said,
and what a look showed afterwards. A fold beside ``periods``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.ledger import entries
from syncd.ledger.entry import Entry, rfc3339
from syncd.model import Inventory, LedgerEntry

#: How a handover stands that was announced and has no outcome.
OPEN = "handing_over"


@dataclass(slots=True)
class _Handover:
    """One announced handover. *who_receives*: the reference of the receiver's name, as last decided about."""

    entry: LedgerEntry
    says: entries.HandoverAnnounced
    at: datetime
    who_receives: str
    inventory: entries.InventoryTaken | None
    outcome: entries.HandoverSettled | None = None
    outcome_entry: int | None = None
    settled_at: datetime | None = None
    opened_at: datetime | None = None  # access, for an account that had to be active for it
    closed_at: datetime | None = None


@dataclass
class HandoversOfPeriod:
    """Takes the whole ledger, in order."""

    configured: bool = False  # whether the ledger ever heard of handing over
    _found: dict[str, _Handover] = field(default_factory=dict)  # by intent
    _inventories: dict[str, entries.InventoryTaken] = field(default_factory=dict)  # by Zoom id, the latest
    _names: dict[str, str] = field(default_factory=dict)  # zoom id -> reference of its name

    def take(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        """One more entry."""
        match says:
            case entries.DecisionMade():
                self._names[entry.subject] = says.who
            case entries.LeaverRemembered():
                self.configured = True
            case entries.InventoryTaken():
                self._inventories[entry.subject] = says
            case entries.HandoverAnnounced():
                self._found[says.id] = _Handover(
                    entry, says, at, self._names.get(says.item.receiver_id, ""), self._inventories.get(entry.subject)
                )
            case entries.HandoverSettled() if says.intent in self._found:
                one = self._found[says.intent]
                one.outcome, one.outcome_entry, one.settled_at = says, entry.seq, at
                if says.state == "handed_over" and one.opened_at is not None:
                    one.closed_at = at
            case entries.AccessChanged() if says.intent in self._found:
                self._take_access(self._found[says.intent], says, at)
            case _:
                pass

    @staticmethod
    def _take_access(one: _Handover, says: entries.AccessChanged, at: datetime) -> None:
        if says.step == "open" and says.state == "announced":
            one.opened_at = at
        elif says.step == "close" and says.state == "done":
            one.closed_at = at

    def _in(self, start: datetime, end: datetime) -> Iterator[_Handover]:
        return (one for one in self._found.values() if start <= one.at < end)

    def references(self, start: datetime, end: datetime) -> Iterator[str]:
        """Which personal data the rows need."""
        for one in self._in(start, end):
            yield from (one.says.who, one.who_receives)
            if one.inventory is not None:
                yield one.inventory.who

    def approvals(self, start: datetime, end: datetime) -> set[str]:
        """Approvals that handovers of the period used up."""
        return {id_ for one in self._in(start, end) for id_ in one.says.approvals}

    def rows(
        self,
        start: datetime,
        end: datetime,
        personal: Mapping[str, Mapping[str, str]],
        approvals: Mapping[str, Mapping[str, object]],
    ) -> list[dict[str, object]]:
        """One for each handover asked of Zoom in the time, in their order, told to the ledger's end."""
        return [self._row(one, personal, approvals) for one in self._in(start, end)]

    def _row(
        self, one: _Handover, personal: Mapping[str, Mapping[str, str]], approvals: Mapping[str, Mapping[str, object]]
    ) -> dict[str, object]:
        says, item, outcome = one.says, one.says.item, one.outcome
        approved = [approvals[id_] for id_ in says.approvals if id_ in approvals]
        return {
            "zoom_id": item.zoom_id,
            "email": personal.get(says.who, {}).get("email"),
            "state": outcome.state if outcome is not None else OPEN,
            "end": item.end,
            "content": list(item.content),
            "hold_unchecked": item.hold_unchecked,
            "reopened": item.reopen,
            "opened_at": rfc3339(one.opened_at) if one.opened_at is not None else None,
            "closed_at": rfc3339(one.closed_at) if one.closed_at is not None else None,
            "receiver_id": item.receiver_id,
            "receiver": personal.get(one.who_receives, {}).get("email"),
            "held": _counted(one.inventory, personal),
            "receiver_before": dict(says.receiver_before),
            "receiver_after": dict(outcome.receiver_after) if outcome is not None else {},
            "missing": dict(outcome.missing) if outcome is not None else {},
            "asked_at": rfc3339(one.at),
            "settled_at": rfc3339(one.settled_at) if one.settled_at is not None else None,
            "says": (outcome.says or None) if outcome is not None else None,
            "code": outcome.code if outcome is not None else None,
            "seen": (outcome.seen or None) if outcome is not None else None,
            "by": says.by,
            "because": says.because,
            "approved_by": [approval["by"] for approval in approved],
            "approved_because": [approval["because"] for approval in approved],
            "approvals": list(says.approvals),
            "plan": says.plan,
            "entry": one.entry.seq,
            "outcome_entry": one.outcome_entry,
        }


def _counted(inventory: entries.InventoryTaken | None, personal: Mapping[str, Mapping[str, str]]) -> dict[str, int | str]:
    """What the account held at the first sight of leaving; what could not be read, or was blanked since, is the word
    ``unknown``."""
    if inventory is None:
        return {}
    held = Inventory.of_personal(personal.get(inventory.who, {})) if inventory.who else inventory
    kinds = ("meetings", "webinars", "recordings", "recording_bytes")
    return {kind: "unknown" if (count := getattr(held, kind)) is None else count for kind in kinds}


def story_of(says: Entry) -> str | None:
    """What a leaver's story says of an entry about their content; None: nothing."""
    match says:
        case entries.InventoryTaken():
            return "what the account holds was counted"
        case entries.HandoverAnnounced():
            return f"Zoom is asked to {says.item.end} it and hand its content over, by {says.by}: {says.because}"
        case entries.AccessChanged():
            what = "made active for its handover" if says.step == "open" else "deactivated again"
            return f"{what}: {says.state.replace('_', ' ')}" + (f", {says.says}" if says.says else "")
        case entries.HandoverSettled():
            return says.state.replace("_", " ") + (f": {says.says}" if says.says else "")
        case _:
            return None
