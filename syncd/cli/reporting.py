"""``syncd report``: evidence over a period, from the ledger alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from syncd.cli.common import binary_output, config_option, configuration, observers, output, run
from syncd.config import Config
from syncd.errors import UsageError
from syncd.evidence.periods import Asked, Sample

FORMATS = ("table", "html", "csv", "xlsx", "json", "jsonl")

DATE = click.DateTime(["%Y-%m-%d"])


@click.command(short_help="evidence over a period, from the ledger")
@config_option
@click.option("--from", "first", type=DATE, required=True, metavar="DATE", help="First day, such as 2026-10-01.")
@click.option("--to", "last", type=DATE, required=True, metavar="DATE", help="Last day; it is included.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N leavers, with one evidence page each.")
@click.option("--seed", default="1", show_default=True, metavar="S", help="Which N: the same seed picks the same leavers.")
@click.option("--format", "format_", type=click.Choice(FORMATS), metavar="|".join(FORMATS),
              help="Default: by the ending of --out, else table.")
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH",
              help="A file, or a folder for syncd_FROM_TO.FORMAT; default: standard output.")
@click.pass_context
def report(
    context: click.Context, first: datetime, last: datetime, sample: int | None, seed: str, format_: str | None,
    out: Path | None,
) -> None:
    """Everybody who left in a period, when he lost access, who approved the exceptions, and whether the record is complete.

    Days are whole days in UTC, and the last one is included: --from 2026-10-01 --to 2026-10-31 is October. Needs only the
    configuration and the ledger (a copy will do): no credential, no network. The ledger is verified first. The same ledger
    and configuration give the same CSV and JSON lines, to the byte.

    \b
    Example:  syncd report --config syncd.yaml --from 2026-10-01 --to 2026-10-31 --out october.html
              syncd report --config syncd.yaml --from 2026-10-01 --to 2026-10-31 --sample 25 --seed 7
    Exit status: 0 reported, 2 usage or configuration, 6 the ledger is not intact
    """
    if last < first:
        raise UsageError(f"--to {last:%Y-%m-%d} lies before --from {first:%Y-%m-%d}", "Both days are included.")
    format_ = format_ or _by_ending(out)
    if out is not None and out.is_dir():
        ending = "txt" if format_ == "table" else format_
        out = out / f"syncd_{first:%Y-%m-%d}_{last:%Y-%m-%d}.{ending}"
    config = configuration(context, check_files=False)
    with _progress() as (read, writing):
        document = run(_document(config, first, last, sample, seed, read))
        writing(f"writing {format_}: {len(document.get('leavers', ())):,} leavers")
        _write(document, format_, out, config.reports.omit_columns)


async def _document(
    config: Config, first: datetime, last: datetime, sample: int | None, seed: str, told: Callable[[int], None]
) -> dict[str, Any]:
    from syncd.app import period_document, schedule_of

    asked = Asked(first.date(), last.date(), config.reports.promise, schedule_of(config))
    return await period_document(config, observers(config), asked, Sample(sample, seed) if sample else None, told)


def _by_ending(out: Path | None) -> str:
    ending = out.suffix.removeprefix(".") if out is not None else ""
    return ending if ending in FORMATS else "table"


def _write(document: dict[str, Any], format_: str, out: Path | None, omit: tuple[str, ...]) -> None:
    from syncd.reports.period import period_view, without
    from syncd.reports.period_text import print_period
    from syncd.reports.render import VIEW_FORMATS, render

    view = period_view(document, omit)
    view.demand_balance()
    if format_ in VIEW_FORMATS:
        with binary_output(out, format_) as binary:
            render(view, format_, binary)
        return
    with output(out) as stream:
        if format_ == "json":
            stream.write(json.dumps(without(document, omit), ensure_ascii=False, indent=1) + "\n")
        else:
            print_period(view, stream)


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """(how far the ledger was read, what is being written), on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None, lambda _: None
        return
    from rich.console import Console

    with Console(file=sys.stderr, highlight=False).status("verifying the ledger") as status:
        def told(seq: int) -> None:
            if seq % 1000 == 0:
                status.update(f"reading the ledger: {seq:,} entries")

        yield told, status.update


VERBS = (report,)
