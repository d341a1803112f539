"""A plan of handovers: what is due, to whom, and what would be lost; recorded, so that somebody can approve exactly it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from syncd.errors import UsageError
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.record import rfc3339
from syncd.model import (
    HANDOVER_FORMAT,
    HandoverItem,
    HandoverPlan,
    HandoverRules,
    Inventory,
    Mode,
    Policy,
    Stage,
)
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.look import Looked, content_now, demand_believed, look, plannable, row_of
from syncd.planning.handover import Case, many_to_one

#: Digits of a plan digest that must be given at least.
DIGEST_PREFIX_MIN = 8

#: What is lost whatever is handed over.
ALWAYS_LOST = ("meetings on the personal meeting id", "attendance, registration and poll reports", "chat and contacts")

#: How an account is handed over, for a plan's readers.
STAYS_OFF = "the account stays deactivated; the way that needs a seat and an active account is off (--reopen)"
REOPENED = (
    "each account is made active and given a licence (a free seat), and deactivated again if Zoom does not end it: until then, "
    "for seconds or minutes, whoever can sign in has access again"
)

NO_UNDO = (
    "There is no undo: what is handed over stays with the receiver, and the account, its licence history and everything "
    "left behind are gone."
)


async def make_plan(
    deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode, only: Sequence[str] = (), *, reopen: bool = False
) -> tuple[HandoverPlan, dict[str, Any]]:
    """A plan of everything due (or of *only* these addresses), recorded, with its document. *reopen*: over active, licensed
    accounts. Raises Held, SourceError, UsageError, LedgerError."""
    looked = await look(deps, policy, rules, mode)
    demand_believed(looked)
    ready = [case for case in looked.cases if plannable(case)]
    if only:
        keys = {looked.facts.addresses.key(address) for address in only}
        known = {looked.facts.addresses.key(case.account.email): case for case in ready if case.account is not None}
        if missing := sorted(keys - known.keys()):
            stages = {looked.facts.addresses.key(case.account.email): _stage(case) for case in looked.cases if case.account}
            named = (f"{key} ({stages.get(key, 'no deactivated account in scope')})" for key in missing)
            raise UsageError(f"not due: {', '.join(named)}", "See syncd handover list: it shows all with the day they fall due.")
        ready = [case for key, case in known.items() if key in keys]
    items = tuple(item for case in ready if (item := case.item(rules, reopen=reopen)) is not None)
    plan = HandoverPlan(tuple(sorted(items, key=lambda item: item.zoom_id)), policy.digest(), deps.clock.now())
    holds = {case.zoom_id: await content_now(deps, case.account) for case in ready if case.account is not None}
    if items:
        await deps.ledger.append(
            [
                draft(
                    entries.HandoverPlanned(policy=plan.policy_digest, items=tuple(item_planned(item) for item in plan.items)),
                    subject=plan.digest,
                )
            ]
        )
    return plan, document(plan, looked, holds, reopen=reopen)


def _stage(case: Case) -> str:
    """In words."""
    due = f", due at {rfc3339(case.due_at)}" if case.stage is Stage.WAITING and case.due_at is not None else ""
    return case.stage.value + (f", {case.reason.value}" if case.reason is not None else "") + due


def item_planned(item: HandoverItem) -> entries.ItemPlanned:
    """One item as the ledger writes it."""
    return entries.ItemPlanned(item.zoom_id, item.receiver_id, item.end, item.content, item.hold_unchecked, item.reopen)


def document(plan: HandoverPlan, looked: Looked, holds: dict[str, Inventory], *, reopen: bool = False) -> dict[str, Any]:
    """The document ``syncd.handover/1``."""
    rules, by_id = looked.facts.rules, {case.zoom_id: case for case in looked.cases}
    stages = {stage.value: sum(case.stage is stage for case in looked.cases) for stage in Stage}
    planned = [by_id[item.zoom_id] for item in plan.items]
    receiving = [case.receiver.account for case in planned if case.receiver is not None]
    receivers = {account.zoom_id or "": account.email for account in receiving}
    return {
        "format": HANDOVER_FORMAT,
        "digest": plan.digest,
        "made_at": rfc3339(plan.at),
        "policy_digest": plan.policy_digest,
        "end": rules.end,
        "content": list(rules.content),
        "left_behind": list(rules.left_behind),
        "always_lost": list(ALWAYS_LOST),
        "undo": NO_UNDO,
        "reopen": reopen,
        "way": REOPENED if reopen else STAYS_OFF,
        "stages": stages,
        "many_to_one": [{"receiver": receivers[id_], "people": count} for id_, count in sorted(many_to_one(planned).items())],
        "items": [row_of(case, looked.facts) | {"holds": holds.get(case.zoom_id, Inventory()).as_json()} for case in planned],
    }


def plan_named(plans: Sequence[HandoverPlan], digest: str, now: datetime) -> HandoverPlan:
    """The recorded plan that begins so, and is not too old at *now*. Raises UsageError."""
    if len(digest) < DIGEST_PREFIX_MIN:
        raise UsageError(f"--plan needs at least {DIGEST_PREFIX_MIN} digits of the digest")
    found = [plan for plan in plans if plan.digest.startswith(digest)]
    if len(found) != 1:
        raise UsageError(
            f"{digest} is the beginning of {len(found) or 'no'} recorded plan{'s' if len(found) > 1 else ''} of handovers",
            "Make one: syncd handover plan",
        )
    if now - found[0].at > entries.PLAN_LASTS:
        raise UsageError(
            f"that plan of handovers was made on {found[0].at:%Y-%m-%d}, and one counts for {entries.PLAN_LASTS.days} days",
            "Plan anew: syncd handover plan",
        )
    return found[0]
