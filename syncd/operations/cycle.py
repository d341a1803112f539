"""One reconciliation, top-down. Read both sides whole, decide, judge, carry out exactly what was decided, write it down.

This is the file to read first. The order of the steps is the safety argument:

1. nothing is concluded from a part: a read that is not whole ends the cycle as ``unreadable``;
2. what a crash left open is settled by looking at Zoom before anything is decided;
3. every account gets one decision, every guard one verdict, in every mode;
4. only effects that no tripped guard holds are carried out, and only in enforcing mode under the writer's term;
5. the ledger is written before the first effect and after the last; without it there is no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.errors import SourceError
from syncd.events import DirectoryRead, PauseSeen, PlanMade, SourceUnreadable
from syncd.execution.context import ExecutionContext, Progress
from syncd.execution.executor import execute
from syncd.execution.licences import free_before
from syncd.ledger import record
from syncd.model import ClockStanding, CycleReport, Decision, Intent, Mode, Policy, ZoomAccount
from syncd.operations.dependencies import Dependencies, Run, timed
from syncd.operations.ending import carried_out, faulty, moved, next_openings, oldest_overdue, record_end, unread, with_result
from syncd.operations.holds import acknowledged_rows
from syncd.operations.judging import decide_and_judge
from syncd.operations.opening import opening_entries, read_facts, start_report, under_authority
from syncd.operations.reading import clock_standing, demand_groups, read_both
from syncd.operations.recovery import give_owed_licences, settle_open_intents, unfinished_restores
from syncd.operations.way_out import commands_for, known_leavers
from syncd.planning.approved import only_authorised
from syncd.planning.audit import plan_audit
from syncd.planning.clarity import demand_clear, unclear_people
from syncd.planning.entitlement import entitled_people
from syncd.planning.reach import changeable, out_of_reach

__all__ = ["Dependencies", "Run", "run_cycle"]


async def run_cycle(deps: Dependencies, policy: Policy, run: Run) -> CycleReport:
    """One cycle. Raises LedgerError when the ledger cannot be read or written, Held when the plan is not *only_plan*."""
    begun = start_report(deps, policy, run)
    history = await deps.ledger.history()
    deps.tell(PauseSeen(history.paused_since is not None))

    # Whole, or SourceError: never a part.
    try:
        directory, zoom, directory_seconds = await read_both(deps, begun.cycle_id)
        demand_groups(directory, history)
        now = deps.clock.now()
        entitled, unclear = entitled_people(directory, policy, now), unclear_people(directory, policy)
        deps.tell(DirectoryRead(begun.cycle_id, directory, entitled, directory_seconds, unclear))
        demand_clear(unclear, entitled)
    except SourceError as error:
        deps.tell(SourceUnreadable(begun.cycle_id, error.source, error.what, error.do))
        deps.ledger.clock_is(ClockStanding.UNKNOWN)
        return await record_end(deps, run, unread(begun, error, history), history)

    # A wrong clock writes nothing down: the guard holds what this cycle shows.
    standing = clock_standing(zoom.clock_offset_seconds, policy)
    deps.ledger.clock_is(standing)
    if run.term is not None and standing is ClockStanding.REFUTED:
        begun, run = replace(begun, off_the_record=True), replace(run, term=None)

    # Crashed intents are judged by what Zoom shows now.
    history, zoom = await settle_open_intents(deps, run, history, zoom, begun.cycle_id)
    now = deps.clock.now()
    heeded, history = history.heeded, only_authorised(history, policy, deps.signature_fits, now)

    # Every account, one decision, one reason; every guard, one verdict.
    judged = await decide_and_judge(
        deps, policy, run.mode, directory, zoom, history, now, entitled=entitled, cycle_id=begun.cycle_id
    )
    plan, facts, verdicts, held = judged.plan, judged.facts, judged.verdicts, judged.held
    openings, calendar = next_openings(plan, deps.windows, now), deps.windows.state(now)
    deps.tell(
        PlanMade(
            begun.cycle_id,
            plan,
            verdicts,
            oldest_overdue(plan, {}, deps.windows, now, deps.interval),
            openings,
            acknowledged_rows(plan, history, now),
            calendar,
        )
    )
    leavers = known_leavers(plan, held)
    free = await free_before(plan, deps.zoom)
    planned = replace(
        judged.told_in(begun),
        unclear=unclear,
        free_licences=free,
        next_openings=openings,
        calendar=calendar,
        known_leavers=leavers,
        commands=commands_for(plan, verdicts, leavers, run.mode),
        warnings=tuple(filter(None, [out_of_reach(plan, changeable(plan, policy, zoom.groups))])),
    )
    if run.only_plan and not plan.digest.startswith(run.only_plan) and not history.broken:
        raise moved(run.only_plan, plan, history)
    if faults := plan_audit(facts, judged.free):
        return await record_end(deps, run, faulty(planned, faults), history)
    if run.term is None or history.broken:
        return await record_end(deps, run, with_result(planned, Progress()), history)

    # Exactly what no guard holds, written down before and after; a crashed cycle's licence restores first.
    allowed = judged.free if run.mode is Mode.ENFORCE else []
    read = read_facts(run, facts, verdicts)
    counts = [record.approval_counts(begun.cycle_id, approval) for approval in sorted(history.heeded - heeded)]
    opening = [*counts, *opening_entries(begun.cycle_id, read, facts, verdicts, deps.witnesses)]
    unfinished = unfinished_restores(run, policy, history, plan, verdicts)
    quiet = len(opening) == 1 and not allowed and not unfinished  # then one entry tells all, at the end
    if not quiet:
        await deps.ledger.append(opening, term=run.term)
    progress = Progress()
    context = under_authority(begun.cycle_id, run.term, allowed, facts, deps.credential(), deps.windows)

    async def end() -> CycleReport:
        if isinstance(progress.error, SourceError):  # a second look that failed, a scope missing: said as in a read
            deps.tell(SourceUnreadable(begun.cycle_id, progress.error.source, progress.error.what, progress.error.do))
        return await record_end(deps, run, with_result(planned, progress), history, read if quiet else None)

    work = timed(deps, begun.cycle_id, "apply", _apply(unfinished, allowed, context, deps, progress))
    return await carried_out(work, progress, end)


async def _apply(
    owed: Sequence[tuple[Intent, ZoomAccount]],
    effects: Sequence[Decision],
    context: ExecutionContext,
    deps: Dependencies,
    progress: Progress,
) -> None:
    """What is owed from before, then what was decided now. Never raises: how it went stands in *progress*."""
    await give_owed_licences(owed, context, deps, progress)
    await execute(effects, context, deps.ports, progress)
