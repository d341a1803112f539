"""Handing over with everything that may come between the look at everybody and the one request: nothing is sent then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest
from msgspec import structs

from syncd.errors import AnswerLost, Held, Refused, SyncdError, UsageError
from syncd.ledger import record
from syncd.model import (
    Approval,
    CycleReport,
    GroupUse,
    Guard,
    HandoverRules,
    Inventory,
    Mode,
    Policy,
    Status,
    Trigger,
    ZoomAccount,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.approve import approve_handover
from syncd.operations.handover.legal_hold import release_hold
from syncd.operations.handover.look import look
from syncd.operations.handover.plan import make_plan
from syncd.operations.handover.run import Ended, run_plan
from syncd.operations.leavers import after_cycle, contents_of
from syncd.operations.manual import Request
from tests.fakes import Company, FakeZoom

DAY = timedelta(days=1)
POLICY = Policy("zoom-account", ("corp.example",), "file", grace=timedelta(0), grace_reads=1)
RULES = HandoverRules(30 * DAY, "delete", otherwise="archive@corp.example", holds_by_group=True)
KIM, LEE = "Kim", "Lee"


@dataclass
class ZoomWithContent(FakeZoom):
    """A Zoom that counts, deletes, and tells of it when single accounts are looked at."""

    first_look: Callable[[], None] = lambda: None
    meanwhile: bool = False  # whether the next look at one account comes after the look at everybody
    deleted: list[tuple[str, str]] = field(default_factory=list)
    answer: SyncdError | None = None
    done: bool = True

    async def content_of(self, account: ZoomAccount) -> Inventory:
        return Inventory(meetings=1)

    async def get_account(self, user: str) -> ZoomAccount | None:
        if self.meanwhile:
            self.meanwhile = False
            self.first_look()
        return await super().get_account(user)

    async def end_account(self, zoom_id: str, *, end: str, receiver: str, content: Sequence[str]) -> None:
        self.deleted.append((zoom_id, receiver))
        if self.done:
            self.accounts.pop(zoom_id)
        if self.answer is not None:
            raise self.answer


class World(Company):
    """``lee`` left 40 days ago, is in a leaver group, and was managed by ``mia``, and ``mia`` by ``ned``."""

    zoom: ZoomWithContent

    def __init__(self) -> None:
        super().__init__()
        self.zoom = ZoomWithContent(self.clock)
        self.rules, self.signed = RULES, False
        self.directory.groups |= {"Left": GroupUse.LEAVERS, "Trial": GroupUse.HOLDING, "VIPs": GroupUse.PROTECTING}
        self.crowd(30)
        self.employ("lee", "mia", "ned", "archive")
        self.person("mia", manager="p-ned")
        self.person("lee", manager="p-mia")

    @property
    def deps(self) -> Dependencies:
        deps = super().deps
        deps = replace(deps, signature_fits=lambda *_: self.signed)
        return replace(deps, contents=partial(contents_of, deps, POLICY, lambda: self.rules))

    async def cycle(self) -> CycleReport:
        async with self.ledger.writer(0.0) as term:
            report = await run_cycle(self.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, term=term))
            await after_cycle(self.deps, POLICY, lambda: self.rules, report, term)
        return report

    async def lee_left(self) -> None:
        await self.cycle()
        self.person("lee", leaver_by=("Left",))
        report = await self.cycle()
        assert ("inactive", []) == (self.status("lee"), [one for one in report.verdicts if one.tripped])
        self.clock.pass_time(40 * DAY)
        await self.cycle()

    async def approved(self, by: str = LEE) -> str:
        plan, _ = await make_plan(self.deps, POLICY, self.rules, Mode.ENFORCE)
        assert ["z-lee"] == [one.zoom_id for one in plan.items]
        now = self.clock.now()
        given = Approval(self.clock.unique(), plan.digest, "", (), frozenset(), by, "ticket", now, now)
        await approve_handover(self.deps, POLICY, await self.ledger.history(), given, DAY, lambda one: one)
        return plan.digest

    async def run(self, digest: str, by: str = KIM, count: int = 1) -> list[Ended]:
        self.zoom.meanwhile = True
        async with self.ledger.writer(0.0) as term:
            return await run_plan(
                self.deps, POLICY, self.rules, Mode.ENFORCE, self.zoom, digest, Request(by, "ticket", confirm_count=count), term
            )


async def test_nothing_in_between_and_it_is_handed_over() -> None:
    """The control of the table below."""
    world = World()
    await world.lee_left()
    (ended,) = await world.run(await world.approved())

    assert ("handed_over", [("z-lee", "mia@corp.example")]) == (ended.state, world.zoom.deleted)


def other_address(world: World, name: str, address: str) -> None:
    world.zoom.accounts[f"z-{name}"] = structs.replace(world.zoom.accounts[f"z-{name}"], email=address)


MEANWHILE: dict[str, tuple[Callable[[World], object], str]] = {
    "re-hired": (lambda world: world.person("lee"), "entitled now"),
    "re-hired under another id": (lambda world: world.person("lee2", addresses=("lee",)), "entitled now"),
    "out of the leaver group": (lambda world: world.person("lee", entitled=False), "may_return now"),
    "held by a group": (lambda world: world.person("lee", leaver_by=("Left",), held_by=("Trial",)), "a legal hold stands"),
    "gone from the directory": (lambda world: world.directory.people.pop("p-lee"), "no longer in the directory"),
    "unreadable": (lambda world: world.person("lee", leaver_by=("Left",), unclear="hidden"), "could not be read"),
    "protected": (lambda world: world.person("lee", leaver_by=("Left",), protected_by=("VIPs",)), "protected"),
    "reactivated by somebody": (lambda world: world.account("lee"), "no longer deactivated"),
    "deleted by somebody": (lambda world: world.zoom.accounts.pop("z-lee"), "no longer deactivated"),
    "its address is held": (lambda world: other_address(world, "lee", "held@corp.example"), "a legal hold stands"),
    "receiver deleted": (lambda world: world.zoom.accounts.pop("z-mia"), "no account in Zoom"),
    "receiver inactive": (lambda world: world.account("mia", Status.INACTIVE), "is not active"),
    "receiver without a licence": (lambda world: world.account("mia", type=1), "no licence"),
    "receiver out of scope": (lambda world: other_address(world, "mia", "mia@sold.example"), "out of scope"),
    "receiver a leaver": (lambda world: world.person("mia", leaver_by=("Left",)), "not entitled any more"),
    "receiver gone from the directory": (lambda world: world.directory.people.pop("p-mia"), "not entitled any more"),
}


@pytest.mark.parametrize("case", MEANWHILE)
async def test_whoever_is_called_back_in_between_drops_out(case: str) -> None:
    """Seen right before the request, by looking at the account, the receiver and both people once more."""
    happens, says = MEANWHILE[case]
    world = World()
    world.rules = replace(RULES, hold_accounts=("held@*",))
    await world.lee_left()
    digest = await world.approved()
    world.zoom.first_look = lambda: happens(world) and None
    (ended,) = await world.run(digest)

    assert ("not_tried", []) == (ended.state, world.zoom.deleted)
    assert says in ended.says


@pytest.mark.parametrize(("holds", "listed", "sent"), [(True, True, False), (False, False, False), (False, True, True)])
async def test_who_vanishes_from_the_directory_in_between(holds: bool, listed: bool, sent: bool) -> None:
    """Absent for a moment is not absent for the whole retention, and a hold in a group cannot be seen any more, which no plan
    said. Who is in the file of leavers has left for good all the same."""
    world = World()
    world.rules = replace(RULES, holds_by_group=holds, leavers=frozenset({"lee@corp.example"} if listed else ()))
    await world.lee_left()
    digest = await world.approved()
    world.zoom.first_look = lambda: world.directory.people.pop("p-lee") and None
    (ended,) = await world.run(digest)

    assert (sent, sent) == (ended.state == "handed_over", bool(world.zoom.deleted))


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_last_resort_that_leaves_in_between_receives_nothing(leaves: bool) -> None:
    """``receiver.else`` need not be anybody in the directory, but whoever is there must not be a leaver."""
    world = World()
    world.rules = replace(RULES, to_manager=False)
    await world.lee_left()
    digest = await world.approved()
    world.zoom.first_look = lambda: world.person("archive", **({"leaver_by": ("Left",)} if leaves else {})) and None
    (ended,) = await world.run(digest)

    assert (leaves, not leaves) == (ended.state == "not_tried", bool(world.zoom.deleted))


async def test_under_a_pause_nothing_begins_and_no_word_passes_it() -> None:
    """What is said to do is something that there is."""
    world = World()
    await world.lee_left()
    digest = await world.approved()
    await world.ledger.append([record.paused(by="Ann", because="wait")])
    with pytest.raises(Held, match="paused by Ann") as refused:
        await world.run(digest)

    assert ("syncd resume" in str(refused.value.do), "--while-paused" in str(refused.value.do)) == (True, False)
    assert [] == world.zoom.deleted


@pytest.mark.parametrize("what", ["hold", "pause"])
async def test_a_word_in_between_stops_it(what: str) -> None:
    """``account hold`` and ``pause`` count until the request."""
    world = World()
    await world.lee_left()
    digest = await world.approved()
    said = (
        record.held("z-lee", by="Ann", because="wait", until=None, personal=None)
        if what == "hold"
        else record.paused(by="Ann", because="wait")
    )
    inner = world.zoom.get_account

    async def get_account(user: str) -> ZoomAccount | None:
        if world.zoom.meanwhile:
            world.zoom.meanwhile = False
            await world.ledger.append([said])
        return await inner(user)

    world.zoom.get_account = get_account  # type: ignore[method-assign]
    (ended,) = await world.run(digest)

    assert ("not_tried", []) == (ended.state, world.zoom.deleted)


@pytest.mark.parametrize(
    ("answer", "done", "state"),
    [
        (Refused("call queue", kind="call_queue", code=1000, status=400, do="name another manager"), False, "refused"),
        (AnswerLost("no answer"), True, "handed_over"),
        (AnswerLost("no answer"), False, "unconfirmed"),
    ],
)
async def test_an_approval_is_used_up_whatever_becomes_of_it(answer: SyncdError, done: bool, state: str) -> None:
    """Nothing is sent a second time by it, not even after thirty days."""
    world = World()
    await world.lee_left()
    world.zoom.answer, world.zoom.done = answer, done
    world.rules = replace(RULES, content=("meetings",))
    digest = await world.approved()
    (ended,) = await world.run(digest)
    for jump in (timedelta(0), 30 * DAY):
        world.clock.pass_time(jump)
        with pytest.raises((Held, SyncdError)):
            await world.run(digest)

    assert 1 == len(world.zoom.deleted)
    assert state in (ended.state, "handed_over")
    found = await look(world.deps, POLICY, world.rules, Mode.ENFORCE)
    assert {"refused": "due"}.get(state, state) == next(one.stage.value for one in found.cases if one.zoom_id == "z-lee")


@pytest.mark.parametrize(("where", "over"), [("configuration", False), ("group", False), ("nowhere", True)])
async def test_two_people_end_no_hold_that_still_stands(where: str, over: bool) -> None:
    """They would be told that it is over, and it is not; their word does not count later either."""
    world = World()
    world.rules = replace(RULES, hold_accounts=("lee@*",))
    await world.lee_left()
    world.rules = world.rules if where == "configuration" else RULES
    if where == "group":
        world.person("lee", leaver_by=("Left",), held_by=("Trial",))

    async def released(by: str) -> list[tuple[str, bool]]:
        return await release_hold(world.deps, POLICY, world.rules, ["lee@corp.example"], by, "closed", lambda one: one)

    if not over:
        for by in (KIM, LEE):
            with pytest.raises(UsageError, match="a legal hold still stands for: lee@corp"):
                await released(by)
        world.rules = RULES
        world.person("lee", leaver_by=("Left",))
    assert [("lee@corp.example", False)] == await released(KIM)
    assert [("lee@corp.example", True)] == await released(LEE)


async def two_plans(world: World) -> tuple[str, str]:
    """One of ``lee`` alone, made first, and one of ``lee`` and ``pam``, who is due since; both approved."""
    world.employ("pam")
    await world.cycle()
    world.person("pam", leaver_by=("Left",))
    await world.lee_left()
    found = []
    for only in (("lee@corp.example",), ()):
        plan, _ = await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE, only)
        now = world.clock.now()
        given = Approval(world.clock.unique(), plan.digest, "", (), frozenset(), LEE, "ticket", now, now)
        await approve_handover(world.deps, POLICY, await world.ledger.history(), given, 90 * DAY, lambda one: one)
        found.append(plan.digest)
    return found[0], found[1]


async def test_somebody_in_two_approved_plans_is_handed_over_by_either() -> None:
    """The larger one is run as it was approved, although an earlier one names one of them, too."""
    world = World()
    _, of_both = await two_plans(world)
    ended = await world.run(of_both, count=2)

    assert ["handed_over", "handed_over"] == [one.state for one in ended]


@pytest.mark.parametrize("jump", [timedelta(0), DAY])
async def test_what_was_approved_before_a_request_lets_no_second_one_pass(jump: timedelta) -> None:
    """Not by another plan either: whoever approved that knew nothing of how the first one went. A count that is wrong since says
    who dropped out."""
    world = World()
    of_lee, of_both = await two_plans(world)
    world.zoom.answer, world.zoom.done = Refused("no licence", kind="licence", code=300, status=400, do="license them"), False
    assert ["refused"] == [one.state for one in await world.run(of_lee)]
    world.clock.pass_time(jump)
    with pytest.raises(Held, match=r"1 account would be .* says 2 \(1 of the plan dropped out: lee@corp.example: no approval"):
        await world.run(of_both, count=2)
    assert ["not_tried", "refused"] == [one.state for one in await world.run(of_both)]

    assert ["z-lee", "z-pam"] == [zoom_id for zoom_id, _ in world.zoom.deleted]


@pytest.mark.parametrize("signed", [True, False])
async def test_where_signers_are_configured_only_what_is_signed_lets_it_pass(
    signed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the ledger holds: the run looks itself."""
    monkeypatch.setattr("tests.operations.test_handover.POLICY", replace(POLICY, signers=("Lee ssh-ed25519 AAAA",)))
    world = World()
    world.signed = signed
    await world.lee_left()
    plan, _ = await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE)
    now = world.clock.now()
    given = Approval("a", plan.digest, "", (), frozenset(), LEE, "ticket", now, now)
    history = await world.ledger.history()
    await approve_handover(world.deps, POLICY, history, given, DAY, lambda one: replace(one, signature="s"))
    if signed:
        assert ["handed_over"] == [one.state for one in await world.run(plan.digest)]
        return
    with pytest.raises(Held, match="no approval of this plan"):
        await world.run(plan.digest)
    assert [] == world.zoom.deleted


