"""What became of handovers that a stopped process left announced: told by a look, before anybody plans or runs any."""

from __future__ import annotations

from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.model import Stage, Status, ZoomAccount
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.access import settle_access


async def settle(deps: Dependencies, term: int) -> list[str]:
    """Looks what became of handovers that were announced and have no outcome, with the writer's lock in hand; their zoom ids.
    Raises SourceError, LedgerError."""
    history = await deps.ledger.history()
    open_ = {zoom_id: done for zoom_id, done in history.handovers.items() if done.state == Stage.HANDING_OVER}
    for zoom_id, done in open_.items():
        account = await deps.zoom.get_account(zoom_id)
        state, seen = (Stage.HANDED_OVER, "gone") if account is None else (Stage.UNCONFIRMED, "there")
        await deps.ledger.append(
            [
                draft(
                    entries.HandoverSettled(
                        intent=done.intent,
                        state=state.value,
                        says="interrupted; told by a look at the account" + _left_open(account),
                        seen=seen,
                    ),
                    subject=zoom_id,
                )
            ],
            term=term,
        )
    await settle_access(deps, term)
    return list(open_)


def _left_open(account: ZoomAccount | None) -> str:
    if account is None or account.status is not Status.ACTIVE:
        return ""
    return ", which is ACTIVE: the next cycle switches it off if nobody is entitled to it; at once: syncd account deactivate"
