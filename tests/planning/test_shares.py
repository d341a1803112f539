"""The count itself: a property that meets nothing fails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers

from tests.planning.shares import exercises, met


@pytest.mark.parametrize(("share", "passes"), [(0.25, True), (0.5, True), (0.75, False)])
def test_a_share_that_is_not_reached_fails(share: float, passes: bool):
    """Two of four worlds."""

    @exercises({"deactivate": share})
    def a_property() -> None:
        for things in ({"deactivate"}, {"keep"}, {"deactivate", "keep"}, set()):
            met(things)

    if passes:
        a_property()
    else:
        with pytest.raises(AssertionError, match="'deactivate': '6 of 12'"):
            a_property()


def test_another_try_sees_other_worlds_where_chance_is_fixed():
    """As in a run of mutants: the same ones three times over would fail for ever, or never."""
    tries: list[list[int]] = [[]]

    @exercises({"never": 0.01})
    @settings(derandomize=True, database=None, max_examples=20)
    @given(integers())
    def a_property(number: int) -> None:
        tries[-1].append(number)
        if len(tries[-1]) == 20:
            tries.append([])
        met({"number"})

    before = settings.get_current_profile_name()
    settings.register_profile("fixed", derandomize=True, database=None)
    settings.load_profile("fixed")
    try:
        with pytest.raises(AssertionError, match="'never': '0 of 60'"):
            a_property()
    finally:
        settings.load_profile(before)
    assert 3 == len({tuple(one) for one in tries if one})


def test_a_property_without_worlds_fails():
    """Nothing was tried."""
    with pytest.raises(AssertionError, match="none was counted"):
        exercises({})(lambda: None)()
