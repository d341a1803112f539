"""One reconciliation, top-down. Read both sides whole, decide, judge, carry out exactly what was decided, write it down.

This is the file to read first. The order of the steps is the safety argument:

1. nothing is concluded from a part: a read that is not whole ends the cycle as ``unreadable``;
2. what a crash left open is settled by looking at Zoom before anything is decided;
3. every account gets one decision, every guard one verdict, in every mode;
4. only effects that no tripped guard holds are carried out, and only in enforcing mode under the writer's term;
5. the ledger is written before the first effect and after the last; without it there is no effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from syncd.errors import ConfigError, Held, LedgerError, NotLeader, SourceError, SyncdError
from syncd.events import (
    ClockOffset,
    CycleEnded,
    CycleStarted,
    DirectoryRead,
    EffectSettled,
    PauseSeen,
    PhaseEnded,
    PlanMade,
    SourceUnreadable,
    ZoomRead,
)
from syncd.execution.executor import (
    ExecutionContext,
    Ports,
    Progress,
    await_in_flight,
    execute,
    resolve_from_observation,
    restore_licence_of,
    restores_begun,
)
from syncd.execution.licences import free_before
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded as CycleEndedEntry
from syncd.ledger.entries import ReadFacts
from syncd.ledger.history import History
from syncd.model import (
    Action,
    Approval,
    CycleReport,
    Decision,
    DirectorySnapshot,
    Draft,
    EffectOutcome,
    GroupUse,
    Intent,
    Mode,
    OutcomeKind,
    Plan,
    Policy,
    Reason,
    Result,
    Status,
    Trigger,
    Verdict,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.planning.approvals import NOT_APPROVABLE, approval_for, armed, armed_after, held_by
from syncd.planning.decide import decide
from syncd.planning.entitlement import entitled_people
from syncd.planning.guards import HOLDS_ONLY, READ_GUARDS, Facts, good_read, group_measure, judge
from syncd.planning.memory import remember, seen_active
from syncd.ports import Clock, Directory, Leadership, Ledger, Tell, Zoom

T = TypeVar("T")

#: Accounts that nothing is done to, not even finishing what a crash interrupted.
_LEFT_ALONE = frozenset({Reason.OUT_OF_SCOPE, Reason.ON_HOLD, Reason.EXEMPT})

@dataclass(frozen=True)
class Dependencies:
    """Everything outside that a cycle works with; ``app`` puts it together."""

    directory: Directory
    zoom: Zoom
    ledger: Ledger
    leadership: Leadership
    clock: Clock
    tell: Tell
    version: str
    credential: Callable[[], str] = lambda: ""     # identifies the Zoom credential in use, without being it
    stopping: Callable[[], bool] = lambda: False
    concurrency: int = 16
    directory_service: str = ""                    # the word under which the directory's requests and clock are told

    @property
    def ports(self) -> Ports:
        """What carrying out needs of it."""
        return Ports(self.directory, self.zoom, self.ledger, self.leadership, self.clock, self.tell, self.stopping,
                     self.concurrency)


@dataclass(frozen=True, slots=True)
class Run:
    """How much one cycle may do. *term* None: a dry run, which writes nothing anywhere. *only_plan*: the digest (or its
    beginning) that the plan must still have."""

    mode: Mode
    trigger: Trigger
    term: int | None = None
    only_plan: str = ""


async def run_cycle(deps: Dependencies, policy: Policy, run: Run) -> CycleReport:
    """One cycle. Raises LedgerError when the ledger cannot be read or written, Held when the plan is not *only_plan*."""
    begun = start_report(deps, policy, run)
    history = await deps.ledger.history()
    deps.tell(PauseSeen(history.paused_since is not None))

    # Whole, or SourceError: never a part.
    try:
        directory, zoom, directory_seconds = await _read_both(deps, begun.cycle_id)
        _demand_groups(directory, history)
    except SourceError as error:
        deps.tell(SourceUnreadable(begun.cycle_id, error.source, error.what, error.do))
        return await record_end(deps, run, replace(begun, why=error.what, do=error.do, exit_code=error.exit_code), history)

    # Crashed intents are judged by what Zoom shows now.
    history = await _settle_open_intents(deps, run, history, zoom, begun.cycle_id)
    now = deps.clock.now()
    entitled = entitled_people(directory, policy, now)
    deps.tell(DirectoryRead(begun.cycle_id, directory, entitled, directory_seconds))

    # Every account, one decision, one reason; every guard, one verdict.
    plan = await _timed(deps, begun.cycle_id, "decide", asyncio.to_thread(
        decide, directory, zoom, history, policy, now, deps.credential()))
    facts = Facts(plan, directory, zoom, history, policy, now, armed(history, policy, run.mode, now), entitled)
    verdicts = await _timed(deps, begun.cycle_id, "judge", asyncio.to_thread(judge, facts))
    deps.tell(PlanMade(begun.cycle_id, plan, verdicts, _oldest_overdue(plan, {})))
    held = {effect.key: guards for effect in plan.effects if (guards := tuple(held_by(effect, verdicts, facts)))}
    free = await free_before(plan, deps.zoom)
    planned = replace(begun, plan=plan, directory=directory, entitled=entitled, zoom=zoom, verdicts=verdicts, held=held,
                      approvals=_approvals_in_use(plan, facts), measures=facts.measures, free_licences=free, head=history.head)
    if run.only_plan and not plan.digest.startswith(run.only_plan):
        raise _moved(run.only_plan, plan, history)
    if run.term is None or history.broken:
        return await record_end(deps, run, with_result(planned, Progress()), history)

    # Exactly what no guard holds, written down before and after; a crashed cycle's licence restores first.
    allowed = [effect for effect in plan.effects if effect.key not in held] if run.mode is Mode.ENFORCE else []
    read = _read_facts(run, facts, verdicts)
    opening = _opening_entries(begun.cycle_id, read, facts, verdicts)
    unfinished = _unfinished_restores(run, history, plan, verdicts)
    quiet = len(opening) == 1 and not allowed and not unfinished      # then one entry tells all, at the end
    if not quiet:
        await deps.ledger.append(opening, term=run.term)
    progress = Progress()
    context = _context(begun.cycle_id, run.term, allowed, facts, deps.credential())
    try:
        await _timed(deps, begun.cycle_id, "apply", _apply(unfinished, allowed, context, deps, progress))
    except asyncio.CancelledError:                     # the write in hand stays open in the ledger
        progress.stop("stopped")
        await asyncio.shield(record_end(deps, run, with_result(planned, progress), history, read if quiet else None))
        raise
    if isinstance(progress.error, SourceError):        # a second look that failed, a scope missing: said as in a read
        deps.tell(SourceUnreadable(begun.cycle_id, progress.error.source, progress.error.what, progress.error.do))
    return await record_end(deps, run, with_result(planned, progress), history, read if quiet else None)


# ------------------------------------------------------------------------------------------------- beginning, reading


def start_report(deps: Dependencies, policy: Policy, run: Run) -> CycleReport:
    cycle_id, started = deps.clock.unique(), deps.clock.now()
    deps.tell(CycleStarted(cycle_id, run.mode.value, run.trigger.value))
    return CycleReport(cycle_id, run.mode, run.trigger, Result.UNREADABLE, started, started, deps.version, policy.digest())


async def _read_both(deps: Dependencies, cycle_id: str) -> tuple[DirectorySnapshot, ZoomSnapshot, float]:
    """Both snapshots, read side by side, and the seconds the directory took; the first failure ends both. Raises
    SourceError."""
    try:
        async with asyncio.TaskGroup() as reads:
            directory_read = reads.create_task(_clocked(deps, cycle_id, "directory", deps.directory.read()))
            zoom_read = reads.create_task(_clocked(deps, cycle_id, "zoom", deps.zoom.read()))
    except* SyncdError as group:
        errors = list(_leaves(group))
        worst = next((error for error in errors if isinstance(error, LedgerError)), errors[0])     # a cursor not writable
        if isinstance(worst, ConfigError):             # a mounted secret that is gone for the moment
            raise SourceError("configuration", worst.what, worst.do) from None
        raise worst from None
    (directory, directory_seconds), (zoom, zoom_seconds) = directory_read.result(), zoom_read.result()
    deps.tell(ZoomRead(cycle_id, zoom, zoom_seconds))
    clocks = (("zoom", zoom.clock_offset_seconds), (deps.directory_service or directory.source, directory.clock_offset_seconds))
    for service, offset in clocks:
        if offset is not None:
            deps.tell(ClockOffset(service, offset))
    return directory, zoom, directory_seconds


def _demand_groups(directory: DirectorySnapshot, history: History) -> None:
    """A group that nothing shows to exist is a missing one, not an empty one, unless it is known to have had members (then
    ``group-emptied`` judges it). A missing leaver group only means that nobody left. Raises SourceError."""
    for group in directory.groups if directory.people else ():       # nobody at all: directory-empty says so
        if group.exists or group.use is GroupUse.LEAVERS:
            continue
        if group.use is GroupUse.PROTECTING or not history.measures.get(group_measure(group)):
            raise SourceError(
                "directory", f"the {group.use.value} group {group.name!r} is configured, but the directory knows no such group",
                "Correct its name in the configuration, or take it out if it is not needed.")


def _leaves(group: BaseExceptionGroup[SyncdError]) -> Iterator[SyncdError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _clocked(deps: Dependencies, cycle_id: str, phase: str, work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What *work* gave, and the seconds it took."""
    started = deps.clock.monotonic()
    return await _timed(deps, cycle_id, phase, work), deps.clock.monotonic() - started


