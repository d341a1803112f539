"""Verbs for people: pause, resume, account, explain.

More than 400 lines: it is one verb after the other, each with its options and its screen.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import (
    config_option,
    configuration,
    confirmed,
    demand_enforce,
    format_option,
    observers,
    observers_if_needed,
    one_cycle,
    output,
    run,
    seconds,
    tell_error,
    wait_option,
    who_and_why,
)
from syncd.errors import ExitCode, Held, SyncdError, UsageError
from syncd.model import (
    Action,
    CycleReport,
    Decision,
    Guard,
    OutcomeKind,
    OutcomeReason,
    Policy,
    Trigger,
    address_key,
    licence_word,
)

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.operations.cycle import Dependencies
    from syncd.operations.lookup import Found, Unreadable

#: Accounts shown before a person is asked; more would scroll the question away.
SHOWN_BEFORE_ASKING = 20

#: What is shown of each.
ASKED_ABOUT = ("email", "status", "licence", "directory", "on_hold", "upcoming_meetings")


@click.command(short_help="stop all changes until resume")
@config_option
@who_and_why
@click.pass_context
def pause(context: click.Context, by: str, because: str) -> None:
    """Stops all changes, at once and beside a running daemon; reads and reports go on.

    \b
    Example:  syncd pause --config syncd.yaml --by "Ann Lee" --because "directory migration tonight"
    """
    from syncd.ledger import record
    from syncd.ledgers import append_at_once

    config = configuration(context, check_files=False)
    run(append_at_once(config, record.paused(by=by, because=because), observers_if_needed(config)))
    click.echo("paused: nothing is changed until: syncd resume --by NAME --because TEXT")


@click.command(short_help="let changes go on")
@config_option
@who_and_why
@click.pass_context
def resume(context: click.Context, by: str, because: str) -> None:
    """Ends a pause; the next cycle carries out what is due.

    \b
    Example:  syncd resume --config syncd.yaml --by "Ann Lee" --because "ticket 4711"
    """
    from syncd.ledger import record
    from syncd.ledgers import append_at_once

    config = configuration(context, check_files=False)
    done = run(append_at_once(config, record.resumed(by=by, because=because), observers_if_needed(config), if_paused=True))
    click.echo("resumed" if done else "changes are not paused: there was nothing to resume, and nothing was recorded")


@click.group(short_help="single accounts: show, deactivate, reactivate, hold, release")
def account() -> None:
    """One account, several, or a file of addresses: what both sides show, and changes by hand.

    Changes are judged by the size guards and protection, recorded in the ledger and verified by reading the account again.
    """


def addresses_arguments(command: Any) -> Any:
    """ADDRESS… and --from-file."""
    command = click.option(
        "--from-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Addresses from a file, one a line; # starts a comment.",
    )(command)
    return click.argument("addresses", nargs=-1, metavar="ADDRESS…")(command)


@account.command("show", short_help="what Zoom, the directory and the ledger say")
@config_option
@addresses_arguments
@format_option("table", "json", default="table")
@click.pass_context
def account_show(
    context: click.Context, addresses: tuple[str, ...], from_file: Path | None, format_: str, out: Path | None
) -> None:
    """Shows each account: status, role, licence, last login, who claims it in the directory, upcoming meetings and recordings
    (where the app has the scopes), holds and our last change.

    \b
    Example:  syncd account show ann@corp.example --config syncd.yaml
    """
    from syncd.operations.lookup import Found, without_account

    chosen = all_addresses(addresses, from_file)
    rows = run(_shown(configuration(context), chosen))
    print_rows(rows, format_, out)
    strange = [row for row in rows if row["status"] == "unknown"]
    unreadable = [row for row in strange if "problem" in row]
    unknown = [row for row in strange if "problem" not in row]
    if unknown:
        named = Found((), tuple(row["email"] for row in unknown))
        tell_error(without_account(named, {row["email"]: row.get("near", ()) for row in unknown}))
    nobody = ExitCode.USAGE if len(unknown) == len(rows) else ExitCode.DONE  # nothing was done in part: it is misspelt
    sys.exit(ExitCode.UNREADABLE if len(unreadable) == len(rows) else nobody or (ExitCode.IN_PART if strange else ExitCode.DONE))


async def _shown(config: Config, addresses: Sequence[str]) -> list[dict[str, Any]]:
    from syncd.app import open_dependencies, policy_of
    from syncd.operations.inspect import look_at_all

    async with open_dependencies(config, observers(config), write_ledger=False, from_checkpoint=True) as deps:
        return await look_at_all(deps, policy_of(config), addresses)


async def agreed(deps: Dependencies, policy: Policy, question: str, effects: Sequence[Decision], *, yes: bool) -> bool:
    """On a terminal: shows what both sides know of the accounts, and asks. Without one, or with --yes, it is agreed."""
    if effects and not yes and sys.stdin.isatty():
        from syncd.operations.inspect import look_at_all
        from syncd.reports.terminal import print_table

        shown = [effect.account.email for effect in effects[:SHOWN_BEFORE_ASKING]]
        rows = await look_at_all(deps, policy, shown)
        print_table([{key: row.get(key) for key in ASKED_ABOUT} for row in rows], sys.stderr)
        if len(effects) > len(shown):
            click.echo(f"… and {len(effects) - len(shown):,} more", err=True)
        for line in totals_of(effects, rows):
            click.echo(line, err=True)
    return not effects or confirmed(question, yes=yes)


def totals_of(effects: Sequence[Decision], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a question is about, in numbers: by status and licence for all, by entitlement for those that were asked about."""

    def said(words: Iterable[str]) -> str:
        return ", ".join(f"{count:,} {word}" for word, count in Counter(words).most_common())

    accounts = [effect.account for effect in effects]
    lines = [
        f"{len(accounts):,} accounts: {said(account.status.value for account in accounts)}; licences: "
        + said(licence_word(account.type) or "unknown" for account in accounts)
    ]
    words = {None: "unknown", True: "entitled", False: "not entitled"}
    entitled = said(words[row.get("entitled")] for row in rows)
    return [*lines, f"of those shown: {entitled}" if len(rows) < len(accounts) else f"in the directory: {entitled}"]


