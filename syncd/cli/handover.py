"""``syncd handover``: what becomes of leavers' content. Listed, planned, approved and run by people alone."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import (
    config_option,
    configuration,
    demand_enforce,
    format_option,
    observers,
    output,
    run,
    seconds,
    wait_option,
    who_and_why,
    with_signals,
)
from syncd.cli.people import addresses_arguments, all_addresses, print_rows
from syncd.errors import ExitCode, SyncdError, UsageError

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.operations.dependencies import Dependencies
    from syncd.operations.handover.run import Ended


@click.group(short_help="what becomes of leavers' meetings and recordings: list, plan, run, release")
def handover() -> None:
    """Hands the content of people who left for good to somebody, and ends their accounts. Never in a cycle, never unattended.

    \b
    syncd handover list                                              every stage, with the day it falls due
    syncd handover plan                                              what is due now, with a digest
    syncd approve --plan DIGEST --guard handover --by … --because …  somebody else says yes
    syncd handover run --plan DIGEST --confirm-count N --by … --because …
    """


@handover.command("list", short_help="every deactivated account with its stage")
@config_option
@format_option("table", "json", default="table")
@click.pass_context
def list_(context: click.Context, format_: str, out: Path | None) -> None:
    """Shows all: stage, reason, when it falls due, who would receive it (or why nobody). Changes nothing.

    \b
    Example:  syncd handover list --config syncd.yaml
    """
    config = _configured(context)
    rows, doubts = run(_listed(config))
    _print(rows, format_, out)
    for doubt in doubts:
        click.echo(f"warning: this read is not to be believed: {doubt}", err=True)
    for line in _lost_first(rows):
        click.echo(f"warning: {line}", err=True)
    counts = Counter(str(row["stage"]) for row in rows)
    click.echo(", ".join(f"{count} {stage}" for stage, count in counts.items()) or "nobody is deactivated", err=True)
    sys.exit(ExitCode.HELD if doubts else ExitCode.DONE)


def _lost_first(rows: list[dict[str, Any]]) -> list[str]:
    """What Zoom itself may delete before anybody may hand it over, or at all while nobody does."""
    open_ = [row for row in rows if row["zoom_deletes_at"] is not None and row["stage"] not in ("handed_over", "handing_over")]
    first = [row for row in open_ if row["stage"] == "kept" or row["due_at"] is None or row["due_at"] >= row["zoom_deletes_at"]]
    lines = [
        f"{len(some)} {what}: {_named(some)}; turn it off in Zoom (Account settings > Users > Advanced) or give them back in time"
        for some, what in (
            ([row for row in first if row["stage"] == "kept"], "kept, and Zoom's own setting deletes them all the same"),
            ([row for row in first if row["stage"] != "kept"], "deleted by Zoom's own setting before they fall due"),
        )
        if some
    ]
    late = [row for row in open_ if row not in first]
    if late:
        lines.append(f"Zoom's own setting deletes {_named(late)} with what was not handed over by then")
    return lines


def _named(rows: list[dict[str, Any]]) -> str:
    """The first to be deleted, with when."""
    some = sorted(rows, key=lambda row: str(row["zoom_deletes_at"]))[:3]
    more = f" and {len(rows) - len(some)} more" if len(rows) > len(some) else ""
    return ", ".join(f"{row['email'] or row['zoom_id']} ({row['zoom_deletes_at']})" for row in some) + more


async def _listed(config: Config) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    from syncd.app import handover_rules, names_of, open_dependencies, policy_of
    from syncd.operations.handover.look import look, row_of

    async with open_dependencies(config, observers(config), write_ledger=False) as deps:
        looked = await look(deps, policy_of(config), handover_rules(config), config.mode)
        rows = [row_of(case, looked.facts) for case in looked.cases]
        names = await names_of(deps.ledger, [row["zoom_id"] for row in rows if row["email"] is None])
        for row in rows:
            row["email"] = row["email"] or names.get(row["zoom_id"], {}).get("email")
        return rows, looked.doubts


@handover.command("plan", short_help="a plan of everything due, to be approved")
@config_option
@addresses_arguments
@click.option(
    "--reopen",
    is_flag=True,
    help="Only where Zoom refuses deactivated accounts: make each active and licensed for the handover (needs a free seat, opens "
    "access for minutes). A plan of its own, approved as such.",
)
@format_option("table", "json", default="table")
@click.pass_context
def plan(
    context: click.Context, addresses: tuple[str, ...], from_file: Path | None, reopen: bool, format_: str, out: Path | None
) -> None:
    """Plans the handover of everybody due, or of the addresses named: who receives what, what the account holds, what is left
    behind to be lost. Its digest binds account, receiver, content and end of each. Changes nothing at Zoom.

    \b
    Example:  syncd handover plan --config syncd.yaml
              syncd handover plan leaver@corp.example --config syncd.yaml
    Exit status: 0 planned (or nothing is due), 2 somebody named is not due, 3 the read is not to be believed, 4 unreadable
    """
    config = _configured(context)
    only = all_addresses(addresses, from_file) if addresses or from_file is not None else ()
    document = run(_planned(config, only, reopen=reopen))
    if format_ == "json":
        with output(out) as stream:
            stream.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        _print(document["items"], format_, out)
    for line in _about(document):
        click.echo(line, err=True)


async def _planned(config: Config, only: Sequence[str], *, reopen: bool) -> dict[str, Any]:
    from syncd.app import handover_rules, open_dependencies, policy_of
    from syncd.operations.handover.access import access_in_doubt
    from syncd.operations.handover.plan import make_plan
    from syncd.operations.handover.settling import settle

    async with open_dependencies(config, observers(config), write_ledger=True) as deps:
        history = await deps.ledger.history()
        if any(one.state == "handing_over" for one in history.handovers.values()) or access_in_doubt(history, deps.clock.now()):
            async with deps.ledger.writer(0.0) as term:  # nobody is at it: an earlier run was interrupted
                await settle(deps, term)
        _, document = await make_plan(deps, policy_of(config), handover_rules(config), config.mode, only, reopen=reopen)
        return document


def _about(document: dict[str, Any]) -> list[str]:
    items = document["items"]
    if not items:
        return ["nothing is due"]
    lines = [
        (
            f"{len(items)} account{'s' if len(items) > 1 else ''} would be "
            f"{'deleted' if document['end'] == 'delete' else 'unlinked'}, with "
            f"{', '.join(document['content'])} handed over"
        ),
        document["undo"],
        "lost whatever is handed over: " + "; ".join(document["always_lost"]),
    ]
    if document["left_behind"]:
        lines.append("left behind to be lost (not in handover.content): " + ", ".join(document["left_behind"]))
    if document["reopen"]:
        lines.append(f"THIS PLAN OPENS ACCESS: {document['way']}")
    unchecked = [item["email"] for item in items if item["hold_unchecked"]]
    if unchecked:
        lines.append(
            f"a legal hold cannot be checked any more for {len(unchecked)}, who are not in the directory: "
            f"{', '.join(unchecked)}; approving says that there is none"
        )
    lines += [f"{one['receiver']} would receive the content of {one['people']} people" for one in document["many_to_one"]]
    digest = document["digest"][:12]
    lines.append(f"approve: syncd approve --plan {digest} --guard handover --by NAME --because TEXT")
    lines.append(f"then: syncd handover run --plan {digest} --confirm-count {len(items)} --by NAME --because TEXT")
    return lines


@handover.command("run", short_help="carry out an approved plan")
@config_option
@click.option("--plan", "digest", required=True, metavar="DIGEST", help="The approved plan (8 digits or more).")
@click.option("--confirm-count", type=int, required=True, metavar="N", help="How many accounts that is.")
@who_and_why
@format_option("table", "json", default="table")
@wait_option
@click.pass_context
def run_(
    context: click.Context, digest: str, confirm_count: int, by: str, because: str, format_: str, out: Path | None, wait: str
) -> None:
    """Hands over and ends exactly what was approved, one account after the other, each looked at right before and after. At
    least one approver must be somebody else than --by.

    \b
    Example:  syncd handover run --config syncd.yaml --plan 4f3a9c01d2e4 --confirm-count 3 \\
                --by "Ann Lee" --because "ticket 4711"
    Exit status: 0 all handed over, 2 usage or mode: report, 3 not approved (any more), 4 unreadable, 5 some were not
    """
    config = _configured(context)
    demand_enforce(config, "handover run")
    _demand_secret(config)
    results = run(_run(config, digest.lower(), confirm_count, by, because, seconds(wait, "--wait")))
    rows = [
        {
            "email": one.email,
            "receiver": one.receiver,
            "state": one.state,
            "says": one.says,
            "do": one.do,
            "missing": one.missing or {},
            "zoom_id": one.zoom_id,
        }
        for one in results
    ]
    _print(rows, format_, out)
    done = sum(one.state == "handed_over" for one in results)
    click.echo(f"{done} of {len(results)} handed over", err=True)
    sent = any(one.state != "not_tried" for one in results)
    unreadable = any(one.unreadable for one in results) and not sent
    sys.exit(ExitCode.DONE if done == len(results) else ExitCode.UNREADABLE if unreadable else ExitCode.IN_PART)


def _demand_secret(config: Config) -> None:
    """It is no matter for any other verb, so nobody looked yet whether it is there. Raises UsageError."""
    from syncd.app import secret

    assert config.handover is not None
    try:
        secret(config.handover.client_secret, "handover.client_secret")()
    except SyncdError as error:
        raise UsageError(error.what, error.do) from None


async def _run(config: Config, digest: str, count: int, by: str, because: str, wait: float) -> list[Ended]:
    from syncd.app import ending_zoom, handover_rules, open_dependencies, policy_of
    from syncd.operations.handover.run import run_plan
    from syncd.operations.manual import Request
    from syncd.operations.reading import ask_clock

    tell = observers(config)
    async with open_dependencies(config, tell, write_ledger=True, asks_clock=False) as deps:
        policy = policy_of(config)

        async def locked(deps: Dependencies) -> list[Ended]:
            async with deps.ledger.writer(wait) as term, ending_zoom(config, deps.clock, tell) as ending:
                await ending.get_token()  # an app that cannot sign in is met before anything is announced
                await ask_clock(deps, policy)
                return await run_plan(
                    deps, policy, handover_rules(config), config.mode, ending, digest, Request(by, because, count), term
                )

        return await with_signals(deps, locked)


@handover.command("release", short_help="say that a legal hold is over (two people)")
@config_option
@addresses_arguments
@who_and_why
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="OpenSSH private key (Ed25519) of whoever is named by --by: signs it.",
)
@click.pass_context
def release(
    context: click.Context, addresses: tuple[str, ...], from_file: Path | None, by: str, because: str, key: Path | None
) -> None:
    """Ends legal holds that were seen and stand since. Two different people must say so within a week.

    \b
    Example:  syncd handover release leaver@corp.example --config syncd.yaml --by "Ann Lee" --because "case closed"
    """
    config = _configured(context)
    for address, over in run(_released(config, all_addresses(addresses, from_file), by, because, key)):
        click.echo(f"{address}: the legal hold is over" if over else f"{address}: 1 of 2: somebody else must release it, too")


async def _released(config: Config, names: Sequence[str], by: str, because: str, key: Path | None) -> list[tuple[str, bool]]:
    from syncd.app import handover_rules, open_dependencies, policy_of
    from syncd.cli.approving import signing
    from syncd.operations.approve import authorised
    from syncd.operations.handover.legal_hold import release_hold

    async with open_dependencies(config, observers(config), write_ledger=True) as deps:
        policy, history = policy_of(config), await deps.ledger.history()
        return await release_hold(
            deps,
            policy,
            handover_rules(config),
            names,
            by,
            because,
            lambda one: authorised(one, policy, history, deps.signature_fits, signing(key)),
        )


def _configured(context: click.Context) -> Config:
    config = configuration(context)
    if config.handover is None:
        raise UsageError(
            "this configuration has no section handover: leavers' content stays where it is",
            "See docs/how-to/hand-over-content.md.",
        )
    return config


def _print(rows: list[dict[str, Any]], format_: str, out: Path | None) -> None:
    shown = rows if format_ == "json" else [_flat(row) for row in rows]
    print_rows(shown, format_, out)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for the eye: the receiver by address, what it holds in words."""
    flat = {
        key: value
        for key, value in row.items()
        if key not in ("receiver", "inventory", "holds", "zoom_id", "display_name", "hold_unchecked")
    }
    if isinstance(row.get("receiver"), dict):
        receiver = row["receiver"]
        rule = f" ({receiver['rule']})" if receiver["rule"] else ""
        flat["receiver"] = f"{receiver['email'] or receiver['zoom_id']}{rule}"
    else:
        flat["receiver"] = row.get("receiver")
    holds = row.get("holds") or row.get("inventory")
    if holds:
        flat["holds"] = ", ".join(f"{kind} {holds[kind]}" for kind in ("meetings", "webinars", "recordings", "recording_bytes"))
    return flat


VERBS = (handover,)
