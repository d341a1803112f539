"""Says what is wrong with a cron expression.

Five fields as crontab(5) has them: ``*``, numbers, names of months and weekdays, ranges, steps, lists; the last day of a
month is ``L``. When the next time is, is for ``operations.schedule`` to say; everything accepted here is accepted there.
"""

from __future__ import annotations

import re

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

#: name, lowest, highest, words for the numbers from the lowest on
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)
_DAYS_IN = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


class _Wrong(ValueError):
    pass


def cron_fault(expression: str) -> str:
    """What is wrong with it, or nothing."""
    parts = expression.upper().split()
    if len(parts) != len(_FIELDS):
        return f"it has {len(parts)} fields, not 5"
    try:
        _, _, days, months, _ = (_values(part, *rule) for part, rule in zip(parts, _FIELDS, strict=True))
    except _Wrong as wrong:
        return str(wrong)
    if parts[4].startswith("*") and min(days) > max(_DAYS_IN[month] for month in months):
        return f"no month it names has a day {min(days)}"
    return ""


def _values(part: str, name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for term in part.split(","):
        span, slash, step = term.partition("/")
        if slash and not re.fullmatch(r"[1-9][0-9]{0,3}", step):
            raise _Wrong(f'{name} "{term}" has no step after the /')
        if name == "day" and term == "L":
            found.add(low)  # every month has one
            continue
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name, low, high, words)
            last = _number(end, name, low, high, words) if dash else (high if slash else first)
        if last < first:
            raise _Wrong(f'{name} "{term}" runs backwards')
        found.update(range(first, last + 1, int(step or 1)))
    return found


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text in words:
        return words.index(text) + low
    if not re.fullmatch(r"[0-9]{1,4}", text) or not low <= int(text) <= high:
        raise _Wrong(f'{name} "{text}" is not from {low} to {high}')
    return int(text)
