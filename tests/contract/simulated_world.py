"""A world whose Zoom is the strict simulator behind the real adapter: real HTTP on a loopback port, a clock that jumps.

Directory and ledger are the in-memory ones; a "restart" gives a new adapter and keeps ledger and Zoom as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from syncd.events import Event
from syncd.lab.server import serve
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import Seen, SimulatedZoom
from syncd.lab.zoom.tenant import Group, Tenant, ZoomUser, a_user
from syncd.model import CycleReport, Mode, Person, Policy, Trigger
from syncd.operations.cycle import Dependencies, Run, run_cycle
from syncd.zoom.api import ZoomApi, ZoomSettings
from tests.fakes import FakeDirectory, FakeLeadership, MemoryLedger
from tests.http.scripted_http import JumpingClock

CROWD = 80
ENTITLED = ("Zoom Users",)
POLICY = Policy("lab-account", ("corp.example",), grace=timedelta(0), grace_reads=1, reactivate_reads=1)


class Clock(JumpingClock):
    """As the scripted server's, with the jitter in the middle."""

    def random(self) -> float:
        return 0.5


def address(name: str) -> str:
    return f"{name}@corp.example"


@dataclass
class SimulatedWorld:
    """People, accounts, and cycles over them. Everybody of the crowd is in step, so that shares are small."""

    clock: Clock
    zoom: SimulatedZoom
    url: str
    directory: FakeDirectory
    ledger: MemoryLedger
    settings: ZoomSettings
    policy: Policy = POLICY
    told: list[Event] = field(default_factory=list)
    credential: str = "app-1"
    concurrency: int = 4
    adapter: ZoomApi | None = None

    # ------------------------------------------------------------------------------------------------- who there is

    def employ(self, *names: str, **fields: Any) -> None:
        """Entitled, with an active licensed account."""
        for name in names:
            self.directory.people[name] = Person(name, (address(name),), name.title(), entitled_by=ENTITLED)
            self.zoom.tenant.put(a_user(address(name), **{"type": 2, **fields}))

    def leaves(self, *names: str) -> None:
        """Disabled in the directory: due at once."""
        for name in names:
            self.directory.people[name] = structs.replace(self.directory.people[name], enabled=False)

    def comes_back(self, *names: str) -> None:
        """Enabled again."""
        for name in names:
            self.directory.people[name] = structs.replace(self.directory.people[name], enabled=True)

    def user(self, name: str) -> ZoomUser:
        """The account as Zoom has it now."""
        return self.zoom.tenant.existing(address(name))

    def writes(self, operation: str = "", name: str = "") -> list[Seen]:
        """Requests for a change, carried out or not."""
        user = self.user(name).id if name else ""
        return [seen for seen in self.zoom.writes if operation in ("", seen.operation) and user in ("", seen.user)]

    # ---------------------------------------------------------------------------------------------------- what it does

    @property
    def deps(self) -> Dependencies:
        assert self.adapter is not None
        return Dependencies(
            self.directory,
            self.adapter,
            self.ledger,
            FakeLeadership(),
            self.clock,
            self.told.append,
            "0.test",
            credential=lambda: self.credential,
            concurrency=self.concurrency,
        )

    async def restart(self, **changes: Any) -> None:
        """A new process: nothing is kept in memory."""
        if self.adapter is not None:
            await self.adapter.close()
        self.settings = replace(self.settings, **changes)
        self.adapter = ZoomApi(self.settings, self.clock, self.told.append, store=self.ledger)

    async def cycle(self, mode: Mode = Mode.ENFORCE, trigger: Trigger = Trigger.APPLY) -> CycleReport:
        """One cycle under a new term; in report mode a dry run."""
        async with self.ledger.writer(0) as term:
            return await run_cycle(self.deps, self.policy, Run(mode, trigger, term if mode is Mode.ENFORCE else None))

    async def in_enforcing_use(self) -> None:
        """A first cycle with everybody in step, so that ``policy-changed`` is not armed."""
        report = await self.cycle()
        assert (0, 0) == (report.exit_code, len(self.zoom.writes)), (report.result, report.why)


def fate(report: CycleReport, name: str) -> tuple[str, str]:
    """(outcome, reason) of an account's change, or (action, reason) of its decision when there was none."""
    assert report.plan is not None, report.why
    decision = next(one for one in report.plan.decisions if one.account.email == address(name))
    outcome = report.outcomes.get(decision.key)
    return (decision.action.value, decision.reason.value) if outcome is None else (outcome.outcome.value, outcome.reason)


def settings(zoom: SimulatedZoom, url: str, **more: Any) -> ZoomSettings:
    """An adapter's settings for this simulated account."""
    app = zoom.oauth
    return ZoomSettings(
        **{
            "account_id": app.account_id,
            "client_id": app.client_id,
            "client_secret": lambda: app.client_secret,
            "token_url": f"{url}/oauth/token",
            "api_url": f"{url}/v2",
            "share": 1.0,
            "account_plan": "business",
            "required_roles": ("member",),
            "writes": True,
            "request_seconds": 5.0,
            **more,
        }
    )


@asynccontextmanager
async def a_world(*, plan: str | None = None, crowd: int = CROWD, **more: Any) -> AsyncIterator[SimulatedWorld]:
    """A company of *crowd* colleagues; *plan* names the limits Zoom enforces (None: none), *more* are adapter settings."""
    clock = Clock(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    zoom = SimulatedZoom(
        Tenant(groups=(Group("g-rooms", "Rooms"),)), now=clock.now, sleep=clock.sleep, oauth=OAuth(), limits=AccountLimits(plan)
    )
    async with serve(zoom) as serving:
        fake_clock: Any = clock
        world = SimulatedWorld(
            clock, zoom, serving.url, FakeDirectory(fake_clock), MemoryLedger(fake_clock), settings(zoom, serving.url, **more)
        )
        world.employ(*(f"crowd{number:03}" for number in range(crowd)), type=1)
        await world.restart()
        try:
            yield world
        finally:
            assert world.adapter is not None
            await world.adapter.close()
