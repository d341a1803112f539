"""Ending an account with its content handed over: what is sent, and what every refusal means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.errors import AnswerLost, Refused, ScopeMissing
from syncd.model import Inventory, Status, ZoomAccount
from syncd.zoom.ending import EndingApi
from tests.http.scripted_http import Answer
from tests.zoom.scripted_zoom import ScriptedZoom, a_zoom, refused

PATH = "DELETE /v2/users/id-lee"
ALL = ("meetings", "webinars", "recordings", "whiteboards")


async def end(world: ScriptedZoom, how: str = "delete", content: tuple[str, ...] = ALL) -> None:
    api = EndingApi(world.settings, world.clock, world.told.append)
    try:
        await api.end_account("id-lee", end=how, receiver="mia+x@corp.example", content=content)
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("how", "content", "query"),
    [
        (
            "delete",
            ALL,
            {
                "action": "delete",
                "transfer_meeting": "true",
                "transfer_webinar": "true",
                "transfer_recording": "true",
                "transfer_whiteboard": "true",
            },
        ),
        ("unlink", ("meetings",), {"action": "disassociate", "transfer_meeting": "true"}),
    ],
)
async def test_one_request_says_how_to_whom_and_what(how: str, content: tuple[str, ...], query: dict[str, str]) -> None:
    """Zoom's default is to unlink, so the action is always said."""
    async with a_zoom() as world:
        world.other[PATH] = [Answer(204)]
        await end(world, how, content)
        asked = [dict(request.query) for request in world.asked("DELETE")]

        assert [{**query, "transfer_email": "mia+x@corp.example"}] == asked


REFUSALS: list[tuple[int, int, str, str, str]] = [
    (400, 300, "The target user is the same as the source user.", "same", "another receiver"),
    (400, 300, "The user has published Zoom Events.", "events", "Zoom Events first"),
    (400, 300, "The target user lacks the license.", "licence", "licence"),
    (400, 300, "You cannot unlink the user of the API.", "own_user", "app"),
    (400, 300, "Something new.", "other", "nothing was handed over"),
    (400, 200, "Unable to delete this deactivated user. Contact Zoom support.", "inactive", "support"),
    (400, 200, "The user must be active.", "must_be_active", "plan --reopen"),
    (400, 200, "Zoom Rooms users cannot be deleted.", "room", "portal"),
    (400, 200, "You are not able to delete this user.", "not_deletable", "ordinary role"),
    (400, 1000, "Call queue manager.", "call_queue", "another manager"),
    (400, 1107, "Managed domain.", "managed_domain", "end: delete"),
    (400, 1117, "Admin.", "admin", "ordinary role"),
    (400, 1120, "Invitation.", "invitation", "portal"),
    (404, 1001, "User does not exist.", "gone", "which of the two"),
    (400, 9999, "Unheard of.", "other", "portal"),
    (429, 429, "Too many concurrent requests.", "throttled", "approve the plan anew"),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "do"), REFUSALS)
async def test_every_refusal_says_what_to_do(status: int, code: int, message: str, kind: str, do: str) -> None:
    """One request each: a refusal is never repeated."""
    async with a_zoom() as world:
        world.other[PATH] = [refused(status, code, message)]
        with pytest.raises(Refused) as met:
            await end(world)

        assert (kind, code, 1) == (met.value.kind, met.value.code, len(world.asked("DELETE")))
        assert do in met.value.do


@pytest.mark.parametrize("answer", [Answer(500), Answer(503), Answer(reset=True)])
async def test_a_lost_answer_is_not_repeated(answer: Answer) -> None:
    """It may have happened."""
    async with a_zoom() as world:
        world.other[PATH] = [answer]
        with pytest.raises(AnswerLost):
            await end(world)

        assert 1 == len(world.asked("DELETE"))


async def test_a_missing_scope_is_named() -> None:
    """That of the app of its own."""
    async with a_zoom() as world:
        world.other[PATH] = [refused(400, 4711, "does not contain scopes:[user:delete:user:admin].")] * 2
        with pytest.raises(ScopeMissing, match="delete_user") as met:
            await end(world)

        assert ("user:delete:user:admin", True) == (met.value.scope, "approve the plan anew" in met.value.do)
        assert "cycle" not in met.value.do  # no cycle ever does it


def meetings(total: int, *sizes: int | None, token: str = "") -> Answer:
    return Answer(200, {"total_records": total, "next_page_token": token, "meetings": [{"total_size": size} for size in sizes]})


def account(created: datetime | None) -> ZoomAccount:
    return ZoomAccount("id-lee", "lee@corp.example", Status.INACTIVE, type=1, created_at=created)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([meetings(2, 7, token="t"), meetings(2)], None),
        ([meetings(2, 7, token="t"), meetings(2, 5)], (2, 12)),
        ([meetings(1, None)], (1, None)),
        ([meetings(3, 7)], None),
        ([refused(400, 3301, "no")], None),
    ],
)
async def test_what_an_account_holds_is_counted_or_unknown(answers: list[Answer], expected: Any) -> None:
    """Every page; what does not tie is unknown and never 0."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599}
        world.other |= {
            "GET /v2/users/id-lee/meetings": [meetings(4)],
            "GET /v2/users/id-lee/recordings": answers,
            "GET /v2/users/id-lee/webinars": [refused(400, 300, "no plan")],
        }
        created = world.clock.now() - timedelta(days=3)
        held = await world.zoom.content_of(account(created))

        assert (4, None, expected) == (
            held.meetings,
            held.webinars,
            None if held.recordings is None else (held.recordings, held.recording_bytes),
        )


@pytest.mark.parametrize("created", [None, datetime(2000, 1, 1, tzinfo=UTC)])
async def test_recordings_of_an_account_without_a_beginning_are_unknown(created: datetime | None) -> None:
    """Nobody can say that there are none before the months that were asked for."""
    async with a_zoom() as world:
        world.token = {"expires_in": 3599, "scope": "cloud_recording:read:list_user_recordings:admin"}
        held = await world.zoom.content_of(account(created))

        assert Inventory("basic") == held
