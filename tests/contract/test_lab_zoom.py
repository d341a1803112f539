"""What the simulated Zoom promises: limits, faults, scopes and refusals as Zoom documents them."""

from __future__ import annotations

import asyncio
import base64
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
import yaml

from syncd.lab import faults
from syncd.lab.company import ENTITLING_GROUP, HELP_DESK, bad_day, corp_example, day_one, one_more_leaver, rehire, reorganisation
from syncd.lab.names import name
from syncd.lab.population import population
from syncd.lab.server import serve_in_thread
from syncd.lab.zoom.limits import PER_DAY, PER_SECOND, PLANS, AccountLimits, Throttled
from syncd.lab.zoom.operations import ALL_SCOPES, OPERATIONS, Label
from syncd.lab.zoom.tenant import STANDARD_ROLES, Group, Meeting, Tenant, a_user
from syncd.model import Action, Reason
from tests.contract.lab_clock import MORNING, StandingClock, a_zoom, brief, calling

ANN = a_user("ann.example@corp.example", type=2, plan_united_type="8")
BOB = a_user("bob.example@corp.example")
GONE = a_user("gone.example@corp.example", status="inactive")
NEW = a_user("new.example@corp.example", status="pending")
OWNER = a_user("owner@corp.example", role_id="0", type=2)
ADMIN = a_user("admin@corp.example", role_id="1", type=2)
ROOM = a_user("room-one@corp.example", room=True, group_ids=("rooms-group",))
HOST = a_user("host.example@corp.example", hosts_events=True)


def a_tenant(**settings) -> Tenant:
    """Somebody of each kind."""
    return Tenant(
        (OWNER, ADMIN, ANN, BOB, GONE, NEW, ROOM, HOST),
        roles=(*STANDARD_ROLES, HELP_DESK),
        groups=(Group("rooms-group", "Rooms"),),
        **settings,
    )


# ------------------------------------------------------------------------------------------------------------- tokens


async def test_a_token_names_its_lifetime_its_scopes_and_the_address_of_the_api():
    """What a client needs to know stands in the token answer."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom, signed_in=False) as call:
        answer = (await call.sign_in()).json()

        assert ("bearer", 3600, str(call.http.base_url).rstrip("/")) == (
            answer["token_type"],
            answer["expires_in"],
            answer["api_url"],
        )
        assert set(ALL_SCOPES) == set(answer["scope"].split())


@pytest.mark.parametrize("place", ["query", "form"])
async def test_the_grant_may_stand_in_the_query_or_in_the_form(place):
    """Zoom documents both."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom, signed_in=False) as call:
        grant = {"grant_type": "account_credentials", "account_id": zoom.oauth.account_id}
        answer = await call.http.post(
            "/oauth/token",
            auth=(zoom.oauth.client_id, zoom.oauth.client_secret),
            **({"params": grant} if place == "query" else {"data": grant}),
        )

        assert 200 == answer.status_code


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"auth": ("lab-client", "guess")}, "invalid_client"),
        ({"auth": ("stranger", "lab-secret")}, "invalid_client"),
        ({"auth": None}, "invalid_client"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"account_id": "another"}, "invalid_request"),
    ],
)
async def test_a_wrong_token_request_is_refused_in_the_token_endpoints_own_shape(wrong, error):
    """Here it is ``error`` and ``reason``, not ``code`` and ``message``."""
    async with calling(a_zoom(a_tenant()), signed_in=False) as call:
        answer = await call.http.post(
            "/oauth/token",
            auth=wrong.get("auth", ("lab-client", "lab-secret")),
            params={
                "grant_type": wrong.get("grant_type", "account_credentials"),
                "account_id": wrong.get("account_id", "lab-account"),
            },
        )

        assert (400, error, {"error", "reason"}) == (answer.status_code, answer.json()["error"], set(answer.json()))


async def test_a_disabled_app_gets_no_token_and_its_tokens_stop():
    """Switching the app off ends everything at once."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        zoom.oauth.enabled = False

        assert (401, 124) == brief(await call("GET", "/users"))
        with pytest.raises(KeyError, match="access_token"):
            await call.sign_in()


async def test_a_new_token_leaves_the_earlier_one_valid():
    """Two processes may work side by side."""
    async with calling(a_zoom(a_tenant())) as call:
        first = call.token
        await call.sign_in()
        second, call.token = call.token, first

        assert first != second
        assert 200 == (await call("GET", "/users")).status_code


async def test_a_rotated_secret_and_the_old_one_work_while_both_are_good():
    """So a mounted secret can be changed without a gap."""
    zoom = a_zoom(a_tenant(), old_secrets=("before",))
    async with calling(zoom, signed_in=False) as call:
        answers = [
            (
                await call.http.post(
                    "/oauth/token",
                    auth=("lab-client", secret),
                    params={"grant_type": "account_credentials", "account_id": "lab-account"},
                )
            ).status_code
            for secret in ("lab-secret", "before", "never")
        ]

        assert [200, 200, 400] == answers


@pytest.mark.parametrize(("form", "expected"), [("401", (401, 124)), ("400", (400, 124)), ("other", (401, None))])
async def test_an_expired_token_is_refused_in_each_form_ever_seen(form, expected):
    """Zoom's documents and reports disagree, so a client must take all three."""
    clock = StandingClock()
    zoom = a_zoom(a_tenant(), clock, trouble_form=form)
    async with calling(zoom) as call:
        clock.pass_(minutes=59)
        assert 200 == (await call("GET", "/users")).status_code
        clock.pass_(minutes=1)

        answer = await call("GET", "/users")

        assert expected == brief(answer)
        assert (form == "other") == ("errorCode" in answer.json())


