"""``syncd report idle``: licensed accounts nobody used. Reads Zoom once, changes and records nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import config_option, configuration, format_option, observers, output, run

if TYPE_CHECKING:
    from syncd.config import Config

FORMATS = ("table", "json")


@click.command("idle", short_help="licensed accounts nobody used, by department")
@config_option
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, metavar="N", help="Unused for so long.")
@click.option("--names", is_flag=True, help="By person too, not only by department.")
@format_option(*FORMATS, default="table")
@click.pass_context
def idle(context: click.Context, days: int, names: bool, format_: str, out: Path | None) -> None:
    """Licensed accounts in scope that nobody used for N days, never signed in, or deactivated and still licensed; new ones and
    those of which nothing is known apart. Counts by department, names only with --names. Changes nothing.

    Zoom blurs the last login by up to three days, so whoever may have signed in within N days is left out.

    \b
    Example:  syncd report idle --config syncd.yaml --days 90
              syncd report idle --config syncd.yaml --names --out idle.json
    Exit status: 0 reported, 2 usage or configuration, 4 Zoom could not be read whole
    """
    from syncd.reports.terminal import print_table

    found = run(_found(configuration(context), days, names=names))
    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
            return
        seats = found["seats"]
        stream.write(
            f"{seats['licensed']:,} licensed accounts in scope; {seats['would_free']:,} would be free: "
            f"{seats['unused']:,} unused for {days} days, {seats['never_signed_in']:,} never signed in, "
            f"{seats['deactivated_but_licensed']:,} deactivated but licensed\n"
            f"beside these: {seats['new']:,} new, {seats['unknown']:,} unknown. Nothing was changed.\n"
        )
        print_table(found["departments"], stream)
        if names:
            print_table(found["accounts"], stream)


async def _found(config: Config, days: int, *, names: bool) -> dict[str, Any]:
    from syncd.app import policy_of, zoom_of
    from syncd.evidence.idle import document
    from syncd.host.clock import SystemClock
    from syncd.planning.match import Addresses

    clock = SystemClock()
    zoom = zoom_of(config, clock, observers(config), None)
    try:
        snapshot = await zoom.read()
    finally:
        await zoom.close()
    addresses = Addresses(policy_of(config))
    return document(
        (one for one in snapshot.accounts if addresses.in_scope(one.email)),
        clock.now(),
        days,
        names=names,
        omit=config.reports.omit_columns,
    )
