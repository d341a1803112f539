"""From a user as Graph shows one to a Person: identity, addresses, enabled, guest.

Pure. An app that may not read users is answered 200 with every attribute null, so a null where Graph always has a value never
means "nothing there": for everybody it is a missing permission, for one it makes that person ``unclear``, as any value of
another form does: unknown, never absent.
Source: https://learn.microsoft.com/en-us/graph/api/resources/user
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from sys import intern
from uuid import UUID

from syncd.directories.claims import Claims, without_guest_names
from syncd.directories.entra.graph import EXPAND, Entry, quoted
from syncd.directories.entra.refusals import READ_USERS, permission_missing
from syncd.directories.entra.settings import EntraSettings
from syncd.errors import SourceError
from syncd.model import Person, spellings

#: Attributes Graph tells only when they are asked for are among these.
BASIC_ATTRIBUTES = ("id", "displayName", "department", "accountEnabled", "userType", "userPrincipalName")

#: Attributes that hold several addresses: filters ask for any of them.
LISTS = frozenset({"proxyAddresses", "otherMails", "imAddresses"})


#: Where Graph keeps extensionAttribute1 to 15.
EXTENSIONS = "onPremisesExtensionAttributes"


def what_to_ask(settings: EntraSettings) -> dict[str, str]:
    """The query options for users: ``$select``, and ``$expand`` when managers are wanted."""
    number = EXTENSIONS if settings.person_number.startswith("extensionAttribute") else settings.person_number
    wanted = dict.fromkeys((*BASIC_ATTRIBUTES, *settings.address_attributes, *([number] if number else ())))
    options = {"$select": ",".join(wanted)}
    if settings.with_managers:
        options[EXPAND] = "manager($select=id,mail,accountEnabled)"
    return options


def id_of(entry: Entry) -> str:
    """The object id in lower case. Raises SourceError: without it nothing can be concluded from the read."""
    id_ = entry.get("id")
    if not isinstance(id_, str) or not id_:
        raise SourceError("directory", "graph: an object came without its id.", "The next cycle tries again.")
    return id_.lower()


def is_guid(text: str | None) -> bool:
    """Whether it can be an object id."""
    try:
        UUID(text or "")
    except ValueError:
        return False
    return len(text or "") == 36


def is_hidden(entry: Entry) -> bool:
    """Whether a user comes as one looks whom the app may not read: without what every user has. One who does is unclear; when
    all of them do, a permission is missing (``unreadable_user``)."""
    return entry.get("accountEnabled") is None or (entry.get("userPrincipalName") is None and entry.get("mail") is None)


def person_of(entry: Entry, settings: EntraSettings) -> Person:
    """A user as a person, without memberships. Whatever cannot be understood makes them unclear, but for the id: without it
    nothing can be concluded, and SourceError is raised."""
    id_ = id_of(entry)
    enabled, name = entry.get("accountEnabled"), entry.get("userPrincipalName")
    troubles: list[str] = []
    if enabled is None:
        troubles.append("accountEnabled is not shown")
    elif not isinstance(enabled, bool):
        troubles.append("accountEnabled is neither true nor false")
    if name is None:
        troubles.append("userPrincipalName is missing")
    claims = claims_of(entry, settings.address_attributes)
    mains, aliases, unclean = claims.kinds()
    return Person(
        id=id_,
        mains=mains,
        aliases=aliases,
        unclean=unclean,
        display_name=_text(entry.get("displayName")),
        enabled=enabled is not False,
        guest=entry.get("userType") == "Guest",
        department=intern(_text(entry.get("department"))),
        unclear="; ".join(troubles + claims.troubles),
        number=_number(entry, settings.person_number),
        manager=manager_of(entry),
    )


def _number(entry: Entry, attribute: str) -> str:
    holder = entry.get(EXTENSIONS) if attribute.startswith("extensionAttribute") else entry
    value = holder.get(attribute) if attribute and isinstance(holder, dict) else None
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def manager_of(entry: Entry) -> str:
    """The object id of the user's manager, where that was asked for and is told."""
    manager = entry.get("manager")
    id_ = manager.get("id") if isinstance(manager, dict) else None
    return id_.lower() if isinstance(id_, str) else ""


def unreadable_user(id_: str) -> SourceError:
    """A user whose attributes Graph keeps to itself."""
    return permission_missing(
        f"graph: everybody came without attributes (null), such as the user {id_}: the app may not read users; nothing can be "
        "concluded.",
        READ_USERS,
    )


def claims_of(entry: Entry, attributes: Sequence[str]) -> Claims:
    """What the user claims, in the order of the attributes."""
    claims = Claims()
    for attribute in attributes:
        value = entry.get(attribute)
        values = [] if value is None else value if isinstance(value, list) else [value]
        texts = [one for one in values if isinstance(one, str)]
        if len(texts) != len(values):
            claims.troubles.append(f"{attribute} holds something that is no text")
        claims.add(attribute, without_guest_names(texts))
    return claims


def filter_for(key: str, attributes: Sequence[str]) -> list[str]:
    """The alternatives of a ``$filter`` that find whoever claims an address. Graph compares without regard to case; that
    the scheme in proxyAddresses is compared so, too, is not documented, so both spellings are asked for."""
    alternatives = []
    for attribute, address in product(attributes, spellings(key)):
        if attribute == "proxyAddresses":
            alternatives += [f"proxyAddresses/any(p:p eq {quoted(f'{scheme}:{address}')})" for scheme in ("smtp", "SMTP")]
        elif attribute in LISTS:
            alternatives.append(f"{attribute}/any(a:a eq {quoted(address)})")
        else:
            alternatives.append(f"{attribute} eq {quoted(address)}")
    return alternatives


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
