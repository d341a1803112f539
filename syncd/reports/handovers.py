"""The table of a period's handovers: what became of leavers' content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syncd.reports.view import Column, Kind, Row

COLUMNS = (
    Column("email", "Account", Kind.STRONG, "Whose content it was", "Account"),
    Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good", "Account"),
    Column(
        "state",
        "State",
        Kind.WORD,
        "handed_over, refused (surely not done), unconfirmed (the answer was lost or doubtful), or handing_over (no outcome yet)",
        "State",
    ),
    Column("says", "What was said", Kind.TEXT, "By Zoom, or by what was counted afterwards", "State"),
    Column("code", "Code", Kind.NUMBER, "Zoom's number of a refusal", "State", label="Zoom's code"),
    Column("receiver", "Receiver", Kind.TEXT, "Who got the content", "Receiver"),
    Column("receiver_id", "Receiver's Zoom id", Kind.CODE, "As the approved plan binds it", "Receiver"),
    Column("content", "Content", Kind.LIST, "Which kinds were to be handed over; the rest is lost", "Content"),
    Column("held", "Held", Kind.TEXT, "What the account held at the first sight of leaving", "Content", label="held"),
    Column("receiver_before", "Before", Kind.TEXT, "Counted at the receiver before", "Content", label="receiver before"),
    Column("receiver_after", "After", Kind.TEXT, "Counted at the receiver after", "Content", label="after"),
    Column("missing", "Missing", Kind.TEXT, "How many fewer arrived than were there", "Content", label="missing"),
    Column("end", "End", Kind.WORD, "delete or unlink", "What"),
    Column(
        "hold_unchecked",
        "Hold unchecked",
        Kind.YESNO,
        "Approved although a legal hold in the directory could no longer be seen",
        "What",
        label="hold unchecked",
    ),
    Column("opened_at", "Opened", Kind.MOMENT, "Access given back for it, where the plan says so", "When", label="opened"),
    Column("closed_at", "Closed", Kind.MOMENT, "When that was over; empty: somebody else ended it", "When", label="closed"),
    Column("asked_at", "Asked", Kind.MOMENT, "Written down, right before the request", "When"),
    Column("settled_at", "Settled", Kind.MOMENT, "When its outcome was written down", "When", label="settled"),
    Column("seen", "Seen", Kind.WORD, "What a look at the account showed after: gone, there or not_looked", "When", label="seen"),
    Column("by", "By", Kind.TEXT, "Who ran it", "Who", label="run by"),
    Column("because", "Why", Kind.TEXT, "As given", "Who"),
    Column(
        "approved_by", "Approved by", Kind.LIST, "Who approved exactly this; one at least is not who ran it", "Who", label="by"
    ),
    Column("approved_because", "Approved because", Kind.LIST, "As given", "Who"),
    Column("plan", "Plan", Kind.CODE, "The plan that was approved: account, receiver, content and end", "Evidence"),
    Column("approvals", "Approvals", Kind.LIST, "Their ids; each is used up by the request", "Evidence"),
    Column("entry", "Entry", Kind.NUMBER, "Its announcement in the ledger", "Evidence", label="ledger entry"),
    Column("outcome_entry", "Outcome's entry", Kind.NUMBER, "Its outcome in the ledger", "Evidence", label="outcome"),
)

SAYS = (
    "What people had done with leavers' accounts and content (syncd handover run). Nothing of it happens in a cycle, and nothing "
    "can be taken back: each was planned, approved by somebody else, written down before Zoom was asked once, and counted after."
)


def rows_of(found: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One for each handover asked of Zoom."""
    return [[_value(one[column.key], column.kind) for column in COLUMNS] for one in found]


def _value(value: Any, kind: Kind) -> Any:
    if kind is Kind.MOMENT:
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in value.items()) or None
    return tuple(value) or None if isinstance(value, list) else value
