"""Approving: which plans, which guards, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.errors import Held, LedgerError, SourceError, UsageError
from syncd.model import Action, Approval, Guard, Mode, Policy, Trigger
from syncd.operations.approve import Asked, approve
from syncd.operations.cycle import Run, run_cycle
from syncd.planning.guards import NOT_APPROVABLE
from tests.fakes import Company
from tests.planning.strategies import LOOSE

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE)


async def a_held_company(*, recorded: bool = True) -> tuple[Company, str]:
    """Ann left, and the plan to deactivate them waits for its first review. Returns the plan's digest."""
    company = Company()
    company.crowd(20)
    company.employ("ann", "bob")
    company.person("ann", enabled=False)
    report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1 if recorded else None))
    assert report.plan is not None
    return company, report.plan.digest


SHRINKING = replace(POLICY, grace=timedelta(days=9), limits=replace(LOOSE, max_directory_shrink_percent=10))


async def a_shrunk_company() -> tuple[Company, str]:
    """Ten of forty are missing, which is too many, and nobody is due. Returns the digest of a plan that nobody recorded."""
    company = Company()
    company.crowd(40)
    await run_cycle(company.deps, SHRINKING, Run(Mode.REPORT, Trigger.SCHEDULE, 1))
    for number in range(10):
        del company.directory.people[f"p-crowd{number:03}"]
    report = await run_cycle(company.deps, SHRINKING, Run(Mode.REPORT, Trigger.PLAN))
    assert report.plan is not None
    return company, report.plan.digest


async def approved(company: Company, digest: str, *guards: str, policy: Policy = POLICY, **more: Any) -> Approval:
    given = {"by": "Kim", "because": "reviewed", "lasts": timedelta(hours=24), **more}
    asked = Asked(digest, guards or ("policy-changed",), **given)
    return (await approve(company.deps, policy, Mode.ENFORCE, asked)).approval


async def test_a_recorded_plan_is_approved_without_reading_again():
    """Also while the directory is down."""
    company, digest = await a_held_company()
    company.directory.fails = SourceError("directory", "down")
    approval = await approved(company, digest[:12], "policy-changed", "flapping", "policy-changed")

    assert (digest, (Guard.POLICY_CHANGED, Guard.FLAPPING), frozenset({("z-ann", "deactivate")})) == (
        approval.plan_digest,
        approval.guards,
        approval.effects,
    )
    assert {approval.id: approval} == (await company.ledger.history()).approvals


async def test_a_ledger_that_does_not_verify_takes_no_approval():
    """Whatever else may be wrong: its plans may be forged."""
    company, digest = await a_held_company()
    company.ledger._history = replace(company.ledger._history, broken="entry 7 was edited")
    for named in (digest, "4f3a9c01d2e4"):
        with pytest.raises(LedgerError, match="entry 7 was edited"):
            await approved(company, named)


async def test_a_plan_of_report_mode_may_be_approved():
    """A cycle of either mode recorded it."""
    company, _ = await a_held_company(recorded=False)
    report = await run_cycle(company.deps, POLICY, Run(Mode.REPORT, Trigger.SCHEDULE, 1))
    assert report.plan is not None

    assert report.plan.digest == (await approved(company, report.plan.digest)).plan_digest


async def test_a_plan_nobody_recorded_is_read_again_and_must_be_the_same():
    """What a dry run showed; Zoom is not written to."""
    company, digest = await a_held_company(recorded=False)
    await approved(company, digest)
    assert (["plan", "approval"], []) == (company.ledger.kinds(), company.zoom.writes)

    company, digest = await a_held_company(recorded=False)
    company.person("bob", enabled=False)
    with pytest.raises(Held, match="nothing was approved"):
        await approved(company, digest)
    assert [] == company.ledger.entries


async def test_what_the_second_reading_measured_is_what_is_accepted():
    """A plan nobody recorded is read again; its sizes are those of that reading, and they are in its digest."""
    company, digest = await a_shrunk_company()
    approval = await approved(company, digest, "directory-shrunk", policy=SHRINKING)
    history = (await company.ledger.history()).heeding([approval.id], company.clock.now())

    assert {"people": 30.0, "entitled": 30.0} == {name: approval.accepts[name] for name in ("people", "entitled")}
    assert 30.0 == history.baseline("people", company.clock.now()) == history.plans[digest].accepts["directory-shrunk"]["people"]


async def test_a_review_of_a_larger_directory_does_not_let_a_smaller_one_pass():
    """34 of 40 were reviewed; 4 of 40 is another plan, although it changes the same accounts."""
    company, digest = await a_shrunk_company()
    for number in range(10, 30):
        del company.directory.people[f"p-crowd{number:03}"]
    with pytest.raises(Held, match="nothing was approved"):
        await approved(company, digest, "directory-shrunk", policy=SHRINKING)


async def test_after_24_hours_a_recorded_plan_is_read_again():
    """It is no longer what somebody can have looked at."""
    company, digest = await a_held_company()
    company.clock.pass_time(timedelta(hours=24, seconds=1))
    company.person("ann")
    with pytest.raises(Held):
        await approved(company, digest)


async def test_a_plan_that_cannot_be_read_again_is_unreadable_not_refused():
    """Exit 4: the sources are the trouble."""
    company, digest = await a_held_company(recorded=False)
    company.zoom.fails = SourceError("zoom", "the walk did not tie out")
    with pytest.raises(SourceError, match="the walk did not tie out"):
        await approved(company, digest)


