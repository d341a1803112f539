"""The composition root: from a configuration to the dependencies of a cycle. The only module that imports adapters.

More than 400 lines: it is the list of everything that is put together, one short function for each part; nothing is decided
here.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from syncd import __version__
from syncd.config.plain import as_written
from syncd.config.windows import windows_of
from syncd.directories.kind import Around
from syncd.errors import ConfigError, LedgerError, SyncdError, UsageError
from syncd.events import CredentialExpires, CycleScheduled, Event, Noted
from syncd.evidence.archive import Filing
from syncd.evidence.in_force import InForce
from syncd.host.certificates import earliest_end
from syncd.host.clock import SystemClock
from syncd.host.leavers_file import leavers_in
from syncd.host.secrets import SecretFile
from syncd.leadership.alone import Alone
from syncd.leadership.lease import SERVICE_ACCOUNT, Lease, LeaseSettings, in_cluster_url
from syncd.ledger.entries import CycleEnded, CycleRead, PolicyInForce
from syncd.ledger.entry import decode
from syncd.ledger.entry import read as read_entry
from syncd.ledger.history import History
from syncd.ledger.storage.copying import copy_ledger
from syncd.ledger.storage.database import LedgerUnreachable, demand_reachable
from syncd.ledger.storage.store import SqlLedger
from syncd.ledgers import (
    bind,
    demand_same_ledger,
    directory_kind,
    directory_name,
    doubts,
    ledger_url,
    open_ledger,
    seal_by_person,
    secret,
    writable_ledger,
)
from syncd.model import CycleReport, Draft, Guard, HandoverRules, Head, Limits, Mode, Policy, Witnesses, canonical_json, sha256_of
from syncd.observe.digest import Ended
from syncd.observe.log import LogObserver, configure
from syncd.observe.metrics import Metrics
from syncd.observe.notify import Notifier, Webhook
from syncd.observe.status import StatusKeeper
from syncd.operations import leavers
from syncd.operations.cycle import Dependencies
from syncd.operations.daemon import AfterCycle
from syncd.operations.ending import with_contents
from syncd.operations.reading import ask_clock
from syncd.operations.schedule import Schedule
from syncd.operations.watch import Pace
from syncd.operations.witness import WitnessDesk
from syncd.planning.guards import NOT_APPROVABLE
from syncd.planning.guards.chains import approval_command
from syncd.planning.policy_change import changes_between
from syncd.ports import Clock, Directory, Leadership, Ledger, ReadSecret, Tell, Watcher
from syncd.reports.cycle import Circumstances
from syncd.reports.private import make_folder_for_few
from syncd.zoom.api import ZoomApi, ZoomSettings
from syncd.zoom.ending import EndingApi

if TYPE_CHECKING:
    from syncd.config.models import Config
    from syncd.config.models import Lease as LeaseSection
    from syncd.evidence.periods import Asked, Sample
    from syncd.host.signing import PublicKeys, SigningKey
    from syncd.observe.server import Endpoint, Health

__all__ = [
    "SqlLedger",
    "Watch",
    "copy_ledger",
    "directory_kind",
    "directory_name",
    "ledger_reached",
    "ledger_url",
    "open_dependencies",
    "open_ledger",
    "pace_of",
    "policy_of",
    "read_public_keys",
    "report_filer",
    "schedule_of",
    "secret",
    "several",
    "signing_key",
    "start_logging",
]

#: Between two tries to reach the ledger's server at start.
LEDGER_TRY_SECONDS = 2.0


def policy_of(config: Config) -> Policy:
    """The part of the configuration that decides who is changed. Raises ConfigError (``approvals.signers_file``)."""
    guards = config.guards
    directory = config.directory
    kind = directory_kind(config)
    section = as_written(getattr(directory, kind.name), without=kind.not_policy)
    return Policy(
        zoom_account_id=config.zoom.account_id,
        domains=tuple(domain.lower() for domain in config.scope.domains),
        directory=canonical_json({kind.name: section}),
        domain_aliases=tuple(sorted((old.lower(), new.lower()) for old, new in config.match.domain_aliases.items())),
        pilot=config.scope.pilot,
        ordinary_roles=config.protect.ordinary_roles,
        protect_accounts=config.protect.accounts,
        protect_groups=config.protect.groups,
        protect_directory_groups=config.protect.directory_groups,
        person_number=config.match.person_number or "",
        ignore_people=config.match.ignore_people,
        grace=config.deactivate.grace,
        grace_reads=config.deactivate.grace_reads,
        when_disabled=config.deactivate.when_disabled,
        when_expired=config.deactivate.when_expired,
        grace_for_known_leavers=config.deactivate.grace_for_known_leavers,
        grace_for_expired=config.deactivate.grace_for_expired,
        revoke_sessions=config.deactivate.revoke_sessions,
        reactivate=config.reactivate,
        reactivate_reads=config.reactivate_reads,
        restore_licence=config.restore_licence,
        approvals_required=config.approvals.required,
        approvers=tuple(sorted(name.strip() for name in config.approvals.approvers)),
        signers=signers_of(config),
        guests=directory.entra is None or directory.entra.guests,
        limits=Limits(
            max_deactivations=guards.max_deactivations,
            max_deactivations_percent=float(guards.max_deactivations_percent),
            percent_floor=guards.percent_floor,
            max_deactivations_per_day=guards.max_deactivations_per_day,
            max_deactivations_per_30_days=guards.max_deactivations_per_30_days,
            max_reactivations=guards.max_reactivations,
            max_reactivations_per_day=guards.max_reactivations_per_day,
            sentinels=guards.sentinels,
            min_directory_people=guards.min_directory_people,
            max_replication_lag=guards.max_replication_lag,
            max_directory_shrink_percent=float(guards.max_directory_shrink_percent),
            max_flapping=guards.max_flapping,
            max_clock_skew=guards.max_clock_skew,
            max_failing_writes_percent=float(guards.max_failing_writes_percent),
            min_match_percent=float(guards.min_match_percent),
        ),
    )


def signers_of(config: Config) -> tuple[str, ...]:
    """Who may sign approvals, with their keys; empty: approvals are not signed. Raises ConfigError."""
    if config.approvals.signers_file is None:
        return ()
    # Imported here: most installations sign nothing, and its library takes its time.
    from syncd.host.sshsig import demand_own_keys, signers_in

    signers = signers_in(Path(config.approvals.signers_file))
    if config.approvals.required > 1:
        demand_own_keys(signers)
    return signers


def signature_fits(signature: str, message: bytes, name: str, signers: Sequence[str]) -> bool:
    """Whether a person's signature was made with a key listed for that name."""
    from syncd.host.sshsig import fits

    return fits(signature, message, name, signers)


