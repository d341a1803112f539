"""Zoom's operation log: what its lines say, read strictly; and reading it to its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import ScopeMissing, SourceError
from syncd.model import Sighting, Unreadable
from syncd.zoom.log import WireLine, operation_log_of, read_line
from tests.http.scripted_http import Answer
from tests.zoom.scripted_zoom import a_zoom, refused

EXAMPLES = Path(__file__).parents[3] / "shared" / "contracts" / "zoom-examples.json"
AT = "2026-03-02T09:00:00Z"
PATH = "GET /v2/report/operationlogs"


def line(detail: object, **more: object) -> WireLine:
    return WireLine(
        **{
            "time": AT,
            "operator": "admin@corp.example",
            "category_type": "User",
            "action": "Update",
            "operation_detail": detail,
            **more,
        }
    )


def log_page(*details: object, next_page_token: str | None = "") -> Answer:
    return Answer(
        200,
        {
            "page_size": 300,
            "next_page_token": next_page_token,
            "operation_logs": [
                {
                    "time": AT,
                    "operator": "admin@corp.example",
                    "category_type": "User",
                    "action": "Update",
                    "operation_detail": detail,
                }
                for detail in details
            ],
        },
    )


@pytest.mark.parametrize(
    ("detail", "what", "address"),
    [
        ("Deactivate User x@corp.example ", "deactivated", "x@corp.example"),
        ("Activate User x@corp.example", "activated", "x@corp.example"),
        ("delete user - user2@example.com", "deleted", "user2@example.com"),
        ("  DEACTIVATE   USER: X.Y+z@Corp.Example", "deactivated", "X.Y+z@Corp.Example"),
        ("Unlink user x@corp.example", "deleted", "x@corp.example"),
    ],
)
def test_known_wordings_are_read_whatever_their_case_and_blanks(detail: str, what: str, address: str) -> None:
    """With who did it, and when."""
    read = read_line(line(detail))

    assert isinstance(read, Sighting)
    assert (what, address, "admin@corp.example", datetime(2026, 3, 2, 9, tzinfo=UTC)) == (
        read.what,
        read.address,
        read.operator,
        read.at,
    )


@pytest.mark.parametrize(
    "detail",
    [
        "Deactivate User",
        "Deactivate x@corp.example",
        "Users deactivated: x@corp.example",
        "Deactivate User x@corp.example, y@corp.example",
        "Nutzer x@corp.example deaktiviert",
        "Update User x@corp.example",
        "not deactivate user x@corp.example",
        "",
        None,
        7,
        ["x"],
    ],
)
def test_anything_else_is_unknown_and_never_guessed(detail: object) -> None:
    """Its addresses are kept, to see whom it may be about."""
    read = read_line(line(detail))

    assert isinstance(read, Unreadable)
    assert read.addresses <= {"x@corp.example", "y@corp.example"}
    assert ("x@corp.example" in str(detail)) == ("x@corp.example" in read.addresses)


@pytest.mark.parametrize("time", [None, "yesterday", 5])
def test_a_line_without_a_time_is_unknown(time: object) -> None:
    """However clear its text."""
    assert Unreadable(None, frozenset({"x@corp.example"})) == read_line(line("Deactivate User x@corp.example", time=time))


def test_lines_of_other_categories_and_new_accounts_are_no_change_of_one_that_is_there() -> None:
    """Counted, and left alone."""
    log = operation_log_of(
        [line("Deactivate User x@corp.example", category_type="Role"), line("Add User n@corp.example")],
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
    )

    assert (2, (), ()) == (log.lines, log.sightings, log.unreadable)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the published samples are not at hand")
def test_every_published_sample_is_understood() -> None:
    """Zoom's own wordings."""
    found = [one for one in json.loads(EXAMPLES.read_text())["examples"] if one["name"].startswith("operation_logs")]
    lines = [WireLine(**row) for one in found for row in one["body"]["operation_logs"]]

    assert ["deleted", "activated", "deactivated"] == [read.what for row in lines if isinstance(read := read_line(row), Sighting)]


async def test_the_log_of_three_days_is_read_to_its_last_page() -> None:
    """Whole days, users only, 300 a page; no total is announced."""
    async with a_zoom() as world:
        world.other[PATH] = [
            log_page("Deactivate User a@corp.example ", next_page_token="t1"),
            log_page("Gibberish", next_page_token=None),
        ]
        log = await world.zoom.read_operation_log()
        first, second = world.asked(PATH)
        now = world.clock.now()

    assert (2, 1, 1, timedelta(days=3)) == (log.lines, len(log.sightings), len(log.unreadable), log.until - log.since)
    assert {
        "from": (now - timedelta(days=3)).date().isoformat(),
        "to": now.date().isoformat(),
        "category_type": "user",
        "page_size": "300",
    } == first.query
    assert "t1" == second.query["next_page_token"]


async def test_pages_that_lead_back_are_no_whole_log() -> None:
    """A part is never taken as the whole: a change missing in it would be called missing."""
    async with a_zoom() as world:
        world.other[PATH] = [log_page("x", next_page_token="same")] * 9
        with pytest.raises(SourceError, match="not whole"):
            await world.zoom.read_operation_log()


@pytest.mark.parametrize(
    ("answer", "error", "do"),
    [
        (
            refused(400, 4711, "Invalid access token, does not contain scopes:[report:read:operation_logs:admin]."),
            ScopeMissing,
            "report:read:operation_logs:admin",
        ),
        (
            refused(400, 200, "Invalid access token. Does not contain permissions [UsageReport:Read]."),
            ScopeMissing,
            "Admin Activity Logs",
        ),
        (refused(400, 200, "No permission."), SourceError, "Usage Reports and Admin Activity Logs"),
        (Answer(200, {"operation_logs": None}), SourceError, ""),
    ],
)
async def test_check_says_what_the_log_lacks(answer: Answer, error: type[SourceError], do: str) -> None:
    """Scope, right of the role, or an answer that is none."""
    async with a_zoom() as world:
        world.zoom = world.made(operation_log=True)
        world.other[PATH] = [answer] * 9
        with pytest.raises(error) as caught:
            await world.zoom.check_operation_log()
        lines = {what: (fine, says) for what, fine, says in await world.zoom.check()}
        await world.zoom.close()

    assert do in caught.value.do
    assert not lines["zoom operation log"][0]
    assert do in lines["zoom operation log"][1]


async def test_check_asks_nothing_about_a_log_that_is_not_wanted() -> None:
    """A scope that is not needed is not missed either."""
    async with a_zoom() as world:
        lines = {what: fine for what, fine, _ in await world.zoom.check()}

        assert [] == world.asked(PATH)
        assert lines["zoom scope report:read:operation_logs:admin"]
