"""A YAML file as plain values, and the line on which each of them stands.

Promises: a key given twice is a problem, never the last one wins; only ``true`` and ``false`` are booleans (so the key
``on`` stays a word); numbers are decimal (``017`` and ``12:30`` stay text); every key is text; anchors and merges work.
Plain ``yaml.safe_load`` does none of this and reads ``NO`` as false, ``12:30:45`` as 45045 and ``017`` as 15.
Knows nothing of what the keys mean, and never repeats a value of the file in a problem: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

#: Keys and list positions from the top of the file down to a value.
Where = tuple[str | int, ...]

# A configuration has some hundred values. More means a file that refers to itself over and over (aliases of aliases).
VALUES_MAX = 100_000
BYTES_MAX = 1_000_000

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where, *what* is wrong, and what to *do* instead (may be empty)."""

    where: Where
    what: str
    do: str = ""
    line: int | None = None  # where known better than from *where*
    column: int | None = None  # from 1; only with *line*
    of_key: bool = False  # it is about the key, not about its value


class Spot(NamedTuple):
    """A piece of one line: line and columns from 1, *end* excluded."""

    line: int
    start: int
    end: int


@dataclass(slots=True)
class Document:
    """What stands in a file. *values* is None unless the file could be read as YAML with keys at its top."""

    values: dict[str, Any] | None = None
    lines: dict[Where, int] = field(default_factory=dict)
    keys: dict[Where, Spot] = field(default_factory=dict)
    scalars: dict[Where, Spot] = field(default_factory=dict)
    unquoted: set[Where] = field(default_factory=set)
    text: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def spot_of(self, problem: Problem) -> Spot:
        """The piece of the file that a problem is about; without width where only its line is known."""
        if problem.line is not None:
            column = problem.column or 0
            key = self.keys.get(problem.where)
            return key if problem.of_key and key and key.line == problem.line else Spot(problem.line, column, column + 1)
        where = problem.where
        while where and where not in self.lines:
            where = where[:-1]
        line = self.lines.get(where, 1)
        value, key = self.scalars.get(where), self.keys.get(where)
        chosen = value if value and value.line == line and where == problem.where and not problem.of_key else key
        return chosen if chosen is not None else Spot(line, 0, 0)

    def line_of(self, where: Where) -> int:
        """The line (from 1) of a value's key, or of the nearest thing around it that is there."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)


class _Loader(yaml.SafeLoader):
    """Tells text from numbers, booleans and nothing, and no more. Only its ``compose`` half is used."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (a registry of the base class)


def _also_read(kind: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(_TAG + kind, re.compile(pattern), list(first))


_also_read("bool", r"^(?:true|false)$", "tf")
_also_read("int", r"^-?(?:0|[1-9][0-9]{0,17})$", "-0123456789")
_also_read("float", r"^-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}$", "-0123456789")
_also_read("merge", r"^<<$", "<")
_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])


def parse(data: bytes) -> Document:
    """Reads one YAML file. Never raises: what is wrong stands in ``problems``."""
    document = Document()
    try:
        document.text = tuple(data.decode("utf-8-sig", errors="replace").splitlines()) if len(data) <= BYTES_MAX else ()
        document.values = _values_of(_root_of(data), document)
    except _Unreadable as error:
        document.problems.append(Problem((), error.what, error.do, error.line, error.column))
    return document


def _values_of(root: yaml.Node | None, document: Document) -> dict[str, Any]:
    values = None if root is None else _Reader(document).read(root, ())
    if values is None:
        return {}  # an empty file: every required key is missing
    if isinstance(values, dict):
        return values
    raise _Unreadable("holds no keys at its top", "start with a line such as  mode: report", 1)


class _Unreadable(Exception):
    def __init__(self, what: str, do: str, line: int, column: int | None = None) -> None:
        super().__init__(what)
        self.what, self.do, self.line, self.column = what, do, line, column


