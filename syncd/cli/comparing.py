"""``syncd plan --compare-with``: reads once, decides under two configurations, and shows who would be treated differently."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

from syncd.cli.common import observers
from syncd.config import Config, load
from syncd.errors import SourceError, UsageError
from syncd.model import Decision, Mode, Policy, Trigger


async def compared(config: Config, other_path: Path) -> dict[str, Any]:
    """What differs, as plain values. Raises UsageError when one read cannot serve both, SourceError, ConfigError."""
    from syncd.app import open_dependencies, policy_of
    from syncd.operations.cycle import Run, run_cycle
    from syncd.planning.approved import only_authorised
    from syncd.planning.decide import decide
    from syncd.planning.stale import wait_for_replication

    other_config = load(other_path, os.environ, check_files=False)
    policy, other = policy_of(config), policy_of(other_config)
    demand_one_read(policy, other, other_path)
    async with open_dependencies(config, observers(config), write_ledger=False, from_checkpoint=True) as deps:
        report = await run_cycle(deps, policy, Run(Mode.REPORT, Trigger.PLAN))
        if report.plan is None or report.directory is None or report.zoom is None:
            raise SourceError("directory", report.why, report.do)
        history = only_authorised(await deps.ledger.history(), other, deps.signature_fits)
        plan = decide(report.directory, report.zoom, history, other, report.plan.made_at, deps.credential())
        plan, _ = wait_for_replication(plan, report.directory, history, other, report.plan.made_at)
    ours = {_name(one): one for one in report.plan.decisions}
    rows = [_row(ours[_name(one)], one) for one in plan.decisions if _treated(ours[_name(one)]) != _treated(one)]
    return {
        "format": "syncd.comparison/1", "read_at": f"{report.plan.made_at:%Y-%m-%dT%H:%M:%SZ}",
        "policy_digest": policy.digest(), "other_policy_digest": other.digest(), "accounts": len(plan.decisions),
        "different": sorted(rows, key=lambda row: (row["action"], row["other_action"], row["email"])),
    }


def demand_one_read(policy: Policy, other: Policy, path: Path) -> None:
    """Both configurations must be about the same read. Raises UsageError, naming what differs."""
    keys = {
        "zoom.account_id": (policy.zoom_account_id, other.zoom_account_id), "directory": (policy.directory, other.directory),
        "protect.directory_groups": (set(policy.protect_directory_groups), set(other.protect_directory_groups)),
        "protect.groups": (bool(policy.protect_groups), bool(other.protect_groups)),
        "match.person_number": (policy.person_number, other.person_number),
    }
    different = [key for key, (one, two) in keys.items() if one != two]
    if different:
        raise UsageError(f"--compare-with: {path} would read something else: {', '.join(different)} differ",
                         "Both are decided by one read, so only what decides may differ: scope, match, protect.accounts, "
                         "deactivate, reactivate, guards.")


def print_comparison(found: dict[str, Any], format_: str, stream: TextIO) -> None:
    """As a table, or as its document."""
    from syncd.reports.terminal import print_table

    if format_ == "json":
        stream.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return
    rows = found["different"]
    stream.write(f"{len(rows):,} of {found['accounts']:,} accounts would be treated differently\n")
    print_table([{"account": row["email"], "now": f"{row['action']} {row['reason']}",
                  "then": f"{row['other_action']} {row['other_reason']}", "due then": row["other_due_at"]} for row in rows],
                stream)


def _name(decision: Decision) -> tuple[str, str]:
    return (decision.account.zoom_id or "", decision.account.email)


def _treated(decision: Decision) -> tuple[str, str, str | None]:
    return (decision.action.value, decision.reason.value, _due(decision))


def _due(decision: Decision) -> str | None:
    return f"{decision.due_at:%Y-%m-%dT%H:%M:%SZ}" if decision.due_at is not None else None


def _row(ours: Decision, other: Decision) -> dict[str, Any]:
    return {"zoom_id": ours.account.zoom_id, "email": ours.account.email, "action": ours.action.value,
            "reason": ours.reason.value, "due_at": _due(ours), "other_action": other.action.value,
            "other_reason": other.reason.value, "other_due_at": _due(other)}
