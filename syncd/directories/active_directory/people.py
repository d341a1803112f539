"""From an entry of Active Directory to a Person: identity, addresses, enabled, expiry.

Pure. Raw bytes in, because ldap3 shows binary values as text or bytes depending on its options. A value that cannot be
understood, or that every account has and that is not shown, makes the person ``unclear``, which is unknown and never absent:
a hidden accountExpires is no "never". Lockout and password expiry are not looked at: neither means that somebody left.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.session import generalized_time
from syncd.directories.active_directory.transport import Unusable
from syncd.directories.claims import Claims
from syncd.model import Person

#: Whoever has the class user, and is no computer. Not by objectCategory, an attribute anybody may have changed: people with
#: another one log on all the same.
PEOPLE_FILTER = "(&(objectClass=user)(!(objectClass=computer)))"

#: Every account of Active Directory has these. One that is not shown is hidden from the bind account.
ALWAYS_THERE = ("userAccountControl", "accountExpires", "primaryGroupID", "objectSid")

ACCOUNT_DISABLED = 0x2  # userAccountControl
RID_MAX = 2**32 - 1  # the last number of a SID (MS-DTYP 2.4.2)
NEVER = frozenset({0, 2**63 - 1})  # accountExpires, both mean never (MS-ADA1 2.1)
FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
MAX_DATE = datetime.max.replace(tzinfo=UTC)

BASIC_ATTRIBUTES = (
    "objectGUID",
    "objectSid",
    "primaryGroupID",
    "displayName",
    "department",
    "userAccountControl",
    "accountExpires",
    "whenChanged",
    "manager",
    "msExchRecipientTypeDetails",
)

#: msExchRecipientTypeDetails, of mailboxes that are nobody's own: on premises, and the same in Exchange Online ("remote").
#: Their accounts are disabled by design, which says nothing about leaving.
MAILBOXES = {2: "linked", 4: "shared", 16: "room", 32: "equipment", 2**33: "room", 2**34: "equipment", 2**35: "shared"}


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A person without memberships, and what memberships are found by: the name and the primary group's SID."""

    person: Person
    dn: str
    primary_group_sid: str | None
    hidden: tuple[str, ...] = ()  # of ALWAYS_THERE, what is not shown
    manager_dn: str = ""


def attributes_to_ask(address_attributes: Sequence[str], number_attribute: str = "") -> tuple[str, ...]:
    """The attributes of one person that a read asks for."""
    number = (number_attribute,) if number_attribute else ()
    return tuple(dict.fromkeys((*BASIC_ATTRIBUTES, *address_attributes, *number)))


def guid_of(entry: Entry) -> str:
    """The objectGUID, the only name that survives renames and moves, as lower-case UUID text. Raises Unusable: without it
    nothing can be concluded from the read."""
    value = entry.first("objectguid")
    if value is None or len(value) != 16:
        raise Unusable(f"{entry.dn} shows no objectGUID", "Let the bind account read objectGUID.")
    text = (value[3::-1] + value[5:3:-1] + value[7:5:-1] + value[8:]).hex()  # three fields of it are little endian
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def sid_text(value: bytes) -> str:
    """A binary SID as ``S-1-5-…``. Raises ValueError."""
    if len(value) < 8 or len(value) != 8 + 4 * value[1]:
        raise ValueError("no SID")
    authority = int.from_bytes(value[2:8], "big")
    parts = [int.from_bytes(value[i : i + 4], "little") for i in range(8, len(value), 4)]
    return "-".join(["S", str(value[0]), str(authority), *map(str, parts)])


def sid_bytes(sid: str) -> bytes:
    """The binary form of ``S-1-5-…``."""
    revision, authority, *parts = (int(part) for part in sid.split("-")[1:])
    return bytes([revision, len(parts)]) + authority.to_bytes(6, "big") + b"".join(part.to_bytes(4, "little") for part in parts)


def dn_key(dn: str) -> str:
    """The form in which two names of one server are compared. Only the letters A to Z lose their case: which other letters a
    directory takes for the same is its own affair (``CN=Gross`` and ``CN=Groß`` may be two people), so a name that is still
    spelled differently is looked up."""
    return dn.lower() if dn.isascii() else dn.encode().lower().decode()