async def _timed(deps: Dependencies, cycle_id: str, phase: str, work: Coroutine[Any, Any, T]) -> T:
    started = deps.clock.monotonic()
    try:
        return await work
    finally:
        deps.tell(PhaseEnded(cycle_id, phase, deps.clock.monotonic() - started))


async def _settle_open_intents(
    deps: Dependencies, run: Run, history: History, zoom: ZoomSnapshot, cycle_id: str
) -> History:
    """What a crash left open, judged by what Zoom shows now. A licence that was to be given back and is not yet becomes an
    open intent of its own. A dry run only foresees it."""
    if not history.intents or history.broken:
        return history
    accounts = {account.zoom_id: account for account in zoom.accounts if account.zoom_id is not None}
    if run.term is not None and run.mode is Mode.ENFORCE:
        accounts = await await_in_flight(history.intents.values(), accounts, deps.zoom, deps.clock)
    settled = resolve_from_observation(history.intents.values(), accounts)
    drafts = [record.settled(intent, outcome, cycle=cycle_id) for intent, outcome in settled]
    if run.term is None:
        return history.foreseen(drafts, deps.clock.now())
    drafts += [record.intended(intent, accounts[intent.zoom_id])
               for intent in restores_begun(settled, accounts, deps.clock.unique)]
    if drafts:
        await deps.ledger.append(drafts, term=run.term)
    for intent, outcome in settled:
        address = accounts[intent.zoom_id].email if intent.zoom_id in accounts else ""
        deps.tell(EffectSettled(cycle_id, intent.zoom_id, address, intent.action, outcome.outcome.value, outcome.reason))
    return await deps.ledger.history()


