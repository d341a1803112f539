"""One change of one account: may we still -> read account and person again -> intent in the ledger -> ask Zoom -> read again
-> outcome in the ledger. What each answer means is in ``lifecycle``; a lost answer is settled by looking, never by repeating.

Whatever Zoom answers for this one account alone is its outcome, and the others go on; a fault that concerns all ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from syncd.errors import (
    AccountUnreadable,
    AnswerLost,
    AskedTooFast,
    ConfigError,
    LedgerError,
    LimitReached,
    NotLeader,
    Refused,
    SourceError,
    Withheld,
)
from syncd.events import Noted
from syncd.execution.context import ExecutionContext, Ports, Progress, may_act, may_continue
from syncd.execution.licences import restore_licence
from syncd.execution.lifecycle import OF_ONE_ACCOUNT, REFUSALS, WANTED_STATUS, Seen, State, Step, step
from syncd.execution.sessions import end_session
from syncd.ledger import record
from syncd.model import Action, Decision, EffectOutcome, Intent, OutcomeKind, Person, StopReason, ZoomAccount, licence_word
from syncd.planning.decide import refusal_fingerprint
from syncd.planning.match import Addresses
from syncd.planning.recheck import account_as_planned, person_as_planned
from syncd.ports import Directory

#: Looks after a write before an unchanged state counts as a failure: the list is known to lag, single reads may too.
LOOKS_AFTER_WRITE = 3
LOOK_AGAIN_SECONDS = 1.0

#: How often a change is sent that Zoom refuses for its rate, each time after the wait it asks for and a fresh look.
WRITE_TRIES = 9


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one change ended. *answer*: what Zoom answered for this account alone, the same text for the same answer; "" when
    nothing was odd. *set_up*: what stops the run should others meet the same. *too_fast*: refused for its rate to the end, and
    no other change was accepted meanwhile: the next one shows whether that is this account's or everybody's."""

    outcome: EffectOutcome
    answer: str = ""
    set_up: tuple[StopReason, SourceError] | None = None
    may_be_set_up: bool = False
    too_fast: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a request, looks after it included: the step of the table, and what a look showed last."""

    step: Step
    outcome: EffectOutcome
    trouble: AccountUnreadable | Refused | None = None
    shown: ZoomAccount | None = None
    too_fast: bool = False


async def attempt(effect: Decision, context: ExecutionContext, ports: Ports, progress: Progress) -> Attempt:
    """Tries one effect. Never raises for what one account does; a fault that concerns all stands in *progress*."""
    try:
        return await _attempt(effect, context, ports, progress)
    except (LedgerError, NotLeader, SourceError, ConfigError) as error:
        progress.stop_for(error)
    return Attempt(_not_tried(effect, progress))


async def _attempt(effect: Decision, context: ExecutionContext, ports: Ports, progress: Progress) -> Attempt:
    if why := progress.stopped or may_act(ports):  # a pause is looked for right before the write
        progress.stop(why)
        return Attempt(_not_tried(effect, progress))
    if context.denied(effect, ports):
        return Attempt(step(effect.action.value, State.PLANNED, Seen.DENIED).of())
    try:
        seen, shown = await recheck(effect, context, ports)
    except AccountUnreadable as error:
        outcome = step(effect.action.value, State.PLANNED, Seen.UNREADABLE).of()
        await _remember_trouble(effect, outcome, error, context, ports, progress)
        return _odd(outcome, error)
    if shown is None or seen is not Seen.AS_PLANNED:
        return Attempt(_showing(step(effect.action.value, State.PLANNED, seen).of(), shown))
    if context.policy.revoke_sessions and effect.action is Action.DEACTIVATE:
        if not await may_continue(context, ports, progress):
            return Attempt(_not_tried(effect, progress))
        await end_session(effect, shown, context, ports, progress)
    if not await may_continue(context, ports, progress):
        return Attempt(_not_tried(effect, progress))
    if context.denied(effect, ports):  # the reads took their time
        return Attempt(step(effect.action.value, State.PLANNED, Seen.DENIED).of())
    return await _change(effect, shown, context, ports, progress)


def _not_tried(effect: Decision, progress: Progress) -> EffectOutcome:
    return step(effect.action.value, State.PLANNED, Seen.HALTED).of(progress.stopped)


def _showing(outcome: EffectOutcome, account: ZoomAccount | None) -> EffectOutcome:
    """The outcome with what the last look showed."""
    if account is None:
        return outcome
    return replace(outcome, status_after=account.status.value, licence_after=licence_word(account.type))


def _odd(outcome: EffectOutcome, error: AccountUnreadable | Refused) -> Attempt:
    """An outcome that is what Zoom answered for this account alone."""
    if isinstance(error, AccountUnreadable):
        return Attempt(outcome, error.answer, (StopReason.ZOOM_UNREADABLE, error), may_be_set_up=True)
    alone = REFUSALS.get(error.kind, Seen.REFUSED) in OF_ONE_ACCOUNT
    if error.kind == "throttled":
        return Attempt(outcome, f"write {error.answer}", (StopReason.LIMIT_REACHED, too_fast()), may_be_set_up=not alone)
    stop = StopReason.SCOPE_MISSING if error.kind == "rights" else StopReason.ZOOM_UNREADABLE
    return Attempt(outcome, f"write {error.answer}", (stop, SourceError("zoom", error.what, error.do)), may_be_set_up=not alone)


def too_fast() -> LimitReached:
    """What stops a run when Zoom refuses changes for their rate again and again."""
    return LimitReached(
        "zoom",
        f"zoom set_status: refused {WRITE_TRIES} times in a row for asking too fast.",
        "Another program uses the limits: lower the share, or look who else asks.",
    )


async def recheck(effect: Decision, context: ExecutionContext, ports: Ports) -> tuple[Seen, ZoomAccount | None]:
    """Whether account and person are still as planned, and the account as it is right now. Raises AccountUnreadable,
    SourceError, ConfigError, LedgerError."""
    account = await ports.zoom.get_account(effect.account.zoom_id or "")
    if account is None or not account_as_planned(effect, account):
        return Seen.CHANGED, account
    if ports.directory is not None:
        forms = Addresses(context.policy).forms(account.email)
        people = await _recheck_people(effect, forms, ports.directory)
        if not person_as_planned(effect, people, context.policy, ports.clock.now()):
            return Seen.CHANGED, account
    if context.by == "cycle" and (await ports.ledger.history()).on_hold(account.zoom_id or "", ports.clock.now()):
        return Seen.CHANGED, account
    return Seen.AS_PLANNED, account


async def _recheck_people(effect: Decision, forms: Sequence[str], directory: Directory) -> list[Person]:
    """Whoever has the address now, every claimant of the plan and whom the ledger remembers, each once."""
    ids = effect.second_look.people if effect.second_look is not None else ()
    first, *more = ids or (effect.directory_id,)
    found = {person.id: person for person in await directory.recheck_person(first, forms)}
    for id_ in more:
        if id_ not in found:
            found.update((person.id, person) for person in await directory.recheck_person(id_, ()))
    return list(found.values())


async def _change(effect: Decision, seen: ZoomAccount, context: ExecutionContext, ports: Ports, progress: Progress) -> Attempt:
    intent = Intent(
        ports.clock.unique(),
        context.cycle_id,
        ports.clock.now(),
        seen.zoom_id or "",
        effect.action.value,
        context.by,
        effect.reason.value,
        record.before_of(seen),
        context.approvals.get(effect.key, ""),
        context.restore.get(seen.zoom_id or ""),
        effect.directory_id or "",
    )
    await progress.commit.append(ports.ledger, [record.intended(intent, seen)], context.term)
    if not ports.leadership.leads():  # frozen since we were asked: the next leader settles the intent by looking
        progress.stop(StopReason.NOT_LEADER)
        return Attempt(step(intent.action, State.ANNOUNCED, Seen.HALTED).of(progress.stopped))
    with progress.writing() as came:
        sent = await _send(effect, intent, seen, context, ports, progress)
        came(sent.step)
    made = _odd(sent.outcome, sent.trouble) if sent.trouble is not None else Attempt(sent.outcome)
    made = replace(made, too_fast=sent.too_fast)
    progress.accepted += sent.outcome.outcome is OutcomeKind.DONE
    progress.count_change(sent.outcome, made.answer, context.policy)
    if sent.step.state is State.OPEN:
        return made
    return replace(made, outcome=await _record_outcome(effect, intent, seen, sent, context, ports, progress))


async def _send(
    effect: Decision, intent: Intent, before: ZoomAccount, context: ExecutionContext, ports: Ports, progress: Progress
) -> _Sent:
    """Sends the change and looks what became of it. After a 429 it is sent again, but only if a fresh look at account and
    person still shows what was planned: the wait may have been long."""
    tries, busy, accepted = 0, Refused("", kind="throttled"), progress.accepted
    while tries < WRITE_TRIES:
        tries += 1
        answered, sent_at = Seen.ACCEPTED, ports.clock.now()
        try:
            await ports.zoom.set_status(intent.zoom_id, active=intent.action == "reactivate")
        except AnswerLost:
            answered = Seen.LOST
        except Refused as error:
            if error.kind != "throttled":
                refused = step(intent.action, State.ANNOUNCED, REFUSALS.get(error.kind, Seen.REFUSED))
                return _Sent(refused, _showing(replace(refused.of(), attempts=1), before), error)
            busy = error
            ended = await _after_throttling(effect, intent, context, ports, progress)
            if ended is None:
                continue
            return replace(ended, outcome=replace(ended.outcome, attempts=tries))
        except Withheld:  # its turn came late: looked at again, as after a 429
            ended = await _after_throttling(effect, intent, context, ports, progress)
            if ended is None:
                continue
            return replace(ended, outcome=replace(ended.outcome, attempts=tries - 1))
        except AskedTooFast:
            break
        except (SourceError, ConfigError) as error:  # surely not carried out; concerns every account
            return _stopped_by(error, intent, before, progress)
        state = step(intent.action, State.ANNOUNCED, answered).state
        verified = await _verify(intent, state, ports, progress, tries)
        return replace(verified, outcome=replace(verified.outcome, sent_at=sent_at))
    known = (intent.zoom_id, intent.action) in (await ports.ledger.history()).troubles
    own = busy.alone or known or progress.accepted > accepted  # others were changed meanwhile, or the last time
    tired = step(intent.action, State.ANNOUNCED, Seen.BUSY_TO_THE_END if own else Seen.SET_UP)
    outcome = replace(tired.of(StopReason.LIMIT_REACHED), attempts=tries)
    return _Sent(tired, _showing(outcome, before), busy, too_fast=not own)


def _stopped_by(error: SourceError | ConfigError, intent: Intent, before: ZoomAccount, progress: Progress) -> _Sent:
    progress.stop_for(error)
    stopped = step(intent.action, State.ANNOUNCED, Seen.SET_UP)
    return _Sent(stopped, _showing(replace(stopped.of(progress.stopped), attempts=1), before))


async def _after_throttling(
    effect: Decision, intent: Intent, context: ExecutionContext, ports: Ports, progress: Progress
) -> _Sent | None:
    """What keeps a change that was asked for too fast from being sent again; None: nothing does. Raises SourceError,
    ConfigError, LedgerError."""
    if not await may_continue(context, ports, progress):
        halted = step(intent.action, State.THROTTLED, Seen.HALTED)
        return _Sent(halted, halted.of(progress.stopped))
    if context.denied(effect, ports):
        denied = step(intent.action, State.THROTTLED, Seen.DENIED)
        return _Sent(denied, denied.of())
    try:
        seen, account = await recheck(effect, context, ports)
    except AccountUnreadable as error:
        unreadable = step(intent.action, State.THROTTLED, Seen.UNREADABLE)
        return _Sent(unreadable, unreadable.of(), error)
    if seen is Seen.AS_PLANNED:
        return None
    done = account is not None and account.status is WANTED_STATUS[intent.action]
    ended = step(intent.action, State.THROTTLED, Seen.WANTED if done else seen)
    now = ports.clock.now() if done else None
    return _Sent(ended, replace(_showing(ended.of(), account), done_at=now, verified_at=now))


async def _verify(intent: Intent, state: State, ports: Ports, progress: Progress, tries: int) -> _Sent:
    """What looks after the write show. Zoom's single reads may lag behind a change, so there are several."""
    wanted, done_at = WANTED_STATUS[intent.action], ports.clock.now()
    account: ZoomAccount | None = None
    trouble: AccountUnreadable | None = None
    seen = Seen.OTHER
    for look in range(LOOKS_AFTER_WRITE):
        await ports.clock.sleep(look * LOOK_AGAIN_SECONDS)
        try:
            account = await ports.zoom.get_account(intent.zoom_id)
        except AccountUnreadable as error:
            seen, trouble = Seen.UNREADABLE, error
            break
        except SourceError as error:
            seen = Seen.NOT_READ
            if state is State.UNANSWERED:
                progress.stop(StopReason.ZOOM_UNREADABLE, error)
            break
        if account is None:
            seen = Seen.GONE
            break
        if account.status is wanted:
            seen = Seen.WANTED
            break
    ended = step(intent.action, state, seen)
    outcome = replace(ended.of(), attempts=tries)
    if outcome.outcome is OutcomeKind.DONE:
        outcome = replace(outcome, done_at=done_at, verified_at=ports.clock.now() if seen is Seen.WANTED else None)
    shown = account if seen in (Seen.WANTED, Seen.OTHER) else None
    return _Sent(ended, _showing(outcome, shown), trouble if ended.state is State.OPEN else None, shown)