def signed_by(signers: Path) -> Callable[[str, bytes, str], bool]:
    """Asks whether somebody of a name signed a message, by a signers file. Raises UsageError when it is none."""
    from syncd.host.sshsig import fits, signers_in

    try:
        listed = signers_in(signers)
    except ConfigError as error:
        raise UsageError(error.what.replace("approvals.signers_file", "--signers"), error.do) from None
    return lambda signature, message, name: fits(signature, message, name, listed)


def schedule_of(config: Config) -> Schedule:
    """When cycles run."""
    schedule = config.schedule
    return Schedule(None if schedule.cron else schedule.interval, schedule.cron, schedule.timezone, schedule.jitter)


def directory_of(
    config: Config,
    clock: Clock,
    tell: Tell,
    ledger: SqlLedger | None,
    kept: Callable[[str], Awaitable[Any]] | None = None,
) -> Directory:
    """The configured directory; *ledger* keeps its cursor, *kept* reads one where nothing may be written. Raises ConfigError."""
    kind = directory_kind(config)
    return kind.make(
        getattr(config.directory, kind.name),
        Around(
            clock,
            tell,
            secret,
            store=ledger,
            kept=kept,
            protecting_groups=config.protect.directory_groups,
            holding_groups=config.handover.legal_hold.directory_groups if config.handover is not None else (),
            person_number=config.match.person_number or "",
            ignored=config.match.ignore_people,
            with_managers=config.handover is not None,
            proxy=config.proxy,
            max_clock_skew_seconds=config.guards.max_clock_skew.total_seconds(),
        ),
    )


