"""From a change in the directory to the request at Zoom: how long it takes with the watch on, for a file, a real Samba and Entra.

    python -W ignore -m tests.benchmarks.watch [--users 50000] [--samba-users 5000] [--rounds 200] [--only file|samba|entra]
                                               [--disable]

One daemon with whole cycles an hour apart, as many Zoom accounts as people, one leaver after another, each up to a second after
the one before, put into a leavers' group (in Samba, with --disable, disabled under watch_settle: 0s). Printed are the median,
the 99th percentile and the worst, the processor's time for one leaver, the memory, and what an idle time costs, requests to the
directory included. The aim: 2 s at the 99th percentile for Active Directory, 1 s for a file, and for Entra the poll (10 s here,
the least there may be) and 1 s. Samba needs root and its packages (tests/adlab/README.md), and some 3 s for each thousand people,
once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.objects import a_group, a_person
from syncd.lab.entra.serving import serve_entra_in_thread
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph.service import SimulatedGraph
from syncd.lab.server import serve_in_thread
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant, a_user
from tests.adlab import lab
from tests.real.samba_world import GROUPS, STAFF, SambaDirectory

ROOT = Path(__file__).parents[2]
ENTRA_POLL_SECONDS = 10
AIM_SECONDS = {"file": 1.0, "samba": 2.0, "entra": ENTRA_POLL_SECONDS + 1.0}
#: So many leavers of the others for one of Entra, each of whom takes seconds.
ENTRA_PART = 20
IDLE_SECONDS = 20.0
SECRET = "a-secret"
#: People leave at any moment, and not at the same one after a question of the watch each time.
MOMENT = random.Random(11)


class Company:
    """A folder, a simulated Zoom, and a daemon with a configuration."""

    def __init__(self, folder: Path, addresses: list[str], directory: dict[str, Any], **schedule: Any) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.zoom = SimulatedZoom(
            Tenant(),
            now=lambda: datetime.now(UTC),
            sleep=asyncio.sleep,
            limits=AccountLimits(None),
            oauth=OAuth(client_secret=SECRET),
        )
        self.accounts = 0
        self.add(addresses, "active")
        self.active = self.accounts
        (folder / "secret").write_text(SECRET + "\n")
        self.settings: dict[str, Any] = {
            "mode": "enforce",
            "directory": directory,
            "scope": {"domains": ["corp.example"]},
            "zoom": {
                "account_id": self.zoom.oauth.account_id,
                "client_id": self.zoom.oauth.client_id,
                "client_secret_file": str(folder / "secret"),
                "account_plan": "business",
                "share": "100%",
            },
            "deactivate": {"grace": "1h", "grace_for_known_leavers": "0s"},
            "guards": {"max_deactivations_per_day": 5000},
            "schedule": {"interval": "1h", "watch": True, **schedule},
            "ledger": {"url": f"sqlite:///{folder}/ledger.db"},
            "http": {"listen": f"127.0.0.1:{self.port}"},
        }

    def add(self, addresses: Iterable[str], status: str) -> None:
        """Accounts of these people."""
        for address in addresses:
            self.zoom.tenant.put(a_user(address, status=status))
            self.accounts += 1

    def asked_of_the_directory(self) -> int:
        """Requests to it so far, as the daemon counts them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            round(float(line.rpartition(" ")[2]))
            for line in lines
            if line.startswith("syncd_http_requests_total{") and ('service="ldap"' in line or 'service="graph"' in line)
        )

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The daemon, after its first whole cycle."""
        with serve_in_thread(self.zoom) as serving:
            self.settings["zoom"] |= {"token_url": f"{serving.url}/oauth/token", "api_url": f"{serving.url}/v2"}
            configuration, log = self.folder / "syncd.yaml", self.folder / "log"
            configuration.write_text(yaml.safe_dump(self.settings))
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "syncd",
                    "ledger",
                    "accept",
                    "--config",
                    str(configuration),
                    "--by",
                    "a person",
                    "--because",
                    "a measurement",
                ],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
            with log.open("wb") as stream:
                process = subprocess.Popen(
                    [sys.executable, "-m", "syncd", "run", "--config", str(configuration)], cwd=ROOT, stdout=stream, stderr=stream
                )
            try:
                wait_until(lambda: b'"cycle.finished"' in log.read_bytes() or process.poll() is not None, 600)
                if process.poll() is not None or b'"result": "in_step"' not in log.read_bytes():
                    raise RuntimeError(log.read_text()[-2000:])
                yield process
            finally:
                process.terminate()
                process.wait(20)

    def locked_out(self, address: str) -> Callable[[], bool]:
        """Whether the request for this account arrived."""
        return lambda: self.zoom.tenant.existing(address).status == "inactive"


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Looks every few milliseconds. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"nothing came within {seconds:.0f} s")
        time.sleep(0.005)


def measure(kind: str, company: Company, leavers: list[str], leave: Callable[[str], None], how: str = "") -> bool:
    """One leaver after another; prints the times and says whether they meet the aim."""
    took = []
    with company.running() as process:
        time.sleep(3)
        at_zoom, at_directory, began = len(company.zoom.requests), company.asked_of_the_directory(), _cpu(process.pid)
        time.sleep(IDLE_SECONDS)
        idle, at_zoom = (_cpu(process.pid) - began) / IDLE_SECONDS, len(company.zoom.requests) - at_zoom
        at_directory = company.asked_of_the_directory() - at_directory
        used = _cpu(process.pid)
        for address in leavers:
            time.sleep(MOMENT.random())
            began = time.monotonic()
            leave(address)
            wait_until(company.locked_out(address))
            took.append(time.monotonic() - began)
        each, memory = (_cpu(process.pid) - used) / len(took), _memory_mib(process.pid)
    took.sort()
    p50, p99 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))]
    sys.stdout.write(
        f"{kind}: {company.accounts:,} accounts, {company.active:,} active, {len(took)} leavers{how}: "
        f"p50 {p50:.2f} s, p99 {p99:.2f} s, worst "
        f"{took[-1]:.2f} s, {each:.2f} s of processor each; {memory:.0f} MiB; idle {idle:.1%} of a core, "
        f"{at_zoom} requests to Zoom and {at_directory} to the directory in {IDLE_SECONDS:.0f} s; load {os.getloadavg()[0]:.1f}\n"
    )
    return p99 <= AIM_SECONDS[kind]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    """The most it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def of_a_file(users: int, rounds: int) -> bool:
    """A CSV file that is replaced by a rename."""
    with tempfile.TemporaryDirectory() as name:
        folder, groups = Path(name), dict.fromkeys((f"u{number:05d}@corp.example" for number in range(users)), "staff")

        def save(leaver: str = "") -> None:
            if leaver:
                groups[leaver] = "staff;left"
            lines = [
                "id,display_name,addresses,enabled,expires_at,groups",
                *(f"{address[:6]},{address[:6]},{address},,,{group}" for address, group in groups.items()),
            ]
            (folder / "new.csv").write_text("\n".join(lines) + "\n")
            (folder / "new.csv").replace(folder / "people.csv")

        save()
        company = Company(
            folder, list(groups), {"file": {"path": str(folder / "people.csv"), "groups": ["staff"], "leaver_groups": ["left"]}}
        )
        return measure("file", company, list(groups)[:rounds], save)


