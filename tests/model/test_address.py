# ruff: noqa: RUF001  -- letters that look like others are what is tested
"""The judge of addresses: which two spellings are one address, what claims nothing, and what is not guessed at."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model import Nothing, Unclear, address_key, domain_key, is_main, judge, pattern_key, spellings

P1 = "p1@corp.example"

#: Every kind of character, with those that make trouble more often than chance would have them.
TROUBLE = st.sampled_from(
    "\u200b\u200d\u00ad\ufeff\u2060\u00a0\u3000 \t.@;,<>\"'ßſﬁİıΣςµｐ\uff20\u0308\u0345\u1fef\u037e\u3164Kk"
)
TEXT = st.text(st.one_of(TROUBLE, st.characters(exclude_categories=["Cs"])), max_size=12)
INVISIBLE = st.text(st.sampled_from("\u200b\u200c\u200d\u200e\u00ad\ufeff\u2060 \u00a0\u3000\t\r\n"), max_size=4)


@pytest.mark.parametrize(
    "value",
    [
        "P1@CORP.example",
        " p1@corp.example\r\n",
        "p1@corp.example\u200b",
        "\ufeffp1@corp.example",
        "\u200e p1@corp.example \u2060",
        "p1@corp.example.",
        "p1@\u200bcorp.example",
        "p1@co\u00adrp.example",
        "p1@ｃｏｒｐ．example",
        "smtp:p1@corp.example",
        "SMTP: p1@corp.example",
        "\u200bSMTP:\u200bP1@corp.example",
        "p1@corp\u3002example",
        "p1@corp.example\u3002",
    ],
)
def test_what_is_plainly_one_address_is_cleaned(value: str):
    """Blanks, invisible characters at the ends and in the domain, case, a type, a final dot."""
    assert judge(value) == P1
    assert judge(value, typed=True) == P1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BU\u0308CHER.example", "ann@XN--BCHER-KVA.EXAMPLE."),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("JOSÉ@corp.example", "jose\u0301@corp.example"),
        ("ann@ΑΣ.example", "ann@xn--mxa0b.example"),
    ],
)
def test_two_spellings_of_one_address(one: str, other: str):
    """Composed letters, and domains in letters or in ASCII."""
    assert judge(one) == judge(other) == address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("groß@corp.example", "gross@corp.example"),
        ("ſam@corp.example", "sam@corp.example"),
        ("ﬁn@corp.example", "fin@corp.example"),
        ("ann@straße.example", "ann@strasse.example"),
        ("ıan@corp.example", "ian@corp.example"),
        ("ａnn@corp.example", "ann@corp.example"),
    ],
)
def test_two_people_are_not_folded_into_one(one: str, other: str):
    """Small letters, never case folding."""
    assert address_key(one) != address_key(other)
    assert judge(one) != judge(other)


@pytest.mark.parametrize(
    ("value", "typed", "why"),
    [
        ("", False, "empty"),
        (" \u200b ", False, "empty"),
        ("smtp:", True, "empty"),
        ("+49 30 1234", False, "no_at"),
        ("CORP\\ann", False, "no_at"),
        ("sip:ann@corp.example", False, "typed"),
        ("X500:/o=Corp/cn=ann@corp.example", False, "typed"),
        ("EUM:ann@corp.example;phone-context=x", True, "typed"),
        ("SPO:SPO_1@SPO_2", True, "typed"),
        ("mailto:a@corp.example", True, "typed"),
    ],
)
def test_what_claims_nothing(value: str, typed: bool, why: str):
    """And makes nobody unclear."""
    assert judge(value, typed=typed) == Nothing(why)


@pytest.mark.parametrize(
    "value",
    [
        "p1@corp.example; old@corp.example",
        "old@corp.example,p1@corp.example",
        "p1@corp.example old@corp.example",
        "p1@corp.example\u00a0old@corp.example",
        "p1@corp.example\nold@corp.example",
        "p1@corp.example/old@corp.example",
        "p1@corp.example|old@corp.example",
        "Ann <p1@corp.example>",
        "<p1@corp.example>",
        '"Lee, Ann" <P1@Corp.example>',
        "p1@corp.example (Ann)",
        "Ann p1@corp.example",
        "p\u200b1@corp.example",
        "p1\u200d@corp.example",
        "p\u31641@corp.example",
        "p\u00ad1@corp.example",
        "p1\ufe0f@corp.example",
        "p1 @corp.example",
        "p1@ corp.example",
        "p1@@corp.example",
        "p1@corp..example",
        "p1\uff20corp.example",
        "p1@corp,example",
        "'p1@corp.example'",
        "'p1@corp.example",
        "p1.@corp.example",
        "mailto:p1@corp.example",
        "Mail: p1@corp.example",
        "p1@corp.example>",
        "p1@corp.example;",
        "p1@corp.example\ufffd",
        "p1@corp.example;;",
        "smtp:p1@corp.example;smtp:x@corp.example",
        "smtp:Ann <p1@corp.example>",
        "p1@corp.example\x00",
        "p1@-corp.example",
        "p1@corp.example\u200bold@corp.example",
        "[p1@corp.example]",
        "p1@corp.example:",
        "p1@corp.example\\",
        "p1@corp.example..",
        '"p1"@corp.example',
        "p1(Ann)@corp.example",
        "p1@(Corp)corp.example",
        "“p1@corp.example”",
        "«p1@corp.example»",
        "“p1”@corp.example",
        "＂p1＂@corp.example",
        "Ann＜p1@corp.example＞",
        "old@corp.example；p1@corp.example",
        "p1@corp.example、old@corp.example",
        "p1@corp.example，old@corp.example",
        "p1@corp.example·old@corp.example",
        "‚p1@corp.example‘",
        "old、p1@corp.example",
        "p1@corp.example?subject=x",
        "p1@corp.example%20",
        "old@corp.example%3Bp1@corp.example",
        "p1@corp.example#1",
        "p1@corp-.example",
        "&lt;p1@corp.example&gt;",
        "p1@corp.example&#59;",
        "p1@corp.example!",
        "p1@corp.example/path",
        "p1@corp.example=",
    ],
)
def test_what_is_not_exactly_one_address_is_unclear_and_names_whose_accounts_it_may_mean(value: str):
    """Not guessed at: neither claimed nor nothing."""
    judged = judge(value)

    assert isinstance(judged, Unclear)
    assert P1 in judged.keys
    assert value not in judged.why
    assert "p1" not in judged.why


@pytest.mark.parametrize("value", ["@corp.example", "p1@", "@", "p1@i❤.example", "p1@ab--cd.example", f"p1@{'a' * 64}.example"])
def test_half_an_address_is_unclear(value: str):
    """Nobody's account can be meant, and still nobody says that it is none."""
    assert isinstance(judge(value), Unclear)


