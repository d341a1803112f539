"""What is said about somebody, and about an account that waits for a person."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from syncd.model import Action, Decision, Person, Policy, Reason, Status, ZoomAccount
from syncd.operations.in_words import advice, standing_in_words

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ANN = Person("p", ("ann@corp.example",), entitled_by=("Zoom Users",))


@pytest.mark.parametrize(
    ("person", "guests", "says"),
    [
        (ANN, False, "entitled"),
        (Person("p", entitled_by=("Zoom Users",), guest=True), False, "a guest, and guests are not entitled"),
        (Person("p", entitled_by=("Zoom Users",), guest=True), True, "entitled"),
        (Person("p", guest=True), False, "in none of the entitling groups"),
        (Person("p"), False, "in none of the entitling groups"),
    ],
)
def test_how_somebody_stands(person: Person, guests: bool, says: str):
    """A guest in a group is not said to be in none."""
    assert standing_in_words(person, Policy("a", ("corp.example",), guests=guests), NOW).startswith(says)


@pytest.mark.parametrize(
    ("reason", "status", "says"),
    [
        (Reason.AMBIGUOUS_MATCH, Status.ACTIVE, "syncd account hold ann@corp.example --by NAME --because TEXT"),
        (Reason.AMBIGUOUS_MATCH, Status.INACTIVE, "syncd account acknowledge ann@corp.example --until DATE --by NAME"),
        (Reason.REACTIVATED_BY_OTHERS, Status.ACTIVE, "syncd account deactivate ann@corp.example --by NAME --because TEXT"),
        (Reason.PROTECTED, Status.ACTIVE, "protect.accounts"),
        (Reason.REFUSED_BY_ZOOM, Status.ACTIVE, "after 7 days"),
    ],
)
def test_every_manual_row_says_what_to_do(reason: Reason, status: Status, says: str):
    """With the command, where there is one; what needs nobody says nothing."""
    account = ZoomAccount("z", "ann@corp.example", status)

    assert says in advice(Decision(account, Action.MANUAL, reason))
    assert "" == advice(Decision(account, Action.KEEP, Reason.IN_STEP))
