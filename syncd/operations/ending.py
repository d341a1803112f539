"""How a cycle ended: its result, what the ledger and observers learn of it, and why a reviewed plan is no longer the one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from syncd.errors import ExitCode, Held, LedgerError, NotLeader, SourceError
from syncd.events import CycleEnded, LookEnded
from syncd.execution.context import Progress
from syncd.execution.lifecycle import conclude
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded as CycleEndedEntry
from syncd.ledger.entries import ReadFacts
from syncd.ledger.history import History
from syncd.model import (
    Action,
    Approval,
    CycleReport,
    EffectOutcome,
    Guard,
    OutcomeKind,
    OutcomeReason,
    Plan,
    Result,
    SeenByOthers,
    StopReason,
)
from syncd.operations.dependencies import Dependencies, Run
from syncd.planning.approvals import approval_for
from syncd.planning.guards import Facts
from syncd.planning.windows import Windows
from syncd.planning.witness import foreign_lately, seen_in
from syncd.ports import Ledger

#: Accounts a sentence names by id; their outcomes stand in the document.
NAMED_MAX = 5


async def carried_out(work: Awaitable[None], progress: Progress, end: Callable[[], Awaitable[CycleReport]]) -> CycleReport:
    """Lets *work* make the changes of a cycle or a look, and *end* write down how it ended. Whoever cancels meanwhile waits for
    *end*, too; the write in hand then stays open in the ledger."""
    try:
        await work
    except asyncio.CancelledError:
        progress.stop(StopReason.STOPPED)
        await asyncio.shield(end())
        raise
    return await end()


def with_result(report: CycleReport, progress: Progress) -> CycleReport:
    """Result and exit code. When several apply: ledger, unreadable, in part, held."""
    result, code = _result(report, progress)
    why, do = report.why, report.do
    if progress.error is not None:
        why, do = progress.error.what, progress.error.do
    elif progress.stopped:
        why = f"ended early: {progress.stopped}"
    return replace(
        report, result=result, exit_code=code, outcomes=dict(progress.outcomes), written=progress.written, why=why, do=do
    )


def _result(report: CycleReport, progress: Progress) -> tuple[Result, ExitCode]:
    if any(verdict.tripped and verdict.guard is Guard.LEDGER_BROKEN for verdict in report.verdicts):
        return Result.HELD, LedgerError.exit_code
    if against := conclude(progress.stopped, progress.outcomes.values(), written=progress.written):
        return against
    if any(verdict.tripped for verdict in report.verdicts):
        return Result.HELD, Held.exit_code
    if report.plan is None or not report.plan.effects:
        return Result.IN_STEP, ExitCode.DONE
    outside = all(one.reason is OutcomeReason.WINDOW for one in progress.outcomes.values())
    return (Result.PLANNED if outside else Result.APPLIED), ExitCode.DONE  # all() of none: nothing was carried out either


def unread(report: CycleReport, error: SourceError, history: History) -> CycleReport:
    """The end of a cycle that could not read a source whole. A ledger that does not verify is graver, and said too: no later
    guard gets to say it."""
    report = replace(report, why=error.what, do=error.do, exit_code=error.exit_code)
    if not history.broken:
        return report
    why = f"{error.what.rstrip('.')}; and the ledger does not verify: {history.broken}"
    return replace(report, why=why, exit_code=LedgerError.exit_code)


def faulty(report: CycleReport, faults: Sequence[str]) -> CycleReport:
    """A plan that breaks a rule of ours is a bug: nothing of it is carried out."""
    return replace(
        report,
        result=Result.FAILED,
        exit_code=ExitCode.FAULT,
        why=f"the plan breaks {len(faults)} rules: {'; '.join(faults)}",
        do="Nothing was changed. This is a fault of syncd: please report it with the cycle document.",
    )


async def record_end(
    deps: Dependencies, run: Run, report: CycleReport, history: History, read: ReadFacts | None = None
) -> CycleReport:
    """Records how the cycle ended, tells observers, and returns the report with the ledger's head in it."""
    report = replace(report, ended_at=deps.clock.now(), head=history.head)
    outcomes = outcome_counts(report.outcomes)
    # Planned: in report mode, or because the operator's calendar denies all there is to do; both as they should be.
    success = report.result in (Result.IN_STEP, Result.APPLIED, Result.PLANNED)
    if run.term is not None and not history.broken:
        says = CycleEndedEntry(
            run.mode.value,
            run.trigger.value,
            report.result.value,
            success,
            report.started_at,
            report.ended_at,
            report.version,
            report.policy_digest,
            outcomes,
            read=read,
            look=report.look is not None,
            looks=dict(run.looks) or None,
        )
        try:
            await deps.ledger.append([record.cycle_ended(report.cycle_id, says)], term=run.term)
            report = replace(report, head=await deps.ledger.head())
            history = await deps.ledger.history()
        except (LedgerError, NotLeader) as error:
            report = replace(report, result=Result.FAILED, why=error.what, do=error.do, exit_code=error.exit_code)
    if report.look is not None:
        deps.tell(look_ended(report, outcomes))
        return report
    report = await with_contents(deps, await with_witnesses(report, history, deps.ledger), history)
    counts = {action.value: count for action, count in report.plan.counts.items()} if report.plan is not None else {}
    overdue = (
        oldest_overdue(report.plan, report.outcomes, deps.windows, report.ended_at, deps.interval)
        if report.plan is not None
        else None
    )
    deps.tell(
        CycleEnded(
            report.cycle_id,
            run.mode.value,
            report.result.value,
            success,
            report.ended_at,
            (report.ended_at - report.started_at).total_seconds(),
            counts,
            outcomes,
            report.head.seq,
            report.head.hash,
            overdue,
            *_what_went_wrong(report),
        )
    )
    return report


