"""Cheap cycles: change tracking says whether to read again, and is believed only as far as nothing depends on it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.directories.entra.changes import PAGES_MAX
from syncd.errors import CredentialsRefused, SourceError
from syncd.events import Noted
from syncd.lab.entra.objects import a_group, a_person
from syncd.lab.faults import connection_reset, field_missing, rewritten
from syncd.lab.graph.faults import next_link, permission_denied, refusing, removed_in_initial, signing_key_invalid
from tests.directories.entra_world import ANN, BOB, CID, DAN, EntraWorld, an_entra, entitled, unreadable

DELTAS = ["users_delta", "groups_delta"]
A_CYCLE, SETTLED, WHOLE_AGAIN = 900.0, 1200.0, 5 * 3600.0


async def test_an_unchanged_tenant_costs_two_requests(tmp_path: Path) -> None:
    """The same people, read at the time of the second question."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        first = await directory.read()
        asked = await cycle(world)
        second = await directory.read()

        assert sorted(DELTAS) == sorted(asked())
        assert (first.digest, first.people, first.groups) == (second.digest, second.people, second.groups)
        assert second.read_at - first.read_at >= timedelta(seconds=A_CYCLE)


async def test_without_a_place_for_the_cursor_every_read_is_whole(tmp_path: Path) -> None:
    """A dry run begins no tracking and leaves nothing behind."""
    async with an_entra(tmp_path) as world:
        directory = world.directory()
        await directory.read()
        await directory.read()
    assert not {"users_delta", "groups_delta"} & set(world.asked())
    assert 2 == len(world.graph.asked("list_users"))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(ANN, account_enabled=False),
        lambda t: t.update(ANN, mail="anna@corp.example"),
        lambda t: t.update(ANN, user_principal_name="anna@corp.example"),
        lambda t: t.delete(CID),
        lambda t: t.purge(CID),
        lambda t: t.add(a_person("new@corp.example")),
        lambda t: t.join("Zoom Users", CID),
        lambda t: t.leave("Zoom Users", ANN),
        lambda t: t.leave("Sales", BOB),
        lambda t: t.join("Sales", DAN),
        lambda t: t.update("Sales", display_name="Sales of old"),
        lambda t: t.update(ANN, user_type="Guest"),
    ],
    ids=[
        "disabled",
        "mail",
        "upn",
        "deleted",
        "purged",
        "hired",
        "joined",
        "left",
        "left below",
        "joined below",
        "group renamed",
        "guest",
    ],
)
async def test_every_change_that_counts_is_read(tmp_path: Path, change: Any) -> None:
    """Whole and afresh: what the report says is applied to nothing."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        first = await directory.read()
        await cycle(world)
        change(world.tenant)
        second = await directory.read()
        assert second.digest == (await world.directory().read()).digest
        assert first.people != second.people


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(ANN, job_title="Chief"),
        lambda t: t.update(ANN, display_name="Ann E."),
        lambda t: (t.add(a_group("Football")), t.join("Football", ANN)),
        lambda t: (t.update(ANN, account_enabled=False), t.update(ANN, account_enabled=True)),
    ],
    ids=["job title", "name", "another group", "there and back"],
)
async def test_what_does_not_count_is_not_read(tmp_path: Path, change: Any) -> None:
    """Reports name many things, and repeat themselves."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        asked = await cycle(world)
        change(world.tenant)
        await directory.read()
        assert sorted(DELTAS) == sorted(asked())


async def test_a_change_is_read_once_more_when_replicas_have_caught_up(tmp_path: Path) -> None:
    """The first read after a report may come from a replica that does not know it yet."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.clock.passed += A_CYCLE
        world.graph.reads.read_lag = timedelta(minutes=3)
        world.tenant.leave("Zoom Users", ANN)
        assert ANN in entitled(await directory.read())  # the report came, the replica is behind

        world.clock.passed += A_CYCLE
        assert ANN not in entitled(await directory.read())
        asked = await cycle(world)
        await directory.read()
        assert sorted(DELTAS) == sorted(asked())


async def test_silence_is_believed_for_some_hours_only(tmp_path: Path) -> None:
    """Some changes are reported late, some never."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.graph.faults.add(rewritten(lambda page: page.update(value=[])), "users_delta", times=None)
        world.clock.passed += A_CYCLE
        world.tenant.update(ANN, account_enabled=False)
        assert all(person.enabled for person in (await directory.read()).people)
        world.clock.passed += WHOLE_AGAIN
        assert not all(person.enabled for person in (await directory.read()).people)