def _unfinished_restores(
    run: Run, history: History, plan: Plan, verdicts: tuple[Verdict, ...]
) -> list[tuple[Intent, ZoomAccount]]:
    """Licences that a crashed cycle announced and did not give back, with the accounts that wait for them. None while a
    guard holds everything, and none for an account that is to be left alone (what a person began by hand goes on: the hold
    came with it)."""
    if run.mode is not Mode.ENFORCE or any(one.tripped and one.guard not in HOLDS_ONLY for one in verdicts):
        return []
    open_ = {intent.zoom_id: intent for intent in history.intents.values() if intent.action == "restore_licence"}
    return [
        (open_[zoom_id], decision.account) for decision in plan.decisions
        if (zoom_id := decision.account.zoom_id) is not None and zoom_id in open_
        and decision.account.status is Status.ACTIVE and decision.action is not Action.DEACTIVATE
        and (decision.reason not in _LEFT_ALONE or open_[zoom_id].by != "cycle")
    ] if open_ else []


async def _apply(
    unfinished: Sequence[tuple[Intent, ZoomAccount]], effects: Sequence[Decision], context: ExecutionContext, deps: Dependencies,
    progress: Progress,
) -> None:
    try:
        for intent, account in unfinished:
            seen = await deps.zoom.get_account(intent.zoom_id)
            if seen is not None and (seen.status, seen.type) == (account.status, account.type):
                await restore_licence_of(intent, seen, EffectOutcome(OutcomeKind.DONE), context, deps.ports, progress)
    except (SourceError, ConfigError) as error:
        progress.stop("zoom_unreadable", error)
    except LedgerError as error:
        progress.stop("ledger_unwritable", error)
    except NotLeader as error:
        progress.stop("not_leader", error)
    await execute(effects, context, deps.ports, progress)


# ------------------------------------------------------------------------------------------------ what is written down


