"""Token, scopes, addresses, limits: what must be right before anything can be read."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import ConfigError, CredentialsRefused, SourceError
from syncd.events import Noted
from syncd.zoom import limits
from syncd.zoom.api import ZoomApi, ZoomSettings
from syncd.zoom.check import needed, scope_lines
from syncd.zoom.scopes import LIST_USERS, SET_STATUS, allowed
from syncd.zoom.token import CLOUDS
from tests.http.scripted_http import Answer
from tests.zoom.scripted_zoom import ROLES, SCOPES, a_zoom, page, refused

# ------------------------------------------------------------------------------------------------------------ token


async def test_a_token_is_asked_for_as_zoom_documents_it() -> None:
    """Basic client:secret, grant and account in the form; one token for a whole read; its scopes are kept."""
    async with a_zoom() as world:
        await world.zoom.read()
        (request,) = [request for request in world.server.requests if request.path == "/oauth/token"]

    assert "Basic " + base64.b64encode(b"client:sesame").decode() == request.headers["authorization"]
    assert ("POST", {"grant_type": "account_credentials", "account_id": "acc"}) == (request.method, request.form)
    assert frozenset(SCOPES.split()) == world.zoom.granted_scopes


@pytest.mark.parametrize(
    ("answer", "says", "do"),
    [
        (
            Answer(400, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}),
            "HTTP 400, invalid_client: Invalid client_id or client_secret",
            "zoom.client_id",
        ),
        (
            Answer(400, {"reason": "unsupported grant type", "error": "unsupported_grant_type"}),
            "unsupported_grant_type",
            "Server-to-Server",
        ),
        (Answer(401, {"reason": "Invalid Token!", "error": "invalid_request"}), "HTTP 401, invalid_request", "zoom.account_id"),
        (
            Answer(400, {"code": 4717, "message": "The app has been disabled."}),
            "4717: The app has been disabled",
            "Activate the app",
        ),
        (Answer(400, {"errorCode": 4741, "errorMessage": "revoked"}), "4741: revoked", "revoked"),
        (Answer(403, {}), "HTTP 403, no code: no reason given", "zoom.account_id"),
    ],
)
async def test_refused_credentials_say_what_to_do(answer: Answer, says: str, do: str) -> None:
    """One request, no retry: trying on may lock something."""
    async with a_zoom() as world:
        world.token = answer
        with pytest.raises(CredentialsRefused) as caught:
            await world.zoom.read()

        assert says in caught.value.what
        assert do in caught.value.do
        assert 1 == len(world.server.requests)


async def test_a_web_page_in_place_of_a_token_accuses_no_credential() -> None:
    """A firewall or a portal refuses, not Zoom."""
    async with a_zoom() as world:
        world.token = Answer(403, b"<html>")
        with pytest.raises(SourceError, match="a web page came") as caught:
            await world.zoom.read()

        assert not isinstance(caught.value, CredentialsRefused)
        assert "firewall" in caught.value.do


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(404, b"<html>"), "HTTP 404"),
        (Answer(200, {"expires_in": 3599}), "access_token"),
        (Answer(200, {"access_token": "", "expires_in": 3599}), "no usable token"),
        (Answer(200, {"access_token": "t\u00fc", "expires_in": 3599}), "no usable token"),
        (Answer(200, {"access_token": 1}), "not as documented"),
        (Answer(200, b"<html>log in to the hotel</html>"), "not JSON"),
        (Answer(500, b""), "gave up after 5 tries; the last time answered 500"),
    ],
)
async def test_a_token_endpoint_that_is_none_is_unreadable(answer: Answer, says: str) -> None:
    """Another server, a captive portal, a broken Zoom: an error, and no API request without a token."""
    async with a_zoom() as world:
        world.token = answer
        with pytest.raises(SourceError, match=says):
            await world.zoom.read()

        assert [] == world.asked()


async def test_a_rotated_secret_is_used_without_a_restart() -> None:
    """It is read each time a token is asked for; when it is gone, that is said and nothing is sent."""
    secrets: list[str | Exception] = ["old", "new", ConfigError("zoom.client_secret_file: gone", do="Mount it.")]

    def secret() -> str:
        found = secrets.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async with a_zoom() as world:
        zoom = world.made(client_secret=secret)
        await zoom.get_token()
        world.clock.passed += 3600
        await zoom.get_token()
        world.clock.passed += 3600
        with pytest.raises(CredentialsRefused, match=r"zoom\.client_secret_file: gone; nothing was sent"):
            await zoom.get_token()
        await zoom.close()

        assert [b"client:old", b"client:new"] == [
            base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) for request in world.server.requests
        ]


# -------------------------------------------------------------------------------------------------------- addresses


async def moved_to(named: str, **changes: Any) -> tuple[str, list[str]]:
    """Where the API is looked for after a token answer with this ``api_url``, and the hosts that were not believed."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "api_url": named}
        zoom = world.made(**{"api_url": None, **changes})
        await zoom.get_token()
        await zoom.close()
        return zoom._api.base_url, [e.facts["host"] for e in world.of(Noted) if e.event == "zoom.api_url_ignored"]


