"""Whatever a cycle's report says of somebody who is leaving, the report of a period says too: since when time counts, how long
they kept access, whether the promise was kept. Every story of this folder, after every cycle of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from syncd.events import EffectSettled
from syncd.evidence.periods import Asked, Period
from syncd.ledger.entry import rfc3339
from syncd.model import Action, CycleReport, Decision, Status
from syncd.operations.cycle import Run
from syncd.operations.schedule import Schedule
from syncd.planning.guards import good_read
from syncd.reports.cycle import LEAVING, Circumstances, cycle_view
from tests.scenarios.story import Story, steps_of

STORIES = sorted(Path(__file__).parent.glob("*.txt"))

PROMISE = timedelta(hours=5)


class Told(Story):
    """A story whose cycles are told twice. *compared*: by which beginning, how often."""

    def __init__(self) -> None:
        super().__init__()
        began = self.company.clock.now().date()
        self.period = Period(
            Asked(began, datetime.max.replace(year=began.year + 9, tzinfo=UTC).date(), PROMISE, Schedule(PROMISE))
        )
        self.taken = 0
        self.compared: list[str] = []
        self.measured = 0

    async def _person(self, rest: str) -> None:
        """The directory tells when somebody was disabled."""
        await super()._person(rest)
        people = self.company.directory.people
        for id_, person in people.items():
            if not person.enabled and person.changed_at is None:
                people[id_] = replace(person, changed_at=self.company.clock.now() - timedelta(minutes=7))

    async def _cycle(self, run: Run, *, shown: bool = False) -> list[str]:
        before = self.last
        said = await super()._cycle(run, shown=shown)
        entries = self.company.ledger.entries
        for entry in entries[self.taken :]:
            self.period.take(entry)
        self.taken = len(entries)
        report = self.last
        # What the ledger could not take is told by the cycle alone.
        if run.term is not None and report is not None and report is not before and report.exit_code != 6:
            self._compare(report)
        return said

    def _compare(self, report: CycleReport) -> None:
        told: Any = self.period.document({})
        by_id = {row["zoom_id"]: row for row in told["leavers"]}  # the latest leaving of each
        view = cycle_view(report, circumstances=Circumstances(PROMISE))
        keys = [column.key for column in view.main.columns]
        rows = {one["zoom_id"]: one for one in (dict(zip(keys, row, strict=True)) for row in view.main.rows())}
        for decision in report.plan.decisions if report.plan is not None else ():
            zoom_id = decision.account.zoom_id
            if decision.reason not in LEAVING or decision.account.status is not Status.ACTIVE:
                continue
            if report.left(decision) == (None, None):  # a read that is not good shows nobody gone
                assert not good_read(report.verdicts)
                assert zoom_id not in by_id or by_id[zoom_id]["ended_at"] is not None
                assert rows[zoom_id]["measured_from"] is rows[zoom_id]["promise_met"] is None
                self.compared.append("")
            else:
                self._same(report, decision, rows[zoom_id], by_id[zoom_id])

    def _same(self, report: CycleReport, decision: Decision, mine: dict[str, Any], its: dict[str, Any]) -> None:
        left_at, word = report.left(decision)
        moments = {"last_seen_entitled": "last_entitled_at", "directory_change": "changed_at", "first_seen": "first_seen_at"}
        assert word is not None
        assert left_at is not None
        assert (decision.account.zoom_id, word, rfc3339(left_at)) == (its["zoom_id"], its["measured_from"], its[moments[word]])
        assert (mine["measured_from"], mine["promise_met"]) == (its["measured_from"], its["promise_met"])
        hours = its["delay_seconds"] / 3600 if its["delay_seconds"] is not None else None
        assert mine["delay_hours"] == pytest.approx(hours, abs=0.0001)
        measured = self._measured(report, decision)
        assert measured in (None, its["delay_seconds"])  # what a crash left open is settled by what Zoom shows later
        self.measured += measured is not None
        self.compared.append(word)

    def _measured(self, report: CycleReport, decision: Decision) -> float | None:
        """What syncd_offboarding_delay_seconds takes."""
        told = [one for one in self.company.events if isinstance(one, EffectSettled)]
        key = (report.cycle_id, decision.account.zoom_id, Action.DEACTIVATE)
        return next((one.delay_seconds for one in told if (one.cycle_id, one.zoom_id, one.action) == key), None)


async def told(path: Path) -> Told:
    story = Told()
    for step in steps_of(path)[1]:
        await story.live(step.line)
    return story


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
async def test_a_cycle_and_a_period_say_the_same(path: Path):
    """Of everybody who is leaving, in every cycle that was a good read."""
    await told(path)


async def lived(*lines: str) -> Told:
    story = Told()
    for line in ("policy: max_flapping=9", "crowd: 80", "both: ann bob", "enforce", "after 1h", *lines):
        await story.live(line)
    return story


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("person: ann", "enforce"), ["last_seen_entitled"]),
        (("person: ann disabled", "enforce"), ["directory_change"]),
        (("policy: grace_for_known_leavers=1h", "person: ann disabled", "enforce"), ["last_seen_entitled"]),
        (("by hand deactivate ann", "account: ann active", "person: ann disabled", "after 1h", "enforce"), ["first_seen"]),
        (
            (
                "by hand deactivate ann",
                "account: ann active",
                "enforce",
                "after 1h",
                "enforce",
                "person: ann disabled",
                "enforce",
            ),
            ["last_seen_entitled"],
        ),
        (
            ("by hand deactivate ann", "enforce", "account: ann active", "person: ann disabled", "after 1h", "enforce"),
            ["first_seen"],
        ),
        (
            ("person: ann disabled", "enforce", "account: ann active", "after 30h", "enforce"),
            ["directory_change", "first_seen"],
        ),
        (
            ("person: ann disabled", "enforce", "enforce", "account: ann active", "after 30h", "enforce"),
            ["directory_change", "first_seen"],
        ),
        (("hold ann", "enforce", "person: ann disabled", "release ann", "after 1h", "enforce"), ["first_seen"]),
        (("person: ann entitled unclear", "enforce", "after 1h", "person: ann disabled", "enforce"), ["directory_change"]),
        (("person: ann entitled unclear", "enforce", "after 1h", "person: ann gone", "enforce"), ["last_seen_entitled"]),
        (("both: cid", "person: cid disabled", "enforce"), ["directory_change"]),
        (("account: cid active", "enforce"), ["first_seen"]),
        (("policy: sentinels=bob@corp.example", "person: bob gone", "person: ann gone", "after 9h", "enforce"), ["", ""]),
        (
            (
                "person: ann gone",
                "policy: grace=9h",
                "enforce",
                "after 1h",
                "person: bob gone",
                "policy: sentinels=bob@corp.example",
                "enforce",
            ),
            ["last_seen_entitled", "last_seen_entitled", ""],
        ),
    ],
)
async def test_from_when_on_time_counts(lines: tuple[str, ...], words: list[str]):
    """From the last read that showed them entitled; where none did since the account is theirs (again), from the first that
    showed them gone. An account that was off, held or exempt in between begins anew; a person who could not be read does not."""
    assert words == (await lived(*lines)).compared


async def test_the_stories_have_leavers_of_each_kind():
    """So that the comparison above is one: people whom a read had shown entitled, and people whom none had."""
    stories = [await told(path) for path in STORIES[:12]]
    words = [word for story in stories for word in story.compared]

    assert {"directory_change", "last_seen_entitled", "first_seen"} == set(words) - {""}
    assert 30 < len(words)
    assert 10 < sum(story.measured for story in stories)
