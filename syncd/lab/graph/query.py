"""OData query options as Graph takes them for directory objects: ``$select``, ``$top``, ``$count``, ``$orderby`` and a part of
``$filter``. What Graph would not do is refused in its words, so that a client which only works here is found out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from syncd.lab.entra.objects import FIELDS, Thing
from syncd.lab.graph.answers import bad_request, unsupported
from syncd.lab.graph.operations import Operation
from syncd.lab.graph.wire import Call

PAGE, PAGE_MAX = 100, 999

#: So many alternatives one filter may have, unless it is sent the advanced way.
CLAUSES_MAX = 15

Test = Callable[[Thing], bool]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one call, checked. *advanced*: sent with ``ConsistencyLevel: eventual`` and ``$count=true``."""

    select: tuple[str, ...] | None
    top: int
    count: bool
    filter: str
    orderby: str
    advanced: bool


def options_of(call: Call, operation: Operation, kinds: Iterable[str]) -> Options:
    """The options of *call*, which lists objects of *kinds*. Raises GraphRefused: 400."""
    query = call.query
    for name in query:
        if name.startswith("$") and name not in operation.options:
            raise bad_request(f"The query parameter '{name}' is not supported for this request.", "BadRequest")
    eventual = call.headers.get("consistencylevel", "").lower() == "eventual"
    count = query.get("$count", "false").lower() == "true"
    if count and not eventual and call.continues:
        raise unsupported("Invalid search request.")
    if count and not eventual:
        raise bad_request("$count is not currently supported.")
    return Options(
        _select(query.get("$select"), kinds),
        _top(query.get("$top")),
        count,
        query.get("$filter", ""),
        query.get("$orderby", ""),
        eventual and count,
    )


_MANAGER = re.compile(r"manager(?:\(\$select=([A-Za-z,]+)\))?")


def manager_asked(call: Call) -> tuple[str, ...] | None:
    """Which attributes of the manager ``$expand`` asks for; nothing: the usual ones; None: no manager. One level, one relation.
    Raises GraphRefused: 400."""
    text = call.query.get("$expand")
    if text is None:
        return None
    found = _MANAGER.fullmatch(text)
    if found is None:
        raise bad_request(f"Parsing OData Select and Expand failed: '{text}' cannot be expanded.", "BadRequest")
    return tuple(found[1].split(",")) if found[1] else ()


def _select(text: str | None, kinds: Iterable[str]) -> tuple[str, ...] | None:
    if text is None:
        return None
    kinds = tuple(kinds)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not any(name in FIELDS[kind] for kind in kinds) and name != "members":
            raise bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
                f"'{kinds[0].removeprefix('#') if len(kinds) == 1 else 'microsoft.graph.directoryObject'}'.",
                "BadRequest",
            )
    return names


def _top(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise bad_request(f"Invalid value '{text}' for $top query option found.", "BadRequest")
    if int(text) > PAGE_MAX:
        raise unsupported(f"Invalid page size specified: '{text}'. Must be between 1 and {PAGE_MAX} inclusive.")
    return int(text)


# ------------------------------------------------------------------------------------------------------------- filters

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z][\w.]*(?:/any)?|[(),:]|\S)")


def filter_of(text: str, kind: str, *, advanced: bool = False) -> Test:
    """The test behind a ``$filter`` on objects of *kind*: ``eq``, ``in``, ``startswith`` and ``x/any(p:p eq …)``, joined by
    ``and`` and ``or``. Text is compared without regard to case. Raises GraphRefused: 400."""
    parser = _Filter(text, kind)
    test = parser.any_of()
    parser.end()
    if parser.clauses > CLAUSES_MAX and not advanced:
        raise unsupported(
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{parser.clauses}. Max allowed: {CLAUSES_MAX}."
        )
    return test


def ids_of(text: str, most: int) -> frozenset[str] | None:
    """The ids a delta query is filtered by: ``id eq '…' or id eq '…'``, None for all. Raises GraphRefused: 400."""
    if not text:
        return None
    ids = re.findall(r"id eq '([^']*)'", text)
    if " or ".join(f"id eq '{id_}'" for id_ in ids) != text.strip():
        raise unsupported("The specified filter is not supported for a delta query; only 'id eq' joined by 'or' is.")
    if len(ids) > most:
        raise unsupported(f"Too many ids in the filter of a delta query: {len(ids)}. Max allowed: {most}.")
    return frozenset(ids)


class _Filter:
    """A filter being read, from left to right."""

    def __init__(self, text: str, kind: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._kind = kind
        self.clauses = 0

    def any_of(self) -> Test:
        tests = [self._all_of()]
        while self._next_is("or"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda thing: any(test(thing) for test in tests)

    def end(self) -> None:
        if self._tokens:
            raise bad_request(f"Invalid filter clause: syntax error at '{self._tokens[0]}'.", "BadRequest")

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._next_is("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda thing: all(test(thing) for test in tests)

    def _one(self) -> Test:
        if self._next_is("("):
            inner = self.any_of()
            self._expect(")")
            return inner
        self.clauses += 1
        word = self._take()
        if word.lower() == "startswith":
            self._expect("(")
            attribute = self._attribute(self._take())
            self._expect(",")
            start = str(self._value()).lower()
            self._expect(")")
            return lambda thing: str(getattr(thing, attribute) or "").lower().startswith(start)
        if word.endswith("/any"):
            return self._some(self._attribute(word.removesuffix("/any")))
        attribute = self._attribute(word)
        how = self._take()
        if how == "eq":
            wanted = _folded(self._value())
            return lambda thing: _folded(getattr(thing, attribute)) == wanted
        if how == "in":
            among = self._values()
            self.clauses += len(among) - 1
            return lambda thing: _folded(getattr(thing, attribute)) in among
        raise unsupported(
            f"Unsupported or invalid query filter clause specified for property '{word}' of resource "
            f"'{self._kind.rpartition('.')[2].capitalize()}'."
        )

    def _some(self, attribute: str) -> Test:
        """``(p:p eq 'x')`` after the name of a collection."""
        self._expect("(")
        variable = self._take()
        self._expect(":")
        if self._take() != variable or self._take() != "eq":
            raise unsupported("Unsupported or invalid query filter clause specified for a collection.")
        wanted = _folded(self._value())
        self._expect(")")
        return lambda thing: wanted in map(_folded, getattr(thing, attribute))

    def _attribute(self, name: str) -> str:
        if name not in FIELDS[self._kind]:
            raise bad_request(f"Could not find a property named '{name}' on type '{self._kind.removeprefix('#')}'.", "BadRequest")
        return FIELDS[self._kind][name]

    def _values(self) -> frozenset[object]:
        self._expect("(")
        values = [_folded(self._value())]
        while self._next_is(","):
            values.append(_folded(self._value()))
        self._expect(")")
        return frozenset(values)

    def _value(self) -> object:
        word = self._take()
        if word.startswith("'") and len(word) > 1:
            return word[1:-1].replace("''", "'")
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        raise bad_request(f"Invalid filter clause: '{word}' is no value.", "BadRequest")

    def _take(self) -> str:
        if not self._tokens:
            raise bad_request("Invalid filter clause: it ends too early.", "BadRequest")
        word: str = self._tokens.pop(0)
        return word

    def _next_is(self, word: str) -> bool:
        if self._tokens and self._tokens[0].lower() == word:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if self._take() != word:
            raise bad_request(f"Invalid filter clause: '{word}' expected.", "BadRequest")


def _folded(value: object) -> object:
    return value.lower() if isinstance(value, str) else value
