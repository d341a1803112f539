"""The simulated Graph answers msgraph-sdk, Microsoft's own client: reads, pages, changes, refusals, patience."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from syncd.lab.entra.objects import guid
from syncd.lab.graph import faults as graph_faults
from syncd.lab.graph.service import SimulatedGraph
from syncd.lab.server import serve
from tests.contract.graph_sdk import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
    CheckMemberGroupsPostRequestBody,
    DeletedUsersRequestBuilder,
    GraphRequestAdapter,
    GraphServiceClient,
    GraphUserRequestBuilder,
    Group,
    GroupsDelta,
    GroupsRequestBuilder,
    MembersRequestBuilder,
    ODataError,
    PageIterator,
    RequestConfiguration,
    User,
    UsersDelta,
    UsersRequestBuilder,
)
from tests.contract.lab_graph import BELOW, PEOPLE, TOP, a_served_tenant

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")  # inside that client


class _Token(AccessTokenProvider):
    """A token as an access token provider."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_authorization_token(self, uri: str, additional_authentication_context: Any = None) -> str:
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return AllowedHostsValidator(["127.0.0.1"])


@asynccontextmanager
async def a_client() -> AsyncIterator[tuple[GraphServiceClient, SimulatedGraph]]:
    """Microsoft's client against the lab."""
    login, graph = a_served_tenant()
    async with serve(graph) as serving:
        adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(_Token(login.token_for(login.app))))
        adapter.base_url = f"{serving.url}/v1.0"
        try:
            yield GraphServiceClient(request_adapter=adapter), graph
        finally:
            await adapter._http_client._transport.transport.aclose()  # its own transport does not pass closing on


async def walk(page: Any, client: GraphServiceClient, **headers: str) -> list[Any]:
    """Everything on this page and the following ones."""
    rows: list[Any] = []
    iterator = PageIterator(page, client.request_adapter)
    for name, value in headers.items():
        iterator.headers.add(name, value)
    await iterator.iterate(lambda row: rows.append(row) or True)
    return rows


async def test_the_sdk_finds_a_group_and_walks_its_members():
    """Typed: people, a group and a device."""
    async with a_client() as (client, graph):
        found = await client.groups.get(
            RequestConfiguration(
                query_parameters=GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters(
                    filter="displayName eq 'Zoom Users'", select=["id", "displayName", "visibility"]
                )
            )
        )
        members = await client.groups.by_group_id(TOP.id).members.get(
            RequestConfiguration(
                query_parameters=MembersRequestBuilder.MembersRequestBuilderGetQueryParameters(
                    select=["id", "userPrincipalName", "mail", "accountEnabled", "proxyAddresses"], top=60
                )
            )
        )
        rows = await walk(members, client)

        assert [("Zoom Users", TOP.id)] == [(group.display_name, group.id) for group in found.value]
        kinds = [type(row) for row in rows]
        assert (150, 1, 152) == (kinds.count(User), kinds.count(Group), len(rows))
        assert all(row.account_enabled is True for row in rows if isinstance(row, User))
        assert [["SMTP:u000@corp.example"]] == [row.proxy_addresses for row in rows if row.id == PEOPLE[0].id]
        assert 3 == len(graph.asked("members"))


async def test_the_sdk_walks_transitive_users_the_advanced_way():
    """With the header on every page, which its iterator has to be told."""
    async with a_client() as (client, _):
        asked = RequestConfiguration(
            query_parameters=GraphUserRequestBuilder.GraphUserRequestBuilderGetQueryParameters(
                select=["id", "mail", "accountEnabled"], count=True, top=99
            )
        )
        asked.headers.add("ConsistencyLevel", "eventual")
        page = await client.groups.by_group_id(TOP.id).transitive_members.graph_user.get(request_configuration=asked)

        assert 250 == page.odata_count
        rows = await walk(page, client, ConsistencyLevel="eventual")
        assert {person.id for person in PEOPLE} == {row.id for row in rows}


async def test_the_sdk_reads_users_one_user_and_their_groups():
    """And the recycle bin."""
    async with a_client() as (client, graph):
        graph.tenant.delete("u249@corp.example")
        page = await client.users.get(
            RequestConfiguration(
                query_parameters=UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
                    select=["id", "accountEnabled", "userType"], top=200
                )
            )
        )
        body = CheckMemberGroupsPostRequestBody(group_ids=[TOP.id, BELOW.id])
        one = await client.users.by_user_id("u200@corp.example").get()
        within = await client.users.by_user_id(one.id).check_member_groups.post(body)
        gone = await client.directory.deleted_items.graph_user.get(
            RequestConfiguration(
                query_parameters=DeletedUsersRequestBuilder.GraphUserRequestBuilderGetQueryParameters(
                    select=["id", "mail", "deletedDateTime"]
                )
            )
        )

        assert 249 == len(await walk(page, client))
        assert ("u200@corp.example", {TOP.id, BELOW.id}) == (one.mail, set(within.value))
        assert [("u249@corp.example", True)] == [(user.mail, user.deleted_date_time is not None) for user in gone.value]


async def test_the_sdk_follows_the_changes_of_users_and_groups():
    """First whole, then what changed."""
    async with a_client() as (client, graph):

        async def users(link: str | None = None) -> tuple[list[User], str]:
            rows: list[User] = []
            builder = client.users.delta
            page = await (
                builder.with_url(link).get()
                if link
                else builder.get(
                    RequestConfiguration(
                        query_parameters=UsersDelta.DeltaRequestBuilderGetQueryParameters(select=["id", "accountEnabled"])
                    )
                )
            )
            while True:
                rows += page.value
                if page.odata_delta_link:
                    return rows, page.odata_delta_link
                page = await builder.with_url(page.odata_next_link).get()

        everybody, link = await users()
        groups = await client.groups.delta.get(
            RequestConfiguration(query_parameters=GroupsDelta.DeltaRequestBuilderGetQueryParameters(select=["id", "members"]))
        )
        graph.tenant.update("u001@corp.example", account_enabled=False)
        graph.tenant.delete("u002@corp.example")
        changed, _ = await users(link)

        assert 250 == len(everybody)
        assert [(PEOPLE[1].id, False, False), (PEOPLE[2].id, None, True)] == [
            (user.id, user.account_enabled, "@removed" in user.additional_data) for user in changed
        ]
        assert 150 <= len(groups.value[0].additional_data["members@delta"])


async def test_the_sdk_understands_the_refusals():
    """Code and request id."""
    async with a_client() as (client, graph):
        with pytest.raises(ODataError) as missing:
            await client.groups.by_group_id(guid("nothing")).members.get()
        graph.faults.add(graph_faults.permission_denied(), "list_users")
        with pytest.raises(ODataError) as denied:
            await client.users.get()

        assert (404, "Request_ResourceNotFound") == (missing.value.response_status_code, missing.value.error.code)
        assert (403, "Authorization_RequestDenied") == (denied.value.response_status_code, denied.value.error.code)
        assert missing.value.error.inner_error.request_id


async def test_the_sdk_waits_and_tries_again_when_throttled():
    """As its own retry handler does with our Retry-After."""
    async with a_client() as (client, graph):
        graph.faults.add(graph_faults.throttled(seconds=1), "list_users")
        page = await client.users.get()

        assert 100 == len(page.value)
        assert [429, 200] == [seen.status for seen in graph.asked("list_users")]
        assert [] == graph.early_retries
