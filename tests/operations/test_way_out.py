"""The commands of a held plan: known leavers need not wait, and one command passes everything that can be passed."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

from syncd.ledger import record
from syncd.model import CycleReport, Mode, Policy, Trigger
from syncd.operations.cycle import Run, run_cycle
from syncd.reports.terminal import print_cycle
from tests.fakes import Company
from tests.planning.strategies import LOOSE

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=replace(LOOSE, max_deactivations=1))


async def a_held_plan(company: Company) -> CycleReport:
    """Zoe is disabled, Ann is absent; no more than one may go."""
    company.crowd(20)
    company.employ("ann", "bob", "zoe")
    await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    del company.directory.people["p-ann"]
    company.person("zoe", enabled=False)
    return await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.PLAN))


async def test_known_leavers_come_first_with_their_command_and_the_plan_ends_with_the_other():
    """In a pipe and for people."""
    report = await a_held_plan(Company())
    assert report.plan is not None
    deactivate = "syncd account deactivate zoe@corp.example --confirm-count 1 --by NAME --because TEXT"
    approve = f"syncd approve --plan {report.plan.digest[:12]} --guard max-deactivations --by NAME --because TEXT"

    assert (deactivate, approve) == report.commands
    for for_people in (False, True):
        out = io.StringIO()
        print_cycle(report, out, for_people=for_people)
        text = out.getvalue()
        assert text.index("zoe@corp.example") < text.index("ann@corp.example")
        assert text.index(deactivate) < text.rindex(approve)
        assert text.rstrip().endswith(approve)


async def test_what_cannot_be_approved_has_no_command():
    """A pause is ended, not passed. Known leavers may still be deactivated by hand, by a command that says so."""
    company = Company()
    await a_held_plan(company)
    await company.ledger.append([record.paused(by="Kim", because="x")])
    report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.PLAN))

    assert (
        "syncd account deactivate zoe@corp.example --confirm-count 1 --while-paused --by NAME --because TEXT",
    ) == report.commands


async def test_in_report_mode_no_command_is_offered_that_it_refuses():
    """By hand nothing is done in report mode: what is left is the approval, for later."""
    company = Company()
    await a_held_plan(company)
    report = await run_cycle(company.deps, POLICY, Run(Mode.REPORT, Trigger.PLAN))
    out = io.StringIO()
    print_cycle(report, out, for_people=True)

    assert ["syncd approve"] == [command[:13] for command in report.commands]
    assert "1 of those held is a known leaver, shown first.\n" in out.getvalue()


async def test_a_plan_that_nothing_holds_has_no_commands():
    """There is nothing to do."""
    company = Company()
    company.crowd(3)
    assert () == (await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.PLAN))).commands