def look_ended(report: CycleReport, outcomes: Mapping[str, int]) -> LookEnded:
    """What observers learn of a look that changed something."""
    assert report.look is not None, "a whole cycle ends otherwise"
    seen = report.look.seen
    lags = tuple(
        (one.done_at - seen[zoom_id]).total_seconds()
        for (zoom_id, _), one in report.outcomes.items()
        if one.outcome is OutcomeKind.DONE and one.done_at is not None and zoom_id in seen
    )
    return LookEnded(
        report.cycle_id,
        report.result.value,
        len(report.look.accounts),
        (report.ended_at - report.started_at).total_seconds(),
        outcomes,
        lags,
        report.head.seq,
        report.head.hash,
        *_what_went_wrong(report),
    )


async def with_witnesses(report: CycleReport, history: History, ledger: Ledger) -> CycleReport:
    """How the changes of this cycle stand with those who saw them, and what others did lately. A ledger that cannot be read
    any more leaves the names out: the cycle ended as it ended."""
    done = {
        key: one.done_at for key, one in report.outcomes.items() if one.done_at is not None and one.outcome is OutcomeKind.DONE
    }
    foreign = foreign_lately(history, report.ended_at)
    if not done and not foreign:
        return report
    try:
        named = await ledger.personal([one.who for one in foreign if one.who])
    except LedgerError:
        named = {}
    seen = tuple(
        SeenByOthers(
            one.zoom_id,
            named.get(one.who, {}).get("email", ""),
            one.what,
            one.at,
            one.source,
            named.get(one.who, {}).get("operator", ""),
            one.fields,
        )
        for one in foreign
    )
    return replace(report, witness=seen_in(history, done, report.ended_at), foreign=seen)


async def with_contents(deps: Dependencies, report: CycleReport, history: History) -> CycleReport:
    """What deactivated accounts hold and who would receive it, where handovers are configured. A ledger that cannot be read
    any more leaves it out."""
    if deps.contents is None or report.look is not None:
        return report
    try:
        return replace(report, contents=await deps.contents(report, history))
    except LedgerError:
        return report


