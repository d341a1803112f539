"""How the simulated Zoom shows users, meetings and recordings: the rows of its lists, field by field as documented."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.lab.zoom.tenant import PENDING, Meeting, Role, ZoomUser


class ListedUser(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of ``GET /users``. Empty fields are left out, as Zoom does; pending users have no id."""

    email: str
    type: int
    status: str
    id: str | None = None
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    pmi: int = 0
    timezone: str = ""
    verified: int = 2  # 0 and 1 are always shown
    dept: str = ""
    user_created_at: datetime | None = None
    created_at: datetime | None = None
    last_login_time: datetime | None = None
    last_client_version: str = ""
    group_ids: tuple[str, ...] = ()
    plan_united_type: str = ""
    license_info_list: tuple[dict[str, Any], ...] = ()
    role_id: str = ""


def as_listed(user: ZoomUser) -> ListedUser:
    """The row that ``GET /users`` has for this user."""
    if user.status == PENDING:
        return ListedUser(user.email, user.type, user.status, None, user.first_name, user.last_name, verified=0)
    return ListedUser(
        user.email,
        user.type,
        user.status,
        user.id,
        user.first_name,
        user.last_name,
        user.display_name,
        user.pmi,
        user.timezone,
        1,
        user.dept,
        user.user_created_at,
        user.user_created_at,
        user.last_login_time,
        user.last_client_version,
        user.group_ids,
        user.plan_united_type,
        user.license_info_list,
        user.role_id,
    )


def as_shown(user: ZoomUser, role: Role | None, account_id: str) -> dict[str, Any]:
    """What ``GET /users/{id}`` answers: the row, and what only that call tells."""
    shown: dict[str, Any] = msgspec.to_builtins(as_listed(user))
    if user.status != PENDING:
        shown.update(
            account_id=account_id,
            jid=user.email,
            login_types=[101],
            cluster="us04",
            role_name=role.name if role else "",
            use_pmi=False,
        )
    return shown


def as_member(user: ZoomUser) -> dict[str, Any]:
    """A row of the member lists of roles and groups."""
    return {"id": user.id, "email": user.email, "first_name": user.first_name, "last_name": user.last_name, "type": user.type}


def as_meeting(meeting: Meeting, host: ZoomUser) -> dict[str, Any]:
    """A row of ``GET /users/{id}/meetings``."""
    return {
        "id": meeting.id,
        "uuid": base64.b64encode(meeting.id.to_bytes(16, "big")).decode(),
        "host_id": host.id,
        "topic": meeting.topic,
        "type": 2,
        "start_time": meeting.start_time,
        "duration": meeting.minutes,
        "timezone": host.timezone,
        "created_at": meeting.start_time - timedelta(days=14),
        "join_url": f"https://zoom.example/j/{meeting.id}",
    }


def as_upcoming(meeting: Meeting, host: ZoomUser) -> dict[str, Any]:
    """A row of ``GET /users/{id}/upcoming_meetings``."""
    row = as_meeting(meeting, host)
    del row["uuid"], row["host_id"]
    return {**row, "is_host": True, "use_pmi": False}


def as_recording(meeting: Meeting, host: ZoomUser, account_id: str) -> dict[str, Any]:
    """A row of ``GET /users/{id}/recordings``; here ``type`` is text, as in Zoom's own description."""
    row = as_meeting(meeting, host)
    del row["join_url"], row["created_at"], row["timezone"]
    return {
        **row,
        "account_id": account_id,
        "type": "2",
        "recording_count": 1,
        "total_size": meeting.bytes,
        "auto_delete": False,
        "recording_files": [],
    }


def starts_in_utc(meeting: Meeting) -> datetime:
    """When it starts, comparable over time zones."""
    return meeting.start_time.astimezone(UTC)