class NobodyMeant(SyncdError):
    """Behind none of the addresses given is an account."""


def _change(name: str, action: Action, says: str) -> click.Command:
    @account.command(name, short_help=f"{name} by hand")
    @config_option
    @addresses_arguments
    @who_and_why
    @click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
    @click.option("--confirm-count", type=int, metavar="N", help="Passes the size guards when exactly N accounts change.")
    @click.option("--while-paused", is_flag=True, help="Also while changes are paused.")
    @format_option("table", "json", default="table")
    @wait_option
    @click.pass_context
    def command(
        context: click.Context,
        addresses: tuple[str, ...],
        from_file: Path | None,
        by: str,
        because: str,
        yes: bool,
        confirm_count: int | None,
        while_paused: bool,
        format_: str,
        out: Path | None,
        wait: str,
    ) -> None:
        from syncd.operations.holds import unsure_to_hold
        from syncd.operations.lookup import SPELLING, Found, without_account
        from syncd.operations.manual import Request, execute_request, wanted_by_address

        config = configuration(context)
        demand_enforce(config, f"account {name}")
        chosen = all_addresses(addresses, from_file)
        request = Request(by, because, confirm_count, while_paused)
        left: list[dict[str, Any]] = []
        codes: list[int] = []
        said: list[str] = []

        async def work(deps: Dependencies, policy: Policy, term: int) -> CycleReport:
            wanted = await wanted_by_address(deps, policy, chosen, action, request, term)
            left.extend(
                {
                    "email": address,
                    "status": "unknown",
                    "outcome": OutcomeKind.FAILED.value,
                    "outcome_reason": "not_in_zoom",
                    "near": list(wanted.near.get(address, ())),
                }
                for address in wanted.unknown
            )
            left.extend(
                {
                    "email": address,
                    "status": "pending",
                    "outcome": OutcomeKind.SKIPPED.value,
                    "outcome_reason": "invitation_pending",
                }
                for address in wanted.pending
            )
            left.extend(odd_row(odd) for odd in wanted.unreadable)
            said.append(without_account(Found((), wanted.unknown, (), wanted.pending), wanted.near))
            if not (wanted.effects or wanted.already or wanted.unreadable):
                raise NobodyMeant(said[0], SPELLING if wanted.unknown else "")
            codes.append(wanted.unreadable_code)
            demand_not_held(wanted.verdicts)
            if not await agreed(deps, policy, f"{name} {len(wanted.effects)} accounts?", wanted.effects, yes=yes):
                raise Held("not confirmed; nothing was changed")
            hold = await unsure_to_hold(deps, policy, wanted) if action is Action.REACTIVATE else ()
            return await execute_request(deps, policy, config.mode, wanted, request, term, trigger=Trigger.ACCOUNT, hold=hold)

        try:
            report = run(one_cycle(config, observers(config), seconds(wait, "--wait"), work, from_checkpoint=True))
        except NobodyMeant as error:
            print_rows(left, format_, out)
            raise UsageError(f"{error.what}; nothing was done", error.do) from None
        rows = verified_rows(report) + left
        print_rows(rows, format_, out)
        done = sum(1 for row in rows if row.get("outcome") in (None, OutcomeKind.DONE))
        if said[0]:
            tell_error(said[0])
        click.echo(f"{done} of {len(rows)} as asked; cycle {report.cycle_id}", err=True)
        sys.exit(report.exit_code or max(codes) or (ExitCode.IN_PART if left else ExitCode.DONE))

    command.help = says
    return command


