"""What is remembered of leavers for a handover, after a cycle and never delaying its changes: who managed them while they were
entitled, since when they are absent, legal holds, and what their accounts hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from msgspec import structs

from syncd.errors import SourceError, SyncdError
from syncd.events import HandoversCounted, Noted
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.history import History
from syncd.model import (
    Action,
    Contents,
    CycleReport,
    Decision,
    HandoverRules,
    Inventory,
    Kept,
    LeaverMemory,
    OutcomeKind,
    Person,
    Policy,
    Reason,
    Stage,
    Standing,
    Status,
    ZoomAccount,
    licence_word,
    sha256_of,
)
from syncd.operations.dependencies import Dependencies
from syncd.planning.approved import only_authorised
from syncd.planning.guards import good_read
from syncd.planning.handover import Case, HandoverFacts, cases, held, stands
from syncd.planning.managers import chain_of, told_upwards
from syncd.ports import Ledger

#: Names beside the chain that nothing mentions are blanked one day: those of somebody who stays are mentioned again.
REFRESH = timedelta(days=90)

#: Entries written at once.
CHUNK = 2000

#: Inventories of one cycle, and the seconds they may take: the rest comes with the next one.
INVENTORIES_MAX = 25
INVENTORY_SECONDS = 60.0


@runtime_checkable
class CountsContent(Protocol):
    """A Zoom that can tell what an account holds."""

    async def content_of(self, account: ZoomAccount) -> Inventory:
        """Counted now; None for what may not be known. Raises SourceError."""


async def facts_of(
    deps: Dependencies, policy: Policy, rules: HandoverRules, report: CycleReport, history: History
) -> HandoverFacts:
    """What stages are computed from, of a cycle that read both sides whole. Raises LedgerError."""
    assert report.plan is not None
    assert report.directory is not None
    history = only_authorised(history, policy, deps.signature_fits, deps.clock.now())
    decisions = _after_changes(report)
    inactive = [
        one.account.zoom_id
        for one in decisions
        if one.account.status is Status.INACTIVE and one.account.zoom_id in history.leavers
    ]
    managers = await managers_of(deps.ledger, history, [id_ for id_ in inactive if id_ is not None])
    inventories = await inventories_of(deps.ledger, history)
    people = {person.id: person for person in report.directory.people}
    return HandoverFacts(decisions, people, history, policy, rules, managers, deps.clock.now(), inventories)


def _after_changes(report: CycleReport) -> tuple[Decision, ...]:
    """The decisions, with the accounts that this cycle switched off as they are since."""
    assert report.plan is not None
    off = {account.zoom_id for account in _just_deactivated(report)}
    return tuple(
        Decision(structs.replace(one.account, status=Status.INACTIVE), Action.KEEP, Reason.IN_STEP, one.directory_id)
        if one.account.zoom_id in off
        else one
        for one in report.plan.decisions
    )


async def managers_of(ledger: Ledger, history: History, zoom_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Zoom id -> who managed its person at the last read in which they were entitled, upwards. Blanked names are left out."""
    refs = {
        zoom_id: history.leavers[zoom_id].who
        for zoom_id in zoom_ids
        if zoom_id in history.leavers and history.leavers[zoom_id].who
    }
    found = await ledger.personal(list(refs.values()))
    return {
        zoom_id: tuple(filter(None, found[ref].get("managers", "").split("\n"))) for zoom_id, ref in refs.items() if ref in found
    }


async def inventories_of(ledger: Ledger, history: History) -> dict[str, tuple[datetime, Inventory]]:
    """Zoom id -> what the account held, and when it was counted. Nothing is known any more of what was blanked."""
    found = await ledger.personal(list(history.inventory_refs.values()))
    beside = {
        zoom_id: (history.inventories[zoom_id][0], Inventory.of_personal(found.get(ref, {})))
        for zoom_id, ref in history.inventory_refs.items()
    }
    return {**history.inventories, **beside}


