"""From a user as Graph shows one to a Person: identity, addresses, enabled, guest.

Pure. An app that may not read users is answered 200 with every attribute null, so a null where Graph always has a value is a
missing permission and never "nothing there". A value of another form makes the person ``unclear``: unknown, never absent.
Source: https://learn.microsoft.com/en-us/graph/api/resources/user
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from sys import intern
from uuid import UUID

from syncd.directories.claims import Claims, without_guest_names
from syncd.directories.entra.graph import Entry, quoted
from syncd.directories.entra.refusals import READ_USERS, permission_missing
from syncd.errors import SourceError
from syncd.model import Person, spellings

#: Attributes Graph tells only when they are asked for are among these.
BASIC_ATTRIBUTES = ("id", "displayName", "department", "accountEnabled", "userType", "userPrincipalName")

#: Attributes that hold several addresses: filters ask for any of them.
LISTS = frozenset({"proxyAddresses", "otherMails", "imAddresses"})


def attributes_to_ask(address_attributes: Sequence[str]) -> str:
    """The value of ``$select`` for a user."""
    return ",".join(dict.fromkeys((*BASIC_ATTRIBUTES, *address_attributes)))


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


def person_of(entry: Entry, address_attributes: Sequence[str]) -> Person:
    """Raises ScopeMissing for what a missing permission looks like; other faults make the person unclear."""
    id_ = id_of(entry)
    enabled, name = entry.get("accountEnabled"), entry.get("userPrincipalName")
    if enabled is None or (name is None and entry.get("mail") is None):
        raise unreadable_user(id_)
    troubles: list[str] = []
    if not isinstance(enabled, bool):
        troubles.append("accountEnabled is neither true nor false")
    if name is None:
        troubles.append("userPrincipalName is missing")
    claims = claims_of(entry, address_attributes)
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
    )


def unreadable_user(id_: str) -> SourceError:
    """A user whose attributes Graph keeps to itself."""
    return permission_missing(
        f"graph: the user {id_} came without his attributes (null): the app may not read users; nothing can be concluded.",
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