_change(
    "deactivate",
    Action.DEACTIVATE,
    """Deactivates accounts by hand; a cycle does not bring them back.

    \b
    Example:  syncd account deactivate leaver@corp.example --config syncd.yaml --by "Ann Lee" --because "ticket 4711"
    Exit status: 0 all as asked, 2 nobody of these addresses, 3 a guard or a protected account, 5 some failed
    """,
)
_change(
    "reactivate",
    Action.REACTIVATE,
    """Reactivates accounts by hand, with the licence recorded at deactivation.

    Somebody who is not entitled is put on hold for 7 days, so that the next cycle does not deactivate them again.

    \b
    Example:  syncd account reactivate ann@corp.example --config syncd.yaml --by "Ann Lee" --because "ticket 4711"
    """,
)


@account.command("hold", short_help="leave these accounts alone")
@config_option
@addresses_arguments
@click.option("--until", metavar="DATE", help="2026-12-31 or an RFC 3339 time; default: until release.")
@click.option("--yes", is_flag=True, help="Accepted for symmetry; a hold never asks.")
@who_and_why
@format_option("table", "json", default="table")
@click.pass_context
def account_hold(
    context: click.Context,
    addresses: tuple[str, ...],
    from_file: Path | None,
    until: str | None,
    yes: bool,
    by: str,
    because: str,
    format_: str,
    out: Path | None,
) -> None:
    """Puts accounts on hold: syncd decides "keep, on_hold" for them, whatever the directory says.

    \b
    Example:  syncd account hold ann@corp.example --config syncd.yaml --until 2026-12-31 \\
                --by "Ann Lee" --because "parental leave"
    """
    from syncd.app import open_dependencies
    from syncd.execution.lifecycle import conclude_each
    from syncd.operations.holds import hold
    from syncd.operations.manual import Request

    del yes
    config, end = configuration(context), moment(until)
    chosen = all_addresses(addresses, from_file)

    async def work() -> list[dict[str, Any]]:
        async with open_dependencies(config, observers(config), write_ledger=True, from_checkpoint=True) as deps:
            if end is not None and end <= deps.clock.now():
                raise UsageError(f"--until: {until} is in the past")
            return await _hold_rows(deps, await hold(deps, chosen, Request(by, because), end))

    rows = run(work())
    print_rows(rows, format_, out)
    done = sum("outcome" not in row for row in rows)
    click.echo(f"{done} on hold{f' until {end:%Y-%m-%d %H:%M} UTC' if end else ', until released'}", err=True)
    sys.exit(conclude_each(done, len(rows)))


