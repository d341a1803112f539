"""What the simulated Graph promises: reads, permissions, paging, throttling and bad days as Microsoft documents them."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from syncd.lab import faults
from syncd.lab.entra.apps import AppSecret
from syncd.lab.entra.objects import DEVICE, GROUP, USER, a_group, a_person, guid
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph import faults as graph_faults
from syncd.lab.graph.limits import GraphLimits, OverLimit, units_for
from syncd.lab.graph.operations import OPERATIONS
from syncd.lab.server import serve
from tests.contract.lab_clock import MORNING, StandingClock
from tests.contract.lab_graph import (
    ANN,
    BOB,
    CAT,
    CONTACT,
    DAN,
    DEEP,
    EVE,
    GUEST,
    LAPTOP,
    SECRET_GROUP,
    SERVICE,
    TEAM,
    UNIFIED,
    USERS,
    Entra,
    an_entra,
    brief,
    ids,
)

ADVANCED = {"ConsistencyLevel": "eventual"}
FULL = frozenset({"Directory.Read.All"})
MEMBERS = f"/groups/{USERS.id}/members"
DEEPLY = f"/groups/{USERS.id}/transitiveMembers"


def a_crowd(size: int, clock: StandingClock) -> EntraTenant:
    """A group of so many."""
    people = [a_person(f"u{number:05d}@corp.example") for number in range(size)]
    return EntraTenant([*people, USERS], {USERS.id: [person.id for person in people]}, now=clock.now)


# ---------------------------------------------------------------------------------------------------- groups and members


async def test_a_group_is_found_by_its_name_in_any_case_and_by_its_id():
    """``displayName eq`` needs no advanced query."""
    async with an_entra() as entra:
        by_name = (await entra.get("/groups?$filter=displayName eq 'zoom users'&$select=id,displayName")).json()["value"]
        by_id = (await entra.get(f"/groups/{USERS.id}?$select=id,visibility,securityEnabled,groupTypes")).json()

        assert [{"id": USERS.id, "displayName": "Zoom Users"}] == by_name
        assert (None, True, []) == (by_id["visibility"], by_id["securityEnabled"], by_id["groupTypes"])
        assert (404, "Request_ResourceNotFound") == brief(await entra.get(f"/groups/{guid('nothing')}"))
        assert (400, "Request_BadRequest") == brief(await entra.get("/groups/Zoom Users"))
        assert (404, "Request_ResourceNotFound") == brief(await entra.get(f"/groups/{ANN.id}/members"))


async def test_two_groups_may_bear_one_name():
    """Display names are not unique; Graph gives both."""
    async with an_entra() as entra:
        entra.tenant.add(a_group("Zoom Users", id=guid("a second one")))

        assert 2 == len(await entra.walk("/groups?$filter=displayName eq 'Zoom Users'"))


async def test_members_are_direct_mixed_and_told_apart_by_their_type():
    """Nested groups, devices, contacts and service principals are members too."""
    async with an_entra(roles=FULL) as entra:
        rows = await entra.walk(f"{MEMBERS}?$select=id,mail,accountEnabled&$top=999")

        assert {ANN.id, TEAM.id, LAPTOP.id, SERVICE.id, CONTACT.id, GUEST.id} == ids(rows)
        kinds = {row["id"]: row["@odata.type"] for row in rows}
        assert (USER, GROUP, DEVICE) == (kinds[ANN.id], kinds[TEAM.id], kinds[LAPTOP.id])
        assert {"@odata.type": GROUP, "id": TEAM.id, "mail": None} == next(row for row in rows if row["id"] == TEAM.id)


async def test_transitive_members_are_everything_on_any_level_once():
    """Nested groups included, and circles do no harm."""
    async with an_entra() as entra:
        entra.tenant.join(DEEP.id, USERS.id)
        entra.tenant.join(DEEP.id, ANN.id)
        rows = await entra.walk(f"{DEEPLY}?$select=id")

        assert {ANN.id, BOB.id, CAT.id, GUEST.id, TEAM.id, DEEP.id, USERS.id, LAPTOP.id, SERVICE.id, CONTACT.id} == ids(rows)
        assert len(rows) == len(ids(rows))


@pytest.mark.parametrize("cast", ["microsoft.graph.user", "graph.user"])
async def test_a_cast_needs_the_header_and_the_count_and_its_rows_have_no_type(cast):
    """Both spellings of the type are known."""
    async with an_entra() as entra:
        path = f"{DEEPLY}/{cast}?$select=id,accountEnabled"
        page = (await entra.get(f"{path}&$count=true", **ADVANCED)).json()

        assert {ANN.id, BOB.id, CAT.id, GUEST.id} == ids(page["value"])
        assert 4 == page["@odata.count"]
        assert {"id", "accountEnabled"} == page["value"][0].keys()
        assert page["@odata.context"].endswith("$metadata#users(id,accountEnabled)")
        assert (400, "Request_UnsupportedQuery") == brief(await entra.get(path))
        assert (400, "Request_UnsupportedQuery") == brief(await entra.get(path, **ADVANCED))
        assert (400, "Request_BadRequest") == brief(await entra.get(f"{path}&$count=true"))


async def test_the_header_has_to_be_sent_with_every_page_of_an_advanced_query():
    """A link does not carry headers."""
    async with an_entra() as entra:
        first = (await entra.get(f"{DEEPLY}/microsoft.graph.user?$count=true&$top=3", **ADVANCED)).json()
        link = first["@odata.nextLink"]

        assert (400, "Request_UnsupportedQuery") == brief(await entra.get(link))
        last = (await entra.get(link, **ADVANCED)).json()
        assert 1 == len(last["value"])
        assert "@odata.count" not in last


async def test_a_microsoft_365_group_cannot_be_cast_to_groups():
    """It holds none."""
    async with an_entra() as entra:
        answer = await entra.get(f"/groups/{UNIFIED.id}/members/microsoft.graph.group?$count=true", **ADVANCED)

        assert (400, "Request_UnsupportedQuery") == brief(answer)


async def test_members_are_counted_with_the_header_only():
    """As plain text."""
    async with an_entra() as entra:
        answer = await entra.get(f"{DEEPLY}/$count", **ADVANCED)

        assert ("9", "text/plain") == (answer.text, answer.headers["content-type"])
        assert "4" == (await entra.get(f"{DEEPLY}/microsoft.graph.user/$count", **ADVANCED)).text
        assert (400, "Request_BadRequest") == brief(await entra.get(f"{DEEPLY}/$count"))


async def test_by_the_strict_reading_even_a_selection_of_members_needs_the_header():
    """The page says so; which reading Graph enforces is not known, so it can be set."""
    async with an_entra() as entra:
        entra.graph.reads.members_need_advanced = True

        assert (400, "Request_UnsupportedQuery") == brief(await entra.get(f"{MEMBERS}?$select=id"))
        assert 200 == (await entra.get(f"{MEMBERS}?$select=id&$count=true", **ADVANCED)).status_code


async def test_disabled_people_stay_members_and_deleted_ones_are_not_listed():
    """A disabled account is a fact about the user; the recycle bin keeps memberships, unseen."""
    async with an_entra() as entra:
        entra.tenant.update("ann@corp.example", account_enabled=False)
        entra.tenant.delete("gil@partner.example")
        rows = await entra.walk(f"{MEMBERS}?$select=id,accountEnabled")

        assert [False] == [row["accountEnabled"] for row in rows if row["id"] == ANN.id]
        assert GUEST.id not in ids(rows)
        entra.tenant.restore("gil@partner.example")
        assert GUEST.id in ids(await entra.walk(f"{MEMBERS}?$select=id"))


async def test_whether_deleted_people_are_listed_can_be_set():
    """Microsoft does not say."""
    async with an_entra() as entra:
        entra.graph.reads.lists_deleted_members = True
        entra.tenant.delete("ann@corp.example")

        assert ANN.id in ids(await entra.walk(f"{MEMBERS}?$select=id"))


# --------------------------------------------------------------------------------------------------------------- users


async def test_without_a_selection_a_user_does_not_say_whether_they_are_enabled():
    """Only eleven fields come by default; a client that needs more has to ask."""
    async with an_entra() as entra:
        user = (await entra.get(f"/users/{ANN.id}")).json()

        assert {
            "@odata.context",
            "id",
            "businessPhones",
            "displayName",
            "givenName",
            "jobTitle",
            "mail",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "surname",
            "userPrincipalName",
        } == user.keys()


async def test_a_user_is_found_by_id_and_by_principal_name():
    """In any case; somebody deleted is not found."""
    async with an_entra() as entra:
        for key in (ANN.id, "ANN@corp.example"):
            assert ANN.id == (await entra.get(f"/users/{key}?$select=id")).json()["id"]
        entra.tenant.delete("ann@corp.example")

        assert (404, "Request_ResourceNotFound") == brief(await entra.get(f"/users/{ANN.id}"))


async def test_a_guest_has_an_own_address_in_mail_only():
    """The principal name of a guest is no address."""
    async with an_entra() as entra:
        user = (await entra.get(f"/users/{GUEST.id}?$select=mail,userPrincipalName,userType")).json()

        assert ("gil@partner.example", "gil_partner.example#EXT#@corpexample.onmicrosoft.com", "Guest") == (
            user["mail"],
            user["userPrincipalName"],
            user["userType"],
        )


@pytest.mark.parametrize(
    "test",
    [
        "mail eq 'ANN@corp.example'",
        "userPrincipalName eq 'ann@corp.example'",
        "startswith(displayName,'an')",
        "proxyAddresses/any(p:p eq 'smtp:ann@corp.example')",
        "mail in ('ann@corp.example','nobody@corp.example')",
        "mail eq 'x' or (userPrincipalName eq 'ann@corp.example' and accountEnabled eq true)",
    ],
)
async def test_users_are_found_by_any_of_their_addresses(test):
    """The filters a second look needs."""
    async with an_entra() as entra:
        assert {ANN.id} == ids(await entra.walk(f"/users?$filter={test}&$select=id"))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$select=nonsense", "BadRequest"),
        ("$filter=nonsense eq 'x'", "BadRequest"),
        ("$filter=mail eq", "BadRequest"),
        ("$filter=mail ne 'x'", "Request_UnsupportedQuery"),
        ("$top=1000", "Request_UnsupportedQuery"),
        ("$top=0", "BadRequest"),
        ("$expand=manager", "BadRequest"),
        ("$skip=10", "BadRequest"),
        ("$count=true", "Request_BadRequest"),
        ("$filter=" + " or ".join(f"mail eq '{number}'" for number in range(16)), "Request_UnsupportedQuery"),
        ("$filter=mail eq 'x'&$orderby=displayName", "Request_UnsupportedQuery"),
    ],
)
async def test_a_query_that_graph_would_refuse_is_refused(query, code):
    """A client that only works here would be worth nothing."""
    async with an_entra() as entra:
        assert (400, code) == brief(await entra.get(f"/users?{query}"))


async def test_an_unknown_segment_and_a_write_are_refused():
    """Nothing beyond the table is served."""
    async with an_entra() as entra:
        assert (400, "BadRequest") == brief(await entra.get("/me"))
        answer = await entra.http.patch(
            f"/users/{ANN.id}", json={"accountEnabled": False}, headers={"Authorization": f"Bearer {entra.token}"}
        )
        assert 400 == answer.status_code


async def test_the_groups_of_one_person_are_checked_directly_and_transitively():
    """Up to twenty at a time; the order of the question is kept."""
    async with an_entra() as entra:

        async def asked(user: str, *groups: str) -> list[str]:
            return (await entra.post(f"/users/{user}/checkMemberGroups", {"groupIds": list(groups)})).json()["value"]

        assert [USERS.id, DEEP.id] == await asked(CAT.id, USERS.id, DEEP.id, UNIFIED.id)
        assert [] == await asked(EVE.id, USERS.id)
        too_many = await entra.post(f"/users/{CAT.id}/checkMemberGroups", {"groupIds": [USERS.id] * 21})
        assert (400, "Request_BadRequest") == brief(too_many)
        assert (400, "Request_BadRequest") == brief(await entra.post(f"/users/{CAT.id}/checkMemberGroups", {}))
        assert (404, "Request_ResourceNotFound") == brief(
            await entra.post(f"/users/{guid('nobody')}/checkMemberGroups", {"groupIds": [USERS.id]})
        )


async def test_the_groups_of_one_person_are_listed():
    """Direct ones, or all of them."""
    async with an_entra() as entra:
        assert {DEEP.id} == ids(await entra.walk(f"/users/{CAT.id}/memberOf?$select=id"))
        assert {DEEP.id, TEAM.id, USERS.id} == ids(await entra.walk(f"/users/{CAT.id}/transitiveMemberOf?$select=id"))


async def test_the_recycle_bin_tells_who_was_deleted_and_when():
    """The principal name has the id in front there; mail is untouched."""
    async with an_entra() as entra:
        entra.tenant.delete("ann@corp.example")
        path = "/directory/deletedItems/microsoft.graph.user"
        listed = await entra.walk(f"{path}?$select=id,deletedDateTime,mail,userPrincipalName")
        alone = (await entra.get(f"{path}/{ANN.id}?$select=id,deletedDateTime")).json()

        assert [
            {
                "id": ANN.id,
                "deletedDateTime": "2026-03-02T09:00:00Z",
                "mail": "ann@corp.example",
                "userPrincipalName": ANN.id.replace("-", "") + "ann@corp.example",
            }
        ] == listed
        assert "2026-03-02T09:00:00Z" == alone["deletedDateTime"]
        entra.tenant.purge("ann@corp.example")
        assert [] == await entra.walk(path)
        assert (404, "Request_ResourceNotFound") == brief(await entra.get(f"{path}/{ANN.id}"))


async def test_an_app_that_may_read_applications_learns_when_its_secret_ends():
    """With Application.Read.All, which is more than reading the directory needs."""
    async with an_entra(roles=frozenset({"Application.Read.All"})) as entra:
        entra.app.secrets = (AppSecret("new", expires_at=MORNING + timedelta(days=20)),)
        path = f"/applications(appId='{entra.app.client_id}')?$select=passwordCredentials"
        credentials = (await entra.get(path)).json()["passwordCredentials"]

        assert ["2026-03-22T09:00:00Z"] == [one["endDateTime"] for one in credentials]
        assert [None] == [one["secretText"] for one in credentials]


# --------------------------------------------------------------------------------------------------------- permissions


async def test_members_of_a_kind_the_app_may_not_read_come_with_nulls():
    """Status 200: too little permission looks like empty data."""
    async with an_entra(roles=frozenset({"GroupMember.Read.All"})) as entra:
        rows = await entra.walk(f"{MEMBERS}?$select=id,userPrincipalName,mail,accountEnabled,proxyAddresses")

        assert {
            "@odata.type": USER,
            "id": ANN.id,
            "userPrincipalName": None,
            "mail": None,
            "accountEnabled": None,
            "proxyAddresses": None,
        } == next(row for row in rows if row["id"] == ANN.id)
        assert "Team" == next(row for row in await entra.walk(MEMBERS) if row["id"] == TEAM.id)["displayName"]


async def test_with_basic_reading_names_are_there_and_whether_enabled_is_not():
    """User.ReadBasic.All is the trap among the permissions."""
    async with an_entra(roles=frozenset({"GroupMember.Read.All", "User.ReadBasic.All"})) as entra:
        rows = await entra.walk(f"{MEMBERS}?$select=id,mail,accountEnabled")
        ann = next(row for row in rows if row["id"] == ANN.id)

        assert ("ann@corp.example", None) == (ann["mail"], ann["accountEnabled"])
        assert (403, "Authorization_RequestDenied") == brief(await entra.get("/users"))


@pytest.mark.parametrize(
    "path",
    [
        MEMBERS,
        DEEPLY,
        "/groups",
        f"/groups/{USERS.id}",
        "/users",
        f"/users/{ANN.id}",
        "/users/delta",
        "/groups/delta",
        "/directory/deletedItems/microsoft.graph.user",
    ],
)
async def test_without_permission_a_call_is_refused(path):
    """An app that was never given consent has a token without roles."""
    async with an_entra(roles=frozenset()) as entra:
        assert (403, "Authorization_RequestDenied") == brief(await entra.get(path))


async def test_checking_groups_needs_both_permissions():
    """Reading users and reading memberships."""
    async with an_entra(roles=frozenset({"User.Read.All"})) as entra:
        answer = await entra.post(f"/users/{ANN.id}/checkMemberGroups", {"groupIds": [USERS.id]})

        assert (403, "Authorization_RequestDenied") == brief(answer)


async def test_hidden_members_are_left_out_without_a_word():
    """Of lists, of counts, of the way up: only Member.Read.Hidden shows them."""
    async with an_entra() as entra:
        entra.tenant.join(USERS.id, SECRET_GROUP.id)
        assert "HiddenMembership" == (await entra.get(f"/groups/{SECRET_GROUP.id}?$select=visibility")).json()["visibility"]
        assert [] == await entra.walk(f"/groups/{SECRET_GROUP.id}/members")
        assert DAN.id not in ids(await entra.walk(DEEPLY))
        checked = await entra.post(f"/users/{DAN.id}/checkMemberGroups", {"groupIds": [USERS.id, SECRET_GROUP.id]})
        assert [] == checked.json()["value"]

        entra.app.roles |= {"Member.Read.Hidden"}
        entra.token = entra.login.token_for(entra.app)
        assert {DAN.id} == ids(await entra.walk(f"/groups/{SECRET_GROUP.id}/members"))
        assert DAN.id in ids(await entra.walk(DEEPLY))


async def test_a_token_keeps_the_permissions_it_was_made_with():
    """A new consent reaches a client with its next token."""
    async with an_entra(roles=frozenset()) as entra:
        entra.app.roles = FULL
        assert 403 == (await entra.get("/users")).status_code

        entra.token = entra.login.token_for(entra.app)
        assert 200 == (await entra.get("/users")).status_code


async def test_missing_foreign_and_dead_tokens_are_refused():
    """401, each with its own words."""
    async with an_entra() as entra:
        good = entra.token
        for token, says in (
            ("", "Access token is empty."),
            ("forged", "JWT is not well formed"),
            (entra.login.token_for(entra.app, "https://graph.microsoft.us"), "Invalid audience"),
        ):
            entra.token = token
            answer = await entra.http.get("/users", headers={"Authorization": f"Bearer {token}"} if token else {})
            assert (401, "InvalidAuthenticationToken") == brief(answer)
            assert says in answer.json()["error"]["message"]
        entra.token = good
        entra.clock.pass_(hours=2)
        answer = await entra.get("/users")
        assert (401, "InvalidAuthenticationToken") == brief(answer)
        assert "authorization_uri" in answer.headers["www-authenticate"]


# -------------------------------------------------------------------------------------------------------------- paging


async def test_fifty_thousand_members_are_51_pages():
    """Of 999; nobody is missing and nobody comes twice, for 2 units a page."""
    clock = StandingClock()
    async with an_entra(tenant=a_crowd(50_000, clock), clock=clock) as entra:
        rows = await entra.walk(f"{MEMBERS}?$select=id,userPrincipalName,mail,accountEnabled,userType&$top=999")

        assert (50_000, 50_000) == (len(rows), len(ids(rows)))
        assert 51 == len(entra.graph.asked("members"))
        assert 102 == entra.graph.units_used


async def test_a_page_has_a_hundred_rows_unless_more_are_asked_for():
    """And the link keeps the question."""
    clock = StandingClock()
    async with an_entra(tenant=a_crowd(150, clock), clock=clock) as entra:
        page = (await entra.get(f"{MEMBERS}?$select=id")).json()

        assert 100 == len(page["value"])
        assert page["@odata.nextLink"].startswith(f"http://graph.test/v1.0/groups/{USERS.id}/members?$select=id&$skiptoken=")
        assert 50 == len((await entra.get(page["@odata.nextLink"])).json()["value"])


async def test_a_page_token_is_good_for_its_own_question_only():
    """And not for ever."""
    clock = StandingClock()
    async with an_entra(tenant=a_crowd(150, clock), clock=clock) as entra:
        link = (await entra.get(f"{MEMBERS}?$select=id")).json()["@odata.nextLink"]

        assert (400, "Request_BadRequest") == brief(await entra.get(link.replace("$select=id", "$select=mail")))
        assert (400, "Request_BadRequest") == brief(await entra.get(f"{MEMBERS}?$select=id&$skiptoken=invented"))
        entra.graph.reads.pages.expire_all()
        assert (400, "Directory_ExpiredPageToken") == brief(await entra.get(link))


async def test_an_empty_page_with_a_link_may_come_at_any_time():
    """Only the absence of a link ends a listing."""
    async with an_entra() as entra:
        entra.graph.faults.add(graph_faults.empty_page(), "members", times=2)
        first = (await entra.get(f"{MEMBERS}?$select=id&$top=4")).json()

        assert [] == first["value"]
        assert 6 == len(await entra.walk(first["@odata.nextLink"]))
        assert 4 == len(entra.graph.asked("members"))


async def test_who_leaves_between_two_pages_is_missing_and_who_stays_is_not():
    """A walk does not shift."""
    clock = StandingClock()
    async with an_entra(tenant=a_crowd(10, clock), clock=clock) as entra:

        def two_leave() -> None:
            entra.tenant.leave(USERS.id, "u00000@corp.example", "u00007@corp.example")

        entra.graph.faults.add(faults.meanwhile(two_leave), "members", skip=1)
        rows = await entra.walk(f"{MEMBERS}?$select=id,mail&$top=5")

        assert {f"u{number:05d}@corp.example" for number in range(10)} - {"u00007@corp.example"} == {row["mail"] for row in rows}


async def test_a_token_may_die_between_two_pages():
    """The same page can be asked for again with a new one."""
    async with an_entra() as entra:
        entra.graph.faults.add(faults.token_expired(), "members", skip=1)
        link = (await entra.get(f"{MEMBERS}?$select=id&$top=4")).json()["@odata.nextLink"]

        assert (401, "InvalidAuthenticationToken") == brief(await entra.get(link))
        assert (401, "InvalidAuthenticationToken") == brief(await entra.get(link))
        entra.token = entra.login.token_for(entra.app)
        assert 2 == len((await entra.get(link)).json()["value"])


# ---------------------------------------------------------------------------------------------------------- throttling


@pytest.mark.parametrize(
    ("request_", "units"),
    [
        (MEMBERS, 3),
        (f"{MEMBERS}?$select=id", 2),
        (f"{MEMBERS}?$select=id&$top=5", 1),
        (DEEPLY, 5),
        (f"{DEEPLY}?$select=id", 4),
        ("/users", 2),
        ("/users?$select=id", 1),
        (f"/users/{ANN.id}", 1),
        ("/users/delta", 1),
        ("/groups/delta?$select=id", 1),
    ],
)
async def test_a_call_costs_what_microsoft_publishes(request_, units):
    """Told in a header and kept in the record."""
    async with an_entra() as entra:
        answer = await entra.get(request_)

        assert str(units) == answer.headers["x-ms-resource-unit"]
        assert units == entra.graph.requests[-1].cost


async def test_checking_groups_costs_four():
    """A batch itself costs nothing."""
    async with an_entra() as entra:
        await entra.post(f"/users/{ANN.id}/checkMemberGroups", {"groupIds": [USERS.id]})

        assert 4 == entra.graph.units_used


@pytest.mark.parametrize(("users", "units"), [(49, 3_500), (50, 5_000), (500, 5_000), (501, 8_000)])
def test_the_limit_depends_on_the_size_of_the_tenant(users, units):
    """Small, medium and large."""
    assert units == units_for(users)


async def test_above_the_limit_a_call_is_throttled_until_units_are_free_again():
    """With seconds to wait, and the scope of the limit."""
    async with an_entra() as entra:
        entra.graph.limits = GraphLimits(5)
        told = [(await entra.get("/users/delta")).headers.get("x-ms-throttle-limit-percentage") for _ in range(5)]
        entra.clock.pass_(seconds=3)
        refused = await entra.get("/users/delta")

        assert [None, None, None, "0.80", "1.00"] == told
        assert (429, "TooManyRequests") == brief(refused)
        assert "7" == refused.headers["retry-after"]
        assert "ResourceUnitLimitExceeded" == refused.headers["x-ms-throttle-information"]
        assert f"Tenant_Application/ReadWrite/{entra.app.client_id}/{entra.tenant.id}" == refused.headers["x-ms-throttle-scope"]
        entra.clock.pass_(seconds=7)
        assert 200 == (await entra.get("/users/delta")).status_code


def test_a_throttled_request_counts_too():
    """Hammering keeps the door shut."""
    limits = GraphLimits(2)
    limits.take(2, MORNING)
    with pytest.raises(OverLimit):
        limits.take(1, MORNING + timedelta(seconds=9))
    with pytest.raises(OverLimit):
        limits.take(2, MORNING + timedelta(seconds=11))

    assert 1.0 == limits.take(2, MORNING + timedelta(seconds=22))


@pytest.mark.parametrize(
    ("form", "header"),
    [
        ("seconds", "3"),
        ("fraction", "2.128"),
        ("http_date", "Mon, 02 Mar 2026 09:00:03 GMT"),
        ("absent", None),
    ],
)
async def test_a_throttled_answer_can_have_any_form_of_retry_after(form, header):
    """A client must read them all."""
    async with an_entra() as entra:
        entra.graph.faults.add(graph_faults.throttled(form, 2.128), "members")
        answer = await entra.get(MEMBERS)

        assert (429, "TooManyRequests") == brief(answer)
        assert header == answer.headers.get("retry-after")
        assert 200 == (await entra.get(MEMBERS)).status_code


async def test_a_repeat_before_its_time_is_seen():
    """For tests of a client's patience."""
    async with an_entra() as entra:
        entra.graph.faults.add(graph_faults.unavailable(seconds=5), "list_users", times=2)
        await entra.get("/users")
        entra.clock.pass_(seconds=4)
        await entra.get("/users")
        entra.clock.pass_(seconds=5)
        await entra.get("/users")

        assert [MORNING + timedelta(seconds=4)] == [seen.at for seen in entra.graph.early_retries]


