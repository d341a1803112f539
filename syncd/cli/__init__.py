"""The command line: verbs, one short function each; the only place that prints and exits.

Results go to standard output, logs and progress to standard error. Exit codes: 0 done or in step, 1 a bug, 2 usage or
configuration, 3 held by a guard, 4 the directory or Zoom could not be read whole, 5 applied in part, 6 the ledger is not
intact or not writable, 7 not the leader, 10 (with --detailed-exitcode) changes are due.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from syncd import __version__
from syncd.cli import approving, cycles, evidence, handover, init, people, reporting, undo
from syncd.cli.common import CONTEXT, config_option, tell_error
from syncd.errors import ExitCode, SyncdError

EPILOG = """\b
First steps:
  syncd demo                                    watch it work, on a company that comes with it
  syncd init                                    a first configuration: asks a few questions
  syncd check --config syncd.yaml               is everything in place?
  syncd plan --config syncd.yaml                what would it do, and why? (changes nothing)
  syncd run --config syncd.yaml                 the daemon

\b
Exit status: 0 done, 2 usage or configuration, 3 held by a guard, 4 a source could not be read whole, 5 applied in
part, 6 ledger not intact or writable, 7 not the leader, 10 changes are due (plan --detailed-exitcode), 1 a bug."""


#: Options that take several values after one name.
SEVERAL = ("--guard", "--only", "--except", "--reason")


@click.group(context_settings=CONTEXT, epilog=EPILOG)
@click.version_option(__version__, prog_name="syncd")
@config_option
def syncd() -> None:
    """Keeps Zoom accounts in step with the company directory, and proves it."""


for verb in (
    *init.VERBS,
    *cycles.VERBS,
    *approving.VERBS,
    *people.VERBS,
    *handover.VERBS,
    *undo.VERBS,
    *evidence.VERBS,
    *reporting.VERBS,
):
    syncd.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one verb and exits."""
    # What fills the memory here is people and accounts by the hundred thousand, with no cycle among them: looked at seldom.
    gc.set_threshold(50_000, 20, 20)
    words = list(sys.argv[1:] if arguments is None else arguments)
    for option in SEVERAL:
        words = several_after(option, words)
    try:
        syncd.main(args=words, prog_name="syncd", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("syncd: stopped; nothing more was done", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except SyncdError as error:
        tell_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        sys.exit(ExitCode.DONE)
    sys.exit(ExitCode.DONE)


def several_after(option: str, words: list[str]) -> list[str]:
    """Lets an option take several values after one name: ``--guard a b`` becomes ``--guard a --guard b``."""
    result: list[str] = []
    inside = False
    for word in words:
        if word.startswith("-"):
            inside = word == option
            result.append(word)
        elif inside and result[-1] != option:
            result += [option, word]
        else:
            result.append(word)
    return result
