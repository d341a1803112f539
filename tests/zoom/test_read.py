"""Reading Zoom: whole, or an error that says which list, which page, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.errors import AccountUnreadable, CredentialsRefused, LimitReached, ScopeMissing, SourceError
from syncd.events import LicencesCounted, Noted, ReadProgress
from syncd.model import Status
from syncd.zoom.api import ZoomSettings
from tests.http.scripted_http import Answer
from tests.zoom.scripted_zoom import ROLES, SCOPES, a_zoom, page, refused, user

# ----------------------------------------------------------------------------------------------------- whole reads


async def test_the_three_lists_are_read_and_put_together() -> None:
    """Active, inactive and pending; roles by name; sorted; pending ones without an id."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann"), user("bob", role_id="1")])]
        world.lists["inactive"] = [page([user("cid", "inactive", type=1)])]
        world.lists["pending"] = [page([user("dan", "pending")])]
        snapshot = await world.zoom.read()

    assert [
        (None, "dan@corp.example", Status.PENDING, "Member", 2),
        ("id-ann", "ann@corp.example", Status.ACTIVE, "Member", 2),
        ("id-bob", "bob@corp.example", Status.ACTIVE, "Admin", 2),
        ("id-cid", "cid@corp.example", Status.INACTIVE, "Member", 1),
    ] == [(a.zoom_id, a.email, a.status, a.role, a.type) for a in snapshot.accounts]
    assert ("acc", {"0": "Owner", "1": "Admin", "2": "Member"}, {}) == (snapshot.account_id, snapshot.roles, snapshot.groups)


async def test_everything_that_decides_or_is_recorded_is_kept() -> None:
    """Licence, plan, add-ons, groups, department, times; unknown fields are ignored."""
    seen = user(
        "ann",
        display_name="Ann E.",
        plan_united_type="32",
        dept="Sales",
        group_ids=["g2", "g1"],
        license_info_list=[{"license_type": "MEETING", "license_option": 72057594037927940}],
        last_login_time="2026-11-20T08:00:00Z",
        user_created_at="2019-06-01T07:58:03Z",
        created_at="2020-01-01T00:00:00Z",
        a_field_of_tomorrow={"x": 1},
    )
    async with a_zoom() as world:
        world.lists["active"] = [page([seen])]
        (account,) = (await world.zoom.read()).accounts

    assert ("Ann E.", "32", "Sales", ("g1", "g2")) == (account.display_name, account.plan, account.department, account.group_ids)
    assert '[{"license_option":72057594037927940,"license_type":"MEETING"}]' == account.licences
    assert (datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2019, 6, 1, 7, 58, 3, tzinfo=UTC)) == (
        account.last_login_at,
        account.created_at,
    )


async def test_what_only_decorates_never_fails_a_read() -> None:
    """An odd login time, no names, no department: the account is read all the same."""
    bare = user("ann", first_name=..., last_name=..., last_login_time="yesterday", dept=None, group_ids=None)
    async with a_zoom() as world:
        world.lists["active"] = [page([bare])]
        (account,) = (await world.zoom.read()).accounts

    assert ("", None, "", ()) == (account.display_name, account.last_login_at, account.department, account.group_ids)


async def test_a_role_nobody_listed_has_no_name() -> None:
    """Then it is no ordinary role, and the account stays protected."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann", role_id="custom"), user("bob", role_id=...)])]
        ann, bob = (await world.zoom.read()).accounts

    assert [("custom", None), (None, None)] == [(ann.role_id, ann.role), (bob.role_id, bob.role)]


async def test_pages_are_followed_with_the_same_parameters() -> None:
    """Zoom asks for the same query with each token; the page size is the configured one."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann")], 3, "t1"), page([user("bob")], 3, "t2"), page([user("cid")], 3)]
        zoom = world.made(page_size=2000)
        assert 3 == (await zoom.read()).count(Status.ACTIVE)
        await zoom.close()
        asked = [r.query for r in world.asked("GET /v2/users") if r.query["status"] == "active"]

    same = {"status": "active", "page_size": "2000"}
    assert [same, {**same, "next_page_token": "t1"}, {**same, "next_page_token": "t2"}] == asked


