"""Handing content over, by people alone: list, plan, approve, run, release. There is no undo, so everything that speaks against
it is looked at right before each request, the intent is written before, and a doubtful answer is never repeated.

More than 400 lines: whatever speaks against a request that cannot be undone is read from top to bottom, beside the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from syncd.errors import AnswerLost, Held, Refused, SourceError, UsageError
from syncd.events import Noted
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.record import personal_of, rfc3339
from syncd.model import (
    HANDOVER_FORMAT,
    Action,
    Approval,
    CycleReport,
    Decision,
    GroupUse,
    Guard,
    HandoverItem,
    HandoverPlan,
    HandoverRules,
    Inventory,
    Mode,
    Plan,
    Policy,
    Reason,
    Stage,
    Status,
    Trigger,
    ZoomAccount,
    name_key,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover_access import close_access, open_access, settle_access, shows
from syncd.operations.handover_preflight import preflight
from syncd.operations.leavers import CountsContent, facts_of, tell_stages
from syncd.operations.lookup import find_accounts, near_accounts, without_account
from syncd.operations.manual import Request, protected_among
from syncd.planning.approved import people_of
from syncd.planning.guards import HANDOVER_GUARDS, READ_GUARDS, HandFacts
from syncd.planning.handover import (
    Case,
    HandoverFacts,
    approvals_of,
    cases,
    many_to_one,
    sent_today,
)

#: Digits of a plan digest that must be given at least.
DIGEST_PREFIX_MIN = 8

#: Guards of the ledger's state that a handover never passes.
_STATE_GUARDS = frozenset({Guard.LEDGER_BROKEN, Guard.LEDGER_NEW, Guard.LEDGER_ROLLED_BACK})

#: What is lost whatever is handed over.
ALWAYS_LOST = ("meetings on the personal meeting id", "attendance, registration and poll reports", "chat and contacts")

#: How an account is handed over, for a plan's readers.
STAYS_OFF = "the account stays deactivated; the way that needs a seat and an active account is off (--reopen)"
REOPENED = (
    "each account is made active and given a licence (a free seat), and deactivated again if Zoom does not end it: until then, "
    "for seconds or minutes, whoever can sign in has access again"
)

NO_UNDO = (
    "There is no undo: what is handed over stays with the receiver, and the account, its licence history and everything "
    "left behind are gone."
)


class Ending(Protocol):
    """A Zoom account, for an app that may end users."""

    async def end_account(self, zoom_id: str, *, end: str, receiver: str, content: Sequence[str]) -> None:
        """Deletes or unlinks the user and hands content over. Raises Refused (surely not carried out), AnswerLost (look),
        ScopeMissing, SourceError (nothing was sent)."""


#: The way past a pause.
_WHEN_IT_IS_OVER = "When the reason is gone: syncd resume --by NAME --because TEXT"


@dataclass(frozen=True)
class Looked:
    """Every case as it is now. *doubts*: why the read is not to be believed for a handover; none for a good one."""

    facts: HandoverFacts
    cases: tuple[Case, ...]
    doubts: tuple[str, ...]


async def look(deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode) -> Looked:
    """Reads both sides whole and computes the stages. Raises SourceError when a side, or a legal hold, cannot be read."""
    report = await run_cycle(deps, policy, Run(mode, Trigger.HANDOVER))
    if report.plan is None or report.directory is None:
        raise SourceError("directory or zoom", report.why or "not read whole", report.do)
    _demand_holds_readable(report)
    facts = await facts_of(deps, policy, rules, report, await deps.ledger.history())
    found = cases(facts)
    tell_stages(deps, found)
    doubts = tuple(one.says for one in report.verdicts if one.tripped and one.guard in READ_GUARDS | _STATE_GUARDS)
    return Looked(facts, found, doubts)


def _demand_holds_readable(report: CycleReport) -> None:
    assert report.directory is not None
    missing = [group.name for group in report.directory.groups if group.use is GroupUse.HOLDING and not group.exists]
    if missing:
        raise SourceError(
            "directory",
            f"handover.legal_hold names groups that nothing shows to exist: {', '.join(missing)}",
            "Nobody's content is handed over while a legal hold cannot be read: correct the name.",
        )


def _demand_believed(looked: Looked) -> None:
    if looked.doubts:
        raise Held(f"nothing was done: {'; '.join(looked.doubts)}", "See syncd plan; a handover needs a good read of both sides.")


async def settle(deps: Dependencies, term: int) -> list[str]:
    """Looks what became of handovers that were announced and have no outcome, with the writer's lock in hand; their zoom ids.
    Raises SourceError, LedgerError."""
    history = await deps.ledger.history()
    open_ = {zoom_id: done for zoom_id, done in history.handovers.items() if done.state == Stage.HANDING_OVER}
    for zoom_id, done in open_.items():
        account = await deps.zoom.get_account(zoom_id)
        state, seen = (Stage.HANDED_OVER, "gone") if account is None else (Stage.UNCONFIRMED, "there")
        await deps.ledger.append(
            [
                draft(
                    entries.HandoverSettled(
                        intent=done.intent,
                        state=state.value,
                        says="interrupted; told by a look at the account" + _left_open(account),
                        seen=seen,
                    ),
                    subject=zoom_id,
                )
            ],
            term=term,
        )
    await settle_access(deps, term)
    return list(open_)


def _left_open(account: ZoomAccount | None) -> str:
    if account is None or account.status is not Status.ACTIVE:
        return ""
    return ", which is ACTIVE: the next cycle switches it off if nobody is entitled to it; at once: syncd account deactivate"


# ------------------------------------------------------------------------------------------------------------- the plan


async def make_plan(
    deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode, only: Sequence[str] = (), *, reopen: bool = False
) -> tuple[HandoverPlan, dict[str, Any]]:
    """A plan of everything due (or of *only* these addresses), recorded, with its document. *reopen*: over active, licensed
    accounts. Raises Held, SourceError, UsageError, LedgerError."""
    looked = await look(deps, policy, rules, mode)
    _demand_believed(looked)
    ready = [case for case in looked.cases if _plannable(case)]
    if only:
        keys = {looked.facts.addresses.key(address) for address in only}
        known = {looked.facts.addresses.key(case.account.email): case for case in ready if case.account is not None}
        if missing := sorted(keys - known.keys()):
            raise UsageError(f"not due: {', '.join(missing)}", "See syncd handover list for their stage.")
        ready = [case for key, case in known.items() if key in keys]
    items = tuple(item for case in ready if (item := case.item(rules, reopen=reopen)) is not None)
    plan = HandoverPlan(tuple(sorted(items, key=lambda item: item.zoom_id)), policy.digest(), deps.clock.now())
    holds = {case.zoom_id: await _content(deps, case.account) for case in ready if case.account is not None}
    if items:
        await deps.ledger.append(
            [
                draft(
                    entries.HandoverPlanned(policy=plan.policy_digest, items=tuple(_planned(item) for item in plan.items)),
                    subject=plan.digest,
                )
            ]
        )
    return plan, document(plan, looked, holds, reopen=reopen)


def _plannable(case: Case) -> bool:
    return case.stage in (Stage.DUE, Stage.APPROVED) or "may_be_planned_anew" in case.notes


def _planned(item: HandoverItem) -> entries.ItemPlanned:
    return entries.ItemPlanned(item.zoom_id, item.receiver_id, item.end, item.content, item.hold_unchecked, item.reopen)


async def _content(deps: Dependencies, account: ZoomAccount) -> Inventory:
    """What the account holds now; unknown where it cannot be told."""
    if not isinstance(deps.zoom, CountsContent):
        return Inventory()
    try:
        return await deps.zoom.content_of(account)
    except SourceError as error:
        deps.tell(Noted("content.unknown", "warning", {"zoom_id": account.zoom_id or "", "why": error.what}))
        return Inventory()


def document(plan: HandoverPlan, looked: Looked, holds: dict[str, Inventory], *, reopen: bool = False) -> dict[str, Any]:
    """The document ``syncd.handover/1``."""
    rules, by_id = looked.facts.rules, {case.zoom_id: case for case in looked.cases}
    stages = {stage.value: sum(case.stage is stage for case in looked.cases) for stage in Stage}
    planned = [by_id[item.zoom_id] for item in plan.items]
    receiving = [case.receiver.account for case in planned if case.receiver is not None]
    receivers = {account.zoom_id or "": account.email for account in receiving}
    return {
        "format": HANDOVER_FORMAT,
        "digest": plan.digest,
        "made_at": rfc3339(plan.at),
        "policy_digest": plan.policy_digest,
        "end": rules.end,
        "content": list(rules.content),
        "left_behind": list(rules.left_behind),
        "always_lost": list(ALWAYS_LOST),
        "undo": NO_UNDO,
        "reopen": reopen,
        "way": REOPENED if reopen else STAYS_OFF,
        "stages": stages,
        "many_to_one": [{"receiver": receivers[id_], "people": count} for id_, count in sorted(many_to_one(planned).items())],
        "items": [row_of(case, looked.facts) | {"holds": holds.get(case.zoom_id, Inventory()).as_json()} for case in planned],
    }


def row_of(case: Case, facts: HandoverFacts) -> dict[str, Any]:
    """One case as plain values, with what was counted at the first sight of leaving."""
    receiver, inventory = case.receiver, facts.inventories.get(case.zoom_id)
    return {
        "zoom_id": case.zoom_id,
        "email": case.account.email if case.account is not None else None,
        "display_name": case.account.display_name if case.account is not None else None,
        "stage": case.stage.value,
        "reason": case.reason.value if case.reason is not None else None,
        "deactivated_at": rfc3339(case.deactivated_at) if case.deactivated_at is not None else None,
        "due_at": rfc3339(case.due_at) if case.due_at is not None else None,
        "zoom_deletes_at": rfc3339(case.lost_at) if case.lost_at is not None else None,
        "receiver": {"zoom_id": receiver.account.zoom_id, "email": receiver.account.email, "rule": receiver.rule}
        if receiver is not None
        else None,
        "no_receiver": case.why_none or None,
        "hold_unchecked": "hold_unchecked" in case.notes,
        "notes": list(case.notes),
        "inventory": inventory[1].as_json() if inventory is not None else None,
    }


def plan_named(plans: Sequence[HandoverPlan], digest: str) -> HandoverPlan:
    """The recorded plan that begins so. Raises UsageError."""
    if len(digest) < DIGEST_PREFIX_MIN:
        raise UsageError(f"--plan needs at least {DIGEST_PREFIX_MIN} digits of the digest")
    found = [plan for plan in plans if plan.digest.startswith(digest)]
    if len(found) != 1:
        raise UsageError(
            f"{digest} is the beginning of {len(found) or 'no'} recorded plan{'s' if len(found) > 1 else ''} of handovers",
            "Make one: syncd handover plan",
        )
    return found[0]


# -------------------------------------------------------------------------------------------------------------- the run


@dataclass(frozen=True, slots=True)
class Ended:
    """How one handover of a run ended: ``handed_over``, ``unconfirmed``, ``refused`` or ``not_tried``, and why."""

    zoom_id: str
    email: str
    receiver: str
    state: str
    says: str = ""
    do: str = ""
    missing: dict[str, int] | None = None


async def run_plan(
    deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode, ending: Ending, digest: str, request: Request, term: int
) -> list[Ended]:
    """Carries an approved plan out, one account after the other. Raises UsageError (report mode, no such plan), Held (nothing
    approved, nobody else approved, the number is another, a guard), SourceError, LedgerError, NotLeader; then nothing was
    sent."""
    if mode is Mode.REPORT:
        raise UsageError("handover run changes Zoom, and this configuration says mode: report")
    await settle(deps, term)
    plan = plan_named(list((await deps.ledger.history()).handover_plans.values()), digest)
    looked = await look(deps, policy, rules, mode)
    _demand_believed(looked)
    ready, left = _ready(plan, looked)
    _demand_agreed(ready, left, request)
    await _demand_guards(deps, policy, looked, ready, request)
    room = rules.max_per_day - sent_today(looked.facts.history, looked.facts.now)
    today, later = ready[: max(0, room)], ready[max(0, room) :]
    results = [*left, *(_not_tried(case, f"handover.max_per_day: {rules.max_per_day} over 24 h") for case in later)]
    stopped = ""
    for case in today:
        if stopped or deps.stopping():
            results.append(_not_tried(case, stopped or "stopped"))
            continue
        try:
            results.append(await _one(deps, policy, looked, ending, plan, case, request, term))
        except SourceError as error:  # a look that failed, a scope missing: nothing of this one was sent
            stopped = error.what
            results.append(replace(_not_tried(case, error.what), do=error.do))
    return results


def _ready(plan: HandoverPlan, looked: Looked) -> tuple[list[Case], list[Ended]]:
    """Those of the plan that are approved as they are now, and why the others are not."""
    by_id = {case.zoom_id: case for case in looked.cases}
    ready, left = [], []
    for item in plan.items:
        case = by_id.get(item.zoom_id)
        if case is None:
            left.append(Ended(item.zoom_id, "", "", "not_tried", "it is neither deactivated nor handed over"))
        elif not _plannable(case):
            left.append(_not_tried(case, f"it is {case.stage.value}{f' ({case.reason.value})' if case.reason else ''}"))
        elif case.item(looked.facts.rules, reopen=item.reopen) != item:
            left.append(_not_tried(case, "receiver, content, end or hold are no longer as planned"))
        else:
            approvals = tuple(one for one in approvals_of(looked.facts, case) if one.plan_digest == plan.digest)
            if approvals:
                ready.append(replace(case, approved_by=approvals))
            else:
                left.append(_not_tried(case, "no approval of this plan runs for it (none given, used up, or over)"))
    return ready, left


def _not_tried(case: Case, says: str) -> Ended:
    return Ended(
        case.zoom_id,
        case.account.email if case.account is not None else "",
        case.receiver.account.email if case.receiver is not None else "",
        "not_tried",
        says,
    )


def _demand_agreed(ready: Sequence[Case], left: Sequence[Ended], request: Request) -> None:
    if not ready:
        why = "; ".join(f"{one.email or one.zoom_id}: {one.says}" for one in left[:5])
        raise Held(
            f"nothing of this plan may be handed over: {why}",
            "syncd handover list shows every stage; approve: syncd approve --plan DIGEST --guard handover",
        )
    for case in ready:
        if not people_of(case.approved_by) - {name_key(request.by)}:
            raise Held(f"only {request.by} approved this plan, and runs it", "Somebody else must approve it, or run it.")
    if request.confirm_count != len(ready):
        raise Held(
            f"{len(ready)} accounts would be handed over, and --confirm-count says {request.confirm_count}",
            "Review the plan, and say how many it is.",
        )


async def _demand_guards(deps: Dependencies, policy: Policy, looked: Looked, ready: Sequence[Case], request: Request) -> None:
    effects = tuple(Decision(case.account, Action.DEACTIVATE, Reason.BY_HAND) for case in ready if case.account is not None)
    protected = await protected_among(deps, policy, looked.facts.history, effects)
    situation = HandFacts(
        Plan(looked.facts.now, policy.digest(), effects),
        looked.facts.history,
        policy,
        looked.facts.now,
        looked.facts.history.active_in_scope,
        tuple(protected),
        request.confirm_count,
        request.while_paused,
    )
    tripped = [verdict for guard in HANDOVER_GUARDS if (verdict := guard(situation)).tripped]
    if tripped:
        paused = tripped[0].guard is Guard.PAUSED  # no word passes it here: nothing of this is ever urgent
        raise Held("; ".join(one.says for one in tripped), _WHEN_IT_IS_OVER if paused else tripped[0].do)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One announced handover: whose, to whom, and what both held before."""

    leaver: ZoomAccount
    receiver: ZoomAccount
    item: HandoverItem
    intent: str
    term: int
    had: Inventory
    before: Inventory

    def ended(self, state: str) -> Ended:
        """So."""
        return Ended(self.item.zoom_id, self.leaver.email, self.receiver.email, state)


