"""Answers as bytes: whatever the pieces they come in, the same entries; whatever does not fit, an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.directories.active_directory.answers import Entry, entry_of, receive
from tests.adlab.fakeldap import disconnection, done, entry, message, octets, reference, tlv

ATTRIBUTES = {"mail": ["ann@corp.example"], "Member;Range=0-1": [b"\x00" * 200, b""], "empty": []}
READ = Entry("CN=Änn,DC=x", {"mail": [b"ann@corp.example"], "member;range=0-1": [b"\x00" * 200, b""], "empty": []})
ANSWER = entry(7, "CN=Änn,DC=x", ATTRIBUTES) + reference(7, "ldap://elsewhere.example/") + done(7, cookie=b"2")


class Wire:
    """A connection that gives these pieces and then hangs up."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.socket = self
        self.strategy: Any = SimpleNamespace(
            _outstanding={},
            decode_response_fast=ldap3.Connection(
                ldap3.Server("127.0.0.1", get_info=ldap3.NONE), client_strategy=ldap3.SYNC
            ).strategy.decode_response_fast,
        )

    def recv(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(ANSWER) - 1, len(ANSWER)])
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(size):
    """Entries whole, a reference to another server no entry, the cookie of the next page."""
    answer = receive(Wire(*(ANSWER[at : at + size] for at in range(0, len(ANSWER), size))), 7, 1024)

    assert [READ] == list(answer.entries())
    assert (0, b"2") == (answer.result["result"], answer.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"])


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_an_answer_that_ends_too_early_is_an_error(cut):
    """At every single byte."""
    with pytest.raises(ConnectionError):
        receive(Wire(ANSWER[:cut]), 7, 1024)


@pytest.mark.parametrize(
    "pieces",
    [
        disconnection(),
        entry(7, "CN=x") + disconnection(),
        entry(8, "CN=x") + done(7),
        done(8),
        ANSWER + entry(7, "CN=x"),
        ANSWER + disconnection(),
        message(7, tlv(0x61, b"\x0a\x01\x00")),
        b"\x31" + done(7)[1:],
        b"\x30\x80\x00\x00",
        b"\x30\x85\x01\x00\x00\x00\x00",
        tlv(0x30, tlv(0x02, b"\x07")),
        tlv(0x30, octets("7"), b"\x64\x00"),
        b"\x30\x0a\x02\x7f\x07" + b"\x00" * 7,
    ],
    ids=str,
)
def test_what_is_no_answer_to_the_question_is_an_error(pieces):
    """Notices, other questions' answers, more after the end, other kinds, lengths that no answer has."""
    with pytest.raises((ConnectionError, ValueError)):
        receive(Wire(pieces), 7, 1024)


ROW = tlv(0x30, octets("mail"), tlv(0x31, octets("a")))


@pytest.mark.parametrize(
    "body",
    [
        tlv(0x65, octets("CN=x"), tlv(0x30, ROW)),
        tlv(0x64, octets("CN=x")),
        tlv(0x64, tlv(0x30, ROW)),
        tlv(0x64, octets("CN=x"), tlv(0x31, ROW)),
        tlv(0x64, octets("CN=x"), tlv(0x30, tlv(0x30, octets("mail")))),
        tlv(0x64, octets("CN=x"), tlv(0x30, tlv(0x30, octets("mail"), tlv(0x31, tlv(0x02, b"a"))))),
        tlv(0x64, octets("CN=x"), tlv(0x30, ROW), octets("more")),
        tlv(0x64, octets(b"\xff"), tlv(0x30, ROW)),
        tlv(0x64, octets("CN=x"), tlv(0x30, b"\x30\x0c\x04\x04mail\x31\x04\x04\x7fa")),
        tlv(0x64, octets("CN=x"), tlv(0x30, b"\x30\x0b\x04\x04mail\x31\x04\x04\x01a")),
        tlv(0x64, octets("CN=x"), tlv(0x30, tlv(0x30, octets("mail"), tlv(0x31, octets("a")), octets("b")))),
    ],
    ids=str,
)
def test_an_entry_that_does_not_fit_is_an_error(body):
    """Every length must fit into what holds it, every tag be the one that must be there."""
    with pytest.raises((ValueError, LookupError)):
        entry_of(body)


@given(
    st.text(max_size=200),
    st.dictionaries(
        st.text("abcDEF;=-0", min_size=1).filter(str.islower), st.lists(st.binary(max_size=300), max_size=4), max_size=5
    ),
)
def test_every_entry_is_read_as_it_was_written(dn, attributes):
    """Short and long lengths, empty values, bytes of every kind."""
    (message_,) = receive(Wire(entry(7, dn, attributes) + done(7)), 7, 1024).messages

    assert Entry(dn, attributes) == entry_of(message_)