async def test_equal_texts_are_kept_once() -> None:
    """A hundred thousand accounts must stay small."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann", dept="Sales", group_ids=["g"]), user("bob", dept="Sales", group_ids=["g"])])]
        ann, bob = (await world.zoom.read()).accounts

    assert ann.department is bob.department
    assert ann.group_ids is bob.group_ids
    assert ann.role_id is bob.role_id


async def test_progress_is_told_with_the_total_once_known() -> None:
    """Every page; the total only when all three lists gave theirs."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann")], 2, "t"), page([user("bob")], 2)]
        await world.zoom.read()
        told = world.of(ReadProgress)

    assert ReadProgress("zoom", 2, 2) == told[-1]
    assert {None, 2} >= {event.total for event in told}


# ------------------------------------------------------------------------------------------- contradictory walks


def a(name: str) -> dict[str, object]:
    return user(name)


CONTRADICTIONS = {
    "short": ([page([a("ann")], 2)], "1 of 2 came by the last page, 1"),
    "short after two pages": ([page([a("ann")], 3, "t"), page([a("bob")], 3)], "2 of 3 came by the last page, 2"),
    "too many": ([page([a("ann"), a("bob")], 1)], "by page 1 2 came, more than the total of 1"),
    "the same user twice instead of two": ([page([a("ann")], 2, "t"), page([a("ann")], 2)], "1 of 2 came by the last page, 2"),
    "totals differ": ([page([a("ann")], 2, "t"), page([a("bob")], 3)], "page 2 gives a total of 3, the pages before gave 2"),
    "a token that repeats": ([page([a("ann")], 9, "t"), page([a("bob")], 9, "t")], "page 2 leads back to an earlier page"),
    "an empty page that goes on": ([page([a("ann")], 2, "t"), page([], 2, "u")], "page 2 is empty but says that more follow"),
    "nobody, but more follow": ([page([], 0, "t")], "page 1 is empty but says that more follow"),
    "nobody at all of some": ([page([], 7)], "0 of 7 came by the last page, 1"),
    "a page token that ended": (
        [page([a("ann")], 2, "t"), refused(400, 300, "The next page token is invalid or expired.")],
        "the page token was refused at page 2",
    ),
}


@pytest.mark.parametrize("story", CONTRADICTIONS)
async def test_a_walk_that_contradicts_itself_is_begun_again(story: str) -> None:
    """Twice it goes wrong, then it is whole: that is the result, and it was said."""
    pages, why = CONTRADICTIONS[story]
    async with a_zoom() as world:
        world.lists["active"] = [*pages, *pages, page([user("ann")], 2, "x"), page([user("bob")], 2)]
        snapshot = await world.zoom.read()
        told = [event for event in world.of(Noted) if event.event == "walk.restarted"]

    assert ["id-ann", "id-bob"] == [account.zoom_id for account in snapshot.accounts]
    assert [1, 2] == [event.facts["attempt"] for event in told]
    assert why in told[0].facts["why"]


@pytest.mark.parametrize("story", CONTRADICTIONS)
async def test_a_walk_that_stays_contradictory_is_an_error(story: str) -> None:
    """Three times: SourceError naming the list, the page and the numbers, and what to do. Never a smaller list."""
    pages, why = CONTRADICTIONS[story]
    async with a_zoom() as world:
        world.lists["active"] = pages * 3
        with pytest.raises(SourceError) as caught:
            await world.zoom.read()

    assert "zoom: the list of active users was not whole in 3 attempts" in caught.value.what
    assert why in caught.value.what
    assert "page_size" in caught.value.do


async def test_a_401_in_mid_walk_begins_the_walk_again() -> None:
    """It never ends it as complete, and the pages before it do not count."""
    async with a_zoom() as world:
        first = page([user("ann")], 2, "t")
        world.lists["active"] = [
            first,
            refused(401, 124, "Invalid access token."),
            page([user("bob")], 2),
            first,
            page([user("bob")], 2),
        ]
        snapshot = await world.zoom.read()

    assert 2 == snapshot.count(Status.ACTIVE)
    assert ["the token was refused at page 2"] == [
        event.facts["why"] for event in world.of(Noted) if event.event == "walk.restarted"
    ]


