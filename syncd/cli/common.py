"""What the verbs share: finding the configuration, observers, running with what it depends on, printing a report."""

from __future__ import annotations

import asyncio
import functools
import io
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar

import click

from syncd.errors import ExitCode, SyncdError, UsageError
from syncd.host.stopping import end_on_sigterm
from syncd.model import CycleReport, Mode, Policy

if TYPE_CHECKING:  # not loaded for a verb that may not wait (pause)
    from syncd.config import Config
    from syncd.events import Event
    from syncd.operations.cycle import Dependencies
    from syncd.operations.daemon import AfterCycle
    from syncd.ports import Tell

T = TypeVar("T")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": None}

#: Every format that some verb writes.
FORMATS = frozenset({"json", "html", "csv", "xlsx", "jsonl"})

#: How a cycle can be printed.
CYCLE_FORMATS = ("table", "json", "html", "csv", "xlsx", "jsonl")

#: Seconds; longer ones are slips of the keyboard.
DURATION_MAX = 3650 * 86400


def _remember(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(dict)["config"] = value


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--config``, before or after the verb."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember,
        is_eager=True,
        metavar="FILE",
        help="Configuration file; default: $SYNCD_CONFIG.",
    )(command)


def format_option(*formats: str, default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--format`` and ``--out``. Without the first the file's ending decides, and without that *default*."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def decided(*arguments: Any, format_: str | None, out: Path | None, **options: Any) -> Any:
            return command(*arguments, format_=format_ or by_ending(out, formats, default), out=out, **options)

        decided = click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write there instead of standard output.",
        )(decided)
        return click.option(
            "--format",
            "format_",
            type=click.Choice(formats),
            metavar="|".join(formats),
            help=f"Default: by the ending of --out, else {default}.",
        )(decided)

    return decorate


def by_ending(out: Path | None, formats: Sequence[str], default: str) -> str:
    """The format that a file's name asks for. Raises UsageError for a format that this verb does not write."""
    ending = out.suffix.removeprefix(".").lower() if out is not None else ""
    if ending in formats:
        return ending
    if ending in FORMATS:
        raise UsageError(
            f"--out: {out} asks for {ending}, and this verb writes {', '.join(formats)}",
            f"Name a file that ends in one of these, or say --format {default}.",
        )
    return default


