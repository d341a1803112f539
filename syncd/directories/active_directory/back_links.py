"""The groups that a person names as theirs (``memberOf``): the end of the links that a controller has at hand.

Which groups name somebody as a ``member`` is a search, for which Samba goes through the members of every group (half a second
beside one of 45,000). ``memberOf`` is stored with the person, but tells of groups of the person's own domain only, and many
domains hide it: to Windows a value that one may not read does not exist, in a filter neither (MS-ADTS 3.1.1.4.3), so only a value
that is shown proves that they are. It is asked first where the watch has noticed somebody, and nothing hangs on it: where it
may not tell all, ``member`` is asked for, as it is by the second look before anything is written to Zoom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.groups import OF_GROUPS, filterfuls, is_below
from syncd.directories.active_directory.people import dn_key, guid_of
from syncd.directories.active_directory.session import Session


class Untold(Exception):
    """Raised where the groups that somebody names may not be all."""


def groups_named(
    session: Session, page_size: int, entry: Entry, named: Mapping[str, str], relevant: Iterable[str]
) -> dict[str, Entry]:
    """The groups that *entry* names (*named*: their DNs, by the key of each), by id. *relevant*: DNs of all groups that matter.
    Raises Untold where there may be others: none is shown, one is hidden, or somebody is of another domain. Raises Unusable."""
    domain = session.domain_dn
    if domain is None or not named or not all(is_below(dn, (domain,)) for dn in (entry.dn, *named.values(), *relevant)):
        raise Untold
    found: dict[str, Entry] = {}
    for part in filterfuls(list(named.values())):
        filter_ = "".join(f"(distinguishedName={escape_filter_chars(name)})" for name in part)
        for page in session.pages(domain, f"(&(objectClass=group)(|{filter_}))", OF_GROUPS, page_size):
            found.update((guid_of(group), group) for group in page)
    if named.keys() != {dn_key(group.dn) for group in found.values()}:
        raise Untold
    return found
