"""Letters beyond ASCII are asked for in every way they may be written: nobody is missed, and no domain is gone through."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.directories.active_directory.letters import WAYS_MAX, ways_to_write
from syncd.directories.active_directory.people import PEOPLE_FILTER
from syncd.directories.active_directory.wanted import Wanted
from syncd.model import address_key, judge, lowered
from tests.adlab.windows import STAFF, Windows, company, person
from tests.directories.ad_world import Directory, id_of

EVERYTHING = [chr(number) for number in range(0x80, 0x110000) if not 0xD800 <= number < 0xE000]


def becomes(text: str, *, of: str) -> bool:
    """Whether *text* is among the ways to write what it becomes, or that letter's ways are not known. Of a letter within ASCII
    (the Kelvin sign becomes one) no other way is asked for."""
    ways = ways_to_write(of)
    return of.isascii() or ways is None or text in ways


def test_no_letter_of_unicode_that_becomes_one_with_known_ways_is_left_out():
    """Whatever Python's tables of Unicode say, not ours."""
    assert [] == [one for one in EVERYTHING if len(small := lowered(one)) == 1 and not becomes(one, of=small)]


def test_no_mark_of_unicode_is_left_out():
    """Every mark on every letter that has any."""
    marks = [one for one in EVERYTHING if unicodedata.combining(one)]
    letters = [chr(number) for number in (*range(97, 123), *range(0xC0, 0x250), *range(0x400, 0x530), *range(0x1E00, 0x1F00))]
    composed = [(letter + mark, small) for letter in letters for mark in marks if len(small := lowered(letter + mark)) == 1]

    assert len(composed) > 300
    assert [] == [(text, small) for text, small in composed if not becomes(text, of=small)]


@pytest.mark.parametrize("text", ["jürgen.größe", "renée", "łukasz", "ångström", "юрий", "ann", ""])
def test_every_way_is_that_text_and_none_comes_twice(text):
    """Else a stranger's value would be asked for."""
    ways = ways_to_write(text)

    assert ways is not None
    assert text == ways[0]
    assert {text} == {lowered(way) for way in ways}
    assert len(ways) == len(set(ways)) <= WAYS_MAX


@pytest.mark.parametrize("text", ["ς", "ế", "álvaro.núñez.íñigo", "иванова-петрова", "i̇pek", "李", "ann\u200b", "Ü"])
def test_what_has_too_many_ways_or_unknown_ones_has_none(text):
    """Neighbours that matter, several marks, many letters, other scripts, marks that stand alone, what cannot be seen, what is no
    key."""
    assert ways_to_write(text) is None


@pytest.mark.parametrize(
    "mail",
    [
        "jürgen.größe@corp.example",
        "JÜRGEN.GRÖẞE@corp.example",
        "jÜrgen.größe@Corp.Example",
        "Ju\u0308rgen.größe@corp.example",
        "JU\u0308RGEN.gro\u0308ẞe@corp.example",
    ],
)
async def test_an_address_is_found_however_its_letters_are_written(mail):
    """By a server that compares byte by byte beyond ASCII."""
    with Windows(company(3, 3) | {f"CN=p9,{STAFF}": person(9, mail=[mail])}) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, ["jürgen.größe@corp.example"])
        await directory.close()

    assert [id_of(9)] == [one.id for one in found]


@pytest.mark.parametrize(
    "mail",
    ["ΓΙΏΡΓΟΣ@corp.example", "Ольга-МАРИЯ.Петровна@corp.example", "ann@BÜCHER.example", "İpek@corp.example", "LİLİ@corp.example"],
)
async def test_one_that_has_too_many_is_found_by_a_pattern(mail):
    """It takes a server long, and nobody is missed."""
    with Windows(company(3, 3) | {f"CN=p9,{STAFF}": person(9, mail=[mail])}) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, [mail])
        await directory.close()

    assert [id_of(9)] == [one.id for one in found]


@pytest.mark.parametrize("proxy", ["smtp:jürgen@corp.example", "SMTP:Jürgen@corp.example", "jürgen@corp.example"])
async def test_a_proxy_address_is_found_with_its_type_and_without(proxy):
    """A whole read takes both for the person's address."""
    with Windows(company(3, 3) | {f"CN=p9,{STAFF}": person(9, proxyAddresses=[proxy])}) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, ["jürgen@corp.example"])
        await directory.close()

    assert [id_of(9)] == [one.id for one in found]


def finds(asked: str, text: str) -> bool:
    """Whether a server that tells letters apart byte by byte, capitals of ASCII excepted, finds a *text* that is asked for by
    equality or by a pattern."""
    pattern = "".join(
        ".*" if piece == "*" else re.escape(in_ascii_small(unescaped(piece))) for piece in re.split(r"([*])", asked)
    )
    return re.fullmatch(pattern, in_ascii_small(text), re.DOTALL) is not None


def in_ascii_small(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


def unescaped(value: str) -> str:
    return re.sub(r"\\([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), value, flags=re.IGNORECASE)


def is_asked_for(address: str) -> bool:
    """Whether this way of writing an address is found when its key is asked for."""
    [found] = re.findall(r"\(\|(.*)\)\)$", Wanted.of(None, [address_key(address)], ("mail",)).filter)
    return any(finds(asked, address) for asked in re.findall(r"\(mail=([^()]*)\)", found))


def test_every_letter_of_unicode_is_found_as_it_is_written():
    """But for two signs that become ones of ASCII and that no company types (a Greek accent, the Kelvin sign), and blanks, of
    which none is asked for."""
    odd = [one for one in EVERYTHING if lowered(one) != one and not one.isspace()]
    addresses = {one: [f"{before}{one}nn@corp.example" for before in ("", "a", "jü")] for one in odd}
    missed = [one for one in odd if not all(is_asked_for(it) for it in addresses[one] if isinstance(judge(it), str))]

    assert ["\u1fef", "\u212a"] == missed


@given(
    st.text(
        st.sampled_from(["i", "I", "k", "*", "(", "\\", ".", *map(chr, (*range(0xC0, 0x250), *range(0x300, 0x370)))])
        | st.sampled_from([*map(chr, (*range(0x400, 0x530), *range(0x1E00, 0x1F00))), "\u212b", "Σ", "ς", "ﬁ", "李"]),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=150)
def test_any_name_is_found_however_it_is_written(local):
    """Composed or not, in capitals or not, marks in any order, with what has a meaning in filters."""
    for way in (local, local.upper(), local.lower(), *(unicodedata.normalize(form, local) for form in ("NFC", "NFD"))):
        assert is_asked_for(f"{way}@corp.example"), way


def test_what_has_a_meaning_in_filters_has_none_in_any_way_of_writing_a_name():
    """Addresses come from Zoom: each is a value, and never a part of a filter."""
    address = "jü*r)(g=\\e\0n@corp.example"
    filter_ = Wanted.of(None, [address], ("mail",)).filter
    values = re.findall(r"\(mail=([^()*\0]*)\)", filter_)

    assert f"(&{PEOPLE_FILTER}(|{''.join(f'(mail={value})' for value in values)}))" == filter_
    assert {address} == {lowered(unescaped(value)) for value in values}
    assert 3 == len(values)


def test_a_name_with_an_umlaut_asks_for_no_pattern():
    """No index answers one, and Samba goes through everybody."""
    asked = [
        Wanted.of(None, [f"{name}@corp.example"], ("mail", "proxyAddresses")).filter for name in ("ann", "jürgen", "γιώργος")
    ]

    assert [False, False, True] == ["*" in filter_ for filter_ in asked]
