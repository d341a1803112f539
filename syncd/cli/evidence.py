"""Verbs about evidence and set-up: ledger, check, schema, demo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli import checking, keeping
from syncd.cli.common import config_option, configuration, format_option, observers, output, run
from syncd.errors import ExitCode, UsageError
from syncd.model.near import near_names

if TYPE_CHECKING:
    from syncd.config import Config


@click.group(short_help="the record of everything: verify, show, export")
def ledger() -> None:
    """The append-only, hash-chained record of what was read, decided, approved and done."""


@ledger.command("verify", short_help="check the chain, signatures, a published head and the reports on disk")
@config_option
@click.option("--head", metavar="HASH", help="A head published elsewhere (log line, report): shows a cut-off tail.")
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may sign approvals (as approvals.signers_file): every signed approval must fit.",
)
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check signatures with the public keys of this PEM file; every cycle must be covered by one.",
)
@click.option(
    "--export",
    "exported",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check what ledger export wrote instead of the ledger; needs no configuration.",
)
@click.option(
    "--reports",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Check the report files in this folder; default: reports.directory.",
)
@click.pass_context
def verify(
    context: click.Context,
    head: str | None,
    public_key: Path | None,
    exported: Path | None,
    folder: Path | None,
    signers: Path | None,
) -> None:
    """Checks every entry's hash, order and term, the control totals, and that reports on disk are those recorded.

    Needs no credential and no network: a copy of the ledger will do, or an export. A chain alone cannot show that its tail
    was cut off. So the heads in the folder of reports (cycles.jsonl, MANIFEST) are looked for too, and you can give
    one published elsewhere with --head. A chain computed anew from its first entry on shows against a signature.

    \b
    Example:  syncd ledger verify --config syncd.yaml --public-key public.pem
              syncd ledger verify --export ledger.jsonl --reports reports/ --public-key public.pem
    Exit status: 0 intact, 2 usage or configuration, 6 not intact (the first bad entry is named)
    """
    from syncd.cli.verifying import Look, verify_export_file, verify_ledger
    from syncd.reports.safe import visible

    if head is not None and not head.strip():
        raise UsageError("--head: is empty", "Give the hash of an entry, or leave --head out.")
    if exported is None:
        config = configuration(context, check_files=False)
        here = folder or (Path(config.reports.directory) if config.reports.directory is not None else None)
        look = Look(head, public_key, here, demanded=folder is not None, signers=signers)
        found = run(verify_ledger(config, observers(config), look))
    else:
        found = verify_export_file(exported, Look(head, public_key, folder, demanded=folder is not None, signers=signers))
    for line in found.lines:
        click.echo(visible(line))  # names of files and cycles are whatever somebody wrote there
    sys.exit(ExitCode.DONE if found.good else ExitCode.LEDGER)


@ledger.command("show", short_help="list entries, the newest first")
@config_option
@click.option("--limit", default=50, show_default=True, help="How many entries.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only entries of this kind; may be repeated.")
@click.option("--cycle", default="", metavar="ID", help="Only entries of this cycle.")
@format_option("table", "json", default="table")
@click.pass_context
def show(context: click.Context, limit: int, kinds: tuple[str, ...], cycle: str, format_: str, out: Path | None) -> None:
    """Lists what was recorded: when, what kind, in which cycle, about which account.

    \b
    Example:  syncd ledger show --config syncd.yaml --limit 20 --kind approval
    """
    from syncd.ledger.entry import KINDS

    for unknown in (kind for kind in kinds if kind not in KINDS):
        near = near_names(unknown, KINDS)
        raise UsageError(
            f"--kind: there are no entries of the kind {unknown!r}",
            f"Did you mean {near[0]}?" if near else f"Kinds: {', '.join(sorted(KINDS))}",
        )
    config = configuration(context, check_files=False)
    rows = run(_entries(config, limit, kinds, cycle))
    if not rows:
        click.echo("no such entry", err=True)
    from syncd.reports.terminal import print_table

    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        else:
            print_table([row | {"body": json.dumps(row["body"], ensure_ascii=False)[:160]} for row in rows], stream)


async def _entries(config: Config, limit: int, kinds: tuple[str, ...], cycle: str) -> list[dict[str, Any]]:
    from syncd.app import open_ledger

    async with open_ledger(config, observers(config)) as opened:
        return [
            {
                "seq": entry.seq,
                "at": entry.at,
                "kind": entry.kind,
                "cycle": entry.cycle,
                "subject": entry.subject,
                "body": json.loads(entry.body),
            }
            async for entry in opened.entries(kinds=kinds, cycle=cycle, reverse=True, limit=limit)
        ]


@ledger.command("export", short_help="the whole ledger as JSON lines")
@config_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Default: standard output.")
@click.pass_context
def export(context: click.Context, out: Path | None) -> None:
    """Writes every entry as a JSON line, with names and addresses (where still kept) beside the hashed part.

    \b
    Example:  syncd ledger export --config syncd.yaml --out ledger.jsonl
    """
    config = configuration(context, check_files=False)
    run(_exported(config, out))


async def _exported(config: Config, out: Path | None) -> None:
    from syncd.app import open_ledger

    async with open_ledger(config, observers(config)) as opened:
        with output(out) as stream:
            async for line in opened.export():
                stream.write(line.rstrip("\n") + "\n")


@ledger.command("copy", short_help="move a ledger between SQLite and PostgreSQL")
@click.argument("source")
@click.argument("target")
def copy(source: str, target: str) -> None:
    """Copies the ledger at SOURCE into the empty database TARGET, chain intact, and verifies the copy.

    Both are ledger addresses as in ledger.url, or @FILE, a file that holds one. Stop the daemon first: what it appends
    meanwhile stays behind. A password belongs into such a file, $PGPASSWORD or a passfile, not into the command line.

    \b
    Example:  syncd ledger copy sqlite:////var/lib/syncd/ledger.db postgresql://syncd@db.corp.example/syncd
    """
    from syncd.app import copy_ledger

    head = copy_ledger(_address(source), _address(target))
    click.echo(f"copied {head.seq} entries, head {head.hash}; name the new address in ledger.url")


def _address(given: str) -> str:
    """The address itself, or what the file after the @ holds. Raises UsageError."""
    if not given.startswith("@"):
        return given
    try:
        held = Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{given[1:]} cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})",
            "After @ comes a file that holds a ledger's address, as ledger.url_file names it.",
        ) from None
    if not held:
        raise UsageError(f"{given[1:]} is empty", "It should hold a ledger's address, as ledger.url_file names it.")
    return held


for _verb in keeping.VERBS:
    ledger.add_command(_verb)


@click.command(short_help="JSON Schema of the configuration")
@click.option("--example", "commented", is_flag=True, help="Instead: the commented example, every key with its default.")
def schema(commented: bool) -> None:
    """Prints the JSON Schema of the configuration file, for editors and pipelines.

    \b
    Example:  syncd schema > syncd.schema.json
              syncd schema --example | less
    """
    from syncd.config import example, json_schema

    click.echo(example().rstrip("\n") if commented else json.dumps(json_schema(), ensure_ascii=False, indent=1))


@click.command(short_help="watch syncd work, on a company that comes with it")
@click.option(
    "--directory",
    "directory",
    type=click.Choice(["file", "entra"]),
    default="file",
    show_default=True,
    help="Which kind of directory the company has; both are simulated.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Where the demo's configuration, ledger and reports lie; default: a new temporary folder.",
)
@click.option("--keep", is_flag=True, help="Leave the daemon, its status page and the simulated services running until Ctrl-C.")
def demo(directory: str, folder: Path | None, keep: bool) -> None:
    """Runs the whole daemon against an embedded company: nothing to install, no account anywhere.

    Shows a first plan, a day with leavers, a day on which half the directory vanishes and is held, and the way past.

    \b
    Example:  syncd demo --keep
    """
    from syncd.lab.demo import play

    sys.exit(run(play(folder, directory, keep=keep)))


VERBS = (ledger, *checking.VERBS, schema, demo)
