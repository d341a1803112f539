"""From the rows of a people file to people, and to the members of the configured groups. Nothing is guessed; what cannot be
understood is a problem with its line and what to write instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from syncd.directories.file.rows import Problems, Row, Value
from syncd.model import DirectoryGroup, GroupUse, Person, Unclear, judge, lowered

if TYPE_CHECKING:
    from syncd.directories.file.reader import FileDirectorySettings

#: What entitles when no group is configured: being in the file.
EVERYBODY = ("everybody",)

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?)([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ENABLED = {"": True, "true": True, "false": False}


class _Problem(Exception):
    """What is wrong with one value, and what to write instead."""


class _Membership(NamedTuple):
    """What the groups of one row mean: a path per use, and which configured groups count this person."""

    entitled_by: tuple[str, ...]
    leaver_by: tuple[str, ...]
    protected_by: tuple[str, ...]
    held_by: tuple[str, ...]
    configured: tuple[tuple[GroupUse, str], ...]


@dataclass
class Rows:
    """What rows came to: the texts of one, in the order of *columns*, to a person and how many of their addresses are none. The
    same texts under the same columns and settings are the same person."""

    columns: tuple[str, ...] = ()
    known: dict[tuple[Value, ...], tuple[Person, int]] = field(default_factory=dict)


class People:
    """Collects people row by row, and the members of the configured groups."""

    def __init__(self, settings: FileDirectorySettings, problems: Problems, before: Rows, *, keep_rows: bool) -> None:
        self._before, self._keeps = before, keep_rows
        self.rows = Rows()
        self._problems = problems
        self._uses = {
            GroupUse.ENTITLING: settings.groups,
            GroupUse.LEAVERS: settings.leaver_groups,
            GroupUse.PROTECTING: settings.protecting_groups,
            GroupUse.HOLDING: settings.holding_groups,
        }
        self._members = {(use, name): 0 for use, names in self._uses.items() for name in names}
        self._memberships: dict[Value, _Membership] = {}  # few distinct texts, many rows
        self._lines: dict[str, int] = {}
        self._groups_at = 0
        self._number = settings.person_number
        self.nothing = 0  # values of addresses that are none
        self.found: list[Person] = []
        self.group_names: set[str] = set()

    def add(self, rows: Iterable[Row]) -> None:
        """Takes every row; what cannot be understood becomes a problem."""
        for row in rows:
            person = self._kept_or_new(row) if self._keeps else self._person(row)
            if person is not None:
                self.found.append(person)

    def _kept_or_new(self, row: Row) -> Person | None:
        texts = row.texts
        if not self.rows.columns:  # the same in every row
            self.rows.columns, self._groups_at = row.columns, row.columns.index("groups")
            if self.rows.columns != self._before.columns:
                self._before = Rows()
        known = self._before.known.get(texts)
        if known is None or known[0].id in self._lines:  # said again with both lines
            nothing = self.nothing
            person = self._person(row)
            if person is not None:
                self.rows.known[texts] = (person, self.nothing - nothing)
            return person
        person, nothing = self.rows.known[texts] = known
        self._lines[person.id] = row.line
        self.nothing += nothing
        for configured in self._membership(texts[self._groups_at]).configured:
            self._members[configured] += 1
        return person

    def groups(self) -> list[DirectoryGroup]:
        """The configured groups with their members."""
        return [
            DirectoryGroup(name, name, use, members, exists=members > 0, entry=name)
            for (use, name), members in self._members.items()
        ]

    def _person(self, row: Row) -> Person | None:
        values = row.values
        try:
            _demand_anything(values.values())
            id_ = self._identity(values["id"], row.line)
            membership = self._membership(values["groups"])
            addresses, unclean, troubles = self._addresses(values["addresses"])
            person = Person(
                id_,
                addresses[:1],
                _text(values["display_name"]),
                _enabled(values["enabled"]),
                _expires_at(values["expires_at"]),
                membership.entitled_by,
                membership.leaver_by,
                membership.protected_by,
                department=sys.intern(_text(values.get("department", ""))),
                unclear="; ".join(troubles),
                aliases=addresses[1:],
                unclean=unclean,
                number=_text(values.get(self._number, "")) if self._number else "",
                manager=_text(values.get("manager", "")),
                held_by=membership.held_by,
            )
        except _Problem as problem:
            self._problems.add(row.line, str(problem))
            return None
        for configured in membership.configured:
            self._members[configured] += 1
        return person

    def _addresses(self, value: Value) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Address keys, the main one first; values that are not exactly one address; and what is wrong with these."""
        entries = (value.split(";") if value.strip() else ()) if isinstance(value, str) else value
        keys: dict[str, None] = {}
        unclean: list[str] = []
        troubles: list[str] = []
        for at, entry in enumerate(entries, start=1):
            judged = judge(entry)
            if isinstance(judged, str):
                keys[judged] = None
            elif isinstance(judged, Unclear):
                unclean.append(entry)
                troubles.append(f"entry {at} of addresses {judged.why}")
            else:
                self.nothing += 1
        return tuple(keys), tuple(unclean), tuple(troubles)

    def _identity(self, value: Value, line: int) -> str:
        id_ = _identity(value)
        if id_ in self._lines:
            raise _Problem(f"the same id as on line {self._lines[id_]}; an id names one person")
        self._lines[id_] = line
        return id_

    def _membership(self, groups: Value) -> _Membership:
        if groups not in self._memberships:
            names = _entries(groups, "groups")
            self.group_names.update(names)
            keys = {lowered(name) for name in names}
            within = {
                use: [name for name in configured if lowered(name.strip()) in keys] for use, configured in self._uses.items()
            }
            entitled = tuple(within[GroupUse.ENTITLING][:1]) if self._uses[GroupUse.ENTITLING] else EVERYBODY
            self._memberships[groups] = _Membership(
                entitled,
                tuple(within[GroupUse.LEAVERS][:1]),
                tuple(within[GroupUse.PROTECTING][:1]),
                tuple(within[GroupUse.HOLDING][:1]),
                tuple((use, name) for use, names_ in within.items() for name in names_),
            )
        return self._memberships[groups]


