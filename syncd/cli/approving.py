"""The verb approve: lets a reviewed plan pass, or announces leavers by name."""

from __future__ import annotations

import getpass
import os
import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncd.cli.common import config_option, configuration, observers, run, seconds, who_and_why
from syncd.cli.people import all_addresses, moment
from syncd.errors import UsageError
from syncd.model import Guard, Mode

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.operations.announce import Announced
    from syncd.operations.approve import Given

#: People named in a line; the document of the cycle has them all.
NAMED = 20

Names = Mapping[str, Mapping[str, str]]


@click.command(short_help="let a reviewed plan pass the guards that hold it")
@config_option
@click.option("--plan", "digest", default="", metavar="DIGEST", help="The plan that was reviewed (8 digits or more).")
@click.option("--guard", "guards", multiple=True, metavar="NAME…", help="The guards it may pass.")
@click.option(
    "--people",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Instead of a plan: leavers announced by address, one a line; they count in no size guard.",
)
@click.option("--from", "begins", metavar="DATE", help="With --people: from when on.")
@click.option("--until", "ends", metavar="DATE", help="With --people: until when, at most 45 days later.")
@who_and_why
@click.option("--for", "lasts", default="24h", show_default=True, metavar="DURATION", help="How long the approval runs.")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="OpenSSH private key (Ed25519) of whoever is named by --by: signs the approval.",
)
@click.pass_context
def approve(
    context: click.Context,
    digest: str,
    guards: tuple[str, ...],
    people: Path | None,
    begins: str | None,
    ends: str | None,
    by: str,
    because: str,
    lasts: str,
    key: Path | None,
) -> None:
    """Lets exactly the reviewed effects of a held plan pass the named guards, once each, while the approval runs.

    Takes any plan that a cycle recorded within 24 hours; for another one it reads again and refuses if it differs. With
    approvals.required: 2 the first of two different people exits 0 and is told so.

    \b
    Example:  syncd approve --config syncd.yaml --plan 4f3a9c01d2e4 --guard max-deactivations policy-changed \\
                --by "Ann Lee" --because "Site closed, ticket 4711"
              syncd approve --config syncd.yaml --people leavers.txt --from 2026-07-01 --until 2026-07-31 \\
                --by "Ann Lee" --because "Summer term ends"
    Exit status: 0 approved, 2 cannot be approved, 3 the plan differs, 4 unreadable, 6 ledger
    """
    config = configuration(context)
    if (people is not None) == bool(digest):
        raise UsageError("approve takes either --plan with --guard, or --people with --from and --until")
    if people is not None:
        if guards or begins is None or ends is None:
            raise UsageError("--people needs --from and --until, and takes no --guard", "See: syncd approve --help")
        _announce(config, people, _day(begins), _end(ends), by, because, key)
        return
    duration = timedelta(seconds=seconds(lasts, "--for"))
    if not duration:
        raise UsageError("--for: an approval that runs no time lets nothing pass", "Write 1h, 24h or 7d.")
    chosen = [name for text in guards for name in text.split(",") if name]
    given, names = run(_approved(config, digest.lower(), chosen, by, because, duration, key))
    for line in _told(given, names, config.mode):
        click.echo(line)


async def _approved(
    config: Config, digest: str, guards: list[str], by: str, because: str, lasts: timedelta, key: Path | None
) -> tuple[Given, Names]:
    from syncd.app import names_of, open_dependencies, policy_of
    from syncd.operations.approve import Asked
    from syncd.operations.approve import approve as record_approval

    async with open_dependencies(config, observers(config), write_ledger=True, from_checkpoint=True) as deps:
        asked = Asked(digest, guards, by, because, lasts, signing(key), _os_user(), socket.gethostname())
        given = await record_approval(deps, policy_of(config), config.mode, asked)
        summed = {one.zoom_id for counted in given.sums.values() for one in counted}
        effects = {zoom_id for zoom_id, _, _ in given.plan.effects} if given.sums else set()
        return given, await names_of(deps.ledger, {*given.approval.on_the_way, *summed, *effects})


