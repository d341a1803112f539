"""One judge of addresses: for Active Directory, Entra ID, files, Zoom and the configuration alike. Pure.

    value                                                     judged          means
    Ann.Lee@Corp.Example, ann.lee@corp.example + U+200B       Key             claims the account with this key
    an empty one, sip:ann@…, X500:/o=…, a phone number        Nothing         claims nothing, and nobody is worse for it
    a@corp.example; b@corp.example, Ann <ann@corp.example>    Unclear         the person is unclear, accounts in it are kept

Two spellings are one address when their keys are equal: trimmed, invisible characters (Unicode category Cf) taken away at
both ends, NFC, ``lower()``, the domain in its ASCII form without a final dot. Never case folding: it makes one of ``ß`` and
``ss``, which are two people. Domains by IDNA 2008 with UTS 46, non-transitional (package ``idna``; Python's own codec is
IDNA 2003 and turns ``straße`` into ``strasse``).

What is more than one address, or holds something inside that cannot be seen, is not guessed at: a wrong guess is either a
stranger's account or an absence that is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

import idna

Key = NewType("Key", str)


@dataclass(frozen=True, slots=True)
class Nothing:
    """The value claims nothing. *why*, for counts and messages: ``empty``, ``typed`` (sip:, X500:, …) or ``no_at``."""

    why: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The value is not exactly one address. *why* says so without quoting it, to be read after the attribute's name; *keys*:
    whatever in it might be meant as an address, so that these accounts are left alone."""

    why: str
    keys: tuple[Key, ...] = ()


