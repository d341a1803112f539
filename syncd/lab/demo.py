"""``syncd demo``: the real daemon, ledger, guards and HTTP server against a company that comes with it.

Only what is outside is simulated (``lab``): Zoom on a loopback port with its limits and refusals, on request an Entra
tenant with its token service, and what happens to the company. The daemon runs as it would in production; each scene
changes the directory and asks it for a cycle.

More than 400 lines: one play with its stage, scenes in the order in which they are seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from syncd import __version__
from syncd.app import Watch, open_dependencies, pace_of, policy_of, report_filer, schedule_of, watchers_of
from syncd.config import Config, load
from syncd.host.clock import SystemClock
from syncd.lab import demo_handover, demo_watch
from syncd.lab.company import Company, Event, bad_day, corp_example, day_one, one_more_leaver, rehire
from syncd.lab.demo_watch import Curtain
from syncd.lab.entra.company import entra_of, move
from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.serving import EntraServing, serve_entra
from syncd.lab.graph.service import SimulatedGraph
from syncd.lab.server import serve
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.service import SimulatedZoom
from syncd.ledgers import accept
from syncd.model import HANDOVER, CycleReport, Mode, Policy, Reason, Result, Sighting, Trigger
from syncd.operations.cycle import Dependencies, Run, run_cycle
from syncd.operations.daemon import DaemonSignals, Liveness, run_daemon
from syncd.operations.witness import WitnessDesk
from syncd.planning.guards import NOT_APPROVABLE
from syncd.reports.screen import colours_for
from syncd.reports.terminal import print_cycle
from syncd.zoom.api import ZoomApi

#: Accounts shown of each kind of change; the report has them all.
ROWS = 6

#: Who changes an account behind syncd's back.
HELPDESK = "helpdesk@corp.example"

#: Seconds one cycle of the demo may take on a slow machine.
CYCLE_SECONDS = 60.0


async def play(folder: Path | None, directory: str = "file", *, keep: bool = False) -> int:
    """Plays all scenes with a ``file`` or ``entra`` directory; returns 0 when every one ended as it should. *keep*: then goes on
    running until SIGINT or SIGTERM, so that every verb can be tried on it. Raises what the daemon raises."""
    folder = (folder or Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="syncd-demo-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    morning = corp_example(clock.now())
    if directory == "file":
        return await _play(_Stage(folder), _PeopleFile(folder), clock, morning, keep=keep)
    login = SimulatedLogin(entra_of(morning, clock.now), now=clock.now, sleep=clock.sleep)
    graph = SimulatedGraph(login.tenant, now=clock.now, sleep=clock.sleep, tokens=login.tokens, apps=login.apps)
    async with serve_entra(login, graph, folder) as entra:
        return await _play(_Stage(folder), _Tenant(folder, login, entra), clock, morning, keep=keep)


async def _play(stage: _Stage, side: _Side, clock: SystemClock, morning: Company, *, keep: bool) -> int:
    side.change(morning)
    zoom = SimulatedZoom(morning.tenant(), now=clock.now, sleep=clock.sleep, limits=AccountLimits("business"))
    zoom.latency_seconds = 0.02
    async with serve(zoom) as serving:
        config_file = stage.furnish(side, zoom, serving.url, morning)
        config = load(config_file, {})
        policy = policy_of(config)
        stage.opening(side, serving.url)
        # The log is as strict as in production; here only what is worse than a warning would be worth a line.
        watch = Watch(
            config.model_copy(update={"logging": config.logging.model_copy(update={"level": "error"})}), clock, __version__
        )
        await accept(config, watch.tell, by="demo", because="the demo begins with a ledger of its own", directory=False)
        async with (
            open_dependencies(config, watch.tell, write_ledger=True, clock=clock) as deps,
            _daemon(config, deps, policy, watch) as daemon,
        ):
            code = await _scenes(stage, side, daemon, deps, config, morning, zoom)
            if keep:
                for curtain in daemon.curtains:
                    curtain.up.set()
                stage.keeping(daemon.url)
                await _stopped().wait()
            return code


async def _scenes(
    stage: _Stage, side: _Side, daemon: _Daemon, deps: Dependencies, config: Config, morning: Company, zoom: SimulatedZoom
) -> int:
    policy = policy_of(config)
    ends = [Result.IN_STEP]
    stage.scene("An ordinary morning", ["240 people, 243 Zoom accounts; the daemon reads both sides whole and compares."])
    stage.show(await daemon.first())

    leaving = day_one(morning, deps.clock.now())
    side.change(leaving.company)
    stage.scene(leaving.title, leaving.story)
    stage.say("First only a plan (syncd plan): it says what is due and why, and changes nothing anywhere.")
    stage.show(await run_cycle(deps, policy, Run(Mode.ENFORCE, Trigger.PLAN)))
    stage.say("Now the daemon's own cycle: look again at account and person, write the intent into the ledger, change, verify.")
    applied = await daemon.cycle()
    stage.show(applied)
    ends.append(applied.result)

    back = rehire(leaving.company, morning)
    side.change(back.company)
    stage.scene(back.title, back.story)
    stage.say("syncd deactivated that account, so it may bring it back, with the licence recorded before Zoom stripped it.")
    first = await daemon.cycle()
    returning = first.plan.reasons.get(Reason.RETURNING, 0) if first.plan is not None else 0
    stage.say(f"The first read that shows it does nothing yet ({returning} returning): one read may be wrong. The second does:")
    again = await daemon.cycle()
    stage.show(again)
    ends.append(again.result)

    company = back.company
    if config.schedule.watch:
        leaver = one_more_leaver(company)
        company = leaver.company
        ends.append(await _within_seconds(stage, side, daemon, leaver))

    ends.append(await _somebody_else(stage, daemon, deps, zoom, applied, again))

    handed = config.handover is None or await _content_handed_over(stage, daemon, deps, config, morning)

    lost = bad_day(company)
    side.change(lost.company)
    stage.scene(lost.title, lost.story)
    held = await daemon.cycle()
    stage.show(held)
    ends.append(held.result)
    stage.closing(held, daemon)
    changes = 3 if config.schedule.watch else 2
    good = [Result.IN_STEP, *[Result.APPLIED] * changes, Result.IN_STEP, Result.HELD]
    return 0 if handed and ends == good else 1


async def _within_seconds(stage: _Stage, side: _Side, daemon: _Daemon, leaver: Event) -> Result:
    """Nobody asks for a cycle; the watch sees that the file was replaced."""
    stage.scene(leaver.title, leaver.story)
    looked = await daemon.look(lambda: side.change(leaver.company))
    stage.show(looked)
    for line in demo_watch.told(looked):
        stage.say(line)
    return looked.result


async def _somebody_else(
    stage: _Stage, daemon: _Daemon, deps: Dependencies, zoom: SimulatedZoom, applied: CycleReport, again: CycleReport
) -> Result:
    """An administrator brings a leaver's account back at Zoom; the daemon is told within the second, and leaves it to people."""
    brought_back = {zoom_id for zoom_id, _ in again.outcomes}
    leaver = next(zoom_id for zoom_id, action in applied.outcomes if action == "deactivate" and zoom_id not in brought_back)
    await daemon.listens(zoom)
    email = zoom.tenant.alter(leaver, status="active", by=HELPDESK).email
    stage.scene("Somebody else changes an account", [f"{HELPDESK} reactivates at Zoom the account of {email}, who left"])
    seen = await daemon.foreign()
    after = (deps.clock.now() - seen.at).total_seconds()
    stage.say(
        f"Zoom's event was here {after:.1f} s later: {email} was {seen.what} by {seen.operator}, and not by syncd. It is "
        "recorded as foreign; the next cycle asks a person instead of fighting about it."
    )
    report = await daemon.cycle()
    stage.show(report)
    return report.result