async def _one(
    deps: Dependencies,
    policy: Policy,
    looked: Looked,
    ending: Ending,
    plan: HandoverPlan,
    case: Case,
    request: Request,
    term: int,
) -> Ended:
    """One handover: look, count, write down, ask once, look, count, write down. Raises SourceError before anything was sent."""
    assert case.account is not None
    assert case.receiver is not None
    had, before = await _content(deps, case.account), await _content(deps, case.receiver.account)
    leaver, receiver, why = await preflight(deps, policy, looked.facts, case)  # after counting, which may take its time
    if why:
        return _not_tried(case, why)
    item = next(one for one in plan.items if one.zoom_id == case.zoom_id)
    intent = deps.clock.unique()
    await deps.ledger.append(
        [
            draft(
                entries.HandoverAnnounced(
                    id=intent,
                    plan=plan.digest,
                    item=_planned(item),
                    by=request.by,
                    because=request.because,
                    approvals=tuple(one.id for one in case.approved_by),
                    receiver_before=before.counts(),
                ),
                subject=case.zoom_id,
                personal=personal_of(leaver),
            )
        ],
        term=term,
    )
    turn = _Turn(leaver, receiver, item, intent, term, had, before)
    return await (_over_an_active_account if item.reopen else _asked)(deps, ending, turn)


