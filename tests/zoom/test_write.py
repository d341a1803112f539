"""Changing one account: what is sent, and what every refusal means."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.errors import AnswerLost, CredentialsRefused, LimitReached, Refused, ScopeMissing, SyncdError
from syncd.http.answers import ErrorBody, Reply
from syncd.zoom.refusals import read_error, refusal, without_addresses
from syncd.zoom.scopes import OPERATIONS, REVOKE_SESSIONS, SET_STATUS, UPDATE_USER, Operation
from tests.http.scripted_http import Answer
from tests.zoom.scripted_zoom import ScriptedZoom, a_zoom, refused

STATUS = "PUT /v2/users/id-ann/status"


async def deactivate(world: ScriptedZoom) -> None:
    await world.zoom.set_status("id-ann", active=False)


@pytest.mark.parametrize("answer", [Answer(204), Answer(200), Answer(200, {"ok": True}), Answer(202, b"<html>")])
@pytest.mark.parametrize(("active", "action"), [(True, "activate"), (False, "deactivate")])
async def test_a_status_is_set_by_one_request(answer: Answer, active: bool, action: str) -> None:
    """Any 2xx is success, body or not: Zoom's documents name 200 and 204."""
    async with a_zoom() as world:
        world.other[STATUS] = [answer]
        await world.zoom.set_status("id-ann", active=active)

        assert [{"action": action}] == [request.json for request in world.asked("PUT")]


async def test_a_licence_is_given_back_by_its_type() -> None:
    """The plan is not sent along: Zoom refuses it beside a type."""
    async with a_zoom() as world:
        world.other["PATCH /v2/users/id-ann"] = [Answer(204)]
        await world.zoom.restore_licence("id-ann", type_=2, plan="32")

        assert [{"type": 2}] == [request.json for request in world.asked("PATCH")]


@pytest.mark.parametrize("type_", [3, 99, 0])
async def test_a_type_the_api_cannot_give_is_refused_without_asking(type_: int) -> None:
    """On-prem and "none" are things of the past."""
    async with a_zoom() as world:
        with pytest.raises(Refused, match="nothing was sent"):
            await world.zoom.restore_licence("id-ann", type_=type_, plan=None)

        assert [] == world.server.requests


async def test_sessions_are_revoked_by_the_token_call() -> None:
    """DELETE, without a body."""
    async with a_zoom() as world:
        world.other["DELETE /v2/users/id-ann/token"] = [Answer(204)]
        await world.zoom.revoke_sessions("id-ann")

        assert [b""] == [request.body for request in world.asked("DELETE")]


@pytest.mark.parametrize("lost", [Answer(reset=True), Answer(500, b""), Answer(503, b"<html>"), Answer(204, stall=True)])
async def test_a_lost_answer_is_not_repeated(lost: Answer) -> None:
    """It may have happened: the caller looks."""
    async with a_zoom() as world:
        world.other[STATUS] = [lost, Answer(204)]
        zoom = world.made(request_seconds=0.2)
        with pytest.raises(AnswerLost):
            await zoom.set_status("id-ann", active=False)
        await zoom.close()

        assert 1 == len(world.asked("PUT"))


async def test_a_throttled_change_is_handed_back_so_that_somebody_looks_first() -> None:
    """It was surely not carried out, but until it may be repeated the world goes on; the next request waits."""
    async with a_zoom() as world:
        world.other[STATUS] = [refused(429, 429, "per-second", **{"retry-after": "9"}), Answer(204)]
        with pytest.raises(Refused, match="per-second") as caught:
            await deactivate(world)
        assert ("throttled", 1) == (caught.value.kind, len(world.asked("PUT")))

        await deactivate(world)
        assert world.clock.passed >= 9


async def test_a_used_up_day_ends_the_changes() -> None:
    """Zoom's daily limit, with its time or without."""
    for headers in ({"retry-after": "2026-11-24T00:00:00Z"}, {}):
        async with a_zoom() as world:
            message = "You have reached the maximum daily rate limit for this API."
            world.other[STATUS] = [refused(429, 429, message, **headers)]
            for _ in range(2):
                with pytest.raises(LimitReached) as caught:
                    await deactivate(world)
                assert "2026-11-24T00:00" in (caught.value.resume_at or "")

            assert 1 == len(world.asked("PUT"))


@pytest.mark.parametrize(
    "expired",
    [
        refused(401, 124, "x"),
        refused(400, 124, "x"),
        Answer(401, {"status": False, "errorCode": 401}),
    ],
)
async def test_an_expired_token_is_replaced_and_the_change_repeated(expired: Answer) -> None:
    """All three shapes Zoom was seen to use."""
    async with a_zoom() as world:
        world.other[STATUS] = [expired, Answer(204)]
        await deactivate(world)
        assert ["Bearer token-1", "Bearer token-2"] == [request.headers["authorization"] for request in world.asked("PUT")]

        world.other[STATUS] = [expired]
        with pytest.raises(CredentialsRefused):
            await deactivate(world)


