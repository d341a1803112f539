"""Mendings taken away again, to see that the simulator finds the accident they mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from syncd.ledger.history import History
from syncd.model import Policy
from syncd.operations import look
from syncd.operations.dependencies import Doubts
from syncd.operations.judging import Judged
from tests.simulation import desk, wiring
from tests.simulation.company import imagine
from tests.simulation.wiring import SimLedger
from tests.simulation.world import HOUR, Happening, Story


def no_doubts(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether the ledger is the one that was published."""

    async def doubts(_self: SimLedger, _history: History) -> Doubts:
        return Doubts()

    patch.setattr(SimLedger, "doubts", doubts)


def no_monthly_sum(patch: pytest.MonkeyPatch) -> None:
    """The guard against the slow drip never trips."""
    honest = wiring.policy_of

    def policy_of(choices: Mapping[str, Any]) -> Policy:
        policy = honest(choices)
        return replace(policy, limits=replace(policy.limits, max_deactivations_per_30_days=100_000))

    patch.setattr(wiring, "policy_of", policy_of)
    patch.setattr(desk, "policy_of", policy_of)


def no_pairs(patch: pytest.MonkeyPatch) -> None:
    """Nobody remembers whose account it was."""
    honest = SimLedger.history

    async def history(self: SimLedger) -> History:
        return replace(await honest(self), pairs={})

    patch.setattr(SimLedger, "history", history)


def no_guards_in_looks(patch: pytest.MonkeyPatch) -> None:
    """What the watch sees is done, whatever a guard says."""
    honest = look.decide_and_judge

    async def nothing_held(*around: Any, **how: Any) -> Judged:
        return replace(await honest(*around, **how), held={})

    patch.setattr(look, "decide_and_judge", nothing_held)


#: Switch -> the companies in which it shows, and what takes the mending away.
REVERTED: dict[str, tuple[Callable[[], Iterator[Story]], Callable[[pytest.MonkeyPatch], None]]] = {
    "ledger_restored": (lambda: _forgetting("ledger_restored"), no_doubts),
    "ledger_lost": (lambda: _forgetting("ledger_lost"), no_doubts),
    "slow_drip": (lambda: _dripping("slow_drip"), no_monthly_sum),
    "watch": (lambda: _leaving_by_the_hour("watch"), no_guards_in_looks),
    "inherited_address": (lambda: _companies("inherited_address"), no_pairs),
}


def _companies(switch: str) -> Iterator[Story]:
    for number in range(8):
        yield imagine(f"{switch}/0/{number}", 40.0, frozenset({switch}))


def _forgetting(switch: str) -> Iterator[Story]:
    """Somebody pauses, people leave, and the ledger is one that knows of no pause."""
    for number in range(12):
        leavers = [Happening((20 + 2 * each) * HOUR, "left", number * 10 + each) for each in range(12)]
        yield Story(
            f"{switch}/{number}",
            3.0,
            frozenset({switch}),
            sorted(
                [*leavers, Happening(33 * HOUR, "paused", number), Happening(35 * HOUR, switch, number)], key=lambda one: one.at
            ),
        )


def _leaving_by_the_hour(switch: str) -> Iterator[Story]:
    """More than a day may have, one at a time, none too many for a look."""
    for number in range(12):
        yield Story(
            f"{switch}/{number}",
            2.0,
            frozenset({switch}),
            [Happening((3 + each) * HOUR, "left", number * 30 + each) for each in range(20)],
        )


def _dripping(switch: str) -> Iterator[Story]:
    """Nothing else goes wrong in these, so that weeks pass before anybody is called."""
    for number in range(8):
        yield Story(f"{switch}/{number}", 20.0, frozenset({switch}), [Happening(HOUR, "drip", number)])
