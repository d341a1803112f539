"""The way over an active account, for a Zoom that hands over nothing of a deactivated one: only by a plan that says so, and
whatever happens in between, nobody is left with access."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.errors import AnswerLost, Held, Refused, SourceError, SyncdError
from syncd.model import Approval, Mode, Status
from syncd.operations.handover.approve import approve_handover
from syncd.operations.handover.look import look
from syncd.operations.handover.plan import make_plan
from syncd.operations.handover.settling import settle
from tests.operations.test_handover import DAY, LEE, POLICY, World

MUST_BE_ACTIVE = Refused(
    "The user must be active.", kind="must_be_active", code=200, status=400, do="syncd handover plan --reopen"
)


class Killed(BaseException):
    """kill -9."""


class Strict(World):
    """A Zoom that ends only active, licensed accounts; what was done to ``lee`` in order."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[str] = []
        self.dies_at = ""
        inner_status, inner_licence, inner_end = self.zoom.set_status, self.zoom.restore_licence, self.zoom.end_account

        async def set_status(zoom_id: str, *, active: bool) -> None:
            self.did.append("open" if active else "close")
            await inner_status(zoom_id, active=active)
            self.dies(self.did[-1])

        async def restore_licence(zoom_id: str, *, type_: int, plan: str | None) -> None:
            self.did.append("license")
            if self.seatless:
                raise Refused("no seat", kind="no_licence", code=3412, status=400, do="")
            await inner_licence(zoom_id, type_=type_, plan=plan)
            self.dies("license")

        async def end_account(zoom_id: str, *, end: str, receiver: str, content: tuple[str, ...]) -> None:
            self.did.append("end")
            account = self.zoom.accounts[zoom_id]
            if account.status is not Status.ACTIVE or account.type != 2:
                raise MUST_BE_ACTIVE
            await inner_end(zoom_id, end=end, receiver=receiver, content=content)
            self.dies("end")

        self.seatless = False
        self.zoom.set_status = set_status  # type: ignore[method-assign]
        self.zoom.restore_licence = restore_licence  # type: ignore[method-assign]
        self.zoom.end_account = end_account  # type: ignore[assignment]

    def dies(self, at: str) -> None:
        if at == self.dies_at:
            self.dies_at = ""
            raise Killed

    async def due(self) -> None:
        await self.lee_left()
        self.did.clear()

    async def reopening(self) -> str:
        plan, document = await make_plan(self.deps, POLICY, self.rules, Mode.ENFORCE, reopen=True)
        assert (["z-lee"], True) == ([one.zoom_id for one in plan.items], document["reopen"])
        assert "has access again" in document["way"]
        now = self.clock.now()
        given = Approval(self.clock.unique(), plan.digest, "", (), frozenset(), LEE, "ticket", now, now)
        await approve_handover(self.deps, POLICY, await self.ledger.history(), given, DAY, lambda one: one)
        return plan.digest

    async def stage(self) -> tuple[str, str | None]:
        found = await look(self.deps, POLICY, self.rules, Mode.ENFORCE)
        return next((one.stage.value, one.reason and one.reason.value) for one in found.cases if one.zoom_id == "z-lee")


async def test_it_is_off_unless_the_plan_says_so() -> None:
    """The usual plan opens nothing, and is another one."""
    world = Strict()
    await world.due()
    usual = await world.approved()
    (ended,) = await world.run(usual)

    assert ("refused", ["end"], "inactive") == (ended.state, world.did, world.status("lee"))
    assert "plan --reopen" in ended.do
    assert usual != await world.reopening()
    with pytest.raises(Held, match="no approval of this plan"):
        await world.run(usual)


async def test_opened_licensed_ended() -> None:
    """Each step is in the ledger before it is asked for, and nobody else saw a change that was not ours."""
    world = Strict()
    await world.due()
    (ended,) = await world.run(await world.reopening())

    assert ("handed_over", ["open", "license", "end"]) == (ended.state, world.did)
    assert ["z-lee"] == [zoom_id for zoom_id, _ in world.zoom.deleted]
    history = await world.ledger.history()
    assert {"reactivate", "handover"} == {one.action for one in history.effects.values() if one.zoom_id == "z-lee"} - {
        "deactivate"
    }


@pytest.mark.parametrize(
    "answer",
    [
        Refused("call queue", kind="call_queue", code=1000, status=400, do="name another manager"),
        AnswerLost("no answer"),
        SourceError("zoom", "nothing was sent"),
    ],
)
async def test_it_is_closed_again_whatever_zoom_answers(answer: SyncdError) -> None:
    """And the retention that ran before is not begun anew."""
    world = Strict()
    await world.due()
    world.zoom.answer, world.zoom.done = answer, False
    (ended,) = await world.run(await world.reopening())

    assert ["open", "license", "end", "close"] == world.did
    assert "inactive" == world.status("lee")
    expected = ("unconfirmed", None) if isinstance(answer, AnswerLost) else ("due", None)
    assert expected == await world.stage()
    assert "ACTIVE" not in ended.says


async def test_without_a_seat_nothing_is_ended() -> None:
    """It is closed again, and says what is missing."""
    world = Strict()
    await world.due()
    world.seatless = True
    (ended,) = await world.run(await world.reopening())

    assert ("refused", ["open", "license", "close"], "inactive") == (ended.state, world.did, world.status("lee"))
    assert "seat" in ended.do
    assert [] == world.zoom.deleted


