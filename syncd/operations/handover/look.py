"""Every case as it is now, and what a handover demands of the read behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncd.errors import Held, SourceError
from syncd.events import Noted
from syncd.ledger.record import rfc3339
from syncd.model import (
    CycleReport,
    GroupUse,
    Guard,
    HandoverRules,
    Inventory,
    Mode,
    Policy,
    Stage,
    Trigger,
    ZoomAccount,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.dependencies import Dependencies
from syncd.operations.leavers import CountsContent, facts_of, tell_stages
from syncd.planning.guards import READ_GUARDS
from syncd.planning.handover import (
    Case,
    HandoverFacts,
    cases,
)

#: Guards of the ledger's state that a handover never passes.
_STATE_GUARDS = frozenset({Guard.LEDGER_BROKEN, Guard.LEDGER_NEW, Guard.LEDGER_ROLLED_BACK})


@dataclass(frozen=True)
class Looked:
    """Every case as it is now. *doubts*: why the read is not to be believed for a handover; none for a good one."""

    facts: HandoverFacts
    cases: tuple[Case, ...]
    doubts: tuple[str, ...]


async def look(deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode) -> Looked:
    """Reads both sides whole and computes the stages. Raises SourceError when a side, or a legal hold, cannot be read."""
    report = await run_cycle(deps, policy, Run(mode, Trigger.HANDOVER))
    if report.plan is None or report.directory is None:
        raise SourceError("directory or zoom", report.why or "not read whole", report.do)
    _demand_holds_readable(report)
    facts = await facts_of(deps, policy, rules, report, await deps.ledger.history())
    found = cases(facts)
    tell_stages(deps, found)
    doubts = tuple(one.says for one in report.verdicts if one.tripped and one.guard in READ_GUARDS | _STATE_GUARDS)
    return Looked(facts, found, doubts)


def _demand_holds_readable(report: CycleReport) -> None:
    assert report.directory is not None
    missing = [group.name for group in report.directory.groups if group.use is GroupUse.HOLDING and not group.exists]
    if missing:
        raise SourceError(
            "directory",
            f"handover.legal_hold names groups that nothing shows to exist: {', '.join(missing)}",
            "Nobody's content is handed over while a legal hold cannot be read: correct the name.",
        )


def demand_believed(looked: Looked) -> None:
    """Raises Held where the read behind it is not a good one."""
    if looked.doubts:
        raise Held(f"nothing was done: {'; '.join(looked.doubts)}", "See syncd plan; a handover needs a good read of both sides.")


def plannable(case: Case) -> bool:
    """Whether a plan may contain it."""
    return case.stage in (Stage.DUE, Stage.APPROVED) or "may_be_planned_anew" in case.notes


async def content_now(deps: Dependencies, account: ZoomAccount) -> Inventory:
    """What the account holds now; unknown where it cannot be told."""
    if not isinstance(deps.zoom, CountsContent):
        return Inventory()
    try:
        return await deps.zoom.content_of(account)
    except SourceError as error:
        deps.tell(Noted("content.unknown", "warning", {"zoom_id": account.zoom_id or "", "why": error.what}))
        return Inventory()


def row_of(case: Case, facts: HandoverFacts) -> dict[str, Any]:
    """One case as plain values, with what was counted at the first sight of leaving."""
    inventory = facts.inventories.get(case.zoom_id)
    return {
        "zoom_id": case.zoom_id,
        "email": case.account.email if case.account is not None else None,
        "display_name": case.account.display_name if case.account is not None else None,
        "stage": case.stage.value,
        "reason": case.reason.value if case.reason is not None else None,
        "deactivated_at": rfc3339(case.deactivated_at) if case.deactivated_at is not None else None,
        "due_at": rfc3339(case.due_at) if case.due_at is not None else None,
        "zoom_deletes_at": rfc3339(case.lost_at) if case.lost_at is not None else None,
        "receiver": _receiver_of(case, facts),
        "no_receiver": case.why_none or None,
        "hold_unchecked": "hold_unchecked" in case.notes,
        "notes": list(case.notes),
        "inventory": inventory[1].as_json() if inventory is not None else None,
        "handed_over_at": rfc3339(case.done.settled_at or case.done.at)
        if case.done is not None and case.stage is Stage.HANDED_OVER
        else None,
    }


def _receiver_of(case: Case, facts: HandoverFacts) -> dict[str, Any] | None:
    """Who would receive it, or did: of a handover that was announced whoever it was announced for (*rule* None)."""
    if case.receiver is not None:
        account = case.receiver.account
        return {"zoom_id": account.zoom_id, "email": account.email, "rule": case.receiver.rule}
    if case.done is None or case.stage is Stage.KEPT:
        return None
    id_ = case.done.item.receiver_id
    email = next((one.account.email for one in facts.decisions if one.account.zoom_id == id_), None)
    return {"zoom_id": id_, "email": email, "rule": None}
