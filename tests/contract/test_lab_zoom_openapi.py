"""The simulated Zoom is held to Zoom's own OpenAPI description: answers, labels, scopes, rights and error codes.

The description is third-party text and lies beside the project, not in it; without it these tests are skipped with that
reason, but never in CI.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from syncd.lab import faults
from syncd.lab.company import corp_example
from syncd.lab.zoom.operations import OPERATIONS, Operation
from syncd.lab.zoom.tenant import Meeting, a_user
from tests.contract.lab_clock import MORNING, StandingClock, a_zoom, calling

DESCRIPTION = Path(__file__).parents[3] / "shared" / "contracts" / "zoom.openapi.json"
PLACEHOLDERS = {"{user}": "{userId}", "{role}": "{roleId}", "{group}": "{groupId}", "{account}": "{accountId}"}

#: What any call may be answered, by Zoom's pages on errors, scopes and rate limits: the descriptions of the single calls
#: do not repeat it. 124 token, 200 role right, 300 validation, 4700 and 4711 scope, 429 limits.
ANYWHERE = {(400, 124), (401, 124), (400, 200), (400, 300), (400, 4700), (400, 4711), (429, 429)}

FORMATS = FormatChecker(formats=["date", "email"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """Zoom's OpenAPI file."""
    if not DESCRIPTION.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"Zoom's description is third-party text and not part of the project: no {DESCRIPTION.name} beside it")
    return json.loads(DESCRIPTION.read_text(encoding="utf-8"))


