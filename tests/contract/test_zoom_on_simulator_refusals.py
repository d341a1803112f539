"""Every row of what Zoom may answer to a change, through a whole cycle: outcome, reason, exit code, writes, and the next cycle.

Rows are those of Zoom's documentation of the status call, of errors in general, and of what was reported of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.lab import faults
from syncd.lab.faults import Fault
from syncd.model import Mode
from tests.contract.simulated_world import SimulatedWorld, a_world, fate

World = SimulatedWorld
ADMIN = "Zoom Room and Admin users' status cannot be activated or deactivated."
RIGHTS = "Invalid access token. Does not contain permissions [User:Edit]."


@dataclass(frozen=True)
class Row:
    """What Zoom answers to the deactivation of ann, and what becomes of it. *again*: their fate in the next cycle, when Zoom
    answers as it should. *writes*: status requests in the first cycle and in the second one."""

    answer: Fault | None
    fate: tuple[str, str]
    code: int
    result: str
    writes: tuple[int, int]
    again: tuple[str, str] = ("done", "")
    before: Callable[[World], object] = lambda world: None
    times: int = 1


def alter(**fields: Any) -> Callable[[World], object]:
    return lambda world: world.zoom.tenant.alter("ann@corp.example", **fields)


DEACTIVATIONS: dict[str, Row] = {
    "done": Row(None, ("done", ""), 0, "applied", (1, 0), ("keep", "in_step")),
    "an admin is never tried": Row(
        None, ("manual", "protected"), 0, "in_step", (0, 0), ("manual", "protected"), alter(role_id="1")
    ),
    "the owner is never tried": Row(
        None, ("manual", "protected"), 0, "in_step", (0, 0), ("manual", "protected"), alter(role_id="0")
    ),
    "a Zoom Room nobody knew of": Row(
        None, ("failed", "refused_by_zoom"), 5, "partial", (1, 0), ("manual", "refused_by_zoom"), alter(room=True)
    ),
    "an admin by a custom role": Row(
        faults.refusal(200, ADMIN), ("failed", "refused_by_zoom"), 5, "partial", (1, 0), ("manual", "refused_by_zoom")
    ),
    "upcoming Zoom Events": Row(
        None,
        ("failed", "upcoming_zoom_events"),
        5,
        "partial",
        (1, 1),
        ("failed", "upcoming_zoom_events"),
        alter(hosts_events=True),
    ),
    "code 200 for another reason": Row(
        faults.refusal(200, "Only available for paid account."), ("failed", "refused"), 5, "partial", (1, 1)
    ),
    "advice to contact an admin is about nobody": Row(
        faults.refusal(200, "Something went wrong. Contact your account admin."), ("failed", "refused"), 5, "partial", (1, 1)
    ),
    "gone": Row(faults.refusal(1001, "User does not exist: ann.", 404), ("skipped", "gone_from_zoom"), 0, "applied", (1, 1)),
    "a conflict": Row(faults.refusal(1005, "Conflict.", 409), ("failed", "refused"), 5, "partial", (1, 1)),
    "an unknown code": Row(faults.refusal(9999, "Something new."), ("failed", "refused"), 5, "partial", (1, 1)),
    "token expired": Row(faults.token_expired(), ("done", ""), 0, "applied", (2, 0), ("keep", "in_step")),
    "scope missing, granular app": Row(
        faults.refusal(4711, "Invalid access token, does not contain scopes:[user:update:status:admin]."),
        ("failed", "scope_missing"),
        4,
        "unreadable",
        (2, 1),
        times=2,
    ),
    "scope missing, classic app": Row(
        faults.refusal(4700, "Invalid access token, does not contain scopes: [user:write:admin]."),
        ("failed", "scope_missing"),
        4,
        "unreadable",
        (2, 1),
        times=2,
    ),
    "scope granted meanwhile": Row(
        faults.refusal(4711, "Invalid access token, does not contain scopes.", 403),
        ("done", ""),
        0,
        "applied",
        (2, 0),
        ("keep", "in_step"),
    ),
    "role right missing": Row(faults.refusal(200, RIGHTS), ("failed", "scope_missing"), 4, "unreadable", (1, 1)),
    "this account denied": Row(faults.account_denied(), ("failed", "refused"), 5, "partial", (1, 1)),
    "not Zoom's answer": Row(
        faults.refusal(2300, "This API endpoint is not recognized."), ("failed", "refused"), 5, "partial", (1, 1)
    ),
    "no permission for this one": Row(faults.refusal(200, "No permission."), ("failed", "refused"), 5, "partial", (1, 1)),
    "per-second limit": Row(faults.throttled(), ("done", ""), 0, "applied", (2, 0), ("keep", "in_step")),
    "daily limit": Row(
        faults.throttled("iso", 12 * 3600, daily=True),
        ("failed", "limit_reached"),
        4,
        "unreadable",
        (1, 0),
        ("not_tried", "limit_reached"),
    ),
    "server error": Row(faults.server_error(503), ("failed", "no_answer"), 5, "partial", (1, 1)),
    "a gateway's page": Row(faults.html_page(502), ("failed", "no_answer"), 5, "partial", (1, 1)),
    "reset before it was done": Row(faults.connection_reset(), ("failed", "no_answer"), 5, "partial", (1, 1)),
    "answer lost after it was done": Row(
        faults.lost_answer(), ("done", "answer_lost_but_done"), 0, "applied", (1, 0), ("keep", "in_step")
    ),
    "success answered, nothing done": Row(faults.lost_write(), ("failed", "not_confirmed"), 5, "partial", (1, 1)),
}


@pytest.mark.parametrize("row", DEACTIVATIONS.values(), ids=DEACTIVATIONS)
async def test_what_becomes_of_a_deactivation(row: Row) -> None:
    """One answer of Zoom, one outcome, never a second write where the first one may have worked."""
    async with a_world() as world:
        world.employ("ann")
        row.before(world)
        await world.in_enforcing_use()
        world.leaves("ann")
        if row.answer is not None:
            world.zoom.faults.add(row.answer, "set_status", times=row.times)

        report = await world.cycle()
        first = len(world.writes("set_status"))
        assert (row.fate, row.code, row.result, row.writes[0]) == (
            fate(report, "ann"),
            report.exit_code,
            report.result.value,
            first,
        )

        world.clock.passed += 60
        again = await world.cycle()
        assert (row.again, row.writes[1]) == (fate(again, "ann"), len(world.writes("set_status")) - first)


REACTIVATIONS: dict[str, Row] = {
    "done, licence and all": Row(None, ("done", ""), 0, "applied", (1, 0), ("keep", "in_step")),
    "cap of Basic users, 3412": Row(
        faults.refusal(
            3412,
            "Your request to activate the user was not approved at this time because your account has reached "
            'the permitted maximum number of 1 "Basic" users.',
        ),
        ("failed", "licence_limit_reached"),
        5,
        "partial",
        (1, 1),
    ),
    "cap of Basic users, 2033": Row(
        faults.refusal(2033, "Basic user limit."), ("failed", "licence_limit_reached"), 5, "partial", (1, 1)
    ),
    "an admin or a Room": Row(
        faults.refusal(200, ADMIN), ("failed", "refused_by_zoom"), 5, "partial", (1, 0), ("manual", "refused_by_zoom")
    ),
    "gone": Row(faults.refusal(1001, "User does not exist.", 404), ("skipped", "gone_from_zoom"), 0, "applied", (1, 1)),
    "answer lost after it was done": Row(
        faults.lost_answer(), ("done", "answer_lost_but_done"), 0, "applied", (1, 0), ("keep", "in_step")
    ),
}


@pytest.mark.parametrize("row", REACTIVATIONS.values(), ids=REACTIVATIONS)
async def test_what_becomes_of_a_reactivation(row: Row) -> None:
    """Of somebody whom a cycle deactivated; the licence comes back with the status."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        assert 0 == (await world.cycle()).exit_code
        world.comes_back("ann")
        if row.answer is not None:
            world.zoom.faults.add(row.answer, "set_status")
        before = len(world.writes("set_status"))

        report = await world.cycle()
        first = len(world.writes("set_status")) - before
        assert (row.fate, row.code, row.result, row.writes[0]) == (
            fate(report, "ann"),
            report.exit_code,
            report.result.value,
            first,
        )

        world.clock.passed += 60
        again = await world.cycle()
        assert (row.again, row.writes[1]) == (fate(again, "ann"), len(world.writes("set_status")) - before - first)
        assert row.again[0] == "manual" or ("active", 2) == (world.user("ann").status, world.user("ann").type)


