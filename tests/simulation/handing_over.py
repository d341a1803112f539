"""Leavers' content in a simulated company: somebody plans, somebody else approves by name, somebody runs it, perhaps days later
or twice, perhaps killed in between; and what may never come of it. There is no undo, so the oracle looks at every request.

A manager may be named, and a legal hold placed, at any time. Judged by the truth and by what the process was shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from syncd.errors import AnswerLost, Held, Refused, SourceError, SyncdError
from syncd.events import Event, HandoversCounted
from syncd.model import Approval, CycleReport, GroupUse, HandoverRules, Inventory, Mode, ZoomAccount
from syncd.operations import leavers
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.approve import approve_handover
from syncd.operations.handover.plan import make_plan
from syncd.operations.handover.run import run_plan
from syncd.operations.handover.settling import settle
from syncd.operations.manual import Request
from tests.simulation import desk
from tests.simulation.events import _employed, _leaver, event
from tests.simulation.truth import ACTIVE, Account
from tests.simulation.world import DAY, HOUR, View, World

if TYPE_CHECKING:
    from tests.simulation.wiring import Process

ARCHIVE, TRIAL = "svc-archive@corp.example", "Trial"

#: Clocks of those who switched an account off may have been this wrong.
CLOCK_TOLERANCE = 700.0

#: What a run with this switch must meet.
WANTED = {
    "handover": frozenset(
        {
            "planned",
            "nothing due",
            "handed_over",
            "unconfirmed",
            "refused",
            "not_tried",
            "not approved",
            "run again",
            "killed",
            "interrupted one told by a look",
            "reopened",
            "closed again",
            "ended while open",
            "to a manager",
            "to the last resort",
        }
    ),
    "stage": frozenset({"waiting", "due", "approved", "handed_over", "unconfirmed", "kept"}),
}


@dataclass
class Handing:
    """What this company knows of its handovers."""

    after: float
    named: set[str] = field(default_factory=set)  # zoom ids that somebody approved
    used: set[tuple[str, str]] = field(default_factory=set)  # approvals by the accounts they were used for
    announced: dict[str, tuple[str, str]] = field(default_factory=dict)  # zoom id -> process and intent without outcome
    gone: set[str] = field(default_factory=set)  # deleted by us
    reopening: set[str] = field(default_factory=set)  # zoom ids in a plan that says so
    opened: set[str] = field(default_factory=set)  # made active for their handover, and not switched off by a cycle since
    off_at: dict[str, float] = field(default_factory=dict)  # when syncd switched it off last


def of(world: World) -> Handing | None:
    """None where the switch is off."""
    if not world.switched_on("handover"):
        return None
    if "handing" not in world.facts:
        after = Random(f"{world.seed}/handover").choice((2 * HOUR, 12 * HOUR, DAY))
        world.facts["handing"] = Handing(after)
        world.truth.open_account(None, ARCHIVE)
    known: Handing = world.facts["handing"]
    return known


def rules_of(world: World) -> HandoverRules:
    """As this company configured it; the leavers file names those who left for good, as HR knows them."""
    handing = of(world)
    assert handing is not None
    left = frozenset(entry.mail.lower() for entry in world.truth.entries.values() if not world.truth.works_here(entry.human))
    return HandoverRules(
        timedelta(seconds=handing.after),
        "delete",
        otherwise=ARCHIVE,
        content=("meetings", "recordings"),
        leavers=left,
        holds_by_group=True,
        max_per_day=5,
    )


def groups(world: World) -> tuple[tuple[str, str, GroupUse], ...]:
    """The group whose members are under a legal hold."""
    return (("group-t", TRIAL, GroupUse.HOLDING),) if of(world) is not None else ()


async def after_cycle(process: Process, deps: Dependencies, report: CycleReport, term: int) -> None:
    """As the program does after each whole cycle: what fails is told, and stops nothing."""
    from tests.simulation.wiring import policy_of

    if of(process.world) is None:
        return
    try:
        await leavers.after_cycle(deps, policy_of(process.choices), lambda: rules_of(process.world), report, term)
    except SyncdError as error:
        process.world.note(f"{process.name} remembers no leavers: {error.what}")


def told(world: World, happened: Event) -> None:
    """Which stages were met."""
    if isinstance(happened, HandoversCounted):
        for stage, number in happened.stages.items():
            if number:
                world.coverage.met("stage", stage)


# ---------------------------------------------------------------------------------------------------------- what happens


@event(6, "handover")
def manager_named(world: World, luck: Random) -> str | None:
    """For several: most have one."""
    manager = _employed(world, luck)
    if manager is None or of(world) is None:
        return None
    chosen = [one for one in (_employed(world, luck) for _ in range(8)) if one is not None and one.id != manager.id]
    for one in chosen:
        world.truth.change(world.t, one.id, manager=manager.id)
    return f"{manager.human} manages {len(chosen)}"


@event(3, "handover")
def legal_hold(world: World, luck: Random) -> str | None:
    """Placed or taken away in the directory; once seen it stays with syncd until it is released."""
    entry = luck.choice((_employed, _leaver))(world, luck)
    if entry is None:
        return None
    world.truth.change(world.t, entry.id, groups=entry.groups ^ {TRIAL})
    return entry.human


@event(14, "handover")
def content_handed_over(world: World, luck: Random) -> str | None:
    """Planned now, approved by somebody (or not), run at once or days later, and perhaps once more."""
    reopens = luck.random() < 0.35
    waits, again = luck.choice((30.0, 30.0, 2 * HOUR, 2 * DAY)), luck.random() < 0.3
    approves, dies = luck.random() < 0.8, luck.randint(5, 45) if luck.random() < 0.3 else None
    desk.at_the_desk(world, "handover plan", _Planning(world, waits, again, approves, dies, reopens).work)
    return f"run after {waits / HOUR:g} h" + (", twice" if again else "") + ("" if approves else ", not approved")


@dataclass
class _Planning:
    """``handover plan``, ``approve`` by Lee; ``handover run`` by Ann comes later."""

    world: World
    waits: float
    again: bool
    approves: bool
    dies: int | None
    reopens: bool = False

    async def work(self, process: Process, syncd: Dependencies) -> None:
        from tests.simulation.wiring import policy_of

        world, policy, rules = self.world, policy_of(self.world.policy), rules_of(self.world)
        if any(one.state == "handing_over" for one in (await syncd.ledger.history()).handovers.values()):
            async with syncd.ledger.writer(60.0) as term:
                await settle(syncd, term)
        plan, _ = await make_plan(syncd, policy, rules, Mode.ENFORCE, reopen=self.reopens)
        if not plan.items:
            world.coverage.met("handover", "nothing due")
            return
        world.coverage.met("handover", "planned")
        if self.approves:
            now = syncd.clock.now()
            given = Approval(syncd.clock.unique(), plan.digest, "", (), frozenset(), "Lee", "left for good", now, now)
            await approve_handover(syncd, policy, await syncd.ledger.history(), given, timedelta(days=3), lambda one: one)
        run = _Running(world, plan.digest, len(plan.items), self.dies)
        world.later(self.waits, lambda: desk.at_the_desk(world, "handover run", run.work))
        if self.again:
            world.later(self.waits + 2 * HOUR, lambda: desk.at_the_desk(world, "handover run", run.once_more))


@dataclass
class _Running:
    """``handover run``: the number is confirmed as the screen says it."""

    world: World
    digest: str
    number: int
    dies: int | None

    async def once_more(self, process: Process, syncd: Dependencies) -> None:
        self.world.coverage.met("handover", "run again")
        self.dies = None
        await self.work(process, syncd)

    async def work(self, process: Process, syncd: Dependencies) -> None:
        from tests.simulation.wiring import policy_of, was_killed

        world = self.world
        ending = SimEnding(process, dies=self.dies is not None and not self.dies % 2)
        try:
            async with syncd.ledger.writer(60.0) as term:
                if self.dies is not None and self.dies % 2:
                    process.kill_at = process.steps + self.dies
                for count in range(self.number, 0, -1):
                    request = Request("Ann", "left for good", confirm_count=count, while_paused=False)
                    try:
                        ended = await run_plan(
                            syncd, policy_of(world.policy), rules_of(world), Mode.ENFORCE, ending, self.digest, request, term
                        )
                    except Held as error:
                        if "--confirm-count" in error.what:
                            continue
                        world.coverage.met("handover", "not approved")
                        raise
                    for one in ended:
                        world.coverage.met("handover", one.state)
                        world.note(f"desk: handover of {one.zoom_id}: {one.state} {one.says}")
                    return
        except BaseException as died:
            if not was_killed(died):
                raise
            world.coverage.met("handover", "killed")
            world.note("desk: handover run was killed")


class SimEnding:
    """Zoom under the app that may delete: refusals, lost answers, requests that land late, and a process that *dies* with its
    request on the way."""

    def __init__(self, process: Process, *, dies: bool) -> None:
        self._process, self._dies = process, dies

    async def end_account(self, zoom_id: str, *, end: str, receiver: str, content: Sequence[str]) -> None:
        process, world = self._process, self._process.world
        handing = of(world)
        assert handing is not None
        requested(process, handing, zoom_id, receiver)
        await process.step(0.3)
        if world.suffers("zoom_down"):
            raise SourceError("zoom", "Zoom cannot be reached; nothing was sent")
        account = world.truth.accounts.get(zoom_id)
        if account is None:
            raise Refused("user does not exist", kind="gone", code=1001, status=404)
        luck = world.rng.random()
        _refuse(handing, account, luck)

        def delete() -> None:
            handing.gone.add(zoom_id)
            if zoom_id in handing.opened:
                world.coverage.met("handover", "ended while open")
            world.truth.accounts.pop(zoom_id, None)
            taker = next((one for one in world.truth.accounts.values() if one.email.lower() == receiver.lower()), None)
            if taker is not None:
                taker.content += account.content

        if self._dies:
            from tests.simulation.wiring import Killed

            if luck < 0.6:
                world.later(luck, delete)
            process.dead = True
            raise Killed
        if luck < 0.2 or world.suffers("zoom_loses_answers"):
            if luck < 0.4:
                delete()
            elif luck < 0.6:
                world.later(5.0, delete)
            raise AnswerLost("no answer")
        delete()
        await process.step()


def _refuse(handing: Handing, account: Account, luck: float) -> None:
    if account.zoom_id in handing.opened and (account.status != ACTIVE or account.type != 2):
        raise Refused("must be active", kind="must_be_active", code=200, status=400)
    if account.refuses or luck < 0.1:
        raise Refused("contact support", kind="inactive", code=200, status=400)


# ------------------------------------------------------------------------------------------------------ what may never be


def appended(process: Process, handing: Handing, entries: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
    """What the ledger says of handovers, as it is written."""
    for kind, subject, body in entries:
        if kind == "approval" and "handover" in body["guards"]:
            handing.named |= {zoom_id for zoom_id, _ in body["effects"]}
        elif kind == "handover.intent":
            used = {(one, subject) for one in body["approvals"]}
            if used & handing.used or not used:
                process.world.oracle.find("handover_approval", f"{subject} is handed over by approvals used before, or none")
            handing.used |= used
            handing.announced[subject] = (process.name, body["id"])
            handing.reopening.discard(subject)
            if body["item"].get("reopen"):
                handing.reopening.add(subject)
        elif kind == "handover.access" and body["step"] == "open" and body["state"] == "announced":
            handing.opened.add(subject)
        elif kind == "handover.access" and body["step"] == "close" and body["state"] == "done":
            process.world.coverage.met("handover", "closed again")
            handing.opened.discard(subject)
        elif kind == "intent" and body["action"] == "deactivate":  # by a cycle, or by hand: what a crash left open
            handing.opened.discard(subject)
        elif kind == "handover.outcome":
            if body.get("says", "").startswith("interrupted"):
                process.world.coverage.met("handover", "interrupted one told by a look")
            handing.announced.pop(subject, None)


def opening(process: Process, account: Account, operation: str) -> None:
    """A request that gives access back for a handover, or takes it again."""
    world, zoom_id = process.world, account.zoom_id
    handing = of(world)
    assert handing is not None
    if operation == "deactivate":
        return
    world.coverage.met("handover", "reopened")
    if zoom_id not in handing.reopening or zoom_id not in handing.named:
        world.oracle.find("handover_reopened", f"{zoom_id} is made active, and nobody approved that")
    if handing.announced.get(zoom_id, ("", ""))[0] != process.name:
        world.oracle.find("intent_first", f"{zoom_id} is made active without an open handover")


def requested(process: Process, handing: Handing, zoom_id: str, receiver: str) -> None:
    """A request that nobody can take back is about to leave."""
    world, oracle = process.world, process.world.oracle
    account = world.truth.accounts.get(zoom_id)
    world.coverage.met("request", "delete_user")
    if handing.announced.get(zoom_id, ("", ""))[0] != process.name:
        oracle.find("intent_first", f"{zoom_id} is deleted without an open intent")
    if process.term != world.newest_term:
        oracle.find("older_term", f"{process.name} deletes {zoom_id} under term {process.term} of {world.newest_term}")
    if zoom_id not in handing.named:
        oracle.find("handover_unnamed", f"{zoom_id} is deleted, and nobody approved that")
    if zoom_id in handing.gone:
        oracle.find("handover_twice", f"{zoom_id} was deleted before")
    if world.paused_since is not None and world.paused_since < process.history_at:
        oracle.find("paused", f"{zoom_id} is deleted under a pause")
    if account is not None:
        _about(process, handing, account)
        world.coverage.met("handover", "to the last resort" if receiver == ARCHIVE else "to a manager")


def _about(process: Process, handing: Handing, account: Account) -> None:
    """The account itself, as it is and as it was shown."""
    world, oracle, zoom_id = process.world, process.world.oracle, account.zoom_id
    if zoom_id in handing.opened:
        pass  # by our doing, and it was looked at right before
    elif account.status == ACTIVE and account.changed_at < process.looked_at.get(zoom_id, 0.0) and not account.shows:
        oracle.find("handover_active", f"{zoom_id} is deleted while it is active")
    if zoom_id not in oracle.ours and zoom_id not in handing.opened:
        oracle.find("handover_not_ours", f"{zoom_id} is deleted, and was switched off by {account.changed_by}")
    if world.t - handing.off_at.get(zoom_id, 0.0) < handing.after - CLOCK_TOLERANCE:
        oracle.find(
            "handover_early",
            f"{zoom_id} is deleted {(world.t - handing.off_at[zoom_id]) / HOUR:.1f} h after it was "
            f"switched off, retention {handing.after / HOUR:g} h",
        )
    hold = world.holds.get(zoom_id)
    if hold is not None and hold.since < process.history_at and (hold.until is None or hold.until > world.t + 60.0):
        oracle.find("handover_held", f"{zoom_id} is deleted although it is on hold")
    for shown in (process.view, process.rechecked.get(account.email.lower())):
        if shown is not None:
            _shown_to_be_kept(oracle, shown, account)


def _shown_to_be_kept(oracle: Any, shown: View, account: Account) -> None:
    if (entry := oracle.shown(shown, account)) is not None:
        oracle.find("handover_entitled", f"{account.zoom_id} of {account.owner} is deleted, but {entry} shows them entitled")
    if any(TRIAL in entry.groups and entry.mail.lower() == account.email.lower() for entry in shown.of(account.owner)):
        oracle.find("handover_held", f"{account.zoom_id} of {account.owner} is deleted under a legal hold")


def inventory_of(world: World, account: ZoomAccount) -> Inventory:
    """What it holds, where that may be read."""
    known = world.truth.accounts.get(account.zoom_id or "")
    if known is None or world.blowing("zoom_looks_down"):
        raise SourceError("zoom", "Zoom cannot be read")
    return Inventory(meetings=known.content, recordings=0)
