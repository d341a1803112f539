"""Zoom's wire format, and how it becomes accounts. Refuses what it does not understand instead of reading it as nothing.

A Struct turns ``"users": null``, a number where an id belongs or a missing total into an error; hand-written look-ups would
read "nobody". Fields Zoom may add are ignored. What only decorates a report (last login, creation) never fails a read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from syncd.errors import SourceError
from syncd.model import Status, ZoomAccount, canonical_json
from syncd.zoom.refusals import without_addresses

T = TypeVar("T")


class WireUser(msgspec.Struct, frozen=True, gc=False):
    """A user as ``GET /users`` and ``GET /users/{id}`` show it (``role_name`` only the latter)."""

    email: str
    id: str = ""                                    # pending users have none
    type: int | None = None
    status: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    display_name: str | None = None
    role_id: str | None = None
    role_name: str | None = None
    dept: str | None = None
    group_ids: list[str] | None = None
    plan_united_type: str | int | None = None
    license_info_list: Any = None                   # add-on licences, kept as they came
    last_login_time: str | None = None
    user_created_at: str | None = None
    created_at: str | None = None                   # of the login type, in spite of its name


class UsersPage(msgspec.Struct, frozen=True, gc=False):
    """One page of ``GET /users``. The total has no default: without it no walk can be shown to be whole."""

    users: list[WireUser]
    total_records: int
    next_page_token: str = ""


class WireRole(msgspec.Struct, frozen=True, gc=False):
    """A role."""

    id: str
    name: str


class RolesPage(msgspec.Struct, frozen=True, gc=False):
    """``GET /roles``: all of them at once."""

    roles: list[WireRole]
    total_records: int | None = None


class WireGroup(msgspec.Struct, frozen=True, gc=False):
    """A group."""

    id: str
    name: str


class GroupsPage(msgspec.Struct, frozen=True, gc=False):
    """One page of ``GET /groups``."""

    groups: list[WireGroup]
    total_records: int
    next_page_token: str = ""


class PlanBase(msgspec.Struct, frozen=True, gc=False):
    """The ordinary licences of an account: bought, and in use."""

    hosts: int
    usage: int


class PlanUsage(msgspec.Struct, frozen=True, gc=False):
    """``GET /accounts/me/plans/usage``; only the base plan is read."""

    plan_base: PlanBase | None = None


class WireMeeting(msgspec.Struct, frozen=True, gc=False):
    """A meeting or a recorded one; only when it starts is read."""

    start_time: str | None = None


class MeetingsPage(msgspec.Struct, frozen=True, gc=False):
    """One page of ``GET /users/{id}/meetings`` or ``/recordings``."""

    meetings: list[WireMeeting]
    total_records: int


class TokenAnswer(msgspec.Struct, frozen=True, gc=False):
    """The token endpoint's success."""

    access_token: str
    expires_in: int = 3600
    scope: str | None = None
    api_url: str | None = None


def reader(type_: type[T]) -> Callable[[bytes, str], T]:
    """A function that decodes a body, given words for where it came from. It raises SourceError."""
    decoder = msgspec.json.Decoder(type_)

    def read(body: bytes, where: str) -> T:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError as error:
            raise SourceError(
                "zoom", f"zoom {where}: the answer is not as documented ({without_addresses(str(error))[:200]}).",
                "Nothing is concluded from it. See whether something answers in Zoom's place (zoom.api_url, proxy).",
            ) from None

    return read


class Accounts:
    """Makes accounts of wire users. Equal texts become one object: in 100,000 accounts that is most of the memory."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self._roles = roles
        self._role_ids = {name.casefold(): id_ for id_, name in roles.items()}
        self._same: dict[object, object] = {}

    def account(self, user: WireUser, asked: Status | None, where: str) -> ZoomAccount:
        """The account. *asked*: the status the list was asked for, None when any will do. Raises SourceError when the status
        is unknown or another one, or an account that is not pending has no id or no address."""
        status = self._status(user, asked, where)
        if status is not Status.PENDING and not user.id:
            raise SourceError("zoom", f"zoom {where}: an account with status {status.value} came without an id.",
                              "Only pending users have none: the answer is not as documented, nothing is concluded from it.")
        if not user.email.strip():
            raise SourceError("zoom", f"zoom {where}: account {user.id or '(pending)'} came without an e-mail address.",
                              "It can be matched to nobody: see what the Zoom portal shows for it.")
        role_id, role = self._role(user)
        names = (user.display_name or "").strip() or f"{user.first_name or ''} {user.last_name or ''}".strip()
        return ZoomAccount(
            zoom_id=None if status is Status.PENDING else user.id,
            email=user.email,
            status=status,
            display_name=names,
            role_id=self._shared(role_id),
            role=self._shared(role),
            type=user.type,
            plan=self._shared(None if user.plan_united_type is None else str(user.plan_united_type)),
            licences=self._shared(_licences(user.license_info_list)),
            group_ids=self._shared(tuple(sorted(self._shared(id_) for id_ in user.group_ids or ()))),
            department=self._shared(user.dept or ""),
            last_login_at=time_of(user.last_login_time),
            created_at=time_of(user.user_created_at or user.created_at),
        )

    def _status(self, user: WireUser, asked: Status | None, where: str) -> Status:
        if user.status is None and asked is not None:
            return asked
        try:
            status = Status(user.status or "")
        except ValueError:
            status = None
        if status is None or asked not in (None, status):
            wanted = f"{asked.value} ones were asked for" if asked else "that is none of active, inactive, pending"
            raise SourceError("zoom", f"zoom {where}: an account came with the status {str(user.status)[:40]!r}; {wanted}.",
                              "The answer is not as documented, nothing is concluded from it.")
        return status

    def _role(self, user: WireUser) -> tuple[str | None, str | None]:
        if user.role_id is None:
            return self._role_ids.get((user.role_name or "").casefold()), user.role_name
        return user.role_id, self._roles.get(user.role_id, user.role_name)

    def _shared(self, value: T) -> T:
        return self._same.setdefault(value, value)  # type: ignore[return-value]  # the value itself, or its equal


def _licences(listed: Any) -> str | None:
    return canonical_json(listed) if listed else None


def time_of(text: str | None) -> datetime | None:
    """The time a field holds, None when it holds none: what only decorates never fails a read."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
