"""A directory that is a file: CSV or YAML, written by a person or exported by an HR system.

Promises: the file is read whole or not at all. A missing or empty file, one that is cut (its last line has no end) or too
old, a row that cannot be understood, a wrong encoding, or a change while it is read are SourceErrors that name the line and
what to write instead; a header alone is a whole read of nobody (the guards judge that). An address that is not exactly one
makes that person unclear, as in every directory. Whoever exports should write a temporary file and rename it: a file cut at
the end of a line cannot be told from a smaller company by looking at it.

Group names are compared without case. A configured group that no row names is a group with no members:
a file does not list its groups, so an emptied one and a mistyped one look alike; ``check`` points at it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from syncd.directories.file.rows import HEADER, Problems, Row, Value, csv_rows, ends_well, is_text, yaml_rows
from syncd.errors import SourceError
from syncd.events import ReadProgress
from syncd.model import DirectoryGroup, DirectorySnapshot, GroupUse, Person, Unclear, address_key, judge, lowered
from syncd.ports import Clock, Tell
from syncd.reading import End, in_one_piece

#: So many unclear people are named by ``check``.
UNCLEAR_NAMED = 5

#: What entitles when no group is configured: being in the file.
EVERYBODY = ("everybody",)


@dataclass(frozen=True, slots=True)
class FileDirectorySettings:
    """Which file, and what its groups mean. No *groups*: everybody in the file is entitled. *max_age* None: however old it is.
    *person_number*: the column with match.person_number, "" for none."""

    path: Path
    groups: tuple[str, ...] = ()
    leaver_groups: tuple[str, ...] = ()
    protecting_groups: tuple[str, ...] = ()
    max_age: timedelta | None = None
    person_number: str = ""
    holding_groups: tuple[str, ...] = ()


class FileDirectory:
    """Implements ``ports.Directory``."""

    def __init__(self, settings: FileDirectorySettings, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._held: _Read | None = None
        self._reading = asyncio.Lock()

    async def read(self) -> DirectorySnapshot:
        """Everybody in the file. Raises SourceError."""
        async with self._reading:
            return (await self._read_again(None)).snapshot

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """Whoever has this id or claims one of these addresses. An unchanged file needs no second reading: its digest
        proves that the answer is the same; a changed one is read anew, whole. Raises SourceError."""
        async with self._reading:             # one at a time: many changes in flight must not hold many copies of the file
            held = await self._read_again(self._held)
        return held.claiming(directory_id, addresses)

    async def reread(self) -> DirectorySnapshot:
        """Everybody in the file as it is now; one that did not change is not read again. Raises SourceError."""
        at = self._clock.now()
        async with self._reading:
            return replace((await self._read_again(self._held)).snapshot, read_at=at)

    async def deleted(self, addresses: Sequence[str]) -> tuple[tuple[str, datetime], ...]:  # noqa: ARG002
        """Nobody: a file holds only those who are there."""
        return ()

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """The file, and each group that nobody is in."""
        subject = f"directory file {self._settings.path}"
        try:
            async with self._reading:
                read = await self._read_again(None)
        except SourceError as error:
            return [(subject, False, str(error))]
        snapshot = read.snapshot
        entitled = sum(1 for person in snapshot.people if person.entitled_by)
        in_groups = f"{entitled:,} of them in an entitling group" if self._settings.groups else "all of them entitled by this"
        unclear = [person for person in snapshot.people if person.unclear]
        named = "; ".join(f"{person.id}: {person.unclear}" for person in unclear[:UNCLEAR_NAMED])
        return [(subject, True, f"{len(snapshot.people):,} people, {in_groups}; written {_age(read.age)} ago"),
                *([(f"{subject}, unclear people", True, f"warning: {len(unclear):,} cannot be understood, their accounts are "
                    f"left alone: {named}")] if unclear else []),
                *([(f"{subject}, values", True, f"{read.nothing:,} values of addresses are no addresses (empty, of another type, "
                    "or without @) and claim nothing")] if read.nothing else []),
                *(_about_empty(group, read.group_names) for group in snapshot.groups if not group.members)]

    async def close(self) -> None:
        """Forgets the people in hand."""
        self._held = None

    async def _read_again(self, unless: _Read | None) -> _Read:
        """Reads the file; *unless* it is still the one that was read, then that reading is the answer."""
        at = self._clock.now()
        read = await asyncio.to_thread(_read, self._settings, at, unless)
        if read is not unless:
            self._held = read
            self._tell(ReadProgress("directory", len(read.snapshot.people), len(read.snapshot.people)))
        return read


def _about_empty(group: DirectoryGroup, names: Iterable[str]) -> tuple[str, bool, str]:
    close = get_close_matches(group.name, list(names), n=1)
    guess = f"; did you mean {close[0]}?" if close else ""
    return (f"directory group {group.name} ({group.use.value})", group.use is not GroupUse.ENTITLING,
            f"no row names it: right if nobody is in it now, else correct its name{guess}")


# ---------------------------------------------------------------------------------------------------- one reading


class _Read:
    """The file as it was, with its people by id and by address."""

    def __init__(
        self, digest: str, snapshot: DirectorySnapshot, group_names: frozenset[str], age: timedelta, nothing: int,
    ) -> None:
        self.digest = digest
        self.age = age
        self.nothing = nothing
        self.snapshot = snapshot
        self.group_names = group_names

    @cached_property
    def _by_id(self) -> dict[str, Person]:
        return {person.id: person for person in self.snapshot.people}

    @cached_property
    def _by_address(self) -> dict[str, list[Person]]:
        claims: dict[str, list[Person]] = {}
        for person in self.snapshot.people:
            for address in person.addresses:
                claims.setdefault(address, []).append(person)
        return claims

    def claiming(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        found = [self._by_id[directory_id]] if directory_id in self._by_id else []
        for address in addresses:
            found += self._by_address.get(address_key(address), [])
        return tuple({person.id: person for person in found}.values())


def _read(settings: FileDirectorySettings, at: datetime, unless: _Read | None) -> _Read:
    """Runs in a thread: the file may be large, or on a slow volume."""
    content, written_at = _content(settings.path)
    age = max(timedelta(), at - written_at)
    if settings.max_age is not None and age > settings.max_age:
        raise SourceError(
            "directory", f"{settings.path} was written {_age(age)} ago ({written_at:%Y-%m-%d %H:%M} UTC), longer ago than "
            f"directory.file.max_age ({_age(settings.max_age)}).",
            "Does its export still run? Nothing is concluded from an old file; a newer one is read by itself.",
        )
    digest = hashlib.sha256(content).hexdigest()
    if unless is not None and unless.digest == digest:
        return unless
    problems = Problems()
    people = _People(settings, problems)
    if is_text(content, problems) and ends_well(content, problems):
        rows = yaml_rows if settings.path.suffix.lower() in {".yaml", ".yml"} else csv_rows
        people.add(rows(content, problems, settings.person_number))
    if problems.count:
        raise SourceError(
            "directory",
            f"{settings.path} has {_counted(problems.count)}, so nobody was read: {problems}.",
            "Correct the file; it is read whole or not at all.",
        )
    snapshot = DirectorySnapshot.whole(
        "file", at, in_one_piece(people.found, End.WHOLE_FILE), in_one_piece(people.groups(), End.WHOLE_FILE),
        as_of=written_at)
    return _Read(digest, snapshot, frozenset(people.group_names), age, people.nothing)


def _age(age: timedelta) -> str:
    """An age in its largest unit."""
    seconds = int(age.total_seconds())
    units = ((86_400, "day"), (3600, "hour"), (60, "minute"))
    size, name = next(((size, name) for size, name in units if seconds >= 2 * size), (1, "second"))
    count = seconds // size
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _counted(problems: int) -> str:
    return "a problem" if problems == 1 else f"{problems:,} problems"


def _content(path: Path) -> tuple[bytes, datetime]:
    """All bytes of the file, and when it was written. Raises SourceError when it is not there, empty, or changes meanwhile."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("directory", f"{path} is not a file.", "Set directory.file.path to a CSV or YAML file.")
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            content = file.read()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise SourceError(
            "directory", f"{path} cannot be read ({error.strerror or error}).",
            "Put the file there, readable for the account syncd runs under, or correct directory.file.path.",
        ) from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise SourceError(
            "directory", f"{path} changed while it was read.",
            "Write the new file beside it and rename it, so that nobody sees half of it.",
        )
    if not content:
        raise SourceError(
            "directory", f"{path} is empty (0 bytes).",
            f"Was its export cut off? A file with nobody in it still has its header: {HEADER}",
        )
    return content, datetime.fromtimestamp(after.st_mtime, UTC)