# ------------------------------------------------------------------------------------------------------- refusals

ADMIN = "Zoom Room and Admin users' status cannot be activated or deactivated."
RIGHTS = "Invalid access token. Does not contain permissions [User:Edit]."
EVENTS = "You cannot deactivate this user because the user has an upcoming Zoom Events scheduled."

REFUSALS: list[tuple[Operation, int, int | None, str, type[SyncdError], str]] = [
    (SET_STATUS, 400, 200, ADMIN, Refused, "account"),
    (SET_STATUS, 400, 200, "zoom rooms cannot be changed", Refused, "account"),
    (SET_STATUS, 400, 200, "Only available for paid account.", Refused, "other"),
    (SET_STATUS, 400, 200, "", Refused, "other"),
    (SET_STATUS, 400, 300, EVENTS, Refused, "events"),
    (SET_STATUS, 400, 3412, "cap of Basic users", Refused, "no_licence"),
    (SET_STATUS, 400, 2033, "Basic user limit", Refused, "no_licence"),
    (SET_STATUS, 404, 1001, "User does not exist", Refused, "gone"),
    (SET_STATUS, 409, 1005, "conflict", Refused, "other"),
    (SET_STATUS, 400, 9999, "something new", Refused, "other"),
    (SET_STATUS, 400, None, "", Refused, "other"),
    (UPDATE_USER, 400, 3412, "no paying users left", Refused, "no_licence"),
    (UPDATE_USER, 400, 2034, "licences used up", Refused, "no_licence"),
    (UPDATE_USER, 400, 2038, "licences used up", Refused, "no_licence"),
    (UPDATE_USER, 400, 300, "Validation failed", Refused, "other"),
    (UPDATE_USER, 400, 200, "Admin users cannot be changed", Refused, "other"),
    (UPDATE_USER, 400, 1108, "requirements not met", Refused, "other"),
    (REVOKE_SESSIONS, 404, 1001, "User does not exist", Refused, "gone"),
    (SET_STATUS, 400, 200, RIGHTS, ScopeMissing, "User:Edit"),
    (SET_STATUS, 401, 200, RIGHTS, ScopeMissing, "User:Edit"),
    (SET_STATUS, 400, 200, "You do not have permission to change admin users.", Refused, "account"),
    (SET_STATUS, 400, 200, "No permission.", Refused, "rights"),
    (UPDATE_USER, 403, 200, "You are not allowed to change this user.", Refused, "rights"),
    (
        SET_STATUS,
        400,
        4711,
        "Invalid access token, does not contain scopes:[user:update:status:admin].",
        ScopeMissing,
        "user:update:status:admin",
    ),
    (SET_STATUS, 400, 4700, "no", ScopeMissing, "user:update:status:admin"),
    (UPDATE_USER, 400, 4711, "no", ScopeMissing, "user:update:user:admin"),
    (REVOKE_SESSIONS, 400, 4711, "no", ScopeMissing, "user:delete:token:admin"),
    (SET_STATUS, 401, 4711, "no", ScopeMissing, "user:update:status:admin"),
    (SET_STATUS, 403, 4711, "no", ScopeMissing, "user:update:status:admin"),
    (SET_STATUS, 403, None, "", Refused, "other"),
    (SET_STATUS, 403, 200, "denied", Refused, "other"),
    (SET_STATUS, 403, 1001, "User does not exist", Refused, "gone"),
    (SET_STATUS, 401, 3412, "cap of Basic users", Refused, "no_licence"),
    (SET_STATUS, 400, 2300, "endpoint not recognised", Refused, "other"),
    (SET_STATUS, 404, None, "", Refused, "other"),
    (SET_STATUS, 404, 1010, "User does not belong to this account", Refused, "other"),
    (SET_STATUS, 429, None, "", Refused, "throttled"),
]


@pytest.mark.parametrize(("operation", "status", "code", "message", "error", "means"), REFUSALS)
def test_what_a_refusal_means(
    operation: Operation, status: int, code: int | None, message: str, error: type[SyncdError], means: str
) -> None:
    """The account, the set-up, or the service; and always what to do."""
    found = refusal(operation, Reply(status, {}, b"", ErrorBody(code, message)))

    assert error is type(found)
    assert means == (found.kind if isinstance(found, Refused) else found.scope if isinstance(found, ScopeMissing) else "")
    assert found.do
    assert message in found.what
    if isinstance(found, Refused):
        assert (code, status) == (found.code, found.status)


async def test_refusals_are_not_repeated() -> None:
    """Zoom may switch off an app that keeps failing: one request each."""
    async with a_zoom() as world:
        for answer in (refused(400, 200, ADMIN), refused(400, 200, RIGHTS), refused(403), refused(404, 1001, "no")):
            world.other[STATUS] = [answer]
            with pytest.raises((Refused, ScopeMissing)):
                await deactivate(world)

        assert (4, 1) == (len(world.asked("PUT")), world.tokens)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("code", [4711, 4700, "4711"])
