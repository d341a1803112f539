"""Zoom's published limits per account plan, and the part of them this program may use.

Source: https://developers.zoom.us/docs/api/rate-limits/ (as of 2026-02). They hold for the whole account and are shared by
all its apps; no API tells the plan, so it is a setting. "business" stands for Business, Education, Enterprise and Partners.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.http.pace import Allowance, DailyBudget, Lane

LIGHT, MEDIUM, HEAVY, RESOURCE_INTENSIVE = "light", "medium", "heavy", "resource_intensive"

#: Where tokens are fetched no limit is published; the lane only pauses when told to.
TOKEN = "token"  # noqa: S105 (the name of a lane)

_RATES: Mapping[str, Mapping[str, Allowance]] = {
    "free": {LIGHT: Allowance(4), MEDIUM: Allowance(2), HEAVY: Allowance(1), RESOURCE_INTENSIVE: Allowance(10, 60)},
    "pro": {LIGHT: Allowance(30), MEDIUM: Allowance(20), HEAVY: Allowance(10), RESOURCE_INTENSIVE: Allowance(10, 60)},
    "business": {LIGHT: Allowance(80), MEDIUM: Allowance(60), HEAVY: Allowance(40), RESOURCE_INTENSIVE: Allowance(20, 60)},
}

#: Name of a daily budget, the labels that draw on it together, and calls a day.
_DAILY: Mapping[str, tuple[tuple[str, tuple[str, ...], int], ...]] = {
    "free": (
        (LIGHT, (LIGHT,), 6_000),
        (MEDIUM, (MEDIUM,), 2_000),
        (HEAVY, (HEAVY,), 1_000),
        (RESOURCE_INTENSIVE, (RESOURCE_INTENSIVE,), 30_000),
    ),
    "pro": ((HEAVY, (HEAVY, RESOURCE_INTENSIVE), 30_000),),
    "business": ((HEAVY, (HEAVY, RESOURCE_INTENSIVE), 60_000),),
}


def lanes(plan: str, share: float) -> dict[str, Lane]:
    """A lane per label, at *share* (0 to 1) of what the *plan* (free, pro, business) allows."""
    return {label: Lane(allowance.shared(share)) for label, allowance in _RATES[plan].items()}


def budgets(plan: str, share: float, account_id: str) -> dict[str, tuple[str, DailyBudget]]:
    """The daily budget of each label that has one, with the key it is kept under over a restart."""
    found: dict[str, tuple[str, DailyBudget]] = {}
    for name, labels, calls in _DAILY[plan]:
        shared = (f"zoom-budget/{account_id}/{name}", DailyBudget(max(1, int(calls * share))))
        found.update(dict.fromkeys(labels, shared))
    return found
