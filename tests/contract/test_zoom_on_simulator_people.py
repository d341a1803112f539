"""Single accounts and the set-up, against the simulator: what ``account show`` and ``check`` learn, with and without scopes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.events import CycleEnded, ReadProgress
from syncd.lab import faults
from syncd.lab.zoom.tenant import Meeting
from syncd.model import Action, Mode, Trigger
from syncd.operations.inspect import look_at, look_at_all, owner_lines
from syncd.operations.manual import Request, execute_request, wanted_by_address
from tests.contract.simulated_world import SimulatedWorld, a_world, address

ASKS = Request("Ann Lee", "ticket 4711")


def meeting(world: SimulatedWorld, number: int, **from_now: float) -> Meeting:
    return Meeting(id=number, topic="Quarterly", start_time=world.clock.now() + timedelta(**from_now))


async def shown(world: SimulatedWorld, name: str) -> dict[str, Any]:
    return await look_at(world.deps, world.policy, address(name))


async def test_an_account_is_shown_with_what_it_has_ahead_and_left_behind() -> None:
    """Both sides, role, licence, last login; meetings from now on with the first one's time; a month of recordings."""
    async with a_world(crowd=1) as world:
        world.employ("ann", last_login_time=world.clock.now() - timedelta(days=9))
        world.zoom.tenant.alter(
            address("ann"),
            meetings=(meeting(world, 1, days=-2), meeting(world, 2, days=3), meeting(world, 3, hours=5)),
            recordings=(meeting(world, 4, days=-3), meeting(world, 5, days=-80)),
        )

        row = await shown(world, "ann")

        assert ("active", "Member", "licensed", 2, 1) == tuple(
            row[key] for key in ("status", "role", "licence", "upcoming_meetings", "recordings_30_days")
        )
        assert "Ann: entitled" == row["directory"]
        assert row["next_meeting_at"].startswith("2026-11-23T17:00")
        assert row["last_login_at"].startswith("2026-11-14T12:00")


async def test_without_the_scopes_an_account_is_shown_all_the_same() -> None:
    """What the app may not know stays empty, and nobody asks in vain."""
    async with a_world(crowd=1) as world:
        world.employ("ann")
        world.zoom.oauth.scopes = frozenset({"user:read:user:admin", "user:read:list_users:admin", "role:read:list_roles:admin"})

        row = await shown(world, "ann")

        assert ("active", None, None) == (row["status"], row["upcoming_meetings"], row["recordings_30_days"])
        assert {200} == {seen.status for seen in world.zoom.requests}


async def test_a_refusal_about_one_user_is_not_one_about_the_app() -> None:
    """Somebody who may not host has no meetings to show; the next account's are asked for again."""
    async with a_world(crowd=1) as world:
        world.employ("ann", may_host=False)
        world.employ("bob")
        world.zoom.tenant.alter(address("bob"), meetings=(meeting(world, 1, days=1),))

        assert [None, 1] == [(await shown(world, name))["upcoming_meetings"] for name in ("ann", "bob")]

        world.zoom.faults.add(faults.server_error(500), "list_meetings", times=None)
        assert (await shown(world, "bob"))["upcoming_meetings"] is None


async def test_many_accounts_are_shown_in_their_order_with_progress() -> None:
    """Several at a time; one that Zoom does not know is said in its row."""
    async with a_world(crowd=30) as world:
        names = [f"crowd{number:03}" for number in range(30)]
        rows = await look_at_all(world.deps, world.policy, [*map(address, names), address("nobody")])

        assert [*map(address, names), address("nobody")] == [row["email"] for row in rows]
        assert "unknown" == rows[-1]["status"]
        assert (31, 31) == max((event.items, event.total) for event in world.told if isinstance(event, ReadProgress))

        world.zoom.faults.add(faults.account_denied(), "get_user", times=None)
        with pytest.raises(SourceError):
            await look_at_all(world.deps, world.policy, [address(name) for name in names])


async def test_one_account_named_twice_is_changed_once() -> None:
    """By two addresses that lead to the same account: one change, one row; a write by hand is recorded and verified."""
    async with a_world() as world:
        world.employ("ann", "bob")
        await world.in_enforcing_use()
        ann = world.user("ann").id
        wanted = await wanted_by_address(
            world.deps,
            world.policy,
            [address("ann"), address("ANN"), ann, address("bob"), address("nobody")],
            Action.DEACTIVATE,
            ASKS,
        )
        assert (2, (address("nobody"),)) == (len(wanted.effects), wanted.unknown)
        world.zoom.faults.add(faults.refusal(300, "upcoming Zoom Events"), "set_status", user=world.user("bob").id)

        async with world.ledger.writer(0) as term:
            report = await execute_request(world.deps, world.policy, Mode.ENFORCE, wanted, ASKS, term, trigger=Trigger.ACCOUNT)

        assert (5, "partial", 2) == (report.exit_code, report.result.value, len(world.writes()))
        assert ["partial"] == [event.result for event in world.told if isinstance(event, CycleEnded)][1:]
        assert "inactive" == report.outcomes[(ann, "deactivate")].status_after


# ------------------------------------------------------------------------------------------------------------------ check


async def test_check_says_of_every_scope_whether_it_is_granted_and_what_for() -> None:
    """Enforcing, with licences and sessions: every scope has a line; an app that lacks one for writing fails it."""
    async with a_world(crowd=1, restores_licences=True, revokes_sessions=True) as world:
        assert world.adapter is not None
        lines = {what: (fine, says) for what, fine, says in await world.adapter.check()}
        assert all(fine for fine, _ in lines.values())
        assert 13 == len([what for what in lines if what.startswith("zoom scope ")])

        world.zoom.oauth.scopes -= {"user:update:status:admin", "meeting:read:list_meetings:admin"}
        await world.restart()
        lines = {what: (fine, says) for what, fine, says in await world.adapter.check()}
        assert {"zoom scope user:update:status:admin"} == {what for what, (fine, _) in lines.items() if not fine}
        assert "to deactivate and reactivate" in lines["zoom scope user:update:status:admin"][1]
        assert "not granted, optional" in lines["zoom scope meeting:read:list_meetings:admin"][1]
        assert [] == world.writes()


@pytest.mark.parametrize(
    ("skew_seconds", "fine", "says"),
    [
        (2, True, "2 s ahead"),
        (90, True, "warning: 9"),
        (900, False, "set this machine's clock"),
    ],
)
async def test_check_compares_the_clocks(skew_seconds: int, fine: bool, says: str) -> None:
    """A little is nothing, more is a warning, too much a fault."""
    async with a_world(crowd=1) as world:
        world.zoom.clock_skew = timedelta(seconds=skew_seconds + 0.5)
        assert world.adapter is not None
        (line,) = [line for line in await world.adapter.check() if line[0] == "zoom clock"]

        assert fine == line[1]
        assert says in line[2]


async def test_check_warns_when_the_owner_is_not_protected() -> None:
    """Our token acts for them. Their role protects them; the list of the configuration says it for everybody to see."""
    async with a_world(crowd=1) as world:
        world.employ("chief", role_id="0")
        (what, fine, says), credential = await owner_lines(world.deps, world.policy)
        assert ("owner", True, True) == (what, fine, says.startswith("warning: chief@corp.example owns the Zoom account"))
        assert "who made the app" in credential[2]

        world.policy = replace(world.policy, protect_accounts=(address("chief"),))
        (_, _, says), _ = await owner_lines(world.deps, world.policy)
        assert "chief@corp.example is protected (account)" == says
