"""What somebody probably meant."""

from __future__ import annotations

import pytest

from syncd.model.near import near_names

KNOWN = ("Zoom-Users", "zoom-admins", "Payroll")


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("zoom-user", ["Zoom-Users"]),
        (" ZOOM-ADMIN ", ["zoom-admins"]),  # whatever its case, and blanks around it
        ("payrol", ["Payroll"]),
        ("legal", []),
        ("", []),
    ],
)
def test_the_nearest_name_is_given_as_it_is_spelt_there(asked: str, near: list[str]) -> None:
    """Nothing where nothing is near: a wild guess sends people the wrong way."""
    assert near == near_names(asked, KNOWN)


def test_more_than_one_may_be_near() -> None:
    """The nearest first, and fewer the more alike they must be."""
    assert ["zoom-admins", "Zoom-Users"] == near_names("zoom-admin", KNOWN, 3, cutoff=0.4)
    assert [] == near_names("zoom-admin", KNOWN, 3, cutoff=0.99)