async def test_the_first_look_of_a_cycle_reads_everything_again(tmp_path: Path) -> None:
    """With a change at stake nothing is believed; the second look of the same cycle costs no more than ever."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        await cycle(world)
        await directory.read()
        asked = await cycle(world)
        await directory.recheck_person(world.id(CID), [CID])
        assert 1 == asked().count("members") - 1 == asked().count("user")
        await directory.recheck_person(world.id(DAN), [DAN])
        assert 2 == asked().count("members") == asked().count("user")


async def test_a_missed_change_ends_the_cycle_before_the_first_change(tmp_path: Path) -> None:
    """What was decided on was not so. The next cycle reads everything and goes on."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.graph.faults.add(rewritten(lambda page: page.update(value=[])), "groups_delta", times=None)
        world.clock.passed += A_CYCLE
        world.tenant.leave("Zoom Users", ANN)
        assert ANN in entitled(await directory.read())
        for _ in range(3):
            with pytest.raises(SourceError, match="changes were missed") as caught:
                await directory.recheck_person(world.id(CID), [CID])
        assert "decides afresh" in caught.value.do
        assert 2 == len(world.graph.asked("list_users"))

        assert ANN not in entitled(await directory.read())
        assert 1 == len(await directory.recheck_person(world.id(CID), [CID]))


async def test_a_look_that_could_not_be_proved_stays_unproved(tmp_path: Path) -> None:
    """The whole read before the first change failed: the next look asks for it again, and goes on only then."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.clock.passed += A_CYCLE
        await directory.read()
        world.graph.faults.add(permission_denied(), "members", times=2)
        for _ in range(2):
            with pytest.raises(SourceError, match="Authorization_RequestDenied"):
                await directory.recheck_person(world.id(CID), [CID])
        assert [] == world.graph.asked("member_groups")
        assert 1 == len(await directory.recheck_person(world.id(CID), [CID]))


async def test_a_failed_whole_read_is_not_followed_by_old_people(tmp_path: Path) -> None:
    """The report was consumed, the read failed: the next read is a whole one, though nothing new is reported."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.tenant.leave("Zoom Users", ANN)
        world.graph.faults.add(permission_denied(), "members")
        await unreadable(directory)
        assert ANN not in entitled(await directory.read())


# ----------------------------------------------------------------------------------------------------------- the cursor


async def test_the_cursor_lies_in_the_side_table_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The first read of a process is whole; the tracking is not begun anew."""
    async with an_entra(tmp_path) as world:
        await world.directory(tracking=True).read()
        (kept,) = world.state.values.values()
        assert {"users", "groups", "made_at", "tracks"} == kept.keys()
        assert json.loads(json.dumps(kept)) == kept
        world.clock.passed += SETTLED
        asked = await cycle(world)
        directory = world.directory(tracking=True)
        await directory.read()
        assert (1, 1, 1) == tuple(asked().count(word) for word in ("users_delta", "groups_delta", "list_users"))
        assert not any(seen.query.get("$deltatoken") == "latest" for seen in world.graph.requests[-6:])
        asked = await cycle(world)
        await directory.read()
        assert sorted(DELTAS) == sorted(asked())


@pytest.mark.parametrize(
    "fault",
    [
        refusing(410, "resyncRequired", "", Location="https://graph.evil.example/v1.0/users/delta?$deltatoken="),
        refusing(410, "", ""),
        refusing(400, "syncStateNotFound", "The sync state generation is not found."),
        refusing(404, "Request_ResourceNotFound", ""),
        field_missing("@odata.deltaLink"),
    ],
    ids=["410", "410 bare", "400", "404", "no link"],
)
@pytest.mark.parametrize("operation", DELTAS)
async def test_a_tracking_that_ended_begins_anew_with_a_whole_read(tmp_path: Path, operation: str, fault: Any) -> None:
    """Whatever the answer names to go on with is not followed."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        await cycle(world)
        world.graph.faults.add(fault, operation)
        world.tenant.leave("Zoom Users", ANN)
        assert ANN not in entitled(await directory.read())
        assert ["changes.begun_again"] == [event.event for event in world.of(Noted) if event.event.startswith("changes.")]
        world.clock.passed += SETTLED
        await directory.read()
        asked = await cycle(world)
        await directory.read()
        assert sorted(DELTAS) == sorted(asked())


