"""``match.person_number``: several ids, one person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from syncd.model import Person, Policy
from syncd.planning.numbers import Persons, number_hash
from tests.planning.strategies import NOW

POLICY = Policy("a", ("corp.example",), person_number="employeeID")
HERE = Person("here", ("ann@corp.example",), entitled_by=("g",), number="7")
LEFT = Person("left", ("ann.old@corp.example",), entitled_by=("g",), number="7", enabled=False)


def persons(*people: Person, remembered: dict[str, str] | None = None, policy: Policy = POLICY) -> Persons:
    return Persons(people, policy, NOW, remembered or {}, "salt")


def test_a_hash_says_nothing_without_its_salt():
    """Blanks around a number do not count; no number, no hash."""
    assert number_hash("7", "salt") == number_hash(" 7 ", "salt")
    assert len({number_hash("7", "salt"), number_hash("7", "other"), number_hash("8", "salt")}) == 3
    assert 32 == len(number_hash("7", "salt"))
    assert "" == number_hash("", "salt") == number_hash("  ", "salt")


@pytest.mark.parametrize(
    ("people", "one"),
    [
        ((HERE, LEFT), True),
        ((LEFT, HERE), True),
        ((HERE, structs.replace(LEFT, number=" 7 ")), True),
        ((HERE, structs.replace(LEFT, enabled=True, expires_at=NOW)), True),
        ((HERE, structs.replace(LEFT, enabled=True, expires_at=NOW + timedelta(seconds=1))), False),
        ((HERE, structs.replace(LEFT, number="8")), False),
        ((structs.replace(HERE, number=""), structs.replace(LEFT, number="")), False),
        ((HERE, structs.replace(LEFT, enabled=True)), False),  # two living ones: two people
        ((structs.replace(HERE, enabled=False), LEFT), False),  # none
    ],
)
def test_entries_with_one_number_are_one_person_while_exactly_one_lives(people: tuple[Person, ...], one: bool):
    """The living entry stands for the other."""
    known = persons(*people)

    assert (["here", "here"] if one else [person.id for person in people]) == [known.of(person).id for person in people]
    assert ({"here", "left"} if one else {"here"}) == {entry.id for entry in known.entries(known.of(HERE))}
    assert {} == persons(*people, policy=replace(POLICY, person_number="")).merged


def test_whoever_is_left_out_is_nobody_elses():
    """Their number counts for nothing; numbers that come later still do."""
    known = persons(structs.replace(HERE, id="out"), HERE, LEFT, policy=replace(POLICY, ignore_people=("out",)))

    assert "here" == known.of(LEFT).id
    two = persons(structs.replace(HERE, number="5", enabled=False), structs.replace(HERE, id="b", number="6"), HERE, LEFT)
    assert "here" == two.of(LEFT).id


@pytest.mark.parametrize(
    ("here", "left", "expected"),
    [
        ((), ("Old",), ("Old",)),
        (("New",), ("Old",), ("New",)),
        (("New",), (), ("New",)),
        ((), (), ()),
    ],
)
def test_a_protection_of_any_entry_covers_the_person(here: tuple[str, ...], left: tuple[str, ...], expected: tuple[str, ...]):
    """Their own first."""
    assert (
        expected
        == persons(structs.replace(LEFT, protected_by=left), structs.replace(HERE, protected_by=here)).of(LEFT).protected_by
    )


def test_an_id_that_is_gone_is_known_by_the_hash_of_its_number():
    """While somebody living has that number."""
    remembered = {"gone": number_hash("7", "salt"), "other": number_hash("9", "salt")}

    assert {"gone": "here"} == {
        id_: one.id for id_, one in persons(HERE, remembered=remembered).under_other_ids(["gone", "other", "unknown"]).items()
    }
    assert {} == persons(HERE, remembered=remembered).under_other_ids(["other"])
    assert {} == persons(LEFT, remembered=remembered).under_other_ids(["gone"])
    assert {} == persons(HERE, remembered=remembered, policy=replace(POLICY, person_number="")).under_other_ids(["gone"])


def test_only_a_hash_that_the_ledger_does_not_have_is_remembered():
    """And only where numbers count."""
    known = number_hash("7", "salt")

    assert known == persons(HERE).hash_to_remember(HERE)
    assert known == persons(HERE, remembered={"here": "older"}).hash_to_remember(HERE)
    assert "" == persons(HERE, remembered={"here": known}).hash_to_remember(HERE)
    assert "" == persons(HERE).hash_to_remember(structs.replace(HERE, number=""))
    assert "" == persons(HERE, policy=replace(POLICY, person_number="")).hash_to_remember(HERE)
