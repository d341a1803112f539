"""When two names are one person's."""

from __future__ import annotations

import pytest

from syncd.model import name_key


@pytest.mark.parametrize(
    "spelt", ["ann lee", " Ann  Lee ", "ANN LEE", "Ann\u00a0Lee", "Ann\tLee", "A\u200bnn Lee", "\uff21nn Lee"]
)
def test_nobody_is_two_people_by_another_spelling(spelt: str):
    """Case, blanks, width, and what cannot be seen."""
    assert name_key("Ann Lee") == name_key(spelt)


@pytest.mark.parametrize("other", ["Ann Leé", "Annlee", "Ann Lee 2", "Lee Ann", ""])
def test_other_people_stay_others(other: str):
    """Nothing that can be seen is passed over."""
    assert name_key("Ann Lee") != name_key(other)
