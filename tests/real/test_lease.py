"""Leadership by a real Lease on a real API server, with the rights of the manifests and with faults on the way to it."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from syncd.events import Event, LeadershipChanged, Noted
from syncd.host.clock import SystemClock
from syncd.leadership.lease import Lease, LeaseSettings
from tests.adlab.fakeldap import Proxy
from tests.kube.cluster import Cluster

# A connection that is cut off while its TLS handshake hangs is closed by the garbage collector, with a warning.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: Short, so that the tests are; the proportions are those of production.
DURATION = 3


@dataclass
class Candidate:
    """One elector, what it told, and when it led (sampled)."""

    lease: Lease
    told: list[Event] = field(default_factory=list)

    @property
    def noted(self) -> list[str]:
        return [event.event for event in self.told if isinstance(event, Noted)]

    @property
    def changes(self) -> list[bool]:
        return [event.leader for event in self.told if isinstance(event, LeadershipChanged)]


@dataclass
class Election:
    """Candidates for one lease of their own."""

    cluster: Cluster
    token: str
    name: str

    def candidate(self, identity: str, port: int | None = None, token: Callable[[], str] | None = None) -> Candidate:
        """*port*: of a proxy in front of the API server."""
        told: list[Event] = []
        settings = LeaseSettings(
            "syncd",
            self.name,
            DURATION,
            f"https://127.0.0.1:{port or self.cluster.port}",
            token or (lambda: self.token),
            identity,
            str(self.cluster.ca_file),
        )
        return Candidate(Lease(settings, SystemClock(), told.append), told)

    def spec(self) -> dict[str, object]:
        status, body = self.cluster.ask("GET", f"/apis/coordination.k8s.io/v1/namespaces/syncd/leases/{self.name}")
        assert 200 == status
        return dict(body["spec"])


@pytest.fixture
def election(cluster: Cluster) -> Iterator[Election]:
    name = f"syncd-{uuid.uuid4().hex[:8]}"
    yield Election(cluster, cluster.service_account("syncd", name, name), name)
    gc.collect()  # what was cut off in its handshake goes here, not in another test


@asynccontextmanager
async def watched(*candidates: Candidate) -> AsyncIterator[list[tuple[bool, ...]]]:
    """Samples who leads, many times a second, while the block runs."""
    samples: list[tuple[bool, ...]] = []

    async def look() -> None:
        while True:
            samples.append(tuple(candidate.lease.leads() for candidate in candidates))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(look())
    try:
        yield samples
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def never_two(samples: list[tuple[bool, ...]]) -> bool:
    return all(sum(sample) <= 1 for sample in samples)


async def test_one_leads_and_the_other_follows_when_it_is_released(election: Election) -> None:
    """A stopping leader gives the lease back, so the next one has a higher number and need not wait the lease out."""
    a, b, c = (election.candidate(name) for name in "abc")
    async with watched(a, b, c) as samples:
        async with a.lease.running():
            first = await asyncio.wait_for(a.lease.lead(), 20)
            async with b.lease.running():
                await asyncio.sleep(DURATION * 1.5)
                assert (True, False) == (a.lease.leads(), b.lease.leads())
        assert "" == election.spec()["holderIdentity"]
        async with c.lease.running():
            second = await asyncio.wait_for(c.lease.lead(), 20)
    assert (1, 2) == (first, second)
    assert never_two(samples)
    assert [True, False] == a.changes


async def test_a_leader_whose_api_server_falls_silent_stops_before_the_next_one_starts(election: Election) -> None:
    """Requests hang; the deadline, not an answer, ends the leadership."""
    proxy = Proxy(("127.0.0.1", election.cluster.port), stall_after=10**9)
    with proxy:
        a, b = election.candidate("a", proxy.port), election.candidate("b")
        async with watched(a, b) as samples, a.lease.running():
            await asyncio.wait_for(a.lease.lead(), 20)
            async with b.lease.running():
                proxy.stall_after = 0  # from now on nothing comes back
                await asyncio.wait_for(b.lease.lead(), 30)
                await asyncio.sleep(1)
                assert (False, True) == (a.lease.leads(), b.lease.leads())
                proxy.stalled = False
        assert never_two(samples)
    assert "lease.not_renewed" in a.noted


async def test_a_leader_whose_connections_are_cut_stops_too(election: Election) -> None:
    """Errors at once are no better than silence: any failure means not renewed."""
    proxy = Proxy(("127.0.0.1", election.cluster.port), kill_after=10**9)
    with proxy:
        a, b = election.candidate("a", proxy.port), election.candidate("b")
        async with watched(a, b) as samples, a.lease.running():
            await asyncio.wait_for(a.lease.lead(), 20)
            async with b.lease.running():
                proxy.kill_after = 0
                await asyncio.wait_for(b.lease.lead(), 30)
                proxy.kill_after = None  # it comes back as a follower
                await asyncio.sleep(DURATION)
                assert (False, True) == (a.lease.leads(), b.lease.leads())
        assert never_two(samples)


async def test_a_loop_that_was_frozen_finds_out_before_its_next_write(election: Election) -> None:
    """Nothing renewed while the process slept: asked again, it no longer leads, without any request in between."""
    import time

    a, b = election.candidate("a"), election.candidate("b")
    async with a.lease.running():
        await asyncio.wait_for(a.lease.lead(), 20)
        time.sleep(DURATION)  # noqa: ASYNC251 (the freeze itself)
        assert not a.lease.leads()
    del b


async def test_missing_rights_are_said_and_nobody_leads(election: Election) -> None:
    """A token without the Role: the warning names what to grant."""
    other = election.cluster.service_account("elsewhere", "nobody", "other")
    a = election.candidate("a", token=lambda: other)
    async with a.lease.running():
        while "lease.not_renewed" not in a.noted:
            await asyncio.sleep(0.05)
        assert not a.lease.leads()
    [why] = {str(event.facts["why"]) for event in a.told if isinstance(event, Noted)}
    assert "403" in why
    assert "get and update on that Lease" in why


async def test_the_service_account_may_touch_its_own_lease_only(election: Election) -> None:
    """Least privilege, as the API server judges it."""
    leases = "/apis/coordination.k8s.io/v1/namespaces/syncd/leases"
    assert 403 == election.cluster.ask("GET", f"{leases}/another", token=election.token)[0]
    assert 403 == election.cluster.ask("GET", "/api/v1/namespaces/syncd/secrets", token=election.token)[0]