# ------------------------------------------------------------------------------------------------------ the people

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


class _People:
    """Collects people row by row, and the members of the configured groups."""

    def __init__(self, settings: FileDirectorySettings, problems: Problems) -> None:
        self._problems = problems
        self._uses = {GroupUse.ENTITLING: settings.groups, GroupUse.LEAVERS: settings.leaver_groups,
                      GroupUse.PROTECTING: settings.protecting_groups, GroupUse.HOLDING: settings.holding_groups}
        self._members = {(use, name): 0 for use, names in self._uses.items() for name in names}
        self._memberships: dict[Value, _Membership] = {}      # few distinct texts, many rows
        self._lines: dict[str, int] = {}
        self._number = settings.person_number
        self.nothing = 0                          # values of addresses that are none
        self.found: list[Person] = []
        self.group_names: set[str] = set()

    def add(self, rows: Iterable[Row]) -> None:
        """Takes every row; what cannot be understood becomes a problem."""
        for row in rows:
            person = self._person(row)
            if person is not None:
                self.found.append(person)

    def groups(self) -> list[DirectoryGroup]:
        """The configured groups with their members."""
        return [DirectoryGroup(name, name, use, members, exists=members > 0, entry=name)
                for (use, name), members in self._members.items()]

    def _person(self, row: Row) -> Person | None:
        values = row.values
        try:
            id_ = self._identity(values["id"], row.line)
            membership = self._membership(values["groups"])
            addresses, unclean, troubles = self._addresses(values["addresses"])
            person = Person(
                id_, addresses[:1], _text(values["display_name"]), _enabled(values["enabled"]),
                _expires_at(values["expires_at"]), membership.entitled_by, membership.leaver_by, membership.protected_by,
                department=sys.intern(_text(values.get("department", ""))), unclear="; ".join(troubles),
                aliases=addresses[1:], unclean=unclean, number=_text(values.get(self._number, "")) if self._number else "",
                manager=_text(values.get("manager", "")), held_by=membership.held_by)
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
            within = {use: [name for name in configured if lowered(name.strip()) in keys]
                      for use, configured in self._uses.items()}
            entitled = tuple(within[GroupUse.ENTITLING][:1]) if self._uses[GroupUse.ENTITLING] else EVERYBODY
            self._memberships[groups] = _Membership(
                entitled, tuple(within[GroupUse.LEAVERS][:1]), tuple(within[GroupUse.PROTECTING][:1]),
                tuple(within[GroupUse.HOLDING][:1]),
                tuple((use, name) for use, names_ in within.items() for name in names_))
        return self._memberships[groups]


def _text(value: Value) -> str:
    return value.strip() if isinstance(value, str) else "; ".join(value)


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
            pass                              # the 30th of February, the hour 25, a year beyond 9999 in UTC
    raise _Problem("expires_at is no time; write 2026-12-31T23:00:00Z (a date, a time, Z or an offset), or nothing for never")
