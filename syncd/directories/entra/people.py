"""From a user as Graph shows one to a Person: identity, addresses, enabled, guest.

Pure. An app that may not read users is answered 200 with every attribute null, so a null where Graph always has a value is a
missing permission and never "nothing there". A value of another form makes the person ``unclear``: unknown, never absent.
Source: https://learn.microsoft.com/en-us/graph/api/resources/user
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sys import intern
from uuid import UUID

from syncd.directories.entra.graph import Entry, quoted
from syncd.directories.entra.refusals import READ_USERS, permission_missing
from syncd.errors import SourceError
from syncd.model import Person, address_key

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
    addresses = addresses_of(entry, address_attributes, troubles)
    return Person(
        id=id_,
        mains=addresses[:1],
        aliases=addresses[1:],
        display_name=_text(entry.get("displayName")),
        enabled=enabled is not False,
        guest=entry.get("userType") == "Guest",
        department=intern(_text(entry.get("department"))),
        unclear="; ".join(troubles),
    )


def unreadable_user(id_: str) -> SourceError:
    """A user whose attributes Graph keeps to itself."""
    return permission_missing(
        f"graph: the user {id_} came without his attributes (null): the app may not read users; nothing can be concluded.",
        READ_USERS,
    )


def addresses_of(entry: Entry, attributes: Sequence[str], troubles: list[str]) -> tuple[str, ...]:
    """Address keys in the order of the attributes, each once; faults are added to *troubles*."""
    keys: dict[str, None] = {}
    for attribute in attributes:
        value = entry.get(attribute)
        values = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in values):
            troubles.append(f"{attribute} holds something that is no text")
            continue
        for key in _keys(attribute, values):
            keys[key] = None
    return tuple(keys)


def _keys(attribute: str, values: Iterable[str]) -> Iterable[str]:
    if attribute == "proxyAddresses":
        # SMTP: is the primary address, smtp: an alias; x500:, sip: and others are no e-mail addresses.
        mail = [value for value in values if value[:5].lower() == "smtp:"]
        values = [value[5:] for value in sorted(mail, key=lambda value: (value[:5] != "SMTP:", value))]
    for value in values:
        key = address_key(value)
        # A guest's name is made of his address (ann_fabrikam.com#EXT#@tenant) and is none itself.
        if "@" in key and "#ext#@" not in key:
            yield key


def filter_for(key: str, attributes: Sequence[str]) -> list[str]:
    """The alternatives of a ``$filter`` that find whoever claims an address. Graph compares without regard to case; that
    the scheme in proxyAddresses is compared so, too, is not documented, so both spellings are asked for."""
    alternatives = []
    for attribute in attributes:
        if attribute == "proxyAddresses":
            alternatives += [f"proxyAddresses/any(p:p eq {quoted(f'{scheme}:{key}')})" for scheme in ("smtp", "SMTP")]
        elif attribute in LISTS:
            alternatives.append(f"{attribute}/any(a:a eq {quoted(key)})")
        else:
            alternatives.append(f"{attribute} eq {quoted(key)}")
    return alternatives


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
