"""``syncd ledger accept|backup|restore``: saying that a ledger is meant, copying it, putting a copy back."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.common import config_option, configuration, observers, run, who_and_why
from syncd.errors import SyncdError

if TYPE_CHECKING:
    from syncd.ledger.history import History
    from syncd.model import Head
    from syncd.operations.dependencies import Doubts


@click.command("accept", short_help="say that a new, restored or moved ledger is meant")
@config_option
@click.option(
    "--directory", is_flag=True, help="The same Zoom account is now read against another directory (base, tenant, path)."
)
@who_and_why
@click.pass_context
def accept(context: click.Context, directory: bool, by: str, because: str) -> None:
    """Ends ledger-new, ledger-rolled-back and an end of the ledger that lies in the future; makes a ledger that is not there.

    The published heads that are missing are named in the ledger, and only these stop counting. After a roll-back every approval
    is void, the next deactivations wait for a review, and syncd is paused: put holds back, look at a plan, then resume.

    \b
    Example:  syncd ledger accept --config syncd.yaml --by "Ann Lee" --because "volume lost, no backup"
    """
    from syncd import ledgers

    config = configuration(context, check_files=False)

    async def work() -> ledgers.Accepted:
        published: tuple[Head, ...] = ()
        if config.leadership.lease is not None:
            from syncd.app import head_in_lease

            try:
                published = await head_in_lease(config, observers(config))
            except SyncdError as error:
                click.echo(
                    f"note: the lease was not read ({error.what}); a head that only it names is accepted where it can be "
                    "read, in the pod",
                    err=True,
                )
        return await ledgers.accept(config, observers(config), by=by, because=because, directory=directory, published=published)

    done = run(work())
    if done.new:
        click.echo(f"accepted as new: {done.new}")
    if done.restored:
        click.echo("accepted: a backup was put back")
    if done.missing:
        last = done.missing[-1]
        click.echo(f"accepted: {len(done.missing)} published heads are not in the ledger, the last is {last.seq} {last.hash}")
    if done.directory:
        click.echo(
            f"accepted: from here on the ledger belongs to the directory {done.directory}; who owns which account is "
            "learned anew, holds and what syncd deactivated stay"
        )
    if done.ahead_seconds:
        click.echo(f"accepted: the ledger's latest time lies {done.ahead_seconds:.0f} s in the future")
    if done.nothing:
        click.echo("the ledger is accepted; nothing had to be")
    if done.paused:
        click.echo(
            "changes are paused. Put holds back (syncd account hold), look at a plan (syncd plan), then: "
            "syncd resume --by NAME --because TEXT"
        )


@click.command("backup", short_help="a consistent copy in one file, beside a running daemon")
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def backup(context: click.Context, file: Path) -> None:
    """Copies the ledger into FILE (a SQLite file, of PostgreSQL too) and follows the copy's chain.

    \b
    Example:  syncd ledger backup /backup/ledger-$(date +%F).db --config syncd.yaml
    """
    from syncd.ledger.storage.backup import back_up
    from syncd.ledgers import ledger_url

    config = configuration(context, check_files=False)
    head = run(asyncio.to_thread(back_up, ledger_url(config), file))
    click.echo(f"{head.seq} entries copied, head {head.hash}; the copy verifies")


@click.command("restore", short_help="put a backup back")
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def restore(context: click.Context, file: Path) -> None:
    """Puts what ledger backup wrote back where ledger.url says; the ledger that was there is kept aside. Stop the daemon first.

    Everything is held afterwards until somebody says: syncd ledger accept.

    \b
    Example:  syncd ledger restore /backup/ledger-2026-11-27.db --config syncd.yaml
    Exit status: 0 put back, 2 no backup of this account's ledger, 6 the backup does not verify, 7 a cycle is running
    """
    from syncd import ledgers

    config = configuration(context, check_files=False)
    done = run(ledgers.restore(config, file, observers(config)))
    click.echo(f"put back: {done.backup.seq} entries, head {done.backup.hash}")
    if done.aside is not None:
        click.echo(f"the ledger that was there lies in {done.aside}")
    if done.lost == done.backup:
        click.echo("nothing was lost by that")
    else:
        click.echo(
            f"lost: what followed up to entry {done.lost.seq} {done.lost.hash}"
            if done.lost.seq
            else "what there was before is not known"
        )
        click.echo("everything is held until: syncd ledger accept --by NAME --because TEXT")


def state_lines(history: History, doubts: Doubts, now: datetime, ahead_seconds: float) -> list[tuple[bool, str]]:
    """Lines for ``syncd check``: whether this is the ledger that is meant, and how its clock and ours go together."""
    lines = []
    if doubts.new:
        lines.append((True, f"ledger: warning: {doubts.new}; everything is held until: syncd ledger accept"))
    if doubts.missing:
        lines.append(
            (
                False,
                (
                    f"ledger: {len(doubts.missing)} published heads are not in it, the last is {doubts.missing[-1]}: "
                    "put the newest copy back (syncd ledger restore), or say that this is meant: syncd ledger accept"
                ),
            )
        )
    if ahead_seconds:
        lines.append(
            (
                False,
                f"clock: the ledger ends {ahead_seconds:.0f} s in the future: set the clocks right, then: syncd ledger accept",
            )
        )
    elif history.tip_at is not None:
        lines.append(
            (
                True,
                (
                    f"clock: the ledger's latest time is {history.tip_at:%Y-%m-%d %H:%M:%S} UTC, this machine's "
                    f"{now:%Y-%m-%d %H:%M:%S} UTC"
                ),
            )
        )
    return lines


VERBS = (accept, backup, restore)
