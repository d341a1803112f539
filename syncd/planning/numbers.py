"""``match.person_number``: ids of the directory that are one person, because they have one number (re-hires under a new id,
contractors who become employees, migrations between directories).

Only where exactly one living entry has the number: two living ones are two people until somebody says otherwise (an
administrator's second account often has the number of the first). The ledger keeps a salted hash of each remembered person's
number, so that an entry that was deleted meanwhile is still known to have been the same person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import structs

from syncd.model import Person, Policy, ignored_ids
from syncd.planning.entitlement import KNOWN_LEAVERS, standing


def number_hash(number: str, salt: str) -> str:
    """What the ledger keeps of a number; nothing for none. Blanks around it do not count."""
    number = number.strip()
    return hashlib.sha256(f"{salt}\0{number}".encode()).hexdigest()[:32] if number else ""


class Persons:
    """Who is who. Without ``match.person_number`` everybody is who their id says. *remembered*: directory id -> hash."""

    def __init__(self, people: Sequence[Person], policy: Policy, now: datetime, remembered: Mapping[str, str], salt: str) -> None:
        self._remembered, self._salt = remembered, salt
        #: Directory id -> the person it stands for, for those who have more than one id.
        self.merged: dict[str, Person] = {}
        self._entries: dict[str, tuple[Person, ...]] = {}
        self._living: dict[str, Person] = {}  # number -> the only living entry with it
        if policy.person_number:
            self._merge(people, policy, now)

    def of(self, entry: Person) -> Person:
        """The person this entry of the directory stands for."""
        return self.merged.get(entry.id, entry)

    def entries(self, person: Person) -> tuple[Person, ...]:
        """Every entry of the directory that is this person."""
        return self._entries.get(person.id, (person,))

    def under_other_ids(self, ids: Iterable[str]) -> dict[str, Person]:
        """Id -> person, for ids the directory does not know any more whose number a living entry has."""
        gone = {id_: self._remembered[id_] for id_ in ids if id_ in self._remembered} if self._living else {}
        if not gone:
            return {}
        by_hash = {number_hash(number, self._salt): person for number, person in self._living.items()}
        return {id_: by_hash[known] for id_, known in gone.items() if known in by_hash}

    def hash_to_remember(self, person: Person) -> str:
        """The hash of a person's number where the ledger does not have it yet; else nothing."""
        known = number_hash(person.number, self._salt) if self._living and person.number else ""
        return known if known != self._remembered.get(person.id, "") else ""

    def _merge(self, people: Sequence[Person], policy: Policy, now: datetime) -> None:
        ignored = ignored_ids(people, policy.ignore_people)
        with_number: dict[str, list[Person]] = {}
        for person in people:
            number = person.number.strip()
            if number and person.id not in ignored:
                with_number.setdefault(number, []).append(person)
        for number, entries in with_number.items():
            living = [entry for entry in entries if standing(entry, policy, now) not in KNOWN_LEAVERS]
            if len(living) != 1:
                continue
            person = living[0]
            if len(entries) > 1:
                protection = next((entry.protected_by for entry in (person, *entries) if entry.protected_by), ())
                person = structs.replace(person, protected_by=protection)
                self.merged.update((entry.id, person) for entry in entries)
                self._entries[person.id] = tuple(entries)
            self._living[number] = person
