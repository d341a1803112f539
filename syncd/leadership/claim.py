"""When a lease may be taken, and what is written into it. Pure: times are passed in.

A rival is judged by how long *we* have not seen its record change, on a clock that never steps; what its clock wrote does not
matter, so skew between machines cannot make two leaders. Kubernetes documents the fields of ``coordination.k8s.io/v1`` Lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.model import Head

#: A lease without a duration (released, or written by something else) is believed for this long.
DURATION_SECONDS_DEFAULT = 15

#: The annotation with the end of the ledger: outside of any volume or database that may be rolled back.
HEAD = "syncd/ledger-head"


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The fields of a Lease that matter. *version* is its resourceVersion: a write with an older one is refused."""

    holder: str
    duration_seconds: int
    transitions: int
    renewed: str
    version: str
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: dict[str, Any]) -> LeaseRecord:
        """From the API's JSON; a Lease somebody made by hand may have an empty spec."""
        spec = body.get("spec") or {}
        return cls(
            str(spec.get("holderIdentity") or ""),
            int(spec.get("leaseDurationSeconds") or DURATION_SECONDS_DEFAULT),
            int(spec.get("leaseTransitions") or 0),
            str(spec.get("renewTime") or ""),
            str((body.get("metadata") or {}).get("resourceVersion") or ""),
            {str(name): str(value) for name, value in ((body.get("metadata") or {}).get("annotations") or {}).items()},
        )

    @property
    def head(self) -> Head | None:
        """The end of the ledger that a leader published with the lease, if one did."""
        return Head.of_line(self.annotations.get(HEAD, ""))


@dataclass(frozen=True, slots=True)
class Observation:
    """A record, and since when (monotonic seconds) we have seen it unchanged."""

    record: LeaseRecord
    since: float


def observed(before: Observation | None, record: LeaseRecord, now: float) -> Observation:
    """What we know after seeing *record* at *now* (monotonic seconds): time starts anew whenever holder or renewal changed."""
    if before is not None and (before.record.holder, before.record.renewed) == (record.holder, record.renewed):
        return replace(before, record=record)
    return Observation(record, now)


def may_take(seen: Observation, me: str, now: float) -> bool:
    """Whether nobody else can be leading at *now* (monotonic seconds): the lease is free, ours, or unchanged for longer than it
    lasts. Only our own clock counts: that of its holder may be wrong."""
    return seen.record.holder in ("", me) or now - seen.since > seen.record.duration_seconds


def taken(
    name: str,
    namespace: str,
    record: LeaseRecord | None,
    me: str,
    duration_seconds: int,
    now: datetime,
    head: Head | None = None,
) -> dict[str, Any]:
    """The Lease with us as its holder. Its transitions count changes of holder: a newer leader has a higher number. *head*: the
    end of the ledger to publish with it (None: the one there stays)."""
    new = record is None or record.holder != me
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec: dict[str, Any] = {
        "holderIdentity": me,
        "leaseDurationSeconds": duration_seconds,
        "renewTime": time,
        "leaseTransitions": (record.transitions if record is not None else 0) + (1 if new else 0),
    }
    if new:
        spec["acquireTime"] = time
    return _lease(name, namespace, record, spec, head)


def released(name: str, namespace: str, record: LeaseRecord, now: datetime) -> dict[str, Any]:
    """The Lease without a holder, so that the next one need not wait."""
    return _lease(
        name,
        namespace,
        record,
        {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "leaseTransitions": record.transitions,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    )


def _lease(
    name: str, namespace: str, record: LeaseRecord | None, spec: dict[str, Any], head: Head | None = None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    annotations = dict(record.annotations) if record is not None else {}
    if head is not None:
        annotations[HEAD] = f"{head.seq} {head.hash}"
    if annotations:
        metadata["annotations"] = annotations
    if record is not None:
        metadata["resourceVersion"] = record.version
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
