"""People at their desks, who use syncd's verbs beside the running process, with more or less care. The second place (beside
``wiring``) that knows how syncd is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from syncd.errors import SyncdError
from syncd.ledger import record
from syncd.model import Action, CycleReport, Mode, Trigger
from syncd.operations import holds, manual, undo
from syncd.operations.approve import Asked, approve
from syncd.operations.dependencies import Dependencies
from syncd.operations.reading import ask_clock
from tests.simulation import reviewing
from tests.simulation.wiring import NOT_APPROVABLE, Process, open_ledger, policy_of, was_killed
from tests.simulation.world import Hold, World

HELD_AFTER_OVERRULING = 7 * 86400.0


def at_the_desk(
    world: World, what: str, work: Callable[[Process, Dependencies], Awaitable[None]], *, asks_no_clock: bool = False
) -> None:
    """Runs one verb in a process of its own; what syncd refuses is said on the screen and changes nothing. *asks_no_clock*: it is
    an older one, that believes its machine."""

    def try_later() -> None:
        if what == "accept":
            world.later(900.0, lambda: accept(world))
        if what == "resume":  # nobody goes home before it runs again
            world.later(900.0, lambda: resume(world))

    async def run() -> None:
        number = world.facts["desks"] = world.facts.get("desks", 0) + 1
        process = Process(world, f"desk{number}")
        process.asks_no_clock = asks_no_clock
        ledger = None
        try:
            ledger = process.ledger = await open_ledger(process, from_checkpoint=True)
            deps = process.dependencies(ledger)
            await ask_clock(deps, policy_of(world.policy))
            await work(process, deps)
            world.coverage.met("verb", what)
        except SyncdError as error:
            world.coverage.met("verb refused", what)
            world.note(f"desk: {what}: {error.what}")
            try_later()
        except BaseException as error:
            if not was_killed(error):
                raise
            world.note(f"desk: {what} was killed")
            try_later()
        finally:
            if ledger is not None:
                await ledger.inner.close()

    world.spawn(run())


def pause(world: World) -> None:
    async def work(process: Process, syncd: Dependencies) -> None:
        await syncd.ledger.append([record.paused(by="Ann", because="something is odd")])
        world.paused_since = world.t if world.paused_since is None else world.paused_since

    at_the_desk(world, "pause", work)


def resume(world: World) -> None:
    async def work(process: Process, syncd: Dependencies) -> None:
        world.paused_since = None  # from the moment on it may begin
        await syncd.ledger.append([record.resumed(by="Ann", because="it was nothing")])

    at_the_desk(world, "resume", work)


def accept(world: World) -> None:
    """``syncd ledger accept``, and what the runbook says after it: holds first, then go on."""

    async def work(process: Process, syncd: Dependencies) -> None:
        assert process.ledger is not None
        await process.ledger.accept()
        if (await syncd.ledger.history()).paused_since is None:
            return
        for zoom_id, known in sorted(world.holds.items()):
            if (account := world.truth.accounts.get(zoom_id)) is not None:
                await holds.hold(syncd, [account.email], manual.Request("Ann", "was on hold before"), None)
                known.until = None
                world.holds[zoom_id] = known  # should it have been released meanwhile
        if world.paused_since is None:
            await syncd.ledger.append([record.resumed(by="Ann", because="holds are put back")])

    at_the_desk(world, "accept", work)


def hold(world: World, zoom_id: str, seconds: float | None, *, clock_offset: float = 0.0) -> None:
    """*clock_offset*: what the laptop's clock is ahead, with an older syncd on it."""

    async def work(process: Process, syncd: Dependencies) -> None:
        if zoom_id not in world.truth.accounts:  # deleted while somebody was typing
            return
        process.clock_offset = clock_offset
        until = process.now() + timedelta(seconds=seconds) if seconds is not None else None
        await holds.hold(syncd, [world.truth.accounts[zoom_id].email], manual.Request("Ann", "leave it alone"), until)
        world.holds[zoom_id] = Hold(world.t, world.t + seconds if seconds is not None else None)

    at_the_desk(world, "hold", work, asks_no_clock=bool(clock_offset))


def release(world: World, zoom_id: str) -> None:
    async def work(process: Process, syncd: Dependencies) -> None:
        account = world.truth.accounts.get(zoom_id)
        world.holds.pop(zoom_id, None)
        if account is not None:
            await holds.release(syncd, [account.email], manual.Request("Ann", "done"))

    at_the_desk(world, "release", work)