def of_samba(users: int, rounds: int, *, disable: bool) -> bool:
    """A domain of its own, each person with an account, which is active for those who are entitled. The leavers come into a
    group, or are disabled, over a line that is open already."""
    with tempfile.TemporaryDirectory() as name, lab.running(Path(name) / "dc", lab.template(users, users * 9 // 10)) as domain:
        domain.samba_tool("group", "add", "bench-leavers", "--groupou=OU=Groups")
        (Path(name) / "password").write_text(domain["SVC_PASSWORD"] + "\n")
        people = asyncio.run(SambaDirectory(domain).read()).people
        now = datetime.now(UTC)
        claims = Counter(address for one in people for address in one.addresses)
        entitled = {
            one.mains[0]: f"CN={one.display_name.lower()},{STAFF}"
            for one in people
            if one.entitled_by and one.enabled and one.mains and (one.expires_at is None or one.expires_at > now)
            if claims[one.mains[0]] == 1  # an account that somebody else claims, too, stays
        }
        company = Company(
            Path(name),
            list(entitled),
            {
                "active_directory": {
                    "servers": [domain["URI"]],
                    "ca_file": domain["CA_FILE"],
                    "base_dn": [domain["BASE_DN"]],
                    "groups": ["zoom-flat"],
                    "leaver_groups": ["bench-leavers"],
                    "bind": {"simple": {"user": domain["SVC_UPN"], "password_file": str(Path(name) / "password")}},
                }
            },
            watch_settle="0s" if disable else "30s",
        )
        company.add({one.mains[0] for one in people if one.mains} - entitled.keys(), "inactive")
        command = ["ldapmodify", "-x", "-H", domain["URI"], "-D", domain["BIND_DN"], "-w", domain["PASSWORD"]]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "LDAPTLS_CACERT": domain["CA_FILE"], "LDAPRC": "/dev/null"},
        ) as line:

            def leave(address: str) -> None:
                who = entitled[address]
                change = (
                    f"dn: {who}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n\n"
                    if disable
                    else f"dn: CN=bench-leavers,{GROUPS}\nchangetype: modify\nadd: member\nmember: {who}\n\n"
                )
                assert line.stdin is not None
                line.stdin.write(change)
                line.stdin.flush()

            return measure("samba", company, list(entitled)[:rounds], leave, " by disabling" if disable else "")