#: One address as nearly every value spells it, to be recognised in one step. Group 1: the domain.
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&*+/=?^_{|}~-]+(?:[.'][A-Za-z0-9!#$%&*+/=?^_{|}~-]+)*@([A-Za-z0-9_.-]+)")
#: Types of addresses met outside proxyAddresses, too; there any word before the colon is one.
_KNOWN_TYPES = re.compile(r"(?:sip|x400|x500|eum|spo|im|tel|fax|ms|notes|ccmail|gwise)\s*:", re.IGNORECASE)
_ANY_TYPE = re.compile(r"[A-Za-z0-9_-]+\s*:")
_SMTP = re.compile(r"smtp\s*:", re.IGNORECASE)
_MAIN = re.compile(r"SMTP\s*:")
#: ``@`` as East Asian keyboards write it. Neither is one, and both were meant as one.
_AT_LOOKALIKES = str.maketrans({"\uff20": "@", "\ufe6b": "@"})
#: What may not stand in a local part: blanks, and what separates or encloses addresses; in the wide and small forms of other
#: scripts, too.
_SEPARATES = frozenset(' ,;:<>()[]"\\@')
_SEPARATES_ABROAD = frozenset("\u3001\uff64\u060c\u061b\u201e\u201a") | frozenset(
    wide
    for wide in (*map(chr, range(0xFE50, 0xFE70)), *map(chr, range(0xFF01, 0xFF5F)))
    if unicodedata.normalize("NFKC", wide) in _SEPARATES
)
_QUOTES = frozenset({"Pi", "Pf"})  # categories of quotation marks that open and close
#: Invisible, and yet of no category that says so.
_HIDDEN = (
    frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
    | frozenset(map(chr, range(0x180B, 0x1810)))
    | frozenset(map(chr, range(0xFE00, 0xFE10)))
    | frozenset(map(chr, range(0xE0100, 0xE01F0)))
)
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Cn", "Co"})
_DOMAIN_MAX = 253  # characters; RFC 1035 2.3.4

#: Companies have few domains: each is worked out once.
_DOMAINS_KEPT = 65_536


def address_key(text: str) -> Key:
    """The form in which two addresses are compared. Of a value that is not exactly one address, too, so that equal texts stay
    equal: whether it is one is for ``judge`` to say."""
    text = text.strip()
    if text.isascii():  # no invisible ones among these, and the domain has its ASCII form already
        return text.lower().removesuffix(".")  # type: ignore[return-value]    # a call of NewType costs as much as the rest
    local, at, domain = _clean(text).rpartition("@")
    if not at:
        return Key(lowered(domain))
    return Key(f"{lowered(local)}@{domain_key(domain) or lowered(domain).removesuffix('.')}")


@lru_cache(_DOMAINS_KEPT)
def domain_key(text: str) -> str | None:
    """The ASCII form of a domain in either spelling, in small letters and without a final dot; None when IDNA takes no such
    domain. Underscores are let through in ASCII domains: Active Directory's own names hold them."""
    name = _clean(text)  # UTS 46 has its own way of making letters small: none is done here
    try:
        if name.isascii() and "_" in name:
            idna.encode(name.replace("_", "x"), uts46=True)
            found = name.lower()
        else:
            found = idna.encode(name, uts46=True, transitional=False).decode("ascii")
    except UnicodeError:
        return None
    found = found.removesuffix(".")
    return found if 0 < len(found) <= _DOMAIN_MAX else None


@lru_cache(_DOMAINS_KEPT)
def domain_in_letters(key: str) -> str:
    """The other spelling of a ``domain_key``: with the letters people read (``bücher.example``)."""
    try:
        return unicodedata.normalize("NFC", idna.decode(key)) if "xn--" in key else key
    except UnicodeError:
        return key


def spellings(key: str) -> tuple[str, ...]:
    """Both ways in which a directory may hold the address with this key, for questions by equality."""
    local, at, domain = key.rpartition("@")
    letters = domain_in_letters(domain)
    return (key,) if not at or letters == domain else (key, f"{local}@{letters}")


def pattern_key(pattern: str) -> str:
    """A pattern with ``*`` or ``?`` in the form of the keys it is compared with: labels of its domain that hold neither in their
    ASCII form."""
    local, at, domain = _clean(pattern).rpartition("@")
    labels = (label if "*" in label or "?" in label else domain_key(label) or label for label in domain.split("."))
    return lowered(f"{local}{at}{'.'.join(labels)}")


def judge(text: str, *, typed: bool = False) -> Key | Nothing | Unclear:
    """What one value of an address attribute claims. *typed*: in this attribute every value may have a type (proxyAddresses),
    so that any word before a colon is one; elsewhere only well-known types are, for ``Mail: ann@corp.example`` is a person's
    address all the same."""
    if (plain := _PLAIN.fullmatch(text)) and (domain := domain_key(plain[1])):
        return Key(f"{text[: plain.start(1)].lower()}{domain}")
    value = _clean(text)
    if prefix := _SMTP.match(value):
        value = _clean(value[prefix.end() :])
    elif (_ANY_TYPE if typed else _KNOWN_TYPES).match(value):
        return Nothing("typed")
    if not value:
        return Nothing("empty")
    if "@" not in value.translate(_AT_LOOKALIKES):
        return Nothing("no_at")
    why = _fault(value)
    return Unclear(why, tuple(_possible(value))) if why else address_key(value)


def is_main(text: str) -> bool:
    """Whether a value of proxyAddresses is the primary address: ``SMTP:`` in capitals marks it, ``smtp:`` an alias."""
    return _MAIN.match(_clean(text)) is not None


def _clean(text: str) -> str:
    """NFC, without blanks and invisible characters at both ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    start, end = 0, len(text)
    while start < end and _fades(text[start]):
        start += 1
    while start < end and _fades(text[end - 1]):
        end -= 1
    return text[start:end]


def _fades(character: str) -> bool:
    return character.isspace() or (character > "\x7f" and unicodedata.category(character) == "Cf")


def lowered(text: str) -> str:
    """Small letters, composed (NFC). A letter may come apart when it is made small (U+0130): so it is composed again."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def is_invisible(character: str) -> bool:
    """Whether a reader does not see this character."""
    return unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _HIDDEN


def _fault(value: str) -> str:
    """Why a clean value with an ``@`` is not exactly one address; nothing when it is one."""
    local, at, domain = value.partition("@")
    local = lowered(local)
    if not at:
        return "holds a character that looks like @ and is none"
    if "@" in domain:
        return "holds more than one @"
    if not local or not domain:
        return f"has nothing {'before' if not local else 'after'} the @"
    if any(map(is_invisible, local)):
        return "holds an invisible character before the @"
    if any(character.isspace() or character in _SEPARATES or character in _SEPARATES_ABROAD for character in local):
        return "holds a blank or a separator before the @"
    if any(map(str.isspace, domain)):
        return "holds a blank after the @"
    if ".." in local or any(end in ".'`" or unicodedata.category(end) in _QUOTES for end in (local[0], local[-1])):
        return "has a dot or a quotation mark at an end of what stands before the @, or two dots in a row"
    return "" if domain_key(domain) else "has no domain after the @"


_CANDIDATE = re.compile(r"[^\s,;:<>()\[\]\"\\@]+@[^\s,;:<>()\[\]\"\\@]+")
_ENDS = re.compile(r"^[\W_]+|[\W_]+$")
_NARROW = re.compile(r"[^\s,;:<>()\[\]\"\\@/|&+='`]+@[^\s,;:<>()\[\]\"\\@/|&+='`]+")
_BARE = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+")  # a domain ends where its letters do: ?subject=, %20, #
_BROKEN = re.compile(r"-*\.[.-]*")  # between two labels of a domain
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|&#?\w+;")  # as addresses and pages write separators
_COMMENT = re.compile(r"\([^()]*\)")


def _possible(value: str) -> Iterator[Key]:
    """Every address that somebody might have meant. Too many keep accounts that nobody asked for, too few lock people out."""
    apart = "".join(" " if is_invisible(one) else one for one in value.translate(_AT_LOOKALIKES))
    seen = "".join(one for one in value.translate(_AT_LOOKALIKES) if one.isspace() or not is_invisible(one))
    seen = re.sub(r"@[@\s]*@", "@", seen)
    foreign = "".join(" " if one > "\x7f" and unicodedata.category(one)[0] in "PS" else one for one in seen)
    unquoted = _COMMENT.sub("", seen).replace('"', "").replace("\\", "")
    found: dict[Key, None] = {}
    readings = (seen, apart, foreign, unquoted, _ESCAPE.sub(" ", seen), re.sub(r"\s+", "", seen), seen.replace(",", "."))
    for reading in (*readings, *(re.sub(r"\s*@\s*", "@", one) for one in (seen, foreign))):
        for pattern in (_CANDIDATE, _NARROW, _BARE):
            for candidate in pattern.findall(reading):
                local, _, domain = candidate.strip(".'`").partition("@")
                name = domain_key(_BROKEN.sub(".", _ENDS.sub("", domain)))
                if local and name:
                    found[address_key(f"{local}@{name}")] = None
                    found[address_key(f"{re.sub(r'[.]{2,}', '.', local).strip('.')}@{name}")] = None
    yield from found