async def after_cycle(
    deps: Dependencies, policy: Policy, rules: Callable[[], HandoverRules], report: CycleReport, term: int
) -> None:
    """Remembers what a good read showed, counts the stages, and takes inventories that are missing. Raises SyncdError."""
    if report.plan is None or report.directory is None or not good_read(report.verdicts) or report.off_the_record or report.look:
        return
    facts = await facts_of(deps, policy, rules(), report, await deps.ledger.history())
    memory = await asyncio.to_thread(lambda: list(_remembered(facts)))
    as_before = [zoom_id for zoom_id, says, chain in memory if not chain and (says.standing != Standing.ENTITLED or says.print)]
    known = await managers_of(deps.ledger, facts.history, as_before)
    drafts = [
        draft(says, subject=zoom_id, cycle=report.cycle_id, personal=_beside(chain or known.get(zoom_id, ())))
        for zoom_id, says, chain in memory
    ]
    for at in range(0, len(drafts), CHUNK):
        await deps.ledger.append(drafts[at : at + CHUNK], term=term)
    if drafts:
        facts = await facts_of(deps, policy, facts.rules, report, await deps.ledger.history())
    found = await asyncio.to_thread(cases, facts)
    tell_stages(deps, found)
    await _take_inventories(deps, facts.history, [*_just_deactivated(report), *_deactivated(found)], report.cycle_id, term)


async def contents_of(
    deps: Dependencies, policy: Policy, rules: Callable[[], HandoverRules], report: CycleReport, history: History
) -> tuple[Contents, ...]:
    """Deactivated accounts in scope for a report, those without a receiver first. Nothing where nothing can be said: what a
    cycle did is told whatever becomes of this."""
    if report.plan is None or report.directory is None:
        return ()
    try:
        facts = await facts_of(deps, policy, rules(), report, history)
        found = await asyncio.to_thread(cases, facts)
    except SyncdError as error:
        deps.tell(Noted("leavers.forgotten", "error", {"why": error.what, "do": error.do}))
        return ()
    told = [contents(case, facts) for case in found if case.account is not None and case.reason is not Kept.NOT_OURS]
    return tuple(sorted(told, key=lambda one: (not one.waits_for_a_receiver, one.email)))


def contents(case: Case, facts: HandoverFacts) -> Contents:
    """One case in words for people."""
    counted_at, inventory = facts.inventories.get(case.zoom_id, (None, None))
    receiver = case.receiver
    return Contents(
        case.zoom_id,
        case.account.email if case.account is not None else "",
        case.stage.value,
        case.reason.value if case.reason is not None else None,
        case.due_at,
        receiver.account.email if receiver is not None else None,
        receiver.rule if receiver is not None else None,
        case.why_none,
        case.notes,
        inventory,
        counted_at,
    )


def tell_stages(deps: Dependencies, found: Sequence[Case]) -> None:
    """How many accounts are at each stage."""
    stages = dict.fromkeys((stage.value for stage in Stage), 0)
    for case in found:
        stages[case.stage.value] += 1
    deps.tell(HandoversCounted(stages))


def _beside(chain: Sequence[str]) -> Mapping[str, str] | None:
    return {"managers": "\n".join(chain)} if chain else None


def _remembered(facts: HandoverFacts) -> Iterator[tuple[str, entries.LeaverRemembered, tuple[str, ...]]]:
    """What is new of each account: zoom id, what to write, and the managers."""
    for decision in facts.decisions:
        zoom_id = decision.account.zoom_id
        if zoom_id is None or decision.reason in (Reason.OUT_OF_SCOPE, Reason.DIRECTORY_UNCLEAR):
            continue
        if decision.account.status is Status.INACTIVE and zoom_id not in facts.history.deactivated:
            continue
        owners = facts.owners(decision)
        if any(person.cause for person in owners):
            continue
        standing, on_hold = stands(facts, decision, owners), held_now(facts, decision)
        before = facts.history.leavers.get(zoom_id)
        chain: tuple[str, ...] = ()
        if standing is Standing.ENTITLED and owners:
            chain = chain_of(owners[0], facts.people, facts.by_address)
        print_ = sha256_of([facts.history.ledger_id, zoom_id, *chain])[:16] if chain else ""
        if standing is Standing.ENTITLED and before is not None and before.print and not _told(facts, owners):
            chain, print_ = (), before.print  # what was remembered stays until the directory tells again
        if _is_new(before, standing, print_, facts, on_hold=on_hold):
            yield zoom_id, entries.LeaverRemembered(standing.value, on_hold, print_, facts.now), chain