def of_entra(users: int, rounds: int) -> bool:
    """A simulated tenant, whose change tracking tells at once; what Graph itself takes comes on top."""
    addresses = [f"u{number:05d}@corp.example" for number in range(users)]
    tenant = EntraTenant(
        [*map(a_person, addresses), *map(a_group, ("Zoom Users", "Leavers"))],
        {"Zoom Users": addresses, "Leavers": []},
        now=lambda: datetime.now(UTC),
    )
    login = SimulatedLogin(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)
    graph = SimulatedGraph(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep, tokens=login.tokens)
    with tempfile.TemporaryDirectory() as name, serve_entra_in_thread(login, graph, Path(name)) as serving:
        (Path(name) / "entra").write_text(login.app.secrets[0].value + "\n")
        company = Company(
            Path(name),
            addresses,
            {
                "entra": {
                    "tenant_id": tenant.id,
                    "client_id": login.app.client_id,
                    "credential": {"client_secret_file": f"{name}/entra"},
                    "authority_url": serving.authority_url,
                    "graph_url": serving.graph_url,
                    "ca_file": str(serving.ca_file),
                    "groups": ["Zoom Users"],
                    "leaver_groups": ["Leavers"],
                }
            },
            watch_poll=f"{ENTRA_POLL_SECONDS}s",
        )
        return measure("entra", company, addresses[: max(1, rounds // ENTRA_PART)], lambda one: tenant.join("Leavers", one))


def main() -> int:
    """Prints all; 1 when one misses its aim."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--samba-users", type=int, default=int(os.environ.get("SAMBA_PEOPLE") or 5_000))
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--disable", action="store_true", help="in Samba, disable people under watch_settle: 0s")
    parser.add_argument("--only", choices=("file", "samba", "entra"))
    options = parser.parse_args()
    good = True
    if options.only in (None, "file"):
        good &= of_a_file(options.users, options.rounds)
    if options.only in (None, "entra"):
        good &= of_entra(options.users, options.rounds)
    if options.only in (None, "samba"):
        if reason := lab.missing():
            sys.stderr.write(f"{reason}\n")
            return 2
        good &= of_samba(options.samba_users, options.rounds, disable=options.disable)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
