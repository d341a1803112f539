"""One whole cycle over small worlds: what may never happen, whatever the world looks like. Its behaviour as stories:
tests/scenarios."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import ConfigError, LedgerError, Refused, SourceError
from syncd.events import (
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
from syncd.ledger import record
from syncd.model import (
    Action,
    CycleReport,
    DirectorySnapshot,
    GroupUse,
    Mode,
    OutcomeKind,
    Policy,
    Reason,
    Result,
    Status,
    Trigger,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.planning.guards import READ_GUARDS
from tests.fakes import Company
from tests.planning.shares import exercises, met, of_plan
from tests.planning.strategies import LOOSE, NOW, ROLES, Case, cases, loosened

T = TypeVar("T")

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE)
ENFORCE = Run(Mode.ENFORCE, Trigger.SCHEDULE, term=1)
REPORT = Run(Mode.REPORT, Trigger.SCHEDULE, term=1)
DRY = Run(Mode.ENFORCE, Trigger.PLAN)


def company_of(case: Case, policy: Policy) -> Company:
    """The world of a drawn case, with its history in the ledger and policy-changed at rest."""
    company = Company()
    company.clock.time = NOW
    company.directory.people = {person.id: person for person in case.directory.people}
    company.directory.unresolved = case.directory.unresolved
    company.directory.groups = {"Zoom Users": GroupUse.ENTITLING}
    company.zoom.groups = dict(case.zoom.groups)
    for account in case.zoom.accounts:
        (company.zoom.pending if account.zoom_id is None else company.zoom.accounts)[account.zoom_id or account.email] = account
    company.ledger._history = replace(copy.deepcopy(case.history), policy_in_use=policy.as_json())
    company.credential = "app"
    return company


def of_outcomes(report: CycleReport) -> set[str]:
    """What was planned, and what became of it."""
    done = {f"{outcome.outcome.value} {action}" for (_, action), outcome in report.outcomes.items()}
    return done | (of_plan(report.plan) if report.plan is not None else set())


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def cycle(company: Company, policy: Policy = POLICY, how: Run = ENFORCE) -> CycleReport:
    return await run_cycle(company.deps, policy, how)


# --------------------------------------------------------------------------------------------------------- invariants


@exercises({"done deactivate": 0.05, "done reactivate": 0.01})
@settings(max_examples=150)
@given(cases())
def test_only_planned_effects_that_no_guard_holds_change_anything(case: Case):
    """Compare Zoom before and after: every difference was planned, allowed, and told as done."""
    policy = loosened(case.policy)
    company = company_of(case, policy)
    before = dict(company.zoom.accounts)
    report = run(cycle(company, policy))

    assert report.plan is not None
    met(of_outcomes(report))
    allowed = {effect.account.zoom_id: effect for effect in report.plan.effects if effect.key not in report.held}
    for zoom_id, account in company.zoom.accounts.items():
        if account != before[zoom_id]:
            effect = allowed[zoom_id]
            wanted = Status.ACTIVE if effect.action is Action.REACTIVATE else Status.INACTIVE
            assert (wanted, OutcomeKind.DONE) == (account.status, report.outcomes[effect.key].outcome)
    assert set(report.outcomes) == {effect.key for effect in allowed.values()}


@exercises({"done deactivate": 0.05, "done reactivate": 0.01})
@settings(max_examples=150)
@given(cases())
def test_a_second_cycle_on_an_unchanged_world_plans_nothing(case: Case):
    """At the same moment, with one read enough: what could be done was done."""
    policy = replace(loosened(case.policy), grace_reads=1)
    company = company_of(case, policy)
    first = run(cycle(company, policy))
    second = run(cycle(company, policy))
    met(of_outcomes(first))

    assert second.plan is not None
    skipped = {key for key, outcome in first.outcomes.items() if outcome.outcome is OutcomeKind.SKIPPED}
    assert {effect.key for effect in second.plan.effects} <= skipped
    assert len(company.ledger.entries) == len({entry.seq for entry in company.ledger.entries})


@exercises({"trips": 0.2, "held": 0.05})
@settings(max_examples=150)
@given(cases(), st.sampled_from(["clock", "sentinel", "empty", "match", "default"]))
def test_nothing_is_carried_out_while_a_read_guard_trips(case: Case, doubt: str):
    """Whatever is due, and whichever of them it is."""
    limits = {
        "clock": LOOSE,
        "sentinel": replace(LOOSE, sentinels=("nobody@corp.example",)),
        "empty": replace(LOOSE, min_directory_people=6),
        "match": replace(LOOSE, min_match_percent=100.0, percent_floor=0),
        "default": case.policy.limits,
    }[doubt]
    policy = replace(case.policy, limits=limits)
    company = company_of(case, policy)
    company.zoom.offset_seconds = 301.0 if doubt == "clock" else None
    report = run(cycle(company, policy))

    trips = any(verdict.tripped for verdict in report.verdicts if verdict.guard in READ_GUARDS)
    met({"trips"} | ({"held"} if trips and report.held else set()) if trips else set())
    if trips:
        assert [] == company.zoom.writes
        assert (Result.HELD, 3) == (report.result, report.exit_code)
        assert {effect.key for effect in report.plan.effects} == set(report.held) if report.plan else False
        assert case.history.good_reads == run(company.ledger.history()).good_reads
        assert case.history.gone == run(company.ledger.history()).gone


@exercises({"deactivate": 0.05})
@given(cases())
def test_report_mode_and_dry_runs_never_write_to_zoom(case: Case):
    """And a dry run writes nothing anywhere."""
    policy = loosened(case.policy)
    company = company_of(case, policy)
    dry = run(cycle(company, policy, DRY))
    assert [] == company.ledger.entries
    reported = run(cycle(company, policy, REPORT))

    assert [] == company.zoom.writes
    met(of_outcomes(reported))
    assert dry.plan is not None
    assert reported.plan is not None
    assert dry.plan.digest == reported.plan.digest


class Killed(BaseException):
    """SIGKILL: nothing is caught, nothing is written."""


def survives(company: Company, policy: Policy) -> bool:
    """Runs a cycle and says whether it came to its end."""
    try:
        run(cycle(company, policy))
    except (Killed, BaseExceptionGroup):
        return False
    return True


@exercises({"crash after a write": 0.003, "crash before a write": 0.003})
@settings(max_examples=100)
@given(cases(), st.sampled_from([1, 1, 1, 2, 2, 3, 4]), st.booleans())
def test_a_crash_anywhere_loses_and_repeats_nothing(case: Case, at: int, after: bool):
    """Killed at any write, before or after Zoom did it: the next cycle leaves the world as if nothing had happened."""
    policy = replace(loosened(case.policy), grace_reads=1)
    whole, crashed = company_of(case, policy), company_of(case, policy)
    run(cycle(whole, policy))

    def die_at_write(sent: int) -> None:
        if sent == at - 1:
            raise Killed

    def die_after_write() -> None:
        if len(crashed.zoom.writes) == at:
            raise Killed

    crashed.concurrency = 1
    if after:
        crashed.zoom.before_look = die_after_write
    else:
        crashed.zoom.before_write = die_at_write
    survived = survives(crashed, policy)
    met(set() if survived else {"crash after a write" if after else "crash before a write"})
    assert survived == (len(whole.zoom.writes) < at)
    crashed.zoom.before_write, crashed.zoom.before_look = (lambda _: None), (lambda: None)
    run(cycle(crashed, policy))

    assert whole.zoom.accounts == crashed.zoom.accounts
    assert {} == run(crashed.ledger.history()).intents
    assert statuses(whole) == statuses(crashed)
    # A licence that a look after the crash shows to be there is not given again.
    assert Counter(crashed.zoom.writes) <= Counter(whole.zoom.writes)


def statuses(company: Company) -> Counter[tuple[str, str]]:
    """Changes of a status that were written."""
    return Counter(write for write in company.zoom.writes if write[0] == "set_status")


@settings(max_examples=50)
@given(cases())
def test_the_history_of_a_ledger_that_grew_is_the_one_read_from_its_start(case: Case):
    """Over several real cycles."""
    policy = loosened(case.policy)
    company = company_of(case, policy)
    company.ledger._history = company.ledger.replayed()
    for how in (REPORT, ENFORCE, ENFORCE):
        run(cycle(company, policy, how))
        company.clock.pass_time(timedelta(hours=5))

    assert company.ledger.replayed() == run(company.ledger.history())


# ------------------------------------------------------------------------------------------------------- what is told


def a_company(*names: str) -> Company:
    company = Company()
    company.crowd(30)
    company.employ(*names)
    return company


async def test_intent_stands_before_effect_and_outcome_after():
    """No ledger, no effect: the order of the entries around a write is the order of the promise."""
    company = a_company("ann")
    await cycle(company)
    company.person("ann", enabled=False)
    seen: list[list[str]] = []
    company.zoom.before_write = lambda _: seen.append(company.ledger.kinds())
    known = len(company.ledger.entries)
    await cycle(company)

    assert ["plan", "cycle.read", "memory", "decision", "intent", "outcome", "cycle.ended"] == company.ledger.kinds()[known:]
    assert ["plan", "cycle.read", "memory", "decision", "intent"] == seen[0][known:]


async def test_a_quiet_cycle_is_one_entry():
    """A quiet year stays small."""
    company = a_company("ann")
    await cycle(company)
    known = len(company.ledger.entries)
    await cycle(company)
    await cycle(company, how=REPORT)

    assert ["cycle.ended", "cycle.ended"] == company.ledger.kinds()[known:]


async def test_no_address_stands_in_the_chain():
    """Names and addresses lie beside it."""
    company = a_company("ann")
    company.person("ann", enabled=False)
    await cycle(company)
    await cycle(company)

    assert [] == [entry.body for entry in company.ledger.entries if "@" in entry.body]
    assert "ann@corp.example" in {person["email"] for person in company.ledger.people.values()}


async def test_observers_are_told_in_order():
    """From the start to the end, with one effect in between."""
    company = a_company("ann")
    await cycle(company)
    company.person("ann", enabled=False)
    company.events.clear()
    await cycle(company)

    kinds = [type(event) for event in company.events if type(event) is not PhaseEnded]
    assert [CycleStarted, PauseSeen, ZoomRead, DirectoryRead, PlanMade, EffectSettled, CycleEnded] == kinds
    phases = [event.phase for event in company.events if isinstance(event, PhaseEnded)]
    assert {"directory", "zoom", "decide", "judge", "apply"} == set(phases)


async def test_what_a_read_took_is_told_with_it(monkeypatch: pytest.MonkeyPatch):
    """An operator compares these numbers from day to day; a zero would be a lie."""
    company = a_company("ann")
    read = company.directory.read

    async def slowly() -> DirectorySnapshot:
        company.clock.pass_time(timedelta(seconds=3))
        return await read()

    monkeypatch.setattr(company.directory, "read", slowly)
    await cycle(company)

    assert [3.0] == [event.seconds for event in company.events if isinstance(event, DirectoryRead)]


@pytest.mark.parametrize(("mode", "gone", "success"), [(REPORT, False, True), (REPORT, True, True), (ENFORCE, False, True)])
async def test_a_cycle_without_trouble_moves_last_success(mode: Run, gone: bool, success: bool):
    """in_step, applied, or planned in report mode."""
    company = a_company("ann")
    company.person("ann", enabled=not gone)
    await cycle(company, how=mode)

    assert success == (company.clock.now() == (await company.ledger.history()).last_success_at)


@pytest.mark.parametrize(
    "error",
    [
        SourceError("directory", "page 7 did not come"),
        ConfigError("directory.entra.client_secret_file: gone"),
    ],
)
async def test_an_unreadable_side_ends_the_cycle_with_code_4(error: Any):
    """Also a mounted secret that is gone for the moment. It is recorded, and moves nothing."""
    company = a_company("ann")
    company.directory.fails = error
    report = await cycle(company)

    assert (Result.UNREADABLE, 4, error.what) == (report.result, report.exit_code, report.why)
    assert ["cycle.ended"] == company.ledger.kinds()
    assert (await company.ledger.history()).last_success_at is None
    assert [error.what] == [event.why for event in company.events if isinstance(event, SourceUnreadable)]


@pytest.mark.parametrize("fault", ["unreadable", "another plan", "nothing due"])
async def test_a_ledger_that_does_not_verify_is_graver_than_whatever_else_there_is(fault: str):
    """6 before 4 and 3, and said beside the other: nobody learns of it only when the directory is well again."""
    company = a_company("ann")
    company.ledger._history = replace(company.ledger._history, broken="entry 7 was edited")
    if fault == "unreadable":
        company.directory.fails = SourceError("directory", "page 7 did not come.")
    run = Run(Mode.ENFORCE, Trigger.APPLY, 1, only_plan="4f3a9c01d2e4" if fault == "another plan" else "")
    report = await run_cycle(company.deps, POLICY, run)

    said = " ".join([report.why, *(one.says for one in report.verdicts if one.tripped)])
    assert (6, True, []) == (report.exit_code, "entry 7 was edited" in said, company.ledger.kinds())
    assert (fault == "unreadable") == ("page 7 did not come; and" in report.why)


async def test_a_ledger_fault_during_the_read_is_graver_than_an_unreadable_source():
    """A cursor that cannot be written is a matter of the ledger (6), whichever side failed first."""
    company = a_company("ann")
    company.directory.fails = LedgerError("no space left on device")
    with pytest.raises(LedgerError):
        await cycle(company)


async def test_a_cycle_that_is_cancelled_is_recorded_as_interrupted():
    """SIGTERM did not wait: the write in hand stays open, for the next cycle to settle."""
    company = a_company("ann")
    await cycle(company)
    company.person("ann", enabled=False)
    task = asyncio.ensure_future(cycle(company))
    company.zoom.before_write = lambda _: task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    history = await company.ledger.history()

    assert ("interrupted", 1) == (history.last_result, len(history.intents))


async def test_somebody_brought_back_is_noticed_even_in_a_read_that_is_not_believed():
    """Zoom was whole; "ours" ends with the first read that shows the account active."""
    company = a_company("ann")
    await cycle(company)
    company.person("ann", enabled=False)
    await cycle(company)
    company.account("ann")
    company.directory.offset_seconds = 999.0
    await cycle(company)
    company.directory.offset_seconds = None
    company.account("ann", Status.INACTIVE)
    company.person("ann")
    await cycle(company)
    report = await cycle(company)

    assert report.plan is not None
    assert [Reason.DEACTIVATED_BY_OTHERS] == [one.reason for one in report.plan.decisions if one.account.zoom_id == "z-ann"]


async def test_a_held_plan_without_effects_can_still_be_approved_as_measured():
    """Everybody within the grace, and the directory shrunk: the sizes reviewed are in the ledger."""
    company = a_company()
    policy = replace(POLICY, grace=timedelta(hours=4), limits=replace(LOOSE, max_directory_shrink_percent=10))
    await cycle(company, policy)
    for number in range(10):
        del company.directory.people[f"p-crowd{number:03}"]
    report = await cycle(company, policy)

    assert report.plan is not None
    assert 20 == (await company.ledger.history()).plans[report.plan.digest].accepts["directory-shrunk"]["people"]


async def test_licences_stay_in_the_evidence():
    """What the account had before is in the intent, so that it can be given back."""
    company = a_company("ann")
    company.account("ann", type=2, plan="64", licences='[{"id":"x"}]')
    company.person("ann", enabled=False)
    await company.ledger.append([record.opened("l", "zoom-account", "file")])
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    await cycle(company)
    intents = [entry for entry in company.ledger.entries if entry.kind == "intent"]

    assert all(word in intents[0].body for word in ('"plan":"64"', '"type":2', '"role":"Member"', "licences"))
    assert ROLES["2"] == "Member"


# --------------------------------------------------------------------------------------------------- why it ended so


def the_end(company: Company) -> tuple[str, str, str]:
    end = [event for event in company.events if isinstance(event, CycleEnded)][-1]
    return end.result, end.why, end.do


async def test_a_cycle_that_failed_says_why_and_what_to_do_in_its_last_line():
    """A source that did not come, a refused change, a guard; a cycle that did all there was to do says nothing."""
    company = a_company("ann")
    await cycle(company)
    assert ("in_step", "", "") == the_end(company)

    company.zoom.fails = SourceError("zoom", "page 7 did not come", "see the proxy")
    await cycle(company)
    assert ("unreadable", "page 7 did not come", "see the proxy") == the_end(company)

    company.zoom.fails = None
    company.person("ann", enabled=False)
    company.zoom.answers["*", "set_status"] = (Refused("no", kind="other"), False)
    await cycle(company)
    result, why, do = the_end(company)
    assert ("partial", "1 changes failed (refused 1): z-ann", True) == (result, why, bool(do))

    company.directory.people = {}
    await cycle(company)
    result, why, do = the_end(company)
    assert ("held", True, True) == (result, bool(why), bool(do))
