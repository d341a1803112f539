"""At Zoom's limits, through the real adapter: storms, used-up days, other programs on the account, lost answers, licences."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.events import EffectSettled
from syncd.lab import faults
from syncd.lab.faults import RETRY_AFTER_FORMS
from syncd.lab.zoom.limits import PLANS
from syncd.lab.zoom.operations import Label
from syncd.model import Mode
from syncd.observe.metrics import Metrics
from syncd.reports.document import cycle_document
from tests.contract.simulated_world import a_world, fate

# -------------------------------------------------------------------------------------------------------------- pace


@pytest.mark.parametrize(("plan", "share"), [("business", 1.0), ("business", 0.5), ("pro", 1.0), ("free", 1.0)])
async def test_a_cycle_keeps_to_its_share_and_is_never_refused(plan: str, share: float) -> None:
    """In no one-second window more than allowed, and no 429 caused by us. One request at a time: the jumping clock would give
    every request on its way the time at which the next one starts."""
    async with a_world(plan=plan, account_plan=plan, share=share, crowd=300, concurrency=1) as world:
        names = [f"leaver{number:02}" for number in range(12)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.leaves(*names)

        report = await world.cycle()

        assert (0, {("done", "")}) == (report.exit_code, {fate(report, name) for name in names})
        assert [] == [seen for seen in world.zoom.requests if seen.status == 429]
        for label in (Label.LIGHT, Label.MEDIUM):
            assert world.zoom.peak(label) <= max(1, int(PLANS[plan].rates[label][0] * share))


async def test_another_program_on_the_account_slows_us_down_and_we_recover() -> None:
    """It takes three quarters of the light requests for a while: everything is done, more slowly; then the rate is back."""
    async with a_world(plan="pro", account_plan="pro", crowd=300) as world:
        names = [f"leaver{number:02}" for number in range(15)]
        world.employ(*names)
        await world.in_enforcing_use()
        assert world.adapter is not None
        lane = world.adapter._api._pacer.lane("light")
        full = lane.rate
        world.zoom.limits.others[Label.LIGHT] = 24
        world.leaves(*names)

        report = await world.cycle()
        assert {("done", "")} == {fate(report, name) for name in names}
        assert lane.rate < full
        assert 15 == len(world.zoom.changes)
        assert [] == world.zoom.early_retries

        world.zoom.limits.others.clear()
        for _ in range(40):
            await asyncio.gather(*(world.adapter.get_account(world.user(name).id) for name in names))
        assert full == lane.rate


@pytest.mark.parametrize("operation", ["list_users", "get_user", "set_status", "list_roles"])
async def test_a_storm_of_429s_in_all_forms_is_survived_without_one_early_retry(operation: str) -> None:
    """Each form of Retry-After, on reads, looks and changes; the absurd one apart, which ends a cycle."""
    async with a_world() as world:
        names = [f"leaver{number}" for number in range(3)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.leaves(*names)
        for number, form in enumerate(form for form in RETRY_AFTER_FORMS if form != "absurd"):
            world.zoom.faults.add(faults.throttled(form, 3.0), operation, skip=number)

        report = await world.cycle()

        assert (0, {("done", "")}) == (report.exit_code, {fate(report, name) for name in names})
        assert len(RETRY_AFTER_FORMS) - 1 == len([seen for seen in world.zoom.requests if seen.status == 429])
        assert [] == world.zoom.early_retries
        assert 3 == len(world.zoom.changes)


@pytest.mark.parametrize("skew_minutes", [-4, 4])
async def test_no_retry_is_early_when_clocks_differ(skew_minutes: int) -> None:
    """A point in time is read on both clocks."""
    async with a_world(max_wait_seconds=600.0) as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.zoom.clock_skew = timedelta(minutes=skew_minutes)
        world.leaves("ann")
        for form in ("http_date", "iso"):
            world.zoom.faults.add(faults.throttled(form, 5.0), "set_status")

        report = await world.cycle()

        assert ("done", "") == fate(report, "ann")
        assert [] == world.zoom.early_retries


@pytest.mark.parametrize(("operation", "code", "result"), [("list_users", 4, "unreadable"), ("set_status", 4, "unreadable")])
async def test_an_absurd_wait_ends_the_cycle_and_says_so(operation: str, code: int, result: str) -> None:
    """Thirty years: nobody sleeps, the report names it, and the next cycle asks again."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(faults.throttled("absurd"), operation)
        before = world.clock.passed

        report = await world.cycle()
        assert (code, result) == (report.exit_code, report.result.value)
        assert "not believed" in report.why
        assert world.clock.passed - before < 60

        world.clock.passed += 900
        assert ("done", "") == fate(await world.cycle(), "ann")


