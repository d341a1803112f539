"""What people ask for beside the cycle: single accounts, holds, pauses, and undoing a cycle.

Hand verbs are emergency procedures: they need no directory, look only at the Zoom accounts they name, and are judged on their
own effects by the size guards, protection and the ledger's state. ``confirm_count`` is how somebody says "yes, that many".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from syncd.errors import LedgerError, NotLeader
from syncd.events import CycleEnded, CycleStarted, EffectSettled
from syncd.execution.context import ExecutionContext, Ports, Progress
from syncd.execution.executor import execute
from syncd.execution.licences import licences_owed
from syncd.execution.lifecycle import conclude_request
from syncd.execution.settlement import await_in_flight, resolve_from_observation, restores_begun
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded as CycleEndedEntry
from syncd.ledger.history import History
from syncd.model import (
    Action,
    CycleReport,
    Decision,
    Guard,
    Mode,
    Plan,
    Policy,
    Reason,
    Status,
    Trigger,
    Verdict,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.operations.dependencies import Dependencies
from syncd.operations.ending import outcome_counts
from syncd.operations.lookup import Unreadable, exit_code_of, find_accounts, near_accounts
from syncd.planning.approved import only_authorised
from syncd.planning.guards import HandFacts, judge_by_hand
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection
from syncd.reading import End, in_one_piece

#: How long an account stays alone after somebody overruled syncd, so that the next cycle does not repeat the mistake.
HOLD_AFTER_OVERRULING = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks and why; how far they confirm. *confirm_count*: the number of changes they know of, which passes the sizes."""

    by: str
    because: str
    confirm_count: int | None = None
    while_paused: bool = False


@dataclass(frozen=True)
class Wanted:
    """What was found for the addresses given: planned changes, accounts that already are so, addresses Zoom does not know.
    *protected*: what an undo leaves out, so that one protected account does not keep the others locked out. *unreadable*:
    accounts that Zoom answers oddly about, which keep nobody else from being changed."""

    effects: tuple[Decision, ...] = ()
    already: tuple[ZoomAccount, ...] = ()
    unknown: tuple[str, ...] = ()
    protected: tuple[ZoomAccount, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    restore: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pending: tuple[str, ...] = ()  # invitations that nobody accepted
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)  # addresses near to unknown ones

    @property
    def unreadable_code(self) -> int:
        """Exit code of what could not be read: 4 when that is everything that was asked for, 5 beside others, 0 for none."""
        return exit_code_of(self.unreadable, others=bool(self.effects or self.already or self.protected))


async def wanted_by_address(
    deps: Dependencies, policy: Policy, addresses: Sequence[str], action: Action, request: Request, term: int = 0
) -> Wanted:
    """Looks the addresses up in Zoom and judges changing them. Raises SourceError, LedgerError, NotLeader."""
    named = await find_accounts(deps, addresses)
    found = await settle_interrupted(deps, named.accounts, term)
    target = Status.INACTIVE if action is Action.DEACTIVATE else Status.ACTIVE
    effects = tuple(by_hand(account, action) for account in found if account.status is not target)
    already = tuple(account for account in found if account.status is target)
    history = await deps.ledger.history()
    verdicts = await judge_request(deps, policy, history, effects, request)
    await offer_for_approval(deps, policy, history, effects, verdicts, term)
    near = await near_accounts(deps, named.unknown)
    return Wanted(
        effects,
        already,
        named.unknown,
        (),
        named.unreadable,
        verdicts,
        licences_owed(effects, history, policy),
        named.pending,
        near,
    )


async def offer_for_approval(
    deps: Dependencies, policy: Policy, history: History, effects: Sequence[Decision], verdicts: Sequence[Verdict], term: int
) -> None:
    """Records what several people have to agree to, so that they can approve it. Raises LedgerError, NotLeader."""
    plan = Plan(deps.clock.now(), policy.digest(), tuple(effects))
    facts = HandFacts(plan, history, policy, plan.made_at, history.active_in_scope)
    if term and facts.needs_approval and any(one.tripped and one.guard is Guard.MAX_DEACTIVATIONS for one in verdicts):
        await deps.ledger.append([record.plan_made(deps.clock.unique(), plan, verdicts)], term=term)


