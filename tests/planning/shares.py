"""Whether a property met what it speaks of: counted over its worlds, and asserted when the last one is done.

A property about reactivations that never saw one passes whatever the code does.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import seed, settings

from syncd.model import Plan

#: Of the property that runs: how many worlds it had, and in how many of them each thing happened.
_met: Counter[str] = Counter()
_WORLDS = "worlds"


def met(things: Iterable[str]) -> None:
    """Says once for a world what happened in it."""
    _met[_WORLDS] += 1
    _met.update(set(things))


def of_plan(plan: Plan) -> set[str]:
    """The actions, reasons and notes of a plan."""
    return {word for one in plan.decisions for word in (one.action.value, one.reason.value, *one.notes)}


def exercises(shares: dict[str, float]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The outermost decorator of a property: fails when one of these things happened in a smaller share of its worlds. Chance
    may be unkind, so that a property with too few is tried again, and all its worlds count."""

    def around(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def counted(*args: Any, **named: Any) -> None:
            _met.clear()
            for number, again in enumerate((True, True, False)):
                if settings.default is not None and settings.default.derandomize:
                    seed(number)(test)  # else another try would see the same worlds again
                test(*args, **named)
                if not (seldom := too_seldom(shares)):
                    return
                assert again, f"too few worlds exercised this: {seldom}; all: {dict(_met)}"

        return counted

    return around


def too_seldom(shares: dict[str, float]) -> dict[str, str]:
    """What was met in too few worlds, with the numbers."""
    worlds = _met[_WORLDS]
    if not worlds:
        return {_WORLDS: "none was counted"}
    return {thing: f"{_met[thing]} of {worlds}" for thing, share in shares.items() if _met[thing] < share * worlds}
