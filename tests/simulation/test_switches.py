"""Each fault that other work mends: while it is off, switching it on breaks an invariant; once it is on, nothing breaks, and with
the mending taken away again it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.company import imagine, live
from tests.simulation.reverted import REVERTED
from tests.simulation.runner import explained
from tests.simulation.switches import BY_NAME, SWITCHES, Switch
from tests.simulation.world import HOUR, Happening

#: Weeks are lived; on a busy machine that takes a while.
pytestmark = pytest.mark.timeout(1200)

ON = [switch for switch in SWITCHES if switch.on]


def test_what_is_off_breaks_an_invariant_today():
    """If this fails the fault may be mended: take its ``off_until`` away."""
    for switch in SWITCHES:
        if not switch.on:
            ended = live(imagine(switch.seed, 20.0, frozenset({switch.name})))

            assert ended.findings, f"{switch.name} breaks nothing any more: is it mended ({switch.off_until})?"
            assert ended.findings[0].invariant in switch.breaks


@pytest.mark.parametrize("switch", ON, ids=lambda switch: switch.name)
def test_what_is_on_breaks_nothing(switch: Switch):
    """A company in which it happens, among all else that happens."""
    story = imagine(switch.seed, 3.0, frozenset({switch.name}))
    added = [Happening((26 + 6 * number) * HOUR, name, number) for number, name in enumerate(switch.events * 2)]
    ended = live(replace(story, happenings=sorted([*story.happenings, *added], key=lambda one: one.at)))

    assert [] == ended.findings, explained(ended)
    assert any(ended.coverage.counts["event", name] for name in switch.events)


@pytest.mark.parametrize("name", REVERTED)
def test_with_the_mending_taken_away_it_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    """The simulator would find this accident again: within a few companies."""
    companies, revert = REVERTED[name]
    revert(monkeypatch)
    found = next((ended for story in companies() if (ended := live(story)).findings), None)

    assert found is not None, f"{name} was not found"
    assert found.findings[0].invariant in BY_NAME[name].breaks
