"""Cron expressions: whatever the configuration accepts, the schedule can use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.cron import cron_fault


@pytest.mark.parametrize(
    "expression",
    [
        "*/15 6-20 * * 1-5",
        "0 4 * * *",
        "0,30 8-18/2 1,15 JAN-MAR mon-fri",
        "0 0 L * *",
        "0 0 29 2 *",
        "5/20 * * * 7",
        "0 0 31 2 1",  # the weekday may come true where the day never does
    ],
)
def test_what_crontab_has_is_accepted(expression: str) -> None:
    """Names, lists, ranges and steps."""
    assert not cron_fault(expression)
    assert next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))) > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "0 fields, not 5"),
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("@daily", "1 fields"),
        ("60 * * * *", 'minute "60" is not from 0 to 59'),
        ("* * 0 * *", 'day "0" is not from 1 to 31'),
        ("* * * 13 *", "month"),
        ("* * * * 8", "weekday"),
        ("20-10 * * * *", "runs backwards"),
        ("*/0 * * * *", "no step"),
        ("*/ * * * *", "no step"),
        ("1,,2 * * * *", 'minute ""'),
        ("- * * * *", "minute"),
        ("0 0 31 2,4 *", "no month"),
        ("* * * * \u0661", "weekday"),
    ],
)
def test_what_is_wrong_is_said(expression: str, said: str) -> None:
    """With the field and its bounds."""
    assert said in cron_fault(expression)


FIELD = st.from_regex(r"(\*|[0-9]{1,2}|[0-9]{1,2}-[0-9]{1,2}|MON|FEB|L)(/[0-9])?(,[0-9]{1,2})?", fullmatch=True)


@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join))
def test_whatever_is_accepted_has_a_next_time(expression: str) -> None:
    """The checker of the file and the reader of the schedule never disagree in the dangerous direction."""
    if not cron_fault(expression):
        assert next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))) > datetime(2026, 1, 1, tzinfo=UTC)