@account.command("release", short_help="end a hold")
@config_option
@addresses_arguments
@click.option("--yes", is_flag=True, help="Accepted for symmetry; a release never asks.")
@who_and_why
@format_option("table", "json", default="table")
@click.pass_context
def account_release(
    context: click.Context,
    addresses: tuple[str, ...],
    from_file: Path | None,
    yes: bool,
    by: str,
    because: str,
    format_: str,
    out: Path | None,
) -> None:
    """Ends holds: the next cycle decides about these accounts again.

    \b
    Example:  syncd account release ann@corp.example --config syncd.yaml --by "Ann Lee" --because "ticket 4711"
    """
    from syncd.app import open_dependencies
    from syncd.execution.lifecycle import conclude_each
    from syncd.operations.holds import release
    from syncd.operations.manual import Request

    del yes
    config = configuration(context)
    chosen = all_addresses(addresses, from_file)

    async def work() -> list[dict[str, Any]]:
        async with open_dependencies(config, observers(config), write_ledger=True, from_checkpoint=True) as deps:
            return await _hold_rows(deps, await release(deps, chosen, Request(by, because)))

    rows = run(work())
    print_rows(rows, format_, out)
    done = sum("outcome" not in row for row in rows)
    click.echo(f"{done} released", err=True)
    sys.exit(conclude_each(done, len(rows)))


@account.command("acknowledge", short_help="a standing manual row alerts nobody for a while")
@config_option
@addresses_arguments
@click.option("--until", required=True, metavar="DATE", help="2026-12-31 or an RFC 3339 time.")
@who_and_why
@format_option("table", "json", default="table")
@click.pass_context
def account_acknowledge(
    context: click.Context,
    addresses: tuple[str, ...],
    from_file: Path | None,
    until: str,
    by: str,
    because: str,
    format_: str,
    out: Path | None,
) -> None:
    """Says that you know of accounts that need manual action: they alert nobody until then, or until the facts change.

    Decisions go on as before; syncd_manual_accounts still counts them.

    \b
    Example:  syncd account acknowledge admin@corp.example --config syncd.yaml --until 2026-12-31 \\
                --by "Ann Lee" --because "ticket 4711"
    """
    from syncd.app import open_dependencies
    from syncd.execution.lifecycle import conclude_each
    from syncd.operations.holds import acknowledge
    from syncd.operations.manual import Request

    config, end = configuration(context), moment(until)
    assert end is not None
    chosen = all_addresses(addresses, from_file)

    async def work() -> list[dict[str, Any]]:
        async with open_dependencies(config, observers(config), write_ledger=True, from_checkpoint=True) as deps:
            return await _hold_rows(deps, await acknowledge(deps, chosen, Request(by, because), end))

    rows = run(work())
    print_rows(rows, format_, out)
    done = sum("outcome" not in row for row in rows)
    click.echo(f"{done} acknowledged until {end:%Y-%m-%d %H:%M} UTC", err=True)
    sys.exit(conclude_each(done, len(rows)))


async def _hold_rows(deps: Dependencies, found: Found) -> list[dict[str, Any]]:
    """What Zoom shows of these accounts, and whether the ledger has them on hold now."""
    from syncd.ledger.record import rfc3339

    history, now = await deps.ledger.history(), deps.clock.now()
    rows = []
    for account in found.accounts:
        held = history.holds.get(account.zoom_id or "") if history.on_hold(account.zoom_id or "", now) else None
        rows.append(
            {
                "email": account.email,
                "zoom_id": account.zoom_id,
                "status": account.status.value,
                "role": account.role or account.role_id,
                "licence": licence_word(account.type),
                "on_hold": held is not None,
                "until": rfc3339(held.until) if held is not None and held.until is not None else None,
                "by": held.by if held is not None else None,
                "because": held.because if held is not None else None,
            }
        )
    return rows + [odd_row(odd) for odd in found.unreadable]


def odd_row(odd: Unreadable) -> dict[str, Any]:
    """The row of an account that Zoom answers oddly about."""
    return {
        "email": odd.name,
        "status": "unknown",
        "outcome": OutcomeKind.FAILED.value,
        "outcome_reason": OutcomeReason.ACCOUNT_UNREADABLE.value,
        "problem": odd.why,
        "do": odd.do,
    }


@click.command(short_help="one person through every step")
@config_option
@click.argument("address")
@format_option("table", "json", default="table")
@click.pass_context
def explain(context: click.Context, address: str, format_: str, out: Path | None) -> None:
    """One person through every step: found where, by which group path, matched how, decided why, due when.

    Reads both sides as a plan does, and changes nothing.

    \b
    Example:  syncd explain ann@corp.example --config syncd.yaml
    """
    config = configuration(context)
    story = run(_explained(config, address))
    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(story, ensure_ascii=False, indent=1) + "\n")
        else:
            from syncd.operations.inspect import told
            from syncd.reports.terminal import print_paragraphs

            print_paragraphs(told(story), stream)
    sys.exit(story["exit_code"])