def who_and_why(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--by`` and ``--because``: every act of a person is evidence, so neither may be blank."""
    command = click.option("--because", required=True, metavar="TEXT", callback=_not_blank, help="Why; kept in the ledger.")(
        command
    )
    return click.option("--by", required=True, metavar="NAME", callback=_not_blank, help="Who decides this; kept in the ledger.")(
        command
    )


def _not_blank(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is kept as evidence and may not be blank")
    return value.strip()


def wait_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--wait``: how long to wait for a running cycle to end."""
    return click.option(
        "--wait",
        "wait",
        default="60s",
        show_default=True,
        metavar="DURATION",
        help="How long to wait for the writer lock of a running cycle; then exit 7.",
    )(command)


def configuration(context: click.Context, *, check_files: bool = True) -> Config:
    """The configuration named on the command line or in the environment. Raises ConfigError, UsageError."""
    from syncd.config import load

    return load(configuration_path(context), os.environ, check_files=check_files)


def configuration_path(context: click.Context) -> Path:
    """The file named on the command line or in the environment. Raises UsageError."""
    named = context.find_root().ensure_object(dict).get("config") or context.ensure_object(dict).get("config")
    path = named or (Path(os.environ["SYNCD_CONFIG"]) if os.environ.get("SYNCD_CONFIG") else None)
    if path is None:
        without = (
            "With an export alone: --export FILE"
            if any("--export" in one.opts for one in context.command.params)
            else "To try syncd without one: syncd demo"
        )
        raise UsageError("no configuration is named", f"Name one: syncd --config FILE …, or set SYNCD_CONFIG. {without}")
    return path


def seconds(duration: str, option: str) -> float:
    """``60s``, ``15m``, ``24h``, ``30d`` in seconds. Raises UsageError."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = duration[:-1], duration[-1:]
    if unit not in units or not (number.isascii() and number.isdigit()):
        raise UsageError(f"{option}: {duration!r} is not a duration", "Write 60s, 15m, 24h or 30d.")
    if len(number) > len(str(DURATION_MAX)) or int(number) * units[unit] > DURATION_MAX:
        raise UsageError(f"{option}: {duration} is longer than ten years", "Write 60s, 15m, 24h or 30d.")
    return float(int(number) * units[unit])


def observers(config: Config) -> Tell:
    """The log; on a terminal a one-shot verb shows progress instead of lines below a warning."""
    from syncd.app import several, start_logging
    from syncd.host.clock import SystemClock

    if not sys.stderr.isatty():
        return several(start_logging(config, SystemClock()))
    from syncd.cli.progress import Progress

    return several(start_logging(config, SystemClock(), to_a_person=True), Progress(sys.stderr))


def observers_if_needed(config: Config) -> Tell:
    """The same for a verb that must not wait until a log is set up: it is with the first thing there is to tell."""
    made: list[Tell] = []

    def tell(event: Event) -> None:
        if not made:
            made.append(observers(config))
        made[0](event)

    return tell


@contextmanager
def left_out(*packages: str) -> Iterator[None]:
    """While the body imports others, these count as not installed unless they are loaded already. For what others use, if it
    is there, to draw for people."""
    missing = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None is documented: it makes an import fail
    try:
        yield
    finally:
        for package in missing:
            del sys.modules[package]


def tell_error(text: str) -> None:
    """An error on standard error, after ``syncd: ``. On a terminal its long lines are broken between words, but for those with a
    command or a source line in them: a command can be copied, a caret stands where it points."""
    lines = f"syncd: {text}".split("\n")
    if not sys.stderr.isatty():
        click.echo("\n".join(lines), err=True)
        return
    from syncd.reports.screen import Screen

    screen = Screen(sys.stderr)
    for line in lines:
        words = line.lstrip(" ").removeprefix("syncd: ")
        if "syncd " in words or " | " in words or set(words) <= {"|", "^", " "}:
            screen.line(line)
        else:
            screen.prose(words, first=line[: len(line) - len(words)], indent=0)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a verb's work to its end. A signal ends it as Python does."""
    results: list[T] = []

    async def kept() -> None:
        # Not as the task's own result: asyncio.run restores the signal handlers through enum, which spells out the task
        # with its result in an error it then drops. For a report of 100,000 accounts that takes 4 s and 300 MiB.
        results.append(await work)

    asyncio.run(kept())
    return results[0]


async def with_signals(deps: Dependencies, work: Callable[[Dependencies], Coroutine[Any, Any, T]]) -> T:
    """Runs work that changes things: SIGTERM or SIGINT lets the write in hand finish, then stops.

    Raises Interrupted when it was stopped before it had a result.
    """
    from syncd.operations.daemon import until_stopped
    from syncd.operations.dependencies import stopped_by

    stop = asyncio.Event()
    with signals(stop):
        result = await until_stopped(work(stopped_by(deps, stop.is_set)), stop)
    if result is None:
        raise Interrupted("stopped before the end", "Run it again: it goes on from where it was.")
    return result


class Interrupted(SyncdError):
    """A signal ended the verb early."""

    exit_code = ExitCode.IN_PART


@contextmanager
def signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set *stop* while the body runs; then a SIGTERM ends the process at once again."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        end_on_sigterm()


async def one_cycle(
    config: Config,
    tell: Tell,
    wait_seconds: float,
    work: Callable[[Dependencies, Policy, int], Awaitable[CycleReport]],
    *,
    from_checkpoint: bool = False,
) -> CycleReport:
    """Opens the dependencies, takes the writer lock, runs *work* under its term and files the report. *from_checkpoint*: the
    ledger need not be followed from its first entry, as for a verb of a person. Raises ConfigError, LedgerError, NotLeader (the
    lock was not given back within *wait_seconds*), Interrupted, and what *work* raises."""
    from syncd.app import open_dependencies, policy_of, report_filer
    from syncd.operations.reading import ask_clock

    async with open_dependencies(config, tell, write_ledger=True, from_checkpoint=from_checkpoint, asks_clock=False) as deps:
        file = report_filer(deps, config, once=True)

        async def locked(deps: Dependencies) -> CycleReport:
            async with deps.ledger.writer(wait_seconds) as term:
                if from_checkpoint:  # a cycle asks by itself
                    await ask_clock(deps, policy_of(config))
                report = await work(deps, policy_of(config), term)
                return await _filed(report, term, file)

        return await with_signals(deps, locked)


async def _filed(report: CycleReport, term: int, file: AfterCycle) -> CycleReport:
    """Files a report. When that fails the changes were made all the same, so the result is still to be shown."""
    try:
        await file(report, term)
    except SyncdError as error:
        click.echo(f"syncd: {error}", err=True)
        return replace(report, exit_code=error.exit_code)
    return report


def demand_enforce(config: Config, verb: str) -> None:
    """Verbs that change Zoom are refused in report mode. Raises UsageError."""
    if config.mode is Mode.REPORT:
        raise UsageError(
            f"{verb} changes Zoom, and this configuration says mode: report",
            "Set mode: enforce once you have reviewed a plan (syncd plan shows it without changing anything).",
        )


@contextmanager
def output(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole and is for few, as those of the reports folder: whatever a verb writes names
    people. Raises UsageError when it cannot be written."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with _whole_file(out) as binary, io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as stream:
        yield stream


@contextmanager
def binary_output(out: Path | None, format_: str) -> Iterator[BinaryIO]:
    """As ``output``, for bytes. Raises UsageError, also for a workbook that a terminal would have to show."""
    if out is None:
        if format_ == "xlsx" and sys.stdout.isatty():
            raise UsageError("a workbook cannot be shown on a terminal", "Name a file: --out report.xlsx")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _whole_file(out) as stream:
        yield stream


@contextmanager
def _whole_file(out: Path) -> Iterator[BinaryIO]:
    from syncd.reports.private import for_few

    new = out.with_name(out.name + ".new")
    try:
        with open(new, "wb", opener=for_few) as stream:
            yield stream
        new.replace(out)
    except OSError as error:
        raise UsageError(f"--out: {out} cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def named_configuration() -> Path | None:
    """The configuration named on the command line of the verb that runs: it belongs into the commands we tell. One named by
    $SYNCD_CONFIG is found by them, too."""
    context = click.get_current_context(silent=True)
    while context is not None:
        if isinstance(context.obj, dict) and context.obj.get("config"):
            return Path(context.obj["config"])
        context = context.parent
    return None


def emit(report: CycleReport, format_: str, out: Path | None, omit: tuple[str, ...]) -> None:
    """Prints a report, as a table or as its document (``json``). Raises UsageError when *out* cannot be written."""
    from syncd.reports.document import written

    with output(out) as stream:
        if format_ == "json":
            stream.writelines(written(report, omit))
        else:
            from syncd.reports.terminal import print_cycle

            print_cycle(report, stream, config=named_configuration())


def emit_cycle(report: CycleReport, format_: str, out: Path | None, config: Config) -> None:
    """Prints the report of a cycle in any format. Its control totals must balance, or it is not printed at all (Unbalanced).
    Raises UsageError (*out*), ConfigError, LedgerError."""
    from syncd.app import circumstances_of
    from syncd.reports.cycle import balances_of, cycle_view
    from syncd.reports.render import VIEW_FORMATS, render
    from syncd.reports.view import demand_balance

    omit = config.reports.omit_columns
    if format_ not in VIEW_FORMATS:
        demand_balance(balances_of(report))
        emit(report, format_, out, omit)
        return
    view = cycle_view(report, omit, run(circumstances_of(config, report)))
    with binary_output(out, format_) as stream:
        render(view, format_, stream)


def confirmed(question: str, *, yes: bool) -> bool:
    """Asks on a terminal unless told not to; without a terminal it acts."""
    if yes or not sys.stdin.isatty():
        return True
    return click.confirm(question, default=False, err=True)