async def test_a_missing_scope_is_met_by_one_fresh_token_and_one_retry(status: int, code: Any) -> None:
    """The code decides, not the status; a token never gains scopes, a newer one may have them. Nor is the one that lacked it
    used again, so that a scope granted meanwhile counts at once."""
    async with a_zoom() as world:
        lacks = Answer(status, {"code": code, "message": "does not contain scopes:[user:update:status:admin]."})
        world.other[STATUS] = [lacks, Answer(204)]
        await deactivate(world)
        assert (2, 2) == (len(world.asked("PUT")), world.tokens)

        world.other[STATUS] = [lacks]
        with pytest.raises(ScopeMissing, match="HTTP") as caught:
            await deactivate(world)
        assert ("user:update:status:admin", 4, 3) == (caught.value.scope, len(world.asked("PUT")), world.tokens)

        world.other[STATUS] = [Answer(204)]
        await deactivate(world)
        assert "Bearer token-4" == world.asked("PUT")[-1].headers["authorization"]


async def test_one_busy_account_keeps_nobody_else_waiting() -> None:
    """Zoom works on another change of this account: only the next change of it waits, and the others go at once."""
    async with a_zoom() as world:
        world.other[STATUS] = [refused(429, 429, "Too many concurrent requests. A request has already been made.")]
        world.other["PUT /v2/users/id-bob/status"] = [Answer(204)]
        for _ in range(2):
            with pytest.raises(Refused) as caught:
                await deactivate(world)
            assert ("throttled", True) == (caught.value.kind, caught.value.alone)
        waited = world.clock.passed
        await world.zoom.set_status("id-bob", active=False)

        assert 0 < waited == world.clock.passed


# ------------------------------------------------------------------------------------------------------ error bodies


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, b'{"code": 300, "message": "Bad."}', {}, ErrorBody(300, "Bad.")),
        (400, b'{"code": "300", "message": null}', {}, ErrorBody(300, "")),
        (
            400,
            (
                b'{"code": 300, "message": "Validation Failed.", '
                b'"errors": [{"field": "user_info.type", "message": "Invalid field."}]}'
            ),
            {},
            ErrorBody(300, "Validation Failed. (user_info.type: Invalid field.)"),
        ),
        (400, b'{"code": 200, "message": "x", "errors": null}', {}, ErrorBody(200, "x")),
        (400, b'{"code": 124}', {}, ErrorBody(124, token_refused=True)),
        (403, b'{"code": 124}', {}, ErrorBody(124, token_refused=True)),
        (401, b"<html>", {}, ErrorBody()),
        (401, b'{"status": false, "errorCode": 401}', {}, ErrorBody(401)),
        (401, b'{"code": 1001}', {}, ErrorBody(1001, outranks=True)),
        (429, b'{"code": 1001}', {}, ErrorBody(1001, outranks=True)),
        (403, b'{"code": 4700}', {}, ErrorBody(4700, scope_missing=True)),
        (400, b'{"code": 429, "message": "x"}', {}, ErrorBody(429, "x", throttled=True)),
        (429, b'{"message": "Too many concurrent requests."}', {}, ErrorBody(None, "Too many concurrent requests.", busy=True)),
        (503, b"<html>", {}, ErrorBody()),
        (400, b"[]", {}, ErrorBody()),
        (400, b'{"code": {"a": 1}, "errors": ["x", 1]}', {}, ErrorBody()),
        (
            429,
            b'{"code": 429, "message": "per-second rate limit"}',
            {"x-ratelimit-type": "QPS"},
            ErrorBody(429, "per-second rate limit", throttled=True),
        ),
        (
            429,
            b'{"code": 429, "message": "x"}',
            {"x-ratelimit-type": "Daily-limit"},
            ErrorBody(429, "x", throttled=True, day_used_up=True),
        ),
        (
            429,
            b'{"code": 429, "message": "maximum daily rate limit"}',
            {},
            ErrorBody(429, "maximum daily rate limit", throttled=True, day_used_up=True),
        ),
    ],
)
def test_error_bodies_of_every_shape(status: int, body: bytes, headers: dict[str, str], expected: Any) -> None:
    """Code and message where there are any; never an exception."""
    assert expected == read_error(status, body, headers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User does not exist: jchill@example.com.", "User does not exist: (address)."),
        ("[a+b@x.example,c@y.example]", "[(address),(address)]"),
        ("no address here", "no address here"),
        ("@ and @", "@ and @"),
    ],
)
def test_addresses_are_taken_out_of_messages(text: str, expected: str) -> None:
    """Wherever they stand."""
    assert expected == without_addresses(text)


def test_every_operation_has_its_own_word_and_scope() -> None:
    """Metrics and advice depend on it."""
    assert len(OPERATIONS) == len({operation.name for operation in OPERATIONS}) == len({o.scope for o in OPERATIONS})
