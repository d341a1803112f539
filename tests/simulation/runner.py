"""Runs companies by seed, and makes a failing one short enough to read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.simulation.company import Ended, imagine, live
from tests.simulation.coverage import Coverage
from tests.simulation.world import DAY, Happening, Story

#: Lives tried while a failing story is made shorter.
SHRINK_TRIES = 250

Told = Callable[[str], None]


@dataclass
class Run:
    """What a number of companies met. *failed*: the first whose invariants did not hold, as short as it became."""

    coverage: Coverage = field(default_factory=Coverage)
    companies: int = 0
    cycles: int = 0
    seconds: float = 0.0
    failed: Ended | None = None

    @property
    def pace(self) -> float:
        """Cycles per second of real time."""
        return self.cycles / self.seconds if self.seconds else 0.0


def run(
    seed: str,
    *,
    companies: int | None,
    days: float,
    switches: frozenset[str],
    cycles: int | None = None,
    until: Callable[[Coverage], bool] = lambda _: False,
    tell: Told = lambda _: None,
    shrinks: bool = True,
) -> Run:
    """Lets *companies* live one after another (None: until *cycles* have run, or what they met is enough: *until*), and stops
    at the first finding."""
    result, number = Run(), 0
    began = time.perf_counter()
    while (companies is None or number < companies) and (cycles is None or result.cycles < cycles):
        ended = live(imagine(f"{seed}/{number}", days, switches))
        number += 1
        result.companies, result.cycles = number, result.cycles + ended.cycles
        result.seconds = time.perf_counter() - began
        result.coverage.add(ended.coverage)
        tell(
            f"company {number}: {ended.cycles} cycles, {len(ended.story.happenings)} events; "
            f"{result.cycles} cycles in all, {result.pace:.0f}/s; {'; '.join(map(str, ended.findings)) or 'nothing found'}"
        )
        if ended.findings:
            result.failed = shortened(ended, tell) if shrinks else ended
            break
        if until(result.coverage):
            break
    return result


def shortened(ended: Ended, tell: Told = lambda _: None) -> Ended:
    """The shortest story found that breaks the same invariant: parts are left out as long as it still does."""
    wanted = ended.findings[0].invariant
    best = ended
    tries = 0

    def attempt(story: Story) -> bool:
        nonlocal best, tries
        tries += 1
        again = live(story)
        if again.findings and again.findings[0].invariant == wanted:
            best = again
            return True
        return False

    if ended.stopped_at < ended.story.days:  # what would come after it cannot matter
        before = [one for one in ended.story.happenings if one.at <= ended.stopped_at * DAY]
        attempt(replace(ended.story, days=ended.stopped_at + 0.02, calm=0.0, happenings=before))
    size = max(1, len(best.story.happenings) // 2)
    while size and tries < SHRINK_TRIES:
        at = 0
        while at < len(best.story.happenings) and tries < SHRINK_TRIES:
            rest = best.story.happenings
            if not attempt(replace(best.story, happenings=[*rest[:at], *rest[at + size :]])):
                at += size
        tell(f"shrinking: {len(best.story.happenings)} events left after {tries} tries")
        size //= 2
    return best


def written(story: Story) -> str:
    """A story as one line that can be kept and replayed."""
    return json.dumps(
        {
            "seed": story.seed,
            "days": story.days,
            "calm": story.calm,
            "switches": sorted(story.switches),
            "events": [one.as_json() for one in story.happenings],
        }
    )


def read(text: str) -> Story:
    """The story that ``written`` wrote."""
    found = json.loads(text)
    return Story(
        found["seed"],
        found["days"],
        frozenset(found["switches"]),
        [Happening(at, name, luck, step) for at, name, luck, step in found["events"]],
        found["calm"],
    )


def explained(ended: Ended) -> str:
    """What somebody needs who looks into a failing run."""
    findings = "\n".join(f"  {one}" for one in ended.findings)
    story = "\n".join(f"  {line}" for line in ended.log)
    return (
        f"an invariant did not hold (seed {ended.story.seed}, {len(ended.story.happenings)} events, {ended.cycles} cycles)\n"
        f"{findings}\nwhat happened:\n{story}\nreplay it: save the next line, and make simulate REPLAY=FILE\n"
        f"{written(ended.story)}"
    )


def replay(path: Path) -> Ended:
    """Lives the story of a file once more."""
    return live(read(path.read_text(encoding="utf-8")))