def zoom_of(config: Config, clock: Clock, tell: Tell, ledger: SqlLedger | None) -> ZoomApi:
    """The configured Zoom account."""
    return ZoomApi(zoom_settings(config), clock, tell, store=ledger)


def zoom_settings(config: Config) -> ZoomSettings:
    """The section ``zoom``, and what else decides what is asked of Zoom."""
    zoom = config.zoom
    return ZoomSettings(
        account_id=zoom.account_id,
        client_id=zoom.client_id,
        client_secret=secret(zoom.client_secret, "zoom.client_secret"),
        cloud=zoom.cloud,
        token_url=zoom.token_url,
        api_url=zoom.api_url,
        ca_file=str(zoom.ca_file) if zoom.ca_file else None,
        proxy=config.proxy,
        page_size=zoom.page_size,
        account_plan=zoom.account_plan,
        share=float(zoom.share) / 100,
        concurrency=zoom.concurrency,
        max_wait_seconds=zoom.max_wait.total_seconds(),
        required_roles=config.protect.ordinary_roles,
        required_groups=config.protect.groups,
        writes=config.mode is Mode.ENFORCE,
        restores_licences=config.restore_licence and config.reactivate != "never",
        revokes_sessions=config.deactivate.revoke_sessions,
        max_clock_skew_seconds=config.guards.max_clock_skew.total_seconds(),
        operation_log=zoom.operation_log,
        events_subscription=zoom.events.subscription_id if zoom.events is not None else "",
        events_url=zoom.events.url if zoom.events is not None else None,
    )


def watchers_of(config: Config, directory: Directory) -> tuple[Watcher, ...]:
    """What notices changes of the *directory* between cycles; none unless the configuration asks for it."""
    kind = directory_kind(config)
    return tuple(kind.watchers(getattr(config.directory, kind.name), directory)) if config.schedule.watch else ()


def pace_of(config: Config) -> Pace:
    """How often the watch asks and how long it waits: the configuration's words, or the usual of the kind of directory."""
    poll = config.schedule.watch_poll
    return Pace(poll.total_seconds() if poll is not None else directory_kind(config).poll_seconds, config.schedule.watch_settle)


async def ledger_reached(config: Config, clock: Clock, tell: Tell, wanted: Callable[[], bool]) -> bool:
    """Waits until the ledger's database server answers, while it is *wanted*; whether it did. Its address is read anew for
    each try. Tells of each try that failed: in full when the reason is new. Raises ConfigError (the address)."""
    said = ""
    while wanted():
        try:
            await asyncio.to_thread(demand_reachable, ledger_url(config))
        except LedgerUnreachable as error:
            tell(Noted("ledger.awaited", "debug" if error.what == said else "warning", {"why": error.what, "do": error.do}))
            said = error.what
            await clock.sleep(LEDGER_TRY_SECONDS)
        else:
            return True
    return False


