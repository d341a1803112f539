"""Each fault that other work mends: while it is off, switching it on breaks an invariant; once it is on, nothing breaks."""

from __future__ import annotations

import pytest

from tests.simulation.company import imagine, live
from tests.simulation.runner import explained
from tests.simulation.switches import SWITCHES, Switch

OFF = [switch for switch in SWITCHES if not switch.on]
ON = [switch for switch in SWITCHES if switch.on]


@pytest.mark.parametrize("switch", OFF, ids=lambda switch: switch.name)
def test_what_is_off_breaks_an_invariant_today(switch: Switch):
    """If this fails the fault may be mended: take its ``off_until`` away."""
    ended = live(imagine(switch.seed, 20.0, frozenset({switch.name})))

    assert ended.findings, f"{switch.name} breaks nothing any more: is it mended ({switch.off_until})?"
    assert ended.findings[0].invariant in switch.breaks


@pytest.mark.parametrize("switch", ON, ids=lambda switch: switch.name)
def test_what_is_on_breaks_nothing(switch: Switch):
    """The company in which it once broke an invariant."""
    ended = live(imagine(switch.seed, 20.0, frozenset({switch.name})))

    assert [] == ended.findings, explained(ended)
    assert ended.coverage.counts["event", switch.events[0]]
