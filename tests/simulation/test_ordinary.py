"""The default limits: silent in a year in which nothing is wrong, and never silent while people are lost little by little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from syncd.model import Status
from tests.simulation.ordinary import DAYS, Habits, Year, drips, most_in_30_days

pytestmark = pytest.mark.timeout(600)


def lived(habits: Habits, *, days: int = DAYS, wrong: Callable[[Year], None] = lambda _: None, announces: bool = True) -> Year:
    return asyncio.run(Year(habits, Random(f"{habits}"), announces=announces).lives(days, wrong))


@pytest.mark.parametrize(
    "habits", [Habits(100), Habits(180, turnover=0.25, growth=0.1), Habits(350, at_month_end=0.6, interns=0.06)]
)
def test_an_ordinary_year_asks_for_nobody(habits: Habits):
    """No guard trips from the first day to the last; whoever works there is on, and whoever left is off. ``make night`` has
    50 companies of 100 to 20,000 people."""
    year = lived(habits)
    accounts = year.company.zoom.accounts

    assert {} == year.tripped
    assert year.results["applied"] > 12
    assert [] == [name for name in year.staff if f"z-{name}" in accounts and accounts[f"z-{name}"].status is not Status.ACTIVE]
    assert {Status.INACTIVE} == {accounts[f"z-{name}"].status for name in (*year.contractors, *year.interns)}
    assert len(year.off) >= len(year.contractors) + len(year.interns)


def test_a_term_that_nobody_announced_asks_for_somebody():
    """The same year: its last day looks like a disaster."""
    year = lived(Habits(350, contractors=0.12), announces=False)

    assert {"max-deactivations", "max-deactivations-percent"} <= set(year.tripped)


@pytest.mark.parametrize(("name", "wrong"), list(drips()), ids=lambda one: one if isinstance(one, str) else "")
def test_a_drip_is_always_held(name: str, wrong: Callable[[Year], None]):
    """1 % a day, whatever it looks like: not more than the larger of 25 and 10 % of the company within 30 days."""
    people = 300
    year = lived(Habits(people), days=45, wrong=wrong)

    assert "max-deactivations-per-30-days" in year.tripped
    assert 0 < most_in_30_days(year.off) <= max(25, people * 11 // 100)
