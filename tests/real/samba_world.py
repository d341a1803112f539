"""What the Samba tests share: the adapter set up for a lab, and short names for its people."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from syncd.directories.active_directory.reader import ActiveDirectory, ActiveDirectorySettings, SimpleBind
from syncd.errors import SourceError
from syncd.events import Answered, Event
from syncd.model import DirectorySnapshot, Person
from tests.adlab.lab import Lab
from tests.directories.ad_world import MovedClock

STAFF = "OU=Staff,DC=corp,DC=example"
GROUPS = "OU=Groups,DC=corp,DC=example"
ACCOUNTS_PASSWORD = "User.Passw0rd"
AWKWARD = 'Zoom (EU) *all* \\ A,B + "Köln" <ü>; #1='


class SambaDirectory(ActiveDirectory):
    """The adapter with the lab's service account, its events at hand."""

    def __init__(self, lab: Lab, *groups: str, user: str = "", password: str = "", **more: Any) -> None:
        self.events: list[Event] = []
        self.moved = MovedClock()
        secret = password or lab["SVC_PASSWORD"]
        settings: dict[str, Any] = {
            "servers": (lab["URI"],),
            "ca_file": lab["CA_FILE"],
            "base_dns": (lab["BASE_DN"],),
            "groups": groups or ("zoom-flat",),
            "bind": SimpleBind(user or lab["SVC_UPN"], lambda: secret),
            **more,
        }
        super().__init__(ActiveDirectorySettings(**settings), self.moved, self.events.append)

    def answers(self, operation: str) -> list[str]:
        """The answers that were told for an operation, in order."""
        return [event.answer for event in self.events if isinstance(event, Answered) and event.operation == operation]


async def unreadable(directory: ActiveDirectory) -> SourceError:
    """The error that a read of this directory ends with; fails when it ends well."""
    with pytest.raises(SourceError) as caught:
        await directory.read()
    return caught.value


def name_of(person: Person) -> str:
    """The display name (U0001 …), or the first address of the few who have none."""
    return person.display_name or "".join(person.addresses[:1])


def entitled_names(snapshot: DirectorySnapshot) -> set[str]:
    """The names of everybody whom a group entitles."""
    return {name_of(person) for person in snapshot.people if person.entitled_by}


def names_of(dns: list[str]) -> set[str]:
    """``CN=u0001,OU=…`` -> U0001, as a display name is."""
    return {dn.partition(",")[0].removeprefix("CN=").capitalize() for dn in dns}


def users(*numbers: int) -> set[str]:
    """The display names of the numbered users."""
    return {f"U{number:04d}" for number in numbers}


def ldif_group(name: str, members: list[str]) -> str:
    """An entry for a new group."""
    rows = [f"dn: CN={name},{GROUPS}", "objectClass: group", f"sAMAccountName: {name}", "groupType: -2147483646"]
    return "\n".join(rows + [f"member:: {base64.b64encode(dn.encode()).decode()}" for dn in members]) + "\n\n"