def person_of(
    entry: Entry,
    address_attributes: Sequence[str],
    number_attribute: str = "",
    ignored_sids: Collection[str] = (),
) -> FoundPerson:
    """The manager is not known yet: the directory names them by DN, see ``FoundPerson.manager_dn``. Raises Unusable without an
    objectGUID; every other value that cannot be understood makes the person unclear."""
    id_ = guid_of(entry)
    hidden = tuple(name for name in ALWAYS_THERE if entry.first(name.lower()) is None)
    troubles = [f"{name} is missing, or the bind account may not read it" for name in hidden]
    claims = _claims(entry, address_attributes)
    mains, aliases, unclean = claims.kinds()
    enabled = _enabled(entry, troubles)
    expires_at = _expires_at(entry, troubles)
    primary_group_sid = _primary_group_sid(entry, troubles)
    person = Person(
        id=id_,
        mains=mains,
        aliases=aliases,
        unclean=unclean,
        display_name=_text(entry, "displayname"),
        enabled=enabled,
        expires_at=expires_at,
        department=sys.intern(_text(entry, "department")),
        changed_at=_changed_at(entry),
        unclear="; ".join(claims.troubles + troubles),
        membership_unknown=primary_group_sid is None,
        number=_text(entry, number_attribute.lower()) if number_attribute else "",
        mailbox=_mailbox(entry),
        ignored=bool(ignored_sids) and _has_sid_of(entry, ignored_sids),
    )
    return FoundPerson(person, entry.dn, primary_group_sid, hidden, _text(entry, "manager"))


def _has_sid_of(entry: Entry, sids: Collection[str]) -> bool:
    try:
        return sid_text(entry.first("objectsid") or b"") in sids
    except ValueError:
        return False  # none is shown, or none that can be understood


def _claims(entry: Entry, attributes: Sequence[str]) -> Claims:
    claims = Claims()
    for attribute in attributes:
        values: list[str] = []
        for raw in entry.attributes.get(attribute.lower(), ()):
            try:
                values.append(raw.decode())
            except UnicodeDecodeError:
                claims.troubles.append(f"{attribute} is not UTF-8")
                claims.unclean.append(raw.decode(errors="replace"))
        claims.add(attribute, values)
    return claims


def _enabled(entry: Entry, troubles: list[str]) -> bool:
    raw = entry.first("useraccountcontrol")
    if raw is None:
        return True
    try:
        return not _number(raw) & ACCOUNT_DISABLED
    except ValueError:
        troubles.append("userAccountControl is not a number")
        return True


def _expires_at(entry: Entry, troubles: list[str]) -> datetime | None:
    raw = entry.first("accountexpires")
    if raw is None:
        return None
    try:
        return filetime(_number(raw))
    except ValueError:
        troubles.append("accountExpires is not a time")
        return None


def filetime(ticks: int) -> datetime | None:
    """100 ns since 1601 as a time; None for the two values that mean never and for what no calendar reaches.
    Raises ValueError when negative."""
    if ticks in NEVER:
        return None
    if ticks < 0:
        raise ValueError("negative time")
    seconds = ticks // 10_000_000
    if seconds >= (MAX_DATE - FILETIME_EPOCH).total_seconds() - 86_400:
        return None
    return FILETIME_EPOCH + timedelta(seconds=seconds)


def _changed_at(entry: Entry) -> datetime | None:
    with contextlib.suppress(ValueError):
        return generalized_time(entry.first("whenchanged") or b"")
    return None


def _primary_group_sid(entry: Entry, troubles: list[str]) -> str | None:
    sid, rid = entry.first("objectsid"), entry.first("primarygroupid")
    if sid is None or rid is None:
        return None
    with contextlib.suppress(ValueError):
        domain, number = _domain_of(sid[:-4], len(sid)), _number(rid)
        if 0 <= number <= RID_MAX:
            return f"{domain}-{number}"
    troubles.append("objectSid or primaryGroupID cannot be understood")
    return None


@lru_cache(64)
def _domain_of(sid_start: bytes, size: int) -> str:
    """The SID of the domain of an account, by the account's SID without its last number. Raises ValueError."""
    return sid_text(sid_start + bytes(4) if size > 4 else b"").rpartition("-")[0]


def _number(raw: bytes) -> int:
    """A number as the directory writes it. Raises ValueError: also of what Python alone takes for one (``1_3``)."""
    if not raw.removeprefix(b"-").isdigit():
        raise ValueError("no number")
    return int(raw)


def _mailbox(entry: Entry) -> str:
    raw = entry.first("msexchrecipienttypedetails")
    return MAILBOXES.get(int(raw), "") if raw and raw.isdigit() else ""


def _text(entry: Entry, name: str) -> str:
    raw = entry.first(name)
    return raw.decode("utf-8", "replace").strip() if raw else ""
