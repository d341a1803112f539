"""From the bytes of a people file to rows: which line, which texts. CSV and YAML, each read strictly.

Promises: every person of the file comes out, or a problem names the line. No value is guessed (YAML's ``no`` stays the
word ``no``, ``007`` keeps its zeros), and no problem quotes a value, since it might be somebody's address.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from syncd.model.near import near_names

COLUMNS = ("id", "display_name", "addresses", "enabled", "expires_at", "groups", "department", "manager")
OPTIONAL = frozenset({"department", "manager"})
HEADER = ",".join(COLUMNS)
LISTS = frozenset({"addresses", "groups"})

#: A text as it stands, or the entries of a YAML list.
Value = str | tuple[str, ...]


class Row(NamedTuple):
    """One person as written, *texts* in the order of *columns*. A key that is not there is an empty text."""

    line: int
    columns: tuple[str, ...]
    texts: tuple[Value, ...]

    @property
    def values(self) -> Mapping[str, Value]:
        """The texts by their columns."""
        return dict(zip(self.columns, self.texts, strict=True))


@dataclass(slots=True)
class Problems:
    """What is wrong with a file: all of it counted, the first few kept in words."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    SHOWN_MAX = 5

    def add(self, line: int, says: str) -> None:
        """Notes a problem at a line (from 1)."""
        self.count += 1
        if len(self.shown) < self.SHOWN_MAX:
            self.shown.append(f"line {line}: {says}")

    def __str__(self) -> str:
        more = self.count - len(self.shown)
        return "; ".join(self.shown) + (f"; and {more:,} more" if more else "")


def ends_well(content: bytes, problems: Problems) -> bool:
    """Whether the last line has its end. Where it has none the file was cut, and a cut address or date is read as another."""
    if not content.endswith((b"\n", b"\r")):
        problems.add(content.count(b"\n") + 1, "the last line has no line end: was the file cut off? A whole one ends with one")
    return not problems.count


