"""What a cycle writes down before its first effect: that it began, what it read and measured, and what it decided."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.events import CycleStarted
from syncd.execution.context import ExecutionContext
from syncd.execution.licences import licences_owed
from syncd.ledger import record
from syncd.ledger.entries import ReadFacts
from syncd.model import CycleReport, Decision, Draft, Mode, Policy, Reason, Result, Status, Verdict, Witnesses
from syncd.operations.dependencies import Dependencies, Run
from syncd.planning.approvals import approval_for
from syncd.planning.arming import armed_after
from syncd.planning.guards import Facts, good_read, group_entry
from syncd.planning.memory import remember, seen_active
from syncd.planning.windows import Windows
from syncd.planning.witness import witnesses_changed


def start_report(deps: Dependencies, policy: Policy, run: Run) -> CycleReport:
    """A report that says nothing yet, with an id of its own; that a cycle began is told."""
    cycle_id, started = deps.clock.unique(), deps.clock.now()
    deps.tell(CycleStarted(cycle_id, run.mode.value, run.trigger.value))
    return CycleReport(cycle_id, run.mode, run.trigger, Result.UNREADABLE, started, started, deps.version, policy.digest())


def under_authority(
    cycle_id: str, term: int, allowed: Sequence[Decision], facts: Facts, credential: str, windows: Windows
) -> ExecutionContext:
    """All that is needed to carry out what is *allowed*, so that execution has nothing left to decide. *credential*: a
    fingerprint, no secret."""
    approvals = {effect.key: approval_for(effect, facts) for effect in allowed}
    # When somebody joined a group or went, their entry does not say: its last change may be years old.
    people = {
        effect.directory_id: effect.account.zoom_id or ""
        for effect in allowed
        if effect.directory_id is not None and effect.reason is Reason.DISABLED_IN_DIRECTORY
    }
    changed_at = (
        {
            people[person.id]: person.changed_at
            for person in facts.directory.people
            if person.changed_at is not None and person.id in people
        }
        if people
        else {}
    )
    return ExecutionContext(
        cycle_id,
        term,
        facts.policy,
        credential=credential,
        approvals=approvals,
        windows=windows,
        restore=licences_owed(allowed, facts.history, facts.policy),
        changed_at=changed_at,
    )


def read_facts(run: Run, facts: Facts, verdicts: tuple[Verdict, ...], *, look: bool = False) -> ReadFacts:
    """What this cycle read, measured and decided, in totals. A *look* measures nothing and takes no policy into use."""
    plan, zoom, values = facts.plan, facts.zoom, facts.policy.as_json()
    changed = plan.policy_digest != facts.history.policy_digest or (
        run.mode is Mode.ENFORCE and facts.history.policy_in_use != values
    )
    whole = not look
    return ReadFacts(
        mode=run.mode.value,
        good=whole and good_read(verdicts),
        source=facts.directory.source,
        directory_digest=facts.directory.digest,
        zoom_digest=zoom.digest,
        accounts=len(zoom.accounts),
        statuses={status.value: zoom.count(status) for status in Status},
        active_in_scope=facts.active_in_scope[0],
        measures=dict(facts.measures),
        view=facts.directory.view,
        as_of=facts.directory.as_of,
        groups={group_entry(group): group.id for group in facts.directory.groups},
        min_match_percent=facts.policy.limits.min_match_percent,
        plan=plan.digest,
        policy=plan.policy_digest,
        counts={action.value: count for action, count in plan.counts.items()},
        reasons={reason.value: count for reason, count in plan.reasons.items()},
        tripped=record.tripped_of(verdicts),
        armed=armed_after(facts, verdicts) if whole and run.mode is Mode.ENFORCE else None,
        policy_values=values if whole and changed else None,
        look=look,
    )


def opening_entries(
    cycle_id: str, read: ReadFacts, facts: Facts, verdicts: tuple[Verdict, ...], witnesses: Witnesses
) -> list[Draft]:
    """Who is asked what they saw, when that changed; the plan (if there is something to approve in it and it is not recorded
    yet), what was read, and, after a good read, what changed in memory and decisions."""
    plan, history = facts.plan, facts.history
    approvable = bool(plan.effects) or bool(plan.accepts)
    drafts = [record.witnesses_set(witnesses)] if witnesses_changed(history, witnesses) else []
    drafts += [record.plan_made(cycle_id, plan, verdicts)] if approvable and plan.digest not in history.plans else []
    drafts.append(record.cycle_read(cycle_id, read))
    if not good_read(verdicts):
        drafts += record.memory(cycle_id, seen_active(plan, history))
    else:
        drafts += record.memory(cycle_id, remember(plan, history))
        changed_at = {person.id: person.changed_at for person in facts.directory.people if person.changed_at is not None}
        drafts += [
            record.decided(cycle_id, decision, changed_at.get(decision.directory_id or ""))
            for decision in plan.decisions
            if decision.account.zoom_id is not None
            and history.decided.get(decision.account.zoom_id) != record.decision_made(decision).fingerprint
        ]
    return drafts
