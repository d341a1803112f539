"""What the simulated Graph promises about delta queries: what shows up where, in which shape, and how their tokens end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.lab.entra.objects import USER, a_person, guid
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph import faults as graph_faults
from tests.contract.lab_clock import StandingClock
from tests.contract.lab_graph import ANN, BOB, CAT, DAN, EVE, SECRET_GROUP, TEAM, UNIFIED, USERS, Entra, an_entra, brief, ids

USER_DELTA = "/users/delta?$select=id,accountEnabled,userPrincipalName,mail"
GROUP_DELTA = "/groups/delta?$select=id,displayName,members"


async def from_now(entra: Entra, first: str) -> str:
    """A delta link that begins now."""
    rows, link = await entra.delta(f"{first}&$deltatoken=latest")
    assert [] == rows
    return link


async def test_a_first_answer_lists_everybody_and_those_in_the_recycle_bin_as_removed():
    """Page by page, ending with a delta link; fields never set are absent."""
    async with an_entra() as entra:
        entra.tenant.delete("eve@corp.example")
        entra.graph.reads.deltas.page_size = 2
        rows, link = await entra.delta("/users/delta?$select=displayName,jobTitle")

        assert {ANN.id, BOB.id, CAT.id, DAN.id, EVE.id} < ids(rows)
        assert {"id": EVE.id, "@removed": {"reason": "changed"}} in rows
        assert {"id": ANN.id, "displayName": "Ann"} in rows
        assert "/v1.0/users/delta?$deltatoken=" in link


async def test_nothing_changed_costs_one_unit_and_gives_a_new_link():
    """The cheap cycle."""
    async with an_entra() as entra:
        link = await from_now(entra, USER_DELTA)
        entra.graph.requests.clear()
        rows, again = await entra.delta(link)

        assert ([], 1) == (rows, entra.graph.units_used)
        assert ([], 2) == ((await entra.delta(again))[0], entra.graph.units_used)


@pytest.mark.parametrize("first", ["/users/delta()?$select=mail", "/users/microsoft.graph.delta()?$select=mail"])
async def test_delta_is_a_function_and_may_be_written_as_one(first):
    """As Microsoft's own client does."""
    async with an_entra() as entra:
        assert 200 == (await entra.get(first)).status_code


async def test_disabling_renaming_deleting_and_restoring_show_up_among_the_users():
    """Each as it should: whole, removed for now, removed for good, whole again."""
    async with an_entra() as entra:
        link = await from_now(entra, USER_DELTA)
        entra.tenant.update("ann@corp.example", account_enabled=False)
        entra.tenant.delete("bob@corp.example")
        entra.tenant.delete("cat@corp.example")
        entra.tenant.purge("cat@corp.example")
        rows, link = await entra.delta(link)

        assert [
            {"accountEnabled": False, "userPrincipalName": "ann@corp.example", "mail": "ann@corp.example", "id": ANN.id},
            {"id": BOB.id, "@removed": {"reason": "changed"}},
            {"id": CAT.id, "@removed": {"reason": "deleted"}},
        ] == rows
        entra.tenant.restore("bob@corp.example")
        assert [BOB.id] == [row["id"] for row in (await entra.delta(link))[0]]


async def test_only_selected_fields_are_watched():
    """A change of anything else is no news."""
    async with an_entra() as entra:
        link = await from_now(entra, "/users/delta?$select=accountEnabled")
        entra.tenant.update("ann@corp.example", job_title="Chief")
        assert [] == (await entra.delta(link))[0]

        unselected = await from_now(entra, "/users/delta?")
        entra.tenant.update("ann@corp.example", account_enabled=False)
        assert [] == (await entra.delta(unselected))[0]
        assert [ANN.id] == [row["id"] for row in (await entra.delta(link))[0]]


async def test_a_minimal_answer_has_the_changed_fields_only():
    """``Prefer: return=minimal``."""
    async with an_entra() as entra:
        link = await from_now(entra, USER_DELTA)
        entra.tenant.update("ann@corp.example", account_enabled=False)
        rows = (await entra.get(link, Prefer="return=minimal")).json()["value"]

        assert [{"accountEnabled": False, "id": ANN.id}] == rows


async def test_joining_and_leaving_show_up_at_the_group():
    """A membership that ended has the reason ``deleted`` although the user is there; nested groups are members."""
    async with an_entra() as entra:
        link = await from_now(entra, GROUP_DELTA)
        entra.tenant.leave(USERS.id, "ann@corp.example")
        entra.tenant.join(USERS.id, "eve@corp.example", "Deep")
        rows, _ = await entra.delta(link)

        assert 1 == len(rows)
        assert ("Zoom Users", USERS.id) == (rows[0]["displayName"], rows[0]["id"])
        members = rows[0]["members@delta"]
        assert {"@odata.type": USER, "id": ANN.id, "@removed": {"reason": "deleted"}} in members
        assert {"@odata.type": USER, "id": EVE.id} in members
        assert {"@odata.type": "#microsoft.graph.group", "id": guid("group Deep")} in members


async def test_a_change_inside_a_nested_group_shows_up_at_that_group_only():
    """There is no delta of transitive members."""
    async with an_entra() as entra:
        root_only = await from_now(entra, f"{GROUP_DELTA}&$filter=id eq '{USERS.id}'")
        both = await from_now(entra, f"{GROUP_DELTA}&$filter=id eq '{USERS.id}' or id eq '{TEAM.id}'")
        entra.tenant.leave(TEAM.id, "bob@corp.example")

        assert [] == (await entra.delta(root_only))[0]
        assert {TEAM.id} == ids((await entra.delta(both))[0])


