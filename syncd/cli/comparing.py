"""``syncd plan --compare-with``: reads once, decides and judges under two configurations, and shows who would be treated
differently: another decision, another guard that holds it, another window that denies it now, other things done with it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from syncd.cli.common import observers
from syncd.errors import SourceError, UsageError
from syncd.model import Action, CycleReport, Decision, Guard, Mode, Plan, Policy, Trigger, Verdict

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.ledger.history import History
    from syncd.operations.dependencies import Dependencies
    from syncd.planning.windows import Windows


class Side(NamedTuple):
    """A plan, what holds it, when what windows deny may be made, and what is done besides (sessions, licences)."""

    plan: Plan
    verdicts: tuple[Verdict, ...]
    held: Mapping[tuple[str, str], Sequence[Guard]]
    openings: Mapping[tuple[str, str], datetime]
    also: Mapping[tuple[str, str], str]

    @property
    def tripped(self) -> list[str]:
        """The guards that tripped."""
        return [one.guard.value for one in self.verdicts if one.tripped]

    def treats(self, decision: Decision) -> dict[str, Any]:
        """What becomes of one account. ``policy-changed`` is left out: it asks once about every change of a policy, and would
        show everybody."""
        opening = self.openings.get(decision.key)
        return {
            "action": decision.action.value,
            "reason": decision.reason.value,
            "due_at": _moment(decision.due_at),
            "held_by": [one.value for one in self.held.get(decision.key, ()) if one is not Guard.POLICY_CHANGED],
            "next_opening": _moment(opening),
            "also": self.also.get(decision.key, ""),
        }


async def compared(config: Config, other_path: Path) -> dict[str, Any]:
    """What differs, as plain values. Raises UsageError when one read cannot serve both, SourceError, ConfigError."""
    from syncd.app import open_dependencies, policy_of
    from syncd.config import load
    from syncd.config.windows import windows_of
    from syncd.operations.cycle import Run, run_cycle

    other_config = load(other_path, os.environ, check_files=False)
    policy, other = policy_of(config), policy_of(other_config)
    demand_one_read(policy, other, other_path)
    async with open_dependencies(config, observers(config), write_ledger=False, from_checkpoint=True) as deps:
        report = await run_cycle(deps, policy, Run(config.mode, Trigger.PLAN))
        if report.plan is None or report.directory is None or report.zoom is None:
            raise SourceError("directory", report.why, report.do)
        try:
            then = await _judged(deps, report, other, other_config.mode, windows_of(other_config))
        except SourceError as error:
            raise SourceError(error.source, f"under {other_path} nothing would be concluded: {error.what}", error.do) from None
        also = _also(report.plan, policy, await deps.ledger.history())
    now = Side(report.plan, report.verdicts, report.held, report.next_openings, also)
    ours = {_name(one): now.treats(one) for one in now.plan.decisions}
    rows = [
        _row(one, ours[_name(one)], treated) for one in then.plan.decisions if (treated := then.treats(one)) != ours[_name(one)]
    ]
    return {
        "format": "syncd.comparison/1",
        "read_at": _moment(now.plan.made_at),
        "mode": config.mode.value,
        "other_mode": other_config.mode.value,
        "policy_digest": policy.digest(),
        "other_policy_digest": other.digest(),
        "tripped": now.tripped,
        "other_tripped": then.tripped,
        "accounts": len(then.plan.decisions),
        "different": sorted(rows, key=lambda row: (row["action"], row["other_action"], row["email"])),
    }


async def _judged(deps: Dependencies, report: CycleReport, policy: Policy, mode: Mode, windows: Windows) -> Side:
    """The same read under another policy, as its own cycle would decide and judge it. Raises SourceError where that cycle would
    conclude nothing."""
    from syncd.operations.cycle import Run
    from syncd.operations.ending import next_openings
    from syncd.operations.judging import decide_and_judge
    from syncd.operations.recovery import settle_open_intents
    from syncd.planning.approved import only_authorised
    from syncd.planning.clarity import demand_clear, unclear_people
    from syncd.planning.entitlement import entitled_people

    assert report.plan is not None, "there is nothing to compare with"
    assert report.directory is not None, "a plan is made of a directory"
    assert report.zoom is not None, "and of Zoom"
    directory, zoom, now = report.directory, report.zoom, report.plan.made_at
    entitled = entitled_people(directory, policy, now)
    demand_clear(unclear_people(directory, policy), entitled)
    history = await deps.ledger.history()
    history, zoom = await settle_open_intents(deps, Run(mode, Trigger.PLAN), history, zoom, report.cycle_id)
    history = only_authorised(history, policy, deps.signature_fits, now)
    judged = await decide_and_judge(deps, policy, mode, directory, zoom, history, now, entitled=entitled)
    openings = next_openings(judged.plan, windows, now)
    return Side(judged.plan, judged.verdicts, judged.held, openings, _also(judged.plan, policy, history))


def _also(plan: Plan, policy: Policy, history: History) -> dict[tuple[str, str], str]:
    """What becomes of accounts beside the change itself: sessions that are ended, licences that are given back."""
    from syncd.execution.licences import licences_owed

    restored = licences_owed(plan.effects, history, policy)
    return {
        effect.key: "revoke_sessions" if effect.action is Action.DEACTIVATE else "restore_licence"
        for effect in plan.effects
        if (policy.revoke_sessions if effect.action is Action.DEACTIVATE else effect.account.zoom_id in restored)
    }


def demand_one_read(policy: Policy, other: Policy, path: Path) -> None:
    """Both configurations must be about the same read. Raises UsageError, naming what differs."""
    keys = {
        "zoom.account_id": (policy.zoom_account_id, other.zoom_account_id),
        "directory": (policy.directory, other.directory),
        "protect.directory_groups": (set(policy.protect_directory_groups), set(other.protect_directory_groups)),
        "protect.groups": (bool(policy.protect_groups), bool(other.protect_groups)),
        "match.person_number": (policy.person_number, other.person_number),
    }
    different = [key for key, (one, two) in keys.items() if one != two]
    if different:
        raise UsageError(
            f"--compare-with: {path} would read something else: {', '.join(different)} differ",
            "Both are decided by one read, so only what decides may differ: scope, match, protect.accounts, "
            "deactivate, reactivate, guards, schedule.windows.",
        )


def print_comparison(found: dict[str, Any], format_: str, stream: TextIO) -> None:
    """As a table, or as its document."""
    from syncd.reports.terminal import print_table

    if format_ == "json":
        stream.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return
    rows = found["different"]
    stream.write(f"{len(rows):,} of {found['accounts']:,} accounts would be treated differently\n")
    for mode, tripped, who in ((found["mode"], found["tripped"], "now"), (found["other_mode"], found["other_tripped"], "then")):
        if tripped or found["mode"] != found["other_mode"]:
            stream.write(f"{who}: mode {mode}" + (f", tripped {', '.join(tripped)}" if tripped else "") + "\n")
    print_table(
        [
            {
                "account": row["email"],
                "now": _words(row, ""),
                "due now": row["due_at"],
                "then": _words(row, "other_"),
                "due then": row["other_due_at"],
            }
            for row in rows
        ],
        stream,
    )


def _words(row: Mapping[str, Any], whose: str) -> str:
    held, opening = row[f"{whose}held_by"], row[f"{whose}next_opening"]
    return (
        f"{row[f'{whose}action']} {row[f'{whose}reason']}"
        + (f", held by {', '.join(held)}" if held else "")
        + (f", denied until {opening}" if opening else "")
        + (f", and {also}" if (also := row[f"{whose}also"]) else "")
    )


def _name(decision: Decision) -> tuple[str, str]:
    return (decision.account.zoom_id or "", decision.account.email)


def _moment(at: datetime | None) -> str | None:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at is not None else None


def _row(decision: Decision, ours: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "zoom_id": decision.account.zoom_id,
        "email": decision.account.email,
        **ours,
        **{f"other_{key}": value for key, value in other.items()},
    }