@pytest.mark.parametrize(
    ("api_url", "base"),
    [
        ("https://api-us.zoom.us", "https://api-us.zoom.us/v2"),
        ("https://api-eu.zoom.us/", "https://api-eu.zoom.us/v2"),
        ("https://API.zoom.us/v2", "https://api.zoom.us/v2"),
    ],
)
async def test_a_nearer_host_of_zoom_is_followed(api_url: str, base: str) -> None:
    """The regions' hosts only."""
    assert (base, []) == await moved_to(api_url)


@pytest.mark.parametrize(
    "api_url",
    [
        "https://evil.example",
        "http://api-us.zoom.us",
        "https://api.zoom.us.evil.example",
        "https://evilzoom.us",
        "https://api.zoom.us@evil.example",
        "https://api-us.zoom.us:8443",
        "https://api.zoom.us/v2/../x",
        "https://api.zoomgov.com",
    ],
)
async def test_no_other_host_gets_the_token(api_url: str) -> None:
    """The bearer token is sent there: anything but a known host is said and ignored."""
    base, ignored = await moved_to(api_url)

    assert "https://api.zoom.us/v2" == base
    assert 1 == len(ignored)


async def test_a_configured_address_stands() -> None:
    """Then the token answer's is ignored without a word."""
    base, ignored = await moved_to("https://api-us.zoom.us", api_url="http://127.0.0.1:9/v2")

    assert ("http://127.0.0.1:9/v2", []) == (base, ignored)


async def test_the_government_cloud_has_its_own_hosts() -> None:
    """Tokens of one cloud never go to the other."""
    assert ("https://api.zoomgov.com/v2", []) == await moved_to("https://api.zoomgov.com", cloud="government")
    assert ("https://api.zoomgov.com/v2", ["api.zoom.us"]) == await moved_to("https://api.zoom.us", cloud="government")
    assert {"https://zoom.us/oauth/token", "https://zoomgov.com/oauth/token"} == {cloud.token_url for cloud in CLOUDS.values()}


async def test_a_plain_address_elsewhere_is_refused() -> None:
    """The secret would go over the wire in the clear."""
    async with a_zoom() as world:
        for changes in ({"api_url": "http://zoom.example/v2"}, {"token_url": "http://zoom.example/oauth/token"}):
            with pytest.raises(ConfigError, match="unencrypted"):
                world.made(**changes)


# ------------------------------------------------------------------------------------------------------------ check


async def test_check_goes_through_everything_a_dry_run_needs() -> None:
    """Token, scopes, roles, clock; what is not needed is no fault."""
    async with a_zoom() as world:
        world.other["GET /v2/roles"] = [Answer(200, ROLES, {"date": "Mon, 23 Nov 2026 12:00:03 GMT"})]
        lines = await world.zoom.check()

    assert all(fine for _, fine, _ in lines)
    assert ["zoom token", "zoom roles", "zoom clock"] == [what for what, _, _ in lines if "scope" not in what]
    assert ("zoom roles", True, "3 found: Admin, Member, Owner") in lines
    assert (
        "zoom scope user:update:status:admin",
        True,
        "not granted, and not needed by this configuration (to deactivate and reactivate)",
    ) in lines


async def test_check_says_which_scope_is_missing_and_for_what() -> None:
    """Enforcing with the credentials of a dry run."""
    async with a_zoom() as world:
        zoom = world.made(writes=True, restores_licences=True)
        bad = [(what, says) for what, fine, says in await zoom.check() if not fine]
        await zoom.close()

    assert ["user:read:user:admin", "user:update:status:admin", "user:update:user:admin"] == [
        what.removeprefix("zoom scope ") for what, _ in bad
    ]
    assert "missing, needed to deactivate and reactivate: add it (classic apps: user:write:admin) to the app" == bad[1][1]


