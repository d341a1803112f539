"""From a change in the directory to the request at Zoom: how long it takes with the watch on, for a file and a real Samba.

    python -W ignore -m tests.benchmarks.watch [--users 5000] [--rounds 50] [--only file|samba]

One daemon with whole cycles an hour apart, as many Zoom accounts as people, one leaver after another, each put into a leavers'
group. Printed are the median, the 99th percentile and the worst, and what an idle minute costs. The aim: file 1 s + the poll,
Active Directory 2 s at the 99th percentile. Samba needs root and its packages (tests/adlab/README.md).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from syncd.lab.server import serve_in_thread
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant, a_user
from tests.adlab import lab
from tests.real.samba_world import GROUPS

ROOT = Path(__file__).parents[2]
AIM_SECONDS = {"file": 2.0, "samba": 2.0}
IDLE_SECONDS = 20.0
SECRET = "a-secret"


class Company:
    """A folder, a simulated Zoom, and a daemon with a configuration."""

    def __init__(self, folder: Path, addresses: list[str], directory: dict[str, Any]) -> None:
        self.folder = folder
        self.zoom = SimulatedZoom(Tenant(), now=lambda: datetime.now(UTC), sleep=asyncio.sleep, limits=AccountLimits(None),
                                  oauth=OAuth(client_secret=SECRET))
        self.users = {}
        for address in addresses:
            self.users[address] = a_user(address)
            self.zoom.tenant.put(self.users[address])
        (folder / "secret").write_text(SECRET + "\n")
        self.settings: dict[str, Any] = {
            "mode": "enforce", "directory": directory, "scope": {"domains": ["corp.example"]},
            "zoom": {"account_id": self.zoom.oauth.account_id, "client_id": self.zoom.oauth.client_id,
                     "client_secret_file": str(folder / "secret"), "account_plan": "business", "share": "100%"},
            "deactivate": {"grace": "1h", "grace_for_known_leavers": "0s"}, "guards": {"max_deactivations_per_day": 5000},
            "schedule": {"interval": "1h", "watch": True}, "ledger": {"url": f"sqlite:///{folder}/ledger.db"},
            "http": {"listen": "127.0.0.1:0"},
        }

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The daemon, after its first whole cycle."""
        with serve_in_thread(self.zoom) as serving:
            self.settings["zoom"] |= {"token_url": f"{serving.url}/oauth/token", "api_url": f"{serving.url}/v2"}
            configuration, log = self.folder / "syncd.yaml", self.folder / "log"
            configuration.write_text(yaml.safe_dump(self.settings))
            subprocess.run([sys.executable, "-m", "syncd", "ledger", "accept", "--config", str(configuration), "--by", "a person",
                            "--because", "a measurement"], cwd=ROOT, check=True, capture_output=True)
            with log.open("wb") as stream:
                process = subprocess.Popen([sys.executable, "-m", "syncd", "run", "--config", str(configuration)], cwd=ROOT,
                                           stdout=stream, stderr=stream)
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


def measure(kind: str, company: Company, leavers: list[str], leave: Callable[[str], None]) -> bool:
    """One leaver after another; prints the times and says whether they meet the aim."""
    took = []
    with company.running() as process:
        time.sleep(3)
        requests, began = len(company.zoom.requests), _cpu(process.pid)
        time.sleep(IDLE_SECONDS)
        idle, asked = (_cpu(process.pid) - began) / IDLE_SECONDS, len(company.zoom.requests) - requests
        for address in leavers:
            began = time.monotonic()
            leave(address)
            wait_until(company.locked_out(address))
            took.append(time.monotonic() - began)
    took.sort()
    p50, p99 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))]
    sys.stdout.write(f"{kind}: {len(company.users):,} people, {len(took)} leavers: p50 {p50:.2f} s, p99 {p99:.2f} s, worst "
                     f"{took[-1]:.2f} s; idle {idle:.1%} of a core, {asked} requests to Zoom; load {os.getloadavg()[0]:.1f}\n")
    return p99 <= AIM_SECONDS[kind]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def of_a_file(users: int, rounds: int) -> bool:
    """A CSV file that is replaced by a rename."""
    with tempfile.TemporaryDirectory() as name:
        folder, groups = Path(name), dict.fromkeys((f"u{number:05d}@corp.example" for number in range(users)), "staff")

        def save(leaver: str = "") -> None:
            if leaver:
                groups[leaver] = "staff;left"
            lines = ["id,display_name,addresses,enabled,expires_at,groups",
                     *(f"{address[:6]},{address[:6]},{address},,,{group}" for address, group in groups.items())]
            (folder / "new.csv").write_text("\n".join(lines) + "\n")
            (folder / "new.csv").replace(folder / "people.csv")

        save()
        company = Company(folder, list(groups), {
            "file": {"path": str(folder / "people.csv"), "groups": ["staff"], "leaver_groups": ["left"]}})
        return measure("file", company, list(groups)[:rounds], save)


def of_samba(users: int, rounds: int) -> bool:
    """A domain of its own; the leavers come into a group by its own tools."""
    with tempfile.TemporaryDirectory() as name, lab.running(Path(name) / "dc", lab.template(users, users * 7 // 10)) as domain:
        domain.samba_tool("group", "add", "bench-leavers", "--groupou=OU=Groups")
        (Path(name) / "password").write_text(domain["SVC_PASSWORD"] + "\n")
        found = domain.ldapsearch(f"(&(memberOf=CN=zoom-flat,{GROUPS})(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
                                  "(|(accountExpires=0)(accountExpires=9223372036854775807)))", "mail")
        addresses = sorted(address for address in found if address.count("@") == 1)
        company = Company(Path(name), addresses, {"active_directory": {
            "servers": [domain["URI"]], "ca_file": domain["CA_FILE"], "base_dn": [domain["BASE_DN"]], "groups": ["zoom-flat"],
            "leaver_groups": ["bench-leavers"],
            "bind": {"simple": {"user": domain["SVC_UPN"], "password_file": str(Path(name) / "password")}}}})

        def leave(address: str) -> None:
            dn = domain.ldapsearch(f"(mail={address})")[0]
            domain.modify(f"dn: CN=bench-leavers,{GROUPS}\nchangetype: modify\nadd: member\nmember: {dn}\n\n")

        return measure("samba", company, addresses[:rounds], leave)


def main() -> int:
    """Prints both; 1 when one misses its aim."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--only", choices=("file", "samba"))
    options = parser.parse_args()
    good = True
    if options.only != "samba":
        good &= of_a_file(options.users, options.rounds)
    if options.only != "file":
        if reason := lab.missing():
            sys.stderr.write(f"{reason}\n")
            return 2
        good &= of_samba(options.users, options.rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
