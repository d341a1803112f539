"""Ends a person's sessions beside a deactivation."""

from __future__ import annotations

from dataclasses import replace

from syncd.errors import AnswerLost, ConfigError, Refused, SourceError
from syncd.execution.context import REFUSED_IN_A_ROW, ExecutionContext, Ports, Progress, tell_settled
from syncd.execution.lifecycle import REFUSALS, Seen, State, step, stop_reason
from syncd.ledger import record
from syncd.model import Decision, Intent, ZoomAccount


async def end_session(effect: Decision, seen: ZoomAccount, context: ExecutionContext, ports: Ports, progress: Progress) -> None:
    """Ends the SSO session before the deactivation (afterwards Zoom may know none). A refusal or a lost answer never stops
    the deactivation; a fault that concerns every account does. Raises SourceError, ConfigError, LedgerError, NotLeader."""
    intent = Intent(
        ports.clock.unique(),
        context.cycle_id,
        ports.clock.now(),
        seen.zoom_id or "",
        "revoke_sessions",
        context.by,
        effect.reason.value,
        record.before_of(seen),
    )
    if progress.refused_beside[intent.action] >= REFUSED_IN_A_ROW:
        tell_settled(intent, seen.email, step(intent.action, State.PLANNED, Seen.ENOUGH_REFUSED).of(), context, ports)
        return
    await progress.commit.append(ports.ledger, [record.intended(intent, seen)], context.term)
    stop: SourceError | ConfigError | None = None
    with progress.writing() as came:
        try:
            await ports.zoom.revoke_sessions(intent.zoom_id)
            answered = Seen.ACCEPTED
            progress.refused_beside[intent.action] = 0
        except Refused as error:
            answered = REFUSALS.get(error.kind, Seen.REFUSED)
            progress.refused_beside[intent.action] += 1
        except AnswerLost:
            answered = Seen.LOST
        except (SourceError, ConfigError) as error:
            answered, stop = Seen.SET_UP, error
        ended = step(intent.action, State.ANNOUNCED, answered)
        came(ended)
    outcome = replace(
        ended.of(stop_reason(stop) if stop is not None else None),
        attempts=1,
        done_at=ports.clock.now() if answered is Seen.ACCEPTED else None,
    )
    await progress.commit.append(ports.ledger, [record.settled(intent, outcome)], context.term)
    tell_settled(intent, seen.email, outcome, context, ports)
    if stop is not None:
        raise stop
