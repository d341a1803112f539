"""``syncd check``: everything that ``run`` needs, looked at one by one; a fault is a line and never the end of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli import keeping
from syncd.cli.common import config_option, configuration_path, observers, run, tell_error
from syncd.cli.exposure import exposures
from syncd.cli.routes import looked_at, routes
from syncd.errors import ConfigError, ExitCode, SourceError, SyncdError
from syncd.events import ReadProgress
from syncd.host.clock import SystemClock
from syncd.host.reach import listening_obstacle
from syncd.model import DirectorySnapshot, name_key
from syncd.ports import Directory, Tell, Zoom

if TYPE_CHECKING:
    from syncd.config import Config

#: So many people or values are named in one line.
NAMED = 5


#: Keys whose warnings say that nobody will ever be changed.
NOBODY = frozenset({"protect.accounts", "scope.pilot"})


@dataclass
class Findings:
    """What was found so far: printed line by line, and remembered for the exit status."""

    code: ExitCode = ExitCode.DONE
    failed: int = 0
    #: What else is on the screen is cleared before each line: the one that tells how far it is.
    clear: Callable[[], None] = lambda: None
    _told: set[str] = field(default_factory=set)

    def fine(self, line: str) -> None:
        """In order; a line with ``warning: `` in front of its finding is a warning."""
        warns = line.startswith("warning: ") or ": warning: " in line
        self._say("warn  " if warns else "ok    ", line.replace("warning: ", "", 1) if warns else line)

    def warn(self, line: str) -> None:
        """Not as it should be, but ``run`` can start."""
        self._say("warn  ", line)

    def bad(self, line: str, code: ExitCode = ExitCode.UNREADABLE) -> None:
        """``run`` cannot start, or would do nothing. *code*: USAGE for the configuration, UNREADABLE for something outside."""
        self.code = ExitCode.USAGE if ExitCode.USAGE in (code, self.code) else ExitCode.UNREADABLE
        self.failed += self._say("FAIL  ", line)

    def error(self, subject: str, error: SyncdError) -> None:
        """An error as a line; what the configuration says wrong is told in full on standard error too."""
        wrong = isinstance(error, ConfigError)
        self.bad(f"{subject}: {_in_one_line(error)}", ExitCode.USAGE if wrong else ExitCode.UNREADABLE)
        if wrong:
            tell_error(str(error))

    def lines(self, lines: Sequence[tuple[bool, str]]) -> None:
        """Lines of somebody else: whether they are fine, and what they say."""
        for good, line in lines:
            if good:
                self.fine(line)
            else:
                self.bad(line)

    def _say(self, word: str, line: str) -> bool:
        """Prints it, unless it was said before: one advice for each problem."""
        text = word + " ".join(part.strip() for part in line.split("\n"))
        new = text not in self._told
        if new:
            from syncd.reports.screen import Screen

            self._told.add(text)
            self.clear()
            screen = Screen(sys.stdout)
            if screen.terminal and "syncd " not in text:
                screen.prose(text.removeprefix(word), first=word, indent=0)
            else:  # a command is never broken
                click.echo(text)
        return new


@click.command(short_help="is everything in place? one line each, with the fix")
@config_option
@click.option("--offline", is_flag=True, help="Only the configuration, the files it names and the places it writes to.")
@click.option("--syntax", is_flag=True, help="Only the configuration itself: no file, no secret, no network.")
@click.pass_context
def check(context: click.Context, offline: bool, syntax: bool) -> None:
    """Looks at configuration, ledger, reports, network, directory and Zoom: credentials, scopes, permissions, clocks, people who
    cannot be read. Goes on after a fault; what it calls in order, run can start with. Changes and writes nothing.

    \b
    Example:  syncd check --config syncd.yaml
              syncd check --config syncd.yaml --syntax
    Exit status: 0 all in order, 2 the configuration is wrong, 4 something cannot be reached or is not permitted
    """
    from syncd.config.advice import advice

    path = configuration_path(context)
    found = Findings()
    config = _configuration(path, found, check_files=not syntax)
    if config is None:
        sys.exit(ExitCode.USAGE)
    warnings = advice(config, Path.cwd())
    for warning in warnings:
        found.warn(warning)
    if not syntax:
        _files(config, path, found)
    if not (syntax or offline):
        told = {warning.partition(":")[0] for warning in warnings} & NOBODY
        run(_outside(config, observers(config), found, reach_told=bool(told)))
    if found.failed:
        click.echo(f"{found.failed} {'thing is' if found.failed == 1 else 'things are'} not in order", err=True)
    sys.exit(found.code)


def _configuration(path: Path, found: Findings, *, check_files: bool) -> Config | None:
    """The configuration. When only files or variables that it names are wrong, the rest of the check goes on without them."""
    from syncd.config import load

    try:
        config = load(path, os.environ, check_files=check_files)
    except ConfigError as error:
        # The one verb whose answers stand on standard output; the refusal itself is told as every verb tells it.
        tell_error(str(error))
        found.bad(
            f"configuration: {len(error.problems) or 1} problem{'s' if len(error.problems) > 1 else ''}, named on standard error",
            ExitCode.USAGE,
        )
        try:
            return load(path, os.environ, check_files=False) if check_files and error.problems else None
        except ConfigError:
            return None
    found.fine(f"configuration: valid, mode {config.mode.value}")
    return config


# ------------------------------------------------------------------------------------------- what lies on this machine


def _files(config: Config, path: Path, found: Findings) -> None:
    """Keys, secrets, and the places that are written to."""
    from syncd.app import policy_of, signing_key

    try:
        if (key := signing_key(config)) is not None:
            found.fine(f"signing key: Ed25519, id {key.id()}")
    except SyncdError as error:
        found.error("signing key", error)
    try:
        found.fine(f"policy: {policy_of(config).digest()[:12]}")
    except SyncdError as error:
        found.error("policy", error)
    for warning in exposures(config, path):
        found.warn(warning)
    _approvals(config, found)
    folder = config.reports.directory
    if folder is not None:
        _place(found, "reports.directory", Path(folder))
    _ledger_place(config, found)
    host, _, port = config.http.listen.rpartition(":")
    good, why = listening_obstacle(host.strip("[]"), int(port))
    if not good:
        found.bad(
            f"http.listen: {config.http.listen} cannot be listened on: {why}; name an address of this machine", ExitCode.USAGE
        )
    elif why:
        found.warn(f"http.listen: {config.http.listen}: {why}")


def _approvals(config: Config, found: Findings) -> None:
    """Whether those who may approve have keys, and are enough."""
    from syncd.app import signers_of

    asked = config.approvals
    if asked.signers_file is None:
        return
    try:
        signers = {line.rsplit(" ", 2)[0] for line in signers_of(config)}
    except SyncdError:  # told with the policy
        return
    known = {name_key(name) for name in signers}
    without = [name for name in asked.approvers if name_key(name) not in known]
    if without:
        found.warn(
            f"approvals: {', '.join(without)} may approve, but {asked.signers_file} has no key for them: their approvals "
            "never count"
        )
    able = known & {name_key(name) for name in asked.approvers} if asked.approvers else known
    if len(able) < asked.required:
        found.warn(
            f"approvals: {len(able)} {'person has' if len(able) == 1 else 'people have'} a key and may approve, and "
            f"required asks for {asked.required}: no held plan can ever pass; add keys to {asked.signers_file}"
        )
    elif not without:
        found.fine(
            f"approvals: signed; {len(able)} {'person' if len(able) == 1 else 'people'} may approve, {asked.required} "
            f"{'is' if asked.required == 1 else 'are'} asked for"
        )


def _ledger_place(config: Config, found: Findings) -> None:
    from syncd.ledgers import ledger_url

    try:
        url = ledger_url(config)
    except SyncdError as error:
        found.error("ledger", error)
        return
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        _place(found, "ledger.url", file.parent)
        for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            if each.exists() and not os.access(each, os.R_OK | os.W_OK):
                found.bad(
                    f"ledger.url: {each} may not be written by this user: let the user syncd runs as own it", ExitCode.USAGE
                )


def _place(found: Findings, key: str, folder: Path) -> None:
    """Whether files can be made in a folder, or the folder itself. Makes nothing."""
    there = folder
    while not (there.exists() or there.is_symlink()) and there != there.parent:
        there = there.parent
    if not there.exists():
        found.bad(f"{key}: {there} is a link to nothing: make what it names, or remove it", ExitCode.USAGE)
    elif not there.is_dir():
        found.bad(f"{key}: {there} is no folder: name another one, or move it away", ExitCode.USAGE)
    elif not os.access(there, os.W_OK | os.X_OK):
        missing = "" if there == folder else f", so {folder} cannot be made"
        found.bad(f"{key}: this user may not write in {there}{missing}: let the user syncd runs as own it", ExitCode.USAGE)
    else:
        found.fine(f"{key}: {folder} can be {'written' if there == folder else 'made'}")


# ---------------------------------------------------------------------------------------------------- what lies outside


async def _outside(config: Config, tell: Tell, found: Findings, *, reach_told: bool) -> None:
    from syncd.app import directory_kind, directory_of, lease_of, policy_of, zoom_of

    found.clear = lambda: tell(ReadProgress("check", 0, 0))  # something is printed now
    clock = SystemClock()
    if config.leadership.lease is not None:
        try:
            lease_of(config.leadership.lease, clock, tell)
        except SyncdError as error:
            found.error("lease", error)
    await _ledger(config, tell, found)
    kind = directory_kind(config).name
    for route in routes(config, kind):
        open_, said = await looked_at(route)
        (found.fine if open_ else found.bad)(f"{route.subject}: network: {said}")
    people: DirectorySnapshot | None = None
    try:
        directory = directory_of(config, clock, tell, None, partial(_kept, config, tell))
        zoom = zoom_of(config, clock, tell, None)
    except SyncdError as error:
        found.error("set-up", error)
        return
    try:
        if await _asked(found, "directory", directory.check):
            people = await _people(config, directory, found)
        if await _asked(found, "zoom", zoom.check):  # what refused us once is not asked again
            from syncd.operations.inspect import Sides, owner_lines

            try:
                lines = await owner_lines(Sides(directory, zoom), policy_of(config))
                found.lines([(fine, f"zoom: {what}: {finding}") for what, fine, finding in lines])
                await _accounts(config, zoom, None if reach_told else people, found)
            except SyncdError as error:
                found.error("zoom", error)
    finally:
        await directory.close()
        await zoom.close()


async def _asked(found: Findings, side: str, ask: Callable[[], Awaitable[Sequence[tuple[str, bool, str]]]]) -> bool:
    """Whether everything that one side says of itself is fine."""
    try:
        lines = await ask()
    except SyncdError as error:
        found.error(side, error)
        return False
    # Whether unclear people are too many is judged below, once for every kind of directory.
    found.lines([(fine, f"{side}: {what}: {finding}") for what, fine, finding in lines if not what.endswith("unclear people")])
    return all(fine for _, fine, _ in lines)


async def _kept(config: Config, tell: Tell, key: str) -> Any:
    """What the ledger keeps beside its chain under this key. Raises LedgerError; a ledger that is missing keeps nothing."""
    from syncd.ledgers import open_ledger

    try:
        async with open_ledger(config, tell) as ledger:
            return await ledger.get_state(key)
    except ConfigError:
        return None  # said where the ledger is looked at


async def _ledger(config: Config, tell: Tell, found: Findings) -> None:
    """The chain, whose it is, and whether it is the one that is meant."""
    from syncd.ledgers import demand_same_ledger, doubts, open_ledger, seconds_ahead

    clock = SystemClock()
    try:
        async with open_ledger(config, tell) as ledger:
            history = await ledger.history()
            if history.broken:
                found.bad(f"ledger: {history.broken}")
            else:
                found.fine(f"ledger: {history.head.seq:,} entries, intact" if history.head.seq else "ledger: none yet")
            try:
                demand_same_ledger(history, config)
            except ConfigError as error:
                found.error("ledger", error)
            found.lines(
                keeping.state_lines(
                    history, await doubts(config, ledger, history), clock.now(), seconds_ahead(history, config, clock)
                )
            )
    except SyncdError as error:
        found.error("ledger", error)


async def _people(config: Config, directory: Directory, found: Findings) -> DirectorySnapshot | None:
    """Reads everybody as a cycle does, and judges the read as a cycle does: unclear people, groups, addresses of no use. None: it
    is no good read."""
    from syncd.app import policy_of
    from syncd.planning.clarity import demand_clear, unclear_people
    from syncd.planning.match import Addresses
    from syncd.planning.reach import domains_of, named

    policy = policy_of(config)
    try:
        snapshot = await directory.read()
        unclear = unclear_people(snapshot, policy)
        demand_clear(unclear, sum(1 for person in snapshot.people if person.entitled_by))
    except SourceError as error:
        found.error("directory", error)
        return None
    if unclear:
        first = "; ".join(f"{person.id}: {person.cause}" for person in unclear[:NAMED])
        more = f"; and {len(unclear) - NAMED} more" if len(unclear) > NAMED else ""
        found.warn(f"directory: {len(unclear)} people cannot be understood, their accounts are left alone: {first}{more}")
    addresses = Addresses(policy)
    foreign = sum(1 for person in snapshot.people for address in person.addresses if not addresses.in_scope(address))
    if foreign:
        found.fine(f"directory: {foreign:,} addresses are of domains that are not in scope, and claim nothing")
    if snapshot.people and not any(addresses.in_scope(address) for person in snapshot.people for address in person.addresses):
        found.warn(
            f"directory: nobody has an address in scope.domains ({', '.join(config.scope.domains)}): every account would "
            "be taken for somebody absent; correct scope.domains or address_attributes; the domains seen: "
            f"{named(domains_of(address for person in snapshot.people for address in person.addresses))}"
        )
    return snapshot


async def _accounts(config: Config, zoom: Zoom, people: DirectorySnapshot | None, found: Findings) -> None:
    """Reads all accounts as a cycle does: which domains they are of, and whether anybody may ever be changed (not asked without
    *people*). Raises SourceError."""
    from syncd.app import policy_of
    from syncd.ledger.history import History
    from syncd.planning.decide import decide
    from syncd.planning.reach import changeable, out_of_reach, scope_lines
    from syncd.planning.sentinels import sentinel_lines

    policy, accounts = policy_of(config), await zoom.read()
    for line in scope_lines(accounts.accounts, policy):
        found.fine(f"zoom: scope: {line}")
    for line in sentinel_lines(accounts.accounts, people, policy, SystemClock().now()):
        found.warn(f"guards.sentinels: {line}")
    if people is not None:
        plan = decide(people, accounts, History(), policy, SystemClock().now())
        if line := out_of_reach(plan, changeable(plan, policy, accounts.groups)):
            found.warn(f"zoom: scope: {line}")


def _in_one_line(error: SyncdError) -> str:
    return f"{error.what} {error.do}".strip()


VERBS = (check,)
