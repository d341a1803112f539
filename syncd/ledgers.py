"""The ledger that a configuration names: opened, bound to its account and directory, and held against what was published.

Part of the composition root, apart from ``app`` so that a verb that only appends a line does not wait for the adapters.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.directories.kind import DirectoryKind
from syncd.directories.kinds import KINDS
from syncd.errors import ConfigError, LedgerError, NotLeader, SyncdError
from syncd.events import Noted
from syncd.host.clock import SystemClock
from syncd.host.secrets import SecretFile, SecretVariable
from syncd.ledger import record
from syncd.ledger.audit import head_message
from syncd.ledger.entries import ChangesPaused, ChangesResumed, LedgerAccepted, LedgerOpened, LedgerRestored
from syncd.ledger.entry import read as read_entry
from syncd.ledger.history import History
from syncd.ledger.storage.backup import PutBack, put_back, url_of
from syncd.ledger.storage.database import Database
from syncd.ledger.storage.store import SqlLedger
from syncd.model import ClockStanding, Draft, Head
from syncd.operations.dependencies import Doubts
from syncd.ports import Clock, Tell

if TYPE_CHECKING:
    from syncd.config.models import Config
    from syncd.config.secret_source import SecretSource


def secret(source: SecretSource, key: str) -> SecretFile | SecretVariable:
    """Something that reads this secret anew at each call."""
    if source.file is not None:
        return SecretFile(f"{key}_file", source.file)
    return SecretVariable(f"{key}_env", source.env or "")


def ledger_url(config: Config) -> str:
    """Where the ledger is. Raises ConfigError when the secret that says so cannot be read."""
    if config.ledger.url_secret is not None:
        return secret(config.ledger.url_secret, "ledger.url")()
    return config.ledger.url or ""


def writable_ledger(config: Config, clock: Clock, tell: Tell, *, from_checkpoint: bool = False) -> SqlLedger:
    """The ledger, made when it is not there. *from_checkpoint*: for a verb of a person. Raises ConfigError, LedgerError."""
    return SqlLedger.open(
        ledger_url(config),
        clock,
        tell,
        create=True,
        from_checkpoint=from_checkpoint,
        max_clock_skew_seconds=config.guards.max_clock_skew.total_seconds(),
        keep_personal_seconds=config.ledger.keep_personal.total_seconds(),
        busy_seconds=5.0,
    )


@asynccontextmanager
async def open_ledger(config: Config, tell: Tell) -> AsyncIterator[SqlLedger]:
    """The ledger alone, to be read: needs no credential and writes nothing. Raises ConfigError, LedgerError."""
    ledger = SqlLedger.open(ledger_url(config), SystemClock(), tell, create=False)
    try:
        yield ledger
    finally:
        await ledger.close()


# ------------------------------------------------------------------------------------------------------- whose it is


def directory_kind(config: Config) -> DirectoryKind:
    """Which kind of directory is configured. Raises ConfigError when not exactly one is."""
    named = [kind for name, kind in KINDS.items() if getattr(config.directory, name) is not None]
    if len(named) != 1:
        raise ConfigError(f"directory: exactly one of {', '.join(KINDS)} is needed")
    return named[0]


def directory_name(config: Config) -> str:
    """What a ledger is bound to: the domain, the tenant or the file, not the server that happens to answer. Raises
    ConfigError."""
    kind = directory_kind(config)
    return kind.identity(getattr(config.directory, kind.name))


def demand_same_ledger(history: History, config: Config, *, any_directory: bool = False) -> None:
    """A ledger's memory means nothing for another account or directory. *any_directory*: somebody says that it is meant.
    Raises ConfigError."""
    if not history.ledger_id:
        return
    if history.zoom_account != config.zoom.account_id:
        raise ConfigError(
            f"the ledger belongs to the Zoom account {history.zoom_account}, but the configuration names "
            f"{config.zoom.account_id}",
            do="Name the ledger of this account in ledger.url (a missing one is made).",
        )
    now = directory_name(config)
    if not any_directory and not directory_kind(config).same(history.directory, now):
        raise ConfigError(
            f"the ledger belongs to the directory {history.directory}, but the configuration names {now}",
            do="Name the ledger of this directory in ledger.url (a missing one is made). If the same account is "
            "now read against this directory: syncd ledger accept --directory --by NAME --because TEXT",
        )


async def bind(ledger: SqlLedger, config: Config, clock: Clock) -> None:
    """Binds a ledger without entries to the account and directory of the configuration; of processes that start together one
    does. Raises ConfigError, LedgerError."""
    beside = await asyncio.to_thread(reports_beside, config)
    await ledger.begin(record.opened(clock.unique(), config.zoom.account_id, directory_name(config), config.mode.value, beside))


def reports_beside(config: Config) -> int:
    """How many cycles the folder of reports names."""
    return len(_published_in_reports(config))


async def append_at_once(config: Config, draft: Draft, tell: Tell, *, if_paused: bool = False) -> bool:
    """Appends what must not wait (a pause): only the last entries of the chain are looked at, however long it is, and no service
    is asked for the time. Whoever follows the chain next finds what lies further back. *if_paused*: only while changes are
    paused; whether it was appended. Raises ConfigError, LedgerError."""
    clock = SystemClock()
    ledger = writable_ledger(config, clock, tell)
    try:
        bound = await _binding(ledger)
        if bound.ledger_id:
            demand_same_ledger(bound, config)
        else:
            await bind(ledger, config, clock)
            demand_same_ledger(await _binding(ledger), config)
        if fault := await ledger.fault_near_the_end():
            raise LedgerError(
                f"the ledger is broken: {fault}; nothing is appended to it",
                "Keep it as evidence, run syncd ledger verify, and put a backup back: syncd ledger restore FILE",
            )
        if if_paused and not await _is_paused(ledger):
            return False
        ledger.clock_is(ClockStanding.UNKNOWN)
        await ledger.append([draft])
        await seal_by_person(ledger, config, tell)
        return True
    finally:
        await ledger.close()


async def seal_by_person(ledger: SqlLedger, config: Config, tell: Tell) -> None:
    """Signs the head after what a person asked for, where ``reports.signing_key_file`` is set. What cannot be signed now is
    covered by the next cycle's signature, so nothing here keeps a person's verb from counting."""
    source = config.reports.signing_key
    if source is None:
        return
    from syncd.host.signing import SigningKey  # here: most installations sign nothing, and its library takes its time

    key = SigningKey(secret(source, "reports.signing_key"))
    try:
        await ledger.seal(lambda head: record.head_signed("", head, *key.sign(head_message(head))), term=0)
    except SyncdError as error:
        tell(Noted("head.unsigned", "warning", {"why": error.what, "do": "The next cycle's signature covers it."}))


async def _is_paused(ledger: SqlLedger) -> bool:
    """Whether the last entries about it left changes paused, as the history has it: one that accepts a roll-back pauses, too."""
    accepted = False
    async for entry in ledger.entries(
        kinds=(ChangesPaused.kind, ChangesResumed.kind, LedgerAccepted.kind, LedgerRestored.kind),
        reverse=True,
    ):
        match read_entry(entry):
            case ChangesPaused():
                return True
            case ChangesResumed():
                return False
            case LedgerAccepted() as says:
                if says.missing_heads or says.directory:
                    return True
                accepted = True
            case LedgerRestored() as says:
                if accepted and (says.lost_sequence, says.lost_hash) != (says.sequence, says.hash):
                    return True
            case _:
                pass
    return False


async def _binding(ledger: SqlLedger) -> History:
    """Whose the ledger is, and nothing else of it."""
    history = History()
    async for entry in ledger.entries(kinds=(LedgerOpened.kind, LedgerAccepted.kind)):
        says = read_entry(entry)
        if isinstance(says, LedgerOpened):
            history = History(
                ledger_id=says.ledger_id, zoom_account=says.zoom_account, directory=says.directory, begun_in=says.mode
            )
        elif isinstance(says, LedgerAccepted) and says.directory:
            history = History(
                ledger_id=history.ledger_id,
                zoom_account=history.zoom_account,
                directory=says.directory,
                begun_in=history.begun_in,
            )
    return history


# ----------------------------------------------------------------------------------------------- what was published


def _published_in_reports(config: Config) -> Sequence[Head]:
    from syncd.reports.published import heads_in  # here: a verb that only appends needs no reports

    return heads_in(Path(config.reports.directory)) if config.reports.directory is not None else ()


async def missing_heads(ledger: SqlLedger, history: History, published: Sequence[Head]) -> tuple[Head, ...]:
    """Which of the *published* heads the chain does not hold and nobody has accepted as lost. Raises LedgerError."""
    wanted = [head for head in published if (head.seq, head.hash) not in history.accepted_heads]
    return await ledger.missing(wanted)


def published_heads(config: Config, ledger: SqlLedger | None = None) -> Sequence[Head]:
    """The heads named by the folder of reports and by the file beside the ledger. Blocks for the time of reading them."""
    beside = ledger.published() if ledger is not None else ()
    return (*_published_in_reports(config), *beside)


async def doubts(
    config: Config, ledger: SqlLedger, history: History, *, elsewhere: Callable[[], Sequence[Head]] = tuple
) -> Doubts:
    """Why this may not be the ledger that is meant, by what was published of it: in the reports, beside it, and *elsewhere* (the
    lease). Raises LedgerError."""
    in_reports = await asyncio.to_thread(_published_in_reports, config)
    missing = await missing_heads(ledger, history, (*in_reports, *await asyncio.to_thread(ledger.published), *elsewhere()))
    words = [f"entry {head.seq} {head.hash[:12]}…" for head in missing]
    lost = history.rolled_back_from
    if lost is not None and lost not in missing:
        words.insert(
            0,
            f"entry {lost.seq} {lost.hash[:12]}… (lost when a backup was put back)"
            if lost.seq
            else "what there was before a backup was put back",
        )
    return Doubts(why_new(history, len(in_reports)), tuple(words))


async def accept(
    config: Config, tell: Tell, *, by: str, because: str, directory: bool, published: Sequence[Head] = ()
) -> Accepted:
    """Somebody says that the ledger is meant as it is: new, older than what was published, with an end that lies in the future,
    or (*directory*) read against another directory from here on. Makes a ledger that is not there. *published*: heads kept
    elsewhere besides the folder of reports and the file beside the ledger. Raises ConfigError, LedgerError (also for a chain that
    does not verify: accepting cures no fault)."""
    clock = SystemClock()
    ledger = writable_ledger(config, clock, tell)
    try:
        history = await ledger.history()
        if history.broken:
            raise LedgerError(
                f"the ledger is not intact: {history.broken}; that cannot be accepted",
                "Keep it as evidence (syncd ledger verify names the fault) and put a backup back: syncd ledger restore FILE",
            )
        demand_same_ledger(history, config, any_directory=directory)
        named = (*await asyncio.to_thread(published_heads, config, ledger), *published)  # before anything is written
        if not history.ledger_id:
            await bind(ledger, config, clock)
            history = await ledger.history()
        missing = await missing_heads(ledger, history, named)
        told = Accepted(
            new=why_new(history),
            missing=missing,
            restored=history.rolled_back_from is not None,
            directory=directory_name(config) if directory else "",
            ahead_seconds=seconds_ahead(history, config, clock),
            paused=False,
        )
        if told.nothing and history.accepted:
            return told
        ledger.clock_is(ClockStanding.UNKNOWN)  # no service is asked: a machine that runs ahead must not move the ledger's end
        await ledger.append([record.accepted(by=by, because=because, missing=missing, directory=told.directory)])
        await seal_by_person(ledger, config, tell)
        return replace(told, paused=(await ledger.history()).paused_since is not None)
    finally:
        await ledger.close()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted. *ahead_seconds*: how far the ledger's end lay in the future."""

    new: str
    missing: tuple[Head, ...]
    restored: bool
    directory: str
    ahead_seconds: float
    paused: bool

    @property
    def nothing(self) -> bool:
        """Whether there was nothing that had to be said."""
        return not (self.new or self.missing or self.restored or self.directory or self.ahead_seconds > 0)