# --------------------------------------------------------------------------------------------------------------- batch


async def test_a_batch_is_answered_call_by_call_in_another_order():
    """Each is judged and billed alone."""
    async with an_entra() as entra:
        answer = await entra.post(
            "/$batch",
            {
                "requests": [
                    {"id": "1", "method": "GET", "url": f"/users/{ANN.id}?$select=id"},
                    {
                        "id": "2",
                        "method": "POST",
                        "url": f"users/{CAT.id}/checkMemberGroups",
                        "body": {"groupIds": [USERS.id]},
                        "headers": {"Content-Type": "application/json"},
                    },
                    {"id": "3", "method": "GET", "url": f"/users/{guid('nobody')}"},
                    {"id": "4", "method": "GET", "url": f"{DEEPLY}/$count", "headers": {"ConsistencyLevel": "eventual"}},
                ]
            },
        )
        inner = {one["id"]: one for one in answer.json()["responses"]}

        assert (200, ["4", "3", "2", "1"]) == (answer.status_code, [one["id"] for one in answer.json()["responses"]])
        assert [200, 200, 404, 200] == [inner[id_]["status"] for id_ in "1234"]
        assert [USERS.id] == inner["2"]["body"]["value"]
        assert "9" == inner["4"]["body"]
        assert "1" == inner["1"]["headers"]["x-ms-resource-unit"]
        assert [1, 4, 1, 5, 0] == [seen.cost for seen in entra.graph.requests]
        assert [True] * 4 + [False] == [seen.batched for seen in entra.graph.requests]


