"""What changed between two policies as the ledger records them, in the words of the configuration file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Fields of ``model.Policy`` and ``model.Limits`` -> where they stand in the configuration.
_KEYS = {
    "zoom_account_id": "zoom.account_id",
    "domains": "scope.domains",
    "domain_aliases": "match.domain_aliases",
    "pilot": "scope.pilot",
    "ordinary_roles": "protect.ordinary_roles",
    "protect_accounts": "protect.accounts",
    "protect_groups": "protect.groups",
    "protect_directory_groups": "protect.directory_groups",
    "grace": "deactivate.grace",
    "grace_reads": "deactivate.grace_reads",
    "when_disabled": "deactivate.when_disabled",
    "when_expired": "deactivate.when_expired",
    "grace_for_known_leavers": "deactivate.grace_for_known_leavers",
    "grace_for_expired": "deactivate.grace_for_expired",
    "person_number": "match.person_number",
    "ignore_people": "match.ignore_people",
    "approvals_required": "approvals.required",
    "approvers": "approvals.approvers",
    "signers": "approvals.signers_file",
    "revoke_sessions": "deactivate.revoke_sessions",
    "guests": "directory.entra.guests",
}

_DURATIONS = frozenset(
    {
        "deactivate.grace",
        "deactivate.grace_for_known_leavers",
        "guards.max_clock_skew",
        "guards.max_replication_lag",
        "deactivate.grace_for_expired",
        "reports.promise",
        "reports.keep",
        "ledger.keep_personal",
        "schedule.interval",
        "schedule.jitter",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One key with its value before and after, as a person writes it; ``-``: it was not there."""

    key: str
    before: str
    after: str


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Differences of two recorded policies (``Policy.as_json``), ordered by key."""
    old, new = _flat(before), _flat(after)
    return [
        Change(key, _shown(key, old.get(key)), _shown(key, new.get(key)))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _flat(policy: Mapping[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in policy.items():
        if name == "limits":
            flat |= {f"guards.{limit}": number for limit, number in value.items()}
        elif name == "directory":
            flat |= _directory(value)
        else:
            flat[_KEYS.get(name, name)] = value
    return flat


def _directory(canonical: str) -> dict[str, object]:
    sections = json.loads(canonical)
    return {f"directory.{kind}.{name}": value for kind, section in sections.items() for name, value in section.items()}


def _shown(key: str, value: object) -> str:
    if value is None:
        return "-"
    if key in _DURATIONS and isinstance(value, int | float):
        return _duration(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(" -> ".join(map(str, item)) if isinstance(item, list) else str(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
