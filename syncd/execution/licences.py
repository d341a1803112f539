"""Licences as seats: what an account is owed once it is back, how many are free before, and whether one was set free.

Zoom takes every licence with a deactivation and gives none back by itself, so both are money. What a return was promised is
owed until a read shows it, or a person gives another licence: its intent stays open in the ledger for so long, through crashes,
pauses and cycles without a free seat. Counting free seats needs a scope of its own that is optional: whatever cannot be known
is None, and nothing ever waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from syncd.errors import AccountUnreadable, AnswerLost, ConfigError, Refused, ScopeMissing, SourceError
from syncd.execution.context import REFUSED_IN_A_ROW, ExecutionContext, Ports, Progress, may_act, may_continue, tell_settled
from syncd.execution.lifecycle import REFUSALS, Seen, State, Step, step
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import (
    Action,
    Decision,
    EffectOutcome,
    Intent,
    OutcomeKind,
    OutcomeReason,
    Plan,
    Policy,
    ZoomAccount,
    licence_word,
)

#: Zoom's type of a user who takes a paid seat.
LICENSED = 2

#: Types that are worth giving back: a licence, and one that is assigned outside of Zoom's own.
RESTORED = (2, 4)

#: Looks after a licence was given before it counts as not confirmed: single reads may lag behind a change.
LOOKS_AFTER_WRITE = 3
LOOK_AGAIN_SECONDS = 1.0

#: How often a licence is asked for while Zoom is busy with the account: a quarter of a minute in all.
TRIES_WHILE_BUSY = 6


@runtime_checkable
class CountsSeats(Protocol):
    """A Zoom that can tell how many licences are bought and not in use."""

    async def free_licences(self) -> int | None:
        """So many, or None when the app may not know. Raises SourceError."""


async def free_before(plan: Plan, zoom: object) -> int | None:
    """Licences free before *plan* is carried out; None when it reactivates nobody or the number cannot be known."""
    if not plan.counts[Action.REACTIVATE] or not isinstance(zoom, CountsSeats):
        return None
    try:
        return await zoom.free_licences()
    except (SourceError, ConfigError):  # whatever this is, the changes themselves meet it and say so
        return None


def frees_licence(decision: Decision, outcome: EffectOutcome | None) -> bool:
    """Whether a deactivation set a seat free, as a look after it showed."""
    return (
        decision.action is Action.DEACTIVATE
        and decision.account.type == LICENSED
        and outcome is not None
        and outcome.outcome is OutcomeKind.DONE
        and outcome.licence_after not in (None, licence_word(LICENSED))
    )


def licences_owed(effects: Sequence[Decision], history: History, policy: Policy) -> dict[str, Mapping[str, Any]]:
    """Zoom id -> the licence to give back, for those to reactivate that had more than a basic one when we deactivated them;
    and for those to deactivate the one they are still owed, so that leaving again does not lose it."""
    owed: dict[str, Mapping[str, Any]] = {}
    promised = {intent.zoom_id: intent.restore for intent in history.intents.values() if intent.action == "restore_licence"}
    for effect in effects:
        zoom_id = effect.account.zoom_id or ""
        last, promise = history.deactivated.get(zoom_id), promised.get(zoom_id)
        if effect.action is Action.DEACTIVATE and promise is not None and effect.account.type != promise.get("type"):
            owed[zoom_id] = promise
        elif policy.restore_licence and effect.action is Action.REACTIVATE and last is not None and last.type in RESTORED:
            owed[zoom_id] = {"type": last.type, "plan": last.plan}
    return owed


async def restore_licence(
    intent: Intent, seen: ZoomAccount, outcome: EffectOutcome, context: ExecutionContext, ports: Ports, progress: Progress
) -> EffectOutcome:
    """Gives the recorded licence back after a reactivation, under an intent already in the ledger. The reactivation stays
    done either way; without a licence its reason becomes ``reactivated_without_licence``, and the intent stays open: the next
    cycle goes on with it. Raises LedgerError, NotLeader.
    """
    without = replace(outcome, reason=OutcomeReason.REACTIVATED_WITHOUT_LICENCE)
    if not await may_continue(context, ports, progress):
        return without
    if progress.refused_beside[intent.action] >= REFUSED_IN_A_ROW:
        reason = OutcomeReason.LICENCE_LIMIT_REACHED if progress.none_free else OutcomeReason.REFUSED
        spared = step(intent.action, State.ANNOUNCED, Seen.ENOUGH_REFUSED).of()
        tell_settled(intent, seen.email, replace(spared, reason=reason), context, ports)
        return without
    with progress.writing() as came:
        sent, stop = await _give(intent, ports, progress)
        came(sent)
    if stop is not None:
        progress.stop_for(stop)
        if isinstance(stop, ScopeMissing):
            tell_settled(intent, seen.email, replace(sent.of(progress.stopped), attempts=1), context, ports)
        return without
    shown, account = await _look(intent, ports, refused=sent.state is State.DECLINED)
    ended = step(intent.action, sent.state, shown)
    result = replace(ended.of(), attempts=1)
    if sent.state is State.DECLINED and result.outcome is OutcomeKind.FAILED:
        result = replace(result, reason=sent.reason or result.reason)
    if account is not None:
        now = ports.clock.now() if shown is Seen.WANTED else None
        result = replace(
            result, status_after=account.status.value, licence_after=licence_word(account.type), done_at=now, verified_at=now
        )
    if sent.state is State.DECLINED and ended.state is State.OPEN and result.reason != OutcomeReason.LICENCE_LIMIT_REACHED:
        await progress.commit.append(
            ports.ledger,
            [
                record.troubled(
                    context.cycle_id,
                    intent.zoom_id,
                    intent.action,
                    reason=str(result.reason),
                    says="",
                    code=None,
                    fingerprint="",
                )
            ],
            context.term,
        )
    if ended.state is State.SETTLED:
        await progress.commit.append(ports.ledger, [record.settled(intent, result, cycle=context.cycle_id)], context.term)
    tell_settled(intent, seen.email, result, context, ports)
    if result.outcome is OutcomeKind.DONE:
        return replace(outcome, licence_after=result.licence_after or outcome.licence_after)
    return without


async def _give(intent: Intent, ports: Ports, progress: Progress) -> tuple[Step, SourceError | ConfigError | None]:
    """Asks Zoom to give the licence, and what that comes to; an error concerns every account. While Zoom works on another
    change of this account (one sent before a crash, say) it is asked again, each time a little later."""
    restore, tries = intent.restore or {}, 1
    try:
        while True:
            try:
                await ports.zoom.restore_licence(intent.zoom_id, type_=int(restore["type"]), plan=restore.get("plan"))
                break
            except Refused as error:
                if error.kind != "throttled" or tries >= TRIES_WHILE_BUSY or may_act(ports) is not None:
                    raise
            await ports.clock.sleep(tries * LOOK_AGAIN_SECONDS)
            tries += 1
    except Refused as error:
        progress.refused_beside[intent.action] += 1
        progress.none_free = error.kind == "no_licence"
        refused = REFUSALS.get(error.kind, Seen.REFUSED)
        said = step("reactivate", State.ANNOUNCED, refused).reason  # a refusal has one word, whatever it refuses
        return replace(step(intent.action, State.ANNOUNCED, refused), reason=said), None
    except AnswerLost:
        return step(intent.action, State.ANNOUNCED, Seen.LOST), None
    except (SourceError, ConfigError) as error:
        return step(intent.action, State.ANNOUNCED, Seen.SET_UP), error
    progress.refused_beside[intent.action] = 0
    return step(intent.action, State.ANNOUNCED, Seen.ACCEPTED), None


async def _look(intent: Intent, ports: Ports, *, refused: bool) -> tuple[Seen, ZoomAccount | None]:
    """What looks show of a licence after it was asked for. A read may lag behind a change, but a refusal is final."""
    owed = int((intent.restore or {})["type"])
    seen: ZoomAccount | None = None
    for look in range(1 if refused else LOOKS_AFTER_WRITE):
        await ports.clock.sleep(look * LOOK_AGAIN_SECONDS)
        try:
            seen = await ports.zoom.get_account(intent.zoom_id)
        except AccountUnreadable:
            return Seen.UNREADABLE, None
        except SourceError:
            return Seen.NOT_READ, None
        if seen is None:
            return Seen.GONE, None
        if seen.type == owed:
            return Seen.WANTED, seen
    return Seen.OTHER, seen
