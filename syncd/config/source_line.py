"""The line of the file a problem stands on, with a caret under it, as it may be shown: never a secret.

A line is shown as it stands, except that whatever follows a key that smells of a secret, or that is no key of ours, is left
out, and so is a name or password in a URL. A line that goes on from a line above (a value over several lines) is judged by the
key above it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from syncd.config.document import Spot

#: Keys whose values may be secrets, whatever stands there.
SMELLS_OF_A_SECRET = re.compile(r"passw|passphrase|pwd|secret|token|credential|private_?key|api_?key|certificate$|keytab$")

_KEY = re.compile(r"(?:^|[\s{,\[\"'])([A-Za-z_][\w-]*)[\"']?\s*:(?=\s|$)")
_MAY_HOLD = re.compile(f"{SMELLS_OF_A_SECRET.pattern}|signing_key|webhook|certificate|keytab|key_|url_(file|env)$")
_IN_URL = re.compile(r"(://)[^\s/@]+@|([?&][^=&\s]*(?:passw|token|secret)[^=&\s]*=)[^&\s\"']+", re.IGNORECASE)
#: Longer lines are cut around the caret.
_WIDTH = 100


def source(text: Sequence[str], spot: Spot, plain_keys: Collection[str]) -> str:
    """Two lines to stand below a problem: the source line and the caret. Nothing where the line cannot be shown. *plain_keys*:
    those whose values may be shown."""
    if not 1 <= spot.line <= len(text):
        return ""
    raw = text[spot.line - 1]
    visible = _without_secrets(raw, _key_above(text, spot.line), plain_keys)
    if not visible.strip(" …"):
        return ""
    start, end = spot.start - 1, spot.end - 1
    if start >= len(visible) or visible[: max(end, 0)] != raw[: max(end, 0)]:
        start = end = min(max(start, 0), visible.rfind("…") if "…" in visible and "…" not in raw else max(start, 0))
    cut = max(0, start - _WIDTH // 2) if len(visible) > _WIDTH else 0
    shown = _plain(("…" if cut else "") + visible[cut : cut + _WIDTH] + ("…" if len(visible) > cut + _WIDTH else ""))
    place = start - cut + (1 if cut else 0)
    number = f"{spot.line:>6}"
    caret = f"\n  {' ' * len(number)} | {' ' * place}{'^' * max(1, min(end, cut + _WIDTH) - start)}" if spot.start > 0 else ""
    return f"\n  {number} | {shown}{caret}"


def _without_secrets(line: str, above: str, plain_keys: Collection[str]) -> str:
    def may_hold(key: str, rest: str) -> bool:
        opens = rest.lstrip()[:1] in ("", "{", "#", "&", "[")
        return bool(_MAY_HOLD.search(key.lower())) or not (key in plain_keys or opens)

    found = [match for match in _KEY.finditer(line) if may_hold(match[1], line[match.end() :])]
    if found:
        line = line[: found[0].end()] + " …"
    elif not _KEY.search(line) and above and may_hold(above, line):
        return "…"
    return _IN_URL.sub(lambda match: f"{match[1]}…@" if match[1] else f"{match[2]}…", line)


def _key_above(text: Sequence[str], line: int) -> str:
    """The nearest key above a line."""
    for earlier in reversed(text[: line - 1]):
        found = _KEY.findall(earlier)
        if found:
            return str(found[-1])
    return ""


def _plain(text: str) -> str:
    """Without anything that would move a caret: one character for each."""
    return "".join(
        " "
        if char == "\t" or unicodedata.category(char) == "Zs"
        else "?"
        if unicodedata.category(char) in ("Cc", "Cf", "Cs")
        else char
        for char in text
    )