@pytest.mark.parametrize("guard", sorted(NOT_APPROVABLE))
async def test_what_is_wrong_cannot_be_approved(guard: Guard):
    """Whatever else is named beside it."""
    company, digest = await a_held_company()
    with pytest.raises(UsageError, match=guard.value):
        await approved(company, digest, "policy-changed", guard.value)
    assert {} == (await company.ledger.history()).approvals


@pytest.mark.parametrize(
    ("guard", "instead"), [("paused", "syncd resume"), ("ledger-new", "syncd ledger accept"), ("clock-skew", "its cause right")]
)
async def test_what_no_plan_can_be_approved_for_is_refused_before_anything_is_read(guard: str, instead: str):
    """Whichever plan is named; and it is said what helps instead."""
    company, _ = await a_held_company()
    company.directory.fails = SourceError("directory", "down")
    with pytest.raises(UsageError, match=f"{guard} cannot be approved; nothing was approved") as refused:
        await approved(company, "deadbeef0000", guard)
    assert instead in refused.value.do


async def test_a_sentinel_is_looked_at_before_it_is_refused():
    """Of several some may be answered for, which only the plan says."""
    company, _ = await a_held_company()
    company.directory.fails = SourceError("directory", "down")
    with pytest.raises(SourceError, match="cannot be made now"):
        await approved(company, "deadbeef0000", "sentinel-missing")


async def test_a_misspelt_guard_is_answered_with_the_near_one():
    company, digest = await a_held_company()
    with pytest.raises(UsageError) as refused:
        await approve(
            company.deps,
            POLICY,
            Mode.ENFORCE,
            Asked(digest, ("policy-changed", "max-deactivation"), "Kim", "x", timedelta(hours=1)),
        )

    assert refused.value.what.endswith(": max-deactivation")
    assert refused.value.do.startswith("Did you mean max-deactivations?")


@pytest.mark.parametrize(
    "given",
    [
        {"by": " "},
        {"because": ""},
        {"digest": "1234567"},
        {"guards": ()},
        {"guards": ("no-such-guard",)},
    ],
)
async def test_an_approval_is_evidence_and_must_be_complete(given: dict[str, Any]):
    """Who, why, which plan, which guards."""
    company, digest = await a_held_company()
    asked = {"digest": digest, "guards": ("policy-changed",), "by": "Kim", "because": "x", "lasts": timedelta(hours=1), **given}
    with pytest.raises(UsageError):
        await approve(company.deps, POLICY, Mode.ENFORCE, Asked(**asked))


async def test_a_plan_without_effects_has_nothing_to_approve():
    """Except for a guard that accepts what was measured."""
    company, _ = await a_held_company()
    company.person("ann")
    report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    assert report.plan is not None
    with pytest.raises(UsageError, match="nothing to approve"):
        await approved(company, report.plan.digest)
    with pytest.raises(UsageError, match="nothing to approve"):
        await approved(company, report.plan.digest, "directory-shrunk")
    shrunk, digest = await a_shrunk_company()
    with pytest.raises(UsageError, match="nothing to approve"):
        await approved(shrunk, digest, "policy-changed", policy=SHRINKING)
    await approved(shrunk, digest, "directory-shrunk", policy=SHRINKING)


async def test_a_plan_made_by_hand_is_no_cycle_s_plan():
    """Approving it must not put policy-changed to rest."""
    from syncd.operations import manual

    company, _ = await a_held_company(recorded=False)
    request = manual.Request("Kim", "x")
    wanted = await manual.wanted_by_address(company.deps, POLICY, ["bob@corp.example"], Action.DEACTIVATE, request)
    report = await manual.execute_request(company.deps, POLICY, Mode.ENFORCE, wanted, request, 1, trigger=Trigger.ACCOUNT)
    assert report.plan is not None
    with pytest.raises(Held):
        await approved(company, report.plan.digest)


async def test_a_guard_that_one_of_two_approved_still_holds():
    """The second approves another guard of the plan, or fewer: what is missing is said, and by each whatever they approved."""
    policy = replace(POLICY, approvals_required=2)
    company = Company()
    company.crowd(20)
    company.employ("ann")
    company.person("ann", enabled=False)
    policy = replace(policy, limits=replace(LOOSE, max_deactivations=0))
    report = await run_cycle(company.deps, policy, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    assert report.plan is not None

    async def still(by: str, *guards: str) -> tuple[str, ...]:
        asked = Asked(report.plan.digest, guards, by, "reviewed", timedelta(hours=24))  # type: ignore[union-attr]
        return (await approve(company.deps, policy, Mode.ENFORCE, asked)).still

    assert ("max-deactivations", "policy-changed") == await still("Kim", "max-deactivations", "policy-changed")
    assert ("policy-changed",) == await still("Lee", "max-deactivations")
    assert () == await still("Lee", "policy-changed")


async def test_another_policy_s_plan_is_approved_for_that_policy_only():
    """The approval carries the policy it was reviewed with."""
    company, digest = await a_held_company()
    approval = await approved(company, digest)

    assert POLICY.digest() == approval.policy_digest != replace(POLICY, grace_reads=3).digest()