async def test_looks_come_before_a_throttled_change_is_repeated() -> None:
    """While the 429 was waited out somebody made them an admin: nothing is changed."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(faults.throttled("seconds", 30.0), "set_status")
        promoted = faults.meanwhile(lambda: world.zoom.tenant.alter("ann@corp.example", role_id="1"))
        world.zoom.faults.add(promoted, "get_user", skip=1)

        report = await world.cycle()

        assert (("skipped", "changed_since_plan"), 1, []) == (fate(report, "ann"), len(world.writes()), world.zoom.changes)


# ---------------------------------------------------------------------------------------------------------- used-up days


async def test_a_used_up_day_ends_the_changes_until_midnight_and_shows() -> None:
    """A free account, its light requests used up by others in the middle of a cycle: what is left is not tried, the report
    and the metrics say until when, nobody asks before, not even after a restart; and after midnight it goes on."""
    async with a_world(plan="free", account_plan="free", crowd=300, concurrency=1) as world:
        names = [f"leaver{number}" for number in range(4)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.concurrency = 1
        world.leaves(*names)
        world.zoom.limits.used_today[0] = 6_000 - 7  # two accounts' worth, and one request more

        report = await world.cycle()
        fates = [fate(report, name) for name in names]
        assert (5, "partial") == (report.exit_code, report.result.value)
        assert 2 == fates.count(("done", ""))
        assert "limit_reached" in {reason for _, reason in fates}
        assert "2026-11-24T00:00:00Z" in report.why
        metrics = Metrics("1")
        for event in world.told:
            metrics(event)
        midnight = metrics.registry.get_sample_value("syncd_http_resume_timestamp_seconds", {"service": "zoom"})
        assert midnight in (1_795_478_400, 1_795_478_401)
        assert 2 <= (metrics.registry.get_sample_value("syncd_effects_total", {"action": "deactivate", "result": "done"}) or 0)

        refused = len([seen for seen in world.zoom.requests if seen.status == 429])
        for _ in range(2):
            world.clock.passed += 900
            await world.restart()
            report = await world.cycle()
            assert (4, "unreadable") == (report.exit_code, report.result.value)
        assert refused == len([seen for seen in world.zoom.requests if seen.status == 429])

        world.clock.passed += 12 * 3600
        report = await world.cycle()
        assert (0, "applied") == (report.exit_code, report.result.value)
        assert {"inactive"} == {world.user(name).status for name in names}


async def test_our_own_daily_budget_is_kept_over_a_restart() -> None:
    """A share of a free account's 6,000 light requests: counted in the ledger's side table, never in its chain."""
    async with a_world(account_plan="free", share=0.01, crowd=600) as world:  # sixty light requests a day
        names = [f"leaver{number:02}" for number in range(24)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.concurrency = 1
        world.leaves(*names)

        await world.cycle()
        await world.restart()
        world.clock.passed += 900
        report = await world.cycle()

        assert 60 == len([seen for seen in world.zoom.requests if seen.label is Label.LIGHT])
        assert (4, "unreadable") == (report.exit_code, report.result.value)
        assert {"used": 60, "day": "2026-11-23"} == world.ledger.state["zoom-budget/lab-account/light"]
        assert "zoom-budget" not in repr(world.ledger.entries)


# ---------------------------------------------------------------------------------------------------------- lost answers


async def test_a_timeout_after_the_change_was_sent_is_settled_by_looking() -> None:
    """The answer comes later than anybody waits: done, one write."""
    async with a_world(request_seconds=0.3) as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        really_slow = asyncio.Event()
        world.zoom._sleep = lambda _: really_slow.wait()  # type: ignore[method-assign]
        world.zoom.faults.add(faults.late_answer(60), "set_status")

        report = await world.cycle()
        really_slow.set()

        assert (("done", "answer_lost_but_done"), 1) == (fate(report, "ann"), len(world.zoom.changes))


async def test_a_change_that_lands_after_we_gave_up_is_still_known_to_be_ours() -> None:
    """Zoom carries it out after our looks: open until the next cycle, which finds it done; it may be taken back later."""
    async with a_world(request_seconds=0.3) as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        lands = asyncio.Event()
        world.zoom._sleep = lambda _: lands.wait()  # type: ignore[method-assign]
        world.zoom.faults.add(faults.slow(60), "set_status")

        report = await world.cycle()
        assert (("failed", "no_answer"), 5, []) == (fate(report, "ann"), report.exit_code, world.zoom.changes)
        lands.set()
        while not world.zoom.changes:
            await asyncio.sleep(0.01)

        again = await world.cycle()
        assert ("keep", "in_step") == fate(again, "ann")
        assert ["deactivate"] == [seen.action for seen in world.writes()]
        world.comes_back("ann")
        assert ("done", "") == fate(await world.cycle(), "ann")


class _RefusedMeanwhile(set[str]):
    """Who is being changed. The change under way ends as soon as another one of that account is refused for it."""

    def __init__(self, lands: asyncio.Event, busy: set[str]) -> None:
        super().__init__(busy)
        self._lands = lands

    def __contains__(self, key: object) -> bool:
        met = super().__contains__(key)
        if met:
            self._lands.set()
        return met


async def test_after_a_crash_there_are_never_two_changes_of_one_account_at_a_time() -> None:
    """The process dies while Zoom works on its change; the next one starts at once: it waits, looks, and repeats nothing."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        lands = asyncio.Event()
        real_sleep = world.zoom._sleep
        world.zoom._sleep = lambda _: lands.wait()  # type: ignore[method-assign]
        world.zoom.faults.add(faults.slow(60), "set_status")
        dying = asyncio.create_task(world.cycle())
        while not world.zoom._busy:
            await asyncio.sleep(0.01)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        world.zoom._sleep = real_sleep  # type: ignore[method-assign]
        world.zoom._busy = _RefusedMeanwhile(lands, world.zoom._busy)
        await world.restart()

        report = await world.cycle()

        assert [429] == [seen.status for seen in world.zoom.requests if seen.status == 429]  # by Zoom itself, the second one
        assert (0, ("done", "answer_lost_but_done"), 1) == (report.exit_code, fate(report, "ann"), len(world.zoom.changes))
        assert {} == world.ledger.replayed().intents
        world.comes_back("ann")
        assert ("done", "") == fate(await world.cycle(), "ann")