async def test_a_token_that_is_refused_again_ends_the_read() -> None:
    """400 with code 124 is an expired token, too."""
    async with a_zoom() as world:
        world.lists["inactive"] = [refused(400, 124, "Access token is expired.")]
        with pytest.raises(CredentialsRefused, match="a fresh token was refused too"):
            await world.zoom.read()


# ------------------------------------------------------------------------------------------------- wrong answers


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page(None, 0), r"list_users, active, page 1: the answer is not as documented .*users"),
        (page([user("eve"), user("ann", id=7)], 2), r"not as documented .*; row 2\)"),
        (page([user("ann", email=None)], 1), "account id-ann came without an e-mail address"),
        (page([user("ann", email=["x"])], 1), "row 1, account id-ann"),
        (page([user("ann", email="a\ud83d@corp.example")], 1), "account id-ann came with an e-mail address that is no text"),
        (page([user("ann", role_id=2)], 1), "row 1, account id-ann"),
        (page([user("ann", status=1)], 1), "row 1, account id-ann"),
        (page([user("ann", group_ids="Rooms")], 1), "row 1, account id-ann"),
        (page([], ...), "total_records"),
        (page([], "0"), "total_records"),
        (Answer(200, {"total_records": 0, "next_page_token": ""}), "users"),
        (Answer(200, []), "not as documented"),
        (page([user("ann", id=...)], 1), "status active came without an id"),
        (page([user("ann", id="")], 1), "status active came without an id"),
        (page([user("ann", email=" ")], 1), "without an e-mail address"),
        (page([user("ann", "inactive")], 1), "came with the status 'inactive'; active ones were asked for"),
        (page([user("ann", "frozen")], 1), "row 1: account id-ann came with the status 'frozen'"),
        (page([user("eve"), user("abe"), user("ann", "inactive")], 3), "page 1, row 3: account id-ann came with the status"),
        (page([user("eve"), user("ann", id=...)], 2), "row 2: an account with status active came without an id"),
        (page([user("eve"), user("ann", id="  ")], 2), "row 2: an account with status active came without an id"),
        (page([user("eve"), user("ann", email="")], 2), "row 2: account id-ann came without an e-mail address"),
    ],
)
async def test_an_answer_of_another_shape_is_an_error(answer: Answer, says: str) -> None:
    """Null, wrong types, missing totals, missing ids, another status: nothing is concluded, nothing is retried."""
    async with a_zoom() as world:
        world.lists["active"] = [answer]
        with pytest.raises(SourceError, match=says):
            await world.zoom.read()
        asked = [request for request in world.asked("GET /v2/users") if request.query["status"] == "active"]

    assert 1 == len(asked)


@pytest.mark.parametrize(
    "odd",
    [
        {"display_name": "Ann \ud83d"},
        {"display_name": "\ude00 Ann", "first_name": "\\ud83d"},
        {"dept": {"name": "Sales"}},
        {"last_login_time": 1764000000},
        {"user_created_at": True},
        {"created_at": {}},
        {"type": "2"},
        {"type": None},
        {"type": [2]},
        {"last_login_time": "9999-12-31T23:59:59-14:00"},
        {"user_created_at": "0001-01-01T00:00:00+14:00"},
        {"plan_united_type": 1.5},
        {"first_name": 7, "last_name": ["x"]},
        {"license_info_list": "none"},
        {"custom_attributes": 3},
    ],
)
@pytest.mark.parametrize("status", ["active", "inactive", "pending"])
async def test_decoration_never_fails_a_read(odd: dict[str, Any], status: str) -> None:
    """What it cannot be is left out; the account is read."""
    async with a_zoom() as world:
        world.lists[status] = [page([user("ann", status, **odd), user("eve", status)])]
        if status == "pending":
            world.lists["active"] = [page([user("abe")])]
        snapshot = await world.zoom.read()

    found = {account.email: account for account in snapshot.accounts}
    assert {"ann@corp.example", "eve@corp.example"} <= set(found)
    assert found["ann@corp.example"].type in (2, None)
    assert {None, UTC} >= {at.tzinfo if at else None for one in snapshot.accounts for at in (one.last_login_at, one.created_at)}


