"""In which ways letters beyond ASCII may be written, so that a directory can be asked for each of them by its index.

An address is compared as a key: composed (NFC) and in small letters. A directory holds it as somebody typed it, and has its own
way of comparing such letters: so it is asked for every text that has this key. A pattern (``j*rgen``) would fit them all as
well, but no index answers it: Samba goes through the whole domain, more than a second for 50,000 people. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from math import prod
from unicodedata import normalize

from syncd.model import lowered

#: More texts than this are not asked for one by one.
WAYS_MAX = 64

#: The alphabets of which every way is known: Latin and Cyrillic. Others have letters with several marks, or ones that look at
#: their neighbours (the final sigma).
_ALPHABETS = (range(0xDF, 0x250), range(0x400, 0x530), range(0x1E00, 0x1F00))

#: Where their capitals are, and signs that are one of their letters (the Angstrom sign).
_CAPITALS = range(0x80, 0x3000)

_MARKS = range(0x300, 0x370)


def ways_to_write(text: str) -> tuple[str, ...] | None:
    """Every text whose small, composed form is this one, *text* first. Letters of ASCII stay as they are: no directory tells
    their capitals apart. None: they are too many, or not known."""
    ways = []
    for character in text:
        found = (character,) if character.isascii() else _ways_of(character)
        if not found:
            return None
        ways.append(found)
    if prod(map(len, ways)) > WAYS_MAX:
        return None
    return tuple(map("".join, product(*ways)))


@lru_cache
def _ways_of(letter: str) -> tuple[str, ...]:
    """The ways of one letter, itself first; none: they are not known."""
    if not any(ord(letter) in alphabet for alphabet in _ALPHABETS) or lowered(letter) != letter:
        return ()
    ways = dict.fromkeys((letter, *_capitals().get(letter, ())))
    for whole in tuple(ways):
        base, marks = normalize("NFD", whole)[0], normalize("NFD", whole)[1:]
        if len(marks) > 1:  # some of them may be composed, and in another order
            return ()
        if marks:
            base = base.lower() if base.isascii() else base
            ways |= dict.fromkeys(base + mark for mark in _same_marks()[marks])
    return tuple(ways)


@lru_cache(1)
def _capitals() -> Mapping[str, tuple[str, ...]]:
    """Small letter -> whatever else becomes it."""
    found: dict[str, tuple[str, ...]] = {}
    for other in map(chr, _CAPITALS):
        small = lowered(other)
        if small != other and len(small) == 1:
            found[small] = (*found.get(small, ()), other)
    return found


@lru_cache(1)
def _same_marks() -> Mapping[str, tuple[str, ...]]:
    """A mark -> every mark that is the same one, itself included."""
    found: dict[str, tuple[str, ...]] = {}
    for mark in map(chr, _MARKS):
        same = normalize("NFC", mark)
        found[same] = (*found.get(same, ()), mark)
    return found