async def test_a_young_change_of_a_dead_process_is_waited_for() -> None:
    """It lands some seconds after the restart: settled as done, without another write."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(faults.connection_reset(), "set_status")
        await world.cycle()
        assert 1 == len(world.ledger.replayed().intents)
        await world.restart()
        world.zoom.faults.add(
            faults.meanwhile(lambda: world.zoom.tenant.alter("ann@corp.example", status="inactive", type=1)), "get_user", skip=1
        )

        report = await world.cycle()

        assert (0, 1) == (report.exit_code, len(world.writes()))
        assert ["deactivate"] == [intent.action for intent, _ in world.ledger.replayed().done_in.popitem()[1]]


# -------------------------------------------------------------------------------------------------------------- licences


async def test_what_an_account_had_is_recorded_and_given_back() -> None:
    """Type, plan and role before Zoom strips them; the type comes back with the reactivation, the released seat is counted."""
    async with a_world() as world:
        world.employ("ann", "basic")
        world.zoom.tenant.alter("ann@corp.example", plan_united_type="4096")
        world.zoom.tenant.alter("basic@corp.example", type=1)
        await world.in_enforcing_use()
        world.leaves("ann", "basic")

        report = await world.cycle()
        document = cycle_document(report)
        assert 1 == document["licences_released"]
        rows = {row["email"]: (row["licence"], row["licence_after"]) for row in document["decisions"]}
        assert ("licensed", "basic") == rows["ann@corp.example"]
        done = [intent for intent, _ in world.ledger.replayed().done_in[report.cycle_id]]
        before = next(intent.before for intent in done if intent.zoom_id == world.user("ann").id)
        assert (2, "4096", "2", "Member") == tuple(before[key] for key in ("type", "plan", "role_id", "role"))
        assert [True] == [
            event.licence_released for event in world.told if isinstance(event, EffectSettled) and "ann" in event.address
        ]

        world.comes_back("ann")
        back = cycle_document(await world.cycle())
        assert 0 == back["licences_released"]
        assert 2 == world.user("ann").type


@pytest.mark.parametrize("code", [3412, 2034, 2038])
async def test_without_a_free_licence_somebody_is_brought_back_all_the_same(code: int) -> None:
    """Done, ``reactivated_without_licence``; the plan said before that none is free."""
    async with a_world() as world:
        world.employ("ann", "seat")
        world.zoom.tenant.no_seat_code = code
        await world.in_enforcing_use()
        world.leaves("ann")
        await world.cycle()
        world.zoom.tenant.seats = 1
        world.comes_back("ann")

        plan = cycle_document(await world.cycle(Mode.REPORT))
        report = await world.cycle()

        assert 0 == plan["zoom"]["free_licences"]
        assert (0, ("done", "reactivated_without_licence")) == (report.exit_code, fate(report, "ann"))
        assert ("active", 1) == (world.user("ann").status, world.user("ann").type)


async def test_licences_are_counted_with_every_read_and_said_in_the_document_before_somebody_comes_back() -> None:
    """Only with the scope; a refusal is remembered, a failure stops nothing."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        assert cycle_document(await world.cycle())["zoom"]["free_licences"] is None
        assert 2 == len(world.zoom.asked("plan_usage"))
        world.comes_back("ann")
        world.zoom.tenant.seats = 5
        assert 5 == cycle_document(await world.cycle(Mode.REPORT))["zoom"]["free_licences"]

        world.zoom.faults.add(faults.server_error(500), "plan_usage", times=None)
        assert cycle_document(await world.cycle(Mode.REPORT))["zoom"]["free_licences"] is None
        world.zoom.faults.clear()
        world.zoom.tenant.paid = False
        asked = len(world.zoom.asked("plan_usage"))
        for _ in range(2):
            assert cycle_document(await world.cycle(Mode.REPORT))["zoom"]["free_licences"] is None
        assert asked + 1 == len(world.zoom.asked("plan_usage"))