async def test_half_an_emoji_is_read_leniently_however_it_comes() -> None:
    """As an escape or as bytes; a whole one, and what only looks like one, stay as they are."""
    body = page([user("ann", display_name="X"), user("eve", display_name="Eve \U0001f600 \\ud83d")]).encoded()
    for half in (b"Ann \\ud83d", b"Ann \xf0\x9f\x98", b"Ann \\uDE00"):
        async with a_zoom() as world:
            world.lists["active"] = [Answer(200, body.replace(b'"X"', b'"' + half + b'"'))]
            names = {account.display_name for account in (await world.zoom.read()).accounts}
        assert {"Ann \N{REPLACEMENT CHARACTER}", "Eve \U0001f600 \\ud83d"} == names


async def test_odd_invitations_never_fail_a_read() -> None:
    """Two of one address, one without an address, one with an id: each is an account that is kept."""
    async with a_zoom() as world:
        rows = [
            user("dan", "pending"),
            user("dan", "pending"),
            user("x", "pending", email=...),
            user("y", "pending", email=None),
            {**user("fay", "pending"), "id": "id-fay"},
        ]
        world.lists["pending"] = [page(rows[:3], 5, "next"), page(rows[3:], 5)]
        snapshot = await world.zoom.read()

    assert ["", "", "dan@corp.example", "dan@corp.example", "fay@corp.example"] == [one.email for one in snapshot.accounts]
    assert {None} == {account.zoom_id for account in snapshot.accounts}


async def test_a_read_without_a_role_for_anybody_is_none() -> None:
    """It would protect everybody for ever, and look fine. One account without a role is only protected."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann", role_id=...), user("eve", role_id=None)])]
        with pytest.raises(SourceError, match="none of the 2 accounts came with a role"):
            await world.zoom.read()

        world.lists["inactive"] = [page([user("bob", "inactive")])]
        assert 3 == len((await world.zoom.read()).accounts)


@pytest.mark.parametrize(("total", "whole"), [(2, True), (3, False), (1, False)])
async def test_a_token_of_null_is_an_end_that_the_total_proves(total: int, whole: bool) -> None:
    """Seen in place of an empty one."""
    async with a_zoom() as world:
        last = Answer(200, {"users": [user("bob")], "total_records": total, "next_page_token": None})
        world.lists["active"] = [page([user("ann")], total, "next"), last] * 3
        if whole:
            assert 2 == len((await world.zoom.read()).accounts)
        else:
            with pytest.raises(SourceError, match="not whole"):
                await world.zoom.read()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (
            refused(400, 4711, "Invalid access token, does not contain scopes:[user:read:list_users:admin]."),
            ScopeMissing,
            r"does not contain scopes",
        ),
        (refused(400, 4700, "Invalid access token."), ScopeMissing, "Invalid access token"),
        (refused(400, 200, "Invalid access token. Does not contain permissions [User:Read]."), ScopeMissing, "permissions"),
        (refused(403), SourceError, "HTTP 403"),
        (refused(400, 2300, "This API endpoint is not recognized."), SourceError, "2300"),
        (refused(400, 300, "Validation Failed."), SourceError, "Validation Failed"),
        (refused(400, 200, "Something else."), SourceError, "Something else"),
        (Answer(404, b"<html>"), SourceError, "HTTP 404"),
        (
            refused(429, 429, "daily", **{"retry-after": "2026-11-24T00:00:00Z", "x-ratelimit-type": "Daily-limit"}),
            LimitReached,
            "until 2026-11-24T00:00:00Z",
        ),
    ],
)
async def test_a_refused_list_is_an_error(answer: Answer, error: type[SourceError], says: str) -> None:
    """Whatever Zoom refuses a read for: an error with Zoom's words, and what to do."""
    async with a_zoom() as world:
        world.lists["pending"] = [answer]
        with pytest.raises(error, match=says) as caught:
            await world.zoom.read()

    assert error is type(caught.value)
    assert caught.value.do


