"""Carry out exactly what was decided: bounded concurrency, intent before effect, a look before and after each write.

For each account: may we still -> look at the account and the person again -> intent in the ledger -> write -> look ->
outcome in the ledger. A lost answer is settled by looking, never by repeating. What is not tried stays for the next cycle.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from syncd.errors import (
    AnswerLost,
    ConfigError,
    LedgerError,
    LimitReached,
    NotLeader,
    Refused,
    ScopeMissing,
    SourceError,
    SyncdError,
)
from syncd.events import EffectSettled
from syncd.execution.group_commit import Scribe
from syncd.execution.licences import released
from syncd.ledger import record
from syncd.model import (
    Action,
    Decision,
    EffectOutcome,
    Intent,
    OutcomeKind,
    Policy,
    Status,
    ZoomAccount,
    licence_word,
)
from syncd.planning.decide import refusal_fingerprint
from syncd.planning.match import Addresses
from syncd.planning.recheck import account_as_planned, person_as_planned
from syncd.ports import Clock, Directory, Leadership, Ledger, Tell, Zoom

#: Writes of a cycle that are looked at before a share of failing ones means anything.
WRITES_JUDGED_AFTER = 10

#: Looks after a write before an unchanged state counts as a failure: the list is known to lag, single reads may too.
LOOKS_AFTER_WRITE = 3
LOOK_AGAIN_SECONDS = 1.0

#: How often a change is sent that Zoom refuses for its rate, each time after the wait it asks for and a fresh look.
WRITE_TRIES = 9

#: Licences or ends of sessions refused in a row before a cycle asks for no more of them: Zoom may switch off an app whose
#: requests keep failing, and one refusal may be about that account alone. What they stand beside goes on.
REFUSED_IN_A_ROW = 3

#: How long a change sent before a crash may still be under way at Zoom. Whoever starts earlier waits for it, so that there
#: are never two at a time on one account. Zoom itself refuses the second one while it works on the first.
MAY_STILL_LAND = timedelta(seconds=10)

#: Outcomes that nobody can be sure of: the intent stays open, and the next cycle settles it by looking.
_LEFT_OPEN = frozenset({"left_open", "no_answer"})

#: Refusals (``errors.Refused.kind``) in the words of outcome_reason.
REFUSALS = {
    "account": "refused_by_zoom",
    "events": "upcoming_zoom_events",
    "no_licence": "licence_limit_reached",
    "gone": "gone_from_zoom",
    "other": "refused",
}


#: What an account shows once a change of its status was carried out.
_WANTED = {Action.DEACTIVATE.value: Status.INACTIVE, Action.REACTIVATE.value: Status.ACTIVE}


@dataclass(frozen=True)
class Ports:
    """What carrying out needs from outside."""

    directory: Directory | None               # None: hand verbs, which need no directory
    zoom: Zoom
    ledger: Ledger
    leadership: Leadership
    clock: Clock
    tell: Tell
    stopping: Callable[[], bool]
    concurrency: int = 16


@dataclass(frozen=True)
class ExecutionContext:
    """Under which authority effects are carried out."""

    cycle_id: str
    term: int
    policy: Policy
    by: str = "cycle"                         # cycle | hand | undo
    credential: str = ""
    while_paused: bool = False
    approvals: Mapping[tuple[str, str], str] = field(default_factory=dict)
    restore: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)     # zoom id -> licence to give back


@dataclass
class Progress:
    """What happened so far. *stopped* says why nothing more is tried; *error* what caused it, if anything did."""

    outcomes: dict[tuple[str, str], EffectOutcome] = field(default_factory=dict)
    written: int = 0                          # requests for a change of any kind
    changes: int = 0                          # those that were to change a status, and how many of them failed
    failed: int = 0
    refused_beside: Counter[str] = field(default_factory=Counter)      # action beside a status -> refused in a row
    none_free: bool = False                   # the latest licence was refused because none is free
    scribe: Scribe = field(default_factory=Scribe)
    stopped: str = ""
    error: SyncdError | None = None

    def stop(self, why: str, error: SyncdError | None = None) -> None:
        """Nothing more is tried after this; the first reason stays."""
        if not self.stopped:
            self.stopped, self.error = why, error


async def execute(effects: Sequence[Decision], context: ExecutionContext, ports: Ports, progress: Progress) -> None:
    """Tries every effect and keeps *progress*; those not tried say why. Reactivations first: being locked out is worse.

    Never raises for what one account does; a fault that concerns all (ledger, scope, lease, limits) ends the run and
    stands in ``Progress.error``. Cancelling leaves the write in hand open in the ledger, to be settled by looking.
    """
    queue = iter(sorted(effects, key=lambda effect: effect.action is not Action.REACTIVATE))

    async def work(most: int | None = None) -> None:
        for effect in islice(queue, most):
            outcome = await _attempt(effect, context, ports, progress)
            progress.outcomes[effect.key] = outcome
            _tell_settled(effect, outcome, context, ports)

    await work(1)                             # alone: a fault that concerns all shows itself on one account
    async with asyncio.TaskGroup() as group:
        for _ in range(min(ports.concurrency, len(effects) - 1)):
            group.create_task(work())


async def _may_continue(context: ExecutionContext, ports: Ports, progress: Progress) -> bool:
    """Whether the next write may be sent; if not, ``Progress.stopped`` says why."""
    why = progress.stopped or may_act(ports) or await may_write(context, ports)
    if why:
        progress.stop(why)
    return not progress.stopped


def may_act(ports: Ports) -> str:
    """Why nothing more is begun, or nothing: stopping, not leading."""
    if ports.stopping():
        return "stopped"
    return "" if ports.leadership.leads() else "not_leader"


async def may_write(context: ExecutionContext, ports: Ports) -> str:
    """Why no write may be sent now, or nothing: paused. Looked at between any two writes."""
    if not context.while_paused and (await ports.ledger.history()).paused_since is not None:
        return "paused"
    return ""


# ------------------------------------------------------------------------------------------------------- one account


async def _attempt(effect: Decision, context: ExecutionContext, ports: Ports, progress: Progress) -> EffectOutcome:
    try:
        if why := progress.stopped or may_act(ports):        # a pause is looked for right before the write
            progress.stop(why)
            return EffectOutcome(OutcomeKind.NOT_TRIED, progress.stopped)
        seen = await _recheck(effect, context, ports)
        if isinstance(seen, EffectOutcome):
            return seen
        if context.policy.revoke_sessions and effect.action is Action.DEACTIVATE:
            if not await _may_continue(context, ports, progress):
                return EffectOutcome(OutcomeKind.NOT_TRIED, progress.stopped)
            await _revoke(effect, seen, context, ports, progress)
        if not await _may_continue(context, ports, progress):
            return EffectOutcome(OutcomeKind.NOT_TRIED, progress.stopped)
        return await _change(effect, seen, context, ports, progress)
    except LedgerError as error:
        progress.stop("ledger_unwritable", error)
    except NotLeader as error:
        progress.stop("not_leader", error)
    except (SourceError, ConfigError) as error:        # ConfigError: a mounted secret that is gone for the moment
        progress.stop(_stop_word(error), error)
    return EffectOutcome(OutcomeKind.NOT_TRIED, progress.stopped)


async def _recheck(effect: Decision, context: ExecutionContext, ports: Ports) -> ZoomAccount | EffectOutcome:
    """The account as it is right now, or why the change is skipped."""
    seen = await ports.zoom.get_account(effect.account.zoom_id or "")
    if not account_as_planned(effect, seen) or seen is None:
        return EffectOutcome(OutcomeKind.SKIPPED, "changed_since_plan", seen.status.value if seen is not None else None,
                             licence_word(seen.type) if seen is not None else None)
    if ports.directory is not None:
        forms = Addresses(context.policy).forms(seen.email)
        people = await ports.directory.recheck_person(effect.directory_id, forms)
        if not person_as_planned(effect, people, context.policy, ports.clock.now()):
            return EffectOutcome(OutcomeKind.SKIPPED, "changed_since_plan", seen.status.value, licence_word(seen.type))
    if context.by == "cycle" and (await ports.ledger.history()).on_hold(seen.zoom_id or "", ports.clock.now()):
        return EffectOutcome(OutcomeKind.SKIPPED, "changed_since_plan", seen.status.value, licence_word(seen.type))
    return seen


async def _change(
    effect: Decision, seen: ZoomAccount, context: ExecutionContext, ports: Ports, progress: Progress
) -> EffectOutcome:
    active = effect.action is Action.REACTIVATE
    restore = context.restore.get(seen.zoom_id or "") if active else None
    intent = Intent(
        ports.clock.unique(), context.cycle_id, ports.clock.now(), seen.zoom_id or "", effect.action.value, context.by,
        effect.reason.value, record.before_of(seen), context.approvals.get(effect.key, ""), restore,
    )
    await progress.scribe.append(ports.ledger, [record.intended(intent, seen)], context.term)
    if not ports.leadership.leads():          # frozen since we were asked: the next leader settles the intent by looking
        progress.stop("not_leader")
        return EffectOutcome(OutcomeKind.NOT_TRIED, "not_leader")
    refusal: dict[str, Any] | None = None
    progress.written += 1
    try:
        outcome = await _send(effect, intent, context, ports, progress)
    except Refused as error:
        outcome = EffectOutcome(
            OutcomeKind.SKIPPED if error.kind == "gone" else OutcomeKind.FAILED, REFUSALS.get(error.kind, "refused"),
            seen.status.value, licence_word(seen.type), attempts=1,
        )
        if error.kind == "account":
            refusal = {"code": error.code, "says": error.what,
                       "fingerprint": refusal_fingerprint(effect.account, context.policy.digest(), context.credential)}
    except (SourceError, ConfigError) as error:        # surely not carried out; concerns every account
        progress.stop(_stop_word(error), error)
        progress.written -= 1
        outcome = EffectOutcome(OutcomeKind.FAILED, _stop_word(error), seen.status.value, licence_word(seen.type), attempts=1)
    _count_failures(outcome, context, progress)
    if outcome.reason in _LEFT_OPEN:
        return outcome
    return await _record_outcome(intent, seen, outcome, refusal, context, ports, progress)


async def _send(effect: Decision, intent: Intent, context: ExecutionContext, ports: Ports, progress: Progress) -> EffectOutcome:
    """Sends the change and looks what became of it. After a 429 it is sent again, but only if a fresh look at account and
    person still shows what was planned: the wait may have been long. Raises Refused, SourceError, ConfigError: surely not
    carried out."""
    for attempt in range(1, WRITE_TRIES + 1):
        lost = False
        try:
            await ports.zoom.set_status(intent.zoom_id, active=intent.action == "reactivate")
        except AnswerLost:
            lost = True
        except Refused as error:
            if error.kind != "throttled":
                raise
            if not await _may_continue(context, ports, progress):
                progress.written -= 1
                return EffectOutcome(OutcomeKind.NOT_TRIED, progress.stopped, attempts=attempt)
            again = await _recheck(effect, context, ports)
            if isinstance(again, ZoomAccount):
                continue
            if again.status_after == _WANTED[intent.action]:     # Zoom was working on it: ours, sent before a crash
                return EffectOutcome(OutcomeKind.DONE, "answer_lost_but_done", again.status_after, again.licence_after,
                                     ports.clock.now(), ports.clock.now(), attempt)
            progress.written -= 1
            return replace(again, attempts=attempt)
        try:
            return replace(await _verify(intent, ports, lost=lost), attempts=attempt)
        except SourceError as error:          # unknown what happened: the intent stays open
            progress.stop("zoom_unreadable", error)
            return EffectOutcome(OutcomeKind.FAILED, "left_open", attempts=attempt)
    raise LimitReached("zoom", f"zoom set_status: refused {WRITE_TRIES} times in a row for asking too fast.",
                       "Another program uses the limits: lower the share, or look who else asks.")


async def _record_outcome(
    intent: Intent, seen: ZoomAccount, outcome: EffectOutcome, refusal: Mapping[str, Any] | None, context: ExecutionContext,
    ports: Ports, progress: Progress,
) -> EffectOutcome:
    """Records the outcome, and gives the licence back where one is due. What happened stays what happened: when it cannot
    be recorded the run stops, the intent stays open, and the outcome is still told."""
    drafts = [record.settled(intent, outcome, refusal)]
    follow = None
    if outcome.outcome is OutcomeKind.DONE and intent.restore is not None:
        follow = replace(intent, id=ports.clock.unique(), action="restore_licence", approval="")
        drafts.append(record.intended(follow, seen))
    try:
        await progress.scribe.append(ports.ledger, drafts, context.term)
        return outcome if follow is None else await restore_licence_of(follow, seen, outcome, context, ports, progress)
    except LedgerError as error:
        progress.stop("ledger_unwritable", error)
    except NotLeader as error:
        progress.stop("not_leader", error)
    return outcome


def _count_failures(outcome: EffectOutcome, context: ExecutionContext, progress: Progress) -> None:
    """Zoom may switch off an app whose requests keep failing, so a run of failures ends the cycle. Only changes of a status
    count: what stands beside one has a bound of its own (``REFUSED_IN_A_ROW``) and must not make the share look small."""
    if outcome.outcome is OutcomeKind.NOT_TRIED:
        return
    progress.changes += 1
    progress.failed += outcome.outcome is OutcomeKind.FAILED
    share = context.policy.limits.max_failing_writes_percent
    if progress.changes >= WRITES_JUDGED_AFTER and progress.failed * 100 > share * progress.changes:
        progress.stop("too_many_failures", Refused(
            f"ended early: {progress.failed} of {progress.changes} changes failed, more than {share:g} % "
            "(guards.max_failing_writes_percent); no more were tried.", kind="other",
            do="See why in the outcomes: the next cycle tries again, and Zoom may switch off an app that keeps failing.",
        ))


async def _verify(intent: Intent, ports: Ports, *, lost: bool) -> EffectOutcome:
    """What a look after the write shows. *lost*: no answer came, so only the look can tell."""
    wanted = _WANTED[intent.action]
    done_at = ports.clock.now()
    seen: ZoomAccount | None = None
    for look in range(LOOKS_AFTER_WRITE):
        await ports.clock.sleep(look * LOOK_AGAIN_SECONDS)
        try:
            seen = await ports.zoom.get_account(intent.zoom_id)
        except SourceError:
            if lost:
                raise
            return EffectOutcome(OutcomeKind.DONE, "not_verified", done_at=done_at, attempts=1)
        if seen is not None and seen.status is wanted:
            return EffectOutcome(OutcomeKind.DONE, "answer_lost_but_done" if lost else "", seen.status.value,
                                 licence_word(seen.type), done_at, ports.clock.now(), 1)
        if seen is None:
            return EffectOutcome(OutcomeKind.SKIPPED, "gone_from_zoom", attempts=1)
    return EffectOutcome(OutcomeKind.FAILED, "no_answer" if lost else "not_confirmed",
                         seen.status.value if seen is not None else None,
                         licence_word(seen.type) if seen is not None else None, attempts=1)


# ------------------------------------------------------------------------------------------------- beside the status


async def restore_licence_of(
    intent: Intent, seen: ZoomAccount, outcome: EffectOutcome, context: ExecutionContext, ports: Ports, progress: Progress
) -> EffectOutcome:
    """Gives the recorded licence back after a reactivation, under an intent already in the ledger. The reactivation stays
    done either way; without a licence its reason becomes ``reactivated_without_licence``.

    When it may not be tried now, or its answer was lost and no look shows it, the intent stays open: the next cycle goes on
    with it. A missing scope and a refusal settle it, since trying again would not help. Raises LedgerError, NotLeader.
    """
    restore = intent.restore or {}
    without = replace(outcome, reason="reactivated_without_licence")
    if not await _may_continue(context, ports, progress):
        return without
    if progress.refused_beside[intent.action] >= REFUSED_IN_A_ROW:
        none = EffectOutcome(OutcomeKind.NOT_TRIED, REFUSALS["no_licence" if progress.none_free else "other"])
        await progress.scribe.append(ports.ledger, [record.settled(intent, none, cycle=context.cycle_id)], context.term)
        _tell_beside(intent, seen, none, context, ports)
        return without
    ended = EffectOutcome(OutcomeKind.DONE, attempts=1)
    progress.written += 1
    try:
        await ports.zoom.restore_licence(intent.zoom_id, type_=int(restore["type"]), plan=restore.get("plan"))
    except Refused as error:
        ended = EffectOutcome(OutcomeKind.FAILED, REFUSALS.get(error.kind, "refused"), attempts=1)
        progress.refused_beside[intent.action] += 1
        progress.none_free = error.kind == "no_licence"
    except AnswerLost:
        ended = EffectOutcome(OutcomeKind.FAILED, "no_answer", attempts=1)
    except (SourceError, ConfigError) as error:
        progress.written -= 1
        progress.stop(_stop_word(error), error)
        if not isinstance(error, ScopeMissing):
            return without
        ended = EffectOutcome(OutcomeKind.FAILED, _stop_word(error), attempts=1)
    else:
        progress.refused_beside[intent.action] = 0
    given, after = await _verify_licence(intent, ports, refused=bool(ended.reason) and ended.reason != "no_answer")
    if not given and ended.reason == "no_answer":
        return without
    if after is not None:
        ended = replace(ended, outcome=OutcomeKind.DONE if given else OutcomeKind.FAILED, status_after=after.status.value,
                        reason="" if given else ended.reason or "not_confirmed", licence_after=licence_word(after.type),
                        done_at=ports.clock.now() if given else None, verified_at=ports.clock.now() if given else None)
    await progress.scribe.append(ports.ledger, [record.settled(intent, ended, cycle=context.cycle_id)], context.term)
    _tell_beside(intent, seen, ended, context, ports)
    if ended.outcome is OutcomeKind.DONE:
        return replace(outcome, licence_after=ended.licence_after or outcome.licence_after)
    return without


async def _verify_licence(intent: Intent, ports: Ports, *, refused: bool) -> tuple[bool, ZoomAccount | None]:
    """Whether the licence is seen to be back, and the account as the last look showed it; None when it could not be looked
    at. A read may lag behind a change, but a refusal is final."""
    seen: ZoomAccount | None = None
    for look in range(1 if refused else LOOKS_AFTER_WRITE):
        await ports.clock.sleep(look * LOOK_AGAIN_SECONDS)
        try:
            seen = await ports.zoom.get_account(intent.zoom_id)
        except SourceError:
            return False, None
        if seen is None or seen.type == int((intent.restore or {})["type"]):
            break
    return seen is not None and seen.type == int((intent.restore or {})["type"]), seen


async def _revoke(effect: Decision, seen: ZoomAccount, context: ExecutionContext, ports: Ports, progress: Progress) -> None:
    """Ends the SSO session before the deactivation (afterwards Zoom may know none). A refusal or a lost answer never stops
    the deactivation; a fault that concerns every account does. Raises SourceError, LedgerError, NotLeader."""
    intent = Intent(ports.clock.unique(), context.cycle_id, ports.clock.now(), seen.zoom_id or "", "revoke_sessions",
                    context.by, effect.reason.value, record.before_of(seen))
    if progress.refused_beside[intent.action] >= REFUSED_IN_A_ROW:
        _tell_beside(intent, seen, EffectOutcome(OutcomeKind.NOT_TRIED, REFUSALS["other"]), context, ports)
        return
    await progress.scribe.append(ports.ledger, [record.intended(intent, seen)], context.term)
    outcome = EffectOutcome(OutcomeKind.DONE, done_at=ports.clock.now(), attempts=1)
    stop: SourceError | ConfigError | None = None
    progress.written += 1
    try:
        await ports.zoom.revoke_sessions(intent.zoom_id)
        progress.refused_beside[intent.action] = 0
    except Refused as error:
        progress.refused_beside[intent.action] += 1
        outcome = EffectOutcome(OutcomeKind.FAILED, REFUSALS.get(error.kind, "refused"), attempts=1)
    except AnswerLost:
        outcome = EffectOutcome(OutcomeKind.FAILED, "no_answer", attempts=1)
    except (SourceError, ConfigError) as error:
        stop = error
        progress.written -= 1
        outcome = EffectOutcome(OutcomeKind.FAILED, _stop_word(error), attempts=1)
    await progress.scribe.append(ports.ledger, [record.settled(intent, outcome)], context.term)
    _tell_beside(intent, seen, outcome, context, ports)
    if stop is not None:
        raise stop


def _tell_beside(intent: Intent, seen: ZoomAccount, outcome: EffectOutcome, context: ExecutionContext, ports: Ports) -> None:
    ports.tell(EffectSettled(context.cycle_id, intent.zoom_id, seen.email, intent.action, outcome.outcome.value,
                             outcome.reason))


def _stop_word(error: SourceError | ConfigError) -> str:
    if isinstance(error, ConfigError):
        return "secret_unreadable"
    if isinstance(error, ScopeMissing):
        return "scope_missing"
    return "limit_reached" if isinstance(error, LimitReached) else f"{error.source}_unreadable"


def _tell_settled(effect: Decision, outcome: EffectOutcome, context: ExecutionContext, ports: Ports) -> None:
    done = outcome.outcome is OutcomeKind.DONE and effect.action is Action.DEACTIVATE
    moment = outcome.verified_at or outcome.done_at
    ports.tell(EffectSettled(
        context.cycle_id, effect.account.zoom_id or "", effect.account.email, effect.action.value, outcome.outcome.value,
        outcome.reason,
        (moment - effect.since).total_seconds() if done and moment is not None and effect.since is not None else None,
        licence_released=released(effect, outcome),
    ))


# -------------------------------------------------------------------------------------------- after a crash: looking


async def await_in_flight(
    intents: Iterable[Intent], accounts: Mapping[str, ZoomAccount], zoom: Zoom, clock: Clock
) -> dict[str, ZoomAccount]:
    """*accounts* once no change announced in *intents* can still be under way: those announced so lately that Zoom may be
    working on them are looked at until they show it, or the time is over."""
    after = dict(accounts)
    for intent in intents:
        wanted = _WANTED.get(intent.action)
        for _ in range(int(MAY_STILL_LAND.total_seconds()) + 1):
            account = after.get(intent.zoom_id)
            left = (MAY_STILL_LAND - (clock.now() - intent.at)).total_seconds()
            if account is None or wanted in (None, account.status) or left <= 0:
                break
            await clock.sleep(min(left, LOOK_AGAIN_SECONDS))
            try:
                seen = await zoom.get_account(intent.zoom_id)
            except (SourceError, ConfigError):          # then what the list showed has to do
                break
            if seen is None:
                del after[intent.zoom_id]
            else:
                after[intent.zoom_id] = seen
    return after


def restores_begun(
    settled: Iterable[tuple[Intent, EffectOutcome]], accounts: Mapping[str, ZoomAccount], unique: Callable[[], str]
) -> list[Intent]:
    """Intents for the licences that reactivations found to be carried out should have given back, and did not yet."""
    return [
        replace(intent, id=unique(), action="restore_licence", approval="")
        for intent, outcome in settled
        if intent.action == "reactivate" and intent.restore is not None and outcome.outcome is OutcomeKind.DONE
        and accounts[intent.zoom_id].type != intent.restore.get("type")
    ]


def resolve_from_observation(
    intents: Iterable[Intent], accounts: Mapping[str, ZoomAccount]
) -> list[tuple[Intent, EffectOutcome]]:
    """What became of effects announced before a crash, judged by what Zoom shows now. A licence that is not back yet stays
    open: it is given back once the guards allow (see ``cycle``)."""
    result = []
    for intent in intents:
        account = accounts.get(intent.zoom_id)
        if account is None:
            outcome = EffectOutcome(OutcomeKind.SKIPPED, "gone_from_zoom")
        elif intent.action == "restore_licence":
            given = intent.restore is not None and account.type == intent.restore.get("type")
            if not given and account.status is Status.ACTIVE:
                continue
            outcome = EffectOutcome(OutcomeKind.DONE if given else OutcomeKind.SKIPPED, "settled_by_looking",
                                    account.status.value, licence_word(account.type))
        elif intent.action == "revoke_sessions":
            outcome = EffectOutcome(OutcomeKind.FAILED, "no_answer", account.status.value)
        else:
            done = account.status is _WANTED.get(intent.action)
            outcome = EffectOutcome(OutcomeKind.DONE if done else OutcomeKind.FAILED,
                                    "settled_by_looking" if done else "not_carried_out", account.status.value,
                                    licence_word(account.type), intent.at if done else None)
        result.append((intent, outcome))
    return result
