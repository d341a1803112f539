"""The early cycle while only another good read is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.model import CycleReport, Mode, Plan, Status, Trigger
from syncd.model import Result as Ended
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.follow_up import FollowUps
from tests.fakes import Company
from tests.operations.test_cycle import POLICY

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SCHEDULED = NOON + timedelta(minutes=15)


def report(*, helps: bool = True, **more: object) -> CycleReport:
    plan = Plan(NOON, "policy", (), next_read_helps=helps)
    return CycleReport("c", Mode.ENFORCE, Trigger.SCHEDULE, Ended.IN_STEP, NOON, NOON, "0", "policy", plan, **more)  # type: ignore[arg-type]


def test_the_next_cycle_starts_after_a_minute_and_at_most_every_five():
    """A second one waits; what is due earlier by the schedule stays so."""
    follow_ups = FollowUps()

    assert NOON + timedelta(seconds=60) == follow_ups.due(report(), SCHEDULED, NOON)
    assert NOON + timedelta(seconds=360) == follow_ups.due(report(), SCHEDULED, NOON + timedelta(seconds=70))
    assert NOON + timedelta(seconds=90) == follow_ups.due(report(), NOON + timedelta(seconds=90), NOON + timedelta(seconds=80))


def test_a_cycle_comes_when_a_window_opens():
    """So that an opening of ten minutes is used; not for one that lies behind, nor beyond the schedule, nor in report mode."""

    def due(*openings: int, mode: Mode = Mode.ENFORCE) -> datetime:
        waiting = {("z", str(minutes)): NOON + timedelta(minutes=minutes) for minutes in openings}
        return FollowUps().due(replace(report(helps=False), mode=mode, next_openings=waiting), SCHEDULED, NOON)

    assert NOON + timedelta(minutes=7) == due(40, 7, -3)
    assert [SCHEDULED, SCHEDULED] == [due(40, -3, 0), due(7, mode=Mode.REPORT)]


@pytest.mark.parametrize("ended", [None, report(helps=False)])
def test_it_stays_with_the_schedule_while_nobody_waits_for_a_read(ended: CycleReport | None):
    """Nor after a cycle that failed."""
    assert SCHEDULED == FollowUps().due(ended, SCHEDULED, NOON)


@pytest.mark.parametrize(("offset", "ours", "early"), [(None, True, True), (999.0, True, False), (None, False, False)])
async def test_only_a_good_read_and_an_account_of_ours_bring_it_about(offset: float | None, ours: bool, early: bool):
    """After a read that is not good another one would be none either; what others switched off stays so."""
    company = Company()
    company.employ("ann", "bob")
    how = Run(Mode.ENFORCE, Trigger.SCHEDULE, 1)
    await run_cycle(company.deps, POLICY, how)
    if ours:
        company.person("ann", enabled=False)
        await run_cycle(company.deps, POLICY, how)
        company.person("ann")
    else:
        company.zoom.accounts.clear()
        company.account("bob")
        company.account("ann", Status.INACTIVE)
    company.directory.offset_seconds = offset
    ended = await run_cycle(company.deps, POLICY, how)

    assert early == (SCHEDULED != FollowUps().due(ended, SCHEDULED, NOON))
