"""What is valid YAML and means something else than its author had in mind; looked for in the values as written.

A piece of a DN where a whole one was meant, ``${VAR}`` and templates that nobody fills in, typographic quotes and dashes that
came with a copied line. None of them repeats a value that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from syncd.config.document import Document, Problem, Where

# Written by number, for several look like something else.
_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a"
_DASHES = "\u2013\u2014\u2012\u2212\u2022"
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|<%.*?%>|^\$[A-Za-z_]\w*$|^%[A-Za-z_]\w*%$")
#: One attribute of a DN and its value, alone.
_PIECE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*[^,=]+")


def traps(document: Document) -> Iterator[Problem]:
    """Every value and key that will not mean what it looks like."""
    for where, value in _walk(document.values, ()):
        if isinstance(value, list):
            yield from _pieces_of_a_dn(where, value, document)
        elif isinstance(value, str):
            yield from _never_replaced(where, value)
            yield from _typographic(where, value, document)
        if where and isinstance(where[-1], str) and where[-1].startswith((*_QUOTES, *_DASHES)):
            yield Problem(
                where,
                f"begins with a typographic {_kind(where[-1][0])}, which is a letter like any other to YAML",
                "write a plain one",
                of_key=True,
            )


def _walk(value: Any, where: Where) -> Iterator[tuple[Where, Any]]:
    yield where, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, (*where, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _walk(inner, (*where, place))


def _pieces_of_a_dn(where: Where, items: list[Any], document: Document) -> Iterator[Problem]:
    """``[CN=Zoom Users,OU=Groups,DC=corp]`` is a list of three texts. Two pieces running, without quotes, are no accident."""
    pieces = [
        isinstance(item, str) and (*where, place) in document.unquoted and bool(_PIECE.fullmatch(item))
        for place, item in enumerate(items)
    ]
    begun = 0
    for place, piece in enumerate([*pieces, False]):
        if piece:
            continue
        if place - begun > 1:
            whole = ",".join(str(item).strip() for item in items[begun:place])
            yield Problem(
                (*where, begun),
                f"the list holds {place - begun} pieces of a DN, not one DN: outside of quotes a comma begins the next item",
                f'put each DN in quotes: "{whole}"',
            )
        begun = place + 1


def _never_replaced(where: Where, value: str) -> Iterator[Problem]:
    found = _VARIABLE.search(value.strip())
    if found is None or (where and isinstance(where[-1], str) and where[-1].endswith("_env")):
        return
    name = re.sub(r"[^A-Za-z0-9_]", "", found[0])
    # In other letters it may be part of a secret that was written into the wrong place.
    which = found[0] if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) and len(found[0]) <= 40 else "a variable or template"
    yield Problem(
        where,
        f"{which} stands here as text: variables are not replaced in this file",
        "write the value; a secret is named by its NAME_env key instead",
    )


def _typographic(where: Where, value: str, document: Document) -> Iterator[Problem]:
    text = value.strip()
    if text and where in document.unquoted:
        if text[0] in _QUOTES or text[-1] in _QUOTES:
            mark = text[0] if text[0] in _QUOTES else text[-1]
            yield Problem(where, f"{mark} is a typographic quote, which would be part of the value", 'write plain ones: "…"')
        elif re.match(rf"[{_DASHES}]\s", text):
            yield Problem(where, f"{text[0]} is no minus sign: this is text, not an item of a list", "write  - value")


def _kind(mark: str) -> str:
    return "quote" if mark in _QUOTES else "dash"