def _text(value: Value) -> str:
    return value.strip() if isinstance(value, str) else "; ".join(value)


def _demand_anything(values: Iterable[Value]) -> None:
    if not any(map(_text, values)):
        raise _Problem("id is empty, and so is the whole row; delete it (spreadsheets leave such rows behind)")


def _identity(value: Value) -> str:
    id_ = _text(value)
    if not id_:
        raise _Problem("id is empty; give each person an id that never changes")
    if not id_.isprintable():
        raise _Problem("id holds an invisible character; remove it")
    return id_


def _entries(value: Value, column: str) -> tuple[str, ...]:
    """The texts between the semicolons, or of a YAML list. None of them may be empty or hold what cannot be seen."""
    if isinstance(value, str):
        value = tuple(value.split(";")) if value.strip() else ()
    entries = tuple(entry.strip() for entry in value)
    if not all(entries):
        raise _Problem(f"{column} holds an empty entry; separate entries by one semicolon, with none at the end")
    if not all(map(str.isprintable, entries)):
        raise _Problem(f"{column} holds an invisible character; remove it")
    return entries


def _enabled(value: Value) -> bool:
    word = _text(value).lower()
    if word not in _ENABLED:
        raise _Problem("enabled is neither true nor false; write one of them, or nothing for true")
    return _ENABLED[word]


def _expires_at(value: Value) -> datetime | None:
    text = _text(value)
    if not text:
        return None
    if matched := _RFC3339.fullmatch(text):
        day, time, offset = matched.groups()
        try:
            return datetime.fromisoformat(f"{day}T{time}{'+00:00' if offset in 'zZ' else offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # the 30th of February, the hour 25, a year beyond 9999 in UTC
    raise _Problem("expires_at is no time; write 2026-12-31T23:00:00Z (a date, a time, Z or an offset), or nothing for never")
