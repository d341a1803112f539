"""Mendings taken away again, to see that the simulator finds the accident they mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from syncd.ledger.history import DAY, History
from syncd.model import Action, Decision, DirectorySnapshot, Plan, Policy, Verdict
from syncd.operations import look, recovery
from syncd.operations.dependencies import Doubts
from syncd.operations.judging import Judged
from syncd.planning import approved
from syncd.planning.guards import chains, facts, reads
from syncd.planning.guards.facts import Facts
from tests.simulation import desk, wiring
from tests.simulation.company import imagine
from tests.simulation.wiring import SimLedger
from tests.simulation.world import HOUR, Happening, Story, View


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


def no_reviews(patch: pytest.MonkeyPatch) -> None:
    """A wider policy counts as reviewed as soon as nobody is due, whoever is within the grace or unclear."""

    def only_those_due(history: History, plan: Plan, policy: Policy, now: datetime) -> tuple[Decision, ...]:
        return tuple(one for one in approved.unreviewed(history, plan, policy, now) if one.action is Action.DEACTIVATE)

    patch.setattr(facts, "unreviewed", only_those_due)


def no_sizes_reviewed(patch: pytest.MonkeyPatch) -> None:
    """A plan is the same while its changes are, and an approval accepts however small the directory is by now."""
    honest = Plan.accepting

    def accepting(self: Plan, values: Mapping[str, Mapping[str, float | str]]) -> Plan:
        bound = honest(self, values)
        bound.__dict__["digest"] = self.digest
        return bound

    patch.setattr(Plan, "accepting", accepting)
    patch.setattr("syncd.operations.approve._recorded", lambda *_, **__: None)  # so that it is read again


def no_look_at_the_scope(patch: pytest.MonkeyPatch) -> None:
    """Whoever looks after nobody has nothing to do."""

    def quiet(guard: Callable[[Facts], Verdict]) -> Callable[[Facts], Verdict]:
        return lambda known: replace(guard(known), tripped=False)

    patch.setattr(chains, "READ_CHAIN", tuple(quiet(one) if one is reads.nothing_in_scope else one for one in chains.READ_CHAIN))


def no_times_of_files(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks when a file was written."""
    honest = wiring.SimDirectory.shows

    def shows(self: wiring.SimDirectory, view: View) -> DirectorySnapshot:
        return replace(honest(self, view), as_of=None)

    patch.setattr(wiring.SimDirectory, "shows", shows)


def no_measured_times(patch: pytest.MonkeyPatch) -> None:
    """Days are counted back from the ledger's last entry, as if that told the time, and nobody looks whether it lies ahead."""
    honest = SimLedger.history

    async def history(self: SimLedger) -> History:
        known = await honest(self)
        tip = known.tip_at or self._process.now()
        return replace(known, tip_at=None, counted=[one for one in known.counted if one.at > tip - DAY])

    patch.setattr(SimLedger, "history", history)


#: Switch -> the companies in which it shows, and what takes the mending away.
def no_promises(patch: pytest.MonkeyPatch) -> None:
    """What a killed process had still to give is owed no more."""
    patch.setattr(recovery, "restores_begun", lambda *_: [])


REVERTED: dict[str, tuple[Callable[[], Iterator[Story]], Callable[[pytest.MonkeyPatch], None]]] = {
    "ledger_restored": (lambda: _forgetting("ledger_restored"), no_doubts),
    "ledger_lost": (lambda: _forgetting("ledger_lost"), no_doubts),
    "slow_drip": (lambda: _dripping("slow_drip"), no_monthly_sum),
    "watch": (lambda: _leaving_by_the_hour("watch"), no_guards_in_looks),
    "inherited_address": (lambda: _companies("inherited_address"), no_pairs),
    "policy_widened": (lambda: _apart("policy_widened", "policy_widened"), no_reviews),
    "smaller_than_reviewed": (lambda: _apart("smaller_than_reviewed", "shrinks_while_reviewed"), no_sizes_reviewed),
    "scope_misspelt": (lambda: _apart("scope_misspelt", "scope_misspelt"), no_look_at_the_scope),
    "licence_owed": (lambda: _apart("licence_owed", "killed_before_the_licence"), no_promises),
    "stale_directory": (lambda: _old_files("stale_directory"), no_times_of_files),
    "future_entry": (lambda: _replaced_by_the_hour("future_entry"), no_measured_times),
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


def _apart(switch: str, event: str) -> Iterator[Story]:
    """Nothing else goes wrong, twice."""
    for number in range(12):
        yield Story(
            f"{switch}/{number}",
            4.0,
            frozenset({switch}),
            [Happening(20 * HOUR, event, number), Happening(60 * HOUR, event, number + 100)],
        )


def _replaced_by_the_hour(switch: str) -> Iterator[Story]:
    """Behind an entry from the future as many leave as are hired, so that the directory never shrinks."""
    for number in range(12):
        turns = [Happening((23 + each / 2) * HOUR, ("hired", "left")[each % 2], number * 50 + each) for each in range(30)]
        yield Story(
            f"{switch}/{number}", 2.0, frozenset({switch}), [Happening(20 * HOUR, "entry_from_the_future", number), *turns]
        )


def _old_files(switch: str) -> Iterator[Story]:
    """Some leave, and are off; then the file of the day before comes back."""
    for number in range(12):
        leavers = [Happening((26 + each) * HOUR, "left", number * 10 + each) for each in range(4)]
        yield Story(f"{switch}/{number}", 4.0, frozenset({switch}), [*leavers, Happening(50 * HOUR, "old_export", number)])


def _dripping(switch: str) -> Iterator[Story]:
    """Nothing else goes wrong in these, so that weeks pass before anybody is called."""
    for number in range(8):
        yield Story(f"{switch}/{number}", 20.0, frozenset({switch}), [Happening(HOUR, "drip", number)])
