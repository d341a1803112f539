"""One look, top-down: a few people read again in the middle of the last whole read, then the same decision and every guard over
the whole company, and only changes of these people carried out.

A look is no good read. It writes no memory and no measure, starts and advances no grace, and where it finds nothing to change it
leaves nothing behind. What it does is written down before and after, as in any cycle, under the same term.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from msgspec import structs

from syncd.concurrency import both
from syncd.errors import AccountUnreadable
from syncd.execution.context import Progress
from syncd.execution.executor import execute
from syncd.execution.licences import free_before
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import (
    ClockStanding,
    CycleReport,
    Decision,
    DirectorySnapshot,
    Draft,
    EffectOutcome,
    Look,
    Mode,
    OutcomeKind,
    OutcomeReason,
    Person,
    Policy,
    Reason,
    Reread,
    Result,
    Status,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.operations.ahead import LooksAhead
from syncd.operations.dependencies import Dependencies, Run
from syncd.operations.ending import carried_out, faulty, record_end, with_result
from syncd.operations.judging import decide_and_judge
from syncd.operations.opening import read_facts, under_authority
from syncd.operations.reading import as_listed, clock_standing
from syncd.planning.approved import only_authorised
from syncd.planning.audit import plan_audit
from syncd.planning.clarity import unclear_people
from syncd.planning.entitlement import KNOWN_LEAVERS, entitled_people, grace_of
from syncd.planning.guards import Facts
from syncd.planning.match import Addresses
from syncd.reading import End, in_one_piece


@dataclass(frozen=True)
class Base:
    """The last good whole read of both sides (*whole*, *accounts*), and the same with all that looks have read and done since
    (*directory*, *zoom*)."""

    whole: DirectorySnapshot
    accounts: ZoomSnapshot
    directory: DirectorySnapshot
    zoom: ZoomSnapshot
    policy: Policy

    @classmethod
    def after(cls, report: CycleReport, policy: Policy) -> Base | None:
        """What a whole cycle read, with what it changed; None when it did not get so far."""
        if report.directory is None or report.zoom is None:
            return None
        return cls(report.directory, report.zoom, report.directory, _with_changes(report.zoom, report), policy)

    @cached_property
    def zoom_ids(self) -> Mapping[str, Sequence[str]]:
        """Address key -> ids of accounts that had it in the last whole read."""
        addresses, found = Addresses(self.policy), dict[str, list[str]]()
        for account in self.accounts.accounts:
            if account.zoom_id is not None and addresses.in_scope(account.email):
                found.setdefault(addresses.key(account.email), []).append(account.zoom_id)
        return found

    def with_people(self, reread: Reread) -> Base:
        """The same, with these people as they are now."""
        return self._moved(directory=self.directory.with_people(reread.asked, reread.people, reread.groups))

    def with_zoom(self, zoom: ZoomSnapshot) -> Base:
        """The same, with another state of Zoom."""
        return self._moved(zoom=zoom)

    def _moved(self, **changes: object) -> Base:
        moved = replace(self, **changes)  # type: ignore[arg-type]
        moved.__dict__.update({name: value for name, value in self.__dict__.items() if name == "zoom_ids"})
        return moved


@dataclass(frozen=True)
class About:
    """Whom a look is about: *people* that differ from the last whole read, with how they stand, and *accounts* that others
    changed at Zoom; *ready*: people of whom what was seen has lasted; *seen*: when the watch noticed something; *changed*: when
    the directory says that it happened."""

    people: Mapping[str, Reason]
    ready: frozenset[str]
    seen: datetime
    changed: Mapping[str, datetime] = field(default_factory=dict)
    view: str = ""  # of the place that showed them, and as of when it was written
    as_of: datetime | None = None
    accounts: Mapping[str, frozenset[str]] = field(default_factory=dict)  # signalled at Zoom -> whoever has to do with each


@dataclass(frozen=True)
class Looked:
    """How a look ended. *report* None: there was nothing to change, so nothing was written."""

    base: Base
    result: Result
    report: CycleReport | None = None


@dataclass(frozen=True)
class _People:
    """How many people of a directory were entitled *at* a moment, and who was unclear."""

    at: datetime
    entitled: int
    unclear: tuple[Person, ...]

    @classmethod
    def of(cls, directory: DirectorySnapshot, policy: Policy, at: datetime) -> _People:
        """Goes through all of them, while Zoom is asked about the few accounts of a look."""
        return cls(at, entitled_people(directory, policy, at), unclear_people(directory, policy))


async def run_look(deps: Dependencies, policy: Policy, run: Run, base: Base, about: About, history: History) -> Looked:
    """One look under the writer's term. Raises SourceError (nothing was concluded), LedgerError, NotLeader."""
    started = deps.clock.now()
    whose, unknown = _accounts_of(base, about, history)
    async with LooksAhead(deps.directory, deps.clock) as directory:
        for id_, account in _foreseen(run, policy, base.zoom, whose, about, history):
            directory.begin(id_, Addresses(policy).forms(account.email))
        (zoom, who), people = await both(
            _read_accounts(deps, base, about, whose, unknown), asyncio.to_thread(_People.of, base.directory, policy, started)
        )
        return await _decided(replace(deps, directory=directory), policy, run, base.with_zoom(zoom), about, history, who, people)


