"""``python -m syncd.lab zoom|entra``: simulated services on this machine, with a configuration to match.

    python -m syncd.lab zoom --port 9000 --out /tmp/lab              # Corp Example, 240 people in a file, some just left
    python -m syncd.lab zoom --port 9000 --out /tmp/lab --users 100000 --plan none
    python -m syncd.lab entra --port 9000 --out /tmp/lab             # the same company in Entra, and its Zoom account

It writes the configuration ``syncd.yaml`` and what that names (secrets, ``people.csv`` or Entra's CA) into the folder, prints
where it listens, and serves until it is stopped by SIGINT or SIGTERM. As a program of its own it puts parts together, the
real clock included.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from syncd.host.clock import SystemClock
from syncd.lab import handing_over
from syncd.lab.company import ALIAS_DOMAIN, DOMAIN, ENTITLING_GROUP, ROOMS, Company, corp_example, day_one
from syncd.lab.entra.company import entra_of
from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.serving import EntraServing, serve_entra
from syncd.lab.graph.service import SimulatedGraph
from syncd.lab.population import population
from syncd.lab.server import Serving, serve
from syncd.lab.zoom.limits import PLANS, AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import SimulatedZoom


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = _options(arguments)
    clock = SystemClock()
    if options.users is None:
        morning = corp_example(clock.now())
        company = day_one(morning, clock.now()).company  # the first plan has leavers in it, each gone in another way
    else:
        morning = company = population(options.users, clock.now(), leavers=options.leavers)
    zoom = SimulatedZoom(
        morning.tenant(), now=clock.now, sleep=clock.sleep, limits=AccountLimits(None if options.plan == "none" else options.plan)
    )
    if options.users is None:
        handing_over.prepare(zoom, clock.now())
    zoom.latency_seconds = options.latency
    zoom.page_size_max = options.page_size
    if options.service == "zoom":
        return _run(_serve(zoom, company, options))
    login = SimulatedLogin(entra_of(company, clock.now), now=clock.now, sleep=clock.sleep)
    graph = SimulatedGraph(login.tenant, now=clock.now, sleep=clock.sleep, tokens=login.tokens, apps=login.apps)
    graph.latency_seconds = options.latency
    return _run(_serve_with_entra(zoom, login, graph, company, options))


def _run(serving: Coroutine[Any, Any, None]) -> int:
    """Serves to the end; a port that cannot be had is said, with the way out."""
    try:
        asyncio.run(serving)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        sys.stderr.write(
            f"syncd.lab: a port of 127.0.0.1 cannot be listened on ({error.strerror}): a lab that runs already?\n"
            "  Stop it, or choose another port: --port 0 takes any free one.\n"
        )
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m syncd.lab", description="Simulated services to try syncd with.")
    services = parser.add_subparsers(required=True, metavar="zoom|entra", dest="service")
    zoom = services.add_parser("zoom", help="a simulated Zoom account, with a file as the directory")
    entra = services.add_parser("entra", help="a simulated Entra tenant with token service and Graph, and a Zoom account")
    entra.add_argument("--graph-port", type=int, default=0, help="port of Graph, http (default: any free one)")
    entra.add_argument("--login-port", type=int, default=0, help="port of the token service, https (default: any free one)")
    for service in (zoom, entra):
        service.add_argument("--port", type=int, default=9000, help="port of Zoom on 127.0.0.1; 0: any free one (default 9000)")
        service.add_argument("--out", type=Path, required=True, metavar="DIR", help="where configuration and files are written")
        service.add_argument("--users", type=int, metavar="N", help="a generated company of N users instead of Corp Example")
        service.add_argument("--leavers", type=int, default=0, metavar="N", help="so many of them are missing from the directory")
        service.add_argument("--page-size", type=int, default=2000, metavar="N", help="largest page of Zoom users (default 2000)")
        service.add_argument("--plan", choices=[*PLANS, "none"], default="business", help="Zoom's rate limits (default business)")
        service.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="added to every call")
    return parser.parse_args(arguments)


async def _serve(zoom: SimulatedZoom, company: Company, options: argparse.Namespace) -> None:
    stop = _stopped()
    async with serve(zoom, port=options.port) as serving:
        configuration = await asyncio.to_thread(write_files, options.out, company, zoom.oauth, serving, options.page_size)
        _say(f"simulated Zoom: {serving.url} with {len(company.users)} users\ntry: syncd plan --config {configuration}\n")
        await stop.wait()


async def _serve_with_entra(
    zoom: SimulatedZoom, login: SimulatedLogin, graph: SimulatedGraph, company: Company, options: argparse.Namespace
) -> None:
    stop = _stopped()
    folder = options.out.resolve()
    async with (
        serve(zoom, port=options.port) as serving,
        serve_entra(login, graph, folder, login_port=options.login_port, graph_port=options.graph_port) as entra,
    ):
        configuration = await asyncio.to_thread(
            write_entra_files, folder, company, login, entra, zoom.oauth, serving, options.page_size
        )
        _say(
            f"simulated Zoom: {serving.url} with {len(company.users)} users\n"
            f"simulated Entra: {entra.authority_url} (sign-in), {entra.graph_url} with {login.tenant.user_count} users\n"
            f"try: syncd plan --config {configuration}\n"
        )
        await stop.wait()


def _stopped() -> asyncio.Event:
    """Set when the program is asked to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


