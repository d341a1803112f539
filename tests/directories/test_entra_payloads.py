"""Every published or observed payload that syncd can meet, as it stands, is parsed or refused rightly.

The collection is third-party text and lies outside this repository: without it these tests are skipped, never under CI.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.directories.entra.graph import Graph, WirePage
from syncd.directories.entra.people import is_hidden, person_of
from syncd.directories.entra.refusals import read_error, refusal, sign_in_refusal
from syncd.directories.entra.settings import ClientSecret, EntraSettings, ManagedIdentity
from syncd.errors import CredentialsRefused, LimitReached, ScopeMissing, SourceError
from syncd.http.answers import Reply
from syncd.http.pace import parse_retry_after
from syncd.reading import NotWhole
from tests.http.scripted_http import Answer, JumpingClock, ScriptedServer, serving

COLLECTION = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "entra-examples.json"
if not COLLECTION.exists() and not os.environ.get("CI"):
    pytest.skip("the collection of payloads is not beside this clone", allow_module_level=True)

EXAMPLES: dict[str, Any] = {example["id"]: example for example in json.loads(COLLECTION.read_text())["examples"]}

#: Not ours to meet: webhooks, app role assignments, $batch, counts, and what a client sends.
NOT_MET = {
    "token_wire_secret_msal",
    "token_wire_assertion_msal",
    "openid_configuration_minimal",
    "members_count_only",
    "app_role_assigned_to_page",
    "batch_response",
    "subscription_created",
    "validation_handshake",
    "change_notification",
    "lifecycle_notification",
    "400_generic_other_case",
}
SIGN_INS = {name: int(name.rpartition("_")[2]) for name in EXAMPLES if name.startswith("token_error_")}
LISTS = [
    name
    for name in EXAMPLES
    if name.startswith(("members_", "transitive_", "groups_delta", "users_delta", "empty_page")) and name not in NOT_MET
]


def body(name: str) -> Any:
    return EXAMPLES[name]["response"]["body"]


def answer(name: str) -> Answer:
    """The payload as an answer; a Retry-After is kept, whole."""
    response = EXAMPLES[name]["response"]
    content = response["body"]
    return Answer(
        response["status"],
        content.encode() if isinstance(content, str) else content,
        {key: value for key, value in response["headers"].items() if key.lower() in ("retry-after", "location")},
    )


class NoTokens:
    """Tokens without end."""

    async def get(self) -> str:
        return "token"

    def refused(self, token: str) -> None:
        pass


@asynccontextmanager
async def a_graph() -> AsyncIterator[tuple[Graph, ScriptedServer, JumpingClock]]:
    async with serving() as server:
        clock = JumpingClock()
        graph = Graph(
            EntraSettings("tenant", ClientSecret(lambda: ""), ("g",), client_id="c", graph_url=f"{server.url}/v1.0"),
            NoTokens(),
            clock,
            lambda event: None,
        )
        yield graph, server, clock
        await graph.close()


def test_every_payload_is_accounted_for() -> None:
    """A new one in the collection must be looked at."""
    elsewhere = {
        "token_success",
        "token_503_html",
        "unsupported_cast_400",
        "delta_410_gone",
        "delta_400_sync_state_not_found",
        "page_token_expired_400",
        "nextlink_unsupported_400",
        "200_with_cost_headers",
        "503_service_unavailable",
        *(name for name in EXAMPLES if name[:3] in ("401", "403", "404", "429")),
    }
    assert set(EXAMPLES) == elsewhere | NOT_MET | set(SIGN_INS) | set(LISTS)


@pytest.mark.parametrize("name", LISTS)
async def test_lists_are_read(name: str) -> None:
    """Pages, empty ones, reports of changes: entries, and where it goes on."""
    async with a_graph() as (graph, server, _):
        server.answers = [answer(name)]
        page = await graph.page("members", "/groups/x/members")

    assert isinstance(page, WirePage)
    assert body(name)["value"] == page.value
    assert (body(name).get("@odata.nextLink"), body(name).get("@odata.deltaLink")) == (page.next, page.delta)


@pytest.mark.parametrize(("name", "code"), SIGN_INS.items())
def test_sign_in_refusals_are_understood(name: str, code: int) -> None:
    """The number decides, the advice is ours, ids for the support are apart; one is temporary."""
    said = sign_in_refusal(body(name), EXAMPLES[name]["response"]["status"])

    assert (code,) == said.codes
    assert f"AADSTS{code}" in said.what
    assert "Trace ID" not in said.what
    assert (code == 90061) == said.transient
    assert said.transient or said.do != sign_in_refusal({}).do


def test_a_person_is_made_of_a_full_row_and_never_of_nulls() -> None:
    """Limited information is no information: unclear."""
    settings = EntraSettings("tenant", ManagedIdentity(), ("Zoom Users",))
    rows = [row for row in body("members_page_with_nextlink")["value"] if row.get("@odata.type") == "#microsoft.graph.user"]
    person = person_of(rows[0], settings)
    assert ("11111111-2222-3333-4444-555555555555", ("user1@contoso.com",), True, False, "") == (
        person.id,
        person.addresses,
        person.enabled,
        person.guest,
        person.unclear,
    )

    for name in ("members_limited_information", "transitive_members_page", "members_direct_page"):
        assert is_hidden(body(name)["value"][0])
        assert "accountEnabled is not shown" in person_of(body(name)["value"][0], settings).unclear


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("429_documented", 10.0),
        ("429_documented_2021_fractional", 2.128),
        ("429_identity_headers", 10.0),
        ("503_service_unavailable", 5.0),
    ],
)
async def test_waits_are_kept_to_the_fraction(name: str, seconds: float) -> None:
    """Then the list is read."""
    async with a_graph() as (graph, server, clock):
        server.answers = [answer(name), answer("200_with_cost_headers")]
        assert [] == (await graph.page("members", "/groups/x/members")).value
    assert seconds <= clock.passed <= seconds + 1
    assert parse_retry_after(EXAMPLES[name]["response"]["headers"]["Retry-After"], clock.now()) == seconds


async def test_a_wait_of_minutes_is_not_hung_on() -> None:
    """315 s have been seen."""
    async with a_graph() as (graph, server, _):
        server.answers = [answer("429_other_code_seen")]
        with pytest.raises(LimitReached, match="315 s"):
            await graph.page("members", "/groups/x/members")


@pytest.mark.parametrize("name", ["401_empty_token", "401_expired_token", "401_transient_signing_key"])
async def test_a_401_costs_one_renewal_and_then_ends(name: str) -> None:
    """Whatever its words."""
    async with a_graph() as (graph, server, _):
        server.answers = [answer(name), answer("200_with_cost_headers")]
        assert [] == (await graph.page("members", "/groups/x/members")).value
        server.answers = [answer(name), answer(name)]
        with pytest.raises(CredentialsRefused):
            await graph.page("members", "/groups/x/members")


@pytest.mark.parametrize(
    ("name", "raised", "code"),
    [
        ("403_authorization_request_denied", ScopeMissing, "Authorization_RequestDenied"),
        ("unsupported_cast_400", SourceError, "Request_UnsupportedQuery"),
        ("nextlink_unsupported_400", SourceError, "Request_UnsupportedQuery"),
        ("page_token_expired_400", NotWhole, "Directory_ExpiredPageToken"),
        ("404_request_resource_not_found", NotWhole, "Request_ResourceNotFound"),
        ("400_generic_other_case", SourceError, "invalidRange"),
    ],
)
async def test_refusals_are_told_apart(name: str, raised: type[Exception], code: str) -> None:
    """By code, never by message; a broken list may be begun again, a missing permission not."""
    async with a_graph() as (graph, server, _):
        given = answer(name)
        server.answers = [Answer(given.status or 400, given.body)]
        with pytest.raises(raised, match=code):
            await graph.page("members", "/groups/x/members")


@pytest.mark.parametrize("name", ["delta_410_gone", "delta_400_sync_state_not_found"])
async def test_a_tracking_that_ended_is_seen(name: str) -> None:
    """And its Location is not followed."""
    async with a_graph() as (graph, server, _):
        server.answers = [answer(name)]
        assert await graph.changes("users_delta", "/users/delta?$deltatoken=x") is None
        assert 1 == len(server.requests)


@pytest.mark.parametrize("spelling", ["innerError", "innererror"])
def test_the_request_id_is_found_in_either_spelling(spelling: str) -> None:
    """Microsoft's support asks for it."""
    said = read_error(500, json.dumps({"error": {"code": "x", "message": "y", spelling: {"request-id": "abc"}}}).encode(), {})
    assert "y (request abc)" == said.message
    assert "(request abc)" in refusal("user", Reply(400, {}, b"", said)).what
