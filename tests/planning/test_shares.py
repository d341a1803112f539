"""The count itself: a property that meets nothing fails."""

from __future__ import annotations

import pytest

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


def test_a_property_without_worlds_fails():
    """Nothing was tried."""
    with pytest.raises(AssertionError, match="none was counted"):
        exercises({})(lambda: None)()