async def _content_handed_over(stage: _Stage, daemon: _Daemon, deps: Dependencies, config: Config, morning: Company) -> bool:
    """HR names a leaver as gone for good; what they left goes to their team, by two people's word. Zoom's event confirms it."""
    leaver = morning.department("Customer Support")[3]
    demo_handover.name(stage.folder, leaver.address)
    stage.scene("What a leaver leaves", [f"HR names {leaver.display_name}, disabled on day one, as gone for good"])
    document, ended = await demo_handover.hand_over(deps, policy_of(config), config, lambda _: None, leaver.address)
    for line in demo_handover.told(document, ended):
        stage.say(line)
    seen = await daemon.confirmed(deps, ended.zoom_id)
    stage.say(f"Zoom tells of the deletion, and it is known as ours: {seen}, as every change is in the reports.")
    return ended.state == "handed_over" and bool(seen)


def _stopped() -> asyncio.Event:
    """Set by SIGINT or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


# ------------------------------------------------------------------------------------------------ the daemon on stage


@dataclass
class _Daemon:
    """The running daemon: asked for a cycle as ``POST /sync`` would, its reports taken as they are filed."""

    signals: DaemonSignals
    curtains: tuple[Curtain, ...]
    url: str = ""
    reports: asyncio.Queue[CycleReport] = field(default_factory=asyncio.Queue)
    others: asyncio.Queue[Sighting] = field(default_factory=asyncio.Queue)

    async def first(self) -> CycleReport:
        """The report of the cycle every daemon begins with."""
        return await asyncio.wait_for(self.reports.get(), CYCLE_SECONDS)

    async def cycle(self) -> CycleReport:
        """Asks for a cycle now and gives its report."""
        self.signals.now.set()
        return await asyncio.wait_for(self.reports.get(), CYCLE_SECONDS)

    async def look(self, change: Callable[[], None]) -> CycleReport:
        """Lets the watch hear of a *change*, and gives the report of what came of it."""
        for curtain in self.curtains:
            await curtain.rise()
        change()
        looked = await asyncio.wait_for(self.reports.get(), CYCLE_SECONDS)
        for curtain in self.curtains:
            curtain.up.clear()
        return looked

    async def foreign(self) -> Sighting:
        """The next change by somebody else, once it is in the ledger."""
        return await asyncio.wait_for(self.others.get(), CYCLE_SECONDS)

    async def confirmed(self, deps: Dependencies, zoom_id: str) -> str:
        """By whom the handover of an account was seen, once somebody did."""
        async with asyncio.timeout(CYCLE_SECONDS):
            while True:
                effects = (await deps.ledger.history()).effects.values()
                if seen := next((one.seen_by for one in effects if (one.zoom_id, one.action) == (zoom_id, HANDOVER)), ""):
                    return f"confirmed by {seen}"
                await SystemClock().sleep(0.05)

    async def listens(self, zoom: SimulatedZoom) -> None:
        """Waits until Zoom's events are listened to."""
        async with asyncio.timeout(CYCLE_SECONDS):
            while not zoom.events.connected:
                await SystemClock().sleep(0.05)