def is_text(content: bytes, problems: Problems) -> bool:
    """Whether *content* is UTF-8 text, with or without a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(1, "this is UTF-16; save the file as UTF-8")
    elif (at := content.find(b"\0")) >= 0:
        problems.add(content.count(b"\n", 0, at) + 1, "a NUL byte; save the file as UTF-8 text")
    else:
        try:
            content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            problems.add(line, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8")
    return not problems.count


# -------------------------------------------------------------------------------------------------------------- CSV


def csv_rows(content: bytes, problems: Problems, number: str = "") -> Iterator[Row]:
    """Rows of a CSV file whose first line is a header. *content* is known to be UTF-8. *number*: the column of
    match.person_number, which must be there then.

    What spreadsheets add is taken: a first line ``sep=,`` and empty columns at the end. Another separator is named, never
    guessed: a file that is half of one kind and half of another would lose people.
    """
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), strict=True)
    header: tuple[str, ...] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problems.add(line, _csv_fault(str(error)))
            return
        if cells is None:
            if header is None:
                problems.add(1, f"no header; the first line must be {HEADER}")
            return
        if not cells:
            continue  # an empty line is nobody
        if reader.line_num != line:
            # A quotation mark left open swallows the next people, and may do so without any other trace.
            problems.add(line, "a line break inside quotation marks; close the mark on the line where it opens")
        elif header is None and (told := _SEPARATOR.fullmatch(",".join(cells))):
            if told[1] != ",":
                problems.add(line, f"it says that {_separator(told[1])} separates the columns; {_COMMAS}")
                return
        elif header is None:
            header = tuple(_without_empty_end(cells))
            if not _header_is_right(header, line, problems, number):
                return
        elif len(cells) != len(header) and any(map(str.strip, cells[len(header) :] or ["too few"])):
            mark = _separates(",".join(cells), len(header))
            problems.add(
                line,
                f"{_separator(mark)} separates the columns here, and commas those of the header; {_COMMAS}"
                if mark
                else f"{len(cells)} columns, but the header has {len(header)}; separate them by commas and put "
                "quotation marks around a text that holds one",
            )
        else:
            yield Row(line, header, tuple(cells[: len(header)]))


def _csv_fault(says: str) -> str:
    if "field limit" in says:
        return f"a text of more than {csv.field_size_limit():,} characters; is a quotation mark left open?"
    if "end of data" in says:
        return "a quotation mark is opened here and never closed"
    return 'a quotation mark inside a text; write it twice ("") and put the text in quotation marks'


#: Excel's way of saying what separates columns; once saved again it has empty columns at its end, too.
_SEPARATOR = re.compile(r"\s*sep=(\\t|.),*\s*", re.IGNORECASE)
_COMMAS = "separate them by commas, with quotation marks around a text that holds one"
_OTHERS = {";": "a semicolon", "\t": "a tab", "\\t": "a tab", "|": "a bar (|)", " ": "a blank"}


def _separator(mark: str) -> str:
    name = "" if mark.isascii() else f" ({unicodedata.name(mark, 'without a name').lower()})"
    return _OTHERS.get(mark) or f"{mark!r}{name}"


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _other_separator(header: Sequence[str]) -> str:
    """What separates the columns of a header in which no comma does; nothing when it is no header at all."""
    text = ",".join(header)
    marks = dict.fromkeys((*_OTHERS, *(one for one in text if not (one.isalnum() or one in "_,\"'"))))
    return next(
        (mark for mark in marks if len({name.strip().strip('"').lower() for name in text.split(mark)} & set(COLUMNS)) >= _ENOUGH),
        "",
    )


#: So many columns' names on one line make a header of it, whatever separates them.
_ENOUGH = 2


def _separates(row: str, columns: int) -> str:
    """What separates the columns of a row for which commas do not; nothing when it cannot be told."""
    return next((mark for mark in _OTHERS if mark != " " and row.count(mark) >= columns - 1), "")


def _header_is_right(header: Sequence[str], line: int, problems: Problems, number: str) -> bool:
    before = problems.count
    if not set(header) & set(COLUMNS):
        mark = _other_separator(header)
        problems.add(
            line,
            f"{_separator(mark)} separates the columns here; {_COMMAS}" if mark else f"this is not the header; write {HEADER}",
        )
        return False
    for name in header:
        if name not in COLUMNS and name != number:
            problems.add(line, f"unknown column {_named(name)}{_did_you_mean(name)}; there are {HEADER}")
    if number and number not in header:
        problems.add(line, f"the column {_named(number)} is missing, which match.person_number names")
    for name in dict.fromkeys((*COLUMNS, number)):
        if name and header.count(name) > 1:
            problems.add(line, f"the column {name if name in COLUMNS else _named(name)} stands here twice")
    for name in COLUMNS:
        if name not in header and name not in OPTIONAL:
            problems.add(line, f"the column {name} is missing; it may be empty in every row, but must be there")
    return problems.count == before


def _named(name: str) -> str:
    """A name from the file, cut, and not at all when it could be somebody's address."""
    return "with an @ in its name" if "@" in name else repr(name if len(name) <= 40 else name[:39] + "…")


def _did_you_mean(name: str) -> str:
    close = near_names(name, COLUMNS)
    return f" (did you mean {close[0]}?)" if close else ""


# ------------------------------------------------------------------------------------------------------------- YAML

# libyaml where it is there: ten times as fast, the same events.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def yaml_rows(content: bytes, problems: Problems, number: str = "") -> Iterator[Row]:
    """Rows of a YAML file: one key, ``people``, with a list of mappings. Reads events, so no value is interpreted and
    memory stays small. *number*: the key of match.person_number."""
    try:
        yield from _Walk(yaml.parse(content, Loader=_LOADER), problems, number).people()
    except _Stop as stop:
        problems.add(stop.line, stop.says)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark.line + 1 if mark else 1, f"not YAML ({error.problem})")
    except yaml.YAMLError:
        problems.add(1, "not YAML: somewhere in the file is a character YAML forbids")


