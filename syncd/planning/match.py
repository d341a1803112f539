"""Which people of the directory claim which Zoom accounts.

Addresses match by key (``model.address_key``), over every address of a person, with domain aliases. A match by address
beats memory; memory (the ledger's pairs) counts only while the person has no account by address and nobody else claims
the account's address. So a rename, an alias or a re-hire is not a leaver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from syncd.model import DirectorySnapshot, Person, Policy, Status, ZoomSnapshot, address_key, domain_key


class Addresses:
    """Domains and aliases of one policy, with what was worked out kept per domain (a company has few domains)."""

    def __init__(self, policy: Policy) -> None:
        self._aliases = {_domain(old): _domain(new) for old, new in policy.domain_aliases}
        self._exact = {_domain(domain) for domain in policy.domains if not domain.startswith("*.")}
        self._below = tuple("." + _domain(domain[2:]) for domain in policy.domains if domain.startswith("*."))
        self._known: dict[str, bool] = {}
        self.no_aliases = not self._aliases

    def key(self, address: str) -> str:
        """The form in which an address is compared, with its domain's alias applied."""
        return self.canonical(address_key(address))

    def canonical(self, key: str) -> str:
        """Applies the domain alias to an address that is a key already."""
        if not self._aliases:
            return key
        local, at, domain = key.rpartition("@")
        return f"{local}@{self._aliases[domain]}" if at and domain in self._aliases else key

    def forms(self, address: str) -> tuple[str, ...]:
        """Every key under which a directory may hold this address, aliases of its domain included."""
        key = self.key(address)
        local, _, domain = key.rpartition("@")
        aliases = (f"{local}@{old}" for old, new in sorted(self._aliases.items()) if new == domain)
        return tuple(dict.fromkeys((key, address_key(address), *aliases)))

    def in_scope(self, address: str) -> bool:
        """Whether syncd is responsible for this address. A domain whose alias target is in scope is in scope."""
        domain = address_key(address).rpartition("@")[2]
        known = self._known.get(domain)
        if known is None:
            target = self._aliases.get(domain, domain)
            known = self._known[domain] = any(
                name in self._exact or name.endswith(self._below) for name in (domain, target)
            )
        return known


def _domain(configured: str) -> str:
    """A domain of the configuration, which takes either spelling, in the form of keys."""
    return domain_key(configured) or configured.strip().lower()


class Claim(NamedTuple):
    """Who claims an account; nobody, when *claimants* is empty. *others* says whether a claimant has a further account."""

    key: str                                  # the account's address as it is compared
    claimants: tuple[Person, ...] = ()        # sorted by id
    matched_by: str | None = None             # address | memory
    others: bool = False


def claims(
    directory: DirectorySnapshot, zoom: ZoomSnapshot, pairs: Mapping[str, str], policy: Policy
) -> dict[str, Claim]:
    """Zoom id -> who claims it, for every account that takes part: in scope, and not pending."""
    addresses = Addresses(policy)
    keys = {
        account.zoom_id: addresses.key(account.email) for account in zoom.accounts
        if account.zoom_id is not None and account.status is not Status.PENDING and addresses.in_scope(account.email)
    }
    by_address = _claimants_by_address(directory.people, frozenset(keys.values()), addresses)
    accounts_of: dict[str, int] = {}          # person id -> accounts he claims by address
    unclaimed: list[str] = []
    for zoom_id, key in keys.items():
        people = by_address.get(key)
        if people is None:
            unclaimed.append(zoom_id)
            continue
        for person in people:
            accounts_of[person.id] = accounts_of.get(person.id, 0) + 1
    remembered = _by_memory(unclaimed, directory.people, pairs, accounts_of)
    for person in remembered.values():
        accounts_of[person.id] = accounts_of.get(person.id, 0) + 1

    several = {person_id for person_id, accounts in accounts_of.items() if accounts > 1}
    result: dict[str, Claim] = {}
    for zoom_id, key in keys.items():
        people, matched_by = by_address.get(key), "address"
        if people is None:
            if zoom_id not in remembered:
                result[zoom_id] = Claim(key)
                continue
            people, matched_by = (remembered[zoom_id],), "memory"
        result[zoom_id] = Claim(key, people, matched_by, bool(several) and any(one.id in several for one in people))
    return result


def _claimants_by_address(
    people: Iterable[Person], wanted: frozenset[str], addresses: Addresses
) -> dict[str, tuple[Person, ...]]:
    """Address key -> people who claim it, sorted by id, for the keys some account has."""
    result: dict[str, tuple[Person, ...]] = {}
    for person in people:                     # in the order of their ids, so each tuple is sorted
        for key in person.addresses if addresses.no_aliases else map(addresses.canonical, person.addresses):
            if key in wanted:
                before = result.get(key, ())
                if not before or before[-1] is not person:
                    result[key] = (*before, person)
    return result


def _by_memory(
    unclaimed: Iterable[str], people: Iterable[Person], pairs: Mapping[str, str], with_account: Mapping[str, int]
) -> dict[str, Person]:
    wanted = {
        zoom_id: pairs[zoom_id] for zoom_id in unclaimed if zoom_id in pairs and pairs[zoom_id] not in with_account
    }
    if not wanted:
        return {}
    remembered = set(wanted.values())
    by_id = {person.id: person for person in people if person.id in remembered}
    return {zoom_id: by_id[person_id] for zoom_id, person_id in wanted.items() if person_id in by_id}
