"""Whom a second look is for: an LDAP filter that may find too much, and the exact question.

Pure. Addresses come from Zoom, so every one is a value to be escaped and never part of a filter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from syncd.directories.active_directory.letters import ways_to_write
from syncd.directories.active_directory.people import PEOPLE_FILTER
from syncd.model import Person, address_key, spellings

#: Letters beyond ASCII, and the one that comes apart when it is made small: U+0130 becomes these two.
_BEYOND_ASCII = re.compile(r"(?:i\u0307|[^\x00-\x7f])+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person by id, by address keys, or both: whoever fits either."""

    directory_id: str | None
    keys: frozenset[str]
    filter: str  # empty: nobody can be meant

    @classmethod
    def of(cls, directory_id: str | None, addresses: Sequence[str], attributes: Sequence[str]) -> Wanted:
        """*attributes*: where addresses are looked for."""
        keys = frozenset(address_key(address) for address in addresses)
        alternatives = [_guid_filter(directory_id)] if directory_id else []
        for attribute in attributes:
            # One without a type claims its address, too.
            types = ("smtp:", "") if attribute.lower() == "proxyaddresses" else ("",)
            alternatives += [
                f"({attribute}={type_}{spelling})"
                for key in sorted(keys)
                for both in spellings(key)
                for spelling in _spellings(both)
                for type_ in types
            ]
        asked = "".join(alternatives)
        return cls(directory_id, keys, f"(&{PEOPLE_FILTER}(|{asked}))" if asked else "")

    def includes(self, person: Person) -> bool:
        """Whether this is the person, or one who claims one of the addresses."""
        return person.id == self.directory_id or not self.keys.isdisjoint(person.addresses)


def _guid_filter(directory_id: str) -> str:
    try:
        return f"(objectGUID={escape_bytes(UUID(directory_id).bytes_le)})"
    except ValueError:
        return ""  # an id of another kind of directory: nobody here has it


def _spellings(key: str) -> list[str]:
    """The filter values by which an address with this key is found. Directories have their own ways of comparing letters
    beyond ASCII and of storing composed ones: it is asked for every way of writing them, or, where those are too many, those
    places match anything and the key decides."""
    local, at, domain = key.rpartition("@")
    ways = ways_to_write(local) if domain.isascii() else None  # of a domain there is no end: IDNA takes many signs for one
    if ways is not None:
        return [escape_filter_chars(f"{way}{at}{domain}") for way in ways]
    pieces = _BEYOND_ASCII.split(key)
    return [escape_filter_chars(key), re.sub(r"\*+", "*", "*".join(map(escape_filter_chars, pieces)))]
