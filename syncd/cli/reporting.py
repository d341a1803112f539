"""``syncd report``: evidence over a period, from the ledger or from an export alone; ``syncd review``: who reviewed it."""

from __future__ import annotations

import getpass
import io
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from syncd import __version__
from syncd.cli.common import binary_output, by_ending, config_option, configuration, observers, run
from syncd.cli.idle import idle
from syncd.errors import SyncdError, UsageError
from syncd.ledger import record
from syncd.model import sha256_of

if TYPE_CHECKING:  # not loaded for a verb that may not wait (pause)
    from syncd.config import Config
    from syncd.evidence.comparing import OtherLeavers
    from syncd.evidence.periods import Sample

FORMATS = ("table", "html", "csv", "xlsx", "json", "jsonl")

DATE = click.DateTime(["%Y-%m-%d"])

#: What ``syncd review`` may name besides a cycle.
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class _Report(click.Command):
    """``syncd report``, and ``syncd report idle``, which is about now and so takes other options."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["idle"]:
            return idle.make_context(f"{info_name} idle", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Report, short_help="evidence over a period, from the ledger or an export; idle: unused licences")
@config_option
@click.option("--from", "first", type=DATE, required=True, metavar="DATE", help="First day, such as 2026-10-01.")
@click.option("--to", "last", type=DATE, required=True, metavar="DATE", help="Last day; it is included.")
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="Only N leavers, with one evidence page each, and N kept accounts."
)
@click.option("--seed", default="1", show_default=True, metavar="S", help="Which N: the same seed picks the same.")
@click.option(
    "--export",
    "exported",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="From what ledger export wrote, alone: no configuration, no ledger.",
)
@click.option(
    "--compare",
    "others",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Leavers of another system (columns address, left_at): what stands in one list only.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    metavar="|".join(FORMATS),
    help="Default: by the ending of --out, else table.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file, or a folder for syncd_FROM_TO.FORMAT; default: standard output.",
)
@click.pass_context
def report(
    context: click.Context,
    first: datetime,
    last: datetime,
    sample: int | None,
    seed: str,
    exported: Path | None,
    others: Path | None,
    format_: str | None,
    out: Path | None,
) -> None:
    """Everybody who left in a period, when they lost access, who approved the exceptions, and whether the record is complete.

    Days are whole days of reports.timezone, and the last one is included: --from 2026-10-01 --to 2026-10-31 is October. Needs
    only the configuration and the ledger (a copy will do), or with --export a ledger export alone: no credential, no network.
    Promise and schedule are those that the ledger recorded as in force. The same export and parameters give the same bytes. A
    report made from the ledger is recorded in it with its hash.

    \b
    Example:  syncd report --config syncd.yaml --from 2026-10-01 --to 2026-10-31 --out october.html
              syncd report idle --config syncd.yaml --days 90
              syncd report --export ledger.jsonl --from 2026-10-01 --to 2026-10-31 --sample 25 --seed 7
    Exit status: 0 reported, 2 usage or configuration, 6 the ledger or export is not intact
    """
    from syncd.evidence.comparing import other_leavers
    from syncd.evidence.periods import Sample

    if last < first:
        raise UsageError(f"--to {last:%Y-%m-%d} lies before --from {first:%Y-%m-%d}", "Both days are included.")
    format_ = format_ or by_ending(out, FORMATS, "table")
    if out is not None and out.is_dir():
        ending = "txt" if format_ == "table" else format_
        out = out / f"syncd_{first:%Y-%m-%d}_{last:%Y-%m-%d}.{ending}"
    listed = other_leavers(others) if others is not None else None
    picked = Sample(sample, seed) if sample else None
    config = configuration(context, check_files=False) if exported is None else None
    with _progress() as (read, writing):
        if config is not None:
            document = run(_document(config, first, last, picked, read, listed))
            digest: str | None = _digest_of(config)
            omit: tuple[str, ...] = config.reports.omit_columns
        else:
            from syncd.evidence.exported import verified

            export = verified(exported or Path())
            document, digest = export.document(first.date(), last.date(), picked, read, listed), None
            omit = export.omit
        parameters = {
            "from": f"{first:%Y-%m-%d}",
            "to": f"{last:%Y-%m-%d}",
            "sample": sample,
            "seed": seed if sample else None,
            "compare": sha256(others.read_bytes()).hexdigest() if others is not None else None,
        }
        made_of(document, parameters, digest, omit)
        writing(f"writing {format_}: {len(document.get('leavers', ())):,} leavers")
        on_screen = format_ == "table" and out is None and sys.stdout.isatty()
        content = b"" if on_screen else _written(document, format_, omit)
    if on_screen:
        _show(document, omit)
        return
    with binary_output(out, format_) as binary:
        binary.write(content)
    if config is not None and out is not None:
        folder = config.reports.directory
        inside = folder is not None and out.resolve().parent == Path(folder).resolve()
        run(_recorded(config, out.name, content, document, inside=inside))


def made_of(
    document: dict[str, Any], parameters: dict[str, Any], configuration_digest: str | None, omit: tuple[str, ...] = ()
) -> None:
    """Puts into a document how it was made, and the digest of everything else: somebody else, elsewhere, gets the same one from
    the same entries. No time: the same input gives the same report."""
    from syncd.reports.period import without

    document["digest"] = sha256_of(without(document, omit))[:32]
    document["making"] = {
        "command": "syncd report",
        "parameters": parameters,
        "by": _user(),
        "host": socket.gethostname(),
        "configuration": configuration_digest,
        "version": __version__,
    }
    document["report_id"] = sha256_of([document["making"], document["ledger"]["head_hash"]])[:16]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _digest_of(config: Config) -> str:
    from syncd.app import in_force, policy_of

    return sha256_of([policy_of(config).as_json(), in_force(config)])[:16]


async def _document(
    config: Config,
    first: datetime,
    last: datetime,
    sample: Sample | None,
    told: Callable[[int], None],
    others: OtherLeavers | None,
) -> dict[str, Any]:
    from syncd.app import period_document, schedule_of
    from syncd.evidence.periods import Asked

    asked = Asked(first.date(), last.date(), config.reports.promise, schedule_of(config), config.reports.timezone, others)
    return await period_document(config, observers(config), asked, sample, told)


async def _recorded(config: Config, name: str, content: bytes, document: dict[str, Any], *, inside: bool) -> None:
    """An entry with the report's hash. A copy of a ledger that cannot be written leaves the report as good as it is: said."""
    from syncd.app import record_period_report

    making = {**document["making"], "report_id": document["report_id"], "inside": inside}
    try:
        await record_period_report(config, observers(config), record.reported("", name, sha256(content).hexdigest(), making))
    except SyncdError as error:
        click.echo(f"syncd: the report was made, but the ledger does not know it: {error.what}", err=True)