@asynccontextmanager
async def open_dependencies(
    config: Config,
    tell: Tell,
    *,
    write_ledger: bool,
    clock: Clock | None = None,
    by_lease: bool = False,
    from_checkpoint: bool = False,
    asks_clock: bool = True,
) -> AsyncIterator[Dependencies]:
    """Everything a cycle works with, closed at the end. *write_ledger* false: nothing is created or written anywhere.
    *by_lease*: lead by the configured lease, as the daemon does; a one-shot verb only takes the ledger's writer lock.
    *from_checkpoint*: a verb of a person that need not follow the whole chain; *asks_clock*: it asks Zoom its time at once.

    Raises ConfigError (also when the ledger belongs to another account or directory), LedgerError.
    """
    clock = clock or SystemClock()
    ledger = (
        writable_ledger(config, clock, tell, from_checkpoint=from_checkpoint)
        if write_ledger
        else SqlLedger.open(ledger_url(config), clock, tell, create=False, from_checkpoint=from_checkpoint)
    )
    async with AsyncExitStack() as opened:
        opened.push_async_callback(ledger.close)
        history = await ledger.history()
        demand_same_ledger(history, config)
        if write_ledger and not history.ledger_id and not history.broken:
            await bind(ledger, config, clock)
            demand_same_ledger(await ledger.history(), config)  # somebody else may have been faster
        directory = directory_of(config, clock, tell, ledger if write_ledger else None, ledger.get_state)
        opened.push_async_callback(directory.close)
        zoom = zoom_of(config, clock, tell, ledger if write_ledger else None)
        opened.push_async_callback(zoom.close)
        leadership: Leadership = Alone()
        elsewhere: Callable[[], Sequence[Head]] = tuple
        if by_lease and config.leadership.lease is not None:
            lease = lease_of(config.leadership.lease, clock, tell)
            await opened.enter_async_context(lease.running())
            leadership, elsewhere = lease, lease.published
        deps = Dependencies(
            directory,
            zoom,
            ledger,
            leadership,
            clock,
            tell,
            __version__,
            credential_of(config),
            windows=windows_of(config),
            interval=schedule_of(config).period(clock.now()),
            concurrency=config.zoom.concurrency,
            directory_service=directory_kind(config).service,
            signature_fits=signature_fits,
            doubts=partial(doubts, config, ledger, elsewhere=elsewhere),
            witnesses=witnesses_of(config),
            watchers=watchers_of(config, directory) if by_lease else (),
        )
        if config.handover is not None:
            deps = replace(deps, contents=partial(leavers.contents_of, deps, policy_of(config), partial(handover_rules, config)))
        if write_ledger and from_checkpoint and asks_clock:  # a person's verb: nothing tells the time before it writes
            await ask_clock(deps, policy_of(config))
        before = await ledger.head()
        yield deps
        if write_ledger and from_checkpoint and await ledger.head() != before:
            await seal_by_person(ledger, config, tell)


def witnesses_of(config: Config) -> Witnesses:
    """Who is asked what they saw of changes."""
    return Witnesses(config.zoom.events is not None, config.zoom.operation_log)


def lease_of(section: LeaseSection, clock: Clock, tell: Tell) -> Lease:
    """The configured lease; what is not said is the pod's own. Raises ConfigError outside of a pod."""
    in_cluster = section.api_url is None
    ca_file = str(section.ca_file) if section.ca_file else str(SERVICE_ACCOUNT / "ca.crt") if in_cluster else None
    token = (
        secret(section.token, "leadership.lease.token")
        if section.token is not None
        else SecretFile("leadership.lease.token_file", SERVICE_ACCOUNT / "token")
    )
    return Lease(
        LeaseSettings(
            section.namespace,
            section.name,
            int(section.duration.total_seconds()),
            section.api_url or in_cluster_url(dict(os.environ)),
            token,
            f"{socket.gethostname()}_{clock.unique()}",
            ca_file,
        ),
        clock,
        tell,
    )


async def head_in_lease(config: Config, tell: Tell) -> tuple[Head, ...]:
    """The end of the ledger that a leader published with the configured lease. Raises ConfigError (outside of a pod), SyncdError
    (it cannot be read)."""
    return await lease_of(config.leadership.lease, SystemClock(), tell).look() if config.leadership.lease is not None else ()


def credential_of(config: Config) -> Callable[[], str]:
    """Identifies the Zoom credential in use, without being it: a remembered refusal counts only under the same one."""
    source = secret(config.zoom.client_secret, "zoom.client_secret")
    client = config.zoom.client_id

    def credential() -> str:
        return sha256_of([client, source()])[:12]

    return credential