async def test_a_token_in_the_query_string_is_refused():
    """That ended in 2023."""
    async with calling(a_zoom(a_tenant())) as call:
        answer = await call("GET", "/users", params={"access_token": call.token})

        assert (401, 124) == brief(answer)
        assert "query parameter" in answer.json()["message"]


# ------------------------------------------------------------------------------------------------------------- scopes


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_call_needs_its_own_scope_and_says_which(operation):
    """400/4711 with the names of the scopes, before anything else is looked at."""
    missing = frozenset(ALL_SCOPES - set(operation.granular))
    zoom = a_zoom(a_tenant(), scopes=missing)
    async with calling(zoom) as call:
        answer = await call(operation.method, operation.path.replace("{", "").replace("}", ""))

        assert (400, 4711) == brief(answer)
        assert f"does not contain scopes:[{', '.join(operation.granular)}]." in answer.json()["message"]


async def test_a_token_gains_no_scope_that_was_granted_after_it():
    """A new token has to be asked for."""
    zoom = a_zoom(a_tenant(), scopes=ALL_SCOPES - {"user:update:status:admin"})
    async with calling(zoom) as call:
        zoom.oauth.scopes = ALL_SCOPES
        before = brief(await call.status(BOB.id, "deactivate"))
        await call.sign_in()
        after = brief(await call.status(BOB.id, "deactivate"))

        assert [(400, 4711), (200, None)] == [before, after]


async def test_an_older_app_lacks_classic_scopes_with_code_4700():
    """The message form is that of classic scopes."""
    zoom = a_zoom(a_tenant(), classic=True, scopes=frozenset({"user:read:admin"}))
    async with calling(zoom) as call:
        assert 200 == (await call("GET", "/users")).status_code
        assert (400, 4700) == brief(await call("GET", "/roles"))


async def test_a_lost_role_right_answers_code_200_with_the_right_in_the_message():
    """The same number as for an admin user; only the message tells them apart."""
    zoom = a_zoom(a_tenant(), rights=frozenset({"User:Read"}))
    async with calling(zoom) as call:
        answer = await call.status(BOB.id, "deactivate")

        assert (400, 200) == brief(answer)
        assert "Invalid access token. Does not contain permissions [User:Edit]." == answer.json()["message"]
        assert 200 == (await call("GET", "/users")).status_code


# ---------------------------------------------------------------------------------------------------- reading users


async def test_a_list_shows_one_status_and_active_by_default():
    """There is no ``all``."""
    async with calling(a_zoom(a_tenant())) as call:
        emails = {
            status: {user["email"] for user in await call.walk(**({"status": status} if status else {}))}
            for status in ("", "active", "inactive", "pending")
        }

        assert emails[""] == emails["active"] == {user.email for user in (OWNER, ADMIN, ANN, BOB, ROOM, HOST)}
        assert {GONE.email} == emails["inactive"]
        assert {NEW.email} == emails["pending"]
        assert (400, 300) == brief(await call("GET", "/users", params={"status": "all"}))


async def test_pending_users_have_no_id():
    """So nothing can be done to them by id."""
    async with calling(a_zoom(a_tenant())) as call:
        [pending] = await call.walk(status="pending")

        assert "id" not in pending
        assert (404, 1001) == brief(await call("GET", f"/users/{NEW.id}"))
        assert "pending" == (await call("GET", f"/users/{NEW.email}")).json()["status"]


async def test_a_walk_meets_everybody_once_with_totals_that_tie():
    """30 a page unless asked otherwise; the last page has an empty token."""
    everybody = [a_user(f"u{number}@corp.example") for number in range(95)]
    zoom = a_zoom(Tenant(everybody))
    async with calling(zoom) as call:
        first = (await call("GET", "/users")).json()

        assert (30, 4, 1, 95) == tuple(first[key] for key in ("page_size", "page_count", "page_number", "total_records"))
        assert [user.email for user in everybody] == [user["email"] for user in await call.walk(page_size="40")]
        assert [None, "40", "40", "40"] == [seen.query.get("page_size") for seen in zoom.asked("list_users")]


async def test_a_page_size_above_the_maximum_is_cut_to_it():
    """Clients follow the token and never rely on getting what they asked for."""
    zoom = a_zoom(population(700, MORNING).tenant())
    zoom.page_size_max = 300
    async with calling(zoom) as call:
        page = (await call("GET", "/users", params={"page_size": "2000"})).json()

        assert (300, 300) == (page["page_size"], len(page["users"]))
        assert (400, 300) == brief(await call("GET", "/users", params={"page_size": "0"}))
        assert (400, 300) == brief(await call("GET", "/users", params={"page_size": "many"}))


@pytest.mark.parametrize(("minutes", "expected"), [(15, (200, None)), (15.1, (400, 300))])
async def test_a_page_token_is_good_for_a_quarter_of_an_hour(minutes, expected):
    """Later the walk has to begin anew."""
    clock = StandingClock()
    async with calling(a_zoom(population(70, MORNING).tenant(), clock)) as call:
        token = (await call("GET", "/users")).json()["next_page_token"]
        clock.pass_(minutes=minutes)

        assert expected == brief(await call("GET", "/users", params={"next_page_token": token}))


