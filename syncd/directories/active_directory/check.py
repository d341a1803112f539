"""What ``syncd check`` says about one controller, and when the bind account's own password ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.binding import SimpleBind
from syncd.directories.active_directory.people import filetime
from syncd.directories.active_directory.session import Declined, Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.model import DirectorySnapshot, Person, unclear_limit

#: The default of guards.max_clock_skew, and what Kerberos tolerates.
CLOCK_SECONDS_MAX = 300.0

#: So many unclear people are named.
NAMED_MAX = 5

ENDS_AT = "msDS-UserPasswordExpiryTimeComputed"


def check_server(
    session: Session,
    settings: ActiveDirectorySettings,
    snapshot: DirectorySnapshot,
    recheck: Callable[[str], tuple[Person, ...]],
) -> tuple[bool, str]:
    """Whether all is well with a controller that was read whole, everybody and every group, and the findings in one line.
    *recheck* is a second look at one id through the same connection. Raises Unusable, as a read does, when something is
    missing."""
    by_name = sorted(snapshot.groups, key=lambda group: group.name)  # a controller gives them by objectGUID
    sizes = ", ".join(f"{group.name} {group.members}" for group in by_name)
    findings = [
        (
            f"connected and bound; {len(snapshot.people)} people read whole below {len(settings.base_dns)} base(s), and "
            f"{len(snapshot.groups)} group(s): {sizes}"
        )
    ]
    if snapshot.unresolved:
        findings.append(snapshot.unresolved_says)
    member = next((person for person in snapshot.people if person.entitled_by and not person.membership_unknown), None)
    if member is not None:
        seen = recheck(member.id)
        if [person.entitled_by for person in seen] != [member.entitled_by]:
            raise Unusable(
                f"a second look at {member.id} does not show the membership that the whole read showed",
                "Let the bind account read member, objectGUID and objectSid of the groups and of those in them.",
            )
        findings.append("a second look agrees")
    offset = session.clock_offset_seconds
    good = offset is None or abs(offset) <= CLOCK_SECONDS_MAX
    if offset is None:
        findings.append("its clock could not be read")
    else:
        findings.append(
            f"its clock is {abs(offset):.1f} s {'ahead' if offset >= 0 else 'behind'}"
            + ("" if good else ": set both clocks by NTP")
        )
    ends = password_expiry(session, settings)
    findings.append(f"the bind password ends {ends:%Y-%m-%d}" if ends else "no end of the bind password is known")
    clear, unclear = _unclear(snapshot)
    return good and clear, "; ".join([*findings, *unclear])


def _unclear(snapshot: DirectorySnapshot) -> tuple[bool, list[str]]:
    """Whether as few people are unclear as a read may have, and who they are."""
    found = [person for person in snapshot.people if person.matters_unclear]
    if not found:
        return True, []
    limit = unclear_limit(sum(1 for person in snapshot.people if person.entitled_by))
    named = ", ".join(f"{person.id} ({person.unclear})" for person in found[:NAMED_MAX])
    more = f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
    return len(found) <= limit, [f"{len(found)} unclear, at most {limit} may be: {named}{more}"]


def password_expiry(session: Session, settings: ActiveDirectorySettings) -> datetime | None:
    """When the bind account's password or the account itself expires, whichever comes first; None: never, or not shown.
    Nothing depends on it, so a server that does not answer this question is no reason to give up a read."""
    try:
        entry = _own_entry(session, settings)
    except Declined:
        return None
    ends: list[datetime] = []
    for name in (ENDS_AT.lower(), "accountexpires"):
        raw = entry.first(name) if entry else None
        try:
            end = filetime(int(raw)) if raw else None
        except ValueError:
            end = None
        if end is not None:
            ends.append(end)
    return min(ends, default=None)


def _own_entry(session: Session, settings: ActiveDirectorySettings) -> Entry | None:
    bind = settings.bind
    name = bind.user if isinstance(bind, SimpleBind) else bind.principal
    attributes = [ENDS_AT, "accountExpires"]
    if "=" in name:
        return session.entry(name, attributes)
    if session.domain_dn is None:
        return None
    short = escape_filter_chars(name.rpartition("\\")[2].partition("@")[0])
    filter_ = f"(&(objectClass=user)(|(userPrincipalName={escape_filter_chars(name)})(sAMAccountName={short})))"
    found = [entry for page in session.pages(session.domain_dn, filter_, attributes, page_size=10) for entry in page]
    return found[0] if len(found) == 1 else None