@pytest.mark.parametrize("form", ["401", "400", "other"])
async def test_an_expired_token_in_every_shape_costs_one_fresh_token(form: str) -> None:
    """Documented and seen: 400 and 401 with code 124, and another product's shape."""
    async with a_world() as world:
        world.employ("ann")
        world.zoom.oauth.trouble_form = form
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(faults.token_expired(), "set_status")
        tokens = world.zoom.oauth.issued

        report = await world.cycle()

        assert (("done", ""), tokens + 1) == (fate(report, "ann"), world.zoom.oauth.issued)


# ------------------------------------------------------------------------------------------ what concerns every account


async def test_a_lost_role_right_stops_the_run_and_marks_nobody() -> None:
    """It answers 200 as an admin's refusal does; ten leavers, one request, and with the right back all of them go."""
    async with a_world() as world:
        names = [f"leaver{number}" for number in range(3)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.leaves(*names)
        world.zoom.oauth.rights = frozenset({"User:Read"})

        report = await world.cycle()
        assert (4, "unreadable", 1) == (report.exit_code, report.result.value, len(world.writes()))
        assert "User:Edit" in report.do
        assert {("failed", "scope_missing"), ("not_tried", "scope_missing")} == {fate(report, name) for name in names}

        world.zoom.oauth.rights = None
        report = await world.cycle()
        assert (0, {("done", "")}) == (report.exit_code, {fate(report, name) for name in names})


async def test_a_missing_scope_is_named() -> None:
    """Before anything is written: 4, one retry with a fresh token, the scope in the advice; granted, it counts at once."""
    async with a_world() as world:
        world.employ("ann", "bob")
        await world.in_enforcing_use()
        world.leaves("ann", "bob")
        world.zoom.oauth.scopes -= {"user:update:status:admin"}
        world.zoom.oauth.expire_all(world.clock.now())

        report = await world.cycle()

        assert (4, 2) == (report.exit_code, len(world.writes()))
        assert "user:update:status:admin" in report.do

        world.zoom.oauth.scopes |= {"user:update:status:admin"}
        report = await world.cycle()
        assert (0, "applied") == (report.exit_code, report.result.value)


async def test_the_same_strange_refusal_from_everybody_stops_the_cycle() -> None:
    """Five running, some of them from another part of the plan: Zoom may switch off an app that keeps failing."""
    async with a_world(crowd=300) as world:
        world.concurrency = 1
        names = [f"leaver{number:02}" for number in range(15)]
        world.employ(*names)
        await world.in_enforcing_use()
        world.leaves(*names)
        world.zoom.faults.add(faults.refusal(9999, "Something odd."), "set_status", times=None)

        report = await world.cycle()

        fates = [fate(report, name) for name in names]
        assert (5, "partial", 5) == (report.exit_code, report.result.value, len(world.writes()))
        assert (5, 10) == (fates.count(("failed", "refused")), fates.count(("not_tried", "zoom_unreadable")))


@pytest.mark.parametrize(
    ("change", "tried"),
    [
        (lambda world: None, False),
        (lambda world: setattr(world.clock, "passed", world.clock.passed + 8 * 86_400), True),
        (lambda world: setattr(world, "credential", "app-2"), True),
        (lambda world: setattr(world, "policy", replace(world.policy, protect_accounts=("ceo@corp.example",))), True),
        (alter(type=1), True),
    ],
    ids=["nothing changed", "seven days", "another credential", "another policy", "another licence"],
)
async def test_a_refusal_for_good_is_remembered_until_something_changes(change: Callable[[World], object], tried: bool) -> None:
    """It becomes ``manual`` with since when; a change of role, type, status, policy or credential, or a week, forgets it."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(faults.refusal(200, ADMIN), "set_status", times=None)
        gone = world.clock.now()
        await world.cycle()

        change(world)
        report = await world.cycle()

        assert (2 if tried else 1) == len(world.writes("set_status"))
        assert report.plan is not None
        (row,) = [one for one in report.plan.decisions if one.account.email == "ann@corp.example"]
        if not tried:
            assert ("manual", "refused_by_zoom", True) == (row.action.value, row.reason.value, "zoom_code_200" in row.notes)
        assert row.since is not None
        assert timedelta(0) <= row.since - gone < timedelta(minutes=1)


# ------------------------------------------------------------------------------------------------------------ reading


async def test_report_mode_works_with_the_two_reading_scopes() -> None:
    """A dry run needs no scope to write, nor to look at single users, nor to count licences."""
    async with a_world() as world:
        world.zoom.oauth.scopes = frozenset({"user:read:list_users:admin", "role:read:list_roles:admin"})
        world.employ("ann", "bob")
        world.zoom.tenant.alter("bob@corp.example", status="inactive")
        world.policy = replace(world.policy, reactivate="any")
        world.leaves("ann")

        report = await world.cycle(Mode.REPORT)

        assert (0, "planned") == (report.exit_code, report.result.value)
        assert ("deactivate", "disabled_in_directory") == fate(report, "ann")
        assert ("reactivate", "entitled_again") == fate(report, "bob")
        assert {200} == {seen.status for seen in world.zoom.requests}
        assert {"token", "list_users", "list_roles"} == {seen.operation for seen in world.zoom.requests}


@pytest.mark.parametrize(
    ("fault", "operation"),
    [
        (faults.account_denied(), "list_users"),
        (faults.refusal(4711, "Invalid access token, does not contain scopes:[role:read:list_roles:admin]."), "list_roles"),
        (faults.refusal(200, "Does not contain permissions [User:Read]."), "list_users"),
        (faults.html_page(200), "list_users"),
        (faults.field_set("users", None), "list_users"),
    ],
)
async def test_a_refused_read_is_unreadable(fault: Fault, operation: str) -> None:
    """Whatever the refusal of a read is about: 4, and nothing is changed."""
    async with a_world() as world:
        world.employ("ann")
        await world.in_enforcing_use()
        world.leaves("ann")
        world.zoom.faults.add(fault, operation, times=None)

        report = await world.cycle()

        assert (4, "unreadable", 0) == (report.exit_code, report.result.value, len(world.writes()))
