"""Mendings taken away again, to see that the simulator finds the accident they mend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from syncd.ledger.history import History
from syncd.model import Policy
from syncd.operations.dependencies import Doubts
from tests.simulation import desk, wiring
from tests.simulation.wiring import SimLedger


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


#: Switch -> a seed in whose companies it shows, and what takes the mending away.
REVERTED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "ledger_restored": ("ledger_restored/1", no_doubts),
    "ledger_lost": ("ledger_lost/0", no_doubts),
    "slow_drip": ("slow_drip/0", no_monthly_sum),
    "inherited_address": ("inherited_address/0", no_pairs),
}