@dataclass(frozen=True)
class ReportFiler:
    """What is done after each cycle: signing, filing, retention, asking Zoom's log what it saw. *close* is for the orderly end of
    the process, and raises nothing."""

    after_cycle: AfterCycle
    close: Callable[[], Awaitable[None]]

    async def __call__(self, report: CycleReport, term: int) -> None:
        """Raises SyncdError: the cycle stands, and something of what comes after it is left to the next one."""
        await self.after_cycle(report, term)


def report_filer(deps: Dependencies, config: Config, desk: WitnessDesk | None = None, *, once: bool = False) -> ReportFiler:
    """Makes it for a process (*desk*: the one that takes events, if any; *once*: this process runs one cycle only). Raises
    ConfigError at once when the folder cannot be written or the signing key is none: better to know before the first change
    than after it."""
    folder = config.reports.directory
    if folder is not None:
        demand_writable(Path(folder))
    key = signing_key(config)
    if key is not None:
        key.id()
    assert isinstance(deps.ledger, SqlLedger), "filing needs to seal the ledger"
    filing = Filing(
        deps.ledger,
        deps.clock,
        deps.tell,
        Path(folder) if folder is not None else None,
        config.reports.formats,
        config.reports.omit_columns,
        config.reports.keep,
        lambda report: circumstances_of(config, report, deps.ledger),
        key.sign if key is not None else None,
        publish=deps.leadership.publish if isinstance(deps.leadership, Lease) else lambda _: None,
        in_force=in_force(config),
        once=once,
    )
    asked = desk or WitnessDesk(deps, policy_of(config))

    async def after_cycle(report: CycleReport, term: int) -> None:
        failed: SyncdError | None = None
        if config.handover is not None:  # first, and for a minute at most: the report says what leavers left
            await _remember_leavers(deps, config, report, term)
            report = await with_contents(deps, report, await deps.ledger.history())
        try:
            await filing(report, term)
        except SyncdError as error:  # of no matter for what follows; being asked to stop is
            failed = error
        await asked.after_cycle(report, term)
        if failed is not None:
            raise failed

    return ReportFiler(after_cycle, filing.close)


def in_force(config: Config) -> dict[str, Any]:
    """What evidence is judged by beside the policy, by keys of the configuration; durations in seconds. Raises ConfigError."""
    schedule, reports, handover = schedule_of(config), config.reports, config.handover
    cron = schedule.cron is not None
    return {
        "reports.promise": reports.promise.total_seconds(),
        "reports.keep": reports.keep.total_seconds(),
        "reports.directory": reports.directory is not None,
        "reports.timezone": reports.timezone,
        "reports.omit_columns": list(reports.omit_columns),
        "ledger.keep_personal": config.ledger.keep_personal.total_seconds(),
        "schedule.interval": None if cron or schedule.interval is None else schedule.interval.total_seconds(),
        "schedule.cron": schedule.cron,
        "schedule.timezone": schedule.timezone,
        "schedule.jitter": schedule.jitter.total_seconds(),
        "schedule.windows": windows_of(config).as_json(),
        "approvals.required": config.approvals.required,
        "approvals.approvers": sorted(config.approvals.approvers),
        "approvals.signers_file": list(signers_of(config)),
        "handover": as_written(handover, without=("client_id", "client_secret")) if handover is not None else None,
    }


async def _remember_leavers(deps: Dependencies, config: Config, report: CycleReport, term: int) -> None:
    """For handovers. Nothing of the cycle depends on it, so it fails no cycle: the next one goes on."""
    try:
        await leavers.after_cycle(deps, policy_of(config), partial(handover_rules, config), report, term)
    except SyncdError as error:
        deps.tell(Noted("leavers.forgotten", "error", {"why": error.what, "do": error.do}))