def _told(given: Given, names: Names, mode: Mode) -> list[str]:
    """What was approved, who is covered beside, and what still holds."""
    from syncd.planning.guards import SUMS, values_of

    approval = given.approval
    lines = [
        f"approved: plan {approval.plan_digest[:12]}, {len(approval.effects)} changes, guards {', '.join(approval.guards)}, "
        f"until {approval.expires_at:%Y-%m-%d %H:%M} UTC, by {approval.by}" + (", signed" if approval.signature else "")
    ]
    if approval.accepts:
        lines.append(f"accepted from now on: {values_of(approval.accepts)}")
    if approval.on_the_way:
        lines.append(
            f"on the way ({len(approval.on_the_way)} within the grace or unclear), covered too if they become due "
            f"while the approval runs: {_named(approval.on_the_way, names)}"
        )
    for guard, counted in given.sums.items():
        everybody = [(one.reason, one.zoom_id) for one in counted]
        everybody += [(reason, zoom_id) for zoom_id, action, reason in given.plan.effects if action == SUMS[guard][0].value]
        reasons = Counter(reason for reason, _ in everybody)
        departments = Counter(names.get(zoom_id, {}).get("department") or "unknown" for _, zoom_id in everybody)
        lines.append(f"{guard.value}, the whole sum: {len(everybody)}, which begins anew")
        lines.append("  by reason: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()))
        lines.append("  by department: " + ", ".join(f"{name} {count}" for name, count in departments.most_common()))
    if given.people < given.required:
        lines.append(f"{given.people} of {given.required}: somebody else must approve the same plan, too, before it passes")
    elif given.still:
        lines.append(f"still held by: {', '.join(given.still)}")
    elif approval.guards == (Guard.HANDOVER,):
        lines.append(
            f"Carry it out: syncd handover run --plan {approval.plan_digest[:12]} --confirm-count "
            f"{len(approval.effects)} --by NAME --because TEXT"
        )
    elif mode is Mode.ENFORCE:
        lines.append("The next cycle carries it out (or at once: syncd apply).")
    if mode is Mode.REPORT:
        lines.append(
            "mode: report: nothing will be carried out until the configuration says mode: enforce; the approval counts "
            f"then if that is before {approval.expires_at:%Y-%m-%d %H:%M} UTC."
        )
    return lines


def _named(zoom_ids: Collection[str], names: Names) -> str:
    known = sorted(names.get(zoom_id, {}).get("email") or zoom_id for zoom_id in zoom_ids)
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")


def _announce(
    config: Config, people: Path, starts_at: datetime, ends_at: datetime, by: str, because: str, key: Path | None
) -> None:
    addresses = all_addresses((), people)

    async def work() -> Announced:
        from syncd.app import open_dependencies, policy_of
        from syncd.operations.announce import announce

        async with open_dependencies(config, observers(config), write_ledger=True, from_checkpoint=True) as deps:
            return await announce(
                deps,
                policy_of(config),
                addresses,
                starts_at,
                ends_at,
                by=by,
                because=because,
                sign=signing(key),
                os_user=_os_user(),
                host=socket.gethostname(),
            )

    done = run(work())
    one = done.announcement
    click.echo(
        f"announced: {len(one.zoom_ids)} leavers from {one.starts_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M} UTC, "
        f"by {one.by}; disabled, expired or in a leaver group, they count in no size guard, each once"
    )
    if done.people < config.approvals.required:
        click.echo(f"{done.people} of {config.approvals.required}: somebody else must announce the same people, too")


def signing(key: Path | None) -> Callable[[bytes], str] | None:
    """What signs an approval with this private key of OpenSSH; None without one. Raises UsageError when it is no such key."""
    if key is None:
        return None
    from syncd.host.sshsig import sign  # here: most approvals are not signed, and its library takes its time

    return lambda message: sign(key, message)


def _day(text: str) -> datetime:
    """The beginning of a date, or a time. Raises UsageError."""
    found = _end(text)
    return found.replace(hour=0, minute=0, second=0) if len(text) == len("2026-12-31") else found


def _end(text: str) -> datetime:
    found = moment(text)
    if found is None:
        raise UsageError("--from and --until: a date is missing", "Write 2026-12-31 or 2026-12-31T18:00:00Z.")
    return found


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


VERBS = (approve,)
