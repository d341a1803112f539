"""Which people of the directory claim which Zoom accounts.

Addresses match by key (``model.address_key``), over every address of a person, with domain aliases. A match by address
beats memory; memory (the ledger's pairs) counts only while the person has no account by address and nobody else claims
the account's address. So a rename, an alias or a re-hire is not a leaver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.model import DirectorySnapshot, Person, Policy, Status, ZoomAccount, ZoomSnapshot, address_key


class Addresses:
    """Domains and aliases of one policy, with what was worked out kept per domain (a company has few domains)."""

    def __init__(self, policy: Policy) -> None:
        self._aliases = {old.lower(): new.lower() for old, new in policy.domain_aliases}
        self._exact = {domain.lower() for domain in policy.domains if not domain.startswith("*.")}
        self._below = tuple("." + domain[2:].lower() for domain in policy.domains if domain.startswith("*."))
        self._known: dict[str, bool] = {}

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
        domain = address.strip().rpartition("@")[2].lower()
        known = self._known.get(domain)
        if known is None:
            target = self._aliases.get(domain, domain)
            known = self._known[domain] = any(
                name in self._exact or name.endswith(self._below) for name in (domain, target)
            )
        return known


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims an account. *others* says whether a claimant has a further account."""

    claimants: tuple[Person, ...] = ()
    matched_by: str | None = None             # address | memory
    others: bool = False


NOBODY = Claim()


def claims(
    directory: DirectorySnapshot, zoom: ZoomSnapshot, pairs: Mapping[str, str], policy: Policy
) -> dict[str, Claim]:
    """Zoom id -> who claims it, for every account in scope that is not pending. Accounts nobody claims are left out."""
    addresses = Addresses(policy)
    taking_part = [
        account for account in zoom.accounts
        if account.zoom_id is not None and account.status is not Status.PENDING and addresses.in_scope(account.email)
    ]
    keys = [addresses.key(account.email) for account in taking_part]
    by_address = _claimants_by_address(directory.people, frozenset(keys), addresses)

    found: dict[str, tuple[Person, ...]] = {}
    with_account: dict[str, int] = {}         # person id -> accounts he claims by address
    unclaimed: list[ZoomAccount] = []
    for account, key in zip(taking_part, keys, strict=True):
        people = by_address.get(key)
        if people is None:
            unclaimed.append(account)
            continue
        found[account.zoom_id or ""] = people
        for person in people:
            with_account[person.id] = with_account.get(person.id, 0) + 1

    remembered = _by_memory(unclaimed, directory.people, pairs, with_account)
    shared: dict[str, int] = {}
    for person in remembered.values():
        shared[person.id] = shared.get(person.id, 0) + 1
    result = {
        zoom_id: Claim(people, "address", any(with_account[person.id] > 1 for person in people))
        for zoom_id, people in found.items()
    }
    result.update((zoom_id, Claim((person,), "memory", shared[person.id] > 1)) for zoom_id, person in remembered.items())
    return result


def _claimants_by_address(
    people: Iterable[Person], wanted: frozenset[str], addresses: Addresses
) -> dict[str, tuple[Person, ...]]:
    """Address key -> people who claim it, sorted by id, for the keys some account has."""
    result: dict[str, tuple[Person, ...]] = {}
    for person in people:                     # in the order of their ids, so each tuple is sorted
        for address in person.addresses:
            key = addresses.canonical(address)
            if key in wanted:
                before = result.get(key, ())
                if not before or before[-1] is not person:
                    result[key] = (*before, person)
    return result


def _by_memory(
    accounts: Iterable[ZoomAccount], people: Iterable[Person], pairs: Mapping[str, str], with_account: Mapping[str, int]
) -> dict[str, Person]:
    wanted = {
        account.zoom_id: pairs[account.zoom_id]
        for account in accounts
        if account.zoom_id is not None and account.zoom_id in pairs and pairs[account.zoom_id] not in with_account
    }
    if not wanted:
        return {}
    remembered = set(wanted.values())
    by_id = {person.id: person for person in people if person.id in remembered}
    return {zoom_id: by_id[person_id] for zoom_id, person_id in wanted.items() if person_id in by_id}