async def test_an_inner_call_may_be_throttled_inside_a_good_answer():
    """With its own Retry-After."""
    async with an_entra() as entra:
        entra.graph.faults.add(graph_faults.throttled(seconds=2), "user", user=ANN.id)
        answer = await entra.post(
            "/$batch", {"requests": [{"id": user.id, "method": "GET", "url": f"/users/{user.id}"} for user in (ANN, BOB)]}
        )
        inner = {one["id"]: one for one in answer.json()["responses"]}

        assert (200, 429, 200) == (answer.status_code, inner[ANN.id]["status"], inner[BOB.id]["status"])
        assert "2" == inner[ANN.id]["headers"]["Retry-After"]


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"id": str(number), "method": "GET", "url": "/users"} for number in range(21)],
        [{"id": "1", "method": "GET", "url": "/users"}] * 2,
        [{"id": "1", "method": "GET"}],
    ],
)
async def test_a_wrong_batch_is_refused_as_a_whole(requests):
    """None, more than twenty, twice the same id, half a request."""
    async with an_entra() as entra:
        assert 400 == (await entra.post("/$batch", {"requests": requests})).status_code


async def test_what_depends_on_a_failed_call_is_not_tried():
    """424."""
    async with an_entra() as entra:
        answer = await entra.post(
            "/$batch",
            {
                "requests": [
                    {"id": "1", "method": "GET", "url": f"/users/{guid('nobody')}"},
                    {"id": "2", "method": "GET", "url": "/users", "dependsOn": ["1"]},
                ]
            },
        )

        assert {"1": 404, "2": 424} == {one["id"]: one["status"] for one in answer.json()["responses"]}
        assert [] == entra.graph.asked("list_users")