def _what_went_wrong(report: CycleReport) -> tuple[str, str]:
    """Why a cycle did not do all there was to do, and what to do about it; empty when it did."""
    if report.why:
        return report.why, report.do
    failed = Counter(str(one.reason) for one in report.outcomes.values() if one.outcome is OutcomeKind.FAILED)
    if failed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(failed.items()))
        ids = [zoom_id for (zoom_id, _), one in sorted(report.outcomes.items()) if one.outcome is OutcomeKind.FAILED]
        named = ", ".join(ids[:NAMED_MAX]) + (f" and {len(ids) - NAMED_MAX} more" if len(ids) > NAMED_MAX else "")
        return (
            f"{failed.total()} changes failed ({reasons}): {named}",
            "See the outcomes in the report; the next cycle tries again.",
        )
    tripped = next((verdict for verdict in report.verdicts if verdict.tripped), None)
    return (tripped.says, tripped.do) if tripped is not None and report.result is Result.HELD else ("", "")


def oldest_overdue(
    plan: Plan, outcomes: Mapping[tuple[str, str], EffectOutcome], windows: Windows, now: datetime, interval: timedelta
) -> datetime | None:
    """Since when the deactivation that is longest overdue could have been made; what windows denied ever since it was due is
    not overdue. *interval*: between two cycles."""
    kinds = {
        (effect.action, effect.reason, effect.due_at)
        for effect in plan.effects
        if effect.action is Action.DEACTIVATE
        and effect.due_at is not None
        and (effect.key not in outcomes or outcomes[effect.key].outcome is not OutcomeKind.DONE)
    }
    since = (
        windows.overdue_since(action, reason, due_at, now, interval) if due_at < now else due_at
        for action, reason, due_at in kinds
        if due_at < now or not windows.denied(action, reason, now)
    )
    return min((one for one in since if one is not None), default=None)


def next_openings(plan: Plan, windows: Windows, now: datetime) -> dict[tuple[str, str], datetime]:
    """When effects that are denied now may be made, by their keys. One that never may is left out: the configuration
    refuses such windows."""
    openings = {
        kind: windows.next_opening(*kind, now)
        for kind in {(one.action, one.reason) for one in plan.effects}
        if windows.denied(*kind, now)
    }
    return {
        one.key: windows.for_people(opening)
        for one in plan.effects
        if (opening := openings.get((one.action, one.reason))) is not None
    }


def outcome_counts(outcomes: Mapping[tuple[str, str], EffectOutcome]) -> dict[str, int]:
    """How many effects ended how: ``deactivate.done`` and the like, in order of the accounts."""
    return dict(Counter(f"{action}.{outcome.outcome.value}" for (_, action), outcome in sorted(outcomes.items())))


def approvals_in_use(plan: Plan, facts: Facts) -> tuple[Approval, ...]:
    """The approvals that let at least one change of this *plan* pass, in the ledger's order."""
    used = {approval_for(effect, facts) for effect in plan.effects}
    return tuple(approval for id_, approval in facts.history.approvals.items() if id_ in used)


def moved(wanted: str, plan: Plan, history: History) -> Held:
    """What differs between the plan asked for and the plan made now."""
    recorded = next((one for digest, one in history.plans.items() if digest.startswith(wanted)), None)
    now = {effect.key for effect in plan.effects}
    if recorded is None:
        difference = f"no cycle of the last 24 h made that plan; now {len(now)} changes are due"
    else:
        then = {(zoom_id, action) for zoom_id, action, _ in recorded.effects}
        policy = "; the policy changed" if recorded.policy_digest != plan.policy_digest else ""
        difference = f"{len(now - then)} changes came, {len(then - now)} went, {len(now & then)} are the same{policy}"
    return Held(
        f"the plan is no longer {wanted[:12]}: it is {plan.digest[:12]} now; {difference}. Nothing was changed.",
        f"Review it (syncd plan), then: syncd apply --plan {plan.digest[:12]}",
    )