async def test_when_no_licence_is_free_zoom_is_not_asked_for_every_account() -> None:
    """After three refusals in a row the rest comes back without: an app whose requests keep failing may be switched off."""
    async with a_world(crowd=300) as world:
        world.concurrency = 1
        names = [f"leaver{number}" for number in range(8)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.leaves(*names)
        await world.cycle()
        world.zoom.tenant.seats = 0
        world.comes_back(*names)

        report = await world.cycle()

        assert {("done", "reactivated_without_licence")} == {fate(report, name) for name in names}
        assert 3 == len(world.writes("update_user"))


async def test_sessions_end_before_the_deactivation_when_asked_for() -> None:
    """Revoked first, since afterwards Zoom may know none; a refusal of it never keeps an account active."""
    async with a_world() as world:
        world.policy = replace(world.policy, revoke_sessions=True)
        world.employ("ann", "bob")
        await world.in_enforcing_use()
        world.zoom.faults.add(faults.refusal(9999, "No."), "revoke_sessions", user=world.user("bob").id)
        world.leaves("ann", "bob")

        report = await world.cycle()

        assert (0, {("done", "")}) == (report.exit_code, {fate(report, name) for name in ("ann", "bob")})
        assert ["revoke_sessions", "set_status"] == [seen.operation for seen in world.writes(name="ann")]
        assert not world.user("ann").signed_in


# ------------------------------------------------------------------------------------------------------ left to a person


async def test_leavers_nobody_can_deactivate_are_shown_with_since_when_until_somebody_acted() -> None:
    """An admin who left: ``manual`` with the first good read that showed them gone, in document and metric; never tried."""
    async with a_world() as world:
        world.employ("boss", role_id="1")
        await world.in_enforcing_use()
        world.leaves("boss")
        first = cycle_document(await world.cycle())
        world.clock.passed += 86_400
        later = cycle_document(await world.cycle())

        rows = [next(row for row in document["decisions"] if row["email"] == "boss@corp.example") for document in (first, later)]
        assert ["manual", "manual"] == [row["action"] for row in rows]
        assert rows[0]["since"] == rows[1]["since"] is not None
        metrics = Metrics("1")
        for event in world.told:
            metrics(event)
        since = metrics.registry.get_sample_value("syncd_manual_since_timestamp_seconds", {"reason": "protected"})
        assert since is not None
        assert 86_400 <= world.clock.now().timestamp() - since < 86_400 + 60
        assert [] == world.writes()

        world.zoom.tenant.alter("boss@corp.example", status="inactive")
        assert ("keep", "in_step") == fate(await world.cycle(), "boss")
        for event in world.told:
            metrics(event)
        assert 0 == metrics.registry.get_sample_value("syncd_manual_since_timestamp_seconds", {"reason": "protected"})