@pytest.mark.parametrize(
    "value",
    [
        "o'brien@corp.example",
        "ann+zoom@corp.example",
        "ann.lee@corp",
        "a_b-c=d/e@corp.example",
        "ann@my_domain.local",
        "1@1.example",
        "josé@corp.example",
        "анна@corp.example",
        "ann@10.0.0.1",
    ],
)
def test_unusual_addresses_are_addresses(value: str):
    """Everything one local part may hold; Windows' own domain names with underscores."""
    assert judge(value) == address_key(value) == value


@given(TEXT, TEXT)
def test_a_key_is_its_own_key(local: str, domain: str):
    """Whatever is judged: keys may be judged again, cleaned again and compared as they are."""
    for value in (f"{local}@{domain}.example", f"{local}@{domain}", local):
        assert address_key(address_key(value)) == address_key(value)
        judged = judge(value)
        if isinstance(judged, str):
            assert judged == judge(judged) == address_key(value.removeprefix("smtp:"))
        elif isinstance(judged, Unclear):
            assert all(judge(key) == key for key in judged.keys if "@" in key and isinstance(judge(key), str))


@given(st.from_regex(r"[a-z0-9][a-z0-9+_-]{0,8}", fullmatch=True), INVISIBLE, INVISIBLE, st.booleans())
def test_invisible_ends_never_count(local: str, before: str, after: str, upper: bool):
    """At neither end, in no number and order."""
    address = f"{local}@corp.example"

    assert judge(before + (address.upper() if upper else address) + after) == address


@given(st.text(st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=8))
def test_letters_keep_their_identity(local: str):
    """An address of letters claims one key, small and composed, and never another letter's."""
    judged = judge(f"{local}@corp.example")

    if isinstance(judged, str):
        small = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
        assert judged == f"{small}@corp.example"


@given(TEXT)
def test_no_text_breaks_the_judge(text: str):
    """Values come from anywhere."""
    assert isinstance(judge(text), str | Nothing | Unclear)
    assert isinstance(judge(text, typed=True), str | Nothing | Unclear)


def test_both_spellings_are_asked_for():
    """Directories compare what they hold."""
    assert spellings("ann@xn--bcher-kva.example") == ("ann@xn--bcher-kva.example", "ann@bücher.example")
    assert spellings(P1) == (P1,)


def test_domains_and_patterns_of_the_configuration():
    """Either spelling; a label with a wildcard stays as it is."""
    assert domain_key("Bücher.Example.") == domain_key("xn--bcher-kva.example") == "xn--bcher-kva.example"
    assert [domain_key(wrong) for wrong in ("", "a b.example", "corp..example", "ann@corp.example", "-x.example")] == [None] * 5
    assert pattern_key("SVC-*@*.Bücher.example") == "svc-*@*.xn--bcher-kva.example"


def test_capitals_mark_the_primary_address():
    """As Exchange does."""
    assert all(map(is_main, ("SMTP:a@x", " SMTP:a@x", "SMTP : a@x")))
    assert not any(map(is_main, ("smtp:a@x", "Smtp:a@x", "a@x")))
