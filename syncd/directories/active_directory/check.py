"""What ``syncd check`` says about one controller, and when the bind account's own password ends."""

from __future__ import annotations

from datetime import datetime

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.binding import SimpleBind
from syncd.directories.active_directory.groups import demand_base, find_configured
from syncd.directories.active_directory.people import PEOPLE_FILTER, attributes_to_ask, filetime, person_of
from syncd.directories.active_directory.session import Declined, Entry, Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable

#: The default of guards.max_clock_skew, and what Kerberos tolerates.
CLOCK_SECONDS_MAX = 300.0

ENDS_AT = "msDS-UserPasswordExpiryTimeComputed"


def check_server(session: Session, settings: ActiveDirectorySettings) -> tuple[bool, str]:
    """Whether everything a read needs is there, and the findings in one line. Raises as a read does when it is not."""
    configured = find_configured(session, settings)
    visible = _people_in_sight(session, settings)
    findings = [f"connected and bound; {len(configured)} group(s) found", visible]
    good = True
    offset = session.clock_offset_seconds
    if offset is None:
        findings.append("its clock could not be read")
    else:
        good = abs(offset) <= CLOCK_SECONDS_MAX
        findings.append(f"its clock is {abs(offset):.1f} s {'ahead' if offset >= 0 else 'behind'}"
                        + ("" if good else ": set both clocks by NTP"))
    ends = password_expiry(session, settings)
    findings.append(f"the bind password ends {ends:%Y-%m-%d}" if ends else "no end of the bind password is known")
    return good, "; ".join(findings)


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


def _people_in_sight(session: Session, settings: ActiveDirectorySettings) -> str:
    for base in settings.base_dns:
        demand_base(session, base)
        first = next(session.pages(base, PEOPLE_FILTER, attributes_to_ask(settings.address_attributes), page_size=10), [])
        if not first:
            raise Unusable(f"nobody is in sight below {base}", "Let the bind account read there, or take the base out.")
        for entry in first:
            trouble = person_of(entry, settings.address_attributes).person.unclear
            if trouble:
                raise Unusable(f"{entry.dn}: {trouble}", "Let the bind account read this attribute of all people.")
    return f"people are readable below {len(settings.base_dns)} base(s)"


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
