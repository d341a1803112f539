"""Leading by a Kubernetes Lease: whoever holds it may change things, and stops before anybody else can start.

One deadline decides: the moment *before* the last good renewal was sent, plus the renew deadline, which is shorter than the
lease. Every request is cut off at what is left of it; any error counts as "not renewed". ``leads`` compares with that deadline
and is asked right before every write, so a process that was frozen finds out before it writes again. The API server cannot
stop a write that is already on its way; the ledger's term refuses whatever a former leader still wants to record.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.errors import ConfigError, ExitCode, SyncdError
from syncd.events import LeadershipChanged, Noted
from syncd.http.answers import Reply
from syncd.http.client import Api, ApiSettings
from syncd.leadership.claim import LeaseRecord, Observation, may_take, observed, released, taken
from syncd.model import Head
from syncd.ports import Clock, ReadSecret, Tell

#: Where Kubernetes mounts the service account of a pod.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: Parts of the lease's duration: how long a leader goes on without a good renewal, and how often it renews.
RENEW_DEADLINE = 2 / 3
RENEW_EVERY = 1 / 6


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The ``leadership.lease`` section. *token* is read at each request, since projected tokens rotate."""

    namespace: str
    name: str
    duration_seconds: int
    api_url: str
    token: ReadSecret
    identity: str
    ca_file: str | None = None


class LeaseRefused(SyncdError):
    """The API server answered, but not with a Lease: missing rights, wrong namespace, somebody was faster."""

    exit_code = ExitCode.NOT_LEADER


