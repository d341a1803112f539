"""Who of the directory could not be read, and how many of them a read may have and still be believed. Pure.

This is the only limit of its kind: a directory hands over whoever it could not understand as ``Person.unclear``, and the read
of the others goes on. One broken object in a directory of thousands is loud, narrow and harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, Person, Policy, ignored_ids, unclear_limit

#: So many of them are named in a message.
_NAMED = 5


def unclear_people(directory: DirectorySnapshot, policy: Policy) -> tuple[Person, ...]:
    """Whoever could not be read and matters: entitled or protected by a group, or perhaps so. Sorted by id."""
    ignored = ignored_ids(directory.people, policy.ignore_people)
    return tuple(
        person
        for person in directory.people
        if (person.unclear or person.unclean) and person.matters_unclear and person.id not in ignored
    )


def nameless(unclear: Sequence[Person], remembered: Collection[str]) -> bool:
    """Whether one of them may own any account at all: entitled, or perhaps so, with no clean address and no account remembered
    for them. Then an account that nobody claims and that is remembered for nobody may be theirs."""
    who = {person.id for person in unclear if not person.addresses and (person.entitled_by or person.membership_unknown)}
    return bool(who) and not who <= who.intersection(remembered)


def demand_clear(unclear: Sequence[Person], entitled: int) -> None:
    """Raises SourceError when more people are unclear than the larger of 3 and 1 % of the entitled: then it is not about
    single objects."""
    limit = unclear_limit(entitled)
    if len(unclear) > limit:
        named = "; ".join(f"{person.id}: {person.cause}" for person in unclear[:_NAMED])
        raise SourceError(
            "directory",
            f"{len(unclear)} people of the directory could not be read, at most {limit} may be ({named}"
            f"{'; …' if len(unclear) > _NAMED else ''})",
            "So many are no single broken objects: look which right or attribute is missing (syncd check), and mend them; "
            "match.ignore_people leaves out those that nobody can mend.",
        )