def _root_of(data: bytes) -> yaml.Node | None:
    if len(data) > BYTES_MAX:
        raise _Unreadable(f"the file has {len(data)} bytes, more than {BYTES_MAX}", "is this the configuration?", 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable("is not UTF-8 text", "save the file as UTF-8", data[: error.start].count(b"\n") + 1) from None
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _Unreadable("holds a character YAML does not allow (a control character)", "remove it", line) from None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except yaml.YAMLError:
        raise _Unreadable("is not YAML", "compare it with config/syncd.example.yaml", 1) from None
    except RecursionError:
        raise _Unreadable("is nested too deeply to be a configuration", "is this the right file?", 1) from None
    return root


#: What PyYAML says, and what the person who wrote the file wants to know. First match wins.
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab stands where YAML wants blanks", "indent with blanks"),
    (
        r"found character '[@`%]'|found unknown directive|expected .*directive",
        "a value may not start with @, ` or % unless it is quoted",
        "put the value in quotes",
    ),
    (
        r"alias|expected alphabetic or numeric character",
        "a value may not start with * or & unless it is quoted",
        'put it in quotes, for example "*.corp.example"',
    ),
    (
        r"mapping values are not allowed",
        "a colon stands where none may",
        'indent the line like its neighbours, or put a value that holds ": " in quotes',
    ),
    (
        r"could not find expected ':'",
        "a key without a colon, or a value that goes on over a line end",
        "write  key: value  on one line",
    ),
    (r"found unexpected end of stream", "a quote is opened and never closed", "close it"),
    (r"unknown escape character", "a backslash in double quotes means something else in YAML", "use single quotes"),
    (r"expected ',' or '[\]}]'", "a [list] or {section} starts here and is not closed properly", "close it, with commas between"),
    (r"expected <block end>", "the indentation does not fit the lines above", "indent the keys of one section alike"),
    (r"but found another document", "a second document starts here", "keep one, without a line --- between"),
)


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> _Unreadable:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    if error.context_mark and ("end of stream" in said or "flow" in said):
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, None)
    for pattern, what, do in _SYNTAX:
        if re.search(pattern, said):
            last = text.count("\n") + 1
            return _Unreadable(f"not valid YAML: {what}", do, min(line, last), column if line <= last else None)
    return _Unreadable("not valid YAML here", "compare it with config/syncd.example.yaml", line, column)


class _Reader:
    """Turns composed nodes into values, noting lines and duplicate keys on the way."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = VALUES_MAX
        self._inside: set[int] = set()

    def read(self, node: yaml.Node, where: Where) -> Any:
        line = node.start_mark.line + 1
        self._left -= 1
        if self._left < 0 or id(node) in self._inside:
            raise _Unreadable("refers to itself (an alias inside its own anchor, or too many of them)", "write it out", line)
        self._document.lines.setdefault(where, line)
        if isinstance(node, yaml.ScalarNode):
            self._document.scalars.setdefault(where, _spot(node))
            if node.style is None:
                self._document.unquoted.add(where)
            return self._scalar(node, where)
        self._inside.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, where)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self.read(item, (*where, place)) for place, item in enumerate(node.value)]
        finally:
            self._inside.discard(id(node))
        return self._strange_tag(where)

    def _strange_tag(self, where: Where) -> None:
        self._document.problems.append(Problem(where, "a YAML tag (!word) is not supported", "write the value without it"))

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> Any:
        text = str(node.value)
        try:
            match node.tag.removeprefix(_TAG):
                case "str" | "merge":
                    return text
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text]
                case "int":
                    return int(text)
                case "float":
                    return float(text)
        except (ValueError, KeyError):
            pass  # an explicit tag that does not fit its value: !!int "x"
        return self._strange_tag(where)

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                for inherited in self._merges(value_node, where):
                    merged = {**inherited, **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.problems.append(Problem(where, "a key is a list or a section", "write a word as key", line))
                continue
            key = str(key_node.value)
            here = (*where, key)
            if key in first:
                self._document.problems.append(
                    Problem(here, f"is given twice, first on line {first[key]}", "keep one of the two", *_spot(key_node)[:2])
                )
                continue
            first[key] = line
            self._document.lines[here] = line
            self._document.keys[here] = _spot(key_node)
            values[key] = self.read(value_node, here)
        return {**merged, **values}

    def _merges(self, node: yaml.Node, where: Where) -> Iterator[Mapping[str, Any]]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            inherited = self.read(source, where)
            if isinstance(inherited, dict):
                yield inherited
            else:
                self._document.problems.append(Problem(where, "<< wants a section", "write  <<: *name  of a section"))


def _spot(node: yaml.Node) -> Spot:
    """Where a key or a value stands; of one that goes over several lines, its beginning."""
    start, end = node.start_mark, node.end_mark
    return Spot(start.line + 1, start.column + 1, end.column + 1 if end.line == start.line else start.column + 2)