@pytest.mark.parametrize("stops", [True, False])
async def test_somebody_who_stops_syncd_leaves_no_door_open(stops: bool) -> None:
    """Closing is sent although nothing else is any more; one that cannot be closed is shouted."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    sends: list[bool] = []
    world.zoom.answer, world.zoom.done = Refused("no", kind="other", code=300, status=400, do=""), False
    if stops:
        world.zoom.send_only_while = lambda may: sends.append(may())  # type: ignore[attr-defined]
    else:
        world.zoom.trouble = lambda operation, *_: None  # type: ignore[attr-defined]
        inner = world.zoom.set_status

        async def set_status(zoom_id: str, *, active: bool) -> None:
            if not active:
                raise SourceError("zoom", "Zoom cannot be reached")
            await inner(zoom_id, active=active)

        world.zoom.set_status = set_status  # type: ignore[method-assign]
    (ended,) = await world.run(digest)

    assert ("inactive" if stops else "active") == world.status("lee")
    assert (True if stops else "IT MAY STILL BE ACTIVE" in ended.says) is True
    assert ([True] == sends[:1]) is stops
    assert ("syncd account deactivate lee@corp.example" in ended.do) is not stops


@pytest.mark.parametrize("at", ["open", "license", "end"])
async def test_killed_while_it_was_open_the_next_cycle_switches_it_off(at: str) -> None:
    """Nobody entitled has it, so it goes as anybody's account does; a look tells what became of the request."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    world.dies_at = at
    with pytest.raises(Killed):
        await world.run(digest)
    assert (None if at == "end" else "active") == (None if "z-lee" not in world.zoom.accounts else world.status("lee"))
    report = await world.cycle()
    async with world.ledger.writer(0.0) as term:
        await settle(world.deps, term)

    assert [] == [one for one in report.verdicts if one.tripped]
    assert ("handed_over" if at == "end" else "unconfirmed") == (await world.stage())[0]
    if at != "end":
        assert "inactive" == world.status("lee")
    with pytest.raises(Held):
        await world.run(digest)
    assert (1 if at == "end" else 0) == len(world.zoom.deleted)


async def test_killed_before_it_was_opened_everything_is_as_before() -> None:
    """The announcement alone takes nothing from what is known of the account."""
    world = Strict()
    await world.due()
    digest = await world.reopening()

    async def set_status(zoom_id: str, *, active: bool) -> None:
        raise Killed

    inner, world.zoom.set_status = world.zoom.set_status, set_status  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await world.run(digest)
    world.zoom.set_status = inner  # type: ignore[method-assign]
    async with world.ledger.writer(0.0) as term:
        await settle(world.deps, term)
    assert (await world.ledger.history()).deactivated["z-lee"].reactivated_at is not None  # it may still be on its way
    world.clock.pass_time(timedelta(minutes=11))
    async with world.ledger.writer(0.0) as term:
        await settle(world.deps, term)
    last = (await world.ledger.history()).deactivated["z-lee"]

    assert (None, "unconfirmed") == (last.reactivated_at, (await world.stage())[0])
    assert await world.reopening()


async def test_whoever_is_re_hired_while_it_was_open_keeps_it() -> None:
    """After a crash the cycle asks the directory, as always."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    world.dies_at = "license"
    with pytest.raises(Killed):
        await world.run(digest)
    world.person("lee")
    await world.cycle()
    async with world.ledger.writer(0.0) as term:
        await settle(world.deps, term)

    assert "active" == world.status("lee")


async def test_an_account_that_does_not_become_active_is_not_ended() -> None:
    """A yes that does not show is no yes; nothing was taken from what is known of the account."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    world.zoom.ignores.add("z-lee")
    (ended,) = await world.run(digest)

    assert ("refused", ["open"]) == (ended.state, world.did)
    assert "does not show as active" in ended.says


async def test_a_refusal_to_open_it_leaves_all_as_it_was() -> None:
    """The account stays deactivated and due."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    world.zoom.answers["z-lee", "set_status"] = (Refused("cap", kind="cap", code=3412, status=400, do=""), False)
    (ended,) = await world.run(digest)

    assert ("refused", ["open"], ("due", None)) == (ended.state, world.did, await world.stage())


@pytest.mark.parametrize("lands", [True, False])
async def test_a_lost_answer_to_opening_it_may_still_come_true(lands: bool) -> None:
    """Minutes later it is active: by our doing, so the next cycle switches it off. If it never is, all is as before."""
    world = Strict()
    await world.due()
    digest = await world.reopening()
    world.zoom.answers["z-lee", "set_status"] = (AnswerLost("no answer"), False)
    (ended,) = await world.run(digest)
    assert ("refused", ["open"], "inactive") == (ended.state, world.did, world.status("lee"))
    world.zoom.answers.clear()
    if lands:
        world.account("lee")
        await world.cycle()
        assert "inactive" == world.status("lee")
    for minutes, known in ((1, not lands), (11, False)):
        world.clock.pass_time(timedelta(minutes=minutes))
        async with world.ledger.writer(0.0) as term:
            await settle(world.deps, term)
        assert known == ((await world.ledger.history()).deactivated["z-lee"].reactivated_at is not None)

    assert ("waiting" if lands else "due", None) == await world.stage()
