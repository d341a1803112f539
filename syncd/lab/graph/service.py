"""Microsoft Graph v1.0 in front of a simulated Entra tenant: strictly, with permissions, paging, throttling and bad days.

    graph = SimulatedGraph(tenant, now=now, sleep=sleep, tokens=login.tokens)      # ASGI; serve it with lab.server
    graph.faults.add(throttled(seconds=2), "members", skip=1)                      # see graph_faults

It answers below ``/v1.0``; what it serves stands in ``operations.py``, whose names are those of operations everywhere
(``members``, ``user``, ``users_delta`` …). It may be changed while it runs: ``tenant``, ``limits``, ``faults`` and ``reads``
(how far replicas are behind: ``read_lag``, ``index_lag``, ``delta_lag``; page tokens: ``pages``; delta tokens: ``deltas``).

For assertions: ``requests`` and ``asked(operation)``, each with its cost in resource units; ``units_used``; ``early_retries``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from syncd.lab.answers import Answer
from syncd.lab.entra.apps import EntraApp
from syncd.lab.entra.login import GRAPH_APP_ID
from syncd.lab.entra.tenant import CLOUDS, EntraTenant
from syncd.lab.entra.tokens import AccessTokens, Grant
from syncd.lab.faults import Fault
from syncd.lab.graph.answers import GraphRefused, bad_request, denied, unauthorized
from syncd.lab.graph.batch import Step, answered, steps_of
from syncd.lab.graph.faults import EmptyPage
from syncd.lab.graph.limits import GraphLimits, OverLimit, units_for
from syncd.lab.graph.operations import CASTS, OPERATIONS, Operation, cost_of
from syncd.lab.graph.reads import Ask, Reads, below_version
from syncd.lab.graph.wire import Call, Service

VERSION = "/v1.0"

#: Above this share of the limit the answers say how much is used.
_TOLD_FROM = 0.8


class SimulatedGraph(Service):
    """The tenant behind Graph's API. Without *tokens* it has a register of its own. *apps* can be asked for their secrets'
    expiry. *root* replaces the address the request came to in links, for example ``https://graph.microsoft.com/v1.0``."""

    def __init__(
        self,
        tenant: EntraTenant,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]],
        tokens: AccessTokens | None = None,
        apps: Sequence[EntraApp] = (),
        limits: GraphLimits | None = None,
        root: str | None = None,
    ) -> None:
        super().__init__(now=now, sleep=sleep)
        self.tenant = tenant
        self.tokens = tokens or AccessTokens()
        self.limits = limits or GraphLimits(units_for(tenant.user_count))
        self.reads = Reads(tenant, apps)
        self.root = root

    @property
    def units_used(self) -> int:
        """Resource units of all requests so far."""
        return sum(seen.cost for seen in self.requests)

    def place(self, call: Call) -> None:
        """Finds operation, target and cost in the table."""
        operation, words = _placed(call)
        if operation is not None:
            call.operation, call.target, call.cost = operation.name, words.get("key") or "", cost_of(operation, call.query)

    async def work(self, call: Call, struck: list[Fault]) -> Answer:
        """Token, limit, permission, then the work itself. Raises GraphRefused."""
        if any(fault.token_expired for fault in struck):
            self.tokens.expire(call.headers.get("authorization"), call.at)
        if any(fault.page_token_expired for fault in struck):
            self.reads.pages.expire_all()
        call.reply_headers = {
            "request-id": call.request_id,
            "client-request-id": call.client_request_id,
            "OData-Version": "4.0",
            "Cache-Control": "no-cache",
        }
        grant = self._authorised(call)
        call.app = grant.client_id
        operation, words = _placed(call)
        if operation is None:
            raise bad_request(f"Resource not found for the segment '{below_version(call.path).split('/')[1]}'.", "BadRequest")
        if operation.name == "batch":
            return await self._batch(call)
        self._billed(call, grant)
        if not operation.allowed(grant.roles):
            raise denied()
        cast = words.get("cast")
        if cast is not None and cast not in CASTS:
            raise bad_request(f"Type '{cast}' is not a member of this collection.", "BadRequest")
        return self.reads.answer(
            Ask(
                call,
                operation,
                words.get("key") or "",
                CASTS[cast] if cast else None,
                grant.roles,
                self.root or f"{call.base_url}{VERSION}",
                any(isinstance(f, EmptyPage) for f in struck),
            )
        )

    def _authorised(self, call: Call) -> Grant:
        header = call.headers.get("authorization")
        if not header or not header.partition(" ")[2].strip():
            raise unauthorized("Access token is empty.")
        grant = self.tokens.find(header)
        if grant is None:
            raise unauthorized("IDX14100: JWT is not well formed, there are no dots (.).")
        if grant.expires_at <= call.at:
            raise unauthorized("Lifetime validation failed, the token is expired.")
        if grant.audience.rstrip("/") not in (CLOUDS[self.tenant.cloud][1], GRAPH_APP_ID):
            raise unauthorized("Access token validation failure. Invalid audience.")
        return grant

    def _billed(self, call: Call, grant: Grant) -> None:
        call.reply_headers["x-ms-resource-unit"] = str(call.cost)
        try:
            share = self.limits.take(call.cost, call.at)
        except OverLimit as over:
            raise GraphRefused(
                429,
                "TooManyRequests",
                "Too many requests.",
                retry_at=over.resume_at,
                headers={
                    "Retry-After": str(over.seconds),
                    "x-ms-throttle-information": "ResourceUnitLimitExceeded",
                    "x-ms-throttle-scope": f"Tenant_Application/ReadWrite/{grant.client_id}/{grant.tenant_id}",
                },
            ) from None
        if share >= _TOLD_FROM:
            call.reply_headers["x-ms-throttle-limit-percentage"] = f"{share:.2f}"

    async def _batch(self, call: Call) -> Answer:
        async def one(step: Step) -> Answer:
            parts = urlsplit(step.url if step.url.startswith("/") else f"/{step.url}")
            headers = {name.lower(): value for name, value in step.headers.items()}
            inner = self.arrived(
                step.method,
                VERSION + parts.path,
                parts.query,
                {"authorization": call.headers.get("authorization", ""), **headers},
                b"" if step.body is None else msgspec.json.encode(step.body),
                call.base_url,
                batched=True,
            )
            if inner.operation == "batch":
                raise bad_request("A batch cannot hold a batch.", "BadRequest")
            answer, cuts = await self.answered(inner)
            return Answer(503) if cuts else answer

        return await answered(steps_of(call.body), one)


def _placed(call: Call) -> tuple[Operation | None, dict[str, str | None]]:
    if not call.path.startswith(f"{VERSION}/"):
        return None, {}
    below = below_version(call.path)
    for operation in OPERATIONS:
        if operation.method == call.method and (match := operation.pattern.fullmatch(below)):
            return operation, match.groupdict()
    return None, {}