async def test_a_missing_scope_is_named() -> None:
    """From Zoom's message, or else from our table."""
    async with a_zoom() as world:
        for message, scope in [
            ("does not contain scopes:[user:read:admin].", "user:read:admin"),
            ("no.", "user:read:list_users:admin"),
        ]:
            world.lists["active"] = [refused(400, 4711, message)]
            with pytest.raises(ScopeMissing) as caught:
                await world.zoom.read()
            assert scope == caught.value.scope
            assert scope in caught.value.do


async def test_a_read_that_takes_too_long_is_an_error() -> None:
    """Not half a read."""
    async with a_zoom() as world:
        world.lists["active"] = [Answer(stall=True)]
        zoom = world.made(read_seconds=0.2)
        with pytest.raises(SourceError, match="not read whole within 0 s"):
            await zoom.read()
        await zoom.close()


# ----------------------------------------------------------------------------------- accounts that move meanwhile


async def test_somebody_in_two_lists_is_looked_at() -> None:
    """Deactivated by somebody while the lists were read: they are what a look shows now."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": f"{SCOPES} user:read:user:admin"}
        world.lists["active"] = [page([user("ann"), user("bob")])]
        world.lists["inactive"] = [page([user("ann", "inactive")])]
        world.other["GET /v2/users/id-ann"] = [Answer(200, user("ann", "inactive"))]
        snapshot = await world.zoom.read()

    assert [("id-ann", Status.INACTIVE), ("id-bob", Status.ACTIVE)] == [(a.zoom_id, a.status) for a in snapshot.accounts]


async def test_somebody_in_two_lists_who_cannot_be_looked_at_stops_nobody() -> None:
    """They count as active: whoever would change them looks first, and that is their outcome."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": f"{SCOPES} user:read:user:admin"}
        world.lists["active"] = [page([user("ann"), user("bob")])]
        world.lists["inactive"] = [page([user("ann", "inactive")])]
        world.other["GET /v2/users/id-ann"] = [refused(400, 1010, "User does not belong to this account.")] * 2
        snapshot = await world.zoom.read()

    assert [("id-ann", Status.ACTIVE), ("id-bob", Status.ACTIVE)] == sorted((a.zoom_id, a.status) for a in snapshot.accounts)


async def test_somebody_in_two_lists_who_is_gone_now_is_nobody() -> None:
    """Deleted right after."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": f"{SCOPES} user:read:user:admin"}
        world.lists["active"] = world.lists["inactive"] = [page([user("ann", status=...)])]
        world.other["GET /v2/users/id-ann"] = [refused(404, 1001, "User does not exist: id-ann.")]

        assert () == (await world.zoom.read()).accounts


async def test_a_dry_run_that_may_not_look_reads_again_from_the_start() -> None:
    """Without the scope for single users the whole list settles it: two scopes are enough for report mode."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann")]), page([])]
        world.lists["inactive"] = [page([user("ann", "inactive")])]
        snapshot = await world.zoom.read()

        assert [("id-ann", Status.INACTIVE)] == [(account.zoom_id, account.status) for account in snapshot.accounts]
        assert [] == world.asked("GET /v2/users/")


async def test_many_in_two_lists_mean_that_the_filter_does_not_work() -> None:
    """The same people in every list, twice over: an error, not a hundred looks."""
    crowd = [user(f"u{number}", status=...) for number in range(50)]
    async with a_zoom() as world:
        world.lists["active"] = world.lists["inactive"] = [page(crowd)]
        with pytest.raises(SourceError, match="50 accounts stood in both the active and the inactive list"):
            await world.zoom.read()

        assert [] == world.asked("GET /v2/users/")