@contextlib.asynccontextmanager
async def _daemon(config: Config, deps: Dependencies, policy: Policy, watch: Watch) -> AsyncIterator[_Daemon]:
    liveness = Liveness(deps.clock.monotonic)
    daemon = _Daemon(DaemonSignals(), tuple(map(Curtain, watchers_of(config, deps.directory))))
    deps = replace(deps, watchers=daemon.curtains)
    desk = WitnessDesk(deps, policy, daemon.others.put_nowait)
    file = report_filer(deps, config, desk)

    async def filed(report: CycleReport, term: int) -> None:
        await file(report, term)
        daemon.reports.put_nowait(report)

    watch.remember(await deps.ledger.history())
    async with watch.serve(config.http.listen, healthy=liveness.health, trigger=daemon.signals.now.set, trigger_token=None) as at:
        daemon.url = at.url
        assert isinstance(deps.zoom, ZoomApi), "the demo listens to Zoom's events"
        assert deps.zoom.events is not None, "and its configuration says so"
        listening = asyncio.create_task(desk.listen(deps.zoom.events, lambda: not daemon.signals.stop.is_set()))
        running = asyncio.create_task(
            run_daemon(
                deps, policy, config.mode, schedule_of(config), daemon.signals, liveness, filed, pace_of(config), file.close
            )
        )
        try:
            yield daemon
        finally:
            daemon.signals.stop.set()
            await running
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


