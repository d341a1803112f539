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
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from syncd.directories.file.people import People, Rows
from syncd.directories.file.rows import HEADER, Problems, csv_rows, ends_well, is_text, yaml_rows
from syncd.errors import SourceError
from syncd.events import ReadProgress
from syncd.model import DirectoryGroup, DirectorySnapshot, GroupUse, Person, address_key
from syncd.model.near import near_names
from syncd.ports import Clock, Tell
from syncd.reading import End, in_one_piece

#: So many unclear people are named by ``check``.
UNCLEAR_NAMED = 5

#: So many second looks at one reading are for themselves.
FEW = 10


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
        #: Whether rows are kept as written, so that those which stay the same need not be understood again: for a watch, which
        #: reads a file whenever it is replaced, and acts within a second or two.
        self.keep_rows = False
        self._reading = asyncio.Lock()

    async def read(self) -> DirectorySnapshot:
        """Everybody in the file. Raises SourceError."""
        async with self._reading:
            return (await self._read_again(None)).snapshot

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """Whoever has this id or claims one of these addresses. An unchanged file needs no second reading: its digest
        proves that the answer is the same; a changed one is read anew, whole. Raises SourceError."""
        async with self._reading:  # one at a time: many changes in flight must not hold many copies of the file
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
        return [
            (subject, True, f"{len(snapshot.people):,} people, {in_groups}; written {_age(read.age)} ago"),
            *(
                [
                    (
                        f"{subject}, unclear people",
                        True,
                        f"warning: {len(unclear):,} cannot be understood, their accounts are left alone: {named}",
                    )
                ]
                if unclear
                else []
            ),
            *(
                [
                    (
                        f"{subject}, values",
                        True,
                        (
                            f"{read.nothing:,} values of addresses are no addresses (empty, of another type, "
                            "or without @) and claim nothing"
                        ),
                    )
                ]
                if read.nothing
                else []
            ),
            *(_about_empty(group, read.group_names) for group in snapshot.groups if not group.members),
        ]

    async def close(self) -> None:
        """Forgets the people in hand."""
        self._held = None

    async def _read_again(self, unless: _Read | None) -> _Read:
        """Reads the file; *unless* it is still the one that was read, then that reading is the answer."""
        at = self._clock.now()
        read = await asyncio.to_thread(_read, self._settings, at, unless, self._held, keep_rows=self.keep_rows)
        if read is not unless:
            self._held = read
            self._tell(ReadProgress("directory", len(read.snapshot.people), len(read.snapshot.people)))
        return read


def _about_empty(group: DirectoryGroup, names: Iterable[str]) -> tuple[str, bool, str]:
    close = near_names(group.name, names)
    guess = f"; did you mean {close[0]}?" if close else ""
    return (
        f"directory group {group.name} ({group.use.value})",
        group.use not in (GroupUse.ENTITLING, GroupUse.PROTECTING),  # whom a cycle demands, unless they had members once
        f"no row names it: right if nobody is in it now, else correct its name{guess}",
    )


# ---------------------------------------------------------------------------------------------------- one reading


class _Read:
    """The file as it was, with its people by id and by address."""

    def __init__(
        self,
        digest: str,
        snapshot: DirectorySnapshot,
        group_names: frozenset[str],
        age: timedelta,
        nothing: int,
        rows: Rows,
    ) -> None:
        self.digest = digest
        self.age = age
        self.nothing = nothing
        self.rows = rows
        self.snapshot = snapshot
        self.group_names = group_names
        self._asked = 0

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
        """Whoever has this id or claims one of these addresses. The first few are looked for one by one: an index of everybody
        costs more than they do."""
        self._asked += 1
        if self._asked <= FEW:
            keys = {address_key(address) for address in addresses}
            return tuple(
                person for person in self.snapshot.people if person.id == directory_id or not keys.isdisjoint(person.addresses)
            )
        found = [self._by_id[directory_id]] if directory_id in self._by_id else []
        for address in addresses:
            found += self._by_address.get(address_key(address), [])
        return tuple({person.id: person for person in found}.values())


def _read(
    settings: FileDirectorySettings,
    at: datetime,
    unless: _Read | None,
    before: _Read | None = None,
    *,
    keep_rows: bool = False,
) -> _Read:
    """Runs in a thread: the file may be large, or on a slow volume. *before*: an earlier reading under the same settings, whose
    rows need not be understood again."""
    content, written_at = _content(settings.path)
    age = max(timedelta(), at - written_at)
    if settings.max_age is not None and age > settings.max_age:
        raise SourceError(
            "directory",
            f"{settings.path} was written {_age(age)} ago ({written_at:%Y-%m-%d %H:%M} UTC), longer ago than "
            f"directory.file.max_age ({_age(settings.max_age)}).",
            "Does its export still run? Nothing is concluded from an old file; a newer one is read by itself.",
        )
    digest = hashlib.sha256(content).hexdigest()
    if unless is not None and unless.digest == digest:
        return unless
    problems = Problems()
    people = People(settings, problems, before.rows if before is not None else Rows(), keep_rows=keep_rows)
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
        "file", at, in_one_piece(people.found, End.WHOLE_FILE), in_one_piece(people.groups(), End.WHOLE_FILE), as_of=written_at
    )
    return _Read(digest, snapshot, frozenset(people.group_names), age, people.nothing, people.rows)


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
            "directory",
            f"{path} cannot be read ({error.strerror or error}).",
            "Put the file there, readable for the account syncd runs under, or correct directory.file.path.",
        ) from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise SourceError(
            "directory",
            f"{path} changed while it was read.",
            "Write the new file beside it and rename it, so that nobody sees half of it.",
        )
    if not content:
        raise SourceError(
            "directory",
            f"{path} is empty (0 bytes).",
            f"Was its export cut off? A file with nobody in it still has its header: {HEADER}",
        )
    return content, datetime.fromtimestamp(after.st_mtime, UTC)