@pytest.mark.parametrize(
    ("name", "says"),
    [("lee", "kept, legal_hold"), ("mia", "no deactivated account"), ("nobody", "no deactivated account")],
)
async def test_who_is_not_due_is_named_with_the_reason(name: str, says: str) -> None:
    """Each says why."""
    world = World()
    world.rules = replace(RULES, hold_accounts=("lee@*",))
    await world.lee_left()
    with pytest.raises(UsageError, match=rf"not due: {name}@corp.example \({says}"):
        await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE, [f"{name}@corp.example"])


async def test_of_two_people_nobody_counts_who_said_yes_to_a_request_that_was_sent() -> None:
    """The same handovers planned anew have the same digest."""
    world = World()
    await world.lee_left()
    world.zoom.answer, world.zoom.done = Refused("no licence", kind="licence", code=300, status=400, do="license them"), False
    await world.run(await world.approved())
    plan, _ = await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE)
    now = world.clock.now()
    given = Approval("again", plan.digest, "", (), frozenset(), "Max", "ticket", now, now)
    agreement = await approve_handover(world.deps, POLICY, await world.ledger.history(), given, DAY, lambda one: one)

    assert 1 == agreement.people


@pytest.mark.parametrize(("days", "counts"), [(29, True), (31, False)])
async def test_a_plan_counts_for_30_days(days: int, counts: bool) -> None:
    """Whether or not another one was made since."""
    world = World()
    await world.lee_left()
    plan, _ = await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE)
    world.clock.pass_time(days * DAY)
    await world.cycle()
    now = world.clock.now()
    given = Approval("late", plan.digest, "", (), frozenset(), LEE, "ticket", now, now)
    history = await world.ledger.history()
    if counts:
        await approve_handover(world.deps, POLICY, history, given, DAY, lambda one: one)
        assert ["handed_over"] == [one.state for one in await world.run(plan.digest)]
        return
    with pytest.raises(UsageError, match="counts for 30 days"):
        await approve_handover(world.deps, POLICY, history, given, DAY, lambda one: one)
    with pytest.raises(UsageError, match="counts for 30 days"):
        await world.run(plan.digest)


