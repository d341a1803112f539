"""What happens to the machines that run syncd, and what people at their desks do with it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from random import Random

from tests.simulation import desk
from tests.simulation.events import _account, _employed, come_back, event, leave_as
from tests.simulation.truth import ACTIVE, INACTIVE, LICENSED, MEMBER
from tests.simulation.wiring import Process
from tests.simulation.world import DAY, HOUR, MINUTE, Copy, World


def _running(world: World, luck: Random) -> Process | None:
    alive = [one for one in world.processes if one.task is not None and not one.task.done() and not one.dead]
    return luck.choice(alive) if alive else None


# ------------------------------------------------------------------------------------------------------------ machines


@event(6)
def killed_in_a_cycle(world: World, luck: Random) -> str | None:
    """Somewhere between two steps of a cycle to come."""
    process = _running(world, luck)
    if process is None:
        return None
    process.kill_at = luck.randint(1, luck.choice((12, 40)))
    return f"{process.name} at step {process.kill_at}"


@event(2, "licence_owed")
def killed_before_the_licence(world: World, luck: Random) -> str | None:
    """Somebody leaves and comes back; the process that switches their account on is killed before it gives the licence back, and
    they leave once more. A day later they are back for good."""
    entry = _employed(world, luck)
    accounts = world.truth.accounts_of(entry.human) if entry is not None else []
    if entry is None or len(accounts) != 1 or (accounts[0].type, accounts[0].role_id) != (LICENSED, MEMBER):
        return None
    account, ends = accounts[0], world.t + 4 * DAY

    def back() -> None:
        if entry.id in world.truth.entries and not world.truth.works_here(entry.human):
            come_back(world, world.truth.entries[entry.id])

    def once_off() -> None:
        if account.status == ACTIVE and world.t < ends and not world.calm:
            world.later(MINUTE, once_off)
        else:
            if account.changed_by == "syncd" and not world.calm:
                world.on_activation[account.zoom_id] = killed
            back()

    def killed(process: Process) -> None:
        if not world.calm and entry.id in world.truth.entries:
            process.kill_at = process.steps
            leave_as(world, world.truth.entries[entry.id], "disabled")
            world.later(DAY, back)

    leave_as(world, entry, "disabled")
    world.later(MINUTE, once_off)
    return entry.human


@event(1)
def killed_at_rest(world: World, luck: Random) -> str | None:
    process = _running(world, luck)
    if process is None:
        return None
    process.kill()
    return process.name


@event(2)
def restarted(world: World, luck: Random) -> str | None:
    process = _running(world, luck)
    if process is None:
        return None
    process.terminate()
    return process.name


@event(4)
def disk_full(world: World, luck: Random) -> str | None:
    world.spell("disk_full", luck.choice((0.1, 2.0)) * HOUR)
    return "no space"


@event(3)
def frozen(world: World, luck: Random) -> str | None:
    """SIGSTOP, a suspended virtual machine: it goes on where it was, later."""
    process = _running(world, luck)
    if process is None:
        return None
    process.frozen_until = world.t + luck.choice((1.0, 20.0)) * MINUTE
    return process.name


@event(2)
def second_process(world: World, luck: Random) -> str | None:
    """Somebody starts another one beside it, or ends it again."""
    if len(world.processes) == 1:
        other = Process(world, f"p{world.facts.setdefault('processes', 1) + 1}")
        world.facts["processes"] += 1
        world.processes.append(other)
        other.start()
        return f"{other.name} begins"
    other = world.processes.pop()
    other.terminate()
    return f"{other.name} ends"


@event(2)
def lease_lost(world: World, luck: Random) -> str | None:
    process = _running(world, luck)
    if process is None:
        return None
    world.spell(f"no_lease_{process.name}", luck.choice((0.1, 1.0)) * HOUR)
    return process.name


@event(2)
def clock_wrong(world: World, luck: Random) -> str | None:
    """A clock that is ahead for some hours; whoever sets it right sets it back."""
    process = _running(world, luck)
    if process is None:
        return None
    process.clock_offset = luck.choice((30.0, 200.0, 900.0, 30 * HOUR))

    def right() -> None:
        process.clock_offset = 0.0

    world.later(luck.choice((0.5, 6.0)) * HOUR, right)
    return f"{process.name} {process.clock_offset:+.0f} s"


@event(2, "clock_set_back")
def clock_set_back(world: World, luck: Random) -> str | None:
    """During a cycle, by a day."""
    process = _running(world, luck)
    if process is None:
        return None

    def back() -> None:
        process.clock_offset -= DAY
        world.later(8 * HOUR, lambda: setattr(process, "clock_offset", 0.0))

    world.in_cycle.append((3, back))
    return process.name


@event(2, "future_entry")
def entry_from_the_future(world: World, luck: Random) -> str | None:
    """Somebody puts an account on hold from a laptop whose clock is 30 days ahead, with an older syncd that does not look at it;
    then many look as if they had left."""
    account = _account(world, luck, ACTIVE)
    if account is None:
        return None
    desk.hold(world, account.zoom_id, HOUR, clock_offset=30 * DAY)
    world.later(2 * HOUR, lambda: _waves(world, luck, 5))
    return account.zoom_id


def _waves(world: World, luck: Random, left: int) -> None:
    """As many people as one cycle lets pass look as if they had left, again and again."""
    from tests.simulation.events import _changed_by_mistake

    if left and not world.calm:
        _changed_by_mistake(world, luck, 3, "disabled", 3 * DAY)
        world.remember_state()
        world.later(2 * world.interval, lambda: _waves(world, luck, left - 1))


# ---------------------------------------------------------------------------------------------------------- the ledger


def copy_ledger(world: World) -> None:
    """The nightly copy, as a careful administrator makes it."""
    path = world.folder / f"copy{len(world.copies)}.db"
    source = world.folder / "ledger.db"
    if source.exists():
        with sqlite3.connect(source) as live, sqlite3.connect(path) as copy:
            live.backup(copy)
        live.close()
        copy.close()
        oracle = world.oracle
        announced = {key: tuple(known) for key, known in oracle.announced.items()}
        world.copies.append(Copy(world.t, path, dict(oracle.linked), announced, oracle.group_id, frozenset(oracle.ours)))


def _with_all_stopped(world: World, then: str, copy: Copy | None = None) -> None:
    async def work() -> None:
        for process in world.processes:
            process.terminate()
        for process in world.processes:
            await process.ended()
        while world.writers:  # nobody can take back what somebody at their desk sends in this very second
            await asyncio.sleep(1.0)
        for ending in ("", "-wal", "-shm"):
            (world.folder / f"ledger.db{ending}").unlink(missing_ok=True)
        if copy is not None:
            shutil.copyfile(copy.path, world.folder / "ledger.db")
        world.newest_term = 0
        world.oracle.forgets(copy)
        world.note(f"the ledger was {then}; everything starts again")
        for process in world.processes:
            process.revive()

    world.spawn(work())


@event(2, "ledger_restored")
def ledger_restored(world: World, luck: Random) -> str | None:
    """Yesterday's copy is put back; what was written since is forgotten."""
    old = [copy for copy in world.copies if world.t - copy.at < 3 * DAY]
    if not old:
        return None
    _with_all_stopped(world, "put back", luck.choice(old))
    return "an older copy"