def _show(document: dict[str, Any], omit: tuple[str, ...]) -> None:
    from syncd.reports.period import period_view
    from syncd.reports.period_text import print_period

    view = period_view(document, omit)
    view.demand_balance()
    print_period(view, sys.stdout)


def _written(document: dict[str, Any], format_: str, omit: tuple[str, ...]) -> bytes:
    from syncd.reports.period import period_view, without
    from syncd.reports.period_text import print_period
    from syncd.reports.render import VIEW_FORMATS, render

    view = period_view(document, omit)
    view.demand_balance()
    if format_ in VIEW_FORMATS:
        binary = io.BytesIO()
        render(view, format_, binary)
        return binary.getvalue()
    text = io.StringIO()
    if format_ == "json":
        text.write(json.dumps(without(document, omit), ensure_ascii=False, indent=1) + "\n")
    else:
        print_period(view, text)
    return text.getvalue().encode("utf-8", "backslashreplace")


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """(how far the ledger was read, what is being written), on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None, lambda _: None
        return
    from syncd.cli.progress import live_line

    with live_line(sys.stderr, "verifying the ledger") as status:

        def told(seq: int) -> None:
            if seq % 1000 == 0:
                status.update(f"reading the ledger: {seq:,} entries")

        yield told, status.update


@click.command(short_help="record that a person reviewed a cycle or a month")
@config_option
@click.argument("of", metavar="CYCLE|YYYY-MM")
@click.option("--by", required=True, metavar="NAME", help="Who looked; kept in the ledger.")
@click.option("--note", default="", metavar="TEXT", help="What they found; kept in the ledger.")
@click.pass_context
def review(context: click.Context, of: str, by: str, note: str) -> None:
    """Writes into the ledger that somebody reviewed the reports of a cycle or of a month; a period's report names them.

    \b
    Example:  syncd review 2026-10 --by "Ann Lee" --note "3 late, ticket 4711"
    Exit status: 0 recorded, 2 usage or configuration (an unknown cycle, a month that has not begun), 6 no ledger
    """
    from syncd.host.clock import SystemClock
    from syncd.ledgers import append_at_once

    if not by.strip():
        raise UsageError("--by: it is kept as evidence and may not be blank")
    config = configuration(context, check_files=False)
    today = SystemClock().now().astimezone(ZoneInfo(config.reports.timezone))
    if _MONTH.fullmatch(of) and of > f"{today:%Y-%m}":
        raise UsageError(f"{of} has not begun: nobody can have reviewed it", "Name the month that was reviewed.")
    if not _MONTH.fullmatch(of) and not run(_known(config, of)):
        raise UsageError(
            f"{of} is neither a month such as 2026-10 nor a cycle that ended", "List cycles: syncd ledger show --kind cycle.ended"
        )
    run(append_at_once(config, record.reviewed(of, by=by.strip(), note=note.strip()), observers(config)))
    click.echo(f"recorded: {by.strip()} reviewed {of}")


async def _known(config: Config, cycle: str) -> bool:
    from syncd.ledgers import open_ledger

    async with open_ledger(config, observers(config)) as opened:
        async for _ in opened.entries(kinds=("cycle.ended",), cycle=cycle, limit=1):
            return True
    return False


VERBS = (report, review)