# ------------------------------------------------------------------------------------------------------------ bad days


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (graph_faults.missing(), (404, "Request_ResourceNotFound")),
        (graph_faults.permission_denied(), (403, "Authorization_RequestDenied")),
        (graph_faults.internal_error(), (500, "InternalServerError")),
        (graph_faults.unavailable(), (503, "serviceNotAvailable")),
        (graph_faults.signing_key_invalid(), (401, "InvalidAuthenticationToken")),
        (graph_faults.refusing(409, "Odd", "Something else."), (409, "Odd")),
    ],
)
async def test_any_refusal_can_be_played(fault, said):
    """Once, for one group only."""
    async with an_entra() as entra:
        entra.graph.faults.add(fault, "members", user=USERS.id)

        assert 200 == (await entra.get(f"/groups/{TEAM.id}/members")).status_code
        assert said == brief(await entra.get(MEMBERS))
        assert said == (entra.graph.requests[-1].status, entra.graph.requests[-1].code)
        assert 200 == (await entra.get(MEMBERS)).status_code


async def test_pages_can_be_wrong_in_every_way_a_client_must_survive():
    """Nulls, a foreign link, no link, missing and repeated rows, no end."""
    async with an_entra() as entra:

        async def page(fault: faults.Fault, query: str = "$select=id,mail&$top=4") -> dict:
            entra.graph.faults.clear()
            entra.graph.faults.add(fault, "members", times=None)
            return (await entra.get(f"{MEMBERS}?{query}")).json()

        assert [None] == [row["mail"] for row in (await page(graph_faults.nulls()))["value"] if row["@odata.type"] == USER]
        assert "https://evil.example/" == (await page(graph_faults.next_link("https://evil.example/")))["@odata.nextLink"]
        assert "@odata.nextLink" not in await page(graph_faults.cut_short())
        assert 3 == len((await page(graph_faults.short_page()))["value"])
        endless = await page(graph_faults.endless_walk())
        again = (await entra.get(endless["@odata.nextLink"])).json()
        assert endless["@odata.nextLink"] == again["@odata.nextLink"]
        first = await page(graph_faults.repeated_row())
        assert first["value"][-1] == (await entra.get(first["@odata.nextLink"])).json()["value"][0]