async def test_disabled_and_soft_deleted_members_do_not_show_up_at_the_group():
    """Only when a user is gone for good does their membership end."""
    async with an_entra() as entra:
        link = await from_now(entra, GROUP_DELTA)
        entra.tenant.update("ann@corp.example", account_enabled=False)
        entra.tenant.delete("ann@corp.example")
        rows, link = await entra.delta(link)
        assert [] == rows

        entra.tenant.purge("ann@corp.example")
        assert {USERS.id, UNIFIED.id} == ids((await entra.delta(link))[0])


async def test_a_deleted_group_is_removed():
    """For now when it is a Microsoft 365 group, for good when it is a security group."""
    async with an_entra() as entra:
        link = await from_now(entra, GROUP_DELTA)
        entra.tenant.delete("All")
        entra.tenant.delete("Team")
        removed = {row["id"]: row["@removed"]["reason"] for row in (await entra.delta(link))[0] if "@removed" in row}

        assert {UNIFIED.id: "changed", TEAM.id: "deleted"} == removed


async def test_a_large_group_comes_in_pieces():
    """The same id on several pages, to be put together."""
    clock = StandingClock()
    people = [a_person(f"u{number}@corp.example") for number in range(500)]
    tenant = EntraTenant([*people, USERS], {USERS.id: [person.id for person in people]}, now=clock.now)
    async with an_entra(tenant=tenant, clock=clock) as entra:
        rows, _ = await entra.delta(GROUP_DELTA)

        assert [200, 200, 100] == [len(row["members@delta"]) for row in rows]
        assert {USERS.id} == ids(rows)
        assert 500 == len({member["id"] for row in rows for member in row["members@delta"]})


async def test_hidden_members_are_left_out_of_a_delta_too():
    """Without Member.Read.Hidden."""
    async with an_entra() as entra:
        link = await from_now(entra, GROUP_DELTA)
        entra.tenant.leave(SECRET_GROUP.id, "dan@corp.example")

        assert [{"id": SECRET_GROUP.id, "displayName": "Secret"}] == (await entra.delta(link))[0]


async def test_changes_arrive_late():
    """And in order: what a link did not tell, the next one does."""
    async with an_entra() as entra:
        entra.graph.reads.delta_lag = timedelta(minutes=3)
        link = await from_now(entra, USER_DELTA)
        entra.tenant.update("ann@corp.example", account_enabled=False)
        entra.clock.pass_(minutes=2)
        entra.tenant.update("bob@corp.example", account_enabled=False)
        early, link = await entra.delta(link)
        entra.clock.pass_(minutes=2)
        later, link = await entra.delta(link)
        entra.clock.pass_(minutes=2)
        last, _ = await entra.delta(link)

        assert ([], [ANN.id], [BOB.id]) == (early, [row["id"] for row in later], [row["id"] for row in last])


async def test_a_delta_token_lives_seven_days():
    """Then 400 syncStateNotFound, not 410."""
    async with an_entra() as entra:
        link = await from_now(entra, USER_DELTA)
        entra.clock.pass_(days=8)
        entra.token = entra.login.token_for(entra.app)

        assert (400, "syncStateNotFound") == brief(await entra.get(link))


async def test_the_service_may_begin_anew():
    """410 with the place to begin at; a new start is good."""
    async with an_entra() as entra:
        link = await from_now(entra, GROUP_DELTA)
        entra.graph.reads.deltas.reset()
        answer = await entra.get(link)

        assert (410, "resyncRequired") == brief(answer)
        assert "http://graph.test/v1.0/groups/delta?$deltatoken=" == answer.headers["location"]
        assert {USERS.id} < ids((await entra.delta(answer.headers["location"]))[0])


@pytest.mark.parametrize(
    "query",
    [
        "$deltatoken=invented",
        "$top=5",
        "$orderby=displayName",
        "$expand=manager",
        "$filter=displayName eq 'x'",
        "$select=nonsense",
        "$filter=" + " or ".join(f"id eq '{number}'" for number in range(51)),
    ],
)
async def test_what_a_delta_query_does_not_support_is_refused(query):
    """Paging, order, other filters than ids, more than fifty of them."""
    async with an_entra() as entra:
        assert 400 == (await entra.get(f"/users/delta?{query}")).status_code


async def test_a_link_is_to_be_used_as_it_is():
    """For its own collection, without additions."""
    async with an_entra() as entra:
        link = await from_now(entra, USER_DELTA)

        assert 400 == (await entra.get(f"{link}&$select=id")).status_code
        assert 400 == (await entra.get(link.replace("/users/", "/groups/"))).status_code


async def test_a_first_answer_may_tell_of_removals_that_are_none():
    """As seen in the wild; so nothing may be concluded from single entries."""
    async with an_entra() as entra:
        entra.graph.faults.add(graph_faults.removed_in_initial(ANN.id), "groups_delta")
        rows, _ = await entra.delta(GROUP_DELTA)
        members = next(row for row in rows if row["id"] == USERS.id)["members@delta"]

        assert [False, True] == ["@removed" in member for member in members if member["id"] == ANN.id]
