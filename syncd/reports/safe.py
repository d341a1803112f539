"""Text from directories, made safe to look at: nothing invisible, nothing that turns the line round, nothing that runs.

JSON and JSON Lines keep every character as it is; these functions are for what people open.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from syncd.reports.view import Value

#: First characters that make a spreadsheet take text for a formula, full-width forms included.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")

#: The same behind a semicolon: where a spreadsheet separates cells by semicolons (much of Europe), quotes around the whole
#: text do not keep it in one cell.
_FORMULA_BEHIND = re.compile(rf"(;\s*)(?=[{re.escape(''.join(sorted(_FORMULA)))}])")


def visible(text: str) -> str:
    r"""*text* with every control, direction and other invisible character written as its number: ``\u202e``.

    Letters of every script stay; a Hebrew name is shown in Hebrew, only what would turn its neighbours round is spelled out.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def no_formula(text: str) -> str:
    """*text* for a CSV cell: with ``'`` before whatever a spreadsheet would take for a formula, at the beginning or behind a
    semicolon. Blanks before do not help an attacker."""
    text = _FORMULA_BEHIND.sub(r"\1'", text)
    return "'" + text if text.lstrip()[:1] in _FORMULA and text.strip() else text


def plain(value: Value) -> str:
    """A value as safe text: times in RFC 3339 UTC, lists with ``; ``, yes and no, nothing for None."""
    match value:
        case None:
            return ""
        case str():
            return visible(value)
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case tuple():
            return "; ".join(visible(item) for item in value)
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)