async def _over_an_active_account(deps: Dependencies, ending: Ending, turn: _Turn) -> Ended:
    """Opened, asked for, and closed again unless it is gone, whatever came of it."""
    ended, stopped = turn.ended("refused"), None
    opened = await open_access(deps, turn.leaver, turn.intent, turn.term)
    if opened.why:
        says = f"it could not be made active with a licence, and its end was not asked for: {opened.why}"
        ended = await _settled(deps, replace(ended, says=says, do="See that a seat is free; then plan anew."), turn)
    else:
        try:
            ended = await _asked(deps, ending, turn)
        except SourceError as error:
            stopped = error
    if ended.state == Stage.HANDED_OVER:
        return ended
    if trouble := await close_access(deps, turn.leaver, turn.intent, turn.term, lost=opened.lost):
        return replace(
            ended,
            says=f"{ended.says}; IT MAY STILL BE ACTIVE: {trouble}".removeprefix("; "),
            do=f"At once: syncd account deactivate {turn.leaver.email} (else the next cycle does it).",
        )
    if stopped is not None:
        raise stopped
    return ended


async def _asked(deps: Dependencies, ending: Ending, turn: _Turn) -> Ended:
    """The one request, and what became of it. Raises SourceError when nothing was sent, nor can be for anybody else."""
    item, receiver, result, lost = turn.item, turn.receiver, turn.ended(Stage.UNCONFIRMED.value), False
    try:
        await ending.end_account(item.zoom_id, end=item.end, receiver=receiver.email, content=item.content)
    except Refused as error:
        return await _settled(deps, replace(result, state="refused", says=error.what, do=error.do), turn, error.code)
    except AnswerLost as error:
        lost = True
        result = replace(result, says=error.what, do="It is never repeated: syncd handover list shows whether it happened.")
        await _settled(deps, result, turn, seen="not_looked")
    except SourceError as error:
        await _settled(deps, replace(result, state="refused", says=error.what), turn)
        raise
    return await _verified(deps, result, turn, lost=lost)


