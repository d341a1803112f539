"""Companies in which leavers' content is handed over by the hour: whatever happens, nobody entitled, held or not ours is deleted,
nothing twice, nothing that nobody named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from syncd.operations.handover import preflight as handover_preflight
from syncd.planning import handover as planning
from tests.simulation import handing_over
from tests.simulation.company import imagine, live
from tests.simulation.coverage import Coverage
from tests.simulation.runner import explained
from tests.simulation.world import DAY, HOUR, Happening, Story

#: Companies of the usual run: some hundred handovers.
COMPANIES = 6

#: Weeks are lived; on a busy machine that takes a while.
pytestmark = pytest.mark.timeout(1200)


def companies(seed: str, number: int, days: float = 5.0) -> Iterator[Story]:
    """Companies in which people leave for good and content is handed over by the hour, among all else that happens."""
    for each in range(number):
        luck = Random(f"{seed}/{each}/more")
        story = imagine(f"{seed}/{each}", days, frozenset({"handover"}))
        # What everybody needs first: managers, and leavers who are known as such.
        added = [Happening(HOUR * (1 + place / 10), "manager_named", luck.randrange(2**30)) for place in range(6)]
        at = 3 * HOUR
        while at < days * DAY:
            name = luck.choices(
                ("left", "content_handed_over", "killed_in_a_cycle", "legal_hold", "came_back", "hired"), (3, 6, 1, 1, 1, 3)
            )[0]
            added.append(Happening(at, name, luck.randrange(2**30), luck.randint(1, 40) if luck.random() < 0.4 else None))
            at += luck.expovariate(1 / (2.5 * HOUR))
        yield replace(story, calm=0.5, happenings=sorted([*story.happenings, *added], key=lambda one: one.at))


def test_no_invariant_breaks_and_everything_is_met() -> None:
    """Handed over, refused, unconfirmed, killed, interrupted, run twice, without an approval: each is met."""
    coverage = Coverage()
    for story in companies("handing over", COMPANIES):
        ended = live(story)
        assert [] == ended.findings, explained(ended)
        coverage.add(ended.coverage)

    assert [] == coverage.never(handing_over.WANTED)


def test_without_looking_at_what_speaks_against_it_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when it is planned nor right before the request."""
    monkeypatch.setattr(planning, "_against", lambda *_: None)
    monkeypatch.setattr(handover_preflight, "_against_now", lambda *_, **__: "")
    found = next((ended for story in companies("careless", 6) if (ended := live(story)).findings), None)

    assert found is not None
    assert found.findings[0].invariant in {"handover_held", "handover_entitled", "handover_not_ours"}