@pytest.mark.parametrize("other", [{"status": "inactive"}, {"page_size": "10"}, {"role_id": "2"}])
async def test_a_page_token_belongs_to_the_parameters_it_was_made_for(other):
    """Other parameters, or a made-up token: 400/300."""
    async with calling(a_zoom(population(70, MORNING).tenant())) as call:
        token = (await call("GET", "/users")).json()["next_page_token"]
        answer = await call("GET", "/users", params={"next_page_token": token, **other})

        assert (400, 300) == brief(answer)
        assert "The next page token is invalid or expired." == answer.json()["message"]
        assert (400, 300) == brief(await call("GET", "/users", params={"next_page_token": "made-up"}))


async def test_a_single_user_is_found_by_id_or_by_address_in_any_case():
    """The role's name comes only with this call."""
    async with calling(a_zoom(a_tenant())) as call:
        by_id = (await call("GET", f"/users/{ADMIN.id}")).json()
        by_address = (await call("GET", "/users/ADMIN%40corp.example")).json()

        assert by_id == by_address
        assert ("Admin", "1", "active", 2) == tuple(by_id[key] for key in ("role_name", "role_id", "status", "type"))
        answer = await call("GET", "/users/nobody@corp.example")
        assert ((404, 1001), "User does not exist: nobody@corp.example.") == (brief(answer), answer.json()["message"])


async def test_roles_groups_seats_and_counts_are_those_of_the_users():
    """Every other list says the same about the account."""
    async with calling(a_zoom(a_tenant(seats=10))) as call:
        roles = (await call("GET", "/roles")).json()["roles"]
        members = (await call("GET", "/roles/1/members")).json()["members"]
        groups = (await call("GET", "/groups")).json()["groups"]
        rooms = (await call("GET", f"/groups/{groups[0]['id']}/members")).json()["members"]
        usage = (await call("GET", "/accounts/me/plans/usage")).json()["plan_base"]
        summary = (await call("GET", "/users/summary")).json()

        assert {"Owner": 1, "Admin": 1, "Member": 4, "Help Desk": 0} == {role["name"]: role["total_members"] for role in roles}
        assert [ADMIN.email] == [member["email"] for member in members]
        assert [("Rooms", 1)] == [(group["name"], group["total_members"]) for group in groups]
        assert [ROOM.id] == [room["id"] for room in rooms]
        assert (10, 3) == (usage["hosts"], usage["usage"])
        assert (8, 1, 1) == tuple(summary[f"{key}_users_count"] for key in ("total", "room", "pending"))
        assert [(400, 1034), (404, 4130), (400, 2300), (400, 2300)] == [
            brief(await call(method, path))
            for method, path in (
                ("GET", "/roles/none/members"),
                ("GET", "/groups/none/members"),
                ("GET", "/nothing"),
                ("POST", "/users"),
            )
        ]


async def test_meetings_ahead_and_recordings_are_listed():
    """What a person should know before deactivating somebody."""
    meetings = tuple(
        Meeting(id=number, topic=f"m{number}", start_time=MORNING + timedelta(hours=hours), bytes=number)
        for number, hours in ((1, -48), (2, 5), (3, 50))
    )
    user = a_user("host@corp.example", meetings=meetings, recordings=meetings[:1])
    async with calling(a_zoom(Tenant((user, a_user("guest@corp.example", may_host=False))))) as call:

        async def topics(path: str, **query: str) -> list[str]:
            answer = (await call("GET", f"/users/{user.id}/{path}", params=query)).json()
            return [meeting["topic"] for meeting in answer["meetings"]]

        assert ["m1", "m2", "m3"] == await topics("meetings")
        assert ["m2", "m3"] == await topics("meetings", type="upcoming")
        assert ["m1"] == await topics("meetings", type="previous_meetings")
        assert ["m2"] == await topics("upcoming_meetings")
        assert [] == await topics("recordings")
        assert ["m1"] == await topics("recordings", **{"from": "2026-02-20"})
        assert [] == await topics("recordings", **{"from": "2025-12-01", "to": "2026-03-02"})  # at most a month
        assert (400, 3161) == brief(await call("GET", "/users/guest@corp.example/meetings"))
        assert (404, 3001) == brief(await call("GET", "/users/nobody@corp.example/upcoming_meetings"))


# ------------------------------------------------------------------------------------------------------------- writes


@pytest.mark.parametrize("success", [200, 204])
async def test_deactivating_takes_every_licence_and_activating_gives_none_back(success):
    """Success is 200 or 204 without a body: Zoom documented both."""
    zoom = a_zoom(a_tenant(seats=3))
    zoom.status_answer = success
    async with calling(zoom) as call:
        answer = await call.status(ANN.id, "deactivate")
        gone = zoom.tenant.existing(ANN.id)
        await call.status(ANN.id, "activate")
        back = zoom.tenant.existing(ANN.id)

        assert (success, b"") == (answer.status_code, answer.content)
        assert ("inactive", 1, "") == (gone.status, gone.type, gone.plan_united_type)
        assert ("active", 1, "") == (back.status, back.type, back.plan_united_type)
        assert 2 == zoom.tenant.seats_used
        assert [("status", "active", "inactive"), ("status", "inactive", "active")] == [
            (change.what, change.before.status, change.after.status) for change in zoom.changes
        ]