def described(description: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """What the file says of one call."""
    path = operation.path
    for ours, theirs in PLACEHOLDERS.items():
        path = path.replace(ours, theirs)
    return description["paths"][path][operation.method.lower()]


def documented_codes(responses: dict[str, Any]) -> set[tuple[int, int]]:
    """Pairs of HTTP status and Zoom's error number."""
    return {(int(status), code) for status, response in responses.items() for code in response.get("x-zoom-error-codes", ())}


def undocumented(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Places in *value* that the schema has no word for; JSON Schema itself would let them pass."""
    if isinstance(value, list):
        for item in value:
            yield from undocumented(item, schema.get("items", {}), f"{place}[]")
    elif isinstance(value, dict):
        properties = _properties(schema)
        for name, inner in value.items():
            if name not in properties:
                yield f"{place}.{name}"
            else:
                yield from undocumented(inner, properties[name], f"{place}.{name}")


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found.update(_properties(part))
    return found


def check(answer: httpx.Response, operation: Operation, description: dict[str, Any]) -> None:
    """The answer is one that Zoom describes, and holds nothing else. Raises AssertionError or ValidationError."""
    responses = described(description, operation)["responses"]
    response = responses.get(str(answer.status_code))
    schema = (response or {}).get("content", {}).get("application/json", {}).get("schema")
    if answer.status_code >= 400:
        code = (answer.status_code, answer.json()["code"])
        assert code in documented_codes(responses) | ANYWHERE, f"{operation.name}: {answer.text}"
        schema = description["components"]["schemas"]["Error"]
    assert response is not None or answer.status_code >= 400, f"{operation.name}: {answer.status_code} is not described"
    if schema is None:
        assert b"" == answer.content
        return
    assert "$ref" not in json.dumps(schema), "a reference would have to be resolved first"
    Draft202012Validator(schema, format_checker=FORMATS).validate(answer.json())
    assert [] == list(undocumented(answer.json(), schema))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_labels_scopes_rights_and_codes_are_word_for_word_the_described_ones(operation, description):
    """The table of calls is not ours to invent."""
    theirs = described(description, operation)

    assert theirs["x-zoom-rate-limit-label"] == operation.label.upper()
    assert theirs["x-zoom-granular-scopes"] == list(operation.granular)
    assert theirs["x-zoom-classic-scopes"] == list(operation.classic)
    assert (theirs.get("x-zoom-permissions", [])) == list(operation.rights)
    assert {code for _, code in documented_codes(theirs["responses"])} == operation.codes


SUCCESSES = {
    "list_users": [
        "/users",
        "/users?status=inactive",
        "/users?status=pending",
        "/users?role_id=1&page_size=2",
        "/users?license=zoom_compliance_management",
        "/users?page_size=2000",
    ],
    "users_summary": ["/users/summary"],
    "get_user": ["/users/{user}", "/users/{pending}", "/users/{inactive}", "/users/{room}"],
    "update_user": ["/users/{user}", "/users/{pending}"],
    "set_status": ["/users/{user}/status"],
    "delete_user": [
        "/users/{user}?action=delete&transfer_email={other}&transfer_meeting=true&transfer_recording=true",
        "/users/{inactive}",
    ],
    "revoke_sessions": ["/users/{user}/token"],
    "list_meetings": ["/users/{user}/meetings", "/users/{user}/meetings?type=live", "/users/{room}/meetings"],
    "list_upcoming_meetings": ["/users/{user}/upcoming_meetings", "/users/{room}/upcoming_meetings"],
    "list_recordings": ["/users/{user}/recordings", "/users/{user}/recordings?from=2026-02-20&to=2026-03-01"],
    "list_roles": ["/roles", "/roles?type=iq"],
    "role_members": ["/roles/1/members", "/roles/2/members?page_size=300", "/roles/2/members"],
    "list_groups": ["/groups", "/groups?page_size=1"],
    "group_members": ["/groups/{group}/members", "/groups/{group}/members?page_size=1"],
    "plan_usage": ["/accounts/me/plans/usage", "/accounts/lab-account/plans/usage"],
    "operation_logs": [
        "/report/operationlogs?from=2026-03-01&to=2026-03-02",
        "/report/operationlogs?from=2026-03-01&to=2026-03-02&category_type=user&page_size=1",
    ],
}
BODIES = {"update_user": {"type": 2}, "set_status": {"action": "deactivate"}}


def a_company_to_ask():
    """Corp Example with somebody who has meetings and recordings."""
    company = corp_example(MORNING)
    tenant = company.tenant()
    meeting = Meeting(id=97_763_643_886, topic="Standing", start_time=MORNING + timedelta(hours=3))
    recording = Meeting(id=97_763_643_887, topic="Recorded", start_time=MORNING - timedelta(days=4), bytes=4096)
    tenant.put(
        a_user(
            "jill.example@corp.example",
            meetings=(meeting,),
            recordings=(recording,),
            plan_united_type="8",
            type=2,
            license_info_list=({"license_type": "MEETING", "license_option": 16, "subscription_id": "SUB-1"},),
        )
    )
    tenant.put(a_user("other@corp.example", type=2))
    places = {
        "other": "other@corp.example",
        "user": "jill.example@corp.example",
        "pending": tenant.listed("pending")[0].email,
        "inactive": tenant.listed("inactive")[0].id,
        "room": next(user.id for user in tenant.users if user.room),
        "group": tenant.groups[0].id,
    }
    return tenant, places


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_success_is_one_that_zoom_describes_and_holds_nothing_else(operation, description):
    """Validated by schema and format; fields that Zoom's file does not know are errors too."""
    tenant, places = a_company_to_ask()
    zoom = a_zoom(tenant)
    tenant.alter(places["user"], status="inactive")
    tenant.alter(places["user"], status="active")
    async with calling(zoom) as call:
        for path in SUCCESSES[operation.name]:
            more = {"json": BODIES[operation.name]} if operation.name in BODIES else {}
            answer = await call(operation.method, path.format(**places), **more)

            assert answer.is_success, answer.text
            check(answer, operation, description)


REFUSALS = [
    ("list_users", "/users?next_page_token=made-up", None),
    ("list_users", "/users?status=all", None),
    ("get_user", "/users/nobody", None),
    ("update_user", "/users/nobody", {"type": 2}),
    ("update_user", "/users/{user}", {"type": 7}),
    ("update_user", "/users/{inactive}", {"type": 2}),
    ("set_status", "/users/nobody/status", {"action": "deactivate"}),
    ("set_status", "/users/{room}/status", {"action": "deactivate"}),
    ("set_status", "/users/{user}/status", {"action": "remove"}),
    ("set_status", "/users/{user}/status", ["deactivate"]),
    ("set_status", "/users/{inactive}/status", {"action": "activate"}),
    ("set_status", "/users/{pending}/status", {"action": "activate"}),
    ("revoke_sessions", "/users/nobody/token", None),
    ("delete_user", "/users/nobody", None),
    ("delete_user", "/users/{user}?action=erase", None),
    ("delete_user", "/users/{user}?transfer_email=nobody@corp.example", None),
    ("delete_user", "/users/{user}?transfer_email=jill.example@corp.example", None),
    ("delete_user", "/users/{user}?transfer_email={other}&transfer_recording=maybe", None),
    ("delete_user", "/users/{user}?transfer_email={inactive}", None),
    ("delete_user", "/users/{room}?action=delete", None),
    ("delete_user", "/users/{pending}?action=delete", None),
    ("list_meetings", "/users/nobody/meetings", None),
    ("list_upcoming_meetings", "/users/nobody/upcoming_meetings", None),
    ("list_recordings", "/users/nobody/recordings", None),
    ("list_recordings", "/users/{user}/recordings?from=yesterday", None),
    ("role_members", "/roles/none/members", None),
    ("group_members", "/groups/none/members", None),
    ("plan_usage", "/accounts/another/plans/usage", None),
    ("operation_logs", "/report/operationlogs?from=2026-03-01", None),
    ("operation_logs", "/report/operationlogs?from=2026-01-01&to=2026-03-01", None),
    ("operation_logs", "/report/operationlogs?from=2026-03-01&to=2026-03-02&category_type=users", None),
]


@pytest.mark.parametrize(("name", "path", "body"), REFUSALS, ids=lambda value: value if isinstance(value, str) else "")
async def test_every_refusal_has_a_status_and_a_code_that_zoom_describes_for_the_call(name, path, body, description):
    """Or one that Zoom's general pages describe for any call."""
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    tenant, places = a_company_to_ask()
    tenant.basic_seats = 1
    async with calling(a_zoom(tenant)) as call:
        answer = await call(operation.method, path.format(**places), **({"json": body} if body is not None else {}))

        assert answer.is_client_error, answer.text
        check(answer, operation, description)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_what_can_befall_any_call_comes_in_the_described_shape(operation, description):
    """Scope, role right, token and limit, and a refused account."""
    tenant, places = a_company_to_ask()
    clock = StandingClock()
    zoom = a_zoom(tenant, clock)
    path = SUCCESSES[operation.name][0].format(**places)
    async with calling(zoom) as call:
        zoom.faults.add(faults.throttled("iso"))
        answers = [await call(operation.method, path)]
        zoom.oauth.rights = frozenset()
        if operation.rights:
            answers.append(await call(operation.method, path))
        zoom.oauth.scopes = frozenset()
        await call.sign_in()
        answers.append(await call(operation.method, path))
        clock.pass_(hours=2)
        answers.append(await call(operation.method, path))

        codes = [answer.json()["code"] for answer in answers]
        assert [429, *([200] if operation.rights else []), 4711, 124] == codes
        for answer in answers:
            check(answer, operation, description)


def test_the_check_itself_finds_what_is_wrong(description):
    """An undescribed field, a wrong type, a wrong code: each is found."""
    users = next(operation for operation in OPERATIONS if operation.name == "list_users")

    for wrong in ({"users": [], "surprise": 1}, {"users": [{"email": "a@corp.example", "type": 1, "nick": "a"}]}):
        with pytest.raises(AssertionError, match=r"surprise|nick"):
            check(httpx.Response(200, json=wrong), users, description)
    for wrong in (
        {"users": None},
        {"users": [{"email": "a@corp.example"}]},
        {"total_records": "many"},
        {"users": [{"email": "a@corp.example", "type": 1, "created_at": "yesterday"}]},
    ):
        with pytest.raises(Exception, match=r"is not of type|is a required property|is not a 'date-time'"):
            check(httpx.Response(200, json=wrong), users, description)
    with pytest.raises(AssertionError, match="1234"):
        check(httpx.Response(400, json={"code": 1234, "message": ""}), users, description)