def by_hand(world: World, zoom_id: str, *, active: bool) -> None:
    """``syncd account deactivate|reactivate``."""
    action = Action.REACTIVATE if active else Action.DEACTIVATE

    async def work(process: Process, syncd: Dependencies) -> None:
        account = world.truth.accounts.get(zoom_id)
        if account is None:  # deleted while somebody was typing; it may be so while a cycle is waited for, too
            return
        policy, request = policy_of(world.policy), manual.Request("Ann", "asked by phone", confirm_count=1)
        async with syncd.ledger.writer(60.0) as term:
            wanted = await manual.wanted_by_address(syncd, policy, [account.email], action, request, term)
            if any(verdict.tripped for verdict in wanted.verdicts):
                return
            held = await holds.unsure_to_hold(syncd, policy, wanted) if active else ()
            for one in held:
                world.holds[one] = Hold(world.t, world.t + HELD_AFTER_OVERRULING)
            await manual.execute_request(syncd, policy, Mode.ENFORCE, wanted, request, term, trigger=Trigger.ACCOUNT, hold=held)

    at_the_desk(world, f"account {action.value}", work)


def undo_last(world: World) -> None:
    """``syncd undo`` of the last cycle that changed something."""

    async def work(process: Process, syncd: Dependencies) -> None:
        policy = policy_of(world.policy)
        async with syncd.ledger.writer(60.0) as term:
            request = manual.Request("Ann", "that was wrong")
            undoing = await undo.wanted_by_undo(syncd, policy, undo.LAST, request, term)
            wanted = undoing.wanted
            if any(verdict.tripped for verdict in wanted.verdicts):
                return
            held = [account.zoom_id or "" for account in (*(one.account for one in wanted.effects), *wanted.already)]
            for one in held:
                world.holds[one] = Hold(world.t, world.t + HELD_AFTER_OVERRULING)
            await manual.execute_request(
                syncd, policy, Mode.ENFORCE, wanted, request, term, trigger=Trigger.UNDO, undo_of=undoing.cycle, hold=held
            )

    at_the_desk(world, "undo", work)


# ---------------------------------------------------------------------------------------------------------- reviewing


def review(world: World, report: CycleReport) -> None:
    """Somebody is paged for a held plan, and looks at it some time later: carefully, carelessly, or not at all."""
    tripped = [verdict.guard.value for verdict in report.verdicts if verdict.tripped]
    plan = report.plan
    urgent = {"ledger-new", "ledger-rolled-back"} & set(tripped)
    if not tripped or plan is None or world.reviewing or (world.care == "absent" and not urgent):
        return
    world.reviewing = True

    def look() -> None:
        world.reviewing = False
        ahead = world.calm and "clock-skew" in tripped  # all clocks are right by then: an entry is ahead of them
        if ahead or {"ledger-new", "ledger-rolled-back"} & set(tripped):
            accept(world)
            return
        guards = [name for name in tripped if name not in NOT_APPROVABLE]
        if "nothing-in-scope" in guards and world.care == "careful":
            world.coverage.met("review", "mistake found")
            _put_right(world)
            return
        wrong = [effect for effect in plan.effects if not _right(world, effect.account.zoom_id or "", effect.action.value)]
        if wrong and world.care == "careful":
            world.coverage.met("review", "mistake found")
            _put_right(world)
            return
        if not guards:
            world.coverage.met("review", "nothing to approve")
            return
        world.coverage.met("review", "approved wrong ones" if wrong else "approved")

        async def work(process: Process, syncd: Dependencies) -> None:
            asked = Asked(plan.digest, guards, "Ann", "looked at", timedelta(hours=24))
            await approve(syncd, policy_of(world.policy), Mode.ENFORCE if world.enforce else Mode.REPORT, asked)
            reviewing.looked_at(world, report, guards)

        at_the_desk(world, "approve", work)

    world.later(world.rng.choice((300.0, 3600.0, 6 * 3600.0)) if not world.calm else 60.0, look)


def _right(world: World, zoom_id: str, action: str) -> bool:
    """What somebody who knows the people would say of one change."""
    account = world.truth.accounts.get(zoom_id)
    if account is None:
        return True
    return world.truth.works_here(account.owner) == (action == "reactivate")


def _put_right(world: World) -> None:
    mistakes, world.mistakes = world.mistakes, []
    for put_right in mistakes:
        put_right()
    world.remember_state()