async def settle_interrupted(deps: Dependencies, accounts: Sequence[ZoomAccount], term: int) -> list[ZoomAccount]:
    """*accounts* once no change that an interrupted cycle announced for them can still be under way at Zoom, with what
    became of it in the ledger: there are never two changes of one account at a time, what a dead process did counts as done,
    and the licence it took is known. Raises LedgerError, NotLeader."""
    history = await deps.ledger.history()
    shown = {account.zoom_id or "": account for account in accounts}
    open_ = [
        intent for intent in history.intents.values() if intent.zoom_id in shown and intent.action in ("deactivate", "reactivate")
    ]
    if not open_ or history.broken:
        return list(accounts)
    shown = await await_in_flight(open_, shown, deps.zoom, deps.clock)
    settled = resolve_from_observation(open_, shown)
    await deps.ledger.append(
        [
            *(record.settled(intent, outcome) for intent, outcome in settled),
            *(record.intended(intent, shown[intent.zoom_id]) for intent in restores_begun(settled, shown, deps.clock.unique)),
        ],
        term=term,
    )
    for intent, outcome in settled:
        address = shown[intent.zoom_id].email if intent.zoom_id in shown else ""
        deps.tell(EffectSettled(intent.cycle, intent.zoom_id, address, intent.action, outcome.outcome.value, outcome.reason))
    return list(shown.values())


async def judge_request(
    deps: Dependencies, policy: Policy, history: History, effects: Sequence[Decision], request: Request
) -> tuple[Verdict, ...]:
    """The guards that count for hand verbs: the ledger, a pause, protection, and the sizes of these effects alone."""
    protected = await protected_among(deps, policy, history, effects)
    now = deps.clock.now()
    plan = Plan(now, policy.digest(), tuple(effects))
    history = only_authorised(history, policy, deps.signature_fits, now)
    return judge_by_hand(
        HandFacts(
            plan,
            history,
            policy,
            plan.made_at,
            history.active_in_scope,
            tuple(protected),
            request.confirm_count,
            request.while_paused,
        )
    )


async def protected_among(deps: Dependencies, policy: Policy, history: History, effects: Sequence[Decision]) -> list[Decision]:
    """Those of *effects* that touch an exempt or role-protected account. Raises SourceError."""
    roles, groups = await deps.zoom.list_roles_and_groups()
    addresses = Addresses(policy)
    protection = Protection(policy, groups, addresses)
    return [
        effect
        for effect in effects
        if protection.exempt(effect.account, addresses.key(effect.account.email), ())
        or protection.protected(effect.account, _role_of(effect.account, history, roles))
    ]