async def test_nobody_runs_what_only_they_approved() -> None:
    """Two people, always."""
    world = World()
    await world.lee_left()
    digest = await world.approved(by=KIM)
    with pytest.raises(Held, match="only Kim approved"):
        await world.run(digest)
    assert [] == world.zoom.deleted


async def test_a_cycle_tells_what_leavers_left() -> None:
    """With the cycle that switched them off; whoever has no receiver stands first."""
    world = World()
    world.rules = replace(RULES, otherwise="")
    await world.cycle()
    world.person("ned", leaver_by=("Left",))
    world.person("lee", leaver_by=("Left",))
    report = await world.cycle()

    assert report.contents is not None
    assert [("ned@corp.example", None, "no manager is remembered"), ("lee@corp.example", "mia@corp.example", "")] == [
        (one.email, one.receiver, one.why_none) for one in report.contents
    ]
    assert Guard.HANDOVER not in [one.guard for one in report.verdicts if one.tripped]


async def test_a_directory_that_does_not_tell_managers_takes_no_memory_away() -> None:
    """Not told is not nobody: who managed somebody stays until the directory tells again; nobody is a word of its own."""
    world = World()
    await world.cycle()
    for above, receives in ((None, "mia@corp.example"), ("p-ned", "ned@corp.example"), ("", None)):
        world.person("lee", manager=above)
        world.person("mia", manager=None)
        await world.cycle()
        memory = (await world.ledger.history()).leavers["z-lee"]
        chain = (await world.ledger.personal([memory.who]))[memory.who]["managers"].split("\n") if memory.who else []
        assert (receives and f"p-{receives[:3]}") == (chain[0] if chain else None)


async def test_a_clock_that_jumps_30_days_hands_nobody_over() -> None:
    """The retention is not over because this machine says so: Zoom's and the directory's clocks are asked."""
    world = World()
    await world.cycle()
    world.person("lee", leaver_by=("Left",))
    await world.cycle()
    world.clock.pass_time(30 * DAY)
    world.zoom.offset_seconds = -30 * 86400.0
    with pytest.raises(Held, match="clock"):
        await make_plan(world.deps, POLICY, world.rules, Mode.ENFORCE)
    world.zoom.offset_seconds = None
    digest = await world.approved()
    world.zoom.offset_seconds = -30 * 86400.0
    with pytest.raises(Held, match="clock"):
        await world.run(digest)

    assert [] == world.zoom.deleted


async def test_days_that_really_passed_end_the_retention_and_the_approval() -> None:
    """Thirty days later an approval is over, and what was due may be planned anew."""
    world = World()
    await world.lee_left()
    digest = await world.approved()
    world.clock.pass_time(30 * DAY)
    with pytest.raises(Held, match="no approval"):
        await world.run(digest)
    (ended,) = await world.run(await world.approved())

    assert "handed_over" == ended.state
