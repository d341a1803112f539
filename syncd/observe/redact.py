"""Blanks secrets and e-mail addresses in what is about to be shown: the second line of defence, since no event carries
a secret in the first place.

Blanked are: whatever stands under a secret's name (in mappings, in pairs such as headers, in ``name=value``, in JSON
text), bearer and basic credentials, JSON web tokens, private keys, user names and passwords in URLs; and addresses,
unless the operator asked for them. A key that names where a secret lies (``client_secret_file``) is left alone: it is
what an operator needs. Prose such as ``the token: expired`` is left alone too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum

BLANK = "[redacted]"
NO_ADDRESS = "[address]"

_WORDS = (
    r"(?:secret|passw(?:or)?d|passphrase|pwd|token|assertion|api[_-]?key|authorization|private[_-]?key"
    r"|signing[_-]?key|cookie)"
)
_BUT_NOT = r"(?<!_file)(?<!_env)(?<!_url)(?<!_type)(?<!_at)(?<!_seconds)"
_QUOTED = r"""(?: b? \\" .*? (?:\\"|\Z)  |  b? "(?:\\.|[^"\\])*"?  |  b? '(?:\\.|[^'\\])*'? )"""

# Repetitions before a fixed word are bounded: a long line without blanks must not cost quadratic time.
_SECRET_KEY = re.compile(rf"(?i)(?:[\w.\- ]{{0,80}}{_WORDS}[\w\- ]{{0,80}}{_BUT_NOT}|webhook_?url)")
_ASSIGNED = re.compile(rf"""(?ixs)
    (?P<key> [\w.\-]{{0,40}} {_WORDS} [\w\-]{{0,40}} {_BUT_NOT} | webhook_?url )
    (?: (?P<quote> \\?["']? ) (?P<equals> \s{{0,9}} (?:=>|=|:) \s{{0,9}} )  |  (?P<pair> \\?["'] ,\s{{0,9}} (?=b?["']) ) )
    (?P<value> [\[({{] (?: {_QUOTED} | [^\])}}"'] )* [\])}}]?  |  {_QUOTED}
             | (?:(?:bearer|basic|digest|negotiate)\s+)? \S+ )""")
_SHAPES = (
    (re.compile(r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"), BLANK),
    (re.compile(r"(?i)\b(bearer|negotiate)\s+\S+"), rf"\1 {BLANK}"),
    (re.compile(r"\b([Bb]asic|BASIC)\s+(?=[a-z+/]*[A-Z0-9=])[A-Za-z0-9+/]{6,}={0,2}"), rf"\1 {BLANK}"),
    (re.compile(r"eyJ[\w-]{4,}(?:\.[\w-]*){1,4}"), BLANK),
    (re.compile(r"(?<=://)[^\s/?#]{1,512}@"), f"{BLANK}@"),
)
_ADDRESS = re.compile(r"""(?i)(?:"[^"\n]{1,64}"|[^\s"<>(),;:\[\]/\\@]{1,256})(?:@|%40)[^\s"'<>(),;:\[\]/\\@]{1,255}""")

#: Deeper than any fact of ours; what lies below is shown as text, and redacted as such.
_DEPTH_MAX = 6


def without_addresses(text: str) -> str:
    """*text* with every e-mail address blanked, percent-encoded ones in URLs too."""
    return _ADDRESS.sub(NO_ADDRESS, text) if "@" in text or "%40" in text else text


def without_secrets(text: str) -> str:
    """*text* with everything blanked that looks like a secret."""
    for pattern, instead in _SHAPES:
        text = pattern.sub(instead, text)
    return _ASSIGNED.sub(_blank_assigned, text)


class Redaction:
    """Turns facts into plain JSON values without secrets, and without addresses unless *addresses*."""

    def __init__(self, *, addresses: bool) -> None:
        self._addresses = addresses

    def facts(self, facts: Mapping[str, object]) -> dict[str, object]:
        """The same keys in the same order; every value plain."""
        return {self.text(_word(key)): self._named(_word(key), value, 0) for key, value in facts.items()}

    def text(self, text: str) -> str:
        """*text* as it may be shown."""
        text = without_secrets(text)
        return text if self._addresses else without_addresses(text)

    def _named(self, name: str, value: object, depth: int) -> object:
        if value is not None and not isinstance(value, bool) and _SECRET_KEY.fullmatch(name):
            return BLANK
        return self._plain(value, depth)

    def _plain(self, value: object, depth: int) -> object:
        match value:
            case Enum():
                return self._plain(value.value, depth)
            case None | bool() | int():
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case str() | bytes() | bytearray():
                return self.text(_word(value))
            case datetime():
                return rfc3339(value)
            case Mapping() | list() | tuple() | set() | frozenset() if depth < _DEPTH_MAX:
                return self._members(value, depth + 1)
            case _:
                return self.text(str(value) if isinstance(value, BaseException) else repr(value))

    def _members(self, value: object, depth: int) -> object:
        match value:
            case Mapping():
                return {self.text(_word(key)): self._named(_word(key), item, depth) for key, item in value.items()}
            case (str() | bytes() as name, item) if _SECRET_KEY.fullmatch(_word(name)):
                return [_word(name), self._named(_word(name), item, depth)]  # a header, for one
            case list() | tuple():
                return [self._plain(item, depth) for item in value]
            case set() | frozenset():
                return [self._plain(item, depth) for item in sorted(value, key=str)]
            case _:
                raise TypeError(type(value).__name__)


def rfc3339(at: datetime) -> str:
    """*at* in UTC with milliseconds, as ``2026-11-25T19:05:00.123Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else str(value)


def _blank_assigned(found: re.Match[str]) -> str:
    key, value = found["key"], found["value"]
    between = found["pair"] or found["quote"] + found["equals"]
    if between.startswith(":") and key.isalpha() and not _looks_secret(value):
        return f"{key}{between}{_ASSIGNED.sub(_blank_assigned, value)}"
    return f"{key}{between}{BLANK}"


def _looks_secret(value: str) -> bool:
    if value[0] in "\"'\\" or " " in value:
        return True
    mixed = value.lower() != value and value.upper() != value
    return len(value) >= 6 and (mixed or any(letter.isdigit() for letter in value))