def _context(cycle_id: str, term: int, allowed: Sequence[Decision], facts: Facts, credential: str) -> ExecutionContext:
    approvals = {effect.key: approval_for(effect, facts) for effect in allowed}
    return ExecutionContext(cycle_id, term, facts.policy, credential=credential, approvals=approvals,
                  restore=licences_to_restore(allowed, facts.history, facts.policy))


def licences_to_restore(effects: Sequence[Decision], history: History, policy: Policy) -> dict[str, Mapping[str, Any]]:
    """Zoom id -> the licence recorded when we deactivated the account, for those that had more than a basic one."""
    wanted: dict[str, Mapping[str, Any]] = {}
    for effect in effects:
        zoom_id = effect.account.zoom_id or ""
        last = history.deactivated.get(zoom_id)
        if policy.restore_licence and effect.action is Action.REACTIVATE and last is not None and last.type in (2, 4):
            wanted[zoom_id] = {"type": last.type, "plan": last.plan}
    return wanted


def _read_facts(run: Run, facts: Facts, verdicts: tuple[Verdict, ...]) -> ReadFacts:
    """What this cycle read, measured and decided, in totals."""
    plan, zoom, values = facts.plan, facts.zoom, facts.policy.as_json()
    changed = plan.policy_digest != facts.history.policy_digest or (
        run.mode is Mode.ENFORCE and facts.history.policy_in_use != values)
    return ReadFacts(
        mode=run.mode.value,
        good=good_read(verdicts),
        source=facts.directory.source,
        directory_digest=facts.directory.digest,
        zoom_digest=zoom.digest,
        accounts=len(zoom.accounts),
        statuses={status.value: zoom.count(status) for status in Status},
        active_in_scope=facts.active_in_scope[0],
        measures=dict(facts.measures),
        min_match_percent=facts.policy.limits.min_match_percent,
        plan=plan.digest,
        policy=plan.policy_digest,
        counts={action.value: count for action, count in plan.counts.items()},
        reasons={reason.value: count for reason, count in plan.reasons.items()},
        tripped=record.tripped_of(verdicts),
        armed=armed_after(facts, verdicts) if run.mode is Mode.ENFORCE else None,
        policy_values=values if changed else None,
    )


def _opening_entries(
    cycle_id: str, read: ReadFacts, facts: Facts, verdicts: tuple[Verdict, ...]
) -> list[Draft]:
    """The plan (if there is something to approve in it and it is not recorded yet), what was read, and, after a good read,
    what changed in memory and decisions."""
    plan, history = facts.plan, facts.history
    approvable = bool(plan.effects) or any(
        one.tripped and one.guard in READ_GUARDS - NOT_APPROVABLE for one in verdicts)
    drafts = [record.plan_made(cycle_id, plan)] if approvable and plan.digest not in history.plans else []
    drafts.append(record.cycle_read(cycle_id, read))
    if not good_read(verdicts):
        drafts += record.memory(cycle_id, seen_active(plan, history))
    else:
        drafts += record.memory(cycle_id, remember(plan, history))
        changed_at = {person.id: person.changed_at for person in facts.directory.people if person.changed_at is not None}
        drafts += [
            record.decided(cycle_id, decision, changed_at.get(decision.directory_id or "")) for decision in plan.decisions
            if decision.account.zoom_id is not None
            and history.decided.get(decision.account.zoom_id) != record.decision_made(decision).fingerprint
        ]
    return drafts


async def record_end(
    deps: Dependencies, run: Run, report: CycleReport, history: History, read: ReadFacts | None = None
) -> CycleReport:
    """Records how the cycle ended, tells observers, and returns the report with the ledger's head in it."""
    report = replace(report, ended_at=deps.clock.now(), head=history.head)
    outcomes = _outcome_counts(report)
    success = report.result in (Result.IN_STEP, Result.APPLIED) or (
        report.result is Result.PLANNED and run.mode is Mode.REPORT)
    if run.term is not None and not history.broken:
        says = CycleEndedEntry(
            run.mode.value, run.trigger.value, report.result.value, success, report.started_at, report.ended_at, report.version,
            report.policy_digest, outcomes, read=read,
        )
        try:
            await deps.ledger.append([record.cycle_ended(report.cycle_id, says)], term=run.term)
            report = replace(report, head=await deps.ledger.head())
        except (LedgerError, NotLeader) as error:
            report = replace(report, result=Result.FAILED, why=error.what, do=error.do, exit_code=error.exit_code)
    counts = {action.value: count for action, count in report.plan.counts.items()} if report.plan is not None else {}
    overdue = _oldest_overdue(report.plan, report.outcomes) if report.plan is not None else None
    deps.tell(CycleEnded(
        report.cycle_id, run.mode.value, report.result.value, success, report.ended_at,
        (report.ended_at - report.started_at).total_seconds(), counts, outcomes, report.head.seq, report.head.hash, overdue,
        *_what_went_wrong(report),
    ))
    return report