async def _decided(
    deps: Dependencies,
    policy: Policy,
    run: Run,
    base: Base,
    about: About,
    history: History,
    who: Mapping[str, frozenset[str]],
    people: _People,
) -> Looked:
    """Decides over what was read, and carries out what is to be done about these people. Raises LedgerError, NotLeader."""
    assert run.term is not None, "a look is never a dry run"
    cycle_id, zoom = deps.clock.unique(), base.zoom
    now = deps.clock.now()
    history = only_authorised(history, policy, deps.signature_fits, now)
    directory = replace(base.directory, view=about.view or base.directory.view, as_of=about.as_of or base.directory.as_of)

    # The same decision and the same guards as in any cycle, over everybody.
    judged = await decide_and_judge(deps, policy, run.mode, directory, zoom, history, now, entitled=people.entitled, look=True)
    plan, facts, free = judged.plan, judged.facts, judged.free
    ours = [
        effect
        for effect in free
        if run.mode is Mode.ENFORCE
        and _is_ready(effect, who, about)
        and not deps.windows.denied(effect.action, effect.reason, now)
    ]
    look = Look(frozenset(who), dict.fromkeys(who, about.seen), _changed(who, about))
    begun = CycleReport(
        cycle_id,
        run.mode,
        run.trigger,
        Result.UNREADABLE,
        people.at,
        people.at,
        deps.version,
        policy.digest(),
        unclear=people.unclear,
        look=look,
    )
    planned = judged.told_in(begun)
    if not ours or clock_standing(zoom.clock_offset_seconds, policy) is ClockStanding.REFUTED:
        return Looked(base, _without_a_change(plan.effects, judged.held, who))
    if faults := plan_audit(facts, free):
        return Looked(base, Result.FAILED, await record_end(deps, run, faulty(planned, faults), history))

    # Written down before and after; others' due changes stay for the next whole cycle.
    planned = replace(planned, free_licences=await free_before(replace(plan, decisions=tuple(ours)), deps.zoom))
    await deps.ledger.append(_opening(cycle_id, run, facts, planned, ours), term=run.term)
    progress = Progress()
    context = replace(under_authority(cycle_id, run.term, ours, facts, deps.credential(), deps.windows), changed_at=look.changed)

    async def end() -> CycleReport:
        return await record_end(deps, run, _with_others(with_result(planned, progress), free), history)

    report = await carried_out(execute(ours, context, deps.ports, progress), progress, end)
    return Looked(base.with_zoom(_with_changes(zoom, report)), report.result, report)


# --------------------------------------------------------------------------------------------------------- what is read


async def _read_accounts(
    deps: Dependencies, base: Base, about: About, known: Mapping[str, AbstractSet[str]], unknown: Mapping[str, str]
) -> tuple[ZoomSnapshot, dict[str, frozenset[str]]]:
    """Zoom with the accounts *known* to be of these people, those signalled there, and any that *unknown* addresses may have by
    now, read again, and whose each of them is. Raises SourceError."""
    whose = {zoom_id: set(people) for zoom_id, people in known.items()}
    listed = {zoom_id: one for zoom_id in whose if (one := base.zoom.find(zoom_id)) is not None}
    found: dict[str, ZoomAccount] = {}
    unreadable: set[str] = set()
    for zoom_id in sorted(listed.keys() | about.accounts.keys()):
        try:
            shown = await deps.zoom.get_account(zoom_id)
        except AccountUnreadable:  # this one waits for a whole cycle, which says so
            unreadable.add(zoom_id)
            continue
        if shown is not None and zoom_id in listed:
            found[zoom_id] = as_listed(shown, base.zoom)
        elif shown is not None and shown.status is not Status.PENDING:  # since the last whole read
            found[zoom_id] = shown
    for address, id_ in unknown.items():
        try:
            shown = await deps.zoom.get_account(address)
        except AccountUnreadable:
            continue
        if shown is not None and shown.zoom_id is not None and shown.status is not Status.PENDING:
            found[shown.zoom_id] = shown
            whose.setdefault(shown.zoom_id, set()).add(id_)
    asked = (listed.keys() | found.keys()) - unreadable
    zoom = base.zoom.with_accounts(asked, in_one_piece(found.values(), End.EACH_ASKED))
    return zoom, {zoom_id: frozenset(people) for zoom_id, people in whose.items() if zoom_id in found}