async def test_check_stops_at_refused_credentials() -> None:
    """Nothing else can be looked at; the fix is in the line."""
    async with a_zoom() as world:
        world.token = Answer(400, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
        ((what, fine, says),) = await world.zoom.check()

    assert ("zoom token", False) == (what, fine)
    assert "invalid_client" in says
    assert "Check zoom.client_id" in says


async def test_check_shows_a_clock_that_is_off_and_roles_that_are_not_there() -> None:
    """Two findings, each with its fix."""
    async with a_zoom() as world:
        world.other["GET /v2/roles"] = [Answer(200, ROLES, {"date": "Mon, 23 Nov 2026 11:00:00 GMT"})]
        zoom = world.made(required_roles=("guest",))
        bad = {what: says for what, fine, says in await zoom.check() if not fine}
        await zoom.close()

    assert {"zoom roles", "zoom clock"} == bad.keys()
    assert "no role guest" in bad["zoom roles"]
    assert "behind this machine, more than 300 s" in bad["zoom clock"]


async def test_check_looks_at_groups_when_they_are_needed() -> None:
    """The group scope may be missing."""
    async with a_zoom() as world:
        world.other["GET /v2/groups"] = [refused(400, 4711, "does not contain scopes:[group:read:list_groups:admin].")]
        zoom = world.made(required_groups=("Rooms",))
        bad = {what for what, fine, _ in await zoom.check() if not fine}
        await zoom.close()

    assert {"zoom scope group:read:list_groups:admin", "zoom groups"} == bad


def test_a_classic_scope_covers_its_granular_ones() -> None:
    """Old apps have user:read:admin instead of a dozen."""
    assert allowed(LIST_USERS, {"user:read:admin"})
    assert allowed(LIST_USERS, {"user:read:list_users:master"})
    assert allowed(SET_STATUS, {"user:write:admin"})
    assert not allowed(SET_STATUS, {"user:read:admin", "user:update:user:admin"})
    assert not allowed(LIST_USERS, {"user:read:list_users"})


def test_scopes_zoom_did_not_tell_are_no_fault() -> None:
    """Then only trying shows."""
    assert [True] == [fine for _, fine, _ in scope_lines(None, frozenset({"set_status"}))]


def test_a_dry_run_needs_two_scopes() -> None:
    """So it can be given credentials that cannot write."""
    settings = ZoomSettings("a", "c", lambda: "s", restores_licences=True, revokes_sessions=True)

    assert {"list_users", "list_roles"} == needed(settings)


# ------------------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize(("plan", "light", "medium", "heavy"), [("free", 4, 2, 1), ("pro", 30, 20, 10), ("business", 80, 60, 40)])
def test_lanes_keep_to_their_share_of_the_plan(plan: str, light: int, medium: int, heavy: int) -> None:
    """At half the limits, and a little below that."""
    rates = {label: lane.rate for label, lane in limits.lanes(plan, 0.5).items()}

    for label, calls in (("light", light), ("medium", medium), ("heavy", heavy)):
        assert 0.9 * calls / 2 <= rates[label] <= 0.95 * calls / 2
    assert 0.9 * 5 / 60 <= rates["resource_intensive"] <= 10 / 60


def test_daily_budgets_are_where_zoom_has_them() -> None:
    """Free: every label its own. Paid: heavy and resource-intensive together."""
    free = limits.budgets("free", 0.5, "acc")
    pro, business = limits.budgets("pro", 1.0, "acc"), limits.budgets("business", 0.5, "acc")

    assert {"light": 3000, "medium": 1000, "heavy": 500, "resource_intensive": 15000} == {
        label: budget.calls_max for label, (_, budget) in free.items()
    }
    assert {"heavy", "resource_intensive"} == pro.keys()
    assert pro["heavy"] is pro["resource_intensive"]
    assert (30_000, 30_000) == (pro["heavy"][1].calls_max, business["heavy"][1].calls_max)
    assert 4 == len({key for key, _ in free.values()})


async def test_the_daily_budget_survives_a_restart() -> None:
    """A free account at one per mille: six light requests a day; the second process has none left."""

    class Shelf:
        def __init__(self) -> None:
            self.kept: dict[str, Any] = {}

        async def get_state(self, key: str) -> Any:
            return self.kept.get(key)

        async def set_state(self, key: str, value: Any) -> None:
            self.kept[key] = value

    shelf = Shelf()
    async with a_zoom() as world:
        world.other["GET /v2/users/gone"] = [refused(404, 1001, "no")]
        settings = replace(world.settings, account_plan="free", share=0.001)
        for allowed_calls in (6, 0):
            zoom = ZoomApi(settings, world.clock, world.told.append, store=shelf)
            before = len(world.asked())
            for _ in range(allowed_calls):
                assert await zoom.get_account("gone") is None
            with pytest.raises(SourceError, match="today's budget of 6 light requests is used up"):
                await zoom.get_account("gone")
            await zoom.close()
            assert allowed_calls == len(world.asked()) - before

    assert {"zoom-budget/acc/light": {"day": "2026-11-23", "used": 6}} == shelf.kept


async def test_reads_and_looks_work_at_the_smallest_plan() -> None:
    """A free account at half its limits: slow, but whole."""
    async with a_zoom() as world:
        world.lists["active"] = [page([], 0)]
        zoom = world.made(account_plan="free", share=0.5)
        assert () == (await zoom.read()).accounts
        await zoom.close()

    assert world.clock.passed >= 3