async def execute_request(
    deps: Dependencies,
    policy: Policy,
    mode: Mode,
    wanted: Wanted,
    request: Request,
    term: int,
    *,
    trigger: Trigger,
    undo_of: str = "",
    hold: Sequence[str] = (),
) -> CycleReport:
    """Carries a person's changes out, each looked at before and after, and puts *hold* (zoom ids) on hold for 7 days.
    The report is a cycle document of its own. Raises LedgerError, NotLeader."""
    cycle_id, started = deps.clock.unique(), deps.clock.now()
    deps.tell(CycleStarted(cycle_id, mode.value, trigger.value))
    plan = Plan(
        started,
        policy.digest(),
        tuple(
            sorted(
                (*wanted.effects, *(Decision(account, Action.KEEP, Reason.BY_HAND) for account in wanted.already)),
                key=lambda decision: (decision.account.zoom_id or "", decision.account.email),
            )
        ),
    )
    accounts = {decision.account.zoom_id or "": decision.account for decision in plan.decisions}
    until = started + HOLD_AFTER_OVERRULING
    drafts = [record.undone(cycle_id, undo_of, by=request.by, because=request.because)] if undo_of else []
    drafts += [
        record.held(id_, by=request.by, because=request.because, until=until, personal=record.personal_of(accounts[id_]))
        for id_ in dict.fromkeys(hold)
        if id_ in accounts and not _held_longer(id_, until, await deps.ledger.history())
    ]
    if plan.effects:
        drafts.append(record.plan_made(cycle_id, plan))
    if drafts:  # the hold stands before the change, so that no crash can come between
        await deps.ledger.append(drafts, term=term)
    progress = Progress()
    ports: Ports = replace(deps.ports, directory=None)
    known = only_authorised(await deps.ledger.history(), policy, deps.signature_fits, deps.clock.now())
    facts = HandFacts(plan, known, policy, started, 0)
    approvals = {effect.key: found for effect in plan.effects if (found := facts.covering(effect, Guard.MAX_DEACTIVATIONS))}
    context = ExecutionContext(
        cycle_id,
        term,
        policy,
        by="undo" if undo_of else "hand",
        credential=deps.credential(),
        while_paused=request.while_paused,
        restore=wanted.restore,
        approvals=approvals,
    )
    await execute(plan.effects, context, ports, progress)
    return await _reported(deps, policy, mode, trigger, cycle_id, started, plan, wanted, progress, request, term)


def _held_longer(zoom_id: str, until: datetime, history: History) -> bool:
    """Whether somebody asked for a longer hold already: overruling syncd must not shorten it."""
    standing_hold = history.holds.get(zoom_id)
    return standing_hold is not None and (standing_hold.until is None or standing_hold.until >= until)


async def _reported(
    deps: Dependencies,
    policy: Policy,
    mode: Mode,
    trigger: Trigger,
    cycle_id: str,
    started: datetime,
    plan: Plan,
    wanted: Wanted,
    progress: Progress,
    request: Request,
    term: int,
) -> CycleReport:
    result, code = conclude_request(progress.stopped, tuple(progress.outcomes.values()), written=progress.written)
    ended = deps.clock.now()
    asked = in_one_piece((decision.account for decision in plan.decisions), End.EACH_ASKED)
    zoom = ZoomSnapshot.whole(policy.zoom_account_id, started, asked)
    if not isinstance(progress.error, LedgerError | NotLeader):  # then the ledger takes no more from this process
        await deps.ledger.append(
            [
                record.cycle_ended(
                    cycle_id,
                    CycleEndedEntry(
                        mode=mode.value,
                        trigger=trigger.value,
                        result=result.value,
                        success=False,
                        started_at=started,
                        ended_at=ended,
                        version=deps.version,
                        policy=policy.digest(),
                        by=request.by,
                        because=request.because,
                    ),
                )
            ],
            term=term,
        )
    head = await deps.ledger.head()
    deps.tell(
        CycleEnded(
            cycle_id,
            mode.value,
            result.value,
            success=False,
            ended_at=ended,
            seconds=(ended - started).total_seconds(),
            counts={action.value: count for action, count in plan.counts.items()},
            outcomes=outcome_counts(progress.outcomes),
            head_sequence=head.seq,
            head_hash=head.hash,
        )
    )
    return CycleReport(
        cycle_id,
        mode,
        trigger,
        result,
        started,
        ended,
        deps.version,
        policy.digest(),
        plan=plan,
        zoom=zoom,
        verdicts=wanted.verdicts,
        outcomes=dict(progress.outcomes),
        head=head,
        why=progress.error.what if progress.error is not None else "",
        do=progress.error.do if progress.error is not None else "",
        exit_code=code,
        written=progress.written,
    )


def by_hand(account: ZoomAccount, action: Action) -> Decision:
    """The change a person asked for."""
    return Decision(account, action, Reason.BY_HAND)


def _role_of(account: ZoomAccount, history: History, roles: Mapping[str, str]) -> str | None:
    if account.role_id is not None:
        return roles.get(account.role_id)
    last = history.deactivated.get(account.zoom_id or "")
    return roles.get(last.role_id) if last is not None and last.role_id is not None else None
