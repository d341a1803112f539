"""Answers to a search: taken off the wire as bytes, and read when there is time.

ldap3 decodes every message of whatever kind by one general decoder, and only then lets anybody ask for more. Here an answer is
cut into messages as it comes, so that the next page can be asked for before this one is read: while a controller looks for the
next thousand people, these thousand are made. Nothing is believed for being fast: every length must fit into what holds it.

LDAP messages are BER (RFC 4511 section 5.1: definite lengths only): a tag, a length, a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ldap3
from ldap3.utils.asn1 import decode_message_fast

SEQUENCE, SET, INTEGER, OCTETS = 0x30, 0x31, 0x02, 0x04
ENTRY, DONE, REFERENCE = 0x64, 0x65, 0x73  # searchResEntry, searchResDone, searchResRef
UNSOLICITED = 0  # the message id of what nobody asked for: a notice of disconnection

#: A length of more bytes than this is none that an answer may have (256 MiB, see ``transport``).
LENGTH_BYTES_MAX = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as answered. Attribute names in lower case, options (``;range=…``) kept; values are raw bytes."""

    dn: str
    attributes: dict[str, list[bytes]]

    def first(self, name: str) -> bytes | None:
        """The only or first value of an attribute given in lower case."""
        values = self.attributes.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer: how it ended, as ldap3 tells it, and its entries, not yet read."""

    result: dict[str, Any]
    messages: list[bytes]

    def entries(self) -> Iterator[Entry]:
        """Reads the entries. Raises ValueError or LookupError when one is no LDAP."""
        return map(entry_of, self.messages)


def hand_over_message_ids(connection: ldap3.Connection) -> None:
    """Lets ``connection.search`` send its question and give the message id, as it does in ldap3's asynchronous strategies."""
    connection.post_send_search = lambda message_id: message_id


def receive(connection: ldap3.Connection, message_id: int, chunk_size: int) -> Answer:
    """The whole answer to the question *message_id*. A searchResRef among the entries names another server: not followed.

    Raises OSError when the line breaks or is ended by the server, ValueError or LookupError on what is no answer to it.
    """
    waiting = bytearray()
    messages: list[bytes] = []
    result: dict[str, Any] | None = None
    while True:
        at = 0
        while (end := _end(waiting, at)) is not None and end <= len(waiting):
            operation = _operation(waiting, at, end, message_id)
            tag = waiting[operation]
            if result is not None:
                raise ValueError("more came after the end of the answer")
            if tag == ENTRY:
                messages.append(bytes(waiting[operation:end]))
            elif tag == DONE:
                result = connection.strategy.decode_response_fast(decode_message_fast(bytes(waiting[at:end])))  # type: ignore[no-untyped-call]
            elif tag != REFERENCE:
                raise ValueError(f"an answer of the kind {tag:#x} to a search")
            at = end
        del waiting[:at]
        if result is not None and not waiting:
            connection.strategy.__dict__["_outstanding"].pop(message_id, None)
            return Answer(result, messages)
        chunk = connection.socket.recv(chunk_size)
        if not chunk:
            raise ConnectionError("session terminated by server")
        waiting += chunk


def entry_of(message: bytes) -> Entry:
    """The object in a searchResEntry (what follows it, its controls, does not count). Raises ValueError, LookupError."""
    at, end = _inside(message, 0, len(message), ENTRY, whole=False)
    start, at = _inside(message, at, end, OCTETS, whole=False)
    dn = message[start:at].decode()
    at, end = _inside(message, at, end, SEQUENCE)
    attributes: dict[str, list[bytes]] = {}
    while at < end:
        at, row_end = _inside(message, at, end, SEQUENCE, whole=False)
        start, at = _inside(message, at, row_end, OCTETS, whole=False)
        name = _name(message[start:at])
        at, _ = _inside(message, at, row_end, SET)
        values: list[bytes] = []
        while at < row_end:
            # As _inside does, in place: nearly all of an answer is values.
            size = message[at + 1]
            start = at + 2
            if size > 0x7F:
                size, start = _long(message, start, size)
            if message[at] != OCTETS or start + size > row_end:
                raise ValueError("a value does not fit")
            at = start + size
            values.append(message[start:at])
        attributes[name] = values
    return Entry(dn, attributes)


@lru_cache(1024)
def _name(raw: bytes) -> str:
    return raw.decode().lower()


def _end(data: bytearray, at: int) -> int | None:
    """Where the message at *at* ends; None when too little has come to say."""
    if len(data) < at + 2:
        return None
    if data[at] != SEQUENCE:
        raise ValueError("no LDAP message")
    size = data[at + 1]
    start = at + 2
    if size > 0x7F:
        if len(data) < start + (size & 0x7F):
            _demand_length(size)
            return None
        size, start = _long(data, start, size)
    return start + size


def _operation(data: bytearray, at: int, end: int, message_id: int) -> int:
    """Where the operation of the message at *at* begins."""
    at, _ = _inside(data, at, end, SEQUENCE)
    start, at = _inside(data, at, end, INTEGER, whole=False)
    number = int.from_bytes(data[start:at], "big")
    if number == UNSOLICITED:
        raise ConnectionError("session terminated by server")
    if number != message_id:
        raise ValueError("an answer to another question")
    if at >= end:
        raise ValueError("an empty message")
    return at


def _inside(data: bytes | bytearray, at: int, limit: int, tag: int, *, whole: bool = True) -> tuple[int, int]:
    """Start and end of the value at *at*, which must have this tag and fit: *whole*, up to *limit*."""
    if at + 2 > limit or data[at] != tag:
        raise ValueError(f"no element {tag:#x} where one must be")
    size = data[at + 1]
    start = at + 2
    if size > 0x7F:
        size, start = _long(data, start, size)
    end = start + size
    if end > limit or (whole and end != limit):
        raise ValueError("an element does not fit")
    return start, end


def _long(data: bytes | bytearray, at: int, first: int) -> tuple[int, int]:
    """A length of several bytes, and where its value starts."""
    _demand_length(first)
    start = at + (first & 0x7F)
    return int.from_bytes(data[at:start], "big"), start


def _demand_length(first: int) -> None:
    if not 0 < first & 0x7F <= LENGTH_BYTES_MAX:
        raise ValueError("a length that no answer has")