async def test_who_accepted_meanwhile_is_no_longer_pending() -> None:
    """The invited one stands in the active list already."""
    async with a_zoom() as world:
        world.lists["active"] = [page([user("ann")])]
        world.lists["pending"] = [page([user("ann", "pending", email="Ann@Corp.Example"), user("dan", "pending")])]
        snapshot = await world.zoom.read()

    assert [("dan@corp.example", Status.PENDING), ("ann@corp.example", Status.ACTIVE)] == [
        (account.email, account.status) for account in snapshot.accounts
    ]


# ----------------------------------------------------------------------------------------------- roles and groups


async def test_a_configured_role_must_exist() -> None:
    """Protection by a role that is not there protects nobody; the message lists what is."""
    async with a_zoom() as world:
        zoom = world.made(required_roles=("member", "Contractor"))
        with pytest.raises(SourceError, match=r"no role Contractor.*there are: Admin, Member, Owner"):
            await zoom.read()
        await zoom.close()


async def test_roles_that_do_not_tie_are_survived() -> None:
    """A role in no list counts as protected, so a short list is no danger; Zoom's own printed example does not tie."""
    async with a_zoom() as world:
        world.other["GET /v2/roles"] = [Answer(200, {**ROLES, "total_records": 5})]
        assert 3 == len((await world.zoom.read()).roles)


async def test_groups_are_read_only_when_some_are_needed() -> None:
    """Another scope that nobody must grant without need; paged, and tied out."""

    def groups(*names: str, total: int = 3, token: str = "") -> Answer:
        return Answer(
            200,
            {
                "groups": [{"id": f"g-{n}", "name": n, "total_members": 1} for n in names],
                "total_records": total,
                "next_page_token": token,
            },
        )

    async with a_zoom() as world:
        await world.zoom.read()
        assert [] == world.asked("GET /v2/groups")

        zoom = world.made(required_groups=("rooms",))
        world.other["GET /v2/groups"] = [groups("Rooms", "VIP", token="t"), groups("Lab")]
        assert {"g-Rooms": "Rooms", "g-VIP": "VIP", "g-Lab": "Lab"} == (await zoom.read()).groups
        assert "t" == world.asked("GET /v2/groups")[1].query["next_page_token"]

        world.other["GET /v2/groups"] = [groups("Lab", total=1)]
        with pytest.raises(SourceError, match=r"no group rooms.*protect\.groups"):
            await zoom.read()
        world.other["GET /v2/groups"] = [groups("Rooms", total=2)]
        with pytest.raises(SourceError, match="list of groups was not whole"):
            await zoom.read()
        await zoom.close()


# ---------------------------------------------------------------------------------------------------------- one look


async def test_one_user_is_found_by_address() -> None:
    """Any character of an address arrives as it is; role_name fills in for a role that GET /users/{id} leaves out."""
    async with a_zoom() as world:
        world.other["GET /v2/users/a%2Bb%40corp.example"] = [Answer(200, user("ab", role_id=..., role_name="Member"))]
        account = await world.zoom.get_account("a+b@corp.example")
        assert account is not None

    assert ("id-ab", Status.ACTIVE, "2", "Member") == (account.zoom_id, account.status, account.role_id, account.role)


async def test_a_look_needs_no_read_before() -> None:
    """Hand verbs look without a read: the role list is fetched when the answer leaves something out."""
    async with a_zoom() as world:
        world.other["GET /v2/users/id-ann"] = [Answer(200, user("ann"))]
        account = await world.zoom.get_account("id-ann")
        assert account is not None

    assert ("2", "Member") == (account.role_id, account.role)


async def test_nobody_is_found_only_when_zoom_says_so() -> None:
    """Code 1001 is nobody; any other 404 may be any server's."""
    async with a_zoom() as world:
        world.other["GET /v2/users/gone"] = [refused(404, 1001, "User does not exist: gone.")]
        assert await world.zoom.get_account("gone") is None
        for answer in (Answer(404, b"<html>"), refused(404, 3000, "no")):
            world.other["GET /v2/users/gone"] = [answer]
            with pytest.raises(AccountUnreadable, match="HTTP 404") as caught:
                await world.zoom.get_account("gone")
            assert "gone" == caught.value.zoom_id