async def test_repeating_a_status_change_changes_nothing():
    """Both requests are recorded, one change is."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        answers = [(await call.status(BOB.id, "deactivate")).status_code for _ in range(2)]

        assert [200, 200] == answers
        assert (2, 1) == (len(zoom.writes), len(zoom.changes))


@pytest.mark.parametrize("target", [OWNER, ADMIN, ROOM], ids=["owner", "admin", "room"])
@pytest.mark.parametrize("action", ["activate", "deactivate"])
async def test_the_status_of_admins_and_rooms_cannot_be_changed(target, action):
    """400/200 with the documented message, and nothing changes."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        answer = await call.status(target.id, action)

        assert (400, 200) == brief(answer)
        assert "Zoom Room and Admin users' status cannot be activated or deactivated." == answer.json()["message"]
        assert [] == zoom.changes


@pytest.mark.parametrize(
    ("user", "action", "expected"),
    [
        (HOST.id, "deactivate", (400, 300)),
        (NEW.id, "deactivate", (404, 1001)),
        (NEW.email, "deactivate", (404, 1001)),
        ("nobody", "deactivate", (404, 1001)),
        (BOB.id, "delete", (400, 300)),
        (BOB.id, "clock_in", (200, None)),
    ],
)
async def test_other_status_changes_are_refused_as_documented(user, action, expected):
    """Upcoming Zoom Events, a pending or unknown user, an unknown action."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        assert expected == brief(await call.status(user, action))
        assert [] == zoom.changes


@pytest.mark.parametrize("body", [b"", b"deactivate", b"[]", b'"deactivate"'])
async def test_a_body_that_is_no_object_is_refused(body):
    """400/300 in words."""
    async with calling(a_zoom(a_tenant())) as call:
        answer = await call("PUT", f"/users/{BOB.id}/status", content=body)

        assert ((400, 300), "Request Body should be a valid JSON object.") == (brief(answer), answer.json()["message"])


@pytest.mark.parametrize("code", [3412, 2033])
async def test_activating_is_refused_when_the_cap_of_basic_users_is_reached(code):
    """Capacity, not this user."""
    zoom = a_zoom(a_tenant(basic_seats=3))
    zoom.tenant.basic_cap_code = code
    async with calling(zoom) as call:
        assert (400, code) == brief(await call.status(GONE.id, "activate"))
        await call.status(BOB.id, "deactivate")
        assert (200, None) == brief(await call.status(GONE.id, "activate"))


@pytest.mark.parametrize("code", [3412, 2034, 2038])
async def test_a_licence_is_refused_when_no_seat_is_free(code):
    """Whoever gives one up makes room."""
    zoom = a_zoom(a_tenant(seats=3))
    zoom.tenant.no_seat_code = code
    async with calling(zoom) as call:
        assert (400, code) == brief(await call("PATCH", f"/users/{BOB.id}", json={"type": 2}))
        await call.status(ANN.id, "deactivate")
        assert (204, None) == brief(await call("PATCH", f"/users/{BOB.id}", json={"type": 2}))
        assert 2 == zoom.tenant.existing(BOB.id).type


@pytest.mark.parametrize(
    ("user", "fields", "expected"),
    [
        (BOB, {"type": 3}, (400, 300)),
        (BOB, {"type": True}, (400, 300)),
        (BOB, {"type": 2, "plan_united_type": "8"}, (400, 300)),
        (BOB, {"plan_united_type": 8}, (400, 300)),
        (BOB, {"first_name": None}, (400, 300)),
        (GONE, {"type": 2}, (400, 1108)),
        (NEW, {"type": 2}, (204, None)),
    ],
)
async def test_an_update_that_cannot_be_changes_nothing(user, fields, expected):
    """On a pending user even success changes nothing, as was reported of Zoom."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        assert expected == brief(await call("PATCH", f"/users/{user.email}", json=fields))
        assert user == zoom.tenant.find(user.email)


async def test_an_update_gives_a_plan_back_by_its_own_name():
    """``plan_united_type`` alone, without ``type``."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        await call("PATCH", f"/users/{BOB.id}", json={"plan_united_type": "8", "dept": "Sales"})

        bob = zoom.tenant.existing(BOB.id)
        assert ("8", "Sales", True) == (bob.plan_united_type, bob.dept, bob.licensed)


async def test_revoking_the_token_ends_the_session_and_nothing_else():
    """204; the account stays active."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom) as call:
        assert (204, None) == brief(await call("DELETE", f"/users/{BOB.id}/token"))
        assert (404, 1001) == brief(await call("DELETE", "/users/nobody/token"))
        bob = zoom.tenant.existing(BOB.id)
        assert (False, "active") == (bob.signed_in, bob.status)


async def test_two_writes_on_one_user_at_a_time_are_refused():
    """The second gets 429 while the first goes on; writes on two users do not meet."""
    zoom = a_zoom(a_tenant())
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def held(_: float) -> None:
        arrived.set()
        await go_on.wait()

    zoom._sleep = held
    zoom.faults.add(faults.slow(1), "set_status", user=BOB.id)
    async with calling(zoom) as call:
        first = asyncio.create_task(call.status(BOB.id, "deactivate"))
        await arrived.wait()
        second = await call.status(BOB.email, "deactivate")
        other = await call.status(ANN.id, "deactivate")
        go_on.set()

        assert [(429, 429), (200, None), (200, None)] == [brief(second), brief(other), brief(await first)]
        assert "concurrent" in second.json()["message"]


