"""The way past a guard: a person has looked at a plan and lets exactly its effects pass, for named guards and a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from syncd.errors import Held, SourceError, UsageError
from syncd.ledger import record
from syncd.ledger.history import DAY, History
from syncd.model import Action, Approval, CycleReport, Guard, Mode, Policy, Reason, RecordedPlan, Trigger
from syncd.operations.cycle import Dependencies, Run, run_cycle
from syncd.planning.approvals import DIGEST_PREFIX_MIN, accepts, refused
from syncd.planning.guards import NOT_APPROVABLE, good_read
from syncd.planning.windows import Windows


async def approve(
    deps: Dependencies, policy: Policy, mode: Mode, *, digest: str, guards: Sequence[str], by: str, because: str, lasts: timedelta
) -> Approval:
    """Records an approval for a plan that a cycle recorded within 24 h, or that a read made now still is.

    Raises UsageError (unknown or unapprovable guard, empty reason), Held (the plan differs now), SourceError, LedgerError.
    """
    chosen = _chosen(guards)
    if len(digest) < DIGEST_PREFIX_MIN or not by.strip() or not because.strip():
        raise UsageError(f"--plan needs at least {DIGEST_PREFIX_MIN} digits of the digest, --by a name, --because a reason",
                         "The approval is evidence: say who decided and why.")
    history = await deps.ledger.history()
    now = deps.clock.now()
    plan = _recorded(history, digest, now - DAY)
    drafts, good = [], False
    if plan is None:
        report = await run_cycle(deps, policy, Run(mode, Trigger.APPROVE))
        plan, good = _read_now(report, digest), good_read(report.verdicts)
        if report.plan is not None:
            drafts.append(record.plan_made(report.cycle_id, report.plan))
    if never := refused(plan, chosen):
        raise UsageError(f"{', '.join(guard.value for guard in never)} cannot be approved",
                         "What such a guard sees is wrong, not merely large: put its cause right instead.")
    if not plan.effects and not accepts(plan, chosen):
        raise UsageError(f"the plan {digest[:12]} changes nothing, so there is nothing to approve")
    approval = Approval(
        deps.clock.unique(), plan.digest, plan.policy_digest, chosen,
        frozenset((zoom_id, action) for zoom_id, action, _ in plan.effects), by, because, now,
        _from(plan, deps.windows, now) + lasts,
        frozenset(plan.on_the_way) if Guard.POLICY_CHANGED in chosen else frozenset(),
        accepts=accepts(plan, chosen), good_read=good and Guard.POLICY_CHANGED in chosen,
    )
    await deps.ledger.append([*drafts, record.approved(approval)])
    return approval


def _from(plan: RecordedPlan, windows: Windows, now: datetime) -> datetime:
    """When the time of an approval begins: once all it covers may be done."""
    openings = [windows.next_opening(Action(action), Reason(reason), now) for action, reason in
                {(action, reason) for _, action, reason in plan.effects}]
    return max((opening for opening in openings if opening is not None), default=now)


def _chosen(names: Sequence[str]) -> tuple[Guard, ...]:
    if not names:
        raise UsageError("--guard: name the guards this approval is for", "They stand in the plan that is held.")
    try:
        chosen = tuple(dict.fromkeys(Guard(name) for name in names))
    except ValueError:
        known = ", ".join(guard.value for guard in Guard if guard not in NOT_APPROVABLE)
        raise UsageError(f"--guard: unknown guard among {', '.join(names)}", f"These can be approved: {known}") from None
    return chosen


def _recorded(history: History, digest: str, since: datetime) -> RecordedPlan | None:
    found = [
        plan for plan in history.plans.values()
        if plan.digest.startswith(digest) and plan.at >= since
        and not any(reason == Reason.BY_HAND for _, _, reason in plan.effects)      # a person's plan, not a cycle's
    ]
    if len(found) > 1:
        raise UsageError(f"{digest} is the beginning of several plans; give more digits")
    return found[0] if found else None


def _read_now(report: CycleReport, digest: str) -> RecordedPlan:
    """The plan as it is now, if it is the one named."""
    plan = report.plan
    if plan is None:
        raise SourceError("directory or zoom", f"no cycle of the last 24 h made the plan {digest[:12]}, and it cannot be made "
                          f"now: {report.why}", report.do)
    if not plan.digest.startswith(digest):
        raise Held(f"no cycle of the last 24 h made the plan {digest[:12]}, and the plan is {plan.digest[:12]} now; "
                   "nothing was approved", "Review the plan as it is now (syncd plan) and approve that one.")
    return RecordedPlan(plan.digest, plan.policy_digest, tuple((*effect.key, effect.reason.value) for effect in plan.effects),
                        plan.made_at, plan.accepts, record.on_the_way(plan))
