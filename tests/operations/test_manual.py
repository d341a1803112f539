"""What people ask for beside the cycle. The usual course as stories: tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from syncd.errors import LedgerError, ScopeMissing, UsageError
from syncd.ledger import record
from syncd.model import Action, CycleReport, Guard, Intent, Limits, Mode, Policy, Status, Trigger
from syncd.operations import holds, manual
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.undo import wanted_by_undo
from tests.fakes import START, Company
from tests.planning.strategies import LOOSE

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE, protect_accounts=("ceo@corp.example",))
REQUEST = manual.Request("Kim", "because")


def a_company() -> Company:
    company = Company()
    company.crowd(20)
    company.employ("ann", "bob", "ceo")
    return company


async def wanted(company: Company, action: Action, *names: str, request: manual.Request = REQUEST) -> manual.Wanted:
    return await manual.wanted_by_address(company.deps, POLICY, [company.address(name) for name in names], action, request)


async def changed(company: Company, action: Action, *names: str, **more: Any) -> CycleReport:
    found = await wanted(company, action, *names)
    return await manual.execute_request(company.deps, POLICY, Mode.ENFORCE, found, REQUEST, 1, trigger=Trigger.ACCOUNT, **more)


def tripped(found: manual.Wanted) -> list[Guard]:
    return [verdict.guard for verdict in found.verdicts if verdict.tripped]


async def test_an_account_named_twice_is_changed_once():
    """Two spellings, an address and an id: one account, one write."""
    company = a_company()
    found = await manual.wanted_by_address(
        company.deps, POLICY, ["ann@corp.example", "ANN@corp.example", "z-ann"], Action.DEACTIVATE, REQUEST
    )

    assert 1 == len(found.effects)


async def test_an_invitation_is_no_account_yet():
    """Nobody pending is ever changed."""
    company = a_company()
    company.account("new", Status.PENDING)
    found = await wanted(company, Action.DEACTIVATE, "new", "nobody")

    assert ((), ("nobody@corp.example",), ("new@corp.example",)) == (found.effects, found.unknown, found.pending)


@pytest.mark.parametrize("role", ["1", "0", None])
async def test_protected_accounts_are_refused_before_anything_is_sent(role: str | None):
    """By role, by an unknown role, and by name."""
    company = a_company()
    company.account("ann", role=role)

    assert [Guard.PROTECTED_IN_PLAN] == tripped(await wanted(company, Action.DEACTIVATE, "ann"))
    assert [Guard.PROTECTED_IN_PLAN] == tripped(await wanted(company, Action.DEACTIVATE, "ceo"))


@pytest.mark.parametrize(
    ("count", "expected"), [(3, []), (2, [Guard.MAX_DEACTIVATIONS_PERCENT]), (None, [Guard.MAX_DEACTIVATIONS_PERCENT])]
)
async def test_a_share_is_taken_of_the_last_good_read_and_confirming_the_number_passes(count: int | None, expected: list[Guard]):
    """Hand verbs read no directory, and somebody who says "yes, three" has counted."""
    company = a_company()
    company.ledger._history = replace(company.ledger._history, active_in_scope=20)
    names = ["ann@corp.example", "bob@corp.example", "crowd001@corp.example"]
    strict = Policy("zoom-account", ("corp.example",), limits=Limits(percent_floor=0))
    found = await manual.wanted_by_address(
        company.deps, strict, names, Action.DEACTIVATE, manual.Request("Kim", "x", confirm_count=count)
    )

    assert expected == tripped(found)


async def test_a_hold_stands_before_the_change():
    """So that no crash can come between a reactivation and the hold that keeps it."""
    company = a_company()
    company.account("ann", Status.INACTIVE)
    seen: list[list[str]] = []
    company.zoom.before_write = lambda _: seen.append(company.ledger.kinds())
    await changed(company, Action.REACTIVATE, "ann", hold=["z-ann"])

    assert "hold" in seen[0]
    assert START + manual.HOLD_AFTER_OVERRULING == (await company.ledger.history()).holds["z-ann"].until


@pytest.mark.parametrize(("days", "expected"), [(None, None), (30, 30), (1, 7)])
async def test_overruling_never_shortens_a_hold(days: int | None, expected: int | None):
    """A hold until released, or for longer than the week, stays as it is."""
    company = a_company()
    company.account("ann", Status.INACTIVE)
    await holds.hold(company.deps, ["ann@corp.example"], REQUEST, START + timedelta(days=days) if days else None)
    await changed(company, Action.REACTIVATE, "ann", hold=["z-ann"])

    assert (START + timedelta(days=expected) if expected else None) == (await company.ledger.history()).holds["z-ann"].until


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("none", 0),
        ("ledger", 6),
        ("scope", 4),
        ("stop", 4),
        ("lease", 7),
    ],
)
async def test_the_exit_code_says_what_ended_it(trouble: str, code: int):
    """Ledger first; an early end is 4 while nothing was written, or 7 for a lost lease."""
    company = a_company()
    found = await wanted(company, Action.DEACTIVATE, "ann", "bob")
    company.stopping = trouble == "stop"
    company.leadership.leading = trouble != "lease"
    if trouble == "ledger":
        company.ledger.refuse_after = 1
    if trouble == "scope":
        company.zoom.answers[("*", "set_status")] = (ScopeMissing("zoom", "no scope"), False)
    report = await manual.execute_request(company.deps, POLICY, Mode.ENFORCE, found, REQUEST, 1, trigger=Trigger.ACCOUNT)

    assert code == report.exit_code


async def test_a_full_ledger_ends_a_hand_verb_before_the_first_change():
    """The plan could not be written: nothing is sent."""
    company = a_company()
    found = await wanted(company, Action.DEACTIVATE, "ann")
    company.ledger.refuse_after = 0
    with pytest.raises(LedgerError):
        await manual.execute_request(company.deps, POLICY, Mode.ENFORCE, found, REQUEST, 1, trigger=Trigger.ACCOUNT)
    assert [] == company.zoom.writes


async def test_releasing_what_is_not_on_hold_or_not_there_changes_nothing():
    """All or none."""
    company = a_company()
    await holds.hold(company.deps, ["ann@corp.example"], REQUEST, None)
    with pytest.raises(UsageError, match=r"bob@corp\.example"):
        await holds.release(company.deps, ["ann@corp.example", "bob@corp.example"], REQUEST)
    with pytest.raises(UsageError, match=r"nobody@corp\.example"):
        await holds.hold(company.deps, ["bob@corp.example", "nobody@corp.example"], REQUEST, None)

    assert {"z-ann"} == set((await company.ledger.history()).holds)


def announced(company: Company, name: str, action: str, **more: Any) -> Intent:
    """What a cycle that was killed just now announced."""
    before = record.before_of(company.zoom.accounts[f"z-{name}"])
    return Intent("i1", "killedcycle", company.clock.now(), f"z-{name}", action, "cycle", "left_groups", before, **more)


async def test_a_change_of_a_killed_cycle_is_waited_for_before_a_person_makes_another():
    """It lands three seconds later: nothing is sent meanwhile, and what is shown is true."""
    company = a_company()
    ann = company.zoom.accounts["z-ann"]
    intent = announced(company, "ann", "deactivate")
    await company.ledger.append([record.intended(intent, ann)], term=1)

    def land() -> None:
        if company.clock.now() - START >= timedelta(seconds=3):
            company.zoom.accounts["z-ann"] = structs.replace(ann, status=Status.INACTIVE, type=1)

    company.zoom.before_look = land
    off = await wanted(company, Action.DEACTIVATE, "ann")
    back = await wanted(company, Action.REACTIVATE, "ann")

    assert ((), ["z-ann"]) == (off.effects, [account.zoom_id for account in off.already])
    assert [("z-ann", "reactivate")] == [effect.key for effect in back.effects]
    assert {"z-ann": {"type": 2, "plan": None}} == back.restore
    assert ([], {}) == (company.zoom.writes, (await company.ledger.history()).intents)


async def test_an_open_change_of_somebody_else_is_none_of_a_hand_verbs_business():
    """Only the accounts named are looked at; the next cycle settles the rest."""
    company = a_company()
    intent = announced(company, "bob", "deactivate")
    await company.ledger.append([record.intended(intent, company.zoom.accounts["z-bob"])], term=1)
    await changed(company, Action.DEACTIVATE, "ann")

    assert ["z-bob"] == [one.zoom_id for one in (await company.ledger.history()).intents.values()]
    assert START == company.clock.now()


async def test_an_undo_puts_back_what_a_killed_cycle_did_not_get_to_write_down():
    """Whoever kills the daemon in the middle of a mistake and undoes the cycle gets everybody back."""
    company = a_company()
    ann = company.zoom.accounts["z-ann"]
    await company.ledger.append([record.intended(announced(company, "ann", "deactivate"), ann)], term=1)
    company.zoom.accounts["z-ann"] = structs.replace(ann, status=Status.INACTIVE, type=1)

    found = (await wanted_by_undo(company.deps, POLICY, "killedcycle", REQUEST)).wanted

    assert [("z-ann", "reactivate")] == [effect.key for effect in found.effects]
    assert {"z-ann": {"type": 2, "plan": None}} == found.restore


async def test_a_licence_that_a_killed_cycle_owes_stays_owed():
    """The account is back already; the next cycle gives the licence."""
    company = a_company()
    company.zoom.accounts["z-ann"] = structs.replace(company.zoom.accounts["z-ann"], type=1)
    intent = announced(company, "ann", "reactivate", restore={"type": 2, "plan": None})
    await company.ledger.append([record.intended(intent, company.zoom.accounts["z-ann"])], term=1)

    assert () == (await wanted(company, Action.REACTIVATE, "ann")).effects
    assert ["restore_licence"] == [one.action for one in (await company.ledger.history()).intents.values()]


async def test_a_control_total_of_a_hand_verb_balances_too():
    """Every account it names is in exactly one decision."""
    company = a_company()
    company.account("bob", Status.INACTIVE)
    report = await changed(company, Action.DEACTIVATE, "ann", "bob")

    assert report.plan is not None
    assert report.zoom is not None
    assert 2 == len(report.zoom.accounts) == sum(report.plan.counts.values())


async def test_undo_names_a_cycle_that_changed_something():
    """By enough of its id, and only one."""
    company = a_company()
    company.person("ann", enabled=False)
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    for cycle in ("nosuchcycle", report.cycle_id + "x"):
        with pytest.raises(UsageError):
            await wanted_by_undo(company.deps, POLICY, cycle, REQUEST)
    found = (await wanted_by_undo(company.deps, POLICY, report.cycle_id, REQUEST)).wanted

    assert [("z-ann", "reactivate")] == [effect.key for effect in found.effects]
    assert {"z-ann": {"type": 2, "plan": None}} == found.restore


async def test_a_protected_account_does_not_keep_an_undo_from_the_others():
    """Whoever was locked out by mistake is often protected right afterwards; their colleagues come back all the same."""
    company = a_company()
    for name in ("ann", "bob"):
        company.person(name, enabled=False)
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    wiser = replace(POLICY, protect_accounts=("ann@corp.example",))
    found = (await wanted_by_undo(company.deps, wiser, report.cycle_id, REQUEST)).wanted

    assert [("z-bob", "reactivate")] == [effect.key for effect in found.effects]
    assert ["z-ann"] == [account.zoom_id for account in found.protected]
    assert [] == tripped(found)