async def _verified(deps: Dependencies, result: Ended, turn: _Turn, *, lost: bool) -> Ended:
    """What a look at the account and at the receiver's content shows after the request."""
    try:
        gone = await shows(deps, result.zoom_id, lambda seen: seen is None)
    except SourceError as error:
        return await _settled(deps, replace(result, says=result.says or error.what), turn, seen="not_looked")
    after = await _content(deps, turn.receiver)
    missing = _missing(turn.had, turn.before, after, turn.item)
    proved = missing is not None and not missing
    if gone and (not lost or proved):
        says = "" if not missing else "fewer arrived than were there: " + ", ".join(f"{n} {kind}" for kind, n in missing.items())
        result = replace(result, state=Stage.HANDED_OVER.value, says=says, do="", missing=missing)
    elif not lost:
        result = replace(
            result,
            says="Zoom said yes, and the account is still there",
            do="Look at it in the Zoom portal; syncd handover list looks again.",
        )
    return await _settled(deps, result, turn, seen="gone" if gone else "there", after=after)


def _missing(had: Inventory, before: Inventory, after: Inventory, item: HandoverItem) -> dict[str, int] | None:
    """By kind, how many fewer the receiver has than they should; None when nothing could be counted on all sides."""
    there, then, now = had.counts(), before.counts(), after.counts()
    kinds = [kind for kind in item.content if kind in there and kind in then and kind in now]
    if not kinds:
        return None
    return {kind: short for kind in kinds if (short := then[kind] + there[kind] - now[kind]) > 0}