# ------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("label", Label)
def test_no_window_wherever_it_starts_lets_more_through_than_the_plan_allows(plan, label):
    """A window slides: half of the requests just before a full second do not come free after it."""
    limits = AccountLimits(plan)
    allowed, window = PLANS[plan].rates[label]
    start = MORNING + window * 0.9

    for _ in range(allowed):
        limits.take(label, start)
    with pytest.raises(Throttled, match="per-second") as refused:
        limits.take(label, start + window * 0.99)

    assert {
        "X-RateLimit-Category": label.value,
        "X-RateLimit-Type": "QPS",
        "X-RateLimit-Limit": str(allowed),
        "X-RateLimit-Remaining": "0",
    } == refused.value.headers
    assert str(allowed - 1) == limits.take(label, start + window)["X-RateLimit-Remaining"]


def test_labels_have_windows_of_their_own_and_other_apps_take_their_share():
    """A limit is the account's, not the app's."""
    limits = AccountLimits("pro", others={Label.LIGHT: 29})

    limits.take(Label.LIGHT, MORNING)
    limits.take(Label.MEDIUM, MORNING)

    with pytest.raises(Throttled):
        limits.take(Label.LIGHT, MORNING)


@pytest.mark.parametrize(
    ("plan", "budgets"),
    [
        ("free", {Label.LIGHT: 6_000, Label.MEDIUM: 2_000, Label.HEAVY: 1_000, Label.RESOURCE_INTENSIVE: 30_000}),
        ("pro", {Label.LIGHT: None, Label.MEDIUM: None, Label.HEAVY: 30_000, Label.RESOURCE_INTENSIVE: 30_000}),
        ("business", {Label.LIGHT: None, Label.MEDIUM: None, Label.HEAVY: 60_000, Label.RESOURCE_INTENSIVE: 60_000}),
    ],
)
def test_a_day_has_the_published_budget_for_each_label(plan, budgets):
    """None: no daily limit. Heavy and resource-intensive share theirs on paid plans."""
    assert budgets == {
        label: next((budget.requests for budget in PLANS[plan].budgets if label in budget.labels), None) for label in Label
    }
    assert (plan == "free") == all(len(budget.labels) == 1 for budget in PLANS[plan].budgets)


def test_a_used_up_day_says_when_the_next_one_begins_and_then_begins():
    """Retry-After is a UTC time, and comes with daily limits only."""
    limits = AccountLimits("pro", used_today={0: 29_999})
    late = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)

    limits.take(Label.HEAVY, late)
    with pytest.raises(Throttled) as refused:
        limits.take(Label.RESOURCE_INTENSIVE, late)

    assert ("2026-03-03T00:00:00Z", "Daily-limit") == (
        refused.value.headers["Retry-After"],
        refused.value.headers["X-RateLimit-Type"],
    )
    assert datetime(2026, 3, 3, tzinfo=UTC) == refused.value.resume_at
    assert "9" == limits.take(Label.HEAVY, late + timedelta(minutes=1))["X-RateLimit-Remaining"]


async def test_limits_answer_429_in_the_documented_form_and_recover():
    """Message, headers, no Retry-After within a second; the request is not carried out."""
    clock = StandingClock()
    zoom = a_zoom(a_tenant(), clock, plan="free")
    async with calling(zoom) as call:
        answers = [await call("GET", "/users") for _ in range(3)]
        clock.pass_(seconds=1)
        answers.append(await call("GET", "/users"))

        assert [200, 200, 429, 200] == [answer.status_code for answer in answers]
        assert ["1", "0", "0", "1"] == [answer.headers["X-RateLimit-Remaining"] for answer in answers]
        assert {"code": 429, "message": PER_SECOND} == answers[2].json()
        assert "Retry-After" not in answers[2].headers
        assert (3, 0) == (zoom.peak(Label.MEDIUM), zoom.peak(Label.HEAVY))


async def test_a_daily_limit_answers_429_until_midnight():
    """With the time in Retry-After."""
    clock = StandingClock()
    zoom = a_zoom(a_tenant(), clock, plan="free")
    zoom.limits.used_today[0] = 6_000
    async with calling(zoom) as call:
        answer = await call.status(BOB.id, "deactivate")
        early = await call.status(BOB.id, "deactivate")
        clock.pass_(hours=15)
        await call.sign_in()
        after = await call.status(BOB.id, "deactivate")

        assert (PER_DAY, "2026-03-03T00:00:00Z") == (answer.json()["message"], answer.headers["Retry-After"])
        assert [429, 429, 200] == [answer.status_code, early.status_code, after.status_code]
        assert 1 == len(zoom.early_retries)


# ------------------------------------------------------------------------------------------------------------- faults


async def test_server_errors_and_pages_for_people_do_nothing():
    """As often as scripted, then all is well again."""
    zoom = a_zoom(a_tenant())
    planned = zoom.faults.add(faults.server_error(503), "set_status", times=2)
    zoom.faults.add(faults.html_page(), "set_status", skip=2)
    async with calling(zoom) as call:
        answers = [await call.status(BOB.id, "deactivate") for _ in range(4)]

        assert [503, 503, 502, 200] == [answer.status_code for answer in answers]
        assert "text/html" in answers[2].headers["content-type"]
        assert (2, 1) == (planned.hits, len(zoom.changes))


