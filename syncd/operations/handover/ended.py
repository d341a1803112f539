"""What became of an account that is no longer in Zoom: who asks for a leaver by address, months later, is told who has the
content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from syncd.ledger.history import History
from syncd.ledger.record import rfc3339
from syncd.model import CycleReport, HandoverDone, Policy
from syncd.operations.dependencies import Dependencies
from syncd.planning.handover import gone
from syncd.planning.match import Addresses


async def handed_over(
    deps: Dependencies, policy: Policy, report: CycleReport, history: History, address: str
) -> list[dict[str, Any]]:
    """Handovers of accounts that had this address and are gone, oldest first, as plain values. Nobody is known any more whose
    names were blanked. Raises LedgerError."""
    if report.zoom is None or not history.handovers:
        return []
    addresses = Addresses(policy)
    there = {one.zoom_id: one.email for one in report.zoom.accounts if one.zoom_id is not None}
    ended = {zoom_id: done for zoom_id, done in history.handovers.items() if zoom_id not in there}
    names = await deps.ledger.personal([done.who for done in ended.values() if done.who])
    found = [
        (done, told)
        for zoom_id, done in ended.items()
        if addresses.key(names.get(done.who, {}).get("email", "")) == addresses.key(address)
        and (told := _as_json(zoom_id, done, there)) is not None
    ]
    return [told for done, told in sorted(found, key=lambda one: one[0].at)]


def _as_json(zoom_id: str, done: HandoverDone, there: dict[str, str]) -> dict[str, Any] | None:
    case = gone(zoom_id, done)
    if case is None:
        return None
    return {
        "zoom_id": zoom_id,
        "stage": case.stage.value,
        "notes": list(case.notes),
        "announced_at": rfc3339(done.at),
        "settled_at": rfc3339(done.settled_at) if done.settled_at is not None else None,
        "receiver": there.get(done.item.receiver_id, done.item.receiver_id),
        "end": done.item.end,
        "content": list(done.item.content),
        "plan": done.plan,
        "by": done.by,
    }


def handed_over_told(one: dict[str, Any]) -> Iterator[str]:
    """One of these as lines for a person."""
    yield f"  handover   {one['stage']} at {one['settled_at'] or one['announced_at']}" + (
        f" ({', '.join(one['notes'])})" if one["notes"] else ""
    )
    yield f"             to {one['receiver']}: {', '.join(one['content'])}; end {one['end']}"
    yield f"             by {one['by']}, plan {one['plan'][:12]}"