def handover_rules(config: Config) -> HandoverRules:
    """The section ``handover``, as far as it decides. Raises ConfigError (``leavers_file``)."""
    section = config.handover
    assert section is not None
    return HandoverRules(
        section.after,
        section.end,
        section.receiver.from_ is not None,
        section.receiver.else_ or "",
        section.content,
        leavers_in(Path(section.leavers_file)) if section.leavers_file is not None else frozenset(),
        section.legal_hold.accounts,
        bool(section.legal_hold.directory_groups),
        section.never_to_manager,
        section.max_per_day,
        section.zoom_deletes_after,
    )


@asynccontextmanager
async def ending_zoom(config: Config, clock: Clock, tell: Tell) -> AsyncIterator[EndingApi]:
    """Zoom under the app that may end users, for ``handover run`` alone; closed at the end."""
    section = config.handover
    assert section is not None
    api = EndingApi(
        replace(
            zoom_settings(config),
            client_id=section.client_id,
            client_secret=secret(section.client_secret, "handover.client_secret"),
        ),
        clock,
        tell,
    )
    try:
        yield api
    finally:
        await api.close()


def signing_key(config: Config) -> SigningKey | None:
    """The key that signs ledger heads and manifests, if there is one."""
    source = config.reports.signing_key
    if source is None:
        return None
    from syncd.host.signing import SigningKey  # here: where nothing is signed its library is 7 MiB for nothing

    return SigningKey(secret(source, "reports.signing_key"))


def read_public_keys(path: Path) -> PublicKeys:
    """The public keys of a PEM file. Raises UsageError."""
    from syncd.host.signing import PublicKeys

    return PublicKeys.in_file(path)


