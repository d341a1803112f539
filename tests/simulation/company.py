"""One company from its first day to the calm after its last event. A pure function of its story."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from syncd.model import CycleReport
from tests.simulation import desk, events_machine, handing_over
from tests.simulation.coverage import Coverage
from tests.simulation.events import KINDS
from tests.simulation.loop import simulate
from tests.simulation.oracle import Finding, Oracle
from tests.simulation.truth import BASIC
from tests.simulation.wiring import Process, open_ledger, seeded_salts, sped_up
from tests.simulation.world import DAY, HOUR, MINUTE, Happening, Story, View, World

#: Where ledgers lie while a company lives: memory, where there is such a place.
FAST = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


@dataclass
class Ended:
    """How a company's life went."""

    story: Story
    findings: list[Finding]
    coverage: Coverage
    cycles: int
    head: str
    stopped_at: float  # days after its first
    log: list[str] = field(default_factory=list)


def imagine(seed: str, days: float, switches: frozenset[str]) -> Story:
    """The events of a company, drawn from its seed; by their names, whatever was imported first."""
    luck = Random(f"{seed}/events")
    kinds = [kind for _, kind in sorted(KINDS.items()) if not kind.switch or kind.switch in switches]
    pace = luck.choice((1.5, 3.0, 8.0)) * HOUR
    happenings, at = [], HOUR
    while (at := at + luck.expovariate(1.0 / pace)) < days * DAY:
        kind = luck.choices(kinds, [kind.weight for kind in kinds])[0]
        step = luck.randint(1, 30) if luck.random() < 0.3 else None
        happenings.append(Happening(at, kind.name, luck.randrange(2**30), step))
    return Story(seed, days, switches, happenings)


def live(story: Story) -> Ended:
    """Runs the company of a story to its end, or to the first finding."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-simulation-", dir=FAST))
    try:
        with seeded_salts(story.seed), sped_up():
            return simulate(_life(story, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _life(story: Story, folder: Path) -> Ended:
    world = World(story.seed, story.switches, folder)
    oracle = world.oracle = Oracle(world)
    _found(world)
    handing_over.of(world)
    process = Process(world, "p1")
    world.processes.append(process)
    last: list[tuple[View | None, CycleReport]] = []
    seen = oracle.cycle_ended

    def cycle_ended(one: Process, report: CycleReport) -> None:
        seen(one, report)
        last[:] = [(one.view, report)]
        desk.review(world, report)

    oracle.cycle_ended = cycle_ended  # type: ignore[method-assign]
    for happening in story.happenings:
        world.later(happening.at, lambda happening=happening: _happens(world, happening))  # type: ignore[misc]
    for night in range(int(story.days) + 1):
        world.later(night * DAY + 20 * HOUR, lambda: events_machine.copy_ledger(world))
    for hour in range(int((story.days + story.calm) * 24)):
        world.later(hour * HOUR, oracle.still_runs)
    process.start()
    world.later(story.days * DAY, lambda: _calm_down(world))
    world.later((story.days + story.calm) * DAY, world.stopped.set)
    await world.stopped.wait()
    stopped_at = world.t / DAY
    if not oracle.findings and last and story.calm:
        view, report = last[0]
        if report.plan is None or view is None:
            oracle.find("readable", f"the last cycle after {story.calm:g} calm days read nothing: {report.why}")
        else:
            oracle.when_calm(report, view)
    for one in world.processes:
        one.terminate()
    await asyncio.gather(*(one.ended() for one in world.processes))
    for task in list(world.tasks):
        task.cancel()
    await asyncio.gather(*world.tasks, return_exceptions=True)
    head = await _audited(world)
    return Ended(story, oracle.findings, world.coverage, oracle.cycles, head, stopped_at, world.log)


def _found(world: World) -> None:
    """The company's first day: people in step, a service account, and how syncd is set up here."""
    luck = Random(f"{world.seed}/company")
    for number in range(luck.choice((14, 25, 40))):
        name = f"founder{number:02}"
        entry = world.truth.employ(0.0, name)
        world.truth.open_account(name, entry.mail, **({"type": BASIC} if luck.random() < 0.2 else {}))
    world.truth.open_account(None, "svc-room@corp.example")
    world.truth.open_account("partner", "partner@elsewhere.example")
    world.sentinel = luck.choice(("", "", "founder00"))
    world.interval = luck.choice((15 * MINUTE, HOUR, 2 * HOUR))
    world.care = luck.choice(("careful", "careful", "careful", "careless", "absent"))
    world.policy = {
        "directory": '{"active_directory":{}}',
        "grace": timedelta(hours=luck.choice((0, 1, 4, 24))),
        "grace_reads": luck.choice((1, 2, 3)),
        "grace_for_known_leavers": timedelta(hours=luck.choice((0, 0, 1))),
        "protect_accounts": ("svc-*@corp.example",),
        "protect_directory_groups": ("VIPs",),
        "revoke_sessions": luck.random() < 0.3,
        "reactivate": luck.choice(("ours", "ours", "ours", "any")),
        "directory_tells_time": luck.random() < 0.7,
        "source": luck.choice(("active_directory", "file")),
        "limits": {
            "max_deactivations": luck.choice((3, 5)),
            "max_deactivations_percent": 15.0,
            "max_deactivations_per_day": luck.choice((4, 6)),
            "max_deactivations_per_30_days": 12,
            "max_reactivations": luck.choice((3, 10)),
            "max_flapping": 3,
            "sentinels": (f"{world.sentinel}@corp.example",) if world.sentinel else (),
        },
    }
    world.remember_state()


def _happens(world: World, happening: Happening) -> None:
    if happening.step is not None and not world.calm:
        world.in_cycle.append((happening.step, lambda: _now(world, happening)))
        world.in_cycle.sort(key=lambda one: one[0])
    else:
        _now(world, happening)


def _now(world: World, happening: Happening) -> None:
    if world.calm or world.stopped.is_set():
        return
    said = KINDS[happening.name].happen(world, Random(f"{world.seed}/{happening.luck}"))
    if said is not None:
        world.coverage.met("event", happening.name)
        world.note(f"{happening.name}: {said}")
        world.remember_state()


def _calm_down(world: World) -> None:
    """Everything that was wrong is right from now on; what is held has somebody who looks at it."""
    world.calm, world.care, world.enforce = True, "careful", True
    world.spells.clear()
    world.in_cycle.clear()
    world.note("everything becomes calm")
    for account in world.truth.accounts.values():
        account.odd = account.refuses = False
    desk._put_right(world)
    for process in world.processes:
        process.clock_offset = 0.0
        process.frozen_until = 0.0
        process.terminate()
    if world.paused_since is not None:
        desk.resume(world)
    for zoom_id in sorted(world.holds):
        desk.release(world, zoom_id)


async def _audited(world: World) -> str:
    """The chain verifies, whatever happened; its head identifies the run."""
    auditor = Process(world, "auditor")
    world.spells.clear()
    ledger = await open_ledger(auditor)
    try:
        found = await ledger.inner.verify()
        if not found.ok:
            world.oracle.find("ledger_verifies", str(found.problem))
        return found.head.hash
    finally:
        await ledger.inner.close()
