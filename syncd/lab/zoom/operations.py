"""The calls the simulated Zoom answers, as Zoom documents each: path, rate-limit label, scopes, role rights, error codes.

A table and nothing else. A test holds it to Zoom's own OpenAPI file, word for word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """Zoom's classes of calls; each has its own rate limit. The values are the spelling of ``X-RateLimit-Category``."""

    LIGHT = "Light"
    MEDIUM = "Medium"
    HEAVY = "Heavy"
    RESOURCE_INTENSIVE = "Resource-intensive"


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented call. *path* is below ``/v2``, with ``{user}``, ``{role}``, ``{group}`` or ``{account}`` in it."""

    name: str  # the word used for it everywhere else in the project
    method: str
    path: str
    label: Label
    granular: tuple[str, ...]  # scopes of an app made since 2024; any one of them will do
    classic: tuple[str, ...]  # scopes of an older app
    rights: tuple[str, ...]  # role permissions of whoever the token acts for
    codes: frozenset[int]  # error codes documented for this call

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"


def _operation(
    name: str, method: str, path: str, label: Label, granular: str, classic: str, rights: str, codes: str
) -> Operation:
    return Operation(
        name,
        method,
        path,
        label,
        tuple(granular.split()),
        tuple(classic.split()),
        tuple(rights.split()),
        frozenset(map(int, codes.split())),
    )


_L, _M, _H = Label.LIGHT, Label.MEDIUM, Label.HEAVY

#: In the order in which paths are tried: a fixed word before a placeholder.
OPERATIONS: tuple[Operation, ...] = (
    _operation(
        "list_users",
        "GET",
        "/users",
        _M,
        "user:read:list_users:admin",
        "user:read user:write user:read:admin user:write:admin",
        "User:Read",
        "124 300 2300",
    ),
    _operation(
        "users_summary",
        "GET",
        "/users/summary",
        _M,
        "user:read:summary:admin",
        "user:read user:write user:read:admin user:write:admin",
        "User:Read",
        "124 2300",
    ),
    _operation(
        "get_user",
        "GET",
        "/users/{user}",
        _L,
        "user:read:user user:read:user:admin",
        "user:read user:write user:read:admin user:write:admin user_profile user_info:read",
        "User:Read",
        "1001 1120",
    ),
    _operation(
        "update_user",
        "PATCH",
        "/users/{user}",
        _L,
        "user:update:user user:update:user:admin",
        "user:write:admin user:write",
        "User:Edit",
        "200 300 1001 1108 1109 1120 2033 2034 2038 2039 3412 4100",
    ),
    _operation(
        "delete_user",
        "DELETE",
        "/users/{user}",
        _L,
        "user:delete:user user:delete:user:admin",
        "user:write:admin user:write",
        "User:Edit",
        "200 300 1000 1001 1107 1117 1120",
    ),
    _operation(
        "set_status",
        "PUT",
        "/users/{user}/status",
        _L,
        "user:update:status user:update:status:admin",
        "user:write:admin user:write",
        "User:Edit",
        "200 300 1001 2033 3412",
    ),
    _operation(
        "revoke_sessions",
        "DELETE",
        "/users/{user}/token",
        _L,
        "user:delete:token user:delete:token:admin",
        "user:write:admin user:write",
        "User:Edit",
        "124 1001 2300",
    ),
    _operation(
        "list_meetings",
        "GET",
        "/users/{user}/meetings",
        _M,
        "meeting:read:list_meetings meeting:read:list_meetings:admin",
        "meeting:read:admin meeting:read",
        "User:Read",
        "1001 3161",
    ),
    _operation(
        "list_upcoming_meetings",
        "GET",
        "/users/{user}/upcoming_meetings",
        _M,
        "meeting:read:list_upcoming_meetings meeting:read:list_upcoming_meetings:admin",
        "meeting:read meeting:read:admin",
        "User:Read",
        "3001",
    ),
    _operation(
        "list_recordings",
        "GET",
        "/users/{user}/recordings",
        _M,
        "cloud_recording:read:list_user_recordings "
        "cloud_recording:read:list_user_recordings:master cloud_recording:read:list_user_recordings:admin",
        "recording:read:admin recording:read",
        "Recording:Read",
        "124 1001 3301",
    ),
    _operation(
        "list_roles",
        "GET",
        "/roles",
        _M,
        "role:read:list_roles role:read:list_roles:admin",
        "role:read:admin role:write:admin",
        "",
        "4700",
    ),
    _operation(
        "role_members",
        "GET",
        "/roles/{role}/members",
        _M,
        "role:read:list_members role:read:list_members:admin",
        "role:read:admin role:write:admin",
        "",
        "1034",
    ),
    _operation(
        "list_groups",
        "GET",
        "/groups",
        _M,
        "group:read:list_groups:admin",
        "group:read:admin group:write:admin",
        "Group:Read",
        "200 4130",
    ),
    _operation(
        "group_members",
        "GET",
        "/groups/{group}/members",
        _M,
        "group:read:list_members:admin",
        "group:read:admin group:write:admin",
        "Group:Read",
        "200 300 4130",
    ),
    _operation(
        "plan_usage",
        "GET",
        "/accounts/{account}/plans/usage",
        _H,
        "billing:read:plan_usage:master billing:read:plan_usage:admin",
        "billing:master account:master",
        "SubAccount:Edit SubAccount:Read",
        "200",
    ),
    _operation(
        "operation_logs",
        "GET",
        "/report/operationlogs",
        _H,
        "report:read:operation_logs:admin",
        "report:read:admin",
        "UsageReport:Read",
        "200",
    ),
)

#: A server-to-server app acts for the whole account: only scopes of this kind are of use to it.
ACCOUNT_LEVEL = (":admin", ":master")


def account_scopes(operation: Operation, *, classic: bool = False) -> tuple[str, ...]:
    """The scopes that let a server-to-server app make this call."""
    scopes = operation.classic if classic else operation.granular
    return tuple(scope for scope in scopes if scope.endswith(ACCOUNT_LEVEL))


#: Everything a granular app can be given for the calls above.
ALL_SCOPES = frozenset(scope for operation in OPERATIONS for scope in account_scopes(operation))
