"""Carry out exactly what was decided: everything is tried once, several at a time; what is not tried stays for the next cycle.

One account after another is ``attempt``. Here stands what concerns them together: the order, how many at a time, and when
the trouble of single accounts is a fault of the set-up after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from syncd.errors import LedgerError, NotLeader
from syncd.events import EffectSettled
from syncd.execution.attempt import Attempt, attempt, too_fast
from syncd.execution.context import ExecutionContext, Ports, Progress
from syncd.execution.licences import frees_licence
from syncd.execution.set_up import Parts
from syncd.model import Action, Decision, EffectOutcome, OutcomeKind, StopReason

__all__ = ["ExecutionContext", "Ports", "Progress", "execute"]


async def execute(effects: Sequence[Decision], context: ExecutionContext, ports: Ports, progress: Progress) -> None:
    """Tries every effect and keeps *progress*; those not tried say why. Reactivations first: being locked out is worse.

    Never raises for what one account does; a fault that concerns all (ledger, scope, lease, limits) ends the run and
    stands in ``Progress.error``. Cancelling leaves the write in hand open in the ledger, to be settled by looking.
    """
    queue = Parts(sorted(effects, key=lambda effect: effect.action is not Action.REACTIVATE))

    async def one() -> None:
        elsewhere = progress.same_answers.doubted
        effect = queue.take_elsewhere() if elsewhere else queue.take()
        made = await attempt(effect, context, ports, progress)
        progress.outcomes[effect.key] = made.outcome
        _tell_settled(effect, made.outcome, context, ports)
        _suspect_set_up(made, progress, elsewhere=elsewhere)
        await _suspect_rate(made, progress)

    async def work() -> None:
        while queue:
            await one()

    if queue:
        await one()  # alone: a fault that concerns all shows itself on one account
    async with asyncio.TaskGroup() as group:
        for _ in range(min(ports.concurrency, len(queue))):
            group.create_task(work())
    if progress.too_fast and progress.stopped is None:
        if progress.accepted:
            await _remember_too_fast(progress)
        else:  # nobody else shows whether Zoom means this account or everybody
            progress.stop(StopReason.LIMIT_REACHED, too_fast())


async def _suspect_rate(made: Attempt, progress: Progress) -> None:
    """A change that was refused for its rate to the end is that account's trouble once another one is accepted, and everybody's
    when the next one meets the same."""
    if made.too_fast and len(progress.too_fast) > 1 and made.set_up is not None:
        progress.stop(*made.set_up)
    elif made.outcome.outcome is OutcomeKind.DONE:
        await _remember_too_fast(progress)


async def _remember_too_fast(progress: Progress) -> None:
    while progress.too_fast:
        try:
            await progress.too_fast.pop()()
        except (LedgerError, NotLeader) as error:
            progress.stop_for(error)


def _suspect_set_up(made: Attempt, progress: Progress, *, elsewhere: bool) -> None:
    """Stops the run when several accounts running met the same odd answer, some of them from another part of the plan."""
    if made.outcome.outcome is OutcomeKind.NOT_TRIED:
        return
    answer = made.answer if made.may_be_set_up else ""
    if progress.same_answers.met(answer, elsewhere=elsewhere) and made.set_up is not None:
        progress.stop(*made.set_up)


def _tell_settled(effect: Decision, outcome: EffectOutcome, context: ExecutionContext, ports: Ports) -> None:
    done = outcome.outcome is OutcomeKind.DONE and effect.action is Action.DEACTIVATE
    moment = outcome.verified_at or outcome.done_at
    changed = context.changed_at.get(effect.account.zoom_id or "")
    left_at, _ = effect.left(changed)
    ports.tell(
        EffectSettled(
            context.cycle_id,
            effect.account.zoom_id or "",
            effect.account.email,
            effect.action.value,
            outcome.outcome.value,
            str(outcome.reason),
            max(0.0, (moment - left_at).total_seconds()) if done and moment is not None and left_at is not None else None,
            licence_released=frees_licence(effect, outcome),
            lockout_seconds=max(0.0, (outcome.verified_at - changed).total_seconds())
            if done and changed is not None and outcome.verified_at is not None
            else None,
        )
    )