# --------------------------------------------------------------------------------------------------------------- files


def write_files(folder: Path, company: Company, oauth: OAuth, serving: Serving, page_size: int = 300) -> Path:
    """Writes directory, secret and configuration; returns the configuration's path."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.csv").write_text(handing_over.with_managers(company.people_csv()), encoding="utf-8")
    handing_over.write_section(folder)
    return _write(
        folder,
        company,
        oauth,
        serving,
        page_size,
        f"""\
  file:
    path: {json.dumps(str(folder / "people.csv"))}
    groups: [{json.dumps(ENTITLING_GROUP)}]
""",
    )


def write_entra_files(
    folder: Path,
    company: Company,
    login: SimulatedLogin,
    entra: EntraServing,
    oauth: OAuth,
    serving: Serving,
    page_size: int = 300,
) -> Path:
    """Writes secrets and configuration for a company in Entra; returns the configuration's path."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(folder / "entra-secret", login.app.secrets[0].value)
    return _write(
        folder,
        company,
        oauth,
        serving,
        page_size,
        f"""\
  entra:
    tenant_id: {login.tenant.id}
    client_id: {login.app.client_id}
    credential:
      client_secret_file: {json.dumps(str(folder / "entra-secret"))}
    authority_url: {entra.authority_url}
    graph_url: {entra.graph_url}
    ca_file: {json.dumps(str(entra.ca_file))}
    groups: [{json.dumps(ENTITLING_GROUP)}]
""",
    )


def _write(folder: Path, company: Company, oauth: OAuth, serving: Serving, page_size: int, directory: str) -> Path:
    """Writes Zoom's secret and the configuration around *directory*."""
    _write_secret(folder / "zoom-secret", oauth.client_secret)
    rooms = json.dumps([ROOMS.name] if any(user.room for user in company.users) else [])
    configuration = folder / "syncd.yaml"
    configuration.write_text(
        f"""\
mode: report
directory:
{directory}zoom:
  account_id: {oauth.account_id}
  client_id: {oauth.client_id}
  client_secret_file: {json.dumps(str(folder / "zoom-secret"))}
  token_url: {serving.url}/oauth/token
  api_url: {serving.url}/v2
  page_size: {page_size}
match:
  domain_aliases: {{{ALIAS_DOMAIN}: {DOMAIN}}}
scope:
  domains: [{DOMAIN}]
protect:
  groups: {rooms}
ledger:
  url: {json.dumps(f"sqlite:///{folder / 'ledger.db'}")}
reports:
  directory: {json.dumps(str(folder / "reports"))}
""",
        encoding="utf-8",
    )
    return configuration


def _write_secret(path: Path, secret: str) -> None:
    """As `syncd check` wants it: for its owner alone."""
    path.write_text(secret, encoding="utf-8")
    path.chmod(0o600)


if __name__ == "__main__":
    sys.exit(main())
