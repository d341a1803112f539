"""The elector against answers that take their time, on a clock of the test."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from syncd.events import Event
from syncd.http.answers import Reply
from syncd.leadership.lease import Lease, LeaseSettings
from tests.fakes import FakeClock


class SlowServer:
    """Stands in for the HTTP client: holds one Lease of another holder, and takes *seconds* for an answer."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.seconds, self.written = clock, 0.0, 0
        self.spec: dict[str, Any] = {
            "holderIdentity": "rival",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 1,
            "renewTime": "t1",
        }

    async def request(self, _service: str, _operation: str, method: str, _path: str, *, json: Any, headers: Any) -> Reply:
        self.clock.pass_time(timedelta(seconds=self.seconds))
        if method == "PUT":
            self.written += 1
            self.spec = json["spec"]
        return Reply(200, {}, _body(self.spec))

    async def close(self) -> None:
        """Nothing is open."""


def _body(spec: dict[str, Any]) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "1"}, "spec": spec}).encode()


async def test_a_rival_s_time_counts_from_the_answer_not_from_the_question() -> None:
    """The rival may have renewed just before the server answered; from then on it has its whole lease."""
    clock, told = FakeClock(), list[Event]()
    server = SlowServer(clock)
    lease = Lease(LeaseSettings("syncd", "syncd", 15, "https://127.0.0.1:1", lambda: "t", "me"), clock, told.append)
    await lease._api.close()
    lease._api = server  # type: ignore[assignment]

    server.seconds = 9.0
    await lease._try()  # asked at 0 s, answered at 9 s
    server.seconds = 0.0
    clock.pass_time(timedelta(seconds=7))
    await lease._try()  # at 16 s: 7 s after the answer
    assert (0, False) == (server.written, lease.leads())
    clock.pass_time(timedelta(seconds=8.5))
    await lease._try()  # at 24.5 s: longer than a lease after the answer
    assert (1, True) == (server.written, lease.leads())