async def test_a_fault_strikes_the_calls_it_was_made_for():
    """By operation, by user and by parameter; ``*`` means the token request too."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.server_error(500), "get_user", user=ANN.id)
    zoom.faults.add(faults.server_error(501), "list_users", status="inactive")
    async with calling(zoom) as call:
        answers = [
            await call("GET", path)
            for path in (f"/users/{BOB.id}", f"/users/{ANN.id}", "/users?status=active", "/users?status=inactive")
        ]

        assert [200, 500, 200, 501] == [answer.status_code for answer in answers]
        zoom.faults.add(faults.account_denied(), times=None)
        assert 403 == (await call("GET", "/users")).status_code
        assert 403 == (await call.http.post("/oauth/token")).status_code
        zoom.faults.clear()
        assert 200 == (await call("GET", "/users")).status_code


@pytest.mark.parametrize(("fault", "done"), [(faults.connection_reset(), 0), (faults.lost_answer(), 1)], ids=["before", "after"])
async def test_a_broken_connection_comes_before_or_after_the_work(fault, done):
    """The client sees the same: a request that failed. Only looking tells what happened."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(fault, "set_status")
    async with calling(zoom) as call:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await call.status(BOB.id, "deactivate")

        assert done == len(zoom.changes)
        assert [0] == [seen.status for seen in zoom.writes]
        assert ("active", "inactive")[done] == (await call("GET", f"/users/{BOB.id}")).json()["status"]


async def test_an_answer_may_break_off_in_the_middle():
    """Half a page is no page."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.truncated_answer(), "list_users")
    async with calling(zoom) as call:
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            await call("GET", "/users")


async def test_without_a_server_a_broken_connection_is_an_error_of_the_connection():
    """So the application can be driven in process too."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.connection_reset(), "token")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(zoom), base_url="http://zoom.test") as http:
        with pytest.raises(ConnectionResetError):
            await http.post("/oauth/token")


async def test_a_slow_server_does_the_work_after_or_before_the_wait():
    """Through the sleep it was given."""
    clock = StandingClock()
    zoom = a_zoom(a_tenant(), clock)
    zoom.latency_seconds = 0.5
    zoom.faults.add(faults.slow(2), "set_status")
    zoom.faults.add(faults.late_answer(3), "set_status")
    async with calling(zoom) as call:
        await call.status(BOB.id, "deactivate")

        assert [0.5, 2.5, 3] == clock.slept
        assert 1 == len(zoom.changes)


async def test_a_lost_write_answers_success_and_does_nothing():
    """Which is why changes are verified by reading."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.lost_write(), "set_status")
    async with calling(zoom) as call:
        assert 200 == (await call.status(BOB.id, "deactivate")).status_code
        assert [] == zoom.changes


@pytest.mark.parametrize(
    ("form", "value", "asks"),
    [
        ("absent", None, None),
        ("seconds", "3", 3),
        ("fraction", "2.500", 2.5),
        ("http_date", "Mon, 02 Mar 2026 09:00:03 GMT", 3),
        ("iso", "2026-03-02T09:00:03Z", 3),
        ("past", "2026-03-01T09:00:00Z", None),
        ("absurd", "1000000000", None),
        ("negative", "-5", None),
        ("nonsense", "soon", None),
    ],
)
async def test_throttling_comes_with_every_form_of_retry_after(form, value, asks):
    """Dates have whole seconds, so they are rounded up."""
    clock = StandingClock()
    zoom = a_zoom(a_tenant(), clock)
    zoom.faults.add(faults.throttled(form, 2.5), "get_user")
    assert form in faults.RETRY_AFTER_FORMS
    async with calling(zoom) as call:
        answer = await call("GET", f"/users/{BOB.id}")
        clock.pass_(seconds=2.4)
        await call("GET", f"/users/{BOB.id}")

        assert (429, value) == (answer.status_code, answer.headers.get("Retry-After"))
        assert (asks is not None) == bool(zoom.early_retries)
        expected = None if asks is None else MORNING + timedelta(seconds=asks)
        assert expected == zoom.asked("get_user")[0].retry_at


async def test_a_token_may_expire_and_page_tokens_may_in_the_middle_of_a_walk():
    """The walk fails; what was read is no smaller list."""
    zoom = a_zoom(population(100, MORNING).tenant())
    zoom.faults.add(faults.token_expired(), "list_users", skip=1)
    async with calling(zoom) as call:
        with pytest.raises(KeyError, match="users"):
            await call.walk()
        await call.sign_in()
        zoom.faults.add(faults.page_token_expired(), "list_users", skip=1)
        with pytest.raises(KeyError, match="users"):
            await call.walk()

        assert [200, 401, 200, 400] == [seen.status for seen in zoom.asked("list_users")]
        assert [None, 124, None, 300] == [seen.code for seen in zoom.asked("list_users")]
        assert 98 == len(await call.walk())


@pytest.mark.parametrize(
    ("fault", "collected", "total"),
    [
        (faults.short_page(2), 68, 70),
        (faults.total_moved(1), 70, 71),
        (faults.repeated_user(), 72, 70),
    ],
)
async def test_pages_may_contradict_their_total(fault, collected, total):
    """Short, too many, or a total that moves."""
    times = None if collected > 70 else 1
    zoom = a_zoom(Tenant(a_user(f"u{number}@corp.example") for number in range(70)))
    zoom.faults.add(fault, "list_users", times=times)
    async with calling(zoom) as call:
        users = await call.walk()

        assert collected == len(users)
        assert min(70, collected) == len({user["id"] for user in users})
    zoom.faults.clear()
    zoom.faults.add(fault, "list_users")
    async with calling(zoom) as call:
        assert total == (await call("GET", "/users")).json()["total_records"]


async def test_fields_may_be_wrong_or_missing_and_a_walk_may_never_end():
    """Anything in an answer can be rewritten."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.field_set("users", None), "list_users")
    zoom.faults.add(faults.field_missing("total_records"), "list_users", skip=1)
    zoom.faults.add(faults.rewritten(lambda _: ["not", "an", "object"]), "list_users", skip=2)
    zoom.faults.add(faults.endless_walk(), "list_users", skip=3)
    async with calling(zoom) as call:
        null, missing, odd, endless = [(await call("GET", "/users")).json() for _ in range(4)]

        assert null["users"] is None
        assert "total_records" not in missing
        assert ["not", "an", "object"] == odd
        assert "once-more" == endless["next_page_token"]