class _Stop(Exception):
    """Beyond this point the file cannot be understood."""

    def __init__(self, event: yaml.Event, says: str) -> None:
        super().__init__(says)
        self.line = _line(event)
        self.says = says


class _Walk:
    """Goes through the events of one document."""

    def __init__(self, events: Iterator[yaml.Event], problems: Problems, number: str) -> None:
        self._known = (*COLUMNS, number) if number and number not in COLUMNS else COLUMNS
        self._events = events
        self._problems = problems

    def people(self) -> Iterator[Row]:
        self._next()  # the stream's start
        if isinstance(event := self._next(), yaml.StreamEndEvent):
            raise _Stop(event, "no key people; write people: with a list below it")
        if not isinstance(event := self._next(), yaml.MappingStartEvent):
            raise _Stop(event, "the file must have one key, people:, with a list below it")
        seen = False
        for name, key in self._keys():
            if name != "people":
                self._problems.add(_line(key), f"unknown key {_named(name)}; the only one is people")
                self._skip(self._next())
                continue
            if seen:
                raise _Stop(key, "the key people stands here a second time")
            seen = True
            if not isinstance(event := self._next(), yaml.SequenceStartEvent):
                raise _Stop(event, "people must be a list; write people: [] if there really is nobody")
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                if row := self._person(event):
                    yield row
        if not seen:
            raise _Stop(event, "no key people; write people: with a list below it")
        self._next()  # the document's end
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            raise _Stop(event, "a second document; a people file has one")

    def _person(self, start: yaml.Event) -> Row | None:
        if not isinstance(start, yaml.MappingStartEvent):
            self._problems.add(_line(start), f"a person must be a mapping with the keys {', '.join(COLUMNS)}")
            self._skip(start)
            return None
        before = self._problems.count
        values: dict[str, Value] = {}
        for name, key in self._keys():
            value = self._value(name)
            if name not in self._known:
                self._problems.add(_line(key), f"unknown key {_named(name)}{_did_you_mean(name)}; there are {', '.join(COLUMNS)}")
            elif name in values:
                self._problems.add(_line(key), f"the key {name} stands here a second time")
            elif value is not None:
                values[name] = value
        if self._problems.count != before:
            return None
        return Row(_line(start), self._known, tuple(values.get(name, "") for name in self._known))

    def _keys(self) -> Iterator[tuple[str, yaml.Event]]:
        """The keys of the mapping that was entered; whoever asks takes the value before the next one."""
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _Stop(event, "a key must be a word")
            yield event.value, event

    def _value(self, name: str) -> Value | None:
        """A text, or the texts of a list where one is allowed; None after a problem."""
        event = self._next()
        if isinstance(event, yaml.ScalarEvent):
            return _text(event)
        if not isinstance(event, yaml.SequenceStartEvent) or name not in LISTS:
            wanted = "a text or a list of texts" if name in LISTS else "a text"
            self._problems.add(_line(event), f"the value of {_named(name)} must be {wanted}")
            self._skip(event)
            return None
        entries: list[str] = []
        while not isinstance(entry := self._next(), yaml.SequenceEndEvent):
            if isinstance(entry, yaml.ScalarEvent):
                entries.append(_text(entry))
            else:
                self._problems.add(_line(entry), f"an entry of {name} must be a text")
                self._skip(entry)
        return tuple(entries)

    def _skip(self, event: yaml.Event) -> None:
        """Leaves what *event* opened."""
        depth = int(isinstance(event, yaml.CollectionStartEvent))
        while depth:
            event = self._next()
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)

    def _next(self) -> yaml.Event:
        event = next(self._events)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Stop(event, "anchors and aliases are not allowed here; write the value out")
        if getattr(event, "tag", None):
            raise _Stop(event, "tags (!) are not allowed here; write the plain value")
        return event


def _text(event: yaml.ScalarEvent) -> str:
    plain = event.style in {None, ""}
    return "" if plain and event.value in _NULLS else event.value


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
