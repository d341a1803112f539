"""What reading Entra costs: requests, seconds and memory for a first read, and for a cycle in which nothing changed.

    python -m tests.benchmarks.entra_read [PEOPLE] [LATENCY_MS]

The simulated token service and Graph run in another process and answer every request after that latency (50 ms unless told
otherwise). Half of the people are in the group itself, half come by two nested groups. Fails when a number is above what the
project promises: pages of 999 users and of 999 members, one request per group, and ten; 200 MiB; ten for an unchanged cycle.
"""

from __future__ import annotations

import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncd.directories.entra.reader import ClientSecret, EntraDirectory, EntraSettings
from syncd.events import Answered, Event
from syncd.host.clock import SystemClock

MEMORY_MIB_MAX = 200
UNCHANGED_MAX = 10


async def serve(people: int, latency_seconds: float, folder: Path) -> None:
    """The services, until standard input ends."""
    from syncd.lab.entra.login import SimulatedLogin
    from syncd.lab.entra.objects import a_group, a_person
    from syncd.lab.entra.serving import serve_entra
    from syncd.lab.entra.tenant import EntraTenant
    from syncd.lab.graph.service import SimulatedGraph

    names = [f"first.last{number}@corp.example" for number in range(people)]
    half, quarter = people // 2, people // 4
    tenant = EntraTenant(
        [
            *(
                a_person(name, department="Sales", proxy_addresses=(f"SMTP:{name}", f"smtp:u{number}@old.example"))
                for number, name in enumerate(names)
            ),
            *map(a_group, ("Zoom Users", "North", "South")),
        ],
        {
            "Zoom Users": [*names[:half], "North", "South"],
            "North": names[half : half + quarter],
            "South": names[half + quarter :],
        },
        now=lambda: datetime.now(UTC),
    )
    login = SimulatedLogin(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)
    graph = SimulatedGraph(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep, tokens=login.tokens)
    login.latency_seconds = graph.latency_seconds = latency_seconds
    async with serve_entra(login, graph, folder) as serving:
        print(
            json.dumps(
                {
                    "tenant_id": tenant.id,
                    "client_id": login.app.client_id,
                    "authority_url": serving.authority_url,
                    "graph_url": serving.graph_url,
                    "ca_file": str(serving.ca_file),
                    "secret": login.app.secrets[0].value,
                }
            ),
            flush=True,
        )
        await asyncio.to_thread(sys.stdin.read)


class InMemory:
    """A side table."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def get_state(self, key: str) -> Any:
        return self.values.get(key)

    async def set_state(self, key: str, value: Any) -> None:
        self.values[key] = value


async def measure(people: int, where: dict[str, str]) -> bool:
    """Reads twice and prints what it cost; whether it was within what is promised."""
    told: list[Event] = []
    secret = where.pop("secret")
    directory = EntraDirectory(
        EntraSettings(credential=ClientSecret(lambda: secret), groups=("Zoom Users",), **where),  # type: ignore[arg-type]
        SystemClock(),
        told.append,
        state=InMemory(),
    )
    before = _peak_mib()
    allowed = math.ceil(people / 999) * 2 + 3 + 10
    good = True
    for what, requests_max in (("first read", allowed), ("unchanged", UNCHANGED_MAX)):
        told.clear()
        started = time.perf_counter()
        snapshot = await directory.read()
        seconds = time.perf_counter() - started
        requests = sum(1 for event in told if isinstance(event, Answered) and event.operation != "token")
        entitled = sum(1 for person in snapshot.people if person.entitled_by)
        print(
            f"{what:<11} {len(snapshot.people):,} people, {entitled:,} entitled: "
            f"{requests} requests (at most {requests_max}), {seconds:.2f} s, "
            f"peak {_peak_mib():.0f} MiB (before: {before:.0f} MiB)"
        )
        good = good and requests <= requests_max and entitled == people
    await directory.close()
    return good and _peak_mib() < MEMORY_MIB_MAX


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(people: int = 50_000, latency_ms: float = 50.0) -> int:
    """0 when everything is within what is promised."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.entra_read", "--serve", str(people), str(latency_ms), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            return 0 if asyncio.run(measure(people, json.loads(server.stdout.readline()))) else 1
        finally:
            server.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(int(sys.argv[2]), float(sys.argv[3]) / 1000, Path(sys.argv[4])))
    else:
        sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