async def test_a_gateway_may_answer_instead():
    """A page for people, or nothing."""
    async with an_entra() as entra:
        entra.graph.faults.add(faults.html_page(200), "members")
        entra.graph.faults.add(graph_faults.gateway_timeout(), "members", skip=1)

        assert "text/html" in (await entra.get(MEMBERS)).headers["content-type"]
        assert (504, b"") == ((answer := await entra.get(MEMBERS)).status_code, answer.content)


async def test_connections_can_break():
    """Before the work, after it, or in the middle of the answer."""
    entra = Entra()
    entra.graph.faults.add(faults.connection_reset(), "members")
    entra.graph.faults.add(faults.truncated_answer(), "members", skip=1)
    async with serve(entra.graph) as serving, httpx.AsyncClient(base_url=f"{serving.url}/v1.0") as http:
        for broken in (httpx.ReadError, httpx.RemoteProtocolError):
            with pytest.raises(broken):
                await http.get(MEMBERS, headers={"Authorization": f"Bearer {entra.token}"})

    assert [0, 0] == [seen.status for seen in entra.graph.requests]


async def test_replicas_may_be_behind():
    """Ordinary reads by one lag, advanced ones by another; what is up to date is up to date."""
    async with an_entra() as entra:
        entra.graph.reads.read_lag, entra.graph.reads.index_lag = timedelta(seconds=30), timedelta(minutes=5)
        entra.tenant.leave(USERS.id, "ann@corp.example")
        entra.tenant.add(new := a_person("new@corp.example"))
        entra.tenant.join(USERS.id, new.id)

        async def seen(**headers: str) -> tuple[bool, bool]:
            query = "/microsoft.graph.user?$count=true" if headers else ""
            there = ids(await entra.walk(MEMBERS + query, **headers))
            return ANN.id in there, new.id in there

        assert ((True, False), (True, False)) == (await seen(), await seen(**ADVANCED))
        assert (404, "Request_ResourceNotFound") == brief(await entra.get(f"/users/{new.id}"))
        entra.clock.pass_(minutes=1)
        assert ((False, True), (True, False)) == (await seen(), await seen(**ADVANCED))
        entra.clock.pass_(minutes=5)
        assert (False, True) == await seen(**ADVANCED)


async def test_latency_is_slept_and_never_asked_of_the_wall_clock():
    """Time passes as the test says."""
    async with an_entra() as entra:
        entra.graph.latency_seconds = 0.05
        await entra.get("/users")

        assert [0.05] == entra.clock.slept


async def test_the_record_has_no_secret_in_it():
    """Neither the access token nor a page token."""
    async with an_entra() as entra:
        link = (await entra.get(f"{MEMBERS}?$top=4")).json()["@odata.nextLink"]
        await entra.get(link)

        assert entra.token not in repr(entra.graph.requests)
        assert link.partition("skiptoken=")[2] not in repr(entra.graph.requests)
        assert [False, True] == [seen.continues for seen in entra.graph.requests]


def test_every_call_in_the_table_is_served():
    """No name without a handler."""
    served = {operation.name for operation in OPERATIONS} - {"batch"}

    assert served == set(Entra().graph.reads._handlers)
