"""Runs companies by seed, and makes a failing one short enough to read."""

from __future__ import annotations

import gc
import itertools
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.simulation.company import Ended, imagine, live
from tests.simulation.coverage import Coverage
from tests.simulation.world import DAY, Happening, Story

#: Lives tried while a failing story is made shorter.
SHRINK_TRIES = 250

#: When garbage is collected (``gc.set_threshold``).
COLLECT = (50_000, 20, 50)

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
    workers: int = 1,
) -> Run:
    """Lets *companies* live one after another (None: until *cycles* have run, or what they met is enough: *until*), and stops
    at the first finding. *workers*: so many live at the same time, in processes of their own; what is counted, and which finding
    is the first, does not depend on it. Somebody who interrupts it gets what has run until then."""
    result = Run()
    began = time.perf_counter()
    stories = (imagine(f"{seed}/{number}", days, switches) for number in itertools.count())
    with _seldom_collected(), _lived(itertools.islice(stories, companies), workers) as lives:
        for ended in lives:
            result.companies, result.cycles = result.companies + 1, result.cycles + ended.cycles
            result.seconds = time.perf_counter() - began
            result.coverage.add(ended.coverage)
            tell(
                f"company {result.companies}: {ended.cycles} cycles, {len(ended.story.happenings)} events; "
                f"{result.cycles} cycles in all, {result.pace:.0f}/s; {'; '.join(map(str, ended.findings)) or 'nothing found'}"
            )
            if ended.findings:
                result.failed = ended
            if ended.findings or until(result.coverage) or (cycles is not None and result.cycles >= cycles):
                break
    if result.failed is not None and shrinks:
        result.failed = shortened(result.failed, tell)
    return result


@contextmanager
def _lived(stories: Iterator[Story], workers: int) -> Iterator[Iterator[Ended]]:
    """Their lives in the order of the stories, whoever ends first. An interruption ends them, and is no error."""
    if workers == 1:
        with suppress(KeyboardInterrupt):
            yield map(live, stories)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), gc.set_threshold, COLLECT) as pool:

        def lives() -> Iterator[Ended]:
            ahead = deque(pool.submit(live, story) for story in itertools.islice(stories, 2 * workers))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(live, story) for story in itertools.islice(stories, 1))

        with suppress(KeyboardInterrupt):
            yield lives()
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """A simulation makes little that only the collector can free, and its collections took an eighth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        yield
    finally:
        gc.set_threshold(*before)


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
