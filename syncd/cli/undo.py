"""``syncd undo``: puts back what a cycle changed, or lists the cycles that changed something."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import (
    config_option,
    configuration,
    confirmed,
    demand_enforce,
    emit,
    format_option,
    observers,
    one_cycle,
    output,
    run,
    seconds,
    wait_option,
)
from syncd.cli.people import agreed, demand_not_held
from syncd.errors import ExitCode, Held, UsageError
from syncd.model import CycleReport, Intent, Policy, Reason, Trigger, ZoomAccount

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.operations.cycle import Dependencies

#: Known leavers named before a person is asked about them; the number is always said.
LEAVERS_NAMED = 20


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line asks for."""

    cycle: str
    by: str
    because: str
    yes: bool
    confirm_count: int | None
    while_paused: bool
    only: tuple[str, ...]
    excluded: tuple[str, ...]
    reasons: tuple[str, ...]


@click.command(short_help="put back what a cycle changed")
@config_option
@click.argument("cycle", required=False, default=None, metavar="[CYCLE|last]")
@click.option("--only", multiple=True, metavar="ADDRESS…", help="Only these accounts (addresses or Zoom ids).")
@click.option("--except", "excluded", multiple=True, metavar="ADDRESS…", help="All but these accounts.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON…",
    type=click.Choice([one.value for one in Reason]),
    help="Only what was changed for these reasons, as the report names them (left_groups, …).",
)
@click.option("--by", default="", metavar="NAME", help="Who decides this; kept in the ledger. Required with CYCLE.")
@click.option("--because", default="", metavar="TEXT", help="Why; kept in the ledger. Required with CYCLE.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@click.option("--confirm-count", type=int, metavar="N", help="Passes the size guards when exactly N accounts change.")
@click.option("--while-paused", is_flag=True, help="Also while changes are paused.")
@format_option("table", "json", default="table")
@wait_option
@click.pass_context
def undo(context: click.Context, /, format_: str, out: Path | None, wait: str, **given: Any) -> None:
    """Puts back what CYCLE changed, status and licence, and puts those accounts on hold for 7 days. `last`: the last cycle
    that changed something. Without CYCLE: lists the last ten that did.

    Needs no directory. The hold keeps the next cycle from repeating the mistake; end it with: syncd account release. People
    known to have left are listed first and asked about once more.

    \b
    Example:  syncd undo last --config syncd.yaml --reason absent_from_directory --by "Ann Lee" --because "wrong HR export"
    """
    config = configuration(context)
    if given["cycle"] is None:
        _print_list(run(_changed(config)), format_, out)
        return
    asked = _Asked(**given)
    for option, text in (("--by", asked.by), ("--because", asked.because)):
        if not text.strip():
            raise UsageError(f"{option} is missing: an undo is evidence, so it needs who and why")
    demand_enforce(config, "undo")
    left: list[tuple[str, int]] = []  # what was not put back, and the exit code of that

    async def work(deps: Dependencies, policy: Policy, term: int) -> CycleReport:
        return await _undone(deps, policy, config, asked, term, left)

    report = run(one_cycle(config, observers(config), seconds(wait, "--wait"), work, from_checkpoint=True))
    emit(report, format_, out, config.reports.omit_columns)
    for what, _ in left:
        click.echo(f"not put back: {what}", err=True)
    sys.exit(report.exit_code or min((code for _, code in left), default=ExitCode.DONE))


async def _undone(
    deps: Dependencies, policy: Policy, config: Config, asked: _Asked, term: int, left: list[tuple[str, int]]
) -> CycleReport:
    from syncd.operations.manual import Request, execute_request
    from syncd.operations.undo import Choice, wanted_by_undo, without

    request = Request(asked.by.strip(), asked.because.strip(), asked.confirm_count, asked.while_paused)
    choice = Choice(asked.only, asked.excluded, asked.reasons)
    undoing = await wanted_by_undo(deps, policy, asked.cycle, request, term, choice)
    left.extend((f"Zoom has no account {zoom_id} any more", 5) for zoom_id in undoing.wanted.unknown)
    left.extend((f"account {odd.name}: {odd.why}", undoing.wanted.unreadable_code) for odd in undoing.wanted.unreadable)
    left.extend(
        (f"{account.email} is protected: do it in the Zoom portal, or change the protect section and undo again", 5)
        for account in undoing.wanted.protected
    )
    left.extend((_changed_since(account, last), 5) for account, last in undoing.later)
    leavers = [effect.account for effect in undoing.wanted.effects if effect.account.zoom_id in undoing.known_leavers]
    if leavers:
        click.echo(f"{len(leavers)} of {len(undoing.wanted.effects)} are people known to have left:", err=True)
        for account in leavers[:LEAVERS_NAMED]:
            click.echo(f"  {account.email} ({account.zoom_id})", err=True)
        if len(leavers) > LEAVERS_NAMED:
            click.echo(f"  … and {len(leavers) - LEAVERS_NAMED} more", err=True)
        if not confirmed("Give these people known to have left their access back too?", yes=asked.yes):
            known = frozenset(account.zoom_id or "" for account in leavers)
            undoing = await without(deps, policy, undoing, known, request, term)
    wanted = undoing.wanted
    demand_not_held(wanted.verdicts)
    if not await agreed(deps, policy, f"Put back {len(wanted.effects)} accounts?", wanted.effects, yes=asked.yes):
        raise Held("not confirmed; nothing was changed")
    accounts = [effect.account.zoom_id or "" for effect in wanted.effects]
    accounts += [account.zoom_id or "" for account in wanted.already]
    return await execute_request(
        deps, policy, config.mode, wanted, request, term, trigger=Trigger.UNDO, undo_of=undoing.cycle, hold=accounts
    )


def _changed_since(account: ZoomAccount, last: Intent) -> str:
    return (
        f"{account.email} was changed again since ({last.action} of {last.at:%Y-%m-%d %H:%M} UTC, cycle {last.cycle}): "
        "undo that one, or change the account by hand"
    )


async def _changed(config: Config) -> list[dict[str, Any]]:
    from syncd.app import open_dependencies
    from syncd.ledger.record import rfc3339
    from syncd.operations.undo import LISTED, changed_cycles

    async with open_dependencies(config, observers(config), write_ledger=False) as deps:
        return [
            {"cycle": one.cycle, "at": rfc3339(one.at), "by": one.by, "changes": dict(one.changes), "reasons": dict(one.reasons)}
            for one in changed_cycles(await deps.ledger.history())[:LISTED]
        ]


def _print_list(rows: list[dict[str, Any]], format_: str, out: Path | None) -> None:
    from syncd.reports.terminal import print_table

    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
            return
        short = stream.isatty()  # on a screen the minute does, and leaves room for the reasons
        print_table(
            [
                row
                | {key: [f"{count} {name}" for name, count in row[key].items()] for key in ("changes", "reasons")}
                | ({"at": f"{row['at'][:10]} {row['at'][11:16]}"} if short else {})
                for row in rows
            ],
            stream,
        )
    click.echo(
        "Put one of them back: syncd undo CYCLE --by NAME --because TEXT" if rows else "No cycle has changed anything yet.",
        err=True,
    )


VERBS = (undo,)