def why_new(history: History, beside: int = 0) -> str:
    """Why a ledger may not be the one that is meant; empty when it is. *beside*: reports in the folder, for an empty one."""
    if history.accepted:
        return ""
    if not history.ledger_id:
        return f"there is no ledger, but {beside} cycles are listed in the folder of reports" if beside else ""
    if history.begun_beside:
        return f"the ledger was begun anew beside reports of {history.begun_beside} cycles of an earlier one"
    if history.begun_in == "enforce":
        return "the ledger was begun in enforce mode: no review, no holds and no pause of before are in it"
    return ""


def seconds_ahead(history: History, config: Config, clock: Clock) -> float:
    """How far the latest time in the ledger lies in the future; 0 within ``guards.max_clock_skew``."""
    ahead = (history.tip_at - clock.now()).total_seconds() if history.tip_at is not None else 0.0
    return ahead if ahead > config.guards.max_clock_skew.total_seconds() else 0.0


async def restore(config: Config, file: Path, tell: Tell) -> PutBack:
    """Puts a backup back and records that, and what was lost. Raises ConfigError (it is another account's), UsageError,
    LedgerError, NotLeader (a cycle runs)."""
    clock = SystemClock()
    backup = SqlLedger.open(url_of(file), clock, tell, create=False)
    try:
        demand_same_ledger(await backup.history(), config, any_directory=True)
    finally:
        await backup.close()

    def lock_of(database: Database) -> Callable[[], None]:
        lock = database.writer_lock()
        if not lock.take(os.getpid(), socket.gethostname(), clock.now().isoformat()):
            raise NotLeader(
                f"the ledger {database.where} is held by {lock.holder()}: nothing was put back",
                "Stop the daemon, or wait until its cycle ends, and try again.",
            )
        return lock.release

    stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
    done = await asyncio.to_thread(put_back, ledger_url(config), file, stamp, lock_of)
    ledger = writable_ledger(config, clock, tell)
    try:
        ledger.clock_is(ClockStanding.UNKNOWN)  # as for an acceptance
        await ledger.append([record.restored(done.backup, done.lost)])
        await seal_by_person(ledger, config, tell)
    finally:
        await ledger.close()
    return done