# -------------------------------------------------------------------------------------------- the company's directory


class _Side(Protocol):
    """A directory that the scenes can change. *section*: how the configuration names it, in YAML. *has_handover*: whether content
    is handed over, too (the simulated Graph tells no managers). *is_watched*: whether changes are noticed at once (Graph
    tells of them later than an audience likes to wait)."""

    section: str
    says: str
    has_handover: bool
    is_watched: bool

    def change(self, company: Company) -> None:
        """The directory as it is from now on."""


class _PeopleFile:
    """A CSV file, as an HR system exports it every night."""

    says = "a file as its directory"
    has_handover = is_watched = True

    def __init__(self, folder: Path) -> None:
        self._path = folder / "people.csv"
        self.section = f'file:\n    path: "{self._path}"\n    groups: [Zoom Users]'

    def change(self, company: Company) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(company.people_csv(), encoding="utf-8")
        new.replace(self._path)


class _Tenant:
    """A simulated Entra tenant with its token service and Graph."""

    says = "a simulated Entra tenant with token service and Graph as its directory"
    has_handover = is_watched = False

    def __init__(self, folder: Path, login: SimulatedLogin, entra: EntraServing) -> None:
        self._tenant = login.tenant
        secret = folder / "entra-secret"
        _write_secret(secret, login.app.secrets[0].value)
        self.section = "\n    ".join(
            (
                "entra:",
                f"tenant_id: {login.tenant.id}",
                f"client_id: {login.app.client_id}",
                f'credential: {{client_secret_file: "{secret}"}}',
                f"authority_url: {entra.authority_url}",
                f"graph_url: {entra.graph_url}",
                f'ca_file: "{entra.ca_file}"',
                "groups: [Zoom Users]",
            )
        )

    def change(self, company: Company) -> None:
        move(self._tenant, company)


def _write_secret(path: Path, secret: str) -> None:
    path.write_text(secret, encoding="utf-8")
    path.chmod(0o600)


# ------------------------------------------------------------------------------------------------------- what is shown