def _told(facts: HandoverFacts, owners: Sequence[Person]) -> bool:
    return not owners or told_upwards(owners[0], facts.people, facts.by_address)


def held_now(facts: HandoverFacts, decision: Decision) -> bool:
    """Whether this read shows a legal hold, whatever is remembered."""
    keys = [facts.addresses.key(decision.account.email)]
    owners = facts.owners(decision)
    return facts.holds.any([*keys, *(key for one in owners for key in one.addresses)]) or any(one.held_by for one in owners)


def _is_new(before: LeaverMemory | None, standing: Standing, print_: str, facts: HandoverFacts, *, on_hold: bool) -> bool:
    if before is None or before.standing != standing:
        return True
    if standing is Standing.ENTITLED:
        stale = before.noted_at is not None and facts.now - before.noted_at > REFRESH
        return before.held != on_hold or before.print != print_ or (stale and bool(before.who))
    return on_hold and not before.held


def _just_deactivated(report: CycleReport) -> list[ZoomAccount]:
    """By this cycle, which read them while they were active."""
    return (
        [
            one.account
            for one in report.plan.decisions
            if one.action is Action.DEACTIVATE
            and one.key in report.outcomes
            and report.outcomes[one.key].outcome is OutcomeKind.DONE
        ]
        if report.plan is not None
        else []
    )


def _older(taken: tuple[datetime, Inventory] | None, than: datetime) -> bool:
    return taken is None or taken[0] < than


def _deactivated(found: Sequence[Case]) -> list[ZoomAccount]:
    return [case.account for case in found if case.account is not None and case.deactivated_at is not None]


async def _take_inventories(deps: Dependencies, history: History, accounts: Sequence[ZoomAccount], cycle: str, term: int) -> None:
    if not isinstance(deps.zoom, CountsContent):
        return
    missing = [
        account
        for account in {one.zoom_id: one for one in accounts}.values()  # who was just switched off stands there twice
        if (last := history.deactivated.get(account.zoom_id or "")) is not None
        and _older(history.inventories.get(account.zoom_id or ""), last.at)
    ]
    try:
        async with asyncio.timeout(INVENTORY_SECONDS):
            for account in missing[:INVENTORIES_MAX]:
                if deps.stopping():
                    return
                zoom_id = account.zoom_id or ""
                counted = await deps.zoom.content_of(account)
                last = history.deactivated[zoom_id]
                held_then = replace(counted, licence=licence_word(last.type), add_ons=last.plan)
                taken = draft(entries.InventoryTaken(), subject=zoom_id, cycle=cycle, personal=held_then.as_personal())
                await deps.ledger.append([taken], term=term)
    except SourceError as error:
        deps.tell(Noted("inventory.postponed", "warning", {"why": error.what, "do": "The next cycle goes on."}))
    except TimeoutError:
        deps.tell(
            Noted(
                "inventory.postponed",
                "info",
                {"why": f"not all counted within {INVENTORY_SECONDS:.0f} s", "do": "The next cycle goes on."},
            )
        )


__all__ = [
    "CountsContent",
    "after_cycle",
    "contents",
    "contents_of",
    "facts_of",
    "held",
    "held_now",
    "inventories_of",
    "managers_of",
    "tell_stages",
]
