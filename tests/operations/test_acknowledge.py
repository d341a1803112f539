"""Known rows alert nobody for a while; whatever changes rings again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.errors import UsageError
from syncd.events import PlanMade
from syncd.ledger import record
from syncd.model import Head, Mode, Policy, Trigger
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.holds import acknowledge
from syncd.operations.manual import Request
from tests.fakes import Company
from tests.planning.strategies import LOOSE

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE)
REQUEST = Request("Kim", "the administrator leaves in June")


async def a_company_with_a_manual_row() -> Company:
    """Ann left, and their account has a role that syncd does not touch."""
    company = Company()
    company.crowd(20)
    company.employ("bob")
    company.person("ann", enabled=False)
    company.account("ann", role="1")
    await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    return company


async def known(company: Company) -> frozenset[str]:
    """Which manual rows of a cycle now alert nobody."""
    told: list[PlanMade] = []
    deps = replace(company.deps, tell=lambda event: told.append(event) if isinstance(event, PlanMade) else None)
    await run_cycle(deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    return told[0].acknowledged


async def test_a_known_row_alerts_nobody_until_its_time_is_over():
    """Before: it does."""
    company = await a_company_with_a_manual_row()
    assert frozenset() == await known(company)
    await acknowledge(company.deps, ["ann@corp.example"], REQUEST, company.clock.now() + timedelta(days=3))

    assert frozenset({"z-ann"}) == await known(company)
    company.clock.pass_time(timedelta(days=3))
    assert frozenset() == await known(company)


async def test_a_row_whose_facts_change_rings_again():
    """Another reason is another row."""
    company = await a_company_with_a_manual_row()
    await acknowledge(company.deps, ["ann@corp.example"], REQUEST, company.clock.now() + timedelta(days=3))
    company.person("ann", leaver_by=("Leavers",))

    assert frozenset() == await known(company)


async def test_only_what_waits_for_a_person_can_be_acknowledged_and_only_for_a_time_to_come():
    """Nothing is done for any of several."""
    company = await a_company_with_a_manual_row()
    later = company.clock.now() + timedelta(days=3)
    for names, until in (
        (["ann@corp.example", "bob@corp.example"], later),
        (["nobody@corp.example"], later),
        (["ann@corp.example"], company.clock.now()),
    ):
        with pytest.raises(UsageError):
            await acknowledge(company.deps, names, REQUEST, until)

    assert {} == (await company.ledger.history()).acknowledged


@pytest.mark.parametrize("said", [{"missing": [Head(99, "f" * 64)]}, {"directory": "file:other"}])
async def test_after_the_ledger_was_accepted_a_row_is_known_again_with_the_next_cycle(said: dict[str, Any]):
    """Rolled back, or bound to another directory: what rows looked like is forgotten, and until then nothing is done."""
    company = await a_company_with_a_manual_row()
    await company.ledger.append([record.accepted(by="Kim", because="volume lost", **{"missing": (), "directory": ""} | said)])
    later = company.clock.now() + timedelta(days=3)
    with pytest.raises(UsageError, match=r"no standing manual row is known of: ann@corp\.example"):
        await acknowledge(company.deps, ["ann@corp.example"], REQUEST, later)
    assert {} == (await company.ledger.history()).acknowledged

    await known(company)
    await acknowledge(company.deps, ["ann@corp.example"], REQUEST, later)
    assert frozenset({"z-ann"}) == await known(company)
