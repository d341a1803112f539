"""What is asked of Zoom: one row per operation, with its rate label and the scopes that allow it.

Source: Zoom's OpenAPI files (Users, Accounts, Billing, as of 2026-02). An app has either granular scopes or classic ones; a
classic scope allows all operations it stands at. The dry run needs ``list_users`` and ``list_roles`` only, so that it can
be given credentials that cannot write.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from syncd.zoom.limits import HEAVY, LIGHT, MEDIUM


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: the word metrics use, its rate label, the scopes that allow it (granular, classic), what it is for. *also*:
    further scopes that allow it."""

    name: str
    label: str
    scope: str
    classic: str
    purpose: str
    also: tuple[str, ...] = ()


LIST_USERS = Operation("list_users", MEDIUM, "user:read:list_users:admin", "user:read:admin", "to read all accounts")
LIST_ROLES = Operation("list_roles", MEDIUM, "role:read:list_roles:admin", "role:read:admin", "to know who is an admin")
LIST_GROUPS = Operation("list_groups", MEDIUM, "group:read:list_groups:admin", "group:read:admin", "for protect.groups")
GET_USER = Operation(
    "get_user", LIGHT, "user:read:user:admin", "user:read:admin", "to look again right before each change, and for syncd account"
)
SET_STATUS = Operation("set_status", LIGHT, "user:update:status:admin", "user:write:admin", "to deactivate and reactivate")
UPDATE_USER = Operation("update_user", LIGHT, "user:update:user:admin", "user:write:admin", "to give licences back")
REVOKE_SESSIONS = Operation("revoke_sessions", LIGHT, "user:delete:token:admin", "user:write:admin", "to end SSO sessions")
PLAN_USAGE = Operation(
    "plan_usage",
    HEAVY,
    "billing:read:plan_usage:admin",
    "account:read:admin",
    "to count free licences",
    ("billing:master", "account:master"),
)

LIST_MEETINGS = Operation(
    "list_meetings", MEDIUM, "meeting:read:list_meetings:admin", "meeting:read:admin", "to show upcoming meetings (account show)"
)
LIST_RECORDINGS = Operation(
    "list_recordings",
    MEDIUM,
    "cloud_recording:read:list_user_recordings:admin",
    "recording:read:admin",
    "to show recordings (account show)",
)

OPERATION_LOGS = Operation(
    "operation_logs",
    HEAVY,
    "report:read:operation_logs:admin",
    "report:read:admin",
    "to hold Zoom's operation log against the ledger (zoom.operation_log)",
)

LIST_WEBINARS = Operation(
    "list_webinars", MEDIUM, "webinar:read:list_webinars:admin", "webinar:read:admin", "to count webinars (handover)"
)
DELETE_USER = Operation(
    "delete_user", LIGHT, "user:delete:user:admin", "user:write:admin", "for syncd handover run alone, in an app of its own"
)

OPERATIONS = (
    LIST_USERS,
    LIST_ROLES,
    LIST_GROUPS,
    GET_USER,
    SET_STATUS,
    UPDATE_USER,
    REVOKE_SESSIONS,
    PLAN_USAGE,
    LIST_MEETINGS,
    LIST_RECORDINGS,
    LIST_WEBINARS,
    DELETE_USER,
    OPERATION_LOGS,
)


def allowed(operation: Operation, granted: Collection[str]) -> bool:
    """Whether one of the *granted* scopes allows it. A ``:master`` scope includes its ``:admin`` one."""
    wanted = (operation.scope, operation.classic, *operation.also)
    return any(scope in granted or scope.removesuffix(":admin") + ":master" in granted for scope in wanted)