class _Stage:
    """The demo's folder, and what the audience reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = self._folder = folder
        self._console = Console(
            file=sys.stdout, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 110
        )

    def furnish(self, side: _Side, zoom: SimulatedZoom, url: str, company: Company) -> Path:
        """Writes the secret and the configuration; gives the configuration's path."""
        folder = self._folder
        _write_secret(folder / "zoom-secret", zoom.oauth.client_secret)
        _write_secret(folder / "handover-secret", "handover-app-secret")
        leaver = company.department("Customer Support")[3]
        demo_handover.prepare(zoom, folder, "handover-app-secret", leaver.address, SystemClock().now())
        config = folder / "syncd.yaml"
        config.write_text(
            CONFIG.format(
                folder=folder,
                directory=side.section,
                account=zoom.oauth.account_id,
                client=zoom.oauth.client_id,
                url=url,
                socket=url.replace("http", "ws", 1),
                subscription=zoom.events.subscription_id,
            )
            + (
                demo_handover.SECTION.format(folder=folder, receiver=company.department("Customer Support")[0].address)
                if side.has_handover
                else ""
            )
            + (demo_watch.SECTION if side.is_watched else ""),
            encoding="utf-8",
        )
        return config

    def opening(self, side: _Side, url: str) -> None:
        """What the audience is about to see."""
        self._console.print(Text("syncd keeps Zoom accounts in step with the company directory.", style="bold"))
        self.say(f"Corp Example: {side.says}, and a simulated Zoom at {url} with its limits and refusals.")
        self.say(f"Everything the demo writes lies in {self._folder}")

    def scene(self, title: str, story: list[str] | tuple[str, ...]) -> None:
        """A heading and what happened."""
        self._console.print()
        self._console.print(Rule(Text(title, style="bold"), align="left", style=colours_for(self._console)["info"]))
        for line in story:
            self._console.print(Text(f"  • {line}"))
        self._console.print()

    def say(self, text: str) -> None:
        """A sentence in between."""
        self._console.print(Text(text))

    def show(self, report: CycleReport) -> None:
        """A cycle, as ``syncd plan`` prints it."""
        print_cycle(report, sys.stdout, rows=ROWS, for_people=True)
        self._console.print()

    def keeping(self, url: str) -> None:
        """What is still running, and what to try on it."""
        config = self._folder / "syncd.yaml"
        self._console.print()
        self.say(f"Still running: the daemon with its status page {url}/, and the simulated services. Try, in another window:")
        for verb in ("plan", "explain ceo@corp.example", "pause --by NAME --because TEXT"):
            self._console.print(Text(f"  {_command()} {verb} --config {config}"), soft_wrap=True)
        self.say("Ctrl-C ends it.")
        sys.stdout.flush()

    def closing(self, held: CycleReport, daemon: _Daemon) -> None:
        """The way past the guards, and where the evidence lies."""
        tripped = [verdict.guard for verdict in held.verdicts if verdict.tripped and verdict.guard not in NOT_APPROVABLE]
        digest = held.plan.digest[:12] if held.plan is not None else ""
        syncd = f"{_command()} --config {self._folder / 'syncd.yaml'}"
        reports = self._folder / "reports"
        self._console.print(
            Rule(Text("Nothing was changed", style="bold"), align="left", style=colours_for(self._console)["good"])
        )
        self.say("Repair the export and the next cycle goes on by itself. Had these people really left, a person would say so:")
        self._console.print(
            Text(
                f"  {syncd} approve --plan {digest} \\\n"
                f"    --guard {' '.join(tripped)} \\\n"
                '    --by "Your Name" --because "Sales was sold, ticket 4711"',
                style="bold",
            ),
            soft_wrap=True,  # a command is never broken
        )
        self.say(
            "Try that: it is recorded in the ledger (and carried out by nobody: the simulated Zoom ended; `--keep` stays). Also:"
        )
        self._console.print(Text(f"  {syncd} ledger verify\n  {syncd} ledger show --limit 20"), soft_wrap=True)
        for path in sorted(reports.glob(f"*_{digest}*_{held.result.value}.*")):
            self.say(f"The report of this cycle: {path}")
        self.say(f"All cycles: {reports / 'cycles.jsonl'}")
        self.say(f"While it ran, the daemon served a status page at {daemon.url}/ and {daemon.url}/metrics")


def _command() -> str:
    """How to call syncd from where the demo was called: ``make demo`` leaves it in a virtual environment."""
    called = Path(sys.argv[0])
    if called.name != "syncd" or shutil.which("syncd") == str(called):
        return "syncd"
    return os.path.relpath(called)


CONFIG = """\
# The configuration of the demo: enforcing, and without a grace so that a leaver goes within the minute. In production
# keep the defaults (4 h grace, two reads in a row) and begin with mode: report.
mode: enforce
directory:
  {directory}
zoom:
  account_id: {account}
  client_id: {client}
  client_secret_file: "{folder}/zoom-secret"
  token_url: {url}/oauth/token
  api_url: {url}/v2
  events: {{subscription_id: {subscription}, url: "{socket}/ws"}}
match:
  domain_aliases: {{corp-old.example: corp.example}}
scope:
  domains: [corp.example]
protect:
  groups: [Rooms]
  accounts: [ceo@corp.example]
deactivate:
  grace: 0s
guards:
  sentinels: [ceo@corp.example]
ledger:
  url: "sqlite:///{folder}/ledger.db"
http:
  listen: 127.0.0.1:0
reports:
  directory: "{folder}/reports"
"""
