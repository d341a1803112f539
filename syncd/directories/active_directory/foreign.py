"""Members of a group that are no objects of this forest: stand-ins (foreignSecurityPrincipal) named by a SID.

Such a stand-in says nothing about whom it stands for: a person of a trusted forest, one who was deleted there long ago, or
everybody who logs on. What they are called here is for the operator's eyes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.people import sid_text
from syncd.directories.active_directory.session import Declined, Session

#: An account of a domain; every other SID stands for whoever fits a description.
ACCOUNT_SID = re.compile(r"(S-1-5-21-\d+-\d+-\d+)-\d+")

#: Names of SIDs that are no list of people (MS-DTYP 2.4.2.4).
WELL_KNOWN: Mapping[str, str] = {
    "S-1-1-0": "Everyone",
    "S-1-5-2": "Network",
    "S-1-5-4": "Interactive",
    "S-1-5-7": "Anonymous Logon",
    "S-1-5-9": "Enterprise Domain Controllers",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-15": "This Organization",
    "S-1-5-17": "IUSR",
    "S-1-5-18": "Local System",
    "S-1-5-1000": "Other Organization",
}


def foreign_sid(dn: str, entry: Entry | None) -> str | None:
    """The SID of a stand-in, by its entry or, when that is hidden, by where it stands; None: *dn* is none."""
    if entry is not None:
        raw = entry.first("objectsid")
        if "foreignsecurityprincipal" not in (
            value.decode("utf-8", "replace").lower() for value in entry.attributes.get("objectclass", ())
        ):
            return None
        if raw:
            return sid_text(raw)
    named = re.match(r"CN=(S-1-[\d-]+),(CN=ForeignSecurityPrincipals,)?", dn, re.IGNORECASE)
    return named.group(1).upper() if named and (entry is not None or named.group(2)) else None


def means_anybody(sid: str) -> bool:
    """Whether this SID stands for whoever fits a description, as Everyone does, and for no account."""
    return ACCOUNT_SID.fullmatch(sid) is None


def shown(sid: str) -> str:
    """A SID with the name people know it by."""
    return f"{WELL_KNOWN[sid]} ({sid})" if sid in WELL_KNOWN else sid


class Trusts:
    """Which domains this one trusts, asked for once and only when there is somebody to explain."""

    def __init__(self, session: Session, page_size: int) -> None:
        self._session = session
        self._page_size = page_size
        self._known: bytes | None = None
        self._visible = False

    def knows(self, sid: str) -> bool:
        """Whether a trust of this domain may lead to the account. True also when it cannot be seen which ones there are."""
        account = ACCOUNT_SID.fullmatch(sid)
        if self._known is None:
            # Trusts stand in the container System, which everybody may read by default.
            domain = self._session.domain_dn
            self._visible = domain is not None and self._session.entry(f"CN=System,{domain}", ["1.1"]) is not None
            self._known = b"\0".join(self._read())
        if account is None or not (self._visible or self._known):
            return True
        parts = [int(part) for part in account.group(1).split("-")[3:]]
        return b"".join(part.to_bytes(4, "little") for part in parts) in self._known

    def _read(self) -> Iterator[bytes]:
        if self._session.domain_dn is None:
            return
        # A forest's other domains stand in msDS-TrustForestTrustInfo, a blob that holds their SIDs as bytes.
        wanted = ["securityIdentifier", "msDS-TrustForestTrustInfo"]
        try:
            for page in self._session.pages(self._session.domain_dn, "(objectClass=trustedDomain)", wanted, self._page_size):
                for entry in page:
                    yield entry.first("securityidentifier") or b""
                    yield entry.first("msds-trustforesttrustinfo") or b""
        except Declined:
            return
