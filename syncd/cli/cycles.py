"""Verbs about cycles: run, plan, apply, approve."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.common import (
    CYCLE_FORMATS,
    config_option,
    configuration,
    configuration_path,
    demand_enforce,
    emit_cycle,
    format_option,
    left_out,
    observers,
    one_cycle,
    output,
    run,
    seconds,
    wait_option,
)
from syncd.errors import ExitCode, UsageError
from syncd.model import CycleReport, Trigger

if TYPE_CHECKING:
    from syncd.config import Config


@click.command("run", short_help="the daemon: reconcile again and again")
@config_option
@click.pass_context
def run_(context: click.Context) -> None:
    """The daemon: reconciles by schedule until it is asked to stop (SIGTERM).

    Serves /metrics, /healthz, /readyz and a status page on http.listen. Waits as a standby while another process holds the
    ledger's writer lock.

    \b
    Example:  syncd run --config /etc/syncd/syncd.yaml
    """
    from syncd.config.apart import reading

    read = reading(configuration_path(context), os.environ)
    with left_out("rich", "pygments"):  # httpx and structlog would load them, and 5 MiB would idle for ever
        from syncd.cli.serving import serve_daemon

    run(serve_daemon(read()))


@click.command(short_help="show what would be done, and why, changing nothing")
@config_option
@format_option(*CYCLE_FORMATS, default="table")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when changes are due and nothing holds them.")
@click.option(
    "--compare-with",
    "other",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CONFIG",
    help="Show only who would be treated differently under this configuration, by the same read.",
)
@click.pass_context
def plan(context: click.Context, format_: str, out: Path | None, detailed_exitcode: bool, other: Path | None) -> None:
    """Shows what apply would do, and why, without changing or writing anything anywhere.

    \b
    Example:  syncd plan --config syncd.yaml --format html --out plan.html
    Exit status: 0 shown, 3 a guard would stop it, 4 a source could not be read, 10 see --detailed-exitcode
    """
    config = configuration(context)
    if other is not None:
        from syncd.cli.comparing import compared, print_comparison

        if format_ not in ("table", "json"):
            raise UsageError(f"--compare-with: a comparison is a table or json, not {format_}")
        found = run(compared(config, other))
        with output(out) as stream:
            print_comparison(found, format_, stream)
        return
    report = run(_plan(config))
    emit_cycle(report, format_, out, config)
    due = report.exit_code == 0 and report.plan is not None and bool(report.plan.effects)
    sys.exit(ExitCode.CHANGES_DUE if detailed_exitcode and due else report.exit_code)


async def _plan(config: Config) -> CycleReport:
    from syncd.app import open_dependencies, policy_of
    from syncd.operations.cycle import Run, run_cycle

    async with open_dependencies(config, observers(config), write_ledger=False, from_checkpoint=True) as deps:
        return await run_cycle(deps, policy_of(config), Run(config.mode, Trigger.PLAN))


@click.command(short_help="one enforcing cycle, then exit")
@config_option
@click.option("--plan", "digest", default="", metavar="DIGEST", help="Only if the plan is still this one; else exit 3.")
@format_option(*CYCLE_FORMATS, default="table")
@wait_option
@click.pass_context
def apply(context: click.Context, digest: str, format_: str, out: Path | None, wait: str) -> None:
    """Runs one enforcing cycle: read, decide, judge, carry out, record.

    \b
    Example:  syncd apply --config syncd.yaml --plan 4f3a9c01d2e4
    Exit status: 0 applied or in step, 3 held, 4 unreadable, 5 in part, 6 ledger, 7 another process holds the lock
    """
    from syncd.operations.cycle import Run, run_cycle

    config = configuration(context)
    demand_enforce(config, "apply")
    report = run(
        one_cycle(
            config,
            observers(config),
            seconds(wait, "--wait"),
            lambda deps, policy, term: run_cycle(deps, policy, Run(config.mode, Trigger.APPLY, term, digest.lower())),
        )
    )
    emit_cycle(report, format_, out, config)
    sys.exit(report.exit_code)


VERBS = (run_, plan, apply)