@event(1, "ledger_lost")
def ledger_lost(world: World, luck: Random) -> str | None:
    """The volume was new."""
    _with_all_stopped(world, "lost")
    return "an empty volume"


# ------------------------------------------------------------------------------------------------- people at their desks


@event(3)
def paused(world: World, luck: Random) -> str | None:
    desk.pause(world)
    world.later(luck.choice((2.0, 30.0)) * HOUR, lambda: desk.resume(world))
    return "for some hours"


@event(3)
def held(world: World, luck: Random) -> str | None:
    account = _account(world, luck, luck.choice((ACTIVE, INACTIVE)))
    if account is None:
        return None
    span = luck.choice((6 * HOUR, 4 * DAY, None))
    desk.hold(world, account.zoom_id, span)
    return account.zoom_id


@event(2)
def released(world: World, luck: Random) -> str | None:
    if not world.holds:
        return None
    zoom_id = luck.choice(sorted(world.holds))
    desk.release(world, zoom_id)
    return zoom_id


@event(2)
def undone(world: World, luck: Random) -> str | None:
    desk.undo_last(world)
    return "the last cycle"


@event(2)
def deactivated_by_hand(world: World, luck: Random) -> str | None:
    account = _account(world, luck, ACTIVE)
    if account is None:
        return None
    desk.by_hand(world, account.zoom_id, active=False)
    return account.zoom_id


@event(2)
def reactivated_by_hand(world: World, luck: Random) -> str | None:
    account = _account(world, luck, INACTIVE)
    if account is None:
        return None
    desk.by_hand(world, account.zoom_id, active=True)
    return account.zoom_id


@event(2)
def triggered(world: World, luck: Random) -> str | None:
    """POST /sync."""
    process = _running(world, luck)
    if process is None or process.wishes is None:
        return None
    process.wishes.now.set()
    return process.name


@event(2)
def configuration_edited(world: World, luck: Random) -> str | None:
    """A setting that widens or narrows what may happen; every process starts anew with it."""
    name, value = luck.choice(
        [
            ("grace_hours", luck.choice((0, 1, 4, 24))),
            ("reactivate", luck.choice(("ours", "ours", "any", "never"))),
            ("revoke_sessions", luck.random() < 0.5),
            ("grace_reads", luck.choice((1, 2, 3))),
            ("pilot", luck.choice(((), tuple(f"founder{number:02}@corp.example" for number in range(9))))),
            ("protect_accounts", luck.choice((("svc-*@corp.example",), ("svc-*@corp.example", "person0003*")))),
        ]
    )
    world.facts["edits"] = (name, value)
    world.set_choice(name, value)
    for process in world.processes:
        process.terminate()
    return f"{name} {value}"


@event(1)
def mode_changed(world: World, luck: Random) -> str | None:
    """Back to reporting for a day or two."""
    world.enforce = False

    def enforce() -> None:
        world.enforce = True
        for process in world.processes:
            process.terminate()

    for process in world.processes:
        process.terminate()
    world.later(luck.choice((0.5, 2.0)) * DAY, enforce)
    return "report"


@event(1)
def reviewer_changed(world: World, luck: Random) -> str | None:
    world.care = luck.choice(("careful", "careful", "careful", "careless", "absent"))
    return world.care
