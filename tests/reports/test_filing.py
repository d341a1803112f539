"""Filing: every cycle that ended has its line and its report, or the ledger says why not; whatever else is found by name."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.cli.verifying import Found, Look, _Pass
from syncd.errors import LedgerError, NotLeader
from syncd.events import Event, Noted
from syncd.evidence.archive import Filing, Sign
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded, ReportsFiled, ReportWritten
from syncd.ledger.entry import decode, read
from syncd.ledger.storage.store import SqlLedger
from syncd.model import ClockStanding, CycleReport, Head, Result
from syncd.reports.cycle import Circumstances
from syncd.reports.folder import LISTING, digest_of
from syncd.reports.manifest import NAME
from tests.heads import ODD_HEADS
from tests.ledgers import HandClock, untold, url_of
from tests.reports.a_cycle import a_cycle
from tests.tampering import tamper

IN_FORCE = {"reports.promise": 86400.0, "reports.directory": True, "reports.keep": 400 * 86400.0}


async def beside(_: CycleReport) -> Circumstances:
    return Circumstances(timedelta(hours=24))


@dataclass
class Office:
    """A ledger, a folder, and whoever files; each cycle has its own result or plan, so each has its own files."""

    ledger: SqlLedger
    folder: Path
    clock: HandClock
    in_force: dict[str, object] = field(default_factory=lambda: dict(IN_FORCE))
    number: int = 0
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.filing = self.another()

    def another(self, *, once: bool = False, sign: Sign | None = None) -> Filing:
        """A new process."""
        return Filing(
            self.ledger,
            self.clock,
            self.told.append,
            self.folder,
            ("json", "csv"),
            (),
            timedelta(days=400),
            beside,
            sign,
            in_force=self.in_force,
            once=once,
        )

    def warned_of(self, event: str) -> list[str]:
        """Why, for each time that was told as a warning."""
        return [
            str(one.facts["why"]) for one in self.told if isinstance(one, Noted) and (one.event, one.level) == (event, "warning")
        ]

    async def ends(self, result: Result = Result.IN_STEP, term: int = 1) -> CycleReport:
        """A cycle that ended."""
        self.number += 1
        self.clock.pass_time(60)
        at = self.clock.now()
        report = replace(a_cycle(3), cycle_id=f"cycle-{self.number}", started_at=at, ended_at=at, result=result)
        if report.plan is not None:
            report = replace(report, plan=replace(report.plan, policy_digest=f"{self.number:064x}"))
        await self.ledger.append(
            [
                record.cycle_ended(
                    report.cycle_id, CycleEnded("enforce", "schedule", result.value, True, at, at, "0.2.0", "policy")
                )
            ],
            term=term,
        )
        return replace(report, head=await self.ledger.head())

    async def files(self, filing: Filing | None = None) -> CycleReport:
        """A cycle that ended, and is filed."""
        report = await self.ends()
        await (filing or self.filing)(report, 1)
        return report

    async def verify(self) -> Found:
        each = _Pass(Look(folder=self.folder))
        return each.told(await self.ledger.verify(None, each.checks))

    async def kinds(self) -> list[str]:
        return [entry.kind async for entry in self.ledger.entries()]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    clock = HandClock()
    ledger = SqlLedger.open(url_of(tmp_path / "ledger.db"), clock, untold, create=True)
    await ledger.begin(record.opened("ledger", "account", "directory"))
    yield Office(ledger, tmp_path / "reports", clock)
    await ledger.close()


def faults(found: Found) -> list[str]:
    return [line for line in found.lines if line.startswith("NOT INTACT")]


def blocked(office: Office) -> Path:
    """The folder cannot be written: something else stands in its place."""
    kept = office.folder.with_name("kept")
    office.folder.rename(kept)
    office.folder.write_text("in the way")
    return kept


def freed(office: Office, kept: Path) -> None:
    office.folder.unlink()
    kept.rename(office.folder)


async def test_what_is_in_force_is_recorded_when_it_changes(office: Office):
    """With the beginning of the first cycle under it; not again by the next, nor by another process."""
    first = await office.files()
    await office.files()
    await office.files(office.another())
    office.in_force = {**IN_FORCE, "reports.promise": 3600.0}
    last = await office.files(office.another())

    said = [read(entry) async for entry in office.ledger.entries(kinds=["policy.in_force"])]
    assert [(first.started_at, 86400.0), (last.started_at, 3600.0)] == [
        (one.since, one.values["reports.promise"]) for one in said
    ]
    assert [] == faults(await office.verify())


async def test_reports_are_not_removed_by_a_clock_that_nobody_vouches_for(office: Office):
    """A cycle that reads nothing, on a machine whose clock is years ahead: every report looks old to it."""
    await office.files()
    office.clock.pass_time(401 * 86400)
    office.ledger.clock_is(ClockStanding.UNKNOWN)
    await office.files()
    assert "report.removed" not in await office.kinds()
    assert [] == faults(await office.verify())

    office.ledger.clock_is(ClockStanding.VERIFIED)
    await office.files()
    assert "report.removed" in await office.kinds()
    assert [] == faults(await office.verify())


async def test_a_full_folder_is_said_and_filed_later(office: Office):
    """The cycle stands; the ledger says why it has no line; once there is room both get theirs."""
    await office.files()
    kept = blocked(office)
    with pytest.raises(LedgerError):
        await office.files()
    freed(office, kept)
    assert "report.unfiled" in await office.kinds()
    assert [] == faults(await office.verify())

    await office.files()

    listed = [json.loads(line)["cycle_id"] for line in (office.folder / LISTING).read_text().splitlines()]
    assert ["cycle-1", "cycle-2", "cycle-3"] == listed
    assert 6 == len(list(office.folder.glob("2*")))
    assert [] == faults(await office.verify())


async def test_a_process_that_ended_before_it_filed_is_said(office: Office):
    """By the next one, once; the cycle has no line, and that is no fault."""
    await office.files()
    await office.ends()
    for _ in range(2):
        await office.files(office.another())

    said = [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert ["cycle-2"] == said
    assert [] == faults(await office.verify())


async def test_processes_that_ended_one_after_the_other_before_they_filed_are_said(office: Office):
    """Each came to one cycle, so none could say it of the one before. A line that somebody took out before that is missing."""
    await office.files()
    for number in (1, 2, 3):
        async with office.ledger.writer(0.0) as term:
            await office.ends(term=term)
            assert 1 + number == term
    async with office.ledger.writer(0.0) as term:
        report = await office.ends(term=term)
        await office.another()(report, term)

    said = [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert {"cycle-2", "cycle-3", "cycle-4"} == set(said)
    assert [] == faults(await office.verify())


@pytest.mark.parametrize("same_process", [True, False])
async def test_a_process_that_filed_excuses_nobody_before_it(office: Office, same_process: bool):
    """Lines that somebody took out from before the last process's are missing, however many are missing now."""
    for _ in range(3):
        await office.files()
    async with office.ledger.writer(0.0) as term:
        for _ in range(2 if same_process else 1):
            report = await office.ends(term=term)
        if not same_process:
            await office.another()(report, term)
    listing = office.folder / LISTING
    lines = listing.read_text().splitlines(keepends=True)
    listing.write_text("".join([lines[0], *lines[3:]]))  # the two before
    async with office.ledger.writer(0.0) as term:
        report = await office.ends(term=term)
        await office.another()(report, term)

    said = [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert (["cycle-5"] if same_process else []) == said
    assert any("2 cycles" in line or "3 cycles" in line for line in faults(await office.verify()))


async def in_turn(office: Office, filing: Filing, cycles: int = 1, *, killed: bool = False) -> None:
    """Cycles of one process, each under a term of its own. *killed*: before the last one was filed."""
    for number in range(1, cycles + 1):
        async with office.ledger.writer(0.0) as term:
            report = await office.ends(term=term)
            if not killed or number < cycles:
                await filing(report, term)


def cut(office: Office, lines: int) -> None:
    """The last lines of the list are taken out, and the manifest with its hash of the list."""
    listing = office.folder / LISTING
    listing.write_text("".join(listing.read_text().splitlines(keepends=True)[:-lines]))
    (office.folder / NAME).unlink()


@pytest.mark.parametrize("lines", [1, 2, 3, 4])
@pytest.mark.parametrize("once", [True, False])
async def test_what_was_filed_before_an_orderly_end_is_not_excused(office: Office, once: bool, lines: int):
    """Neither at once nor by the next process, whoever took lines out: by one-cycle processes, or by a daemon that stopped."""
    if once:
        for _ in range(4):
            await in_turn(office, office.another(once=True))
    else:
        await in_turn(office, office.filing, 4)
        await office.filing.close()
    assert [] == faults(await office.verify())
    cut(office, lines)

    assert any(f"{lines} cycles that ended are not listed" in line for line in faults(await office.verify()))
    await in_turn(office, office.another(once=once), 2)

    assert "report.unfiled" not in await office.kinds()
    assert any(f"{lines} cycles that ended are not listed" in line for line in faults(await office.verify()))


async def test_only_the_process_that_was_killed_after_an_orderly_end_is_excused(office: Office):
    """Its cycle has no line; the one before, of which a process said that it was filed, had one."""
    for _ in range(2):
        await in_turn(office, office.another(once=True))
    await in_turn(office, office.another(once=True), killed=True)
    cut(office, 1)

    await in_turn(office, office.another(once=True))

    said = [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert ["cycle-3"] == said
    assert any("1 cycles" in line and "cycle-2" in line for line in faults(await office.verify()))


@pytest.mark.parametrize("lines", [1, 2, 3])
async def test_of_a_killed_process_only_the_last_cycle_is_excused_where_heads_are_signed(office: Office, lines: int):
    """Each signature says which cycle was filed last (the second one of a cycle with a new report, that cycle): a line that is
    missing of those was taken out."""
    await in_turn(office, office.another(sign=lambda message: ("key", "signature")), 3)
    cut(office, lines)
    await in_turn(office, office.another(sign=lambda message: ("key", "signature")), 2)

    assert "report.unfiled" not in await office.kinds()
    assert any(f"{lines} cycles" in line for line in faults(await office.verify()))


async def test_a_cycle_that_was_not_filed_when_the_process_was_killed_is_excused_where_heads_are_signed(office: Office):
    """What its signature names is the cycle before."""
    await in_turn(office, office.another(sign=lambda message: ("key", "signature")), 3, killed=True)
    await in_turn(office, office.another(sign=lambda message: ("key", "signature")))

    assert ["cycle-3"] == [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert [] == faults(await office.verify())


async def test_a_reason_that_comes_after_an_orderly_end_is_none(office: Office):
    """syncd gives it before, or not at all: whoever wrote it, and whoever signs it then."""
    await in_turn(office, office.another(once=True))
    await in_turn(office, office.another(once=True))
    cut(office, 1)
    await office.ledger.append([record.report_unfiled("cycle-2", "No space left on device")])

    assert any("cycle-2" in line for line in faults(await office.verify()))


async def test_the_orderly_end_of_a_process_is_one_entry(office: Office):
    """None of one that filed nothing; of a daemon one, with the number of cycles; and a list that is whole stays so."""
    await office.filing.close()
    await in_turn(office, office.filing, 3)
    await office.filing.close()
    await in_turn(office, office.another(once=True))

    said = [read(entry) async for entry in office.ledger.entries(kinds=["report.filed"])]
    assert [ReportsFiled(3), ReportsFiled(1)] == said
    assert [] == faults(await office.verify())


@pytest.mark.parametrize("begun", [True, False])
async def test_a_process_that_leaves_a_cycle_unfiled_does_not_say_that_none_is_left(
    office: Office, monkeypatch: pytest.MonkeyPatch, begun: bool
):
    """Stopped while it files, or between the cycle's end and that: the next one says so, and it is no fault."""
    await in_turn(office, office.filing, 2)
    if begun:
        with monkeypatch.context() as trouble:
            trouble.setattr("syncd.evidence.archive.prepare_cycle", stopped)
            with pytest.raises(LedgerError):
                await in_turn(office, office.filing)
    else:
        await in_turn(office, office.filing, killed=True)

    await office.filing.close()
    await in_turn(office, office.another())

    assert "report.filed" not in await office.kinds()
    assert ["cycle-3"] == [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert [] == faults(await office.verify())


def stopped(*_: object, **__: object) -> None:
    raise LedgerError("stopped in the middle")


async def test_an_orderly_end_that_cannot_be_written_down_is_told(office: Office, monkeypatch: pytest.MonkeyPatch):
    """And keeps nobody from ending: a ledger that is away, and one that does not answer."""
    await in_turn(office, office.filing)

    async def away(*_: object, **__: object) -> None:
        raise LedgerError("the ledger is away")

    async def silent(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("syncd.evidence.archive.CLOSE_SECONDS", 0.1)
    for instead in (away, silent):
        monkeypatch.setattr(office.ledger, "append", instead)
        await office.filing.close()

    assert ["the ledger is away", "the ledger did not answer within 0.1 s"] == office.warned_of("report.end_unsaid")


async def test_a_ledger_that_was_put_back_is_read_anew(office: Office, tmp_path: Path):
    """Under a running process, and accepted: what the lost entries said of files, cycles and terms no longer counts."""
    await office.files()
    older = await office.ledger.head()
    for _ in range(2):
        await office.files()
    lost = [Head(entry.seq, entry.hash) async for entry in office.ledger.entries(older.seq + 1)]
    for path in office.folder.glob("2*"):
        path.unlink()
    (office.folder / LISTING).unlink()
    (office.folder / NAME).unlink()
    await office.ledger.close()
    tamper(url_of(tmp_path / "ledger.db"), f"DELETE FROM chain WHERE seq > {older.seq}")
    (tmp_path / "ledger.db.head").unlink()

    office.ledger = office.filing.ledger = SqlLedger.open(url_of(tmp_path / "ledger.db"), office.clock, untold, create=True)
    await office.ledger.append([record.accepted(by="Ann", because="restored", missing=lost)])
    for _ in range(len(lost)):  # as long as the lost one, and longer
        await office.files()

    recorded = {entry.seq: decode(ReportWritten, entry).file async for entry in office.ledger.entries(kinds=["report"])}
    manifest = json.loads((office.folder / NAME).read_text())
    assert {one["file"] for one in manifest["files"]} <= set(recorded.values())
    assert {file for seq, file in recorded.items() if seq > older.seq} <= {one["file"] for one in manifest["files"]}
    assert [one["file"] for one in manifest["files"]] == [recorded[one["sequence"]] for one in manifest["files"]]


async def test_a_former_leader_says_nothing_as_it_ends(office: Office):
    """Somebody else leads, and has filed since or will."""
    await in_turn(office, office.filing)
    async with office.ledger.writer(0.0):
        pass
    await office.filing.close()

    assert "report.filed" not in await office.kinds()
    assert [] == office.warned_of("report.end_unsaid")


@pytest.mark.parametrize("same_process", [True, False])
async def test_a_manifest_that_is_not_the_last_one_is_told_before_it_is_overwritten(office: Office, same_process: bool):
    """Older, missing, or changed: once each, for afterwards nothing shows it."""
    path, filing = office.folder / NAME, office.filing

    async def next_cycle() -> None:
        await in_turn(office, filing if same_process else office.another(once=True))

    for _ in range(2):
        await next_cycle()
    older = path.read_text()
    for _ in range(2):
        await next_cycle()
    assert [] == office.warned_of("manifest.overwritten")

    path.write_text(older)
    for _ in range(2):
        await next_cycle()
    path.unlink()
    for _ in range(2):
        await next_cycle()
    path.write_text(path.read_text().replace("{", "{ ", 1))
    for _ in range(2):
        await next_cycle()

    an_older, missing, changed = office.warned_of("manifest.overwritten")
    assert "MANIFEST: is an older one" in an_older
    assert "MANIFEST: is not there any more" == missing
    assert "MANIFEST: is none that syncd wrote" in changed


async def test_a_crash_between_the_record_and_the_name_is_finished(office: Office):
    """What the ledger vouches for gets its name; what nobody vouches for is no report."""
    await office.files()
    path = next(office.folder.glob("2*.json"))
    path.rename(path.with_name(path.name + ".new"))
    orphan = office.folder / "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html.new"
    orphan.write_text("made up")
    hour_ago = office.clock.now().timestamp() - 3601.0
    os.utime(orphan, (hour_ago, hour_ago))
    assert [] == faults(await office.verify())

    await office.files(office.another())

    assert path.is_file()
    assert not orphan.exists()
    assert [] == faults(await office.verify())


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("once", [True, False])
async def test_a_report_under_the_name_of_an_unfinished_one_is_missing_unless_it_is_fresh(office: Office, last: bool, once: bool):
    """Only what was recorded since the last cycle ended may be about to get its name, or wait for the next cycle to give it; and
    not where its process said that all is filed."""
    for _ in range(2):
        await in_turn(office, office.another(once=once))
    path = sorted(office.folder.glob("2*.json"))[-1 if last else 0]
    path.rename(path.with_name(f"{path.name}.new"))

    found = faults(await office.verify())

    assert (last and not once) == (found == [])
    assert [] == found or any("recorded reports are not in" in line and path.name in line for line in found)


async def test_a_former_leader_leaves_the_folder_of_the_newer_one_alone(office: Office):
    """Frozen in a cycle for longer than its lease, it wakes up while the newer one files."""
    await office.files()
    report = await office.ends()
    async with office.ledger.writer(0.0) as term:
        at_work = office.folder / "20200101T000000Z_aaaaaaaaaaaaaaaa_applied.html.new"
        at_work.write_text("half a report")
        with pytest.raises(NotLeader):
            await office.another()(report, term - 1)
        assert at_work.is_file()
        await office.filing(report, term)

    assert at_work.is_file()  # it may be of a replica that thinks the same
    assert [] == faults(await office.verify())


async def test_filing_that_was_interrupted_is_said_by_the_same_process(office: Office, monkeypatch: pytest.MonkeyPatch):
    """The ledger was away for a moment after the cycle: once it is back, its next cycle says that this one has no report."""
    await office.files()
    report = await office.ends()

    async def away(*_: object, **__: object) -> None:
        raise LedgerError("the ledger is away")

    with monkeypatch.context() as trouble:
        trouble.setattr(office.ledger, "append", away)
        with pytest.raises(LedgerError):
            await office.filing(report, 1)
    for _ in range(3):
        await office.files()

    said = [entry.cycle async for entry in office.ledger.entries(kinds=["report.unfiled"])]
    assert ["cycle-2"] == said
    assert [] == faults(await office.verify())


async def test_what_is_unfinished_gets_no_name_unless_it_is_what_was_recorded(office: Office):
    """Put there by somebody under a recorded name, it is removed, and the report stays missing."""
    await office.files()
    path = next(office.folder.glob("2*.json"))
    path.unlink()
    path.with_name(path.name + ".new").write_text("made up")

    await office.files(office.another())

    assert not path.exists()
    assert not path.with_name(path.name + ".new").exists()
    assert any(path.name in line for line in faults(await office.verify()))


async def test_lines_that_were_taken_out_are_found(office: Office):
    """With the manifest of that time, or without one: thinned evidence is no evidence."""
    for _ in range(2):
        await office.files()
    older, lines = (office.folder / NAME).read_text(), (office.folder / LISTING).read_text().splitlines(keepends=True)
    for _ in range(2):
        await office.files()
    (office.folder / NAME).unlink()
    (office.folder / LISTING).write_text("".join(lines))

    assert any("1 cycles that ended are not listed" in line and "cycle-3" in line for line in faults(await office.verify()))
    (office.folder / NAME).write_text(older)
    assert any("MANIFEST: is an older one" in line for line in faults(await office.verify()))


@pytest.mark.parametrize("with_manifest", [True, False])
async def test_the_line_of_the_last_cycle_is_missed_too(office: Office, with_manifest: bool):
    """Its report is there, and its line came before it: also with the manifest of the cycle before."""
    for _ in range(2):
        await office.files()
    older, lines = (office.folder / NAME).read_text(), (office.folder / LISTING).read_text()
    await office.files()
    (office.folder / LISTING).write_text(lines)
    if with_manifest:
        (office.folder / NAME).write_text(older)
    else:
        (office.folder / NAME).unlink()

    said = "\n".join(faults(await office.verify()))

    assert "cycles.jsonl: the last cycle, cycle-3, is not listed" in said
    assert with_manifest != ("MANIFEST: is not in" in said)


@pytest.mark.parametrize("listed", [True, False])
async def test_a_crash_while_the_last_cycle_is_filed_is_no_fault(office: Office, listed: bool):
    """Killed after its report was recorded: before its line, or between the line and the names of the files."""
    for _ in range(2):
        await office.files()
    older, lines = (office.folder / NAME).read_text(), (office.folder / LISTING).read_text()
    before = set(office.folder.iterdir())
    await office.files()
    for path in set(office.folder.iterdir()) - before:
        path.rename(path.with_name(f"{path.name}.new"))
    (office.folder / NAME).write_text(older)
    if not listed:
        (office.folder / LISTING).write_text(lines)

    assert [] == faults(await office.verify())
    await office.files(office.another())
    assert [] == faults(await office.verify())


async def test_missing_and_unknown_files_are_faults_by_name(office: Office):
    """Whoever takes a report away, or puts one beside them."""
    await office.files()
    path = next(office.folder.glob("2*.csv"))
    path.rename(path.with_name("20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html"))

    said = "\n".join(faults(await office.verify()))

    assert path.name in said
    assert "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html" in said


@pytest.mark.parametrize("name", ["{}.htm", "{}.html ", "{}.html.", "{}.CSV\u00a0", "old/{}.html", "old/older/{}.pdf"])
async def test_a_copy_under_a_name_of_its_own_is_noted(office: Office, name: str):
    """Nobody may take it for evidence because ``verify`` says nothing of it."""
    await office.files()
    copy = office.folder / name.format(next(office.folder.glob("2*.csv")).stem)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text("something else")

    found = await office.verify()

    assert [] == faults(found)
    (note,) = [line for line in found.lines if "nothing vouches" in line]
    assert copy.relative_to(office.folder).as_posix() in note


async def test_a_periods_report_in_a_folder_of_its_own_is_known(office: Office):
    """As it was recorded; another one of that name is not."""
    await office.files()
    report = office.folder / "2026" / "october.html"
    report.parent.mkdir()
    report.write_text("as it was made")
    await office.ledger.append([record.reported("", "october.html", digest_of(report), {})])
    assert not any("nothing vouches" in line for line in (await office.verify()).lines)

    report.write_text("as it was changed")
    assert any("nothing vouches" in line and "2026/october.html" in line for line in (await office.verify()).lines)


@pytest.mark.parametrize(("seq", "hash_"), ODD_HEADS)
@pytest.mark.parametrize("more", [{}, {"recorded": False}, {"result": "failed", "problem": "the disk is full"}])
async def test_a_line_with_an_odd_head_is_a_fault(office: Office, seq: object, hash_: object, more: dict[str, object]):
    """Whatever else it says of itself: syncd never wrote it."""
    await office.files()
    listing = office.folder / LISTING
    line = {**json.loads(listing.read_text()), "head_sequence": seq, "head_hash": hash_, **more}
    listing.write_text(listing.read_text() + json.dumps(line) + "\n")

    assert any("cycle-1" in line for line in faults(await office.verify()))


async def test_a_line_with_a_time_beyond_all_years_is_a_fault(office: Office):
    """It is a time that no clock of ours shows."""
    await office.files()
    listing = office.folder / LISTING
    listing.write_text(json.dumps({**json.loads(listing.read_text()), "ended_at": "0001-01-01T00:00:00+14:00"}) + "\n")

    assert any("of its ended_at" in line for line in faults(await office.verify()))


async def test_a_cycle_without_a_folder_needs_no_line(office: Office):
    """From the cycle on with which the folder was left out of the configuration."""
    await office.files()
    office.in_force = {**IN_FORCE, "reports.directory": False}
    without = office.another()
    without.folder = None
    for _ in range(2):
        await office.files(without)

    assert [] == faults(await office.verify())


async def test_what_was_accepted_as_lost_is_a_note(office: Office):
    """Reports of entries that a restored ledger does not hold: somebody said so, and every look tells it."""
    await office.files()
    listing = office.folder / LISTING
    line = {
        **json.loads(listing.read_text()),
        "head_sequence": 99,
        "head_hash": "f" * 64,
        "cycle_id": "lost",
        "files": ["20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html"],
    }
    (office.folder / "20200101T000000Z_aaaaaaaaaaaaaaaa_in_step.html").write_text("of the lost ledger")
    listing.write_text(listing.read_text() + json.dumps(line) + "\n")
    assert 2 == len(faults(await office.verify()))

    await office.ledger.append([record.accepted(by="Ann", because="restored", missing=[Head(99, "f" * 64)])])

    found = await office.verify()
    assert [] == faults(found)
    assert any("accepted as lost" in line for line in found.lines)
