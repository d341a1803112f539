"""``$batch``: up to 20 requests in one, each judged and billed alone; the answers come in any order, here the last first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from syncd.lab.answers import Answer
from syncd.lab.graph.answers import PLAIN_JSON, bad_request, found

REQUESTS_MAX = 20


class Step(msgspec.Struct, rename="camel"):
    """One request of a batch. *url* is relative to the version, with or without a slash in front."""

    id: str
    method: str
    url: str
    headers: dict[str, str] = {}
    body: Any = None
    depends_on: tuple[str, ...] = ()


class _Batch(msgspec.Struct):
    requests: list[Step]


def steps_of(body: bytes) -> list[Step]:
    """The requests of a batch. Raises GraphRefused: 400."""
    try:
        steps = msgspec.json.decode(body, type=_Batch).requests
    except msgspec.DecodeError:
        raise bad_request("Invalid batch payload format.", "BadRequest") from None
    if not 0 < len(steps) <= REQUESTS_MAX:
        raise bad_request(f"Number of batch request steps exceeds the max value of {REQUESTS_MAX}.", "MaximumValueExceeded")
    ids = [step.id for step in steps]
    if len(set(ids)) < len(ids):
        raise bad_request("Request ids in a batch must be unique.", "BadRequest")
    for number, step in enumerate(steps):
        if not set(step.depends_on) <= set(ids[:number]):
            raise bad_request(f"The request '{step.id}' depends on one that does not come before it.", "BadRequest")
    return steps


async def answered(steps: list[Step], answer: Callable[[Step], Awaitable[Answer]]) -> Answer:
    """Carries the steps out in order; what depends on a failed one is not tried (424)."""
    responses: dict[str, dict[str, Any]] = {}
    for step in steps:
        if any(responses[id_]["status"] >= 400 for id_ in step.depends_on):
            responses[step.id] = {
                "id": step.id,
                "status": 424,
                "headers": {"Content-Type": PLAIN_JSON},
                "body": {"error": {"code": "FailedDependency", "message": "A request this one depends on has failed."}},
            }
            continue
        one = await answer(step)
        response: dict[str, Any] = {
            "id": step.id,
            "status": one.status or 503,
            "headers": {**one.headers, "Content-Type": one.content_type},
        }
        if one.body:
            response["body"] = msgspec.Raw(one.body) if one.body[:1] in (b"{", b"[") else one.body.decode()
        responses[step.id] = response
    return found({"responses": list(reversed(responses.values()))})
