"""Whom to remember as somebody's managers, as the directory names them: one above the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.model import Person, address_key

#: A leaver's manager, and so many above.
MANAGERS_MAX = 4


def chain_of(person: Person, people: Mapping[str, Person], by_address: Mapping[str, tuple[Person, ...]]) -> tuple[str, ...]:
    """Whom to remember: the manager, and up to three above, as the directory names them."""
    return tuple(_upwards(person, people, by_address))


def told_upwards(person: Person, people: Mapping[str, Person], by_address: Mapping[str, tuple[Person, ...]]) -> bool:
    """Whether the directory told everybody's manager on that way: what it did not tell is not what it says now."""
    above = (people.get(name) for name in ("", *_upwards(person, people, by_address))[:MANAGERS_MAX])
    return person.manager is not None and all(one is None or one.manager is not None for one in above)


def _upwards(person: Person, people: Mapping[str, Person], by_address: Mapping[str, tuple[Person, ...]]) -> Iterator[str]:
    seen = {person.id}
    for _ in range(MANAGERS_MAX):
        name = person.manager
        if not name:
            return
        above = people.get(name)
        if above is None and "@" in name:
            claimants = by_address.get(address_key(name), ())
            above = claimants[0] if len(claimants) == 1 else None
        yield above.id if above is not None else name
        if above is None or above.id in seen:
            return
        seen.add(above.id)
        person = above