async def test_somebody_who_moves_between_two_pages_makes_the_walk_miss_another():
    """The list is not frozen: so it is with Zoom, and so totals have to be compared."""
    users = [a_user(f"u{number}@corp.example") for number in range(60)]
    zoom = a_zoom(Tenant(users))
    zoom.faults.add(faults.meanwhile(lambda: zoom.tenant.alter(users[0].id, status="inactive")), "list_users", skip=1)
    async with calling(zoom) as call:
        seen = {user["email"] for user in await call.walk()}

        assert {users[30].email} == {user.email for user in users} - seen


async def test_refusals_can_be_scripted_with_any_code_and_message():
    """For what the account's state cannot bring about."""
    zoom = a_zoom(a_tenant())
    zoom.faults.add(faults.refusal(3412, "no room"), "set_status")
    async with calling(zoom) as call:
        assert {"code": 3412, "message": "no room"} == (await call.status(GONE.id, "activate")).json()
        assert [] == zoom.changes


# --------------------------------------------------------------------------------------------------- clock and record


async def test_the_date_header_follows_the_given_clock_and_the_set_skew():
    """So a client can find out that clocks differ."""
    zoom = a_zoom(a_tenant())
    zoom.clock_skew = timedelta(minutes=7)
    async with calling(zoom) as call:
        answers = [await call("GET", "/users"), await call("GET", "/nothing")]

        assert [MORNING + timedelta(minutes=7)] * 2 == [parsedate_to_datetime(answer.headers["date"]) for answer in answers]


async def test_requests_are_recorded_without_any_secret():
    """What was asked, by which app, with which answer; never a token, secret or body."""
    zoom = a_zoom(a_tenant(), client_secret="do-not-tell")
    async with calling(zoom) as call:
        await call.status(BOB.id, "deactivate")
        await call("GET", "/users", params={"status": "inactive"})

        token, write, read = zoom.requests
        assert ("token", 200, "") == (token.operation, token.status, token.app)
        assert ("set_status", "PUT", f"/v2/users/{BOB.id}/status", BOB.id, "deactivate", 200, "lab-client") == (
            write.operation,
            write.method,
            write.path,
            write.user,
            write.action,
            write.status,
            write.app,
        )
        assert ({"status": "inactive"}, False) == (dict(read.query), read.writes)
        assert [write] == zoom.writes
        basic = base64.b64encode(b"lab-client:do-not-tell").decode()
        shown = repr(zoom.requests) + repr(zoom.oauth) + repr(zoom)
        assert not [secret for secret in ("do-not-tell", call.token, basic) if secret in shown]


def test_it_serves_callers_that_block_from_a_thread_of_its_own():
    """The port is known before the first request, and free again afterwards."""
    zoom = a_zoom(a_tenant())
    with serve_in_thread(zoom) as serving:
        assert 400 == httpx.get(f"{serving.url}/v2/nothing").status_code
    with pytest.raises(httpx.ConnectError):
        httpx.get(serving.url)


def test_a_port_that_is_taken_is_an_error_at_once():
    """Not a server that never answers."""
    with (
        serve_in_thread(a_zoom(a_tenant())) as serving,
        pytest.raises(OSError, match="in use"),
        serve_in_thread(a_zoom(a_tenant()), port=serving.port),
    ):
        pytest.fail("two servers on one port")