def _what_went_wrong(report: CycleReport) -> tuple[str, str]:
    """Why a cycle did not do all there was to do, and what to do about it; empty when it did."""
    if report.why:
        return report.why, report.do
    failed = Counter(one.reason for one in report.outcomes.values() if one.outcome is OutcomeKind.FAILED)
    if failed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(failed.items()))
        return f"{failed.total()} changes failed ({reasons})", "See the outcomes in the report; the next cycle tries again."
    tripped = next((verdict for verdict in report.verdicts if verdict.tripped), None)
    return (tripped.says, tripped.do) if tripped is not None and report.result is Result.HELD else ("", "")


# ------------------------------------------------------------------------------------------------------ how it ended


def with_result(report: CycleReport, progress: Progress) -> CycleReport:
    """Result and exit code. When several apply: ledger, unreadable, in part, held."""
    result, code = _result(report, progress)
    why, do = report.why, report.do
    if progress.error is not None:
        why, do = progress.error.what, progress.error.do
    elif progress.stopped:
        why = f"ended early: {progress.stopped}"
    return replace(report, result=result, exit_code=code, outcomes=dict(progress.outcomes), written=progress.written,
                   why=why, do=do)


def _result(report: CycleReport, progress: Progress) -> tuple[Result, int]:
    tripped = any(verdict.tripped for verdict in report.verdicts)
    if any(verdict.tripped and verdict.guard.value == "ledger-broken" for verdict in report.verdicts):
        return Result.HELD, 6
    if isinstance(progress.error, LedgerError):
        return Result.FAILED, 6
    if progress.stopped in ("stopped", "paused", "not_leader"):
        return Result.INTERRUPTED, 5 if progress.written else 7 if progress.stopped == "not_leader" else 4
    if progress.stopped and not progress.written:
        return Result.UNREADABLE, 4
    if progress.stopped or any(one.outcome is OutcomeKind.FAILED for one in progress.outcomes.values()):
        return Result.PARTIAL, 5
    if tripped:
        return Result.HELD, 3
    if report.plan is None or not report.plan.effects:
        return Result.IN_STEP, 0
    return (Result.APPLIED if progress.outcomes else Result.PLANNED), 0


def _oldest_overdue(plan: Plan, outcomes: Mapping[tuple[str, str], EffectOutcome]) -> datetime | None:
    due = [
        effect.due_at for effect in plan.effects
        if effect.action is Action.DEACTIVATE and effect.due_at is not None
        and (effect.key not in outcomes or outcomes[effect.key].outcome is not OutcomeKind.DONE)
    ]
    return min(due, default=None)


def _outcome_counts(report: CycleReport) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (_, action), outcome in sorted(report.outcomes.items()):
        name = f"{action}.{outcome.outcome.value}"
        counts[name] = counts.get(name, 0) + 1
    return counts


def _approvals_in_use(plan: Plan, facts: Facts) -> tuple[Approval, ...]:
    used = {approval_for(effect, facts) for effect in plan.effects}
    return tuple(approval for id_, approval in facts.history.approvals.items() if id_ in used)


def _moved(wanted: str, plan: Plan, history: History) -> Held:
    """What differs between the plan asked for and the plan made now."""
    recorded = next((one for digest, one in history.plans.items() if digest.startswith(wanted)), None)
    now = {effect.key for effect in plan.effects}
    if recorded is None:
        difference = f"no cycle of the last 24 h made that plan; now {len(now)} changes are due"
    else:
        then = {(zoom_id, action) for zoom_id, action, _ in recorded.effects}
        policy = "; the policy changed" if recorded.policy_digest != plan.policy_digest else ""
        difference = f"{len(now - then)} changes came, {len(then - now)} went, {len(now & then)} are the same{policy}"
    return Held(f"the plan is no longer {wanted[:12]}: it is {plan.digest[:12]} now; {difference}. Nothing was changed.",
                f"Review it (syncd plan), then: syncd apply --plan {plan.digest[:12]}")
