"""Who claims which Zoom account, and how: by a main address, as the remembered pair, or by an alias.

    main    ``mail``, ``userPrincipalName``, ``SMTP:``; in a file the first address
    pair    whom the ledger remembers for this account; for an inactive account only while that person has no other active
            account by main address
    alias   any other address

An exact address outranks one that is equal only through ``match.domain_aliases``: where somebody's main address is exactly
the account's, the main address of another domain is no more than an alias. Ids with one ``match.person_number``, which only
one living entry has, are one person. What comes of the claims is for ``ownership.py`` to say.

Nearly every account has one claimant: its person, by main address, as remembered. Those are found by one look-up a person and
cost nothing more; everything else is worked out only for the account it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from syncd.model import (
    DirectorySnapshot,
    Person,
    Policy,
    Status,
    Unclear,
    ZoomAccount,
    ZoomSnapshot,
    address_key,
    ignored_ids,
    judge,
)
from syncd.planning.match import Addresses
from syncd.planning.numbers import Persons


class By(IntEnum):
    """How an address is claimed, strongest first."""

    MAIN = 0
    MAIN_OF_ALIASED_DOMAIN = 1
    ALIAS = 2
    DOUBT = 3  # the address stands in a value that is not exactly one


@dataclass(frozen=True, slots=True)
class Claim:
    """Everybody who claims one account, each once, under their strongest claim; sorted by id."""

    key: str  # the account's address as it is compared
    mains: tuple[Person, ...] = ()
    pair: Person | None = None  # the remembered person, while the memory of them claims this account
    aliases: tuple[Person, ...] = ()  # whoever is neither of those
    doubts: tuple[Person, ...] = ()  # unclear people who might mean this address
    remembered: str | None = None  # directory id
    remembered_person: Person | None = None  # as the directory shows them now, under whatever id
    pair_by_alias: bool = False  # the pair has the address, too, as an alias
    ignored: bool = False  # remembered for, or an address of, somebody in match.ignore_people

    @property
    def owners(self) -> tuple[Person, ...]:
        """Main and pair claimants."""
        return self.mains if self.pair is None or self.pair in self.mains else (*self.mains, self.pair)

    @property
    def claimants(self) -> tuple[Person, ...]:
        """Everybody, the stronger claims first."""
        return (*self.owners, *self.aliases)

    @property
    def answerable(self) -> tuple[Person, ...]:
        """Those whose protection covers the account: main and pair claimants, or, where there are none, the others."""
        return self.owners or self.aliases

    @property
    def gone(self) -> bool:
        """Whether somebody is remembered for this account whom the directory does not know any more."""
        return self.remembered is not None and self.remembered_person is None

    def matched_by(self, person: Person) -> str:
        """``memory`` when only the pair claims, else ``address``."""
        return "memory" if person is self.pair and person not in self.mains and not self.pair_by_alias else "address"


class Claims:
    """All claims on the accounts of one Zoom snapshot. Accounts are named by their place in it."""

    def __init__(
        self,
        directory: DirectorySnapshot,
        zoom: ZoomSnapshot,
        pairs: Mapping[str, str],
        policy: Policy,
        addresses: Addresses,
        persons: Persons,
    ) -> None:
        self._accounts, self._pairs, self._addresses, self._persons = zoom.accounts, pairs, addresses, persons
        self._ignored = ignored_ids(directory.people, policy.ignore_people)
        #: Accounts that take no part: out of scope, or pending.
        self.outside: set[int] = set()
        self._exact: dict[int, str] = {}  # as the account has it, where a domain alias makes another address of it
        self._at: dict[str, int] = {}  # compared address -> its account
        self._twins: dict[str, list[int]] = {}  # further accounts with it
        self._index_accounts(zoom.accounts)
        #: The one who claims the account exactly by main address, if somebody does; *_more* knows of all others, too. In the
        #: end only where nobody else is remembered or has a claim: None means: ask ``of``.
        self.plain: list[Person | None] = [None] * len(zoom.accounts)
        self._first_of_several: dict[int, Person | None] = {}  # who was there in place of the None
        self._more: dict[int, list[tuple[By, Person]]] = {}
        self._of_ignored: set[int] = set()
        several = self._claim_by_address(directory.people)
        self._others_than_first: dict[int, str] = {}  # account -> remembered id that is not the first claimant's
        self._compare_with_memory()
        self._people = self._remembered_people(directory.people)
        self._zoom_ids: dict[str, list[int]] | None = None
        #: Ids of people who own more than one account.
        self.with_several = several
        self._find_further_owners()
        for at in (*self._more, *self._others_than_first, *self._of_ignored):
            self._first_of_several.setdefault(at, self.plain[at])
            self.plain[at] = None

    # ------------------------------------------------------------------------------------------------ what is asked of it

    def of(self, at: int) -> Claim:
        """Everybody who claims this account (one that takes part)."""
        account, key = self._accounts[at], self._key(at)
        ranked = self._ranked(at)
        strongest = min((by for by, _ in ranked.values()), default=By.DOUBT)
        wanted = By.MAIN if strongest is By.MAIN else By.MAIN_OF_ALIASED_DOMAIN
        mains = {id_: person for id_, (by, person) in ranked.items() if by <= wanted}
        aliases = {id_: person for id_, (by, person) in ranked.items() if wanted < by < By.DOUBT}
        doubts = {id_: person for id_, (by, person) in ranked.items() if by is By.DOUBT}
        remembered = self._pairs.get(account.zoom_id or "")
        person = self._remembered_person(at, remembered)
        pair = person if person is not None and self._pair_counts(at, person) else None
        by_alias = pair is not None and aliases.pop(pair.id, None) is not None
        return Claim(
            key,
            _by_id(mains),
            pair,
            _by_id(aliases),
            _by_id(doubts),
            remembered,
            person,
            by_alias,
            at in self._of_ignored or remembered in self._ignored,
        )

    def owns_another_active(self, person: Person, at: int) -> bool:
        """Whether this person has an active account beside this one, by main address or pair."""
        return any(
            self._accounts[other].status is Status.ACTIVE and person in self.of(other).owners
            for other in self._claimed_by(person)
            if other != at
        )

    def other_active(self, person: Person, at: int) -> Iterator[ZoomAccount]:
        """Their active accounts beside this one, by main address, pair, or by an alias where nobody has a better claim."""
        return (
            self._accounts[other]
            for other in self._claimed_by(person)
            if other != at and self._accounts[other].status is Status.ACTIVE and person in self.of(other).answerable
        )

    def has_by_main(self, person: Person) -> bool:
        """Whether some account, of whatever status, has a main address of this person."""
        return any(person in self.of(other).mains for other in self._by_address(person))

    # ---------------------------------------------------------------------------------------------------------- indexing

    def _index_accounts(self, accounts: tuple[ZoomAccount, ...]) -> None:
        addresses, outside, places, aliased = self._addresses, self.outside, self._at, self._addresses.aliased
        covered: dict[str, bool] = {}  # by domain: companies have few
        pending = Status.PENDING
        for at, account in enumerate(accounts):
            if account.zoom_id is None or account.status is pending:
                outside.add(at)
                continue
            key: str = address_key(account.email)
            domain = key.rpartition("@")[2]
            if not (covered[domain] if domain in covered else covered.setdefault(domain, addresses.covers(key))):
                outside.add(at)
                continue
            if aliased:
                form = addresses.canonical(key)
                if form != key:
                    self._exact[at] = key
                key = form
            if key == account.email:  # as nearly all are spelled: no second text for it
                key = account.email
            if places.setdefault(key, at) != at:
                self._twins.setdefault(key, []).append(at)

    def _claim_by_address(self, people: Iterable[Person]) -> set[str]:
        """Takes in everybody's addresses; gives the ids of people with several accounts by main address."""
        places, first, more, aliased = self._at, self.plain, self._more, self._addresses.aliased
        simple, merged = not (aliased or self._twins), self._persons.merged
        several: set[str] = set()
        for entry in people:
            if self._ignored and entry.id in self._ignored:
                self._of_ignored.update(at for key in entry.addresses for at in self._places(key))
                continue
            person = merged.get(entry.id, entry) if merged else entry
            if not simple:
                self._claim_slowly(person, entry, several)
                continue
            found = None
            for key in entry.mains:
                at = places.get(key)
                if at is None:
                    continue
                if first[at] is None:
                    first[at] = person
                elif first[at] is not person:
                    more.setdefault(at, []).append((By.MAIN, person))
                if found is not None and found != at:
                    several.add(person.id)
                found = at
            for key in entry.aliases:
                at = places.get(key)
                if at is not None and first[at] is not person:
                    more.setdefault(at, []).append((By.ALIAS, person))
            if entry.unclean:
                self._take_doubts(entry, person)
        return several

    def _claim_slowly(self, person: Person, entry: Person, several: set[str]) -> None:
        found: set[int] = set()
        for keys, exact, equal in ((entry.mains, By.MAIN, By.MAIN_OF_ALIASED_DOMAIN), (entry.aliases, By.ALIAS, By.ALIAS)):
            for key in keys:
                for at in self._places(key):
                    by = exact if self._exact.get(at, self._key(at)) == key else equal
                    if by is By.MAIN and self.plain[at] is None:
                        self.plain[at] = person
                    elif self.plain[at] is not person:
                        self._more.setdefault(at, []).append((by, person))
                    if exact is By.MAIN:
                        found.add(at)
        if len(found) > 1:
            several.add(person.id)
        if entry.unclean:
            self._take_doubts(entry, person)

    def _take_doubts(self, entry: Person, person: Person) -> None:
        """An account whose address stands in a value that is not exactly one address might be theirs. Of somebody in no
        entitling or protecting group it does not matter whose it is."""
        if not (entry.entitled_by or entry.protected_by or entry.membership_unknown):
            return
        for text in entry.unclean:
            found = judge(text)
            for key in found.keys if isinstance(found, Unclear) else [found] if isinstance(found, str) else []:
                for at in self._places(key):
                    self._more.setdefault(at, []).append((By.DOUBT, person))

    def _places(self, key: str) -> Iterator[int]:
        form = self._addresses.canonical(key)
        at = self._at.get(form)
        if at is not None:
            yield at
            yield from self._twins.get(form, ())

    def _compare_with_memory(self) -> None:
        pairs, first, others, outside = self._pairs, self.plain, self._others_than_first, self.outside
        if not pairs:
            return
        for at, (account, claimant) in enumerate(zip(self._accounts, first, strict=True)):
            remembered = pairs.get(account.zoom_id)  # type: ignore[arg-type]    # those that take part have one
            if remembered is not None and (claimant is None or claimant.id != remembered) and at not in outside:
                others[at] = remembered

    def _remembered_people(self, people: Iterable[Person]) -> dict[str, Person]:
        """Directory id -> whoever it is today, for the ids that are remembered beside what addresses say."""
        wanted = set(self._others_than_first.values()) - self._ignored
        if not wanted:
            return {}
        found = {person.id: self._persons.of(person) for person in people if person.id in wanted}
        return found | self._persons.under_other_ids(wanted - found.keys())

    def _find_further_owners(self) -> None:
        """Completes *with_several* with those who own an account otherwise than as its plain claimant."""
        seen: set[str] = set()
        for at in {*self._more, *self._others_than_first}:
            for person in self.of(at).answerable:
                if person.id not in seen and person.id not in self.with_several:
                    seen.add(person.id)
                    if sum(person in self.of(other).answerable for other in self._claimed_by(person)) > 1:
                        self.with_several.add(person.id)

    # ------------------------------------------------------------------------------------------------------- one account

    def _key(self, at: int) -> str:
        """The address of an account as it is compared."""
        return self._addresses.canonical(address_key(self._accounts[at].email))

    def _first(self, at: int) -> Person | None:
        return self._first_of_several[at] if at in self._first_of_several else self.plain[at]

    def _ranked(self, at: int) -> dict[str, tuple[By, Person]]:
        """Person id -> their strongest claim by address."""
        first = self._first(at)
        ranked = {first.id: (By.MAIN, first)} if first is not None else {}
        for by, person in self._more.get(at, ()):
            if person.id not in ranked or by < ranked[person.id][0]:
                ranked[person.id] = (by, person)
        return ranked

    def _remembered_person(self, at: int, remembered: str | None) -> Person | None:
        if remembered is None:
            return None
        first = self._first(at)
        return first if first is not None and first.id == remembered else self._people.get(remembered)

    def _pair_counts(self, at: int, person: Person) -> bool:
        """An inactive account never takes a person away from their active one."""
        return self._accounts[at].status is not Status.INACTIVE or not any(
            self._accounts[other].status is Status.ACTIVE and self._is_main(person, other)
            for other in self._by_address(person)
            if other != at
        )

    def _is_main(self, person: Person, at: int) -> bool:
        ranked = self._ranked(at)
        by = ranked[person.id][0] if person.id in ranked else By.DOUBT
        return by is By.MAIN or (by is By.MAIN_OF_ALIASED_DOMAIN and min(one for one, _ in ranked.values()) is by)

    def _by_address(self, person: Person) -> set[int]:
        return {at for entry in self._persons.entries(person) for key in entry.addresses for at in self._places(key)}

    def _claimed_by(self, person: Person) -> set[int]:
        """Accounts whose address this person has, or which are remembered for them."""
        if self._zoom_ids is None:
            self._zoom_ids = {}
            for at, remembered in self._others_than_first.items():
                if remembered in self._people:
                    self._zoom_ids.setdefault(self._people[remembered].id, []).append(at)
        return self._by_address(person).union(self._zoom_ids.get(person.id, ()))


def _by_id(people: Mapping[str, Person]) -> tuple[Person, ...]:
    return tuple(people[id_] for id_ in sorted(people)) if len(people) > 1 else tuple(people.values())
