"""The simulated Zoom account itself: users, roles, groups, seats, and what Zoom refuses. No HTTP, no clock.

Where Zoom's documents are silent this is the strict reading, so that a client which only works by luck is found out:
a pending user cannot be reached by id, a licence cannot be given to somebody inactive.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from syncd.lab.answers import Refusal, invalid

BASIC, LICENSED, UNASSIGNED = 1, 2, 4
ACTIVE, INACTIVE, PENDING = "active", "inactive", "pending"
OWNER_ROLE, ADMIN_ROLE, MEMBER_ROLE = "0", "1", "2"

#: Who changes things at the portal, when nobody says otherwise.
PORTAL = "somebody.else@corp.example"


@dataclass(frozen=True, slots=True)
class Role:
    """A role. *admin*: its members' status cannot be changed through the API."""

    id: str
    name: str
    description: str = ""
    admin: bool = False


#: What every account has. That custom roles with admin rights are refused too is not documented; *admin* decides here.
STANDARD_ROLES = (
    Role(OWNER_ROLE, "Owner", "Account owner has full privileges to access and manage a Zoom account.", admin=True),
    Role(ADMIN_ROLE, "Admin", "Admins have wide range privileges to access and manage a Zoom account.", admin=True),
    Role(MEMBER_ROLE, "Member", "Members have access to basic Zoom services."),
)


@dataclass(frozen=True, slots=True)
class Group:
    """A Zoom group (of settings; nothing to do with the directory's groups)."""

    id: str
    name: str


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled meeting, or with *bytes* a recorded one. *minutes* is its length."""

    id: int
    topic: str
    start_time: datetime
    minutes: int = 60
    bytes: int = 0


class ZoomUser(msgspec.Struct, frozen=True, kw_only=True):
    """One user as Zoom keeps it. The fields up to *user_created_at* are Zoom's; the rest shows in what its API does."""

    id: str
    email: str
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    type: int = BASIC
    status: str = ACTIVE
    role_id: str = MEMBER_ROLE
    dept: str = ""
    plan_united_type: str = ""
    license_info_list: tuple[dict[str, Any], ...] = ()
    group_ids: tuple[str, ...] = ()
    timezone: str = "Europe/Lisbon"
    pmi: int = 0
    last_login_time: datetime | None = None
    last_client_version: str = ""
    user_created_at: datetime | None = None

    room: bool = False  # a Zoom Room: its status cannot be changed
    hosts_events: bool = False  # has upcoming Zoom Events: cannot be deactivated
    may_host: bool = True
    signed_in: bool = True  # an SSO session is open
    manages_queue: bool = False  # of Zoom Phone
    meetings: tuple[Meeting, ...] = ()
    recordings: tuple[Meeting, ...] = ()

    @property
    def licensed(self) -> bool:
        """Whether a paid seat is taken."""
        return self.type == LICENSED or bool(self.plan_united_type)


def zoom_id(of: str) -> str:
    """A made-up id in Zoom's form (22 characters), always the same for the same address."""
    return base64.urlsafe_b64encode(hashlib.blake2b(of.lower().encode(), digest_size=16).digest()).decode().rstrip("=")