async def _record_outcome(
    effect: Decision,
    intent: Intent,
    seen: ZoomAccount,
    sent: _Sent,
    context: ExecutionContext,
    ports: Ports,
    progress: Progress,
) -> EffectOutcome:
    """Records the outcome, and gives the licence back where one is due. What happened stays what happened: when it cannot
    be recorded the run stops, the intent stays open, and the outcome is still told."""
    outcome, refusal = sent.outcome, None
    if isinstance(sent.trouble, Refused) and sent.trouble.kind == "account":
        refusal = {
            "code": sent.trouble.code,
            "says": sent.trouble.what,
            "fingerprint": refusal_fingerprint(effect.account, context.policy.digest(), context.credential),
        }
    drafts = [record.settled(intent, outcome, refusal)]
    follow = None
    if outcome.outcome is OutcomeKind.DONE and intent.restore is not None and effect.action is Action.REACTIVATE:
        back = sent.shown or seen
        follow = replace(intent, id=ports.clock.unique(), action="restore_licence", approval="", before=record.before_of(back))
        drafts.append(record.intended(follow, back))
    try:
        await progress.commit.append(ports.ledger, drafts, context.term)
        if sent.too_fast and sent.trouble is not None:
            progress.too_fast.append(partial(_remember_trouble, effect, outcome, sent.trouble, context, ports, progress))
        elif sent.trouble is not None and refusal is None:
            await _remember_trouble(effect, outcome, sent.trouble, context, ports, progress)
        return outcome if follow is None else await restore_licence(follow, seen, outcome, context, ports, progress)
    except (LedgerError, NotLeader) as error:
        progress.stop_for(error)
    return outcome


async def _remember_trouble(
    effect: Decision,
    outcome: EffectOutcome,
    error: AccountUnreadable | Refused,
    context: ExecutionContext,
    ports: Ports,
    progress: Progress,
) -> None:
    """Says what is odd about one account, and writes it down for the next cycles. Raises LedgerError, NotLeader."""
    zoom_id = effect.account.zoom_id or ""
    ports.tell(
        Noted(
            "account.failed",
            "warning",
            {
                "cycle_id": context.cycle_id,
                "zoom_id": zoom_id,
                "address": effect.account.email,
                "action": effect.action.value,
                "outcome_reason": str(outcome.reason),
                "why": error.what,
                "do": error.do,
            },
        )
    )
    passing = isinstance(error, Refused) and error.kind in ("no_licence", "gone")  # seats come and go; nobody is nobody
    if context.by == "cycle" and not passing:
        await progress.commit.append(
            ports.ledger,
            [
                record.troubled(
                    context.cycle_id,
                    zoom_id,
                    effect.action.value,
                    reason=str(outcome.reason),
                    says=error.what,
                    code=error.code if isinstance(error, Refused) else None,
                    fingerprint=refusal_fingerprint(effect.account, context.policy.digest(), context.credential),
                )
            ],
            context.term,
        )
