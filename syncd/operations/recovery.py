"""What an earlier run left open: settled by what Zoom shows, and licences that are still owed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from syncd.errors import AccountUnreadable, ConfigError, LedgerError, NotLeader, SourceError
from syncd.events import EffectSettled, Noted
from syncd.execution.context import REFUSED_IN_A_ROW, ExecutionContext, Progress
from syncd.execution.licences import restore_licence
from syncd.execution.lifecycle import Seen
from syncd.execution.settlement import (
    await_in_flight,
    look_before_settling,
    observe,
    resolve_from_observation,
    restores_begun,
)
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import (
    Action,
    EffectOutcome,
    Intent,
    Mode,
    OutcomeKind,
    OutcomeReason,
    Plan,
    Policy,
    Reason,
    Status,
    Verdict,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.operations.dependencies import Dependencies, Run
from syncd.operations.reading import as_listed
from syncd.planning.decide import REFUSAL_BELIEVED_FOR
from syncd.planning.guards import holds_everything
from syncd.reading import End, in_one_piece

#: Accounts that nothing is done to, not even finishing what a crash interrupted.
_LEFT_ALONE = frozenset({Reason.OUT_OF_SCOPE, Reason.ON_HOLD, Reason.EXEMPT})


async def settle_open_intents(
    deps: Dependencies, run: Run, history: History, zoom: ZoomSnapshot, cycle_id: str
) -> tuple[History, ZoomSnapshot]:
    """What a crash left open, judged by what Zoom shows now, and Zoom with the accounts that were looked at for it. A licence
    that was to be given back and is not yet becomes an open intent of its own. A dry run only foresees it."""
    if not history.intents or history.broken:
        return history, zoom
    accounts = {account.zoom_id: account for account in zoom.accounts if account.zoom_id is not None}
    if run.term is not None and run.mode is Mode.ENFORCE:
        accounts = await await_in_flight(history.intents.values(), accounts, deps.zoom, deps.clock)
    looked = await look_before_settling(history.intents.values(), accounts, deps.zoom)
    if looked:
        zoom = zoom.with_accounts(looked, in_one_piece((as_listed(one, zoom) for one in looked.values() if one), End.EACH_ASKED))
    accounts = {zoom_id: one for zoom_id, one in {**accounts, **looked}.items() if one is not None}
    settled = resolve_from_observation(
        (one for one in history.intents.values() if one.zoom_id in looked and not _still_owed(one, accounts, history)), accounts
    )
    drafts = [record.settled(intent, outcome, cycle=cycle_id) for intent, outcome in settled]
    if run.term is None:
        return history.foreseen(drafts, deps.clock.now()), zoom
    drafts += [
        record.intended(intent, accounts[intent.zoom_id]) for intent in restores_begun(settled, accounts, deps.clock.unique)
    ]
    if drafts:
        await deps.ledger.append(drafts, term=run.term)
    for intent, outcome in settled:
        address = accounts[intent.zoom_id].email if intent.zoom_id in accounts else ""
        deps.tell(EffectSettled(cycle_id, intent.zoom_id, address, intent.action, outcome.outcome.value, outcome.reason))
    return await deps.ledger.history(), zoom


def _still_owed(intent: Intent, accounts: Mapping[str, ZoomAccount], history: History) -> bool:
    """Whether a licence waits for an account that others switched off in Zoom: it may be switched on there again, and nobody gave
    it another licence. What we switched off ourselves has what it is owed in our own record of that."""
    account, last = accounts.get(intent.zoom_id), history.deactivated.get(intent.zoom_id)
    if account is None or observe(intent, account) is not Seen.INACTIVE or intent.action != "restore_licence":
        return False
    under_way = any(one.action == "deactivate" and one.zoom_id == intent.zoom_id for one in history.intents.values())
    return not under_way and not (last is not None and last.stands)


def unfinished_restores(
    run: Run, policy: Policy, history: History, plan: Plan, verdicts: tuple[Verdict, ...]
) -> list[tuple[Intent, ZoomAccount]]:
    """Licences that a crashed cycle announced and did not give back, with the accounts that wait for them. None while a
    guard holds everything, and none for an account that is to be left alone (what a person began by hand goes on: the hold
    came with it)."""
    now, held = plan.made_at, any(map(holds_everything, verdicts))
    if held or run.mode is not Mode.ENFORCE or not policy.restore_licence:
        return []
    open_ = {intent.zoom_id: intent for intent in history.intents.values() if intent.action == "restore_licence"}
    waiting = (
        [
            (open_[zoom_id], decision.account)
            for decision in plan.decisions
            if (zoom_id := decision.account.zoom_id) is not None
            and zoom_id in open_
            and decision.account.status is Status.ACTIVE
            and decision.action is not Action.DEACTIVATE
            and (decision.reason not in _LEFT_ALONE or open_[zoom_id].by != "cycle")
            and not refused_lately(history, zoom_id, now)
        ]
        if open_
        else []
    )
    first = history.good_reads % len(waiting) if waiting else 0  # not the same ones first each time: seats are few
    return waiting[first:] + waiting[:first]


def refused_lately(history: History, zoom_id: str, now: datetime) -> bool:
    """Whether Zoom would not give this account its licence, twice in a row and not for want of a free one."""
    refusal = history.refusals.get((zoom_id, "restore_licence"))
    return refusal is not None and now - refusal.at < REFUSAL_BELIEVED_FOR


async def give_owed_licences(
    owed: Sequence[tuple[Intent, ZoomAccount]], context: ExecutionContext, deps: Dependencies, progress: Progress
) -> None:
    """Goes on with licences that an earlier run announced. One account's trouble leaves the others alone; after some refusals
    in a row (``REFUSED_IN_A_ROW``) no more are tried. Never raises: a fault that concerns all stands in *progress*."""
    for intent, account in owed:
        if progress.stopped or progress.refused_beside[intent.action] >= REFUSED_IN_A_ROW:
            return
        try:
            seen = await deps.zoom.get_account(intent.zoom_id)
            if seen is not None and (seen.status, seen.type) == (account.status, account.type):
                await restore_licence(intent, seen, EffectOutcome(OutcomeKind.DONE), context, deps.ports, progress)
        except AccountUnreadable as error:
            deps.tell(
                Noted(
                    "account.failed",
                    "warning",
                    {
                        "cycle_id": context.cycle_id,
                        "zoom_id": intent.zoom_id,
                        "address": account.email,
                        "action": intent.action,
                        "outcome_reason": OutcomeReason.ACCOUNT_UNREADABLE.value,
                        "why": error.what,
                        "do": error.do,
                    },
                )
            )
        except (SourceError, ConfigError, LedgerError, NotLeader) as error:
            progress.stop_for(error)
