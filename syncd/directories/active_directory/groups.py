"""The configured groups, found once and known by their objectGUID from then on.

An operator names a group by DN, sAMAccountName or objectGUID. One that is missing or ambiguous makes the read fail,
because a group read as empty is a mass leaver. Who is in them: ``members`` and ``memberships_of_one``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.people import dn_key, guid_of
from syncd.directories.active_directory.session import Session, Unseen
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.model import GroupUse
from syncd.model.near import near_names

#: How many groups of a similar name are told, and how many pages of names are looked through for them.
NEAR_NAMES_MAX, NEAR_PAGES_MAX = 3, 20

GROUP_ATTRIBUTES = ("objectClass", "objectGUID", "objectSid", "cn", "uSNChanged")

#: What is asked of groups on the way up from one person.
OF_GROUPS = ("objectGUID", "objectSid", "cn")

#: How many names or ids one filter holds.
FILTER_SIZE = 50


@dataclass(frozen=True, slots=True)
class ConfiguredGroup:
    """A group the operator named, as found."""

    use: GroupUse
    id: str
    name: str
    dn: str
    entry: str
    seen: Entry = field(compare=False)  # what it is known by, as found


def find_configured(
    session: Session,
    settings: ActiveDirectorySettings,
    remembered: Mapping[str, str],
) -> tuple[ConfiguredGroup, ...]:
    """Every configured group once per use, in the order of the configuration. *remembered*: which objectGUID an entry of the
    configuration meant in earlier reads; a group that was moved or renamed is found by it. Raises Unusable naming all those
    that this server lacks, and those that are ambiguous or no group."""
    found: dict[tuple[GroupUse, str], ConfiguredGroup] = {}
    problems: list[str] = []
    advice = ["Correct the names (an objectGUID survives renames and moves), or let the bind account read these groups."]
    for use, asked in settings.configured():
        entries = _entries_named(session, settings, asked)
        if isinstance(entries, Unseen) and asked in remembered:
            moved = session.entry(f"<GUID={remembered[asked]}>", GROUP_ATTRIBUTES)
            entries = {guid_of(moved): moved} if moved else entries
        if isinstance(entries, Unseen):
            problems.append(f"{asked!r} {entries.why}{_near(session, settings, asked)}")
            advice.append(entries.do)
        elif len(entries) > 1:
            problems.append(f"{asked!r} is ambiguous: {', '.join(sorted(entry.dn for entry in entries.values())[:5])}")
        else:
            id_, entry = entries.popitem()
            if "group" not in classes_of(entry):
                problems.append(f"{asked!r} is no group")
            seen = Entry(entry.dn, {**outline(entry).attributes, "cn": entry.attributes.get("cn", [])})
            found.setdefault((use, id_), ConfiguredGroup(use, id_, name_of(entry), entry.dn, asked, seen))
    if problems:
        raise Unusable(
            f"{len(problems)} configured group(s) cannot be read: {'; '.join(problems)}",
            " ".join(dict.fromkeys(filter(None, advice))),
        )
    return tuple(found.values())


def _entries_named(session: Session, settings: ActiveDirectorySettings, asked: str) -> dict[str, Entry] | Unseen:
    guid = _guid_asked(asked)
    if guid is not None or "=" in asked:
        entry = session.find(f"<GUID={guid}>" if guid else asked, GROUP_ATTRIBUTES)
        return entry if isinstance(entry, Unseen) else {guid_of(entry): entry}
    filter_ = f"(&(objectCategory=group)(sAMAccountName={escape_filter_chars(asked)}))"
    return {
        guid_of(entry): entry
        for root in search_roots(session, settings)
        for page in session.pages(root, filter_, GROUP_ATTRIBUTES, settings.page_size)
        for entry in page
    } or Unseen()


def _near(session: Session, settings: ActiveDirectorySettings, asked: str) -> str:
    """Groups that might have been meant: a group has two names (cn and sAMAccountName, the one from before Windows 2000),
    which need not be the same, and people mistype both. Nothing depends on it."""
    wanted = re.sub(r"^[^\\=]+\\|@[\w.-]+$", "", asked.strip())  # of people one says DOMAIN\name and name@domain, too
    if "=" in wanted:
        wanted = re.sub(r"\\(.)", r"\1", re.split(r"(?<!\\),", wanted)[0].partition("=")[2].strip())
    by_name: dict[str, dict[str, str]] = {}
    try:
        for root in search_roots(session, settings):
            pages = session.pages(root, "(objectCategory=group)", ["cn", "sAMAccountName"], settings.page_size)
            for page in islice(pages, NEAR_PAGES_MAX):
                for entry in page:
                    short = (entry.first("samaccountname") or b"").decode("utf-8", "replace")
                    for name in (name_of(entry), short):
                        by_name.setdefault(name.casefold(), {})[entry.dn] = short
    except (Unusable, ValueError):
        return ""
    near = near_names(wanted, by_name, NEAR_NAMES_MAX, cutoff=0.7)
    found = {dn: short for name in near for dn, short in by_name[name].items() if dn_key(dn) != dn_key(asked)}
    shown = [f"{dn} (sAMAccountName {short})" for dn, short in islice(found.items(), NEAR_NAMES_MAX)]
    return f"; there is {' and '.join(shown)}" if shown else ""


def _guid_asked(asked: str) -> uuid.UUID | None:
    text = asked.strip()
    return uuid.UUID(text) if re.fullmatch(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?", text) else None


def id_by_dn(session: Session, dn: str) -> str:
    """The objectGUID of the object of this name; empty when it is not there or not for our eyes."""
    entry = session.entry(dn, ["objectGUID"])
    return guid_of(entry) if entry else ""


def filterfuls(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Names or ids in order, no more at once than one filter holds."""
    for at in range(0, len(items), FILTER_SIZE):
        yield items[at : at + FILTER_SIZE]


def search_roots(session: Session, settings: ActiveDirectorySettings) -> tuple[str, ...]:
    """The domain's root, and every base that does not lie below it: where groups and stray members may be."""
    domain = (session.domain_dn,) if session.domain_dn else ()
    return domain + tuple(base for base in settings.base_dns if not is_below(base, domain))


def demand_base(session: Session, base: str) -> str:
    """The base as this server spells it: what lies below is called so, whatever letter case, escapes and blanks the operator
    chose. Raises Unusable when the server does not show it: a base read as empty is a mass leaver."""
    found = session.find(base, ["objectGUID"])
    if isinstance(found, Unseen):
        raise Unusable(
            f"the base {base} {found.why}",
            found.do or "Correct directory.active_directory.base_dn, or let the bind account read there.",
        )
    return found.dn


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
    return Entry(entry.dn, {name: entry.attributes.get(name, []) for name in ("objectclass", "objectguid", "objectsid")})


def name_of(entry: Entry) -> str:
    """The name people know a group by."""
    raw = entry.first("cn")
    return raw.decode("utf-8", "replace") if raw else entry.dn
