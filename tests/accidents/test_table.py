"""Every accident has a test, and the table names only tests that are there."""

from __future__ import annotations

import pytest

from tests.accidents.table import Accident, accidents, is_there


def test_all_of_them_are_in_the_table_once():
    """R1 to R53."""
    assert list(range(1, 54)) == [one.number for one in accidents()]


@pytest.mark.parametrize("accident", accidents(), ids=lambda one: f"R{one.number}")
def test_the_tests_of_an_accident_are_in_the_suite(accident: Accident):
    """Renamed or removed, they leave a hole that shows here."""
    assert accident.tests, f"R{accident.number} has no test: {accident.what}"
    assert [] == [test for test in accident.tests if not is_there(test)]


@pytest.mark.parametrize(
    "test",
    [
        "operations/test_cycle.py::test_nothing_of_the_kind",
        "operations/test_gone.py::test_x",
        "scenarios/99-gone.txt",
        "operations/test_cycle.py",
    ],
)
def test_a_test_that_is_not_there_is_missed(test: str):
    """So the look-up itself can fail."""
    assert not is_there(test)