async def test_it_runs_as_a_program_with_a_directory_and_a_configuration_to_match(tmp_path):
    """For operators to try things with; SIGTERM ends it well."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "syncd.lab",
        "zoom",
        "--port",
        "0",
        "--out",
        str(tmp_path),
        "--users",
        "500",
        "--leavers",
        "3",
        "--page-size",
        "200",
        "--plan",
        "none",
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        first = (await program.stdout.readline()).decode()
        url = first.split()[2]
        async with httpx.AsyncClient(base_url=url) as http:
            app = {"grant_type": "account_credentials", "account_id": "lab-account"}
            secret = (tmp_path / "zoom-secret").read_text()
            token = (await http.post("/oauth/token", auth=("lab-client", secret), data=app)).json()["access_token"]
            page = (await http.get("/v2/users?page_size=2000", headers={"Authorization": f"Bearer {token}"})).json()
    finally:
        program.terminate()
        rest, _ = await program.communicate()

    assert (200, 492) == (len(page["users"]), page["total_records"])
    assert 497 + 1 == len((tmp_path / "people.csv").read_text().splitlines())
    assert f"try: syncd plan --config {tmp_path}/syncd.yaml\n" == rest.decode()
    configuration = yaml.safe_load((tmp_path / "syncd.yaml").read_text())
    assert (f"{url}/v2", "report", 200) == (
        configuration["zoom"]["api_url"],
        configuration["mode"],
        configuration["zoom"]["page_size"],
    )
    assert 0 == program.returncode


# -------------------------------------------------------------------------------------------------------- the company


def test_the_company_is_always_the_same_and_nobody_has_the_address_of_another():
    """240 people; every address and id once."""
    company = corp_example(MORNING)
    addresses = [address for person in company.people for address in person.addresses]

    assert company == corp_example(MORNING)
    assert 240 == len(company.people) == len({person.id for person in company.people})
    assert len(addresses) == len(set(addresses))
    assert len(company.users) == len({user.id for user in company.users}) == len({user.email for user in company.users})
    assert 3_900 == len({name(number) for number in range(3_900)})


def test_the_company_holds_one_of_everything_that_is_hard():
    """Owner, admins, rooms, newcomers, aliases, duplicates, partners and somebody deactivated by hand."""
    company = corp_example(MORNING)
    tenant = company.tenant()
    known = {address for person in company.people for address in person.addresses}
    strangers = sorted(user.email for user in company.users if user.status == "active" and user.email not in known)
    domains = [email.partition("@")[2] for email in strangers]

    assert [1, 3, 1] == [len(tenant.of_role(role)) for role in ("0", "1", HELP_DESK.id)]
    assert 4 == sum(user.room and bool(user.group_ids) for user in company.users)
    assert 5 == len(tenant.listed("pending"))
    assert 4 == len(tenant.listed("inactive"))
    assert {"corp.example": 4, "corp-old.example": 1, "partner.example": 3} == {
        domain: domains.count(domain) for domain in set(domains)
    }
    assert 1 == sum(user.email in known for user in tenant.listed("inactive"))
    assert 1 == sum(
        sum(address in {user.email for user in company.users} for address in person.addresses) == 2 for person in company.people
    )
    assert {1, 2} == {user.type for user in company.users}
    assert 5 == company.seats - tenant.seats_used
    assert any(not person.display_name.isascii() for person in company.people)
    assert 1 == sum(person.expires_at is not None for person in company.people)


def test_events_give_another_company_and_leave_the_old_one_as_it_was():
    """Day one, the re-hire and the bad day, each from the one before."""
    before = corp_example(MORNING)
    left = day_one(before, MORNING)
    back = rehire(left.company, before)
    lost = bad_day(before)
    more = one_more_leaver(back.company)

    assert before == corp_example(MORNING)
    assert [
        Reason.LEFT_GROUPS,
        Reason.ABSENT_FROM_DIRECTORY,
        Reason.DISABLED_IN_DIRECTORY,
        Reason.EXPIRED_IN_DIRECTORY,
        Reason.PROTECTED,
        Reason.IN_STEP,
    ] == [expected.reason for expected in left.expects]
    assert 239 == len(left.company.people)
    assert [(Action.REACTIVATE, Reason.ENTITLED_AGAIN)] == [(it.action, it.reason) for it in back.expects]
    assert [person.id for person in before.people] == [person.id for person in back.company.people]
    assert [Reason.DISABLED_IN_DIRECTORY] == [it.reason for it in more.expects]
    assert 1 + sum(not person.enabled for person in back.company.people) == sum(not one.enabled for one in more.company.people)
    assert 180 == len(lost.company.people)
    assert 60 == sum(ENTITLING_GROUP not in person.groups for person in reorganisation(before).company.people)
    zoom = before.tenant()
    assert {"active"} == {zoom.existing(expected.address).status for expected in (*left.expects, *back.expects, *more.expects)}


def test_the_directory_is_written_as_the_file_directory_reads_it():
    """One row a person, lists by semicolon, times in RFC 3339."""
    company = day_one(corp_example(MORNING), MORNING).company
    lines = company.people_csv().splitlines()

    assert "id,display_name,addresses,enabled,expires_at,groups,department" == lines[0]
    assert len(company.people) + 1 == len(lines)
    assert "E1001,Amara Okafor,amara.okafor@corp.example;ceo@corp.example,true,,Zoom Users;Executive,Executive" == lines[1]
    assert 1 == sum(",2026-03-02T08:00:00Z," in line for line in lines)


async def test_a_token_of_the_app_itself_is_for_websockets_and_reads_no_account():
    """The grant that Zoom's WebSocket sample asks with."""
    zoom = a_zoom(a_tenant())
    async with calling(zoom, signed_in=False) as call:
        answer = await call.http.post(
            "/oauth/token", auth=(zoom.oauth.client_id, zoom.oauth.client_secret), data={"grant_type": "client_credentials"}
        )
        call.token = answer.json()["access_token"]

        assert 401 == (await call("GET", "/users")).status_code