async def test_an_answer_about_somebody_else_is_an_error() -> None:
    """The one account that is changed is the one that was looked at."""
    async with a_zoom() as world:
        world.other["GET /v2/users/id-ann"] = [Answer(200, user("bob"))]
        with pytest.raises(AccountUnreadable, match=r"account id-ann .* told about id-bob"):
            await world.zoom.get_account("id-ann")


@pytest.mark.parametrize("changes", [{"status": ...}, {"status": "odd"}, {"id": ...}, {"email": ...}])
async def test_a_look_that_is_not_clear_is_an_error(changes: dict[str, Any]) -> None:
    """Without a status, an id or an address nothing can be concluded."""
    async with a_zoom() as world:
        world.other["GET /v2/users/ann%40corp.example"] = [Answer(200, user("ann", **changes))]
        with pytest.raises(AccountUnreadable, match=r"the account of \(address\) could not be read"):
            await world.zoom.get_account("ann@corp.example")


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        (refused(400, 1010, "User does not belong to this account."), "400/1010"),
        (refused(400, 300, "Bad."), "400/300"),
        (refused(403), "HTTP 403"),
        (refused(400, 200, "No permission."), "400/200"),
        (Answer(500, b""), "HTTP 500"),
        (Answer(reset=True), "cut"),
        (Answer(200, b"<html>"), "not JSON"),
        (Answer(200, []), "not understood"),
        (Answer(200, user("ann", id=5)), "not understood"),
        (Answer(200, user("ann", email="  ")), "not understood"),
        (Answer(200, user("ann", status="weird")), "not understood"),
        (Answer(200, user("bob")), "other id"),
    ],
)
async def test_what_zoom_answers_about_one_account_is_that_accounts_trouble(answer: Answer, same: str) -> None:
    """It is named by its id, and *answer* tells the same from another one; the next account is read as ever."""
    async with a_zoom() as world:
        world.other["GET /v2/users/id-ann"] = [answer]
        world.other["GET /v2/users/id-eve"] = [Answer(200, user("eve"))]
        with pytest.raises(AccountUnreadable, match="id-ann") as caught:
            await world.zoom.get_account("id-ann")
        assert ("id-ann", same, "zoom") == (caught.value.zoom_id, caught.value.answer, caught.value.source)
        assert caught.value.do

        assert await world.zoom.get_account("id-eve") is not None


async def test_a_zoom_that_is_not_there_is_no_accounts_trouble() -> None:
    """Nobody answered at all, a token was refused, a scope is missing: these concern everybody."""
    async with a_zoom() as world:
        zoom = world.made(api_url="http://127.0.0.1:9/v2")
        with pytest.raises(SourceError, match="could not be reached") as caught:
            await zoom.get_account("id-ann")
        assert not isinstance(caught.value, AccountUnreadable)
        await zoom.close()

        for answer, error in ((refused(401, 124, "x"), CredentialsRefused), (refused(401, 4711, "no"), ScopeMissing)):
            world.other["GET /v2/users/id-ann"] = [answer]
            with pytest.raises(error):
                await world.zoom.get_account("id-ann")


async def test_a_pending_user_may_be_looked_at_by_address() -> None:
    """They have no id."""
    async with a_zoom() as world:
        world.other["GET /v2/users/dan%40corp.example"] = [Answer(200, user("dan", "pending"))]
        account = await world.zoom.get_account("dan@corp.example")
        assert account is not None

    assert (None, Status.PENDING) == (account.zoom_id, account.status)


async def test_addresses_in_messages_are_replaced() -> None:
    """What an error says ends in logs that may not hold addresses."""
    async with a_zoom() as world:
        world.other["GET /v2/users/ann%40corp.example"] = [refused(400, 300, "Bad user ann@corp.example, sorry")]
        with pytest.raises(SourceError) as caught:
            await world.zoom.get_account("ann@corp.example")

    assert "Bad user (address), sorry" in str(caught.value)
    assert "ann" not in str(caught.value)


# -------------------------------------------------------------------------------------------------------- licences


