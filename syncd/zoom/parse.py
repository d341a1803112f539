"""Zoom's wire format, and how it becomes accounts. Refuses what it does not understand instead of reading it as nothing.

A Struct turns ``"users": null``, a number where an id belongs or a missing total into an error; hand-written look-ups would
read "nobody". Fields Zoom may add are ignored. Ids, addresses, status, role and groups are strict, and an error names the row.
What only decorates a report (names, department, licence, last login) never fails a read: what it cannot be is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from syncd.errors import SourceError
from syncd.model import Status, ZoomAccount, canonical_json
from syncd.zoom.refusals import without_addresses

T = TypeVar("T")

#: Stands for what was no text.
NO_TEXT = "\N{REPLACEMENT CHARACTER}"


class WireUser(msgspec.Struct, frozen=True, gc=False):
    """A user as ``GET /users`` and ``GET /users/{id}`` show it (``role_name`` only the latter). *Any*: decoration."""

    email: str | None = None  # an odd invitation may have none
    id: str | None = None  # pending users have none
    type: Any = None
    status: str | None = None
    first_name: Any = None
    last_name: Any = None
    display_name: Any = None
    role_id: str | None = None
    role_name: str | None = None
    dept: Any = None
    group_ids: list[str] | None = None  # strict: groups may protect
    plan_united_type: Any = None
    license_info_list: Any = None  # add-on licences, kept as they came
    last_login_time: Any = None
    user_created_at: Any = None
    created_at: Any = None  # of the login type, in spite of its name


class UsersPage(msgspec.Struct, frozen=True, gc=False):
    """One page of ``GET /users``. The total has no default: without it no walk can be shown to be whole. Some answers end with
    ``null`` in place of an empty token: an end that the total proves or disproves as any other."""

    users: list[WireUser]
    total_records: int
    next_page_token: str | None = ""


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
    next_page_token: str | None = ""


class WirePlan(msgspec.Struct, frozen=True, gc=False):
    """One plan of an account: licences bought, and in use."""

    hosts: int
    usage: int


class PlanUsage(msgspec.Struct, frozen=True, gc=False):
    """``GET /accounts/me/plans/usage``: plans whose licences a user's type 2 stands for. An account has the base plan or one of
    those that replaced it; a plan comes as an object or, where several may be bought, as a list of them."""

    plan_base: WirePlan | list[WirePlan] | None = None
    plan_united: WirePlan | list[WirePlan] | None = None
    plan_zoom_one: WirePlan | list[WirePlan] | None = None

    def seats(self) -> tuple[int, int] | None:
        """(bought, in use) of the base plan, or of those that stand in its place; None when there is none of them."""
        for named in ((self.plan_base,), (self.plan_united, self.plan_zoom_one)):
            plans = [plan for each in named if each is not None for plan in (each if isinstance(each, list) else [each])]
            if bought := sum(plan.hosts for plan in plans):
                return bought, sum(plan.usage for plan in plans)
        return (0, 0) if self.plan_base is not None else None


class WireMeeting(msgspec.Struct, frozen=True, gc=False):
    """A meeting or a recorded one: when it starts, and for a recorded one its bytes."""

    start_time: str | None = None
    total_size: int | None = None


class MeetingsPage(msgspec.Struct, frozen=True, gc=False):
    """One page of ``GET /users/{id}/meetings`` or ``/recordings``."""

    total_records: int
    meetings: list[WireMeeting] = []
    next_page_token: str = ""


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
                "zoom",
                f"zoom {where}: the answer is not as documented ({without_addresses(str(error))[:200]}"
                f"{_row_named(body, str(error))}).",
                "Nothing is concluded from it. See what the Zoom portal shows there, and whether something answers in Zoom's "
                "place (zoom.api_url, proxy).",
            ) from None

    return read


_ROW = re.compile(r"\$\.users\[(\d+)\]")


def _row_named(body: bytes, says: str) -> str:
    """Words that name the user a list could not be read for: the row, and the id if it has one."""
    row = _ROW.search(says)
    if row is None:
        return ""
    id_: Any = ""
    with suppress(msgspec.DecodeError, KeyError, IndexError, TypeError):
        id_ = msgspec.json.decode(body)["users"][int(row.group(1))]["id"]
    return f"; row {int(row.group(1)) + 1}" + (f", account {id_}" if isinstance(id_, str) and id_ else "")


_STATUSES = {status.value: status for status in Status}


class Accounts:
    """Makes accounts of wire users. Equal texts become one object: in 100,000 accounts that is most of the memory."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self._roles = roles
        self._role_ids = {name.casefold(): id_ for id_, name in roles.items()}
        self._same: dict[object, object] = {}

    def account(self, user: WireUser, asked: Status | None, where: str, row: int = 0) -> ZoomAccount:
        """The account. *asked*: the status the list was asked for, None when any will do; *row*: of the page, from 1. Raises
        SourceError, which names the row, when the status is unknown or another one, or an account that is not pending has no
        id or no address."""
        status = asked if user.status is None and asked is not None else _STATUSES.get(user.status or "")
        if status is None or asked not in (None, status):
            raise _odd_status(user, asked, _at(where, row))
        zoom_id, email = user.id or "", user.email or ""
        if status is not Status.PENDING:
            if not zoom_id.strip():
                raise SourceError(
                    "zoom",
                    f"zoom {_at(where, row)}: an account with status {status.value} came without an id.",
                    "Only pending users have none: the answer is not as documented, nothing is concluded from it.",
                )
            if not email.strip() or NO_TEXT in email or NO_TEXT in zoom_id:
                came = "with an e-mail address that is no text" if email.strip() else "without an e-mail address"
                raise SourceError(
                    "zoom",
                    f"zoom {_at(where, row)}: account {zoom_id} came {came}.",
                    "It can be matched to nobody: see what the Zoom portal shows for it.",
                )
        role_id, role = self._role(user)
        names = text_of(user.display_name).strip() or f"{text_of(user.first_name)} {text_of(user.last_name)}".strip()
        return ZoomAccount(
            zoom_id=None if status is Status.PENDING else zoom_id,
            email=email,
            status=status,
            display_name=names,
            role_id=self._shared(role_id),
            role=self._shared(role),
            type=number_of(user.type),
            plan=self._shared(text_of(user.plan_united_type) or None),
            licences=self._shared(_licences(user.license_info_list)),
            group_ids=self._shared(tuple(sorted(map(self._shared, user.group_ids)))) if user.group_ids else (),
            department=self._shared(text_of(user.dept)),
            last_login_at=time_of(user.last_login_time),
            created_at=time_of(user.user_created_at or user.created_at),
        )

    def _role(self, user: WireUser) -> tuple[str | None, str | None]:
        if user.role_id is None:
            return self._role_ids.get((user.role_name or "").casefold()), user.role_name
        return user.role_id, self._roles.get(user.role_id, user.role_name)

    def _shared(self, value: T) -> T:
        return self._same.setdefault(value, value)  # type: ignore[return-value]  # the value itself, or its equal


def _at(where: str, row: int) -> str:
    return f"{where}, row {row}" if row else where


def _odd_status(user: WireUser, asked: Status | None, where: str) -> SourceError:
    wanted = f"{asked.value} ones were asked for" if asked else "that is none of active, inactive, pending"
    which = f"account {user.id}" if user.id else "an account"
    return SourceError(
        "zoom",
        f"zoom {where}: {which} came with the status {str(user.status)[:40]!r}; {wanted}.",
        "The answer is not as documented, nothing is concluded from it.",
    )


def _licences(listed: Any) -> str | None:
    return canonical_json(listed) if listed else None


def text_of(value: Any) -> str:
    """The text of what only decorates: a number as it is written, anything that is neither as nothing."""
    if type(value) is str:  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def number_of(value: Any) -> int | None:
    """A whole number, also where it came as a text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def time_of(value: Any) -> datetime | None:
    """The time a field holds, in UTC; None when it holds none, or one that no calendar has there."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at if at.tzinfo is UTC else at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