async def test_an_old_cursor_is_not_tried(tmp_path: Path) -> None:
    """Graph forgets after seven days."""
    async with an_entra(tmp_path) as world:
        await world.directory(tracking=True).read()
        world.clock.passed += 6.5 * 86_400
        await world.directory(tracking=True).read()
        assert 4 == len([seen for seen in world.graph.requests if seen.query.get("$deltatoken") == "latest"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: "nothing",
        lambda kept: {**kept, "tracks": "other attributes"},
        lambda kept: {**kept, "made_at": "yesterday"},
        lambda kept: {key: value for key, value in kept.items() if key != "users"},
    ],
    ids=["no cursor", "other settings", "no time", "no link"],
)
async def test_a_cursor_that_cannot_be_understood_is_left(tmp_path: Path, spoil: Any) -> None:
    """Begun anew; nothing else happens."""
    async with an_entra(tmp_path) as world:
        await world.directory(tracking=True).read()
        world.state.values = {key: spoil(kept) for key, kept in world.state.values.items()}
        assert 4 == len((await world.directory(tracking=True).read()).people)
        assert 4 == len([seen for seen in world.graph.requests if seen.query.get("$deltatoken") == "latest"])


async def test_a_cursor_does_not_lead_to_another_host(tmp_path: Path) -> None:
    """Whoever can write the side table must not get the token."""
    async with an_entra(tmp_path) as world:
        await world.directory(tracking=True).read()
        for kept in world.state.values.values():
            kept["users"] = "https://graph.evil.example/v1.0/users/delta?$deltatoken=x"
        assert 4 == len((await world.directory(tracking=True).read()).people)
        assert [event for event in world.of(Noted) if "graph.evil.example" in str(event.facts)]


async def test_more_changes_than_are_worth_looking_through_are_read_anew(tmp_path: Path) -> None:
    """A tenant in upheaval."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        await cycle(world)
        here = f"{world.settings.graph_url}/users/delta?$deltatoken=latest"

        def further(page: dict[str, Any]) -> None:
            page.pop("@odata.deltaLink", None)
            page["@odata.nextLink"] = here

        world.graph.faults.add(rewritten(further), "users_delta", times=PAGES_MAX)
        assert 4 == len((await directory.read()).people)
        assert [f"more than {PAGES_MAX} pages of changed users"] == [
            event.facts["why"] for event in world.of(Noted) if event.event == "changes.begun_again"
        ]


# ---------------------------------------------------------------------------------------- where it cannot be had at all


@pytest.mark.parametrize(
    "fault",
    [permission_denied(), connection_reset(), next_link("https://graph.evil.example/")],
    ids=["permission", "network", "another host"],
)
async def test_without_change_tracking_every_read_is_whole_and_it_is_said_once(tmp_path: Path, fault: Any) -> None:
    """It saves requests; nothing else depends on it."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(fault, "groups_delta", times=None)
        directory = world.directory(tracking=True)
        for _ in range(3):
            if fault.rewrite is not None:
                world.graph.faults.add(field_missing("@odata.deltaLink"), "groups_delta", times=None)
            assert 4 == len((await directory.read()).people)
        assert 3 == len(world.graph.asked("list_users"))
        assert 1 == len([event for event in world.of(Noted) if event.event == "changes.not_tracked"])


async def test_refused_credentials_end_the_read_at_once(tmp_path: Path) -> None:
    """They are no matter of tracking."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(signing_key_invalid(), "users_delta", times=None)
        assert isinstance(await unreadable(world.directory(tracking=True)), CredentialsRefused)


async def test_removed_members_in_a_report_remove_nobody(tmp_path: Path) -> None:
    """Real first answers name members as removed who are there."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(tracking=True)
        await directory.read()
        world.tenant.join("Zoom Users", CID)
        world.graph.faults.add(removed_in_initial(world.id(ANN)), "groups_delta", times=None)
        assert {ANN, BOB, CID} == entitled(await directory.read()).keys()


async def cycle(world: EntraWorld) -> Any:
    """A cycle passes; a function that gives the operations asked since."""
    world.clock.passed += A_CYCLE
    before = len(world.graph.requests)
    return lambda: [seen.operation for seen in world.graph.requests[before:]]