def _accounts_of(base: Base, about: About, history: History) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Ids of the accounts concerned with whose they are, and main addresses that had no account in the last whole read."""
    whose: dict[str, set[str]] = {zoom_id: set(people) for zoom_id, people in about.accounts.items()}
    unknown: dict[str, str] = {}
    addresses = Addresses(base.policy)
    for id_ in about.people:
        before, now = base.whole.find(id_), base.directory.find(id_)
        keys = {addresses.canonical(key) for person in (before, now) if person is not None for key in person.addresses}
        for key in keys:
            for zoom_id in base.zoom_ids.get(key, ()):
                whose.setdefault(zoom_id, set()).add(id_)
        person = now or before
        unknown.update(
            (key, id_)
            for key in (person.mains if person is not None else ())
            if addresses.covers(key) and addresses.canonical(key) not in base.zoom_ids
        )
    for zoom_id, id_ in history.pairs.items():
        if id_ in about.people:
            whose.setdefault(zoom_id, set()).add(id_)
    return whose, unknown


def _with_changes(zoom: ZoomSnapshot, report: CycleReport) -> ZoomSnapshot:
    """The accounts as the last looks at them showed."""
    after = {
        zoom_id: outcome.status_after
        for (zoom_id, _), outcome in report.outcomes.items()
        if outcome.outcome is OutcomeKind.DONE and outcome.status_after is not None
    }
    if not after:
        return zoom
    known = [one for zoom_id in after if (one := zoom.find(zoom_id)) is not None]
    changed = [structs.replace(one, status=Status(after[one.zoom_id or ""])) for one in known]
    return zoom.with_accounts(after, in_one_piece(changed, End.EACH_ASKED))


# ------------------------------------------------------------------------------------------------------- what is done


def _foreseen(
    run: Run, policy: Policy, zoom: ZoomSnapshot, who: Mapping[str, AbstractSet[str]], about: About, history: History
) -> Iterator[tuple[str, ZoomAccount]]:
    """Whose account will probably be changed now, by the looks of this one person and by *zoom* as it was: whether it will is
    for the decision and the guards to say, and nothing else depends on this."""
    if run.mode is not Mode.ENFORCE or history.paused_since is not None:
        return
    for zoom_id, people in sorted(who.items()):
        account = zoom.find(zoom_id)
        if account is None or len(people) != 1 or not people <= about.ready:
            continue
        [id_] = people
        reason = about.people.get(id_)
        leaves = reason in KNOWN_LEAVERS and grace_of(reason, policy) == (timedelta(), 1)
        returns = reason is Reason.IN_STEP and policy.reactivate != "never" and policy.reactivate_reads == 1
        if (leaves and account.status is Status.ACTIVE) or (returns and account.status is Status.INACTIVE):
            yield id_, account


def _is_ready(effect: Decision, who: Mapping[str, frozenset[str]], about: About) -> bool:
    """Whether an effect is about these people, and what was seen of all of them has lasted."""
    people = who.get(effect.account.zoom_id or "")
    return people is not None and people <= about.ready


def _changed(who: Mapping[str, Iterable[str]], about: About) -> dict[str, datetime]:
    changes = {zoom_id: [about.changed[id_] for id_ in people if id_ in about.changed] for zoom_id, people in who.items()}
    return {zoom_id: max(times) for zoom_id, times in changes.items() if times}


def _without_a_change(effects: Sequence[Decision], held: Mapping[tuple[str, str], object], who: Mapping[str, object]) -> Result:
    theirs = [effect for effect in effects if effect.account.zoom_id in who]
    if any(effect.key in held for effect in theirs):
        return Result.HELD
    return Result.PLANNED if theirs else Result.IN_STEP


def _opening(cycle_id: str, run: Run, facts: Facts, planned: CycleReport, ours: Sequence[Decision]) -> list[Draft]:
    """The plan (if it is not recorded yet), what was read, and what was decided of these people."""
    plan = facts.plan
    drafts = [record.plan_made(cycle_id, plan, planned.verdicts)] if plan.digest not in facts.history.plans else []
    drafts.append(record.cycle_read(cycle_id, read_facts(run, facts, planned.verdicts, look=True)))
    return drafts + [record.decided(cycle_id, effect, planned.changed_at(effect)) for effect in ours]


def _with_others(report: CycleReport, free: Sequence[Decision]) -> CycleReport:
    later = EffectOutcome(OutcomeKind.NOT_TRIED, OutcomeReason.NEXT_CYCLE)
    return replace(report, outcomes={**{effect.key: later for effect in free}, **report.outcomes})
