"""An approved plan carried out, one account after the other. There is no undo, so everything that speaks against it is looked at
right before each request, the intent is written before, and a doubtful answer is never repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from syncd.errors import AnswerLost, Held, Refused, SourceError, UsageError
from syncd.events import Noted
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.record import personal_of
from syncd.model import (
    Action,
    Decision,
    Guard,
    HandoverItem,
    HandoverPlan,
    HandoverRules,
    Inventory,
    Mode,
    OutcomeKind,
    Plan,
    Policy,
    Reason,
    Stage,
    StopReason,
    ZoomAccount,
    name_key,
)
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.access import close_access, open_access, shows
from syncd.operations.handover.look import Looked, content_now, demand_believed, look, plannable
from syncd.operations.handover.plan import item_planned, plan_named
from syncd.operations.handover.preflight import preflight
from syncd.operations.handover.settling import settle
from syncd.operations.manual import Request, protected_among
from syncd.planning.approved import people_of
from syncd.planning.guards import HANDOVER_GUARDS, HandFacts
from syncd.planning.handover import (
    Case,
    approvals_of,
    sent_today,
)


class Ending(Protocol):
    """A Zoom account, for an app that may end users."""

    async def end_account(self, zoom_id: str, *, end: str, receiver: str, content: Sequence[str]) -> None:
        """Deletes or unlinks the user and hands content over. Raises Refused (surely not carried out), AnswerLost (look),
        ScopeMissing, SourceError (nothing was sent)."""


#: The way past a pause.
_WHEN_IT_IS_OVER = "When the reason is gone: syncd resume --by NAME --because TEXT"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one handover of a run ended: ``handed_over``, ``unconfirmed``, ``refused`` or ``not_tried``, and why. *unreadable*: a
    look, the app's credentials or its scopes failed, so that the run stopped before its request."""

    zoom_id: str
    email: str
    receiver: str
    state: str
    says: str = ""
    do: str = ""
    missing: dict[str, int] | None = None
    unreadable: bool = False


async def run_plan(
    deps: Dependencies, policy: Policy, rules: HandoverRules, mode: Mode, ending: Ending, digest: str, request: Request, term: int
) -> list[Ended]:
    """Carries an approved plan out, one account after the other. Raises UsageError (report mode, no such plan), Held (nothing
    approved, nobody else approved, the number is another, a guard), SourceError, LedgerError, NotLeader; then nothing was
    sent."""
    if mode is Mode.REPORT:
        raise UsageError("handover run changes Zoom, and this configuration says mode: report")
    await settle(deps, term)
    plan = plan_named(list((await deps.ledger.history()).handover_plans.values()), digest, deps.clock.now())
    looked = await look(deps, policy, rules, mode)
    demand_believed(looked)
    ready, left = _ready(plan, looked)
    left = await _named(deps, looked, left)
    _demand_agreed(ready, left, request)
    await _demand_guards(deps, policy, looked, ready, request)
    room = rules.max_per_day - sent_today(looked.facts.history, looked.facts.now)
    today, later = ready[: max(0, room)], ready[max(0, room) :]
    results = [*left, *(_not_tried(case, f"handover.max_per_day: {rules.max_per_day} over 24 h") for case in later)]
    stopped = ""
    for case in today:
        if stopped or deps.stopping():
            results.append(_not_tried(case, stopped or StopReason.STOPPED))
            continue
        try:
            results.append(await _one(deps, policy, looked, ending, plan, case, request, term))
        except SourceError as error:  # a look that failed, a scope missing: nothing of this one was sent
            stopped = error.what
            results.append(replace(_not_tried(case, error.what), do=error.do, unreadable=True))
    return results


def _ready(plan: HandoverPlan, looked: Looked) -> tuple[list[Case], list[Ended]]:
    """Those of the plan that are approved as they are now, and why the others are not."""
    by_id = {case.zoom_id: case for case in looked.cases}
    ready, left = [], []
    for item in plan.items:
        case = by_id.get(item.zoom_id)
        if case is None:
            left.append(Ended(item.zoom_id, "", "", OutcomeKind.NOT_TRIED.value, "it is neither deactivated nor handed over"))
        elif not plannable(case):
            left.append(_not_tried(case, f"it is {case.stage.value}{f' ({case.reason.value})' if case.reason else ''}"))
        elif case.item(looked.facts.rules, reopen=item.reopen) != item:
            left.append(_not_tried(case, "receiver, content, end or hold are no longer as planned"))
        elif approvals := approvals_of(looked.facts, case, plan.digest):
            ready.append(replace(case, approved_by=approvals))
        else:
            left.append(_not_tried(case, "no approval of this plan runs for it (none given, used up, or over)"))
    return ready, left


async def _named(deps: Dependencies, looked: Looked, left: Sequence[Ended]) -> list[Ended]:
    """With the addresses of those who are no longer in Zoom, as they were when they were handed over."""
    done = looked.facts.history.handovers
    names = await deps.ledger.personal([done[one.zoom_id].who for one in left if not one.email and one.zoom_id in done])
    return [
        replace(one, email=names.get(done[one.zoom_id].who, {}).get("email", ""))
        if not one.email and one.zoom_id in done
        else one
        for one in left
    ]


def _not_tried(case: Case, says: str) -> Ended:
    return Ended(
        case.zoom_id,
        case.account.email if case.account is not None else "",
        case.receiver.account.email if case.receiver is not None else "",
        OutcomeKind.NOT_TRIED.value,
        says,
    )


def _why(left: Sequence[Ended]) -> str:
    """Who dropped out and why; the first few."""
    more = f"; and {len(left) - 5} more" if len(left) > 5 else ""
    return "; ".join(f"{one.email or one.zoom_id}: {one.says}" for one in left[:5]) + more


def _demand_agreed(ready: Sequence[Case], left: Sequence[Ended], request: Request) -> None:
    if not ready:
        raise Held(
            f"nothing of this plan may be handed over: {_why(left)}",
            "syncd handover list shows every stage; approve: syncd approve --plan DIGEST --guard handover",
        )
    for case in ready:
        if not people_of(case.approved_by) - {name_key(request.by)}:
            raise Held(f"only {request.by} approved this plan, and runs it", "Somebody else must approve it, or run it.")
    if request.confirm_count != len(ready):
        out = f" ({len(left)} of the plan dropped out: {_why(left)})" if left else ""
        raise Held(
            f"{len(ready)} account{'s' if len(ready) > 1 else ''} would be handed over, and --confirm-count says "
            f"{request.confirm_count}{out}",
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
    had, before = await content_now(deps, case.account), await content_now(deps, case.receiver.account)
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
                    item=item_planned(item),
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
    after = await content_now(deps, turn.receiver)
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
