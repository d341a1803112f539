"""``python -m syncd.lab zoom``: a simulated Zoom account on this machine, with a directory and a configuration to match.

    python -m syncd.lab zoom --port 9000 --out /tmp/lab              # Corp Example, 240 people
    python -m syncd.lab zoom --port 9000 --out /tmp/lab --users 100000 --plan none

It writes ``people.csv``, ``zoom-secret`` and ``syncd.yaml`` into the folder, prints where it listens, and serves until it is
stopped by SIGINT or SIGTERM. As a program of its own it puts parts together, the real clock included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from syncd.adapters.clock import SystemClock
from syncd.lab.company import ALIAS_DOMAIN, DOMAIN, ENTITLING_GROUP, ROOMS, Company, corp_example
from syncd.lab.limits import PLANS, AccountLimits
from syncd.lab.oauth import OAuth
from syncd.lab.population import population
from syncd.lab.server import Serving, serve
from syncd.lab.zoom import SimulatedZoom


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = _options(arguments)
    clock = SystemClock()
    if options.users is None:
        company = corp_example(clock.now())
    else:
        company = population(options.users, clock.now(), leavers=options.leavers)
    zoom = SimulatedZoom(company.tenant(), now=clock.now, sleep=clock.sleep,
                         limits=AccountLimits(None if options.plan == "none" else options.plan))
    zoom.latency_seconds = options.latency
    zoom.page_size_max = options.page_size
    asyncio.run(_serve(zoom, company, options))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m syncd.lab", description="Simulated services to try syncd with.")
    zoom = parser.add_subparsers(required=True, metavar="zoom").add_parser("zoom", help="a simulated Zoom account")
    zoom.add_argument("--port", type=int, default=9000, help="port on 127.0.0.1; 0 takes any free one (default 9000)")
    zoom.add_argument("--out", type=Path, required=True, metavar="DIR", help="where directory and configuration are written")
    zoom.add_argument("--users", type=int, metavar="N", help="a generated account of N users instead of Corp Example")
    zoom.add_argument("--leavers", type=int, default=0, metavar="N", help="so many of them are missing from the directory")
    zoom.add_argument("--page-size", type=int, default=2000, metavar="N", help="largest page of users served (default 2000)")
    zoom.add_argument("--plan", choices=[*PLANS, "none"], default="business", help="rate limits (default business)")
    zoom.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="added to every call")
    return parser.parse_args(arguments)


async def _serve(zoom: SimulatedZoom, company: Company, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(zoom, port=options.port) as serving:
        configuration = await asyncio.to_thread(write_files, options.out, company, zoom.oauth, serving, options.page_size)
        sys.stdout.write(f"simulated Zoom: {serving.url} with {len(company.users)} users\n"
                         f"try: syncd plan --config {configuration}\n")
        sys.stdout.flush()
        await stop.wait()


def write_files(folder: Path, company: Company, oauth: OAuth, serving: Serving, page_size: int = 300) -> Path:
    """Writes directory, secret and configuration; returns the configuration's path."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.csv").write_text(company.people_csv(), encoding="utf-8")
    (folder / "zoom-secret").write_text(oauth.client_secret, encoding="utf-8")
    rooms = json.dumps([ROOMS.name] if any(user.room for user in company.users) else [])
    configuration = folder / "syncd.yaml"
    configuration.write_text(f"""\
mode: report
directory:
  file:
    path: {json.dumps(str(folder / "people.csv"))}
    groups: [{json.dumps(ENTITLING_GROUP)}]
zoom:
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
""", encoding="utf-8")
    return configuration


if __name__ == "__main__":
    sys.exit(main())
