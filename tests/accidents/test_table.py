"""Every accident has a test, and the table names only tests that are there."""

from __future__ import annotations

import pytest

from tests.accidents.table import Accident, Attempt, accidents, attempts, is_there
from tests.simulation.company import KINDS

#: What only sockets, files and databases can meet.
NOT_SIMULATED = {8, 9, 11}


def test_all_of_them_are_in_the_table_once():
    """R1 to R53, and S1 to S11."""
    assert list(range(1, 54)) == [one.number for one in accidents()]
    assert list(range(1, 12)) == [one.number for one in attempts()]


@pytest.mark.parametrize("accident", accidents(), ids=lambda one: f"R{one.number}")
def test_the_tests_of_an_accident_are_in_the_suite(accident: Accident):
    """Renamed or removed, they leave a hole that shows here."""
    assert accident.tests, f"R{accident.number} has no test: {accident.what}"
    assert [] == [test for test in accident.tests if not is_there(test)]


@pytest.mark.parametrize("attempt", attempts(), ids=lambda one: f"S{one.number}")
def test_what_was_tried_on_syncd_is_a_test_and_an_event_of_the_simulator(attempt: Attempt):
    """Each of them has a test; a company of the simulator meets it, too, wherever it can."""
    assert attempt.tests
    assert [] == [test for test in attempt.tests if not is_there(test)]
    assert (attempt.number in NOT_SIMULATED) == (not attempt.events)
    assert set(attempt.events) <= KINDS.keys()


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
