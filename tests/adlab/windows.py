"""A small directory that answers as a Windows controller does where Samba does not: at most MaxPageSize entries a page,
at most MaxValRange values of an attribute at once, size limits that are obeyed, and no word about attributes that the
asker may not read. Faults are put in by a script that sees every search before it is answered.

    def second_page_too_large(search):
        return done(search.mid, 4) if search.page == 2 else None

    with Windows(company(people=3, members=2), page_max=2, fault=second_page_too_large) as controller:
        controller.url      # ldap://127.0.0.1:port

Filters are evaluated for real (and, or, not with "undefined", equality, presence, substrings, the bitwise and chain rules).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.adlab import fakeldap
from tests.adlab.fakeldap import PAGED, done, entry

Values = Sequence[str | bytes]

BASE_SCOPE, SUBTREE_SCOPE = 0, 2
NO_SUCH_OBJECT = 32

#: Where a controller keeps the id of its database; shown as its own when there is such an entry.
SERVICE = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Site,CN=Sites,CN=Configuration,DC=corp,DC=example"


class HangUp(Exception):
    """Raised by a fault: the connection is closed without an answer."""


@dataclass(frozen=True)
class Search:
    """A search as asked. *page* counts from 1 within one paged search; 0 when it is not paged."""

    mid: int
    base: str
    scope: int
    filter: tuple
    attributes: tuple[str, ...]
    page: int
    page_size: int
    raw: bytes

    def asks_for(self, text: str) -> bool:
        """Whether *text* stands anywhere in the request: enough to pick one out in a script."""
        return text.lower().encode() in self.raw.lower()


class Windows(fakeldap.Server):
    """*entries*: DN -> attributes. *unreadable*: (DN, attribute) pairs that are there but not shown. *searches_seen*: all."""

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Values]],
        *,
        page_max: int = 1000,
        range_max: int = 1500,
        unreadable: frozenset[tuple[str, str]] = frozenset(),
        hidden_is_absent: bool = False,
        fault: Callable[[Search], bytes | None] | None = None,
        on_bind: Callable | None = None,
        on_extended: Callable | None = None,
        domain: str = "DC=corp,DC=example",
    ) -> None:
        self.entries = {dn: {name.lower(): list(values) for name, values in shown.items()} for dn, shown in entries.items()}
        self.page_max, self.range_max = page_max, range_max
        self.unreadable = {(dn.lower(), name.lower()) for dn, name in unreadable}
        self.fault = fault or (lambda search: None)
        self.domain = domain
        self.searches_seen: list[Search] = []
        self.hidden_is_absent = hidden_is_absent  # what may not be read counts in filters as not being there (MS-ADTS 3.1.1.4.3)
        super().__init__(self._answer, on_bind, on_extended)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def _answer(self, conn, mid, raw, number):
        search = self._parsed(mid, raw)
        self.searches_seen.append(search)
        try:
            answer = self.fault(search)
        except HangUp:
            raise EOFError from None
        conn.sendall(self._regular(search) if answer is None else answer)

    def _regular(self, search: Search) -> bytes:
        if not search.base and search.scope == BASE_SCOPE:
            now = time.strftime("%Y%m%d%H%M%S.0Z", time.gmtime())
            service = {"dsServiceName": [SERVICE]} if SERVICE in self.entries else {}
            return entry(search.mid, "", currentTime=[now], defaultNamingContext=[self.domain], **service) + done(search.mid)
        base = self._base_of(search.base)
        if base is None:
            return done(search.mid, NO_SUCH_OBJECT, "0000208D: NameErr: DSID-03100288, problem 2001 (NO_OBJECT)")
        found = [dn for dn in self.entries if self._in_scope(dn, base, search.scope) and self._fits(dn, search.filter) is True]
        if search.page == 0:
            body = b"".join(self._entry(search, dn) for dn in found[: self.page_max])
            return body + done(search.mid, 4 if len(found) > self.page_max else 0)
        size = min(search.page_size, self.page_max)
        start = (search.page - 1) * size
        more = start + size < len(found)
        body = b"".join(self._entry(search, dn) for dn in found[start : start + size])
        return body + done(search.mid, cookie=str(search.page + 1).encode() if more else b"")

    def _base_of(self, base: str) -> str | None:
        by_guid = re.fullmatch(r"<GUID=([0-9a-f-]{36})>", base)
        for dn, attributes in self.entries.items():
            if by_guid and attributes.get("objectguid") == [uuid.UUID(by_guid.group(1)).bytes_le]:
                return dn
            if dn.lower() == base.lower():
                return dn
        return None

    @staticmethod
    def _in_scope(dn: str, base: str, scope: int) -> bool:
        return dn == base or (scope == SUBTREE_SCOPE and dn.lower().endswith("," + base.lower()))

    def _visible(self, dn: str, name: str) -> list[bytes] | None:
        """The values of an attribute; None: not for your eyes."""
        if (dn.lower(), name) in self.unreadable:
            return None
        if name == "distinguishedname":
            return [dn.encode()]
        if name == "memberof":
            return [
                other.encode()
                for other, attributes in self.entries.items()
                if _domain_of(other) == _domain_of(dn) and dn.encode() in map(_raw, attributes.get("member", ()))
            ]
        return [_raw(value) for value in self.entries[dn].get(name, ())]

    def _entry(self, search: Search, dn: str) -> bytes:
        shown: dict[str, list[bytes]] = {}
        for asked in search.attributes:
            name, _, option = asked.partition(";range=")
            values = self._visible(dn, name.lower())
            if not values:
                continue
            low = int(option.partition("-")[0]) if option else 0
            part = values[low : low + self.range_max]
            if low + len(part) < len(values):
                shown[name] = []
                shown[f"{name};range={low}-{low + len(part) - 1}"] = part
            else:
                shown[f"{name};range={low}-*" if option else name] = part
        return entry(search.mid, dn, shown)

    # ------------------------------------------------------------------------------------------------------- filters

    def _fits(self, dn: str, filter_: tuple) -> bool | None:
        """True, False, or None for undefined: what an unreadable attribute makes of every question about it, unless it counts
        as one that is not there."""
        kind, *rest = filter_
        if kind in {"and", "or"}:
            answers = [self._fits(dn, part) for part in rest]
            decisive = kind == "or"
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive
        if kind == "not":
            answer = self._fits(dn, rest[0])
            return None if answer is None else not answer
        name, question = rest
        values = self._visible(dn, name.lower())
        if values is None:
            return question([]) if self.hidden_is_absent else None
        return question([value.lower() for value in values])

    def _parsed(self, mid: int, raw: bytes) -> Search:
        parts = _elements(raw)
        fields = _elements(parts[1][1])
        page, page_size = 0, 0
        for _, control in _elements(parts[2][1]) if len(parts) > 2 else ():
            inner = _elements(control)
            if inner[0][1].decode() == PAGED:
                size, cookie = _elements(_elements(inner[-1][1])[0][1])
                page, page_size = int(cookie[1] or b"1"), int.from_bytes(size[1], "big")
        return Search(
            mid,
            fields[0][1].decode(),
            fields[1][1][0],
            _filter(*fields[6]),
            tuple(value.decode() for _, value in _elements(fields[7][1])),
            page,
            page_size,
            raw,
        )


def _domain_of(dn: str) -> str:
    return dn.lower().partition("dc=")[2]


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        found.append((tag, data[at : at + size]))
        at += size
    return found


def _filter(tag: int, body: bytes) -> tuple:
    if tag in {0xA0, 0xA1}:
        return ("and" if tag == 0xA0 else "or", *[_filter(*part) for part in _elements(body)])
    if tag == 0xA2:
        return ("not", _filter(*_elements(body)[0]))
    if tag == 0x87:
        return ("test", body.decode(), bool)
    if tag == 0xA3:
        name, value = (part for _, part in _elements(body))
        return ("test", name.decode(), lambda values: value.lower() in values)
    if tag == 0xA4:
        (_, name), (_, pieces) = _elements(body)
        return ("test", name.decode(), lambda values: any(_like(value, _elements(pieces)) for value in values))
    raise ValueError(f"a filter of kind {tag:#x} is not played")


def _like(value: bytes, pieces: list[tuple[int, bytes]]) -> bool:
    pattern = b""
    for tag, piece in pieces:
        text = re.escape(piece.lower())
        pattern += text if tag == 0x80 else b".*" + text
    return re.fullmatch(pattern + (b"" if pieces[-1][0] == 0x82 else b".*"), value, re.DOTALL) is not None


# --------------------------------------------------------------------------------------------------------- the company


def guid(number: int) -> bytes:
    """A made-up objectGUID; ``str(uuid.UUID(bytes_le=guid(7)))`` is its text."""
    return uuid.UUID(int=number).bytes_le


def sid(rid: int) -> bytes:
    """A SID of the made-up domain."""
    domain = b"".join(part.to_bytes(4, "little") for part in (21, 1, 2, 3, rid))
    return bytes([1, 5]) + (5).to_bytes(6, "big") + domain


def person(number: int, **more: Values) -> dict[str, Values]:
    """Attributes of a user; *more* replaces."""
    return {
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "objectCategory": ["person"],
        "objectGUID": [guid(number)],
        "objectSid": [sid(number)],
        "primaryGroupID": ["513"],
        "userAccountControl": ["512"],
        "accountExpires": ["0"],
        "displayName": [f"Person {number}"],
        "mail": [f"p{number}@corp.example"],
        "whenChanged": ["20261101120000.0Z"],
        **more,
    }


def group(number: int, name: str, members: Sequence[str] = (), **more: Values) -> dict[str, Values]:
    """Attributes of a group; *more* replaces."""
    return {
        "objectClass": ["top", "group"],
        "objectCategory": ["group"],
        "objectGUID": [guid(number)],
        "objectSid": [sid(number)],
        "cn": [name],
        "sAMAccountName": [name],
        "member": list(members),
        "uSNChanged": ["1"],
        **more,
    }


STAFF, GROUPS = "OU=Staff,DC=corp,DC=example", "OU=Groups,DC=corp,DC=example"


def company(people: int, members: int) -> dict[str, dict[str, Values]]:
    """A domain with *people* below OU=Staff, of whom the first *members* are in the group "zoom"."""
    return {
        "DC=corp,DC=example": {"objectClass": ["domain"], "objectGUID": [guid(900_001)]},
        STAFF: {"objectClass": ["organizationalUnit"], "objectGUID": [guid(900_002)]},
        GROUPS: {"objectClass": ["organizationalUnit"], "objectGUID": [guid(900_003)]},
        **{f"CN=p{n},{STAFF}": person(n) for n in range(1, people + 1)},
        f"CN=zoom,{GROUPS}": group(900_010, "zoom", [f"CN=p{n},{STAFF}" for n in range(1, members + 1)]),
    }