async def names_of(ledger: Ledger, zoom_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Zoom id -> address, name and department as the ledger last wrote them beside the chain. Raises LedgerError."""
    wanted, refs = set(zoom_ids), {}
    if wanted and isinstance(ledger, SqlLedger):
        async for entry in ledger.entries(kinds=("decision", "intent"), reverse=True):
            if entry.subject in wanted:
                wanted.discard(entry.subject)
                refs[entry.subject] = str(json.loads(entry.body).get("who", ""))
            if not wanted:
                break
    found = await ledger.personal(list(refs.values()))
    return {zoom_id: found[ref] for zoom_id, ref in refs.items() if ref in found}


async def circumstances_of(config: Config, report: CycleReport, ledger: Ledger | None = None) -> Circumstances:
    """What the report of a cycle says beside the cycle itself: the promise, and what changed in the policy since the cycle
    recorded before. *ledger*: the one already open, if any. Raises ConfigError, LedgerError."""
    if isinstance(ledger, SqlLedger):
        return await _circumstances_in(ledger, config, report)
    async with open_ledger(config, lambda _: None) as opened:
        return await _circumstances_in(opened, config, report)


async def _circumstances_in(ledger: SqlLedger, config: Config, report: CycleReport) -> Circumstances:
    promise, then = config.reports.promise, InForce(config.reports.promise, schedule_of(config))
    async for entry in ledger.entries(kinds=(PolicyInForce.kind,)):
        then.take(entry.seq, decode(PolicyInForce, entry))
    async for entry in ledger.entries(kinds=("cycle.read", "cycle.ended"), reverse=True):
        says = read_entry(entry)
        read = says.read if isinstance(says, CycleRead | CycleEnded) else None
        if read is None or entry.cycle == report.cycle_id:
            continue
        if read.policy == report.policy_digest:
            return Circumstances(promise, (), then.promise_at)
        if read.policy_values is not None:
            changes = changes_between(read.policy_values, policy_of(config).as_json())
            return Circumstances(promise, tuple((one.key, one.before, one.after) for one in changes), then.promise_at)
    return Circumstances(promise, promise_at=then.promise_at)


async def period_document(
    config: Config, tell: Tell, asked: Asked, sample: Sample | None, progress: Callable[[int], None]
) -> dict[str, Any]:
    """The evidence of a period, from a ledger that was verified from its first entry on. Needs no credential.

    *progress* is told how many entries were read. Raises ConfigError, LedgerError (the chain is broken), UsageError (there
    is no ledger).
    """
    from syncd.evidence.periods import Period  # here: the daemon makes none, and its parts would idle in every one

    async with open_ledger(config, tell) as ledger:
        found = await ledger.verify()
        if found.problem is not None:
            raise LedgerError(
                f"the ledger is not intact: {found.problem}; no report was made",
                "Run syncd ledger verify, and report from an intact copy.",
            )
        if not found.entries:
            raise UsageError(
                "ledger.url names no ledger, or an empty one: there is nothing to report",
                "Name the ledger there; a copy of it is enough.",
            )
        demand_same_ledger(await ledger.history(), config)
        period = Period(asked, sampling=sample is not None)
        async for entry in ledger.entries():
            if entry.seq > found.head.seq:  # appended since it was verified
                break
            period.take(entry)
            progress(entry.seq)
        return period.document(await ledger.personal(period.references), sample)


async def record_period_report(config: Config, tell: Tell, made: Draft) -> None:
    """Writes down that a period's report was made. Raises ConfigError, LedgerError (a copy that cannot be written)."""
    ledger = writable_ledger(config, SystemClock(), tell)
    try:
        await ledger.append([made])
        await seal_by_person(ledger, config, tell)
    finally:
        await ledger.close()


def demand_writable(folder: Path) -> None:
    """Makes the folder if it is missing. Raises ConfigError when it cannot be made or written."""
    try:
        make_folder_for_few(folder)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "this user may not write there"
    except OSError as error:
        reason = error.strerror or "it cannot be made"
    if reason:
        raise ConfigError(
            f"reports.directory: {folder} cannot be written ({reason})",
            do="Make it a folder that this user may write in, or leave reports.directory out.",
        )


def several(*observers: Tell) -> Tell:
    """Tells every observer; one that fails is passed over, for observers can never stop a cycle."""

    def tell(event: Event) -> None:
        for observer in observers:
            try:
                observer(event)
            except Exception:  # noqa: BLE001, S112 - see the docstring
                continue

    return tell


def start_logging(config: Config, clock: Clock, *, to_a_person: bool = False) -> LogObserver:
    """Sets the process's log up. *to_a_person*: nothing but what is told to nobody else, for progress is shown on the terminal,
    and results, guards and errors are told by the verb itself; with logging.level debug everything."""
    logging = config.logging
    quiet = to_a_person and logging.level == "info"
    configure(
        "critical" if quiet else logging.level, "text" if to_a_person else logging.format, clock, addresses=logging.addresses
    )
    return LogObserver(addresses=logging.addresses)


def webhooks_of(config: Config) -> tuple[Webhook, ...]:
    """The configured webhooks."""
    return tuple(
        Webhook(secret(one.webhook_url, f"notify.{number}.webhook_url"), one.on, config.proxy, one.format)
        for number, one in enumerate(config.notify)
    )


def certificates_of(config: Config) -> dict[str, list[Path]]:
    """The certificate files that the configuration names, by what alerts call them: authorities that are trusted, and those of
    the ledger's connection. Where the system's trust counts there is none to look after."""
    chosen = getattr(config.directory, directory_kind(config).name)
    named = [
        config.zoom.ca_file,
        getattr(chosen, "ca_file", None),
        config.leadership.lease.ca_file if config.leadership.lease is not None else None,
    ]
    return {"ca": [Path(one) for one in named if one is not None], "postgresql": certificate_files(config)}


def certificate_files(config: Config) -> list[Path]:
    """Those that the ledger's address names (``sslcert``, ``sslrootcert``)."""
    try:
        asked = parse_qs(urlsplit(ledger_url(config)).query)
    except (ConfigError, ValueError):
        return []
    return [Path(path) for key in ("sslcert", "sslrootcert") for path in asked.get(key, []) if path != "system"]


async def cycles_in(ledger: SqlLedger) -> AsyncIterator[Ended]:
    """How cycles and looks ended, the newest first; nothing of what people did by hand. Raises LedgerError."""
    async for entry in ledger.entries(kinds=("cycle.ended",), reverse=True):
        says = read_entry(entry)
        if isinstance(says, CycleEnded) and says.by is None:
            yield Ended(says.ended_at, entry.cycle, says.result, says.outcomes or {}, says.look, says.looks or {})


class Watch:
    """The daemon's observers and its HTTP server."""

    def __init__(self, config: Config, clock: Clock, version: str, *others: Tell) -> None:
        self._metrics = Metrics(version)
        self._metrics.set_mode(config.mode.value)
        self._config = config
        self._schedule, self._clock, self._interval_on = schedule_of(config), clock, ""
        self._show_interval()
        self._status = StatusKeeper(version, config.mode.value, clock, frozenset(Guard) - NOT_APPROVABLE)
        self._ready = False
        logging = start_logging(config, clock)
        observing = several(logging, self._metrics, self._status, self._on_schedule, *others)
        self._notifier = Notifier(
            webhooks_of(config),
            clock,
            observing,
            version,
            approval_command,
            config.reports.timezone,
            self._schedule.longest_gap(clock.now()),
        )
        self.tell = several(observing, self._notifier)
        #: For what goes on beside the loop: no sign that the loop itself makes progress.
        self.aside = several(logging, self._metrics)

    def remember(self, history: History, ledger: Ledger | None = None) -> None:
        """Takes over what the *ledger* knows of earlier runs; from now on the daemon is ready."""
        if isinstance(ledger, SqlLedger):
            self._notifier.recorded, self._notifier.store = partial(cycles_in, ledger), ledger
        self._metrics.set_last_success(history.last_success_at)
        self._metrics.set_ledger_head(history.head.seq)
        self._metrics.remember(
            result=history.last_result,
            same_results=history.same_results,
            last_good_cycle_at=history.last_good_cycle_at,
            opened_at=history.opened_at,
        )
        self._status.remember(
            last_success_at=history.last_success_at,
            cycle_id=history.last_cycle,
            result=history.last_result,
            ended_at=history.last_cycle_at,
            head=history.head,
        )
        self._ready = True

    def _on_schedule(self, event: Event) -> None:
        if isinstance(event, CycleScheduled):
            self._show_interval()

    def _show_interval(self) -> None:
        """The longest gap ahead, once a day: a cron expression has other gaps next week."""
        now = self._clock.now()
        if self._interval_on != (today := now.date().isoformat()):
            self._interval_on = today
            self._metrics.set_interval(self._schedule.longest_gap(now))
            for credential, files in certificates_of(self._config).items():
                self._metrics(CredentialExpires(credential, earliest_end(files)))

    def notifying(self) -> AbstractAsyncContextManager[None]:
        """Sends messages to the configured webhooks while the body runs."""
        return self._notifier.running()

    def serve(
        self, listen: str, *, healthy: Health, trigger: Callable[[], None], trigger_token: ReadSecret | None
    ) -> AbstractAsyncContextManager[Endpoint]:
        """The HTTP server, while the body runs. Raises ConfigError when it cannot listen there."""
        from syncd.observe.server import serve  # no other verb needs a web server

        return serve(
            listen,
            metrics=self._metrics.render,
            healthy=healthy,
            ready=self._readiness,
            status=self._status.view,
            tell=self.tell,
            pause=self._clock.sleep,
            trigger=trigger,
            trigger_token=trigger_token,
        )

    def _readiness(self) -> tuple[bool, str]:
        if not self._ready:
            return False, "the ledger is not open yet"
        trouble = self._status.ledger_trouble
        return (False, f"the ledger cannot be read: {trouble}") if trouble else (True, "ready")
