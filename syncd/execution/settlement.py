"""What became of effects that somebody announced and did not settle: judged by what Zoom shows, never by repeating them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from syncd.errors import AccountUnreadable, ConfigError, SourceError
from syncd.execution.attempt import LOOK_AGAIN_SECONDS
from syncd.execution.lifecycle import SUBJECTS, WANTED_STATUS, Seen, State, Subject, step
from syncd.ledger import record
from syncd.model import EffectOutcome, Intent, OutcomeKind, Status, ZoomAccount, licence_word
from syncd.ports import Clock, Zoom

#: How long a change sent before a crash may still be under way at Zoom. Whoever starts earlier waits for it, so that there
#: are never two at a time on one account. Zoom itself refuses the second one while it works on the first.
MAY_STILL_LAND = timedelta(seconds=10)


async def await_in_flight(
    intents: Iterable[Intent], accounts: Mapping[str, ZoomAccount], zoom: Zoom, clock: Clock
) -> dict[str, ZoomAccount]:
    """*accounts* once no change announced in *intents* can still be under way: those announced so lately that Zoom may be
    working on them are looked at until they show it, or the time is over."""
    after = dict(accounts)
    for intent in intents:
        wanted = WANTED_STATUS.get(intent.action)
        for _ in range(int(MAY_STILL_LAND.total_seconds()) + 1):
            account = after.get(intent.zoom_id)
            left = (MAY_STILL_LAND - (clock.now() - intent.at)).total_seconds()
            if account is None or wanted in (None, account.status) or left <= 0:
                break
            await clock.sleep(min(left, LOOK_AGAIN_SECONDS))
            try:
                seen = await zoom.get_account(intent.zoom_id)
            except (SourceError, ConfigError):  # then what the list showed has to do
                break
            if seen is None:
                del after[intent.zoom_id]
            else:
                after[intent.zoom_id] = seen
    return after


async def look_before_settling(
    intents: Iterable[Intent], accounts: Mapping[str, ZoomAccount], zoom: Zoom
) -> dict[str, ZoomAccount | None]:
    """Zoom id -> the account as a look of its own shows it (None: it is not there), of all whose *intents* the list of
    *accounts* would settle. A list may lag behind, or leave an account out: what was done would count as not carried out, and a
    licence be owed no more. Who cannot be looked at is left out: their intents stay open, except of an odd account, which
    may be so for ever, that the list shows. All stay open while it shows nobody (guard ``zoom-empty``)."""
    settled = (
        intent.zoom_id
        for intent in (intents if accounts else ())
        if step(intent.action, State.INTERRUPTED, observe(intent, accounts.get(intent.zoom_id))).state is not State.OPEN
    )
    looked: dict[str, ZoomAccount | None] = {}
    for zoom_id in dict.fromkeys(settled):
        try:
            looked[zoom_id] = await zoom.get_account(zoom_id)
        except AccountUnreadable:
            if zoom_id in accounts:
                looked[zoom_id] = accounts[zoom_id]
        except (SourceError, ConfigError):  # each that follows would wait until its tries are used up
            break
    return looked


def observe(intent: Intent, account: ZoomAccount | None) -> Seen:
    """What an account shows of an effect that was announced for it."""
    if account is None:
        return Seen.GONE
    if SUBJECTS[intent.action] is Subject.LICENCE:
        owed, promised_at = (intent.restore or {}).get("type"), intent.before.get("type")
        if account.type == owed:
            return Seen.WANTED
        if account.status is not Status.ACTIVE:
            return Seen.INACTIVE
        known = intent.before.get("status") == Status.ACTIVE.value  # as it was seen when the licence was announced
        return Seen.CHANGED if known and account.type != promised_at else Seen.OTHER  # a person gave another one
    return Seen.WANTED if account.status is WANTED_STATUS.get(intent.action) else Seen.OTHER


def resolve_from_observation(
    intents: Iterable[Intent], accounts: Mapping[str, ZoomAccount]
) -> list[tuple[Intent, EffectOutcome]]:
    """What became of effects announced before a crash, judged by what Zoom shows now. A licence that is not back yet stays
    open: it is given back once the guards allow (see ``cycle``)."""
    result = []
    for intent in intents:
        account = accounts.get(intent.zoom_id)
        ended = step(intent.action, State.INTERRUPTED, observe(intent, account))
        if ended.state is State.OPEN:
            continue
        outcome = ended.of()
        if account is not None:
            shown = SUBJECTS[intent.action] is not Subject.SESSION
            done = outcome.outcome is OutcomeKind.DONE and SUBJECTS[intent.action] is Subject.STATUS
            outcome = replace(
                outcome,
                status_after=account.status.value,
                licence_after=licence_word(account.type) if shown else None,
                done_at=intent.at if done else None,
            )
        result.append((intent, outcome))
    return result


def restores_begun(
    settled: Iterable[tuple[Intent, EffectOutcome]], accounts: Mapping[str, ZoomAccount], unique: Callable[[], str]
) -> list[Intent]:
    """Intents for the licences that reactivations found to be carried out should have given back, and did not yet."""
    return [
        replace(intent, id=unique(), action="restore_licence", approval="", before=record.before_of(accounts[intent.zoom_id]))
        for intent, outcome in settled
        if intent.action == "reactivate"
        and intent.restore is not None
        and outcome.outcome is OutcomeKind.DONE
        and accounts[intent.zoom_id].type != intent.restore.get("type")
    ]