def a_user(email: str, **fields: Any) -> ZoomUser:
    """A user with an id and a name made from the address, unless given."""
    local = email.partition("@")[0]
    first, _, last = local.partition(".")
    fields.setdefault("id", zoom_id(email))
    fields.setdefault("first_name", first.capitalize())
    fields.setdefault("last_name", last.capitalize())
    fields.setdefault("display_name", f"{fields['first_name']} {fields['last_name']}".strip())
    return ZoomUser(email=email, **fields)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that really changed in the account. *what*: status, user, sessions, deleted or unlinked."""

    at: datetime
    what: str
    before: ZoomUser
    after: ZoomUser


class Tenant:
    """The account. Attributes may be changed at any time; users through :meth:`put` and :meth:`remove`."""

    def __init__(
        self,
        users: Iterable[ZoomUser] = (),
        *,
        roles: Sequence[Role] = STANDARD_ROLES,
        groups: Sequence[Group] = (),
        seats: int | None = None,
        basic_seats: int | None = None,
    ) -> None:
        self.roles = tuple(roles)
        self.groups = tuple(groups)
        self.seats = seats  # licences bought; None: never used up
        self.basic_seats = basic_seats  # cap of active Basic users; None: none
        self.no_seat_code = 3412  # or 2034, 2038: giving a licence when none is free
        self.basic_cap_code = 3412  # or 2033: activating when the Basic cap is reached
        self.paid = True  # False: plan usage is refused
        self.managed_domains: frozenset[str] = frozenset()  # whose users can be deleted and not unlinked
        self.ending_inactive = "works"  # or "licence", "active", "support": what ending somebody inactive needs
        self.changes: list[Change] = []
        #: Told of changes by the API (no operator) and at the portal; after a deletion there is nothing after.
        self.told: Callable[[ZoomUser, ZoomUser | None, str | None], None] = lambda _before, _after, _by: None
        self._users: dict[str, ZoomUser] = {}
        self._ids: dict[str, str] = {}  # lower-case address -> id
        self._lists: dict[tuple[str, str | None], tuple[ZoomUser, ...]] = {}
        for user in users:
            self.put(user)

    # ------------------------------------------------------------------------------------------------------- reading

    @property
    def users(self) -> tuple[ZoomUser, ...]:
        """Everybody, whatever the status, in the order of creation."""
        return tuple(self._users.values())

    def find(self, ref: str) -> ZoomUser | None:
        """The user with this id or address (case does not count). Pending users have no id to be found by."""
        user = self._users.get(ref)
        if user is not None and user.status != PENDING:
            return user
        return self._users.get(self._ids.get(ref.lower(), ""))

    def existing(self, ref: str, code: int = 1001) -> ZoomUser:
        """As :meth:`find`. Raises Refusal: 404 with *code*."""
        user = self.find(ref)
        if user is None:
            raise Refusal(404, code, f"User does not exist: {ref}.")
        return user

    def listed(self, status: str, role_id: str | None = None) -> tuple[ZoomUser, ...]:
        """Everybody of one status, optionally of one role."""
        key = (status, role_id)
        if key not in self._lists:
            self._lists[key] = tuple(
                user for user in self._users.values() if user.status == status and role_id in (None, user.role_id)
            )
        return self._lists[key]

    def role(self, role_id: str) -> Role | None:
        """The role with this id."""
        return next((role for role in self.roles if role.id == role_id), None)

    def of_role(self, role_id: str) -> tuple[ZoomUser, ...]:
        """The active members of a role."""
        return self.listed(ACTIVE, role_id)

    def of_group(self, group_id: str) -> tuple[ZoomUser, ...]:
        """The members of a group. Raises Refusal: 404/4130."""
        if all(group.id != group_id for group in self.groups):
            raise Refusal(404, 4130, f"A group with this {group_id} does not exist.")
        return tuple(user for user in self._users.values() if group_id in user.group_ids and user.status != PENDING)

    @property
    def seats_used(self) -> int:
        """Licences taken by users."""
        return sum(1 for user in self._users.values() if user.licensed)

    # ------------------------------------------------------------------------------------- changes by others, for tests

    def put(self, user: ZoomUser) -> None:
        """Adds the user, or replaces the one with this id. Not one of the account's recorded changes."""
        before = self._users.get(user.id)
        if before is not None:
            self._ids.pop(before.email.lower(), None)
        self._users[user.id] = user
        self._ids[user.email.lower()] = user.id
        self._lists.clear()

    def alter(self, ref: str, *, by: str = PORTAL, **fields: Any) -> ZoomUser:
        """Changes fields of a user as somebody at the portal would. Raises Refusal: 404/1001."""
        before = self.existing(ref)
        changed = replace(before, **fields)
        self.put(changed)
        self.told(before, changed, by)
        return changed

    def remove(self, ref: str, *, by: str | None = PORTAL) -> None:
        """Deletes a user at the portal. Raises Refusal: 404/1001."""
        user = self.existing(ref)
        self.told(user, None, by)
        del self._users[user.id]
        self._ids.pop(user.email.lower(), None)
        self._lists.clear()

    # -------------------------------------------------------------------------------------------------- the API's writes

    def set_status(self, ref: str, action: str, at: datetime) -> None:
        """``PUT /users/{id}/status``. Raises Refusal: 404/1001; 400/200 for admins and Zoom Rooms; 400/300 for hosts of
        upcoming Zoom Events; 400/3412 or 2033 when the Basic users' cap is reached.

        Deactivating takes every licence; activating gives none back. Repeating what is already so changes nothing.
        """
        user = self.existing(ref)
        if user.status == PENDING:
            raise Refusal(404, 1001, f"User does not exist: {ref}.")
        if action in ("clock_in", "clock_out"):
            return
        role = self.role(user.role_id)
        if user.room or (role is not None and role.admin):
            raise Refusal(400, 200, "Zoom Room and Admin users' status cannot be activated or deactivated.")
        if action == "deactivate" and user.status == ACTIVE:
            if user.hosts_events:
                raise Refusal(400, 300, "You cannot deactivate this user because the user has an upcoming Zoom Events scheduled.")
            self._change(
                "status", user, replace(user, status=INACTIVE, type=BASIC, plan_united_type="", license_info_list=()), at
            )
        elif action == "activate" and user.status == INACTIVE:
            self._check_basic_cap()
            self._change("status", user, replace(user, status=ACTIVE, type=BASIC, plan_united_type="", license_info_list=()), at)

    def update(self, ref: str, fields: Mapping[str, Any], at: datetime) -> None:
        """``PATCH /users/{id}``: licence, names, department. Raises Refusal: 404/1001, 400/300 (bad values), 400/1108
        (a licence for somebody inactive), 400/3412, 2034 or 2038 (no seat free), 400/2033 (Basic cap).

        On a pending user it answers success and changes nothing, as was reported of Zoom.
        """
        user = self.existing(ref)
        type_, plan = fields.get("type", user.type), fields.get("plan_united_type", user.plan_united_type)
        if type_ not in (BASIC, LICENSED, UNASSIGNED) or isinstance(type_, bool):
            raise invalid("type")
        if not isinstance(plan, str):
            raise invalid("plan_united_type")
        if "type" in fields and ("plan_united_type" in fields or "zoom_one_type" in fields):
            raise invalid("type")
        names = ("first_name", "last_name", "display_name", "dept")
        if wrong := [name for name in names if not isinstance(fields.get(name, ""), str)]:
            raise invalid(*wrong)
        if user.status == PENDING:
            return
        if "type" in fields and type_ == BASIC:
            plan = ""
        changed = replace(user, type=type_, plan_united_type=plan, **{name: fields[name] for name in names if name in fields})
        if changed.licensed and not user.licensed:
            if user.status == INACTIVE:
                raise Refusal(400, 1108, "The requirements for changing the user type are not met.")
            self._check_free_seat()
        self._change("user", user, changed, at)

    def revoke_sessions(self, ref: str, at: datetime) -> None:
        """``DELETE /users/{id}/token``: ends the SSO session. Raises Refusal: 404/1001."""
        user = self.existing(ref)
        self._change("sessions", user, replace(user, signed_in=False), at)

    def end(self, ref: str, action: str, receiver: str, kinds: Sequence[str], at: datetime) -> None:
        """``DELETE /users/{id}``: ``delete`` or ``disassociate``, with content handed to *receiver*. Raises Refusal: 404/1001 (of
        either, without saying which), 400/300, 200, 1000, 1107, 1117, 1120. Meetings on the personal meeting id never move;
        what is not handed over is lost."""
        user = self.find(ref)
        target = self.find(receiver) if receiver else None
        if user is None or (receiver and target is None):
            raise Refusal(404, 1001, "User does not exist.")
        if user.status == PENDING:
            if action == "delete":
                raise Refusal(400, 1120, "A valid invitation does not exist.")
            self.remove(user.email, by=None)
            return
        self._demand_endable(user, action, receiver)
        if target is not None:
            self._demand_can_take(user, target, kinds)
            self._hand_over(user, target, kinds)
        self.remove(user.id, by=None)
        self.changes.append(Change(at, "deleted" if action == "delete" else "unlinked", user, replace(user, status="gone")))

    def _demand_endable(self, user: ZoomUser, action: str, receiver: str) -> None:
        role = self.role(user.role_id)
        if user.room:
            raise Refusal(400, 200, "Zoom Rooms users cannot be deleted by this API.")
        if role is not None and role.admin:
            if action == "disassociate":
                raise Refusal(400, 1117, "An admin user cannot be unlinked.")
            raise Refusal(400, 200, "You are not able to delete this user.")
        if user.manages_queue:
            raise Refusal(400, 1000, "The user manages a call queue or operates an auto receptionist.")
        if action == "disassociate" and user.email.partition("@")[2].lower() in self.managed_domains:
            raise Refusal(400, 1107, "A user of a managed domain cannot be unlinked.")
        if user.hosts_events and not receiver:
            raise Refusal(400, 300, "The user has published Zoom Events; a transfer_email is required.")
        if user.status == INACTIVE and self.ending_inactive != "works":
            if self.ending_inactive == "support":
                raise Refusal(400, 200, "Unable to delete this deactivated user. Contact Zoom support.")
            if self.ending_inactive == "active" or not user.licensed:
                raise Refusal(400, 200, "The user must be active and requires a license for the transfer.")

    @staticmethod
    def _demand_can_take(user: ZoomUser, target: ZoomUser, kinds: Sequence[str]) -> None:
        if target.id == user.id:
            raise Refusal(400, 300, "The target user is the same as the source user.")
        if target.status != ACTIVE:
            raise Refusal(400, 300, "The target user is not active.")
        if {"recording", "webinar"} & set(kinds) and not target.licensed:
            raise Refusal(400, 300, "The target user lacks the license for this transfer.")

    def _hand_over(self, user: ZoomUser, target: ZoomUser, kinds: Sequence[str]) -> None:
        moved = tuple(one for one in user.meetings if one.id != user.pmi) if "meeting" in kinds else ()
        recorded = user.recordings if "recording" in kinds else ()
        self.put(replace(target, meetings=target.meetings + moved, recordings=target.recordings + recorded))

    def _change(self, what: str, before: ZoomUser, after: ZoomUser, at: datetime) -> None:
        self.put(after)
        self.changes.append(Change(at, what, before, after))
        self.told(before, after, None)

    def _check_basic_cap(self) -> None:
        if self.basic_seats is None or sum(user.type == BASIC for user in self.listed(ACTIVE)) < self.basic_seats:
            return
        if self.basic_cap_code == 2033:
            raise Refusal(
                400,
                2033,
                'Your request to activate the "Basic" user was not approved because you have already '
                'reached the maximum "Basic" user limit allowed in your account.',
            )
        raise Refusal(
            400,
            self.basic_cap_code,
            "Your request to activate the user was not approved at this time because "
            f'your account has reached the permitted maximum number of {self.basic_seats} "Basic" users.',
        )

    def _check_free_seat(self) -> None:
        if self.seats is not None and self.seats_used >= self.seats:
            raise Refusal(
                400,
                self.no_seat_code,
                "Your request to change the user type was not approved at this time "
                f"because your account has reached the permitted maximum number of {self.seats} paying users.",
            )