async def test_free_licences_are_counted_where_zoom_tells() -> None:
    """Bought minus used. A refusal is remembered: an app that keeps failing may be switched off."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": "billing:read:plan_usage:admin"}
        usage = {"plan_base": {"type": "yearly", "hosts": 88, "usage": 28}}
        world.other["GET /v2/accounts/me/plans/usage"] = [Answer(200, usage)]
        assert 60 == await world.zoom.free_licences()

        world.other["GET /v2/accounts/me/plans/usage"] = [refused(400, 200, "Only available for paid account.")]
        assert [None, None] == [await world.zoom.free_licences() for _ in range(2)]
        assert 2 == len(world.asked("GET /v2/accounts"))


@pytest.mark.parametrize(
    ("usage", "seats"),
    [
        ({"plan_base": {"type": "yearly", "hosts": 88, "usage": 28}, "plan_united": {"hosts": 5, "usage": 5}}, (88, 28)),
        ({"plan_base": [{"hosts": 50, "usage": 40}, {"hosts": 5, "usage": 1}]}, (55, 41)),
        (
            {"plan_zoom_one": [{"hosts": 9, "usage": 4}, {"hosts": 5, "usage": 1}], "plan_united": {"hosts": 1, "usage": 1}},
            (15, 6),
        ),
        ({"plan_base": {"hosts": 0, "usage": 0}, "plan_zoom_one": {"hosts": 50, "usage": 60}}, (50, 60)),
        ({"plan_base": {"hosts": 0, "usage": 0}}, (0, 0)),
        ({"plan_recording": {"free_storage": "2 GB"}}, (None, None)),
        ({"plan_base": {"hosts": "88"}}, None),
        ([], None),
    ],
)
@pytest.mark.parametrize(
    "scope",
    ["billing:read:plan_usage:admin", "billing:read:plan_usage:master", "account:read:admin", "billing:master", "account:master"],
)
async def test_every_read_counts_licences_for_observers(usage: Any, seats: Any, scope: str) -> None:
    """In the shape of an ordinary account and of a master one, for whichever scope allows it; one that is odd fails nothing."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": f"{SCOPES} {scope}"}
        world.other["GET /v2/accounts/me/plans/usage"] = [Answer(200, usage)]
        world.lists["active"] = [page([user("ann")])]
        assert 1 == len((await world.zoom.read()).accounts)

        assert ([] if seats is None else [LicencesCounted(*seats)]) == world.of(LicencesCounted)


async def test_a_refused_count_is_asked_for_again_with_other_scopes() -> None:
    """Not with the same ones."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": "account:read:admin"}
        world.other["GET /v2/accounts/me/plans/usage"] = [refused(400, 4711, "no")]
        assert [None, None] == [await world.zoom.free_licences() for _ in range(2)]
        assert 2 == len(world.asked("GET /v2/accounts"))

        world.token = {"expires_in": 3599, "scope": "account:read:admin billing:read:plan_usage:admin"}
        world.other["GET /v2/accounts/me/plans/usage"] = [Answer(200, {"plan_base": {"hosts": 3, "usage": 1}})]
        await world.zoom.get_token()
        assert 2 == await world.zoom.free_licences()


async def test_check_believes_only_a_fresh_token() -> None:
    """One that is at hand may have fewer scopes than the app has by now, or more."""
    async with a_zoom() as world:
        await world.zoom.get_token()
        world.token = {"expires_in": 3599, "scope": "role:read:list_roles:admin"}
        lines = {what: fine for what, fine, _ in await world.zoom.check()}

    assert (2, False) == (world.tokens, lines["zoom scope user:read:list_users:admin"])


async def test_free_licences_are_not_asked_for_without_the_scope() -> None:
    """The token said already that it would be refused."""
    async with a_zoom() as world:
        await world.zoom.get_token()
        assert await world.zoom.free_licences() is None

        assert [] == world.asked()


def test_the_settings_do_not_show_the_secret() -> None:
    """Nor where it comes from."""
    assert "client_secret" not in repr(ZoomSettings("acc", "client", lambda: "sesame"))
