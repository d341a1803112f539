"""The calls the simulated Graph answers: path below ``/v1.0``, cost in resource units, application permissions.

A table and nothing else. Source of costs and permissions: Microsoft's pages, restated in the project's fact sheet; what
no page lists costs 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from syncd.lab.entra.objects import CONTACT, DEVICE, GROUP, SERVICE_PRINCIPAL, USER

_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
READS_USERS = ("User.Read.All", "User.ReadWrite.All", *_DIRECTORY)
READS_GROUPS = ("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All", *_DIRECTORY)
READS_MEMBERS = ("GroupMember.ReadBasic.All", *READS_GROUPS)
READS_APPS = ("Application.Read.All", "Application.ReadWrite.All", *_DIRECTORY)
READS_HIDDEN = "Member.Read.Hidden"
READS_USERS_BASICALLY = "User.ReadBasic.All"

#: Which permissions let an app see the attributes of objects of a type; without one it sees type and id, and nulls.
ATTRIBUTES_OF: dict[str, frozenset[str]] = {
    USER: frozenset(READS_USERS),
    GROUP: frozenset(READS_GROUPS),
    DEVICE: frozenset(("Device.Read.All", *_DIRECTORY)),
    CONTACT: frozenset(("OrgContact.Read.All", *_DIRECTORY)),
    SERVICE_PRINCIPAL: frozenset(READS_APPS),
}
#: What User.ReadBasic.All shows of a user.
BASIC_ATTRIBUTES = frozenset({"id", "displayName", "givenName", "surname", "mail", "userPrincipalName"})

CASTS: dict[str, str] = {
    "user": USER,
    "group": GROUP,
    "device": DEVICE,
    "orgContact": CONTACT,
    "servicePrincipal": SERVICE_PRINCIPAL,
}

_CAST = r"(?:/(?:microsoft\.)?graph\.(?P<cast>\w+))?"
_DELTA = r"/(?:microsoft\.graph\.)?delta(?:\(\))?"
_KEY = r"/(?P<key>[^/]+)"


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. *permissions*: each tuple has to be met by one of its words."""

    name: str  # the word used for it everywhere else in the project, where there is one
    method: str
    pattern: re.Pattern[str]
    cost: int
    permissions: tuple[tuple[str, ...], ...]
    options: frozenset[str]  # query options it knows

    def allowed(self, roles: frozenset[str]) -> bool:
        """Whether an app with these permissions may make the call."""
        return all(not roles.isdisjoint(words) for words in self.permissions)


def _operation(name: str, method: str, pattern: str, cost: int, *permissions: tuple[str, ...], options: str = "") -> Operation:
    return Operation(name, method, re.compile(pattern), cost, permissions, frozenset(f"${word}" for word in options.split()))


_LISTS = "select top filter count orderby skiptoken"
_DELTAS = "select filter deltatoken skiptoken"

#: In the order in which paths are tried: a fixed word before a placeholder.
OPERATIONS: tuple[Operation, ...] = (
    _operation("batch", "POST", r"/\$batch", 0),
    _operation("users_delta", "GET", "/users" + _DELTA, 1, READS_USERS, options=_DELTAS),
    _operation("groups_delta", "GET", "/groups" + _DELTA, 1, READS_GROUPS, options=_DELTAS + " expand"),
    _operation("list_users", "GET", "/users", 2, READS_USERS, options=_LISTS + " expand"),
    _operation("count_users", "GET", r"/users/\$count", 1, READS_USERS, options="filter"),
    _operation("user", "GET", "/users" + _KEY, 1, READS_USERS, options="select expand"),
    _operation("member_groups", "POST", f"/users{_KEY}/(?:microsoft\\.graph\\.)?checkMemberGroups", 4, READS_USERS, READS_GROUPS),
    _operation("member_of", "GET", f"/users{_KEY}/memberOf{_CAST}", 2, READS_USERS, options=_LISTS),
    _operation("transitive_member_of", "GET", f"/users{_KEY}/transitiveMemberOf{_CAST}", 2, READS_USERS, options=_LISTS),
    _operation("list_groups", "GET", "/groups", 1, READS_GROUPS, options=_LISTS),
    _operation("group", "GET", "/groups" + _KEY, 1, READS_GROUPS, options="select"),
    _operation("count_members", "GET", f"/groups{_KEY}/members{_CAST}/\\$count", 3, READS_MEMBERS),
    _operation("members", "GET", f"/groups{_KEY}/members{_CAST}", 3, READS_MEMBERS, options=_LISTS),
    _operation("count_transitive_members", "GET", f"/groups{_KEY}/transitiveMembers{_CAST}/\\$count", 5, READS_MEMBERS),
    _operation("transitive_members", "GET", f"/groups{_KEY}/transitiveMembers{_CAST}", 5, READS_MEMBERS, options=_LISTS),
    _operation("deleted_users", "GET", r"/directory/deletedItems/(?:microsoft\.)?graph\.user", 1, READS_USERS, options=_LISTS),
    _operation(
        "deleted_user", "GET", rf"/directory/deletedItems/(?:microsoft\.)?graph\.user{_KEY}", 1, READS_USERS, options="select"
    ),
    _operation("deleted_user", "GET", f"/directory/deletedItems{_KEY}{_CAST}", 1, READS_USERS, options="select"),
    _operation("application", "GET", r"/applications\(appId='(?P<key>[^']+)'\)", 1, READS_APPS, options="select"),
)


def cost_of(operation: Operation, query: dict[str, str]) -> int:
    """Resource units of a call: ``$select`` saves one, ``$expand`` costs one, a page of less than 20 saves one; at least 1."""
    if operation.cost == 0:
        return 0
    top = query.get("$top", "")
    saved = ("$select" in query) - ("$expand" in query) + (top.isdigit() and int(top) < 20)
    return max(1, operation.cost - saved)