async def _settled(
    deps: Dependencies,
    result: Ended,
    turn: _Turn,
    code: int | None = None,
    *,
    seen: str = "",
    after: Inventory | None = None,
) -> Ended:
    await deps.ledger.append(
        [
            draft(
                entries.HandoverSettled(
                    intent=turn.intent,
                    state=result.state,
                    says=result.says,
                    code=code,
                    seen=seen,
                    receiver_after=after.counts() if after is not None else {},
                    missing=dict(result.missing or {}),
                ),
                subject=result.zoom_id,
            )
        ],
        term=turn.term,
    )
    deps.tell(
        Noted(
            "handover.settled",
            "warning" if result.state == Stage.UNCONFIRMED else "info",
            {"zoom_id": result.zoom_id, "state": result.state, "why": result.says},
        )
    )
    return result


# ---------------------------------------------------------------------------------------------------------- legal holds


async def release_hold(
    deps: Dependencies,
    policy: Policy,
    names: Sequence[str],
    by: str,
    because: str,
    authorise: Callable[[Approval], Approval],
) -> list[tuple[str, bool]]:
    """Says that legal holds on these accounts' content are over; each is, once two different people said so within a week.
    (address, whether it is over now). Raises UsageError, SourceError, LedgerError."""
    found = await find_accounts(deps, names)
    found = replace(found, unknown=(*found.unknown, *(one.name for one in found.unreadable)))
    if found.unknown or found.pending:
        raise UsageError(f"nothing was released: {without_account(found, await near_accounts(deps, found.unknown))}")
    history = await deps.ledger.history()
    free = [
        account.email
        for account in found.accounts
        if (memory := history.leavers.get(account.zoom_id or "")) is None or not memory.held
    ]
    if free:
        raise UsageError(
            f"no legal hold is remembered for: {', '.join(free)}",
            "A hold that stands in the configuration or in a directory group is ended there first.",
        )
    now, drafts = deps.clock.now(), []
    for account in found.accounts:
        zoom_id = account.zoom_id or ""
        given = authorise(
            Approval(
                deps.clock.unique(),
                f"release:{zoom_id}",
                policy.digest(),
                (Guard.HANDOVER,),
                frozenset({(zoom_id, "release")}),
                by,
                because,
                now,
                now + entries.RELEASE_LASTS,
            )
        )
        drafts.append(draft(entries.LegalHoldReleased(by=by, because=because, signature=given.signature), subject=zoom_id))
    await deps.ledger.append(drafts)
    after = (await deps.ledger.history()).leavers
    return [(account.email, not after[account.zoom_id or ""].held) for account in found.accounts]


__all__ = ["Ended", "Ending", "Looked", "look", "make_plan", "plan_named", "release_hold", "row_of", "run_plan", "settle"]