async def _explained(config: Config, address: str) -> dict[str, Any]:
    from syncd.app import open_dependencies, policy_of
    from syncd.operations.cycle import Run, run_cycle
    from syncd.operations.handover.ended import handed_over
    from syncd.operations.inspect import deletions, explained

    async with open_dependencies(config, observers(config), write_ledger=False, from_checkpoint=True) as deps:
        policy = policy_of(config)
        report = await run_cycle(deps, policy, Run(config.mode, Trigger.PLAN))
        history = await deps.ledger.history()
        story = explained(report, history, policy, address)
        if ended := await handed_over(deps, policy, report, history, address):
            story |= {"handovers": ended, "exit_code": int(ExitCode.DONE)}
        return story if story.get("directory") else story | await deletions(deps, policy, address)


# ---------------------------------------------------------------------------------------------------------- helpers


def all_addresses(addresses: Sequence[str], from_file: Path | None) -> list[str]:
    """The addresses given, each checked before anything is done. Raises UsageError naming every bad line."""
    named = [(address, f"argument {number}") for number, address in enumerate(addresses, 1)]
    if from_file is not None:
        try:
            text = from_file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--from-file: {from_file} cannot be read: {error}", "One address a line, UTF-8.") from None
        for number, line in enumerate(text.splitlines(), 1):
            address = line.partition("#")[0].strip()
            if address:
                named.append((address, f"{from_file}, line {number}"))
    bad = [f"{where}: {address!r} is not an address" for address, where in named if not _looks_like_one(address)]
    if bad:
        raise UsageError("nothing was done:\n  " + "\n  ".join(bad[:20]))
    if not named:
        raise UsageError("no address is given", "Name addresses, or a file with --from-file.")
    unique: dict[str, str] = {}
    for address, _ in named:
        unique.setdefault(address_key(address), address)
    return list(unique.values())


def _looks_like_one(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return (
        bool(at and local and domain)
        and "@" not in local
        and not any(char.isspace() or not char.isprintable() or char in ',;<>"' for char in address)
    )


def moment(text: str | None) -> datetime | None:
    """A date (its end, UTC) or an RFC 3339 time. Raises UsageError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until: {text!r} is neither a date nor a time", "Write 2026-12-31 or 2026-12-31T18:00:00Z.") from None
    if len(text) == len("2026-12-31"):
        found = found.replace(hour=23, minute=59, second=59)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def verified_rows(report: CycleReport) -> list[dict[str, Any]]:
    """The verified state of every account a hand verb was about."""
    from syncd.reports.document import decision_row

    rows = []
    for decision in report.plan.decisions if report.plan is not None else ():
        row = decision_row(report, decision)
        status = row["status_after"] or row["status"]
        rows.append(
            {
                "email": row["email"],
                "zoom_id": row["zoom_id"],
                "status": status,
                "role": row["role"],
                "licence": row["licence_after"] or row["licence"],
                "outcome": row["outcome"],
                "outcome_reason": row["outcome_reason"],
                "verified_at": row["verified_at"],
            }
        )
    return rows


def print_rows(rows: Sequence[dict[str, Any]], format_: str, out: Path | None) -> None:
    """Rows as JSON, as a table on a terminal, or as tab-separated lines. Raises UsageError when *out* cannot be written."""
    from syncd.reports.terminal import print_table

    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n")
        else:
            print_table(rows, stream)


def demand_not_held(verdicts: Sequence[Any]) -> None:
    """Raises Held when a guard of these *verdicts* tripped (names every one), LedgerError where the ledger does not verify."""
    tripped = [verdict for verdict in verdicts if verdict.tripped]
    if any(verdict.guard is Guard.LEDGER_BROKEN for verdict in tripped):
        from syncd.errors import LedgerError

        raise LedgerError(f"the ledger does not verify: {tripped[0].says}", tripped[0].do)
    if tripped:
        raise Held(
            "held, nothing was changed:\n" + "\n".join(f"  {verdict.guard.value}: {verdict.says}" for verdict in tripped),
            tripped[0].do,
        )


VERBS = (pause, resume, account, explain)
