"""The configured groups, found once and known by their objectGUID from then on.

An operator names a group by DN, sAMAccountName or objectGUID. One that is missing or ambiguous makes the read fail,
because a group read as empty is a mass leaver. Who is in them: ``ad_groups_below`` and ``ad_groups_above``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.people import dn_key, guid_of
from syncd.directories.active_directory.session import Entry, Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.errors import SourceError
from syncd.model import GroupUse

GROUP_ATTRIBUTES = ("objectClass", "objectGUID", "objectSid", "cn", "uSNChanged")


@dataclass(frozen=True, slots=True)
class ConfiguredGroup:
    """A group the operator named, as found."""

    use: GroupUse
    id: str
    name: str
    dn: str


def find_configured(session: Session, settings: ActiveDirectorySettings) -> tuple[ConfiguredGroup, ...]:
    """Every configured group once per use, in the order of the configuration. Raises SourceError naming all those that
    are missing, ambiguous or no group."""
    found: dict[tuple[GroupUse, str], ConfiguredGroup] = {}
    problems: list[str] = []
    for use, asked in settings.configured():
        entries = _entries_named(session, settings, asked)
        if len(entries) > 1:
            problems.append(f"{asked!r} is ambiguous: {', '.join(sorted(entry.dn for entry in entries.values())[:5])}")
        elif not entries:
            problems.append(f"{asked!r} does not exist or the bind account may not see it")
        else:
            id_, entry = entries.popitem()
            if "group" not in classes_of(entry):
                problems.append(f"{asked!r} is no group")
            found.setdefault((use, id_), ConfiguredGroup(use, id_, name_of(entry), entry.dn))
    if problems:
        raise SourceError(
            "directory", f"{len(problems)} configured group(s) cannot be read: {'; '.join(problems)}",
            "Correct the names (an objectGUID survives renames and moves), or let the bind account read these groups.",
        )
    return tuple(found.values())


def _entries_named(session: Session, settings: ActiveDirectorySettings, asked: str) -> dict[str, Entry]:
    guid = _guid_asked(asked)
    if guid is not None or "=" in asked:
        entry = session.entry(f"<GUID={guid}>" if guid else asked, GROUP_ATTRIBUTES)
        return {guid_of(entry): entry} if entry else {}
    filter_ = f"(&(objectCategory=group)(sAMAccountName={escape_filter_chars(asked)}))"
    return {
        guid_of(entry): entry
        for root in search_roots(session, settings)
        for page in session.pages(root, filter_, GROUP_ATTRIBUTES, settings.page_size)
        for entry in page
    }


def _guid_asked(asked: str) -> uuid.UUID | None:
    text = asked.strip()
    return uuid.UUID(text) if re.fullmatch(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?", text) else None


def search_roots(session: Session, settings: ActiveDirectorySettings) -> tuple[str, ...]:
    """The domain's root, and every base that does not lie below it: where groups and stray members may be."""
    domain = (session.domain_dn,) if session.domain_dn else ()
    return domain + tuple(base for base in settings.base_dns if not is_below(base, domain))


def is_below(dn: str, bases: Iterable[str]) -> bool:
    """Whether *dn* is one of *bases* or lies below one."""
    key = _spelled(dn)
    return any(key == _spelled(base) or key.endswith("," + _spelled(base)) for base in bases)


def _spelled(dn: str) -> str:
    return re.sub(r"\s*([,=])\s*", r"\1", dn_key(dn.strip()))


def classes_of(entry: Entry) -> frozenset[str]:
    """The object classes, in lower case; empty when they may not be read."""
    return frozenset(value.decode("utf-8", "replace").lower() for value in entry.attributes.get("objectclass", ()))


def outline(entry: Entry) -> Entry:
    """What an object is, without what it holds."""
    return Entry(entry.dn, {name: entry.attributes.get(name, []) for name in ("objectclass", "objectguid")})


def name_of(entry: Entry) -> str:
    """The name people know a group by."""
    raw = entry.first("cn")
    return raw.decode("utf-8", "replace") if raw else entry.dn