class Lease:
    """Implements ``ports.Leadership``. Only ``running`` keeps the lease; without it nobody leads."""

    def __init__(self, settings: LeaseSettings, clock: Clock, tell: Tell) -> None:
        self._settings, self._clock, self._tell = settings, clock, tell
        self._api = Api(
            ApiSettings(
                "kubernetes",
                "kubernetes",
                settings.api_url,
                ca_file=settings.ca_file,
                proxy_from_environment=False,
                concurrency=2,
                retries={},
                request_seconds=settings.duration_seconds * RENEW_DEADLINE,
            ),
            clock,
            tell,
        )
        self._seen: Observation | None = None
        self._good_until = clock.monotonic()  # we lead until then
        self._term = 0
        self._head: Head | None = None  # of the ledger, to be published with the next renewal
        self._announced = False  # what was told last
        self._leads = asyncio.Event()

    def publish(self, head: Head) -> None:
        """Writes the end of the ledger into the lease with its next renewal."""
        self._head = head

    def published(self) -> tuple[Head, ...]:
        """The end of the ledger as the lease had it when it was last seen."""
        head = self._seen.record.head if self._seen is not None else None
        return (head,) if head is not None else ()

    async def look(self) -> tuple[Head, ...]:
        """Reads the lease once, to learn what it publishes; without ``running``. Raises SyncdError."""
        try:
            record = await self._read()
        finally:
            await self._api.close()
        return (record.head,) if record is not None and record.head is not None else ()

    def leads(self) -> bool:
        """True while nobody else may be leading."""
        return self._term > 0 and self._clock.monotonic() < self._good_until

    async def lead(self) -> int:
        """Waits until this process leads; the number of changes of holder so far (higher for every later leader)."""
        while not self.leads():
            self._leads.clear()
            await self._leads.wait()
        return self._term

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tries for the lease, renews it, and gives it back at the end."""
        task = asyncio.create_task(self._run(), name="lease")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._give_back()
            await self._api.close()

    # ------------------------------------------------------------------------------------------------------- the loop

    async def _run(self) -> None:
        every = self._settings.duration_seconds * RENEW_EVERY
        while True:
            await self._try()
            await self._clock.sleep(every * (0.8 + 0.4 * self._clock.random()))

    async def _try(self) -> None:
        """One look, and one write when the lease is free or ours. Whatever fails means: not renewed."""
        sent_at = self._clock.monotonic()
        whole = self._settings.duration_seconds * RENEW_DEADLINE
        budget = max(0.5, self._good_until - sent_at) if self.leads() else whole
        try:
            async with asyncio.timeout(budget):
                taken_now = await self._take(sent_at)
        except (SyncdError, TimeoutError, ValueError) as error:
            self._tell(Noted("lease.not_renewed", "warning", {"why": str(error) or "no answer in time", "leads": self.leads()}))
            taken_now = False
        if taken_now:
            self._good_until = sent_at + whole
            self._leads.set()
        self._announce("the lease was not renewed in time")

    def _announce(self, why: str) -> None:
        """Tells when what was told last is no longer so. A process that was frozen learns here, too, that it lost the lease."""
        if self.leads() != self._announced:
            self._announced = not self._announced
            self._tell(LeadershipChanged(leader=self._announced, term=self._term, why="" if self._announced else why))

    async def _take(self, now: float) -> bool:
        record = await self._read()
        if record is not None:
            # As of the answer, not of the question: a rival may have renewed while the answer was on its way.
            self._seen = observed(self._seen, record, self._clock.monotonic())
            if not may_take(self._seen, self._settings.identity, now):
                if record.holder != self._settings.identity:
                    self._good_until = now  # somebody else holds it, whatever we believed
                return False
        body = taken(
            self._settings.name,
            self._settings.namespace,
            record,
            self._settings.identity,
            self._settings.duration_seconds,
            self._clock.now(),
            self._head,
        )
        reply = await (
            self._ask("PUT", self._path(), body) if record is not None else self._ask("POST", self._path(whole=True), body)
        )
        if reply.status == 409:  # somebody was faster: look again next time
            return False
        mine = LeaseRecord.of(self._json(reply))
        self._seen = observed(self._seen, mine, now)
        self._term = mine.transitions
        return mine.holder == self._settings.identity

    async def _read(self) -> LeaseRecord | None:
        reply = await self._ask("GET", self._path())
        return None if reply.status == 404 else LeaseRecord.of(self._json(reply))

    async def _give_back(self) -> None:
        """Frees the lease if it is ours, so that the next leader need not wait; its failure only costs that wait."""
        if not self.leads() or self._seen is None:
            return
        self._good_until = self._clock.monotonic()
        self._announce("stopping")
        try:
            async with asyncio.timeout(2.0):
                record = await self._read()
                if record is not None and record.holder == self._settings.identity:
                    body = released(self._settings.name, self._settings.namespace, record, self._clock.now())
                    self._json(await self._ask("PUT", self._path(), body))
        except (SyncdError, TimeoutError, ValueError) as error:
            self._tell(Noted("lease.not_released", "warning", {"why": str(error) or "no answer in time"}))

    # -------------------------------------------------------------------------------------------------------- requests

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        token = self._settings.token()
        return await self._api.request("lease", "lease", method, path, json=body, headers={"authorization": f"Bearer {token}"})

    def _path(self, *, whole: bool = False) -> str:
        collection = f"/apis/coordination.k8s.io/v1/namespaces/{self._settings.namespace}/leases"
        return collection if whole else f"{collection}/{self._settings.name}"

    def _json(self, reply: Reply) -> dict[str, Any]:
        if not 200 <= reply.status < 300:
            raise LeaseRefused(
                f"the API server answered {reply.status} for the lease {self._settings.namespace}/{self._settings.name}",
                "The service account needs get and update on that Lease, and create on leases in its namespace.",
            )
        found = json.loads(reply.body)
        if not isinstance(found, dict):
            raise LeaseRefused("the API server's answer is no Lease")
        return found


def in_cluster_url(environment: dict[str, str]) -> str:
    """The API server's address inside a pod. Raises ConfigError outside of one."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError(
            "leadership.lease: this is no pod (KUBERNETES_SERVICE_HOST is not set)",
            do="Set leadership.lease.api_url, or lease: null to lead alone.",
        )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
