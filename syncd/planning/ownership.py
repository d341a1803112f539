"""Who owns an account: the table of docs/explanation/ownership.md in code. Pure, one account at a time.

``claims.py`` says who claims it, ``entitlement.py`` how each of them stands. Here the two meet: may the account stay open, for
whom does it come back, and whom does the ledger remember for it from now on.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from syncd.model import Person, Reason
from syncd.planning.claims import Claim
from syncd.planning.entitlement import KNOWN_LEAVERS


class Fit(Enum):
    """What the claims on an active account come to."""

    OWNED = "a main or pair claimant is entitled"
    UNCLEAR = "somebody who may own it could not be read"
    HELPED = "its owner is known to have left, and only aliases might keep it open"
    BY_ALIAS = "only aliases are entitled, and nobody else is known"
    NOBODY = "nobody is entitled"


class Weighed(NamedTuple):
    """One account's claim with how everybody stands."""

    claim: Claim
    standings: dict[str, Reason]  # directory id -> standing, of every claimant

    def standing(self, person: Person) -> Reason:
        """How one of the claimants stands."""
        return self.standings[person.id]

    def _who(self, people: tuple[Person, ...], reason: Reason) -> tuple[Person, ...]:
        return tuple(person for person in people if self.standings[person.id] is reason)

    @property
    def owners_entitled(self) -> tuple[Person, ...]:
        """Entitled main and pair claimants, the remembered one first."""
        found = self._who(self.claim.owners, Reason.IN_STEP)
        return tuple(sorted(found, key=lambda person: person is not self.claim.pair)) if len(found) > 1 else found

    @property
    def aliases_entitled(self) -> tuple[Person, ...]:
        """Entitled people who have the address as an alias only."""
        return self._who(self.claim.aliases, Reason.IN_STEP)

    @property
    def owner_unclear(self) -> bool:
        """Whether a main or pair claimant could not be read, or somebody unclear might mean this address."""
        return bool(self.claim.doubts or self._who(self.claim.owners, Reason.DIRECTORY_UNCLEAR))

    @property
    def aliases_unclear(self) -> tuple[Person, ...]:
        """People who have the address as an alias, and could not be read."""
        return self._who(self.claim.aliases, Reason.DIRECTORY_UNCLEAR)

    @property
    def others_known(self) -> bool:
        """Whether an owner is known (who is neither entitled nor unclear, where this is asked), or was, and is gone."""
        return bool(self.claim.owners) or self.claim.gone


#: In place of the row "active, entitled" of the decision table: the first that fits.
TABLE: tuple[tuple[str, Callable[[Weighed], object], Fit], ...] = (
    ("a", lambda case: case.owners_entitled, Fit.OWNED),
    ("b", lambda case: case.owner_unclear, Fit.UNCLEAR),
    ("c", lambda case: case.others_known and (case.aliases_entitled or case.aliases_unclear), Fit.HELPED),
    ("d", lambda case: case.aliases_entitled, Fit.BY_ALIAS),
    ("-", lambda case: case.aliases_unclear, Fit.UNCLEAR),
    ("-", lambda _: True, Fit.NOBODY),
)


def fit(case: Weighed) -> Fit:
    """The first row of the table that fits."""
    return next(result for _, fits, result in TABLE if fits(case))


def address_taken(case: Weighed) -> bool:
    """Whether beside the entitled owner somebody else claims the account by main address."""
    return any(person is not case.owners_entitled[0] for person in case.claim.mains)


class Pairing(NamedTuple):
    """Whom a good read remembers for an account from now on. *moved*: the account was remembered for somebody else, who is
    not entitled or gone."""

    person: Person
    moved: bool


def pairing(case: Weighed, *, active: bool, has_by_main: Callable[[Person], bool]) -> Pairing | None:
    """The pair that a good read writes for this account, None: it stays as it is.

    First for the only entitled main claimant, whoever else has the address without being entitled; where nobody claims by main
    address, for the only alias claimant, if no account has a main address of theirs. Once written it moves only for an active
    account, from somebody not entitled or gone, to its only main claimant; never to an alias.
    """
    claim = case.claim
    mains = [person for person in claim.mains if case.standing(person) is Reason.IN_STEP]
    if case.owner_unclear or claim.ignored:
        return None
    if claim.remembered is None:
        if claim.mains:
            return Pairing(mains[0], moved=False) if len(mains) == 1 else None
        if len(claim.aliases) == 1 and case.aliases_entitled and not has_by_main(claim.aliases[0]):
            return Pairing(claim.aliases[0], moved=False)
        return None
    if not active or len(claim.mains) != 1 or not mains or mains[0].id == claim.remembered:
        return None
    before = claim.remembered_person
    if before is mains[0]:  # the same person under a new id
        return Pairing(mains[0], moved=False)
    return Pairing(mains[0], moved=True) if before is None or case.standings.get(before.id) is not Reason.IN_STEP else None


def comes_back_for(case: Weighed, has_another_active: Callable[[Person], bool]) -> Person | None:
    """Whose an inactive account is that an owner is entitled to: the remembered person's, or, where nobody was ever remembered,
    the only main claimant's. None: a person has to say, for it may be a stranger's (a recycled address), or another one
    of somebody who has an active account."""
    claim = case.claim
    only = claim.mains[0] if len(claim.mains) == 1 else None
    person = only if claim.remembered is None else claim.remembered_person
    if person is None or person not in case.owners_entitled:
        return None
    others = [case.standing(other) for other in claim.mains if other is not person]
    if any(reason is Reason.IN_STEP or reason in KNOWN_LEAVERS for reason in others):
        return None
    return None if has_another_active(person) else person
